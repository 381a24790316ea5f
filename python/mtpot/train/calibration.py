"""Calibration: what the spread of a committee means for errors, learned on validation frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.errors import InputError
from mtpot.intervals import LEVELS, UNCALIBRATED, ErrorModel, Intervals, fewest_errors
from mtpot.spread import Spread, SpreadEvaluator, root_mean_square
from mtpot.train.metrics import evaluate_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.metrics import Prediction

Floats = NDArray[np.float64]

TOLD = (0.5, 0.68, 0.9, 0.95)
"""Levels of the intervals that tables show."""

VANISHING = 1e-7
"""eV/angstrom: forces below are zero but for rounding."""

FEWEST = fewest_errors(0.9)
"""Errors that it takes to learn from them."""

_RATIOS = np.concatenate([[0.0], np.logspace(-6, 6, 241)])


class Scored(NamedTuple):
    """Spread and errors of labels: energies in eV per root of the atoms, forces in eV/angstrom.

    Shapes [frames with an energy] and [force components].
    """

    energy_spread: Floats
    energy_errors: Floats
    force_spread: Floats
    force_errors: Floats


def spreads(potential: MTP, frames: Sequence[Frame], threads: int = 0) -> list[Spread]:
    """Spread of a committee in each frame.

    Raises
    ------
    InputError
        If the potential has no members, or a frame does not fit it.
    """
    evaluator = SpreadEvaluator(potential)
    return [evaluator.evaluate(frame_neighborhoods(potential, f), threads) for f in frames]


def score(
    potential: MTP, frames: Sequence[Frame], found: Sequence[Spread], threads: int = 0
) -> Scored:
    """Set spreads beside the errors of the potential's energies and forces."""
    return beside(frames, evaluate_frames(potential, frames, threads), found)


def beside(
    frames: Sequence[Frame], predictions: Sequence[Prediction], found: Sequence[Spread]
) -> Scored:
    """Set spreads beside the errors of predictions.

    Components of forces that symmetry sets to zero are left out: they have neither.
    """
    energies, forces = [np.zeros((2, 0))], [np.zeros((2, 0))]
    for frame, spread, prediction in zip(frames, found, predictions, strict=True):
        if frame.energy is not None:
            pair = np.array([[spread.energy], [prediction.energy - frame.energy]])
            energies.append(pair / np.sqrt(len(frame)))
        if frame.forces is not None:
            seen = np.maximum(np.abs(prediction.forces), np.abs(frame.forces)) > VANISHING
            error = prediction.forces - frame.forces
            forces.append(np.array([spread.forces[seen], error[seen]]))
    return Scored(*np.concatenate(energies, axis=1), *np.concatenate(forces, axis=1))


def calibrate(scored: Scored) -> Intervals:
    """Learn error models of energies and forces.

    Raises
    ------
    InputError
        If there are too few labels.
    """
    return Intervals(
        fit_error_model(scored.energy_spread, scored.energy_errors),
        fit_error_model(scored.force_spread, scored.force_errors),
    )


def fit_error_model(spread: ArrayLike, errors: ArrayLike) -> ErrorModel:
    """Learn how errors follow from a spread.

    Scale and floor maximize the likelihood of normal errors; the quantiles are conformal: of n
    exchangeable errors and one more, the interval that the ceil((n + 1) level)-th smallest
    |error| / sigma spans holds the next one with at least that probability (V. Vovk et al.,
    Algorithmic Learning in a Random World, Springer 2005), whatever the distribution. It takes
    `fewest_errors` of them, and a sigma that has not seen them: here the same errors gave scale
    and floor, which makes intervals of few errors too narrow by a little.

    Parameters
    ----------
    spread, errors
        Shape [m], in one unit.

    Raises
    ------
    InputError
        If there are too few, or they are not finite.
    """
    sizes = np.asarray(spread, dtype=np.float64).ravel()
    actual = np.abs(np.asarray(errors, dtype=np.float64).ravel())
    if len(sizes) != len(actual) or len(actual) < FEWEST:
        raise InputError(
            f"calibration takes {FEWEST} energies and as many force components with a spread for "
            f"each, not {len(actual)} and {len(sizes)}: set more frames aside (--validation)"
        )
    if not (np.isfinite(sizes).all() and np.isfinite(actual).all()):
        raise InputError("calibration takes finite errors and spreads")
    scale, floor = _scale_and_floor(sizes, actual)
    sigma = np.maximum(np.hypot(scale * sizes, floor), np.finfo(float).tiny)
    ratios = np.sort(actual / sigma)
    levels = [level for level in LEVELS if fewest_errors(level) <= len(ratios)]
    quantiles = tuple(_quantile(ratios, level) for level in levels)
    return ErrorModel(scale, floor, quantiles, _ratio(sizes, actual))


def coverage(model: ErrorModel, spread: ArrayLike, errors: ArrayLike, level: float) -> float:
    """Share of errors inside their intervals of a level."""
    return share_within(model.sigma(spread), errors, model.factor(level))


def share_within(sigma: ArrayLike, errors: ArrayLike, factor: float) -> float:
    """Share of errors within so many standard deviations."""
    return float(np.mean(np.abs(errors) <= factor * np.asarray(sigma)))


def expected_errors(
    intervals: Intervals | None, found: Sequence[Spread]
) -> list[tuple[float, Floats]]:
    """Find standard deviations of the energy (eV) and of the force components of each frame.

    The mere spread of the members where there are no intervals.
    """
    if intervals is None:
        return [(each.energy, each.forces) for each in found]
    return [
        (
            intervals.energy_sigma(each.energy, len(each.sites)),
            intervals.forces.sigma(each.forces),
        )
        for each in found
    ]


def describe_coverage(intervals: Intervals | None, scored: Scored) -> list[str]:
    """Tell how many errors lie inside their intervals, a line for each kind of label."""
    if intervals is None:
        return [f"warning: {UNCALIBRATED}"]
    kinds = {
        "energies": (intervals.energy, scored.energy_spread, scored.energy_errors),
        "force components": (intervals.forces, scored.force_spread, scored.force_errors),
    }
    lines = []
    for name, (model, spread, errors) in kinds.items():
        if len(errors):
            told = [level for level in TOLD if level <= model.highest_level]
            shares = (f"{100 * coverage(model, spread, errors, level):.1f}" for level in told)
            levels = ", ".join(f"{100 * level:.0f}" for level in told)
            lines.append(
                f"intervals of {levels} % hold {', '.join(shares)} % of {len(errors)} {name}"
            )
    return lines


def _scale_and_floor(spread: Floats, errors: Floats) -> tuple[float, float]:
    """Maximize the likelihood: for a ratio of floor and scale, the scale follows."""
    typical = float(np.median(spread))
    squares = np.square(errors)
    if not typical > 0.0:
        return 1.0, float(np.sqrt(squares.mean()))
    shapes = np.square(spread / typical)
    best = (np.inf, 1.0, 0.0)
    for ratio in _RATIOS:
        shape = np.maximum(shapes + ratio, 1e-12)
        variance = float((squares / shape).mean())
        cost = float(np.log(shape).mean()) + float(np.log(max(variance, 1e-300)))
        best = min(best, (cost, variance, float(ratio)))
    _, variance, ratio = best
    return float(np.sqrt(variance)) / typical, float(np.sqrt(variance * ratio))


def _ratio(spread: Floats, errors: Floats) -> float:
    """Root mean square error over that of the spread; one where there is no spread."""
    typical = float(root_mean_square(spread))
    return float(root_mean_square(errors)) / typical if typical > 0.0 else 1.0


def _quantile(ratios: Floats, level: float) -> float:
    """Conformal quantile of sorted ratios, above zero: a potential file means none by that."""
    position = int(np.ceil(round((len(ratios) + 1) * level, 9)))
    return max(float(ratios[position - 1]), float(np.finfo(float).tiny))
