"""Objects that are not data, on both sides: what a rubric does with a learner's, and a learner's code with ours.

Everything is tried twice: in a jailed process, where learners' code runs, and in this one, where known answers do.
"""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from autograder import expect
from autograder.examine import run_item
from autograder.remote import Channel, Learner, LearnerError, build, callback, keep, model, refused
from autograder.rubric import Item, load_exercises
from autograder.worker import Worker, run_cell
from handmade.tiny import FeedForward

ATTEND = load_exercises()["day09.attend"]


@pytest.fixture(params=["jailed", "in this process"])
def enter_with(request, submit, enter) -> Callable[[str], Learner]:
    """enter_with(source): what a notebook of this one cell defines. It must define attend, to be judged at all."""

    def enter_with(source: str) -> Learner:
        if request.param == "jailed":
            return enter(submit(source + "\ndef attend(): pass", seconds=20.0))
        namespace = {"torch": torch, "F": F, "nn": torch.nn}
        run_cell(source, "code cell 1", namespace)
        return Learner(Channel(Worker(namespace).answer))

    return enter_with


# --- The learner's objects ----------------------------------------------------------------------------

DATASET = """
class Windows(torch.utils.data.Dataset):
    def __init__(self, ids, length):
        self.ids, self.length = ids, length
    def __len__(self):
        return len(self.ids) - self.length
    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError("beyond the end")
        return self.ids[i : i + self.length], self.ids[i + self.length]

def loader(windows, size):
    return torch.utils.data.DataLoader(windows, batch_size=size)

def count():
    n = 0
    while True:
        yield {"n": n}
        n += 1
"""


def test_an_object_has_its_length_elements_and_attributes(enter_with):
    windows = enter_with(DATASET).Windows(torch.arange(10), 3)
    assert len(windows) == 7
    window, following = windows[4]
    assert window.tolist() == [4, 5, 6] and following.item() == 7
    assert windows.length == 3 and windows.ids.tolist() == list(range(10))
    with pytest.raises(LearnerError, match="IndexError: beyond the end"):
        windows[7]


def test_what_can_be_iterated_over_is(enter_with):
    learner = enter_with(DATASET)
    windows = learner.Windows(torch.arange(10), 3)
    assert [following.item() for _, following in windows] == [3, 4, 5, 6, 7, 8, 9]
    assert [batch.shape for batch, _ in learner.loader(windows, 5)] == [(5, 3), (2, 3)]
    endless = iter(learner.count())
    assert [next(endless) for _ in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_an_object_is_handed_back_as_itself(enter_with):
    learner = enter_with("def make():\n    return object()\ndef same(a, b):\n    return a is b['in'][0]\n")
    made = learner.make()
    assert learner.same(made, {"in": [made]}) is True
    assert learner.same(made, {"in": [learner.make()]}) is False


def test_an_attribute_can_be_assigned(enter_with):
    learner = enter_with(
        "class Model(nn.Module):\n    def forward(self, x):\n        return self.scale * x\n"
    )
    made = learner.Model()
    made.assign("scale", torch.tensor(3.0))
    assert made(torch.ones(2)).tolist() == [3.0, 3.0]


def test_a_module_has_weights_that_can_be_read_loaded_and_differentiated(enter_with):
    learner = enter_with(
        "class Layer(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.linear = nn.Linear(4, 3)\n"
        "    def forward(self, x):\n"
        "        return self.linear(x).square()\n"
    )
    weight, bias, x, w = torch.randn(3, 4), torch.randn(3), torch.randn(2, 4), torch.randn(2, 3)
    layer = learner.Layer()
    layer.load_state_dict({"linear.weight": weight, "linear.bias": bias})
    assert torch.equal(layer.state_dict()["linear.weight"], weight)
    found = layer.parameter_gradients(x, cotangent=w)
    weight, bias, x = (t.clone().requires_grad_() for t in (weight, bias, x))
    output = F.linear(x, weight, bias).square()
    (output * w).sum().backward()
    torch.testing.assert_close(found, {"linear.weight": weight.grad, "linear.bias": bias.grad})
    got, (of_x,) = layer.gradients(x.detach(), cotangent=w)
    torch.testing.assert_close((got, of_x), (output.detach(), x.grad))


def test_one_and_the_same_tensor_can_be_handed_over_twice(enter_with):
    learner = enter_with("def add(x):\n    x += 1\n    return x\n")
    zero = torch.zeros(2)
    assert [learner.add(zero).tolist() for _ in range(2)] == [[1, 1]] * 2, "a copy is changed, not ours"
    kept = keep(learner, zero)
    assert [learner.add(kept).tolist() for _ in range(2)] == [[1, 1], [2, 2]]
    assert not zero.any()


def test_an_object_of_the_librarys_is_made_with_our_weights(enter_with):
    learner = enter_with("def double(layer, x):\n    return 2 * layer(x)\n")
    ours, x = FeedForward(8), torch.randn(2, 8)
    theirs = build(learner, "handmade.tiny.FeedForward", 8, state=ours.state_dict())
    torch.testing.assert_close(learner.double(theirs, x), 2 * ours(x).detach())


def test_a_model_is_made_on_the_device_where_its_inputs_will_be():
    layer = build(Learner(Channel(Worker({}, device="meta").answer)), "torch.nn.Linear", 4, 3)
    assert layer.weight.is_meta and layer(torch.ones(2, 4, device="meta")).is_meta


# --- A learner's optimizer ----------------------------------------------------------------------------

OPTIMIZER = """
class Momentum(torch.optim.Optimizer):
    def __init__(self, params, lr, beta=0.9):
        super().__init__(params, {"lr": lr, "beta": beta})
    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                v = self.state[p].setdefault("v", torch.zeros_like(p))
                v.mul_(group["beta"]).add_(p.grad)
                p.sub_(group["lr"] * v)
"""


def test_an_optimizer_steps_on_gradients_of_ours(enter_with):
    start, gradients = torch.randn(4), [torch.randn(4) for _ in range(5)]
    parameter = keep(enter_with(OPTIMIZER), start, requires_grad=True)
    optimizer = Learner(parameter._channel).Momentum([parameter], lr=0.1)
    ours = start.clone().requires_grad_()
    peer = torch.optim.SGD([ours], lr=0.1, momentum=0.9)
    for gradient in gradients:
        parameter.assign("grad", gradient)
        optimizer.step()
        ours.grad = gradient.clone()
        peer.step()
    torch.testing.assert_close(parameter.detach(), ours.detach())
    assert optimizer.param_groups[0]["lr"] == 0.1


# --- A learner's code calls ours ----------------------------------------------------------------------

GENERATE = """
@torch.no_grad()
def generate(model, idx, new):
    model.eval()
    for _ in range(new):
        logits, _ = model(idx[:, -model.config.block_size :])
        idx = torch.cat([idx, logits[:, -1].argmax(-1, keepdim=True)], 1)
    return idx
"""


def test_a_generate_calls_a_table_of_ours(enter_with):
    """A model that says: after n comes n + 1, of 7."""
    contexts = []

    def table(idx, targets=None):
        contexts.append(idx.shape[1])
        return F.one_hot((idx + 1) % 7, 7).float(), None

    learner = enter_with(GENERATE)
    counting = model(learner, table, config={"block_size": 4})
    assert learner.generate(counting, torch.tensor([[5]]), 6).tolist() == [[5, 6, 0, 1, 2, 3, 4]]
    assert contexts == [1, 2, 3, 4, 4, 4]


TRAIN = """
def train(model, get_batch, steps, lr, on_step=None):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for step in range(steps):
        x, y = get_batch(step)
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if on_step:
            on_step(step, loss.item())
    return model
"""


def test_a_train_is_judged_on_a_model_data_and_a_hook_of_ours(enter_with):
    """It is the weights that count, and what it asked for; what it says of its loss is only written down."""
    learner = enter_with(TRAIN)
    ours, x = FeedForward(4), torch.randn(3, 8, 4)
    theirs = build(learner, "handmade.tiny.FeedForward", 4, state=ours.state_dict())
    told = []
    get_batch = callback(learner, lambda step: (x[step], x[step].flip(-1)))
    learner.train(theirs, get_batch, 3, lr=0.1, on_step=callback(learner, lambda *said: told.append(said)))
    optimizer, losses = torch.optim.SGD(ours.parameters(), lr=0.1), []
    for batch in x:
        loss = F.mse_loss(ours(batch), batch.flip(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    torch.testing.assert_close(theirs.state_dict(), ours.state_dict())
    assert [step for step, _ in told] == [0, 1, 2]
    assert all(math.isclose(said, loss, rel_tol=1e-5) for (_, said), loss in zip(told, losses, strict=True))


def test_a_callback_has_attributes_and_may_be_given_objects(enter_with):
    learner = enter_with(
        "def use(tokenizer):\n    return tokenizer({'text': 'ab', 'f': len}), tokenizer.vocab_size\n"
    )

    def tokenizer(arguments):
        # Ours calls theirs, while theirs waits for ours.
        return [ord(letter) for letter in arguments["text"]] + [arguments["f"]([1, 2, 3])]

    assert learner.use(callback(learner, tokenizer, vocab_size=256)) == ([97, 98, 3], 256)


def test_an_error_in_a_callback_is_an_error_of_theirs_that_they_may_catch(enter_with):
    source = """
def use(f):
    return f(1, 2, 3)

def careful(f):
    try:
        return f(1, 2, 3)
    except Exception as error:
        return str(error)
"""
    learner = enter_with(source)
    one = callback(learner, lambda x: x)
    with pytest.raises(LearnerError, match=r"RuntimeError: TypeError: .*takes 1 positional argument but 3"):
        learner.use(one)
    assert learner.careful(one).startswith("TypeError")


def test_a_callback_that_fails_ends_the_item_with_its_reason(enter_with):
    """Even if the learner's code swallows the error and goes on."""
    source = (
        "def swallow(f):\n    try:\n        f(3)\n    except BaseException:\n        pass\n    return 1\n"
    )
    learner = enter_with(source)

    def check(_, rand):
        def asked(x):
            expect.that(x < 3, f"it asked for {x}")

        learner.swallow(callback(learner, asked))

    item = Item("asks", 1, "It asks for little.", lambda them, rand: check(them, rand))
    with pytest.raises(expect.Failed, match="it asked for 3"):
        check(learner, None)
    reason = run_item(ATTEND, item, learner._channel.send, seed=1).reason
    assert reason == "it asked for 3"


# --- What is not data ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ("torch.eye(3).to_sparse()", "a tensor of type torch.float32, torch.sparse_coo is not plain data"),
        ("1 << 3000", "an integer of over 2,048 bits is not plain data"),
    ],
)
def test_what_cannot_cross_is_an_error_of_theirs(enter_with, returned, reason):
    learner = enter_with(f"def f():\n    return [{returned}]\n")
    with pytest.raises(LearnerError, match=reason):
        learner.f()


def test_what_contains_itself_is_an_error_of_theirs(enter_with):
    learner = enter_with("def f():\n    x = []\n    x.append(x)\n    return x\n")
    with pytest.raises(LearnerError):
        learner.f()


def test_an_object_that_says_it_is_a_number_is_an_object(enter_with):
    """Subclasses could carry behaviour, so they stay where they are."""
    learner = enter_with(
        "class Five(int):\n    def __eq__(self, other):\n        return True\ndef f():\n    return Five(5)\n"
    )
    with pytest.raises(expect.Failed, match="must return an int"):
        expect.kind(learner.f(), int, of="f")


def test_what_must_be_refused_is_told_from_what_is_not(enter_with):
    learner = enter_with(
        "def half(n):\n    if n % 2: raise ValueError(f'{n} is odd')\n    return n // 2 if n else None.half"
    )
    assert refused(lambda: learner.half(3), "half(3)") == "3 is odd"
    with pytest.raises(expect.Failed, match=r"half\(2\) must raise a ValueError, yours raises nothing"):
        refused(lambda: learner.half(2), "half(2)")
    with pytest.raises(expect.Failed, match="yours raises AttributeError"):
        refused(lambda: learner.half(0), "half(0)")
    assert "half" in refused(lambda: learner.half(0), "half(0)", "AttributeError")
    with pytest.raises(expect.Failed, match=r"half\(2\) must raise an IndexError, yours raises nothing"):
        refused(lambda: learner.half(2), "half(2)", "IndexError")
