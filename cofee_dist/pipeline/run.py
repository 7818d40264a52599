"""``pretrain``: the whole job. Read it as the table of contents."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cofee_dist.artifacts import fingerprint, write_text
from cofee_dist.config import Config
from cofee_dist.config.file import dump_yaml
from cofee_dist.errors import UserError
from cofee_dist.pipeline.data import corpus_stage, labels_stage, spark, texts_stage
from cofee_dist.pipeline.evaluation import evaluation_stage
from cofee_dist.pipeline.inputs import check_corpus_inputs, check_inputs
from cofee_dist.pipeline.models import quiet_transformers
from cofee_dist.pipeline.progress import RunProgress
from cofee_dist.pipeline.runner import Runner
from cofee_dist.pipeline.training import base_stage, training_stage
from cofee_dist.report.schema import Report
from cofee_dist.report.write import write_report
from cofee_dist.tracking import Tracker, flat, tracked_name
from cofee_dist.train.ray_job import check_runs

CONFIG = "config.yaml"
_FULL_BYTES = 2**20


def pretrain(config: Config, progress: RunProgress, next_lines: tuple[str, ...] = ()) -> Report:
    """From dump or text to recogniser: run what is not finished yet, then write the report.

    A finished stage with the same config and inputs is not run again; a killed one goes on from its last
    checkpoint. ``next_lines`` are the commands that the report suggests.
    """
    with _running(config, progress) as runner:
        _tell_odd(runner, check_inputs(config))
        if config.encoder.scratch is None:
            # Before the corpus: that an encoder cannot be read is told now, not hours later.
            base_stage(runner)
        sentences, labels = _data(runner)
        if config.encoder.scratch is not None:
            base_stage(runner)
        _train(runner, sentences, labels)
        evaluation_stage(runner)
        return _report(runner, next_lines)


def build_corpus(config: Config, progress: RunProgress) -> None:
    """Only the sentences and the first D_s; ``pretrain`` with the same config goes on from there."""
    with _running(config, progress) as runner:
        _tell_odd(runner, check_corpus_inputs(config))
        _data(runner)


@contextmanager
def _running(config: Config, progress: RunProgress) -> Iterator[Runner]:
    """A run with its folder, its MLflow run and its bars; how it ends is tracked."""
    check_runs(config.runs)
    quiet_transformers()
    _make_folder(config)
    tracker = Tracker(config)
    tracker.begin(None, fingerprint(config.model_dump(mode="json")))
    tracker.parameters(None, flat(config.model_dump(mode="json")))
    try:
        with progress:
            yield Runner(config, progress, tracker)
    except KeyboardInterrupt:
        tracker.close("KILLED")
        raise
    except Exception as error:
        if _disk_is_full(error, config.run_folder):
            raise OSError(errno.ENOSPC, "no space left", str(config.run_folder)) from error
        tracker.close("FAILED")
        raise
    tracker.close("FINISHED")


def _make_folder(config: Config) -> None:
    """The run's folder with its config; UserError where none can be."""
    try:
        config.run_folder.mkdir(parents=True, exist_ok=True)
        write_text(config.run_folder / CONFIG, dump_yaml(config))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"the run's folder cannot be written: {error.strerror}",
            where=config.run_folder,
            fix="set runs to a folder that you may write to: --set runs=FOLDER",
        ) from error


def _tell_odd(runner: Runner, odd: list[str]) -> None:
    for line in odd:
        runner.say("warning", line)


def _disk_is_full(error: BaseException, folder: Path) -> bool:
    """Whether that is why a run failed: torch and Spark do not pass the errno on."""
    told = any(name in str(error) for name in ("No space left on device", "Disk quota exceeded"))
    return told or shutil.disk_usage(folder).free < _FULL_BYTES


def _data(runner: Runner) -> tuple[Path | None, Path]:
    """D_g, which is there if dumps are, and the ledger with D_s."""
    sentences, source = None, "corpus"
    with spark(runner) as engine:
        if runner.config.corpus.dumps:
            sentences = corpus_stage(runner, engine) / "sentences"
        if runner.config.labels.source == "text":
            texts_stage(runner, engine)
            source = "texts"
        return sentences, labels_stage(runner, engine, source)


def _train(runner: Runner, sentences: Path | None, labels: Path) -> None:
    from cofee_dist.train.ray_worker import stop_apart

    config = runner.config
    if not config.evaluation.ablations:
        _main_stages(runner, sentences, labels)
    elif config.engine.parallel_stages == 1 or config.engine.workers > 0:
        # A group of workers has the cluster to itself.
        _main_stages(runner, sentences, labels)
        _ablations(runner, labels)
    else:
        with ThreadPoolExecutor(1) as beside:
            ablations = beside.submit(_ablations, runner, labels, apart=True)
            try:
                _main_stages(runner, sentences, labels)
            except BaseException:
                # The block would wait for the ablations: minutes, before the person sees the error.
                stop_apart()
                raise
            ablations.result()


def _main_stages(runner: Runner, sentences: Path | None, labels: Path) -> None:
    stages = runner.config.stages
    if sentences is None:
        runner.leave_out("esi", "no dump, so no anchors to learn from: NEE begins with the base model")
        before = "base"
    else:
        training_stage(runner, "esi", stages.esi, "base", sentences, "corpus")
        before = "esi"
    nee = training_stage(runner, "nee", stages.nee, before, labels, "labels")
    best = int(runner.manifests["nee"].counts["best_iteration"])
    training_stage(runner, "fet", stages.fet, "nee", nee / "labels", "nee", best)


def _ablations(runner: Runner, labels: Path, apart: bool = False) -> None:
    """NEE without ESI before it, and without self-picking either (MRC-NER on weak labels)."""
    nee = runner.config.stages.nee
    if runner.config.corpus.dumps:
        # Without dumps the main NEE is just that.
        training_stage(runner, "nee_without_esi", nee, "base", labels, "labels", apart=apart)
    without_picking = nee.model_copy(update={"picking": "none"})
    training_stage(runner, "mrc_ner", without_picking, "base", labels, "labels", apart=apart)


def _report(runner: Runner, next_lines: tuple[str, ...]) -> Report:
    from cofee_dist.pipeline.collect import collect
    from cofee_dist.report.model_card import write_model_card

    folder = runner.config.run_folder
    report = collect(runner, next_lines)
    write_report(report, folder)
    model = _publish(folder / "fet" / "model", folder / "model")
    write_model_card(report, model)
    for system in report.systems:
        runner.tracker.metrics(None, {f"test_f1/{tracked_name(system.name)}": (system.f1 or 0.0) / 100})
    for path in (folder / "report.json", folder / "report.html", folder / CONFIG):
        runner.tracker.artifacts(None, path)
    return report


def _publish(source: Path, target: Path) -> Path:
    """Copy the final model to where users look for it; swapped in whole."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return target
