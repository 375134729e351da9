"""The examiner's side of the boundary: objects that reach the learner's code and look like it.

learner = Learner(worker.answer)
out = learner.attend(q, k, v, mask)              # a fresh tensor of the examiner's own
out, grads = learner.attend.gradients(q, k, v, mask, cotangent=w)
model = learner.GPT(config); model.state_dict()  # an object that stays there, by handle
"""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from autograder import expect
from autograder.wire import Handle, decode, encode


class LearnerError(Exception):
    """The learner's code raised an error: its type, message and, where known, the line."""

    def __init__(self, type: str, message: str, line: int | None = None, text: str = "") -> None:
        where = f" (line {line} of your cell: `{text}`)" if line else ""
        super().__init__(f"{type}: {message}{where}" if message else f"{type}{where}")
        self.type, self.message = type, message


class Learner:
    """The learner's namespace. `returns` maps a name to the type that its calls must return."""

    def __init__(self, send: Callable[[bytes], bytes], returns: dict[str, type] | None = None) -> None:
        self._channel = Channel(send)
        self._returns = returns or {}

    def __getattr__(self, name: str) -> "Remote":
        handle = self._channel.ask("name", name=name)
        return Remote(self._channel, handle, name, self._returns.get(name))

    def _keep(self, value: Any) -> "Remote":
        return Remote(self._channel, self._channel.ask("keep", value=value), type(value).__name__)


class Channel:
    """Sends a request and returns the answer. Every answer is written down, so that runs can be compared."""

    def __init__(self, send: Callable[[bytes], bytes]) -> None:
        self.send = send
        self.transcript: list[Any] = []

    def ask(self, op: str, **request: Any) -> Any:
        answer = decode(self.send(encode({"op": op, **request})))
        match answer:
            case {"ok": value}:
                self.transcript.append(value)
                return value
            case {"error": {"type": str(kind), "message": str(message), "line": line, "text": text}}:
                self.transcript.append(("error", kind))
                raise LearnerError(kind, message, line, text)
        raise LearnerError("WireError", "the answer was not understood")


class Remote:
    """An object on the learner's side."""

    def __init__(self, channel: Channel, handle: Handle, name: str, returns: type | None = None) -> None:
        self._channel, self._handle, self._name, self._returns = channel, handle, name, returns

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        answer = self._channel.ask("call", target=self._handle, args=_pack(args), kwargs=_pack(kwargs))
        return self._checked(answer)

    def gradients(self, *args: Any, cotangent: Tensor, **kwargs: Any) -> tuple[Tensor, list[Tensor | None]]:
        """Call, and differentiate (output * cotangent).sum() with respect to each tensor argument."""
        output, gradients = self._channel.ask(
            "gradients", target=self._handle, args=_pack(args), kwargs=_pack(kwargs), cotangent=cotangent
        )
        return self._checked(output), gradients

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._wrap(self._channel.ask("attribute", target=self._handle, name=name), name)

    def __iter__(self) -> Iterator[Any]:
        while answer := self._channel.ask("next", target=self._handle):
            yield self._wrap(answer[0], self._name)

    def _checked(self, value: Any) -> Any:
        if self._returns is not None:
            expect.kind(value, self._returns, self._name)
        return self._wrap(value, self._name)

    def _wrap(self, value: Any, name: str) -> Any:
        return Remote(self._channel, value, name) if isinstance(value, Handle) else value


def keep(learner: Learner, value: Any) -> Remote:
    """Place a value on the learner's side, to hand the very same object to several calls."""
    return learner._keep(value)


def _pack(value: Any) -> Any:
    if isinstance(value, Remote):
        return value._handle
    if isinstance(value, list | tuple):
        return type(value)(_pack(each) for each in value)
    if isinstance(value, dict):
        return {key: _pack(each) for key, each in value.items()}
    return value
