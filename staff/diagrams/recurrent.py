"""Diagrams of Q1 and Q2: recurrent networks, and how they make captions."""

from staff.diagrams import figures
from staff.diagrams.pen import Diagram, Kind, Pen


def rnn() -> Diagram:
    """Draw an unrolled RNN, and the two ways in which gradients reach its states."""
    pen = Pen(372)
    states, steps = [46, 190, 334, 478], [118, 262, 406]
    top, row, inputs, weights, key = 46, 158, 250, 314, 352
    for t, x in enumerate(steps, start=1):
        before, after = states[t - 1], states[t]
        pen.arrow((x - 16, inputs - 18), (x - 16, row + 24))
        pen.arrow((x + 18, weights - 17), (x + 18, row + 24), kind="line")
        pen.circle((x - 16, inputs), 18, f"$x_{t}$", "data")
        pen.arrow((before + 19, row - 7), (x - 31, row - 7))
        pen.arrow((x + 30, row - 7), (after - 20, row - 7))
        pen.arrow((after - 20, row + 9), (x + 32, row + 9), kind="gradient")
        pen.arrow((x - 30, row + 9), (before + 20, row + 9), kind="gradient")
        pen.box((x, row), (60, 46), "step")
        pen.arrow((after - 8, row - 19), (after - 8, top + 20))
        pen.arrow((after + 9, top + 19), (after + 9, row - 19), kind="gradient")
        pen.box((after, top), (76, 38), f"loss {t}", "loss")
        pen.write((after - 18, 102), f"`dh[:, {t - 1}]`", "end", "small told")
    for t, x in enumerate(states):
        pen.circle((x, row), 20, f"$h_{t}$")
    pen.box((262, weights), (420, 34), "$W_x$, $W_h$, $b$: the same at every timestep")
    pen.arrow((30, key), (66, key))
    pen.note((74, key), "forward", "start")
    pen.arrow((206, key), (170, key), kind="gradient")
    pen.note((214, key), "gradients, on their way back", "start")
    return pen.done(
        "An unrolled RNN, forward and backward",
        """An RNN, unrolled over three timesteps. From left to right, the state h0 and
        the input x1 enter a step that yields h1, then h1 and x2 a step that yields h2,
        then h2 and x3 one that yields h3. All steps use the same weights Wx, Wh and b.
        Above each of h1, h2 and h3 stands a loss of its own. Dashed arrows show
        gradients: a state gets one from its own loss, which is its part of dh, and one
        from the step after it, which comes from all later losses. The last state has no
        step after it; the initial state h0 has no loss.""",
    )


def lstm() -> Diagram:
    """Draw the cell of an LSTM with its gates, forward."""
    pen = Pen(436)
    cell, low, gates, blocks, sums = 66, 204, 272, 330, 384
    f, i, g, o, add = 130, 226, 314, 412, 270
    # The cell state runs straight through.
    pen.arrow((20, cell), (f - 14, cell))
    pen.arrow((f + 13, cell), (add - 14, cell))
    pen.arrow((add + 13, cell), (522, cell))
    pen.write((42, cell - 20), "$c_{t-1}$")
    pen.write((500, cell - 20), "$c_t$")
    pen.note((f, cell - 28), "forget")
    pen.note((add, cell - 28), "write")
    # What is kept, what is written.
    pen.arrow((f, gates - 16), (f, cell + 14))
    pen.arrow((i, gates - 16), (i, low), (add - 14, low))
    pen.arrow((g, gates - 16), (g, low), (add + 14, low))
    pen.arrow((add, low - 13), (add, cell + 14))
    # What is shown.
    pen.arrow((o, cell), (o, 108))
    pen.box((o, 125), (62, 32), "tanh", "plain")
    pen.arrow((o, 141), (o, low - 14))
    pen.arrow((o, gates - 16), (o, low + 14))
    pen.arrow((o + 13, low), (522, low))
    pen.write((500, low - 18), "$h_t$")
    pen.note((o + 16, low + 22), "show", "start")
    for centre, sign in (
        ((f, cell), "⊙"),
        ((add, cell), "+"),
        ((add, low), "⊙"),
        ((o, low), "⊙"),
    ):
        pen.circle(centre, 13, sign)
    # The gates, and the blocks that they are made of.
    for name, x in {"f": f, "i": i, "g": g, "o": o}.items():
        pen.arrow((x, sums - 17), (x, blocks + 16))
        pen.arrow((x, blocks - 15), (x, gates + 17))
        pen.box((x, blocks), (64, 30), f"$a_{name}$", "data", round_=3)
        pen.box(
            (x, gates),
            (62, 32),
            "tanh" if name == "g" else "$\N{GREEK SMALL LETTER SIGMA}$",
        )
        pen.write((x - 11, gates - 30), f"${name}$", "end")
    pen.box((271, sums), (346, 34), "$a = x_t W_x + h_{t-1} W_h + b$")
    pen.write((42, sums - 11), "$x_t$")
    pen.write((42, sums + 13), "$h_{t-1}$")
    pen.arrow((66, sums), (96, sums))
    order = "In $a$ itself the blocks stand in the order $i$, $f$, $o$, $g$."
    pen.note((271, 418), order)
    return pen.done(
        "One timestep of an LSTM",
        """One timestep of an LSTM. At the bottom, the input and the hidden state of the
        timestep before give four blocks of numbers. Three of them pass through a
        sigmoid each and become the gates f, i and o; the fourth passes through a tanh
        and becomes g. At the top, the cell state runs straight from left to right: it
        is multiplied by f, which forgets, and then the product of i and g is added,
        which writes. The new cell state goes on to the next timestep. It also passes
        through a tanh, is multiplied by o, which shows, and becomes the new hidden
        state.""",
    )


def captioning() -> Diagram:
    """Draw the captioning model, from a picture to the loss of its words."""
    pen = Pen(526)
    words = ["<START>", "a", "red", "boat", "<END>"]
    left, middle, wide = 66, 333, 384
    columns = [186, 284, 382, 480]
    targets, loss, affine, steps, vectors, reads = 62, 130, 200, 270, 400, 462
    for t, x in enumerate(columns):
        pen.arrow((x, reads - 16), (x, vectors + 19))
        pen.arrow((x, vectors - 18), (x, steps + 23))
        pen.arrow((x, steps - 22), (x, affine + 19))
        pen.arrow((x, affine - 18), (x, loss + 19))
        pen.arrow((x, targets + 16), (x, loss - 20))
        pen.arrow((columns[t - 1] + 31 if t else left + 20, steps), (x - 32, steps))
        pen.box((x, targets), (86, 32), words[t + 1], "data")
        pen.box((x, steps), (60, 42), "step")
        pen.box((x, reads), (86, 32), words[t], "data")
    pen.note((middle, 28), "next words: `captions_out`")
    pen.box(
        (middle, loss), (wide, 36), "softmax: how probable are the next words?", "loss"
    )
    pen.box((middle, affine), (wide, 36), "affine: a score for each word there is")
    pen.box((middle, vectors), (wide, 36), "word embedding: a vector for each word")
    pen.note((middle, 500), "words that are read: `captions_in`")
    # From the picture to the first state.
    figures.scene(pen, (left - 49, 410), 98)
    pen.note((left, 500), "picture")
    pen.arrow((left, 410), (left, 392))
    pen.box((left, 376), (104, 30), "CNN (given)", "off", style="small")
    pen.arrow((left, 361), (left, 340))
    pen.box((left, 324), (104, 30), "affine")
    pen.arrow((left, 309), (left, steps + 21))
    pen.circle((left, steps), 20, "$h_0$")
    return pen.done(
        "From a picture to words",
        """The captioning model in training. At the left, a pretrained network turns a
        picture of a red boat into features, and an affine layer turns those into the
        initial state h0. From there a recurrent network goes from left to right, one
        step for each word. From below, each step reads a true word by way of the word
        embedding: START, a, red, boat. Above each step, an affine layer gives a score
        for each word of the vocabulary, and a softmax says how probable the true next
        word is: a, red, boat, END. All timesteps share the same layers.""",
    )


def temporal_softmax() -> Diagram:
    """Draw the loss of two captions: the mask says which timesteps count."""
    pen = Pen(412)
    columns, right = [52, 138, 224, 310, 396], 490
    captions = [
        (["a", "red", "boat", "sails", "<END>"], [1, 2, 4, 0, 3]),
        (["waves", "<END>", "<NULL>", "<NULL>", "<NULL>"], [4, 3]),
    ]
    bars = [0.24, 0.5, 0.32, 0.16, 0.4]
    for t, x in enumerate(columns, start=1):
        pen.note((x, 24), f"timestep {t}")
    for n, (words, true) in enumerate(captions):
        top, word, mask, line = (y + 178 * n for y in (44, 124, 150, 178))
        for t, x in enumerate(columns):
            counts = t < len(true)
            chosen = true[t] if counts else 0
            heights = bars[t + n :] + bars[: t + n]
            heights[chosen] = 0.95 - 0.12 * ((t + n) % 3)
            figures.scores(pen, (x - 34, top), (68, 58), heights, chosen, not counts)
            kind: Kind = "data" if counts else "off"
            style = "small" if counts else "small soft"
            pen.box((x, word), (76, 28), words[t], kind, style)
            pen.write((x, mask), str(counts), style=style)
            if counts:
                pen.arrow((x, mask + 11), (x, line), tip=False)
        pen.arrow((columns[0], line), (right - 33, line))
        pen.box((right, line), (64, 34), "sum", "loss")
    pen.arrow((right, 196), (right, 236))
    pen.arrow((right, 338), (right, 298))
    pen.box((right, 267), (80, 60), "average:\nthe loss", "loss")
    told = "Bars: how probable each word is. Yellow: the one that comes."
    pen.note((250, 390), told)
    return pen.done(
        "Temporal softmax with its mask",
        """The loss of two captions over five timesteps. At each timestep, bars show how
        probable the network holds each word, and the word that really comes is marked.
        The first caption, a red boat sails END, fills all five timesteps: its mask is
        True everywhere and all five losses are summed. The second one, waves END, is
        filled up with NULL: at these three timesteps the mask is False and nothing goes
        into the sum. The two sums are averaged, which gives the loss.""",
    )
