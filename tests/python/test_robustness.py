"""The compiled module keeps its memory, owns what it returns, and refuses what does not fit."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from models import BASES, SMALL_CASES, Case, crystal, hoods

from mtpot import MTP, InputError, MtpotError, _core

STATM = Path("/proc/self/statm")
LINUX = pytest.mark.skipif(not STATM.exists(), reason="measures memory by /proc")


def resident_bytes() -> int:
    """Memory of this process."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pair_list(atoms):
    """Types, centers, neighbors and vectors of a small structure, as plain arrays."""
    count = len(atoms)
    i, j = np.nonzero(~np.eye(count, dtype=bool))
    return np.arange(count, dtype=np.int32) % 2, i, j, atoms.positions[j] - atoms.positions[i]


@LINUX
@pytest.mark.parametrize("basis", BASES)
def test_ten_thousand_lives_leak_nothing(basis):
    potential = Case(basis, 4, 1).potential()
    parameters = potential.parameters
    atoms = crystal("Si2", seed=1)
    arrays = hoods(potential, atoms)

    def live() -> None:
        core = potential.core.with_parameters(parameters)
        _core.Evaluator(core).evaluate(arrays, 1)
        design = _core.Design(core)
        design.tangents(arrays)
        active = _core.ActiveSet(len(parameters))
        active.select(design.rows(arrays, 1), 1.001)
        _core.Neighborhoods([0, 0], [0, 1], [1, 0], [[2.5, 0, 0], [-2.5, 0, 0]])

    for _ in range(1000):
        live()
    before = resident_bytes()
    for _ in range(9000):
        live()
    # Sixty bytes lost in each life would exceed it.
    assert resident_bytes() - before < 500_000


@LINUX
@pytest.mark.parametrize("basis", BASES)
def test_potential_files_leak_nothing(basis, tmp_path):
    path = tmp_path / "potential.mtp"
    Case(basis, 4, 1).potential().save(path)
    truncated = tmp_path / "truncated.mtp"
    truncated.write_bytes(path.read_bytes()[:-20])

    def live() -> None:
        _core.format_potential(MTP.load(path).core)
        with pytest.raises(ValueError, match="truncated"):
            MTP.load(truncated)

    for _ in range(200):
        live()
    before = resident_bytes()
    for _ in range(1000):
        live()
    assert resident_bytes() - before < 1_000_000


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_arrays_outlive_their_owners(case):
    def arrays():
        potential = case.potential()
        core = potential.core
        neighborhoods = hoods(potential, crystal("SiAl", seed=1))
        design = _core.Design(core)
        active = _core.ActiveSet(len(core.parameters))
        return [
            core.parameters,
            core.basics,
            core.products,
            core.scalars,
            *_core.Evaluator(core).evaluate(neighborhoods, 1),
            design.rows(neighborhoods, 1),
            *design.tangents(neighborhoods),
            active.matrix,
            active.inverse_transposed,
        ]

    kept = arrays()
    copies = [array.copy() for array in kept]
    gc.collect()
    newcomers = [arrays() for _ in range(5)]  # would take the place of memory freed too early
    assert newcomers
    for array, duplicate in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(array, duplicate)


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_changing_a_returned_array_does_not_change_the_potential(case):
    potential = case.potential()
    before = potential.parameters.copy()
    view = potential.core.parameters
    if view.flags.writeable:
        view[:] = 0
    np.testing.assert_array_equal(potential.core.parameters, before)


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_neighborhoods_do_not_follow_the_arrays_they_came_from(case):
    potential = case.potential()
    types, centers, neighbors, vectors = pair_list(crystal("SiAlSi", seed=2))
    evaluator = _core.Evaluator(potential.core)
    neighborhoods = _core.Neighborhoods(types, centers, neighbors, vectors)
    before = evaluator.evaluate(neighborhoods, 1)
    for array in (types, centers, neighbors, vectors):
        array[:] = 0
    del types, centers, neighbors, vectors
    for value, target in zip(evaluator.evaluate(neighborhoods, 1), before, strict=True):
        np.testing.assert_array_equal(value, target)


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_labeled_frames_outlive_their_neighborhoods(case):
    potential = case.potential()
    design = _core.Design(potential.core)

    def frame():
        neighborhoods = hoods(potential, crystal("SiAl", seed=3))
        return _core.LabeledFrame(
            neighborhoods, 1.0, np.ones((2, 3)), np.ones(6), 1.0, np.ones(2), 1.0
        )

    kept = frame()
    before = design.normal_equations([kept], linear_only=False, threads=1)
    gc.collect()
    newcomers = [frame() for _ in range(20)]  # would take the place of memory freed too early
    assert newcomers
    after = design.normal_equations([kept], linear_only=False, threads=1)
    np.testing.assert_array_equal(after, before)


def strided(array):
    """Every second element of an array twice as long."""
    spread = np.repeat(array, 2, axis=0)
    return spread[::2]


def read_only(array):
    """The same, locked."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
@pytest.mark.parametrize(
    "form",
    [
        strided,
        read_only,
        np.asfortranarray,
        lambda a: a[::-1].copy()[::-1],
        lambda a: a.astype(np.int16) if a.dtype.kind == "i" else a.astype(">f8"),
        lambda a: a.tolist(),
    ],
    ids=["strided", "read-only", "Fortran order", "reversed", "other types", "lists"],
)
def test_any_layout_of_the_same_numbers_gives_the_same_result(case, form):
    potential = case.potential()
    arrays = pair_list(crystal("SiAlSi", seed=4))
    evaluator = _core.Evaluator(potential.core)
    plain = evaluator.evaluate(_core.Neighborhoods(*arrays), 1)
    other = evaluator.evaluate(_core.Neighborhoods(*map(form, arrays)), 1)
    for value, target in zip(other, plain, strict=True):
        np.testing.assert_array_equal(value, target)
    again = potential.core.with_parameters(form(potential.parameters))
    np.testing.assert_array_equal(again.parameters, potential.parameters)


@pytest.mark.parametrize("dtype", [np.float32, np.int64], ids=["float32", "int64"])
def test_other_number_types_are_converted(dtype):
    types, centers, neighbors, _ = pair_list(crystal("SiAl", seed=5))
    vectors = np.array([[2, 1, 1], [-2, -1, -1]])
    evaluator = _core.Evaluator(SMALL_CASES[0].potential().core)
    plain = evaluator.evaluate(_core.Neighborhoods(types, centers, neighbors, vectors * 1.0), 1)
    other = evaluator.evaluate(
        _core.Neighborhoods(types, centers, neighbors, vectors.astype(dtype)), 1
    )
    for value, target in zip(other, plain, strict=True):
        np.testing.assert_array_equal(value, target)


# Wrong types are a TypeError, as everywhere in Python; wrong values have types of their own.
REFUSAL = (MtpotError, TypeError)
VECTORS = [[2.5, 0.0, 0.0], [-2.5, 0.0, 0.0]]
WRONG_PAIRS = {
    "fewer vectors than pairs": ([0, 1], [0, 1], [1, 0], VECTORS[:1]),
    "fewer neighbors than centers": ([0, 1], [0, 1], [1], VECTORS),
    "vectors in the plane": ([0, 1], [0, 1], [1, 0], [[2.5, 0.0], [-2.5, 0.0]]),
    "flat vectors": ([0, 1], [0, 1], [1, 0], [2.5, 0.0, 0.0, -2.5, 0.0, 0.0]),
    "a matrix of species": ([[0, 1]], [0, 1], [1, 0], VECTORS),
    "a center beyond the atoms": ([0, 1], [0, 2], [1, 0], VECTORS),
    "a negative center": ([0, 1], [0, -1], [1, 0], VECTORS),
    "a neighbor beyond the atoms": ([0, 1], [0, 1], [1, 2], VECTORS),
    "a negative neighbor": ([0, 1], [0, 1], [1, -1], VECTORS),
    "a species beyond the potential": ([0, 7], [0, 1], [1, 0], VECTORS),
    "a negative species": ([0, -1], [0, 1], [1, 0], VECTORS),
    "an index beyond 32 bits": ([0, 1], [0, 1], [1, 2**40], VECTORS),
    "a vector that is not a number": ([0, 1], [0, 1], [1, 0], [[np.nan, 0, 0], [-2.5, 0, 0]]),
    "fractional species": (np.array([0.5, 1.0]), [0, 1], [1, 0], VECTORS),
    "complex vectors": ([0, 1], [0, 1], [1, 0], np.array(VECTORS) + 1j),
    "words": ([0, 1], [0, 1], [1, 0], [["a", "b", "c"]] * 2),
    "coincident atoms": ([0, 1], [0, 1], [1, 0], np.zeros((2, 3))),
    "atoms 1e-8 apart": ([0, 1], [0, 1], [1, 0], 4e-9 * np.array(VECTORS)),
    "an infinite vector": ([0, 1], [0, 1], [1, 0], [[np.inf, 0, 0], [-2.5, 0, 0]]),
}


@pytest.mark.parametrize("arrays", WRONG_PAIRS.values(), ids=list(WRONG_PAIRS))
def test_pairs_that_do_not_fit_are_refused(arrays):
    core = SMALL_CASES[0].potential().core
    with pytest.raises(REFUSAL):
        _core.Evaluator(core).evaluate(_core.Neighborhoods(*arrays), 1)
    with pytest.raises(REFUSAL):
        _core.Design(core).rows(_core.Neighborhoods(*arrays), 1)
    with pytest.raises(REFUSAL):
        _core.Design(core).tangents(_core.Neighborhoods(*arrays))


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p[:-1],
        lambda p: np.append(p, 0.0),
        lambda p: p[:, None],
        lambda p: np.where(np.arange(p.size) == 3, np.nan, p),
        lambda p: np.where(np.arange(p.size) == 3, -np.inf, p),
    ],
    ids=["too few", "too many", "a matrix", "not a number", "infinite"],
)
def test_parameters_that_do_not_fit_are_refused_and_the_old_ones_kept(case, spoil):
    potential = case.potential()
    before = potential.parameters.copy()
    with pytest.raises(InputError):
        potential.parameters = spoil(before)
    np.testing.assert_array_equal(potential.parameters, before)


WRONG_LABELS = {
    "forces of another count": {"forces": np.zeros((3, 3))},
    "flat forces": {"forces": np.zeros(6)},
    "nine virial components": {"virial": np.zeros(9)},
    "weights of another count": {"force_weights": np.ones(5)},
}


@pytest.mark.parametrize("wrong", WRONG_LABELS.values(), ids=list(WRONG_LABELS))
def test_labels_that_do_not_fit_are_refused(wrong):
    potential = SMALL_CASES[0].potential()
    labels = {
        "energy": 0.0,
        "forces": np.zeros((2, 3)),
        "virial": np.zeros(6),
        "energy_weight": 1.0,
        "force_weights": np.ones(2),
        "virial_weight": 1.0,
    }
    with pytest.raises(REFUSAL):
        _core.LabeledFrame(hoods(potential, crystal("SiAl", seed=6)), **labels | wrong)


@pytest.mark.parametrize("shape", [(3,), (2, 5), (2, 2, 4)], ids=str)
def test_rows_of_another_width_are_refused(shape):
    active = _core.ActiveSet(4)
    with pytest.raises(REFUSAL):
        active.grade(np.zeros(shape))
    with pytest.raises(REFUSAL):
        active.select(np.zeros(shape), 1.001)


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_evaluation_leaves_its_input_alone(case):
    potential = case.potential()
    neighborhoods = hoods(potential, crystal("SiAlSi", seed=7))
    first = _core.Evaluator(potential.core).evaluate(neighborhoods, 1)
    _core.Design(potential.core).rows(neighborhoods, 1)
    second = _core.Evaluator(potential.core).evaluate(neighborhoods, 1)
    for value, target in zip(first, second, strict=True):
        np.testing.assert_array_equal(value, target)


LABELS = {
    "energy": 0.5,
    "forces": np.full((2, 3), 0.1),
    "virial": np.full(6, 0.2),
    "energy_weight": 1.0,
    "force_weights": np.full(2, 0.3),
    "virial_weight": 0.4,
}


def labeled(potential, **changes):
    """A frame of two atoms with labels of all kinds."""
    return _core.LabeledFrame(hoods(potential, crystal("SiAl", seed=8)), **LABELS | changes)


def test_frame_of_no_neighborhoods_is_refused():
    with pytest.raises(TypeError):
        _core.LabeledFrame(None, **LABELS)


@pytest.mark.parametrize("linear_only", [True, False], ids=["linear", "all"])
def test_none_among_the_frames_is_refused(linear_only):
    potential = SMALL_CASES[0].potential()
    design = _core.Design(potential.core)
    for frames in ([None], [labeled(potential), None]):
        with pytest.raises(REFUSAL):
            design.normal_equations(frames, linear_only, threads=1)


@pytest.mark.parametrize("threads", [1, 2], ids=["1thread", "2threads"])
def test_generator_of_frames_works_like_a_list(threads):
    potential = SMALL_CASES[0].potential()
    design = _core.Design(potential.core)
    frames = [labeled(potential, energy=float(k)) for k in range(5)]
    expected = design.normal_equations(frames, linear_only=False, threads=threads)
    lazily = (labeled(potential, energy=float(k)) for k in range(5))  # nothing else keeps them
    found = design.normal_equations(lazily, linear_only=False, threads=threads)
    np.testing.assert_array_equal(found, expected)


def one_force(value):
    """Labels of the second atom alone are spoilt."""
    forces = LABELS["forces"].copy()
    forces[1, 2] = value
    return forces


def one_component(value):
    """One component of the virial is spoilt."""
    virial = LABELS["virial"].copy()
    virial[4] = value
    return virial


MISSING = {
    "energy": ("energy", float, {"energy_weight": 0.0}),
    "force": ("forces", one_force, {"force_weights": np.array([0.3, 0.0])}),
    "virial": ("virial", one_component, {"virial_weight": 0.0}),
}


@pytest.mark.parametrize(("label", "spoil", "unweighted"), MISSING.values(), ids=list(MISSING))
@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_label_without_weight_changes_nothing(label, spoil, unweighted, value):
    potential = SMALL_CASES[0].potential()
    design = _core.Design(potential.core)
    frames = [labeled(potential, **unweighted, **{label: spoil(x)}) for x in (0.0, value)]
    expected, found = (design.normal_equations([frame], False, threads=1) for frame in frames)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("label", "spoil", "_"), MISSING.values(), ids=list(MISSING))
@pytest.mark.parametrize("value", [np.nan, -np.inf], ids=str)
def test_weighted_label_that_is_not_finite_is_refused(label, spoil, _, value):
    potential = SMALL_CASES[0].potential()
    frames = [labeled(potential), labeled(potential, **{label: spoil(value)})]
    with pytest.raises(InputError, match=f"the {label}|a {label[:5]}"):
        _core.Design(potential.core).normal_equations(frames, False, threads=1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0], ids=str)
@pytest.mark.parametrize("name", ["energy_weight", "force_weights", "virial_weight"])
def test_weight_that_is_negative_or_not_finite_is_refused(name, value):
    potential = SMALL_CASES[0].potential()
    weight = np.array([1.0, value]) if name == "force_weights" else value
    with pytest.raises(InputError, match="weight"):
        _core.Design(potential.core).normal_equations(
            [labeled(potential, **{name: weight})], False, threads=1
        )


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_thousands_of_threads_may_be_asked_for(case):
    potential = case.potential()
    design, frames = _core.Design(potential.core), [labeled(potential)]
    np.testing.assert_array_equal(
        design.normal_equations(frames, False, threads=3000),
        design.normal_equations(frames, False, threads=1),
    )
    neighborhoods = hoods(potential, crystal("SiAl", seed=8))
    for value, target in zip(
        _core.Evaluator(potential.core).evaluate(neighborhoods, 3000),
        _core.Evaluator(potential.core).evaluate(neighborhoods, 1),
        strict=True,
    ):
        np.testing.assert_array_equal(value, target)


# One atom with two million neighbors beyond the cutoff: little to store, much to compute with.
EXHAUSTION = """\
import resource
from pathlib import Path

import numpy as np

from mtpot import MTP, _core

potential = MTP.new(8, ["Si"], cutoff=5.0, min_distance=1.9)
core = potential.core.with_parameters(np.full(len(potential.parameters), 0.1))
count = 2_000_000
vectors = np.tile([6.0, 0.0, 0.0], (count, 1))
types, centers, neighbors = np.zeros(2, np.int32), np.zeros(count, int), np.ones(count, int)
crowd = _core.Neighborhoods(types, centers, neighbors, vectors)
pair = _core.Neighborhoods(types, [0, 1], [1, 0], [[2.5, 0, 0], [-2.5, 0, 0]])
evaluator, design = _core.Evaluator(core), _core.Design(core)
labels = 0.0, np.zeros((2, 3)), np.zeros(6), 1.0, np.ones(2), 1.0
frames = [_core.LabeledFrame(crowd, *labels)]
calls = {
    "evaluate": lambda: evaluator.evaluate(crowd, 1),
    "rows": lambda: design.rows(crowd, 1),
    "tangents": lambda: design.tangents(crowd),
    "normal_equations": lambda: design.normal_equations(frames, False, 1),
}
status = Path("/proc/self/status").read_text()
used = 1024 * int(status.split("VmSize:")[1].split()[0])
_, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, hard))
for name, call in calls.items():
    try:
        call()
    except MemoryError:
        print(name)
print(np.isfinite(evaluator.evaluate(pair, 1)[1]).all())
"""


@LINUX
def test_lack_of_memory_is_a_memory_error():
    run = subprocess.run(
        [sys.executable, "-c", EXHAUSTION], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["evaluate", "rows", "tangents", "normal_equations", "True"]


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize(
    ("min_distance", "cutoff"),
    [
        *((2.0, cutoff) for cutoff in (1e200, 1000.5, np.inf, np.nan)),
        *((min_distance, 5.0) for min_distance in (4.9995, 5.0, 6.0, -0.5, np.nan)),
    ],
    ids=lambda value: f"{value:g}",
)
def test_distances_out_of_range_are_refused(basis, min_distance, cutoff):
    with pytest.raises(InputError):
        MTP.new(4, ["Si"], cutoff=cutoff, min_distance=min_distance, radial_basis=basis)


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize(("min_distance", "cutoff"), [(0.0, 1000.0), (4.998, 5.0)], ids=str)
def test_distances_at_the_limits_give_finite_numbers(basis, min_distance, cutoff):
    potential = MTP.new(8, ["Si"], cutoff, min_distance, radial_size=16, radial_basis=basis)
    potential.parameters = np.full(len(potential.parameters), 0.1)
    middle = (min_distance + cutoff) / 2
    arrays = [0, 0], [0, 1], [1, 0], [[middle, 0, 0], [-middle, 0, 0]]
    pair = _core.Neighborhoods(*arrays)
    for values in _core.Evaluator(potential.core).evaluate(pair, 1):
        assert np.isfinite(values).all()
    assert np.isfinite(_core.Design(potential.core).tangents(pair)[0]).all()
