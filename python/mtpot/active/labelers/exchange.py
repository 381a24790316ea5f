"""Labels from elsewhere: inputs are written, somebody runs them, outputs are collected.

[label]
exchange = "jobs"                # a folder; each structure gets one below it
calculator = "espresso"          # writes the inputs; without it there is structure.extxyz alone
settings = { ... }

In each folder there appears an output of the program, or label.extxyz with energy and forces; or a
file `failed`, with a reason if there is one, where there will be none.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import FileIOCalculator
from ase.io import iread, write

from mtpot.active.labelers.ase_calculator import AseLabeler, outputs_in
from mtpot.active.labelers.common import LABELED, STRUCTURE, LabelError, Waiting, with_label
from mtpot.active.labelers.last_words import error_said
from mtpot.active.labelers.matching import order_in
from mtpot.active.plan import ATTEMPT, method_of
from mtpot.active.store import digest_of
from mtpot.data.atoms import is_unconverged
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

FAILED = "failed"
"""File by which who runs the calculations says that one will give no results."""
_DEPTH = 3
"""Of the folder of a calculation, RUN/labels/000012/1/work, in that of its run."""
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
        # Whoever asks for the same in the same way, in this run or another, finds it there.
        self._asked = json.dumps(method_of(table))
        self._attempt = int(table.get(ATTEMPT, 1))

    def check(self) -> None:
        """Refuse a place that is no folder, and a calculator that writes no inputs."""
        if self._place.exists() and not self._place.is_dir():
            raise InputError(f"[label] exchange {self._place} is a file where a folder should be")
        if self._writer and not _writes(self._writer.calculator()):
            raise InputError(
                f"[label] calculator {self._writer.name} has no input files: leave it out"
            )

    def label(self, atoms: Atoms, folder: Path) -> Atoms:
        """Collect the results of a structure; write its inputs if that has not been done."""
        job = self._place.absolute() / self._name_of(atoms, folder)
        if not (job / STRUCTURE).exists():
            self._write(atoms, job)
        found = _collected(job)
        if found is None and (job / FAILED).exists():
            reason = (job / FAILED).read_text(errors="replace").strip()
            raise LabelError(f"{job}: {reason or 'it failed'}")
        said = error_said(job) if found is None else ""
        if said:
            raise LabelError(f"{job}: {said}")
        if found is None:
            raise Waiting(str(job))
        if is_unconverged(found.info):
            raise LabelError(f"{job}: the electrons did not converge")
        return with_label(atoms, _results(found, atoms, job))

    def _name_of(self, atoms: Atoms, folder: Path) -> str:
        """Return a name for the structure with all that it is calculated by.

        Without a calculator that is not known: each run has its own.
        """
        whose = "" if self._writer else str(folder.absolute().parents[_DEPTH])
        text = f"{digest_of(atoms)} {self._asked} {whose}"
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        again = f"-{self._attempt}" if self._attempt > 1 else ""
        return f"{atoms.get_chemical_formula()}-{digest}{again}"

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
