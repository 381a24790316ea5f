"""Build the silicon training and test sets with Quantum ESPRESSO through ASE.

Every structure comes from a seeded generator, every finished calculation is cached in the work
folder, and so a run that was stopped continues where it was and yields the same frames:

    python make_dataset.py --work /scratch/silicon --output .

A calculation whose self-consistency loop does not converge is reported and left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import shutil
import subprocess
import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms, units
from ase.build import bulk, cut, diamond100, diamond111
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.espresso import Espresso, EspressoProfile
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from ase.spacegroup import crystal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOG = logging.getLogger("make_dataset")

PSEUDOPOTENTIAL = "Si.pz-vbc.UPF"
LATTICE = 5.40
"""Cubic lattice constant of diamond silicon that the structures are built around, in Å."""
VACUUM_GAP = 7.0
"""A cell direction with an empty stretch longer than this (Å) gets a single k-point."""
SMALL_CELL = 4
"""Cells of at most this many atoms get denser k-points and the use of their symmetry."""
TEST_FRACTION = 0.12
MD_STEP = 3.0 * units.fs
MD_FRICTION = 0.02 / units.fs
MD_INTERVAL = 10
"""Time steps between two snapshots of a trajectory."""


class NotConvergedError(RuntimeError):
    """The self-consistency loop of a calculation did not converge."""


@dataclass(frozen=True)
class Settings:
    """Numerical settings of a DFT calculation.

    Attributes
    ----------
    cutoff
        Plane-wave cutoff in Ry.
    smearing
        Marzari-Vanderbilt smearing width in Ry.
    spacing
        Largest distance between k-points in 1/Å (2 pi included).
    small_spacing
        The same for cells of at most `SMALL_CELL` atoms, which are cheap.
    threshold
        Self-consistency threshold in Ry per atom.
    """

    cutoff: float
    smearing: float
    spacing: float
    small_spacing: float
    threshold: float


LABEL = Settings(24.0, 0.02, 0.32, 0.25, 1e-8)
"""Settings of every energy, force and stress in the data set."""
SAMPLER = Settings(12.0, 0.02, 0.64, 0.64, 1e-6)
"""Cheaper settings that only drive the molecular dynamics; its snapshots are labeled anew."""


@dataclass(frozen=True)
class Label:
    """Result of one calculation: energy (eV), forces (eV/Å) and Voigt stress (eV/Å³)."""

    energy: float
    forces: list[list[float]]
    stress: list[float]
    seconds: float
    converged: bool = True


@dataclass(frozen=True)
class Trajectory:
    """Molecular dynamics in the eight-atom cell.

    Attributes
    ----------
    temperature
        Temperature of the thermostat in K.
    lattice
        Lattice constant of the cubic cell in Å.
    displacement
        Random displacement of the first frame in Å.
    settle
        Time steps before the first interval.
    snapshots
        Number of snapshots, `MD_INTERVAL` time steps apart.
    """

    temperature: float
    lattice: float
    displacement: float = 0.05
    settle: int = 15
    snapshots: int = 4


CRYSTAL_RUNS = (
    Trajectory(300, 5.40),
    Trajectory(300, 5.46),
    Trajectory(900, 5.34),
    Trajectory(900, 5.46),
    Trajectory(1500, 5.40),
    Trajectory(1500, 5.52),
)
"""Trajectories of the group `md`."""
LIQUID_RUNS = (
    Trajectory(2500, 5.27, displacement=0.25, settle=20, snapshots=5),
    Trajectory(3000, 5.43, displacement=0.25, settle=20, snapshots=5),
    Trajectory(3500, 5.10, displacement=0.25, settle=20, snapshots=5),
    Trajectory(4000, 5.27, displacement=0.25, settle=20, snapshots=5),
)
"""Trajectories of the group `liquid`: 2.55, 2.33, 2.81 and 2.55 g/cm³."""


# --------------------------------------------------------------------------------------------
# Calculations


def widest_gap(atoms: Atoms, axis: int) -> float:
    """Return the longest empty stretch (Å) along the normal of a pair of cell faces."""
    height = atoms.get_volume() / np.linalg.norm(np.cross(*np.delete(atoms.cell, axis, axis=0)))
    position = np.sort(atoms.get_scaled_positions()[:, axis])
    return float(np.max(np.diff(position, append=position[0] + 1.0)) * height)


def kpoint_grid(atoms: Atoms, settings: Settings) -> tuple[int, int, int]:
    """Return the number of k-points along each reciprocal vector."""
    spacing = settings.small_spacing if len(atoms) <= SMALL_CELL else settings.spacing
    lengths = 2.0 * np.pi * np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    counts = [
        1 if widest_gap(atoms, axis) > VACUUM_GAP else max(1, int(np.ceil(length / spacing)))
        for axis, length in enumerate(lengths)
    ]
    return counts[0], counts[1], counts[2]


class PwRunner:
    """Runs pw.x, one calculation at a time, and keeps each result in a cache folder."""

    def __init__(self, work: Path, command: str, pseudo_dir: Path) -> None:
        """Prepare the folders below `work`."""
        self.cache = work / "cache"
        self.scratch = work / "scratch"
        self.cache.mkdir(parents=True, exist_ok=True)
        self.profile = EspressoProfile(command=command, pseudo_dir=pseudo_dir)
        self.seconds = 0.0
        self.calculations = 0

    def label(self, atoms: Atoms, settings: Settings = LABEL) -> Label:
        """Return the cached result for a structure, calculating it where there is none.

        Raises
        ------
        NotConvergedError
            The self-consistency loop did not converge.
        """
        path = self.cache / f"{self._key(atoms, settings)}.json"
        if path.exists():
            label = Label(**json.loads(path.read_text(encoding="utf-8")))
        else:
            label = self._calculate(atoms, settings)
            partial = path.with_suffix(".tmp")
            partial.write_text(json.dumps(asdict(label)), encoding="utf-8")
            partial.replace(path)
        self.seconds += label.seconds
        self.calculations += 1
        if not label.converged:
            raise NotConvergedError(path.stem)
        return label

    @staticmethod
    def _key(atoms: Atoms, settings: Settings) -> str:
        """Return the name under which a calculation is cached."""
        numbers = [atoms.cell.array.round(8).tolist(), atoms.positions.round(8).tolist()]
        text = json.dumps([numbers, asdict(settings), PSEUDOPOTENTIAL])
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def _calculate(self, atoms: Atoms, settings: Settings) -> Label:
        """Run pw.x in a fresh scratch folder."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        start = time.perf_counter()
        work = atoms.copy()
        work.calc = self._espresso(work, settings)
        try:
            energy = float(work.get_potential_energy())
            forces = work.get_forces().tolist()
            stress = work.get_stress(voigt=True).tolist()
        except subprocess.CalledProcessError:
            if "convergence NOT achieved" not in self._output():
                raise
        seconds = round(time.perf_counter() - start, 3)
        if "convergence has been achieved" not in self._output():
            return Label(0.0, [], [], seconds, converged=False)
        return Label(energy, forces, stress, seconds)

    def _output(self) -> str:
        """Return what the last pw.x printed."""
        return (self.scratch / "espresso.pwo").read_text(encoding="utf-8", errors="replace")

    def _espresso(self, atoms: Atoms, settings: Settings) -> Espresso:
        """Return ASE's calculator for a structure."""
        grid = kpoint_grid(atoms, settings)
        parameters = {
            "calculation": "scf",
            "tprnfor": True,
            "tstress": True,
            "disk_io": "none",
            "outdir": "out",
            "ecutwfc": settings.cutoff,
            "occupations": "smearing",
            "smearing": "marzari-vanderbilt",
            "degauss": settings.smearing,
            "nosym": len(atoms) > SMALL_CELL,
            "conv_thr": settings.threshold * len(atoms),
            "electron_maxstep": 100,
            "mixing_beta": 0.5,
        }
        return Espresso(
            profile=self.profile,
            directory=self.scratch,
            pseudopotentials={"Si": PSEUDOPOTENTIAL},
            input_data=parameters,
            kpts=None if grid == (1, 1, 1) else grid,
            koffset=tuple(int(count > 1) for count in grid),
        )


class SamplerCalculator(Calculator):
    """ASE calculator that drives molecular dynamics with the cached sampler settings."""

    def __init__(self, runner: PwRunner) -> None:
        """Keep the runner."""
        super().__init__()
        self.implemented_properties = ["energy", "forces", "stress"]
        self.runner = runner

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill `results` for the given structure."""
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        label = self.runner.label(self.atoms, SAMPLER)
        self.results = {
            "energy": label.energy,
            "forces": np.array(label.forces),
            "stress": np.array(label.stress),
        }


# --------------------------------------------------------------------------------------------
# Structures


def diamond(lattice: float = LATTICE) -> Atoms:
    """Return the eight-atom cubic cell of diamond silicon."""
    return bulk("Si", "diamond", a=lattice, cubic=True)


def strained(atoms: Atoms, strain: np.ndarray) -> Atoms:
    """Return a copy under a symmetric strain, the fractional coordinates kept."""
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return result


def scaled(atoms: Atoms, factor: float) -> Atoms:
    """Return a copy with every length multiplied by a factor."""
    return strained(atoms, (factor - 1.0) * np.eye(3))


def shortest_distance(atoms: Atoms) -> float:
    """Return the shortest distance between two atoms, periodic images included (Å)."""
    repeats = [1 if widest_gap(atoms, axis) > VACUUM_GAP else 2 for axis in range(3)]
    distances = atoms.repeat(repeats).get_all_distances(mic=True)
    np.fill_diagonal(distances, np.inf)
    return float(distances.min())


def displaced(atoms: Atoms, sigma: float, rng: np.random.Generator, shortest: float = 1.9) -> Atoms:
    """Return a copy with normal random displacements and no two atoms closer than `shortest`."""
    for _ in range(1000):
        result = atoms.copy()
        result.positions += rng.normal(scale=sigma, size=result.positions.shape)
        if shortest_distance(result) > shortest:
            return result
    message = f"no displacement of {sigma} Å keeps the atoms {shortest} Å apart"
    raise ValueError(message)


def random_strain(rng: np.random.Generator, size: float) -> np.ndarray:
    """Return a symmetric strain tensor with normal entries."""
    matrix = rng.normal(scale=size, size=(3, 3))
    return 0.5 * (matrix + matrix.T)


def strained_frames(rng: np.random.Generator) -> Iterator[Atoms]:
    """Yield diamond under volumetric, uniaxial, biaxial, shear and random strain."""
    for lattice in (4.90, 5.10, 5.25, 5.33, 5.37, 5.40, 5.43, 5.47, 5.55, 5.70, 5.90, 6.15):
        yield bulk("Si", "diamond", a=lattice)
    yield diamond()
    for size in (-0.06, -0.03, 0.03, 0.06):
        yield strained(diamond(), np.diag([0.0, 0.0, size]))
    for size in (-0.04, 0.04):
        yield strained(diamond(), np.diag([size, size, 0.0]))
    for size in (0.015, 0.03, 0.06):
        shear = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, size], [0.0, size, 0.0]])
        yield strained(bulk("Si", "diamond", a=LATTICE), shear)
    for _ in range(6):
        yield displaced(strained(diamond(), random_strain(rng, 0.035)), 0.03, rng)


def random_frames(rng: np.random.Generator) -> Iterator[Atoms]:
    """Yield diamond at several volumes with random displacements and a small random strain."""
    for lattice in (5.20, 5.30, 5.40, 5.50, 5.65):
        for sigma in (0.05, 0.11, 0.19):
            yield displaced(strained(diamond(lattice), random_strain(rng, 0.01)), sigma, rng)
    for sigma in (0.08, 0.15):
        yield displaced(diamond(rng.uniform(5.35, 5.50)).repeat((2, 1, 1)), sigma, rng)


def vacancy_frames(rng: np.random.Generator) -> Iterator[Atoms]:
    """Yield diamond less one atom: seven of eight and fifteen of sixteen."""
    for lattice, sigma in zip(
        (5.40, 5.40, 5.34, 5.46, 5.40, 5.46),
        (0.0, 0.05, 0.09, 0.12, 0.17, 0.23),
        strict=True,
    ):
        yield displaced(diamond(lattice)[1:], sigma, rng)
    for lattice, sigma in zip((5.40, 5.36, 5.46), (0.03, 0.09, 0.15), strict=True):
        yield displaced(diamond(lattice).repeat((2, 1, 1))[1:], sigma, rng)


def slab_110(lattice: float, vacuum: float) -> Atoms:
    """Return a four-layer (110) slab of eight atoms."""
    slab = cut(diamond(lattice), a=(0.5, -0.5, 0.0), b=(0.0, 0.0, 1.0), c=(1.0, 1.0, 0.0))
    slab.set_cell(slab.cell.cellpar(), scale_atoms=True)
    slab.center(vacuum=vacuum, axis=2)
    return slab


def slab_111(lattice: float, vacuum: float) -> Atoms:
    """Return a (111) slab of four whole double layers: one dangling bond per outer atom."""
    slab = diamond111("Si", size=(1, 1, 10), a=lattice)
    slab = slab[np.sort(np.argsort(slab.positions[:, 2])[1:-1])]
    slab.center(vacuum=vacuum, axis=2)
    return slab


def slab_100_dimers(lattice: float, vacuum: float, shift: float = 0.7) -> Atoms:
    """Return a six-layer (100) 2x1 slab whose outer atoms pair into dimers on both sides."""
    slab = diamond100("Si", size=(1, 2, 6), a=lattice, vacuum=vacuum)
    by_height = np.argsort(slab.positions[:, 2], kind="stable")
    for pair in (by_height[:2], by_height[-2:]):
        left, right = pair[np.argsort(slab.positions[pair, 1])]
        slab.positions[left, 1] += shift
        slab.positions[right, 1] -= shift
    return slab


def surface_frames(rng: np.random.Generator) -> Iterator[Atoms]:
    """Yield displaced (100), (100) 2x1, (111) and (110) slabs, 10 Å of vacuum between them."""
    for sigma, lattice in ((0.03, 5.40), (0.10, 5.40), (0.18, 5.46)):
        plain = diamond100("Si", size=(1, 1, 8), a=lattice, vacuum=5.0)
        for slab in (plain, slab_111(lattice, 5.0), slab_110(lattice, 5.0)):
            slab.pbc = True
            yield displaced(slab, sigma, rng)
    for sigma in (0.03, 0.12):
        dimers = slab_100_dimers(LATTICE, 5.0)
        dimers.pbc = True
        yield displaced(dimers, sigma, rng)


def other_phases() -> Iterator[Atoms]:
    """Yield the crystals other than diamond, each near its equilibrium volume."""
    half, quarter = 0.5, 0.25
    tin = [(0, 0, 0), (half, half, half), (0, half, quarter), (half, 0, 3 * quarter)]
    yield Atoms("Si4", scaled_positions=tin, cell=[4.80, 4.80, 2.64], pbc=True)
    yield bulk("Si", "sc", a=2.53)
    yield bulk("Si", "bcc", a=3.09)
    yield bulk("Si", "fcc", a=3.87)
    yield bulk("Si", "hcp", a=2.73, c=4.46)
    yield Atoms("Si", cell=[2.64, 2.64, 2.48, 90, 90, 120], pbc=True)
    third, height = 1 / 3, 1 / 16
    lonsdaleite = [
        (third, 2 * third, height),
        (2 * third, third, -height),
        (third, 2 * third, half - height),
        (2 * third, third, half + height),
    ]
    yield Atoms("Si4", scaled_positions=lonsdaleite, cell=[3.82, 3.82, 6.26, 90, 90, 120], pbc=True)
    basis = [(0.1003, 0.1003, 0.1003)]
    cell = [6.60, 6.60, 6.60, 90, 90, 90]
    bc8 = crystal("Si", basis, spacegroup=206, cellpar=cell, primitive_cell=True)
    yield Atoms(bc8.symbols, positions=bc8.positions, cell=bc8.cell, pbc=True)


def phase_frames(rng: np.random.Generator) -> Iterator[Atoms]:
    """Yield each phase at three volumes (BC8: one) and once displaced, with eight atoms."""
    repeats = {1: (2, 2, 2), 2: (2, 2, 1), 4: (1, 1, 2), 8: (1, 1, 1)}
    for phase in other_phases():
        for factor in (0.95, 1.0, 1.05) if len(phase) <= SMALL_CELL else (1.0,):
            yield scaled(phase, factor)
        yield displaced(phase.repeat(repeats[len(phase)]), 0.10, rng)


def squeezed_pair(distance: float, rng: np.random.Generator) -> Atoms:
    """Return displaced diamond with one bond shortened to the given length."""
    atoms = displaced(diamond(), 0.05, rng, shortest=2.0)
    neighbor = int(np.argsort(atoms.get_distances(0, range(len(atoms)), mic=True))[1])
    atoms.set_distance(0, neighbor, distance, mic=True)
    return atoms


def short_frames(rng: np.random.Generator) -> Iterator[Atoms]:
    """Yield dimers in a box, squeezed bonds in the crystal and hot dense crystals."""
    for distance in (1.6, 1.75, 1.9, 2.05, 2.2, 2.4, 2.7, 3.1, 3.6, 4.5):
        yield Atoms("Si2", positions=[(0, 0, 0), (distance, 0, 0)], cell=[12, 9, 9], pbc=True)
    for distance in (1.6, 1.7, 1.8, 1.9, 2.0, 2.1):
        yield squeezed_pair(distance, rng)
    for lattice in (4.70, 4.85, 5.0):
        yield displaced(diamond(lattice), 0.15, rng, shortest=1.6)


def snapshots(run: Trajectory, runner: PwRunner, seed: list[int]) -> Iterator[Atoms]:
    """Yield snapshots of Langevin dynamics on the DFT forces of the sampler settings."""
    atoms = displaced(diamond(run.lattice), run.displacement, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    thermalize_momenta(atoms, temperature_K=run.temperature, rng=rng)
    Stationary(atoms)
    atoms.calc = SamplerCalculator(runner)
    dynamics = Langevin(
        atoms,
        MD_STEP,
        temperature_K=run.temperature,
        friction=MD_FRICTION,
        fixcm=False,
        rng=rng,
    )
    dynamics.run(run.settle)
    for _ in range(run.snapshots):
        dynamics.run(MD_INTERVAL)
        yield Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)


def md_frames(runs: Sequence[Trajectory], runner: PwRunner, seed: int) -> Iterator[Atoms]:
    """Yield the snapshots of several trajectories."""
    for index, run in enumerate(runs):
        try:
            yield from snapshots(run, runner, [seed, index, int(run.temperature)])
        except NotConvergedError as error:
            LOG.warning("%s ends early: %s did not converge", run, error)


def all_structures(seed: int, runner: PwRunner) -> Iterator[tuple[str, Iterator[Atoms]]]:
    """Yield each group's name and its structures, the trajectories last."""
    builders = {
        "strained": strained_frames,
        "short": short_frames,
        "phases": phase_frames,
        "random": random_frames,
        "vacancy": vacancy_frames,
        "surface": surface_frames,
    }
    for group, builder in builders.items():
        yield group, builder(np.random.default_rng([seed, zlib.crc32(group.encode())]))
    yield "liquid", md_frames(LIQUID_RUNS, runner, seed + 1)
    yield "md", md_frames(CRYSTAL_RUNS, runner, seed + 2)


# --------------------------------------------------------------------------------------------
# Data set


def labeled(atoms: Atoms, group: str, label: Label) -> Atoms:
    """Return a structure that carries its group and its DFT results."""
    frame = Atoms(atoms.symbols, positions=atoms.positions.round(8), cell=atoms.cell, pbc=True)
    frame.info["group"] = group
    frame.calc = SinglePointCalculator(
        frame, energy=label.energy, forces=np.array(label.forces), stress=np.array(label.stress)
    )
    return frame


def label_group(group: str, structures: Iterator[Atoms], runner: PwRunner) -> list[Atoms]:
    """Label every structure of a group, leaving out those that do not converge."""
    frames = []
    for index, atoms in enumerate(structures):
        try:
            label = runner.label(atoms)
        except NotConvergedError:
            LOG.warning("%s %d did not converge: left out", group, index)
            continue
        frames.append(labeled(atoms, group, label))
        per_atom = label.energy / len(atoms)
        force = np.abs(label.forces).max()
        LOG.info(
            "%s %d: %d atoms, k %s, %.4f eV/atom, |F| <= %.2f, %.1f s",
            *(group, index, len(atoms), kpoint_grid(atoms, LABEL)),
            *(per_atom, force, label.seconds),
        )
    return frames


def split(frames: list[Atoms], rng: np.random.Generator) -> tuple[list[Atoms], list[Atoms]]:
    """Return the training and the test frames of one group, each in its original order."""
    count = max(1, round(TEST_FRACTION * len(frames)))
    chosen = set(rng.permutation(len(frames))[:count].tolist())
    train = [frame for index, frame in enumerate(frames) if index not in chosen]
    return train, [frames[index] for index in sorted(chosen)]


def summary(train: list[Atoms], test: list[Atoms]) -> str:
    """Return a Markdown table of the groups."""
    lines = [
        "| group | train | test | atoms per cell | energy (eV/atom) | largest force (eV/Å) |",
        "|---|---|---|---|---|---|",
    ]
    for group in sorted({frame.info["group"] for frame in train}):
        parts = [[f for f in part if f.info["group"] == group] for part in (train, test)]
        frames = parts[0] + parts[1]
        sizes = ", ".join(str(size) for size in sorted({len(frame) for frame in frames}))
        energies = [frame.get_potential_energy() / len(frame) for frame in frames]
        force = max(np.abs(frame.get_forces()).max() for frame in frames)
        lines.append(
            f"| `{group}` | {len(parts[0])} | {len(parts[1])} | {sizes} "
            f"| {min(energies):.3f} to {max(energies):.3f} | {force:.1f} |"
        )
    return "\n".join(lines)


def build(runner: PwRunner, output: Path, seed: int) -> None:
    """Label all structures and write the two files."""
    train: list[Atoms] = []
    test: list[Atoms] = []
    for group, structures in all_structures(seed, runner):
        frames = label_group(group, structures, runner)
        rng = np.random.default_rng([seed, 12, zlib.crc32(group.encode())])
        for part, chosen in zip((train, test), split(frames, rng), strict=True):
            part.extend(chosen)
    output.mkdir(parents=True, exist_ok=True)
    for name, part in (("train.xyz", train), ("test.xyz", test)):
        write(output / name, part, format="extxyz")
        if len(read(output / name, index=":")) != len(part):
            message = f"{name} does not read back whole"
            raise RuntimeError(message)
    LOG.info("%d calculations, %.0f s of pw.x", runner.calculations, runner.seconds)
    LOG.info("\n%s", summary(train, test))


def main() -> None:
    """Parse the command line and build the data set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the cache")
    parser.add_argument("--output", type=Path, required=True, help="folder of the two files")
    parser.add_argument("--pw", default="pw.x", help="command that runs pw.x (default: pw.x)")
    parser.add_argument(
        "--pseudo-dir",
        type=Path,
        default=Path("/usr/share/espresso/pseudo"),
        help=f"folder that holds {PSEUDOPOTENTIAL} (default: that of the Debian package)",
    )
    parser.add_argument("--seed", type=int, default=20, help="seed of the structures")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    runner = PwRunner(options.work.resolve(), options.pw, options.pseudo_dir)
    build(runner, options.output, options.seed)


if __name__ == "__main__":
    main()
