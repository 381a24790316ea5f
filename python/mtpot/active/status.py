"""Where a learning run stands, in words, also while it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mtpot.active import on_the_fly, tasks
from mtpot.active.driver import LABELS, LOCK
from mtpot.active.lock import holder_of
from mtpot.active.report.history import DOING, History
from mtpot.active.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mtpot.active.settings import LearnSettings
    from mtpot.active.store import Store

_LAST = 5
"""Calculations, trainings and iterations of explorations that are shown; the report has all."""


def status_of(store: Store, settings: LearnSettings) -> str:
    """Say where a run stands, who works on it and on what, and what it has come to."""
    history = History(store)
    parts = (_standing, _spent, _running, _trainings, _explorations, _aside)
    lines = [line for part in parts for line in part(history, settings)]
    return "\n".join(lines) + "\n"


def _standing(history: History, settings: LearnSettings) -> Iterator[str]:
    iteration, phase = history.position
    yield f"iteration {iteration}: {DOING.get(phase, phase)}"
    driver = holder_of(settings.output / LOCK)
    if driver is not None:
        yield f"at work: {driver or 'a process'}"
        return
    yield "at work: nobody" + ("" if phase == "finished" else "; --resume goes on")
    stopped = history.store.fact("stopped")
    if stopped and phase != "finished":
        yield f"stopped: {stopped}"


def _spent(history: History, settings: LearnSettings) -> Iterator[str]:
    yield f"structures: {states(history.store)}"
    failed = sum(event["end"] != "done" for event in history.labels)
    seconds = [event["seconds"] for event in history.labels]
    made = history.store.calculated()[0]
    words = f"labels: {made} of max-labels {settings.max_labels}, by "
    words += counted(len(seconds), "calculation")
    yield words + (f", of which {failed} gave none" if failed else "")
    if seconds:
        last = ", ".join(f"{each:.1f}" for each in seconds[-_LAST:])
        yield f"seconds of calculations: {sum(seconds):.1f} in all, the last {last}"
    yield f"iterations: {history.iterations} of max-iterations {settings.max_iterations}"
    simulation = history.store.fact(on_the_fly.SIMULATION)
    length = history.picoseconds if simulation is None else simulation["time"]
    if length:
        yield f"simulated: {length:g} ps"


def states(store: Store) -> str:
    """Count the structures of every state that has some."""
    return ", ".join(f"{count} {state}" for state, count in store.counts().items() if count)


def _running(history: History, settings: LearnSettings) -> Iterator[str]:
    """Name the tasks whose processes hold their locks."""
    iteration, _ = history.position
    labels = [f"{LABELS}/{each.id:06d}/*" for each in history.in_state("running")]
    for place in (*labels, f"explorations/{iteration:03d}*/*"):
        for lock in sorted(settings.output.glob(f"{place}/{tasks.LOCK}")):
            if holder_of(lock) is not None:
                yield f"running: {lock.parent}, for {_since(lock.parent)}"


def _since(folder: Path) -> str:
    """Say how long ago a task began; nothing else is put into its folder until it ends."""
    began = folder.stat().st_mtime
    clock = time.strftime("%H:%M:%S", time.localtime(began))
    return f"{max(0.0, time.time() - began):.0f} s (since {clock})"


def _trainings(history: History, _: LearnSettings) -> Iterator[str]:
    trainings = list(history.store.events("training").items())
    for name, event in trainings[-_LAST:]:
        errors = event["errors"]
        yield (
            f"training {name}: {counted(event['frames'], 'frame')}, "
            f"{1e3 * (errors['energy_rmse_per_atom'] or 0):.2f} meV/atom, "
            f"{errors['force_rmse'] or 0:.4f} eV/Å RMSE"
        )


def _explorations(history: History, _: LearnSettings) -> Iterator[str]:
    iteration, _phase = history.position
    for name, event in history.store.events("exploration").items():
        if int(name.partition("/")[0]) > iteration - _LAST:
            candidates = counted(event["candidates"], "candidate")
            yield f"exploration {name}: {event['ended']}, {candidates}"


def _aside(history: History, settings: LearnSettings) -> Iterator[str]:
    for entry in history.in_state("set-aside"):
        log = settings.output / history.log_of(entry)
        reason = history.reason_of(entry).partition("\n")[0]
        yield f"set aside: structure {entry.id} from {entry.origin}: {reason} (see {log})"
