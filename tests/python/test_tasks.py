"""Tasks end, whatever their processes do, and are done once, whoever was killed meanwhile.

The processes are those of `mtpot.active.worker`; what they do is Python code from the test.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtpot.active import driver, tasks
from mtpot.active.driver import Run, only_driver
from mtpot.active.settings import LearnSettings
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INTERPRETER = """#!{python}
import sys
from types import SimpleNamespace
from mtpot.active import worker
from mtpot.active.tasks import Outcome, begin_work

def act(folder, content):
    names = {{"folder": folder, "Outcome": Outcome, "begin_work": begin_work}}
    exec(content["code"], names)
    return names.get("outcome", Outcome("done"))

sys.modules["acts"] = SimpleNamespace(act=act)
worker.KINDS["act"] = ("acts", "act")
del sys.argv[:3]  # -P -m mtpot.active.worker
worker.main()
"""
ONCE_MORE = """
with open(folder / "count", "a") as file:
    file.write("x")
"""
CHILD = """
import os, signal, subprocess, time
child = subprocess.Popen(["sleep", "1000"])
(folder / "part").write_text(str(child.pid))
os.rename(folder / "part", folder / "child")
"""
DETACHED = """
import os, subprocess, time
if not (folder / "child").exists():
    (folder / "process").write_text(str(os.getpid()))
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    (folder / "part").write_text(str(child.pid))
    os.rename(folder / "part", folder / "child")
    time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "interpreter"
    script.write_text(INTERPRETER.format(python=sys.executable))
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


def task(folder: Path, code: str) -> str:
    return str(tasks.prepare(folder, "act", {"code": code}))


def count(folder: Path) -> int:
    return len((folder / "count").read_text())


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.time() + 60.0
    while not condition():
        assert time.time() < deadline
        time.sleep(0.02)


def child_of(folder: Path) -> int:
    wait_for((folder / "child").exists)
    return int((folder / "child").read_text())


def test_what_a_process_found_and_printed_is_there(tmp_path: Path) -> None:
    code = "print('words'); outcome = Outcome('done', found={'steps': 7})"
    outcome = tasks.run(task(tmp_path / "task", code))
    assert (outcome.end, outcome.found) == ("done", {"steps": 7})
    assert tasks.last_words(tmp_path / "task") == "words"


def test_a_task_given_again_is_done_once(tmp_path: Path) -> None:
    folder = task(tmp_path / "task", ONCE_MORE)
    first = tasks.run(folder)
    assert tasks.run(folder) == first
    assert count(tmp_path / "task") == 1


def test_a_task_given_to_two_at_a_time_is_done_once(tmp_path: Path) -> None:
    folder = task(tmp_path / "task", f"{ONCE_MORE}\nimport time; time.sleep(0.5)")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(tasks.run, [folder, folder])
    assert first == second
    assert count(tmp_path / "task") == 1


@pytest.mark.parametrize(
    ("code", "end", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "crashed", "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "crashed", "SIGSEGV"),
        ("import os; print('no space', flush=True); os._exit(3)", "crashed", "code 3\nno space"),
        ("import os; os._exit(0)", "crashed", "exit code 0"),
        ("raise SystemExit", "crashed", "exit code 0"),
        ("1 / 0", "failed", "ZeroDivisionError: division by zero"),
        ("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))", "crashed", "code 1"),
    ],
    ids=["killed", "segfault", "exit-3", "exit-0", "sys-exit", "raises", "full-disk"],
)
def test_a_process_without_result_is_told_of(
    code: str, end: str, reason: str, tmp_path: Path
) -> None:
    outcome = tasks.run(task(tmp_path / "task", code))
    assert outcome.end == end
    assert reason in outcome.reason


@pytest.mark.parametrize(
    ("code", "end"), [("os.kill(os.getpid(), 9)", "crashed"), ("", "done")], ids=["crash", "done"]
)
def test_no_program_outlives_its_task(code: str, end: str, tmp_path: Path) -> None:
    folder = tmp_path / "task"
    assert tasks.run(task(folder, CHILD + code)).end == end
    assert not is_alive(child_of(folder))


def timeouts(folder: Path) -> Iterator[float]:
    """More and more seconds, until a process has had the time to begin."""
    seconds = 1.0
    while not (folder / "child").exists():
        yield seconds
        seconds *= 2.0


def test_what_hangs_is_ended_with_the_programs_it_has_started(tmp_path: Path) -> None:
    folder = tmp_path / "task"
    task(folder, f"{CHILD}\ntime.sleep(1000)")
    for seconds in timeouts(folder):
        assert tasks.run(str(folder), seconds).end == "hung"
    assert not is_alive(child_of(folder))


def test_a_process_that_ignores_to_be_asked_is_ended(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"
    assert tasks.run(task(tmp_path / "task", code), timeout=2.0).end == "hung"


@pytest.mark.parametrize("content", ["", "{", '{"end": "done', '{"other": 1}', "[]", "\0\0"])
def test_a_damaged_result_is_none(content: str, tmp_path: Path) -> None:
    folder = tmp_path / "task"
    task(folder, ONCE_MORE)
    (folder / tasks.RESULT).write_text(content)
    assert tasks.run(str(folder)).end == "done"
    assert count(folder) == 1


@pytest.mark.parametrize(
    "name", ["with space", "; touch bad", "$(touch bad)", "'\"`&|>*?", "ä 原子"]
)
def test_names_of_folders_are_literal(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    code = "import subprocess; subprocess.run(['touch', folder / 'it is'], check=True)"
    assert tasks.run(task(folder, code)).end == "done"
    assert (folder / "it is").exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, "interpreter"])


def test_who_has_to_wait_is_asked_again(tmp_path: Path) -> None:
    folder = tmp_path / "task"
    code = "outcome = Outcome('done' if (folder / 'answer').exists() else 'waiting', 'there')"
    assert tasks.run(task(folder, code)).end == "waiting"
    (folder / "answer").touch()
    assert tasks.run(str(folder)).end == "done"


def test_a_crash_after_waiting_is_a_crash(tmp_path: Path) -> None:
    folder = tmp_path / "task"
    code = f"{ONCE_MORE}\nimport os\nif (folder / 'result.json').exists(): os._exit(1)\n"
    code += "if len((folder / 'count').read_text()) > 1: os._exit(1)\noutcome = Outcome('waiting')"
    assert tasks.run(task(folder, code)).end == "waiting"
    assert tasks.run(str(folder)).end == "crashed"


def test_a_task_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    task(tmp_path, "first")
    task(tmp_path, "second")
    assert tasks.content_of(tmp_path)["code"] == "first"


def killed_driver(folder: Path) -> None:
    """Begin a task in a process that is killed as soon as the task has a child."""
    other = get_context("fork").Process(target=tasks.run, args=(str(folder),))
    other.start()
    child_of(folder)
    other.kill()
    other.join()


def test_the_result_of_an_orphan_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "task"
    code = f"{ONCE_MORE}{CHILD}\nwhile not (folder / 'go').exists(): time.sleep(0.05)\n"
    task(folder, f"{code}outcome = Outcome('done', found={{'process': os.getpid()}})")
    killed_driver(folder)
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(tasks.run, str(folder))
        time.sleep(0.5)
        assert not again.done()
        (folder / "go").touch()
        assert again.result().end == "done"
    assert count(folder) == 1
    os.kill(child_of(folder), signal.SIGKILL)


def test_an_orphan_that_hangs_is_ended_and_the_task_done_again(tmp_path: Path) -> None:
    folder = tmp_path / "task"
    task(
        folder,
        f"if not (folder / 'again').exists():{CHILD}".replace("\n", "\n  ") + "time.sleep(1000)",
    )
    killed_driver(folder)
    orphan = child_of(folder)
    (folder / "again").touch()
    assert tasks.run(str(folder), timeout=8.0).end == "done"
    assert not is_alive(orphan)


def test_stop_ends_what_runs_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "task"
    tasks.stop(folder)
    task(folder, f"{CHILD}\ntime.sleep(1000)")
    tasks.stop(folder)
    tasks.allow(folder)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(tasks.run, str(folder))
        child = child_of(folder)
        tasks.stop(folder)
        assert ended.result().reason == "it was stopped"
    assert not is_alive(child)


@pytest.mark.parametrize("which", ["this", "other"])
def test_stop_ends_processes_of_this_task_whoever_started_them(which: str, tmp_path: Path) -> None:
    environment = {**os.environ, "MTPOT_TASK": str(tmp_path / which)}
    program = subprocess.Popen(["sleep", "1000"], start_new_session=True, env=environment)
    tasks.stop(tmp_path / "this")
    assert (program.poll() is None) is (which == "other")
    program.kill()
    program.wait()


def test_a_program_that_outlives_driver_and_process_is_ended_before_the_task_begins_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "task"
    task(folder, DETACHED)
    killed_driver(folder)
    os.kill(int((folder / "process").read_text()), signal.SIGKILL)
    program = child_of(folder)
    assert is_alive(program)
    assert tasks.run(str(folder)).end == "done"
    assert not is_alive(program)


def test_every_start_has_an_empty_folder_to_work_in(tmp_path: Path) -> None:
    folder = tmp_path / "task"
    code = """
work = begin_work(folder)
assert not any(work.iterdir())
(work / "part").touch()
outcome = Outcome("waiting")
"""
    assert tasks.run(task(folder, code)).end == "waiting"
    assert tasks.run(str(folder)).end == "waiting"
    assert [each.name for each in (folder / "work").iterdir()] == ["part"]
    assert (folder / "work-lost-1/part").exists()


def test_a_file_system_without_locks_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    folder = task(tmp_path / "task", "")
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(InputError, match="task/lock cannot be locked: No locks available"):
        tasks.run(folder)
    with pytest.raises(InputError, match="cannot be locked"), only_driver(tmp_path):
        pass


class Losing(Executor):
    """Loses its workers some times, as Parsl and Dask may."""

    def __init__(self, times: int) -> None:
        self.left = times

    def submit(self, function, /, *arguments, **_) -> Future:  # type: ignore[override]
        future: Future = Future()
        if self.left:
            self.left -= 1
            future.set_exception(BrokenExecutor("lost"))
        else:
            future.set_result(function(*arguments))
        return future


def run_of(folder: Path, pool: Executor, workers: int = 1) -> Run:
    settings = LearnSettings(output=folder, start=(), workers=workers, threads=1)
    return Run(settings, None, pool, print)  # type: ignore[arg-type]


@pytest.mark.parametrize(("times", "end"), [(2, "done"), (10, "lost")])
def test_a_task_whose_worker_is_lost_is_given_again(times: int, end: str, tmp_path: Path) -> None:
    folder = Path(task(tmp_path / "task", ""))
    run = run_of(tmp_path, Losing(times))
    assert [(each, outcome.end) for each, outcome in run.tasks([folder])] == [(folder, end)]


def test_what_still_runs_is_ended_when_nobody_listens(tmp_path: Path) -> None:
    quick, slow = tmp_path / "quick", tmp_path / "slow"
    task(quick, "import time\nwhile not (folder.parent / 'slow/child').exists(): time.sleep(0.1)")
    task(slow, f"{CHILD}\ntime.sleep(1000)")
    with (
        ThreadPoolExecutor(2) as pool,
        closing(run_of(tmp_path, pool, workers=2).tasks([quick, slow])) as ended,
    ):
        assert next(ended)[0] == quick
    assert not is_alive(child_of(slow))


def test_a_task_that_is_given_out_and_has_not_begun_ends_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, before the thread that has the task has started its process."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "task"
    task(folder, f"{CHILD}\ntime.sleep(1000)")
    monkeypatch.setattr(driver, "wait", interrupted)
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        list(run_of(tmp_path, pool).tasks([folder]))
    assert tasks.run(str(folder)).reason == "it was stopped"


def test_what_runs_on_another_machine_is_stopped(tmp_path: Path) -> None:
    """All that reaches it is a file."""
    folder = tmp_path / "task"
    task(folder, f"{CHILD}\ntime.sleep(1000)")
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(tasks.run, str(folder))
        child = child_of(folder)
        (folder / tasks.STOPPED).touch()
        assert ended.result().reason == "it was stopped"
    assert not is_alive(child)


def test_a_task_that_was_stopped_is_done_when_it_is_given_out_again(tmp_path: Path) -> None:
    folder = Path(task(tmp_path / "task", ""))
    tasks.stop(folder)
    with ThreadPoolExecutor(1) as pool:
        assert [outcome.end for _, outcome in run_of(tmp_path, pool).tasks([folder])] == ["done"]


@pytest.mark.parametrize("what", ["open", "Popen"])
def test_what_the_system_refuses_is_a_crash_and_no_lost_worker(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def refused(*_: object, **__: object) -> None:
        begun.append(what)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = Path(task(tmp_path / "task", ""))
    monkeypatch.setattr(*{"open": (os, "open"), "Popen": (subprocess, "Popen")}[what], refused)
    with ThreadPoolExecutor(1) as pool:
        ((_, outcome),) = run_of(tmp_path, pool).tasks([folder])
    assert outcome.end == "crashed"
    assert "No space left on device" in outcome.reason
    assert len(begun) == 1


def test_a_task_begins_in_the_current_folder_wherever_it_has_been_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os; outcome = Outcome('done', found={'place': os.getcwd()})"
    task(tmp_path / "run/task", code)
    (tmp_path / "run").rename(tmp_path / "moved")
    (tmp_path / "place").mkdir()
    monkeypatch.chdir(tmp_path / "place")
    with ThreadPoolExecutor(1) as pool:
        ((_, outcome),) = run_of(tmp_path, pool).tasks([tmp_path / "moved/task"])
    assert outcome.found == {"place": str(tmp_path / "place")}
