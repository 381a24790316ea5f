"""Outputs as quantum-mechanical programs print them, cut down to what is read of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase.units import Bohr, GPa, Hartree, Rydberg

if TYPE_CHECKING:
    from ase import Atoms

KBAR = 0.1 * GPa
VOIGT_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def full(voigt: np.ndarray) -> np.ndarray:
    tensor = np.zeros((3, 3))
    for value, (i, j) in zip(voigt, VOIGT_PAIRS, strict=True):
        tensor[i, j] = tensor[j, i] = value
    return tensor


def rows(table: np.ndarray, form: str = "{:16.8f}") -> list[str]:
    return ["".join(form.format(value) for value in row) for row in table]


def outcar(steps: list[Atoms], *, failed: int = -1, announced: bool = False) -> str:
    """VASP 5, or 6 where a failure is announced: free energy F, and E = F - 0.05 at zero width."""
    symbols = steps[0].get_chemical_symbols()
    kinds = list(dict.fromkeys(symbols))
    counts = "".join(f"{symbols.count(kind):4d}" for kind in kinds)
    lines = [" vasp.5.4.4.18Apr17-6-g9f103f2a35 (build Jan 01 2020) complex", ""]
    lines += [f" POTCAR:    PAW_PBE {kind}_pv 02Aug2007" for kind in 2 * kinds]
    lines += [f"   ions per type =          {counts}", "   ISPIN  =      1", "   ISIF   =      3"]
    lines += [
        "   k-points  NKPTS =   1   k-points in BZ   NKDIM =   1   number of bands   NBANDS=   2"
    ]
    lines += [" k-points in reciprocal lattice and weights: x", "   0.0 0.0 0.0   1.000"]
    lines += ["   NELM   =      7;   NELMIN=  2; NELMDL= -5     # of ELM steps"]
    for index, atoms in enumerate(steps):
        results, bad = atoms.calc.results, index == failed
        lines += [
            f"------ Iteration {index + 1:6d}({n:4d})  ------" for n in range(1, 8 if bad else 5)
        ]
        if not bad:
            lines += ["------ aborting loop because EDIFF is reached ------"]
        elif announced:
            lines += ["------ aborting loop EDIFF was not reached (unconverged) ------"]
        stress = -results["stress"][[0, 1, 2, 5, 3, 4]] / KBAR
        lines += ["  in kB  " + "".join(f"{value:12.5f}" for value in stress)]
        lines += ["      direct lattice vectors                 reciprocal lattice vectors"]
        lines += rows(np.hstack([atoms.cell[:], np.linalg.inv(atoms.cell[:]).T]), "{:13.9f}")
        lines += [" POSITION                                       TOTAL-FORCE (eV/Angst)", " ---"]
        lines += rows(np.hstack([atoms.positions, results["forces"]]), " {:12.6f}")
        lines += [" ---", "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)", "  -----"]
        lines += [f"  free  energy   TOTEN  = {results['energy']:18.8f} eV", ""]
        zero = results["energy"] - 0.05
        lines += [
            f"  energy  without entropy= {zero - 1:18.8f}  energy(sigma->0) = {zero:16.8f}",
            "",
        ]
    return "\n".join(lines) + "\n"


def vasprun(steps: list[Atoms], *, failed: int = -1) -> str:
    atoms = steps[0]
    species = "".join(f"<rc><c>{s}</c><c>1</c></rc>" for s in atoms.get_chemical_symbols())
    lines = [
        '<?xml version="1.0" encoding="ISO-8859-1"?>',
        "<modeling>",
        '<kpoints><varray name="kpointlist"/>',
    ]
    lines += ['<varray name="weights"/></kpoints>', "<parameters>"]
    lines += ['<i type="int" name="NELM">6</i><i name="EDIFF">0.00010000</i>']
    lines += ['<i type="int" name="ISIF">2</i></parameters>']
    lines += [f'<atominfo><array name="atoms"><set>{species}</set></array></atominfo>']
    lines += [*_xml_structure(atoms, "initialpos")]
    for index, each in enumerate(steps):
        results, bad = each.calc.results, index == failed
        count = 6 if bad else 3
        lines += ["<calculation>"]
        for n in range(count):
            energy = results["energy"] + (0.01 * (-1) ** n if bad else 1e-6 * n)
            lines += [f"<scstep>{_xml_energy(energy)}</scstep>"]
        lines += [*_xml_structure(each, ""), _xml_array("forces", results["forces"])]
        lines += [_xml_array("stress", -full(results["stress"]) / KBAR)]
        lines += [_xml_energy(results["energy"]), "</calculation>"]
    return "\n".join([*lines, "</modeling>"]) + "\n"


def _xml_energy(energy: float) -> str:
    return (
        f'<energy><i name="e_fr_energy">{energy:.8f}</i>'
        f'<i name="e_0_energy">{energy - 0.05:.8f}</i></energy>'
    )


def _xml_array(name: str, table: np.ndarray) -> str:
    return f'<varray name="{name}">' + "".join(f"<v>{row}</v>" for row in rows(table)) + "</varray>"


def _xml_structure(atoms: Atoms, name: str) -> list[str]:
    opening = f'<structure name="{name}">' if name else "<structure>"
    cell = _xml_array("basis", atoms.cell[:])
    return [
        opening,
        f"<crystal>{cell}</crystal>",
        _xml_array("positions", atoms.get_scaled_positions()),
        "</structure>",
    ]


def espresso(steps: list[Atoms], *, failed: int = -1, hybrid: bool = False) -> str:
    """A run of dynamics; with exact exchange, inner loops also end with a mark."""
    first = steps[0]
    alat = first.cell[0, 0]
    lines = [
        "     Program PWSCF v.7.2 starts on 1Jan2024",
        "",
        f"     celldm(1)= {alat / Bohr:12.8f}",
    ]
    lines += [
        f"     number of atoms/cell      = {len(first):12d}",
        "     number of atomic types    =            1",
    ]
    lines += ["     crystal axes: (cart. coord. in units of alat)"]
    lines += [
        f"               a({i + 1}) = ( {a:11.8f} {b:11.8f} {c:11.8f} )"
        for i, (a, b, c) in enumerate(first.cell[:] / alat)
    ]
    lines += [
        "   Cartesian axes",
        "",
        "     site n.     atom                  positions (alat units)",
    ]
    lines += [
        f"      {i + 1}      {atom.symbol}  tau({i + 1:4d}) = ( {x:11.8f} {y:11.8f} {z:11.8f} )"
        for i, (atom, (x, y, z)) in enumerate(zip(first, first.positions / alat, strict=True))
    ]
    for index, atoms in enumerate(steps):
        results = atoms.calc.results
        if index:
            lines += ["ATOMIC_POSITIONS (angstrom)"]
            lines += [f"{a.symbol} {a.x:14.9f} {a.y:14.9f} {a.z:14.9f}" for a in atoms] + [""]
        energy = results["energy"] / Rydberg
        if index == failed:
            lines += [f"     total energy              = {energy:16.8f} Ry"]
            lines += ["     convergence NOT achieved after 100 iterations: stopping"]
        elif hybrid:
            lines += [f"!    total energy              = {energy + 0.3:16.8f} Ry"]
            lines += [f"!!   total energy              = {energy:16.8f} Ry"]
        else:
            lines += [f"!    total energy              = {energy:16.8f} Ry"]
        lines += ["     Forces acting on atoms (cartesian axes, Ry/au):", ""]
        lines += [
            f"     atom {i + 1:4d} type  1   force = {x:13.8f} {y:13.8f} {z:13.8f}"
            for i, (x, y, z) in enumerate(results["forces"] * Bohr / Rydberg)
        ]
        tensor = -full(results["stress"]) * Bohr**3 / Rydberg
        lines += ["", "     total   stress  (Ry/bohr**3)                   (kbar)     P= 0.0"]
        lines += [row + "   0.0 0.0 0.0" for row in rows(tensor, "{:14.8f}")] + [""]
    return "\n".join(lines) + "\n"


def gaussian(steps: list[Atoms], *, failed: int = -1, turned: bool = False) -> str:
    """Forces in the axes of the input; with `turned`, positions in others."""
    lines = [" Entering Gaussian System, Link 0=g16", ""]
    for index, atoms in enumerate(steps):
        results = atoms.calc.results
        positions = atoms.positions[:, [1, 2, 0]] if turned else atoms.positions
        name = "Standard" if turned else "Input"
        lines += [
            f"                         {name} orientation:",
            " ----",
            " Center",
            " Number",
            " ----",
        ]
        lines += [
            f" {i + 1:6d} {z:10d} {0:12d} {x:15.8f} {y:11.8f} {w:11.8f}"
            for i, (z, (x, y, w)) in enumerate(zip(atoms.numbers, positions, strict=True))
        ]
        lines += [" ----"]
        if index == failed:
            lines += [" >>>>>>>>>> Convergence criterion not met."]
        lines += [
            f" SCF Done:  E(RPBE) =  {results['energy'] / Hartree:.10f}     A.U. after   10 cycles"
        ]
        lines += [" Center     Atomic                   Forces (Hartrees/Bohr)"]
        lines += [" Number     Number              X              Y              Z", " ----"]
        lines += [
            f" {i + 1:6d} {z:8d} {x:20.9f} {y:14.9f} {w:14.9f}"
            for i, (z, (x, y, w)) in enumerate(
                zip(atoms.numbers, results["forces"] * Bohr / Hartree, strict=True)
            )
        ]
        lines += [" ----"]
    return "\n".join(lines) + "\n"


def cp2k(steps: list[Atoms], *, failed: int = -1, modern: bool = True) -> str:
    """Single points one after the other, in the layout of 2025 or of 2019."""
    lines = []
    for index, atoms in enumerate(steps):
        results = atoms.calc.results
        lines += [" CP2K| version string:                        CP2K version 2025.1"]
        lines += [
            f" CELL| Vector {name} [angstrom]: "
            + "".join(f"{x:10.3f}" for x in v)
            + f"   |{name}| = {np.linalg.norm(v):12.6f}"
            for name, v in zip("abc", atoms.cell[:], strict=True)
        ]
        lines += [" MODULE QUICKSTEP: ATOMIC COORDINATES IN ANGSTROM", ""]
        lines += [
            "   Atom Kind Element         X             Y             Z       Z(eff)     Mass"
        ]
        lines += [] if modern else [""]
        lines += [
            f"{i + 1:6d}   1 {a.symbol:2s} {a.number:3d} {a.x:14.6f}{a.y:14.6f}{a.z:14.6f}  4.0  28"
            for i, a in enumerate(atoms)
        ]
        converged = "*** SCF run converged in 9 steps ***"
        lines += [" *** WARNING :: SCF run NOT converged ***" if index == failed else converged, ""]
        unit = "[hartree]" if modern else "(a.u.):"
        lines += [
            f" ENERGY| Total FORCE_EVAL ( QS ) energy {unit}  {results['energy'] / Hartree:24.15f}",
            "",
        ]
        forces = results["forces"] * Bohr / Hartree
        if modern:
            lines += [
                " FORCES| Atomic forces [hartree/bohr]",
                " FORCES|   Atom     x         y        z      |f|",
            ]
            lines += [
                f" FORCES| {i + 1:6d} {x:15.8E} {y:15.8E} {z:15.8E}  1.0E-1"
                for i, (x, y, z) in enumerate(forces)
            ]
            lines += [
                " FORCES| Sum     0.0 0.0 0.0",
                " STRESS| Analytical stress tensor [bar]",
                " STRESS|     x    y    z",
            ]
        else:
            lines += [
                " ATOMIC FORCES in [a.u.]",
                "",
                " # Atom   Kind   Element          X              Y              Z",
            ]
            lines += [
                f"{i + 1:7d} {1:6d}      {a.symbol:2s} {x:18.8f} {y:14.8f} {z:14.8f}"
                for i, (a, (x, y, z)) in enumerate(zip(atoms, forces, strict=True))
            ]
            lines += [
                " SUM OF ATOMIC FORCES           0.0 0.0 0.0",
                "",
                " STRESS TENSOR [GPa]",
                "",
                "      X     Y     Z",
            ]
        tensor = -full(results["stress"]) / (1e-4 * GPa if modern else GPa)
        mark = " STRESS|      " if modern else "  "
        lines += [
            mark + axis + row
            for axis, row in zip("xyz" if modern else "XYZ", rows(tensor, "{:18.8f}"), strict=True)
        ]
        lines += [""]
    return "\n".join(lines) + "\n"


def cp2k_trajectory(steps: list[Atoms]) -> dict[str, str]:
    """Positions, forces and cells of a run of dynamics, by file name."""
    positions, forces, cells = [], [], ["#   Step   Time [fs]       Ax [Angstrom] ..."]
    for index, atoms in enumerate(steps):
        energy = atoms.calc.results["energy"] / Hartree
        head = [f"{len(atoms):6d}", f" i = {index:8d}, time = {index:12.3f}, E = {energy:20.10f}"]
        table = atoms.calc.results["forces"] * Bohr / Hartree
        for block, values in ((positions, atoms.positions), (forces, table)):
            block += head  # noqa: PLW2901 - in place
            block += [
                f"{s:>3s}" + row
                for s, row in zip(atoms.symbols, rows(values, "{:20.10f}"), strict=True)
            ]
        cells += [
            f"{index:8d} {index:12.3f}"
            + "".join(f"{x:20.10f}" for x in atoms.cell[:].ravel())
            + "   1.0"
        ]
    contents = {"run-pos-1.xyz": positions, "run-frc-1.xyz": forces, "run-1.cell": cells}
    return {name: "\n".join(lines) + "\n" for name, lines in contents.items()}
