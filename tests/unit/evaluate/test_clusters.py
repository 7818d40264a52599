"""Purity and NMI against scikit-learn, and their edges."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from cofee_dist.evaluate.clusters import contingency, normalised_mutual_information, purity

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abcd")), min_size=1, max_size=60)


@settings(deadline=None)
@given(PAIRS)
def test_agree_with_scikit_learn(pairs):
    clusters, classes = zip(*pairs, strict=True)
    assert normalised_mutual_information(clusters, classes) == pytest.approx(
        normalized_mutual_info_score(classes, clusters), abs=1e-9
    )
    matrix = contingency_matrix(classes, clusters)
    assert purity(clusters, classes) == pytest.approx(matrix.max(axis=0).sum() / len(pairs))
    ours = contingency(clusters, classes)
    table = [[ours[cluster].get(class_, 0) for cluster in sorted(set(clusters))] for class_ in sorted(set(classes))]
    assert table == matrix.tolist()


def test_largest_first():
    table = contingency([1, 2, 2, 2], ["x", "y", "x", "x"])
    assert list(table) == [2, 1]
    assert list(table[2].items()) == [("x", 2), ("y", 1)]


def test_edges():
    assert (purity([], []), normalised_mutual_information([], [])) == (0.0, 1.0)
    assert normalised_mutual_information([0, 0], ["a", "b"]) == 0.0
    assert normalised_mutual_information([3, 3, 4], ["a", "a", "b"]) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="1 cluster"):
        purity([0], [])
