"""Whether energies, forces and stresses of a data set are derivatives of each other.

Units, signs and the order of shear components show themselves as factors: between changes of the
energy and the work of stresses over strained pairs (`mtpot.data.strain`), between energies and
what forces say of them (`mtpot.data.reference`), and in the sign and size of compressibilities.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from ase.units import Bohr, GPa, Hartree, Rydberg, kcal, kJ, mol

from mtpot.data.reference import Reference, Sample, told_by_forces
from mtpot.data.report import Finding, sources
from mtpot.data.stored import take
from mtpot.data.strain import Pairs, strained_pairs
from mtpot.data.survey import reduced
from mtpot.errors import MtpotError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mtpot.data.frame import Floats, Frame
    from mtpot.data.survey import Survey

_PAIRS, _MANY = 3, 20
"""Strained pairs that can tell a factor, and that can tell noise."""
_AGREES = 0.9
"""Cosine between two sets of numbers that are proportional but for noise."""
_FACTORS = (0.67, 1.5)
"""Between these a factor is one, but for the noise of a calculation."""
_NOISE = 5e-5
"""eV per atom; smaller changes of the energy say nothing."""
_STRESS_UNITS = {
    "GPa": GPa,
    "kbar": 0.1 * GPa,
    "bar": 1e-4 * GPa,
    "hartree/bohr^3": Hartree / Bohr**3,
    "rydberg/bohr^3": Rydberg / Bohr**3,
}
_LABEL_UNITS = {
    "the energies are in hartree": 1.0 / Hartree,
    "the energies are in rydberg": 1.0 / Rydberg,
    "the energies are in kcal/mol": mol / kcal,
    "the energies are in kJ/mol": mol / kJ,
    "the forces are in hartree/bohr": Hartree / Bohr,
    "the forces are in rydberg/bohr": Rydberg / Bohr,
    "the forces are in eV/bohr": 1.0 / Bohr,
    "the energies are in hartree and the forces in hartree/bohr": 1.0 / Bohr,
    "the positions are in bohr": Bohr,
    "the forces are in kcal/mol/angstrom": kcal / mol,
}
_LEAST = 12
"""Frames that can tell a factor."""
_GAIN = 0.7
"""Share of the spread of energies that forces explain, below which they tell no factor."""
_STRONG = 0.1
"""eV/angstrom; frames with smaller forces tell nothing of energies."""
_UNLIKE_ENERGY = 0.15
"""eV per atom; where a rough potential is wrong by less, nothing is said."""
_UNLIKE_FORCE = 0.5
"""eV/angstrom; as for energies."""
_ODD = 6
"""Times the usual error."""
_WELL, _BADLY = 0.5, 0.6
"""Relative errors of forces below which a rough potential knows a frame, and above which not."""
_MOST_ATOMS = 200_000
"""Of a file, that are compared with a rough potential: the frames of larger ones in steps."""
_STRESSES = 150
"""Stresses that are compared with those of a rough potential."""
_SHEARS_AGREE, _SHEARS_DIFFER = 0.95, 0.7
"""Cosines between shears of labels and of a rough potential."""
_NEARLY_EQUAL = 0.5
"""GPa; smaller differences of pressure are no trend."""
_TENSION = 10.0
"""eV per atom, -pressure times volume; the strongest bonds (tungsten, carbon) hold some 7."""
_SHEARED = 1e-3
"""eV/angstrom^3, of a rough potential; smaller shears, many of them by symmetry, tell nothing."""
_FAR = 30.0
"""Times the shears of a rough potential: of another unit."""
_SECOND_LOOK = 1000
"""Frames beside those in question, which say what is usual."""
_FEW = 5
"""Frames of a group, of which one cannot be told to be odd."""
_ENERGY, _FORCE = 1, 2
"""Flags of a suspicious frame: by its energy, by its forces."""
_MILD = (0.33, 3.0)
"""Factors between these are told only by frames that explain nearly everything."""


def check_strained_pairs(found: Survey) -> Iterator[Finding]:
    """Compare changes of the energy with the work of stresses, kind by kind of frame."""
    for kind, pairs in _telling_pairs(found.frames).items():
        yield from _judge_pairs(found, kind, pairs)


def _telling_pairs(frames: Sequence[Frame]) -> dict[str, Pairs]:
    """Strained pairs of each kind of frame that has enough, of energies above the noise."""
    pairs = strained_pairs(frames)
    kinds = np.array([_kind(frames[index]) for index in pairs.indices[:, 0]], dtype=object)
    parts = {str(kind): _take(pairs, kinds == kind) for kind in dict.fromkeys(kinds)}
    return {
        kind: part
        for kind, part in parts.items()
        if len(part.changes) >= _PAIRS and _rms(part.changes) >= _NOISE
    }


def _kind(frame: Frame) -> str:
    """Name what is compared with each other: group, elements and file."""
    elements = "-".join(sorted(set(frame.symbols)))
    return f"group {frame.group} ({elements}, {frame.file})"


def _take(pairs: Pairs, chosen: NDArray[np.bool_]) -> Pairs:
    names = ("indices", "changes", "work", "shear_stress", "shear_strain")
    return Pairs(*(getattr(pairs, name)[chosen] for name in names))


def _judge_pairs(found: Survey, kind: str, pairs: Pairs) -> Iterator[Finding]:
    work = pairs.work.sum(axis=1)
    fit = _proportion(work, pairs.changes)
    if fit.cosine >= _AGREES and not _FACTORS[0] < fit.factor < _FACTORS[1]:
        volume = float(
            np.nanmedian(found.volumes[pairs.indices[:, 0]] * found.sizes[pairs.indices[:, 0]])
        )
        yield _wrong_stress(kind, f"over {len(work)} strained pairs", fit.factor, volume)
        return
    order = _order(pairs)
    if order:
        yield Finding(
            "error",
            "stress",
            f"{kind}: the shear components of the stress are in another order: they fit the "
            f"energies of {len(work)} strained pairs as {order}",
            "write the tensor as nine numbers, or as xx yy zz yz xz xy",
        )
        return
    frames = _contradicting(pairs, work)
    if frames:
        yield Finding(
            "warning",
            "stress",
            f"{kind}: the stress of {len(frames)} frames contradicts the energies of frames "
            "that differ from them by a small strain",
            "check sign and convergence, or remove their stress",
            sources(found.frames, frames),
        )
    elif fit.cosine < 0.5 and len(work) >= _MANY and _rms(pairs.changes - work) > 4 * _NOISE:
        yield Finding(
            "warning",
            "stress",
            f"{kind}: changes of the energy over {len(work)} strained pairs, "
            f"{1e3 * _rms(pairs.changes):.2g} meV/atom, are unlike those that the stress says, "
            f"{1e3 * _rms(work):.2g}",
            "converge k-points and plane waves, or give these energies or stresses less weight",
        )


def _wrong_stress(kind: str, where: str, factor: float, volume: float) -> Finding:
    wrong = [
        f"is in {unit}" for unit, size in _STRESS_UNITS.items() if _near(abs(factor), size, 0.3)
    ]
    sign = factor < 0.0
    if _near(factor, -1.0 / volume) and not wrong:
        wrong, sign = ["is a virial (eV), which belongs under the key virial"], False
    if sign:
        wrong.append("has the opposite sign: a compressed crystal must have a negative trace")
    return Finding(
        "error",
        "stress",
        f"{kind}: {where} the energy changes {factor:.3g} times as much as the stress says; "
        f"the stress {' and '.join(wrong) or 'does not belong to the energy'}",
        "stress is dE/d(strain)/V in eV/angstrom^3",
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    factor: float
    cosine: float
    gain: float


def _proportion(x: Floats, y: Floats) -> _Fit:
    """Factor a of y = a x, robustly, and how well it holds."""
    weights = np.ones(len(x))
    factor, rest = 0.0, y
    for _ in range(30):
        factor = float((weights * x * y).sum() / max((weights * x * x).sum(), 1e-300))
        rest = np.abs(y - factor * x)
        scale = 2.0 * np.median(rest) + 1e-12
        weights = 1.0 / np.maximum(1.0, rest / scale)
    norms = np.sqrt((weights * x * x).sum() * (weights * y * y).sum())
    cosine = abs(float((weights * x * y).sum())) / max(norms, 1e-300)
    spread = float(np.median(np.abs(y)))
    return _Fit(factor, cosine, 1.0 - float(np.median(rest)) / max(spread, 1e-300))


def _order(pairs: Pairs) -> str:
    """Name the orders of shear components that fit far better than the right one, or none."""
    straight = pairs.changes - pairs.work[:, :3].sum(axis=1)
    orders = list(itertools.permutations(range(3)))
    errors = [
        _rms(straight - (pairs.shear_stress[:, order] * pairs.shear_strain).sum(axis=1))
        for order in orders
    ]
    best = min(errors)
    if errors[0] < max(3.0 * best, 0.1 * _rms(pairs.changes), _NOISE):
        return ""
    # A permutation says where each component is found: the order in the file is its inverse.
    names = np.array(("yz", "xz", "xy"))
    fitting = [order for order, error in zip(orders, errors, strict=True) if error < 1.3 * best]
    return " or ".join(" ".join(names[np.argsort(order)]) for order in fitting)


def _contradicting(pairs: Pairs, work: Floats) -> list[int]:
    """Frames most of whose pairs are far off."""
    rest = np.abs(pairs.changes - work)
    size = np.maximum(np.abs(pairs.changes), np.abs(work))
    off = rest > np.maximum.reduce(
        [0.5 * size, np.full_like(rest, 10 * np.median(rest) + 0.4 * _NOISE)]
    )
    total, bad = np.zeros((2, int(pairs.indices.max()) + 1))
    for column in pairs.indices.T:
        np.add.at(total, column, 1)
        np.add.at(bad, column, off)
    return [int(i) for i in np.flatnonzero((bad >= 2) & (bad > 0.5 * total))]


def check_volumes(found: Survey) -> Iterator[Finding]:
    """Pressures must rise with compression, by a bulk modulus that matter can have."""
    classes = defaultdict(list)
    for index, frame in enumerate(found.frames):
        if np.isfinite(found.pressures[index]) and np.isfinite(found.volumes[index]):
            classes[_kind(frame), reduced(frame)].append(index)
    for (kind, _), indices in classes.items():
        volumes, pressures = np.log(found.volumes[indices]), found.pressures[indices]
        if len(indices) < 5 or np.std(volumes) < 0.02 or np.ptp(pressures) < _NEARLY_EQUAL:
            continue
        slope = float(np.polyfit(volumes, pressures, 1)[0])
        close = abs(float(np.corrcoef(volumes, pressures)[0, 1]))
        if close > _AGREES and not 0.05 < -slope < 5000.0:
            what = (
                "falls with compression" if slope > 0 else f"has a bulk modulus of {-slope:.3g} GPa"
            )
            yield Finding(
                "error",
                "stress",
                f"{kind}: the pressure of {len(indices)} frames {what}",
                "stress is dE/d(strain)/V in eV/angstrom^3, negative under compression",
            )


def check_tensions(found: Survey) -> Iterator[Finding]:
    """No bonds hold a tension that would take more work than they are worth."""
    torn = np.flatnonzero(-found.pressures * GPa * found.volumes > _TENSION)
    if torn.size:
        yield Finding(
            "error",
            "stress",
            f"{len(torn)} frames are under a tension of up to {-found.pressures[torn].min():.0f} "
            "GPa, which would tear any matter of their volume apart",
            "stress is dE/d(strain)/V in eV/angstrom^3: is it in GPa, or of the other sign?",
            sources(found.frames, torn),
        )


def check_against_reference(found: Survey) -> Iterator[Finding]:
    """Compare labels with a rough potential that is fitted to them, file by file."""
    files: dict[str, list[int]] = defaultdict(list)
    for index, frame in enumerate(found.frames):
        if _useful(frame, found, index):
            files[frame.file].append(index)
    with_forces = np.isfinite(found.max_forces) & (found.sizes > 1)
    for name, every in files.items():
        indices = np.array(every[:: -(-int(found.sizes[every].sum()) // _MOST_ATOMS)])
        if with_forces[indices].sum() >= _LEAST:
            shortest = float(np.quantile(found.distances[every], 0.02))
            with suppress(MtpotError):  # what no potential can describe, other checks tell of
                yield from _compare(name, take(found.frames, indices), shortest)


def _compare(name: str, frames: Sequence[Frame], shortest: float) -> list[Finding]:
    sample = Sample(frames, shortest)
    if sum(map(told_by_forces, sample.frames)) < _LEAST:
        return []
    if wrong := _energy_and_forces(name, sample):
        return wrong
    errors, shears = _beside(frames, sample.reference())
    if wrong := list(_stress_by_reference(name, frames, shears)):
        return wrong
    suspects = _suspects(frames, errors)
    if suspects.any():
        # What the potential has not seen it may not know; what still is odd then is wrong.
        odd = np.flatnonzero(suspects)
        others = np.flatnonzero(suspects == 0)[:: -(-len(frames) // _SECOND_LOOK)]
        again = take(frames, np.concatenate([odd, others]))
        seen = Sample(frames, shortest, first=odd.tolist()).reference()
        still = _suspects(again, _beside(again, seen)[0])
        suspects[odd] &= still[: len(odd)]
    return [
        finding
        for kind, flagged in (("energy", suspects == _ENERGY), ("force", suspects == _FORCE))
        for finding in _outliers(frames, kind, flagged)
    ]


def _stress_by_reference(
    name: str, frames: Sequence[Frame], predicted: Floats
) -> Iterator[Finding]:
    """Compare shears, which a rough potential knows better than pressures, if no strain tells."""
    told = _telling_pairs(frames)
    sheared = np.linalg.norm(predicted, axis=1) > _SHEARED  # False for nan
    judged = [k for k, frame in enumerate(frames) if sheared[k] and _kind(frame) not in told]
    step = -(-len(judged) // _STRESSES)
    if not judged:
        return
    judged = judged[::step]
    labeled, predicted = take(frames, np.array(judged)), predicted[judged]
    shears = np.array([frame.stress[3:] for frame in labeled if frame.stress is not None])
    # A part of the frames in another unit would hide what is wrong, or be hidden, in the whole.
    sizes = np.linalg.norm(predicted, axis=1)
    far = np.linalg.norm(shears, axis=1) > _FAR * np.maximum(sizes, 0.1 * np.median(sizes))
    for part in (far, ~far):
        if part.sum() >= _LEAST:
            chosen = take(labeled, np.flatnonzero(part))
            where = f"in {len(chosen)} of {len(labeled)} frames compared"
            for finding in _judge_shears(name, where, chosen, shears[part], predicted[part]):
                every = step == 1  # else those in between would seem sound
                yield replace(finding, frames=sources(chosen, range(len(chosen)) if every else ()))


def _judge_shears(
    name: str, where: str, frames: Sequence[Frame], shears: Floats, predicted: Floats
) -> Iterator[Finding]:
    orders = list(itertools.permutations(range(3)))
    fits = [_proportion(shears[:, order].ravel(), predicted.ravel()) for order in orders]
    best = max(range(len(fits)), key=lambda place: fits[place].cosine)
    if fits[best].cosine < _SHEARS_AGREE:
        return
    if best and fits[0].cosine < _SHEARS_DIFFER:
        found = " ".join(np.array(("yz", "xz", "xy"))[np.argsort(orders[best])])
        yield Finding(
            "error",
            "stress",
            f"{name}: the shear components of the stress are in another order: they fit energies "
            f"and forces as {found}",
            "write the tensor as nine numbers, or as xx yy zz yz xz xy",
        )
    elif not best and not _FACTORS[0] / 1.5 < fits[0].factor < _FACTORS[1] * 1.5:
        volume = float(np.median([frame.volume for frame in frames]))
        yield _wrong_stress(name, where, fits[0].factor, volume)


def _outliers(frames: Sequence[Frame], kind: str, flagged: NDArray[np.bool_]) -> Iterator[Finding]:
    what, other = ("energies", "forces") if kind == "energy" else ("forces", "energies")
    odd = np.flatnonzero(flagged).tolist()
    for group in dict.fromkeys(frames[index].group for index in odd):
        here = [index for index in odd if frames[index].group == group]
        yield Finding(
            "warning",
            f"{kind} outliers",
            f"group {group}: {len(here)} frames have {what} unlike those of frames like them, "
            f"although their {other} fit",
            "look at these calculations (settings, convergence, order of the atoms); remove the "
            "frames if in doubt",
            sources(frames, here),
        )


def _useful(frame: Frame, found: Survey, index: int) -> bool:
    """Whether a frame has an energy, and atoms near enough to each other, but not too near."""
    lost = found.closeness[index] <= 0.3 or found.reaches[index] >= 1.4
    return frame.energy is not None and not lost


def _energy_and_forces(name: str, sample: Sample) -> list[Finding]:
    """Tell by which factor energies change where forces say how much they should."""
    predicted = sample.energies_by_forces()
    classes: dict[object, list[int]] = defaultdict(list)
    for index, frame in enumerate(sample.frames):
        if frame.forces is not None and _rms(frame.forces) > 0.0:
            # Energies of other volumes do not follow from forces in a crystal.
            volume = round(50 * np.log(frame.volume / len(frame))) if frame.pbc.all() else 0
            classes[frame.group, reduced(frame), volume].append(index)
    x, y, sizes = _centered(sample.frames, predicted, classes)
    if len(x) < _LEAST:
        return []
    fit = _proportion(x, y)
    sound = fit.factor > 0 and _FACTORS[0] < fit.factor < _FACTORS[1]
    mild = _MILD[0] < fit.factor < _MILD[1]
    if sound or fit.cosine < (0.99 if mild else 0.97) or fit.gain < (0.8 if mild else _GAIN):
        return []
    known = _LABEL_UNITS | {"the energies are per atom": 1.0 / float(np.median(sizes))}
    causes = [cause for cause, size in known.items() if _near(abs(fit.factor), size)]
    if fit.factor < 0:
        causes.append("the forces have the sign of the gradient")
    return [
        Finding(
            "error",
            "units",
            f"{name}: energies change {fit.factor:.3g} times as much as forces say"
            + (f"; perhaps {' or '.join(causes)}" if causes else ""),
            "energies must be in eV of the whole cell, forces in eV/angstrom, F = -dE/dr, and "
            "positions in angstrom",
        )
    ]


def _centered(
    frames: Sequence[Frame], predicted: Floats, classes: Mapping[object, list[int]]
) -> tuple[Floats, Floats, Floats]:
    """Energies per atom, predicted and labeled, about the medians of their classes; atoms."""
    x: list[float] = []
    y: list[float] = []
    sizes: list[int] = []
    strong = np.median([_rms(f.forces) for f in frames if f.forces is not None])
    for indices in classes.values():
        kept = [i for i in indices if _rms(frames[i].forces) > min(0.5 * strong, _STRONG)]
        if len(kept) >= 4:
            counts = np.array([len(frames[i]) for i in kept])
            for values, column in ((predicted[kept], x), ([frames[i].energy for i in kept], y)):
                per_atom = np.asarray(values, dtype=np.float64) / counts
                column.extend(per_atom - np.median(per_atom))
            sizes.extend(counts)
    return np.array(x), np.array(y), np.array(sizes)


def _beside(frames: Sequence[Frame], reference: Reference) -> tuple[Floats, Floats]:
    """Predict every frame once: `_errors` [frames, 3], and shears [frames, 3], nan without label.

    Shears are in eV/angstrom^3.
    """
    errors, shears = [], []
    for frame in frames:
        energy, forces, virial = reference.predict(frame)
        errors.append(_errors(frame, energy, forces))
        shears.append(np.full(3, np.nan) if frame.stress is None else -virial[3:] / frame.volume)
    return np.array(errors), np.array(shears)


def _suspects(frames: Sequence[Frame], errors: Floats) -> NDArray[np.int64]:
    """Flag frames of which the potential knows the forces but not the energy, or the reverse."""
    energy, force, relative = errors.T
    energy = energy - _constants(frames, energy)
    groups = np.array([frame.group for frame in frames], dtype=object)
    flags = np.zeros(len(frames), dtype=np.int64)
    everywhere = max(_ODD * _spread(energy), _UNLIKE_ENERGY)
    for group in dict.fromkeys(groups):
        here = np.flatnonzero(groups == group)
        if len(here) < _FEW:
            continue
        off = np.abs(energy[here] - np.median(energy[here]))
        limit = max(_ODD * _spread(energy[here]), everywhere)
        wild = force[here] > max(_ODD * np.median(force[here]), _UNLIKE_FORCE)
        flags[here[(off > limit) & (relative[here] < _WELL)]] = _ENERGY
        flags[here[wild & (relative[here] > _BADLY) & (off < 0.5 * limit)]] = _FORCE
    return flags


def _errors(frame: Frame, energy: float, forces: Floats) -> tuple[float, float, float]:
    """Energy error in eV per atom but for constants, largest of forces, and their relative one."""
    assert frame.energy is not None
    if frame.forces is None or len(frame) == 1:
        return (frame.energy - energy) / len(frame), 0.0, 1.0
    rest = frame.forces - forces
    relative = _rms(rest) / (_rms(frame.forces) + _STRONG)
    return (frame.energy - energy) / len(frame), float(np.abs(rest).max()), relative


def _constants(frames: Sequence[Frame], energies: Floats) -> Floats:
    """Energies per atom that the composition explains, fitted robustly."""
    species = sorted({symbol for frame in frames for symbol in frame.symbols})
    shares = np.array([[f.symbols.count(s) / len(f) for s in species] for f in frames])
    weights = np.ones(len(frames))
    explained: Floats = energies
    for _ in range(20):
        solution = np.linalg.lstsq(shares * weights[:, None], energies * weights, rcond=None)[0]
        explained = shares @ solution
        rest = np.abs(energies - explained)
        weights = np.sqrt(1.0 / np.maximum(1.0, rest / (2.0 * np.median(rest) + 1e-9)))
    return explained


def _near(value: float, expected: float, tolerance: float = 0.2) -> bool:
    return value * expected > 0 and bool(abs(np.log(value / expected)) < tolerance)


def _spread(values: Floats) -> float:
    return 1.48 * float(np.median(np.abs(values - np.median(values))))


def _rms(values: Floats | None) -> float:
    return 0.0 if values is None else float(np.sqrt(np.mean(np.square(values))))
