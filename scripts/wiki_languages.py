"""MediaWiki's message files -> cofee_dist/corpus/wiki_languages.tsv: names of namespaces and link trails by language.

    python scripts/wiki_languages.py MEDIAWIKI/languages/messages      # of a MediaWiki that is unpacked somewhere

A line is: language, link trail (a pattern), names of namespaces (``key=name`` with bars between them). Names are those
of ``$namespaceNames``, ``$namespaceAliases`` and ``$namespaceGenderAliases``, with what a language's ``$fallback``
gives it, as ``LocalisationCache`` puts them together; those that every wiki knows are left out. So are languages that
have nothing of their own. Of a trail, quotation marks and dashes are left out, which some count in and no name holds.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cofee_dist.corpus.titles import CANONICAL_NAMESPACES, LANGUAGE_PREFIXES
from cofee_dist.corpus.wiki_languages import DEFAULT_TRAIL

OUT = Path(__file__).resolve().parent.parent / "cofee_dist" / "corpus" / "wiki_languages.tsv"
#: Codes of wikis that are not those of their message files (``LanguageCode``, and the sites' own).
FILES = {
    "als": "gsw", "bat-smg": "sgs", "be-x-old": "be-tarask", "fiu-vro": "vro", "roa-rup": "rup", "zh-classical": "lzh",
    "zh-min-nan": "nan", "zh-yue": "yue", "no": "nb", "bh": "bho", "simple": "en",
}  # fmt: skip
_PAIRS = ("MAIN", "USER", "PROJECT", "FILE", "MEDIAWIKI", "TEMPLATE", "HELP", "CATEGORY")
KEYS = {"MEDIA": -2, "SPECIAL": -1, "MAIN": 0, "TALK": 1, "IMAGE": 6, "IMAGE_TALK": 7}
KEYS |= {f"{name}{talk}": 2 * at + (talk != "") for at, name in enumerate(_PAIRS) for talk in ("", "_TALK") if at}
_COMMENTS = re.compile(r"/\*.*?\*/|^\s*(?:#|//).*?$", re.DOTALL | re.MULTILINE)
_STRING = r"""(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")"""
_MARKS = '“”„»«"’‘–\u200b'
#: Slips of MediaWiki's: a colon that was to be no group's, and a range that takes in most of all scripts.
_SLIPS = {":?[": "[", "\u0966-\ua8e0-\ua8ff": "\u0966-\u097f\ua8e0-\ua8ff"}


class Messages:
    """What a message file says of namespaces and trails; ``names`` and ``aliases`` map names to keys."""

    def __init__(self, path: Path) -> None:
        self._text = _COMMENTS.sub("", path.read_text(encoding="utf-8"))
        fallback = re.search(r"\$fallback = '([^']*)'", self._text)
        self.fallback = [code.strip() for code in fallback[1].split(",")] if fallback else []
        named = re.findall(rf"'?NS_(\w+)'?\s*=>\s*{_STRING}", self._block("namespaceNames"))
        self.names = {_unquoted(*name): KEYS[key] for key, *name in named}
        aliased = re.findall(rf"{_STRING}\s*=>\s*'?NS_(\w+)'?", self._block("namespaceAliases"))
        self.aliases = {_unquoted(*name): KEYS[key] for *name, key in aliased}
        groups = re.findall(
            r"NS_(\w+)\s*=>\s*(?:\[|array\()(.*?)(?:\]|\))", self._block("namespaceGenderAliases"), re.S
        )
        self.genders = {
            _unquoted(*name): KEYS[key] for key, forms in groups for name in re.findall(rf"=>\s*{_STRING}", forms)
        }
        self.trail = self._trail()

    def _block(self, name: str) -> str:
        found = re.search(rf"\${name} = (?:\[|array\()(.*?)(?:\]|\));", self._text, re.DOTALL)
        return found[1] if found else ""

    def _trail(self) -> str | None:
        """The group of ``'/^(…)(.*)$/sD'``, as a pattern of Python's."""
        line = re.search(r"^\$linkTrail = (.*);$", self._text, re.MULTILINE)
        if line is None:
            return None
        variables = dict(re.findall(r"\$(\w+) =((?:\s*'[^']*' ?\.?)+);", self._text))
        spelt = re.sub(r"' \. \$(\w+) \. '", lambda part: "".join(re.findall("'([^']*)'", variables[part[1]])), line[1])
        group = spelt[1:].removeprefix("/^(").rpartition(")(.*)$/")[0].replace(r"\\", "\\").replace(r"\'", "'")
        group = re.sub(r"\\[xu]\{(\w+)\}", lambda code: chr(int(code[1], 16)), group)
        for slip, right in _SLIPS.items():
            group = group.replace(slip, right)
        if re.fullmatch(r"\(\?:\[[^]]*\](\|.)+\)\+", group):  # one character, but written as alternatives
            group = "[" + re.sub(r"[]|[]", "", group[3:-2]) + "]+"
        group = re.sub(r"\[[^]]*\]", lambda part: re.sub(f"[{_MARKS}]", "", part[0].replace("z-–]", "z]")), group)
        return group and group.removesuffix("+") + "*+"


def _unquoted(single: str, double: str) -> str:
    return re.sub(r"\\(.)", r"\1", single or double).replace("_", " ")


def main() -> None:
    """Write the table."""
    folder = Path(sys.argv[1])
    files = {path.stem.removeprefix("Messages").replace("_", "-").lower(): path for path in folder.glob("Mess*.php")}
    messages = {code: Messages(path) for code, path in files.items()}
    lines = [line for code in sorted(LANGUAGE_PREFIXES | set(FILES.values())) if (line := _line(code, messages))]
    OUT.write_text("".join(lines), encoding="utf-8")


def _line(language: str, messages: dict[str, Messages]) -> str:
    code = FILES.get(language, language)
    if code not in messages:
        return ""
    chain = [messages[one] for one in (code, *messages[code].fallback, "en") if one in messages]
    # Variants of a language, as of Chinese, know each other's names.
    related = [one for one in messages[code].fallback if one.startswith(("zh-", f"{code}-"))]
    variants = [messages[one] for one in related if one in messages]
    names: dict[str, int] = {}
    for one in reversed(chain):
        names |= one.aliases
    names |= next((one.genders for one in chain if one.genders), {})
    for one in (*variants, chain[0]):
        names |= one.names
    own = sorted({(key, name) for name, key in names.items() if _is_own(name, key)})
    trail = next((one.trail for one in chain if one.trail is not None), DEFAULT_TRAIL)
    if not own and trail == DEFAULT_TRAIL:
        return ""
    return f"{language}\t{trail}\t{'|'.join(f'{key}={name}' for key, name in own)}\n"


def _is_own(name: str, key: int) -> bool:
    return name != "" and "$1" not in name and CANONICAL_NAMESPACES.get(name.casefold()) != key


if __name__ == "__main__":
    main()
