"""What a grader will see in a hand-in, told before it is handed in."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from cs231n.assignment import given, regions
from cs231n.assignment import stamp as handout
from cs231n.assignment.answers import CHECKS_MIME
from cs231n.assignment.canonical import parsed
from cs231n.assignment.stamp import cell_text
from cs231n.assignment.table import Question, questions
from cs231n.tools.submission.collecting import called, start
from cs231n.tools.update.merge import ANSWER, MergeError, parse_notebook

# Text that begins like a place on somebody's own computer.
_OWN_PLACE = re.compile(
    r"(?:file://)?/(?:home|Users|root|content|kaggle|mnt|media|Volumes|private|tmp)/[^\n]*"
    r"|~[/\\][^\n]*|[A-Za-z]:[\\/][^\n]*"
)
# For somebody to type; IPython's commands begin with %.
_WAITING = {"input", "breakpoint", "getpass", "set_trace", "post_mortem"}
_WAITING_LINE = re.compile(r"\s*(%(?:debug|pdb))\b(?!\s+off)")
# Their texts are for people to read, and open nothing.
_SHOWING = {
    *("print", "display", "Markdown", "HTML", "debug", "info", "warning", "error"),
    *("title", "suptitle", "xlabel", "ylabel", "zlabel", "text", "annotate", "legend"),
    *("set_title", "set_xlabel", "set_ylabel", "set_zlabel"),
}
_SHELL_CELL = re.compile(r"%%(?:bash|sh|script|!|sx|system)\b|%%!")
_COMMAND = re.compile(r"\s*(?:[%!?]|[\w.]+\?{1,2}\s*$)")  # a line that is IPython's
_CAPTURE = re.compile(r"^(\s*[\w.,\[\] ]+=\s*)[%!].*")
_PLACES_NAMED = 3
Code: TypeAlias = list[tuple[int, dict[str, Any]]]


def notebook_remarks(
    content: bytes,
    name: str,
    question: Question,
    stamp: handout.Stamp | None,
    now: Mapping[str, str],
) -> list[str]:
    """Say what a grader will miss in a notebook or stumble over.

    Cells of extra exercises are passed over, whatever is in them.

    Args:
        content: The notebook.
        name: Its file's name.
        question: What it belongs to.
        stamp: That of the hand-out, if it is there.
        now: Digests of the functions of the question as they are.
    """
    try:
        cells = parse_notebook(content, name)["cells"]
    except MergeError as error:
        return error.problems
    extra = set(stamp.extra.get(name, ())) if stamp else set()
    graded = [
        (number, cell)
        for number, cell in enumerate(cells, start=1)
        if not handout.is_extra(cell) and cell.get("id") not in extra
    ]
    code = [
        (number, cell)
        for number, cell in graded
        if cell["cell_type"] == "code" and cell_text(cell).strip()
    ]
    remarks = [
        *_not_run(code),
        *_out_of_order(code),
        *_errors(code),
        *_own_places(code),
        *_waiting(code),
        *_short(code),
        *_stale(code, question, now),
        *_unanswered(graded),
    ]
    ids = {cell.get("id") for cell in cells}
    given_ids = [
        i for i in (stamp.cells.get(name, {}) if stamp else {}) if i not in extra
    ]
    lost = [cell_id for cell_id in given_ids if cell_id not in ids]
    if 0 < len(lost) < len(given_ids):
        remarks.append(f"Cells of the hand-out that are not in it: {len(lost)}.")
    elif lost and stamp:  # all: a tool may have renamed them, which leaves their texts
        known = set(stamp.cells[name].values())
        if not any(handout.fingerprint(cell_text(cell)) in known for cell in cells):
            remarks.append(
                "No cell of the hand-out is in it; take a copy from "
                ".ipynb_checkpoints, or begin again with the hand-out's."
            )
    return remarks


def _not_run(code: Code) -> Iterator[str]:
    left = [
        pair for pair in code if not isinstance(pair[1].get("execution_count"), int)
    ]
    if len(left) == len(code) > 0:
        yield "It has not been run; run it from top to bottom and save it."
    elif left:
        yield (
            f"{len(left)} of {len(code)} code cells have not been run; the first is "
            f"{called(*left[0])}."
        )


def _out_of_order(code: Code) -> Iterator[str]:
    latest, before = 0, ""
    for number, cell in code:
        count = cell.get("execution_count")
        if not isinstance(count, int):
            continue
        if count <= latest:
            yield (
                f"Cells were run out of order: {called(number, cell)} before "
                f"{before}; restart the kernel and run them all."
            )
            return
        latest, before = count, f"cell {number}"


def _errors(code: Code) -> Iterator[str]:
    for number, cell in code:
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                said = f"{output.get('ename')}: {output.get('evalue')}".splitlines()[0]
                said = said if len(said) <= 100 else f"{said[:99]}…"
                yield f"{called(number, cell)} ends in an error: {said}"


def _own_places(code: Code) -> Iterator[str]:
    for number, cell in code:
        for found in _own_texts(cell_text(cell)):
            yield (
                f"{called(number, cell)} speaks of {found}, which is on your computer "
                "only; name it from this folder."
            )


@lru_cache(maxsize=4096)  # most cells are given, and the same in every folder
def _own_texts(source: str) -> tuple[str, ...]:
    """Return the texts of a cell that are such places, save what is only shown."""
    found = []
    shell = _SHELL_CELL.match(source)
    for line in source.splitlines():
        if shell or line.lstrip().startswith(("%", "!")) or _CAPTURE.match(line):
            for word in line.split():
                if _OWN_PLACE.fullmatch(plain := word.strip("\"'")):
                    found.append(plain)
    if (tree := _parsed(source)) is None:
        return tuple(found)
    shown = {id(text) for node in ast.walk(tree) for text in _shown(node)}
    found += [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in shown
        and _OWN_PLACE.fullmatch(node.value)
    ]
    return tuple(found)


def _shown(node: ast.AST) -> Iterator[ast.Constant]:
    """Yield the texts that a call shows as they are; another call may open them."""
    if not isinstance(node, ast.Call):
        return
    called_name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if (called_name or _name(node.func)) not in _SHOWING:
        return
    waiting: list[ast.AST] = [*node.args, *(word.value for word in node.keywords)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Constant):
            yield part
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            waiting.append(part.func.value)  # such as "{}".format(x)
        elif not isinstance(part, ast.Call):
            waiting += ast.iter_child_nodes(part)


def _waiting(code: Code) -> Iterator[str]:
    for number, cell in code:
        for call, _ in waiting_calls(cell_text(cell)):
            yield (
                f"{called(number, cell)} calls {call}, which waits for somebody to "
                "type; take it out."
            )


@lru_cache(maxsize=4096)
def waiting_calls(source: str) -> tuple[tuple[str, int], ...]:
    """Return names and lines of calls that wait for somebody to type."""
    found = [
        (match[1], number)
        for number, line in enumerate(source.splitlines(), start=1)
        if (match := _WAITING_LINE.match(line))
    ]
    if (tree := _parsed(source)) is None:
        return tuple(found)
    own = {arg.arg for arg in ast.walk(tree) if isinstance(arg, ast.arg)}
    own |= {
        name.id
        for name in ast.walk(tree)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }
    found += [
        (f"{_name(node.func)}()", node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node.func) in _WAITING - own
    ]
    return tuple(found)


def _name(node: ast.expr) -> str:
    """Return the name of what is called; of what an object offers only debuggers'."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and node.attr not in {"input", "breakpoint"}:
        return node.attr if node.attr in _WAITING else ""
    return ""


def _parsed(source: str) -> ast.Module | None:
    """Return a cell's syntax tree without IPython's commands; None if it has none."""
    lines = [
        re.sub(r"\S.*", "pass", line)
        if _COMMAND.match(line)
        else _CAPTURE.sub(r"\1None", line)
        for line in source.splitlines()
    ]
    return parsed(source) or parsed("\n".join(lines))


def _tables(cell: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what checks have stored in a cell's outputs."""
    for output in cell.get("outputs", []):
        data = output.get("data")
        table = data.get(CHECKS_MIME) if isinstance(data, dict) else None
        if isinstance(table, dict):
            yield table


def _short(code: Code) -> Iterator[str]:
    """Notice outputs of the profile that shortens training."""
    for number, cell in code:
        if any(t.get("profile", "full") != "full" for t in _tables(cell)):
            yield (
                f"Its outputs are of the quick profile, which shortens training "
                f"({called(number, cell)} is the first); run it with PROFILE = "
                '"full".'
            )
            return


def _stale(code: Code, question: Question, now: Mapping[str, str]) -> Iterator[str]:
    """Compare with the answers that checks were made on.

    A cell's outputs depend on the functions that it names, those of the last check in a
    notebook on all. Earlier checks were made while later functions were still to be
    written. Times of files say nothing: unpacking and copying change them.
    """
    changed: dict[str, None] = {}
    last: Mapping[str, Any] = {}
    for _, cell in code:
        stored: Any = None
        for table in _tables(cell):
            of_all = table.get("answers")
            stored = of_all.get(question.id) if isinstance(of_all, dict) else None
        if isinstance(stored, dict):
            last = stored
            named = _named(cell_text(cell), question)
            changed |= dict.fromkeys(_differing(stored, now, named))
    changed |= dict.fromkeys(_differing(last, now, last))
    if changed:
        yield (
            "Its outputs are of older answers: since they were made, you have changed "
            f"{', '.join(changed)}; restart the kernel and run it again."
        )


def _differing(
    then: Mapping[str, Any], now: Mapping[str, str], names: Iterable[str]
) -> list[str]:
    return [n for n in names if n in then and n in now and then[n] != now[n]]


def _named(source: str, question: Question) -> list[str]:
    """Return the functions of a question that a cell calls by name."""
    found = []
    for function in question.functions:
        owner, _, name = function.qualname.rpartition(".")
        before = r"\." if owner else r"(?<![\w.])"
        if re.search(rf"{before}{name}\b", source):
            found.append(function.short)
    return found


def _unanswered(cells: Code) -> Iterator[str]:
    for number, cell in cells:
        head, mark, below = cell_text(cell).partition(ANSWER)
        if cell["cell_type"] == "markdown" and mark and not below.strip():
            asked = re.sub(r"^.*?\*\*TODO\([\w-]+\):\*\*\s*", "", head, flags=re.DOTALL)
            yield f"cell {number} awaits an answer in words: “{start(asked)}”"


def module_remarks(root: Path, stamp: handout.Stamp) -> Iterator[str]:
    """Say where a grader will find something else in modules than a student has there.

    A grader takes what stands between the boxes, and uses its own of everything else.
    Files with nothing but extra exercises are passed over.

    Args:
        root: The folder that ``cs231n`` lies in.
        stamp: That of the hand-out.
    """
    every = questions()
    extra = {path for question in every for path in question.extra}
    extra -= {path for question in every for path in question.modules}
    for path, wanted in stamp.files.items():
        if not path.startswith("cs231n/") or not path.endswith(".py") or path in extra:
            continue
        try:
            content = (root / path).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            yield f"{path} cannot be read ({error.strerror}); make it readable."
            continue
        if handout.fingerprint(content) == wanted:
            continue
        try:
            source = handout.text(content)
            yield from _module_remarks(source, path, stamp)
        except UnicodeDecodeError:
            yield f"{path} is not UTF-8; save it as UTF-8."
        except regions.RegionError as error:
            *others, last = error.problems
            yield from others
            yield f"{last} Until then a grader cannot find your answers in this file."


def _module_remarks(source: str, path: str, stamp: handout.Stamp) -> Iterator[str]:
    for call, line in waiting_calls(source):
        yield f"{path}:{line}: {call} waits for somebody to type; take it out."
    if path in stamp.given:
        found = {region.key for region in regions.find(source, path)}
        for place in stamp.places.get(path, ()):
            owner, _, number = place.rpartition(":")
            if (owner, int(number)) not in found:
                yield (
                    f"{path}: the box of {regions.called(owner, int(number))} is gone, "
                    "so that a grader cannot find your answer; put its comment lines "
                    "back as the hand-out has them."
                )
        left = regions.skeleton(source, path)
        if handout.fingerprint(left) == stamp.given[path]:
            return
    if path in stamp.says and given.says(source, path) == stamp.says[path]:
        return  # layout and comments are no matter
    if path not in stamp.given:
        yield (
            f"{path}: you have changed this file, in which there is nothing to write, "
            "and the grader uses its own; move what your answers need into a box."
        )
        return
    if path not in stamp.lines:
        yield (
            f"{path}: you have changed code outside the boxes, and the grader uses its "
            "own; move it into a box."
        )
        return
    places = given.changes(source, stamp.lines[path], path)
    for change in places[:_PLACES_NAMED]:
        if change.text:
            yield (
                f"{path}:{change.line}: {start(change.text)!r} stands outside the "
                "boxes, where the grader uses its own file; move it into a box."
            )
        else:
            yield (
                f"{path}:{change.line}: given lines are missing above this one, and "
                "the grader uses its own; put them back as the hand-out has them."
            )
    if len(places) > _PLACES_NAMED:
        yield f"{path}: there are {len(places) - _PLACES_NAMED} more such places."
