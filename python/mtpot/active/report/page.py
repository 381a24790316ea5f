"""The page: which sections it has, and which figures stand in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from mtpot.active.report.graded import error_drawings, grade_drawings
from mtpot.active.report.growth import growth_drawings
from mtpot.active.report.history import History
from mtpot.active.report.simulated import calculation_drawings, clean_drawings, second_drawings
from mtpot.active.report.summary import summary
from mtpot.active.report.tables import aside_table, iteration_table, settings_text
from mtpot.errors import InputError
from mtpot.files import write_atomic
from mtpot.train.report import PAGE, to_png
from mtpot.train.report.page import Section, document, gallery
from mtpot.train.report.style import style

if TYPE_CHECKING:
    from pathlib import Path

    from mtpot.active.store import Store
    from mtpot.train.report.style import Drawing

Figures = Callable[[History], Iterator["Drawing"]]

FIGURES: dict[str, Sequence[Figures]] = {
    "Calculations and simulated time": (calculation_drawings, clean_drawings),
    "Grades over time": (grade_drawings,),
    "What grades mean": (error_drawings,),
    "Training set": (growth_drawings,),
    "Duration of calculations": (second_drawings,),
}
"""Sections of figures: functions that draw some of a run's history, or none if it has no events
of their kind. A figure of another way of learning is a function and a line here."""


def write_report(store: Store) -> Path:
    """Write ``report.html`` beside the store of a run, whose phase does not matter; return it.

    Raises
    ------
    InputError
        No run was begun, or the page cannot be written.
    MtpotError
        A potential of the run cannot be evaluated.
    """
    history = History(store)
    if not history.settings:
        raise InputError(f"{store.path} holds no learning run")
    with style():
        page = document(f"Learning run {history.folder.resolve().name}", [*_sections(history)])
    path = history.folder / PAGE
    write_atomic(path, page, overwrite=True)
    return path


def _sections(history: History) -> Iterator[Section]:
    yield Section("Summary", summary(history))
    for title, functions in FIGURES.items():
        yield Section(title, _shown([each for draw in functions for each in draw(history)]))
    yield Section("Iterations", iteration_table(history))
    yield Section("Set aside", aside_table(history))
    yield Section("Settings", settings_text(history))


def _shown(drawings: Sequence[Drawing]) -> list[str]:
    images = {each.name: to_png(each.figure) for each in drawings}
    return [gallery(drawings, images)] if drawings else []
