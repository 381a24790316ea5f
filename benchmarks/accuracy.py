"""Test errors on the data of Zuo et al. beside those of the published potentials.

    python benchmarks/accuracy.py DATA --output FOLDER [--elements Li Mo Si Ge]

DATA holds Li_train.xyz, Li_test.xyz and so on (J. Phys. Chem. A 124 (2020) 731; made from
github.com/materialsvirtuallab/mlearn). Each potential has at most the parameters and the cutoff
of the published moment tensor potential. The weights of the loss are chosen by cross-validation
inside the training set, at a level that is quick to train; the test frames are evaluated once, by
the potential trained with the chosen weights. FOLDER gets that table, the log of the
cross-validation and the trainings' own folders; the memory is that of the whole `mlp-train`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.data import read_frames
from mtpot.data.split import folds
from mtpot.train.metrics import evaluate_frames, measure
from mtpot.train.settings import Settings
from mtpot.train.trainer import train

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mtpot.data.frame import Frame


@dataclass(frozen=True)
class Published:
    """The published potential: its shape and its mean absolute errors, meV/atom and eV/angstrom."""

    parameters: int
    cutoff: float
    energy: float
    force: float


PUBLISHED = {
    "Li": Published(125, 5.1, 0.487, 0.0101),
    "Mo": Published(329, 5.2, 2.94, 0.0901),
    "Si": Published(913, 4.7, 2.31, 0.0560),
    "Ge": Published(913, 5.1, 1.79, 0.0465),
}

FOLDS = 5
LEVEL = 28  # of which the most useful scalars are kept
TRIAL_LEVEL = 16  # of cross-validation
WEIGHTS = {"energy_weight": (1.0, 3.0, 10.0, 30.0), "stress_weight": (1e-3, 1e-4)}


@dataclass(frozen=True)
class Trial:
    """One choice of weights and its errors on held-out training frames."""

    weights: dict[str, float]
    energy: float
    force: float

    @property
    def score(self) -> float:
        """Geometric mean of the two errors."""
        return math.sqrt(self.energy * self.force)


def cross_validate(element: str, frames: Sequence[Frame]) -> Iterator[Trial]:
    """Errors of every choice of weights, on frames left out in turn."""
    shape = PUBLISHED[element]
    for values in product(*WEIGHTS.values()):
        weights = dict(zip(WEIGHTS, values, strict=True))
        settings = Settings(
            data=Path(),
            output=Path(),
            species=(element,),
            level=TRIAL_LEVEL,
            cutoff=shape.cutoff,
            **weights,
        )
        tested, predictions = [], []
        for held_out in folds(frames, FOLDS, seed=0):
            left_out = set(held_out.tolist())
            kept = [frame for k, frame in enumerate(frames) if k not in left_out]
            others = [frames[k] for k in held_out]
            tested += others
            predictions += evaluate_frames(train(settings, kept).potential, others)
        total = measure(tested, predictions).total
        assert total.energy is not None
        assert total.forces is not None
        yield Trial(weights, 1e3 * total.energy.mae, total.forces.mae)


def train_once(element: str, data: Path, folder: Path, weights: dict[str, float]) -> dict[str, Any]:
    """Run mlp-train with the chosen weights; its metrics and the peak of its memory in GB."""
    shape = PUBLISHED[element]
    settings = {
        "data": data / f"{element}_train.xyz",
        "test": data / f"{element}_test.xyz",
        "species": element,
        "level": LEVEL,
        "max-parameters": shape.parameters,
        "cutoff": shape.cutoff,
        "output": folder,
        **{name.replace("_", "-"): value for name, value in weights.items()},
    }
    command = [str(Path(sys.executable).with_name("mlp-train")), "--overwrite"]
    command += [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    print("$", " ".join(command), flush=True)
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"mlp-train failed with status {status}")
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics | {"memory": usage.ru_maxrss / 2**20}


def log_of(element: str, trials: Sequence[Trial], chosen: Trial) -> str:
    """Table of a cross-validation."""
    lines = [
        f"## {element}",
        "",
        f"| {' | '.join(name.replace('_', ' ') for name in WEIGHTS)} | meV/atom | eV/Å | mean |",
        "|---" * (len(WEIGHTS) + 3) + "|",
    ]
    for trial in trials:
        cells = [f"{value:g}" for value in trial.weights.values()]
        cells += [f"{trial.energy:.3f}", f"{trial.force:.4f}", f"{trial.score:.4f}"]
        lines.append(f"| {' | '.join(cells)} |{' chosen' if trial is chosen else ''}")
    return "\n".join(lines) + "\n"


def row(element: str, metrics: dict[str, Any]) -> tuple[str, list[float]]:
    """Line of the result's table, and the ratios to the published errors."""
    shape, errors = PUBLISHED[element], metrics["test"]
    energy, force = 1e3 * errors["energy_mae_per_atom"], errors["force_mae"]
    training = metrics["train"]
    cells = [
        element,
        f"{metrics['parameters']} ({shape.parameters})",
        f"{shape.energy:.3g} / {shape.force:.4f}",
        f"{energy:.3g} / {force:.4f}",
        f"{energy / shape.energy:.2f} / {force / shape.force:.2f}",
        f"{1e3 * training['energy_mae_per_atom']:.3g} / {training['force_mae']:.4f}",
        f"{metrics['settings']['energy_weight']:g}",
        f"{metrics['seconds']:.0f} s, {metrics['memory']:.2f} GB",
    ]
    return f"| {' | '.join(cells)} |", [energy / shape.energy, force / shape.force]


HEAD = (
    "| | parameters (published) | published test MAE, meV/atom / eV/Å | this package | ratio | "
    "training MAE | energy weight | time, memory |\n|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Choose, train, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--elements", nargs="+", choices=PUBLISHED, default=list(PUBLISHED))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows, ratios, logs = [], [], ["# Cross-validation inside the training sets", ""]
    for element in arguments.elements:
        frames = read_frames(arguments.data / f"{element}_train.xyz")
        trials = list(cross_validate(element, frames))
        chosen = min(trials, key=lambda trial: trial.score)
        logs.append(log_of(element, trials, chosen))
        print(logs[-1], flush=True)
        (arguments.output / "cross_validation.md").write_text("\n".join(logs))
        folder = arguments.output / element
        line, found = row(element, train_once(element, arguments.data, folder, chosen.weights))
        rows.append(line)
        ratios += found
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        table = "\n".join([HEAD, *rows, "", f"Geometric mean of the ratios: {mean:.3f}", ""])
        (arguments.output / "accuracy.md").write_text(table)
        print(table, flush=True)


if __name__ == "__main__":
    main()
