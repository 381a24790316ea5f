"""The line that tells how a training goes: live on a terminal, one line a step elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

    from mtpot.train.trainer import Step


class Progress:
    """Shows each step it is called with; a context manager, so that the last line stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Progress:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.__exit__(kind, error, trace)

    def __call__(self, step: Step) -> None:
        """Show a step."""
        line = describe(step)
        if self._live:
            self._live.update(Text(line, overflow="ellipsis", no_wrap=True), refresh=True)
        else:
            self._console.print(line, soft_wrap=True)


def describe(step: Step) -> str:
    """One line: step, loss, RMSEs of training and validation, seconds."""
    line = f"step {step.number:3d}  loss {step.loss:.6g}  train {_errors(*_train(step))}"
    if step.validation_energy_rmse_per_atom is not None or step.validation_force_rmse is not None:
        line += f"  validation {_errors(*_validation(step))}"
    return f"{line}  {step.seconds:.1f} s"


def _train(step: Step) -> tuple[float | None, float | None]:
    return step.energy_rmse_per_atom, step.force_rmse


def _validation(step: Step) -> tuple[float | None, float | None]:
    return step.validation_energy_rmse_per_atom, step.validation_force_rmse


def _errors(energy: float | None, force: float | None) -> str:
    parts = []
    if energy is not None:
        parts.append(f"{1e3 * energy:.2f} meV/atom")
    if force is not None:
        parts.append(f"{force:.4f} eV/Å")
    return ", ".join(parts)
