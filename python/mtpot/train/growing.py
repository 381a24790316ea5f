"""Least squares of the linear coefficients over a training set that grows.

At fixed radial functions energies, forces and virials are linear in the species energies and in
xi, so that a new frame adds its normal equations to those of the frames before it. The sums are of
the loss without its factor 1/K, which a new frame would change; the minimum does not depend on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtpot.potential import MTP
from mtpot.train.centered import Centered
from mtpot.train.loss import Problem, label, weights_of
from mtpot.train.solvers.common import number_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Frame
    from mtpot.train.loss import NormalEquations
    from mtpot.train.settings import Settings


class GrowingFit:
    """The sums of the normal equations, and what minimizes the loss.

    Frames that are added one after the other in the same order give the same bits.

    Attributes
    ----------
    count
        Number of frames in the sums.
    equations
        The sums: of species energies | coefficients, about coefficients of zero.
    """

    def __init__(self, potential: MTP, frames: Sequence[Frame], settings: Settings) -> None:
        """Begin with the frames that a potential has been trained on.

        Parameters
        ----------
        potential
            Its radial functions are kept.
        frames
            One at least. With `scale_by_energy` those that are added later count by their energy
            above the lowest of these.
        settings
            Weights of the loss, ridge and threads of the training.

        Raises
        ------
        InputError
            A frame has no energy or does not fit the potential; names it.
        """
        self._potential = potential
        self._settings = settings
        self._weights = weights_of(settings)
        if self._weights.scale_by_energy > 0.0:
            self._weights = self._weights.relative_to(frames, potential.species)
        problem = Problem(potential.core, [], settings.threads)
        self._radial_count = problem.radial_count
        self._origin = problem.without_coefficients(potential.parameters)
        self.equations = self._of(frames)
        self.count = len(frames)

    def add(self, frame: Frame) -> None:
        """Add a frame; raises as the constructor does."""
        self.equations += self._of([frame])
        self.count += 1

    def solve(self) -> tuple[MTP, float]:
        """Return the potential of least squares, without an active set, and its loss."""
        core = self._potential.core
        centered = Centered.of(self.equations, core.species_count)
        change = centered.change(centered.solve(number_of(self._settings.ridge)))
        parameters = self._origin.copy()
        parameters[self._radial_count :] += change
        loss = max(self.equations.loss_after(change), 0.0) / self.count
        return MTP(core.with_parameters(parameters)), loss

    def _of(self, frames: Sequence[Frame]) -> NormalEquations:
        factors = self._weights.factors_of(frames, self._potential.species)
        labeled = [
            label(self._potential, frame, factor, self._weights)
            for frame, factor in zip(frames, factors, strict=True)
        ]
        problem = Problem(self._potential.core, labeled, self._settings.threads)
        return problem.normal_equations(self._origin, linear_only=True)
