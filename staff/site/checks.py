"""What must hold of every page: whole links, headings, descriptions, no requests."""

import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from staff.handout import leaks as handout_leaks
from staff.questions import ROOT, questions

_VOID = {"img", "br", "hr", "input", "link", "meta", "source", "path", "use", "wbr"}
# Attributes by which a page makes a browser ask for something.
_LOADS = {"src", "srcset", "poster", "data", "xlink:href", "action"}
_IN_CSS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
_NOT_PAGES = {"genindex.html", "py-modindex.html", "search.html"}
_TEXTS = {".html", ".js", ".txt", ".svg"}


class _Page(HTMLParser):
    """What a page says and points to."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.headings = 0
        self.language = self.title = ""
        self.mute: list[str] = []
        self.said: list[str] = []
        self.code: list[str] = []
        self._open: list[str] = []
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note anchors, links, headings and pictures."""
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "html":
            self.language = given.get("lang", "")
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ({"canonical"}):
            self.loads.append(given.get("href", ""))
        if tag == "img" and not given.get("alt", "").strip():
            self.mute.append(given.get("src", "")[:80])
        self.headings += tag == "h1"
        self.loads += [value for name, value in given.items() if name in _LOADS]
        if "style" in given:
            self.loads += in_css(given["style"])
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "pre":
            self._pre += 1
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag == "pre":
            self._pre -= 1
        if tag in {"p", "li", "td", "th", "h1", "h2", "h3", "h4", "dd", "dt", "pre"}:
            self.said.append("\n")

    def handle_data(self, text: str) -> None:
        """Note what is said; styles are looked through for what they load."""
        inside = self._open[-1] if self._open else ""
        if inside == "style":
            self.loads += in_css(text)
        elif inside == "title":
            self.title += text.strip()
        elif inside != "script":
            self.said.append(text)
            if self._pre > 0:
                self.code[-1] += text


def in_css(text: str) -> list[str]:
    """Return what a style sheet makes a browser load."""
    return [
        a or b for a, b in _IN_CSS.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.S))
    ]


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text("utf-8"))
    return page


def problems(folder: Path) -> list[str]:
    """Name every dead link, request, missing heading and missing description.

    Args:
        folder: The site.
    """
    pages = {path.resolve(): _read(path) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        where = path.relative_to(folder.resolve()).as_posix()
        if page.headings != 1 and path.name not in _NOT_PAGES:
            found.append(f"{where}: has {page.headings} headings of the first level.")
        if not page.title or not page.language:
            found.append(f"{where}: has no title, or says not in which language it is.")
        found += [f"{where}: a picture says nothing: {src}" for src in page.mute]
        for target in page.loads:
            found += _load_problems(path, where, target)
        for target in page.links:
            found += _link_problems(path, where, target, pages)
    for path in sorted(folder.rglob("*.css")):
        where = path.relative_to(folder).as_posix()
        for target in in_css(path.read_text("utf-8")):
            found += _load_problems(path, where, target)
    return found


def told(folder: Path, secrets: Iterable[Path]) -> list[str]:
    """Name every page that tells where on this machine it was made.

    Args:
        folder: The site.
        secrets: The folders that it was made from and in.
    """
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in _TEXTS):
        text = path.read_text("utf-8")
        where = path.relative_to(folder).as_posix()
        found += [
            f"{where}: tells that it was made in {secret}."
            for secret in secrets
            if str(secret) in text
        ]
    return found


def _load_problems(path: Path, where: str, target: str) -> list[str]:
    parts = urlsplit(target)
    if parts.scheme == "data" or target.startswith("#"):
        return []
    if parts.scheme or parts.netloc:
        return [f"{where}: opening it asks for {target}"]
    if not (path.parent / unquote(parts.path)).exists():
        return [f"{where}: {target} is not there."]
    return []


def _link_problems(
    path: Path, where: str, target: str, pages: Mapping[Path, _Page]
) -> list[str]:
    parts = urlsplit(target)
    if parts.scheme in {"http", "https", "mailto"}:
        return []
    aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if parts.scheme or not aim.exists():
        return [f"{where}: {target} leads nowhere."]
    anchor = unquote(parts.fragment)
    if anchor and aim in pages and anchor not in pages[aim].anchors:
        return [f"{where}: {target} names an anchor that is not there."]
    return []


def leaks(
    folder: Path, sources: Mapping[str, bytes], handed_out: Mapping[str, bytes]
) -> list[str]:
    """Name every answer that the students' flavour gives away.

    Args:
        folder: The site.
        sources: What its pages are made of: path -> Markdown.
        handed_out: The hand-out: a call of a function that it has is no answer.
    """
    given = dict(handed_out)
    for path in sorted(folder.rglob("*.html")):
        page, name = _read(path), path.relative_to(folder).as_posix()
        given[name] = "".join(page.said).encode()
        for number, block in enumerate(page.code):
            given[f"{name}-{number}.py"] = block.encode()
    ids = [question.id for question in questions()]
    solved = [path for q in questions() for path in (*q.modules, *q.extra)]
    solved += [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "staff" / "notebooks").glob("*.py"))
    ]
    secrets = handout_leaks.answers(ROOT, list(dict.fromkeys(solved)), ids)
    allowed = handout_leaks.harmless(ROOT)
    return [
        *handout_leaks.blemishes(given | dict(sources)),
        *handout_leaks.leaks(handout_leaks.index(given), secrets, allowed),
    ]
