"""What a run's readings say of it: its figures, how long it has not got better, and why it diverged."""

from collections.abc import Mapping, Sequence

from lstm_bench import flops
from lstm_bench.goal import Goal
from lstm_bench.meter import Watch
from lstm_bench.result import Reading, is_finite, steady_speeds
from lstm_bench.spec import RunSpec
from lstm_bench.task import Task

EARLIER = 3  # readings before the last that a diverged run's reason quotes


def stale(readings: Sequence[Reading], score: str, goal: Goal) -> int:
    """How many of the last readings in a row were no better than the best before them."""
    best = (max if goal.maximize else min)(readings, key=lambda reading: reading.metrics[score])  # the first of equals
    return len(readings) - 1 - readings.index(best)


def why_diverged(readings: Sequence[Reading], score: str) -> str:
    """What the figures did before they were no numbers any more, in one line: a burst, or a slow rise?"""
    *before, last = readings
    norm, loss = "train/gradient_norm_max", "train/loss"
    figures = ", ".join(f"{name} {last.metrics[name]:g}" for name in (loss, score))
    told = f"at step {last.step}: {figures}; largest gradient norm {last.metrics[norm]:.3g}"
    if not before:
        return told
    losses = ", ".join(f"{reading.metrics[loss]:.3g}" for reading in before[-EARLIER:])
    return f"{told} (at the reading before: {before[-1].metrics[norm]:.3g}); losses before: {losses}"


def summary(readings: Sequence[Reading], goal: Goal, watch: Watch) -> dict[str, float]:
    """A run's figures: what its readings say, and what it cost.

    A run taken up again has trained before this watch was started, and its readings know; its other costs are those of
    this process.
    """
    trained = readings[-1].seconds if readings else 0.0
    return figures(readings, goal) | {
        "cost/train_seconds": max(trained, watch.training.seconds),
        "cost/eval_seconds": watch.evaluating.seconds,
        "cost/harness_share": watch.harness_share,
    }


def figures(readings: Sequence[Reading], goal: Goal) -> dict[str, float]:
    """What a run's readings say of it: best, last, target, speed."""
    name = f"valid/{goal.metric}"
    sound = [reading for reading in readings if is_finite(reading.metrics)]
    metrics: dict[str, float] = {}
    if sound:
        best = (max if goal.maximize else min)(sound, key=lambda reading: reading.metrics[name])
        metrics |= {f"best/{goal.metric}": best.metrics[name], "best/step": float(best.step)}
        metrics |= {f"last/{goal.metric}": sound[-1].metrics[name]}
        metrics |= {key: value for key, value in sound[-1].metrics.items() if key.startswith("progress/")}
    hit = next((reading for reading in sound if goal.reached(reading.metrics[name])), None)
    if hit:
        metrics |= {
            "target/seconds": hit.seconds,
            "target/steps": float(hit.step),
            "target/sequences": float(hit.sequences),
        }
    return metrics | steady_speeds(readings)


def effort(
    readings: Sequence[Reading], speeds: Mapping[str, float], task: Task, spec: RunSpec, peak: float | None
) -> dict[str, float]:
    """`cost/flops`, of the run's training whole, and `speed/mfu`, what its speed asks for over what the machine can.

    MFU, model FLOPs utilisation, is that of Chowdhery et al. 2022 (appendix B): see `flops` for what is counted. Absent
    where there is no reading or no peak, or where a stranger's cell cannot be built without its data.
    """
    try:
        needed = flops.training(task.signature, spec.model, spec.cell)
    except Exception:  # noqa: BLE001  # no fault of the run's
        return {}
    if not readings:
        return {}
    found = {"cost/flops": needed.of(readings[-1].timesteps, readings[-1].sequences)}
    if peak:
        asked = needed.of(speeds["speed/timesteps_per_second"], speeds["speed/sequences_per_second"])
        found["speed/mfu"] = asked / peak
    return found


def no_better(metrics: Mapping[str, float], floors: Mapping[str, float], goal: Goal) -> list[str]:
    """The floors that a run's test score does not beat; of one that was not tested, whether `chance` is not beaten."""
    tested, best = metrics.get(f"test/{goal.metric}"), metrics.get(f"best/{goal.metric}")
    if tested is not None:
        return [name for name, floor in floors.items() if not goal.better(tested, floor)]
    beaten = best is None or goal.chance is None or goal.better(best, goal.chance)
    return [] if beaten else ["chance"]
