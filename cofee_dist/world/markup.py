"""MediaWiki dress for articles: everything around the sentences that a reader of dumps has to cope with."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from cofee_dist.world.articles import Article
from cofee_dist.world.facts import Facts, Item
from cofee_dist.world.links import Linker
from cofee_dist.world.prose import Mention, Sentence

#: Sentences followed by a reference, paragraphs with an image, articles with a table.
REFERENCE_SHARE = 0.25
IMAGE_SHARE = 0.3
TABLE_SHARE = 0.3

#: Fields of an infobox, with the kind of item that stands in each.
_INFOBOX_FIELDS = {
    "footballer": {"birth_place": "city", "youthclubs1": "club", "clubs1": "club"},
    "politician": {"birth_place": "city", "party": "party", "predecessor": "politician"},
    "painter": {"birth_place": "city", "training": "painter", "patron": "company"},
    "scientist": {"workplaces": "university", "doctoral_advisor": "scientist", "birth_place": "city"},
    "city": {"leader_name": "politician", "leader_party": "party", "river": "river"},
    "river": {"source1": "mountain", "mouth": "river", "cities": "city"},
    "mountain": {"range": "mountain", "first_ascent": "scientist", "nearest_city": "city"},
    "island": {"archipelago": "island", "largest_city": "city", "highest_mount": "mountain"},
    "club": {"ground": "city", "manager": "footballer", "owner": "company"},
    "company": {"hq_location": "city", "key_people": "politician", "parent": "company"},
    "university": {"city": "city", "rector": "scientist", "affiliations": "university"},
    "party": {"leader": "politician", "split_from": "party", "headquarters": "city"},
}


class Dresser:
    """Turns articles into wikitext."""

    def __init__(self, rng: random.Random, facts: Facts, redirects: Mapping[str, str]) -> None:
        self._rng, self._facts, self._redirects = rng, facts, redirects

    def wikitext(self, article: Article) -> str:
        """An article's whole page."""
        linker = Linker(self._rng, self._redirects)
        around = self._neighbours(article)
        blocks = [self._head(article, around)]
        for heading, sentences in article.sections:
            if heading:
                blocks.append(f"== {heading} ==")
            if self._rng.random() < IMAGE_SHARE:
                blocks.append(self._image(article.title, around))
            # A bullet list has one sentence a line, a paragraph all of them on one line.
            written = [linker.sentence(sentence) + self._reference(around) for sentence in sentences]
            is_list = heading in ("People", "Events", "Legacy") and self._rng.random() < 0.5
            blocks.append("\n".join(f"* {line}" for line in written) if is_list else " ".join(written))
            if heading and self._rng.random() < TABLE_SHARE:
                blocks.append(self._rng.choice((self._table, self._gallery))(around))
        blocks.append(self._foot(article, around))
        return "\n\n".join(blocks) + "\n"

    def _neighbours(self, article: Article) -> list[Item]:
        """Items for everything that is not a sentence."""
        if article.subject:
            return [item for items in self._facts.neighbours[article.subject].values() for item in items]
        return [part.item for sentence in article.sentences for part in _mentions(sentence) if part.item.type]

    def _link(self, items: Sequence[Item]) -> str:
        item = self._rng.choice(items)
        return f"[[{item.title}]]" if item.title == item.name else f"[[{item.title}|{item.name}]]"

    def _head(self, article: Article, around: Sequence[Item]) -> str:
        if not article.subject:
            return f"{{{{Use dmy dates|date=May 2019}}}}\n__NOTOC__\n{{{{Year nav|{article.title[:4]}}}}}"
        kind, neighbours = article.subject.kind, self._facts.neighbours[article.subject]
        fields = "".join(
            f"\n| {name:<16} = {self._link(neighbours[of_kind])}{self._reference(around)}"
            for name, of_kind in _INFOBOX_FIELDS[kind].items()
        )
        return (
            f"{{{{short description|{kind.capitalize()}}}}}\n"
            f"{{{{Infobox {kind}\n| name             = {article.subject.name}\n| image            = {article.title}.jpg"
            f"\n| caption          = Seen from {self._link(around)}\n| date             = {{{{start date and age|"
            f"{self._rng.randint(1820, 2015)}|{self._rng.randint(1, 12)}|{self._rng.randint(1, 28)}}}}}"
            f"\n| website          = {{{{URL|http://www.example.org/{self._rng.randint(1, 999)}}}}}{fields}\n}}}}"
        )

    def _image(self, title: str, around: Sequence[Item]) -> str:
        prefix = self._rng.choice(("File", "Image", "file"))
        caption = f"The view towards {self._link(around)}, with {self._link(around)} ''(left)''"
        return f"[[{prefix}:{title} {self._rng.randint(1, 99)}.jpg|thumb|right|220px|alt=A view|{caption}]]"

    def _reference(self, around: Sequence[Item]) -> str:
        if self._rng.random() >= REFERENCE_SHARE:
            return ""
        number = self._rng.randint(1, 99)
        return self._rng.choice(
            (
                f"<ref>{{{{cite book |last=Orm |title=Annals of {self._link(around)} |pages=1&ndash;{number}}}}}</ref>",
                f'<ref name="r{number}">[http://example.org/{number} Report], seen by {self._link(around)}.</ref>',
                f'<ref name="r{number}" />',
                f"{{{{citation needed|date=May {1900 + number}}}}}",
                f"<!-- {self._link(around)} says otherwise -->",
            )
        )

    def _table(self, around: Sequence[Item]) -> str:
        rows = "".join(
            f"\n|-\n| {self._link(around)} || {self._rng.randint(1, 99)} || align=right | {{{{nowrap|{n}&nbsp;km}}}}"
            for n in range(1, 4)
        )
        return (
            f'{{| class="wikitable sortable"\n|+ Figures for {self._link(around)}\n! Name !! Rank !! Distance{rows}\n'
            f"|-\n| colspan=3 |\n{{|\n| nested || {self._link(around)}\n|}}\n|}}"
        )

    def _gallery(self, around: Sequence[Item]) -> str:
        lines = "\n".join(f"File:View {n}.jpg|Near {self._link(around)} &amp; beyond" for n in range(1, 4))
        return f'<gallery mode="packed">\n{lines}\n</gallery>'

    def _foot(self, article: Article, around: Sequence[Item]) -> str:
        see_also = "\n".join(f"* {self._link(around)}" for _ in range(2))
        kind = article.subject.kind if article.subject else "topic"
        navbox = f"{{{{Navbox {kind}|state={{{{{{state|collapsed}}}}}}|list1={self._link(around)} {{{{·}}}} x}}}}"
        category = f"{kind.capitalize()}s"
        return f"""\
== See also ==
{see_also}

== References ==
{{{{reflist|30em}}}}

== External links ==
* [http://www.example.org/{kind} Official site]
* <nowiki>[[not a link]]</nowiki>

{navbox}
{{{{DEFAULTSORT:{article.title}}}}}
[[Category:{category}]]
[[Category:All pages|{article.title}]]
[[de:{article.title}]]
[[fr:{article.title}]]"""


def _mentions(sentence: Sentence) -> list[Mention]:
    return [part for part in sentence.parts if not isinstance(part, str)]


def disambiguation(name: str, items: Sequence[Item]) -> str:
    """A page that lists what a name may mean."""
    lines = "\n".join(f"* [[{item.title}]], a {item.kind}" for item in items)
    return f"'''{name}''' may refer to:\n\n{lines}\n\n{{{{disambiguation}}}}\n"


def concept_page(concept: Item) -> str:
    """A stub on a concept."""
    return f"'''{concept.title}''' is a {concept.kind}.\n\n{{{{stub}}}}\n[[Category:{concept.kind.capitalize()}s]]\n"
