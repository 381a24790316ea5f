"""What is set aside decides what is kept; of several seeds the best is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_thin import frames, settings

from mtpot.errors import InputError
from mtpot.train.loss import Problem, labeled_frames, weights_of
from mtpot.train.trainer import train

if TYPE_CHECKING:
    from pathlib import Path

    from mtpot.data.frame import Frame


def noisy(data: list[Frame], scale: float) -> list[Frame]:
    """Forces with so much noise that fitting them well is overfitting."""
    rng = np.random.default_rng(0)
    return [
        dataclasses.replace(frame, forces=frame.forces + scale * rng.normal(size=(len(frame), 3)))
        for frame in data
    ]


@pytest.fixture(scope="module")
def split() -> tuple[list[Frame], list[Frame]]:
    data = noisy(frames(("Si",), 12), 0.3)
    return data[:4], data[4:]


def test_the_step_that_is_best_on_the_validation_frames_is_kept(split) -> None:
    result = train(settings(level=8, patience=0, max_steps=30), *split)
    losses = [step.validation_loss for step in result.steps]
    assert losses[-1] > min(losses)
    assert result.validation_loss == min(losses)
    labeled, _ = labeled_frames(result.potential, split[1], weights_of(settings()))
    problem = Problem(result.potential.core, labeled, 1)
    found = problem.normal_equations(result.potential.parameters, linear_only=True).loss
    assert found == pytest.approx(min(losses), rel=1e-8)


def test_validation_frames_are_weighted_by_the_lowest_energy_of_the_training(split) -> None:
    kept, aside = split
    lowest = min(frame.energy / len(frame) for frame in kept)
    high = [dataclasses.replace(f, energy=(lowest + 3.0) * len(f)) for f in aside]
    plain, scaled = (
        train(settings(level=8, max_steps=1, scale_by_energy=scale), kept, high).steps[0]
        for scale in (0.0, 1.0)
    )
    # The potentials differ a little, being fitted to other weights.
    assert scaled.validation_loss == pytest.approx(0.25 * plain.validation_loss, rel=1e-3)


def test_training_stops_when_validation_does_no_better(split) -> None:
    result = train(settings(level=8, patience=2, max_steps=30), *split)
    losses = [step.validation_loss for step in result.steps]
    assert result.stop == "validation"
    assert len(losses) - 1 == int(np.argmin(losses)) + 2


def test_cross_validation_parts_what_may_be_parted() -> None:
    data = frames(("Si",))
    halves = [dataclasses.replace(f, group="ab"[k % 2]) for k, f in enumerate(data)]
    wanted = settings(level=6, max_steps=2, solver="ridge", split_by="group")
    assert train(wanted, halves).chosen["ridge"] > 0.0
    with pytest.raises(InputError, match="split by frame"):
        train(wanted, data)


def test_seeds_of_one_start_are_refused(tmp_path: Path) -> None:
    data, start = frames(("Si",)), tmp_path / "start.mtp"
    train(settings(level=6, max_steps=1), data).potential.save(start)
    with pytest.raises(InputError, match=r"start\.mtp gives each the same start"):
        train(settings(start=start, seeds=2), data)


def test_of_several_seeds_the_best_is_kept_and_equals_its_training_alone() -> None:
    data = frames(("Si",))
    alone = [train(settings(level=6, max_steps=3, seed=seed), data) for seed in (5, 6, 7)]
    together = train(settings(level=6, max_steps=3, seed=5, seeds=3), data)
    best = min(alone, key=lambda result: result.loss)
    assert together.seed == best.seed
    assert together.loss == best.loss
    assert (together.potential.parameters == best.potential.parameters).all()
    assert {step.stage for step in together.steps} == {"seed 5", "seed 6", "seed 7"}
