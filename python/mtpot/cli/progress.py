"""The training as it goes: a line that renews itself on a terminal, a line a step elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

from rich.console import Console
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from mtpot.train.monitor import Step

Item = TypeVar("Item")

_INTERVAL = 0.1  # seconds between two lines


class Progress(Generic[Item]):
    """Shows each item it is called with; a context manager, so that the last line stays."""

    def __init__(self, describe: Callable[[Item], str]) -> None:
        """Make one; `describe` gives the line of an item."""
        self._describe = describe
        self._console = Console(highlight=False)
        self._live = (
            Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        )

    def __enter__(self) -> Progress[Item]:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, item: Item) -> None:
        """Show an item."""
        line = self._describe(item)
        if self._live:
            self._live.update(Text(line, overflow="ellipsis", no_wrap=True), refresh=True)
        else:
            self._console.print(line, markup=False, soft_wrap=True)


class Ticker(Generic[Item]):
    """A line for quick items that renews itself on a terminal, and is not there elsewhere.

    A context manager, which takes the line away at the end.
    """

    def __init__(self, describe: Callable[[Item], str]) -> None:
        """Make one; `describe` gives the line of an item."""
        self._describe = describe
        console = Console(highlight=False)
        self._live = (
            Live(console=console, auto_refresh=False, transient=True)
            if console.is_terminal
            else None
        )
        self._shown = -_INTERVAL

    def __enter__(self) -> Ticker[Item]:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, item: Item) -> None:
        """Show an item, unless one was shown a moment ago."""
        now = time.monotonic()
        if self._live and now - self._shown >= _INTERVAL:
            self._shown = now
            line = Text(self._describe(item), overflow="ellipsis", no_wrap=True)
            self._live.update(line, refresh=True)


def describe(step: Step) -> str:
    """One line: stage, step, loss, RMSEs of training and validation, seconds.

    Less than 80 columns where there are no stages.
    """
    line = f"{step.stage} step" if step.stage else "step"
    line += f" {step.number:3d} loss {step.loss:.4g} train"
    line += _error(step.energy_rmse_per_atom, 1e3, 2, " meV")
    line += _error(step.force_rmse, 1.0, 4, " eV/Å")
    if step.validation_energy_rmse_per_atom is not None:
        line += " valid" + _error(step.validation_energy_rmse_per_atom, 1e3, 2)
        line += _error(step.validation_force_rmse, 1.0, 4)
    return f"{line} {step.seconds:.{1 if step.seconds < 1000 else 0}f} s"


def _error(value: float | None, scale: float, decimals: int, unit: str = "") -> str:
    if value is None:
        return ""
    text = f"{scale * value:.{decimals}f}"
    return f" {text if len(text) <= 6 else f'{scale * value:.5g}'}{unit}"
