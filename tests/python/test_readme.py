"""What the README files show works as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def printed(text: str, folder: Path) -> list[float]:
    """Run the one script of a document; the numbers that it prints."""
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    return [float(word) for word in run.stdout.split() if re.match(r"-?\d", word)]


def test_the_script_of_the_front_page_runs(tmp_path: Path) -> None:
    energy, grade = printed(README, tmp_path)
    assert -108 < energy / 216 < -107
    assert 0 < grade < 2


def test_the_script_for_lammps_runs(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "lammps" / "README.md").read_text(encoding="utf-8")
    assert 0 < printed(text, tmp_path)[-1] < 2


def test_links_lead_to_files() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert targets
    missing = [t for t in targets if not (ROOT / t).exists()]
    assert not missing
