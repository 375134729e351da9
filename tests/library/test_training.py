"""Days 4, 17 and 20: one step against PyTorch written out, the eight planted faults, and the loop."""

import copy
import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F

from handmade.checkpoints import load_checkpoint
from handmade.data import get_batch
from handmade.errors import UserError
from handmade.model import GPT, GPTConfig
from handmade.runlog import append_row, read_log, write_log
from handmade.starter import Starter
from handmade.tokenizers import CharTokenizer
from handmade.training import (
    TrainConfig,
    check_setup,
    compute_loss,
    estimate_loss,
    estimate_run_time,
    train,
    train_step,
)

MODEL = GPTConfig(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=16, dropout=0.1)
RUN = TrainConfig(
    max_steps=12,
    batch_size=4,
    lr=1e-2,
    warmup_steps=3,
    log_interval=2,
    eval_interval=4,
    eval_batches=3,
    show_progress=False,
)


def make_model(config=MODEL, seed=0):
    torch.manual_seed(seed)
    return GPT(config)


def make_data(seed=0):
    """Text in which the next token is the last one plus 1 or 2: half of it can be learned."""
    steps = torch.randint(1, 3, (2, 500), generator=torch.Generator().manual_seed(seed))
    ids = steps.cumsum(dim=1) % 11
    return {"train": ids[0], "val": ids[1]}


def make_batch(seed=0):
    return get_batch(make_data()["train"], 4, 8, "cpu", torch.Generator().manual_seed(seed))


# --- Day 4: one step ----------------------------------------------------------------------------------


def test_loss_is_the_cross_entropy_over_all_positions_on_any_strides():
    logits = torch.randn(5, 7, 3).permute(1, 2, 0)  # (B, T, V) = (7, 3, 5), not contiguous
    targets = torch.randint(5, (3, 7)).T
    by_hand = -sum(logits[b, t].log_softmax(-1)[targets[b, t]] for b in range(7) for t in range(3)) / (7 * 3)
    torch.testing.assert_close(compute_loss(logits, targets), by_hand)


def test_targets_of_minus_one_do_not_count():
    logits, targets = torch.randn(2, 4, 5), torch.randint(5, (2, 4))
    targets[0, 1:] = -1
    kept = targets != -1
    torch.testing.assert_close(compute_loss(logits, targets), F.cross_entropy(logits[kept], targets[kept]))


@pytest.mark.parametrize("max_norm", [0.05, 1e6])
def test_three_steps_equal_the_ones_written_out(max_norm):
    config = replace(MODEL, dropout=0.0)
    ours, theirs = make_model(config), make_model(config)
    a = torch.optim.SGD(ours.parameters(), lr=0.5)
    b = torch.optim.SGD(theirs.parameters(), lr=0.5)
    for seed in range(3):
        batch = make_batch(seed)
        loss, norm = train_step(ours, batch, a, max_norm)

        b.zero_grad()
        expected = compute_loss(theirs(batch[0])[0], batch[1])
        expected.backward()
        grads = [p.grad for p in theirs.parameters()]
        expected_norm = torch.cat([grad.flatten() for grad in grads]).norm()
        for grad in grads:
            grad.mul_(min(1.0, max_norm / (expected_norm.item() + 1e-6)))
        b.step()

        assert loss.item() == pytest.approx(expected.item(), abs=1e-6), "the loss before the move"
        assert norm.item() == pytest.approx(expected_norm.item(), rel=1e-5), "the norm before clipping"
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=1e-6, msg=f"weights apart after step {seed + 1}")
    clipped = torch.cat([p.grad.flatten() for p in ours.parameters()]).norm()
    assert clipped <= max_norm * (1 + 1e-5), "the gradients that were used are longer than max_norm"


def test_the_starter_has_the_course_s_api():
    model, (idx, targets) = Starter(11, 4), make_batch()
    logits, nothing = model(idx)
    assert logits.shape == (*idx.shape, 11) and nothing is None
    targets[0, :3] = -1
    torch.testing.assert_close(model(idx, targets)[1], compute_loss(logits, targets))


# --- Day 17: a look before the first step -------------------------------------------------------------


def kinds(model, batch, vocab_size=11):
    return [problem.split(":")[0] for problem in check_setup(model, batch, vocab_size)]


def test_a_good_setup_has_no_problems():
    assert check_setup(make_model(), make_batch(), 11) == []


def faulty_setups():
    x, y = make_batch()
    outside = x.clone()
    outside[0, 3] = 11
    large = make_model()
    with torch.no_grad():
        large.transformer.wte.weight.mul_(50)
    frozen = make_model()
    frozen.transformer.h[1].mlp.c_fc.weight.requires_grad_(False)
    return {
        "device": (make_model().to("meta"), (x, y)),
        "dtype": (make_model(), (x.float(), y)),
        "shape": (make_model(), (x, y[:, :-1])),
        "ids": (make_model(), (outside, torch.cat([outside[:, 1:], y[:, -1:]], dim=1))),
        "shift": (make_model(), (x, x)),
        "mode": (make_model().eval(), (x, y)),
        "frozen": (frozen, (x, y)),
        "loss": (large, (x, y)),
    }


@pytest.mark.parametrize("fault", faulty_setups())
def test_each_planted_fault_is_found_and_no_other(fault):
    model, batch = faulty_setups()[fault]
    assert set(kinds(model, batch)) == {fault}


def test_two_faults_are_both_found():
    x, _ = make_batch()
    assert kinds(make_model().eval(), (x, x)) == ["shift", "mode"]


def test_a_model_of_another_vocabulary_is_found():
    assert kinds(make_model(replace(MODEL, vocab_size=12)), make_batch()) == ["shape"]


def test_targets_that_do_not_count_are_no_fault():
    x, y = make_batch()
    y[:, 2] = -1
    assert kinds(make_model(), (x, y)) == []


def test_run_time_is_that_of_whole_steps_and_the_model_stays_as_it_is(monkeypatch):
    model = make_model().eval()
    before = copy.deepcopy(model.state_dict())
    clock = [0.0]

    def slow_step(*arguments, **options):
        clock[0] += 9.0 if clock[0] == 0 else 0.25  # the first step also pays for what happens once
        return train_step(*arguments, **options)

    monkeypatch.setattr("handmade.training.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("handmade.training.train_step", slow_step)
    assert estimate_run_time(model, make_batch(), steps=1000) == 250.0, "time whole steps, after a warm-up"
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model.training and all(p.grad is None for p in model.parameters())


# --- Day 20: evaluation -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [True, False])
def test_evaluation_is_in_eval_mode_without_a_graph_and_back(mode):
    seen = []

    class Spy(nn.Module):
        config = MODEL

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(2.0))

        def forward(self, idx, targets):
            loss = self.weight * 1.0
            seen.append((self.training, loss.requires_grad))
            return None, loss

    model = Spy().train(mode)
    assert estimate_loss(model, make_data(), batch_size=2, eval_batches=3) == {"train": 2.0, "val": 2.0}
    assert seen == [(False, False)] * 6, "evaluate in eval mode, and keep no graph"
    assert model.training is mode, "the model comes back in the mode it was in"


def test_evaluation_sees_the_same_windows_each_time_and_each_split_its_own():
    model, data = make_model(), make_data()
    first = estimate_loss(model, data, 4, 5)
    assert estimate_loss(model, data, 4, 5) == first, "two evaluations of one model differ"
    assert estimate_loss(model, data, 4, 5, seed=1) != first, "the seed chooses the windows"
    swapped = estimate_loss(model, {"train": data["val"], "val": data["train"]}, 4, 5)
    assert swapped == {"train": first["val"], "val": first["train"]}, "a split's loss is that of its own ids"


# --- Day 20: the loop ---------------------------------------------------------------------------------


def test_training_learns():
    model = make_model()
    history = train(model, make_data(), replace(RUN, max_steps=150, eval_interval=150, eval_batches=20))
    assert history[0]["val_loss"] == pytest.approx(math.log(11), abs=0.1), "untrained, a model knows nothing"
    assert math.log(2) < history[-1]["val_loss"] < 1.0, "the floor is ln 2: below it something leaks"
    assert model.training


def test_the_loop_is_these_steps():
    """The loop, written out once more: schedule, batch, step, from the same seeds."""
    config = replace(
        MODEL, bias=False
    )  # keys' biases have no gradient but rounding, which Adam would enlarge
    model, reference, data = make_model(config), make_model(config), make_data()
    train(model, data, RUN)
    torch.manual_seed(RUN.seed)
    batches = torch.Generator().manual_seed(RUN.seed)
    decayed = [p for p in reference.parameters() if p.dim() >= 2]
    kept = [p for p in reference.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": kept, "weight_decay": 0.0}], betas=RUN.betas
    )
    for step in range(12):
        cosine = 0.5 * (1 + math.cos(math.pi * (step - 3) / 9))
        lr = RUN.lr * (step + 1) / 4 if step < 3 else RUN.min_lr + (RUN.lr - RUN.min_lr) * cosine
        for group in optimizer.param_groups:
            group["lr"] = lr
        starts = torch.randint(500 - 8, (4, 1), generator=batches)
        idx, targets = data["train"][starts + torch.arange(8)], data["train"][starts + torch.arange(1, 9)]
        optimizer.zero_grad()
        reference(idx, targets)[1].backward()
        nn.utils.clip_grad_norm_(reference.parameters(), RUN.max_norm)
        optimizer.step()
    for p, q in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)


def test_how_often_one_looks_does_not_change_what_is_trained(tmp_path):
    weights = []
    for config in (
        replace(
            RUN, eval_interval=1, log_interval=1, out_dir=str(tmp_path), sample_interval=1, show_progress=True
        ),
        replace(RUN, eval_interval=12, log_interval=5),
    ):
        model = make_model()
        train(model, make_data(), config, CharTokenizer("abcdefghijk"))
        weights.append(model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0]), (
        "evaluating, sampling or saving drew from a generator of the run"
    )


def test_history_has_the_rows_it_promises(tmp_path):
    history = train(make_model(), make_data(), replace(RUN, out_dir=str(tmp_path / "new" / "run")))
    assert [row["step"] for row in history] == [0, 2, 4, 6, 8, 10, 12]
    assert [row["step"] for row in history if "val_loss" in row] == [0, 4, 8, 12]
    assert all({"lr", "loss", "grad_norm"} <= row.keys() for row in history[1:])
    assert read_log(tmp_path / "new" / "run" / "log.jsonl") == history, "the log holds the history"


def test_the_last_step_is_evaluated_and_saved_whatever_the_interval(tmp_path):
    history = train(
        make_model(), make_data(), replace(RUN, max_steps=7, eval_interval=5, out_dir=str(tmp_path))
    )
    assert [row["step"] for row in history if "val_loss" in row] == [0, 5, 7]
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 7


def test_best_checkpoint_is_the_one_of_the_lowest_validation_loss(tmp_path):
    config = replace(RUN, max_steps=60, lr=0.3, min_lr=0.3, eval_interval=5, out_dir=str(tmp_path))
    history = train(make_model(), make_data(), config)
    evaluations = [row for row in history if "val_loss" in row and row["step"] > 0]
    best = min(evaluations, key=lambda row: row["val_loss"])
    assert best is not evaluations[-1], "a test of nothing: this run must get worse at some time"
    assert load_checkpoint(tmp_path / "best.pt")["step"] == best["step"]


# --- Day 20: stop and go on ---------------------------------------------------------------------------


class Stopped(Exception):
    pass


def train_until(stop, monkeypatch, config, model):
    """A run that dies after `stop` steps."""
    steps = []

    def step_or_stop(*arguments):
        if len(steps) == stop:
            raise Stopped
        steps.append(1)
        return train_step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("handmade.training.train_step", step_or_stop)
        with pytest.raises(Stopped):
            train(model, make_data(), config)


def everything(folder):
    """The last checkpoint's tensors, by name, and the rest of it as text."""
    checkpoint = load_checkpoint(folder / "last.pt")
    tensors = {}

    def walk(value, name):
        if isinstance(value, torch.Tensor):
            tensors[name] = value
            return f"tensor {name}"
        if isinstance(value, dict):
            return {key: walk(item, f"{name}.{key}") for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [walk(item, f"{name}.{i}") for i, item in enumerate(value)]
        return value

    checkpoint["config"].pop("out_dir")
    return tensors, walk(checkpoint, "")


@pytest.mark.parametrize(("stop", "eval_interval"), [(stop, 1) for stop in range(1, 12)] + [(6, 4), (11, 5)])
def test_a_resumed_run_is_bit_identical_to_one_that_never_stopped(stop, eval_interval, tmp_path, monkeypatch):
    config = replace(RUN, eval_interval=eval_interval)
    whole, halves = make_model(), make_model()
    expected = train(whole, make_data(), replace(config, out_dir=str(tmp_path / "whole")))

    config = replace(config, out_dir=str(tmp_path / "halves"))
    train_until(stop, monkeypatch, config, halves)
    torch.manual_seed(12345)  # nothing may depend on what else went on in between
    resumed = make_model(seed=99)
    history = train(resumed, make_data(), config, resume=tmp_path / "halves" / "last.pt")

    assert history == expected, "the resumed run's losses, norms or rates are others"
    (tensors, rest), (expected_tensors, expected_rest) = (
        everything(tmp_path / "halves"),
        everything(tmp_path / "whole"),
    )
    assert rest == expected_rest
    apart = [name for name in expected_tensors if not torch.equal(tensors[name], expected_tensors[name])]
    assert not apart, f"not the same bits: {apart}"
    assert read_log(tmp_path / "halves" / "log.jsonl") == expected, "the log has rows twice, or lacks some"


def test_checkpoint_holds_all_that_a_run_needs_as_plain_values(tmp_path):
    tokenizer = CharTokenizer("abcdefghijk")
    model = make_model()
    train(model, make_data(), replace(RUN, out_dir=str(tmp_path)), tokenizer)
    checkpoint = torch.load(tmp_path / "last.pt", weights_only=True)
    rebuilt = GPT(GPTConfig(**checkpoint["model_config"]))
    rebuilt.load_state_dict(checkpoint["model"])
    idx = torch.randint(11, (2, 8))
    assert torch.equal(rebuilt.eval()(idx)[0], model.eval()(idx)[0]), "rebuilt from the file, another model"
    assert CharTokenizer.from_dict(checkpoint["tokenizer"]).decode([0, 10]) == "ak"
    assert TrainConfig(**checkpoint["config"]) == replace(RUN, out_dir=str(tmp_path))
    assert checkpoint["step"] == 12 and checkpoint["history"][-1]["step"] == 12
    assert checkpoint["optimizer"]["state"][0]["step"] == 12, "the optimizer's state is missing"
    assert {"batches", "cpu"} <= checkpoint["rng"].keys()


def test_resuming_into_another_model_says_so(tmp_path):
    train(make_model(), make_data(), replace(RUN, out_dir=str(tmp_path)))
    other = make_model(replace(MODEL, n_layer=3))
    with pytest.raises(UserError, match="build it as the checkpoint says"):
        train(other, make_data(), RUN, resume=tmp_path / "last.pt")


# --- Day 20: what can go wrong with files -------------------------------------------------------------


def write_bytes(path, content):
    path.write_bytes(content)
    return path


def test_files_that_are_no_checkpoint_are_said_to_be_none(tmp_path):
    train(make_model(), make_data(), replace(RUN, out_dir=str(tmp_path)))
    whole = (tmp_path / "last.pt").read_bytes()
    damaged = bytearray(whole)
    damaged[: len(whole) // 3] = bytes(len(whole) // 3)
    torch.save({"weights": torch.ones(2)}, tmp_path / "foreign.pt")
    torch.save(nn.Linear(2, 2), tmp_path / "pickled.pt")
    bad = {
        tmp_path / "missing.pt": "There is no checkpoint",
        tmp_path: "cannot be read",
        tmp_path / "foreign.pt": "not written by handmade",
        tmp_path / "pickled.pt": "cannot be read",
        write_bytes(tmp_path / "damaged.pt", damaged): "cannot be read",
        write_bytes(tmp_path / "text.pt", b"To be, or not"): "cannot be read",
    }
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        bad[write_bytes(tmp_path / f"cut{size}.pt", whole[:size])] = "cannot be read"
    for path, sentence in bad.items():
        with pytest.raises(UserError, match=sentence):
            load_checkpoint(path)


@contextmanager
def full_disk():
    """No file may grow past 20,000 bytes: less than a checkpoint, and a real error of the system.

    Only inside: pytest, in the same process, may be writing its own report to a longer file.
    """
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_sentence_and_the_old_checkpoint_stays(tmp_path):
    config = replace(RUN, out_dir=str(tmp_path))
    train(make_model(), make_data(), replace(config, max_steps=4))
    before = sorted(path.name for path in tmp_path.iterdir())
    with full_disk(), pytest.raises(UserError, match=r"last\.pt .*free space"):
        train(make_model(), make_data(), config, resume=tmp_path / "last.pt")
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 4, "the old checkpoint is gone"
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "half a file was left behind"


def test_a_log_on_a_full_disk_is_one_sentence_and_stays_readable(tmp_path):
    path = tmp_path / "log.jsonl"
    write_log(path, [])
    with full_disk(), pytest.raises(UserError, match=r"log\.jsonl .*make room"):
        for step in range(3000):
            append_row(path, {"step": step})
    assert [row["step"] for row in read_log(path)] == list(range(len(read_log(path)))) != []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another out_dir"):
        train(make_model(), make_data(), replace(RUN, out_dir=str(tmp_path / "file" / "run")))


def test_a_loss_that_is_no_number_is_null_in_the_log(tmp_path):
    rows = [{"step": 1, "loss": math.nan}, {"step": 2, "loss": math.inf}]
    write_log(tmp_path / "log.jsonl", rows)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line, parse_constant=pytest.fail)["loss"] for line in lines] == [None, None]
    assert all(math.isnan(row["loss"]) for row in read_log(tmp_path / "log.jsonl"))


@pytest.mark.parametrize("content", ["[1]\n", "{\n", "no log\n"])
def test_a_file_that_is_no_log_is_said_to_be_none(content, tmp_path):
    (tmp_path / "log.jsonl").write_text(content)
    with pytest.raises(UserError, match="not a log"):
        read_log(tmp_path / "log.jsonl")


ENDLESS = """
import sys
from test_training import RUN, make_data, make_model, replace, train
train(make_model(), make_data(), replace(RUN, max_steps=10**6, eval_interval=2, log_interval=1, out_dir=sys.argv[1]))
"""


def test_kill_9_in_mid_run_leaves_a_checkpoint_and_a_valid_log(tmp_path):
    run = subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], cwd=os.path.dirname(__file__))
    try:
        deadline = time.monotonic() + 60
        while run.poll() is None and time.monotonic() < deadline:
            if (tmp_path / "best.pt").exists() and len(read_log(tmp_path / "log.jsonl")) > 20:
                break
            time.sleep(0.01)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(len(lines))) and len(lines) > 20
    checkpoint = load_checkpoint(tmp_path / "last.pt")
    assert checkpoint["step"] >= 2 and checkpoint["step"] % 2 == 0
    history = train(
        make_model(),
        make_data(),
        replace(RUN, max_steps=checkpoint["step"] + 2, out_dir=str(tmp_path)),
        resume=tmp_path / "last.pt",
    )
    assert read_log(tmp_path / "log.jsonl") == history


# --- Day 20: other forms of the same run --------------------------------------------------------------


def test_bfloat16_trains_the_same_float32_weights(tmp_path):
    data = make_data()
    exact, mixed = make_model(), make_model()
    expected = train(exact, data, replace(RUN, max_steps=60, eval_interval=60))
    config = replace(RUN, max_steps=60, eval_interval=60, precision="bfloat16", out_dir=str(tmp_path))
    history = train(mixed, data, config)
    assert all(p.dtype == torch.float32 for p in mixed.parameters())
    assert history[-1]["val_loss"] == pytest.approx(expected[-1]["val_loss"], abs=0.05)
    assert history[-1]["val_loss"] != expected[-1]["val_loss"], "nothing was computed in bfloat16"
    assert load_checkpoint(tmp_path / "last.pt")["model"].keys() == exact.state_dict().keys()


def test_compiling_is_asked_for_once_and_checkpoints_do_not_show_it(tmp_path, monkeypatch):
    compiled = []

    class Compiled(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.inner, self.config = model, model.config
            compiled.append(model)

        def forward(self, idx, targets=None):
            return self.inner(idx, targets)

    monkeypatch.setattr(torch, "compile", Compiled)
    model, plain = make_model(), make_model()
    train(plain, make_data(), RUN)
    assert not compiled, "on a CPU compiling is not the default"
    train(model, make_data(), replace(RUN, compile=True, out_dir=str(tmp_path)))
    assert compiled == [model]
    assert load_checkpoint(tmp_path / "last.pt")["model"].keys() == plain.state_dict().keys()
    assert torch.equal(model.lm_head.weight, plain.lm_head.weight)


@pytest.mark.parametrize(
    "field", [{"max_steps": 0}, {"batch_size": 0}, {"eval_interval": 0}, {"precision": "float8"}]
)
def test_a_config_that_no_run_can_have_names_its_field(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        TrainConfig(**field)


def test_text_shorter_than_a_window_is_one_sentence():
    with pytest.raises(ValueError, match="one window needs 9"):
        train(make_model(), {"train": torch.arange(8), "val": torch.arange(8)}, RUN)
