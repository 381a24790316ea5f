"""Describe a potential file.

mlp info potential.almtp
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtpot.cli.common import add_potential, add_species, to_json

if TYPE_CHECKING:
    import argparse

    from mtpot import _core
    from mtpot.potential import MTP

SUMMARY = "describe a potential file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_potential(parser, "an .mtp or .almtp file")
    add_species(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises
    ------
    InputError, FormatError
        The file cannot be read, or is malformed.
    """
    from mtpot import _core
    from mtpot.potential import MTP

    facts = describe(MTP.load(arguments.potential, species=arguments.species))
    if arguments.json:
        print(to_json(facts), end="")
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name.replace('_', ' '):{width}}  {_text(value)}")
    if not facts["pair_couplings"]:
        print(_core.NO_PAIR_COUPLINGS)


def describe(potential: MTP) -> dict[str, Any]:
    """Collect what a potential is made of; lengths in angstrom."""
    core = potential.core
    return {
        "name": core.name,
        "species": list(potential.species) or None,
        "species_count": core.species_count,
        "trained": core.trained,
        "level": core.level,
        "cutoff": core.cutoff,
        "min_distance": core.min_distance,
        "radial_basis": core.radial_basis,
        "radial_size": core.radial_size,
        "core": _repulsion(potential),
        "radial_functions": core.radial_function_count,
        "basic_moments": len(core.basics),
        "products": len(core.products),
        "moments": core.moment_count,
        "scalars": len(core.scalars),
        "parameters": len(core.parameters),
        "pair_couplings": _couples_pairs(core),
        "active_set": _active_set(potential),
        "committee": _committee(potential),
    }


def _couples_pairs(core: _core.Potential) -> bool:
    """Whether the form that is evaluated is the faster one; before training, with all scalars."""
    from mtpot import _core

    if not core.trained:
        core = core.with_parameters([1.0] * len(core.parameters))
    return _core.Evaluator(core).couples_pairs


def _repulsion(potential: MTP) -> dict[str, Any] | None:
    """Inner and outer radii by pairs, as "Al-Ni"."""
    radii = potential.core_radii
    if radii is None:
        return None
    return {"kind": "ZBL", "radii": {"-".join(pair): list(found) for pair, found in radii.items()}}


def _active_set(potential: MTP) -> dict[str, Any] | None:
    from mtpot.grading import weights_of

    selection = potential.selection
    if selection is None:
        return None
    return {
        "mode": weights_of(selection).mode,
        "rows": selection.active_set.size,
        "rows_set": int((selection.origins[:, 0] >= 0).sum()),
        "configurations": selection.configurations.count("BEGIN_CFG"),
    }


def _committee(potential: MTP) -> dict[str, Any] | None:
    members = len(potential.core.members)
    calibrated = "yes" if potential.intervals else "no"
    return {"members": members, "calibrated": calibrated} if members else None


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, dict) and "radii" in value:
        spans = (f"{pair} {a:.4g} to {b:.4g} Å" for pair, (a, b) in value["radii"].items())
        return f"{value['kind']}, {', '.join(spans)}"
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {entry}" for key, entry in value.items())
    return str(value)
