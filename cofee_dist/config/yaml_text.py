"""YAML as configs are written in it: the text of a file in UTF-8 or UTF-16, no key twice, ``1e-5`` a number."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any

import yaml

from cofee_dist.errors import UserError

#: Windows' editors write them before UTF-16, and before UTF-8.
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class _GivenTwice(yaml.MarkedYAMLError):
    """YAML forbids it, PyYAML takes the last."""


class _Loader(yaml.SafeLoader):
    """PyYAML reads ``1e-5`` as a string (YAML 1.1); here it is a number. A key given twice is an error."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        """See PyYAML; here, and not where mappings are built, keys that ``<<`` merges are not among the node's own."""
        node = super().compose_mapping_node(anchor)
        first: dict[str, Any] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in first:
                line = first[key.value].start_mark.line + 1
                raise _GivenTwice(
                    problem=f"{key.value!r} is given twice, first in line {line}", problem_mark=key.start_mark
                )
            first[key.value] = key
        return node


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


def parse_yaml(text: str) -> Any:
    """The value that a text of YAML is; raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)


def read_yaml(path: Path) -> Any:
    """What is in a config's file.

    Raises UserError, with the line, for one that cannot be read, is not UTF-8 or not YAML, or gives a key twice.
    """
    text = _text(path)
    try:
        return parse_yaml(text)
    except yaml.YAMLError as error:
        line, problem = _place(error, text)
        raise UserError(
            f"the config is not valid YAML: {problem}", where=f"{path}:{line}", fix=_fix(error, text, line)
        ) from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        fix = (
            "give the YAML file in it" if path.is_dir() else "correct the path; it is relative to the folder you are in"
        )
        raise UserError(f"cannot read the config: {error.strerror}", where=path, fix=fix) from error
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        where = f"{path}:{line}" if encoding != "utf-16" else path
        raise UserError(f"the config is not {encoding[:6].upper()}", where=where, fix="save it as UTF-8") from error
    if "\0" in text:
        raise UserError("the config is not UTF-8 text (it holds zero bytes)", where=path, fix="save it as UTF-8")
    return text


def _place(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """The line where it went wrong, and what did."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        return (mark.line + 1 if mark else 1), problem
    position = getattr(error, "position", 0)
    return text.count("\n", 0, position) + 1, str(getattr(error, "reason", error))


def _fix(error: yaml.YAMLError, text: str, line: int) -> str:
    if isinstance(error, _GivenTwice):
        return "keep one of them"
    lines = text.splitlines()
    if any("\t" in written[: len(written) - len(written.lstrip())] for written in lines[line - 1 : line]):
        return "indent with spaces: YAML forbids tabs"
    return "check indentation, brackets and quotes there; a value with ': ' or ' #' in it wants quotes"
