"""What a learning run has recorded, in the words of its report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mtpot.active.store import Entry, Store
    from mtpot.data.frame import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Explored:
    """One exploration of one iteration.

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
        return float(min(times[~(grades <= threshold)], default=self.length))


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

    @cached_property
    def trainings(self) -> Sequence[Mapping[str, Any]]:
        """Trainings in their order."""
        return list(self.store.events("training").values())

    @cached_property
    def explorations(self) -> Sequence[Explored]:
        """Explorations in the order of iterations and names."""
        events = self.store.events("exploration")
        return [_explored(name, events[name]) for name in sorted(events)]

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
