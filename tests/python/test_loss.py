"""The loss that training reports is the formula of its module, summed here term by term."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from models import Case

from mtpot.data.atoms import frame_from_atoms
from mtpot.data.frame import Frame
from mtpot.errors import FormatError, InputError
from mtpot.train.loss import Problem, Weights, labeled_frames
from mtpot.train.metrics import evaluate_frames

POTENTIAL = Case("RBChebyshev", 6, 2).potential()


def random_frames() -> list[Frame]:
    """Labels at random; one frame has no stress, one no forces, and sizes differ."""
    rng = np.random.default_rng(0)
    frames = []
    for size in (1, 2, 3):
        atoms = bulk("Al", cubic=True).repeat((1, 1, size))
        atoms.symbols[::2] = "Si"
        atoms.rattle(0.1, seed=size)
        frames.append(
            Frame(
                tuple(atoms.get_chemical_symbols()),
                atoms.positions,
                atoms.cell.array,
                atoms.pbc,
                energy=float(rng.normal()),
                forces=rng.normal(size=(len(atoms), 3)),
                stress=0.1 * rng.normal(size=6),
            )
        )
    return [replace(frames[0], stress=None), replace(frames[1], forces=None), frames[2]]


@pytest.mark.parametrize("scale", [0.0, 0.7])
@pytest.mark.parametrize(
    ("weighting", "p", "q"), [("vibrations", 1, 0), ("molecules", 0, 0), ("structures", 2, 1)]
)
def test_loss_is_the_formula(weighting: str, p: int, q: int, scale: float) -> None:
    frames = random_frames()
    weights = Weights(0.9, 0.03, 0.007, weighting, scale)
    expected = 0.0
    for frame, found in zip(frames, evaluate_frames(POTENTIAL, frames), strict=True):
        n = len(frame)
        assert frame.energy is not None
        expected += 0.9 / n**p * (found.energy - frame.energy) ** 2
        for i in range(n if frame.forces is not None else 0):
            size = frame.forces[i] @ frame.forces[i]
            weight = 0.03 * (scale / (size + scale) if scale else 1.0)
            expected += weight / n**q * ((found.forces[i] - frame.forces[i]) ** 2).sum()
        if frame.stress is not None:
            difference = frame.volume * (found.stress - frame.stress)
            nine = difference[[0, 5, 4, 5, 1, 3, 4, 3, 2]]
            expected += 0.007 / n * (nine**2).sum()
    labeled, _ = labeled_frames(POTENTIAL, frames, weights)
    problem = Problem(POTENTIAL.core, labeled, threads=1)
    found_loss = problem.normal_equations(POTENTIAL.parameters, linear_only=False).loss
    assert found_loss == pytest.approx(expected / len(frames), rel=1e-10)


def test_factors_of_frames_groups_and_energies_multiply_the_terms_of_the_loss() -> None:
    frames = random_frames()
    own = [(1.0, 1.0, 1.0), (2.0, 3.0, 1.0), (0.5, 0.0, 4.0)]
    frames = [
        replace(frame, weights=weights, group=group)
        for frame, weights, group in zip(frames, own, ("bulk", "slab", "bulk"), strict=True)
    ]
    weights = Weights(0.9, 0.03, 0.007, scale_by_energy=0.2, groups={"slab": 5.0})
    counts = np.array([[f.symbols.count(s) for s in POTENTIAL.species] for f in frames])
    energies = np.array([frame.energy for frame in frames])
    rest = (energies - counts @ np.linalg.pinv(counts) @ energies) / counts.sum(axis=1)
    expected = 0.0
    predictions = evaluate_frames(POTENTIAL, frames)
    for frame, found, above in zip(frames, predictions, rest - rest.min(), strict=True):
        factor = (5.0 if frame.group == "slab" else 1.0) * 0.2 / (above + 0.2)
        energy, force, stress = factor * np.array(frame.weights)
        expected += energy * 0.9 / len(frame) * (found.energy - frame.energy) ** 2
        if frame.forces is not None:
            expected += force * 0.03 * ((found.forces - frame.forces) ** 2).sum()
        if frame.stress is not None:
            squares = (frame.volume * (found.stress - frame.stress)) ** 2
            expected += stress * 0.007 / len(frame) * (squares @ [1, 1, 1, 2, 2, 2])
    labeled, _ = labeled_frames(POTENTIAL, frames, weights)
    equations = Problem(POTENTIAL.core, labeled, threads=1).normal_equations(
        POTENTIAL.parameters, linear_only=True
    )
    assert equations.loss == pytest.approx(expected / len(frames), rel=1e-10)


def test_energies_of_other_frames_are_counted_from_the_lowest_of_the_training() -> None:
    frames = random_frames()
    weights = Weights(scale_by_energy=0.2)
    together = weights.factors_of(frames, POTENTIAL.species)
    trained = weights.relative_to(frames, POTENTIAL.species)
    apart = [trained.factors_of([frame], POTENTIAL.species)[0] for frame in frames]
    np.testing.assert_allclose(apart, together, rtol=1e-12)
    below = replace(frames[0], energy=-100.0)
    assert trained.factors_of([below], POTENTIAL.species) == [1.0]


@pytest.mark.parametrize("weightless", [{"weights": (0.0, 1.0, 1.0)}, {"group": "absurd"}])
def test_energies_without_weight_do_not_set_the_lowest(weightless: dict[str, Any]) -> None:
    frames = random_frames()
    outlier = replace(frames[0], energy=-1e3, **weightless)
    weights = Weights(scale_by_energy=0.2, groups={"absurd": 0.0})
    found = weights.factors_of([*frames, outlier], POTENTIAL.species)[:-1]
    np.testing.assert_allclose(found, weights.factors_of(frames, POTENTIAL.species), rtol=1e-12)


def test_a_factor_of_no_group_is_refused_with_the_groups_there_are() -> None:
    frames = [replace(frame, group="bulk") for frame in random_frames()]
    with pytest.raises(InputError, match=r"slab.*bulk"):
        Weights(groups={"slab": 2.0}).check_groups(frames)


def test_weights_of_a_frame_come_from_its_info_and_are_not_negative() -> None:
    atoms = bulk("Al")
    atoms.info.update(energy=1.0, weight=2, force_weight=0.5, stress_weight=0)
    assert frame_from_atoms(atoms).weights == (2.0, 1.0, 0.0)
    atoms.info["energy_weight"] = -1.0
    with pytest.raises(FormatError, match=r"frame 3.*energy_weight is -1"):
        frame_from_atoms(atoms, "frame 3")


WEIGHTLESS = {
    "groups": (Weights(groups={"all": 0.0}), {}),
    "frames": (Weights(), {"weights": (0.0, 0.0, 0.0)}),
    "labels that are not there": (Weights(energy=0.0), {"forces": None, "stress": None}),
}


@pytest.mark.parametrize(("weights", "changes"), WEIGHTLESS.values(), ids=WEIGHTLESS)
def test_labels_without_any_weight_are_refused(weights: Weights, changes: dict[str, Any]) -> None:
    frames = [replace(frame, **changes) for frame in random_frames()]
    with pytest.raises(InputError, match=r"no label of 3 frames .* has a weight"):
        labeled_frames(POTENTIAL, frames, weights)


def test_a_frame_without_energy_is_named() -> None:
    frame = replace(random_frames()[0], energy=None, source="x.xyz:7 (frame 2)")
    with pytest.raises(InputError, match=r"x\.xyz:7"):
        labeled_frames(POTENTIAL, [frame], Weights())
