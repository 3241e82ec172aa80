"""Q1, Q2, yours: the captioning model, image features in, a sentence out.

Letters in shapes: N captions, T words, D image features, W word vector size, H hidden
size, V words in the vocabulary.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import DTypeLike

from cs231n.layers import *
from cs231n.rnn_layers import *
from cs231n.support.validate import require_batch, require_features


class CaptioningRNN:
    """Caption images with a vanilla RNN or an LSTM.

    The image's features, through an affine layer, are the initial hidden state. At each
    timestep the network reads a word and scores the next one.

    Attributes:
        cell_type: 'rnn' or 'lstm'.
        dtype: Of the parameters.
        word_to_idx: Word -> index.
        idx_to_word: Index -> word.
        params: Name -> array; k is 1 for the RNN and 4 for the LSTM.
            W_embed (V, W), W_proj (D, H), b_proj (H,), Wx (W, k*H), Wh (H, k*H),
            b (k*H,), W_vocab (H, V), b_vocab (V,).

    Example:
        >>> words = {"<NULL>": 0, "<START>": 1, "<END>": 2, "cat": 3}
        >>> model = CaptioningRNN(words, wordvec_dim=6, hidden_dim=7, cell_type="lstm")
        >>> model.params["Wx"].shape, model.params["W_vocab"].shape
        ((6, 28), (7, 4))
    """

    def __init__(
        self,
        word_to_idx: Mapping[str, int],
        input_dim: int = 512,
        wordvec_dim: int = 128,
        hidden_dim: int = 128,
        cell_type: str = "rnn",
        dtype: DTypeLike = np.float32,
    ) -> None:
        """Draw the initial weights from NumPy's global generator.

        Args:
            word_to_idx: Word -> index; must hold '<NULL>', and '<START>' and '<END>'
                for sampling.
            input_dim: D, numbers in an image's features.
            wordvec_dim: W, size of a word's vector.
            hidden_dim: H, size of the hidden state.
            cell_type: 'rnn' or 'lstm'.
            dtype: float32 for training, float64 for gradient checks.

        Raises:
            ValueError: If the cell type is neither, or '<NULL>' is missing.
        """
        if cell_type not in {"rnn", "lstm"}:
            raise ValueError(f"cell_type is {cell_type!r}; use 'rnn' or 'lstm'.")
        if "<NULL>" not in word_to_idx:
            raise ValueError(
                "word_to_idx has no '<NULL>', which pads short captions; "
                "give it an index of its own."
            )
        self.cell_type = cell_type
        self.dtype = dtype
        self.word_to_idx = word_to_idx
        self.idx_to_word = {i: w for w, i in word_to_idx.items()}
        self.params: dict[str, Array] = {}

        self._null = word_to_idx["<NULL>"]
        self._start = word_to_idx.get("<START>")
        self._end = word_to_idx.get("<END>")

        D, W, H, V = input_dim, wordvec_dim, hidden_dim, len(word_to_idx)
        k = {"rnn": 1, "lstm": 4}[cell_type]
        # The order of the five draws is part of every seeded run.
        self.params["W_embed"] = np.random.randn(V, W) / 100
        self.params["W_proj"] = np.random.randn(D, H) / np.sqrt(D)
        self.params["b_proj"] = np.zeros(H)
        self.params["Wx"] = np.random.randn(W, k * H) / np.sqrt(W)
        self.params["Wh"] = np.random.randn(H, k * H) / np.sqrt(H)
        self.params["b"] = np.zeros(k * H)
        self.params["W_vocab"] = np.random.randn(H, V) / np.sqrt(H)
        self.params["b_vocab"] = np.zeros(V)
        for name, value in self.params.items():
            self.params[name] = value.astype(dtype)

    def loss(self, features: Array, captions: Array) -> tuple[float, dict[str, Array]]:
        """Score captions given their images, and differentiate the score.

        The network reads all words but the last and is to predict all but the first;
        predictions of '<NULL>' do not count. There is no regularization.

        Args:
            features: (N, D) image features.
            captions: (N, T) word indices, integers, T >= 2.

        Returns:
            loss: Summed over words, averaged over captions.
            grads: Gradient of each parameter, under the same names.

        Raises:
            ValueError: If the shapes do not fit each other or the model.
            TypeError: If captions are not integers.
            IndexError: If a word lies outside the vocabulary.

        Example:
            >>> words = {"<NULL>": 0, "a": 1, "b": 2, "c": 3}
            >>> model = CaptioningRNN(words, input_dim=5)
            >>> for w in model.params.values():
            ...     w[:] = 0  # all four words are equally probable
            >>> captions = np.array([[1, 2, 3], [3, 2, 0]])  # three words to predict
            >>> loss, grads = model.loss(np.ones((2, 5), np.float32), captions)
            >>> f"{loss:.4f}", f"{3 * np.log(4) / 2:.4f}", grads["W_embed"].shape
            ('2.0794', '2.0794', (4, 128))
        """
        features, captions = require_batch(
            features, captions, self.params["W_proj"], len(self.word_to_idx)
        )
        captions_in, captions_out = captions[:, :-1], captions[:, 1:]
        mask = captions_out != self._null

        W_proj, b_proj = self.params["W_proj"], self.params["b_proj"]
        W_embed = self.params["W_embed"]
        Wx, Wh, b = self.params["Wx"], self.params["Wh"], self.params["b"]
        W_vocab, b_vocab = self.params["W_vocab"], self.params["b_vocab"]
        loss, grads = 0.0, {}

        # TODO(Q1): Compute the loss and, in grads, the gradient of every parameter:
        #   features -> affine -> initial hidden state
        #   captions_in -> word embedding -> RNN (or, in Q2, LSTM) -> temporal affine
        #   -> temporal softmax against captions_out where mask is True.
        # Then walk back through the same layers.
        # BEGIN SOLUTION
        forward, backward = {
            "rnn": (rnn_forward, rnn_backward),
            "lstm": (lstm_forward, lstm_backward),
        }[self.cell_type]
        h0, proj_cache = affine_forward(features, W_proj, b_proj)
        words, embed_cache = word_embedding_forward(captions_in, W_embed)
        h, cell_cache = forward(words, h0, Wx, Wh, b)
        scores, vocab_cache = temporal_affine_forward(h, W_vocab, b_vocab)
        loss, dscores = temporal_softmax_loss(scores, captions_out, mask)

        dh, grads["W_vocab"], grads["b_vocab"] = temporal_affine_backward(
            dscores, vocab_cache
        )
        dwords, dh0, grads["Wx"], grads["Wh"], grads["b"] = backward(dh, cell_cache)
        grads["W_embed"] = word_embedding_backward(dwords, embed_cache)
        _, grads["W_proj"], grads["b_proj"] = affine_backward(dh0, proj_cache)
        # END SOLUTION
        return loss, grads

    def sample(
        self,
        features: Array,
        max_length: int = 30,
        *,
        temperature: float | None = None,
        top_k: int | None = None,
        beam_width: int = 1,
        length_power: float = 1.0,
        rng: np.random.Generator | int | None = None,
    ) -> Array:
        """Caption images, a word at a time.

        As called by default, each word is the one with the highest score (greedy).

        Args:
            features: (N, D) image features.
            max_length: Longest caption, in words.
            temperature: Draw words from the softmax of scores / temperature instead;
                towards 0 this approaches greedy choice, above 1 it grows adventurous.
            top_k: Draw among the k words with the highest scores only (at temperature
                1 if none is given).
            beam_width: Keep this many partial captions for each image and return the
                one with the highest log probability / length ** length_power.
            length_power: 0 favours short captions; 1 compares averages per word.
            rng: Generator or seed for the draws.

        Returns:
            (N, max_length) int32 word indices; what follows '<END>' is '<NULL>'.

        Raises:
            ValueError: If the features do not fit the model, the vocabulary lacks
                '<START>', or the options contradict each other.

        Example:
            >>> words = {"<NULL>": 0, "<START>": 1, "<END>": 2, "cat": 3}
            >>> model = CaptioningRNN(words, input_dim=5)
            >>> model.params["b_vocab"][3] = 100  # "cat", whatever the picture
            >>> model.sample(np.ones((2, 5), np.float32), max_length=4).tolist()
            [[3, 3, 3, 3], [3, 3, 3, 3]]
        """
        features = require_features(features, self.params["W_proj"])
        self._require_options(temperature, top_k, beam_width, length_power)
        if beam_width > 1:
            return self._beam_search(features, max_length, beam_width, length_power)
        choose = _word_chooser(temperature, top_k, rng)

        N = features.shape[0]
        captions = np.full((N, max_length), self._null, dtype=np.int32)
        W_proj, b_proj = self.params["W_proj"], self.params["b_proj"]
        W_embed = self.params["W_embed"]
        Wx, Wh, b = self.params["Wx"], self.params["Wh"], self.params["b"]
        W_vocab, b_vocab = self.params["W_vocab"], self.params["b_vocab"]

        # TODO(Q1): Fill captions, column by column. The first word to feed is
        # self._start, and an LSTM's cell state (Q2) starts at zero. choose(scores)
        # turns an (N, V) array of scores into N words. Stopping at self._end is welcome
        # but not required.
        # BEGIN SOLUTION
        h, _ = affine_forward(features, W_proj, b_proj)
        c = np.zeros_like(h)
        words = np.full(N, self._start)
        running = np.ones(N, dtype=bool)
        for t in range(max_length):
            x = W_embed[words]
            if self.cell_type == "rnn":
                h, _ = rnn_step_forward(x, h, Wx, Wh, b)
            else:
                h, c, _ = lstm_step_forward(x, h, c, Wx, Wh, b)
            words = choose(h @ W_vocab + b_vocab)
            captions[running, t] = words[running]
            running &= words != self._end
            if not running.any():
                break
        # END SOLUTION
        return captions

    def _require_options(
        self,
        temperature: float | None,
        top_k: int | None,
        beam_width: int,
        length_power: float,
    ) -> None:
        """Insist on a first word, and on options of ``sample`` that go together."""
        if self._start is None:
            raise ValueError(
                "The vocabulary has no '<START>', so there is no first word to feed; "
                "build the model with a word_to_idx that has one."
            )
        drawn = temperature is not None or top_k is not None
        if beam_width < 1 or (beam_width > 1 and drawn):
            raise ValueError(
                f"beam_width={beam_width}, temperature={temperature} and top_k={top_k} "
                "do not go together; choose a beam of 1 or more, or draw at random."
            )
        if length_power < 0:
            raise ValueError(f"length_power is {length_power}; use 0 or more.")

    def _beam_search(
        self, features: Array, max_length: int, width: int, length_power: float
    ) -> Array:
        """Caption images with beam search, all images and beams in one batch.

        Args:
            features: (N, D) image features.
            max_length: Longest caption, in words.
            width: Partial captions kept for each image.
            length_power: Captions are ranked by log probability / length ** this.

        Returns:
            (N, max_length) int32 word indices; what follows '<END>' is '<NULL>'.
        """
        N, V = features.shape[0], len(self.word_to_idx)
        best = np.full((N, max_length), self._null, dtype=np.int32)

        # TODO(extra): Keep the ``width`` most probable partial captions of each image.
        # A beam ends with self._end (if the vocabulary has one) or at max_length.
        # BEGIN SOLUTION
        W_embed, W_vocab = self.params["W_embed"], self.params["W_vocab"]
        Wx, Wh, b = self.params["Wx"], self.params["Wh"], self.params["b"]
        K = min(width, V**max_length)  # there are no more captions than that
        h, _ = affine_forward(features, self.params["W_proj"], self.params["b_proj"])
        h = np.repeat(h, K, axis=0)  # the beams of an image are neighbours, (N*K, H)
        c = np.zeros_like(h)
        words = np.full(N * K, self._start)
        beams = np.full((N, K, max_length), self._null, dtype=np.int32)
        log_p = np.full((N, K), -np.inf)
        log_p[:, 0] = 0  # all beams are the same at first: expand one of them
        best_score = np.full(N, -np.inf)
        for t in range(max_length):
            x = W_embed[words]
            if self.cell_type == "rnn":
                h, _ = rnn_step_forward(x, h, Wx, Wh, b)
            else:
                h, c, _ = lstm_step_forward(x, h, c, Wx, Wh, b)
            scores = (h @ W_vocab + self.params["b_vocab"]).astype(np.float64)
            scores -= scores.max(axis=1, keepdims=True)
            scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
            grown = (log_p[:, :, None] + scores.reshape(N, K, V)).reshape(N, K * V)

            chosen = np.argsort(-grown, axis=1, kind="stable")[:, :K]
            log_p = np.take_along_axis(grown, chosen, axis=1)
            parent, word = np.divmod(chosen, V)
            beams = np.take_along_axis(beams, parent[:, :, None], axis=1)
            beams[:, :, t] = word
            rows = (np.arange(N)[:, None] * K + parent).reshape(-1)
            h, c, words = h[rows], c[rows], word.reshape(-1)

            ended = word == self._end
            if t == max_length - 1:
                ended[:] = True
            ranked = np.where(ended, log_p / (t + 1) ** length_power, -np.inf)
            winner = ranked.argmax(axis=1)
            n = np.flatnonzero(ranked[np.arange(N), winner] > best_score)
            best[n], best_score[n] = beams[n, winner[n]], ranked[n, winner[n]]
            log_p[ended] = -np.inf
            # log_p only falls, so this bounds what the running beams can still reach.
            reach = log_p.max(axis=1) / max_length**length_power
            if np.all(best_score >= reach):
                break
        # END SOLUTION
        return best


def _word_chooser(
    temperature: float | None,
    top_k: int | None,
    rng: np.random.Generator | int | None,
) -> Callable[[Array], Array]:
    """Return a function that turns (N, V) scores into N word indices."""
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k is {top_k}; choose among 1 word or more.")
    if temperature is not None and not temperature > 0:
        raise ValueError(
            f"temperature is {temperature}; use a positive number, or none for greedy "
            "captions."
        )
    if temperature is None and top_k is None:
        return lambda scores: scores.argmax(axis=1)
    generator = np.random.default_rng(rng)

    def draw(scores: Array) -> Array:
        scores = scores - scores.max(axis=1, keepdims=True)
        with np.errstate(over="ignore"):  # -inf is right where that happens
            scores = scores.astype(np.float64) / (temperature or 1.0)
        if top_k is not None and top_k < scores.shape[1]:
            floor = np.partition(scores, -top_k, axis=1)[:, -top_k, None]
            scores = np.where(scores >= floor, scores, -np.inf)
        # Adding Gumbel noise and taking the largest draws from the softmax.
        words: Array = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
        return words

    return draw
