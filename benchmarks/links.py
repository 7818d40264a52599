"""What becomes of every link of a dump: from the ``[[…]]`` in its articles to the anchors in sentences. It adds up.

    python -m benchmarks.links [DUMP ...]        # default: every dump in ../shared/data/dumps

The count that it begins with is the rough one of the data's description: what follows ``[[`` up to a bar, a number
sign or a bracket, in articles, unless it begins with a colon, with the prefix of a language (two or three small
letters and a colon) or with the name of a namespace. Each of these links is given a number, written into its target,
and is looked for behind each pass of the renderer: the pass that loses it is the reason.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cofee_dist.config import Corpus
from cofee_dist.corpus.articles import ArticleReader
from cofee_dist.corpus.budget import MAX_PAGE_STEPS, Budget
from cofee_dist.corpus.dump import Page, read_pages, read_site, splits
from cofee_dist.corpus.literals import clean
from cofee_dist.corpus.sentences import SentenceRules
from cofee_dist.corpus.titles import Titles
from cofee_dist.corpus.wikitext import Renderer

ROOT = Path(__file__).resolve().parent.parent
_ROUGH = re.compile(r"\[\[([^\[\]|#]+)")
_NO_ARTICLE = re.compile(
    r"\s*(?::|[a-z]{2,3}:|(?i:file|image|category|media|special|talk|template|wikipedia|wp|fails|kategoreja|kategorija):)"
)
_TYPE = re.compile(r"(?<=.)\.\w{3,4}[ _]*$")
_FIRST_DIGIT, _END = 0xE000, "\ue00a"
_NUMBER = re.compile(f"([\ue000-\ue009]+){_END}")
_TAGS = "ref|references|gallery|math|timeline|imagemap|nowiki|pre|source|syntaxhighlight|score"
_HIDDEN = re.compile(rf"(?is)<(!--).*?(?:-->|$)|<(?:{_TAGS})\b[^<>]*/>|<(?P<tag>{_TAGS})\b[^<>]*>.*?</(?P=tag)\s*>")
#: What a pass takes away, by its name.
_LOST_IN = {
    "clean": "text that is none",
    "templates": "templates",
    "tables": "tables",
    "styles": "-{variants}-, HTML and styles",
    "files": "captions of files",
    "categories": "categories",
}


def rough_links(wikitext: str) -> Iterator[re.Match[str]]:
    """The links that are counted, roughly."""
    return (link for link in _ROUGH.finditer(wikitext) if link[1].strip() and not _NO_ARTICLE.match(link[1]))


def ledger(wikitext: str, renderer: Renderer) -> Counter[str]:
    """Why each link is no anchor, ``anchors`` for those that are, and beside them the anchors ``made by templates``."""
    marked, total = _marked(wikitext)
    reasons: Counter[str] = Counter()
    before, left = marked, set(range(total))
    for name, text in renderer.passes(marked, Budget(MAX_PAGE_STEPS, len(marked))):
        still = _numbers(text)
        if name == "extensions":
            reasons.update(_tag_around(before, left - still))
        elif left - still:
            reasons[_LOST_IN[name]] += len(left - still)
        before, left = text, still
    anchors = [_numbers(anchor.target) for anchor in renderer.render(marked).anchors]
    kept = {number for found in anchors for number in found}
    reasons.update(_not_an_anchor(before, left - kept, Titles(renderer.site)))
    reasons["anchors"] += len(kept)
    reasons["made by templates"] += sum(not found for found in anchors)
    assert reasons.total() - reasons["made by templates"] == total
    assert len(anchors) == len(renderer.render(wikitext).anchors), "the numbers changed what is rendered"
    return reasons


def _marked(wikitext: str) -> tuple[str, int]:
    parts, at, number = [], 0, 0
    for link in rough_links(wikitext):
        # Before a section or a file's type, so that the target's prefix, its name and its type stay as they are.
        file_type = _TYPE.search(link[1])
        end = link.start(1) + file_type.start() if file_type else link.end()
        parts += (wikitext[at:end], "".join(chr(_FIRST_DIGIT + int(digit)) for digit in str(number)), _END)
        at, number = end, number + 1
    parts.append(wikitext[at:])
    return "".join(parts), number


def _numbers(text: str) -> set[int]:
    return {int("".join(str(ord(digit) - _FIRST_DIGIT) for digit in found)) for found in _NUMBER.findall(text)}


def _tag_around(text: str, lost: set[int]) -> Iterator[str]:
    left = set(lost)
    for hidden in _HIDDEN.finditer(text):
        inside = _numbers(hidden[0]) & left
        left -= inside
        yield from [f"<{(hidden['tag'] or '!--').lower()}>"] * len(inside)
    yield from ["other tags"] * len(left)


def _not_an_anchor(text: str, left: set[int], titles: Titles) -> Iterator[str]:
    for line in text.split("\n"):
        for link in re.finditer(r"\[\[([^\[\]|#\n]+)", line):
            if not _numbers(link[1]) & left:
                continue
            left = left - _numbers(link[1])
            target = titles.parse(_NUMBER.sub("", link[1]))
            if target.prefix:
                yield "other projects (s:, wikt:)"
            elif not target.is_article:
                yield "other namespaces, or no title"
            elif re.match(r"(={1,6})[^\n]+?\1 *$", line):
                yield "headings"
            elif line.startswith("|"):
                yield "lines of broken tables"
            else:
                yield "not closed, nested, or without a surface"
    yield from ["not closed, nested, or without a surface"] * len(left)


def articles(dump: Path) -> Iterator[Page]:
    """Pages of the article namespace that are no redirects."""
    site = read_site(dump)
    for part in splits(dump, 2**40):
        for page in read_pages(part, site):
            if isinstance(page, Page) and page.namespace == 0 and page.redirect is None:
                yield page


def of_dump(dump: Path) -> Counter[str]:
    """The ledger of a dump's links; ``[[…]]`` is what the reasons and ``anchors`` make together."""
    renderer = Renderer(read_site(dump))
    total: Counter[str] = Counter()
    targets: set[str] = set()
    for page in articles(dump):
        total.update(ledger(clean(page.text), renderer))
        found = [link[1].strip() for link in rough_links(page.text)]
        total["[[…]]"] += len(found)
        targets.update(found)
    total["targets"] = len(targets)
    return total


def of_sentences(dump: Path, config: Corpus) -> Counter[str]:
    """What ``ArticleReader`` counts: pages, links and sentences, each kept or dropped for a reason."""
    site = read_site(dump)
    reader = ArticleReader(site, SentenceRules.of(config, site.language), config)
    for part in splits(dump, 2**40):
        for page in read_pages(part, site):
            reader.read(page)
    return reader.counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dumps", nargs="*", type=Path)
    arguments = parser.parse_args()
    dumps = arguments.dumps or sorted((ROOT.parent / "shared" / "data" / "dumps").glob("*.xml.bz2"))
    if not dumps:
        parser.error("no dump given, and none in ../shared/data/dumps")
    of_links = {dump: of_dump(dump) for dump in dumps}
    _table([dump.name.partition(".")[0] for dump in dumps], list(of_links.values()))
    print()
    _table([dump.name.partition(".")[0] for dump in dumps], [of_sentences(dump, Corpus()) for dump in dumps])


def _table(names: list[str], columns: list[Counter[str]]) -> None:
    rows = sorted({name for column in columns for name, number in column.items() if number})
    print("| |", " | ".join(names), "|")
    print("|---|" + "---|" * len(names))
    for row in rows:
        print(f"| {row} |", " | ".join(f"{column[row]:,}" for column in columns), "|")


if __name__ == "__main__":
    main()
