"""The kinds of labels that errors are shown of, in the units in which people speak of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtpot.train.metrics import Errors, Summary, energy_pairs, force_pairs, stress_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mtpot.data.frame import Floats, Frame
    from mtpot.train.metrics import Metrics, Prediction

GPA = 160.21766208
"""One eV/angstrom^3 in GPa."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of label: how it is called, scaled and found."""

    name: str
    unit: str
    decimals: int
    scale: float
    pairs: Callable[[Sequence[tuple[Frame, Prediction]]], Floats]
    errors: Callable[[Summary], Errors | None]

    def text(self, value: float) -> str:
        """Write an error in the unit, with its decimals."""
        return f"{self.scale * value:.{self.decimals}f}"


QUANTITIES = (
    Quantity("energy", "meV/atom", 2, 1e3, energy_pairs, lambda summary: summary.energy),
    Quantity("force", "eV/Å", 4, 1.0, force_pairs, lambda summary: summary.forces),
    Quantity("stress", "GPa", 3, GPA, stress_pairs, lambda summary: summary.stress),
)
"""What errors are shown of."""


def error_rows(metrics: Metrics) -> dict[str, Summary]:
    """Rows of an error table: the groups, if there are several, then the total."""
    groups = {group_name(name): summary for name, summary in metrics.groups.items()}
    return (groups if len(groups) > 1 else {}) | {"total": metrics.total}


def error_cells(summary: Summary, kinds: Sequence[str]) -> list[str]:
    """Texts of the errors of each of `QUANTITIES`; kinds are "mae", "rmse" and "maximum"."""
    found = [(quantity, quantity.errors(summary)) for quantity in QUANTITIES]
    return [q.text(getattr(errors, k)) if errors else "-" for q, errors in found for k in kinds]


def group_name(group: str) -> str:
    """Name of a group as people read it."""
    return "no group" if group == "all" else group
