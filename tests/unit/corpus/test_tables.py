"""Tables skipped, or their cells as text: what MediaWiki shows in each, offsets exact, time linear."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.config import Corpus
from cofee_dist.corpus.articles import ArticleReader
from cofee_dist.corpus.budget import Budget
from cofee_dist.corpus.dump import Page
from cofee_dist.corpus.sentences import SentenceRules
from cofee_dist.corpus.tables import drop_tables, table_cells
from cofee_dist.corpus.titles import site_info
from cofee_dist.corpus.wikitext import Document, Renderer

EN = site_info("en")
CELLS, SKIPPED = Renderer(EN, with_cells=True), Renderer(EN)

# wikitext, the paragraphs, [(surface, target)]
CASES = [
    ("{|\n| a [[b]]\n| c\n|}", ["a b", "c"], [("b", "B")]),
    ('{| class="x" [[no]]\n|+ style=y | The [[caption]]\n! scope=col | H1 !! H2\n|-\n| 1 || [[two|2]]\n|}d',
     ["The caption", "H1", "H2", "1", "2", "d"], [("caption", "Caption"), ("2", "Two")]),
    ("{|\n|-\n! [[a]] || b !! c\n|}", ["a", "b", "c"], [("a", "A")]),
    ("{|\n| [[a|b]] | c\n|}", ["b | c"], [("b", "A")]),
    ("{|\n| align=right | [[a|b]]\n| colspan=2 |\n|}", ["b"], [("b", "A")]),
    ("{|\n| first\nsecond line\n\n* item [[x]]\n| last\n|}", ["first second line", "item x", "last"], [("x", "X")]),
    ("{|\n|\n{|\n| in [[x]]\n|}\n| out [[y]]\n|}", ["in x", "out y"], [("x", "X"), ("y", "Y")]),
    (":{|\n| a\n|}", ["a"], []),
    ("{|\n| a {{t|b|c}} || {{nowrap|[[d]] e}}\n|}", ["a", "d e"], [("d", "D")]),
    ("{|\n{{!}} a {{!!}} b\n|}", ["a", "b"], []),
    ("{|\n| = no heading =\n| * no list\n| -5\n|}", ["= no heading =", "* no list", "-5"], []),
    ("{|\n| never [[closed]]\n== H ==\nb", ["never closed", "b"], [("closed", "Closed")]),
    ("<table class=x><caption>c</caption><tr><th>a<td>[[b]]</td></tr></table>d", ["c", "a", "b", "d"], [("b", "B")]),
    ("{|\n<tr><td>[[a]]<td>b\n|}", ["a", "b"], [("a", "A")]),
    ("<TABLE><TR><TD>a</TD></TR></TABLE>b", ["a", "b"], []),
    ("{|\n| a<ref>[[x]]</ref> || [[File:x.jpg|20px]] || b\n|}", ["a", "b"], []),
]  # fmt: skip


def links(document: Document) -> list[tuple[str, str]]:
    return [(document.text[start:end], target) for start, end, target in document.anchors]


@pytest.mark.parametrize(("wikitext", "paragraphs", "anchors"), CASES, ids=[case[0][:30] for case in CASES])
def test_each_cell_is_a_paragraph(wikitext: str, paragraphs: list[str], anchors: list[tuple[str, str]]) -> None:
    document = CELLS.render(wikitext)
    assert document.text.split("\n") == paragraphs
    assert links(document) == anchors


@pytest.mark.parametrize("wikitext", [case[0] for case in CASES], ids=[case[0][:30] for case in CASES])
def test_skipped_tables_leave_what_stands_outside(wikitext: str) -> None:
    outside = {"d", "b"} & {wikitext[-1]}
    assert SKIPPED.render(wikitext).text == "".join(outside)


@pytest.mark.parametrize(("tables", "texts"), [("skip", ["X is y."]), ("cells", ["X is y.", "A is b."])])
def test_a_config_says_which(tables: str, texts: list[str]) -> None:
    reader = ArticleReader(EN, SentenceRules("en", 1, 1, 100), Corpus.model_validate({"tables": tables}))
    found = reader.read(Page(1, 1, 0, "P", None, "[[X]] is y.\n{|\n| [[A]] is b.\n|}"))
    assert [sentence.text for sentence in found.sentences] == texts


_PIECES = """{| |} |- |+ | || ! !! [[a]] [[a|b]] {{!}} {{t|a}} <table> </table> <tr> <td> <td|x> ] = * : word 北京 😀
    -{ }- style="x" <ref>x</ref> [[File:a.jpg|b|c]] ''' \u200b"""
_TABLES = st.lists(st.sampled_from([*_PIECES.split(), "\n", "\n", " "]), max_size=60).map("".join)


@given(_TABLES, st.booleans())
@settings(max_examples=500)
def test_any_table_gives_exact_offsets(wikitext: str, inside: bool) -> None:
    document = CELLS.render("{|\n" + wikitext + "\n|}" if inside else wikitext)
    last = 0
    for start, end, target in document.anchors:
        assert last <= start < end <= len(document.text)
        surface = document.text[start:end]
        assert surface == surface.strip()
        assert "\n" not in surface
        assert target
        last = end


@given(_TABLES)
@settings(max_examples=300)
def test_cells_take_no_anchor_away(wikitext: str) -> None:
    outside = links(SKIPPED.render(wikitext))
    with_cells = links(CELLS.render(wikitext))
    assert all(with_cells.count(link) >= outside.count(link) for link in outside)


_WORDS = st.text("abcxyz北京😀", min_size=1, max_size=6)


@given(st.lists(st.lists(st.tuples(_WORDS, _WORDS), min_size=1, max_size=4), min_size=1, max_size=5), st.booleans())
def test_a_table_built_beside_its_text(rows: list[list[tuple[str, str]]], in_html: bool) -> None:
    """An oracle that needs no parser: cells, and the table written from them."""
    if in_html:
        body = "".join("<tr>" + "".join(f"<td>{a} [[{b}]]</td>" for a, b in row) + "</tr>" for row in rows)
        wikitext = f"<table>{body}</table>"
    else:
        body = "\n|-\n".join("| " + " || ".join(f"{a} [[{b}]]" for a, b in row) for row in rows)
        wikitext = f"{{|\n{body}\n|}}"
    document = CELLS.render(wikitext)
    cells = [f"{a} {b}" for row in rows for a, b in row]
    assert document.text.split("\n") == cells
    assert [surface for surface, _ in links(document)] == [b for row in rows for _, b in row]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece", ["{|\n", "|}\n", "|-\n", "| a || b\n", "||", "!!", "\n|", "\n!", "<table>", "\n{|\n|}"]
)
def test_hostile_tables_end(piece: str) -> None:
    CELLS.render("{|\n|" + piece * (400_000 // len(piece)))


def test_both_pay_for_what_they_read() -> None:
    text = "{|\n| a || b\n|}\n" * 100
    for replace in (drop_tables, table_cells):
        paid = []
        for repeated in (1, 2):
            budget = Budget(2**30, len(text) * repeated)
            budget._ample = False
            replace(text * repeated, budget)
            paid.append(budget.steps - budget.left)
        assert paid[1] == pytest.approx(2 * paid[0], rel=0.01)
