"""Whatever was done to a student's files, no answer is lost without being named.

Hand-outs are edited at random, as people, editors and tools do it: boxes are deleted,
moved, duplicated, files reformatted, cut off, saved with other line ends and encodings,
and the newer hand-out differs at random, too. Then the update either refuses, and
nothing is changed, or each answer is in the new file, or the report names it.
"""

import functools
import json
import random
import re

import pytest

from cs231n.assignment import regions, stamp
from cs231n.tools.update import command as update
from staff.handout import archive as packing
from staff.tests.student_folder import handout_files, tree

RNN, MODEL = "cs231n/rnn_layers.py", "cs231n/classifiers/rnn.py"
NOTEBOOK = "LSTM_Captioning.ipynb"
DRAWS = 2000
SAMPLE = 50
BODIES = [
    "{i}{t} = 1\n",
    "{i}# {t}\n{i}x = 1\n",
    "\n{i}for n in range(3):\n{i}    {t} = n\n\n{i}y = 2\n",
    '{i}text = """\n{t}\n"""\n',
    "{i}if True:\n{i}\t{t} = 1\n",
    "{i}{t} = (\n",
    "{i}return helper({t}=1)\n",
]


@functools.cache
def old_files():
    files = {path: handout_files()[path] for path in (RNN, MODEL, NOTEBOOK)}
    return files | {stamp.STAMP: stamp.write(stamp.take("2026.1", files))}


class Student:
    """A folder's files while somebody works in it."""

    def __init__(self, rng):
        self.rng = rng
        self.texts = {p: old_files()[p].decode() for p in (RNN, MODEL)}
        self.notebook = json.loads(old_files()[NOTEBOOK])
        self.tokens = {}  # token -> file, and the function it was written in
        self.encodings = {}

    def found(self, path):
        try:
            return regions.find(self.texts[path], path)
        except regions.RegionError:
            return []

    def write_answers(self):
        for path in self.texts:
            bodies = {}
            for region in self.found(path):
                if self.rng.random() < 0.75:
                    token = f"answer_{len(self.tokens)}_"
                    self.tokens[token] = path, region.owner
                    indent = " " * region.indent
                    body = self.rng.choice(BODIES).format(i=indent, t=token)
                    bodies[region.key] = body
            self.texts[path] = regions.fill(self.texts[path], bodies, path)
        for cell in self.notebook["cells"]:
            if self.rng.random() < 0.3:
                token = f"answer_{len(self.tokens)}_"
                self.tokens[token] = NOTEBOOK, ""
                cell["source"] = ["".join(cell["source"]), f"\n\n{token} = 1"]

    def lines(self, path):
        return self.texts[path].splitlines(keepends=True)

    def some_region(self, path):
        found = self.found(path)
        return self.rng.choice(found) if found else None


def is_frame(line):
    text = line.strip()
    return bool(re.fullmatch(r"#{20,}|#.*#", text))


def delete_frame_of_one(s, path):
    if region := s.some_region(path):
        lines = s.lines(path)
        top = region.first - 1
        while top > 0 and is_frame(lines[top - 1]):
            top -= 1
        above, below = range(top, region.first), range(region.last, region.last + 3)
        gone = s.rng.choice(
            [
                {*above, *below},
                set(above),
                set(below),
                {s.rng.choice([*above, *below])},
            ]
        )
        s.texts[path] = "".join(x for n, x in enumerate(lines) if n not in gone)


def delete_all_frames(s, path):
    s.texts[path] = "".join(x for x in s.lines(path) if not is_frame(x))


def delete_all_comments(s, path):
    lines = s.lines(path)
    s.texts[path] = "".join(x for x in lines if not x.lstrip().startswith("#"))


def move_answer_out(s, path):
    if region := s.some_region(path):
        lines = s.lines(path)
        body = lines[region.first : region.last]
        at = s.rng.choice([region.last + 3, region.first - 4])
        stub = s.rng.choice(["", "    pass\n", '    raise NotImplementedError("x")\n'])
        kept = [*lines[: region.first], stub, *lines[region.last :]]
        at -= (len(body) - 1) * (at > region.last)
        s.texts[path] = "".join([*kept[:at], *body, *kept[at:]])


def move_end(s, path):
    if region := s.some_region(path):
        lines = s.lines(path)
        end = lines[region.last : region.last + 3]
        rest = lines[: region.last] + lines[region.last + 3 :]
        at = min(max(region.last + s.rng.randint(-4, 4), 0), len(rest))
        s.texts[path] = "".join([*rest[:at], *end, *rest[at:]])


def move_box(s, path):
    if region := s.some_region(path):
        lines = s.lines(path)
        top = region.first - 1
        while top > 0 and is_frame(lines[top - 1]):
            top -= 1
        block = lines[top : region.last + 3]
        rest = lines[:top] + lines[region.last + 3 :]
        at = s.rng.randrange(len(rest) + 1)
        if s.rng.random() < 0.3:  # a copy
            rest, at = lines, s.rng.choice([region.last + 3, at])
        s.texts[path] = "".join([*rest[:at], *block, *rest[at:]])


def double_function(s, path):
    blocks = re.split(r"(?m)^(?=def )", s.texts[path])
    block = s.rng.choice(blocks[1:] or blocks)
    s.texts[path] += "\n\n" + block


def delete_function(s, path):
    blocks = re.split(r"(?m)^(?=def |    def )", s.texts[path])
    del blocks[s.rng.randrange(len(blocks))]
    s.texts[path] = "".join(blocks)


def rename_function(s, path):
    names = re.findall(r"def (\w+)\(", s.texts[path]) or ["f"]
    name = s.rng.choice(names)
    s.texts[path] = s.texts[path].replace(f"def {name}(", f"def {name}_mine(", 1)


def reformat(s, path):
    text = s.texts[path]
    s.texts[path] = s.rng.choice(
        [
            lambda: text.replace("    ", "\t"),
            lambda: re.sub(r"(?m)^( +)", r"\1\1", text),
            lambda: text.replace("\n", "\n\n"),
            lambda: re.sub(r"(?m)$", "  ", text),
            lambda: re.sub(r"#{30,}", "#" * 40, text),
            lambda: re.sub(r"#{30,}", "#" * 10, text),
            lambda: re.sub(r"(?m)^(\s*)#(?=\S)", r"\1# ", text),
            lambda: text.replace('"', "'"),
            lambda: text.replace("TODO", "DONE"),
            lambda: text.replace("END OF YOUR CODE", "End of your code"),
            lambda: re.sub(r"\(\n\s+(.*)\n\)", r"(\1)", text),
        ]
    )()


def add_helper(s, path):
    lines = s.lines(path)
    at = s.rng.randrange(len(lines) + 1)
    lines.insert(at, s.rng.choice(["import math\n", "helper = 1\n", "# a note\n"]))
    s.texts[path] = "".join(lines)


def cut_off(s, path):
    s.texts[path] = s.texts[path][: s.rng.randrange(len(s.texts[path]) + 1)]


def leave_conflict(s, path):
    lines = s.lines(path)
    at = s.rng.randrange(len(lines) + 1)
    lines[at:at] = ["<<<<<<< HEAD\n", "x = 1\n", "=======\n", ">>>>>>> theirs\n"]
    s.texts[path] = "".join(lines)


def other_ends(s, path):
    end = s.rng.choice(["\r\n", "\r", "\r\r\n", "\n\r"])
    s.encodings[path] = s.encodings.get(path, ("utf-8", "\n"))[0], end


def other_encoding(s, path):
    name = s.rng.choice(["utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-32"])
    s.texts[path] = s.texts[path].replace("shape", "größe", 1)
    s.encodings[path] = name, s.encodings.get(path, ("", "\n"))[1]


MODULE_EDITS = [
    *(delete_frame_of_one, delete_all_frames, delete_all_comments, move_answer_out),
    *(move_end, move_box, double_function, delete_function, rename_function, reformat),
    *(add_helper, cut_off, leave_conflict, other_ends, other_encoding),
]


def edit_notebook(s):
    cells = s.notebook["cells"]
    at = s.rng.randrange(len(cells)) if cells else 0
    what = s.rng.randrange(9)
    if what == 0:
        cells.insert(at, cells.pop(s.rng.randrange(len(cells))))
    elif what == 1:
        cells.insert(at, json.loads(json.dumps(s.rng.choice(cells))))
    elif what == 2:
        for cell in cells:
            cell.pop("id", None)
    elif what == 3:
        for cell in cells:
            cell.setdefault("metadata", {})["id"] = cell.pop("id", "x")
    elif what == 4:
        s.notebook.pop("metadata", None)
    elif what == 5:
        for cell in cells:
            cell["source"] = "".join(cell["source"]).replace("*Your answer:*", "")
    elif what == 6:
        for cell in cells:
            cell["source"] = "".join(cell["source"]).replace("\n", "\r")
    elif what == 7:
        cells[at]["cell_type"] = "raw"
    else:
        name = s.rng.choice(["utf-8-sig", "utf-16", "utf-32"])
        s.encodings[NOTEBOOK] = name, "\n"


def newer(rng):
    """Return a release that differs at random."""
    files = {p: old_files()[p].decode() for p in (RNN, MODEL, NOTEBOOK)}
    for path in (RNN, MODEL):
        text = files[path].replace('"""', '"""New. ', 1)
        if rng.random() < 0.3:
            text = text.replace("TODO(Q1): ", "TODO(Q1): Please. ", 1)
        if rng.random() < 0.2:
            name = rng.choice(re.findall(r"def (\w+)\(", text))
            text = text.replace(f"def {name}(", f"def {name}_2(")
        if rng.random() < 0.2:
            text = text.replace("x: Array, prev_h: Array,", "x: Array, h: Array,", 1)
        files[path] = text
    notebook = json.loads(files[NOTEBOOK])
    for cell in notebook["cells"]:
        if rng.random() < 0.2:
            text = "".join(cell["source"])
            cell["source"] = text.replace("\n", "\n# New.\n", 1) + "\n"
    if rng.random() < 0.3:
        del notebook["cells"][rng.randrange(len(notebook["cells"]))]
    files[NOTEBOOK] = json.dumps(notebook)
    if rng.random() < 0.05:
        del files[rng.choice([RNN, MODEL])]
    encoded = {path: text.encode() for path, text in files.items()}
    return encoded | {stamp.STAMP: stamp.write(stamp.take("2026.2", encoded))}


def save(s, folder):
    contents = dict(old_files())
    for path, text in s.texts.items():
        name, end = s.encodings.get(path, ("utf-8", "\n"))
        contents[path] = text.replace("\n", end).encode(name, "replace")
    name, _ = s.encodings.get(NOTEBOOK, ("utf-8", ""))
    contents[NOTEBOOK] = json.dumps(s.notebook).encode(name)
    if s.rng.random() < 0.3:  # the stamp of a release that knew less
        facts = json.loads(contents[stamp.STAMP])
        for key in ("places", "lines", "says", "extra"):
            del facts[key]
        contents[stamp.STAMP] = json.dumps(facts).encode()
    folder.mkdir()
    packing.write(contents, folder)


def one_draw(seed, tmp_path, capsys):
    rng = random.Random(seed)
    student = Student(rng)
    student.write_answers()
    for _ in range(rng.choice([0, 1, 1, 2, 3, 4])):
        if rng.random() < 0.25:
            edit_notebook(student)
        else:
            rng.choice(MODULE_EDITS)(student, rng.choice([RNN, RNN, MODEL]))
    folder, new = tmp_path / f"student-{seed}", tmp_path / f"new-{seed}.zip"
    save(student, folder)
    packing.pack(newer(rng), new)
    before = tree(folder)

    status = update.main([str(new), "--root", str(folder)])

    said = capsys.readouterr()
    after = tree(folder)
    if status:
        assert after == before, seed
        assert "Traceback" not in said.err
        assert re.search(r"cs231n/|\.ipynb", said.err), (seed, said.err)
        return "refused"
    report = next(folder.glob("update-*")) / update.REPORT
    told = report.read_text("utf-8").partition("Look at this")[2]
    lost = [
        (token, owner)
        for token, (path, owner) in student.tokens.items()
        if token.encode() in before[path].replace(b"\0", b"")
        and token.encode() not in after.get(path, b"")
    ]
    for token, owner in lost:
        assert owner, (seed, token)
        assert owner.rpartition(".")[2] in told, (seed, token, owner, told)
    return "named" if lost else "carried"


def draw(seeds, tmp_path, capsys):
    outcomes = [one_draw(seed, tmp_path, capsys) for seed in seeds]
    return {kind: outcomes.count(kind) for kind in ("carried", "named", "refused")}


def test_no_answer_is_lost_without_being_named(tmp_path, capsys):
    found = draw(range(SAMPLE), tmp_path, capsys)
    assert found["carried"] > 5
    assert found["refused"] > 5


@pytest.mark.slow
def test_no_answer_is_lost_in_two_thousand_draws(tmp_path, capsys, tell):
    found = draw(range(SAMPLE, SAMPLE + DRAWS), tmp_path, capsys)
    tell(f"{DRAWS} updates of folders that were edited at random: {found}")
    assert min(found["carried"], found["refused"]) > DRAWS // 10
