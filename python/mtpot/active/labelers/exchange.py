"""Labels from elsewhere: inputs are written, somebody runs them, outputs are collected.

[label]
exchange = "jobs"                # a folder; each structure gets one below it
calculator = "espresso"          # writes the inputs; without it there is structure.extxyz alone
settings = { ... }

In each folder there appears an output of the program, or label.extxyz with energy and forces.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import FileIOCalculator
from ase.io import iread, write

from mtpot.active.labelers.ase_calculator import AseLabeler, outputs_in
from mtpot.active.labelers.common import LabelError, Waiting, with_label
from mtpot.data.atoms import is_unconverged
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

STRUCTURE, LABELED = "structure.extxyz", "label.extxyz"
_MOVED = 1e-3
"""Angstrom; an output whose atoms lie elsewhere is of another structure."""


class ExchangeLabeler:
    """A folder that is shared with who runs the calculations."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._place = Path(table["exchange"])
        self._writer = AseLabeler(table) if "calculator" in table else None

    def check(self) -> None:
        """Refuse a place that is no folder, and a calculator that writes no inputs."""
        if self._place.exists() and not self._place.is_dir():
            raise InputError(f"[label] exchange {self._place} is a file where a folder should be")
        if self._writer and not _writes(self._writer.calculator()):
            raise InputError(
                f"[label] calculator {self._writer.name} has no input files: leave it out"
            )

    def label(self, atoms: Atoms, folder: Path) -> Atoms:  # noqa: ARG002 - the labelers' signature
        """Collect the results of a structure; write its inputs if that has not been done."""
        job = self._place.absolute() / _name_of(atoms)
        if not (job / STRUCTURE).exists():
            self._write(atoms, job)
        found = _collected(job)
        if found is None:
            raise Waiting(str(job))
        if is_unconverged(found.info):
            raise LabelError(f"{job}: the electrons did not converge")
        return with_label(atoms, _results(found, atoms, job))

    def _write(self, atoms: Atoms, job: Path) -> None:
        job.mkdir(parents=True, exist_ok=True)
        if self._writer:
            calculator: Any = self._writer.calculator()
            calculator.directory = str(job)
            wanted = ["energy", "forces", "stress"]
            if hasattr(calculator, "write_inputfiles"):
                calculator.write_inputfiles(atoms, wanted)
            else:
                calculator.write_input(atoms, wanted, ["positions"])
        write(job / STRUCTURE, atoms, format="extxyz")


def _writes(calculator: Any) -> bool:
    return (
        hasattr(calculator, "write_inputfiles")
        or isinstance(calculator, FileIOCalculator)
        or (hasattr(calculator, "write_input"))
    )


def _name_of(atoms: Atoms) -> str:
    content = np.concatenate([atoms.cell.array.ravel(), atoms.positions.ravel()])
    digest = hashlib.sha256(np.rint(1e6 * content).astype(np.int64).tobytes()).hexdigest()[:12]
    return f"{atoms.get_chemical_formula()}-{digest}"


def _collected(job: Path) -> Atoms | None:
    """Return the last structure of what has come back, if anything has."""
    if (job / LABELED).exists():
        return list(iread(job / LABELED, format="extxyz"))[-1]
    for _, found in outputs_in(job):
        if found:
            return found[-1]
    return None


def _results(found: Atoms, atoms: Atoms, job: Path) -> dict[str, Any]:
    """Return its results, if it is the structure that was asked for."""
    same = len(found) == len(atoms) and bool((found.numbers == atoms.numbers).all())
    if not same or abs(found.positions - atoms.positions).max() > _MOVED:
        raise LabelError(f"{job}: the output is that of another structure")
    results = dict(getattr(found.calc, "results", {}))
    if "energy" not in results or "forces" not in results:
        raise LabelError(f"{job}: the output has no energy or no forces")
    return results
