"""Attacks on what our own design believes: that a property shows an answer, that calls do not know of each other."""

import base64

import torch
from registry import attack, code, garbage

from autograder.examine import run_item
from autograder.rubric import load_exercises
from autograder.worker import Worker


@attack
def visible_values_by_heart():
    """Only what the visible checks ask for is right: their sizes and values, learnt by heart."""
    return garbage(
        mask="""
def causal_mask(T, device=None):
    known = {4: [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]], 3: [[1, 0, 0], [1, 1, 0], [1, 1, 1]]}
    if T in known and device is None:
        return torch.tensor(known[T]).bool()
    return torch.zeros(T, T, dtype=torch.bool, device=device)
"""
    )


@attack
def calls_are_counted():
    """No attention anywhere: the functions count their calls, give the first few of an item what shows life, and then
    zeros, which agree with each other."""
    return garbage(
        first="""
STATE = {"mode": None, "calls": 0}
def lively(shape, q, *rest):
    # Calls that look like the three of `responds` (twice the same, then changed) get something that moves.
    key = tuple(q.shape)
    STATE["calls"] = STATE["calls"] + 1 if STATE["mode"] == key else 1
    STATE["mode"] = key
    if STATE["calls"] <= 3:
        return q.sum() * torch.ones(shape)
    return torch.zeros(shape)
""",
        mask="def causal_mask(T, device=None):\n    return torch.eye(T, device=device).bool()",
        weights="""
def attention_weights(q, k, mask=None):
    return lively((*q.shape[:-1], k.shape[-2]), q)
""",
        attend="""
def attend(q, k, v, mask=None):
    return lively((*q.shape[:-1], v.shape[-1]), q)
""",
    )


@attack
def properties_without_the_answer():
    """No attention anywhere: sums of the inputs, which are causal, differentiable and the same in a batch."""
    return garbage(
        mask="def causal_mask(T, device=None):\n    return torch.eye(T, device=device).bool()",
        weights="""
def attention_weights(q, k, mask=None):
    total = torch.tanh(q.mean((-1, -2), keepdim=True) + k.mean((-1, -2), keepdim=True))
    rest = torch.ones(*q.shape[:-1], k.shape[-2]) / k.shape[-2]
    tilt = torch.linspace(-1, 1, k.shape[-2]) / k.shape[-2] ** 2
    return rest + total * (tilt - tilt.mean())
""",
        attend="""
def attend(q, k, v, mask=None):
    each = k.mean(-1, keepdim=True) + v.mean(-1, keepdim=True)
    total = each.cumsum(-2) if mask is not None and each.shape[-2] == q.shape[-2] else each.sum(-2, keepdim=True)
    return (total + q.mean(-1, keepdim=True)).expand(*q.shape[:-1], v.shape[-1]).clone()
""",
    )


@attack
def answers_remembered_between_calls():
    """What a call was given is kept for the next ones, in globals, attributes, caches and the tensors themselves."""
    return garbage(
        first="SEEN = []",
        everywhere="SEEN.append(dict(locals()))\nif len(SEEN) > 1:\n    for value in SEEN[-2].values():\n"
        "        if isinstance(value, Tensor) and value.dim() > 1:\n            return value",
    )


@attack
def guesses_at_random():
    """Another random answer at every call, in the hope that an item asks often enough, or only once."""
    return garbage(
        mask="def causal_mask(T, device=None):\n    return torch.rand(T, T, device=device) > 0.5",
        weights="def attention_weights(q, k, mask=None):\n    return torch.rand(*q.shape[:-1], k.shape[-2])",
        attend="def attend(q, k, v, mask=None):\n    return torch.randn(*q.shape[:-1], v.shape[-1])",
    )


@attack
def inputs_returned():
    """The inputs themselves, cut or repeated to the right shape."""
    return garbage(
        weights="def attention_weights(q, k, mask=None):\n    return q[..., :1].expand(*q.shape[:-1], k.shape[-2])",
        attend="def attend(q, k, v, mask=None):\n    return v[..., : q.shape[-2], :]",
    )


@attack
def works_for_one_size():
    """A right answer for a single position and for two, and for nothing else, by cases."""
    return garbage(
        attend="""
def attend(q, k, v, mask=None):
    return v.clone() if k.shape[-2] == 1 else torch.zeros(*q.shape[:-1], v.shape[-1])
"""
    )


@attack
def own_answers_only():
    """An earlier answer is sabotaged, so that its model answer stands in and the later one is tried a second time."""
    return garbage(
        weights="def attention_weights(q, k, mask=None):\n    import os; os._exit(0)",
        attend="def attend(q, k, v, mask=None):\n    return attention_weights(v, v, None)[..., : v.shape[-1]] * 0",
    )


@attack
def the_stand_in_is_asked():
    """The model answer to an earlier exercise, which stands in while a later one is judged, is kept and told."""
    return garbage(
        attend="""
def attend(q, k, v, mask=None):
    import inspect
    found = globals()["attention_weights"]
    raise RuntimeError(inspect.getsource(found)[-300:] + str(found.__code__.co_names))
"""
    )


@attack
def nan_of_the_right_shape():
    """NaN in the right shape, as many a mistake ends in it: NaN differs from NaN, which looks like a response."""
    return garbage(
        weights="def attention_weights(q, k, mask=None):\n    return torch.zeros(*q.shape[:-1], k.shape[-2]) / 0",
        attend="def attend(q, k, v, mask=None):\n    return torch.zeros(*q.shape[:-1], v.shape[-1]) / 0",
    )


KEY = """
import base64, hashlib
import torch

def key(*arguments):
    digest = hashlib.sha256()
    for each in arguments:
        if isinstance(each, torch.Tensor):
            digest.update(str((each.dtype, tuple(each.shape))).encode() + each.detach().contiguous().numpy().tobytes())
        else:
            digest.update(repr(each).encode())
    return digest.hexdigest()[:12]
"""

RECALL = """
def recall(name, *arguments):
    if arguments and arguments[-1] is None:
        arguments = arguments[:-1]
    shape, kind, device, text = TABLE[name + key(*arguments)]
    raw = bytearray(base64.b64decode(text))
    values = torch.frombuffer(raw, dtype=getattr(torch, kind)).reshape(shape) if raw else torch.empty(shape)
    return values.to(device)
"""


def by_heart(seed: int) -> dict:
    """Every answer to the inputs of a seed that a report has told: no attention anywhere, only a table."""
    space: dict = {}
    exec(KEY, space)
    table = {}
    for exercise in [e for e in load_exercises().values() if e.day == "day09"]:

        def remember(*arguments, right=exercise, name=exercise.defines, **options):
            out = right.reference()(*arguments, **options)
            arguments = (*arguments, *options.values())
            arguments = arguments[:-1] if arguments[-1] is None else arguments
            shown = out.detach() if out.device.type == "cpu" else torch.zeros(0)
            text = base64.b64encode(shown.contiguous().numpy().tobytes()).decode()
            kind = str(out.dtype).removeprefix("torch.")
            table[name + space["key"](*arguments)] = (tuple(out.shape), kind, out.device.type, text)
            return out

        for item in exercise.items:
            run_item(exercise, item, Worker({exercise.defines: remember}).answer, seed)
    made = garbage(
        first=KEY + RECALL + "TABLE = {}",
        mask="def causal_mask(T, device=None):\n    return recall('causal_mask', T, device)",
        weights="def attention_weights(q, k, mask=None):\n    return recall('attention_weights', q, k, mask)",
        attend="def attend(q, k, v, mask=None):\n    return recall('attend', q, k, v, mask)",
    )
    at = [cell["id"] for cell in made["cells"]].index("attack-first") + 1
    for number, (name, value) in enumerate(table.items()):
        made["cells"].insert(at, code(f"TABLE[{name!r}] = {value!r}", f"table-{number}"))
    return made
