"""Training (days 4, 17 and 20): one step, a look before the first one, and the loop."""

import copy
import functools
import math
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from handmade.checkpoints import get_rng, load_checkpoint, save_checkpoint, set_rng
from handmade.data import get_batch
from handmade.device import synchronize
from handmade.distributed import World, join
from handmade.errors import UserError
from handmade.optim import configure_optimizer, get_lr, set_lr
from handmade.progress import Progress
from handmade.runlog import append_row, write_log
from handmade.sampling import generate

Batch = tuple[Tensor, Tensor]  # idx and targets, both (B, T)

# --- Day 4: one step ----------------------------------------------------------------------------------


def compute_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy over all positions, in nats: logits (B, T, V), targets (B, T) -> a tensor, one number.

    Targets of -1 do not count: the mean is over the others. The gradient flows back to the logits.
    """
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


def train_step(
    model: nn.Module, batch: tuple[Tensor, Tensor], optimizer: torch.optim.Optimizer, max_norm: float
) -> tuple[Tensor, Tensor]:
    """Have the optimizer move the weights once, against the gradient of the batch's loss.

    batch is (idx, targets), both (B, T), and model(idx, targets) returns (logits, loss). All gradients together, as
    one long vector, are scaled down to a norm of at most `max_norm` before the optimizer uses them; a shorter one
    stays as it is. Nothing is left over from earlier batches. Returns the loss before the move, detached, and the
    norm before clipping. Pascanu et al., "On the difficulty of training recurrent neural networks" (2013).
    """
    idx, targets = batch
    _, loss = model(idx, targets)
    optimizer.zero_grad()
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.detach(), grad_norm


# --- Day 17: a look before the first step -------------------------------------------------------------


def check_setup(model: nn.Module, batch: Batch, vocab_size: int) -> list[str]:
    """What is wrong with an untrained model and a batch (idx, targets): one sentence each, [] if nothing is.

    A problem begins with its kind: device, dtype, shape, ids, shift, mode, frozen or loss. The loss is only
    looked at where the batch itself is in order.
    """
    idx, targets = batch
    problems = []
    device = next(model.parameters()).device
    for name, tensor in (("inputs", idx), ("targets", targets)):
        if tensor.device != device:
            problems.append(f"device: the model is on {device} and the {name} are on {tensor.device}")
        if tensor.dtype != torch.long:
            problems.append(f"dtype: the {name} are {tensor.dtype}; token ids are torch.long")
    if idx.dim() != 2 or idx.shape != targets.shape:
        problems.append(
            f"shape: inputs {tuple(idx.shape)} and targets {tuple(targets.shape)} must be one (B, T)"
        )
    if not problems:
        if idx.min() < 0 or max(idx.max(), targets.max()) >= vocab_size or targets.min() < -1:
            problems.append(f"ids: some are outside 0 to {vocab_size - 1}")
        counted = targets[:, :-1] != -1
        if not torch.equal(targets[:, :-1][counted], idx[:, 1:][counted]):
            problems.append("shift: the target of a position must be the input of the next one")
    batch_is_sound = not problems

    if not model.training:
        problems.append("mode: the model is in eval mode; call model.train()")
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    if frozen:
        problems.append(f"frozen: {len(frozen)} parameters will not be trained, among them {frozen[0]}")
    if batch_is_sound:
        with torch.no_grad():
            logits, loss = model(idx, targets)
        expected = math.log(vocab_size)
        if logits.shape != (*idx.shape, vocab_size):
            problems.append(f"shape: logits {tuple(logits.shape)} must be {(*idx.shape, vocab_size)}")
        elif not abs(loss.item() - expected) < 0.5:
            problems.append(
                f"loss: an untrained model should be near ln {vocab_size} = {expected:.2f}, not {loss.item():.2f}"
            )
    return problems


def estimate_run_time(model: nn.Module, batch: Batch, steps: int) -> float:
    """How long `steps` training steps on such batches take, in seconds. The model stays as it is.

    Whole steps of a copy are timed (forward, backward, update), the first ones not, since they also pay for
    what happens once; and the clock waits for the device.
    """
    model = copy.deepcopy(model).train()
    optimizer = configure_optimizer(model, lr=0.0, weight_decay=0.0, betas=(0.9, 0.99), optimizer=FastAdamW)
    device = batch[0].device
    seconds = []
    for _ in range(8):
        synchronize(device)
        start = time.perf_counter()
        train_step(model, batch, optimizer, max_norm=1.0)
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return steps * sorted(seconds[3:])[2]  # the median of the last five


# --- Day 20: the loop ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainConfig:
    """One training run. The defaults are for a model of a million weights, on a CPU.

    Raises:
        ValueError: a value that no run can have; the message names the field.
    """

    max_steps: int = 2000
    batch_size: int = 12  # sequences in a step, over all processes together
    lr: float = 1e-3
    min_lr: float = 1e-4  # what the cosine ends at
    warmup_steps: int = 100
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)
    max_norm: float = 1.0
    seed: int = 0
    log_interval: int = 10
    eval_interval: int = 250  # evaluate and write a checkpoint; the last step does so too
    eval_batches: int = 50
    sample_interval: int = 500  # show what the model writes by now, if there is a tokenizer; 0 is never
    out_dir: str | None = None  # log.jsonl, last.pt and best.pt; None writes nothing
    precision: str = "auto"  # float32 or bfloat16; auto is bfloat16 on the GPUs that have it
    compile: bool | str = "auto"  # auto is True on CUDA under Linux; the first step then takes a minute
    show_progress: bool = True

    def __post_init__(self):
        for name in ("max_steps", "batch_size", "log_interval", "eval_interval", "eval_batches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be 1 or more")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(f"precision is {self.precision!r}: choose auto, float32 or bfloat16")


@torch.no_grad()
def estimate_loss(
    model: nn.Module, splits: dict[str, Tensor], batch_size: int, eval_batches: int, seed: int = 0
) -> dict[str, float]:
    """The mean loss on each split, {"train": ids, "val": ids}, over `eval_batches` random batches of it.

    Every call with one seed sees the same windows, so that two results differ by the model alone. The model
    is in eval mode meanwhile, and comes back in the mode it was in.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    losses = {}
    for split, ids in splits.items():
        generator = torch.Generator().manual_seed(seed)
        total = 0.0
        for _ in range(eval_batches):
            idx, targets = get_batch(ids, batch_size, model.config.block_size, device, generator)
            total += model(idx, targets)[1].item()
        losses[split] = total / eval_batches
    model.train(was_training)
    return losses


def train(
    model: nn.Module,
    data: dict[str, Tensor],
    config: TrainConfig,
    tokenizer=None,
    resume: str | os.PathLike | None = None,
) -> list[dict]:
    """Train `model` in place on data = {"train": ids, "val": ids}, both (N,). Returns the history.

    The history has a row every `log_interval` steps, {"step", "lr", "loss", "grad_norm"}; at step 0 and every
    `eval_interval` steps there are "train_loss" and "val_loss" too. With `resume`, the path of a checkpoint,
    the run goes on from there and ends with the weights, to the bit, that it would have had without the stop.
    Under torchrun every process calls this; they share each batch, and the first one writes. PyTorch's global
    generator, from which dropout draws, is seeded.

    Raises:
        UserError: a checkpoint or a folder that cannot be used; the message says what to do.
    """
    world = join(next(model.parameters()).device, config.batch_size)
    model.to(world.device).train()
    torch.manual_seed(config.seed + world.rank)  # for dropout: different in every process
    batches = torch.Generator().manual_seed(config.seed)  # for the batches: the same in all
    optimizer = configure_optimizer(model, config.lr, config.weight_decay, config.betas, FastAdamW)
    start, history = 0, []
    if resume is not None:
        start, history = _restore(resume, model, optimizer, batches, world)
    fast = fast_form(model, config)
    parallel = DistributedDataParallel(fast) if world.size > 1 else fast  # averages the gradients
    history = history or [{"step": 0, **_evaluate(fast, data, config)}]
    folder = _begin_folder(config.out_dir, history) if world.rank == 0 else None

    show = config.show_progress and world.rank == 0
    samples = show and tokenizer is not None and config.sample_interval > 0
    with Progress(config.max_steps, "training", start, show) as bar:
        for step in range(start, config.max_steps):
            lr = get_lr(step, config.warmup_steps, config.lr, config.max_steps, config.min_lr)
            set_lr(optimizer, lr)
            batch = get_batch(
                data["train"], config.batch_size, model.config.block_size, world.device, batches
            )
            loss, grad_norm = train_step(parallel, world.part(batch), optimizer, config.max_norm)

            done = step + 1
            row = {}
            if done % config.log_interval == 0:
                row |= {"loss": world.mean(loss).item(), "grad_norm": grad_norm.item()}
            if done % config.eval_interval == 0 or done == config.max_steps:
                row |= _evaluate(fast, data, config)
            if row:
                history.append({"step": done, "lr": lr, **row})
                if folder:
                    append_row(folder / "log.jsonl", history[-1])
            if "val_loss" in row:
                rng = _gather_rng(batches, world)
                for name in _checkpoint_names(history) if folder else []:
                    save_checkpoint(folder / name, model, optimizer, done, config, tokenizer, rng, history)
            if samples and done % config.sample_interval == 0:
                bar.write(sample_text(model, tokenizer, data["val"][:1], config.seed))
            bar.advance(", ".join(f"{name} {row[name]:.3f}" for name in row if "loss" in name))
    world.wait()  # until the first process has written its last file
    return history


# --- Around the loop ----------------------------------------------------------------------------------

FastAdamW = functools.partial(torch.optim.AdamW, fused=True)  # the steps of our AdamW, in one kernel


class MixedPrecision(nn.Module):
    """The same model with its matrix products in bfloat16; weights and gradients stay float32.

    Micikevicius et al., "Mixed Precision Training" (2018).
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.config = model.config

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        with torch.autocast(idx.device.type, dtype=torch.bfloat16):
            return self.model(idx, targets)


def fast_form(model: nn.Module, config: TrainConfig) -> nn.Module:
    """The model in the form that its device trains fastest. The weights are the same tensors."""
    on_cuda = next(model.parameters()).is_cuda
    # GPUs before 2020 only imitate bfloat16, and are slower with it.
    has_bfloat16 = on_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    if config.precision == "bfloat16" or (config.precision == "auto" and has_bfloat16):
        model = MixedPrecision(model)
    can_compile = on_cuda and sys.platform == "linux"  # only there does PyTorch bring the compiler along
    if config.compile is True or (config.compile == "auto" and can_compile):
        model = torch.compile(model)
    return model


def sample_text(model: nn.Module, tokenizer, prompt: Tensor, seed: int, length: int = 100) -> str:
    """What the model makes of the prompt (T,), as text. Draws from a generator of its own."""
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    idx = generate(model, prompt.view(1, -1).to(device), length, generator)  # (1, T + length)
    return tokenizer.decode(idx[0].tolist())


def _begin_folder(out_dir: str | None, history: list[dict]) -> Path | None:
    """Make the folder of a run and begin its log. A resumed run does again what came after its checkpoint."""
    if out_dir is None:
        return None
    folder = Path(out_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Cannot make the folder {folder} ({error.strerror}): choose another out_dir."
        ) from error
    write_log(folder / "log.jsonl", history)
    return folder


def _evaluate(model: nn.Module, data: dict[str, Tensor], config: TrainConfig) -> dict[str, float]:
    losses = estimate_loss(model, data, config.batch_size, config.eval_batches)
    return {"train_loss": losses["train"], "val_loss": losses["val"]}


def _checkpoint_names(history: list[dict]) -> list[str]:
    """last.pt, and best.pt too if no evaluation before the last one was as good."""
    *earlier, last = [row["val_loss"] for row in history if "val_loss" in row]
    return ["last.pt", "best.pt"] if all(last < loss for loss in earlier) else ["last.pt"]


def _gather_rng(batches: torch.Generator, world: World) -> dict:
    """Where every generator of the run stands: the one of the batches, and those of dropout in each process."""
    rng = {name: world.gather(state) for name, state in get_rng(world.device).items()}
    return {"batches": batches.get_state(), **rng}


def _restore(
    path: str | os.PathLike,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: torch.Generator,
    world: World,
) -> tuple[int, list[dict]]:
    """Put everything back as the checkpoint has it. Returns the number of steps done, and the history."""
    checkpoint = load_checkpoint(path)
    if checkpoint["model_config"] != asdict(model.config):
        raise UserError(
            f"The model in {path} is {checkpoint['model_config']} and the one given is {asdict(model.config)}: "
            "build it as the checkpoint says."
        )
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    rng = checkpoint["rng"]
    batches.set_state(rng.pop("batches"))
    if len(rng["cpu"]) == world.size:  # on another number of processes dropout begins anew
        set_rng({name: states[world.rank] for name, states in rng.items()}, world.device)
    return checkpoint["step"], checkpoint["history"]
