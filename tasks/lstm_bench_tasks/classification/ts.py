"""The `.ts` format of the UCR and UEA archives: a header, then a series a line, channels and the label apart by colons.

Format: www.timeseriesclassification.com; series may be of unequal length.
"""

import numpy as np
from numpy.typing import NDArray

from lstm_bench.errors import UsageError
from lstm_bench_tasks.classification.recordings import Recordings

DATA = "@data"


def parse(text: str, where: str) -> Recordings:
    """The series of a file.

    Args:
        text: the file's.
        where: its name, for messages.

    Raises:
        UsageError: no `@data`, time stamps, real targets instead of classes, or a line that is no series.
    """
    header: dict[str, str] = {}
    places: list[str] = []
    series, labels, begun = [], [], False
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith(("#", "%")):
            continue
        if begun:
            *channels, label = line.split(":")
            places.append(f"{where}, line {number}")
            series.append(stacked(channels, places[-1]))
            labels.append(label.strip())
        elif line.lower() == DATA:
            begun = True
            accept(header, where)
        elif line.startswith("@"):
            key, _, value = line.lower().partition(" ")
            header[key] = value.strip()
        else:
            raise UsageError(f"{where}, line {number}: {line[:40]!r} stands before {DATA}: expected a .ts file")
    if not begun:
        raise UsageError(f"{where} has no line {DATA}: expected a .ts file")
    return Recordings(places, series, labels)


def accept(header: dict[str, str], where: str) -> None:
    """Refuse what the header announces and we do not read.

    Raises:
        UsageError: time stamps, or no class labels.
    """
    if header.get("@timestamps", "false").startswith("true"):
        raise UsageError(f"{where} has time stamps (@timeStamps true): expected values alone, evenly spaced")
    if "@targetlabel" in header or header.get("@classlabel", "true").startswith("false"):
        raise UsageError(f"{where} has no class labels: expected @classLabel true; real targets are not read")


def stacked(channels: list[str], where: str) -> NDArray[np.float32]:
    """The channels of a line as one series, [T, F].

    Raises:
        UsageError: no channel, a value that is no number, or channels of unequal length.
    """
    if not channels:
        raise UsageError(f"{where}: no colon: expected values, a colon and a label")
    try:
        values = [np.array(channel.replace("?", "nan").split(","), dtype=np.float32) for channel in channels]
    except ValueError as error:
        raise UsageError(f"{where}: {error}: expected numbers with commas between") from None
    if len({len(one) for one in values}) > 1:
        lengths = ", ".join(str(len(one)) for one in values)
        raise UsageError(f"{where}: channels of {lengths} steps: expected as many in each")
    return np.stack(values, axis=1)
