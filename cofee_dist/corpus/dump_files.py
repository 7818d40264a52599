"""Which files make up a dump of Wikipedia, and what is published of them: sizes, checksums, paths."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from cofee_dist.corpus.web import Unreachable, Web, what_to_do
from cofee_dist.errors import UserError

WIKIMEDIA = "https://dumps.wikimedia.org"

#: The first makes the numbered parts (the one file of a small wiki), the second one file of the parts, days later.
JOBS = ("articlesmultistreamdump", "articlesmultistreamdumprecombine")

_DIGITS = {"sha1": 40, "md5": 32}
_DATE_LINK = re.compile(r"""href=["'][^"']*?\b(\d{8})/?["']""", re.IGNORECASE)
_SUM_LINE = re.compile(r"([0-9a-fA-F]+)\s+\*?(\S+)")


@dataclass(frozen=True, slots=True)
class DumpFile:
    """A published file; ``path`` is below a mirror's address. ``part`` is 0 for the one file of the whole."""

    name: str
    path: str
    algorithm: str
    checksum: str
    size_bytes: int | None
    is_index: bool
    part: int
    pages: str


@dataclass(frozen=True, slots=True)
class _Published:
    """The files of finished jobs, and of any job that is not finished its name and state."""

    date: str
    files: tuple[DumpFile, ...]
    unfinished: str


def find_files(web: Web, mirrors: Sequence[str], language: str, date: str, parts: Sequence[str] = ()) -> list[DumpFile]:
    """The multistream files of a Wikipedia's dump with their index files, in the order of their pages.

    The first mirror that has the dump is believed, by its ``dumpstatus.json``; without one, by its ``sha1sums.txt`` or
    ``md5sums.txt``. Such a list grows while the dump is made, so it counts only once it names the one file of the
    whole, which is made last.

    ``latest`` is the newest date in a mirror's directory listing all of whose multistream jobs are done. The folder
    ``latest`` is not asked: its links move one by one while a dump is made, and not every mirror has it.

    Args:
        web: The session.
        mirrors: Addresses under which there is a folder for each wiki, in order of preference.
        language: As in Wikipedia's address: en, zh-min-nan, simple.
        date: YYYYMMDD, or ``latest``.
        parts: Numbers of parts, patterns of their names, or ``all``. Without any, the one file is preferred to them.

    Raises:
        UserError: if no mirror has such a dump, it is not finished or has no such part.
    """
    wiki = wiki_name(language)
    if date != "latest" and not re.fullmatch(r"\d{8}", date):
        raise UserError(f"{date!r} is no date of a dump", where="--date", fix="give YYYYMMDD, or latest")
    failures = []
    for mirror in mirrors:
        try:
            published = _latest(web, mirror, wiki) if date == "latest" else _published(web, mirror, wiki, date)
            if isinstance(published, str):
                failures.append(f"{mirror}: {published}")
                continue
            chosen = _chosen(published, wiki, parts)
            return [_with_size(web, mirror, file) for file in chosen]
        except Unreachable as error:
            failures.append(f"{mirror}: {error}")
    raise UserError(
        f"no mirror has a finished dump of {wiki}, {date}",
        where="; ".join(failures),
        fix=what_to_do(failures, f"see {mirrors[0]}/{wiki}/ for its dates, or give --date latest or another --mirror"),
    )


def wiki_name(language: str) -> str:
    """The database of a language's Wikipedia: ``zh-min-nan`` is ``zh_min_nanwiki``.

    Raises:
        UserError: for what cannot be a language's code.
    """
    code = language.lower().replace("-", "_").removesuffix("wiki")
    if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code):
        raise UserError(f"{language!r} is no language of Wikipedia", fix="give its code: en, de, zh, simple")
    return f"{code}wiki"


def _latest(web: Web, mirror: str, wiki: str) -> _Published | str:
    listing = web.text(f"{mirror}/{wiki}/")
    if listing is None:
        return f"has no {wiki}"
    dates = sorted(set(_DATE_LINK.findall(listing)), reverse=True)
    for date in dates:
        published = _published(web, mirror, wiki, date)
        if isinstance(published, _Published) and published.files and not published.unfinished:
            return published
    return f"lists {', '.join(dates) or 'no date'}, none of them finished"


def _published(web: Web, mirror: str, wiki: str, date: str) -> _Published | str:
    """What a mirror has of a dump, or why it has nothing."""
    folder = f"/{wiki}/{date}"
    status = web.text(f"{mirror}{folder}/dumpstatus.json")
    published = _from_status(status, wiki, date) if status is not None else None
    if published is not None:
        return published if published.files else f"not finished ({published.unfinished})"
    for algorithm in _DIGITS:
        sums = web.text(f"{mirror}{folder}/{wiki}-{date}-{algorithm}sums.txt")
        if sums is not None:
            files = tuple(_from_sums(sums, algorithm, wiki, date))
            if any(file.part == 0 and not file.is_index for file in files):
                return _Published(date, files, "")
            return f"not finished (its {algorithm}sums.txt does not name the whole's one file)"
    return "no such dump"


def _from_status(text: str, wiki: str, date: str) -> _Published | None:
    """The files by ``dumpstatus.json``; None if that is not what it should be (a mirror's error page, say)."""
    try:
        listed = json.loads(text)["jobs"]
        jobs = {name: listed[name] for name in JOBS if name in listed and listed[name]["status"] != "skipped"}
        unfinished = [f"{name} is {job['status']}" for name, job in jobs.items() if job["status"] != "done"]
        done = [job for job in jobs.values() if job["status"] == "done"]
        files = []
        for name, entry in ((name, entry) for job in done for name, entry in job["files"].items()):
            algorithm = next(known for known in _DIGITS if known in entry)
            file = _dump_file(name, wiki, date, algorithm, entry[algorithm])
            if file is not None:
                path = "/" + urlsplit(entry.get("url", "")).path.lstrip("/")
                path = path if path.endswith(f"/{name}") else file.path
                files.append(replace(file, path=path, size_bytes=int(entry["size"])))
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return None
    return _Published(date, tuple(files), ", ".join(unfinished) or ("" if files else "no multistream job"))


def _from_sums(text: str, algorithm: str, wiki: str, date: str) -> Iterator[DumpFile]:
    for line in text.splitlines():
        if found := _SUM_LINE.fullmatch(line.strip()):
            file = _dump_file(found[2], wiki, date, algorithm, found[1])
            if file is not None:
                yield file


def _dump_file(name: str, wiki: str, date: str, algorithm: str, checksum: str) -> DumpFile | None:
    """A multistream file by its name, which then is a plain one; None for any other."""
    form = rf"{wiki}-{date}-pages-articles-multistream(-index)?(\d*)\.(?:xml|txt)((?:-p\d+p\d+)?)\.bz2"
    found = re.fullmatch(form, name)
    if found is None:
        return None
    if not re.fullmatch(rf"[0-9a-f]{{{_DIGITS[algorithm]}}}", checksum.lower()):
        raise ValueError(f"not a {algorithm}: {checksum!r}")
    path = f"/{wiki}/{date}/{name}"
    return DumpFile(name, path, algorithm, checksum.lower(), None, bool(found[1]), int(found[2] or 0), found[3])


def _chosen(published: _Published, wiki: str, wanted: Sequence[str]) -> list[DumpFile]:
    """The files of the whole, or of the wanted parts, each text followed by its index."""
    files = sorted(published.files, key=_page_order)
    parts = [file for file in files if file.part]
    if not wanted:
        whole = [file for file in files if not file.part]
        if not whole and published.unfinished:
            raise UserError(
                f"the one file of {wiki}, {published.date} is not made yet",
                where=published.unfinished,
                fix="give --part all to take the parts, or --date latest",
            )
        return whole or parts
    texts = [file for file in parts if not file.is_index]
    chosen: set[tuple[int, str]] = set()
    for part in wanted:
        matching = {(file.part, file.pages) for file in texts if _matches(file, part)}
        if not matching:
            there = ", ".join(str(number) for number in sorted({file.part for file in texts}))
            raise UserError(
                f"{wiki}, {published.date} has no part {part!r}",
                where="--part",
                fix=f"its parts are {there}" if there else "it is one file: leave --part out",
            )
        chosen |= matching
    return [file for file in parts if (file.part, file.pages) in chosen]


def _matches(file: DumpFile, part: str) -> bool:
    return part == "all" or part == str(file.part) or fnmatchcase(file.name, part)


def _page_order(file: DumpFile) -> tuple[int, list[int], bool]:
    return file.part, [int(number) for number in re.findall(r"\d+", file.pages)], file.is_index


def _with_size(web: Web, mirror: str, file: DumpFile) -> DumpFile:
    return file if file.size_bytes is not None else replace(file, size_bytes=web.size_bytes(mirror + file.path))
