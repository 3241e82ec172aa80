"""The report of a run: one HTML file that opens from disk and loads nothing.

What notebooks print is data, never markup: everything is escaped, pictures are
embedded, and equations become MathML.
"""

from __future__ import annotations

import base64
import math
import mimetypes
import re
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import jinja2
import mistune
import nbformat
from latex2mathml.converter import convert
from markupsafe import Markup, escape
from mistune.plugins.math import math as math_plugin
from mistune.plugins.math import math_in_list, math_in_quote
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from cs231n.assignment.answers import CHECKS_MIME
from staff.course import course
from staff.report.results import Cell, Check, Outcome, Result, Run

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml", "image/webp")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\].*?(?:\x07|\x1b\\)|\x1b.")
_ENVIRONMENT = (
    r"^ {0,3}(?P<environment>\\begin\{(?P<kind>[a-z]+\*?)\}"
    r"[\s\S]*?\\end\{(?P=kind)\})[ \t]*(?:\n|$)"
)
_COMMENT = re.compile(r"<!--(?:(?!-->)[\s\S])*-->")
_LONGEST_OUTPUT = 20_000
_RELOAD = 30  # seconds
# The elements of MathML that equations are made of.
_MATHML = re.compile(
    r"\{http://www\.w3\.org/1998/Math/MathML\}"
    r"(math|mrow|m[ions]|mtext|mspace|mstyle|msub|msup|msubsup|mfrac|msqrt|mroot"
    r"|mover|munder|munderover|mtable|mtr|mtd|mpadded|mphantom|menclose)"
)


@dataclass(frozen=True)
class Picture:
    """A picture that a cell showed: a data URI and what it says to those who listen."""

    uri: str
    alt: str


@dataclass(frozen=True)
class Heading:
    """An entry of the table of contents."""

    anchor: str
    text: str


def render(
    run: Run, notebooks: dict[str, nbformat.NotebookNode], root: Path, left: str = ""
) -> str:
    """Return the whole report as one HTML document.

    As long as the run goes on the document reloads itself and says what runs.

    Args:
        run: The facts.
        notebooks: Executed notebooks by name; those not yet run have no outputs.
        root: Folder in which the notebooks' own pictures are looked up.
        left: How long a run that goes on will take, in words.
    """
    templates = environment()
    templates.filters |= {
        "duration": _duration,
        "number": _number,
        "margin": _margin,
        "memory": _memory,
        "bar": _bar,
        "foldable": _foldable,
    }
    sections = []
    for result in run.results:
        blocks, headings = _blocks(notebooks[result.name], result, root)
        sections.append({"result": result, "blocks": blocks, "headings": headings})
    return templates.get_template("report.html.j2").render(
        run=run,
        course=course(),
        sections=sections,
        totals=_totals(run),
        left=left,
        reload=_RELOAD,
        written=time.strftime("%H:%M"),
        broken=[
            *((o, f"data-{o.name}", _ending(o)) for o in run.data if o.reason),
            *(item for result in run.results for item in _broken(result)),
        ],
        warned=[item for result in run.results for item in _warned(result)],
    )


def _foldable(name: str) -> Markup:
    """Let a name of several words be broken between them, on a narrow screen."""
    words = re.split(r"(?<=[-_])|(?<=[a-z])(?=[A-Z])", name)
    return Markup("<wbr>").join(words)


def environment(*folders: Path) -> jinja2.Environment:
    """Return what renders pages that look like the report, everything escaped.

    Args:
        *folders: Where further templates lie.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.globals |= {
        "light": Markup(HtmlFormatter(style="friendly").get_style_defs("pre.code")),
        "dark": Markup(HtmlFormatter(style="github-dark").get_style_defs("pre.code")),
    }
    return made


def coloured(source: str) -> Markup:
    """Return Python, coloured, for a ``<pre class="code">``."""
    return Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))


def prose(text: str, name: str, root: Path) -> Markup:
    """Return Markdown as HTML in which all that could act is taken out.

    Args:
        text: The Markdown.
        name: What anchors of its headings begin with.
        root: Folder in which pictures are looked up.
    """
    return Markup(_markdown(_Renderer(name, root))(text))


def _markdown(renderer: _Renderer) -> mistune.Markdown:
    return mistune.create_markdown(renderer=renderer, plugins=["table", _equations])


def pictures(output: dict[str, Any]) -> list[Picture]:
    """Return the picture of an output: none or one, in the best form it comes in."""
    data = output.get("data", {})
    for kind in _PICTURES:
        if kind not in data:
            continue
        about = output.get("metadata", {})
        own = about.get(kind)
        alt = (own.get("alt") if isinstance(own, dict) else None) or about.get("alt")
        content = data[kind]
        if kind == "image/svg+xml":
            content = base64.b64encode(content.encode()).decode()
        uri = f"data:{kind};base64,{''.join(content.split())}"
        return [Picture(uri, str(alt or "").strip())]
    return []


def first_line(source: str) -> str:
    """Return the first line of a cell that is neither a comment nor a magic command."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    return next((x for x in lines if not x.startswith(("#", "%"))), lines[0])


def plain(text: str) -> str:
    """Return printed text as a terminal would leave it: last states, no colours."""
    lines = []
    for line in _CONTROL.sub("", text).replace("\r\n", "\n").split("\n"):
        states = [state for state in line.split("\r") if state.strip()]
        lines.append((states[-1] if states else "").rstrip())
    text = "\n".join(lines).strip("\n")
    text = "".join(c for c in text if c in "\n\t" or ord(c) >= 32)
    if len(text) > _LONGEST_OUTPUT:
        half = _LONGEST_OUTPUT // 2
        text = f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[-half:]}"
    return text


def _totals(run: Run) -> dict[str, float]:
    results = run.results
    names = {result.name for result in results}
    cells = [cell for result in results for cell in result.cells]
    return {
        "checks": sum(len(result.checks) for result in results),
        "passed": sum(len(result.checks) - len(result.failures) for result in results),
        "cells": len(cells),
        "cells_done": sum(cell.status != "not run" for cell in cells),
        "figures": sum(result.figures for result in results),
        "done": len(results) - len({*run.named("waiting", "running")} & names),
    }


def _anchor(result: Result, index: int) -> str:
    return f"{result.name}-cell-{index}"


def _ending(outcome: Outcome) -> str:
    """Return how a job ended before its time, and why."""
    return f"{outcome.status}, as {outcome.reason}"


def _broken(result: Result) -> list[tuple[Result, str, str]]:
    """List what made a notebook fail: where it is, and in words."""
    found = []
    if result.reason:
        found.append((result, result.name, _ending(result)))
    for check in result.failures:
        found.append((result, _anchor(result, check.cell), f"{check.name} failed"))
    blamed = {check.cell for check in result.failures}
    for cell in result.cells:
        if cell.status == "failed" and cell.index not in blamed:
            where = f"the cell “{cell.label}” raised an error"
            found.append((result, _anchor(result, cell.index), where))
    return found


def _warned(result: Result) -> list[tuple[Result, str, str]]:
    """List warnings, and pictures that say nothing to those who cannot see them."""
    labels = {cell.index: cell.label for cell in result.cells}
    found = [
        (result, _anchor(result, w["cell"]), f"a warning in “{labels[w['cell']]}”")
        for w in result.warnings
    ]
    if result.figures_without_alt:
        number = result.figures_without_alt
        found.append((result, result.name, f"pictures without a description: {number}"))
    return found


def _blocks(
    notebook: nbformat.NotebookNode, result: Result, root: Path
) -> tuple[list[dict[str, Any]], list[Heading]]:
    """Return a notebook as blocks for the template, and its headings."""
    renderer = _Renderer(result.name, root)
    markdown = _markdown(renderer)
    cells = {cell.index: cell for cell in result.cells}
    blocks: list[dict[str, Any]] = []
    for index, node in enumerate(notebook.cells):
        if node.cell_type == "markdown":
            blocks.append({"kind": "prose", "html": Markup(markdown(node.source))})
        elif index in cells:
            blocks.append(_code_block(node, cells[index], result, markdown))
    return blocks, renderer.headings


def _code_block(
    node: nbformat.NotebookNode, cell: Cell, result: Result, markdown: Any
) -> dict[str, Any]:
    """Return one executed cell: its source, then what it showed, in order."""
    tables = _tables([check for check in result.checks if check.cell == cell.index])
    shown: list[dict[str, Any]] = []
    for output in _joined(node.outputs):
        data = output.get("data", {})
        if output["output_type"] == "error":
            trace = plain("\n".join(output["traceback"]))
            said = plain(f"{output['ename']}: {output['evalue']}")
            shown.append({"kind": "error", "text": said, "trace": trace})
        elif output["output_type"] == "stream":
            if text := plain(output["text"]):
                kind = "warning" if output["name"] == "stderr" else "text"
                shown.append({"kind": kind, "text": text})
        elif CHECKS_MIME in data:
            if tables:
                shown.append({"kind": "checks", **tables.pop(0)})
        elif found := pictures(output):
            fallback = f"Picture from the cell “{cell.label}”, without a description."
            shown += [
                {"kind": "picture", "uri": p.uri, "alt": p.alt or fallback}
                for p in found
            ]
        elif "text/markdown" in data:
            shown.append(
                {"kind": "prose", "html": Markup(markdown(data["text/markdown"]))}
            )
        elif text := plain(data.get("text/plain", "")):
            shown.append({"kind": "text", "text": text})
    # Tables published together come one after another; none is lost.
    shown += [{"kind": "checks", **table} for table in tables]
    return {
        "kind": "code",
        "cell": cell,
        "anchor": _anchor(result, cell.index),
        "first": first_line(node.source),
        "source": coloured(node.source),
        "outputs": shown,
    }


def _tables(checks: list[Check]) -> list[dict[str, Any]]:
    """Group a cell's checks by the title before their names."""
    tables: list[dict[str, Any]] = []
    for check in checks:
        title, _, name = check.name.rpartition(": ")
        if not tables or tables[-1]["title"] != title:
            tables.append({"title": title, "rows": []})
        tables[-1]["rows"].append((name, check))
    return tables


def _joined(outputs: list[Any]) -> list[dict[str, Any]]:
    """Join pieces of one stream that follow one another."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output["output_type"] == "stream" and output["name"] == last.get("name"):
            last["text"] += output["text"]
        else:
            joined.append(dict(output))
    return joined


def _equations(md: mistune.Markdown) -> None:
    """Let Markdown know dollar signs, and environments that stand without them."""
    math_plugin(md)
    math_in_list(md)
    math_in_quote(md)
    md.block.register(
        "math_environment", _ENVIRONMENT, _take_environment, before="block_math"
    )
    assert md.renderer is not None
    for kind, display in (("inline_math", False), ("block_math", True)):
        md.renderer.register(kind, partial(_equation, display=display))


def _take_environment(_: Any, found: re.Match[str], state: mistune.BlockState) -> int:
    state.append_token({"type": "block_math", "raw": found["environment"]})
    return found.end()


class _Renderer(mistune.HTMLRenderer):
    """Markdown as HTML: headings one level down, pictures embedded, equations drawn."""

    def __init__(self, name: str, root: Path) -> None:
        super().__init__(escape=True)
        self.name, self.root = name, root
        self.headings: list[Heading] = []

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        """Give each heading an anchor, and the second level a place in the contents."""
        del attrs
        if level == 1 and not self.headings:
            return ""  # the section's own heading says it
        anchor = f"{self.name}-{len(self.headings) + 1}"
        words = Markup(text).striptags()
        self.headings.append(Heading(anchor, words if level <= 2 else ""))
        tag = f"h{min(max(level, 2) + 1, 6)}"
        return f'<{tag} id="{anchor}">{text}</{tag}>\n'

    def codespan(self, text: str) -> str:
        """Keep short code such as ``1e-8`` on one line."""
        kind = ' class="short"' if len(text) <= 24 else ""
        return f"<code{kind}>{escape(text)}</code>"

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """Keep links to the web; others point nowhere from a report."""
        return super().link(text, url, title) if re.match("https?:", url) else text

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Embed a picture of the project; of others the description is left."""
        del title
        alt = Markup(text).striptags()
        path = (self.root / unquote(url)).resolve()
        kind = mimetypes.guess_type(path.name)[0]
        if kind in _PICTURES and path.is_relative_to(self.root) and path.is_file():
            content = base64.b64encode(path.read_bytes()).decode()
            return f'<img src="data:{kind};base64,{content}" alt="{escape(alt)}">'
        return f"<em>[{escape(alt)}]</em>"

    def block_html(self, html: str) -> str:
        """Leave out comments, such as the marks round an answer."""
        return "" if _COMMENT.fullmatch(html.strip()) else super().block_html(html)

    def inline_html(self, html: str) -> str:
        """Leave out comments, such as the marks round an answer."""
        return "" if _COMMENT.fullmatch(html.strip()) else super().inline_html(html)

    def block_code(self, code: str, info: str | None = None) -> str:
        """Colour Python."""
        if info and info.strip().startswith("py"):
            code = highlight(code, PythonLexer(), HtmlFormatter(nowrap=True))
        else:
            code = str(escape(code))
        return f'<pre class="code" tabindex="0">{code}</pre>\n'


def _equation(_: Any, latex: str, *, display: bool) -> str:
    return equation(latex, display=display)


def equation(latex: str, *, display: bool) -> str:
    """Turn LaTeX into MathML, or show it as it stands if that cannot be done whole.

    Args:
        latex: The equation, without dollar signs.
        display: Whether it stands on lines of its own.
    """
    try:
        latex = latex.replace("{aligned}", "{align*}")  # the name it knows
        drawn = convert(latex, display="block" if display else "inline")
        tree = ElementTree.fromstring(drawn)
        # The converter lets unknown commands and foreign tags through.
        torn = "\\" in "".join(tree.itertext())
        torn = torn or any(not _MATHML.fullmatch(tag.tag) for tag in tree.iter())
    except Exception:  # it raises whatever it stumbles over
        torn = True
    if torn:
        drawn = f"<code>{escape(latex.strip())}</code>"
    return f'<div class="equation" tabindex="0">{drawn}</div>' if display else drawn


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


def _memory(outcome: Outcome) -> str:
    return f"{outcome.megabytes:,} MB" if outcome.megabytes else ""


def _number(value: float | None) -> Markup:
    """Write a number as people do: 3.4 × 10⁻⁹, or 0.72."""
    if value is None:
        return Markup("–")
    if value == 0:
        return Markup("0")
    power = math.floor(math.log10(abs(value)))
    if -3 <= power < 5:
        return Markup(f"{value:.4g}".replace("-", "−"))
    digits = f"{value / 10.0**power:.1f}".replace("-", "−")
    if digits.endswith("10.0"):
        digits, power = digits.replace("10.0", "1.0"), power + 1
    front = "" if digits == "1.0" else f"{digits.removesuffix('.0')}\u2009×\u2009"
    return Markup(f"{front}10<sup>{str(power).replace('-', '−')}</sup>")


def _margin(check: Check) -> str:
    """Say how far an error is from its threshold."""
    if check.error is None or check.threshold is None or check.relation == ">=":
        return ""
    if check.error == 0:
        return "exact"
    if check.threshold <= 0 or check.error < 0:
        return ""
    ratio = check.threshold / check.error
    if ratio >= 1:
        return f"{_short(ratio)}× inside"
    return f"{_short(1 / ratio)}× over"


def _short(ratio: float) -> str:
    return f"{ratio:.2g}" if ratio < 10 else f"{float(f'{ratio:.1g}'):,.0f}"


def _bar(check: Check) -> int:
    """Return how full the bar of a check is, in percent: four decades fill it."""
    if check.error is None or not check.threshold or check.relation == ">=":
        return 100 if check.passed else 0
    if check.error <= 0:
        return 100
    decades = abs(math.log10(check.threshold / check.error))
    return round(100 * min(1.0, max(0.06, decades / 4)))
