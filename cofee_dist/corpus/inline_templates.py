"""Templates that carry running text, by language: what each of them leaves in the line in which it stands."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from cofee_dist.config import Corpus
from cofee_dist.corpus.disambiguation import disambiguation_templates
from cofee_dist.corpus.titles import TEMPLATE, SiteInfo

Key = int | str


class Inline(NamedTuple):
    """What a template leaves: of ``parameters`` the first that is not empty, or nothing for the number 0.

    A parameter is a number (from 1; -1 is the last) or a name. As ``link`` it leads to an article, and the first of
    ``shown`` that is not empty, else the same, is its surface. ``unit`` is a number and its unit, ``words`` the first
    three parameters with spaces between them (a date); ``disambiguation`` leaves nothing, but says what the page is.
    """

    parameters: tuple[Key, ...] = (1,)
    kind: Literal["text", "link", "unit", "words", "disambiguation"] = "text"
    shown: tuple[Key, ...] = ()


_FIRST, _SECOND, _LAST = Inline((1,)), Inline((2,)), Inline((-1,))
_QUOTE, _FOREIGN = Inline(("text", "quote", 1)), Inline(("text", 2))
_LINK, _UNIT, _WORDS = Inline((1,), "link"), Inline((1,), "unit"), Inline((1,), "words")
_TO_OTHER_WIKIS = Inline((1,), "link", ("lt", "label"))
_NOT_TRANSLATED = Inline((1,), "link", (2,))
_LOCAL_FOREIGN_SHOWN = Inline((1,), "link", (3, "lt"))
_DISAMBIGUATION = Inline((1,), "disambiguation")


def _named(inline: Inline, names: str) -> dict[str, Inline]:
    """One meaning of names that bars separate, written in small letters and with spaces."""
    return {name.strip(): inline for name in names.split("|")}


#: Known to most wikis by their English names.
_ANY = {
    **_named(
        _FIRST,
        "nowrap|nobr|nobreak|no wrap|j|small|smaller|big|larger|nobold|noitalic|abbr|tooltip|sic|visible anchor|vanchor"
        "|sup|sub|smallcaps|sc|as of|lang-zh|nihongo|nihongo2|bdi|em|strong|ruby",
    ),
    **_named(_QUOTE, "quote|blockquote|cquote|bquote|quotation"),
    **_named(_FOREIGN, "lang|langx|rtl-lang"),
    **_named(_SECOND, "script|ship|color|font color"),
    **_named(_LAST, "transl|transliteration|xlit"),
    **_named(_TO_OTHER_WIKIS, "ill|illm|interlanguage link|interlanguage link multi"),
    **_named(_UNIT, "convert|cvt"),
}
_BY_LANGUAGE: dict[str, dict[str, Inline]] = {
    "de": {**_named(_FIRST, '"|polytonisch|sperrschrift|kapitälchen'), "zitat": Inline(("Text", 1))},
    "fr": {
        **_named(_FIRST, "citation|exp|ind|petit|grand|guillemets|japonais|incise"),
        **_named(_SECOND, "langue"),
        "lien": Inline(("fr", 1, "trad"), "link", ("texte", "text")),
        **_named(_UNIT, "unité|unite|nombre"),
        **_named(_WORDS, "date|date-"),
    },
    "es": {**_named(_FIRST, "cita|versalita|esd"), **_named(_UNIT, "unidad")},
    "it": {**_named(_FIRST, "citazione|maiuscoletto"), **_named(_UNIT, "m")},
    "pt": {**_named(_FIRST, "citação"), **_named(_UNIT, "fmtn"), **_named(_LINK, "lknb")},
    "nl": _named(_FIRST, "citaat"),
    "pl": {**_named(_FIRST, "cytat"), **_named(_LINK, "link-interwiki")},
    "ru": {
        **_named(_FIRST, "нет переноса|нобр|s|цитата|кавычки|comment|подсказка|капитель|нихонго"),
        **_named(_NOT_TRANSLATED, "не переведено|не переведено 2|не переведено 3|не переведено 5|нп|нп2|нп3|нп5"),
    },
    "uk": {**_named(_FIRST, "s|цитата|comment"), **_named(_NOT_TRANSLATED, "не перекладено|нп|нп5")},
    "bg": _named(_FIRST, "цитат"),
    "zh": {
        **_named(_LOCAL_FOREIGN_SHOWN, "le|ilh"),
        **_named(Inline((3,), "link", (4,)), "tsl|translink"),
        **_named(_TO_OTHER_WIKIS, "跨语言链接|跨語言連結|跨語言鏈接"),
        **_named(_FIRST, "僻字|專名|专名|書名|书名"),
    },
    "ja": {**_named(_FIRST, "読み仮名|読み仮名 ruby非使用|ルビ|補助漢字フォント|補足|by"), "仮リンク": _TO_OTHER_WIKIS},
    "ko": {**_named(_FIRST, "한자|낫표|작게"), **_named(_SECOND, "llang"), **_named(_LINK, "임시링크")},
}
_BY_LANGUAGE |= dict.fromkeys(("zh-yue", "yue", "gan", "wuu"), _BY_LANGUAGE["zh"])
#: What one wiki has, but others copy with its articles.
_COPIED = {name: _BY_LANGUAGE["zh"][name] for name in ("le", "tsl")} | {"仮リンク": _TO_OTHER_WIKIS}
#: Names of which only the beginning is fixed: ``{{lang-de|…}}``.
_PREFIXES = {"lang-": _FIRST, "link-": _LOCAL_FOREIGN_SHOWN, "internal link helper": _LOCAL_FOREIGN_SHOWN}


class InlineTemplates:
    """The table of one wiki: its language's, and what a config adds or takes away (parameter 0)."""

    def __init__(self, site: SiteInfo, more: Mapping[str, Inline] | None = None) -> None:
        language = site.language
        own = _BY_LANGUAGE.get(language, _BY_LANGUAGE.get(language.partition("-")[0], {}))
        added = {template_name(name): inline for name, inline in (more or {}).items()}
        marks = dict.fromkeys(disambiguation_templates(language), _DISAMBIGUATION)
        self._table = marks | _ANY | _COPIED | own | added
        self._namespace = {name for name, key in site.namespaces.items() if key == TEMPLATE}
        #: What the template of that name, as it is written, leaves; None for one that is dropped.
        self.find = lru_cache(maxsize=2**12)(self._find)

    def _find(self, name: str) -> Inline | None:
        key = template_name(name)
        prefix, colon, rest = key.partition(":")
        if colon and prefix.rstrip().casefold() in self._namespace:
            key = rest.lstrip()
        found = self._table.get(key)
        if found is None:
            found = next((inline for start, inline in _PREFIXES.items() if key.startswith(start)), None)
        return found if found is not None and 0 not in found.parameters else None


def inline_of(config: Corpus) -> dict[str, Inline]:
    """What a config adds to the table."""
    given = config.inline_templates.items()
    marks = dict.fromkeys(config.disambiguation_templates, _DISAMBIGUATION)
    return marks | {name: Inline(rule.parameter, "link" if rule.link else "text", rule.shown) for name, rule in given}


def template_name(name: str) -> str:
    """A template's name in the form of the tables."""
    return name.strip().replace("_", " ").lower()
