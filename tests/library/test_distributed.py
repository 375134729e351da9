"""Two processes under torchrun train as one process does.

This file is also the program that torchrun starts: see the end.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from handmade.checkpoints import load_checkpoint
from handmade.errors import UserError
from handmade.model import GPT, GPTConfig
from handmade.runlog import read_log
from handmade.training import TrainConfig, train

RUN = TrainConfig(
    max_steps=12,
    batch_size=4,
    lr=1e-2,
    min_lr=1e-2,  # a constant rate, so that a run of 8 steps is the beginning of one of 12
    warmup_steps=3,
    log_interval=1,
    eval_interval=4,
    eval_batches=3,
)


def run(config, dropout=0.0, seed=0, resume=None):
    """Train; return the weights and the history."""
    torch.manual_seed(seed)
    # No biases: those of the keys have no gradient but rounding, which Adam would make as large as any other.
    sizes = {"vocab_size": 11, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 16}
    model = GPT(GPTConfig(**sizes, dropout=dropout, bias=False))
    ids = torch.randint(1, 3, (2, 500), generator=torch.Generator().manual_seed(0)).cumsum(dim=1) % 11
    history = train(model, {"train": ids[0], "val": ids[1]}, config, resume=resume)
    return {"weights": model.state_dict(), "history": history}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The folder of one torchrun with two processes, what it printed, and the results of both."""
    folder = tmp_path_factory.mktemp("pair")
    launcher = ["torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc_per_node", "2"]
    process = subprocess.run(
        [sys.executable, "-m", *launcher, __file__, folder],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.returncode == 0, process.stderr
    results = [torch.load(folder / f"process{rank}.pt", weights_only=True) for rank in (0, 1)]
    return folder, process.stdout, results


def assert_same_bits(one, other, when):
    assert one["history"] == other["history"], f"other losses {when}"
    for name, weight in one["weights"].items():
        assert torch.equal(weight, other["weights"][name]), f"another {name} {when}"


def test_both_processes_end_with_the_same_weights_and_history(pair):
    _, _, (first, second) = pair
    assert_same_bits(first["plain"], second["plain"], "in the second process")
    assert_same_bits(first["whole"], second["whole"], "in the second process, with dropout")


def test_two_processes_learn_what_one_does_with_the_same_global_batch(pair):
    _, _, (two, _) = pair
    one = run(replace(RUN, show_progress=False))
    for ours, theirs in zip(two["plain"]["history"], one["history"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4), f"the curves part at step {ours['step']}"
    for name, weight in one["weights"].items():
        assert two["plain"]["weights"][name].allclose(weight, rtol=0, atol=1e-4), f"{name} is another"


def test_one_process_writes_and_shows(pair):
    folder, printed, _ = pair
    assert printed.count("12/12") == 1, f"one bar for the run, not one a process: {printed}"
    assert [row["step"] for row in read_log(folder / "whole" / "log.jsonl")] == list(range(13))


def test_a_resumed_pair_is_bit_identical_with_dropout_too(pair):
    folder, _, results = pair
    for result in results:
        assert_same_bits(result["whole"], result["resumed"], "after resuming")
    whole, resumed = (load_checkpoint(folder / name / "last.pt")["rng"] for name in ("whole", "resumed"))
    assert len(whole["cpu"]) == 2 and not torch.equal(*whole["cpu"]), "each process draws its own dropout"
    assert all(map(torch.equal, whole["cpu"], resumed["cpu"]))
    assert torch.equal(whole["batches"], resumed["batches"])


def test_a_batch_that_cannot_be_shared_is_one_sentence(pair):
    _, _, results = pair
    for result in results:
        assert "A batch of 5 does not divide over 2 processes" in result["odd"]


def main(folder, rank):
    quiet = replace(RUN, show_progress=False)
    results = {"plain": run(RUN, seed=rank)}  # other weights in each; all must begin with the first one's

    def dropping(name, **options):
        config = replace(quiet, out_dir=str(folder / name), **options)
        return run(config, dropout=0.2, resume=folder / "half" / "last.pt" if name == "resumed" else None)

    results["whole"] = dropping("whole")
    dropping("half", max_steps=8)
    results["resumed"] = dropping("resumed")
    try:
        run(replace(quiet, batch_size=5))
    except UserError as error:
        results["odd"] = str(error)
    torch.save(results, folder / f"process{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(os.environ["RANK"]))
