"""Several potentials beside each other: what is known of each, and what they were judged by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mtpot.train.report.judged import Judged, estimate_microseconds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mtpot.potential import MTP
    from mtpot.train.metrics import Metrics, Summary
    from mtpot.train.report.record import Training

KINDS = ("test", "validation", "train")
"""Sets of frames, those that say most of a potential first."""

_SPLIT = ("data", "validation", "seed", "split_by")


@dataclass(frozen=True, eq=False)
class Compared:
    """One of several potentials.

    Attributes
    ----------
    name
        What to call it; no two are called the same.
    potential
        Trained, with element names.
    metrics
        Errors on the sets of frames that are known.
    neighbors
        Mean number of neighbors, for the estimate of time.
    training
        How it was trained, if that is known.
    frames
        Number of frames that it was trained on, if that is known.
    given
        Sets of frames that are not those of its training, but the same for all.
    """

    name: str
    potential: MTP
    metrics: Mapping[str, Metrics]
    neighbors: float
    training: Training | None = None
    frames: int | None = None
    given: Collection[str] = ()

    @classmethod
    def of(cls, judged: Judged) -> Compared:
        """Keep the errors of a judged potential, not its predictions."""
        metrics = {name: each.metrics for name, each in judged.sets.items()}
        neighbors, training = judged.distances.neighbors, judged.training
        # Without a record nothing tells what a potential was trained on.
        frames = metrics["train"].total.frames if training and "train" in metrics else None
        return cls(judged.name, judged.potential, metrics, neighbors, training, frames)

    @cached_property
    def microseconds(self) -> float:
        """Estimated time of energies and forces per atom."""
        return estimate_microseconds(self.potential, self.neighbors)


def common_kind(compared: Sequence[Compared]) -> str | None:
    """Name the best set of frames that all have; None without one."""
    return next((k for k in KINDS if all(k in each.metrics for each in compared)), None)


def totals(compared: Sequence[Compared], kind: str) -> list[Summary]:
    """Errors over all frames of a set."""
    return [each.metrics[kind].total for each in compared]


def frames_differ(compared: Sequence[Compared], kind: str) -> bool:
    """Whether they were judged by different frames of a set, as far as their records tell."""
    if len({(total.frames, total.atoms) for total in totals(compared, kind)}) > 1:
        return True
    own = [each.training for each in compared if each.training and kind not in each.given]
    prints = [each.fingerprints.get("data") for each in own]
    if kind != "test" and all(prints):
        return len(set(prints)) > 1
    names = ("test",) if kind == "test" else _SPLIT
    return len({str([each.settings.get(name) for name in names]) for each in own}) > 1


def differing_settings(compared: Sequence[Compared]) -> list[list[str]]:
    """Rows of a table: a setting's name, then its value in each of the potentials."""
    records = [dict(each.training.settings) if each.training else {} for each in compared]
    names = dict.fromkeys(name for record in records for name in record)
    rows = [
        [name.replace("_", "-"), *(_shown(record.get(name)) for record in records)]
        for name in names
        if name not in ("output", "overwrite")
    ]
    return [row for row in rows if len(set(row[1:])) > 1]


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
