"""Trainings by the library, on one process or on all under mpirun; test_parallel.py runs them."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from test_thin import frames, settings

from mtpot.data.stored import store
from mtpot.train.launch import join, place
from mtpot.train.trainer import train

if TYPE_CHECKING:
    from mtpot.train.share import Team

CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "two species": {"species": ("Si", "Al"), "level": 6},
    "early stopping": {"patience": 2},
    "automatic ridge": {"ridge": "auto"},
    "L-BFGS": {"solver": "l-bfgs"},
    "Bayesian ridge": {"solver": "bayesian-ridge"},
    "elimination": {"solver": "elimination"},
    "few parameters": {"level": 10, "max_parameters": 25},
    "two seeds": {"seeds": 2},
    "warm-up": {"warm_up": 0.5},
    "streamed": {"stream": True},
    "two frames": {},
}
BASE = {"level": 8, "ridge": 1e-4, "max_steps": 3, "tolerance": 0.0}


def results(team: Team | None = None) -> dict[str, tuple[list[float], list[float]]]:
    """Parameters, and the losses and errors on the way, of each case."""
    return {name: _result(name, team) for name in CASES}


def _result(name: str, team: Team | None) -> tuple[list[float], list[float]]:
    case = CASES[name]
    chosen = settings(**BASE | case)
    made = frames(chosen.species, 2 if name == "two frames" else 7)
    if chosen.stream:
        made = store(made, Path(tempfile.gettempdir()))
    validation = made[5:] if "patience" in case else ()
    found = train(chosen, made[:5], validation, team=team)
    trace = [(s.loss, s.energy_rmse_per_atom, s.force_rmse) for s in found.steps]
    return found.potential.parameters.tolist(), [each for step in trace for each in step]


def main() -> None:
    """Write the results as JSON, from the first of several processes."""
    team = join(place())
    if team.rank:
        sys.exit(team.serve())
    Path(sys.argv[1]).write_text(json.dumps(results(team)))
    team.dismiss(0)


if __name__ == "__main__":
    main()
