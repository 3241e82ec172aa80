"""Extra, yours: the captioning model made fast, with no work wasted.

CaptioningRNN pays for every slot of a padded minibatch. Here captions are *packed*:
sorted by length and laid out timestep by timestep, so that finished ones drop out.

    timestep        0          1        2
    packed rows   A B C D    A B C    A          lengths 3, 2, 2, 1; sizes [4, 3, 1]

Letters in shapes: N captions, H hidden size, k*H as in CaptioningRNN.params, P packed
rows in all (the sum of sizes), V words in the vocabulary.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cs231n.classifiers.rnn import CaptioningRNN
from cs231n.layers import *
from cs231n.rnn_layers import *
from cs231n.support.validate import require_batch, require_features


class FastCaptioningRNN(CaptioningRNN):
    """CaptioningRNN's twin: the same parameters, losses, gradients and captions.

    Example:
        >>> words = {"<NULL>": 0, "<START>": 1, "<END>": 2, "cat": 3}
        >>> model = FastCaptioningRNN(words, wordvec_dim=6, hidden_dim=7)
        >>> model.params["Wx"].shape, model.params["W_vocab"].shape
        ((6, 7), (7, 4))
    """

    def loss(self, features: Array, captions: Array) -> tuple[float, dict[str, Array]]:
        """Do what CaptioningRNN.loss does, on packed captions.

        Args:
            features: (N, D) image features.
            captions: (N, T) word indices, integers, T >= 2.

        Returns:
            loss: Summed over words, averaged over captions.
            grads: Gradient of each parameter, under the same names.

        Raises:
            ValueError, TypeError, IndexError: As CaptioningRNN.loss.

        Example:
            >>> from cs231n.classifiers.rnn import CaptioningRNN
            >>> words = {"<NULL>": 0, "a": 1, "b": 2}
            >>> slow, fast = CaptioningRNN(words, 5), FastCaptioningRNN(words, 5)
            >>> fast.params = slow.params
            >>> batch = np.ones((2, 5), np.float32), np.array([[1, 2, 1], [2, 1, 0]])
            >>> bool(np.isclose(fast.loss(*batch)[0], slow.loss(*batch)[0]))
            True
        """
        features, captions = require_batch(
            features, captions, self.params["W_proj"], len(self.word_to_idx)
        )
        loss, grads = 0.0, {}
        # TODO(extra): Where does CaptioningRNN.loss compute what nobody asks for?
        #   - timesteps after a caption's last word: pack them away;
        #   - scores of timesteps that the mask throws out: leave them out;
        #   - the input projection of a word, once for every place it stands in: project
        #     each *different* word once, then gather; scatter-add on the way back.
        # BEGIN SOLUTION
        from scipy.sparse import csc_array

        W_embed, W_vocab = self.params["W_embed"], self.params["W_vocab"]
        Wx = self.params["Wx"]
        N, dtype = len(captions), W_vocab.dtype
        live = captions[:, 1:] != self._null
        T = live.shape[1]
        lengths = np.where(live.any(axis=1), T - live[:, ::-1].argmax(axis=1), 0)
        order = np.argsort(-lengths, kind="stable")
        running = np.arange(T)[:, None] < lengths[order]  # (T, N)
        sizes = [int(n) for n in running.sum(axis=1) if n]
        if not sizes:
            return 0.0, {name: np.zeros_like(w) for name, w in self.params.items()}
        rows = order[: sizes[0]]
        words_in = captions[order, :-1].T[running]  # (P,), as are the next two
        words_out = captions[order, 1:].T[running]
        scored = live[order].T[running]
        P = len(words_in)

        h0, proj_cache = affine_forward(
            features[rows], self.params["W_proj"], self.params["b_proj"]
        )
        distinct, place = np.unique(words_in, return_inverse=True)
        vectors = W_embed[distinct]
        projected = vectors @ Wx
        projected += self.params["b"]
        h, cache = self._run(projected[place], h0, sizes)
        all_scored = bool(scored.all())
        h_scored = h if all_scored else h[scored]

        scores = h_scored @ W_vocab
        scores += self.params["b_vocab"]
        weights = np.full(len(scores), 1 / N, dtype)
        dscores = scores  # the gradient takes the scores' place
        loss = weighted_softmax_loss(scores, words_out[scored], weights, out=dscores)
        grads["W_vocab"], grads["b_vocab"] = h_scored.T @ dscores, dscores.sum(axis=0)
        dh = dscores @ W_vocab.T
        if not all_scored:
            dh_scored, dh = dh, np.zeros_like(h)
            dh[scored] = dh_scored
        da, dh0, grads["Wh"] = self._run_back(dh, cache)
        gather = (np.ones(P, dtype), place, np.arange(P + 1))
        dprojected = csc_array(gather, shape=(len(distinct), P)) @ da
        grads["Wx"], grads["b"] = vectors.T @ dprojected, dprojected.sum(axis=0)
        grads["W_embed"] = np.zeros_like(W_embed)
        grads["W_embed"][distinct] = dprojected @ Wx.T
        _, grads["W_proj"], grads["b_proj"] = affine_backward(dh0, proj_cache)
        # END SOLUTION
        return loss, grads

    def _run(self, a: Array, h0: Array, sizes: Sequence[int]) -> tuple[Array, Any]:
        """Run the cell over packed inputs.

        Args:
            a: (P, k*H) projected inputs, bias included; may be overwritten.
            h0: (sizes[0], H) initial hidden states.
            sizes: Captions still running at each timestep, never growing.

        Returns:
            h: (P, H) packed hidden states.
            cache: What _run_back will need.
        """
        Wh = self.params["Wh"]
        # TODO(extra): The loop of rnn_forward and lstm_forward, on packed rows.
        # BEGIN SOLUTION
        P, H = a.shape[0], h0.shape[1]
        is_lstm = self.cell_type == "lstm"
        h, prev_h = np.empty((2, P, H), dtype=a.dtype)
        c, prev_c, tanh_c = np.empty((3, P if is_lstm else 0, H), dtype=a.dtype)
        product = np.empty((sizes[0], a.shape[1]), dtype=a.dtype)
        start = before = 0
        for t, n in enumerate(sizes):
            now = slice(start, start + n)
            then = slice(before, before + n)
            prev_h[now] = h[then] if t else h0
            a_t = a[now]
            a_t += np.matmul(prev_h[now], Wh, out=product[:n])
            if is_lstm:
                prev_c[now] = c[then] if t else 0
                squashed = a_t[:, : 3 * H]
                squashed *= 0.5
                np.tanh(a_t, out=a_t)
                squashed *= 0.5
                squashed += 0.5
                i, f, o, g = a_t.reshape(n, 4, H).swapaxes(0, 1)
                np.multiply(f, prev_c[now], out=c[now])
                c[now] += i * g
                np.tanh(c[now], out=tanh_c[now])
                np.multiply(o, tanh_c[now], out=h[now])
            else:
                np.tanh(a_t, out=h[now])
            before, start = start, start + n
        cache = (a, h, prev_h, prev_c, tanh_c, sizes)
        # END SOLUTION
        return h, cache

    def _run_back(self, dh: Array, cache: Any) -> tuple[Array, Array, Array]:
        """Backpropagate through _run.

        Args:
            dh: (P, H) gradient at the packed hidden states; may be overwritten.
            cache: Second result of _run.

        Returns:
            da: (P, k*H) gradient at the projected inputs.
            dh0: (sizes[0], H) gradient at the initial hidden states.
            dWh: (H, k*H) gradient at the recurrent weights.
        """
        Wh = self.params["Wh"]
        # TODO(extra): The loop of rnn_backward and lstm_backward, on packed rows.
        # BEGIN SOLUTION
        a, h, prev_h, prev_c, tanh_c, sizes = cache
        H = h.shape[1]
        is_lstm = self.cell_type == "lstm"
        da = np.empty_like(a) if is_lstm else 1 - h**2
        # Rows that have not started yet, going backward, stay zero in both.
        # As in rnn_backward and lstm_backward: a copy of the transpose where that is
        # small, else columns for float32.
        columns = is_lstm and h.dtype == np.float32
        dh0 = np.zeros((sizes[0], H), dtype=h.dtype, order="F" if columns else "C")
        back = Wh.T if is_lstm else np.ascontiguousarray(Wh.T)
        dc0 = np.zeros((sizes[0], H), dtype=h.dtype)
        stop = len(h)
        for n in reversed(sizes):
            now = slice(stop - n, stop)
            stop -= n
            dnext_h = dh[now]
            dnext_h += dh0[:n]
            da_t = da[now]
            if is_lstm:
                gates, dc = a[now], dc0[:n]
                i, f, o, g = gates.reshape(n, 4, H).swapaxes(0, 1)
                da_i, da_f, da_o, da_g = da_t.reshape(n, 4, H).swapaxes(0, 1)
                np.multiply(dnext_h, tanh_c[now], out=da_o)
                slope = tanh_c[now] ** 2
                np.subtract(1, slope, out=slope)
                dnext_h *= o
                dnext_h *= slope
                dc += dnext_h
                np.multiply(dc, g, out=da_i)
                np.multiply(dc, prev_c[now], out=da_f)
                np.multiply(dc, i, out=da_g)
                dc *= f
                s = gates[:, : 3 * H]
                da_t[:, : 3 * H] *= s * (1 - s)
                da_g *= 1 - g * g
            else:
                da_t *= dnext_h
            np.matmul(da_t, back, out=dh0[:n])
        dWh = prev_h.T @ da
        # END SOLUTION
        return da, dh0, dWh

    def sample(self, features: Array, max_length: int = 30, **options: Any) -> Array:
        """Do what CaptioningRNN.sample does; greedy captions come faster.

        Args:
            features: (N, D) image features.
            max_length: Longest caption, in words.
            **options: As CaptioningRNN.sample, which serves them.

        Returns:
            (N, max_length) int32 word indices; what follows '<END>' is '<NULL>'.

        Raises:
            ValueError: As CaptioningRNN.sample.

        Example:
            >>> words = {"<NULL>": 0, "<START>": 1, "<END>": 2, "cat": 3}
            >>> model = FastCaptioningRNN(words, input_dim=5)
            >>> model.params["b_vocab"][3] = 100  # "cat", whatever the picture
            >>> model.sample(np.ones((2, 5), np.float32), max_length=4).tolist()
            [[3, 3, 3, 3], [3, 3, 3, 3]]
        """
        if options or self._start is None:
            return super().sample(features, max_length, **options)
        features = require_features(features, self.params["W_proj"])
        captions = np.full((len(features), max_length), self._null, dtype=np.int32)
        # TODO(extra): Greedy captions again, with two products fewer for each word:
        # scores and the next recurrent product both multiply the hidden state, and
        # W_embed @ Wx + b can be had once for all words. Drop finished captions.
        # BEGIN SOLUTION
        W_embed, W_vocab = self.params["W_embed"], self.params["W_vocab"]
        Wx, Wh, b = self.params["Wx"], self.params["Wh"], self.params["b"]
        H, kH = Wh.shape
        N, V = len(features), len(W_embed)
        # The table of all words costs V rows; the words themselves N rows a step.
        table = W_embed @ Wx + b if N * max_length > V else None
        both = np.concatenate([Wh, W_vocab], axis=1)
        h, _ = affine_forward(features, self.params["W_proj"], self.params["b_proj"])
        recurrent = h @ Wh
        c = np.zeros_like(h)
        words, rows = np.full(N, self._start), np.arange(N)
        for t in range(max_length):
            a = table[words] if table is not None else W_embed[words] @ Wx + b
            a += recurrent
            if self.cell_type == "lstm":
                squashed = a[:, : 3 * H]
                squashed *= 0.5
                np.tanh(a, out=a)
                squashed *= 0.5
                squashed += 0.5
                i, f, o, g = a.reshape(-1, 4, H).swapaxes(0, 1)
                c *= f
                c += i * g
                h = o * np.tanh(c)
            else:
                h = np.tanh(a, out=a)
            product = h @ both
            words = (product[:, kH:] + self.params["b_vocab"]).argmax(axis=1)
            captions[rows, t] = words
            keep = words != self._end
            recurrent = product[:, :kH]
            if not keep.all():
                rows, words, c = rows[keep], words[keep], c[keep]
                recurrent = recurrent[keep]
                if not rows.size:
                    break
        # END SOLUTION
        return captions
