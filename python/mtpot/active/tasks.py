"""Work in folders: a calculation or an exploration, in a process of its own.

A task is a folder with `task.json` (what to do) and structures. `run` starts a process for it,
waits, and returns what `result.json` says, which the process writes last. So a task can be given to
any executor as the name of its folder; one that is given twice, or again after a crash of whoever
waited for it, is done once: the process locks the folder, and a result that is there is taken.

The process and its programs write below `work`, which is new for every start. Their environment
names the task, by which they are found and ended, whoever has started them and is gone. A file
`stopped` tells whoever has the task, now or later and on any machine, to let it be.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil

from mtpot.active.lock import take_lock
from mtpot.files import make_folder, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TASK, RESULT, LOG, LOCK, STOPPED = "task.json", "result.json", "log.txt", "lock", "stopped"
WORK = "work"
"""Folder in that of a task for what its process and its programs write."""
_MARK = "MTPOT_TASK"
"""Variable of the environment that holds the task's folder."""
_TAIL = 2000
"""Characters of a log that a message shows."""
_GRACE = 1.0
"""Seconds between asking a process to end and ending it."""
_LOOK = 1.0
"""Seconds between looks whether a task is to be stopped."""
_PATIENCE = 10.0
"""Seconds in which what was ended has let go of its lock, if it ran on this machine."""

End = Literal["done", "failed", "waiting", "crashed", "hung", "lost"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended, why if it failed, and what it found.

    It failed if it says so itself, crashed if its process ended without a word, hung if it was
    ended after its time; it is waiting if somebody else has to do something first, and lost if its
    executor has no word of it.
    """

    end: End
    reason: str = ""
    seconds: float = 0.0
    found: dict[str, Any] = field(default_factory=dict)


_STOPPED = Outcome("crashed", "it was stopped")


def prepare(folder: Path, kind: str, content: Mapping[str, Any]) -> Path:
    """Write a task; one that is there already is left alone."""
    if not is_prepared(folder):
        write_atomic(make_folder(folder) / TASK, json.dumps({"kind": kind, **content}, indent=1))
    return folder


def is_prepared(folder: Path) -> bool:
    """Whether a task is there; a process that outlived its driver may be reading its files."""
    return (folder / TASK).exists()


def content_of(folder: Path) -> dict[str, Any]:
    """Return what `prepare` wrote."""
    content: dict[str, Any] = json.loads((folder / TASK).read_text())
    return content


def begin_work(folder: Path) -> Path:
    """Return an empty folder below that of the task for what its process and its programs write.

    What an earlier process has left is moved away; programs of it that run elsewhere go on writing
    there.
    """
    work = folder / WORK
    if work.exists() and any(work.iterdir()):
        places = (folder / f"{WORK}-lost-{number}" for number in count(1))
        work.rename(next(place for place in places if not place.exists()))
    work.mkdir(exist_ok=True)
    return work


def finish(folder: Path, outcome: Outcome) -> None:
    """Write the result of a task: the last that its process does."""
    write_atomic(folder / RESULT, json.dumps(asdict(outcome)), overwrite=True)


def discard(folder: Path) -> None:
    """Forget the result of a task, so that it is done again when it is given out again."""
    (folder / RESULT).unlink(missing_ok=True)


def run(
    folder: str, timeout: float | None = None, threads: int = 0, place: str | None = None
) -> Outcome:
    """Do the task in a folder, unless it is done; what the system refuses is a crash.

    Parameters
    ----------
    folder
        As `prepare` left it, on a file system that the worker shares.
    timeout
        Seconds after which the process and all that it has started are ended.
    threads
        For OpenMP in the process, unless the environment says otherwise; 0: all.
    place
        Folder in which the process begins: files that the task names are relative to it. The
        current one unless given.
    """
    where = Path(folder).absolute()
    try:
        return _run(where, timeout, threads, place)
    except OSError as error:  # of its own: those of an executor would mean a lost worker
        return Outcome("crashed", f"{where}: {type(error).__name__}: {error}")


def _run(folder: Path, timeout: float | None, threads: int, place: str | None) -> Outcome:
    with _locked(folder / LOCK, timeout) as lock:
        if _is_stopped(folder):
            return _STOPPED
        if lock is None:
            return Outcome("hung", f"a process on another machine has not let go of {folder}")
        done = _result(folder)
        if done is not None and done.end != "waiting":
            return done
        (folder / RESULT).unlink(missing_ok=True)
        _end_all_of(folder)  # programs of a process that was killed with whoever waited for it
        started = time.time()
        code = _exit_code(folder, timeout, _command(folder, threads, place, lock))
    return _result(folder) or _without_result(folder, timeout, code, time.time() - started)


def _without_result(
    folder: Path, timeout: float | None, code: int | None, seconds: float
) -> Outcome:
    if _is_stopped(folder):
        return _STOPPED
    if code is None:
        return Outcome("hung", f"no result after {timeout:g} s", seconds)
    return Outcome("crashed", f"{_ending(code)}\n{last_words(folder)}", seconds)


def _command(folder: Path, threads: int, place: str | None, lock: int) -> dict[str, Any]:
    """Return how the process of a task is started; it holds the lock as long as it lives."""
    return {
        # -P: files of the user beside which it begins are no modules of Python's.
        "args": [sys.executable, "-P", "-m", "mtpot.active.worker", str(folder)],
        "cwd": place,
        "env": _environment(threads) | {_MARK: str(folder)},
        "start_new_session": True,
        "pass_fds": [lock],
    }


def _exit_code(folder: Path, timeout: float | None, command: dict[str, Any]) -> int | None:
    """Start a process and wait for it; None if it was ended after its time, or stopped."""
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            **command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    end = time.monotonic() + (timeout or float("inf"))
    try:
        while not _is_stopped(folder) and (left := end - time.monotonic()) > 0.0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(min(_LOOK, left))
        return None
    finally:
        _end_all_of(folder)  # also the programs that a process leaves behind when it crashes
        process.wait()


def stop(folder: Path) -> None:
    """Stop a task: at once what runs of it on this machine, within moments what runs elsewhere.

    One that is given out and has not begun does not begin, until it is allowed again.
    """
    with contextlib.suppress(OSError):  # no space, no folder: what runs here is ended anyway
        (folder / STOPPED).touch()
    _end_all_of(folder)


def allow(folder: Path) -> None:
    """Let a task that was stopped be done."""
    (folder / STOPPED).unlink(missing_ok=True)


def _is_stopped(folder: Path) -> bool:
    return (folder / STOPPED).exists()


def _end_all_of(folder: Path) -> None:
    """End the processes of a task that run on this machine, and all that they have started.

    They are asked first: `mpirun` can end what it has started elsewhere only then.
    """
    asked = time.time()
    for process in _processes_of(folder):
        _signal(process, signal.SIGTERM)
    while left := _processes_of(folder):
        waited = time.time() - asked
        if waited > _PATIENCE:  # the system itself cannot end it
            return
        if waited > _GRACE:
            for process in left:
                _signal(process, signal.SIGKILL)
        time.sleep(0.05)


def _processes_of(folder: Path) -> list[psutil.Process]:
    """Return the processes of a task that run on this machine."""
    name = str(folder.absolute())
    found = psutil.process_iter(["environ", "status"])
    return [
        process
        for process in found
        if (process.info["environ"] or {}).get(_MARK) == name
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)


def last_words(folder: Path) -> str:
    """Return the end of a task's log."""
    try:
        return (folder / LOG).read_text(errors="replace")[-_TAIL:].strip()
    except OSError:
        return ""


@contextlib.contextmanager
def _locked(path: Path, timeout: float | None) -> Iterator[int | None]:
    """Hold the lock of a task; what still holds it after `timeout` is ended.

    None if that is of no use, since it runs on another machine, or if the task is stopped.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    begun = time.time()
    try:
        while not (taken := take_lock(file, path)):
            waited = time.time() - begun - (timeout or float("inf"))
            if waited > _PATIENCE or _is_stopped(path.parent):
                break
            if waited > 0.0:
                _end_all_of(path.parent)
            time.sleep(0.2)
        yield file if taken else None
    finally:
        os.close(file)


def _result(folder: Path) -> Outcome | None:
    """Return what the process of a task has found; None if there is nothing to be taken."""
    try:
        return Outcome(**json.loads((folder / RESULT).read_text()))
    except (FileNotFoundError, ValueError, TypeError):  # damaged: as good as none
        return None


def _environment(threads: int) -> dict[str, str]:
    count = str(threads or os.cpu_count() or 1)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, count) | dict(os.environ)


def _ending(code: int) -> str:
    if code >= 0:
        return f"the process ended with exit code {code}"
    return f"the process was ended by {signal.Signals(-code).name}"
