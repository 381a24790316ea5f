"""A learning run as a whole: begun, checked, gone on with, looked at."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.active import on_the_fly, tasks
from mtpot.active.choice import check_room
from mtpot.active.driver import DATABASE, LOCK, Run, only_driver
from mtpot.active.executors import EXECUTORS, check_executor
from mtpot.active.explorers import explorers_of
from mtpot.active.hull import changes
from mtpot.active.hull import learning as hull
from mtpot.active.labelers import labeler_of, prepare_label
from mtpot.active.loop import learn, read_data, read_starts
from mtpot.active.plan import method_of, underscored
from mtpot.active.report import write_report
from mtpot.active.status import states, status_of
from mtpot.active.store import Store, digest_of
from mtpot.active.wording import counted
from mtpot.data import check_format, write_atoms
from mtpot.data.atoms import frame_from_atoms
from mtpot.data.check import elements_of
from mtpot.data.read import iterate_atoms
from mtpot.data.sets import iterate_sets
from mtpot.errors import InputError, MtpotError
from mtpot.files import check_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ase import Atoms

    from mtpot.active.settings import LearnSettings

MODES: dict[str, Callable[[Run], None]] = {
    "iterations": learn,
    "on-the-fly": on_the_fly.learn,
    "hull": hull.learn,
}
"""Ways of learning, by the setting `mode`; each goes on from where the store says it is."""
CHECKS: dict[str, Callable[[LearnSettings], object]] = {
    "on-the-fly": on_the_fly.simulation_of,
    "hull": hull.check,
}
"""What some of them refuse besides, before anything is calculated."""

FIRST: dict[str, Callable[[LearnSettings], Sequence[Atoms]]] = {"hull": hull.first_structures}
"""What some of them label first, with copies; the others what stands in `start`."""

_KEEPS = 'a run keeps what it began with (data = ["RUN/learn.db"] takes labels to another)'
_FIXED = {
    "label": "labels would not belong together",
    "start": _KEEPS,
    "data": _KEEPS,
    "mode": _KEEPS,
}
"""Settings that make a run what it is, and why; all others may change on the way."""


def work(
    settings: LearnSettings,
    tell: Callable[[str], None],
    *,
    resume: bool = False,
    retry: bool = False,
) -> None:
    """Begin a run, or go on with it, until it is finished; leave a report of it.

    Parameters
    ----------
    settings, tell
        What is asked, and whom to tell of it, line by line.
    resume, retry
        Go on with the run in the output folder; label once more what has been set aside.

    Raises
    ------
    InputError
        Something is missing or does not fit, the folder holds a run that is not to be resumed or
        that is another, or another process works on it.
    WaitingForLabels
        The run goes on when calculations have been run elsewhere.
    MtpotError
        The run stopped before its end.
    """
    path = settings.output / DATABASE
    if not resume and _has_begun(path):
        raise InputError(
            f"{settings.output} holds a learning run: --resume goes on with it; or choose another "
            "--output"
        )
    if resume and not path.exists():
        raise InputError(f"{settings.output} holds no learning run: begin one without --resume")
    if not path.exists():
        _check_folder(settings.output)
    look(settings)
    if not resume:
        _look_at_beginning(settings, lambda _: None)  # it is told of when it begins
    with only_driver(settings.output), _open(settings, tell) as store, _reported(store, tell):
        make = EXECUTORS[settings.executor]
        with make(settings.workers, settings.executor_setup, settings.output) as pool:
            run = Run(settings, store, pool, tell)
            if retry:
                try_again(run)
            MODES[settings.mode](run)
        tell(f"{settings.output / 'potential.almtp'}: {states(store)}")


def _check_folder(folder: Path) -> None:
    """Refuse to begin in a folder that holds other things: a training's potential, say."""
    others = {path.name for path in folder.iterdir()} - {LOCK, DATABASE} if folder.is_dir() else ()
    if others:
        some = ", ".join(sorted(others)[:3])
        raise InputError(
            f"output: {folder} is not empty, it has {some}: choose a folder of its own for the run"
        )


def _has_begun(path: Path) -> bool:
    """Whether a record says where its run stands; one without was left when nothing could begin."""
    return path.exists() and Store(path).fact("position") is not None


def try_again(run: Run) -> None:
    """Queue what has been set aside, and let the run label it, whatever it was doing.

    An iteration that was begun is not repeated with another training set: the next one begins. On
    the fly only what the simulation stands at is of use: it has gone on without the others.
    """
    store = run.store
    iteration, phase = store.fact("position", (0, "label"))
    if run.settings.mode == "hull" and store.counts()["set-aside"]:
        changes.try_again(run)
    with store.transaction():
        if run.settings.mode == "on-the-fly":
            count = store.retry(since=iteration) if phase == "label" else 0
        else:
            count = store.retry()
        if count and phase != "label":
            store.set_fact("position", (iteration + 1, "label"))
    run.tell(f"{counted(count, 'structure')} to be tried again")


@contextmanager
def _open(settings: LearnSettings, tell: Callable[[str], None]) -> Iterator[Store]:
    """Open the store, and compare its settings with these if the run has begun."""
    store = Store(settings.output / DATABASE)
    now = json.loads(json.dumps(settings.as_dict()))
    with store.transaction():
        if store.fact("position") is not None:
            before = store.fact("settings")
            changed = _compare(before, now, tell)
            store.set_fact("changed", sorted({*store.fact("changed", []), *changed}))
        store.set_fact("settings", now)
    yield store


@contextmanager
def _reported(store: Store, tell: Callable[[str], None]) -> Iterator[None]:
    """Write the report when the block ends, also if it ends early, which the store keeps."""
    store.set_fact("stopped", None)
    try:
        yield
    except MtpotError as error:
        with suppress(MtpotError):  # the disk may be full, which is why it stopped
            store.set_fact("stopped", str(error))
        _try_report(store, tell)
        raise
    _try_report(store, tell)


def _try_report(store: Store, tell: Callable[[str], None]) -> None:
    """Write the report; without one a run is what it was."""
    try:
        tell(f"see {write_report(store)}")
    except MtpotError as error:
        tell(f"no report: {error}")


def _compare(before: dict[str, Any], now: dict[str, Any], tell: Callable[[str], None]) -> list[str]:
    """Return the settings that have changed; refuse those that must not."""
    changed = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if name == "label":
            old, new = _differing(method_of(old or {}), method_of(new or {}))
        if old == new or name == "output":
            continue
        key = name.replace("_", "-")
        if name in _FIXED:
            raise InputError(
                f"the run was begun with {key} = {json.dumps(old)}, not {json.dumps(new)}: "
                f"{_FIXED[name]}. Give what it had, or another --output"
            )
        if name == "explore" and before.get("mode") == now["mode"] == "hull":
            changes.check_tables(before[name], now[name])
        tell(f"{key}: {json.dumps(old)} is now {json.dumps(new)}")
        changed += _hull_keys(before[name], now[name]) if name == "hull" else [name]
    return changed


def _hull_keys(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Name what has changed in the table [hull], each key of which tells of another phase."""
    old, new = underscored(old), underscored(new)
    return [f"hull.{key}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)]


def _differing(old: dict[str, Any], new: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return of each what the other has not."""
    return (
        {key: value for key, value in old.items() if new.get(key) != value},
        {key: value for key, value in new.items() if old.get(key) != value},
    )


def look(settings: LearnSettings) -> None:
    """Refuse what can be seen to be wrong without a calculation.

    Raises
    ------
    InputError
        A program, file or setting is missing or does not fit; names it.
    """
    check_executor(settings.executor, settings.executor_setup)
    starts = read_starts(settings)
    plan = settings.plan()
    for attempt in range(1, plan.attempts + 1):
        labeler_of(plan.table(settings.label, attempt)).check()
    if settings.mode in CHECKS:
        CHECKS[settings.mode](settings)
    for explorer in explorers_of(settings):
        explorer.check(starts)
    _check_elements(settings, starts)
    largest = max(len(atoms) for atoms in starts)
    if largest > settings.plan().max_atoms:
        raise InputError(
            f"start: a structure of {largest} atoms cannot be labeled, [label] max-atoms is "
            f"{settings.plan().max_atoms}; give a small cell and repeat it in [[explore]]"
        )
    check_room(settings, starts)


def _look_at_beginning(settings: LearnSettings, tell: Callable[[str], None]) -> None:
    """Refuse what stands in the way of a run that has not begun."""
    read_data(settings, tell)
    first = FIRST.get(settings.mode, read_starts)(settings)
    count = len({digest_of(atoms) for atoms in first})
    due = count * (1 + settings.initial)
    if due > settings.max_labels:
        raise InputError(
            f"max-labels {settings.max_labels} is less than the {due} calculations that the run "
            f"begins with, {counted(count, 'structure')} and initial = {settings.initial} copies "
            "of each: raise it, lower initial, or give fewer structures"
        )


def _check_elements(settings: LearnSettings, starts: Sequence[Atoms]) -> None:
    """Refuse elements that the potential will not know, or that have no pseudopotential."""
    found = {"start": {symbol for atoms in starts for symbol in atoms.symbols}}
    bringing = {
        f"[[explore]] {number} {table['engine']}": explorer
        for number, (table, explorer) in enumerate(
            zip(settings.explore, explorers_of(settings), strict=True), start=1
        )
        if explorer.brings_structures
    }
    given = settings.training((), settings.output).species
    if given:
        found["data"] = set(elements_of(iterate_sets(settings.data)))
    known = given or (_elements_at_hand(settings, starts) if bringing else tuple(found["start"]))
    found |= {where: explorer.elements(known) for where, explorer in bringing.items()}
    if given or settings.mode != "hull":  # which takes its elements from what explorers bring
        way_out = "add it to [train] species" if given else "add a structure with it to start"
        for where, elements in found.items():
            _refuse_unknown(elements - set(known), where, way_out)
    calculated = (elements for where, elements in found.items() if where != "data")
    _check_pseudopotentials(settings, set().union(*calculated))


def _elements_at_hand(settings: LearnSettings, starts: Sequence[Atoms]) -> tuple[str, ...]:
    """Elements of the potential, unless its training has a setting for them."""
    return elements_of(chain(map(frame_from_atoms, starts), iterate_sets(settings.data)))


def _refuse_unknown(elements: set[str], where: str, way_out: str) -> None:
    if elements:
        names = ", ".join(sorted(elements))
        raise InputError(
            f"{where}: its structures have {names}, which the potential will not know: {way_out}"
        )


def _check_pseudopotentials(settings: LearnSettings, elements: set[str]) -> None:
    """Refuse elements without one, where the calculator has a table of them."""
    table = settings.label.get("settings", {}).get("pseudopotentials")
    missing = sorted(elements - set(table)) if isinstance(table, dict) else []
    if missing:
        raise InputError(
            f"[label] settings pseudopotentials: there is none for {', '.join(missing)}"
        )


def check(settings: LearnSettings, tell: Callable[[str], None]) -> None:
    """Look for all that is needed, and label the smallest starting structure to see it work.

    Of calculations that run elsewhere the inputs are written, to see that as well. Nothing is left
    of it, except a calculation that failed.

    Raises
    ------
    InputError
        As `look`, or frames of the data have no labels.
    MtpotError
        The calculation gives no label; says why, and where it lies.
    """
    look(settings)
    _look_at_beginning(settings, tell)
    with _scratch() as place:
        tell(_tried(settings, place))


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder that goes with the block; what has failed in it stays to be looked at."""
    place = Path(tempfile.mkdtemp(prefix="mtpot-check-"))
    kept = False
    try:
        yield place
    except MtpotError as error:
        kept = True
        raise MtpotError(f"{error}\nwhat it wrote is in {place}") from error
    finally:
        if not kept:
            shutil.rmtree(place)


def _tried(settings: LearnSettings, place: Path) -> str:
    """Label the smallest starting structure in a folder, and say what came of it."""
    atoms = min(read_starts(settings), key=len)
    table = settings.plan().table(settings.label, 1)
    jobs = table.get("exchange")
    if jobs is not None:
        table["exchange"] = str(place / "exchange")
    folder = prepare_label(place / "label", atoms, table)
    outcome = tasks.run(str(folder), settings.plan().timeout, settings.threads)
    if outcome.end == "waiting":
        names = ", ".join(sorted(path.name for path in Path(outcome.reason).iterdir()))
        return (
            f"inputs can be written: {names}; {jobs} is left as it was, and nothing is calculated"
        )
    if outcome.end != "done":
        words = f"{outcome.reason}\n{tasks.last_words(folder)}".strip()
        raise MtpotError(f"the labeler gives no label: {words}")
    return f"the labeler works: {counted(len(atoms), 'atom')} in {outcome.seconds:.1f} s"


def status(settings: LearnSettings) -> str:
    """Say where a run stands.

    Raises
    ------
    InputError
        There is none.
    """
    return status_of(_existing(settings.output), settings)


def export(settings: LearnSettings, target: Path, *, overwrite: bool = False) -> int:
    """Write the structures that have labels to a file, and count them.

    Raises
    ------
    InputError
        There is no run, nothing has a label, or the file is refused.
    """
    check_target(target, overwrite)
    check_format(target)
    store = _existing(settings.output)
    count = store.counts()["done"]
    if not count:
        raise InputError(f"{settings.output}: no structure has a label yet")
    write_atoms(target, _labeled(store), overwrite)
    return count


def _labeled(store: Store) -> Iterator[Atoms]:
    """Structures with labels, one in memory at a time, without what only the record needs."""
    for atoms, frame in iterate_atoms(store.path):
        if frame.energy is not None:
            for name in ("state", "digest", "attempts"):
                atoms.info.pop(name, None)
            yield atoms


def report(folder: Path) -> Path:
    """Write the report of the run in a folder, whether or not it is finished, and return it.

    Raises
    ------
    InputError
        There is no run, or the page cannot be written.
    MtpotError
        A potential of the run cannot be evaluated.
    """
    return write_report(_existing(folder))


def _existing(folder: Path) -> Store:
    path = folder / DATABASE
    if not path.exists():
        raise InputError(f"{folder} holds no learning run")
    return Store(path)
