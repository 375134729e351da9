"""The corpora: exact probabilities, one derivation, floors in order, context that pays; sums; files and downloads."""

import hashlib
import importlib
import io
import math
import random
import subprocess
import sys
import urllib.request

import pytest

from handmade import corpus as corpus_module
from handmade.corpus import CHARACTERS, DOMAINS, floors, load_corpus, log_prob, make_corpus, word_sums
from handmade.errors import UserError
from handmade.grammar import CASES, Draw, Grammar, Table

GRAMMARS = {name: Grammar(importlib.import_module(f"handmade.domains.{name}").RULES) for name in DOMAINS}


def derivations(grammar, draw, memory, text, at):
    """All ways to derive some text[at:end] from one draw: (end, log-probability, memory, repeats).

    By brute force, and written apart from `Grammar.read`: every alternative is tried, also after one has fitted.
    A repeat is (position, text, rule that it comes from).
    """
    rule = grammar.rules[draw.rule]
    if isinstance(rule, Table):
        records = [r for r in rule.records if r not in [memory[other] for other in draw.others]]
        for record in records:
            word = record[draw.facet]
            if text[at : at + len(word)] == word:
                remembered = {**memory, draw.variable: record} if draw.variable else memory
                yield at + len(word), -math.log(len(records)), remembered, ()
        return
    total = sum(rule.weights)
    memory = memory | {role: memory[player] for role, player in draw.roles}
    for items, weight in zip(rule.alternatives, rule.weights, strict=True):
        states = [(at, math.log(weight / total), memory, ())]
        for item in items:
            following = []
            for end, log_p, known, repeats in states:
                if isinstance(item, Draw):
                    for end2, more, known2, repeats2 in derivations(grammar, item, known, text, end):
                        following.append((end2, log_p + more, known2, repeats + repeats2))
                    continue
                word, repeat = item, ()
                if not isinstance(item, str):
                    word = CASES[item.case](known[item.variable][item.facet])
                    repeat = ((end, word, grammar.kinds[item.variable]),)
                if text[end : end + len(word)] == word:
                    following.append((end + len(word), log_p, known, repeats + repeat))
            states = following
        for end, log_p, known, repeats in states:
            yield end, log_p, {**known, draw.variable: (text[at:end],)} if draw.variable else known, repeats


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_two_alternatives_can_begin_alike(domain):
    assert GRAMMARS[domain].clashes() == [], "these alternatives may give the same text"


@pytest.mark.parametrize(
    "rules",
    [
        "s:\n    sea | seagull",  # one is the beginning of the other
        "s:\n    {a} {b}\n    {b} {b}\na:\n    x | y\nb:\n    y | z",  # different draws, one text
        "s:\n    {p as a}{p as b}{a}{b}\n    {p as a}{p as b}{b}{a}\np(name):\n    x\n    y",  # a and b may be equal
    ],
)
def test_planted_ambiguities_are_found(rules):
    assert Grammar(rules).clashes(), "two derivations of one text were not found"


def test_players_that_are_never_the_same_person_tell_alternatives_apart():
    grammar = Grammar(
        "s:\n    {p as a}{p as b not a}: {t}\n"
        "t:\n    {line me=a} | {line me=b}\nline:\n    {me}!\np(name):\n    x\n    y"
    )
    assert grammar.clashes() == []


def test_leaving_out_needs_a_table_and_a_name_holds_one_kind():
    with pytest.raises(ValueError, match="no table"):
        Grammar("s:\n    {w as a} {w as b not a}\nw:\n    x | y")
    with pytest.raises(ValueError, match="remembers both"):
        Grammar("s:\n    {v as a} {w as a}\nv:\n    x | y\nw:\n    x | y")


@pytest.mark.parametrize("domain", DOMAINS)
def test_brute_force_finds_one_derivation_with_the_probability_of_the_generator(domain):
    grammar, rng = GRAMMARS[domain], random.Random(3)
    for _ in range(30):
        text, log_p = grammar.write(rng)
        found = list(derivations(grammar, Draw(grammar.start), {}, text, 0))
        assert len(found) == 1, f"{len(found)} derivations of\n{text}"
        assert found[0][0] == len(text)
        assert found[0][1] == pytest.approx(log_p, rel=1e-12)


@pytest.mark.parametrize("domain", DOMAINS)
def test_parser_agrees_with_generator(domain):
    corpus = make_corpus(domain, 60_000, seed=5)
    assert log_prob(corpus.text, domain) == pytest.approx(corpus.log_prob, rel=1e-12)


@pytest.mark.parametrize("domain", DOMAINS)
def test_entropy_and_length_agree_with_sampling(domain):
    grammar, rng, n = GRAMMARS[domain], random.Random(11), 1500
    drawn = [grammar.write(rng) for _ in range(n)]
    for what, expected, values in zip(
        ("length", "entropy"),
        grammar.weigh(),
        ([len(text) for text, _ in drawn], [-log_p for _, log_p in drawn]),
        strict=True,
    ):
        mean = sum(values) / n
        standard_error = (sum((value - mean) ** 2 for value in values) / (n - 1) / n) ** 0.5
        assert abs(mean - expected) < 4 * standard_error, f"{what}: {mean} ± {standard_error}, not {expected}"


def test_weigh_on_a_grammar_small_enough_to_list():
    grammar = Grammar(
        "s:\n    3x {p as a} and {p as b not a}: {w as x} {^x}!\n    no\n"
        "w:\n    2x sun | rain\np(name):\n    x\n    yy\n    zzz"
    )
    length = 3 / 4 * (2 + 5 + 2 + 2 + 1 + 1 + 2 * (2 / 3 * 3 + 1 / 3 * 4)) + 1 / 4 * 2
    weather = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    entropy = -(3 / 4 * math.log(3 / 4) + 1 / 4 * math.log(1 / 4)) + 3 / 4 * (math.log(3 * 2) + weather)
    assert grammar.weigh() == pytest.approx((length, entropy))


def test_all_texts_of_a_small_grammar_have_probability_one_together():
    grammar = Grammar(
        "s:\n    {p as a}{p as b not a}{w}{a}.\n    3x -\nw:\n    2x sun | rain\np(name):\n    x\n    y"
    )
    texts = {f"{a}{b}{w}{a}." for a, b in ("xy", "yx") for w in ("sun", "rain")} | {"-"}
    assert sum(math.exp(grammar.read(text)) for text in texts) == pytest.approx(1)


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_the_grammar_cannot_write_is_refused(domain):
    text = make_corpus(domain, 3000, seed=2).text
    at = text.index(",")
    for wrong in (text[:-1], text[:at] + ";" + text[at + 1 :], text + "x", "Once upon a time"):
        with pytest.raises(ValueError, match="cannot have written line"):
            log_prob(wrong, domain)


@pytest.mark.parametrize(
    ("domain", "digest"),
    [
        ("play", "305113cc391c826c"),
        ("logbook", "ea78e0c76cd032f5"),
        ("cookbook", "861e7f7d1969eb48"),
    ],
)
def test_same_seed_same_text_everywhere(domain, digest):
    text = make_corpus(domain, 20_000, seed=7).text
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest, "the text changed: old numbers are void"
    assert make_corpus(domain, 40_000, seed=7).text.startswith(text), (
        "a longer text does not begin like a shorter"
    )


def test_seeds_share_no_passage():
    one, two = (set(make_corpus("play", 100_000, seed=s).text.split("\n\n\n")) - {""} for s in (0, 1))
    assert not one & two


@pytest.mark.parametrize("domain", DOMAINS)
def test_length_is_whole_passages_just_over(domain):
    text = make_corpus(domain, 30_000, seed=1).text
    assert 30_000 <= len(text) < 34_000
    assert text.endswith("\n\n\n")


def test_the_play_uses_all_characters_and_the_others_no_more():
    assert "".join(sorted(set(make_corpus("play", 200_000).text))) == CHARACTERS
    for domain in DOMAINS:
        assert set(make_corpus(domain, 200_000).text) <= set(CHARACTERS)


@pytest.mark.parametrize("domain", DOMAINS)
def test_floors_are_in_order(domain):
    corpus = make_corpus(domain, 300_000)
    ladder = floors(corpus)
    assert ladder["source"] + 1 < ladder["bigram"] < ladder["unigram"] < ladder["uniform"]
    assert corpus.surprise == pytest.approx(ladder["source"], rel=0.03)


def test_256_characters_of_context_are_worth_more_than_64_in_the_play():
    """What must be guessed by whoever sees only the last `window` characters, in nats per character.

    A repeat costs nothing to those who see the earlier mention. To others it costs a choice: the entropy of the
    table or rule that it comes from.
    """
    grammar, rng = GRAMMARS["play"], random.Random(0)
    forgotten, length = {64: 0.0, 256: 0.0}, 0
    for _ in range(40):
        text, _ = grammar.write(rng)
        length += len(text)
        ((_, _, _, repeats),) = derivations(grammar, Draw(grammar.start), {}, text, 0)
        for at, word, kind in repeats:
            rule = grammar.rules[kind]
            nats = math.log(len(rule.records)) if isinstance(rule, Table) else grammar._mean_of_rule(kind)[1]
            before = text[:at].lower().rfind(word.lower())
            for window in forgotten:
                if 0 <= before < at - window:
                    forgotten[window] += nats
    per_character = {window: nats / length for window, nats in forgotten.items()}
    assert per_character[64] - per_character[256] > 0.03, per_character


@pytest.mark.parametrize("domain", DOMAINS)
def test_small_matters_of_grammar(domain):
    text = make_corpus(domain, 300_000).text
    for slip in (
        "  ",
        " a a",
        " a e",
        " a i",
        " a o",
        " an b",
        " an c",
        " ,",
        " .",
        "..",
        ",,",
        "!.",
        "?.",
        " \n",
    ):
        found = text.find(slip)
        assert found < 0, f"{slip!r} in {text[max(0, found - 40) : found + 40]!r}"
    for line in text.splitlines():
        assert not line[:1].islower(), f"a line begins with a small letter: {line!r}"


def test_unknown_domain_and_no_length_are_refused():
    with pytest.raises(ValueError, match="choose one of play, logbook, cookbook"):
        make_corpus("sonnets")
    with pytest.raises(ValueError, match="ask for at least 1"):
        make_corpus("play", 0)


def test_import_is_light():
    code = "import sys, handmade.corpus; print('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


# --- sums in words ------------------------------------------------------------------------------------


def test_word_sums_are_right_complete_and_disjoint():
    from handmade.prelude import number_to_words

    value = {number_to_words(n): n for n in range(199)}  # the sums have words of their own
    sums = word_sums()
    assert not set(sums.train) & set(sums.held_out)
    problems = sums.train + sums.held_out
    assert len(set(problems)) == len(problems) == 100 * 100 + 101 * 50
    assert len(sums.held_out) == pytest.approx(0.1 * len(problems), abs=1)
    for question, answer in problems:
        sign = " plus " if " plus " in question else " minus "
        a, b = (value[part] for part in question.removesuffix(" equals").split(sign))
        assert value[answer] == (a + b if sign == " plus " else a - b), question
    assert {answer for _, answer in problems} == value.keys(), "these are not number_to_words's words"


def test_word_sums_depend_on_the_seed_alone():
    assert word_sums(9, 0.2, seed=1) == word_sums(9, 0.2, seed=1)
    assert word_sums(9, 0.2, seed=1).held_out != word_sums(9, 0.2, seed=2).held_out


def test_floor_of_word_sums_is_reached_by_one_who_counts_all_problems():
    sums = word_sums(9)
    lines = [(*question.split(), *answer.split(), "end") for question, answer in sums.train + sums.held_out]
    nats = 0.0
    for line in lines:  # predict each word from the exact frequencies of what follows the words before it
        for i in range(len(line)):
            same = [other for other in lines if other[:i] == line[:i]]
            nats -= math.log(sum(other[i] == line[i] for other in same) / len(same))
    assert sums.floor == pytest.approx(nats / sum(map(len, lines)))


@pytest.mark.parametrize("wrong", [{"largest": 0}, {"largest": 100}, {"held_out": 0}, {"held_out": 1}])
def test_word_sums_refuse(wrong):
    with pytest.raises(ValueError, match="give a"):
        word_sums(**wrong)


# --- files and downloads ------------------------------------------------------------------------------


def test_load_corpus_by_name():
    assert load_corpus("logbook") == make_corpus("logbook").text


def test_load_corpus_reads_utf8_with_or_without_a_mark(tmp_path):
    for data in ("Grüße\n".encode(), "Grüße\n".encode("utf-8-sig")):
        (tmp_path / "text.txt").write_bytes(data)
        assert load_corpus(tmp_path / "text.txt") == load_corpus(str(tmp_path / "text.txt")) == "Grüße\n"


def test_load_corpus_says_what_is_wrong_with_a_file(tmp_path):
    (tmp_path / "empty").write_text("\n ")
    (tmp_path / "latin").write_bytes("Grüße".encode("latin-1"))
    for name, match in (
        ("none", "Cannot read"),
        ("empty", "holds no text"),
        ("latin", "byte 2"),
        ("", "Cannot read"),
    ):
        with pytest.raises(UserError, match=match):
            load_corpus(tmp_path / name)


def test_shakespeare_is_checked_cached_and_then_needs_no_network(tmp_path, monkeypatch):
    data = b"First Citizen: a stand-in for the real file\n"
    monkeypatch.setattr(corpus_module, "SHAKESPEARE_SHA256", hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: io.BytesIO(data))
    assert load_corpus("shakespeare", tmp_path / "new") == data.decode()

    def no_network(url, timeout):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    assert load_corpus("shakespeare", tmp_path / "new") == data.decode()
    with pytest.raises(UserError, match="cannot be downloaded"):
        load_corpus("shakespeare", tmp_path / "other")


def test_shakespeare_with_another_hash_is_refused_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: io.BytesIO(b"<html>Please sign in"))
    with pytest.raises(UserError, match="is not Tiny Shakespeare"):
        load_corpus("shakespeare", tmp_path)
    assert list(tmp_path.iterdir()) == []
