from contextlib import suppress

import pytest

from lstm_bench.errors import RecordError
from lstm_bench.record.files import Results
from lstm_bench.record.ledger import Ledger
from lstm_bench.suites import study_table
from lstm_bench.tuning.asker import Asker
from lstm_bench.tuning.journal import JournalFile
from lstm_bench.tuning.study import Question

QUESTION = Question.of(study_table({"task": "toy:Toy", "sampler": "random", "trials": 4}), {}, workers=1)


class Known(Ledger):
    """The ledger of a study that has begun: what the journal knows of it is kept."""

    def __init__(self, results: Results) -> None:
        super().__init__(results, results.study("s"))
        self.lines[("confirm", 9, 9)] = None  # type: ignore[assignment]


@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_a_trial_whose_draws_were_cut_off_draws_the_rest_as_it_would_have(
    results: Results, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    whole = Asker(QUESTION, Results(results.root.parent), Known(Results(results.root / "whole")))
    asker, append, writes = Asker(QUESTION, results, Known(results)), JournalFile.append_logs, []

    def fail(self: JournalFile, logs: list[dict[str, object]]) -> None:
        writes.append(logs)
        if len(writes) == write:
            raise RecordError("full")
        append(self, logs)

    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "append_logs", fail)
        with suppress(RecordError):
            asker.ask()
    assert Asker(QUESTION, results, Known(results)).ask() == whole.ask()
