"""Tasks run the same by every executor, and again if a worker is lost."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from mtpot.active import tasks
from mtpot.active.driver import Run, only_driver
from mtpot.active.executors import EXECUTORS
from mtpot.active.labelers import label_of, prepare_label
from mtpot.active.settings import LearnSettings
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

LABELS = """
import os, time
from pathlib import Path
from ase.calculators.emt import EMT

def label(atoms):
    atoms.calc = EMT()
    atoms.get_stress()
    return atoms

def slow(atoms):
    with open("count", "a") as file:
        file.write("x")
    Path("part").write_text(str(os.getppid()))
    os.rename("part", "worker")
    while not Path("go").exists():
        time.sleep(0.05)
    return label(atoms)
"""
WORKERS = 2


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "labels.py").write_text(LABELS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def needs(executor: str) -> None:
    if executor != "processes":
        pytest.importorskip({"parsl": "parsl", "dask": "distributed"}[executor])


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.time() + 120.0
    while not condition():
        assert time.time() < deadline
        time.sleep(0.05)


def prepared(place: Path, function: str, count: int) -> list[Path]:
    return [
        prepare_label(
            place / f"task {k}",
            bulk("Cu", a=3.5 + 0.05 * k, cubic=True),
            {"function": f"labels.py:{function}"},
        )
        for k in range(count)
    ]


def run_of(place: Path, pool) -> Run:
    settings = LearnSettings(output=place, start=(), workers=WORKERS, threads=WORKERS)
    return Run(settings, None, pool, print)  # type: ignore[arg-type]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_results_are_those_of_the_tasks(executor: str, place: Path) -> None:
    needs(executor)
    folders = prepared(place, "label", 3)
    with EXECUTORS[executor](WORKERS, "", place / "run") as pool:
        outcomes = dict(run_of(place, pool).tasks(folders))
    assert set(outcomes) == set(folders)
    assert {path.name for path in place.iterdir()} <= {
        "labels.py",
        "__pycache__",
        "run",
        *(each.name for each in folders),
    }
    for folder, outcome in outcomes.items():
        assert outcome.end == "done", outcome.reason
        atoms = label_of(folder)
        energy = atoms.get_potential_energy()
        atoms.calc = EMT()
        assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)


@pytest.mark.parametrize("executor", ["parsl", "dask"])
def test_a_worker_that_is_killed_is_replaced_and_its_task_done_once(
    executor: str, place: Path
) -> None:
    needs(executor)
    slow, later = prepared(place, "slow", 2)
    (later / "go").touch()
    with EXECUTORS[executor](1, "", place / "run") as pool:
        first = pool.submit(tasks.run, str(slow))
        wait_for((slow / "worker").exists)
        os.kill(int((slow / "worker").read_text()), signal.SIGKILL)
        (slow / "go").touch()
        outcomes = dict(run_of(place, pool).tasks([slow, later]))
        first.exception()
    assert [outcome.end for outcome in outcomes.values()] == ["done", "done"]
    assert (slow / "count").read_text() == "x"


@pytest.mark.parametrize("executor", ["parsl", "dask"])
def test_a_driver_that_is_killed_does_not_keep_others_out(executor: str, place: Path) -> None:
    """Its workers may outlive it for a while, but its lock does not."""
    needs(executor)
    driver = get_context("spawn").Process(target=drive, args=(executor, str(place)))
    driver.start()
    wait_for((place / "started").exists)
    driver.kill()
    driver.join()
    with only_driver(place):
        pass


def drive(executor: str, place: str) -> None:
    with only_driver(Path(place)), EXECUTORS[executor](1, "", Path(place, "run")) as pool:
        pool.submit(os.getpid).result()
        Path(place, "started").touch()
        time.sleep(1000)


@pytest.mark.parametrize("executor", ["processes", "parsl"])
def test_a_setup_that_is_none_is_refused(executor: str, place: Path) -> None:
    needs(executor)
    with (
        pytest.raises(InputError, match="nowhere"),
        EXECUTORS[executor](1, "nowhere.py:config", place),
    ):
        pass
