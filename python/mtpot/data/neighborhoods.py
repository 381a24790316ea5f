"""Neighborhoods of a frame, with errors that name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtpot.errors import InputError, MtpotError
from mtpot.neighbors import neighborhoods

if TYPE_CHECKING:
    from mtpot import _core
    from mtpot.data.frame import Frame
    from mtpot.potential import MTP


def frame_neighborhoods(potential: MTP, frame: Frame) -> _core.Neighborhoods:
    """Return all atoms of a frame as centers, with their neighbors inside the cutoff.

    Raises
    ------
    InputError
        If the frame does not fit the potential, its atoms coincide or its cell is not sound;
        starts with the frame's source.
    """
    try:
        return neighborhoods(potential, frame.symbols, frame.positions, frame.cell, frame.pbc)
    except MtpotError as error:
        raise InputError(f"{frame.source}: {error}") from error
