"""The worker's side: calls a student's functions, and says what came of it.

It knows no expected value: arguments come over the line, results go back. What is no
number stays here and is known by a token outside. Where a function's arguments cannot
cross, as TensorFlow's models, the exercise itself runs here, with a seed that came over
the line. The file is loaded by its path, as is what it needs of ``staff``, before any
student's code, in a process that has no ``staff``.
"""

import importlib
import importlib.util
import inspect
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cs231n.assignment.table import Function, function
from cs231n.tools.check.bench import Bench, Exercise, find, find_function, replaced
from cs231n.tools.check.exercises import exercise
from cs231n.tools.check.faults import (
    GoneError,
    NothingError,
    UnfitError,
    WaitingError,
)
from cs231n.tools.check.marks import Record, Records
from cs231n.tools.check.own_caches import OwnCaches
from cs231n.tools.check.returned import kind
from cs231n.tools.check.words import broken_module, describe, is_stub, unwritten

if TYPE_CHECKING:
    from staff.grading import line
    from staff.grading.sandbox import frames
else:

    def _beside(path: str) -> ModuleType:
        place = Path(__file__).parent / path
        name = f"cs231n_grading_{place.stem}"
        spec = importlib.util.spec_from_file_location(name, place)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    line, frames = _beside("line.py"), _beside("sandbox/frames.py")

Array: TypeAlias = NDArray[Any]
MOST = 200  # things in a list or a dictionary that cross
KEPT = 20_000  # objects that are kept for the judge
NEVER_SMALL = "NTV"  # exercises put words into certain places of these
_OVER = (line.LineError, frames.EndError, frames.FrameError, OSError)


def main(read_descriptor: int, write_descriptor: int) -> None:
    """Answer requests until nobody asks any more.

    Args:
        read_descriptor: Where requests come from.
        write_descriptor: Where answers go.
    """
    inside = Inside(read_descriptor, write_descriptor)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        inside.serve()


def prepare(framework: str) -> None:
    """Import what takes long, before a server forks workers.

    Args:
        framework: What they shall have: "torch", "tensorflow" or nothing.
    """
    names = ["scipy.sparse"]
    if framework == "torch":
        names += [
            "torch._dynamo",
            "cs231n.tools.check.probes",
            "cs231n.tools.check.gpu",
        ]
    if framework == "tensorflow":
        names += ["tensorflow"]
    for name in names:
        importlib.import_module(name)


class FreshBench(Bench):
    """A bench whose inputs may be of other sizes than the public ones."""

    def __init__(
        self, function: Function, records: Records, small: bool | None
    ) -> None:
        """Import the function's module.

        Args:
            function: Its row in the table.
            records: What is right, and the seed of the inputs.
            small: Whether inputs are smaller than the public ones, or larger; as
                large if None.
        """
        self._small = small
        super().__init__(function, records)

    def sizes(self, usual: Mapping[str, int]) -> dict[str, int]:
        """Return the sizes of inputs."""
        if self._small is None:
            return dict(usual)
        return dict(fresh_sizes(tuple(usual.items()), self.seed, self._small))


def _told(how: Exercise) -> dict[str, Any]:
    """Return what can be told of an exercise in plain words and numbers."""
    within = how.within
    return {
        "ways": list(how.ways),
        "narrow": dict(how.narrow),
        "within": dict(within) if isinstance(within, Mapping) else {"": within},
        "care": {title: list(cases) for title, cases in how.care.items()},
        "earlier": list(how.earlier),
        "replaced": list(how.replaced),
        "telling": list(how.telling),
        "mentions": how.mentions,
        "begun": how.begun,
        "no": dict(how.no),
        "letters": dict(how.letters),
        "parts": {name: dict(axes) for name, axes in how.parts.items()},
    }


@lru_cache(maxsize=1000)
def fresh_sizes(
    usual: tuple[tuple[str, int], ...], seed: int, small: bool
) -> Mapping[str, int]:
    """Draw sizes that all differ.

    Large ones have no neighbours, and some small ones are below 5: ``reshape(H - W)``
    is right by luck where W is H + 1, and ``reshape(4 - H)`` where H is more than 4.

    Args:
        usual: Each letter, and the size that public inputs have.
        seed: Draws them.
        small: Whether those that may be are smaller than the usual ones.
    """
    rng = np.random.RandomState(seed)
    apart = 1 if small else 2
    while True:
        sizes = {
            letter: 2 + int(rng.randint(3))
            if small and letter not in NEVER_SMALL
            else n + int(rng.randint(8))
            for letter, n in usual
        }
        if all(b - a >= apart for a, b in pairwise(sorted(sizes.values()))):
            return sizes


class Held:
    """Something that lies outside and means nothing here, such as a cache."""

    def __init__(self, token: int) -> None:
        """Keep the number that it is known by."""
        self.token = token


class Inside:
    """What a worker does."""

    def __init__(self, read_descriptor: int, write_descriptor: int) -> None:
        """Take the two ends of the line."""
        self._from, self._to = read_descriptor, write_descriptor
        self._id = 0
        self._kept: dict[int, Any] = {}
        self._steps: dict[str, OwnCaches] = {}
        self._graphs: dict[int, tuple[list[Any], list[Any]]] = {}
        self._names_gpu = self._maps_gpu = False
        self._for_good = ExitStack()
        self._module: Any = None
        self._function: Any = None

    def serve(self) -> None:
        """Answer requests until nobody asks any more."""
        while True:
            try:
                request, arrays = self._next()
            except _OVER:
                return
            self._id = request["id"]
            answer: dict[str, Any]
            out: list[Array] = []
            try:
                answer = self._do(request, arrays, out)
            except BaseException as error:  # as may a student's function
                out.clear()
                answer = {"error": self._fault(error)}
            answer |= {"id": request["id"], "gpu": self._names_gpu}
            try:
                frames.write(self._to, line.pack(answer, out))
            except _OVER:
                return

    def _next(self) -> tuple[Any, list[Array]]:
        """Wait for what the judge sends."""
        return line.unpack(frames.read(self._from, line.MAX_FRAME))

    def _do(
        self, request: dict[str, Any], arrays: list[Array], out: list[Array]
    ) -> dict[str, Any]:
        if request["op"] == "open":
            return self._open(request)
        if request["op"] == "vjp":
            return self._differentiate(request, arrays, out)
        if request["op"] == "how":
            return _told(exercise(request["key"]))
        if request["op"] == "try":
            return self._try(request, out)
        given = _Given(self, arrays)
        args = [given.read(v) for v in request["args"]]
        kwargs = {n: given.read(v) for n, v in request["kwargs"].items()}
        layers = {name: self._proxy(name) for name in request["layers"]}
        layers |= {name: _never(name) for name in request["never"]}
        layers |= self._with_own_caches(request.get("own caches", []))
        start = time.process_time()
        if request["op"] == "probe":
            probes = importlib.import_module("cs231n.tools.check.probes")
            result = getattr(probes, request["name"])(*args)
        else:
            with replaced(layers), self._known(layers):
                name = request["name"]
                call = find(self._module, name) if name else self._function
                start = time.process_time()
                result = call(*args, **kwargs)
        seconds = time.process_time() - start
        outputs: list[Any] = []
        answer = {
            "result": self._written(result, out, outputs),
            "changed": given.changes(out),
            "seen": [[self._array(x, out) for x in net.seen] for net in given.nets],
            "seconds": seconds,
        }
        self._graphs[request["id"]] = given.leaves, outputs
        return answer

    def _try(self, request: dict[str, Any], out: list[Array]) -> dict[str, Any]:
        """Let an exercise run here, as what it is about cannot cross."""
        asked = function(request["key"])
        # What is right, and how far results may be from it, is not known here.
        nothing = {asked.key: Record({}, draw=request["draw"])}
        bench = FreshBench(asked, Records(request["seed"], nothing), request["small"])
        how = exercise(asked.key)
        way = request["way"]
        start = time.process_time()
        with replaced({name: _never(name) for name in request["never"]}):
            if way:
                results = how.run(bench, way)
            else:
                results = how.care[request["title"]][request["case"]](bench)
        return {
            "seconds": time.process_time() - start,
            "results": {n: self._array(v, out) for n, v in results.items()},
            "remarks": bench.remarks,
            "blank": bool(way and how.blank and how.blank(results)),
            "suits": bool(not way or how.suits is None or how.suits(results)),
        }

    def _open(self, request: dict[str, Any]) -> dict[str, Any]:
        for name in request["imports"]:
            importlib.import_module(name)
        if request["framework"] == "torch":
            import torch

            torch.set_num_threads(1)
            torch.manual_seed(0)
        if request["framework"] == "tensorflow":
            tensorflow = importlib.import_module("tensorflow")
            tensorflow.random.set_seed(0)
        if request["gpu"] and not self._maps_gpu:
            self._maps_gpu = True
            from cs231n.tools.check.gpu import cpu_for_gpu

            self._for_good.enter_context(cpu_for_gpu(self._notice))
        np.random.seed(0)
        random.seed(0)
        name = request["module"]
        self._steps = {}
        try:
            self._module = importlib.import_module(name)
        except BaseException as error:  # a student's module may even call exit
            return {"broken": broken_module(error, _package(name))}
        try:
            self._function = find_function(self._module, request["qualname"])
        except GoneError as error:
            return {"gone": str(error)}
        return {"signature": _signature(self._function)}

    @contextmanager
    def _known(self, layers: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
        """Let the module know functions that it should have found elsewhere."""
        names = [name for name in layers if name not in vars(self._module)]
        for name in names:
            setattr(self._module, name, layers[name])
        try:
            yield
        finally:
            for name in names:
                vars(self._module).pop(name, None)

    def _notice(self) -> None:
        self._names_gpu = True

    def _differentiate(
        self, request: dict[str, Any], arrays: list[Array], out: list[Array]
    ) -> dict[str, Any]:
        """Carry gradients at a call's results back to its arguments."""
        leaves, outputs = self._graphs[request["call"]]
        return {"grads": self._carried_back(leaves, outputs, request, arrays, out)}

    def _carried_back(
        self,
        leaves: Sequence[Any],
        outputs: Sequence[Any],
        request: dict[str, Any],
        arrays: list[Array],
        out: list[Array],
    ) -> list[Any]:
        import torch

        pairs = [
            (o, torch.from_numpy(arrays[k]))
            for o, k in zip(outputs, request["grads"], strict=True)
            if k is not None
        ]
        grads: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
            [o for o, _ in pairs],
            leaves,
            [g for _, g in pairs],
            retain_graph=True,
            allow_unused=True,
        )
        return [None if g is None else self._array(g, out) for g in grads]

    def _fault(self, error: BaseException) -> dict[str, Any]:
        """Describe what was raised."""
        if isinstance(error, WaitingError):
            return {"kind": "waiting", "says": error.name}
        if isinstance(error, NothingError):
            return {"kind": "nothing", "says": str(error)}
        if isinstance(error, UnfitError):
            return {"kind": "unfit", "says": str(error)}
        try:
            says = describe(error, self._module)
        except BaseException:  # an exception may be of a strange class
            says = "It raised an exception that cannot be shown."
        return {
            "kind": "error",
            "says": says,
            "stub": is_stub(error, self._function) if self._function else False,
            "unwritten": unwritten(error),
        }

    # Calls of functions that lie outside

    def _with_own_caches(self, steps: Sequence[str]) -> dict[str, Callable[..., Any]]:
        """Return right steps with the caches of the student's own."""
        layers: dict[str, Callable[..., Any]] = {}
        for step in steps:
            if step not in self._steps:
                names = f"{step}_forward", f"{step}_backward"
                own = vars(self._module).get(names[0])
                self._steps[step] = OwnCaches(own, *map(self._proxy, names))
            layers |= self._steps[step].named(step)
        return layers

    def _proxy(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return self._call_outside(name, args, kwargs)

        call.__name__ = name
        return call

    def _call_outside(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        out: list[Array] = []
        tensors: list[Any] = []
        sent = {
            "back": name,
            "args": [self._sent(v, out, tensors) for v in args],
            "kwargs": {n: self._sent(v, out, tensors) for n, v in kwargs.items()},
        }
        answer, arrays = self._ask(sent, out)
        number = answer["call"]

        def back(grads: Sequence[Any]) -> list[Any]:
            return self._ask_for_gradients(number, grads)

        flags: list[bool] = []
        received: list[Any] = []
        result = _received(answer["result"], arrays, received, flags)
        if not any(flags):
            return filled(result, received)
        outs = through()(back, received, flags, *tensors)
        return filled(result, outs)

    def _ask_for_gradients(self, number: int, grads: Sequence[Any]) -> list[Any]:
        out: list[Array] = []
        sent = [None if g is None else self._array(g, out) for g in grads]
        answer, arrays = self._ask({"back_vjp": number, "grads": sent}, out)
        import torch

        return [
            None if k is None else torch.from_numpy(arrays[k]) for k in answer["grads"]
        ]

    def _ask(
        self, message: dict[str, Any], out: list[Array]
    ) -> tuple[dict[str, Any], list[Array]]:
        frames.write(self._to, line.pack(message | {"id": self._id}, out))
        answer, arrays = self._next()
        if "error" in answer:
            if answer["error"] == "waiting":
                raise WaitingError(answer["says"])
            raise ValueError(answer["says"])
        return answer, arrays

    # What goes out

    def _array(self, value: Any, out: list[Array]) -> int:
        """Put an array or a tensor among those that go out."""
        plain = _plain(value)
        if plain is None:
            raise UnfitError("an array is too large, or holds no numbers")
        out.append(plain)
        return len(out) - 1

    def _sent(self, value: Any, out: list[Array], tensors: list[Any]) -> Any:
        """Write an argument of a function that lies outside."""
        if isinstance(value, Held):
            return {"held": value.token}
        if _is_short(value):
            return value
        if isinstance(value, tuple | list) and len(value) <= MOST:
            return {"list": [self._sent(v, out, tensors) for v in value]}
        if is_tensor(value):
            needs = bool(value.requires_grad)
            if needs:
                tensors.append(value)
            return {"tensor": self._array(value, out), "grad": needs}
        return {"array": self._array(value, out)}

    def _written(
        self, value: Any, out: list[Array], outputs: list[Any], depth: int = 0
    ) -> Any:
        """Write a result: numbers as they are, all else as tokens."""
        if _is_short(value):
            return value
        if depth == 0 and isinstance(value, tuple | list) and len(value) <= MOST:
            parts = [self._written(v, out, outputs, 1) for v in value]
            return {"tuple" if isinstance(value, tuple) else "list": parts}
        if is_tensor(value):
            plain = _plain(value)
            if plain is not None:
                out.append(plain)
                needs = bool(value.requires_grad)
                if needs:
                    outputs.append(value)
                return {"tensor": len(out) - 1, "grad": needs}
        elif isinstance(value, np.ndarray | np.generic):
            plain = _plain(value)
            if plain is not None:
                out.append(plain)
                return {"array": len(out) - 1}
        token = self._keep(value)
        found: dict[str, Any] = {"token": token, "kind": kind(value)}
        if isinstance(value, dict) and depth < 2 and len(value) <= MOST:
            if all(type(key) is str for key in value):
                found["dict"] = {
                    key: self._written(v, out, outputs, 2) for key, v in value.items()
                }
        elif hasattr(value, "__array__") or isinstance(value, tuple | list):
            try:
                plain = _plain(value)
            except Exception:  # whatever a strange class raises
                plain = None
            if plain is not None:
                out.append(plain)
                found["array"] = len(out) - 1
        return found

    def _keep(self, value: Any) -> int:
        token = len(self._kept) + 1
        if token > KEPT:
            raise UnfitError("returned too many objects")
        self._kept[token] = value
        return token

    def kept(self, token: int) -> Any:
        """Return what is known by a token."""
        return self._kept[token]


class _Given:
    """Reads arguments, and tells afterwards what became of them."""

    def __init__(self, inside: Inside, arrays: list[Array]) -> None:
        self._inside, self._arrays = inside, arrays
        self._watched: list[tuple[Any, Array]] = []
        self.leaves: list[Any] = []
        self.nets: list[Any] = []

    def read(self, sent: Any) -> Any:
        """Return an argument."""
        if not isinstance(sent, dict):
            return sent
        if "array" in sent:
            value = self._arrays[sent["array"]]
            if sent.get("order") == "F":
                value = np.asfortranarray(value)
            self._watched.append((value, value.copy()))
            return value
        if "tensor" in sent:
            return self._tensor(sent)
        if "list" in sent:
            return [self.read(v) for v in sent["list"]]
        if "tuple" in sent:
            return tuple(self.read(v) for v in sent["tuple"])
        if "dict" in sent:
            return {name: self.read(v) for name, v in sent["dict"].items()}
        if "net" in sent:
            net = _net(sent, self._arrays)
            self.nets.append(net)
            return net
        if "dtype" in sent:
            return getattr(np, sent["dtype"])
        if "held" in sent:
            return Held(sent["held"])
        value = self._inside.kept(sent["token"])
        for name, k in sent.get("params", {}).items():
            value.params[name] = self._arrays[k]
        return value

    def _tensor(self, sent: dict[str, Any]) -> Any:
        import torch

        value = torch.from_numpy(self._arrays[sent["tensor"]])
        if sent.get("channels_last"):
            value = value.contiguous(memory_format=torch.channels_last)
        before = value.numpy().copy()
        if not sent.get("grad"):
            self._watched.append((value, before))
            return value
        value.requires_grad_()
        if sent.get("at") is not None:
            value.grad = torch.from_numpy(self._arrays[sent["at"]])
        self.leaves.append(value)
        # As no leaf it may be changed in place.
        given = value if sent["leaf"] else value * 1
        self._watched.append((given, before))
        return given

    def changes(self, out: list[Array]) -> list[Any]:
        """Return which argument holds what now, of those that were changed."""
        found = []
        for k, (value, before) in enumerate(self._watched):
            row: dict[str, Any] = {}
            now = _plain(value)
            if now is None:
                continue
            if not np.array_equal(now, before, equal_nan=now.dtype.kind == "f"):
                out.append(now)
                row["now"] = len(out) - 1
            grad = value.grad if is_tensor(value) and value.is_leaf else None
            if grad is not None and (plain := _plain(grad)) is not None:
                out.append(plain)
                row["grad"] = len(out) - 1
            if row:
                found.append(row | {"argument": k})
        return found


def _net(sent: dict[str, Any], arrays: list[Array]) -> Any:
    """Build one of the checks' own small networks."""
    if sent["net"] == "Network":
        from cs231n.tools.check.tries import cnn

        network = cnn.Network(np.random.RandomState(0))
        network.dtype = getattr(np, sent["dtype"])
        network.params = {name: arrays[k] for name, k in sent["state"].items()}
        return network
    import torch

    from cs231n.tools.check.tries import pictures

    watched = pictures.Watched(np.random.RandomState(0))
    state = {name: torch.from_numpy(arrays[k]) for name, k in sent["state"].items()}
    watched = watched.to(next(iter(state.values())).dtype)
    watched.load_state_dict(state)
    return watched


def _never(name: str) -> Callable[..., Any]:
    """Take the place of a function that must not be called."""

    def never(*args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        raise WaitingError(name)

    return never


def _is_short(value: Any) -> bool:
    """Tell whether a value goes into the head of a message."""
    if value is None or type(value) in (bool, float):
        return True
    if type(value) is int:
        return abs(value) < 2**63
    return type(value) is str and len(value) <= 1000


def is_tensor(value: Any) -> bool:
    """Tell whether something is a tensor, without an import of torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _plain(value: Any) -> Array | None:
    """Return an array of numbers that has nothing of its class, if it is in bounds."""
    if is_tensor(value):
        value = value.detach().cpu().resolve_conj().resolve_neg()
        if value.dtype.is_floating_point and value.dtype.itemsize < 4:
            value = value.float()
        value = value.numpy()
    array = np.asarray(value)
    if array.nbytes > line.MAX_ARRAY:
        return None
    if array.dtype.kind == "f" and array.dtype.name not in line.DTYPES:
        array = array.astype(np.float32 if array.dtype.itemsize == 2 else np.float64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not line.fits(array):
        return None
    return np.array(array, copy=True, subok=False)


def _received(
    sent: Any, arrays: list[Array], received: list[Any], flags: list[bool]
) -> Any:
    """Read a result that came from outside, tensors as places in ``received``."""
    if not isinstance(sent, dict):
        return sent
    if "array" in sent:
        return arrays[sent["array"]]
    if "held" in sent:
        return Held(sent["held"])
    if "tensor" in sent:
        import torch

        received.append(torch.from_numpy(arrays[sent["tensor"]]))
        flags.append(bool(sent["grad"]))
        return Place(len(received) - 1)
    return tuple(_received(v, arrays, received, flags) for v in sent["tuple"])


class Place:
    """Where a tensor belongs in a result."""

    def __init__(self, number: int) -> None:
        """Keep its number among the tensors that came."""
        self.number = number


def filled(result: Any, received: Sequence[Any]) -> Any:
    """Put tensors into their places."""
    if isinstance(result, Place):
        return received[result.number]
    if isinstance(result, tuple | list):
        return type(result)(filled(v, received) for v in result)
    if isinstance(result, dict):
        for name, value in result.items():
            result[name] = filled(value, received)
    return result


def through() -> Callable[..., tuple[Any, ...]]:
    """Return what joins the graph here with one in the other process.

    Returns:
        call: Takes a function from gradients at results to gradients at arguments, the
            results' numbers, whether each needs its gradient, and the arguments.
    """
    import torch

    class Through(torch.autograd.Function):
        """Results of the other process."""

        @staticmethod
        def forward(ctx: Any, back: Any, received: Any, flags: Any, *at: Any) -> Any:
            del at  # they are known by being here
            ctx.back, ctx.flags = back, flags
            ctx.mark_non_differentiable(
                *(d for d, f in zip(received, flags, strict=True) if not f)
            )
            return tuple(received)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            wanted = [g for g, f in zip(grads, ctx.flags, strict=True) if f]
            return (None, None, None, *ctx.back(wanted))

    call: Callable[..., tuple[Any, ...]] = Through.apply
    return call


def _signature(function: Any) -> list[list[Any]] | None:
    """Return name, kind and whether there is a default, of each parameter."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [
        [p.name, int(p.kind), p.default is not inspect.Parameter.empty]
        for p in parameters
    ]


def _package(module: str) -> Path:
    """Return the folder of the package that a module's file lies in."""
    parts = module.split(".")
    for folder in map(Path, sys.modules["cs231n"].__path__):
        if folder.joinpath(*parts[1:]).with_suffix(".py").is_file():
            return folder
    return Path(str(sys.modules["cs231n"].__file__)).parent
