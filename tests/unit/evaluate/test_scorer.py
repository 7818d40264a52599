"""The scorer against seqeval, and its edges."""

import json
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.v1 import precision_recall_fscore_support
from seqeval.scheme import IOB2

from cofee_dist.evaluate.readers import token_spans
from cofee_dist.evaluate.scorer import score, together
from cofee_dist.schemas import Entity

LABELS = st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), min_size=1, max_size=10)


def _repair(labels):
    """Strict seqeval knows no entity without a B-: give each its B-."""
    repaired, before = [], "O"
    for label in labels:
        repaired.append("B" + label[1:] if label[0] == "I" and before[1:] != label[1:] else label)
        before = label
    return repaired


def _spans(labels):
    return token_spans([("O", "") if label == "O" else tuple(label.split("-")) for label in labels])


@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=6))
def test_agrees_with_seqeval_strict(pairs):
    gold = [_repair(a[: min(len(a), len(b))]) for a, b in pairs]
    predicted = [_repair(b[: min(len(a), len(b))]) for a, b in pairs]
    ours = score([_spans(labels) for labels in gold], [_spans(labels) for labels in predicted])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keywords = {"scheme": IOB2, "zero_division": 0}
        micro = precision_recall_fscore_support(gold, predicted, average="micro", **keywords)
        each = precision_recall_fscore_support(gold, predicted, average=None, **keywords)
    assert (ours.precision, ours.recall, ours.f1) == pytest.approx(micro[:3])
    for i, type_ in enumerate(sorted(ours.per_type)):
        theirs = [column[i] for column in each]
        mine = ours.per_type[type_]
        assert (mine.precision, mine.recall, mine.f1, mine.gold) == pytest.approx(tuple(theirs))


def test_nothing_out_of_nothing_is_zero():
    assert (score([[]], [[]]).precision, score([[]], [[]]).recall, score([[]], [[]]).f1) == (0, 0, 0)
    assert score([[(0, 1, "A")]], [[]]).f1 == 0
    assert score([], []).gold == 0


def test_counts_types_and_repeated_spans():
    gold = [[Entity(0, 4, "PER"), Entity(5, 9, "LOC")], []]
    predicted = [[(0, 4, "PER"), (0, 4, "PER"), (5, 9, "PER")], [(0, 4, "PER")]]
    found = score(gold, predicted)
    assert (found.true_positives, found.predicted, found.gold) == (1, 3, 2)
    assert (found.precision, found.recall, found.f1) == pytest.approx((1 / 3, 1 / 2, 0.4))
    assert (found.per_type["LOC"].predicted, found.per_type["LOC"].gold) == (0, 1)
    assert json.loads(json.dumps(found.as_dict()))["per_type"]["PER"]["predicted"] == 3


def test_where_a_picked_label_came_from_does_not_matter():
    assert score([[Entity(0, 4, "PER")]], [[Entity(0, 4, "PER", "picked", 0.4)]]).f1 == 1


def test_different_numbers_of_sentences_are_refused():
    with pytest.raises(ValueError, match="1 gold"):
        score([[]], [[], []])


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=8), st.integers(1, 4))
def test_the_parts_of_several_ranks_are_the_whole(pairs, ranks):
    gold, predicted = ([_spans(labels) for labels in side] for side in zip(*pairs, strict=True))
    parts = [score(gold[rank::ranks], predicted[rank::ranks]) for rank in range(ranks)]
    assert together(parts) == score(gold, predicted)
