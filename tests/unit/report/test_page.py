from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cofee_dist import report
from cofee_dist.report.colours import PALETTE
from cofee_dist.report.page import render_page
from cofee_dist.report.schema import as_report
from cofee_dist.report.write import write_report
from tests.unit.report.samples import ALL, bare_report, sample_dict, sample_report, text_report

STYLES = (Path(report.__file__).parent / "report.css").read_text(encoding="utf-8")
VOID = {"meta", "link", "br", "img", "hr", "input", "path", "use", "rect"}


class Outline(HTMLParser):
    """Tags that do not close where they should, ids, and what is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "srcset", "action", "data"):
                (self.targets if tag == "a" else self.fetched).append(value or "")


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    return parser


@pytest.mark.parametrize("name", ALL)
def test_page_is_well_formed_and_asks_nothing_of_the_network(name: str) -> None:
    page = render_page(ALL[name]())
    found = outline(page)
    assert found.faults == []
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    assert set(found.fetched) == {"data:,"}
    assert {target.removeprefix("#") for target in found.targets} <= set(found.ids)
    assert "<script" not in page
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert "None" not in page
    assert "nan" not in re.sub(r"<[^>]+>", " ", page).lower().split()


def test_page_shows_the_numbers() -> None:
    page = render_page(sample_report())
    for shown in (
        "54.6",
        "Twitter test (3,257 sentences)",
        "too few anchors",
        "22,873",
        "22,644",
        "Montgomery (PER, LOC)",
    ):
        assert shown in page
    assert "cofee predict runs/sample-en/model --text" in page
    assert page.count('<article class="card">') == 8


def test_what_was_not_run_has_no_section() -> None:
    page = render_page(bare_report())
    assert 'id="scores"' not in page
    assert 'id="predictions"' not in page
    assert "No test set was given" in page
    assert "Corpus</h3>" not in page


def test_markup_in_data_is_text() -> None:
    made = sample_dict()
    made["run"]["config"] = made["run"]["name"] = "<script>alert(1)</script>"
    made["predictions"] = [{"text": "<b>&amp;", "entities": [{"start": 0, "end": 3, "type": "<i>"}]}]
    made["systems"][0]["name"] = '"><script>'
    made["clusters"]["clusters"][0]["frequent"] = [{"surface": "$x_{1}$ <script>", "count": 3}]
    page = render_page(as_report(made))
    assert "<script" not in page
    assert "&lt;b&gt;" in page
    assert "$x_{1}$" in page


def test_nested_entities_are_told_of() -> None:
    assert "(inside: Paris LOC)" in re.sub(r"\s+", " ", render_page(sample_report()))


def test_write_report_writes_both_and_leaves_nothing_else(tmp_path: Path) -> None:
    paths = write_report(sample_dict(), tmp_path / "run")
    assert sorted(tmp_path.glob("run/*")) == sorted(paths)
    assert as_report(json.loads(paths[0].read_text(encoding="utf-8"))) == sample_report()
    assert paths[1].read_text(encoding="utf-8") == render_page(sample_report())


def test_a_report_that_does_not_fit_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run"):
        write_report({"systems": []}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(theme: int) -> None:
    """At least 4.5:1 (WCAG AA), also on an entity's tint, which mixes 22 % of the type's colour into the surface."""
    blocks = re.findall(r":root {(.*?)}", STYLES, re.DOTALL)
    colours = {
        name: tuple(int(value[at : at + 2], 16) / 255 for at in (0, 2, 4))
        for name, value in re.findall(r"--([\w-]+): #([0-9a-f]{6})", blocks[theme])
    }
    assert "22%, var(--surface)" in STYLES
    grounds = [colours["ground"], colours["surface"]]
    assert all(contrast(colours[ink], ground) >= 4.5 for ink in ("ink", "muted", "link") for ground in grounds)
    for name in PALETTE:
        pairs = zip(colours[f"c-{name}"], colours["surface"], strict=True)
        assert contrast(colours["ink"], tuple(0.22 * c + 0.78 * s for c, s in pairs)) >= 4.5


def test_legends_name_only_what_is_drawn() -> None:
    made = sample_dict()
    made["run"]["questions"] = {**made["run"]["questions"], "NEVER": "never met"}
    page = render_page(as_report(made))
    assert len(re.findall(r"<li><span class=.chip.[^>]*></span>PER</li>", page)) == 2
    assert not re.search(r"</span>NEVER</li>", page)


def test_texts_and_what_was_left_out_of_them() -> None:
    page = render_page(text_report())
    assert "5,120" in page
    assert "too_short" in page
    assert "Left out of the texts" in page
    assert "pages read" not in page
