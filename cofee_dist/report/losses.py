"""What became of a dump's sentences and links: what is in D_g and what was lost, by reason, which make all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from cofee_dist.report.text import count

#: Of a corpus stage's counts; a page has one of these fates.
PAGES = ("articles", "redirects", "other_namespaces", "quarantined")


def loss_rows(counts: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(what, sentences, links), as text: those kept, each reason by the links that it cost, and all.

    ``counts`` are those of ``corpus.spark_build.build_corpus``.
    """
    sentences, links = counts["dropped"], counts["links_dropped"]
    lost = [(reason, sentences.get(reason, 0), links.get(reason, 0)) for reason in {*sentences, *links}]
    lost.sort(key=lambda row: (-row[2], -row[1], row[0]))
    return [
        ("kept", count(counts["sentences"]), count(counts["anchors"])),
        *((reason.replace("_", " "), count(of_all), count(of_links)) for reason, of_all, of_links in lost),
        ("all", count(counts["candidates"]), count(counts["links"])),
    ]


def losses_table(counts: Mapping[str, Any]) -> Group:
    """``loss_rows`` for the terminal, under a line on the pages."""
    pages = " + ".join(f"{count(counts[name])} {name.replace('_', ' ')}" for name in PAGES)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("what", no_wrap=True)
    table.add_column("sentences", justify="right")
    table.add_column("links", justify="right")
    *parts, total = loss_rows(counts)
    for what, sentences, links in parts:
        table.add_row(Text(what), sentences, links)
    table.add_section()
    table.add_row(*total)
    return Group(Text("From the dump to D_g", style="italic"), Text(f"{count(counts['pages'])} pages = {pages}"), table)
