"""Where a rubric's inputs come from: drawn when grading, from a seed that the report records."""

import hashlib

import torch
from torch import Tensor


class Rand:
    """Random inputs for one item. The same seed and name give the same inputs, on any machine."""

    def __init__(self, seed: int, name: str) -> None:
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        self.generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        """A float32 tensor of independent normal values, mean 0, standard deviation `scale`."""
        return torch.randn(shape, generator=self.generator) * scale

    def integer(self, low: int, high: int) -> int:
        """A whole number, low <= n <= high, each equally likely."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """An int64 tensor of whole numbers, low <= n <= high."""
        return torch.randint(low, high + 1, shape, generator=self.generator)

    def permutation(self, n: int) -> Tensor:
        """The numbers 0 … n-1 in random order, (n,) int64."""
        return torch.randperm(n, generator=self.generator)

    def changed_from(self, t: int, *tensors: Tensor) -> list[Tensor]:
        """Copies of (..., T, C) tensors that differ from the originals at position t and at every later one."""
        copies = [tensor.clone() for tensor in tensors]
        for copy in copies:
            later = copy[..., t:, :]
            later += self.normal(*later.shape) + 3.0 * torch.sign(later)
        return copies
