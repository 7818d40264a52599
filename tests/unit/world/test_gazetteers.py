"""Gaps and noise of the word lists are as large as their constants say."""

import random

import pytest

from cofee_dist.world.facts import TYPES, make_facts
from cofee_dist.world.gazetteers import LISTED_SHARE, LISTED_UNSEEN_SHARE, WRONG_SHARE, make_gazetteers
from cofee_dist.world.prose import load_prose


@pytest.fixture(scope="module")
def facts():
    prose = load_prose()
    return make_facts(random.Random(0), 85, prose["concepts"], prose["named_concepts"])


def test_a_part_of_the_items_is_listed(facts):
    gazetteers = make_gazetteers(random.Random(0), facts)
    for type_ in TYPES:
        for is_unseen, share in ((False, LISTED_SHARE), (True, LISTED_UNSEEN_SHARE)):
            items = [item for item in facts.all_items if item.type == type_ and item.unseen == is_unseen]
            listed = sum(item.name in gazetteers[type_] for item in items) / len(items)
            # More than was drawn, where another item of the type has the name.
            assert share - 0.02 < listed < share + 0.1


def test_a_few_entries_are_wrong(facts):
    for type_, entries in make_gazetteers(random.Random(0), facts).items():
        right = {name for item in facts.all_items if item.type == type_ for name in (item.name, item.short)}
        wrong = len(set(entries) - right)
        assert 0 < wrong <= WRONG_SHARE * len(entries) + 0.5
        assert entries == sorted(set(entries))


def test_some_entries_are_of_two_types(facts):
    gazetteers = make_gazetteers(random.Random(0), facts)
    names = {type_: {item.name for item in facts.all_items if item.type == type_} for type_ in TYPES}
    for type_ in TYPES:
        others = set().union(*(names[other] for other in TYPES if other != type_))
        assert len(others.intersection(gazetteers[type_])) > 5
