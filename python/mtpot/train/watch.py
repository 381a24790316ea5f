"""Early stopping, and the state that a killed training can be resumed from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mtpot.train.solvers.common import Mark, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mtpot.train.checkpoint import Standing
    from mtpot.train.solvers.common import Floats, Stop


class Overfitting(Exception):  # noqa: N818 - not an error
    """The loss on the validation frames falls no more."""


class Watch:
    """Takes the steps that a solver reports and keeps what did best on the validation frames."""

    def __init__(
        self,
        record: Callable[[int, float, Floats], float | None],
        patience: int | None,
        save: Callable[[Standing], None],
        standing: Standing,
    ) -> None:
        """Watch one stage.

        Parameters
        ----------
        record
            Takes number, loss and parameters of a step, returns its loss on validation frames.
        patience
            Steps that may do no better on them; 0: any number. None: the last step is best.
        save
            Called with the standing wherever the solver could begin again.
        standing
            Where the stage stands.
        """
        self._record = record
        self._patience = patience
        self._save = save
        self._standing = standing
        self._last = standing.mark
        save(standing)

    @property
    def validation_loss(self) -> float | None:
        """Loss of the best step on the validation frames."""
        return self._standing.best_loss

    def __call__(
        self,
        number: int,
        loss: float,
        parameters: Floats,
        memory: Mapping[str, float] | None = None,
    ) -> None:
        """Take a step; without memory the solver cannot begin again at it."""
        mark = Mark(number, loss, parameters.tolist(), dict(memory or {}))
        validation_loss = self._record(number, loss, parameters)
        self._last = mark
        if validation_loss is not None:
            self._judge(mark, validation_loss)
        if memory is not None:
            self._standing = replace(self._standing, mark=mark)
            self._save(self._standing)
        self._check_patience()

    def best_of(self, minimize: Callable[[], Result]) -> Result:
        """Run a solver, and take the best step on the validation frames if there are any.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C before the first step; after it, what there is is the result.
        """
        result: Result | None = None
        try:
            self._check_patience()
            result = minimize()
        except Overfitting:
            pass
        except KeyboardInterrupt:
            if self._last is None:
                raise
            result = _taken(self._last, "interrupted")
        best = self._standing.best
        if best is None:
            assert result is not None
            return result
        taken = _taken(best, "validation")
        return replace(taken, stop=result.stop, chosen=result.chosen) if result else taken

    def _judge(self, mark: Mark, validation_loss: float) -> None:
        now = self._standing
        if self._patience is None or now.best_loss is None or validation_loss < now.best_loss:
            self._standing = replace(now, best=mark, best_loss=validation_loss, idle=0)
        else:
            self._standing = replace(now, idle=now.idle + 1)

    def _check_patience(self) -> None:
        if self._patience and self._patience <= self._standing.idle:
            raise Overfitting


def _taken(mark: Mark, stop: Stop) -> Result:
    return Result(np.array(mark.parameters), mark.loss, mark.step, stop)
