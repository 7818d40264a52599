"""The model's README: what it finds, how it was trained, how well it does, where it fails; as Hugging Face reads it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from cofee_dist.artifacts import write_text
from cofee_dist.report import captions, text
from cofee_dist.report.schema import Report

CARD = "README.md"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_EXAMPLES = {"zh": "北京大学在北京。"}
_EXAMPLE = "Ada Lovelace met Charles Babbage in London."


def write_model_card(report: Report, folder: str | Path) -> Path:
    """Write ``README.md`` beside the saved model, atomically; returns its path."""
    path = Path(folder) / CARD
    write_text(path, model_card(report, str(folder)))
    return path


def model_card(report: Report, folder: str) -> str:
    """The card as Markdown under YAML front matter; ``folder`` is what a reader loads the model from."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    # Markdown, not HTML: nothing is escaped but the bars that would end a table's cell.
    environment = Environment(
        loader=FunctionLoader(text.shipped),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(score=text.score, count=text.count, duration=text.duration, cell=_cell)
    main, run = report.main_system, report.run
    scored = [item for item in main.per_type.items() if item[1].f1 is not None] if main else []
    ambiguous = run.matches.ambiguous[:3] if run.matches else ()
    return environment.get_template("model_card.md.j2").render(
        report=report,
        run=run,
        main=main,
        folder=json.dumps(folder, ensure_ascii=False),
        types=list(run.questions),
        language=run.language,
        example=json.dumps(_EXAMPLES.get(run.language, _EXAMPLE), ensure_ascii=False),
        headline=captions.headline(report),
        captions=captions,
        plural=text.plural,
        ambiguous=", ".join(row.surface for row in ambiguous),
        weakest=min(scored, key=lambda item: item[1].f1 or 0) if len(scored) > 1 else None,
        front_matter=yaml.safe_dump(front_matter(report), sort_keys=False, allow_unicode=True),
    )


def front_matter(report: Report) -> dict[str, Any]:
    """The card's metadata, in the Hub's terms (model-index holds the scores)."""
    run, main = report.run, report.main_system
    made: dict[str, Any] = {
        "language": run.language,
        "pipeline_tag": "token-classification",
        "tags": ["named-entity-recognition", "weak-supervision", "cofee"],
    }
    if _HUB_NAME.fullmatch(run.encoder) and run.encoder != "scratch" and not Path(run.encoder).exists():
        made["base_model"] = run.encoder
    if main is not None:
        dataset = report.scored_on or "test"
        values = {"precision": main.precision, "recall": main.recall, "f1": main.f1}
        metrics = [
            {"type": name, "name": name.upper() if name == "f1" else name.capitalize(), "value": round(value, 2)}
            for name, value in values.items()
            if value is not None
        ]
        result = {
            "task": {"type": "token-classification", "name": "Named-entity recognition"},
            "dataset": {"type": re.sub(r"\W+", "-", dataset).strip("-").lower() or "test", "name": dataset},
            "metrics": metrics,
        }
        made["model-index"] = [{"name": run.name, "results": [result]}]
    return made


def _cell(value: str) -> str:
    """Text inside a table's cell: on one line, its bars escaped."""
    return " ".join(value.split()).replace("|", "\\|")
