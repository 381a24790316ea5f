"""Fields of a dataclass that are flags and keys of a TOML file at once, with help and parser."""

from __future__ import annotations

import difflib
import json
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import TYPE_CHECKING, Any

from mtpot.errors import FormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from mtpot.train.parsers import Parser

NOTHING: tuple[Any, ...] = (None, (), {})
"""Defaults that say nothing: there is no value to show."""


@dataclass(frozen=True, slots=True)
class Option:
    """What makes a field of a dataclass a flag and a TOML key."""

    section: str
    help: str
    parse: Parser
    metavar: str
    example: str
    unit: str


def about(  # noqa: PLR0913, PLR0917 - the fields of `Option`
    section: str, text: str, parse: Parser, metavar: str = "N", example: str = "", unit: str = ""
) -> dict[str, Option]:
    """Metadata of a field; `example` is TOML, for a field without a default to show."""
    return {"option": Option(section, text, parse, metavar, example, unit)}


def options_in(record: type) -> list[tuple[str, Option, Any]]:
    """Name, description and default (`dataclasses.MISSING` if required) of every field."""
    return [(item.name, item.metadata["option"], _default(item)) for item in fields(record)]


def read_table(path: Path, hint: str = "") -> dict[str, Any]:
    """Content of a TOML file; `hint` is for a file that is something else.

    Raises
    ------
    InputError, FormatError
        The file cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        said = "" if path.suffix == ".toml" else hint
        raise FormatError(f"{path}: not a TOML file: {error}{said}") from error


def spelled(
    record: type, content: Mapping[str, Any], where: str, template: str, known: Iterable[str] = ()
) -> dict[str, Any]:
    """Keys of a table in the spelling of the fields.

    Raises
    ------
    InputError
        A key is unknown (neither a field nor in `known`) or repeated; the message begins with
        `where`, and names the nearest or the command `template` that lists them.
    """
    names = [*(item.name for item in fields(record)), *known]
    result: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0].replace('_', '-')}?" if near else f"see {template}"
            raise InputError(f"{where}: unknown key {key}; {hint}")
        if name in result:
            raise InputError(f"{where}: {name} is given twice, with a dash and an underscore")
        result[name] = value
    return result


def parse_values(
    record: type, values: Mapping[str, Any], where: Callable[[str], str]
) -> dict[str, Any]:
    """Values as the fields hold them; `where` names a key in messages.

    Raises
    ------
    InputError
        A value is of the wrong kind.
    """
    parsers = {name: option.parse for name, option, _ in options_in(record)}
    result = {}
    for key, value in values.items():
        try:
            result[key] = parsers[key](value)
        except ValueError as error:
            raise InputError(f"{where(key)} = {value!r}: {error}") from error
    return result


def template_lines(name: str, option: Option, default: Any) -> Iterator[str]:
    """Lines of a commented settings file for one key."""
    key = name.replace("_", "-")
    yield ""
    yield from textwrap.wrap(option.help, 96, initial_indent="# ", subsequent_indent="# ")
    if default is MISSING:
        yield f"{key} = {option.example}"
    elif default in NOTHING:
        yield f"# {key} = {option.example}"
    else:
        yield f"{key} = {toml(default)}"


def toml(value: Any) -> str:
    """Write a value as TOML does, which for these kinds, but for tables, is as JSON does."""
    if isinstance(value, Mapping):
        items = (f"{toml(name)} = {toml(each)}" for name, each in value.items())
        return f"{{ {', '.join(items)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()
