"""The record of a learning run: whole transactions, readable by ASE, never another's file."""

from __future__ import annotations

import resource
import signal
import sqlite3
from contextlib import closing
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import ase.db
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from mtpot.active.store import STATES, Store, digest_of
from mtpot.errors import InputError, MtpotError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ase import Atoms


def copper(edge: float = 3.6) -> Atoms:
    return bulk("Cu", a=edge, cubic=True)


def labeled(atoms: Atoms) -> Atoms:
    image = atoms.copy()
    forces, stress = np.full((len(atoms), 3), 0.5), np.arange(6.0)
    image.calc = SinglePointCalculator(image, energy=-1.25, forces=forces, stress=stress)
    return image


def add(store: Store, atoms: Atoms) -> int:
    number = store.add(atoms, state="queued", origin="start", iteration=2, grade=3.5)
    assert number is not None
    return number


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "learn.db")


def test_ase_reads_structures_labels_and_states(store: Store) -> None:
    atoms = copper()
    number = add(store, atoms)
    store.update(number, "done", label=labeled(atoms), attempts=1, log="of one try")
    row = ase.db.connect(store.path).get(state="done")
    assert (row.id, row.origin, row.iteration, row.grade, row.attempts) == (1, "start", 2, 3.5, 1)
    assert row.energy == -1.25
    assert row.data["log"] == "of one try"
    np.testing.assert_array_equal(row.forces, labeled(atoms).calc.results["forces"])
    np.testing.assert_array_equal(row.stress, labeled(atoms).calc.results["stress"])
    np.testing.assert_array_equal(row.toatoms().positions, atoms.positions)


def test_what_was_written_is_there_for_the_next_process(store: Store) -> None:
    add(store, copper())
    store.set_fact("position", (3, "train"))
    store.record("label", "000001/1", {"seconds": 2.5})
    again = Store(store.path)
    assert [entry.origin for entry in again.entries()] == ["start"]
    assert again.fact("position") == [3, "train"]
    assert again.events("label")["000001/1"]["seconds"] == 2.5


def test_a_structure_is_added_once(store: Store) -> None:
    add(store, copper())
    shifted = copper()
    shifted.positions += 1e-8
    assert store.add(shifted, state="queued", origin="again") is None
    add(store, copper(3.61))
    assert len(store.entries()) == 2


@pytest.mark.parametrize("change", ["element", "cell", "position", "periodicity"])
def test_structures_that_differ_have_other_digests(change: str) -> None:
    atoms, other = copper(), copper()
    if change == "element":
        other.numbers[0] = 13
    elif change == "cell":
        other.cell[0, 1] += 1e-4
    elif change == "position":
        other.positions[2, 1] += 1e-4
    else:
        other.pbc[2] = False
    assert digest_of(atoms) != digest_of(other)


def test_entries_and_counts_are_by_state(store: Store) -> None:
    for index, state in enumerate(STATES):
        store.update(add(store, copper(3.5 + 0.1 * index)), state)
    assert store.counts() == dict.fromkeys(STATES, 1)
    assert [entry.state for entry in store.entries("done", "queued")] == ["queued", "done"]


def labeled_by_number(store: Store, atoms: Atoms) -> None:
    store.update(store.number_of(atoms), "done", label=labeled(atoms), log="a log")


WORK: dict[str, Callable[[Store, Atoms], object]] = {
    "add": lambda store, _: add(store, copper(5.0)),
    "has": lambda store, atoms: store.has(atoms),
    "number-of": lambda store, atoms: store.number_of(atoms),
    "counts": lambda store, _: store.counts(),
    "calculated": lambda store, _: store.calculated(),
    "entries-of-states": lambda store, _: store.entries("queued", "failed"),
    "state": lambda store, atoms: store.update(store.number_of(atoms), "running"),
    "label": labeled_by_number,
    "event": lambda store, _: store.record("label", "000001/1", {}),
    "fact": lambda store, _: store.fact("position"),
}


@pytest.mark.parametrize("name", WORK)
def test_no_table_of_structures_is_read_as_a_whole(
    name: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own plans: what is found by an index takes as long among 20,000 as among 20."""
    atoms = copper()
    add(store, atoms)
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(statements.append)
        return connection

    with monkeypatch.context() as patch:
        patch.setattr("ase.db.sqlite.sqlite3.connect", traced)
        WORK[name](store, atoms)
    with closing(connect(store.path)) as connection:
        plans = {
            str(step[-1])
            for statement in statements
            if statement.split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE"}
            for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
        }
    assert statements
    # Tables of a few rows, however many structures there are.
    scans = {plan.split()[1] for plan in plans if plan.startswith("SCAN")}
    assert scans <= {"information", "sqlite_master", "sqlite_sequence"}
    # Every structure has a value of each key.
    assert not [plan for plan in plans if plan.endswith("(key=?)")]


def test_an_event_of_the_same_name_is_replaced(store: Store) -> None:
    for loss in (1.0, 2.0):
        store.record("training", "000", {"loss": loss})
    assert store.events("training")["000"]["loss"] == 2.0


class Killed(BaseException):
    """Nothing may catch it."""


def killed_within(store: Store, nested: bool) -> None:
    with store.transaction():
        add(store, copper())
        if nested:
            with store.transaction():
                store.set_fact("position", 1)
        raise Killed


@pytest.mark.parametrize("nested", [False, True], ids=["plain", "nested"])
def test_a_block_that_does_not_end_leaves_no_trace(store: Store, nested: bool) -> None:
    with pytest.raises(Killed):
        killed_within(store, nested)
    assert store.entries() == []
    assert store.fact("position") is None


def test_a_block_is_whole_however_much_it_writes(store: Store) -> None:
    """ASE commits after every 5000 changes of its own accord."""
    number = add(store, copper())
    before = Store(store.path)
    with store.transaction():
        store.update(number, "done")
        for _ in range(1000):
            store.counts()  # five of the changes that ASE counts
        assert before.counts()["queued"] == 1


def run_full(path: Path, limit: int) -> None:
    """Fill the record in a process that may not write files beyond a size; exit code 3: told."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        store = Store(path)
        for index in range(10_000):
            with store.transaction():
                add(store, copper(3.0 + 1e-3 * index))
                store.set_fact("last", index)
    except MtpotError as error:
        raise SystemExit(3 if str(path) in str(error) else 4) from None


@pytest.mark.parametrize("size", [4_096, 110_000], ids=["at-the-beginning", "later"])
def test_a_full_disk_is_told_and_leaves_the_last_transaction(tmp_path: Path, size: int) -> None:
    path = tmp_path / "learn.db"
    process = get_context("fork").Process(target=run_full, args=(path, size))
    process.start()
    process.join()
    assert process.exitcode == 3
    assert [each.name for each in tmp_path.iterdir()] == (["learn.db"] if path.exists() else [])
    store = Store(path)
    assert len(store.entries()) == store.fact("last", -1) + 1
    assert (len(store.entries()) > 0) is (size > 5000)
    add(store, copper(5.0))


def test_a_write_that_fails_at_its_end_is_not_taken_for_an_open_block(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    class Full(sqlite3.Connection):
        def commit(self) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(
            "ase.db.sqlite.sqlite3.connect", lambda *a, **k: connect(*a, **k, factory=Full)
        )
        with pytest.raises(MtpotError, match=r"learn.db cannot be written: .*disk is full"):
            store.set_fact("position", 1)
    store.set_fact("other", 2)
    again = Store(store.path)
    assert (again.fact("position"), again.fact("other")) == (None, 2)


def text_file(path: Path) -> None:
    path.write_text("no database, although it is long enough for a header of one\n" * 20)


def ase_database(path: Path) -> None:
    ase.db.connect(path, type="db", use_lock_file=False).write(copper())


def other_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (address TEXT)")


@pytest.mark.parametrize("make", [text_file, ase_database, other_database])
def test_a_file_of_others_is_refused_and_left_alone(make, tmp_path: Path) -> None:
    path = tmp_path / "learn.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"learn.db is not the record of a learning run"):
        Store(path)
    assert path.read_bytes() == before


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the record of a learning run"):
        Store(tmp_path)


def test_damage_is_told(store: Store) -> None:
    add(store, copper())
    content = store.path.read_bytes()
    store.path.write_bytes(content[:4096] + bytes(len(content) - 4096))
    with pytest.raises((MtpotError, InputError), match=r"learn\.db"):
        Store(store.path).entries()
