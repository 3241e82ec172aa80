"""What Q1 and Q2 spend their time on, each piece beside torch.

A function of GROUPS yields rows at the given sizes, one by one, so that only one row's
arrays are alive at a time.

Letters in shapes: as in cs231n.classifiers.rnn.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its usual name)

from benchmarks.harness import Row, ways
from benchmarks.torch_twin import (
    Array,
    TorchCaptioner,
    initial_state,
    make_cell,
    swap_gates,
)
from cs231n import optim
from cs231n.captioning_solver import CaptioningSolver
from cs231n.classifiers.rnn import CaptioningRNN
from cs231n.extras.fast_rnn import FastCaptioningRNN
from cs231n.gradient_check import (
    eval_numerical_gradient,
    eval_numerical_gradient_array,
)
from cs231n.rnn_layers import (
    lstm_backward,
    lstm_forward,
    lstm_step_backward,
    lstm_step_forward,
    rnn_backward,
    rnn_forward,
    rnn_step_backward,
    rnn_step_forward,
    temporal_affine_backward,
    temporal_affine_forward,
    temporal_softmax_loss,
    word_embedding_backward,
    word_embedding_forward,
)

NULL, START, END, UNK = range(4)


@dataclass(frozen=True)
class Sizes:
    """How large the work is; the defaults are those of the course's model on COCO.

    Attributes:
        batches: Values of N.
        T: Timesteps; captions have one word more.
        W: Word vector size, the recurrent layers' input.
        H: Hidden size.
        V: Words in the vocabulary.
        D: Image features.
        steps: Words of a sampled caption.
        captions: In the data set that minibatches come from.
    """

    batches: tuple[int, ...] = (25, 100)
    T: int = 16
    W: int = 256
    H: int = 512
    V: int = 1004
    D: int = 512
    steps: int = 30
    captions: int = 20_000


SMALL = Sizes(batches=(3,), T=5, W=6, H=8, V=40, D=7, steps=5, captions=50)


def assert_close(ours: Array, theirs: Any, name: str = "result") -> None:
    """Insist that an array equals torch's, up to rounding.

    Args:
        ours: Any shape, float32 or float64.
        theirs: The same shape; an array or a tensor.
        name: What it is, for the error.

    Raises:
        AssertionError: If the largest difference is large beside the largest number.
    """
    expected = np.asarray(theirs.detach() if torch.is_tensor(theirs) else theirs)
    assert ours.shape == expected.shape, f"{name}: {ours.shape} != {expected.shape}"
    limit = 1e-4 if ours.dtype == np.float32 else 1e-10
    error = np.abs(ours - expected).max() / max(np.abs(expected).max(), 1e-30)
    assert error < limit, f"{name} differs from torch's by {error:.1e} of its size"


def make_captions(rng: np.random.Generator, n: int, sizes: Sizes) -> Array:
    """Draw captions as long as COCO's, of words as unevenly common as English ones.

    At T = 16, 73 % of the words after <START> are not <NULL>.

    Args:
        rng: Draws them.
        n: How many.
        sizes: T and V.

    Returns:
        (n, T + 1) word indices: <START>, words, <END>, then <NULL>.
    """
    T, V = sizes.T, sizes.V
    rank = np.arange(1, V - 3)
    captions = 3 + rng.choice(rank, size=(n, T + 1), p=(1 / rank) / (1 / rank).sum())
    ends = np.clip(np.rint(rng.normal(0.73 * T, 0.13 * T, n)), 2, T).astype(int)
    place = np.arange(T + 1)
    captions[place > ends[:, None]] = NULL
    captions[np.arange(n), ends] = END
    captions[:, 0] = START
    return captions


def make_model(kind: type[CaptioningRNN], cell_type: str, sizes: Sizes) -> Any:
    """Return a model whose initial weights are the same on every call."""
    state = np.random.get_state()
    np.random.seed(231)
    names = ["<NULL>", "<START>", "<END>", "<UNK>"]
    names += [f"word{k}" for k in range(4, sizes.V)]
    model = kind(
        {name: k for k, name in enumerate(names)},
        input_dim=sizes.D,
        wordvec_dim=sizes.W,
        hidden_dim=sizes.H,
        cell_type=cell_type,
    )
    np.random.set_state(state)
    return model


def finish_captions(model: CaptioningRNN, rng: np.random.Generator) -> None:
    """Give a model weights with which captions end as a trained model's do.

    Words form chains of about eleven, each word's hidden state asks for the next in
    its chain, the last for <END>. The image decides which chain comes first.

    Args:
        model: Its weights are changed.
        rng: Draws the chains and vectors.
    """
    p = model.params
    V, W = p["W_embed"].shape
    H = p["Wh"].shape[0]
    words = rng.permutation(np.arange(4, V))
    lengths = np.clip(np.rint(rng.normal(11, 2, V)), 7, 15).astype(int)
    cuts = np.cumsum(lengths)
    chains = [c for c in np.split(words, cuts[cuts < len(words) - 7]) if c.size]

    last = [chain[-1] for chain in chains]
    p["W_embed"][:] = rng.normal(size=(V, W))
    p["W_embed"][last] = rng.normal(size=W)  # they all ask for the same word
    p["Wx"][:, -H:] = rng.normal(size=(W, H)) / np.sqrt(W)
    p["Wh"][:] *= 0.1
    if model.cell_type == "lstm":
        p["Wx"][:, :-H], p["Wh"][:, :-H] = 0, 0
        p["b"][: 3 * H].reshape(3, H)[:] = [[5], [-5], [5]]  # write, forget, show
    zeros = np.zeros((V, H), np.float32)
    weights = p["Wx"], p["Wh"], p["b"]
    if model.cell_type == "rnn":
        keys, _ = rnn_step_forward(p["W_embed"], zeros, *weights)
    else:
        keys, _, _ = lstm_step_forward(p["W_embed"], zeros, zeros, *weights)
    p["W_vocab"][:] = 0
    first = keys[START]
    for chain in chains:
        p["W_vocab"][:, chain[1:]] = keys[chain[:-1]].T
        taste = rng.normal(size=H)  # of images: nothing that <START> alone would show
        taste -= first * (first @ taste) / (first @ first)
        p["W_vocab"][:, chain[0]] = first + 0.5 * taste
    p["W_vocab"][:, END] = keys[last[0]]


# Textbook forms of the sequence layers, one step function call for each timestep.


def _step_by_step(cell_type: str, inputs: tuple[Array, ...], dh: Array) -> list[Array]:
    """Return h and all gradients, from the step functions alone."""
    x, h0, Wx, Wh, b = inputs
    T = x.shape[1]
    h, c = h0, np.zeros_like(h0)
    hs, caches = [], []
    for t in range(T):
        if cell_type == "rnn":
            h, cache = rnn_step_forward(x[:, t], h, Wx, Wh, b)
        else:
            h, c, cache = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        hs.append(h)
        caches.append(cache)
    dx = np.empty_like(x)
    dh0, dc = np.zeros_like(h0), np.zeros_like(h0)
    totals = [np.zeros_like(w) for w in (Wx, Wh, b)]
    for t in reversed(range(T)):
        if cell_type == "rnn":
            dx[:, t], dh0, *parts = rnn_step_backward(dh[:, t] + dh0, caches[t])
        else:
            dx[:, t], dh0, dc, *parts = lstm_step_backward(
                dh[:, t] + dh0, dc, caches[t]
            )
        for total, part in zip(totals, parts, strict=True):
            total += part
    return [np.stack(hs, axis=1), dx, dh0, *totals]


def products(sizes: Sizes) -> Iterator[Row]:
    """Yield rows for bare matrix products, which bound all that follows.

    Where torch's BLAS is faster than NumPy's, layers that are little else cannot be.
    """
    T, H, V = sizes.T, sizes.H, sizes.V
    for dtype in ("float32", "float64"):
        shapes = [(N, H, 4 * H) for N in sizes.batches]
        shapes += [(max(sizes.batches) * T, H, V)]
        for shape in shapes:
            M, K, L = shape
            rng = np.random.default_rng(231)
            a, b = (rng.normal(size=s).astype(dtype) for s in ((M, K), (K, L)))
            out = np.empty((M, L), dtype)
            a_t, b_t = torch.from_numpy(a), torch.from_numpy(b)
            out_t = torch.empty_like(torch.from_numpy(out))

            def ours(a: Array = a, b: Array = b, out: Array = out) -> Array:
                return np.matmul(a, b, out=out)

            def theirs(a: Any = a_t, b: Any = b_t, out: Any = out_t) -> Any:
                return torch.mm(a, b, out=out)

            def agree(ours: Any = ours, theirs: Any = theirs) -> None:
                assert_close(ours(), theirs())

            name = f"NumPy's product ({M}, {K}) @ ({K}, {L}) {dtype}"
            yield Row(name, ours, {"torch": theirs}, agree)


def recurrent(cell_type: str, sizes: Sizes) -> Iterator[Row]:
    """Yield rows for one kind of sequence layer."""
    forward, backward = {
        "rnn": (rnn_forward, rnn_backward),
        "lstm": (lstm_forward, lstm_backward),
    }[cell_type]
    T, W, H = sizes.T, sizes.W, sizes.H
    kH = {"rnn": 1, "lstm": 4}[cell_type] * H
    for dtype, N in ((d, n) for d in ("float32", "float64") for n in sizes.batches):
        rng = np.random.default_rng(231)
        scales = {(N, T, W): 0.5, (N, H): 0.5, (W, kH): W**-0.5, (H, kH): H**-0.5}
        shapes = ((N, T, W), (N, H), (W, kH), (H, kH), (kH,), (N, T, H))
        *inputs, dh = [
            (rng.normal(size=s) * scales.get(s, 0.1)).astype(dtype) for s in shapes
        ]
        cell = make_cell(cell_type, *inputs[2:])
        x, h0 = (torch.from_numpy(a).requires_grad_() for a in inputs[:2])
        dh_t = torch.from_numpy(dh)
        wanted = [x, h0, cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0]

        def ours(inputs: Any = tuple(inputs), dh: Array = dh) -> list[Array]:
            h, cache = forward(*inputs)
            return [h, *backward(dh, cache)]

        def theirs(
            cell: Any = cell, x: Any = x, h0: Any = h0, dh: Any = dh_t, to: Any = wanted
        ) -> list[Any]:
            h, _ = cell(x, initial_state(cell, h0))
            # The second bias has a gradient too: every training step pays for it.
            return [h, *torch.autograd.grad(h, [*to, cell.bias_hh_l0], dh)[:-1]]

        def forward_only(cell: Any = cell, x: Any = x, h0: Any = h0) -> Any:
            with torch.no_grad():
                return cell(x, initial_state(cell, h0))[0]

        def steps(inputs: Any = tuple(inputs), dh: Array = dh) -> list[Array]:
            return _step_by_step(cell_type, inputs, dh)

        def agree(ours: Any = ours, theirs: Any = theirs, steps: Any = steps) -> None:
            h, dx, dh0, dWx, dWh, db = (np.asarray(r.detach()) for r in theirs())
            if cell_type == "lstm":
                dWx, dWh, db = (swap_gates(w) for w in (dWx.T, dWh.T, db))
            else:
                dWx, dWh = dWx.T, dWh.T
            names = ("h", "dx", "dh0", "dWx", "dWh", "db")
            for results in (ours(), steps()):
                for name, a, e in zip(
                    names, results, (h, dx, dh0, dWx, dWh, db), strict=True
                ):
                    assert_close(a, e, name)

        title, size = cell_type.upper(), f"N={N} {dtype}"
        if dtype == "float32":
            yield Row(
                f"{title} forward {size}",
                lambda inputs=tuple(inputs): forward(*inputs),
                {"torch no-grad": forward_only},
                agree,
            )
        yield Row(
            f"{title} forward+backward {size}",
            ours,
            {"torch": theirs, "step by step": steps},
            agree,
        )


def temporal_affine(sizes: Sizes) -> Iterator[Row]:
    """Yield rows for the layer that scores words."""
    T, H, V = sizes.T, sizes.H, sizes.V
    for N in sizes.batches:
        rng = np.random.default_rng(231)
        x, w, b, dout = (
            rng.normal(size=s).astype(np.float32)
            for s in ((N, T, H), (H, V), (V,), (N, T, V))
        )
        layer = nn.Linear(H, V)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w.T.copy()))
            layer.bias.copy_(torch.from_numpy(b))
        x_t, dout_t = torch.from_numpy(x).requires_grad_(), torch.from_numpy(dout)

        def ours(x: Any = x, w: Any = w, b: Any = b, dout: Any = dout) -> list[Array]:
            out, cache = temporal_affine_forward(x, w, b)
            return [out, *temporal_affine_backward(dout, cache)]

        def theirs(layer: Any = layer, x: Any = x_t, dout: Any = dout_t) -> list[Any]:
            out = layer(x)
            inputs = [x, layer.weight, layer.bias]
            return [out, *torch.autograd.grad(out, inputs, dout)]

        def agree(ours: Any = ours, theirs: Any = theirs) -> None:
            out, dx, dw, db = theirs()
            for a, e in zip(ours(), (out, dx, dw.T, db), strict=True):
                assert_close(a, e)

        yield Row(
            f"temporal affine forward+backward N={N} float32",
            ours,
            {"torch": theirs},
            agree,
        )


def temporal_softmax(sizes: Sizes) -> Iterator[Row]:
    """Yield rows for the loss over the vocabulary."""
    T, V = sizes.T, sizes.V
    for N in sizes.batches:
        rng = np.random.default_rng(231)
        y = make_captions(rng, N, sizes)[:, 1:]
        x = rng.normal(size=(N, T, V)).astype(np.float32)
        x_t, y_t = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y)

        def ours(x: Array = x, y: Array = y) -> Any:
            return temporal_softmax_loss(x, y, y != NULL)

        def theirs(x: Any = x_t, y: Any = y_t, N: int = N) -> Any:
            flat, target = x.flatten(0, 1), y.flatten()
            loss = F.cross_entropy(flat, target, ignore_index=NULL, reduction="sum") / N
            return loss, torch.autograd.grad(loss, x)[0]

        def agree(ours: Any = ours, theirs: Any = theirs) -> None:
            (loss, dx), (loss_t, dx_t) = ours(), theirs()
            assert_close(np.float32(loss), loss_t, "loss")
            assert_close(dx, dx_t, "dx")

        for way, wrap in ways():
            yield Row(
                f"temporal softmax loss+gradient N={N} float32, {way}",
                wrap(ours),
                {"torch": theirs},
                agree,
            )


def embedding(sizes: Sizes) -> Iterator[Row]:
    """Yield rows for word vectors and the sums of their gradients."""
    N, V, W = max(sizes.batches), sizes.V, sizes.W
    for dtype in ("float32", "float64"):
        rng = np.random.default_rng(231)
        words = make_captions(rng, N, sizes)[:, :-1]
        table = rng.normal(size=(V, W)).astype(dtype)
        dout = rng.normal(size=(*words.shape, W)).astype(dtype)
        _, cache = word_embedding_forward(words, table)
        layer = nn.Embedding.from_pretrained(torch.from_numpy(table), freeze=False)
        words_t, dout_t = torch.from_numpy(words), torch.from_numpy(dout)
        out_t = layer(words_t)

        def theirs_forward(layer: Any = layer, words: Any = words_t) -> Any:
            with torch.no_grad():
                return layer(words)

        def theirs_backward(out: Any = out_t, w: Any = layer.weight, d: Any = dout_t):
            return torch.autograd.grad(out, w, d, retain_graph=True)[0]

        def theirs(layer: Any = layer, words: Any = words_t, d: Any = dout_t) -> Any:
            return torch.autograd.grad(layer(words), layer.weight, d)[0]

        def add_at(words: Any = words, dout: Any = dout, w: Any = table) -> Array:
            dW = np.zeros_like(w)
            np.add.at(dW, words, dout)
            return dW

        def index_add(words: Any = words_t, d: Any = dout_t, w: Any = layer.weight):
            dW = torch.zeros_like(w)
            return dW.index_add_(0, words.flatten(), d.flatten(0, 1))

        def ours(words: Any = words, table: Any = table, dout: Any = dout) -> Array:
            _, cache = word_embedding_forward(words, table)
            return word_embedding_backward(dout, cache)

        def agree(
            words: Any = words,
            table: Any = table,
            ours: Any = ours,
            peers: Any = (theirs, theirs_backward, add_at, index_add),
            out: Any = out_t,
        ) -> None:
            assert_close(word_embedding_forward(words, table)[0], out, "out")
            for peer in peers:
                assert_close(ours(), peer(), "dW")

        size = f"N={N} {dtype}"
        if dtype == "float32":
            yield Row(
                f"embedding forward {size}",
                lambda words=words, table=table: word_embedding_forward(words, table),
                {"torch no-grad": theirs_forward},
                agree,
            )
        yield Row(
            f"embedding backward {size}",
            lambda dout=dout, cache=cache: word_embedding_backward(dout, cache),
            {
                "torch forward+backward": theirs,
                "torch backward": theirs_backward,
                "torch index_add_": index_add,
                "np.add.at": add_at,
            },
            agree,
        )


def adam(sizes: Sizes) -> Iterator[Row]:
    """Yield a row for one update of the whole LSTM captioner."""
    rng = np.random.default_rng(231)
    weights = make_model(CaptioningRNN, "lstm", sizes).params
    grads = {k: rng.normal(size=w.shape).astype(w.dtype) for k, w in weights.items()}
    configs: dict[str, Any] = {k: {"learning_rate": 1e-4} for k in weights}

    def ours() -> None:
        for name, w in weights.items():
            optim.adam(w, grads[name], configs[name])

    def optimizer(**options: Any) -> tuple[list[Any], Any]:
        tensors = [torch.from_numpy(w.copy()) for w in weights.values()]
        for tensor, grad in zip(tensors, grads.values(), strict=True):
            tensor.requires_grad_().grad = torch.from_numpy(grad)
        return tensors, torch.optim.Adam(tensors, lr=1e-4, **options)

    default, fused = optimizer(), optimizer(fused=True)

    def agree() -> None:
        copies = {name: w.copy() for name, w in weights.items()}
        fresh: dict[str, Any] = {name: {"learning_rate": 1e-4} for name in weights}
        # We add epsilon before the bias correction; this much after it is the same.
        eps = 1e-8 / np.sqrt(1 - 0.999)
        for tensors, rule in (optimizer(eps=eps), optimizer(eps=eps, fused=True)):
            rule.step()
            for name, tensor in zip(weights, tensors, strict=True):
                step, _ = optim.adam(
                    copies[name].copy(), grads[name], dict(fresh[name])
                )
                assert_close(step, tensor, name)

    count = sum(w.size for w in weights.values())
    for way, wrap in ways():
        yield Row(
            f"Adam, {count / 1e6:.2f} M parameters float32, {way}",
            wrap(ours),
            {"torch default": default[1].step, "torch fused": fused[1].step},
            agree,
        )


def solver_step(sizes: Sizes) -> Iterator[Row]:
    """Yield rows for a training iteration: minibatch, loss, gradients, Adam."""
    rng = np.random.default_rng(231)
    n, pictures = sizes.captions, max(sizes.captions // 5, 1)
    features = rng.normal(size=(pictures, sizes.D)).astype(np.float32)
    captions = make_captions(rng, n, sizes)
    owners = rng.integers(pictures, size=n)
    data = {
        "train_captions": captions.astype(np.int32),
        "train_image_idxs": owners,
        "train_features": features,
        "train_urls": np.array([f"scene://{k}" for k in range(pictures)]),
    }
    captions_t, owners_t = torch.from_numpy(captions), torch.from_numpy(owners)
    features_t = torch.from_numpy(features)

    for cell_type, N in ((c, n) for c in ("lstm", "rnn") for n in sizes.batches):
        fast = make_model(FastCaptioningRNN, cell_type, sizes)
        plain = make_model(CaptioningRNN, cell_type, sizes)
        twin = TorchCaptioner(cell_type, plain.params, NULL, START)
        # A small step keeps the losses alike however often each of them is called.
        settings: Any = {
            "update_rule": "adam",
            "optim_config": {"learning_rate": 1e-6},
            "batch_size": N,
            "verbose": False,
        }
        rule = torch.optim.Adam(twin.parameters(), lr=1e-6)

        def theirs(twin: Any = twin, rule: Any = rule, N: int = N) -> None:
            chosen = torch.randint(len(captions_t), (N,))
            loss = twin.loss(features_t[owners_t[chosen]], captions_t[chosen])
            rule.zero_grad()
            loss.backward()
            rule.step()

        def agree(twin: Any = twin, models: Any = (fast, plain), N: int = N) -> None:
            twin.zero_grad()
            loss = twin.loss(features_t[owners_t[:N]], captions_t[:N])
            loss.backward()
            for model in models:
                ours, grads = model.loss(features[owners[:N]], captions[:N])
                assert_close(np.float32(ours), loss, "loss")
                for name, expected in twin.gradients().items():
                    assert_close(grads[name], expected, name)

        yield Row(
            f"solver step {cell_type.upper()} N={N} float32",
            CaptioningSolver(fast, data, **settings)._step,
            {
                "torch": theirs,
                "CaptioningRNN": CaptioningSolver(plain, data, **settings)._step,
            },
            agree,
        )


def sampling(sizes: Sizes) -> Iterator[Row]:
    """Yield rows for greedy captions, of new models and of ones that know the end."""
    for trained in (False, True):
        for cell_type, N in ((c, n) for c in ("lstm", "rnn") for n in sizes.batches):
            rng = np.random.default_rng(231)
            features = rng.normal(size=(N, sizes.D)).astype(np.float32)
            fast = make_model(FastCaptioningRNN, cell_type, sizes)
            plain = make_model(CaptioningRNN, cell_type, sizes)
            if trained:
                finish_captions(plain, rng)
            else:
                plain.params["b_vocab"][END] = -1e6  # all captions run to the end
            fast.params = plain.params
            twin = TorchCaptioner(cell_type, plain.params, NULL, START)
            features_t = torch.from_numpy(features)

            def ours(model: Any = fast, features: Array = features) -> Array:
                return model.sample(features, sizes.steps)

            def plainly(model: Any = plain, features: Array = features) -> Array:
                return model.sample(features, sizes.steps)

            def theirs(twin: Any = twin, features: Any = features_t) -> Any:
                return twin.sample(features, sizes.steps)

            def stopping(twin: Any = twin, features: Any = features_t) -> Any:
                return twin.sample(features, sizes.steps, END)

            def agree(ours: Any = ours, others: Any = (theirs, stopping, plainly)):
                mine = ours()
                ended = np.cumsum(mine == END, axis=1) - (mine == END) > 0
                for other in others:
                    same = (mine == np.asarray(other())) | ended
                    # Two scores may be equal up to rounding, and a caption part there.
                    share = same.all(axis=1).mean()
                    assert share > 0.97, f"only {share:.0%} of captions are the same"

            peers = {"torch": theirs, "CaptioningRNN": plainly}
            if trained:
                peers["torch, stopping early"] = stopping
            yield Row(
                f"sampling {cell_type.upper()} N={N}, "
                + ("trained" if trained else f"{sizes.steps} steps"),
                ours,
                peers,
                agree,
            )


def gradient_checks(sizes: Sizes) -> Iterator[Row]:  # noqa: ARG001 (notebooks' sizes)
    """Yield the notebooks' numerical gradient checks; none should take 0.3 s."""

    def row(name: str, f: Callable[..., Any], arrays: tuple[Array, ...]) -> Row:
        h = f(*arrays)
        dh = np.random.default_rng(231).normal(size=h.shape)
        count = sum(a.size for a in arrays)

        def work() -> None:
            for a in arrays:
                eval_numerical_gradient_array(lambda _: f(*arrays), a, dh)

        return Row(f"gradient check of {name}, {count} numbers", work, seconds_goal=0.3)

    rng = np.random.default_rng(231)

    def inputs(*shapes: tuple[int, ...]) -> tuple[Array, ...]:
        return tuple(rng.normal(size=s) for s in shapes)

    N, T, D, H = 2, 3, 4, 5
    arrays = inputs((N, T, D), (N, H), (D, H), (H, H), (H,))
    yield row("rnn_forward", lambda *a: rnn_forward(*a)[0], arrays)
    T = 10
    arrays = inputs((N, T, D), (N, H), (D, 4 * H), (H, 4 * H), (4 * H,))
    yield row("lstm_forward", lambda *a: lstm_forward(*a)[0], arrays)

    x, y = rng.normal(size=(7, 8, 9)), rng.integers(9, size=(7, 8))
    mask = rng.random((7, 8)) < 0.5

    def softmax() -> Array:
        return eval_numerical_gradient(
            lambda a: temporal_softmax_loss(a, y, mask)[0], x, verbose=False
        )

    yield Row(
        "gradient check of temporal_softmax_loss, 504 numbers",
        softmax,
        seconds_goal=0.3,
    )

    tiny = Sizes(W=5, H=6, D=4)
    model = CaptioningRNN(
        {"<NULL>": 0, "cat": 1, "dog": 2},
        input_dim=tiny.D,
        wordvec_dim=tiny.W,
        hidden_dim=tiny.H,
        cell_type="lstm",
        dtype=np.float64,
    )
    features, captions = rng.normal(size=(2, tiny.D)), rng.integers(3, size=(2, 3))

    def whole() -> None:
        for w in model.params.values():
            eval_numerical_gradient(
                lambda _: model.loss(features, captions)[0], w, verbose=False
            )

    count = sum(w.size for w in model.params.values())
    yield Row(
        f"gradient check of CaptioningRNN, {count} numbers", whole, seconds_goal=0.3
    )


GROUPS: dict[str, Callable[[Sizes], Iterator[Row]]] = {
    "products": products,
    "rnn": lambda sizes: recurrent("rnn", sizes),
    "lstm": lambda sizes: recurrent("lstm", sizes),
    "affine": temporal_affine,
    "softmax": temporal_softmax,
    "embedding": embedding,
    "adam": adam,
    "step": solver_step,
    "sample": sampling,
    "checks": gradient_checks,
}
