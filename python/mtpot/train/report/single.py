"""The report on one potential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtpot.train.quantities import QUANTITIES, error_cells, error_rows, group_name
from mtpot.train.report.calibration import calibration_drawing
from mtpot.train.report.convergence import convergence_drawing
from mtpot.train.report.curves import dimer_drawing, radial_drawing
from mtpot.train.report.folder import write_page
from mtpot.train.report.grades import grade_drawing
from mtpot.train.report.page import (
    Section,
    document,
    facts,
    gallery,
    lead,
    notes,
    paragraph,
    preformatted,
    table,
)
from mtpot.train.report.parity import distribution_drawing, group_drawing, parity_drawings
from mtpot.train.report.style import style, to_png
from mtpot.train.report.verdict import sentences, warnings
from mtpot.train.report.worst import Deviation, deviations, worst_energies, worst_forces
from mtpot.train.settings_file import format_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mtpot.train.metrics import Metrics
    from mtpot.train.report.calibration import Calibration
    from mtpot.train.report.judged import Judged
    from mtpot.train.report.record import Training
    from mtpot.train.report.style import Drawing

WORST = 10
"""Frames in each table of the worst."""

_SAMPLED = ("Parity", "Distribution of errors", "Extrapolation")


def write_report(folder: Path, judged: Judged, calibrations: Sequence[Calibration] = ()) -> None:
    """Write ``report.html`` and the PNG files of its figures; an earlier report is replaced.

    Parameters
    ----------
    folder
        Made if it is missing.
    judged
        The potential, its frames with predictions, and its training if that is known.
    calibrations
        Predicted uncertainties beside errors; each becomes a figure.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    with style():
        drawings = _drawings(judged, calibrations)
        images = {each.name: to_png(each.figure) for each in _all(drawings)}
        page = document(f"Potential {judged.name}", _sections(judged, drawings, images))
    write_page(folder, page, images)


def _drawings(
    judged: Judged, calibrations: Sequence[Calibration]
) -> dict[str, list[Drawing | None]]:
    """Figures of the sections that have some."""
    sets, training = judged.sets, judged.training
    uncertain = [calibration_drawing(each, place) for place, each in enumerate(calibrations)]
    return {
        "Errors by group": [group_drawing(sets)],
        "Parity": [*parity_drawings(sets)],
        "Distribution of errors": [distribution_drawing(sets)],
        "Convergence": [convergence_drawing(training.steps) if training else None],
        "Radial functions": [radial_drawing(judged.potential, judged.distances)],
        "Dimers": [dimer_drawing(judged.potential, judged.distances)],
        "Extrapolation": [grade_drawing(sets)],
        "Uncertainty": [*uncertain],
    }


def _all(drawings: dict[str, list[Drawing | None]]) -> list[Drawing]:
    return [each for some in drawings.values() for each in some if each]


def _sections(
    judged: Judged, drawings: dict[str, list[Drawing | None]], images: dict[str, bytes]
) -> list[Section]:
    shown = {
        title: [gallery([each for each in some if each], images)] if any(some) else []
        for title, some in drawings.items()
    }
    for title in _SAMPLED:
        shown[title] = [_sample_note(judged), *shown[title]] if shown[title] else []
    shown["Errors by group"] = [
        *(error_table(name, each.metrics) for name, each in judged.sets.items()),
        *shown["Errors by group"],
    ]
    return [
        Section("Summary", _summary(judged)),
        *(Section(title, parts) for title, parts in shown.items()),
        Section("Worst frames", _worst(judged)),
        Section("Settings", _settings(judged.training) if judged.training else []),
    ]


def _summary(judged: Judged) -> list[str]:
    first, *others = sentences(judged)
    return [
        lead(first),
        *(paragraph(each) for each in others if each),
        notes(warnings(judged), "Before you trust it"),
        notes(judged.training.warnings if judged.training else (), "Found in its data"),
        facts(_key_facts(judged), "The potential"),
    ]


def _key_facts(judged: Judged) -> list[tuple[str, str]]:
    core = judged.potential.core
    rows = [
        ("species", ", ".join(core.species)),
        ("level", f"{core.level}"),
        ("cutoff", f"{core.cutoff:g} Å"),
        ("shortest distance resolved", f"{core.min_distance:.4g} Å"),
        ("radial basis", f"{core.radial_size} of {core.radial_basis}"),
        ("radial functions", f"{core.radial_function_count}"),
        ("scalars", f"{len(core.scalars)}"),
        ("parameters", f"{len(core.parameters)}"),
        ("time, estimated", f"{judged.microseconds:.3g} µs per atom and core"),
    ]
    rows += [
        (f"{name} frames", f"{each.metrics.total.frames} ({each.metrics.total.atoms} atoms)")
        for name, each in judged.sets.items()
    ]
    training = judged.training
    if training:
        rows += [("loss", f"{training.loss:.6g}"), ("training", f"{training.seconds:.1f} s")]
        rows += [("stopped", training.stop), ("threads", f"{training.threads}")]
        rows += [("seed", f"{training.seed}")]
    return rows


def error_table(name: str, metrics: Metrics) -> str:
    """Write the table of a set's errors, one row a group and the total below."""
    kinds = {"MAE": "mae", "RMSE": "rmse", "max": "maximum"}
    heads = [f"{q.name} {kind} ({q.unit})" for q in QUANTITIES for kind in kinds]
    rows = [
        [group, str(summary.frames), str(summary.atoms), *error_cells(summary, [*kinds.values()])]
        for group, summary in error_rows(metrics).items()
    ]
    return table(["group", "frames", "atoms", *heads], rows[:-1], f"Errors, {name}", rows[-1])


def _sample_note(judged: Judged) -> str:
    """Say of which sets a sample is shown; empty if there are none."""
    parts = [
        f"{len(each.frames)} of {each.metrics.total.frames} {name} frames"
        for name, each in judged.sets.items()
        if each.sampled
    ]
    return paragraph(f"Shown here is a sample: {', '.join(parts)}.") if parts else ""


def _worst(judged: Judged) -> list[str]:
    found = deviations(judged.sets)
    parts = [
        ("The largest force errors", worst_forces(found, WORST)),
        ("The largest energy errors", worst_energies(found, WORST)),
    ]
    about = (
        "Force errors are lengths of vectors, of the atom that has the largest in its frame; atoms "
        "count from zero. A frame that stands far out may be a calculation that went wrong."
    )
    tables = [_worst_table(*part) for part in parts if part[1]]
    return [paragraph(about), _sample_note(judged), *tables]


def _worst_table(caption: str, found: Sequence[Deviation]) -> str:
    heads = ["frame", "set", "group", "atoms", "energy error (meV/atom)", "force error (eV/Å)"]
    heads += ["atom", "force there (eV/Å)", "grade"]
    return table(heads, [_worst_cells(each) for each in found], caption)


def _worst_cells(deviation: Deviation) -> list[str]:
    frame = deviation.frame
    cells = [frame.source or "-", deviation.kind, group_name(frame.group), str(len(frame))]
    cells.append("-" if deviation.energy is None else f"{1e3 * deviation.energy:.2f}")
    if deviation.force is None:
        cells += ["-", "-", "-"]
    else:
        where = f"{deviation.atom} ({frame.symbols[deviation.atom]})"
        cells += [f"{deviation.force:.4f}", where, f"{deviation.label:.4f}"]
    return [*cells, "-" if deviation.grade is None else f"{deviation.grade:.2f}"]


def _settings(training: Training) -> list[str]:
    return [
        paragraph("Saved as settings.toml, mlp-train settings.toml trains this potential again."),
        preformatted(format_settings(training.settings), "settings.toml"),
        facts(list(training.versions.items()), "Made with"),
    ]
