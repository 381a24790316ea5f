"""LAMMPS from Python."""

from pathlib import Path


def plugin_folder() -> str:
    return str(Path(__file__).parent / "lib")
