"""What crosses the boundary arrives as it was, and nothing but a message is accepted as one."""

import json
import struct
import tracemalloc

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from autograder.examine import alike
from autograder.wire import DTYPES, Handle, WireError, decode, encode


@st.composite
def tensors(draw) -> Tensor:
    """All dtypes, 0 to 4 dimensions of size 0 to 3, transposed, sliced and expanded; some on the meta device."""
    dtype = draw(st.sampled_from(list(DTYPES.values())))
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    if draw(st.booleans()):
        return torch.empty(shape, dtype=dtype, device="meta")
    seed = draw(st.integers(0, 1000))
    x = (4 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))).to(dtype)
    if x.dim():
        x = x.permute(draw(st.permutations(range(x.dim()))))
        if draw(st.booleans()):
            x = x[..., ::2]
        if draw(st.booleans()):
            x = x.unsqueeze(0).expand(2, *x.shape)
    return x


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**2000), 2**2000)
    | st.floats()
    | st.text()
    | st.builds(Handle, st.integers(), st.text())
    | tensors(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.booleans(), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(a, b) -> bool:
    """Exactly the same, in type and value."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        if (a.shape, a.dtype, a.device) != (b.shape, b.dtype, b.device):
            return False
        # equal as numbers, or both NaN; the sign of a zero too
        return a.is_meta or bool(
            ((a == b) | (a.isnan() & b.isnan())).all() and (a.signbit() == b.signbit()).all()
        )
    if isinstance(a, float):
        return a.hex() == b.hex()  # to the bit, with the sign of a zero; a NaN is a NaN
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) and same(a[x], b[y]) for x, y in zip(a, b, strict=True))
    return a == b


@given(PLAIN)
@example(torch.arange(2)[::2])  # one element, stride 2
def test_plain_data_arrives_as_it_was(value):
    arrived = decode(encode(value))
    assert same(value, arrived), f"sent {value!r}, received {arrived!r}"


@given(tensors())
def test_the_order_in_memory_arrives_too(x):
    arrived = decode(encode(x))
    big = [d for d in range(x.dim()) if x.shape[d] > 1 and x.stride(d) > 0]
    by_stride = sorted(big, key=lambda d: -x.stride(d))
    assert by_stride == sorted(big, key=lambda d: -arrived.stride(d)), (
        f"strides {x.stride()} arrived as {arrived.stride()} for shape {tuple(x.shape)}"
    )


def test_a_tensor_that_arrives_is_a_fresh_one_of_its_own():
    class Loud(Tensor):
        pass

    x = torch.ones(3, requires_grad=True)
    assert not decode(encode(x)).requires_grad, "the graph came along"
    y = torch.ones(3).as_subclass(Loud)
    assert type(decode(encode(y))) is Tensor, "a subclass came along, and it could carry behaviour"
    message = encode(torch.zeros(3))
    first = decode(message)
    first += 1
    assert decode(message).sum() == 0, "two readers of one message share memory"


class Text(str):
    pass


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        len,
        Text("a"),
        1j,
        torch.zeros(2, dtype=torch.complex64),
        torch.eye(2).to_sparse(),
        2**3000,
        b"",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_plain_data_is_refused(value):
    with pytest.raises(WireError, match="not plain data"):
        encode([value])


def test_what_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(WireError, match="contains itself"):
        encode(loop)


MESSAGE = encode(
    {"op": "call", "args": (torch.ones(2, 3), [1, 2.5, None], Handle(3, "GPT"), {"device": "cpu"})}
)


@given(st.lists(st.tuples(st.integers(0, len(MESSAGE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_message_with_wrong_bytes_is_refused_or_read(changes):
    mutated = bytearray(MESSAGE)
    for position, byte in changes:
        mutated[position] = byte
    only_wire_errors(bytes(mutated))


@given(st.binary(max_size=200) | st.integers(0, len(MESSAGE)).map(lambda n: MESSAGE[:n]))
def test_bytes_that_are_no_message_are_refused_or_read(message):
    only_wire_errors(message)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([*"ifltdhT", "float32", "meta", "cuda", "mps"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=12,
)


@given(JSON)
def test_a_header_of_any_form_is_refused_or_read(header):
    raw = json.dumps(header).encode()
    only_wire_errors(struct.pack(">I", len(raw)) + raw)


@pytest.mark.parametrize(
    "header",
    [
        b'["T", "float32", [1000000000000], [0], "cpu"]',
        b'["T", "float32", [4611686018427387904, 4611686018427387904], [0, 1], "meta"]',
        b'["T", "float32", [0, 1180591620717411303424], [0, 1], "cpu"]',
        b'["T", "float32", [true], [0], "cpu"]',
        b'["T", "float32", [-1], [0], "cpu"]',
        b'["T", "float32", [1, 1], [0, 0], "cpu"]',
        b'["T", "object", [1], [0], "cpu"]',
        b'["T", "float32", [0], [0], "xla"]',
        b'["i", "' + b"9" * 5000 + b'"]',
        b'["i"]',
        b'["f", "0x1p99999"]',
        b'["d", [[["l", []], null]]]',
        b"[" * 100_000,
        b'["h", true, "x"]',
    ],
    ids=lambda header: header[:60].decode(),
)
def test_impossible_claims_are_refused_without_allocating(header):
    message = struct.pack(">I", len(header)) + header
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            decode(message)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000 + 10 * len(message), f"{peak:,} bytes to refuse {len(message):,}"


def test_a_bool_is_true_or_false_whatever_its_byte():
    message = encode(torch.tensor([True, False, True]))
    odd = decode(message[:-3] + b"\2\0\xff")
    assert (
        odd.tolist() == [True, False, True]
        and int(odd.sum()) == 2
        and bool((odd == odd.clone().int().bool()).all())
    )
    assert odd.view(torch.uint8).tolist() == [1, 0, 1]


def test_bytes_left_over_are_refused():
    with pytest.raises(WireError, match="left over"):
        decode(MESSAGE + b"\0")


def only_wire_errors(message: bytes) -> None:
    try:
        value = decode(message)
    except WireError:
        return
    assert alike(value, decode(message)), f"read as {value!r}, then as something else"
