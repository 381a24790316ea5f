"""One training of a learning run, from its labels to a potential with its active set."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mtpot.active.select import build_selection
from mtpot.data.atoms import frame_from_atoms
from mtpot.data.check import elements_of
from mtpot.files import make_folder
from mtpot.potential import MTP
from mtpot.train.checkpoint import Checkpoint, exists, facts_of, resume
from mtpot.train.metrics import evaluate_frames, measure
from mtpot.train.trainer import train

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mtpot.active.driver import Run
    from mtpot.active.store import Store
    from mtpot.data.frame import Frame

POTENTIAL, GRADED = "potential.mtp", "potential.almtp"
GROWTH = 1.5
"""Of the training set, after which training begins anew instead of from the last potential."""


def labeled_frames(store: Store) -> list[Frame]:
    """Return the frames that have labels, in the order in which structures were added."""
    return [
        frame_from_atoms(entry.atoms, f"{store.path} (row {entry.id})")
        for entry in store.entries("done")
    ]


def train_on_labels(run: Run, iteration: int) -> MTP:
    """Train on all labels, and leave the potential as that of the iteration and of the run.

    A training that was killed goes on from its checkpoint.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, whatever has been reached.
    """
    started = time.perf_counter()
    frames, name = labeled_frames(run.store), f"{iteration:03d}"
    folder = make_folder(run.folder / "trainings" / name)
    species = run.store.fact("species") or elements_of(frames)
    settings = run.settings.training(tuple(species), folder)
    fresh = len(frames) >= GROWTH * begun_anew(run, name)
    if not fresh:
        settings = replace(settings, start=_kept(_last_of_these(run, name), folder))
    checkpoint = _checkpoint(folder / "checkpoint", facts_of(settings.as_dict(), frames, []))
    result = train(settings, frames, checkpoint=checkpoint)
    if result.stop == "interrupted":  # what there is until then is the result of `mlp train` alone
        raise KeyboardInterrupt
    selection = build_selection(result.potential, frames, "nbh", settings.threads)
    size, filled = len(selection.origins), int((selection.origins[:, 0] >= 0).sum())
    if filled < size and not run.store.events("training"):
        run.tell(
            f"the active set has {filled} of {size} rows: until it is full, grades are far too "
            "large; more initial structures, or a lower level, fill it"
        )
    potential = MTP(result.potential.core, selection)
    seconds = time.perf_counter() - started
    keep(run, iteration, potential, frames, seconds=seconds, loss=result.loss, fresh=fresh)
    checkpoint.remove()
    return potential


def keep(  # noqa: PLR0913 - of keywords
    run: Run,
    iteration: int,
    potential: MTP,
    frames: Sequence[Frame],
    *,
    seconds: float,
    loss: float,
    fresh: bool,
) -> None:
    """Leave a potential with its active set as that of the iteration and of the run, and record it.

    Parameters
    ----------
    frames
        What it was trained on, by which its errors are measured.
    seconds, loss
        What training took, and its loss.
    fresh
        Whether training began anew.
    """
    folder = make_folder(run.folder / "trainings" / f"{iteration:03d}")
    for place in (folder / GRADED, run.folder / POTENTIAL, run.folder / GRADED):
        potential.save(place, overwrite=True)
    summary = measure(frames, evaluate_frames(potential, frames, run.settings.threads)).total
    content: dict[str, Any] = {
        "frames": len(frames),
        "seconds": seconds,
        "loss": loss,
        "fresh": fresh,
        "settings": dict(run.settings.train),
        "errors": summary.as_dict(),
    }
    run.store.record("training", f"{iteration:03d}", content)


def begun_anew(run: Run, name: str = "") -> int:
    """Frames of the last training that began anew, but for the one of this name; 0: there is none.

    One that is repeated, since the run was killed right after it, begins as it did before. Those
    with other settings do not count.
    """
    now = dict(run.settings.train)
    events = run.store.events("training").items()
    earlier = (event for each, event in events if each != name and event["settings"] == now)
    return max((event["frames"] for event in earlier if event["fresh"]), default=0)


def _last_of_these(run: Run, name: str) -> Path:
    """Potential of the last training with these settings, but for the one of this name."""
    now = dict(run.settings.train)
    events = run.store.events("training").items()
    last = [each for each, event in events if each != name and event["settings"] == now][-1]
    return run.folder / "trainings" / last / GRADED


def _kept(start: Path, folder: Path) -> Path:
    """Copy of the potential that training begins with: the run's own is replaced at the end."""
    kept = folder / "start.mtp"
    if not kept.exists():
        MTP.load(start).save(kept)
    return kept


def _checkpoint(path: Path, facts: dict[str, Any]) -> Checkpoint:
    if exists(path):
        return resume(path, facts, lambda _: None)
    return Checkpoint(path, facts)
