"""Mentions -> wikitext links, as editors write them; and the redirects that links go through."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping

from cofee_dist.world.facts import Facts, Item
from cofee_dist.world.prose import Mention, Sentence

#: Mentions that nobody linked: of items that the page has not linked yet, and of those that it has.
#: With the gaps of the gazetteers these are the labels that self-picking has to find.
UNLINKED_FIRST_SHARE = 0.12
UNLINKED_LATER_SHARE = 0.60
#: Short names that have a redirect, and links by such a name that go through it.
REDIRECT_SHARE = 0.5
THROUGH_REDIRECT_SHARE = 0.5
#: Links with an odd target: underscores, a section, a colon, spaces.
ODD_TARGET_SHARE = 0.05
#: An ampersand of a name written as the entity that some editors take for their duty.
AMPERSAND_SHARE = 0.3
#: Hidden comments between words.
COMMENT_SHARE = 0.01


def make_redirects(rng: random.Random, facts: Facts) -> dict[str, str]:
    """Redirect title -> target title: short names that only one item has, and plurals of concepts."""
    items = [item for item in facts.all_items if not item.unseen]
    titles = {item.title for item in facts.all_items}
    shorts = Counter(item.short for item in facts.all_items if item.short)
    redirects = {}
    for item in items:
        if item.short and shorts[item.short] == 1 and item.short not in titles and rng.random() < REDIRECT_SHARE:
            redirects[item.short] = item.title
    for concepts in facts.concepts.values():
        for concept in concepts:
            if concept.title != concept.name and rng.random() < REDIRECT_SHARE:
                redirects[concept.title + "s"] = concept.title
    return redirects


class Linker:
    """Links the mentions of one page."""

    def __init__(self, rng: random.Random, redirects: Mapping[str, str]) -> None:
        self._rng, self._redirects = rng, redirects
        self._linked: set[Item] = set()
        self._bold: set[Item] = set()

    def sentence(self, sentence: Sentence) -> str:
        """A sentence's wikitext; what a reader sees of it is ``sentence.text``."""
        parts = (self._words(part) if isinstance(part, str) else self._mention(part) for part in sentence.parts)
        return "".join(part.replace("&", "&amp;") if self._rng.random() < AMPERSAND_SHARE else part for part in parts)

    def _words(self, words: str) -> str:
        if " " in words.strip() and self._rng.random() < COMMENT_SHARE:
            head, tail = words.strip().split(" ", 1)
            lead, trail = words[: len(words) - len(words.lstrip())], words[len(words.rstrip()) :]
            return f"{lead}{head}<!-- check -->{' ' + tail}{trail}"
        return words

    def _mention(self, mention: Mention) -> str:
        item, surface = mention.item, mention.surface
        if mention.is_subject:
            is_first = item not in self._bold
            self._bold.add(item)
            return f"'''{surface}'''" if is_first else surface
        share = UNLINKED_LATER_SHARE if item in self._linked else UNLINKED_FIRST_SHARE
        if self._rng.random() < share:
            return f"''{surface}''" if item.kind == "work" else surface
        self._linked.add(item)
        link = self.link(item, surface)
        return f"''{link}''" if item.kind == "work" else link

    def link(self, item: Item, surface: str) -> str:
        """A link with this text: direct, with a pipe, with a trail, or through a redirect."""
        # The first letter of a title is capital whatever the link says.
        upper = surface[0].upper() + surface[1:]
        if self._redirects.get(upper) == item.title and self._rng.random() < THROUGH_REDIRECT_SHARE:
            return f"[[{surface}]]"
        if upper == item.title:
            return f"[[{surface}]]" if self._rng.random() >= ODD_TARGET_SHARE else f"[[{self._odd(item)}|{surface}]]"
        if not item.type and upper.startswith(item.title):
            trail = len(item.title)
            return f"[[{surface[:trail]}]]{surface[trail:]}"
        target = item.title if self._rng.random() >= ODD_TARGET_SHARE else self._odd(item)
        return f"[[{target}|{surface}]]"

    def _odd(self, item: Item) -> str:
        title = item.title
        return self._rng.choice((title.replace(" ", "_"), f"{title}#History", f":{title}", f" {title} "))


def homonyms(items: Iterable[Item]) -> dict[str, list[Item]]:
    """One-word names that several items go by."""
    by_name: dict[str, list[Item]] = {}
    for item in items:
        for name in {item.name, item.short} - {None}:
            if name and " " not in name:
                by_name.setdefault(name, []).append(item)
    return {name: sharing for name, sharing in sorted(by_name.items()) if len(sharing) > 1}
