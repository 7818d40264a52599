"""Short samples in languages of which there is no dump here: their links, surface and target written down by hand."""

from __future__ import annotations

import pytest

from cofee_dist.corpus.titles import site_info
from cofee_dist.corpus.wikitext import render

SAMPLES = {
    "ar": (
        "'''القاهرة''' هي عاصمة [[مصر]] وأكبر [[مدينة|مدنها]]. تقع على [[نهر النيل]]ية. "
        "[[صورة:Cairo.jpg|تصغير|[[برج القاهرة]]]]\n{{بداية|[[x]]}} [[تصنيف:عواصم]]",
        [("مصر", "مصر"), ("مدنها", "مدينة"), ("نهر النيلية", "نهر النيل")],
    ),
    "he": (
        "[[תמונה:Jerusalem.jpg|שמאל|250px|[[הכותל]]]]"
        "'''ירושלים''' היא [[עיר]]ם של [[ישראל|מדינת ישראל]] ב[[אסיה (יבשת)|]].",
        [("עירם", "עיר"), ("מדינת ישראל", "ישראל"), ("אסיה", "אסיה (יבשת)")],
    ),
    "tr": (
        "'''[[istanbul]]''', [[Türkiye]]'de bir [[il]]dir. "
        "[[Resim:a.jpg|küçükresim|[[ırmak]]]] [[ısparta]]ğa, [[iç Anadolu|İç]]",
        [("istanbul", "İstanbul"), ("Türkiye", "Türkiye"), ("ildir", "İl"), ("ıspartağa", "Isparta"),
         ("İç", "İç Anadolu")],
    ),
    "ka": (
        "'''თბილისი''' — [[საქართველო]]ს [[დედაქალაქი]], [[მტკვარი|მტკვრის]] ნაპირზე. [[სურათი:a.jpg|მინი|[[მთა]]]]",
        [("საქართველოს", "საქართველო"), ("დედაქალაქი", "დედაქალაქი"), ("მტკვრის", "მტკვარი")],
    ),
    "fa": (
        "'''تهران''' پایتخت [[ایران]] و [[شهر]]\u200cی بزرگ است. "
        "[[تصویر:a.jpg|بندانگشتی|[[برج آزادی]]]] [[رده:شهرها]][[کوه]]abc",
        [("ایران", "ایران"), ("شهر\u200cی", "شهر"), ("کوه", "کوه")],
    ),
    "zh": (
        "'''北京'''是[[中华人民共和国|中国]]的[[首都]]市。[[文件:a.jpg|thumb|[[长城]]]]-{zh-hans:[[计算机]];zh-hant:[[電腦]]}-"
        "和{{link-en|甲|A|乙}}[[Category:城市]]",
        [("中国", "中华人民共和国"), ("首都", "首都"), ("计算机", "计算机"), ("乙", "甲")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", SAMPLES)
def test_links_of_a_sample(language: str) -> None:
    wikitext, links = SAMPLES[language]
    document = render(wikitext, site_info(language))
    assert [(document.text[start:end], target) for start, end, target in document.anchors] == links
