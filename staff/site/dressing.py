"""What Sphinx is taught for the site: equations without a script, results as lists.

And pages that can be read without a mouse, or heard.
"""

import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.inspect import signature, stringify_signature

from staff.report.page import equation

_LOG = logging.getLogger(__name__)
_NAMED = re.compile(r"(\w+): (.*)")
# What Sphinx and its theme write -> what a keyboard reaches and a screen reader names.
_MENDED = {
    # What scrolls sideways where the page is narrow.
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    # Headings in the list of pages, without a level.
    'class="caption" role="heading"': 'class="caption" role="heading" aria-level="2"',
    # Two of a kind, which only their names tell apart.
    '<aside class="sidebar-drawer">': (
        '<aside class="sidebar-drawer" aria-label="Site">'
    ),
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="Page">',
    '<aside class="toc-drawer no-toc">': (
        '<aside class="toc-drawer no-toc" aria-label="Page">'
    ),
    # The corner of a table says nothing.
    '<th class="head"><p></p></th>': "<td></td>",
    '<div id="search-results">': '<h1>Search</h1>\n<div id="search-results">',
}
# A line must not begin with the comma behind an equation.
_COMMA = re.compile(r"(<math (?:(?!</math>).)*</math>[,.;:)?!]+)", re.DOTALL)


def setup(app: Sphinx) -> None:
    """Register all of it."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    # Before Napoleon, whose priority is 500, sees the docstring.
    app.connect("autodoc-process-docstring", _results, priority=400)
    app.connect("autodoc-process-signature", _signature)
    app.connect("doctree-read", _without_folder)
    app.connect("build-finished", _mend)


def _without_folder(_: Sphinx, document: nodes.document) -> None:
    """Begin the paths that constants hold at the tree that the package lies in."""
    import cs231n

    folder = str(Path(cs231n.__file__).resolve().parents[1])
    for text in list(document.findall(nodes.Text)):
        if folder in text:
            shorter = text.replace(folder + os.sep, "").replace(folder, ".")
            text.parent.replace(text, nodes.Text(shorter))


def _mend(app: Sphinx, failed: Exception | None) -> None:
    for path in Path(app.outdir).rglob("*.html") if failed is None else ():
        text = path.read_text("utf-8")
        for written, mended in _MENDED.items():
            text = text.replace(written, mended)
        text = _COMMA.sub(r'<span class="equation-and-comma">\1</span>', text)
        path.write_text(text, "utf-8")


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(_drawn(node, display=False))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(_drawn(node, display=True))
    raise nodes.SkipNode


def _drawn(node: nodes.Element, display: bool) -> str:
    drawn = equation(node.astext(), display=display)
    if "<math" not in drawn:
        _LOG.warning("cannot be drawn as MathML: %s", node.astext(), location=node)
    return drawn


def _signature(
    _: Any, what: str, __: str, thing: Any, ___: Any, ____: Any, returns: Any
) -> tuple[str, Any] | None:
    """Give a class its own arguments: stand-ins, where they are bases, take any."""
    if what != "class" or not getattr(thing, "__sphinx_mock__", False):
        return None
    if not inspect.isfunction(thing.__init__):
        return None
    found = signature(thing.__init__, bound_method=True)
    return stringify_signature(found, show_annotation=False), returns


def _results(
    _: Any, __: str, ___: str, ____: Any, _____: Any, lines: list[str]
) -> None:
    session, escaped = False, []
    for line in lines:
        session = line.lstrip().startswith(">>>") or (session and bool(line.strip()))
        escaped.append(line if session else _plain(line))
    lines[:] = with_results(escaped)


def _plain(line: str) -> str:
    """Let stars and bars be what they are: docstrings mark code and nothing else."""
    parts = re.split(r"(``.*?``)", line)
    parts[::2] = [re.sub(r"[*|]", r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


def with_results(lines: list[str]) -> list[str]:
    """Write a docstring's results as a list, each with its name and its shape.

    Napoleon takes what stands before a colon for a type, and knows one result only.

    Args:
        lines: The docstring.
    """
    made: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.rstrip() not in {"Returns:", "Yields:"}:
            made.append(line)
            continue
        below = []
        while at < len(lines) and (not lines[at].strip() or lines[at].startswith(" ")):
            below.append(lines[at])
            at += 1
        made += ["", f":{'returns' if line.startswith('R') else 'yields'}:"]
        made += [*(f"    {text}" for text in _items(below)), ""]
    return made


def _items(lines: list[str]) -> Iterator[str]:
    margin = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    plain = [line[margin:].rstrip() for line in lines]
    heads = [line for line in plain if line and not line.startswith(" ")]
    listed = bool(heads) and all(map(_NAMED.fullmatch, heads))
    for line in plain:
        found = _NAMED.fullmatch(line) if listed and not line.startswith(" ") else None
        if found:
            yield f"* **{found[1]}** -- {found[2]}"
        else:
            yield f"  {line.strip()}" if listed and line else line
