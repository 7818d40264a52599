"""Recall, precision and exactness of our anchors against mwparserfromhell's links, a page at a time, on real dumps.

    python -m benchmarks.anchors [DUMP ...]          # default: every dump in ../shared/data/dumps
    python -m benchmarks.anchors --max-pages 20      # a quick look
    python -m benchmarks.anchors --show 50           # the differences themselves

mwparserfromhell finds a page's links; those in templates, tables, references, captions, galleries and headings are
not running text. A link and an anchor agree if surface (link trail included) and target are equal; each counts once.
Two figures are given: for the peer as it is, and with two of MediaWiki's rules that it lacks (see ``peer_links``).
Every difference is counted under its cause, and the causes are printed as the table of docs/fidelity.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peer_links import RUNNING, SURFACE, PeerLink, peer_links, peer_wiki
from cofee_dist.corpus.dump import Page, read_pages, read_site, splits
from cofee_dist.corpus.wikitext import Document, Renderer

ROOT = Path(__file__).resolve().parent.parent
TARGET = 0.99

Link = tuple[str, str]


@dataclass
class Agreement:
    """How far anchors and the peer's links in running text are the same.

    ``missing`` are theirs alone and ``extra`` ours alone, by cause; ``examples`` are (cause, page, surface, target).
    """

    theirs: int = 0
    ours: int = 0
    both: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    extra: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str, str, str]] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """The share of the peer's links that are ours too."""
        return self.both / self.theirs if self.theirs else 1.0

    @property
    def precision(self) -> float:
        """The share of our anchors that are the peer's too."""
        return self.both / self.ours if self.ours else 1.0


@dataclass
class Result:
    """What a dump gave: agreement with the peer ``as_it_is``, and ``by_mediawiki``'s rules."""

    dump: str
    pages: int = 0
    inexact: int = 0
    seconds_ours: float = 0.0
    seconds_peer: float = 0.0
    as_it_is: Agreement = field(default_factory=Agreement)
    by_mediawiki: Agreement = field(default_factory=Agreement)


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


def compare(into: Agreement, title: str, ours: Counter[Link], theirs: list[PeerLink], truth: list[PeerLink]) -> None:
    """Add a page; ``truth`` are its links where MediaWiki would show them, which tells the causes."""
    running = Counter((link.surface, link.target) for link in theirs if link.place == RUNNING)
    missing, extra = running - ours, ours - running
    into.theirs += running.total()
    into.ours += ours.total()
    into.both += (running & ours).total()
    led_elsewhere = {target for _, target in missing} & {target for _, target in extra}
    places, true_places, by_target = (defaultdict(list) for _ in range(3))
    for link in theirs:
        places[link.surface, link.target].append(link.place)
        by_target[link.target].append(link.place)
    for link in truth if truth is not theirs else ():
        true_places[link.surface, link.target].append(link.place)
    for link, number in missing.items():
        elsewhere = [place for place in true_places[link] if place != RUNNING]
        cause = f"{elsewhere[-1]}, by MediaWiki's rules" if elsewhere else "not ours"
        cause = SURFACE if link[1] in led_elsewhere else cause
        into.missing[cause] += number
        into.examples.append((f"theirs: {cause}", title, *link))
    for link, number in extra.items():
        cause = SURFACE if link[1] in led_elsewhere else _extra(places[link], by_target[link[1]], true_places[link])
        into.extra[cause] += number
        into.examples.append((f"ours: {cause}", title, *link))


def _extra(places: list[str], places_of_target: list[str], true_places: list[str]) -> str:
    """Why an anchor of ours is no running text to the peer, which has the same link in ``places``."""
    templates = [place for place in places if place.startswith("template")]
    hidden = [place for place in places if place != RUNNING and place not in templates]
    if hidden and RUNNING in true_places:
        return f"running text by MediaWiki's rules, in a {hidden[-1]} for the peer"
    if templates:
        return f"kept from {{{{{templates[-1].removeprefix('template ')}}}}}"
    return SURFACE if SURFACE in places_of_target else "made by a template, or not seen by the peer"


def measure(dump: Path, max_pages: int | None = None) -> Result:
    """Compare the articles of a dump; ``max_pages`` takes that many, spread evenly over the dump."""
    site = read_site(dump)
    renderer, wiki = Renderer(site), peer_wiki(dump)
    pages = [page for part in splits(dump, 2**40) for page in read_pages(part, site)]
    articles = [page for page in pages if isinstance(page, Page) and page.namespace == 0 and page.redirect is None]
    result = Result(dump.name)
    for page in articles[:: max(1, len(articles) // max_pages) if max_pages else 1]:
        began = time.process_time()
        document = renderer.render(page.text)
        rendered = time.process_time()
        plain = peer_links(page.text, wiki, as_mediawiki=False)
        result.seconds_ours += rendered - began
        result.seconds_peer += time.process_time() - rendered
        truth = peer_links(page.text, wiki)
        ours = our_links(document)
        result.pages += 1
        result.inexact += inexact_anchors(document)
        compare(result.as_it_is, page.title, ours, plain, truth)
        compare(result.by_mediawiki, page.title, ours, truth, truth)
    return result


def _print(result: Result, show: int) -> None:
    ratio = result.seconds_peer / max(result.seconds_ours, 1e-9)
    for name, found in (("as it is", result.as_it_is), ("by MediaWiki's rules", result.by_mediawiki)):
        print(
            f"| {result.dump} | {name} | {result.pages} | {found.theirs} | {found.ours} | {found.both} "
            f"| {found.recall:.2%} | {found.precision:.2%} | {result.inexact} | {ratio:.1f}x |"
        )
        for line in found.examples[:show]:
            print("    ", *line, sep=" | ")


def _print_causes(results: list[Result]) -> None:
    print("\n| dump | against the peer | side | cause | links |\n|---|---|---|---|---|")
    for result in results:
        for name, found in (("as it is", result.as_it_is), ("by MediaWiki's rules", result.by_mediawiki)):
            for side, causes in (("theirs alone", found.missing), ("ours alone", found.extra)):
                for cause, number in causes.most_common():
                    print(f"| {result.dump} | {name} | {side} | {cause} | {number} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dumps", nargs="*", type=Path)
    parser.add_argument("--max-pages", type=int)
    parser.add_argument("--show", type=int, default=0, metavar="N", help="show N differences of each comparison")
    arguments = parser.parse_args()
    dumps = arguments.dumps or sorted((ROOT.parent / "shared" / "data" / "dumps").glob("*.xml.bz2"))
    if not dumps:
        parser.error("no dump given, and none in ../shared/data/dumps")
    print("| dump | the peer | pages | theirs | ours | both | recall | precision | inexact | times faster |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    results = []
    for dump in dumps:
        results.append(measure(dump, arguments.max_pages))
        _print(results[-1], arguments.show)
    _print_causes(results)
    out = ROOT / "benchmarks" / "out" / "anchors.json"
    out.parent.mkdir(exist_ok=True)
    written = {"target": TARGET, "dumps": [_plain(one) for one in results]}
    out.write_text(json.dumps(written, indent=2, ensure_ascii=False))
    print(f"\nat least {TARGET:.0%} wanted; written to {out.relative_to(ROOT)}")


def _plain(result: Result) -> dict[str, Any]:
    plain = {name: value for name, value in vars(result).items() if not isinstance(value, Agreement)}
    for name, found in (("as_it_is", result.as_it_is), ("by_mediawiki", result.by_mediawiki)):
        plain[name] = vars(found) | {"recall": found.recall, "precision": found.precision}
    return plain


if __name__ == "__main__":
    main()
