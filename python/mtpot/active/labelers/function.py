"""Labels by a function in Python.

[label]
function = "labels.py:label"     # or "package.module:label"; takes Atoms

It returns the Atoms with a calculator that has results, or a mapping with energy (eV; free_energy,
where electrons are smeared), forces (eV/angstrom) and, where it is defined, stress (eV/angstrom^3,
Voigt order), or raises.
"""

from __future__ import annotations

from contextlib import chdir
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from mtpot.active.imported import imported
from mtpot.active.labelers.common import LabelError, with_label
from mtpot.active.labelers.matching import order_in
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class FunctionLabeler:
    """A function of the user.

    Raises
    ------
    InputError
        There is none of this name.
    """

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._name = str(table["function"])
        self._function = imported(self._name)
        if not callable(self._function):
            raise InputError(f"[label] function {self._name} cannot be called")

    def check(self) -> None:
        """Nothing more is to be seen without a calculation."""

    def label(self, atoms: Atoms, folder: Path) -> Atoms:
        """Call it, in the folder."""
        with chdir(folder):
            try:
                returned = self._function(atoms.copy())
            except Exception as error:
                raise LabelError(f"{self._name}: {type(error).__name__}: {error}") from error
        calculator = getattr(returned, "calc", None)
        results = returned if isinstance(returned, dict) else getattr(calculator, "results", None)
        if not results:
            raise LabelError(f"{self._name} returned no results, but {type(returned).__name__}")
        results = dict(results)
        if isinstance(returned, Atoms):
            order = order_in(returned, atoms)
            if order is None:
                raise LabelError(f"{self._name} returned another structure than it was given")
            forces = np.asarray(results.get("forces", ()))
            if forces.shape == (len(atoms), 3):
                results["forces"] = forces[order]
        return with_label(atoms, results)
