"""A training that begins on a part of the frames ends on all of them."""

from __future__ import annotations

import numpy as np
import pytest
from test_thin import frames, settings

from mtpot import InputError
from mtpot.data.split import choose_aside
from mtpot.train.loss import Problem, Weights, labeled_frames
from mtpot.train.trainer import train

DATA = frames(("Si",), 9)
SHARE = 1 / 3


def test_the_first_stage_minimizes_the_loss_of_its_part_of_the_frames() -> None:
    found = train(settings(level=6, warm_up=SHARE, max_steps=4), DATA)
    part = [DATA[k] for k in choose_aside(DATA, SHARE, seed=0)]
    assert len(part) == len(DATA) // 3
    alone = train(settings(level=6, max_steps=4), part)
    warm = [step for step in found.steps if step.stage == "warm-up"]
    # Each frame keeps its weight in the loss of all. The start differs: species energies are those
    # of all frames, but they are solved for before the first step.
    assert len(warm) == len(alone.steps)
    np.testing.assert_allclose(
        [step.loss * len(DATA) / len(part) for step in warm],
        [step.loss for step in alone.steps],
        rtol=1e-4,
    )


def test_it_ends_with_the_loss_of_all_frames() -> None:
    found = train(settings(level=6, warm_up=SHARE), DATA)
    last = [step for step in found.steps if not step.stage]
    assert found.loss == last[-1].loss < last[0].loss
    labeled, _ = labeled_frames(found.potential, DATA, Weights())
    problem = Problem(found.potential.core, labeled, threads=1)
    loss, _ = problem.loss_and_gradient(found.potential.parameters)
    assert found.loss == pytest.approx(loss, rel=1e-6)


def test_fewer_parameters_come_by_way_of_it() -> None:
    found = train(settings(max_parameters=30, warm_up=SHARE, max_steps=2), DATA)
    stages = list(dict.fromkeys(step.stage for step in found.steps))
    low = stages[1]
    assert stages == [f"{low} warm-up", low, "30 parameters"]
    assert len(found.potential.parameters) <= 30


def test_a_share_of_no_frame_is_refused() -> None:
    with pytest.raises(InputError, match=r"warm-up 0\.01 is none of 9 frames"):
        train(settings(level=6, warm_up=0.01), DATA)
