"""The judge's side of the line: a bench whose function runs in a worker.

Exercises do not notice: they call ``bench.call`` and get arrays and tensors, may put
functions in the place of a student's, and differentiate through what comes back.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from cs231n.assignment.table import Function, namesake
from cs231n.tools.check.bench import Bench, find
from cs231n.tools.check.faults import (
    GoneError,
    NothingError,
    UnfitError,
    WaitingError,
)
from cs231n.tools.check.marks import Array, Records
from cs231n.tools.check.returned import Elsewhere
from cs231n.tools.check.written import code_in
from staff.grading import line
from staff.grading.inside import MOST, FreshBench, Place, filled, is_tensor, through

KINDS = tuple(inspect._ParameterKind)
LONGEST = 400  # characters of what a worker says


class Worker(Protocol):
    """A process with a student's code, as ``sandbox.workers`` starts it."""

    peak_bytes: int
    cpu_seconds: float
    output: str

    def send(self, frame: bytes) -> None:
        """Send a frame."""

    def receive(self, seconds: float) -> bytes:
        """Return the next frame; raise an error with a ``reason`` if none comes."""


class EndedError(Exception):
    """The worker is no more.

    Attributes:
        reason: ``time``, ``memory``, ``exit``, ``signal``, ``output``, ``protocol``.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason


class BrokenError(Exception):
    """The student's module cannot be imported; the text says why."""


class RemoteError(Exception):
    """The student's function raised.

    Attributes:
        stub: Whether it is what a hand-out's stub raises, by itself.
        unwritten: The function that is yet to be written and was called, or "".
    """

    def __init__(self, says: str, stub: bool, unwritten: str) -> None:
        """Keep what the worker says of it."""
        super().__init__(says)
        self.stub, self.unwritten = stub, unwritten


class _Token(Elsewhere):
    """A student's object that stays in the worker."""

    def __init__(self, token: int, kind: str) -> None:
        self.token, self.kind = token, kind


class _TokenWithNumbers(_Token):
    """One that can be read as an array."""

    def __init__(self, token: int, kind: str, array: Array) -> None:
        super().__init__(token, kind)
        self._array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        """Return its numbers."""
        del copy
        return self._array if dtype is None else self._array.astype(dtype)


class _TokenDict(dict[str, Any]):
    """A dictionary of the student's, with what could be read of it."""

    token = 0


@dataclass
class _Model:
    """A CaptioningRNN of the student's; its parameters are set from here."""

    token: int
    params: dict[str, Array]


@dataclass
class Limits:
    """How long a worker may take.

    Attributes:
        call: Seconds for one call.
        start: Seconds until the student's module is imported.
    """

    call: float = 20.0
    start: float = 30.0


class Line:
    """One worker, asked one thing after another.

    Attributes:
        names_gpu: Whether the student's code named a GPU.
        alive: Whether the worker can still be asked.
        seconds: Processor time that the last call took, as the worker says.
    """

    def __init__(self, worker: Worker, limits: Limits) -> None:
        """Take a worker."""
        self._worker, self._limits = worker, limits
        self._id = 0
        self._held: dict[int, Any] = {}
        self._graphs: dict[int, tuple[list[Any], list[Any]]] = {}
        self.alive, self.names_gpu, self.seconds = True, False, 0.0

    def ask(
        self,
        request: Mapping[str, Any],
        arrays: Sequence[Array] = (),
        layers: Mapping[str, Callable[..., Any]] | None = None,
    ) -> tuple[dict[str, Any], list[Array]]:
        """Ask for something, and answer what is asked back meanwhile.

        Args:
            request: What is wanted.
            arrays: Those that it refers to.
            layers: Functions that may be called back.

        Returns:
            answer: What the worker says.
            arrays: Those that it refers to.

        Raises:
            EndedError: If the worker ended, or answers what it should not.
            RemoteError: If the student's function raised.
            UnfitError: If what it returned cannot be looked at.
        """
        self._id += 1
        starts = request["op"] == "open"
        seconds = self._limits.start if starts else self._limits.call
        self._send(dict(request) | {"id": self._id}, arrays)
        while True:
            answer, found = self._receive(seconds)
            if "back" in answer:
                self._answer(*self._called_back(answer, found, layers or {}))
            elif "back_vjp" in answer:
                self._answer(*self._carried_back(answer, found))
            else:
                break
        self.names_gpu |= answer.get("gpu") is True
        if "error" in answer:
            _raise(answer["error"])
        return answer, found

    def _send(self, message: dict[str, Any], arrays: Sequence[Array]) -> None:
        if not self.alive:
            raise EndedError("exit")
        try:
            self._worker.send(line.pack(message, arrays))
        except Exception as error:
            raise self._ended(error) from None

    def _receive(self, seconds: float) -> tuple[dict[str, Any], list[Array]]:
        try:
            answer, arrays = line.unpack(self._worker.receive(seconds))
        except Exception as error:
            raise self._ended(error) from None
        if not isinstance(answer, dict) or answer.get("id") != self._id:
            raise self._ended(line.LineError())
        return answer, arrays

    def _ended(self, error: Exception) -> EndedError:
        self.alive = False
        return EndedError(str(getattr(error, "reason", "protocol")))

    def spoilt(self) -> EndedError:
        """Ask no more of a worker that answers what it should not."""
        return self._ended(line.LineError())

    def _answer(self, message: dict[str, Any], arrays: Sequence[Array]) -> None:
        self._send(message | {"id": self._id}, arrays)

    # What workers ask back

    def _called_back(
        self,
        asked: dict[str, Any],
        arrays: list[Array],
        layers: Mapping[str, Callable[..., Any]],
    ) -> tuple[dict[str, Any], list[Array]]:
        """Call a function of ours for the worker."""
        name = asked["back"]
        if not isinstance(name, str) or name not in layers:
            raise self.spoilt()
        leaves: list[Any] = []
        sent_args, sent_kwargs = asked.get("args"), asked.get("kwargs")
        if not isinstance(sent_args, list) or not isinstance(sent_kwargs, dict):
            raise self.spoilt()
        try:
            args = [self._argument(v, arrays, leaves) for v in sent_args]
            kwargs = {
                n: self._argument(v, arrays, leaves) for n, v in sent_kwargs.items()
            }
            with np.errstate(all="ignore"):
                result = layers[name](*args, **kwargs)
            out: list[Array] = []
            outputs: list[Any] = []
            answer = {"result": self._result(result, out, outputs)}
        except line.LineError:
            raise self.spoilt() from None
        except WaitingError as error:
            return {"error": "waiting", "says": error.name}, []
        except Exception as error:  # whatever these arguments lead to
            said = f"{name} cannot take this: {type(error).__name__}: {error}"
            return {"error": "error", "says": line.words(said)}, []
        number = len(self._graphs)
        self._graphs[number] = leaves, outputs
        return answer | {"call": number}, out

    def _argument(self, sent: Any, arrays: list[Array], leaves: list[Any]) -> Any:
        if not isinstance(sent, dict):
            return sent if not isinstance(sent, list) else None
        if "held" in sent:
            return self._held[line.number(sent, "held", len(self._held))]
        if "list" in sent:
            parts = sent["list"]
            if not isinstance(parts, list) or len(parts) > MOST:
                raise line.LineError("too long a list")
            return [self._argument(v, arrays, leaves) for v in parts]
        if "tensor" in sent:
            import torch

            value = torch.from_numpy(arrays[line.number(sent, "tensor", len(arrays))])
            if sent.get("grad") is True and value.is_floating_point():
                value.requires_grad_()
                leaves.append(value)
                return value * 1  # as no leaf it may be changed in place
            return value
        return arrays[line.number(sent, "array", len(arrays))]

    def _result(
        self, value: Any, out: list[Array], outputs: list[Any], depth: int = 0
    ) -> Any:
        """Write a result of ours: caches stay here."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, tuple) and depth == 0:
            return {"tuple": [self._result(v, out, outputs, 1) for v in value]}
        if is_tensor(value):
            out.append(value.detach().numpy())
            if value.requires_grad:
                outputs.append(value)
            return {"tensor": len(out) - 1, "grad": bool(value.requires_grad)}
        if isinstance(value, np.ndarray | np.generic):
            out.append(np.asarray(value))
            return {"array": len(out) - 1}
        self._held[len(self._held)] = value
        return {"held": len(self._held) - 1}

    def _carried_back(
        self, asked: dict[str, Any], arrays: list[Array]
    ) -> tuple[dict[str, Any], list[Array]]:
        import torch

        out: list[Array] = []
        try:
            number = line.number(asked, "back_vjp", len(self._graphs))
            leaves, outputs = self._graphs[number]
            grads = [
                torch.from_numpy(arrays[line.number({"k": k}, "k", len(arrays))])
                for k in asked["grads"]
            ]
            found: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
                outputs, leaves, grads, retain_graph=True, allow_unused=True
            )
        except (line.LineError, KeyError, TypeError):
            raise self.spoilt() from None
        except RuntimeError as error:
            return {"error": "error", "says": line.words(str(error))}, []
        sent: list[int | None] = []
        for g in found:
            if g is not None:
                out.append(g.numpy())
            sent.append(None if g is None else len(out) - 1)
        return {"grads": sent}, out


def _raise(error: Any) -> None:
    """Raise what a student's function raised."""
    if not isinstance(error, dict):
        raise RemoteError("It raised an exception.", stub=False, unwritten="")
    says = line.words(error.get("says"), LONGEST)
    match error.get("kind"):
        case "waiting":
            raise WaitingError(says)
        case "nothing":
            raise NothingError(says)
        case "unfit":
            raise UnfitError(says)
    called = line.words(error.get("unwritten"))
    raise RemoteError(says, stub=error.get("stub") is True, unwritten=called)


@dataclass
class _Sent:
    """Arguments on their way to a worker."""

    arrays: list[Array] = field(default_factory=list)
    watched: list[Any] = field(default_factory=list)
    leaves: list[Any] = field(default_factory=list)
    nets: list[Any] = field(default_factory=list)
    single: bool = False

    def put(self, array: Array) -> int:
        """Put an array among those that are sent."""
        if self.single and array.dtype == np.float64:
            array = array.astype(np.float32)
        self.arrays.append(array)
        return len(self.arrays) - 1

    def write(self, value: Any) -> Any:
        """Write an argument."""
        token = getattr(value, "token", None)
        if isinstance(value, _Model):
            params = {n: self.put(np.asarray(p)) for n, p in value.params.items()}
            return {"token": token, "params": params}
        if token is not None:
            return {"token": token}
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, np.ndarray | np.generic):
            self.watched.append(value)
            array = np.asarray(value)
            turned = array.flags.f_contiguous and not array.flags.c_contiguous
            return {"array": self.put(array)} | ({"order": "F"} if turned else {})
        if isinstance(value, list | tuple):
            name = "tuple" if isinstance(value, tuple) else "list"
            return {name: [self.write(v) for v in value]}
        if isinstance(value, dict):
            return {"dict": {name: self.write(v) for name, v in value.items()}}
        if is_tensor(value):
            return self._tensor(value)
        if isinstance(value, type):
            name = value.__name__
            double = self.single and name == "float64"
            return {"dtype": "float32" if double else name}
        return self._net(value)

    def _tensor(self, value: Any) -> dict[str, Any]:
        self.watched.append(value)
        sent: dict[str, Any] = {"tensor": self.put(value.detach().numpy())}
        if value.ndim == 4 and not value.is_contiguous():
            sent["channels_last"] = True
        if value.requires_grad:
            self.leaves.append(value)
            sent |= {"grad": True, "leaf": bool(value.is_leaf)}
            if value.is_leaf and value.grad is not None:
                sent["at"] = self.put(value.grad.numpy())
        return sent

    def _net(self, value: Any) -> dict[str, Any]:
        self.nets.append(value)
        name = type(value).__name__
        if name == "Network":
            state = {n: self.put(w) for n, w in value.params.items()}
            dtype = "float32" if self.single else np.dtype(value.dtype).name
            return {"net": name, "state": state, "dtype": dtype}
        weights = {n: self.put(w.numpy()) for n, w in value.state_dict().items()}
        return {"net": name, "state": weights}


class RemoteBench(FreshBench):
    """A bench whose function runs in a worker."""

    def __init__(
        self,
        function: Function,
        records: Records,
        to: Line,
        source: str = "",
        single: bool = False,
        never: Sequence[str] = (),
        small: bool | None = None,
    ) -> None:
        """Let the worker import the student's module, which may fail in any way.

        Args:
            function: Its row in the table.
            records: What is right, and the seed of the inputs.
            to: The worker.
            source: The student's module.
            single: Whether the worker gets all numbers in float32.
            never: Functions that must not be called, as they never end.
            small: Whether inputs are smaller than the public ones, or larger; as
                large if None.

        Raises:
            EndedError: If the worker ended.
            BrokenError: If the module cannot be imported.
            GoneError: If the function is not there.
        """
        self._to, self._source = to, source
        self._single, self._never = single, list(never)
        self._layers: dict[str, Callable[..., Any]] = {}
        self._own_caches: list[str] = []
        super().__init__(function, records, small)

    def _found(self) -> tuple[Any, Any]:
        f = self.function
        from cs231n.tools.check.exercises import exercise

        how = exercise(f.key)
        answer = self._opened(how.imports, how.gpu)
        ours = importlib.import_module(f.module)
        return _Module(self, ours), self._remote("", find(ours, f.qualname), answer)

    def _opened(self, imports: Sequence[str], gpu: bool) -> Mapping[str, Any]:
        """Let the worker import the module, and return what it says of the function."""
        f = self.function
        request: dict[str, Any] = {"op": "open", "framework": f.framework}
        request |= {"module": f.module, "qualname": f.qualname}
        request |= {"imports": list(imports), "gpu": gpu}
        answer, _ = self._to.ask(request)
        if "broken" in answer:
            raise BrokenError(line.words(answer["broken"], LONGEST))
        if "gone" in answer:
            raise GoneError(line.words(answer["gone"]))
        return answer

    def _remote(
        self, name: str, ours: Any, answer: Mapping[str, Any] | None = None
    ) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return self._call("call", name, args, kwargs)

        call.__name__ = ours.__name__
        shown = _signature((answer or {}).get("signature"))
        call.__signature__ = shown or inspect.signature(ours)  # type: ignore[attr-defined]
        return call

    def other(self, name: str) -> Bench:
        """Return the bench of another function, by its short name."""
        return RemoteBench(
            namesake(self.function, name),
            self.records,
            self._to,
            self._source,
            self._single,
            self._never,
            self._small,
        )

    def probe(self, name: str, *args: Any) -> Any:
        """Let the worker look into what a student's function built."""
        return self._call("probe", name, args, {})

    def code(self) -> str:
        """Return the function's code without comments and harmless calls."""
        return code_in(self._source, self.function.qualname)

    def describe(self, error: BaseException) -> str:
        """Say what an exception means to the one whose code raised it."""
        if isinstance(error, KeyboardInterrupt):  # of whoever grades
            raise error
        return str(error) if isinstance(error, RemoteError) else f"{error}."

    def is_stub(self, error: BaseException | None) -> bool:
        """Tell whether the function raised what a hand-out's stub raises."""
        return isinstance(error, RemoteError) and error.stub

    def unwritten(self, error: BaseException | None) -> str:
        """Return the function that is yet to be written and was called, or ""."""
        return error.unwritten if isinstance(error, RemoteError) else ""

    @contextmanager
    def instead(self, *steps: str, **layers: Callable[..., Any]) -> Iterator[None]:
        """Let functions of ours be called in the place of the student's.

        Args:
            *steps: What the names of those functions begin with that hand out the
                caches of the student's own.
            **layers: Name -> function.
        """
        before = self._layers, self._own_caches
        self._layers = self._layers | layers
        self._own_caches = [*self._own_caches, *steps]
        try:
            yield
        finally:
            self._layers, self._own_caches = before

    def build(self, name: str, ours: type, *args: Any) -> _Model:
        """Build a model of the student's class.

        Its parameters are those of ours: names and sizes are no student's choice.
        """
        held = self._call("call", name, args, {})
        if not isinstance(held, _Token):
            raise UnfitError(f"{name} is no class any more")
        return _Model(held.token, ours(*args).params)

    def _call(
        self, op: str, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        sent = _Sent(single=self._single)
        request = {
            "op": op,
            "name": name,
            "args": [sent.write(v) for v in args],
            "kwargs": {n: sent.write(v) for n, v in kwargs.items()},
            "layers": list(self._layers),
            "never": [n for n in self._never if n not in self._layers],
            "own caches": self._own_caches,
        }
        answer, arrays = self._to.ask(request, sent.arrays, self._layers)
        number = answer["id"]
        try:
            seconds = answer.get("seconds")
            self._to.seconds = 0.0
            if isinstance(seconds, float) and 0 <= seconds < float("inf"):
                self._to.seconds = seconds
            self._put_back(sent, answer.get("changed"), arrays)
            _show(sent.nets, answer.get("seen"), arrays)
            received: list[Any] = []
            flags: list[bool] = []
            result = _read(answer.get("result"), arrays, received, flags)
        except line.LineError:
            raise self._to.spoilt() from None
        if received:
            result = filled(result, self._joined(number, sent, received, flags))
        return result

    def _joined(
        self, number: int, sent: _Sent, received: list[Any], flags: list[bool]
    ) -> Sequence[Any]:
        """Return tensors that can be differentiated through the worker."""
        if not any(flags):
            return received
        if not sent.leaves:
            floating = zip(received, flags, strict=True)
            return [
                d.requires_grad_() if f and d.is_floating_point() else d
                for d, f in floating
            ]

        def back(grads: Sequence[Any]) -> list[Any]:
            return self._carried_back(number, grads, sent.leaves)

        return through()(back, received, flags, *sent.leaves)

    def _carried_back(
        self, number: int, grads: Sequence[Any], leaves: Sequence[Any]
    ) -> list[Any]:
        import torch

        request = {
            "op": "vjp",
            "call": number,
            "grads": list(range(len(grads))),
        }
        plain = [np.asarray(g.numpy()) for g in grads]
        answer, arrays = self._to.ask(request, plain, self._layers)
        found = answer.get("grads")
        if not isinstance(found, list) or len(found) != len(leaves):
            raise self._to.spoilt()
        result: list[Any] = []
        for k, leaf in zip(found, leaves, strict=True):
            if k is None:
                result.append(torch.zeros_like(leaf))
                continue
            try:
                array = arrays[line.number({"k": k}, "k", len(arrays))]
            except line.LineError:
                raise self._to.spoilt() from None
            if array.shape != tuple(leaf.shape) or array.dtype.kind != "f":
                raise self._to.spoilt()
            result.append(torch.from_numpy(array).to(leaf.dtype))
        return result

    def _put_back(self, sent: _Sent, changed: Any, arrays: list[Array]) -> None:
        """Let arguments hold what the student's function left in them."""
        if not isinstance(changed, list):
            raise line.LineError("no list of changes")
        for row in changed:
            value = sent.watched[line.number(row, "argument", len(sent.watched))]
            if "now" in row:
                now = arrays[line.number(row, "now", len(arrays))]
                if now.shape != tuple(value.shape):
                    continue
                if is_tensor(value):
                    import torch

                    value.data.copy_(torch.from_numpy(now))
                elif isinstance(value, np.ndarray):
                    value[...] = now
            if "grad" in row and is_tensor(value) and value.requires_grad:
                import torch

                grad = arrays[line.number(row, "grad", len(arrays))]
                if grad.shape == tuple(value.shape) and grad.dtype.kind == "f":
                    value.grad = torch.from_numpy(grad).to(value.dtype)


class _Module(SimpleNamespace):
    """Stands for a student's module: what is asked of it is called in the worker."""

    def __init__(self, bench: RemoteBench, ours: Any) -> None:
        super().__init__()
        self._bench, self._ours = bench, ours
        self.__name__ = ours.__name__

    def __getattr__(self, name: str) -> Any:
        ours = getattr(self._ours, name)
        if isinstance(ours, type):
            return lambda *args: self._bench.build(name, ours, *args)
        return self._bench._remote(name, ours)


def _show(nets: Sequence[Any], seen: Any, arrays: list[Array]) -> None:
    """Let our networks remember what theirs in the worker were shown."""
    if not isinstance(seen, list) or len(seen) != len(nets):
        raise line.LineError("no list of what was seen")
    for net, places in zip(nets, seen, strict=True):
        if not isinstance(places, list):
            raise line.LineError("no list of what was seen")
        for k in places:
            picture = arrays[line.number({"k": k}, "k", len(arrays))]
            if hasattr(net, "state_dict"):
                import torch

                net.seen.append(torch.from_numpy(picture))
            else:
                net.seen.append(picture)


def _signature(sent: Any) -> inspect.Signature | None:
    """Return the signature that a worker tells of, if it is one."""
    if not isinstance(sent, list) or len(sent) > MOST:
        return None
    try:
        return inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    KINDS[kind],
                    default=None if has_default else inspect.Parameter.empty,
                )
                for name, kind, has_default in sent
            ]
        )
    except (TypeError, ValueError, IndexError):
        return None


def _read(
    sent: Any,
    arrays: list[Array],
    received: list[Any],
    flags: list[bool],
    depth: int = 0,
) -> Any:
    """Read a result, tensors as places in ``received``."""
    if not isinstance(sent, dict):
        if sent is None or type(sent) in (bool, int, float):
            return sent
        return line.words(sent, 1000)
    if depth > 3:
        raise line.LineError("a result is too deep")
    if "token" in sent:
        return _held(sent, arrays, received, flags, depth)
    for name, make in (("tuple", tuple), ("list", list)):
        if name in sent:
            parts = sent[name]
            if not isinstance(parts, list) or len(parts) > MOST:
                raise line.LineError("too long a list")
            return make(_read(v, arrays, received, flags, depth + 1) for v in parts)
    if "tensor" in sent:
        import torch

        array = arrays[line.number(sent, "tensor", len(arrays))]
        if array.dtype.name in ("uint16", "uint32", "uint64"):
            array = array.astype(np.int64)
        received.append(torch.from_numpy(array))
        flags.append(sent.get("grad") is True and array.dtype.kind == "f")
        return Place(len(received) - 1)
    return arrays[line.number(sent, "array", len(arrays))]


def _held(
    sent: dict[str, Any],
    arrays: list[Array],
    received: list[Any],
    flags: list[bool],
    depth: int,
) -> Any:
    token = line.number(sent, "token", 1 << 30)
    if "dict" in sent:
        entries = sent["dict"]
        if not isinstance(entries, dict) or len(entries) > MOST:
            raise line.LineError("too long a dictionary")
        found = _TokenDict(
            {
                n: _read(v, arrays, received, flags, depth + 1)
                for n, v in entries.items()
            }
        )
        found.token = token
        return found
    kind = line.words(sent.get("kind"), 100) or "an object"
    if "array" in sent:
        array = arrays[line.number(sent, "array", len(arrays))]
        return _TokenWithNumbers(token, kind, array)
    return _Token(token, kind)
