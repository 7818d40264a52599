"""What picking recovered, counted by hand and by identities that hold for any labels."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cofee_dist.evaluate.recovery import recovery

A, B, C, D, E = ((i, i + 1, "PER") for i in range(5))
SETS = st.sets(st.sampled_from([A, B, C, D, E]))


def test_counts_by_hand():
    before, after, truth = [[A, B, E]], [[A, C, D]], [[A, B, C]]
    found = recovery(before, after, truth)
    assert (found.missing, found.recovered) == (1, 1)  # C
    assert (found.added, found.added_right) == (2, 1)  # C, D
    assert (found.wrong, found.wrong_removed) == (1, 1)  # E
    assert found.right_lost == 1  # B
    assert (found.recall_of_missing, found.precision_of_added) == (1.0, 0.5)
    assert json.loads(json.dumps(found.as_dict()))["precision_of_added"] == 0.5


def test_a_changed_type_is_one_removed_and_one_recovered():
    found = recovery([[(0, 1, "LOC")]], [[(0, 1, "PER")]], [[(0, 1, "PER")]])
    assert (found.wrong_removed, found.recovered) == (1, 1)


@settings(deadline=None)
@given(st.lists(st.tuples(SETS, SETS, SETS), max_size=5))
def test_the_counts_explain_the_scores(rows):
    before, after, truth = ([list(row[i]) for row in rows] for i in range(3))
    found = recovery(before, after, truth)
    assert found.missing == found.before.gold - found.before.true_positives
    assert found.recovered == found.added_right
    assert found.after.true_positives == found.before.true_positives + found.recovered - found.right_lost
    assert found.after.predicted == (found.before.predicted + found.added - found.wrong_removed - found.right_lost)


def test_nothing_missing_and_nothing_added():
    found = recovery([[A]], [[A]], [[A]])
    assert (found.recall_of_missing, found.precision_of_added) == (0.0, 0.0)
    with pytest.raises(ValueError, match="sentences before"):
        recovery([[]], [], [])
