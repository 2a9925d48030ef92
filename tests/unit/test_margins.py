import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_bench.analysis.margins import DEFAULTS, Margin, margins
from lstm_bench.analysis.measures import Measure
from lstm_bench.errors import UsageError

SHARE = Measure("test/accuracy", "accuracy", "", "score", maximize=True, scale="linear")
SPEED = Measure("speed/sequences_per_second", "speed", "1/s", "speed", maximize=True)


@pytest.mark.parametrize(
    ("margin", "measure", "reference", "width"),
    [
        (Margin(0.01), SHARE, 0.9, 0.009),
        (Margin(0.01), SHARE, -0.9, 0.009),  # a score may be below 0
        (Margin(0.01), SHARE, 0.0, 0.0),
        (Margin(0.005, relative=False), SHARE, 0.9, 0.005),
        (Margin(0.05), SPEED, 200.0, math.log(1.05)),
        (Margin(10.0, relative=False), SPEED, 200.0, math.log(210 / 200)),
    ],
)
def test_widths_worked_by_hand(margin: Margin, measure: Measure, reference: float, width: float) -> None:
    assert margin.on(measure, reference) == pytest.approx(width)


@given(st.floats(0, 10), st.floats(0.1, 100), st.sampled_from([SHARE, SPEED]))
def test_a_share_is_the_same_in_either_form(amount: float, reference: float, measure: Measure) -> None:
    relative, absolute = Margin(amount), Margin(amount * reference, relative=False)
    assert relative.on(measure, reference) == pytest.approx(absolute.on(measure, reference), abs=1e-12)


def test_margins_as_they_are_given() -> None:
    found = margins(["score=0.005", "speed=5%", "memory= 2.5 %", "target=1e-3"])
    assert found["score"] == Margin(0.005, relative=False)
    assert (found["speed"], found["memory"]) == (Margin(0.05), Margin(0.025))
    assert found["target"] == Margin(0.001, relative=False)
    assert found["size"] == DEFAULTS["size"]
    assert margins([]) == dict(DEFAULTS)
    assert [str(found[kind]) for kind in ("score", "speed")] == ["0.005", "5 %"]


@pytest.mark.parametrize("given_", ["speed", "speed=", "speed=-1", "speed=nan", "speed=fast", "speed=5%%", "speed=inf"])
def test_what_is_no_margin_is_refused(given_: str) -> None:
    with pytest.raises(UsageError, match="expected a number in its unit"):
        margins([given_])


def test_an_unknown_kind_gets_the_nearest_known_one() -> None:
    with pytest.raises(UsageError, match="score"):
        margins(["scores=1%"])
