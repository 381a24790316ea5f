"""What a program said before it failed, from the files of its folder."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ERRORS = (".err", ".stderr")
_OUTPUTS = (".out", ".log", ".stdout", ".pwo", ".abo", ".nwo", ".castep")
_TAIL = 1 << 16
_LINES, _LONGEST = 3, 240
"""Lines of a file that a message shows, and characters of them."""
_BANNER = re.compile(r"^ *%{20,} *\n(.*?)\n *%{20,}", re.DOTALL | re.MULTILINE)
"""Quantum ESPRESSO puts its errors between two such lines, in its output and in the file CRASH."""

_MPI = re.compile(r"^-{60,}\nMPI_ABORT was invoked.*?^-{60,}$", re.DOTALL | re.MULTILINE)
"""Open MPI says at length that a program ended itself, never why."""


def error_said(folder: Path) -> str:
    """Return the error that a program has put into a frame, with the name of its file, or ""."""
    for path in [*_files(folder, *_OUTPUTS, *_ERRORS), folder / "CRASH"]:
        found = _BANNER.findall(_tail(path))
        if found:
            return f"{path.name}: {_shortened(found[-1].splitlines())}"
    return ""


def last_words(folder: Path) -> str:
    """Return how the largest output of a program ends, and what it wrote as errors, in one line."""
    told = []
    for suffixes in (_OUTPUTS, _ERRORS):
        path = max(_files(folder, *suffixes), key=lambda each: each.stat().st_size, default=None)
        lines = _MPI.sub("", _tail(path)).split("\n") if path else []
        words = [line for line in lines if re.search(r"\w", line)]
        if path and words:
            told.append(f"{path.name} ends with: {_shortened(words[-_LINES:])}")
    return "; ".join(told)


def _files(folder: Path, *suffixes: str) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in suffixes and path.is_file():
            yield path


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _shortened(lines: list[str]) -> str:
    return textwrap.shorten(" ".join(lines), _LONGEST, placeholder=" …")
