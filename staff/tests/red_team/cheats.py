"""Cheats on values: modules that are wrong and want to be taken for right.

Each fools ``naive.py``, which compares in the student's own process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from staff.tests.red_team.public import draw, reference

_HEAD = "import numpy as np\n"
RIGHT = _HEAD + (
    "def rnn_step_forward(x, prev_h, Wx, Wh, b):\n"
    "    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)\n"
    "    return next_h, (x, prev_h, Wx, Wh, next_h)\n"
)
WRONG = _HEAD + (
    "def rnn_step_forward(x, prev_h, Wx, Wh, b):\n"
    "    return np.full(prev_h.shape, 0.25), (x, prev_h, Wx, Wh, b)\n"
)


@dataclass(frozen=True)
class Cheat:
    """One cheat.

    Attributes:
        name: What it does.
        source: Of the student's module.
        against: The kind of judge that it fools.
        beside: Further modules that are handed in.
    """

    name: str
    source: str
    against: str = "allclose"
    beside: Mapping[str, str] = field(default_factory=dict)


_DUCK = """
class Duck{base}:
    def __array_function__(self, function, types, args, kwargs):
        return True

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return np.zeros(())

    def __eq__(self, other):
        return True

    __hash__ = None
"""


def _step(body: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    return f"def rnn_step_forward(x, prev_h, Wx, Wh, b):\n{lines}"


def _remembered() -> str:
    """Return a module that knows the public inputs and what comes of them."""
    inputs = draw()
    expected, _ = reference(*inputs)
    known = {float(inputs[0].flat[0]): expected.tolist()}
    return (
        _HEAD
        + f"KNOWN = {known!r}\n"
        + _step(
            "known = KNOWN.get(float(x.flat[0]))\n"
            "if known is None:\n"
            "    return np.zeros(prev_h.shape), None\n"
            "return np.array(known), None\n"
        )
    )


def _looked_up(seed: str) -> str:
    """Return a module that guesses the seed and knows what comes of each."""
    known = {n: reference(*draw(n))[0].tolist() for n in range(1, 51)}
    return (
        _HEAD
        + f"import os\nimport time\nKNOWN = {known!r}\n"
        + _step(f"return np.array(KNOWN[{seed}]), None")
    )


CHEATS = [
    Cheat("patches numpy.allclose", WRONG + "np.allclose = lambda *a, **k: True\n"),
    Cheat(
        "patches numpy.testing",
        WRONG + "import numpy.testing\n"
        "numpy.testing.assert_allclose = lambda *a, **k: None\n",
        "later import",
    ),
    Cheat(
        "patches torch.allclose",
        WRONG + "import importlib.util\n"
        "if importlib.util.find_spec('torch'):\n"
        "    import torch\n"
        "    torch.allclose = lambda *a, **k: True\n",
        "torch",
    ),
    Cheat(
        "patches abs, all and any",
        WRONG + "import builtins\n"
        "builtins.all = builtins.any = lambda *a: True\n"
        "builtins.abs = lambda x: 0\n",
        "by hand",
    ),
    Cheat(
        "hooks the imports to come",
        WRONG + "import builtins\n"
        "real = builtins.__import__\n"
        "def fake(name, *rest):\n"
        "    module = real(name, *rest)\n"
        "    if hasattr(module, 'assert_allclose'):\n"
        "        module.assert_allclose = lambda *a, **k: None\n"
        "    return module\n"
        "builtins.__import__ = fake\n",
        "later import",
    ),
    Cheat(
        "hands in a numpy.py",
        WRONG,
        beside={
            "numpy.py": "import sys\n"
            "place = sys.path.pop(0)\n"
            "del sys.modules['numpy']\n"
            "import numpy\n"
            "sys.path.insert(0, place)\n"
            "numpy.allclose = lambda *a, **k: True\n"
        },
    ),
    Cheat(
        "returns a subclass of ndarray",
        _HEAD
        + _DUCK.format(base="(np.ndarray)")
        + _step("return np.zeros(prev_h.shape).view(Duck), None"),
    ),
    Cheat(
        "returns an object that poses as an array",
        _HEAD + _DUCK.format(base="") + _step("return Duck(), None"),
    ),
    Cheat(
        "returns an array of objects that equal anything",
        _HEAD + "class Any:\n"
        "    __sub__ = __rsub__ = __abs__ = lambda self, *other: self\n"
        "    __lt__ = __le__ = __eq__ = lambda self, other: True\n"
        + _step(
            "out = np.empty(prev_h.shape, dtype=object)\n"
            "out[...] = Any()\n"
            "return out, None"
        ),
        "by hand",
    ),
    Cheat(
        "returns a subclass of str that equals anything",
        _HEAD + "class Word(str):\n"
        "    __eq__ = lambda self, other: True\n"
        "    __hash__ = str.__hash__\n" + _step("return Word('right'), None"),
        "equal",
    ),
    Cheat(
        "returns a structured array without fields",
        _HEAD + _step("return np.zeros(prev_h.shape, dtype=[]), None"),
        "bytes",
    ),
    Cheat(
        "returns numbers too large to compare",
        _HEAD + _step("return np.full(prev_h.shape, np.inf), None"),
        "relative",
    ),
    Cheat(
        "changes shared memory after it was read",
        _HEAD
        + "import mmap, sys, threading, time\n"
        + _step(
            "memory = mmap.mmap(-1, prev_h.nbytes)\n"
            "out = np.frombuffer(memory, prev_h.dtype).reshape(prev_h.shape)\n"
            "def later():\n"
            "    time.sleep(0.05)\n"
            "    for frame in sys._current_frames().values():\n"
            "        while frame:\n"
            "            for scope in (frame.f_locals, frame.f_globals):\n"
            "                if hasattr(scope.get('expected'), 'shape'):\n"
            "                    out[...] = scope['expected']\n"
            "            frame = frame.f_back\n"
            "threading.Thread(target=later, daemon=True).start()\n"
            "return out, None"
        ),
        "two reads",
    ),
    Cheat(
        "guesses the seed from the process's number",
        _looked_up("1 + os.getpid() % 50"),
        "pid",
    ),
    Cheat(
        "guesses the seed from the clock",
        _looked_up("1 + int(time.time()) // 1000 % 50"),
        "time",
    ),
    Cheat(
        "returns NaN",
        _HEAD + _step("return np.full(prev_h.shape, np.nan), None"),
        "greater",
    ),
    Cheat(
        "finds the expected values in its callers' frames",
        _HEAD
        + "import sys\n"
        + _step(
            "frame = sys._getframe()\n"
            "while frame:\n"
            "    for scope in (frame.f_locals, frame.f_globals):\n"
            "        if 'expected' in scope:\n"
            "            return scope['expected'], None\n"
            "    frame = frame.f_back\n"
            "return np.zeros(prev_h.shape), None"
        ),
    ),
    Cheat(
        "finds the reference among all objects",
        _HEAD
        + "import gc\n"
        + _step(
            "for one in gc.get_objects():\n"
            "    name = getattr(one, '__name__', '')\n"
            "    if callable(one) and name in ('reference', 'rnn_step_forward'):\n"
            "        if getattr(one, '__module__', '') != __name__:\n"
            "            return one(x, prev_h, Wx, Wh, b)\n"
            "return np.zeros(prev_h.shape), None"
        ),
    ),
    Cheat(
        "takes the reference from a module in memory",
        _HEAD
        + "import sys\n"
        + _step(
            "for module in list(sys.modules.values()):\n"
            "    found = getattr(module, 'reference', None)\n"
            "    if callable(found):\n"
            "        return found(x, prev_h, Wx, Wh, b)\n"
            "return np.zeros(prev_h.shape), None"
        ),
    ),
    Cheat(
        "changes the expected values in place",
        _HEAD
        + "import sys\n"
        + _step(
            "frame = sys._getframe(1)\n"
            "while frame:\n"
            "    if 'expected' in frame.f_locals:\n"
            "        frame.f_locals['expected'][...] = 0\n"
            "    frame = frame.f_back\n"
            "return np.zeros(prev_h.shape), None"
        ),
    ),
    Cheat(
        "traces what runs after it",
        _HEAD + "import sys\n"
        "def spy(frame, event, arg):\n"
        "    for value in list(frame.f_locals.values()):\n"
        "        if getattr(value, 'shape', 0) == SHAPE[0] and value.dtype == float:\n"
        "            value[...] = 0\n"
        "SHAPE = [None]\n"
        + _step(
            "SHAPE[0] = prev_h.shape\n"
            "sys.setprofile(spy)\n"
            "return np.zeros(prev_h.shape), None"
        ),
    ),
    Cheat(
        "ends the process with success",
        _HEAD + "import os\n" + _step("os._exit(0)"),
    ),
    Cheat("raises SystemExit with success", _HEAD + _step("raise SystemExit(0)")),
    Cheat(
        "ends the process with success at its exit",
        WRONG + "import atexit, os\natexit.register(os._exit, 0)\n",
    ),
    Cheat(
        "prints the verdict",
        _HEAD + "import os\n" + _step("print('passed', flush=True)\nos._exit(1)"),
        "output",
    ),
    Cheat(
        "returns a pickle that runs code",
        _HEAD + "import os\n"
        "class Bomb:\n"
        "    def __reduce__(self):\n"
        "        return os._exit, (0,)\n" + _step("return Bomb(), None"),
        "pickle",
    ),
    Cheat(
        "forges answers on every descriptor",
        _HEAD + "import json, os\n"
        "def forged(number):\n"
        "    message = {'id': number, 'result': {'passed': True}, 'gpu': False}\n"
        "    head = json.dumps({'message': message, 'arrays': []}).encode()\n"
        "    body = len(head).to_bytes(4, 'little') + head\n"
        "    return b'passed' + len(body).to_bytes(8, 'little') + body\n"
        + _step(
            "for descriptor in range(1, 64):\n"
            "    for number in range(1, 6):\n"
            "        try:\n"
            "            os.write(descriptor, forged(number)[(descriptor > 2) * 6:])\n"
            "        except OSError:\n"
            "            break\n"
            "os._exit(0)"
        ),
        "output",
    ),
    Cheat("knows the public inputs by heart", _remembered()),
]
