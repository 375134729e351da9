"""The learner's side of the boundary: holds their namespace and answers requests, bytes in and bytes out.

A request is a dict {"op": ..., ...}; the answer is {"ok": value} or {"error": {...}}. What is not plain data
stays here under a number and goes out as a `Handle`. Nothing that this side says of itself is believed: the
examiner judges returned values only.

The worker knows no rubric. It runs in the examiner's own process for now, behind an interface (`answer`) that
has room for a process boundary.
"""

import ast
import linecache
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from autograder.confine import Interrupted
from autograder.wire import DTYPES, Handle, WireError, decode, encode


class Worker:
    """Answers requests about one namespace. `guard` is entered around everything that runs the learner's code."""

    def __init__(
        self, namespace: dict[str, Any], guard: Callable[[], AbstractContextManager] = nullcontext
    ) -> None:
        self.namespace, self.guard = namespace, guard
        self.objects: list[Any] = []

    def answer(self, request: bytes) -> bytes:
        """Do what the request asks; whatever the learner's code raises becomes an answer."""
        try:
            message = decode(request)
            operation = OPERATIONS[message.pop("op")]
            with self.guard():
                return encode({"ok": self.pack(operation(self, **message))})
        except Interrupted:
            raise
        except BaseException as error:  # sys.exit() too is only an answer
            return encode({"error": describe(error)})

    def pack(self, value: Any) -> Any:
        """Plain data as it is; any other object as a handle."""
        kind = type(value)
        if value is None or kind in (bool, int, float, str, Handle):
            return value
        if isinstance(value, Tensor) and str(value.dtype).removeprefix("torch.") in DTYPES:
            return value.detach()
        if kind in (list, tuple):
            return kind(self.pack(each) for each in value)
        if kind is dict:
            return {self.pack(key): self.pack(each) for key, each in value.items()}
        self.objects.append(value)
        return Handle(len(self.objects) - 1, kind.__name__)

    def unpack(self, value: Any) -> Any:
        """The reverse: handles become the objects they stand for."""
        if isinstance(value, Handle):
            return self.objects[value.number]
        if isinstance(value, list | tuple):
            return type(value)(self.unpack(each) for each in value)
        if isinstance(value, dict):
            return {self.unpack(key): self.unpack(each) for key, each in value.items()}
        return value


def name(worker: Worker, name: str) -> Any:
    """A handle to what the learner's notebook calls `name`."""
    if name not in worker.namespace:
        raise NameError(f"the notebook does not define `{name}`")
    worker.objects.append(worker.namespace[name])
    return Handle(len(worker.objects) - 1, "function")


def keep(worker: Worker, value: Any) -> Any:
    """Put a value here and hand out its number, so that two calls can be given the very same object."""
    worker.objects.append(worker.unpack(value))
    return Handle(len(worker.objects) - 1, type(value).__name__)


def call(worker: Worker, target: Handle, args: tuple, kwargs: dict) -> Any:
    """Call an object: a function, a class, a module."""
    return worker.unpack(target)(*worker.unpack(args), **worker.unpack(kwargs))


def attribute(worker: Worker, target: Handle, name: str) -> Any:
    """Read an attribute: a method comes back as a handle, data as data."""
    return getattr(worker.unpack(target), name)


def following(worker: Worker, target: Handle) -> Any:
    """The next value of an iterator, as [value], or [] at its end."""
    return [value for value in [next(worker.unpack(target), worker)] if value is not worker]


def gradients(worker: Worker, target: Handle, args: tuple, kwargs: dict, cotangent: Tensor) -> Any:
    """Call with gradients on: the output, and the gradient of (output * cotangent).sum() for each argument.

    A floating-point tensor argument gets its gradient, None if none reached it; any other argument gets None.
    """
    leaves = [
        arg.clone().requires_grad_() if isinstance(arg, Tensor) and arg.is_floating_point() else arg
        for arg in worker.unpack(args)
    ]
    with torch.enable_grad():
        # The function is given copies, so that one that works in place can still be differentiated.
        copies = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        output = worker.unpack(target)(*copies, **worker.unpack(kwargs))
        if output.requires_grad:
            (output * cotangent).sum().backward()
    return output, [leaf.grad if isinstance(leaf, Tensor) else None for leaf in leaves]


OPERATIONS: dict[str, Callable] = {
    "name": name,
    "keep": keep,
    "call": call,
    "attribute": attribute,
    "next": following,
    "gradients": gradients,
}


def describe(error: BaseException) -> dict[str, Any]:
    """What went wrong, as data: the error's type and message, and the learner's line where there is one."""
    if isinstance(error, WireError):
        return {"type": "WireError", "message": f"returned {error}", "line": None, "text": ""}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("<")]
    frames = [frame for frame in frames if linecache.getline(frame.filename, frame.lineno or 0)]
    return {
        "type": type(error).__name__,
        "message": message_of(error)[:500],
        "line": frames[-1].lineno if frames else None,
        "text": (frames[-1].line or "")[:200] if frames else "",
    }


def message_of(error: BaseException) -> str:
    """Its text, which is the learner's code too, where they wrote the class."""
    try:
        return str(error)
    except BaseException:
        return ""


def run_cell(source: str, name: str, namespace: dict[str, Any], part: ast.Module | None = None) -> None:
    """Execute one cell's source, or only a part of it, in the namespace, so that errors can quote its lines."""
    filename = f"<{name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(part or source, filename, "exec", dont_inherit=True), namespace)
