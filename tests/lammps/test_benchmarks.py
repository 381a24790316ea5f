"""The benchmark beside other potentials runs, and writes what its tables and plot need."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PEERS = {"EAM", "UF3", "POD", "SNAP", "quadratic SNAP"}
VARIANTS = {"double", "mixed", "grades", "ASE"}
DOCUMENT = "before\n<!-- peers.py: begin -->\nold\n<!-- peers.py: end -->\nafter\n"


@pytest.fixture(scope="module")
def output(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a quick run."""
    folder = tmp_path_factory.mktemp("peers")
    document = folder / "document.md"
    document.write_text(DOCUMENT)
    command = [sys.executable, repository / "benchmarks" / "peers.py", "--quick"]
    options = ["--output", folder, "--document", document]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def results(output: Path) -> Any:
    return json.loads((output / "peers.json").read_text())


def test_every_contender_is_there_and_has_a_time_a_round(results: Any) -> None:
    rows = results["comparison"]
    assert {row["name"].partition(",")[0] for row in rows if row["level"] is None} == PEERS
    ours = {row["variant"]: row for row in rows if row["level"] == 8}
    assert ours.keys() >= VARIANTS
    for row in rows:
        assert len(row["times"]) == results["settings"]["rounds"]
        assert min(row["times"]) <= row["time"] <= max(row["times"])


def test_the_crystal_of_moment_tensor_potentials_is_the_one_of_the_tables(results: Any) -> None:
    row = next(row for row in results["comparison"] if row["name"] == "MTP level 8, double")
    assert (row["cutoff"], row["inside"], row["listed"]) == (5.0, 42, 54)


def test_what_counts_operations_has_a_fraction_of_the_peak(results: Any) -> None:
    if shutil.which("c++") is None:
        pytest.skip("there is no compiler to measure the peak with")
    rows = results["comparison"]
    plain = [row["fraction"] for row in rows if row["variant"] in {"double", "AVX2", "SSE2"}]
    assert plain
    assert all(fraction > 0 for fraction in plain)


def test_sizes_ranks_and_threads_are_varied(results: Any) -> None:
    sizes = [row["atoms"] for row in results["scaling"]["rows"]]
    assert sizes == sorted(set(sizes))
    plans = {(row["ranks"], row["threads"]) for row in results["parallel"]}
    assert plans == {(1, 1), (2, 1), (1, 2)}


def test_the_tables_replace_the_old_ones_and_nothing_else(results: Any, output: Path) -> None:
    machine = results["machine"]
    before, after = DOCUMENT.split("old\n")
    document = (output / "document.md").read_text()
    assert document.startswith(f"{before}{machine['date']}, {machine['processor']}")
    assert document.endswith(after)
    for row in results["comparison"]:
        assert row["level"] or f"| {row['name']} |" in document


def test_the_plot_is_a_picture(output: Path) -> None:
    assert "<svg" in (output / "peers.svg").read_text()
