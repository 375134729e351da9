"""Names of files that learners chose become names of reports: safe on any system, and never two the same."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.names import LONGEST, page_name, same_to_some, shown_name
from autograder.report import clean

LOOK_ALIKE = ("anna maria", "anna\nmaria", "anna\x7fmaria", "anna\u202emaria", "anna\udcffmaria")


@pytest.mark.parametrize("name", ["ada", "Ada Lovelace", "s1234567", "niño", "o.brien+x@uni", "王伟"])
def test_a_plain_name_stays_as_it_is(name):
    assert page_name(name) == name
    assert page_name(name, apart=True) != name


@pytest.mark.parametrize(
    "name", ["index", "Index", "", ".", "..", "-rf", "a/b", "a\\b", "x" * 300, "a.", "a ", "<i>"]
)
def test_any_other_is_made_safe_and_keeps_what_it_can(name):
    made = page_name(name)
    assert made != name and len(made.encode()) <= LONGEST + 9
    assert made.casefold() != "index" and not set(made) & set('/\\<>:"|?*\n') and made[0] not in ".-"


def test_names_that_look_alike_stay_apart():
    assert len({page_name(name) for name in LOOK_ALIKE}) == len(LOOK_ALIKE)
    assert len({shown_name(name, clean(name)) for name in LOOK_ALIKE}) == len(LOOK_ALIKE)


def test_what_some_file_systems_take_for_one_is_known_as_such():
    composed = unicodedata.normalize("NFC", "Zoë")
    decomposed = unicodedata.normalize("NFD", "Zoë")
    assert same_to_some("ADA") == same_to_some("ada") and same_to_some(composed) == same_to_some(decomposed)
    assert page_name("ADA", apart=True).casefold() != page_name("ada", apart=True).casefold()


@given(st.text(max_size=300))
def test_every_name_can_be_a_files(name):
    made = page_name(name)
    assert made == clean(made) and len(made.encode()) <= 4 * LONGEST
    assert page_name(made) == made or made != name
