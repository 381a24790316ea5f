"""Text files, compressed or not; the suffix decides."""

from __future__ import annotations

import io
import lzma
import zlib
from typing import TYPE_CHECKING

from ase.io.formats import open_with_compression

from mtpot.errors import FormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_LONGEST = 18
"""Digits of a count; Python refuses to parse thousands of them."""


def read_lines(path: Path, errors: str = "strict") -> list[str]:
    """All of `iterate_lines`."""
    return list(iterate_lines(path, errors))


def iterate_lines(path: Path, errors: str = "strict") -> Iterator[str]:
    """Lines of a UTF-8 file with their newlines; .gz, .bz2 and .xz are unpacked.

    With ``errors="replace"`` bytes that are no UTF-8 become question marks.

    Raises
    ------
    InputError
        The file cannot be read or unpacked.
    FormatError
        It is no text.
    """
    try:
        with open_with_compression(str(path), "rb") as file:
            yield from io.TextIOWrapper(file, "utf-8", errors)
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a text file: {error}") from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def write_texts(path: Path, texts: Iterable[str]) -> None:
    """Write a UTF-8 file piece by piece; .gz, .bz2 and .xz are packed."""
    with open_with_compression(str(path), "wb") as file:
        for text in texts:
            file.write(text.encode())


def is_count(word: str) -> bool:
    """Whether a word is a non-negative integer of a size that can count anything."""
    return word.isdecimal() and len(word) <= _LONGEST
