"""Articles of the wiki: which sentences stand together, under which title and headings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from cofee_dist.world.facts import TYPE_OF, Facts, Item
from cofee_dist.world.prose import Sentence, Templates, Writer

#: Body sentences of an article that are about another item of the subject's kind, which is linked.
ABOUT_OTHERS_SHARE = 0.4
#: Body sentences that come from the templates of any kind.
GENERAL_SHARE = 0.12

_HEADINGS = {
    "PER": ("Early life", "Career", "Later years", "Legacy"),
    "LOC": ("Geography", "History", "Economy", "Culture"),
    "ORG": ("History", "Organisation", "People", "Reception"),
    "": ("Overview", "Events", "People", "Places", "Aftermath"),
}
_TOPICS = ("{year} in sport", "{year} in politics", "{year} in the arts", "{year} in science", "{year} in travel")


@dataclass(frozen=True)
class Article:
    """``sections`` are (heading, sentences); the first has no heading. Pages on a topic have no ``subject``."""

    title: str
    subject: Item | None
    sections: tuple[tuple[str, tuple[Sentence, ...]], ...]

    @property
    def sentences(self) -> Iterator[Sentence]:
        """All sentences in the order of the page."""
        for _, sentences in self.sections:
            yield from sentences


class Author:
    """Writes articles, no sentence twice."""

    def __init__(self, rng: random.Random, facts: Facts, templates: Templates) -> None:
        self._rng, self._facts, self._templates = rng, facts, templates
        self._writer = Writer(rng, facts)
        self._written: set[str] = set()

    def articles(self, article_share: float, topic_pages: int) -> list[Article]:
        """Articles on a share of the items (links to the others are red), and pages on topics."""
        subjects = [item for item in self._facts.all_items if not item.unseen and self._rng.random() < article_share]
        made = [self._on_item(item) for item in subjects]
        made += [self._on_topic(page) for page in range(topic_pages)]
        self._rng.shuffle(made)
        return made

    def _on_item(self, subject: Item) -> Article:
        # By its full name at first; then, as the others, at times by the short one.
        named: set[Item] = set()
        templates = self._rng.sample(self._templates.body[subject.kind], self._rng.randint(3, 6))
        templates = [self._varied(template, subject.kind) for template in templates]
        lead = self._rng.choice(self._templates.lead[subject.kind])
        sentences = [self._sentence(template, None, subject, named) for template in (lead, *templates)]
        return Article(subject.title, subject, self._sections(sentences, _HEADINGS[subject.type]))

    def _on_topic(self, page: int) -> Article:
        named: set[Item] = set()
        sentences = []
        for _ in range(self._rng.randint(8, 14)):
            kind = self._rng.choice(tuple(TYPE_OF))
            body = [template for template in self._templates.body[kind] if "{S}" in template]
            template = self._rng.choice(body) if self._rng.random() >= GENERAL_SHARE else self._general()
            sentences.append(self._sentence(template, kind, None, named))
        title = _TOPICS[page % len(_TOPICS)].format(year=1900 + page // len(_TOPICS))
        return Article(title, None, self._sections(sentences, _HEADINGS[""]))

    def _varied(self, template: str, kind: str) -> str:
        draw = self._rng.random()
        if draw < GENERAL_SHARE:
            return self._general()
        return template.replace("{S}", f"{{{kind}}}") if draw < GENERAL_SHARE + ABOUT_OTHERS_SHARE else template

    def _general(self) -> str:
        return self._rng.choice(self._templates.general)

    def _sentence(self, template: str, kind: str | None, subject: Item | None, named: set[Item]) -> Sentence:
        while True:
            sentence = self._writer.write(template, kind, subject, named)
            if sentence.text not in self._written:
                self._written.add(sentence.text)
                return sentence

    def _sections(
        self, sentences: list[Sentence], headings: tuple[str, ...]
    ) -> tuple[tuple[str, tuple[Sentence, ...]], ...]:
        cuts = sorted(self._rng.sample(range(1, len(sentences)), min(2, len(sentences) - 1)))
        chosen = ("", *sorted(self._rng.sample(headings, len(cuts)), key=headings.index))
        pieces = zip([0, *cuts], [*cuts, len(sentences)], strict=True)
        return tuple((heading, tuple(sentences[a:b])) for heading, (a, b) in zip(chosen, pieces, strict=True))
