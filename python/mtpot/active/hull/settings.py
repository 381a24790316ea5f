"""Settings of relaxing while learning: the table [hull]."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mtpot.train.option import about, parse_values, spelled
from mtpot.train.parsers import integer, number, parse_table

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class HullSettings:
    """How candidates are screened, in two stages: Gubaev et al., Comput. Mater. Sci. 156 (2019)."""

    margin: float = field(
        default=0.05,
        metadata=about(
            "hull",
            "eV/atom: what the first potential finds so far above the hull is dropped; several "
            "times its error",
            number(0.0, open_low=True),
            "E",
        ),
    )
    final_margin: float = field(
        default=0.01,
        metadata=about(
            "hull",
            "eV/atom: what the second potential finds no farther above the hull is calculated at "
            "the end",
            number(0.0, open_low=True),
            "E",
        ),
    )
    rattle: float = field(
        default=0.02,
        metadata=about(
            "hull",
            "angstrom: standard deviation of displacements of candidates before they are relaxed; "
            "a symmetric structure may stop at a saddle point",
            number(0.0),
        ),
    )
    batch: int = field(
        default=50,
        metadata=about("hull", "structures that are relaxed in one task", integer(1)),
    )
    train: Mapping[str, Any] = field(
        default_factory=dict,
        metadata=about(
            "hull",
            "what is other than in [train] for the second potential; without a level, it is higher "
            "by 4",
            parse_table,
            example="{ level = 16 }",
        ),
    )


def hull_settings(table: Mapping[str, Any]) -> HullSettings:
    """Return what a table [hull] says.

    Raises
    ------
    InputError
        A key is unknown, or a value of the wrong kind; names it.
    """
    keys = spelled(HullSettings, table, "[hull]", "mlp learn --template")
    values = parse_values(HullSettings, keys, lambda key: f"[hull] {key.replace('_', '-')}")
    return HullSettings(**values)
