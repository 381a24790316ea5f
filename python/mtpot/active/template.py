"""The commented settings file of a learning run."""

from __future__ import annotations

import textwrap
from dataclasses import MISSING
from typing import TYPE_CHECKING

from mtpot.active.explorers import EXPLORERS
from mtpot.active.hull.settings import HullSettings
from mtpot.active.plan import Plan
from mtpot.active.settings import TABLES, LearnSettings
from mtpot.train.option import NOTHING, options_in, template_lines, toml

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# Settings of `mlp learn settings.toml`. Plain keys are names of flags, and a flag on the command
# line overrides them. Paths are relative to the folder in which the command runs.
# `mlp learn settings.toml --check` looks for all that is needed, and calculates once.
"""

_LABEL = """
# --- where labels come from: calculator, function, or exchange (with a calculator or without) ---
[label]
# Any calculator of ASE, by its name; tblite, dftpy, gpaw; or "module:Class".
calculator = "espresso"
# Program and files of newer calculators (espresso, abinit); older ones have `command` in settings.
profile = { command = "pw.x", pseudo_dir = "pseudos" }
# A function of your own, which takes Atoms and returns them with results:
# function = "labels.py:label"
# A folder where inputs (by calculator; without, structures) are written and outputs collected, for
# machines without a connection:
# exchange = "jobs"
# eV/angstrom: a calculation with a larger force is no label.
# max-force = 50.0
"""

_SETTINGS = """
# Keyword arguments of the calculator.
[label.settings]
pseudopotentials = { Si = "Si.UPF" }
kspacing = 0.05
input_data = { tprnfor = true, tstress = true, ecutwfc = 30.0, conv_thr = 1e-8 }

# What to change for another try, in this order; without, it is tried once more as it is.
# [[label.fallback]]
# settings = { input_data = { mixing_beta = 0.3, electron_maxstep = 300 } }

# --- the potential and its training: keys of `mlp train --template` ---
[train]
level = 12
cutoff = 5.0
"""

_HULL = """
# --- for mode = "hull" alone ---
[hull]
"""

_EXPLORE = """
# --- what the potential is to be used for; several tables are explored side by side ---
[[explore]]
engine = "lammps"
temperature = 300.0
final-temperature = 2000.0
time = 100.0
repeat = 2
"""


def template() -> str:
    """Write a settings file: every key with its meaning and its default."""
    return (
        "\n".join([_HEAD.rstrip(), *_plain_keys(), _LABEL.rstrip(), *_plan_keys()])
        + "\n"
        + f"{_SETTINGS}{_HULL}"
        + "\n".join(_hull_keys())
        + f"\n{_EXPLORE}\n"
        + "\n".join(_engines())
        + "\n"
    )


def _plain_keys() -> Iterator[str]:
    section = ""
    for name, option, default in options_in(LearnSettings):
        if name in TABLES:
            continue
        if option.section != section:
            section = option.section
            yield from ("", f"# --- {section} ---")
        yield from template_lines(name, option, default)


def _plan_keys() -> Iterator[str]:
    for name, option, default in options_in(Plan):
        if name != "fallback":
            yield from template_lines(name, option, default)


def _hull_keys() -> Iterator[str]:
    for name, option, default in options_in(HullSettings):
        yield from template_lines(name, option, default)


def _engines() -> Iterator[str]:
    """Say which keys each engine has."""
    yield "# Engines and their keys:"
    for engine, record in EXPLORERS.items():
        yield f"#\n# {engine}"
        for name, option, default in options_in(record):
            shown = (
                "" if default is MISSING or default in NOTHING else f" (default: {toml(default)})"
            )
            text = f"{name.replace('_', '-')}: {option.help}{shown}"
            yield from textwrap.wrap(text, 96, initial_indent="#   ", subsequent_indent="#       ")
