"""From what a user writes, text or a value of TOML, to the value of a setting.

A parser takes anything and raises a ValueError that says what it expected.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtpot.elements import SYMBOLS
from mtpot.errors import InputError

Parser = Callable[[Any], Any]

_INFINITY = float("inf")
_LARGEST = 2**31 - 1


def parse_species(value: Any) -> tuple[str, ...]:
    """Element symbols from ``"Al,Ni"`` or ``["Al", "Ni"]``; each may appear once."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError("expected element symbols, as in Al,Ni")
    symbols = tuple(name.strip() for name in names)
    if not all(symbols):
        raise ValueError("expected element symbols, as in Al,Ni")
    for symbol in symbols:
        if symbol not in SYMBOLS:
            meant = symbol.capitalize()
            hint = f"; did you mean {meant}?" if meant in SYMBOLS else ""
            raise ValueError(f"no element {symbol}{hint}")
    if len(set(symbols)) != len(symbols):
        raise ValueError("an element appears twice")
    return symbols


def parse_factors(value: Any) -> dict[str, float]:
    """Factors by name from ``"Surface=2,Elastic=0.5"`` or a TOML table; not negative."""
    if isinstance(value, str):
        parts = [part.rpartition("=") for part in value.split(",")]
        value = {name.strip(): factor for name, _, factor in parts}
        if len(value) < len(parts):
            raise ValueError("a name appears twice")
    if not isinstance(value, dict) or not all(value):
        raise ValueError("expected names with factors, as in Surface=2,Elastic=0.5")
    parse = number(0.0)
    return {name: parse(factor) for name, factor in value.items()}


def integer(minimum: int, maximum: int = _LARGEST) -> Parser:
    """Make a parser of integers from `minimum` to `maximum`."""

    def parse(value: Any) -> int:
        if isinstance(value, str) and value.lstrip("-").isdecimal():
            value = int(value)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not minimum <= value <= maximum:
            raise ValueError(f"expected an integer from {minimum} to {maximum}")
        return int(value)

    return parse


def number(low: float, high: float = _INFINITY, *, open_low: bool = False) -> Parser:
    """Make a parser of finite numbers in [low, high), or in (low, high) with `open_low`."""
    bound = f"of {'more than' if open_low else 'at least'} {low:g}"
    expected = f"expected a number {bound}" + (f" and below {high:g}" if high < _INFINITY else "")

    def parse(value: Any) -> float:
        result = _float(value)
        # Written so that nan fails as well.
        if result is None or not low <= result < high or (open_low and result == low):
            raise ValueError(expected)
        return result

    return parse


def parse_share(value: Any) -> float:
    """Return a number from 0 to 1, both of which it may be."""
    result = _float(value)
    if result is None or not 0.0 <= result <= 1.0:
        raise ValueError("expected a share, a number from 0 to 1")
    return result


def choice(*names: str) -> Parser:
    """Make a parser of one of `names`."""

    def parse(value: Any) -> str:
        if value not in names:
            raise ValueError(f"expected one of {', '.join(names)}")
        return str(value)

    return parse


def auto_or(parse: Parser) -> Parser:
    """Make a parser of what another one takes, or of "auto"."""

    def parse_or_auto(value: Any) -> Any:
        try:
            return value if value == "auto" else parse(value)
        except ValueError as error:
            raise ValueError(f"{error}, or auto") from error

    return parse_or_auto


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def parse_level(value: Any) -> int:
    """Even level of a potential."""
    level: int = integer(2, 32)(value)
    if level % 2:
        raise ValueError("expected an even number from 2 to 32")
    return level


def parse_ensemble(value: Any) -> int:
    """Take a number of members; a committee has at least two."""
    count: int = integer(0, 100)(value)
    if count == 1:
        raise ValueError("expected 0, or 2 and more members")
    return count


def parse_path(value: Any) -> Path:
    """Path of a file or a folder."""
    if not isinstance(value, str) or not value:
        raise ValueError("expected the path of a file")
    return Path(value)


def parse_paths(value: Any) -> tuple[Path, ...]:
    """Paths from ``"a.xyz,runs/*/OUTCAR"``, or from a list of such; a file may have a comma.

    An empty list means that there are none.
    """
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)):
        raise ValueError("expected the paths of files")
    if not all(isinstance(each, str) and each for each in values):
        raise ValueError("expected the paths of files")
    parts = [p for v in values for p in ([v] if Path(v).exists() else v.split(","))]
    if not all(part.strip() for part in parts):
        raise ValueError("expected the paths of files, as in a.xyz,b.db")
    return tuple(Path(part if Path(part).exists() else part.strip(" ")) for part in parts)


def parse_switch(value: Any) -> bool:
    """Take true or false, and nothing like them."""
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def parse_name(value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("expected a name")
    return value


def numbers(low: float, *, open_low: bool = False) -> Parser:
    """Make a parser of one or several numbers: ``300``, ``[300, 600]`` or ``"300,600"``."""
    parse_one = number(low, open_low=open_low)

    def parse(value: Any) -> tuple[float, ...]:
        if isinstance(value, str):
            value = value.split(",")
        several = value if isinstance(value, (list, tuple)) else [value]
        if not several:
            raise ValueError("expected at least one number")
        return tuple(parse_one(each) for each in several)

    return parse


def parse_repeat(value: Any) -> tuple[int, int, int]:
    """Take copies along the three cell vectors: ``2`` or ``[2, 2, 1]``."""
    several = [value] * 3 if isinstance(value, int) else value
    if not isinstance(several, (list, tuple)) or len(several) != 3:
        raise ValueError("expected an integer, or three")
    one, two, three = (integer(1)(each) for each in several)
    return one, two, three


def parse_table(value: Any) -> dict[str, Any]:
    """Return a TOML table as it is."""
    if not isinstance(value, dict):
        raise ValueError("expected a table, { name = value, ... }")
    return value


def parse_active_set(value: Any) -> str:
    """Return "nbh", "cfg", "none" or weights of rows, "energy=1,force=0.01", also from a table."""
    from mtpot.grading import rows_named  # noqa: PLC0415 - not for every --help

    if isinstance(value, dict):
        value = ",".join(f"{kind}={weight}" for kind, weight in value.items())
    if value != "none":
        try:
            rows_named(str(value))
        except InputError as error:
            raise ValueError(str(error)) from error
    return str(value)


def parse_names(value: Any) -> tuple[str, ...]:
    """Names from ``"a,b"`` or ``["a", "b"]``."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not names:
        raise ValueError("expected names")
    return tuple(parse_name(name) for name in names)
