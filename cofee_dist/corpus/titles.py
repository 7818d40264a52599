"""Titles as MediaWiki writes them, and what a link's target names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from unicodedata import is_normalized, normalize
from urllib.parse import unquote

from cofee_dist.corpus.wiki_languages import wiki_language

MEDIA, ARTICLE, FILE, TEMPLATE, CATEGORY = -2, 0, 6, 10, 14

#: Names that every wiki understands beside its own.
CANONICAL_NAMESPACES = {
    "media": -2,
    "special": -1,
    "talk": 1,
    "user": 2,
    "user talk": 3,
    "project": 4,
    "project talk": 5,
    "wikipedia": 4,
    "wikipedia talk": 5,
    "wp": 4,
    "file": 6,
    "file talk": 7,
    "image": 6,
    "image talk": 7,
    "mediawiki": 8,
    "mediawiki talk": 9,
    "template": 10,
    "template talk": 11,
    "help": 12,
    "help talk": 13,
    "category": 14,
    "category talk": 15,
    "portal": 100,
    "portal talk": 101,
    "draft": 118,
    "draft talk": 119,
    "timedtext": 710,
    "module": 828,
    "module talk": 829,
}

#: What a redirect begins with behind ``#``, in each language: for old dumps, which do not mark redirects.
_REDIRECT_WORDS = """
    redirect weiterleitung redirection redirección rinvia doorverwijzing przekieruj redirecionamento redirecciona
    redirecció omdirigering ohjaus uudelleenohjaus přesměruj presmeruj átirányítás yönlendirme yönlendİrme alidirektu
    suuna peradresavimas preusmjeri preusmeritev alih đổi redirecteaza ανακατευθυνση перенаправление перенаправлення
    перанакіраванне пренасочване виж преусмери تحويل تغییر_مسیر تغییرمسیر הפניה 重定向 重新導向 転送 リダイレクト
    넘겨주기 เปลี่ยนทาง
"""
REDIRECT_WORDS = tuple(_REDIRECT_WORDS.split())

#: Prefixes of Wikipedias: ``[[de:Titel]]`` links to another language and shows no text.
_LANGUAGE_CODES = """
    aa ab ace ady af ak als alt am ami an ang ann anp ar arc ary arz as ast atj av avk awa ay az azb ba ban bar
    bat-smg bbc bcl bdr be be-tarask be-x-old bew bg bh bi bjn blk bm bn bo bpy br bs btm bug bxr ca cbk-zam cdo ce
    ceb ch cho chr chy ckb co cr crh cs csb cu cv cy da dag de dga din diq dsb dtp dty dv dz ee el eml en eo es et
    eu ext fa fat ff fi fiu-vro fj fo fon fr frp frr fur fy ga gag gan gcr gd gl glk gn gom gor got gpe gsw gu guc
    gur guw gv ha hak haw he hi hif ho hr hsb ht hu hy hyw hz ia iba id ie ig igl ii ik ilo inh io is it iu ja jam
    jbo jv ka kaa kab kbd kbp kcg kg kge ki kj kk kl km kn knc ko koi kr krc ks ksh ku kus kv kw ky la lad lb lbe
    lez lfn lg li lij lld lmo ln lo lrc lt ltg lv lzh mad mai map-bms mdf mg mh mhr mi min mk ml mn mni mnw mo mos
    mr mrj ms mt mus mwl my myv mzn na nah nan nap nds nds-nl ne new ng nia nl nn no nov nqo nr nrm nso nup nv ny oc
    olo om or os pa pag pam pap pcd pcm pdc pfl pi pih pl pms pnb pnt ps pt pwn qu rm rmy rn ro roa-rup roa-tara rsk
    ru rue rw sa sah sat sc scn sco sd se sg sgs sh shi shn si simple sk skr sl sm smn sn so sq sr srn ss st stq su
    sv sw szl szy ta tay tcy tdd te tet tg th ti tig tk tl tly tn to tpi tr trv ts tt tum tw ty tyv udm ug uk ur uz
    ve vec vep vi vls vo vro wa war wo wuu xal xh xmf yi yo yue za zea zgh zh zh-classical zh-cn zh-min-nan zh-tw
    zh-yue zu
"""
LANGUAGE_PREFIXES = frozenset(_LANGUAGE_CODES.split())

#: Prefixes of other projects: the link shows its text, but names no article of this wiki.
_PROJECT_CODES = """
    b betawikiversity bugzilla c chapter cia commons d dmoz doi foundation google gutenberg hdl iarchive imdbname
    imdbtitle incubator ipadic iso639-3 issn m mail mediazilla meta metawiki metawikimedia mw n oeis otrs pmid
    phab phabricator q rfc s sep species ticket toollabs toolserver tools translatewiki usemod v voy w wikia
    wikibooks wikicommons wikidata wikimedia wikimania wikinews wikiquote wikisource wikispecies wikitech
    wikiversity wikivoyage wikt wiktionary wmf wmde
"""
INTERWIKI_PREFIXES = frozenset(_PROJECT_CODES.split())

_SPACES = re.compile(r"[ _\u00a0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_DIRECTION_MARKS = re.compile("[\u200e\u200f\u202a-\u202e]")
#: Beside signs of markup: what would be a path or a signature.
_PATH = r"(?:^|/)\.\.?(?:/|\Z)|~~~"
_ILLEGAL = re.compile(rf"[\x00-\x1f\x7f<>\[\]{{}}|\ufffd]|{_PATH}")
_MAX_TITLE_BYTES = 255
#: Most targets: words with single spaces, and nothing in them that means anything.
_PLAIN_WORD = r"[^ _:#%<>\[\]{}|\x00-\x1f\x7f\u00a0\u1680\u180e\u2000-\u206f\u3000\ufffd]++"
_PLAIN_TITLE = re.compile(f"{_PLAIN_WORD}(?: {_PLAIN_WORD})*+")
_MAX_UTF8_BYTES = 4
_COMMA = re.compile(r"(?:, |，|، )(?=.)")
_COMMA_AFTER_PARENTHESIS = re.compile(rf"\){_COMMA.pattern}")
#: Of these no title begins with the capital that Unicode has for them (``$wgOverrideUcfirstCharacters``).
_GEORGIAN = range(0x10D0, 0x1100)
_WITH_DOTTED_I = frozenset(("tr", "az", "kaa", "gag"))


@dataclass(frozen=True)
class SiteInfo:
    """What a dump says of its wiki.

    ``language`` is an ISO code or a wiki's own (``simple``); ``namespaces`` maps casefolded names and aliases to
    keys; ``case`` is ``first-letter`` (titles begin with a capital) or ``case-sensitive``.
    """

    language: str = "en"
    dbname: str = ""
    namespaces: dict[str, int] = field(default_factory=lambda: dict(CANONICAL_NAMESPACES))
    case: str = "first-letter"


def site_info(language: str, dbname: str = "", names: dict[str, int] | None = None, case: str = "") -> SiteInfo:
    """Site information with the canonical names and the language's added to the dump's own."""
    namespaces = CANONICAL_NAMESPACES | dict(wiki_language(language).namespaces)
    namespaces.update({name.casefold(): key for name, key in (names or {}).items() if name})
    return SiteInfo(language, dbname, namespaces, case or "first-letter")


def with_aliases(site: SiteInfo, aliases: Mapping[str, int | str]) -> SiteInfo:
    """The site with more names of namespaces, each told by its key or by its canonical name in small letters."""
    more = {_SPACES.sub(" ", name).strip().casefold(): key for name, key in aliases.items()}
    keys = {name: CANONICAL_NAMESPACES[key] if isinstance(key, str) else key for name, key in more.items()}
    return replace(site, namespaces=site.namespaces | keys) if keys else site


class Target(NamedTuple):
    """What a link names: ``title`` in ``namespace``; ``prefix`` where it leads to another wiki or language."""

    title: str
    namespace: int = ARTICLE
    prefix: str = ""
    forced: bool = False

    @property
    def is_article(self) -> bool:
        """Whether the link leads to an article of this wiki."""
        return self.namespace == ARTICLE and not self.prefix and self.title != ""

    @property
    def is_hidden(self) -> bool:
        """Whether the link shows nothing where it stands: files, categories, other languages."""
        return not self.forced and (self.namespace in (FILE, CATEGORY) or self.prefix in LANGUAGE_PREFIXES)


class Titles:
    """Normalises link targets for one wiki (MediaWiki's ``Title::newFromText``)."""

    def __init__(self, site: SiteInfo) -> None:
        self.site = site
        self._has_capitals = site.case == "first-letter"
        # What other wikis call this one: its name in the database tells nowiki from nb, simplewiki from en.
        own = site.dbname.removesuffix("wiki") if site.dbname.endswith("wiki") else site.language
        self._own_prefix = own.replace("_", "-")
        self._capital_i = "İ" if site.language in _WITH_DOTTED_I else "I"

    def parse(self, raw: str) -> Target:
        """What ``raw``, the part of a link before its pipe, names; an empty title where it names nothing."""
        if "%" in raw:
            raw = unquote(raw, errors="replace")
        text = _SPACES.sub(" ", raw).strip()
        forced = text.startswith(":")
        if forced:
            text = text[1:].lstrip()
        namespace, prefix = ARTICLE, ""
        head, colon, tail = text.partition(":")
        if colon and head.strip().casefold() == self._own_prefix:
            text = tail.lstrip().removeprefix(":").lstrip()
            head, colon, tail = text.partition(":")
        if colon:
            name = head.strip().casefold()
            if name in self.site.namespaces:
                namespace, text = self.site.namespaces[name], tail.lstrip()
            elif name in LANGUAGE_PREFIXES or name in INTERWIKI_PREFIXES:
                prefix, text = name, tail.lstrip()
        return Target(self._title(text), namespace, prefix, forced)

    def plain(self, raw: str) -> str | None:
        """The title that ``parse`` gives for a target with nothing special in it, as most are; None for any other."""
        if len(raw) > _MAX_TITLE_BYTES // _MAX_UTF8_BYTES or not _PLAIN_TITLE.fullmatch(raw) or _ILLEGAL.search(raw):
            return None
        return self._first_letter(raw) if raw.isascii() or is_normalized("NFC", raw) else None

    def article(self, title: str) -> str:
        """A page's title in the form in which anchors name it."""
        return self._title(_SPACES.sub(" ", title).strip())

    def _title(self, text: str) -> str:
        text = text.partition("#")[0]
        if not text.isascii():
            text = normalize("NFC", _DIRECTION_MARKS.sub("", text))
        text = text.rstrip()
        if _ILLEGAL.search(text) or len(text.encode("utf-8", "replace")) > _MAX_TITLE_BYTES:
            return ""
        return self._first_letter(text)

    def _first_letter(self, text: str) -> str:
        if not self._has_capitals:
            return text
        first = text[:1]
        if first == "i":
            return self._capital_i + text[1:]
        # MediaWiki changes one letter to one letter: ß stays.
        if len(capital := first.upper()) != 1 or ord(first) in _GEORGIAN:
            return text
        return capital + text[1:]


def pipe_trick(target: str) -> str:
    """The surface of ``[[target|]]``: without namespace, a parenthesis, and what follows a comma (``pstPass2``)."""
    target = target.strip().removeprefix(":")
    name = (target.partition(":")[2] or target).strip()
    for opening, closing in ("()", "（）"):
        at = name.find(opening, 1)
        if name.endswith(closing) and 0 < at < len(name) - 2:
            return name[:at].rstrip() or name
    comma = _COMMA.search(name, 1)
    if comma is None:
        return name
    end, at = comma.start(), name.find("(", 1)
    if at > 0 and _COMMA_AFTER_PARENTHESIS.search(name, at + 2):
        end = min(end, at)
    return name[:end].rstrip() or name
