"""Who gets which frames, so that all processes take equally long."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from mtpot.neighbors import pair_distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.data.frame import Frame
    from mtpot.train.loss import Integers

_ATOM = 15.0  # what an atom costs without neighbors, in units of the cost of a neighbor


def cost_of(frame: Frame, cutoff: float) -> float:
    """Estimate the time that derivatives take, from the numbers of atoms and of neighbors."""
    pairs, _ = pair_distances(frame, cutoff)
    return _ATOM * len(frame) + 2.0 * len(pairs)


def deal(costs: Sequence[float], count: int) -> list[Integers]:
    """Deal frames to `count` processes: the next dearest to whoever has least.

    Returns
    -------
    Ascending positions of each process' frames, none where there are fewer frames than
    processes. The same costs are always dealt in the same way.
    """
    hands: list[list[int]] = [[] for _ in range(count)]
    burden = [(0.0, rank) for rank in range(count)]
    for position in np.argsort(-np.asarray(costs), kind="stable"):
        total, rank = heapq.heappop(burden)
        hands[rank].append(int(position))
        heapq.heappush(burden, (total + costs[position], rank))
    return [np.array(sorted(hand), dtype=np.int64) for hand in hands]
