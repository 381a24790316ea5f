"""Relaxation while learning: convex hulls, and runs that find the hull of what they call."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import UnitCellFilter
from ase.io import read, write
from ase.optimize import BFGS
from scipy.optimize import linprog

from mtpot.active import run as runs
from mtpot.active import tasks, training
from mtpot.active.driver import DATABASE
from mtpot.active.explorers.common import Watch
from mtpot.active.explorers.relax import RELAXED, relax_all
from mtpot.active.hull.candidates import (
    UNKNOWN,
    Candidate,
    first_to_label,
    given_candidates,
    read_candidates,
    write_candidates,
)
from mtpot.active.hull.changes import check_tables
from mtpot.active.hull.geometry import (
    ON_HULL,
    count_elements,
    energies_above_hull,
    formation_energies,
)
from mtpot.active.hull.learning import evaluated
from mtpot.active.hull.relaxing import BATCH
from mtpot.active.hull.twins import twins_of
from mtpot.active.settings import load_settings
from mtpot.active.store import Store
from mtpot.active.worker import do
from mtpot.errors import InputError, MtpotError

SETTINGS = """
mode = "hull"
output = "{folder}/run"
start = ["{folder}/candidates.xyz"]
initial = 3
labels-per-iteration = 30
threads = 1
[label]
calculator = "emt"
[train]
level = 8
cutoff = 5.0
[hull]
margin = 0.06
final-margin = 0.005
batch = 7
train = {{ level = 10 }}
[[explore]]
engine = "relax"
"""


def decomposed(fractions, energies, composition) -> float:
    """Lowest energy of any mixture of structures with a composition: what a hull is."""
    equal = np.vstack([fractions.T, np.ones(len(fractions))])
    return linprog(energies, A_eq=equal, b_eq=[*composition, 1.0]).fun


@pytest.fixture(params=[1, 2, 3, 4], ids=lambda count: f"{count}elements")
def points(request):
    """Counts of elements and formation energies, most below 0."""
    rng = np.random.default_rng(request.param)
    counts = rng.integers(0, 4, size=(40, request.param))
    counts = np.vstack([np.eye(request.param, dtype=int), counts[counts.sum(axis=1) > 0]])
    pure = (counts > 0).sum(axis=1) == 1
    energies = rng.normal(-0.1, 0.1, len(counts))
    energies = np.where(pure, np.abs(energies), energies)
    energies[: request.param] = 0.0
    return counts, energies


def test_hull_is_the_lowest_energy_of_all_mixtures(points):
    counts, formation = points
    fractions = counts / counts.sum(axis=1, keepdims=True)
    above = energies_above_hull(counts, formation)
    expected = [
        energy - decomposed(fractions, formation, each)
        for each, energy in zip(fractions, formation, strict=True)
    ]
    assert above == pytest.approx(expected, abs=1e-9)
    assert above.min() >= 0.0
    assert (above[: counts.shape[1]] <= ON_HULL).all()


def test_without_a_stable_compound_the_elements_alone_are_on_the_hull():
    counts = np.array([[1, 0], [0, 1], [1, 1], [3, 1]])
    formation = np.array([0.0, 0.0, 0.1, 0.02])
    assert energies_above_hull(counts, formation) == pytest.approx(formation)


def test_formation_energies_refer_to_the_lowest_structure_of_each_element():
    counts = np.array([[1, 0], [2, 0], [0, 4], [1, 1]])
    energies = np.array([-3.0, -6.2, -8.0, -6.1])
    found = formation_energies(counts, energies, ["Cu", "Pt"])
    assert found == pytest.approx([0.1, 0.0, 0.0, -0.5])


def test_an_element_without_a_structure_of_its_own_is_named():
    with pytest.raises(InputError, match=r"no structure of pure Pt.*add"):
        formation_energies(np.array([[1, 0], [1, 1]]), np.zeros(2), ["Cu", "Pt"])


def candidate(number: int, formula: str, formation: float, volume: float) -> Candidate:
    size = len(Atoms(formula))
    atoms = Atoms(formula, positions=np.zeros((size, 3)), cell=[size * volume, 1, 1], pbc=True)
    return Candidate(number=number, table=0, atoms=atoms, formation=formation)


def test_twins_have_composition_energy_and_volume_in_common():
    given = [
        candidate(1, "CuPt", -0.10000, 12.0),
        candidate(2, "Cu2Pt2", -0.10002, 12.001),
        candidate(3, "CuPt", -0.10000, 12.3),
        candidate(4, "CuPt", -0.09000, 12.0),
        candidate(5, "Cu3Pt", -0.10000, 12.0),
        candidate(6, "PtCu", -0.09995, 12.0),
        candidate(7, "CuPt", -0.09990, 12.0),
    ]
    numbers = [[each.number for each in group] for group in twins_of(given)]
    assert numbers == [[2, 1, 6], [3], [5], [7], [4]]


def test_what_is_known_of_candidates_survives_a_file(tmp_path):
    atoms = bulk("Cu") * (2, 1, 1)
    given = [
        Candidate(number=1, table=0, atoms=atoms),
        Candidate(number=2, table=1, atoms=atoms, state="lost", reason='it said: "no", = 1 2'),
        Candidate(
            number=3, table=1, atoms=atoms, state="relaxed", stage=2, iteration=7, energy=-1 / 3,
            formation=0.25, above=0.0,
        ),
    ]  # fmt: skip
    write_candidates(tmp_path / "known.xyz", given)
    for before, after in zip(given, read_candidates(tmp_path / "known.xyz"), strict=True):
        assert str(replace(after, atoms=atoms)) == str(before)
        assert np.allclose(after.atoms.positions, atoms.positions)


# --- a whole run ---


@pytest.fixture(scope="module")
def example(repository):
    """The example's script as a module."""
    path = repository / "examples" / "cupd_hull" / "make_candidates.py"
    spec = importlib.util.spec_from_file_location("make_candidates", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lattice", ["fcc", "bcc"])
def test_example_enumerates_as_many_decorations_as_there_are(example, lattice):
    """Hart & Forcade, Phys. Rev. B 77 (2008) 224115, table IV."""
    found = Counter(map(len, example.decorations(lattice, ["Cu", "Pt"], 4)))
    assert found == {1: 2, 2: 2, 3: 6, 4: 19}


def in_process(folder: str, *_) -> tasks.Outcome:
    """Do a task here: a process of its own takes a second to begin."""
    place = tasks.Path(folder)
    content = tasks.content_of(place)
    try:
        return do(place, content)
    except Exception as error:
        return tasks.Outcome("failed", f"{type(error).__name__}: {error}")


@pytest.fixture(scope="module")
def structures(example) -> list[Atoms]:
    """Decorations of fcc up to four atoms, of bcc up to two."""
    pair = ["Cu", "Pt"]
    return [*example.decorations("fcc", pair, 4), *example.decorations("bcc", pair, 2)]


def work(
    folder, structures, resume: bool = False, text: str = SETTINGS, retry: bool = False
) -> list[str]:
    if not resume:
        write(folder / "candidates.xyz", structures, format="extxyz")
    (folder / "settings.toml").write_text(text.format(folder=folder))
    lines: list[str] = []
    runs.work(load_settings(folder / "settings.toml", {}), lines.append, resume=resume, retry=retry)
    return lines


@pytest.fixture(scope="module")
def finished(tmp_path_factory, structures):
    """Folder of a run that was not disturbed."""
    folder = tmp_path_factory.mktemp("hull")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "run", in_process)
        work(folder, structures)
    return folder / "run"


def table(folder) -> list[dict[str, str]]:
    with (folder / "hull.csv").open() as file:
        return list(csv.DictReader(file))


def relaxed_by_emt(atoms: Atoms) -> Atoms:
    """As the calculator itself relaxes it."""
    atoms = atoms.copy()
    atoms.calc = EMT()
    BFGS(UnitCellFilter(atoms), logfile=os.devnull).run(fmax=0.005, steps=1000)
    return atoms


def test_run_finds_the_hull_of_relaxing_all_candidates_directly(finished, structures):
    relaxed = [relaxed_by_emt(atoms) for atoms in structures]
    counts = count_elements(structures, ["Cu", "Pt"])
    energies = np.array([atoms.get_potential_energy() for atoms in relaxed])
    formation = formation_energies(counts, energies, ["Cu", "Pt"])
    above = energies_above_hull(counts, formation)
    expected = {
        round(row[0] / row.sum(), 6): energy
        for row, energy, height in zip(counts, formation, above, strict=True)
        if height <= ON_HULL
    }
    found = {
        float(row["x_Cu"]): float(row["formation_label"])
        for row in table(finished)
        if row["above_label"] and float(row["above_label"]) <= ON_HULL
    }
    assert len(expected) > 3
    assert found.keys() == expected.keys()
    for fraction, energy in expected.items():
        assert found[fraction] == pytest.approx(energy, abs=0.005)


def test_table_has_every_candidate_once_and_labels_near_the_hull(finished, structures):
    rows = table(finished)
    numbers = sorted(int(row["candidate"]) for row in rows)
    assert numbers == list(range(1, len(structures) + 1))
    labeled = [row for row in rows if row["row"]]
    assert all(row["stage"] == "2" for row in labeled)
    assert all(float(row["above_label"]) >= 0.0 for row in labeled)
    pure = [float(row["formation_label"]) for row in labeled if float(row["x_Cu"]) in (0.0, 1.0)]
    assert min(pure) == 0.0
    assert {row["stage"] for row in rows} == {"1", "2"}


def test_structures_of_the_hull_carry_their_labels(finished):
    images = read(finished / "hull.xyz", ":")
    assert images[0].info["above_hull"] == 0.0
    for atoms in images:
        again = atoms.copy()
        again.calc = EMT()
        assert again.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-6)


def test_store_has_the_hull_as_an_event_and_the_figure_is_there(finished, structures):
    event = Store(finished / DATABASE).events("hull")["hull"]
    assert event["candidates"] == len(structures)
    assert event["lost"] == 0
    assert event["largest_error"] < 0.01
    assert min(member["formation_energy"] for member in event["members"]) < -0.05
    assert (finished / "hull.svg").read_text().startswith("<?xml")


def test_run_ended_again_and_again_goes_on_to_the_same_hull(
    tmp_path, structures, finished, monkeypatch
):
    ending = [3, 20, 21, 50, 60]
    done = 0

    def dying(folder, *_):
        nonlocal done
        done += 1
        if done in ending:
            raise KeyboardInterrupt
        return in_process(folder)

    monkeypatch.setattr(tasks, "run", dying)
    for count in range(len(ending)):
        with pytest.raises(KeyboardInterrupt):
            work(tmp_path, structures, resume=count > 0)
    work(tmp_path, structures, resume=True)
    assert (tmp_path / "run" / "hull.csv").read_text() == (finished / "hull.csv").read_text()


@pytest.mark.slow
def test_killed_process_loses_and_repeats_nothing(tmp_path, structures, finished):
    write(tmp_path / "candidates.xyz", structures, format="extxyz")
    (tmp_path / "settings.toml").write_text(SETTINGS.format(folder=tmp_path))
    command = [sys.executable, "-m", "mtpot.cli", "learn", str(tmp_path / "settings.toml")]
    rng = np.random.default_rng(0)
    for kill in range(4):
        flags = ["--resume"] if kill else []
        process = subprocess.Popen([*command, *flags], start_new_session=True)
        time.sleep(rng.uniform(5.0, 40.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run([*command, "--resume"], check=True)
    assert (tmp_path / "run" / "hull.csv").read_text() == (finished / "hull.csv").read_text()
    labels = Counter(
        name.split("/")[0] for name in Store(tmp_path / "run" / DATABASE).events("label")
    )
    assert set(labels.values()) == {1}


def test_crash_of_one_relaxation_costs_that_candidate_alone(tmp_path, structures, monkeypatch):
    small = structures[:4]  # fcc, up to two atoms
    bad = next(n for n, atoms in enumerate(small) if len(atoms) == 2)

    def crashing(folder, *_):
        batch = tasks.Path(folder) / BATCH
        images = read(batch, ":") if batch.exists() else []
        first = next((n for n, atoms in enumerate(images) if atoms.has("tags")), None)
        if first is None:
            return in_process(folder)
        write(batch, images[:first], format="extxyz")
        if first:
            in_process(folder)
        return tasks.Outcome("crashed", "the process was ended by SIGSEGV")

    small[bad] = small[bad].copy()
    small[bad].set_tags(1)
    monkeypatch.setattr(tasks, "run", crashing)
    work(tmp_path, small)
    lost = [row for row in table(tmp_path / "run") if row["state"] == "lost"]
    assert [int(row["candidate"]) for row in lost] == [bad + 1]


@pytest.fixture
def few() -> list[Atoms]:
    """Two elements and a compound, of four atoms."""
    compound = bulk("Cu", a=3.75, cubic=True)
    compound.symbols[:2] = "Pt"
    return [bulk("Cu"), bulk("Pt"), compound]


SMALL = SETTINGS.replace("level = 8", "level = 4").replace("level = 10", "level = 6")
LOOSE = f"break-threshold = 1e9\n{SMALL}"
"""No relaxation stops."""
QUICK = f"select-threshold = 1e6\n{LOOSE}".replace('"emt"', '"emt"\nmax-failures = 1.0').replace(
    "initial = 3", "initial = 12"
)
"""The first potentials know everything."""


def failing_labels(fails):
    """Do tasks here, but fail to label the structures that `fails` says."""

    def do_or_fail(folder, *_):
        place = tasks.Path(folder)
        if "labels" in place.parts and fails(read(place / "structure.extxyz")):
            return tasks.Outcome("failed", "no memory")
        return in_process(folder)

    return do_or_fail


def ending_in_report(folder) -> str:
    return re.search(r"(Finished|Not finished)[^<]*", (folder / "report.html").read_text())[0]


def test_candidate_near_the_hull_without_a_label_is_named(tmp_path, few, monkeypatch):
    def at_the_end(atoms):
        return len(atoms) == 4 and Store(tmp_path / "run" / DATABASE).fact("finals")

    monkeypatch.setattr(tasks, "run", failing_labels(at_the_end))
    lines = work(tmp_path, few, text=QUICK)
    rows = {row["candidate"]: row for row in table(tmp_path / "run")}
    assert (rows["3"]["row"], rows["3"]["reason"]) == ("", "not calculated")
    assert any("not calculated: candidate 3, 0.0 meV/atom above the hull" in line for line in lines)
    store = Store(tmp_path / "run" / DATABASE)
    assert store.events("hull")["hull"]["not_calculated"] == [3]
    assert ending_in_report(tmp_path / "run").startswith("Finished, but not clean: 1 candidate ")


def test_candidate_that_meets_what_no_calculation_labels_is_lost(tmp_path, few, monkeypatch):
    """The others are relaxed by the same potential, and placed by it, all the same."""
    odd = bulk("Cu", a=3.8, cubic=True).repeat((1, 1, 2))
    odd.symbols[[0, 4]] = "Pt"
    odd.positions[0] += [0.3, 0.2, 0.1]
    monkeypatch.setattr(tasks, "run", failing_labels(lambda atoms: len(atoms) == 8))
    text = SMALL.replace('"emt"', '"emt"\nmax-failures = 1.0')
    lines = work(tmp_path, [*few, odd], text=text)
    rows = {row["candidate"]: row for row in table(tmp_path / "run")}
    assert (rows["4"]["state"], rows["4"]["reason"]) == ("lost", UNKNOWN)
    assert [rows[number]["state"] for number in "123"] == ["relaxed"] * 3
    assert f"  lost: candidate 4: {UNKNOWN}" in lines
    assert ending_in_report(tmp_path / "run").startswith("Finished, but not clean: 1 candidate ")
    monkeypatch.setattr(tasks, "run", in_process)
    work(tmp_path, [*few, odd], text=text, resume=True, retry=True)
    assert [row["state"] for row in table(tmp_path / "run")] == ["relaxed"] * 4
    assert ending_in_report(tmp_path / "run").startswith("Finished: ")


def test_pure_element_whose_candidates_are_all_lost_is_named():
    given = [replace(candidate(1, "Cu", 0.0, 12.0), state="relaxed"), candidate(2, "Pt", 0.0, 12.0)]
    with pytest.raises(MtpotError, match="pure Pt are lost"):
        evaluated(given, 1)


@pytest.mark.parametrize("state", ["relaxed", "unfinished"])
def test_energies_of_several_potentials_are_not_compared(state):
    given = [replace(candidate(n, "Cu", 0.0, 12.0), state=state, iteration=n) for n in (1, 2)]
    with pytest.raises(AssertionError, match="several potentials"):
        evaluated(given, 1)


def test_relaxation_that_used_up_its_steps_is_called_unfinished(tmp_path, few, monkeypatch):
    monkeypatch.setattr(tasks, "run", in_process)
    work(tmp_path, few, text=f"{QUICK}most-steps = 1\n")
    rows = {row["candidate"]: row for row in table(tmp_path / "run")}
    assert rows["3"]["state"] == "unfinished"
    assert rows["3"]["above_label"]


# --- other settings on the way ---


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\nmode", "\nselect-threshold = 2.5\nmode"),
        ("level = 8", "level = 6"),
        ("", "force = 0.02"),
    ],
    ids=["threshold", "level", "force"],
)
def test_run_that_stopped_when_selecting_goes_on_with_other_settings(
    tmp_path, few, monkeypatch, old, new
):
    monkeypatch.setattr(tasks, "run", in_process)
    with pytest.raises(MtpotError, match="max-labels 12 are used up"):
        work(tmp_path, few, text=f"max-labels = 12\n{LOOSE}")
    relaxed = set((tmp_path / "run" / "explorations").iterdir())
    assert Store(tmp_path / "run" / DATABASE).fact("position") == [0, "select"]
    text = LOOSE.replace(old, new, 1) if old else LOOSE + new
    work(tmp_path, few, resume=True, text=text)
    assert len(table(tmp_path / "run")) == len(few)
    assert set((tmp_path / "run" / "explorations").iterdir()) > relaxed
    first = Store(tmp_path / "run" / DATABASE).events("training")["000"]
    assert f"level = {first['settings']['level']}" in text


def test_other_training_begins_anew_beside_what_an_ended_one_left(tmp_path, few, monkeypatch):
    def ended(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks, "run", in_process)
    with monkeypatch.context() as patch:
        patch.setattr(training, "build_selection", ended)
        with pytest.raises(KeyboardInterrupt):
            work(tmp_path, few, text=QUICK)
    assert (tmp_path / "run" / "trainings" / "000" / "checkpoint").exists()
    work(tmp_path, few, resume=True, text=QUICK.replace("level = 4", "level = 2"))
    assert len(table(tmp_path / "run")) == len(few)


def test_finished_run_goes_on_with_a_larger_final_margin(tmp_path, structures, monkeypatch):
    monkeypatch.setattr(tasks, "run", in_process)
    work(tmp_path, structures[:4], text=QUICK.replace("0.06", "0.5").replace("0.005", "1e-5"))
    before = [row for row in table(tmp_path / "run") if row["row"]]
    text = QUICK.replace("0.06", "0.6").replace("0.005", "0.5")
    lines = work(tmp_path, structures[:4], resume=True, text=text)
    after = [row for row in table(tmp_path / "run") if row["row"]]
    assert len(after) > len(before)
    assert "[hull] margin: it has no effect by now: the first stage is done" in lines


@pytest.mark.parametrize(
    ("now", "message"),
    [
        ([{"engine": "relax"}], r"begun with 2 \[\[explore\]\], not 1"),
        ([{"engine": "relax"}, {"engine": "relax", "count": 3}], r"2: .* with engine = \"random\""),
        ([{"engine": "relax"}, {"engine": "random"}], "count = 3, not its default"),
    ],
    ids=["fewer", "engine", "count"],
)
def test_tables_that_bring_other_candidates_are_refused(now, message):
    before = [{"engine": "relax"}, {"engine": "random", "count": 3}]
    with pytest.raises(InputError, match=message):
        check_tables(before, now)


def test_relaxations_themselves_can_change():
    check_tables([{"engine": "relax", "most-steps": 5}], [{"engine": "relax", "most_steps": 6}])


# --- what is given ---


def settings_of(folder, structures, text: str = SETTINGS):
    write(folder / "candidates.xyz", structures, format="extxyz")
    (folder / "settings.toml").write_text(text.format(folder=folder))
    return load_settings(folder / "settings.toml", {})


def test_first_labels_have_each_element_alone_and_all_together(tmp_path):
    given = [bulk("Cu", cubic=True), bulk("Pt"), bulk("Cu"), Atoms("CuPt", [(0, 0, 0), (2, 2, 2)])]
    given[-1].set_cell([4, 4, 4])
    given[-1].pbc = True
    candidates = given_candidates(settings_of(tmp_path, given))
    formulas = [str(atoms.symbols) for atoms in first_to_label(candidates)]
    assert formulas == ["Cu", "Pt", "CuPt"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('engine = "relax"', 'engine = "md"', "mode hull relaxes candidates, which md does not"),
        ("batch = 7", "batches = 7", r"\[hull\]: unknown key batches; did you mean batch"),
        ("margin = 0.06", "margin = -1", r"\[hull\] margin"),
        ("{{ level = 10 }}", "{{ level = 9 }}", "level = 9"),
        ("{{ level = 10 }}", "3", "expected a table"),
    ],
    ids=["engine", "key", "negative", "level", "table"],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_done(
    tmp_path, structures, old, new, message
):
    with pytest.raises(InputError, match=message):
        runs.look(settings_of(tmp_path, structures, SETTINGS.replace(old, new)))
    assert not (tmp_path / "run").exists()


def test_candidates_leave_a_saddle_point(tmp_path):
    """Copper on a simple cubic lattice has no forces, and is far above the crystal."""
    cubic = Atoms("Cu8", cell=[4.9] * 3, pbc=True)
    cubic.set_scaled_positions(np.stack(np.meshgrid(*[[0.0, 0.5]] * 3), -1).reshape(-1, 3))
    energies = []
    for rattle in (0.0, 0.02):
        text = SETTINGS.replace("[hull]", f"[hull]\nrattle = {rattle}")
        (candidate,) = given_candidates(settings_of(tmp_path, [cubic], text))
        atoms = candidate.atoms
        assert np.abs(atoms.positions - cubic.positions).max() < 5 * rattle + 1e-9
        atoms.calc = EMT()
        BFGS(atoms, logfile=os.devnull).run(fmax=0.01, steps=300)
        energies.append(atoms.get_potential_energy() / len(atoms))
    assert energies[1] < energies[0] - 0.02


def test_missing_element_is_refused_before_anything_is_done(tmp_path, structures):
    mixed = [atoms for atoms in structures if "Cu" in atoms.symbols]
    with pytest.raises(InputError, match="no structure of pure Pt"):
        work(tmp_path, mixed)
    assert not (tmp_path / "run").exists()


def test_second_stage_has_a_higher_level_unless_told(tmp_path, structures):
    text = SETTINGS.replace("train = {{ level = 10 }}", "")
    second = settings_of(tmp_path, structures, text).second_stage()
    assert second.training((), tmp_path).level == 12


# --- relaxation ---


@pytest.fixture
def potential(finished):
    return finished / "potential.almtp"


def relax(images, potential, folder, **changes):
    watch = Watch(1e300, float("inf"), 1)  # of whatever grade
    return relax_all(
        images,
        potential,
        watch,
        folder,
        **{"force": 0.01, "most_steps": 50, "cell": True, **changes},
    )


def test_exploding_cell_ends_with_a_reason_and_the_next_is_relaxed(tmp_path, potential):
    dense = bulk("Cu", a=2.3)  # a quarter of the volume at rest
    relax([dense, bulk("Cu")], potential, tmp_path, most_steps=300)
    first, second = read(tmp_path / RELAXED, ":")
    assert (first.info["ended"], second.info["ended"]) == ("failed", "relaxed")
    assert "volume changed" in first.info["reason"]


def test_coincident_atoms_end_with_a_reason_and_the_next_is_relaxed(tmp_path, potential):
    double = Atoms("Cu2", positions=np.zeros((2, 3)), cell=[3, 3, 3], pbc=True)
    relax([double, bulk("Cu")], potential, tmp_path)
    assert [each.info["ended"] for each in read(tmp_path / RELAXED, ":")] == ["failed", "relaxed"]


def test_nothing_that_can_be_relaxed_is_an_error(tmp_path, potential):
    double = Atoms("Cu2", positions=np.zeros((2, 3)), cell=[3, 3, 3], pbc=True)
    with pytest.raises(MtpotError, match="nothing could be relaxed"):
        relax([double], potential, tmp_path)
