"""Several processes under mpirun give what one gives, and fail as one does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from parallel_cases import CASES, results
from test_thin import frames

from mtpot import MTP
from mtpot.cli import main_train
from mtpot.data.atoms import atoms_from_frame
from mtpot.data.write import write_atoms
from mtpot.errors import InputError
from mtpot.train.deal import cost_of, deal
from mtpot.train.launch import Place, join, place
from mtpot.train.loss import NormalEquations
from mtpot.train.processes import packed, unpacked

if TYPE_CHECKING:
    from mtpot.data.frame import Frame

    Results = dict[str, tuple[list[float], list[float]]]

pytest.importorskip("mpi4py")
BESIDE = Path(sys.executable).parent / "mpirun"
MPIRUN = str(BESIDE) if BESIDE.exists() else shutil.which("mpirun")
needs_mpirun = pytest.mark.skipif(MPIRUN is None, reason="there is no mpirun")

TRAINING = (
    "--level 8 --min-distance 1.9 --ridge 1e-4 --max-steps 40 --tolerance 0 --threads 1 "
    "--active-set none"
)
SAME = 1e-10
LOOSE = {"two species": 1e-7, "automatic ridge": 1e-7}
"""Equations that hardly determine some directions, and multiply rounding there: species whose
shares are the same in all frames, and the least ridge of all."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames."""
    return write(tmp_path_factory.mktemp("data") / "train.xyz", frames(("Si",), 5))


def write(path: Path, made: list[Frame]) -> Path:
    write_atoms(path, [atoms_from_frame(frame) for frame in made])
    return path


def command(data: Path, output: Path) -> list[str]:
    words = ["-m", "mtpot.cli", "train", "--data", str(data), "--output", str(output)]
    return [sys.executable, *words, *TRAINING.split()]


def run(words: list[str], processes: int = 1) -> subprocess.CompletedProcess[str]:
    """Run alone or under mpirun; what hangs is a failure."""
    together = [MPIRUN, "-n", str(processes)] if processes > 1 else []
    environment = os.environ | {"OMPI_MCA_rmaps_base_oversubscribe": "1"}
    return subprocess.run(
        [*together, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
    )


@pytest.fixture(scope="module")
def alone() -> Results:
    return results()


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What three processes find."""
    path = tmp_path_factory.mktemp("together") / "results.json"
    done = run([sys.executable, str(Path(__file__).with_name("parallel_cases.py")), str(path)], 3)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


@needs_mpirun
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.replace(" ", "-"))
def test_three_processes_train_as_one(case: str, alone: Results, together: Results) -> None:
    for mine, theirs in zip(alone[case], together[case], strict=True):
        size = np.abs(mine).max()
        np.testing.assert_allclose(theirs, mine, rtol=0, atol=LOOSE.get(case, SAME) * size)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output of the command on two processes."""
    output = tmp_path_factory.mktemp("whole") / "run"
    done = run(command(data, output), 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("frames: 5 training") == 1
    return output


@needs_mpirun
def test_the_command_writes_what_it_writes_alone(data: Path, whole: Path, tmp_path: Path) -> None:
    assert main_train(command(data, tmp_path)[4:]) == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        each.name for each in whole.iterdir()
    )
    alone, together = (MTP.load(each / "potential.mtp").parameters for each in (tmp_path, whole))
    np.testing.assert_allclose(together, alone, rtol=0, atol=SAME * np.abs(alone).max())
    metrics = json.loads((whole / "metrics.json").read_text())
    assert metrics["processes"] == 2


@needs_mpirun
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--levl", "8"], "did you mean --level?"),
        (["train", "--data", "none.xyz", "--output", "run"], "none.xyz: no such file"),
        (["evaluate", "a.mtp", "a.xyz"], "without mpirun"),
        (["train", "--data", "DATA", "--solver", "huber", "--output", "run"], "huber"),
        (["train", "--data", "DATA", "--energy-correlation", "0.5", "--output", "run"], "whole"),
    ],
    ids=["flag", "file", "command", "solver", "correlation"],
)
def test_bad_input_ends_all_with_one_message(
    words: list[str], said: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(data) if word == "DATA" else word for word in words]
    done = run([sys.executable, "-m", "mtpot.cli", *words], 2)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("error:") == 1
    assert not (tmp_path / "run").exists()


FAILING = """
import sys
from mpi4py import MPI
from mtpot.errors import InputError
from mtpot.train.messages import Messages
messages = Messages(MPI.COMM_WORLD)
def work():
    if messages.rank == 1:
        raise {failure}
try:
    messages.settle(work)
except InputError as error:
    print(f"first heard: {{error}}")
"""


@needs_mpirun
def test_the_first_process_hears_of_a_failure_of_another() -> None:
    done = run([sys.executable, "-c", FAILING.format(failure="InputError('Å too long')")], 3)
    assert done.returncode == 0
    assert done.stdout.strip() == "first heard: Å too long"


@needs_mpirun
def test_what_nobody_has_foreseen_ends_all() -> None:
    done = run([sys.executable, "-c", FAILING.format(failure="RuntimeError('a mistake')")], 3)
    assert done.returncode != 0
    assert "process 1 of 3 has failed" in done.stderr
    assert "a mistake" in done.stderr


@needs_mpirun
def test_interrupted_and_resumed_it_ends_as_undisturbed(
    data: Path, whole: Path, tmp_path: Path
) -> None:
    """Ctrl-C reaches every process; the same number of processes gives the same bits."""
    words = [MPIRUN, "-n", "2", *command(data, tmp_path)]
    started = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    for line in started.stdout:
        if line.startswith("step   3"):
            os.killpg(started.pid, signal.SIGINT)
            break
    assert "interrupted" in started.communicate(timeout=100)[0]
    assert started.returncode == 1
    assert run([*command(data, tmp_path), "--resume"], 2).returncode == 0
    ends = [(each / "potential.mtp").read_bytes() for each in (whole, tmp_path)]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_frames_are_dealt_once_and_evenly(count: int) -> None:
    costs = np.random.default_rng(1).uniform(1.0, 5.0, size=60)
    hands = deal(costs, count)
    assert sorted(np.concatenate(hands)) == list(range(60))
    burdens = [costs[hand].sum() for hand in hands]
    assert max(burdens) - min(burdens) <= costs.max()


def test_cost_grows_with_atoms_and_neighbors() -> None:
    (frame,) = frames(("Si",), 1)
    (larger,) = frames(("Si", "Si"), 1)
    assert cost_of(frame, 4.0) < cost_of(frame, 5.0) < cost_of(larger, 5.0)


def test_normal_equations_travel_as_half_of_their_matrix() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(9, 5))
    sent = NormalEquations(rows.T @ rows, rng.normal(size=5), 3.5)
    numbers = packed(sent)
    assert len(numbers) == 15 + 5 + 1
    received = unpacked(numbers, 5)
    np.testing.assert_array_equal(received.matrix, sent.matrix)
    np.testing.assert_array_equal(received.gradient, sent.gradient)
    assert received.loss == sent.loss


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"PMI_RANK": "0", "PMI_SIZE": "1"}, None),
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, (1, 2)),
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "8"}, (3, 8)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, None),  # a batch script
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "8"}, (0, 8)),
    ],
    ids=["alone", "one", "MPICH", "Open-MPI", "batch-script", "srun"],
)
def test_launchers_are_known_by_their_variables(
    variables: dict[str, str], expected: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in os.environ if n.startswith(("PMI_", "OMPI_", "MV2_", "SLURM_"))]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert place() == expected


def test_without_mpi4py_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(InputError, match=r"pip install 'mtpot\[mpi\]'"):
        join(Place(0, 2))
