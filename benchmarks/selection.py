"""Seconds and memory of mlp grade and mlp select: python benchmarks/selection.py --sites 100000.

Strained fcc aluminum of 108 atoms with some 42 neighbors inside 5 angstrom: 50 structures a little
distorted stand for a training set, and candidates with so many sites, more distorted, are read from
an .xyz file. Level 16, random parameters, neighborhood mode. Seconds are those of whole commands,
and memory is the peak of each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from contenders import ALUMINUM, random_potential
from mtpot import MTP
from mtpot.active.select import build_selection
from mtpot.data import read_frames, write_atoms

if TYPE_CHECKING:
    from collections.abc import Iterator

ATOMS = 108


def distorted(count: int, strain: float, amplitude: float, seed: int) -> Iterator[Atoms]:
    """Crystals of other sizes and shapes, their atoms displaced by up to the amplitude."""
    rng = np.random.default_rng(seed)
    perfect = ALUMINUM.atoms(edge=3)
    for _ in range(count):
        stretch = np.eye(3) * rng.uniform(1 - strain, 1 + strain) + 0.01 * rng.normal(size=(3, 3))
        width = amplitude * rng.uniform()
        moved = perfect.positions @ stretch + width * rng.normal(size=(ATOMS, 3))
        yield Atoms(["Al"] * ATOMS, moved, cell=perfect.cell.array @ stretch, pbc=True)


def measure(words: list[str]) -> tuple[float, float, str]:
    """Seconds and peak memory in MB of a command, and what it says."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "mtpot.cli", *words], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(said)
    return time.perf_counter() - start, usage.ru_maxrss / 1024, " ".join(said.split("\n")[-2:])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sites", type=int, default=100_000)
    parser.add_argument("--threads", default="2")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train, candidates = folder / "train.xyz", folder / "candidates.xyz"
        write_atoms(train, distorted(50, 0.03, 0.08, seed=1))
        write_atoms(candidates, distorted(arguments.sites // ATOMS, 0.07, 0.2, seed=2))
        made = random_potential(16)
        graded = MTP(made.core, build_selection(made, read_frames(train), "nbh"))
        graded.save(folder / "potential.almtp")
        words = [str(folder / "potential.almtp"), str(candidates), "--threads", arguments.threads]
        commands = {
            "grade": [*words, "--output", str(folder / "graded.xyz")],
            "select": [*words, "--train", str(train), "--output", str(folder / "selected.xyz")],
        }
        print("| command | sites | seconds | peak memory, MB | said |\n|---|---:|---:|---:|---|")
        for command, flags in commands.items():
            seconds, peak, said = measure([command, *flags])
            sites = arguments.sites // ATOMS * ATOMS
            print(f"| {command} | {sites} | {seconds:.1f} | {peak:.0f} | {said} |", flush=True)


if __name__ == "__main__":
    main()
