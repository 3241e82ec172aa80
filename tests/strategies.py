"""Inputs that several test files share: ramps, memory layouts, Hypothesis strategies.

Letters in shapes: N sequences or examples, T timesteps, D inputs, H hidden units,
V words, M outputs; C channels, F filters, H x W pixels.
"""

import re

import numpy as np
from hypothesis import strategies as st

LAYOUTS = ("plain", "fortran", "sliced", "backward", "read-only")


def ramp(low, high, *shape):
    """Return evenly spaced numbers from low to high: the contract's fixed inputs."""
    return np.linspace(low, high, int(np.prod(shape))).reshape(shape)


def laid_out(values, layout):
    """Return the same values in another memory layout."""
    if values.ndim == 0:
        return values.copy()
    if layout == "fortran":
        return np.asfortranarray(values)
    if layout == "sliced":
        roomy = np.full([2 * size for size in values.shape], 99, dtype=values.dtype)
        view = roomy[tuple(slice(None, None, 2) for _ in values.shape)]
        view[...] = values
        return view
    if layout == "backward":
        turn = tuple(slice(None, None, -1) for _ in values.shape)
        return np.ascontiguousarray(values[turn])[turn]
    copy = np.array(values, order="C")
    if layout == "read-only":
        copy.flags.writeable = False
    return copy


def sizes(letters, largest=4, ordinary=False):
    """Draw a size from 1 to ``largest`` for each letter.

    Ordinary sizes are 2 and more, and all different.
    """
    if ordinary:
        orders = st.permutations(range(2, 2 + len(letters)))
        return orders.map(lambda order: dict(zip(letters, order, strict=True)))
    return st.fixed_dictionaries({c: st.integers(1, largest) for c in letters})


seeds = st.integers(0, 2**32 - 1)


@st.composite
def arrays(draw, shapes, dtype=np.float64, layouts=LAYOUTS):
    """Draw normal numbers for each named shape, each in some memory layout."""
    generator = np.random.default_rng(draw(seeds))
    return {
        name: laid_out(
            generator.normal(size=shape).astype(dtype), draw(st.sampled_from(layouts))
        )
        for name, shape in shapes.items()
    }


def step_shapes(N, D, H, gates=1, cell=False):
    """Name the inputs of a step; an LSTM has four gates and a cell."""
    shapes = {"x": (N, D), "prev_h": (N, H), "prev_c": (N, H)}
    if not cell:
        del shapes["prev_c"]
    return shapes | {"Wx": (D, gates * H), "Wh": (H, gates * H), "b": (gates * H,)}


def sequence_shapes(N, T, D, H, gates=1):
    """Name the inputs of a sequence layer; an LSTM has four gates."""
    return {
        "x": (N, T, D),
        "h0": (N, H),
        "Wx": (D, gates * H),
        "Wh": (H, gates * H),
        "b": (gates * H,),
    }


@st.composite
def steps(draw, gates=1, cell=False, ordinary=False):
    """Draw the inputs of one timestep."""
    size = draw(sizes("NDH", ordinary=ordinary))
    shapes = step_shapes(**size, gates=gates, cell=cell)
    return draw(arrays(shapes, layouts=LAYOUTS[: 1 if ordinary else None]))


@st.composite
def sequences(draw, gates=1, ordinary=False):
    """Draw the inputs of a sequence layer."""
    shapes = sequence_shapes(**draw(sizes("NTDH", ordinary=ordinary)), gates=gates)
    return draw(arrays(shapes, layouts=LAYOUTS[: 1 if ordinary else None]))


@st.composite
def words_and_vectors(draw, ordinary=False):
    """Draw (N, T) word indices, a (V, D) table and an (N, T, D) upstream gradient."""
    size = draw(sizes("NTVD", ordinary=ordinary))
    N, T, V, D = size.values()
    layouts = LAYOUTS[: 1 if ordinary else None]
    floats = draw(arrays({"W": (V, D), "dout": (N, T, D)}, layouts=layouts))
    words = np.random.default_rng(draw(seeds)).integers(V, size=(N, T))
    if ordinary:
        return {"x": words, **floats}
    dtype = draw(st.sampled_from([np.int64, np.int32, np.uint8]))
    layout = draw(st.sampled_from(LAYOUTS))
    return {"x": laid_out(words.astype(dtype), layout), **floats}


@st.composite
def scored_words(draw):
    """Draw (N, T, V) scores, (N, T) true words and an (N, T) mask."""
    N, T, V = draw(sizes("NTV")).values()
    x = draw(arrays({"x": (N, T, V)}))["x"]
    generator = np.random.default_rng(draw(seeds))
    y = generator.integers(V, size=(N, T))
    mask = generator.random((N, T)) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    return {
        "x": x,
        "y": laid_out(y, draw(st.sampled_from(LAYOUTS))),
        "mask": laid_out(mask, draw(st.sampled_from(LAYOUTS))),
    }


@st.composite
def convolutions(draw, dtype=np.float64):
    """Draw images, filters that fit, biases, and a convolution's settings."""
    N, C, F = (draw(st.integers(1, 4)) for _ in "NCF")
    pad, stride = draw(st.integers(0, 3)), draw(st.integers(1, 4))
    H, W = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    HH = draw(st.integers(1, min(H + 2 * pad, 5)))
    WW = draw(st.integers(1, min(W + 2 * pad, 5)))
    shapes = {"x": (N, C, H, W), "w": (F, C, HH, WW), "b": (F,)}
    return draw(arrays(shapes, dtype)), {"stride": stride, "pad": pad}


@st.composite
def pools(draw, dtype=np.float64):
    """Draw images and a pool's settings."""
    N, C = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    H, W = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    if draw(st.booleans()):  # tiles, which drawing freely seldom gives
        side = draw(st.integers(1, 3))
        H, W = H * side, W * side
        param = {"pool_height": side, "pool_width": side, "stride": side}
    else:
        param = {
            "pool_height": draw(st.integers(1, min(H, 4))),
            "pool_width": draw(st.integers(1, min(W, 4))),
            "stride": draw(st.integers(1, 4)),
        }
    return draw(arrays({"x": (N, C, H, W)}, dtype))["x"], param


def documented_shapes(function, section, letters):
    """Read the shapes that a docstring promises, as tuples of numbers.

    Args:
        function: Its docstring has entries such as ``dWx: (D, 4H) gradient at Wx.``
        section: ``Args`` or ``Returns``.
        letters: Letter -> size.

    Returns:
        Name -> shape, of the entries that begin with one.
    """
    text = re.split(r"\n\s+(?=[A-Z]\w+:\n)", function.__doc__)
    part = next(p for p in text if p.startswith(section + ":"))
    shapes = {}
    for name, inside in re.findall(r"^\s+(\w+): \(([A-Z0-9, ]+)\)", part, re.MULTILINE):
        sides = [re.fullmatch(r"(\d*)([A-Z])", s) for s in inside.split(", ")]
        if len(sides) == 1 and sides[0] is None:
            sides = [re.fullmatch(r"(\d*)([A-Z]),", inside)]
        shapes[name] = tuple(int(s[1] or 1) * letters[s[2]] for s in sides)
    return shapes
