"""Fixtures of the LAMMPS tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mtpot import potential_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def silicon() -> Path:
    """The shipped potential of silicon."""
    return potential_path("silicon")
