"""The report says what the numbers say, in one file that nothing can break out of."""

from __future__ import annotations

import re
from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from models import Case, crystal
from pages import Page, parse

from mtpot import MTP, FormatError, InputError
from mtpot.active.select import build_selection
from mtpot.cli.common import to_json
from mtpot.data.atoms import frame_from_atoms
from mtpot.data.stored import store
from mtpot.train.calibration import coverage, fit_error_model
from mtpot.train.metrics import evaluate_frames
from mtpot.train.monitor import Step
from mtpot.train.quantities import QUANTITIES, error_cells, error_rows
from mtpot.train.report import (
    FILES,
    Calibration,
    Compared,
    Judged,
    calibration_figure,
    judge,
    write_comparison,
    write_report,
)
from mtpot.train.report.calibration import calibration_drawing
from mtpot.train.report.compared import frames_differ
from mtpot.train.report.record import Training, history, read_record
from mtpot.train.report.verdict import sentences, warnings
from mtpot.train.settings import Settings
from mtpot.train.settings_file import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mtpot.data.frame import Frame

STEPS = [Step(k, 0.5**k, 0.1 * k, 0.1 / (k + 1), 0.2, 0.3, None) for k in range(4)]
HOSTILE = '<script>alert("1")</script> & $x_{1}$ "\'\u2028'


def training(**changes: Any) -> Training:
    settings = Settings(data=("train.xyz",), test=("test.xyz",), output="run", species=("Si", "Al"))
    values: dict[str, Any] = {
        "loss": 0.125,
        "seconds": 2.5,
        "stop": "converged",
        "seed": 3,
        "threads": 2,
        "neighbors": 20.0,
        "settings": settings.as_dict(),
        "versions": {"mtpot": "0.1.0"},
        "steps": STEPS,
    }
    return Training(**values | changes)


def labeled(potential: MTP, count: int, noise: float, seed: int) -> list[Frame]:
    """Frames with the potential's own labels and normal errors of a size."""
    rng = np.random.default_rng(seed)
    frames = [frame_from_atoms(crystal("Si2Al2", seed=seed + k)) for k in range(count)]
    found = evaluate_frames(potential, frames)
    return [
        replace(
            frame,
            energy=p.energy + 4 * noise * rng.normal(),
            forces=p.forces + noise * rng.normal(size=p.forces.shape),
            stress=p.stress + 0.01 * noise * rng.normal(size=6),
            group="ab"[k % 2],
            source=f"data.xyz:{6 * k + 1} (frame {k + 1})",
        )
        for k, (frame, p) in enumerate(zip(frames, found, strict=True))
    ]


@pytest.fixture(scope="module")
def potential() -> MTP:
    """With an active set of all frames used here."""
    bare = Case("RBChebyshev", 6, 2).potential(seed=1)
    known = [*labeled(bare, 32, 0.1, 0), *labeled(bare, 22, 0.1, 100)]
    return MTP(bare.core, build_selection(bare, known, "nbh"))


@pytest.fixture(scope="module")
def judged(potential: MTP) -> Judged:
    sets = {"train": labeled(potential, 32, 0.1, 0), "test": labeled(potential, 22, 0.1, 100)}
    return judge("mine", potential, sets, training())


@pytest.fixture(scope="module")
def folder(judged: Judged, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the report of the test's potential."""
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, judged)
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return written(folder)


def written(folder: Path) -> Page:
    return parse((folder / "report.html").read_text(encoding="utf-8"))


def compared(name: str, level: int = 6, **changes: Any) -> Compared:
    one = Case("RBChebyshev", level, 2).potential(seed=level)
    frames = labeled(one, 4, 0.1, 7)
    judged = judge(name, one, {"train": frames, "test": frames}, training(**changes))
    return Compared.of(judged)


def test_every_section_is_linked_to(page: Page) -> None:
    anchors = [each["id"] for each in page.all("section")]
    assert [each["href"] for each in page.all("a")] == [f"#{anchor}" for anchor in anchors]
    assert anchors[0] == "summary"
    assert {"errors-by-group", "parity", "dimers", "extrapolation", "settings"} < set(anchors)
    assert "uncertainty" not in anchors


def test_a_page_needs_nothing_else(page: Page) -> None:
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:image/")), (tag, attributes)
    styles, scripts = page.texts["style"], page.texts["script"]
    assert not re.search(r"url\(|@import|http|fetch", "".join([*styles, *scripts]))


def test_figures_and_tables_speak_for_themselves(page: Page) -> None:
    images = page.all("img")
    assert len(images) == len(page.all("figure")) == len(page.all("figcaption")) >= 8
    assert all(len(image["alt"]) > 20 for image in images)
    assert len({image["alt"] for image in images}) == len(images)
    assert len(page.tables) == len(page.all("table"))
    assert all(each["scope"] in ("row", "col") for each in page.all("th"))
    assert page.all("html") == [{"lang": "en"}]


def test_tables_hold_the_errors_of_the_metrics(page: Page, judged: Judged) -> None:
    for name, evaluated in judged.sets.items():
        heads, *rows = page.tables[f"Errors, {name}"]
        assert heads[:4] == ["group", "frames", "atoms", "energy MAE (meV/atom)"]
        expected = error_rows(evaluated.metrics)
        assert [row[0] for row in rows] == list(expected) == ["a", "b", "total"]
        for row, summary in zip(rows, expected.values(), strict=True):
            assert row[1:3] == [str(summary.frames), str(summary.atoms)]
            assert row[3:] == error_cells(summary, ("mae", "rmse", "maximum"))


def test_the_summary_starts_with_the_test_errors(page: Page, judged: Judged) -> None:
    total = judged.sets["test"].metrics.total
    assert total.energy is not None
    assert total.forces is not None
    first = page.texts["p"][0]
    assert first.startswith("On 22 test frames it is off by ")
    assert f"{1e3 * total.energy.mae:.2f} meV/atom" in first
    assert f"{total.forces.mae:.4f} eV/Å in force components" in first


def test_hostile_texts_stay_texts(judged: Judged, tmp_path: Path) -> None:
    frames = list(judged.sets["test"].frames[:3])
    frames[0] = replace(frames[0], energy=1e3, group=HOSTILE, source=f"source {HOSTILE}")
    settings = {**training().settings, "data": [f"data {HOSTILE}"]}
    record = training(stop=f"stop {HOSTILE}", versions={"it": HOSTILE}, settings=settings)
    write_report(tmp_path, judge(f"name {HOSTILE}", judged.potential, {"test": frames}, record))
    page = written(tmp_path)
    assert len(page.all("script")) == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.tables["Errors, test"][1][0] == HOSTILE
    assert page.tables["The largest energy errors"][1][0] == f"source {HOSTILE}"
    assert page.tables["The potential"][-3] == ["stopped", f"stop {HOSTILE}"]
    assert page.tables["Made with"] == [["it", HOSTILE]]
    assert f"Potential name {HOSTILE}" in page.texts["h1"]
    (tmp_path / "s.toml").write_text(page.texts["code"][0], encoding="utf-8")
    assert load_settings(tmp_path / "s.toml", {}).as_dict() == settings


def test_the_settings_train_the_same_again(page: Page, judged: Judged, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(page.texts["code"][0], encoding="utf-8")
    record = judged.training
    assert record is not None
    assert load_settings(tmp_path / "settings.toml", {}).as_dict() == record.settings


def test_the_worst_atom_is_named(judged: Judged, tmp_path: Path) -> None:
    frames = list(judged.sets["test"].frames)
    prediction = judged.sets["test"].predictions[5]
    forces = prediction.forces.copy()
    forces[2] += [0.0, 30.0, 40.0]
    frames[5] = replace(frames[5], forces=forces)
    write_report(tmp_path, judge("mine", judged.potential, {"test": frames}))
    heads, first, *_ = written(tmp_path).tables["The largest force errors"]
    row = dict(zip(heads, first, strict=True))
    assert row["frame"] == frames[5].source
    assert row["atom"] == f"2 ({frames[5].symbols[2]})"
    assert row["force error (eV/Å)"] == "50.0000"
    assert float(row["grade"]) > 0


def test_a_report_leaves_out_what_has_no_labels(judged: Judged, tmp_path: Path) -> None:
    frames = [replace(f, stress=None, group="all") for f in judged.sets["train"].frames]
    (tmp_path / "parity_stress.png").write_text("of an earlier report")
    bare = MTP(judged.potential.core)
    write_report(tmp_path, judge("mine", bare, {"train": frames}))
    names = {path.name for path in tmp_path.iterdir()}
    figures = {"parity_energy", "parity_force", "error_distribution", "radial_functions", "dimers"}
    assert names == {f"{name}.png" for name in figures} | {"report.html"}
    assert names < set(FILES)
    for name in names - {"report.html"}:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_frames_without_any_label_are_no_obstacle(judged: Judged, tmp_path: Path) -> None:
    frames = [replace(f, energy=None, forces=None, stress=None) for f in judged.sets["test"].frames]
    write_report(tmp_path, judge("mine", judged.potential, {"test": frames}))
    assert "they have no labels" in written(tmp_path).texts["p"][0]


def test_the_same_report_has_the_same_bytes(judged: Judged, folder: Path, tmp_path: Path) -> None:
    write_report(tmp_path, judged)
    first, again = ({p.name: p.read_bytes() for p in each.iterdir()} for each in (folder, tmp_path))
    assert first == again


def test_a_sound_potential_has_no_warning(judged: Judged) -> None:
    assert not [text for text in warnings(judged) if "alone in space" not in text]


def on_test_frames(judged: Judged, change: Callable[[int, Frame], Frame]) -> Judged:
    """The same potential on its training frames and on changed test frames."""
    frames = [change(k, frame) for k, frame in enumerate(judged.sets["test"].frames)]
    sets = {"train": judged.sets["train"].frames, "test": frames}
    return judge("mine", judged.potential, sets, training())


def off(_: int, frame: Frame) -> Frame:
    assert frame.forces is not None
    return replace(frame, forces=frame.forces + 3.0)


def odd(place: int, frame: Frame) -> Frame:
    return replace(frame, energy=9.0, group="odd") if place == 3 else frame


def all_silicon(judged: Judged) -> list[Frame]:
    return [replace(frame, symbols=("Si",) * len(frame)) for frame in judged.sets["test"].frames]


def without_stress(judged: Judged) -> list[Frame]:
    return [replace(frame, stress=None) for frame in judged.sets["train"].frames]


WARNINGS = {
    "interrupted": (lambda j: replace(j, training=training(stop="interrupted")), "interrupted"),
    "max-steps": (
        lambda j: replace(j, training=training(stop="max-steps")),
        "not converged: raise max-steps",
    ),
    "no-test": (lambda j: replace(j, sets={"train": j.sets["train"]}), "No frames were kept"),
    "few-labels": (
        lambda j: judge("mine", j.potential, {"train": j.sets["train"].frames[:2]}),
        "38 labels for 55 parameters",
    ),
    "overfitted": (lambda j: on_test_frames(j, off), r"force RMSE on test frames is \d+.\d times"),
    "group": (
        lambda j: judge(
            "mine",
            j.potential,
            {
                "test": [
                    *j.sets["test"].frames,
                    replace(j.sets["test"].frames[0], energy=9, group="odd"),
                ]
            },
        ),
        r"energy RMSE of the group odd is \d",
    ),
    "stress": (
        lambda j: judge(
            "mine",
            j.potential,
            {"train": [replace(f, stress=None) for f in j.sets["train"].frames]},
        ),
        "No training frame has a stress",
    ),
    "unseen": (
        lambda j: judge("mine", j.potential, {"test": all_silicon(j)}),
        "within the cutoff of each other: Si-Al, Al-Al",
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_what_speaks_against_it_is_said(judged: Judged, name: str) -> None:
    change, message = WARNINGS[name]
    found = warnings(change(judged))
    assert any(re.search(message, text) for text in found), found


@pytest.mark.parametrize(("sign", "hole"), [(1.0, False), (-1.0, True)], ids=["wall", "hole"])
def test_a_dimer_without_a_wall_is_named(judged: Judged, sign: float, hole: bool) -> None:
    """At level 2 the energy is xi sum f_0(r), here sign (r - cutoff)^2."""
    pair = MTP.new(level=2, species=["Si", "Al"], cutoff=5.0, min_distance=1.9, radial_size=2)
    pair.parameters = [*[1.0, 0.0] * 4, 0.0, 0.0, sign]
    found = warnings(judge("mine", pair, {"test": judged.sets["test"].frames}))
    assert any("Si and Si alone in space" in text for text in found) == hole


def test_the_steps_of_all_stages_are_counted(judged: Judged) -> None:
    """Each begins with a step 0."""
    both = replace(judged, training=training(steps=[*STEPS, *STEPS[:2]]))
    assert "2.5 s and 4 steps to a loss" in sentences(both)[2]


def test_a_sample_of_stored_frames_does_not_pass_for_all(
    judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aluminum stands only in frames between the two that are shown."""
    monkeypatch.setattr("mtpot.train.report.judged.SHOWN", 2)
    pure = all_silicon(judged)[:2]
    made = [pure[0], *judged.sets["train"].frames[:6], pure[1]]
    whole, stored = (
        judge("mine", judged.potential, {"train": frames}, training())
        for frames in (made, store(made, tmp_path))
    )
    assert len(stored.sets["train"].frames) == 2
    assert warnings(stored) == warnings(whole)
    assert any("152 labels for 55 parameters" in text for text in warnings(stored))
    assert not any("within the cutoff of each other" in text for text in warnings(stored))
    assert stored.distances.neighbors == whole.distances.neighbors
    write_report(tmp_path, stored)
    page = written(tmp_path)
    assert ["train frames", "8 (32 atoms)"] in page.tables["The potential"]
    notes = [text for text in page.texts["p"] if "a sample: 2 of 8 train frames" in text]
    assert len(notes) == len({"Parity", "Distribution of errors", "Worst frames"})


def test_a_perfect_fit_is_called_so(potential: MTP) -> None:
    texts = sentences(judge("mine", potential, {"test": labeled(potential, 3, 0.0, 0)}))
    assert "reproduced very closely" in texts[1]


def test_coverage_counts_what_intervals_hold() -> None:
    assert Calibration(np.ones(4), np.array([0.0, -1.6, 1.7, 3.0])).coverage(0.9) == 0.5
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.1, 2.0, 20_000)
    errors = sigma * rng.normal(size=20_000)
    for share in (0.5, 0.9, 0.99):
        tolerance = 4 * np.sqrt(share * (1 - share) / 20_000)
        held = Calibration(sigma, errors).coverage(share)
        assert held == pytest.approx(share, abs=tolerance)
    doubled = 2 * NormalDist().cdf(2 * NormalDist().inv_cdf(0.95)) - 1
    assert Calibration(2 * sigma, errors).coverage(0.9) == pytest.approx(doubled, abs=0.01)


def test_the_report_judges_the_intervals_that_users_get() -> None:
    """Whose half widths are the model's, however far errors are from a normal law."""
    rng = np.random.default_rng(2)
    spread = rng.lognormal(sigma=0.3, size=4000)
    errors = spread * rng.standard_t(2.5, size=4000)
    model = fit_error_model(spread[:2000], errors[:2000])
    given = Calibration(model.sigma(spread[2000:]), errors[2000:], model=model)
    drawn = calibration_drawing(given)
    nominal, held = drawn.figure.axes[1].lines[1].get_data()
    np.testing.assert_allclose(nominal, held, atol=0.03)
    for share in (0.5, 0.68, 0.9, 0.99):
        expected = coverage(model, spread[2000:], errors[2000:], share)
        assert given.coverage(share) == expected
    assert f"90 % hold {100 * given.coverage(0.9):.1f} %" in drawn.caption


def test_the_calibration_figure_lies_on_the_diagonal() -> None:
    rng = np.random.default_rng(1)
    sigma = rng.uniform(0.1, 2.0, 20_000)
    left, right = calibration_figure(Calibration(sigma, sigma * rng.normal(size=20_000))).axes
    predicted, actual = left.lines[1].get_data()
    np.testing.assert_allclose(predicted, actual, rtol=0.08)
    nominal, held = right.lines[1].get_data()
    np.testing.assert_allclose(nominal, held, atol=0.02)


@pytest.mark.parametrize(
    ("sigma", "errors"),
    [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([-1.0], [1.0]), ([1.0], [np.nan])],
    ids=["empty", "lengths", "zero", "negative", "nan"],
)
def test_senseless_uncertainties_are_refused(sigma: list[float], errors: list[float]) -> None:
    with pytest.raises(InputError, match="calibration needs"):
        calibration_figure(Calibration(sigma, errors))


def test_uncertainties_have_a_section_where_they_are_given(judged: Judged, tmp_path: Path) -> None:
    sigma = np.full(8, 0.1)
    given = [Calibration(sigma, 0.1 * np.arange(8.0), name) for name in ("posterior", "committee")]
    frames = [replace(f, forces=None, stress=None) for f in judged.sets["test"].frames]
    write_report(tmp_path, judge("mine", judged.potential, {"test": frames}), given)
    page = written(tmp_path)
    shown = [each["alt"] for each in page.all("img") if "coverage" in each["alt"]]
    assert ["posterior" in shown[0], "committee" in shown[1]] == [True, True]
    assert "hold 25.0 %" in shown[0]
    assert (tmp_path / "calibration_2.png").exists()


def test_the_script_of_the_documentation_runs(
    judged: Judged, repository: Path, tmp_path: Path
) -> None:
    text = (repository / "docs" / "report.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {"potential": judged.potential, "folder": tmp_path}
    names |= {"frames": judged.sets["train"].frames[:3], "test": judged.sets["test"].frames[:3]}
    exec(script, names | {"sigma": np.ones(9), "errors": np.arange(9.0)})
    assert {"report.html", "calibration_1.png", "forces.pdf"} <= {
        p.name for p in tmp_path.iterdir()
    }


def test_a_record_survives_its_file(judged: Judged, tmp_path: Path) -> None:
    record = training()
    content = {name: getattr(record, name) for name in ("loss", "seconds", "stop", "seed")}
    content |= {name: getattr(record, name) for name in ("threads", "neighbors", "settings")}
    content |= {"versions": record.versions, "history": history(record.steps), "validation": None}
    content |= {name: each.metrics.as_dict() for name, each in judged.sets.items()}
    (tmp_path / "metrics.json").write_text(to_json(content))
    found, metrics = read_record(tmp_path / "metrics.json")
    assert found == record
    assert metrics == {name: each.metrics for name, each in judged.sets.items()}
    del content["history"]
    (tmp_path / "metrics.json").write_text(to_json(content))
    with pytest.raises(FormatError, match=r"metrics.json: no history"):
        read_record(tmp_path / "metrics.json")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"train": 1}', '{"train": {"groups": []}}', "\0"])
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(FormatError, match=r"metrics\.json"):
        read_record(tmp_path / "metrics.json")


def test_a_comparison_shows_each_potential(tmp_path: Path) -> None:
    both = [compared("first"), compared("second", 8, stop="max-steps", seed=9)]
    write_comparison(tmp_path, both)
    page = written(tmp_path)
    heads, *rows = page.tables["The potentials, errors on test frames"]
    assert [row[0] for row in rows] == ["first", "second"]
    for each, row in zip(both, rows, strict=True):
        shown = dict(zip(heads, row, strict=True))
        assert shown["level"] == str(each.potential.level)
        errors = each.metrics["test"].total.forces
        assert errors is not None
        assert shown["force RMSE (eV/Å)"] == f"{errors.rmse:.4f}"
    for quantity in QUANTITIES:
        caption = f"{quantity.name.capitalize()} errors in {quantity.unit}"
        heads, *rows = page.tables[caption]
        assert heads[1:] == ["first MAE", "first RMSE", "second MAE", "second RMSE"]
        assert [row[0] for row in rows] == ["a", "b", "total"]
        for each, column in zip(both, (1, 3), strict=True):
            errors = quantity.errors(each.metrics["test"].total)
            assert errors is not None
            texts = [quantity.text(errors.mae), quantity.text(errors.rmse)]
            assert rows[-1][column : column + 2] == texts
    assert any("second is not converged" in text for text in page.texts["li"])
    assert (tmp_path / "learning_curve.png").exists()
    assert all(image["alt"] for image in page.all("img"))


def test_runs_with_other_test_files_are_told_apart(tmp_path: Path) -> None:
    other = {**training().settings, "test": "other.xyz", "level": 20}
    write_comparison(tmp_path, [compared("first"), compared("second", settings=other)])
    page = written(tmp_path)
    assert any("are not the same for all" in text for text in page.texts["li"])
    rows = page.tables["Settings that differ"]
    assert rows == [
        ["setting", "first", "second"],
        ["test", "test.xyz", "other.xyz"],
        ["level", "16", "20"],
    ]
    assert not (tmp_path / "learning_curve.png").exists()


OTHERS = {
    "same": ({}, {}, False),
    "seed": ({"seed": 1}, {}, True),
    "split": ({"split_by": "trajectory"}, {}, True),
    "files": ({"data": ["other.xyz"]}, {}, True),
    "contents": ({}, {"fingerprints": {"data": "b"}}, True),
    "moved": ({"data": ["../train.xyz"]}, {"fingerprints": {"data": "a"}}, False),
}


@pytest.mark.parametrize("kind", ["validation", "train"])
@pytest.mark.parametrize("name", OTHERS)
def test_errors_on_other_frames_of_the_data_are_told_apart(
    judged: Judged, name: str, kind: str
) -> None:
    changed, record, differ = OTHERS[name]
    first = training(fingerprints={"data": "a"} if record else {})
    second = training(settings={**first.settings, **changed}, **record)
    metrics = {kind: judged.sets["test"].metrics}
    both = [Compared("", judged.potential, metrics, 20.0, each) for each in (first, second)]
    assert frames_differ(both, kind) == differ


def test_hostile_names_stay_names_in_a_comparison(tmp_path: Path) -> None:
    write_comparison(tmp_path, [compared(HOSTILE), compared("second")])
    page = written(tmp_path)
    assert len(page.all("script")) == 1
    assert page.tables["The potentials, errors on test frames"][1][0] == HOSTILE
