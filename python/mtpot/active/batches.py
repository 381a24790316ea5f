"""Work on one frame after the other: small ones side by side, large ones with all threads each."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mtpot.data.frame import Frame

Result = TypeVar("Result")

_LARGE = 1 << 12  # atoms that keep all threads busy
_BATCH = 1 << 14  # atoms of the frames that are worked on side by side
_FRAMES = 64  # of them for each thread


def map_frames(
    work: Callable[[Frame, int], Result], frames: Iterable[Frame], threads: int
) -> Iterator[Result]:
    """Yield what `work(frame, threads)` makes of each frame, in order.

    Parameters
    ----------
    work
        Called from several threads at a time.
    frames
        As many as there are; a batch of small ones is in memory at a time.
    threads
        0 takes all.
    """
    threads = threads or os.cpu_count() or 1
    if threads == 1:
        yield from (work(frame, 1) for frame in frames)
        return
    with ThreadPoolExecutor(threads) as pool:
        for batch in _batches(frames, threads):
            if len(batch) == 1:
                yield work(batch[0], threads)
            else:
                yield from pool.map(work, batch, [1] * len(batch))


def _batches(frames: Iterable[Frame], threads: int) -> Iterator[list[Frame]]:
    batch: list[Frame] = []
    atoms = 0
    for frame in frames:
        if len(frame) >= _LARGE or atoms >= _BATCH or len(batch) >= _FRAMES * threads:
            if batch:
                yield batch
            batch, atoms = [], 0
        batch.append(frame)
        atoms += len(frame)
        if len(frame) >= _LARGE:
            yield batch
            batch, atoms = [], 0
    if batch:
        yield batch
