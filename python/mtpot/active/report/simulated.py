"""Calculations against what was simulated, and how the simulations become clean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mtpot.train.report.style import COLORS, CYCLE, Drawing, line_style, literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mtpot.active.report.history import Explored, History

_MOST_NAMED = 8
"""Curves that a legend can tell apart."""


def calculation_drawings(history: History) -> Iterator[Drawing]:
    """Draw the number of calculations against the simulated time, both summed up as they came."""
    unit = "ps" if history.picoseconds else "steps"
    simulated, calculated = course(history, unit)
    if not simulated[-1]:
        return
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(simulated, calculated, color=COLORS["train"])
    axes.set(xlabel=_axis(unit, "simulated"), ylabel="calculations", ylim=(0, None))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    yield Drawing(
        "calculations",
        figure,
        f"Calculations against simulated {unit}: {calculated[-1]} in {simulated[-1]:g}",
        f"{calculated[-1]} calculations while {simulated[-1]:g} {unit} were simulated. Where the "
        "curve rises, calculations were made for what simulations had met; where it is flat, "
        "simulations went on without.",
        vector=True,
    )


def course(history: History, unit: str) -> tuple[list[float], list[int]]:
    """Return sums of what was simulated and of calculations after each event, from zero on."""
    steps = [(event["time"], 0.0, 1) for event in history.labels]
    steps += [(each.time, each.length, 0) for each in history.explorations if each.unit == unit]
    simulated, calculated = [0.0], [0]
    for _, length, count in sorted(steps):
        simulated.append(simulated[-1] + length)
        calculated.append(calculated[-1] + count)
    return simulated, calculated


def clean_drawings(history: History) -> Iterator[Drawing]:
    """Draw how long simulations ran until something was worth a label, by iteration."""
    timed = [each for each in history.explorations if each.unit == "ps"]
    if not timed:
        return
    select, _ = history.thresholds
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    runs = by_name(timed)
    for place, (name, explored) in enumerate(runs.items()):
        lengths = [each.clean_until(select) for each in explored]
        iterations = [each.iteration for each in explored]
        axes.plot(iterations, lengths, label=literal(name), marker="o", **line_style(place))
        ended = [
            (iteration, length)
            for iteration, length, each in zip(iterations, lengths, explored, strict=True)
            if not each.clean
        ]
        if ended:
            axes.plot(*zip(*ended, strict=True), "o", color="white", markersize=3.5, zorder=3)
    if len(runs) <= _MOST_NAMED:
        axes.legend(fontsize="small")
    axes.set(xlabel="iteration", ylabel=f"time until grade {select:g} (ps)", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    yield Drawing(
        "clean",
        figure,
        f"Simulated ps until the grade exceeds {select:g}, for {len(runs)} simulations of "
        f"{history.iterations} iterations",
        f"How long each simulation ran before its grade exceeded {select:g}, by iteration. Full "
        "points: it came to its end without.",
        vector=True,
    )


def second_drawings(history: History) -> Iterator[Drawing]:
    """Draw how long each calculation took, the longest first."""
    if not history.labels:
        return
    ordered = sorted(history.labels, key=lambda event: -event["seconds"])
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    for done, color, name in ((True, CYCLE[0], "gave a label"), (False, CYCLE[1], "gave none")):
        chosen = [
            (place, event["seconds"])
            for place, event in enumerate(ordered)
            if (event["end"] == "done") is done
        ]
        if chosen:
            places, seconds = zip(*chosen, strict=True)
            axes.bar(places, seconds, width=0.9, color=color, label=name)
    axes.set(xlabel="calculation, the longest first", ylabel="duration (s)")
    axes.legend()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    first, total = ordered[0], sum(event["seconds"] for event in ordered)
    caption = (
        f"Seconds of each calculation, {total:.1f} in all. The longest, {first['seconds']:.1f} s, "
        f"is that of structure {first['row']}."
    )
    yield Drawing("seconds", figure, caption, caption, vector=len(ordered) < 200)


def by_name(explorations: Sequence[Explored]) -> dict[str, list[Explored]]:
    """Put the explorations of one name together, in the order of iterations."""
    found: dict[str, list[Explored]] = {}
    for each in explorations:
        found.setdefault(each.name, []).append(each)
    return found


def _axis(unit: str, word: str) -> str:
    return f"{word} time (ps)" if unit == "ps" else f"{word} steps"
