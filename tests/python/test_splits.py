"""Splits: nothing is lost, groups keep their shares, and what belongs together stays together."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mtpot.data.frame import Frame
from mtpot.data.split import By, choose_aside, folds, folds_up_to, numbered, split_off, trajectories
from mtpot.errors import InputError

BY: list[By] = ["frame", "trajectory", "group"]
KEYS = {"frame": "source", "trajectory": "trajectory", "group": "group"}


def frame(group: str, run: int, index: int) -> Frame:
    return Frame(
        symbols=("Si",),
        positions=np.full((1, 3), 0.01 * index),
        cell=4.0 * np.eye(3),
        pbc=np.ones(3, bool),
        group=group,
        source=f"{group}.xyz:{3 * index + 1} (frame {index + 1})",
        trajectory=f"{group}-{run}",
    )


def data_set() -> list[Frame]:
    """40 and 20 frames of two groups in runs of 5, and single frames of two more."""
    sizes = {"bulk": 40, "surface": 20}
    frames = [frame(group, i // 5, i) for group, size in sizes.items() for i in range(size)]
    return [*frames, *(frame("dimer", i, i) for i in range(9)), frame("atom", 0, 0)]


def groups(frames: list[Frame], indices: np.ndarray) -> Counter[str]:
    return Counter(frames[i].group for i in indices)


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("seed", range(5))
def test_folds_hold_every_frame_once_and_part_nothing(by: By, seed: int) -> None:
    frames = data_set()
    parts = folds(frames, 4, seed, by)
    assert sorted(np.concatenate(parts)) == list(range(len(frames)))
    assert all(len(part) and (np.diff(part) > 0).all() for part in parts)
    homes = [{getattr(frames[i], KEYS[by]) for i in part} for part in parts]
    assert sum(map(len, homes)) == len(set().union(*homes))


def test_folds_keep_the_shares_of_groups() -> None:
    frames = data_set()
    for by in ("frame", "trajectory"):
        for part in folds(frames, 4, by=by):
            counts = groups(frames, part)
            assert counts["bulk"] == 10
            assert counts["surface"] == 5
            assert counts["dimer"] in (2, 3)


def test_single_frames_of_many_groups_fill_the_folds_evenly() -> None:
    frames = [frame(f"group {i}", 0, i) for i in range(12)]
    assert [len(part) for part in folds(frames, 4)] == [3, 3, 3, 3]


@pytest.mark.parametrize("seed", range(5))
def test_frames_of_one_structure_stay_together_whatever_their_group(seed: int) -> None:
    twice = [replace(f, group=group) for f in data_set() for group in (f.group, "copy")]
    for kept, aside in [split_off(twice, 0.2, seed)]:
        assert aside
        places = [{tuple(f.positions[0]) for f in side} for side in (kept, aside)]
        assert not places[0] & places[1]
    for part in folds(twice, 4, seed):
        counts = Counter(tuple(twice[i].positions[0]) for i in part)
        everywhere = Counter(tuple(f.positions[0]) for f in twice)
        assert all(counts[place] == everywhere[place] for place in counts)


def test_there_are_no_more_folds_than_there_is_to_part() -> None:
    frames = [frame("bulk", i // 4, i) for i in range(12)]
    assert [len(part) for part in folds_up_to(5, frames, 0, "trajectory")] == [4, 4, 4]
    assert folds_up_to(5, frames, 0, "group") == []
    assert folds_up_to(5, [frames[0]] * 6, 0, "frame") == []


@pytest.mark.parametrize("by", BY)
def test_folds_and_splits_follow_their_seed(by: By) -> None:
    frames = data_set()
    drawn = [[part.tolist() for part in folds(frames, 3, seed, by)] for seed in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2] or drawn[0] != drawn[3]
    aside = [choose_aside(frames, 0.3, seed, by).tolist() for seed in (0, 0, 1, 2, 3)]
    assert aside[0] == aside[1]
    assert any(aside[0] != other for other in aside[2:])


@pytest.mark.parametrize(("count", "by"), [(1, "frame"), (71, "frame"), (5, "group")])
def test_too_many_folds_are_refused(count: int, by: By) -> None:
    with pytest.raises(InputError, match=f"cannot make {count} folds"):
        folds(data_set(), count, by=by)


@pytest.mark.parametrize("seed", range(5))
def test_whole_trajectories_are_set_aside(seed: int) -> None:
    frames = data_set()
    kept, aside = split_off(frames, 0.25, seed, "trajectory")
    assert not {f.trajectory for f in kept} & {f.trajectory for f in aside}
    assert Counter(f.group for f in aside) == {"bulk": 10, "surface": 5, "dimer": 2}


def test_a_group_of_one_trajectory_is_kept() -> None:
    frames = [frame("bulk", 0, i) for i in range(10)]
    assert choose_aside(frames, 0.5, 0, "trajectory").size == 0


def test_whole_groups_are_set_aside() -> None:
    frames = data_set()
    for seed in range(10):
        kept, aside = split_off(frames, 0.2, seed, "group")
        assert not {f.group for f in kept} & {f.group for f in aside}
        assert kept


def snapshots(**changes: object) -> list[Frame]:
    """Ten frames of one file; the last five differ by the changes."""
    first = [replace(frame("md", 0, i), trajectory="") for i in range(10)]
    return [*first[:5], *(replace(f, **changes) for f in first[5:])]


BREAKS = {
    "file": {"source": "other.xyz:1 (frame 1)"},
    "group": {"group": "hot"},
    "atoms": {"symbols": ("Ge",)},
    "periodicity": {"pbc": np.array([True, True, False])},
    "cell": {"cell": 4.3 * np.eye(3)},
    "name": {"trajectory": "second"},
}


@pytest.mark.parametrize("changes", BREAKS.values(), ids=BREAKS.keys())
def test_a_trajectory_ends_where_the_system_changes(changes: dict[str, object]) -> None:
    assert trajectories(snapshots(**changes)).tolist() == 5 * [0] + 5 * [1]


@pytest.mark.parametrize("changes", [{}, {"cell": 4.1 * np.eye(3)}], ids=["same", "barostat"])
def test_a_trajectory_goes_on_while_the_system_stays(changes: dict[str, object]) -> None:
    assert trajectories(snapshots(**changes)).tolist() == 10 * [0]


def test_named_trajectories_may_be_shuffled() -> None:
    frames = [frame("md", i % 2, i) for i in range(6)]
    assert trajectories(frames).tolist() == [0, 1, 0, 1, 0, 1]


def test_one_name_in_two_files_is_two_trajectories_and_in_two_groups_one() -> None:
    first = [frame("md", 0, i) for i in range(4)]
    other = [replace(f, source=f"other.xyz:{i}") for i, f in enumerate(first)]
    assert trajectories([*first, *other]).tolist() == 4 * [0] + 4 * [1]
    heated = [*first[:2], *(replace(f, group="hot") for f in first[2:])]
    assert trajectories(heated).tolist() == 4 * [0]
    assert choose_aside([*heated, *other], 0.5, 0, "trajectory").tolist() in ([0, 1, 2, 3], [])


def test_numbered_frames_keep_their_places_when_others_are_gone() -> None:
    runs = [*snapshots(group="hot"), *(replace(f, trajectory="") for f in snapshots())]
    whole = trajectories(numbered(runs))
    kept = np.array([0, 1, 4, 5, 9, 10, 19])
    part = [numbered(runs)[k] for k in kept]
    assert [f.snapshot for f in part] == [0, 1, 4, 0, 4, 0, 9]
    assert (trajectories(part) == np.unique(whole[kept], return_inverse=True)[1]).all()


def test_numbered_frames_of_two_trajectories_never_have_one_name() -> None:
    run = [replace(f, trajectory="unnamed 1") for f in snapshots()[:3]]
    both = [*snapshots(group="hot"), *run, *snapshots(**BREAKS["file"])]
    for frames, files in ((both, 2), (both[:13], 1)):
        assert len({f.file for f in frames}) == files
        named = (f.trajectory for f in numbered(frames))
        names = dict(zip(trajectories(frames).tolist(), named, strict=True))
        assert len(set(names.values())) == len(names) > 2
