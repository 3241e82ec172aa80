"""Where students write in a hand-out's modules: how it looks, and what is in it.

A region is three things, one below the other, all at one indentation::

    ##########  …  ##########
    # TODO(Q1): What to do. #
    ##########  …  ##########
    raise NotImplementedError("rnn_step_forward: …")
    ##########  …  ##########
    #   END OF YOUR CODE    #
    ##########  …  ##########

The staff's builder draws the boxes; all that reads them asks here. What stands between
them belongs to the student, everything else to the course. A region is known by the
function it stands in and by its number there, so that a prompt may change its words.
Only the standard library is needed: this also serves those whose set-up is broken.
"""

import ast
import io
import re
import textwrap
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from cs231n.assignment.canonical import parsed

END_OF_CODE = "END OF YOUR CODE"
Key: TypeAlias = tuple[str, int]

_LINES = re.compile(r"[^\n]*\n|[^\n]+")  # str.splitlines knows stranger ends
_BAR = re.compile(r"#{20,}")
_PROMPT = re.compile(r"# TODO\((?P<question>[\w-]+)\):")
_INSIDE_BOX = re.compile(r"#(?: .*)?#")
_END = re.compile(rf"#\s*{END_OF_CODE}\s*#?")
_CONFLICT = re.compile(r"(?:<{7}|>{7})(?:\s.*)?")
SETTLE = (
    "git has left two versions here; keep one, and delete the lines that begin with "
    "<<<<<<<, ======= and >>>>>>>."
)
_SCOPE = re.compile(r"(?:async\s+)?(?:def\s+(\w+)\s*[\[(]|class\s+(\w+)\s*[\[(:])")


class ProblemsError(ValueError):
    """Several things are wrong; each has a line of the message."""

    def __init__(self, problems: list[str]) -> None:
        """Keep the problems; together they are the message."""
        super().__init__("\n".join(problems))
        self.problems = problems


class RegionError(ProblemsError):
    """Boxes are damaged; each line of the message begins with ``file:line:``."""


@dataclass(frozen=True)
class Damage:
    """A box that has lost its partner or a part of itself.

    Attributes:
        line: Where that shows, counted from 1.
        owner: Dotted name of the function around it, or ''.
        text: What is wrong and what to do.
    """

    line: int
    owner: str
    text: str


@dataclass(frozen=True)
class Region:
    """One place where a student writes.

    Attributes:
        owner: Dotted name of the function around it, such as ``CaptioningRNN.loss``.
        number: 0 for the first region in that function, 1 for the next one.
        question: Such as ``Q1``.
        prompt: What the box asks for, as one text without the frame.
        indent: Columns before the box.
        first: Index of the first line between the boxes.
        last: One more than the index of the last line between the boxes.
        body: Those lines.
    """

    owner: str
    number: int
    question: str
    prompt: str
    indent: int
    first: int
    last: int
    body: str

    @property
    def key(self) -> Key:
        """What tells the region from others, whatever its prompt says."""
        return self.owner, self.number

    @property
    def name(self) -> str:
        """What to call it when speaking to people."""
        return called(self.owner, self.number)


def called(owner: str, number: int) -> str:
    """Return what to call a region when speaking to people."""
    name = owner or "the module"
    return name if number == 0 else f"{name} (part {number + 1})"


def split(source: str) -> list[str]:
    """Return a module's lines with their ends, as regions count them."""
    return _LINES.findall(source)


def conflict(text: str) -> int:
    """Return the first line, from 1, that is left of a git conflict; 0 if none is.

    Args:
        text: Of a module, of a cell or of a whole notebook.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if _CONFLICT.fullmatch(line):
            return number
    return 0


def owners(source: str) -> list[str]:
    """Return the dotted name of the function around each line, '' outside of all.

    In what is no Python a function reaches to the next one.
    """
    lines = split(source)
    found = [""] * len(lines)
    if (tree := parsed(source)) is None:
        scopes: list[tuple[int, str]] = []
        for n, line in enumerate(lines):
            if scope := _SCOPE.match(line.strip()):
                indent = _indentation(line)
                scopes = [s for s in scopes if s[0] < indent]
                scopes.append((indent, scope[1] or scope[2]))
            found[n] = ".".join(scope for _, scope in scopes)
        return found
    _claim(tree, "", found)
    return found


def _claim(node: ast.AST, inside: str, found: list[str]) -> None:
    """Write the names of functions and classes over the lines that they span."""
    for inner in ast.iter_child_nodes(node):
        name = inside
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{inside}.{inner.name}".lstrip(".")
            end = inner.end_lineno or inner.lineno
            found[inner.lineno - 1 : end] = [name] * (end - inner.lineno + 1)
        _claim(inner, name, found)


def find(source: str, name: str) -> list[Region]:
    """Return the regions of a module, from top to bottom.

    Args:
        source: The module's text, with plain line ends; it need not be valid Python.
        name: The file's name, for errors.

    Raises:
        RegionError: If boxes have lost their partners or parts of themselves.
    """
    regions, damages = scan(source)
    if damages:
        raise RegionError([f"{name}:{d.line}: {d.text}" for d in damages])
    return regions


def scan(source: str) -> tuple[list[Region], list[Damage]]:
    """Return the whole regions of a module, and what is wrong with other boxes.

    Args:
        source: The module's text, as ``find`` takes it.
    """
    regions, damages = _scan(source)
    return list(regions), list(damages)


@lru_cache(maxsize=64)  # whoever looks at a hand-in asks for each of its functions
def _scan(source: str) -> tuple[tuple[Region, ...], tuple[Damage, ...]]:
    regions: list[Region] = []
    damages: list[Damage] = []
    if "# TODO(" not in source and END_OF_CODE not in source:
        return (), ()  # as in most modules
    lines = _LINES.findall(source)
    texts = [line.strip() for line in lines]
    scopes: list[tuple[int, str]] = []
    at = torn = 0  # lines above torn belong to a box that was named already
    while at < len(lines):
        indent = _indentation(lines[at])
        if scope := _SCOPE.match(texts[at]):
            scopes = [s for s in scopes if s[0] < indent]
            scopes.append((indent, scope[1] or scope[2]))
        if at < torn or not _BAR.fullmatch(texts[at]) or at + 1 == len(lines):
            at += 1
            continue
        found = _PROMPT.match(texts[at + 1])
        if not found and not _END.fullmatch(texts[at + 1]):
            at += 1
            continue
        scopes = [s for s in scopes if s[0] < indent]
        owner = ".".join(scope for _, scope in scopes)
        try:
            if found is None:
                raise _DamageError(
                    at + 1,
                    f"this {END_OF_CODE} has no box with a TODO above it; put that "
                    "back as the hand-out has it.",
                )
            closed = _lower_edge(texts, at)
            first = closed + 1
            last = _end_of(texts, first, at)
        except _DamageError as error:
            where = f"in {owner} " if owner else ""
            damages.append(Damage(error.at + 1, owner, where + error.text))
            torn = _beyond(texts, at + 1)
            at += 1
            continue
        regions.append(
            Region(
                owner=owner,
                number=sum(region.owner == owner for region in regions),
                question=found["question"],
                prompt=" ".join(t.strip("# ") for t in texts[at + 1 : closed]),
                indent=indent,
                first=first,
                last=last,
                body="".join(lines[first:last]),
            )
        )
        at = last + 3
    return tuple(regions), tuple(damages)


class _DamageError(Exception):
    """A box is damaged.

    Attributes:
        at: Index of the line where that shows.
        text: What is wrong and what to do.
    """

    def __init__(self, at: int, text: str) -> None:
        super().__init__(at, text)
        self.at = at
        self.text = text


def _indentation(line: str) -> int:
    expanded = line.expandtabs()
    return len(expanded) - len(expanded.lstrip())


def _lower_edge(texts: list[str], begun: int) -> int:
    """Return where the box ends whose upper edge and TODO are at begun."""
    at = begun + 2
    while at < len(texts) and _INSIDE_BOX.fullmatch(texts[at]):
        at += 1
    if at < len(texts) and _BAR.fullmatch(texts[at]):
        return at
    raise _DamageError(
        at,
        f"the box that begins in line {begun + 1} has no lower edge; put it back as "
        "the hand-out has it.",
    )


def _end_of(texts: list[str], first: int, begun: int) -> int:
    """Return where the box stands that ends the region whose body begins at first."""
    back = "put that back as the hand-out has it."
    for at in range(first, len(texts) - 1):
        if not _BAR.fullmatch(texts[at]):
            if _END.fullmatch(texts[at]):
                raise _DamageError(
                    at, f"this {END_OF_CODE} has no edge above it; {back}"
                )
            continue
        if _PROMPT.match(texts[at + 1]):
            break
        if _END.fullmatch(texts[at + 1]):
            if at + 2 < len(texts) and _BAR.fullmatch(texts[at + 2]):
                return at
            raise _DamageError(
                at + 1, f"this {END_OF_CODE} has no edge below it; {back}"
            )
    raise _DamageError(
        begun,
        f"no {END_OF_CODE} belongs to this TODO; put that box back as the hand-out "
        "has it.",
    )


def _beyond(texts: list[str], at: int) -> int:
    """Return the first line below a damaged box, where others may begin."""
    for n in range(at, len(texts)):
        if _END.fullmatch(texts[n]):
            return n + 1
        if n > at and _PROMPT.match(texts[n]) and _BAR.fullmatch(texts[n - 1]):
            return n - 1
    return len(texts)


def fill(source: str, bodies: Mapping[Key, str], name: str) -> str:
    """Return a module's text with other bodies in some of its regions.

    Args:
        source: The module's text.
        bodies: Region key -> what shall stand between its boxes.
        name: The file's name, for errors.

    Raises:
        RegionError: If a box is damaged.
        KeyError: If there is no such region.
    """
    lines = _LINES.findall(source)
    regions = {region.key: region for region in find(source, name)}
    for key in sorted(bodies, key=lambda key: -regions[key].first):
        body = bodies[key]
        if body and not body.endswith("\n"):
            body += "\n"
        lines[regions[key].first : regions[key].last] = [body]
    return "".join(lines)


def skeleton(source: str, name: str) -> str:
    """Return what is the course's in a module: all but the bodies of its regions."""
    return fill(source, {r.key: "" for r in find(source, name)}, name)


def is_stub(body: str) -> bool:
    """Tell whether a region still holds what the hand-out put there, and no more."""
    try:
        statements = ast.parse(textwrap.dedent(body)).body
        tokens = list(tokenize.generate_tokens(io.StringIO(body.lstrip()).readline))
    except (SyntaxError, tokenize.TokenError, ValueError):
        return False
    if any(token.type == tokenize.COMMENT for token in tokens):
        return False
    return [ast.unparse(s).split("(")[0] for s in statements] == [
        "raise NotImplementedError"
    ]
