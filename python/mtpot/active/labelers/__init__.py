"""Labelers: where energies, forces and stresses come from.

Each is a file of this folder and a line in `LABELERS`, whose key is also that of the table [label]
in the settings which chooses it. `label(atoms, folder)` returns the structure with its results, or
raises: LabelError if there are none to be had with these settings, Waiting if somebody has to run a
program first. Nothing else makes a label.
"""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from ase import Atoms
from ase.io import read, write

from mtpot.active.labelers import ase_calculator, exchange, function
from mtpot.active.labelers.common import LABELED, STRUCTURE, Labeler, LabelError, Waiting
from mtpot.active.labelers.sound import force_limit, sound_label
from mtpot.active.plan import ATTEMPT, PLAN_KEYS, underscored
from mtpot.active.tasks import Outcome, begin_work, content_of, is_prepared, prepare
from mtpot.errors import InputError, MtpotError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "LABELERS",
    "LabelError",
    "Labeler",
    "Waiting",
    "is_label_of",
    "label_in",
    "label_of",
    "labeler_of",
    "prepare_label",
]

LABELERS: dict[str, Callable[[Mapping[str, Any]], Labeler]] = {
    "exchange": exchange.ExchangeLabeler,  # before calculator, which it may have besides
    "calculator": ase_calculator.AseLabeler,
    "function": function.FunctionLabeler,
}


def labeler_of(table: Mapping[str, Any]) -> Labeler:
    """Return the labeler of the table [label].

    Raises
    ------
    InputError
        No key chooses one, or its settings do not fit; names the key.
    """
    table = underscored(table)
    others = [key for key in LABELERS if key in table and key != "function"]
    if "function" in table and others:
        raise InputError(
            f"[label] has function beside {' and '.join(others)}, and one excludes the other: keep "
            "the key that says where labels come from"
        )
    for key, make in LABELERS.items():
        if key in table:
            known = ("calculator", "profile", "settings", key) if key != "function" else (key,)
            _refuse_unknown(table, (*known, "max_force", ATTEMPT, *PLAN_KEYS))
            force_limit(table)
            return make(table)
    _refuse_unknown(table, (*LABELERS, "profile", "settings", "max_force", *PLAN_KEYS))
    raise InputError(
        f"[label] names none of {', '.join(sorted(LABELERS))}: mlp learn --template shows them"
    )


def _refuse_unknown(table: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            names = ", ".join(sorted({*known} - {ATTEMPT}))
            hint = f"did you mean {near[0]}?" if near else f"there are {names}"
            raise InputError(f"[label] unknown key {key}; {hint}".replace("_", "-"))


def prepare_label(folder: Path, atoms: Atoms, table: Mapping[str, Any]) -> Path:
    """Write the task of labeling a structure, unless it is there."""
    if is_prepared(folder):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    bare = atoms.copy()
    bare.calc = None
    write(folder / STRUCTURE, bare, format="extxyz")
    return prepare(folder, "label", {"label": dict(table)})


def is_label_of(folder: Path, table: Mapping[str, Any]) -> bool:
    """Whether a task that was prepared has this table."""
    return bool(content_of(folder)["label"] == json.loads(json.dumps(dict(table))))


def label_in(folder: Path, content: Mapping[str, Any]) -> Outcome:
    """Label the structure of a task; runs in a process of its own."""
    atoms = _one(folder / STRUCTURE)
    try:
        table = underscored(content["label"])
        labeled = labeler_of(table).label(atoms, begin_work(folder))
        sound_label(atoms, labeled, table)
    except Waiting as reason:
        return Outcome("waiting", str(reason))
    except (LabelError, MtpotError) as error:
        return Outcome("failed", str(error))
    write(folder / LABELED, labeled, format="extxyz")
    return Outcome("done")


def label_of(folder: Path) -> Atoms:
    """Return the structure with the results of a task that is done."""
    return _one(folder / LABELED)


def _one(path: Path) -> Atoms:
    atoms = read(path, format="extxyz")
    assert isinstance(atoms, Atoms)
    return atoms
