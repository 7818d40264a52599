"""``cofee profile``: where a training step's time goes, and which size of micro-batch fits and is fastest."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cofee_dist.config import Config, Fet
from cofee_dist.errors import UserError
from cofee_dist.pipeline.models import quiet_transformers
from cofee_dist.pipeline.profile_sentences import made_up_sentences, sentences_of_run
from cofee_dist.schemas import ENTITY

if TYPE_CHECKING:
    from rich.console import Group

    from cofee_dist.train.profile import Rung

STAGES = ("esi", "nee", "fet")
#: Tokens of an input, taken low: so that there are sentences enough.
_FEW_TOKENS = 30
_MOST_SENTENCES = 20_000
#: Of a worker's share of a step, where nothing is asked for: a GPU says when its memory ends, a host does not.
_DOUBLES_ON_CPU = 2


@dataclass(frozen=True)
class Profile:
    """What was measured: ``sentences`` says of what, ``rungs`` are ascending, the last one may not have fitted."""

    stage: str
    device: str
    precision: str
    sentences: str
    now: int
    step_tokens: int
    steps: int
    rungs: tuple[Rung, ...]

    @property
    def fastest(self) -> Rung | None:
        """The size with the most real tokens a second, of those for which the config's steps are large enough."""
        return _fastest(rung for rung in self.rungs if rung.micro_batch_tokens <= self.step_tokens)

    @property
    def fastest_of_all(self) -> Rung | None:
        """The same, with larger steps too; None where no size fits."""
        return _fastest(self.rungs)

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        sizes = {"fastest": self.fastest, "fastest_of_all": self.fastest_of_all}
        return {
            **{key: value for key, value in self.__dict__.items() if key != "rungs"},
            **{name: None if rung is None else rung.micro_batch_tokens for name, rung in sizes.items()},
            "rungs": [
                {
                    "micro_batch_tokens": rung.micro_batch_tokens,
                    "batch_tokens": rung.batch_tokens,
                    "fits": rung.fits,
                    **rung.metrics,
                    "ms": rung.milliseconds,
                }
                for rung in self.rungs
            ],
        }


def _fastest(rungs: Iterable[Rung]) -> Rung | None:
    fitting = (rung for rung in rungs if rung.fits)
    return max(fitting, key=lambda rung: rung.metrics["tokens_per_second"], default=None)


def profile(config: Config, stage: str, steps: int, up_to: int | None = None) -> Profile:
    """Build the config's untrained model, and measure a few steps of a stage for a ladder of micro-batches.

    One process measures one worker's share of a step: where DeepSpeed's workers share memory, more fits than is told.

    Args:
        config: of the run; its labels and sentences are taken if they are there. Nothing is written to its folder.
        stage: esi, nee or fet.
        steps: to measure for each size, after one that is not.
        up_to: the largest size in tokens; if None, on a GPU until memory runs out, on a CPU four times a worker's
            share of a step.

    Raises:
        UserError: There is no such stage, or the model cannot be built.
    """
    if stage not in STAGES:
        raise UserError(f"there is no stage {stage!r}", where="--stage", fix=f"give one of {', '.join(STAGES)}")
    import torch

    from cofee_dist.batches.dataset import build_dataset
    from cofee_dist.train.engine import device_of
    from cofee_dist.train.profile import climb, ladder, step_tokens
    from cofee_dist.train.worker import make_engine

    quiet_transformers()
    if config.engine.cpu_threads is not None:
        torch.set_num_threads(config.engine.cpu_threads)
    questions = {ENTITY: config.task.entity_question} if stage == "esi" else config.questions
    tokens = step_tokens(config.engine)
    if up_to is None and device_of(config.engine).type == "cpu":
        up_to = tokens << _DOUBLES_ON_CPU
    most = _MOST_SENTENCES * _FEW_TOKENS if up_to is None else (steps + 1) * max(tokens, up_to)
    size = min(_MOST_SENTENCES, 100 + most // (_FEW_TOKENS * len(questions)))
    sentences, source = sentences_of_run(config, stage, size), f"of {config.run_folder}"
    if not sentences:
        sentences, source = made_up_sentences(config, stage, size), "made up"
    model = _base_model(config, [sentence.text for sentence in sentences])
    settings = getattr(config.stages, stage)
    dataset = build_dataset(model.tokenizer, sentences, questions, config.encoder.max_length_tokens)
    if isinstance(settings, Fet):
        model.set_clusters(settings.clusters, seed=config.seed)
        dataset = dataset.with_clusters(_any_clusters(len(dataset.first), settings.clusters))
    engine = make_engine(model, config, settings)
    loss = _Loss(stage, model, settings, engine.device)
    sizes = ladder(config.engine, config.encoder.max_length_tokens, up_to)
    return Profile(
        stage=stage,
        device=torch.cuda.get_device_name(engine.device) if engine.device.type == "cuda" else "cpu",
        precision=config.engine.precision,
        sentences=f"{len(sentences)} {source}",
        now=config.engine.micro_batch_tokens,
        step_tokens=tokens,
        steps=steps,
        rungs=tuple(climb(loss, dataset, engine, config.engine, sizes, steps)),
    )


class _Loss:
    """A stage's loss (see StageLoss), with clusters that mean nothing."""

    def __init__(self, name: str, model: Any, settings: Any, device: Any) -> None:
        import torch

        self.name, self._model, self._settings = name, model, settings
        self._weights_k = (
            torch.full((settings.clusters,), 1 / settings.clusters, device=device) if name == "fet" else None
        )

    def loss(self, output: Any, batch: Any, totals: Any) -> dict[str, Any]:
        """See StageLoss."""
        from cofee_dist.train.stage_esi import mrc_loss
        from cofee_dist.train.stage_fet import fet_losses

        if self._weights_k is None:
            return {"loss": mrc_loss(output, batch, totals)}
        gamma = self._settings.cluster_loss_weight
        return fet_losses(output, batch, totals, self._model, self._weights_k, gamma)


def _base_model(config: Config, texts: list[str]) -> Any:
    """The model that ``pretrain`` would begin with; a random encoder's vocabulary is learnt from these texts only."""
    from cofee_dist.model.span_extractor import SpanExtractor
    from cofee_dist.train.base_model import make_base_model

    with tempfile.TemporaryDirectory() as folder:
        make_base_model(config, [*texts, *config.questions.values()], Path(folder) / "model")
        return SpanExtractor.from_pretrained(Path(folder) / "model")


def _any_clusters(entities: int, clusters: int) -> Any:
    import numpy as np

    return (np.arange(entities) % clusters).astype(np.int32)


def profile_table(found: Profile) -> Group:
    """The measurements and the advice, for the terminal."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from cofee_dist.train.profile import PARTS

    title = f"stage {found.stage} on {found.device}, {found.precision}; sentences: {found.sentences}; ms a step by part"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    parts, on_gpu = (*PARTS, "other"), found.device != "cpu"
    for head in ("micro-batch", "tokens/s", "padding", *parts, *(("MFU", "GPU GB") if on_gpu else ("TFLOP/s",))):
        table.add_column(head, justify="right", no_wrap=True)
    for rung in found.rungs:
        now, beyond = rung.micro_batch_tokens == found.now, rung.micro_batch_tokens > found.step_tokens
        name = f"{rung.micro_batch_tokens}{' now' if now else ''}{' *' if beyond else ''}"
        if not rung.fits:
            table.add_row(name, "no memory", style="red")
            continue
        table.add_row(
            name,
            f"{rung.metrics['tokens_per_second']:,.0f}",
            f"{rung.metrics['padding_share']:.1%}",
            *(f"{rung.milliseconds[part]:.1f}" for part in parts),
            *_of_device(rung, on_gpu),
            style="bold" if rung in (found.fastest, found.fastest_of_all) else None,
        )
    return Group(table, *(Text(line) for line in _advice(found)))


def _of_device(rung: Rung, on_gpu: bool) -> tuple[str, ...]:
    if not on_gpu:
        return (f"{rung.metrics['model_tflops_per_second']:.3f}",)
    share = rung.metrics.get("model_flops_utilisation")
    return "–" if share is None else f"{share:.1%}", f"{rung.metrics['gpu_memory_gb']:.2f}"


def _advice(found: Profile) -> list[str]:
    fastest, of_all, lines = found.fastest, found.fastest_of_all, []
    if any(rung.micro_batch_tokens > found.step_tokens for rung in found.rungs):
        lines.append(
            f"* a worker has {found.step_tokens} tokens of a step: wants a larger engine.batch_tokens, which changes "
            "what is learnt"
        )
    if fastest is None or of_all is None:
        lines.append(
            "no size fits: lower encoder.max_length_tokens or engine.batch_tokens, or set engine.precision to bf16"
        )
        return lines
    lines.append(f"fastest that fits: --set engine.micro_batch_tokens={fastest.micro_batch_tokens} (now {found.now})")
    slowest = max(fastest.milliseconds, key=lambda part: fastest.milliseconds[part])
    share = fastest.milliseconds[slowest] / sum(fastest.milliseconds.values())
    lines.append(f"there {share:.0%} of the time goes into: {slowest}")
    if of_all is not fastest:
        times = of_all.metrics["tokens_per_second"] / fastest.metrics["tokens_per_second"]
        lines.append(
            f"{times:.2f} times as fast: --set engine.micro_batch_tokens={of_all.micro_batch_tokens} "
            f"--set engine.batch_tokens={of_all.batch_tokens}"
        )
    if found.rungs[-1].fits:
        lines.append(f"memory did not run out; --up-to TOKENS tries more than {found.rungs[-1].micro_batch_tokens}")
    return lines
