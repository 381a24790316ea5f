"""The commands as people run them: in a process of their own, on files."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import Hartree

from mtpot import MTP, MTPCalculator
from mtpot.cli import main_train
from mtpot.cli.progress import describe
from mtpot.data import read_frames
from mtpot.grading import weights_of
from mtpot.train.monitor import Step
from mtpot.train.solvers import SOLVERS

SILICON = Path(__file__).parents[2] / "examples" / "silicon"
MORSE = {"epsilon": 0.8, "r0": 2.6, "rho0": 4.0, "rcut1": 4.0, "rcut2": 4.5}
SHAPE = ["--level", "6", "--cutoff", "4.5", "--radial-size", "6"]
FAST = [*SHAPE, "--max-steps", "4", "--threads", "1"]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def run(*words: object, command: str = "main") -> Outcome:
    """Run `mlp` (or `mlp-train`, by its entry point) in a new process."""
    code = f"import sys; from mtpot.cli import {command}; sys.exit({command}())"
    line = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def succeed(*words: object, command: str = "main") -> str:
    outcome = run(*words, command=command)
    assert outcome.code == 0, outcome.err
    return outcome.out


def refuse(*words: object, command: str = "main") -> str:
    """The message of a command that ends as bad input should: exit code 2, no traceback."""
    outcome = run(*words, command=command)
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    return outcome.err


def sample(seed: int, symbols: str = "Al") -> Atoms:
    atoms = bulk("Al", "fcc", a=3.7 + 0.05 * (seed % 5), cubic=True)
    if seed % 2:
        atoms.symbols[:2] = symbols
    atoms.rattle(0.12, seed=seed)
    atoms.info["group"] = "hot" if seed % 2 else "cold"
    atoms.info["note"] = f"n{seed}"
    atoms.calc = MorsePotential(**MORSE)
    atoms.get_potential_energy()
    atoms.get_stress()
    return atoms


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train.xyz and test.xyz of an analytic pair potential, in two groups."""
    folder = tmp_path_factory.mktemp("data")
    ase.io.write(folder / "train.xyz", [sample(seed) for seed in range(12)])
    ase.io.write(folder / "test.xyz", [sample(seed) for seed in range(20, 24)])
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of one training with flags alone."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    files = ["--data", data / "train.xyz", "--test", data / "test.xyz", "--output", folder]
    succeed(*files, *FAST, command="main_train")
    return folder


def test_training_leaves_what_the_interface_promises(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert names == {"potential.mtp", "potential.almtp", "metrics.json", "report"}
    assert (trained / "report" / "report.html").is_file()
    assert MTP.load(trained / "potential.mtp").species == ("Al",)
    assert MTP.load(trained / "potential.almtp").selection is not None


@pytest.fixture(scope="module")
def committee(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of a training with a committee, on a third of the frames set aside."""
    folder = tmp_path_factory.mktemp("committee") / "run"
    frames = ase.io.read(data / "train.xyz", ":") + [sample(seed) for seed in range(30, 48)]
    ase.io.write(data / "more.xyz", frames)
    words = ["--ensemble", "3", "--validation", "0.35", "--output", folder]
    printed = succeed("train", "--data", data / "more.xyz", *words, *FAST)
    assert "committee: 3 members" in printed
    assert "not calibrated" not in printed
    return folder


def test_a_committee_is_trained_calibrated_and_used(committee: Path, data: Path, tmp_path) -> None:
    for name in ("potential.mtp", "potential.almtp"):
        potential = MTP.load(committee / name)
        assert len(potential.members) == 3
        assert potential.intervals is not None
    output = tmp_path / "out.xyz"
    words = ["evaluate", committee / "potential.mtp", data / "test.xyz", "--output", output]
    printed = succeed(*words)
    assert re.search(r"intervals of 50, 68, 90, 95 % hold [\d., ]+ % of 48 force comp", printed)
    frame = ase.io.read(output)
    calculator = MTPCalculator(potential)
    expected = calculator.get_property("forces_std", frame)
    np.testing.assert_allclose(frame.arrays["forces_std"], expected, atol=1e-5)
    assert frame.info["energy_std"] == pytest.approx(calculator.results["energy_std"], rel=1e-4)
    assert "members 3, calibrated yes" in succeed("info", committee / "potential.mtp")


def test_a_committee_without_frames_aside_is_said_to_be_uncalibrated(data: Path, tmp_path) -> None:
    words = ["--data", data / "train.xyz", "--ensemble", "2", "--output", tmp_path / "run"]
    printed = succeed("train", *words, *FAST, "--active-set", "none")
    assert "smaller than errors: add --validation 0.1" in printed
    assert "not calibrated" in printed
    printed = succeed("evaluate", tmp_path / "run" / "potential.mtp", data / "test.xyz")
    assert "not calibrated" in printed


def test_a_committee_of_one_is_refused(data: Path, tmp_path) -> None:
    words = ["--data", data / "train.xyz", "--ensemble", "1", "--output", tmp_path / "run"]
    assert "2 and more members" in refuse("train", *words)


def test_a_committee_with_nothing_to_draw_from_is_refused_before_the_training(
    data: Path, tmp_path: Path
) -> None:
    images = ase.io.read(data / "train.xyz", ":")
    for atoms in images:
        atoms.info["trajectory"] = "md"
    ase.io.write(tmp_path / "md.xyz", images)
    words = ["--data", tmp_path / "md.xyz", "--ensemble", "2", "--output", tmp_path / "run"]
    error = refuse("train", *words, *FAST, "--split-by", "trajectory")
    assert "draws by trajectory, and there is only one" in error
    assert not (tmp_path / "run").exists()


def test_metrics_have_the_promised_keys(trained: Path) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    keys = {"loss", "seconds", "steps", "parameters", "seed", "settings", "train", "test"}
    more = {"stop", "threads", "potential", "validation", "neighbors", "versions", "history"}
    more |= {"chosen", "processes", "fingerprints", "warnings"}
    assert set(metrics) == keys | more
    assert metrics["validation"] is None
    assert metrics["stop"] == "max-steps"
    assert metrics["settings"]["min_distance"] == "auto"
    assert 2.0 < metrics["potential"]["min_distance"] < 2.6
    kinds = ("energy_{}_per_atom", "force_{}", "stress_{}")
    inner = {"frames", "atoms", *(kind.format(e) for kind in kinds for e in ("mae", "rmse", "max"))}
    for part, frames in (("train", 12), ("test", 4)):
        assert set(metrics[part]) == inner | {"groups"}
        assert metrics[part]["frames"] == frames
        assert set(metrics[part]["groups"]) == {"cold", "hot"}
        assert all(set(group) == inner for group in metrics[part]["groups"].values())
    assert metrics["settings"]["level"] == 6
    assert metrics["steps"] == 4
    assert metrics["parameters"] == len(MTP.load(trained / "potential.mtp").parameters)


def test_loss_is_that_of_the_written_potential(data: Path, trained: Path) -> None:
    potential = MTP.load(trained / "potential.mtp")
    terms = []
    for atoms in ase.io.read(data / "train.xyz", ":"):
        labels = atoms.calc.results
        atoms.calc = MTPCalculator(potential)
        volume, count = atoms.get_volume(), len(atoms)
        energy = atoms.get_potential_energy() - labels["energy"]
        forces = atoms.get_forces() - labels["forces"]
        virial = volume * (atoms.get_stress() - labels["stress"]) * np.sqrt([1, 1, 1, 2, 2, 2])
        squares = np.array([energy**2 / count, (forces**2).sum(), (virial**2).sum() / count])
        terms.append(squares @ [1.0, 0.01, 0.001])
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["loss"] == pytest.approx(np.mean(terms), rel=1e-6)


def test_a_settings_file_and_flags_train_the_same(
    data: Path, trained: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f'data = "{data / "train.xyz"}"\noutput = "{tmp_path / "elsewhere"}"\nlevel = 6\n'
        "cutoff = 4.5\nradial_size = 6\nmax-steps = 9\nthreads = 1\nactive-set = 'none'\n"
    )
    succeed("train", settings, "--max-steps", "4", "--output", tmp_path / "run")
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "run" / "potential.almtp").exists()
    same = (tmp_path / "run" / "potential.mtp").read_bytes()
    assert same == (trained / "potential.mtp").read_bytes()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["test"] is None


def test_validation_is_taken_off_the_training_data(data: Path, tmp_path: Path) -> None:
    words = ["--data", data / "train.xyz", "--output", tmp_path / "run", *FAST]
    out = succeed("train", *words, "--validation", "0.34", "--active-set", "cfg")
    assert "8 training (8 with forces, 8 with stress), 4 validation" in out
    assert "valid" in out.split("step   0")[1].splitlines()[0]
    assert "Errors, validation" in out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["train"]["frames"] == 8
    assert metrics["validation"]["frames"] == 4
    assert set(metrics["validation"]) == set(metrics["train"])
    assert re.search(r"active set \(cfg\): \d of \d+ rows", out)
    assert "warning: cfg mode needs at least" in out
    selection = MTP.load(tmp_path / "run" / "potential.almtp").selection
    assert selection.weights == (1.0, 0.0, 0.0, 0.0)


def test_validation_parts_no_trajectory_if_told(data: Path, tmp_path: Path) -> None:
    images = ase.io.read(data / "train.xyz", ":")
    for k, atoms in enumerate(images):
        atoms.info |= {"trajectory": "abcd"[k // 3], "group": "md"}
    ase.io.write(tmp_path / "md.xyz", images)
    words = ["--data", tmp_path / "md.xyz", "--output", tmp_path / "run", *FAST]
    out = succeed("train", *words, "--validation", "0.25", "--split-by", "trajectory")
    assert "4 trajectories" in out
    assert "9 training (9 with forces, 9 with stress), 3 validation" in out
    assert "--split-by group" in succeed(
        "train", *words, "--overwrite", "--validation", "0.25", "--split-by", "group"
    )


def test_training_goes_on_from_a_potential(data: Path, trained: Path, tmp_path: Path) -> None:
    start = ["--start", trained / "potential.mtp", "--max-steps", "2", "--threads", "1"]
    succeed("train", "--data", data / "train.xyz", "--output", tmp_path / "run", *start)
    losses = [
        json.loads((folder / "metrics.json").read_text())["loss"]
        for folder in (trained, tmp_path / "run")
    ]
    assert losses[1] < losses[0]


def test_an_untrained_start_gives_its_shape(data: Path, tmp_path: Path) -> None:
    start = tmp_path / "untrained.mtp"
    succeed("new", "--level", 4, "--species", "Al", "--cutoff", 4.5, start)
    words = ["--start", start, "--max-steps", "1", "--active-set", "none", "--threads", "1"]
    succeed("train", "--data", data / "train.xyz", "--output", tmp_path / "run", *words)
    assert MTP.load(tmp_path / "run" / "potential.mtp").level == 4


def test_molecules_without_cell_are_trained_on(tmp_path: Path) -> None:
    images = []
    for seed in range(6):
        atoms = molecule("H2O")
        atoms.rattle(0.05, seed=seed)
        atoms.calc = MorsePotential(**MORSE)
        atoms.get_potential_energy()
        images.append(atoms)
    ase.io.write(tmp_path / "water.xyz", images)
    words = ["--data", tmp_path / "water.xyz", "--output", tmp_path / "run", *FAST]
    out = succeed("train", *words, "--weighting", "molecules")
    assert "species H, O" in out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["train"]["stress_mae"] is None


def test_several_files_are_one_set(data: Path, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "other.db", [sample(7, "Ni"), Atoms("Ni")])
    (tmp_path / "s.toml").write_text(
        "level = 4\ncutoff = 4.0\nmax-steps = 2\nactive-set = 'none'\n"
    )
    files = ("--data", data / "train.xyz", tmp_path / "*.db", tmp_path / "s.toml")
    out = succeed("train", "--output", tmp_path / "run", *files)
    assert "species Al, Ni; frames: 13 training" in out
    assert "warning: 1 of 14 frames are left out: rows of a database without energy" in out
    assert "other.db (row 2)" in out


def hartree(images: list[Atoms]) -> list[Atoms]:
    for atoms in images:
        atoms.calc.results["energy"] /= Hartree
    return images


def one_energy_off_and_two_copies(images: list[Atoms]) -> list[Atoms]:
    """Frame 101 is off, frame 141 repeats frame 42 with another energy, frame 142 repeats 43."""
    images[100].calc.results["energy"] += 30.0
    conflicting = images[41].copy()
    conflicting.calc = SinglePointCalculator(conflicting, **images[41].calc.results)
    conflicting.calc.results["energy"] += 1.0
    return [*images, conflicting, images[42]]


FAULTY = {
    "hartree": (hartree, ["perhaps the energies are in hartree"]),
    "one-off-and-copies": (
        one_energy_off_and_two_copies,
        [
            r"1 frames have energies unlike those .*\(\S+ \(frame 101\)\)",
            r"1 frames repeat a structure with another energy.*\(\S+ \(frame 141\)\)",
            r"1 frames repeat another one \(\S+ \(frame 142\)\); remove them: they weigh twice",
        ],
    ),
}


@pytest.mark.parametrize("more", [(), ("--stream",)], ids=["memory", "streamed"])
@pytest.mark.parametrize(("fault", "found"), FAULTY.values(), ids=FAULTY)
def test_training_tells_what_the_data_check_finds(
    fault, found: list[str], more: tuple[str, ...], tmp_path: Path, capsys
) -> None:
    """One line for each kind, on the console, in metrics.json and in the report."""
    data, output = tmp_path / "train.xyz", tmp_path / "run"
    ase.io.write(data, fault(ase.io.read(SILICON / "train.xyz", ":")))
    shape = ["--level", "2", "--cutoff", "4", "--radial-size", "4", "--max-steps", "1"]
    words = ["--data", data, "--output", output, *shape, "--active-set", "none", *more]
    assert main_train(list(map(str, words))) == 0
    out = capsys.readouterr().out
    told = [line[9:] for line in out.splitlines() if line.startswith("warning: ")]
    for pattern in found:
        assert len([line for line in told if re.search(pattern, line)]) == 1, told
    assert f"all of that, frame by frame: mlp data check {data} --species Si" in told
    recorded = json.loads((output / "metrics.json").read_text())["warnings"]
    assert recorded == told[: len(recorded)]
    assert len(recorded) > len(found)
    page = html.unescape((output / "report" / "report.html").read_text())
    assert all(line in page for line in recorded)


def test_clean_data_are_trained_on_without_a_warning_of_them(trained: Path) -> None:
    assert json.loads((trained / "metrics.json").read_text())["warnings"] == []
    assert "Found in its data" not in (trained / "report" / "report.html").read_text()


def test_a_file_that_is_given_twice_is_told_and_read_once(data: Path, tmp_path: Path) -> None:
    files = ["--data", data / "train.xyz", "--data", data / "*in.xyz"]
    out = succeed("train", *files, "--output", tmp_path / "run", *FAST, "--active-set", "none")
    assert f"warning: {data / 'train.xyz'} is given more than once, and read once" in out
    assert "frames: 12 training" in out


def test_a_species_that_no_frame_has_is_told(data: Path, tmp_path: Path) -> None:
    words = ["--data", data / "train.xyz", "--output", tmp_path / "run", "--species", "Cu,Al"]
    out = succeed("train", *words, *FAST, "--active-set", "none")
    assert "warning: no training frame has Cu, whose coefficients nothing determines" in out
    assert "leave it out of --species" in out


def test_test_frames_among_the_training_frames_are_reported(data: Path, tmp_path: Path) -> None:
    files = ["--data", data / "train.xyz", data / "test.xyz", "--test", data / "test.xyz"]
    out = succeed("train", *files, "--output", tmp_path / "run", *FAST, "--active-set", "none")
    assert "warning: 4 test frames repeat structures of training frames" in out
    assert "test.xyz:1 (frame 1) is " in out
    assert "; and 1 more)" in out


def test_of_several_seeds_the_one_that_is_kept_is_named(data: Path, tmp_path: Path) -> None:
    words = ["--data", data / "train.xyz", "--output", tmp_path / "run", "--seeds", 3]
    out = succeed("train", *words, *FAST, "--seed", 5, "--active-set", "none")
    (seed,) = re.findall(r"^kept: seed (\d+), the best of seeds 5 to 7$", out, re.MULTILINE)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["seed"] == int(seed)
    last = {step["stage"].split()[1]: step["loss"] for step in metrics["history"]}
    assert min(last, key=lambda name: last[name]) == seed


def test_a_flag_without_its_value_says_what_it_takes() -> None:
    error = refuse("train", "--data", "train.xyz", "--output", "run", "--solver")
    assert "--solver needs a value" in error
    assert all(f"{name}: " in error for name in SOLVERS)


def test_more_features_than_there_are_are_refused_before_the_training(
    data: Path, tmp_path: Path
) -> None:
    words = ["--data", data / "train.xyz", "--output", tmp_path / "run", *SHAPE]
    error = refuse("train", *words, "--solver", "elimination", "--features", "1000")
    assert re.search(r"--features 1000 is more than there are: .* has \d+ scalars", error)
    assert not (tmp_path / "run").exists()


def test_the_template_goes_to_stdout_or_a_file(tmp_path: Path) -> None:
    printed = succeed("--template", command="main_train")
    succeed("train", "--template", tmp_path / "settings.toml")
    assert (tmp_path / "settings.toml").read_text() == printed
    assert "exists" in refuse("train", "--template", tmp_path / "settings.toml")


def test_evaluate_writes_predictions_and_metrics(data: Path, trained: Path, tmp_path: Path) -> None:
    out, metrics = tmp_path / "out.xyz", tmp_path / "metrics.json"
    potential = trained / "potential.mtp"
    words = ["--output", out, "--json", metrics]
    printed = succeed("evaluate", potential, data / "test.xyz", *words)
    assert f"{out}: predictions of 4 frames\n{metrics}: errors\n" in printed
    expected = json.loads((trained / "metrics.json").read_text())["test"]
    assert json.loads(metrics.read_text()) == expected
    images = zip(ase.io.read(out, ":"), ase.io.read(data / "test.xyz", ":"), strict=True)
    for atoms, original in images:
        assert atoms.info["ref_energy"] == original.get_potential_energy()
        assert atoms.info["note"] == original.info["note"]
        np.testing.assert_allclose(atoms.arrays["ref_forces"], original.get_forces(), atol=1e-8)
        stress = atoms.info["ref_stress"][[0, 4, 8, 5, 2, 1]]
        np.testing.assert_allclose(stress, original.get_stress(), atol=1e-12)
        original.calc = MTPCalculator(MTP.load(potential))
        assert atoms.get_potential_energy() == pytest.approx(original.get_potential_energy())
        np.testing.assert_allclose(atoms.get_forces(), original.get_forces(), atol=1e-7)
        np.testing.assert_allclose(atoms.get_stress(), original.get_stress(), atol=1e-9)


def test_evaluate_in_mixed_precision(data: Path, trained: Path, tmp_path: Path) -> None:
    forces = {}
    for precision in ("double", "mixed"):
        out = tmp_path / f"{precision}.xyz"
        words = ["--output", out, "--precision", precision]
        succeed("evaluate", trained / "potential.mtp", data / "test.xyz", *words)
        forces[precision] = np.concatenate([atoms.get_forces() for atoms in ase.io.read(out, ":")])
    scale = np.abs(forces["double"]).max()
    assert 0 < np.abs(forces["mixed"] - forces["double"]).max() <= 1e-5 * scale + 1e-8


def test_unlabeled_frames_are_predicted(trained: Path, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "POSCAR", bulk("Al", "fcc", a=3.9))
    succeed("evaluate", trained / "potential.almtp", tmp_path / "POSCAR", "--json", tmp_path / "m")
    assert json.loads((tmp_path / "m").read_text())["energy_mae_per_atom"] is None


def test_training_frames_do_not_extrapolate(data: Path, trained: Path, tmp_path: Path) -> None:
    graded = tmp_path / "graded.xyz"
    words = [trained / "potential.almtp", data / "train.xyz", "--output", graded]
    printed = succeed("grade", *words)
    assert re.search(r"12 frames, largest grade 1(\.00\d)?: .*train.xyz:\d+ \(frame \d+\)", printed)
    assert "above 1: 0, above 2: 0, above 10: 0" in printed
    for atoms in ase.io.read(graded, ":"):
        assert atoms.info["grade"] == pytest.approx(atoms.arrays["grades"].max(), abs=1e-7)
        assert atoms.info["grade"] <= 1.0011
        assert "note" in atoms.info


def test_selection_takes_what_is_far_from_the_training_set(
    data: Path, trained: Path, tmp_path: Path
) -> None:
    far = bulk("Al", "bcc", a=2.6, cubic=True)
    far.rattle(0.2, seed=1)
    far.info["note"] = "far"
    known = ase.io.read(data / "train.xyz", ":")
    ase.io.write(tmp_path / "candidates.xyz", [*known, far])
    chosen = tmp_path / "chosen.xyz"
    words = ["--train", data / "train.xyz", "--threshold", 2, "--output", chosen]
    out = succeed("select", trained / "potential.almtp", tmp_path / "candidates.xyz", *words)
    assert "1 of 13 candidates" in out
    assert [atoms.info["note"] for atoms in ase.io.read(chosen, ":")] == ["far"]


def test_new_and_info(tmp_path: Path) -> None:
    path = tmp_path / "untrained.mtp"
    succeed("new", "--level", 16, "--species", "Al,Ni", "--cutoff", 5.0, path)
    facts = json.loads(succeed("info", path, "--json"))
    assert facts["species"] == ["Al", "Ni"]
    assert (facts["level"], facts["scalars"], facts["trained"]) == (16, 92, False)
    assert facts["parameters"] == 4 * 4 * 8 + 2 + 92
    assert facts["active_set"] is None
    assert "Al, Ni" in succeed("info", path)


def test_info_tells_of_the_active_set(trained: Path) -> None:
    facts = json.loads(succeed("info", trained / "potential.almtp", "--json"))
    assert facts["active_set"]["mode"] == "nbh"
    assert facts["active_set"]["rows"] == facts["parameters"]


def test_rows_of_an_active_set_can_be_weighted(data: Path, tmp_path: Path) -> None:
    words = ["--data", data / "train.xyz", "--output", tmp_path / "run", *FAST]
    succeed("train", *words, "--active-set", "energy=1,force=0.01,site=0.5")
    graded = tmp_path / "run" / "potential.almtp"
    facts = json.loads(succeed("info", graded, "--json"))["active_set"]
    assert facts["mode"] == "weighted"
    weights = weights_of(MTP.load(graded).selection)
    assert (weights.energy, weights.force, weights.stress, weights.site) == (1.0, 0.01, 0.0, 0.5)
    output = tmp_path / "graded.xyz"
    succeed("grade", graded, data / "train.xyz", "--output", output)
    assert max(atoms.info["grade"] for atoms in ase.io.read(output, ":")) <= 1.001


@pytest.mark.parametrize(
    "rows", ["sites", "energy", "energy=-1", "energy=x", "force=0", "scaling=3"]
)
def test_rows_that_cannot_be_are_refused(rows: str, data: Path, tmp_path: Path) -> None:
    words = ["--data", data / "train.xyz", "--output", tmp_path / "run", *FAST]
    assert "--active-set" in refuse("train", *words, "--active-set", rows)
    assert not (tmp_path / "run").exists()


def test_convert_goes_both_ways(data: Path, tmp_path: Path) -> None:
    succeed("convert", data / "test.xyz", tmp_path / "test.cfg", "--species", "Al")
    succeed("convert", tmp_path / "test.cfg", tmp_path / "test.xyz", "--species", "Al")
    files = (tmp_path / "test.xyz", data / "test.xyz")
    for again, original in zip(*(ase.io.read(file, ":") for file in files), strict=True):
        assert again.get_potential_energy() == original.get_potential_energy()
        assert again.info["group"] == original.info["group"]
        np.testing.assert_allclose(again.get_forces(), original.get_forces(), atol=1e-8)
        np.testing.assert_allclose(again.get_stress(), original.get_stress(), rtol=1e-12)


@pytest.mark.parametrize(
    "command", ["train", "new", "evaluate", "grade", "select", "prune", "convert", "info"]
)
def test_help_of_every_command(command: str) -> None:
    assert "usage: mlp" in succeed(command, "--help")
    assert command in succeed("--help")


BAD_FRAMES = {
    "no-energy": (r"\b(free_)?energy=", "label=", "(frame 1): no energy"),
    "nan-force": (r"^(Al.* )\S+$", r"\1nan", "force of atom 1 is not finite"),
    "missing-column": (r"^(Al.* )\S+$", r"\1", "7 columns"),
    "unknown-element": ("^Al", "Xx", "(frame 1)"),
}


@pytest.mark.parametrize(("old", "new", "message"), BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_bad_frames_are_refused_before_training(
    data: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = (data / "train.xyz").read_text()
    (tmp_path / "bad.xyz").write_text(re.sub(old, new, text, flags=re.MULTILINE))
    words = ["train", "--data", tmp_path / "bad.xyz", "--output", tmp_path / "run", *FAST]
    error = refuse(*words)
    assert "bad.xyz:" in error
    assert message in error
    assert not (tmp_path / "run").exists()


def test_an_element_that_the_species_lack_is_named(data: Path, tmp_path: Path) -> None:
    words = ["--data", data / "train.xyz", "--species", "Ni", "--output", tmp_path / "run"]
    assert "knows no Al" in refuse("train", *words, *FAST)


FRAMES_OF_NICKEL = {
    "evaluate": ["{run}/potential.mtp", "{target}"],
    "grade": ["{run}/potential.almtp", "{target}"],
    "select": [
        "{run}/potential.almtp",
        "{target}",
        "--train",
        "{data}/train.xyz",
        "--output",
        "x.xyz",
    ],
    "train": ["--start", "{run}/potential.mtp", "--data", "{target}", "--output", "x"],
}


@pytest.mark.parametrize("command", FRAMES_OF_NICKEL)
def test_an_element_that_the_potential_lacks_is_named(
    data: Path, trained: Path, tmp_path: Path, command: str
) -> None:
    ase.io.write(tmp_path / "ni.xyz", [sample(0), sample(1, "Ni")])
    words = fill(FRAMES_OF_NICKEL[command], data, trained, tmp_path / "ni.xyz")
    error = refuse(command, *words)
    assert "ni.xyz:7 (frame 2): the potential is for Al and knows no Ni" in error
    assert ("--start" if command == "train" else "take a potential") in error


def test_a_test_set_with_another_element_is_explained(data: Path, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "ni.xyz", [sample(1, "Ni")])
    words = [
        "--data",
        data / "train.xyz",
        "--test",
        tmp_path / "ni.xyz",
        "--output",
        tmp_path / "x",
    ]
    assert f"add frames with the element to {data / 'train.xyz'}" in refuse("train", *words)


@pytest.mark.parametrize("place", ["--data", "--test"])
def test_coincident_atoms_are_refused_before_training(
    data: Path, tmp_path: Path, place: str
) -> None:
    images = [sample(0), sample(2)]
    images[1].positions[1] = images[1].positions[0]
    ase.io.write(tmp_path / "bad.xyz", images)
    files = {"--data": data / "train.xyz", place: tmp_path / "bad.xyz"}
    words = [word for pair in files.items() for word in pair]
    error = refuse("train", *words, "--output", tmp_path / "run", *FAST)
    assert "bad.xyz:7 (frame 2): atoms 0 and 1 are" in error
    assert not (tmp_path / "run").exists()


NONSENSE = {
    "basis": (["--radial-basis", "RBFourier"], "known: RBChebyshev"),
    "min-distance": (["--min-distance", "5"], "below the cutoff"),
    "level": (["--level", "7"], "even number from 2 to 32"),
    "weights": ([f"--{w}-weight=0" for w in ("energy", "force", "stress")], "nothing to fit"),
    "species": (["--species", "al"], "did you mean Al?"),
    "no-file": (["--data", "b.xyz"], "b.xyz: no such file"),
    "no-match": (["--test", "runs/*/OUTCAR"], "runs/*/OUTCAR: no file matches"),
}


@pytest.mark.parametrize(("words", "message"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused_before_the_data_are_read(
    tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "empty.xyz").touch()
    files = ["--data", tmp_path / "empty.xyz", "--output", tmp_path / "run"]
    error = refuse(*files, *FAST, *words, command="main_train")
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


WITHOUT_USE = {
    "core-outer": (["--core-outer", "2.5"], "add --core zbl"),
    "patience": (["--patience", "3"], "add --validation 0.1"),
    "split-by": (["--split-by", "trajectory"], "add --validation 0.1, --ridge auto or"),
    "split-by of one support": (
        ["--split-by", "group", "--solver", "elimination", "--features", "4"],
        "--split-by has no use",
    ),
    "seeds": (["--start", "{run}/potential.mtp", "--seeds", "4"], "leave out --seeds"),
    "regression": (
        ["--start", "{run}/potential.mtp", "--solver", "ridge", "--tolerance", "0.1"],
        "--tolerance has no use with --solver ridge",
    ),
    "group twice": (["--group-weights", "A=1,A=2"], "a name appears twice"),
}


@pytest.mark.parametrize(("words", "message"), WITHOUT_USE.values(), ids=WITHOUT_USE)
def test_settings_that_would_change_nothing_are_refused_before_the_data_are_read(
    trained: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "empty.xyz").touch()
    files = ["--data", tmp_path / "empty.xyz", "--output", tmp_path / "run"]
    error = refuse(*files, *(word.format(run=trained) for word in words), command="main_train")
    assert message in error
    assert len(error.splitlines()) == 1


TYPOS = {
    "flag": (["new", "--levle", "16"], "unknown flag --levle; did you mean --level?"),
    "required": (["new", "x.mtp", "--level", "4"], "required: --species, --cutoff"),
    "command": (["trian"], "invalid choice: 'trian'"),
    "surplus": (["info", "x.mtp", "y.mtp"], "unrecognized arguments: y.mtp"),
    "element": (
        ["new", "--level", "4", "--cutoff", "5", "--species", "na", "x.mtp"],
        "no element na; did you mean Na?",
    ),
}


@pytest.mark.parametrize(("words", "message"), TYPOS.values(), ids=TYPOS)
def test_a_slip_gets_one_line(words: list[str], message: str) -> None:
    error = refuse(*words)
    assert message in error
    assert len(error.splitlines()) == 1


def test_paths_in_settings_are_explained(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('data = "absent.xyz"\noutput = "run"\n')
    assert "relative to the current folder" in refuse("train", tmp_path / "settings.toml")
    assert "relative" not in refuse("train", "--data", "absent.xyz", "--output", "run")


def test_a_step_fits_80_columns_whatever_its_errors() -> None:
    step = Step(100, 51123.9, 1999.9, 5.160123, 10.17741, 5.300234, 10.18019)
    line = describe(step)
    assert len(line) < 80
    assert line.startswith(
        "step 100 loss 5.112e+04 train 5160.1 meV 10.177 eV/Å valid 5300.2 10.18 "
    )
    assert line.endswith(" 2000 s")


def test_output_fits_80_columns(data: Path, tmp_path: Path) -> None:
    images = ase.io.read(data / "train.xyz", ":")
    for atoms in images:
        atoms.info["group"] += " solid "[: 10 - len(atoms.info["group"])]
    images[0].info["group"] = "a group whose name is longer than its column"
    ase.io.write(tmp_path / "train.xyz", images)
    words = ["--data", tmp_path / "train.xyz", "--validation", "0.3", "--output", "run"]
    code = "import os, sys; os.chdir(sys.argv.pop(1)); from mtpot.cli import main; main()"
    line = [sys.executable, "-c", code, tmp_path, "train", *words, *FAST]
    done = subprocess.run(list(map(str, line)), capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert max(len(line) for line in lines[1:] if not line.startswith("warning")) <= 80
    assert any(line.startswith("a gro…lumn ") for line in lines)
    assert sum(line.startswith("total ") for line in lines) == 2


def test_frames_without_group_have_one_row(data: Path, trained: Path, tmp_path: Path) -> None:
    images = ase.io.read(data / "test.xyz", ":")
    for atoms in images:
        del atoms.info["group"]
    ase.io.write(tmp_path / "x.xyz", images)
    metrics = tmp_path / "x.json"
    out = succeed("evaluate", trained / "potential.mtp", tmp_path / "x.xyz", "--json", metrics)
    assert sum(line.split()[:1] == ["total"] for line in out.splitlines()) == 1
    assert "no group" not in out
    assert list(json.loads(metrics.read_text())["groups"]) == ["all"]


def start_long_training(data: Path, folder: Path) -> subprocess.Popen[str]:
    """A training that has made its first steps and would go on for long."""
    # A shell has the processes that it runs in the background, and theirs, ignore Ctrl-C.
    code = (
        "import signal, sys; from mtpot.cli import main_train;"
        "signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(main_train())"
    )
    words = ["--data", data / "train.xyz", "--output", folder, "--level", 16, "--tolerance", 0]
    line = [sys.executable, "-c", code, *words, "--max-steps", 100000, "--threads", 1]
    process = subprocess.Popen(list(map(str, line)), stdout=-1, stderr=-1, text=True)
    for text in process.stdout:
        if text.startswith("step   2"):
            return process
    pytest.fail(process.stderr.read())


def test_ctrl_c_leaves_the_best_potential_so_far(data: Path, tmp_path: Path) -> None:
    process = start_long_training(data, tmp_path / "run")
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 1, error
    assert "interrupted: the best potential so far is written" in out
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names - {"checkpoint", "checkpoint.previous"} == {
        "potential.mtp",
        "metrics.json",
        "report",
    }
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["stop"] == "interrupted"
    succeed("evaluate", tmp_path / "run" / "potential.mtp", data / "test.xyz")


def test_a_killed_training_leaves_its_checkpoint_alone(data: Path, tmp_path: Path) -> None:
    process = start_long_training(data, tmp_path / "run")
    process.kill()
    process.communicate(timeout=60)
    # A name with a leading dot is what was being written.
    left = {path.name for path in (tmp_path / "run").glob("[!.]*")}
    assert left == {"checkpoint", "checkpoint.previous"}


def test_a_terminal_without_the_characters_is_no_obstacle(data: Path, trained: Path) -> None:
    code = "import sys; from mtpot.cli import main; sys.exit(main())"
    words = ["evaluate", trained / "potential.mtp", data / "test.xyz"]
    line = [sys.executable, "-c", code, *map(str, words)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "eV/?" in done.stdout


def test_settings_are_refused_by_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("cutof = 5.0\n")
    error = refuse("train", tmp_path / "settings.toml")
    assert "settings.toml: unknown key cutof; did you mean cutoff" in error


def test_a_truncated_potential_is_refused(data: Path, trained: Path, tmp_path: Path) -> None:
    content = (trained / "potential.mtp").read_bytes()
    (tmp_path / "cut.mtp").write_bytes(content[: len(content) // 2])
    assert "cut.mtp" in refuse("evaluate", tmp_path / "cut.mtp", data / "test.xyz")


def test_an_untrained_potential_predicts_nothing(data: Path, tmp_path: Path) -> None:
    succeed("new", "--level", 4, "--species", "Al", "--cutoff", 4.5, tmp_path / "new.mtp")
    assert "untrained" in refuse("evaluate", tmp_path / "new.mtp", data / "test.xyz")


def test_grades_need_an_active_set(data: Path, trained: Path) -> None:
    assert "no active set" in refuse("grade", trained / "potential.mtp", data / "test.xyz")


def test_cfg_files_need_species(data: Path, tmp_path: Path) -> None:
    succeed("convert", data / "test.xyz", tmp_path / "in.cfg")
    assert "--species" in refuse("convert", tmp_path / "in.cfg", tmp_path / "out.cfg")
    assert [path.name for path in tmp_path.iterdir()] == ["in.cfg"]


@pytest.mark.parametrize(
    ("words", "species"),
    [((), ["Al", "Ni"]), (("--species", "Ni,Al"), ["Ni", "Al"])],
    ids=["by-atomic-number", "as-given"],
)
def test_convert_tells_the_types_of_a_cfg_file(
    tmp_path: Path, words: tuple[str, ...], species: list[str]
) -> None:
    ase.io.write(tmp_path / "in.xyz", Atoms("NiAl2", positions=2.5 * np.eye(3)))
    printed = succeed("convert", tmp_path / "in.xyz", tmp_path / "out.cfg", *words)
    assert f"types: 0 {species[0]}, 1 {species[1]}\n" in printed
    (frame,) = read_frames(tmp_path / "out.cfg", species)
    assert frame.symbols == ("Ni", "Al", "Al")


WRITERS = {
    "train": ["train", "--data", "{data}/train.xyz", "--output", "{target}", *FAST],
    "new": ["new", "--level", "4", "--species", "Al", "--cutoff", "4.5", "{target}"],
    "evaluate": ["evaluate", "{run}/potential.mtp", "{data}/test.xyz", "--output", "{target}"],
    "json": ["evaluate", "{run}/potential.mtp", "{data}/test.xyz", "--json", "{target}"],
    "grade": ["grade", "{run}/potential.almtp", "{data}/test.xyz", "--output", "{target}"],
    "select": [
        *("select", "{run}/potential.almtp", "{data}/test.xyz"),
        *("--train", "{data}/train.xyz", "--output", "{target}"),
    ],
    "convert": ["convert", "{data}/test.xyz", "{target}"],
    "report": ["report", "{run}", "--output", "{target}"],
    "prune": ["prune", "{run}/potential.mtp", "--data", "{data}/train.xyz", "--output", "{target}"],
}
FOLDER_WRITERS = ("train", "prune", "report")


def fill(words: list[str], data: Path, trained: Path, target: Path) -> list[str]:
    return [word.format(data=data, run=trained, target=target) for word in words]


@pytest.mark.parametrize("words", WRITERS.values(), ids=WRITERS)
def test_an_unknown_flag_is_named(
    data: Path, trained: Path, tmp_path: Path, words: list[str]
) -> None:
    line = fill(words, data, trained, tmp_path / "out.xyz")
    assert "--frobnicate" in refuse(*line, "--frobnicate")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", WRITERS.values(), ids=WRITERS)
def test_an_existing_file_is_never_overwritten(
    data: Path, trained: Path, tmp_path: Path, words: list[str]
) -> None:
    target = tmp_path / "out.xyz"
    target.write_text("precious")
    assert "out.xyz" in refuse(*fill(words, data, trained, target))
    assert target.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("words", WRITERS.values(), ids=WRITERS)
def test_a_file_where_a_folder_should_be_is_refused(
    data: Path, trained: Path, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "file").write_text("precious")
    target = tmp_path / "file" / "out.xyz"
    assert "file where a folder should be" in refuse(*fill(words, data, trained, target))


@pytest.mark.parametrize(
    "words",
    [WRITERS[name] for name in WRITERS if name not in FOLDER_WRITERS],
    ids=lambda words: words[0],
)
def test_a_folder_for_a_file_is_refused(
    data: Path, trained: Path, tmp_path: Path, words: list[str]
) -> None:
    assert "is a folder" in refuse(*fill(words, data, trained, tmp_path))


def test_a_finished_run_needs_overwrite(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    output.mkdir()
    (output / "potential.almtp").write_text("precious")
    words = ["train", "--data", data / "train.xyz", "--output", output, *FAST]
    assert "potential.almtp exists" in refuse(*words)
    assert (output / "potential.almtp").read_text() == "precious"
    succeed(*words, "--overwrite", "--active-set", "none")
    assert not (output / "potential.almtp").exists()


@pytest.mark.parametrize("name", ["potential.mtp", "potential.almtp"])
def test_the_potential_to_start_from_is_never_overwritten(
    data: Path, trained: Path, tmp_path: Path, name: str
) -> None:
    start = shutil.copytree(trained, tmp_path / "run") / name
    content = start.read_bytes()
    words = ["train", "--data", data / "train.xyz", "--start", start, "--overwrite"]
    assert f"{name} is read by this command" in refuse(*words, "--output", start.parent)
    assert start.read_bytes() == content


def test_a_failing_save_leaves_nothing_of_another_potential(
    data: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = shutil.copytree(trained, tmp_path / "run")

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(MTP, "save", fail)
    words = ["--data", data / "train.xyz", "--output", output, *FAST, "--overwrite"]
    assert main_train(list(map(str, words))) == 1
    left = {path.name for path in output.rglob("*")}
    assert left == {"potential.mtp", "report", "checkpoint", "checkpoint.previous"}


def test_output_and_json_are_two_files(data: Path, trained: Path, tmp_path: Path) -> None:
    words = ["evaluate", trained / "potential.mtp", data / "test.xyz", "--output"]
    same = refuse(*words, tmp_path / "x.xyz", "--json", tmp_path / "." / "x.xyz")
    assert "same file" in same
    assert "write .xyz" in refuse(*words, tmp_path / "x.cfg")
    assert list(tmp_path.iterdir()) == []


def test_a_selection_of_nothing_writes_nothing(data: Path, trained: Path, tmp_path: Path) -> None:
    words = ["--train", data / "train.xyz", "--output", tmp_path / "chosen.xyz"]
    out = succeed("select", trained / "potential.almtp", data / "train.xyz", *words)
    assert "no candidate exceeds the threshold" in out
    assert list(tmp_path.iterdir()) == []


def test_convert_warns_of_the_stress_of_slabs(tmp_path: Path) -> None:
    slab = sample(0)
    slab.pbc = [True, True, False]
    ase.io.write(tmp_path / "slab.xyz", [slab, sample(1)])
    out = succeed("convert", tmp_path / "slab.xyz", tmp_path / "slab.cfg", "--species", "Al")
    assert "warning: .cfg cannot hold the stress of a slab; 1 frames lose it" in out


def test_labels_under_other_names_are_reported(data: Path, tmp_path: Path) -> None:
    text = (data / "train.xyz").read_text().replace(":forces:", ":REF_forces:")
    (tmp_path / "train.xyz").write_text(text)
    words = ["--data", tmp_path / "train.xyz", "--output", tmp_path / "run", *FAST]
    out = succeed("train", *words)
    assert "12 training (0 with forces, 12 with stress)" in out.splitlines()[0]
    assert "warning: 12 frames have no forces but REF_forces, which is ignored" in out


@pytest.mark.parametrize(
    ("share", "message"), [("0.7", "leaves 4 of 12"), ("0.05", "sets no frame")]
)
def test_an_odd_validation_is_reported(
    data: Path, tmp_path: Path, share: str, message: str
) -> None:
    words = ["--data", data / "train.xyz", "--output", tmp_path / "run", *FAST]
    assert f"warning: --validation {message}" in succeed("train", *words, "--validation", share)


@pytest.mark.parametrize("place", ["data", "potential"])
def test_missing_inputs_are_named(data: Path, trained: Path, tmp_path: Path, place: str) -> None:
    potential, frames = trained / "potential.mtp", data / "test.xyz"
    if place == "data":
        frames = tmp_path / "absent.xyz"
    else:
        potential = tmp_path / "absent.mtp"
    assert "absent." in refuse("evaluate", potential, frames)


def test_importing_the_commands_is_light() -> None:
    heavy = "{'ase', 'matplotlib', 'scipy', 'mtpot._core', 'rich'}"
    code = f"import sys, mtpot.cli; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


WRITES_OVER_ITS_INPUT = {
    "convert": ["{target}", "{target}"],
    "evaluate": ["{run}/potential.mtp", "{target}", "--output", "{target}"],
    "grade": ["{run}/potential.almtp", "{target}", "--output", "{target}"],
    "select": ["{run}/potential.almtp", "{target}", "--train", "{target}", "--output", "{target}"],
}


@pytest.mark.parametrize("command", WRITES_OVER_ITS_INPUT)
def test_input_is_not_overwritten(data: Path, trained: Path, tmp_path: Path, command: str) -> None:
    target = shutil.copy(data / "test.xyz", tmp_path / "frames.xyz")
    words = fill(WRITES_OVER_ITS_INPUT[command], data, trained, target)
    assert "is read by this command" in refuse(command, *words, "--overwrite")
    assert target.read_bytes() == (data / "test.xyz").read_bytes()


WRITES_AN_UNKNOWN_FORMAT = {
    "convert": ["{data}/test.xyz", "{target}"],
    "evaluate": ["{run}/potential.mtp", "{data}/test.xyz", "--output", "{target}"],
    "grade": ["{run}/potential.almtp", "{data}/test.xyz", "--output", "{target}"],
    "select": [
        "{run}/potential.almtp",
        "{data}/test.xyz",
        "--train",
        "{data}/train.xyz",
        "--output",
        "{target}",
    ],
}


@pytest.mark.parametrize("command", WRITES_AN_UNKNOWN_FORMAT)
def test_an_unknown_format_is_refused_before_the_work(
    data: Path, trained: Path, tmp_path: Path, command: str
) -> None:
    words = fill(WRITES_AN_UNKNOWN_FORMAT[command], data, trained, tmp_path / "out.format")
    assert "no format of this name is known; write .xyz or .cfg" in refuse(command, *words)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_only_the_system_refuses_is_refused_before_training(
    data: Path, tmp_path: Path
) -> None:
    words = ["--data", data / "train.xyz", *FAST, "--output"]
    outcome = run("train", *words, "/proc/none/run")
    assert outcome.code == 2
    assert "/proc/none/run cannot be" in outcome.err
    assert "step" not in outcome.out
    (tmp_path / "run/report/parity_force.png").mkdir(parents=True)
    refused = refuse("train", *words, tmp_path / "run", "--overwrite")
    assert "parity_force.png is a folder" in refused


def test_an_absurd_energy_is_named_by_frame(data: Path, tmp_path: Path) -> None:
    text = (data / "train.xyz").read_text()
    spoiled = re.sub(r"\benergy=\S+", "energy=1e30", text, count=1)
    assert spoiled != text
    (tmp_path / "bad.xyz").write_text(spoiled)
    words = ["--data", tmp_path / "bad.xyz", *FAST, "--output", tmp_path / "run"]
    assert "bad.xyz:1 (frame 1): an energy of 1e+30 eV is absurd" in refuse("train", *words)
    assert not (tmp_path / "run").exists()


def test_atoms_much_too_close_are_warned_of(tmp_path: Path) -> None:
    near = sample(1)
    near.positions[1] = near.positions[0] + [0.3, 0.0, 0.0]
    near.calc = MorsePotential(**MORSE)
    near.get_potential_energy()
    near.get_stress()
    ase.io.write(tmp_path / "near.xyz", [sample(0), sample(2), near])
    words = ["--data", tmp_path / "near.xyz", *FAST, "--output", tmp_path / "run"]
    outcome = run("train", *words)
    assert "(frame 3): two atoms are closer than 0.5 angstrom" in outcome.out + outcome.err


def prune_words(data: Path, output: Path) -> list[object]:
    files = ["--data", data / "train.xyz", "--test", data / "test.xyz", "--output", output]
    return [*files, "--force-error", "50%", "--threads", 1]


@pytest.fixture(scope="module")
def pruned(
    data: Path,
    trained: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, str]:
    """Output folder of a pruning, and what was printed."""
    folder = tmp_path_factory.mktemp("pruned") / "run"
    return folder, succeed("prune", trained / "potential.almtp", *prune_words(data, folder))


def test_pruning_leaves_what_the_help_promises(pruned: tuple[Path, str]) -> None:
    folder, printed = pruned
    names = {path.name for path in folder.iterdir()}
    promised = {"potential.mtp", "potential.almtp", "pareto.md", "pareto.json", "pareto.png"}
    assert names == promised | {"points"}
    assert "active set of the potential does not fit" in printed
    assert "times faster, forces +" in printed
    assert "+0% E +0%" in printed.splitlines()[2]
    last = max((folder / "points").glob("*.mtp"))
    assert last.read_bytes() == (folder / "potential.mtp").read_bytes()


def test_the_table_keeps_the_budget(pruned: tuple[Path, str]) -> None:
    folder, _ = pruned
    content = json.loads((folder / "pareto.json").read_text())
    first, *others = content["points"]
    assert content["force_error"] == 0.5
    assert len(others) == len(list((folder / "points").iterdir())) > 0
    for point in others:
        assert point["train"]["force_rmse"] <= 1.5 * first["train"]["force_rmse"]
        assert point["effort_per_atom"] < first["effort_per_atom"]
        assert point["test"]["force_mae"] > 0.0
    assert others[-1]["scalars"] == len(MTP.load(folder / "potential.mtp").core.scalars)
    assert (folder / "pareto.md").read_text().count("\n| ") == len(others) + 2


def test_a_pruned_potential_grades(pruned: tuple[Path, str]) -> None:
    potential = MTP.load(pruned[0] / "potential.almtp")
    assert potential.selection.active_set.size == len(potential.parameters)


def test_a_pruning_is_not_overwritten(
    data: Path,
    trained: Path,
    pruned: tuple[Path, str],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(pruned[0], folder)
    line = ["prune", trained / "potential.mtp", *prune_words(data, folder)]
    assert "potential.mtp exists" in refuse(*line)
    own = ["prune", folder / "potential.mtp", *prune_words(data, folder), "--overwrite"]
    assert "is read by this command" in refuse(*own)
    (folder / "points" / "99.mtp").write_text("of an earlier run")
    succeed(*line, "--overwrite")
    assert not (folder / "points" / "99.mtp").exists()


def test_a_settings_file_of_the_training_serves(
    data: Path,
    trained: Path,
    tmp_path: Path,
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f'data = "{data}/train.xyz"\noutput = "{trained}"\noverwrite = true\n'
        "level = 6\nforce-weight = 0.5\nactive-set = 'none'\n"
    )
    before = (trained / "potential.mtp").read_bytes()
    line = ["prune", trained / "potential.mtp", "--settings", settings, "--force-error", "0.5"]
    succeed(*line, "--output", tmp_path / "run")
    assert (trained / "potential.mtp").read_bytes() == before
    content = json.loads((tmp_path / "run" / "pareto.json").read_text())
    assert content["settings"]["force_weight"] == 0.5
    assert not (tmp_path / "run" / "potential.almtp").exists()


def test_what_cannot_be_pruned_is_refused(
    data: Path,
    trained: Path,
    tmp_path: Path,
) -> None:
    untrained = tmp_path / "untrained.mtp"
    succeed("new", *SHAPE[:4], "--species", "Al", untrained)
    assert "is untrained" in refuse("prune", untrained, *prune_words(data, tmp_path / "run"))
    images = ase.io.read(data / "train.xyz", ":")
    for atoms in images:
        atoms.calc.results.pop("forces")
    ase.io.write(tmp_path / "train.xyz", images)
    line = ["--data", tmp_path / "train.xyz", "--output", tmp_path / "run"]
    assert "no frame has forces" in refuse("prune", trained / "potential.mtp", *line)
    line = ["prune", trained / "potential.mtp", *prune_words(data, tmp_path / "run")]
    assert "--force-error" in refuse(*line, "--force-error", "much")
    assert "10% is meant?" in refuse(*line, "--force-error", "10")
    (tmp_path / "auto.toml").write_text('ridge = "auto"\n')
    assert "give mlp prune a number" in refuse(*line, "--settings", tmp_path / "auto.toml")
    assert "no data" in refuse("prune", trained / "potential.mtp", "--output", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_budget_of_nothing_may_write_nothing(
    data: Path,
    tmp_path: Path,
) -> None:
    start = tmp_path / "start"
    succeed("train", "--data", data / "train.xyz", "--output", start, *FAST, "--level", 2)
    line = ["prune", start / "potential.mtp", "--data", data / "train.xyz"]
    outcome = run(*line, "--output", tmp_path / "run")
    assert outcome.code == 1
    assert "nothing can go" in outcome.out
    assert not (tmp_path / "run").exists()
