"""The Spark stages: dump to D_g, texts to sentences, either to the first D_s."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from cofee_dist.config import Config, LabelledFile
from cofee_dist.corpus.dump_list import list_dumps
from cofee_dist.corpus.dump_location import TEXT, dump_digest, dump_size, one_name
from cofee_dist.corpus.sentences import SentenceRules
from cofee_dist.errors import UserError
from cofee_dist.pipeline.inputs import digest_of_input
from cofee_dist.pipeline.progress import StageProgress, count
from cofee_dist.pipeline.runner import Runner
from cofee_dist.report.matches_page import MATCHES_HTML, write_matches

HELD_OUT = "held_out.jsonl"


class Spark:
    """The Spark session of a run, begun when a stage first wants it: starting it takes some seconds."""

    def __init__(self, runner: Runner) -> None:
        self._runner, self._stack = runner, ExitStack()
        self._session: Any = None

    @contextmanager
    def session(self) -> Iterator[Any]:
        """The session, whose executors see the run's folder and its inputs, before the block and after it.

        One that joined meanwhile and sees another folder has its part of the output there.
        """
        from cofee_dist.corpus.spark_cluster import check_executors

        session, config = self._opened(), self._runner.config
        dumps = list_dumps(config.corpus.dumps) if config.corpus.dumps else []
        sources = {one_name(path): dump_size(path) for path in dumps}
        sources |= {one_name(path): dump_size(path, TEXT) for path in config.corpus.texts}
        check_executors(session, config.run_folder, sources)
        yield session
        check_executors(session, config.run_folder, sources)

    def _opened(self) -> Any:
        if self._session is None:
            from cofee_dist.corpus.spark import opened_session
            from cofee_dist.corpus.spark_cluster import submitted, told

            self._session = self._stack.enter_context(opened_session())
            if submitted():
                self._runner.say("spark", told(self._session))
        return self._session

    def close(self) -> None:
        """Stop the session, if there is one of ours: training wants its memory."""
        self._stack.close()
        self._session = None


@contextmanager
def spark(runner: Runner) -> Iterator[Spark]:
    """A Spark that is stopped at the end of the block."""
    found = Spark(runner)
    try:
        yield found
    finally:
        found.close()


def corpus_stage(runner: Runner, engine: Spark) -> Path:
    """Dump to D_g: ``sentences/`` and ``quarantine/``."""
    config = runner.config
    inputs = {path: dump_digest(path) for path in list_dumps(config.corpus.dumps)}

    def build(folder: Path, shown: StageProgress) -> Mapping[str, Any]:
        from cofee_dist.corpus.spark_build import build_corpus

        with engine.session() as session:
            return build_corpus(session, config.corpus, config.task.language, folder, shown.update)

    settings = config.corpus.deciding() | {"language": config.task.language}
    return runner.stage("corpus", settings, inputs, build, _tell_corpus)


def _tell_corpus(counts: Mapping[str, Any]) -> str:
    return (
        f"{count(counts['pages'])} pages, {count(counts['articles'])} articles → "
        f"{count(counts['sentences'])} sentences, {count(counts['anchors'])} anchors"
    )


def texts_stage(runner: Runner, engine: Spark) -> Path:
    """Texts to ``sentences/``, which have no anchors."""
    config = runner.config
    inputs = {path: dump_digest(path, TEXT) for path in config.corpus.texts}

    def build(folder: Path, shown: StageProgress) -> Mapping[str, Any]:
        from cofee_dist.corpus.spark_texts import build_texts

        with engine.session() as session:
            return build_texts(session, config.corpus, config.task.language, folder, shown.update)

    return runner.stage("texts", settings_of_texts(config), inputs, build, _tell_texts)


def settings_of_texts(config: Config) -> dict[str, Any]:
    """What decides which sentences of texts are kept, beside what is in the files, and how they are called."""
    rules = asdict(SentenceRules.of(config.corpus, config.task.language))
    del rules["min_anchors"]  # texts have none
    # A sentence's key tells its file by the place in this list.
    return rules | {"max_sentences": config.corpus.max_sentences, "order": list(config.corpus.texts)}


def _tell_texts(counts: Mapping[str, Any]) -> str:
    return f"{count(counts['lines'])} lines → {count(counts['sentences'])} sentences"


def labels_stage(runner: Runner, engine: Spark, source: str) -> Path:
    """D_s, iteration 0 of the ledger; without a validation file a share of it is held out.

    ``source`` is the stage whose sentences are labelled: ``corpus`` by their anchors, ``texts`` by what they name.
    """
    config = runner.config
    lists = {name: entity_type.gazetteers for name, entity_type in config.task.types.items()}
    paths = {file.path for files in lists.values() for file in files}
    inputs = {path: digest_of_input(path, "the gazetteer") for path in sorted(paths)}
    inputs[source] = runner.fingerprint(source)
    hold_out = config.evaluation.validation is None
    settings = {
        **config.labels.model_dump(mode="json"),
        "gazetteers": {name: [file.model_dump(mode="json") for file in files] for name, files in lists.items()},
        "held_out_share": config.evaluation.held_out_share if hold_out else 0,
        "max_held_out_sentences": config.evaluation.max_held_out_sentences if hold_out else 0,
        "seed": config.seed if hold_out else None,
    }

    def build(folder: Path, shown: StageProgress) -> Mapping[str, Any]:
        from cofee_dist.labels.changes import by_type, count_labels
        from cofee_dist.labels.spark import type_anchors
        from cofee_dist.labels.spark_texts import label_texts

        label = label_texts if source == "texts" else type_anchors
        sentences = config.run_folder / source / "sentences"
        with engine.session() as session:
            counts, report = label(session, sentences, folder, config.task, config.labels, shown.update)
        write_matches(report, folder, config.name)
        held_out = _hold_out(folder, config) if hold_out else 0
        labels = by_type(count_labels(folder, 0)[1])
        return {**counts, "held_out_sentences": held_out, "labels": labels}

    def tell(counts: Mapping[str, Any]) -> str:
        return f"{_tell_labels(counts)} · {config.run_folder / 'labels' / MATCHES_HTML}"

    return runner.stage("labels", settings, inputs, build, tell)


def _tell_labels(counts: Mapping[str, Any]) -> str:
    types = ", ".join(f"{name} {count(number)}" for name, number in counts["labels"].items())
    return f"{count(counts['sentences_labelled'])} sentences: {types}"


def _hold_out(folder: Path, config: Config) -> int:
    """Move a share of the weak labels from the ledger to a validation file, a block of sentences at a time."""
    import pyarrow as pa

    from cofee_dist.labels.blocks import write_blocks
    from cofee_dist.labels.ledger import count_sentences, read_blocks, to_sentences
    from cofee_dist.labels.sampling import held_out_rows

    kept = held_out = 0
    share = config.evaluation.held_out_of(count_sentences(folder, 0))

    def training(file: TextIO) -> Iterator[Any]:
        nonlocal kept, held_out
        for table in read_blocks(folder, 0):
            rows = held_out_rows(table, share, config.seed)
            for sentence in to_sentences(table.filter(pa.array(rows))):
                entities = [{"start": e.start, "end": e.end, "type": e.type} for e in sentence.entities]
                file.write(json.dumps({"text": sentence.text, "entities": entities}, ensure_ascii=False) + "\n")
            held_out, kept = held_out + int(rows.sum()), kept + int((~rows).sum())
            yield table.filter(pa.array(~rows))

    with (folder / HELD_OUT).open("w", encoding="utf-8") as file:
        write_blocks(folder, 0, training(file))
    if not kept or not held_out:
        raise UserError(
            f"{kept + held_out} weakly labelled sentences are too few to hold some out for validation",
            fix="give evaluation.validation, more text or larger gazetteers, or raise evaluation.held_out_share",
        )
    return held_out


def validation_file(config: Config) -> LabelledFile:
    """Where validation sentences are: the user's file, or what the labels stage held out."""
    return config.evaluation.validation or LabelledFile(path=str(config.run_folder / "labels" / HELD_OUT))
