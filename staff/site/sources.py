"""The site's sources: Markdown for Sphinx, gathered from the tree and filled in.

``docs/pages.toml`` lists the pages. A page may stand anywhere in the tree, as READMEs
do; links between files become links between pages, and a link to a file that is no page
of this flavour becomes its name. What stands between double braces is filled in.
"""

import ast
import posixpath
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from staff.course import course
from staff.diagrams.command import described
from staff.questions import ROOT, editions_as_markdown, questions
from staff.report.jobs import TABLE as JOBS
from staff.report.jobs import in_words, read_jobs
from staff.site import making

TABLE = "docs/pages.toml"
FLAVOURS = ("students", "staff")
# Code comes first: a link that stands in it is shown as it is written.
_LINK = re.compile(
    r"(?<!`)(?P<code>`+)(?!`)(?:(?!\n\n).)+?(?<!`)(?P=code)(?!`)"
    r"|(?P<picture>!?)\[(?P<words>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)",
    re.DOTALL,
)
_ASKED = re.compile(r"\{\{([^{}]+)\}\}")
_FENCED = re.compile(r"^( *```.*?^ *```)", re.MULTILINE | re.DOTALL)


class SiteError(Exception):
    """The site cannot be made; the message says what to do about it."""


@dataclass(frozen=True)
class Section:
    """A part of the table of contents.

    Attributes:
        title: Its heading.
        pages: Page -> file, from the root.
        made: Page -> Markdown, of those that are made.
    """

    title: str
    pages: Mapping[str, str]
    made: Mapping[str, str]


def sections(flavour: str) -> list[Section]:
    """Return what one flavour of the site consists of.

    Args:
        flavour: ``students`` or ``staff``.
    """
    return [
        Section(
            row["title"],
            row.get("pages", {}),
            {
                page: text
                for name in row.get("made", ())
                for page, text in making.PAGES[name](flavour).items()
            },
        )
        for row in _rows(flavour)
    ]


def files(flavour: str) -> list[str]:
    """Return the files that pages of one flavour are made of, from the root.

    Args:
        flavour: ``students`` or ``staff``.
    """
    return [file for row in _rows(flavour) for file in row.get("pages", {}).values()]


def _rows(flavour: str) -> list[dict[str, Any]]:
    rows = tomllib.loads((ROOT / TABLE).read_text("utf-8"))["sections"]
    return [row for row in rows if flavour == "staff" or row.get("students")]


def collect(flavour: str) -> dict[str, bytes]:
    """Return the sources of one flavour: path from the folder of sources -> content.

    Args:
        flavour: ``students`` or ``staff``.

    Raises:
        SiteError: If a page asks for what is not known, naming the file.
    """
    parts = sections(flavour)
    places = {file: page for part in parts for page, file in part.pages.items()}
    places |= {f"docs/{page}.md": page for part in parts for page in part.made}
    sources: dict[str, bytes] = {}
    for part in parts:
        for page, file in part.pages.items():
            text = (ROOT / file).read_text("utf-8")
            sources |= _page(page, file, text, places, flavour)
        for page, text in part.made.items():
            sources |= _page(page, f"docs/{page}.md", text, places, flavour)
    start = (ROOT / "docs" / "index.md").read_text("utf-8")
    start = start.replace("{{contents}}", "\n".join(map(_contents, parts)))
    return sources | _page("index", "docs/index.md", start, places, flavour)


def _contents(part: Section) -> str:
    # An index of a folder of its own stands for the pages below it.
    listed = [*part.pages, *part.made]
    tops = {page.removesuffix("index") for page in part.made if page.endswith("/index")}
    pages = [
        page
        for page in listed
        if page.endswith("/index") or not page.startswith(tuple(tops) or ("\0",))
    ]
    head = ["```{toctree}", f":caption: {part.title}", ":maxdepth: 1", ""]
    return "\n".join([*head, *pages, "```", ""])


def _page(
    page: str, file: str, text: str, places: Mapping[str, str], flavour: str
) -> dict[str, bytes]:
    """Return a page, filled in and linked, and the pictures that it shows."""
    if file.startswith("docs/") and (ROOT / file).exists():
        text = described(text)
        text = _ASKED.sub(lambda asked: _fill(asked[1].strip(), file, flavour), text)
    found: dict[str, bytes] = {}

    def relink(link: re.Match[str]) -> str:
        if link["code"]:
            return link[0]
        picture, words, target = link["picture"], link["words"], link["target"]
        if re.match(r"[a-z]+:|#", target):
            return link[0]
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
        here = posixpath.dirname(page) or "."
        if path not in places and not (ROOT / path).exists():
            raise SiteError(f"{file}: links to {target}, which is not there; mend it.")
        if picture:
            found[f"pictures/{path}"] = (ROOT / path).read_bytes()
            return f"![{words}]({posixpath.relpath(f'pictures/{path}', here)})"
        if path in places:
            to = posixpath.relpath(places[path] + ".md", here)
            return f"[{words}]({to}{'#' * bool(anchor)}{anchor})"
        return f"{words} (`{path}`)" if path not in words else words

    parts = _FENCED.split(text)
    parts[::2] = [_LINK.sub(relink, part) for part in parts[::2]]
    return {f"{page}.md": "".join(parts).encode(), **found}


def _fill(asked: str, file: str, flavour: str) -> str:
    """Return what a page asks for between double braces."""
    what, _, rest = (asked, "", "") if asked == "data sets" else asked.partition(" ")
    known: dict[str, Callable[[str], str]] = {
        "course": lambda _: f"# {course().name}\n\n{course().links()}".rstrip(),
        "term": lambda _: course().term,
        "contact": lambda _: _contact(),
        "badges": lambda _: course().badges(),
        "data sets": lambda _: making.data_sets(),
        "questions": lambda _: editions_as_markdown(questions(), course().edition),
        "duration": lambda name: in_words(read_jobs(ROOT / JOBS)[name].seconds),
        "section": _section,
        "code": lambda about: code(*about.split()),
        "docstring": _docstring,
    }
    try:
        if flavour == "students" and what in {"code", "docstring"}:
            raise ValueError("students get no code of the solved tree")
        return known[what](rest)
    except (KeyError, ValueError, OSError) as error:
        raise SiteError(
            f"{file}: {{{{{asked}}}}} cannot be filled in ({error}); mend it."
        ) from None


def _contact() -> str:
    if email := course().email:
        return f"Write to [{email}](mailto:{email})."
    return "Write to those who gave you the hand-out."


def _section(about: str) -> str:
    """Return the text below a heading of a file, up to the next heading of its kind."""
    file, _, heading = about.partition(" ")
    text = (ROOT / file).read_text("utf-8")
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    if found is None:
        raise ValueError(f"{file} has no heading {heading!r}")
    return found[1].strip()


def code(file: str, function: str) -> str:
    """Return a function without its docstring, as a block of Markdown.

    Args:
        file: The module, from the root.
        function: The function's name.

    Raises:
        ValueError: If it is not there.
    """
    source = (ROOT / file).read_text("utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            lines = source.splitlines()
            first = node.body[1] if ast.get_docstring(node) else node.body[0]
            head = lines[node.lineno - 1 : node.body[0].lineno - 1]
            body = lines[first.lineno - 1 : node.end_lineno]
            return "\n".join(["```python", *head, *body, "```"])
    raise ValueError(f"{file} has no function {function}")


def _docstring(file: str) -> str:
    """Return what a module says of itself, as Markdown: what is indented is code."""
    said = ast.get_docstring(ast.parse((ROOT / file).read_text("utf-8"))) or ""
    return "\n\n".join(_paragraphs(said.replace("``", "`")))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\n(?=\S)|\n\n(?= {4}\S)", text):
        if paragraph.startswith("    "):
            yield f"```text\n{textwrap.dedent(paragraph)}\n```"
        else:
            yield paragraph
