"""Disambiguation pages: MediaWiki knows them by ``__DISAMBIG__``, which the templates named here expand to."""

from __future__ import annotations

#: The magic word in every language, and what a wiki may write in its place (MediaWiki's extension Disambiguator).
DISAMBIGUATION = "__DISAMBIG__"
_WORDS = {
    "ar": ("__توضيح__",),
    "de": ("__BEGRIFFSKLÄRUNG__",),
    "es": ("__DISAMBIGUACIÓN__", "__DISAMBIGUACION__"),
    "et": ("__TÄPSUSTUS__",),
    "fa": ("__ابهامزدایی__",),
    "fr": ("__HOMONYMIE__",),
    "gl": ("__HOMÓNIMOS__", "__HOMONIMOS__"),
    "ko": ("__동음이의__",),
    "mk": ("__ПОЈАСНУВАЊЕ__",),
    "ml": ("__വിവക്ഷ__",),
    "mr": ("__निःसंदिग्ध__",),
    "zh": ("__消歧义__",),
}

#: Known to most wikis.
_ANY = "disambig|disambiguation|disamb|dab"
_BY_LANGUAGE = {
    "en": "hndis|geodis|geo-dis|hndab|schooldis|hospitaldis|roaddis|mathdab|numberdis|callsigndis"
    "|airport disambiguation|biology disambiguation|call sign disambiguation|caselaw disambiguation"
    "|chinese title disambiguation|disambiguation cleanup|genus disambiguation|geographic disambiguation"
    "|hospital disambiguation|human name disambiguation|human name disambiguation cleanup|letter disambiguation"
    "|letter-number combination disambiguation|mathematical disambiguation|military unit disambiguation"
    "|music disambiguation|number disambiguation|opus number disambiguation|phonetics disambiguation"
    "|place name disambiguation|portal disambiguation|road disambiguation|school disambiguation"
    "|species latin name disambiguation|species latin name abbreviation disambiguation|station disambiguation"
    "|synagogue disambiguation|taxonomic authority disambiguation|taxonomy disambiguation|wp disambig",
    "de": "begriffsklärung|bkl",
    "fr": "homonymie|homonyme|paronymie|patronymie|toponymie|titres homonymes|personnes homonymes"
    "|arrondissements homonymes|unités homonymes|bandeau standard pour page d'homonymie",
    "es": "desambiguación|desambig|des",
    "it": "disambigua",
    "pt": "desambiguação|desambig|desambig-antrop|desambig-topo",
    "ca": "desambiguació|desambigua",
    "ro": "dezambiguizare|dez",
    "nl": "dp|doorverwijspagina|dpintro",
    "pl": "ujednoznacznienie",
    "cs": "rozcestník",
    "sk": "rozlišovacia stránka",
    "hu": "egyért|egyértelműsítő lap",
    "ru": "неоднозначность|многозначность",
    "uk": "неоднозначність|багатозначність|неоднозначні терміни",
    "be": "неадназначнасць",
    "bg": "пояснение|пояснителна страница",
    "sr": "вишезначна одредница|višeznačna odrednica",
    "sv": "förgrening|förgreningssida|gren|namnförgrening|ortnamnsförgrening",
    "da": "flertydig",
    "no": "peker|tydingsside",
    "nn": "fleirtyding",
    "fi": "täsmennyssivu",
    "et": "täpsustuslehekülg",
    "lt": "nuorodinis|daugiareikšmis",
    "lv": "nozīmju atdalīšana|nozīmes",
    "tr": "anlam ayrımı|anlamayrımı",
    "el": "αποσαφήνιση",
    "he": "פירושונים",
    "ar": "توضيح|صفحة توضيح",
    "fa": "ابهام زدایی|ابهام\u200cزدایی|ابهامزدایی",
    "hi": "बहुविकल्पी",
    "th": "แก้กำกวม",
    "vi": "định hướng|trang định hướng",
    "id": "disambiguasi|disambig info",
    "ja": "aimai|曖昧さ回避|人名の曖昧さ回避|地名の曖昧さ回避|同名の地名",
    "ko": "동음이의|동음이의어|동명이인|동명이인 문서",
    "zh": "消歧义|消歧義|消歧义页|消歧義頁|人名消歧义|人名消歧義|地名消歧义|地名消歧義|縮寫消歧義|歧义|歧義",
}
_BY_LANGUAGE |= dict.fromkeys(("zh-yue", "yue", "gan", "wuu"), _BY_LANGUAGE["zh"] + "|搞清楚")


def disambiguation_words(language: str) -> tuple[str, ...]:
    """The magic words that a wiki of that language knows."""
    return (DISAMBIGUATION, *_WORDS.get(language.partition("-")[0], ()))


def disambiguation_templates(language: str) -> frozenset[str]:
    """Names of templates, in small letters and with spaces, that make a page of that wiki a disambiguation page."""
    own = _BY_LANGUAGE.get(language, _BY_LANGUAGE.get(language.partition("-")[0], ""))
    return frozenset(f"{_ANY}|{own}".split("|")) - {""}
