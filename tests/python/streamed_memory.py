"""Peak memory of a training on so many frames of 64 atoms, in bytes; test_streaming.py runs it.

With "checked", of the checks of the data that come before. The system's own count: that of
`resource` begins with the memory of the parent process.

python streamed_memory.py FRAMES [streamed] [checked]
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from models import crystal
from test_thin import settings

from mtpot.data.findings import find
from mtpot.data.frame import Frame
from mtpot.data.stored import store
from mtpot.train import chunks
from mtpot.train.trainer import train

if TYPE_CHECKING:
    from collections.abc import Iterator

chunks.CHUNK = 512  # atoms: far fewer than there are


def noise(count: int) -> Iterator[Frame]:
    """Crystals with labels at random, each in four sizes."""
    atoms = crystal("Si" * 2, seed=0).repeat((4, 4, 2))
    rng = np.random.default_rng(0)
    bare = Frame(tuple(atoms.symbols), atoms.positions, atoms.cell.array, atoms.pbc)
    moved = bare.positions
    for index in range(count):
        if index % 4 == 0:
            moved = bare.positions + 0.02 * rng.normal(size=bare.positions.shape)
        size = 1.0 + 1e-3 * (index % 4)
        yield dataclasses.replace(
            bare,
            positions=size * moved,
            cell=size * bare.cell,
            energy=float(rng.normal()),
            forces=rng.normal(size=bare.positions.shape),
            stress=0.01 * rng.normal(size=6),
            source="noise",
        )


def main() -> None:
    """Print the peak."""
    made = noise(int(sys.argv[1]))
    frames = store(made, Path(tempfile.gettempdir())) if "streamed" in sys.argv else list(made)
    if "checked" in sys.argv:
        find(frames)
    else:
        train(settings(level=4, radial_size=4, max_steps=1), frames, frames[-2:])
    status = Path("/proc/self/status").read_text()
    sys.stdout.write(status.split("VmHWM:")[1].split()[0] + "000")


if __name__ == "__main__":
    main()
