"""Diagrams: those that are committed are drawn, can be read, and are shown."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from PIL import ImageFont

from staff.convert import SourceError, build, convert
from staff.course import course
from staff.diagrams import command, pen
from staff.diagrams.command import diagrams, main, out_of_step
from staff.handout import colab
from staff.questions import ROOT
from staff.report.page import prose
from staff.site import making

SVG = "{http://www.w3.org/2000/svg}"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
each = pytest.mark.parametrize("file", diagrams())


def test_what_is_committed_is_what_is_drawn():
    assert out_of_step(ROOT) == [], "run: python -m staff diagrams"


def test_files_that_differ_are_named_and_written(tmp_path, capsys):
    assert main(["--root", str(tmp_path)]) == 0
    assert out_of_step(tmp_path) == []
    (tmp_path / "images" / "rnn.svg").write_text("<svg/>")
    (tmp_path / "images" / "old.svg").write_text("<svg/>")
    (tmp_path / "images" / "gan.svg").unlink()
    capsys.readouterr()

    assert main(["--check", "--root", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert re.findall(r"images/(\w+)\.svg is not", said) == ["gan", "old", "rnn"]
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--check", "--root", str(tmp_path)]) == 0


def test_drawing_again_gives_the_same():
    before = dict(diagrams())
    diagrams.cache_clear()
    assert diagrams() == before


@each
def test_it_says_what_it_shows_and_loads_nothing(file):
    tree = ElementTree.fromstring(diagrams()[file].svg)
    title, said = tree.find(f"{SVG}title"), tree.find(f"{SVG}desc")
    assert len(title.text) > 8
    assert len(said.text) > 200
    assert tree.get("aria-labelledby").split() == [title.get("id"), said.get("id")]
    loads = [
        value
        for element in tree.iter()
        for name, value in element.attrib.items()
        if name.endswith("href") or "http" in value
    ]
    assert loads == []
    assert {element.tag.removeprefix(SVG) for element in tree.iter()}.isdisjoint(
        {"script", "foreignObject", "image", "use"}
    )
    assert "prefers-color-scheme: dark" in diagrams()[file].svg


@each
def test_every_word_stands_on_the_paper(file):
    tree = ElementTree.fromstring(diagrams()[file].svg)
    _, _, wide, high = map(float, tree.get("viewBox").split())
    words = list(tree.iter(f"{SVG}text"))
    assert words
    for element in words:
        kind, text = element.get("class", ""), "".join(element.itertext())
        # As wide as any usual font.
        font = ImageFont.truetype(
            FONTS / f"DejaVuSans{'-Bold' if 'bold' in kind else ''}.ttf",
            14 if "small" in kind else 16,
        )
        long, x = font.getlength(text), float(element.get("x"))
        left = {"start": x, "middle": x - long / 2, "end": x - long}[
            element.get("text-anchor")
        ]
        assert left >= 6, text
        assert left + long <= wide - 4, text
        assert 14 <= float(element.get("y")) <= high - 6, text


def contrast(one, other):
    """Return the ratio of WCAG 2.1, from 1 to 21."""

    def light(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [
            v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts
        ]
        return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted([light(one), light(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("night", [False, True])
def test_words_and_lines_stand_out_by_day_and_night(night):
    of = {name: both[night] for name, both in pen._COLOURS.items()}
    for below in ("paper", "data", "layer", "state", "loss", "off"):
        assert contrast(of["ink"], of[below]) >= 7, below
    for words in ("soft", "gradient"):
        assert contrast(of[words], of["paper"]) >= 4.5, words
    for kind in ("data", "layer", "state", "loss"):
        assert contrast(of[f"{kind}-line"], of["paper"]) >= 3, kind


def test_every_diagram_is_shown_where_it_is_needed_and_described():
    shown = {}
    for content in build(ROOT).values():
        for cell in json.loads(content)["cells"]:
            found = re.findall(
                r"!\[([^]]*)\]\((images/[^)]+)\)", "".join(cell["source"])
            )
            shown |= {file: alt for alt, file in found}
    assert shown == {file: diagram.alt for file, diagram in diagrams().items()}
    assert "images/rnn.svg" in shown


def test_a_diagram_that_nothing_draws_is_named():
    with pytest.raises(SourceError, match=r"T: cell 1: images/none\.svg .* rnn, lstm"):
        convert("# %% [markdown]\n# ![](images/none.svg)\n", "T")


def test_a_description_does_not_change_which_cell_it_is(monkeypatch):
    source = "# %% [markdown]\n# ![](images/rnn.svg)\n"
    before = json.loads(convert(source, "T"))["cells"][0]
    changed = {k: replace(d, alt="Otherwise.") for k, d in diagrams().items()}
    monkeypatch.setattr(command, "diagrams", lambda: changed)
    after = json.loads(convert(source, "T"))["cells"][0]

    assert before["id"] == after["id"]
    assert after["source"] == ["![Otherwise.](images/rnn.svg)"]


def test_colab_gets_diagrams_inside_its_notebooks():
    files = {name: d.svg.encode() for name, d in diagrams().items()}
    files |= {path.name: content for path, content in build(ROOT).items()}
    about = replace(course(), release="https://example.org/a3.zip")
    made = colab.flavour(files, about)["RNN_Captioning.ipynb"].decode()

    assert "(images/" not in made
    found = re.findall(r"\(data:image/svg\+xml;base64,([^)]+)\)", made)
    assert [base64.b64decode(data).decode() for data in found] == [
        diagrams()[f"images/{name}.svg"].svg
        for name in ("rnn", "temporal-softmax", "captioning")
    ]


def test_the_report_embeds_diagrams_with_their_descriptions():
    page = prose(command.described("![](images/gan.svg)"), "q5", ROOT)
    (shown,) = re.findall(
        r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="Two', page
    )
    assert base64.b64decode(shown).decode() == diagrams()["images/gan.svg"].svg


def test_the_site_has_a_page_of_all_diagrams_with_their_notebooks():
    page = making.in_pictures("students")["pictures"]
    for file, diagram in diagrams().items():
        assert f"(../{file})" in page
        assert diagram.alt in page
    assert page.count("(In [") == len(diagrams())
    assert " and [ImageGradients](notebooks/ImageGradients.md).)" in page
