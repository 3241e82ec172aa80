"""Solution markers: insist on their grammar, take the answers out; text in, text out.

In a module, and in the code cells of a notebook's text source::

    # TODO(Q1): the prompt, kept for students
    # BEGIN SOLUTION
    ...
    # END SOLUTION

In a written answer the marks are HTML comments, ``<!-- BEGIN SOLUTION -->``, and the
prompt is a paragraph ``**TODO(Q1):** …`` above them in the same cell.
"""

import ast
import difflib
import io
import itertools
import re
import textwrap
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass

WIDTH = 88  # column in which every box ends
EXTRA = "extra"  # stands for a question's id where an exercise is worth no points
TODO = re.compile(r"# TODO\(([\w-]+)\): \S.*")
_PROSE_TODO = re.compile(r"# \*\*TODO\(([\w-]+)\):\*\* \S.*")
_MARKS = {
    "# BEGIN SOLUTION": ("code", "begin"),
    "# END SOLUTION": ("code", "end"),
    "# <!-- BEGIN SOLUTION -->": ("prose", "begin"),
    "# <!-- END SOLUTION -->": ("prose", "end"),
}
_FILLERS = {"A", "MY", "OF", "OUR", "THE", "YOUR"}
_CELL = re.compile(r"# %%(?P<prose> \[markdown\])?(?P<rest>.*)")
_CELL_ID = re.compile(r'\bid="([\w-]+)"')


class MarkerError(ValueError):
    """Markers that break the grammar, each as a line ``file:line: what is wrong``."""

    def __init__(self, problems: list[str]) -> None:
        """Keep the problems; together they are the message."""
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Region:
    """One answer. Lines are counted from 1.

    Attributes:
        function: Qualified name of the function around it; in a notebook the cell's id.
        question: Id of the question it belongs to, or ``extra``.
        prose: Whether it is a written answer.
        todo: Line on which its prompt begins.
        begin: Line of the mark that opens it.
        end: Line of the mark that closes it.
    """

    function: str
    question: str
    prose: bool
    todo: int
    begin: int
    end: int


@dataclass(frozen=True)
class _Comment:
    line: int
    column: int
    text: str
    alone: bool
    prose: bool
    cell: int


def regions(source: str, name: str, questions: Collection[str]) -> list[Region]:
    """Find the answers in a module, or in a notebook's text source.

    Args:
        source: The text.
        name: What the file is called in messages.
        questions: Ids that a TODO may name, besides ``extra``.

    Raises:
        MarkerError: Naming everything that breaks the grammar.
    """
    lines = source.splitlines()
    try:
        tree = ast.parse(source)
        comments = list(_comments(source))
    except (SyntaxError, tokenize.TokenError) as error:
        number = getattr(error, "lineno", None) or 1
        message = f"{name}:{number}: this is no Python ({error.args[0]})."
        raise MarkerError([message]) from None

    found: list[Region] = []
    problems: dict[int, str] = {}
    todo: tuple[_Comment, str] | None = None  # the prompt that waits for its answer
    opened: _Comment | None = None
    last = 0  # line up to which the prompt's comments run without a gap
    cell_id = ""
    for comment in comments:
        line, text = comment.line, comment.text
        if (cell := _CELL.fullmatch(text)) and comment.column == 0:
            cell_id = "".join(_CELL_ID.findall(cell["rest"])[:1])
            if todo and not opened and not todo[0].prose:
                problems[todo[0].line] = _ORPHAN
            todo = None
            continue
        kind, role = _MARKS.get(text, ("", ""))
        prompt = (_PROSE_TODO if comment.prose else TODO).fullmatch(text)
        if kind and not comment.alone:
            problems[line] = f"{text!r} must have a line of its own."
        elif kind and (kind == "prose") != comment.prose:
            wanted = "<!-- BEGIN SOLUTION -->" if comment.prose else "# BEGIN SOLUTION"
            problems[line] = f"this is not the place for {text!r}; use {wanted!r}."
        elif role == "begin":
            if opened:
                problems[line] = f"nested in the solution that begins at {opened.line}."
                continue
            gap = not comment.prose and last != line - 1
            if todo is None or gap:
                problems[line] = "this solution has no TODO right above it."
            elif comment.column != todo[0].column:
                problems[line] = "this is not indented like its TODO."
            opened = comment
        elif role == "end":
            if opened is None:
                problems[line] = "this END SOLUTION closes nothing."
                continue
            if comment.column != opened.column:
                problems[line] = (
                    f"this is not indented like its BEGIN at {opened.line}."
                )
            elif comment.cell != opened.cell:
                problems[opened.line] = "this solution does not end in its own cell."
            elif not any(
                part.strip(" #") and (comment.prose or part.strip()[0] != "#")
                for part in lines[opened.line : line - 1]
            ):
                problems[opened.line] = "there is nothing in this solution."
            elif todo:
                function = cell_id if comment.prose else _function_at(tree, opened.line)
                where = (comment.prose, todo[0].line, opened.line, line)
                found.append(Region(function or cell_id, todo[1], *where))
            todo = opened = None
        elif prompt:
            if opened:
                problems[line] = f"a TODO in the solution that begins at {opened.line}."
            elif prompt[1] not in (*questions, EXTRA):
                known = ", ".join([*questions, EXTRA])
                problems[line] = f"there is no question {prompt[1]}; there are {known}."
            elif not comment.alone:
                problems[line] = "a TODO must have a line of its own."
            if todo and not opened and not todo[0].prose:
                problems[todo[0].line] = _ORPHAN
            todo, last = (comment, prompt[1]), line
        elif slip := _resembles(text, comment.prose):
            problems[line] = f"{text!r} looks like a marker; write {slip}."
        elif todo and not opened and comment.alone and line == last + 1:
            last = line
        elif todo and not opened and not todo[0].prose:
            problems[todo[0].line] = _ORPHAN
            todo = None
    if opened:
        problems[opened.line] = "this solution is never closed."
    elif todo and not todo[0].prose:
        problems[todo[0].line] = _ORPHAN
    if problems:
        raise MarkerError([f"{name}:{n}: {problems[n]}" for n in sorted(problems)])
    return found


_ORPHAN = "no solution follows this TODO; put BEGIN SOLUTION right below its comment."


def redact(
    source: str,
    name: str,
    questions: Collection[str],
    keep: Collection[str] = (),
) -> str:
    """Return the text as students get it: boxes round the prompts, no answers.

    Args:
        source: A module, or a notebook's text source.
        name: What the file is called in messages.
        questions: Ids that a TODO may name, besides ``extra``.
        keep: Functions whose answers stay, as if a student had written them.

    Raises:
        MarkerError: Naming everything that breaks the grammar.
    """
    lines = source.splitlines(keepends=True)
    for region in reversed(regions(source, name, questions)):
        prompt = lines[region.todo - 1 : region.begin - 1]
        answer = lines[region.begin : region.end - 1]
        if region.function not in keep:
            answer = []
        if not region.prose:
            indent = lines[region.begin - 1].split("#")[0]
            stub = f'{indent}raise NotImplementedError("{_message(region.function)}")\n'
            rule = indent + "#" * (WIDTH - len(indent)) + "\n"
            end = "END OF YOUR CODE".center(WIDTH - len(indent) - 2)
            prompt = [rule, *_boxed(prompt, indent), rule]
            answer = [*(answer or [stub]), rule, f"{indent}#{end}#\n", rule]
        else:
            while not answer and prompt and not prompt[-1].strip("# \n"):
                prompt.pop()  # or the cell would end in empty lines
        lines[region.todo - 1 : region.end] = prompt + answer
    redacted = "".join(lines)
    try:
        ast.parse(redacted)
    except SyntaxError as error:
        message = f"without its answers this is no Python ({error.msg})."
        raise MarkerError([f"{name}:1: {message}"]) from None
    return redacted


def refuse_marks(text: str, name: str) -> None:
    """Insist that a file that is handed out as it stands has no marks in it.

    Raises:
        MarkerError: Naming each line with a marker, or with what resembles one.
    """
    problems = [
        f"{name}:{number}: {line.strip()!r} looks like a marker, and there can be none "
        "in this kind of file."
        for number, line in enumerate(text.splitlines(), start=1)
        if line.lstrip().startswith(("#", "<!--"))
        and _slip(re.findall("[A-Za-z]+", line))
    ]
    if problems:
        raise MarkerError(problems)


def _message(function: str) -> str:
    return f"{function or 'this cell'}: your code goes here."


def _comments(source: str) -> Iterator[_Comment]:
    """Yield every comment, told whether it stands alone and whether it is prose."""
    prose, cell = False, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        (line, column), text = token.start, token.string.rstrip()
        if column == 0 and (header := _CELL.fullmatch(text)):
            prose, cell = header["prose"] is not None, cell + 1
        alone = not token.line[:column].strip()
        yield _Comment(line, column, text, alone, prose, cell)


def _function_at(tree: ast.AST, line: int) -> str:
    """Return the qualified name of the innermost function around a line."""
    path: list[str] = []
    node: ast.AST | None = tree
    while node is not None:
        inner = None
        for child in ast.walk(node):
            if (
                child is not node
                and isinstance(
                    child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
                )
                and child.lineno <= line <= (child.end_lineno or line)
            ):
                path.append(child.name)
                inner = child
                break
        node = inner
    return ".".join(path)


def _resembles(comment: str, prose: bool) -> str:
    """Return what should be written where a comment looks like a marker, else ''."""
    words = re.findall(r"[A-Za-z]+", comment)
    if not words:
        return ""
    if mark := _slip(words):
        return f"<!-- {mark} -->" if prose else f"# {mark}"
    if _alike("".join(words[:4]).upper(), "ENDOFYOURCODE", 0.9):
        return "# END SOLUTION, and the box will be drawn"
    starts = re.match(r"#+[\s*]*([A-Za-z]+)(.?)", comment)
    if starts and _is_todo(starts[1], starts[2]):
        return "**TODO(Q1):** and a prompt" if prose else "# TODO(Q1): and a prompt"
    return ""


def _is_todo(word: str, next_one: str) -> bool:
    upper = word.upper()
    if upper == "TODO" or (word.startswith("TODO") and len(word) < 8):
        return True
    swapped = sorted(upper) == sorted("TODO") and upper[0] == "T"
    return (swapped or _alike(upper, "TODO", 0.74)) and next_one in "(:"


def _slip(words: list[str]) -> str:
    """Return the mark that some first words of a comment were perhaps meant to be."""
    upper = [word.upper() for word in words[:6]]
    first = [word for word in upper if word not in _FILLERS][:3]
    for mark in ("BEGIN SOLUTION", "END SOLUTION"):
        if any(_alike(word, mark.replace(" ", ""), 0.85) for word in first):
            return mark
    for pair in itertools.pairwise(first):
        for word, other in (pair, pair[::-1]):
            if _alike(other, "SOLUTION", 0.75):
                if word in {"START", "OPEN"} or _alike(word, "BEGIN", 0.79):
                    return "BEGIN SOLUTION"
                if word in {"STOP", "CLOSE"} or _alike(word, "END", 0.79):
                    return "END SOLUTION"
    return ""


def _alike(one: str, other: str, ratio: float) -> bool:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() >= ratio


def _boxed(prompt: list[str], indent: str) -> Iterator[str]:
    """Yield the lines of a prompt's box; what is too long for it is filled anew."""
    room = WIDTH - len(indent) - len("# ") - len(" #")
    texts = [line.strip()[1:].removeprefix(" ") for line in prompt]
    for paragraph in _paragraphs(texts):
        if max(map(len, paragraph)) > room:
            hang = _margin(paragraph[-1] if len(paragraph) > 1 else paragraph[0])
            paragraph = textwrap.wrap(
                " ".join(text.strip() for text in paragraph),
                room,
                initial_indent=_margin(paragraph[0]),
                subsequent_indent=hang,
            )
        for text in paragraph:
            yield f"{indent}# {text:<{room}} #\n"


def _paragraphs(texts: list[str]) -> Iterator[list[str]]:
    """Split a prompt where an item, a hint or another margin begins."""
    current: list[str] = []
    for text in texts:
        item = re.match(r"\s*(?:[-*] |->|\d+\. |Hint)", text)
        if current:
            bullet = re.match(r"\s*(?:[-*] |\d+\. )", current[0])
            margin = len(bullet[0]) if bullet else len(_margin(current[0]))
            if item or not text.strip() or len(_margin(text)) != margin:
                yield current
                current = []
        current.append(text)
    if current:
        yield current


def _margin(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]
