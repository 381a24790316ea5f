"""Work in folders: a calculation or an exploration, in a process of its own.

A task is a folder with `task.json` (what to do) and structures. `run` starts a process for it,
waits, and returns what `result.json` says, which the process writes last. So a task can be given to
any executor as the name of its folder; one that is given twice, or again after a crash of whoever
waited for it, is done once: the process locks the folder, and a result that is there is taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mtpot.files import make_folder, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TASK, RESULT, LOG, LOCK = "task.json", "result.json", "log.txt", "lock"
_TAIL = 2000
"""Characters of a log that a message shows."""
_GRACE = 1.0
"""Seconds between asking a process to end and ending it."""

End = Literal["done", "failed", "waiting", "crashed", "hung"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended, why if it failed, and what it found.

    It failed if it says so itself, crashed if its process ended without a word, hung if it was
    ended after its time; it is waiting if somebody else has to do something first.
    """

    end: End
    reason: str = ""
    seconds: float = 0.0
    found: dict[str, Any] = field(default_factory=dict)


def prepare(folder: Path, kind: str, content: Mapping[str, Any]) -> Path:
    """Write a task; one that is there already is left alone.

    Files that it names are relative to the current folder, wherever its process begins.
    """
    if not is_prepared(folder):
        task = {"kind": kind, "place": str(Path.cwd()), **content}
        write_atomic(make_folder(folder) / TASK, json.dumps(task, indent=1))
    return folder


def is_prepared(folder: Path) -> bool:
    """Whether a task is there; a process that outlived its driver may be reading its files."""
    return (folder / TASK).exists()


def content_of(folder: Path) -> dict[str, Any]:
    """Return what `prepare` wrote."""
    content: dict[str, Any] = json.loads((folder / TASK).read_text())
    return content


def finish(folder: Path, outcome: Outcome) -> None:
    """Write the result of a task: the last that its process does."""
    write_atomic(folder / RESULT, json.dumps(asdict(outcome)), overwrite=True)


def discard(folder: Path) -> None:
    """Forget the result of a task, so that it is done again when it is given out again."""
    (folder / RESULT).unlink(missing_ok=True)


def run(folder: str, timeout: float | None = None, threads: int = 0) -> Outcome:
    """Do the task in a folder, unless it is done.

    Parameters
    ----------
    folder
        As `prepare` left it, on a file system that the worker shares.
    timeout
        Seconds after which the process and all that it has started are ended.
    threads
        For OpenMP in the process, unless the environment says otherwise; 0: all.
    """
    place = Path(folder)
    with _locked(place / LOCK, timeout) as lock:
        done = _result(place)
        if done is not None and done.end != "waiting":
            return done
        (place / RESULT).unlink(missing_ok=True)
        started = time.time()
        with (place / LOG).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - this interpreter, with a folder of ours
                [sys.executable, "-m", "mtpot.active.worker", folder],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(threads),
                start_new_session=True,
                pass_fds=[lock],  # held as long as the process lives, whatever becomes of this one
            )
        os.pwrite(lock, f"{process.pid} {socket.gethostname()}".encode(), 0)
        try:
            code: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process.pid)  # also the programs that a process leaves behind when it crashes
            process.wait()
    seconds = time.time() - started
    done = _result(place)
    if done is not None:
        return done
    if code is None:
        return Outcome("hung", f"no result after {timeout:g} s", seconds)
    return Outcome("crashed", f"{_ending(code)}\n{last_words(place)}", seconds)


def stop(folder: Path) -> None:
    """End the process of a task on this machine, with all that it has started."""
    try:
        with (folder / LOCK).open("r+b") as file:
            if _is_free(file.fileno()):
                return
            number, _, host = file.read().decode().partition(" ")
    except OSError:
        return
    if number and host == socket.gethostname():
        _end(int(number))


def last_words(folder: Path) -> str:
    """Return the end of a task's log."""
    try:
        return (folder / LOG).read_text(errors="replace")[-_TAIL:].strip()
    except OSError:
        return ""


@contextlib.contextmanager
def _locked(path: Path, timeout: float | None) -> Iterator[int]:
    """Hold the lock of a task; what still holds it after `timeout` is ended."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.time() + (timeout or float("inf"))
    try:
        while not _is_free(file):
            if time.time() > deadline:
                stop(path.parent)
            time.sleep(0.2)
        os.ftruncate(file, 0)  # who held it before is nobody to end
        yield file
    finally:
        os.close(file)


def _is_free(file: int) -> bool:
    """Take the lock, if nobody has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


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


def _end(process: int) -> None:
    """End a process, which leads a session, and the programs it has started.

    `mpirun` can end what it has started elsewhere only if it is asked first.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGTERM)
        time.sleep(_GRACE)
        os.killpg(process, signal.SIGKILL)


def _ending(code: int) -> str:
    if code >= 0:
        return f"the process ended with exit code {code}"
    return f"the process was ended by {signal.Signals(-code).name}"
