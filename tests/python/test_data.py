"""Data sets: labels mean what ASE says, and what cannot be trained on is refused by name."""

from __future__ import annotations

import gzip
import random
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from mtpot.data import read_atoms, read_frames, write_atoms
from mtpot.data.arrays import voigt
from mtpot.data.atoms import frame_from_atoms, with_grades, with_predictions
from mtpot.data.cfg import format_cfg
from mtpot.data.check import (
    check_distances,
    check_elements,
    check_trainable,
    elements_of,
    find_conflicts,
    find_lookalikes,
    find_overlaps,
)
from mtpot.data.frame import Frame
from mtpot.data.split import split_off
from mtpot.errors import FormatError, InputError, MtpotError

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ["x.traj", "x.json", "x.extxyz", "x.xyz", "x.xyz.gz", "x.cfg", "x.cfg.gz", "x.cfg.xz"]
LATTICE = 'Lattice="4 0 0 0 4 0 0 0 4"'
STRESS = 'stress="1 6 5 6 2 4 5 4 3"'
STRESSES = ("stress", "ref_stress")
PROPERTIES = "Properties=species:S:1:pos:R:3:forces:R:3"
FRAME = f"""\
2
{LATTICE} {PROPERTIES} energy=-3.5 {STRESS} group=bulk
Si 0.0 0.0 0.0 0.1 0.2 0.3
Si 2.0 2.0 2.0 -0.1 -0.2 -0.3
"""


def write(folder: Path, text: str, name: str = "train.xyz") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def labeled(seed: int = 0) -> Atoms:
    rng = np.random.default_rng(seed)
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.rattle(0.1, seed=seed)
    atoms.calc = SinglePointCalculator(
        atoms, energy=float(rng.normal()), forces=rng.normal(size=(2, 3)), stress=rng.normal(size=6)
    )
    return atoms


def test_labels_of_extended_xyz(tmp_path: Path) -> None:
    (frame,) = read_frames(write(tmp_path, FRAME))
    assert frame.symbols == ("Si", "Si")
    assert frame.energy == -3.5
    assert frame.group == "bulk"
    assert frame.pbc.all()
    np.testing.assert_array_equal(frame.forces, [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]])
    np.testing.assert_array_equal(frame.stress, [1, 2, 3, 4, 5, 6])


def test_virial_is_minus_volume_times_stress(tmp_path: Path) -> None:
    text = FRAME.replace(STRESS, 'virial="-64 -384 -320 -384 -128 -256 -320 -256 -192"')
    (frame,) = read_frames(write(tmp_path, text))
    np.testing.assert_allclose(frame.stress, [1, 2, 3, 4, 5, 6])


def test_six_numbers_of_stress_are_in_voigt_order(tmp_path: Path) -> None:
    (frame,) = read_frames(write(tmp_path, FRAME.replace(STRESS, 'stress="1 2 3 4 5 6"')))
    np.testing.assert_array_equal(frame.stress, [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("keys", "group"),
    [
        ("group=a config_type=b", "a"),
        ("config_type=b", "b"),
        ("", "all"),
    ],
    ids=["group", "config_type", "neither"],
)
def test_groups(tmp_path: Path, keys: str, group: str) -> None:
    (frame,) = read_frames(write(tmp_path, FRAME.replace("group=bulk", keys)))
    assert frame.group == group


def test_every_label_is_optional_when_reading(tmp_path: Path) -> None:
    (frame,) = read_frames(write(tmp_path, "1\n\nH 0 0 0\n"))
    assert (frame.energy, frame.forces, frame.stress) == (None, None, None)


def test_compressed_files(tmp_path: Path) -> None:
    path = tmp_path / "train.xyz.gz"
    path.write_bytes(gzip.compress(FRAME.encode()))
    assert len(read_frames(path)) == 1


def test_frames_after_a_blank_line_are_read(tmp_path: Path) -> None:
    assert len(read_frames(write(tmp_path, FRAME + "\n" + FRAME + "\n\n"))) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_labels_survive_every_format(tmp_path: Path, name: str) -> None:
    images = [labeled(seed) for seed in range(3)]
    write_atoms(tmp_path / name, images, species=["Na", "Cl"])
    for frame, atoms in zip(read_frames(tmp_path / name, ["Na", "Cl"]), images, strict=True):
        results = atoms.calc.results
        np.testing.assert_allclose(frame.energy, results["energy"], rtol=1e-12)
        np.testing.assert_allclose(frame.forces, results["forces"], atol=1e-8)
        np.testing.assert_allclose(frame.stress, results["stress"], atol=1e-8)
        np.testing.assert_allclose(frame.positions, atoms.positions, atol=1e-8)


MALFORMED = {
    "nan-force": (FRAME.replace("0.1 0.2 0.3", "0.1 nan 0.3"), r":5 \(frame 2\): .*atom 1"),
    "infinite-position": (FRAME.replace("2.0 2.0 2.0", "2.0 inf 2.0"), r":5 .*position of atom 2"),
    "nan-energy": (FRAME.replace("-3.5", "nan"), r":5 .*energy is not finite"),
    "word-energy": (FRAME.replace("-3.5", "low"), r":5 .*energy is no number"),
    "nan-stress": (FRAME.replace('"1 6', '"nan 6'), r":6 .*stress is not finite"),
    "eight-stresses": (FRAME.replace(' 3"', '"'), r":6 .*stress has 8 numbers"),
    "asymmetric-stress": (FRAME.replace('"1 6', '"1 7'), r":6 .*stress is not symmetric"),
    "asymmetric-virial": (FRAME.replace(STRESS, 'virial="1 2 3 4 5 6 7 8 9"'), r":6 .*virial"),
    "wrong-sign": (
        FRAME.replace(STRESS, 'stress="1 1 1 0 0 0" virial="64 64 64 0 0 0"'),
        r":5 .*disagree",
    ),
    "missing-column": (FRAME.replace("0.1 0.2 0.3", "0.1 0.2"), r":7 \(frame 2\): 6 columns"),
    "surplus-column": (FRAME.replace("-0.3", "-0.3 9"), r":8 \(frame 2\): 8 columns"),
    "bad-properties": (FRAME.replace("pos:R:3", "pos:R"), r":6 .*name:type:count"),
    "word-for-number": (FRAME.replace("0.1 0.2", "0.1 abc"), r":7 .*'abc' in forces is no number"),
    "word-for-position": (FRAME.replace("Si 2.0", "Si 2,0"), r":8 .*'2,0' in pos is no number"),
    "no-element": (FRAME.replace("Si 2.0", "Qq 2.0"), r":8 .*no element Qq"),
    "dummy-atom": (FRAME.replace("Si 2.0", "X 2.0"), r":5 .*no element X"),
    "cut": (FRAME[:-40], r":5 \(frame 2\): "),
    "last-atom-missing": (FRAME.replace("2\n", "3\n", 1), r":5 .*ends after 2 of 3 atoms"),
    "bad-count": (FRAME.replace("2\n", "two\n", 1), r":5 .*'two'"),
    "negative-count": (FRAME.replace("2\n", "-2\n", 1), r":5 "),
    "zero-volume": (FRAME.replace('0 0 4"', '0 4 0"'), r":5 .*no volume"),
    "nan-cell": (FRAME.replace('0 0 4"', '0 0 nan"'), r":5 .*cell"),
    "stress-without-cell": (FRAME.replace(LATTICE, ""), r":5 .*needs periodicity"),
    "stress-of-a-cluster": (
        FRAME.replace("energy", 'pbc="F F F" energy'),
        r":5 .*needs periodicity",
    ),
    "endless-count": ("9" * 5000 + FRAME[1:], r":5 "),
    "endless-columns": (FRAME.replace("pos:R:3", "pos:R:" + "3" * 5000), r":6 .*name:type:count"),
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_frames_are_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, FRAME + text)
    with pytest.raises(FormatError, match=message) as caught:
        read_frames(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", ["broken.traj", "broken.json", "POSCAR", "broken.unknown"])
def test_what_ase_cannot_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError, match=name):
        read_frames(write(tmp_path, "no such format\n", name))


def test_missing_folder_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_frames(tmp_path / "absent.xyz")
    with pytest.raises(InputError, match="is a folder"):
        read_frames(tmp_path)
    with pytest.raises(InputError, match="no structure"):
        read_frames(write(tmp_path, ""))


def test_a_frame_without_energy_cannot_be_trained_on(tmp_path: Path) -> None:
    frames = read_frames(write(tmp_path, FRAME + FRAME.replace("energy=-3.5 ", "")))
    with pytest.raises(InputError, match=r"train.xyz:5 \(frame 2\): no energy"):
        check_trainable(frames)


def test_an_unknown_element_is_named(tmp_path: Path) -> None:
    frames = read_frames(write(tmp_path, FRAME + FRAME.replace("Si 2.0", "Ge 2.0")))
    with pytest.raises(InputError, match=r":5 \(frame 2\): .*Si and knows no Ge"):
        check_elements(frames, ["Si"], "name it")


def test_coincident_atoms_are_refused_by_frame(tmp_path: Path) -> None:
    near = FRAME.replace("2.0 2.0 2.0", "4.0 4.0 4.0")
    check_distances(read_frames(write(tmp_path, FRAME)))
    with pytest.raises(InputError, match=r"train.xyz:5 \(frame 2\): .*apart"):
        check_distances(read_frames(write(tmp_path, FRAME + near)))


LOOKALIKES = {
    "REF_energy": ("energy=", "REF_energy=", "energy"),
    "TotEnergy": ("energy=", "TotEnergy=", "energy"),
    "REF_forces": (":forces:", ":REF_forces:", "forces"),
    "frc": (":forces:", ":frc:", "forces"),
    "dft_stress": ("stress=", "dft_stress=", "stress"),
}


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_looks_like_a_missing_label_is_named(tmp_path: Path, name: str) -> None:
    old, new, label = LOOKALIKES[name]
    frames = read_frames(write(tmp_path, FRAME + 2 * FRAME.replace(old, new)))
    (message,) = find_lookalikes(frames)
    assert f"2 frames have no {label} but {name}" in message
    if label == "energy":
        with pytest.raises(InputError, match=f"rename {name} to energy"):
            check_trainable(frames)


def test_a_key_beside_its_label_is_no_lookalike(tmp_path: Path) -> None:
    frames = read_frames(
        write(tmp_path, FRAME.replace("energy=", "REF_energy=1 energies=2 energy="))
    )
    assert find_lookalikes(frames) == []


def test_the_stress_of_a_slab_is_kept(tmp_path: Path) -> None:
    (frame,) = read_frames(write(tmp_path, FRAME.replace("energy", 'pbc="T T F" energy')))
    np.testing.assert_array_equal(frame.stress, [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize("name", ["empty.traj", "empty.json"])
def test_frames_without_atoms_are_refused(tmp_path: Path, name: str) -> None:
    ase.io.write(tmp_path / name, [labeled(), Atoms()])
    with pytest.raises(FormatError, match=rf"{name} \(frame 2\): .*without atoms"):
        read_frames(tmp_path / name)


@pytest.mark.parametrize("name", ["x.xyz.gz", "x.cfg.gz", "x.cfg.bz2", "x.xyz.xz"])
def test_damaged_compression_is_refused(tmp_path: Path, name: str) -> None:
    write_atoms(tmp_path / name, [labeled()], species=["Na", "Cl"])
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 0xFF
    for damaged in (bytes(content), bytes(content[: len(content) // 2]), b"plain"):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises((InputError, FormatError), match=name):
            read_frames(tmp_path / name, ["Na", "Cl"])


def test_several_structures_do_not_fit_one_poscar(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds one structure, and these are 2; write \.xyz"):
        write_atoms(tmp_path / "POSCAR", [labeled(0), labeled(1)])
    assert list(tmp_path.iterdir()) == []


def test_features_of_several_lines_go_through_xyz(tmp_path: Path) -> None:
    frame = frame_from_atoms(labeled())
    features = {"log": 'a "b" c\nd', "energy": "by VASP", "Lattice": "fcc", "path": "C:\\temp"}
    (tmp_path / "a.cfg").write_text(format_cfg([frame], ["Na", "Cl"], [features]))
    ((atoms, _),) = read_atoms(tmp_path / "a.cfg", ["Na", "Cl"])
    write_atoms(tmp_path / "b.xyz", [atoms])
    assert ase.io.read(tmp_path / "b.xyz").get_potential_energy() == frame.energy
    ((atoms, _),) = read_atoms(tmp_path / "b.xyz")
    assert atoms.info["log"] == features["log"]
    write_atoms(tmp_path / "c.cfg", [atoms], species=["Na", "Cl"])
    text = (tmp_path / "c.cfg").read_text()
    for line in ('log\ta "b" c\n', "log\td\n", "energy\tby VASP\n", "Lattice\tfcc\n"):
        assert f" Feature   {line}" in text
    assert "C:\\temp" in text


def test_weights_and_the_unconverged_mark_go_through_cfg(tmp_path: Path) -> None:
    said = ["weight=5 energy_weight=0", "force_weight=0.25", "unconverged=T", ""]
    text = "".join(FRAME.replace("group=bulk", each) for each in said)
    frames = read_frames(write(tmp_path, text))
    assert [frame.weights for frame in frames[:2]] == [(0.0, 5.0, 5.0), (1.0, 0.25, 1.0)]
    source = tmp_path / "train.xyz"
    for name in ("a.cfg", "b.cfg", "c.xyz"):
        write_atoms(tmp_path / name, [a for a, _ in read_atoms(source, ["Si"])], species=["Si"])
        source = tmp_path / name
        again = read_frames(source, ["Si"])
        assert [frame.weights for frame in again] == [frame.weights for frame in frames]
        assert [frame.unconverged for frame in again] == [False, False, True, False]


def test_labels_of_a_cfg_block_that_is_marked_unconverged_do_not_count(tmp_path: Path) -> None:
    text = format_cfg([frame_from_atoms(labeled())], ["Na", "Cl"], [{"unconverged": "True"}])
    (frame,) = read_frames(write(tmp_path, text, "x.cfg"), ["Na", "Cl"])
    assert frame.unconverged
    assert (frame.energy, frame.forces, frame.stress) == (None, None, None)


@pytest.mark.parametrize(
    ("value", "message"), [("much", "no number: 'much'"), ("-1", "not negative"), ("1e999", "fini")]
)
def test_a_weight_of_a_cfg_file_that_is_none_is_refused(
    tmp_path: Path, value: str, message: str
) -> None:
    text = format_cfg([frame_from_atoms(labeled())], ["Na", "Cl"], [{"force_weight": value}])
    with pytest.raises(FormatError, match=rf"x\.cfg:1 \(frame 1\): .*force_weight.*{message}"):
        read_frames(write(tmp_path, text, "x.cfg"), ["Na", "Cl"])


def test_grades_have_the_names_of_mlip_in_cfg_files(tmp_path: Path) -> None:
    graded = with_grades(labeled(), np.array([0.5, 2.5]), 2.5)
    write_atoms(tmp_path / "g.cfg", [graded], species=["Na", "Cl"])
    ((again, _),) = read_atoms(tmp_path / "g.cfg", ["Na", "Cl"])
    assert again.info["MV_grade"] == "2.5"
    np.testing.assert_array_equal(again.arrays["nbh_grades"], [0.5, 2.5])
    write_atoms(tmp_path / "h.cfg", [again], species=["Na", "Cl"])
    assert (tmp_path / "h.cfg").read_text() == (tmp_path / "g.cfg").read_text()


def mutated(text: str, rng: random.Random) -> str:
    """The text with a few characters, words or lines changed, dropped or repeated."""
    parts = re.split(rng.choice([r"(\s+)", r"(\n)", r"()"]), text)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(parts))
        odd = [
            "",
            "-1",
            "nan",
            "1e999",
            "0",
            "9" * 5000,
            "\x00",
            "é",
            '"',
            "{",
            "_",
            "\n",
            "=",
            "²",
        ]
        parts[place] = rng.choice([*odd, parts[rng.randrange(len(parts))], 2 * parts[place]])
    return "".join(parts)


@pytest.mark.parametrize("name", ["x.xyz", "x.cfg"])
def test_whatever_is_in_a_file_only_our_errors_escape(tmp_path: Path, name: str) -> None:
    text = FRAME
    if name == "x.cfg":
        text = format_cfg([frame_from_atoms(labeled())], ["Na", "Cl"], [{"note": "a\nb"}])
    rng = random.Random(0)
    refused = 0
    for _ in range(1000):
        path = write(tmp_path, mutated(text, rng), name)
        try:
            read_frames(path, ["Na", "Cl"])
        except MtpotError:
            refused += 1
    assert 200 < refused < 1000


def test_elements_come_by_atomic_number() -> None:
    frames = [frame_from_atoms(Atoms("TiO")), frame_from_atoms(Atoms("LiO"))]
    assert elements_of(frames) == ("Li", "O", "Ti")


def test_structures_in_two_sets_are_found_whatever_their_labels() -> None:
    frame = Frame(("H", "H"), np.eye(3)[:2], 5.0 * np.eye(3), np.ones(3, bool), source="a")
    moved = replace(frame, positions=frame.positions + 0.01, source="b")
    again = replace(moved, positions=moved.positions + 1e-9, energy=1.0, source="c")
    kinds = {"training": [frame, moved, frame], "validation": [], "test": [again, frame]}
    (overlap,) = find_overlaps(kinds)
    assert (overlap.kind, overlap.other) == ("test", "training")
    assert overlap.pairs == [("c", "b"), ("a", "a")]
    assert "2 test frames repeat structures of training frames" in str(overlap)
    assert not find_overlaps({"training": [frame], "test": [moved, again]})


def test_conflicting_duplicates_are_found() -> None:
    frame = frame_from_atoms(labeled(), "a")
    assert frame.energy is not None
    moved = replace(frame, positions=frame.positions + 0.01, energy=5.0, source="moved")
    same = replace(frame, source="same")
    other = replace(frame, energy=frame.energy + 0.5, source="other")
    (conflict,) = find_conflicts([frame, moved, same, other])
    assert (conflict.first, conflict.second) == ("a", "other")
    assert conflict.difference == pytest.approx(0.25)


def test_predictions_keep_labels_and_everything_else(tmp_path: Path) -> None:
    atoms = labeled()
    atoms.info["note"] = "kept"
    atoms.set_array("charge_guess", np.array([1.0, -1.0]))
    frame = frame_from_atoms(atoms)
    forces, stress = np.ones((2, 3)), np.arange(6.0)
    predicted = with_predictions(atoms, frame, 1.25, forces, stress)
    write_atoms(tmp_path / "out.xyz", [predicted])
    out = ase.io.read(tmp_path / "out.xyz")
    assert out.get_potential_energy() == 1.25
    np.testing.assert_array_equal(out.get_forces(), forces)
    np.testing.assert_array_equal(out.get_stress(), stress)
    assert out.info["ref_energy"] == frame.energy
    np.testing.assert_allclose(out.arrays["ref_forces"], frame.forces, atol=1e-8)
    np.testing.assert_allclose(voigt(out.info["ref_stress"], "stress"), frame.stress)
    text = (tmp_path / "out.xyz").read_text()
    count = {key: len(re.search(rf'\b{key}="([^"]*)"', text)[1].split()) for key in STRESSES}
    assert count == {"stress": 9, "ref_stress": 9}
    assert out.info["note"] == "kept"
    np.testing.assert_array_equal(out.arrays["charge_guess"], [1.0, -1.0])
    assert atoms.get_potential_energy() == frame.energy


def test_grades_leave_the_labels(tmp_path: Path) -> None:
    atoms = labeled()
    write_atoms(tmp_path / "out.xyz", [with_grades(atoms, np.array([0.5, 2.5]), 2.5)])
    out = ase.io.read(tmp_path / "out.xyz")
    assert out.info["grade"] == 2.5
    np.testing.assert_array_equal(out.arrays["grades"], [0.5, 2.5])
    assert out.get_potential_energy() == atoms.get_potential_energy()


def test_features_of_cfg_survive_as_info(tmp_path: Path) -> None:
    atoms = labeled()
    atoms.info["EFS_by"] = "MultiMTP6"
    write_atoms(tmp_path / "x.cfg", [atoms], species=["Na", "Cl"])
    ((again, _),) = read_atoms(tmp_path / "x.cfg", ["Na", "Cl"])
    assert again.info["EFS_by"] == "MultiMTP6"


def test_an_existing_target_stays_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, "precious", "out.xyz")
    with pytest.raises(InputError, match="--overwrite"):
        write_atoms(path, [labeled()])
    assert path.read_text() == "precious"


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "precious", "out.cfg")
    with pytest.raises(InputError, match="Cl"):
        write_atoms(path, [labeled()], overwrite=True, species=["Na"])
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def grouped(counts: dict[str, int]) -> list[Frame]:
    base, rng = frame_from_atoms(labeled()), np.random.default_rng(0)
    return [
        replace(base, group=group, source=f"{group} {index}", cell=base.cell + rng.random())
        for group, count in counts.items()
        for index in range(count)
    ]


def test_split_takes_its_share_of_every_group() -> None:
    frames = grouped({"bulk": 40, "surface": 20, "dimer": 1})
    kept, aside = split_off(frames, 0.1, seed=0)
    assert [sum(f.group == g for f in aside) for g in ("bulk", "surface", "dimer")] == [4, 2, 0]
    assert {f.source for f in kept} | {f.source for f in aside} == {f.source for f in frames}
    assert len(kept) + len(aside) == len(frames)


def test_split_follows_its_seed() -> None:
    frames = grouped({"bulk": 40})
    sources = [[f.source for f in split_off(frames, 0.25, seed)[1]] for seed in (0, 0, 1)]
    assert sources[0] == sources[1] != sources[2]
    assert split_off(frames, 0.0, seed=0) == (frames, [])
