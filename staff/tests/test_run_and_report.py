"""The run of a small notebook that does everything wrong that a notebook can."""

import base64
import json
import re
import shutil
import signal
import subprocess
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from cs231n.assignment import table
from staff.questions import ROOT
from staff.report import page as report
from staff.report import run as runner
from staff.report.kernels import OwnPython
from staff.report.results import Check
from staff.report.run import main

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
HELPERS = """
from IPython.display import display
import sys, time, os, warnings
def publish(title, *rows):
    names = ("name", "error", "threshold", "relation", "passed")
    rows = [dict(zip(names, row)) for row in rows]
    data = {"title": title, "rows": rows}
    display({"text/plain": title, "application/vnd.cs231n.checks+json": data}, raw=True)
"""


def show(kind, content, metadata):
    return f"display({{{kind!r}: {content!r}}}, metadata={metadata!r}, raw=True)"


def write(folder, name, *cells):
    """Write a notebook; cells that start with ``# `` and a capital are prose."""
    made = [
        nbformat.v4.new_markdown_cell(cell)
        if re.match(r"#+ [A-Z]", cell)
        else nbformat.v4.new_code_cell(cell)
        for cell in cells
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=made), folder / f"{name}.ipynb")


def run(folder, *names, **options):
    out = folder / "report"
    flags = [word for k, v in options.items() for word in (f"--{k}", str(v))]
    code = main([*names, "--root", str(folder), "--out", str(out), *flags])
    facts = json.loads((out / "report.json").read_text("utf-8"))
    return code, facts, (out / "index.html").read_text("utf-8")


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")
    write(
        folder,
        "RNN_Captioning",
        '# A title\nProse with $h_t = \\tanh(a)$ and <script>alert("prose")</script>\n'
        "![far](https://example.com/x.png) [js](javascript:alert(1))",
        HELPERS,
        "## One step forward",
        'publish("forward", ("next_h", 6e-9, 1e-8, "<", True))\n'
        'print(os.environ["CS231N_PROFILE"], os.getcwd())',
        'publish("backward", ("dx", 0.0, 1e-8, "<", True),'
        ' ("dWh", 3e-2, 5e-6, "<", False), ("db", None, 1e-8, "<", False))\n'
        'raise AssertionError("dWh <img src=x onerror=alert(1)>")',
        'publish("scores", ("BLEU-4", 0.72, 0.7, ">=", True))',
        'for k in range(5): print(f"\\rstep {k}", end="")\n'
        'print(); print("<script>alert(2)</script>")',
        show("image/png", PIXEL, {"image/png": {"alt": 'a "small" square'}}),
        show("image/gif", PIXEL, {"alt": "a dancing square"}),
        show("image/svg+xml", "<svg onload='alert(3)'/>", {}),
        show("text/html", "<b onclick='alert(4)'>x</b>", {}),
        'warnings.warn("too far")',
        'display({"application/vnd.cs231n.checks+json": {"rows": 3}}, raw=True)',
        'publish("lies", ("dW", 1.0, 1e-8, "<", True))',
        "## Answers\n\n<!-- BEGIN SOLUTION -->\nAn answer.\n<!-- END SOLUTION -->\n\n"
        "1. One <!-- inline -->\n   <!-- END SOLUTION -->\n\n`<!-- what -->`",
        "## Empty",
        "",
        "1 + 1",
    )
    before = (folder / "RNN_Captioning.ipynb").read_bytes()
    result = run(folder, profile="quick")
    assert (folder / "RNN_Captioning.ipynb").read_bytes() == before
    return folder, *result


def test_the_exit_status_tells(wrong):
    _, code, facts, _ = wrong

    assert code == 1
    assert facts["passed"] is False
    assert facts["complete"] is True


def test_later_cells_run_after_a_failed_one(wrong):
    _, _, facts, page = wrong
    (notebook,) = facts["notebooks"]

    statuses = [cell["status"] for cell in notebook["cells"]]
    assert statuses.count("failed") == 1
    assert statuses.count("warned") == 1
    assert statuses[-1] == "ok"
    assert all(cell["seconds"] >= 0 for cell in notebook["cells"])
    assert "<pre" in page
    assert ">2</pre>" in page


def test_every_check_is_in_the_facts(wrong):
    checks = {check["name"]: check for check in wrong[2]["notebooks"][0]["checks"]}

    assert checks["forward: next_h"]["passed"] is True
    assert checks["forward: next_h"]["error"] == 6e-9
    assert checks["forward: next_h"]["threshold"] == 1e-8
    assert checks["backward: dx"]["passed"] is True
    assert checks["backward: dWh"]["passed"] is False
    assert checks["backward: db"] | {"cell": 0} == {
        "name": "backward: db",
        "error": None,
        "threshold": 1e-8,
        "relation": "<",
        "passed": False,
        "cell": 0,
    }
    assert checks["scores: BLEU-4"]["relation"] == ">="
    assert checks["scores: BLEU-4"]["passed"] is True


def test_a_verdict_that_its_numbers_contradict_is_no_pass(wrong):
    checks = {check["name"]: check for check in wrong[2]["notebooks"][0]["checks"]}

    assert checks["lies: dW"]["passed"] is False


def test_a_table_that_cannot_be_read_counts_as_failed(wrong):
    unreadable = [
        check
        for check in wrong[2]["notebooks"][0]["checks"]
        if "cannot be read" in check["name"]
    ]

    assert len(unreadable) == 1
    assert unreadable[0]["passed"] is False


def test_warnings_and_silent_pictures_are_listed(wrong):
    _, _, facts, page = wrong
    (notebook,) = facts["notebooks"]

    assert ["too far" in warning["text"] for warning in notebook["warnings"]] == [True]
    assert notebook["figures"] == 3
    assert notebook["figures_without_alt"] == 1
    assert "without a description" in page


def test_the_notebook_knows_its_profile_and_folder(wrong):
    folder, _, facts, page = wrong

    assert facts["profile"] == "quick"
    assert f"quick {folder}" in page


def test_a_progress_bar_is_shown_as_it_ended(wrong):
    assert "step 4\n" in wrong[3]
    assert "step 3" not in wrong[3].replace("range(5)", "")


class Inspector(HTMLParser):
    """Collects what a browser would fetch or execute."""

    def __init__(self):
        super().__init__()
        self.tags, self.alts, self.fetched, self.handlers = set(), [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name in {"src", "srcset", "data", "poster", "action"}:
                self.fetched.append(value)
            if name.startswith("on") or "javascript:" in (value or ""):
                self.handlers.append((tag, name, value))
        if tag == "img":
            self.alts.append(dict(attributes).get("alt"))


def test_the_page_fetches_nothing_and_runs_nothing(wrong):
    page = wrong[3]
    inspector = Inspector()
    inspector.feed(page)

    assert not inspector.tags & {"script", "link", "iframe", "object", "embed", "base"}
    assert inspector.handlers == []
    assert len(inspector.fetched) == 3
    assert all(source.startswith("data:image/") for source in inspector.fetched)
    assert "url(" not in page
    assert "@import" not in page


def test_what_was_printed_is_text_not_markup(wrong):
    page = wrong[3]

    for said in ('alert("prose")', "alert(2)"):
        assert f"<script>{said}" not in page
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in page
    assert "<img src=x" not in page


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_on_a_telephone_no_table_is_cut(tmp_path):
    """At 360 pixels, with the longest names and the widest words."""
    names = sorted((path.stem for path in ROOT.glob("*.ipynb")), key=len)
    for name in names[-3:]:
        write(tmp_path, name, HELPERS, 'publish("a", ("x", 1e-9, 1e-8, "<", True))')
    _, _, page = run(tmp_path)
    page = re.sub(r"\d+\.\d s", "12 min 46 s", page).replace(">passed<", ">stopped<")
    looks = """<script>addEventListener("load", () => {
        const wide = [...document.querySelectorAll("table")].filter(table =>
            table.scrollWidth > table.parentElement.clientWidth);
        parent.postMessage(wide.map(table => table.innerText).join("; "), "*");
    })</script></body>"""
    (tmp_path / "page.html").write_text(page.replace("</body>", looks), "utf-8")
    frame = """<iframe src="page.html" style="width: 360px; height: 2000px"></iframe>
        <pre id="said">nothing</pre><script>addEventListener("message", event => {
        document.getElementById("said").textContent = `cut: ${event.data}.`; })</script>
    """
    (tmp_path / "frame.html").write_text(frame, "utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu"]
    command += ["--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run(
        [*command, (tmp_path / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.DOTALL)
    assert said is not None, done.stderr
    assert said[1] == "cut: ."


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("GANs-PyTorch", "GANs-<wbr>Py<wbr>Torch"),
        ("RNN_Captioning", "RNN_<wbr>Captioning"),
        ("scenes", "scenes"),
        ("a<b>", "a&lt;b&gt;"),
    ],
)
def test_names_are_broken_between_their_words(name, shown):
    assert report._foldable(name) == shown


def test_comments_in_prose_are_not_shown(wrong):
    page = wrong[3]
    assert "An answer." in page
    assert "SOLUTION" not in page
    assert "&lt;!-- what" in page  # in code it is no comment


def test_every_picture_has_a_description(wrong):
    inspector = Inspector()
    inspector.feed(wrong[3])

    assert inspector.alts[:2] == ['a "small" square', "a dancing square"]
    assert "without a description" in inspector.alts[2]


def test_equations_are_drawn(wrong):
    assert "<math" in wrong[3]
    assert "<msub><mi>h</mi><mi>t</mi></msub>" in wrong[3]


def test_the_executed_copy_has_outputs(wrong):
    copy = nbformat.read(wrong[0] / "report" / "RNN_Captioning.ipynb", as_version=4)

    assert copy.cells[-1].outputs[0].data["text/plain"] == "2"


def test_ids_in_the_page_are_distinct_and_links_lead_somewhere(wrong):
    ids = re.findall(r'\bid="([^"]+)"', wrong[3])

    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', wrong[3])) <= set(ids)


def test_a_run_without_complaints_passes_in_the_order_of_the_table(tmp_path, capsys):
    write(tmp_path, "LSTM_Captioning", "print('second')")
    write(tmp_path, "RNN_Captioning", "## First", "x = 1", "print(x)")

    code, facts, page = run(tmp_path)

    assert code == 0
    assert facts["passed"] is True
    names = [notebook["name"] for notebook in facts["notebooks"]]
    assert names == ["RNN_Captioning", "LSTM_Captioning"]
    assert "Everything passed" in page
    lines = capsys.readouterr().out.splitlines()
    mine = [line for line in lines if line.startswith("RNN_Captioning ")]
    assert re.match(r"RNN_Captioning +1/2 +First +\d+\.\d s +ok$", mine[0])
    assert re.match(r"RNN_Captioning +2/2 +print\(x\) +\d+\.\d s +ok$", mine[1])


def test_a_dead_kernel_leaves_a_readable_report(tmp_path):
    kill = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    write(tmp_path, "RNN_Captioning", "print('alive')", kill, "print('never')")
    write(tmp_path, "LSTM_Captioning", "print('next')")

    code, facts, page = run(tmp_path)

    first, second = facts["notebooks"]
    assert code == 1
    assert first["status"] == "stopped"
    assert "kernel died" in first["reason"]
    assert [c["status"] for c in first["cells"]] == ["ok", "failed", "not run"]
    assert second["status"] == "passed"
    assert "alive" in page


def test_a_cell_that_takes_too_long_stops_its_notebook(tmp_path):
    late = tmp_path / "late"
    sleep = f"import time; time.sleep(60); open({str(late)!r}, 'w')"
    write(tmp_path, "RNN_Captioning", sleep, "print('never')")

    code, facts, _ = run(tmp_path, timeout=1)

    assert code == 1
    (result,) = facts["notebooks"]
    assert "longer than 1 s" in result["reason"]
    assert [cell["status"] for cell in result["cells"]] == ["failed", "not run"]
    assert not late.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_an_interrupted_run_says_so_and_keeps_what_it_has(tmp_path):
    write(tmp_path, "RNN_Captioning", "print('done')", "import time; time.sleep(60)")
    out = tmp_path / "report"
    command = [sys.executable, "-m", "staff", "run"]
    command += ["--root", str(tmp_path), "--out", str(out)]

    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert "1/2" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()

    facts = json.loads((out / "report.json").read_text("utf-8"))
    assert process.returncode == 130
    assert "Interrupted" in said
    assert facts["complete"] is False
    assert facts["notebooks"][0]["reason"] == "the run was interrupted"
    assert "Not finished" in (out / "index.html").read_text("utf-8")
    assert not list(out.glob(".*"))


def test_notebooks_in_tensorflow_wait_for_an_environment_that_has_it(
    tmp_path, capsys, monkeypatch
):
    for name in ("GANs-TensorFlow", "RNN_Captioning"):
        (tmp_path / f"{name}.ipynb").touch()
    monkeypatch.setattr(table, "installed", lambda name: name != "tensorflow")
    taken = []

    def take(paths, *_, **__):
        taken.append([path.stem for path in paths])
        return SimpleNamespace(passed=True)

    monkeypatch.setattr(runner, "run_notebooks", take)
    with pytest.raises(SystemExit, match="2"):
        main(["GANs-TensorFlow", "--root", str(tmp_path)])
    assert "say make run TENSORFLOW=1" in capsys.readouterr().err
    assert main(["--root", str(tmp_path)]) == 0
    assert "Left out: GANs-TensorFlow. " in capsys.readouterr().out
    monkeypatch.setattr(table, "installed", lambda _: True)
    assert main(["--root", str(tmp_path)]) == 0
    assert "Left out" not in capsys.readouterr().out
    assert taken == [["RNN_Captioning"], ["RNN_Captioning", "GANs-TensorFlow"]]


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path, capsys):
    write(tmp_path, "RNN_Captioning", "1")

    with pytest.raises(SystemExit):
        main(["RNN_Capptioning", "--root", str(tmp_path)])
    assert "there are RNN_Captioning" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("\r 0%\r 50%\r100%\n", "100%"),
        ("\r 0%\r100%\r", "100%"),
        ("a\r\nb\r\n", "a\nb"),
        ("\x1b[31mred\x1b[0m \x1b[A", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
    ],
)
def test_printed_text_is_left_as_a_terminal_would(said, left):
    assert report.plain(said) == left


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.72341, "0.7234"),
        (0, "0"),
        (1e-8, "10<sup>−8</sup>"),
        (9.99e-9, "10<sup>−8</sup>"),
        (6.29e-9, "6.3\u2009×\u200910<sup>−9</sup>"),
        (-2e-7, "−2\u2009×\u200910<sup>−7</sup>"),
        (None, "–"),
    ],
)
def test_numbers_are_written_as_people_do(value, written):
    assert report._number(value) == written


@pytest.mark.parametrize(
    ("error", "said"),
    [(0.0, "exact"), (1e-9, "10× inside"), (1e-6, "100× over"), (None, "")],
)
def test_the_margin_says_how_far_off(error, said):
    assert report._margin(Check("c", error, 1e-8, "<", True, 0)) == said


def test_a_picture_of_the_project_is_embedded_and_no_other_file(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    for folder in (root, tmp_path):
        (folder / "dot.png").write_bytes(base64.b64decode(PIXEL))
    renderer = report._Renderer("Tiny", root)

    assert 'src="data:image/png;base64,' in renderer.image("a square", "dot.png")
    assert "data:" not in renderer.image("secret", "../dot.png")
    assert "data:" not in renderer.image("secret", "missing.png")


def test_a_progress_bar_is_one_output_also_without_a_browser():
    program = (
        f"import sys, time; sys.path.insert(0, {str(ROOT)!r})\n"
        "from cs231n.support.progress import progress_bar\n"
        "with progress_bar(40, 'counting', mininterval=0) as bar:\n"
        "    for n in range(40):\n"
        "        time.sleep(0.02)\n"
        "        bar.update()\n"
        "print('after')"
    )
    cell = nbformat.v4.new_code_cell(program)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    client = NotebookClient(notebook, coalesce_streams=False)
    client.km = AsyncKernelManager(kernel_spec_manager=OwnPython())
    client.execute()
    bar, after = notebook.cells[0].outputs
    assert bar.data["text/plain"].startswith("counting: 100%")
    assert after.text == "after\n"
