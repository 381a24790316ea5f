"""Labels by any calculator of ASE, or one that is written for it.

[label]
calculator = "espresso"          # a name that ASE knows, one of ALIASES, or "module:Class"
profile = { command = "mpirun -np 2 pw.x", pseudo_dir = "pseudos" }    # of newer calculators
settings = { ... }               # keyword arguments of the calculator
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from contextlib import chdir
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import PropertyNotImplementedError, get_calculator_class
from ase.calculators.genericfileio import GenericFileIOCalculator

from mtpot.active.imported import imported
from mtpot.active.labelers.common import LabelError, with_label
from mtpot.active.labelers.keywords import check_keywords
from mtpot.active.labelers.last_words import error_said, last_words
from mtpot.active.labelers.matching import order_in
from mtpot.active.labelers.orbital_free import completed
from mtpot.active.labelers.pseudopotentials import check_pseudopotentials
from mtpot.active.tasks import LOG
from mtpot.data.atoms import is_unconverged
from mtpot.data.programs import force_consistent, recognize
from mtpot.errors import InputError
from mtpot.stress import has_stress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ase import Atoms
    from ase.calculators.calculator import BaseCalculator

ALIASES = {
    "tblite": "tblite.ase:TBLite",
    "dftpy": "dftpy.api.api4ase:DFTpyCalculator",
    "gpaw": "gpaw:GPAW",
}
"""Calculators that come with their programs, by the names that are used for them."""

_COMPLETED = {"dftpy": completed}
"""Functions of settings and place that bring settings into the form of a calculator."""

_ADMISSIONS = {"dftpy": "not converged"}
"""Words by which a calculator that raises nothing says that it did not converge."""

_FILES = ("pseudo_dir", "pp_paths")
_OF_THE_SHELL = (".", "cd", "eval", "exec", "export", "module", "source", "ulimit")
_ASSIGNMENT = re.compile(r"\w+=")
_FIRST_WORD = re.compile(r"""\s*("[^"]*"|'[^']*'|\S*)(.*)""", re.DOTALL)


class IncompleteError(LabelError):
    """An output that a program has not brought to its end."""


class AseLabeler:
    """A calculator of ASE, made anew for every structure.

    Raises
    ------
    InputError
        There is no such calculator, or it does not take the settings.
    """

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.name = str(table["calculator"])
        self._place = Path.cwd()
        self._class = _class_of(self.name)
        self._settings = dict(table.get("settings", {}))
        if self.name.lower() in _COMPLETED:
            self._settings = _COMPLETED[self.name.lower()](self._settings, self._place)
        self._profile = dict(table.get("profile", {}))

    def check(self) -> None:
        """Refuse a missing program or folder, and settings that the calculator does not take."""
        for command in (self._profile.get("command"), self._settings.get("command")):
            if command is not None:
                check_command(str(command))
        for key in _FILES:
            if key in self._profile and not Path(self._profile[key]).is_dir():
                raise InputError(f"[label] profile {key}: {self._profile[key]} is no folder")
        names = self._settings.get("pseudopotentials")
        if "pseudo_dir" in self._profile and isinstance(names, dict):
            check_pseudopotentials(Path(self._profile["pseudo_dir"]), names)
        check_keywords(self.calculator(), self._settings)

    def calculator(self) -> BaseCalculator:
        """Make the calculator; its program and the files of its profile are those of the run."""
        settings = dict(self._settings)
        if "command" in settings:
            settings["command"] = absolute_command(str(settings["command"]), self._place)
        if self._profile:
            settings["profile"] = self._made_profile()
        try:
            made: BaseCalculator = self._class(**settings)
        except Exception as error:
            raise InputError(
                f"[label] calculator {self.name} does not take these settings: "
                f"{type(error).__name__}: {error}"
            ) from error
        return made

    def label(self, atoms: Atoms, folder: Path) -> Atoms:
        """Calculate in the folder, and look into what the program has written."""
        moved = atoms.copy()  # if the program relaxes, its results are those of other positions
        if ":" in self.name:  # files among its settings are relative to the folder of the run
            moved.calc = self.calculator()
        with chdir(folder):
            if moved.calc is None:
                moved.calc = self.calculator()  # some start their program here
            try:
                moved.get_potential_energy()
                moved.get_forces()
                if has_stress(atoms.cell.array, atoms.pbc) and _has(moved.calc, "stress"):
                    moved.get_stress()
            except Exception as error:
                raise LabelError(_why(error, folder, atoms)) from error
        check_outputs(folder, atoms)
        self._check_words(folder)
        if order_in(moved, atoms) is None:
            raise LabelError("the calculation has moved the atoms")
        return with_label(atoms, force_consistent(moved).calc.results)

    def _check_words(self, folder: Path) -> None:
        """Refuse what a program that runs in this process has only printed a warning of."""
        sys.stdout.flush()
        words, log = _ADMISSIONS.get(self.name.lower()), folder.parent / LOG
        if words and log.exists() and words in log.read_text(errors="replace").lower():
            raise LabelError(f"{self.name} printed {words!r}")

    def _made_profile(self) -> Any:
        name = f"{self._class.__name__}Profile"
        make = getattr(import_module(self._class.__module__), name, None)
        if not issubclass(self._class, GenericFileIOCalculator) or make is None:
            raise InputError(
                f"[label] calculator {self.name} has no profile: its command is one of its settings"
            )
        values = {
            key: str(self._place / value) if key in _FILES else value
            for key, value in self._profile.items()
        }
        if "command" in values:
            values["command"] = absolute_command(str(values["command"]), self._place)
        try:
            return make(**values)
        except TypeError as error:
            raise InputError(f"[label] profile: {error}") from error


def check_command(command: str) -> None:
    """Refuse a command whose program does not exist.

    Raises
    ------
    InputError
        It does not; names it.
    """
    try:
        words = [word for word in shlex.split(command) if not _ASSIGNMENT.match(word)]
    except ValueError as error:
        raise InputError(f"[label] command {command!r}: {error}") from error
    if not words or (shutil.which(words[0]) is None and words[0] not in _OF_THE_SHELL):
        raise InputError(
            f"[label] command {command!r}: there is no program {words[0] if words else ''!r}; "
            "install it, load its module, or give its path"
        )


def absolute_command(command: str, place: Path) -> str:
    """Return a command that means in any folder what it does in its own.

    Only the program is looked at; what follows it may be meant for a shell.
    """
    match = _FIRST_WORD.match(command)
    assert match is not None  # it fits everything
    first, rest = match.groups()
    program = "".join(shlex.split(first))
    if os.sep in program:
        first = shlex.quote(str(place / program))
    return f"{first}{rest}"


def check_outputs(folder: Path, atoms: Atoms) -> None:
    """Refuse a calculation whose own output says that it is not one of this structure.

    Raises
    ------
    LabelError
        Its electrons did not converge, it is that of another structure, or it cannot be read.
    """
    for path, images in outputs_in(folder):
        if not images:
            raise IncompleteError(f"{path.name} has no complete calculation")
        if is_unconverged(images[-1].info):
            raise LabelError(f"{path.name}: the electrons did not converge")
        if order_in(images[-1], atoms, may_turn=True) is None:
            raise LabelError(f"{path.name} is the output of another structure")


def outputs_in(folder: Path) -> Iterator[tuple[Path, list[Atoms]]]:
    """Yield the outputs of programs in a folder, with their structures."""
    for path in sorted(folder.iterdir()):
        program = recognize(path) if path.is_file() else None
        if program is not None and path.suffix != ".db":
            try:
                yield path, [atoms for _, atoms in program.read(path)]
            except Exception as error:
                raise IncompleteError(f"{path.name} cannot be read: {error}") from error


def _class_of(name: str) -> Any:
    if ":" in name or name.lower() in ALIASES:
        return imported(ALIASES.get(name.lower(), name))
    try:
        return get_calculator_class(name.lower())
    except (ImportError, AttributeError, KeyError, SyntaxError) as error:
        raise InputError(
            f"[label] calculator {name}: ASE has none of this name ({error}); beside its names "
            f"there are {', '.join(sorted(ALIASES))}, and any module:Class"
        ) from error


def _has(calculator: Any, name: str) -> bool:
    return name in getattr(calculator, "implemented_properties", ())


def _why(error: BaseException, folder: Path, atoms: Atoms) -> str:
    """Return what the program said of it; the error itself often tells an exit code alone."""
    told = f"{type(error).__name__}: {error}"
    try:
        check_outputs(folder, atoms)
    except IncompleteError as reason:
        told = str(reason)
    except LabelError as reason:
        return str(reason)
    if isinstance(error, PropertyNotImplementedError):
        return f"{told}: the settings have to ask the program for it (tprnfor, tstress of pw.x)"
    said = error_said(folder)
    return f"{said} ({told})" if said else "; ".join(filter(None, (told, last_words(folder))))
