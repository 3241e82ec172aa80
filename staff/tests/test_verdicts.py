"""What earns a point, what a remark: right code is never rejected, whoever wrote it."""

import sys
import textwrap

import numpy as np
import pytest
import torch

from cs231n import image_gradients
from cs231n.assignment.table import questions
from cs231n.classifiers.pretrained_cnn import PretrainedCNN
from cs231n.tools.check import marks, naming
from cs231n.tools.check.exercises import exercise
from cs231n.tools.check.gpu import cpu_for_gpu
from cs231n.tools.check.tries.cnn import Network
from cs231n.tools.check.verdict import judge
from cs231n.tools.check.words import advice, broken_module
from staff.mistakes.bank import answers_of, answers_with, bank
from staff.mistakes.writings import answer, loaded, rewritten, solved, sources
from staff.questions import ROOT
from staff.tests.asked import FUNCTIONS
from tests.small_cnn import SmallCNN

OF_2016 = [f for q in questions() if "2016" in q.id for f in q.functions]
BY_SHORT = {f.short: f for f in reversed(FUNCTIONS.values())}
BY_SHORT |= {f"2016/{f.short}": f for f in OF_2016}
REMARKED = "done, with a remark"


def verdict_of(short, body, helper="", **others):
    """Judge one answer, with those of others changed as well."""
    function = BY_SHORT[short]
    answers = {function.name: textwrap.dedent(body)}
    answers |= {BY_SHORT[k].name: textwrap.dedent(v) for k, v in others.items()}
    with rewritten(answers, {function.name: helper} if helper else {}):
        return judge(function, marks.records(), exercise(function.key))


def module_verdicts(module, text):
    """Judge all functions of a module that is given as a whole."""
    with loaded({module: text}):
        return {
            f.short: judge(f, marks.records(), exercise(f.key))
            for f in FUNCTIONS.values()
            if f.module == module
        }


def right_answer(short):
    function = BY_SHORT[short]
    return answer(solved(function.module), function.qualname)


# Freedoms: each costs nothing, and some earn a remark


IN_PLACE = {
    "lstm_step_backward": """
        x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c = cache
        dnext_c += dnext_h * o * (1 - tanh_c**2)
        da = np.hstack([
            dnext_c * g * i * (1 - i), dnext_c * prev_c * f * (1 - f),
            dnext_h * tanh_c * o * (1 - o), dnext_c * i * (1 - g**2),
        ])
        dx, dprev_h, dprev_c = da @ Wx.T, da @ Wh.T, dnext_c * f
        dWx, dWh, db = x.T @ da, prev_h.T @ da, da.sum(axis=0)
        """,
    "rnn_step_backward": """
        x, prev_h, Wx, Wh, next_h = cache
        dnext_h *= 1 - next_h**2
        dx, dprev_h = dnext_h @ Wx.T, dnext_h @ Wh.T
        dWx, dWh, db = x.T @ dnext_h, prev_h.T @ dnext_h, dnext_h.sum(axis=0)
        """,
    "rnn_backward": """
        xs, hs, Wx, Wh = cache
        N, T, H = dh.shape
        for t in reversed(range(T)):
            dh[:, t] *= 1 - hs[t + 1] ** 2
            back = dh[:, t] @ Wh.T
            if t:
                dh[:, t - 1] += back
        dh0 = back
        da = dh.transpose(1, 0, 2).reshape(T * N, H)
        dx = (da @ Wx.T).reshape(T, N, -1).transpose(1, 0, 2)
        dWx, dWh, db = xs.T @ da, hs[:-1].reshape(T * N, H).T @ da, da.sum(axis=0)
        """,
    "word_embedding_backward": """
        x, shape = cache
        dW = np.zeros(shape)
        for n, t in np.ndindex(x.shape):
            dW[x[n, t]] += dout[n, t]
        dout *= 0
        """,
}


@pytest.mark.parametrize("short", IN_PLACE)
def test_gradients_may_be_computed_in_place(short):
    verdict = verdict_of(short, IN_PLACE[short])
    assert verdict.state == REMARKED, verdict
    assert "changes its input d" in verdict.remarks[0]


def test_a_forward_pass_may_change_its_inputs():
    body = "prev_h *= 1.0\nx += 0.0\n" + right_answer("rnn_step_forward")
    assert verdict_of("rnn_step_forward", body).state == "done"
    body = right_answer("rnn_step_forward") + "x *= 2\n"
    verdict = verdict_of("rnn_step_forward", body)
    assert verdict.state == REMARKED
    assert "changes its input x" in verdict.remarks[0]


@pytest.mark.parametrize(
    ("short", "make"),
    [("rnn_forward", "float32"), ("rnn_forward", "float64")],
)
def test_the_precision_of_a_result_earns_a_remark(short, make):
    body = f"""
        N, T, D = x.shape
        h = np.zeros((N, T, h0.shape[1]), dtype=np.{make})
        state, caches = h0, []
        for t in range(T):
            state, step = rnn_step_forward(x[:, t], state, Wx, Wh, b)
            caches.append(step)
            h[:, t] = state
        cache = caches
        """
    verdict = verdict_of(short, body)
    assert verdict.state == REMARKED, verdict
    assert "another dtype" in verdict.remarks[0]


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_a_loss_may_be_of_states_that_are_kept_in_float32(cell):
    layer = f"{cell}_forward"
    kept = right_answer(layer) + "h = h.astype(np.float32)\n"
    short = "CaptioningRNN.loss" if cell == "rnn" else "CaptioningRNN.loss:lstm"
    verdict = verdict_of(short, right_answer(short), **{layer: kept})
    assert verdict.state == REMARKED, verdict
    assert verdict.remarks[0].startswith("is right to the digits of float32")
    wrong = right_answer(short).replace(
        "affine_forward(features", "affine_forward(2 * features"
    )
    verdict = verdict_of(short, wrong, **{layer: kept})
    assert verdict.state == "wrong", verdict


@pytest.mark.parametrize(
    ("short", "old", "new"),
    [
        ("rnn_step_forward", "x @ Wx + prev_h", "x.astype(np.float32) @ Wx + prev_h"),
        ("rnn_step_forward", "np.tanh(x", "np.float32(1) * np.tanh(x"),
        ("rnn_step_backward", "da = dnext_h", "da = dnext_h.astype(np.float32)"),
        ("word_embedding_forward", "W[x]", "W.astype(np.float32)[x]"),
        ("lstm_step_backward", "dc = dnext_c", "dc = dnext_c.astype(np.float32)"),
        ("CaptioningRNN.loss", "dh, grads", "dscores = np.float32(dscores)\ndh, grads"),
    ],
)
def test_what_is_right_to_the_digits_of_float32_is_done(short, old, new):
    body = right_answer(short)
    assert old in body
    assert verdict_of(short, body.replace(old, new, 1)).state in {REMARKED, "done"}


def test_digits_that_are_lost_inside_earn_a_remark():
    body = "dout = dout.astype(np.float32).astype(float)\n"
    short = "word_embedding_backward"
    verdict = verdict_of(short, body + right_answer(short))
    assert verdict.state == REMARKED
    assert "digits of float32" in verdict.remarks[0]


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_fewer_digits_than_float32_s_are_wrong(kind):
    body = right_answer("rnn_step_forward") + f"next_h = next_h.astype(np.{kind})\n"
    verdict = verdict_of("rnn_step_forward", body)
    assert (verdict.state == "wrong") == (kind == "float16"), verdict
    assert ("next_h is float16, which is too coarse" in verdict.message) == (
        kind == "float16"
    )


def test_wrong_results_in_float32_are_named_as_others_are():
    body = right_answer("lstm_step_backward") + "db = np.float32(np.roll(db, 5))\n"
    verdict = verdict_of("lstm_step_backward", body)
    assert "order of the four blocks" in verdict.message
    body = right_answer("rnn_step_backward") + "db = np.float32(da.mean(axis=0))\n"
    assert "averaged" in verdict_of("rnn_step_backward", body).message


def test_all_parts_are_never_said_to_be_right_alone():
    parts = [marks.mark(naming.part_name("h", "sequence"), np.ones((1, 2)))] * 3
    value = np.ones((3, 2))
    said = naming._in_parts("h", value, {"sequence": parts}, {"sequence": 0})
    assert said == ""
    value[2] = 0
    said = naming._in_parts("h", value, {"sequence": parts}, {"sequence": 0})
    assert said == "{} {} right at sequences 0 and 1 alone, of 3."
    value[0] = 0
    assert not naming._in_parts("h", value, {"sequence": parts}, {"sequence": 0})


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("[1, 2, 1, 1]", "In dWx, dWh and db, only the forget gate is wrong."),
        ("[3, 2, 1, 1]", "only the input gate and the forget gate are wrong."),
    ],
)
def test_gates_that_are_wrong_are_named_in_a_sentence(by, said):
    body = right_answer("lstm_step_backward") + f"wrong = np.repeat({by}, len(Wh))\n"
    body += "dWx, dWh, db = dWx * wrong**0.3, dWh * wrong**0.3, db * wrong**0.3\n"
    assert said in verdict_of("lstm_step_backward", body).message


@pytest.mark.parametrize("cell", ["", ":lstm"])
def test_gradients_of_more_than_parameters_are_remarked_on(cell):
    short = f"CaptioningRNN.loss{cell}"
    body = right_answer(short).replace('_, grads["W_p', 'grads["x"], grads["W_p')
    verdict = verdict_of(short, body)
    assert verdict.state == REMARKED
    assert "no parameter of the model: CaptioningSolver leaves" in verdict.remarks[0]


@pytest.mark.parametrize(
    ("short", "forward", "backward"),
    [
        (
            "rnn",
            """
            h, cache = np.zeros((*x.shape[:2], h0.shape[1])), []
            for t in range(x.shape[1]):
                h0[:], step_cache = rnn_step_forward(x[:, t], h0, Wx, Wh, b)
                h[:, t] = h0
                cache.append(step_cache)
            """,
            """
            dh0, dxs, sums = 0, [], [0, 0, 0]
            for t in range(dh.shape[1])[::-1]:
                dx_t, dh0, *parts = rnn_step_backward(dh[:, t] + dh0, cache[t])
                dxs.append(dx_t)
                sums = [a + b for a, b in zip(sums, parts)]
            dx, (dWx, dWh, db) = np.stack(dxs[::-1], axis=1), sums
            """,
        ),
        (
            "lstm",
            """
            h, cache, c = np.zeros((*x.shape[:2], h0.shape[1])), {}, 0 * h0
            for t in range(x.shape[1]):
                h0[:], c, cache[t] = lstm_step_forward(x[:, t], h0, c, Wx, Wh, b)
                h[:, t] = h0
            """,
            """
            dh0, dc, dxs, sums = 0, 0, [], [0, 0, 0]
            for t in range(dh.shape[1])[::-1]:
                dx_t, dh0, dc, *parts = lstm_step_backward(dh[:, t] + dh0, dc, cache[t])
                dxs.append(dx_t)
                sums = [a + b for a, b in zip(sums, parts)]
            dx, (dWx, dWh, db) = np.stack(dxs[::-1], axis=1), sums
            """,
        ),
    ],
)
def test_a_forward_pass_that_overwrites_its_cache_is_what_comes_first(
    short, forward, backward
):
    layer = {f"{short}_forward": forward}
    verdict = verdict_of(f"{short}_backward", backward, **layer)
    assert verdict.state == "cannot tell yet", verdict
    assert f"{short}_forward comes first: it changes its input h0" in verdict.message
    verdict = verdict_of(f"{short}_forward", forward)
    assert verdict.state == REMARKED
    assert "its cache, or whoever calls it," in verdict.remarks[0]
    # A copy mends it.
    layer = {f"{short}_forward": forward.replace("h0, ", "h0.copy(), ")}
    verdict = verdict_of(f"{short}_backward", backward, **layer)
    assert verdict.state in {"done", REMARKED}, verdict


def test_what_is_said_of_a_loss_does_not_contradict_itself():
    body = right_answer("CaptioningRNN.loss").replace(
        "\ndh, grads", "\ndscores = 3 * dscores / mask.sum()\ndh, grads"
    )
    verdict = verdict_of("CaptioningRNN.loss", body)
    assert "loss is right" in verdict.message
    assert "the loss and its gradients were" not in verdict.message
    body = body.replace("3 * dscores / mask.sum()", "dscores / mask.sum() * len(mask)")
    (said,) = verdict_of("CaptioningRNN.loss", body).named
    assert "the loss were not" in said


@pytest.mark.parametrize("cell", ["", ":lstm"])
def test_right_first_words_alone_do_not_tell_what_is_carried(cell):
    short = f"CaptioningRNN.sample{cell}"
    old = "choose(h @ W_vocab + b_vocab)"
    body = right_answer(short)
    never_null = body.replace(old, "1 + choose((h @ W_vocab + b_vocab)[:, 1:])")
    (said,) = verdict_of(short, never_null).named
    assert "<NULL>" in said
    for k in (3, 5, 9):
        never = f"(h @ W_vocab + b_vocab - 1e9 * (np.arange(len(b_vocab)) == {k}))"
        verdict = verdict_of(short, body.replace(old, f"choose({never})"))
        assert "carried" not in verdict.message


SQUEEZED = """
    scores = model(X).gather(1, y.view(-1, 1)).squeeze()
    scores.backward(torch.ones(len(X)))
    saliency = X.grad.abs().max(dim=1)[0].squeeze()
    """


def test_what_fails_at_a_size_of_one_alone_says_so():
    verdict = verdict_of("compute_saliency_maps", SQUEEZED)
    assert verdict.state == REMARKED
    assert verdict.remarks[0].startswith("fails at a size of 1 (N = 1): ")
    forward = """
        next_h = np.tanh((x @ Wx).squeeze() + (prev_h @ Wh).squeeze() + b)
        cache = (x, prev_h, Wx, Wh, next_h)
        """
    verdict = verdict_of("rnn_step_forward", forward)
    assert verdict.state == REMARKED
    assert (
        "fails at a size of 1 (H = 1 and N = 1): next_h has shape"
        in (verdict.remarks[0])
    )
    assert "wrong" not in verdict.remarks[0]


FIVE = """
    scores = model(X)
    total = sum(scores[k, y[k]] for k in range(5))
    total.backward()
    saliency = X.grad.data.abs().max(1)[0].view(5, X.shape[2], X.shape[3])
    """
FIVE_OF_2016 = """
    scores, cache = model.forward(X, mode="test")
    dscores = np.zeros((5, 100))
    dscores[range(5), y] = 1
    dX, _ = model.backward(dscores, cache)
    saliency = np.abs(dX).max(axis=1)
    """


@pytest.mark.parametrize(
    ("short", "body"),
    [("compute_saliency_maps", FIVE), ("2016/compute_saliency_maps", FIVE_OF_2016)],
)
def test_a_batch_of_the_notebook_s_size_will_do(short, body):
    verdict = verdict_of(short, body)
    assert verdict.state == REMARKED, verdict
    assert verdict.remarks[0].startswith("fails for other sizes than five pictures")


def test_networks_may_be_built_for_the_notebook_s_batch():
    body = right_answer("build_dc_generator").replace(
        "Unflatten(-1, 128", "Unflatten(batch_size, 128"
    )
    verdict = verdict_of("build_dc_generator", body, "batch_size = 128\n")
    assert verdict.state == REMARKED, verdict
    assert "other sizes than batches of 128" in verdict.remarks[0]
    body = right_answer("build_dc_classifier").replace(
        "Unflatten(-1, 1", "Unflatten(batch_size, 1"
    )
    verdict = verdict_of("build_dc_classifier", body)
    assert verdict.state == "done", verdict


def test_a_loss_may_be_a_number_of_any_kind():
    for body in (
        "loss = content_weight * ((content_current - content_original) ** 2)"
        ".sum().reshape(1)\n",
        "loss = content_weight * (content_current - content_original)"
        ".pow(2).sum().view(1, 1)\n",
    ):
        assert verdict_of("content_loss", body).state == "done"
    body = "loss = float(content_weight * (content_current - content_original)"
    body += ".pow(2).sum())\n"
    verdict = verdict_of("content_loss", body)
    assert "the gradient of the loss is zero everywhere; the loss is right" in (
        verdict.message
    )


@pytest.mark.parametrize(
    ("start", "state"), [("0", "done"), ("0.0", "done"), ("feats[7].sum()", "wrong")]
)
def test_the_style_of_no_layers_may_cost_a_plain_zero(start, state):
    body = f"""
        loss = {start}
        for k, layer in enumerate(style_layers):
            gap = gram_matrix(feats[layer]) - style_targets[k]
            loss = loss + style_weights[k] * (gap ** 2).sum()
        """
    assert verdict_of("style_loss", body).state == state


def test_losing_the_style_of_no_layers_is_a_remark():
    body = """
        parts = [
            w * (gram_matrix(feats[k]) - t).square().sum()
            for k, t, w in zip(style_layers, style_targets, style_weights)
        ]
        loss = torch.stack(parts).sum()
        """
    verdict = verdict_of("style_loss", body)
    assert verdict.state == REMARKED
    assert "fails for no layers" in verdict.remarks[0]


def test_code_that_names_a_gpu_is_judged_on_the_cpu():
    body = """
        noise = torch.cuda.FloatTensor(batch_size, dim).uniform_(-1, 1).cuda()
        """
    verdict = verdict_of("sample_noise", body)
    assert verdict.state == REMARKED, verdict
    assert verdict.remarks == [r for r in verdict.remarks if "names a GPU" in r]
    body = "loss = bce_loss(logits_fake, torch.ones(len(logits_fake), 1).to('cuda'))\n"
    assert "names a GPU" in verdict_of("generator_loss", body).remarks[0]


def test_what_names_a_gpu_is_taken_for_the_cpu_only_for_a_while():
    seen = []
    with cpu_for_gpu(lambda: seen.append(1)):
        kind = torch.cuda.FloatTensor
        assert torch.ones(2, device="cuda:0").device.type == "cpu"
        assert torch.ones(2).type(kind).cuda().device.type == "cpu"
        model = torch.nn.Linear(2, 3).cuda().to(torch.device("cuda"))
        assert model(torch.ones(1, 2).to("cuda")).shape == (1, 3)
        assert kind(2, 3).shape == (2, 3)
        with torch.random.fork_rng():
            assert torch.rand(2, device=torch.device("cuda")).shape == (2,)
    assert len(seen) >= 6
    assert torch.cuda.FloatTensor is not torch.FloatTensor
    if not torch.cuda.is_available():
        with pytest.raises((AssertionError, RuntimeError)):
            torch.ones(2).cuda()


def test_class_visualizations_may_leave_the_step_unnormalised():
    body = """
        score = model(img)[0, target_y]
        (score - l2_reg * (img ** 2).sum()).backward()
        img.data += learning_rate * img.grad.data
        img.grad.zero_()
        """
    assert verdict_of("class_visualization_update_step", body).state == "done"
    wrong = body.replace("l2_reg *", "2 * l2_reg *")
    assert verdict_of("class_visualization_update_step", wrong).state == "wrong"
    kept = body.replace("img.grad.zero_()", "pass")
    assert verdict_of("class_visualization_update_step", kept).state == "wrong"


def test_a_fooling_loop_may_step_before_it_looks():
    body = """
        for _ in range(100):
            scores = model(X_fooling)
            scores[0, target_y].backward()
            g = X_fooling.grad.data
            X_fooling.data += learning_rate * g / g.norm()
            X_fooling.grad = None
            if scores.argmax() == target_y:
                break
        """
    assert verdict_of("make_fooling_image", body).state == "done"


@pytest.mark.parametrize(
    ("feats", "state"),
    [
        ("feats", "done"),
        ('np.einsum("nfhw->nfhw", feats)', "wrong"),
        ("feats * (feats.ndim == 4)", "wrong"),
    ],
)
def test_a_dream_may_be_of_scores_which_are_no_maps(feats, state):
    body = f"""
        feats, cache = model.forward(X, end=layer, mode="test")
        X = X + learning_rate * model.backward({feats}, cache)[0]
        """
    verdict = verdict_of("deepdream", body)
    assert verdict.state == state, verdict


# What has not been begun


STUBS = {
    "rnn_step_forward": "next_h, cache = None, None\npass\n",
    "lstm_step_backward": "dx, dh, dc, dWx, dWh, db = None, None, None, None, None, "
    "None\ndprev_h, dprev_c = None, None\npass\n",
    "word_embedding_backward": "dW = None\npass\n",
    "CaptioningRNN.loss": "pass\n",
    "CaptioningRNN.sample": "pass\n",
    "make_fooling_image": "pass\n",
    "class_visualization_update_step": "pass\n",
    "gram_matrix": "return None\n",
    "content_loss": "pass\nreturn\n",
    "sample_noise": "return\n",
    "discriminator": "model = None\npass\n",
    "ls_generator_loss": "loss = None\n",
    "get_optimizer": "optimizer = None\n",
    "2016/make_fooling_image": "pass\n",
    "deepdream": "pass\n",
    "invert_features": "pass\n",
}


@pytest.mark.parametrize("short", STUBS)
def test_what_an_original_hand_out_leaves_is_not_started(short):
    verdict = verdict_of(short, STUBS[short])
    assert (verdict.state, verdict.message) == ("not started", ""), verdict


def test_a_forgotten_name_is_not_taken_for_a_stub():
    verdict = verdict_of(
        "rnn_step_forward", "h = np.tanh(x @ Wx)\nnext_h = None\ncache = h\n"
    )
    assert verdict.state == "wrong"
    assert "next_h is None" in verdict.message


def test_a_comment_in_the_first_column_hides_no_answer():
    old = "            x = W_embed[words]\n"
    new = "# a note\n            x = 2 * W_embed[words]\n"
    text = solved("cs231n.classifiers.rnn").replace(old, new, 1)
    assert (
        module_verdicts("cs231n.classifiers.rnn", text)[
            "CaptioningRNN.sample:lstm"
        ].state
        == "wrong"
    )


# Words


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("print 'x'", "Python 2; write print(x)"),
        ("import past", "Python 2"),
        ("np.zeros(3, dtype=np.float)", "NumPy before 1.24"),
        ("from scipy.misc import imread", "write imageio"),
        ("torch.zeros(1).sum().data[0]", "torch before 0.4"),
        (
            "torch.zeros(1, requires_grad=True).sum().backward(retain_variables=1)",
            "0.4",
        ),
        ("try: pass\nexcept ValueError, error: pass", "except Error as error"),
        ("from ...layers import *", "another edition"),
    ],
)
@pytest.mark.filterwarnings("ignore:scipy.misc")
def test_old_lines_are_told_their_age(line, said):
    with pytest.raises(
        (SyntaxError, ImportError, AttributeError, IndexError, TypeError)
    ) as info:
        exec(line, {"np": np, "torch": torch, "__package__": "cs231n"})
    assert said in advice(info.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("x += 1", "within `torch.no_grad()`"),
        ("x[0] = 1", "within `torch.no_grad()`"),
        ("y = x.exp()\ny *= 2\ny.sum().backward()", "what was overwritten"),
        ("x.detach().sum().backward()", "No recorded step"),
        ("y = x.exp().sum()\ny.backward()\ny.backward()", "Compute anew"),
    ],
)
def test_what_torch_says_of_gradients_is_put_in_plain_words(lines, said):
    with pytest.raises(RuntimeError) as info:
        exec(lines, {"x": torch.ones(2, requires_grad=True)})
    assert said in advice(info.value)


def test_a_file_of_another_age_says_so_once_for_all_its_functions():
    text = "print 'x'\n"
    with pytest.raises(SyntaxError) as error:
        compile(text, "cs231n/rnn_layers.py", "exec")
    said = broken_module(error.value, ROOT / "cs231n")
    assert "rnn_layers.py cannot be read: line 1" in said
    assert "Python 2; write print(x)" in said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("for t in xrange(3): pass\n", "Python 2; write range"),
        (
            "next_h = np.zeros((x.shape[0] / 1, 5)); cache = 0\n",
            "write // where a size",
        ),
        ("next_h = prev_h[x.shape[0] / 3:]; cache = 0\n", "Python 2; write // for"),
        ("next_h = dict(a=1).iteritems(); cache = 0\n", "Python 2; write items()"),
        ("next_h = x[1.0]; cache = 0\n", "NumPy before 1.12"),
    ],
)
def test_old_code_is_told_its_age(body, said):
    verdict = verdict_of("rnn_step_forward", body)
    assert verdict.state == "wrong"
    assert said in verdict.message


def test_given_code_is_not_blamed():
    body = right_answer("build_dc_generator").replace("128, 7, 7", "128, 7, 8")
    verdict = verdict_of("build_dc_generator", body)
    assert verdict.state == "wrong"
    text = solved("cs231n.gan_pytorch")
    reshape = next(
        n for n, line in enumerate(text.splitlines(), 1) if "x.reshape(self.N" in line
    )
    assert f"Line {reshape} " not in verdict.message
    body = "x_flat = bce_loss(logits_real, 'one')\nloss = x_flat\n"
    verdict = verdict_of("discriminator_loss", body)
    line = next(
        n
        for n, line in enumerate(solved("cs231n.gan_pytorch").splitlines(), 1)
        if "BEGIN SOLUTION" in line
        and "logits_real: torch.Tensor" in "".join(text.splitlines()[n - 20 : n])
    )
    assert f"Line {line + 1} of gan_pytorch.py" in verdict.message


def test_a_helper_of_one_s_own_is_named_where_it_fails():
    body = "next_h, cache = squash(x @ Wx), 0\n"
    helper = "def squash(a):\n    return np.tanh(a) + nothing\n"
    verdict = verdict_of("rnn_step_forward", body, helper)
    name = "cs231n.rnn_layers.rnn_step_forward"
    (text,) = sources({name: body}, {name: helper}).values()
    last = len(text.splitlines())
    assert f"Line {last} of rnn_layers.py: NameError" in verdict.message


def test_captions_are_compared_word_by_word():
    body = right_answer("CaptioningRNN.sample").replace(
        "x = W_embed[words]", "x = W_embed[np.full(N, self._start)]"
    )
    verdict = verdict_of("CaptioningRNN.sample", body)
    assert "rows, from column" in verdict.message


def test_shapes_are_compared_axis_by_axis():
    body = right_answer("rnn_forward") + "h = h.transpose(1, 0, 2)\n"
    verdict = verdict_of("rnn_forward", body)
    assert "axes 0 and 1 are in another order" in verdict.message


@pytest.mark.parametrize("cut", ["[:0]", "[..., :0]"])
@pytest.mark.parametrize(
    ("short", "name"),
    [
        ("rnn_step_forward", "next_h"),
        ("lstm_step_backward", "db"),
        ("rnn_backward", "dx"),
        ("word_embedding_backward", "dW"),
        ("CaptioningRNN.sample", "captions"),
    ],
)
def test_an_empty_result_is_just_wrong(short, name, cut):
    """Looking for what might be wrong with its numbers was an IndexError."""
    verdict = verdict_of(short, f"{right_answer(short)}{name} = {name}{cut}\n")
    assert verdict.state == "wrong"
    assert "shape" in verdict.message


@pytest.mark.parametrize(
    ("short", "old", "new", "said"),
    [
        ("rnn_step_backward", "dWx, dWh, db = x.T", "dWh, dWx, db = x.T", ""),
        (
            "rnn_step_backward",
            "dx, dprev_h = da @ Wx.T, da @ Wh.T",
            "dx, dprev_h = -(da @ Wx.T), da @ Wh.T",
            "dx is right but for the sign",
        ),
        (
            "rnn_step_backward",
            "da.sum(axis=0)",
            "da.mean(axis=0) * 1.0",
            "averaged",
        ),
        (
            "lstm_step_backward",
            "x.T @ da,",
            "np.roll(x.T @ da, 10, axis=1),",
            "order of the four blocks",
        ),
    ],
)
def test_what_shows_in_the_numbers_is_said(short, old, new, said):
    body = right_answer(short)
    assert old in body
    verdict = verdict_of(short, body.replace(old, new))
    assert verdict.state == "wrong"
    assert said in verdict.message
    assert verdict.named or not said


# What outside code showed: wrong ones that passed, and sentences that misled

CLIMB = """
    {first}
    for _ in range({most}):
        scores = model(X_fooling)[0]
        if {found}:
            break
        (g,) = torch.autograd.grad({climbed}, X_fooling)
        with torch.no_grad():
            X_fooling += learning_rate * g / g.norm()
    """
CLIMBING = {
    "first": "",
    "most": 100,
    "found": "scores.argmax() == target_y",
    "climbed": "scores[target_y]",
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {
                "first": "y0 = model(X_fooling).argmax()",
                "found": "scores.argmax() != y0",
            },
            "neither the first one nor the target's",
        ),
        ({"first": "model.train()"}, "training mode"),
        ({"most": 3}, "ended too early"),
        ({"most": 10}, "ended too early"),
        ({"found": "False"}, "the end of the steps comes too late"),
        (
            {"climbed": "-scores.logsumexp(0) + scores[target_y]"},
            "or a cross-entropy loss were descended",
        ),
    ],
)
def test_a_way_that_does_not_fool_is_told_why(changed, said):
    assert verdict_of("make_fooling_image", CLIMB.format(**CLIMBING)).state == "done"
    verdict = verdict_of("make_fooling_image", CLIMB.format(**CLIMBING | changed))
    assert verdict.state == "wrong"
    assert said in verdict.message
    assert "zero everywhere" not in verdict.message
    assert "downhill" not in verdict.message


@pytest.mark.parametrize(
    "short",
    [
        "compute_saliency_maps",
        "make_fooling_image",
        "class_visualization_update_step",
    ],
)
def test_a_network_in_training_mode_gives_other_results(short):
    verdict = verdict_of(short, "model.train()\n" + right_answer(short))
    assert verdict.state == "wrong"
    assert "in training mode" in verdict.message
    back = "model.train()\nmodel.eval()\n" + right_answer(short)
    assert verdict_of(short, back).state == "done"


def test_leaving_a_network_in_training_mode_is_a_remark():
    body = right_answer("compute_saliency_maps") + "model.train()\n"
    verdict = verdict_of("compute_saliency_maps", body)
    assert verdict.state == REMARKED
    assert "leaves the network in training mode" in verdict.remarks[0]


@pytest.mark.parametrize(
    "gradient",
    [
        "torch.func.vmap(torch.func.grad(score_of))(X, y)",
        "torch.func.jacrev(lambda x: scores_of(x).sum())(X)",
        "torch.func.jacfwd(lambda x: scores_of(x).sum())(X)",
        "torch.func.vjp(scores_of, X)[1](torch.ones(len(X), 1))[0]",
        "torch.autograd.functional.jacobian(scores_of, X).sum(dim=(0, 1))",
        "torch.func.grad(lambda x: torch.func.functional_call(model, "
        "dict(model.named_parameters()), (x,)).gather(1, y[:, None]).sum())(X)",
    ],
)
def test_a_stand_in_bears_what_a_network_bears(gradient):
    body = f"""
        def score_of(x, k):
            return model(x[None])[0].gather(0, k[None])[0]

        def scores_of(x):
            return model(x).gather(1, y[:, None])

        saliency = {gradient}.abs().amax(dim=1)
        """
    verdict = verdict_of("compute_saliency_maps", body)
    assert verdict.state == "done", verdict


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        ("torch.tanh(torch.randn(batch_size, dim))", "is not the uniform one"),
        ("torch.tanh(0.9 * torch.randn(batch_size, dim))", "more frequent than others"),
        (
            "torch.linspace(-1, 1, batch_size * dim).view(batch_size, dim)",
            "the noise of a second call is that of the first",
        ),
        (
            "2 * torch.rand(batch_size, dim, generator=torch.manual_seed(0)) - 1",
            "every call gave the same noise",
        ),
        (
            "torch.nn.functional.normalize(2 * torch.rand(batch_size, dim) - 1)",
            "each row were divided by its norm",
        ),
        ("(2 * torch.rand(batch_size, 1) - 1).repeat(1, dim)", "columns were the same"),
        ("(2 * torch.rand(1, dim) - 1).repeat(batch_size, 1)", "rows were the same"),
        ("torch.ones(batch_size, dim)", "all numbers were the same"),
    ],
)
def test_noise_is_uniform_and_another_one_at_every_call(noise, said):
    with torch.random.fork_rng():
        verdict = verdict_of("sample_noise", f"noise = {noise}\n")
    assert verdict.state == "wrong"
    assert said in verdict.message
    assert "zero everywhere" not in verdict.message
    assert "factor of two" not in verdict.message


def test_no_draw_of_right_noise_is_rejected():
    for _ in range(50):
        assert verdict_of("sample_noise", right_answer("sample_noise")).state == "done"


@pytest.mark.parametrize(
    ("weights", "more", "said"),
    [
        (
            "[p for n, p in model.named_parameters() if 'bias' not in n]",
            "",
            "biases were left out",
        ),
        ("model[1].parameters()", "", "only the last layer's"),
        ("model[0].parameters()", "", "only the first layer's"),
        ("model.parameters()", "W", "the weight decay is 0.01 instead of 0;"),
        ("model.parameters()", "ax", "optimizer is not Adam as it was published"),
    ],
)
def test_an_optimizer_s_settings_are_told_as_they_are(weights, more, said):
    body = f"""
        optimizer = torch.optim.Adam{more}({weights}, lr=1e-3, betas=(0.5, 0.999))
        """
    verdict = verdict_of("get_optimizer", body)
    assert verdict.state == "wrong"
    assert said in verdict.message


@pytest.mark.parametrize(
    ("short", "old", "new", "said"),
    [
        ("ls_discriminator_loss", "scores_fake**2", "scores_fake.data**2", "detached"),
        (
            "discriminator_loss",
            "return loss",
            "",
            "plain number or detached",
        ),
        (
            "compute_saliency_maps",
            "amax(dim=1)",
            "max(dim=1)[1]",
            "places of the largest colours",
        ),
        (
            "class_visualization_update_step",
            "img.square()",
            "img.data.square()",
            "from what gives no gradient",
        ),
        ("discriminator", "LeakyReLU(0.01)", "LeakyReLU(1)", "a slope of 1"),
    ],
)
def test_more_mistakes_are_named(short, old, new, said):
    body = right_answer(short)
    if old == "return loss":
        body += "loss = loss.item()\n"
    verdict = verdict_of(short, body.replace(old, new))
    assert verdict.state == "wrong"
    assert said in verdict.message


def test_a_factor_is_told_once():
    body = right_answer("generator_loss") + "loss = 2 * loss\n"
    said = verdict_of("generator_loss", body).message
    assert said.count("2 times") == 1
    assert said.endswith("course's scores, a factor of two is too much.")


@pytest.mark.parametrize(
    ("short", "old", "new", "said"),
    [
        ("generator", "noise_dim, 1024", "NOISE_DIM, 1024", "layer 0 of the network"),
        ("discriminator", "    Flatten(),\n", "", "inputs of shape (8, 1, 28, 28)"),
        ("build_dc_classifier", "1, 28, 28", "28, 28, 1", "layer 1 of the network"),
    ],
)
def test_the_layer_that_does_not_fit_is_named(short, old, new, said):
    body = right_answer(short)
    assert old in body
    verdict = verdict_of(short, body.replace(old, new))
    assert verdict.state == "wrong"
    assert said in verdict.message


def test_a_number_is_told_with_all_its_digits():
    body = right_answer("discriminator").replace("784, 256", "784, 25600")
    verdict = verdict_of("discriminator", body.replace("256, 256)", "25600, 256)"))
    assert "is 26650113 instead of 267009;" in verdict.message


# Stand-ins are as wide as what they stand for


def test_the_stand_in_network_of_2016_has_the_real_one_s_face(rng):
    made_up, real = Network(np.random.RandomState(0)), PretrainedCNN()
    public = {n for n in dir(real) if not n.startswith("_")}
    assert public <= {n for n in dir(made_up) if not n.startswith("_")}
    assert made_up.num_classes == real.num_classes == 100
    assert made_up.params.keys() == real.params.keys()
    X = rng.normal(size=(3, 3, 6, 8))
    assert made_up.loss(X).shape == (3, 100)
    loss, grads = made_up.loss(X, np.array([1, 2, 99]))
    assert np.isfinite(loss)
    assert grads.keys() == real.params.keys()


@pytest.mark.parametrize(
    "body",
    [
        "scores = model.loss(X)\n_, cache = model.forward(X)\n"
        "d = np.zeros((X.shape[0], 100))\nd[np.arange(len(X)), y] = 1\n"
        "saliency = np.abs(model.backward(d, cache)[0]).max(1)\n",
        "saliency = np.zeros((len(X), *X.shape[2:]))\nfor k in range(len(X)):\n"
        "    s, cache = model.forward(X[k : k + 1])\n    d = np.zeros_like(s)\n"
        "    d[0, y[k]] = 1.0\n"
        "    saliency[k] = np.abs(model.backward(d, cache)[0][0]).max(0)\n",
        # In two parts.
        "feats, lower = model.forward(X, end=4)\n"
        "scores, upper = model.forward(feats, start=5, end=10, mode='test')\n"
        "d = np.eye(model.num_classes, dtype=model.dtype)[y]\n"
        "dX, _ = model.backward(model.backward(d, upper)[0], lower)\n"
        "saliency = np.abs(dX).transpose(0, 2, 3, 1).max(-1)\n",
        # The last layer by hand.
        "feats, cache = model.forward(X, end=9)\n"
        "dX, _ = model.backward(model.params['W11'].T[y], cache)\n"
        "saliency = np.where(dX > 0, dX, -dX).max(1)\n",
        # Layer by layer, with the modes set by hand.
        "for p in model.bn_params:\n    p['mode'] = 'test'\n"
        "a, caches = X, []\nfor k in range(11):\n"
        "    a, c = model.forward(a, k, k)\n    caches.append(c)\n"
        "d = np.zeros((len(X), model.params['b11'].size))\n"
        "d[np.arange(len(X)), y] = 1\n"
        "while caches:\n    d, _ = model.backward(d, caches.pop())\n"
        "saliency = abs(d).max(axis=1)\n",
    ],
)
def test_answers_of_2016_may_use_the_whole_network(body):
    assert verdict_of("2016/compute_saliency_maps", body).state == "done"
    # The public tests' network bears the same, and gives what autograd gives.
    X, y = np.random.default_rng(0).normal(size=(3, 3, 6, 4)), np.array([4, 0, 99])
    model = SmallCNN(np.random.default_rng(1))
    wanted = image_gradients.compute_saliency_maps(X, y, model)
    function = BY_SHORT["2016/compute_saliency_maps"]
    with rewritten({function.name: body}, {}):
        found = sys.modules[function.module].compute_saliency_maps(X, y, model)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


LAYERWISE = """
a, caches = X, []
for k in range(layer + 1):
    a, c = model.forward(a, k, k)
    caches.append(c)
d = SEED
while caches:
    d, _ = model.backward(d, caches.pop())
"""


@pytest.mark.parametrize(
    ("short", "seed", "step"),
    [
        ("deepdream", "a", "X = X + learning_rate * d"),
        (
            "invert_features",
            "2 * (a - target_feats)",
            "X = X - learning_rate * (d + 2 * l2_reg * X)",
        ),
    ],
)
def test_features_of_2016_may_be_run_layer_by_layer(short, seed, step):
    body = LAYERWISE.replace("SEED", seed) + step + "\n"
    verdict = verdict_of(f"2016/{short}", body)
    assert verdict.state == "done", verdict.message


# What stays from one call to the next


@pytest.mark.parametrize("variant", ["", ":lstm"])
@pytest.mark.parametrize(
    ("short", "old", "new", "said"),
    [
        (
            "CaptioningRNN.loss",
            "",
            "\nself._sum = getattr(self, '_sum', 0) + grads['W_vocab']\n"
            "grads['W_vocab'] = self._sum\n",
            "grads['W_vocab']: nothing may stay",
        ),
        (
            "CaptioningRNN.loss",
            "",
            "\nself.params['W_vocab'] -= 1e-3 * grads['W_vocab']\n",
            "loss, grads",
        ),
        (
            "CaptioningRNN.sample",
            "h, _ = affine_forward(features, W_proj, b_proj)",
            "h = getattr(self, '_h', None)\nif h is None or len(h) != N:\n"
            "    h, _ = affine_forward(features, W_proj, b_proj)\nself._h = h + 1",
            "captions: nothing may stay",
        ),
    ],
)
def test_a_model_that_remembers_its_last_call_is_wrong(variant, short, old, new, said):
    body = right_answer(short)
    assert old in body
    body = body.replace(old, new) if old else body + new
    verdict = verdict_of(short + variant, body)
    assert verdict.state == "wrong"
    assert f"a second call with the same inputs changes {said}" in verdict.message


def test_a_layer_that_remembers_its_last_call_is_wrong():
    body = (
        "global _kept\n_kept = globals().get('_kept', np.zeros_like(b)) + 1\n"
        "a = x @ Wx + prev_h @ Wh + b + _kept - 1\nnext_h = np.tanh(a)\n"
        "cache = x, prev_h, Wx, Wh, next_h\n"
    )
    verdict = verdict_of("rnn_step_forward", body)
    assert verdict.state == "wrong"
    assert "a second call with the same inputs gives something else" in verdict.message


def test_a_picture_of_which_nothing_is_left_earns_a_remark():
    body = right_answer("2016/make_fooling_image")
    assert "np.sqrt(X.size) / 2" in body
    verdict = verdict_of(
        "2016/make_fooling_image", body.replace("np.sqrt(X.size) / 2", "1e4")
    )
    assert verdict.state == "done, with a remark"
    assert "nothing is left of it" in verdict.remarks[0]


def test_judging_leaves_no_module_behind():
    before = sys.modules["cs231n.rnn_layers"]
    verdict_of("rnn_step_forward", "raise SystemExit\n")
    assert sys.modules["cs231n.rnn_layers"] is before


# What more outside code showed


OWN_STEPS = {
    "rnn_step_forward": """
        next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
        cache = (x, Wx, prev_h, Wh, b, next_h)
        """,
    "rnn_step_backward": """
        x, Wx, prev_h, Wh, b, next_h = cache
        da = dnext_h * (1 - next_h**2)
        dx, dprev_h = da @ Wx.T, da @ Wh.T
        dWx, dWh, db = x.T @ da, prev_h.T @ da, da.sum(axis=0)
        """,
    "rnn_forward": """
        h, cache = np.zeros((*x.shape[:2], h0.shape[1])), []
        for t in range(x.shape[1]):
            h0, kept = rnn_step_forward(x[:, t], h0, Wx, Wh, b)
            h[:, t] = h0
            cache.append(kept)
        """,
}
OWN_BACKWARD = """
    N, T, H = dh.shape
    {peek}
    dx, dh0 = np.zeros((N, T, D)), np.zeros((N, H))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    for t in reversed(range(T)):
        found = rnn_step_backward(dh[:, t] + dh0, cache[t])
        dx[:, t], dh0 = found[:2]
        dWx, dWh, db = dWx + found[2], dWh + found[3], db + found[4]
    """
INLINED = OWN_BACKWARD.format(peek="D = cache[0][0].shape[1]").replace(
    "found = rnn_step_backward(dh[:, t] + dh0, cache[t])",
    "x, Wx, prev_h, Wh, b, next_h = cache[t]\n"
    "        da = (dh[:, t] + dh0) * (1 - next_h**2)\n"
    "        found = da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)",
)
PEEKS = (
    "D = cache[0][0].shape[1]",
    "x, Wx, prev_h, Wh, b, next_h = cache[0]\n    D = len(Wx)",
)
SPOILT_STEPS = {
    "forward": ("rnn_step_forward", "np.tanh", "np.sin"),
    "backward": ("rnn_step_backward", "* (1 - next_h**2)", ""),
    "backward, a mean": ("rnn_step_backward", "da.sum", "da.mean"),
}


@pytest.mark.parametrize("peek", PEEKS)
@pytest.mark.parametrize("spoilt", [None, *SPOILT_STEPS])
def test_a_sequence_may_look_into_the_caches_of_wrong_steps(peek, spoilt):
    steps = dict(OWN_STEPS)
    if spoilt:
        name, old, new = SPOILT_STEPS[spoilt]
        assert old in steps[name]
        steps[name] = steps[name].replace(old, new)
    body = OWN_BACKWARD.format(peek=peek)
    verdict = verdict_of("rnn_backward", body, **steps)
    assert verdict.state in {"done", REMARKED}, verdict
    wrong = body.replace("dh[:, t] + dh0", "dh[:, t]")
    assert verdict_of("rnn_backward", wrong, **steps).state == "wrong"


def test_whoever_wants_more_of_a_made_up_cache_waits():
    steps = {**OWN_STEPS, "rnn_step_forward": "raise RuntimeError\n"}
    verdict = verdict_of("rnn_backward", OWN_BACKWARD.format(peek=PEEKS[0]), **steps)
    assert verdict.state == "cannot tell yet", verdict
    assert "Sealed" not in verdict.message


LSTM_BY_STEPS = {
    "lstm_forward": """
        h, cache, c = np.zeros((*x.shape[:2], h0.shape[1])), [], {start}
        for t in range(x.shape[1]):
            h0, c, kept = lstm_step_forward(x[:, t], h0, c, Wx, Wh, b)
            h[:, t] = h0
            cache.append(kept)
        """,
    "lstm_backward": """
        dxs, dWx, dWh, db, dh0, dc = [], 0, 0, 0, 0, {start}
        for t in reversed(range(dh.shape[1])):
            found = lstm_step_backward(dh[:, t] + dh0, dc, cache[t])
            dxs.insert(0, found[0])
            dh0, dc = found[1:3]
            dWx, dWh, db = dWx + found[3], dWh + found[4], db + found[5]
        dx = np.stack(dxs, axis=1)
        """,
}


@pytest.mark.parametrize("start", ["0", "0.0", "np.zeros(5)", "np.zeros((1, 5))"])
@pytest.mark.parametrize("missing", ["forward", "backward"])
def test_states_may_begin_as_what_broadcasts(start, missing):
    bodies = {name: body.format(start=start) for name, body in LSTM_BY_STEPS.items()}
    bodies[f"lstm_step_{missing}"] = "raise NotImplementedError\n"
    for name in LSTM_BY_STEPS:
        others = {k: v for k, v in bodies.items() if k != name}
        verdict = verdict_of(name, bodies[name], **others)
        # A real step's states of float64 earn one; a made-up step's nothing.
        own = (name, missing) == ("lstm_forward", "backward")
        assert verdict.state == (REMARKED if own else "done"), (name, verdict)


def test_a_mistake_is_not_named_in_what_goes_back_from_it():
    steps = dict(OWN_STEPS)
    body = steps.pop("rnn_step_backward")
    steps["rnn_step_forward"] = steps["rnn_step_forward"].replace("np.tanh", "")
    verdict = verdict_of("rnn_step_backward", body, **steps)
    assert verdict.state == "cannot tell yet", verdict


@pytest.mark.parametrize("change", ["kept = kept + (t,)", "kept[0] = t", "t in kept"])
def test_what_a_made_up_cache_does_not_do_is_nobodys_mistake(change):
    steps = {**OWN_STEPS, "rnn_step_forward": "raise NotImplementedError\n"}
    body = steps.pop("rnn_forward").replace(
        "cache.append", f"{change}\n            cache.append"
    )
    verdict = verdict_of("rnn_forward", body, **steps)
    assert verdict.state == "cannot tell yet", verdict


BY_STEPS = ("plain", "step by step")  # writings whose sequences call steps


@pytest.mark.parametrize("part", ["forward", "backward"])
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_mistakes_of_a_sequence_show_without_its_steps(cell, part):
    function = BY_SHORT[f"{cell}_{part}"]
    unwritten = {
        BY_SHORT[f"{cell}_step_{p}"].name: "raise NotImplementedError\n"
        for p in ("forward", "backward")
    }

    def state_of(answers, helpers):
        with rewritten({**answers, **unwritten}, helpers):
            return judge(function, marks.records(), exercise(function.key)).state

    for writing in BY_STEPS:
        assert state_of(*answers_of(function.name, writing)) == "done"
    slips = [s for s in bank()[1] if s.key == function.key and s.tier == "asked"]
    known = [(s, w) for s in slips for w in BY_STEPS if w in s.edits]
    passed = [s.says for s, w in known if state_of(*answers_with(s, w)) != "wrong"]
    assert known
    assert not passed


def test_a_sequence_is_not_named_where_its_step_is_unwritten():
    steps = {**OWN_STEPS, "rnn_step_forward": "raise NotImplementedError\n"}
    verdict = verdict_of("rnn_backward", OWN_BACKWARD.format(peek=PEEKS[0]), **steps)
    assert verdict.message.startswith("rnn_step_forward comes first"), verdict


@pytest.mark.parametrize(
    "weights",
    [
        "model.state_dict().values()",
        "__import__('copy').deepcopy(model).parameters()",
        "[p.clone().detach().requires_grad_() for p in model.parameters()]",
        "[p.requires_grad_(False) for p in model.parameters()]",
    ],
)
def test_an_optimizer_changes_the_networks_own_weights(weights):
    body = f"optimizer = torch.optim.Adam({weights}, lr=1e-3, betas=(0.5, 0.999))\n"
    verdict = verdict_of("get_optimizer", body)
    assert verdict.state == "wrong", verdict
    assert "of the weights were handed over" in verdict.message


@pytest.mark.parametrize(
    "settings",
    [
        "lr=torch.tensor(1e-3), betas=(0.5, 0.999)",
        "lr=np.float32(1e-3), betas=(torch.tensor(0.5), torch.tensor(0.999))",
    ],
)
def test_an_optimizers_settings_may_be_of_float32(settings):
    body = (
        "import numpy as np\n"
        f"optimizer = torch.optim.Adam(model.parameters(), {settings})\n"
    )
    assert verdict_of("get_optimizer", body).state == "done"


CLIMB_2016 = """
    {first}
    for _ in range({most}):
        scores, cache = model.forward(X_fooling, mode="test")
        if {found}:
            break
        dscores = np.zeros_like(scores)
        dscores[0, target_y] = 1
        dX, _ = model.backward(dscores, cache)
        X_fooling {step}
    {last}
    """
CLIMBING_2016 = {
    "first": "",
    "most": 1000,
    "found": "scores[0].argmax() == target_y",
    "step": "+= 100 * dX / np.linalg.norm(dX)",
    "last": "",
}
COPY = {"first": "import copy; model = copy.deepcopy(model)"}


def fooling_of(**changed):
    return verdict_of("make_fooling_image", CLIMB.format(**CLIMBING | changed))


def fooling_of_2016(**changed):
    body = CLIMB_2016.format(**CLIMBING_2016 | changed)
    return verdict_of("2016/make_fooling_image", body)


@pytest.mark.parametrize(
    "changed",
    [
        COPY,
        {"found": "(model(X), scores.argmax() == target_y)[1]"},
        {"climbed": "(model(X), scores[target_y])[1]"},
    ],
)
def test_fooling_may_copy_the_network_and_look_at_the_first_picture(changed):
    verdict = fooling_of(**changed)
    assert verdict.state == "done", verdict


@pytest.mark.parametrize(
    "changed",
    [
        COPY,
        {"found": "(model.forward(X), scores[0].argmax() == target_y)[1]"},
        {"last": "print(model.forward(X)[0][0, target_y])"},
    ],
)
def test_fooling_in_2016_may_do_so_as_well(changed):
    verdict = fooling_of_2016(**changed)
    assert verdict.state == "done", verdict


@pytest.mark.parametrize("by", ["100 * dX", "10 * dX"])
def test_fooling_in_2016_does_not_begin_again_at_every_step(by):
    assert fooling_of_2016(step=f"+= {by}").state == "done"
    assert fooling_of_2016(step=f"= X + {by}").state == "wrong"


def test_fooling_in_2016_that_goes_on_earns_a_remark():
    verdict = fooling_of_2016(found="False", most=100)
    assert verdict.state == REMARKED, verdict
    assert ["goes on when the network" in r for r in verdict.remarks] == [True]


@pytest.mark.parametrize("by", ["100 * dX", "dX"])
def test_fooling_in_2016_may_work_in_float32(by):
    verdict = fooling_of_2016(
        first="X_fooling = X.astype(np.float32)",
        step=f"+= ({by}).astype(np.float32)",
        most=2000,
    )
    assert verdict.state == "done", verdict


@pytest.mark.parametrize(
    ("short", "old", "new"),
    [
        ("content_loss", ".square().sum()", ".square().sum().item()"),
        ("tv_loss", "right.square().sum())", "right.square().sum()).item()"),
        ("generator_loss", "_like(logits_fake))", "_like(logits_fake)).item()"),
        ("ls_generator_loss", ".mean()", ".mean().item()"),
    ],
)
def test_plain_numbers_are_named_beside_what_is_detached(short, old, new):
    verdict = verdict_of(short, right_answer(short).replace(old, new))
    assert "or the loss became a plain number." in verdict.message, verdict


@pytest.mark.parametrize(
    ("short", "body", "said"),
    [
        (
            "make_fooling_image",
            "model(X_fooling)[0, target_y].backward()\n"
            "X_fooling = X_fooling + X_fooling.grad / X_fooling.grad.norm()\n"
            "model(X_fooling)[0, target_y].backward()\n"
            "X_fooling = X_fooling + X_fooling.grad / 2\n",
            "The .grad is None here",
        ),
        (
            "compute_saliency_maps",
            "scores = model(X).gather(1, y.view(-1, 1)).squeeze()\n"
            "scores.backward()\nsaliency = X.grad.abs().max(1)[0]\n",
            "backward() begins at a single number",
        ),
        (
            "compute_saliency_maps",
            "model(X).gather(1, y.view(-1, 1)).sum().backward()\n"
            "saliency = X.grad.abs().max(1)\n",
            "return values and places",
        ),
        ("rnn_forward", "h = np.zeros(*x.shape[:2], len(Wh))\n", "A shape is one"),
        (
            "discriminator",
            "model = nn.Sequential(Flatten(), nn.Linear(784, 256), nn.LeakyReLU(0.01),"
            "nn.Dropout(0.3), nn.Linear(256, 256), nn.LeakyReLU(0.01),"
            "nn.Linear(256, 1))\n",
            "left out at random",
        ),
    ],
)
def test_what_is_frequent_is_told_in_plain_words(short, body, said):
    verdict = verdict_of(short, body)
    assert verdict.state == "wrong"
    assert said in verdict.message, verdict


def test_a_softmax_of_one_score_is_not_taken_for_whole_numbers():
    body = right_answer("discriminator").replace(
        "nn.Linear(256, 1),", "nn.Linear(256, 1),\n    nn.Softmax(dim=1),"
    )
    verdict = verdict_of("discriminator", body)
    assert verdict.state == "wrong"
    assert "integer" not in verdict.message


def test_a_fooling_loop_that_went_on_is_not_told_to_go_on():
    for changed in (
        {"found": "X_fooling.data.clamp_(-0.1, 0.1) is None"},
        {"climbed": "scores[target_y] * float('nan')"},
    ):
        verdict = fooling_of(**changed)
        assert verdict.state == "wrong", verdict
        assert "go on until" not in verdict.message


def test_a_backward_pass_that_spoils_what_forward_was_given_earns_a_remark():
    body = "x, W = cache\nW *= 0\nnp.add.at(W, x, dout)\ndW = W\n"
    forward = "out, cache = W[x], (x, W)\n"
    verdict = verdict_of(
        "word_embedding_backward", body, word_embedding_forward=forward
    )
    assert verdict.state == REMARKED, verdict
    assert "changes W, which its cache shares" in " ".join(verdict.remarks)


def test_sentences_agree_in_number():
    body = right_answer("rnn_step_backward")
    said = verdict_of("rnn_step_backward", body.replace("da.sum(axis=0)", "da.sum()"))
    assert "0 axes, where 1 is wanted" in said.message, said
    body = right_answer("CaptioningRNN.sample").replace(
        "W_embed[words]", "W_embed[0 * words]"
    )
    said = verdict_of("CaptioningRNN.sample", body).message
    assert "captions differ in" in said, said


def test_noise_that_no_seed_repeats_earns_a_remark():
    body = "import numpy as np\nnoise = np.random.uniform(-1, 1, (batch_size, dim))\n"
    body += "noise = torch.from_numpy(noise).float()\n"
    verdict = verdict_of("sample_noise", body)
    assert verdict.state == REMARKED, verdict
    assert "is not repeated by its seed" in verdict.remarks[0]


@pytest.mark.parametrize(
    "call",
    [
        "rnn_step_backward(cache=cache[t], dnext_h=dh[:, t] + dh0)",
        "rnn_step_backward(dh[:, t] + dh0, cache=cache[t])",
    ],
)
def test_wrong_steps_may_be_called_by_keywords(call):
    steps = dict(OWN_STEPS)
    name, old, new = SPOILT_STEPS["backward"]
    steps[name] = steps[name].replace(old, new)
    body = OWN_BACKWARD.format(peek=PEEKS[0])
    body = body.replace("rnn_step_backward(dh[:, t] + dh0, cache[t])", call)
    assert call in body
    verdict = verdict_of("rnn_backward", body, **steps)
    assert verdict.state == "done", verdict


def test_the_caches_of_wrong_steps_may_be_packed_into_arrays():
    steps = dict(OWN_STEPS)
    name, old, new = SPOILT_STEPS["backward"]
    steps[name] = steps[name].replace(old, new)
    packed = "cache = np.array(cache, dtype=object)\n"
    steps["rnn_forward"] = textwrap.dedent(steps["rnn_forward"]) + packed
    verdict = verdict_of("rnn_backward", OWN_BACKWARD.format(peek=PEEKS[0]), **steps)
    assert verdict.state == "done", verdict


def test_a_sequence_that_does_without_wrong_steps_waits_for_them():
    steps = {
        **OWN_STEPS,
        "rnn_step_forward": OWN_STEPS["rnn_step_forward"].replace(" + b)", ")"),
    }
    verdict = verdict_of("rnn_backward", INLINED, **OWN_STEPS)
    assert verdict.state in {"done", REMARKED}, verdict
    verdict = verdict_of("rnn_backward", INLINED, **steps)
    assert verdict.state == "cannot tell yet", verdict
