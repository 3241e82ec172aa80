"""Let code that names a GPU run where there is none: the CPU takes its place."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from cs231n.support import beside_tensorflow  # noqa: F401 (or torch ends the process)

_KINDS = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte")
REMARK = (
    "names a GPU, which not every machine has: take the device of what you are given, "
    "as in torch.zeros(3, device=x.device)"
)


class _Kind:
    """Takes the place of one of the GPU's tensor types of old."""

    def __init__(self, name: str, noticed: Callable[[], None]) -> None:
        self.plain: Any = getattr(torch, name)
        self._noticed = noticed

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._noticed()
        return self.plain(*args, **kwargs)


class _OnCPU(TorchFunctionMode):
    """Replaces the devices that functions of torch are asked for."""

    def __init__(self, noticed: Callable[[], None]) -> None:
        """Take note of what to call when a GPU is named."""
        super().__init__()
        self._noticed = noticed

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        if func is torch.Tensor.cuda:
            self._noticed()
            return args[0]
        if func is torch.device:  # to name one is harmless, as torch itself does
            return func(*args, **(kwargs or {}))
        return func(
            *(self._plain(a) for a in args),
            **{name: self._plain(a) for name, a in (kwargs or {}).items()},
        )

    def _plain(self, argument: Any) -> Any:
        """Return an argument, the CPU's in place of a GPU's."""
        if isinstance(argument, torch.device) and argument.type == "cuda":
            self._noticed()
            return torch.device("cpu")
        if isinstance(argument, _Kind):
            self._noticed()
            return argument.plain
        if isinstance(argument, str):
            if argument.partition(":")[0] == "cuda":
                self._noticed()
                return "cpu"
            if argument.startswith("torch.cuda."):
                self._noticed()
                return argument.replace("torch.cuda.", "torch.")
        return argument


@contextmanager
def cpu_for_gpu(noticed: Callable[[], None]) -> Iterator[None]:
    """Take names of a GPU for the CPU's, for a while, if there is no GPU.

    Args:
        noticed: Called whenever code names one.
    """
    if torch.cuda.is_available():
        yield
        return
    names = [f"{kind}Tensor" for kind in _KINDS if hasattr(torch, f"{kind}Tensor")]
    before = {name: getattr(torch.cuda, name) for name in names}
    cuda = torch.nn.Module.cuda

    def stay(module: torch.nn.Module, device: Any = None) -> torch.nn.Module:
        del device
        noticed()
        return module

    # A method is replaced on purpose below, which mypy cannot know.
    try:
        for name in names:
            setattr(torch.cuda, name, _Kind(name, noticed))
        torch.nn.Module.cuda = stay  # type: ignore[assignment,method-assign]
        with _OnCPU(noticed):
            yield
    finally:
        torch.nn.Module.cuda = cuda  # type: ignore[method-assign]
        for name, kind in before.items():
            setattr(torch.cuda, name, kind)
