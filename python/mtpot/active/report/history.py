"""What a learning run has recorded, in the words of its report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from mtpot.active.tasks import LOG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mtpot.active.store import Entry, Store
    from mtpot.data.frame import Floats

DOING = {"label": "labeling", "train": "training", "explore": "exploring", "select": "selecting"}
"""What a run does in a phase; "finished" is one as well."""
ON_THE_FLY = "md"
"""Name of the one simulation that stops for each label."""


@dataclass(frozen=True, slots=True, eq=False)
class Explored:
    """One exploration of one iteration; on the fly, the simulation from one label to the next.

    Attributes
    ----------
    name
        The same in every iteration.
    iteration
        Of the potential that it used.
    ended
        "complete", "break" or "failed".
    length
        Simulated ps; where there is no time, steps, or structures that were looked at.
    unit
        "ps" or "steps".
    largest
        Largest grade seen, NaN if none was.
    candidates
        Structures above the lower threshold.
    grades
        Pairs of time (as `length`) and grade, shape [n, 2].
    seconds
        It took.
    time
        When it ended, s.
    """

    name: str
    iteration: int
    ended: str
    length: float
    unit: str
    largest: float
    candidates: int
    grades: Floats
    seconds: float
    time: float

    @property
    def clean(self) -> bool:
        """Whether it came to its end without meeting a structure worth a label."""
        return self.ended == "complete" and not self.candidates

    @property
    def picoseconds(self) -> float:
        """Simulated time; 0 where there is none."""
        return self.length if self.unit == "ps" else 0.0

    def clean_until(self, threshold: float) -> float:
        """Time (as `length`) until the grade exceeds a threshold; all of it if it never does."""
        times, grades = self.grades.T
        beyond = times[~(grades <= threshold)]
        return float(beyond[0] - times[0]) if len(beyond) else self.length


@dataclass(frozen=True)
class History:
    """A run as its store has it; whatever is asked for is read once."""

    store: Store

    @property
    def folder(self) -> Path:
        """Where the run lies."""
        return self.store.path.parent

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """Keys as fields of `LearnSettings`."""
        settings: Mapping[str, Any] = self.store.fact("settings", {})
        return settings

    @property
    def thresholds(self) -> tuple[float, float]:
        """Grades above which a structure is worth a label, and a simulation stops."""
        return self.settings["select_threshold"], self.settings["break_threshold"]

    @cached_property
    def position(self) -> tuple[int, str]:
        """Iteration and phase."""
        iteration, phase = self.store.fact("position", (0, "label"))
        return iteration, phase

    @cached_property
    def entries(self) -> Sequence[Entry]:
        """All structures that a calculation was asked for, or that came with labels."""
        return self.store.entries()

    def in_state(self, *states: str) -> list[Entry]:
        """Those of certain states."""
        return [entry for entry in self.entries if entry.state in states]

    @cached_property
    def labels(self) -> Sequence[Mapping[str, Any]]:
        """Calculations, with `row`, `end`, `seconds` and `time`; several of what failed first."""
        return list(self.store.events("label").values())

    def reason_of(self, entry: Entry) -> str:
        """Why the last calculation of a structure gave no label."""
        tries = [event for event in self.labels if event["row"] == entry.id]
        return (tries[-1].get("reason") if tries else None) or entry.log

    def log_of(self, entry: Entry) -> Path:
        """Log of the last calculation of a structure, relative to the folder of the run."""
        place = self.folder / "labels" / f"{entry.id:06d}"
        logs = sorted(place.glob(f"*/{LOG}"), key=lambda path: path.stat().st_mtime)
        last = logs[-1] if logs else place / f"{entry.attempts}" / LOG
        return last.relative_to(self.folder)

    @cached_property
    def trainings(self) -> Sequence[Mapping[str, Any]]:
        """Trainings in their order."""
        return list(self.store.events("training").values())

    @cached_property
    def explorations(self) -> Sequence[Explored]:
        """Explorations in the order of iterations and names."""
        events = self.store.events("exploration")
        explored = [_explored(name, events[name]) for name in sorted(events)]
        return explored + list(self._on_the_fly())

    def _on_the_fly(self) -> Iterator[Explored]:
        """Pieces of the one simulation that stops for labels."""
        events = sorted(self.store.events("md").items())
        for iteration, group in groupby(events, key=lambda item: int(item[0].partition("/")[0])):
            blocks = [event for _, event in group]
            over = self.position == (iteration, "finished")
            yield _piece(iteration, blocks, "complete" if over else "break")

    @property
    def on_the_fly(self) -> bool:
        """Whether the pieces of one simulation follow each other."""
        return any(each.name == ON_THE_FLY for each in self.explorations)

    @cached_property
    def selections(self) -> Mapping[int, int]:
        """Number of structures that were selected after an iteration."""
        events = self.store.events("selection")
        return {int(name): event["selected"] for name, event in events.items()}

    @property
    def iterations(self) -> int:
        """Number of iterations that have begun."""
        return self.position[0] + 1

    @property
    def picoseconds(self) -> float:
        """Simulated in all."""
        return sum(each.picoseconds for each in self.explorations)

    @property
    def longest_clean(self) -> Explored | None:
        """The longest simulation that met nothing worth a label, of equals the last, or None."""
        clean = [each for each in self.explorations if each.clean and each.picoseconds]
        return max(clean, key=lambda each: (each.picoseconds, each.iteration), default=None)


def _piece(iteration: int, blocks: Sequence[Mapping[str, Any]], ended: str) -> Explored:
    """Join what was recorded between two labels; looks are time, grade and whatever follows."""
    looks = np.array([look[:2] for block in blocks for look in block["looks"]], float)
    grades = looks.reshape(-1, 2)
    return Explored(
        name=ON_THE_FLY,
        iteration=iteration,
        ended=ended,
        length=float(np.ptp(grades[:, 0])) if len(grades) else 0.0,
        unit="ps",
        largest=float(np.max(grades[:, 1], initial=0.0)),
        candidates=int(ended == "break"),
        grades=grades,
        seconds=sum(block.get("seconds", 0.0) for block in blocks),
        time=blocks[-1]["time"],
    )


def _explored(name: str, event: Mapping[str, Any]) -> Explored:
    iteration, _, rest = name.partition("/")
    picoseconds = event.get("picoseconds", 0.0)
    return Explored(
        name=rest,
        iteration=int(iteration),
        ended=event["ended"],
        length=picoseconds or float(event.get("steps", 0)),
        unit="ps" if picoseconds else "steps",
        largest=event.get("largest", float("nan")),
        candidates=event["candidates"],
        grades=np.array(event.get("grades", []), float).reshape(-1, 2),
        seconds=event["seconds"],
        time=event["time"],
    )
