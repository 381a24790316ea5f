"""A training that was killed and taken up again ends where an undisturbed one does."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import ase.io
import numpy as np
import pytest
from test_thin import frames, settings

from mtpot import MTP, FormatError, InputError
from mtpot.cli import main_train
from mtpot.cli import train as cli
from mtpot.data.atoms import atoms_from_frame
from mtpot.data.split import numbered
from mtpot.train import checkpoint as checkpoints
from mtpot.train.checkpoint import Checkpoint
from mtpot.train.solvers import quasi_newton
from mtpot.train.trainer import TrainingResult, train

if TYPE_CHECKING:
    from collections.abc import Callable

    from mtpot.data.frame import Frame
    from mtpot.train.monitor import Step
    from mtpot.train.settings import Settings

CASES = {
    "one stage": {"level": 8, "max_steps": 6},
    "few parameters": {"level": 12, "max_parameters": 30, "max_steps": 4},
    "two seeds": {"level": 6, "seeds": 2, "max_steps": 4},
    "early stopping": {"level": 8, "patience": 2, "max_steps": 12},
    "automatic ridge": {"level": 8, "ridge": "auto", "max_steps": 8},
    "regression": {"level": 8, "solver": "least-squares", "max_steps": 4},
    "warm-up": {"level": 8, "warm_up": 0.5, "max_steps": 3},
}


class Killed(BaseException):
    """Stands for kill -9: nothing may clean up after it."""


def killed_after(count: int) -> Callable[[Step], None]:
    """Progress that ends the process, so to speak, when so many steps were shown."""
    shown = 0

    def progress(step: Step) -> None:
        nonlocal shown
        shown += 1
        if shown > count:
            raise Killed(step.number)

    return progress


def resumed(path: Path, facts: dict[str, object]) -> Checkpoint:
    """As the command does: taken up if there is something to take up."""
    if not checkpoints.exists(path):
        return Checkpoint(path, facts)
    return checkpoints.resume(path, facts, lambda _: None)


def seldom(kills: int) -> int:
    """Steps to the next kill: every other one, and more later on."""
    return 1 + kills // 6


def killed_often(
    path: Path,
    chosen: Settings,
    data: tuple[list[Frame], list[Frame]],
    steps: Callable[[int], int] = seldom,
) -> tuple[int, TrainingResult]:
    """Kill the training after so many steps, again and again, and count how often."""
    facts = checkpoints.facts_of(chosen.as_dict(), data[0])
    for kills in range(200):
        try:
            return kills, train(chosen, *data, killed_after(steps(kills)), resumed(path, facts))
        except Killed:
            continue
    raise AssertionError("it does not come to an end")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.replace(" ", "-"))
def test_killed_after_every_step_it_ends_as_undisturbed(case: str, tmp_path: Path) -> None:
    chosen = settings(**CASES[case])
    data = data_for(chosen)
    kills, result = killed_often(tmp_path / "checkpoint", chosen, data)
    assert kills > 1
    check_same(result, train(chosen, *data))


def data_for(chosen: Settings) -> tuple[list[Frame], list[Frame]]:
    """Frames to train on and to set aside, the latter for early stopping."""
    every = frames(("Si",), 9)
    return (every[:6], every[6:]) if chosen.patience < 5 else (every, [])


def check_same(result: TrainingResult, whole: TrainingResult) -> None:
    assert (result.potential.parameters == whole.potential.parameters).all()
    assert (result.loss, result.stop, result.seed) == (whole.loss, whole.stop, whole.seed)
    assert result.chosen == whole.chosen
    assert [step.loss for step in result.steps] == [step.loss for step in whole.steps]


QUASI_NEWTON = {
    "bfgs": {"solver": "bfgs"},
    "l-bfgs": {"solver": "l-bfgs"},
    "automatic ridge": {"solver": "bfgs", "ridge": "auto"},
    "early stopping": {"solver": "bfgs", "patience": 4},
}


@pytest.mark.parametrize("case", QUASI_NEWTON, ids=lambda case: case.replace(" ", "-"))
def test_quasi_newton_goes_on_where_its_coordinates_were_renewed(
    case: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(quasi_newton, "ROUND", 3)
    chosen = settings(level=6, max_steps=14, **QUASI_NEWTON[case])
    data = data_for(chosen)
    kills, result = killed_often(tmp_path / "checkpoint", chosen, data, lambda _: 4)
    assert kills > 1
    check_same(result, train(chosen, *data))


@pytest.mark.parametrize("moment", [("seed 0", 1), ("seed 1", 0), ("seed 1", 2)], ids=str)
def test_interrupted_in_any_seed_it_goes_on_to_the_same_end(moment, tmp_path: Path) -> None:
    chosen, data = settings(level=6, seeds=3, max_steps=3), frames(("Si",))
    path = tmp_path / "checkpoint"
    facts = checkpoints.facts_of(chosen.as_dict(), data)

    def interrupt(step: Step) -> None:
        if (step.stage, step.number) == moment:
            raise KeyboardInterrupt

    stopped = train(chosen, data, (), interrupt, Checkpoint(path, facts))
    assert stopped.stop == "interrupted"
    check_same(train(chosen, data, checkpoint=resumed(path, facts)), train(chosen, data))


@pytest.mark.parametrize("seeds", [1, 2])
def test_resumed_with_fewer_seeds_the_best_is_one_of_them(seeds: int, tmp_path: Path) -> None:
    """Killed in the third seed, with a second one that has done better than the first."""
    chosen, data = settings(level=6, seeds=3, max_steps=3), frames(("Si",))
    path = tmp_path / "checkpoint"
    facts = checkpoints.facts_of(chosen.as_dict(), data)

    def progress(step: Step) -> None:
        if (step.stage, step.number) == ("seed 2", 1):
            raise Killed

    with pytest.raises(Killed):
        train(chosen, data, (), progress, Checkpoint(path, facts))
    fewer = dataclasses.replace(chosen, seeds=seeds)
    found = train(fewer, data, checkpoint=resumed(path, facts))
    whole = train(fewer, data)
    assert (found.seed, found.stop) == (seeds - 1, whole.stop)
    assert (found.potential.parameters == whole.potential.parameters).all()


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, dict[str, object]]:
    """A checkpoint of some steps, and the one before it."""
    path = tmp_path / "checkpoint"
    data = frames(("Si",))
    facts = checkpoints.facts_of(settings(level=6).as_dict(), data)
    train(settings(level=6, max_steps=3), data, checkpoint=Checkpoint(path, facts))
    return path, facts


def losses(path: Path, facts: dict[str, object], told: list[str]) -> list[float]:
    state = checkpoints.resume(path, facts, told.append).saved
    assert state is not None
    return [step.loss for step in state.steps]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "binary", "missing"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(saved, damage: str) -> None:
    path, facts = saved
    content = path.read_bytes()
    middle = len(content) // 2
    sound = losses(path, facts, [])
    damaged = {
        "truncated": content[:middle],
        "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "empty": b"",
        "binary": bytes(range(256)),
    }
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(damaged[damage])
    told: list[str] = []
    assert losses(path, facts, told) == sound[:-1]
    assert damage == "missing" or "is damaged" in told[0]


def test_a_damaged_checkpoint_never_replaces_the_sound_one_before(saved, monkeypatch) -> None:
    path, facts = saved
    path.write_bytes(path.read_bytes()[:40])
    checkpoint = checkpoints.resume(path, facts, lambda _: None)
    assert checkpoint.saved is not None
    write = checkpoints.write_atomic

    def full(target: Path, *content: object, **options: object) -> None:
        if target == path:
            raise InputError(f"{path} cannot be written: No space left on device")
        write(target, *content, **options)

    monkeypatch.setattr(checkpoints, "write_atomic", full)
    with pytest.raises(InputError, match="No space left"):
        checkpoint.save(checkpoint.saved)
    assert losses(path, facts, []) == [step.loss for step in checkpoint.saved.steps]


def test_two_damaged_checkpoints_are_a_format_error(saved) -> None:
    path, facts = saved
    for each in path.parent.iterdir():
        each.write_text("nothing")
    with pytest.raises(FormatError, match="overwrite starts anew"):
        checkpoints.resume(path, facts, lambda _: None)


def test_settings_that_differ_are_named_each(saved) -> None:
    path, facts = saved
    changed = json.loads(json.dumps(facts))
    changed["settings"].update(cutoff=6.0, force_weight=0.5, threads=2)
    with pytest.raises(InputError, match=r"force-weight was 0\.01, is 0\.5") as refused:
        checkpoints.resume(path, changed, lambda _: None)
    assert "cutoff was 5.0, is 6.0" in str(refused.value)
    assert "threads" not in str(refused.value)
    changed = facts | {"settings": facts["settings"] | {"tolerance": 0.5, "threads": 2}}
    told: list[str] = []
    checkpoints.resume(path, changed, told.append)
    assert sorted(told) == [
        "resumed with another setting: threads was 1, is 2",
        "resumed with another setting: tolerance was 0.0001, is 0.5",
    ]


def test_other_labels_are_another_training(saved) -> None:
    path, facts = saved
    data = frames(("Si",))
    data[2] = dataclasses.replace(data[2], energy=data[2].energy + 1e-12)
    changed = checkpoints.facts_of(settings(level=6).as_dict(), data)
    with pytest.raises(InputError, match="labels have changed"):
        checkpoints.resume(path, facts | {"data": changed["data"]}, lambda _: None)


@pytest.mark.parametrize(
    "change", [{"trajectory": "2"}, {"snapshot": 1}, {"group": "hot"}], ids=str
)
def test_frames_of_another_trajectory_are_another_training(saved, change: dict) -> None:
    path, _ = saved
    data = frames(("Si",))
    data[2] = dataclasses.replace(data[2], **change)
    changed = checkpoints.facts_of(settings(level=6).as_dict(), data)
    with pytest.raises(InputError, match="have changed"):
        checkpoints.resume(path, changed, lambda _: None)


def test_the_same_frames_in_other_files_are_the_same_training(saved) -> None:
    path, facts = saved
    moved = facts | {"settings": facts["settings"] | {"data": ["elsewhere/data.xyz"]}}
    told: list[str] = []
    assert checkpoints.resume(path, moved, told.append).saved is not None
    (line,) = told
    assert line.endswith("is ['elsewhere/data.xyz']")
    with pytest.raises(InputError, match=r"labels have changed \(data was .*elsewhere/data.xyz"):
        checkpoints.resume(path, moved | {"data": "other"}, lambda _: None)


@pytest.mark.parametrize("named", [numbered, list], ids=["trajectories-named", "unnamed"])
def test_files_may_be_renamed_but_not_merged(named) -> None:
    """Frames of one file are of one trajectory, whatever it is called."""

    def prints(*names: str) -> object:
        (frame,) = frames(("Si",), 1)
        data = [dataclasses.replace(frame, source=f"{name}:1") for name in names]
        return checkpoints.facts_of(settings().as_dict(), named(data))["data"]

    assert prints("a", "a", "b") == prints("c/a", "c/a", "c/b")
    assert prints("a", "a", "b") != prints("a", "b", "b")


def test_test_frames_may_change_on_the_way(saved) -> None:
    path, facts = saved
    data = frames(("Si",))
    changed = checkpoints.facts_of(settings(level=6).as_dict(), data, data[:2])
    assert changed["test"] != facts["test"]
    assert checkpoints.resume(path, changed, lambda _: None).saved is not None


def test_another_potential_in_the_file_of_the_start_is_another_training(tmp_path: Path) -> None:
    start = tmp_path / "start.mtp"
    MTP.new(6, ["Si"], 5.0, 1.9).save(start)
    chosen, data = settings(start=start, max_steps=1), frames(("Si",))
    path, facts = tmp_path / "checkpoint", checkpoints.facts_of(chosen.as_dict(), data)
    train(chosen, data, checkpoint=Checkpoint(path, facts))
    MTP.new(8, ["Si"], 5.0, 1.9).save(start, overwrite=True)
    changed = checkpoints.facts_of(chosen.as_dict(), data)
    with pytest.raises(InputError, match="the content of --start has changed"):
        checkpoints.resume(path, changed, lambda _: None)


@pytest.mark.parametrize("ended", ["resumed", "removed"])
def test_half_written_files_of_a_killed_process_go(saved, ended: str) -> None:
    path, facts = saved
    others = {path.parent / name for name in (".hidden", ".0123abcd-other", "checkpoint.more")}
    halves = {path.parent / f".0123abcd-{name}" for name in ("checkpoint", "checkpoint.previous")}
    for each in others | halves:
        each.write_text("half")
    checkpoint = checkpoints.resume(path, facts, lambda _: None)
    if ended == "removed":
        next(iter(halves)).write_text("half")
        checkpoint.remove()
    kept = {path, path.with_suffix(".previous")} if ended == "resumed" else set()
    assert set(path.parent.iterdir()) == others | kept


def test_a_full_disk_leaves_the_checkpoint_as_it_was(saved, monkeypatch) -> None:
    path, facts = saved
    before = losses(path, facts, [])
    checkpoint = checkpoints.resume(path, facts, lambda _: None)
    assert checkpoint.saved is not None

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left"):
        checkpoint.save(checkpoint.saved)
    assert losses(path, facts, []) == before


def command(folder: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "mtpot.cli", "train", "--data", str(folder / "data.xyz")),
        *("--level", "10", "--min-distance", "1.9", "--max-steps", "25", "--tolerance", "1e-9"),
        *("--threads", "1", "--active-set", "none", *more),
    ]


def write_data(folder: Path) -> None:
    images = [atoms_from_frame(frame) for frame in frames(("Si",), 22)]
    ase.io.write(folder / "data.xyz", images[:20])
    ase.io.write(folder / "test.xyz", images[20:])


def kill_until_done(line: list[str], rng: np.random.Generator, most: int) -> int:
    """Run the command, kill it at random moments, resume; the number of times it was killed."""
    for count in range(most):
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.communicate(timeout=rng.uniform(0.5, 1.5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        else:
            assert process.returncode == 0
            return count
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return most


def names_in(folder: Path) -> set[str]:
    """All files, hidden ones and those of the report as well."""
    return {str(each.relative_to(folder)) for each in folder.rglob("*")}


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_9_at_random_moments_changes_nothing(tmp_path: Path, kills: int) -> None:
    """As many trainings as it takes are killed so often in all."""
    write_data(tmp_path)
    whole = tmp_path / "whole"
    subprocess.run(command(tmp_path, "--output", str(whole)), check=True, stdout=subprocess.DEVNULL)
    rng = np.random.default_rng(0)
    left = kills
    for trial in range(kills):
        killed = tmp_path / f"killed{trial}"
        line = command(tmp_path, "--output", str(killed), "--resume")
        left -= kill_until_done(line, rng, left)
        assert (killed / "potential.mtp").read_bytes() == (whole / "potential.mtp").read_bytes()
        assert names_in(killed) == names_in(whole)
        if left == 0:
            return
    pytest.fail(f"{left} of {kills} kills came too late")


def test_the_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    write_data(tmp_path)
    for name in ("first", "second"):
        line = command(tmp_path, "--output", str(tmp_path / name), "--max-steps", "3")
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    first, second = ((tmp_path / name / "potential.mtp") for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_an_unfinished_training_is_neither_overwritten_nor_forgotten(tmp_path: Path) -> None:
    write_data(tmp_path)
    output = tmp_path / "run"
    line = command(tmp_path, "--output", str(output))
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    while "step   2" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate()
    assert process.returncode == 1
    assert "--resume goes on" in told
    assert (output / "potential.mtp").exists()
    refused = subprocess.run(line, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "--resume goes on with it" in refused.stderr
    subprocess.run([*line, "--resume"], check=True, stdout=subprocess.DEVNULL)
    again = subprocess.run([*line, "--resume"], capture_output=True, text=True, check=True)
    assert "nothing to resume" in again.stdout


def refusal(line: list[str]) -> str:
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    return done.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of a training that has come to its end, as a batch script would give it."""
    folder = tmp_path_factory.mktemp("finished")
    write_data(folder)
    more = ("--test", str(folder / "test.xyz"), "--max-steps", "2", "--resume")
    line = command(folder, "--output", str(folder / "run"), *more)
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return line


def test_a_finished_training_names_what_is_asked_for_otherwise(finished: list[str]) -> None:
    error = refusal([*finished, "--level", "8", "--max-steps", "3", "--ridge", "1e-8"])
    for each in ("level was 10, is 8", "max-steps was 2, is 3", "ridge was 1e-10, is 1e-08"):
        assert each in error
    line = [*finished, "--threads", "2"]
    again = subprocess.run(line, capture_output=True, text=True, check=True)
    assert "nothing to resume" in again.stdout


@pytest.mark.parametrize("flag", ["--data", "--test"])
def test_a_finished_training_notices_other_labels(finished: list[str], flag: str) -> None:
    data = Path(finished[finished.index(flag) + 1])
    content = data.read_bytes()
    images = ase.io.read(data, ":")
    images[0].calc.results["energy"] += 0.1
    ase.io.write(data, images)
    assert f"the frames of {flag} or their labels have changed" in refusal(finished)
    data.write_bytes(content)


def test_a_finished_training_is_known_by_its_frames_wherever_they_are(
    finished: list[str], tmp_path: Path
) -> None:
    line = list(finished)
    for flag in ("--data", "--test"):
        place = line.index(flag) + 1
        line[place] = shutil.copy(line[place], tmp_path)
    again = subprocess.run(line, capture_output=True, text=True, check=True)
    assert "nothing to resume" in again.stdout


@pytest.mark.parametrize("solver", ["variable-projection", "bfgs"])
@pytest.mark.parametrize("moment", ["save_active_set", "_save_metrics"])
def test_stopped_after_the_potential_is_written_the_rest_is_made_up_for(
    solver: str, moment: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    write_data(tmp_path)
    output = tmp_path / "run"
    line = command(tmp_path, "--output", str(output), "--level", "4", "--max-steps", "2")[4:]
    line += ["--solver", solver, "--active-set", "nbh"]
    with monkeypatch.context() as patched:
        patched.setattr(cli, moment, lambda *_: signal.raise_signal(signal.SIGTERM))
        assert main_train(line) == 1
    assert "--resume completes it" in capsys.readouterr().out
    potential = (output / "potential.mtp").read_bytes()
    assert not (output / "metrics.json").exists()
    assert main_train([*line, "--resume"]) == 0
    assert (output / "potential.mtp").read_bytes() == potential
    names = {"potential.mtp", "potential.almtp", "metrics.json", "report"}
    assert {each.name for each in output.iterdir()} == names


def test_what_came_of_other_settings_is_not_taken_for_the_result(
    finished: list[str], tmp_path: Path
) -> None:
    output = Path(finished[finished.index("--output") + 1])
    shutil.copytree(output, tmp_path / "run")
    line = [*finished, "--output", str(tmp_path / "run"), "--level", "8", "--overwrite"]
    for told in ("see ", "nothing to resume"):
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        assert told in done.stdout.splitlines()[-1]
    assert MTP.load(tmp_path / "run" / "potential.mtp").level == 8
    (tmp_path / "run" / "metrics.json").unlink()
    assert "does not tell what it was trained on" in refusal(line[:-1])
