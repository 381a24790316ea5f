"""A learning run in words: where it ended, what it took, what it saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtpot.active.report.history import DOING
from mtpot.active.wording import counted
from mtpot.train.report.page import facts, lead, notes, paragraph

if TYPE_CHECKING:
    from mtpot.active.report.history import History

SPACING = 0.1
"""ps between the structures that would be labeled without a potential that knows what it knows."""


def summary(history: History) -> list[str]:
    """Write the first section."""
    stopped = history.store.fact("stopped")
    return [
        lead(_ending(history)),
        paragraph(_labels(history)),
        paragraph(cost_saved(history)),
        notes([stopped] if stopped else [], "Why it stopped"),
        facts(_numbers(history), "The run"),
    ]


def _ending(history: History) -> str:
    iteration, phase = history.position
    count = len(history.labels)
    made = f"{counted(count, 'calculation', 'was', 'were')} made"
    if phase != "finished":
        doing = DOING.get(phase, phase)
        return f"Not finished: the run stands in iteration {iteration}, {doing}. {made} so far."
    left = history.store.fact("left", 0)
    if left and history.store.events("hull"):
        return (
            f"Finished, but not clean: {counted(left, 'candidate')} could not be calculated, or "
            f"met what no calculation could label; hull.csv says which. {made}."
        )
    if left:
        return (
            f"Finished, but not clean: in iteration {iteration} {counted(left, 'structure')} still "
            f"extrapolated that no calculation could label. {made}."
        )
    return f"Finished: in iteration {iteration} nothing extrapolated any more. {made}."


def _labels(history: History) -> str:
    """Say what became of the structures."""
    done, aside = (len(history.in_state(state)) for state in ("done", "set-aside"))
    given, waiting = _given(history), len(history.in_state("queued", "running", "failed"))
    words = counted(done, "structure", "has a label", "have labels")
    words += f", {given} of them from the data that were given" if given else ""
    if aside:
        set_aside = counted(aside, "structure", "was", "were")
        words += f"; {set_aside} set aside, because no calculation gave a label"
    if waiting:
        words += f"; {counted(waiting, 'structure', 'waits for its', 'wait for theirs')}"
    return f"{words}."


def _given(history: History) -> int:
    return sum(entry.origin == "data" for entry in history.in_state("done"))


def cost_saved(history: History) -> str:
    """Compare with calculations at even times of a simulation that went well."""
    name, length = compared_simulation(history)
    made, every = len(history.labels), evenly_labeled(history)
    if not every:
        return (
            "No simulation has come to its end without extrapolation, so nothing can be said of "
            "what was saved."
        )
    verdict = (
        f"{every / made:.3g} times the {made} that were made"
        if made and every > made
        else f"no more than the {made} that were made: a longer simulation would show a saving"
    )
    return (
        f"{name} has {length:g} ps. To label a structure of it every {1e3 * SPACING:g} fs, as one "
        f"would who knows nothing of grades, takes {every} calculations: {verdict}. This counts "
        "that simulation alone, and takes all calculations to be equally long."
    )


def compared_simulation(history: History) -> tuple[str, float]:
    """Name the simulation that costs are compared for, and its length in ps; 0 without one."""
    if history.on_the_fly:
        kept = history.store.fact("simulation")  # what was simulated twice counts once
        return "The simulation on the fly", kept["time"] if kept else history.picoseconds
    longest = history.longest_clean
    if longest is None:
        return "", 0.0
    where = f"{longest.name} of iteration {longest.iteration}"
    return f"The longest simulation without extrapolation, {where},", longest.picoseconds


def evenly_labeled(history: History) -> int:
    """Count what labeling that simulation at even times would take."""
    return round(compared_simulation(history)[1] / SPACING)


def _numbers(history: History) -> list[tuple[str, str]]:
    failed = sum(event["end"] != "done" for event in history.labels)
    longest = history.longest_clean
    force = history.trainings[-1]["errors"]["force_rmse"] if history.trainings else None
    select, stop = history.thresholds
    return [
        ("calculations", f"{len(history.labels)}"),
        ("of these without a label", f"{failed}"),
        ("structures with labels", f"{len(history.in_state('done'))}"),
        ("structures set aside", f"{len(history.in_state('set-aside'))}"),
        ("iterations", f"{history.iterations}"),
        ("simulated", f"{history.picoseconds:g} ps"),
        ("longest without extrapolation", f"{longest.picoseconds:g} ps" if longest else "-"),
        ("calculations at every 100 fs", f"{evenly_labeled(history) or '-'}"),
        ("force RMSE of the last training", "-" if force is None else f"{force:.4f} eV/Å"),
        ("labels", f"{sum(event['seconds'] for event in history.labels):.1f} s"),
        ("training", f"{sum(event['seconds'] for event in history.trainings):.1f} s"),
        *_exploring(history),
        ("grade worth a label", f"{select:g}"),
        ("grade that stops a simulation", f"{stop:g}"),
    ]


def _exploring(history: History) -> list[tuple[str, str]]:
    """Seconds of explorations; on the fly nobody takes the time between two labels."""
    if history.on_the_fly:
        return []
    return [("exploration", f"{sum(each.seconds for each in history.explorations):.1f} s")]
