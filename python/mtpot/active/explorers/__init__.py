"""Explorers: simulations that meet structures which the potential does not know.

Each is a file of this folder and a line in `EXPLORERS`, by the `engine` of a table [[explore]]; the
fields of the record are the keys of that table.
"""

from __future__ import annotations

import os
from dataclasses import MISSING, asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase.io import iread, write

from mtpot.active.explorers import lammps, md, neb, pool, random_search, relax
from mtpot.active.explorers.candidates import candidates_of
from mtpot.active.explorers.common import CANDIDATES, Exploration, Explorer, Relaxer, Watch
from mtpot.active.tasks import Outcome, begin_work, is_prepared, prepare
from mtpot.errors import InputError
from mtpot.train.option import options_in, parse_values, spelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

    from mtpot.active.settings import LearnSettings

__all__ = [
    "CANDIDATES",
    "EXPLORERS",
    "Exploration",
    "Explorer",
    "Relaxer",
    "Watch",
    "candidates_of",
    "explore_in",
    "explorer_of",
    "explorers_of",
]

EXPLORERS: dict[str, type] = {
    "lammps": lammps.Lammps,
    "md": md.MolecularDynamics,
    "relax": relax.Relaxation,
    "neb": neb.ElasticBand,
    "pool": pool.Pool,
    "random": random_search.RandomSearch,
}

START = "start.extxyz"


def explorer_of(table: Mapping[str, Any], where: str = "[[explore]]") -> Explorer:
    """Return the explorer of a table of the settings.

    Raises
    ------
    InputError
        There is no such engine, or a key or value does not fit; names it.
    """
    engine = table.get("engine", "")
    if engine not in EXPLORERS:
        raise InputError(f"{where}: engine = {engine!r}: expected one of {', '.join(EXPLORERS)}")
    record = EXPLORERS[engine]
    rest = {key: value for key, value in table.items() if key != "engine"}
    keys = spelled(record, rest, f"{where} {engine}", "mlp learn --template")
    for name, _, default in options_in(record):
        if default is MISSING and name not in keys:
            raise InputError(f"{where} {engine}: there is no {name.replace('_', '-')}")
    explorer: Explorer = record(
        **parse_values(record, keys, lambda key: f"{where} {engine}: {key.replace('_', '-')}")
    )
    return explorer


def explorers_of(settings: LearnSettings) -> list[Explorer]:
    """Return the explorers of a run, in the order of its tables.

    Raises
    ------
    InputError
        As `explorer_of`; names the table.
    """
    return [
        explorer_of(table, f"[[explore]] {number}")
        for number, table in enumerate(settings.explore, start=1)
    ]


def prepare_exploration(  # noqa: PLR0913 - a task has as many parts
    folder: Path,
    start: Atoms,
    *,
    potential: Path,
    watch: Watch,
    table: Mapping[str, Any],
    variant: Mapping[str, Any],
    seed: int,
) -> Path:
    """Write the task of exploring from a structure, unless it is there."""
    if is_prepared(folder):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    bare = start.copy()
    bare.calc = None
    write(folder / START, bare, format="extxyz")
    content = {
        "potential": os.path.relpath(potential, folder),  # a run may be moved
        "watch": asdict(watch),
        "explore": dict(table),
        "variant": dict(variant),
        "seed": seed,
    }
    return prepare(folder, "explore", content)


def explore_in(folder: Path, content: Mapping[str, Any]) -> Outcome:
    """Explore as a task says; runs in a process of its own."""
    found = explorer_of(content["explore"]).explore(
        next(iread(folder / START, format="extxyz")),
        Path(os.path.normpath(folder / content["potential"])),
        Watch(**content["watch"]),
        content["variant"],
        content["seed"],
        begin_work(folder),
    )
    return Outcome("done", found=asdict(found))
