"""Answers that compute nothing to the purpose: the form is right, what is in it is not.

They are made from the model answer, which is asked on copies of the arguments, so that nothing it does is seen. What
it refuses they accept.
"""

import copy
import random
import string
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

PROTOCOL = ("__len__", "__getitem__", "__iter__", "__call__")


def hollow(reference: Any, stub: str) -> Any:
    """A function or class like `reference`, of which every result is emptied in the way that `stub` names."""
    return _class(reference, stub) if isinstance(reference, type) else _function(reference, stub)


def _function(reference: Callable, stub: str) -> Callable:
    def answer(*args, **kwargs):
        try:
            # The model first: what it does to its arguments, it does to copies.
            ours, theirs = copy.deepcopy((args, kwargs))
            right = reference(*ours, **theirs)
        except Exception:
            right = torch.zeros(1)
        return STUBS[stub](right, args)

    return answer


def _class(reference: type, stub: str) -> type:
    """It has no parameters and no fields, only methods."""
    module = issubclass(reference, nn.Module)

    class Hollow(nn.Module if module else object):
        def __init__(self, *args, **kwargs):
            super().__init__()
            try:
                right = reference(*args, **kwargs)
            except Exception:
                right = None
            object.__setattr__(self, "_right", right)

    for name, value in vars(reference).items():
        if callable(value) and (name in PROTOCOL or not name.startswith("_")):
            setattr(Hollow, name, _method(name, stub))
        elif isinstance(value, property):
            setattr(
                Hollow, name, property(lambda self, name=name: STUBS[stub](getattr(self._right, name), (0,)))
            )
    return Hollow


def _method(name: str, stub: str) -> Callable:
    def method(self, *args, **kwargs):
        return _function(lambda *a, **k: getattr(self._right, name)(*a, **k), stub)(*args, **kwargs)

    return method


def _each(empty: Callable[[Any], Any]) -> Callable[[Any, tuple], Any]:
    """Go into lists, tuples and dicts, and empty what is in them."""

    def go(right, args):
        match right:
            case list() | tuple():
                return type(right)(go(value, args) for value in right)
            case dict():
                return {key: go(value, args) for key, value in right.items()}
            case _:
                return empty(right)

    return go


def _zero(right: Any) -> Any:
    match right:
        case Tensor():
            return torch.zeros_like(right)
        case bool() | int() | float() | str() | bytes():
            return type(right)()
        case _:
            return None


def _random(right: Any) -> Any:
    match right:
        case Tensor():
            return torch.rand(right.shape).round().to(right.dtype)
        case bool():
            return random.random() < 0.5
        case int():
            return random.randint(0, 2 * abs(right) + 8)
        case float():
            return random.random() * 2 * (abs(right) + 1)
        case str():
            return "".join(random.choices(string.ascii_letters, k=len(right) + 1))
        case bytes():
            return random.randbytes(len(right) + 1)
        case _:
            return None


def _numbers(fill: Callable[[Tensor, tuple], Tensor]) -> Callable[[Any, tuple], Any]:
    """Where numbers are asked for; else zeros. (As bools NaN and equal shares are True, which may well be right.)"""

    def stub(right, args):
        tensor = isinstance(right, Tensor) and right.is_floating_point() and right.dim() and _floats(args)
        return fill(right, args) if tensor else _each(_zero)(right, args)

    return stub


def _floats(args: tuple) -> list[Tensor]:
    return [x for x in args if isinstance(x, Tensor) and x.is_floating_point() and x.dim() > 1]


def _into(answer: Tensor, x: Tensor) -> Tensor:
    """x as the answer's shape, by averages over what does not fit and repetition."""
    while x.dim() > answer.dim():
        x = x.mean(0)
    for dim in range(-min(2, x.dim()), 0):
        x = x if x.shape[dim] == answer.shape[dim] else x.mean(dim, keepdim=True)
    try:
        return x.expand_as(answer).to(answer.dtype)
    except RuntimeError:
        return torch.zeros_like(answer)


STUBS: dict[str, Callable[[Any, tuple], Any]] = {
    "zeros": _each(_zero),
    "random numbers": _each(_random),
    "its first argument": lambda right, args: args[0] if args else None,
    "NaN": _numbers(lambda right, args: torch.full_like(right, torch.nan)),
    "equal shares": _numbers(lambda right, args: torch.full_like(right, 1 / right.shape[-1])),
    "a mean over positions": _numbers(
        lambda right, args: _into(right, _floats(args)[-1].mean(-2, keepdim=True))
    ),
    "a sum over positions so far": _numbers(lambda right, args: _into(right, _floats(args)[-1].cumsum(-2))),
    "its arguments, and sums of them": _numbers(
        lambda right, args: sum(_into(right, x) + _into(right, x.cumsum(-2)) for x in _floats(args))
    ),
}
