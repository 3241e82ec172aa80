"""A microscope for backpropagation through time: how far each word's loss reaches back.

It looks at your own sequence functions from outside, whatever they keep in their
caches. Two tricks do it. The caption is run as a minibatch of copies, and the gradient
that goes into copy n is that of one word's loss alone. And each step reads, beside its
word, a vector of zeros with the weights of the hidden state: the gradient at these
zeros is the gradient at the state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from cs231n.gradient_check import copies
from cs231n.lab.captions import measure_gates
from cs231n.layers import affine_forward
from cs231n.support.arrays import Array
from cs231n.support.figures import PALETTE, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VANISHED, EXPLODED = 0.01, 100.0  # shares of what a gradient began with


@dataclass(frozen=True)
class GradientFlow:
    """How losses of a caption's words reach back through the hidden states.

    Timestep t reads word t - 1 and predicts word t; t is 1 to T. State t is the one
    after timestep t, and state 0 is made of the picture.

    Attributes:
        words: T + 1 words, from <START> on.
        norms: (T, T + 1) length of the gradient of the loss at timestep n + 1 at
            hidden state t; 0 where the state comes later than the loss.
        whole: (T + 1,) the same of all losses together.
        gates: What measure_gates finds for the T words that were read; empty for an
            RNN.
    """

    words: tuple[str, ...]
    norms: Array
    whole: Array
    gates: Mapping[str, Array]

    @property
    def shares(self) -> Array:
        """The norms, each as a share of the one that its loss begins with, (T, T + 1).

        The gradient of a loss begins at the state that predicts its word.
        """
        began = np.diagonal(self.norms, offset=1)[:, None]
        shares: Array = self.norms / np.where(began > 0, began, 1)
        return shares

    @property
    def factor(self) -> float:
        """What a timestep back multiplies a gradient by: the median of all of them."""
        before, after = self.norms[:, :-1], self.norms[:, 1:]
        reached = after > 0
        return float(np.median(before[reached] / after[reached]))

    def vanished(self) -> dict[int, int]:
        """Return timestep -> the state by which the gradient of its loss has vanished.

        That is the first one on the way back where less than a hundredth arrives.
        """
        return self._first(self.shares < VANISHED)

    def exploded(self) -> dict[int, int]:
        """Return timestep -> the state by which the gradient of its loss has exploded.

        That is the first one on the way back where a hundred times as much arrives.
        """
        return self._first(self.shares > EXPLODED)

    def _first(self, found: Array) -> dict[int, int]:
        return {
            timestep: int(np.flatnonzero(row[: timestep + 1])[-1])
            for timestep, row in enumerate(found, start=1)
            if row[: timestep + 1].any()
        }

    def verdict(self) -> str:
        """Say in words how gradients fare.

        Example:
            >>> norms = np.array([[0.5, 1, 0], [0.001, 0.5, 1]])
            >>> flow = GradientFlow(("<START>", "a", "cat"), norms, norms.sum(0), {})
            >>> print(flow.verdict())
            One timestep back multiplies a gradient by 0.5 (median).
            Vanish (fall below 1 %): 1 of 2; that of 'cat', timestep 2, by state 0.
            Explode (grow above 100 times): none.
        """
        said = [
            f"One timestep back multiplies a gradient by {self.factor:.2g} (median)."
        ]
        for what, found in (
            ("Vanish (fall below 1 %)", self.vanished()),
            ("Explode (grow above 100 times)", self.exploded()),
        ):
            if not found:
                said.append(f"{what}: none.")
                continue
            soonest = min(found, key=lambda timestep: timestep - found[timestep])
            said.append(
                f"{what}: {len(found)} of {len(self.norms)}; that of "
                f"{self.words[soonest]!r}, timestep {soonest}, by state "
                f"{found[soonest]}."
            )
        return "\n".join(said)

    def text(self) -> str:
        """Return a line for each state, and the verdict."""
        width = max(13, *map(len, self.words))
        lines = [f"state  {'after':{width}}  all losses  of the last word's"]
        lines[0] += "  cells kept" if self.gates else ""
        last = self.shares[-1]
        for t, norm in enumerate(self.whole):
            word = self.words[t - 1] if t else "(picture)"
            line = f"{t:5}  {word:{width}}  {norm:10.2e}  {last[t]:18.2%}"
            if self.gates and t:
                line += f"  {self.gates['kept'][t - 1].mean():10.0%}"
            lines.append(line)
        return "\n".join([*lines, self.verdict()])


def measure_gradient_flow(model: Any, features: Array, caption: Array) -> GradientFlow:
    """Measure how the losses of a caption's words reach back, with your own functions.

    Args:
        model: A CaptioningRNN.
        features: (D,) features of the caption's picture.
        caption: (T + 1,) word indices from <START> on; <NULL> at the end is left out.

    Raises:
        ValueError: If the caption is too short, or a function returns other results
            than it should, naming it.

    Example:
        >>> from cs231n.classifiers.rnn import CaptioningRNN
        >>> words = {"<NULL>": 0, "<START>": 1, "<END>": 2, "cat": 3}
        >>> model = CaptioningRNN(words, 5, hidden_dim=7)
        >>> flow = measure_gradient_flow(model, np.ones(5), np.array([1, 3, 2, 0]))
        >>> flow.words, flow.norms.shape  # T = 2
        (('<START>', 'cat', '<END>'), (2, 3))
    """
    from cs231n import rnn_layers

    caption = np.asarray(caption)
    real = np.flatnonzero(caption != model.word_to_idx["<NULL>"])
    caption = caption[: real[-1] + 1] if real.size else caption[:0]
    if caption.size < 2:
        raise ValueError(
            f"The caption has {caption.size} words; give <START> and at least another."
        )
    p = {name: w.astype(np.float64) for name, w in model.params.items()}
    cell, T, H = model.cell_type, caption.size - 1, len(p["Wh"])

    # T copies of the caption; beside each word, H zeros that weigh as the state does.
    start, _ = affine_forward(features[None].astype(float), p["W_proj"], p["b_proj"])
    words = np.tile(caption[:-1], (T, 1))
    vectors, _ = rnn_layers.word_embedding_forward(*copies(words, p["W_embed"]))
    x = np.concatenate([vectors, np.zeros((T, T, H))], axis=2)
    Wx, h0 = np.concatenate([p["Wx"], p["Wh"]]), np.tile(start, (T, 1))
    h, cache = _results(
        f"{cell}_forward",
        copies(x, h0, Wx, p["Wh"], p["b"]),
        {"h": (T, T, H), "cache": None},
    )

    # The gradient of each word's own loss at the state that predicts it.
    scores, cache_of_scores = rnn_layers.temporal_affine_forward(
        h[:1].copy(), p["W_vocab"], p["b_vocab"]
    )
    everywhere = np.ones((1, T), dtype=bool)
    _, dscores = rnn_layers.temporal_softmax_loss(scores, caption[None, 1:], everywhere)
    own, _, _ = rnn_layers.temporal_affine_backward(dscores, cache_of_scores)
    dh = np.eye(T)[:, :, None] * own  # copy n gets that of timestep n + 1 alone
    dx, *_ = _results(
        f"{cell}_backward",
        (dh.copy(), cache),
        {"dx": x.shape, "dh0": (T, H), "dWx": None, "dWh": None, "db": None},
    )

    # What a step's zeros get, and of its own loss, the state after it.
    at = np.zeros((T, T + 1, H))
    at[:, :-1] = dx[:, :, -H:]
    at[:, 1:] += dh
    return GradientFlow(
        words=tuple(model.idx_to_word[int(word)] for word in caption),
        norms=np.linalg.norm(at, axis=2),
        whole=np.linalg.norm(at.sum(axis=0), axis=1),
        gates=measure_gates(model, features, [*caption[:-1]]) if cell == "lstm" else {},
    )


def _results(
    name: str, args: tuple[Any, ...], shapes: Mapping[str, tuple[int, ...] | None]
) -> tuple[Any, ...]:
    """Call a student's function, and insist on the results that are looked at.

    Args:
        name: Of the function.
        args: Its arguments.
        shapes: Name of a result -> its shape; None if nobody looks at it.
    """
    from cs231n import rnn_layers

    found = getattr(rnn_layers, name)(*args)
    more = f"python -m cs231n.check {name} tells more."
    many = isinstance(found, tuple | list)
    if not many or len(found) != len(shapes):
        came = f"{len(found)} results" if many else type(found).__name__
        raise ValueError(f"{name} returned {came}; {len(shapes)} are wanted. {more}")
    for (result, shape), value in zip(shapes.items(), found, strict=True):
        if shape is None:
            continue
        if np.shape(value) != shape:
            raise ValueError(
                f"{name} returned {result} of shape {np.shape(value)}; {shape} is "
                f"wanted. {more}"
            )
        if not np.isfinite(value).all():
            raise ValueError(
                f"{name} returned {result} with numbers that are not finite, so no "
                f"gradient can be followed; it should have none. {more}"
            )
    return tuple(found)


def show_gradient_flow(
    model: Any, features: Array, caption: Array, slider: bool = False
) -> None:
    """Show how the losses of a caption's words reach back, as a figure and as text.

    Args:
        model: A CaptioningRNN.
        features: (D,) features of the caption's picture.
        caption: (T + 1,) word indices from <START> on; <NULL> at the end is left out.
        slider: Whether to follow one loss besides, which a slider chooses; needs
            ipywidgets.

    Example:
        >>> from cs231n.classifiers.rnn import CaptioningRNN
        >>> words = {"<NULL>": 0, "<START>": 1, "<END>": 2, "cat": 3}
        >>> model = CaptioningRNN(words, 5, hidden_dim=7)
        >>> for w in model.params.values():
        ...     w[:] = 0  # nothing reaches back
        >>> model.params["W_vocab"][:] = np.eye(7, 4)
        >>> show_gradient_flow(model, np.ones(5), np.array([1, 3, 2]))
        <IPython.core.display.Image object>
        state  after          all losses  of the last word's
            0  (picture)        0.00e+00               0.00%
            1  <START>          8.66e-01               0.00%
            2  cat              8.66e-01             100.00%
        One timestep back multiplies a gradient by 0 (median).
        Vanish (fall below 1 %): 2 of 2; that of 'cat', timestep 1, by state 0.
        Explode (grow above 100 times): none.
    """
    flow = measure_gradient_flow(model, features, caption)
    _plot_all(flow)
    print(flow.text())
    if slider:
        _slide(flow)


def _plot_all(flow: GradientFlow) -> None:
    """Draw where each loss arrives, all losses together and, of an LSTM, its gates."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    T, panels = len(flow.norms), 3 if flow.gates else 2
    figure = Figure(figsize=(4.4 * panels, 3 + 0.13 * T), layout="constrained")
    axes = figure.subplots(1, panels)
    later = np.arange(T + 1) > np.arange(1, T + 1)[:, None]
    # What lies beyond the scale takes its last colour.
    shares = np.ma.array(flow.shares.clip(1e-12), mask=later)
    scale = LogNorm(1e-3, 1e3)
    drawn = axes[0].imshow(shares, aspect="auto", cmap="RdBu_r", norm=scale)
    figure.colorbar(drawn, ax=axes[0], shrink=0.8, extend="both")
    axes[0].set_yticks(range(T), flow.words[1:], fontsize=9)
    axes[0].set_title("share of each word's loss that arrives", fontsize=10)
    axes[0].set_ylabel("loss of", fontsize=9)
    axes[1].plot(flow.whole, "o-", color=PALETTE[0], markersize=4)
    top = flow.whole.max() or 1.0
    low = min([top / 30, *(flow.whole[flow.whole > 0] / 2)])
    axes[1].set_yscale("log", nonpositive="clip")
    axes[1].set_ylim(low, 2 * top)
    axes[1].set_title("gradient of all losses together", fontsize=10)
    if flow.gates:
        _plot_gates(axes[2], flow)
    for axis in axes:
        _name_states(axis, flow)
    show(
        figure,
        f"How gradients of {T} words' losses reach back to the states of the caption "
        f"'{' '.join(flow.words)}'. {' '.join(flow.verdict().splitlines())} The table "
        "below the figure has the numbers.",
    )


def _plot_gates(axis: "Axes", flow: GradientFlow) -> None:
    timesteps = np.arange(1, len(flow.norms) + 1)
    for (name, label), colour in zip(
        {"kept": "kept", "shown": "shown"}.items(), PALETTE, strict=False
    ):
        low, high = np.percentile(flow.gates[name], [10, 90], axis=1)
        axis.fill_between(timesteps, low, high, color=colour, alpha=0.2, linewidth=0)
        mean = flow.gates[name].mean(axis=1)
        axis.plot(timesteps, mean, "o-", color=colour, label=label, markersize=4)
    axis.set_ylim(0, 1)
    axis.set_title("share of the cells: mean, 80 % of units", fontsize=10)
    axis.legend(frameon=False, fontsize=9)


def _plot_one(flow: GradientFlow, timestep: int) -> None:
    """Draw what of one loss arrives at each state.

    Args:
        flow: What was measured.
        timestep: Of the loss, 1 to T.
    """
    from matplotlib.figure import Figure

    shares, word = flow.shares[timestep - 1, : timestep + 1], flow.words[timestep]
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axis = figure.subplots()
    axis.bar(range(timestep + 1), shares, color=PALETTE[0], zorder=2)
    axis.axhspan(1e-6, VANISHED, color="0.88", linewidth=0)
    axis.text(len(flow.norms), VANISHED / 2, "vanished", ha="right", va="top")
    axis.set_yscale("log")
    axis.set_ylim(1e-6, max(2, 2 * shares.max()))
    axis.set_title(f"share of the loss of '{word}', timestep {timestep}", fontsize=10)
    _name_states(axis, flow)
    arrived = ", ".join(f"{share:.2%}" for share in shares)
    show(
        figure,
        f"Shares of the gradient of the loss of '{word}' that arrive at states 0 to "
        f"{timestep}: {arrived}.",
    )


def _name_states(axis: "Axes", flow: GradientFlow) -> None:
    states = ["(picture)", *flow.words[:-1]]
    axis.set_xticks(range(len(states)), states, rotation=60, ha="right", fontsize=9)
    axis.set_xlim(-0.5, len(states) - 0.5)
    axis.set_xlabel("state after", fontsize=9)


def _slide(flow: GradientFlow) -> None:
    """Let a slider choose the loss that is followed, where there are sliders."""
    try:
        # Jupyter brings it along; other front ends need not have it.
        widgets = import_module("ipywidgets")
    except ImportError:
        print("There is no slider without ipywidgets; install it with pip.")
        return
    last = len(flow.norms)
    chosen = widgets.IntSlider(last, 1, last, description="timestep")
    widgets.interact(lambda timestep: _plot_one(flow, timestep), timestep=chosen)
