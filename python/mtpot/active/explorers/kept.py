"""The state of a simulation in ASE, as numbers that JSON can hold.

Simulations that go on from it are those that were never interrupted, bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

Dynamics = Any
"""One of `ase.md`; what it remembers depends on its kind."""

_BAROSTAT = (
    "h", "h_past", "q", "q_past", "q_future", "eta", "eta_past", "zeta", "zeta_past",
    "zeta_integrated", "timeelapsed",
)  # fmt: skip
"""What Melchionna's equations need of this step, the last and the next."""


def state_of(dynamics: Dynamics) -> dict[str, Any]:
    """Return positions, cell and momenta, in ASE's units, and what the thermostat remembers."""
    atoms = dynamics.atoms
    state = {
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
        "momenta": atoms.get_momenta().tolist(),
    }
    if hasattr(dynamics, "rng"):
        state["rng"] = dynamics.rng.bit_generator.state
    if _under_way(dynamics):
        state["barostat"] = {
            name: np.asarray(getattr(dynamics, name)).tolist() for name in _BAROSTAT
        }
    return state


def restore(dynamics: Dynamics, state: Mapping[str, Any]) -> None:
    """Put dynamics of the same kind and atoms into a state."""
    atoms = dynamics.atoms
    atoms.set_cell(state["cell"])
    atoms.positions = state["positions"]
    atoms.set_momenta(np.array(state["momenta"]))
    if "rng" in state:
        dynamics.rng.bit_generator.state = state["rng"]
    if "barostat" in state:
        for name, value in state["barostat"].items():
            setattr(dynamics, name, np.array(value) if isinstance(value, list) else value)
        dynamics.inv_h = np.linalg.inv(dynamics.h)
        dynamics.initialized = 1


def _under_way(dynamics: Dynamics) -> bool:
    """Whether a barostat has made its first step."""
    return hasattr(dynamics, "eta_past") and bool(dynamics.initialized)
