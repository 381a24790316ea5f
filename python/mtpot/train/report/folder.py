"""The folder of a report: which files it may have, and how they change together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtpot.files import make_folder, remove_leftovers, write_atomic
from mtpot.train.quantities import QUANTITIES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PAGE = "report.html"

FILES = (
    PAGE,
    *(f"parity_{quantity.name}.png" for quantity in QUANTITIES),
    "error_distribution.png",
    "errors_by_group.png",
    "convergence.png",
    "learning_curve.png",
    "error_against_time.png",
    "radial_functions.png",
    "dimers.png",
    "grades.png",
    *(f"calibration_{number}.png" for number in range(1, 9)),
)
"""What a report may consist of."""


def write_page(folder: Path, page: str, images: Mapping[str, bytes]) -> None:
    """Write a page and its PNG files instead of whatever report is there; the page comes last.

    Raises
    ------
    InputError
        The folder cannot be made or written.
    """
    make_folder(folder)
    clear_report(folder)
    for name, image in images.items():
        write_atomic(folder / f"{name}.png", image)
    write_atomic(folder / PAGE, page)


def clear_report(folder: Path) -> None:
    """Remove the files of an earlier report, which would not belong to this one."""
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
        remove_leftovers(folder / name)
