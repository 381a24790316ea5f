"""What is labeled next: as selecting in memory would have it, from files of any size."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import Executor
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from models import Case

from mtpot import MTP
from mtpot.active.driver import Run
from mtpot.active.explorers import CANDIDATES
from mtpot.active.loop import Position, _select, exploring_folder, select
from mtpot.active.select import build_selection, grade_frame, select_frames
from mtpot.active.settings import LearnSettings
from mtpot.active.store import Store
from mtpot.active.tasks import WORK
from mtpot.active.training import GRADED
from mtpot.data.atoms import frame_from_atoms
from mtpot.errors import MtpotError

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

SELECTING = Position(0, "select")
MOST = 4  # labels of an iteration


def silicon(amplitude: float, seed: int, repeat: int = 2, edge: float = 4.1) -> Atoms:
    atoms = bulk("Si", "fcc", edge, cubic=True).repeat(repeat)
    atoms.positions += np.random.default_rng(seed).normal(0, amplitude, atoms.positions.shape)
    return atoms


TRAINING = [silicon(0.05, seed) for seed in range(6)]


@cache
def potential() -> MTP:
    """Random parameters, and the active set of the training set."""
    untrained = Case("RBChebyshev", 8, 1).potential()
    frames = [frame_from_atoms(atoms) for atoms in TRAINING]
    return MTP(untrained.core, build_selection(untrained, frames, "nbh", 1))


def grade(atoms: Atoms) -> float:
    return grade_frame(potential(), frame_from_atoms(atoms), 1).frame


def run_of(folder: Path, max_atoms: int, **collected: list[Atoms]) -> tuple[Run, list[str]]:
    """A run that has explored from its first training, and what it says."""
    settings = LearnSettings(
        output=folder,
        start=(),
        threads=1,
        labels_per_iteration=MOST,
        label={"function": "labels.py:label", "max-atoms": max_atoms},
    )
    words: list[str] = []
    run = Run(settings, Store(folder / "learn.db"), Executor(), words.append)
    for atoms in TRAINING:
        known = atoms.copy()
        known.calc = SinglePointCalculator(known, energy=0.0, forces=np.zeros((len(atoms), 3)))
        run.store.add(known, state="done", origin="start")
    run.store.set_fact("position", SELECTING)
    training = folder / "trainings" / "000"
    training.mkdir(parents=True)
    potential().save(training / GRADED)
    for name, structures in collected.items():
        place = exploring_folder(run, 0) / name / WORK
        place.mkdir(parents=True)
        for atoms in structures:
            atoms.info["grade"] = grade(atoms)
            write(place / CANDIDATES, atoms, format="extxyz", append=True)
    exploring_folder(run, 0).mkdir(parents=True, exist_ok=True)
    return run, words


def queued(run: Run) -> list[tuple[str, float | None]]:
    return [(entry.origin, entry.grade) for entry in run.store.entries("queued")]


def test_chosen_are_those_that_selecting_in_memory_takes_the_largest_grades_first(
    tmp_path: Path,
) -> None:
    found = {
        "00-hot": [silicon(0.1 + 0.02 * seed, 10 + seed) for seed in range(8)],
        "01-wide": [silicon(0.05, 30 + seed, edge=4.2 + 0.05 * seed) for seed in range(6)],
    }
    run, words = run_of(tmp_path, 100, **found)
    assert select(run, 0)
    structures = [(name, atoms) for name, some in found.items() for atoms in some]
    known, frames = (
        [frame_from_atoms(atoms) for atoms in some]
        for some in (TRAINING, [atoms for _, atoms in structures])
    )
    indexes = select_frames(potential(), known, frames, run.settings.select_threshold, 1)
    grades = {index: float(structures[index][1].info["grade"]) for index in indexes}
    sound = run.settings.break_threshold
    indexes.sort(key=lambda index: (grades[index] > sound, -grades[index]))
    assert len(indexes) > MOST
    assert queued(run) == [
        (structures[index][0], pytest.approx(grades[index], rel=1e-6)) for index in indexes[:MOST]
    ]
    assert words == [f"iteration 1: {MOST} of {len(frames)} candidates selected"]
    assert run.store.fact("position") == [1, "label"]
    assert run.store.events("selection")["000"]["selected"] == MOST


def test_what_frames_have_no_place_for_is_kept(tmp_path: Path) -> None:
    atoms = silicon(0.2, 1)
    atoms.set_initial_magnetic_moments(np.linspace(-1.0, 1.0, len(atoms)))
    run, _ = run_of(tmp_path, 100, hot=[atoms])
    assert select(run, 0)
    (entry,) = run.store.entries("queued")
    np.testing.assert_allclose(
        entry.atoms.get_initial_magnetic_moments(), atoms.get_initial_magnetic_moments(), atol=1e-8
    )


def peak_of_selecting(folder: Path, count: int) -> int:
    """Bytes that Python and NumPy hold at most, of candidates that are labeled whole."""
    candidates = [silicon(0.2, seed, repeat=4) for seed in range(count)]
    folder.mkdir()
    run, _ = run_of(folder, 1000, hot=candidates)
    tracemalloc.start()
    try:
        assert select(run, 0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_candidates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for records of them, and for rows, of which so many are held at a time."""
    monkeypatch.setattr("mtpot.active.select._CHUNK", 1)
    few, many = (peak_of_selecting(tmp_path / str(count), count) for count in (8, 40))
    structure = 2 * 3 * 8 * 256  # bytes of positions, in an Atoms and in a Frame
    assert many - few < 0.25 * 32 * structure


def test_of_a_large_structure_neighborhoods_are_labeled(tmp_path: Path) -> None:
    large = silicon(0.15, 3, repeat=6)
    run, _ = run_of(tmp_path, 100, large=[large])
    assert select(run, 0)
    entries = run.store.entries("queued")
    assert entries[0].grade == pytest.approx(large.info["grade"], rel=1e-6)
    for entry in entries:
        assert entry.origin == "large-cut"
        assert len(entry.atoms) <= 100
        assert entry.grade is not None
        assert entry.grade > run.settings.select_threshold


def test_structure_without_a_neighborhood_that_fits_is_left_out_and_named(tmp_path: Path) -> None:
    large, small = silicon(0.1, 3, repeat=6, edge=3.7), silicon(0.1, 4)
    run, words = run_of(tmp_path, 32, large=[large], small=[small])
    assert large.info["grade"] > small.info["grade"] > run.settings.select_threshold
    assert select(run, 0)
    assert [origin for origin, _ in queued(run)] == ["small"]
    assert words[0].startswith(
        "left out, with [label] max-atoms 32: candidate 0 of large, 864 atoms: site "
    )


def test_run_stops_if_nothing_fits_and_goes_on_with_more_atoms(tmp_path: Path) -> None:
    large = silicon(0.15, 3, repeat=6)
    run, _ = run_of(tmp_path, 40, large=[large])
    with pytest.raises(MtpotError, match=r"max-atoms 40: raise it.* at least \d+ atoms"):
        select(run, 0)
    assert run.store.fact("position") == list(SELECTING)
    assert queued(run) == []
    run.settings.label["max-atoms"] = 100  # type: ignore[index]
    assert select(run, 0)


@pytest.mark.parametrize("max_atoms", [1000, 100], ids=["whole", "cut"])
def test_a_run_that_ends_says_how_much_was_set_aside(max_atoms: int, tmp_path: Path) -> None:
    run, words = run_of(tmp_path, max_atoms, large=[silicon(0.15, 3, repeat=6)])
    while select(run, 0):  # as if labels changed nothing
        for entry in run.store.entries("queued"):
            run.store.update(entry.id, "set-aside")
    _select(run, 0)
    assert run.store.fact("left") == 1
    assert "1 structure extrapolates that no calculation labels" in words[-1]
    assert run.store.fact("position") == [0, "finished"]


def test_no_structure_is_passed_over_since_others_were_tried(tmp_path: Path) -> None:
    """One label an iteration, and calculations that all fail: each candidate has its turn."""
    large = [silicon(0.15, seed, repeat=5) for seed in (3, 4)]
    run, _ = run_of(tmp_path, 100, large=large)
    run = replace(run, settings=replace(run.settings, labels_per_iteration=1))
    while select(run, 0):
        for entry in run.store.entries("queued"):
            run.store.update(entry.id, "set-aside")
    grades = [entry.grade for entry in run.store.entries("set-aside")]
    for atoms in large:
        assert any(grade == pytest.approx(atoms.info["grade"], rel=1e-6) for grade in grades)


def test_a_run_that_knows_everything_says_so(tmp_path: Path) -> None:
    run, words = run_of(tmp_path, 100)
    _select(run, 0)
    assert run.store.fact("left") == 0
    assert "nothing extrapolates any more" in words[-1]
