"""HTTP as downloads need it: what may pass is tried again after a while, what will not is told in a line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import InvalidHeader, MaxRetryError
from urllib3.util import Retry

from cofee_dist import __version__

#: Waits of 0, 2, 4, … 60 s with up to a second of jitter: some two minutes before a mirror is given up.
RETRY = Retry(total=7, backoff_factor=1, backoff_max=60, backoff_jitter=1)

_TIMEOUT_SECONDS = (20, 60)
_LONGEST_WAIT_SECONDS = 600
_NO_SUCH_PAGE = (404, 410)
_RANGE_NOT_SATISFIABLE = 416
_TOO_MANY_REQUESTS = 429
_T = TypeVar("_T")


class Unreachable(Exception):
    """A server that does not give what it is asked for, after all tries; ``status`` is its last answer's, if any."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class CutOff(requests.ConnectionError):
    """A body that ended before it was whole; tried again like a lost connection."""


class Web:
    """One session. ``waiting`` is told before each wait why (host and reason), and for how many seconds."""

    def __init__(
        self,
        contact: str | None = None,
        retry: Retry = RETRY,
        sleep: Callable[[float], None] = time.sleep,
        waiting: Callable[[str, float], None] = lambda reason, seconds: None,
    ) -> None:
        self._session = requests.Session()
        # The form that Wikimedia's User-Agent policy asks for; it blocks a library's bare name.
        about = contact or "named-entity recognition; no contact given"
        self._session.headers["User-Agent"] = (
            f"CoFEE-dist/{__version__} ({about}) {requests.utils.default_user_agent()}"
        )
        # Ranges and lengths must count the file's own bytes.
        self._session.headers["Accept-Encoding"] = "identity"
        self._retry, self._sleep, self._waiting = retry, sleep, waiting

    def text(self, url: str) -> str | None:
        """What a page says, or None if there is no such page.

        Raises:
            Unreachable: if the server cannot be reached, or refuses.
        """

        def once() -> str:
            with self.open(url) as response:
                return response.content.decode("utf-8", "replace")

        try:
            return self.persist(url, once)
        except Unreachable as error:
            if error.status in _NO_SUCH_PAGE:
                return None
            raise

    def size_bytes(self, url: str) -> int | None:
        """The size that a file's header tells; None if it does not.

        Raises:
            Unreachable: if the server cannot be reached, or has no such file.
        """

        def once() -> int | None:
            with self.open(url, method="HEAD") as response:
                told = response.headers.get("Content-Length", "")
                return int(told) if told.isdecimal() else None

        return self.persist(url, once)

    @contextmanager
    def open(self, url: str, headers: dict[str, str] | None = None, method: str = "GET") -> Iterator[requests.Response]:
        """The answer to one request, its body not yet read; for use within ``persist``, which sees to its errors."""
        with self._session.request(
            method, url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS, allow_redirects=True
        ) as response:
            if response.status_code != _RANGE_NOT_SATISFIABLE:
                response.raise_for_status()
            yield response

    def persist(self, url: str, once: Callable[[], _T], reached: Callable[[], int] = lambda: 0) -> _T:
        """Call ``once`` until it succeeds; tries are counted anew whenever ``reached`` is further than ever before.

        Lost connections, 429 and 5xx are tried again, after ``Retry-After`` or a wait that doubles.

        Raises:
            Unreachable: for any other error, after the last try, and if the server asks to wait over ten minutes.
        """
        retry, furthest = self._retry, reached()
        while True:
            try:
                return once()
            except requests.RequestException as error:
                if (now := reached()) > furthest:
                    retry, furthest = self._retry, now
                status = error.response.status_code if error.response is not None else None
                gone = Unreachable(_reason(error), status)
                if not _may_pass(error, status):
                    raise gone from error
                try:
                    retry = retry.increment("GET", url, error=error)
                except MaxRetryError:
                    raise gone from error
                seconds = _asked_seconds(retry, error.response)
                if seconds is None:
                    seconds = retry.get_backoff_time()
                elif seconds > _LONGEST_WAIT_SECONDS:
                    raise Unreachable(f"{gone}; it asks to wait {seconds:,.0f} s", status) from error
                self._waiting(f"{urlsplit(url).netloc}: {gone}", seconds)
                self._sleep(seconds)


def what_to_do(failures: Sequence[str], otherwise: str) -> str:
    """Advice on why servers failed: who is refused for not saying who asks can mend that."""
    if any(": 403 " in failure for failure in failures):
        return "give --contact with your e-mail address: Wikimedia refuses programs that do not say who runs them"
    return otherwise


def _may_pass(error: requests.RequestException, status: int | None) -> bool:
    if status is not None:
        return status == _TOO_MANY_REQUESTS or status >= 500
    lost = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, lost) and not isinstance(error, requests.exceptions.SSLError)


def _asked_seconds(retry: Retry, response: requests.Response | None) -> float | None:
    """The wait that ``Retry-After`` asks for, in seconds or by a date."""
    if response is None:
        return None
    try:
        return retry.get_retry_after(response.raw)
    except InvalidHeader:
        return None


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return f"no secure connection ({error})"
    if isinstance(error, CutOff):
        return str(error)
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut"
    return "no connection" if isinstance(error, requests.ConnectionError) else str(error)
