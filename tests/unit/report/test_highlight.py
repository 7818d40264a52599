from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.report.highlight import excerpt, pieces
from cofee_dist.report.schema import Span

TEXT = "大 café 🎈 of Ürümqi"
SPANS = st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, len(TEXT))).filter(lambda pair: pair[0] < pair[1])


@given(st.lists(SPANS))
def test_pieces_join_to_the_text_and_lose_no_entity(pairs: list[tuple[int, int]]) -> None:
    spans = [Span(start=start, end=end, type="X") for start, end in pairs]
    found, hidden = pieces(TEXT, spans)
    assert "".join(piece.text for piece in found) == TEXT
    shown = [piece.entity for piece in found if piece.entity is not None]
    assert sorted((s.start, s.end) for s in [*shown, *hidden]) == sorted(pairs)
    for piece in found:
        if piece.entity is not None:
            assert piece.text == TEXT[piece.entity.start : piece.entity.end]


def test_the_outermost_of_nested_entities_is_shown() -> None:
    inner, outer = Span(start=3, end=5, type="LOC"), Span(start=0, end=8, type="ORG")
    found, hidden = pieces("abcdefgh", [inner, outer])
    assert [piece.entity for piece in found] == [outer]
    assert hidden == [inner]


@given(st.text(alphabet="ab \n北", min_size=1, max_size=80), st.data())
def test_excerpt_keeps_the_entity_and_some_of_the_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    most = data.draw(st.integers(1, 90))
    shown, span = excerpt(text, Span(start=start, end=end, type="PER"), most)
    assert shown[span.start : span.end] == text[start:end]
    assert shown.strip("…") in text
    assert len(shown) <= max(most, end - start) + 2
    if most >= len(text):
        assert shown == text


def test_excerpt_is_cut_between_words() -> None:
    text = "one two three four Ada Lovelace five six seven eight"
    shown, span = excerpt(text, Span(start=19, end=31, type="PER"), 26)
    assert (shown, shown[span.start : span.end]) == ("…four Ada Lovelace five…", "Ada Lovelace")
