"""The documents site: whole, offline, explains every name, gives no answer away."""

import ast
import base64
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from cs231n.assignment.answers import CHECKS_MIME
from staff.__main__ import VERBS, main
from staff.questions import ROOT, questions
from staff.site import build, checks, dressing, making, sources
from staff.site.sources import FLAVOURS, SiteError
from staff.tests.student_folder import unpack

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


@pytest.mark.site
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_links_anchors_headings_and_descriptions_are_whole(site, flavour):
    folder, problems = site(flavour)
    assert problems == []
    assert len(list(folder.rglob("*.html"))) > 30
    assert (folder / "search.html").exists()


def explained(folder):
    """Return every name that the reference of a site explains."""
    pages = (folder / "reference").glob("*.html")
    text = "".join(page.read_text("utf-8") for page in pages)
    return set(re.findall(r'<dt class="sig[^>]* id="(cs231n[\w.]+)"', text))


@pytest.mark.site
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_public_name_is_explained(site, flavour):
    known = explained(site(flavour)[0])
    missing = [
        f"{module}.{name}"
        for module in making.modules(flavour)
        for name in making.public(making.file_of(module))
        if f"{module}.{name}" not in known
    ]
    assert missing == []
    assert {
        "cs231n.rnn_layers.lstm_step_backward",
        "cs231n.classifiers.rnn.CaptioningRNN.sample",
        "cs231n.gan_tf.dc_generator",
    } <= known


def shown_arguments(folder):
    """Return the arguments that a reference shows: dotted name -> their names."""
    found = {}
    for page in (folder / "reference").glob("*.html"):
        heads = re.findall(
            r'<dt class="sig[^>]* id="(cs231n[\w.]+)">(.*?)</dt>',
            page.read_text("utf-8"),
            re.DOTALL,
        )
        for name, head in heads:
            shown = re.findall(r'<em class="sig-param">(.*?)</em>', head)
            plain = [re.sub("<.*?>", "", argument) for argument in shown]
            names = [text.partition("=")[0].lstrip("*") for text in plain]
            found[name] = [name for name in names if name not in {"", "/"}]
    return found


def written_arguments(module):
    """Yield the functions of a module, and its classes that say how they are made."""

    def inside(body, scope):
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from inside(node.body, f"{scope}.{node.name}")
            elif isinstance(node, ast.FunctionDef):
                marks = {ast.unparse(mark) for mark in node.decorator_list}
                args = node.args
                all_of_them = [*args.posonlyargs, *args.args, args.vararg]
                all_of_them += [*args.kwonlyargs, args.kwarg]
                names = [one.arg for one in all_of_them if one]
                if node.name == "__init__":
                    yield scope, names[1:]
                elif not marks & {"property", "cached_property"}:
                    bound = scope != module and "staticmethod" not in marks
                    yield f"{scope}.{node.name}", names[bound:]

    return inside(ast.parse(making.file_of(module).read_text("utf-8")).body, module)


@pytest.mark.site
def test_what_is_explained_has_the_arguments_that_it_takes(site):
    shown = shown_arguments(site("staff")[0])
    assert shown["cs231n.classifiers.squeezenet_tf.MaxPool"] == ["pools", "name"]
    written = {
        name: arguments
        for module in making.modules("staff")
        for name, arguments in written_arguments(module)
        if name in shown
    }
    assert len(written) > 500
    assert {name: shown[name] for name in written} == written


def test_the_reference_has_every_module_that_offers_something():
    found = set(making.modules("staff"))
    for path in (ROOT / "cs231n").rglob("*.py"):
        name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        name = name.removesuffix(".__init__")
        if "__main__" not in name and name != "cs231n.setup" and making.public(path):
            assert name in found, name
    assert {m.split(".")[1] for m in found} - {
        m.split(".")[1] for m in making.modules("students")
    } == {"tools"}


@pytest.mark.site
def test_students_get_no_page_of_the_staffs(site):
    folder, _ = site("students")
    for name in ("staff", "mistakes", "derivations"):
        assert not (folder / name).exists()
        assert (site("staff")[0] / name).is_dir()
    assert not list(folder.rglob("*.md"))


@pytest.mark.site
def test_derivations_cover_every_backward_pass_and_are_drawn(site):
    folder = site("staff")[0] / "derivations"
    wanted = "recurrent embedding softmax batchnorm convolution pooling"
    for name in wanted.split():
        page = (folder / f"{name}.html").read_text("utf-8")
        assert page.count('<math xmlns="http://www.w3.org/1998/Math/MathML"') >= 3
        assert "_backward" in page or "softmax_loss" in page


def test_every_mistake_of_the_bank_has_its_sentence_and_its_change():
    pages = making.mistakes("staff")
    assert set(pages) == {f"mistakes/{q.id.lower()}" for q in questions()}
    slips = [slip for slip in making.bank()[1] if not slip.implied]
    assert sum(page.count("```diff\n") for page in pages.values()) == len(slips)
    assert "\n+" in pages["mistakes/q1"]
    assert "\n-" in pages["mistakes/q1"]
    assert "```diff\n```" not in "".join(pages.values())


PAGE = '<html lang="en"><head><title>T</title>{}</head><body>{}</body></html>'


@pytest.mark.parametrize(
    ("head", "body", "says"),
    [
        ("", "<h1>A</h1><a href='b.html'>b</a>", "b.html leads nowhere"),
        ("", "<h1>A</h1><a href='#there'>b</a>", "#there names an anchor"),
        ("", "<h1>A</h1><a href='file:///etc'>b</a>", "file:///etc leads nowhere"),
        ("", "<p>A</p>", "0 headings"),
        ("", "<h1>A</h1><h1>B</h1>", "2 headings"),
        ("", "<h1>A</h1><img src='data:image/png;base64,AA=='>", "says nothing"),
        ("", "<h1>A</h1><img alt='A' src='https://x.org/a.png'>", "asks for https"),
        ("", "<h1>A</h1><img alt='A' src='a.png'>", "a.png is not there"),
        ("<script src='//cdn.org/a.js'></script>", "<h1>A</h1>", "asks for //cdn"),
        ("<link rel='stylesheet' href='http://x.org/a'>", "<h1>A</h1>", "asks for"),
        ("<style>@import 'https://x.org/a';</style>", "<h1>A</h1>", "asks for"),
        ("", "<h1 style='background: url(//x.org/a)'>A</h1>", "asks for"),
    ],
)
def test_a_page_that_is_not_whole_is_noticed(tmp_path, head, body, says):
    (tmp_path / "a.html").write_text(PAGE.format(head, body))
    assert any(says in problem for problem in checks.problems(tmp_path))


def test_a_style_sheet_that_loads_is_noticed_and_a_whole_page_is_not(tmp_path):
    body = "<h1 id='top'>A</h1><a href='a.html#top'>A</a><a href='https://x.org'>x</a>"
    (tmp_path / "a.html").write_text(PAGE.format("", body))
    assert checks.problems(tmp_path) == []
    (tmp_path / "a.css").write_text("/* url(//no.org) */ p { src: url(//x.org/f) }")
    assert checks.problems(tmp_path) == ["a.css: opening it asks for //x.org/f"]


def test_where_a_page_was_made_is_not_told_unnoticed(tmp_path):
    (tmp_path / "search.js").write_text('["/home/ada/course/cs231n"]')
    (told,) = checks.told(tmp_path, [Path("/home/ada/course"), Path("/elsewhere")])
    assert told == "search.js: tells that it was made in /home/ada/course."


def test_an_answer_on_a_page_is_noticed(tmp_path):
    answer = "next_h = np.tanh(x @ Wx + prev_h @ Wh + b)"
    for place in (f"<p>{answer}</p>", f"<pre>h = (\n {answer[9:]}\n)</pre>"):
        (tmp_path / "a.html").write_text(PAGE.format("", f"<h1>A</h1>{place}"))
        found = checks.leaks(tmp_path, {}, {})
        assert any("rnn_layers.py" in problem for problem in found), place
    (tmp_path / "a.html").write_text(PAGE.format("", "<p>see staff/notes.md</p>"))
    assert "names what staff keep" in checks.leaks(tmp_path, {}, {})[0]


def test_a_page_that_cannot_be_filled_in_or_linked_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").touch()

    def page(text, flavour="staff"):
        return sources._page("a", "docs/a.md", text, {}, flavour)

    for text in ("{{nothing}}", "{{section a.md Gone}}", "[a](b.md)", "![a](b.png)"):
        with pytest.raises(SiteError, match=r"^docs/a\.md: "):
            page(text)
    with pytest.raises(SiteError, match="students get no code"):
        page("{{code staff/reference/layers.py conv_backward}}", "students")
    assert page("```text\n[a](b.md)\n```\n[a](https://x.org)")["a.md"]


def test_a_link_in_code_is_shown_and_one_with_code_is_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    (tmp_path / "a.md").touch()

    def page(text):
        places = {"a.md": "pages/a"}
        return sources._page("b", "b.md", text, places, "staff")["b.md"].decode()

    for text in ("`![](c.svg)`", "``[`a`](c.md)``", "a ` [a](https://x.org) ` b"):
        assert page(text) == text
    assert page("`a` [a](a.md) `b`") == "`a` [a](pages/a.md) `b`"
    assert page("[`a`](a.md)") == "[`a`](pages/a.md)"
    # A tick without a partner makes no code.
    assert page("a `b\n\n[a](a.md) `c") == "a `b\n\n[a](pages/a.md) `c"


def test_results_of_a_docstring_become_a_list():
    said = ["Do it.", "", "Returns:", "    dx: (N, D) gradient", "        at x."]
    assert dressing.with_results(
        [*said, "    db: (D,) too.", "", "Source: a book."]
    ) == [
        *("Do it.", "", "", ":returns:"),
        *(
            "    * **dx** -- (N, D) gradient",
            "      at x.",
            "    * **db** -- (D,) too.",
        ),
        *("    ", "", "Source: a book."),
    ]
    plain = dressing.with_results(["Returns:", "    (N, D) so: a matrix."])
    assert "    (N, D) so: a matrix." in plain


def test_stars_and_bars_are_no_markup_outside_of_code():
    lines = ["|x| * y, ``a * b``", ">>> a * b", "{'a*b'}", "", "*"]
    dressing._results("app", "what", "name", None, {}, lines)
    assert lines == [r"\|x\| \* y, ``a * b``", ">>> a * b", "{'a*b'}", "", r"\*"]


def test_an_executed_notebook_is_shown_with_its_outputs(tmp_path, monkeypatch):
    picture = io.BytesIO()
    Image.new("RGB", (2, 2)).save(picture, "PNG")
    png = base64.b64encode(picture.getvalue()).decode()
    output = nbformat.v4.new_output
    cell = nbformat.v4.new_code_cell(
        "print(1)",
        outputs=[
            output("stream", text="one\rtwo\n```\n"),
            output("display_data", {"image/png": png}, metadata={"alt": "Two [cats]"}),
            output("display_data", {CHECKS_MIME: {}, "text/plain": "all pass"}),
            output("error", ename="ValueError", evalue="a \x1b[31mred\x1b[0m one"),
        ],
    )
    prose = [nbformat.v4.new_markdown_cell(f"# Part {n}\n\n## Below") for n in (1, 2)]
    whole = nbformat.v4.new_notebook(cells=[prose[0], cell, prose[1]])
    (tmp_path / "build" / "report").mkdir(parents=True)
    shutil.copytree(ROOT / "staff" / "notebooks", tmp_path / "staff" / "notebooks")
    nbformat.write(whole, tmp_path / "build" / "report" / "RNN_Captioning.ipynb")
    monkeypatch.setattr(making, "ROOT", tmp_path)

    pages = making.notebooks("staff")
    page = pages["notebooks/RNN_Captioning"]
    assert page.startswith("# Part 1\n\n## Below\n\n```ipython\nprint(1)\n```\n")
    assert "## Part 2\n\n### Below" in page
    assert "````text\ntwo\n```\n````" in page
    assert f"![Two  cats ](data:image/png;base64,{png})" in page
    assert "```text\nall pass\n```" in page
    assert "```text\nValueError: a red one\n```" in page
    assert "Captioning images with an LSTM" in pages["notebooks/LSTM_Captioning"]
    # In a list of pages only their titles tell notebooks of two frameworks apart.
    titles = [text.partition("\n")[0] for text in pages.values()]
    assert "# Style transfer, in TensorFlow" in titles
    assert len(set(titles)) == len(titles)


GUIDES = {file: (ROOT / file).read_text("utf-8") for file in sources.files("staff")}
STUDENTS = set(sources.files("students"))
ELSEWHERE = {"pip", "venv", "pytest", "jupyter"}


def commands(text):
    """Yield the words of every command that a guide has in its code."""
    code = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    code += re.findall(r"`((?:make|python -m) [^`\n]+)`", text)
    for line in "\n".join(code).splitlines():
        words = line.partition("  #")[0].strip().removeprefix("!").split()
        if words[:1] == ["make"] or words[:2] == ["python", "-m"]:
            yield words


@pytest.fixture(scope="session")
def help_of():
    """Return what a command says of itself, asked once."""
    known = {}

    def said(*words):
        if words not in known:
            done = subprocess.run(
                [sys.executable, "-m", *words, "--help"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            )
            known[words] = done.stdout
        return known[words]

    return said


@pytest.mark.parametrize("file", GUIDES)
def test_commands_of_the_guides_are_there_with_their_options(file, help_of, capsys):
    for words in commands(GUIDES[file]):
        if words[0] == "make":
            assert re.search(rf"^{words[1]}: .*## ", MAKEFILE, re.MULTILINE), words
            continue
        module = words[2]
        options = {word.partition("=")[0] for word in words if word[:2] == "--"}
        if module in ELSEWHERE:
            continue
        if module == "staff" and len(words) > 3:
            assert words[3] in VERBS, words
            with pytest.raises(SystemExit):
                main([words[3], "--help"])
            helped = capsys.readouterr().out
        else:
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
            verbs = itertools.takewhile(lambda word: word[:2] != "--", words[3:])
            helped = help_of(module, *verbs) if options else ""
        for option in options - {"--help"}:
            assert option in helped, words
        if file in STUDENTS:
            assert module != "staff", words


def test_the_guides_have_commands_to_check():
    assert sum(1 for text in GUIDES.values() for _ in commands(text)) > 30


@pytest.mark.parametrize("file", [file for file in GUIDES if file.startswith("docs/")])
def test_files_that_a_guide_names_exist(file):
    named = re.findall(r"`((?:cs231n|staff|docs|tests)/[\w./-]+)`", GUIDES[file])
    named = [name for name in named if name != "cs231n/handout.json"]
    assert [name for name in named if not (ROOT / name).exists()] == []


def shown(name):
    """Return what the first guide shows under a name, without times."""
    guide = GUIDES["docs/students/begin.md"]
    block = rf"<!-- shown: {name} -->\n```text\n(.*?)```"
    return untimed(re.search(block, guide, re.DOTALL)[1])


def untimed(text):
    return re.sub(r"\d+\.\d\d s", "…", text).strip()


def test_what_the_guide_shows_is_what_check_and_notebook_say(tmp_path):
    folder = unpack(tmp_path / "assignment3")
    module = folder / "cs231n" / "rnn_layers.py"
    handed = module.read_text("utf-8")
    guide = GUIDES["docs/students/begin.md"]
    box = re.search(r"```python\n(.*?)```", guide, re.DOTALL)[1]
    assert box in handed
    # The function as the check is to see it, without its last term and with it.
    answer = "next_h = np.tanh(x @ Wx + prev_h @ Wh{})\n"
    answer += "    cache = (x, prev_h, Wx, Wh, next_h)"
    stub = re.search(r"raise NotImplementedError\(.*\)", box)[0]
    for name, last in (("wrong", ""), ("right", " + b")):
        module.write_text(handed.replace(stub, answer.format(last), 1))
        done = subprocess.run(
            [sys.executable, "-m", "cs231n.check", "rnn_step_forward"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert untimed(done.stdout) == shown(name)

    notebook = json.loads((folder / "RNN_Captioning.ipynb").read_bytes())
    cells = [
        "".join(line for line in cell["source"] if not line.startswith("%"))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]
    cell = next(cell for cell in cells if 'check(\n    "rnn_step_forward"' in cell)
    lines = ast.parse("\n".join(cells)).body
    imports = [ast.unparse(line) for line in lines if isinstance(line, ast.ImportFrom)]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(["import numpy as np", *imports, cell])],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert untimed(done.stdout) == shown("cell"), done.stderr


@pytest.mark.slow
def test_the_same_tree_gives_the_same_site(site, tmp_path):
    folder, _ = site("students")
    build.build("students", tmp_path / "again")
    names = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert names
    for name in names:
        same = (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
        assert same, name


def test_the_command_keeps_what_is_there_when_it_fails(tmp_path, monkeypatch, capsys):
    def made(_, out):
        Path(out).mkdir()
        (out / "index.html").write_text("new")
        return problems

    monkeypatch.setattr(build, "build", made)
    problems = []
    assert build.main(["students", "--out", str(tmp_path)]) == 0
    assert "1 pages" in capsys.readouterr().out
    problems = ["index.html: is not whole."]
    (tmp_path / "students" / "index.html").write_text("old")
    assert build.main(["students", "--out", str(tmp_path)]) == 1
    assert "is not whole" in capsys.readouterr().err
    assert (tmp_path / "students" / "index.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["students"]
