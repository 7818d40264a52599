"""Links as mwparserfromhell sees them, each with the place in which it stands: the oracle of ``anchors.py``.

Titles, namespaces and link trails are worked out here once more, in the simplest way, from the dump's head: nothing of
the product is used. Two things that the peer does not do are done for it, by MediaWiki's rules:

- Bold and italics end with their line (``Parser::doQuotes``), so an apostrophe can hide no table and no reference.
  The peer pairs them over any distance: ``skip_style_tags`` leaves them as text.
- A table goes from a line that begins with ``{|`` to one that begins with ``|}``, or to the page's end, whatever is in
  it (``Parser::doTableStuff``). The peer gives a table up that holds a row in HTML which is not closed: its lines are
  looked at again.
"""

from __future__ import annotations

import bz2
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

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


#: Letters of a link's trail (``$linkTrail`` of MediaWiki's message files) in the languages of the dumps at hand.
_TRAILS = {"en": "a-z", "bg": "a-zа-ъьюя", "ltg": "a-zA-ZĀāČčĒēĢģĪīĶķĻļŅņŠšŪūŽž"}
_NAMESPACES = {
    **dict.fromkeys(("file", "image", "media", "category", "attēls"), True),
    **dict.fromkeys(("user", "template", "wikipedia", "wp", "project", "help", "portal", "special", "draft"), False),
    **dict.fromkeys(("mediawiki", "module", "timedtext", "talk"), False),
}
_OTHER_LANGUAGE = re.compile(r"(?:[a-z]{2,3}(?:-[a-z-]+)?|simple):(?! )")
_OTHER_PROJECT = re.compile(
    r"(?:b|bugzilla|c|commons|hdl|d|m|meta|mw|n|q|s|species|v|voy|w|wikt|wiktionary|wikisource)\s*:", re.IGNORECASE
)


class PeerWiki(NamedTuple):
    """A wiki by its dump's head; ``namespaces`` says which names, in small letters, hide a link."""

    own_prefix: str
    namespaces: dict[str, bool]
    trail: re.Pattern[str]

    def target(self, raw: str) -> tuple[str, bool]:
        """The article that a link names, empty where it names none, and whether the link shows nothing."""
        text = html.unescape(raw)
        text = " ".join(_INVISIBLE.sub("", unquote(text) if "%" in text else text).replace("_", " ").split())
        shown, text = text.startswith(":"), text.removeprefix(":").lstrip().removeprefix(self.own_prefix)
        name = text.partition(":")[0].rstrip().lower()
        if ":" in text and (name in self.namespaces or name.endswith(" talk")):
            return "", self.namespaces.get(name, False) and not shown
        if _OTHER_LANGUAGE.match(text) or _OTHER_PROJECT.match(text):
            return "", _OTHER_PROJECT.match(text) is None and not shown
        title = text.partition("#")[0].rstrip()
        capital = title[:1].upper() if len(title[:1].upper()) == 1 else title[:1]
        return ("" if re.search(r"[<>\[\]{}|]", title) else capital + title[1:]), False


def peer_wiki(dump: Path) -> PeerWiki:
    """Read the head of a bz2 dump."""
    with bz2.open(dump) as file:
        data = file.read(2**16)
    head = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "ignore").partition("<page>")[0]
    named = re.findall(r'<namespace key="(-?\d+)"[^>]*>([^<]+)<', head)
    namespaces = _NAMESPACES | {html.unescape(name).lower(): key in ("6", "14", "-2") for key, name in named}
    found = re.search(r'xml:lang="([^"]+)"', head)
    language = found[1] if found else "en"
    return PeerWiki(f"{language}:", namespaces, re.compile(f"[{_TRAILS[language]}]*"))


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


def peer_links(wikitext: str, wiki: PeerWiki, as_mediawiki: bool = True) -> list[PeerLink]:
    """Every article link; without ``as_mediawiki`` as the peer places it, nothing added."""
    import mwparserfromhell

    skeleton: list[str] = []
    nodes = mwparserfromhell.parse(wikitext, skip_style_tags=as_mediawiki).nodes
    found = list(_links(nodes, wiki, RUNNING, skeleton))
    if as_mediawiki:
        _place_in_tables("".join(skeleton), [one for one in found if one.place == RUNNING])
    links = []
    for one in found:
        node = one.node
        target, _ = wiki.target(str(node.title))
        surface = _plain(node.text) if node.text is not None else _plain(node.title).removeprefix(":")
        if target:
            shown = surface + wiki.trail.match(one.following)[0]  # type: ignore[index]
            links.append(PeerLink(shown, target, one.place if surface or one.place != RUNNING else SURFACE))
    return links


def _links(nodes: list[Any], wiki: PeerWiki, place: str, skeleton: list[str]) -> Iterator[_Found]:
    """Links in their order; ``skeleton`` is given the running text with a sign for each link of it."""
    from mwparserfromhell.nodes import Argument, ExternalLink, Heading, Tag, Template, Text, Wikilink

    running = place == RUNNING
    for node, after in zip(nodes, [*nodes[1:], None], strict=False):
        if isinstance(node, Wikilink):
            _, hidden = wiki.target(str(node.title))
            if not hidden:
                yield _Found(node, str(after) if isinstance(after, Text) else "", place)
                if running:
                    skeleton.append(_LINK)
            if node.text is not None:
                inside = ("file or category" if hidden else "text of a link") if running else place
                yield from _links(node.text.nodes, wiki, inside, [])
        elif isinstance(node, Template):
            name = str(node.name).strip().partition("-")[0].lower()
            for parameter in node.params:
                yield from _links(parameter.value.nodes, wiki, f"template {name}" if running else place, [])
        elif isinstance(node, Tag) and node.contents is not None:
            name = str(node.tag).strip().lower()
            inside = _PLACES.get(name, "formula or picture" if name in _HIDING else place) if running else place
            yield from _links(node.contents.nodes, wiki, inside, skeleton)
        elif isinstance(node, Heading):
            yield from _links(node.title.nodes, wiki, "heading" if running else place, [])
        elif isinstance(node, ExternalLink) and node.title is not None:
            yield from _links(node.title.nodes, wiki, place, skeleton)
        elif isinstance(node, Argument) and node.default is not None:
            yield from _links(node.default.nodes, wiki, "parameter" if running else place, [])
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
