"""What the course says is compared with: the texts, and GPT-2's own tokenizer."""

import os
import socket
from pathlib import Path

import pytest
import tiktoken

from handmade.corpus import load_corpus

# Tiny Shakespeare too, where this variable holds the path of the file.
SHAKESPEARE = os.environ.get("HANDMADE_SHAKESPEARE")


@pytest.fixture(scope="session", params=["play", "shakespeare"] if SHAKESPEARE else ["play"])
def text(request):
    """A megabyte of each text that the course trains on."""
    if request.param == "shakespeare":
        return Path(SHAKESPEARE).read_text(encoding="utf-8")

    return load_corpus("play")


@pytest.fixture(scope="session")
def is_shakespeare(text):
    return text.startswith("First Citizen:")


@pytest.fixture(scope="session")
def gpt2():
    """tiktoken's encoding of GPT-2 where its files are cached or can be had, else None."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(10)
    try:
        return tiktoken.get_encoding("gpt2")
    except Exception:  # no network, in one of its many forms
        return None
    finally:
        socket.setdefaulttimeout(timeout)
