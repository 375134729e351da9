"""Day 2 · The data pipeline: known wrong answers, then right ones, exercise by exercise."""

import random

import torch
from torch.utils.data import DataLoader, Dataset

from autograder.misconception import right, wrong
from handmade.data import shift

# --- shift ----------------------------------------------------------------------------------------------


@wrong("day02.shift", fails="following")
def shift(ids):
    """Inputs and targets are the same: each token is its own target, and the best model is a copying machine."""
    return ids[:-1], ids[:-1]


@wrong("day02.shift", fails="following")
def shift(ids):
    """Inputs and targets are swapped: each target is the token before its input, so the model predicts the past."""
    return ids[1:], ids[:-1]


@wrong("day02.shift", fails=("following", "every"))
def shift(ids):
    """The targets run in a circle (roll): after the last token the first is expected, a pair that no text has."""
    return ids, torch.roll(ids, -1)


@wrong("day02.shift", fails=("following", "every"))
def shift(ids):
    """The targets are two tokens later: the token in between is never asked for."""
    return ids[:-2], ids[2:]


@wrong("day02.shift", fails="every")
def shift(ids):
    """The last pair is lost: both parts end one token too early."""
    return ids[:-2], ids[1:-1]


@wrong("day02.shift", fails="every")
def shift(ids):
    """The inputs keep the last token, which has no target: x is one longer than y."""
    return ids, ids[1:]


@wrong("day02.shift", fails="every")
def shift(ids):
    """The first pair is lost: the inputs begin with the second token."""
    return ids[1:-1], ids[2:]


@wrong("day02.shift", fails="unchanged")
def shift(ids):
    """The ids are moved in place: the text itself is another one afterwards."""
    x = ids[:-1].clone()
    ids[:-1] = ids[1:].clone()
    return x, ids[:-1].clone()


@wrong("day02.shift", fails="exact")
def shift(ids):
    """Ids have become floats: they are numbers of rows in a table, and a table has no row 3.0."""
    return ids[:-1].float(), ids[1:].float()


@wrong("day02.shift", fails="exact")
def shift(ids):
    """The target is looked up by the token, not by its place: each token gets what followed its first occurrence."""
    tokens = ids.tolist()
    return ids[:-1], torch.tensor([tokens[tokens[:-1].index(token) + 1] for token in tokens[:-1]])


@right("day02.shift")
def shift(ids):
    """Pair by pair, in a loop."""
    x, y = [], []
    for t in range(len(ids) - 1):
        x.append(int(ids[t]))
        y.append(int(ids[t + 1]))
    return torch.tensor(x), torch.tensor(y)


@right("day02.shift")
def shift(ids):
    """All windows of two tokens, taken apart."""
    return ids.unfold(0, 2, 1).unbind(1)


@right("day02.shift")
def shift(ids):
    """By places, and as a list."""
    t = torch.arange(ids.shape[0] - 1)
    return [ids[t], ids[t + 1]]


# --- TextDataset ----------------------------------------------------------------------------------------


class Windows(Dataset):
    """What the wrong answers below build on: each changes one or two of its methods."""

    def __init__(self, ids, block_size):
        if len(ids) <= block_size:
            raise ValueError("The text is too short.")
        self.ids, self.block_size = ids, block_size

    def __len__(self):
        return (len(self.ids) - 1) // self.block_size

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        return shift(self.ids[i * self.block_size : (i + 1) * self.block_size + 1])


@wrong("day02.TextDataset", fails="pairs")
class TextDataset(Windows):
    """Inputs and targets of a window are the same tokens: the target must be one token later."""

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        chunk = self.ids[i * self.block_size : (i + 1) * self.block_size]
        return chunk, chunk


@wrong("day02.TextDataset", fails="pairs")
class TextDataset(Windows):
    """Each window is closed into a circle: the target of its last token is its own first token, not the next one."""

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        x = self.ids[i * self.block_size : (i + 1) * self.block_size]
        return x, torch.roll(x, -1)


@wrong("day02.TextDataset", fails=("pairs", "starts"))
class TextDataset(Windows):
    """Inputs and targets of a window have changed places: the targets are one token earlier."""

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        y, x = shift(self.ids[i * self.block_size : (i + 1) * self.block_size + 1])
        return x, y


@wrong("day02.TextDataset", fails=("length", "count"))
class TextDataset(Windows):
    """The text is cut into pieces of block_size and each is shifted by itself: windows are one short, and the token
    after each piece is never a target."""

    def __len__(self):
        return len(self.ids) // self.block_size

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        piece = self.ids[i * self.block_size : (i + 1) * self.block_size]
        return piece[:-1], piece[1:]


@wrong("day02.TextDataset", fails="length")
class TextDataset(Windows):
    """A window takes block_size tokens of text, which makes block_size - 1 pairs: the last input has no target."""

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        return shift(self.ids[i * self.block_size : (i + 1) * self.block_size])


@wrong("day02.TextDataset", fails="length")
class TextDataset(Windows):
    """The inputs of a window hold the token after it too: x is one token longer than y."""

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        window = self.ids[i * self.block_size : (i + 1) * self.block_size + 1]
        return window, window[1:]


@wrong("day02.TextDataset", fails=("starts", "count"))
class TextDataset(Windows):
    """Windows begin at every token and overlap: each token is a target block_size times in one epoch."""

    def __len__(self):
        return len(self.ids) - self.block_size

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        return shift(self.ids[i : i + self.block_size + 1])


@wrong("day02.TextDataset", fails=("starts", "count"))
class TextDataset(Windows):
    """Windows are block_size + 1 tokens apart and share none: the first input of each window is nobody's target."""

    def __len__(self):
        return len(self.ids) // (self.block_size + 1)

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        start = i * (self.block_size + 1)
        return shift(self.ids[start : start + self.block_size + 1])


@wrong("day02.TextDataset", fails="starts")
class TextDataset(Windows):
    """Window i begins at token i, not at token i · block_size: the number of a window is not a place in the text."""

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        return shift(self.ids[i : i + self.block_size + 1])


@wrong("day02.TextDataset", fails="count")
class TextDataset(Windows):
    """The length counts a window too many where the text is an exact multiple: its last input has no target."""

    def __len__(self):
        return len(self.ids) // self.block_size


@wrong("day02.TextDataset", fails="count")
class TextDataset(Windows):
    """The last complete window is dropped where the text ends with it."""

    def __len__(self):
        return max(1, (len(self.ids) - 2) // self.block_size)


@wrong("day02.TextDataset", fails="end")
class TextDataset(Windows):
    """There is no IndexError: slicing past the end gives empty windows, and a for loop over the dataset never ends."""

    def __getitem__(self, i):
        return shift(self.ids[i * self.block_size : (i + 1) * self.block_size + 1])


@wrong("day02.TextDataset", fails="end")
class TextDataset(Windows):
    """Past the last window it begins again from the first: a for loop over the dataset never ends."""

    def __getitem__(self, i):
        start = i % len(self) * self.block_size
        return shift(self.ids[start : start + self.block_size + 1])


@wrong("day02.TextDataset", fails="short")
class TextDataset(Windows):
    """A text too short for one window is accepted: the dataset is empty, and training does nothing, silently."""

    def __init__(self, ids, block_size):
        self.ids, self.block_size = ids, block_size


@wrong("day02.TextDataset", fails="short")
class TextDataset(Windows):
    """A text of exactly block_size + 1 tokens is refused, though it is one complete window."""

    def __init__(self, ids, block_size):
        if len(ids) <= block_size + 1:
            raise ValueError("The text is too short.")
        self.ids, self.block_size = ids, block_size


@wrong("day02.TextDataset", fails="form")
class TextDataset(Windows):
    """Inputs and targets are lists of numbers: batches and models need tensors."""

    def __init__(self, ids, block_size):
        if len(ids) <= block_size:
            raise ValueError("The text is too short.")
        self.ids, self.block_size = ids.tolist(), block_size


@wrong("day02.TextDataset", fails="form")
class TextDataset(Windows):
    """Ids have become floats: an embedding looks up rows by whole numbers (torch.long)."""

    def __init__(self, ids, block_size):
        if len(ids) <= block_size:
            raise ValueError("The text is too short.")
        self.ids, self.block_size = ids.float(), block_size


@wrong("day02.TextDataset", fails="form")
class TextDataset(Windows):
    """Each window is made a batch of one: it must be (block_size,), since the loader adds the batch dimension."""

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        x, y = shift(self.ids[i * self.block_size : (i + 1) * self.block_size + 1])
        return x[None], y[None]


@wrong("day02.TextDataset", fails="epoch")
class TextDataset(Windows):
    """Ids are kept in 16 bits to save memory: an id that does not fit comes back as another token."""

    def __init__(self, ids, block_size):
        if len(ids) <= block_size:
            raise ValueError("The text is too short.")
        self.ids, self.block_size = ids.to(torch.int16), block_size

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        return shift(self.ids[i * self.block_size : (i + 1) * self.block_size + 1].long())


@right("day02.TextDataset")
class TextDataset(Dataset):
    """All windows are cut at the start, as two matrices."""

    def __init__(self, ids, block_size):
        n = (len(ids) - 1) // block_size
        if n < 1:
            raise ValueError(f"{len(ids)} tokens are too few for one window of {block_size}.")
        self.x = ids[: n * block_size].view(n, block_size)
        self.y = ids[1 : n * block_size + 1].view(n, block_size)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


@right("day02.TextDataset")
class TextDataset:
    """A list of starts, which knows its length and raises the IndexError; no base class."""

    def __init__(self, ids, block_size):
        self.starts = range(0, len(ids) - block_size, block_size)
        if not self.starts:
            raise ValueError("The text is too short for one window.")
        self.ids, self.block_size = ids, block_size

    def __len__(self):
        return len(self.starts)

    def __getitem__(self, i):
        places = torch.arange(self.starts[i], self.starts[i] + self.block_size)
        return self.ids[places], self.ids[places + 1]


@right("day02.TextDataset")
class TextDataset(Dataset):
    """Pairs in a list, made by PyTorch's unfold, with windows counted from the end too."""

    def __init__(self, ids, block_size):
        if not len(ids) > block_size:
            raise ValueError("The text is too short for one window.")
        self.windows = [(w[:-1], w[1:]) for w in ids.unfold(0, block_size + 1, block_size)]

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, i):
        return self.windows[i]


@right("day02.TextDataset")
class TextDataset(Dataset):
    """The text is shifted once, and both parts are sliced in the same way."""

    def __init__(self, ids, block_size):
        if ids.shape[0] - 1 < block_size:
            raise ValueError("The text is too short for one window.")
        self.inputs, self.targets = shift(ids)
        self.block_size = block_size

    def __len__(self):
        return self.targets.numel() // self.block_size

    def __getitem__(self, i):
        if i < 0:
            i += len(self)
        piece = slice(i * self.block_size, (i + 1) * self.block_size)
        if i not in range(len(self)):
            raise IndexError(f"no window {i}")
        return [self.inputs[piece], self.targets[piece]]


# --- train_val_split ------------------------------------------------------------------------------------


@wrong("day02.train_val_split", fails="cut")
def train_val_split(ids, train_ratio=0.9):
    """Tokens are shuffled before the cut: neither part is a text any more."""
    if not 0 < train_ratio < 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    order = torch.randperm(len(ids), generator=torch.Generator().manual_seed(0))
    n = int(train_ratio * len(ids))
    return ids[order[:n]], ids[order[n:]]


@wrong("day02.train_val_split", fails="cut")
def train_val_split(ids, train_ratio=0.9):
    """The validation tokens are picked at random from all over the text: the training text has holes, and each
    hole's neighbours were trained on."""
    if not 0 < train_ratio < 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    order = torch.randperm(len(ids), generator=torch.Generator().manual_seed(0))
    n = int(train_ratio * len(ids))
    return ids[order[:n].sort().values], ids[order[n:].sort().values]


@wrong("day02.train_val_split", fails="cut")
def train_val_split(ids, train_ratio=0.9):
    """Validation is taken from the beginning of the text: it must be its end."""
    if not 0 < train_ratio < 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    n = len(ids) - int(train_ratio * len(ids))
    return ids[n:], ids[:n]


@wrong("day02.train_val_split", fails=("sizes", "cut"))
def train_val_split(ids, train_ratio=0.9):
    """The two parts are returned in the wrong order: training comes first."""
    if not 0 < train_ratio < 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    n = int(train_ratio * len(ids))
    return ids[n:], ids[:n]


@wrong("day02.train_val_split", fails="sizes")
def train_val_split(ids, train_ratio=0.9):
    """train_ratio is used as the share of validation."""
    if not 0 < train_ratio < 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    n = len(ids) - int(train_ratio * len(ids))
    return ids[:n], ids[n:]


@wrong("day02.train_val_split", fails="sizes")
def train_val_split(ids, train_ratio=0.9):
    """The cut is always at 90 %: train_ratio is not used."""
    if not 0 < train_ratio < 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    n = int(0.9 * len(ids))
    return ids[:n], ids[n:]


@wrong("day02.train_val_split", fails="once")
def train_val_split(ids, train_ratio=0.9):
    """The whole text is the validation part: the model is tested on what it was trained on."""
    if not 0 < train_ratio < 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    return ids[: int(train_ratio * len(ids))], ids


@wrong("day02.train_val_split", fails="once")
def train_val_split(ids, train_ratio=0.9):
    """The token at the cut is in both parts."""
    if not 0 < train_ratio < 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    n = int(train_ratio * len(ids))
    return ids[:n], ids[n - 1 :]


@wrong("day02.train_val_split", fails="once")
def train_val_split(ids, train_ratio=0.9):
    """The token at the cut is in neither part: a slice that ends at n leaves out n, and the next must begin with it."""
    if not 0 < train_ratio < 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    n = int(train_ratio * len(ids))
    return ids[:n], ids[n + 1 :]


@wrong("day02.train_val_split", fails="refuses")
def train_val_split(ids, train_ratio=0.9):
    """Any train_ratio is accepted: 90 for 90 % leaves nothing for validation, and nobody is told."""
    n = int(train_ratio * len(ids))
    return ids[:n], ids[n:]


@wrong("day02.train_val_split", fails="refuses")
def train_val_split(ids, train_ratio=0.9):
    """A train_ratio of exactly 0 or 1 is accepted, though one part is then empty."""
    if not 0 <= train_ratio <= 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    n = int(train_ratio * len(ids))
    return ids[:n], ids[n:]


@right("day02.train_val_split")
def train_val_split(ids, train_ratio=0.9):
    """By torch.split."""
    if train_ratio <= 0 or train_ratio >= 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    n = int(len(ids) * train_ratio)
    return ids.split([n, len(ids) - n])


@right("day02.train_val_split")
def train_val_split(ids, train_ratio=0.9):
    """By a mask over places."""
    if not (train_ratio > 0 and train_ratio < 1):
        raise ValueError("train_ratio must lie between 0 and 1.")
    early = torch.arange(len(ids)) < int(train_ratio * len(ids))
    return ids[early], ids[~early]


@right("day02.train_val_split")
def train_val_split(ids, train_ratio=0.9):
    """Copies, and a list of them."""
    if not 0 < train_ratio < 1:
        raise ValueError("train_ratio must lie between 0 and 1.")
    n = int(train_ratio * ids.numel())
    return [ids[:n].clone(), ids[n:].clone()]


# --- make_loader ----------------------------------------------------------------------------------------


@wrong("day02.make_loader", fails="batches")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """batch_size is not passed on: every batch holds a single window."""
    return DataLoader(dataset, shuffle=shuffle, generator=torch.Generator().manual_seed(seed))


@wrong("day02.make_loader", fails="batches")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """Batches are turned over: windows stand in columns, (T, B), where the course has them in rows, (B, T)."""

    def in_columns(windows):
        xs, ys = zip(*windows, strict=True)
        return torch.stack(xs, dim=1), torch.stack(ys, dim=1)

    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size, shuffle=shuffle, generator=generator, collate_fn=in_columns)


@wrong("day02.make_loader", fails="batches")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """Rows of y no longer belong to rows of x: the targets of a batch are in another order than its inputs."""

    def mixed(windows):
        xs, ys = zip(*windows, strict=True)
        return torch.stack(xs), torch.stack(ys).flip(0)

    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size, shuffle=shuffle, generator=generator, collate_fn=mixed)


@wrong("day02.make_loader", fails="once")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """The last batch is dropped where it is smaller (drop_last): its windows never come in this epoch."""
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(dataset, batch_size, shuffle=shuffle, generator=generator, drop_last=True)


@wrong("day02.make_loader", fails="once")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """Windows are drawn with replacement: some come twice and more, and about 37 % never come."""
    generator = torch.Generator().manual_seed(seed)
    sampler = (
        torch.utils.data.RandomSampler(dataset, replacement=True, generator=generator) if shuffle else None
    )
    return DataLoader(dataset, batch_size, sampler=sampler, generator=generator)


@wrong("day02.make_loader", fails="in_order")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """It always shuffles, whatever `shuffle` says."""
    return DataLoader(dataset, batch_size, shuffle=True, generator=torch.Generator().manual_seed(seed))


@wrong("day02.make_loader", fails=("shuffled", "epochs", "seeds"))
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """It never shuffles: `shuffle` is not passed on, and DataLoader's own default is False."""
    return DataLoader(dataset, batch_size, generator=torch.Generator().manual_seed(seed))


@wrong("day02.make_loader", fails="shuffled")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """Whole batches are shuffled, not windows: the windows of a batch are still neighbours in the text."""
    if not shuffle:
        return DataLoader(dataset, batch_size)
    pieces = [range(i, min(i + batch_size, len(dataset))) for i in range(0, len(dataset), batch_size)]
    order = torch.utils.data.RandomSampler(pieces, generator=torch.Generator().manual_seed(seed))

    class Pieces:
        def __iter__(self):
            return (list(pieces[i]) for i in order)

        def __len__(self):
            return len(pieces)

    return DataLoader(dataset, batch_sampler=Pieces())


@wrong("day02.make_loader", fails="shuffled")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """Windows are shuffled within their batch only: the batches themselves come in the order of the text."""
    if not shuffle:
        return DataLoader(dataset, batch_size)
    generator = torch.Generator().manual_seed(seed)

    def mixed(windows):
        order = torch.randperm(len(windows), generator=generator).tolist()
        return torch.utils.data.default_collate([windows[i] for i in order])

    return DataLoader(dataset, batch_size, collate_fn=mixed)


@wrong("day02.make_loader", fails="repeats")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """The loader has no generator of its own, so its order hangs on whatever else draws random numbers."""
    return DataLoader(dataset, batch_size, shuffle=shuffle)


@wrong("day02.make_loader", fails="repeats")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """The seed goes to PyTorch's common generator (torch.manual_seed), from which everything else draws too."""
    torch.manual_seed(seed)
    return DataLoader(dataset, batch_size, shuffle=shuffle)


@wrong("day02.make_loader", fails="epochs")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """Windows are shuffled once, when the loader is made: every epoch has the same order."""
    if shuffle:
        order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))
        dataset = torch.utils.data.Subset(dataset, order.tolist())
    return DataLoader(dataset, batch_size)


@wrong("day02.make_loader", fails="epochs")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """The generator is seeded anew at the start of each epoch, so every epoch has the same order."""

    class Loader:
        def __iter__(self):
            generator = torch.Generator().manual_seed(seed)
            return iter(DataLoader(dataset, batch_size, shuffle=shuffle, generator=generator))

    return Loader()


@wrong("day02.make_loader", fails="seeds")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """The generator has a fixed seed: the argument `seed` is not used."""
    return DataLoader(dataset, batch_size, shuffle=shuffle, generator=torch.Generator().manual_seed(42))


@right("day02.make_loader")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """With a sampler of its own."""
    if not shuffle:
        return DataLoader(dataset, batch_size=batch_size)
    generator = torch.Generator()
    generator.manual_seed(seed)
    return DataLoader(
        dataset, batch_size=batch_size, sampler=torch.utils.data.RandomSampler(dataset, generator=generator)
    )


@right("day02.make_loader")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """Without DataLoader: an iterable with Python's own random numbers."""

    class Loader:
        def __init__(self):
            self.random = random.Random(seed)

        def __iter__(self):
            order = list(range(len(dataset)))
            if shuffle:
                self.random.shuffle(order)
            for i in range(0, len(order), batch_size):
                xs, ys = zip(*[dataset[j] for j in order[i : i + batch_size]], strict=True)
                yield torch.stack(xs), torch.stack(ys)

    return Loader()


@right("day02.make_loader")
def make_loader(dataset, batch_size, shuffle=True, seed=0):
    """With a batch sampler."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.utils.data.RandomSampler(dataset, generator=generator) if shuffle else range(len(dataset))
    return DataLoader(
        dataset, batch_sampler=torch.utils.data.BatchSampler(order, batch_size, drop_last=False)
    )
