from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.report.highlight import pieces
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
