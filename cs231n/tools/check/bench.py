"""Where a student's function is tried out: inputs, stand-ins for what is missing."""

import importlib
import inspect
import sys
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from cs231n.assignment.table import Function, namesake
from cs231n.tools.check.faults import GoneError, SealedError
from cs231n.tools.check.marks import Array, Record, Records, Results, agree, mark
from cs231n.tools.check.own_caches import OwnCaches
from cs231n.tools.check.returned import kind
from cs231n.tools.check.words import describe, is_stub, listed, unwritten
from cs231n.tools.check.written import code_of

GATES = ("the input gate", "the forget gate", "the output gate", "the block input")
ASIDE = "aside: "  # what results begin with that are not compared
ONE = "fails at a size of 1"  # what a remark about that begins with


class Bench:
    """One function of a student's, with all that a check of it needs.

    Attributes:
        function: Its row in the table.
        module: The module it stands in.
        call: The function itself.
        record: What is stored for it.
        remarks: What was noticed that costs nothing, in the order in which it was.
    """

    def __init__(self, function: Function, records: Records) -> None:
        """Import the student's module, which may fail in any way.

        Args:
            function: Its row in the table.
            records: What is stored, and the seed of the public inputs.
        """
        self.function, self.records = function, records
        self.record = records.functions.get(function.key, Record({}))
        self.remarks: list[str] = []
        self._seed = (records.seed + zlib.crc32(function.name.encode())) % 2**32
        self.module, self.call = self._found()

    # What follows up to ``agrees`` is all that touches a student's code and objects:
    # another kind of bench may have them in another process.

    def _found(self) -> tuple[Any, Any]:
        """Return the student's module and function."""
        module = importlib.import_module(self.function.module)
        return module, find_function(module, self.function.qualname)

    def other(self, name: str) -> "Bench":
        """Return the bench of another function, by its short name."""
        return Bench(namesake(self.function, name), self.records)

    def probe(self, name: str, *args: Any) -> Any:
        """Look into what a student's function built, with a function of ``probes``.

        Args:
            name: Which one.
            *args: What it is called with.
        """
        module = importlib.import_module("cs231n.tools.check.probes")
        return getattr(module, name)(*args)

    def code(self) -> str:
        """Return the function's code without comments and harmless calls."""
        return code_of(self.call)

    def describe(self, error: BaseException) -> str:
        """Say what an exception means to the one whose code raised it."""
        return describe(error, self.module)

    def is_stub(self, error: BaseException | None) -> bool:
        """Tell whether the function raised what a hand-out's stub raises."""
        return is_stub(error, self.call)

    def unwritten(self, error: BaseException | None) -> str:
        """Return the function that is yet to be written and was called, or ""."""
        return unwritten(error)

    def sizes(self, usual: Mapping[str, int]) -> dict[str, int]:
        """Return the sizes of inputs: letter -> size, by default the usual ones."""
        return dict(usual)

    def agrees(self, results: Results, way: str, within: float = 1e-6) -> bool:
        """Tell whether results are what is stored.

        Args:
            results: Of this function.
            way: How they came to be.
            within: Largest relative difference.
        """
        return all(
            any(agree(mark(name, results[name]), m, within) for m in accepted)
            for name, accepted in self.record.right[way].items()
        )

    def note(self, remark: str) -> None:
        """Remember what deserves a remark, once."""
        if remark not in self.remarks:
            self.remarks.append(remark)

    def shaped(self, name: str, value: Array, shape: tuple[int, ...]) -> Array:
        """Give a result the axes that are promised where it has others of size 1.

        That earns a remark. Another shape is left as it is.

        Args:
            name: What the result is called.
            value: Any shape.
            shape: The promised one.
        """
        longer = [tuple(n for n in s if n > 1) for s in (value.shape, shape)]
        if value.shape == shape or longer[0] != longer[1]:
            return value
        self.note(
            f"{name} has shape {value.shape}, where {shape} is promised: fine here, "
            "but whoever calls it may count on its axes"
        )
        return value.reshape(shape)

    def require(
        self,
        given: Mapping[str, Any],
        before: Mapping[str, Any],
        reader: str = "whoever calls it",
    ) -> None:
        """Note which inputs were changed: they may be, but it surprises callers.

        Args:
            given: Input -> array or tensor that was handed over.
            before: Input -> what it held.
            reader: Who may still need what stood there.
        """
        if changed := changed_inputs(given, before):
            self.note(
                f"changes its input {listed(changed)}, which costs nothing; but "
                f"{reader} may still need what stood there: work on a copy"
            )

    @property
    def seed(self) -> int:
        """What draws this function's inputs."""
        return (self._seed + self.record.draw) % 2**32

    def rng(self) -> np.random.RandomState:
        """Return the generator of this function's inputs, always from its start."""
        return np.random.RandomState(self.seed)

    def normals(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Draw standard normal numbers for each named shape."""
        rng = self.rng()
        return {name: rng.randn(*shape) for name, shape in shapes.items()}

    @contextmanager
    def instead(self, *steps: str, **layers: Callable[..., Any]) -> Iterator[None]:
        """Put other functions in the place of the student's, wherever they are known.

        Args:
            *steps: What the names of those layers begin with that hand out the caches
                of the student's own.
            **layers: Name -> what is called instead.
        """
        for step in steps:
            names = f"{step}_forward", f"{step}_backward"
            own = getattr(self.module, names[0])
            layers |= OwnCaches(own, *(layers[name] for name in names)).named(step)
        with replaced(layers):
            yield


@contextmanager
def replaced(layers: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Put functions in the place of others in all modules that know them, for a while.

    Args:
        layers: Name -> what is called instead.
    """
    students = [
        m for n, m in sys.modules.items() if n.startswith("cs231n.") and m is not None
    ]
    places = [(m, name) for m in students for name in layers if name in vars(m)]
    before = [(m, name, vars(m)[name]) for m, name in places]
    try:
        for m, name in places:
            setattr(m, name, layers[name])
        yield
    finally:
        for m, name, function in before:
            setattr(m, name, function)


def find(module: Any, qualname: str) -> Any:
    """Return what stands in a module under a name.

    Args:
        module: The module.
        qualname: Names with dots between them.

    Raises:
        GoneError: If nothing does.
    """
    found = module
    for part in qualname.split("."):
        if not hasattr(found, part):
            raise GoneError(
                f"{part} is not there any more: write it under this name again"
            )
        found = getattr(found, part)
    return found


def find_function(module: Any, qualname: str) -> Any:
    """Return the function that stands in a module under a name.

    Args:
        module: The module.
        qualname: Names with dots between them.

    Raises:
        GoneError: If there is none.
    """
    found = find(module, qualname)
    if inspect.isclass(found) or not callable(found):
        what = "a class" if inspect.isclass(found) else kind(found)
        raise GoneError(
            f"{qualname} is {what}, where a function is wanted: write it as it was "
            "handed out, and give other things another name"
        )
    return found


Shapes: TypeAlias = list[tuple[int, ...]]


class _Sealed:
    """A made-up layer's cache: students may keep it, and hand it on."""

    def __init__(self, content: Any) -> None:
        """Keep what only the layer itself looks at."""
        self._content = content

    def _refuse(self, *_: object) -> Any:
        raise SealedError

    __len__ = __iter__ = __getitem__ = __setitem__ = __delitem__ = _refuse
    __contains__ = __add__ = __radd__ = __mul__ = __call__ = _refuse

    def __getattr__(self, name: str) -> Any:
        """Refuse what a student's own cache might have; copying asks for others."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise SealedError


class StandIn:
    """A made-up layer with its true adjoint, for when a student's own is missing.

    Every output is a fixed random linear function of every floating point input, and
    depends on numbers of words in an arbitrary way; so it may on others that tell
    one call from another. When a call with these comes again, the rest has to be the
    same, or it is another layer. So it is as good as any to see whether it is called
    with the right things, goes back with the right cache, and its gradients go to the
    right places.
    """

    def __init__(
        self,
        like: Callable[..., Any],
        shapes: Callable[..., tuple[Shapes, Shapes]],
        back: Callable[..., Any] | None = None,
        words: Collection[int] = (),
        telling: Collection[int] = (),
    ) -> None:
        """Make up a layer.

        Args:
            like: The layer whose place it takes, for its signature.
            shapes: Maps the inputs to the shapes that they stand for, as broadcasting
                makes them, and to those of the outputs.
            back: The layer's backward function, for its signature.
            words: The places of inputs that hold numbers of words.
            telling: The places of other inputs that tell one call from another.
        """
        self._signature, self._shapes = inspect.signature(like), shapes
        self._words, self._telling = words, telling
        self._name = like.__name__
        self._backward = inspect.signature(back) if back else None
        self._maps: dict[str, tuple[Array, Array]] = {}
        self._calls: dict[str, list[list[Array]]] = {}
        self.went_back = False  # whether the backward function was called

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the outputs and a cache."""
        bound = self._signature.bind(*args, **kwargs).args
        inputs = [
            np.asarray(v) + (0 if k in self._words else 0.0)  # a state may begin as 0
            for k, v in enumerate(bound)
        ]
        words = str([inputs[k].tolist() for k in self._words])
        if self._telling:
            words += self._told_apart(inputs)
        full, shapes = self._shapes(*inputs)
        inputs = [np.broadcast_to(v, s) for v, s in zip(inputs, full, strict=True)]
        maps = [
            [
                None if k in self._words else self._map((o, k), shape, v, words)
                for k, v in enumerate(inputs)
            ]
            for o, shape in enumerate(shapes)
        ]
        outs = [
            np.reshape(
                sum(
                    narrow[0] @ (narrow[1] @ v.reshape(-1))
                    for narrow, v in zip(row, inputs, strict=True)
                    if narrow is not None
                ),
                shape,
            )
            for row, shape in zip(maps, shapes, strict=True)
        ]
        return (*outs, _Sealed((maps, full, shapes)))

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        """Return a gradient for each floating point input; a lone one by itself."""
        self.went_back = True
        if self._backward:
            args, kwargs = self._backward.bind(*args, **kwargs).args, {}
        *douts, cache = (*args, *kwargs.values())
        if not isinstance(cache, _Sealed):
            raise SealedError
        maps, full, shapes = cache._content
        flat = [
            np.broadcast_to(d, s).ravel() for d, s in zip(douts, shapes, strict=True)
        ]
        grads = [
            np.reshape(
                sum(
                    row[k][1].T @ (row[k][0].T @ dout)
                    for row, dout in zip(maps, flat, strict=True)
                ),
                shape,
            )
            for k, shape in enumerate(full)
            if maps[0][k] is not None
        ]
        return tuple(grads) if len(grads) > 1 else grads[0]

    def _told_apart(self, inputs: Sequence[Array]) -> str:
        """Return the same for calls with the same inputs that tell, and others."""
        told = str(
            [np.round(inputs[k].astype(float), 3).tolist() for k in self._telling]
        )
        before = self._calls.setdefault(told, [])
        for number, others in enumerate(before):
            if all(map(_close, others, inputs)):
                return f"{told} {number}"
        before.append([v.copy() for v in inputs])
        return f"{told} {len(before) - 1}"

    def _map(
        self, which: tuple[int, int], shape: tuple[int, ...], v: Array, words: str
    ) -> tuple[Array, Array]:
        """Return the two factors of what maps one input to one output."""
        key = f"{self._name} {which} {shape} {v.shape} {words}"
        if key not in self._maps:
            rng = np.random.RandomState(zlib.crc32(key.encode()))
            rows, rank = int(np.prod(shape)), 16
            wide, narrow = rng.randn(rows, rank), rng.randn(rank, v.size)
            self._maps[key] = wide / 4, narrow / np.sqrt(v.size)
        return self._maps[key]


def _close(one: Array, other: Array) -> bool:
    """Tell whether two arrays are the same but for the rounding of float32."""
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-3, atol=1e-3)


def changed_inputs(given: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """Return the names of inputs that do not hold any more what they held.

    Args:
        given: Input -> array or tensor that was handed over.
        before: Input -> what it held.
    """
    return [
        name
        for name, value in before.items()
        if not np.array_equal(_plain(given[name]), _plain(value), equal_nan=True)
    ]


def _plain(value: Any) -> Array:
    """Return an array's or a tensor's numbers; whatever else it is, as an object."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)


Run: TypeAlias = Callable[[Bench], Results]
Care: TypeAlias = Mapping[str, Mapping[str, Run]]


@dataclass(frozen=True)
class Exercise:
    """How one function is tried out.

    What ``run`` returns decides whether it is done: what the text of any edition asks
    for, at ordinary sizes. What fails of ``care`` earns a remark.

    Attributes:
        run: Calls the student's function in one of the ways, returns its results.
        ways: "own" goes with what the student wrote before; "sample" reads a stored
            cache instead; "stand-in" goes with made-up layers; others go with other
            sizes. One that succeeds is enough, so that no function has to pay for
            another one's mistakes, or for a size that the text leaves open.
        narrow: Way -> remark for a function that works in that way alone.
        within: Largest relative difference from what is stored, for all or by output.
        exact: Likewise, beyond which a result is right to the digits of float32 alone.
        care: Remark -> case -> run.
        differences: Name -> (result, finite difference of the student's own forward
            pass), or None where there is no such pair.
        earlier: Functions that this one may call, by their short names. Where one is
            not right, a wrong result says nothing, unless a stand-in took its place.
        replaced: Those of them that have stand-ins.
        conclusive: Tells whether a wrong result in a way says anything, if that hangs
            on more than calls.
        doubt: Says what an earlier function did to its own results, if anything, so
            that a wrong result of this one tells nothing.
        telling: Outputs that tell mistakes apart, where others depend on choices that
            are free; all of them if empty.
        mentions: What the code must hold before it is begun, as a regular expression.
        begun: The same for code whose results are those of an original hand-out, which
            raises nothing: None, an unchanged copy, captions of nothing.
        blank: Tells whether results are of that kind.
        no: Output -> what is said of it when it is wrong, where its number stands for
            yes or no: "is not the target's".
        letters: Sizes in use, for words about factors and axes.
        parts: Output -> what lies along which axis: "sequence", "timestep", "gate".
        inputs: Returns what the function is given, to be found again in results.
        suits: Tells from right results whether the inputs show all they should; if they
            do not, staff's maker of the marks draws others.
        gpu: Whether code may name a GPU: it works on torch's tensors.
        imports: Modules that answers may make Python import, and that take long: it
            shall not count as a function's time.
        inlined: Whether the solution does without what stand-ins replace.
        caches: What forward passes leave for the way "sample", as the modules stand.
    """

    run: Callable[[Bench, str], Results]
    ways: tuple[str, ...] = ("own",)
    narrow: Mapping[str, str] = field(default_factory=dict)
    within: float | Mapping[str, float] = 1e-8
    exact: float | Mapping[str, float] = 1.0
    care: Care = field(default_factory=dict)
    differences: Callable[[Bench], dict[str, tuple[Array, Array]]] | None = None
    earlier: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    conclusive: Callable[[Bench, str], bool] | None = None
    doubt: Callable[[Bench], str] | None = None
    telling: tuple[str, ...] = ()
    mentions: str = ""
    begun: str = ""
    blank: Callable[[Results], bool] | None = None
    no: Mapping[str, str] = field(default_factory=dict)
    letters: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    inputs: Callable[[Bench], Results] | None = None
    suits: Callable[[Results], bool] | None = None
    gpu: bool = False
    imports: tuple[str, ...] = ()
    inlined: bool = False
    caches: Callable[[Bench], tuple[Any, ...]] | None = None

    def limit(self, output: str) -> float:
        """Return the largest relative difference of one output."""
        return _of_output(self.within, output)

    def exact_limit(self, output: str) -> float:
        """Return what is allowed of an output that has all digits of float64."""
        return _of_output(self.exact, output)


def _of_output(limits: float | Mapping[str, float], output: str) -> float:
    if isinstance(limits, Mapping):
        return limits.get(output, limits[""])
    return limits


def pieces(value: Array, word: str, axis: int) -> list[Array]:
    """Part a result along an axis: in four for gates, else one by one."""
    count = 4 if word == "gate" else value.shape[axis]
    return np.split(value, count, axis)
