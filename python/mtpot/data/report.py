"""A finding: what is wrong with which frames, how badly, and the way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mtpot.data.frame import Frame

Severity = Literal["error", "warning", "note"]
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found.

    Attributes
    ----------
    severity
        "error": cannot be right, or cannot be trained on; "warning": hardly meant; "note": good to
        know.
    kind
        One word or two, the same for every finding of a check.
    message, advice
        What is wrong, and the way out, a line each.
    frames
        Sources of the frames, where it is about single ones.
    """

    severity: Severity
    kind: str
    message: str
    advice: str
    frames: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = ", ".join(self.frames[:_SHOWN])
        more = f" and {len(self.frames) - _SHOWN} more" if len(self.frames) > _SHOWN else ""
        return f"{self.message}{f' ({shown}{more})' if shown else ''}; {self.advice}"

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        names = ("severity", "kind", "message", "advice")
        return {name: getattr(self, name) for name in names} | {"frames": list(self.frames)}


def one_per_kind(findings: Iterable[Finding]) -> list[str]:
    """Tell of the first finding of each kind and advice, and how many more there are of it."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.kind, finding.advice), []).append(finding)
    return [
        f"{first}{f' (and {len(more)} more like that)' if more else ''}"
        for first, *more in kinds.values()
    ]


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Sort from errors to notes, and keep the order of the checks otherwise."""
    return sorted(findings, key=lambda finding: get_args(Severity).index(finding.severity))


def sources(frames: Sequence[Frame], indices: Iterable[int]) -> tuple[str, ...]:
    """Name frames for messages."""
    return tuple(frames[index].source for index in indices)
