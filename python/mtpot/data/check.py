"""Whether frames can be trained on or predicted, and what in them is suspicious."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers

from mtpot.errors import InputError, MtpotError
from mtpot.neighbors import from_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mtpot.data.frame import Frame

_SAME_PLACE = 1e-5
"""Angstrom; positions and cells of duplicates agree to this."""

_SAME_ENERGY = 1e-5
"""eV per atom; rounding in files is below, a second calculation with other settings above."""


_NEAR = 0.5
"""Angstrom; no two nuclei of a sound structure are closer."""

_ABSURD = 1e8
"""eV per atom; all electrons of the heaviest elements bind with less than 1e6."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two frames with one structure and two energies (difference in eV per atom)."""

    first: str
    second: str
    difference: float

    def __str__(self) -> str:
        return (
            f"{self.second} repeats the structure of {self.first} "
            f"with an energy that differs by {1e3 * self.difference:.3g} meV/atom"
        )


@dataclass(frozen=True, slots=True)
class Overlap:
    """Frames of one kind that repeat structures of another: pairs of their sources."""

    kind: str
    other: str
    pairs: list[tuple[str, str]]

    def __str__(self) -> str:
        shown = "; ".join(f"{frame} is {source}" for frame, source in self.pairs[:3])
        more = f"; and {len(self.pairs) - 3} more" if len(self.pairs) > 3 else ""
        return (
            f"{len(self.pairs)} {self.kind} frames repeat structures of {self.other} frames, which "
            f"makes errors look smaller than on new ones: leave them out ({shown}{more})"
        )


def elements_of(frames: Iterable[Frame]) -> tuple[str, ...]:
    """Elements that occur, in the order of their atomic numbers."""
    found: set[str] = set()
    for frame in frames:
        found.update(frame.symbols)
    return tuple(sorted(found, key=lambda symbol: atomic_numbers[symbol]))


def check_elements(frames: Iterable[Frame], species: Sequence[str], advice: str) -> None:
    """Refuse frames with elements that a potential does not know; `advice` names the way out.

    Raises
    ------
    InputError
        Naming the frame and the elements.
    """
    for frame in frames:
        unknown = sorted(set(frame.symbols) - set(species))
        if unknown:
            raise InputError(
                f"{frame.source}: the potential is for {', '.join(species)} and knows no "
                f"{', '.join(unknown)}; remove the frame or {advice}"
            )


def check_distances(frames: Iterable[Frame]) -> list[str]:
    """Refuse frames in which two atoms coincide, and say of those in which two nearly do.

    Raises
    ------
    InputError
        Naming the frame and the atoms.
    """
    suspicious = []
    for frame in frames:
        types = np.zeros(len(frame), np.int32)
        try:
            near = from_types(types, frame.positions, frame.cell, frame.pbc, _NEAR)
        except MtpotError as error:
            raise InputError(f"{frame.source}: {error}; remove the frame") from error
        if near.pair_count:
            suspicious.append(f"{frame.source}: two atoms are closer than {_NEAR} angstrom")
    return suspicious


def check_trainable(frames: Iterable[Frame]) -> None:
    """Refuse frames without a sound energy; forces and stresses may be missing.

    Raises
    ------
    InputError
        Naming the frame.
    """
    for frame in frames:
        if frame.energy is None:
            key = frame.lookalikes.get("energy")
            advice = f"rename {key} to energy" if key else "add energy=... (eV, the whole cell)"
            raise InputError(
                f"{frame.source}: no energy, and training needs one; {advice} or remove the frame"
            )
        if abs(frame.energy) > _ABSURD * len(frame):
            raise InputError(
                f"{frame.source}: an energy of {frame.energy:.3g} eV is absurd; mend or remove "
                "the frame"
            )


def find_lookalikes(frames: Iterable[Frame]) -> list[str]:
    """Say of labels that are missing where something looks like them."""
    found = Counter(pair for frame in frames for pair in frame.lookalikes.items())
    return [
        f"{count} frames have no {label} but {key}, which is ignored: rename it to {label}"
        for (label, key), count in found.items()
    ]


def find_absent(frames: Iterable[Frame], species: Sequence[str]) -> list[str]:
    """Species that no frame has."""
    present = elements_of(frames)
    return [symbol for symbol in species if symbol not in present]


def find_conflicts(frames: Iterable[Frame]) -> list[Conflict]:
    """Frames that repeat an earlier structure with another energy.

    Structures are compared atom by atom as they stand; images and permutations count as new.
    """
    first: dict[bytes, tuple[str, float]] = {}
    conflicts = []
    for frame in frames:
        if frame.energy is None:
            continue
        source, energy = first.setdefault(mark(frame), (frame.source, frame.energy))
        difference = abs(frame.energy - energy) / len(frame)
        if difference > _SAME_ENERGY:
            conflicts.append(Conflict(source, frame.source, difference))
    return conflicts


def find_overlaps(kinds: Mapping[str, Iterable[Frame]]) -> list[Overlap]:
    """Frames of each kind that repeat structures of a kind before it, whatever their labels.

    Structures are compared as in `find_conflicts`.

    Parameters
    ----------
    kinds
        Frames by what they are for, as "training" and "test".
    """
    first: dict[bytes, tuple[str, str]] = {}
    found: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for kind, frames in kinds.items():
        for frame in frames:
            other, source = first.setdefault(mark(frame), (kind, frame.source))
            if other != kind:
                found[kind, other].append((frame.source, source))
    return [Overlap(*names, pairs) for names, pairs in found.items()]


def mark(frame: Frame) -> bytes:
    """Return the 32 bytes that stand for a `fingerprint`, so that many can be kept."""
    return hashlib.sha256(fingerprint(frame)).digest()


def fingerprint(frame: Frame) -> bytes:
    """Return what two frames have in common if their atoms, cells and positions are the same."""
    geometry = np.vstack([frame.cell, frame.positions])
    # Adding zero turns -0.0, which rounding may leave, into 0.0.
    rounded = np.round(geometry / _SAME_PLACE) + 0.0
    names = ",".join(frame.symbols).encode()
    return names + frame.pbc.tobytes() + rounded.tobytes()
