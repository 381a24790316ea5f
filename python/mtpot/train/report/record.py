"""What metrics.json says of a training beside its errors."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

import mtpot
from mtpot import _core
from mtpot.errors import FormatError, InputError
from mtpot.train.metrics import Metrics
from mtpot.train.monitor import Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Training:
    """How a potential was trained.

    `neighbors` is the mean number in its training frames. `fingerprints` tell data apart whose
    files are called the same; `warnings` say what is odd in the data. Records of early versions
    have neither.
    """

    loss: float
    seconds: float
    stop: str
    seed: int
    threads: int
    neighbors: float
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    steps: Sequence[Step]
    fingerprints: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Training:
        """Take it from the content of metrics.json; a KeyError names what is missing."""
        late = {"fingerprints": content.get("fingerprints", {})}
        late["warnings"] = content.get("warnings", ())
        steps = [_step(each) for each in content["history"]]
        apart = ("steps", *late)
        plain = {item.name: content[item.name] for item in fields(cls) if item.name not in apart}
        return cls(**plain, **late, steps=steps)


def count_steps(steps: Sequence[Step]) -> int:
    """Count the accepted steps of all stages, each of which begins with a step 0."""
    return sum(step.number > 0 for step in steps)


def history(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Write steps as metrics.json holds them."""
    listed = [asdict(step) for step in steps]
    return [{"step": each.pop("number")} | each for each in listed]


def versions() -> dict[str, str]:
    """Of what the last digits of a result depend on."""
    return {
        "mtpot": mtpot.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "instruction set": _core.simd_name(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def read_record(path: Path) -> tuple[Training, dict[str, Metrics]]:
    """Read a metrics.json: the training, and the errors of each set of frames.

    Raises
    ------
    InputError, FormatError
        The file cannot be read, or is not what mlp-train writes.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        sets = ("train", "validation", "test")
        found = {name: Metrics.from_dict(content[name]) for name in sets if content[name]}
        return Training.of(content), found
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise FormatError(f"{path}: no {error.args[0]}; another version wrote it") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise FormatError(f"{path}: not a metrics.json of mlp-train: {error}") from error


def _step(entry: Mapping[str, Any]) -> Step:
    values = dict(entry)
    return Step(values.pop("step"), **values)
