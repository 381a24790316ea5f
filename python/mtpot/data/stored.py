"""Frames in a scratch file instead of in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from mtpot.data.packed import pack, unpack

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from mtpot.data.frame import Frame

Indices = NDArray[np.int64]


class StoredFrames(Sequence["Frame"]):
    """Frames that are read whenever they are asked for; threads may ask at the same time.

    Attributes
    ----------
    folder
        Where the scratch file is. It has no name there and is gone with the process.
    """

    def __init__(self, file: IO[bytes], places: NDArray[np.int64], folder: Path) -> None:
        """Make one of a file and the first and last byte of each frame, shape [frames, 2]."""
        self.folder = folder
        self._file = file
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> StoredFrames: ...
    def __getitem__(self, index: int | slice) -> Frame | StoredFrames:
        """Read a frame, or take a part of them without reading any."""
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        begin, end = map(int, self._places[index])
        return unpack(os.pread(self._file.fileno(), end - begin, begin))

    def take(self, positions: Indices) -> StoredFrames:
        """Return those at some positions, in this order, without reading them."""
        return StoredFrames(self._file, self._places[positions], self.folder)


def store(frames: Iterable[Frame], folder: Path) -> StoredFrames:
    """Write frames to a scratch file, one after the other.

    Parameters
    ----------
    frames
        Each is let go before the next is asked for.
    folder
        With room for about 60 bytes an atom; where there is no such folder, that for temporary
        files is taken.

    Raises
    ------
    OSError
        The folder cannot be written to or is full.
    """
    file = tempfile.TemporaryFile(dir=folder if folder.is_dir() else None)  # noqa: SIM115 - lives on
    ends = [0]
    for frame in frames:
        ends.append(ends[-1] + file.write(pack(frame)))
    file.flush()
    places = np.array([ends[:-1], ends[1:]], dtype=np.int64).T
    return StoredFrames(file, places, folder)


def take(frames: Sequence[Frame], positions: Indices) -> Sequence[Frame]:
    """Return the frames at some positions, in this order; stored ones stay where they are."""
    if isinstance(frames, StoredFrames):
        return frames.take(positions)
    return [frames[position] for position in positions]
