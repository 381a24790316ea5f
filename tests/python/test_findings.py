"""Each fault that is put into clean data is found, and clean data raise no suspicion."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import Bohr, GPa, Hartree, Rydberg

from mtpot.data import read_frames
from mtpot.data.atoms import frame_from_atoms
from mtpot.data.findings import find
from mtpot.data.frame import Frame
from mtpot.data.reference import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from mtpot.data.report import Finding

SILICON = Path(__file__).parents[2] / "examples" / "silicon"
VASP_ORDER = [0, 1, 2, 5, 3, 4]


@pytest.fixture(scope="module")
def silicon() -> list[Frame]:
    """The silicon data of the examples, 140 frames by Quantum ESPRESSO."""
    return read_frames(SILICON / "train.xyz")


def suspicious(frames: list[Frame]) -> list[Finding]:
    return [finding for finding in find(frames) if finding.severity != "note"]


def every(**changes: Callable[[Frame], Any]) -> Callable[[list[Frame]], list[Frame]]:
    """Change each frame; the changes give new values of its fields."""
    return lambda frames: [
        replace(frame, **{name: change(frame) for name, change in changes.items()})
        for frame in frames
    ]


def one(index: int, **changes: Callable[[Frame], Any]) -> Callable[[list[Frame]], list[Frame]]:
    """Change one frame."""

    def fault(frames: list[Frame]) -> list[Frame]:
        (changed,) = every(**changes)([frames[index]])
        return [*frames[:index], changed, *frames[index + 1 :]]

    return fault


def atom(symbol: str, energy: float) -> Frame:
    return Frame(
        symbols=(symbol,),
        positions=np.zeros((1, 3)),
        cell=20.0 * np.eye(3),
        pbc=np.zeros(3, bool),
        energy=energy,
        source=f"{symbol} {energy}",
    )


def held(frame: Frame) -> np.ndarray:
    forces = frame.forces.copy()
    forces[: len(frame) // 2] = 0.0
    return forces


def squeezed(frame: Frame) -> np.ndarray:
    positions = frame.positions.copy()
    positions[1] = positions[0] + [0.9, 0.0, 0.0]
    return positions


def offset(frames: list[Frame]) -> list[Frame]:
    """The same kinds of frames in two files with energies of two programs."""
    first = every(source=lambda f: f.source.replace("train", "a"))(frames[::2])
    second = every(
        source=lambda f: f.source.replace("train", "b"), energy=lambda f: f.energy + 51.3 * len(f)
    )(frames[1::2])
    return [*first, *second]


def moved(frame: Frame) -> Frame:
    """The same structure, turned about z, shifted and renumbered."""
    turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    return replace(
        frame,
        positions=(frame.positions @ turn + 0.3)[::-1],
        cell=frame.cell @ turn,
        forces=(frame.forces @ turn)[::-1],
        stress=None,
        source="moved",
    )


DYNAMICS = {
    "GPa": (lambda f: f.stress / GPa, "is in GPa; "),
    "kbar-of-vasp": (lambda f: -10 * f.stress / GPa, "is in kbar and has the opposite sign"),
    "flipped": (lambda f: -f.stress, "opposite sign"),
    "order-of-vasp": (lambda f: f.stress[VASP_ORDER], "as xy yz xz"),
}


@pytest.mark.parametrize(("change", "words"), DYNAMICS.values(), ids=DYNAMICS)
def test_stress_is_judged_without_strained_pairs(
    silicon: list[Frame], change: Callable[[Frame], Any], words: str
) -> None:
    frames = [f for f in silicon if f.group in ("md", "liquid", "random", "vacancy")]
    assert suspicious(frames) == []
    findings = [f"{finding.message}; " for finding in suspicious(every(stress=change)(frames))]
    assert any(words in finding for finding in findings), findings


def test_a_unit_is_found_beside_strained_pairs_that_do_not_tell(silicon: list[Frame]) -> None:
    """Two cells that differ by a thousandth are too few to tell."""
    frames = [f for f in silicon if f.group in ("md", "liquid", "random", "vacancy")]
    bulk = replace(next(f for f in silicon if f.group == "md"), group="bulk")
    stretched = replace(bulk, cell=1.001 * bulk.cell, positions=1.001 * bulk.positions)
    wrong = every(stress=lambda f: f.stress / GPa)([bulk, stretched, *frames])
    assert any(finding.message.endswith("is in GPa") for finding in suspicious(wrong))


def test_a_unit_of_some_frames_is_found_among_the_others(silicon: list[Frame]) -> None:
    frames = [f for f in silicon if f.group in ("md", "liquid", "random", "vacancy")]
    wrong = [*every(stress=lambda f: f.stress / GPa)(frames[:15]), *frames[15:]]
    (finding,) = [f for f in suspicious(wrong) if f.message.endswith("is in GPa")]
    assert "in 15 of" in finding.message  # that have shears
    assert finding.frames == tuple(frame.source for frame in frames[:15])


def test_the_few_shears_of_symmetric_crystals_are_no_unit() -> None:
    """All shears but those of one cell are zero by symmetry, and say nothing of factors."""
    frames = []
    for symbol in ("Cu", "Al", "Ni"):
        for structure, edge in (("fcc", 1.0), ("bcc", 0.8), ("sc", 0.65), ("diamond", 1.4)):
            crystal = bulk(symbol, structure, a=edge * bulk(symbol, cubic=True).cell[0, 0])
            crystal = crystal.repeat(2)
            crystal.calc = EMT()
            crystal.get_stress()
            frames.append(frame_from_atoms(crystal))
    crystal = bulk("Cu", cubic=True)
    crystal.set_cell(crystal.cell @ [[1, 0.02, 0.01], [0.02, 1, 0.03], [0.01, 0.03, 1]], True)
    crystal.calc = EMT()
    crystal.get_stress()
    frames.append(frame_from_atoms(crystal))
    assert not [f.message for f in find(frames) if "as the stress says" in f.message]


def test_a_sample_has_the_few_frames_with_forces(silicon: list[Frame]) -> None:
    """By chance it would have one or two."""
    bare = every(forces=lambda _: None)(silicon)
    drawn = Sample([*bare * 10, *silicon[-12:]], shortest=2.0).frames
    assert len(drawn) > 100
    assert sum(frame.forces is not None for frame in drawn) == 12


def test_stresses_that_are_all_zero_are_no_trend(silicon: list[Frame]) -> None:
    """They are told to be zeros, and no warning of numpy stands between."""
    zeros = every(stress=lambda _: np.zeros(6))(silicon[:40])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert any("zero" in finding.message for finding in find(zeros))


def test_a_tension_that_no_matter_bears_is_found_in_one_frame(silicon: list[Frame]) -> None:
    """Two eV/angstrom^3, of 20 angstrom^3 an atom: 320 GPa."""
    stress = np.array([2.0, 2.0, 2.0, 0.0, 0.0, 0.0])
    for sign, found in ((1.0, True), (-1.0, False)):
        torn = replace(silicon[0], stress=sign * stress)
        told = [f for f in find([torn]) if "tear any matter" in f.message]
        assert bool(told) is found


# Name: fault, kind of the finding, severity, words of its message.
FAULTS: dict[str, tuple[Callable[[list[Frame]], list[Frame]], str, str, str]] = {
    "energies-in-hartree": (
        every(energy=lambda f: f.energy / Hartree),
        "units",
        "error",
        "energies are in hartree",
    ),
    "energies-in-rydberg": (
        every(energy=lambda f: f.energy / Rydberg),
        "units",
        "error",
        "energies are in rydberg",
    ),
    "energies-per-atom": (
        lambda frames: every(energy=lambda f: f.energy / 8)([f for f in frames if len(f) == 8]),
        "units",
        "error",
        "energies are per atom",
    ),
    "forces-in-hartree-per-bohr": (
        every(forces=lambda f: f.forces * Bohr / Hartree),
        "units",
        "error",
        "forces are in hartree/bohr",
    ),
    "forces-in-rydberg-per-bohr": (
        every(forces=lambda f: f.forces * Bohr / Rydberg),
        "units",
        "error",
        "forces are in rydberg/bohr",
    ),
    "gradients": (every(forces=lambda f: -f.forces), "units", "error", "sign of the gradient"),
    "atomic-units": (
        every(energy=lambda f: f.energy / Hartree, forces=lambda f: f.forces * Bohr / Hartree),
        "units",
        "error",
        "energies are in hartree and the forces in hartree/bohr",
    ),
    "positions-in-bohr": (
        every(positions=lambda f: f.positions / Bohr, cell=lambda f: f.cell / Bohr),
        "lengths",
        "warning",
        "covalent bond lengths apart; are positions and cells in bohr",
    ),
    "fractional-positions": (
        every(positions=lambda f: f.positions / 10, cell=lambda f: f.cell / 10),
        "lengths",
        "error",
        "nanometers",
    ),
    "stress-flipped": (every(stress=lambda f: -f.stress), "stress", "error", "opposite sign"),
    "stress-in-gpa": (every(stress=lambda f: f.stress / GPa), "stress", "error", "is in GPa; "),
    "stress-in-kbar-of-vasp": (
        every(stress=lambda f: -10 * f.stress / GPa),
        "stress",
        "error",
        "is in kbar and has the opposite sign",
    ),
    "virial-for-stress": (every(stress=lambda f: -f.volume * f.stress), "stress", "error", ""),
    "shears-in-the-order-of-vasp": (
        every(stress=lambda f: f.stress[VASP_ORDER]),
        "stress",
        "error",
        "xy yz xz",
    ),
    "stress-of-zeros": (one(30, stress=lambda f: 0 * f.stress), "zero stress", "error", "1 frames"),
    "one-stress-flipped": (one(8, stress=lambda f: -f.stress), "stress", "warning", "stress of"),
    "energy-of-zero": (one(100, energy=lambda _: 0.0), "zero energy", "error", "1 frames"),
    "one-energy-off": (
        one(100, energy=lambda f: f.energy + 7.0),
        "energy outliers",
        "warning",
        "1 frames",
    ),
    "one-energy-far-off": (
        one(130, energy=lambda f: f.energy - 40.0),
        "energy outliers",
        "warning",
        "1 frames",
    ),
    "one-energy-so-far-off-that-it-draws-a-fit": (
        one(100, energy=lambda f: f.energy + 30.0),
        "energy outliers",
        "warning",
        "1 frames",
    ),
    "forces-of-other-atoms": (
        one(125, forces=lambda f: 2.0 * f.forces[::-1]),
        "force outliers",
        "warning",
        "1 frames",
    ),
    "no-energy": (one(5, energy=lambda _: None), "no energy", "error", "1 of 140"),
    "unconverged": (
        one(
            5,
            energy=lambda _: None,
            forces=lambda _: None,
            stress=lambda _: None,
            unconverged=lambda _: True,
        ),
        "unconverged",
        "warning",
        "1 frames",
    ),
    "another-name": (
        one(5, forces=lambda _: None, lookalikes=lambda _: {"forces": "dft_forces"}),
        "other names",
        "warning",
        "dft_forces",
    ),
    "free-energy": (
        every(free_energy=lambda f: f.energy - 0.02 * len(f)),
        "free energy",
        "warning",
        "20 meV",
    ),
    "conflict": (
        lambda frames: [
            *frames,
            replace(frames[40], energy=frames[40].energy + 0.1, source="again"),
        ],
        "conflicts",
        "error",
        "1 frames",
    ),
    "drift": (
        every(forces=lambda f: f.forces + np.array([0.05, 0, 0])),
        "force sums",
        "warning",
        "do not sum to zero",
    ),
    "forces-after-constraints": (one(110, forces=held), "fixed atoms", "error", "raw forces"),
    "close-atoms": (one(110, positions=squeezed), "short distances", "warning", "0.9 angstrom"),
    "lost-periodicity": (
        one(110, pbc=lambda _: np.zeros(3, bool), stress=lambda _: None),
        "periodicity",
        "error",
        "1 frames",
    ),
    "rare-element": (
        one(110, symbols=lambda f: ("Ge", *f.symbols[1:])),
        "rare elements",
        "warning",
        "Ge is in no more than 2",
    ),
    "two-zeros": (offset, "energy zeros", "error", "cannot be mixed"),
    "two-isolated-atoms": (
        lambda frames: [*frames, atom("Si", -103.0), atom("Si", -102.0)],
        "isolated atoms",
        "error",
        "1 eV apart",
    ),
    "isolated-atoms-of-another-program": (
        lambda frames: [*frames, atom("Si", -7800.0)],
        "isolated atoms",
        "error",
        "another energy zero",
    ),
}


@pytest.mark.parametrize("symbol", ["Bk", "Si"], ids=["unknown", "known"])
def test_distances_are_judged_by_radii_that_are_known(silicon: list[Frame], symbol: str) -> None:
    """Positions in bohr of silicon are found; of berkelium nobody can tell."""
    bohr = {"positions": lambda f: f.positions / Bohr, "cell": lambda f: f.cell / Bohr}
    frames = every(symbols=lambda f: (symbol,) * len(f), **bohr)(silicon[100:106])
    kinds = {finding.kind for finding in suspicious(frames)}
    assert ("lengths" in kinds) is (symbol == "Si")


def test_atoms_without_radii_hide_none_that_are_too_close(silicon: list[Frame]) -> None:
    frame = replace(silicon[110], positions=squeezed(silicon[110]))
    mixed = replace(frame, symbols=(*frame.symbols[:-1], "Bk"))
    assert "short distances" in {finding.kind for finding in suspicious([mixed])}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_found(silicon: list[Frame], name: str) -> None:
    fault, kind, severity, words = FAULTS[name]
    findings = suspicious(fault(silicon))
    fitting = [f for f in findings if (f.kind, f.severity) == (kind, severity)]
    assert fitting, [str(finding) for finding in findings]
    assert any(words in str(finding) for finding in fitting), [str(f) for f in fitting]


ALONE = [
    name for name in FAULTS if name.startswith(("one-", "conflict", "no-energy", "rare", "free"))
]


@pytest.mark.parametrize("name", ALONE)
def test_one_fault_is_one_finding(silicon: list[Frame], name: str) -> None:
    assert len(suspicious(FAULTS[name][0](silicon))) == 1


OUTLIERS = [name for name, (_, kind, *_) in FAULTS.items() if kind.endswith("outliers")]


@pytest.mark.parametrize("name", OUTLIERS)
def test_outliers_are_named_by_frame(silicon: list[Frame], name: str) -> None:
    fault, kind, _, _ = FAULTS[name]
    changed = fault(silicon)
    (index,) = [i for i, (a, b) in enumerate(zip(silicon, changed, strict=True)) if a is not b]
    (finding,) = [finding for finding in find(changed) if finding.kind == kind]
    assert finding.frames == (silicon[index].source,)


@pytest.mark.parametrize("name", ["train.xyz", "test.xyz"])
def test_clean_data_raise_no_suspicion(name: str) -> None:
    assert find(read_frames(SILICON / name)) == []


@pytest.mark.parametrize("seed", range(3))
def test_parts_of_clean_data_raise_no_suspicion(silicon: list[Frame], seed: int) -> None:
    chosen = np.random.default_rng(seed).permutation(len(silicon))[: 30 + 20 * seed]
    assert suspicious([silicon[index] for index in chosen]) == []


@pytest.mark.parametrize(("kind", "severity"), [("duplicates", "warning"), ("images", "note")])
def test_repeated_frames_are_told(silicon: list[Frame], kind: str, severity: str) -> None:
    again = replace(silicon[40], source="again") if kind == "duplicates" else moved(silicon[40])
    findings = find([*silicon, again])
    (finding,) = [finding for finding in findings if finding.kind == kind]
    assert (finding.severity, finding.frames) == (severity, (again.source,))


def test_frames_without_a_kind_of_label_are_noted(silicon: list[Frame]) -> None:
    (finding,) = find([replace(silicon[0], stress=None), *silicon[1:]])
    assert (finding.kind, finding.severity) == ("no stress", "note")


def test_missing_isolated_atoms_are_noted(silicon: list[Frame]) -> None:
    findings = find([*silicon, atom("Ge", -100.0)])
    assert [finding.kind for finding in findings] == ["isolated atoms"]
    assert "none of Si" in findings[0].message


def test_energies_may_be_those_above_isolated_atoms(silicon: list[Frame]) -> None:
    frames = every(energy=lambda f: f.energy + 103.0 * len(f))(silicon)
    assert suspicious([*frames, atom("Si", 0.0)]) == []
    crystal = replace(atom("Si", 0.0), pbc=np.ones(3, bool), cell=2.4 * np.eye(3))
    assert "zero energy" in {finding.kind for finding in suspicious([*frames, crystal])}


def test_the_worst_comes_first(silicon: list[Frame]) -> None:
    frames = FAULTS["conflict"][0](FAULTS["drift"][0](silicon))
    severities = [
        finding.severity for finding in find([replace(frames[0], stress=None), *frames[1:]])
    ]
    assert severities == ["error", "warning", "note"]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_frames_are_no_obstacle(silicon: list[Frame], count: int) -> None:
    assert suspicious(silicon[:count]) == []
