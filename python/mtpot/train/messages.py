"""What the processes of a training tell each other: orders, frames and failures."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mtpot.data.packed import pack, unpack
from mtpot.errors import FormatError, InputError, NumericalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mpi4py.MPI import Intracomm

    from mtpot.data.frame import Frame
    from mtpot.train.loss import Floats, Integers

Found = TypeVar("Found")

_NAP = 1e-4  # seconds between looks for an order
_FAILURES = (InputError, FormatError, NumericalError, MemoryError, OSError)


@dataclass(frozen=True, slots=True)
class Order:
    """What every process is to do.

    Attributes
    ----------
    task
        Its name.
    facts
        What it needs to know; plain JSON.
    numbers
        Parameters of a potential.
    positions
        Of the frames that count; None: all.
    """

    task: str
    facts: dict[str, Any] = field(default_factory=dict)
    numbers: Floats = field(default_factory=lambda: np.zeros(0))
    positions: Integers | None = None


class Messages:
    """A communicator of MPI, with the few messages that there are."""

    def __init__(self, communicator: Intracomm) -> None:
        self._mpi = communicator
        self.size: int = communicator.Get_size()
        self.rank: int = communicator.Get_rank()

    def count_neighbors(self) -> int:
        """Count the processes of this machine, this one among them; all have to ask at once."""
        from mpi4py import MPI  # noqa: PLC0415 - this process has it, others need not

        return self._mpi.Split_type(MPI.COMM_TYPE_SHARED).Get_size()

    def broadcast(self, order: Order) -> None:
        """Send an order from the first process to all others."""
        positions = np.zeros(0, np.int64) if order.positions is None else order.positions
        text = json.dumps([order.task, order.facts, order.positions is None]).encode()
        head = np.array([len(text), len(order.numbers), len(positions)], np.int64)
        self._mpi.Ibcast(head).Wait()
        for part in (bytearray(text), np.ascontiguousarray(order.numbers), positions):
            self._mpi.Bcast(part)

    def next_order(self) -> Order:
        """Wait for an order of the first process."""
        head = np.zeros(3, np.int64)
        waiting = self._mpi.Ibcast(head)
        while not waiting.Test():
            time.sleep(_NAP)  # the core is free for the first process
        text, numbers, positions = bytearray(head[0]), np.zeros(head[1]), np.zeros(head[2], int)
        for part in (text, numbers, positions):
            self._mpi.Bcast(part)
        task, facts, all_frames = json.loads(text)
        return Order(task, facts, numbers, None if all_frames else positions)

    def send_frames(
        self, rank: int, positions: Integers, factors: Floats, frames: Sequence[Frame]
    ) -> None:
        """Send frames at these positions, with their factors, from the first process to another."""
        self._mpi.Send(positions, rank)
        self._mpi.Send(factors, rank)
        for position in positions:
            self._mpi.Send(bytearray(pack(frames[position])), rank)

    def next_frames(self) -> tuple[Integers, Floats, Iterator[Frame]]:
        """Receive what `send_frames` sends; every frame has to be taken."""
        positions = np.frombuffer(self._next_bytes(), np.int64)
        factors = np.frombuffer(self._next_bytes(), np.float64)
        return positions, factors, (unpack(bytes(self._next_bytes())) for _ in positions)

    def sum_up(self, found: Floats) -> Floats:
        """Sum arrays over all processes; the others get nothing of use."""
        total = np.zeros_like(found)
        self._mpi.Reduce(found, total if self.rank == 0 else None)
        return total

    def settle(self, work: Callable[[], Found]) -> Found | None:
        """Do some work on every process at once.

        Returns
        -------
        What the work gives; None on the others if it has failed on any.

        Raises
        ------
        InputError, FormatError, NumericalError, MemoryError, OSError
            On the first process, with the message of the first that has failed.
        """
        found, failure = None, None
        try:
            found = work()
        except _FAILURES as error:
            failure = error
        except BaseException as error:
            self.abort(error)
        codes = np.zeros(self.size, np.int64)
        self._mpi.Allgather(np.array([_code(failure)], np.int64), codes)
        if not codes.any():
            return found
        culprit = int(np.flatnonzero(codes)[0])
        message = self._message_from(culprit, str(failure or ""))
        if self.rank == 0:
            raise _FAILURES[codes[culprit] - 1](message) from failure
        return None

    def abort(self, error: BaseException) -> None:
        """End all processes at once, after a failure that nobody has foreseen."""
        sys.stderr.write(f"process {self.rank} of {self.size} has failed:\n")
        traceback.print_exception(error)
        sys.stderr.flush()
        self._mpi.Abort(1)

    def _message_from(self, rank: int, message: str) -> str:
        text = message.encode()
        size = np.array([len(text)], np.int64)
        self._mpi.Bcast(size, root=rank)
        content = bytearray(text) if self.rank == rank else bytearray(int(size[0]))
        self._mpi.Bcast(content, root=rank)
        return content.decode()

    def _next_bytes(self) -> bytearray:
        from mpi4py import MPI  # noqa: PLC0415 - this process has it, others need not

        status = MPI.Status()
        self._mpi.Probe(0, status=status)
        content = bytearray(status.Get_count(MPI.BYTE))
        self._mpi.Recv([content, MPI.BYTE], 0)
        return content


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put Ctrl-C and the end of a batch job off, so that no message stays half told."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(each, lambda number, _: arrived.append(number)) for each in numbers]
    try:
        yield
    finally:
        for each, handler in zip(numbers, handlers, strict=True):
            signal.signal(each, handler)
    for number in arrived[:1]:
        signal.raise_signal(number)


def _code(failure: BaseException | None) -> int:
    if failure is None:
        return 0
    return next(k for k, kind in enumerate(_FAILURES, start=1) if isinstance(failure, kind))
