from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cofee_dist.config import EntityType, Labels, Task
from cofee_dist.errors import UserError
from cofee_dist.labels.gazetteer import TypeCounts, build_gazetteer, read_gazetteers
from cofee_dist.labels.normalise import normalise


def _task(folder: Path, **data: bytes) -> Task:
    types = {}
    for name, content in data.items():
        (folder / f"{name}.txt").write_bytes(content)
        types[name] = EntityType(question="?", gazetteers=(str(folder / f"{name}.txt"),))
    return Task(types=types)


def test_byte_order_mark_crlf_blank_lines_and_hashes(tmp_path: Path) -> None:
    task = _task(tmp_path, PER="\ufeffAda\r\n\r\n  Bob \t Ray \r\n#metoo\r\nAda".encode())
    gazetteer = read_gazetteers(task, Labels())
    assert dict(gazetteer.entries) == {"Ada": ("PER",), "Bob Ray": ("PER",), "#metoo": ("PER",)}
    assert gazetteer.counts == {"PER": TypeCounts(entries=3, duplicates=1, ambiguous=0)}
    assert gazetteer.files == {"PER": (str(tmp_path / "PER.txt"),)}


def test_ambiguous_entries_are_kept_or_dropped(tmp_path: Path) -> None:
    task = _task(tmp_path, PER=b"Paris\nAda", LOC=b"Troy\nparis\nParis")
    kept = read_gazetteers(task, Labels())
    assert kept.entries["Paris"] == ("PER", "LOC")
    assert kept.look_up(["Paris", "Ada", "none"]) == {"Paris": 2, "Ada": 0}
    assert kept.types_of_kind == (("PER",), ("LOC",), ("PER", "LOC"))
    assert kept.counts["LOC"] == TypeCounts(entries=3, duplicates=0, ambiguous=1)
    dropped = read_gazetteers(task, Labels(ambiguity="drop", ignore_case=True))
    assert dict(dropped.entries) == {"ada": ("PER",), "troy": ("LOC",)}
    assert dict(dropped.items()) == {"ada": ("PER",), "troy": ("LOC",), "paris": ()}
    assert dropped.counts["LOC"] == TypeCounts(entries=2, duplicates=1, ambiguous=1)


def test_several_lists_of_a_type_are_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\ny")
    (tmp_path / "b").write_text("y\nz")
    task = Task(types={"T": EntityType(question="?", gazetteers=(str(tmp_path / "a"), str(tmp_path / "b")))})
    gazetteer = read_gazetteers(task, Labels())
    assert list(gazetteer.entries) == ["x", "y", "z"]
    assert gazetteer.counts["T"] == TypeCounts(entries=3, duplicates=1, ambiguous=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no entries"),
        (b"\n \r\n\t\n", "no entries"),
        (b"Ada\nBob\ncaf\xe9\n", r"not UTF-8 \(byte 0xe9\)[\s\S]*T.txt:3"),
        (b"\xef\xbb\xbfAda\ncaf\xe9", r"T.txt:2"),
        ("Ada".encode("utf-16"), "zero bytes"),
    ],
)
def test_a_file_that_is_no_word_list_is_the_users_to_mend(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_gazetteers(_task(tmp_path, T=content), Labels())


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path):
        task = Task(types={"T": EntityType(question="?", gazetteers=(str(path),))})
        with pytest.raises(UserError, match="cannot read the gazetteer") as caught:
            read_gazetteers(task, Labels())
        assert str(path) in str(caught.value)


words = st.text("aAbB \u00a0éÉ", max_size=3)


@given(st.dictionaries(st.sampled_from("XYZ"), st.lists(words)), st.booleans(), st.sampled_from(["keep_all", "drop"]))
def test_merging_equals_sets(lists: dict[str, list[str]], ignore_case: bool, ambiguity: str) -> None:
    gazetteer = build_gazetteer(lists, Labels(ignore_case=ignore_case, ambiguity=ambiguity))  # type: ignore[arg-type]
    sets = {name: {normalise(word, ignore_case) for word in list_} - {""} for name, list_ in lists.items()}
    for entry in set().union(*sets.values()):
        types = tuple(name for name in lists if entry in sets[name])
        assert gazetteer.entries.get(entry) == (types if len(types) == 1 or ambiguity == "keep_all" else None)
        assert gazetteer.types_of_kind[gazetteer.look_up([entry])[entry]] == types
    in_order = dict.fromkeys(normalise(word, ignore_case) for list_ in lists.values() for word in list_)
    assert gazetteer.names.to_pylist() == [entry for entry in in_order if entry]
    for name, counts in gazetteer.counts.items():
        others = set().union(*(sets[other] for other in lists if other != name))
        lines = sum(bool(normalise(word)) for word in lists[name])
        assert counts == TypeCounts(len(sets[name]), lines - len(sets[name]), len(sets[name] & others))


def test_real_lists(shared_data: Path) -> None:
    folder = shared_data / "gazetteers" / "en"
    types = {
        name: EntityType(question="?", gazetteers=(str(folder / f"{name}.txt"),)) for name in ("PER", "LOC", "ORG")
    }
    gazetteer = read_gazetteers(Task(types=types), Labels())
    assert gazetteer.entries["Montgomery"] == ("PER", "LOC")
    lines = {name: sum(1 for line in (folder / f"{name}.txt").open("rb") if line.strip()) for name in types}
    assert {name: counts.entries + counts.duplicates for name, counts in gazetteer.counts.items()} == lines
    assert lines == {"PER": 5911, "LOC": 35267, "ORG": 2843}
