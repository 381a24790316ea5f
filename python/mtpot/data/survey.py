"""What a data set holds, frame by frame in columns: the numbers that checks and tables look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.units import GPa
from vesin import NeighborList

from mtpot.data.check import elements_of
from mtpot.elements import covalent_radius
from mtpot.errors import InputError
from mtpot.neighbors import complete_cell
from mtpot.stress import has_stress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Floats, Frame

REACH = 6.0
"""Angstrom; an atom without another so near is taken for isolated."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Frames and numbers of each, shape [frames]; nan where a frame has none.

    Attributes
    ----------
    frames
        The frames themselves.
    energies
        eV per atom.
    max_forces, drifts
        Longest force, and length of the sum of forces over the square root of the number of atoms;
        eV/angstrom.
    pressures
        GPa, positive under compression.
    volumes
        Angstrom^3 per atom, of frames with periodicity and volume.
    distances, closeness
        Shortest distance in angstrom (inf beyond `REACH`), and the shortest in units of the sum
        of the covalent radii, of the elements that have one.
    reaches
        Median over the atoms of the distance to the nearest other, in units of the sum of the
        covalent radii; of atoms whose neighbors all have one.
    """

    frames: Sequence[Frame]
    energies: Floats
    max_forces: Floats
    drifts: Floats
    pressures: Floats
    volumes: Floats
    distances: Floats
    closeness: Floats
    reaches: Floats

    @property
    def sizes(self) -> Floats:
        """Atoms in each frame."""
        return np.array([len(frame) for frame in self.frames], dtype=np.float64)

    def groups(self) -> dict[str, list[int]]:
        """List the indices of the frames of each group."""
        members: dict[str, list[int]] = {}
        for index, frame in enumerate(self.frames):
            members.setdefault(frame.group, []).append(index)
        return members


def survey(frames: Sequence[Frame]) -> Survey:
    """Look at every frame once.

    Raises
    ------
    InputError
        A frame's cell or positions are not sound.
    """
    rows = np.array([_row(frame) for frame in frames], dtype=np.float64)
    return Survey(frames, *rows.T)


def reduced(frame: Frame) -> tuple[tuple[str, float], ...]:
    """Composition: share of each element, rounded, in a form that can be a key."""
    counts = Counter(frame.symbols)
    return tuple(sorted((symbol, round(n / len(frame), 6)) for symbol, n in counts.items()))


def summary(found: Survey) -> dict[str, Any]:
    """Return counts, ranges (least and largest) and labels of the set and of its groups."""
    sets = {"total": range(len(found.frames)), **found.groups()}
    described = {name: _describe(found, list(members)) for name, members in sets.items()}
    return {
        "elements": _elements(found.frames),
        **described.pop("total"),
        "groups": described,
    }


def _describe(found: Survey, members: list[int]) -> dict[str, Any]:
    frames = [found.frames[index] for index in members]
    return {
        "frames": len(frames),
        "atoms": sum(map(len, frames)),
        "atoms_per_frame": [min(map(len, frames)), max(map(len, frames))],
        "with_energy": sum(frame.energy is not None for frame in frames),
        "with_forces": sum(frame.forces is not None for frame in frames),
        "with_stress": sum(frame.stress is not None for frame in frames),
        "energy_per_atom": _range(found.energies[members]),
        "max_force": _range(found.max_forces[members]),
        "pressure_GPa": _range(found.pressures[members]),
        "volume_per_atom": _range(found.volumes[members]),
        "shortest_distance": _range(found.distances[members]),
    }


def _elements(frames: Sequence[Frame]) -> dict[str, int]:
    """Count the frames that each element is in."""
    counts = Counter(symbol for frame in frames for symbol in set(frame.symbols))
    return {element: counts[element] for element in elements_of(frames)}


def _range(values: Floats) -> list[float] | None:
    finite = values[np.isfinite(values)]
    return [float(finite.min()), float(finite.max())] if len(finite) else None


def _row(frame: Frame) -> tuple[float, ...]:
    energy = np.nan if frame.energy is None else frame.energy / len(frame)
    force = drift = np.nan
    if frame.forces is not None:
        force = np.linalg.norm(frame.forces, axis=1).max()
        drift = np.linalg.norm(frame.forces.sum(axis=0)) / np.sqrt(len(frame))
    pressure = np.nan if frame.stress is None else -frame.stress[:3].mean() / GPa
    volume = frame.volume / len(frame) if has_stress(frame.cell, frame.pbc) else np.nan
    return (energy, force, drift, pressure, volume, *_distances(frame))


def _distances(frame: Frame) -> tuple[float, float, float]:
    """Shortest distance, the shortest in covalent radii, and the median of the nearest in them."""
    cell = complete_cell(frame.cell, frame.pbc)
    finder = NeighborList(cutoff=REACH, full_list=True)
    pairs, lengths = finder.compute(frame.positions, cell, frame.pbc, "Pd")
    if len(lengths) == 0:
        return np.inf, np.inf, np.inf
    known = {symbol: _radius(symbol) for symbol in set(frame.symbols)}
    radii = np.array([known[symbol] for symbol in frame.symbols])
    scaled = lengths / radii[pairs.astype(np.int64)].sum(axis=1)
    nearest = np.full(len(frame), np.inf)
    with np.errstate(invalid="ignore"):  # where a radius is unknown
        np.minimum.at(nearest, pairs[:, 0].astype(np.int64), scaled)
    judged = nearest[~np.isnan(nearest)]
    reach = float(np.median(judged)) if judged.size else np.nan
    return float(lengths.min()), float(np.fmin.reduce(scaled)), reach


def _radius(symbol: str) -> float:
    """Covalent radius in angstrom; nan where an element has none."""
    try:
        return covalent_radius(symbol)
    except InputError:
        return np.nan
