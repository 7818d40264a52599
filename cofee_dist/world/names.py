"""Invented names: syllables put together by a small grammar, with endings that tell a kind only in part."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

#: An ending of its own kind, an ending of any kind, or none: so a name is a weak cue of what it names.
OWN_ENDING_SHARE = 0.45
ANY_ENDING_SHARE = 0.30

# fmt: off
_ONSETS = ("b", "br", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kl", "kr", "l", "m", "n", "p", "pr", "r", "s",
           "sk", "st", "t", "tr", "v", "w", "z")
# fmt: on
_VOWELS = ("a", "a", "e", "e", "i", "i", "o", "o", "u", "u", "ae", "ei")
_MIDDLE_CODAS = ("", "", "", "l", "n", "r")
_FINAL_CODAS = ("", "", "l", "n", "r", "s", "k", "m", "nd", "rk", "lt", "th")

#: Endings that names of a kind often have. Persons of different kinds come from different parts of the country.
ENDINGS: dict[str, tuple[str, ...]] = {
    "footballer": ("inho", "etti", "ov", "sen"),
    "politician": ("mann", "sen", "escu", "well"),
    "painter": ("elli", "escu", "aud", "inho"),
    "scientist": ("ius", "mann", "ov", "aud"),
    "city": ("ford", "gard", "wick", "burg"),
    "river": ("une", "wen", "esk", "ford"),
    "mountain": ("horn", "fell", "gard", "tind"),
    "island": ("oy", "holm", "wick", "esk"),
    "club": ("ia", "ona", "ex", "holm"),
    "company": ("ex", "tron", "co", "well"),
    "university": ("um", "eum", "burg", "ia"),
    "party": ("ist", "eum", "una", "tron"),
}
_ALL_ENDINGS = tuple(sorted({ending for endings in ENDINGS.values() for ending in endings}))


class NameMaker:
    """Draws names that it has not given before."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._taken: set[str] = set()
        self.given_names = [self._fresh(lambda: self._stem(2)) for _ in range(60)]

    def name(self, kind: str) -> str:
        """A new one-word name for an item of a kind."""
        return self._fresh(lambda: self._stem(self._rng.choice((1, 1, 1, 2))) + self._ending(kind))

    def plain(self) -> str:
        """A new one-word name without a cue (for prizes, cups, battles)."""
        return self._fresh(lambda: self._stem(2))

    def _ending(self, kind: str) -> str:
        draw = self._rng.random()
        if draw < OWN_ENDING_SHARE:
            return self._rng.choice(ENDINGS[kind])
        if draw < OWN_ENDING_SHARE + ANY_ENDING_SHARE:
            return self._rng.choice(_ALL_ENDINGS)
        return self._syllable(_FINAL_CODAS)

    def _stem(self, syllables: int) -> str:
        codas = [_MIDDLE_CODAS] * (syllables - 1) + [_FINAL_CODAS]
        return "".join(map(self._syllable, codas)).capitalize()

    def _syllable(self, codas: Sequence[str]) -> str:
        return self._rng.choice(_ONSETS) + self._rng.choice(_VOWELS) + self._rng.choice(codas)

    def _fresh(self, draw: Callable[[], str]) -> str:
        while (name := draw()) in self._taken or len(name) < 4:
            pass
        self._taken.add(name)
        return name
