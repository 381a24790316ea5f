"""Everything that one training depends on: one record, filled from a TOML file and from flags.

Each field of `Settings` is at once a flag (``--radial-size 8``), a key of the settings file
(``radial-size = 8`` or ``radial_size = 8``) and a line of its template; its help, its parser
and its place in the help text stand beside it.
"""

from __future__ import annotations

import difflib
import json
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from mtpot.elements import SYMBOLS
from mtpot.errors import FormatError, InputError
from mtpot.train.solvers import SOLVERS

Parser = Callable[[Any], Any]
Weighting = Literal["vibrations", "molecules", "structures"]
_INFINITY = float("inf")
_LARGEST = 2**31 - 1


def parse_species(value: Any) -> tuple[str, ...]:
    """Element symbols from ``"Al,Ni"`` or ``["Al", "Ni"]``; each may appear once."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError("expected element symbols, as in Al,Ni")
    symbols = tuple(name.strip() for name in names)
    if not all(symbols):
        raise ValueError("expected element symbols, as in Al,Ni")
    for symbol in symbols:
        if symbol not in SYMBOLS:
            meant = symbol.capitalize()
            hint = f"; did you mean {meant}?" if meant in SYMBOLS else ""
            raise ValueError(f"no element {symbol}{hint}")
    if len(set(symbols)) != len(symbols):
        raise ValueError("an element appears twice")
    return symbols


def parse_factors(value: Any) -> dict[str, float]:
    """Factors by name from ``"Surface=2,Elastic=0.5"`` or a TOML table; not negative."""
    if isinstance(value, str):
        parts = [part.rpartition("=") for part in value.split(",")]
        value = {name.strip(): factor for name, _, factor in parts}
    if not isinstance(value, dict) or not all(value):
        raise ValueError("expected names with factors, as in Surface=2,Elastic=0.5")
    parse = number(0.0)
    return {name: parse(factor) for name, factor in value.items()}


def integer(minimum: int, maximum: int = _LARGEST) -> Parser:
    """Make a parser of integers from `minimum` to `maximum`."""

    def parse(value: Any) -> int:
        if isinstance(value, str) and value.lstrip("-").isdecimal():
            value = int(value)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not minimum <= value <= maximum:
            raise ValueError(f"expected an integer from {minimum} to {maximum}")
        return int(value)

    return parse


def number(low: float, high: float = _INFINITY, *, open_low: bool = False) -> Parser:
    """Make a parser of finite numbers in [low, high), or in (low, high) with `open_low`."""
    bound = f"of {'more than' if open_low else 'at least'} {low:g}"
    expected = f"expected a number {bound}" + (f" and below {high:g}" if high < _INFINITY else "")

    def parse(value: Any) -> float:
        result = _float(value)
        # Written so that nan fails as well.
        if result is None or not low <= result < high or (open_low and result == low):
            raise ValueError(expected)
        return result

    return parse


def choice(*names: str) -> Parser:
    """Make a parser of one of `names`."""

    def parse(value: Any) -> str:
        if value not in names:
            raise ValueError(f"expected one of {', '.join(names)}")
        return str(value)

    return parse


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _level(value: Any) -> int:
    level: int = integer(2, 32)(value)
    if level % 2:
        raise ValueError("expected an even number from 2 to 32")
    return level


def _distance(value: Any) -> float | Literal["auto"]:
    if value == "auto":
        return "auto"
    return float(number(0.0, open_low=True)(value))


def _ensemble(value: Any) -> int:
    count: int = integer(0, 100)(value)
    if count == 1:
        raise ValueError("expected 0, or 2 and more members")
    return count


def _ridge(value: Any) -> float | Literal["auto"]:
    if value == "auto":
        return "auto"
    return float(number(0.0, open_low=True)(value))


def _path(value: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("expected the path of a file")
    return Path(value)


def parse_paths(value: Any) -> tuple[Path, ...]:
    """Paths from ``"a.xyz,runs/*/OUTCAR"``, or from a list of such; a file may have a comma."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not values:
        raise ValueError("expected the paths of files")
    if not all(isinstance(each, str) and each for each in values):
        raise ValueError("expected the paths of files")
    parts = [p for v in values for p in ([v] if Path(v).exists() else v.split(","))]
    if not all(part.strip() for part in parts):
        raise ValueError("expected the paths of files, as in a.xyz,b.db")
    return tuple(Path(part if Path(part).exists() else part.strip(" ")) for part in parts)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a name")
    return value


@dataclass(frozen=True, slots=True)
class Option:
    """What makes a field of `Settings` a flag and a TOML key."""

    section: str
    help: str
    parse: Parser
    metavar: str
    example: str
    unit: str


def _about(  # noqa: PLR0913, PLR0917 - the fields of `Option`
    section: str, text: str, parse: Parser, metavar: str = "N", example: str = "", unit: str = ""
) -> dict[str, Option]:
    """Metadata of a field; `example` is TOML, for a field without a default to show."""
    return {"option": Option(section, text, parse, metavar, example, unit)}


def _solver_help() -> str:
    """Name every solver."""
    each = "; ".join(f"{name}: {solver.phrase}" for name, solver in SOLVERS.items())
    return f"how the parameters are found. {each}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """One training, completely: the same settings and threads give the same potential.

    ``min_distance`` is in angstrom or ``"auto"`` (from the data); empty ``species`` means those
    of ``start`` or of the data; ``threads = 0`` means every core.
    """

    data: tuple[Path, ...] = field(
        metadata=_about(
            "files",
            "frames to train on: extended XYZ, MLIP .cfg, ASE databases, outputs of programs; "
            "files, folders or patterns, several with commas",
            parse_paths,
            "FILE",
            '["train.xyz"]',
        )
    )
    test: tuple[Path, ...] = field(
        default=(),
        metadata=_about(
            "files",
            "frames to judge the result by, never trained on; as in data",
            parse_paths,
            "FILE",
            '["test.xyz"]',
        ),
    )
    output: Path = field(
        metadata=_about(
            "files",
            "folder for potential.mtp, potential.almtp, metrics.json and report/",
            _path,
            "DIR",
            '"run"',
        )
    )
    overwrite: bool = field(
        default=False,
        metadata=_about("files", "replace files of an earlier run in the output folder", _switch),
    )
    resume: bool = field(
        default=False,
        metadata=_about(
            "files",
            "go on with a training in the output folder that was killed or stopped; begin where "
            "there is none",
            _switch,
        ),
    )
    start: Path | None = field(
        default=None,
        metadata=_about(
            "potential",
            "potential to begin from, trained or not; it fixes the rest of this section, and what "
            "a settings file says of that is ignored",
            _path,
            "FILE",
            '"start.mtp"',
        ),
    )
    species: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "potential",
            "elements in the order of the types; without, those of start or of the data, by "
            "atomic number",
            parse_species,
            "Al,Ni",
            '["Al", "Ni"]',
        ),
    )
    level: int = field(
        default=16,
        metadata=_about(
            "potential",
            "level, even, 2 to 32: 8 is fast and rough, 16 a good start, 28 the largest in use",
            _level,
            "L",
        ),
    )
    cutoff: float = field(
        default=5.0,
        metadata=_about(
            "potential",
            "distance in angstrom beyond which atoms do not interact",
            number(0.0, open_low=True),
            "R",
            unit="Å",
        ),
    )
    min_distance: float | Literal["auto"] = field(
        default="auto",
        metadata=_about(
            "potential",
            "shortest distance in angstrom that the radial functions resolve; auto: of the data",
            _distance,
            "R|auto",
            unit="Å",
        ),
    )
    radial_size: int = field(
        default=8, metadata=_about("potential", "polynomials in each radial function", integer(2))
    )
    radial_basis: str = field(
        default="RBChebyshev",
        metadata=_about(
            "potential",
            "radial basis, by its name in potential files; an unknown name lists those there are",
            _name,
            "NAME",
        ),
    )
    core: Literal["none", "zbl"] = field(
        default="none",
        metadata=_about(
            "potential",
            "repulsion of nuclei at short distances: zbl (Ziegler, Biersack and Littmark; other "
            "programs cannot read such a potential) or none",
            choice("none", "zbl"),
            "NAME",
        ),
    )
    core_outer: float | Literal["auto"] = field(
        default="auto",
        metadata=_about(
            "potential",
            "distance in angstrom from which on the core is zero; auto: for each pair of "
            "elements the shortest of the data",
            _distance,
            "R|auto",
            unit="Å",
        ),
    )
    max_factors: int = field(
        default=4, metadata=_about("potential", "most moments in one product", integer(1))
    )
    max_mu: int = field(
        default=5, metadata=_about("potential", "largest index mu of a radial function", integer(0))
    )
    max_nu: int = field(
        default=10, metadata=_about("potential", "largest rank nu of a moment", integer(0))
    )
    max_parameters: int = field(
        default=0,
        metadata=_about(
            "potential",
            "most parameters: of those of the level the most useful are kept, which beats all of "
            "a lower level; 0: all of them",
            integer(0),
        ),
    )
    energy_weight: float = field(
        default=1.0,
        metadata=_about("loss", "weight of energies, per eV^2", number(0.0), "W", unit="eV⁻²"),
    )
    force_weight: float = field(
        default=0.01,
        metadata=_about(
            "loss", "weight of forces, per (eV/angstrom)^2", number(0.0), "W", unit="(eV/Å)⁻²"
        ),
    )
    stress_weight: float = field(
        default=0.001,
        metadata=_about(
            "loss",
            "weight of virials (stress times volume), per eV^2",
            number(0.0),
            "W",
            unit="eV⁻²",
        ),
    )
    weighting: Weighting = field(
        default="vibrations",
        metadata=_about(
            "loss",
            "how the size of a frame counts: vibrations (snapshots of dynamics), molecules (total "
            "energies) or structures (energies and forces per atom)",
            choice(*get_args(Weighting)),
            "NAME",
        ),
    )
    scale_by_force: float = field(
        default=0.0,
        metadata=_about(
            "loss",
            "s > 0 multiplies the weight of a force F by s/(F^2 + s), so that large ones count "
            "less; 0: off",
            number(0.0),
            "S",
            unit="(eV/Å)²",
        ),
    )
    scale_by_energy: float = field(
        default=0.0,
        metadata=_about(
            "loss",
            "s > 0 multiplies the weights of a frame by s/(d + s), d its energy per atom above the "
            "lowest of the data, so that structures nobody will meet count less; 0: off",
            number(0.0),
            "S",
            unit="eV",
        ),
    )
    group_weights: Mapping[str, float] = field(
        default_factory=dict,
        metadata=_about(
            "loss",
            "factors on the weights of groups; single frames have info keys for that: weight, or "
            "energy_weight, force_weight, stress_weight",
            parse_factors,
            "NAME=X,...",
            "{ Surface = 2.0, Elastic = 0.5 }",
        ),
    )
    ridge: float | Literal["auto"] = field(
        default=1e-10,
        metadata=_about(
            "loss",
            "ridge of the linear solves, relative; auto: by five-fold cross-validation over frames",
            _ridge,
            "X|auto",
        ),
    )
    solver: str = field(
        default="variable-projection",
        metadata=_about("optimization", _solver_help(), choice(*SOLVERS), "NAME"),
    )
    features: int | None = field(
        default=None,
        metadata=_about(
            "optimization",
            "coefficients of scalars that lasso and elimination keep; without, by five-fold "
            "cross-validation over frames",
            integer(1),
            example="40",
        ),
    )
    prior: Literal["flat", "level"] = field(
        default="flat",
        metadata=_about(
            "optimization",
            "prior width of the coefficients in ridge and bayesian-ridge: flat, or level, which "
            "decays with the level of the scalar as fast as the data say",
            choice("flat", "level"),
            "NAME",
        ),
    )
    energy_correlation: float = field(
        default=0.0,
        metadata=_about(
            "optimization",
            "correlation C of the errors of energies of neighbors in a trajectory, that of k-th "
            "neighbors being C^k; 0: independent",
            number(0.0, 1.0),
            "C",
        ),
    )
    max_steps: int | None = field(
        default=None,
        metadata=_about(
            "optimization",
            f"most steps of the solver; without, {SOLVERS['variable-projection'].max_steps}, and "
            f"{SOLVERS['bfgs'].max_steps} for bfgs and l-bfgs",
            integer(1),
            example="60",
        ),
    )
    tolerance: float = field(
        default=1e-4,
        metadata=_about(
            "optimization",
            "stop when steps lower the loss by less than this share of it",
            number(0.0, 1.0),
            "X",
        ),
    )
    validation: float = field(
        default=0.0,
        metadata=_about(
            "optimization",
            "share of every group of the data to set aside: what does best on it is kept",
            number(0.0, 1.0),
            "SHARE",
        ),
    )
    patience: int = field(
        default=5,
        metadata=_about(
            "optimization",
            "with --validation, stop after so many steps that do no better on it; 0: never",
            integer(0),
        ),
    )
    active_set: Literal["nbh", "cfg", "none"] = field(
        default="nbh",
        metadata=_about(
            "optimization",
            "active set of potential.almtp, for extrapolation grades: nbh (of every atom), cfg (of "
            "whole frames) or none",
            choice("nbh", "cfg", "none"),
            "MODE",
        ),
    )
    ensemble: int = field(
        default=0,
        metadata=_about(
            "optimization",
            "members of a committee, whose spread gives error bars: refits to frames drawn with "
            "replacement, calibrated on the validation frames; 0: none, 8: enough",
            _ensemble,
            "M",
        ),
    )
    threads: int = field(
        default=0, metadata=_about("optimization", "threads; 0: every core", integer(0))
    )
    stream: bool = field(
        default=False,
        metadata=_about(
            "optimization",
            "for data larger than memory: frames stay in a scratch file beside the output, and "
            "neighbor lists are made anew in every pass",
            _switch,
        ),
    )
    seed: int = field(
        default=0,
        metadata=_about("optimization", "seed of the start and of the validation", integer(0)),
    )
    seeds: int = field(
        default=1,
        metadata=_about(
            "optimization",
            "starts to train from, with seeds from --seed on; the best is kept, by its validation "
            "if there is one, else by its loss",
            integer(1),
        ),
    )

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, without the shape where ``start`` gives it."""
        omitted = SHAPE if self.start is not None else ()
        return {
            item.name: _plain(getattr(self, item.name))
            for item in fields(self)
            if item.name not in omitted
        }


NOTHING: tuple[Any, ...] = (None, (), {})
"""Defaults that say nothing: there is no value to show."""

SHAPE = (
    "level",
    "cutoff",
    "min_distance",
    "radial_size",
    "radial_basis",
    "max_factors",
    "max_mu",
    "max_nu",
    "core",
    "core_outer",
)
"""Fields that a starting potential fixes."""


def options() -> list[tuple[str, Option, Any]]:
    """Name, description and default (`dataclasses.MISSING` if required) of every setting."""
    return [(item.name, option_of(item), _default(item)) for item in fields(Settings)]


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def option_of(item: Field[Any]) -> Option:
    """Return the description that a field of `Settings` carries."""
    described: Option = item.metadata["option"]
    return described


def load_settings(path: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Take the settings of a TOML file and override them by the flags that are given.

    Parameters
    ----------
    path
        Settings file, or None.
    flags
        Field name to value.

    Raises
    ------
    FormatError
        The file is not TOML.
    InputError
        Unknown key, value of the wrong kind, or a required setting that nobody gives; the
        message names file and key, or the flag.
    """
    from_file = {} if path is None else _parse(read_toml(path), lambda key: f"{path}: {key}")
    from_flags = _parse(flags, lambda key: f"--{key.replace('_', '-')}")
    values = from_file | from_flags
    _check_complete(values)
    _check_start(values, flags)
    settings = Settings(**values)
    _check_sense(settings)
    return settings


def read_toml(path: Path) -> dict[str, Any]:
    """Keys and values of a settings file, keys in the spelling of `Settings`.

    Raises
    ------
    InputError, FormatError
        The file cannot be read, is not TOML, or has an unknown or repeated key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        hint = "" if path.suffix == ".toml" else "; frames to train on are given by --data"
        raise FormatError(f"{path}: not a TOML file: {error}{hint}") from error
    result: dict[str, Any] = {}
    for key, value in content.items():
        name = _known(path, key)
        if name in result:
            raise InputError(f"{path}: {name} is given twice, with a dash and an underscore")
        result[name] = value
    return result


def template() -> str:
    """Write a commented settings file: every key with its meaning and its default."""
    lines = [
        "# Settings of mlp-train: `mlp-train settings.toml`. Every key is the name of a flag,",
        "# and a flag on the command line overrides it. Paths are relative to the folder",
        "# in which the command runs.",
    ]
    section = ""
    for name, option, default in options():
        if option.section != section:
            section = option.section
            lines += ["", f"# --- {section} ---"]
        lines += _template_lines(name, option, default)
    return "\n".join(lines) + "\n"


def format_settings(values: Mapping[str, Any]) -> str:
    """Write a settings file with these values, as `Settings.as_dict` has them.

    Leaves out what is not set, and ``overwrite``, which is for the hand at the keyboard.
    """
    lines: list[str] = []
    section = ""
    for name, option, _ in options():
        if name == "overwrite" or values.get(name) in (None, []):
            continue
        if option.section != section:
            section = option.section
            lines += ["", f"# --- {section} ---"]
        lines.append(f"{name.replace('_', '-')} = {_toml(values[name])}")
    return "\n".join(lines[1:]) + "\n"


def _template_lines(name: str, option: Option, default: Any) -> Iterable[str]:
    key = name.replace("_", "-")
    yield ""
    yield from textwrap.wrap(option.help, 96, initial_indent="# ", subsequent_indent="# ")
    if default is MISSING:
        yield f"{key} = {option.example}"
    elif default in NOTHING:
        yield f"# {key} = {option.example}"
    else:
        yield f"{key} = {_toml(default)}"


def _parse(values: Mapping[str, Any], where: Callable[[str], str]) -> dict[str, Any]:
    parsers = {name: option.parse for name, option, _ in options()}
    result = {}
    for key, value in values.items():
        try:
            result[key] = parsers[key](value)
        except ValueError as error:
            raise InputError(f"{where(key)} = {value!r}: {error}") from error
    return result


def _known(path: Path, key: str) -> str:
    names = [item.name for item in fields(Settings)]
    name = key.replace("-", "_")
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0].replace('_', '-')}?" if near else "see mlp-train --template"
    raise InputError(f"{path}: unknown key {key}; {hint}")


def _check_complete(values: Mapping[str, Any]) -> None:
    for name, _, default in options():
        if default is MISSING and name not in values:
            raise InputError(
                f"no {name}: give --{name}, or a settings file that has it (mlp-train --template)"
            )


def _check_start(values: Mapping[str, Any], flags: Mapping[str, Any]) -> None:
    given = [f"--{name.replace('_', '-')}" for name in SHAPE if name in flags]
    if "start" in values and given:
        raise InputError(
            f"{values['start']} fixes the shape of the potential: leave out {', '.join(given)}"
        )


def _check_sense(settings: Settings) -> None:
    if not (settings.energy_weight or settings.force_weight or settings.stress_weight):
        raise InputError("all three weights are zero: there is nothing to fit")
    if settings.stream and settings.solver in ("huber", "least-absolute"):
        raise InputError(f"--solver {settings.solver} needs all residuals in memory: no --stream")
    if settings.stream and settings.energy_correlation > 0.0:
        raise InputError("--energy-correlation needs all frames in memory: leave out --stream")
    for name in ("ridge", "features", "prior"):
        heeding = [each for each, solver in SOLVERS.items() if name in solver.heeds]
        untouched = next(default for key, _, default in options() if key == name)
        if settings.solver not in heeding and getattr(settings, name) != untouched:
            raise InputError(
                f"--solver {settings.solver} has no use for --{name}; it is for "
                f"{', '.join(heeding)}"
            )


def _toml(value: Any) -> str:
    """Write a value as TOML does, which for these kinds is as JSON does."""
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
