"""Day 27: the command line tool, run as a person runs it."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch

from handmade.checkpoints import save_checkpoint
from handmade.generate import load_model, main
from handmade.model import GPT, GPTConfig
from handmade.sampling import generate_text
from handmade.tokenizers import CharTokenizer

TEXT = "the quick brown fox jumps over the lazy dog.\n"


@dataclass
class Run:
    """Stands in for the settings of a training run."""

    max_steps: int = 0


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    tokenizer = CharTokenizer.from_text(TEXT)
    model = GPT(GPTConfig(tokenizer.vocab_size, block_size=16, n_layer=1, n_head=2, n_embd=16))
    path = tmp_path_factory.mktemp("run") / "last.pt"
    save_checkpoint(
        path, model, torch.optim.AdamW(model.parameters()), 0, Run(), tokenizer, rng={}, history=[]
    )
    return path


def run(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "handmade.generate", *map(str, arguments)],
        capture_output=True,
        cwd=cwd,
        env=os.environ | {"HANDMADE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"},
        timeout=120,
    )


def test_the_same_command_gives_the_same_bytes_and_the_header_says_how(checkpoint, tmp_path):
    options = [
        "--checkpoint",
        checkpoint,
        "--prompt",
        "the fox",
        "--max-new-tokens",
        40,
        "--temperature",
        0.8,
    ]
    options += ["--top-k", 12, "--top-p", 0.9, "--seed", 7, "--num-samples", 3]
    first, to_file = run(*options), run(*options, "--output", tmp_path / "out.txt")
    assert first.returncode == to_file.returncode == 0, first.stderr + to_file.stderr
    assert to_file.stdout == b"" and (tmp_path / "out.txt").read_bytes() == first.stdout
    text = first.stdout.decode()
    header = dict(re.findall(r"^# ([\w-]+): (.*)$", text, re.MULTILINE))
    stated = {
        "checkpoint": str(checkpoint),
        "prompt": "'the fox'",
        "max-new-tokens": "40",
        "temperature": "0.8",
    }
    stated |= {"top-k": "12", "top-p": "0.9", "seed": "7", "num-samples": "3", "device": "cpu"}
    assert stated.items() <= header.items(), "the header does not say what made the samples"
    assert header["torch"] == torch.__version__ and len(header["sha256"]) == 64
    model, tokenizer = load_model(checkpoint)
    for i in range(3):
        sample = generate_text(model, tokenizer, "the fox", 40, 0.8, 12, 0.9, seed=7 + i)
        assert f"--- sample {i + 1} (seed {7 + i}) ---\n{sample}\n" in text, (
            f"sample {i + 1} is not seed {7 + i}'s"
        )


def test_without_a_seed_each_run_draws_its_own_and_names_it(checkpoint, capsys):
    texts = []
    for _ in range(2):
        assert main(["--checkpoint", str(checkpoint), "--max-new-tokens", "60"]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0].split("---\n")[1] != texts[1].split("---\n")[1], "two runs without a seed wrote the same"
    seed = re.search(r"# seed: (\d+)", texts[0]).group(1)
    assert main(["--checkpoint", str(checkpoint), "--max-new-tokens", "60", "--seed", seed]) == 0
    assert capsys.readouterr().out == texts[0], "the seed in the header does not bring the text back"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--temperature", "0"], "temperature is 0.0"),
        (["--temperature", "warm"], "--temperature: invalid float value: 'warm'"),
        (["--top-k", "-1"], "k is -1"),
        (["--top-p", "1.5"], "p is 1.5"),
        (["--num-samples", "0"], "'0' is not a whole number of at least 1"),
        (["--max-new-tokens", "-3"], "--max-new-tokens"),
        (["--seed", "x"], "--seed"),
        (["--prompt", "Ünique"], "'Ü' is not among"),
        (["--frobnicate"], "--frobnicate"),
        (["--output", "missing/folder/out.txt"], "Cannot write missing/folder/out.txt"),
        (["--checkpoint", "missing.pt"], "There is no checkpoint missing.pt"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(checkpoint, capsys, options, says):
    assert main(["--checkpoint", str(checkpoint), *options]) == 2
    out, err = capsys.readouterr()
    assert out == "" and says in err and err.count("\n") == 1, f"not one line that says {says!r}: {err!r}"


def test_a_mistake_leaves_no_traceback_and_the_old_output_whole(checkpoint, tmp_path):
    (tmp_path / "out.txt").write_text("the old one")
    cut = tmp_path / "cut.pt"
    cut.write_bytes(checkpoint.read_bytes()[:3000])
    foreign = tmp_path / "foreign.pt"
    torch.save({"weights": torch.zeros(3)}, foreign)
    for path in (cut, foreign):
        done = run("--checkpoint", path, "--output", "out.txt", cwd=tmp_path)
        assert done.returncode == 2 and done.stdout == b"", f"{path.name}: exit code {done.returncode}"
        assert done.stderr.count(b"\n") == 1 and path.name.encode() in done.stderr, done.stderr.decode()
    assert (tmp_path / "out.txt").read_text() == "the old one"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.pt", "foreign.pt", "out.txt"], (
        "left a file behind"
    )


@pytest.mark.parametrize("part", ["model", "model_config", "tokenizer"])
def test_a_checkpoint_without_what_sampling_needs_is_refused(checkpoint, tmp_path, capsys, part):
    saved = torch.load(checkpoint, weights_only=True)
    for value in (None, {}):
        torch.save(saved | {part: value}, tmp_path / "part.pt")
        assert main(["--checkpoint", str(tmp_path / "part.pt")]) == 2
        assert "does not hold a GPT and its tokenizer" in capsys.readouterr().err


def test_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    options = "checkpoint prompt max-new-tokens temperature top-k top-p seed num-samples output"
    assert all(f"--{option}" in text for option in options.split()), text
