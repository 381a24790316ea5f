"""Solvers compared on your data: python benchmarks/solvers.py --data train.xyz --test test.xyz.

Every solver of `mlp train --solver` with its default settings, on nested random subsets of the
data and with several seeds; the means are printed as Markdown. Regressions share the radial
functions of one run of variable projection for each subset. With --write FILE the tables replace
what stands in that document between the lines
<!-- solvers.py: begin --> and <!-- solvers.py: end -->.
"""

from __future__ import annotations

import argparse
import itertools
import re
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtpot.data import read_frames
from mtpot.data.check import elements_of
from mtpot.train.metrics import Summary, evaluate_frames, measure
from mtpot.train.settings import Settings
from mtpot.train.solvers import SOLVERS
from mtpot.train.trainer import train

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mtpot import MTP
    from mtpot.data.frame import Frame

MARKED = re.compile("(<!-- solvers.py: begin -->\n).*(<!-- solvers.py: end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Run:
    """One training: a solver's label, frames, errors and cost."""

    label: str
    frames: int
    train: Summary
    test: Summary
    coefficients: int
    seconds: float


def variants(half: int) -> dict[str, dict[str, object]]:
    """List settings of every row of the tables, beside the solver's name."""
    found: dict[str, dict[str, object]] = {name: {"solver": name} for name in SOLVERS}
    for name, solver in SOLVERS.items():
        if "features" in solver.heeds:
            found[f"{name}, {half} features"] = {"solver": name, "features": half}
        if "prior" in solver.heeds:
            found[f"{name}, prior level"] = {"solver": name, "prior": "level"}
    return found


def measured(
    label: str, settings: Settings, frames: Sequence[Frame], test: Sequence[Frame]
) -> tuple[Run, MTP]:
    """Train once."""
    start = time.perf_counter()
    potential = train(settings, frames).potential
    seconds = time.perf_counter() - start
    errors = [
        measure(each, evaluate_frames(potential, each, settings.threads)).total
        for each in (frames, test)
    ]
    count = len(potential.core.scalars)
    return Run(label, len(frames), *errors, count, seconds), potential


def runs(arguments: argparse.Namespace, base: Settings, seed: int) -> Iterator[Run]:
    """Train with every solver on every subset of one seed, but for those that run only once."""
    frames, test = read_frames(arguments.data), read_frames(arguments.test)
    order = np.random.default_rng(seed).permutation(len(frames))
    start = arguments.folder / "start.mtp"
    for size in arguments.sizes:
        chosen = [frames[k] for k in sorted(order[:size])]
        name = "variable-projection"
        run, potential = measured(name, replace(base, seed=seed), chosen, test)
        yield run
        potential.save(start, overwrite=True)
        for label, changes in variants(max(1, run.coefficients // 2)).items():
            if label not in (name, *arguments.once):
                linear = SOLVERS[str(changes["solver"])].linear
                settings = replace(base, seed=seed, start=start if linear else None, **changes)
                yield measured(label, settings, chosen, test)[0]


def single_runs(arguments: argparse.Namespace, base: Settings) -> Iterator[Run]:
    """Train with the solvers that take long, with the first seed."""
    frames, test = read_frames(arguments.data), read_frames(arguments.test)
    order = np.random.default_rng(0).permutation(len(frames))
    for size in arguments.sizes:
        chosen = [frames[k] for k in sorted(order[:size])]
        for name in arguments.once:
            yield measured(name, replace(base, solver=name), chosen, test)[0]


def tables(found: Sequence[Run]) -> str:
    """Write test errors by size, then what else there is to know of the largest size."""
    cells: dict[tuple[str, int], list[Run]] = defaultdict(list)
    for run in found:
        cells[run.label, run.frames].append(run)
    labels = list(dict.fromkeys(run.label for run in found))
    sizes = sorted({run.frames for run in found})
    first = [["solver", *(f"{size} frames" for size in sizes)]]
    first += [[label, *(_errors(cells[label, size], "test") for size in sizes)] for label in labels]
    second = [["solver", "training E / F", "test E / F", "coefficients", "seconds"]]
    for label in labels:
        last = cells[label, sizes[-1]]
        seconds, count = (_mean([getattr(r, k) for r in last]) for k in ("seconds", "coefficients"))
        errors = [_errors(last, kind) for kind in ("train", "test")]
        second.append([label, *errors, f"{count:.0f}", f"{seconds:.1f}"])
    return f"{_markdown(first)}\n\nThe largest size, {sizes[-1]} frames:\n\n{_markdown(second)}\n"


def _errors(found: Sequence[Run], kind: str) -> str:
    """Mean absolute errors, meV/atom and eV/angstrom."""
    if not found:
        return ""
    summaries: list[Summary] = [getattr(run, kind) for run in found]
    energy = 1e3 * _mean([each.energy.mae for each in summaries if each.energy])
    force = _mean([each.forces.mae for each in summaries if each.forces])
    return f"{energy:.2f} / {force:.4f}"


def _mean(numbers: Sequence[float]) -> float:
    return statistics.mean(numbers) if numbers else float("nan")


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *lines = rows
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--test", required=True, type=Path)
    parser.add_argument("--level", type=int, default=12)
    parser.add_argument("--cutoff", type=float, default=5.0)
    parser.add_argument("--sizes", type=int, nargs="+", default=[25, 50, 100, 200])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--once",
        nargs="*",
        default=["bfgs", "l-bfgs"],
        help="solvers that run with the first seed only",
    )
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(), help="for a temporary start.mtp")
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    frames = read_frames(arguments.data)
    arguments.sizes = sorted({min(size, len(frames)) for size in arguments.sizes})
    base = Settings(
        data=arguments.data,
        output=arguments.folder,
        species=elements_of(frames),
        level=arguments.level,
        cutoff=arguments.cutoff,
        threads=arguments.threads,
    )
    found = []
    parts = [runs(arguments, base, seed) for seed in range(arguments.seeds)]
    for run in itertools.chain(*parts, single_runs(arguments, base)):
        found.append(run)
        test = _errors([run], "test")
        print(f"{run.frames} {run.label}: {test} {run.seconds:.1f} s", flush=True)
    text = tables(found)
    print(text)
    if arguments.write:
        document = arguments.write.read_text()
        arguments.write.write_text(MARKED.sub(lambda m: f"{m[1]}\n{text}\n{m[2]}", document))


if __name__ == "__main__":
    main()
