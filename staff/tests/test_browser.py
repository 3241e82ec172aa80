"""Every kind of page in a real browser: narrow, wide, light, dark, without JavaScript.

Nothing is asked of the network, and axe-core finds nothing to mend.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product

import nbformat
import pytest

from staff.grading import people, records
from staff.grading.pages.class_page import class_page
from staff.grading.pages.sheet import grader_page, student_page
from staff.grading.records import Grounds
from staff.grading.scores import standing
from staff.grading.submission import Left, Refused
from staff.grading.written import answers
from staff.mistakes.bank import answers_with, bank
from staff.mistakes.writings import sources
from staff.questions import ROOT, package_files
from staff.tests.grading_fakes import judge, submission, written
from staff.tests.test_run_and_report import HELPERS, PIXEL, run, show, write

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="there is no Chromium to open pages in"
    ),
]

SLOW = pytest.mark.slow
WIDTHS = {"narrow": 390, "wide": 1280}
SAMPLE = [
    ("narrow", "dark", "scripted"),
    ("wide", "light", "scripted"),
    ("narrow", "light", "plain"),
]
# All of them are looked at where slow tests are, a sample always.
LOOKS = [
    pytest.param(*look, id="-".join(look), marks=[] if look in SAMPLE else SLOW)
    for look in product(WIDTHS, ("light", "dark"), ("scripted", "plain"))
]
# Of what may be read by scrolling, which stands in a box of its own, nothing is cut.
CUT = """() => {
    const width = document.documentElement.clientWidth, found = [];
    const scrolls = node => {
        for (; node; node = node.parentElement)
            if (getComputedStyle(node).overflowX !== "visible") return true;
        return false;
    };
    for (const node of document.querySelectorAll("body *")) {
        const box = node.getBoundingClientRect();
        if (box.width && box.height && box.right > width + 1 && !scrolls(node))
            found.push(`${node.tagName}: ${node.textContent.slice(0, 60)}`);
    }
    return found;
}"""


# Of what has the same classes and styles all the way up, and so the same colours, one
# is kept: most of a page of code is such, and measuring it would take a minute.
KEEP_ONE_OF_A_KIND = """() => {
    const said = node => ["class", "style"].map(name => node.getAttribute(name));
    const kind = node => node === document.body ? "" :
        `${kind(node.parentElement)}>${node.tagName} ${said(node)}`;
    const seen = new Set();
    for (const node of [...document.querySelectorAll("body *")]) {
        const own = kind(node);
        if (seen.has(own) && !node.firstElementChild) node.remove();
        seen.add(own);
    }
}"""


@pytest.fixture(scope="module")
def browser():
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with playwright.sync_playwright() as engines:
        opened = engines.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if root else []
        )
        yield opened
        opened.close()


@contextmanager
def looking(browser, width="wide", scheme="light", script="scripted"):
    """Yield a page of a browser, and what it asked of the network or complained of."""
    context = browser.new_context(
        viewport={"width": WIDTHS[width], "height": 900},
        color_scheme=scheme,
        java_script_enabled=script == "scripted",
    )
    said = []

    def route(one):
        if re.match(r"file:|data:|blob:|http://localhost:", one.request.url):
            one.continue_()
        else:
            said.append(f"asks for {one.request.url}")
            one.abort()

    context.route("**/*", route)
    page = context.new_page()
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "console", lambda one: said.append(one.text) if one.type == "error" else None
    )
    try:
        yield page, said
    finally:
        context.close()


def accessible(page):
    """Return what axe-core finds to mend on a page, which loses words by that."""
    from axe_playwright_python.sync_playwright import Axe

    # It reads style sheets anew unless told not to, which files may not do.
    options = {"preload": False, "resultTypes": ["violations"]}
    rules = {"color-contrast": {"enabled": False}}
    found = Axe().run(page, options=options | {"rules": rules}).response["violations"]
    page.evaluate(KEEP_ONE_OF_A_KIND)
    only = {"runOnly": ["color-contrast"]}
    found += Axe().run(page, options=options | only).response["violations"]
    return [
        f"{one['id']}: {node['html'][:120]} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("style", ["class='b'", "style='color: #bbb'"])
def test_pale_words_are_noticed_among_many_that_are_alike(browser, tmp_path, style):
    head = "<title>T</title><style>.b { color: #bbb }</style>"
    words = "<p class='a'>word</p>" * 9
    (tmp_path / "a.html").write_text(
        f"<html lang='en'><head>{head}</head><body><main><h1>T</h1>{words}"
        f"<p {style}>pale</p></main></body></html>"
    )
    with looking(browser) as (page, _):
        page.goto((tmp_path / "a.html").as_uri())
        (found,) = accessible(page)
    assert found.startswith("color-contrast: <p ")


def look_at(browser, path, width, scheme, script):
    """Open a page, and judge all that is true of every page."""
    with looking(browser, width, scheme, script) as (page, said):
        page.goto(path.as_uri())
        assert page.locator("h1").first.inner_text().strip()
        assert page.evaluate(CUT) == []
        if script == "scripted":  # axe-core is one itself
            assert accessible(page) == []
        assert said == []


# What the browser is to find


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Return the pages of a small class, with everything that a page can show."""
    folder = tmp_path_factory.mktemp("graded")
    grounds = Grounds("a" * 64, "b" * 64, {"python": "3.11.7"})
    long = "a_file_with_a_name_that_has_no_end_" * 3
    one = submission(
        "ada",
        "# wrong rnn_step_forward. named",
        notebooks={"RNN_Captioning": written()},
        left=(Left(f"{long}.bin", "It is no file of the assignment."),),
        remarks=("One folder more than there should be.",),
    )
    record = records.record(one, judge(one, b"0" * 32), grounds)
    all_ = {"ada": record}
    people.assign(all_, None, "last")
    cell = {"cell": "q1-characters-or-words", "points": 2.0, "of": 3.0}
    people.give_written(all_, {"ada": [cell | {"remark": "Well said.", "who": "a TA"}]})
    s = standing(record, "ada")
    words = answers(one.notebooks, one.edition)
    refused = standing(
        records.refusal(Refused(f"{long}.zip", f"{long}.zip is no zip."), grounds), long
    )
    failed = standing(
        records.failure(submission("eve"), f"Traceback\nKeyError: {long}", grounds),
        "eve",
    )
    pages = {
        "student": student_page(s, words),
        "grader": grader_page(s, words, one),
        "refused": student_page(refused, []),
        "failed": grader_page(failed, [], None),
        "class": class_page(
            [s, refused, failed],
            {"ada": "grader.html", long: "refused.html", "eve": "failed.html"},
            "limits",
        ),
    }
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize(("width", "scheme", "script"), LOOKS)
@pytest.mark.parametrize("name", ["student", "grader", "refused", "failed", "class"])
def test_pages_of_a_grading(browser, graded, name, width, scheme, script):
    look_at(browser, graded / f"{name}.html", width, scheme, script)


def test_points_for_words_are_saved_from_the_page(browser, graded):
    with looking(browser) as (page, said):
        page.goto((graded / "grader.html").as_uri())
        page.locator('input[name="points"]').first.fill("2.5")
        with page.expect_download() as one:
            page.locator("[data-save] button").first.click()
        assert "2.5" in one.value.path().read_text("utf-8")
        assert said == []


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the report of a run in which some things went wrong."""
    folder = tmp_path_factory.mktemp("run")
    rows = ('("rnn_step_forward", 1e-9, 1e-8, "<", True)', '("b", 1, 1e-8, "<", False)')
    write(
        folder,
        "RNN_Captioning",
        "# Image captioning\n\nText with $h_t = \\tanh(W h_{t-1})$ and `code`.",
        HELPERS,
        f'publish("a", {", ".join(rows)})',
        show("image/png", PIXEL, {"image/png": {"alt": "A loss that falls."}}),
        'warnings.warn("a warning")\nprint("x" * 300)',
        "1 / 0",
    )
    write(folder, "GANs-PyTorch", "# Two players", "print(1)")
    with ThreadPoolExecutor() as threads:  # Playwright's loop runs in this one
        threads.submit(run, folder).result()
    return folder / "report"


@pytest.mark.parametrize(("width", "scheme", "script"), LOOKS)
def test_the_report(browser, report, width, scheme, script):
    look_at(browser, report / "index.html", width, scheme, script)


SITE = ["index", "search", "students/begin", "pictures", "tensorflow"]
SITE += ["reference/cs231n.rnn_layers", "reference/cs231n.gan_tf"]


@pytest.mark.parametrize(("width", "scheme", "script"), LOOKS)
def test_some_pages_of_the_site(browser, site, width, scheme, script):
    """Those that show each kind of content; the slow test opens all of them."""
    folder, _ = site("students")
    for name in SITE:
        look_at(browser, folder / f"{name}.html", width, scheme, script)


@SLOW
@pytest.mark.parametrize("flavour", ["students", "staff"])
@pytest.mark.parametrize(("width", "scheme", "script"), LOOKS)
def test_all_pages_of_the_site(browser, site, flavour, width, scheme, script):
    folder, _ = site(flavour)
    found = {}
    for path in sorted(folder.rglob("*.html")):
        try:
            look_at(browser, path, width, scheme, script)
        except AssertionError as error:
            found[path.relative_to(folder).as_posix()] = str(error)[:300]
    assert found == {}


# JupyterLab itself


@contextmanager
def lab(folder):
    """Yield the address of JupyterLab in a folder, which ends with the block."""
    token = "0" * 32
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--port=0"]
    command += [f"--IdentityProvider.token={token}", "--ServerApp.port_retries=50"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    own = {"JUPYTER_CONFIG_DIR": folder / "config", "JUPYTER_DATA_DIR": folder / "data"}
    own |= {"JUPYTER_RUNTIME_DIR": folder / "runtime", "CS231N_PROFILE": "quick"}
    own["JUPYTERLAB_SETTINGS_DIR"] = folder / "settings"
    own["CS231N_DATA_DIR"] = ROOT / "cs231n" / "datasets"
    with (folder / "said").open("w+") as said:
        server = subprocess.Popen(
            command,
            cwd=folder,
            stderr=said,
            env=os.environ | {name: str(value) for name, value in own.items()},
        )
        try:
            for _ in range(600):
                text = (folder / "said").read_text("utf-8")
                if found := re.search(
                    r"http://(?:localhost|127\.0\.0\.1):(\d+)/", text
                ):
                    break
                time.sleep(0.2)
            else:
                raise AssertionError(text)
            place = f"http://localhost:{found[1]}/lab/tree/RNN_Captioning.ipynb"
            yield f"{place}?token={token}"
        finally:
            server.terminate()
            server.wait()


def copied_tree(folder, changed=None):
    """Write the solved package and the first notebook, with some files changed."""
    for name in package_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "RNN_Captioning.ipynb", folder)
    for name, text in (changed or {}).items():
        (folder / name).write_text(text, "utf-8")


def run_all(page, address, folder):
    """Open a notebook in JupyterLab and run it whole; return all that it gives out."""
    page.goto(address)
    # The kernel is there, and with it the menu's last words.
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=120_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    for _ in range(150):
        page.keyboard.press("Control+s")
        time.sleep(2)
        book = nbformat.read(folder / "RNN_Captioning.ipynb", as_version=4)
        cells = [cell for cell in book.cells if cell.cell_type == "code"]
        said = str([cell.outputs for cell in cells])
        if cells[-1].execution_count or "'ename'" in said:
            return said
    raise AssertionError(said)


@SLOW
def test_jupyterlab_runs_the_first_notebook(browser, tmp_path):
    copied_tree(tmp_path)
    with lab(tmp_path) as address, looking(browser) as (page, _):
        said = run_all(page, address, tmp_path)
    assert "rnn_step_forward" in said
    assert "'ename'" not in said


@SLOW
def test_jupyterlab_names_the_mistake(browser, tmp_path):
    slip = next(
        s
        for s in bank()[1]
        if s.key == "cs231n.rnn_layers.rnn_step_backward" and s.tier == "asked"
    )
    texts = sources(*answers_with(slip, next(iter(slip.edits))))
    copied_tree(
        tmp_path, {f"{m.replace('.', '/')}.py": text for m, text in texts.items()}
    )
    with lab(tmp_path) as address, looking(browser) as (page, _):
        said = run_all(page, address, tmp_path)
    assert "'ename'" in said
    assert "rnn_step_backward" in said
