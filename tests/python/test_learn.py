"""`mlp learn` by iterations: it ends, says what is wrong, and goes on wherever it was killed."""

from __future__ import annotations

import os
import shutil
import signal
import time
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import ase.db
import learning
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from learning import SETTINGS, calls, learn, prepare

from mtpot import MTPCalculator
from mtpot.active import tasks
from mtpot.active.driver import Run, WaitingForLabels
from mtpot.active.labelers import label_in
from mtpot.active.loop import _check_failed, _take_exploration, add_data, read_data
from mtpot.active.settings import LearnSettings, load_settings
from mtpot.active.store import Store, digest_of
from mtpot.active.training import labeled_frames
from mtpot.cli import main
from mtpot.data.atoms import frame_from_atoms
from mtpot.errors import InputError, MtpotError

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

POTENTIALS = ("potential.mtp", "potential.almtp")


def potentials(folder: Path) -> list[bytes]:
    return [(folder / "run" / name).read_bytes() for name in POTENTIALS]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing has disturbed, in a folder with spaces."""
    folder = prepare(tmp_path_factory.mktemp("learn") / "a run; $(touch bad)")
    code, words = learn(folder)
    assert code == 0, words
    assert "nothing extrapolates any more" in words
    return folder


def test_its_potential_is_that_of_the_labels(finished: Path) -> None:
    errors = []
    for row in ase.db.connect(finished / "run" / "learn.db").select(state="done"):
        atoms = row.toatoms()
        atoms.calc = MTPCalculator(finished / "run" / "potential.almtp")
        errors.append(np.abs(atoms.get_forces() - row.forces).max())
        assert atoms.calc.results["grade"] < 1.001
    assert max(errors) < 0.1


def test_every_structure_was_labeled_once(finished: Path) -> None:
    assert len(calls(finished)) == len(set(calls(finished))) == states(finished)["done"]


def states(folder: Path) -> dict[str, int]:
    return {name: n for name, n in Store(folder / "run" / "learn.db").counts().items() if n}


def test_status_tells_where_it_stands(finished: Path) -> None:
    code, words = learn(finished, "--status")
    assert code == 0
    assert words.startswith("iteration ")
    assert f"structures: {states(finished)['done']} done" in words


@pytest.mark.parametrize("changed", ["label", "start"])
def test_the_run_of_others_is_not_gone_on_with(
    changed: str, finished: Path, tmp_path: Path
) -> None:
    folder = prepare(tmp_path)
    shutil.copytree(finished / "run", folder / "run")
    if changed == "label":
        text = SETTINGS.replace("labels.py:label", "labels.py:EMT")
    else:
        bulk("Cu", a=3.7, cubic=True).write(folder / "other.xyz")
        text = SETTINGS.replace("copper.xyz", "other.xyz")
    (folder / "settings.toml").write_text(text)
    code, words = learn(folder, "--resume")
    assert code == 2
    assert f"the run was begun with {changed}" in words
    assert potentials(folder) == potentials(finished)


def test_a_run_is_not_begun_twice(finished: Path) -> None:
    code, words = learn(finished)
    assert code == 2
    assert "holds a learning run: --resume" in words


def test_a_finished_run_stays_finished(finished: Path) -> None:
    before = potentials(finished), calls(finished)
    code, _ = learn(finished, "--resume")
    assert code == 0
    assert (potentials(finished), calls(finished)) == before


def test_a_finished_run_goes_on_when_it_is_asked_for_more(finished: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path, SETTINGS.replace("time = 0.05", "time = 0.06"))
    shutil.copytree(finished / "run", folder / "run")
    code, words = learn(folder, "--resume")
    assert code == 0, words
    before, after = (
        Store(each / "run" / "learn.db").events("exploration") for each in (finished, folder)
    )
    earlier, last = list(before)[:-1], list(after)[-1]
    assert [after[name]["picoseconds"] for name in earlier] == [
        before[name]["picoseconds"] for name in earlier
    ]
    assert after[last]["picoseconds"] == pytest.approx(0.06)


def test_an_exploration_that_takes_too_long_is_ended(finished: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path, SETTINGS.replace("time = 0.05", "time = 5000.0"))
    shutil.copytree(finished / "run", folder / "run")
    code, words = learn(folder, "--resume", "--exploration-timeout", "5")
    assert code == 1
    assert "failed" in words
    assert "no result after 5 s" in words
    assert not workers_of(folder)


# --- kill -9 ---


def workers_of(folder: Path) -> list[int]:
    """Processes of tasks in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"mtpot.active.worker" in words and any(os.fsencode(folder) in word for word in words):
            found.append(int(process.name))
    return found


def kill(driver: ForkServerProcess, folder: Path, everything: bool) -> None:
    driver.kill()
    driver.join()
    for worker in workers_of(folder) if everything else ():
        os.kill(worker, signal.SIGKILL)


def resumed(folder: Path) -> tuple[str, ...]:
    return ("--resume",) if (folder / "run" / "learn.db").exists() else ()


def kill_until_done(
    folder: Path, rng: np.random.Generator, most: int, *, everything: bool, seconds: float
) -> int:
    """Begin, kill within some seconds, go on; return how often it was killed."""
    for kills in range(most):
        driver = learning.begin(folder, *resumed(folder))
        driver.join(rng.uniform(0.0, seconds))
        if driver.exitcode is not None:
            assert driver.exitcode == 0, (folder / "words").read_text()
            return kills
        kill(driver, folder, everything)
    code, words = learn(folder, *resumed(folder))
    assert code == 0, words
    return most


def check_same(folder: Path, whole: Path) -> None:
    """Check that structures, labels, attempts and potential are those of an undisturbed run."""
    found, expected = (Store(each / "run" / "learn.db") for each in (folder, whole))
    for one, other in zip(found.entries(), expected.entries(), strict=True):
        assert digest_of(one.atoms) == digest_of(other.atoms)
        assert (one.state, one.origin, one.attempts) == ("done", other.origin, 1)
        assert one.atoms.get_potential_energy() == other.atoms.get_potential_energy()
    for kind in ("label", "training", "exploration", "selection"):
        assert sorted(found.events(kind)) == sorted(expected.events(kind))
    assert found.fact("position") == expected.fact("position")
    assert potentials(folder) == potentials(whole)


@pytest.mark.parametrize("everything", [False, True], ids=["the-driver", "all-processes"])
@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_9_at_random_moments_changes_nothing(
    kills: int, everything: bool, tmp_path: Path, finished: Path
) -> None:
    """As many runs as it takes are killed so often in all."""
    rng = np.random.default_rng(kills + everything)
    left = kills
    for trial in range(kills):
        folder = prepare(tmp_path / str(trial))
        left -= kill_until_done(
            folder, rng, min(left, 12), everything=everything, seconds=3.0 * task_seconds(finished)
        )
        check_same(folder, finished)
        assert set(calls(folder)) == set(calls(finished))
        if not everything:  # then whatever was begun came to its end
            assert len(calls(folder)) == len(calls(finished))
        assert not workers_of(folder)
        if not left:
            return
    pytest.fail(f"{left} of {kills} kills came too late")


def task_seconds(folder: Path) -> float:
    """Time of a task of the undisturbed run, with the beginning of its process."""
    times = [path.stat().st_mtime for path in (folder / "run").rglob("result.json")]
    return (max(times) - min(times)) / len(times)


def test_a_second_driver_is_refused(tmp_path: Path) -> None:
    folder = prepare(tmp_path)
    first = learning.begin(folder)
    deadline = time.time() + 60.0
    while not workers_of(folder):
        assert time.time() < deadline
        time.sleep(0.05)
    code, words = learn(folder, "--resume")
    kill(first, folder, everything=True)
    assert code == 2
    assert f"run is being worked on by process {first.pid} on " in words


@pytest.mark.parametrize("when", ["before-the-record", "while-structures-are-entered"])
def test_a_full_disk_is_told_and_leaves_what_was_there(when: str, tmp_path: Path) -> None:
    folder = prepare(tmp_path, f'data = ["known.xyz"]\n{SETTINGS}')
    for index in range(100):
        atoms = bulk("Cu", a=3.4 + 0.005 * index, cubic=True)
        atoms.calc = EMT()
        atoms.get_forces()
        write(folder / "known.xyz", atoms, append=True)
    size = 20_000
    if when != "before-the-record":
        (folder / "run").mkdir()
        Store(folder / "run" / "learn.db")
        size = (folder / "run" / "learn.db").stat().st_size + 2 * 4096
    driver = learning.begin(folder, *resumed(folder), limit=size)
    driver.join()
    assert driver.exitcode == 1
    assert "learn.db cannot be written: " in (folder / "words").read_text()
    store = Store(folder / "run" / "learn.db")
    assert store.entries() == []
    assert store.fact("position") is None


# --- bad input ---

ESPRESSO = """[label]
calculator = "espresso"
profile = { command = "sh", pseudo_dir = "." }
settings = { pseudopotentials = { Si = "labels.py" } }
"""
BAD = {
    "unknown-label-key": ("function =", "funtcion =", "did you mean function"),
    "unknown-train-key": ("cutoff =", "cut-off =", "did you mean cutoff"),
    "train-key-of-the-loop": ("cutoff =", "test = 'a'\ncutoff =", "the loop sees to it itself"),
    "unknown-explore-key": ("temperature =", "temperatur =", "did you mean temperature"),
    "unknown-engine": ('"md"', '"mdd"', "expected one of lammps"),
    "unknown-key": ("initial =", "inital =", "did you mean initial"),
    "wrong-kind": ("initial = 2", 'initial = "two"', "initial"),
    "thresholds": (
        "initial =",
        "select-threshold = 11\ninitial =",
        "must be below break-threshold",
    ),
    "missing-start": ("copper.xyz", "silver.xyz", "silver.xyz: no such file"),
    "no-start": ('start = ["copper.xyz"]', "", "no start"),
    "no-explore": (SETTINGS[SETTINGS.index("[[explore]]") :], "", "there is no [[explore]]"),
    "missing-function": ("labels.py:label", "lables.py:label", "lables.py: no such file"),
    "missing-program": (
        'function = "labels.py:label"',
        'calculator = "espresso"\nprofile = { command = "no-pw.x", pseudo_dir = "." }',
        "there is no program 'no-pw.x'",
    ),
    "no-pseudopotential": (
        '[label]\nfunction = "labels.py:label"',
        ESPRESSO,
        "pseudopotentials: there is none for Cu",
    ),
    "wrong-pseudopotential": (
        '[label]\nfunction = "labels.py:label"',
        ESPRESSO.replace("Si", "Cu").replace("labels.py", "label.py"),
        "Cu: . has no label.py; did you mean labels.py",
    ),
    "too-large": ("[label]", "[label]\nmax-atoms = 3", "cannot be labeled"),
    "too-large-neighborhoods": (
        SETTINGS[SETTINGS.index("[label]") :],
        SETTINGS[SETTINGS.index("[label]") :].replace("[label]", "[label]\nmax-atoms = 40")
        + "repeat = 3\n",
        "[[explore]] 1 simulates 108 atoms, of which neighborhoods are to be labeled, and these "
        "have 43 atoms and more; [label] max-atoms is 40: raise it",
    ),
    "executor-setup": ("initial =", "executor-setup = 'a'\ninitial =", "has no use for"),
}


@pytest.mark.parametrize("flag", ["", "--check"])
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_before_the_first_calculation(
    name: str,
    flag: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if name == "executor-setup" and flag:
        pytest.skip("a check starts no executor")
    before, after, words = BAD[name]
    assert before in SETTINGS
    monkeypatch.chdir(prepare(tmp_path, SETTINGS.replace(before, after)))
    assert main(["learn", "settings.toml", *filter(None, [flag])]) == 2
    assert words in capsys.readouterr().err
    assert not Path("run/labels").exists()
    assert not Path("calls").exists()


def test_a_folder_with_other_things_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(prepare(tmp_path))
    Path("run").mkdir()
    Path("run", "potential.mtp").write_text("of a training")
    assert main(["learn", "settings.toml"]) == 2
    assert "run is not empty, it has potential.mtp" in capsys.readouterr().err
    assert [path.name for path in Path("run").iterdir()] == ["potential.mtp"]


def test_labels_of_another_run_belong_together_with_those_of_the_same_settings(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(prepare(tmp_path))
    data = {"data": [str(finished / "run" / "learn.db")]}
    same = load_settings(Path("settings.toml"), data)
    assert len(read_data(same, print)) == len(calls(finished))
    other = replace(same, label={"calculator": "emt"})
    with pytest.raises(InputError, match=r"labeled with another calculator, function of \[label"):
        read_data(other, print)


@pytest.mark.parametrize(("function", "code"), [("label", 0), ("fails", 1)])
def test_check_labels_the_smallest_start_and_leaves_nothing(
    function: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prepare(tmp_path, SETTINGS.replace("labels.py:label", f"labels.py:{function}"))
    with (tmp_path / "labels.py").open("a") as file:
        file.write("\n\ndef fails(atoms):\n    raise RuntimeError('no license')\n")
    monkeypatch.chdir(tmp_path)
    assert main(["learn", "settings.toml", "--check"]) == code
    said = capsys.readouterr()
    assert ("the labeler works: 4 atoms" if not code else "no license") in said.out + said.err
    assert not Path("run").exists()


PSEUDOS = Path("/usr/share/espresso/pseudo")
SILICON = """
start = ["silicon.xyz"]
output = "run"
[label]
calculator = "espresso"
profile = {{ command = "pw.x", pseudo_dir = "{folder}" }}
[label.settings]
pseudopotentials = {{ Si = "{name}" }}
input_data = {{ tprnfor = true, tstress = true, ecutwfc = 12.0 }}
[train]
level = 4
[[explore]]
engine = "md"
"""


@pytest.mark.skipif(
    shutil.which("pw.x") is None or not (PSEUDOS / "Si.pz-vbc.UPF").exists(),
    reason="Quantum ESPRESSO is not installed",
)
def test_check_with_quantum_espresso(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bulk("Si").write(tmp_path / "silicon.xyz")
    monkeypatch.chdir(tmp_path)
    for name, code, words in (
        ("Si.pz-vbc.UPF", 0, "the labeler works: 2 atoms"),
        ("Si.pz.UPF", 2, "has no Si.pz.UPF; did you mean Si."),
    ):
        Path("settings.toml").write_text(SILICON.format(folder=PSEUDOS, name=name))
        assert main(["learn", "settings.toml", "--check"]) == code
        said = capsys.readouterr()
        assert words in said.out + said.err


# --- calculations that fail, without processes ---


class Here(Executor):
    """Does tasks of labeling at once, in this process."""

    def submit(self, _, /, folder, *arguments, **__) -> Future:  # type: ignore[override]  # noqa: ARG002
        future: Future = Future()
        future.set_result(label_in(Path(folder), tasks.content_of(Path(folder))))
        return future


FUNCTIONS = """
from dataclasses import replace
from pathlib import Path
from ase.calculators.emt import EMT

def label(atoms):
    atoms.calc = EMT()
    atoms.get_stress()
    return atoms

def wide(atoms):
    if atoms.cell[0, 0] > 4.0:
        raise RuntimeError("the cell is wide")
    return label(atoms)

def fails(atoms):
    raise RuntimeError("no license")
"""


def run_of(folder: Path, label: dict, count: int) -> Run:
    settings = LearnSettings(output=folder / "run", start=(), threads=1, label=label)
    (folder / "run").mkdir()
    store = Store(folder / "run" / "learn.db")
    for index in range(count):
        atoms = bulk("Cu", a=3.5 + 0.1 * index, cubic=True)
        store.add(atoms, state="queued", origin="start")
    return Run(settings, store, Here(), lambda _: None)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "labels.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_fails_is_tried_with_other_settings(place: Path) -> None:
    fallback = [{"function": "labels.py:fails"}, {"function": "labels.py:label"}]
    run = run_of(place, {"function": "labels.py:wide", "fallback": fallback}, 8)
    run.label_all()
    assert run.store.counts()["done"] == 8
    assert [entry.attempts for entry in run.store.entries()] == [1, 1, 1, 1, 1, 1, 3, 3]
    log = run.store.entries()[-1].log
    assert "attempt 1: labels.py:wide: RuntimeError: the cell is wide" in log
    assert "attempt 2: labels.py:fails: RuntimeError: no license" in log


def test_what_fails_always_is_set_aside_with_its_log_and_the_run_goes_on(place: Path) -> None:
    run = run_of(place, {"function": "labels.py:wide"}, 8)
    run.label_all()
    counts = run.store.counts()
    assert (counts["done"], counts["set-aside"]) == (6, 2)
    for entry in run.store.entries("set-aside"):
        assert entry.attempts == 2
        assert entry.log.count("the cell is wide") == 2
        assert entry.atoms.calc is None


@pytest.mark.parametrize("count", [1, 6])
def test_too_many_failures_stop_the_run_and_name_the_folder(count: int, place: Path) -> None:
    run = run_of(place, {"function": "labels.py:fails"}, count)
    with pytest.raises(
        MtpotError, match=r"could not be labeled.* in run/labels/|no license"
    ) as told:
        run.label_all()
    assert "no license" in str(told.value)
    assert str(Path("run", "labels")) in str(told.value)
    assert not run.store.counts()["done"]


def test_a_larger_share_of_failures_may_be_allowed(place: Path) -> None:
    run = run_of(place, {"function": "labels.py:fails", "max-failures": 1.0}, 6)
    run.label_all()
    assert run.store.counts()["set-aside"] == 6


def test_further_tries_take_the_settings_of_now(place: Path) -> None:
    """Their tasks were written before the run was stopped and the settings were changed."""
    fallback = [{"function": "labels.py:fails"}]
    run = run_of(place, {"function": "labels.py:wide", "fallback": fallback}, 8)
    entry = replace(run.store.entries()[-1], attempts=1)
    old = run._prepare(entry, set())
    label = {"function": "labels.py:wide", "fallback": [{"function": "labels.py:label"}]}
    changed = replace(run, settings=replace(run.settings, label=label))
    changed.label_all()
    assert run.store.counts()["done"] == 8
    names = [name for name in run.store.events("label") if name.startswith(f"{entry.id:06d}")]
    assert names == [f"{entry.id:06d}/1", f"{entry.id:06d}/2-2"]
    assert tasks.content_of(old)["label"]["function"] == "labels.py:fails"


def test_what_is_tried_again_has_folders_of_its_own(place: Path) -> None:
    run = run_of(place, {"function": "labels.py:wide", "max-failures": 1.0}, 7)
    run.label_all()
    (aside,) = run.store.entries("set-aside")
    (place / "labels.py").write_text(FUNCTIONS.replace("> 4.0", "> 9.0"))
    run.store.update(aside.id, "queued", attempts=0)
    run.label_all()
    assert run.store.counts()["done"] == 7
    assert (place / f"run/labels/{aside.id:06d}/1-2/label.extxyz").exists()


def test_a_grade_that_is_no_number_does_not_end_the_learning(place: Path) -> None:
    """A simulation that broke without a candidate is not one that knows everything."""
    run = run_of(place, {"function": "labels.py:label"}, 0)
    broken = tasks.Outcome("done", found={"ended": "break", "candidates": 0})
    with pytest.raises(MtpotError, match=r"000/md stopped .* in explored"):
        _take_exploration(run, "000/md", Path("explored"), broken)


def test_weights_and_groups_of_given_frames_count_in_training(place: Path) -> None:
    run = run_of(place, {"function": "labels.py:label"}, 0)
    atoms = bulk("Cu", cubic=True)
    atoms.calc = EMT()
    atoms.get_stress()
    atoms.info = {"weight": 0.5, "stress_weight": 0.0, "group": "solid", "trajectory": "a"}
    given = frame_from_atoms(atoms)
    add_data(run.store, [given])
    (frame,) = labeled_frames(run.store)
    for name in ("weights", "group", "trajectory", "energy"):
        assert getattr(frame, name) == getattr(given, name)


def test_a_simulation_that_failed_is_no_end(place: Path) -> None:
    """All that it found was set aside; another start of the run repeats it."""
    run = run_of(place, {"function": "labels.py:label"}, 0)
    run.store.set_fact("left", 1)
    failed = {"ended": "failed", "candidates": 1, "reason": "no result after 5 s"}
    run.store.record("exploration", "002/md", failed)
    with pytest.raises(MtpotError, match=r"002/md failed.*no result after 5 s; --resume"):
        _check_failed(run, 2)
    assert run.store.fact("position") == [2, "explore"]
    assert not run.store.events("exploration")


def test_calculations_elsewhere_are_waited_for_and_said_where(place: Path) -> None:
    run = run_of(place, {"exchange": "jobs"}, 2)
    with pytest.raises(WaitingForLabels, match=r"2 calculations wait in .*jobs: .* --resume"):
        run.label_all()
    assert run.store.counts()["running"] == 2
    assert len(list((place / "jobs").iterdir())) == 2
