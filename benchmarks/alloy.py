"""One potential for Nb-Mo-Ta: python benchmarks/alloy.py DATA --output FOLDER [mlp-train options].

DATA holds elements_train.xyz.gz, binaries_train.xyz.gz, elements_test.xyz.gz and
binaries_test.xyz.gz of Li, Chen, Zheng & Ong (npj Comput. Mater. 6 (2020) 70). Frames with tungsten
are left out; what remains holds all three elements and pairs. One potential is trained on all of
it, and its errors on the test frames are printed by composition. Options that are not the
benchmark's own go to mlp-train.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mtpot import MTP
from mtpot.data import read_atoms, write_atoms
from mtpot.train.metrics import Summary, evaluate_frames, measure

if TYPE_CHECKING:
    from ase import Atoms

    from mtpot.data.frame import Frame

SPECIES = ("Nb", "Mo", "Ta")
KINDS = ("elements", "binaries")
# Root mean squares of the published potential, of four elements: meV/atom and eV/angstrom.
PUBLISHED = {"elements": (7.3, 0.169), "binaries": (7.1, 0.035)}
HEAD = (
    "| test frames | number | energy RMSE (MAE), meV/atom | force RMSE (MAE), eV/Å |\n"
    "|---|---|---|---|"
)


def structures(path: Path) -> list[tuple[Atoms, Frame]]:
    """Those of a file that hold none but the three elements."""
    return [pair for pair in read_atoms(path) if set(pair[1].symbols) <= set(SPECIES)]


def row(name: str, summary: Summary) -> str:
    """Line of the table."""
    energy, forces = summary.energy, summary.forces
    assert energy is not None
    assert forces is not None
    return (
        f"| {name} | {summary.frames} | {1e3 * energy.rmse:.2f} ({1e3 * energy.mae:.2f}) | "
        f"{forces.rmse:.4f} ({forces.mae:.4f}) |"
    )


def table(potential: MTP, data: Path) -> str:
    """Errors on the test frames by kind and by composition."""
    lines = [HEAD]
    for kind in KINDS:
        frames = [frame for _, frame in structures(data / f"{kind}_test.xyz.gz")]
        metrics = measure(frames, evaluate_frames(potential, frames))
        lines.append(row(f"**{kind}**", metrics.total))
        lines += [row(name.removesuffix("_Test"), each) for name, each in metrics.groups.items()]
        energy, force = PUBLISHED[kind]
        lines.append(f"| published, {kind} with tungsten | | {energy:g} | {force:g} |")
    return "\n".join(lines)


def main() -> None:
    """Train, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments, options = parser.parse_known_args()
    arguments.output.mkdir(parents=True)
    training = arguments.output / "train.xyz"
    sources = [arguments.data / f"{kind}_train.xyz.gz" for kind in KINDS]
    write_atoms(training, [atoms for source in sources for atoms, _ in structures(source)])
    run = arguments.output / "run"
    command = [str(Path(sys.executable).with_name("mlp-train")), "--data", str(training)]
    command += ["--species", ",".join(SPECIES), "--output", str(run), *options]
    print("$", " ".join(command), flush=True)
    subprocess.run(command, check=True)
    metrics = json.loads((run / "metrics.json").read_text())
    found = table(MTP.load(run / "potential.mtp"), arguments.data)
    text = f"{metrics['parameters']} parameters, {metrics['seconds']:.0f} s\n\n{found}\n"
    (arguments.output / "alloy.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
