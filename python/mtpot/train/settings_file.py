"""Settings from a TOML file and from flags, and back into a file."""

from __future__ import annotations

from dataclasses import MISSING
from typing import TYPE_CHECKING, Any

from mtpot.errors import InputError
from mtpot.train.option import parse_values, read_table, spelled, template_lines, toml
from mtpot.train.settings import SHAPE, Settings, options
from mtpot.train.solvers import SOLVERS

if TYPE_CHECKING:
    from collections.abc import Mapping
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
    in_file = {} if path is None else readtoml(path)
    standing = {key: value for key, value in in_file.items() if key not in flags}
    from_file = parse_values(Settings, standing, lambda key: f"{path}: {key}")
    from_flags = parse_values(Settings, flags, lambda key: f"--{key.replace('_', '-')}")
    values = from_file | from_flags
    _check_complete(values)
    _check_start(values, flags)
    settings = Settings(**values)
    _check_sense(settings)
    return settings


def readtoml(path: Path) -> dict[str, Any]:
    """Keys and values of a settings file, keys in the spelling of `Settings`.

    Raises
    ------
    InputError, FormatError
        The file cannot be read, is not TOML, or has an unknown or repeated key.
    """
    content = read_table(path, "; frames to train on are given by --data")
    return spelled(Settings, content, str(path), "mlp-train --template")


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
        lines += template_lines(name, option, default)
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
        lines.append(f"{name.replace('_', '-')} = {toml(values[name])}")
    return "\n".join(lines[1:]) + "\n"


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
