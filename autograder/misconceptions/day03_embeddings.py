"""Day 3 · Embeddings and positions: known wrong answers, then right ones, exercise by exercise."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from autograder.misconception import right, wrong

# --- EmbeddingWithPosition ------------------------------------------------------------------------------


@wrong("day03.EmbeddingWithPosition", fails=("position_rows", "batch", "gradient"))
class EmbeddingWithPosition(nn.Module):
    """The places are counted along the batch, not along the text: every token of a row gets the same position."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        B, T = idx.shape
        if T > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(B, device=idx.device).unsqueeze(1))


@wrong("day03.EmbeddingWithPosition", fails=("position_rows", "batch", "too_long", "gradient", "device"))
class EmbeddingWithPosition(nn.Module):
    """T is read from idx.shape[0], which is the number of texts: the number of tokens is idx.shape[1]."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        T = idx.shape[0]
        if T > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(T, device=idx.device))


@wrong("day03.EmbeddingWithPosition", fails="batch")
class EmbeddingWithPosition(nn.Module):
    """The places are counted on from one row of the batch to the next: each row must begin at place 0."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(idx.numel(), device=idx.device).view(idx.shape))


@wrong("day03.EmbeddingWithPosition", fails=("position_rows", "gradient"))
class EmbeddingWithPosition(nn.Module):
    """The positions are never added: a token becomes the same vector wherever it stands."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx)


@wrong("day03.EmbeddingWithPosition", fails="position_rows")
class EmbeddingWithPosition(nn.Module):
    """The positions are added twice."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        x = self.token(idx)
        positions = self.position(torch.arange(idx.shape[1], device=idx.device))
        x = x + positions
        return x + positions


@wrong("day03.EmbeddingWithPosition", fails=("position_rows", "every_length"))
class EmbeddingWithPosition(nn.Module):
    """The places are counted from the end of the text: the last token gets position 0."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        places = torch.arange(idx.shape[1] - 1, -1, -1, device=idx.device)
        return self.token(idx) + self.position(places)


@wrong("day03.EmbeddingWithPosition", fails=("position_rows", "every_length", "gradient"))
class EmbeddingWithPosition(nn.Module):
    """The places are counted from 1: row 0 of the table is never used, and the longest text does not fit."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        places = torch.arange(1, idx.shape[1] + 1, device=idx.device)
        return self.token(idx) + self.position(places)


@wrong("day03.EmbeddingWithPosition", fails="token_rows")
class EmbeddingWithPosition(nn.Module):
    """The tokens' rows are multiplied by √d_model before the positions are added: here they are added as they are."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        positions = self.position(torch.arange(idx.shape[1], device=idx.device))
        return self.token(idx) * math.sqrt(self.token.embedding_dim) + positions


@wrong("day03.EmbeddingWithPosition", fails=("token_rows", "position_rows", "gradient"))
class EmbeddingWithPosition(nn.Module):
    """The token's row and the position's row are multiplied: they must be added."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) * self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong(
    "day03.EmbeddingWithPosition",
    fails=("token_rows", "position_rows", "batch", "every_length", "too_long", "gradient", "device"),
)
class EmbeddingWithPosition(nn.Module):
    """The two rows stand side by side, which makes vectors of 2 · d_model numbers: they must be added."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        x = self.token(idx)
        positions = self.position(torch.arange(idx.shape[1], device=idx.device))
        return torch.cat([x, positions.expand_as(x)], dim=-1)


@wrong("day03.EmbeddingWithPosition", fails="start")
class EmbeddingWithPosition(nn.Module):
    """The tables start as PyTorch makes them, with standard deviation 1: nothing sets them to 0.02."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong("day03.EmbeddingWithPosition", fails="start")
class EmbeddingWithPosition(nn.Module):
    """Only the tokens' table starts at 0.02: that of the positions still starts with standard deviation 1."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong("day03.EmbeddingWithPosition", fails="start")
class EmbeddingWithPosition(nn.Module):
    """The tables start with mean 0.02 and standard deviation 1: normal_ takes the mean first, so name it, std=0.02."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, 0.02)
        nn.init.normal_(self.position.weight, 0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong("day03.EmbeddingWithPosition", fails="start")
class EmbeddingWithPosition(nn.Module):
    """The tables are drawn evenly from -0.02 to 0.02, which is a standard deviation of 0.0115: draw normal numbers."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.uniform_(self.token.weight, -0.02, 0.02)
        nn.init.uniform_(self.position.weight, -0.02, 0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong("day03.EmbeddingWithPosition", fails="tables")
class EmbeddingWithPosition(nn.Module):
    """The table of positions has a row too many: places are counted from 0 to max_seq_len - 1."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.longest = max_seq_len
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len + 1, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.longest:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong("day03.EmbeddingWithPosition", fails="every_length")
class EmbeddingWithPosition(nn.Module):
    """A text of exactly max_seq_len tokens is refused (>= for >): it has a place for each of them."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] >= self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong("day03.EmbeddingWithPosition", fails="too_long")
class EmbeddingWithPosition(nn.Module):
    """The length is not checked: too long a text ends in an IndexError that does not say what is wrong."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong("day03.EmbeddingWithPosition", fails="too_long")
class EmbeddingWithPosition(nn.Module):
    """A text that is too long is cut off in silence: the caller gets fewer vectors than tokens."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        idx = idx[:, : self.position.num_embeddings]
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong("day03.EmbeddingWithPosition", fails="too_long")
class EmbeddingWithPosition(nn.Module):
    """The length is checked with assert, which raises an AssertionError: raise a ValueError."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        assert idx.shape[1] <= self.position.num_embeddings, "too long"
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong("day03.EmbeddingWithPosition", fails="gradient")
class EmbeddingWithPosition(nn.Module):
    """Token 0 is declared to be padding (padding_idx=0): its row never gets a gradient, so it never learns."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model, padding_idx=0)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong("day03.EmbeddingWithPosition", fails="gradient")
class EmbeddingWithPosition(nn.Module):
    """The rows are read from .weight.data, which is cut off from the gradient: the positions never learn."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position.weight.data[: idx.shape[1]]


@wrong("day03.EmbeddingWithPosition", fails="device")
class EmbeddingWithPosition(nn.Module):
    """The places are counted on the CPU wherever the ids are: on a GPU the tables and the places do not meet."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device="cpu"))


@wrong("day03.EmbeddingWithPosition", fails="all_in_all")
class EmbeddingWithPosition(nn.Module):
    """The rows are held to a length of 1 (max_norm=1): what grows beyond it in training is cut back in silence."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model, max_norm=1.0)
        self.position = nn.Embedding(max_seq_len, d_model, max_norm=1.0)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position.num_embeddings:
            raise ValueError("too long")
        return self.token(idx) + self.position(torch.arange(idx.shape[1], device=idx.device))


@wrong(
    "day03.EmbeddingWithPosition",
    fails=(
        "tables",
        "start",
        "token_rows",
        "position_rows",
        "batch",
        "every_length",
        "too_long",
        "gradient",
        "device",
        "all_in_all",
    ),
)
class EmbeddingWithPosition(nn.Module):
    """The tables have other names: they must be called `token` and `position`, so that others find them."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab_size, d_model)
        self.position_embedding = nn.Embedding(max_seq_len, d_model)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.position_embedding.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > self.position_embedding.num_embeddings:
            raise ValueError("too long")
        places = torch.arange(idx.shape[1], device=idx.device)
        return self.token_embedding(idx) + self.position_embedding(places)


@right("day03.EmbeddingWithPosition")
class EmbeddingWithPosition(nn.Module):
    """By slicing the table of positions, with the numbers drawn beforehand."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding.from_pretrained(0.02 * torch.randn(vocab_size, d_model), freeze=False)
        self.position = nn.Embedding.from_pretrained(0.02 * torch.randn(max_seq_len, d_model), freeze=False)

    def forward(self, idx):
        B, T = idx.size()
        longest, _ = self.position.weight.shape
        if not T <= longest:
            raise ValueError(f"{T} tokens do not fit into {longest} positions.")
        return self.position.weight[:T].unsqueeze(0).expand(B, -1, -1) + self.token.weight[idx]


@right("day03.EmbeddingWithPosition")
class EmbeddingWithPosition(nn.Module):
    """With the places kept in a buffer, as older GPT code does."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token, self.position = (nn.Embedding(n, d_model) for n in (vocab_size, max_seq_len))
        for weight in self.parameters():
            weight.data.normal_(mean=0.0, std=0.02)
        self.register_buffer("places", torch.arange(max_seq_len).expand((1, -1)))

    def forward(self, idx):
        T = idx.shape[-1]
        if T > self.places.shape[-1]:
            raise ValueError(f"T is {T}, and max_seq_len is {self.places.shape[-1]}.")
        x = self.token(idx)
        x += self.position(self.places[:, :T])
        return x


@right("day03.EmbeddingWithPosition")
class EmbeddingWithPosition(nn.Module):
    """As products with one-hot rows: no row is picked, all but one are multiplied by 0."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.max_seq_len = max_seq_len
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        for table in (self.token, self.position):
            with torch.no_grad():
                table.weight.mul_(0.02)

    def forward(self, idx):
        (_, T), V = idx.shape, self.token.num_embeddings
        if T > self.max_seq_len:
            raise ValueError("too long")
        onehot = F.one_hot(idx, V).to(self.token.weight.dtype)
        places = torch.eye(T, self.max_seq_len, device=idx.device, dtype=self.token.weight.dtype)
        return onehot @ self.token.weight + places @ self.position.weight


@right("day03.EmbeddingWithPosition")
class EmbeddingWithPosition(nn.Module):
    """Place by place, in a loop, with tables that are cut off beyond ±2, where there is nothing."""

    def __init__(self, vocab_size, d_model, max_seq_len):
        super().__init__()
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_seq_len, d_model)
        nn.init.trunc_normal_(self.token.weight, std=0.02)
        nn.init.trunc_normal_(self.position.weight, std=0.02)

    def forward(self, idx):
        if idx.shape[1] > len(self.position.weight):
            raise ValueError("too long")
        place = torch.zeros(1, dtype=torch.long, device=idx.device)
        columns = [self.token(idx[:, t]) + self.position(place + t) for t in range(idx.shape[1])]
        return torch.stack(columns, dim=1)


# --- sinusoidal_position_encoding -----------------------------------------------------------------------


@wrong("day03.sinusoidal_position_encoding", fails="pairs")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """All sines stand in the first half and all cosines in the second: they must take turns, column by column."""
    if d_model % 2:
        raise ValueError("odd")
    angles = torch.arange(seq_len)[:, None] * base ** (-torch.arange(0, d_model, 2) / d_model)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


@wrong("day03.sinusoidal_position_encoding", fails="pairs")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """Cosine and sine have changed places: the sine belongs into the even columns."""
    if d_model % 2:
        raise ValueError("odd")
    angles = torch.arange(seq_len)[:, None] * base ** (-torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angles.cos(), angles.sin()], dim=-1).flatten(1)


@wrong("day03.sinusoidal_position_encoding", fails=("pairs", "frequencies"))
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """Each column has an angle of its own: the cosine must have the same angle as the sine before it."""
    if d_model % 2:
        raise ValueError("odd")
    angles = torch.arange(seq_len)[:, None] * base ** (-torch.arange(d_model) / d_model)
    return torch.where(torch.arange(d_model) % 2 == 0, angles.sin(), angles.cos())


@wrong("day03.sinusoidal_position_encoding", fails=("first_row", "pairs", "frequencies", "base"))
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """There are sines in all columns and no cosines."""
    if d_model % 2:
        raise ValueError("odd")
    angles = torch.arange(seq_len)[:, None] * base ** (-torch.arange(d_model).div(2).floor() * 2 / d_model)
    return angles.sin()


@wrong("day03.sinusoidal_position_encoding", fails="frequencies")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """The exponent is half of what it should be: i / d_model for 2i / d_model."""
    if d_model % 2:
        raise ValueError("odd")
    angles = torch.arange(seq_len)[:, None] * base ** (-torch.arange(d_model // 2) / d_model)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


@wrong("day03.sinusoidal_position_encoding", fails="frequencies")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """The exponent is twice what it should be: columns are counted in twos already, and then doubled again."""
    if d_model % 2:
        raise ValueError("odd")
    angles = torch.arange(seq_len)[:, None] * base ** (-2 * torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


@wrong("day03.sinusoidal_position_encoding", fails="frequencies")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """The angle is multiplied by base^(2i / d_model), not divided: the pairs turn faster and faster."""
    if d_model % 2:
        raise ValueError("odd")
    angles = torch.arange(seq_len)[:, None] * base ** (torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


@wrong("day03.sinusoidal_position_encoding", fails="first_row")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """The positions are counted from 1: row 0 must be position 0."""
    if d_model % 2:
        raise ValueError("odd")
    angles = torch.arange(1, seq_len + 1)[:, None] * base ** (-torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


@wrong("day03.sinusoidal_position_encoding", fails="base")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """The base is always 10,000: the argument is not used."""
    if d_model % 2:
        raise ValueError("odd")
    angles = torch.arange(seq_len)[:, None] * 10000 ** (-torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


@wrong("day03.sinusoidal_position_encoding", fails="odd_width")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """An odd d_model is not refused: the table comes out with one column more than was asked for."""
    angles = torch.arange(seq_len)[:, None] * base ** (-torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


@wrong("day03.sinusoidal_position_encoding", fails="odd_width")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """An odd d_model ends in a RuntimeError about shapes: check it first, and raise a ValueError."""
    angles = torch.arange(seq_len)[:, None] * base ** (-torch.arange(0, d_model, 2) / d_model)
    table = torch.empty(seq_len, d_model)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()
    return table


@wrong("day03.sinusoidal_position_encoding", fails="form")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """The table has a batch dimension of 1 in front: it must be (seq_len, d_model)."""
    if d_model % 2:
        raise ValueError("odd")
    angles = torch.arange(seq_len)[:, None] * base ** (-torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[None]


@wrong("day03.sinusoidal_position_encoding", fails="formula")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """The positions are counted in bfloat16, which has no odd numbers beyond 256: far positions become alike."""
    if d_model % 2:
        raise ValueError("odd")
    positions = torch.arange(seq_len).to(torch.bfloat16).float()
    angles = positions[:, None] * base ** (-torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


@right("day03.sinusoidal_position_encoding")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """As PyTorch's tutorial writes it: through exp and log, into a table of zeros."""
    if d_model % 2 == 1:
        raise ValueError("d_model must be even")
    table = torch.zeros(seq_len, d_model)
    position = torch.arange(seq_len, dtype=torch.float).unsqueeze(1)
    frequencies = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(base) / d_model))
    table[:, 0::2] = torch.sin(position * frequencies)
    table[:, 1::2] = torch.cos(position * frequencies)
    return table


@right("day03.sinusoidal_position_encoding")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """Number by number, with Python's own sine."""
    if d_model % 2:
        raise ValueError("d_model must be even")
    rows = []
    for t in range(seq_len):
        row = []
        for i in range(d_model // 2):
            angle = t / base ** (2 * i / d_model)
            row += [math.sin(angle), math.cos(angle)]
        rows.append(row)
    return torch.tensor(rows)


@right("day03.sinusoidal_position_encoding")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """As complex numbers on the unit circle, in float64."""
    if d_model % 2:
        raise ValueError("d_model must be even")
    angles = torch.outer(
        torch.arange(seq_len, dtype=torch.float64),
        base ** -(torch.arange(0, d_model, 2, dtype=torch.float64) / d_model),
    )
    turned = torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flip(-1).reshape(seq_len, d_model)


@right("day03.sinusoidal_position_encoding")
def sinusoidal_position_encoding(seq_len, d_model, base=10000.0):
    """A cosine is a sine a quarter of a turn later."""
    if d_model % 2 != 0:
        raise ValueError("d_model must be even")
    column = torch.arange(d_model)
    angles = torch.arange(seq_len).view(-1, 1) / torch.pow(base, (column - column % 2) / d_model)
    return torch.sin(angles + (column % 2) * (math.pi / 2))


# --- nearest_tokens -------------------------------------------------------------------------------------


@wrong("day03.nearest_tokens", fails="cosine")
def nearest_tokens(weight, token_id, k):
    """The dot product is compared: long vectors win, wherever they point. Divide by the lengths (cosine)."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    similarity = weight @ weight[token_id]
    similarity[token_id] = float("-inf")
    return similarity.topk(k).indices.tolist()


@wrong("day03.nearest_tokens", fails="cosine")
def nearest_tokens(weight, token_id, k):
    """The distance between the vectors' ends is compared: it depends on their lengths. The cosine does not."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    distance = (weight - weight[token_id]).norm(dim=-1)
    distance[token_id] = float("inf")
    return distance.topk(k, largest=False).indices.tolist()


@wrong("day03.nearest_tokens", fails="cosine")
def nearest_tokens(weight, token_id, k):
    """The dot product is divided by the squares of the lengths: short vectors win. Divide by the lengths themselves."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    similarity = weight @ weight[token_id] / (weight**2).sum(-1)
    similarity[token_id] = float("-inf")
    return similarity.topk(k).indices.tolist()


@wrong(
    "day03.nearest_tokens",
    fails=("form", "itself", "cosine", "order", "unchanged", "in_training", "too_many"),
)
def nearest_tokens(weight, token_id, k):
    """The cosine is taken down the columns (dim=0), over all tokens: it must be taken along each row."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    similarity = F.cosine_similarity(weight, weight[token_id].expand_as(weight), dim=0)
    return similarity.topk(k).indices.tolist()


@wrong("day03.nearest_tokens", fails="itself")
def nearest_tokens(weight, token_id, k):
    """The token itself is not left out: nothing is more like it, so it comes first."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    return F.cosine_similarity(weight, weight[token_id], dim=-1).topk(k).indices.tolist()


@wrong("day03.nearest_tokens", fails="itself")
def nearest_tokens(weight, token_id, k):
    """The token's own cosine is set to 0, which is more than a negative one: set it to -inf."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    similarity = F.cosine_similarity(weight, weight[token_id], dim=-1)
    similarity[token_id] = 0.0
    return similarity.topk(k).indices.tolist()


@wrong("day03.nearest_tokens", fails=("form", "cosine", "order", "unchanged", "in_training", "too_many"))
def nearest_tokens(weight, token_id, k):
    """The smallest cosines are taken, which are the furthest tokens."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    similarity = F.cosine_similarity(weight, weight[token_id], dim=-1)
    similarity[token_id] = float("inf")
    return similarity.topk(k, largest=False).indices.tolist()


@wrong("day03.nearest_tokens", fails="order")
def nearest_tokens(weight, token_id, k):
    """The neighbours stand in the order of their ids: the nearest must come first."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    similarity = F.cosine_similarity(weight, weight[token_id], dim=-1)
    similarity[token_id] = float("-inf")
    return sorted(similarity.topk(k).indices.tolist())


@wrong("day03.nearest_tokens", fails="order")
def nearest_tokens(weight, token_id, k):
    """The nearest comes last: argsort counts upwards."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    similarity = F.cosine_similarity(weight, weight[token_id], dim=-1)
    similarity[token_id] = float("-inf")
    return similarity.argsort()[-k:].tolist()


@wrong("day03.nearest_tokens", fails="form")
def nearest_tokens(weight, token_id, k):
    """A tensor is returned: make it a list with tolist()."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    similarity = F.cosine_similarity(weight, weight[token_id], dim=-1)
    similarity[token_id] = float("-inf")
    return similarity.topk(k).indices


@wrong("day03.nearest_tokens", fails="form")
def nearest_tokens(weight, token_id, k):
    """The list holds tensors, not plain ints: tolist() makes ints, and list() does not."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    similarity = F.cosine_similarity(weight, weight[token_id], dim=-1)
    similarity[token_id] = float("-inf")
    return list(similarity.topk(k).indices)


@wrong("day03.nearest_tokens", fails="unchanged")
def nearest_tokens(weight, token_id, k):
    """The rows are brought to length 1 in place: the caller's table is changed."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    table = weight.data
    table /= table.norm(dim=-1, keepdim=True)
    similarity = table @ table[token_id]
    similarity[token_id] = float("-inf")
    return similarity.topk(k).indices.tolist()


@wrong("day03.nearest_tokens", fails="in_training")
def nearest_tokens(weight, token_id, k):
    """NumPy cannot take a tensor that requires a gradient: stay in PyTorch, or detach it first."""
    if not 1 <= k < len(weight):
        raise ValueError("k")
    table = weight.numpy()
    similarity = table @ table[token_id] / (table**2).sum(-1) ** 0.5
    similarity[token_id] = float("-inf")
    return similarity.argsort()[::-1][:k].tolist()


@wrong("day03.nearest_tokens", fails="too_many")
def nearest_tokens(weight, token_id, k):
    """The number k is not checked: 0 gives an empty list, and as many as there are tokens the token itself."""
    similarity = F.cosine_similarity(weight, weight[token_id], dim=-1)
    similarity[token_id] = float("-inf")
    return similarity.topk(k).indices.tolist()


@wrong("day03.nearest_tokens", fails="too_many")
def nearest_tokens(weight, token_id, k):
    """As many neighbours as tokens are allowed: the token itself is none, so there is one fewer."""
    if not 1 <= k <= len(weight):
        raise ValueError("k")
    similarity = F.cosine_similarity(weight, weight[token_id], dim=-1)
    similarity[token_id] = float("-inf")
    return similarity.topk(k).indices.tolist()


@right("day03.nearest_tokens")
def nearest_tokens(weight, token_id, k):
    """With all rows at length 1, and the first of the sorted ids, the token itself, left out."""
    if k < 1 or k > weight.shape[0] - 1:
        raise ValueError("k")
    unit = F.normalize(weight, dim=1)
    order = torch.argsort(unit @ unit[token_id], descending=True)
    return order[order != token_id][:k].tolist()


@right("day03.nearest_tokens")
def nearest_tokens(weight, token_id, k):
    """With Python's sorted, row by row."""
    if k not in range(1, len(weight)):
        raise ValueError("k")
    own = weight[token_id]

    def cosine(i):
        return (torch.dot(weight[i], own) / (weight[i].norm() * own.norm())).item()

    return sorted((i for i in range(len(weight)) if i != token_id), key=cosine, reverse=True)[:k]


@right("day03.nearest_tokens")
def nearest_tokens(weight, token_id, k):
    """By dot products divided by the others' lengths: the token's own length is the same for all."""
    if not 0 < k < weight.size(0):
        raise ValueError("k")
    with torch.no_grad():
        similarity = (weight @ weight[token_id]).div(weight.norm(dim=1))
        similarity = similarity.masked_fill(
            torch.arange(len(weight), device=weight.device) == token_id, -torch.inf
        )
        return [int(i) for i in similarity.sort(descending=True).indices[:k]]


@right("day03.nearest_tokens")
def nearest_tokens(weight, token_id, k):
    """By the distance between rows of length 1, in NumPy and float64: it grows as the cosine falls."""
    if k <= 0 or k >= len(weight):
        raise ValueError("k")
    table = weight.detach().double().numpy()
    table = table / (table**2).sum(-1, keepdims=True) ** 0.5
    distance = ((table - table[token_id]) ** 2).sum(-1)
    distance[token_id] = float("inf")
    return distance.argsort(kind="stable")[:k].tolist()
