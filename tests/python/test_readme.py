"""What the README shows works as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_scripts_run_one_after_the_other(tmp_path: Path) -> None:
    scripts = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(scripts) == 2
    script = "\n".join([*scripts, "print(atoms.info['grade'])"])
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    energy, grade, later = map(float, run.stdout.split())
    assert 0 < later < 2
    assert -108 < energy / 216 < -107
    assert 0 < grade < 2


def test_links_lead_to_files() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert targets
    missing = [t for t in targets if not (Path(__file__).parents[2] / t).exists()]
    assert not missing
