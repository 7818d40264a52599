"""What MediaWiki knows of a language: names of namespaces, and how far a link's surface reaches to its right."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

#: Of a language that has none of its own: letters that join a link from the right (``[[bus]]es``).
DEFAULT_TRAIL = "[a-z]*+"


class WikiLanguage(NamedTuple):
    """``trail`` is the pattern of a link's trail; ``namespaces`` maps casefolded names to keys.

    The names are all that MediaWiki's message file gives, old ones too: a dump's head has only a namespace's main name.
    """

    trail: str = DEFAULT_TRAIL
    namespaces: tuple[tuple[str, int], ...] = ()


@cache
def wiki_language(language: str) -> WikiLanguage:
    """A wiki's language by its code; of an unknown one no more than every wiki has."""
    lines = _lines()
    line = lines.get(language, lines.get(language.partition("-")[0]))
    if line is None:
        return WikiLanguage()
    trail, _, names = line.partition("\t")
    pairs = (name.partition("=") for name in names.split("|") if name)
    return WikiLanguage(trail, tuple((name.casefold(), int(key)) for key, _, name in pairs))


@cache
def _lines() -> dict[str, str]:
    """Language to the rest of its line; ``scripts/wiki_languages.py`` writes the file."""
    text = resources.files("cofee_dist.corpus").joinpath("wiki_languages.tsv").read_text(encoding="utf-8")
    lines = (line.partition("\t") for line in text.splitlines())
    return {language: rest for language, _, rest in lines}
