"""Seeded splits of a data set that keep the proportions of its groups."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Frame


def split_off(frames: Sequence[Frame], share: float, seed: int) -> tuple[list[Frame], list[Frame]]:
    """Set a share of every group aside: (kept, set aside), both in the order of `frames`.

    The share of each group is rounded to whole frames, and each keeps at least one; the same
    frames, share and seed give the same split.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        members[frame.group].append(index)
    generator = np.random.default_rng(seed)
    aside: set[int] = set()
    for indices in members.values():
        count = min(round(share * len(indices)), len(indices) - 1)
        aside.update(generator.permutation(indices)[:count].tolist())
    kept = [frame for index, frame in enumerate(frames) if index not in aside]
    return kept, [frame for index, frame in enumerate(frames) if index in aside]
