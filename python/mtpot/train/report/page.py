"""HTML that opens anywhere: one file, no network, every text escaped."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from mtpot.train.report.style import to_svg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtpot.train.report.style import Drawing

# The browser refuses whatever would be fetched, or run, beside what stands in the file.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
_PIXELS = 96  # an inch of CSS


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading; `parts` are HTML already."""

    title: str
    parts: Sequence[str]

    @property
    def anchor(self) -> str:
        """Name that links lead to."""
        return "".join(c if c.isalnum() else "-" for c in self.title.lower())


def document(title: str, sections: Sequence[Section]) -> str:
    """Write the whole page, with a table of contents; sections without parts are left out."""
    shown = [section for section in sections if section.parts]
    links = "\n".join(
        f'<li><a href="#{section.anchor}">{escape(section.title)}</a></li>' for section in shown
    )
    body = "\n".join(_section(section) for section in shown)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">
<title>{escape(title)}</title>
<style>
{_asset("page.css")}</style>
</head>
<body>
<header><h1>{escape(title)}</h1></header>
<nav aria-label="Contents"><ul>
{links}
</ul></nav>
<main>
{body}
</main>
<script>
{_asset("page.js")}</script>
</body>
</html>
"""


def paragraph(text: str) -> str:
    """Write a paragraph."""
    return f"<p>{escape(text)}</p>"


def lead(text: str) -> str:
    """Write the paragraph that is read first."""
    return f'<p class="lead">{escape(text)}</p>'


def notes(texts: Sequence[str], heading: str) -> str:
    """Write a list of warnings; empty without any."""
    if not texts:
        return ""
    items = "\n".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<aside class="notes"><h3>{escape(heading)}</h3>\n<ul>\n{items}\n</ul></aside>'


def preformatted(text: str, label: str) -> str:
    """Write text that is to be copied as it stands."""
    return f'<pre tabindex="0" aria-label="{escape(label)}"><code>{escape(text)}</code></pre>'


def facts(rows: Sequence[tuple[str, str]], caption: str) -> str:
    """Write a table of names and values."""
    lines = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in rows
    )
    return (
        f'<div class="scroll"><table class="facts"><caption>{escape(caption)}</caption>\n'
        f"<tbody>\n{lines}\n</tbody></table></div>"
    )


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str, last: Sequence[str] = ()
) -> str:
    """Write a table whose first column names the rows.

    Readers with JavaScript sort it by a click on a head; a `last` row stays where it is.
    """
    kinds = [_kind(cells) for cells in zip(*rows, strict=True)] or [""] * len(heads)
    columns = "".join(
        f'<th scope="col"{kind}>{_head(head)}</th>' for head, kind in zip(heads, kinds, strict=True)
    )
    body = "\n".join(_row(row, kinds) for row in rows)
    foot = f"<tfoot>\n{_row(last, kinds)}\n</tfoot>" if last else ""
    return (
        f'<div class="scroll"><table class="sortable"><caption>{escape(caption)}</caption>\n'
        f"<thead><tr>{columns}</tr></thead>\n<tbody>\n{body}\n</tbody>{foot}</table></div>"
    )


def gallery(drawings: Sequence[Drawing], images: dict[str, bytes]) -> str:
    """Write figures side by side, as far as there is room; `images` are their PNG files."""
    return f'<div class="gallery">\n{"".join(_figure(each, images) for each in drawings)}</div>'


def _figure(drawing: Drawing, images: dict[str, bytes]) -> str:
    """Write a figure with its caption, the image inside the page."""
    kind, content = "png", images[drawing.name]
    if drawing.vector:
        kind, content = "svg+xml", to_svg(drawing.figure)
    data = base64.b64encode(content).decode("ascii")
    width, height = (round(_PIXELS * length) for length in drawing.figure.get_size_inches())
    return (
        f'<figure><img src="data:image/{kind};base64,{data}" alt="{escape(drawing.alt)}" '
        f'width="{width}" height="{height}">\n'
        f"<figcaption>{escape(drawing.caption)}</figcaption></figure>\n"
    )


def _section(section: Section) -> str:
    content = "\n".join(part for part in section.parts if part)
    return (
        f'<section id="{section.anchor}">\n<h2>{escape(section.title)}</h2>\n{content}\n</section>'
    )


def _row(cells: Sequence[str], kinds: Sequence[str]) -> str:
    name, *values = cells
    data = "".join(
        f"<td{kind}>{escape(value)}</td>" for value, kind in zip(values, kinds[1:], strict=True)
    )
    return f'<tr><th scope="row">{escape(name)}</th>{data}</tr>'


def _head(text: str) -> str:
    """Give a unit, in parentheses at the end, a line of its own."""
    name, parenthesis, unit = text.partition(" (")
    shown = f' <span class="unit">({escape(unit)}</span>' if parenthesis else ""
    return escape(name) + shown


def _kind(cells: Sequence[str]) -> str:
    """Mark a column of words, which stand at the left; numbers at the right are the rule."""
    return ' class="words"' if any(not _is_number(cell) for cell in cells) else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "-"
    return True


def _asset(name: str) -> str:
    return files("mtpot.train.report").joinpath(name).read_text(encoding="utf-8")
