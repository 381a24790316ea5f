"""Cutting the neighborhoods of extrapolating sites out of a large structure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial.distance import pdist

from mtpot import _core
from mtpot.active.cut.cells import Cells, Place, volume
from mtpot.active.cut.embed import Embedded, embed, with_vacuum
from mtpot.active.cut.relax import Held, relax_padding, shortest_distance
from mtpot.active.cut.surroundings import INSIDE, Surroundings, View
from mtpot.active.select import TRAINING_THRESHOLD
from mtpot.errors import InputError
from mtpot.grading import require_selection, weights_of
from mtpot.neighbors import neighborhoods

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from mtpot.active.cut.surroundings import Floats
    from mtpot.potential import MTP

_SAME = 1e-8  # relative, of a site's row before and after: rounding only
_COMPARED = 6  # cells that fit, of which the best are relaxed
_RELAXED = 3
_TRIED = 150  # cells
_MISFITS = 10  # sites without a cell, after which none is expected to have one


class NoCellError(InputError):
    """No cell of so many atoms holds the neighborhood of a site."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A small periodic cell with the neighborhoods of some sites of a large structure.

    Attributes
    ----------
    atoms
        First the sites, then the other atoms of their neighborhoods, both where they were
        relative to each other, then padding. Periodic in all directions, without calculator.
    sites, origins
        Index of each site in `atoms` and in the large structure; the largest grade is first.
    grades, grades_before
        Of the sites, in `atoms` and in the large structure: equal but for rounding.
    core
        How many atoms belong to the neighborhoods.
    covered
        Other sites that were asked for, which no longer extrapolate once these atoms are trained
        on, by index in the large structure.
    padding_grade
        Largest grade of all other sites of `atoms`.
    shortest
        Shortest distance between two atoms in angstrom; the cutoff if none is shorter.
    relaxed
        Whether padding was moved away from its places in the large structure.
    """

    atoms: Atoms
    sites: tuple[int, ...]
    origins: tuple[int, ...]
    grades: tuple[float, ...]
    grades_before: tuple[float, ...]
    core: int
    covered: tuple[int, ...]
    padding_grade: float
    shortest: float
    relaxed: bool

    @property
    def site(self) -> int:
        """Index in `atoms` of the site with the largest grade."""
        return self.sites[0]

    @property
    def origin(self) -> int:
        """Its index in the large structure."""
        return self.origins[0]

    @property
    def grade(self) -> float:
        """Its grade in `atoms`."""
        return self.grades[0]

    @property
    def grade_before(self) -> float:
        """Its grade in the large structure."""
        return self.grades_before[0]


def cut_sites(  # noqa: PLR0913
    atoms: Atoms,
    potential: MTP,
    sites: Sequence[int],
    *,
    max_atoms: int,
    min_distance: float | None = None,
    threshold: float = 2.0,
    threads: int = 0,
) -> list[Cut]:
    """Cut extrapolating sites out of a large structure, each with its neighborhood.

    Every atom within the cutoff of a site stands in the small cell as it did in the large one, and
    nothing else is within the cutoff of it. What else is in the cell is taken from around, along
    lattice vectors where there is a lattice, and relaxed where it extrapolates. The site with the
    largest grade comes first; others whose neighborhoods overlap with it are put into its cell
    while there is room, and left out if what has been cut lowers their grades to the threshold.
    Sites that fit into no cell are left out where others fit. A structure that is small enough is
    returned whole. Podryabinkin et al., J. Chem. Phys. 159
    (2023) 084112; Hodapp & Shapeev, Mach. Learn.: Sci. Technol. 1 (2020) 045005.

    Parameters
    ----------
    atoms
        The structure, with any cell and periodicity.
    potential
        With an active set in neighborhood mode.
    sites
        Indexes of the atoms to cut out.
    max_atoms
        The most atoms that a small cell may have.
    min_distance
        Angstrom: no atoms of a small cell are closer. If None, the potential's minimum distance,
        or the shortest one in the neighborhoods if that is less.
    threshold
        Grade up to which a site need not be cut out, above 1.
    threads
        0 takes all.

    Returns
    -------
    The cuts, that of the largest grade first.

    Raises
    ------
    InputError
        The potential has no active set of sites, or does not fit the structure; a site does not
        exist; or atoms in its neighborhood are too close. The message names the site.
    NoCellError
        An InputError: no cell of `max_atoms` holds the neighborhood of any site; says how many
        atoms that of the first one takes.
    NumericalError
        Atoms coincide.
    """
    if weights_of(require_selection(potential)).mode != "nbh":
        raise InputError("only sites can be cut out: train with --active-set nbh")
    if not threshold > 1.0:
        raise InputError(f"the threshold must be above 1, not {threshold}")
    unknown = [site for site in sites if not 0 <= site < len(atoms)]
    if unknown:
        raise InputError(f"site {unknown[0]}: the structure has {len(atoms)} atoms, from 0 on")
    limits = _Limits(max_atoms, min_distance, threshold)
    return _Cutter(atoms, potential, limits, threads).cut(sites)


class _Limits(NamedTuple):
    """What a small cell may be like."""

    max_atoms: int
    min_distance: float | None
    threshold: float


class _Cutter:
    """One large structure, and what would be known of it once the cuts so far are trained on."""

    def __init__(self, atoms: Atoms, potential: MTP, limits: _Limits, threads: int) -> None:
        self._atoms = atoms
        self._symbols = atoms.get_chemical_symbols()
        self._potential = potential
        self._limits = limits
        self._threads = threads
        self._large = Surroundings.of(atoms, potential)
        self._design = _core.Design(potential.core)
        self._active = require_selection(potential).active_set
        self._known = require_selection(potential).active_set
        self._rows: dict[int, Floats] = {}

    def cut(self, sites: Sequence[int]) -> list[Cut]:
        """Cut the sites out."""
        self._rows = {int(site): self._large.row(self._design, site) for site in sites}
        pending = sorted(self._rows, key=self._grade, reverse=True)
        if pending and len(self._atoms) <= self._limits.max_atoms:
            return [self._whole(pending)]
        cuts: list[Cut] = []
        misfits: list[NoCellError] = []
        while pending:
            try:
                cut = self._best(*self._group(pending))
            except NoCellError as error:
                misfits.append(error)
                pending = pending[1:] if len(misfits) < _MISFITS else []
                continue
            self._known.select(self._rows_of(cut.atoms), TRAINING_THRESHOLD)
            others = [site for site in pending if site not in cut.origins]
            pending = [site for site in others if not self._is_known(self._known, site)]
            covered = tuple(site for site in others if site not in pending)
            cuts.append(replace(cut, covered=covered))
        if misfits and not cuts:
            raise misfits[0]
        return cuts

    def _grade(self, site: int) -> float:
        return float(self._active.grade(self._rows[site][None])[0])

    def _is_known(self, known: _core.ActiveSet, site: int) -> bool:
        return float(known.grade(self._rows[site][None])[0]) <= self._limits.threshold

    def _best(self, group: list[int], cells: Sequence[Embedded], min_distance: float) -> Cut:
        """Take the first cell whose padding interpolates, else the one where it does so best."""
        cuts: list[Cut] = []
        for embedded in cells[:_RELAXED]:
            cuts.append(self._relaxed(group, embedded, min_distance))
            if cuts[-1].padding_grade <= self._limits.threshold:
                break
        return min(cuts, key=lambda cut: cut.padding_grade)

    def _group(self, pending: Sequence[int]) -> tuple[list[int], list[Embedded], float]:
        """Put the first site into a cell, with others that need one, overlap with it and fit in."""
        lead = pending[0]
        cells = Cells(self._large, self._large.positions[lead])
        vectors = {site: self._large.nearest(lead, site) for site in pending}
        group, known = [lead], _copy(self._known)
        min_distance = self._min_distance(lead)
        fitting, needed = self._fit(cells, group, vectors, min_distance)
        if not fitting:
            raise NoCellError(self._no_cell(lead, needed))
        distances = {site: float(np.linalg.norm(vectors[site])) for site in pending[1:]}
        near = [site for site in distances if distances[site] < 2.0 * self._potential.cutoff]
        for site in sorted(near, key=lambda site: distances[site]):
            known.select(self._rows[group[-1]][None], TRAINING_THRESHOLD)
            if self._is_known(known, site):
                continue
            closest = min(min_distance, self._min_distance(site))
            larger, _ = self._fit(cells, [*group, site], vectors, closest)
            if not larger:
                break
            group, fitting, min_distance = [*group, site], larger, closest
        return group, fitting, min_distance

    def _fit(
        self, cells: Cells, group: Sequence[int], vectors: dict[int, Floats], min_distance: float
    ) -> tuple[list[Embedded], float]:
        """Find cells, those that close best first, and how many atoms the smallest one takes."""
        lead = self._large.positions[group[0]]
        place = Place.of(lead + np.array([vectors[site] for site in group]))
        view = View(self._large, place.middle)
        found: list[Embedded] = []
        needed, too_large = np.inf, np.inf
        affordable = (c for c in cells.offered(place) if volume(c) <= too_large)
        for edges in islice(affordable, _TRIED):
            embedded = embed(view, place.points, edges, min_distance)
            if embedded is None:
                continue
            needed = min(needed, len(embedded.index))
            if len(embedded.index) > self._limits.max_atoms:
                too_large = min(too_large, volume(edges))
            elif self._keeps_rows(embedded, group):
                found.append(embedded)
            if len(found) == _COMPARED:
                break
        return sorted(found, key=lambda each: (round(each.misfit), len(each.index))), needed

    def _keeps_rows(self, embedded: Embedded, group: Sequence[int]) -> bool:
        small = Surroundings.of(embedded.atoms(self._symbols), self._potential)
        for number, site in enumerate(group):
            row, before = small.row(self._design, number), self._rows[site]
            if np.abs(row - before).max() > _SAME * np.abs(before).max():
                return False
        return True

    def _min_distance(self, site: int) -> float:
        """Least distance in a small cell with a site, less the rounding of what has just that."""
        index, vectors = self._large.neighborhood(site)
        distances, (first, second) = pdist(vectors), np.triu_indices(len(index), 1)
        shortest = float(distances.min(initial=np.inf))
        wanted = self._limits.min_distance
        if wanted is None:
            return min(self._potential.core.min_distance, shortest) - INSIDE
        if shortest < wanted - INSIDE:
            pair = int(np.argmin(distances))
            raise InputError(
                f"site {site}: atoms {index[first[pair]]} and {index[second[pair]]} of its "
                f"neighborhood are {shortest:.3f} angstrom apart, closer than min_distance = "
                f"{wanted:g}: lower it, or leave the site out"
            )
        return wanted - INSIDE

    def _no_cell(self, site: int, needed: float) -> str:
        if self._limits.max_atoms < needed < np.inf:
            return (
                f"site {site}: a cell with its neighborhood has at least {needed:.0f} atoms, more "
                f"than max_atoms = {self._limits.max_atoms}: raise it to that, or train a "
                "potential with a shorter cutoff"
            )
        return f"site {site}: its neighborhood fits into no cell without atoms that are too close"

    def _relaxed(self, group: list[int], embedded: Embedded, min_distance: float) -> Cut:
        atoms, core = embedded.atoms(self._symbols), embedded.core
        cut = self._described(group, tuple(range(len(group))), atoms, core)
        if cut.padding_grade <= self._limits.threshold or core == len(atoms):
            return cut
        held = Held(len(group), core)
        moved = relax_padding(atoms, self._potential, held, min_distance, self._threads)
        if moved is atoms:
            return cut
        return replace(self._described(group, cut.sites, moved, core), relaxed=True)

    def _whole(self, sites: list[int]) -> Cut:
        """All of a small structure, with vacuum where it is not periodic."""
        atoms = with_vacuum(self._atoms, self._potential.cutoff)
        return self._described(sites, tuple(sites), atoms, len(atoms))

    def _described(
        self, origins: list[int], sites: tuple[int, ...], atoms: Atoms, core: int
    ) -> Cut:
        grades = self._active.grade(self._rows_of(atoms))
        others = np.delete(grades, sites)
        return Cut(
            atoms=atoms,
            sites=sites,
            origins=tuple(origins),
            grades=tuple(float(grades[site]) for site in sites),
            grades_before=tuple(self._grade(site) for site in origins),
            core=core,
            covered=(),
            padding_grade=float(others.max(initial=0.0)),
            shortest=shortest_distance(atoms, self._potential.cutoff),
            relaxed=False,
        )

    def _rows_of(self, atoms: Atoms) -> Floats:
        symbols = atoms.get_chemical_symbols()
        hoods = neighborhoods(
            self._potential, symbols, atoms.positions, atoms.cell.array, atoms.pbc
        )
        return self._design.rows(hoods, self._threads)


def _copy(known: _core.ActiveSet) -> _core.ActiveSet:
    return _core.ActiveSet.restore(known.matrix, known.inverse_transposed)
