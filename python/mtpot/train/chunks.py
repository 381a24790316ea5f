"""Labeled frames a few at a time, whether all are in memory or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import overload

import numpy as np
from numpy.typing import NDArray

from mtpot._core import LabeledFrame

CHUNK = 1 << 14
"""Atoms whose neighbor lists are in memory at a time, where frames are streamed."""

_BLOCK = 8  # frames that a thread prepares before they are handed over

Indices = NDArray[np.int64]


class Streamed(Sequence[LabeledFrame]):
    """Frames that are prepared anew whenever they are asked for; none stays in memory."""

    def __init__(
        self, prepare: Callable[[int], LabeledFrame], positions: Indices, threads: int
    ) -> None:
        """Make them of what prepares the frame at a position; 0 threads are all cores."""
        self._prepare = prepare
        self._positions = positions
        self._threads = threads or os.cpu_count() or 1

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> LabeledFrame: ...
    @overload
    def __getitem__(self, index: slice) -> Streamed: ...
    def __getitem__(self, index: int | slice) -> LabeledFrame | Streamed:
        """Prepare a frame, or take a part of them without preparing any."""
        if isinstance(index, slice):
            return Streamed(self._prepare, self._positions[index], self._threads)
        return self._prepare(int(self._positions[index]))

    def __iter__(self) -> Iterator[LabeledFrame]:
        """Prepare all of them, in order, on all threads."""
        places = self._positions.tolist()
        if self._threads == 1:
            yield from map(self._prepare, places)
            return
        step = _BLOCK * self._threads
        with ThreadPoolExecutor(self._threads) as pool:
            for first in range(0, len(places), step):
                yield from pool.map(self._prepare, places[first : first + step])

    def take(self, positions: Indices) -> Streamed:
        """Return those at some positions, in this order, without preparing them."""
        return Streamed(self._prepare, self._positions[positions], self._threads)


def take(frames: Sequence[LabeledFrame], positions: Indices) -> Sequence[LabeledFrame]:
    """Return the frames at some positions, in this order; streamed ones are not prepared."""
    if isinstance(frames, Streamed):
        return frames.take(positions)
    return [frames[position] for position in positions]


def chunks(frames: Iterable[LabeledFrame]) -> Iterator[list[LabeledFrame]]:
    """Cut frames into lists of about `CHUNK` atoms; one empty list if there are none.

    Sums go chunk by chunk wherever the frames are, so that their bits do not depend on that.
    """
    chunk: list[LabeledFrame] = []
    atoms = 0
    for frame in frames:
        if atoms >= CHUNK:
            yield chunk
            chunk, atoms = [], 0
        chunk.append(frame)
        atoms += frame.neighborhoods.atom_count
    yield chunk
