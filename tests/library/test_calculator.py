"""The calculator: no place sees a later one, its loss is PyTorch's, and its first guess is even."""

import math

import pytest
import torch
import torch.nn.functional as F

from handmade.calculator import Calculator


@pytest.mark.parametrize("tied", [False, True])
def test_it_is_a_gpt(tied):
    torch.manual_seed(0)
    model = Calculator(vocab_size=33, block_size=11, n_layer=2, n_head=4, n_embd=16, tied=tied)
    idx, targets = torch.randint(33, (3, 11)), torch.randint(33, (3, 11))
    targets[0, 4:] = -1
    logits, loss = model(idx, targets)
    assert logits.shape == (3, 11, 33) and model(idx)[1] is None
    wanted = F.cross_entropy(logits[targets >= 0], targets[targets >= 0])
    torch.testing.assert_close(loss, wanted)
    assert loss.item() == pytest.approx(math.log(33), abs=0.1)
    changed = idx.clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % 33
    torch.testing.assert_close(model(changed)[0][:, :6], logits[:, :6])
    assert ("lm_head.weight" in dict(model.named_parameters())) == (not tied)
