"""Files of pseudopotentials: whether they are there, and of which element they are."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from mtpot.elements import SYMBOLS
from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEAD = 1 << 16
"""Bytes in which the header of a UPF file stands, with the inputs of its generator before it."""
_ELEMENT = re.compile(
    r"""<PP_HEADER\b.*?(?:\selement\s*=\s*["']\s*([A-Za-z]+)\s*["']|^\s*([A-Za-z]+)\s+Element\b)""",
    re.DOTALL | re.MULTILINE,
)
"""An attribute in UPF 2, a line in UPF 1."""
_SYMBOL = re.compile(r"[A-Z][a-z]?(?![a-z])")
"""Names of species may go on with a number or a word: Fe1, Fe_up."""


def check_pseudopotentials(folder: Path, names: Mapping[str, Any]) -> None:
    """Refuse names of files that are not in a folder, and files that are of another element.

    Raises
    ------
    InputError
        Names the element and its file.
    """
    there = [path.name for path in folder.iterdir()]
    for species, name in names.items():
        where = f"[label] settings pseudopotentials: {species}:"
        if name not in there:
            own = [
                each
                for each in there
                if re.match(rf"{re.escape(species)}[._-]", each, re.IGNORECASE)
            ]
            near = difflib.get_close_matches(str(name), own or there, n=1, cutoff=0.3)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InputError(f"{where} {folder} has no {name}{hint}")
        wanted, found = _SYMBOL.match(species), element_of(folder / name)
        if wanted and wanted[0] in SYMBOLS and found and found != wanted[0]:
            raise InputError(f"{where} {folder / name} is one of {found}: name that of {wanted[0]}")


def element_of(path: Path) -> str | None:
    """Return the element of a UPF file by its header; None if there is none to be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).decode(errors="replace")
    except OSError:
        return None
    found = _ELEMENT.search(head)
    symbol = (found[1] or found[2]).capitalize() if found else ""
    return symbol if symbol in SYMBOLS else None
