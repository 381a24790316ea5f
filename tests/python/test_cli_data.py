"""``mlp data``: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import pytest

from mtpot.cli import main
from mtpot.data import read_atoms, read_frames
from mtpot.data.split import trajectories

SILICON = Path(__file__).parents[2] / "examples" / "silicon" / "train.xyz"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames; one repeats another with a different energy."""
    images = [atoms for atoms, _ in read_atoms(SILICON)[:10]]
    images.append(images[0].copy())
    images[-1].calc = images[0].calc.__class__(
        images[-1], **images[0].calc.results | {"energy": -210.0}
    )
    path = tmp_path_factory.mktemp("faulty") / "faulty.xyz"
    ase.io.write(path, images)
    return path


def test_a_clean_set_has_nothing_suspicious(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(SILICON), "--strict"]) == 0
    out = capsys.readouterr().out
    assert "nothing suspicious" in out
    assert "Si (140)" in out
    assert max(map(len, out.splitlines())) <= 80


def test_findings_are_printed_and_written(
    faulty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "check", str(faulty), "--json", str(tmp_path / "found.json")]
    assert main(words) == 0
    assert main([*words, "--strict", "--overwrite"]) == 1
    content = json.loads((tmp_path / "found.json").read_text())
    assert content["summary"]["frames"] == 11
    assert content["summary"]["elements"] == {"Si": 11}
    (finding,) = [each for each in content["findings"] if each["kind"] == "conflicts"]
    assert finding["frames"] == [f"{faulty}:41 (frame 11)"]
    out = capsys.readouterr().out
    assert f"error: {finding['message']} ({finding['frames'][0]}); {finding['advice']}" in out


def test_a_split_loses_nothing_and_is_never_overwritten(tmp_path: Path) -> None:
    words = ["data", "split", str(SILICON), "--share", "0.2", "--output", str(tmp_path / "parts")]
    assert main(words) == 0
    train, test = (read_frames(tmp_path / "parts" / name) for name in ("train.xyz", "test.xyz"))
    assert (len(train), len(test)) == (112, 28)
    everything = sorted(frame.energy or 0.0 for frame in (*train, *test))
    assert everything == sorted(frame.energy or 0.0 for frame in read_frames(SILICON))
    before = (tmp_path / "parts" / "train.xyz").read_bytes()
    assert main(words) == 2
    assert main([*words, "--seed", "1"]) == 2
    assert (tmp_path / "parts" / "train.xyz").read_bytes() == before
    assert main([*words, "--seed", "1", "--overwrite"]) == 0
    assert (tmp_path / "parts" / "train.xyz").read_bytes() != before


@pytest.mark.parametrize("by", ["frame", "trajectory"])
@pytest.mark.parametrize("name", ["", "md"], ids=["unnamed", "named"])
def test_parts_tell_the_trajectories_of_several_files_apart(
    tmp_path: Path, name: str, by: str
) -> None:
    run = [atoms for atoms, frame in read_atoms(SILICON) if frame.group == "md"][:6]
    files = [tmp_path / folder / "run.xyz" for folder in "abc"]
    for file in files:
        for atoms in run:
            atoms.positions += 0.001
            atoms.info |= {"home": str(file), **({"trajectory": name} if name else {})}
        file.parent.mkdir()
        ase.io.write(file, run)
    words = ["--share", "0.34", "--by", by, "--output", str(tmp_path / "parts")]
    assert main(["data", "split", *map(str, files), *words]) == 0
    for part, runs in {"train.xyz": 2, "test.xyz": 1}.items():
        pairs = read_atoms(tmp_path / "parts" / part)
        homes = [atoms.info["home"] for atoms, _ in pairs]
        found = trajectories([frame for _, frame in pairs]).tolist()
        assert len(set(found)) == len(set(homes)) == len(set(zip(found, homes, strict=True)))
        assert by == "frame" or len(set(homes)) == runs


def test_whole_groups_are_split_off(tmp_path: Path) -> None:
    words = ["data", "split", str(SILICON), "--by", "group", "--output", str(tmp_path)]
    assert main(words) == 0
    train, test = (read_frames(tmp_path / name) for name in ("train.xyz", "test.xyz"))
    assert test
    assert not {frame.group for frame in train} & {frame.group for frame in test}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "absent.xyz"], "absent.xyz: no such file"),
        (["check", "*.nothing"], "no file matches"),
        (["check", "{data}", "--json", "{data}"], "is read by this command"),
        (["check", "{data}", "--json", "{folder}"], "is a folder"),
        (["check", "{data}", "--strickt"], "did you mean --strict"),
        (["split", "{data}", "--output", "{data}"], "is a file"),
        (["split", "{data}", "--output", "{folder}", "--share", "0.0001"], "can be set aside"),
        (["split", "{data}", "--output", "{folder}", "--share", "1.5"], "--share"),
        (["split", "{data}", "--output", "{folder}", "--by", "atom"], "--by"),
        (["split", "{data}"], "--output"),
        (["mend", "{data}"], "mend"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_refused(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"data": SILICON, "folder": tmp_path}
    before = SILICON.read_bytes()
    try:
        code = main(["data", *(word.format(**known) for word in words)])
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert SILICON.read_bytes() == before
    assert list(tmp_path.iterdir()) == []
