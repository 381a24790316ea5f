"""Settings of a learning run: the template, what is refused, and what happens when they change."""

import signal
import subprocess
import sys
import time
import tomllib
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import learning
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from mtpot import InputError
from mtpot.active import driver, explorers, labelers, tasks, training, worker
from mtpot.active import run as runs
from mtpot.active.beginning import disturbed
from mtpot.active.explorers import EXPLORERS, Exploration, Watch, prepare_exploration
from mtpot.active.imported import imported
from mtpot.active.labelers import prepare_label
from mtpot.active.loop import read_data
from mtpot.active.plan import method_of, plan_of
from mtpot.active.settings import LearnSettings, load_settings
from mtpot.active.store import Store
from mtpot.active.template import template
from mtpot.cli import main
from mtpot.data import read_frames
from mtpot.train.trainer import train

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
        (
            TABLES.replace("[train]", "max_failures = 3\n[train]") + EXPLORE,
            r"max-failures = 3: expected a share, a number from 0 to 1",
        ),
        (TABLES.replace("level = 4", "radial_size = 0") + EXPLORE, "radial-size = 0"),
        (TABLES.replace("[label]", "max_labels = 0\n[label]") + EXPLORE, "max-labels = 0"),
        (TABLES.replace("[label]", "[labels]") + EXPLORE, "unknown key labels; did you mean label"),
        (TABLES + EXPLORE.replace("[[explore]]", "[[explorer]]"), "did you mean explore"),
        (TABLES.replace("level = 4", "levle = 4") + EXPLORE, "did you mean level"),
        (TABLES.replace("level = 4", "validation = 0.1") + EXPLORE, "the loop sees to it"),
        ("select-threshold = 10\nbreak-threshold = 2\n" + TABLES + EXPLORE, "must be below"),
        (TABLES.replace("level = 4", "threads = 1") + EXPLORE, "the loop sees to it"),
        (TABLES + EXPLORE + "pressure = 1.0\n", "needs a barostat"),
        (TABLES + EXPLORE + 'ensemble = "nve"\nfinal-temperature = 9.0\n', "needs a thermostat"),
        (TABLES + "[[label.fallback]]\nsetings = {}\n" + EXPLORE, "unknown key setings"),
        ("selekt-threshold = 3\n" + TABLES + EXPLORE, "did you mean select-threshold"),
        (TABLES.replace("start.xyz", "none.xyz") + EXPLORE, "none.xyz: no such file"),
        (
            "max-labels = 4\n" + TABLES + EXPLORE,
            "max-labels 4 is less than the 5 calculations .* 1 structure and initial = 4 copies",
        ),
        ('executor-setup = "cluster.py:conf"\n' + TABLES + EXPLORE, "no use for executor-setup"),
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


class Here(Executor):
    """Does tasks at once, in this process."""

    def submit(self, _, /, folder, *arguments, **__):  # noqa: ARG002
        place, future = Path(folder), Future()
        try:
            future.set_result(worker.do(place, tasks.content_of(place)))
        except Exception as error:
            future.set_result(tasks.Outcome("failed", str(error)))
        return future


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setitem(runs.EXECUTORS, "processes", lambda *_: nullcontext(Here()))


@pytest.fixture
def finished(folder, here):  # noqa: ARG001 - where and how it runs
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


def test_labels_are_the_same_wherever_and_by_how_many_processes_they_are_made():
    profile = {"command": "pw.x", "pseudo_dir": "pseudos"}
    label = {"calculator": "espresso", "profile": profile, "settings": {"kspacing": 0.1}}
    elsewhere = {"exchange": "jobs", "max-force": 20.0, "timeout": 5.0, "poll": 1.0}
    parallel = {"profile": {**profile, "command": "mpirun -np 4 pw.x"}}
    assert method_of(label | elsewhere | parallel) == method_of(label)
    for other in ({"settings": {"kspacing": 0.2}}, {"profile": {**profile, "pseudo_dir": "."}}):
        assert method_of(label | other) != method_of(label)


def test_the_number_of_a_try_is_no_setting():
    with pytest.raises(InputError, match="unknown key attempt"):
        plan_of({"calculator": "emt", "attempt": 2})


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


BARE = {
    "energy": ("energy", "frame 2"),
    "forces": ("forces", "frame 2"),
    "both": ("energy and no forces", "frame 2"),
}


@pytest.mark.parametrize("flag", ["check", "work"])
@pytest.mark.parametrize("lacks", BARE)
def test_data_without_labels_are_refused_before_anything_is_calculated(folder, lacks, flag):
    words, frame = BARE[lacks]
    for number in range(3):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=number)
        results = {"energy": 1.0, "forces": np.zeros((4, 3))}
        if number == 1:
            results = {key: each for key, each in results.items() if lacks not in (key, "both")}
        if results:
            atoms.calc = SinglePointCalculator(atoms, **results)
        write("known.xyz", atoms, append=True)
    settings = loaded('data = ["known.xyz"]\n' + TABLES + EXPLORE)
    with pytest.raises(InputError, match=rf"known.xyz.* \({frame}\) has no {words}: "):
        getattr(runs, flag)(settings, lambda _: None)
    assert not (folder / "run").exists()


def test_of_the_record_of_another_run_what_it_set_aside_is_left_out(folder):
    other = Store(folder / "other.db")
    for number in range(3):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=number)
        if number:
            atoms.calc = EMT()
            atoms.get_stress()
        other.add(atoms, state="done" if number else "set-aside", origin="md")
    told = []
    frames = read_data(loaded('data = ["other.db"]\n' + TABLES + EXPLORE), told.append)
    assert len(frames) == 2
    assert told == [
        "data: 1 of 3 frames are left out: rows of a database without energy; the first is "
        "other.db (row 1)"
    ]


# --- what failed, once more ---


BROKEN = """
from pathlib import Path
from ase.calculators.emt import EMT

def label(atoms):
    if atoms.cell[0, 0] > 3.611 and not Path("{place}/license").exists():
        raise RuntimeError("no license")
    atoms.calc = EMT()
    atoms.get_stress()
    return atoms
"""


@pytest.mark.usefixtures("here")
def test_what_was_set_aside_is_labeled_when_its_cause_is_mended(folder):
    """The labels of copies that are stretched fail at first; simulations keep the cell."""
    (folder / "labels.py").write_text(BROKEN.format(place=folder))
    label = 'function = "labels.py:label"\nmax-failures = 1.0'
    settings = loaded("initial = 4\n" + TABLES.replace('calculator = "emt"', label) + EXPLORE)
    runs.work(settings, lambda _: None)
    store, (before, phase) = positions_of(settings)
    aside = store.counts()["set-aside"]
    assert aside > 0
    assert phase == "finished"
    status = runs.status(settings)
    entry = store.entries("set-aside")[0]
    log = f"run/labels/{entry.id:06d}/2/log.txt"
    assert f"structure {entry.id} from {entry.origin}: labels.py:label: RuntimeError: no " in status
    assert f"(see {log})" in status
    trained = len(store.events("training"))
    (folder / "license").touch()
    lines = []
    runs.work(settings, lines.append, resume=True, retry=True)
    assert any(line.startswith(f"{aside} structure") for line in lines)
    assert store.counts()["set-aside"] == 0
    after, phase = store.fact("position")
    assert phase == "finished"
    assert after > before
    assert len(store.events("training")) > trained
    assert [event["end"] for event in store.events("label").values()].count("failed") == 2 * aside


def test_retry_takes_what_was_set_aside_since_an_iteration(folder):
    store = Store(folder / "learn.db")
    for number, state in enumerate(["set-aside", "done", "failed", "set-aside"]):
        store.add(bulk("Cu", a=3.5 + 0.1 * number), state=state, origin="md", iteration=number)
        store.update(number + 1, state, attempts=2, log="no license")
    assert store.retry(since=2) == 1
    found = [(each.state, each.attempts, each.log) for each in store.entries()]
    assert found == [
        ("set-aside", 2, "no license"),
        ("done", 2, "no license"),
        ("failed", 2, "no license"),
        ("queued", 0, "no license"),
    ]
    assert store.retry() == 1


def test_retry_goes_with_resume(folder, capsys):
    loaded(TABLES + EXPLORE)
    assert main(["learn", "settings.toml", "--retry"]) == 2
    assert "--retry goes with --resume" in capsys.readouterr().err
    assert not (folder / "run").exists()


# --- what is labeled, for other programs ---


def test_labels_are_exported(finished, capsys):
    store, _ = positions_of(finished)
    store.add(bulk("Cu"), state="queued", origin="md")
    assert main(["learn", "settings.toml", "--export", "labeled.xyz"]) == 0
    done = store.entries("done")
    assert capsys.readouterr().out == f"labeled.xyz: {len(done)} frames\n"
    for frame, entry in zip(read_frames("labeled.xyz"), done, strict=True):
        np.testing.assert_allclose(frame.forces, entry.atoms.get_forces(), atol=1e-7)
        np.testing.assert_allclose(frame.stress, entry.atoms.get_stress(), atol=1e-7)
        assert frame.energy == pytest.approx(entry.atoms.get_potential_energy(), abs=1e-7)
    assert main(["learn", "settings.toml", "--export", "labeled.xyz"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["learn", "settings.toml", "--export", "labeled.xyz", "--overwrite"]) == 0


# --- calculations elsewhere ---

ELSEWHERE = TABLES.replace('calculator = "emt"', 'exchange = "jobs"')


@pytest.mark.usefixtures("here")
def test_calculations_elsewhere_are_a_good_end_that_says_how_to_go_on(folder, capsys):
    loaded("initial = 11\n" + ELSEWHERE + EXPLORE)
    assert main(["learn", "settings.toml", "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    jobs = sorted(f"jobs/{path.name}" for path in (folder / "jobs").iterdir())
    assert len(jobs) == 12
    assert "12 calculations to be run elsewhere:" in lines
    assert len([line for line in lines if line.strip() in jobs]) == 10
    assert "  and 2 more in jobs" in lines
    assert lines[-1] == "run them, then go on: mlp learn settings.toml --seed 3 --resume"
    assert main(["learn", "settings.toml", "--status"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("iteration 0: labeling\n")
    assert "stopped: 12 calculations wait in " in told


def test_only_what_has_changed_elsewhere_is_looked_at_again(folder, monkeypatch):
    """After the second look: what came during the first may have come too late for it."""
    looked, looks = [], []
    label_in = labelers.label_in

    def counted(place, content):
        looked.append(place.parent.name)
        return label_in(place, content)

    def somebody_works(_):
        looks.append(sorted(looked))
        looked.clear()
        jobs = sorted((folder / "jobs").iterdir())
        if len(looks) == 4:
            (jobs[0] / "failed").write_text("no license")
        if len(looks) == 6:
            raise KeyboardInterrupt

    monkeypatch.setitem(runs.EXECUTORS, "processes", lambda *_: nullcontext(Here()))
    monkeypatch.setattr(labelers, "label_in", counted)
    monkeypatch.setattr(driver.time, "sleep", somebody_works)
    settings = loaded(
        "initial = 2\n" + ELSEWHERE.replace("[train]", "poll = 60.0\n[train]") + EXPLORE
    )
    with pytest.raises(KeyboardInterrupt):
        runs.work(settings, lambda _: None)
    (number,) = set(looks[4])
    every = ["000001", "000002", "000003"]
    assert looks == [every, every, [], [], [number, number], [number]]


def test_a_check_leaves_nothing_elsewhere(folder):
    told = []
    before = set(folder.iterdir())
    runs.check(loaded(ELSEWHERE + EXPLORE), told.append)
    assert told[0].startswith("inputs can be written: structure.extxyz; jobs is left")
    assert set(folder.iterdir()) - before == {folder / "settings.toml"}


# --- signals, and where a run stands ---


def began(place, ignored=""):
    """Begin `mlp learn` as a shell does; return the process when its first calculation runs."""
    learning.prepare(place, learning.SETTINGS.replace("initial = 2", "initial = 8"))
    command = f"trap '' {ignored}; " if ignored else ""
    command += f"exec {sys.executable} -m mtpot.cli learn settings.toml"
    with (place / "words").open("wb") as words:
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=place, stdout=words, stderr=subprocess.STDOUT
        )
    deadline = time.time() + 60.0
    while not list(place.glob("run/labels/*/*/log.txt")):
        assert process.poll() is None, (place / "words").read_text()
        assert time.time() < deadline
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_a_run_and_its_calculations_and_it_can_go_on(name, folder):
    process = began(folder)
    status = runs.status(load_settings(folder / "settings.toml", {}))
    assert f"at work: process {process.pid} on " in status
    assert "running: run/labels/0000" in status
    process.send_signal(getattr(signal, name))
    assert process.wait(60) == 1
    words = (folder / "words").read_text()
    assert words.endswith(
        "mlp learn: error: interrupted; go on: mlp learn settings.toml --resume\n"
    )
    status = runs.status(load_settings(folder / "settings.toml", {}))
    assert "at work: nobody; --resume goes on" in status
    assert "running:" not in status


def test_what_is_ignored_does_not_end_a_run(folder):
    """As of `nohup mlp learn &` in a script; a batch system's signal ends it nevertheless."""
    process = began(folder, ignored="HUP INT")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    deadline = time.time() + 60.0
    while "label 1: " not in (folder / "words").read_text():  # its workers do their work
        assert process.poll() is None
        assert time.time() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 1


def test_a_training_that_is_interrupted_is_not_taken_for_a_result(folder, monkeypatch):
    settings = loaded(TABLES + EXPLORE)
    monkeypatch.setattr(
        training, "train", lambda *args, **more: replace(train(*args, **more), stop="interrupted")
    )
    with pytest.raises(KeyboardInterrupt):
        runs.work(settings, lambda _: None)
    store, position = positions_of(settings)
    assert position == [0, "train"]
    assert not store.events("training")
    assert not (folder / "run" / "potential.mtp").exists()


def test_status_counts_what_was_made_of_what_is_allowed(finished):
    store, (iteration, _) = positions_of(finished)
    lines = runs.status(finished).splitlines()
    made = store.counts()["done"]
    assert lines[:3] == [
        f"iteration {iteration}: finished",
        "at work: nobody",
        f"structures: {made} done",
    ]
    assert f"labels: {made} of max-labels 1000, by {made} calculations" in lines
    assert f"iterations: {iteration + 1} of max-iterations 50" in lines
    simulated = sum(each["picoseconds"] for each in store.events("exploration").values())
    assert f"simulated: {simulated:g} ps" in lines


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


# --- what a run begins with ---


@pytest.mark.parametrize("flag", ["check", "work"])
def test_data_with_elements_that_are_not_to_be_learned_are_refused(folder, flag):
    atoms = bulk("NiAl", "cesiumchloride", a=2.9)
    results = {"energy": 1.0, "forces": np.zeros((2, 3))}
    atoms.calc = SinglePointCalculator(atoms, **results)
    write("known.xyz", atoms)
    text = 'data = ["known.xyz"]\n' + TABLES.replace("[train]", '[train]\nspecies = ["Cu"]')
    with pytest.raises(
        InputError, match=r"data: its structures have Al, Ni, .*add it to \[train\] s"
    ):
        getattr(runs, flag)(loaded(text + EXPLORE), lambda _: None)
    assert not (folder / "run").exists()


def test_of_a_hull_the_smallest_candidates_are_what_max_labels_is_compared_with(folder):
    for repeat in (1, 2, 3):
        write("start.xyz", bulk("Cu").repeat((repeat, 1, 1)), append=repeat > 1)
    text = 'mode = "hull"\nmax-labels = 4\n' + TABLES + '[[explore]]\nengine = "relax"\n'
    with pytest.raises(InputError, match="the 5 calculations that the run begins with, 1 structu"):
        runs.work(loaded(text), lambda _: None)
    assert not (folder / "run").exists()


@pytest.mark.usefixtures("here")
def test_a_record_of_a_run_that_has_not_begun_keeps_nobody_out(folder, monkeypatch):
    def refused(*_):
        raise InputError("no Dask scheduler answers")

    settings = loaded(TABLES + EXPLORE)
    with monkeypatch.context() as broken:
        broken.setitem(runs.EXECUTORS, "processes", refused)
        with pytest.raises(InputError, match="no Dask"):
            runs.work(settings, lambda _: None)
    assert (folder / "run/learn.db").exists()
    runs.work(replace(settings, label={"calculator": "emt", "max-force": 60.0}), lambda _: None)
    assert positions_of(settings)[1][1] == "finished"


def test_an_exploration_finds_its_potential_where_its_run_has_been_moved(folder, monkeypatch):
    place = prepare_exploration(
        folder / "run/explorations/000/00-md",
        bulk("Cu"),
        potential=Path("run/trainings/000/graded.almtp"),
        watch=Watch(2.0, 10.0, 1),
        table={},
        variant={},
        seed=0,
    )
    found = []

    class Stub:
        def explore(self, _, potential, *__):
            found.append(potential)
            return Exploration("complete", 1, 0.0, 1.0, 0)

    monkeypatch.setattr(explorers, "explorer_of", lambda _: Stub())
    (folder / "run").rename(folder / "moved")
    moved = folder / "moved" / place.relative_to(folder / "run")
    explorers.explore_in(moved, tasks.content_of(moved))
    assert found == [folder / "moved/trainings/000/graded.almtp"]


@pytest.mark.usefixtures("folder")
def test_user_files_with_names_of_modules_replace_none(monkeypatch):
    Path("json.py").write_text("from beside import answer\n", encoding="utf-8")
    Path("beside.py").write_text("answer = 42\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert imported("json.py:answer") == 42
    assert sys.modules["json"].loads("[1]") == [1]


@pytest.mark.usefixtures("folder")
def test_a_labeler_may_have_the_name_of_a_module():
    code = "from ase.calculators.emt import EMT\ndef label(a):\n    a.calc = EMT()\n"
    Path("json.py").write_text(f"{code}    a.get_forces()\n    return a\n", encoding="utf-8")
    task = prepare_label(Path("task"), bulk("Cu"), {"function": "json.py:label"})
    assert tasks.run(str(task)).end == "done"
