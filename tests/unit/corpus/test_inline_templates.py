"""Templates that carry running text: each language's own, and what a config adds."""

from __future__ import annotations

import pytest

from cofee_dist.config import Corpus
from cofee_dist.corpus.inline_templates import inline_of
from cofee_dist.corpus.titles import site_info
from cofee_dist.corpus.wikitext import Document, Renderer, render

# language, wikitext, text, targets
CASES = [
    ("en", "{{lang|de|[[Haus]]}} {{nowrap|a [[b]]}} {{transl|ru|ISO|Moskva}}", "Haus a b Moskva", ["Haus", "B"]),
    ("en", "{{Langx|de|Haus}}, {{Lang-fr|''[[maison]]''}}", "Haus, maison", ["Maison"]),
    ("en", "{{convert|5|km|mi|abbr=on}} {{cvt|5|to|6|km}} {{convert|7}}", "5 km 5 to 6 km 7", []),
    ("en", "{{ill|Jane Doe|de|Jane Doe (X)}} {{Interlanguage_link|A|fr}}", "Jane Doe A", ["Jane Doe", "A"]),
    ("en", "{{nowrap|1=a=b [[c]]}} {{nowrap|  style = x |[[c|d|e]]}}", "a=b c d|e", ["C", "C"]),
    ("en", "{{small|{{lang|de|{{nowrap|[[a]] b}}}}}}", "a b", ["A"]),
    ("en", "{{unknown|[[a]]}}b{{Infobox|x={{nowrap|[[c]]}}}} {{formatnum:1234.5}}", "b 1234.5", []),
    ("de", "{{Zitat|ein [[Wort]]}} {{nobr|a b}}", "ein Wort a b", ["Wort"]),
    ("fr", "{{unité|5|km}}, le {{date|1|janvier|2000|en musique}}", "5 km, le 1 janvier 2000", []),
    ("fr", "{{Lien|Jean X|lang=en|trad=J}} {{langue|en|the [[mot]]}}", "Jean X the mot", ["Jean X", "Mot"]),
    ("es", "{{unidad|5|km}} {{esd|[[a]] b}}", "5 km a b", ["A"]),
    ("it", "{{M|5|km}} {{maiuscoletto|[[a]]}}", "5 km a", ["A"]),
    ("pt", "{{lknb|Lisboa|Portugal}} {{fmtn|5|km}}", "Lisboa 5 km", ["Lisboa"]),
    ("ru", "{{нп5|Имя||en|Name}} {{не переведено 3|Имя|текст|en|Name}}", "Имя текст", ["Имя", "Имя"]),
    ("uk", "{{не перекладено|Назва|текст|en|X}} {{s|а [[б]]}}", "текст а б", ["Назва", "Б"]),
    ("zh", "{{le|甲|A}}{{le|甲|A|乙}}{{tsl|en|A|丙}}{{tsl|en|A|丙|丁}}", "甲乙丙丁", ["甲", "甲", "丙", "丙"]),
    ("zh", "{{Internal link helper/en|甲|A}}{{書名|[[乙]]}}", "甲乙", ["甲", "乙"]),
    ("ja", "{{仮リンク|東|en|E}}{{読み仮名|[[宮]]|みや}}{{ルビ|漢|かん}}", "東宮漢", ["東", "宮"]),
    ("ko", "{{llang|en|[[Word]]}} {{한자|漢字}} {{임시링크|가|en|A}}", "Word 漢字 가", ["Word", "가"]),
]

NAMED = [
    ("en", "{{quote|text=to [[be]]|author=W}} {{blockquote|text=a}} {{Quote|b|c}} {{cquote|quote=d}}", "to be a b d",
     ["Be"]),
    ("en", "{{lang|code=de|text=[[Haus]]}} {{lang|de|text=b}}", "Haus b", ["Haus"]),
    ("en", "{{ill|Jane Doe|de|lt=Jane}} {{illm|A|fr|lt=''a''}}", "Jane a", ["Jane Doe", "A"]),
    ("en", "{{interlanguage link multi|B|de}} {{Interlanguage link|lt=c|C (d)|fr}}", "B c", ["B", "C (d)"]),
    ("fr", "{{Lien|langue=en|trad=X|fr=Nom|texte=T}} {{Lien|fr=Autre}}", "T Autre", ["Nom", "Autre"]),
    ("fr", "{{lien|lang=en|trad=X}} {{lien|A|texte=b}} {{lien|en|C}}", "X b C", ["X", "A", "C"]),
    ("de", "{{Zitat|Text=ein [[Wort]]|Autor=N}}", "ein Wort", ["Wort"]),
    ("ja", "{{仮リンク|A|en|B|label=C}}", "C", ["A"]),
    ("zh", "{{link-pt|甲|A}}{{Link-uk|甲|A|乙}}{{跨语言链接|丙|en|C}}{{跨語言連結|丙|en|C|lt=丁}}", "甲乙丙丁",
     [*"甲甲丙丙"]),
    ("ru", "{{нобр|а [[б]]}}", "а б", ["Б"]),
    ("en", "{{Template:nowrap|a [[b]]}} {{template: lang |de|c}} {{Talk:nowrap|d}}", "a b c", ["B"]),
    ("ru", "{{Шаблон:нобр|а [[б]]}}", "а б", ["Б"]),
]  # fmt: skip


def targets(document: Document) -> list[str]:
    return [anchor.target for anchor in document.anchors]


@pytest.mark.parametrize(("language", "wikitext", "text", "links"), [*CASES, *NAMED])
def test_templates_of_languages(language: str, wikitext: str, text: str, links: list[str]) -> None:
    document = render(wikitext, site_info(language, names={"Шаблон": 10} if language == "ru" else None))
    assert (document.text, targets(document)) == (text, links)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [("5|ft|10|in|m", "5 ft 10 in"), ("3|x|4|x|5|m", "3 x 4 x 5 m"), ("3|×|4|m|ft", "3 × 4 m"),
     ("5|+/-|1|km", "5 ± 1 km"),
     ("5|±|1|km|0", "5 ± 1 km"), ("5|to(-)|6|km", "5 to 6 km"), ("5|and(-)|6|C", "5 and 6 °C"),
     ("5|-|6|km|mi", "5–6 km"),
     ("2|by|3|by|4|in|cm", "2 by 3 by 4 in"), ("1|or|2|mi", "1 or 2 mi"), ("12|st|5|lb|kg", "12 st 5 lb"),
     ("5|km|mi|1", "5 km"), ("5|km|1", "5 km"), ("5|km|0|abbr=on", "5 km"), ("-40|F|C", "-40 °F"), ("5|to", "5 to")],
)  # fmt: skip
def test_convert(parameters: str, text: str) -> None:
    assert render(f"{{{{convert|{parameters}}}}}", site_info("en")).text == text


def test_a_table_is_that_of_its_language() -> None:
    assert render("{{unité|5|km}}{{書名|x}}", site_info("en")).text == ""


def test_a_config_adds_templates_and_takes_some_away() -> None:
    config = Corpus.model_validate(
        {"inline_templates": {"My_Name": 2, "Person": {"link": True, "shown": 2}, "small": 0, "Last": -1}}
    )
    renderer = Renderer(site_info("en"), inline=inline_of(config))
    document = renderer.render(
        "{{my name|a|[[b]]}} {{person|X|y}} {{Person|Z}} {{small|gone}} {{last|1|2}} {{lang|de|c}}"
    )
    assert document.text == "b y Z 2 c"
    assert targets(document) == ["B", "X", "Z"]


@pytest.mark.parametrize(
    ("rule", "wikitext", "text", "links"),
    [
        ("text", "{{t|text=a|b}} {{t|c}}", "a", []),
        (["text", 1], "{{t|text=a|b}} {{t|c}} {{t|text=|d}}", "a c d", []),
        ({"parameter": [2, "to"], "link": True, "shown": ["lt", 3]}, "{{t|x|A|b}} {{t|to=C|lt=d}}", "b d", ["A", "C"]),
        ({"parameter": "to", "link": True}, "{{t|to=a}}", "a", ["A"]),
    ],
)
def test_a_parameter_is_a_number_a_name_or_a_list(rule: object, wikitext: str, text: str, links: list[str]) -> None:
    config = Corpus.model_validate({"inline_templates": {"t": rule}})
    document = Renderer(site_info("en"), inline=inline_of(config)).render(wikitext)
    assert (document.text, targets(document)) == (text, links)


@pytest.mark.parametrize("rule", [-2, "", [[1]], {"parameter": 1.5}, {"parameter": [1], "shown": [-2]}])
def test_a_parameter_is_nothing_else(rule: object) -> None:
    with pytest.raises(ValueError, match="inline_templates"):
        Corpus.model_validate({"inline_templates": {"t": rule}})
