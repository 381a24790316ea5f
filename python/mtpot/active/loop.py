"""Learning by iterations: explore, select, label, train, until nothing extrapolates any more.

Podryabinkin & Shapeev, Comput. Mater. Sci. 140 (2017) 171. Where a run stands is a fact of its
store: iteration and phase. Every phase can be begun again wherever it was killed, and ends with one
transaction that holds its result and the next phase.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from ase import Atoms
from ase.io import jsonio

from mtpot.active.beginning import disturbed
from mtpot.active.choice import choose, collected, structures_of, untried
from mtpot.active.explorers import (
    Watch,
    candidates_of,
    explorers_of,
    prepare_exploration,
)
from mtpot.active.plan import method_of
from mtpot.active.store import Store, digest_of
from mtpot.active.tasks import WORK, discard, stop
from mtpot.active.training import GRADED, train_on_labels
from mtpot.active.wording import counted
from mtpot.data.atoms import atoms_from_frame, frame_from_atoms
from mtpot.data.check import elements_of
from mtpot.data.sets import find_files, leave_out, read_atoms_of_sets, read_sets
from mtpot.errors import InputError, MtpotError
from mtpot.potential import MTP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mtpot.active.choice import Candidate, Part
    from mtpot.active.driver import Run
    from mtpot.active.explorers import Explorer
    from mtpot.active.settings import LearnSettings
    from mtpot.active.tasks import Outcome
    from mtpot.data.frame import Frame

Phase = Literal["label", "train", "explore", "select", "finished"]


class Position(NamedTuple):
    """Where a run stands."""

    iteration: int
    phase: Phase


def learn(run: Run) -> None:
    """Go on from where the run stands until it is finished.

    Raises
    ------
    InputError
        Structures or data do not fit.
    MtpotError
        The run cannot go on: too many failures, or its budget is used up.
    """
    if not begun(run):
        begin(run)
    _go_back(run)
    advance(run, _PHASES)


def advance(run: Run, phases: Mapping[Phase, Callable[[Run, int], None]]) -> None:
    """Do one phase after the other until the run is finished; each says which is the next."""
    while True:
        position = Position(*run.store.fact("position"))
        if position.phase == "finished":
            return
        phases[position.phase](run, position.iteration)


def begin(run: Run) -> None:
    """Enter the starting structures, copies of them and the frames that have labels already."""
    settings, store = run.settings, run.store
    starts = read_starts(settings)
    known = read_data(settings, run.tell)
    rng = np.random.default_rng(settings.seed)
    given = settings.training((), settings.output).species
    found = elements_of([*(frame_from_atoms(atoms) for atoms in starts), *known])
    with store.transaction():
        add_data(store, known)
        queue_with_copies(run, starts, rng)
        store.set_fact("starts", [jsonio.encode(atoms.todict()) for atoms in starts])
        store.set_fact("species", list(given or found))
        store.set_fact("position", (0, "label"))


def add_data(store: Store, frames: Iterable[Frame]) -> None:
    """Enter frames that are labeled already, with their weights in training."""
    names = ("energy_weight", "force_weight", "stress_weight")
    for frame in frames:
        atoms = atoms_from_frame(frame)
        atoms.info["trajectory"] = frame.trajectory
        atoms.info.update(zip(names, frame.weights, strict=True))
        store.add(atoms, state="done", origin="data")


def queue_with_copies(run: Run, starts: Iterable[Atoms], rng: np.random.Generator) -> None:
    """Ask for labels of structures and of copies out of place."""
    settings, store = run.settings, run.store
    for atoms in starts:
        store.add(atoms, state="queued", origin="start")
        copies = disturbed(atoms, settings.initial, settings.displacement, settings.strain, rng)
        for copy in copies:
            store.add(copy, state="queued", origin="displaced")


EXPLORING = ("explore", "select_threshold", "break_threshold", "seed")
"""Settings that what has been explored depends on."""


def _go_back(run: Run) -> None:
    """Begin phases of this iteration again whose settings have changed since they were done."""
    store, changed = run.store, set(run.store.fact("changed", []))
    iteration, phase = Position(*store.fact("position"))
    name = f"{iteration:03d}"
    with store.transaction():
        if phase != "label" and changed & {"train", *EXPLORING}:
            if "train" in changed:
                shutil.rmtree(run.folder / "trainings" / name, ignore_errors=True)
                phase = "train"
            elif phase != "train":
                phase = "explore"
            forget_explorations(run, iteration)
            store.set_fact("position", (iteration, phase))
        store.set_fact("changed", [])


def forget_explorations(run: Run, iteration: int) -> None:
    """Explore in another folder: processes that are still at work elsewhere keep theirs."""
    place = exploring_folder(run, iteration)
    for folder in place.iterdir() if place.exists() else ():
        stop(folder)
    run.store.set_fact("generation", (iteration, _generation(run, iteration) + 1))
    for name in run.store.events("exploration"):
        if name.startswith(f"{iteration:03d}/"):
            run.store.forget("exploration", name)


def exploring_folder(run: Run, iteration: int) -> Path:
    """Return the folder for the explorations of an iteration, with the settings of now."""
    generation = _generation(run, iteration)
    name = f"{iteration:03d}" + (f"-{generation + 1}" if generation else "")
    return run.folder / "explorations" / name


def _generation(run: Run, iteration: int) -> int:
    """Return how often the explorations of an iteration were begun again."""
    latest, times = run.store.fact("generation", (iteration, 0))
    return int(times) if latest == iteration else 0


def read_starts(settings: LearnSettings) -> list[Atoms]:
    """Return the structures that simulations begin with, without labels.

    Raises
    ------
    InputError
        There is no such file.
    """
    for path in find_files(settings.start):
        if not path.exists():
            raise InputError(f"start: {path}: no such file")
    starts = []
    for atoms, _ in read_atoms_of_sets(settings.start):
        bare = atoms.copy()
        bare.calc = None
        starts.append(bare)
    return starts


def starts_of(store: Store) -> list[Atoms]:
    """Return the structures that simulations begin with, as they were when the run began."""
    return [Atoms.fromdict(jsonio.decode(text)) for text in store.fact("starts")]


def begun(run: Run) -> bool:
    """Whether the run has begun; tells if files of starting structures are others by now."""
    if run.store.fact("position") is None:
        return False
    paths = find_files(run.settings.start)
    if all(path.exists() for path in paths):
        now, then = read_starts(run.settings), starts_of(run.store)
        if [digest_of(atoms) for atoms in now] != [digest_of(atoms) for atoms in then]:
            run.tell("start: the files have changed; the run goes on from what it began with")
    return True


def read_data(settings: LearnSettings, tell: Callable[[str], None]) -> Sequence[Frame]:
    """Return the frames that are labeled already.

    As in `mlp train`, those whose electrons did not converge are left out, as are rows of a
    database without energy, such as those of another run that it has set aside.

    Raises
    ------
    InputError
        There is no such file, or a frame lacks energy or forces; names both.
    """
    frames: Sequence[Frame] = read_sets(settings.data)
    for path in find_files(settings.data):
        if path.suffix == ".db":
            _check_same_labels(path, settings)
    if not frames:
        return frames
    frames, left_out = leave_out(frames)
    for message in left_out:
        tell(f"data: {message}")
    for frame in frames:
        missing = [name for name in ("energy", "forces") if getattr(frame, name) is None]
        if missing:
            raise InputError(
                f"data: {frame.source} has no {' and no '.join(missing)}: take it out, or let the "
                "run calculate it, as one of its starting structures"
            )
    return frames


def _check_same_labels(path: Path, settings: LearnSettings) -> None:
    """Refuse the record of another run that was labeled in another way."""
    try:
        other = Store(path).fact("settings")
    except InputError:  # a database of ASE that is none
        return
    if other is None:
        return
    theirs, ours = method_of(other["label"]), method_of(settings.label)
    if theirs != ours:
        different = sorted(key for key in {*theirs, *ours} if theirs.get(key) != ours.get(key))
        raise InputError(
            f"data: {path} was labeled with another {', '.join(different)} of [label]: labels "
            "would not belong together"
        )


def label(run: Run, iteration: int) -> None:
    """Label what is queued: the phase before training."""
    run.label_all()
    if not run.store.counts()["done"]:
        raise MtpotError("no structure could be labeled; mlp learn --status shows why")
    run.store.set_fact("position", (iteration, "train"))


def train(run: Run, iteration: int) -> None:
    """Train on all labels: the phase before exploring."""
    train_on_labels(run, iteration)
    content = run.store.events("training")[f"{iteration:03d}"]
    errors = content["errors"]
    run.tell(
        f"iteration {iteration}: trained on {content['frames']} frames  "
        f"{1e3 * (errors['energy_rmse_per_atom'] or 0.0):.2f} meV/atom  "
        f"{errors['force_rmse'] or 0.0:.4f} eV/Å RMSE  {content['seconds']:.1f} s"
    )
    run.store.set_fact("position", (iteration, "explore"))


class _Planned(NamedTuple):
    """An exploration of an iteration: its name, its folder, and what it is to do."""

    name: str
    folder: Path


def _explorations(run: Run, iteration: int) -> Iterator[_Planned]:
    """Prepare every simulation from every starting structure."""
    settings = run.settings
    starts = starts_of(run.store)
    potential = run.folder / "trainings" / f"{iteration:03d}" / GRADED
    index = 0
    for table, explorer in zip(settings.explore, explorers_of(settings), strict=True):
        for variant_name, variant in explorer.variants():
            for number, start in enumerate(_starts_of(explorer, starts)):
                name = variant_name if len(starts) == 1 else f"{variant_name}-{number}"
                name = f"{index:02d}-{name}"
                folder = exploring_folder(run, iteration) / name
                seeds = np.random.SeedSequence([settings.seed, iteration, index])
                index += 1
                yield _Planned(
                    name,
                    prepare_exploration(
                        folder,
                        start,
                        potential=potential,
                        watch=watch_of(settings, explorer),
                        table=table,
                        variant=variant,
                        seed=int(seeds.generate_state(1)[0]),
                    ),
                )


def _starts_of(explorer: Explorer, starts: Sequence[Atoms]) -> Sequence[Atoms]:
    """One of the starts is enough for an explorer that brings its own structures."""
    return starts[:1] if explorer.brings_structures else starts


def watch_of(settings: LearnSettings, explorer: Explorer) -> Watch:
    """Return the thresholds, and how often an explorer looks."""
    return Watch(settings.select_threshold, settings.break_threshold, explorer.every)


def _explore(run: Run, iteration: int) -> None:
    planned = {each.folder: each for each in _explorations(run, iteration)}
    timeout = run.settings.exploration_timeout or None
    with closing(run.tasks(planned, timeout)) as ended:
        for folder, outcome in ended:
            _take_exploration(run, f"{iteration:03d}/{planned[folder].name}", folder, outcome)
    run.store.set_fact("position", (iteration, "select"))


def _take_exploration(run: Run, name: str, folder: Path, outcome: Outcome) -> None:
    """Record what a simulation has found; one that failed may have found something before."""
    found = dict(outcome.found)
    if outcome.end != "done":
        candidates = sum(1 for _ in candidates_of(folder / WORK))
        if not candidates:
            discard(folder)
            raise MtpotError(f"exploration {name} failed, in {folder}: {outcome.reason}")
        found = {"ended": "failed", "candidates": candidates, "reason": outcome.reason}
    if found["ended"] == "break" and not found["candidates"]:
        raise MtpotError(f"exploration {name} stopped without a structure to label, in {folder}")
    run.store.record("exploration", name, {**found, "seconds": outcome.seconds})
    length = (
        f"{found['picoseconds']:g} ps"
        if found.get("picoseconds")
        else f"{found.get('steps', 0)} steps"
    )
    if outcome.end != "done":
        length += f" ({outcome.reason.splitlines()[0]})"
    run.tell(
        f"explored {name}: {found['ended']} after {length}, largest grade "
        f"{found.get('largest', float('nan')):.3g}, {found['candidates']} candidates  "
        f"{outcome.seconds:.1f} s"
    )


def _select(run: Run, iteration: int) -> None:
    if select(run, iteration):
        return
    _check_failed(run, iteration)
    run.store.set_fact("position", (iteration, "finished"))
    left = run.store.fact("left")
    why = f"{counted(left, 'structure', 'extrapolates', 'extrapolate')} that no calculation labels"
    run.tell(
        f"finished after iteration {iteration}: {why if left else 'nothing extrapolates any more'}"
    )


def _check_failed(run: Run, iteration: int) -> None:
    """Refuse to finish while a simulation has not run its length; another start repeats it.

    Raises
    ------
    MtpotError
        Names it.
    """
    for name, event in run.store.events("exploration").items():
        if name.startswith(f"{iteration:03d}/") and event["ended"] == "failed":
            folder = exploring_folder(run, iteration) / name.partition("/")[2]
            discard(folder)
            with run.store.transaction():
                run.store.forget("exploration", name)
                run.store.set_fact("position", (iteration, "explore"))
            raise MtpotError(
                f"exploration {name} failed, in {folder}, and nothing is left to label of what it "
                f"found: {event['reason']}; --resume tries it again"
            )


def select(run: Run, iteration: int) -> bool:
    """Choose what is labeled next; False if nothing extrapolates that was not tried before.

    The fact `left` then says how many structures extrapolate all the same: they were set aside.

    Raises
    ------
    MtpotError
        The run's budget is used up, or nothing that extrapolates fits into `max-atoms`.
    """
    store, place = run.store, exploring_folder(run, iteration)
    candidates, frames = untried(run, place)
    parts = _chosen(run, iteration, candidates, frames) if candidates else []
    if not parts:
        store.set_fact("left", sum(1 for _ in collected(place)))
        return False
    structures = structures_of(parts, place)
    with store.transaction():
        added = [
            store.add(
                atoms, state="queued", origin=part.origin, iteration=iteration + 1, grade=part.grade
            )
            for part, atoms in zip(parts, structures, strict=True)
        ]
        count = sum(number is not None for number in added)
        content = {"candidates": len(candidates), "selected": count}
        store.record("selection", f"{iteration:03d}", content)
        store.set_fact("position", (iteration + 1, "label"))
    run.tell(f"iteration {iteration + 1}: {count} of {len(candidates)} candidates selected")
    return True


def _chosen(
    run: Run, iteration: int, candidates: Sequence[Candidate], frames: Sequence[Frame]
) -> list[Part]:
    room = room_for_labels(run, iteration, "structures still extrapolate")
    potential = MTP.load(run.folder / "trainings" / f"{iteration:03d}" / GRADED)
    return choose(run, potential, candidates, frames, room)


def room_for_labels(run: Run, iteration: int, why: str) -> int:
    """Return how many structures the next iteration may label.

    Raises
    ------
    MtpotError
        None, since the run's budget is used up; `why` says what it is missing for.
    """
    settings = run.settings
    room = settings.max_labels - run.store.calculated()[0]
    if room <= 0:
        raise MtpotError(
            f"max-labels {settings.max_labels} are used up, and {why}: raise it, and go on with "
            "--resume"
        )
    if iteration + 1 >= settings.max_iterations:
        raise MtpotError(
            f"max-iterations {settings.max_iterations} are done, and {why}: raise it, and go on "
            "with --resume"
        )
    return min(room, settings.labels_per_iteration)


_PHASES: Mapping[Phase, Callable[[Run, int], None]] = {
    "label": label,
    "train": train,
    "explore": _explore,
    "select": _select,
}
