"""What the notebooks' pictures show of a model, beside an independent computation."""

import numpy as np

from cs231n.classifiers.rnn import CaptioningRNN
from cs231n.lab.captions import measure_gates
from cs231n.rnn_layers import sigmoid


def test_measured_gates_are_those_of_the_equations(rng):
    words = {word: index for index, word in enumerate(["<NULL>", *"abcdefg"])}
    model = CaptioningRNN(words, 5, 4, 6, "lstm", np.float64)
    for name, w in model.params.items():
        model.params[name] = rng.normal(size=w.shape)
    p, features, read = model.params, rng.normal(size=5), [3, 1, 4, 1, 7]
    found = measure_gates(model, features, read)

    h, c = features @ p["W_proj"] + p["b_proj"], np.zeros(6)
    for t, word in enumerate(read):
        a = p["W_embed"][word] @ p["Wx"] + h @ p["Wh"] + p["b"]
        i, f, o = (sigmoid(a[k * 6 : (k + 1) * 6]) for k in range(3))
        g = np.tanh(a[18:])
        c = f * c + i * g
        h = o * np.tanh(c)
        np.testing.assert_allclose(found["kept"][t], f, rtol=1e-9)
        np.testing.assert_allclose(found["written"][t], i * g, rtol=1e-9)
        np.testing.assert_allclose(found["shown"][t], o, rtol=1e-6)
