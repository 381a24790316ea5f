"""Relaxation while learning, over thousands of candidates, in two stages.

Gubaev, Podryabinkin, Hart & Shapeev, Comput. Mater. Sci. 156 (2019) 148. All candidates are relaxed
by a potential of modest size, which learns what it meets on the way. Those far above its convex
hull are dropped; the others are relaxed further by a more accurate potential, which learns in the
same way. What is near the hull in the end is calculated, and makes the final hull.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mtpot.active import loop
from mtpot.active.hull.candidates import (
    PLACED,
    UNKNOWN,
    Candidate,
    elements_in,
    first_to_label,
    given_candidates,
)
from mtpot.active.hull.changes import go_back
from mtpot.active.hull.geometry import (
    count_elements,
    energies_above_hull,
    formation_energies,
    without_pure,
)
from mtpot.active.hull.relaxing import current_candidates, keep_candidates, relax
from mtpot.active.hull.result import write_result
from mtpot.active.hull.twins import twins_of
from mtpot.errors import MtpotError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ase import Atoms

    from mtpot.active.driver import Run
    from mtpot.active.settings import LearnSettings

_SEVERAL = 3.0
"""Times the error of the first potential: a smaller margin may drop what is on the hull."""


def check(settings: LearnSettings) -> None:
    """Refuse candidates that cannot give a hull.

    Raises
    ------
    InputError
        As `given_candidates`.
    """
    given_candidates(settings)


def first_structures(settings: LearnSettings) -> list[Atoms]:
    """Return what is labeled first, with copies."""
    return first_to_label(given_candidates(settings))


def learn(run: Run) -> None:
    """Go on from where the run stands until the hull is known.

    Raises
    ------
    InputError
        Structures or data do not fit.
    MtpotError
        The run cannot go on: too many failures, or its budget is used up.
    """
    if run.store.fact("position") is None:
        _begin(run)
    go_back(run)
    loop.advance(
        run,
        {
            "label": loop.label,
            "train": _in_stage(loop.train),
            "explore": _in_stage(relax),
            "select": _in_stage(_select),
        },
    )


def _in_stage(phase: Callable[[Run, int], None]) -> Callable[[Run, int], None]:
    """Do a phase with the settings of the stage that the run is in."""

    def do(run: Run, iteration: int) -> None:
        second = run.store.fact("stage") > 1
        phase(replace(run, settings=run.settings.second_stage()) if second else run, iteration)

    return do


def _begin(run: Run) -> None:
    settings, store = run.settings, run.store
    known = loop.read_data(settings, run.tell)
    candidates = given_candidates(settings)
    rng = np.random.default_rng(settings.seed)
    species = settings.training((), settings.output).species
    with store.transaction():
        loop.add_data(store, known)
        loop.queue_with_copies(run, first_to_label(candidates), rng)
        store.set_fact("species", species or elements_in(each.atoms for each in candidates))
        keep_candidates(run, 0, candidates, "label", stage=1, finals={})
    run.tell(f"{len(candidates)} candidates")


def _select(run: Run, iteration: int) -> None:
    """Learn from what extrapolates; if nothing does, go to the next stage, or to the end."""
    if loop.select(run, iteration):
        return
    stage, known = run.store.fact("stage"), current_candidates(run)
    if any(each.stage == stage and each.iteration < iteration for each in known):
        run.store.set_fact("position", (iteration, "explore"))  # those that waited for the others
        return
    candidates = evaluated([_given_up(each, stage) for each in known], stage)
    if stage == 1:
        _screen(run, iteration, candidates)
    else:
        _finish(run, iteration, candidates)


def _given_up(candidate: Candidate, stage: int) -> Candidate:
    """Lose what still extrapolates in a stage when there is nothing left to label."""
    if candidate.stage == stage and candidate.state == "new":
        return replace(candidate, state="lost", reason=UNKNOWN)
    return candidate


def _finish(run: Run, iteration: int, candidates: Sequence[Candidate]) -> None:
    """Calculate what is near the hull, or leave the result if this is done."""
    margin = run.settings.screening().final_margin
    near = [each for each in candidates if each.stage == 2 and each.above <= margin]
    if not _label_near(run, iteration, near):
        left = write_result(run, candidates) + sum(each.reason == UNKNOWN for each in candidates)
        keep_candidates(run, iteration, candidates, "finished", left=left)


def evaluated(candidates: Sequence[Candidate], stage: int) -> list[Candidate]:
    """Place the relaxed candidates of a stage relative to the hull of this stage.

    Raises
    ------
    MtpotError
        All structures of a pure element are lost.
    """
    part = [each for each in candidates if each.stage == stage and each.state in PLACED]
    assert len({each.iteration for each in part}) <= 1, "energies of several potentials"
    elements = elements_in(each.atoms for each in candidates)
    counts = count_elements((each.atoms for each in part), elements)
    missing = without_pure(counts, elements)
    if missing:
        raise MtpotError(
            f"all candidates of pure {missing[0]} are lost, to which formation energies refer; mlp "
            "learn --status shows what could not be labeled: mend that, and go on with --resume "
            "--retry"
        )
    formation = formation_energies(counts, np.array([each.energy for each in part]), elements)
    above = energies_above_hull(counts, formation)
    placed = {
        each.number: replace(each, formation=float(energy), above=float(height))
        for each, energy, height in zip(part, formation, above, strict=True)
    }
    return [placed.get(each.number, each) for each in candidates]


def _screen(run: Run, iteration: int, candidates: Sequence[Candidate]) -> None:
    """Drop what is far above the hull of the first potential."""
    margin = run.settings.screening().margin
    candidates = [
        replace(each, stage=2) if each.above <= margin else each  # not those with nan
        for each in candidates
    ]
    kept = sum(each.stage == 2 for each in candidates)
    counts = run.store.counts()
    content = {"candidates": len(candidates), "kept": kept, "labels": counts["done"]}
    run.store.record("stage", "1", content)
    run.tell(f"first stage: {kept} of {len(candidates)} candidates are within {margin:g} eV/atom")
    _warn_of_error(run, iteration, margin)
    keep_candidates(run, iteration + 1, candidates, "train", stage=2, fresh=0)


def _warn_of_error(run: Run, iteration: int, margin: float) -> None:
    errors = run.store.events("training")[f"{iteration:03d}"]["errors"]
    error = errors["energy_rmse_per_atom"] or 0.0
    if margin < _SEVERAL * error:
        run.tell(
            f"warning: the margin {margin:g} is less than {_SEVERAL:g} times the error of the "
            f"first potential, {error:.3f} eV/atom: structures of the hull may have been dropped"
        )


def _label_near(run: Run, iteration: int, near: Sequence[Candidate]) -> bool:
    """Ask for labels of what is near the hull; False if all of it has been calculated."""
    store = run.store
    finals: dict[str, int] = store.fact("finals")
    due = []
    for same in twins_of(near):
        rows = {finals[str(each.number)] for each in same if str(each.number) in finals}
        if rows:
            finals |= {
                str(each.number): min(rows) for each in same if str(each.number) not in finals
            }
        else:
            due.append(same)
    store.set_fact("finals", finals)
    if not due:
        return False
    room = loop.room_for_labels(run, iteration, "structures near the hull are to be calculated")
    due.sort(key=lambda same: same[0].above)
    with store.transaction():
        for same in due[:room]:
            atoms = same[0].atoms
            store.add(atoms, state="queued", origin="near the hull", iteration=iteration + 1)
            finals |= {str(each.number): store.number_of(atoms) for each in same}
        store.set_fact("finals", finals)
        store.set_fact("position", (iteration + 1, "label"))
    run.tell(f"iteration {iteration + 1}: {len(due[:room])} structures near the hull to calculate")
    return True
