"""Files appear whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import glob
import os
import secrets
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mtpot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def installed_folder() -> Path:
    """Folder of what is built: the compiled module, potentials, the plugin for LAMMPS.

    In an editable installation it is not that of the Python files.
    """
    spec = find_spec("mtpot._core")
    here = spec.origin if spec and spec.origin else __file__
    return Path(here).parent


def check_target(
    path: str | os.PathLike[str],
    overwrite: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> Path:
    """Refuse a file that cannot be written later; call it before the long work starts.

    What is read is never overwritten: a target that is one of the `inputs` is refused, too.

    Raises
    ------
    InputError
        The path is a folder, exists and may not be overwritten, or its folder is missing,
        is a file or cannot be written.
    """
    target = Path(path)
    for each in inputs:
        if target.exists() and Path(each).exists() and target.samefile(each):
            raise InputError(f"{target} is read by this command; name another file for the output")
    if target.is_dir():
        raise InputError(f"{target} is a folder; name a file")
    if target.exists() and not overwrite:
        raise InputError(f"{target} exists; choose another name or give --overwrite")
    if not target.parent.exists():
        raise InputError(f"{target}: the folder {target.parent} does not exist; create it first")
    _check_writable(target.parent)
    return target


def check_folder(path: str | os.PathLike[str]) -> Path:
    """Refuse a folder that is not there and cannot be made either.

    Raises
    ------
    InputError
        A file stands where a folder should be, or the nearest existing folder is read-only.
    """
    folder = Path(path)
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    _check_writable(existing)
    return folder


def probe_folder(path: str | os.PathLike[str]) -> None:
    """Find out by trying whether a folder can be made and written, and leave no trace.

    Raises
    ------
    InputError
        It cannot.
    """
    folder = Path(path).absolute()
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        make_folder(folder)
        trial = folder / f".{secrets.token_hex(4)}"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        for each in missing:
            with suppress(OSError):
                each.rmdir()


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder and its parents; one that exists already is fine.

    Raises
    ------
    InputError
        The folder cannot be made; the message says why.
    """
    folder = check_folder(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}") from error
    return folder


def write_atomic(
    path: str | os.PathLike[str], content: bytes | str, overwrite: bool = False
) -> None:
    """Write a file so that no reader ever sees half of it; text is encoded as UTF-8.

    Raises
    ------
    InputError
        As `check_target`, or the system refuses the write (disk full, permissions).
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing(path, overwrite) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Give the block a temporary path with the same suffixes; rename it when the block ends.

    If the block fails, the temporary file goes away and the target stays as it was.

    Raises
    ------
    InputError
        As `check_target`, or the system refuses the write.
    """
    target = check_target(path, overwrite)
    # A link keeps pointing where it did: what it points at is replaced.
    final = Path(os.path.realpath(target))
    temporary = final.with_name(f".{secrets.token_hex(4)}-{final.name}")
    try:
        yield temporary
        _flush(temporary)
        check_target(path, overwrite)
        temporary.replace(final)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Delete what processes that were killed while they wrote this file have left beside it."""
    target = Path(path)
    for each in target.parent.glob(f".{'[0-9a-f]' * 8}-{glob.escape(target.name)}"):
        each.unlink(missing_ok=True)


def _check_writable(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"{folder} is a file where a folder should be")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"the folder {folder} cannot be written; choose another place")


def _flush(path: Path) -> None:
    """Bring the content to the disk before the name points at it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
