"""Notebooks name what they teach, open and close alike; prompts say what, not how."""

import json
import re

import pytest

from cs231n.assignment import stamp
from cs231n.tools.hint import command as hint
from staff import markers
from staff.doctor import CLOSING, OPENING
from staff.questions import ROOT, notebook_names, questions
from staff.report.page import _equation

LEARN, KNOW, MINUTES = (
    "**What you will learn**",
    "**What you should know**",
    "**How long it takes**",
)
# Notebook -> words that stand in one paragraph with the term, and so explain it.
TERMS = {
    "RNN_Captioning": {
        "language model": "how probable each word",
        "teacher forcing": "reads the *true* word",
        "vanishing gradient": "shrinks exponentially",
        "exploding gradient": "grows exponentially",
        "logits": "softmax has yet to turn into probabilities",
        "greedy": "best word at once",
        "overfitting": "learning the training data by heart",
        "generalise": "holds for other pictures",
        "minimise": "loss",
        "column*": "*row*",
    },
    "LSTM_Captioning": {
        "vanish": "forget gate",
        "gradient clipping": "cuts off gradients that are too long",
        "regularization": "from fitting its training data too closely",
        "n-grams": "runs of $n$ words",
        "beam search": "several partial captions",
    },
    "NetworkVisualization-PyTorch": {
        "logit": "before any softmax",
        "gradient *ascent*": "to maximise a score",
        "gradient *descent*": "to minimise a loss",
        "adversarial example": "*wrong* class",
        "regularization": "keeps large numbers away",
        "receptive field": "part of the picture that it depends on",
    },
    "StyleTransfer-PyTorch": {
        "uncentred covariance": "mean of their product",
        "receptive field": "part of the picture that one of its numbers depends on",
        "regularization": "simple pictures",
        "minimise": "sum",
        "style_size": "strokes are borrowed at the size",
        "style_weights": "early layers bring colours",
        "content_layer": "deeper one leaves more freedom",
        "tv_weight": "makes it smoother",
    },
    "GANs-PyTorch": {
        "fakes": "makes pictures out of noise",
        "minimax game": "$D$ maximises the same number that $G$ minimises",
        "logits": "scores that a sigmoid turns into probabilities",
        "saturates": "its gradient vanishes",
        "mode collapse": "whatever the noise",
        "latent vector": "a row of them",
        "latent space": "all rows of noise",
    },
    "ImageGradients": {
        "logit": "before any softmax",
        "gradient *ascent*": "to maximise a score",
        "adversarial example": "*wrong* class",
    },
    "ImageGeneration": {
        "gradient ascent": "steps along the gradient",
        "regularization": "keeps large numbers away",
        "receptive field": "part of the picture that one of its numbers depends on",
        "maximise": "score of a class",
        "minimised": "gradient descent",
    },
}
PAIRS = [(name, *pair) for name, terms in TERMS.items() for pair in terms.items()]
# Words of the how: they belong into the hints' second and third steps.
HOW = re.compile(
    r"Hint:|np\.|no_grad|\.data\b|\b(?:reshape|gather|backward\(\)|slices?|transpose)\b"
    r"|\bcalls? of\b|begin with a tensor|sum of all|uphill|downhill",
)


ANSWER = re.compile(r"<!-- BEGIN SOLUTION -->.*?<!-- END SOLUTION -->", re.DOTALL)


def cells(name):
    return json.loads((ROOT / f"{name}.ipynb").read_bytes())["cells"]


def texts(name):
    """Return the text of each cell; of a code cell, nothing."""
    return [
        stamp.cell_text(cell) if cell["cell_type"] == "markdown" else ""
        for cell in cells(name)
    ]


def plain(text):
    return " ".join(text.split()).lower()


def paragraphs(name):
    """Return a notebook's paragraphs and entries of lists, before its closing."""
    found = []
    for text in texts(name):
        if not text.startswith((OPENING, *CLOSING)):
            given = ANSWER.sub("", text)
            found += re.split(r"\n\s*\n|\n(?=[-*] |\d+\. )", given)
    return [plain(paragraph) for paragraph in found]


def place_of(title, name):
    """Return which cell begins with a title, and that only one does."""
    starts = [text.startswith(title + "\n") for text in texts(name)]
    assert starts.count(True) == 1, (name, title)
    return starts.index(True)


def entries(text):
    """Return the entries of the list that a cell is."""
    return [plain(entry) for entry in re.split(r"\n(?=- )", text)[1:]]


def test_terms_are_those_of_notebooks():
    assert set(TERMS) <= set(notebook_names())


@pytest.mark.parametrize("name", notebook_names())
def test_a_notebook_opens_with_what_is_learned_what_to_know_and_minutes(name):
    place = place_of(OPENING, name)
    between = texts(name)[1:place]
    # What to edit differs between notebooks that share the title's cell.
    assert all(t.startswith("You will edit") for t in between), "right below the title"
    told = entries(texts(name)[place])
    if name.endswith("-TensorFlow") and len(told) > 3:
        assert "requirements-tensorflow.txt" in told.pop(2)
    for entry, lead in zip(told, (LEARN, KNOW, MINUTES), strict=True):
        assert entry.startswith(f"- {lead.lower()}: ")
    assert re.search(r"\b(?:seconds|minutes?)\b.* on one core", told[2])


@pytest.mark.parametrize("name", notebook_names())
def test_a_notebook_closes_with_what_to_take_away_and_to_read(name):
    last, reading = (place_of(title, name) for title in CLOSING)

    assert reading == last + 1
    assert len(entries(texts(name)[last])) >= 3
    sources = entries(texts(name)[reading])
    assert len(sources) >= 3
    for source in sources:
        assert re.search(r"\*[^*]+\*", source), f"no title: {source}"
        assert "cs231n" in source or re.search(r"\b(?:19|20)\d\d\b", source), source
    assert all(map(stamp.is_extra, cells(name)[reading + 1 :])), "extras alone follow"


@pytest.mark.parametrize(("name", "term", "explanation"), PAIRS)
def test_a_term_is_explained_where_it_stands(name, term, explanation):
    assert any(
        plain(term) in paragraph and plain(explanation) in paragraph
        for paragraph in paragraphs(name)
    ), f"{name}: no paragraph has both, {term!r} and {explanation!r}"


def test_the_shift_of_a_caption_is_shown_word_by_word():
    rows = {}
    for text in texts("RNN_Captioning"):
        for line in re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.MULTILINE):
            rows[line[0]] = [word.strip(" `") for word in line[1].split("|")]

    read, expected = rows["captions_in"], rows["captions_out"]
    assert read[0] == "<START>"
    assert read[1:] == expected[:-1]
    assert rows["mask"] == [str(word != "<NULL>") for word in expected]


def test_what_was_unclear_is_gone():
    everything = plain(" ".join(text for n in notebook_names() for text in texts(n)))
    for phrase in (
        *("padding earns nothing", "the loss is long", "on two ways"),
        *("cell's way out", "explosion that the lstm", "slope is steep"),
        *(r"-y \log(s)", "shall become", "written down:", "runs of one to four words"),
    ):
        assert phrase not in everything, phrase


def gan_texts():
    """Return what a reader meets of Q5, apart from code cells."""
    yield from texts("GANs-PyTorch")
    module = (ROOT / "cs231n" / "gan_pytorch.py").read_text("utf-8")
    yield from re.findall(r'"""(.*?)"""', module, re.DOTALL)
    yield from re.findall(r"# (.*)", module)
    for question in questions():
        if question.id == "Q5":
            for function in question.functions:
                yield from hint.ladder(function)


def test_gans_say_gradient_and_fake():
    for text in gan_texts():
        bare = re.sub(r"`[^`]*`", "", text)
        of_relu = re.sub(r"[Ll]eaky ?ReLU\s+(?:with|of)\s+slope", "", bare)
        assert not re.search(r"\bslopes?\b", of_relu), text
        assert not re.search(r"\bdrawn\s+(?:digits?|pictures?|ones?)\b", bare), text
        assert not re.search(r"\b(?:from|and|of) drawn\b", bare), text


def functions():
    return [function for question in questions() for function in question.functions]


def prompts():
    """Return (file, function) -> what its box asks for, of all that earns points."""
    found = {}
    ids = [question.id for question in questions()]
    for name in sorted({f.file for f in functions()}):
        source = (ROOT / name).read_text("utf-8")
        lines = source.splitlines()
        for region in markers.answers(source, name, ids):
            if region.question != "extra":
                box = lines[region.todo - 1 : region.begin - 1]
                text = " ".join(line.strip("# ") for line in box)
                found[name, region.function] = text
    return found


def test_prompts_say_what_and_leave_the_how_to_hints():
    found = prompts()
    assert len(found) > 30
    assert {box: text for box, text in found.items() if HOW.search(text)} == {}


def test_a_step_of_class_visualization_may_be_normalised_or_not():
    name = "class_visualization_update_step"
    prompt = prompts()["cs231n/net_visualization_pytorch.py", name]
    assert "or divide it by its norm" in prompt
    asked = [f for f in functions() if f.name.endswith(name)]
    assert len(asked) == 2
    for function in asked:
        _, idea, formula = hint.ladder(function)
        assert "as it is or brought to length one" in idea
        steps = formula.replace("I + learning_rate", "learning_rate")
        assert "learning_rate * g, or learning_rate * g / ||g||" in steps


FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$]+?)\$", re.DOTALL)


@pytest.mark.parametrize("name", notebook_names())
def test_the_report_draws_every_formula(name):
    found = [m for text in texts(name) for m in FORMULA.findall(text)]
    assert found
    as_code = [
        latex
        for block, inline in found
        if "<math" not in _equation(None, latex := block or inline, display=bool(block))
    ]
    assert as_code == []
