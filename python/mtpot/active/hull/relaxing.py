"""Relaxation of candidates by the potential of an iteration, in tasks of some dozens."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ase.io import iread, write
from ase.io.extxyz import XYZError

from mtpot.active.explorers import Relaxer, explorers_of, prepare_exploration
from mtpot.active.explorers.relax import RELAXED
from mtpot.active.hull.candidates import PLACED, Candidate, read_candidates, write_candidates
from mtpot.active.loop import exploring_folder, watch_of
from mtpot.active.tasks import WORK
from mtpot.active.training import GRADED
from mtpot.errors import MtpotError
from mtpot.files import make_folder, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ase import Atoms

    from mtpot.active.driver import Run
    from mtpot.active.tasks import Outcome

BATCH = "batch.xyz"
_CRASHES = 5
"""So many, more than there are results, are no fault of single structures."""


def relax(run: Run, iteration: int) -> None:
    """Relax with the newest potential: the phase before selecting.

    At first those that extrapolated, from where they began. If none of them does any more, or this
    was all before and brought nothing to label, all others that an older potential relaxed go on
    from there.
    """
    known = {each.number: each for each in current_candidates(run)}
    taking_part = [each for each in known.values() if each.stage == run.store.fact("stage")]
    for name, due in (
        ("new", [each for each in taking_part if each.state == "new"]),
        ("all", [each for each in taking_part if each.state != "new"]),
    ):
        outdated = [each for each in due if each.iteration < iteration]
        if outdated:
            after = list(_relaxed(run, iteration, name, outdated))
            known |= {each.number: each for each in after}
            if any(each.state == "new" for each in after):
                break
    keep_candidates(run, iteration, list(known.values()), "select")


def current_candidates(run: Run) -> list[Candidate]:
    """Return what is known of all candidates."""
    return read_candidates(run.folder / "candidates" / run.store.fact("candidates"))


def keep_candidates(
    run: Run, iteration: int, candidates: Sequence[Candidate], phase: str, **facts: Any
) -> None:
    """Write what is known of all candidates; it counts from the moment when facts say so."""
    path = run.folder / "candidates" / f"{iteration:03d}-{phase}.xyz"
    write_candidates(path, candidates)
    with run.store.transaction():
        for name, value in facts.items():
            run.store.set_fact(name, value)
        run.store.set_fact("candidates", path.name)
        run.store.set_fact("position", (iteration, phase))
    for other in path.parent.glob("*.xyz"):
        if other != path:
            other.unlink()


def _relaxed(
    run: Run, iteration: int, name: str, candidates: Sequence[Candidate]
) -> Iterator[Candidate]:
    """Yield the candidates as their relaxations left them, and record what there was."""
    started, found = time.perf_counter(), Counter[str]()
    largest = 0.0
    for candidate, end in _ends(run, iteration, name, candidates):
        after = _after(candidate, end, iteration, run.settings.select_threshold)
        found[after.state] += 1
        found["steps"] += int(end["steps"])
        largest = max(largest, end["largest"])
        yield after
    content: dict[str, Any] = {
        "ended": "break" if found["new"] else "complete",
        "steps": found["steps"],
        "picoseconds": 0.0,
        "largest": largest,
        "candidates": found["new"],
        "grades": [],
        "structures": len(candidates),
        "lost": found["lost"],
        "seconds": time.perf_counter() - started,
    }
    run.store.record("exploration", f"{iteration:03d}/{name}", content)
    run.tell(
        f"iteration {iteration}: of {len(candidates)} candidates {found['relaxed']} relaxed, "
        f"{found['unfinished']} unfinished, {found['new']} extrapolate, {found['lost']} are lost, "
        f"in {found['steps']} steps; "
        f"largest grade {largest:.3g}  {content['seconds']:.1f} s"
    )


def _after(candidate: Candidate, end: dict[str, Any], iteration: int, select: float) -> Candidate:
    """Take the end of a relaxation only if the potential knew the whole way."""
    after = Candidate(
        number=candidate.number,
        table=candidate.table,
        atoms=candidate.atoms,
        stage=candidate.stage,
        iteration=iteration,
    )
    if end["largest"] > select:
        return after
    if end["ended"] in PLACED:
        energy = float(end["potential_energy"])
        return replace(after, state=end["ended"], energy=energy, atoms=end["atoms"])
    return replace(after, state="lost", reason=str(end.get("reason", "its grade is no number")))


def _ends(
    run: Run, iteration: int, name: str, candidates: Sequence[Candidate]
) -> Iterator[tuple[Candidate, dict[str, Any]]]:
    """Yield how each relaxation ended; one whose process crashed on it has a reason alone."""
    batches = list(_batches(candidates, run.settings.screening().batch))
    results = crashes = 0
    while batches:
        by_folder = {_prepared(run, iteration, name, batch): batch for batch in batches}
        batches = []
        for folder, outcome in run.tasks(by_folder, run.settings.exploration_timeout or None):
            batch, ends = by_folder[folder], list(_read_ends(folder))
            yield from zip(batch, ends, strict=False)
            results += len(ends)
            rest = batch[len(ends) :]
            if rest:
                crashes += 1
                _check_crashes(crashes, results, folder, outcome)
                reason = outcome.reason.partition("\n")[0] or outcome.end
                yield rest[0], {"ended": "failed", "reason": reason, "steps": 0, "largest": 0.0}
                batches += [rest[1:]] if rest[1:] else []


def _check_crashes(crashes: int, results: int, folder: Path, outcome: Outcome) -> None:
    if crashes >= _CRASHES and crashes > results:
        raise MtpotError(
            f"{crashes} batches of relaxations crashed; the last, in {folder}: {outcome.reason}"
        )


def _batches(candidates: Sequence[Candidate], size: int) -> Iterator[list[Candidate]]:
    """Cut into batches, each of one table [[explore]]."""
    ordered = sorted(candidates, key=lambda each: (each.table, each.number))
    for _, group in groupby(ordered, key=lambda each: each.table):
        same = list(group)
        for first in range(0, len(same), size):
            yield same[first : first + size]


def _prepared(run: Run, iteration: int, name: str, batch: Sequence[Candidate]) -> Path:
    """Write the task of relaxing a batch, in a folder that its first candidate names."""
    folder = make_folder(exploring_folder(run, iteration) / f"{name}-{batch[0].number:06d}")
    with replacing(folder / BATCH, overwrite=True) as temporary:
        write(temporary, [each.atoms for each in batch], format="extxyz")
    settings = run.settings
    explorer = explorers_of(settings)[batch[0].table]
    assert isinstance(explorer, Relaxer)
    table = {
        "engine": "relax",
        "structures": [str((folder / BATCH).absolute())],
        "force": explorer.force,
        "most-steps": explorer.most_steps,
        "cell": explorer.cell,
    }
    return prepare_exploration(
        folder,
        batch[0].atoms,
        potential=run.folder / "trainings" / f"{iteration:03d}" / GRADED,
        watch=watch_of(settings, explorer),
        table=table,
        variant={},
        seed=0,
    )


def _read_ends(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what a batch has left; the last structure may be cut off, if its process was ended."""
    path = folder / WORK / RELAXED
    if not path.exists():
        return
    images = iread(path, format="extxyz")
    while True:
        try:
            atoms: Atoms = next(images)
        except (StopIteration, XYZError, ValueError, IndexError, KeyError):
            return
        yield {**atoms.info, "atoms": atoms}
