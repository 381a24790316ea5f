"""Fixtures that every layer of tests shares."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def mlip3() -> Path:
    """Folder of the numbers computed by MLIP-3, which stands beside the repository."""
    folder = REPOSITORY.parent / "shared" / "reference" / "mlip3"
    if not folder.is_dir():
        pytest.skip("the reference numbers of MLIP-3 are not here")
    return folder
