"""What the builder draws is what students' tools find, and a damaged box is named."""

import re

import pytest

from cs231n.assignment import regions
from cs231n.assignment import stamp as handout
from staff import markers
from staff.questions import ROOT, questions
from staff.tests.student_folder import handout_files, solved_module

BAR = "    " + "#" * 84 + "\n"
PROMPT = BAR + f"    # {'TODO(Q1): do it':<80} #\n" + BAR
END = BAR + f"    #{'END OF YOUR CODE':^82}#\n" + BAR
STUB = '    raise NotImplementedError("f: your code goes here.")\n'
MODULE = f"def f(x):\n{PROMPT}{STUB}{END}    return x\n"
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "cs231n").rglob("*.py")
    if "# BEGIN SOLUTION" in path.read_text("utf-8")
)


@pytest.mark.parametrize("path", MODULES)
def test_every_box_that_the_builder_draws_is_found(path):
    source = handout_files()[path].decode()
    ids = [question.id for question in questions()]
    drawn = markers.answers((ROOT / path).read_text("utf-8"), path, ids)

    found = regions.find(source, path)

    assert [(r.owner, r.question) for r in found] == [
        (region.function, region.question) for region in drawn
    ]
    assert all(regions.is_stub(region.body) for region in found)
    solved = regions.find(solved_module(path), path)
    assert [region.key for region in solved] == [region.key for region in found]
    assert not any(regions.is_stub(region.body) for region in solved)
    # An answer can be put in and taken out again, and nothing around it moves.
    bodies = {region.key: region.body for region in solved}
    assert regions.fill(source, bodies, path) == solved_module(path)
    assert regions.skeleton(solved_module(path), path) == regions.skeleton(source, path)


def test_the_hand_out_has_modules_to_write_in():
    assert set(handout.take("", handout_files()).given) == set(MODULES)
    assert {"cs231n/rnn_layers.py", "cs231n/classifiers/rnn.py"} <= set(MODULES)
    assert "cs231n/layers.py" not in MODULES


def test_a_region_knows_its_function_whatever_is_written_in_it():
    odd = '    def g():\n        return """\n# no end\n"""\n    class Z:\n        x = 1'
    source = f"class A:\n    x = 1\n\n{MODULE}{MODULE.replace('f(', 'g(')}"
    source = source.replace(STUB, f"{odd}\n")
    first, second = regions.find(source, "a.py")

    assert (first.owner, first.number, first.body) == ("f", 0, f"{odd}\n")
    assert (second.owner, second.name) == ("g", "g")
    assert first.prompt == "TODO(Q1): do it"


def test_two_regions_of_a_function_are_told_apart_and_broken_code_is_no_hindrance():
    source = f"def f(x):\n{PROMPT}{STUB}{END}{PROMPT}    x = (\n{END}"
    first, second = regions.find(source, "a.py")

    assert (first.key, second.key) == (("f", 0), ("f", 1))
    assert regions.is_stub(first.body)
    assert not regions.is_stub(second.body)


@pytest.mark.parametrize(
    ("body", "stub"),
    [
        (STUB, True),
        (f"\n{STUB}\n", True),
        ('    raise NotImplementedError(\n        "f: in two lines"\n    )\n', True),
        ("", False),
        ("    pass\n", False),
        (f"    x = 1\n{STUB}", False),
        (f"    # the sum runs over axis 0\n{STUB}", False),
        ('    raise ValueError("f: your code goes here.")\n', False),
        ("    raise\n", False),
        ("    x = (\n", False),
        ('    """\n', False),
    ],
)
def test_a_stub_is_told_from_what_a_student_has_begun(body, stub):
    assert regions.is_stub(body) is stub


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        (END, "", 2, "no END OF YOUR CODE belongs"),
        (PROMPT, "", 4, "has no box with a TODO above"),
        (END, END.replace(BAR, "", 1), 6, "has no edge above"),
        (END, END[: -len(BAR)], 7, "has no edge below"),
        (PROMPT, PROMPT[: -len(BAR)], 4, "has no lower edge"),
        (MODULE, MODULE.replace(END, "") + MODULE, 2, "no END OF YOUR CODE belongs"),
    ],
    ids=["end", "prompt", "end's top", "end's bottom", "prompt's bottom", "nested"],
)
def test_a_damaged_box_is_named_with_its_line(old, new, line, words):
    with pytest.raises(regions.RegionError, match=words) as caught:
        regions.find(MODULE.replace(old, new), "a.py")
    assert str(caught.value).startswith(f"a.py:{line}: ")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (END, "", "no END OF YOUR CODE belongs"),
        (PROMPT, "", "has no box with a TODO above"),
        (PROMPT, PROMPT[: -len(BAR)], "has no lower edge"),
        (END, END[: -len(BAR)], "has no edge below"),
    ],
    ids=["ends", "prompts", "prompts' bottoms", "ends' bottoms"],
)
def test_every_damaged_box_is_named_once_with_its_function(old, new, words):
    names = ["A.f", "A.g", "h"]
    torn = [MODULE.replace("f(", f"{name[-1]}(").replace(old, new) for name in names]
    whole = MODULE.replace("f(", "whole(")
    source = f"class A:\n{_inside(torn[0] + torn[1])}{torn[2]}{whole}"

    found, damages = regions.scan(source)

    assert [region.owner for region in found] == ["whole"]
    assert [damage.owner for damage in damages] == names
    lines = source.splitlines()
    for name, damage in zip(names, damages, strict=True):
        assert damage.text.startswith(f"in {name} ")
        assert words in damage.text
        head = next(n for n in range(damage.line - 1, -1, -1) if "def " in lines[n])
        assert f"def {name[-1]}(" in lines[head]
    with pytest.raises(regions.RegionError) as caught:
        regions.find(source, "a.py")
    assert str(caught.value).count("a.py:") == 3


def _inside(text):
    return "".join(f"    {line}" for line in text.splitlines(keepends=True))


def test_a_row_of_number_signs_is_nothing_special():
    source = f"{BAR}# a heading\n{BAR}x = 1\n{BAR}"
    assert regions.find(source, "a.py") == []
    assert regions.find(MODULE.replace(STUB, f"{BAR}    # mine\n{BAR}"), "a.py")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> theirs\n", 2),
        ("a\r\n<<<<<<<\r\nb\r\n", 2),
        ("b\n>>>>>>> 1234abc (words)\n", 2),
        ("Title\n=======\n\n>>> 1 + 1\n>>>>>>>>> x\n    <<<<<<< x\n", 0),
        ("", 0),
    ],
)
def test_what_git_leaves_of_a_conflict_is_found(text, line):
    assert regions.conflict(text) == line


def test_each_line_knows_the_function_around_it():
    source = "x = 1\nclass A:\n\n    def f(\n        self\n    ):\n        y\n\nz\n"
    assert regions.owners(source) == [
        *("", "A", "A", "A.f", "A.f", "A.f", "A.f", "", ""),
    ]
    torn = source.replace("y", "(")  # is no Python
    assert regions.owners(torn) == ["", *["A"] * 2, *["A.f"] * 6]


def test_the_stamp_lies_in_the_hand_out_and_survives_its_file():
    files = handout_files()
    stamp = handout.read(files[handout.STAMP])

    assert stamp.files.keys() == files.keys() - {handout.STAMP}
    assert handout.read(handout.write(stamp)) == stamp
    assert re.fullmatch(r"\d{4}\.\d+", stamp.version)
    for content in (b"", b"{}", b"[]", b'{"format": 1}', b'{"format": 2}', b"\xff"):
        with pytest.raises(handout.StampError, match=r"handout\.json"):
            handout.read(content)
