"""Attacks on the channel: the learner's code takes the worker over and writes its answers itself, byte by byte."""

from registry import attack, garbage

HIJACK = """
import json, os, socket, struct, sys, threading, time
inside = sys.modules["autograder.worker"]
frame = sys._getframe()
while "channel" not in frame.f_locals:
    frame = frame.f_back
channel = frame.f_locals["channel"]
real = inside.Worker.answer

def header(value, *buffers):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return struct.pack(">I", len(text)) + text + b"".join(buffers)

def tensor(name, shape, order, device="cpu", raw=b""):
    return header(["d", [["ok", ["T", name, shape, order, device]]]], raw)

def frame_of(message, letter=b"A", length=None):
    return letter + struct.pack(">Q", len(message) if length is None else length) + message

def answer(self, request, ask):
    op = inside.decode(request)["op"]
    if op in ("setup", "cell", "settle", "name", "keep") and not EVERYTHING:
        return real(self, request, ask)
    return forged(op, request, ask)

EVERYTHING = False
inside.Worker.answer = answer
"""


def hijacked(forged: str) -> dict:
    """A notebook that takes over the worker; `forged` defines forged(op, request, ask), the bytes of each answer."""
    return garbage(first=HIJACK + forged)


@attack
def claims_of_full_marks():
    """The answer says earned, passed, ok and 26 wherever something could be read from it."""
    return hijacked("""
def forged(op, request, ask):
    return header(["d", [["ok", ["i", "26"]], ["earned", ["i", "26"]], ["passed", True], ["reason", ""]]])
""")


@attack
def right_shapes_random_values():
    """Every answer is a random tensor of exactly the shape that the request calls for."""
    return hijacked("""
def forged(op, request, ask):
    message = inside.decode(request)
    args = message["args"]
    if isinstance(args[0], int):
        value = torch.rand(args[0], args[0]) > 0.5
    else:
        value = torch.rand(*args[0].shape[:-1], args[-2].shape[-2 if len(args) < 4 else -1])
    return inside.encode({"ok": value if op == "call" else (value, [torch.rand_like(a) for a in args[:3]], {})})
""")


@attack
def requests_echoed():
    """What comes in goes out again: the inputs, or the whole request, as the answer."""
    return hijacked("""
def forged(op, request, ask):
    args = inside.decode(request).get("args", ())
    return inside.encode({"ok": args[-1] if args else None}) if len(request) % 2 else request
""")


@attack
def broken_headers():
    """Headers that are too long, too short, not JSON, not UTF-8, of other types, or nested 100,000 deep."""
    return hijacked("""
import itertools
bodies = itertools.cycle([
    b"", b"\\xff\\xff\\xff\\xff", struct.pack(">I", 2**31) + b"{}", header(b"\\xff\\xfe"), header(b"[" * 10**5),
    header(b'["l",[' * 900 + b"null" + b"]]" * 900), header(b"1" * 5000), header(b'["i","' + b"9" * 10**6 + b'"]'),
    header(["f", "nan nan"]), header(["f", "0x1p99999"]), header(["T"]), header(["h", -1, "x"]), header(["zzz", 1]),
    header(["d", [[["l", []], None]]]), header(b"NaN"), header(b"-Infinity"), header(b'"\\\\ud800"'), header([]),
    header({}), header(["d", 5]), header(["l", None]), header(["i", []]), header(["t", {"a": 1}]),
    header(["T", [], {}, 0, 1]),
    header(None, b"left over"),
])
def forged(op, request, ask):
    return next(bodies)
""")


@attack
def broken_tensors():
    """Tensors of negative, huge, fractional and text sizes, with too few bytes, on devices that are not there."""
    return hijacked("""
import itertools
bodies = itertools.cycle([
    tensor("float32", [-1], [0]), tensor("float32", [2**62, 2**62], [0, 1]),
    tensor("float32", [2**62, 2**62], [0, 1], "meta"),
    tensor("float32", [0, 2**70], [0, 1]), tensor("float32", [1.5], [0]), tensor("float32", "22", [0, 1]),
    tensor("float32", [2, 2], [0, 0], raw=bytes(16)), tensor("float32", [2, 2], [1, 0], raw=bytes(15)),
    tensor("float32", [2], [0], "cuda", bytes(8)), tensor("float32", [2], [0], "mps", bytes(8)),
    tensor("float32", [2], [0], "xla", bytes(8)), tensor("complex64", [2], [0], raw=bytes(16)),
    tensor("float32", {}, []), tensor("float32", [True], [False], raw=bytes(4)),
    tensor("object", [1], [0], raw=bytes(8)),
    tensor("bool", [4], [0], raw=b"\\x02\\x03\\xff\\x80"), tensor(["float32"], [1], [0]),
    tensor("float32", [10**12], [0], "meta"),
    tensor("float16", [2, 0, 5], [2, 1, 0]), tensor("int64", [1], [0], raw=b"\\x80" * 8),
])
def forged(op, request, ask):
    return next(bodies)
""")


@attack
def frames_announced():
    """Frames that announce lengths of exabytes, of nothing, and of more than ever comes."""
    return hijacked("""
import itertools
lengths = itertools.cycle([2**64 - 1, 2**63, 1 << 40, (256 << 20) + 1, 256 << 20])
def forged(op, request, ask):
    channel.sendall(frame_of(b"", length=next(lengths)))
    time.sleep(60)
""")


@attack
def unknown_frames():
    """Letters that are no frame's, and those that only the other side may send: R, L, E."""
    return hijacked("""
def forged(op, request, ask):
    for letter in (b"L", b"E", b"R", b"\\0", b"Z"):
        channel.sendall(frame_of(b"namespaces seccomp", letter))
    return header(None)
""")


@attack
def answers_in_advance():
    """A thousand answers are sent before anything is asked, and two for every question after that."""
    return hijacked("""
good = inside.encode({"ok": torch.ones(1, 1, dtype=torch.bool)})
def forged(op, request, ask):
    channel.sendall(frame_of(good) * 2)
    return good
channel.setblocking(False)
try:
    channel.sendall(frame_of(good) * 1000)
except BlockingIOError:
    pass
channel.setblocking(True)
""")


@attack
def slow_drip():
    """Each answer comes a byte at a time, so that no single wait is long."""
    return hijacked("""
def forged(op, request, ask):
    for byte in frame_of(inside.encode({"ok": torch.zeros(100, 100)})):
        channel.sendall(bytes([byte]))
        time.sleep(0.05)
    return b""
""")


@attack
def silence():
    """The worker neither reads nor answers, and blocks every signal it can."""
    return hijacked("""
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
def forged(op, request, ask):
    while True:
        time.sleep(1)
""")


@attack
def channel_closed():
    """All descriptors are closed, or replaced with /dev/zero, under the worker's feet."""
    return hijacked("""
def forged(op, request, ask):
    zero = os.open("/dev/zero", os.O_RDWR)
    for fd in range(256):
        if fd != zero:
            try:
                os.dup2(zero, fd)
            except OSError:
                pass
    os.closerange(0, 256)
    return b""
""")


@attack
def dies_when_settling():
    """The worker answers every cell, and dies, refuses or babbles when it is asked for what the notebook defines."""
    return garbage(
        first=HIJACK
        + """
EVERYTHING = True
def forged(op, request, ask):
    if op == "settle":
        raise SystemExit
    return real(frame.f_locals["worker"], request, ask)
"""
    )


@attack
def error_when_settling():
    """Asked for what the notebook defines, the worker answers with an error that none of the learner's lines made."""
    return garbage(
        first=HIJACK
        + """
EVERYTHING = True
def forged(op, request, ask):
    if op == "settle":
        return inside.encode({"error": {"type": "NotJailed", "message": "", "line": None, "text": ""}})
    return real(frame.f_locals["worker"], request, ask)
"""
    )


@attack
def dies_a_little_later():
    """A thread ends the process some milliseconds after the cell, in the middle of whatever comes then."""
    return garbage(
        last="""
import os, random, threading, time
threading.Thread(target=lambda: (time.sleep(random.random() / 20), os._exit(0)), daemon=True).start()
"""
    )


@attack
def false_names():
    """Asked for what the notebook defines, the worker gives the names as tensors, handles, numbers and a mapping."""
    return garbage(
        first=HIJACK
        + """
EVERYTHING = True
def forged(op, request, ask):
    if op == "settle":
        return inside.encode({"ok": [torch.ones(3), inside.Handle(0), 5, None, {"attend": 1}, "attend"] * 3})
    if op == "name":
        return inside.encode({"ok": "attend"})
    return real(frame.f_locals["worker"], request, ask)
"""
    )


@attack
def forged_errors():
    """Errors of kinds that mean something to the grader, whose line is a tensor, whose text is a list."""
    return hijacked("""
import itertools
kinds = itertools.cycle(["Failed", "NotJailed", "TimeUp", "Died", "Missing", "Interrupted", "WireError", "",
                         "NotImplementedError"])
lines = itertools.cycle([None, 3, torch.ones(3), True, "3", [1], -(10**300)])
def forged(op, request, ask):
    return inside.encode({"error": {"type": next(kinds), "message": "", "line": next(lines), "text": "x"}})
""")


@attack
def forged_handles():
    """Answers are handles to objects that do not exist, with numbers and kinds made up, empty or a megabyte long."""
    return hijacked("""
import itertools
numbers, kinds = itertools.cycle([0, -1, 2**70, 7]), itertools.cycle(["", "Tensor", "x" * 10**6, "\\ud800", "<b>"])
def forged(op, request, ask):
    return header(["d", [["ok", ["h", next(numbers), next(kinds)]]]])
""")


@attack
def forged_gradients():
    """The answer to a question about gradients is malformed: no list, no tensors, of other shapes, or shared."""
    return hijacked("""
import itertools
shapes = itertools.cycle([[], [None], ["x"], [torch.ones(10**6)], [5.0, 5.0, 5.0], {0: torch.ones(1)}])
def forged(op, request, ask):
    if op == "gradients":
        return inside.encode({"ok": (torch.zeros(1), next(shapes), {})})
    return real(frame.f_locals["worker"], request, ask)
""")


@attack
def questions_nobody_expects():
    """Instead of an answer come questions: to functions that there are not, by negative numbers, ten thousand times."""
    return hijacked("""
def forged(op, request, ask):
    for number in range(10_000):
        ask(inside.encode({"callback": -1 if number % 2 else 0, "args": (torch.zeros(100),), "kwargs": {"x": 1}}))
    return header(None)
""")


@attack(costly=True)
def questions_that_take_long():
    """Questions whose reading takes the grader seconds, and whose time is not the learner's."""
    return hijacked("""
empty = ["T", "float32", [0], [0], "cpu"]
big = header(["d", [["callback", ["i", "0"]], ["args", ["t", [["l", [empty] * 300_000]]]], ["kwargs", ["d", []]]]])
def forged(op, request, ask):
    while True:
        ask(big)
""")


@attack(costly=True)
def colliding_keys():
    """A dict of integers that all have the same hash, so that the grader needs quadratic time to build it."""
    return hijacked("""
keys = [[["i", str(k * (2**61 - 1))], None] for k in range(1, 60_001)]
collision = header(["d", [["ok", ["d", keys]]]])
def forged(op, request, ask):
    return collision
""")


@attack(costly=True)
def many_dimensions():
    """A tensor with sixty thousand dimensions of size 1."""
    return hijacked("""
many = tensor("float32", [1] * 60_000, list(range(60_000)), "cpu", bytes(4))
def forged(op, request, ask):
    return many
""")


@attack(costly=True)
def text_that_becomes_a_list():
    """A text in the place of a list: each of its characters becomes an object of the grader's, eighty bytes for two."""
    return hijacked("""
text = header(b'["d",[["ok",["l","' + "\\u0101".encode() * 4_000_000 + b'"]]]]')
def forged(op, request, ask):
    return text
""")


@attack(costly=True)
def long_errors():
    """Every cell ends in an error whose message has 15 million characters, four bytes each once it is decoded."""
    made = garbage(
        first=HIJACK
        + """
EVERYTHING = True
message = "x" * 15_000_000 + "\\N{GRINNING FACE}"
error = header(json.dumps(
    ["d", [["error", ["d", [["type", "E"], ["message", message], ["line", None], ["text", ""]]]]]],
    ensure_ascii=False).encode())
def forged(op, request, ask):
    return error if op == "cell" else real(frame.f_locals["worker"], request, ask)
"""
    )
    made["cells"] += [
        {"cell_type": "code", "id": f"x{n}", "metadata": {}, "outputs": [], "source": f"x = {n}"}
        for n in range(40)
    ]
    return made


@attack(costly=True)
def a_million_keys():
    """An answer with a million keys, and one with a text of fifteen million characters."""
    return hijacked("""
import itertools
bodies = itertools.cycle([
    inside.encode({"ok": "x" * 15_000_000}), header(["d", [["ok", ["d", [[f"{k:x}", None] for k in range(700_000)]]]]]),
])
def forged(op, request, ask):
    return next(bodies)
""")


@attack
def descriptors_sent_along():
    """Descriptors are passed over the channel with the bytes, hundreds of them, for the grader to hold."""
    return hijacked("""
def forged(op, request, ask):
    body = frame_of(header(["d", [["ok", None]]]))
    for byte in body:
        socket.send_fds(channel, [bytes([byte])], [0] * 200)
    return b""
""")
