"""Days 2 and 16: every target once, every start as likely as the others, and errors that say what to do."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handmade.data import TextDataset, get_batch, load_data, make_loader, shift, train_val_split
from handmade.errors import UserError


def test_shift_pairs_each_token_with_the_next():
    x, y = shift(torch.tensor([5, 6, 7, 8]))
    assert x.tolist() == [5, 6, 7] and y.tolist() == [6, 7, 8]


@given(st.integers(1, 9), st.integers(0, 60))
def test_each_token_after_the_first_is_a_target_once(block_size, extra):
    n = block_size + 1 + extra
    dataset = TextDataset(torch.arange(n), block_size)
    windows = list(dataset)
    assert len(windows) == len(dataset), "iterating must end after the last window"
    for x, y in windows:
        assert len(x) == len(y) == block_size, "inputs and targets both have block_size tokens"
        assert torch.equal(y, x + 1), "y is x one token later, at every position"
    targets = torch.cat([y for _, y in windows])
    assert targets.tolist() == list(range(1, len(targets) + 1)), "a target was lost or used twice"
    assert n - 1 - len(targets) < block_size, "a full window was left out at the end"


@pytest.mark.parametrize("n", [0, 1, 8])
def test_a_text_shorter_than_a_window_is_refused(n):
    with pytest.raises(ValueError, match=rf"has {n} tokens.*needs 9"):
        TextDataset(torch.arange(n), block_size=8)
    with pytest.raises(ValueError, match=rf"has {n} tokens.*needs 9"):
        get_batch(torch.arange(n), batch_size=1, context_len=8)


@given(st.integers(0, 200), st.floats(0.01, 0.99))
def test_split_is_one_cut(n, train_ratio):
    train_ids, val_ids = train_val_split(torch.arange(n), train_ratio)
    assert torch.cat([train_ids, val_ids]).tolist() == list(range(n)), "every token in one split, in order"
    assert len(train_ids) == int(train_ratio * n)


@pytest.mark.parametrize("train_ratio", [0, 1, -0.1, 90])
def test_a_ratio_that_leaves_one_split_without_text_is_refused(train_ratio):
    with pytest.raises(ValueError, match="between 0 and 1"):
        train_val_split(torch.arange(10), train_ratio)


def order(loader) -> list[int]:
    """The first token of every window, in the order of one epoch."""
    return [start for x, _ in loader for start in x[:, 0].tolist()]


def test_loader_order_follows_the_seed_and_changes_between_epochs():
    dataset = TextDataset(torch.arange(401), block_size=4)
    one, same, other = (make_loader(dataset, 32, shuffle=True, seed=seed) for seed in (3, 3, 4))
    epochs = [order(one), order(one)]
    torch.manual_seed(0)  # whatever else draws random numbers
    assert epochs == [order(same), order(same)], "the same seed must give the same orders"
    assert epochs[0] != epochs[1], "two epochs must differ in order"
    assert epochs[0] != order(other), "another seed must give another order"
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(0, 400, 4)), (
        "each epoch has every window once"
    )
    assert order(make_loader(dataset, 32, shuffle=False)) == list(range(0, 400, 4))
    assert [len(x) for x, _ in one] == [32, 32, 32, 4], "the last batch holds what is left"


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 2**31))
def test_batches_are_windows_one_token_apart(batch_size, context_len, seed):
    data = torch.arange(100, 100 + context_len + 5)
    x, y = get_batch(data, batch_size, context_len, generator=torch.Generator().manual_seed(seed))
    assert x.shape == y.shape == (batch_size, context_len) and x.dtype == y.dtype == torch.long
    assert torch.equal(x, x[:, :1] + torch.arange(context_len)), "each row is consecutive text"
    assert torch.equal(y, x + 1), "y is x one token later, at every position"
    again = get_batch(data, batch_size, context_len, "cpu", torch.Generator().manual_seed(seed))
    assert torch.equal(x, again[0]) and torch.equal(y, again[1]), (
        "the same generator must give the same batch"
    )


def test_every_start_is_equally_likely():
    starts = get_batch(torch.arange(10), 60_000, 4, generator=torch.Generator().manual_seed(1))[0][:, 0]
    counts = starts.bincount()
    assert len(counts) == 6, "starts are 0 to N - context_len - 1"
    chi_square = ((counts - 10_000).square() / 10_000).sum()
    assert chi_square < 35, f"{counts.tolist()}: a uniform choice is this uneven once in a million times"


def test_batches_go_to_the_device():
    x, y = get_batch(torch.arange(10), 2, 4, device="meta")
    assert x.device.type == y.device.type == "meta"


def test_load_data_reads_splits_and_encodes(tmp_path):
    path = tmp_path / "text.txt"
    text = "Ünïcödé 日本\n" * 9 + "at the end"
    path.write_text(text, encoding="utf-8")
    train_ids, val_ids, tokenizer = load_data(path)
    assert tokenizer.chars == sorted(set(text)), "the vocabulary is that of the whole text"
    assert len(train_ids) == int(0.9 * len(text)), "the first 90 % are for training"
    assert train_ids.dtype == val_ids.dtype == torch.long
    assert tokenizer.decode(torch.cat([train_ids, val_ids]).tolist()) == text


def test_load_data_says_what_is_wrong_with_a_file(tmp_path):
    path = tmp_path / "text.txt"
    with pytest.raises(UserError, match="Cannot read"):
        load_data(path)
    path.write_bytes(b"abc\xff\xfe")
    with pytest.raises(UserError, match=r"not UTF-8 text \(byte 3"):
        load_data(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is empty"):
        load_data(path)
