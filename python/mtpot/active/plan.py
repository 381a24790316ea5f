"""How often a calculation is tried, with which settings, and when it is given up."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mtpot.errors import InputError
from mtpot.train.option import about, parse_values
from mtpot.train.parsers import integer, number, parse_share, parse_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtpot.train.parsers import Parser


def _tables(value: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, list):
        raise ValueError("expected tables, [[label.fallback]]")
    return tuple(parse_table(each) for each in value)


_parse_tables: Parser = _tables


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Keys of the table [label] that every labeler has."""

    timeout: float = field(
        default=86400.0,
        metadata=about(
            "label", "seconds after which a calculation is ended", number(0.0, open_low=True)
        ),
    )
    fallback: tuple[Mapping[str, Any], ...] = field(
        default=(),
        metadata=about(
            "label",
            "tables of what to change when a calculation fails, one for each further try; without "
            "them it is tried once more as it is",
            _parse_tables,
        ),
    )
    max_failures: float = field(
        default=0.3,
        metadata=about(
            "label", "share of structures that may be set aside before the run stops", parse_share
        ),
    )
    max_atoms: int = field(
        default=200,
        metadata=about(
            "label",
            "atoms that a calculation can have; of larger structures the neighborhoods that "
            "extrapolate are cut out",
            integer(1),
        ),
    )
    poll: float = field(
        default=0.0,
        metadata=about(
            "label",
            "seconds between looks for results from elsewhere; 0: stop, and go on with --resume",
            number(0.0),
        ),
    )

    @property
    def attempts(self) -> int:
        """Number of tries."""
        return 1 + max(1, len(self.fallback))

    def table(self, label: Mapping[str, Any], attempt: int) -> dict[str, Any]:
        """Return what a labeler has to know for a try, counted from 1: the table without a plan.

        The number of the try stands in it from the second.
        """
        table = {key: value for key, value in underscored(label).items() if key not in PLAN_KEYS}
        if attempt == 1:
            return table
        changes = underscored(self.fallback[attempt - 2]) if self.fallback else {}
        return _merged(table, changes) | {ATTEMPT: attempt}


ATTEMPT = "attempt"
"""Key of the number of a try."""
PLAN_KEYS = tuple(Plan.__dataclass_fields__)
_NO_METHOD = (*PLAN_KEYS, ATTEMPT, "exchange", "max_force")


def plan_of(table: Mapping[str, Any]) -> Plan:
    """Return the plan that a table [label] has.

    Raises
    ------
    InputError
        A value is of the wrong kind; names the key.
    """
    if ATTEMPT in underscored(table):
        raise InputError(f"[label] unknown key {ATTEMPT}: the run itself counts its tries")
    known = {key: value for key, value in underscored(table).items() if key in PLAN_KEYS}
    return Plan(**parse_values(Plan, known, lambda key: f"[label] {key.replace('_', '-')}"))


def method_of(label: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a table [label] decides what labels are, not how or where they are made."""
    table = {key: value for key, value in underscored(label).items() if key not in _NO_METHOD}
    for name in ("profile", "settings"):
        if isinstance(table.get(name), dict):
            kept = {key: value for key, value in table[name].items() if key != "command"}
            table[name] = kept
    method: dict[str, Any] = json.loads(json.dumps(table, sort_keys=True))
    return method


def underscored(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table of the settings with the names of its keys as Python has them."""
    return {key.replace("-", "_"): value for key, value in table.items()}


def _merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with changes, which go into tables of tables."""
    result = dict(table)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            value = _merged(old, value)  # noqa: PLW2901
        result[key] = value
    return result
