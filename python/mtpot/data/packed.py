"""Frames as bytes, and back, bit for bit: for scratch files and for messages between processes.

A line of JSON says how many atoms there are, which arrays follow and what else there is to know;
then come the arrays. It is no format to keep data in: it may change with every version.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np

from mtpot.data.frame import Frame

_SHAPES = {"positions": (-1, 3), "cell": (3, 3), "forces": (-1, 3), "stress": (6,)}
_ARRAYS = (*_SHAPES, "pbc", "symbols")
_PLAIN = tuple(item.name for item in fields(Frame) if item.name not in _ARRAYS)


def pack(frame: Frame) -> bytes:
    """Return the frame as bytes."""
    elements, kinds = np.unique(frame.symbols, return_inverse=True)
    arrays = {name: getattr(frame, name) for name in _SHAPES}
    present = {name: array for name, array in arrays.items() if array is not None}
    head: dict[str, Any] = {name: getattr(frame, name) for name in _PLAIN}
    head |= {"elements": elements.tolist(), "pbc": frame.pbc.tolist()}
    head |= {"sizes": {name: array.size for name, array in present.items()}}
    parts = [np.ascontiguousarray(each, np.float64).tobytes() for each in present.values()]
    return b"".join([json.dumps(head).encode(), b"\n", *parts, kinds.astype(np.uint8).tobytes()])


def unpack(content: bytes) -> Frame:
    """Return the frame that `pack` has made these bytes of."""
    line, _, rest = content.partition(b"\n")
    head = json.loads(line)
    arrays: dict[str, Any] = dict.fromkeys(_SHAPES)
    place = 0
    for name, size in head.pop("sizes").items():
        found = np.frombuffer(rest, np.float64, size, place)
        arrays[name] = found.reshape(_SHAPES[name]).copy()
        place += 8 * size
    elements = head.pop("elements")
    symbols = tuple(elements[kind] for kind in rest[place:])
    pbc = np.array(head.pop("pbc"), dtype=bool)
    head["weights"] = tuple(head["weights"])
    return Frame(symbols=symbols, pbc=pbc, **arrays, **head)
