"""Words that several messages share."""

from __future__ import annotations


def counted(number: int, noun: str, one: str = "", several: str = "") -> str:
    """Return "1 structure", "2 structures"; with verbs "1 structure was", "2 structures were"."""
    verb = one if number == 1 else several
    return f"{number} {noun}{'' if number == 1 else 's'}{f' {verb}' if verb else ''}"
