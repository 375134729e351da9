"""The choice of a device (day 17), with availability faked."""

import pytest
import torch

from handmade.device import get_device, pick, synchronize
from handmade.errors import UserError


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_cuda_comes_before_mps_before_cpu(cuda, mps, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert get_device() == torch.device(expected)
    works = {"cuda": cuda, "mps": mps, "cpu": True}

    def empty(size, device):
        if not works[device]:
            raise AssertionError("Torch not compiled with it")

    monkeypatch.delenv("HANDMADE_DEVICE", raising=False)
    monkeypatch.setattr(torch, "empty", empty)
    assert pick() == torch.device(expected), "without a wish pick takes the best that works"


def test_here_both_choose_the_same(monkeypatch):
    monkeypatch.delenv("HANDMADE_DEVICE", raising=False)
    assert pick() == get_device()


def test_the_environment_comes_before_the_wish_before_the_best(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("HANDMADE_DEVICE", raising=False)
    assert pick("cpu") == torch.device("cpu"), "prefer was not followed"
    assert pick(torch.device("meta")) == torch.device("meta")
    monkeypatch.setenv("HANDMADE_DEVICE", "cpu")
    assert pick("meta") == torch.device("cpu"), "HANDMADE_DEVICE overrides everything"


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99"])
def test_a_device_that_is_not_there_is_one_sentence(name, monkeypatch):
    monkeypatch.setenv("HANDMADE_DEVICE", name or "nonsense")
    with pytest.raises(UserError, match="cannot be used here: choose cpu"):
        pick()


def test_waiting_for_a_cpu_is_no_work():
    synchronize(torch.device("cpu"))
