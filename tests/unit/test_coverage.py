"""What is used holds what it promises; `make coverage` says how far, and of what is not used."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lstm_bench.analysis.coverage import EVERY, LEAST, MOST, Alternative, Row, Said, rows
from lstm_bench.analysis.simulated import NOISES, SPREAD, Race, Scores, shares
from lstm_bench.report.coverage import rendered

SURE = 1e-4  # that a rate below the bound is no luck of the simulation


def broken(row: Row, draws: int) -> list[str]:
    """At which sizes a method that is used surely does not hold what it promises."""
    bound, against = (LEAST, "less") if row.rate == "held" else (MOST, "greater")
    return [
        f"{row.method} of {row.scores}, {size}: {row.rates[size]}"
        for size in row.used
        if stats.binomtest(round(row.rates[size] * draws), draws, bound, alternative=against).pvalue < SURE
    ]


def used(draws: int, methods: Sequence[Said | Alternative]) -> list[str]:
    assumed = [row for row in rows(draws, methods) if row.assumed]
    assert assumed
    return [line for row in assumed for line in broken(row, draws)]


def test_what_is_used_holds_what_it_promises() -> None:
    quick = [replace(one, sizes=[sizes for sizes in one.sizes if max(sizes) < 30]) for one in EVERY]
    known = [one for one in quick if isinstance(one, Said) and one.assumed and not isinstance(one.contest, Race)]
    assert used(150, known) == []


@pytest.mark.slow
def test_what_is_used_holds_what_it_promises_over_many_samples() -> None:
    assert used(2000, [one for one in EVERY if not isinstance(one.contest, Race)]) == []


@pytest.mark.slow
def test_races_are_called_wrongly_no_more_often_than_they_may() -> None:
    races = [one for one in EVERY if isinstance(one.contest, Race)]
    assert [line for row in rows(1000, races) for line in broken(row, 1000)] == []


def test_a_method_that_undercovers_is_found_out() -> None:
    (bootstrap,) = [one for one in EVERY if one.method == "mean: BCa bootstrap" and one.contest.noise == "normal"]  # type: ignore[union-attr]
    (row,) = rows(400, [replace(bootstrap, sizes=[(3, 3)])])
    assert not row.used
    assert row.fails("3")
    assert broken(replace(row, used=["3"]), 400)


@pytest.mark.parametrize("name", NOISES)
def test_noises_have_no_mean(name: str) -> None:
    drawn = NOISES[name](np.random.default_rng(0), 200_000)
    assert abs(drawn.mean()) < 5 * drawn.std() / 200_000**0.5


@pytest.mark.parametrize("contest", [Scores(apart=1.0), Scores(spread=3.0, apart=3.0), Scores(apart=1.0, paired=True)])
def test_the_true_share_of_wins_is_what_many_runs_win(contest: Scores) -> None:
    rng, n = np.random.default_rng(1), 100_000
    first = contest.difference + SPREAD * rng.normal(size=n)
    assert contest.wins == pytest.approx(float(np.mean(first > SPREAD * contest.spread * rng.normal(size=n))), abs=0.01)


def test_a_simulation_is_the_same_again() -> None:
    found = shares(Scores(), (3, 3), 20)
    shares.cache_clear()
    assert shares(Scores(), (3, 3), 20) == found


def test_the_table_says_what_is_not_used_and_what_fails() -> None:
    row = {"method": "mean: t", "scores": "normal", "rate": "held", "assumed": True}
    reference = {
        "command": "make coverage",
        "draws": 9,
        "versions": {"scipy": "1"},
        "rows": [
            row | {"rates": {"3": 0.95, "3 v 10": 0.9}, "used": ["3"]},
            row | {"rate": "wrong", "rates": {"5": 0.2}, "used": ["5"]},
        ],
    }
    table = rendered(reference)
    assert "| mean: t | normal | 0.950 | (**0.900**) |\n\n|" in table
    assert "| mean: t | normal | **0.200** |\n" in table
    assert table.endswith("By `make coverage`, 9 samples of each size; scipy 1.")
