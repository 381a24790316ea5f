"""Settings of a learning run: a TOML file whose plain keys are flags of `mlp learn` as well.

Beside them stand the tables [label] (where labels come from), [train] (the settings of
`mlp train`), [hull] (how candidates for a convex hull are screened) and one [[explore]] for each
simulation that the potential is to be reliable for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from mtpot.active.executors import EXECUTORS
from mtpot.active.hull.settings import HullSettings, hull_settings
from mtpot.active.plan import Plan, plan_of
from mtpot.errors import InputError
from mtpot.train.option import about, parse_values, read_table, spelled
from mtpot.train.parsers import choice, integer, number, parse_path, parse_paths
from mtpot.train.settings import Settings as TrainSettings

Table = Mapping[str, Any]

_NOT_TRAINED = (
    "data", "test", "output", "overwrite", "resume", "start", "validation", "stream", "active_set",
    "threads"
)  # fmt: skip
"""Settings of training that the loop sets itself, or has no use for."""

_HIGHER, _HIGHEST = 4, 32
"""Levels of the second stage of a hull above those of the first, and the last that there is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnSettings:
    """One learning run; the same settings, labels and threads give the same potential."""

    output: Path = field(metadata=about("files", "folder of the run", parse_path, "DIR", '"learn"'))
    start: tuple[Path, ...] = field(
        metadata=about(
            "files",
            "structures that simulations begin with; labels in them are not used",
            parse_paths,
            "FILE",
            '["silicon.cif"]',
        )
    )
    data: tuple[Path, ...] = field(
        default=(),
        metadata=about(
            "files", "frames that are labeled already, by the same calculations", parse_paths,
            "FILE", '["known.xyz"]',
        ),
    )  # fmt: skip
    mode: str = field(
        default="iterations",
        metadata=about(
            "learning",
            "iterations: explore, select, label, train, until nothing extrapolates any more; "
            "on-the-fly: one simulation that stops for each label; hull: relax candidate "
            "structures while learning, and find the convex hull",
            choice("iterations", "on-the-fly", "hull"),
            "NAME",
        ),
    )
    select_threshold: float = field(
        default=2.0,
        metadata=about(
            "learning", "grade above which a structure is worth a label",
            number(1.0, open_low=True), "G",
        ),
    )  # fmt: skip
    break_threshold: float = field(
        default=10.0,
        metadata=about(
            "learning", "grade above which a simulation stops", number(1.0, open_low=True), "G"
        ),
    )
    initial: int = field(
        default=4,
        metadata=about(
            "learning",
            "copies of each starting structure, displaced and strained at random, that are labeled "
            "before anything is known",
            integer(0),
        ),
    )
    displacement: float = field(
        default=0.1,
        metadata=about(
            "learning", "standard deviation of these displacements, angstrom", number(0.0)
        ),
    )
    strain: float = field(
        default=0.03, metadata=about("learning", "standard deviation of these strains", number(0.0))
    )
    max_iterations: int = field(
        default=50, metadata=about("learning", "most iterations", integer(1))
    )
    max_labels: int = field(
        default=1000,
        metadata=about(
            "learning",
            "most structures to label in all, however often each is tried",
            integer(1),
        ),
    )
    labels_per_iteration: int = field(
        default=10,
        metadata=about("learning", "most structures to label in one iteration", integer(1)),
    )
    seed: int = field(
        default=0, metadata=about("learning", "seed of displacements and simulations", integer(0))
    )
    executor: str = field(
        default="processes",
        metadata=about(
            "work",
            "where calculations and simulations run: processes of this machine, parsl, or dask",
            choice(*EXECUTORS),
            "NAME",
        ),
    )
    executor_setup: str = field(
        default="",
        metadata=about(
            "work",
            'a parsl.Config, "cluster.py:config"; or the address of a Dask scheduler; without, '
            "workers on this machine",
            str,
            "NAME",
        ),
    )
    workers: int = field(
        default=1, metadata=about("work", "calculations or simulations at a time", integer(1))
    )
    threads: int = field(
        default=0,
        metadata=about(
            "work", "threads of training; of a worker, its share of them; 0: all", integer(0)
        ),
    )
    exploration_timeout: float = field(
        default=0.0,
        metadata=about(
            "work",
            "seconds after which an exploration is ended; what it has found until then counts; "
            "0: never",
            number(0.0),
        ),
    )
    label: Table = field(default_factory=dict, metadata=about("label", "", dict))
    train: Table = field(default_factory=dict, metadata=about("train", "", dict))
    hull: Table = field(default_factory=dict, metadata=about("hull", "", dict))
    explore: tuple[Table, ...] = field(default=(), metadata=about("explore", "", tuple))

    def plan(self) -> Plan:
        """Return how calculations are tried, and when they are given up."""
        return plan_of(self.label)

    def screening(self) -> HullSettings:
        """Return how candidates for the convex hull are screened."""
        return hull_settings(self.hull)

    def second_stage(self) -> LearnSettings:
        """Return the settings of the second stage of screening, which trains another potential."""
        changes = {key.replace("-", "_"): value for key, value in self.screening().train.items()}
        first = self.training((), self.output).level
        changes.setdefault("level", min(first + _HIGHER, _HIGHEST))
        kept = {
            key: each for key, each in self.train.items() if key.replace("-", "_") not in changes
        }
        return replace(self, train=kept | changes)

    def training(self, species: tuple[str, ...], output: Path) -> TrainSettings:
        """Return the settings of one training.

        Raises
        ------
        InputError
            A key of [train] is unknown, is set by the loop, or has a value of the wrong kind.
        """
        keys = spelled(TrainSettings, self.train, "[train]", "mlp train --template")
        refused = sorted(set(keys) & set(_NOT_TRAINED))
        if refused:
            raise InputError(f"[train] {refused[0].replace('_', '-')}: the loop sees to it itself")
        values = parse_values(TrainSettings, keys, lambda key: f"[train] {key.replace('_', '-')}")
        given = TrainSettings(data=(), output=output, **{"species": species} | values)
        return replace(given, threads=self.threads)

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


TABLES = ("label", "train", "hull", "explore")


def load_settings(path: Path | None, flags: Mapping[str, Any]) -> LearnSettings:
    """Take the settings of a TOML file and override them by the flags that are given.

    Raises
    ------
    FormatError
        The file is not TOML.
    InputError
        A key is unknown or missing, a value is of the wrong kind, thresholds are in the wrong
        order, or a table does not fit; names it.
    """
    content = read_table(path) if path else {}
    keys = spelled(LearnSettings, content, str(path), "mlp learn --template")
    tables = {name: keys.pop(name) for name in TABLES if name in keys}
    _check_tables(tables)
    in_file = {name: value for name, value in keys.items() if name not in flags}
    values = parse_values(LearnSettings, in_file, lambda key: f"{path}: {key.replace('_', '-')}")
    values |= parse_values(LearnSettings, flags, lambda key: f"--{key.replace('_', '-')}")
    for name in ("output", "start"):
        if not values.get(name):
            raise InputError(
                f"no {name}: give --{name}, or a settings file that has it (mlp learn --template "
                "writes one)"
            )
    explore = tuple(tables.pop("explore", ()))
    settings = LearnSettings(**values, **tables, explore=explore)
    _check_sense(settings)
    return settings


def _check_tables(tables: Mapping[str, Any]) -> None:
    for name in ("label", "train", "hull"):
        if not isinstance(tables.get(name, {}), dict):
            raise InputError(f"{name}: expected a table, [{name}]")
    several = tables.get("explore", [])
    if not isinstance(several, list) or not all(isinstance(each, dict) for each in several):
        raise InputError("explore: expected tables, [[explore]]")


def _check_sense(settings: LearnSettings) -> None:
    if settings.select_threshold >= settings.break_threshold:
        raise InputError(
            f"select-threshold {settings.select_threshold:g} must be below break-threshold "
            f"{settings.break_threshold:g}: a structure is worth a label before it stops a "
            "simulation (2 and 10 are usual)"
        )
    if not settings.explore:
        raise InputError("there is no [[explore]] table: say what the potential is to be used for")
    settings.plan()
    settings.training((), settings.output)
    settings.second_stage().training((), settings.output)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value
