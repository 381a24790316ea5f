"""Stress against energy, by finite differences over frames that differ by a homogeneous strain.

For two such frames dE = V stress : strain, with V stress the mean of both (the trapezoidal rule,
with an error of third order in the strain). A volume scan, an elastic deformation and a set of
strained cells all hold such pairs, whatever else is in the data.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtpot.stress import VOIGT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from mtpot.data.frame import Floats, Frame

_SMALLEST, _LARGEST = 2e-4, 0.06
"""Norms of the strain between two frames: above rounding, below the error of the rule."""

_NEIGHBORS = 3
"""Pairs that each frame begins, with those nearest in strain."""

_SAME_SITE = 1e-3
"""Fractional; positions of two frames of one crystal agree to this."""

_MOST = 400
"""Frames of one crystal that are looked at."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of frames that differ by a strain.

    Attributes
    ----------
    indices
        Of the two frames, shape [n, 2].
    changes
        Of the energy, eV per atom, shape [n].
    work
        V stress times strain of the six components, in the order of Voigt, eV per atom: their sum
        is the change of the energy. Shape [n, 6].
    shear_stress, shear_strain
        V stress and strain of yz xz xy: the work before it is known which belong together, eV per
        atom and a number, shape [n, 3].
    """

    indices: NDArray[np.int64]
    changes: Floats
    work: Floats
    shear_stress: Floats
    shear_strain: Floats


def strained_pairs(frames: Sequence[Frame]) -> Pairs:
    """Find frames with energy and stress, and atoms on the same sites of cells nearly alike."""
    crystals = _crystals(frames)
    rows = list(itertools.chain.from_iterable(_rows(frames, members) for members in crystals))
    table = np.array(rows, dtype=np.float64).reshape(-1, 15)
    return Pairs(
        table[:, :2].astype(np.int64), table[:, 2], table[:, 3:9], table[:, 9:12], table[:, 12:]
    )


def _crystals(frames: Sequence[Frame]) -> list[list[int]]:
    """Group the indices of frames that have the same atoms on the same sites; hold no frame."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        if frame.pbc.all() and frame.energy is not None and frame.stress is not None:
            sites = np.linalg.solve(frame.cell.T, (frame.positions - frame.positions[0]).T).T
            sites = np.mod(np.round(sites / _SAME_SITE), round(1 / _SAME_SITE)) + 0.0
            key = ",".join((*frame.symbols, frame.group, frame.file)).encode() + sites.tobytes()
            found[hashlib.sha256(key).digest()].append(index)
    return [members for members in found.values() if len(members) > 1]


def _rows(frames: Sequence[Frame], indices: list[int]) -> Iterator[list[float]]:
    chosen = indices[:: -(-len(indices) // _MOST)]
    members = [(index, frames[index]) for index in chosen]
    cells = np.array([frame.cell for _, frame in members])
    for place, cell in enumerate(cells):
        moved = np.linalg.norm(cells - cell, axis=(1, 2)) / np.linalg.norm(cell)
        moved[: place + 1] = np.inf
        for other in np.argsort(moved)[:_NEIGHBORS]:
            if np.isfinite(moved[other]):
                yield from _row(members[place], members[other])


def _row(first: tuple[int, Frame], second: tuple[int, Frame]) -> Iterator[list[float]]:
    (i, a), (j, b) = first, second
    gradient = np.linalg.solve(0.5 * (a.cell + b.cell), b.cell - a.cell)
    strain = 0.5 * (gradient + gradient.T)[VOIGT]
    turned = np.abs(gradient - gradient.T).max()
    size = np.linalg.norm(strain)
    # A pure shear of a cell in standard form is half a rotation, of second order in its effect.
    if not _SMALLEST < size < _LARGEST or turned > 2.1 * size:
        return
    assert a.stress is not None
    assert b.stress is not None
    assert a.energy is not None
    assert b.energy is not None
    stress = 0.5 * (a.volume * a.stress + b.volume * b.stress) / len(a)
    strain[3:] *= 2.0
    change = (b.energy - a.energy) / len(a)
    yield [i, j, change, *(stress * strain), *stress[3:], *strain[3:]]
