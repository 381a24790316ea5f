"""What labelers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ase.calculators.singlepoint import SinglePointCalculator

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms


STRUCTURE, LABELED = "structure.extxyz", "label.extxyz"
"""Files of a structure that is to be labeled, and of the same with its label."""


class LabelError(Exception):
    """A calculation that gave no label: it did not converge, crashed, or gave what cannot be."""


class Waiting(Exception):  # noqa: N818 - not an error
    """There is no label yet, since somebody has to do something first."""


class Labeler(Protocol):
    """Where labels come from."""

    def check(self) -> None:
        """Refuse what can be seen to be wrong without a calculation.

        Raises
        ------
        InputError
            A program, file or setting is missing; names it.
        """

    def label(self, atoms: Atoms, folder: Path) -> Atoms:
        """Return the structure with energy, forces and, where it is defined, stress.

        Whatever is written goes to the folder, which is empty.

        Raises
        ------
        LabelError, Waiting
            There is no label, or not yet.
        """


def with_label(atoms: Atoms, results: dict[str, Any]) -> Atoms:
    """Return the structure with the results that are labels.

    With smeared electrons forces are derivatives of the free energy, which is the label then.
    """
    labeled: Atoms = atoms.copy()
    kept = {name: results[name] for name in ("energy", "forces", "stress") if name in results}
    if results.get("free_energy") is not None:
        kept["energy"] = results["free_energy"]
    labeled.calc = SinglePointCalculator(labeled, **kept)
    return labeled
