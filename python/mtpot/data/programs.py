"""Outputs of quantum-mechanical programs and databases of ASE, recognized by their content.

ASE parses them. Here stands what a training set needs beyond that: energies are those that the
forces are derivatives of, and steps whose electrons did not converge are marked.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import ase.db
import ase.io
import numpy as np
from ase.io.espresso import read_espresso_out
from ase.io.formats import open_with_compression
from ase.io.gaussian import read_gaussian_out
from ase.io.vasp_parsers.vasp_outcar_parsers import OutcarHeaderParser, outcarchunks
from ase.units import Hartree

from mtpot.data.cp2k import read_cp2k_output
from mtpot.data.text import read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from ase import Atoms

_HEAD = 1 << 16
"""Bytes in which a program has named itself."""

_STEP_ENDS = "FREE ENERGIE OF THE ION-ELECTRON SYSTEM"
_ITERATION = re.compile(r"Iteration\s+\d+\(\s*(\d+)\)")
_NELM = re.compile(r"\bNELM\s*=\s*(\d+)")
_ISIF = re.compile(r"\bISIF\s*=\s*(\d+)")
_NOT_CONVERGED = "convergence NOT achieved"
_NO_BANDS = "Number of k-points >= 100: set verbosity='high' to print the bands.\n"
"""Where it stands ASE expects no eigenvalues; there are none if the electrons did not converge."""
_TORQUE = 1e-3
"""Of the sum of r times F; beyond rounding, the forces belong to other axes."""


@dataclass(frozen=True, slots=True)
class Program:
    """What outputs of a program are called, how they begin, and who reads them."""

    name: str
    mark: re.Pattern[bytes]
    read: Callable[[Path], Iterable[tuple[str, Atoms]]]


def recognize(path: Path) -> Program | None:
    """Return the program that wrote a file, or None, by its content alone; it may be compressed."""
    try:
        with open_with_compression(str(path), "rb") as file:
            head = file.read(_HEAD)
    except (OSError, EOFError, ValueError):
        return None
    return next((each for each in PROGRAMS if each.mark.search(head)), None)


def force_consistent(atoms: Atoms) -> Atoms:
    """Let ``energy`` be the energy whose derivatives the forces are, where ASE names both.

    With smearing, programs also extrapolate the energy to zero width; its derivatives are others.
    """
    results = getattr(atoms.calc, "results", {})
    if results.get("free_energy") is not None:
        results["energy"] = results["free_energy"]
    return atoms


def _named(path: Path, images: list[Atoms], converged: list[bool]) -> list[tuple[str, Atoms]]:
    """Name each image for messages and mark those that did not converge."""
    for atoms, good in zip(images, converged, strict=False):
        if not good:
            atoms.info["unconverged"] = True
    return [(f"{path} (frame {n})", force_consistent(a)) for n, a in enumerate(images, start=1)]


def _read_outcar(path: Path) -> list[tuple[str, Atoms]]:
    lines = read_lines(path, errors="replace")
    # ASE would read constraints from a POSCAR beside the file, which may be that of another run.
    images = [
        chunk.build() for chunk in outcarchunks(_stream(lines), header_parser=OutcarHeaderParser())
    ]
    isif = next((found[1] for line in lines if (found := _ISIF.search(line))), "")
    for atoms in images:
        _drop_partial_stress(atoms, isif)
    return _named(path, images, list(_outcar_convergence(lines)))


def _outcar_convergence(lines: list[str]) -> Iterator[bool]:
    """Tell of each ionic step whether its electrons converged; VASP 5 is silent where not."""
    most, count, reached, failed = 0, 0, False, False
    for line in lines:
        if not most and (found := _NELM.search(line)):
            most = int(found[1])
        elif found := _ITERATION.search(line):
            count = int(found[1])
        elif "aborting loop" in line:
            reached = "EDIFF is reached" in line
            failed = not reached
        elif _STEP_ENDS in line:
            yield reached or not (failed or (most and count >= most))
            count, reached, failed = 0, False, False


def _read_vasprun(path: Path) -> list[tuple[str, Atoms]]:
    images = list(ase.io.iread(str(path), index=":", format="vasp-xml"))
    for atoms in images:
        parameters = getattr(atoms.calc, "parameters", {})
        _drop_partial_stress(atoms, str(parameters.get("isif", "")))
    return _named(path, images, list(_vasprun_convergence(path)))


def _vasprun_convergence(path: Path) -> Iterator[bool]:
    """Tell of each ionic step whether it ended before NELM, or at it with a change below EDIFF."""
    most, limit = 0, 0.0
    energies: list[float] = []
    with open_with_compression(str(path), "rb") as file:
        try:
            for _, element in ET.iterparse(file):  # noqa: S314 - expat bounds entities
                name = element.get("name", "")
                if name == "NELM":
                    most = int(element.text or 0)
                elif name == "EDIFF":
                    limit = float(element.text or 0.0)
                elif element.tag == "scstep":
                    energies.append(_electronic_energy(element))
                elif element.tag == "calculation":
                    change = np.ptp(energies[-2:]) if len(energies) > 1 else np.inf
                    yield not most or len(energies) < most or bool(change <= limit)
                    energies = []
                    element.clear()
        except ET.ParseError:
            return  # the run was cut short; ASE has taken the steps before


def _electronic_energy(element: ET.Element) -> float:
    found = element.find("energy/i[@name='e_fr_energy']")
    return float(found.text or 0.0) if found is not None else 0.0


def _drop_partial_stress(atoms: Atoms, isif: str) -> None:
    """Drop what VASP prints for ISIF = 1, of which only the trace is computed."""
    if isif == "1":
        atoms.calc.results.pop("stress", None)


def _read_espresso(path: Path) -> list[tuple[str, Atoms]]:
    lines = read_lines(path, errors="replace")
    if any(line.startswith("!!   total energy") for line in lines):
        # With exact exchange a single ! marks inner loops.
        lines = [line.replace("!    total energy", "     total energy") for line in lines]
        lines = [line.replace("!!   total energy", "!    total energy") for line in lines]
    stopped = any(_NOT_CONVERGED in line for line in lines)
    shown = [_NO_BANDS if _NOT_CONVERGED in line else line for line in lines]
    images = list(read_espresso_out(_stream(shown), index=slice(None)))
    known = [atoms.calc.results.get("energy") is not None for atoms in images]
    return _named(path, images, [good or not stopped for good in known])


def _read_gaussian(path: Path) -> list[tuple[str, Atoms]]:
    lines = read_lines(path, errors="replace")
    images = read_gaussian_out(_stream(lines), index=slice(None))
    for atoms in images:
        _check_axes(atoms)
    return _named(path, images, _gaussian_convergence(lines, images))


def _gaussian_convergence(lines: list[str], images: list[Atoms]) -> list[bool]:
    failed, bad = False, []
    for line in lines:
        if "Convergence criterion not met" in line:
            failed = True
        elif failed and "SCF Done:" in line:
            bad.append(float(line.split("=")[1].split()[0].replace("D", "e")) * Hartree)
            failed = False
    energies = [atoms.calc.results.get("energy") for atoms in images]
    converged = [
        energy is None or not np.isclose(energy, bad, rtol=1e-12).any() for energy in energies
    ]
    if bad and all(converged):
        raise ValueError("the electrons did not converge (Convergence criterion not met)")
    return converged


def _check_axes(atoms: Atoms) -> None:
    """Refuse forces that turn a free molecule: they belong to axes other than the positions'."""
    forces = atoms.calc.results.get("forces")
    if forces is None or len(atoms) < 2 or atoms.pbc.any():
        return
    arms = atoms.positions - atoms.positions.mean(axis=0)
    scale = (np.linalg.norm(arms, axis=1) * np.linalg.norm(forces, axis=1)).sum()
    if np.linalg.norm(np.cross(arms, forces).sum(axis=0)) > _TORQUE * max(scale, 1.0):
        raise ValueError(
            "the forces have a torque: the file has positions in standard orientation and forces "
            "in that of the input; run with nosymm, or with #p, which prints both"
        )


def _read_database(path: Path) -> Iterator[tuple[str, Atoms]]:
    with ase.db.connect(str(path), type="db", use_lock_file=False) as database:
        for row in database.select():
            atoms = row.toatoms()
            atoms.info |= row.key_value_pairs
            yield f"{path} (row {row.id})", force_consistent(atoms)


def _stream(lines: list[str]) -> io.StringIO:
    stream = io.StringIO("".join(lines))
    stream.name = "output"  # ASE asks every stream for it
    return stream


PROGRAMS = (
    Program("ASE database", re.compile(rb"\ASQLite format 3\x00"), _read_database),
    Program("VASP OUTCAR", re.compile(rb"\A\s*vasp\.\d"), _read_outcar),
    Program("VASP vasprun.xml", re.compile(rb"<modeling>"), _read_vasprun),
    Program("Quantum ESPRESSO", re.compile(rb"Program PWSCF"), _read_espresso),
    Program("Gaussian", re.compile(rb"Entering Gaussian System"), _read_gaussian),
    Program("CP2K", re.compile(rb"^ *CP2K\|", re.MULTILINE), read_cp2k_output),
)
