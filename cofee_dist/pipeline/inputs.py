"""What can be known to be wrong with a config's files before the first stage, instead of hours into the run."""

from __future__ import annotations

from pathlib import Path

from cofee_dist.artifacts import file_digest
from cofee_dist.config import Config
from cofee_dist.corpus.dump_list import list_dumps, read_sites
from cofee_dist.corpus.dump_location import dump_digest
from cofee_dist.corpus.text_files import check_texts
from cofee_dist.errors import UserError
from cofee_dist.evaluate.readers import read_labelled, read_truth
from cofee_dist.labels.gazetteer_files import check_entries


def check_inputs(config: Config) -> list[str]:
    """Open every file that the run will read: heads of dumps, texts and long tables, the rest as a whole.

    Returns:
        What is odd, but no mistake: a line each.

    Raises:
        UserError: The first that is missing, is not what it should be, or does not fit the task.
    """
    odd = check_corpus_inputs(config)
    evaluation = config.evaluation
    for what, file in (("validation", evaluation.validation), ("test", evaluation.test)):
        if file is not None:
            must_exist(file.path, f"the {what} file")
            read_labelled(file, config.task.types)
    others = {
        "the truth": evaluation.truth,
        "the file of examples": evaluation.examples,
        "the DeepSpeed config": config.engine.deepspeed_config,
    }
    for what, path in others.items():
        if path is not None:
            must_exist(path, what)
            _must_be_text(path, what)
    if evaluation.truth is not None:
        read_truth(evaluation.truth)
    if config.engine.workers == 0:
        # Workers have machines of their own.
        from cofee_dist.train.engine import device_of

        device_of(config.engine)
    return odd


def check_corpus_inputs(config: Config) -> list[str]:
    """The part of ``check_inputs`` that sentences and first labels are made of."""
    odd = _check_sources(config)
    for entity_type in config.task.types.values():
        for gazetteer in entity_type.gazetteers:
            check_entries(gazetteer)
    if config.evaluation.validation is not None:
        must_exist(config.evaluation.validation.path, "the validation file")
    return odd


def _check_sources(config: Config) -> list[str]:
    """See that there is what labels come from, that dumps begin as MediaWiki dumps do, and texts as texts."""
    corpus, from_text = config.corpus, config.labels.source == "text"
    if from_text and not corpus.texts:
        raise UserError(
            "no text to read, though labels.source is text",
            where="corpus.texts",
            fix="--set 'corpus.texts=[texts.jsonl]', or labels.source=anchors to label the anchors of a dump",
        )
    if corpus.texts and not from_text:
        raise UserError(
            "texts are given, but labels come from the anchors of dumps",
            where="corpus.texts",
            fix="set labels.source=text, or corpus.texts=[]",
        )
    if not corpus.dumps and not from_text:
        raise UserError(
            "no dump to read",
            where="corpus.dumps",
            fix="--set 'corpus.dumps=[enwiki-….xml.bz2]', or corpus.texts with labels.source=text",
        )
    check_texts(corpus.texts)
    sites = read_sites(list_dumps(corpus.dumps)) if corpus.dumps else {}
    spoken = config.task.language
    return [
        f"{path} is in {site.language}, but task.language is {spoken}, which says how text is cut"
        for path, site in sites.items()
        if site.language.partition("-")[0] != spoken.partition("-")[0]
    ]


def must_exist(path: str, what: str) -> None:
    """UserError where a user's file is not there."""
    fix = "correct the path; it is relative to the folder you are in"
    if Path(path).is_dir():
        raise UserError(f"{what} is a folder, not a file", where=path, fix=fix)
    if not Path(path).is_file():
        raise UserError(f"{what} does not exist", where=path, fix=fix)


def _must_be_text(path: str, what: str) -> None:
    try:
        with Path(path).open(encoding="utf-8") as lines:
            for _ in lines:
                pass
    except UnicodeDecodeError as error:
        raise UserError(f"{what} is not UTF-8", where=path, fix="save it as UTF-8, or correct the path") from error


def digest_of_input(path: str, what: str) -> str:
    """A user's file, or a dump's URL, as an input of a stage; UserError where it is not there."""
    if _is_url(path):
        return dump_digest(path)
    must_exist(path, what)
    return file_digest(path)


def _is_url(path: str) -> bool:
    return "://" in path
