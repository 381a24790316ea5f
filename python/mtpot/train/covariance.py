"""Labels whose errors are correlated: generalized least squares.

The loss is r^T W r with a diagonal matrix W of weights when errors are independent. With a
correlation matrix C of the weighted residuals it is (W^(1/2) r)^T C^-1 (W^(1/2) r): rows are
multiplied by the inverse of the Cholesky factor of C, block by block, and whatever works with
the normal equations of these rows works as before (Aitken, Proc. R. Soc. Edinb. 55 (1936) 42).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtpot import _core
from mtpot.data.split import trajectories
from mtpot.errors import InputError
from mtpot.train.loss import NormalEquations, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from mtpot.data.frame import Frame

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MULTIPLICITY = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])  # of virial components among nine


@dataclass(frozen=True, slots=True)
class Block:
    """Frames whose labels have correlated errors.

    Attributes
    ----------
    frames
        Their positions in the training set.
    matrix
        Covariance of the weighted errors sqrt(w) (label - truth), positive definite: of the
        energies, shape [frames, frames], or of all labels, shape [rows, rows], frame by frame
        the energy, 3 n force components and the virial xx yy zz yz xz xy (its last three
        weighted twice). The unit matrix stands for independent errors with the variances 1/w; with
        weights of one it is the covariance of the errors themselves.
    """

    frames: Integers
    matrix: Floats


def trajectory_blocks(frames: Sequence[Frame], correlation: float) -> list[Block]:
    """Blocks of energies whose errors are correlated along trajectories.

    Parameters
    ----------
    frames
        The training set, in the order of the trajectories. Of a part of a set, whose neighbors
        may have gone elsewhere, frames from `mtpot.data.split.numbered`.
    correlation
        Of neighbors in a trajectory, 0 <= c < 1; of the k-th neighbors it is c^k.
    """
    numbers = trajectories(frames)
    blocks = []
    for number in np.unique(numbers):
        members = np.flatnonzero(numbers == number)
        found = [frames[k].snapshot for k in members.tolist()]
        places = [k if each is None else each for k, each in enumerate(found)]
        apart = np.abs(np.subtract.outer(places, places))
        blocks.append(Block(members, correlation**apart))
    return blocks


def constant_block(frames: ArrayLike, correlation: float) -> Block:
    """Block of energies any two of which have errors of the same correlation 0 <= c < 1."""
    positions = np.asarray(frames, dtype=np.int64)
    matrix = np.full((len(positions), len(positions)), correlation)
    np.fill_diagonal(matrix, 1.0)
    return Block(positions, matrix)


class CorrelatedProblem(Problem):
    """The loss of a training set with blocks of correlated labels.

    In cross-validation the folds are taken as independent: blocks are cut where folds part.
    """

    def __init__(
        self,
        potential: _core.Potential,
        frames: Sequence[_core.LabeledFrame],
        threads: int,
        blocks: Sequence[Block],
        folds: Sequence[Integers] = (),
    ) -> None:
        """Set up the loss.

        Raises
        ------
        InputError
            A block does not fit its frames or is not positive definite, or a frame is in two.
        """
        super().__init__(potential, frames, threads, folds)
        self.blocks = list(blocks)
        self._parts = [_Whitened(self.frames, block) for block in self.blocks]
        members = np.concatenate([np.zeros(0, np.int64), *(block.frames for block in self.blocks)])
        if len(np.unique(members)) != len(members):
            raise InputError("a frame is in two blocks of correlated labels")
        independent = list(self.frames)
        for block, part in zip(self.blocks, self._parts, strict=True):
            for position, frame in zip(block.frames, part.independent(), strict=True):
                independent[position] = frame
        self._independent = Problem(potential, independent, threads)

    def normal_equations(self, parameters: Floats, linear_only: bool) -> NormalEquations:
        """Set up those of the whitened residuals."""
        total = self._independent.normal_equations(parameters, linear_only)
        potential = self.potential.with_parameters(parameters)
        for part in self._parts:
            rows = part.rows(potential, linear_only, self.threads)
            gram = rows.T @ rows
            total += NormalEquations(gram[:-1, :-1], gram[:-1, -1], float(gram[-1, -1]))
        return total

    def loss_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        """Return r^T r of the whitened residuals and its derivatives in all parameters."""
        loss, gradient = self._independent.loss_and_gradient(parameters)
        potential = self.potential.with_parameters(parameters)
        for part in self._parts:
            rows = part.rows(potential, linear_only=False, threads=self.threads)
            sums = rows.T @ rows[:, -1]
            loss, gradient = loss + float(sums[-1]), gradient - 2.0 * sums[:-1]
        return loss, gradient

    def part(self, positions: Integers) -> Problem:
        """Return the terms of the loss that belong to some of the frames."""
        blocks = [part.cut(positions) for part in self._parts]
        frames = [self.frames[k] for k in positions]
        kept = [block for block in blocks if len(block.frames)]
        return CorrelatedProblem(self.potential, frames, self.threads, kept)

    def with_frames(self, frames: Sequence[_core.LabeledFrame]) -> Problem:
        """Return the same problem with other weights; frames in the same order."""
        return CorrelatedProblem(self.potential, frames, self.threads, self.blocks, self.folds)


class _Whitened:
    """The rows of one block."""

    def __init__(self, frames: Sequence[_core.LabeledFrame], block: Block) -> None:
        self._block = block
        self._frames = [frames[k] for k in block.frames]
        count = len(self._frames)
        self._energies_only = block.matrix.shape == (count, count)
        labels = [_labels(each)[: 1 if self._energies_only else None] for each in self._frames]
        self._owners = np.repeat(np.arange(count), [len(each) for each in labels])
        self._labels, weights = np.concatenate([np.zeros((0, 2)), *labels]).T
        if block.matrix.shape != (len(weights), len(weights)):
            raise InputError(
                f"a covariance of shape {block.matrix.shape} fits neither the {count} energies of "
                f"its frames nor their {len(weights)} labels"
            )
        # A row without a label says nothing of the others.
        self._roots = np.sqrt(weights[weights > 0.0])
        self._labeled = np.flatnonzero(weights > 0.0)
        try:
            factor = np.linalg.cholesky(block.matrix[np.ix_(self._labeled, self._labeled)])
        except np.linalg.LinAlgError as error:
            raise InputError("a covariance of labels is not positive definite") from error
        self._whitener = np.linalg.inv(factor)

    def independent(self) -> list[_core.LabeledFrame]:
        """Return the frames without the labels of the block."""
        return [_without_labels(each, self._energies_only) for each in self._frames]

    def cut(self, positions: Integers) -> Block:
        """Return the block of those of its frames that are among these, renumbered."""
        place = {int(position): k for k, position in enumerate(positions)}
        kept = np.isin(self._block.frames, positions)
        rows = np.flatnonzero(kept[self._owners])
        frames = [place[int(each)] for each in self._block.frames[kept]]
        return Block(np.array(frames, dtype=np.int64), self._block.matrix[np.ix_(rows, rows)])

    def rows(self, potential: _core.Potential, linear_only: bool, threads: int) -> Floats:
        """Whitened [J | label - prediction]."""
        design = _core.Design(potential)
        if self._energies_only:
            found = [_energy_row(potential, design, each, threads) for each in self._frames]
            radial = len(potential.parameters) - potential.species_count - len(potential.scalars)
            rows = np.array(found)[:, radial if linear_only else 0 :]
        else:
            tangents = [design.tangents(each.neighborhoods, linear_only) for each in self._frames]
            rows = np.vstack([np.column_stack(each) for each in tangents])
        rows[:, -1] = self._labels - rows[:, -1]
        whitened: Floats = self._whitener @ (self._roots[:, None] * rows[self._labeled])
        return whitened


def _labels(frame: _core.LabeledFrame) -> Floats:
    """Labels and weights of all rows of a frame, shape [1 + 3 n + 6, 2]."""
    labels = np.concatenate([[frame.energy], frame.forces.ravel(), frame.virial])
    virial = frame.virial_weight * MULTIPLICITY
    weights = np.concatenate([[frame.energy_weight], np.repeat(frame.force_weights, 3), virial])
    return np.column_stack([labels, weights])


def _without_labels(frame: _core.LabeledFrame, energies_only: bool) -> _core.LabeledFrame:
    kept = 1.0 if energies_only else 0.0
    return _core.LabeledFrame(
        frame.neighborhoods,
        frame.energy,
        frame.forces,
        frame.virial,
        0.0,
        kept * frame.force_weights,
        kept * frame.virial_weight,
    )


def _energy_row(
    potential: _core.Potential, design: _core.Design, frame: _core.LabeledFrame, threads: int
) -> Floats:
    """Find the derivatives of the energy in all parameters, and the energy; [parameters + 1]."""
    row = design.rows(frame.neighborhoods, threads).sum(axis=0)
    linear = potential.species_count + len(potential.scalars)
    return np.append(row, row[-linear:] @ potential.parameters[-linear:])
