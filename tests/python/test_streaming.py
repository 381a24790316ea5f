"""Frames in a scratch file train as frames in memory do, in less memory."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import weakref
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from test_thin import frames, settings

from mtpot import FormatError, _core
from mtpot.cli import main_train
from mtpot.data.atoms import atoms_from_frame
from mtpot.data.frame import Frame
from mtpot.data.packed import pack, unpack
from mtpot.data.read import iterate_atoms, read_frames
from mtpot.data.sets import iterate_sets
from mtpot.data.stored import StoredFrames, store
from mtpot.data.text import iterate_lines
from mtpot.train import chunks, share
from mtpot.train.committee import bag
from mtpot.train.loss import Weights
from mtpot.train.metrics import evaluate_frames, iterate_predictions, measure
from mtpot.train.trainer import train

MEGABYTE = 1e6


def full() -> Frame:
    """A frame with everything that a frame can have."""
    (frame,) = frames(("Si", "Al"), 1)
    return dataclasses.replace(
        frame,
        stress=np.arange(6.0) / 7.0,
        pbc=np.array([True, False, True]),
        group="Å\n",
        source="train.xyz:1 (frame 1)",
        weights=(0.5, 1.0 / 3.0, 0.0),
        trajectory="run 1",
        free_energy=-0.1,
        unconverged=True,
        lookalikes={"stress": "dft_stress"},
    )


BARE = Frame(("Si",), np.zeros((1, 3)), np.eye(3), np.ones(3, bool))
EMPTY = Frame((), np.zeros((0, 3)), np.eye(3), np.ones(3, bool))


@pytest.mark.parametrize("frame", [full(), BARE, EMPTY], ids=["full", "bare", "empty"])
def test_a_frame_survives_packing_bit_for_bit(frame: Frame) -> None:
    found = unpack(pack(frame))
    for item in dataclasses.fields(Frame):
        value, expected = getattr(found, item.name), getattr(frame, item.name)
        if isinstance(expected, np.ndarray):
            np.testing.assert_array_equal(value, expected)
            assert value.dtype == expected.dtype
        else:
            assert value == expected
            assert type(value) is type(expected)


def test_stored_frames_are_a_sequence(tmp_path: Path) -> None:
    made = frames(("Si",), 5)
    stored = store(iter(made), tmp_path)
    assert len(stored) == 5
    assert list(tmp_path.iterdir()) == []  # the file has no name
    energies = [frame.energy for frame in made]
    assert [frame.energy for frame in stored] == energies
    assert stored[-1].energy == energies[-1]
    assert [frame.energy for frame in stored[1:3]] == energies[1:3]
    assert [frame.energy for frame in stored.take(np.array([4, 0]))] == [energies[4], energies[0]]
    with pytest.raises(IndexError):
        stored[5]


@pytest.mark.parametrize("chunk", [1, 20, 10**6], ids=lambda n: f"{n}atoms")
def test_chunks_keep_frames_and_order(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", chunk)
    made = labeled(7)
    parts = list(chunks.chunks(made))
    assert [each for part in parts for each in part] == made
    assert all(sum(each.neighborhoods.atom_count for each in part[:-1]) < chunk for part in parts)


def labeled(count: int) -> list[_core.LabeledFrame]:
    none = np.zeros(0, np.int64)
    one = _core.Neighborhoods(np.zeros(8, np.int32), none, none, np.zeros((0, 3)))
    label = (one, 0.0, np.zeros((8, 3)), np.zeros(6), 1.0, np.ones(8), 0.0)
    return [_core.LabeledFrame(*label) for _ in range(count)]


CASES = {
    "default": {},
    "two threads": {"threads": 2},
    "automatic ridge": {"ridge": "auto"},
    "L-BFGS": {"solver": "l-bfgs"},
    "few parameters": {"level": 10, "max_parameters": 25},
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.replace(" ", "-"))
def test_streaming_changes_no_bit(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 20)
    made = frames(("Si",), 8)
    stored = store(made, tmp_path)
    chosen = settings(**{"level": 6, "max_steps": 3} | CASES[case])
    there, here = (train(chosen, each[:6], each[6:]) for each in (stored, made))
    np.testing.assert_array_equal(there.potential.parameters, here.potential.parameters)
    assert there.loss == here.loss
    assert there.validation_loss == here.validation_loss


def test_the_command_streams_from_a_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Potential and errors are those of the same data in memory; no scratch file remains."""
    with ase.db.connect(tmp_path / "train.db") as database:
        for frame in frames(("Si",), 6):
            database.write(atoms_from_frame(frame))
    words = f"--data {tmp_path}/train.db --level 4 --max-steps 2 --validation 0.3 --threads 1"
    for name, more in {"memory": "", "stream": "--stream"}.items():
        assert main_train([*words.split(), "--output", str(tmp_path / name), *more.split()]) == 0
        said = capsys.readouterr().out
        assert "4 training" in said
    for file in ("potential.mtp", "potential.almtp"):
        assert (tmp_path / "memory" / file).read_bytes() == (
            tmp_path / "stream" / file
        ).read_bytes()
    names = ["metrics.json", "potential.almtp", "potential.mtp", "report"]
    assert sorted(path.name for path in (tmp_path / "stream").iterdir()) == names


@pytest.mark.parametrize(
    "more", ["--solver huber", "--energy-correlation 0.5"], ids=["robust", "correlated"]
)
def test_what_needs_all_frames_refuses_to_stream(
    more: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"--data none.xyz --output {tmp_path}/run --stream {more}"
    assert main_train(words.split()) == 2
    assert "--stream" in capsys.readouterr().err


def peak(*words: str) -> float:
    script = Path(__file__).with_name("streamed_memory.py")
    done = subprocess.run([sys.executable, str(script), *words], capture_output=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_number_of_frames() -> None:
    """A set of 19,200 atoms more takes 3 MB at most; their neighbor lists would take 25 MB."""
    few, many = peak("100", "streamed"), peak("400", "streamed")
    assert many - few < 3 * MEGABYTE
    assert peak("400") - many > 15 * MEGABYTE


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_checks_of_the_data_hold_no_frames() -> None:
    """44,800 atoms more, strained crystals among them, take 2 MB at most; they have 5 MB."""
    few, many = (peak(count, "streamed", "checked") for count in ("100", "800"))
    assert many - few < 2 * MEGABYTE


def test_a_committee_holds_few_of_the_streamed_frames_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its members are those of frames in memory, bit for bit."""
    made = frames(("Si",), 20)
    potential = train(settings(level=4, radial_size=4, max_steps=1), made).potential
    expected = bag(potential, made, Weights(), count=3, threads=1)
    held: list[int] = []
    alive: set[int] = set()
    prepare = share.label

    def counted(*parts: object) -> _core.LabeledFrame:
        frame = prepare(*parts)
        number = len(held)
        alive.add(number)
        held.append(len(alive))
        weakref.finalize(frame, alive.discard, number)
        return frame

    monkeypatch.setattr(share, "label", counted)
    found = bag(potential, store(iter(made), tmp_path), Weights(), count=3, threads=1)
    np.testing.assert_array_equal(found, expected)
    assert len(held) == 20
    assert max(held) <= 3


def test_files_are_read_frame_by_frame(tmp_path: Path) -> None:
    """The first frame is there before the second, which is damaged, is looked at."""
    path = tmp_path / "train.xyz"
    ase.io.write(path, [atoms_from_frame(frame) for frame in frames(("Si",), 2)])
    lines = list(iterate_lines(path))
    path.write_text("".join(lines[:-1]))
    reading = iterate_atoms(path)
    next(reading)
    with pytest.raises(FormatError, match="the file ends after"):
        next(reading)


def test_sets_are_read_one_by_one_as_at_once(tmp_path: Path) -> None:
    for name in "ab":
        ase.io.write(tmp_path / f"{name}.xyz", [atoms_from_frame(f) for f in frames(("Si",), 2)])
    one_by_one = [frame.source for frame in iterate_sets([tmp_path])]
    assert one_by_one == [f.source for name in "ab" for f in read_frames(tmp_path / f"{name}.xyz")]


def test_errors_add_up_frame_by_frame(tmp_path: Path) -> None:
    made = frames(("Si",), 4)
    potential = train(settings(level=4, max_steps=1), made).potential
    stored = store(made, tmp_path)
    assert isinstance(stored, StoredFrames)
    at_once = measure(made, evaluate_frames(potential, made))
    assert measure(stored, iterate_predictions(potential, stored)) == at_once
