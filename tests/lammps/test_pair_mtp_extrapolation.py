"""Pair style mtp/extrapolation: grades in LAMMPS are those of the calculator, wherever read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ase.io
import numpy as np
import pytest
from driver import REPORT, header, launch, observe, read_dump, restricted, skewed, with_active_set
from models import Case, crystal

from mtpot import MTPCalculator
from mtpot.data import read_atoms

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms
    from driver import Outcome

CASE = Case("RBChebyshev", 8, 2)
ELEMENTS = ("Si", "Al")
COEFF = "pair_coeff * * Si Al\n"
TOLERANCE = 1e-8
MAXIMUM = 'print "largest = $(c_largest[1]:%.17g)"\n'
GRADES = """
compute largest all pair mtp/extrapolation
fix grades all pair 1 mtp/extrapolation extrapolation 1
dump 2 all custom 1 graded id f_grades
dump_modify 2 sort id format float %.17g
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Potentials of both modes."""
    folder = tmp_path_factory.mktemp("potentials")
    for mode in ("nbh", "cfg"):
        with_active_set(CASE.potential(), mode, 10).save(folder / f"{mode}.almtp")
    return folder


@pytest.fixture(scope="module")
def atoms() -> Atoms:
    """A skewed crystal with grades well above 1."""
    return skewed("Si3Al5", seed=3)


def expected(path: Path, atoms: Atoms) -> dict:
    """Results of the calculator."""
    calculator = MTPCalculator(path, threads=1)
    calculator.calculate(atoms)
    return calculator.results


def graded(outcome: Outcome, folder: Path) -> np.ndarray:
    """The grades of the second dump's last frame."""
    assert outcome.code == 0, outcome.text
    body = (folder / "graded").read_text().rpartition("ITEM: ATOMS id f_grades")[2]
    return np.array([line.split() for line in body.split("\n") if line], float)[:, 1]


def style(path: Path, options: str = "") -> str:
    """The commands with a potential file."""
    return f'pair_style mtp/extrapolation "{path}" {options}\n{COEFF}'


@pytest.mark.parametrize(
    ("ranks", "threads", "grid"),
    [(1, 1, "* * *"), (1, 2, "* * *"), (2, 1, "1 2 1"), (4, 1, "4 1 1")],
)
def test_grades_of_sites(tmp_path, folder, atoms, ranks, threads, grid):
    path = folder / "nbh.almtp"
    outcome = observe(
        tmp_path,
        atoms,
        ELEMENTS,
        style(path, f"threads {threads}"),
        before=f"processors {grid}",
        commands=GRADES + "run 0\n" + MAXIMUM,
        ranks=ranks,
    )
    results = expected(path, atoms)
    assert results["grade"] > 1.5
    np.testing.assert_allclose(graded(outcome, tmp_path), results["grades"], rtol=TOLERANCE)
    assert outcome.value("largest") == pytest.approx(results["grade"], rel=TOLERANCE)
    assert outcome.value("energy") == pytest.approx(results["energy"], abs=1e-10)
    np.testing.assert_allclose(outcome.forces, results["forces"], atol=1e-10)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_grade_of_the_structure(tmp_path, folder, atoms, ranks):
    path = folder / "cfg.almtp"
    commands = "compute largest all pair mtp/extrapolation\nrun 0\n" + MAXIMUM
    outcome = observe(tmp_path, atoms, ELEMENTS, style(path), commands=commands, ranks=ranks)
    results = expected(path, atoms)
    assert outcome.value("largest") == pytest.approx(results["grade"], rel=TOLERANCE)
    np.testing.assert_allclose(outcome.forces, results["forces"], atol=1e-10)


@pytest.mark.parametrize("mode", ["nbh", "cfg"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_steps_without_grades_are_in_mixed_precision(tmp_path, folder, atoms, mode, ranks):
    """Of four steps the first and the last have grades, as a dump stands there."""
    graded, ungraded = {}, {}
    for precision in ("double", "mixed"):
        script = header(tmp_path, atoms, ELEMENTS)
        script += style(folder / f"{mode}.almtp", f"precision {precision}")
        script += f"""
fix 1 all nve
fix third all store/state 3 fx fy fz
dump 1 all custom 4 {precision}.* id fx fy fz f_third[1] f_third[2] f_third[3]
dump_modify 1 format float %.17g
thermo 4
run 4
"""
        outcome = launch(tmp_path, script, ranks)
        assert outcome.code == 0, outcome.text
        first, last = (read_dump(tmp_path / f"{precision}.{step}") for step in (0, 4))
        graded[precision] = np.array([first[f"f{axis}"] for axis in "xyz"])
        ungraded[precision] = np.array([last[f"f_third[{axis}]"] for axis in (1, 2, 3)])
    scale = np.abs(graded["double"]).max()
    assert np.abs(graded["mixed"] - graded["double"]).max() <= 1e-12 * scale
    assert 1e-10 * scale < np.abs(ungraded["mixed"] - ungraded["double"]).max() <= 1e-5 * scale


def test_configuration_mode_has_no_grades_of_sites(tmp_path, folder, atoms):
    script = header(tmp_path, atoms, ELEMENTS) + style(folder / "cfg.almtp") + GRADES + "run 0\n"
    outcome = launch(tmp_path, script)
    assert outcome.code != 0
    assert "cannot extract property extrapolation" in outcome.text


def test_ranks_without_atoms(tmp_path, silicon):
    atoms = restricted(crystal("Si4", seed=2))
    atoms.pbc = False
    atoms.positions += 5
    atoms.cell = [100.0, 100.0, 100.0]
    commands = GRADES + "run 0\n" + MAXIMUM
    elements = f"pair_style mtp/extrapolation {silicon}\npair_coeff * * Si\n"
    outcome = observe(
        tmp_path, atoms, ("Si",), elements, before="processors 4 1 1", commands=commands, ranks=4
    )
    results = expected(silicon, atoms)
    np.testing.assert_allclose(graded(outcome, tmp_path), results["grades"], rtol=1e-6)
    assert outcome.value("largest") == pytest.approx(results["grade"], rel=1e-6)


def test_grades_follow_the_motion(tmp_path, folder, atoms):
    """After atoms have moved between two ranks, in the last step."""
    path = folder / "nbh.almtp"
    commands = GRADES + "velocity all create 4000 3\nfix 1 all nve\nrun 40\n" + MAXIMUM
    outcome = observe(tmp_path, atoms, ELEMENTS, style(path), commands=commands, ranks=2)
    moved = atoms.copy()
    moved.positions = outcome.positions
    results = expected(path, moved)
    np.testing.assert_allclose(graded(outcome, tmp_path), results["grades"], rtol=1e-7)
    assert outcome.value("largest") == pytest.approx(results["grade"], rel=1e-7)


@pytest.mark.parametrize("every", ["", "every 3", "output x.xyz select 1e12"], ids=str)
@pytest.mark.parametrize("flag", [0, 1])
def test_what_fix_pair_reads_is_never_stale(tmp_path, folder, atoms, every, flag):
    """Whatever the style computes by itself, and whether the fix asks in time."""
    script = header(tmp_path, atoms, ELEMENTS) + style(folder / "nbh.almtp", every)
    script += "thermo 100\nfix 1 all nve\nvelocity all create 3000 1\n"
    script += f"fix grades all pair 2 mtp/extrapolation extrapolation {flag}\n"
    script += "dump 1 all custom 2 dump id x y z f_grades\n"
    outcome = launch(tmp_path, script + "dump_modify 1 format float %.17g\nrun 5\n")
    assert outcome.code == 0, outcome.text
    moved = atoms.copy()
    moved.positions = outcome.positions
    assert np.abs(moved.positions - atoms.positions).max() > 1e-3
    results = expected(folder / "nbh.almtp", moved)
    np.testing.assert_allclose(outcome.dump["f_grades"], results["grades"], rtol=1e-7)


SELECT = "fix 1 all nve\nrun 1\nrun 1\n" + REPORT  # step 1 is computed twice


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", ["out put.xyz", "frames.cfg"])
@pytest.mark.parametrize("mode", ["nbh", "cfg"])
def test_frames_above_the_threshold_are_written(tmp_path, folder, atoms, mode, name, ranks):
    """In every step of three, with what the calculator finds for them."""
    path = folder / f"{mode}.almtp"
    options = f'output "{name}" select 0.01'
    observe(tmp_path, atoms, ELEMENTS, style(path, options), commands=SELECT, ranks=ranks)
    frames = [each for each, _ in read_atoms(tmp_path / name, ELEMENTS)]
    assert len(frames) == 3
    first = frames[0].copy()
    first.wrap()
    np.testing.assert_allclose(first.positions, atoms.positions, atol=1e-8)
    for written in frames:
        results = expected(path, written)
        assert (written.symbols == atoms.symbols).all()
        np.testing.assert_allclose(written.cell.array, atoms.cell.array, atol=1e-8)
        scaled = written.get_scaled_positions(wrap=False)
        assert (scaled > -1e-9).all()
        assert (scaled < 1 + 1e-9).all()
        assert written.get_potential_energy() == pytest.approx(results["energy"], abs=1e-6)
        np.testing.assert_allclose(written.get_forces(), results["forces"], atol=1e-6)
        assert float(written.info.get("grade", written.info.get("MV_grade"))) == pytest.approx(
            results["grade"], rel=1e-4
        )
        if mode == "nbh":
            np.testing.assert_allclose(
                written.arrays["grades" if name != "frames.cfg" else "nbh_grades"],
                results["grades"],
                rtol=1e-4,
            )


def test_extxyz_is_read_by_ase(tmp_path, folder, atoms):
    atoms = atoms.copy()
    atoms.pbc = [True, False, True]
    observe(
        tmp_path,
        atoms,
        ELEMENTS,
        style(folder / "nbh.almtp", "output x.xyz select 0.01"),
        commands="run 0",
    )
    written = ase.io.read(tmp_path / "x.xyz")
    assert written.pbc.tolist() == [True, False, True]
    assert written.info["step"] == 0
    assert written.get_chemical_symbols() == atoms.get_chemical_symbols()
    np.testing.assert_allclose(written.arrays["grades"].max(), written.info["grade"])


def test_structures_of_one_step_are_all_written(tmp_path, folder, atoms):
    commands = "displace_atoms all random 0.05 0.05 0.05 {}\nrun 0\n"
    observe(
        tmp_path,
        atoms,
        ELEMENTS,
        style(folder / "nbh.almtp", "output x.xyz select 0.01"),
        commands="".join(commands.format(seed) for seed in (1, 2, 3)),
    )
    assert len(ase.io.read(tmp_path / "x.xyz", ":")) == 3


def test_two_dimensions_are_not_periodic_in_the_third(tmp_path, silicon):
    script = f"""
units metal
dimension 2
lattice hex 3.5
region box block 0 3 0 2 -0.25 0.25
create_box 1 box
create_atoms 1 box
mass 1 28.085
pair_style mtp/extrapolation {silicon} output x.xyz select 0.01
pair_coeff * * Si
run 0
print "energy = $(pe:%.17g)"
"""
    outcome = launch(tmp_path, script)
    assert outcome.code == 0, outcome.text
    written = ase.io.read(tmp_path / "x.xyz")
    assert written.pbc.tolist() == [True, True, False]
    assert expected(silicon, written)["energy"] == pytest.approx(outcome.value("energy"), abs=1e-5)


def test_frames_are_appended(tmp_path, folder, atoms):
    (tmp_path / "x.cfg").write_text("BEGIN_CFG\n Size\n  0\nEND_CFG\n\n")
    for _ in range(2):
        observe(
            tmp_path,
            atoms,
            ELEMENTS,
            style(folder / "nbh.almtp", "output x.cfg"),
            commands="run 0",
        )
    text = (tmp_path / "x.cfg").read_text()
    assert text.startswith("BEGIN_CFG\n Size\n  0\n")
    assert expected(folder / "nbh.almtp", atoms)["grade"] > 2  # the threshold unless one is given
    assert text.count("BEGIN_CFG") == 3


def test_nothing_is_written_below_the_threshold(tmp_path, folder, atoms):
    path = folder / "nbh.almtp"
    options = "output x.cfg select 1e12 break 1e13"
    observe(tmp_path, atoms, ELEMENTS, style(path, options), commands=SELECT)
    assert not (tmp_path / "x.cfg").exists()


@pytest.mark.parametrize("ranks", [1, 2])
def test_break_stops_after_the_frame_is_written(tmp_path, folder, atoms, ranks):
    script = header(tmp_path, atoms, ELEMENTS)
    script += style(folder / "nbh.almtp", "x.cfg 0.01 0.02")  # the order of MLIP-3
    outcome = launch(tmp_path, script + "run 3\n", ranks)
    assert outcome.code != 0
    assert "exceeds the break threshold 0.02" in outcome.text
    assert "in step 0" in outcome.text
    assert (tmp_path / "x.cfg").read_text().count("END_CFG") == 1


def test_fix_halt_reads_the_largest_grade(tmp_path, folder, atoms):
    commands = (
        "compute largest all pair mtp/extrapolation\nvariable largest equal c_largest[1]\n"
        "fix 1 all nve\nfix 2 all halt 1 v_largest > 0.01 error continue\nrun 100\n"
        'print "last = $(step)"\n'
    )
    outcome = observe(tmp_path, atoms, ELEMENTS, style(folder / "nbh.almtp"), commands=commands)
    assert outcome.value("last") <= 1


def test_hybrid_overlay(tmp_path, folder, atoms):
    """Frames hold the forces of the potential alone, not those of the styles before it."""
    path = folder / "nbh.almtp"
    commands = (
        f"pair_style hybrid/overlay zbl 3 4 mtp/extrapolation {path} output x.xyz select 0.01\n"
        "pair_coeff * * mtp/extrapolation Si Al\npair_coeff 1 1 zbl 14 14\n"
        "pair_coeff 1 2 zbl 14 13\npair_coeff 2 2 zbl 13 13\n"
    )
    outcome = observe(tmp_path, atoms, ELEMENTS, commands, commands=GRADES + "run 0\n" + MAXIMUM)
    results = expected(path, atoms)
    np.testing.assert_allclose(graded(outcome, tmp_path), results["grades"], rtol=TOLERANCE)
    written = ase.io.read(tmp_path / "x.xyz")
    np.testing.assert_allclose(written.get_forces(), results["forces"], atol=1e-6)
    assert np.abs(outcome.forces - results["forces"]).max() > 0.1


def test_types_without_an_element_cannot_be_written(tmp_path, folder):
    atoms = skewed("Si3Al3H3", seed=5)
    script = header(tmp_path, atoms, (*ELEMENTS, "H")) + (
        f"pair_style hybrid mtp/extrapolation {folder / 'nbh.almtp'} output x.xyz zero 5.0\n"
        "pair_coeff * * mtp/extrapolation Si Al NULL\npair_coeff 1*3 3 zero\nrun 0\n"
    )
    outcome = launch(tmp_path, script)
    assert outcome.code != 0
    assert "only if every atom type has an element" in outcome.text
