"""Writes a small made-up world: a wiki dump, gazetteers with gaps, the truth, and sentences to be judged by."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cofee_dist.errors import UserError
from cofee_dist.world.articles import Article, Author
from cofee_dist.world.dump import write_dump
from cofee_dist.world.facts import TYPE_OF, TYPES, Facts, make_facts
from cofee_dist.world.gazetteers import make_gazetteers
from cofee_dist.world.links import make_redirects
from cofee_dist.world.pages import make_pages
from cofee_dist.world.prose import UNSEEN_MENTION_SHARE, Sentence, Templates, Writer, load_prose, split_templates

#: Validation and test sentences from templates that the wiki does not use.
UNSEEN_TEMPLATE_SENTENCE_SHARE = 0.2
#: Sentences to try a model on.
_UNSEEN_SENTENCES = 8


@dataclass(frozen=True)
class Size:
    """How much of a world."""

    items_per_kind: int
    article_share: float
    topic_pages: int
    validation: int
    test: int
    pages_per_stream: int


SIZES = {
    "quickstart": Size(
        items_per_kind=300, article_share=0.056, topic_pages=280, validation=300, test=500, pages_per_stream=100
    ),
    "tiny": Size(items_per_kind=10, article_share=0.25, topic_pages=2, validation=30, test=40, pages_per_stream=20),
}


@dataclass(frozen=True)
class WorldPaths:
    """What ``generate`` wrote. ``gazetteers`` is by type."""

    folder: Path
    dump: Path
    gazetteers: dict[str, Path]
    truth: Path
    validation: Path
    test: Path
    unseen: Path


def generate(folder: Path, seed: int = 0, size: Literal["quickstart", "tiny"] = "quickstart") -> WorldPaths:
    """Write a world into a folder; the same seed and size give the same bytes.

    ``truth.jsonl`` has every sentence of the wiki's prose with all its entities, by the text that a reader sees;
    ``validation.jsonl`` and ``test.jsonl`` have other sentences, some about items and in templates that the wiki
    does not know. Entities carry ``type`` (PER, LOC, ORG) and ``fine`` (the kind). ``unseen.txt`` has sentences
    to try a model on, one a line.

    Raises:
        UserError: if the folder cannot be written to.
    """
    folder = Path(folder)
    paths = WorldPaths(
        folder=folder,
        dump=folder / "wiki.xml.bz2",
        gazetteers={type_: folder / "gazetteers" / f"{type_}.txt" for type_ in TYPES},
        truth=folder / "truth.jsonl",
        validation=folder / "validation.jsonl",
        test=folder / "test.jsonl",
        unseen=folder / "unseen.txt",
    )
    try:
        (folder / "gazetteers").mkdir(parents=True, exist_ok=True)
        _write(paths, seed, SIZES[size])
    except OSError as error:
        raise UserError(
            f"cannot write the made-up world: {error.strerror}", where=folder, fix="give a folder with free space"
        ) from error
    return paths


def _write(paths: WorldPaths, seed: int, size: Size) -> None:
    # A generator for each part: more articles leave the names and the test set as they were.
    prose = load_prose()
    facts = make_facts(_rng(seed, "facts"), size.items_per_kind, prose["concepts"], prose["named_concepts"])
    wiki_templates, other_templates = split_templates(_rng(seed, "templates"))
    articles = Author(_rng(seed, "articles"), facts, wiki_templates).articles(size.article_share, size.topic_pages)
    redirects = make_redirects(_rng(seed, "redirects"), facts)
    write_dump(paths.dump, make_pages(_rng(seed, "pages"), facts, articles, redirects), size.pages_per_stream)
    _write_lines(paths.truth, map(_json, _truth(articles)))
    for type_, entries in make_gazetteers(_rng(seed, "gazetteers"), facts).items():
        _write_lines(paths.gazetteers[type_], entries)

    known = {sentence.text for article in articles for sentence in article.sentences}
    wanted = size.validation + size.test + _UNSEEN_SENTENCES
    held_out = _held_out(_rng(seed, "held out"), facts, wiki_templates, other_templates, known, wanted)
    _write_lines(paths.validation, (_json(s.as_record()) for s in held_out[: size.validation]))
    _write_lines(paths.test, (_json(s.as_record()) for s in held_out[size.validation : -_UNSEEN_SENTENCES]))
    _write_lines(paths.unseen, (sentence.text for sentence in held_out[-_UNSEEN_SENTENCES:]))


def _truth(articles: Sequence[Article]) -> Iterable[dict[str, Any]]:
    for article in articles:
        for sentence in article.sentences:
            yield {"title": article.title, **sentence.as_record()}


def _held_out(
    rng: random.Random, facts: Facts, wiki: Templates, other: Templates, known: set[str], count: int
) -> list[Sentence]:
    writer = Writer(rng, facts, UNSEEN_MENTION_SHARE)
    made: list[Sentence] = []
    taken = set(known)
    while len(made) < count:
        templates = other if rng.random() < UNSEEN_TEMPLATE_SENTENCE_SHARE else wiki
        kind = rng.choice(tuple(TYPE_OF))
        template = rng.choice([*templates.lead.get(kind, []), *templates.body[kind], rng.choice(templates.general)])
        # Half of the sentences read as if their items had been named before.
        named = set(facts.all_items) if rng.random() < 0.5 else set()
        sentence = writer.write(template, kind, None, named)
        if sentence.text not in taken:
            taken.add(sentence.text)
            made.append(sentence)
    return made


def _rng(seed: int, part: str) -> random.Random:
    return random.Random(f"{seed} {part}")


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
