"""What a potential predicts for labeled frames, and how far off it is, per group of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mtpot import _core
from mtpot.data.neighborhoods import frame_neighborhoods
from mtpot.errors import NumericalError
from mtpot.stress import has_stress, voigt_stress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mtpot.data.frame import Floats, Frame
    from mtpot.potential import MTP


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a potential says of one frame.

    Attributes
    ----------
    energy
        Total energy in eV.
    site_energies
        eV, shape [n].
    forces
        eV/angstrom, shape [n, 3].
    stress
        eV/angstrom^3, Voigt order; None for a structure without periodicity or volume.
    """

    energy: float
    site_energies: Floats
    forces: Floats
    stress: Floats | None


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean absolute, root mean square and largest absolute error."""

    mae: float
    rmse: float
    maximum: float

    @classmethod
    def of(cls, residuals: Floats) -> Errors | None:
        """Errors of predictions minus labels, any shape; None if there are none."""
        if residuals.size == 0:
            return None
        size = np.abs(residuals)
        return cls(float(size.mean()), float(np.sqrt((size**2).mean())), float(size.max()))


@dataclass(frozen=True, slots=True)
class Summary:
    """Errors over a set of frames: eV per atom, eV/angstrom and eV/angstrom^3.

    Forces count by component, stresses by their six components; None for a kind of label that
    no frame has.
    """

    frames: int
    atoms: int
    energy: Errors | None
    forces: Errors | None
    stress: Errors | None

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the keys of metrics.json."""
        kinds = {"energy": self.energy, "force": self.forces, "stress": self.stress}
        result: dict[str, Any] = {"frames": self.frames, "atoms": self.atoms}
        for name, errors in kinds.items():
            suffix = "_per_atom" if name == "energy" else ""
            result[f"{name}_mae{suffix}"] = errors and errors.mae
            result[f"{name}_rmse{suffix}"] = errors and errors.rmse
            result[f"{name}_max{suffix}"] = errors and errors.maximum
        return result

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Summary:
        """Read what `as_dict` wrote; a KeyError names what is missing."""
        kinds = (("energy", "_per_atom"), ("force", ""), ("stress", ""))
        found = [
            [content[f"{name}_{kind}{suffix}"] for kind in ("mae", "rmse", "max")]
            for name, suffix in kinds
        ]
        errors = [None if None in each else Errors(*map(float, each)) for each in found]
        return cls(int(content["frames"]), int(content["atoms"]), *errors)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Errors of all frames and of each group, in the order in which groups first appear."""

    total: Summary
    groups: dict[str, Summary]

    def as_dict(self) -> dict[str, Any]:
        """One of the objects "train" and "test" of metrics.json."""
        groups = {name: summary.as_dict() for name, summary in self.groups.items()}
        return self.total.as_dict() | {"groups": groups}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Metrics:
        """Read what `as_dict` wrote; a KeyError names what is missing."""
        groups = {name: Summary.from_dict(each) for name, each in content["groups"].items()}
        return cls(Summary.from_dict(content), groups)


def evaluate_frames(
    potential: MTP, frames: Sequence[Frame], threads: int = 0, precision: str = "double"
) -> list[Prediction]:
    """Predict every frame.

    Parameters
    ----------
    potential
        Trained, with element names.
    frames
        Structures; labels are not looked at.
    threads
        0 takes every core.
    precision
        "double" or "mixed".

    Raises
    ------
    InputError
        A structure that the potential cannot describe; the message names the frame.
    NumericalError
        The result is not finite; the message names the frame.
    """
    return list(iterate_predictions(potential, frames, threads, precision))


def iterate_predictions(
    potential: MTP, frames: Iterable[Frame], threads: int = 0, precision: str = "double"
) -> Iterator[Prediction]:
    """As `evaluate_frames`, one by one."""
    evaluator = _core.Evaluator(potential.core, precision)
    for frame in frames:
        yield _predict(potential, evaluator, frame, threads)


def measure(frames: Iterable[Frame], predictions: Iterable[Prediction]) -> Metrics:
    """Errors of predictions against the labels of their frames, in total and per group."""
    total, groups = _Tally(), dict[str, _Tally]()
    for frame, prediction in zip(frames, predictions, strict=True):
        total.add(frame, prediction)
        groups.setdefault(frame.group, _Tally()).add(frame, prediction)
    return Metrics(total.summary(), {name: tally.summary() for name, tally in groups.items()})


def rms_errors(
    evaluator: _core.Evaluator,
    frames: Sequence[tuple[Frame, _core.Neighborhoods]],
    threads: int = 0,
) -> tuple[float | None, float | None]:
    """RMSE of energies (eV per atom) and of force components (eV/angstrom), None without labels.

    The quick way to the two numbers, with neighborhoods that are there already.
    """
    return root_means(squared_errors(evaluator, frames, threads))


def squared_errors(
    evaluator: _core.Evaluator,
    frames: Iterable[tuple[Frame, _core.Neighborhoods]],
    threads: int = 0,
) -> Floats:
    """Sum the squares of the errors of energies per atom and of force components.

    Shape [4]: of energies, of force components, how many energies, how many components.
    """
    sums = np.zeros(4)
    for frame, found in frames:
        sites, predicted, _ = evaluator.evaluate(found, threads)
        if frame.energy is not None:
            sums[[0, 2]] += ((sites.sum() - frame.energy) / len(frame)) ** 2, 1
        if frame.forces is not None:
            sums[[1, 3]] += np.square(predicted - frame.forces).sum(), frame.forces.size
    return sums


def root_means(sums: Floats) -> tuple[float | None, float | None]:
    """Root mean squares from the sums of `squared_errors`, None where the number is zero."""
    energy, force = (
        float(np.sqrt(total / count)) if count else None
        for total, count in zip(sums[:2], sums[2:], strict=True)
    )
    return energy, force


def energy_pairs(pairs: Sequence[tuple[Frame, Prediction]]) -> Floats:
    """Label and prediction in eV per atom, shape [frames with an energy, 2]."""
    rows = [(f.energy / len(f), p.energy / len(f)) for f, p in pairs if f.energy is not None]
    return np.array(rows).reshape(-1, 2)


def force_pairs(pairs: Sequence[tuple[Frame, Prediction]]) -> Floats:
    """Label and prediction of every force component in eV/angstrom, shape [m, 2]."""
    return _columns([(f.forces, p.forces) for f, p in pairs if f.forces is not None])


def stress_pairs(pairs: Sequence[tuple[Frame, Prediction]]) -> Floats:
    """Label and prediction of six stress components in eV/angstrom^3, shape [m, 2]."""
    return _columns(
        [(f.stress, p.stress) for f, p in pairs if f.stress is not None and p.stress is not None]
    )


def _predict(potential: MTP, evaluator: _core.Evaluator, frame: Frame, threads: int) -> Prediction:
    around = frame_neighborhoods(potential, frame)
    sites, forces, virial = evaluator.evaluate(around, threads)
    if not (np.isfinite(sites).all() and np.isfinite(forces).all()):
        raise NumericalError(f"{frame.source}: the potential gives no finite energy or forces")
    stress = voigt_stress(virial, frame.cell) if has_stress(frame.cell, frame.pbc) else None
    return Prediction(float(sites.sum()), sites, forces, stress)


class _Tally:
    """Sums over frames and the largest errors: of energies, forces and stresses."""

    def __init__(self) -> None:
        self._frames = self._atoms = 0
        self._sums = np.zeros((3, 4))  # of |r|, of r^2, number, largest

    def add(self, frame: Frame, prediction: Prediction) -> None:
        """Add a frame."""
        self._frames += 1
        self._atoms += len(frame)
        pair = [(frame, prediction)]
        for sums, find in zip(self._sums, (energy_pairs, force_pairs, stress_pairs), strict=True):
            missed = np.abs(np.diff(find(pair)))
            sums[:3] += missed.sum(), np.square(missed).sum(), missed.size
            sums[3] = missed.max(initial=sums[3])

    def summary(self) -> Summary:
        """Return the errors."""
        errors = [
            Errors(total / count, float(np.sqrt(square / count)), largest) if count else None
            for total, square, count, largest in self._sums.tolist()
        ]
        return Summary(self._frames, self._atoms, *errors)


def _columns(pairs: Sequence[tuple[Floats, Floats]]) -> Floats:
    if not pairs:
        return np.zeros((0, 2))
    return np.column_stack(
        [np.concatenate([a.ravel() for a in side]) for side in zip(*pairs, strict=True)]
    )
