"""Every set of kernels gives the same numbers; MTPOT_SIMD chooses among them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from models import SMALL_CASES, crystal

from mtpot import _core
from mtpot.neighbors import neighborhoods

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from mtpot import _core
from test_simd import results
np.savez(sys.argv[2], name=_core.simd_name(), **results())
"""


def results() -> dict[str, np.ndarray]:
    """Energies, forces, virials, rows and tangents of a few potentials."""
    found = {}
    for case in SMALL_CASES:
        potential = case.potential()
        atoms = crystal("".join(case.species) * 2, seed=4)
        symbols = atoms.get_chemical_symbols()
        lists = neighborhoods(potential, symbols, atoms.positions, atoms.cell.array, atoms.pbc)
        design = _core.Design(potential.core)
        arrays = (
            *_core.Evaluator(potential.core).evaluate(lists),
            design.rows(lists),
            *design.tangents(lists),
        )
        found |= {f"{case}-{k}": array for k, array in enumerate(arrays)}
    return found


def run(simd: str, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(target)]
    environment = os.environ | {"MTPOT_SIMD": simd}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("simd", ["portable", "avx2", "avx512"])
def test_kernels_agree(simd: str, tmp_path: Path) -> None:
    outcome = run(simd, tmp_path / "found.npz")
    if "this processor and build have" in outcome.stderr:
        pytest.skip(f"this processor has no {simd}")
    assert outcome.returncode == 0, outcome.stderr
    found = np.load(tmp_path / "found.npz")
    assert found["name"] == simd
    for key, expected in results().items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[key], expected, atol=1e-12 * scale, rtol=0, err_msg=key)


def test_an_unknown_instruction_set_is_refused_by_name(tmp_path: Path) -> None:
    outcome = run("avx1024", tmp_path / "none.npz")
    assert outcome.returncode != 0
    assert "InputError: MTPOT_SIMD=avx1024" in outcome.stderr
