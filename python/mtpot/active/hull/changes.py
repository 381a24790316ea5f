"""What other settings do to a run over candidates that has begun."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mtpot.active import loop
from mtpot.active.hull.candidates import UNKNOWN
from mtpot.active.hull.relaxing import current_candidates, keep_candidates
from mtpot.active.plan import underscored
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mtpot.active.driver import Run

_RELAXING = frozenset(loop.EXPLORING) - {"seed"}
"""Settings that relaxations depend on, but for those of training."""
_FREE = ("force", "most_steps", "cell")
"""Keys of [[explore]] that say how candidates are relaxed, not which there are."""


def check_tables(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> None:
    """Refuse tables [[explore]] that bring other candidates than those that the run began with.

    Raises
    ------
    InputError
        Names the table and the key.
    """
    if len(before) != len(now):
        raise InputError(
            f"the run was begun with {len(before)} [[explore]], not {len(now)}, which bring its "
            "candidates: give what it had, or another --output"
        )
    for number, (old, new) in enumerate(zip(before, now, strict=True), start=1):
        for key, was, given in _differences(underscored(old), underscored(new)):
            raise InputError(
                f"[[explore]] {number}: the run was begun with {key} = {was}, not {given}: its "
                "candidates are those; only force, most-steps and cell can change. Give what it "
                "had, or another --output"
            )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key in sorted({*old, *new}):
        if key not in _FREE and old.get(key) != new.get(key):
            was, given = (
                json.dumps(each[key]) if key in each else "its default" for each in (old, new)
            )
            yield key.replace("_", "-"), was, given


def go_back(run: Run) -> None:
    """Begin phases of this iteration again whose settings have changed since they were done."""
    store, changed = run.store, set(run.store.fact("changed", []))
    iteration, phase = store.fact("position")
    second = store.fact("stage") > 1
    for line in _of_no_effect(changed, second):
        run.tell(line)
    retrain = changed & ({"train", "hull.train"} if second else {"train"})
    if phase != "label" and (retrain or changed & _RELAXING):
        if retrain:  # also without what is left of a training that was ended
            shutil.rmtree(run.folder / "trainings" / f"{iteration:03d}", ignore_errors=True)
        _relax_again(run, iteration, "train" if retrain or phase == "train" else "explore")
    elif phase == "finished" and "hull.final_margin" in changed:
        store.set_fact("position", (iteration, "select"))
    store.set_fact("changed", [])


def try_again(run: Run) -> None:
    """Let what was lost take part again, since calculations that failed are tried once more."""
    store = run.store
    stage = store.fact("stage")
    candidates = [
        replace(each, stage=stage, state="new", reason="", iteration=-1)
        if each.reason == UNKNOWN
        else each
        for each in current_candidates(run)
    ]
    iteration, phase = store.fact("position")
    keep_candidates(run, iteration, candidates, phase)


def _of_no_effect(changed: set[str], second: bool) -> Iterator[str]:
    for name in sorted(changed & {"seed", "hull.rattle"}):
        key = name.replace("hull.", "[hull] ")
        yield f"{key}: it has no effect by now: the candidates are displaced already"
    if second and "hull.margin" in changed:
        yield "[hull] margin: it has no effect by now: the first stage is done"


def _relax_again(run: Run, iteration: int, phase: loop.Phase) -> None:
    """Go on from where relaxations of this iteration ended, as if its potential had done none."""
    loop.forget_explorations(run, iteration)
    outdated = [
        replace(each, iteration=min(each.iteration, iteration - 1))
        for each in current_candidates(run)
    ]
    facts: dict[str, Any] = {"finals": {}} if "explore" in run.store.fact("changed") else {}
    keep_candidates(run, iteration, outdated, phase, **facts, changed=[])
