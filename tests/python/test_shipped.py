"""The potentials that come with the package are the ones that their folders describe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from mtpot import MTP, potential_path
from mtpot.data.sets import read_sets
from mtpot.errors import InputError
from mtpot.train.metrics import Metrics, evaluate_frames, measure

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "potentials").glob("*/SHA256SUMS"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_files_have_their_checksums(folder: Path) -> None:
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_installed_file_is_the_one_in_the_repository(folder: Path) -> None:
    installed = potential_path(folder.name)
    assert installed.read_bytes() == (folder / installed.name).read_bytes()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_errors_are_those_of_its_metrics(folder: Path) -> None:
    stated = json.loads((folder / "metrics.json").read_text())
    potential = MTP.load(potential_path(folder.name))
    frames = read_sets([ROOT / each for each in stated["settings"]["test"]], potential.species)
    metrics: Metrics = measure(frames, evaluate_frames(potential, frames))
    found, expected = metrics.as_dict(), stated["test"]
    for key in ("energy_rmse_per_atom", "force_rmse", "stress_rmse"):
        assert found[key] == pytest.approx(expected[key], rel=1e-6)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="silicon"):
        potential_path("unobtainium")
