"""What crosses the boundary between the examiner and the learner's code: plain data, as bytes.

A message is one JSON header and the raw buffers of its tensors:

    4 bytes, big endian: length of the header | header | buffer 0 | buffer 1 | ...

Between processes each message travels in a frame, a letter (what it is) and its length before it.

Data is None, bool, int, float, str, Tensor, list, tuple, dict, or a Handle, which stands for an object that
stays where it is. Nothing is ever unpickled, and tensors arrive as fresh, exact `torch.Tensor`s: a subclass or
an object that merely behaves like data does not survive the journey.
"""

import json
import math
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
        torch.float16, torch.bfloat16, torch.float32, torch.float64,
    )
}  # fmt: skip


LONGEST_HEADER = 4 << 20  # bytes; tensors are not in it
LONGEST_FRAME = 64 << 20
MOST_PARTS, MOST_SECONDS = 1_000_000, 2.0  # values in one message, and processor time for reading them
MOST_DIMENSIONS, MOST_ELEMENTS = 64, 1 << 26  # of a tensor


class WireError(ValueError):
    """The value or the bytes are not plain data."""


@dataclass(frozen=True)
class Handle:
    """An object that stays in the worker; `kind` is the name of its class, for messages only."""

    number: int
    kind: str = "object"


def encode(value: Any) -> bytes:
    """Turn plain data into bytes.

    Raises:
        WireError: something in it is not plain data, or is nested too deeply.
    """
    buffers: list[bytes] = []
    try:
        header = json.dumps(_pack(value, buffers)).encode()
    except RecursionError:
        raise WireError("nested too deeply, or contains itself") from None
    return b"".join([struct.pack(">I", len(header)), header, *buffers])


def decode(message: bytes) -> Any:
    """Turn bytes back into plain data; nothing in them is trusted.

    Raises:
        WireError: the bytes are not exactly one well-formed message.
    """
    try:
        (length,) = struct.unpack_from(">I", message)
        if length > LONGEST_HEADER:
            _refuse("so much that is no tensor")
        header = json.loads(message[4 : 4 + length].decode())
        reader = _Buffers(message, 4 + length)
        value = _unpack(header, reader)
    except WireError:
        raise
    except (
        struct.error,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        RuntimeError,
        AssertionError,
    ) as error:
        raise WireError(f"not a message: {type(error).__name__}") from None
    if reader.position != len(message):
        raise WireError("bytes left over after the message")
    return value


# JSON has no tuples, tensors, handles, infinities or integer keys, so each value is packed as [tag, ...].


def _pack(value: Any, buffers: list[bytes]) -> Any:
    kind = type(value)  # exact types only: a subclass could carry behaviour
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return ["i", str(value)] if value.bit_length() < 2048 else _refuse("an integer of over 2,048 bits")
    if kind is float:
        return ["f", value.hex()]  # exact, and inf and nan are allowed
    if kind in (list, tuple):
        return ["l" if kind is list else "t", [_pack(each, buffers) for each in value]]
    if kind is dict:
        return ["d", [[_pack(key, buffers), _pack(each, buffers)] for key, each in value.items()]]
    if kind is Handle:
        return ["h", value.number, value.kind]
    if isinstance(value, Tensor):
        return _pack_tensor(value, buffers)
    return _refuse(f"a value of type {kind.__name__}")


def _pack_tensor(tensor: Tensor, buffers: list[bytes]) -> Any:
    # Dimensions travel in memory order, so that a transposed tensor arrives transposed in memory too.
    tensor = tensor.detach()
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in DTYPES or tensor.layout is not torch.strided:
        _refuse(f"a tensor of type {tensor.dtype}, {tensor.layout}")
    order = sorted(range(tensor.dim()), key=lambda d: (-tensor.stride(d), d))
    device = tensor.device.type
    if device != "meta":  # a meta tensor has a shape and no data
        # A clone, since `contiguous()` leaves alone a single element whose stride is not 1, which has no bytes to view.
        dense = tensor.permute(order).cpu().clone(memory_format=torch.contiguous_format)
        buffers.append(dense.flatten().view(torch.uint8).numpy().tobytes() if dense.numel() else b"")
    return ["T", name, list(tensor.shape), order, device]


def _unpack(packed: Any, buffers: "_Buffers") -> Any:
    buffers.count()
    if packed is None or isinstance(packed, bool | str):
        return packed
    if not isinstance(packed, list) or not packed:
        _refuse("an unknown form")
    tag, *rest = packed
    if tag == "i":
        return int(rest[0]) if len(rest[0]) < 650 else _refuse("an integer of over 2,048 bits")
    if tag == "f":
        return float.fromhex(rest[0])
    if tag in ("l", "t", "d") and not isinstance(rest[0], list):
        _refuse("an unknown form")
    if tag in ("l", "t"):
        return (list if tag == "l" else tuple)(_unpack(each, buffers) for each in rest[0])
    if tag == "d":
        return {_unpack(key, buffers): _unpack(each, buffers) for key, each in rest[0]}
    if tag == "h":
        number, kind = rest
        return Handle(number, kind) if type(number) is int and type(kind) is str else _refuse("a bad handle")
    if tag == "T":
        return _unpack_tensor(*rest, buffers)
    return _refuse(f"an unknown tag {tag!r}")


def _unpack_tensor(name: str, shape: list[int], order: list[int], device: str, buffers: "_Buffers") -> Tensor:
    if len(shape) > MOST_DIMENSIONS or not all(type(size) is int and size >= 0 for size in shape):
        _refuse("a tensor of impossible shape")
    if sorted(order) != list(range(len(shape))) or math.prod(shape) > MOST_ELEMENTS:
        _refuse("a tensor of impossible shape")
    if device not in ("cpu", "meta", "cuda", "mps"):
        _refuse("a tensor on an unknown device")
    dtype, sizes = DTYPES[name], [shape[d] for d in order]
    if device == "meta":
        dense = torch.empty(sizes, dtype=dtype, device="meta")
    else:
        raw = buffers.take(math.prod(sizes) * dtype.itemsize)
        dense = torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.empty(0, dtype=dtype)
        if dtype is torch.bool:
            dense = dense.view(torch.uint8) != 0  # a bool whose byte is 2 would be neither True nor False
        dense = dense.reshape(sizes)  # in this process it lives on the CPU, wherever it was
    return dense.permute([order.index(d) for d in range(len(order))])


class _Buffers:
    """The rest of the message, taken piece by piece."""

    def __init__(self, message: bytes, position: int) -> None:
        self.message, self.position = message, position
        self.parts, self.began = 0, time.thread_time()

    def count(self) -> None:
        """One value more. There are messages that would take hours: a million keys, all with the same hash."""
        self.parts += 1
        late = self.parts % 256 == 0 and time.thread_time() - self.began > MOST_SECONDS
        if late or self.parts > MOST_PARTS:
            _refuse("so much that is no tensor")

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.message):
            _refuse("a tensor with too few bytes")
        raw, self.position = self.message[self.position : end], end
        return raw


def _refuse(what: str) -> Any:
    raise WireError(f"{what} is not plain data")


# --- Frames -------------------------------------------------------------------------------------------


def send_frame(channel: socket.socket, letter: bytes, message: bytes, deadline: float | None = None) -> None:
    """Send one message; until `deadline`, a time of the monotonic clock.

    Raises:
        TimeoutError: it was not taken in time.
        OSError: the other side is gone.
    """
    channel.settimeout(_left(deadline))
    channel.sendall(b"".join([letter, struct.pack(">Q", len(message)), message]))


def receive_frame(channel: socket.socket, deadline: float | None = None) -> tuple[bytes, bytes]:
    """The next frame's letter and message.

    Raises:
        TimeoutError: it was not complete in time.
        EOFError, OSError: the other side is gone.
        WireError: it is longer than any that is needed.
    """
    head = _receive(channel, 9, deadline)
    (length,) = struct.unpack(">Q", head[1:])
    if length > LONGEST_FRAME:
        _refuse(f"a message of {length:,} bytes")
    return head[:1], _receive(channel, length, deadline)


def _receive(channel: socket.socket, length: int, deadline: float | None) -> bytes:
    received = bytearray()
    while len(received) < length:  # it grows with what comes, not with what was announced
        channel.settimeout(_left(deadline))
        piece = channel.recv(min(length - len(received), 1 << 20))
        if not piece:
            raise EOFError("the other side is gone")
        received += piece
    return bytes(received)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
