"""Extended XYZ, read frame by frame so that every message names the line.

ASE parses each frame. What it would let pass is checked here: surplus columns (which it drops), a
blank line between frames (after which it stops reading) and tensors that are not symmetric (of
which it takes the upper half); tensors of six numbers, which it refuses, are completed.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ase.data import atomic_numbers
from ase.io.extxyz import read_xyz

from mtpot.data.arrays import full_tensor, voigt
from mtpot.data.text import is_count, iterate_lines
from mtpot.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ase import Atoms

_PROPERTIES = re.compile(r'\bProperties\s*=\s*"?([^"\s]+)', re.IGNORECASE)
_TENSOR = re.compile(r"""\b(stress|virial)\s*=\s*["'{\[]\s*([^"'{}\[\]]*)["'}\]]""")
_PLAIN = "species:S:1:pos:R:3"
_NUMBERS: dict[str, Callable[[str], float]] = {"R": float, "I": int}


@dataclass(frozen=True, slots=True)
class Block:
    """The text of one frame: where it begins (lines from 1) and its lines, count line first."""

    path: Path
    line: int
    index: int
    lines: list[str]

    @property
    def source(self) -> str:
        """For messages: "train.xyz:131 (frame 3)", frames counted from 1."""
        return self.at(self.line)

    def at(self, line: int) -> str:
        """Name a line of this frame, for messages."""
        return f"{self.path}:{line} (frame {self.index})"

    def atoms(self) -> Iterator[tuple[int, str]]:
        """Yield the number and the text of the line of each atom."""
        return enumerate(self.lines[2:], start=self.line + 2)


def read_extxyz(path: Path) -> Iterator[tuple[str, Atoms]]:
    """Yield every frame of an extended XYZ file (.gz, .bz2, .xz too), with its place for messages.

    Raises
    ------
    InputError
        There is no such file, or it cannot be opened.
    FormatError
        A frame is cut short, has a wrong number of columns or cannot be parsed.
    """
    for block in split_frames(path):
        yield block.source, _parse(block)


def split_frames(path: Path) -> Iterator[Block]:
    """Cut a file into frames by their atom counts.

    Raises
    ------
    InputError, FormatError
        As `read_extxyz`.
    """
    lines = iterate_lines(path)
    number = index = 0
    for line in lines:
        number += 1
        if line.strip():
            index += 1
            block = _block(path, [line], lines, number, index)
            yield block
            number += len(block.lines) - 1


def _block(path: Path, begun: list[str], rest: Iterator[str], number: int, index: int) -> Block:
    where = f"{path}:{number} (frame {index})"
    header = begun[0].strip()
    if not is_count(header) or int(header) == 0:
        raise FormatError(f"{where}: expected a number of atoms, found {header[:40]!r}")
    lines = [*begun, *islice(rest, int(header) + 1)]
    if len(lines) < int(header) + 2:
        found = max(len(lines) - 2, 0)
        raise FormatError(f"{where}: the file ends after {found} of {header} atoms")
    return Block(path, number, index, lines)


def _parse(block: Block) -> Atoms:
    _check_columns(block)
    lines = [block.lines[0], _complete_tensors(block), *block.lines[2:]]
    try:
        atoms: Atoms = next(read_xyz(io.StringIO("".join(lines)), index=0))
    except Exception as error:
        # ASE raises whatever its parsing stumbles over, from KeyError to AssertionError.
        _check_words(block)
        detail = f"ASE cannot parse this frame: {type(error).__name__}: {error}"
        raise FormatError(f"{block.source}: {detail}") from error
    for key, value in atoms.info.items():
        if isinstance(value, str):
            # As `mtpot.data.write_atoms` writes texts of several lines.
            atoms.info[key] = value.replace("\\n", "\n")
    return atoms


def _complete_tensors(block: Block) -> str:
    """Return the comment line with nine symmetric numbers for each stress and virial."""

    def complete(found: re.Match[str]) -> str:
        numbers = [float(word) for word in found[2].replace(",", " ").split()]
        nine = full_tensor(voigt(numbers, found[1])).ravel().tolist()
        return f'{found[1]}="{" ".join(map(repr, nine))}"'

    try:
        return _TENSOR.sub(complete, block.lines[1])
    except ValueError as error:
        raise FormatError(f"{block.at(block.line + 1)}: {error}") from error


def _check_columns(block: Block) -> None:
    found = _PROPERTIES.search(block.lines[1])
    expected = _column_count(block, found[1] if found else _PLAIN)
    for number, line in block.atoms():
        columns = len(line.split())
        if columns != expected:
            raise FormatError(
                f"{block.at(number)}: {columns} columns where "
                f"{'Properties names' if found else 'a plain XYZ file has'} {expected}"
            )


def _check_words(block: Block) -> None:
    """Name the atom that makes a frame unreadable, if it is one."""
    found = _PROPERTIES.search(block.lines[1])
    words = iter((found[1] if found else _PLAIN).split(":"))
    columns = [
        (name.lower(), kind)
        for name, kind, count in zip(words, words, words, strict=True)
        for _ in range(int(count))
    ]
    for number, line in block.atoms():
        for (name, kind), word in zip(columns, line.split(), strict=True):
            if name == "species" and word.capitalize() not in atomic_numbers:
                raise FormatError(f"{block.at(number)}: no element {word}")
            if kind in _NUMBERS and not _parses(word, _NUMBERS[kind]):
                raise FormatError(f"{block.at(number)}: {word!r} in {name} is no number")


def _parses(word: str, number: Callable[[str], float]) -> bool:
    try:
        number(word)
    except ValueError:
        return False
    return True


def _column_count(block: Block, properties: str) -> int:
    counts = properties.split(":")[2::3]
    if len(properties.split(":")) % 3 or not all(map(is_count, counts)):
        raise FormatError(
            f"{block.at(block.line + 1)}: Properties={properties} is not a list of name:type:count"
        )
    return sum(map(int, counts))
