"""Recall and exactness of our anchors against mwparserfromhell's links, on real dumps.

    python benchmarks/anchors.py [DUMP ...]            # default: every dump in ../shared/data/dumps
    python benchmarks/anchors.py --max-pages 20        # a quick look

mwparserfromhell finds a page's links; those in templates, tables, references, captions, galleries, files and
categories are not running text. A link counts as found if our rendering has an anchor with the same surface
(its link trail included) and the same target; each anchor is used once.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cofee_dist.corpus.dump import Page, read_pages, read_site, splits
from cofee_dist.corpus.titles import SiteInfo, Titles, link_trail
from cofee_dist.corpus.wikitext import Document, Renderer

ROOT = Path(__file__).resolve().parent.parent
TARGET = 0.97
_NOT_RUNNING_TEXT = frozenset(
    (
        "ref",
        "references",
        "gallery",
        "table",
        "math",
        "timeline",
        "imagemap",
        "nowiki",
        "pre",
        "code",
        "source",
        "score",
    )
)
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff]")

Link = tuple[str, str]


@dataclass
class Recall:
    """What a dump gave. ``recall`` is the share of the links in running text that our anchors hold."""

    dump: str
    pages: int = 0
    links: int = 0
    found: int = 0
    anchors: int = 0
    inexact: int = 0
    seconds_ours: float = 0.0
    seconds_peer: float = 0.0
    missing: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """The share of the peer's links that are ours too."""
        return self.found / self.links if self.links else 1.0


def peer_links(wikitext: str, site: SiteInfo) -> Counter[Link]:
    """(surface, target) of the article links that mwparserfromhell finds in running text."""
    import mwparserfromhell

    trail = link_trail(site.language)
    titles = Titles(site)
    tail = re.compile(f"[{trail}]*") if trail else re.compile("")
    links: Counter[Link] = Counter()
    for node, following in _running_links(mwparserfromhell.parse(wikitext).nodes, titles):
        target = titles.parse(html.unescape(str(node.title)))
        surface = _plain(node.text if node.text is not None else node.title)
        surface = surface if node.text is not None else surface.removeprefix(":")
        if target.is_article and surface:
            links[surface + tail.match(following)[0], target.title] += 1  # type: ignore[index]
    return links


def _running_links(nodes: list[Any], titles: Titles) -> Iterator[tuple[Any, str]]:
    from mwparserfromhell.nodes import Tag, Text, Wikilink

    for node, after in zip(nodes, [*nodes[1:], None], strict=False):
        if isinstance(node, Wikilink):
            if not titles.parse(html.unescape(str(node.title))).is_hidden:
                yield node, str(after) if isinstance(after, Text) else ""
        elif isinstance(node, Tag) and node.contents is not None and _shows_text(node):
            yield from _running_links(node.contents.nodes, titles)


def _shows_text(tag: Any) -> bool:
    return str(tag.tag).strip().lower() not in _NOT_RUNNING_TEXT


def _plain(code: Any) -> str:
    text = html.unescape(str(code.strip_code(normalize=True, collapse=False)))
    return " ".join(_INVISIBLE.sub("", text).split())


def our_links(document: Document) -> Counter[Link]:
    """(surface, target) of our anchors."""
    return Counter((document.text[anchor.start : anchor.end], anchor.target) for anchor in document.anchors)


def inexact_anchors(document: Document) -> int:
    """Anchors whose offsets are no clean span: out of the text, empty, overlapping, or with a space at an end."""
    wrong = last = 0
    for start, end, _ in document.anchors:
        surface = document.text[start:end]
        wrong += not (last <= start < end <= len(document.text)) or surface != surface.strip() or "\n" in surface
        last = end
    return wrong


def measure(dump: Path, max_pages: int | None = None) -> Recall:
    """Compare the articles of a dump; ``max_pages`` takes that many, spread evenly over the dump."""
    site = read_site(dump)
    renderer = Renderer(site)
    pages = [page for part in splits(dump, 2**40) for page in read_pages(part, site)]
    articles = [page for page in pages if isinstance(page, Page) and page.namespace == 0 and page.redirect is None]
    result = Recall(dump.name)
    for page in articles[:: max(1, len(articles) // max_pages) if max_pages else 1]:
        began = time.process_time()
        document = renderer.render(page.text)
        between = time.process_time()
        theirs = peer_links(page.text, site)
        result.seconds_ours += between - began
        result.seconds_peer += time.process_time() - between
        missing = theirs - our_links(document)
        result.pages += 1
        result.links += theirs.total()
        result.found += theirs.total() - missing.total()
        result.anchors += len(document.anchors)
        result.inexact += inexact_anchors(document)
        result.missing += [(page.title, surface, target) for surface, target in missing.elements()]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dumps", nargs="*", type=Path)
    parser.add_argument("--max-pages", type=int)
    parser.add_argument("--show-missing", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    dumps = arguments.dumps or sorted((ROOT.parent / "shared" / "data" / "dumps").glob("*.xml.bz2"))
    if not dumps:
        parser.error("no dump given, and none in ../shared/data/dumps")
    results = []
    print(
        f"{'dump':32} {'pages':>6} {'links':>7} {'found':>7} {'recall':>7} {'anchors':>8} {'inexact':>8} {'ratio':>7}"
    )
    for dump in dumps:
        result = measure(dump, arguments.max_pages)
        ratio = result.seconds_peer / max(result.seconds_ours, 1e-9)
        print(
            f"{result.dump:32} {result.pages:6} {result.links:7} {result.found:7} {result.recall:7.2%} "
            f"{result.anchors:8} {result.inexact:8} {ratio:6.1f}x"
        )
        for title, surface, target in result.missing[: arguments.show_missing]:
            print(f"    missing in {title}: {surface!r} -> {target!r}")
        results.append(asdict(result) | {"recall": result.recall, "times_faster_than_mwparserfromhell": ratio})
    out = ROOT / "benchmarks" / "out" / "anchors.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"target_recall": TARGET, "dumps": results}, indent=2, ensure_ascii=False))
    print(f"at least {TARGET:.0%} wanted; written to {out.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
