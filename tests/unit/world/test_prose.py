"""Templates and what fills them."""

import random
import re

import pytest

from cofee_dist.world.facts import TYPE_OF, TYPES, make_facts
from cofee_dist.world.names import ENDINGS, NameMaker
from cofee_dist.world.prose import Mention, Writer, load_prose, split_templates


@pytest.fixture(scope="module")
def facts():
    prose = load_prose()
    return make_facts(random.Random(0), 20, prose["concepts"], prose["named_concepts"])


def test_every_slot_of_every_template_can_be_filled():
    prose = load_prose()
    groups = {f"@{group}" for group in (*prose["concepts"], *prose["named_concepts"])}
    slots = {"S", "#year", "#day", "#month", *TYPE_OF, *groups, *(f"{group}+s" for group in groups)}
    assert prose["kinds"].keys() == TYPE_OF.keys()
    for kind, templates in prose["kinds"].items():
        assert len(templates["lead"]) + len(templates["body"]) >= 15, kind
        for template in templates["lead"] + templates["body"]:
            assert template.endswith(".")
            assert set(re.findall(r"\{([^}]*)\}", template)) <= slots
    for template in prose["general"]:
        assert "{S}" not in template
        assert all(slot[0] in "#@" or slot in TYPES for slot in re.findall(r"\{([^}]*)\}", template))


def test_a_template_is_filled_with_different_items(facts):
    writer = Writer(random.Random(0), facts)
    sentence = writer.write("{S} (met|saw) {PER}, {footballer} and {footballer}.", None, facts.items["club"][0], set())
    items = [item for _, _, item in sentence.spans()]
    assert len(items) == len(set(items)) >= 4
    assert items[0] is facts.items["club"][0]
    assert re.search(" (met|saw) ", sentence.text)
    assert not re.search(r"[{}|()]", sentence.text)


def test_concepts_are_mentions_without_a_type(facts):
    sentence = Writer(random.Random(0), facts).write("{@genre+s} and more.", None, None, set())
    assert isinstance(sentence.parts[0], Mention)
    assert sentence.text[0].isupper()
    assert sentence.parts[0].surface.endswith("s")
    assert list(sentence.spans()) == []


def test_the_wiki_knows_no_unseen_item_and_no_unseen_template(facts):
    seen, unseen = split_templates(random.Random(1))
    writer = Writer(random.Random(1), facts)
    for kind in TYPE_OF:
        assert unseen.body[kind]
        assert not set(seen.body[kind]) & set(unseen.body[kind])
        for template in seen.body[kind]:
            sentence = writer.write(template, kind, None, set())
            assert not any(item.unseen for _, _, item in sentence.spans())
    mixed = Writer(random.Random(1), facts, unseen_share=0.5)
    items = [item for _ in range(100) for _, _, item in mixed.write("{club} beat {club}.", None, None, set()).spans()]
    assert 0.3 < sum(item.unseen for item in items) / len(items) < 0.7


def test_short_names_come_after_full_ones(facts):
    person = next(item for item in facts.items["painter"] if item.short)
    writer = Writer(random.Random(0), facts)
    named = set()
    texts = [writer.write("{S} slept.", None, person, named).text for _ in range(30)]
    assert texts[0] == f"{person.name} slept."
    assert set(texts) == {f"{person.name} slept.", f"{person.short} slept."}


def test_names_are_new_and_endings_tell_only_a_part():
    names = NameMaker(random.Random(0))
    made = {kind: [names.name(kind) for _ in range(200)] for kind in ENDINGS}
    flat = [name for kind in made.values() for name in kind]
    assert len(flat) == len(set(flat))
    own = sum(name.endswith(ENDINGS[kind]) for kind, some in made.items() for name in some) / len(flat)
    assert 0.4 < own < 0.7


def test_titles_are_unique_and_names_shared_by_design(facts):
    items = facts.all_items
    assert len({item.title for item in items}) == len(items)
    assert len({item.name for item in items}) < len(items)
    for kind in TYPE_OF:
        unseen = sum(item.unseen for item in facts.items[kind])
        assert unseen == 4
    for item, by_kind in facts.neighbours.items():
        assert all(item not in others and not any(other.unseen for other in others) for others in by_kind.values())
