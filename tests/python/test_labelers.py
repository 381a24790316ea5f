"""Labels are those of the calculation that was asked for, or there are none.

Programs that are not here have stand-ins: scripts that write recorded output (`outputs.py`).
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import outputs
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from ase.units import Bohr, Hartree

from mtpot import MTPCalculator, potential_path
from mtpot.active import tasks
from mtpot.active.labelers import (
    LABELED,
    STRUCTURE,
    LabelError,
    label_in,
    label_of,
    labeler_of,
    prepare_label,
)
from mtpot.active.labelers.pseudopotentials import element_of
from mtpot.errors import InputError

if TYPE_CHECKING:
    from mtpot.active.tasks import Outcome


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the run is: what its settings name is relative to it."""
    folder = tmp_path / "a run"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def label(atoms: Atoms, table: dict[str, Any], folder: Path = Path("labels/1")) -> Outcome:
    """Do the task in this process."""
    prepare_label(folder, atoms, table)
    return label_in(folder.absolute(), tasks.content_of(folder))


def results_of(folder: Path = Path("labels/1")) -> dict[str, Any]:
    return label_of(folder).calc.results


def check_results(expected: dict[str, Any], tolerance: float = 1e-6) -> None:
    found = results_of()
    for name in ("energy", "forces", "stress"):
        if expected.get(name) is None:
            assert name not in found
        else:
            np.testing.assert_allclose(found[name], expected[name], atol=tolerance)


def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def with_results(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Return the structure with random results, forces without a sum (and without a torque)."""
    image = atoms.copy()
    if atoms.pbc.any():
        forces = rng.normal(0, 1, (len(atoms), 3))
        forces -= forces.mean(axis=0)
        stress = rng.normal(0, 0.01, 6)
    else:
        pulls = (atoms.positions[1:] - atoms.positions[0]) * rng.normal(size=(len(atoms) - 1, 1))
        forces, stress = np.vstack([-pulls.sum(axis=0), pulls]), None
    image.calc = SinglePointCalculator(
        image, energy=-100.0 + rng.normal(), forces=forces, stress=stress
    )
    return image


def silicon() -> Atoms:
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=2)
    atoms.positions = atoms.positions.round(5)
    return with_results(atoms, np.random.default_rng(0))


def water() -> Atoms:
    return with_results(molecule("H2O"), np.random.default_rng(1))


# --- calculators of ASE ---


@pytest.mark.parametrize(("name", "make"), [("emt", EMT), ("LJ", LennardJones)])
def test_calculators_of_ase_by_name(name: str, make: type) -> None:
    settings = {"sigma": 2.2} if name == "LJ" else {}
    assert label(copper(), {"calculator": name, "settings": settings}).end == "done"
    atoms = copper()
    atoms.calc = make(**settings)
    expected = {
        "energy": atoms.get_potential_energy(),
        "forces": atoms.get_forces(),
        "stress": atoms.get_stress(),
    }
    check_results(expected)


def test_a_molecule_has_no_stress() -> None:
    atoms = molecule("N2")
    assert label(atoms, {"calculator": "emt"}).end == "done"
    assert set(results_of()) == {"energy", "forces"}


def test_tblite() -> None:
    pytest.importorskip("tblite")
    settings = {"method": "GFN1-xTB", "verbosity": 0}
    assert label(molecule("H2O"), {"calculator": "tblite", "settings": settings}).end == "done"
    assert results_of()["energy"] == pytest.approx(-156.9, abs=1.0)  # eV, 5.77 hartree


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "names none of calculator"),
        ({"calculator": "emtt"}, "ASE has none of this name"),
        ({"calculator": "nowhere:Class"}, "No module named"),
        ({"calculator": "emt", "setings": {}}, "did you mean settings"),
        ({"calculator": "tip3p", "settings": {"colour": 3}}, "does not take these settings"),
        ({"calculator": "emt", "profile": {"command": "ls"}}, "has no profile"),
        ({"calculator": "espresso", "profile": {"command": "pw.y"}}, "no program 'pw.y'"),
        ({"calculator": "espresso", "profile": {"command": "ls 'a"}}, "No closing quotation"),
        ({"calculator": "espresso", "profile": {"pseudo_dir": "there"}}, "there is no folder"),
        ({"calculator": "espresso", "profile": {"comand": "ls"}}, "profile: EspressoProfile"),
        ({"calculator": "vasp", "settings": {"command": "A=1 vaspp"}}, "no program 'vaspp'"),
        ({"function": "labels.py:label"}, "labels.py: no such file"),
        ({"function": "math:nothing"}, "math has no nothing"),
        ({"function": "math:pi"}, "cannot be called"),
        ({"exchange": "file"}, "is a file where a folder should be"),
        ({"exchange": "jobs", "calculator": "emt"}, "has no input files"),
        ({"calculator": "emt", "function": "math:pi"}, "function beside calculator, and one excl"),
        ({"exchange": "jobs", "function": "math:pi"}, "function beside exchange"),
        ({"calculator": "emt", "settings": {"asap_cutof": True}}, "did you mean asap_cutoff"),
        ({"calculator": "emt", "max-force": "large"}, "max-force = 'large': expected a number"),
        ({"calculator": "lj", "settings": {"epsilom": 1.0}}, "did you mean epsilon"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value.replace(" ", "-"),
)
def test_what_cannot_work_is_refused_before_anything_is_calculated(
    table: dict, words: str, place: Path
) -> None:
    (place / "file").touch()
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        labeler_of(table).check()


def test_a_wrong_name_of_a_pseudopotential_is_refused(place: Path) -> None:
    (place / "pseudos").mkdir()
    (place / "pseudos" / "Si.pbe.UPF").touch()
    table = {
        "calculator": "espresso",
        "profile": {"command": "sh", "pseudo_dir": "pseudos"},
        "settings": {"pseudopotentials": {"Si": "Si.pbe.upf"}},
    }
    with pytest.raises(InputError, match=r"Si: pseudos has no Si.pbe.upf; did you mean Si.pbe.UPF"):
        labeler_of(table).check()


UPF_1 = "<PP_INFO>\n</PP_INFO>\n<PP_HEADER>\n   0   Version Number\n  {}     Element\n   NC\n"
UPF_2 = """<UPF version="2.0.1">\n<PP_INFO>\nelement="Xe"\n</PP_INFO>\n<PP_HEADER generated='"me"'
author="" element="{}" pseudo_type="NC"/>\n"""


@pytest.mark.parametrize(
    ("text", "element"),
    [
        (UPF_1.format("Si"), "Si"),
        (UPF_1.format("C "), "C"),
        (UPF_2.format("Si"), "Si"),
        (UPF_2.format(" H"), "H"),
        ("'Si', 4.0, 'not UPF'\nelement=\"C\"\n", None),
        ("", None),
    ],
    ids=["UPF-1", "UPF-1-one-letter", "UPF-2", "UPF-2-one-letter", "another-format", "empty"],
)
def test_the_element_of_a_pseudopotential_is_that_of_its_header(
    text: str, element: str | None, place: Path
) -> None:
    (place / "pseudos").mkdir()
    path = place / "pseudos" / "some.UPF"
    path.write_text(text)
    assert element_of(path) == element
    for species in ("Si", "Si1", "C", "Fe_up", "mine"):
        table = espresso_table({species: "some.UPF"})
        if element and species != "mine" and not species.startswith(element):
            with pytest.raises(
                InputError, match=f"{species}: pseudos/some.UPF is one of {element}"
            ):
                labeler_of(table).check()
        else:
            labeler_of(table).check()


def espresso_table(pseudopotentials: dict[str, str], **settings: Any) -> dict[str, Any]:
    return {
        "calculator": "espresso",
        "profile": {"command": "sh", "pseudo_dir": "pseudos"},
        "settings": {"pseudopotentials": pseudopotentials, **settings},
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"input_data": {"ecutwffc": 30}}, "input_data ecutwffc: did you mean ecutwfc"),
        ({"kspacng": 0.3}, "settings kspacng: did you mean kspacing"),
        ({"input_data": {"Hubbard_U(1)": 3}}, "give that, { system"),
    ],
    ids=["of-pw.x", "of-ASE", "in-no-namelist"],
)
def test_a_key_that_would_not_reach_pw_is_refused(settings: dict, words: str, place: Path) -> None:
    (place / "pseudos").mkdir()
    with pytest.raises(InputError, match=words.replace("{", r"\{")):
        labeler_of(espresso_table({}, **settings)).check()


@pytest.mark.parametrize(
    "settings",
    [
        {"input_data": {"ecutWFC": 30, "celldm(1)": 5.0, "starting_magnetization(1)": 0.5}},
        {"input_data": {"SYSTEM": {"new_key_of_pw": 1}, "rism": {}}, "kpts": [1, 1, 1]},
        {"ecutwfc": 30.0, "koffset": [0, 0, 0], "additional_cards": "HUBBARD"},
    ],
    ids=["any-case-and-indexes", "inside-of-namelists", "arguments"],
)
def test_a_key_that_reaches_pw_is_taken(settings: dict, place: Path) -> None:
    (place / "pseudos").mkdir()
    labeler_of(espresso_table({}, **settings)).check()


OWN = """
from ase.calculators.emt import EMT

class Own(EMT):
    default_parameters = {"asap_cutoff": False, "cutoff": 3.0}

    def __init__(self, cutof=None, **keywords):
        self.cutofff = keywords.pop("cutofff", None)
        EMT.__init__(self, **keywords)
"""


def test_keywords_that_a_calculator_takes_out_are_no_mistakes(place: Path) -> None:
    (place / "own.py").write_text(OWN)
    table = {"calculator": "own.py:Own", "settings": {"cutof": 1.0, "cutofff": 2.0, "mine": 3}}
    labeler_of(table).check()
    with pytest.raises(InputError, match="cutoof: did you mean cutoff"):
        labeler_of({"calculator": "own.py:Own", "settings": {"cutoof": 1.0}}).check()


@pytest.mark.parametrize("command", ["cd . && sh", "A=1 sh", "export A=1; sh"])
def test_a_command_may_be_one_of_the_shell(command: str) -> None:
    labeler_of({"calculator": "vasp", "settings": {"command": command}}).check()


# --- functions ---

FUNCTIONS = """
import os
import numpy as np
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

def results(atoms):
    atoms.calc = EMT()
    return {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(),
            "stress": atoms.get_stress()}

def changed(**changes):
    return lambda atoms: results(atoms) | {
        name: change(results(atoms)[name]) for name, change in changes.items()}

def single(atoms):
    atoms.calc = SinglePointCalculator(atoms, **results(atoms))
    return atoms

def relaxed(atoms):
    atoms.positions[0] += 0.01
    return single(atoms)

def fails(atoms):
    raise RuntimeError("no license")

def leaves(atoms):
    print("goodbye", flush=True)
    os._exit(0)

nothing = lambda atoms: None
empty = lambda atoms: {}
bare = lambda atoms: atoms
text = lambda atoms: "energy"
nan_energy = changed(energy=lambda _: np.nan)
no_energy = changed(energy=lambda _: None)
words = changed(energy=lambda _: "-3.5 eV")
huge_energy = changed(energy=lambda _: -1e30)
nan_force = changed(forces=lambda f: np.where(np.arange(3) == 1, np.nan, f))
infinite = changed(forces=lambda f: f * np.inf)
flat = changed(forces=lambda f: f.ravel())
too_few = changed(forces=lambda f: f[:-1])
huge_force = changed(forces=lambda f: f + [[1e3, 0, 0], [-1e3, 0, 0], [0, 0, 0], [0, 0, 0]])
pushed = changed(forces=lambda f: f + [0.5, 0, 0])
full_stress = changed(stress=lambda s: np.eye(3))
huge_stress = changed(stress=lambda s: s + 1e3)
"""


@pytest.fixture
def functions(place: Path) -> None:
    (place / "labels.py").write_text(FUNCTIONS)


@pytest.mark.parametrize("name", ["results", "single"])
@pytest.mark.usefixtures("functions")
def test_functions_return_results_or_atoms_with_them(name: str) -> None:
    assert label(copper(), {"function": f"labels.py:{name}"}).end == "done"
    atoms = copper()
    atoms.calc = EMT()
    check_results({"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(),
                   "stress": atoms.get_stress()})  # fmt: skip


NO_LABELS = {
    "fails": "RuntimeError: no license",
    "nothing": "returned no results",
    "empty": "returned no results",
    "bare": "returned no results",
    "text": "returned no results",
    "relaxed": "another structure",
    "nan_energy": "energy is not finite",
    "no_energy": "gave no energy",
    "words": "energy is not made of numbers",
    "huge_energy": "energy of -1e[+]30 eV cannot be",
    "nan_force": "forces is not finite",
    "infinite": "forces is not finite",
    "flat": "shape",
    "too_few": "shape",
    "huge_force": "more than max-force",
    "pushed": "do not add up to zero",
    "full_stress": "stress has shape",
    "huge_stress": "stress of .* cannot be",
}


@pytest.mark.parametrize("name", NO_LABELS)
@pytest.mark.usefixtures("functions")
def test_what_cannot_be_is_no_label(name: str) -> None:
    outcome = label(copper(), {"function": f"labels.py:{name}"})
    assert outcome.end == "failed"
    assert re.search(NO_LABELS[name], outcome.reason), outcome.reason
    assert not Path("labels/1", LABELED).exists()


@pytest.mark.usefixtures("functions")
def test_a_function_that_leaves_is_told_of_with_its_last_words() -> None:
    folder = prepare_label(Path("labels/1"), copper(), {"function": "labels.py:leaves"})
    outcome = tasks.run(str(folder.absolute()))
    assert outcome.end == "crashed"
    assert "goodbye" in outcome.reason


def test_larger_forces_may_be_allowed(functions: None) -> None:  # noqa: ARG001
    table = {"function": "labels.py:huge_force", "max-force": 2000.0}
    assert label(copper(), table).end == "done"


def test_a_file_of_functions_that_breaks_is_named(place: Path) -> None:
    (place / "labels.py").write_text("def label(atoms:\n")
    with pytest.raises(InputError, match=r"labels.py: SyntaxError"):
        labeler_of({"function": "labels.py:label"})


# --- programs, by stand-ins that write recorded output ---


def script(place: Path, lines: str) -> str:
    """Write a stand-in program; return the command, relative to the run."""
    path = place / "stand in"
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return "'./stand in'"


def espresso(place: Path, lines: str) -> dict[str, Any]:
    (place / "pseudos").mkdir(exist_ok=True)
    (place / "pseudos" / "Si.UPF").touch()
    profile = {"command": script(place, lines), "pseudo_dir": "pseudos"}
    return {
        "calculator": "espresso",
        "profile": profile,
        "settings": {"pseudopotentials": {"Si": "Si.UPF"}, "input_data": {"ecutwfc": 12.0}},
    }


def vasp(place: Path, lines: str) -> dict[str, Any]:
    for symbol in ("Si", "C"):
        folder = place / "potcars" / "potpaw_PBE" / symbol
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "POTCAR").write_text(f"  PAW_PBE {symbol}\n  4.0\n")
    return {"calculator": "vasp", "settings": {"command": script(place, lines), "xc": "pbe"}}


def gaussian(place: Path, lines: str) -> dict[str, Any]:
    return {
        "calculator": "gaussian",
        "settings": {"command": f"{script(place, lines)} > Gaussian.log"},
    }


ABINIT = """
.Version 9.10.1 of ABINIT
 -outvars: echo values of preprocessed input variables --------
            natom           {count}
           ntypat           1
            rprim    {cell}
            typat      {types}
            znucl       14.0
================================================================================
 At SCF step   10       vres2   =  1.00E-20 < tolvrs=  1.00E-18 =>converged.
{end}
 cartesian coordinates (angstrom) at end:
{positions}
 cartesian forces (eV/Angstrom) at end:
{forces}
 Cartesian components of stress tensor (hartree/bohr^3)
  sigma(1 1)=  {s[0]: .8E}  sigma(3 2)=  {s[3]: .8E}
  sigma(2 2)=  {s[1]: .8E}  sigma(3 1)=  {s[4]: .8E}
  sigma(3 3)=  {s[2]: .8E}  sigma(2 1)=  {s[5]: .8E}
--- !EnergyTerms
total_energy_eV     : {energy:.10E}
...
== END DATASET(S) ==
"""


def abinit_output(atoms: Atoms, end: str) -> str:
    results = atoms.calc.results
    return ABINIT.format(
        count=len(atoms),
        cell=" ".join(f"{value / Bohr:.10f}" for value in atoms.cell[:].ravel()),
        types=" ".join("1" for _ in atoms),
        positions="\n".join(f"{i} {x} {y} {z}" for i, (x, y, z) in enumerate(atoms.positions)),
        forces="\n".join(f"{i} {x} {y} {z}" for i, (x, y, z) in enumerate(results["forces"])),
        s=results["stress"] * Bohr**3 / Hartree,
        energy=results["energy"],
        end=end,
    )


def abinit(place: Path, lines: str) -> dict[str, Any]:
    (place / "pseudos").mkdir(exist_ok=True)
    (place / "pseudos" / "14si.pspnc").touch()
    profile = {"command": script(place, lines), "pp_paths": "pseudos"}
    return {"calculator": "abinit", "profile": profile, "settings": {"ecut": 300.0, "pps": "tm"}}


CP2K = """#!{python}
import sys
def say(*lines):
    print(*lines, "* READY", sep="\\n", flush=True)
say()
for line in sys.stdin:
    word = line.split()[0]
    if word == "VERSION":
        say("CP2K Shell Version: 6.0")
    elif word == "LOAD":
        open(line.split()[2], "w").write({output!r})
        say("1")
    elif word == "WRITE_FILE":
        while sys.stdin.readline().strip() != "*END":
            pass
        say()
    elif word == "SET_CELL":
        [sys.stdin.readline() for _ in range(3)]
        say()
    elif word == "SET_POS":
        while sys.stdin.readline().strip() != "*END":
            pass
        say("0.0")
    elif word == "GET_E":
        say({energy!r})
    elif word == "GET_F":
        say("{count}", *{forces!r}, "* END")
    elif word == "GET_STRESS":
        say({stress!r})
    elif word == "EXIT":
        break
    else:
        say()
"""


def test_cp2k(place: Path) -> None:
    atoms = silicon()
    check_cp2k(place, atoms, failed=-1)
    results = dict(atoms.calc.results)
    check_results(results)


def test_cp2k_that_does_not_converge_gives_no_label(place: Path) -> None:
    assert "did not converge" in check_cp2k(place, silicon(), failed=0).reason


def check_cp2k(place: Path, atoms: Atoms, failed: int) -> Outcome:
    """Label by a stand-in of the shell of CP2K; the recorded output lies beside its answers."""
    results = atoms.calc.results
    content = CP2K.format(
        python=sys.executable,
        output=outputs.cp2k([atoms], failed=failed),
        energy=repr(results["energy"]),
        count=3 * len(atoms),
        forces=[" ".join(map(repr, row)) for row in results["forces"].tolist()],
        stress=" ".join(map(repr, (-outputs.full(results["stress"])).ravel().tolist())),
    )
    path = place / "cp2k.sh"
    path.write_text(content)
    path.chmod(0o755)
    table = {"calculator": "cp2k", "settings": {"command": "./cp2k.sh"}}
    outcome = label(atoms, table)
    assert outcome.end == ("done" if failed < 0 else "failed"), outcome.reason
    return outcome


def record(place: Path, program: str, atoms: Atoms, failed: int = -1) -> dict[str, Any]:
    """Record the output of a structure; return the table whose stand-in writes it."""
    kept = place / "recorded"
    kept.mkdir(exist_ok=True)
    if program == "espresso":
        (kept / "out").write_text(outputs.espresso([atoms], failed=failed))
        return espresso(place, f"cat '{kept}/out'")
    if program == "vasp":
        order = np.array(sorted(range(len(atoms)), key=lambda i: atoms.symbols[i]))
        image = atoms[order]
        results = atoms.calc.results
        image.calc = SinglePointCalculator(
            image, **(results | {"forces": results["forces"][order]})
        )
        (kept / "OUTCAR").write_text(outputs.outcar([image], failed=failed))
        (kept / "vasprun.xml").write_text(outputs.vasprun([image], failed=failed))
        write(kept / "CONTCAR", image, format="vasp")
        return vasp(place, f"cp '{kept}'/* .")
    if program == "gaussian":
        (kept / "out").write_text(outputs.gaussian([atoms], failed=failed))
        return gaussian(place, f"cat '{kept}/out'")
    end = " iterations are completed or convergence reached"
    if failed == 0:
        end = " nstep=    3 was not enough scf cycles to converge;"
    (kept / "abinit.abo").write_text(abinit_output(atoms, end))
    (kept / "abinito_EIG").write_text(
        " Eigenvalues (hartree) for nkpt=   1  k points:\n"
        " kpt#   1, nband=  1, wtk=  1.00000, kpt=  0.0000  0.0000  0.0000 (reduced coord)\n"
        "   -5.00000\n"
    )
    return abinit(place, f"cp '{kept}'/* .")


PROGRAMS = ["espresso", "vasp", "gaussian", "abinit"]


@pytest.fixture(autouse=True)
def potcars(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VASP_PP_PATH", str(place / "potcars"))


def structure(program: str) -> Atoms:
    return water() if program == "gaussian" else silicon()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_converges_gives_its_label(program: str, place: Path) -> None:
    atoms = structure(program)
    table = record(place, program, atoms)
    labeler_of(table).check()
    outcome = label(atoms, table)
    assert outcome.end == "done", outcome.reason
    check_results(atoms.calc.results, 2e-4)


def test_vasp_sorts_atoms_and_their_forces_come_back_in_order(place: Path) -> None:
    atoms = silicon()
    atoms.symbols[[0, 3, 4]] = "C"
    atoms = with_results(atoms, np.random.default_rng(4))
    assert label(atoms, record(place, "vasp", atoms)).end == "done"
    check_results(atoms.calc.results, 2e-4)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_does_not_converge_gives_no_label(program: str, place: Path) -> None:
    atoms = structure(program)
    outcome = label(atoms, record(place, program, atoms, failed=0))
    assert outcome.end == "failed"
    assert "converge" in outcome.reason.lower()


@pytest.mark.parametrize("lines", ["exit 1", "exit 0", "kill -9 $$", "head -c 5000 /dev/zero",
    "echo nonsense; echo 'Program PWSCF'; echo Entering Gaussian System; echo vasp.6 > OUTCAR",
])  # fmt: skip
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_crashes_or_prints_garbage_gives_no_label(
    program: str, lines: str, place: Path
) -> None:
    table = {"espresso": espresso, "vasp": vasp, "gaussian": gaussian, "abinit": abinit}[program]
    outcome = label(structure(program), table(place, lines))
    assert outcome.end == "failed"
    assert outcome.reason


FRAME = "%" * 78
SAID = f"""
 {FRAME}
     Error in routine  system_checkin (1):
      ecutwfc out of range
 {FRAME}

     stopping ...
"""


@pytest.mark.parametrize("where", ["espresso.pwo", "CRASH"])
def test_the_error_of_pw_is_shown(where: str, place: Path) -> None:
    (place / "said").write_text(f"     Program PWSCF v.7.2\n{SAID}")
    table = espresso(place, f"cat '{place}/said' > {where}; echo MPI_ABORT >&2; exit 1")
    outcome = label(silicon(), table)
    first = outcome.reason.splitlines()[0]
    assert f"{where}: Error in routine system_checkin (1): ecutwfc out of range" in first


def test_the_end_of_the_largest_output_is_shown_with_what_was_written_as_errors(
    place: Path,
) -> None:
    lines = "seq 1 3000 > a.log; echo short > b.out; echo 'no license' > c.err; exit 3"
    outcome = label(water(), gaussian(place, lines))
    assert "a.log ends with: 2998 2999 3000; c.err ends with: no license" in outcome.reason


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_output_that_is_cut_short_gives_no_label(program: str, place: Path) -> None:
    atoms = structure(program)
    table = record(place, program, atoms)
    for path in (place / "recorded").iterdir():
        content = path.read_text()
        path.write_text(content[: len(content) // 2])
    assert label(atoms, table).end == "failed"


@pytest.mark.parametrize("program", ["espresso", "vasp", "gaussian"])
def test_the_output_of_another_structure_gives_no_label(program: str, place: Path) -> None:
    atoms = structure(program)
    table = record(place, program, atoms)
    atoms.positions[0] += 0.1
    outcome = label(atoms, table)
    assert outcome.end == "failed"
    assert "another structure" in outcome.reason


# --- exchange ---

ENDS = {"out": "   JOB DONE.\n", "OUTCAR": " General timing and accounting\n", "vasprun.xml": ""}


def come_back(place: Path, job: Path) -> None:
    """Copy the recorded output into a job, with the last words of its program."""
    for path in (place / "recorded").iterdir():
        (job / path.name).write_text(path.read_text() + ENDS.get(path.name, ""))


def job_of(outcome: Outcome) -> Path:
    assert outcome.end == "waiting", outcome.reason
    return Path(outcome.reason)


@pytest.mark.parametrize(
    ("program", "inputs"),
    [("espresso", {"espresso.pwi"}), ("vasp", {"INCAR", "POSCAR", "POTCAR", "KPOINTS"})],
)
def test_inputs_are_written_and_outputs_collected(
    program: str, inputs: set[str], place: Path
) -> None:
    atoms = silicon()
    atoms.symbols[[0, 3]] = "C" if program == "vasp" else "Si"
    atoms = with_results(atoms, np.random.default_rng(4))
    table = record(place, program, atoms) | {"exchange": "jobs"}
    labeler_of(table).check()
    job = job_of(label(atoms, table))
    assert {path.name for path in job.iterdir()} >= {*inputs, STRUCTURE}
    assert job_of(label(atoms, table)) == job
    come_back(place, job)
    assert label(atoms, table).end == "done"
    check_results(atoms.calc.results, 2e-4)


def test_a_structure_alone_is_labeled_by_a_file_beside_it() -> None:
    atoms = silicon()
    job = job_of(label(atoms, {"exchange": "jobs"}))
    given = read(job / STRUCTURE)
    np.testing.assert_allclose(given.positions, atoms.positions, atol=1e-7)
    write(job / LABELED, atoms, format="extxyz")
    assert label(atoms, {"exchange": "jobs"}).end == "done"
    check_results(atoms.calc.results)


@pytest.mark.parametrize("program", ["espresso", "vasp"])
def test_an_output_that_is_still_written_is_waited_for(program: str, place: Path) -> None:
    atoms = silicon()
    table = record(place, program, atoms) | {"exchange": "jobs"}
    job = job_of(label(atoms, table))
    name = {"espresso": "out", "vasp": "OUTCAR"}[program]
    content = (place / "recorded" / name).read_text()
    for share in (0.1, 0.5, 0.8, 1.0):
        (job / name).write_text(content[: int(share * len(content))])
        assert label(atoms, table).end == "waiting", share


def test_an_output_of_another_structure_is_refused(place: Path) -> None:
    atoms = silicon()
    table = record(place, "espresso", atoms) | {"exchange": "jobs"}
    atoms.positions[0] += 0.1
    job = job_of(label(atoms, table))
    come_back(place, job)
    outcome = label(atoms, table)
    assert outcome.end == "failed"
    assert str(job) in outcome.reason
    assert "another structure" in outcome.reason


def test_without_convergence_other_settings_have_inputs_of_their_own(place: Path) -> None:
    atoms = silicon()
    table = record(place, "espresso", atoms, failed=0) | {"exchange": "jobs"}
    job = job_of(label(atoms, table))
    come_back(place, job)
    assert "did not converge" in label(atoms, table).reason
    changed = table | {"settings": table["settings"] | {"input_data": {"mixing_beta": 0.1}}}
    again = job_of(label(atoms, changed, Path("labels/2")))
    assert again != job
    assert "mixing_beta" in (again / "espresso.pwi").read_text()


SORTED = """
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

def label(atoms):
    atoms = atoms[[3, 1, 0, 2]]
    atoms.calc = EMT()
    atoms.calc = SinglePointCalculator(
        atoms, energy=atoms.get_potential_energy(), forces=atoms.get_forces()
    )
    return atoms

def turned(atoms):
    atoms.rotate(90, "z")
    return label(atoms[[2, 1, 3, 0]])
"""


def test_forces_follow_the_order_of_the_atoms_that_were_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sorts.py").write_text(SORTED)
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.2, seed=1)
    labeled = labeler_of({"function": "sorts.py:label"}).label(atoms, tmp_path)
    atoms.calc = EMT()
    np.testing.assert_allclose(labeled.get_forces(), atoms.get_forces(), atol=1e-10)


def test_a_turned_molecule_is_another_structure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sorts.py").write_text(SORTED)
    atoms = Atoms("Cu4", [[0, 0, 0], [2.3, 0.1, 0], [0, 2.5, 0.2], [0.3, 0.2, 2.4]])
    with pytest.raises(LabelError, match="another structure"):
        labeler_of({"function": "sorts.py:turned"}).label(atoms, tmp_path)


def test_jobs_of_other_pseudopotentials_or_tries_are_others(place: Path) -> None:
    atoms = silicon()
    table = record(place, "espresso", atoms) | {"exchange": "jobs"}
    settings = table["settings"]
    variants = [
        table,
        table | {"settings": settings | {"pseudopotentials": {"Si": "other.UPF"}}},
        table | {"attempt": 2},
        table | {"attempt": 3},
    ]
    jobs = {job_of(label(atoms, each, Path(f"labels/{k}"))) for k, each in enumerate(variants)}
    assert len(jobs) == len(variants)


def test_runs_share_jobs_only_if_it_is_known_how_they_are_calculated(place: Path) -> None:
    atoms = silicon()
    known = record(place, "espresso", atoms) | {"exchange": "jobs"}
    for table, count in ((known, 1), ({"exchange": "jobs"}, 2)):
        folders = [Path(run, "labels/000001/1") for run in ("lda", "pbe")]
        assert len({job_of(label(atoms, table, folder)) for folder in folders}) == count
        for folder in folders:
            (folder / tasks.TASK).unlink()


@pytest.mark.parametrize(
    ("content", "reason"), [("out of memory", "out of memory"), ("", "failed")]
)
def test_a_job_that_failed_is_not_waited_for(content: str, reason: str) -> None:
    job = job_of(label(silicon(), {"exchange": "jobs"}))
    (job / "failed").write_text(content)
    outcome = label(silicon(), {"exchange": "jobs"})
    assert outcome.end == "failed"
    assert str(job) in outcome.reason
    assert reason in outcome.reason


SMEARED = """
import numpy as np

def label(atoms):
    return {"energy": -1.0, "free_energy": -1.5, "forces": np.zeros((len(atoms), 3))}
"""


def test_the_energy_of_smeared_electrons_is_that_which_forces_belong_to(place: Path) -> None:
    (place / "smeared.py").write_text(SMEARED)
    assert label(copper(), {"function": "smeared.py:label"}).end == "done"
    assert results_of()["energy"] == -1.5


def test_files_among_the_settings_of_a_class_are_relative_to_the_run(place: Path) -> None:
    shutil.copy(potential_path("silicon"), place / "stand_in.mtp")
    table = {"calculator": "mtpot:MTPCalculator", "settings": {"potential": "stand_in.mtp"}}
    labeler_of(table).check()
    atoms = bulk("Si")
    assert label(atoms, table).end == "done"
    atoms.calc = MTPCalculator("stand_in.mtp")
    assert results_of()["energy"] == pytest.approx(atoms.get_potential_energy())


# --- orbital-free DFT, for real ---

DFTPY = {
    "calculator": "dftpy",
    "settings": {
        "config": {
            "GRID": {"spacing": 0.3},
            "KEDF": {"kedf": "WT"},
            "PP": {"Al": "al.recpot"},
            "OPT": {"econv": 1e-7},
        }
    },
}


def write_empty_core(path: Path, charge: int = 3, radius: float = 1.115) -> None:
    """Write the local pseudopotential of an empty core (Ashcroft 1966), cut off smoothly."""
    count, largest = 3000, 60.0  # 1/angstrom
    wave = np.linspace(0.0, largest, count) * units.Bohr
    values = np.full(count, 2.0 * np.pi * charge * radius**2)
    values[1:] = -4.0 * np.pi * charge / wave[1:] ** 2 * np.cos(radius * wave[1:])
    values *= np.exp(-((wave / 8.0) ** 6)) * units.Hartree * units.Bohr**3
    rows = "\n".join(" ".join(f"{each:.15e}" for each in row) for row in values.reshape(-1, 3))
    path.write_text(f"START COMMENT\nempty core\nEND COMMENT\n3 5\n{largest}\n{rows}\n1000\n")


def aluminum() -> Atoms:
    atoms = bulk("Al", cubic=True)
    atoms.rattle(0.1, seed=0)
    return atoms


def test_forces_and_stresses_of_dftpy_are_derivatives_of_its_energies(place: Path) -> None:
    pytest.importorskip("dftpy")
    write_empty_core(place / "al.recpot")
    labeler_of(DFTPY).check()
    energies = []
    for step in (-0.01, 0.01):
        atoms = aluminum()
        atoms.positions[1, 2] += step
        folder = Path(f"labels/{step}")
        assert label(atoms, DFTPY, folder).end == "done"
        energies.append(results_of(folder)["energy"])
    assert label(aluminum(), DFTPY).end == "done"
    results = results_of()
    assert results["forces"][1, 2] == pytest.approx(-np.diff(energies)[0] / 0.02, rel=0.02)
    assert results["stress"].shape == (6,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"GIRD": {"spacing": 0.3}}, "did you mean GRID"),
        ({"GRID": {"spaceing": 0.3}}, "did you mean spacing"),
        ({"PP": {"Al": "none.recpot"}}, "none.recpot: no such file"),
        ({"GRID": {"spacing": "wide"}}, "wide"),
    ],
    ids=["section", "key", "file", "value"],
)
def test_settings_of_dftpy_that_it_would_pass_over_are_refused(
    change: dict[str, Any], words: str, place: Path
) -> None:
    pytest.importorskip("dftpy")
    write_empty_core(place / "al.recpot")
    settings = {"config": DFTPY["settings"]["config"] | change}
    with pytest.raises(InputError, match=words):
        labeler_of(DFTPY | {"settings": settings}).check()


def test_dftpy_that_does_not_converge_gives_no_label(place: Path) -> None:
    """In a process of its own, whose log has its words."""
    pytest.importorskip("dftpy")
    write_empty_core(place / "al.recpot")
    config = DFTPY["settings"]["config"] | {"OPT": {"maxiter": 3}}
    folder = prepare_label(Path("labels/1"), aluminum(), DFTPY | {"settings": {"config": config}})
    outcome = tasks.run(str(folder), None, 1)
    assert outcome.end == "failed"
    assert "not converged" in outcome.reason


# --- the real program ---

PSEUDOS = Path("/usr/share/espresso/pseudo")


@pytest.mark.skipif(
    shutil.which("pw.x") is None or not (PSEUDOS / "Si.pz-vbc.UPF").exists(),
    reason="Quantum ESPRESSO is not installed",
)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ecutwfc": -1.0}, "Error in routine system_checkin (1): ecutwfc out of range"),
        ({"electron_maxstep": 2}, "espresso.pwo: the electrons did not converge"),
        ({"tprnfor": False}, "forces not present in this calculation: the settings have to ask"),
    ],
    ids=["refused-by-the-program", "not-converged", "without-forces"],
)
def test_why_quantum_espresso_gives_no_label(changes: dict, words: str) -> None:
    data = {"tprnfor": True, "tstress": True, "ecutwfc": 12.0} | changes
    table = {
        "calculator": "espresso",
        "profile": {"command": "pw.x", "pseudo_dir": str(PSEUDOS)},
        "settings": {"pseudopotentials": {"Si": "Si.pz-vbc.UPF"}, "input_data": data},
    }
    outcome = label(bulk("Si"), table)
    assert outcome.end == "failed"
    assert words in outcome.reason
