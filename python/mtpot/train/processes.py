"""Training on several processes, by MPI.

The first process runs the training: it reads, decides, prints and writes. Each holds a share of
the frames. For a sum over frames the first sends an order with the parameters to all, each adds up
its share, and one reduction brings the sums to the first. The others do nothing but wait for
orders, so that no two processes can come to different decisions, whatever their processors round
differently.
"""

from __future__ import annotations

import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtpot.data.stored import StoredFrames, store, take
from mtpot.errors import InputError
from mtpot.potential import MTP, potential_of, text_of
from mtpot.train.deal import cost_of, deal
from mtpot.train.loss import NormalEquations, Problem, Weights, factors_of
from mtpot.train.messages import Messages, Order, undisturbed
from mtpot.train.share import Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mpi4py.MPI import Intracomm

    from mtpot import _core
    from mtpot.data.frame import Frame
    from mtpot.train.loss import Floats, Integers
    from mtpot.train.settings import Settings
    from mtpot.train.share import Held

REFUSED = ("huber", "least-absolute")
"""Solvers that need all residuals in one process."""


class Processes:
    """All processes under one `mpirun`, as a `mtpot.train.share.Team`.

    Attributes
    ----------
    size
        How many there are.
    rank
        Number of this one. The first, 0, trains; the others `serve`.
    """

    def __init__(self, communicator: Intracomm) -> None:
        self._messages = Messages(communicator)
        self._neighbors = self._messages.count_neighbors()
        self._parts: list[_Part] = []
        self._form: _core.Potential | None = None
        self.size = self._messages.size
        self.rank = self._messages.rank

    def check(self, settings: Settings) -> None:
        """Refuse what needs all frames in one process; as `Team.check`."""
        if settings.solver in REFUSED:
            raise InputError(
                f"--solver {settings.solver} needs all residuals in one process: train without "
                "mpirun, with --threads"
            )
        if settings.energy_correlation > 0.0:
            raise InputError(
                "--energy-correlation needs whole trajectories in one process: train without "
                "mpirun, with --threads"
            )

    def hold(self, potential: MTP, frames: Sequence[Frame], weights: Weights, threads: int) -> Held:
        """Deal the frames out; raises as `Team.hold`."""
        factors = factors_of(potential, frames, weights)
        hands = deal([cost_of(frame, potential.cutoff) for frame in frames], self.size)
        facts = {
            "potential": text_of(potential),
            "weights": asdict(weights),
            "threads": threads,
            "folder": str(frames.folder) if isinstance(frames, StoredFrames) else None,
        }
        with undisturbed():
            self._messages.broadcast(Order("hold", facts))
            for rank, hand in enumerate(hands[1:], start=1):
                self._messages.send_frames(rank, hand, factors[hand], frames)
            mine = take(frames, hands[0])
            self._messages.settle(lambda: self._keep(facts, hands[0], factors[hands[0]], mine))
        return _Spread(self, len(self._parts) - 1, threads)

    def total(self, form: _core.Potential, order: Order) -> Floats:
        """Sum what all processes answer to an order about potentials of this form.

        Raises
        ------
        InputError, FormatError, NumericalError, MemoryError, OSError
            A process has failed; the message is its own.
        """
        if form is not self._form:
            order.facts["form"] = text_of(MTP(form))
        with undisturbed():
            self._messages.broadcast(order)
            self._form = form
            found = self._messages.settle(lambda: self._answer(order))
            assert found is not None
            return self._messages.sum_up(found)

    def dismiss(self, code: int) -> None:
        """Let the others go; `serve` returns the code there."""
        with undisturbed():
            self._messages.broadcast(Order("dismiss", {"code": code}))

    def serve(self) -> int:
        """Do as the first process orders until it dismisses this one; return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # the first decides what they mean
        try:
            while (order := self._messages.next_order()).task != "dismiss":
                self._obey(order)
        except BaseException as error:
            self._messages.abort(error)
            raise
        return int(order.facts["code"])

    def _obey(self, order: Order) -> None:
        if order.task == "hold":
            positions, factors, frames = self._messages.next_frames()
            folder = order.facts["folder"]
            received = store(frames, Path(folder)) if folder else list(frames)
            self._messages.settle(lambda: self._keep(order.facts, positions, factors, received))
            return
        found = self._messages.settle(lambda: self._answer(order))
        if found is not None:
            self._messages.sum_up(found)

    def _keep(
        self, facts: dict[str, Any], positions: Integers, factors: Floats, frames: Sequence[Frame]
    ) -> None:
        potential, weights = potential_of(facts["potential"]), Weights(**facts["weights"])
        threads = facts["threads"] or share_of_cores(self._neighbors)
        share = Share(potential, frames, factors, weights, threads)
        self._parts.append(_Part(positions, share))

    def _answer(self, order: Order) -> Floats:
        if self.rank and "form" in order.facts:
            self._form = potential_of(order.facts["form"]).core
        assert self._form is not None
        part = self._parts[order.facts["set"]]
        return TASKS[order.task](part, self._form, order)


@dataclass(frozen=True, slots=True)
class _Part:
    """What this process holds of a set of frames, and its positions in the set."""

    positions: Integers
    share: Share

    def problem(self, form: _core.Potential, order: Order) -> Problem:
        """Return the loss on the frames that the order is about."""
        problem = self.share.problem(form)
        if order.positions is None:
            return problem
        return problem.part(np.flatnonzero(np.isin(self.positions, order.positions)))


def _errors(part: _Part, form: _core.Potential, order: Order) -> Floats:
    return part.share.squared_errors(form.with_parameters(order.numbers))


def _rows(part: _Part, form: _core.Potential, order: Order) -> Floats:
    return np.array([float(part.problem(form, order).row_count)])


def _gradient(part: _Part, form: _core.Potential, order: Order) -> Floats:
    loss, gradient = part.problem(form, order).loss_and_gradient(order.numbers)
    return np.append(gradient, loss)


def _equations(part: _Part, form: _core.Potential, order: Order) -> Floats:
    problem = part.problem(form, order)
    return packed(problem.normal_equations(order.numbers, order.facts["linear_only"]))


TASKS = {"errors": _errors, "rows": _rows, "gradient": _gradient, "equations": _equations}
"""What a process can be asked for: the part of a sum over frames that is its own."""


class _Spread:
    """Frames dealt out to processes, as `mtpot.train.share.Held`."""

    def __init__(self, team: Processes, number: int, threads: int) -> None:
        self._team = team
        self._number = number
        self._threads = threads

    def problem(self, core: _core.Potential, folds: Sequence[Integers] = ()) -> Problem:
        """Return the loss on them for potentials of this form."""
        return SpreadProblem(core, self._team, self._number, folds)

    def squared_errors(self, core: _core.Potential) -> Floats:
        """Sum over them, as `mtpot.train.metrics.squared_errors`."""
        return self._team.total(core, Order("errors", {"set": self._number}, core.parameters))


class SpreadProblem(Problem):
    """The loss on frames that are dealt out to processes."""

    def __init__(
        self,
        potential: _core.Potential,
        team: Processes,
        number: int,
        folds: Sequence[Integers] = (),
        positions: Integers | None = None,
    ) -> None:
        """Set up the loss; `number` is that of the set, of which `positions` count."""
        super().__init__(potential, [], 0, folds)
        self._team = team
        self._number = number
        self._positions = positions

    @property
    def row_count(self) -> int:
        """Number of labels with a weight."""
        return round(float(self._total("rows", np.zeros(0))[0]))

    def normal_equations(self, parameters: Floats, linear_only: bool) -> NormalEquations:
        """Set up those of the weighted residuals at the parameters."""
        count = self.parameter_count - (self.radial_count if linear_only else 0)
        return unpacked(self._total("equations", parameters, linear_only=linear_only), count)

    def loss_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        """Return r^T r and its derivatives in all parameters."""
        sums = self._total("gradient", parameters)
        return float(sums[-1]), sums[:-1]

    def part(self, positions: Integers) -> Problem:
        """Return the terms of the loss that belong to some of the frames."""
        chosen = positions if self._positions is None else self._positions[positions]
        return SpreadProblem(self.potential, self._team, self._number, (), chosen)

    def with_frames(self, frames: Sequence[_core.LabeledFrame]) -> Problem:
        """Refuse: the frames are not here."""
        raise InputError(f"{len(frames)} frames cannot replace those of other processes")

    def _total(self, task: str, parameters: Floats, **facts: Any) -> Floats:
        order = Order(task, {"set": self._number, **facts}, parameters, self._positions)
        return self._team.total(self.potential, order)


def packed(equations: NormalEquations) -> Floats:
    """Upper triangle of the matrix, gradient and loss: all that has to travel."""
    rows = [row[k:] for k, row in enumerate(equations.matrix)]
    return np.concatenate([*rows, equations.gradient, [equations.loss]])


def unpacked(numbers: Floats, count: int) -> NormalEquations:
    """Return the normal equations of so many parameters that `packed` has packed."""
    matrix = np.empty((count, count))
    place = 0
    for k in range(count):
        matrix[k, k:] = matrix[k:, k] = numbers[place : place + count - k]
        place += count - k
    return NormalEquations(matrix, numbers[place:-1], float(numbers[-1]))


def share_of_cores(processes: int) -> int:
    """Threads for each of so many processes on this machine; 0 leaves it to OMP_NUM_THREADS.

    Where the launcher has tied each process to cores of its own, these are its threads.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return 0
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    tied = mine * processes <= (os.cpu_count() or 1)
    return mine if tied else max(1, mine // processes)
