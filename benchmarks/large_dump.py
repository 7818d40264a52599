"""A large dump out of a small one: its pages again under new ids and titles, as a multistream with its index."""

from __future__ import annotations

import bz2
import re
from collections.abc import Iterator
from pathlib import Path

from cofee_dist.artifacts import read_json, write_json

_PAGES_PER_STREAM = 100
_PAGE = re.compile(rb"[ \t]*<page>.*?</page>\n", re.DOTALL)
_TITLE = re.compile(rb"<title>(.*?)</title>")
_FULL_STOP = re.compile(rb"\.(?=\s)")
_ID = re.compile(rb"<id>(\d+)</id>")


def large_dump(source: Path, folder: Path, megabytes: int) -> Path:
    """The dump, made unless it is there; at least ``megabytes`` (10^6 bytes) of XML.

    Links lead to the titles of the first copy. Later copies have the copy's number before each full stop, so that
    their sentences do not fall out as duplicates.
    """
    path = folder / f"{source.name.split('.')[0]}-{megabytes}mb-pages-articles-multistream.xml.bz2"
    made = path.with_suffix(".json")
    wanted = {"source": source.stat().st_size, "megabytes": megabytes, "full_stops": "all"}
    if made.exists() and read_json(made) == wanted:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    xml = bz2.decompress(source.read_bytes())
    head = xml[: xml.index(b"<page>")].rstrip(b" \t")
    pages = _PAGE.findall(xml)
    index: list[bytes] = []
    with path.open("wb") as file:
        file.write(bz2.compress(head))
        stream: list[bytes] = []
        for page_id, title, page in _copies(pages, megabytes * 10**6):
            index.append(b"%d:%d:%s" % (file.tell(), page_id, title))
            stream.append(page)
            if len(stream) == _PAGES_PER_STREAM:
                file.write(bz2.compress(b"".join(stream)))
                stream.clear()
        file.write(bz2.compress(b"".join(stream) + b"</mediawiki>\n"))
    index_name = path.name.replace("-multistream", "-multistream-index").replace(".xml", ".txt")
    (folder / index_name).write_bytes(bz2.compress(b"\n".join(index) + b"\n"))
    write_json(made, wanted)
    return path


def _copies(pages: list[bytes], wanted: int) -> Iterator[tuple[int, bytes, bytes]]:
    size = number = copy = 0
    while size < wanted:
        for page in pages:
            number += 1
            if copy:
                page = _renamed(page, number, copy)
            found = _TITLE.search(page)
            size += len(page)
            yield number, found[1] if found else b"", page
            if size >= wanted:
                return
        copy += 1


def _renamed(page: bytes, number: int, copy: int) -> bytes:
    mark = b" %d" % copy
    page = _TITLE.sub(lambda found: b"<title>" + found[1] + mark + b"</title>", page, count=1)
    page = _ID.sub(b"<id>%d</id>" % number, page, count=1)
    return _FULL_STOP.sub(b" (%d)." % copy, page)
