"""Settings of orbital-free density functional theory by DFTpy.

[label]
calculator = "dftpy"
settings.config = { GRID = { spacing = 0.25 }, KEDF = { kedf = "WT" }, PP = { Al = "al.recpot" } }

Sections and keys are those of DFTpy's own input files; what is not given has its defaults.
"""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING, Any

from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def completed(settings: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """Return the settings with all that DFTpy's calculator wants to find in `config`.

    Parameters
    ----------
    settings
        Keyword arguments of the calculator.
    place
        Folder which those of pseudopotentials are relative to.

    Raises
    ------
    InputError
        A section or key is none of DFTpy's, a pseudopotential is missing, or a value is of the
        wrong kind; names it.
    """
    from dftpy.config.config import DefaultOption, OptionFormat  # noqa: PLC0415 - it may be missing

    config = DefaultOption()
    given = {name.upper(): dict(section) for name, section in settings.get("config", {}).items()}
    for name, section in ({"JOB": {"calctype": "Energy Force Stress"}} | given).items():
        known = config[_known(name, set(config) - {"CONFDICT"}, "section")]
        for key, value in section.items():
            known[key if name == "PP" else _known(key.lower(), known, f"key of {name}")] = value
    folder = place / config["PATH"]["pppath"]
    config["PATH"]["pppath"] = str(folder)
    for symbol, file in given.get("PP", {}).items():
        if not (folder / file).is_file():
            raise InputError(f"[label] settings config PP {symbol}: {folder / file}: no such file")
        config["PP"][symbol] = os.path.relpath(folder / file, folder)  # it is put behind the folder
    try:
        return {**settings, "config": OptionFormat(config)}
    except Exception as error:
        raise InputError(f"[label] settings config: {type(error).__name__}: {error}") from error


def _known(name: str, names: Iterable[str], what: str) -> str:
    names = [each for each in names if each not in ("copy", "comment")]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(names))}"
        raise InputError(f"[label] settings config: {name} is no {what}; {hint}")
    return name
