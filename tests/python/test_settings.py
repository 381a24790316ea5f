"""Settings: a file and flags say the same things, and what nobody knows is refused."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from mtpot import MTP
from mtpot.errors import FormatError, InputError
from mtpot.train.loss import EXPONENTS
from mtpot.train.settings import Settings, Weighting, options
from mtpot.train.settings_file import format_settings, load_settings, template
from mtpot.train.use import check_features, check_use

FLAGS = {"data": "train.xyz", "output": "run"}


def test_written_settings_are_read_as_they_were(tmp_path: Path) -> None:
    flags = {"data": "a.xyz,b.xyz", "output": "run", "group_weights": "Surface (110)=2,bulk=0.5"}
    settings = load_settings(None, flags | {"core": "zbl", "ridge": "auto", "overwrite": True})
    (tmp_path / "s.toml").write_text(format_settings(settings.as_dict()))
    assert load_settings(tmp_path / "s.toml", {"overwrite": True}) == settings


def settings_file(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text('data = "train.xyz"\noutput = "run"\n' + text)
    return path


def test_flags_alone_suffice() -> None:
    settings = load_settings(None, FLAGS)
    assert settings == Settings(data=(Path("train.xyz"),), output=Path("run"))


def test_defaults_are_those_of_mlip() -> None:
    settings = load_settings(None, FLAGS)
    weights = (settings.energy_weight, settings.force_weight, settings.stress_weight)
    assert weights == (1.0, 0.01, 0.001)
    assert settings.weighting == "vibrations"
    assert settings.ridge == 1e-10


@pytest.mark.parametrize("key", ["radial-size", "radial_size"])
def test_keys_have_dashes_or_underscores(tmp_path: Path, key: str) -> None:
    assert load_settings(settings_file(tmp_path, f"{key} = 6\n"), {}).radial_size == 6


def test_flags_override_the_file(tmp_path: Path) -> None:
    path = settings_file(tmp_path, "level = 8\nseed = 3\n")
    settings = load_settings(path, {"level": "12"})
    assert (settings.level, settings.seed) == (12, 3)


@pytest.mark.parametrize("species", ['"Al, Ni"', '["Al", "Ni"]'], ids=["text", "list"])
def test_species(tmp_path: Path, species: str) -> None:
    assert load_settings(settings_file(tmp_path, f"species = {species}"), {}).species == (
        "Al",
        "Ni",
    )


def test_the_template_is_a_settings_file_with_every_key(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(template())
    defaults = load_settings(path, {})
    assert defaults == Settings(data=(Path("train.xyz"),), output=Path("run"))
    # The lines of optional files, which are commented out, are valid as well.
    optional = [
        line for line in template().splitlines() if line.startswith(("# test =", "# start ="))
    ]
    path.write_text(template() + "\n".join(line[2:] for line in optional))
    assert load_settings(path, {}).test == (Path("test.xyz"),)
    for name, _, _ in options():
        assert f"{name.replace('_', '-')} = " in template()


def test_an_unknown_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"settings.toml: unknown key cutof; did you mean cutoff"):
        load_settings(settings_file(tmp_path, "cutof = 5.0\n"), {})


def test_a_key_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="radial_size is given twice"):
        load_settings(settings_file(tmp_path, "radial-size = 6\nradial_size = 8\n"), {})


def test_what_is_no_toml_is_refused_by_line(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"settings.toml: .*line 3"):
        load_settings(settings_file(tmp_path, "level = = 8\n"), {})
    with pytest.raises(InputError, match=r"absent\.toml"):
        load_settings(tmp_path / "absent.toml", {})


@pytest.mark.parametrize("name", FLAGS)
def test_data_and_output_are_required(name: str) -> None:
    flags = {key: value for key, value in FLAGS.items() if key != name}
    with pytest.raises(InputError, match=f"--{name}"):
        load_settings(None, flags)


def test_lists_may_be_empty_as_their_defaults_are(tmp_path: Path) -> None:
    """Frames to train on there must be."""
    found = load_settings(settings_file(tmp_path, "test = []\nspecies = []\n"), FLAGS)
    assert found.test == found.species == ()
    with pytest.raises(InputError, match="no data: give --data"):
        load_settings(None, FLAGS | {"data": []})


BAD_VALUES: list[tuple[str, Any]] = [
    ("level", 7),
    ("level", "eight"),
    ("level", True),
    ("level", 8.5),
    ("level", 34),
    ("level", 0),
    ("threads", 10**10),
    ("ridge", 0.0),
    ("species", "Al,Qq"),
    ("cutoff", 0.0),
    ("cutoff", "nan"),
    ("cutoff", "inf"),
    ("min_distance", "automatic"),
    ("radial_size", 0),
    ("force_weight", -1.0),
    ("weighting", "solids"),
    ("validation", 1.0),
    ("active_set", "yes"),
    ("threads", -1),
    ("species", "Al,Al"),
    ("species", "Al,,Ni"),
    ("species", 13),
    ("data", 3),
    ("overwrite", "yes"),
]


@pytest.mark.parametrize(("name", "value"), BAD_VALUES, ids=[f"{n}-{v}" for n, v in BAD_VALUES])
def test_bad_values_are_refused_with_the_key(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')} = "):
        load_settings(None, FLAGS | {name: value})


@pytest.mark.parametrize("name", ["ridge", "min_distance", "core_outer"])
def test_what_may_be_automatic_says_so_when_it_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="= 'aut': expected a number of more than 0, or auto"):
        load_settings(None, FLAGS | {name: "aut"})


def test_a_flag_stands_for_a_bad_value_of_the_file(tmp_path: Path) -> None:
    path = settings_file(tmp_path, "level = 7\n")
    with pytest.raises(InputError, match=r"settings.toml: level = 7: expected an even number"):
        load_settings(path, {})
    assert load_settings(path, {"level": "12"}).level == 12


@pytest.mark.parametrize("shape", [{"level": 6}, {"level": 20, "max_factors": 2}], ids=str)
def test_more_features_than_there_are_is_refused_with_their_number(shape: dict[str, int]) -> None:
    potential = MTP.new(**shape, species=["Si"], cutoff=5.0, min_distance=2.0)
    scalars = len(potential.core.scalars)
    settings = load_settings(None, FLAGS | {"solver": "lasso", "features": scalars})
    check_features(settings, potential)
    more = replace(settings, features=scalars + 1)
    with pytest.raises(InputError, match=rf"--features {scalars + 1} .* has {scalars} scalars"):
        check_features(more, potential)


def test_a_symbol_in_the_wrong_case_is_corrected() -> None:
    with pytest.raises(InputError, match="no element na; did you mean Na"):
        load_settings(None, FLAGS | {"species": "na,Cl"})


def test_weights_that_are_all_zero_are_refused() -> None:
    zero = {f"{label}_weight": "0" for label in ("energy", "force", "stress")}
    with pytest.raises(InputError, match="nothing to fit"):
        load_settings(None, FLAGS | zero)
    assert load_settings(None, FLAGS | zero | {"force_weight": "1"}).energy_weight == 0.0


def test_the_weightings_are_those_of_the_loss() -> None:
    assert set(get_args(Weighting)) == set(EXPONENTS)


@pytest.mark.parametrize(
    "value",
    ["a.xyz,runs/*/OUTCAR,one,two.db", ["a.xyz", "runs/*/OUTCAR", "one,two.db"]],
    ids=["flag", "list"],
)
def test_several_data_files(tmp_path: Path, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plain = Path("a.xyz"), Path("runs/*/OUTCAR"), Path("one"), Path("two.db")
    assert load_settings(None, {"data": value, "output": "run"}).data == plain
    Path("one,two.db").touch()
    if isinstance(value, list):
        expected = (*plain[:2], Path("one,two.db"))
        assert load_settings(None, {"data": value, "output": "run"}).data == expected


def test_a_data_file_in_place_of_settings_is_explained(tmp_path: Path) -> None:
    (tmp_path / "b.xyz").write_text("2\n\nSi 0 0 0\nSi 1 1 1\n")
    with pytest.raises(FormatError, match="frames to train on are given by --data"):
        load_settings(tmp_path / "b.xyz", {"data": "a.xyz"})


def test_a_start_contradicts_flags_that_shape_the_potential(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"start.mtp .*--level, --max-mu"):
        load_settings(None, FLAGS | {"start": "start.mtp", "level": "8", "max_mu": "2"})
    path = settings_file(tmp_path, "level = 8\n")
    assert "level" not in load_settings(path, {"start": "start.mtp"}).as_dict()


@pytest.mark.parametrize(
    "use",
    [
        {"validation": "0.1"},
        {"ridge": "auto"},
        {"ensemble": "2"},
        {"solver": "ridge"},
        {"solver": "lasso"},
        {"solver": "elimination"},
    ],
    ids=lambda use: "-".join([*use, *use.values()]),
)
def test_whatever_parts_the_frames_has_a_use_for_how(use: dict[str, str]) -> None:
    check_use(load_settings(None, FLAGS | {"split_by": "trajectory"} | use), None)


@pytest.mark.parametrize("solver", ["variable-projection", "bayesian-ridge", "least-squares"])
def test_how_to_part_the_frames_has_no_use_where_they_are_not(solver: str) -> None:
    with pytest.raises(InputError, match="--split-by has no use"):
        check_use(load_settings(None, FLAGS | {"split_by": "group", "solver": solver}), None)


def test_settings_can_be_written_as_json() -> None:
    content = load_settings(None, FLAGS | {"species": "Al,Ni"}).as_dict()
    assert json.loads(json.dumps(content)) == content
    assert content["species"] == ["Al", "Ni"]
    assert set(content) == {name for name, _, _ in options()}


def test_the_template_parses_with_the_standard_library() -> None:
    assert tomllib.loads(template())["level"] == 16
