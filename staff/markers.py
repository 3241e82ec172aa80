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
from functools import cached_property, lru_cache

from cs231n.assignment import regions

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


class MarkerError(regions.ProblemsError):
    """Markers that break the grammar, each as a line ``file:line: what is wrong``."""


@dataclass(frozen=True)
class Answer:
    """One answer, between its marks. Lines are counted from 1.

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


@dataclass(frozen=True)
class _Event:
    """What a comment means, whatever stands around it.

    Attributes:
        comment: The comment.
        kind: "cell", "todo", "begin" or "end"; "plain" if it is none of them.
        about: The cell's or the question's id.
        wrong: What is wrong with it in any place, else ''.
    """

    comment: _Comment
    kind: str
    about: str = ""
    wrong: str = ""


def answers(source: str, name: str, questions: Collection[str]) -> list[Answer]:
    """Find the answers in a module, or in a notebook's text source.

    Args:
        source: The text.
        name: What the file is called in messages.
        questions: Ids that a TODO may name, besides ``extra``.

    Raises:
        MarkerError: Naming everything that breaks the grammar.
    """
    return list(_answers(source, name, tuple(questions)))


@lru_cache(maxsize=1024)  # a hand-out is made of each file, and then searched for it
def _answers(source: str, name: str, questions: tuple[str, ...]) -> tuple[Answer, ...]:
    try:
        ast.parse(source)
        events = [_classify(comment, questions) for comment in _comments(source)]
    except (SyntaxError, tokenize.TokenError) as error:
        number = getattr(error, "lineno", None) or 1
        message = f"{name}:{number}: this is no Python ({error.args[0]})."
        raise MarkerError([message]) from None
    pairs = _Pairs(source)
    for event in events:
        pairs.take(event)
    problems = pairs.close()
    if problems:
        raise MarkerError([f"{name}:{n}: {problems[n]}" for n in sorted(problems)])
    return tuple(pairs.found)


def _classify(comment: _Comment, questions: Collection[str]) -> _Event:
    text = comment.text
    if (cell := _CELL.fullmatch(text)) and comment.column == 0:
        return _Event(comment, "cell", "".join(_CELL_ID.findall(cell["rest"])[:1]))
    if text in _MARKS:
        place, kind = _MARKS[text]
        wrong = ""
        if not comment.alone:
            wrong = f"{text!r} must have a line of its own."
        elif (place == "prose") != comment.prose:
            wanted = "<!-- BEGIN SOLUTION -->" if comment.prose else "# BEGIN SOLUTION"
            wrong = f"this is not the place for {text!r}; use {wanted!r}."
        return _Event(comment, kind, wrong=wrong)
    if prompt := (_PROSE_TODO if comment.prose else TODO).fullmatch(text):
        wrong = ""
        if prompt[1] not in (*questions, EXTRA):
            known = ", ".join([*questions, EXTRA])
            wrong = f"there is no question {prompt[1]}; there are {known}."
        elif not comment.alone:
            wrong = "a TODO must have a line of its own."
        return _Event(comment, "todo", prompt[1], wrong)
    if slip := _resembles(text, comment.prose):
        wrong = f"{text!r} looks like a marker; write {slip}."
        return _Event(comment, "plain", wrong=wrong)
    return _Event(comment, "plain")


class _Pairs:
    """Finds the answers that a text's comments enclose, one comment after another.

    Attributes:
        found: The answers so far.
    """

    def __init__(self, source: str) -> None:
        self.found: list[Answer] = []
        self._source, self._lines = source, source.splitlines()
        self._problems: dict[int, str] = {}
        self._todo: _Event | None = None  # the prompt that waits for its answer
        self._opened: _Comment | None = None
        self._last = 0  # line up to which the prompt's comments run without a gap
        self._cell_id = ""

    @cached_property
    def _owners(self) -> list[str]:
        """The function around each line; most modules hold no answer to ask for it."""
        return regions.owners(self._source)

    def take(self, event: _Event) -> None:
        """Take the next comment."""
        if event.wrong:
            self._problems[event.comment.line] = event.wrong
        if not event.wrong or event.kind == "todo":
            take = {
                "cell": self._take_cell,
                "todo": self._take_todo,
                "begin": self._take_begin,
                "end": self._take_end,
                "plain": self._take_plain,
            }[event.kind]
            take(event)

    def close(self) -> dict[int, str]:
        """Return what is wrong, by line, once all comments were taken."""
        if self._opened:
            self._problems[self._opened.line] = "this solution is never closed."
        else:
            self._leave_todo()
        return self._problems

    def _leave_todo(self) -> None:
        """Complain of a prompt that nobody answers; in prose a student does."""
        if self._todo and not self._opened and not self._todo.comment.prose:
            self._problems[self._todo.comment.line] = (
                "no solution follows this TODO; put BEGIN SOLUTION right below its "
                "comment."
            )

    def _take_cell(self, event: _Event) -> None:
        self._leave_todo()
        self._todo, self._cell_id = None, event.about

    def _take_todo(self, event: _Event) -> None:
        line = event.comment.line
        if self._opened:
            begun = self._opened.line
            self._problems[line] = f"a TODO in the solution that begins at {begun}."
        self._leave_todo()
        self._todo, self._last = event, line

    def _take_begin(self, event: _Event) -> None:
        comment, wrong = event.comment, ""
        if self._opened:
            begun = self._opened.line
            wrong = f"nested in the solution that begins at {begun}."
            self._problems[comment.line] = wrong
            return
        gap = not comment.prose and self._last != comment.line - 1
        if self._todo is None or gap:
            wrong = "this solution has no TODO right above it."
        elif comment.column != self._todo.comment.column:
            wrong = "this is not indented like its TODO."
        if wrong:
            self._problems[comment.line] = wrong
        self._opened = comment

    def _take_end(self, event: _Event) -> None:
        end, begin, todo = event.comment, self._opened, self._todo
        if begin is None:
            self._problems[end.line] = "this END SOLUTION closes nothing."
            return
        if end.column != begin.column:
            wrong = f"this is not indented like its BEGIN at {begin.line}."
            self._problems[end.line] = wrong
        elif end.cell != begin.cell:
            self._problems[begin.line] = "this solution does not end in its own cell."
        elif self._is_empty(begin, end):
            self._problems[begin.line] = "there is nothing in this solution."
        elif todo:
            owner = self._cell_id if end.prose else self._owners[begin.line - 1]
            where = (end.prose, todo.comment.line, begin.line, end.line)
            self.found.append(Answer(owner or self._cell_id, todo.about, *where))
        self._todo = self._opened = None

    def _is_empty(self, begin: _Comment, end: _Comment) -> bool:
        inside = self._lines[begin.line : end.line - 1]
        said = [part.strip() for part in inside if part.strip(" #")]
        return not any(end.prose or part[0] != "#" for part in said)

    def _take_plain(self, event: _Event) -> None:
        comment = event.comment
        if comment.alone and comment.line == self._last + 1:
            self._last += 1
        elif self._todo and not self._opened and not self._todo.comment.prose:
            self._leave_todo()
            self._todo = None


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
    every = answers(source, name, questions)
    if not every:
        return source
    for found in reversed(every):
        prompt = lines[found.todo - 1 : found.begin - 1]
        answer = lines[found.begin : found.end - 1]
        if found.function not in keep:
            answer = []
        if not found.prose:
            indent = lines[found.begin - 1].split("#")[0]
            stub = f'{indent}raise NotImplementedError("{_message(found.function)}")\n'
            rule = indent + "#" * (WIDTH - len(indent)) + "\n"
            end = regions.END_OF_CODE.center(WIDTH - len(indent) - 2)
            prompt = [rule, *_boxed(prompt, indent), rule]
            answer = [*(answer or [stub]), rule, f"{indent}#{end}#\n", rule]
        else:
            while not answer and prompt and not prompt[-1].strip("# \n"):
                prompt.pop()  # or the cell would end in empty lines
        lines[found.todo - 1 : found.end] = prompt + answer
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


def _resembles(comment: str, prose: bool) -> str:
    """Return what should be written where a comment looks like a marker, else ''."""
    words = re.findall(r"[A-Za-z]+", comment)
    if not words:
        return ""
    if mark := _slip(words):
        return f"<!-- {mark} -->" if prose else f"# {mark}"
    if _alike("".join(words[:4]).upper(), regions.END_OF_CODE.replace(" ", ""), 0.9):
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
    letters = len(one) + len(other)
    if letters and 2 * min(len(one), len(other)) / letters < ratio:
        return False  # even if the shorter one were a part of the longer one
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
