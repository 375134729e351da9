"""Data (days 2 and 16): from a long row of ids to batches of inputs and targets.

The target of every position is the token that comes next, so a window of inputs and its targets overlap in all
but one token.
"""

import os
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from handmade.errors import UserError
from handmade.tokenizers import CharTokenizer

# --- Day 2: the data pipeline -------------------------------------------------------------------------


def shift(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs and targets: (N,) ids -> x (N - 1,) and y (N - 1,), where y[t] is the token that follows x[t]."""
    return ids[:-1], ids[1:]


class TextDataset(Dataset):
    """Windows that lie side by side: item i is (x, y), both (block_size,), y one token later than x.

    ids is (N,). Window i begins at token i * block_size. The last target of a window is the first input of the next,
    so each token after the first is a target exactly once. What is left at the end, too short for a window, is not
    used. len(dataset) is the number of windows.

    Raises:
        ValueError: ids has fewer than block_size + 1 tokens.
        IndexError: dataset[i] where there is no window i; this is what ends a `for` loop over the dataset.
    """

    def __init__(self, ids: Tensor, block_size: int):
        if len(ids) <= block_size:
            raise ValueError(
                f"The text has {len(ids)} tokens, and one window needs {block_size + 1} (block_size + 1): "
                "give a longer text or a smaller block_size."
            )
        self.ids = ids
        self.block_size = block_size

    def __len__(self) -> int:
        return (len(self.ids) - 1) // self.block_size  # the last token is a target only

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        if not 0 <= i < len(self):
            raise IndexError(f"There is no window {i}: there are {len(self)}, and the first is number 0.")
        start = i * self.block_size
        return shift(self.ids[start : start + self.block_size + 1])


def train_val_split(ids: Tensor, train_ratio: float = 0.9) -> tuple[Tensor, Tensor]:
    """Cut (N,) ids in two: the first int(train_ratio * N) for training, the rest for validation.

    One cut, and no random choice: windows that overlap share most of their text, so a random choice of them would
    validate on what was trained on.

    Raises:
        ValueError: train_ratio is not above 0 and below 1.
    """
    if not 0 < train_ratio < 1:
        raise ValueError(f"train_ratio is {train_ratio}: it must lie between 0 and 1, for instance 0.9.")
    n = int(train_ratio * len(ids))
    return ids[:n], ids[n:]


def make_loader(dataset: Dataset, batch_size: int, shuffle: bool = True, seed: int = 0) -> DataLoader:
    """Batches of a dataset's windows: each is x and y, both (batch_size, block_size); the last may have fewer rows.

    A loop over the loader is an epoch: every window comes once. Without shuffle they come in the order of the text.
    With shuffle, every epoch has another order, and two loaders with one seed have the same orders, whatever else
    draws random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size=batch_size, shuffle=shuffle, generator=generator)


# --- Day 16: characters to batches --------------------------------------------------------------------


def load_data(path: str | os.PathLike) -> tuple[Tensor, Tensor, CharTokenizer]:
    """Read a text file: the first 90 % as training ids, the rest as validation ids, and the tokenizer of both.

    Raises:
        UserError: the file cannot be read, is not UTF-8 text, or is empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"Cannot read {path} ({error.strerror}): give the path of a text file.") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text (byte {error.start} cannot be read): save it as UTF-8, or give a text file."
        ) from error
    if not text:
        raise UserError(f"{path} is empty: give a file with some text in it.")
    tokenizer = CharTokenizer.from_text(text)
    train_ids, val_ids = train_val_split(torch.tensor(tokenizer.encode(text)), train_ratio=0.9)
    return train_ids, val_ids, tokenizer


def get_batch(
    data: Tensor,
    batch_size: int,
    context_len: int,
    device: torch.device | str = "cpu",
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Windows from anywhere: (N,) data -> x and y, both (batch_size, context_len), y one token later than x.

    Every start at which both fit is equally likely: 0 to N - context_len - 1. `generator` is a CPU generator,
    whatever the device, so that the same seed gives the same batch everywhere.

    Raises:
        ValueError: data has fewer than context_len + 1 tokens.
    """
    if len(data) <= context_len:
        raise ValueError(
            f"The text has {len(data)} tokens, and one window needs {context_len + 1} (context_len + 1): "
            "give a longer text or a smaller context_len."
        )
    starts = torch.randint(len(data) - context_len, (batch_size, 1), generator=generator)  # (B, 1)
    positions = starts + torch.arange(context_len)  # (B, T)
    return data[positions].to(device), data[positions + 1].to(device)
