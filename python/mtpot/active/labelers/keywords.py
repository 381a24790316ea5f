"""Keyword arguments that a calculator takes without a word, and has no use for.

Calculators of ASE take any; only those are refused that surely do nothing, or are next to one that
does something.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import FileIOCalculator
from ase.calculators.espresso import Espresso
from ase.io.espresso import write_espresso_in
from ase.io.espresso_namelist.keys import ALL_KEYS
from ase.io.espresso_namelist.namelist import Namelist

from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def check_keywords(calculator: Any, settings: Mapping[str, Any]) -> None:
    """Refuse settings that a calculator, which was made with them, does not look at.

    Raises
    ------
    InputError
        Names the key, and what may have been meant.
    """
    if isinstance(calculator, Espresso):
        _check_espresso(settings)
        return
    known = getattr(calculator, "default_parameters", None)
    kept = getattr(calculator, "parameters", None)
    # What programs are given in files goes to these as it is.
    if not known or not isinstance(kept, Mapping) or isinstance(calculator, FileIOCalculator):
        return
    for key in settings:
        if key in kept and key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            if near:
                raise InputError(f"[label] settings {key}: did you mean {near[0]}?")


def _check_espresso(settings: Mapping[str, Any]) -> None:
    """Refuse keys that ASE would leave out of the input of pw.x.

    Those inside of a namelist are written as they are: pw.x itself refuses what it does not know.
    """
    arguments = [name for name in inspect.signature(write_espresso_in).parameters if name != "fd"]
    _check_placed(settings, "", [*arguments, "directory"])
    given = settings.get("input_data")
    if isinstance(given, Mapping):
        flat = {key: value for key, value in given.items() if not isinstance(value, Mapping)}
        _check_placed(flat, " input_data", ())


def _check_placed(keys: Iterable[str], where: str, known: Sequence[str]) -> None:
    """Refuse keys that are neither known nor in a namelist of pw.x."""
    namelists = ALL_KEYS["pw"]
    every = [*known, *chain.from_iterable(namelists.values())]
    for key in keys:
        section = Namelist.search_key(key.lower(), namelists)  # type: ignore[no-untyped-call]
        if key in known or section:
            continue
        near = difflib.get_close_matches(key.lower(), every, n=1, cutoff=0.75)
        hint = "ASE knows no namelist of pw.x for it; give that, { system = { KEY = ... } }"
        raise InputError(
            f"[label] settings{where} {key}: {f'did you mean {near[0]}?' if near else hint}"
        )
