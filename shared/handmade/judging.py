"""Judging text (day 28): what can be said about a sample without reading it.

No number here says that a text is good. They find what is plainly wrong: words that are none, words in no order,
loops, and text that was learned by heart.
"""

import re
from collections.abc import Iterable

from handmade.search import repetition_rate


def distinct_n(texts: Iterable[str], n: int) -> float:
    """The share of different runs of n words among all of them, over all texts: near 0 dull, 1 never repeating.

    Words are what spaces separate; a text shorter than n words adds nothing, and no runs at all give 0.
    Li et al., "A Diversity-Promoting Objective Function for Neural Conversation Models" (2016).
    """
    runs = []
    for text in texts:
        words = text.split()
        runs += [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0


def longest_copied_span(text: str, corpus: str) -> str:
    """The longest piece of text that stands in the corpus word for word; the first of them, if several.

    Every start only has to beat the longest so far, so that the corpus is searched about once for every
    character of text: half a second for a page of text and a corpus of a million characters.
    """
    longest = ""
    for start in range(len(text)):
        end = start + len(longest) + 1
        while end <= len(text) and text[start:end] in corpus:
            longest = text[start:end]
            end += 1
    return longest


def diagnose_sample(text: str, corpus: str) -> str:
    """What is wrong with a sample of a few hundred characters, seen beside the corpus the model learned from.

    "empty"       nothing but white space: did it stop at once?
    "loop"        more than half of it has been there before: the temperature is too low, or the search greedy
    "noise"       most of its words are not in the corpus: hardly trained, or the temperature is far too high
    "word salad"  its words are, but hardly ever three in the same order: trained too short, or too hot
    "copied"      more than half of it is one piece of the corpus: learned by heart
    "healthy"     none of these
    """
    if not text.strip():
        return "empty"
    if repetition_rate([ord(char) for char in text], n=8) > 1 / 2:
        return "loop"
    words = re.findall(r"\w+", text)
    known = set(re.findall(r"\w+", corpus))
    if sum(word in known for word in words) < len(words) / 2:
        return "noise"
    runs, known_runs = _runs_of_three(text), set(_runs_of_three(corpus))
    if sum(run in known_runs for run in runs) < len(runs) / 8:
        return "word salad"
    if len(longest_copied_span(text, corpus)) > len(text) / 2:
        return "copied"
    return "healthy"


def _runs_of_three(text: str) -> list[tuple[str, str, str]]:
    pieces = re.findall(r"\w+(?:'\w+)*|[^\w\s]|\n", text)  # a comma and a line break are part of the order
    return list(zip(pieces, pieces[1:], pieces[2:], strict=False))
