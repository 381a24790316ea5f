"""How well three ways foretell errors: python benchmarks/calibration.py --data D --test T.

Trains a potential, with a share of every group set aside; then the posterior of its linear
coefficients, a committee by bagging and the extrapolation grade each say how large the errors of
the test frames should be, before and after calibration on the frames set aside. Prints how many
errors lie inside their intervals, and draws predicted against real errors.
"""

from __future__ import annotations

import argparse
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from mtpot.active.select import build_selection, grade_frames
from mtpot.data import read_frames
from mtpot.data.split import split_off
from mtpot.intervals import LEVELS, ErrorModel, normal_factor
from mtpot.potential import MTP
from mtpot.spread import Spread
from mtpot.train.calibration import TOLD, Scored, coverage, fit_error_model, score, spreads
from mtpot.train.loss import weights_of
from mtpot.train.posterior import PosteriorSpread, laplace
from mtpot.train.settings import Settings
from mtpot.train.trainer import train
from mtpot.train.uncertainty import with_committee

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from mtpot.data.frame import Frame

    Floats = NDArray[np.float64]
    Finder = Callable[[Sequence[Frame]], list[Spread]]

RAW = ErrorModel(1.0, 0.0, tuple(normal_factor(level) for level in LEVELS), 1.0)
BINS = 10
COLORS = {"posterior": "#0072b2", "committee": "#d55e00", "grade": "#009e73"}


@dataclass(frozen=True)
class Method:
    """One way to foretell errors; the numbers of some are errors as they stand."""

    name: str
    find: Finder
    raw: bool


def methods(settings: Settings, potential: MTP, frames: Sequence[Frame]) -> list[Method]:
    """Prepare the three, and tell what that takes."""
    weights = weights_of(settings)
    with timed("posterior"):
        posterior = laplace(potential, frames, weights)
    with timed("committee"):
        committee = with_committee(settings, potential, frames)
    with timed("active set"):
        selection = build_selection(potential, frames, "nbh", 0)
    by_posterior = PosteriorSpread(potential, posterior)
    graded = MTP(potential.core, selection)
    return [
        Method("posterior", lambda some: [by_posterior.evaluate(f) for f in some], raw=True),
        Method("committee", lambda some: spreads(committee, some), raw=True),
        Method("grade", lambda some: _grades(graded, some), raw=False),
    ]


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Tell how long the body takes."""
    start = time.perf_counter()
    yield
    print(f"{name}: {time.perf_counter() - start:.1f} s", flush=True)


def _grades(potential: MTP, frames: Sequence[Frame]) -> list[Spread]:
    """Grades in the place of a spread, in no unit."""
    found = []
    for frame, grades in zip(frames, grade_frames(potential, frames), strict=True):
        assert grades.sites is not None
        sites = np.asarray(grades.sites)
        found.append(
            Spread(grades.frame * np.sqrt(len(frame)), sites, sites[:, None] + np.zeros(3))
        )
    return found


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's: 1 where the larger prediction always has the larger error."""
    ranks = [np.argsort(np.argsort(each, kind="stable")) for each in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


def row(name: str, model: ErrorModel, spread: Floats, errors: Floats) -> str:
    """One line of a table."""
    shares = [f"{100 * coverage(model, spread, errors, level):.1f}" for level in TOLD]
    rank = rank_correlation(spread, np.abs(errors))
    return f"| {name} | {' | '.join(shares)} | {rank:.2f} |"


def table(kind: str, learned: dict[str, tuple[Method, Scored, Scored]]) -> None:
    """Print the coverage of one kind of label."""
    names = [f"{kind}_spread", f"{kind}_errors"]
    count = len(getattr(next(iter(learned.values()))[2], names[1]))
    levels = " | ".join(f"{100 * level:.0f} %" for level in TOLD)
    print(f"\n| {count} {kind} errors | {levels} | rank |\n|---|{'---:|' * (len(TOLD) + 1)}")
    for name, (method, validation, test) in learned.items():
        spread, errors = (getattr(test, each) for each in names)
        model = fit_error_model(*(getattr(validation, each) for each in names))
        if method.raw:
            print(row(f"{name}, as it is", RAW, spread, errors))
        print(row(f"{name}, calibrated", model, spread, errors))


def draw(learned: dict[str, tuple[Method, Scored, Scored]], path: Path) -> None:
    """Predicted against real errors of forces in bins, and the coverage of intervals."""
    figure = Figure(figsize=(8.0, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    levels = np.linspace(0.05, 0.99, 48)
    for name, (_, validation, test) in learned.items():
        model = fit_error_model(validation.force_spread, validation.force_errors)
        sigma, errors = model.sigma(test.force_spread), test.force_errors
        bins = np.array_split(np.argsort(sigma, kind="stable"), BINS)
        points = [[np.sqrt(np.mean(each[b] ** 2)) for b in bins] for each in (sigma, errors)]
        left.loglog(*points, "o-", color=COLORS[name], label=name)
        held = [coverage(model, test.force_spread, errors, level) for level in levels]
        right.plot(levels, held, color=COLORS[name])
    for axes in (left, right):
        ends = (0, 1) if axes is right else axes.get_xlim()
        axes.plot(ends, ends, color="0.4", linewidth=0.8)
    left.set(xlabel="predicted error of forces (eV/Å)", ylabel="real error (eV/Å)")
    right.set(xlabel="nominal coverage", ylabel="real coverage", xlim=(0, 1), ylim=(0, 1))
    left.legend(frameon=False)
    figure.savefig(path)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="frames to train on and to calibrate with")
    parser.add_argument("--test", required=True, help="frames to judge by")
    parser.add_argument("--level", type=int, default=16)
    parser.add_argument("--cutoff", type=float, default=5.0)
    parser.add_argument("--validation", type=float, default=0.2, help="share to set aside (0.2)")
    parser.add_argument("--members", type=int, default=8, help="of the committee (8)")
    parser.add_argument("--seed", type=int, default=0, help="of start, split and draws (0)")
    parser.add_argument("--figure", type=Path, help="where to draw, .svg or .png")
    return parser.parse_args()


def main() -> None:
    """Train, calibrate, judge."""
    arguments = parse()
    frames, test = read_frames(Path(arguments.data), ()), read_frames(Path(arguments.test), ())
    settings = Settings(
        data=Path(arguments.data),
        output=Path(),
        species=tuple(sorted({symbol for frame in frames for symbol in frame.symbols})),
        level=arguments.level,
        cutoff=arguments.cutoff,
        ensemble=arguments.members,
        seed=arguments.seed,
    )
    kept, aside = split_off(frames, arguments.validation, settings.seed)
    result = train(settings, kept)
    print(f"{len(kept)} frames to train on, {len(aside)} set aside, {len(test)} to judge by")
    learned = {
        each.name: (
            each,
            score(result.potential, aside, each.find(aside)),
            score(result.potential, test, each.find(test)),
        )
        for each in methods(settings, result.potential, kept)
    }
    for kind in ("force", "energy"):
        table(kind, learned)
    if arguments.figure:
        draw(learned, arguments.figure)


if __name__ == "__main__":
    main()
