"""The loss that training minimizes, in one place.

    L = (1/K) sum_k { w_e/N^p (dE)^2 + (1/N^q) sum_i w_f,i |dF_i|^2 + (w_s/N) sum_ab (dW_ab)^2 }

over K frames of N atoms; E in eV, F in eV/angstrom, W = -V stress in eV, all nine components.
It is the loss of MLIP-3 (Podryabinkin et al., J. Chem. Phys. 159 (2023) 084112) without its
penalty; the exponents (p, q) belong to a weighting:

    vibrations (1, 0)   snapshots of dynamics: errors of energies grow as sqrt(N)
    molecules  (0, 0)   total energies
    structures (2, 1)   energies and forces per atom

With `scale_by_force` s > 0, w_f,i = w_f s / (|F_i|^2 + s): large forces count less.

All three weights of a frame are multiplied by the factor of its group, by the factors that its
file gives (`Frame.weights`), and with `scale_by_energy` s > 0 by s / (d + s), where d is its
energy per atom above the lowest: structures that nobody will meet count less. Energies of
different compositions are compared after those of the species, by least squares, have been taken
off. These and the lowest are those of the training frames whose energies have a weight, for
validation frames as well; what lies below has d = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot import _core
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.errors import InputError
from mtpot.train.chunks import chunks, take

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.settings import Settings

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NOISE = 1e-13  # of the largest norm: a column below it is rounding, not data

EXPONENTS = {"vibrations": (1, 0), "molecules": (0, 0), "structures": (2, 1)}
"""(p, q) of each weighting."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each kind of label counts; see the module for the symbols.

    `lowest` is the energy of an atom of each species, in eV, from which on `scale_by_energy`
    counts; without, it is that of the frames in question.
    """

    energy: float = 1.0
    force: float = 0.01
    stress: float = 0.001
    weighting: str = "vibrations"
    scale_by_force: float = 0.0
    scale_by_energy: float = 0.0
    groups: Mapping[str, float] = field(default_factory=dict)
    lowest: Sequence[float] = ()

    def factors_of(self, frames: Sequence[Frame], species: Sequence[str]) -> Floats:
        """Factor of each frame for its group and its energy above the lowest, shape [frames]."""
        factors = np.array([self.groups.get(frame.group, 1.0) for frame in frames])
        if self.scale_by_energy > 0.0:
            lowest = self.lowest or self.relative_to(frames, species).lowest
            counts = _compositions(species, frames)
            excess = _energies(frames) - counts @ np.asarray(lowest)
            above = (excess / counts.sum(axis=1)).clip(0.0)
            factors *= self.scale_by_energy / (above + self.scale_by_energy)
        return factors

    def relative_to(self, frames: Sequence[Frame], species: Sequence[str]) -> Weights:
        """Return weights by the energy above the lowest of these frames, for others as well.

        Frames whose energies have no weight say nothing, unless that is all of them.

        Raises
        ------
        InputError
            As `factors_of` of this module.
        """
        _check_energies(frames)
        own = np.array([frame.weights[0] * self.groups.get(frame.group, 1.0) for frame in frames])
        counted = own > 0.0 if own.any() else np.ones(len(own), bool)
        counts, energies = _compositions(species, frames)[counted], _energies(frames)[counted]
        found = _least_squares(counts, energies)
        rest = (energies - counts @ found) / counts.sum(axis=1)
        return replace(self, lowest=tuple((found + rest.min()).tolist()))

    def check_groups(self, frames: Iterable[Frame]) -> None:
        """Refuse factors of groups that no frame is in.

        Raises
        ------
        InputError
            Naming the group and those there are.
        """
        present = dict.fromkeys(frame.group for frame in frames)
        for name in self.groups:
            if name not in present:
                raise InputError(
                    f"group-weights: no frame is in the group {name}; there are "
                    f"{', '.join(present)}"
                )

    def forces_of(self, frame: Frame) -> Floats:
        """Weight of each atom's force, shape [n], without the factor 1/K."""
        if frame.forces is None:
            return np.zeros(len(frame))
        weight = frame.weights[1] * self.force / len(frame) ** EXPONENTS[self.weighting][1]
        weights = np.full(len(frame), weight)
        if self.scale_by_force > 0.0:
            squared = np.einsum("ij,ij->i", frame.forces, frame.forces)
            weights *= self.scale_by_force / (squared + self.scale_by_force)
        return weights

    def energy_of(self, frame: Frame) -> float:
        """Weight of the energy, without the factor 1/K."""
        return frame.weights[0] * self.energy / float(len(frame) ** EXPONENTS[self.weighting][0])

    def virial_of(self, frame: Frame) -> float:
        """Weight of each of the nine virial components, without the factor 1/K."""
        return 0.0 if frame.stress is None else frame.weights[2] * self.stress / len(frame)

    def count(self, frame: Frame) -> bool:
        """Whether a label of the frame has a weight."""
        return bool(
            self.energy_of(frame) > 0.0
            or self.virial_of(frame) > 0.0
            or np.any(self.forces_of(frame))
        )


def weights_of(settings: Settings) -> Weights:
    """Return the weights of the loss that the settings ask for."""
    return Weights(
        settings.energy_weight,
        settings.force_weight,
        settings.stress_weight,
        settings.weighting,
        settings.scale_by_force,
        settings.scale_by_energy,
        settings.group_weights,
    )


def species_energies(species: Sequence[str], frames: Sequence[Frame]) -> Floats:
    """Energy of each species, eV, by least squares of the frames' compositions.

    The solution of smallest norm where compositions do not tell the species apart.
    """
    return _least_squares(_compositions(species, frames), _energies(frames))


def _least_squares(counts: Floats, energies: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(counts, energies, rcond=None)[0], np.float64)


def _energies(frames: Sequence[Frame]) -> Floats:
    return np.array([frame.energy for frame in frames], np.float64)


def _compositions(species: Sequence[str], frames: Sequence[Frame]) -> Floats:
    return np.array([[frame.symbols.count(s) for s in species] for frame in frames], float)


def labeled_frames(
    potential: MTP, frames: Sequence[Frame], weights: Weights
) -> tuple[list[_core.LabeledFrame], list[_core.Neighborhoods]]:
    """Prepare frames for the engine: neighborhoods with labels and the weights of the loss.

    Raises
    ------
    InputError
        If there are no frames, or one has no energy or does not fit the potential; names it.
    """
    factors = factors_of(potential, frames, weights)
    labeled = [label(potential, *each, weights) for each in zip(frames, factors, strict=True)]
    return labeled, [each.neighborhoods for each in labeled]


def factors_of(potential: MTP, frames: Sequence[Frame], weights: Weights) -> Floats:
    """Return the factor of each frame on its weights, with 1/K; shape [frames].

    Raises
    ------
    InputError
        If there are no frames, one has no energy (names it), or no label has a weight.
    """
    _check_energies(frames)
    factors = weights.factors_of(frames, potential.species)
    if not any(
        factor > 0.0 and weights.count(frame) for frame, factor in zip(frames, factors, strict=True)
    ):
        raise InputError(
            f"no label of {len(frames)} frames from {frames[0].file or 'memory'} on has a weight, "
            "which leaves nothing to fit or to compare: raise the weights of labels that are "
            "there, of groups or of frames"
        )
    return factors / len(frames)


def _check_energies(frames: Sequence[Frame]) -> None:
    if not frames:
        raise InputError("there are no frames to train on")
    for frame in frames:
        _energy(frame)


def label(potential: MTP, frame: Frame, factor: float, weights: Weights) -> _core.LabeledFrame:
    """Prepare one frame, with a factor on its weights; raises as `labeled_frames`."""
    found = frame_neighborhoods(potential, frame)
    virial = frame.virial
    return _core.LabeledFrame(
        found,
        _energy(frame),
        np.zeros((len(frame), 3)) if frame.forces is None else frame.forces,
        np.zeros(6) if virial is None else virial,
        factor * weights.energy_of(frame),
        factor * weights.forces_of(frame),
        factor * weights.virial_of(frame),
    )


def _energy(frame: Frame) -> float:
    if frame.energy is None:
        raise InputError(f"{frame.source}: the frame has no energy; remove or label it")
    return frame.energy


class Problem:
    """The loss as a function of the parameters, which a solver minimizes.

    The parameters are radial | linear, where the linear ones are the species energies and the
    coefficients of the scalars, in which energies, forces and virials are linear.

    Attributes
    ----------
    potential
        Its form; what parameters it has does not matter.
    frames
        Labels and weights.
    threads
        0 takes every core.
    folds
        Parts of the frames for cross-validation, as positions in `frames`; each is in one.
    """

    def __init__(
        self,
        potential: _core.Potential,
        frames: Sequence[_core.LabeledFrame],
        threads: int,
        folds: Sequence[Integers] = (),
    ) -> None:
        self.potential = potential
        self.frames = frames
        self.folds = folds
        self.threads = threads
        self.species_count = potential.species_count
        self.radial_count = (
            self.species_count**2 * potential.radial_function_count * potential.radial_size
        )
        self.parameter_count = len(potential.parameters)

    @property
    def row_count(self) -> int:
        """Number of labels with a weight: energies, force and virial components."""
        return sum(
            (each.energy_weight > 0.0)
            + 3 * int(np.count_nonzero(each.force_weights))
            + 6 * (each.virial_weight > 0.0)
            for each in self.frames
        )

    def normal_equations(self, parameters: Floats, linear_only: bool) -> NormalEquations:
        """Set up those of the weighted residuals, label - prediction, at the parameters."""
        design = _core.Design(self.potential.with_parameters(parameters))
        gram = _sum(
            design.normal_equations(chunk, linear_only, self.threads)
            for chunk in chunks(self.frames)
        )
        return NormalEquations(gram[:-1, :-1], gram[:-1, -1], float(gram[-1, -1]))

    def loss_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        """Return r^T r and its derivatives in all parameters, without a Gram matrix."""
        design = _core.Design(self.potential.with_parameters(parameters))
        sums = _sum(design.gradient(chunk, self.threads) for chunk in chunks(self.frames))
        return float(sums[-1]), -2.0 * sums[:-1]

    def without_coefficients(self, parameters: Floats) -> Floats:
        """Return the parameters with species energies alone as the linear ones."""
        bare = parameters.copy()
        bare[self.radial_count + self.species_count :] = 0.0
        return bare

    def part(self, positions: Integers) -> Problem:
        """Return the terms of the loss that belong to some of the frames."""
        return Problem(self.potential, take(self.frames, positions), self.threads)

    def with_frames(self, frames: Sequence[_core.LabeledFrame]) -> Problem:
        """Return the same problem with other weights; frames in the same order."""
        return Problem(self.potential, frames, self.threads, self.folds)


def _sum(parts: Iterator[Floats]) -> Floats:
    """Sum arrays, of which there is one at least, without a copy of the first."""
    total = next(parts)
    for part in parts:
        total += part
    return total


@dataclass(frozen=True, slots=True)
class NormalEquations:
    """H = J^T J and g = J^T r of residuals r with derivatives -J, and the loss r^T r."""

    matrix: Floats
    gradient: Floats
    loss: float

    def loss_after(self, change: Floats) -> float:
        """Loss if the residuals were linear in the change."""
        reduction = 2.0 * change @ self.gradient - change @ self.matrix @ change
        return self.loss - float(reduction)

    def __add__(self, other: NormalEquations) -> NormalEquations:
        """Return those of both sets of residuals together."""
        return NormalEquations(
            self.matrix + other.matrix, self.gradient + other.gradient, self.loss + other.loss
        )

    def column_scales(self) -> Floats:
        """1 / norm of each column of J; 0 for a column of rounding noise.

        Such are scalars that vanish by the symmetry of every frame, or species that no frame has.
        """
        norms = np.sqrt(np.diag(self.matrix))
        used = norms > NOISE * norms.max(initial=0.0)
        return np.where(used, 1.0 / np.where(used, norms, 1.0), 0.0)

    @property
    def finite(self) -> bool:
        """False when a number has overflowed."""
        return bool(np.isfinite(self.loss) and np.isfinite(self.matrix).all())
