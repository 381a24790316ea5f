"""Locks on files: of a run's folder for its driver, of a task's for its process."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from mtpot.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def take_lock(file: int, path: str | os.PathLike[str]) -> bool:
    """Take the lock of an open file, which the system lets go of with the last that has it open.

    False if another process has it.

    Raises
    ------
    InputError
        The file system has no locks; `path` is the name in the message.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise InputError(
            f"{path} cannot be locked: {error.strerror}; choose a folder on a file system with "
            "locks, or mount this one with them"
        ) from error
    return True


def holder_of(path: Path) -> str | None:
    """Return what a process has written into a file whose lock it holds; None if nobody does.

    The lock is taken for as long as it takes to see that it is free.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.pread(file, 200, 0).decode(errors="replace").strip()
    finally:
        os.close(file)
    return None
