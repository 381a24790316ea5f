"""Test errors on the data of Zuo et al. beside those of the published potentials.

    python benchmarks/accuracy.py DATA --output FOLDER [--elements Li Mo Si Ge]

DATA holds Li_train.xyz, Li_test.xyz and so on (J. Phys. Chem. A 124 (2020) 731; made from
github.com/materialsvirtuallab/mlearn). Each potential has at most the parameters and the cutoff
of the published moment tensor potential. Its settings are chosen by cross-validation inside the
training set; the test frames are evaluated once, by the potential trained with these settings.
FOLDER gets that table, the log of the cross-validation and the trainings' own folders; radial
functions and trials that it has are not computed again. Time and memory are those of the last
training, of the whole `mlp-train`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot import MTP
from mtpot.data import read_frames
from mtpot.data.split import folds
from mtpot.train.metrics import evaluate_frames, measure
from mtpot.train.settings import Settings
from mtpot.train.solvers import SOLVERS
from mtpot.train.trainer import train
from raising import save_raised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Frame

Choice = dict[str, Any]  # settings by name


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

FOLDS = 3
LEVEL = 28  # of which the most useful scalars are kept
FIRST: Choice = {
    "radial_size": 8,
    "seed": 0,
    "radial_level": 20,  # of the potential whose radial functions are taken
    "energy_weight": 3.0,
    "solver": "variable-projection",
}
OTHERS: Choice = {
    "radial_size": (12,),
    "seed": (1,),
    "radial_level": (22,),
    "energy_weight": (1.0, 10.0),
    "solver": ("huber",),
}
RADIAL_LEVELS = {"Li": (16, 18)}  # instead of these: it has few parameters
TRADES = ("energy_weight", "solver")  # accuracy of energies for that of forces


@dataclass(frozen=True)
class Trial:
    """One choice of settings and its mean absolute errors on held-out training frames.

    `uncertainty` is the standard error of that of energies, which few frames dominate.
    """

    choice: Choice
    energy: float
    force: float
    uncertainty: float


class Search:
    """Cross-validation of one element's settings, each in turn, inside its training set.

    Radial functions are trained on the whole training set, at a lower level. All scalars of a
    higher level are given to them, and what is cross-validated are the choice of the scalars and
    their coefficients.
    """

    def __init__(self, element: str, frames: Sequence[Frame], folder: Path) -> None:
        self._shape = PUBLISHED[element]
        self._species = (element,)
        first, *others = RADIAL_LEVELS.get(
            element, (FIRST["radial_level"], *OTHERS["radial_level"])
        )
        self._first = FIRST | {"radial_level": first}
        self._others = OTHERS | {"radial_level": tuple(others)}
        self._frames = frames
        self._folder = folder
        self._log = folder / "trials.json"
        self.trials: list[Trial] = []

    def best(self) -> Trial:
        """Go through the settings one by one, each at the best of those before."""
        best = self._try(self._first)
        for name, values in self._others.items():
            found = [best, *(self._try(best.choice | {name: value}) for value in values)]
            best = least_force(found) if name in TRADES else min(found, key=score)
        return best

    def pool(self, choice: Choice) -> Path:
        """File with trained radial functions and all the scalars of the high level."""
        name = "radial-{radial_size}-seed-{seed}-level-{radial_level}.mtp".format_map(choice)
        path = self._folder / name
        if not path.exists():
            shape = Settings(
                data=(),
                output=Path(),
                species=self._species,
                level=choice["radial_level"],
                cutoff=self._shape.cutoff,
                radial_size=choice["radial_size"],
                seed=choice["seed"],
                energy_weight=FIRST["energy_weight"],
            )
            low = train(shape, self._frames).potential
            save_raised(low, LEVEL, path)
        return path

    def _try(self, choice: Choice) -> Trial:
        """Return the trial of a choice, the logged one if there is one."""
        logged = json.loads(self._log.read_text()) if self._log.exists() else []
        found = [trial for each in logged if (trial := Trial(**each)).choice == choice]
        trial = found[0] if found else self._compute(choice)
        if not found:
            self._log.write_text(json.dumps([*logged, asdict(trial)], indent=1))
        self.trials.append(trial)
        print(row_of(trial), flush=True)
        return trial

    def _compute(self, choice: Choice) -> Trial:
        tested, predictions = [], []
        for held_out in folds(self._frames, FOLDS, seed=0):
            left_out = set(held_out.tolist())
            kept = [frame for k, frame in enumerate(self._frames) if k not in left_out]
            others = [self._frames[k] for k in held_out]
            tested += others
            predictions += evaluate_frames(self._thinned(choice, kept), others)
        total = measure(tested, predictions).total
        assert total.forces is not None
        missed = [
            1e3 * abs(found.energy - frame.energy) / len(frame)
            for frame, found in zip(tested, predictions, strict=True)
            if frame.energy is not None
        ]
        uncertainty = statistics.stdev(missed) / math.sqrt(len(missed))
        return Trial(choice, statistics.mean(missed), total.forces.mae, uncertainty)

    def _thinned(self, choice: Choice, frames: Sequence[Frame]) -> MTP:
        """Potential with the radial functions of the pool and as many scalars as are wanted."""
        start = self.pool(choice)
        core = MTP.load(start).core
        settings = Settings(
            data=(),
            output=Path(),
            start=start,
            solver="elimination",
            features=self._shape.parameters - len(core.parameters) + len(core.scalars),
            energy_weight=choice["energy_weight"],
        )
        found = train(settings, frames).potential
        if not SOLVERS[choice["solver"]].linear:
            return found
        thinned = self._folder / "fold.mtp"
        found.save(thinned, overwrite=True)
        robust = replace(settings, start=thinned, solver=choice["solver"], features=None)
        return train(robust, frames).potential


def score(trial: Trial) -> float:
    """Geometric mean of the two errors."""
    return math.sqrt(trial.energy * trial.force)


def least_force(trials: Sequence[Trial]) -> Trial:
    """Return the trial of least force error of those that serve energies as well as any.

    That is within a standard error (Breiman et al., Classification and Regression Trees (1984)),
    which is small for forces and an eighth or more for energies.
    """
    best = min(trials, key=lambda trial: trial.energy)
    good = [trial for trial in trials if trial.energy <= best.energy + best.uncertainty]
    return min(good, key=lambda trial: trial.force)


def row_of(trial: Trial, remark: str = "") -> str:
    """Line of the log of cross-validation."""
    cells = [str(value) for value in trial.choice.values()]
    cells += [f"{trial.energy:.3f} ± {trial.uncertainty:.3f}", f"{trial.force:.4f}"]
    cells.append(f"{score(trial):.4f}")
    return f"| {' | '.join(cells)} |{remark}"


def train_once(
    element: str, data: Path, folder: Path, start: Path, choice: Choice
) -> dict[str, Any]:
    """Run mlp-train with what was chosen; its metrics and the peak of its memory in GB."""
    settings = {
        "data": data / f"{element}_train.xyz",
        "test": data / f"{element}_test.xyz",
        "start": start,
        "max-parameters": PUBLISHED[element].parameters,
        "energy-weight": choice["energy_weight"],
        "solver": choice["solver"],
        "tolerance": 1e-3,  # the radial functions are trained: more steps gain nothing held out
        "output": folder,
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
        f"| {' | '.join(name.replace('_', ' ') for name in FIRST)} | meV/atom | eV/Å | mean |",
        "|---" * (len(FIRST) + 3) + "|",
        *(row_of(trial, " chosen" if trial is chosen else "") for trial in trials),
    ]
    return "\n".join(lines) + "\n"


def row(element: str, metrics: dict[str, Any], choice: Choice) -> tuple[str, list[float]]:
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
        ", ".join(map(str, choice.values())),
        f"{metrics['seconds']:.0f} s, {metrics['memory']:.2f} GB",
    ]
    return f"| {' | '.join(cells)} |", [energy / shape.energy, force / shape.force]


HEAD = (
    "| | parameters (published) | published test MAE, meV/atom / eV/Å | this package | ratio | "
    "training MAE | radial size, seed, radial level, energy weight, solver | time, memory |\n"
    "|---|---|---|---|---|---|---|---|"
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
        folder = arguments.output / element
        folder.mkdir(exist_ok=True)
        search = Search(element, read_frames(arguments.data / f"{element}_train.xyz"), folder)
        chosen = search.best()
        logs.append(log_of(element, search.trials, chosen))
        (arguments.output / "cross_validation.md").write_text("\n".join(logs))
        start = search.pool(chosen.choice)
        metrics = train_once(element, arguments.data, folder / "run", start, chosen.choice)
        line, found = row(element, metrics, chosen.choice)
        rows.append(line)
        ratios += found
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        table = "\n".join([HEAD, *rows, "", f"Geometric mean of the ratios: {mean:.3f}", ""])
        (arguments.output / "accuracy.md").write_text(table)
        print(table, flush=True)


if __name__ == "__main__":
    main()
