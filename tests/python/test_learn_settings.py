"""Settings of a learning run: the template, what is refused, and what happens when they change."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from mtpot import InputError
from mtpot.active import run as runs
from mtpot.active.beginning import disturbed
from mtpot.active.explorers import EXPLORERS
from mtpot.active.plan import plan_of
from mtpot.active.settings import LearnSettings, load_settings
from mtpot.active.store import Store
from mtpot.active.template import template

TABLES = """
start = ["start.xyz"]
output = "run"
[label]
calculator = "emt"
[train]
level = 4
cutoff = 4.0
"""
EXPLORE = '[[explore]]\nengine = "md"\ntimestep = 2\ntime = 0.04\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("start.xyz", bulk("Cu", cubic=True))
    return tmp_path


def loaded(text, **flags):
    path = Path("settings.toml")
    path.write_text(text, encoding="utf-8")
    return load_settings(path, flags)


@pytest.mark.usefixtures("folder")
def test_the_template_can_be_loaded_and_holds_the_defaults():
    settings = loaded(template())
    bare = loaded(TABLES + EXPLORE)
    for name in ("select_threshold", "break_threshold", "initial", "workers", "executor", "seed"):
        assert getattr(settings, name) == getattr(bare, name)
    assert plan_of(settings.label) == plan_of(bare.label)


def test_the_template_names_every_engine():
    text = template()
    assert all(f"# {engine}\n" in text for engine in EXPLORERS)
    assert tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TABLES, "no .*explore"),
        (TABLES + EXPLORE.replace("md", "abacus"), "expected one of lammps"),
        (TABLES + EXPLORE + "tiem = 1\n", "did you mean time"),
        (TABLES + EXPLORE.replace("timestep = 2", "timestep = -2"), "timestep"),
        (TABLES.replace('calculator = "emt"', "") + EXPLORE, "names none of"),
        (TABLES.replace('"emt"', '"emmt"') + EXPLORE, "ASE has none of this name"),
        (TABLES.replace("[train]", "max-forse = 1.0\n[train]") + EXPLORE, "did you mean max-force"),
        (TABLES.replace("[train]", "timeout = 0\n[train]") + EXPLORE, "timeout"),
        (TABLES.replace("level = 4", "levle = 4") + EXPLORE, "did you mean level"),
        (TABLES.replace("level = 4", "validation = 0.1") + EXPLORE, "the loop sees to it"),
        ("select-threshold = 10\nbreak-threshold = 2\n" + TABLES + EXPLORE, "must be below"),
        (TABLES.replace("level = 4", "threads = 1") + EXPLORE, "the loop sees to it"),
        (TABLES + EXPLORE + "pressure = 1.0\n", "needs a barostat"),
        (TABLES + EXPLORE + 'ensemble = "nve"\nfinal-temperature = 9.0\n', "needs a thermostat"),
        (TABLES + "[[label.fallback]]\nsetings = {}\n" + EXPLORE, "unknown key setings"),
        ("selekt-threshold = 3\n" + TABLES + EXPLORE, "did you mean select-threshold"),
        (TABLES.replace("start.xyz", "none.xyz") + EXPLORE, "none.xyz: no such file"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) and "\n" not in value else None,
)
def test_what_does_not_fit_is_named_before_anything_is_calculated(folder, text, message):
    with pytest.raises(InputError, match=message):
        runs.work(loaded(text), lambda _: None)
    assert not (folder / "run").exists()


def test_copies_are_disturbed_the_more_the_later_and_repeat_with_the_seed():
    atoms = bulk("Cu", cubic=True).repeat(3)
    found = [
        list(disturbed(atoms, 4, 0.1, 0.02, np.random.default_rng(seed))) for seed in (1, 1, 2)
    ]
    strains = [copy.cell.array / 10.83 - np.eye(3) for copy in found[0]]
    moves = [copy.positions - atoms.get_scaled_positions() @ copy.cell.array for copy in found[0]]
    spreads = [np.std(each - np.rint(each / 3.61) * 3.61) for each in moves]
    np.testing.assert_allclose(spreads, [0.025, 0.05, 0.075, 0.1], rtol=0.2)
    assert all(np.abs(strain - strain.T).max() < 1e-10 for strain in strains)
    np.testing.assert_array_equal(found[0][3].positions, found[1][3].positions)
    assert np.abs(found[0][3].positions - found[2][3].positions).max() > 0.01


def test_directions_without_periodicity_are_not_strained():
    atoms = bulk("Cu", cubic=True)
    atoms.pbc = [True, True, False]
    (copy,) = disturbed(atoms, 1, 0.0, 0.1, np.random.default_rng(0))
    np.testing.assert_array_equal(copy.cell[2], atoms.cell[2])
    assert abs(copy.cell[0, 0] - atoms.cell[0, 0]) > 1e-3


@pytest.fixture
def finished(folder):  # noqa: ARG001 - where it runs
    settings = loaded(TABLES + EXPLORE)
    runs.work(settings, lambda _: None)
    return settings


def positions_of(settings: LearnSettings):
    store = Store(settings.output / "learn.db")
    return store, store.fact("position")


def test_a_longer_simulation_is_explored_again_but_not_trained_again(finished):
    before, _ = positions_of(finished)
    trainings = before.events("training")
    explore = ({**finished.explore[0], "time": 0.06},)
    lines = []
    runs.work(replace(finished, explore=explore), lines.append, resume=True)
    store, position = positions_of(finished)
    assert position[1] == "finished"
    first = next(iter(trainings))
    assert store.events("training")[first] == trainings[first]
    assert lines[0].startswith("explore: ")
    last = list(store.events("exploration").values())[-1]
    assert last["picoseconds"] == pytest.approx(0.06)


def test_other_labels_are_refused_when_a_run_goes_on(finished):
    other = replace(finished, label={"calculator": "lj"})
    with pytest.raises(InputError, match="labels would not belong together"):
        runs.work(other, lambda _: None, resume=True)


def test_a_finished_run_that_is_gone_on_with_does_nothing(finished):
    before = (finished.output / "potential.almtp").read_bytes()
    runs.work(finished, lambda _: None, resume=True)
    assert (finished.output / "potential.almtp").read_bytes() == before


def test_a_run_is_not_begun_in_the_folder_of_another(finished):
    with pytest.raises(InputError, match="--resume"):
        runs.work(finished, lambda _: None)


def test_a_run_that_is_not_there_cannot_be_gone_on_with(folder):
    with pytest.raises(InputError, match="holds no learning run"):
        runs.work(loaded(TABLES + EXPLORE), lambda _: None, resume=True)
    assert not (folder / "run").exists()


def test_frames_that_were_given_are_no_calculations(folder):
    store = Store(folder / "learn.db")
    atoms = bulk("Cu", cubic=True)
    for number, (state, origin) in enumerate(
        [("done", "data"), ("done", "data"), ("done", "start"), ("set-aside", "displaced")]
    ):
        moved = atoms.copy()
        moved.positions += 0.1 * number
        store.add(moved, state=state, origin=origin)
    assert store.calculated() == (2, 1)


def test_predictions_of_a_potential_are_not_kept_like_labels(folder):
    store = Store(folder / "learn.db")
    atoms = bulk("Cu", cubic=True)
    atoms.calc = SinglePointCalculator(atoms, energy=1.0)
    store.add(atoms, state="queued", origin="md")
    assert store.entries()[0].atoms.calc is None
    assert store.has(atoms)
