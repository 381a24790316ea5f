"""What a run over candidates leaves: hull.csv, hull.xyz, hull.svg for two elements, an event."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
from ase.io import write

from mtpot.active.hull.candidates import Candidate, elements_in
from mtpot.active.hull.figure import hull_figure
from mtpot.active.hull.geometry import (
    ON_HULL,
    count_elements,
    energies_above_hull,
    formation_energies,
    without_pure,
)
from mtpot.errors import MtpotError
from mtpot.files import replacing, write_atomic
from mtpot.train.report.style import to_svg

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ase import Atoms

    from mtpot.active.driver import Run
    from mtpot.active.hull.geometry import Counts
    from mtpot.active.store import Entry

TABLE, STRUCTURES, FIGURE = "hull.csv", "hull.xyz", "hull.svg"

COLUMNS = (
    "stage", "state", "formation_potential", "above_potential", "formation_label", "above_label",
    "largest_force_label", "row", "reason",
)  # fmt: skip
"""Of the table, behind candidate, formula and fractions; eV/atom and eV/angstrom. The reason says
why a candidate is lost, or has no label although it is near the hull."""
_NOT_CALCULATED = "not calculated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Calculated:
    """A candidate near the hull, with its label.

    Attributes
    ----------
    candidate
        With formation energy and height by the potential.
    entry
        The row of the store with the label; the structure may be a twin of the candidate.
    formation, above
        eV/atom, by the labels alone.
    """

    candidate: Candidate
    entry: Entry
    formation: float
    above: float

    @property
    def on_hull(self) -> bool:
        """Whether it decomposes into no others."""
        return self.above <= ON_HULL

    @property
    def largest_force(self) -> float:
        """Of its label, eV/angstrom: what relaxation by the calculations would begin with."""
        return float(np.abs(self.entry.atoms.get_forces()).max())


def write_result(run: Run, candidates: Sequence[Candidate]) -> int:
    """Find the hull of the labels, write the files, record the event, and tell.

    Returns
    -------
    How many candidates are near the hull, but could not be calculated.

    Raises
    ------
    MtpotError
        No structure of a pure element could be labeled.
    """
    elements = elements_in(each.atoms for each in candidates)
    calculated = _calculated(run, candidates, elements)
    candidates = _with_reasons(run, candidates, calculated)
    by_number = {each.candidate.number: each for each in calculated}
    write_atomic(run.folder / TABLE, _table(candidates, by_number, elements), overwrite=True)
    _write_structures(run, calculated)
    if len(elements) == 2:
        figure = hull_figure(candidates, calculated, elements)
        write_atomic(run.folder / FIGURE, to_svg(figure), overwrite=True)
    run.store.record("hull", "hull", _event(candidates, calculated))
    _tell(run, candidates, calculated)
    return len(_not_calculated(candidates))


def _calculated(
    run: Run, candidates: Sequence[Candidate], elements: Sequence[str]
) -> list[Calculated]:
    rows = run.store.fact("finals")
    entries = {entry.id: entry for entry in run.store.entries("done")}
    pairs = [
        (each, entries[rows[str(each.number)]])
        for each in candidates
        if rows.get(str(each.number)) in entries
    ]
    counts = count_elements((entry.atoms for _, entry in pairs), elements)
    _check_elements(counts, elements)
    energies = np.array([entry.atoms.get_potential_energy() for _, entry in pairs])
    formation = formation_energies(counts, energies, elements)
    above = energies_above_hull(counts, formation)
    calculated = [
        Calculated(candidate=each, entry=entry, formation=float(energy), above=float(height))
        for (each, entry), energy, height in zip(pairs, formation, above, strict=True)
    ]
    return sorted(calculated, key=lambda each: (each.above, each.candidate.number))


def _check_elements(counts: Counts, elements: Sequence[str]) -> None:
    missing = without_pure(counts, elements)
    if missing:
        raise MtpotError(
            f"no structure of pure {missing[0]} near the hull could be labeled, to which formation "
            "energies refer; mlp learn --status shows why: mend that, and go on with --resume "
            "--retry"
        )


def _with_reasons(
    run: Run, candidates: Sequence[Candidate], calculated: Sequence[Calculated]
) -> list[Candidate]:
    """Give those a reason that were to be calculated and have no label."""
    due = set(run.store.fact("finals")) - {str(each.candidate.number) for each in calculated}
    return [
        replace(each, reason=_NOT_CALCULATED)
        if str(each.number) in due and each.state != "lost"
        else each
        for each in candidates
    ]


def _not_calculated(candidates: Sequence[Candidate]) -> list[Candidate]:
    return [each for each in candidates if each.reason == _NOT_CALCULATED]


def hull_members(calculated: Sequence[Calculated]) -> list[Calculated]:
    """Structures on the hull, each once, by composition."""
    once = {each.entry.id: each for each in reversed(calculated) if each.on_hull}
    return sorted(once.values(), key=_fractions)


def _fractions(calculated: Calculated) -> list[tuple[int, float]]:
    """Elements and their fractions: an order for structures."""
    numbers = calculated.entry.atoms.numbers
    return [(int(each), float((numbers == each).mean())) for each in np.unique(numbers)]


def _table(
    candidates: Sequence[Candidate], calculated: Mapping[int, Calculated], elements: Sequence[str]
) -> str:
    """Write every candidate in a line, those calculated first, the lowest first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["candidate", "formula", *(f"x_{each}" for each in elements), *COLUMNS])
    rest = sorted(
        (each for each in candidates if each.number not in calculated),
        key=lambda each: (-each.stage, np.nan_to_num(each.above, nan=np.inf), each.number),
    )
    by_number = {each.number: each for each in candidates}
    for candidate in [*(by_number[number] for number in calculated), *rest]:
        writer.writerow(_line(candidate, calculated.get(candidate.number), elements))
    return text.getvalue()


def _line(
    candidate: Candidate, calculated: Calculated | None, elements: Sequence[str]
) -> list[str]:
    counts = count_elements([candidate.atoms], elements)[0]
    fractions = [f"{each:.6f}" for each in counts / counts.sum()]
    line = [str(candidate.number), candidate.atoms.get_chemical_formula("metal"), *fractions]
    line += [str(candidate.stage), candidate.state]
    line += [_number(candidate.formation), _number(candidate.above)]
    if calculated is None:
        return [*line, "", "", "", "", candidate.reason]
    label = (calculated.formation, calculated.above, calculated.largest_force)
    return [*line, *map(_number, label), str(calculated.entry.id), candidate.reason]


def _number(value: float) -> str:
    return f"{value:.6f}" if np.isfinite(value) else ""


def _write_structures(run: Run, calculated: Sequence[Calculated]) -> None:
    """Write each label once, the lowest first."""
    images: dict[int, Atoms] = {}
    for each in calculated:
        image = each.entry.atoms
        image.info = {
            "candidate": each.candidate.number,
            "formation_energy": each.formation,
            "above_hull": each.above,
        }
        images.setdefault(each.entry.id, image)
    with replacing(run.folder / STRUCTURES, overwrite=True) as temporary:
        write(temporary, list(images.values()), format="extxyz")


def _event(candidates: Sequence[Candidate], calculated: Sequence[Calculated]) -> dict[str, object]:
    errors = [abs(each.candidate.formation - each.formation) for each in calculated]
    return {
        "candidates": len(candidates),
        "second_stage": sum(each.stage == 2 for each in candidates),
        "lost": sum(each.state == "lost" for each in candidates),
        "not_calculated": [each.number for each in _not_calculated(candidates)],
        "calculated": len({each.entry.id for each in calculated}),
        "largest_error": max(errors),
        "largest_force": max(each.largest_force for each in calculated),
        "members": [
            {
                "candidate": each.candidate.number,
                "formula": each.entry.atoms.get_chemical_formula("metal"),
                "formation_energy": each.formation,
            }
            for each in hull_members(calculated)
        ],
    }


def _tell(run: Run, candidates: Sequence[Candidate], calculated: Sequence[Calculated]) -> None:
    event = _event(candidates, calculated)
    run.tell(
        f"hull: {event['candidates']} candidates, {event['second_stage']} in the second stage, "
        f"{event['calculated']} calculated; the potential is wrong by at most "
        f"{1e3 * float(str(event['largest_error'])):.1f} meV/atom there"
    )
    for each in hull_members(calculated):
        formula = each.entry.atoms.get_chemical_formula("metal")
        run.tell(
            f"  {formula:12s} {each.formation:8.4f} eV/atom  candidate {each.candidate.number}"
        )
    for line in chain(_missing(candidates), _lost(candidates)):
        run.tell(line)


def _missing(candidates: Sequence[Candidate]) -> Iterator[str]:
    return _listed(
        f"  not calculated: candidate {each.number}, {1e3 * each.above:.1f} meV/atom above the "
        "hull of the potential"
        for each in _not_calculated(candidates)
    )


def _lost(candidates: Sequence[Candidate]) -> Iterator[str]:
    return _listed(
        f"  lost: candidate {each.number}: {each.reason}"
        for each in candidates
        if each.state == "lost"
    )


def _listed(lines: Iterable[str], most: int = 10) -> Iterator[str]:
    """Yield the first of them, and how many there are more."""
    rest = iter(lines)
    yield from islice(rest, most)
    more = sum(1 for _ in rest)
    if more:
        yield f"  and {more} more"
