"""Peak memory of a training on so many frames of 64 atoms, in bytes; test_streaming.py runs it.

The system's own count: that of `resource` begins with the memory of the parent process.

python streamed_memory.py FRAMES [streamed]
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

from mtpot.data.frame import Frame
from mtpot.data.stored import store
from mtpot.train import chunks
from mtpot.train.trainer import train

if TYPE_CHECKING:
    from collections.abc import Iterator

chunks.CHUNK = 512  # atoms: far fewer than there are


def noise(count: int) -> Iterator[Frame]:
    """Crystals with labels at random."""
    atoms = crystal("Si" * 2, seed=0).repeat((4, 4, 2))
    rng = np.random.default_rng(0)
    bare = Frame(tuple(atoms.symbols), atoms.positions, atoms.cell.array, atoms.pbc)
    for _ in range(count):
        moved = bare.positions + 0.02 * rng.normal(size=bare.positions.shape)
        forces = rng.normal(size=bare.positions.shape)
        yield dataclasses.replace(
            bare, positions=moved, forces=forces, energy=float(rng.normal()), source="noise"
        )


def main() -> None:
    """Print the peak."""
    made = noise(int(sys.argv[1]))
    frames = store(made, Path(tempfile.gettempdir())) if "streamed" in sys.argv else list(made)
    train(settings(level=4, radial_size=4, max_steps=1), frames, frames[-2:])
    status = Path("/proc/self/status").read_text()
    sys.stdout.write(status.split("VmHWM:")[1].split()[0] + "000")


if __name__ == "__main__":
    main()
