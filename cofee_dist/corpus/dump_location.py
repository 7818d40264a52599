"""Where a dump or a text lies, on a disk or behind a URL of fsspec: its size, bytes, digest, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import fsspec

from cofee_dist.artifacts import file_digest, fingerprint
from cofee_dist.errors import UserError

FETCH_AGAIN = "fetch the dump again and compare its checksum with the one that is published beside it"


class Source(NamedTuple):
    """How messages call a file, which setting names it, and what to do where it is spoilt."""

    what: str
    name_it: str
    spoilt: str


DUMP = Source("the dump", "set corpus.dumps to *-pages-articles*.xml.bz2 files", FETCH_AGAIN)
TEXT = Source("the text file", "set corpus.texts to files of text or JSONL", "write it again, or leave it out")

_CHECK_ACCESS = "see that the address is right, and that credentials and network are there"
#: The packages that teach fsspec a protocol; it has those for http, memory and more.
_DRIVERS = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "http": "aiohttp requests",
    "https": "aiohttp requests",
    "hdfs": "pyarrow",
    "sftp": "paramiko",
    "smb": "smbprotocol",
}
#: Older names of protocols, which no driver knows: what to write in their place.
_OLDER_NAMES = {"wasb": "abfs", "wasbs": "abfss", "s3n": "s3"}
_HADOOP = "hdfs:// wants Java, Hadoop's libhdfs (HADOOP_HOME) and CLASSPATH=$(hadoop classpath --glob)"
_MAX_SAID = 300  # characters of what a driver says; libhdfs lists a hundred places
#: What is no part of a query, as ``?`` is.
_PATTERN = re.compile(r"[*\[]")
#: What changes when the file does, the best first.
_CONTENT_MARKS = ("ETag", "etag", "md5Hash", "Content-MD5", "content_md5")
_TIME_MARKS = ("Last-Modified", "LastModified", "last_modified", "mtime", "updated", "modified", "created")


def is_url(path: str | Path) -> bool:
    """Whether a dump is fsspec's to open: ``file://`` is not."""
    return "://" in str(path) and not str(path).startswith("file://")


def one_name(path: str | Path) -> str:
    """The same name for the same dump: an absolute path, or the URL."""
    return str(path) if is_url(path) else str(_local(path).resolve())


def dump_size(path: str | Path, source: Source = DUMP) -> int:
    """Bytes of a dump that is there, can be read in parts and is not empty.

    Raises:
        UserError: for any other, and where the protocol's driver, the bucket or the credentials are missing.
    """
    if is_url(path):
        with _told(path, source):
            info = _info(path)
        folder, size = info.get("type") == "directory", info.get("size")
        if not folder and (size is None or info.get("partial") is False):
            raise UserError(
                f"{source.what}'s server does not give parts of a file", where=path, fix="download it first"
            )
    else:
        local = _local(path)
        folder, size = local.is_dir(), local.stat().st_size if local.is_file() else None
        if not folder and size is None:
            raise UserError(f"{source.what} does not exist", where=path, fix=source.name_it)
    if folder:
        raise UserError(f"{source.what} is a folder, not a file", where=path, fix=source.name_it)
    if size == 0:
        raise UserError(f"{source.what} is an empty file", where=path, fix=source.spoilt)
    return int(cast(int, size))


def open_dump(path: str | Path, block_bytes: int | None = None, source: Source = DUMP) -> BinaryIO:
    """A dump or what lies beside it, open for reading; ``block_bytes``: how much of a remote one is fetched at once."""
    if not is_url(path):
        return _local(path).open("rb")
    with _told(path, source):
        filesystem, name = fsspec.core.url_to_fs(str(path))
        return cast(BinaryIO, filesystem.open(name, "rb", block_size=block_bytes))


def read_range(path: str | Path, start: int, end: int) -> bytes:
    """The bytes ``start`` to ``end``, and of a remote dump no others."""
    with open_dump(path, max(1, end - start)) as file, _told(path):
        file.seek(start)
        return file.read(end - start)


def expand_url(url: str) -> list[str] | None:
    """The URLs of the files in a folder, or that a pattern names; None for a URL that is neither."""
    with _told(url):
        filesystem, name = fsspec.core.url_to_fs(url)
        if _PATTERN.search(name):
            found = filesystem.glob(name)
        elif filesystem.isdir(name) and not url.startswith(("http://", "https://")):
            found = [entry["name"] for entry in filesystem.ls(name, detail=True) if entry["type"] == "file"]
        else:
            return None
        if name and url.rstrip("/").endswith(name):  # what stands before it may be a chain of protocols, or a host
            return [url.rstrip("/").removesuffix(name) + str(file) for file in found]
        return [filesystem.unstrip_protocol(file) for file in found]


def dump_exists(path: str | Path) -> bool:
    """Whether a file is there; False too where that cannot be learned."""
    if not is_url(path):
        return _local(path).is_file()
    try:
        filesystem, name = fsspec.core.url_to_fs(str(path))
        return bool(filesystem.isfile(name))
    except Exception:  # each driver has errors of its own
        return False


def dump_digest(path: str | Path, source: Source = DUMP) -> str:
    """Digest of a dump; of a remote one by what its server tells: its size, and its checksum or else its time."""
    if not is_url(path):
        dump_size(path, source)
        return file_digest(_local(path), timed=True)
    with _told(path, source):
        info = _info(path)
        marks = [str(info[mark]) for mark in (*_CONTENT_MARKS, *_TIME_MARKS) if info.get(mark)]
        if not marks:
            filesystem, name = fsspec.core.url_to_fs(str(path))
            marks = [str(filesystem.checksum(name))]
    return fingerprint([info.get("size"), marks[0]])


def _local(path: str | Path) -> Path:
    return Path(str(path).removeprefix("file://"))


def _info(path: str | Path) -> dict[str, Any]:
    filesystem, name = fsspec.core.url_to_fs(str(path))
    return dict(filesystem.info(name))


@contextmanager
def _told(path: str | Path, source: Source = DUMP) -> Iterator[None]:
    """What a driver raises, as something that the user can mend."""
    scheme = str(path).split("://", 1)[0].rsplit("::", 1)[-1]
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(
            f"{source.what} does not exist", where=path, fix=f"{source.name_it}; {_CHECK_ACCESS}"
        ) from error
    except ImportError as error:
        raise _no_driver(path, scheme, f"install what fsspec asks for: {error}") from error
    except PermissionError as error:
        raise UserError(f"{source.what} may not be read", where=path, fix=_CHECK_ACCESS) from error
    except Exception as error:  # each driver has errors of its own
        if "Protocol not known" in str(error):
            if scheme in _DRIVERS or scheme in _OLDER_NAMES:
                raise _no_driver(path, scheme, "") from error
            raise UserError(
                f"{scheme}:// is no protocol that is known", where=path, fix="give a path or a URL of fsspec"
            ) from error
        what = " ".join(str(error).split())[:_MAX_SAID] or type(error).__name__
        fix = f"{_HADOOP}; {_CHECK_ACCESS}" if scheme == "hdfs" else _CHECK_ACCESS
        raise UserError(f"{source.what} cannot be opened: {what}", where=path, fix=fix) from error


def _no_driver(path: str | Path, scheme: str, otherwise: str) -> UserError:
    name = _OLDER_NAMES.get(scheme, scheme)
    driver = _DRIVERS.get(name)
    fix = f"pip install {driver}" if driver else otherwise
    if name != scheme:
        fix = f"write it as {name}://…; {fix}"
    return UserError(f"nothing is installed that reads {scheme}://", where=path, fix=fix)
