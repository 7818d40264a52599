"""Reading a config: YAML, overrides, the environment's variables, and errors that name the nearest key."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from cofee_dist.config import Config
from cofee_dist.config.yaml_text import parse_yaml, read_yaml
from cofee_dist.errors import UserError


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a YAML config and apply ``a.b=value`` overrides (values are YAML: ``[x, y]``, ``1e-5``, ``null``).

    ``${NAME}`` in a value is the environment's. Raises UserError as ``read_yaml`` does, and for an unknown key (naming
    the nearest known one), a variable that is not set or a value that does not fit.
    """
    path = Path(path)
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise UserError(
            "the config is empty" if tree is None else "the config must be a mapping of keys to values",
            where=path,
            fix="begin with one of pipelines/configs; a line is key: value",
        )
    for override in overrides:
        _override(tree, override)
    return config_from(_expanded(tree, path), where=path)


def config_from(tree: Mapping[str, Any], where: object = None) -> Config:
    """Validate a tree of plain values; errors are told as ``load_config`` tells them."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise UserError(_explain(error), where=where, fix="correct the config; --dry-run prints it resolved") from error


def dump_yaml(config: Config) -> str:
    """The config as YAML with every default filled in."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _expanded(value: Any, where: Path) -> Any:
    if isinstance(value, dict):
        return {key: _expanded(child, where) for key, child in value.items()}
    if isinstance(value, list):
        return [_expanded(child, where) for child in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        name = match[1]
        if name not in os.environ:
            raise UserError(
                f"{value!r} wants the environment variable {name}, which is not set",
                where=where,
                fix=f"export {name}=…, or change the value in the config or with --set",
            )
        return os.environ[name]

    return re.sub(r"\$\{(\w+)\}", variable, value)


def _override(tree: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UserError(f"--set wants key=value, not {override!r}", fix="for example --set corpus.min_anchors=2")
    node = tree
    *parents, leaf = key.strip().split(".")
    for parent in parents:
        child = node.get(parent)
        if child is None:
            child = node[parent] = {}
        if not isinstance(child, dict):
            raise UserError(
                f"--set {key}: {parent!r} is a value, it has no keys below it", fix="--dry-run prints the config's keys"
            )
        node = child
    try:
        node[leaf] = parse_yaml(value)
    except yaml.YAMLError as error:
        raise UserError(
            f"--set {key}: {value!r} is not a YAML value ({getattr(error, 'problem', error)})",
            fix="put the whole of it in quotes for the shell: --set 'corpus.dumps=[a.bz2, b.bz2]'",
        ) from error


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(_unknown_key(problem["loc"]))
        elif problem["type"] == "missing":
            lines.append(f"{place}: missing")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "string_type" and not isinstance(problem["input"], (list, dict, type(None))):
                message += "; write it in quotes"
            lines.append(f"{place}: {message} (got {problem['input']!r:.80})")
    return "\n".join(lines)


def _unknown_key(location: tuple[int | str, ...]) -> str:
    from rapidfuzz import fuzz, process

    known = _fields_at(Config, location[:-1])
    message = f"{'.'.join(map(str, location))}: unknown key"
    nearest = process.extractOne(str(location[-1]), known, scorer=fuzz.ratio) if known else None
    if nearest and nearest[1] >= 60:
        return f"{message}; did you mean {nearest[0]!r}?"
    return f"{message}; known here: {', '.join(sorted(known))}"


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the tree's node at a location; dict keys (a type's name) are passed over."""
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        found = _models_in(field.annotation)
        if found:
            model = found[0]
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]
