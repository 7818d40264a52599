"""The config of a run: one frozen tree, in which an unknown key is an error. ``config_file`` reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from cofee_dist.config_gazetteer import GazetteerFile
from cofee_dist.config_language import Language
from cofee_dist.config_tree import Count, Positive, Rate, Share, Some, Tree

Chinese = Literal["none", "simplified", "traditional"]
Ambiguity = Literal["keep_all", "drop"]


class EntityType(Tree):
    """What the user says of a type: a question that describes it, and its word lists."""

    question: str = Field(min_length=1)
    gazetteers: Some[GazetteerFile] = Field(min_length=1)


class Task(Tree):
    """The types to recognise, and the language of text and questions (ISO 639-1: en, zh, zh-hant)."""

    language: Language = "en"
    types: dict[str, EntityType] = Field(min_length=1)
    entity_question: str = "Find Entities"


Parameter = Annotated[int, Field(ge=-1)] | Annotated[str, Field(min_length=1)]


class InlineTemplate(Tree):
    """A template that carries running text: which of its parameters stays.

    A parameter is a number (from 1; -1 is the last; 0 drops the template), a name, or a list of both, of which the
    first that is not empty counts: ``[text, quote, 1]``. ``link`` makes it a link to the article of that name, with
    ``shown`` (0: the same), if there is one, as its text. In a config the parameter alone will do.
    """

    parameter: tuple[Parameter, ...] = (1,)
    link: bool = False
    shown: tuple[Parameter, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _parameter_alone(cls, given: Any) -> Any:
        return {"parameter": given} if isinstance(given, (int, str, list, tuple)) else given

    @field_validator("parameter", "shown", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        return (given,) if isinstance(given, (int, str)) else given

    @field_validator("shown")
    @classmethod
    def _same(cls, given: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
        return tuple(parameter for parameter in given if parameter != 0)


#: A namespace's key, or its name in small letters (``corpus.titles.CANONICAL_NAMESPACES``).
Namespace = int | Literal["media", "talk", "user", "project", "file", "template", "help", "category", "portal"]


class Corpus(Tree):
    """From dump to D_g, and from texts to the sentences of D_s where ``labels.source`` is ``text``.

    ``dumps`` and ``texts`` are paths or URLs of fsspec. A text file has a paragraph a line; one whose name ends in
    .jsonl or .ndjson has ``{"text": …}`` a line; either may be compressed (.gz, .bz2). ``min_anchors`` holds for dumps
    only, ``max_sentences`` for dumps and texts each. ``max_sentence_length`` is in words, or in characters for zh, ja
    and th, unless ``sentence_length_unit`` says which; a sentence that is longer is dropped, or split at semicolons,
    commas or spaces. ``sentence_splitter`` is BlingFire, or for zh, ja and their like the full stops themselves.
    Tables are skipped, or each of their cells is a paragraph. ``disambiguation_templates`` are added to those by which
    disambiguation pages are known (``corpus.disambiguation``), ``inline_templates`` to those that carry running text
    (``corpus.inline_templates``), ``namespace_aliases`` to the names of namespaces: ``{Kuva: file}``.
    ``max_quarantined_share`` is that of pages which cannot be read, and that of the dumps' bytes which are damaged. A
    dump that ends early is an error, since how much is missing cannot be known; with ``truncated_dumps: keep`` the
    pages that are there are read. A page of more XML than ``max_page_bytes``, or that takes more than
    ``max_page_steps`` to render or to split (see ``corpus.budget``), is not read.
    """

    dumps: Some[str] = ()
    texts: Some[str] = ()
    min_anchors: Positive = 4
    min_sentence_length: Positive = 3
    max_sentence_length: Positive = 250
    max_sentences: Positive | None = None
    max_quarantined_share: Share = 0.05
    truncated_dumps: Literal["error", "keep"] = "error"
    max_page_bytes: Positive = 16 * 2**20
    max_page_steps: Positive = 2**28
    inline_templates: dict[str, InlineTemplate] = Field(default_factory=dict)
    namespace_aliases: dict[str, Namespace] = Field(default_factory=dict)
    tables: Literal["skip", "cells"] = "skip"
    disambiguation_pages: Literal["skip", "keep"] = "skip"
    disambiguation_templates: Some[str] = ()
    overlong_sentences: Literal["drop", "split"] = "drop"
    sentence_splitter: Literal["auto", "blingfire", "full_stops"] = "auto"
    sentence_length_unit: Literal["auto", "words", "characters"] = "auto"
    split_bytes: Positive = 4 * 2**20

    @field_validator("namespace_aliases", mode="before")
    @classmethod
    def _in_small_letters(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: key.lower() if isinstance(key, str) else key for name, key in given.items()}

    def deciding(self) -> dict[str, Any]:
        """The settings that decide what is in a corpus, beside what is in the files."""
        return self.model_dump(mode="json", exclude={"dumps", "texts", "split_bytes", "max_quarantined_share"})


class Labels(Tree):
    """The first D_s: which anchors of D_g a gazetteer types, or with ``source: text`` what it names in the texts.

    ``match_on`` is for anchors. ``chinese`` is the variant in which entries, anchors and text are compared (see
    ``labels.chinese``).
    """

    source: Literal["anchors", "text"] = "anchors"
    match_on: Literal["surface", "target", "both"] = "surface"
    ambiguity: Ambiguity = "keep_all"
    ignore_case: bool = False
    chinese: Chinese = "none"


class ScratchEncoder(Tree):
    """A randomly initialised BERT with a WordPiece vocabulary trained on the corpus."""

    vocabulary_size: Positive = 8000
    hidden_size: Positive = 128
    layers: Positive = 2
    heads: Positive = 2
    dropout: Share = 0.1
    lowercase: bool = False

    @model_validator(mode="after")
    def _heads_share_the_hidden_size(self) -> ScratchEncoder:
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size ({self.hidden_size}) must be a multiple of heads ({self.heads})")
        return self


class Encoder(Tree):
    """A Hugging Face name or folder, or ``scratch``; ``max_length_tokens`` counts question and sentence."""

    name: str | None = None
    scratch: ScratchEncoder | None = None
    max_length_tokens: Annotated[int, Field(ge=16)] = 150

    @model_validator(mode="after")
    def _one_of_two(self) -> Encoder:
        if (self.name is None) == (self.scratch is None):
            raise ValueError("give either 'name' (a hub name or a folder) or 'scratch'")
        return self


class Stage(Tree):
    """What every training stage has. ``warmup_share`` is the share of steps in which the rate rises.

    After them it falls to zero along a line or half a cosine, or stays (``schedule``). Of the sentences without an
    entity of a type, an epoch asks that type's question of at most ``negatives_per_positive`` for each sentence with
    one, and of others in the next epoch (null: of all).
    """

    epochs: Positive
    learning_rate: Rate
    warmup_share: Share = 0.1
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    max_gradient_norm: Rate = 1.0
    negatives_per_positive: Annotated[float, Field(ge=0)] | None = None
    max_sentences: Positive | None = None


class Esi(Stage):
    """Entity span identification; ``min_anchors`` may ask for more than the corpus kept."""

    epochs: Positive = 5
    learning_rate: Rate = 6e-6
    min_anchors: Positive = 4


class Nee(Stage):
    """Named entity extraction with iterative self-picking; ``epochs`` is the most it trains.

    Picking starts after ``epochs_before_picking`` and comes again every ``epochs_between_picking``; training
    stops when validation F1 has not risen for ``patience`` epochs in which new labels were used.
    """

    epochs: Positive = 6
    learning_rate: Rate = 3e-5
    picking_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.1
    picking: Literal["replace", "union", "none"] = "union"
    epochs_before_picking: Positive = 1
    epochs_between_picking: Positive = 1
    patience: Positive = 1


class Fet(Stage):
    """Fine-grained entity typing: K clusters, their loss weighted by gamma (Eq. 6-10).

    ``kmeans_points`` finds the centroids with a sample of so many entities (null: with all of them); every entity is
    assigned. ``embedding_precision`` is that of the files in which embeddings wait for k-means.
    """

    epochs: Positive = 5
    learning_rate: Rate = 2e-5
    clusters: Positive = 23
    cluster_loss_weight: Annotated[float, Field(ge=0)] = 0.001
    variance: Literal["mean", "sum"] = "mean"
    kmeans_iterations: Positive = 25
    kmeans_points: Positive | None = None
    embedding_precision: Literal["fp32", "fp16"] = "fp32"
    pca_dimensions: Positive | None = None


class Stages(Tree):
    """The three stages of the pre-training, in their order."""

    esi: Esi = Esi()
    nee: Nee = Nee()
    fet: Fet = Fet()


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


class LabelledFile(Tree):
    """Sentences labelled by people. ``ignore_types`` are read and left out; other unknown types are errors."""

    path: str
    format: Literal["auto", "conll", "jsonl"] = "auto"
    scheme: Literal["bio", "bioes", "io"] = "bio"
    token_column: int = 0
    label_column: int = -1
    skip_lines_starting_with: Some[str] = ("-DOCSTART-",)
    joiner: str = " "
    ignore_types: Some[str] = ()


class Evaluation(Tree):
    """Where the score comes from. Without ``validation``, a share of the weak labels is held out for it.

    ``max_held_out_sentences`` bounds that share (a hash decides, so it is about so many); every epoch reads them.
    ``truth`` is JSONL that knows every entity of the corpus's sentences (a made-up world's): it measures
    self-picking and clusters, and trains nothing. ``examples`` is a text file whose lines are shown with their
    entities at the end. ``published`` names the paper's figures to print beside ours.
    """

    validation: LabelledFile | None = None
    test: LabelledFile | None = None
    max_validation_sentences: Positive | None = None
    held_out_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    max_held_out_sentences: Positive = 20_000
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    nested: bool = False
    ablations: bool = False
    truth: str | None = None
    examples: str | None = None
    published: Literal["ontonotes4", "ecommerce", "twitter"] | None = None

    def held_out_of(self, sentences: int) -> float:
        """The share of so many sentences that is held out."""
        return min(self.held_out_share, self.max_held_out_sentences / max(1, sentences))


class Tracking(Tree):
    """MLflow. ``uri: null`` turns it off; the default is a sqlite file in the folder of all runs."""

    uri: str | None = "sqlite"
    experiment: str = "cofee"


class Config(Tree):
    """A run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    runs: str = "runs"
    seed: Count = 0
    task: Task
    corpus: Corpus = Corpus()
    labels: Labels = Labels()
    encoder: Encoder
    stages: Stages = Stages()
    engine: Engine = Engine()
    evaluation: Evaluation = Evaluation()
    tracking: Tracking = Tracking()

    @property
    def run_folder(self) -> Path:
        """Where this run's artifacts lie."""
        return Path(self.runs) / self.name

    @property
    def questions(self) -> dict[str, str]:
        """Type to question."""
        return {name: entity_type.question for name, entity_type in self.task.types.items()}
