"""Word lists of any length: real ones, and names made of a text's own words, so that many of them nearly hit."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cofee_dist.corpus.dump import Page, read_pages, read_site, splits
from cofee_dist.corpus.sentences import SentenceRules, sentences
from cofee_dist.corpus.wikitext import Renderer

TYPES = ("PER", "LOC", "ORG")
_CAPITALISED = re.compile(r"\b[A-Z]\w+")


def article_sentences(dump: Path) -> list[str]:
    """Every sentence of a dump's articles, as the corpus stage renders and splits them, with or without anchors."""
    site = read_site(dump)
    renderer, rules = Renderer(site), SentenceRules(site.language, 0, 1, 250)
    pages = (page for split in splits(dump, 2**40) for page in read_pages(split, site))
    articles = (page for page in pages if isinstance(page, Page) and page.namespace == 0 and page.redirect is None)
    return [found.text for page in articles for found in sentences(renderer.render(page.text), rules, Counter())]


def longer_lists(gazetteers: Path, texts: Sequence[str], entries: int, seed: int = 0) -> dict[str, list[str]]:
    """The lists PER, LOC and ORG of a folder, filled up to ``entries`` distinct ones in all.

    A made-up name is two capitalised words of the text, or three (one in three), drawn by their frequency. Most are
    in no text, but their first words are in very many.
    """
    lists = {name: (gazetteers / f"{name}.txt").read_text(encoding="utf-8").splitlines() for name in TYPES}
    words = [word for text in texts for word in _CAPITALISED.findall(text)]
    draw, taken = random.Random(seed), {entry for entries_of_type in lists.values() for entry in entries_of_type}
    while len(taken) < entries:
        name = " ".join(draw.choices(words, k=draw.choice((2, 2, 3))))
        if name not in taken:
            taken.add(name)
            lists[TYPES[len(taken) % 3]].append(name)
    return lists


def write_lists(lists: Mapping[str, Sequence[str]], folder: Path) -> Path:
    """A file of lines for each type."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
