"""What the word lists met, as one HTML file beside ``matches.json``: hits, ambiguous entries, those that never hit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cofee_dist.artifacts import write_json, write_text
from cofee_dist.report import text
from cofee_dist.report.captions import Headline
from cofee_dist.report.colours import type_swatches
from cofee_dist.report.page import environment, style_sheet

MATCHES_JSON = "matches.json"
MATCHES_HTML = "matches.html"


def write_matches(found: Mapping[str, Any], folder: Path, run: str) -> Path:
    """Write what ``labels.match_report`` tells, as JSON and as a page; returns the page's path."""
    page = render_matches(found, run)
    write_json(folder / MATCHES_JSON, found)
    write_text(folder / MATCHES_HTML, page)
    return folder / MATCHES_HTML


def render_matches(found: Mapping[str, Any], run: str) -> str:
    """The page of a match report, of anchors or of text, as text."""
    of_text = "mentions" in found
    most = {name: max((hit["count"] for hit in row["top_hits"]), default=0) for name, row in found["types"].items()}
    return (
        environment()
        .get_template("matches.html.j2")
        .render(
            run=run,
            found=found,
            css=style_sheet(),
            headline=_headline(found, of_text),
            facts=_facts(found, of_text),
            hits="mentions" if of_text else "anchors",
            number_of_hits="mentions" if of_text else "anchors_typed",
            covered="sentences" if of_text else "anchors",
            most=most,
            swatches=type_swatches(list(found["types"])),
            plural=text.plural,
        )
    )


def _headline(found: Mapping[str, Any], of_text: bool) -> Headline:
    share = f"{100 * found['coverage']:.1f} %"
    if of_text:
        name = "of the sentences name an entry of a word list"
        detail = f"{text.count(found['sentences_labelled'])} of {text.plural(found['sentences'], 'sentence')}."
        return Headline(share, name, detail)
    detail = f"{text.count(found['anchors_typed'])} of {text.plural(found['anchors'], 'anchor')}."
    return Headline(share, "of the anchors are named by a word list", detail)


def _facts(found: Mapping[str, Any], of_text: bool) -> list[tuple[str, str]]:
    types = found["types"].values()
    entries, hit = sum(row["entries"] for row in types), sum(row["entries_hit"] for row in types)
    return [
        ("labels from", "text" if of_text else "anchors"),
        ("types", text.count(len(found["types"]))),
        ("entries", text.count(entries)),
        ("entries that gave labels", text.count(hit)),
        ("mentions" if of_text else "anchors typed", text.count(found["mentions" if of_text else "anchors_typed"])),
    ]
