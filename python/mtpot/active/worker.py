"""The process of one task: python -m mtpot.active.worker FOLDER."""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path

from mtpot.active.explorers import explore_in
from mtpot.active.labelers import label_in
from mtpot.active.tasks import Outcome, content_of, finish

KINDS = {"label": label_in, "explore": explore_in}
"""What a task can be, and who does it: a function of folder and content that returns an outcome."""


def main() -> None:
    """Do the task and write its result."""
    folder = Path(sys.argv[1]).absolute()
    content = content_of(folder)
    os.chdir(content["place"])
    started = time.perf_counter()
    try:
        outcome = KINDS[content["kind"]](folder, content)
    except Exception as error:
        traceback.print_exc()
        outcome = Outcome("failed", f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - started
    finish(folder, Outcome(outcome.end, outcome.reason, seconds, outcome.found))


if __name__ == "__main__":
    main()
