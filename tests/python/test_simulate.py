"""What is computed with a potential, against energies, symmetry, ASE and exact relations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.phonons import Phonons
from models import Case, crystal
from test_training import distorted, label

from mtpot import MTP, InputError, MTPCalculator, NumericalError, UncalibratedWarning
from mtpot.data.atoms import atoms_from_frame
from mtpot.intervals import LEVELS, ErrorModel, Intervals, normal_factor
from mtpot.simulate import (
    bulk_modulus,
    elastic_constants,
    phonon_frequencies,
    propagate,
    relaxed,
)
from mtpot.train.calibration import Scored, calibrate, score, spreads
from mtpot.train.committee import bag
from mtpot.train.loss import Weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Floats, Frame

FORCE = 1e-4


@pytest.fixture(scope="module")
def silicon(repository) -> MTP:
    loaded = MTP.load(repository / "potentials" / "silicon" / "potential.mtp")
    return MTP(loaded.core)


@pytest.fixture(scope="module")
def primitive(silicon) -> Atoms:
    return relaxed(bulk("Si"), MTPCalculator(silicon, threads=1), force=FORCE)


def curvature(atoms: Atoms, tensor: np.ndarray, step: float = 2e-3) -> float:
    """Second derivative of the energy along a strain, per volume, GPa; atoms as they are."""
    energies = []
    for factor in (-step, 0.0, step):
        strained = atoms.copy()
        strained.calc = atoms.calc
        strained.set_cell(atoms.cell.array @ (np.eye(3) + factor * tensor), scale_atoms=True)
        energies.append(strained.get_potential_energy())
    second = (energies[0] - 2.0 * energies[1] + energies[2]) / step**2
    return second / atoms.get_volume() / units.GPa


def test_elastic_constants_are_curvatures_of_the_energy() -> None:
    """One atom in the cell has nowhere to relax to."""
    copper = relaxed(bulk("Cu"), EMT(), force=FORCE)
    found = elastic_constants(copper, EMT(), force=FORCE)
    first, shear = np.diag([1.0, 0.0, 0.0]), np.zeros((3, 3))
    shear[1, 2] = shear[2, 1] = 0.5
    assert found[0, 0] == pytest.approx(curvature(copper, first), rel=5e-3)
    assert found[3, 3] == pytest.approx(curvature(copper, shear), rel=5e-3)
    hydrostatic = curvature(copper, np.eye(3)) / 9.0
    assert bulk_modulus(found) == pytest.approx(hydrostatic, rel=5e-3)


def test_elastic_constants_do_not_depend_on_the_choice_of_the_cell(silicon) -> None:
    """Atoms inside the cell relax in either."""
    calculator = MTPCalculator(silicon, threads=1)
    small = elastic_constants(bulk("Si"), calculator, force=FORCE)
    large = elastic_constants(bulk("Si", cubic=True), calculator, force=FORCE)
    np.testing.assert_allclose(small, large, atol=0.2)
    np.testing.assert_allclose(small, small.T)
    shear = np.zeros((3, 3))
    shear[1, 2] = shear[2, 1] = 0.5
    assert small[3, 3] < 0.9 * curvature(relaxed(bulk("Si"), calculator, force=FORCE), shear)


def test_phonons_are_those_of_ase(primitive: Atoms, tmp_path) -> None:
    vectors = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.5], [0.25, 0.0, 0.5]]
    found = phonon_frequencies(primitive, primitive.calc, vectors, repeat=(4, 4, 4))
    other = Phonons(
        primitive, primitive.calc, supercell=(5, 5, 5), delta=0.01, name=str(tmp_path / "cache")
    )
    other.run()
    other.read(acoustic=True)
    energies = other.band_structure(vectors, verbose=False)
    terahertz = energies * units._e / units._hplanck * 1e-12
    np.testing.assert_allclose(found[:3], terahertz[:3], atol=0.02)
    np.testing.assert_allclose(found[0, :3], 0.0, atol=1e-3)
    np.testing.assert_allclose(found, terahertz, atol=0.3)


def test_phonons_of_a_doubled_cell_are_folded(primitive: Atoms) -> None:
    """At the center of its zone the doubled cell has those of the center and of the edge."""
    doubled = primitive.repeat((2, 1, 1))
    edge = phonon_frequencies(primitive, primitive.calc, [[0, 0, 0], [0.5, 0, 0]], repeat=(4, 2, 2))
    center = phonon_frequencies(doubled, primitive.calc, [[0, 0, 0]], repeat=(2, 2, 2))
    np.testing.assert_allclose(np.sort(edge.ravel()), center[0], atol=2e-3)


def test_a_spring_has_the_frequency_of_a_spring() -> None:
    """An optical mode of two atoms is that of their reduced mass and force constant."""
    atoms = Atoms("SiSi", [[0, 0, 0], [2.3, 0, 0]], cell=[30, 30, 30], pbc=True)
    potential = Case("RBChebyshev", 6, 1).potential(seed=3)
    calculator = MTPCalculator(potential, threads=1)

    def force(distance: float) -> float:
        pair = atoms.copy()
        pair.positions[1, 0] = distance
        pair.calc = calculator
        return pair.get_forces()[1, 0]

    constant = -(force(2.31) - force(2.29)) / 0.02
    value = 2.0 * constant / atoms.get_masses()[0]
    expected = np.sign(value) * np.sqrt(abs(value)) * 1e3 * units.fs / (2.0 * np.pi)
    found = phonon_frequencies(atoms, calculator, [[0, 0, 0]], repeat=(1, 1, 1))[0]
    assert np.abs(found - expected).min() < 1e-3 * abs(expected)


@pytest.mark.parametrize("vectors", [[0.0, 0.0], [[[0.0, 0.0, 0.0]]]])
def test_odd_wave_vectors_are_refused(primitive: Atoms, vectors) -> None:
    with pytest.raises(InputError, match=r"\[k, 3\]"):
        phonon_frequencies(primitive, primitive.calc, vectors)


def test_constraints_do_not_stop_phonons() -> None:
    copper = bulk("Cu")
    free = phonon_frequencies(copper, EMT(), [[0.5, 0.5, 0.0]], repeat=(2, 2, 2))
    copper.set_constraint(FixAtoms([0]))
    assert np.abs(free).min() > 1.0
    held = phonon_frequencies(copper, EMT(), [[0.5, 0.5, 0.0]], repeat=(2, 2, 2))
    np.testing.assert_array_equal(held, free)
    assert len(copper.constraints) == 1


def test_a_relaxation_keeps_constraints() -> None:
    dimer = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.0]], constraint=FixAtoms([0]))
    found = relaxed(dimer, EMT(), cell=False, force=FORCE)
    assert not found.positions[0].any()
    assert found.positions[1, 2] > 2.1


def test_elastic_constants_of_held_atoms_are_refused() -> None:
    copper = bulk("Cu")
    copper.set_constraint(FixAtoms([0]))
    with pytest.raises(InputError, match="constraints"):
        elastic_constants(copper, EMT())


@pytest.mark.parametrize("repeat", [(0, 2, 2), (2, 2, -1)], ids=str)
def test_a_supercell_without_cells_is_refused(repeat: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="repeat"):
        phonon_frequencies(bulk("Cu"), EMT(), [[0, 0, 0]], repeat=repeat)


@pytest.mark.parametrize("step", [0.0, -0.01, float("nan")])
def test_steps_of_differences_are_positive(step: float) -> None:
    with pytest.raises(InputError, match="displacement"):
        phonon_frequencies(bulk("Cu"), EMT(), [[0, 0, 0]], displacement=step)
    with pytest.raises(InputError, match="strain"):
        elastic_constants(bulk("Cu"), EMT(), strain=step)


def test_clusters_have_no_elastic_constants_and_phonons(silicon) -> None:
    cluster, calculator = Atoms("Si2", [[0, 0, 0], [0, 0, 2.3]]), MTPCalculator(silicon)
    for compute in (
        lambda: elastic_constants(cluster, calculator),
        lambda: phonon_frequencies(cluster, calculator, [[0, 0, 0]]),
        lambda: relaxed(cluster, calculator),
    ):
        with pytest.raises(InputError, match="periodic"):
            compute()


def test_no_equilibrium_is_an_error(silicon, monkeypatch) -> None:
    monkeypatch.setattr("mtpot.simulate.crystal.STEPS", 2)
    with pytest.raises(NumericalError, match="within 2 steps"):
        relaxed(bulk("Si", a=6.5, cubic=True), MTPCalculator(silicon, threads=1))


@pytest.mark.filterwarnings("ignore::mtpot.UncalibratedWarning")
@pytest.mark.parametrize("scale", [None, 3.0], ids=["raw", "calibrated"])
def test_an_energy_spreads_as_the_calculator_says(scale: float | None) -> None:
    """Without a floor, what is linear in the parameters has the same error bar either way."""
    potential = Case("RBChebyshev", 8, 1).potential()
    linear = potential.parameters[-len(potential.core.scalars) - 1 :]
    members = linear * (1.0 + 0.1 * np.random.default_rng(0).normal(size=(6, len(linear))))
    model = ErrorModel(scale or 1.0, 0.0, tuple(map(normal_factor, LEVELS)), scale or 1.0)
    potential = potential.with_members(members, Intervals(model, model) if scale else None)
    atoms = crystal("SiSiSi", seed=7)
    found = propagate(lambda calc: calc.get_property("energy", atoms), potential, threads=1)
    calculator = MTPCalculator(potential)
    calculator.get_property("energy", atoms)
    assert found.samples.shape == (6,)
    assert found.value == calculator.results["energy"]
    assert found.deviation == pytest.approx(calculator.results["energy_std"])
    assert found.half_width(0.9) == pytest.approx(normal_factor(0.9) * found.deviation)


def calibrated(frames: Sequence[Frame]) -> tuple[MTP, Scored]:
    """A committee calibrated on frames of a potential of a higher level, and what they taught."""
    potential = Case("RBChebyshev", 6, 1).potential(seed=2)
    truth = Case("RBChebyshev", 10, 1).potential(seed=1)
    members = bag(potential, label(truth, distorted(20, "SiSiSi")), Weights(), count=6, threads=1)
    parameters = potential.parameters
    parameters[-members.shape[1] :] = members.mean(axis=0)
    center = MTP(potential.core.with_parameters(parameters)).with_members(members)
    scored = score(center, frames, spreads(center, frames, 1), 1)
    return center.with_members(members, calibrate(scored)), scored


def test_propagated_energies_and_forces_are_as_uncertain_as_the_calculator_says() -> None:
    """Where members agree too well, and most of the error is that of the form.

    In the root mean square over the frames of the calibration: that of the errors for the kind of
    label with the larger ratio of error and spread, and no less for the other.
    """
    truth = Case("RBChebyshev", 10, 1).potential(seed=1)
    frames = label(truth, distorted(20, "SiSiSi", seed=50))
    potential, scored = calibrated(frames)
    calculator = MTPCalculator(potential, threads=1)

    def sizes(name: str, errors: Floats, unit: float) -> list[float]:
        propagated, told = [], []
        for atoms in map(atoms_from_frame, frames):
            found = propagate(lambda calc, a=atoms: calc.get_property(name, a), potential)
            propagated.append(found.deviation / unit)
            told.append(calculator.get_property(f"{name}_std", atoms) / unit)
        return [float(np.sqrt(np.mean(np.square(x)))) for x in (propagated, told, errors)]

    ratios = []
    for propagated, told, real in (
        sizes("energy", scored.energy_errors, np.sqrt(3.0)),
        sizes("forces", scored.force_errors, 1.0),
    ):
        assert 0.5 < propagated / told < 2.0
        ratios.append(propagated / real)
    assert min(ratios) == pytest.approx(1.0, rel=1e-6)


def spread_by_a_thousandth(potential: MTP, intervals: Intervals | None) -> MTP:
    """Give it two members."""
    linear = potential.parameters[-len(potential.core.scalars) - 1 :]
    rng = np.random.default_rng(0)
    members = linear * (1.0 + 1e-3 * rng.normal(size=(2, len(linear))))
    return potential.with_members(members, intervals)


def test_propagate_warns_of_members_that_are_not_calibrated() -> None:
    potential = spread_by_a_thousandth(Case("RBChebyshev", 6, 1).potential(), None)
    with pytest.warns(UncalibratedWarning, match="--validation"):
        propagate(lambda _: 0.0, potential)


def test_the_scripts_of_the_document_run(silicon, repository, tmp_path, monkeypatch) -> None:
    text = (repository / "docs" / "uncertainty.md").read_text(encoding="utf-8")
    scripts = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    model = ErrorModel(2.0, 0.0, tuple(map(normal_factor, LEVELS)), 2.0)
    (tmp_path / "run").mkdir()
    potential = spread_by_a_thousandth(silicon, Intervals(model, model))
    potential.save(tmp_path / "run" / "potential.mtp")
    monkeypatch.chdir(tmp_path)
    names = {"atoms": bulk("Si")}
    exec("\n".join(scripts), names)
    deviation = names["atoms"].calc.results["energy_std"]
    assert names["half_width"] == pytest.approx(normal_factor(0.9) * deviation)
    assert names["found"].half_width(0.9).shape == (6, 6)


def test_nothing_propagates_without_members(silicon) -> None:
    with pytest.raises(InputError, match="--ensemble"):
        propagate(lambda _: 0.0, silicon)
