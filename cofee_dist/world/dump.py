"""Pages -> a MediaWiki export (0.11) in multistream bz2, as Wikimedia publishes them."""

from __future__ import annotations

import bz2
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

_NAMESPACES = {
    -2: "Media",
    -1: "Special",
    0: "",
    1: "Talk",
    2: "User",
    3: "User talk",
    4: "Project",
    5: "Project talk",
    6: "File",
    7: "File talk",
    8: "MediaWiki",
    9: "MediaWiki talk",
    10: "Template",
    11: "Template talk",
    12: "Help",
    13: "Help talk",
    14: "Category",
    15: "Category talk",
    828: "Module",
    829: "Module talk",
}

_EXPORT = "http://www.mediawiki.org/xml/export-0.11/"


@dataclass(frozen=True)
class Page:
    """A page with one revision. ``redirect`` is the target's title; ``text`` is wikitext."""

    id: int
    title: str
    text: str
    namespace: int = 0
    redirect: str | None = None
    model: str = "wikitext"


def header() -> str:
    """What stands before the first page."""
    names = "\n".join(
        f'      <namespace key="{key}" case="first-letter"' + (f">{name}</namespace>" if name else " />")
        for key, name in _NAMESPACES.items()
    )
    return f"""\
<mediawiki xmlns="{_EXPORT}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="{_EXPORT} http://www.mediawiki.org/xml/export-0.11.xsd" version="0.11" xml:lang="en">
  <siteinfo>
    <sitename>Quickstart wiki</sitename>
    <dbname>quickstartwiki</dbname>
    <base>https://wiki.example.org/wiki/Main_Page</base>
    <generator>cofee quickstart</generator>
    <case>first-letter</case>
    <namespaces>
{names}
    </namespaces>
  </siteinfo>
"""


def page_xml(page: Page) -> str:
    """A ``page`` element, indented as MediaWiki does it."""
    encoded = page.text.encode()
    redirect = f"\n    <redirect title={quoteattr(page.redirect)} />" if page.redirect else ""
    digest = _base36_sha1(encoded)
    kind = "text/plain" if page.model == "Scribunto" else "text/x-wiki"
    return f"""\
  <page>
    <title>{escape(page.title)}</title>
    <ns>{page.namespace}</ns>
    <id>{page.id}</id>{redirect}
    <revision>
      <id>{page.id + 100_000}</id>
      <parentid>{page.id + 50_000}</parentid>
      <timestamp>2024-05-{page.id % 28 + 1:02d}T12:00:00Z</timestamp>
      <contributor>
        <username>Editor {page.id % 7}</username>
        <id>{page.id % 7 + 1}</id>
      </contributor>
      <minor />
      <comment>/* History */ copy-edit &amp; links</comment>
      <origin>{page.id + 100_000}</origin>
      <model>{page.model}</model>
      <format>{kind}</format>
      <text bytes="{len(encoded)}" sha1="{digest}" xml:space="preserve">{escape(page.text)}</text>
      <sha1>{digest}</sha1>
    </revision>
  </page>
"""


def streams(pages: Sequence[Page], pages_per_stream: int) -> Iterator[str]:
    """The dump's text, cut where streams begin: header, pages, footer."""
    yield header()
    for first in range(0, len(pages), pages_per_stream):
        yield "".join(page_xml(page) for page in pages[first : first + pages_per_stream])
    yield "</mediawiki>\n"


def write_dump(path: Path, pages: Sequence[Page], pages_per_stream: int = 100) -> None:
    """Write a multistream dump: each stream is a bz2 file of its own, together they are one."""
    with path.open("wb") as file:
        for stream in streams(pages, pages_per_stream):
            file.write(bz2.compress(stream.encode()))


def _base36_sha1(data: bytes) -> str:
    """MediaWiki's spelling of a SHA-1: base 36, 31 digits."""
    number, digits = int.from_bytes(hashlib.sha1(data).digest(), "big"), ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits.rjust(31, "0")
