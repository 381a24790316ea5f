"""Between ASE's Atoms and frames: which label is where, and whether it can be one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mtpot.data.arrays import finite_array, full_tensor, voigt
from mtpot.data.cell import check_cell
from mtpot.data.frame import Floats, Frame
from mtpot.errors import FormatError
from mtpot.stress import cell_volume, has_stress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Energies and virials are rounded in files; a wrong sign or unit is off by far more than this.
_AGREEMENT = 1e-3

LABELS = ("energy", "force", "stress")
"""Kinds of labels, as they are called in names of weights."""

_PREDICTED = ("energy", "free_energy", "energies", "forces", "stress", "stresses", "virial")


def frame_from_atoms(atoms: Atoms, source: str = "") -> Frame:
    """Structure and labels of an Atoms object.

    Labels are the results of its calculator, else ``info`` and ``arrays`` under the keys energy
    (else free_energy), forces, and stress or virial. The virial is W = -V stress in eV. The
    group is ``info["group"]``, else ``info["config_type"]``, else "all"; the trajectory
    is ``info["trajectory"]``. Factors on the weights in a loss are ``info["weight"]`` times
    ``energy_weight``, ``force_weight``, ``stress_weight``. With ``info["unconverged"]`` there are
    no labels.

    Raises
    ------
    FormatError
        There are no atoms, a label has the wrong shape or is not finite, a weight is negative,
        stress and virial disagree, or the cell has no volume along its periodic directions; the
        message begins with `source`.
    """
    unconverged = is_unconverged(atoms.info)
    try:
        return Frame(
            symbols=_symbols(atoms),
            positions=finite_array(atoms.positions, "position", (len(atoms), 3)),
            cell=check_cell(np.array(atoms.cell), np.array(atoms.pbc)),
            pbc=np.array(atoms.pbc),
            energy=None if unconverged else _energy(atoms),
            forces=None if unconverged else _forces(atoms),
            stress=None if unconverged else _stress(atoms),
            group=str(atoms.info.get("group", atoms.info.get("config_type", "all"))),
            source=source,
            weights=weights_in(atoms.info),
            trajectory=str(atoms.info.get("trajectory", "")),
            free_energy=_free_energy(atoms),
            unconverged=unconverged,
            lookalikes=dict(_lookalikes(atoms)),
        )
    except ValueError as error:
        raise FormatError(f"{source}: {error}" if source else str(error)) from error


def weights_in(info: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return the factors on the weights of energy, forces and stress that ``info`` names.

    Raises
    ------
    ValueError
        One is no number, not finite or negative.
    """
    every = _weight(info, "weight")
    energy, force, stress = (_weight(info, f"{name}_weight") for name in LABELS)
    return every * energy, every * force, every * stress


def is_unconverged(info: Mapping[str, Any]) -> bool:
    """Whether ``info`` says that the electrons did not converge."""
    return str(info.get("unconverged")) in ("True", "T", "1")


def atoms_from_frame(frame: Frame) -> Atoms:
    """Atoms with the frame's labels as results of a SinglePointCalculator."""
    atoms = Atoms(frame.symbols, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)
    if frame.group != "all":
        atoms.info["group"] = frame.group
    labels = {"energy": frame.energy, "forces": frame.forces, "stress": frame.stress}
    known = {name: value for name, value in labels.items() if value is not None}
    return _with_results(atoms, known)


def with_predictions(
    atoms: Atoms, frame: Frame, energy: float, forces: Floats, stress: Floats | None
) -> Atoms:
    """Return a copy with predictions as its results and labels as ``ref_energy`` and so on.

    Parameters
    ----------
    atoms, frame
        The structure, and its labels as `frame_from_atoms` reads them.
    energy, forces, stress
        eV; eV/angstrom, shape [n, 3]; eV/angstrom^3, Voigt order, None without a volume.
    """
    result = atoms.copy()
    for key in _PREDICTED:
        result.info.pop(key, None)
        result.arrays.pop(key, None)
    _keep_labels(result, frame)
    others = {k: v for k, v in _results(atoms).items() if k not in _PREDICTED}
    predicted = {"energy": energy, "forces": forces, "stress": stress}
    known = {name: value for name, value in predicted.items() if value is not None}
    return _with_results(result, others | known)


def with_grades(atoms: Atoms, site_grades: Floats | None, grade: float) -> Atoms:
    """Return a copy with ``info["grade"]`` and, where sites have one, ``arrays["grades"]``."""
    result = atoms.copy()
    result.info["grade"] = grade
    if site_grades is not None:
        result.set_array("grades", np.asarray(site_grades))
    return _with_results(result, _results(atoms))


def _keep_labels(atoms: Atoms, frame: Frame) -> None:
    if frame.energy is not None:
        atoms.info["ref_energy"] = frame.energy
    if frame.forces is not None:
        atoms.set_array("ref_forces", frame.forces)
    if frame.stress is not None:
        # Nine numbers, as ASE writes stress.
        atoms.info["ref_stress"] = full_tensor(frame.stress).ravel()


def _with_results(atoms: Atoms, results: Mapping[str, Any]) -> Atoms:
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _results(atoms: Atoms) -> dict[str, Any]:
    return dict(getattr(atoms.calc, "results", {}))


def _label(atoms: Atoms, *keys: str) -> Any:
    results = _results(atoms)
    for key in keys:
        for place in (results, atoms.info, atoms.arrays):
            if place.get(key) is not None:
                return place[key]
    return None


def _symbols(atoms: Atoms) -> tuple[str, ...]:
    if len(atoms) == 0:
        raise ValueError("a structure without atoms; remove it")
    symbols = tuple(atoms.get_chemical_symbols())
    if "X" in symbols:
        raise ValueError("no element X")
    return symbols


def _energy(atoms: Atoms) -> float | None:
    value = _label(atoms, "energy", "free_energy")
    return None if value is None else float(finite_array(value, "energy", ()))


def _free_energy(atoms: Atoms) -> float | None:
    value = _label(atoms, "free_energy")
    return None if value is None else float(finite_array(value, "free_energy", ()))


def _forces(atoms: Atoms) -> Floats | None:
    value = _label(atoms, "forces")
    return None if value is None else finite_array(value, "force", (len(atoms), 3))


def _weight(info: Mapping[str, Any], key: str) -> float:
    value = info.get(key, 1.0)
    if isinstance(value, str):  # as all features of .cfg files are
        with suppress(ValueError):
            value = float(value)
    number = float(finite_array(value, key, ()))
    if number < 0.0:
        raise ValueError(f"{key} is {number:g}: weights are not negative")
    return number


def _stress(atoms: Atoms) -> Floats | None:
    stress = _tensor(atoms, "stress")
    virial = _tensor(atoms, "virial")
    if stress is None and virial is None:
        return None
    if not has_stress(atoms.cell, atoms.pbc):
        raise ValueError(
            "a stress or virial needs periodicity and a cell with a volume: remove it, or name "
            "the cell (Lattice) and its periodic directions (pbc)"
        )
    if virial is None:
        return stress
    converted: Floats = -virial / cell_volume(atoms.cell)
    if stress is not None:
        _check_agreement(stress, converted)
    return converted if stress is None else stress


def _tensor(atoms: Atoms, key: str) -> Floats | None:
    value = _label(atoms, key)
    return None if value is None else voigt(value, key)


def _check_agreement(stress: Floats, converted: Floats) -> None:
    scale = max(np.abs(stress).max(), np.abs(converted).max(), 1e-3)
    if np.abs(stress - converted).max() > _AGREEMENT * scale:
        raise ValueError(
            "stress and virial disagree; ASE's convention is virial = -volume * stress "
            "(a compressed crystal has a positive virial)"
        )


def _lookalikes(atoms: Atoms) -> Iterator[tuple[str, str]]:
    """Missing labels, each with the key of numbers of its shape and half its name."""
    numeric = (int, float, np.number, np.ndarray)
    places = atoms.info | atoms.arrays
    places = {k: np.asarray(v) for k, v in places.items() if isinstance(v, numeric)}
    for keys, parts, shapes in (
        (("energy", "free_energy"), ("energ",), [()]),
        (("forces",), ("forc", "frc"), [(len(atoms), 3)]),
        (("stress", "virial"), ("stress", "virial"), [(6,), (9,), (3, 3)]),
    ):
        if _label(atoms, *keys) is None:
            for key, value in places.items():
                fits = value.dtype.kind in "fi" and value.shape in shapes
                if fits and any(part in key.lower() for part in parts):
                    yield keys[0], key
