"""A table of markup, and properties: any input is accepted, offsets are exact, time is linear."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.corpus.titles import SiteInfo, site_info
from cofee_dist.corpus.wikitext import Document, render

EN = site_info("en")
#: What the head of a dump says of its wiki: the names of the file and category namespaces.
NAMES = {
    "ko": ("파일", "분류"), "fr": ("Fichier", "Catégorie"), "ru": ("Файл", "Категория"), "ja": ("ファイル", "カテゴリ"),
    "he": ("קובץ", "קטגוריה"), "ar": ("ملف", "تصنيف"), "en": ("", ""), "de": ("Datei", "Kategorie"), "zh": ("", ""),
    "bg": ("", ""),
}  # fmt: skip
SITES = {language: site_info(language, names={file: 6, category: 14}) for language, (file, category) in NAMES.items()}

# wikitext, plain text, [(surface, target)]
CASES = [
    ("plain text", "plain text", []),
    ("[[Paris]] is", "Paris is", [("Paris", "Paris")]),
    ("in [[paris|the city]].", "in the city.", [("the city", "Paris")]),
    ("two [[bus]]es", "two buses", [("buses", "Bus")]),
    ("[[a|b]]c d", "bc d", [("bc", "A")]),
    ("[[bus]]''es''", "buses", [("bus", "Bus")]),
    ("[[bus]]<nowiki/>es", "buses", [("bus", "Bus")]),
    ("''[[Titanic]]''{{'}}s", "Titanic's", [("Titanic", "Titanic")]),
    ("[[Kingston (Jamaica)|]]", "Kingston", [("Kingston", "Kingston (Jamaica)")]),
    ("[[Boston, Lincolnshire|]]", "Boston", [("Boston", "Boston, Lincolnshire")]),
    ("[[A#B|c]] [[A#B]]", "c A#B", [("c", "A"), ("A#B", "A")]),
    ("[[#Section|here]]", "here", []),
    ("[[a_b__c|x]]", "x", [("x", "A b c")]),
    ("[[ a | b ]]x", "b x", [("b x", "A")]),
    ("p [[a| b]] q", "p b q", [("b", "A")]),
    ("p [[a|b ]] q", "p b q", [("b", "A")]),
    ("[[:Paris]]", "Paris", [("Paris", "Paris")]),
    ("[[AT&amp;T]]", "AT&T", [("AT&T", "AT&T")]),
    ("[[Caf%C3%A9|x]]", "x", [("x", "Café")]),
    ("[[Star Trek: Picard]]", "Star Trek: Picard", [("Star Trek: Picard", "Star Trek: Picard")]),
    ("[[Category:X]]text[[Category:Y|z]]", "text", []),
    ("see [[:Category:X]]", "see Category:X", []),
    ("[[de:Titel]]a[[zh-min-nan:b]]", "a", []),
    ("[[:de:Titel|b]] [[wikt:word|w]]", "b w", []),
    ("[[User:A|me]]", "me", []),
    ("a [[File:x.jpg|thumb|a [[b]] {{c}} [[d|e]]]] f", "a f", []),
    ("a [[Image:x.jpg]][[b]]", "a b", [("b", "B")]),
    ("[[File:x.jpg|never closed [[b]]\n\n[[c]]", "c", [("c", "C")]),
    ("'''[[A]]''' ''b'' '''''c'''''", "A b c", [("A", "A")]),
    ("[[a|'''bold''' b]]", "bold b", [("bold b", "A")]),
    ("''''four'''' and it's", "'four' and it's", []),
    ("[http://x.org label [1]] b", "label [1] b", []),
    ("[http://x.org label] [https://y.org] z", "label z", []),
    ("[//x.org label]", "label", []),
    ("a{{t|[[x]]|{{u}}}}b [[c]]", "ab c", [("c", "C")]),
    ("a {{{1|default}}} b", "a b", []),
    ("a {{unclosed [[b]]", "a {{unclosed b", [("b", "B")]),
    ("{{lang|de|[[Haus]]}}", "Haus", [("Haus", "Haus")]),
    ("{{nowrap|a [[b|c]]}}", "a c", [("c", "B")]),
    ("{{convert|5|km|mi}} away", "5 km away", []),
    ("x{{snd}}y", "x – y", []),
    ("A (; born {{b}} 5) x", "A (; born 5) x", []),
    ("A ({{lang-xx}}; born 5) x", "A (born 5) x", []),
    ("A ({{IPA|x}}) is", "A is", []),
    ("A ({{IPA|x}}, {{y}}) is", "A is", []),
    ("printf() is", "printf() is", []),
    ("word {{x}}, next", "word, next", []),
    ("a<ref>[[x]]</ref>b<ref name=y />c", "abc", []),
    ("a<REF>x</Ref>b", "ab", []),
    ("a <ref>never closed [[b]]", "a never closed b", [("b", "B")]),
    ("a<!-- [[x]] -->b", "ab", []),
    ("a\n<!-- x -->\nb", "a b", []),
    ("a<!-- never closed", "a", []),
    ("<nowiki>[[a]] ''b''</nowiki>", "[[a]] ''b''", []),
    ("<nowiki>{{a}}</nowiki> [[b]]", "{{a}} b", [("b", "B")]),
    ("<math>a_{[[b]]}</math>x", "x", []),
    ("<gallery>\nA.jpg|[[b]]\n</gallery>x", "x", []),
    ("<div class=x>a</div>b", "a\nb", []),
    ("H<sub>2</sub>O<br/>x", "H2O x", []),
    ("a < b > c", "a < b > c", []),
    ("&lt;b&gt; &amp; &#91;&#91;x]] &nbsp;y&bogus;", "<b> & [[x y&bogus;", []),
    ("__NOTOC__a __b__", "a __b__", []),
    ("a\nb\n\nc", "a b\nc", []),
    ("* [[a]]\n** b\n# c\n: d\n; e", "a\nb\nc\nd\ne", [("a", "A")]),
    ("a\n{|\n| [[x]]\n|}\nb", "a\nb", []),
    ("{|\n|\n{|\n|[[x]]\n|}\n|[[y]]\n|}\nb", "b", []),
    (":{| class=x\n|[[x]]\n|}\nb", "b", []),
    ("{|\n|[[x]]\nno end\n== H ==\n[[b]]", "b", [("b", "B")]),
    ("{{T|\n|}}\n[[b]]", "b", [("b", "B")]),
    ("<table><tr><td>[[x]]</table>b", "b", []),
    ("[[a|b [[c]] d]]", "a|b c d", [("c", "C")]),
    ("[[]] [[|x]] [[a", "|x a", []),
    ("[[a\nb]]", "a b", [("a b", "A b")]),
    ("[[ß]] [[éa]]", "ß éa", [("ß", "ß"), ("éa", "Éa")]),
    ("[[😀|😀 x]] 😀 [[b]]", "😀 x 😀 b", [("😀 x", "😀"), ("b", "B")]),
    ("a\u00a0[[b]]\u200bc", "a bc", [("bc", "B")]),
    ("'''[[a|''b'' c]] d''' ''e [[f]]''s", "b c d e fs", [("b c", "A"), ("f", "F")]),
    ("{{t|x=[[a]]|[[b|{{u|[[c]]}}]]}}d", "d", []),
    ("[[File:x.jpg|[[a]] [[File:y.jpg|[[b]]]] c]]d", "d", []),
    ("__OBRIGA_TDC__a __KEIN_INHALTSVERZEICHNIS__b __无目录__c __目次非表示__d", "a b c d", []),
    ("a__snake_case__b __init__", "a__snake_case__b __init__", []),
    ("[[a]]\u200es \u202b[[b\u200f|c]]\u202c", "as c", [("as", "A"), ("c", "B")]),
    ("&eacute;t&#233; &#x1F600; &lrm;x &lt;ref>", "été 😀 x <ref>", []),
    ("<gallery>[[a]]</gallery><math>[[b]]</math><nowiki>[[c]]</nowiki><pre>[[d]]</pre>", "[[c]][[d]]", []),
]


@pytest.mark.parametrize(("wikitext", "text", "anchors"), CASES, ids=[case[0][:40] for case in CASES])
def test_markup(wikitext: str, text: str, anchors: list[tuple[str, str]]) -> None:
    document = render(wikitext, EN)
    assert document.text == text
    assert [(document.text[start:end], target) for start, end, target in document.anchors] == anchors


LANGUAGE_CASES = [
    ("de", "[[Haus]]es [[Bild]]än", [("Hauses", "Haus"), ("Bildän", "Bild")]),
    ("de", "[[Bild:x.jpg|a [[b]]]]", []),
    ("bg", "[[София]]та", [("Софията", "София")]),
    ("bg", "[[Картинка:x.jpg|a]][[Файл]]", [("Файл", "Файл")]),
    ("zh", "在[[北京]]的abc", [("北京", "北京")]),
    ("zh", "-{zh-hans:[[计算机]];zh-hant:[[電腦]]}-", [("计算机", "计算机")]),
    ("zh", "[[A|-{zh-hant:乙;zh-hans:甲}-]]", [("甲", "A")]),
    ("zh", "-{[[甲]]}--{H|zh-cn:x}-", [("甲", "甲")]),
    ("zh", "[[文件:x.jpg|[[甲]]]][[分类:乙]]", []),
    ("ja", "[[東京]]abc [[京都]]市", [("東京abc", "東京"), ("京都", "京都")]),
    ("he", "\u200f[[עיר]]ים [[קובץ:x.jpg|[[א]]]] [[קטגוריה:ב]]", [("עירים", "עיר")]),
    ("ar", "[[مدينة]]\u200f [[ملف:x.jpg|[[ب]]]] [[تصنيف:ب]]", [("مدينة", "مدينة")]),
    ("ru", "[[город]]ами [[Файл:x.jpg|[[а]]]] [[Категория:б]]", [("городами", "Город")]),
    ("fr", "[[maison]]née [[Fichier:x.jpg|[[a]]]] [[Catégorie:b]]", [("maisonnée", "Maison")]),
    ("ja", "[[ファイル:x.jpg|[[甲]]]][[カテゴリ:乙]][[en:B]]", []),
    ("ko", "[[파일:x.jpg|[[a]]]][[분류:b]]", []),
    ("ko", "[[서울]]은 [[bus]]es", [("서울", "서울"), ("buses", "Bus")]),
]


@pytest.mark.parametrize(("language", "wikitext", "anchors"), LANGUAGE_CASES)
def test_markup_of_languages(language: str, wikitext: str, anchors: list[tuple[str, str]]) -> None:
    document = render(wikitext, SITES[language])
    assert [(document.text[start:end], target) for start, end, target in document.anchors] == anchors


def test_sections_begin_where_their_text_does() -> None:
    document = render("lead\n== One ==\nfirst\n\n=== [[Two]] ===\n* second\n== Empty ==\n", EN)
    assert document.text == "lead\nfirst\nsecond"
    found = [(document.text[start:].partition("\n")[0], heading) for start, heading in document.sections]
    assert found == [("first", "One"), ("second", "Two"), ("", "Empty")]


def test_case_sensitive_wikis_keep_small_letters() -> None:
    site = SiteInfo("en", "enwiktionary", dict(EN.namespaces), "case-sensitive")
    assert render("[[word]]", site).anchors[0].target == "word"


_PIECES = """[[ ]] | {{ }} {{{ }}} {| |} |- '' ''' ''''' = == \n * # : ; [ ] http://x <ref> </ref> <ref/> <!-- -->
    <nowiki> </nowiki> <math> </math> <table> </table> <div> <br/> &amp; &#91; &nbsp; -{ }- __TOC__ File: Category:
    de: # a b Paris 北京 😀 \u00a0 \u200b \u2028 \x00 \ufdd0 \ufdee \ufdef \ud800 ( ) , . %20 _ {{lang|x| {{convert|
    """
_WIKITEXT = st.lists(st.one_of(st.sampled_from(_PIECES.split(" ")), st.text(max_size=4)), max_size=40).map("".join)


def _check(document: Document) -> None:
    text, last = document.text, 0
    for start, end, target in document.anchors:
        surface = text[start:end]
        assert last <= start < end <= len(text)
        assert surface == surface.strip()
        assert "\n" not in surface
        assert target
        last = end
    assert all(line == line.strip(" ") and line for line in text.split("\n")) or not text
    assert all(0 <= start <= len(text) + 1 for start, _ in document.sections)
    text.encode("utf-8")
    assert not any("\ufdd0" <= character <= "\ufdef" for character in text)


@given(_WIKITEXT, st.sampled_from(sorted(SITES)))
@settings(max_examples=600, deadline=None)
def test_any_mutation_of_markup_gives_clean_spans(wikitext: str, language: str) -> None:
    _check(render(wikitext, SITES[language]))


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_is_accepted(wikitext: str) -> None:
    _check(render(wikitext, EN))


_WORDS = st.text("abcdefghijklmnopqrstuvwxyzäø北京😀", min_size=1, max_size=8)


@given(st.lists(st.tuples(_WORDS, _WORDS, _WORDS), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_links_among_words_are_found_again(triples: list[tuple[str, str, str]]) -> None:
    """An oracle that needs no parser: build text and wikitext side by side."""
    wikitext = " ".join(f"{word} [[{target}|{surface}]]." for word, target, surface in triples)
    document = render(wikitext, EN)
    assert document.text == " ".join(f"{word} {surface}." for word, _, surface in triples)
    found = [(document.text[start:end], target.casefold()) for start, end, target in document.anchors]
    assert found == [(surface, target.casefold()) for _, target, surface in triples]


_HOSTILE = [
    "[[", "]]", "{{", "}}", "{{{", "[[a|", "{{a|", "{|\n", "<ref>", "<!--", "<nowiki>", "[[File:a|", "''", "'", "(",
    "<div", "-{", "[http://a ", "&", "=", " ", "\n", "{{lang|a|", "[[a|[", "__a", "<ref ", "({{x}}", "\n{|\n|}",
    "((((", ", {{a}}", "{{nowrap|1=", "{{nowrap|a ", "{{{{a}}}}", "<!---->  ", "-{zh:a;", "[[a (b) (", "__AA_", "\n= ",
    "[[a]]", "<table>", "{{!}}", "<gallery><math>", "。", "&amp;", "\ufdee",
]  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", _HOSTILE)
def test_hostile_pages_end(piece: str) -> None:
    """A page of one piece of markup over and over: quadratic time would take far beyond the timeout."""
    _check(render(piece * (400_000 // len(piece)), SITES["zh"]))
