"""The examiner's side of the boundary: objects that reach the learner's code and look like it.

    out = learner.attend(q, k, v, mask)              # a fresh tensor of the examiner's own
    out, grads = learner.attend.gradients(q, k, v, mask, cotangent=w)
    model = learner.GPT(config); model.state_dict()  # an object that stays there, by handle
    len(dataset), dataset[3], list(loader)

What is handed to the learner's code is data, or one of these:

    keep(learner, q)                                 # one and the same tensor for several calls
    model(learner, table, config={"block_size": 8})  # a model whose forward is the function `table`, run here
    callback(learner, function)                      # a function that is run here
    build(learner, "handmade.tiny.TinyLM", 65, 32)   # an object of the library's, made there

What must be an error is asked with `refused`, which gives the error's message.
"""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from autograder import expect
from autograder.wire import Handle, WireError, decode, encode

LONGEST = 1000  # characters of an error that are kept
Connection = Callable[
    [bytes, Callable[[bytes], bytes]], bytes
]  # a request, and who answers questions meanwhile


class LearnerError(Exception):
    """The learner's code raised an error, or ended: its type, message and, where known, the line."""

    def __init__(self, type: str, message: str, line: int | None = None, text: str = "") -> None:
        where = f" (line {line} of your cell: `{text}`)" if line else ""
        super().__init__(f"{type}: {message}{where}" if message else f"{type}{where}")
        self.type, self.message = type, message


class Channel:
    """Sends a request and returns the answer. Every answer is written down, so that runs can be compared."""

    def __init__(self, send: Connection) -> None:
        self.send = send
        self.transcript: list[Any] = []
        self.functions: list[Callable] = []  # what the learner's code may call on this side
        self.stopped: Exception | None = None  # what one of them raised to end the item

    def ask(self, op: str, **request: Any) -> Any:
        """One request.

        Raises:
            LearnerError: the learner's code raised it, or did not answer as it should.
        """
        try:
            answer = decode(self.send(encode({"op": op, **request}), self.serve))
        except LearnerError as error:
            self.transcript.append(("error", error.type))
            raise
        except WireError as error:
            answer = {
                "error": {"type": "WireError", "message": f"returned {error}", "line": None, "text": ""}
            }
        if self.stopped:
            raise self.stopped
        match answer:
            case {"ok": value}:
                self.transcript.append(value)
                return value
            case {
                "error": {
                    "type": str(kind),
                    "message": str(message),
                    "line": int() | None as line,
                    "text": str(text),
                }
            }:
                kind, message, text = kind[:100], message[:LONGEST], text[:LONGEST]
                self.transcript.append(("error", kind))
                raise LearnerError(kind, message, line, text)
        raise LearnerError("WireError", "the answer was not understood")

    def serve(self, question: bytes) -> bytes:
        """Answer the learner's code where it calls a function of ours."""
        try:
            match decode(question):
                case {"callback": int(number), "args": tuple(args), "kwargs": dict(kwargs)}:
                    self.transcript.append(("called", args, kwargs))
                    function = self.functions[number]
                    value = function(*self.wrap(args, "argument"), **self.wrap(kwargs, "argument"))
                    return encode({"ok": _pack(value)})
            return encode({"error": "not a question"})
        except (expect.Failed, LearnerError) as error:
            self.stopped = error
            return encode({"error": "stopped"})
        except Exception as error:
            return encode({"error": f"{type(error).__name__}: {error}"})

    def wrap(self, value: Any, name: str) -> Any:
        """Handles become objects of this side."""
        if isinstance(value, Handle):
            return Remote(self, value, name)
        if isinstance(value, list | tuple):
            return type(value)(self.wrap(each, name) for each in value)
        if isinstance(value, dict):
            return {key: self.wrap(each, name) for key, each in value.items()}
        return value


class Learner:
    """The learner's namespace. `returns` maps a name to the type that its calls must return."""

    def __init__(self, channel: Channel, returns: dict[str, type] | None = None) -> None:
        self._channel, self._returns = channel, returns or {}

    def __getattr__(self, name: str) -> "Remote":
        return Remote(self._channel, name, name, self._returns.get(name))


class Remote:
    """An object on the learner's side: `target` is its number, or what their notebook calls it."""

    def __init__(
        self, channel: Channel, target: Handle | str, name: str, returns: type | None = None
    ) -> None:
        self._channel, self._target, self._name, self._returns = channel, target, name, returns

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._checked(self._ask("call", args=_pack(args), kwargs=_pack(kwargs)))

    def gradients(self, *args: Any, cotangent: Tensor, **kwargs: Any) -> tuple[Any, list[Tensor | None]]:
        """Call, and differentiate (output * cotangent).sum() with respect to each tensor argument."""
        output, gradients, _ = self._gradients(args, kwargs, cotangent)
        return output, gradients

    def parameter_gradients(self, *args: Any, cotangent: Tensor, **kwargs: Any) -> dict[str, Tensor | None]:
        """The same with respect to a module's parameters, by their names."""
        return self._gradients(args, kwargs, cotangent)[2]

    def _gradients(self, args: tuple, kwargs: dict, cotangent: Tensor) -> tuple:
        answer = self._ask("gradients", args=_pack(args), kwargs=_pack(kwargs), cotangent=cotangent)
        match answer:
            case (output, list(of_arguments), dict(of_parameters)):
                return self._checked(output), of_arguments, of_parameters
        raise LearnerError("WireError", "the answer was not understood")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._channel.wrap(self._ask("attribute", name=name), name)

    def assign(self, name: str, value: Any) -> None:
        """object.name = value"""
        self._ask("assign", name=name, value=_pack(value))

    def __getitem__(self, key: Any) -> Any:
        return self._channel.wrap(self._ask("element", key=_pack(key)), self._name)

    def __len__(self) -> int:
        return self._ask("length")

    def __iter__(self) -> Iterator[Any]:
        values = Remote(self._channel, self._ask("iterator"), self._name)
        while answer := values._ask("next"):
            yield self._channel.wrap(answer[0], self._name)

    def _ask(self, op: str, **request: Any) -> Any:
        return self._channel.ask(op, target=self._target, **request)

    def _checked(self, value: Any) -> Any:
        if self._returns is not None:
            expect.kind(value, self._returns, self._name)
        return self._channel.wrap(value, self._name)


# --- What is handed over ------------------------------------------------------------------------------


def keep(learner: Learner, value: Any, requires_grad: bool = False) -> Remote:
    """Place a value on the learner's side, to hand the very same object to several calls."""
    return _made(learner, "value", "keep", value=_pack(value), requires_grad=requires_grad)


def build(
    learner: Learner, answer: str, *args: Any, state: dict[str, Tensor] | None = None, **kwargs: Any
) -> Remote:
    """Make an object of the library's on the learner's side, and load its weights. It must not be an open answer."""
    return _made(
        learner, answer, "build", answer=answer, args=_pack(args), kwargs=_pack(kwargs), state=_pack(state)
    )


def callback(learner: Learner, function: Callable, **attributes: Any) -> Remote:
    """A function on the learner's side which, when called, calls `function` here: data in, data out."""
    return _callback(learner, function, False, attributes)


def model(learner: Learner, function: Callable, **attributes: Any) -> Remote:
    """The same as an nn.Module: `function` is its forward; `attributes` are data (a dict is read with dots)."""
    return _callback(learner, function, True, attributes)


def _callback(learner: Learner, function: Callable, module: bool, attributes: dict[str, Any]) -> Remote:
    functions = learner._channel.functions
    functions.append(function)
    number = len(functions) - 1
    return _made(learner, "callback", "callback", number=number, module=module, attributes=attributes)


def _made(learner: Learner, name: str, op: str, **request: Any) -> Remote:
    channel = learner._channel
    return Remote(channel, channel.ask(op, **request), name)


def _pack(value: Any) -> Any:
    """Objects of this side become handles; what is like a tuple or a dict, as a shape or a state_dict, becomes one."""
    if isinstance(value, Remote):
        if isinstance(value._target, str):
            value._target = value._channel.ask("name", name=value._target)
        return value._target
    if isinstance(value, list | tuple):
        return (list if isinstance(value, list) else tuple)(_pack(each) for each in value)
    if isinstance(value, dict):
        return {key: _pack(each) for key, each in value.items()}
    return value


# --- What is refused ----------------------------------------------------------------------------------


def refused(call: Callable[[], Any], of: str, error: str = "ValueError") -> str:
    """The message of the error, by default a ValueError, that the learner's code must raise in `call`; else fail."""
    wanted = f"{of} must raise {'an' if error[0] in 'AEIOU' else 'a'} {error}"
    try:
        call()
    except LearnerError as raised:
        if raised.type in ("NotImplementedError", "TimeUp", "Died"):
            raise
        expect.that(raised.type == error, f"{wanted}, yours raises {raised}")
        return raised.message
    raise expect.Failed(f"{wanted}, yours raises nothing")
