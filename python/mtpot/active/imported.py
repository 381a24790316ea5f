"""Functions and classes of others, by their names in settings."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from mtpot.errors import InputError


def imported(name: str, folder: Path | None = None) -> Any:
    """Return what "package.module:name" or "file.py:name" names.

    Raises
    ------
    InputError
        There is no such module, file or name.
    """
    place, _, attribute = name.rpartition(":")
    if not place:
        raise InputError(f"{name}: expected module:name or file.py:name")
    try:
        module = _module(place, folder)
    except ImportError as error:
        raise InputError(f"{name}: {error}; install what is missing") from error
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name}: {place}: {type(error).__name__}: {error}") from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise InputError(f"{name}: {place} has no {attribute}") from None


def _module(place: str, folder: Path | None) -> Any:
    if not place.endswith(".py"):
        return importlib.import_module(place)
    path = (folder or Path()) / place
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    beside = str(path.resolve().parent)
    if beside not in sys.path:
        sys.path.append(beside)  # for what it imports; last, lest it hides other modules
    name = f"mtpot_user_{path.stem}"  # its own may be that of a module which others need
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
