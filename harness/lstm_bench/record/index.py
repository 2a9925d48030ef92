"""Which runs are known, by fingerprint and seed: equal settings are not run twice."""

from pathlib import Path

from lstm_bench.record.disk import append_line, read_lines, read_whole
from lstm_bench.record.files import Results


class Index:
    """The complete runs of a results folder. Made again from the runs' own files where its file is not there."""

    def __init__(self, results: Results) -> None:
        self._results, self._path = results, results.root / "index.jsonl"
        self._runs: dict[tuple[str, int], str] = {}
        if self._path.exists():
            for line in read_lines(self._path):
                self._runs[line["fingerprint"], line["seed"]] = line["run"]
        else:
            for path in sorted(results.runs.glob("*/machine.json")):
                self._take(path)

    def _take(self, path: Path) -> None:
        """Enter the run whose machine.json this is, if it is complete."""
        mark, files = (read_whole(path) or {}).get("fingerprint"), self._results.run(path.parent.name)
        if mark and files.result and files.result.status.complete:
            self.add(mark, files.spec.seed, files.id)

    def add(self, fingerprint: str, seed: int, run: str) -> None:
        """Enter a complete run; the first of equals stays."""
        if (fingerprint, seed) not in self._runs:
            append_line(self._path, {"fingerprint": fingerprint, "seed": seed, "run": run})
            self._runs[fingerprint, seed] = run

    def find(self, fingerprint: str, seed: int) -> str | None:
        """The known complete run; None where there is none, or its folder is gone."""
        run = self._runs.get((fingerprint, seed))
        result = self._results.run(run).result if run else None
        return run if result and result.status.complete else None
