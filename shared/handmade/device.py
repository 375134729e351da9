"""Where the numbers live: one way to choose a device, and to wait for it."""

import os

import torch

from handmade.errors import UserError


def get_device() -> torch.device:
    """The best device there is: an NVIDIA (or AMD) GPU, then Apple's, then the CPU. The answer of day 17."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def pick(prefer: str | torch.device | None = None) -> torch.device:
    """The device to use: what the variable HANDMADE_DEVICE says if it is set, else `prefer`, else the best that works.

    Raises:
        UserError: PyTorch knows no device of that name, or this machine has none.
    """
    wish = os.environ.get("HANDMADE_DEVICE") or prefer
    for name in [wish] if wish else ["cuda", "mps", "cpu"]:
        try:
            torch.empty(0, device=name)  # a name can be right and the hardware absent
        except (RuntimeError, AssertionError, NotImplementedError):
            continue
        return torch.device(name)
    raise UserError(f"The device {str(wish)!r} cannot be used here: choose cpu, or mps or cuda where it is.")


def synchronize(device: torch.device) -> None:
    """Wait until everything sent to `device` is done. Without it a clock times the sending, not the work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
