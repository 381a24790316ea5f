"""Tables and plot of what benchmarks/peers.py has measured."""

from __future__ import annotations

import re
import statistics
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt

from machine import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

Row = dict[str, Any]
BEGIN, END = "<!-- peers.py: begin -->", "<!-- peers.py: end -->"


def ratio(slow: Row, fast: Row) -> float | None:
    """Median over the rounds of how many times as long the first took."""
    if not slow["times"] or not fast["times"]:
        return None
    pairs: Iterable[tuple[float, float]] = zip(slow["times"], fast["times"], strict=True)
    return statistics.median(a / b for a, b in pairs)


def tables(results: Row) -> str:
    """All tables as Markdown, under a line that says what was measured when and where."""
    parts = (_heading, _ours, _fractions, _others, _published, _scaling, _parallel)
    return "\n\n".join(part(results) for part in parts) + "\n"


MARKED = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)


def check(document: Path) -> None:
    """End the program unless a document has the two marks."""
    if not (document.is_file() and MARKED.search(document.read_text())):
        raise SystemExit(f"{document} is no file with lines {BEGIN} and {END}")


def renew(document: Path, text: str) -> None:
    """Replace what stands between the two marks in a document."""
    old = document.read_text()
    document.write_text(MARKED.sub(lambda _: f"{BEGIN}\n{text}{END}", old))


def plot(results: Row, path: Path) -> None:
    """Draw times as bars, and the cost of an atom in crystals of different sizes."""
    mpl.rcParams["svg.hashsalt"] = "mtpot"
    figure, (bars, curve) = plt.subplots(
        1, 2, figsize=(11, 6), width_ratios=(3, 2), layout="constrained"
    )
    _plot_times(results, bars)
    _plot_scaling(results, curve)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _heading(results: Row) -> str:
    machine, settings = results["machine"], results["settings"]
    return (
        f"{machine['date']}, {machine['processor']} ({machine['cores']} cores, "
        f"{machine['instruction set']}), {machine['compiler']}, LAMMPS {machine['lammps']}, "
        f"motep {machine['motep']}; load of other programs at the start {machine['load']}; "
        f"{settings['atoms']:,} atoms, one core, microseconds per atom and step, medians of "
        f"{settings['rounds']} rounds."
    )


def _ours(results: Row) -> str:
    rows = _by_variant(results)
    variants = list(dict.fromkeys(variant for _, variant in rows))
    names = {"grades": "with grades", "ASE": "in ASE", "motep": "motep in ASE"}
    head = ["level", *(names.get(each, each) for each in variants)]
    lines = []
    for level in results["settings"]["levels"]:
        times = [_number(rows[level, each]["time"]) for each in variants]
        lines.append([level, *times])
        if (level, "motep") in rows:
            lines[-1].append(_ratio(ratio(rows[level, "motep"], rows[level, "ASE"])))
    return _table([*head, "motep / ours"] if "motep" in variants else head, lines)


def _fractions(results: Row) -> str:
    rows = _by_variant(results)
    kinds = list(dict.fromkeys(kind for (_, kind), row in rows.items() if row["fraction"]))
    rates = "; ".join(
        f"{NAMES[simd]} {rate['double']:.0f} in double, {rate['single']:.0f} in single precision"
        for simd, rate in results["peak"].items()
    )
    lines = [
        [
            level,
            _number(rows[level, "double"]["operations"] / 1e3, 1),
            *(_percent(rows[level, kind]["fraction"]) for kind in kinds),
        ]
        for level in results["settings"]["levels"]
    ]
    head = ["level", "1000 operations per atom", *kinds]
    return f"Fraction of the measured peak (GFLOP/s: {rates}):\n\n" + _table(head, lines)


def _others(results: Row) -> str:
    rows = _by_variant(results)
    levels = results["settings"]["levels"]
    head = ["potential", "crystal", "cutoff", "neighbors inside", "listed", "time"]
    lines = [
        [
            row["name"],
            row["crystal"],
            _number(row["cutoff"]),
            row["inside"],
            row["listed"],
            _number(row["time"]),
            *(_ratio(ratio(row, rows[level, "double"])) for level in levels),
        ]
        for row in [*_peers(results), *(rows[level, "double"] for level in levels)]
    ]
    return _table([*head, *(f"/ MTP {level}" for level in levels)], lines)


def _published(results: Row) -> str:
    head = ["measured elsewhere", "level", "there", "scaled by the peak", "ours", "ratio"]
    lines = [
        [
            row["name"],
            row["level"],
            _number(row["published"], 1),
            _number(row["scaled"]),
            _number(row["time"]),
            _ratio(row["ratio"]),
        ]
        for row in results["published"]
    ]
    return _table(head, lines) if lines else "Nothing is published to compare with."


def _scaling(results: Row) -> str:
    scaling = results["scaling"]
    rows, memory = scaling["rows"], scaling["memory"]
    mean = statistics.mean(row["time"] for row in rows)
    lines = [
        [f"{row['atoms']:,}", _number(row["time"]), f"{100 * (row['time'] / mean - 1):+.1f} %"]
        for row in rows
    ]
    level = results["settings"]["reference"]
    table = _table([f"atoms (level {level})", "time", "from the mean"], lines)
    return f"{table}\n\nThe largest of these runs takes {memory:.2f} GiB of memory."


def _parallel(results: Row) -> str:
    level = results["settings"]["reference"]
    lines = [
        [
            f"{row['atoms']:,}",
            row["ranks"],
            row["threads"],
            _number(row["time"]),
            _number(row["speedup"]),
        ]
        for row in results["parallel"]
    ]
    return _table([f"atoms (level {level})", "ranks", "threads", "time", "times as fast"], lines)


def _peers(results: Row) -> list[Row]:
    return [row for row in results["comparison"] if row["level"] is None]


def _by_variant(results: Row) -> dict[tuple[int, str], Row]:
    """Rows of moment tensor potentials by level and variant."""
    return {
        (row["level"], row["variant"]): row
        for row in results["comparison"]
        if row["level"] is not None
    }


def _table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    rows = [head, ["---:"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _ratio(value: float | None) -> str:
    return _number(value, 2 if value is None or value < 10 else 1)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _plot_times(results: Row, axes: Axes) -> None:
    """One bar a potential, the slowest on top."""
    shown = [
        row
        for row in results["comparison"]
        if row["time"] and row["variant"] in {"", "double", "mixed", "motep"}
    ]
    shown.sort(key=lambda row: float(row["time"]))
    colors = {"": "0.6", "double": "tab:blue", "mixed": "tab:cyan", "motep": "tab:orange"}
    axes.barh(
        [row["name"].replace("motep", "motep in ASE") for row in shown],
        [row["time"] for row in shown],
        color=[colors[row["variant"]] for row in shown],
    )
    for place, row in enumerate(shown):
        axes.annotate(f" {row['time']:.3g}", (row["time"], place), va="center", fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.01)
    axes.set_xlabel("µs per atom and step, one core")


def _plot_scaling(results: Row, axes: Axes) -> None:
    rows = results["scaling"]["rows"]
    axes.plot([row["atoms"] for row in rows], [row["time"] for row in rows], "o-")
    axes.set_xscale("log")
    axes.set_ylim(0, 1.3 * max(row["time"] for row in rows))
    axes.set_xlabel("atoms")
    axes.set_ylabel(f"µs per atom and step, level {results['settings']['reference']}")
