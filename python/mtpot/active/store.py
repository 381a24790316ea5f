"""The record of a learning run: one SQLite file that is also a database of ASE.

Every structure that a calculation was asked for is a row of it, readable with `ase db`: its labels,
and as key-value pairs its state, origin, iteration, grade and number of attempts. Two tables beside
those of ASE hold where the run stands and what has happened. Whatever belongs together is
written in one transaction, so that a run killed at any moment goes on from the last one.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import ase.db
import numpy as np

from mtpot.errors import InputError, MtpotError
from mtpot.files import remove_leftovers, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ase import Atoms
    from ase.db.row import AtomsRow

State = Literal["queued", "running", "done", "failed", "set-aside"]
STATES: tuple[State, ...] = get_args(State)
"""What a structure can be: waiting for its label, being calculated, labeled, to be tried again with
other settings, or given up."""

_INFO = ("group", "trajectory", "energy_weight", "force_weight", "stress_weight")
"""What `info` of a frame tells training, and the database of ASE has no place for."""

_TABLES = """
CREATE TABLE mtpot_facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE mtpot_events (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, time REAL NOT NULL,
    content TEXT NOT NULL, UNIQUE (kind, name));
CREATE INDEX mtpot_text ON text_key_values (key, value, id);
CREATE INDEX mtpot_text_of ON text_key_values (id);
CREATE INDEX mtpot_numbers_of ON number_key_values (id);
CREATE INDEX mtpot_keys_of ON keys (id);
CREATE INDEX mtpot_species_of ON species (id);
"""
"""The indexes spare ASE whole tables when it looks for a value, or replaces those of a row."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A structure of the run, with its labels as results of a calculator once it is done.

    `id` is its number in the database, `origin` what it came from, `grade` its extrapolation
    grade when it was found (None for those nobody graded), `log` the last words of its
    calculations.
    """

    id: int
    atoms: Atoms
    state: State
    origin: str
    iteration: int
    grade: float | None
    attempts: int
    log: str


class Store:
    """The database of one run, created where there is none.

    Raises
    ------
    InputError
        The file is not a database, or not one of a learning run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            _create(path)
        _check_tables(path)
        # Locks of SQLite end with the process that holds them; a lock file would stay.
        self._database = ase.db.connect(path, type="db", use_lock_file=False)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write what the block writes as a whole or not at all; blocks may be nested.

        Raises
        ------
        MtpotError
            The file cannot be written: no space, no permission, damaged, or locked for 20 seconds.
        """
        if self._database.connection is not None:
            yield
            return
        try:
            with self._database:
                # ASE commits whenever its count of changes is a multiple of 5000: half a block.
                self._database.change_count = math.nan
                yield
        except sqlite3.DatabaseError as error:
            raise MtpotError(f"{self.path} cannot be written: {error}") from error
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Close what ASE leaves open if the last write of a block fails; that undoes the block."""
        if self._database.connection is not None:
            self._database.connection.close()
            self._database.connection = None

    def add(
        self,
        atoms: Atoms,
        *,
        state: State,
        origin: str,
        iteration: int = 0,
        grade: float | None = None,
    ) -> int | None:
        """Add a structure and return its number; None if the run has it already."""
        digest = digest_of(atoms)
        if state != "done":  # predictions of a potential would look like labels
            atoms = atoms.copy()
            atoms.calc = None
        with self.transaction():
            if self._count("digest", digest):
                return None
            pairs = {"state": state, "origin": origin, "iteration": iteration, "digest": digest}
            if grade is not None:
                pairs["grade"] = float(grade)
            kept = {key: value for key, value in atoms.info.items() if key in _INFO}
            return int(
                self._database.write(
                    atoms, key_value_pairs=pairs | {"attempts": 0}, data={"info": kept}
                )
            )

    def number_of(self, atoms: Atoms) -> int:
        """Return the number of a structure that the run has."""
        with self.transaction():
            return int(self._database.get(digest=digest_of(atoms)).id)

    def update(
        self,
        number: int,
        state: State,
        *,
        label: Atoms | None = None,
        attempts: int | None = None,
        log: str | None = None,
    ) -> None:
        """Change the state of a structure, and give it its label or its log."""
        pairs: dict[str, Any] = {"state": state}
        if attempts is not None:
            pairs["attempts"] = attempts
        with self.transaction():
            data = {} if log is None else {"log": log}
            self._database.update(number, atoms=label, data=data, **pairs)

    def entries(self, *states: State, **pairs: Any) -> list[Entry]:
        """Structures in the order in which they came, of certain states or all.

        `pairs` are others that they have, such as iteration = 3.
        """
        wanted: list[dict[str, Any]] = [{"state": state, **pairs} for state in states] or [pairs]
        with self.transaction():
            rows = [row for each in wanted for row in self._database.select(**each)]
        return [_entry(row) for row in sorted(rows, key=lambda row: row.id)]

    def counts(self) -> dict[State, int]:
        """Count the structures of every state."""
        with self.transaction():
            return {state: self._count("state", state) for state in STATES}

    def has(self, atoms: Atoms) -> bool:
        """Whether the run has a structure, labeled or not."""
        with self.transaction():
            return bool(self._count("digest", digest_of(atoms)))

    def calculated(self) -> tuple[int, int]:
        """Count the structures whose calculations have ended, and those of them set aside.

        Frames that were labeled before the run, of origin "data", are none of them.
        """
        with self.transaction():
            counts, given = self.counts(), self._count("origin", "data")
        return counts["done"] + counts["set-aside"] - given, counts["set-aside"]

    def _count(self, key: str, value: str) -> int:
        """Count the structures with a text, by its index alone: ASE would look at each of them."""
        query = "SELECT COUNT(*) FROM text_key_values WHERE key = ? AND value = ?"
        return int(self._connection.execute(query, (key, value)).fetchone()[0])

    def set_fact(self, name: str, value: Any) -> None:
        """Keep what JSON can hold under a name."""
        with self.transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO mtpot_facts VALUES (?, ?)", (name, json.dumps(value))
            )

    def fact(self, name: str, default: Any = None) -> Any:
        """Return what is kept under a name."""
        with self.transaction():
            query = "SELECT value FROM mtpot_facts WHERE name = ?"
            row = self._connection.execute(query, (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def record(self, kind: str, name: str, content: Mapping[str, Any]) -> None:
        """Record an event; one of this kind and name that is there is replaced."""
        with self.transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO mtpot_events (kind, name, time, content) "
                "VALUES (?, ?, ?, ?)",
                (kind, name, time.time(), json.dumps(content)),
            )

    def events(self, kind: str) -> dict[str, dict[str, Any]]:
        """Events of a kind by name, in their order, each with the `time` it was recorded at."""
        with self.transaction():
            query = "SELECT name, time, content FROM mtpot_events WHERE kind = ? ORDER BY id"
            rows = self._connection.execute(query, (kind,)).fetchall()
        return {name: {"time": when, **json.loads(content)} for name, when, content in rows}

    def forget(self, kind: str, name: str) -> None:
        """Remove an event, of what is to be done again."""
        with self.transaction():
            query = "DELETE FROM mtpot_events WHERE kind = ? AND name = ?"
            self._connection.execute(query, (kind, name))

    def retry(self, since: int = 0) -> int:
        """Queue what was set aside, from an iteration on, as if it had never been tried; count it.

        Its log remains.
        """
        with self.transaction():
            aside = [each for each in self.entries("set-aside") if each.iteration >= since]
            for entry in aside:
                self.update(entry.id, "queued", attempts=0)
        return len(aside)

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = self._database.connection
        return connection


def _create(path: Path) -> None:
    """Make an empty record; whoever opens it finds all of its tables or no file."""
    remove_leftovers(path)
    try:
        with replacing(path) as temporary:
            ase.db.connect(temporary, type="db", use_lock_file=False).count()  # makes ASE's tables
            with closing(sqlite3.connect(temporary)) as connection:
                connection.executescript(_TABLES)
    except sqlite3.DatabaseError as error:
        raise MtpotError(f"{path} cannot be written: {error}") from error


def _check_tables(path: Path) -> None:
    """Refuse a file that a run has not made, before anything is written to it."""
    query = "SELECT 1 FROM sqlite_master WHERE name = 'mtpot_facts'"
    try:
        with closing(sqlite3.connect(path, timeout=20.0)) as connection:
            known = connection.execute(query).fetchone()
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path} is not the record of a learning run: {error}") from error
    if not known:
        raise InputError(f"{path} is not the record of a learning run: move it away")


def digest_of(atoms: Atoms) -> str:
    """Return a name that equal structures share: elements, cell and positions to 1e-6 angstrom."""
    numbers = np.concatenate([atoms.cell.array.ravel(), atoms.positions.ravel()])
    rounded = np.rint(1e6 * numbers).astype(np.int64)
    text = atoms.numbers.tobytes() + bytes(atoms.pbc) + rounded.tobytes()
    return hashlib.sha256(text).hexdigest()[:16] + "d"  # ASE refuses text that is a number


def _entry(row: AtomsRow) -> Entry:
    pairs, atoms = row.key_value_pairs, row.toatoms()
    atoms.info = dict(row.data.get("info", {}))
    return Entry(
        id=row.id,
        atoms=atoms,
        state=pairs["state"],
        origin=pairs["origin"],
        iteration=int(pairs["iteration"]),
        grade=pairs.get("grade"),
        attempts=int(pairs["attempts"]),
        log=row.data.get("log", ""),
    )
