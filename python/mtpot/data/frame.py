"""One structure with its labels, free of any library's conventions but ASE's units."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mtpot.stress import cell_volume

Floats = NDArray[np.float64]

_PLACE = re.compile(r"(:\d+)?( \((?:frame|row) \d+\))?$")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A structure and what quantum mechanics says of it; a missing label is None.

    Attributes
    ----------
    symbols
        Element symbol of each of the n atoms.
    positions, cell
        Angstrom, shapes [n, 3] and [3, 3] (rows are the cell vectors).
    pbc
        Periodic along each cell vector, shape [3].
    energy
        Total energy in eV.
    forces
        eV/angstrom, shape [n, 3].
    stress
        eV/angstrom^3, Voigt order xx yy zz yz xz xy, (1/V) dE/d(strain).
    group
        Kind of structure, for error tables.
    source
        Where it came from, for messages: "train.xyz:131 (frame 3)".
    weights
        Factors on the weights of its energy, forces and stress in a loss.
    trajectory
        Name of the run of dynamics or relaxation that it is a snapshot of, if the file tells.
    snapshot
        Its number in the trajectory, where frames have been numbered before a split.
    free_energy
        The energy whose derivatives the forces are, in eV, where the file names one beside another.
    unconverged
        The electrons did not converge: a structure without labels.
    lookalikes
        For a missing label ("energy", "forces", "stress"), the key of what looks like it.
    """

    symbols: tuple[str, ...]
    positions: Floats
    cell: Floats
    pbc: NDArray[np.bool_]
    energy: float | None = None
    forces: Floats | None = None
    stress: Floats | None = None
    group: str = "all"
    source: str = ""
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    trajectory: str = ""
    snapshot: int | None = None
    free_energy: float | None = None
    unconverged: bool = False
    lookalikes: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def file(self) -> str:
        """The file that it came from, without line and number."""
        return _PLACE.sub("", self.source)

    @property
    def volume(self) -> float:
        """Volume of the cell in angstrom^3 (zero where it does not span space)."""
        return cell_volume(self.cell)

    @property
    def virial(self) -> Floats | None:
        """W = -V stress in eV, xx yy zz yz xz xy: the PlusStress of .cfg files."""
        return None if self.stress is None else -self.volume * self.stress
