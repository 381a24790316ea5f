"""Labels from elsewhere: inputs are written, somebody runs them, outputs are collected.

[label]
exchange = "jobs"                # a folder; each structure gets one below it
calculator = "espresso"          # writes the inputs; without it there is structure.extxyz alone
settings = { ... }

In each folder there appears an output of the program, or label.extxyz with energy and forces.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import FileIOCalculator
from ase.io import iread, write

from mtpot.active.labelers.ase_calculator import AseLabeler, outputs_in
from mtpot.active.labelers.common import LabelError, Waiting, with_label
from mtpot.active.labelers.matching import order_in
from mtpot.active.store import digest_of
from mtpot.data.atoms import is_unconverged
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

STRUCTURE, LABELED = "structure.extxyz", "label.extxyz"
_TAIL = 1 << 16
_LAST_WORDS = (
    b"JOB DONE",  # Quantum ESPRESSO
    b"General timing",  # VASP, OUTCAR
    b"</modeling>",  # VASP, vasprun.xml
    b"termination of Gaussian",
    b"PROGRAM ENDED",  # CP2K
)
"""What stands at the end of an output, be it good or bad."""


class ExchangeLabeler:
    """A folder that is shared with who runs the calculations."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._place = Path(table["exchange"])
        self._writer = AseLabeler(table) if "calculator" in table else None
        self._settings = json.dumps(table.get("settings", {}), sort_keys=True)

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
        job = self._place.absolute() / self._name_of(atoms)
        if not (job / STRUCTURE).exists():
            self._write(atoms, job)
        found = _collected(job)
        if found is None:
            raise Waiting(str(job))
        if is_unconverged(found.info):
            raise LabelError(f"{job}: the electrons did not converge")
        return with_label(atoms, _results(found, atoms, job))

    def _name_of(self, atoms: Atoms) -> str:
        """Return a name for the structure with the settings of this try."""
        settings = hashlib.sha256(self._settings.encode()).hexdigest()
        digest = hashlib.sha256(f"{digest_of(atoms)} {settings}".encode()).hexdigest()[:12]
        return f"{atoms.get_chemical_formula()}-{digest}"

    def _write(self, atoms: Atoms, job: Path) -> None:
        job.mkdir(parents=True, exist_ok=True)
        if self._writer:
            calculator: Any = self._writer.calculator()
            wanted = ["energy", "forces", "stress"]
            if hasattr(calculator, "write_inputfiles"):
                calculator.directory = job
                calculator.write_inputfiles(atoms, wanted)
            else:
                calculator.directory = str(job)
                calculator.write_input(atoms, wanted, ["positions"])
        write(job / STRUCTURE, atoms, format="extxyz")


def _writes(calculator: Any) -> bool:
    return (
        hasattr(calculator, "write_inputfiles")
        or isinstance(calculator, FileIOCalculator)
        or (hasattr(calculator, "write_input"))
    )


def _collected(job: Path) -> Atoms | None:
    """Return the last structure of what has come back, if anything is complete.

    What is not may still be written.
    """
    try:
        outputs = [found for path, found in outputs_in(job) if _has_ended(path)]
        if (job / LABELED).exists():
            outputs.insert(0, list(iread(job / LABELED, format="extxyz")))
    except (LabelError, ValueError, OSError):  # OSError: half an extended XYZ file
        return None
    return next((found[-1] for found in outputs if found and _is_complete(found[-1])), None)


def _has_ended(path: Path) -> bool:
    """Whether a program has written its last words."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        end = file.read()
    return any(words in end for words in _LAST_WORDS)


def _is_complete(found: Atoms) -> bool:
    results = _results_of(found)
    given = "energy" in results and len(results.get("forces", ())) == len(found)
    return given or is_unconverged(found.info)


def _results_of(found: Atoms) -> dict[str, Any]:
    return dict(getattr(found.calc, "results", {}))


def _results(found: Atoms, atoms: Atoms, job: Path) -> dict[str, Any]:
    """Return its results, if it is the structure that was asked for."""
    # What programs write themselves has forces along the axes of their inputs.
    order = order_in(found, atoms, may_turn=not (job / LABELED).exists())
    if order is None:
        raise LabelError(f"{job}: the output is that of another structure")
    results = _results_of(found)
    return results | {"forces": results["forces"][order]}
