"""The report of a learning run says what its store says, however far the run came."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import ase.build
import ase.db
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from pages import Page, parse

from mtpot import InputError, MTPCalculator, MtpotError
from mtpot.active.report import FIGURES, write_report
from mtpot.active.report.graded import judged
from mtpot.active.report.history import History
from mtpot.active.report.simulated import course
from mtpot.active.report.tables import format_settings
from mtpot.active.run import report, work
from mtpot.active.settings import load_settings
from mtpot.active.store import Store
from mtpot.cli import main

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
output = "{place}/run"
start = ["{place}/cu.xyz"]
initial = 3
displacement = 0.15
threads = 1
max-labels = 4
break-threshold = 1000.0
[label]
calculator = "emt"
[train]
level = 4
[[explore]]
engine = "md"
temperature = 500.0
time = 0.2
"""
HOSTILE = '<script>alert("1")</script> & $x_{1}$ </td>'


class Learned(NamedTuple):
    """A run that stopped when its four calculations were used up, and then went on to its end."""

    settings: Path
    folder: Path
    stopped: Page
    finished: Page


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    place = tmp_path_factory.mktemp("learn")
    ase.build.bulk("Cu", cubic=True).write(place / "cu.xyz")
    path = place / "settings.toml"
    path.write_text(SETTINGS.format(place=place))
    with pytest.raises(MtpotError, match="max-labels 4"):
        work(load_settings(path, {}), lambda _: None)
    stopped = page_of(place / "run")
    work(load_settings(path, {"max_labels": 30}), lambda _: None, resume=True)
    return Learned(path, place / "run", stopped, page_of(place / "run"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Of a run that was begun, and has done nothing yet."""
    path = tmp_path / "settings.toml"
    path.write_text(SETTINGS.format(place=tmp_path))
    store = Store(tmp_path / "learn.db")
    store.set_fact("settings", json.loads(json.dumps(load_settings(path, {}).as_dict())))
    return store


def page_of(folder: Path) -> Page:
    return parse((folder / "report.html").read_text(encoding="utf-8"))


def facts(page: Page) -> dict[str, str]:
    return dict(page.tables["The run"])


def column(page: Page, head: str, caption: str = "Iterations") -> list[str]:
    heads, *rows = page.tables[caption]
    return [row[heads.index(head)] for row in rows]


def events(folder: Path, kind: str) -> dict[str, Any]:
    """Read events past the store, from its file."""
    with closing(sqlite3.connect(folder / "learn.db")) as connection:
        query = "SELECT name, content FROM mtpot_events WHERE kind = ? ORDER BY name"
        return {name: json.loads(text) for name, text in connection.execute(query, (kind,))}


def explored(**changes: Any) -> dict[str, Any]:
    """Return an exploration of 2 ps whose grade grows by one in each."""
    content: dict[str, Any] = {
        "ended": "complete",
        "steps": 2000,
        "picoseconds": 2.0,
        "largest": 2.5,
        "candidates": 0,
        "grades": [[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]],
        "seconds": 1.0,
    }
    return content | changes


def set_aside(store: Store, reason: str, log: str = "") -> None:
    number = store.add(Atoms("CuO", [(0, 0, 0), (0, 0, 2)]), state="queued", origin=reason, grade=3)
    assert number is not None
    store.update(number, "set-aside", attempts=2, log=log)
    for attempt in (1, 2):
        event = {"row": number, "end": "failed", "seconds": 1.0, "reason": reason}
        store.record("label", f"{number:06d}/{attempt}", event)


def test_numbers_are_those_of_the_store(learned: Learned) -> None:
    labels, runs = (events(learned.folder, kind) for kind in ("label", "exploration"))
    trainings = events(learned.folder, "training")
    shown = facts(learned.finished)
    assert int(shown["calculations"]) == len(labels)
    assert int(shown["structures with labels"]) == len(ase.db.connect(learned.folder / "learn.db"))
    assert shown["simulated"] == f"{sum(each['picoseconds'] for each in runs.values()):g} ps"
    assert shown["training"] == f"{sum(each['seconds'] for each in trainings.values()):.1f} s"
    assert shown["labels"] == f"{sum(each['seconds'] for each in labels.values()):.1f} s"


def test_each_iteration_has_its_row(learned: Learned) -> None:
    page, trainings = learned.finished, list(events(learned.folder, "training").values())
    selections = [each["selected"] for each in events(learned.folder, "selection").values()]
    assert column(page, "frames") == [str(each["frames"]) for each in trainings]
    assert column(page, "force RMSE (eV/Å)") == [
        f"{each['errors']['force_rmse']:.4f}" for each in trainings
    ]
    assert column(page, "selected") == [str(count) for count in (*selections, 0)]
    assert sum(map(int, column(page, "calculations"))) == trainings[-1]["frames"]


def test_every_figure_of_a_whole_run_is_drawn(learned: Learned) -> None:
    history = History(Store(learned.folder / "learn.db"))
    names = [each.name for draw in sum(FIGURES.values(), ()) for each in draw(history)]
    assert names == ["calculations", "clean", "grades_0", "errors", "growth", "seconds"]
    images = learned.finished.all("img")
    assert len(images) == len(names)
    assert all(image["src"].startswith("data:image/") for image in images)


def test_a_finished_run_says_so(learned: Learned) -> None:
    lead = learned.finished.texts["p"][0]
    iteration = Store(learned.folder / "learn.db").fact("position")[0]
    assert lead.startswith(f"Finished: in iteration {iteration} nothing extrapolated")
    assert not learned.finished.all("aside")


@pytest.mark.parametrize(("left", "words"), [(1, "1 structure still"), (3, "3 structures still")])
def test_a_run_that_ends_with_what_nobody_could_label_says_so(
    store: Store, left: int, words: str
) -> None:
    set_aside(store, "did not converge")
    store.set_fact("position", (2, "finished"))
    store.set_fact("left", left)
    first, second, *_ = parse(write_report(store).read_text()).texts["p"]
    assert first.startswith(f"Finished, but not clean: in iteration 2 {words} extrapolated")
    assert "; 1 structure was set aside, because" in second
    store.set_fact("left", 0)
    lead = parse(write_report(store).read_text()).texts["p"][0]
    assert lead.startswith("Finished: in iteration 2 nothing extrapolated any more.")


def test_a_run_that_stopped_says_why(learned: Learned) -> None:
    page = learned.stopped
    assert page.texts["p"][0].startswith("Not finished: the run stands in iteration 0, selecting")
    assert any("max-labels 4 are used up" in text for text in page.texts["li"])
    assert facts(page)["calculations"] == "4"


def test_errors_are_of_the_potential_that_gave_the_grade(learned: Learned) -> None:
    found = judged(History(Store(learned.folder / "learn.db")))
    rows = list(ase.db.connect(learned.folder / "learn.db").select("iteration>0", sort="id"))
    assert len(found) == len(rows) > 0
    for each, row in zip(found, rows, strict=True):
        path = learned.folder / f"trainings/{row.iteration - 1:03d}/potential.almtp"
        atoms = row.toatoms()
        atoms.calc = MTPCalculator(path)
        errors = atoms.get_forces()
        assert atoms.calc.results["grade"] == pytest.approx(each.grade, rel=1e-6)
        atoms.calc = EMT()
        errors = errors - atoms.get_forces()
        assert each.error == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-6)


def test_settings_begin_the_same_run(learned: Learned, tmp_path: Path) -> None:
    (block,) = learned.finished.texts["code"]
    path = tmp_path / "settings.toml"
    path.write_text(block)
    assert load_settings(path, {}) == load_settings(learned.settings, {"max_labels": 30})


def test_settings_keep_tables_in_tables() -> None:
    label = {"fallback": [{"settings": {"a b": [1, 2.5]}}, {"x": "é\n"}], "timeout": 3.0}
    values = {"seed": 3, "data": [], "label": label, "explore": [{"t": [300, 900]}, {"t": 1}]}
    expected = {"seed": 3, "label": label, "explore": values["explore"]}
    assert tomllib.loads(format_settings(values)) == expected


@pytest.mark.parametrize("words", [["{settings}", "--report"], ["--report", "{folder}"]])
def test_the_command_makes_it_anew(
    learned: Learned, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    target = learned.folder / "report.html"
    before = target.read_text()
    target.unlink()
    assert main(["learn", *(word.format(**learned._asdict()) for word in words)]) == 0
    assert capsys.readouterr().out == f"see {target}\n"
    assert target.read_text() == before


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no learning run"):
        report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_of_a_run_that_has_done_nothing_the_settings_are_shown(store: Store) -> None:
    page = parse(write_report(store).read_text())
    assert facts(page)["calculations"] == "0"
    assert not page.all("img")
    assert page.texts["code"]


def test_texts_are_escaped(store: Store) -> None:
    set_aside(store, HOSTILE)
    store.record("exploration", f"000/{HOSTILE}", explored())
    store.set_fact("stopped", HOSTILE)
    page = parse(write_report(store).read_text())
    assert len(page.all("script")) == 1  # that of the page
    assert column(page, "reason", "Set aside") == [HOSTILE]
    assert HOSTILE in page.texts["li"]


def test_what_was_set_aside_has_its_reason_and_log(store: Store) -> None:
    set_aside(store, "did not converge " * 100)
    page = parse(write_report(store).read_text())
    heads, row = page.tables["Set aside"]
    shown = dict(zip(heads, row, strict=True))
    assert shown["formula"] == "CuO"
    assert shown["grade"] == "3"
    assert shown["log"] == "labels/000001/2/log.txt"
    assert shown["reason"].startswith("did not converge")
    assert shown["reason"].endswith("…")
    assert facts(page)["of these without a label"] == "2"


def test_cost_is_compared_with_the_longest_clean_simulation(store: Store) -> None:
    set_aside(store, "none")
    store.record("exploration", "000/a", explored(picoseconds=7.0, candidates=1))
    store.record("exploration", "001/a", explored(picoseconds=3.0))
    store.record("exploration", "001/b", explored(picoseconds=9.0, ended="break"))
    page = parse(write_report(store).read_text())
    assert facts(page)["longest without extrapolation"] == "3 ps"
    assert facts(page)["calculations at every 100 fs"] == "30"
    assert any("takes 30 calculations: 15 times the 2" in text for text in page.texts["p"])


def test_on_the_fly_the_whole_simulation_is_compared(store: Store) -> None:
    """Two labels on the way: after 1 ps, and after 1.5 ps."""
    for iteration, start, end in ((0, 0.0, 1.0), (1, 1.0, 1.5), (2, 1.5, 3.0)):
        row = {"row": iteration + 1, "end": "done", "seconds": 1.0}
        store.record("label", f"{iteration + 1:06d}/1", row)
        looks = [(start, 0.5, 300.0), (end, 2.5 if iteration < 2 else 0.5, 300.0)]
        store.record("md", f"{iteration:03d}/{1e3 * end:09.0f}", {"looks": looks})
    store.set_fact("position", (2, "finished"))
    assert course(History(store), "ps") == ([0, 0, 1, 1, 1.5, 1.5, 3], [0, 1, 1, 2, 2, 3, 3])
    assert [each.clean_until(2.0) for each in History(store).explorations] == [1.0, 0.5, 1.5]
    page = parse(write_report(store).read_text())
    assert facts(page)["simulated"] == "3 ps"
    assert facts(page)["calculations at every 100 fs"] == "30"
    heads, *rows = page.tables["Iterations"]
    assert len(rows) == 3
    assert not {"candidates", "selected", "exploration (s)"} & set(heads)
    assert column(page, "simulated (ps)") == ["1", "0.5", "1.5"]
    assert "exploration" not in facts(page)


def test_without_a_clean_simulation_nothing_is_said_of_savings(store: Store) -> None:
    store.record("exploration", "000/a", explored(candidates=1))
    page = parse(write_report(store).read_text())
    assert any("nothing can be said of what was saved" in text for text in page.texts["p"])


def test_an_exploration_that_failed_is_shown(store: Store) -> None:
    failed = {"ended": "failed", "candidates": 2, "reason": "lost atoms", "seconds": 1.0}
    store.record("exploration", "000/a", failed)
    page = parse(write_report(store).read_text())
    assert column(page, "explorations") == ["a: failed, 0 steps"]
    assert column(page, "largest grade") == ["-"]


def test_time_until_extrapolation_is_that_of_the_first_grade_above(store: Store) -> None:
    store.record("exploration", "000/a", explored())
    (each,) = History(store).explorations
    assert [each.clean_until(threshold) for threshold in (1.0, 2.0, 3.0)] == [1.0, 2.0, 2.0]


def test_a_grade_that_is_not_a_number_is_above_every_threshold(store: Store) -> None:
    store.record("exploration", "000/a", explored(grades=[[0.0, 1.0], [0.5, float("nan")]]))
    (each,) = History(store).explorations
    assert each.clean_until(1e9) == 0.5
    assert write_report(store).exists()


def test_calculations_and_simulations_add_up_in_the_order_of_their_ends(store: Store) -> None:
    store.record("label", "000001/1", {"row": 1, "end": "done", "seconds": 1.0})
    store.record("exploration", "000/a", explored(picoseconds=4.0))
    store.record("label", "000002/1", {"row": 2, "end": "done", "seconds": 1.0})
    store.record("exploration", "001/a", explored(picoseconds=0.0))
    simulated, calculated = course(History(store), "ps")
    assert simulated == [0.0, 0.0, 4.0, 4.0]
    assert calculated == [0, 1, 1, 2]
