"""Runs `lmp` of this environment on small structures, and reads what it found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.io.lammpsdata import write_lammps_data
from models import crystal

from mtpot import MTP
from mtpot.active.select import build_selection
from mtpot.data.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms

BIN = Path(sys.executable).parent
FIELDS = [
    "id",
    *("x", "y", "z", "fx", "fy", "fz", "c_energy"),
    *(f"c_stress[{k}]" for k in range(1, 7)),
    *(f"c_centroid[{k}]" for k in range(1, 10)),
]
PRESSURES = ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz")
TIME_LIMIT = 300  # s; only what hangs takes longer
BAR = 1.602176634e6  # eV/angstrom^3 in bar
ORDER = [0, 1, 2, 5, 4, 3]  # ASE's Voigt order in LAMMPS' and back


def restricted(atoms: Atoms) -> Atoms:
    """The same structure turned so that LAMMPS can take its cell as it is."""
    turned = atoms.copy()
    cell, rotation = atoms.cell.standard_form()
    turned.positions = atoms.positions @ rotation.T
    turned.cell = cell
    return turned


def with_active_set(potential: MTP, mode: str, count: int) -> MTP:
    """The potential, of silicon and aluminum, with the active set of some small crystals."""
    frames = [
        Frame(
            symbols=tuple(atoms.get_chemical_symbols()),
            positions=atoms.positions,
            cell=atoms.cell.array,
            pbc=atoms.pbc,
            energy=0.0,
        )
        for atoms in (crystal("Si2Al2", seed=seed) for seed in range(count))
    ]
    return MTP(potential.core, build_selection(potential, frames, mode, 1))


def skewed(symbols: str, seed: int = 0) -> Atoms:
    """A disordered triclinic crystal, atoms inside the cell."""
    atoms = restricted(crystal(symbols, seed=seed))
    atoms.wrap()
    return atoms


@dataclass(frozen=True)
class Outcome:
    """What a run printed and left."""

    code: int
    text: str
    dump: dict[str, np.ndarray]  # columns of the last frame, sorted by id

    def value(self, name: str) -> float:
        """A number that the input printed as "name = number"."""
        found = re.findall(rf"^{re.escape(name)} = (\S+)$", self.text, re.MULTILINE)
        assert found, self.text
        return float(found[-1])

    def columns(self, name: str, count: int) -> np.ndarray:
        """name[1] ... name[count] of the dump, shape [atoms, count]."""
        return np.stack([self.dump[f"{name}[{k}]"] for k in range(1, count + 1)], axis=1)

    @property
    def forces(self) -> np.ndarray:
        """Forces of the dump, shape [atoms, 3]."""
        return np.stack([self.dump[name] for name in ("fx", "fy", "fz")], axis=1)

    @property
    def positions(self) -> np.ndarray:
        """Positions of the dump, shape [atoms, 3]."""
        return np.stack([self.dump[name] for name in ("x", "y", "z")], axis=1)

    @property
    def stress(self) -> np.ndarray:
        """The stress in ASE's units, sign and order; LAMMPS gives the pressure in bar."""
        return -np.array([self.value(name) for name in PRESSURES])[ORDER] / BAR


def read_dump(path: Path) -> dict[str, np.ndarray]:
    """Columns of the last frame, sorted by id; none if there is no dump."""
    if not path.exists():
        return {}
    names, _, body = path.read_text().rpartition("ITEM: ATOMS ")[2].partition("\n")
    table = np.array([line.split() for line in body.splitlines()], dtype=float)
    table = table[np.argsort(table[:, names.split().index("id")])]
    return dict(zip(names.split(), table.T, strict=True))


def launch(
    folder: Path,
    script: str,
    ranks: int = 1,
    environment: Mapping[str, str] | None = None,
    time_limit: float = TIME_LIMIT,
) -> Outcome:
    """Run an input; it may end as it likes, but not hang."""
    (folder / "in").write_text(script)
    line = [str(BIN / "lmp"), "-in", "in", "-log", "none"]
    if ranks > 1:
        line = [str(BIN / "mpirun"), "-np", str(ranks), *line]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    done = subprocess.run(
        line,
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=time_limit,
        check=False,
    )
    return Outcome(done.returncode, done.stdout + done.stderr, read_dump(folder / "dump"))


def header(folder: Path, atoms: Atoms, species: Sequence[str], before: str = "") -> str:
    """The input up to the pair style, with the structure in a file of its own."""
    write_lammps_data(
        folder / "data", atoms, specorder=list(species), masses=True, atom_style="atomic"
    )
    boundary = " ".join("p" if periodic else "f" for periodic in atoms.pbc)
    return f"""units metal
atom_style atomic
atom_modify map array
boundary {boundary}
{before}
read_data data
"""


OBSERVE = f"""
compute energy all pe/atom pair
compute stress all stress/atom NULL virial
compute centroid all centroid/stress/atom NULL virial
dump 1 all custom 1 dump {" ".join(FIELDS)}
dump_modify 1 sort id format float %.17g
compute pressure all pressure NULL virial
variable pe equal pe
thermo_style custom step pe c_pressure[1] c_pressure[2] c_pressure[3] c_pressure[4] &
    c_pressure[5] c_pressure[6] ke
thermo_modify norm no
"""
REPORT = 'print "energy = $(pe:%.17g)"\n' + "".join(
    f'print "{name} = $(c_pressure[{k}]:%.17g)"\n' for k, name in enumerate(PRESSURES, start=1)
)


def observe(  # what a test varies
    folder: Path,
    atoms: Atoms,
    species: Sequence[str],
    style: str,
    *,
    before: str = "",
    commands: str = "run 0",
    ranks: int = 1,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Run with a pair style and its coefficients; energies, forces and stresses must come out."""
    script = header(folder, atoms, species, before) + style + OBSERVE + commands + "\n" + REPORT
    outcome = launch(folder, script, ranks, environment)
    assert outcome.code == 0, outcome.text
    return outcome
