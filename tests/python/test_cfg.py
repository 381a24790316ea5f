"""MLIP's .cfg files: what is written is read back bit for bit, and nothing malformed passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mtpot.data.cfg import format_cfg, read_cfg, read_records
from mtpot.data.frame import Frame
from mtpot.errors import FormatError, InputError

if TYPE_CHECKING:
    from pathlib import Path

COMPLETE = """\
BEGIN_CFG
 Size
    2
 Supercell
    4.0 0.0 0.0
    0.0 4.0 0.0
    0.0 0.0 5.0
 AtomData:  id type cartes_x cartes_y cartes_z fx fy fz
    1 0 0.0 0.0 0.0 0.1 0.2 0.3
    2 1 2.0 2.0 2.5 -0.1 -0.2 -0.3
 Energy
    -7.5
 PlusStress:  xx yy zz yz xz xy
    8.0 16.0 24.0 0.8 1.6 2.4
 Feature   group\tbulk
END_CFG
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "frames.cfg"
    path.write_text(text)
    return path


def random_frame(seed: int, pbc: tuple[bool, bool, bool]) -> Frame:
    rng = np.random.default_rng(seed)
    periodic = np.array(pbc)
    cell = np.where(periodic[:, None], 4.0 * np.eye(3) + rng.normal(size=(3, 3)) * 0.3, 0.0)
    return Frame(
        symbols=("Ni", "Al", "Ni"),
        positions=rng.normal(size=(3, 3)) * 10.0 ** rng.integers(-8, 8, size=(3, 3)),
        cell=cell,
        pbc=periodic,
        energy=float(rng.normal() * 1e3),
        forces=rng.normal(size=(3, 3)),
        stress=rng.normal(size=6) if all(pbc) else None,
        group="bulk",
    )


@pytest.mark.parametrize(
    "pbc",
    [(True, True, True), (True, True, False), (False, True, False), (False, False, False)],
    ids=["bulk", "slab", "wire", "cluster"],
)
def test_a_frame_survives_bit_for_bit(tmp_path: Path, pbc: tuple[bool, bool, bool]) -> None:
    frame = random_frame(1, pbc)
    (again,) = read_cfg(write(tmp_path, format_cfg([frame], ["Al", "Ni"])), ["Al", "Ni"])
    assert again.symbols == frame.symbols
    assert again.group == frame.group
    assert again.energy == frame.energy
    for name in ("positions", "cell", "pbc", "forces"):
        np.testing.assert_array_equal(getattr(again, name), getattr(frame, name), name)
    if frame.stress is not None:
        np.testing.assert_allclose(again.stress, frame.stress, rtol=1e-14)


def test_plus_stress_is_minus_volume_times_stress(tmp_path: Path) -> None:
    (frame,) = read_cfg(write(tmp_path, COMPLETE), ["Al", "Ni"])
    np.testing.assert_allclose(frame.stress, -np.array([8.0, 16.0, 24.0, 0.8, 1.6, 2.4]) / 80.0)
    np.testing.assert_allclose(frame.virial, [8.0, 16.0, 24.0, 0.8, 1.6, 2.4])


def test_columns_of_plus_stress_go_by_name(tmp_path: Path) -> None:
    text = COMPLETE.replace("xx yy zz yz xz xy", "xx yy zz xy xz yz")
    (frame,) = read_cfg(write(tmp_path, text), ["Al", "Ni"])
    np.testing.assert_allclose(frame.virial, [8.0, 16.0, 24.0, 2.4, 1.6, 0.8])


def test_labels_may_be_missing(tmp_path: Path) -> None:
    text = (
        "BEGIN_CFG\n Size\n 1\n AtomData: id type cartes_x cartes_y cartes_z\n 1 0 1 2 3\nEND_CFG"
    )
    (frame,) = read_cfg(write(tmp_path, text), ["Si"])
    assert (frame.energy, frame.forces, frame.stress) == (None, None, None)
    assert not frame.pbc.any()


@pytest.mark.parametrize(
    ("rows", "pbc"),
    [
        ("3 0 0\n0 3 0\n0 0 3", (True, True, True)),
        ("3 0 0\n0 3 0", (True, True, False)),
        ("3 0 0\n0 0 0\n0 0 3", (True, False, True)),
        ("0 0 0\n0 3 0", (False, True, False)),
    ],
    ids=["bulk", "missing-row", "zero-row", "zero-then-missing"],
)
def test_a_zero_or_missing_row_has_no_periodicity(
    tmp_path: Path, rows: str, pbc: tuple[bool, bool, bool]
) -> None:
    text = COMPLETE.replace("4.0 0.0 0.0\n    0.0 4.0 0.0\n    0.0 0.0 5.0", rows)
    (frame,) = read_cfg(write(tmp_path, text), ["Al", "Ni"])
    assert tuple(frame.pbc) == pbc


def test_fractional_coordinates(tmp_path: Path) -> None:
    text = COMPLETE.replace("cartes", "direct").replace("2.0 2.0 2.5", "0.5 0.25 0.5")
    (frame,) = read_cfg(write(tmp_path, text), ["Al", "Ni"])
    np.testing.assert_allclose(frame.positions[1], [2.0, 1.0, 2.5])


def test_further_columns_and_features_are_kept(tmp_path: Path) -> None:
    text = COMPLETE.replace("fz\n", "fz nbh_grades magmom_x\n").replace("0.3\n", "0.3 1.5 2\n")
    text = text.replace("END_CFG", " Feature   note\ta b\n Feature   note\tc\nEND_CFG")
    (record,) = read_records(write(tmp_path, text), ["Al", "Ni"])
    assert record.features == {"group": "bulk", "note": "a b\nc"}
    np.testing.assert_array_equal(record.columns["nbh_grades"], [1.5, 1.5])
    np.testing.assert_array_equal(record.columns["magmom_x"], [2.0, 2.0])


def test_plus_stress_of_a_cluster_is_dropped(tmp_path: Path) -> None:
    cell = " Supercell\n    4.0 0.0 0.0\n    0.0 4.0 0.0\n    0.0 0.0 5.0\n"
    (frame,) = read_cfg(write(tmp_path, COMPLETE.replace(cell, "")), ["Al", "Ni"])
    assert frame.stress is None
    assert frame.energy == -7.5


def test_further_columns_are_written(tmp_path: Path) -> None:
    frame = random_frame(4, (True, True, True))
    columns = {"nbh_grades": np.array([0.5, 1.5, 2.5]), "charge": np.zeros(3)}
    text = format_cfg([frame], ["Al", "Ni"], columns=[columns])
    (record,) = read_records(write(tmp_path, text), ["Al", "Ni"])
    np.testing.assert_array_equal(record.columns["nbh_grades"], columns["nbh_grades"])
    assert set(record.columns) == set(columns)


def test_features_are_written_line_by_line(tmp_path: Path) -> None:
    frame = random_frame(2, (True, True, True))
    features = {"selected_eqn_inds": "209,217", "log": "first\nsecond"}
    text = format_cfg([frame], ["Al", "Ni"], [features])
    assert " Feature   selected_eqn_inds\t209,217\n" in text
    (record,) = read_records(write(tmp_path, text), ["Al", "Ni"])
    assert record.features == features | {"group": "bulk"}


def test_an_element_without_a_type_is_named() -> None:
    with pytest.raises(InputError, match="Ni"):
        format_cfg([random_frame(3, (True, True, True))], ["Al", "Ti"])


def test_species_are_required(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--species"):
        read_cfg(write(tmp_path, COMPLETE), [])


MALFORMED = {
    "no-end": (COMPLETE.replace("END_CFG\n", ""), r":15: .*END_CFG"),
    "cut-in-atoms": (COMPLETE[:170], r"frames.cfg:\d+: "),
    "nan-energy": (COMPLETE.replace("-7.5", "nan"), r":12: Energy is not finite"),
    "infinite-force": (COMPLETE.replace("0.1 0.2 0.3", "0.1 inf 0.3"), r":9: fy is not finite"),
    "word-for-number": (
        COMPLETE.replace("2.0 2.0 2.5", "2.0 x 2.5"),
        r":10: cartes_y is no number",
    ),
    "underscore": (COMPLETE.replace("-7.5", "-7_5"), r":12: Energy is no number"),
    "missing-column": (COMPLETE.replace(" 0.1 0.2 0.3", " 0.1 0.2"), r":9: 7 columns"),
    "surplus-column": (COMPLETE.replace("0.1 0.2 0.3", "0.1 0.2 0.3 4"), r":9: 9 columns"),
    "unknown-column": (COMPLETE.replace("fz", "gz"), r":8: unknown column gz"),
    "half-of-forces": (COMPLETE.replace(" fx fy fz", " fx fy"), r":8: forces need"),
    "no-positions": (COMPLETE.replace("cartes_x", "site_en"), r":8: .*cartes_x"),
    "too-few-atoms": (COMPLETE.replace("    2\n", "    3\n", 1), r":11: "),
    "too-many-atoms": (COMPLETE.replace("    2\n", "    1\n", 1), r":10: expected a section"),
    "huge-count": (COMPLETE.replace("    2\n", "    99999999999\n", 1), r":11: "),
    "negative-count": (COMPLETE.replace("    2\n", "    -2\n", 1), r":3: "),
    "endless-count": (COMPLETE.replace("    2\n", "9" * 5000 + "\n", 1), r":3: "),
    "endless-type": (COMPLETE.replace("2 1 2.0", f"2 {'1' * 5000} 2.0"), r":10: type"),
    "empty": (COMPLETE.replace("    2\n", "    0\n", 1), r":3: "),
    "unknown-type": (COMPLETE.replace("2 1 2.0", "2 7 2.0"), r":1 \(frame 1\): .*type 7"),
    "repeated-id": (COMPLETE.replace("2 1 2.0", "1 1 2.0"), r":10: the ids"),
    "flat-cell": (COMPLETE.replace("0.0 4.0 0.0", "8.0 0.0 0.0"), r"no volume"),
    "two-energies": (COMPLETE.replace(" Energy", " Energy\n 1\n Energy"), r":13: a second section"),
    "short-virial": (COMPLETE.replace("1.6 2.4", "1.6"), r":14: PlusStress has 6"),
    "unknown-virial": (COMPLETE.replace("yz xz xy", "yz xz ab"), r":13: PlusStress"),
    "unknown-section": (COMPLETE.replace(" Energy", " Enthalpy"), r":11: .*Enthalpy"),
    "text-outside": ("junk\n" + COMPLETE, r":1: expected BEGIN_CFG"),
    "second-frame-cut": (COMPLETE + "BEGIN_CFG\n Size\n", r":18: "),
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_files_are_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        read_cfg(write(tmp_path, text), ["Al", "Ni"])
    assert str(caught.value).startswith(str(tmp_path / "frames.cfg"))


def test_truncation_anywhere_is_refused(tmp_path: Path) -> None:
    # A file that ends before the final newline is complete.
    for length in range(1, len(COMPLETE) - 1):
        with pytest.raises(FormatError):
            read_cfg(write(tmp_path, COMPLETE[:length]), ["Al", "Ni"])


@pytest.mark.parametrize("name", ["mono_16", "multi_12", "grade_nbh", "grade2_cfg"])
def test_files_of_mlip3_are_read_and_rewritten(tmp_path: Path, mlip3: Path, name: str) -> None:
    species = ["Al", "Ni", "Ti"]
    records = read_records(mlip3 / f"{name}.cfg", species)
    frames = [record.frame for record in records]
    text = format_cfg(frames, species, [record.features for record in records])
    for again, record in zip(read_records(write(tmp_path, text), species), records, strict=True):
        np.testing.assert_array_equal(again.frame.positions, record.frame.positions)
        assert again.features == record.features
