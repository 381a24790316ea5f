"""What a training needs to go on after it was killed, in a file that is never half written.

The file holds a line with a checksum and JSON, whose numbers survive bit for bit. The one before
it is kept beside it, and is used if the newest turns out to be damaged.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtpot.errors import FormatError, InputError
from mtpot.files import remove_leftovers, write_atomic
from mtpot.train.monitor import Step
from mtpot.train.solvers.common import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mtpot.data.frame import Frame
    from mtpot.train.solvers import Stop

_MAGIC = "mtpot checkpoint 1 "

COURSE_FREE = (
    "output",
    "overwrite",
    "resume",
    "test",
    "threads",
    "stream",
    "max_steps",
    "tolerance",
    "patience",
    "seeds",
    "active_set",
    "ensemble",
)
"""Settings that may change on the way; any other would make it a different training."""

_RESULT_FREE = ("output", "overwrite", "resume", "threads", "stream")
"""Settings that do not change what a finished training leaves."""

_CONTENTS = {
    "data": "the frames of --data or their labels have changed",
    "start": "the content of --start has changed",
    "test": "the frames of --test or their labels have changed",
}
"""Settings that name files, whose fingerprints count and not their names; what to say of them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stage stands.

    Attributes
    ----------
    mark
        Where its solver can take up again; None at its beginning.
    best, best_loss
        The step that is best on the validation frames, and the loss on them.
    idle
        Steps since then.
    """

    mark: Mark | None = None
    best: Mark | None = None
    best_loss: float | None = None
    idle: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed; the potential as the text of a file."""

    potential: str
    loss: float
    stop: Stop
    seed: int
    validation_loss: float | None
    chosen: dict[str, float]


@dataclass(frozen=True, slots=True)
class State:
    """A training on its way.

    Attributes
    ----------
    finished
        What came of earlier seeds.
    position
        Number of the stage.
    start
        Potential that the stage began with, as the text of a file.
    standing
        Where the stage stands.
    steps
        Of the whole training, up to here.
    """

    finished: list[Outcome]
    position: int
    start: str
    standing: Standing
    steps: list[Step]


class Checkpoint:
    """The file of one training's state.

    Attributes
    ----------
    path
        Of the newest state.
    saved
        What was there when training began, if it is to be resumed.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any], saved: State | None = None) -> None:
        """Make one; `facts` are settings and data, by which `load` knows what belongs together."""
        self.path = path
        self.saved = saved
        self._facts = facts

    def save(self, state: State) -> None:
        """Replace the file and keep the one before.

        Raises
        ------
        InputError
            It cannot be written; what was there before is as it was.
        """
        body = json.dumps({"facts": self._facts, "state": asdict(state)}).encode()
        newest = self.path.read_bytes() if self.path.exists() else b""
        # A damaged one must not take the place of the sound one that was resumed from.
        if _is_sound(newest):
            write_atomic(_previous(self.path), newest, overwrite=True)
        head = f"{_MAGIC}{_checksum(body)}\n".encode()
        write_atomic(self.path, head + body + b"\n", overwrite=True)

    def remove(self) -> None:
        """Delete both files, whole or half written: the training is over."""
        for path in _files(self.path):
            path.unlink(missing_ok=True)
            remove_leftovers(path)


def exists(path: Path) -> bool:
    """Whether there is a checkpoint, or one before it."""
    return any(each.exists() for each in _files(path))


def resume(path: Path, facts: Mapping[str, Any], tell: Callable[[str], None]) -> Checkpoint:
    """Read a checkpoint to go on from.

    Parameters
    ----------
    path
        Of the newest state.
    facts
        Settings and data of now; see `facts_of`.
    tell
        Called with a line for each thing that the user should know: a damaged file, a setting
        that differs.

    Raises
    ------
    FormatError
        Neither the newest file nor the one before is sound.
    InputError
        A setting differs that makes it another training, or the data do; names each.
    """
    saved, state = _newest(path, tell)
    _compare(path, saved, facts, tell)
    for each in _files(path):
        remove_leftovers(each)
    return Checkpoint(path, facts, state)


def differences_from_finished(record: Path, facts: Mapping[str, Any]) -> list[str]:
    """Say what keeps a finished training from being the one that is asked for; nothing: none.

    Parameters
    ----------
    record
        Its metrics.json.
    facts
        Settings and data of now; see `facts_of`.
    """
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        saved = {"settings": content["settings"], **content["fingerprints"]}
        if content["stop"] == "interrupted":
            return ["it was interrupted, and its checkpoint is gone"]
        return _differences(saved, facts, _RESULT_FREE)
    except (OSError, ValueError, KeyError, TypeError):
        return [f"{record} does not tell what it was trained on"]


def facts_of(
    settings: Mapping[str, Any], frames: Iterable[Frame], test: Iterable[Frame] = ()
) -> dict[str, Any]:
    """Take down the settings, and fingerprints of the frames with their labels and of the start."""
    start = settings["start"]
    return {
        "settings": dict(settings),
        "data": _fingerprint(frames),
        "start": start and _checksum(Path(start).read_bytes()),
        "test": _fingerprint(test),
    }


def _fingerprint(frames: Iterable[Frame]) -> str:
    """Return what frames and labels have for themselves: not the names of their files."""
    digest = hashlib.sha256()
    # Which frames are of one file and trajectory matters, not what these are called.
    numbers = {"": ""}
    files: dict[str, int] = {}
    for frame in frames:
        trajectory = numbers.setdefault(frame.trajectory, str(len(numbers)))
        file = files.setdefault(frame.file, len(files))
        digest.update(",".join(frame.symbols).encode())
        for array in (frame.positions, frame.cell, frame.pbc, frame.forces, frame.stress):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        place = (frame.group, file, trajectory, frame.snapshot)
        digest.update(repr((frame.energy, frame.weights, *place)).encode())
    return digest.hexdigest()


def _newest(path: Path, tell: Callable[[str], None]) -> tuple[dict[str, Any], State]:
    for each in _files(path):
        try:
            return _read(each)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            tell(f"{each} is damaged ({error}): the one before it is used")
    raise FormatError(f"{path} is damaged and so is the one before it; --overwrite starts anew")


def _read(path: Path) -> tuple[dict[str, Any], State]:
    text = path.read_bytes()
    if not _is_sound(text):
        raise ValueError("its checksum is wrong")
    content = json.loads(text.partition(b"\n")[2])
    return content["facts"], _state(content["state"])


def _is_sound(text: bytes) -> bool:
    head, _, body = text.partition(b"\n")
    return head == (_MAGIC + _checksum(body.removesuffix(b"\n"))).encode()


def _state(saved: dict[str, Any]) -> State:
    standing = saved["standing"]
    marks = {name: Mark(**standing[name]) if standing[name] else None for name in ("mark", "best")}
    return State(
        [Outcome(**each) for each in saved["finished"]],
        saved["position"],
        saved["start"],
        Standing(**standing | marks),
        [Step(**step) for step in saved["steps"]],
    )


def _compare(
    path: Path, saved: Mapping[str, Any], now: Mapping[str, Any], tell: Callable[[str], None]
) -> None:
    fixed = _differences(saved, now, COURSE_FREE)
    if fixed:
        raise InputError(
            f"{path} is of another training: {'; '.join(fixed)}. Give what it had, or --overwrite "
            "without --resume to start anew"
        )
    for name, line in _changes(saved["settings"], now["settings"]).items():
        if name not in ("overwrite", "resume"):
            tell(f"resumed with another setting: {line}")


def _differences(
    saved: Mapping[str, Any], now: Mapping[str, Any], ignored: Sequence[str]
) -> list[str]:
    """Name each setting that differs; of those that name files, each whose content does."""
    changes = _changes(saved["settings"], now["settings"])
    found = [
        line for name, line in changes.items() if name not in ignored and name not in _CONTENTS
    ]
    for name, line in _CONTENTS.items():
        if name not in ignored and saved[name] != now[name]:
            found.append(f"{line} ({changes[name]})" if name in changes else line)
    return found


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: f"{name.replace('_', '-')} was {before.get(name)}, is {value}"
        for name, value in after.items()
        if before.get(name) != value
    }


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _files(path: Path) -> tuple[Path, Path]:
    return path, _previous(path)


def _previous(path: Path) -> Path:
    return path.with_suffix(".previous")
