"""What a reader sees of the wikitext is the truth's text; mwparserfromhell is the judge."""

import bz2
import json
import random
from xml.etree import ElementTree

import mwparserfromhell

from cofee_dist.world.articles import Author
from cofee_dist.world.facts import Item, make_facts
from cofee_dist.world.links import Linker, homonyms, make_redirects
from cofee_dist.world.prose import Mention, Sentence, load_prose, split_templates

NS = "{http://www.mediawiki.org/xml/export-0.11/}"


def _world(seed):
    rng = random.Random(seed)
    prose = load_prose()
    facts = make_facts(rng, 10, prose["concepts"], prose["named_concepts"])
    articles = Author(rng, facts, split_templates(rng)[0]).articles(0.3, 2)
    return facts, articles, make_redirects(rng, facts)


def test_a_linked_sentence_reads_as_its_text():
    facts, articles, redirects = _world(1)
    known = {item.title for group in (*facts.items.values(), *facts.concepts.values()) for item in group} | set(
        redirects
    )
    mentions = linked = 0
    for article in articles:
        linker = Linker(random.Random(2), redirects)
        for sentence in article.sentences:
            parsed = mwparserfromhell.parse(linker.sentence(sentence))
            assert parsed.strip_code() == sentence.text
            mentions += sum(isinstance(part, Mention) and not part.is_subject for part in sentence.parts)
            linked += len(parsed.filter_wikilinks())
            for link in parsed.filter_wikilinks():
                title = str(link.title).replace("_", " ").strip().removeprefix(":").partition("#")[0]
                title = title.replace("&amp;", "&")
                assert title[0].upper() + title[1:] in known
    assert 0.72 < linked / mentions < 0.88


def test_the_truth_stands_on_its_page(tiny):
    pages = {
        page.findtext(f"{NS}title"): page.findtext(f"{NS}revision/{NS}text")
        for page in ElementTree.fromstring(bz2.decompress(tiny.dump.read_bytes())).findall(f"{NS}page")
    }
    records = [json.loads(line) for line in tiny.truth.read_text(encoding="utf-8").splitlines()]
    plain = {title: mwparserfromhell.parse(pages[title]).strip_code() for title in {r["title"] for r in records}}
    missing = [record["text"] for record in records if record["text"] not in plain[record["title"]]]
    assert not missing


def test_links_of_every_kind():
    person = Item("Anna Lee (painter)", "Anna Lee", "Lee", "painter", "PER")
    concept = Item("Portrait", "portrait", None, "genre", "")
    direct = {Linker(random.Random(seed), {}).link(concept, "portraits") for seed in range(50)}
    through = {Linker(random.Random(seed), {"Lee": person.title}).link(person, "Lee") for seed in range(50)}
    assert direct == {"[[portrait]]s"}
    assert {"[[Lee]]", "[[Anna Lee (painter)|Lee]]"} < through


def test_the_subject_is_bold_once_and_never_linked():
    item = Item("Anna Lee", "Anna Lee", "Lee", "painter", "PER")
    sentence = Sentence((Mention("Anna Lee", item, is_subject=True), " sang."))
    linker = Linker(random.Random(0), {})
    assert [linker.sentence(sentence), linker.sentence(sentence)] == ["'''Anna Lee''' sang.", "Anna Lee sang."]


def test_redirects_and_homonyms_never_contradict_a_title():
    facts, _, redirects = _world(5)
    titles = {item.title for item in facts.all_items}
    assert redirects
    assert not titles & redirects.keys()
    for name, items in homonyms(facts.all_items).items():
        assert len({item.title for item in items}) == len(items) > 1
        assert all(name in (item.name, item.short) for item in items)
