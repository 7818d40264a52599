"""``cofee``: the pipelines for one machine, and what one does with a run afterwards."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cofee_dist.errors import UserError, told_of_path

app = typer.Typer(
    help="A named-entity recogniser from a Wikipedia dump, word lists and one question for each type.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The run's YAML config.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="Change a config value; may be repeated.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the resolved config and stop.")]


@app.command()
def quickstart(
    folder: Annotated[Path, typer.Option(help="Where the made-up wiki and the run go.")] = Path("quickstart"),
    seed: Annotated[int, typer.Option(min=0, help="Of the made-up world and of the training.")] = 0,
    overrides: Overrides = None,
    dry_run: DryRun = False,
) -> None:
    """Make a small wiki with known truth and run the whole job on it (five to six minutes on 2 cores)."""
    from cofee_dist.pipeline.quickstart import quickstart_config

    config = quickstart_config(folder, seed, overrides or [])
    _run(config, dry_run)


@app.command()
def pretrain(config: ConfigFile, overrides: Overrides = None, dry_run: DryRun = False) -> None:
    """Run the job: dump or texts, gazetteers, questions in; model, scores, report out. Goes on where it stopped."""
    from cofee_dist.config.file import load_config

    _run(load_config(config, overrides or []), dry_run)


@app.command()
def download(
    language: Annotated[str, typer.Argument(help="Of the Wikipedia: en, de, zh, simple.")],
    date: Annotated[str, typer.Option(help="YYYYMMDD, or latest: the newest dump that is finished.")] = "latest",
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path("dumps"),
    mirror: Annotated[
        list[str] | None,
        typer.Option(help="In place of dumps.wikimedia.org; may be repeated: the next one is asked when one fails."),
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(help="Numbered parts in place of the one file: all, a number, or a pattern; may be repeated."),
    ] = None,
    contact: Annotated[
        str | None, typer.Option(help="E-mail address or page to send along: Wikimedia wants to know who asks.")
    ] = None,
) -> None:
    """Fetch a Wikipedia's dump, resumed and verified; prints the line to type next."""
    from cofee_dist.config.language import check_wiki
    from cofee_dist.corpus.download import download_dump, next_command
    from cofee_dist.corpus.dump_files import WIKIMEDIA
    from cofee_dist.corpus.web import Web
    from cofee_dist.pipeline.download_progress import DownloadProgress

    check_wiki(language)
    with DownloadProgress() as shown:
        web = Web(contact, waiting=shown.waiting)
        paths = download_dump(web, mirror or [WIKIMEDIA], language, date, folder, shown, part or [])
    typer.echo(next_command(paths))


@app.command("build-corpus")
def build_corpus(config: ConfigFile, overrides: Overrides = None, dry_run: DryRun = False) -> None:
    """Only the first stages: dump or texts to sentences, and their first weak labels."""
    from cofee_dist.config.file import dump_yaml, load_config

    loaded = load_config(config, overrides or [])
    if dry_run:
        typer.echo(dump_yaml(loaded), nl=False)
        return
    from cofee_dist.pipeline.progress import RunProgress
    from cofee_dist.pipeline.run import build_corpus as run_build_corpus

    run_build_corpus(loaded, RunProgress())


def _run(config: Any, dry_run: bool) -> None:
    if dry_run:
        from cofee_dist.config.file import dump_yaml

        typer.echo(dump_yaml(config), nl=False)
        return
    from cofee_dist.pipeline.progress import RunProgress
    from cofee_dist.pipeline.run import pretrain as run_pretrain
    from cofee_dist.report.terminal import print_report

    model = config.run_folder / "model"
    report = run_pretrain(
        config, RunProgress(), (f'cofee predict --model {model} "…"', f"cofee inspect {config.run_folder}")
    )
    print_report(report)


@app.command()
def predict(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; without them, lines of --file or of stdin.")] = None,
    model: Annotated[Path, typer.Option("--model", "-m", help="A model's folder, or a run's.")] = Path("model"),
    file: Annotated[Path | None, typer.Option("--file", "-f", help="A text a line; '-' is stdin.")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", "-t", help="TYPE, or TYPE=QUESTION for a new one; may be repeated.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Probability above which to predict.")] = None,
    nested: Annotated[bool | None, typer.Option("--nested/--flat", help="Keep overlapping entities.")] = None,
) -> None:
    """Find entities: JSON lines with text and entities (type, text, start, end, score)."""
    from cofee_dist.pipeline.predicting import predict_lines, read_texts

    lines = texts if texts else read_texts(file)
    for line in predict_lines(_model_folder(model), lines, types, threshold, nested):
        typer.echo(json.dumps(line, ensure_ascii=False))


@app.command()
def evaluate(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Labelled sentences: CoNLL columns, or .jsonl.")],
    model: Annotated[Path, typer.Option("--model", "-m", help="A model's folder, or a run's.")] = Path("model"),
    scheme: Annotated[str, typer.Option(help="bio, bioes or io.")] = "bio",
    label_column: Annotated[int, typer.Option(help="Column of the label; -1 is the last.")] = -1,
    skip: Annotated[list[str] | None, typer.Option(help="Leave out lines that start so; may be repeated.")] = None,
    joiner: Annotated[str, typer.Option(help="Between tokens; '' for Chinese characters.")] = " ",
    ignore_type: Annotated[list[str] | None, typer.Option(help="A type not to score; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Precision, recall and F1 of a model on labelled sentences."""
    from cofee_dist.pipeline.evaluation import evaluate_model
    from cofee_dist.pipeline.predicting import labelled_file, model_types, score_table

    folder = _model_folder(model)
    file = labelled_file(path, scheme, label_column, skip, joiner, ignore_type)
    found = evaluate_model(folder, file, model_types(folder))
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=2))
    else:
        from rich.console import Console

        Console().print(score_table(found, str(path)))


@app.command()
def inspect(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    labels: Annotated[
        bool, typer.Option("--labels", help="Show weak labels with their source, and which were added and dropped.")
    ] = False,
    changes: Annotated[bool, typer.Option("--changes", help="Only what an iteration added and dropped.")] = False,
    surface: Annotated[str | None, typer.Option(help="Only labels of this very text: where do they come from?")] = None,
    iteration: Annotated[int | None, typer.Option(min=0, help="Of self-picking; the last one if left out.")] = None,
    against: Annotated[int | None, typer.Option(min=0, help="Compare with this one, not with the one before.")] = None,
    types: Annotated[list[str] | None, typer.Option("--type", "-t", help="Of this type; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Sentences to show.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print labels as JSON.")] = False,
) -> None:
    """Tell what a run made: its stages and counts, its weak labels, where they came from, how they changed."""
    from rich.console import Console

    from cofee_dist.report.inspect import inspect_run
    from cofee_dist.report.inspect_labels import LabelsView

    asked = changes or iteration is not None or against is not None or surface is not None or types
    if not (labels or asked or as_json):
        Console().print(inspect_run(run))
        return
    view = LabelsView(run, iteration, against, types or ())
    if as_json:
        typer.echo(json.dumps(view.as_json(limit, surface), ensure_ascii=False, indent=2))
    else:
        Console().print(view.show_changes(limit) if changes else view.show(limit, surface))


@app.command()
def clusters(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder; its NEE stage must be finished.")],
    numbers: Annotated[
        list[int] | None,
        typer.Option("--k", "-k", metavar="K", help="Try this K; may be repeated. Else around the config's."),
    ] = None,
    show: Annotated[
        int | None, typer.Option(metavar="K", help="Whose clusters the page shows; else the config's.")
    ] = None,
    sample: Annotated[int, typer.Option(min=3, help="Entities that silhouettes are computed of.")] = 4000,
    near: Annotated[int, typer.Option(min=1, help="Entities to show of each cluster.")] = 6,
    seed: Annotated[int | None, typer.Option(min=0, help="Of clusterings and samples; else the config's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Compare numbers of clusters: objective, silhouette and stability, and a page with each cluster's entities."""
    from rich.console import Console

    from cofee_dist.pipeline.clusters import compare_clusters
    from cofee_dist.report.clusters_page import CLUSTERS, write_clusters
    from cofee_dist.report.clusters_table import evidence_table

    with Console(stderr=True).status("reading the run") as shown:
        evidence = compare_clusters(run, numbers, show, sample, near, seed, shown.update)
        page = write_clusters(evidence, run / CLUSTERS)
    if as_json:
        typer.echo(json.dumps(evidence.to_json(), ensure_ascii=False, indent=2))
    else:
        Console().print(evidence_table(evidence, str(page)))


@app.command()
def profile(
    config: ConfigFile,
    overrides: Overrides = None,
    stage: Annotated[str, typer.Option(help="esi, nee or fet.")] = "nee",
    steps: Annotated[int, typer.Option(min=1, help="To measure for each size of micro-batch.")] = 5,
    up_to: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="TOKENS",
            help="Largest micro-batch to try; else a GPU's memory ends it, and on a CPU four times a worker's share.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Measure a few training steps: where time goes, and which size of micro-batch fits and is fastest."""
    from rich.console import Console

    from cofee_dist.config.file import load_config
    from cofee_dist.pipeline.profiling import profile as run_profile
    from cofee_dist.pipeline.profiling import profile_table

    loaded = load_config(config, overrides or [])
    with Console(stderr=True).status("measuring"):
        found = run_profile(loaded, stage, steps, up_to)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=2))
    else:
        Console().print(profile_table(found))


def _model_folder(path: Path) -> Path:
    """A model's folder, or the model of a run."""
    for folder in (path, path / "model"):
        if (folder / "config.json").exists():
            return folder
    raise UserError(
        "no model there", where=path, fix="give --model FOLDER, for example quickstart/runs/quickstart/model"
    )


def main(before: list[str] | None = None) -> None:
    """Run a command (``before`` goes before the arguments given); mistakes end with one message and exit code 2."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Torch's threads otherwise spin at every barrier: on a machine with other work that costs a factor of 20.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        app([*(before or []), *sys.argv[1:]])
    except UserError as error:
        _fail(str(error), 2)
    except KeyboardInterrupt:
        _fail("stopped; the same command goes on from the last finished stage, checkpoint or byte", 130)
    except BrokenPipeError:
        # The reader of our output (head, say) has gone; nothing is lost.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        told = told_of_path(error)
        if told is not None:
            _fail(str(told), 2)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = error.filename or "the run's folder"
        _fail(f"the disk is full\n  where: {where}\n  to do: make room and run the same command; it goes on", 1)


def _fail(message: str, code: int) -> None:
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(message, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
