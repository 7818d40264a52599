"""CoFEE-MRC: an encoder, a start head and an end head, and in FET a cluster head; text in, entities out.

    model = SpanExtractor.from_pretrained("runs/twitter/model")
    model.predict(["Ada Lovelace lived in London ."])

The model carries its types and their questions in its config and its tokenizer beside its weights.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel
from transformers.configuration_utils import PreTrainedConfig

from cofee_dist.errors import UserError
from cofee_dist.model.encoder import max_positions, read_encoder, takes_token_types, without_pooler
from cofee_dist.model.packed import encode_packed

if TYPE_CHECKING:
    from cofee_dist.model.predict import Prediction

_HUB_ARGUMENTS = ("cache_dir", "force_download", "local_files_only", "revision", "subfolder", "token")


class SpanExtractorConfig(PreTrainedConfig):
    """What a ``SpanExtractor`` is made of.

    Args:
        encoder: The encoder's config, or its dict with ``model_type``; a default BERT if left out.
        types: Type to question, in the order that breaks the decoder's last ties.
        entity_question: The question of entity span identification.
        max_length_tokens: Question, sentence and special tokens; longer texts are read in windows.
        threshold: A position is a start or an end if its probability is above this.
        nested: Predict overlapping entities.
        clusters: K of the cluster head, 0 where there is none.
        dropout: On the encoder's output, before the start and end heads.
    """

    model_type = "cofee_span_extractor"
    sub_configs = {"encoder": AutoConfig}  # noqa: RUF012 - the base class reads it so

    def __init__(
        self,
        encoder: PreTrainedConfig | Mapping[str, Any] | None = None,
        types: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        entity_question: str = "Find Entities",
        max_length_tokens: int = 150,
        threshold: float = 0.5,
        nested: bool = False,
        clusters: int = 0,
        dropout: float = 0.1,
        **common: Any,
    ) -> None:
        if not isinstance(encoder, PreTrainedConfig):
            encoder = AutoConfig.for_model(**(encoder or {"model_type": "bert"}))
        self.encoder = encoder
        self.types = dict(types)
        self.entity_question = entity_question
        self.max_length_tokens = max_length_tokens
        self.threshold = threshold
        self.nested = nested
        self.clusters = clusters
        self.dropout = dropout
        super().__init__(**common)

    def to_dict(self) -> dict[str, Any]:
        """As JSON: ``types`` as pairs, because the file's keys are sorted and the order of types counts."""
        return {**super().to_dict(), "types": [list(pair) for pair in self.types.items()]}


@dataclass
class SpanOutput:
    """``hidden_btd``: the encoder's output. ``*_logits_bt2``: logits of {no, yes} at each position (Eq. 1-2)."""

    hidden_btd: Tensor
    start_logits_bt2: Tensor
    end_logits_bt2: Tensor


class SpanExtractor(PreTrainedModel):
    """The span model of CoFEE (section 3.1): reads ``[CLS] question [SEP] sentence [SEP]``."""

    config_class = SpanExtractorConfig
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True

    def __init__(self, config: SpanExtractorConfig) -> None:
        super().__init__(config)
        self.encoder = AutoModel.from_config(config.encoder, **without_pooler(config.encoder))
        width = config.encoder.hidden_size
        self.dropout = nn.Dropout(config.dropout)
        self.start_head = nn.Linear(width, 2)
        self.end_head = nn.Linear(width, 2)
        self.cluster_head = nn.Linear(width, config.clusters) if config.clusters else None
        self.tokenizer: Any = None
        #: Whether the encoder computes no padding, which is the machine's choice and not saved (``model.packed``).
        self.packed = False
        self._takes_token_types = takes_token_types(self.encoder)
        self.post_init()

    @classmethod
    def from_encoder(
        cls,
        encoder: str | os.PathLike[str] | PreTrainedConfig,
        types: Mapping[str, str],
        entity_question: str,
        max_length_tokens: int,
        tokenizer: Any = None,
        **settings: Any,
    ) -> Self:
        """A model with new heads on a pre-trained encoder, or on a random one.

        Args:
            encoder: A hub name or folder (its weights are read, in float32), or a config (random weights from
                torch's global seed).
            types: Type to question.
            entity_question: The question of entity span identification.
            max_length_tokens: Question, sentence and special tokens together.
            tokenizer: A fast tokenizer; read from beside the encoder's weights if left out.
            settings: Other fields of ``SpanExtractorConfig``.

        Raises:
            UserError: The encoder cannot be read, has no fast tokenizer, has a smaller vocabulary than its
                tokenizer, or too few positions.
        """
        weights = None
        if not isinstance(encoder, PreTrainedConfig):
            try:
                tokenizer = tokenizer or AutoTokenizer.from_pretrained(encoder)
                weights = read_encoder(encoder)
            except (OSError, ValueError, ImportError) as error:
                raise UserError(
                    f"cannot read the encoder: {_first_line(error)}",
                    where=encoder,
                    fix="give the name of a Hugging Face encoder, or a folder with config.json, weights and tokenizer",
                ) from error
            encoder = weights.config
        settings.setdefault("dropout", getattr(encoder, "hidden_dropout_prob", 0.1))
        model = cls(SpanExtractorConfig(encoder, types, entity_question, max_length_tokens, **settings))
        if weights is not None:
            model.encoder = weights
        model.tokenizer = tokenizer
        model._check_fit()
        return model

    def _check_fit(self) -> None:
        """Tokenizer, vocabulary and positions must fit each other: the alternative is an index error later."""
        positions, vocabulary = max_positions(self.encoder), getattr(self.config.encoder, "vocab_size", None)
        if positions is not None and self.config.max_length_tokens > positions:
            raise UserError(
                f"max_length_tokens is {self.config.max_length_tokens}, but the encoder has {positions} positions",
                fix=f"set encoder.max_length_tokens to {positions} or less",
            )
        if self.tokenizer is None:
            return
        if not self.tokenizer.is_fast:
            raise UserError(
                "the encoder has no fast tokenizer, so tokens have no offsets", where=self.tokenizer.name_or_path
            )
        if vocabulary is not None and len(self.tokenizer) > vocabulary:
            raise UserError(
                f"the tokenizer has {len(self.tokenizer)} tokens, but the encoder's vocabulary only {vocabulary}",
                where=self.tokenizer.name_or_path,
                fix="use the tokenizer that belongs to the encoder",
            )

    def forward(
        self, input_ids_bt: Tensor, attention_mask_bt: Tensor, token_type_ids_bt: Tensor | None = None
    ) -> SpanOutput:
        """Encode and score every position.

        Args:
            input_ids_bt: int64 (b, t).
            attention_mask_bt: 1 at tokens, 0 at padding.
            token_type_ids_bt: 0 at the question, 1 at the sentence; not passed on to encoders without them.

        Returns:
            Hidden states before dropout (Eq. 6 sums them; zeros at padding if ``packed``) and the two heads' logits.
        """
        given = {"input_ids": input_ids_bt, "attention_mask": attention_mask_bt}
        if self._takes_token_types and token_type_ids_bt is not None:
            given["token_type_ids"] = token_type_ids_bt
        hidden_btd = encode_packed(self.encoder, given) if self.packed else self.encoder(**given).last_hidden_state
        dropped_btd = self.dropout(hidden_btd)
        return SpanOutput(hidden_btd, self.start_head(dropped_btd), self.end_head(dropped_btd))

    def set_clusters(self, clusters: int, seed: int = 0) -> None:
        """Give the model a new cluster head d x K (Eq. 7), the same for the same seed; 0 takes it away."""
        self.config.clusters = clusters
        if not clusters:
            self.cluster_head = None
            return
        # Without its own initialisation, which would draw from torch's global seed.
        head = nn.utils.skip_init(nn.Linear, self.config.encoder.hidden_size, clusters)
        std = getattr(self.config.encoder, "initializer_range", 0.02)
        with torch.no_grad():
            head.weight.normal_(0.0, std, generator=torch.Generator().manual_seed(seed))
            head.bias.zero_()
        self.cluster_head = head.to(self.start_head.weight)

    def predict(
        self,
        texts: Sequence[str],
        types: Sequence[str] | Mapping[str, str] | None = None,
        batch_tokens: int = 4096,
        threshold: float | None = None,
        nested: bool | None = None,
    ) -> list[list[Prediction]]:
        """Entities of each text; see ``cofee_dist.model.predict.predict``."""
        from cofee_dist.model.predict import predict

        return predict(self, texts, types, batch_tokens, threshold, nested)

    def save_pretrained(self, save_directory: str | os.PathLike[str], *arguments: Any, **settings: Any) -> None:
        """Write config, weights (safetensors) and tokenizer into a folder."""
        super().save_pretrained(save_directory, *arguments, **settings)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(save_directory)

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *arguments: Any, **settings: Any
    ) -> Self:
        """Read what ``save_pretrained`` wrote, from a folder or the hub, in evaluation mode.

        Raises:
            UserError: There is no such model, or it is of another kind.
        """
        hub = {name: settings[name] for name in _HUB_ARGUMENTS if name in settings}
        try:
            if "config" not in settings:
                _refuse_others(pretrained_model_name_or_path, hub)
            model = super().from_pretrained(pretrained_model_name_or_path, *arguments, **settings)
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(
                f"cannot read the model: {_first_line(error)}",
                where=pretrained_model_name_or_path,
                fix="give a folder that save_pretrained wrote (config.json, model.safetensors, tokenizer.json)",
            ) from error
        try:
            model.tokenizer = AutoTokenizer.from_pretrained(pretrained_model_name_or_path, **hub)
        except (OSError, ValueError):
            # Weights saved without a tokenizer: training goes on with its own, predict() asks for one.
            model.tokenizer = None
        return model


def _refuse_others(name: str | os.PathLike[str], hub: Mapping[str, Any]) -> None:
    """Read as ours, a bare encoder would become a model of random weights."""
    model_type = PreTrainedConfig.get_config_dict(name, **hub)[0].get("model_type")
    if model_type != SpanExtractorConfig.model_type:
        raise ValueError(f"it is of the kind {model_type!r}, not {SpanExtractorConfig.model_type!r}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


AutoConfig.register(SpanExtractorConfig.model_type, SpanExtractorConfig)
AutoModel.register(SpanExtractorConfig, SpanExtractor)
