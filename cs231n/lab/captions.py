"""What the captioning notebooks show: captions beside true ones, an LSTM's gates."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from cs231n.coco_utils import decode_captions, sample_coco_minibatch
from cs231n.gradient_check import copies
from cs231n.image_utils import image_from_url
from cs231n.layers import affine_forward
from cs231n.support.arrays import Array
from cs231n.support.figures import PALETTE, show, show_pictures

_SHOWN, _LEAST = 24, 3  # words, and the captions that each must stand in


def kind_of(data: Mapping[str, Any]) -> Literal["scenes", "photos", "coco"]:
    """Tell what a captioned data set is of, by its pictures' addresses.

    Args:
        data: What load_coco_data returns.

    Returns:
        'scenes' if they are drawn, 'photos' if they are names in a folder of photos of
        your own, 'coco' if they lie in the network.

    Example:
        >>> kind_of({"val_urls": np.array(["beach/IMG_0231.jpg"])})
        'photos'
    """
    url = str(data["val_urls"][0])
    if url.startswith("scene://"):
        return "scenes"
    return "coco" if "://" in url else "photos"


def show_samples(model: Any, data: Mapping[str, Any], split: str) -> None:
    """Show two pictures, each with a model's caption and a true one.

    Args:
        model: A CaptioningRNN.
        data: What load_coco_data returns.
        split: "train" or "val"; the pictures are drawn from NumPy's legacy stream.

    Example:
        >>> from cs231n.classifiers.rnn import CaptioningRNN
        >>> words = ["<NULL>", "<START>", "<END>", "car"]
        >>> data = {
        ...     "idx_to_word": words,
        ...     "val_captions": np.array([[1, 3, 2]]),
        ...     "val_image_idxs": np.array([0]),
        ...     "val_features": np.ones((1, 5), np.float32),
        ...     "val_urls": np.array(["scene://beach/red-car-m5080?0"]),
        ... }
        >>> model = CaptioningRNN({word: k for k, word in enumerate(words)}, 5)
        >>> show_samples(model, data, "val")
        <IPython.core.display.Image object>
    """
    captions, features, urls = sample_coco_minibatch(data, 2, split)
    truths = decode_captions(captions, data["idx_to_word"])
    samples = decode_captions(model.sample(features), data["idx_to_word"])
    kind = {"train": "training", "val": "validation"}[split]
    show_pictures(
        [image_from_url(url) for url in urls],
        [
            f"model: {sample}\ntruth: {truth}"
            for sample, truth in zip(samples, truths, strict=True)
        ],
        alt=f"Two {kind} pictures, each with the model's caption and a true one.",
        columns=2,
        width=4.6,
    )


def measure_gates(
    model: Any, features: Array, words: Sequence[int]
) -> dict[str, Array]:
    """Measure an LSTM's gates while it reads a caption, from outside.

    What the gates do shows in how the next states answer to the cell state fed in: with
    an empty cell the next one holds just what is written; one unit more in the cell
    raises it by what is kept; and a very full cell lets all that passes out be seen.

    Args:
        model: A CaptioningRNN with LSTM cells.
        features: (D,) features of one image.
        words: T word indices, as read one after another.

    Returns:
        'kept', 'written' and 'shown', each (T, H): the share of each cell that is kept,
        the number written to it, the share of it that is shown.

    Example:
        >>> from cs231n.classifiers.rnn import CaptioningRNN
        >>> words = {"<NULL>": 0, "<START>": 1, "<END>": 2, "cat": 3}
        >>> model = CaptioningRNN(words, 5, hidden_dim=7, cell_type="lstm")
        >>> gates = measure_gates(model, np.ones(5), words=[1, 3])
        >>> sorted(gates), gates["kept"].shape
        (['kept', 'shown', 'written'], (2, 7))
    """
    from cs231n.rnn_layers import (
        lstm_forward,
        lstm_step_forward,
        word_embedding_forward,
    )

    p = {name: w.astype(np.float64) for name, w in model.params.items()}
    weights = p["Wx"], p["Wh"], p["b"]
    start, _ = affine_forward(features[None].astype(float), p["W_proj"], p["b_proj"])
    # Two captions alike, as a function may be right but for a minibatch of one.
    x, _ = word_embedding_forward(*copies(np.array([words, words]), p["W_embed"]))
    # Student functions get copies: they may change what they are given.
    h, _ = lstm_forward(*copies(x, np.repeat(start, 2, axis=0), *weights))
    # What is measured does not depend on the cell, so all timesteps are one batch.
    x, before = x[0], np.concatenate([start, h[0, :-1]])
    fill = {"written": 0.0, "raised": 1.0, "shown": 1e9}
    found = {
        name: lstm_step_forward(
            *copies(x, before, np.full_like(before, cell), *weights)
        )
        for name, cell in fill.items()
    }
    written = found["written"][1]
    kept, shown = found["raised"][1] - written, found["shown"][0]
    return {"kept": kept, "written": written, "shown": shown}


def plot_gates(gates: Mapping[str, Array], words: Sequence[str], alt: str) -> None:
    """Draw what measure_gates found: a row for each of the liveliest units.

    Args:
        gates: Result of measure_gates.
        words: The T words that were read.
        alt: What the picture shows.

    Example:
        >>> shares = np.random.rand(2, 7)  # T, H = 2, 7
        >>> gates = {"kept": shares, "written": shares, "shown": shares}
        >>> plot_gates(gates, ["<START>", "cat"], alt="Random gates, two words.")
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure

    lively = np.argsort(-gates["kept"].std(axis=0))[:40]
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels = [
        ("kept", "share of the cell kept", "viridis", 0, 1),
        ("written", "written to the cell", "RdBu_r", -1, 1),
        ("shown", "share of the cell shown", "viridis", 0, 1),
    ]
    for axis, (name, title, colours, low, high) in zip(
        figure.subplots(1, 3, sharey=True), panels, strict=True
    ):
        # Units that act alike stand together: sorted by when they are most active.
        order = lively[
            np.argsort(gates["kept"][:, lively].argmin(axis=0), kind="stable")
        ]
        drawn = axis.imshow(
            gates[name][:, order].T, aspect="auto", cmap=colours, vmin=low, vmax=high
        )
        axis.set_title(title, fontsize=10)
        axis.set_xticks(range(len(words)), words, rotation=60, ha="right", fontsize=9)
        axis.set_yticks([])
        figure.colorbar(drawn, ax=axis, shrink=0.8)
    figure.supylabel("40 liveliest units", fontsize=10)
    show(figure, alt)


def plot_habit(
    own: Mapping[str, tuple[int, int]], others: Mapping[str, tuple[int, int]]
) -> None:
    """Draw for each word how often it is right, shown its own picture and another's.

    Args:
        own: Word -> (captions in which it is right, captions that have it), each
            written of its own picture; what right_words returns.
        others: The same, each caption written of another picture.

    Example:
        >>> own = {"a": (9, 9), "dog": (4, 5), "park": (3, 6)}
        >>> plot_habit(own, {"a": (9, 9), "dog": (1, 5), "park": (3, 6)})
        <IPython.core.display.Image object>
    """
    from matplotlib.figure import Figure

    often = sorted(own, key=lambda word: (-own[word][1], word))
    words = [w for w in often if min(own[w][1], others.get(w, (0, 0))[1]) >= _LEAST]
    words = words[:_SHOWN]
    if not words:
        print(f"No word stands in {_LEAST} captions: too few to draw.")
        return
    shares = {
        word: (own[word][0] / own[word][1], others[word][0] / others[word][1])
        for word in words
    }
    words.sort(key=lambda word: shares[word][0] - shares[word][1])
    seen, blind = zip(*(shares[word] for word in words), strict=True)
    figure = Figure(figsize=(8, 1 + 0.22 * len(words)), layout="constrained")
    axis, rows = figure.subplots(), range(len(words))
    axis.hlines(rows, blind, seen, color="0.75", zorder=1)
    axis.scatter(blind, rows, color=PALETTE[1], marker="s", label="another's picture")
    axis.scatter(seen, rows, color=PALETTE[0], label="its own picture")
    axis.set_yticks(rows, words, fontsize=9)
    axis.set_xlim(-0.03, 1.03)
    axis.set_xlabel("share of the captions with the word in which it is right")
    axis.legend(fontsize=9)
    show(
        figure,
        "How often words are right, with their own picture and with another's: "
        + "; ".join(
            f"{word} {shares[word][0]:.0%} and {shares[word][1]:.0%}"
            for word in reversed(words)
        )
        + ".",
    )
