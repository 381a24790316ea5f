"""A report in words: how good a potential is, and what speaks against trusting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtpot.short_range import find_holes
from mtpot.train.metrics import energy_pairs, force_pairs
from mtpot.train.pairs import species_pairs
from mtpot.train.quantities import QUANTITIES, group_name
from mtpot.train.report.record import count_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mtpot.data.frame import Floats
    from mtpot.train.metrics import Summary
    from mtpot.train.report.judged import Evaluated, Judged

FAR_ABOVE = 3.0
"""Times the RMSE of all frames from which the error of a group is worth a warning."""

OVERFITTED = 1.5
"""Times the training RMSE from which an error on other frames is."""

FEWEST_LABELS = 10
"""Labels for each parameter below which a fit is likely to follow their noise."""

FEWEST_FRAMES = 20

_BASIS = {
    "test": "On {}",
    "validation": "On {}, set aside from its training data,",
    "train": "On its {}",
}
_WORDS = ((0.05, "very closely"), (0.12, "well"), (0.25, "fairly"), (np.inf, "only roughly"))


def best_judge(judged: Judged) -> str:
    """Name the set that says most of how good a potential is."""
    return next(name for name in _BASIS if name in judged.sets)


def sentences(judged: Judged) -> list[str]:
    """Say how good it is, how sure that is, and what it costs."""
    kind = best_judge(judged)
    evaluated = judged.sets[kind]
    return [_errors(kind, evaluated.metrics.total), _shares(evaluated), _making(judged)]


def warnings(judged: Judged) -> list[str]:
    """Say what to look at before trusting it; the most serious first."""
    return [text for check in _CHECKS for text in check(judged)]


def _errors(kind: str, total: Summary) -> str:
    basis = _BASIS[kind].format(_frames(total.frames, kind))
    found = [(quantity, quantity.errors(total)) for quantity in QUANTITIES]
    known = [(quantity, errors) for quantity, errors in found if errors]
    if not known:
        return f"{basis} nothing can be said: they have no labels."
    parts = [f"{q.text(errors.mae)} {q.unit} in {_counted(q.name)}" for q, errors in known]
    squares = ", ".join(q.text(errors.rmse) for q, errors in known)
    listed = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return f"{basis} it is off by {listed} on average (root mean squares: {squares})."


def _counted(name: str) -> str:
    return name if name == "energy" else f"{name} components"


def _shares(evaluated: Evaluated) -> str:
    """Compare errors with how much the labels vary, which tells good from bad in any unit."""
    forces, energies = force_pairs(evaluated.pairs), energy_pairs(evaluated.pairs)
    parts = []
    if len(forces) and np.any(forces[:, 0]):
        share = _rms(np.diff(forces)) / _rms(forces[:, 0])
        word = next(word for limit, word in _WORDS if share <= limit)
        parts.append(
            f"Forces are reproduced {word}: their RMSE is {_percent(share)} of the RMS force."
        )
    spread = float(energies[:, 0].std()) if len(energies) > 1 else 0.0
    if spread > 0.0:
        share = _rms(np.diff(energies)) / spread
        parts.append(
            f"The RMSE of energies per atom is {_percent(share)} of their standard deviation."
        )
    if parts and evaluated.sampled:
        parts.append(f"These shares are those of a sample of {len(evaluated.frames)} frames.")
    return " ".join(parts)


def _making(judged: Judged) -> str:
    core = judged.potential.core
    text = (
        f"It has level {core.level}, a cutoff of {core.cutoff:g} Å and {len(core.parameters)} "
        f"parameters, and takes an estimated {judged.microseconds:.3g} µs per atom and core for "
        f"energies and forces at {judged.distances.neighbors:.0f} neighbors."
    )
    training = judged.training
    if training is None:
        return text
    return (
        f"{text} Training took {_duration(training.seconds)} and {count_steps(training.steps)} "
        f"steps to a loss of {training.loss:.4g}."
    )


def _unfinished(judged: Judged) -> Iterator[str]:
    stop = judged.training.stop if judged.training else "converged"
    if stop == "interrupted":
        yield "The training was interrupted: a longer one would fit better."
    elif stop == "max-steps":
        yield "The training is not converged: raise max-steps, or start from its result."


def _untested(judged: Judged) -> Iterator[str]:
    if "test" in judged.sets:
        frames = judged.sets["test"].metrics.total.frames
        if frames < FEWEST_FRAMES:
            yield f"There are only {_frames(frames, 'test')}: its errors are uncertain."
    elif "validation" not in judged.sets:
        yield (
            "No frames were kept for a test: the errors say how well it describes its own data, "
            "not how well it predicts. Give --test, or set frames aside by --validation."
        )


def _few_data(judged: Judged) -> Iterator[str]:
    if "train" not in judged.sets:
        return
    labels, frames = judged.sets["train"].labels, judged.sets["train"].metrics.total.frames
    parameters = len(judged.potential.core.parameters)
    if labels < FEWEST_LABELS * parameters:
        yield (
            f"There are {labels} labels for {parameters} parameters, fewer than {FEWEST_LABELS} "
            "each: lower the level, or add frames."
        )
    elif frames < FEWEST_FRAMES:
        yield f"It was trained on {frames} frames only: what they lack, it does not know."


def _overfitted(judged: Judged) -> Iterator[str]:
    if "train" not in judged.sets:
        return
    trained = judged.sets["train"].metrics.total
    for kind in ("test", "validation"):
        if kind not in judged.sets:
            continue
        other = judged.sets[kind].metrics.total
        for quantity in QUANTITIES:
            here, there = quantity.errors(trained), quantity.errors(other)
            if here and there and there.rmse > OVERFITTED * here.rmse > 0.0:
                yield (
                    f"The {quantity.name} RMSE on {kind} frames is {there.rmse / here.rmse:.1f} "
                    "times that on training frames: it follows its data too closely, or the "
                    "frames are of other kinds."
                )


def _outlying_groups(judged: Judged) -> Iterator[str]:
    metrics = judged.sets[best_judge(judged)].metrics
    for name, summary in metrics.groups.items():
        for quantity in QUANTITIES:
            group, total = quantity.errors(summary), quantity.errors(metrics.total)
            if group and total and group.rmse > FAR_ABOVE * total.rmse:
                yield (
                    f"The {quantity.name} RMSE of the group {group_name(name)} is "
                    f"{group.rmse / total.rmse:.1f} times that of all frames."
                )


def _unlabeled(judged: Judged) -> Iterator[str]:
    if "train" not in judged.sets:
        return
    total = judged.sets["train"].metrics.total
    if total.forces is None:
        yield "No training frame has forces: the potential knows energies only."
    if total.stress is None:
        yield "No training frame has a stress: pressures and elastic constants are untested."


def _beyond_grades(judged: Judged) -> Iterator[str]:
    for kind, evaluated in judged.sets.items():
        beyond = sum(grades.frame > 10.0 for grades in evaluated.grades or [])
        if beyond:
            frames = _frames(len(evaluated.frames), kind)
            sample = "a sample of " if evaluated.sampled else ""
            yield (
                f"{beyond} of {sample}{frames} have an extrapolation grade "
                "above 10: the training data lack such structures."
            )


def _unseen_pairs(judged: Judged) -> Iterator[str]:
    every = species_pairs(judged.potential.species)
    unseen = ["-".join(pair) for pair in every if pair not in judged.distances.shortest]
    if unseen:
        yield f"No frame has these atoms within the cutoff of each other: {', '.join(unseen)}."


def _holes(judged: Judged) -> Iterator[str]:
    """Name the pairs that fall into a hole at distances shorter than those of the data."""
    species = judged.potential.species
    shortest = np.full((len(species), len(species)), np.inf)
    for pair, distance in judged.distances.shortest.items():
        i, j = sorted(species.index(symbol) for symbol in pair)
        shortest[i, j] = distance
    for hole in find_holes(judged.potential, shortest):
        yield (
            f"{hole}. Add frames with short distances, or a repulsive core (--core zbl with "
            "--radial-basis RBChebyshev_clamped)."
        )


_CHECKS = (
    _unfinished,
    _untested,
    _few_data,
    _overfitted,
    _outlying_groups,
    _unlabeled,
    _beyond_grades,
    _unseen_pairs,
    _holes,
)


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _percent(share: float) -> str:
    return f"{100.0 * share:.2g} %" if share < 0.1 else f"{100.0 * share:.0f} %"


def _frames(count: int, kind: str) -> str:
    name = "training" if kind == "train" else kind
    return f"{count} {name} frame{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    if seconds < 100.0:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60.0)
    return f"{minutes} min" if minutes < 100 else f"{seconds / 3600.0:.1f} h"
