"""Checkpoints (day 20): everything that a run needs to go on as if it had never stopped, in one file.

A checkpoint is a dictionary of plain values and tensors, so that reading one runs no code that came with it
(`weights_only=True`), and so that it can be read after the classes here have changed.
"""

import io
import os
from dataclasses import asdict
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from handmade.errors import UserError
from handmade.files import write_atomically

KIND = "handmade checkpoint"


def save_checkpoint(
    path: str | os.PathLike,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    config: Any,
    tokenizer: Any,
    rng: dict,
    history: list[dict],
) -> None:
    """Write a training run to `path`: aside first, then renamed, so that there is always one whole checkpoint.

    `config` is the run's dataclass, `model.config` the model's; `step` counts the updates done; `tokenizer` may
    be None; `rng` holds the states of the generators, as plain tensors.

    Raises:
        UserError: the file cannot be written, for instance because the disk is full.
    """
    checkpoint = {
        "kind": KIND,
        "model": model.state_dict(),
        "model_config": asdict(model.config),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "config": asdict(config),
        "tokenizer": tokenizer.to_dict() if tokenizer is not None else None,
        "rng": rng,
        "history": history,
    }
    # torch.save into a file reports a full disk as an internal error of its zip writer; a plain write says so.
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    with write_atomically(path, "wb") as file:
        file.write(buffer.getbuffer())


def load_checkpoint(path: str | os.PathLike) -> dict:
    """Read what `save_checkpoint` wrote: the dictionary, its tensors on the CPU.

    Raises:
        UserError: there is no such file, or it cannot be read (it is cut off, say), or it is not one of ours.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(
            f"There is no checkpoint {path}: give the path of one that training wrote."
        ) from error
    except Exception as error:  # torch.load fails in a dozen ways on a file that is not whole
        raise UserError(
            f"{path} cannot be read as a checkpoint: it is cut off, damaged, or another kind of file. "
            "Use an earlier one, or train again."
        ) from error
    if not isinstance(checkpoint, dict) or checkpoint.get("kind") != KIND:
        raise UserError(f"{path} was not written by handmade: give a checkpoint that its training wrote.")
    return checkpoint


# --- The generators' states ---------------------------------------------------------------------------


def get_rng(device: torch.device) -> dict[str, Tensor]:
    """The states of the generators that a model on this device draws from."""
    rng = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        rng[device.type] = torch.get_device_module(device).get_rng_state()
    return rng


def set_rng(rng: dict[str, Tensor], device: torch.device) -> None:
    """Go back to the states that `get_rng` returned, as far as they are of this kind of device."""
    torch.set_rng_state(rng["cpu"])
    if device.type != "cpu" and device.type in rng:
        torch.get_device_module(device).set_rng_state(rng[device.type])
