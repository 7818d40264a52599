"""What a renderer of wikitext has to get right, point by point: one test for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.config import Corpus
from cofee_dist.corpus.articles import ArticleReader
from cofee_dist.corpus.dump import Page, read_pages, read_site, splits
from cofee_dist.corpus.inline_templates import inline_of
from cofee_dist.corpus.sentences import SentenceRules
from cofee_dist.corpus.spark_redirects import chain_end
from cofee_dist.corpus.titles import Titles, site_info
from cofee_dist.corpus.wikitext import Renderer

Found = tuple[str, list[tuple[str, str]]]


def shown(wikitext: str, language: str = "en", inline: Mapping[str, object] | None = None) -> Found:
    """Plain text, and (surface, target) of each anchor."""
    config = Corpus.model_validate({"inline_templates": inline or {}})
    document = Renderer(site_info(language), inline=inline_of(config)).render(wikitext)
    return document.text, [(document.text[start:end], target) for start, end, target in document.anchors]


def test_nested_templates_go_as_one() -> None:
    assert shown("a {{b|{{c|{{d}}|[[e]]}}|f={{g|[[h]]}}}} [[i]]") == ("a i", [("i", "I")])
    assert shown("{{Infobox|x={{small|[[y]]}}\n|z={{#if:{{{1|}}}|[[w]]|{{v}}}}\n}}\nText [[t]].")[1] == [("t", "T")]


def test_a_link_in_a_dropped_template_is_no_anchor_and_one_in_an_inline_template_is() -> None:
    assert shown("{{note|see [[a]]}} {{lang|de|[[Haus]]}}") == ("Haus", [("Haus", "Haus")])


def test_inline_templates_are_a_table_by_language_that_a_user_extends() -> None:
    assert shown("{{unité|5|km}}", "fr")[0] == "5 km"
    assert shown("{{unité|5|km}}", "en")[0] == ""
    assert shown("{{my|[[a]] b}}", inline={"my": 1}) == ("a b", [("a", "A")])


def test_links_that_templates_once_wrote_the_other_way_round() -> None:
    assert shown("{{ill|Jane|de|Jane (X)}} {{ill|de|Joan}}")[1] == [("Jane", "Jane"), ("Joan", "Joan")]


def test_references_of_every_form() -> None:
    text = 'a<ref>[[x]]</ref>b<ref name="n">{{c|[[y]]}}</ref>c<ref name=n/>d<Ref group="g" name="m" />e'
    assert shown(text + "\n<references>\n<ref>[[z]]</ref></references>") == ("abcde", [])
    assert shown("a<ref>''[[x]]</ref> b ''[[c]]''")[1] == [("c", "C")]


def test_galleries_comments_nowiki_math() -> None:
    assert shown("<gallery widths=9>\nA.jpg|[[b]]\n</gallery>x") == ("x", [])
    assert shown("a<!-- [[b]] {{ -->c [[d]]") == ("ac d", [("d", "D")])
    assert shown("<nowiki>[[a]] {{b}} ''c''</nowiki> <nowiki/>d") == ("[[a]] {{b}} ''c'' d", [])
    assert shown("<pre>[[a]]</pre>")[1] == []
    assert shown("<math>[[a]] \\frac{{1}}{{2}}</math> is b") == ("is b", [])


def test_code_is_plain_html() -> None:
    assert shown("<code>[[a]] ''b''</code>, <Code class=x>{{lang|de|[[c]]}}") == ("a b, c", [("a", "A"), ("c", "C")])
    assert shown("<code><nowiki>[[x]]</nowiki></code> [[b]] <nowiki></code></nowiki>")[0] == "[[x]] b </code>"


def test_files_with_links_in_their_captions() -> None:
    assert shown("[[File:a.jpg|thumb|x [[b]] [[File:c.png|[[d]]]] {{e}} <ref>[[f]]</ref> y]] [[g]]")[1] == [("g", "G")]


HEAD = """<mediawiki xml:lang="ltg"><siteinfo><dbname>ltgwiki</dbname><case>first-letter</case><namespaces>
<namespace key="6" case="first-letter">Fails</namespace><namespace key="14">Kategoreja</namespace>
<namespace key="2">Lītuotuojs</namespace><namespace key="0" /></namespaces></siteinfo>"""


@pytest.mark.parametrize(
    ("language", "name"),
    [("ar", "صورة"), ("fa", "تصویر"), ("he", "תמונה"), ("ko", "그림"), ("vi", "Hình"), ("tr", "Resim"), ("hu", "Kép"),
     ("fi", "Kuva"), ("ca", "Imatge"), ("no", "Bilde"), ("da", "Billede"), ("id", "Gambar"), ("sr", "Slika"),
     ("sr", "Слика"), ("bg", "Картинка"), ("de", "Bild"), ("es", "Imagen"), ("it", "Immagine"), ("nl", "Afbeelding"),
     ("pl", "Grafika"), ("pt", "Imagem"), ("ru", "Изображение"), ("uk", "Зображення"), ("zh", "圖像"), ("ja", "画像"),
     ("ltg", "Fails"), ("simple", "Image"), ("xx", "Image")],
)  # fmt: skip
def test_old_names_of_files(language: str, name: str) -> None:
    assert shown(f"[[{name}:x|thumb|a [[b]]]][[{name.lower()} : y.jpg]][[c]]", language)[0] == "c"


@pytest.mark.parametrize(
    ("language", "link"),
    [("de", "Benutzerin:A"), ("de", "Diskussion:A"), ("uk", "Категория:A"), ("ru", "Шаблон:A"), ("he", "שיחה:A")],
)
def test_old_names_of_other_namespaces(language: str, link: str) -> None:
    assert shown(f"[[:{link}|a]]", language) == ("a", [])


def test_a_file_of_an_unknown_namespace_is_known_by_its_type() -> None:
    text = "[[Kuva:x.jpg|thumb|a [[b]]]] [[Бейне : y.z.OGV |c]] [[Star Trek: d.png]] [[E.png|e]] [[:Kuva:f.gif|f]]"
    assert shown(text)[0] == "Star Trek: d.png e f"
    assert shown("[[User:A/b.png|c]] [[commons:File:d.jpg|d]] [[A: b|c.png|d]]")[0] == "c d c.png|d"


def test_a_user_names_namespaces() -> None:
    wikitext = "[[Kuva:a|b]] [[Luokka:C]] [[Oma sivu:D|d]] [[e]]"
    page = Page(1, 1, 0, "P", None, wikitext)
    for aliases, text in [
        ({}, "b Luokka:C d e"),
        ({"kuva": "file", "Luokka": "Category", "oma_sivu": 2}, "d e"),
    ]:
        config = Corpus.model_validate({"namespace_aliases": aliases})
        found = ArticleReader(site_info("en"), SentenceRules("en", 1, 1, 99), config).read(page).sentences
        assert [(one.text, len(one.anchors)) for one in found] == [(text, 1 if aliases else 4)]
    with pytest.raises(ValueError, match="namespace_aliases"):
        Corpus.model_validate({"namespace_aliases": {"Kuva": "pictures"}})


def test_names_of_namespaces_come_from_the_dump_itself(tmp_path: Path) -> None:
    path = tmp_path / "d.xml"
    path.write_text(HEAD + "</mediawiki>", "utf-8")
    site = read_site(path)
    wikitext = "[[Fails:a.jpg|x [[b]]]] [[fails : c.png]] [[Kategoreja:D]] [[Lītuotuojs:E|f]] [[File:g]] [[Datei:h]]"
    document = Renderer(site).render(wikitext)
    assert document.text == "f Datei:h"
    assert [anchor.target for anchor in document.anchors] == ["Datei:h"]


@pytest.mark.parametrize(
    ("language", "word"),
    [("de", "WEITERLEITUNG"), ("ru", "перенаправление"), ("bg", "виж"), ("zh", "重定向"), ("ja", "転送"),
     ("ar", "تحويل"), ("fr", "REDIRECTION"), ("ko", "넘겨주기"), ("he", "הפניה"), ("lt", "PERADRESAVIMAS")],
)  # fmt: skip
def test_redirects_are_told_by_their_element_or_by_the_languages_word(tmp_path: Path, language: str, word: str) -> None:
    page = "<page><title>{}</title><ns>0</ns><id>{}</id>{}<revision><id>1</id><text>{}</text></revision></page>"
    path = tmp_path / "d.xml"
    by_word = page.format("A", 1, "", f"#{word} [[b#c|d]]")
    by_element = page.format("B", 2, '<redirect title="C d" />', f"#{word} [[x]]")
    path.write_text(f'<mediawiki xml:lang="{language}">{by_word}{by_element}</mediawiki>', "utf-8")
    pages = [one for split in splits(path, 2**40) for one in read_pages(split, read_site(path))]
    reader = ArticleReader(read_site(path), SentenceRules(language, 1, 1, 99))
    assert [reader.read(one).redirect for one in pages] == [("A", "B"), ("B", "C d")]


@given(st.dictionaries(st.integers(0, 12), st.integers(0, 12)), st.integers(0, 12))
def test_redirects_are_followed_to_the_end_of_a_chain_and_not_into_a_loop(steps: dict[int, int], start: int) -> None:
    redirects = {str(source): str(to) for source, to in steps.items()}
    at = str(start)
    for _ in range(20):  # more steps than there are titles: whoever still walks is in a loop
        at = redirects.get(at, at)
    if str(start) in redirects:
        assert chain_end(str(start), redirects) == (None if at in redirects else at)


@pytest.mark.parametrize(
    ("language", "wikitext", "surface"),
    [("en", "[[bus]]es", "buses"), ("en", "[[bus]]és", "bus"), ("de", "[[Haus]]ärzte", "Hausärzte"),
     ("de", "[[Haus]]Ä", "Haus"), ("fr", "[[maison]]née", "maisonnée"), ("fr", "[[maison]]Éa", "maisonÉa"),
     ("ru", "[[город]]ами", "городами"), ("ru", "[[Город]]А", "Город"), ("ru", "[[город]]і", "город"),
     ("uk", "[[місто]]ї", "містої"), ("uk", "«[[Київ]]»", "Київ"), ("bg", "[[София]]та", "Софията"),
     ("pl", "[[Łódź]]ą", "Łódźą"), ("pl", "[[Łódź]]é", "Łódź"), ("cs", "[[Praha]]ů", "Prahaů"),
     ("ca", "[[casa]]l·la", "casal·la"), ("ca", "[[casa]]'l", "casa'l"), ("ca", "[[casa]]''l''", "casa"),
     ("it", "[[città]]ñ", "città"), ("es", "[[niño]]ñs", "niñoñs"), ("tr", "[[İzmir]]ğı", "İzmirğı"),
     ("ar", "[[مدينة]]ات", "مدينةات"), ("ar", "[[مدينة]]پ", "مدينة"), ("fa", "[[شهر]]ها", "شهرها"),
     ("fa", "[[شهر]]\u200cها", "شهر\u200cها"), ("fa", "[[شهر]]abc", "شهر"), ("ur", "[[شہر]]وں", "شہروں"),
     ("he", "[[עיר]]ים", "עירים"), ("ka", "[[თბილისი]]ს", "თბილისის"), ("el", "[[πόλη]]ς", "πόλης"),
     ("hi", "[[नगर]]ों", "नगरों"), ("is", "[[Ísland]]s–", "Íslands"), ("no", "[[by]]ær", "byær"), ("nb", "[[by]]ö", "by"),
     ("ltg", "[[Reiga]]ys", "Reigays"), ("simple", "[[bus]]es", "buses"), ("xx", "[[bus]]es", "buses"),
     ("zh", "[[北京]]市", "北京"), ("zh", "[[a]]b", "a"), ("gan", "[[a]]b", "a"), ("ja", "[[a]]b", "ab"),
     ("ja", "[[東京]]都", "東京"), ("ko", "[[서울]]은", "서울"), ("en", "[[bus]]''es''", "bus"),
     ("en", "[[bus]]<nowiki/>es", "bus"), ("en", "[[bus]]{{x}}es", "bus")],
)  # fmt: skip
def test_link_trails_by_language(language: str, wikitext: str, surface: str) -> None:
    assert shown(wikitext, language)[1][0][0] == surface


def test_the_pipe_trick() -> None:
    text = "[[Kingston (Jamaica)|]] [[Boston, Lincolnshire|]] [[A (b) (c)|]]"
    assert [surface for surface, _ in shown(text)[1]] == ["Kingston", "Boston", "A"]


def test_a_label_that_ends_in_a_bracket() -> None:
    assert shown('"[[The Beatles|[the Beatles]]] are"') == (
        '"[the Beatles] are"',
        [("[the Beatles]", "The Beatles")],
    )
    assert shown("[[A|b]]] [[A|x [y] z]] [[[A|c]]] [[A|[b] [c]]]s")[1] == [
        *[("b", "A"), ("x [y] z", "A"), ("c", "A"), ("[b] [c]s", "A")]
    ]


def test_links_to_the_wiki_itself() -> None:
    assert shown("[[:en:Foo|f]] [[:en:Bar]] [[:de:Baz|b]]") == ("f en:Bar b", [("f", "Foo"), ("en:Bar", "Bar")])


def test_links_to_sections() -> None:
    assert shown("[[A#B|c]] [[A#B]] [[#B|d]] [[#B]]") == ("c A#B d #B", [("c", "A"), ("A#B", "A")])


def test_links_to_other_languages_wikis_categories_and_namespaces() -> None:
    text = "[[fr:A]][[:fr:B|b]] [[Category:C]][[:Category:D|d]] [[wikt:e|e]] [[User:F|f]] [[s:G]] [[Star Trek: H]]"
    assert shown(text) == ("b d e f s:G Star Trek: H", [("Star Trek: H", "Star Trek: H")])


def test_bold_and_italics_across_links() -> None:
    text = "'''[[a|x ''y'' z]] b''' ''[[c]]''s '''''[[d]]''' e'' [[f|'''g''']]"
    assert shown(text) == ("x y z b cs d e g", [("x y z", "A"), ("c", "C"), ("d", "D"), ("g", "F")])


def test_html_entities() -> None:
    text = "[[Caf&eacute;|caf&#233;]] [[AT&amp;T]] &lt;ref&gt; &#91;&#91;x&#93;&#93; a&nbsp;b &unknown; &#x1F600;"
    assert shown(text) == ("café AT&T <ref> [[x]] a b &unknown; 😀", [("café", "Café"), ("AT&T", "AT&T")])


def test_entities_are_whole_names() -> None:
    assert shown("&notit; &section; &copy &not; &ampx; &amp;")[0] == "&notit; &section; &copy ¬ &ampx; &"


def test_variants_of_chinese_and_others() -> None:
    text = "-{zh-hans:[[计算机]];zh-hant:[[電腦]]}-和-{[[甲]]}--{H|zh-cn:x;zh-tw:y}-"
    assert shown(text, "zh") == ("计算机和甲", [("计算机", "计算机"), ("甲", "甲")])
    assert shown("-{sr-ec:а;sr-el:a}-", "sr")[0] == "а"
    assert shown("-{zh-hans:a&nbsp;[[b]];zh-hant:c}-", "zh") == ("a b", [("b", "B")])
    assert shown("-{zh-hans:&#x7532;;zh-hant:x}-", "zh")[0] == "甲"
    assert shown("-{zh-hans:甲; 乙; zh-hant : x; }-", "zh")[0] == "甲; 乙"
    assert shown("-{zh-hant:x;A=>zh-cn:B;}-", "zh")[0] == "B"
    assert shown("-{a: b; c}-", "zh")[0] == "a: b; c"
    assert shown("-{a}-", "en")[0] == "-{a}-"


def test_magic_words() -> None:
    assert shown("__notoc__ a __Toc__b __LINE__ __FILE__ __index__") == ("a b __LINE__ __FILE__ __index__", [])
    assert shown("__NOTOC__ a __TOC__b__KEIN_INHALTSVERZEICHNIS__ __目次非表示__ x__y__z") == ("a b x__y__z", [])


def test_right_to_left_marks() -> None:
    assert shown("\u200f[[עיר\u200f|עיר]]ים\u200e \u202b[[ב]]\u202c", "he")[1] == [("עירים", "עיר"), ("ב", "ב")]


def test_labels_of_external_links_hold_links() -> None:
    text = '[http://x.org "T" (at [[A, B|c]], 20 March)] [https://y.org [[d]]] [//z.org e] [http://w.org f [1]] g'
    assert shown(text) == ('"T" (at c, 20 March) d e f [1] g', [("c", "A, B"), ("d", "D")])


def test_a_title_made_of_entities_is_composed() -> None:
    assert shown("[[cafe&#769;|c]] [[cafe\u0301|d]]")[1] == [("c", "Café"), ("d", "Café")]


def test_titles_are_normalised_as_mediawiki_does() -> None:
    titles = Titles(site_info("en"))
    raws = ["paris_(france)", " :Paris (France) ", "Paris__(France)#x", "Paris%20(France)", "paris\u00a0(France)\u200e"]
    assert {titles.parse(raw).title.replace("france", "France") for raw in raws} == {"Paris (France)"}


def test_a_page_reads_on_where_markup_was() -> None:
    reader = ArticleReader(site_info("en"), SentenceRules("en", 1, 1, 99))
    page = Page(1, 1, 0, "P", None, "'''A''' ({{IPA|x}}; {{lang-la|[[B]]}}){{efn|[[n]]}} is<!-- --> a [[c]]{{fact}}.")
    assert [sentence.text for sentence in reader.read(page).sentences] == ["A (B) is a c."]
