"""Time of a training step and memory, on threads, on processes and with frames streamed.

    python benchmarks/scaling.py --data train.xyz --species Mo [--level 16] [--steps 4]

Trains by `mlp-train` on one and two threads, on one and two processes, and with `--stream`; prints
seconds a step and the largest memory of each process. Then times the parts of a step on one
thread, and prints what docs/scaling.md makes of them for many processes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtpot import _core
from mtpot.cli import main_train
from mtpot.data import read_frames
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.train.loss import NormalEquations, Weights, labeled_frames
from mtpot.train.processes import packed, unpacked
from mtpot.train.settings import Settings
from mtpot.train.trainer import starting_potential

if TYPE_CHECKING:
    from collections.abc import Callable

    from mtpot.data.frame import Frame

RUNS = {
    "1 thread": (1, ["--threads", "1"]),
    "2 threads": (1, ["--threads", "2"]),
    "2 processes": (2, ["--threads", "1"]),
    "1 thread, streamed": (1, ["--threads", "1", "--stream"]),
    "2 processes, streamed": (2, ["--threads", "1", "--stream"]),
}
LEVELS = (16, 20, 24)
ATOMS = (1e5, 1e7)
PROCESSES = (1, 10, 100, 1000)
BANDWIDTH = 1e10  # bytes/s between nodes, supposed
LATENCY = 1e-5  # seconds of a message from node to node with its wake-up, supposed


def main() -> None:
    """Print both tables."""
    if sys.argv[1:2] == ["--peak"]:
        sys.exit(train_and_tell(Path(sys.argv[2]), sys.argv[3:]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--species", required=True)
    parser.add_argument("--level", default=16, type=int)
    parser.add_argument("--cutoff", default=5.0, type=float)
    parser.add_argument("--steps", default=4, type=int)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments, Path(folder))
    foresee(arguments)


def train_and_tell(folder: Path, words: list[str]) -> int:
    """Run `mlp-train`, and leave the largest memory of this process in a file."""
    code = main_train(words)
    status = Path("/proc/self/status").read_text()
    (folder / f"{os.getpid()}.kB").write_text(status.split("VmHWM:")[1].split()[0])
    return code


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    """Print seconds a step and memory of every way to run."""
    print(f"{'':24}{'s/step':>8}{'ratio':>7}  MB of each process")
    first = 0.0
    for name, (processes, words) in RUNS.items():
        output, peaks = folder / name.replace(" ", "-"), folder / f"peaks {name}"
        peaks.mkdir()
        flags = {"max-steps": arguments.steps, "tolerance": 0, "active-set": "none"}
        flags |= {each: getattr(arguments, each) for each in ("data", "species", "level", "cutoff")}
        given = [f"--{flag}={value}" for flag, value in (flags | {"output": output}).items()]
        together = ["mpirun", "-n", str(processes)] if processes > 1 else []
        own = [sys.executable, __file__, "--peak", str(peaks)]
        subprocess.run([*together, *own, *given, *words], check=True, stdout=subprocess.DEVNULL)
        steps = json.loads((output / "metrics.json").read_text())["history"]
        each = (steps[-1]["seconds"] - steps[0]["seconds"]) / (len(steps) - 1)
        first = first or each
        memory = sorted(float(path.read_text()) / 1000 for path in peaks.glob("*.kB"))
        shown = ", ".join(f"{peak:.0f}" for peak in memory)
        print(f"{name:24}{each:8.2f}{each / first:7.2f}  {shown}", flush=True)


@dataclass(frozen=True)
class Parts:
    """Seconds of the parts of a step: of each atom, and of the first process by itself.

    An accepted step sets up the normal equations of the linear parameters, then of all, and finds
    the errors of energies and forces; each of the three is a pass over all frames.
    """

    parameters: int
    linear: float
    all: float
    errors: float
    lists: float
    alone: float

    def step(self, atoms: float, processes: int) -> float:
        """Seconds of a step."""
        shared = atoms / processes * (self.linear + self.all + self.errors)
        return shared + self.alone + self.ways(processes)

    def ways(self, processes: int) -> float:
        """Seconds that orders and sums are on their way: three times through a tree."""
        hops = math.ceil(math.log2(processes))
        size = 2.0 * 8.0 * self.parameters**2 / 2.0
        return 3.0 * 2.0 * hops * LATENCY + (2.0 * size / BANDWIDTH if hops else 0.0)


def foresee(arguments: argparse.Namespace) -> None:
    """Print the parts of a step, and a step on many processes."""
    frames = read_frames(arguments.data)[::5][:40]
    measured = [time_parts(arguments, frames, level) for level in LEVELS]
    print("\nparameters  us/atom: linear   all  errors  lists   ms alone")
    for each in measured:
        passes = f"{1e6 * each.linear:8.1f}{1e6 * each.all:7.1f}{1e6 * each.errors:7.1f}"
        print(f"{each.parameters:10}{'':10}{passes}{1e6 * each.lists:7.1f}{1e3 * each.alone:10.1f}")
    print("\nseconds a step (share of it that is not derivatives)")
    print(f"{'atoms':>8}{'parameters':>12}" + "".join(f"{count:>16}" for count in PROCESSES))
    for atoms in ATOMS:
        for each in measured:
            cells = ""
            for count in PROCESSES:
                seconds = each.step(atoms, count)
                cells += f"{seconds:10.3g} ({(each.alone + each.ways(count)) / seconds:3.0%})"
            print(f"{atoms:8.0e}{each.parameters:12}{cells}")


def time_parts(arguments: argparse.Namespace, frames: list[Frame], level: int) -> Parts:
    """Time every part of a step on one thread."""
    species = tuple(arguments.species.split(","))
    chosen = Settings(data=(), output=Path(), species=species, level=level, cutoff=arguments.cutoff)
    potential = starting_potential(chosen, frames)
    # Scalars with a coefficient of zero would cost nothing.
    potential.parameters = potential.parameters + 1e-3
    labeled, found = labeled_frames(potential, frames, Weights())
    design, evaluator = _core.Design(potential.core), _core.Evaluator(potential.core)
    count, atoms = len(potential.parameters), sum(map(len, frames))
    matrix = np.eye(count) + 1.0 / count
    equations = NormalEquations(matrix, matrix[0], 1.0)
    solving = least(lambda: np.linalg.solve(matrix, matrix[0]))
    packing = least(lambda: unpacked(packed(equations), count))
    return Parts(
        parameters=count,
        linear=least(lambda: design.normal_equations(labeled, True, 1)) / atoms,
        all=least(lambda: design.normal_equations(labeled, False, 1)) / atoms,
        errors=least(lambda: [evaluator.evaluate(each, 1) for each in found]) / atoms,
        lists=least(lambda: [frame_neighborhoods(potential, each) for each in frames]) / atoms,
        alone=2.0 * (solving + packing),
    )


def least(work: Callable[[], object], times: int = 3) -> float:
    """Seconds of this process that some work takes, the least of several times."""
    seconds = []
    for _ in range(times):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return min(seconds)


if __name__ == "__main__":
    main()
