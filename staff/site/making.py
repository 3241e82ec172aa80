"""Pages that are made: from docstrings, tables, the bank and executed notebooks."""

import ast
import difflib
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from cs231n.assignment.answers import CHECKS_MIME
from cs231n.assignment.table import FRAMEWORKS, Question, function
from cs231n.datasets.fetching import registry
from staff.convert import convert, source_of
from staff.diagrams.command import FOLDER, diagrams
from staff.handout.files import collect
from staff.mistakes.bank import Slip, answers_of, answers_with, bank
from staff.mistakes.writings import answer, solved
from staff.pages import summary
from staff.questions import ROOT, notebook_names, question_of, questions
from staff.report import page as report

_MACHINERY = "cs231n/tools/"


def modules(flavour: str) -> list[str]:
    """Return the modules that the reference explains, by their dotted names.

    Args:
        flavour: The machinery behind commands is in the staff's alone.
    """
    found = []
    for path in sorted((ROOT / "cs231n").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        package = [p for p in path.parents if p.is_relative_to(ROOT / "cs231n")]
        if (
            path.name in {"__main__.py", "setup.py"}
            or not all((p / "__init__.py").exists() for p in package)
            or (flavour == "students" and name.startswith(_MACHINERY))
            or not public(path)
        ):
            continue
        found.append(
            name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        )
    return found


def public(path: Path) -> list[str]:
    """Return the functions, classes and methods that a module offers.

    Args:
        path: The module.
    """

    def names(body: list[ast.stmt], scope: str) -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                if not node.name.startswith("_"):
                    yield scope + node.name
                    if isinstance(node, ast.ClassDef):
                        yield from names(node.body, f"{scope}{node.name}.")
            elif isinstance(node, ast.If | ast.Try):
                yield from names(node.body, scope)

    return list(dict.fromkeys(names(ast.parse(path.read_text("utf-8")).body, "")))


def file_of(module: str) -> Path:
    """Return the file of a module of the package."""
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def page_of(module: str) -> str:
    """Return the page that explains a module: folders have one for all theirs."""
    _, name, *_ = module.split(".")
    folder = (ROOT / "cs231n" / name).is_dir()
    return f"reference/cs231n.{name}" if folder else f"reference/{module}"


def reference(flavour: str) -> dict[str, str]:
    """Return a page for each module or folder of them, and one that lists them."""
    theirs = {path for q in questions() for path in (*q.modules, *q.extra)}
    rows: dict[str, list[str]] = {"Yours": [], "Given": [], "Machinery": []}
    made: dict[str, str] = {}
    for name in modules(flavour):
        page, file = page_of(name), file_of(name)
        path = file.relative_to(ROOT).as_posix()
        kind = "Yours" if path in theirs else "Given"
        kind = "Machinery" if path.startswith(_MACHINERY) else kind
        link = page.removeprefix("reference/") + ".md"
        anchor = "" if page.endswith(name) else f"#{name.replace('.', '').lower()}"
        rows[kind].append(f"| [`{name}`]({link}{anchor}) | {summary(file)} |")
        body = f".. automodule:: {name}\n   :members:\n   :member-order: bysource"
        title = "" if page.endswith(name) else f"## {name}\n\n"
        made.setdefault(page, f"# {page.removeprefix('reference/')}\n\n")
        made[page] += f"{title}```{{eval-rst}}\n{body}\n```\n\n"
    parts = ["# Reference\n", "Every public function, from its docstring.\n"]
    for kind, lines in rows.items():
        if lines:
            parts += [f"## {kind}\n", "| module | what |\n| --- | --- |", *lines, ""]
    names = [page.removeprefix("reference/") for page in made]
    hidden = ["```{toctree}", ":hidden:", "", *names, "```", ""]
    return {"reference/index": "\n".join([*parts, *hidden]), **made}


def data_sets() -> str:
    """Return the table of data sets: where they lie and what may be done with them."""
    rows = [
        f"| {d.title} | `{d.target}{'/' * d.is_folder}` | {d.licence} | {d.embedded} |"
        for d in registry.load().datasets.values()
    ]
    head = "| data set | place | licence | without it |\n| --- | --- | --- | --- |"
    return "\n".join([head, *rows])


def mistakes(_: str) -> dict[str, str]:
    """Return a page of mistakes for each question: what each says, and its change."""
    made = {}
    slips = [slip for slip in bank()[1] if not slip.implied]
    for question in questions():
        parts = [f"# {question.id}: typical mistakes\n"]
        for asked in question.functions:
            mine = [slip for slip in slips if slip.key == asked.key]
            if not mine:
                continue
            parts.append(f"## {asked.key.removeprefix('cs231n.')}\n")
            for slip in mine:
                tier = "" if slip.tier == "asked" else " *(a remark, no points)*"
                parts.append(f"{slip.says.rstrip('.')}.{tier}\n")
                parts.append(_change(slip))
        made[f"mistakes/{question.id.lower()}"] = "\n".join(parts)
    return made


def _change(slip: Slip) -> str:
    """Return the lines in which a mistake differs from the right answer."""
    writing = next(iter(slip.edits))
    written = function(slip.key)
    wrong = answers_with(slip, writing)[0][written.name]
    if writing == "edit":
        right = answer(solved(written.module), written.qualname)
    else:
        right = answers_of(written.name, writing)[0][written.name]
    told = difflib.unified_diff(
        right.splitlines(), wrong.splitlines(), n=1, lineterm=""
    )
    lines = [line for line in list(told)[2:] if not line.startswith("@@")]
    return "\n".join(["```diff", *lines, "```", ""])


def notebooks(flavour: str) -> dict[str, str]:
    """Return each notebook as a page.

    Students' are those of the hand-out, without outputs; the staff's are the solved
    ones, as the last run left them where there was one.
    """
    names = [name for question in questions() for name in question.notebooks]
    made = {}
    for name in names:
        run = ROOT / "build" / "report" / f"{name}.ipynb"
        if flavour == "students":
            content = handed_out()[f"{name}.ipynb"]
        elif run.is_file():
            content = run.read_bytes()
        else:
            source = ROOT / "staff" / "notebooks" / f"{name}.py"
            content = convert(source_of(source), name)
        made[f"notebooks/{name}"] = _notebook(json.loads(content), question_of(name))
    titles = "\n".join(
        f"| {q.id} | [{q.title}]({name}.md) |"
        for q in questions()
        for name in q.notebooks
    )
    said = "as they are handed out"
    if flavour == "staff":
        said = "as the last run left them, without outputs where there was none"
    start = f"# Notebooks\n\nThey stand here {said}."
    start += f"\n\n| | |\n| --- | --- |\n{titles}\n"
    hidden = "\n".join(["\n```{toctree}", ":hidden:", "", *names, "```", ""])
    return {"notebooks/index": start + hidden, **made}


@cache
def handed_out() -> dict[str, bytes]:
    """Return the hand-out of this tree, path by path."""
    return collect(ROOT, questions())


def _notebook(whole: dict[str, Any], question: Question | None) -> str:
    """Return a notebook as Markdown: prose, code, and what each cell showed.

    Of two that bear one title, that of the alternative also names its framework.
    """
    parts: list[str] = []
    for cell in nbformat.from_dict(whole).cells:
        source = _joined(cell["source"])
        if cell["cell_type"] == "markdown":
            source = source.replace(f"]({FOLDER}/", f"](../../{FOLDER}/")
            if not parts and question and question.instead_of:
                title, *rest = source.split("\n", 1)
                framework = FRAMEWORKS[question.framework]
                source = "\n".join([f"{title}, in {framework}", *rest])
            parts.append(_below(source) if parts else source)
            continue
        if source.strip():
            parts.append(_fenced("ipython", source))
        parts += [
            said for output in cell.get("outputs", ()) if (said := _output(output))
        ]
    return "\n\n".join(parts) + "\n"


def _below(text: str) -> str:
    """Move headings down, as a page has one of the first level alone."""
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
    return re.sub(r"^#", "##", text, flags=re.MULTILINE) if 1 in levels else text


def _output(output: Any) -> str:
    data = output.get("data", {})
    if output["output_type"] == "stream":
        text = report.plain(_joined(output["text"]))
        return _fenced("text", text) if text else ""
    if output["output_type"] == "error":
        return _fenced("text", report.plain(f"{output['ename']}: {output['evalue']}"))
    if CHECKS_MIME not in data and (found := report.pictures(output)):
        alt = re.sub(r"[\[\]\n]", " ", found[0].alt) or "What the cell above shows"
        return f"![{alt}]({found[0].uri})"
    text = report.plain(_joined(data.get("text/plain", "")))
    return _fenced("text", text) if text else ""


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(text)


def _fenced(language: str, text: str) -> str:
    ticks = "`" * max(3, *(len(run) + 1 for run in re.findall("`{3,}", text)), 3)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def in_pictures(_: str) -> dict[str, str]:
    """Return a page with all diagrams, each with its description in words."""
    parts = ["# In pictures\n"]
    for file, diagram in diagrams().items():
        notebooks = [
            f"[{name}](notebooks/{name}.md)"
            for name in notebook_names()
            if file in (ROOT / "staff" / "notebooks" / f"{name}.py").read_text("utf-8")
        ]
        parts += [
            f"## {diagram.title}\n",
            f"![{diagram.title}: what it shows is said below.](../{file})\n",
            f"{diagram.alt} (In {' and '.join(notebooks)}.)\n",
        ]
    return {"pictures": "\n".join(parts)}


PAGES: dict[str, Callable[[str], dict[str, str]]] = {
    "reference": reference,
    "notebooks": notebooks,
    "mistakes": mistakes,
    "pictures": in_pictures,
}
