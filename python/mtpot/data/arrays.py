"""From values of unknown origin to finite arrays of a known shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mtpot.stress import VOIGT

if TYPE_CHECKING:
    from mtpot.data.frame import Floats

_FULL = ((0, 5, 4), (5, 1, 3), (4, 3, 2))
_ASYMMETRY = 1e-2
"""Of the largest component; programs print tensors that are symmetric up to their noise."""


def finite_array(value: Any, name: str, shape: tuple[int, ...]) -> Floats:
    """Return `value` as floats of the given shape.

    Raises
    ------
    ValueError
        It is no number, has another shape or is not finite; the message begins with `name`.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"the {name} is no number: {value!r}")
    if array.shape != shape:
        raise ValueError(f"the {name} has shape {array.shape} where {shape} belongs")
    finite = np.isfinite(array)
    if not finite.all():
        atom = f" of atom {int(np.argwhere(~finite)[0][0]) + 1}" if len(shape) == 2 else ""
        raise ValueError(f"the {name}{atom} is not finite")
    return np.array(array, dtype=np.float64)


def voigt(value: Any, name: str) -> Floats:
    """Return xx yy zz yz xz xy of a tensor given by these six, or by nine numbers.

    Raises
    ------
    ValueError
        The count is another, a number is not finite, or nine are not symmetric.
    """
    array = np.asarray(value)
    if array.size == 6:
        return finite_array(array.ravel(), name, (6,))
    if array.size != 9:
        raise ValueError(f"the {name} has {array.size} numbers where 6 or 9 belong")
    full = finite_array(array.ravel(), name, (9,)).reshape(3, 3)
    if np.abs(full - full.T).max() > _ASYMMETRY * np.abs(full).max():
        raise ValueError(f"the {name} is not symmetric")
    components: Floats = full[VOIGT]
    return components


def full_tensor(components: Floats) -> Floats:
    """Return the symmetric 3 x 3 tensor of xx yy zz yz xz xy."""
    full: Floats = components[np.array(_FULL)]
    return full
