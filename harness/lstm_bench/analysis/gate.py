"""Has anything got worse since a baseline? What a pipeline is stopped by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lstm_bench.analysis.answer import Board, chosen
from lstm_bench.analysis.benchmarks import File, benchmark_findings, unlike
from lstm_bench.analysis.comparable import apart
from lstm_bench.analysis.looks import Look, Together, Word, groups_of
from lstm_bench.analysis.margins import Margin
from lstm_bench.analysis.measures import Kind
from lstm_bench.analysis.references import is_old
from lstm_bench.analysis.verdict import Finding
from lstm_bench.analysis.versus import versus
from lstm_bench.errors import UsageError

ALARM = 0.05  # that a gate says `fell` of anything where nothing did
MODEL = ("model.", "cell.")  # settings that a model's size hangs on
OLD = "score, time to target and weights alone"
ONE_PROCESS = (
    "one process a side: its rounds, in batches, say nothing of how processes differ; several files do: "
    "--baseline a1.json --baseline a2.json b1.json b2.json"
)


@dataclass(frozen=True, slots=True)
class Gate:
    """All that one gate looked at.

    Attributes:
        looks: a comparison each.
        together: a measure over all tasks each.
        missing: what the baseline has and the present has not.
        notes: what was left out, and why.
    """

    looks: Sequence[Look]
    together: Sequence[Together]
    missing: Sequence[str]
    notes: Sequence[str]

    def having(self, word: Word) -> list[Look]:
        """The looks that say so."""
        return [look for look in self.looks if look.word == word]

    @property
    def word(self) -> Word:
        """Of all together."""
        if self.having("fell") or any(one.fell for one in self.together):
            return "fell"
        return "undecided" if self.missing or self.having("undecided") else "passed"


def gate_of(
    found: Sequence[tuple[str, Finding]],
    missing: Sequence[str] = (),
    notes: Sequence[str] = (),
    *,
    independent: bool = False,
) -> Gate:
    """Look at each finding so that all together give a false alarm in at most 5 of 100 comparisons of equals.

    That something fell is said at a level of 0.05 / m each (Bonferroni; Dunn 1961, JASA 56), m being all measures of
    all tasks, and those of all tasks together: it holds however measures hang together. Holm's steps (1979) would stop
    hardly a gate more, since the first of them is the same, and would leave each without its interval. Sizes are
    counted, not sampled, and have no part in m. That all passed is said where each of the tests at the margin rejects:
    an intersection of hypotheses, which needs no correction (Berger 1982, Technometrics 24).

    Args:
        found: the present against the baseline, each by its name.
        missing: what the baseline has beside these.
        notes: for who reads it.
        independent: whether they are of runs apart, so that a measure's findings can be looked at together, too.
    """
    tests = sum(one.loss is not None and one.measure.kind != "size" for _, one in found)
    groups = groups_of([one for _, one in found]) if independent else []
    level = ALARM / max(1, tests + len(groups))
    looks = [Look(what, one, level) for what, one in found]
    return Gate(looks, [Together([looks[k] for k in group], level) for group in groups], missing, notes)


def gate_of_studies(
    pairs: Sequence[tuple[Board, Board]],
    missing: Sequence[str],
    margins: Mapping[Kind, Margin],
    *,
    across_machines: bool = False,
) -> Gate:
    """Hold studies against a baseline's.

    Args:
        pairs: a present board and the baseline's.
        missing: studies of the baseline alone.
        margins: by kind of measure.
        across_machines: whether clocks of unlike machines are compared too.

    Raises:
        UsageError: a pair cannot be compared.
    """
    judged = versus(pairs, margins, across_machines=across_machines)
    refused = [one.refused for one in judged if one.refused]
    if refused:
        raise UsageError(f"no gate without like against like: {'; '.join(refused)}")
    notes = [f"{before['study']}: its baseline is of before boards kept each run's figures: {OLD}"
             for _, before in pairs if is_old(before)]  # fmt: skip
    unlike = dict.fromkeys(one.unlike for one in judged if one.unlike)
    if unlike:
        told = "compared all the same" if across_machines else "left out: --across-machines takes them in"
        notes.append(f"clocks of unlike machines ({'; '.join(unlike)}) are {told}")
    tasks = [one.task for one in judged]
    found = []
    for one, (now, before) in zip(judged, pairs, strict=True):
        name, other = one.task if tasks.count(one.task) == 1 else one.first, _other_model(now, before)
        found += [(name, finding) for finding in one.findings if not (other and finding.measure.kind == "size")]
        if other:
            notes.append(f"{name}: another model was chosen ({other}): time and memory are its, weights are left out")
    own_baselines = len({before["study"] for _, before in pairs}) == len(pairs)
    return gate_of(found, missing, notes, independent=own_baselines)


def _other_model(now: Board, before: Board) -> str | None:
    """How the model that was chosen differs from the baseline's; None where it does not, or nobody knows."""
    settings = [(chosen(board) or {}).get("settings", {}) for board in (now, before)]
    models = [{path: value for path, value in one.items() if path.startswith(MODEL)} for one in settings]
    return next(apart("", *models), None)


def gate_of_benchmarks(
    present: Sequence[File], before: Sequence[File], margin: Margin, *, across_machines: bool = False
) -> Gate:
    """Hold what pytest-benchmark wrote against what it wrote before.

    Args:
        present: files, each of one process.
        before: likewise.
        margin: of seconds.
        across_machines: whether their machines may be unlike.

    Raises:
        UsageError: they are.
    """
    place = unlike([*present, *before])
    if place and not across_machines:
        raise UsageError(f"benchmarks of another machine ({place}): --across-machines compares them all the same")
    found, missing = benchmark_findings(present, before, margin)
    return gate_of(found, missing, [ONE_PROCESS] if min(len(present), len(before)) == 1 else [])
