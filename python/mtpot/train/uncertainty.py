"""The committee that training leaves beside a potential."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtpot.train.calibration import FEWEST, beside, calibrate, score, spreads
from mtpot.train.committee import bag, blocks_of
from mtpot.train.loss import weights_of
from mtpot.train.report import Calibration
from mtpot.train.solvers.common import number_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.report import Judged
    from mtpot.train.settings import Settings


def with_committee(
    settings: Settings, potential: MTP, frames: Sequence[Frame], validation: Sequence[Frame] = ()
) -> MTP:
    """Return a trained potential with members by bagging, calibrated if frames are set aside.

    Parameters
    ----------
    settings
        Those of the training: the number of members, the loss, ridge, seed and threads, and what
        is drawn together. A ridge that has been chosen automatically stands in its place, or is
        taken to be the smallest.
    potential
        The result of the training.
    frames, validation
        Trained on, and set aside; the latter calibrate if they have enough energies and forces.

    Raises
    ------
    InputError
        As `blocks_of`.
    """
    members = bag(
        potential,
        frames,
        weights_of(settings),
        count=settings.ensemble,
        seed=settings.seed,
        blocks=blocks_of(frames, settings.split_by),
        ridge=number_of(settings.ridge),
        threads=settings.threads,
    )
    committee = potential.with_members(members)
    if not can_calibrate(validation):
        return committee
    found = spreads(committee, validation, settings.threads)
    scored = score(committee, validation, found, settings.threads)
    return potential.with_members(members, calibrate(scored))


def can_calibrate(frames: Sequence[Frame]) -> bool:
    """Whether frames have the labels that calibration takes."""
    energies = sum(frame.energy is not None for frame in frames)
    forces = sum(3 * len(frame) for frame in frames if frame.forces is not None)
    return min(energies, forces) >= FEWEST


def calibrations(judged: Judged, threads: int = 0) -> list[Calibration]:
    """Set expected beside real errors of the test frames, for a report.

    None if the potential has no calibrated members or there are no test frames.
    """
    intervals, test = judged.potential.intervals, judged.sets.get("test")
    if intervals is None or test is None:
        return []
    found = spreads(judged.potential, test.frames, threads)
    energy_spread, energies, force_spread, forces = beside(test.frames, test.predictions, found)
    both = [
        Calibration(
            intervals.forces.sigma(force_spread),
            forces,
            "test forces, committee",
            model=intervals.forces,
        ),
        Calibration(
            intervals.energy.sigma(energy_spread),
            energies,
            "test energies by the square root of the atoms, committee",
            "eV",
            intervals.energy,
        ),
    ]
    return [each for each in both if len(each.errors) and np.all(each.predicted > 0.0)]
