"""The parts of a self-contained page: tables, figures and cards as escaped HTML, in one calm style.

Nothing is loaded from anywhere: pictures are inside the file, there are no scripts, and the page's own security
policy forbids both.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape as _escape
from typing import Any

import numpy as np

from minnet.canvas import BLUE, GRID, INK, PALE, QUIET, RULE
from minnet.formatting import OVERRIDES, isolated, percent

# Those of the figures; tests hold each colour of text to a contrast of 4.5 at the least on what it stands on.
COLORS = {
    "ink": INK, "quiet": QUIET, "blue": BLUE, "paper": "#ffffff", "shade": "#f4f6f8", "rule": RULE, "grid": GRID,
    "pale": PALE,
}  # fmt: skip
CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 49rem; padding: 2.5rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .75rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3rem 0 .75rem; padding-top: 1rem; border-top: 1px solid #d0d0d0; }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p { margin: 0 0 .75rem; max-width: 42rem; }
.lead { font-size: 1.2rem; line-height: 1.45; }
nav { margin: 1.25rem 0 0; color: var(--quiet); }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; }
a { color: var(--blue); }
.scroll { overflow-x: auto; background-attachment: local, scroll; background-position: right;
  background-repeat: no-repeat; background-size: 2rem 100%, .75rem 100%;
  background-image: linear-gradient(var(--paper), var(--paper)), linear-gradient(to left, #00000026, #00000000); }
table { border-collapse: collapse; width: 100%; margin: 0 0 1rem; font-size: .925rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding: 0 0 .5rem; position: sticky; left: 0;
  max-width: calc(100vw - 2.5rem); }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--grid); }
thead th { border-bottom: 1px solid var(--rule); color: var(--quiet); font-weight: 600; }
tbody th { font-weight: 600; min-width: 9rem; }
th.n, td.n { text-align: right; white-space: nowrap; }
tr.sum th, tr.sum td { background: var(--shade); }
figure { margin: 1.25rem 0 2rem; }
figure img { display: block; max-width: calc(100% + .5rem); height: auto; margin-left: -.5rem; }
figcaption, .note { color: var(--quiet); font-size: .925rem; line-height: 1.5; max-width: 42rem; margin-top: .5rem; }
pre { background: var(--shade); color: var(--ink); padding: .75rem 1rem; overflow-x: auto; font-size: .875rem; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
.cards { list-style: none; margin: 0; padding: 0; }
.cards > li { display: grid; grid-template-columns: minmax(0, 1fr) 19rem; gap: .25rem 1.5rem; padding: .75rem 0;
  border-bottom: 1px solid var(--grid); }
.verdict { margin: 0 0 .15rem; font-size: .925rem; }
.wrong { font-weight: 700; }
blockquote { margin: 0; white-space: pre-line; }
.bars { display: grid; align-content: start; gap: .25rem; list-style: none; margin: 0; padding: 0; font-size: .85rem;
  font-variant-numeric: tabular-nums; }
.bars li { display: grid; grid-template-columns: 7.5rem 1fr 3.2rem; gap: .5rem; align-items: center; }
.bars .name { line-height: 1.3; }
.bars .track { display: block; height: .6rem; }
.bars .fill { display: block; height: 100%; min-width: 1px; background: var(--pale); border: 1px solid var(--blue); }
.bars .true .fill { background: var(--blue); }
.bars .digits { text-align: right; white-space: nowrap; }
@media (max-width: 40rem) {
  body { padding-top: 1.5rem; }
  .cards > li { grid-template-columns: minmax(0, 1fr); }
  tbody th { min-width: 8.75rem; }
  tbody td:not(.n) { min-width: 13rem; }
  figure.wide { overflow-x: auto; }
  figure.wide img { max-width: none; width: 40rem; }
}
@media print {
  html { font-size: 10pt; }
  body { max-width: none; padding: 0; }
  nav { display: none; }
  h2, h3 { break-after: avoid; }
  pre { white-space: pre-wrap; }
  .scroll { overflow: visible; background-image: none; }
  figure, tr, .cards > li { break-inside: avoid; }
  .bars .fill { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
_UNSHOWABLE = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff{OVERRIDES}]")


def escape(text: Any) -> str:
    """Text for HTML, safe in attributes as well; control characters, and those that turn the direction, become "�"."""
    return _escape(_UNSHOWABLE.sub("\ufffd", str(text)), quote=True)


def page(title: str, lead: Sequence[str], sections: Mapping[str, str], css: str = "") -> str:
    """The whole document: a title, its lead paragraphs, and sections {heading: HTML}; `css` is added to the style."""
    colors = " ".join(f"--{name}: {value};" for name, value in COLORS.items())
    links = "".join(f'<li><a href="#s{i}">{escape(name)}</a></li>' for i, name in enumerate(sections))
    body = "".join(
        f'<section id="s{i}"><h2>{escape(h)}</h2>\n{html}</section>\n' for i, (h, html) in enumerate(sections.items())
    )
    first = f'<p class="lead">{escape(lead[0])}</p>' + "".join(f"<p>{escape(text)}</p>" for text in lead[1:])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="generator" content="minnet">
<title>{escape(title)}</title>
<style>:root {{ {colors} }}{CSS}{css}</style>
</head>
<body>
<header><h1>{escape(title)}</h1>
{first}
<nav aria-label="Contents"><ul>{links}</ul></nav></header>
<main>
{body}</main>
</body>
</html>
"""


def figure(png: bytes, caption: str, width: float) -> str:
    """A picture inside the page, `width` inches wide; its caption is its text alternative too."""
    pixels = round(width * 96)
    data = base64.b64encode(png).decode()
    kind = ' class="wide"' if width > 6 else ""
    return (
        f'<figure{kind}><img src="data:image/png;base64,{data}" width="{pixels}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )


def table(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[Any]], numeric: Sequence[int] = (), sums: int = 0
) -> str:
    """A table whose first column heads its rows; `numeric` columns are right-aligned, the last `sums` rows shaded."""

    def cell(i: int, value: Any, tag: str, scope: str = "") -> str:
        kind = ' class="n"' if i in numeric else ""
        return f"<{tag}{scope}{kind}>{escape(value)}</{tag}>"

    head = "".join(cell(i, name, "th", ' scope="col"') for i, name in enumerate(header))
    lines = []
    for number, row in enumerate(rows):
        kind = ' class="sum"' if number >= len(rows) - sums else ""
        rest = "".join(cell(i, value, "td") for i, value in enumerate(row[1:], 1))
        first = re.sub("([_.])", r"\1<wbr>", cell(0, row[0], "th", ' scope="row"'))  # a line ends rather there
        lines.append(f"<tr{kind}>{first}{rest}</tr>")
    body = "\n".join(lines)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )


def card(text: str, label: int, probabilities: np.ndarray, classes: Sequence[str]) -> str:
    """One text, whether it was classified rightly, and its three highest probabilities as bars with digits; that of
    the true class stands behind them where it is lower."""
    said = int(probabilities.argmax())
    right = said == label
    truth, other = isolated(classes[label]), isolated(classes[said])
    verdict = f"✓ right: {truth}" if right else f"✗ wrong: says {other}, truth is {truth}"
    bars = []
    highest = np.argsort(-probabilities, kind="stable")[:3].tolist()
    for k in highest if label in highest else [*highest, label]:
        p = float(probabilities[k])
        kind, true = (' class="true"', " (true)") if k == label else ("", "")
        bars.append(
            f'<li{kind}><span class="name">{escape(isolated(classes[k]))}{true}</span><span class="track">'
            f'<span class="fill" style="width:{100 * p:.1f}%"></span></span>'
            f'<span class="digits">{escape(percent(p))}</span></li>'
        )
    mark = "verdict" if right else "verdict wrong"
    return (
        f'<li><div><p class="{mark}">{escape(verdict)}</p><blockquote dir="auto">{escape(text)}</blockquote></div>'
        f'<ol class="bars">{"".join(bars)}</ol></li>\n'
    )


def cards(heading: str, items: Sequence[str]) -> str:
    """A heading and its cards."""
    return f'<h3>{escape(heading)}</h3>\n<ul class="cards">{"".join(items)}</ul>\n'


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>\n"


def note(text: str) -> str:
    """A remark below a table or a list."""
    return f'<p class="note">{escape(text)}</p>\n'


def code(text: str) -> str:
    """A command as it was typed."""
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>\n'
