"""The learner's side of the boundary: holds their namespace and answers requests, bytes in and bytes out.

A request is a dict {"op": ..., ...}; the answer is {"ok": value} or {"error": {...}}. What is not plain data
stays here under a number and goes out as a `Handle`. Nothing that this side says of itself is believed: the
examiner judges returned values only.

The worker knows no rubric. Learners' code meets it in a jailed process (`autograder.jail`); known answers, which are
our own, are run by it in the examiner's process.
"""

import __future__

import ast
import asyncio
import importlib
import linecache
import socket
import traceback
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy
import torch
import torch.nn as nn
from torch import Tensor

from autograder.wire import (
    DTYPES,
    Handle,
    WireError,
    decode,
    encode,
    receive_frame,
    send_frame,
)

Ask = Callable[[bytes], bytes]  # puts a question to the examiner while it waits for an answer


class Worker:
    """Answers requests about one namespace. Tensors are handed to its code on `device`."""

    def __init__(self, namespace: dict[str, Any], device: str = "cpu") -> None:
        self.namespace, self.device = namespace, device
        self.objects: list[Any] = []
        self.given = dict(namespace)  # the instructor's names, as they are below the last answer
        self.answers: dict[str, Any] = {}  # the exercises' names, each as its own cell left it
        self.ask: Ask

    def answer(self, request: bytes, ask: Ask) -> bytes:
        """Do what the request asks; whatever the learner's code raises becomes an answer."""
        self.ask = ask
        try:
            message = decode(request)
            operation = OPERATIONS[message.pop("op")]
            return encode({"ok": self.pack(operation(self, **message))})
        except BaseException as error:  # sys.exit() too is only an answer
            return encode({"error": describe(error)})

    def pack(self, value: Any) -> Any:
        """Plain data as it is; any other object as a handle."""
        kind = type(value)
        if value is None or kind in (bool, int, float, str, Handle):
            return value
        if isinstance(value, numpy.generic):
            return self.pack(value.item())  # a number by any other name; a numpy.float64 even is a float
        if isinstance(value, Tensor) and str(value.dtype).removeprefix("torch.") in DTYPES:
            return value.detach()
        if kind in (list, tuple, torch.Size):
            return (list if kind is list else tuple)(self.pack(each) for each in value)
        if kind in (dict, OrderedDict):  # a state_dict is one
            return {self.pack(key): self.pack(each) for key, each in value.items()}
        return self.store(value)

    def unpack(self, value: Any) -> Any:
        """The reverse: handles become the objects they stand for."""
        if isinstance(value, Handle):
            return self.objects[value.number]
        if isinstance(value, Tensor) and self.device != "cpu" and not value.is_meta:
            return value.to(self.device)
        if isinstance(value, list | tuple):
            return type(value)(self.unpack(each) for each in value)
        if isinstance(value, dict):
            return {self.unpack(key): self.unpack(each) for key, each in value.items()}
        return value

    def find(self, target: Handle | str) -> Any:
        """The object that a request is about: by its number, or by what the notebook calls it."""
        if isinstance(target, Handle):
            return self.objects[target.number]
        if target not in self.namespace:
            raise NameError(f"the notebook does not define `{target}`")
        return self.namespace[target]

    def store(self, value: Any) -> Handle:
        self.objects.append(value)
        return Handle(len(self.objects) - 1, type(value).__name__)


# --- A notebook ---------------------------------------------------------------------------------------


def setup(worker: Worker, statements: list[str], stand_ins: dict[str, str]) -> None:
    """Run the instructor's statements, no request. What fails is of no use to an exercise: a widget, a result.

    `stand_ins` are names of the day's earlier answers and the library's modules of which they are taken: where a
    learner's own is not to be had, what names it must run all the same.
    """
    worker.namespace |= {
        "__name__": "__main__",
        "get_ipython": Kernel,
        "display": lambda *objects, **options: None,
    }
    for statement in statements:
        try:
            run_cell(statement, "setup", worker.namespace)
        except Exception:
            continue
    take(worker, stand_ins)


def take(worker: Worker, stand_ins: dict[str, str]) -> None:
    for name, module in stand_ins.items():
        worker.namespace[name] = getattr(importlib.import_module(module), name)


def cell(worker: Worker, source: str, name: str, only_definitions: bool, answers: list[str]) -> None:
    """Run one of the learner's cells; `answers` are the exercises' names for which it is the cell that counts.

    Where such a cell stops before it has defined them, its definitions are run all the same: what stopped it is a
    file, a package or an input that only the learner has.
    """
    tree = ast.parse(source)
    before = {name: worker.namespace.get(name) for name in answers}
    try:
        if not only_definitions:
            run_cell(source, name, worker.namespace, tree)
    finally:
        if only_definitions or any(worker.namespace.get(name) is value for name, value in before.items()):
            _run_definitions(worker, source, name, tree, answers)
        worker.answers |= {name: worker.namespace[name] for name in answers if name in worker.namespace}
        if answers:
            worker.given = {name: worker.namespace.get(name, value) for name, value in worker.given.items()}


def _run_definitions(worker: Worker, source: str, name: str, tree: ast.Module, answers: list[str]) -> None:
    """Run what defines something, or is called as an answer is: one by one, since each may fail."""
    for node in tree.body:
        assigned = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        wanted = assigned and (isinstance(node.value, ast.Lambda) or node.targets[0].id in answers)
        if wanted or isinstance(node, DEFINITIONS):
            with suppress(Exception):
                run_cell(source, name, worker.namespace, ast.Module([node], []))


DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def settle(worker: Worker, stand_ins: dict[str, str]) -> list[str]:
    """After the last cell: put each answer, and what stands in for one, under its name. Returns all names."""
    # Further down a learner may have given away `F` or `math`, which the answers use.
    worker.namespace |= worker.given | worker.answers
    take(worker, stand_ins)
    return [name for name in worker.namespace if isinstance(name, str)]


class Kernel:
    """What magics call instead of IPython: every method accepts anything and does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **options: None


# --- Objects ------------------------------------------------------------------------------------------


def name(worker: Worker, name: str) -> Any:
    """A handle to what the learner's notebook calls `name`."""
    return worker.store(worker.find(name))


def keep(worker: Worker, value: Any, requires_grad: bool) -> Any:
    """Put a value here and hand out its number, so that two calls can be given the very same object."""
    value = worker.unpack(value)
    return worker.store(value.requires_grad_() if requires_grad else value)


def build(worker: Worker, answer: str, args: tuple, kwargs: dict, state: dict | None) -> Any:
    """Make an object of the library's, "handmade.tiny.TinyLM", and load its weights."""
    module, _, name = answer.rpartition(".")
    made = getattr(importlib.import_module(module), name)(*worker.unpack(args), **worker.unpack(kwargs))
    if state is not None:
        made.load_state_dict(state)
    if isinstance(made, nn.Module):
        made.to(worker.device)
    return worker.store(made)


def callback(worker: Worker, number: int, module: bool, attributes: dict[str, Any]) -> Any:
    """Make a function (or a module, with `attributes`) of which each call is a question to the examiner."""
    return worker.store((Table if module else Callback)(worker, number, attributes))


def call(worker: Worker, target: Handle | str, args: tuple, kwargs: dict) -> Any:
    """Call an object: a function, a class, a module."""
    return worker.find(target)(*worker.unpack(args), **worker.unpack(kwargs))


def attribute(worker: Worker, target: Handle | str, name: str) -> Any:
    """Read an attribute: a method comes back as a handle, data as data."""
    return getattr(worker.find(target), name)


def assign(worker: Worker, target: Handle | str, name: str, value: Any) -> None:
    """Set an attribute."""
    setattr(worker.find(target), name, worker.unpack(value))


def element(worker: Worker, target: Handle | str, key: Any) -> Any:
    """object[key]"""
    return worker.find(target)[worker.unpack(key)]


def length(worker: Worker, target: Handle | str) -> int:
    """len(object)"""
    return len(worker.find(target))


def iterator(worker: Worker, target: Handle | str) -> Any:
    """iter(object)"""
    return worker.store(iter(worker.find(target)))


def following(worker: Worker, target: Handle | str) -> Any:
    """The next value of an iterator, as [value], or [] at its end."""
    return [value for value in [next(worker.find(target), worker)] if value is not worker]


def gradients(worker: Worker, target: Handle | str, args: tuple, kwargs: dict, cotangent: Tensor) -> Any:
    """Call with gradients on: the output, and the gradient of (output * cotangent).sum() for each argument.

    A floating-point tensor argument gets its gradient, None if none reached it; any other argument gets None.
    The third part is the same for the parameters of a module, by their names.
    """
    leaves = [
        arg.clone().requires_grad_() if isinstance(arg, Tensor) and arg.is_floating_point() else arg
        for arg in worker.unpack(args)
    ]
    function = worker.find(target)
    parameters = dict(function.named_parameters()) if isinstance(function, nn.Module) else {}
    with torch.enable_grad():
        # The function is given copies, so that one that works in place can still be differentiated.
        copies = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        output = function(*copies, **worker.unpack(kwargs))
        if output.requires_grad:
            for parameter in parameters.values():
                parameter.grad = None
            (output * worker.unpack(cotangent)).sum().backward()
    of_arguments = [leaf.grad if isinstance(leaf, Tensor) else None for leaf in leaves]
    return output, of_arguments, {name: parameter.grad for name, parameter in parameters.items()}


OPERATIONS: dict[str, Callable] = {
    "cell": cell,
    "settle": settle,
    "name": name,
    "keep": keep,
    "build": build,
    "callback": callback,
    "call": call,
    "attribute": attribute,
    "assign": assign,
    "element": element,
    "length": length,
    "iterator": iterator,
    "next": following,
    "gradients": gradients,
}


class Callback:
    """A function whose body is at the examiner's. What it returns is data, without a graph."""

    def __init__(self, worker: Worker, number: int, attributes: dict[str, Any]) -> None:
        self._question = lambda args, kwargs: _ask(worker, number, args, kwargs)
        self.__dict__.update(attributes)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._question(args, kwargs)


class Table(nn.Module):
    """The same as a model: `forward` is at the examiner's. It has one weight, which says on which device it is."""

    def __init__(self, worker: Worker, number: int, attributes: dict[str, Any]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self._question = lambda args, kwargs: _ask(worker, number, args, kwargs)
        for name, value in attributes.items():
            setattr(self, name, Namespace(value) if isinstance(value, dict) else value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._question(args, kwargs)


class Namespace:
    """A dict that is read with dots: model.config.block_size."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


def _ask(worker: Worker, number: int, args: tuple, kwargs: dict) -> Any:
    question = {"callback": number, "args": worker.pack(args), "kwargs": worker.pack(kwargs)}
    match decode(worker.ask(encode(question))):
        case {"ok": value}:
            return worker.unpack(value)
        case {"error": str(message)}:
            raise RuntimeError(message)


# --- Errors, cells, the channel -----------------------------------------------------------------------


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
    """Execute one cell's source, or only a part of it, in the namespace, so that errors can quote its lines.

    As in a kernel, `await` may stand at the top level, and `from __future__` holds for the cells below it too.
    """
    filename = f"<{name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    features = {value for value in namespace.values() if type(value) is __future__._Feature}
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | sum(feature.compiler_flag for feature in features)
    coroutine = eval(compile(part or source, filename, "exec", flags, dont_inherit=True), namespace)
    if coroutine is not None:
        asyncio.run(coroutine)


def serve(worker: Worker, channel: socket.socket) -> None:
    """Answer what comes over the channel until the examiner closes it."""

    def until_answered() -> bytes:
        """Do what is requested; return at an answer, to the last question put."""
        while True:
            letter, message = receive_frame(channel)
            if letter == b"A":
                return message
            send_frame(channel, b"A", worker.answer(message, ask))

    def ask(question: bytes) -> bytes:
        send_frame(channel, b"Q", question)
        return until_answered()

    with suppress(EOFError, OSError):
        until_answered()
