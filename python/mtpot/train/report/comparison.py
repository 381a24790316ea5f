"""The report on several potentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtpot.train.quantities import QUANTITIES, Quantity, error_rows
from mtpot.train.report.compared import common_kind, differing_settings, frames_differ, totals
from mtpot.train.report.convergence import compared_convergence
from mtpot.train.report.curves import compared_dimers, compared_radial
from mtpot.train.report.folder import write_page
from mtpot.train.report.learning import learning_drawing, time_drawing
from mtpot.train.report.page import Section, document, gallery, lead, notes, paragraph, table
from mtpot.train.report.style import style, to_png

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mtpot.train.report.compared import Compared
    from mtpot.train.report.style import Drawing


def write_comparison(folder: Path, compared: Sequence[Compared]) -> None:
    """Write ``report.html`` on several potentials, and its figures; a report there is replaced.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    kind = common_kind(compared)
    with style():
        drawings = _drawings(compared, kind)
        shown = [each for each in drawings.values() if each]
        images = {each.name: to_png(each.figure) for each in shown}
        figures = {
            title: [gallery([each], images)] if each else [] for title, each in drawings.items()
        }
        page = document(f"{len(compared)} potentials compared", _sections(compared, kind, figures))
    write_page(folder, page, images)


def _drawings(compared: Sequence[Compared], kind: str | None) -> dict[str, Drawing | None]:
    potentials = {each.name: each.potential for each in compared}
    runs = {each.name: each.training.steps for each in compared if each.training}
    return {
        "Error against time": time_drawing(compared, kind) if kind else None,
        "Learning curve": learning_drawing(compared, kind) if kind else None,
        "Convergence": compared_convergence(runs),
        "Dimers": compared_dimers(potentials),
        "Radial functions": compared_radial(potentials),
    }


def _sections(
    compared: Sequence[Compared], kind: str | None, figures: dict[str, list[str]]
) -> list[Section]:
    differing = differing_settings(compared)
    heads = ["setting", *(each.name for each in compared)]
    settings = [table(heads, differing, "Settings that differ")] if differing else []
    return [
        Section("Summary", _summary(compared, kind)),
        Section("Errors by group", _group_tables(compared, kind) if kind else []),
        *(Section(title, parts) for title, parts in figures.items()),
        Section("Settings", settings),
    ]


def _summary(compared: Sequence[Compared], kind: str | None) -> list[str]:
    heads = ["potential", "level", "cutoff (Å)", "parameters", "training frames"]
    heads += ["estimated time (µs/atom)", "loss", "training (s)"]
    heads += [f"{q.name} RMSE ({q.unit})" for q in QUANTITIES] if kind else []
    rows = [_overview(each, kind) for each in compared]
    caption = f"The potentials, errors on {kind} frames" if kind else "The potentials"
    parts = [lead(_best(compared, kind))] if kind else []
    cautions = notes(_cautions(compared, kind), "Before you compare")
    return [*parts, cautions, table(heads, rows, caption)]


def _best(compared: Sequence[Compared], kind: str) -> str:
    """Name the potentials with the smallest errors and the shortest time."""
    wins: dict[str, list[str]] = {}
    for quantity in QUANTITIES:
        found = [
            (errors.rmse, each.name)
            for each, total in zip(compared, totals(compared, kind), strict=True)
            if (errors := quantity.errors(total))
        ]
        if found:
            least, name = min(found)
            text = f"{quantity.name} ({quantity.text(least)} {quantity.unit})"
            wins.setdefault(name, []).append(text)
    parts = [
        f"{name} has the smallest root mean square errors of {', '.join(won)}"
        for name, won in wins.items()
    ]
    quickest = min(compared, key=lambda each: each.microseconds)
    parts.append(f"{quickest.name} is the fastest ({quickest.microseconds:.3g} µs per atom)")
    return f"On {kind} frames, {'; '.join(parts)}."


def _cautions(compared: Sequence[Compared], kind: str | None) -> list[str]:
    if kind is None:
        return ["No set of frames is known for all of them: give --test to judge them by."]
    found = []
    if kind == "train":
        found.append("The errors are on training frames: they do not say how well these predict.")
    if frames_differ(compared, kind):
        found.append(f"The {kind} frames are not the same for all: give --test to judge them by.")
    stops = {each.name: each.training.stop for each in compared if each.training}
    return found + [
        f"The training of {name} is not converged ({stop})."
        for name, stop in stops.items()
        if stop in ("max-steps", "interrupted")
    ]


def _overview(each: Compared, kind: str | None) -> list[str]:
    core, training = each.potential.core, each.training
    cells = [each.name, f"{core.level}", f"{core.cutoff:g}", f"{len(core.parameters)}"]
    cells += ["-" if each.frames is None else f"{each.frames}", f"{each.microseconds:.3g}"]
    cells += [f"{training.loss:.6g}", f"{training.seconds:.1f}"] if training else ["-", "-"]
    return cells + (_errors(each, kind) if kind else [])


def _errors(each: Compared, kind: str) -> list[str]:
    found = [(q, q.errors(each.metrics[kind].total)) for q in QUANTITIES]
    return [quantity.text(errors.rmse) if errors else "-" for quantity, errors in found]


def _group_tables(compared: Sequence[Compared], kind: str) -> list[str]:
    about = f"Errors on {kind} frames: mean absolute and root mean square."
    return [paragraph(about), *(_group_table(compared, kind, q) for q in QUANTITIES)]


def _group_table(compared: Sequence[Compared], kind: str, quantity: Quantity) -> str:
    found = [error_rows(each.metrics[kind]) for each in compared]
    groups = dict.fromkeys(name for rows in found for name in rows if name != "total")
    heads = [f"{each.name} {text}" for each in compared for text in ("MAE", "RMSE")]
    lines = []
    for group in (*groups, "total"):
        summaries = [rows.get(group) for rows in found]
        errors = [quantity.errors(summary) if summary else None for summary in summaries]
        cells = [[quantity.text(e.mae), quantity.text(e.rmse)] if e else ["-", "-"] for e in errors]
        lines.append([group, *(cell for pair in cells for cell in pair)])
    caption = f"{quantity.name.capitalize()} errors in {quantity.unit}"
    return table(["group", *heads], lines[:-1], caption, lines[-1])
