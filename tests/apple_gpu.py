"""An imitation of Apple's graphics chip, on the CPU: it has no float64.

Inside ``imitated()`` the device "mps" can be used. What lies on it computes as ever,
but what would have to hold float64 there is refused, in the words of torch.
"""

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode

MPS = torch.device("mps")
_LIKE = {torch.Tensor.view_as, torch.Tensor.expand_as, torch.Tensor.reshape_as}


class OnMps(torch.Tensor):
    """A tensor of the CPU that passes for one on the chip."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func == torch.Tensor.device.__get__:
            return MPS
        if func is torch.Tensor.numpy:
            raise TypeError("can't convert mps:0 device type tensor to numpy.")
        with torch._C.DisableTorchFunctionSubclass():
            there = {"cpu", torch.device("cpu")}
            if func is torch.Tensor.cpu or (
                func is torch.Tensor.to and there & {*args[1:], kwargs.get("device")}
            ):
                return func(*args, **kwargs).as_subclass(torch.Tensor)
            if func in _LIKE and not isinstance(args[0], OnMps):  # for its shape alone
                return func(*args, **kwargs)
            return _placed(func(*args, **kwargs))

    def __deepcopy__(self, memo):
        copy = self.detach().clone().requires_grad_(self.requires_grad)
        return memo.setdefault(id(self), copy)


class _Imitation(TorchFunctionMode):
    """Takes what is meant for the chip to the imitation of it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.Tensor.to and any(isinstance(a, OnMps) for a in args[1:]):
            args = (args[0], MPS, args[1].dtype)  # like another tensor
        if not any(_is_mps(a) for a in (*args, *kwargs.values())):
            return func(*args, **kwargs)
        args = tuple(torch.device("cpu") if _is_mps(a) else a for a in args)
        kwargs = {k: "cpu" if _is_mps(v) else v for k, v in kwargs.items()}
        with torch._C.DisableTorchFunctionSubclass():
            return _placed(func(*args, **kwargs))


def _is_mps(value):
    return isinstance(value, torch.device | str) and str(value) == "mps"


def _placed(value):
    """Return results as tensors on the chip, refusing what it cannot hold."""
    if isinstance(value, tuple | list):
        return type(value)([_placed(part) for part in value])
    if not isinstance(value, torch.Tensor):
        return value
    if value.dtype in (torch.float64, torch.complex128):
        raise TypeError(
            "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't "
            "support float64. Please use float32 instead."
        )
    # What changed in place stays the same object, a leaf if it was one.
    return value if isinstance(value, OnMps) else value.as_subclass(OnMps)


@contextmanager
def imitated():
    """Let "mps" be used as a device."""
    with _Imitation():
        yield


def moved(model):
    """Put a network on the chip, in place: Module.to cannot change a tensor's class."""
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                on_chip = _placed(weight.detach().clone())
                module._parameters[name] = torch.nn.Parameter(
                    on_chip, weight.requires_grad
                )
        for name, array in module._buffers.items():
            if array is not None:
                module._buffers[name] = _placed(array.clone())
    return model
