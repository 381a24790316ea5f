"""Tasks run the same by every executor, and again if a worker is lost."""

from __future__ import annotations

import os
import runpy
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from mtpot.active.driver import Run, only_driver
from mtpot.active.executors import EXECUTORS, check_executor
from mtpot.active.labelers import label_of, prepare_label
from mtpot.active.settings import LearnSettings
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mtpot.active.tasks import Outcome

LABELS = """
import os, time
from pathlib import Path
from ase.calculators.emt import EMT

def label(atoms):
    atoms.calc = EMT()
    atoms.get_stress()
    return atoms

def slow(atoms):
    with open("../count", "a") as file:
        file.write("x")
    Path("part").write_text(str(os.getppid()))
    os.rename("part", "../worker")
    while not Path("../go").exists():
        time.sleep(0.05)
    return label(atoms)
"""
ENDLESS = """
import os, time
from pathlib import Path

Path(__file__).with_name(f"begun-{os.getpid()}").touch()
time.sleep(1000)
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


@pytest.fixture(scope="module", params=list(EXECUTORS))
def pool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """An executor with two workers; it leaves its files in its folder."""
    needs(request.param)
    folder = tmp_path_factory.mktemp("run")
    with chdir(folder), EXECUTORS[request.param](WORKERS, "", folder / "files") as made:
        made.name = request.param
        yield made
        assert {path.name for path in folder.iterdir()} <= {"files"}


def check_labels(outcomes: dict[Path, Outcome], folders: list[Path]) -> None:
    assert set(outcomes) == set(folders)
    for folder, outcome in outcomes.items():
        assert outcome.end == "done", outcome.reason
        atoms = label_of(folder)
        energy = atoms.get_potential_energy()
        atoms.calc = EMT()
        assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)


def test_results_are_those_of_the_tasks(pool, place: Path) -> None:
    folders = prepared(place, "label", 3)
    check_labels(dict(run_of(place, pool).tasks(folders)), folders)


def test_a_worker_that_is_killed_is_replaced_and_its_task_done_once(pool, place: Path) -> None:
    if pool.name == "processes":
        pytest.skip("its workers are threads of the driver")
    folders = prepared(place, "slow", 3)
    first = folders[0]
    for folder in folders[1:]:
        (folder / "go").touch()
    with ThreadPoolExecutor(1) as aside:
        outcomes = aside.submit(lambda: dict(run_of(place, pool).tasks(folders)))
        wait_for((first / "worker").exists)
        os.kill(int((first / "worker").read_text()), signal.SIGKILL)
        (first / "go").touch()
        check_labels(outcomes.result(), folders)
    assert [(folder / "count").read_text() for folder in folders] == ["x", "x", "x"]


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["parsl", "dask"])
def test_a_driver_that_is_killed_does_not_keep_others_out(executor: str, place: Path) -> None:
    """Its workers may outlive it for a while, but its lock does not."""
    needs(executor)
    driver = get_context("spawn").Process(target=drive, args=(executor, str(place)))
    driver.start()
    wait_for((place / "started").exists)
    driver.kill()
    driver.join()
    try:
        with only_driver(place):
            pass
    finally:
        end_all_in(place)


def end_all_in(folder: Path) -> None:
    """End processes that have a current folder: Parsl's own do not notice the loss of a driver."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").resolve() == folder and int(process.name) != os.getpid():
                os.kill(int(process.name), signal.SIGKILL)


def drive(executor: str, place: str) -> None:
    with only_driver(Path(place)), EXECUTORS[executor](1, "", Path(place, "run")) as pool:
        pool.submit(os.getpid).result()
        Path(place, "started").touch()
        time.sleep(1000)


@pytest.mark.parametrize("executor", ["parsl", "dask"])
def test_an_error_does_not_wait_for_what_nobody_can_stop(executor: str, place: Path) -> None:
    """As a calculation on another machine, until its timeout."""
    needs(executor)
    script = place / "script.py"
    script.write_text(ENDLESS)
    with suppress(KeyboardInterrupt), EXECUTORS[executor](WORKERS, "", place / "files") as pool:
        calls = [pool.submit(runpy.run_path, str(script)) for _ in range(WORKERS)]
        wait_for(lambda: len(list(place.glob("begun-*"))) == WORKERS)
        raise KeyboardInterrupt
    assert all(not call.done() or call.cancelled() or call.exception() for call in calls)


@pytest.mark.parametrize("executor", ["processes", "parsl"])
def test_a_setup_that_is_none_is_refused(executor: str, place: Path) -> None:
    needs(executor)
    with (
        pytest.raises(InputError, match="nowhere"),
        EXECUTORS[executor](1, "nowhere.py:config", place),
    ):
        pass


@pytest.mark.parametrize(
    ("executor", "setup", "message"),
    [
        ("processes", "cluster.py:config", "has no use for executor-setup"),
        ("parsl", "nowhere.py:config", "nowhere.py: no such file"),
        ("parsl", "labels.py:label", "labels.py:label is no parsl.Config but a function"),
        ("dask", "cluster.py:config", "no address of a Dask scheduler"),
        ("dask", "morse://host:8786", "no address of a Dask scheduler"),
    ],
)
def test_a_setup_that_cannot_be_is_seen_before_anything_begins(
    executor: str, setup: str, message: str, place: Path
) -> None:
    needs(executor)
    before = set(place.iterdir())
    with pytest.raises(InputError, match=message):
        check_executor(executor, setup)
    assert set(place.iterdir()) - before <= {place / "__pycache__"}


@pytest.mark.parametrize(
    ("executor", "setup"),
    [
        ("processes", ""),
        ("parsl", ""),
        ("dask", ""),
        ("dask", "tcp://host:8786"),
        ("dask", "host:8786"),
    ],
)
def test_a_setup_that_can_be_is_taken(executor: str, setup: str) -> None:
    needs(executor)
    check_executor(executor, setup)


def test_a_scheduler_that_does_not_answer_is_told_of(
    place: Path,
) -> None:
    needs("dask")
    import dask.config  # noqa: PLC0415 - it may be missing

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(InputError, match="9: no Dask scheduler answers"),
        EXECUTORS["dask"](1, "127.0.0.1:9", place),
    ):
        pass
