"""Pair style mtp: the same numbers as the ASE calculator, however LAMMPS is run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from driver import OBSERVE, REPORT, header, launch, observe, skewed
from models import CORE_CASE, CUTOFF, Case, cluster, random_parameters

from mtpot import MTP, MTPCalculator, _core
from mtpot.lammps import start

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms
    from driver import Outcome

CASE = Case("RBChebyshev", 10, 2)
ELEMENTS = ("Si", "Al")
COEFF = "pair_coeff * * Si Al\n"
ROUNDING = 5e-13
ACROSS_RANKS = 1e-10
MIXED = 1e-5
CUT = "processors * 1 1\ncomm_modify cutoff 8.0"  # between ranks, through the cluster


@pytest.fixture(scope="module")
def potential() -> MTP:
    """Two species, random parameters."""
    return CASE.potential()


@pytest.fixture
def style(potential: MTP, tmp_path: Path) -> str:
    """The commands for both elements."""
    potential.save(tmp_path / "alloy.mtp")
    return "pair_style mtp alloy.mtp\n" + COEFF


@pytest.fixture(scope="module")
def atoms() -> Atoms:
    """A skewed cell, smaller than twice the cutoff."""
    return skewed("Si3Al5", seed=3)


def assert_equal(value: np.ndarray, target: np.ndarray, tolerance: float) -> None:
    """Equal within a tolerance of the largest number."""
    scale = max(1.0, float(np.abs(target).max(initial=0.0)))
    np.testing.assert_allclose(value, target, rtol=0, atol=tolerance * scale)


def assert_agrees(outcome: Outcome, potential: MTP, atoms: Atoms, tolerance: float) -> None:
    """Energy, site energies, forces and stress are those of the calculator."""
    calculator = MTPCalculator(potential, threads=1)
    calculator.calculate(atoms)
    results = calculator.results
    assert_equal(outcome.value("energy"), results["energy"], tolerance)
    assert_equal(outcome.dump["c_energy"], results["energies"], tolerance)
    assert_equal(outcome.forces, results["forces"], tolerance)
    if atoms.pbc.all():
        # LAMMPS' own factor between eV/angstrom^3 and bar is 1.6021765e6.
        stress = outcome.stress * 1.602176634 / 1.6021765
        assert_equal(stress, results["stress"], max(tolerance, 1e-10))


def test_one_rank(tmp_path, potential, style, atoms):
    assert_agrees(observe(tmp_path, atoms, ELEMENTS, style), potential, atoms, ROUNDING)


@pytest.mark.parametrize(
    ("ranks", "grid"), [(2, "2 1 1"), (2, "1 1 2"), (3, "1 3 1"), (4, "2 1 2"), (4, "1 4 1")]
)
def test_many_ranks(tmp_path, potential, style, atoms, ranks, grid):
    outcome = observe(tmp_path, atoms, ELEMENTS, style, before=f"processors {grid}", ranks=ranks)
    assert_agrees(outcome, potential, atoms, ACROSS_RANKS)


def test_ranks_of_any_shape(tmp_path, potential, style, atoms):
    outcome = observe(
        tmp_path,
        atoms * (2, 2, 2),
        ELEMENTS,
        style,
        before="comm_style tiled",
        commands="run 0\nbalance 1.0 rcb\nrun 0",
        ranks=4,
    )
    assert_agrees(outcome, potential, atoms * (2, 2, 2), ACROSS_RANKS)


@pytest.mark.parametrize("periodic", [(1, 0, 1), (0, 0, 1), (0, 0, 0)], ids=str)
def test_mixed_periodicity(tmp_path, potential, style, periodic):
    atoms = skewed("Si3Al5", seed=4)
    atoms.cell = np.diag(atoms.cell.lengths() + 1.0)
    atoms.pbc = periodic
    atoms.wrap()
    assert_agrees(observe(tmp_path, atoms, ELEMENTS, style), potential, atoms, ROUNDING)


@pytest.mark.parametrize("grid", ["4 1 1", "1 2 2"])
def test_ranks_without_atoms(tmp_path, potential, style, grid):
    atoms = cluster("Si2Al3", seed=1)
    atoms.positions += 1.0
    atoms.cell = [80.0, 80.0, 80.0]
    outcome = observe(tmp_path, atoms, ELEMENTS, style, before=f"processors {grid}", ranks=4)
    assert_agrees(outcome, potential, atoms, ACROSS_RANKS)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads(tmp_path, potential, style, atoms, threads):
    style = style.replace("alloy.mtp", f"alloy.mtp threads {threads}")
    assert_agrees(observe(tmp_path, atoms, ELEMENTS, style), potential, atoms, ROUNDING)


@pytest.mark.parametrize("options", ["precision mixed", "threads 2 precision mixed"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_mixed_precision(tmp_path, potential, style, atoms, options, ranks):
    style = style.replace("alloy.mtp", f"alloy.mtp {options}")
    outcome = observe(tmp_path, atoms, ELEMENTS, style, ranks=ranks)
    assert_agrees(outcome, potential, atoms, MIXED)
    calculator = MTPCalculator(potential, precision="mixed", threads=1)
    calculator.calculate(atoms)
    assert_equal(outcome.forces, calculator.results["forces"], 1e-6)
    calculator = MTPCalculator(potential, threads=1)
    calculator.calculate(atoms)
    assert np.abs(outcome.forces - calculator.results["forces"]).max() > ACROSS_RANKS


def test_a_new_style_is_in_double_precision_again(tmp_path, potential, style, atoms):
    mixed = style.replace("alloy.mtp", "alloy.mtp precision mixed")
    outcome = observe(tmp_path, atoms, ELEMENTS, mixed + "run 0\n" + style)
    assert_agrees(outcome, potential, atoms, ROUNDING)


def test_the_precision_of_a_file_in_pair_coeff(tmp_path, style, atoms):
    coeff = "pair_coeff * * alloy.mtp Si Al\n"
    found = [
        observe(tmp_path, atoms, ELEMENTS, each).forces
        for each in (
            "pair_style mtp precision mixed\n" + coeff,
            style.replace("alloy.mtp", "alloy.mtp precision mixed"),
        )
    ]
    assert_equal(found[0], found[1], ROUNDING)


@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_energy_is_conserved(tmp_path, silicon, precision):
    """Over 2 ps of a hot crystal: noise of single precision does not add up to a drift."""
    script = f"""
units metal
lattice diamond 5.43
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 28.0855
pair_style mtp {silicon} precision {precision}
pair_coeff * * Si
velocity all create 600 7
fix 1 all nve
timestep 0.001
thermo_style custom step etotal
thermo_modify norm yes format float %.17g
thermo 10
run 2000
"""
    outcome = launch(tmp_path, script)
    assert outcome.code == 0, outcome.text
    lines = [line.split() for line in outcome.text.splitlines()]
    rows = np.array([line for line in lines if len(line) == 2 and line[0].isdigit()], float)
    assert len(rows) == 201
    assert np.ptp(rows[:, 1]) < 1e-4  # eV per atom, of the integrator
    assert abs(np.polyfit(rows[:, 0], rows[:, 1], 1)[0]) < 1e-9  # eV per atom and step


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_potential_without_pair_couplings_says_so_once(tmp_path, atoms, style, ranks):
    usual = observe(tmp_path, atoms, ELEMENTS, style, ranks=ranks)
    assert _core.NO_PAIR_COUPLINGS not in usual.text
    potential = MTP.new(10, ELEMENTS, CUTOFF, max_factors=5)
    potential.parameters = random_parameters(potential, seed=2)
    potential.save(tmp_path / "five.mtp")
    five = style.replace("alloy", "five")
    outcome = observe(tmp_path, atoms, ELEMENTS, five, commands="run 1", ranks=ranks)
    assert outcome.text.count(f"five.mtp: {_core.NO_PAIR_COUPLINGS}") == 1


def test_threads_of_the_environment(tmp_path, potential, style):
    atoms = skewed("Si3Al5", seed=3) * (4, 4, 4)
    outcome = observe(tmp_path, atoms, ELEMENTS, style, environment={"OMP_NUM_THREADS": "2"})
    assert "using 2 OpenMP thread(s)" in outcome.text
    assert_agrees(outcome, potential, atoms, ROUNDING)


def test_elements_stand_in_the_order_of_types(tmp_path, potential, atoms):
    """Types 1 2 3 of LAMMPS are Al Si Al of the structure."""
    potential.save(tmp_path / "alloy.mtp")
    style = "pair_style mtp alloy.mtp\npair_coeff * * Al Si Al\n"
    outcome = observe(tmp_path, atoms, ("Al", "Si", "H"), style)
    assert_agrees(outcome, potential, atoms, ROUNDING)


def test_a_file_without_names_takes_numbers(tmp_path, potential, atoms):
    potential.save(tmp_path / "named.mtp")
    text = (tmp_path / "named.mtp").read_text()
    nameless = "\n".join(line for line in text.splitlines() if "potential_tag" not in line)
    (tmp_path / "alloy.mtp").write_text(nameless + "\n")
    style = "pair_style mtp alloy.mtp\npair_coeff * * 1 0\n"
    outcome = observe(tmp_path, atoms, ("Al", "Si"), style)
    assert_agrees(outcome, potential, atoms, ROUNDING)
    bare = observe(tmp_path, atoms, ELEMENTS, "pair_style mtp alloy.mtp\npair_coeff * *\n")
    assert "in the order of the potential file, 0 1" in bare.text
    assert_agrees(bare, potential, atoms, ROUNDING)


@pytest.mark.parametrize("coeff", ["alloy.mtp Si Al", "alloy.mtp"])
def test_the_file_may_stand_in_pair_coeff(tmp_path, potential, atoms, coeff):
    potential.save(tmp_path / "alloy.mtp")
    style = f"pair_style mtp threads 1\npair_coeff * * {coeff}\n"
    assert_agrees(observe(tmp_path, atoms, ELEMENTS, style), potential, atoms, ROUNDING)


def test_the_file_is_found_where_lammps_keeps_potentials(tmp_path, potential, atoms):
    folder = tmp_path / "potential files"
    folder.mkdir()
    potential.save(folder / "alloy.mtp")
    outcome = observe(
        tmp_path,
        atoms,
        ELEMENTS,
        "pair_style mtp alloy.mtp\n" + COEFF,
        environment={"LAMMPS_POTENTIALS": str(folder)},
    )
    assert_agrees(outcome, potential, atoms, ROUNDING)


def test_virial_by_pairs_is_that_of_the_forces(tmp_path, potential, style, atoms):
    """In hybrid, LAMMPS asks for the pairs; alone, it sums r x f."""
    alone = observe(tmp_path, atoms, ELEMENTS, style)
    style = style.replace("mtp alloy", "hybrid mtp alloy").replace("* * Si", "* * mtp Si")
    hybrid = observe(tmp_path, atoms, ELEMENTS, style)
    assert_agrees(hybrid, potential, atoms, ROUNDING)
    assert_equal(hybrid.stress, alone.stress, ROUNDING)


def test_hybrid_leaves_out_types_that_are_null(tmp_path, potential):
    """A third element that does not interact changes nothing, and feels nothing."""
    atoms = skewed("Si3Al3H3", seed=5)
    potential.save(tmp_path / "alloy.mtp")
    style = (
        "pair_style hybrid mtp alloy.mtp zero 5.0\n"
        "pair_coeff * * mtp Si Al NULL\npair_coeff 1*3 3 zero\n"
    )
    outcome = observe(tmp_path, atoms, (*ELEMENTS, "H"), style)
    ours = np.array(atoms.get_chemical_symbols()) != "H"
    calculator = MTPCalculator(potential)
    calculator.calculate(atoms[ours])
    assert_equal(outcome.value("energy"), calculator.results["energy"], ROUNDING)
    assert_equal(outcome.forces[ours], calculator.results["forces"], ROUNDING)
    assert not outcome.forces[~ours].any()


def test_overlay_adds_up(tmp_path, style, atoms):
    """Short-range repulsion on top of the potential: energies, forces and stresses are sums."""
    overlay = (
        "pair_style hybrid/overlay mtp alloy.mtp zbl 3.0 4.0\n"
        "pair_coeff * * mtp Si Al\npair_coeff 1 1 zbl 14 14\n"
        "pair_coeff 1 2 zbl 14 13\npair_coeff 2 2 zbl 13 13\n"
    )
    zbl = (
        "pair_style zbl 3.0 4.0\npair_coeff 1 1 14 14\npair_coeff 1 2 14 13\npair_coeff 2 2 13 13\n"
    )
    both = observe(tmp_path, atoms, ELEMENTS, overlay)
    parts = [observe(tmp_path, atoms, ELEMENTS, each) for each in (style, zbl)]
    energies = [part.value("energy") for part in parts]
    assert min(map(abs, energies)) > 0.1
    forces = [both.forces, *(part.forces for part in parts)]
    assert_equal(both.value("energy"), sum(energies), ROUNDING)
    assert_equal(forces[0], forces[1] + forces[2], ROUNDING)
    assert_equal(both.stress, parts[0].stress + parts[1].stress, ROUNDING)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_core_of_the_potential_acts(tmp_path, style, atoms, ranks):
    cored = CORE_CASE.potential()
    cored.save(tmp_path / "alloy.mtp", overwrite=True)
    outcome = observe(tmp_path, atoms, ELEMENTS, style, ranks=ranks)
    assert_agrees(outcome, cored, atoms, ROUNDING if ranks == 1 else ACROSS_RANKS)
    without = MTPCalculator(Case(CORE_CASE.basis, CORE_CASE.level, 2).potential())
    without.calculate(atoms)
    assert outcome.value("energy") > without.results["energy"] + 1.0


def test_pair_modify_changes_nothing(tmp_path, potential, style, atoms):
    style += "pair_modify shift yes mix arithmetic\n"
    assert_agrees(observe(tmp_path, atoms, ELEMENTS, style), potential, atoms, ROUNDING)


@pytest.mark.parametrize("ranks", [1, 2])
def test_stress_per_atom_adds_up_to_the_pressure(tmp_path, style, atoms, ranks):
    outcome = observe(tmp_path, atoms, ELEMENTS, style, ranks=ranks)
    total = -atoms.get_volume() * outcome.stress[[0, 1, 2, 5, 4, 3]] * 1.602176634e6
    assert_equal(-outcome.columns("c_stress", 6).sum(axis=0), total, 1e-12)
    centroid = -outcome.columns("c_centroid", 9).sum(axis=0)
    assert_equal(centroid[:6], total, 1e-12)
    assert_equal(centroid[6:], total[3:], 1e-12)


def derivatives(potential: MTP, atoms: Atoms) -> np.ndarray:
    """dV_i/dr_j of a cluster by central differences, shape [i, j, 3]."""
    step = 1e-4
    calculator = MTPCalculator(potential)
    found = np.zeros((len(atoms), len(atoms), 3))
    for j, axis in np.ndindex(len(atoms), 3):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[j, axis] += sign * step
            calculator.calculate(moved)
            energies.append(calculator.results["energies"])
        found[:, j, axis] = (energies[0] - energies[1]) / (2 * step)
    return found


@pytest.mark.parametrize("ranks", [1, 2])
def test_stress_per_atom_is_that_of_the_site_energies(tmp_path, potential, style, ranks):
    """Terms r_ij x dV_i/dr_j: all with atom j for the heat flux, half and half for the stress."""
    atoms = cluster("Si3Al3", seed=2)
    atoms.positions += 20.0
    atoms.cell = [50.0, 50.0, 50.0]
    outcome = observe(tmp_path, atoms, ELEMENTS, style, before=CUT, ranks=ranks)
    gradient = derivatives(potential, atoms)
    vectors = atoms.positions[None, :] - atoms.positions[:, None]
    terms = -np.einsum("ija,ijb->ijab", vectors, gradient)
    xx, yy, zz, xy, xz, yz = (0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)
    nine = [xx, yy, zz, xy, xz, yz, (1, 0), (2, 0), (2, 1)]
    bar = 1.6021765e6
    centroid = terms.sum(axis=0)
    target = np.stack([centroid[:, a, b] for a, b in nine], axis=1)
    assert_equal(-outcome.columns("c_centroid", 9) / bar, target, 1e-6)
    halves = 0.5 * (terms.sum(axis=0) + terms.sum(axis=1))
    halves = 0.5 * (halves + halves.transpose(0, 2, 1))
    target = np.stack([halves[:, a, b] for a, b in nine[:6]], axis=1)
    assert_equal(-outcome.columns("c_stress", 6) / bar, target, 1e-6)


@pytest.mark.parametrize("ranks", [1, 2])
def test_heat_flux_is_the_motion_of_the_energy(tmp_path, style, ranks):
    """J = d/dt sum_i r_i (V_i + m v_i^2 / 2) for a cluster; LAMMPS' flux with centroid stress."""
    atoms = cluster("Si3Al3", seed=6)
    atoms.positions += 20.0
    atoms.cell = [50.0, 50.0, 50.0]
    script = (
        header(tmp_path, atoms, ELEMENTS, CUT)
        + style
        + """
velocity all create 3000 7 mom no
fix 1 all nve
timestep 0.000005
compute energy all pe/atom pair
compute kinetic all ke/atom
compute centroid all centroid/stress/atom NULL virial
compute flux all heat/flux kinetic energy centroid
variable vx atom (c_energy+c_kinetic)*x
variable vy atom (c_energy+c_kinetic)*y
variable vz atom (c_energy+c_kinetic)*z
compute place all reduce sum v_vx v_vy v_vz
thermo 1
thermo_style custom step c_place[1] c_place[2] c_place[3] c_flux[1] c_flux[2] c_flux[3]
thermo_modify format float %.17g
run 2
"""
    )
    outcome = launch(tmp_path, script, ranks)
    assert outcome.code == 0, outcome.text
    lines = [line.split() for line in outcome.text.splitlines()]
    rows = np.array([words for words in lines if len(words) == 7 and words[0].isdigit()], float)
    moved = (rows[2, 1:4] - rows[0, 1:4]) / (2 * 0.000005)
    assert np.abs(moved).max() > 1.0
    np.testing.assert_allclose(rows[1, 4:7], moved, rtol=2e-5, atol=2e-5 * np.abs(moved).max())


def test_after_four_steps(tmp_path, potential, style, atoms):
    commands = "velocity all create 500 11\nfix 1 all nve\nrun 4"
    outcome = observe(tmp_path, atoms, ELEMENTS, style, commands=commands)
    moved = atoms.copy()
    moved.positions = outcome.positions
    assert np.abs(moved.positions - atoms.positions).max() > 1e-3
    assert_agrees(outcome, potential, moved, 5 * ROUNDING)


def test_restart_goes_on_as_if_nothing_had_happened(tmp_path, style, atoms):
    start = "velocity all create 500 11\nfix 1 all nve\nrun 4\n"
    whole = observe(tmp_path, atoms, ELEMENTS, style, commands=start + "run 4")
    observe(tmp_path, atoms, ELEMENTS, style, commands=start + "write_restart half")
    script = "units metal\natom_style atomic\natom_modify map array\nread_restart half\n"
    script += style + OBSERVE + "fix 1 all nve\nrun 4\n" + REPORT
    again = launch(tmp_path, script)
    assert again.code == 0, again.text
    assert_equal(again.forces, whole.forces, ACROSS_RANKS)


TWO_INSTANCES = """
import sys
from mtpot.lammps import start

def run(lmp, count):
    lmp.commands_string(f'''
units metal
lattice diamond 5.43
region box block 0 {count} 0 1 0 1
create_box 1 box
create_atoms 1 box
mass 1 28.0855
pair_style mtp {sys.argv[1]}
pair_coeff * * Si
run 0
''')

first, second = start(), start()
run(first, 1)
run(second, 2)
alone = first.get_thermo("pe")
first.command("run 0")
assert first.get_thermo("pe") == alone
first.close()
second.command("run 0")
assert abs(second.get_thermo("pe") - 2 * alone) < 1e-9
third = start()
run(third, 1)
assert third.get_thermo("pe") == alone
second.close()
third.command("run 0")
assert third.get_thermo("pe") == alone
print("all agree")
"""


def test_instances_in_one_process_do_not_disturb_each_other(silicon):
    line = [sys.executable, "-c", TWO_INSTANCES, str(silicon)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert "all agree" in done.stdout, done.stdout + done.stderr


def test_plugin_can_be_unloaded(tmp_path, style, atoms):
    """And what had loaded it ends in peace."""
    script = header(tmp_path, atoms, ELEMENTS) + style + "run 0\nplugin unload pair mtp\n"
    outcome = launch(tmp_path, script, environment={"OMP_NUM_THREADS": "2"})
    assert outcome.code == 0, outcome.text
    assert "Unloading pair style mtp" in outcome.text


def test_coefficients_may_be_given_again(tmp_path, potential, style, atoms):
    """Elements the wrong way round, then the right way."""
    wrong = style.replace("Si Al", "Al Si")
    outcome = observe(tmp_path, atoms, ELEMENTS, wrong + "run 0\n" + COEFF)
    assert_agrees(outcome, potential, atoms, ROUNDING)
    again = (
        "pair_style mtp\npair_coeff * * alloy.mtp Al Si\nrun 0\npair_coeff * * alloy.mtp Si Al\n"
    )
    assert_agrees(observe(tmp_path, atoms, ELEMENTS, again), potential, atoms, ROUNDING)


def test_two_potentials_at_once(tmp_path, potential):
    """Far apart, each for its own element."""
    silicon, aluminum = (skewed(f"{element}4", seed=9) for element in ELEMENTS)
    aluminum.positions += 40.0
    atoms = silicon + aluminum
    atoms.pbc = False
    atoms.cell = [70.0, 70.0, 70.0]
    style = (
        "pair_style hybrid mtp alloy.mtp mtp alloy.mtp zero 5.0\n"
        "pair_coeff * * mtp 1 Si NULL\npair_coeff * * mtp 2 NULL Al\npair_coeff 1 2 zero\n"
    )
    potential.save(tmp_path / "alloy.mtp")
    assert_agrees(observe(tmp_path, atoms, ELEMENTS, style), potential, atoms, ROUNDING)


def test_faulty_commands_leave_nothing_behind(tmp_path, style, atoms):
    """What a script in Python goes on with after an error is no wrong number, but an error."""
    script = header(tmp_path, atoms, ELEMENTS).replace("data\n", f'"{tmp_path / "data"}"\n')
    good = style.replace("alloy.mtp", f'"{tmp_path / "alloy.mtp"}"')
    lmp = start()
    lmp.commands_string(script + good + "run 0\n")
    energy = lmp.get_thermo("pe")
    half = good.splitlines()[0] + " threads 0"
    for faulty in (
        "pair_coeff * * Si Xe",
        "pair_style mtp gone.mtp",
        "pair_style mtp threads 0",
        half,
    ):
        with pytest.raises(Exception, match=r"Pair style mtp:"):
            lmp.command(faulty)
        if faulty.startswith("pair_style"):
            with pytest.raises(Exception, match="give it again"):
                lmp.command("pair_coeff * * Si Al")
        with pytest.raises(Exception, match="coeffs are not set"):
            lmp.command("run 0")
        lmp.commands_string(good + "run 0\n")
        assert lmp.get_thermo("pe") == pytest.approx(energy, abs=1e-10)
    lmp.close()
