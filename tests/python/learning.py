"""A learning run as small as can be, begun in processes that have imported everything before."""

from __future__ import annotations

import os
import resource
from multiprocessing import get_context
from typing import TYPE_CHECKING

from ase.build import bulk

from mtpot.cli import main

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

SETTINGS = """
start = ["copper.xyz"]
output = "run"
initial = 2
labels-per-iteration = 2
workers = 2
threads = 1
[label]
function = "labels.py:label"
[train]
level = 4
cutoff = 4.5
radial-size = 5
[[explore]]
engine = "md"
time = 0.05
temperature = 600.0
"""
LABELS = """
import os
from ase.calculators.emt import EMT

def label(atoms):
    atoms.calc = EMT()
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(),
               "stress": atoms.get_stress()}
    with open(%r, "a") as file:
        file.write(f"{results['energy']!r}\\n")
    return results
"""

_SERVER = get_context("forkserver")
_SERVER.set_forkserver_preload(["learning", "mtpot.active.run", "mtpot.train.trainer", "pytest"])


def prepare(folder: Path, settings: str = SETTINGS) -> Path:
    """Write what a run needs; `calls` below the folder gets a line for each calculation."""
    folder.mkdir(parents=True, exist_ok=True)
    bulk("Cu", cubic=True).write(folder / "copper.xyz")
    (folder / "labels.py").write_text(LABELS % str(folder / "calls"))
    (folder / "settings.toml").write_text(settings)
    return folder


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def begin(folder: Path, *flags: str, limit: int = -1) -> ForkServerProcess:
    """Begin `mlp learn settings.toml` in a folder; its words go to the file `words` there.

    No file may become larger than `limit` bytes.
    """
    process = _SERVER.Process(target=_learn, args=(str(folder), flags, limit))
    process.start()
    return process


def learn(folder: Path, *flags: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it says."""
    (folder / "words").unlink(missing_ok=True)
    process = begin(folder, *flags)
    process.join()
    assert process.exitcode is not None
    return process.exitcode, (folder / "words").read_text()


def _learn(folder: str, flags: tuple[str, ...], limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    os.chdir(folder)
    words = os.open("words", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(words, 1)
    os.dup2(words, 2)
    raise SystemExit(main(["learn", "settings.toml", *flags]))
