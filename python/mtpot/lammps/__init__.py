"""LAMMPS from Python: where the plugin lives, how LAMMPS starts, ASE atoms into it and back.

    with Simulation(atoms, potential_path("silicon")) as simulation:
        simulation.command("fix 1 all nvt temp 300 300 0.1")
        simulation.command("run 1000")
        atoms = simulation.atoms()

Every `import lammps` imports this package to ask for `plugin_folder`, and loads next to nothing.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mtpot.files import installed_folder

if TYPE_CHECKING:
    from mtpot.lammps.launch import LammpsError, load_mpi, start
    from mtpot.lammps.simulation import Simulation

__all__ = ["LammpsError", "Simulation", "load_mpi", "plugin_folder", "start"]

# Loaded on first use: `import lammps` must not wait for ASE.
_LAZY = {
    "LammpsError": "launch",
    "Simulation": "simulation",
    "load_mpi": "launch",
    "start": "launch",
}


def plugin_folder() -> str:
    """Folder of the plugin that gives LAMMPS `pair_style mtp`; `import lammps` asks for it.

    On the way MPI is loaded, without which `lammps.lammps()` does not start in a plain interpreter.
    """
    with suppress(Exception):  # LAMMPS itself says what it misses
        importlib.import_module("mtpot.lammps.launch").load_mpi()
    return str(installed_folder() / "lib")


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'mtpot.lammps' has no attribute {name!r}")
    return getattr(importlib.import_module(f"mtpot.lammps.{_LAZY[name]}"), name)
