"""Judge a finished run: python judge.py [settings.toml] [--count 9].

Snapshots of the last simulation, which were never selected, are labeled with the settings of the
run, and the errors of its potential on them are compared with those on what it was trained on.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from ase.io import read

from mtpot import MTP
from mtpot.active import tasks
from mtpot.active.driver import DATABASE
from mtpot.active.explorers.common import SNAPSHOTS
from mtpot.active.labelers import label_of, prepare_label
from mtpot.active.settings import load_settings
from mtpot.active.store import Store
from mtpot.active.training import GRADED, labeled_frames
from mtpot.data.atoms import frame_from_atoms
from mtpot.train.metrics import evaluate_frames, measure


def errors(potential, frames):
    """Energy RMSE in meV/atom and force RMSE in eV/Å."""
    total = measure(frames, evaluate_frames(potential, frames)).total
    return 1e3 * total.energy.rmse, total.forces.rmse


def main():
    """Label and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="?", type=Path, default=Path("settings.toml"))
    parser.add_argument("--count", type=int, default=9, help="snapshots to label")
    arguments = parser.parse_args()
    settings = load_settings(arguments.settings, {})
    store = Store(settings.output / DATABASE)
    potential = MTP.load(settings.output / GRADED)

    last = sorted((settings.output / "explorations").glob("*/*"))[-1]
    snapshots = read(last / tasks.WORK / SNAPSHOTS, index=":")
    # The first is the crystal that the run began with, which has a label.
    picked = np.linspace(0, len(snapshots) - 1, arguments.count + 1).round().astype(int)[1:]
    table = settings.plan().table(settings.label, 1)
    folders = [
        prepare_label(settings.output / "judged" / f"{k:03d}", snapshots[k], table) for k in picked
    ]
    with ThreadPoolExecutor(settings.workers) as pool:
        ends = list(pool.map(lambda each: tasks.run(str(each.absolute()), None, 1), folders))
    frames = {
        k: frame_from_atoms(label_of(folder), str(folder))
        for k, folder, end in zip(picked, folders, ends, strict=True)
        if end.end == "done"
    }
    for k, frame in frames.items():
        energy, force = errors(potential, [frame])
        print(f"snapshot {k}: {energy:.2f} meV/atom, {force:.4f} eV/Å RMSE")
    trained = errors(potential, labeled_frames(store))
    judged = errors(potential, list(frames.values()))
    print(f"trained on: {trained[0]:.2f} meV/atom, {trained[1]:.4f} eV/Å RMSE")
    print(f"never selected: {judged[0]:.2f} meV/atom, {judged[1]:.4f} eV/Å RMSE")
    print(f"ratio of force errors: {judged[1] / trained[1]:.2f}")


if __name__ == "__main__":
    main()
