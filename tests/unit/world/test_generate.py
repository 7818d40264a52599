"""The world as a whole: the same for a seed, exact offsets, gaps and noise as large as they are said to be."""

import json
from collections import Counter

import pytest

from cofee_dist.errors import UserError
from cofee_dist.world.facts import TYPE_OF
from cofee_dist.world.generate import SIZES, generate


def _records(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _bytes(paths):
    return {
        str(file.relative_to(paths.folder)): file.read_bytes() for file in paths.folder.rglob("*") if file.is_file()
    }


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("quickstart"))


def test_the_seed_decides_every_byte(tiny, tmp_path):
    again = _bytes(generate(tmp_path / "a", seed=3, size="tiny"))
    other = _bytes(generate(tmp_path / "b", seed=4, size="tiny"))
    assert _bytes(tiny) == again
    assert all(other[name] != content for name, content in again.items())


@pytest.mark.parametrize("name", ["truth", "validation", "test"])
def test_offsets_are_exact_and_types_agree(quickstart, name):
    for record in _records(getattr(quickstart, name)):
        ends = 0
        for entity in record["entities"]:
            surface = record["text"][entity["start"] : entity["end"]]
            assert surface == surface.strip() != ""
            assert surface[0].isupper()
            assert entity["type"] == TYPE_OF[entity["fine"]]
            assert entity["start"] >= ends
            ends = entity["end"]


def test_sizes(quickstart):
    validation, test, truth = (_records(getattr(quickstart, name)) for name in ("validation", "test", "truth"))
    assert (len(validation), len(test)) == (SIZES["quickstart"].validation, SIZES["quickstart"].test)
    words = [len(record["text"].split()) for record in truth]
    assert sum(words) / len(words) < 30
    assert sum(len(record["entities"]) >= 4 for record in truth) > 0.8 * len(truth)
    assert {entity["fine"] for record in test for entity in record["entities"]} == set(TYPE_OF)


def test_no_sentence_is_in_two_sets(quickstart):
    texts = [
        record["text"] for name in ("validation", "test", "truth") for record in _records(getattr(quickstart, name))
    ]
    texts += quickstart.unseen.read_text(encoding="utf-8").splitlines()
    assert len(texts) == len(set(texts))


def _surfaces(records):
    counts = Counter()
    for record in records:
        for entity in record["entities"]:
            counts[record["text"][entity["start"] : entity["end"]], entity["type"]] += 1
    return counts


def test_names_alone_do_not_decide(quickstart):
    """Some names are of two types, so the words around them have to tell."""
    by_surface = {}
    for (surface, type_), count in _surfaces(_records(quickstart.truth)).items():
        by_surface.setdefault(surface, Counter())[type_] += count
    ambiguous = [types for types in by_surface.values() if len(types) > 1]
    assert sum(types.total() for types in ambiguous) > 0.02 * sum(types.total() for types in by_surface.values())


def test_the_test_set_has_what_the_wiki_lacks(quickstart):
    known = {surface for surface, _ in _surfaces(_records(quickstart.truth))}
    test = _surfaces(_records(quickstart.test))
    unknown = sum(count for (surface, _), count in test.items() if surface not in known)
    assert 0.15 < unknown / test.total() < 0.5


def test_a_folder_that_cannot_be_written_is_the_users_to_mend(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write"):
        generate(tmp_path / "file", size="tiny")
