"""All scalars of a higher level for the radial functions of a trained potential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtpot import MTP
from mtpot.train.thin import raise_level

if TYPE_CHECKING:
    from pathlib import Path


def save_raised(low: MTP, level: int, path: Path) -> None:
    """Write the potential of a level that has the radial functions and energies of a lower one."""
    shape = low.core
    high = MTP.new(
        level=level,
        species=low.species,
        cutoff=low.cutoff,
        min_distance=shape.min_distance,
        radial_size=shape.radial_size,
        max_mu=shape.radial_function_count - 1,
    )
    raise_level(low, high).save(path, overwrite=True)
