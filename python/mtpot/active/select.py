"""Active sets, and the choice of structures worth a calculation.

The active set A holds rows of the training set of (locally) largest |det A|; `mtpot.grading` says
what a row is. Neighborhood mode is "nbh" here, configuration mode "cfg", as in the commands.

Frames are passed over again and again, one after the other, until a whole pass changes nothing: a
sequence that reads them when they are asked for (`mtpot.data.stored`) may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from mtpot import _core
from mtpot.active.batches import map_frames
from mtpot.data.cfg import format_cfg, parse_cfg
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.data.stored import take
from mtpot.errors import NumericalError
from mtpot.grading import (
    CONFIGURATIONS,
    NEIGHBORHOODS,
    Grader,
    Grades,
    Rows,
    RowWeights,
    require_selection,
    weights_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mtpot.data.frame import Floats, Frame
    from mtpot.grading import Integers
    from mtpot.potential import MTP

TRAINING_THRESHOLD = 1.001  # of grades inside a training set, as in MLIP
_MODES = {"nbh": NEIGHBORHOODS, "cfg": CONFIGURATIONS}
_CHUNK = 1 << 23  # numbers of rows held at a time: 64 MiB


class Pass(NamedTuple):
    """How far a selection has come: frames seen in this pass of so many, and rows taken so far."""

    seen: int
    frames: int
    swaps: int


Watch = Callable[[Pass], None]


def build_selection(
    potential: MTP,
    frames: Sequence[Frame],
    mode: Literal["nbh", "cfg"] | RowWeights,
    threads: int = 0,
    watch: Watch | None = None,
) -> _core.Selection:
    """Choose the active set of a training set.

    No row of the frames has a grade above 1.001 afterwards. Rows that the frames cannot fill,
    because parameters are redundant or data few, stay at 1e-6 on the diagonal.

    Parameters
    ----------
    potential
        Trained, with named species.
    frames
        The training set; rows are made in chunks, so that memory does not grow with it.
    mode
        Grade sites ("nbh") or whole structures ("cfg"), or the rows that have a weight.
    threads
        0 takes all.
    watch
        Called after every frame.

    Raises
    ------
    InputError, NumericalError
        If a frame does not fit the potential or has no finite rows; names the frame.
    """
    weights = mode if isinstance(mode, RowWeights) else _MODES[mode]
    sweep = _Sweep(potential, weights, threads, watch)
    active = _core.ActiveSet(len(potential.parameters))
    swaps = sweep(active, TRAINING_THRESHOLD, frames)
    return _selection(potential, frames, weights, active, swaps)


def extend_selection(
    potential: MTP, selection: _core.Selection, frames: Sequence[Frame], threads: int = 0
) -> _core.Selection:
    """Take more frames into an active set, without looking at the training set again.

    No row of these frames, or of those that held a row before, has a grade above 1.001
    afterwards. The potential may be another than that of the selection, with new coefficients:
    rows depend on them and are made anew.

    Parameters
    ----------
    potential
        After training on the frames, with named species.
    selection
        Of the training set before; at most as many of its frames hold rows as there are parameters.
    frames
        Those that are new.
    threads
        0 takes all.

    Raises
    ------
    InputError, NumericalError
        As `build_selection`.
    """
    held = parse_cfg(selection.configurations, potential.species, "the active set")
    return build_selection(potential, [*held, *frames], weights_of(selection), threads)


def grade_frames(potential: MTP, frames: Iterable[Frame], threads: int = 0) -> Iterator[Grades]:
    """Grade structures one after the other with the active set of a potential.

    Small frames are graded side by side, a few hundred of them in memory at a time.

    Raises
    ------
    InputError, NumericalError
        If the potential has no active set, or a frame does not fit it; names the frame.
    """
    grader = Grader(potential)

    def grade(frame: Frame, threads: int) -> Grades:
        return grader.grade(frame_neighborhoods(potential, frame), threads)

    yield from map_frames(grade, frames, threads)


def grade_frame(potential: MTP, frame: Frame, threads: int = 0) -> Grades:
    """Grade one structure; `grade_frames` is faster for many.

    Raises
    ------
    InputError, NumericalError
        As `grade_frames`.
    """
    return next(grade_frames(potential, [frame], threads))


def select_frames(  # noqa: PLR0913, PLR0917 - all but four are for those who ask
    potential: MTP,
    training: Sequence[Frame],
    candidates: Sequence[Frame],
    threshold: float,
    threads: int = 0,
    watch: Watch | None = None,
) -> list[int]:
    """Choose candidates after whose training none of the others extrapolates.

    The active set of the training set and the chosen candidates, as `build_selection` makes it,
    grades no candidate above the threshold. Candidates that hold a row of a set which takes in
    every row above the threshold, the largest grade first, are chosen, until none is left.

    Parameters
    ----------
    potential
        With an active set, whose weights decide what is graded.
    training
        What the potential was trained on.
    candidates
        Memory does not grow with their number if they are not in it themselves:
        `mtpot.data.stored.store` keeps frames of any iterable in a scratch file.
    threshold
        Above 1; 2 is usual.
    threads, watch
        As in `build_selection`.

    Returns
    -------
    Indexes of the chosen candidates, in order.

    Raises
    ------
    InputError, NumericalError
        As `grade_frames`, or if the threshold is not above 1.
    """
    weights = weights_of(require_selection(potential))
    sweep = _Sweep(potential, weights, threads, watch)
    chosen: set[int] = set()
    while True:
        active = _core.ActiveSet(len(potential.parameters))
        taken = take(candidates, np.array(sorted(chosen), dtype=np.int64))
        sweep(active, TRAINING_THRESHOLD, training, taken)
        swaps = sweep(active, threshold, candidates)
        if not swaps:
            return sorted(chosen)
        holders = {swap.position: swap.frame for swap in swaps}
        # The first swap is of a frame that was not known, should later ones have replaced it.
        chosen |= (set(holders.values()) - chosen) or {swaps[0].frame}


class _Swap(NamedTuple):
    """A row of A was replaced by that of an equation of a frame."""

    position: int
    frame: int
    equation: int


class _Exceeding(NamedTuple):
    """Rows above a threshold, and the frame and equation that each is of, shape [rows, 2]."""

    rows: Floats
    origins: Integers


class _Screen:
    """Finds the rows of a frame that are above a threshold."""

    def __init__(self, potential: MTP, weights: RowWeights) -> None:
        self._potential = potential
        self._weights = weights
        self._rows = Rows(potential, weights)
        self._active = _core.ActiveSet(len(potential.parameters))
        # Rows that are below need not be made: sites alone are graded without them.
        self._sites = _core.Grader(potential.core, self._active) if weights.mode == "nbh" else None

    def against(self, active: _core.ActiveSet) -> _Screen:
        """Return one for the active set as it is now."""
        screen = copy(self)
        screen._active = deepcopy(active)
        screen._sites = self._sites and self._sites.with_active_set(active)
        return screen

    def exceeding(self, frame: Frame, threshold: float, threads: int) -> tuple[Integers, Floats]:
        """Equations and rows; those that are no numbers are refused.

        Raises
        ------
        InputError, NumericalError
            The frame does not fit the potential or has no finite rows; names the frame.
        """
        neighborhoods = frame_neighborhoods(self._potential, frame)
        equations = self._weights.equations(len(frame))
        if self._sites:
            above = ~(self._sites.grades(neighborhoods, threads) <= threshold)
            if not above.any():
                return equations[:0], np.empty((0, self._active.size))
            rows = self._rows(neighborhoods, threads)
        else:
            rows = self._rows(neighborhoods, threads)
            above = ~(self._active.grade(rows) <= threshold)
        if not np.isfinite(rows).all():
            raise NumericalError(f"{frame.source}: derivatives in the parameters are not finite")
        return equations[above], rows[above]


class _Sweep:
    """Swaps rows of frames into an active set until a whole pass makes no swap."""

    def __init__(
        self, potential: MTP, weights: RowWeights, threads: int, watch: Watch | None
    ) -> None:
        self._screen = _Screen(potential, weights)
        self._threads = threads
        self._watch = watch

    def __call__(
        self, active: _core.ActiveSet, threshold: float, *parts: Sequence[Frame]
    ) -> list[_Swap]:
        swaps: list[_Swap] = []
        while True:
            before = len(swaps)
            for rows, origins in self._chunks(active, threshold, parts, swaps):
                chosen = active.select(rows, threshold)
                swaps += [_Swap(position, *origins[row].tolist()) for position, row, _ in chosen]
            if len(swaps) == before:
                return swaps

    def _chunks(
        self,
        active: _core.ActiveSet,
        threshold: float,
        parts: Sequence[Sequence[Frame]],
        swaps: Sequence[_Swap],
    ) -> Iterator[_Exceeding]:
        """Rows of as many frames as fit; the active set may change between two chunks."""
        screen = self._screen.against(active)

        def find(frame: Frame, threads: int) -> tuple[Integers, Floats]:
            return screen.exceeding(frame, threshold, threads)

        origins: list[Integers] = []
        rows: list[Floats] = []
        held, count = 0, sum(map(len, parts))
        frames = chain.from_iterable(parts)
        for index, (equations, found) in enumerate(map_frames(find, frames, self._threads)):
            if self._watch:
                self._watch(Pass(index + 1, count, len(swaps)))
            if not len(found):
                continue
            origins.append(np.column_stack([np.full(len(found), index), equations]))
            rows.append(found)
            held += found.size
            if held >= _CHUNK:
                yield _Exceeding(np.concatenate(rows), np.concatenate(origins))
                origins, rows, held = [], [], 0
                screen = self._screen.against(active)
        if rows:
            yield _Exceeding(np.concatenate(rows), np.concatenate(origins))


def _selection(
    potential: MTP,
    frames: Sequence[Frame],
    weights: RowWeights,
    active: _core.ActiveSet,
    swaps: Sequence[_Swap],
) -> _core.Selection:
    """Record where the rows come from, in the way of MLIP-3."""
    holders = {swap.position: swap for swap in swaps}  # the last to enter a position holds it
    chosen = sorted({held.frame for held in holders.values()})
    places = {frame: place for place, frame in enumerate(chosen)}
    equations: dict[int, list[int]] = {frame: [] for frame in chosen}
    origins = np.full((active.size, 2), -1, dtype=np.int64)
    for position, held in holders.items():
        origins[position] = places[held.frame], held.equation
        equations[held.frame].append(held.equation)
    features = [
        {"selected_eqn_inds": ",".join(str(number) for number in sorted(equations[frame]))}
        for frame in chosen
    ]
    text = format_cfg([frames[frame] for frame in chosen], potential.species, features)
    return _core.Selection(active, weights.kinds, weights.scaling, origins, text)
