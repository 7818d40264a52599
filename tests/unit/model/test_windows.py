"""Windows: every piece has one owner, which is the window in which it has most context."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.model.windows import OVERLAP, cut_windows

SENTENCES = st.lists(st.tuples(st.integers(0, 120), st.integers(8, 40)), min_size=1, max_size=5)


@given(SENTENCES)
def test_every_piece_is_owned_once_by_a_window_with_most_context(sentences: list[tuple[int, int]]) -> None:
    lengths, rooms = (np.array(column) for column in zip(*sentences, strict=True))
    windows = cut_windows(lengths, rooms)
    for sentence, (length, room) in enumerate(sentences):
        mine = np.nonzero(windows.sentence == sentence)[0]
        assert len(mine) >= (length > 0)
        assert len(mine) <= 1 or length > room
        for piece in range(length):
            # Context to a cut; where the sentence itself begins or ends, nothing is missing.
            context = {}
            for window in mine:
                start, end = windows.start[window], windows.start[window] + windows.length[window]
                assert 0 <= start < end <= length
                assert end - start <= room
                if start <= piece < end:
                    left = piece - start if start > 0 else length
                    right = end - 1 - piece if end < length else length
                    context[window] = min(left, right)
            owners = [w for w in mine if windows.owned_start[w] <= piece < windows.owned_end[w]]
            assert len(owners) == 1
            # The middle may lie between two pieces: then either neighbour will do.
            assert context[owners[0]] >= max(context.values()) - 1


@given(SENTENCES)
def test_neighbours_overlap(sentences: list[tuple[int, int]]) -> None:
    lengths, rooms = (np.array(column) for column in zip(*sentences, strict=True))
    windows = cut_windows(lengths, rooms)
    for at in range(1, len(windows.sentence)):
        if windows.sentence[at] == windows.sentence[at - 1]:
            shared = windows.start[at - 1] + windows.length[at - 1] - windows.start[at]
            assert shared >= int(rooms[windows.sentence[at]] * OVERLAP)
            assert windows.start[at] > windows.start[at - 1]


def test_what_fits_is_one_window() -> None:
    windows = cut_windows(np.array([10, 0, 9]), np.array([10, 10, 10]))
    assert windows.sentence.tolist() == [0, 2]
    assert windows.length.tolist() == [10, 9]
    assert windows.owned_end.tolist() == [10, 9]
