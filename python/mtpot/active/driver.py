"""What every way of learning needs: a run folder with one driver, its store, and tasks that end."""

from __future__ import annotations

import os
import socket
import time
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.active import tasks
from mtpot.active.labelers import is_label_of, label_of, prepare_label
from mtpot.active.lock import take_lock
from mtpot.active.tasks import Outcome
from mtpot.active.wording import counted
from mtpot.errors import InputError, MtpotError
from mtpot.files import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from mtpot.active.settings import LearnSettings
    from mtpot.active.store import Entry, State, Store

    _Files = tuple[tuple[str, int, int], ...]

DATABASE, LOCK = "learn.db", "lock"
LABELS = "labels"
"""Folder in that of a run with one for each try of each structure, 000012/1."""
_LOST = 3
"""Times that a task is given to an executor whose workers are lost with it."""
_OPEN: tuple[State, ...] = ("queued", "running", "failed")
"""States of structures that have no label yet."""
_FEW = 4
"""Calculations that have to end before a share of failures means something."""


class WaitingForLabels(MtpotError):  # noqa: N818 - not an error
    """The run goes on when somebody has run the calculations in `places`."""

    def __init__(self, places: Sequence[Path]) -> None:
        self.places = places
        wait = counted(len(places), "calculation", "waits", "wait")
        super().__init__(
            f"{wait} in {places[0].parent}: run what is there, then mlp learn --resume goes on"
        )


@contextmanager
def only_driver(folder: Path) -> Iterator[None]:
    """Hold a run's folder; the system lets go of it with the process.

    Raises
    ------
    InputError
        Another process holds it; names it.
    """
    file = os.open(make_folder(folder) / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not take_lock(file, folder / LOCK) and not _soon(file, folder / LOCK):
            who = os.pread(file, 200, 0).decode(errors="replace").strip()
            raise InputError(
                f"{folder} is being worked on by {who or 'another process'}: wait for it, or end it"
            )
        os.ftruncate(file, 0)
        os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
    finally:
        os.close(file)


def _soon(file: int, path: Path) -> bool:
    """Try again: `--status` holds the lock for the moment in which it looks."""
    time.sleep(0.1)
    return take_lock(file, path)


@dataclass(frozen=True, slots=True)
class Run:
    """A learning run at work: what is asked, what is known, who does it, whom to tell."""

    settings: LearnSettings
    store: Store
    pool: Executor
    tell: Callable[[str], None]

    @property
    def folder(self) -> Path:
        """Where all of it lies."""
        return self.settings.output

    def tasks(
        self, folders: Iterable[Path], timeout: float | None = None
    ) -> Generator[tuple[Path, Outcome]]:
        """Give out tasks, as many at a time as there are workers; yield them as they end.

        When the caller closes it, whatever is running is stopped.
        """
        settings = self.settings
        share = settings.threads or os.cpu_count() or 1
        threads = max(1, share // settings.workers)
        running: dict[Future[Outcome], Path] = {}
        lost: dict[Path, int] = {}
        again: list[Path] = []
        rest = iter(folders)
        try:
            while True:
                while len(running) < settings.workers:
                    folder = again.pop() if again else next(rest, None)
                    if folder is None:
                        break
                    tasks.allow(folder)
                    given = (str(folder.absolute()), timeout, threads, str(Path.cwd()))
                    running[self.pool.submit(tasks.run, *given)] = folder
                if not running:
                    return
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    folder = running.pop(future)
                    outcome = _outcome(future)
                    if outcome.end == "lost" and lost.get(folder, 0) < _LOST:
                        lost[folder] = lost.get(folder, 0) + 1
                        again.append(folder)
                    else:
                        yield folder, outcome
        finally:
            for folder in running.values():
                tasks.stop(folder)

    def label_all(self) -> None:
        """Label what is queued, in the store; what cannot be labeled is set aside.

        Raises
        ------
        WaitingForLabels
            Calculations are left that run elsewhere.
        MtpotError
            Too many failed; names the last.
        """
        jobs: dict[int, Path] = {}  # folders of calculations elsewhere, by number of structure
        seen: dict[int, _Files] = {}  # what was in them when they were last looked at
        while entries := self.store.entries(*_OPEN):
            now = {number: _files_in(job) for number, job in jobs.items()}
            news = {number for number in jobs if now[number] != seen.get(number)}
            due = [each for each in entries if each.id in news or each.id not in jobs]
            jobs = {number: jobs[number] for number in jobs.keys() - news} | self._label(due)
            seen = now
            if jobs and len(jobs) == len(self.store.entries(*_OPEN)):
                self._wait(list(jobs.values()))

    def _label(self, entries: list[Entry]) -> dict[int, Path]:
        """Try each once; return the places of those that run elsewhere, by number of structure."""
        plan = self.settings.plan()
        taken = set(self.store.events("label"))
        by_folder = {self._prepare(entry, taken): entry for entry in entries}
        waiting: dict[int, Path] = {}
        with closing(self.tasks(self._marked(by_folder), plan.timeout)) as ended:
            for folder, outcome in ended:
                if outcome.end == "waiting":
                    waiting[by_folder[folder].id] = Path(outcome.reason)
                else:
                    self._take(by_folder[folder], folder, outcome)
        return waiting

    def _prepare(self, entry: Entry, taken: set[str]) -> Path:
        """Write the task of the next try, unless it is there.

        A folder whose result was taken, before the structure was to be tried again, or that has
        other settings, since those for further tries have changed, is left alone.
        """
        attempt = entry.attempts + 1
        table = self.settings.plan().table(self.settings.label, attempt)
        for version in count(1):
            name = f"{entry.id:06d}/{attempt}" + (f"-{version}" if version > 1 else "")
            folder = self.folder / LABELS / name
            if name in taken:
                continue
            if not tasks.is_prepared(folder) or is_label_of(folder, table):
                return prepare_label(folder, entry.atoms, table)
            tasks.stop(folder)
        raise AssertionError

    def _marked(self, by_folder: dict[Path, Entry]) -> Iterator[Path]:
        """Yield the tasks; whoever takes one begins with it."""
        for folder, entry in by_folder.items():
            self.store.update(entry.id, "running")
            yield folder

    def _take(self, entry: Entry, folder: Path, outcome: Outcome) -> None:
        """Record how a calculation ended."""
        attempts = entry.attempts + 1
        what: dict[str, Any] = {"seconds": outcome.seconds, "end": outcome.end, "row": entry.id}
        name = str(folder.relative_to(self.folder / LABELS))
        if outcome.end == "done":
            with self.store.transaction():
                self.store.update(entry.id, "done", label=label_of(folder), attempts=attempts)
                self.store.record("label", name, what)
            self.tell(f"label {entry.id}: {len(entry.atoms)} atoms  {outcome.seconds:.1f} s")
            return
        given_up = attempts >= self.settings.plan().attempts
        log = f"attempt {attempts}: {outcome.reason}\n{tasks.last_words(folder)}"
        with self.store.transaction():
            state: State = "set-aside" if given_up else "failed"
            self.store.update(entry.id, state, attempts=attempts, log=f"{entry.log}\n{log}".strip())
            self.store.record("label", name, {**what, "reason": outcome.reason})
        verb = "set aside" if given_up else "to be tried again"
        first = outcome.reason.splitlines()[0] if outcome.reason else outcome.end
        self.tell(f"label {entry.id}: {verb}: {first} (in {folder})")
        self._check_failures(folder, outcome)

    def _check_failures(self, folder: Path, outcome: Outcome) -> None:
        all_of_them, bad = self.store.calculated()
        limit = self.settings.plan().max_failures
        if bad and (bad == all_of_them == 1 or all_of_them >= _FEW) and bad > limit * all_of_them:
            raise MtpotError(
                f"{bad} of {all_of_them} structures could not be labeled, more than max-failures, "
                f"{limit:g}; the last one, in {folder}: {outcome.reason}"
            )

    def _wait(self, places: list[Path]) -> None:
        poll = self.settings.plan().poll
        if poll <= 0.0:
            raise WaitingForLabels(places)
        time.sleep(poll)


def _files_in(folder: Path) -> _Files:
    """Return what can be seen to change in a folder: its files, their sizes and times."""
    with suppress(OSError):  # it is being moved, say
        found = [(each.name, each.stat()) for each in os.scandir(folder)]
        return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in found))
    return ()


def _outcome(future: Future[Outcome]) -> Outcome:
    """Return how a task ended, also if its worker was lost."""
    try:
        return future.result()
    except (BrokenExecutor, OSError) as error:  # OSError: a connection; those of tasks are crashes
        return _lost(error)
    except Exception as error:
        if type(error).__name__ in ("KilledWorker", "WorkerLost", "ManagerLost"):
            return _lost(error)
        raise


def _lost(error: Exception) -> Outcome:
    return Outcome("lost", f"its worker was lost: {type(error).__name__}: {error}")
