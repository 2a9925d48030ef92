from pathlib import Path

import pytest
from handmade import UP, Study, begin_study

from lstm_bench.analysis.saved import saved_by_pruning
from lstm_bench.cli import main
from lstm_bench.record.files import Results
from lstm_bench.report.listing import saved_line
from lstm_bench.result import Status


def costs(seconds: float, budget: float) -> dict[str, float]:
    return {"cost/train_seconds": seconds, "progress/budget": budget}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return begin_study(Results(tmp_path), UP)


def test_a_pruned_trial_would_have_trained_on_to_the_end_of_its_budget(study: Study) -> None:
    study.searched(0, 0.5, metrics=costs(10, 1.0))
    study.searched(1, 0.5, status=Status.PRUNED, metrics=costs(2, 0.25))  # 8 s whole
    study.searched(2, 0.5, status=Status.PRUNED, metrics=costs(3, 0.5))  # 6 s whole
    study.searched(3, 0.5, status=Status.CRASHED, metrics=costs(1, 0.1))  # nobody spared it anything
    found = saved_by_pruning(study.results, study.files.trials)
    assert (found.trials, found.seconds, found.trained) == (2, 9.0, 16.0)
    assert found.share == pytest.approx(9 / 25)
    assert saved_line(found).startswith("pruning spared 2 trials up to 9 s of training, 36% of what")


def test_seeds_that_a_lost_setting_did_not_get_were_spared_too(study: Study) -> None:
    study.searched(0, 0.5, status=Status.PRUNED, metrics=costs(4, 1.0))  # its first seed came to its end
    found = saved_by_pruning(study.results, study.files.trials, seeds=3)
    assert (found.trials, found.seconds, found.trained) == (1, 8.0, 4.0)


def test_without_pruning_or_where_nobody_knows_how_far_a_run_came_nothing_is_said(study: Study) -> None:
    study.searched(0, 0.5, metrics=costs(10, 1.0))
    study.searched(1, 0.5, status=Status.PRUNED, metrics={"cost/train_seconds": 2.0})
    assert saved_by_pruning(study.results, study.files.trials) is None


def test_what_a_known_run_trained_was_not_trained_here(study: Study) -> None:
    study.searched(0, 0.5, metrics=costs(10, 1.0), reused=True)
    study.searched(1, 0.5, status=Status.PRUNED, metrics=costs(2, 0.5))
    assert saved_by_pruning(study.results, study.files.trials).trained == 2.0


def test_studies_show_says_it(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    study.searched(0, 0.5, status=Status.PRUNED, metrics=costs(2, 0.25))
    with pytest.raises(SystemExit) as end:
        main(["--results", str(study.results.root), "studies", "show", "first"])
    assert not end.value.code
    assert "pruning spared 1 trial up to 6 s of training, 75% of what" in capsys.readouterr().out
