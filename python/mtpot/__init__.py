"""Moment tensor potentials: from quantum-mechanical data to molecular dynamics."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mtpot.errors import (
    FormatError,
    InputError,
    MtpotError,
    NumericalError,
    UncalibratedWarning,
)

if TYPE_CHECKING:
    from mtpot.calculator import MTPCalculator
    from mtpot.potential import MTP, potential_path

__version__ = "0.1.0"
__all__ = [
    "MTP",
    "FormatError",
    "InputError",
    "MTPCalculator",
    "MtpotError",
    "NumericalError",
    "UncalibratedWarning",
    "potential_path",
]

# Loaded on first use: LAMMPS imports this package at start, and must not wait for ASE.
_LAZY = {"MTP": "potential", "potential_path": "potential", "MTPCalculator": "calculator"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'mtpot' has no attribute {name!r}")
    return getattr(importlib.import_module(f"mtpot.{_LAZY[name]}"), name)
