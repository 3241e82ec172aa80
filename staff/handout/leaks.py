"""Whether a hand-out gives something away: an answer, a marker, what staff keep.

Answers are compared twice. By text: no line of an answer occurs in any file. By syntax
tree: no statement or expression of an answer occurs in any code, however it is laid
out, nor with other names for its variables. What computes nothing (``else:``, ``N, D =
x.shape``) is no answer, and neither is a call of a function that students know, with
plain names as its arguments. What remains and is harmless stands, with a reason, in
``staff/student/harmless.toml``.
"""

import ast
import io
import itertools
import json
import re
import tokenize
import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cs231n.assignment import canonical
from staff import markers
from staff.convert import plain_python

HARMLESS = "staff/student/harmless.toml"
_LEAST_TOKENS = 8  # in a line that says something
_LEAST_WEIGHT = 7  # of an expression that does, names included
_LEAST_RENAMED = 10  # the same when names do not count
_FEWEST_WORDS = 6  # in a sentence that does
_COMPILED = {".pyc", ".pyo", ".so", ".pyd", ".o", ".c", ".cpp", ".dll", ".dylib"}
_STAFF = re.compile(
    r"\bstaff[/.](?:\w|$)|\bstaff import\b|\bbenchmarks[/.]\w|from benchmarks"
)
_MARK = re.compile(r"(?:BEGIN|END)[ _]SOLUTION")
_OPERATORS = {"+", "-", "*", "/", "//", "@", "**", "%"}


@dataclass(frozen=True)
class Secret:
    """One answer of the solved tree: where it is, and its text."""

    file: str
    line: int
    function: str
    prose: bool
    text: str


@dataclass(frozen=True)
class Given:
    """What a hand-out says, in forms that answers can be looked up in; -> where."""

    lines: dict[str, str]
    trees: dict[str, str]
    renamed: dict[str, str]
    prose: dict[str, str]
    functions: set[str]


def answers(root: Path, names: Sequence[str], questions: Sequence[str]) -> list[Secret]:
    """Return every answer of a solved tree.

    Args:
        root: The tree.
        names: Its modules and notebooks' text sources that are handed out.
        questions: Ids that a TODO may name.
    """
    found = []
    for name in names:
        source = (root / name).read_text("utf-8")
        lines = source.splitlines()
        for answer in markers.answers(source, name, questions):
            text = "\n".join(lines[answer.begin : answer.end - 1])
            found.append(
                Secret(name, answer.begin + 1, answer.function, answer.prose, text)
            )
    return found


def leaks(index: Given, secrets: Sequence[Secret], harmless: Set[str]) -> list[str]:
    """Name every answer that a hand-out contains.

    Args:
        index: What the hand-out says.
        secrets: The answers.
        harmless: Lines and expressions that may occur in both.
    """
    allowed = {_squeezed(text) for text in harmless}
    for text in harmless:
        for part in _parts(_parsed(text)):
            allowed |= {part.text, _renamed(part.text)}
    problems: dict[str, None] = {}
    for secret in secrets:
        for offset, words, where in _occurrences(secret, index, allowed):
            at = f"{secret.file}:{secret.line + offset}"
            told = f"{at}: this part of an answer also stands in {where}: {words}"
            problems[told] = None
    return list(problems)


def blemishes(given: Mapping[str, bytes]) -> list[str]:
    """Name markers, paths of staff's, outputs and compiled files in a hand-out."""
    problems = []
    for name, content in given.items():
        if PurePosixPath(name).suffix in _COMPILED or "__pycache__" in name:
            problems.append(f"{name}: a compiled file.")
            continue
        if name.startswith(("staff/", "benchmarks/")):
            problems.append(f"{name}: only staff get this.")
        try:
            text = content.decode()
        except UnicodeDecodeError:
            problems.append(f"{name}: this is no text.")
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if _MARK.search(line):
                problems.append(f"{name}:{number}: a marker is left.")
            if found := _STAFF.search(line):
                problems.append(f"{name}:{number}: {found[0]!r} names what staff keep.")
        if name.endswith(".ipynb"):
            problems += _outputs(name, text)
    return problems


def harmless(root: Path) -> set[str]:
    """Read the list of what may stand both in an answer and elsewhere."""
    path = root / HARMLESS
    if not path.exists():
        return set()
    table = tomllib.loads(path.read_text("utf-8"))
    return {text for entry in table["harmless"] for text in entry["lines"]}


def _outputs(name: str, text: str) -> Iterator[str]:
    try:
        cells = json.loads(text)["cells"]
    except (ValueError, KeyError, TypeError):
        yield f"{name}: this is no notebook."
        return
    for number, cell in enumerate(cells, start=1):
        if cell.get("outputs") or cell.get("execution_count") is not None:
            yield f"{name}: cell {number} has outputs, or was run."


def index(given: Mapping[str, bytes]) -> Given:
    """Take a hand-out apart: path -> content."""
    found = Given({}, {}, {}, {}, set())
    for name, content in given.items():
        text = content.decode(errors="replace")
        code = ""
        if name.endswith(".ipynb"):
            cells = json.loads(text)["cells"]
            sources = [(c["cell_type"], "".join(c["source"])) for c in cells]
            code = "\n".join(plain_python(s) for kind, s in sources if kind == "code")
            text = "\n".join(s for _, s in sources)
        elif name.endswith((".py", ".pyx")):
            code = text
        for number, line in enumerate(text.splitlines(), start=1):
            found.lines.setdefault(_squeezed(line), f"{name}:{number}")
        for sentence in _sentences(text):
            found.prose.setdefault(sentence, name)
        tree = _parsed(code)
        found.functions.update(
            part.name
            for part in (ast.walk(tree) if tree else ())
            if isinstance(part, ast.FunctionDef)
        )
        for part in _parts(tree):
            where = f"{name}:{getattr(part.node, 'lineno', '?')}"
            if part.weight >= _LEAST_WEIGHT:
                found.trees.setdefault(part.text, where)
            if part.weight >= _LEAST_RENAMED:
                found.renamed.setdefault(_renamed(part.text), where)
    return found


def _occurrences(
    secret: Secret, index: Given, allowed: set[str]
) -> Iterator[tuple[int, str, str]]:
    """Yield offset, words and place of all that an answer shares with a hand-out."""
    if secret.prose:
        for sentence in _sentences(re.sub(r"^# ?", "", secret.text, flags=re.M)):
            if where := index.prose.get(sentence):
                yield 0, sentence, where
        return
    seen: set[int] = set()
    for offset, line in enumerate(secret.text.splitlines()):
        plain = _squeezed(line)
        where = index.lines.get(plain)
        if where and plain not in allowed and _says_something(line):
            tree = _parsed(line.strip())
            if tree is None or not _plain_call(tree, index.functions):
                seen.add(offset)
                yield offset, line.strip(), where
    for part in _parts(_parsed(_dedented(secret.text))):
        offset = getattr(part.node, "lineno", 1) - 1
        renamed = _renamed(part.text)
        for known, form, least in (
            (index.trees, part.text, _LEAST_WEIGHT),
            (index.renamed, renamed, _LEAST_RENAMED),
        ):
            where = known.get(form) if part.weight >= least else None
            if not where or offset in seen or {part.text, renamed} & allowed:
                continue
            if not _plain_call(part.node, index.functions):
                seen.add(offset)
                yield offset, ast.unparse(part.node), where


@dataclass(frozen=True)
class _Part:
    """A statement or expression that computes something.

    Attributes:
        node: Its tree.
        weight: Names, numbers and operations in it; those of arithmetic count twice.
        text: The tree, written out.
    """

    node: ast.AST
    weight: int
    text: str


def _parts(tree: ast.AST | None) -> list[_Part]:
    """Return all that computes something in a tree, small parts before large ones."""
    found: list[_Part] = []

    def visit(node: ast.AST) -> tuple[int, bool, str]:
        weight, computes, inside = int(not isinstance(node, _SMALL)), False, []
        for field, value in ast.iter_fields(node):
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, ast.AST):
                    more, does, text = visit(item)
                    weight, computes = weight + more, computes or does
                    inside.append(f"{field}={text}")
                else:
                    inside.append(f"{field}={item!r}")
        weight += isinstance(node, ast.BinOp)
        computes = computes or isinstance(node, _COMPUTING)
        if isinstance(node, ast.Subscript):
            # Not params["Wx"], nor a type such as tuple[int, str].
            inner = [
                part for part in ast.walk(node.slice) if isinstance(part, ast.Name)
            ]
            kind = isinstance(node.value, ast.Name) and node.value.id in _KINDS
            computes = computes or bool(inner and not kind)
        text = f"{type(node).__name__}({','.join(inside)})"
        whole = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Expr)
        if computes and isinstance(node, ast.stmt | ast.expr) and not whole:
            found.append(_Part(node, weight, text))
        return weight, computes, text

    if tree is not None:
        visit(tree)
    return found


_SMALL = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
_KINDS = {"dict", "list", "set", "tuple", "type"}
_COMPUTING = (ast.BinOp, ast.Call, ast.UnaryOp, ast.AugAssign)


def _plain_call(node: ast.AST, functions: set[str]) -> bool:
    """Tell whether known functions are called with names and numbers, no more."""
    calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
    return bool(calls) and all(
        (isinstance(part.func, ast.Name) and part.func.id in functions)
        if isinstance(part, ast.Call)
        else not isinstance(part, ast.BinOp | ast.UnaryOp | ast.AugAssign)
        for part in ast.walk(node)
    )


def _renamed(text: str) -> str:
    """Call the variables of a written tree by the order in which they come."""
    names: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return f"{names.setdefault(found[0], str(len(names)))}'"

    return re.sub(r"(?<!func=)Name\(id='\w+'", number, text)


def _parsed(text: str) -> ast.AST | None:
    tree = canonical.parsed(text)
    if tree and len(tree.body) == 1:
        only = tree.body[0]
        return only.value if isinstance(only, ast.Expr) else only
    return tree


def _dedented(text: str) -> str:
    """Return an answer as code of its own; its comments may be indented anyhow."""
    lines = text.splitlines()
    margin = min(
        (
            len(line) - len(line.lstrip())
            for line in lines
            if line.strip() and not line.lstrip().startswith("#")
        ),
        default=0,
    )
    return "\n".join(line[margin:] for line in lines)


def _squeezed(line: str) -> str:
    """Return a line without its comment, blanks and final comma or colon."""
    return re.sub(r"\s+", "", re.sub(r"\s+#.*", "", line)).rstrip(",:")


def _says_something(line: str) -> bool:
    """Tell whether a line of an answer computes something, and is not a trifle."""
    tokens: list[str] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
            if token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER):
                tokens.append(token.string)
    except tokenize.TokenError:
        pass  # the rest of the statement is on other lines
    calls = any(
        after == "(" and before.isidentifier()
        for before, after in itertools.pairwise(tokens)
    )
    return len(tokens) >= _LEAST_TOKENS and (calls or bool(_OPERATORS & {*tokens}))


def _sentences(text: str) -> Iterator[str]:
    """Yield sentences that say something, blanks and marks squeezed out."""
    for sentence in re.split(r"[.?!:;]\s", re.sub(r"\s+", " ", text)):
        words = re.findall(r"\w+", sentence.lower())
        if len(words) >= _FEWEST_WORDS:
            yield " ".join(words)
