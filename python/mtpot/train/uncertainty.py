"""The committee that training leaves beside a potential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtpot.train.calibration import FEWEST, calibrate, judge, spreads
from mtpot.train.committee import bag
from mtpot.train.trainer import weights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Frame
    from mtpot.potential import MTP
    from mtpot.train.settings import Settings


def with_committee(
    settings: Settings, potential: MTP, frames: Sequence[Frame], validation: Sequence[Frame] = ()
) -> MTP:
    """Return a trained potential with members by bagging, calibrated if frames are set aside.

    Parameters
    ----------
    settings
        Those of the training: the number of members, the loss, ridge, seed and threads.
    potential
        The result of the training.
    frames, validation
        Trained on, and set aside; the latter calibrate if they have enough energies and forces.

    Raises
    ------
    InputError
        If there are too few frames for a committee.
    """
    members = bag(
        potential,
        frames,
        weights_of(settings),
        count=settings.ensemble,
        seed=settings.seed,
        ridge=settings.ridge,
        threads=settings.threads,
    )
    committee = potential.with_members(members)
    if not can_calibrate(validation):
        return committee
    found = spreads(committee, validation, settings.threads)
    judged = judge(committee, validation, found, settings.threads)
    return potential.with_members(members, calibrate(judged))


def can_calibrate(frames: Sequence[Frame]) -> bool:
    """Whether frames have the labels that calibration takes."""
    energies = sum(frame.energy is not None for frame in frames)
    forces = sum(3 * len(frame) for frame in frames if frame.forces is not None)
    return min(energies, forces) >= FEWEST
