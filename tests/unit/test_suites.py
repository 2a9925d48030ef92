from pathlib import Path

import pytest

from lstm_bench.errors import UsageError
from lstm_bench.suites import StudyTable, read_study, read_suite, suite_names


def studies() -> list[StudyTable]:
    return [table for name in suite_names() for table in read_suite(name)]


def test_there_are_suites() -> None:
    assert "quick" in suite_names()


@pytest.mark.parametrize("table", studies(), ids=lambda table: str(table.run["task"]))
def test_every_study_of_every_suite_is_a_valid_question(table: StudyTable) -> None:
    from lstm_bench.tuning.vary import questions

    for question in questions(table, {}, vary=None, match=None, workers=2).values():
        assert set(question.space.distributions) == set(table.search)
        for path, value in table.run.get("train", {}).items():
            assert question.base.flat()[f"train.{path}"] == value
        assert {key: getattr(question.budget, key) for key in table.budget} == dict(table.budget)
        assert {key: getattr(question.strategy, key) for key in table.strategy} == dict(table.strategy)
        assert question.confirm == table.confirm


def test_quick_has_a_study_of_each_family() -> None:
    from lstm_bench import plugins

    families = {plugins.load(plugins.TASKS, table.run["task"]).family for table in read_suite("quick")}
    assert families == {"classification", "language", "synthetic"}


STUDY = """
task = "adding"
trials = 3
sampler = "random"

[train]
steps = 10

[search]
"train.lr" = { low = 1e-3, high = 1e-2 }

[confirm]
"train.steps" = 20
"""


def test_a_study_file_is_split_into_run_budget_strategy_space_and_confirmation(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(STUDY)
    expected = StudyTable(
        run={"task": "adding", "train": {"steps": 10}},
        budget={"trials": 3},
        strategy={"sampler": "random"},
        search={"train.lr": {"low": 1e-3, "high": 1e-2}},
        confirm={"train.steps": 20},
    )
    assert read_study(path) == expected
    path.write_text("[[study]]" + STUDY.replace("[", "[study."))
    assert read_suite(str(path)) == [expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"trials = = 3", "is not TOML: "),
        (b'task = "\xff"', "cannot be read: "),
        (b'task = "adding"', r"expected \[\[study\]\] tables; a file of one study is run by `lstm-bench search`"),
        (b"study = []", r"expected \[\[study\]\] tables"),
        (b"study = [3]", "a study is 3, expected a table"),
        (b"[[study]]\nsearch = 3", "search = 3, expected a table of paths"),
    ],
)
def test_a_bad_suite_file_is_refused_in_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "suite.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=expected) as error:
        read_suite(str(path))
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_what_stands_above_the_studies_holds_for_all_and_theirs_goes_over_it(tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(
        'trials = 3\n[search]\n"model.layers" = [1, 2]\n'
        '[[study]]\ntask = "adding"\n[[study]]\ntask = "digits"\ntrials = 5\n'
    )
    first, second = read_suite(str(path))
    assert (first.run, first.budget, first.search) == ({"task": "adding"}, {"trials": 3}, {"model.layers": [1, 2]})
    assert (second.run, second.budget, second.search) == ({"task": "digits"}, {"trials": 5}, first.search)


def test_the_suite_of_defaults_has_every_task_that_needs_no_data_of_the_users() -> None:
    from lstm_bench import plugins

    own = {name for name, point in plugins.installed(plugins.TASKS).items() if point.dist.name == "lstm-bench"}
    tables = read_suite("defaults")
    assert {table.run["task"] for table in tables} == own - {"hub", "series-file", "textfile"}
    assert all(set(table.run) == {"task"} for table in tables)


@pytest.mark.parametrize("read", [read_study, lambda path: read_suite(str(path))])
def test_a_missing_file_is_refused_in_one_line(tmp_path: Path, read) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(UsageError) as error:
        read(path)
    assert str(error.value) == f"{path} cannot be read: No such file or directory"


def test_an_unknown_suite_gets_the_nearest_known_one() -> None:
    with pytest.raises(UsageError, match=r"unknown suite 'quik'\. Did you mean 'quick'"):
        read_suite("quik")


def test_a_key_that_no_study_has_gets_the_nearest_one_that_it_has(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('task = "adding"\ntrails = 3\n')
    with pytest.raises(UsageError, match=r"'trails'. Did you mean 'trials'"):
        read_study(tmp_path / "one.toml")


def test_what_a_command_says_goes_over_what_a_file_says() -> None:
    table = StudyTable({"task": "adding"}, {"trials": 3, "seeds": 2}, {"sampler": "tpe"})
    found = table.updated(budget={"trials": 9}, strategy={"pruner": "none"})
    assert found.budget == {"trials": 9, "seeds": 2}
    assert found.strategy == {"sampler": "tpe", "pruner": "none"}
    assert table.budget == {"trials": 3, "seeds": 2}


def test_a_study_file_that_was_written_is_the_question_it_was_written_from() -> None:
    import tomllib

    from lstm_bench.suites import study_table
    from lstm_bench.tuning.study import Question

    table = StudyTable({"task": "adding"}, {"trials": 3}, {"enqueue": [{"train.lr": 0.01}]}, {"train.lr": [0.1, 0.01]})
    asked = Question.of(table, {})
    facts = {"data": "d", "code": "c", "torch": "t"}
    again = Question.of(study_table(tomllib.loads(asked.to_toml(facts))), {})
    assert again == asked
