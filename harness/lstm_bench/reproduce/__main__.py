"""Take a table that was kept into the README: `python -m lstm_bench.reproduce hochreiter1997`, from its folder."""

import sys
from pathlib import Path

from lstm_bench.analysis.replication import kept
from lstm_bench.record.disk import write_whole
from lstm_bench.record.files import Results
from lstm_bench.report.reference import insert
from lstm_bench.report.replications import rendered


def main(table: str) -> None:
    """Put the table between its two marks."""
    readme = Path("README.md")
    block = rendered(kept(Results(Path("results")), table), f"lstm-bench reproduce {table}")
    write_whole(readme, insert(readme.read_text(), table, block))


if __name__ == "__main__":
    main(sys.argv[1])
