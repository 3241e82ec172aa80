"""The same layers and model in plain torch, with our weights: what we measure against.

Letters in shapes: as in cs231n.classifiers.rnn.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (its usual name)

from cs231n.support.arrays import Array

_GATES = [0, 1, 3, 2]  # ours are i, f, o, g; torch's are i, f, g, o


def swap_gates(w: Array) -> Array:
    """Exchange the last two of four blocks of columns: our order to torch's and back.

    Args:
        w: (..., 4H) LSTM weights.
    """
    blocks = w.reshape(*w.shape[:-1], 4, -1)
    return np.ascontiguousarray(blocks[..., _GATES, :]).reshape(w.shape)


def make_cell(cell_type: str, Wx: Array, Wh: Array, b: Array) -> nn.RNNBase:
    """Return nn.RNN or nn.LSTM with our weights; torch's second bias is zero.

    Args:
        cell_type: 'rnn' or 'lstm'.
        Wx: (D, k*H) input-to-hidden weights.
        Wh: (H, k*H) hidden-to-hidden weights.
        b: (k*H,) bias.
    """
    kind = {"rnn": nn.RNN, "lstm": nn.LSTM}[cell_type]
    dtype = torch.from_numpy(Wx[:0]).dtype
    cell = kind(Wx.shape[0], Wh.shape[0], batch_first=True, dtype=dtype)
    arrays = {"weight_ih_l0": Wx, "weight_hh_l0": Wh, "bias_ih_l0": b}
    with torch.no_grad():
        for name, w in arrays.items():
            ordered = swap_gates(w) if cell_type == "lstm" else w
            getattr(cell, name).copy_(torch.from_numpy(ordered.T.copy()))
        cell.bias_hh_l0.zero_()
    return cell


def initial_state(cell: nn.RNNBase, h0: Tensor) -> Any:
    """Return what a cell wants as its initial state; an LSTM's cell state is zero.

    Args:
        cell: nn.RNN or nn.LSTM.
        h0: (N, H) initial hidden states.
    """
    h = h0[None]
    return (h, torch.zeros_like(h)) if isinstance(cell, nn.LSTM) else h


class TorchCaptioner(nn.Module):
    """CaptioningRNN as a torch user writes it."""

    def __init__(
        self, cell_type: str, params: Mapping[str, Array], null: int, start: int
    ) -> None:
        super().__init__()
        V, W = params["W_embed"].shape
        D, H = params["W_proj"].shape
        self.null, self.start = null, start
        dtype = torch.from_numpy(params["b"][:0]).dtype
        self.embed = nn.Embedding(V, W, dtype=dtype)
        self.proj = nn.Linear(D, H, dtype=dtype)
        self.vocab = nn.Linear(H, V, dtype=dtype)
        self.cell = make_cell(cell_type, params["Wx"], params["Wh"], params["b"])
        with torch.no_grad():
            self.embed.weight.copy_(torch.from_numpy(params["W_embed"]))
            for layer, name in ((self.proj, "proj"), (self.vocab, "vocab")):
                layer.weight.copy_(torch.from_numpy(params[f"W_{name}"].T.copy()))
                layer.bias.copy_(torch.from_numpy(params[f"b_{name}"]))

    def loss(self, features: Tensor, captions: Tensor) -> Tensor:
        """Return the loss of (N, D) features and (N, T) captions."""
        state = initial_state(self.cell, self.proj(features))
        h, _ = self.cell(self.embed(captions[:, :-1]), state)
        summed = F.cross_entropy(
            self.vocab(h).flatten(0, 1),
            captions[:, 1:].flatten(),
            ignore_index=self.null,
            reduction="sum",
        )
        return summed / len(captions)

    def gradients(self) -> dict[str, Array]:
        """Return the gradients under our names, in our layout."""
        cell, lstm = self.cell, isinstance(self.cell, nn.LSTM)
        found = {
            "W_embed": self.embed.weight.grad,
            "W_proj": self.proj.weight.grad.T,
            "b_proj": self.proj.bias.grad,
            "W_vocab": self.vocab.weight.grad.T,
            "b_vocab": self.vocab.bias.grad,
            "Wx": cell.weight_ih_l0.grad.T,
            "Wh": cell.weight_hh_l0.grad.T,
            "b": cell.bias_ih_l0.grad,
        }
        arrays = {name: np.ascontiguousarray(grad) for name, grad in found.items()}
        if lstm:
            arrays |= {name: swap_gates(arrays[name]) for name in ("Wx", "Wh", "b")}
        return arrays

    @torch.inference_mode()
    def sample(
        self, features: Tensor, max_length: int, end: int | None = None
    ) -> Tensor:
        """Caption greedily.

        Args:
            features: (N, D) image features.
            max_length: Words in a caption.
            end: Stop when all captions have had this word; None to go on regardless.

        Returns:
            (N, max_length) words; what follows the end is not cleared.
        """
        state = initial_state(self.cell, self.proj(features))
        words = torch.full((len(features),), self.start)
        captions = torch.full((len(features), max_length), self.null)
        running = torch.ones(len(features), dtype=torch.bool)
        for t in range(max_length):
            h, state = self.cell(self.embed(words)[:, None], state)
            words = self.vocab(h[:, 0]).argmax(dim=1)
            captions[:, t] = words
            if end is not None:
                running &= words != end
                if not running.any():
                    break
        return captions
