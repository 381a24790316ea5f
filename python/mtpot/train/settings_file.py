"""Settings from a TOML file and from flags, and back into a file."""

from __future__ import annotations

import difflib
import json
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from mtpot.errors import FormatError, InputError
from mtpot.train.settings import NOTHING, SHAPE, Option, Settings, options
from mtpot.train.solvers import SOLVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def load_settings(path: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Take the settings of a TOML file and override them by the flags that are given.

    Parameters
    ----------
    path
        Settings file, or None.
    flags
        Field name to value.

    Raises
    ------
    FormatError
        The file is not TOML.
    InputError
        Unknown key, value of the wrong kind, or a required setting that nobody gives; the
        message names file and key, or the flag.
    """
    in_file = {} if path is None else read_toml(path)
    standing = {key: value for key, value in in_file.items() if key not in flags}
    from_file = _parse(standing, lambda key: f"{path}: {key}")
    from_flags = _parse(flags, lambda key: f"--{key.replace('_', '-')}")
    values = from_file | from_flags
    _check_complete(values)
    _check_start(values, flags)
    settings = Settings(**values)
    _check_sense(settings)
    return settings


def read_toml(path: Path) -> dict[str, Any]:
    """Keys and values of a settings file, keys in the spelling of `Settings`.

    Raises
    ------
    InputError, FormatError
        The file cannot be read, is not TOML, or has an unknown or repeated key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        hint = "" if path.suffix == ".toml" else "; frames to train on are given by --data"
        raise FormatError(f"{path}: not a TOML file: {error}{hint}") from error
    result: dict[str, Any] = {}
    for key, value in content.items():
        name = _known(path, key)
        if name in result:
            raise InputError(f"{path}: {name} is given twice, with a dash and an underscore")
        result[name] = value
    return result


def template() -> str:
    """Write a commented settings file: every key with its meaning and its default."""
    lines = [
        "# Settings of mlp-train: `mlp-train settings.toml`. Every key is the name of a flag,",
        "# and a flag on the command line overrides it. Paths are relative to the folder",
        "# in which the command runs.",
    ]
    section = ""
    for name, option, default in options():
        if option.section != section:
            section = option.section
            lines += ["", f"# --- {section} ---"]
        lines += _template_lines(name, option, default)
    return "\n".join(lines) + "\n"


def format_settings(values: Mapping[str, Any]) -> str:
    """Write a settings file with these values, as `Settings.as_dict` has them.

    Leaves out what is not set, and what is for the hand at the keyboard: overwrite and resume.
    """
    lines: list[str] = []
    section = ""
    for name, option, _ in options():
        if name in ("overwrite", "resume") or values.get(name) in (None, [], {}):
            continue
        if option.section != section:
            section = option.section
            lines += ["", f"# --- {section} ---"]
        lines.append(f"{name.replace('_', '-')} = {_toml(values[name])}")
    return "\n".join(lines[1:]) + "\n"


def _template_lines(name: str, option: Option, default: Any) -> Iterable[str]:
    key = name.replace("_", "-")
    yield ""
    yield from textwrap.wrap(option.help, 96, initial_indent="# ", subsequent_indent="# ")
    if default is MISSING:
        yield f"{key} = {option.example}"
    elif default in NOTHING:
        yield f"# {key} = {option.example}"
    else:
        yield f"{key} = {_toml(default)}"


def _parse(values: Mapping[str, Any], where: Callable[[str], str]) -> dict[str, Any]:
    parsers = {name: option.parse for name, option, _ in options()}
    result = {}
    for key, value in values.items():
        try:
            result[key] = parsers[key](value)
        except ValueError as error:
            raise InputError(f"{where(key)} = {value!r}: {error}") from error
    return result


def _known(path: Path, key: str) -> str:
    names = [item.name for item in fields(Settings)]
    name = key.replace("-", "_")
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0].replace('_', '-')}?" if near else "see mlp-train --template"
    raise InputError(f"{path}: unknown key {key}; {hint}")


def _check_complete(values: Mapping[str, Any]) -> None:
    for name, _, default in options():
        if default is MISSING and values.get(name, ()) == ():
            raise InputError(
                f"no {name}: give --{name}, or a settings file that has it (mlp-train --template)"
            )


def _check_start(values: Mapping[str, Any], flags: Mapping[str, Any]) -> None:
    given = [f"--{name.replace('_', '-')}" for name in SHAPE if name in flags]
    if "start" in values and given:
        raise InputError(
            f"{values['start']} fixes the shape of the potential: leave out {', '.join(given)}"
        )


def _check_sense(settings: Settings) -> None:
    if not (settings.energy_weight or settings.force_weight or settings.stress_weight):
        raise InputError("all three weights are zero: there is nothing to fit")
    if settings.stream and settings.solver in ("huber", "least-absolute"):
        raise InputError(f"--solver {settings.solver} needs all residuals in memory: no --stream")
    if settings.stream and settings.energy_correlation > 0.0:
        raise InputError("--energy-correlation needs all frames in memory: leave out --stream")
    for name in ("ridge", "features", "prior"):
        heeding = [each for each, solver in SOLVERS.items() if name in solver.heeds]
        untouched = next(default for key, _, default in options() if key == name)
        if settings.solver not in heeding and getattr(settings, name) != untouched:
            raise InputError(
                f"--solver {settings.solver} has no use for --{name}; it is for "
                f"{', '.join(heeding)}"
            )


def _toml(value: Any) -> str:
    """Write a value as TOML does, which for these kinds, but for tables, is as JSON does."""
    if isinstance(value, Mapping):
        items = (f"{_toml(name)} = {_toml(each)}" for name, each in value.items())
        return f"{{ {', '.join(items)} }}"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
