"""The config of what trains, and on what: it decides how fast, and hardly what is learnt."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cofee_dist.config.tree import Count, Positive, Tree


class Engine(Tree):
    """What runs the loop. ``batch_tokens`` fill an optimizer step, ``micro_batch_tokens`` a forward pass.

    Both count padding. A step is cut evenly, so a forward pass may have one sentence more.

    ``precision``: bf16 and torch's fp16 are autocast over float32 weights. DeepSpeed's fp16 keeps the weights in fp16
    and float32 copies in its optimizer. fp16 scales the loss, skips the steps in which gradients overflow, and needs a
    GPU. ``activation_checkpointing`` computes each layer twice and keeps only what goes into it. ``attention``:
    ``auto`` is sdpa where the encoder has it; flash_attention_2 wants a GPU, bf16 or fp16, and the package flash-attn.
    ``compile`` hands the encoder to torch.compile; ``packed`` lays a micro-batch into one row, so that the encoder
    computes no padding. Both draw other numbers for dropout; they do not go together.

    ``workers: 0`` is Ray Train's local mode: the same loop in this process, without a cluster. With ``min_workers`` the
    group is elastic: it starts or goes on with as few when the cluster has no more, and grows again up to ``workers``
    (null: always ``workers``). ``device: auto`` takes GPUs where there are enough for ``min_workers``, one for each.

    ``cpu_threads`` is for small encoders, which more threads slow down (null: torch's choice; under Ray one), and what
    a worker reserves of a cluster; ``parallel_stages: 2`` then trains the ablations beside the main stages, without
    workers. Of a stage's checkpoints the last ``checkpoints_kept`` stay until it is finished.
    """

    name: Literal["torch", "deepspeed"] = "torch"
    deepspeed_config: str | None = None
    workers: Count = 0
    min_workers: Positive | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    cpu_threads: Positive | None = None
    parallel_stages: Annotated[int, Field(ge=1, le=2)] = 1
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    activation_checkpointing: bool = False
    attention: Literal["auto", "sdpa", "flash_attention_2", "eager"] = "auto"
    compile: bool = False
    packed: bool = False
    batch_tokens: Positive = 2048
    micro_batch_tokens: Positive = 2048
    checkpoint_every_steps: Positive = 200
    checkpoints_kept: Positive = 2

    @model_validator(mode="after")
    def _torch_is_one_process(self) -> Engine:
        if self.name == "torch" and self.workers > 1:
            raise ValueError("the torch engine trains in one process; for more workers set engine.name to deepspeed")
        return self

    @model_validator(mode="after")
    def _range_of_workers(self) -> Engine:
        if self.min_workers is not None and self.min_workers > self.workers:
            raise ValueError(
                f"min_workers ({self.min_workers}) is more than workers ({self.workers}): the group keeps between "
                "min_workers and workers; set workers to the most it shall have"
            )
        return self

    def deciding(self) -> dict[str, Any]:
        """The settings that decide what a stage learns; a run may change the others on its way.

        How a step is cut (``micro_batch_tokens``), ``compile`` and ``packed`` change which units drop out, and no more.
        Every engine and ZeRO stage makes the same updates up to rounding; but fp16 is another thing under DeepSpeed.
        """
        ways = {
            "workers",
            "min_workers",
            "device",
            "cpu_threads",
            "parallel_stages",
            "micro_batch_tokens",
            "activation_checkpointing",
            "attention",
            "compile",
            "packed",
            "deepspeed_config",
        }
        if self.precision != "fp16":
            ways.add("name")
        return self.model_dump(mode="json", exclude=ways | {"checkpoint_every_steps", "checkpoints_kept"})
