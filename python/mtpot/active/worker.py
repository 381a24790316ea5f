"""The process of one task: python -m mtpot.active.worker FOLDER."""

from __future__ import annotations

import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtpot.active.tasks import Outcome, content_of, finish

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {
    "label": ("mtpot.active.labelers", "label_in"),
    "explore": ("mtpot.active.explorers", "explore_in"),
}
"""What a task can be, and who does it: a function of folder and content that returns an outcome.

Its module is imported when it is needed: a process for every calculation should start soon."""


def do(folder: Path, content: Mapping[str, Any]) -> Outcome:
    """Do the task of a folder in this process."""
    module, name = KINDS[content["kind"]]
    outcome: Outcome = getattr(import_module(module), name)(folder, content)
    return outcome


def main() -> None:
    """Do the task and write its result."""
    folder = Path(sys.argv[1]).absolute()
    content = content_of(folder)
    started = time.perf_counter()
    try:
        outcome = do(folder, content)
    except Exception as error:
        traceback.print_exc()
        outcome = Outcome("failed", f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - started
    finish(folder, Outcome(outcome.end, outcome.reason, seconds, outcome.found))


if __name__ == "__main__":
    main()
