"""Notebooks are their text sources in another dress, the same bytes every time."""

import json

import nbformat
import pytest

from staff.convert import SourceError, build, convert, main, out_of_step, source_of
from staff.questions import ROOT, TABLE, notebook_names
from staff.report.jobs import in_words, read_jobs

SOURCE = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: somebody's own
#     language: python
#     name: py311-laptop
# ---

# %% [markdown]
# # Größe
# with $x_t$

# %% id="setup" tags=["parameters"]
# %load_ext autoreload
x = 1


# %%
x

# %%
x
"""


def cells(content):
    return json.loads(content)["cells"]


def test_every_notebook_is_what_its_source_says():
    assert out_of_step(ROOT) == [], "run: python -m staff notebooks"


def test_every_source_is_called_as_a_question_says():
    assert {path.stem for path in build(ROOT)} <= set(notebook_names())


@pytest.mark.parametrize("name", notebook_names())
def test_a_notebook_says_how_long_it_runs_as_the_table_of_jobs_does(name):
    source = (ROOT / "staff" / "notebooks" / f"{name}.py").read_text("utf-8")
    plain = " ".join(source.replace("\n#", " ").split())
    seconds = read_jobs(TABLE)[name].seconds
    assert f"the notebook runs in {in_words(seconds)} on one core" in plain


def test_a_notebook_says_nothing_of_the_machine_that_wrote_it():
    content = convert(SOURCE, "Tiny")

    notebook = json.loads(content)
    assert notebook["metadata"] == {
        "kernelspec": {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert b"\r" not in content
    assert content.endswith(b"}\n")
    assert "Größe".encode() in content
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_text_tags_and_magic_commands_come_through():
    prose, setup, *_ = cells(convert(SOURCE, "Tiny"))

    assert "".join(prose["source"]) == "# Größe\nwith $x_t$"
    assert "".join(setup["source"]) == "%load_ext autoreload\nx = 1"
    assert setup["metadata"] == {"tags": ["parameters"]}


def test_ids_are_stable_distinct_and_depend_on_nothing_else():
    first = [cell["id"] for cell in cells(convert(SOURCE, "Tiny"))]
    longer = SOURCE.replace("# %% id", "# %%\nbefore = 0\n\n# %% id")
    second = [cell["id"] for cell in cells(convert(longer, "Tiny"))]
    elsewhere = [cell["id"] for cell in cells(convert(SOURCE, "Other"))]

    assert first[1] == "setup"
    assert len(set(first)) == len(first)
    assert [name for name in second if name in first] == first
    assert not set(first[2:]) & set(elsewhere[2:])


def test_the_result_is_a_valid_notebook_and_repeats_to_the_byte():
    content = convert(SOURCE, "Tiny")

    nbformat.validate(nbformat.reads(content.decode(), as_version=4))
    assert convert(SOURCE, "Tiny") == content


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ('# %% id="setup"', "an earlier cell has"),
        ('# %% id="no blanks"', "letters, digits"),
        ('# %% tag=["parameters"]', "cell 5 has tag"),
    ],
    ids=["twice", "malformed", "misspelt"],
)
def test_a_slip_in_a_cell_header_is_named(header, complaint):
    with pytest.raises(SourceError, match=complaint):
        convert(f"{SOURCE}\n{header}\ny\n", "Tiny")


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "staff" / "notebooks"
    folder.mkdir(parents=True)
    (folder / "Tiny.py").write_text(SOURCE, encoding="utf-8")
    return tmp_path


def test_check_names_what_differs_and_writes_nothing(project, capsys):
    command = ["--root", str(project)]

    assert main([*command, "--check"]) == 1
    assert "Tiny.ipynb" in capsys.readouterr().out
    assert not (project / "Tiny.ipynb").exists()

    assert main(command) == 0
    assert main([*command, "--check"]) == 0

    (project / "Tiny.ipynb").write_bytes(convert(SOURCE, "Tiny").rstrip(b"\n"))
    assert main([*command, "--check"]) == 1


def test_check_names_a_notebook_that_lost_its_source(project):
    main(["--root", str(project)])
    (project / "RNN_Captioning.ipynb").write_text("{}")

    assert out_of_step(project) == ["RNN_Captioning.ipynb"]


def test_what_is_up_to_date_is_not_written_again(project):
    main(["--root", str(project)])
    before = (project / "Tiny.ipynb").stat().st_mtime_ns
    main(["--root", str(project)])

    assert (project / "Tiny.ipynb").stat().st_mtime_ns == before


# Cells that two notebooks share

TORCH = """\
# %% [markdown]
# ## What
# a step does

# %%
torch.zeros(1)

# %% [markdown] tags=["answer"] id="why"
# ### Why
#
# Nobody knows.


# %%
torch.ones(1)
"""
BOTH = """\
# %% [markdown] same_as="## What"

# %%
tf.zeros(1)

# %% [markdown] same_as="why"

# %% [markdown]
# ## Own words
"""


def shared(folder, text):
    (folder / "Tiny-PyTorch.py").write_text(TORCH, encoding="utf-8")
    path = folder / "Tiny-TensorFlow.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_cell_of_the_twin_is_taken_along_with_its_header(tmp_path):
    whole = source_of(shared(tmp_path, BOTH))
    theirs = cells(convert(TORCH, "Tiny-PyTorch"))
    ours = cells(convert(whole, "Tiny-TensorFlow"))
    assert [cell["source"] for cell in ours] == [
        theirs[0]["source"],
        ["tf.zeros(1)"],
        theirs[2]["source"],
        ["## Own words"],
    ]
    assert ours[2]["id"] == "why"
    assert ours[2]["metadata"] == {"tags": ["answer"]}
    assert source_of(tmp_path / "Tiny-PyTorch.py") == TORCH


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('# %% [markdown] same_as="## Whom"\n', "0 text cells .* more of the line"),
        ('# %% [markdown] same_as="## What"\n# more\n', "text below its header"),
        ('# %% same_as="## What"\n', "has same_as in its header"),
    ],
)
def test_a_slip_in_what_is_shared_is_named(tmp_path, text, complaint):
    path = shared(tmp_path, text)
    with pytest.raises(SourceError, match=complaint):
        convert(source_of(path), path.stem)


def test_only_a_twin_shares_cells(tmp_path):
    path = tmp_path / "Tiny.py"
    path.write_text('# %% [markdown] same_as="## What"\n', encoding="utf-8")
    with pytest.raises(SourceError, match="no twin"):
        source_of(path)


def test_a_beginning_that_two_cells_have_is_refused(tmp_path):
    path = shared(tmp_path, BOTH)
    twin = tmp_path / "Tiny-PyTorch.py"
    twin.write_text(TORCH.replace("### Why", "## What"), encoding="utf-8")
    with pytest.raises(SourceError, match="2 text cells"):
        source_of(path)
