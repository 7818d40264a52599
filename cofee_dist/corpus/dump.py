"""Pages of a MediaWiki XML dump, in constant memory, from the whole file or from one of its splits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cofee_dist.corpus.bz2_blocks import Damage
from cofee_dist.corpus.dump_location import dump_size
from cofee_dist.corpus.page_blocks import MAX_PAGE_BYTES, Unread, page_blocks
from cofee_dist.corpus.splits import splits
from cofee_dist.corpus.streams import Split, damaged, utf8_pieces
from cofee_dist.corpus.titles import REDIRECT_WORDS, SiteInfo, site_info
from cofee_dist.errors import UserError

__all__ = ["DAMAGED", "BadPage", "Page", "SiteInfo", "Split", "read_pages", "read_site", "splits"]

#: The reason of a ``BadPage`` that stands for a damaged place of the file.
DAMAGED = "damaged_stream"

_OPEN, _END, _SITE_END = b"<page>", b"</mediawiki>", b"</siteinfo>"
_MAX_HEAD_BYTES = 2**20

#: No pattern here takes more than linear time on any text; numbers are no longer than their columns are wide.
_TITLE = re.compile(rb"<title>([^<]*+)</title>")
_NAMESPACE = re.compile(rb"<ns>\s*+(-?\d{1,9})\s*+</ns>")
_ID = re.compile(rb"<id>\s*+(\d{1,18})\s*+</id>")
_REDIRECT = re.compile(rb'<redirect(?:\s++title="([^"<]*+)")?\s*+/?>')
_MODEL = re.compile(rb"<model>\s*+([^<\s]++)\s*+</model>")
_REDIRECT_TEXT = re.compile(rf"\s*+#\s*+(?:{'|'.join(REDIRECT_WORDS)})\s*+(?::\s*+)?\[\[([^\[\]|\n]++)", re.IGNORECASE)
_REDIRECT_LINK = re.compile(r"\s*+#[^\[\n]*+\[\[([^\[\]|\n]++)")

_LANGUAGE = re.compile(r"""<mediawiki\b[^<>]*?\bxml:lang\s*=\s*["']([\w-]+)["']""")
_SITE_NAMESPACE = re.compile(r"<namespace\s([^<>]*+)>([^<]*+)</namespace>")
_NAMESPACE_KEY = re.compile(r"""\bkey\s*+=\s*+["'](-?\d{1,9})["']""")
#: XML's own entities, by what stands between ampersand and semicolon.
_ENTITIES = {b"lt": b"<", b"gt": b">", b"quot": b'"', b"amp": b"&", b"apos": b"'"}
#: Of a page's text as much is resolved at once.
_UNESCAPED_BYTES = 2**18
_NUMERIC_ENTITY = re.compile(rb"#(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,8}))")


@dataclass(frozen=True, slots=True)
class Page:
    """A page's newest revision; ``redirect`` is the title that it leads to, and ``text`` is its wikitext."""

    page_id: int
    revision_id: int
    namespace: int
    title: str
    redirect: str | None
    text: str


@dataclass(frozen=True, slots=True)
class BadPage:
    """A page that could not be read, and why; ``page_id`` is -1 where not even that is known.

    With ``lost_bytes``: no page, but a damaged place of that many bytes in the file, and the pages that lay in it.
    """

    page_id: int
    title: str
    reason: str
    detail: str
    lost_bytes: int = 0


def read_site(path: str | Path) -> SiteInfo:
    """Language, namespaces and case of a dump's wiki, from its head; defaults where it has no ``siteinfo``.

    Raises:
        UserError: for a missing file, one that is not a wiki dump, and one whose very head is damaged.
    """
    head = bytearray()
    for piece in utf8_pieces(Split(str(path), 0, dump_size(path))):
        if piece.damage is not None:
            raise damaged(str(path), piece.damage)
        searched = max(0, len(head) - len(_SITE_END))
        head += piece.text
        if len(head) > _MAX_HEAD_BYTES or any(head.find(tag, searched) >= 0 for tag in (_SITE_END, _OPEN, _END)):
            break
    if b"<mediawiki" not in head:
        is_xml = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
        raise UserError(
            "this is XML, but not a MediaWiki dump" if is_xml else "this is neither XML nor bz2 or gzip of it",
            where=path,
            fix="set corpus.dumps to *-pages-articles*.xml.bz2 files",
        )
    text = head.partition(_OPEN)[0].decode("utf-8", "replace")
    language = _LANGUAGE.search(text)
    keyed = ((_NAMESPACE_KEY.search(attributes), name) for attributes, name in _SITE_NAMESPACE.findall(text))
    names = {unescape(name): int(key[1]) for key, name in keyed if key}
    return site_info(language[1].lower() if language else "en", _between(text, "dbname"), names, _between(text, "case"))


def read_pages(
    split: Split, site: SiteInfo, max_page_bytes: int = MAX_PAGE_BYTES, keep_truncated: bool = False
) -> Iterator[Page | BadPage]:
    """Every page whose tag begins in the split, in the dump's order.

    Damage inside bz2 data costs the pages that begin or end in it, and is told by one BadPage in their place. A page
    of more than ``max_page_bytes`` is a BadPage too, of which no more than that is ever held, and with
    ``keep_truncated`` so is the page in which a dump ends.

    Raises:
        UserError: for a dump that is truncated, unless ``keep_truncated``, and for gzip that is damaged.
    """
    for block in page_blocks(split, max_page_bytes, keep_truncated):
        if isinstance(block, Damage):
            yield _damaged_stream(block, split.path)
        elif isinstance(block, Unread):
            yield BadPage(*_name(block.head), block.reason, block.detail)
        else:
            yield _page(block, site)


def _damaged_stream(damage: Damage, path: str) -> BadPage:
    name = path.rpartition("/")[2]
    detail = f"bytes {damage.start} to {damage.end} of {name} {damage.why}"
    return BadPage(-1, "", DAMAGED, detail, lost_bytes=damage.end - damage.start)


def unescape(text: str) -> str:
    """Resolve XML's own entities."""
    return _unescaped(text.encode("utf-8", "replace")) if "&" in text else text


def _unescaped(data: bytes) -> str:
    """``unescape`` of UTF-8.

    Raises:
        UnicodeDecodeError: for bytes that are no UTF-8.
    """
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        end = data.find(b"&", at + _UNESCAPED_BYTES)
        end = end if end >= 0 else len(data)
        parts.append(_unescaped_part(data[at:end]))
        at = end
    return b"".join(parts).decode("utf-8")


def _unescaped_part(data: bytes) -> bytes:
    """All at once: half the time that replacing each entity takes, but many small objects while it runs."""
    first, *pieces = data.split(b"&")
    parts = [first]
    for piece in pieces:
        name, _, rest = piece.partition(b";")
        character = _ENTITIES.get(name) or _character(name)
        if character is not None and len(name) < len(piece):
            parts += (character, rest)
        else:
            parts += (b"&", piece)
    return b"".join(parts)


def _character(name: bytes) -> bytes | None:
    found = _NUMERIC_ENTITY.fullmatch(name)
    if found is None:
        return None
    code = int(found[1], 16) if found[1] else int(found[2])
    is_character = code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return (chr(code) if is_character else "\ufffd").encode()


def _between(text: str, element: str) -> str:
    found = re.search(rf"<{element}>([^<]*)</{element}>", text)
    return unescape(found[1]).strip() if found else ""


def _name(head: bytes) -> tuple[int, str]:
    """Id and title of a page that is not read, as far as its head tells them."""
    head = head.partition(b"<revision>")[0]
    found_id, title = _ID.search(head), _TITLE.search(head)
    return int(found_id[1]) if found_id else -1, unescape(title[1].decode("utf-8", "replace")) if title else ""


def _page(block: bytes, site: SiteInfo) -> Page | BadPage:
    page_id, title = -1, ""
    try:
        revision_at = block.rfind(b"<revision>")
        head = block[: block.find(b"<revision>")] if revision_at >= 0 else block
        found_id, found_title = _ID.search(head), _TITLE.search(head)
        if found_title:
            title = unescape(found_title[1].decode("utf-8"))
        if found_id:
            page_id = int(found_id[1])
        if not (found_id and found_title and revision_at >= 0):
            missing = "id" if not found_id else "title" if not found_title else "revision"
            return BadPage(page_id, title, "malformed_page", f"no <{missing}>")
        revision_id, model, text = _revision(block[revision_at:])
    except UnicodeDecodeError as error:
        return BadPage(page_id, title, "not_utf8", str(error))
    found_namespace = _NAMESPACE.search(head)
    namespace = int(found_namespace[1]) if found_namespace else _namespace_of(title, site)
    if namespace == 0 and model not in (b"wikitext", b""):
        return BadPage(page_id, title, "not_wikitext", model.decode("utf-8", "replace"))
    return Page(page_id, revision_id, namespace, title, _redirect(_REDIRECT.search(head), text), text)


def _revision(revision: bytes) -> tuple[int, bytes, str]:
    """Id, content model and wikitext of the newest revision."""
    text_at = revision.find(b"<text")
    head = revision[:text_at] if text_at >= 0 else revision
    found_id, model = _ID.search(head), _MODEL.search(head)
    text = ""
    tag_end = revision.find(b">", text_at) if text_at >= 0 else -1
    if tag_end >= 0 and revision[tag_end - 1 : tag_end] != b"/":
        close = revision.find(b"</text>", tag_end)
        text = _unescaped(revision[tag_end + 1 : close if close >= 0 else len(revision)])
    return (int(found_id[1]) if found_id else -1), (model[1] if model else b""), text


def _redirect(element: re.Match[bytes] | None, text: str) -> str | None:
    """Dumps before 2010 mark redirects without a title, or not at all: there the text says it."""
    if element is not None and element[1]:
        return unescape(element[1].decode("utf-8", "replace"))
    found = (_REDIRECT_LINK if element is not None else _REDIRECT_TEXT).match(text)
    if found:
        return found[1].strip()
    return "" if element is not None else None


def _namespace_of(title: str, site: SiteInfo) -> int:
    prefix, colon, _ = title.partition(":")
    return site.namespaces.get(prefix.strip().casefold(), 0) if colon else 0
