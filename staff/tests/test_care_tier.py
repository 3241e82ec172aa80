"""Right answers of other kinds pass what public tests ask, and only care tells more.

Each runs as a student's own files do: in a copy of the package, by pytest and a mark.
"""

import re

import pytest

from staff.questions import ROOT
from staff.tests import programs
from staff.tests.student_folder import copy_package
from staff.tests.test_old_student_files import OLD_LAYERS, PIXELS_2020
from tests.on_copies import on_copies


def changed(path, *edits):
    """Return a file's text with some of it replaced."""
    text = path if "\n" in path else (ROOT / "cs231n" / path).read_text("utf-8")
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new)
    return text


# Inputs are changed, forward and backward.
IN_PLACE = changed(
    OLD_LAYERS,
    (
        "    dz = dnext_h * (1 - next_h * next_h)\n",
        "    dnext_h *= 1 - next_h * next_h\n    dz = dnext_h\n",
    ),
    (
        "    next_h, cache = None, None\n",
        "    x, given = x.copy(), x\n    given *= 0\n",
    ),
    (
        "    dc = dnext_c + dnext_h * o * (1 - t ** 2)\n",
        "    dnext_c += dnext_h * o * (1 - t ** 2)\n    dc = dnext_c\n",
    ),
    (
        "    dprev, dc, grads, dxs = 0, 0,",
        "    dprev, dc, grads, dxs = 0, 0 * dh[:, 0],",
    ),
)
FLOAT32 = changed(
    OLD_LAYERS,
    ("np.zeros((N, T, H)), [], h0", "np.zeros((N, T, H), np.float32), [], h0"),
    ("np.stack(h, axis=1), cache", "np.stack(h, axis=1).astype(np.float32), cache"),
)
STYLE = changed(
    "style_transfer_pytorch.py",
    (
        "    loss = content_weight * (content_current - content_original)"
        ".square().sum()\n",
        "    content_current -= content_original\n"
        "    loss = (content_weight * content_current.pow(2).sum()).reshape(1)\n",
    ),
    (
        "    gram = maps @ maps.transpose(1, 2)  # (N, C, C)\n",
        "    gram = (maps[0] @ maps[0].T)[None]\n",
    ),
    ("    loss = feats[0].new_zeros(())\n", "    loss = torch.zeros(1)\n"),
    (
        "        loss = loss + weight * (gram_matrix(feats[layer]) - target)",
        "        loss += weight * (gram_matrix(feats[layer]) - target)",
    ),
    (
        "    loss = tv_weight * (down.square().sum() + right.square().sum())\n",
        "    loss = sum(tv_weight * part.square().sum() for part in (down, right))\n",
    ),
)
GAN = changed(
    "gan_pytorch.py",
    (
        "    loss = bce_loss(logits_real, torch.ones_like(logits_real))\n",
        "    loss = bce_loss(logits_real, 1)\n",
    ),
    ("torch.zeros_like(logits_fake))", "torch.zeros(len(logits_fake)))"),
    (
        "    loss = 0.5 * ((scores_fake - 1) ** 2).mean()\n",
        "    loss = 0.5 * torch.mean((scores_fake - 1) ** 2)\n",
    ),
    (
        "        Unflatten(-1, 1, 28, 28),\n",
        "        Unflatten(batch_size, 1, 28, 28),\n",
    ),
    ("        Unflatten(-1, 128, 7, 7),\n", "        Unflatten(128, 128, 7, 7),\n"),
)

RIGHT = {
    "old layers": ("rnn_layers.py", OLD_LAYERS, "(q1 or q2)", True),
    "in place": ("rnn_layers.py", IN_PLACE, "(q1 or q2)", True),
    "pixels of 2020": ("net_visualization_pytorch.py", PIXELS_2020, "q3", True),
    "losses of pictures": ("style_transfer_pytorch.py", STYLE, "q4", True),
    "losses and networks of fixed sizes": ("gan_pytorch.py", GAN, "q5", True),
}
TESTS = {
    "classifiers/rnn.py": ["captioning_rnn"],
    "rnn_layers.py": ["rnn_layers", "lstm_layers", "captioning_rnn"],
    "net_visualization_pytorch.py": ["net_visualization"],
    "style_transfer_pytorch.py": ["style_transfer"],
    "gan_pytorch.py": ["gan"],
    "extras/attribution.py": ["attribution"],
    "extras/adversarial.py": ["attribution"],
    "extras/style_extras.py": ["style_extras"],
}


def run_marked(folder, file, source, marks, *options):
    """Run public tests on a copy of the package; return what pytest says."""
    copy_package(folder, "tests", "conftest.py", "pyproject.toml")
    (folder / "cs231n" / file).write_text(source, "utf-8")
    files = [f"tests/test_{name}.py" for name in TESTS[file]]
    done = programs.run(
        *(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("-m", marks, *options, *files),
        before=programs.TORCH,
        CS231N_DATA_DIR=str(ROOT / "cs231n" / "datasets"),
    )
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_pass_what_is_asked_and_care_says_more(name, tmp_path):
    file, source, marks, careless = RIGHT[name]
    said = run_marked(tmp_path / "asked", file, source, f"{marks} and not care")
    assert re.search(r"\d{2,} passed", said), said[-3000:]
    assert "failed" not in said, said[-3000:]
    if careless:
        said = run_marked(tmp_path / "care", file, source, f"{marks} and care")
        assert re.search(r"[1-9]\d* failed", said), said[-3000:]


def test_hidden_states_of_float32_pass_where_they_are_asked_for(tmp_path):
    said = run_marked(
        *(tmp_path, "rnn_layers.py", FLOAT32, "(q1 or q2) and not care"),
        *("-k", "test_rnn_layers or test_lstm_layers"),
    )
    assert re.search(r"\d{2,} passed", said), said[-3000:]
    assert "failed" not in said, said[-3000:]


# Each warns, of names of old or of numbers on the way, and what it returns is right.
WARNS = {
    "style_transfer_pytorch.py": (
        "q4",
        "content or style",
        (
            "(content_current - content_original).square().sum()",
            "nn.MSELoss(size_average=False)(content_current, content_original)",
        ),
        (
            "(gram_matrix(feats[layer]) - target).square().sum()",
            "F.mse_loss(gram_matrix(feats[layer]), target, size_average=False)",
        ),
        (
            "from torch import nn\n",
            "from torch import nn\nimport torch.nn.functional as F\n",
        ),
    ),
    "gan_pytorch.py": (
        "q5",
        "loss",
        (
            "    loss = bce_loss(logits_real, torch.ones_like(logits_real))\n",
            "    loss = F.binary_cross_entropy_with_logits(\n"
            "        logits_real, torch.ones_like(logits_real), size_average=True\n"
            "    )\n",
        ),
        (
            "    loss = bce_loss(logits_fake, torch.ones_like(logits_fake))\n",
            "    ones = torch.tensor(torch.ones_like(logits_fake))\n"
            "    loss = bce_loss(logits_fake, ones)\n",
        ),
        ("NOISE_DIM = 96\n", 'NOISE_DIM = 96\nPATTERN = "\\d"\n'),  # at the import
    ),
    "net_visualization_pytorch.py": (
        "q3",
        "saliency",
        (
            "    # BEGIN SOLUTION\n",
            "    # BEGIN SOLUTION\n"
            "    y = torch.autograd.Variable(torch.as_tensor(y), volatile=True)\n",
        ),
    ),
    "rnn_layers.py": (
        "q2",
        "step",
        (
            "    # BEGIN SOLUTION\n",
            "    # BEGIN SOLUTION\n    np.exp(np.float64(1000))\n",
        ),
    ),
}


@pytest.mark.parametrize("file", WARNS)
def test_answers_that_warn_pass_what_is_asked(file, tmp_path):
    marks, which, *edits = WARNS[file]
    source, asked = changed(file, *edits), f"{marks} and not care"
    said = run_marked(tmp_path, file, source, asked, "-k", which)
    assert re.search(r"\d+ passed", said), said[-3000:]
    assert "failed" not in said, said[-3000:]


def test_what_is_ours_may_not_warn(tmp_path):
    given = "        return iter(range("
    source = changed(
        "gan_pytorch.py", (given, f"        np.exp(np.float64(1000))\n{given}")
    )
    said = run_marked(tmp_path, "gan_pytorch.py", source, "not q5")
    assert "overflow encountered" in said, said[-3000:]
    assert re.search(r"[1-9]\d* failed", said), said[-3000:]


# What functions were called with before 2020, and a size that 2020 insists on.
SEEDED = "    if seed is not None:\n        torch.manual_seed(seed)\n"
BEFORE_2020 = changed(
    "gan_pytorch.py",
    ("(batch_size: int, dim: int, seed: int | None = None)", "(batch_size, dim)"),
    ("def discriminator(seed: int | None = None)", "def discriminator()"),
    ("noise_dim: int = NOISE_DIM, seed: int | None = None)", "noise_dim=NOISE_DIM)"),
    (SEEDED, ""),
    ("    if batch_size is None:\n        batch_size = -1\n", "    batch_size = -1\n"),
    (
        "def build_dc_classifier(batch_size: int | None = None)",
        "def build_dc_classifier()",
    ),
)
OF_2020 = changed(
    "gan_pytorch.py", ("(batch_size: int | None = None)", "(batch_size: int)")
)


@pytest.mark.parametrize("source", [BEFORE_2020, OF_2020], ids=["before", "of 2020"])
def test_functions_may_have_the_arguments_of_other_editions(source, tmp_path):
    named = "noise or networks or weights or discriminator or generator"
    asked = "q5 and not care"
    said = run_marked(tmp_path, "gan_pytorch.py", source, asked, "-k", named)
    assert re.search(r"\d{2,} passed", said), said[-3000:]
    assert "failed" not in said, said[-3000:]


ENDLESS = {
    "net_visualization_pytorch.py": (
        "q3",
        "length_one or climbs",
        ("for _ in range(100):", "while True:"),
        ("X_fooling +=", "X_fooling -="),
    ),
    # They wait for words that may never come.
    "classifiers/rnn.py": (
        "q1",
        "captions_are_rows_of_words",
        ("        for t in range(max_length):\n", "        while running.any():\n"),
        ("            captions[running, t] = words[running]\n", ""),
        ("            running &= words != self._end\n", ""),
        ("            if not running.any():\n                break\n", ""),
    ),
    "rnn_layers.py": (
        "q1",
        "embedding_backward",
        (
            "    # BEGIN SOLUTION\n",
            "    # BEGIN SOLUTION\n    while True:\n        pass\n",
        ),
    ),
}


@pytest.mark.parametrize(
    "file",
    [
        "rnn_layers.py",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("classifiers/rnn.py", "net_visualization_pytorch.py")
        ),
    ],
)
def test_a_loop_without_an_end_fails(file, tmp_path):
    marks, which, *edits = ENDLESS[file]
    source, asked = changed(file, *edits), f"{marks} and not care"
    said = run_marked(tmp_path, file, source, asked, "-k", which)
    assert re.search(r"[12] failed", said), said[-3000:]
    assert "had no end" in said
    assert "passed" not in said


def test_caches_may_hold_what_cannot_be_copied():
    import torch

    leaf = torch.ones(2, requires_grad=True)
    cache = {"of all": (torch, [leaf, 2 * leaf])}

    def doubled_backward(dout, cache):
        module, (x, out) = cache["of all"]
        (dx,) = module.autograd.grad(out, x, module.tensor(dout), retain_graph=True)
        return dx.numpy()

    backward = on_copies(doubled_backward)
    for _ in range(2):
        assert backward([1.0, 3.0], cache=cache).tolist() == [2, 6]


WRONG = {
    "an order of gates": ("i * g\n", "o * g\n", "q2"),
    "a slope": ("1 - next_h * next_h)", "1 - next_h)", "q1"),
    "a step": ("h[:, t, :] = prev", "h[:, t, :] = prev * (t != 1)", "q1"),
    "repetitions": ("np.add.at(dW, x, dout)", "dW[x] += dout", "q1"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_fail_what_is_asked(name, tmp_path):
    old, new, marks = WRONG[name]
    source = changed(OLD_LAYERS, (old, new))
    said = run_marked(tmp_path, "rnn_layers.py", source, f"{marks} and not care")
    assert re.search(r"[1-9]\d* failed", said), said[-3000:]


# Wrong answers that the tests of extra exercises once let pass.
WRONG_EXTRAS = {
    "extras/attribution.py": {
        "no sign": ("scores.sum(), noisy)[0]", "scores.sum(), noisy)[0].abs()"),
        "no noise": ("X + sample", "X + 0 * sample"),
        "no ReLU": (".sum(dim=1).relu()", ".sum(dim=1)"),
        "size for ReLU": (".sum(dim=1).relu()", ".sum(dim=1).abs()"),
        "sum for mean": ("gradient.mean(dim=", "gradient.sum(dim="),
        "by the change alone": (
            "    shares = mean * (X - start)\n",
            "    shares = mean * (X - start)\n"
            "    gains = shares.flatten(1).sum(1) / (X - start).flatten(1).sum(1)\n"
            "    shares = gains.view(-1, 1, 1, 1) * (X - start)\n",
        ),
    },
    "extras/adversarial.py": {
        "of the score": ("scores.log_softmax(dim=0)[target_y]", "scores[target_y]"),
        "no end": ("            break\n", "            pass\n"),
        "other levels": ("step * level * g.sign()", "step / 255 * g.sign()"),
    },
    "extras/style_extras.py": {
        "another root": (
            "        return colors.mean(1, keepdim=True), root\n",
            "        small = 1e-6 * torch.eye(3, dtype=colors.dtype)\n"
            "        root = torch.linalg.cholesky(torch.cov(colors) + small)\n"
            "        root = torch.linalg.inv(root) if power < 0 else root\n"
            "        return colors.mean(1, keepdim=True), root\n",
        ),
    },
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "name"), [(f, name) for f in WRONG_EXTRAS for name in WRONG_EXTRAS[f]]
)
def test_wrong_answers_of_extra_exercises_fail(file, name, tmp_path):
    source = changed(file, WRONG_EXTRAS[file][name])
    said = run_marked(tmp_path, file, source, "extra", "-x")
    assert re.search(r"1 failed", said), said[-3000:]
