"""Tables of iterations and of what was set aside, and the settings of a run."""

from __future__ import annotations

import math
import re
import textwrap
from typing import TYPE_CHECKING, Any

from mtpot.train.option import toml
from mtpot.train.report.page import paragraph, preformatted, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtpot.active.report.history import Explored, History
    from mtpot.active.store import Entry

_LONGEST = 300
"""Characters of a reason; the log has the rest."""


def iteration_table(history: History) -> list[str]:
    """Write what each iteration did, in columns that say something of this run."""
    rows = [_iteration(history, k) for k in range(history.iterations)]
    # On the fly a simulation stops for each structure: there is nothing to choose from.
    heads = [head for head in rows[0] if not (history.on_the_fly and head in _CHOOSING)]
    return [table(heads, [[row[head] for head in heads] for row in rows], "Iterations")]


_CHOOSING = ("candidates", "selected", "exploration (s)")


def _iteration(history: History, iteration: int) -> dict[str, str]:
    of_row = {entry.id: entry.iteration for entry in history.entries}
    labels = [event for event in history.labels if of_row.get(event["row"]) == iteration]
    explored = [each for each in history.explorations if each.iteration == iteration]
    training = history.store.events("training").get(f"{iteration:03d}")
    errors: Mapping[str, Any] = training["errors"] if training else {}
    grades = [each.largest for each in explored if math.isfinite(each.largest)]
    return {
        "iteration": f"{iteration}",
        "calculations": f"{len(labels)}",
        "frames": f"{training['frames']}" if training else "-",
        "energy RMSE (meV/atom)": _number(errors.get("energy_rmse_per_atom"), 1e3, 2),
        "force RMSE (eV/Å)": _number(errors.get("force_rmse"), 1.0, 4),
        "explorations": "; ".join(map(_ended, explored)) or "-",
        "simulated (ps)": f"{sum(each.picoseconds for each in explored):g}",
        "largest grade": f"{max(grades):.3g}" if grades else "-",
        "candidates": f"{sum(each.candidates for each in explored)}",
        "selected": f"{history.selections.get(iteration, 0)}",
        "labels (s)": f"{sum(event['seconds'] for event in labels):.1f}",
        "training (s)": f"{training['seconds']:.1f}" if training else "-",
        "exploration (s)": f"{sum(each.seconds for each in explored):.1f}",
    }


def _ended(explored: Explored) -> str:
    return f"{explored.name}: {explored.ended}, {explored.length:g} {explored.unit}"


def _number(value: float | None, scale: float, digits: int) -> str:
    return "-" if value is None else f"{scale * value:.{digits}f}"


def aside_table(history: History) -> list[str]:
    """Write which structures were set aside, and why; nothing without any."""
    entries = history.in_state("set-aside")
    if not entries:
        return []
    heads = ["structure", "formula", "origin", "iteration", "grade", "attempts", "reason", "log"]
    rows = [_aside(history, entry) for entry in entries]
    about = "No attempt at these gave a label. The reason is that of the last one."
    return [paragraph(about), table(heads, rows, "Set aside")]


def _aside(history: History, entry: Entry) -> list[str]:
    reason = history.reason_of(entry)
    grade = "-" if entry.grade is None else f"{entry.grade:.3g}"
    return [
        f"{entry.id}",
        entry.atoms.get_chemical_formula(),
        entry.origin,
        f"{entry.iteration}",
        grade,
        f"{entry.attempts}",
        textwrap.shorten(reason, _LONGEST, placeholder=" …") or "-",
        f"{history.log_of(entry)}",
    ]


def settings_text(history: History) -> list[str]:
    """Write the settings as a file that begins the same run."""
    return [
        paragraph("Saved as settings.toml, mlp learn settings.toml does this run again."),
        preformatted(format_settings(history.settings), "settings.toml"),
    ]


def format_settings(values: Mapping[str, Any]) -> str:
    """Write a settings file with these values, as `LearnSettings.as_dict` has them."""
    plain, tables = [], []
    for name, value in values.items():
        if name == "explore":
            tables += [("[[explore]]", each) for each in value]
        elif isinstance(value, dict):
            tables.append((f"[{name}]", value))
        elif value not in ([], ""):
            plain.append(f"{name.replace('_', '-')} = {toml(value)}")
    lines = plain
    for head, content in tables:
        lines += ["", head, *(f"{_key(key)} = {toml(each)}" for key, each in content.items())]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml(name)
