"""What ``cofee predict`` and ``cofee evaluate`` do with a saved model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from cofee_dist.artifacts import read_json
from cofee_dist.config import LabelledFile
from cofee_dist.errors import UserError
from cofee_dist.evaluate.scorer import Score
from cofee_dist.pipeline.models import load_model

_LINES_AT_A_TIME = 512


def read_texts(file: Path | None) -> Iterator[str]:
    """Lines of a file, or of stdin; what is not UTF-8 is the user's to mend."""
    if file is None and sys.stdin.isatty():
        raise UserError("no text to read", fix="give texts, --file FILE, or pipe lines in")
    try:
        if file is None or str(file) == "-":
            yield from (line.rstrip("\n") for line in sys.stdin)
            return
        with file.open(encoding="utf-8-sig") as lines:
            yield from (line.rstrip("\n") for line in lines)
    except OSError as error:
        fix = "correct the path; a text itself goes without --file"
        raise UserError(f"cannot read the texts: {error.strerror}", where=file, fix=fix) from error
    except UnicodeDecodeError as error:
        told = f"the texts are not UTF-8 ({error.reason})"
        raise UserError(told, where=file or "stdin", fix="save them as UTF-8 (iconv -t utf-8)") from error


def predict_lines(
    model: Path,
    texts: Iterator[str] | Sequence[str],
    types: list[str] | None,
    threshold: float | None,
    nested: bool | None,
) -> Iterator[dict[str, Any]]:
    """A record for each text: the text and its entities, as they come (a stream is answered as it flows)."""
    extractor = load_model(model)
    questions = _questions(types, extractor.config.types)
    lines = iter(texts)
    while block := list(islice(lines, _LINES_AT_A_TIME)):
        found = extractor.predict(block, types=questions, threshold=threshold, nested=nested)
        for text, entities in zip(block, found, strict=True):
            yield {"text": text, "entities": [{**asdict(e), "score": round(e.score, 4)} for e in entities]}


def _questions(types: list[str] | None, known: dict[str, str]) -> list[str] | dict[str, str] | None:
    if not types:
        return None
    if not any("=" in kind for kind in types):
        return types
    questions = {}
    for kind in types:
        name, _, question = kind.partition("=")
        if not name:
            raise UserError(f"no type's name before the question: {kind!r}", fix="give --type 'NAME=QUESTION'")
        if not question and name not in known:
            raise UserError(f"the model does not know the type {name!r}", fix=f"give a question: --type '{name}=…'")
        questions[name] = question or known[name]
    return questions


def model_types(model: Path) -> list[str]:
    """The types that a saved model knows; UserError for what is no model of ours."""
    try:
        return [name for name, _ in read_json(model / "config.json")["types"]]
    except (UserError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            "this is no model that a run has trained: its config.json names no types",
            where=model,
            fix="give --model the folder of a run, or its model/",
        ) from error


def labelled_file(
    path: Path, scheme: str, label_column: int, skip: list[str] | None, joiner: str, ignore_types: list[str] | None
) -> LabelledFile:
    """Command-line options as the config's description of a labelled file."""
    from pydantic import ValidationError

    settings: dict[str, Any] = {"scheme": scheme, "label_column": label_column, "joiner": joiner}
    if skip:
        settings["skip_lines_starting_with"] = tuple(skip)
    try:
        return LabelledFile(path=str(path), ignore_types=tuple(ignore_types or ()), **settings)
    except ValidationError as error:
        problem = error.errors()[0]
        option = str(problem["loc"][0]).replace("_", "-")
        raise UserError(f"--{option}: {problem['msg']}", fix="see cofee evaluate --help") from error


def score_table(found: Score, title: str) -> Any:
    """P, R, F1 by type and over all, as a rich table."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("type")
    for name in ("P", "R", "F1", "gold", "predicted"):
        table.add_column(name, justify="right")
    scores = found.as_dict()
    rows = [*scores["per_type"].items(), ("all", scores)]
    for name, row in rows:
        numbers = [f"{100 * row[key]:.2f}" for key in ("precision", "recall", "f1")]
        table.add_row(name, *numbers, str(row["gold"]), str(row["predicted"]), style="bold" if name == "all" else None)
    return table
