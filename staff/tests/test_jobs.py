"""Several jobs at once: what starts when, what is said meanwhile, and how all ends.

Notebooks here wait for one another's files, never for a time to pass.
"""

import io
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import nbformat
import psutil
import pytest

from staff import doctor
from staff.questions import ROOT, TABLE, notebook_names, questions
from staff.report.jobs import (
    Job,
    Plan,
    Times,
    durations,
    environment,
    in_words,
    parse_jobs,
    read_jobs,
    wanted,
)
from staff.report.run import main
from staff.report.screen import Screen, about
from tests import coco_files

WAIT = """
import time
from pathlib import Path
def wait_for(name, holds=""):
    while not Path(name).exists() or holds not in Path(name).read_text("utf-8"):
        time.sleep(0.02)
"""
CHILD = """
import os, subprocess, sys
from pathlib import Path
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(sleep)
Path("{0}.new").write_text(f"{{os.getpid()}} {{child.pid}}")
os.rename("{0}.new", "{0}")
child.wait()
"""


def write(folder, name, *cells):
    cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")


def write_table(folder, *rows):
    lines = ["[[jobs]]\n" + "\n".join(row) for row in rows]
    (folder / "staff").mkdir()
    (folder / "staff" / "questions.toml").write_text("\n".join(lines), "utf-8")


def run(folder, *words):
    out = folder / "report"
    code = main(["--root", str(folder), "--out", str(out), *words])
    facts = json.loads((out / "report.json").read_text("utf-8"))
    return code, facts, (out / "index.html").read_text("utf-8")


def statuses(facts):
    return {row["name"]: row["status"] for row in facts["data"] + facts["notebooks"]}


# What starts when


def job(name, seconds=1.0, needs=(), module="", megabytes=10.0):
    return Job(name, tuple(needs), module=module, seconds=seconds, megabytes=megabytes)


PICTURES = job("pictures", 100, module="m")
JOBS = [
    PICTURES,
    job("scenes", 50, module="m"),
    job("captions", 400, ["scenes"]),
    job("gradients", 110, ["pictures"]),
    job("style", 30),
    job("gans", 300),
]


def names(jobs):
    return [j.name for j in jobs]


def play(plan):
    """Return the order in which jobs start if each takes exactly its time."""
    order, ends, now = [], {j.name: j.seconds for j in plan.running}, 0.0
    while True:
        for started in plan.start():
            order.append(started.name)
            ends[started.name] = now + started.seconds
        if not plan.running:
            return order, now
        first = min(plan.running, key=lambda j: ends[j.name])
        now = ends[first.name]
        plan.finish(first, well=True)


def test_something_to_look_at_comes_first_then_the_longest_way():
    order, _ = play(Plan(JOBS, 2, 1000))
    assert order == ["style", "scenes", "gans", "captions", "pictures", "gradients"]
    order, _ = play(Plan(JOBS, 1, 1000))
    assert order == ["style", "scenes", "captions", "gans", "pictures", "gradients"]


def test_what_all_others_wait_for_comes_first_where_nothing_can_be_shown():
    captioning = [j for j in JOBS if j.name in ("scenes", "captions")]
    assert names(Plan(captioning, 2, 1000).start()) == ["scenes"]


@pytest.mark.parametrize("slots", [1, 2, 3, 9])
def test_the_time_left_is_that_of_the_plan(slots):
    _, seconds = play(Plan(JOBS, slots, 1000))
    plan = Plan(JOBS, slots, 1000)
    assert plan.seconds_left({}) == seconds
    started = plan.start()
    assert plan.seconds_left({}) == seconds
    late = dict.fromkeys(names(started), 1e6)
    assert 0 < plan.seconds_left(late) < seconds
    assert Plan([], 1, 1).seconds_left({}) == 0


def test_memory_limits_how_many_run():
    jobs = [job("a", 3, megabytes=60), job("b", 9, megabytes=60), job("c", 8)]
    plan = Plan(jobs, 3, 100)
    assert names(plan.start()) == ["a", "c"]
    assert plan.start() == []
    plan.finish(jobs[0], well=True)
    assert names(plan.start()) == ["b"]
    # What needs more than there is runs alone.
    plan = Plan([job("large", 9, megabytes=1000), job("small")], 2, 100)
    assert names(plan.start()) == ["small"]
    plan.finish(plan.running[0], well=False)
    assert names(plan.start()) == ["large"]


def test_what_needs_a_failed_job_is_lost_and_nothing_else():
    jobs = [*JOBS, job("more", 5, ["gradients"])]
    plan = Plan(jobs, 9, 1000)
    plan.start()
    assert names(plan.finish(PICTURES, well=False)) == ["gradients", "more"]
    order, _ = play(plan)
    assert order == ["captions"]


def test_only_what_notebooks_need_is_prepared():
    table = {j.name: j for j in JOBS}
    assert names(wanted(["style", "captions"], table)) == [
        "scenes",
        "style",
        "captions",
    ]
    assert names(wanted(["of nobody"], table)) == ["of nobody"]


# The table


def test_the_table_knows_every_notebook_and_what_it_needs():
    jobs = read_jobs(TABLE)
    assert {name for name, j in jobs.items() if not j.module} == set(notebook_names())
    for name, j in jobs.items():
        if j.module:
            continue
        text = (ROOT / "staff" / "notebooks" / f"{name}.py").read_text("utf-8")
        needs = {
            "scenes": "load_coco_data" in text,
            "small-network": "find_tiny_imagenet" in text,
        }
        assert set(j.needs) == {need for need, asked in needs.items() if asked}


def test_a_variable_makes_data_needless():
    jobs = read_jobs(TABLE)
    names_of = ["RNN_Captioning", "LSTM_Captioning", "ImageGradients"]
    assert {j.name for j in wanted(names_of, jobs, {})} == {
        *names_of,
        *("scenes", "small-network"),
    }
    needed = wanted(names_of, jobs, {"CS231N_CAPTIONS": "holiday"})
    assert {j.name for j in needed} == {*names_of, "small-network"}
    assert all(j.needs == () for j in needed if j.name != "ImageGradients")
    Plan(needed, 2, 1000)  # which knows all that each needs
    assert "scenes" in {j.name for j in wanted(names_of, jobs, {"CS231N_CAPTIONS": ""})}


def test_a_chosen_data_set_is_found_and_no_scenes_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("CS231N_CAPTIONS", raising=False)
    folder = coco_files.write(tmp_path / "data" / "holiday")
    write_table(
        tmp_path,
        ('name = "scenes"', 'module = "no.such"', 'unless = "CS231N_CAPTIONS"'),
        ('name = "RNN_Captioning"', 'needs = ["scenes"]'),
    )
    write(
        tmp_path,
        "RNN_Captioning",
        f"""import os, sys; sys.path.insert(0, {str(ROOT)!r})
from cs231n.coco_utils import captions_folder
assert os.environ["CS231N_CAPTIONS"] == {str(folder)!r}
assert str(captions_folder()) == {str(folder)!r}""",
    )
    code, facts, _ = run(tmp_path, "--captions", "holiday")
    assert code == 0
    assert statuses(facts) == {"RNN_Captioning": "passed"}
    monkeypatch.setenv("CS231N_CAPTIONS", str(folder))
    assert statuses(run(tmp_path)[1]) == {"RNN_Captioning": "passed"}


def test_a_data_set_that_does_not_exist_stops_a_run_at_once(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path / "data"))
    coco_files.write(tmp_path / "data" / "holiday")
    write(tmp_path, "RNN_Captioning", "1 + 1")
    with pytest.raises(SystemExit):
        main(["--root", str(tmp_path), "--captions", "hoilday"])
    said = capsys.readouterr().err.splitlines()[-1]
    assert "no captioned data set is called 'hoilday'; there " in said
    assert "holiday" in said.partition("there ")[2]
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [{"name": "a", "needs": ["b"]}],
            "a needs b, which is no job; name some of a.",
        ),
        (
            [{"name": "a", "needs": ["b"]}, {"name": "b", "needs": ["a"]}],
            "Jobs need one another in a circle, ",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused(rows, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_jobs({"jobs": rows})
    table = {"questions": [], "sets": [], "jobs": rows}
    assert any(said in problem for problem in doctor.in_table(table))


def test_a_job_that_is_no_notebook_is_noticed():
    table = {"questions": [], "sets": [], "jobs": [{"name": "Lost"}]}
    (problem,) = doctor.in_table(table)
    assert "the job Lost is no notebook of a question" in problem


# Times


def test_times_are_those_of_the_last_run_in_the_same_profile(tmp_path):
    file = tmp_path / "build" / "times.json"
    Times(file, "full").keep("gans", 123.44, 321.4)
    gans, data = job("gans", 300), PICTURES
    assert Times(file, "full").of(gans).seconds == 123.4
    assert Times(file, "full").of(gans).megabytes == 321
    assert Times(file, "full").of(data) == data
    assert Times(file, "quick").of(gans).seconds < 123
    Times(file, "quick").keep("gans", 7, 1)
    assert Times(file, "quick").of(gans).seconds == 7
    assert Times(file, "full").of(gans).seconds == 123.4


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"full": 3}', '{"full": {"gans": {"seconds": "x"}}}']
)
def test_a_damaged_file_of_times_knows_nothing(tmp_path, text):
    file = tmp_path / "times.json"
    file.write_text(text, "utf-8")
    assert Times(file, "full").of(PICTURES) == PICTURES
    Times(file, "full").keep("gans", 1, 2)
    assert Times(file, "full").of(job("gans")).seconds == 1


def test_a_share_of_threads_is_given_unless_somebody_said_otherwise(monkeypatch):
    for name in list(environment(1)):
        if name.endswith("_NUM_THREADS"):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    given = environment(3)
    assert given["OMP_NUM_THREADS"] == given["OPENBLAS_NUM_THREADS"] == "3"
    assert given["MKL_NUM_THREADS"] == "7"


GLIBC = platform.libc_ver()[0] == "glibc"


@pytest.mark.skipif(not GLIBC, reason="other C libraries have other switches")
def test_jobs_keep_the_memory_of_arrays_that_are_gone(monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    program = (
        "import resource\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "b'x' * (20 << 20)\n"
        "before = faults()\n"
        "for _ in range(10): b'x' * (20 << 20)\n"
        "print(faults() - before)\n"
    )
    fresh, kept = (
        int(subprocess.check_output([sys.executable, "-c", program], env=variables))
        for variables in (dict(os.environ), environment(1))
    )
    assert kept < 100 < fresh  # of 51,200 small pages


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_the_tables_order_is_about_as_short_as_can_be(slots):
    table = read_jobs(TABLE)
    for later in (False, True):
        plan = [
            job for job in wanted(notebook_names(), table) if not (later and job.module)
        ]
        if later:  # data are there
            plan = [replace(job, needs=()) for job in plan]
        _, end = play(Plan(plan, slots, 1e6))
        ways = Plan(plan, slots, 1e6)._way.values()
        shortest = max(*ways, sum(job.seconds for job in plan) / slots)
        assert end <= 1.15 * shortest


# Whole runs


def test_two_notebooks_run_at_once_with_their_share_of_threads(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("joblib.cpu_count", lambda: 4)
    said = "import os; print('threads:', os.environ['OMP_NUM_THREADS'])"
    for mine, other in [("GANs-PyTorch", "style"), ("StyleTransfer-PyTorch", "gan")]:
        own = "gan" if other == "style" else "style"
        meet = f"Path('{own}').touch(); wait_for('{other}')"
        write(tmp_path, mine, WAIT, meet, said)
    code, facts, page = run(tmp_path, "--jobs", "2", "--timeout", "60")
    assert code == 0
    assert (facts["jobs"], facts["threads"]) == (2, 2)
    assert page.count("threads: 2") == 2
    assert all(row["megabytes"] > 0 for row in facts["notebooks"])
    lines = capsys.readouterr().out.splitlines()
    for name in ("GANs-PyTorch", "StyleTransfer-PyTorch"):
        mine = [x for x in lines if re.match(rf"{name} +\d/3 ", x)]
        assert [x[len("StyleTransfer-PyTorch") :].split()[0] for x in mine] == [
            "1/3",
            "2/3",
            "3/3",
        ]
        assert re.search(rf"{name}: passed, .*, at most [\d,]+ MB", "\n".join(lines))
    times = json.loads((tmp_path / "report" / "times.json").read_text("utf-8"))
    assert set(times["full"]) == {"GANs-PyTorch", "StyleTransfer-PyTorch"}


def test_one_at_a_time_if_that_is_asked_for(tmp_path):
    alone = "from pathlib import Path\nPath('here').touch(exist_ok=False)"
    for name in ("GANs-PyTorch", "StyleTransfer-PyTorch"):
        write(tmp_path, name, alone, "Path('here').unlink()")
    code, facts, _ = run(tmp_path, "--jobs", "1")
    assert code == 0
    assert facts["jobs"] == 1


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_a_number_of_jobs_that_makes_no_sense_is_refused(tmp_path, number, capsys):
    write(tmp_path, "GANs-PyTorch", "1")
    with pytest.raises(SystemExit):
        run(tmp_path, "--jobs", number)
    assert "--jobs" in capsys.readouterr().err


@pytest.fixture
def with_data(tmp_path, monkeypatch):
    """Return a folder with a table, two data jobs and three notebooks."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "good.py").write_text(
        "import sys; from pathlib import Path\n"
        "print('drawing', *sys.argv[1:]); Path('drawn').write_text('scenes')\n"
    )
    (tmp_path / "bad.py").write_text("print('so far', flush=True)\n1 / 0\n")
    write_table(
        tmp_path,
        ['name = "scenes"', 'title = "Scenes"', 'module = "good"', 'quick = ["--few"]'],
        ['name = "network"', 'title = "A network"', 'module = "bad"'],
        ['name = "RNN_Captioning"', 'needs = ["scenes"]'],
        ['name = "ImageGradients"', 'needs = ["network"]'],
    )
    write(tmp_path, "RNN_Captioning", "print(open('drawn').read())")
    write(tmp_path, "ImageGradients", "1")
    write(tmp_path, "GANs-PyTorch", "2")
    return tmp_path


def test_data_come_before_the_notebooks_that_need_them(with_data, capsys):
    code, facts, page = run(with_data, "RNN_Captioning", "--profile", "quick")
    assert code == 0
    assert statuses(facts) == {"scenes": "passed", "RNN_Captioning": "passed"}
    assert re.search(r"^scenes +drawing --few$", capsys.readouterr().out, re.MULTILINE)
    assert "<td>scenes</td>" in page


def test_what_needs_failed_data_is_named_and_the_rest_runs(with_data, capsys):
    code, facts, page = run(with_data)
    said = capsys.readouterr().out
    assert code == 1
    assert statuses(facts) == {
        "scenes": "passed",
        "network": "failed",
        "RNN_Captioning": "passed",
        "ImageGradients": "not run",
        "GANs-PyTorch": "passed",
    }
    assert facts["complete"] is True
    assert facts["passed"] is False
    assert "ImageGradients: not run, as it needs network, which failed" in said
    for text in ("ZeroDivisionError: division by zero", "it needs network, which fail"):
        assert text in page
    assert (
        "network"
        not in json.loads((with_data / "report/times.json").read_text())["full"]
    )


def test_the_report_is_there_while_the_run_goes_on(tmp_path):
    """The second notebook waits for the page to show the first, and keeps that page."""
    keep = "Path('seen').write_text(Path('report/index.html').read_text('utf-8'))"
    write(tmp_path, "StyleTransfer-PyTorch", "print('a ' + 'picture')")
    write(
        tmp_path,
        "GANs-PyTorch",
        WAIT,
        "print('half ' + 'way')",
        f"wait_for('report/index.html', '>a picture<'); {keep}",
    )
    write(tmp_path, "ImageGradients", "1")
    write_table(
        tmp_path,
        ['name = "StyleTransfer-PyTorch"', "seconds = 1"],
        ['name = "GANs-PyTorch"', "seconds = 9"],
        ['name = "ImageGradients"', 'needs = ["GANs-PyTorch"]'],
    )
    code, facts, last = run(tmp_path, "--jobs", "2", "--timeout", "60")
    seen = (tmp_path / "seen").read_text("utf-8")
    assert code == 0
    assert facts["running"] is False
    assert '<meta http-equiv="refresh"' in seen
    assert "1 of 3 done so far" in seen
    assert "running: GANs-PyTorch." in seen
    assert "Waiting: ImageGradients." in seen
    assert '<span class="badge waiting">' in seen
    assert "http-equiv" not in last
    assert "The run goes on" not in last
    assert "Everything passed" in last
    assert "half way" in last


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_ends_all_that_it_has_started(tmp_path, number):
    write_table(
        tmp_path,
        ['name = "scenes"', 'module = "endless"'],
        ['name = "RNN_Captioning"', 'needs = ["scenes"]'],
    )
    (tmp_path / "endless.py").write_text(CHILD.format("data"))
    write(tmp_path, "GANs-PyTorch", CHILD.format("gans"))
    write(tmp_path, "StyleTransfer-PyTorch", "1", CHILD.format("style"))
    write(tmp_path, "RNN_Captioning", "1")
    words = ["--root", str(tmp_path), "--out", str(tmp_path / "report"), "--jobs", "3"]
    files = [tmp_path / name for name in ("data", "gans", "style")]
    with subprocess.Popen(
        [sys.executable, "-m", "staff", "run", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for _ in range(2400):
            if all(file.exists() for file in files) or process.poll() is not None:
                break
            time.sleep(0.05)
        process.send_signal(number)
        said = process.stdout.read()
    assert process.returncode == 130
    assert "Interrupted" in said
    assert "Traceback" not in said
    pids = [int(pid) for file in files for pid in file.read_text().split()]
    assert len(pids) == 6
    assert [pid for pid in pids if lives(pid)] == []
    facts = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert statuses(facts) == {
        "scenes": "stopped",
        "GANs-PyTorch": "stopped",
        "StyleTransfer-PyTorch": "stopped",
        "RNN_Captioning": "not run",
    }
    assert facts["running"] is False
    style = next(r for r in facts["notebooks"] if r["name"].startswith("Style"))
    assert [cell["status"] for cell in style["cells"]] == ["ok", "failed"]
    assert "http-equiv" not in (tmp_path / "report" / "index.html").read_text("utf-8")


def lives(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
def test_a_notebook_leaves_no_process_behind(tmp_path):
    start = "child = subprocess.Popen(sleep); print('child', child.pid)"
    sleep = "sleep = [sys.executable, '-c', 'import time; time.sleep(600)']"
    write(tmp_path, "GANs-PyTorch", f"import subprocess, sys\n{sleep}", start)
    _, _, page = run(tmp_path)
    (pid,) = re.findall(r"child (\d+)", page)
    assert not lives(int(pid))


# The last line


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(text, width):
    """Return what a terminal shows after a text: its lines, each as it ended."""
    lines = []
    for line in text.split("\n"):
        row = ""
        for part in line.split("\r"):
            row = part + row[len(part) :]
        assert len(row) <= width
        lines.append(row.rstrip())
    return lines


def test_the_last_line_stays_below_and_leaves_nothing(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    screen = Screen()
    screen.show("1 of 9 done, about 7 minutes left of them all")
    screen.say("first")
    assert shown(terminal.getvalue(), 29) == ["first", "1 of 9 done, about 7 minutes…"]
    screen.show("2 of 9 done")
    screen.say("second")
    assert shown(terminal.getvalue(), 29) == ["first", "second", "2 of 9 done"]
    screen.show("")
    assert shown(terminal.getvalue(), 29) == ["first", "second", ""]


def test_without_a_terminal_there_are_lines_and_nothing_else(monkeypatch):
    monkeypatch.setattr(sys, "stdout", file := io.StringIO())
    screen = Screen()
    screen.show("1 of 9 done")
    screen.say("first")
    screen.show("")
    assert file.getvalue() == "first\n"


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_on_a_terminal_a_run_says_what_runs_and_when_it_will_end(tmp_path):
    write_table(tmp_path, ['name = "GANs-PyTorch"', "seconds = 9"])
    write(tmp_path, "GANs-PyTorch", WAIT, "wait_for('go')", "3")
    words = ["--root", str(tmp_path), "--out", str(tmp_path / "report")]
    main_end, child_end = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "staff", "run", *words], cwd=ROOT, stdout=child_end
    ) as process:
        os.close(child_end)
        said = b""
        try:
            while more := os.read(main_end, 1000):
                said += more
                if b"GANs-PyTorch 1/3" in said:  # of the last line
                    (tmp_path / "go").touch()
        except OSError:  # Linux's way to say that nobody writes any more
            pass
    os.close(main_end)
    assert process.returncode == 0
    assert b"0 of 1 done, running: GANs-PyTorch 1/3, less than a minute left" in said
    assert b"Passed. Report: " in said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (55, "about 1 minute"),
        (80, "about 1 minute"),
        (100, "about 2 minutes"),
        (1230, "about 20 minutes"),
    ],
)
def test_a_time_to_go_in_words(seconds, words):
    assert about(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (10, "10 seconds"),
        (60, "1 minute"),
        (85, "1½ minutes"),
        (170, "3 minutes"),
        (560, "9½ minutes"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds, said):
    assert in_words(seconds) == said


def test_a_sentence_says_how_long_each_question_of_a_set_runs(tmp_path):
    rows = [
        (f'name = "{name}"', f"seconds = {seconds}")
        for seconds, name in enumerate(notebook_names(), start=10)
    ]
    write_table(tmp_path, *rows)
    assert re.fullmatch(
        r"With a core to itself, Q1 runs for 10 seconds, Q2 for 11 seconds, "
        r"Q3-2016 for \d+ seconds and Q4-2016 for \d+ seconds\.",
        durations(tmp_path, "2016", questions()),
    )
