"""`mlp report` remakes a training's report from its folder, and sets several beside each other."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import ase.io
import pytest
from pages import parse

from mtpot.cli import main, main_train

if TYPE_CHECKING:
    from pathlib import Path

FAST = ["--max-steps", "3", "--threads", "1", "--radial-size", "4"]


def run(*words: object) -> int:
    return main(["report", *map(str, words)])


@pytest.fixture(scope="module")
def runs(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and two runs, of different levels and numbers of frames."""
    folder = tmp_path_factory.mktemp("runs")
    frames = ase.io.read(repository / "examples" / "silicon" / "test.xyz", ":")
    ase.io.write(folder / "more.xyz", frames[:14])
    ase.io.write(folder / "few.xyz", frames[:7])
    ase.io.write(folder / "test.xyz", frames[14:])
    for name, level in (("few", "2"), ("more", "4")):
        words = ["--data", folder / f"{name}.xyz", "--test", folder / "test.xyz", *FAST]
        words += ["--level", level, "--validation", "0.3", "--output", folder / name]
        assert main_train(list(map(str, words))) == 0
    return folder


def test_a_remade_report_is_that_of_the_training(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = shutil.copytree(runs / "more", tmp_path / "more")
    assert run(again) == 2
    assert "report.html exists" in capsys.readouterr().err
    (again / "report" / "report.html").write_text("of another potential")
    assert run(again, "--overwrite") == 0
    made, remade = (
        {path.name: path.read_bytes() for path in (folder / "report").iterdir()}
        for folder in (runs / "more", again)
    )
    assert made == remade
    assert {"report.html", "convergence.png", "grades.png"} < set(made)


def test_data_that_moved_are_named_and_can_be_given(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = shutil.copytree(runs / "more", tmp_path / "more")
    record = (again / "metrics.json").read_text().replace("more.xyz", "gone.xyz")
    (again / "metrics.json").write_text(record)
    assert run(again, "--output", tmp_path / "new") == 2
    message = capsys.readouterr().err
    assert "gone.xyz: no such file" in message
    assert "give --data" in message
    assert not (tmp_path / "new").exists()
    assert run(again, "--output", tmp_path / "new", "--data", runs / "more.xyz") == 0


def test_runs_are_compared_without_their_data(runs: Path, tmp_path: Path) -> None:
    for name in ("few", "more"):
        shutil.copytree(runs / name, tmp_path / name)
        text = (tmp_path / name / "metrics.json").read_text()
        (tmp_path / name / "metrics.json").write_text(text.replace("xyz", "gone"))
    assert run(tmp_path / "few", tmp_path / "more", "--output", tmp_path / "both") == 0
    page = parse((tmp_path / "both" / "report.html").read_text(encoding="utf-8"))
    rows = page.tables["The potentials, errors on test frames"]
    assert [row[:2] for row in rows[1:]] == [["few", "2"], ["more", "4"]]
    assert (tmp_path / "both" / "learning_curve.png").exists()


def test_potentials_are_judged_by_the_frames_that_are_given(runs: Path, tmp_path: Path) -> None:
    potentials = [runs / "few" / "potential.mtp", runs / "more" / "potential.mtp"]
    assert run(*potentials, "--test", runs / "few.xyz", "--output", tmp_path / "both") == 0
    page = parse((tmp_path / "both" / "report.html").read_text(encoding="utf-8"))
    rows = page.tables["The potentials, errors on test frames"]
    # Both files are called alike, and are told apart by their paths.
    assert [row[0] for row in rows[1:]] == list(map(str, potentials))
    single = run(potentials[1], "--test", runs / "few.xyz", "--output", tmp_path / "one")
    assert single == 0
    alone = parse((tmp_path / "one" / "report.html").read_text(encoding="utf-8"))
    total = dict(zip(*[alone.tables["Errors, test"][k] for k in (0, -1)], strict=True))
    assert total["force RMSE (eV/Å)"] == rows[2][rows[0].index("force RMSE (eV/Å)")]


def test_frames_that_are_given_do_not_pass_for_those_of_the_training(
    runs: Path, tmp_path: Path
) -> None:
    subjects = [runs / "few", runs / "more", runs / "few" / "potential.mtp"]
    assert run(*subjects, "--data", runs / "test.xyz", "--output", tmp_path / "all") == 0
    page = parse((tmp_path / "all" / "report.html").read_text(encoding="utf-8"))
    heads, *rows = page.tables["The potentials, errors on train frames"]
    column = heads.index("training frames")
    trained = [
        json.loads((runs / name / "metrics.json").read_text())["train"]["frames"]
        for name in ("few", "more")
    ]
    assert [row[column] for row in rows] == [*map(str, trained), "-"]


def test_other_test_files_do_not_matter_where_one_is_given(runs: Path, tmp_path: Path) -> None:
    other = shutil.copytree(runs / "more", tmp_path / "other")
    record = (other / "metrics.json").read_text().replace("test.xyz", "other.xyz")
    (other / "metrics.json").write_text(record)
    for words, differ in (([], True), (["--test", runs / "few.xyz"], False)):
        assert run(runs / "more", other, *words, "--output", tmp_path / f"{differ}") == 0
        page = parse((tmp_path / f"{differ}" / "report.html").read_text(encoding="utf-8"))
        said = page.texts["li"]
        assert any("test frames are not the same for all" in text for text in said) == differ


REFUSED = {
    "no-output": (["{runs}/few", "{runs}/more"], "give --output"),
    "no-output-potential": (["{runs}/few/potential.mtp", "--test", "{runs}/test.xyz"], "--output"),
    "no-frames": (["{runs}/few/potential.mtp", "--output", "{new}"], "give --test"),
    "no-folder": (["{runs}/nodir"], "nodir: no such file or folder; give the --output folder"),
    "no-run": (["{runs}", "--output", "{new}"], "not the output folder of mlp-train"),
    "no-file": (["{runs}/none.mtp", "--test", "{runs}/test.xyz", "--output", "{new}"], "none.mtp"),
    "file": (["{runs}/few", "--output", "{runs}/test.xyz"], "file where a folder should be"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_reported_is_refused(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    words, message = REFUSED[name]
    line = [word.format(runs=runs, new=tmp_path / "new") for word in words]
    assert run(*line) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
