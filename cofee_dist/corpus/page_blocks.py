"""Where the pages of a dump begin and end, in a window of bounded size that moves over its text.

XML escapes text, so that ``<page>`` and ``</page>`` occur nowhere but around pages: looking for these two is all the
parsing that a dump needs. No XML parser runs over it, so no entity that its head declares is ever expanded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cofee_dist.config import Corpus
from cofee_dist.corpus.bz2_blocks import Damage
from cofee_dist.corpus.dump_location import dump_size
from cofee_dist.corpus.streams import Split, truncated, utf8_pieces

__all__ = ["MAX_PAGE_BYTES", "Unread", "page_blocks"]

#: MediaWiki saves no page of more than 2 MiB, and XML escapes one byte as six at most (``"`` as ``&quot;``), so that
#: every page of one revision fits.
MAX_PAGE_BYTES: int = Corpus.model_fields["max_page_bytes"].default

_OPEN, _CLOSE, _END = b"<page>", b"</page>", b"</mediawiki>"
_KEPT_TAIL_BYTES = 64
_HEAD_BYTES = 2**14
_LOOK_BACK_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Unread:
    """A page that is not handed on: its first bytes, and why."""

    head: bytes
    reason: str
    detail: str


def page_blocks(
    split: Split, max_page_bytes: int = MAX_PAGE_BYTES, keep_truncated: bool = False
) -> Iterator[bytes | Unread | Damage]:
    """The bytes from ``<page>`` to ``</page>`` of each page whose tag begins in the split; damage in its place.

    Of a page of more than ``max_page_bytes`` no more than that and one piece is ever held. A page that has no end
    before the next one begins costs itself, as does with ``keep_truncated`` the page in which a dump ends.

    Raises:
        UserError: where the file ends without ``</mediawiki>``, unless ``keep_truncated`` or where damage ends it.
    """
    window, size = _Window(max_page_bytes), dump_size(split.path)
    for piece in utf8_pieces(split, keep_truncated):
        if not piece.inside and window.limit is None:
            window.limit = len(window.text)
        if piece.damage is not None:
            if not piece.inside:
                return
            yield piece.damage
            window = _Window(max_page_bytes, closed=window.closed or piece.damage.end >= size)
            continue
        window.text += piece.text
        yield from window.pages()
        if window.done:
            return
    if keep_truncated:
        yield from window.cut_off()
    elif window.is_open or not (window.closed or (split.start and _is_closed(split))):
        raise truncated(split.path, "it ends without </mediawiki>")


def _is_closed(split: Split) -> bool:
    """Whether ``</mediawiki>`` is the last tag of the file, in which the split may begin, or behind it.

    Read from ever further before the split, until a tag is found.
    """
    start, step = split.start, _LOOK_BACK_BYTES
    while start:
        start, step = max(0, start - step), 2 * step
        if last := _last_tag(Split(split.path, start, split.end)):
            return last == _END
    return False


def _last_tag(split: Split) -> bytes | None:
    """The last that the text from the split on has; damage that ends the file stands for the end."""
    size = dump_size(split.path)
    tail, last = b"", None
    for piece in utf8_pieces(split):
        if piece.damage is not None and piece.damage.end >= size:
            return _END
        text = tail + piece.text
        at, tag = max((text.rfind(tag), tag) for tag in (_OPEN, _CLOSE, _END))
        last = tag if at >= 0 else last
        tail = text[1 - len(_END) :]
    return last


class _Window:
    """The part of the text that is held: from the tag of the page that is open, if one is."""

    def __init__(self, max_page_bytes: int, closed: bool = False) -> None:
        self.text = bytearray()
        self.limit: int | None = None  # where in the text the split ends
        self.closed = closed  # whether </mediawiki> was seen, or cannot be
        self.done = False  # whether no page of the split is still to come
        self._max = max_page_bytes
        self._open = self._skipping = False
        self._searched = 0  # no tag ends before here, but for that of the open page

    def pages(self) -> Iterator[bytes | Unread]:
        """What can be said of pages by the text so far."""
        while not self.done and self._found_open():
            # The next page first: then nothing is searched twice, however many pages have no end.
            following = self.text.find(_OPEN, self._searched)
            close = self.text.find(_CLOSE, self._searched, following if following >= 0 else len(self.text))
            if close >= 0:
                end = close + len(_CLOSE)
                if not self._skipping:
                    yield bytes(memoryview(self.text)[:end]) if end <= self._max else self._unread(end)
                self._drop(end)
                self._open = False
            elif following >= 0:
                if not self._skipping:
                    yield self._unread(following, "no </page>")
                self._drop(following)
                self._open = False
            else:
                if not self._skipping and len(self.text) > self._max:
                    yield self._unread(len(self.text))
                    self._skipping = True
                self._wait()
                return

    @property
    def is_open(self) -> bool:
        """Whether a page has begun that has not ended."""
        return self._open

    def cut_off(self) -> Iterator[Unread]:
        """The page that is open where the text ends."""
        if self.is_open and not self._skipping:
            yield Unread(bytes(self.text[:_HEAD_BYTES]), "truncated", "the dump ends in the middle of this page")

    def _found_open(self) -> bool:
        """Whether the text begins with a page's tag, now that what lies before it is dropped."""
        if self._open:
            return True
        start = self.text.find(_OPEN)
        if start >= 0:
            self.done = self.limit is not None and start >= self.limit
            self._drop(start)
            self._open, self._skipping, self._searched = True, False, len(_OPEN)
            return not self.done
        self.closed = self.closed or _END in self.text
        # No tag that is still to come can begin before the limit.
        self.done = self.limit is not None and len(self.text) - len(_OPEN) >= self.limit
        self._drop(max(0, len(self.text) - _KEPT_TAIL_BYTES))
        return False

    def _wait(self) -> None:
        """For the end of the open page, of which nothing is kept if it is too large."""
        behind = max(len(self.text) - len(_CLOSE) + 1, 0)
        if self._skipping:
            self.done = self.limit is not None and self.limit <= behind
            self._drop(behind)
            self._searched = 0
        else:
            self._searched = max(behind, len(_OPEN))

    def _drop(self, size: int) -> None:
        del self.text[:size]
        self.limit = None if self.limit is None else self.limit - size

    def _unread(self, size: int, fault: str = "") -> Unread:
        """By its size alone, since where a page is cut into pieces must not decide what is said of it."""
        head = bytes(self.text[: min(size, _HEAD_BYTES)])
        if size > self._max:
            return Unread(head, "too_large", f"more than {self._max:,} bytes of XML")
        return Unread(head, "malformed_page", fault)
