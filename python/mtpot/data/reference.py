"""A rough potential fitted in a moment, to see whether the labels of a data set fit each other.

Its functions are the scalars of a small template with seeded random radial functions, so that
only a linear problem is solved. Fitted to forces alone it says how much energies should change;
fitted to both it says which frames are unlike all others. It is no potential to compute with.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtpot import _core
from mtpot.data.check import elements_of
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.potential import MTP
from mtpot.stress import VOIGT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Floats, Frame

_LEVEL = 12
_CUTOFF = 5.0
_RADIAL_SIZE = 8
_DRAWS = 6
"""Random radial functions for one element; more elements take more."""
_MOST_DRAWS = 12
_ATOMS, _FRAMES = 4000, 300
"""Of the sample that is fitted."""
_RIDGE = 1e-9
"""Of the normal equations, whose diagonal is one."""
_ROUNDS, _FAR_OFF = 8, 0.3
"""Of the fit; eV per atom from which on an energy counts less, for it may be wrong."""
_ENERGY_SCALE = 0.1
"""eV per atom."""
_FORCE_FLOOR = 0.05
"""eV/angstrom; smaller forces weigh as this one."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A fitted potential, as one evaluator for each draw of radial functions."""

    form: MTP
    evaluators: list[_core.Evaluator]

    def predict(self, frame: Frame) -> tuple[float, Floats, Floats]:
        """Energy but for the species' constants (eV), forces [n, 3], and virial W [6] (eV)."""
        around = frame_neighborhoods(self.form, frame)
        parts = [evaluator.evaluate(around, 1) for evaluator in self.evaluators]
        energy = sum(float(sites.sum()) for sites, _, _ in parts)
        forces: Floats = np.sum([each for _, each, _ in parts], axis=0)
        virial: Floats = np.sum([0.5 * (w + w.T)[VOIGT] for _, _, w in parts], axis=0)
        return energy, forces, virial


class Sample:
    """Frames with forces, their functions, and the fits that can be made of them."""

    def __init__(
        self, frames: Sequence[Frame], shortest: float, first: Sequence[int] = (), seed: int = 0
    ) -> None:
        self.species = elements_of(frames)
        self.frames = _draw(frames, first, seed)
        shortest = min(max(0.9 * shortest, 0.3), 3.0)
        self._form = MTP.new(_LEVEL, self.species, _CUTOFF, shortest, _RADIAL_SIZE)
        self._radial = self._draw_radial(seed)
        zeros = np.zeros(self._scalars)
        designs = [_core.Design(self._potential(radial, zeros)) for radial in self._radial]
        self._functions = [self._compute(frame, designs) for frame in self.frames]

    def energies_by_forces(self) -> Floats:
        """Energies that follow from a fit to the forces alone, but for constants; eV."""
        coefficients = _solve(*_normal(*self._force_rows()))[: self._count]
        return np.array([energy @ coefficients for energy, _ in self._functions])

    def reference(self) -> Reference:
        """Fit energies and forces together, with little regard to energies that are far off."""
        normal, right = _normal(*self._force_rows())
        rows, targets = self._energy_rows()
        weights = np.ones(len(targets))
        for _ in range(_ROUNDS):
            energies = _normal(weights[:, None] * rows, weights * targets)
            coefficients = _solve(normal + energies[0], right + energies[1])
            off = _ENERGY_SCALE * np.abs(rows @ coefficients - targets)
            weights = 1.0 / np.maximum(1.0, off / _FAR_OFF)
        parts = coefficients[: self._count].reshape(len(self._radial), -1)
        pairs = zip(self._radial, parts, strict=True)
        return Reference(self._form, [_core.Evaluator(self._potential(*pair)) for pair in pairs])

    def _draw_radial(self, seed: int) -> list[Floats]:
        generator = np.random.default_rng(seed)
        size = len(self.species)
        shape = (size, size, self._form.core.radial_function_count, _RADIAL_SIZE)
        draws = min(_DRAWS if size == 1 else 4 * size, _MOST_DRAWS)
        return [generator.normal(size=shape) for _ in range(draws)]

    @property
    def _scalars(self) -> int:
        return len(self._form.core.scalars)

    @property
    def _count(self) -> int:
        return self._scalars * len(self._radial)

    def _potential(self, radial: Floats, xi: Floats) -> _core.Potential:
        parameters = np.concatenate([radial.ravel(), np.zeros(len(self.species)), xi])
        return self._form.core.with_parameters(parameters)

    def _compute(self, frame: Frame, designs: Sequence[_core.Design]) -> tuple[Floats, Floats]:
        """Energies [k] and forces [3 n, k] of the functions."""
        around = frame_neighborhoods(self._form, frame)
        parts = [design.tangents(around, linear_only=True)[0] for design in designs]
        rows = np.hstack([part[: 1 + 3 * len(frame), len(self.species) :] for part in parts])
        return rows[0], rows[1:]

    def _force_rows(self) -> tuple[Floats, Floats]:
        """Return forces over their size: of functions and species [rows, k], and labels."""
        rows, targets = [], []
        species = len(self.species)
        for frame, (_, forces) in zip(self.frames, self._functions, strict=True):
            if frame.forces is not None:
                weight = 1.0 / np.hypot(np.sqrt(np.mean(frame.forces**2)), _FORCE_FLOOR)
                weight /= np.sqrt(len(frame))
                rows.append(np.hstack([weight * forces, np.zeros((len(forces), species))]))
                targets.append(weight * frame.forces.ravel())
        return np.vstack(rows), np.concatenate(targets)

    def _energy_rows(self) -> tuple[Floats, Floats]:
        """Return energies per atom over `_ENERGY_SCALE`, as `_force_rows`."""
        rows, targets = [], []
        for frame, (energies, _) in zip(self.frames, self._functions, strict=True):
            if frame.energy is not None:
                counts = [frame.symbols.count(symbol) for symbol in self.species]
                scale = 1.0 / (_ENERGY_SCALE * len(frame))
                rows.append(scale * np.concatenate([energies, counts]))
                targets.append(scale * frame.energy)
        return np.array(rows), np.array(targets)


def _normal(matrix: Floats, target: Floats) -> tuple[Floats, Floats]:
    return matrix.T @ matrix, matrix.T @ target


def _solve(normal: Floats, right: Floats) -> Floats:
    size = np.sqrt(np.diag(normal)) + 1e-150
    scaled = normal / np.outer(size, size) + _RIDGE * np.eye(len(size))
    solution: Floats = np.linalg.solve(scaled, right / size) / size
    return solution


def _draw(frames: Sequence[Frame], first: Sequence[int], seed: int) -> list[Frame]:
    """Draw frames from every group in turn, as many as the sample may hold, after the `first`."""
    chosen: list[Frame] = []
    atoms = 0
    for index in first[: _FRAMES // 2]:
        if not chosen or atoms < _ATOMS // 2:
            chosen.append(frames[index])
            atoms += len(chosen[-1])
    atoms = min(atoms, _ATOMS // 2)
    members = _members(frames, set(first), seed)
    for turn in range(max(map(len, members.values()), default=0)):
        for indices in members.values():
            if turn < len(indices) and len(chosen) < _FRAMES:
                frame = frames[indices[turn]]
                if atoms + len(frame) <= _ATOMS or len(chosen) < 2:
                    chosen.append(frame)
                    atoms += len(frame)
    return chosen


def _members(frames: Sequence[Frame], left_out: set[int], seed: int) -> dict[str, list[int]]:
    """Frames of each group in a random order, but those that forces tell of before the others."""
    members: dict[str, list[int]] = defaultdict(list)
    without: dict[str, list[int]] = defaultdict(list)
    for index in np.random.default_rng(seed).permutation(len(frames)).tolist():
        if index not in left_out:
            frame = frames[index]
            (members if told_by_forces(frame) else without)[frame.group].append(index)
    for group, indices in without.items():
        members[group] += indices
    return members


def told_by_forces(frame: Frame) -> bool:
    """Whether the frame has forces that are not zero by symmetry, as that of a lone atom is."""
    return frame.forces is not None and len(frame) > 1
