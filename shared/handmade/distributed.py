"""Data-parallel training: several processes, each with a copy of the model and its part of every batch.

    torchrun --nproc_per_node 2 my_training.py

torchrun starts the same program several times and tells each process its number, the rank. `handmade.training`
then needs of the others: its part of a batch, the mean of a number, and what each of them holds.
"""

import atexit
import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from handmade.errors import UserError


@dataclass(frozen=True)
class World:
    """The processes that train together, as one of them sees it. On its own it is a world of one."""

    device: torch.device  # this process's own
    rank: int = 0
    size: int = 1

    def part(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """This process's rows of the batch that all have drawn: each (B, ...) -> (B / size, ...)."""
        return tuple(tensor.chunk(self.size)[self.rank] for tensor in batch)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of `value` over the processes."""
        return torch.stack(self.gather(value)).mean(dim=0)

    def gather(self, value: Tensor) -> list[Tensor]:
        """What each process holds in `value`, in the order of the ranks; the same shape everywhere."""
        if self.size == 1:
            return [value]
        mine = value.to(self.device)  # between GPUs only what is on them can travel
        values = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(values, mine)
        return [theirs.to(value.device) for theirs in values]

    def wait(self) -> None:
        """Go on when all are here."""
        if self.size > 1:
            dist.barrier()


def join(device: torch.device, batch_size: int) -> World:
    """The world that torchrun started, or a world of one if torchrun did not start this.

    Raises:
        UserError: the processes cannot share a batch of this size evenly.
    """
    if not dist.is_torchelastic_launched():
        return World(device)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))  # one GPU for each process of a machine
        torch.cuda.set_device(device)
    world = World(device, rank=int(os.environ["RANK"]), size=int(os.environ["WORLD_SIZE"]))
    if batch_size % world.size != 0:
        raise UserError(
            f"A batch of {batch_size} does not divide over {world.size} processes: "
            f"make it a multiple of {world.size}."
        )
    if not dist.is_initialized():  # by an earlier run of this process
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return world
