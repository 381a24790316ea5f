"""What is suspicious in a data set, and the way out of each.

Every check is a function of a `Survey` that yields findings; `CHECKS` lists them. They tell flaws
from rarity: a frame that is merely unlike the others is what a training set needs.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from mtpot.data.check import find_conflicts, find_lookalikes, mark
from mtpot.data.consistency import (
    check_against_reference,
    check_strained_pairs,
    check_tensions,
    check_volumes,
)
from mtpot.data.report import Finding, by_severity, sources
from mtpot.data.survey import Survey, reduced, survey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mtpot.data.frame import Frame

_DRIFT = 2e-3
"""eV/angstrom, sum of forces over the square root of the atoms; programs print 1e-6 to 1e-3."""
_CLOSE, _FAR, _TINY = 0.45, 1.55, 0.3
"""Distances over sums of covalent radii: too short, those of positions in bohr, of fractions."""
_RARE = 2
"""Frames; an element in no more of them cannot be learned."""
_OFFSET = 0.5
"""eV per atom between files, beyond what the structures of one composition differ by."""
_CONFLICT = 1e-3
"""eV per atom; a smaller difference may be the noise of two calculations."""
_NOBLE = {"He", "Ne", "Ar", "Kr", "Xe", "Rn"}


def find(frames: Sequence[Frame]) -> list[Finding]:
    """Run every check on a data set, holding few frames at a time; the worst findings come first.

    Raises
    ------
    InputError
        A frame's cell or positions are not sound.
    """
    return find_in(survey(frames))


def find_in(surveyed: Survey) -> list[Finding]:
    """As `find`, for frames that have been surveyed."""
    return by_severity(found for check in CHECKS for found in check(surveyed))


def _missing(found: Survey) -> Iterator[Finding]:
    frames = found.frames
    unconverged = [i for i, frame in enumerate(frames) if frame.unconverged]
    if unconverged:
        yield Finding(
            "warning",
            "unconverged",
            f"{len(unconverged)} frames without labels, because their electrons did not converge",
            "compute them anew, or leave them: training sets them aside",
            sources(frames, unconverged),
        )
    for message in find_lookalikes(frames):
        label, _, advice = message.partition(": ")
        yield Finding("warning", "other names", label, advice)
    bare = [i for i, f in enumerate(frames) if f.energy is None and not f.unconverged]
    if bare:
        yield Finding(
            "error",
            "no energy",
            f"{len(bare)} of {len(frames)} frames have no energy, and training needs one",
            "add it or remove the frames",
            sources(frames, bare),
        )
    for label in ("forces", "stress"):
        without = [
            i for i, f in enumerate(frames) if getattr(f, label) is None and _could(f, label)
        ]
        if 0 < len(without) < len(frames):
            groups = ", ".join(sorted({frames[i].group for i in without})[:4])
            yield Finding(
                "note",
                f"no {label}",
                f"{len(without)} of {len(frames)} frames have no {label} (groups: {groups})",
                "fine if so meant: they are trained on by their other labels",
                sources(frames, without),
            )


def _could(frame: Frame, label: str) -> bool:
    """Whether a frame that has converged could have a label."""
    enough = frame.pbc.all() if label == "stress" else len(frame) > 1
    return not frame.unconverged and bool(enough)


def _free_energies(found: Survey) -> Iterator[Finding]:
    apart = [
        (abs(frame.free_energy - frame.energy) / len(frame), index)
        for index, frame in enumerate(found.frames)
        if frame.free_energy is not None and frame.energy is not None
    ]
    far = [(difference, index) for difference, index in apart if difference > 1e-4]
    if far:
        yield Finding(
            "warning" if max(far)[0] > 1e-3 else "note",
            "free energy",
            f"{len(far)} frames have a free_energy that is up to {1e3 * max(far)[0]:.3g} meV/atom "
            "from their energy",
            "forces are derivatives of the free energy: rename it to energy, unless yours are not",
            sources(found.frames, (index for _, index in far)),
        )


def _zeros(found: Survey) -> Iterator[Finding]:
    frames = found.frames
    moved = found.max_forces > 0.05
    suspects = {
        "energy": [
            i
            for i, f in enumerate(frames)
            if f.energy == 0.0 and len(frames) > 1 and not _is_atom(found, i)
        ],
        "stress": [
            i
            for i, f in enumerate(frames)
            if f.stress is not None and not f.stress.any() and (moved[i] or f.forces is None)
        ],
    }
    for label, indices in suspects.items():
        if indices:
            yield Finding(
                "error",
                f"zero {label}",
                f"{len(indices)} frames have {label} of exactly zero, as if it were not computed",
                f"remove the {label}, or the frames",
                sources(frames, indices),
            )
    fixed = [i for i, f in enumerate(frames) if _has_fixed_atoms(f, found.drifts[i])]
    if fixed:
        yield Finding(
            "error",
            "fixed atoms",
            f"{len(fixed)} frames have atoms whose forces are exactly zero, and the others do not "
            "sum to zero: forces were written after constraints",
            "take the raw forces: get_forces(apply_constraint=False)",
            sources(frames, fixed),
        )


def _is_atom(found: Survey, index: int) -> bool:
    """Whether a frame is one isolated atom, the energy of which may be the zero of all others."""
    return len(found.frames[index]) == 1 and bool(np.isinf(found.distances[index]))


def _has_fixed_atoms(frame: Frame, drift: float) -> bool:
    if frame.forces is None or not drift > 10 * _DRIFT:
        return False
    still = ~frame.forces.any(axis=1)
    return bool(still.any() and not still.all())


def _duplicates(found: Survey) -> Iterator[Finding]:
    frames = found.frames
    conflicts = find_conflicts(frames)
    if conflicts:
        worst = max(conflicts, key=lambda conflict: conflict.difference)
        yield Finding(
            "error" if worst.difference > _CONFLICT else "warning",
            "conflicts",
            f"{len(conflicts)} frames repeat a structure with another energy, at most "
            f"{1e3 * worst.difference:.3g} meV/atom apart (as {worst.first} and {worst.second})",
            "keep those of one set of settings and one magnetic state",
            tuple(conflict.second for conflict in conflicts),
        )
    known = {conflict.second for conflict in conflicts}
    seen: dict[bytes, int] = {}
    repeated = [i for i, f in enumerate(frames) if seen.setdefault(mark(f), i) != i]
    repeated = [i for i in repeated if frames[i].source not in known]
    told = {*repeated}
    if repeated:
        yield Finding(
            "warning",
            "duplicates",
            f"{len(repeated)} frames repeat another one",
            "remove them: they weigh twice, and may stand in both parts of a split",
            sources(frames, repeated),
        )
    alike = [i for i in _same_labels(found) if i not in told and frames[i].source not in known]
    if alike:
        yield Finding(
            "note",
            "images",
            f"{len(alike)} frames have the energy and the forces of another one: the same "
            "structure, moved, turned or renumbered",
            "remove them: they weigh twice, and may stand in both parts of a split",
            sources(frames, alike),
        )


def _same_labels(found: Survey) -> Iterator[int]:
    """Find frames with energy and lengths of forces of an earlier one."""
    seen: set[bytes] = set()
    for index, frame in enumerate(found.frames):
        if frame.energy is not None and frame.forces is not None and found.max_forces[index] > 0.01:
            lengths = np.sort(np.linalg.norm(frame.forces, axis=1))
            labels = np.round([frame.energy * 1e4, *(lengths * 1e4)]) + 0.0
            names = ",".join(sorted(frame.symbols)).encode()
            key = hashlib.sha256(names + labels.tobytes()).digest()
            if key in seen:
                yield index
            seen.add(key)


def _drifts(found: Survey) -> Iterator[Finding]:
    sizes = found.sizes
    with np.errstate(invalid="ignore"):
        large = (found.drifts > _DRIFT) & (found.drifts > 2e-3 * found.max_forces)
    bad = [
        index
        for index, frame in enumerate(found.frames)
        if large[index] and not _has_fixed_atoms(frame, found.drifts[index])
    ]
    if bad:
        worst = (found.drifts * np.sqrt(sizes))[bad].max()
        yield Finding(
            "warning",
            "force sums",
            f"the forces of {len(bad)} frames do not sum to zero; the sum is up to {worst:.3g} "
            "eV/angstrom",
            "converge the calculation better; no potential can fit the sum, which is an error",
            sources(found.frames, bad),
        )


def _distances(found: Survey) -> Iterator[Finding]:
    frames = found.frames
    close = np.flatnonzero(found.closeness < _CLOSE)
    judged = found.reaches[(found.sizes >= 4) & ~np.isnan(found.reaches)]
    typical = np.median(judged) if judged.size else 1.0
    if typical < _TINY:
        yield Finding(
            "error",
            "lengths",
            f"nearest atoms are typically {typical:.2g} covalent bond lengths apart",
            "are the positions fractional, or in nanometers? They must be in angstrom",
        )
    elif close.size:
        least = close[np.argmin(found.closeness[close])]
        yield Finding(
            "warning",
            "short distances",
            f"{len(close)} frames have atoms closer than {_CLOSE} covalent bond lengths, at the "
            f"least {found.distances[least]:.3g} angstrom",
            "remove them, unless they are meant; also min-distance follows the shortest one",
            sources(frames, close),
        )
    if _FAR < typical < np.inf and not _NOBLE & {s for f in frames for s in f.symbols}:
        yield Finding(
            "warning",
            "lengths",
            f"nearest atoms are typically {typical:.2f} covalent bond lengths apart",
            "are positions and cells in bohr? They must be in angstrom",
        )


def _isolated_atoms(found: Survey) -> Iterator[Finding]:
    energies: dict[str, list[int]] = defaultdict(list)
    for index, frame in enumerate(found.frames):
        if _is_atom(found, index) and frame.energy is not None:
            energies[frame.symbols[0]].append(index)
    for element, indices in energies.items():
        spread = np.ptp(found.energies[indices])
        if spread > 0.01:
            yield Finding(
                "error",
                "isolated atoms",
                f"isolated {element} has energies {spread:.3g} eV apart",
                "keep the one of the right spin and of the settings of the other frames",
                sources(found.frames, indices),
            )
    missing = {s for frame in found.frames for s in frame.symbols} - set(energies)
    if energies and missing:
        yield Finding(
            "note",
            "isolated atoms",
            f"there are isolated atoms of {', '.join(sorted(energies))}, but none of "
            f"{', '.join(sorted(missing))}",
            "add them, or leave all out: cohesive energies are comparable only together",
        )
    elif energies:
        yield from _binding(found, {s: found.energies[i[0]] for s, i in energies.items()})


def _binding(found: Survey, atoms: dict[str, float]) -> Iterator[Finding]:
    bound = [
        found.energies[i] - np.mean([atoms[s] for s in frame.symbols])
        for i, frame in enumerate(found.frames)
        if frame.energy is not None and np.isfinite(found.distances[i])
    ]
    if bound and not -20.0 < np.median(bound) < 1.0:
        yield Finding(
            "error",
            "isolated atoms",
            f"the frames are typically {np.median(bound):+.3g} eV/atom from their isolated atoms",
            "the isolated atoms have another energy zero: compute them with the same settings",
        )


def _periodicity(found: Survey) -> Iterator[Finding]:
    dense: dict[object, list[float]] = defaultdict(list)
    for frame in found.frames:
        if frame.pbc.all():
            dense[reduced(frame)].append(frame.volume / len(frame))
    lost = []
    for index, frame in enumerate(found.frames):
        if not frame.pbc.any() and (volumes := dense.get(reduced(frame))):
            ratio = frame.volume / len(frame) / np.median(volumes)
            if 0.5 < ratio < 1.5:
                lost.append(index)
    if lost:
        yield Finding(
            "error",
            "periodicity",
            f"{len(lost)} frames have a cell as full of atoms as those of the others, but are not "
            "periodic",
            'write pbc="T T T" into them',
            sources(found.frames, lost),
        )


def _rare_elements(found: Survey) -> Iterator[Finding]:
    counts = Counter(s for frame in found.frames if len(frame) > 1 for s in set(frame.symbols))
    few = sorted(element for element, count in counts.items() if count <= _RARE)
    if few and len(found.frames) > 10 * _RARE:
        yield Finding(
            "warning",
            "rare elements",
            f"{', '.join(few)} is in no more than {_RARE} frames",
            "add frames with it, or remove these",
            sources(
                found.frames, (i for i, f in enumerate(found.frames) if set(few) & set(f.symbols))
            ),
        )


def _files(found: Survey) -> Iterator[Finding]:
    """Files whose energies have different zeros, by compositions that several have."""
    members: dict[object, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, frame in enumerate(found.frames):
        if frame.energy is not None and len(frame) > 1:
            members[reduced(frame)][frame.file].append(index)
    for files in members.values():
        parts = {name: found.energies[i] for name, i in files.items() if len(i) >= 3}
        for first, second in zip(parts, list(parts)[1:], strict=False):
            a, b = parts[first], parts[second]
            gap = max(a.min() - b.max(), b.min() - a.max())
            if gap > max(_OFFSET, 3 * np.std(a), 3 * np.std(b)):
                yield Finding(
                    "error",
                    "energy zeros",
                    f"energies of one composition in {first} and in {second} are at least "
                    f"{gap:.3g} eV/atom apart",
                    "sets of different programs, settings or pseudopotentials cannot be mixed; "
                    "compute one of them anew",
                )
                return


CHECKS = (
    _missing,
    _zeros,
    _duplicates,
    _isolated_atoms,
    _periodicity,
    _files,
    check_strained_pairs,
    check_volumes,
    check_against_reference,
    check_tensions,
    _free_energies,
    _drifts,
    _distances,
    _rare_elements,
)
