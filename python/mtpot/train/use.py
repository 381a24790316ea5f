"""Settings that would change nothing, which somebody who gives them does not know."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from mtpot.errors import InputError
from mtpot.train.settings import options
from mtpot.train.solvers import SOLVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtpot.potential import MTP
    from mtpot.train.settings import Settings

ITERATED = ("huber", "least-absolute")
"""Regressions that take several steps."""

FOLDED = ("ridge", "lasso", "elimination")
"""Regressions that cross-validate; those with features only where their number is not given."""


def check_use(settings: Settings, start: MTP | None) -> None:
    """Refuse settings that the others leave without use; `start` is that of the settings.

    Raises
    ------
    InputError
        Naming the flag and the way out.
    """
    for message in chain(_alone(settings), [] if start is None else _beside(settings, start)):
        raise InputError(message)


def check_features(settings: Settings, potential: MTP) -> None:
    """Refuse to keep more scalars than a potential has.

    Raises
    ------
    InputError
        Naming how many there are.
    """
    scalars = len(potential.core.scalars)
    if settings.features is not None and settings.features > scalars:
        raise InputError(
            f"--features {settings.features} is more than there are: the potential, of level "
            f"{potential.level}, has {scalars} scalars; give fewer, or a higher level"
        )


def _alone(settings: Settings) -> Iterator[str]:
    if settings.start is None and settings.core == "none" and settings.core_outer != "auto":
        yield "--core-outer has no use without a core: add --core zbl, or leave it out"
    if settings.validation == 0.0 and _given(settings, "patience"):
        yield (
            "--patience has no use without frames set aside: add --validation 0.1, or leave it out"
        )
    if _given(settings, "split_by") and not _splits(settings):
        yield (
            "--split-by has no use where frames are neither set aside, cross-validated nor drawn: "
            "add --validation 0.1, --ridge auto or --ensemble 8, or leave it out"
        )


def _splits(settings: Settings) -> bool:
    """Whether anything is made of parts of the frames that have to stay together."""
    folded = settings.solver in FOLDED and settings.features is None
    drawn = settings.validation > 0.0 or settings.ensemble > 0
    return folded or drawn or settings.ridge == "auto"


def _beside(settings: Settings, start: MTP) -> Iterator[str]:
    """Say what a trained start leaves without use."""
    if start.core.trained and settings.seeds > 1:
        yield (
            f"--seeds {settings.seeds} would train {settings.start} in the same way each time: "
            "leave out --seeds, or --start"
        )
    if not _regression_alone(settings, start):
        return
    for name in ("tolerance", "patience", "max_steps", "warm_up"):
        used = name == "max_steps" and settings.solver in ITERATED
        if _given(settings, name) and not used:
            flag = f"--{name.replace('_', '-')}"
            yield (
                f"{flag} has no use with --solver {settings.solver}, which from the "
                f"trained {settings.start} has no steps to count: leave it out"
            )


def _regression_alone(settings: Settings, start: MTP) -> bool:
    """Whether no radial function is trained before the regression."""
    core = start.core
    trained = core.trained and bool(np.any(core.parameters[-len(core.scalars) :]))
    thinned = 0 < settings.max_parameters < len(core.parameters)
    return SOLVERS[settings.solver].linear and trained and not thinned


def _given(settings: Settings, name: str) -> bool:
    """Whether a setting is not what it is by default."""
    untouched = next(default for key, _, default in options() if key == name)
    return bool(getattr(settings, name) != untouched)
