"""Learning on the fly: refits in place, stops for labels, and goes on after a kill."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future
from contextlib import chdir, contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import read, write

from mtpot import MTP, InputError, MTPCalculator, MtpotError, _core
from mtpot.active.driver import DATABASE, Run
from mtpot.active.explorers.kept import restore, state_of
from mtpot.active.explorers.md import MolecularDynamics
from mtpot.active.labelers import label_in
from mtpot.active.on_the_fly import SIMULATION, TRAJECTORY, learn, simulation_of
from mtpot.active.select import (
    TRAINING_THRESHOLD,
    build_selection,
    extend_selection,
    grade_frame,
    grade_frames,
)
from mtpot.active.settings import load_settings
from mtpot.active.store import Store
from mtpot.active.tasks import RESULT, Outcome, content_of, finish
from mtpot.active.training import GRADED
from mtpot.data.atoms import frame_from_atoms
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.files import make_folder
from mtpot.grading import weights_of
from mtpot.train.growing import GrowingFit
from mtpot.train.loss import Problem, Weights
from mtpot.train.loss import labeled_frames as with_weights
from mtpot.train.settings import Settings
from mtpot.train.trainer import train

THRESHOLD, BREAK = 3.0, 10.0
TIMESTEP = 0.004  # ps
RIDGE = 1e-7  # the normal equations square a condition number, and QR does not


def copper(seed: int, size: int = 2, displacement: float = 0.12):
    """A disturbed crystal with the forces of EMT."""
    atoms = bulk("Cu", cubic=True).repeat(size)
    atoms.rattle(displacement, seed=seed)
    atoms.calc = EMT()
    atoms.get_forces()
    atoms.get_stress()
    return atoms


def frames(seeds):
    return [frame_from_atoms(copper(seed), f"frame {seed}") for seed in seeds]


def settings_of(tmp_path, **changes) -> Settings:
    given = {"species": ("Cu",), "level": 6, "threads": 1, "max_steps": 8}
    return Settings(data=(), output=tmp_path, **given | changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> MTP:
    """A potential of six frames."""
    return train(settings_of(tmp_path_factory.mktemp("training")), frames(range(6))).potential


def predictions(potential: MTP, seed: int):
    atoms = copper(seed)
    atoms.calc = MTPCalculator(potential, threads=1)
    return atoms.get_potential_energy() / len(atoms), atoms.get_forces(), atoms.get_stress()


# --- the fit ---


@pytest.mark.parametrize("weighting", ["vibrations", "molecules", "structures"])
def test_fit_that_grew_is_the_least_squares_of_all_frames(trained, tmp_path, weighting):
    """Against the weighted rows themselves, solved by QR."""
    settings = settings_of(tmp_path, weighting=weighting, ridge=RIDGE)
    fit = GrowingFit(trained, frames(range(6)), settings)
    for frame in frames(range(6, 9)):
        fit.add(frame)
    potential, loss = fit.solve()
    target, residual = solved_by_qr(trained, frames(range(9)), weighting)
    assert loss == pytest.approx(residual, rel=1e-6)  # a difference of sums
    for value, expected in zip(predictions(potential, 20), predictions(target, 20), strict=True):
        assert value == pytest.approx(expected, abs=1e-8)


def solved_by_qr(potential: MTP, known, weighting: str) -> tuple[MTP, float]:
    """Least squares of energies, forces and virials at these radial functions, and the loss."""
    weights = Weights(weighting=weighting)
    problem = Problem(potential.core, [], 1)
    origin = problem.without_coefficients(potential.parameters)
    design = _core.Design(potential.core.with_parameters(origin))
    blocks, rests = [], []
    for frame in known:
        matrix, values = design.tangents(frame_neighborhoods(potential, frame), True)
        labels = np.concatenate([[frame.energy], frame.forces.ravel(), frame.virial])
        root = np.sqrt(
            np.concatenate(
                [
                    [weights.energy_of(frame)],
                    np.repeat(weights.forces_of(frame), 3),
                    weights.virial_of(frame) * np.array([1, 1, 1, 2, 2, 2]),
                ]
            )
            / len(known)
        )
        blocks.append(root[:, None] * matrix)
        rests.append(root * (labels - values))
    whole, rest = np.concatenate(blocks), np.concatenate(rests)
    norms = np.linalg.norm(whole, axis=0)
    used = norms > 1e-12 * norms.max()
    ridge = np.sqrt(RIDGE) * np.eye(used.sum())
    ridge[0, 0] = 0.0  # the species energy is free
    rows = np.concatenate([whole[:, used] / norms[used], ridge])
    change = np.zeros(len(norms))
    target = np.concatenate([rest, np.zeros(len(ridge))])
    change[used] = np.linalg.lstsq(rows, target, rcond=None)[0] / norms[used]
    parameters = origin.copy()
    parameters[problem.radial_count :] += change
    return MTP(potential.core.with_parameters(parameters)), np.square(rest - whole @ change).sum()


def test_sums_that_grew_are_those_made_at_once(trained, tmp_path):
    settings, known = settings_of(tmp_path), frames(range(9))
    grown = GrowingFit(trained, known[:5], settings)
    for frame in known[5:]:
        grown.add(frame)
    labeled, _ = with_weights(trained, known, Weights())
    problem = Problem(trained.core, labeled, 1)
    origin = problem.without_coefficients(trained.parameters)
    at_once = problem.normal_equations(origin, linear_only=True)
    scale = np.abs(at_once.matrix).max()
    assert grown.equations.matrix / 9 == pytest.approx(at_once.matrix, abs=1e-12 * scale)
    assert grown.equations.gradient / 9 == pytest.approx(at_once.gradient, abs=1e-12 * scale)
    assert grown.count == 9


def test_sums_that_grew_again_are_the_same_to_the_last_bit(trained, tmp_path):
    fits = []
    for _ in range(2):
        fit = GrowingFit(trained, frames(range(5)), settings_of(tmp_path))
        fit.add(frames([5])[0])
        fits.append(fit.solve()[0])
    assert np.array_equal(fits[0].parameters, fits[1].parameters)


def test_training_is_where_the_fit_of_the_same_frames_is(trained, tmp_path):
    """Variable projection ends with this fit: nothing moves without a new frame."""
    potential, _ = GrowingFit(trained, frames(range(6)), settings_of(tmp_path)).solve()
    for value, expected in zip(predictions(potential, 20), predictions(trained, 20), strict=True):
        assert value == pytest.approx(expected, abs=1e-4)


def test_frames_far_above_the_lowest_of_the_first_count_less(trained, tmp_path):
    settings = settings_of(tmp_path, scale_by_energy=1e-3)
    fit = GrowingFit(trained, frames(range(6)), settings)
    before = fit.equations.loss
    high = frame_from_atoms(copper(7, displacement=0.3), "high")
    fit.add(high)
    plain = GrowingFit(trained, frames(range(6)), settings_of(tmp_path))
    plain_before = plain.equations.loss
    plain.add(high)
    assert fit.equations.loss - before < 0.1 * (plain.equations.loss - plain_before)


# --- the active set ---


@pytest.mark.parametrize("mode", ["nbh", "cfg"])
def test_extended_active_set_knows_the_new_frames_and_those_that_held_rows(trained, mode):
    known, new = frames(range(4)), frames(range(10, 12))
    refitted = MTP(trained.core.with_parameters(1.01 * trained.parameters))
    selection = build_selection(trained, known, mode, 1)
    extended = MTP(refitted.core, extend_selection(refitted, selection, new, 1))
    assert weights_of(extended.selection).mode == mode
    for grades in grade_frames(extended, new, 1):
        assert grades.frame <= TRAINING_THRESHOLD + 1e-8


def test_extending_by_nothing_leaves_the_volume(trained):
    known = frames(range(4))
    selection = build_selection(trained, known, "nbh", 1)
    extended = extend_selection(trained, selection, [], 1)
    before, after = (each.active_set.log_determinant() for each in (selection, extended))
    assert after == pytest.approx(before, abs=0.1)


# --- the state of a simulation ---


@pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
def test_dynamics_taken_up_is_that_without_a_pause_bit_for_bit(trained, ensemble):
    simulation = MolecularDynamics(ensemble=ensemble, final_temperature=400.0, time=0.05)
    ((_, variant),) = simulation.variants()
    dynamics = [made(simulation, variant, trained) for _ in range(3)]
    step = simulation.advance(dynamics[0], variant, 0, 20)
    kept = state_of(dynamics[0])
    restore(dynamics[1], kept)
    for each in dynamics[:2]:
        simulation.advance(each, variant, step, 20)
    one, other = (state_of(each) for each in dynamics[:2])
    assert one == other != state_of(dynamics[2])


def made(simulation, variant, potential):
    atoms = copper(1)
    rng = np.random.default_rng(2)
    atoms.set_momenta(2.0 * rng.normal(size=(len(atoms), 3)))
    atoms.calc = MTPCalculator(potential, threads=1)
    return simulation.dynamics(atoms, variant, seed=3)


# --- whole runs ---

TOML = """
output = "run"
start = ["start.xyz"]
mode = "on-the-fly"
threads = 1
initial = 2
select-threshold = {threshold}
displacement = 0.05
{plain}

[label]
{label}

[train]
level = 6
max-steps = 8
{train}

[[explore]]
engine = "md"
temperature = 300.0
{heat}
time = {time}
timestep = 4.0
{explore}
"""


def write_run(folder: Path, **parts: str) -> Path:
    parts = {
        "threshold": "3.0",
        "time": "1.5",
        "plain": "",
        "label": 'calculator = "emt"',
        "train": "",
        "explore": "",
        "heat": "final-temperature = 900.0",
    } | parts
    (folder / "settings.toml").write_text(TOML.format(**parts))
    write(folder / "start.xyz", bulk("Cu", cubic=True).repeat(2))
    return folder / "settings.toml"


class InThisProcess(Executor):
    """Labels without the start of a process for each; what is done is not done again."""

    def __init__(self) -> None:
        self.done = []

    def submit(self, _, folder, *__):
        place, future = Path(folder), Future()
        if place not in self.done:
            self.done.append(place)
            finish(place, label_in(place, content_of(place)))
        future.set_result(Outcome(**json.loads((place / RESULT).read_text())))
        return future


class Killed(BaseException):
    """What no code catches."""


class MortalStore(Store):
    """A store whose process dies after so many transactions."""

    life = 10**9

    @contextmanager
    def transaction(self):
        outer = self._database.connection is None
        with super().transaction():
            yield
        self.life -= outer
        if self.life < 0:
            raise Killed


def learned(folder: Path, lives=(), **parts: str) -> tuple[Store, InThisProcess]:
    """Record of a run to its end, through several lives, and who gave its labels."""
    settings = load_settings(write_run(folder, **parts), {})
    pool = InThisProcess()
    with chdir(folder):
        for life in (*lives, 10**9):
            store = MortalStore(make_folder(settings.output) / DATABASE)
            store.life = life
            with suppress(Killed):
                learn(Run(settings, store, pool, lambda _: None))
    return Store(folder / "run" / DATABASE), pool


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Folder of a run to its end."""
    folder = tmp_path_factory.mktemp("on-the-fly")
    learned(folder)
    return folder / "run"


def start(settings: Path, *flags: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "mtpot.cli", "learn", settings.name, *flags]
    return subprocess.Popen(words, cwd=settings.parent, start_new_session=True)


def test_run_ends_after_its_time_with_few_labels(finished):
    store = Store(finished / DATABASE)
    assert store.fact("position")[1] == "finished"
    assert store.fact(SIMULATION)["time"] == pytest.approx(1.5)
    assert store.counts()["done"] == len(store.entries()) < 25
    assert MTP.load(finished / GRADED).selection is not None


def test_what_was_labeled_had_a_grade_above_the_threshold_at_that_moment(finished):
    asked = [entry for entry in Store(finished / DATABASE).entries() if entry.origin == "md"]
    assert asked
    for entry in asked:
        before = MTP.load(finished / "trainings" / f"{entry.iteration - 1:03d}" / GRADED)
        grade = grade_frame(before, frame_from_atoms(entry.atoms), 1).frame
        assert THRESHOLD < grade == pytest.approx(entry.grade, rel=1e-3)


def test_what_was_labeled_is_known_afterwards(finished):
    store = Store(finished / DATABASE)
    for entry in store.entries():
        if entry.origin == "md":
            after = MTP.load(finished / "trainings" / f"{entry.iteration:03d}" / GRADED)
            grade = grade_frame(after, frame_from_atoms(entry.atoms), 1).frame
            assert grade <= TRAINING_THRESHOLD + 1e-6


def stretches(finished):
    """Looks (time, grade, temperature) from one label to the next."""
    looks = {}
    for name, seen in Store(finished / DATABASE).events("md").items():
        looks.setdefault(name[:3], []).extend(seen["looks"])
    return [looks[name] for name in sorted(looks)]


def test_no_look_is_above_the_threshold_but_the_last_of_a_stretch(finished):
    *labeled, last = ([grade for _, grade, _ in looks] for looks in stretches(finished))
    for grades in labeled:
        assert max(grades[:-1], default=0.0) <= THRESHOLD < grades[-1]
    assert max(last) <= THRESHOLD


def test_what_is_labeled_above_the_upper_threshold_is_one_step_from_what_is_below(finished):
    """Else the simulation has gone back, and come to a structure between."""
    looks = stretches(finished)
    for (*before, (end, grade, _)), ((begin, *_), *_) in pairwise(looks):
        if grade > BREAK and before:
            assert end - before[-1][0] == pytest.approx(TIMESTEP)
        assert begin == (before[-1][0] if grade > BREAK and before else end)


@pytest.mark.parametrize(
    ("line", "key"),
    [("timestep = 2.0", "timestep"), ("ensemble = 'npt'", "ensemble"), ("time = 1.0", "time")],
)
def test_what_a_simulation_is_cannot_change_under_way(tmp_path, line, key):
    with pytest.raises(MtpotError, match="max-labels"):
        learned(tmp_path, threshold="1.1", plain="max-labels = 4")
    text = (tmp_path / "settings.toml").read_text()
    text = re.sub(rf"(?m)^{key} = .*\n", "", text) + line
    (tmp_path / "settings.toml").write_text(text)
    settings = load_settings(tmp_path / "settings.toml", {"max_labels": 9})
    with chdir(tmp_path), pytest.raises(InputError, match=f"explore]] {key} was"):
        learn(Run(settings, Store(Path("run") / DATABASE), InThisProcess(), print))


def test_a_finished_simulation_goes_on_if_it_is_to_be_longer(tmp_path):
    explore = 'ensemble = "nve"'
    learned(tmp_path, time="0.1", explore=explore, heat="")
    store, _ = learned(tmp_path, time="0.2", explore=explore, heat="")
    assert store.fact(SIMULATION)["time"] == pytest.approx(0.2)
    assert store.fact("position")[1] == "finished"


def test_simulation_begins_with_what_the_start_was_when_the_run_began(tmp_path):
    with pytest.raises(MtpotError, match="max-labels"):
        learned(tmp_path, threshold="1.1", plain="max-labels = 4")
    write(tmp_path / "start.xyz", bulk("Cu", cubic=True, a=4.2).repeat(2))
    settings = load_settings(tmp_path / "settings.toml", {"max_labels": 5})
    words = []
    with chdir(tmp_path), pytest.raises(MtpotError, match="max-labels"):
        learn(Run(settings, Store(Path("run") / DATABASE), InThisProcess(), words.append))
    assert "start: the files have changed; the run goes on from what it began with" in words
    volumes = [entry.atoms.get_volume() for entry in Store(tmp_path / "run" / DATABASE).entries()]
    assert volumes[-1] == pytest.approx(volumes[0])  # nvt, at the volume of the beginning


def test_potential_is_trained_anew_only_when_the_set_has_grown_by_half(finished):
    trainings = list(Store(finished / DATABASE).events("training").values())
    fresh = 0
    for training in trainings:
        assert training["fresh"] is (training["frames"] >= 1.5 * fresh)
        fresh = training["frames"] if training["fresh"] else fresh
    assert any(not training["fresh"] for training in trainings)


def test_forces_hold_along_the_trajectory_that_was_not_labeled(finished):
    calculator = MTPCalculator(finished / "potential.mtp", threads=1)
    images = read(finished / TRAJECTORY, index=":")
    assert images
    assert all(image.info["grade"] <= THRESHOLD for image in images)
    errors = []
    for image in images:
        image.calc = EMT()
        label = image.get_forces()
        image.calc = calculator
        errors.append(image.get_forces() - label)
    assert np.sqrt(np.mean(np.square(errors))) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_run_that_is_killed_again_and_again_is_that_without_a_kill(finished, tmp_path, seed):
    settings = write_run(tmp_path)
    random_moments = random.Random(seed)
    process = start(settings)
    for _ in range(4):
        time.sleep(random_moments.uniform(1.0, 12.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process = start(settings, *(["--resume"] if (tmp_path / "run" / DATABASE).exists() else []))
    assert process.wait() == 0
    assert_same(tmp_path / "run", finished)


@pytest.mark.parametrize("seed", range(8))
def test_run_that_dies_between_any_two_transactions_is_that_without_a_death(
    finished, tmp_path, seed
):
    lives = np.random.default_rng(seed).integers(1, 120, 6)
    _, pool = learned(tmp_path, lives)
    assert_same(tmp_path / "run", finished)
    assert len(pool.done) == len(Store(finished / DATABASE).events("label"))


def assert_same(run: Path, other: Path) -> None:
    """Two runs have had the same labels, the same trajectory and the same potential, to a bit."""
    found, expected = (Store(folder / DATABASE) for folder in (run, other))
    assert found.fact(SIMULATION) == expected.fact(SIMULATION)
    assert [e.grade for e in found.entries()] == [e.grade for e in expected.entries()]
    assert list(found.events("label")) == list(expected.events("label"))
    assert looks_in(found) == looks_in(expected)
    assert (run / GRADED).read_bytes() == (other / GRADED).read_bytes()


def looks_in(store: Store):
    return {name: seen["looks"] for name, seen in store.events("md").items()}


FAILS = """
from ase.calculators.emt import EMT

def label(atoms):
    if atoms.get_momenta().any():
        raise RuntimeError("what dynamics meets does not converge")
    atoms.calc = EMT()
    atoms.get_forces()
    return atoms
"""


@pytest.fixture
def label(tmp_path) -> str:
    """The table of a labeler that fails for all structures but the first ones."""
    (tmp_path / "labels.py").write_text(FAILS)
    return 'function = "labels.py:label"\nmax-failures = 1.0'


def test_structure_set_aside_stops_the_run_where_forces_cannot_be_trusted(tmp_path, label):
    with pytest.raises(MtpotError, match="break-threshold"):
        learned(tmp_path, threshold="1.1", plain="break-threshold = 1.11", label=label)


def test_structure_set_aside_is_passed_where_the_grade_is_small(tmp_path, label):
    plain = "break-threshold = 1e9"
    store, _ = learned(tmp_path, threshold="1.1", plain=plain, label=label, time="0.1")
    assert store.fact("position")[1] == "finished"
    assert store.fact("left") == store.counts()["set-aside"] > 0


def test_run_without_a_label_left_says_how_to_go_on(tmp_path):
    with pytest.raises(MtpotError, match=r"max-labels 4.*--resume"):
        learned(tmp_path, threshold="1.1", plain="max-labels = 4")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"explore": '[[explore]]\nengine = "md"'}, "one table"),
        ({"explore": '[[explore]]\nengine = "lammps"'}, "one table"),
        ({"explore": "pressure = [0.0, 1.0]\nensemble = 'npt'"}, "one temperature"),
        ({"explore": "repeat = 2"}, "max-atoms"),
        ({"plain": "data = []\n"}, None),
        ({"train": 'ridge = "auto"'}, "ridge"),
        ({"train": 'solver = "lasso"'}, "solver lasso"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_settings_that_make_no_sense_are_refused_with_the_way_out(
    tmp_path, monkeypatch, parts, message
):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(write_run(tmp_path, **parts), {})
    if message is None:
        assert simulation_of(settings).steps == 375
        return
    with pytest.raises(InputError, match=message):
        simulation_of(settings)


def test_several_starts_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = write_run(tmp_path)
    write(tmp_path / "start.xyz", [bulk("Cu", cubic=True)] * 2)
    with pytest.raises(InputError, match="start has 2 structures"):
        simulation_of(load_settings(settings, {}))
