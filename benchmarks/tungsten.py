"""Learning curve of tungsten: python benchmarks/tungsten.py DATA --output FOLDER [--levels 8 16].

DATA holds W_train.xyz.gz and W_test.xyz.gz of Szlachta, Bartok & Csanyi (Phys. Rev. B 90 (2014)
104108). A potential of every level is trained by mlp-train, which gets the options that are not the
benchmark's own: up to level 20 on a tenth of the training frames first and then on all of them,
beyond it by a regression at the radial functions of level 20. Its error on the test frames is shown
against its level and its time: 432 atoms of distorted bcc tungsten, one thread, double precision,
neighbor list outside the timing. Trainings that FOLDER has are not repeated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from ase.build import bulk

from evaluation import median_time
from mtpot import MTP, _core
from mtpot.neighbors import neighborhoods
from raising import save_raised

LEVELS = (8, 12, 16, 20, 24, 26, 28)
RADIAL_LEVEL = 20  # the highest whose radial functions are trained
SHAPE = ["--species", "W", "--cutoff", "5", "--radial-size", "12"]
SEARCH = ["--warm-up", "0.1", "--tolerance", "1e-3"]
# Shapeev, Multiscale Model. Simul. 14 (2016) 1153: force RMSE in eV/angstrom, ms per atom.
PUBLISHED = {
    "GAP, 10000 functions": (0.0633, 134.0),
    "MTP, 760 functions": (0.0633, 0.8),
    "MTP, 11133 functions": (0.0427, 2.9),
}
HEAD = (
    "| level | parameters | training | test energies RMSE, meV/atom | test forces RMSE (MAE), eV/Å "
    "| µs per atom |\n|---|---|---|---|---|---|"
)


def trained(level: int, data: Path, folder: Path, options: list[str]) -> dict[str, Any]:
    """Run mlp-train; its metrics."""
    command = [str(Path(sys.executable).with_name("mlp-train")), "--output", str(folder)]
    command += ["--data", str(data / "W_train.xyz.gz"), "--test", str(data / "W_test.xyz.gz")]
    if level <= RADIAL_LEVEL:
        command += ["--level", str(level), *SHAPE, *SEARCH]
    else:
        start = folder.with_suffix(".start.mtp")
        radial = folder.with_name(f"level-{RADIAL_LEVEL}") / "potential.mtp"
        if not radial.exists():
            raise SystemExit(f"level {level} needs the radial functions of level {RADIAL_LEVEL}")
        save_raised(MTP.load(radial), level, start)
        command += ["--start", str(start), "--solver", "least-squares"]
    command += ["--active-set", "none", "--resume", *options]
    print("$", " ".join(command), flush=True)
    subprocess.run(command, check=True)
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics


def microseconds(path: Path) -> float:
    """Time of energies and forces of an atom."""
    potential = MTP.load(path)
    atoms = bulk("W", "bcc", a=3.18, cubic=True) * (6, 6, 6)
    atoms.rattle(0.05, seed=0)
    symbols = atoms.get_chemical_symbols()
    found = neighborhoods(potential, symbols, atoms.positions, atoms.cell.array, pbc=True)
    evaluator = _core.Evaluator(potential.core)
    return 1e6 * median_time(lambda: evaluator.evaluate(found, 1)) / len(atoms)


def draw(points: list[tuple[int, float, float]], path: Path) -> None:
    """Plot errors of (level, time, error) against level and time."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), sharey=True, layout="tight")
    levels, times, errors = zip(*points, strict=True)
    left.semilogy(levels, errors, "o-")
    left.set(xlabel="level", ylabel="test force RMSE (eV/Å)", xticks=levels)
    right.loglog(times, errors, "o-", label="this package")
    for name, (error, milliseconds) in PUBLISHED.items():
        right.loglog(1e3 * milliseconds, error, "s", label=name)
    right.set(xlabel="µs per atom")
    right.legend()
    figure.savefig(path)


def main() -> None:
    """Train, judge, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--levels", type=int, nargs="+", default=LEVELS)
    arguments, options = parser.parse_known_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    points, lines = [], [HEAD]
    for level in arguments.levels:
        folder = arguments.output / f"level-{level}"
        metrics = trained(level, arguments.data, folder, options)
        errors, time = metrics["test"], microseconds(folder / "potential.mtp")
        points.append((level, time, errors["force_rmse"]))
        lines.append(
            f"| {level} | {metrics['parameters']} | {metrics['seconds']:.0f} s | "
            f"{1e3 * errors['energy_rmse_per_atom']:.2f} | {errors['force_rmse']:.4f} "
            f"({errors['force_mae']:.4f}) | {time:.1f} |"
        )
        (arguments.output / "tungsten.md").write_text("\n".join(lines) + "\n")
        draw(points, arguments.output / "tungsten.svg")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
