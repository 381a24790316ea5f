"""Files appear whole or not at all, and nothing that exists is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtpot.errors import InputError
from mtpot.files import check_folder, check_target, make_folder, replacing, write_atomic


@pytest.mark.parametrize("content", ["grün\n", b"\x00\xff"], ids=["text", "bytes"])
def test_content_arrives(tmp_path: Path, content: str | bytes) -> None:
    write_atomic(tmp_path / "x", content)
    expected = content.encode() if isinstance(content, str) else content
    assert (tmp_path / "x").read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_existing_file_needs_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(InputError, match="--overwrite"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    write_atomic(path, "new", overwrite=True)
    assert path.read_text() == "new"


def test_a_link_keeps_pointing_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    write_atomic(tmp_path / "link", "new", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_a_failing_block_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def fail_halfway() -> None:
        with replacing(path, overwrite=True) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x"

    def write_late() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ours")
            path.write_text("theirs")

    with pytest.raises(InputError, match="exists"):
        write_late()
    assert path.read_text() == "theirs"


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(InputError, match="No space left"), replacing(tmp_path / "x"):
        Path("/dev/full").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_unusable_targets_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a folder"):
        check_target(tmp_path, overwrite=True)
    with pytest.raises(InputError, match="does not exist"):
        check_target(tmp_path / "absent" / "x")
    with pytest.raises(InputError, match="file where a folder should be"):
        check_target(tmp_path / "file" / "x")
    with pytest.raises(InputError, match="file where a folder should be"):
        check_folder(tmp_path / "file" / "run")
    with pytest.raises(InputError, match="file where a folder should be"):
        make_folder(tmp_path / "file")


def test_folders_are_made_with_their_parents(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b").is_dir()
    assert make_folder(tmp_path / "a" / "b").is_dir()
