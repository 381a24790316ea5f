"""Outputs of programs become the labels that were computed, in eV and angstrom."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import TYPE_CHECKING

import ase.db
import ase.io
import numpy as np
import outputs
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from mtpot.data import read_atoms, read_frames
from mtpot.data.check import check_trainable
from mtpot.data.sets import find_files, leave_out, read_sets
from mtpot.errors import FormatError, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from mtpot.data.frame import Frame

SHEAR = np.array([[0.125, 0, 0], [0.25, 0.5, 0], [0, 0.125, 0.75]])


def crystals(count: int = 3) -> list[Atoms]:
    """Displaced silicon with random labels; every component differs from every other."""
    rng = np.random.default_rng(0)
    steps = []
    for _ in range(count):
        atoms = bulk("Si", cubic=True)
        atoms.set_cell(atoms.cell[:] + SHEAR, scale_atoms=True)
        atoms.positions += rng.normal(0, 0.05, (8, 3))
        atoms.positions = atoms.positions.round(6)
        label(atoms, rng)
        steps.append(atoms)
    return steps


def label(atoms: Atoms, rng: np.random.Generator) -> None:
    energy = -100 + rng.normal()
    forces = rng.normal(0, 1, (len(atoms), 3))
    stress = rng.normal(0, 0.1, 6) if atoms.pbc.any() else None
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=stress)


def molecules() -> list[Atoms]:
    """Water with forces along its bonds, which turn nothing."""
    rng = np.random.default_rng(1)
    steps = []
    for stretch in (0.9, 1.0, 1.1):
        atoms = molecule("H2O")
        atoms.positions *= stretch
        pulls = (atoms.positions[1:] - atoms.positions[0]) * rng.normal(size=(2, 1))
        forces = np.vstack([-pulls.sum(axis=0), pulls])
        atoms.calc = SinglePointCalculator(atoms, energy=-2000 * stretch, forces=forces)
        steps.append(atoms)
    return steps


Write = Callable[..., str]
PROGRAMS: dict[str, tuple[Write, Callable[[], list[Atoms]]]] = {
    "OUTCAR": (outputs.outcar, crystals),
    "vasprun.xml": (outputs.vasprun, crystals),
    "espresso.pwo": (outputs.espresso, crystals),
    "gaussian.log": (outputs.gaussian, molecules),
    "cp2k.out": (outputs.cp2k, crystals),
}
each_program = pytest.mark.parametrize("name", PROGRAMS)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def assert_labels(frames: list[Frame], steps: list[Atoms]) -> None:
    for frame, atoms in zip(frames, steps, strict=True):
        results = atoms.calc.results
        assert frame.symbols == tuple(atoms.symbols)
        inverse = np.linalg.pinv(atoms.cell[:])
        apart = frame.positions - atoms.positions
        apart -= (apart @ inverse).round() @ atoms.cell[:]
        np.testing.assert_allclose(apart, 0, atol=2e-6)
        np.testing.assert_allclose(frame.energy, results["energy"], atol=1e-5)
        np.testing.assert_allclose(frame.forces, results["forces"], atol=1e-5)
        assert (frame.pbc == atoms.pbc).all()
        if results.get("stress") is None:
            assert frame.stress is None
        else:
            np.testing.assert_allclose(frame.cell, atoms.cell, atol=1e-5)
            np.testing.assert_allclose(frame.stress, results["stress"], atol=1e-5)


@each_program
@pytest.mark.parametrize(
    "place", ["{}", "{}.gz", "run 7/any name.txt", "x.log", "a.out", "c.xml", "OUTCAR.1"]
)
def test_labels_whatever_the_name_of_the_file(tmp_path: Path, name: str, place: str) -> None:
    text, steps = PROGRAMS[name]
    path = write(tmp_path, place.format(name), text(steps()))
    frames = read_frames(path)
    assert_labels(frames, steps())
    assert frames[1].source == f"{path} (frame 2)"


@each_program
@pytest.mark.parametrize("bad", [0, 2])
def test_steps_that_did_not_converge_are_set_aside(tmp_path: Path, name: str, bad: int) -> None:
    text, steps = PROGRAMS[name]
    path = write(tmp_path, name, text(steps(), failed=bad))
    frames = read_frames(path)
    assert [frame.unconverged for frame in frames] == [index == bad for index in range(3)]
    assert (frames[bad].energy, frames[bad].forces, frames[bad].stress) == (None, None, None)
    kept, (message,) = leave_out(frames)
    assert_labels(kept, [atoms for index, atoms in enumerate(steps()) if index != bad])
    assert "1 of 3 frames are left out" in message
    assert f"{path} (frame {bad + 1})" in message
    assert read_atoms(path)[bad][0].calc is None


def test_vasp_6_says_so_itself(tmp_path: Path) -> None:
    text = outputs.outcar(crystals(), failed=1, announced=True).replace(
        "NELM   =      7", "NELM   =     60"
    )
    frames = read_frames(write(tmp_path, "OUTCAR", text))
    assert [frame.unconverged for frame in frames] == [False, True, False]


@each_program
def test_a_run_that_was_cut_short_keeps_its_whole_steps(tmp_path: Path, name: str) -> None:
    text, steps = PROGRAMS[name]
    full = text(steps())
    for share in (0.55, 0.7, 0.9):
        path = write(tmp_path, name, full[: int(share * len(full))])
        try:
            frames = read_frames(path)
        except FormatError:
            continue
        complete = [
            frame for frame in frames if frame.forces is not None and frame.energy is not None
        ]
        assert len(complete) < 3
        for frame, atoms in zip(complete, steps(), strict=False):
            np.testing.assert_allclose(frame.forces, atoms.calc.results["forces"], atol=1e-5)


def test_only_the_trace_of_the_stress_is_no_stress(tmp_path: Path) -> None:
    for name, old, new in (
        ("OUTCAR", "ISIF   =      3", "ISIF   =      1"),
        ("vasprun.xml", 'name="ISIF">2', 'name="ISIF">1'),
    ):
        text = PROGRAMS[name][0](crystals()).replace(old, new)
        assert all(f.stress is None for f in read_frames(write(tmp_path, name, text)))


def test_a_poscar_of_another_run_does_no_harm(tmp_path: Path) -> None:
    write(tmp_path, "POSCAR", "not even a structure\n")
    assert_labels(read_frames(write(tmp_path, "OUTCAR", outputs.outcar(crystals()))), crystals())


def test_exact_exchange_of_espresso(tmp_path: Path) -> None:
    path = write(tmp_path, "pw.out", outputs.espresso(crystals(), hybrid=True))
    assert_labels(read_frames(path), crystals())


def test_forces_of_gaussian_in_other_axes_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "g.log", outputs.gaussian(molecules(), turned=True))
    with pytest.raises(FormatError, match=r"g.log: .*torque.*nosymm"):
        read_frames(path)


def test_older_layout_of_cp2k(tmp_path: Path) -> None:
    path = write(tmp_path, "cp2k.out", outputs.cp2k(crystals(), modern=False))
    assert_labels(read_frames(path), crystals())


def without_stress(steps: list[Atoms]) -> list[Atoms]:
    for atoms in steps:
        atoms.calc.results["stress"] = None
    return steps


def test_a_trajectory_of_cp2k_has_its_parts_in_several_files(tmp_path: Path) -> None:
    for name, text in outputs.cp2k_trajectory(crystals()).items():
        write(tmp_path, name, text)
    frames = read_frames(tmp_path / "run-pos-1.xyz")
    assert_labels(frames, without_stress(crystals()))
    assert frames[1].source.endswith("run-pos-1.xyz:11 (frame 2)")
    (tmp_path / "run-1.cell").unlink()
    with pytest.raises(InputError, match=r"run-pos-1.xyz: no cell; .*run-1\.cell"):
        read_frames(tmp_path / "run-pos-1.xyz")


def test_steps_that_a_restart_repeats_come_once(tmp_path: Path) -> None:
    for name, text in outputs.cp2k_trajectory(crystals()).items():
        write(tmp_path, name, text + text if "-pos-" in name else text)
    assert len(read_frames(tmp_path / "run-pos-1.xyz")) == 3


def test_a_log_of_dynamics_of_cp2k_names_the_trajectory(tmp_path: Path) -> None:
    text = outputs.cp2k(crystals())
    later = text.replace("ATOMIC COORDINATES", "COORDINATES")
    path = write(tmp_path, "md.out", outputs.cp2k(crystals(1)) + later)
    with pytest.raises(FormatError, match=r"md.out: .*PROJECT-pos-1.xyz"):
        read_frames(path)


def test_databases_keep_groups_and_name_rows(tmp_path: Path) -> None:
    with ase.db.connect(tmp_path / "a.db") as database:
        for index, atoms in enumerate(crystals()):
            database.write(atoms, group=f"kind {index}", trajectory="run 1")
        database.write(bulk("Si"))
    frames = read_frames(tmp_path / "a.db")
    assert_labels(frames[:3], crystals())
    assert [frame.group for frame in frames[:3]] == ["kind 0", "kind 1", "kind 2"]
    assert frames[0].trajectory == "run 1"
    assert frames[3].source.endswith("a.db (row 4)")
    kept, (message,) = leave_out(frames)
    assert len(kept) == 3
    assert "1 of 4 frames are left out: rows of a database" in message
    check_trainable(kept)


def test_a_set_of_nothing_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "OUTCAR", outputs.outcar(crystals(1), failed=0))
    with pytest.raises(InputError, match="no frame is left"):
        leave_out(read_frames(path))


@pytest.mark.parametrize("name", ["x.db", "x.traj", "x.json"])
def test_forces_are_raw_and_energies_belong_to_them(tmp_path: Path, name: str) -> None:
    (atoms,) = crystals(1)
    forces = atoms.calc.results["forces"].copy()
    atoms.set_constraint(FixAtoms(range(8)))
    atoms.calc.results["free_energy"] = -123.0
    ase.io.write(tmp_path / name, atoms)
    (frame,) = read_frames(tmp_path / name)
    np.testing.assert_allclose(frame.forces, forces)
    assert frame.energy == -123.0
    ((atoms, _),) = read_atoms(tmp_path / name)
    assert atoms.calc.results["energy"] == -123.0


def test_an_xyz_file_means_what_its_keys_say(tmp_path: Path) -> None:
    (atoms,) = crystals(1)
    atoms.calc.results["free_energy"] = -123.0
    ase.io.write(tmp_path / "x.xyz", atoms)
    (frame,) = read_frames(tmp_path / "x.xyz")
    assert frame.energy == pytest.approx(atoms.calc.results["energy"])


@each_program
def test_damaged_outputs_raise_only_our_errors(tmp_path: Path, name: str) -> None:
    text, steps = PROGRAMS[name]
    lines = text(steps()).splitlines()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        damaged = list(lines)
        place = rng.integers(2, len(damaged))
        damaged[place] = rng.choice(
            ["", "********", "nan", damaged[place][: len(damaged[place]) // 2]]
        )
        try:
            for frame in read_frames(write(tmp_path, name, "\n".join(damaged))):
                assert frame.energy is None or np.isfinite(frame.energy)
        except (FormatError, InputError) as error:
            refused += str(error).startswith(str(tmp_path / name))
    assert refused


def test_folders_and_patterns_are_files(tmp_path: Path) -> None:
    text = outputs.outcar(crystals(1))
    for run in ("b", "a"):
        write(tmp_path, f"{run}/OUTCAR", text)
    write(tmp_path, "a/vasprun.xml", outputs.vasprun(crystals(1)))
    write(tmp_path, "a/slurm-1.out", "job 1\n")
    write(tmp_path, "a/.hidden/OUTCAR", text)
    for name, content in outputs.cp2k_trajectory(crystals()).items():
        write(tmp_path, f"c/{name}", content)
    write(tmp_path, "c/md.out", outputs.cp2k(crystals(1)))
    below = [str(file.relative_to(tmp_path)) for file in find_files([tmp_path])]
    assert below == ["a/vasprun.xml", "b/OUTCAR", "c/run-pos-1.xyz"]
    assert len(find_files([tmp_path / "*" / "OUTCAR"])) == 2
    assert len(find_files([tmp_path / "a" / "OUTCAR", tmp_path / "*" / "OUTCAR"])) == 2
    assert len(read_sets([tmp_path / "a", tmp_path / "b"])) == 2


def test_brackets_and_spaces_in_names_are_literal(tmp_path: Path) -> None:
    path = write(tmp_path, "a[1] $(b).out", outputs.espresso(crystals(1)))
    assert find_files([path]) == [path]
    assert len(read_frames(path)) == 1


@pytest.mark.parametrize(("name", "message"), [("*.db", "no file matches"), ("", "holds no file")])
def test_nothing_found_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_files([tmp_path / name])
