"""The dumps of a run: folders and patterns as the files that they stand for, all of one wiki."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

from cofee_dist.corpus.dump import read_site
from cofee_dist.corpus.dump_location import expand_url, is_url, one_name
from cofee_dist.corpus.titles import SiteInfo
from cofee_dist.errors import UserError

_DUMP_NAME = re.compile(r".*\.xml(?:-p\d+p\d+)?(?:\.bz2|\.gz)?", re.IGNORECASE)
#: Which files ``cofee download`` leaves beside a dump, and those that are published beside it.
_BESIDE_A_DUMP = re.compile(r"\..*|.*\.partial(?:\.json)?|.*\.damaged|.*-index\d*\.txt.*|.*sums\.txt|.*\.json")


def list_dumps(dumps: Sequence[str]) -> list[str]:
    """Files as they are given; in place of a folder or a pattern (``*``, ``?``, ``[…]``) what it holds, by name.

    Of a folder these are its files named .xml or .xml-p1p99, with .bz2 or .gz behind it or not. Indexes of multistream
    dumps and what downloads leave are never taken.

    Raises:
        UserError: where no dump is given, a folder or a pattern holds none, or a file is given twice.
    """
    if not dumps:
        raise UserError("no dump is given", where="corpus.dumps", fix="--set 'corpus.dumps=[path/to/dump.xml.bz2]'")
    paths = [path for given in dumps for path in _expanded(given)]
    if repeated := [path for path, times in Counter(map(one_name, paths)).items() if times > 1]:
        raise UserError("a dump is given twice", where=", ".join(repeated), fix="list each dump once in corpus.dumps")
    return paths


def read_sites(paths: Iterable[str]) -> dict[str, SiteInfo]:
    """What the heads of dumps say of their wiki, which is the same of all: a page's id tells it from others of it.

    Raises:
        UserError: as ``read_site``, and where two dumps are of different wikis.
    """
    sites = {path: read_site(path) for path in paths}
    for (one, its), (other, others) in combinations(sites.items(), 2):
        by_name = bool(its.dbname and others.dbname)
        name, other_name = (its.dbname, others.dbname) if by_name else (its.language, others.language)
        if name != other_name:
            raise UserError(
                f"the dumps are of two wikis, {name} and {other_name}, whose pages would be taken for each other's",
                where=f"{one}, {other}",
                fix="build them as two runs, each with the dumps of one wiki in corpus.dumps",
            )
    return sites


def _expanded(given: str) -> list[str]:
    found = expand_url(given) if is_url(given) else _expand_local(given.removeprefix("file://"))
    if found is None:
        return [given]
    names = [path for path in sorted(found) if not _BESIDE_A_DUMP.fullmatch(path.rpartition("/")[2])]
    if not glob.has_magic(given):
        names = [path for path in names if _DUMP_NAME.fullmatch(path)]
    if not names:
        raise UserError(
            "there is no dump in it", where=given, fix="name a folder of *.xml.bz2 files, or the files themselves"
        )
    return names


def _expand_local(given: str) -> list[str] | None:
    """The files in a folder or of a pattern; None for a path that is neither."""
    path = Path(given)
    if path.is_dir():
        return [str(file) for file in path.iterdir() if file.is_file()]
    if glob.has_magic(given) and not path.exists():
        return [file for file in glob.glob(given) if Path(file).is_file()]
    return None
