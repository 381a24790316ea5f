"""Active sets, and the choice of structures worth a calculation.

The active set A holds rows of the training set of (locally) largest |det A|; `mtpot.grading` says
what a row is. Neighborhood mode is "nbh" here, configuration mode "cfg", as in the commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from mtpot import _core
from mtpot.data.cfg import format_cfg, parse_cfg
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.grading import Grader, Grades, mean_row, require_selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mtpot.data.frame import Floats, Frame
    from mtpot.potential import MTP

TRAINING_THRESHOLD = 1.001  # of grades inside a training set, as in MLIP
_WEIGHT_SCALING = 2
_CHUNK = 1 << 24  # numbers of rows held at a time: 128 MiB


def build_selection(
    potential: MTP, frames: Sequence[Frame], mode: Literal["nbh", "cfg"], threads: int = 0
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
        Grade sites ("nbh") or whole structures ("cfg").
    threads
        0 takes all.

    Raises
    ------
    InputError, NumericalError
        If a frame does not fit the potential or has no finite rows; names the frame.
    """
    make_rows = _RowMaker(potential, mode == "nbh", _WEIGHT_SCALING, threads)
    active = _core.ActiveSet(len(potential.parameters))
    swaps = _sweep(active, make_rows, frames, TRAINING_THRESHOLD)
    return _selection(potential, frames, mode == "nbh", active, swaps)


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
    mode: Literal["nbh", "cfg"] = "nbh" if selection.per_site else "cfg"
    return build_selection(potential, [*held, *frames], mode, threads)


def grade_frames(potential: MTP, frames: Iterable[Frame], threads: int = 0) -> Iterator[Grades]:
    """Grade structures one after the other with the active set of a potential.

    Raises
    ------
    InputError, NumericalError
        If the potential has no active set, or a frame does not fit it; names the frame.
    """
    grader = Grader(potential)
    for frame in frames:
        yield grader.grade(frame_neighborhoods(potential, frame), threads)


def grade_frame(potential: MTP, frame: Frame, threads: int = 0) -> Grades:
    """Grade one structure; `grade_frames` is faster for many.

    Raises
    ------
    InputError, NumericalError
        As `grade_frames`.
    """
    return next(grade_frames(potential, [frame], threads))


def select_frames(
    potential: MTP,
    training: Sequence[Frame],
    candidates: Sequence[Frame],
    threshold: float,
    threads: int = 0,
) -> list[int]:
    """Choose candidates after whose training none of the others extrapolates.

    The active set of the training set and the chosen candidates, as `build_selection` makes it,
    grades no candidate above the threshold. Candidates that hold a row of a set which takes in
    every row above the threshold, the largest grade first, are chosen, until none is left.

    Parameters
    ----------
    potential
        With an active set, whose mode decides what is graded.
    training
        What the potential was trained on.
    threshold
        Above 1; 2 is usual.

    Returns
    -------
    Indexes of the chosen candidates, in order.

    Raises
    ------
    InputError, NumericalError
        As `grade_frames`, or if the threshold is not above 1.
    """
    selection = require_selection(potential)
    make_rows = _RowMaker(potential, selection.per_site, selection.weight_scaling, threads)
    chosen: set[int] = set()
    while True:
        active = _core.ActiveSet(len(potential.parameters))
        known = [*training, *(candidates[index] for index in sorted(chosen))]
        _sweep(active, make_rows, known, TRAINING_THRESHOLD)
        swaps = _sweep(active, make_rows, candidates, threshold)
        if not swaps:
            return sorted(chosen)
        holders = {swap.position: swap.frame for swap in swaps}
        # The first swap is of a frame that was not known, should later ones have replaced it.
        chosen |= (set(holders.values()) - chosen) or {swaps[0].frame}


class _Swap(NamedTuple):
    """A row of A was replaced by that of a frame's site (0 in configuration mode)."""

    position: int
    frame: int
    site: int


class _RowMaker:
    """Rows of a frame: [n, parameters] in neighborhood mode, [1, parameters] in the other."""

    def __init__(self, potential: MTP, per_site: bool, weight_scaling: int, threads: int) -> None:
        self._potential = potential
        self._design = _core.Design(potential.core)
        self._per_site = per_site
        self._weight_scaling = weight_scaling
        self._threads = threads

    def __call__(self, frame: Frame) -> Floats:
        rows = self._design.rows(frame_neighborhoods(self._potential, frame), self._threads)
        if self._per_site:
            return rows
        return mean_row(rows.sum(axis=0), len(rows), self._weight_scaling)


def _sweep(
    active: _core.ActiveSet, make_rows: _RowMaker, frames: Sequence[Frame], threshold: float
) -> list[_Swap]:
    """Swap rows of the frames in until a whole pass makes no swap."""
    swaps: list[_Swap] = []
    while True:
        before, chunks = len(swaps), 0
        for sites, rows in _chunks(make_rows, frames):
            chosen = active.select(rows, threshold)
            swaps += [_Swap(position, *sites[row]) for position, row, _ in chosen]
            chunks += 1
        # `select` itself repeats until its rows are through: one chunk needs no second pass.
        if chunks <= 1 or len(swaps) == before:
            return swaps


def _chunks(
    make_rows: _RowMaker, frames: Sequence[Frame]
) -> Iterator[tuple[list[tuple[int, int]], Floats]]:
    """Rows of as many frames as fit, with the frame and site of each."""
    sites: list[tuple[int, int]] = []
    blocks: list[Floats] = []
    for index, frame in enumerate(frames):
        blocks.append(make_rows(frame))
        sites += [(index, site) for site in range(len(blocks[-1]))]
        if len(sites) * blocks[-1].shape[1] >= _CHUNK:
            yield sites, np.concatenate(blocks)
            sites, blocks = [], []
    if blocks:
        yield sites, np.concatenate(blocks)


def _selection(
    potential: MTP,
    frames: Sequence[Frame],
    per_site: bool,
    active: _core.ActiveSet,
    swaps: Sequence[_Swap],
) -> _core.Selection:
    """Record where the rows come from, in the way of MLIP-3."""
    holders = {swap.position: swap for swap in swaps}  # the last to enter a position holds it
    chosen = sorted({held.frame for held in holders.values()})
    equations: dict[int, list[int]] = {frame: [] for frame in chosen}
    origins = np.full((active.size, 2), -1, dtype=np.int64)
    for position, held in holders.items():
        equation = _site_equation(len(frames[held.frame]), held.site) if per_site else 0
        origins[position] = chosen.index(held.frame), equation
        equations[held.frame].append(equation)
    features = [
        {"selected_eqn_inds": ",".join(str(number) for number in sorted(equations[frame]))}
        for frame in chosen
    ]
    text = format_cfg([frames[frame] for frame in chosen], potential.species, features)
    return _core.Selection(active, per_site, origins, text)


def _site_equation(atoms: int, site: int) -> int:
    """MLIP's number of a site: after 1 energy, 3N force components and 9 of the virial."""
    return 1 + 3 * atoms + 9 + site
