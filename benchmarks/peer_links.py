"""Links as mwparserfromhell sees them, each with the place in which it stands: the oracle of ``anchors.py``.

Two things that the peer does not do are done for it, by MediaWiki's rules and without any code of the product:

- Bold and italics end with their line (``Parser::doQuotes``), so an apostrophe can hide no table and no reference.
  The peer pairs them over any distance: ``skip_style_tags`` leaves them as text.
- A table goes from a line that begins with ``{|`` to one that begins with ``|}``, or to the page's end, whatever is in
  it (``Parser::doTableStuff``). The peer gives a table up that holds a row in HTML which is not closed: its lines are
  looked at again.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from cofee_dist.corpus.titles import SiteInfo, Titles, link_trail

RUNNING = "running text"
UNSEEN_TABLE = "table that the peer gave up"
#: Of a link in running text that shows nothing but a template, which the peer does not expand.
SURFACE = "surface made by a template"
_PLACES = dict.fromkeys(("ref", "references"), "reference") | {"gallery": "gallery", "table": "table"}
_HIDING = ("math", "timeline", "imagemap", "nowiki", "pre", "source", "score")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_QUOTES = re.compile("'{2,}")
_LINK = "\ue000"
_TABLE_LINE = re.compile(r"[ \t:*#;]*(\{\||\|\})|(?=.*</?table\b)", re.IGNORECASE)
_HTML_TABLE = re.compile(r"<(/?)table\b", re.IGNORECASE)


class PeerLink(NamedTuple):
    """An article link: what a reader sees of it, where it leads, and in what it stands."""

    surface: str
    target: str
    place: str


@dataclass
class _Found:
    node: Any
    following: str
    place: str


def peer_links(wikitext: str, site: SiteInfo, as_mediawiki: bool = True) -> list[PeerLink]:
    """Every article link; without ``as_mediawiki`` as the peer places it, nothing added."""
    import mwparserfromhell

    titles = Titles(site)
    trail = link_trail(site.language)
    tail = re.compile(f"[{trail}]*") if trail else re.compile("")
    skeleton: list[str] = []
    nodes = mwparserfromhell.parse(wikitext, skip_style_tags=as_mediawiki).nodes
    found = list(_links(nodes, titles, RUNNING, skeleton))
    if as_mediawiki:
        _place_in_tables("".join(skeleton), [one for one in found if one.place == RUNNING])
    links = []
    for one in found:
        node = one.node
        target = titles.parse(html.unescape(str(node.title)))
        surface = _plain(node.text) if node.text is not None else _plain(node.title).removeprefix(":")
        if target.is_article:
            shown = surface + tail.match(one.following)[0]  # type: ignore[index]
            links.append(PeerLink(shown, target.title, one.place if surface or one.place != RUNNING else SURFACE))
    return links


def _links(nodes: list[Any], titles: Titles, place: str, skeleton: list[str]) -> Iterator[_Found]:
    """Links in their order; ``skeleton`` is given the running text with a sign for each link of it."""
    from mwparserfromhell.nodes import Argument, ExternalLink, Heading, Tag, Template, Text, Wikilink

    running = place == RUNNING
    for node, after in zip(nodes, [*nodes[1:], None], strict=False):
        if isinstance(node, Wikilink):
            hidden = titles.parse(html.unescape(str(node.title))).is_hidden
            if not hidden:
                yield _Found(node, str(after) if isinstance(after, Text) else "", place)
                if running:
                    skeleton.append(_LINK)
            if node.text is not None:
                inside = ("file or category" if hidden else "text of a link") if running else place
                yield from _links(node.text.nodes, titles, inside, [])
        elif isinstance(node, Template):
            name = str(node.name).strip().partition("-")[0].lower()
            for parameter in node.params:
                yield from _links(parameter.value.nodes, titles, f"template {name}" if running else place, [])
        elif isinstance(node, Tag) and node.contents is not None:
            name = str(node.tag).strip().lower()
            inside = _PLACES.get(name, "formula or picture" if name in _HIDING else place) if running else place
            yield from _links(node.contents.nodes, titles, inside, skeleton)
        elif isinstance(node, Heading):
            yield from _links(node.title.nodes, titles, "heading" if running else place, [])
        elif isinstance(node, ExternalLink) and node.title is not None:
            yield from _links(node.title.nodes, titles, place, skeleton)
        elif isinstance(node, Argument) and node.default is not None:
            yield from _links(node.default.nodes, titles, "parameter" if running else place, [])
        elif isinstance(node, Text) and running:
            skeleton.append(str(node))


def _place_in_tables(skeleton: str, links: list[_Found]) -> None:
    """Mark those of the links (a sign each in ``skeleton``) which MediaWiki would show in a table."""
    depth = 0
    left = iter(links)
    for line in skeleton.split("\n"):
        wiki = _TABLE_LINE.match(line)
        sign = wiki[1] if wiki else None
        depth += sign == "{|"
        depth -= sign == "|}" and depth > 0
        for part in re.split(f"({_LINK}|<(?:/?)table\\b)", line, flags=re.IGNORECASE):
            if part == _LINK:
                one = next(left)
                one.place = UNSEEN_TABLE if depth else one.place
            elif tag := _HTML_TABLE.fullmatch(part):
                depth = max(0, depth - 1) if tag[1] else depth + 1


def _plain(code: Any) -> str:
    text = html.unescape(str(code.strip_code(normalize=True, collapse=False)))
    return " ".join(_INVISIBLE.sub("", _QUOTES.sub("", text)).split())
