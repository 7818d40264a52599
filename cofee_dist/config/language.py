"""Codes of languages, and what people write in place of them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from cofee_dist.errors import UserError

_CODE = re.compile(r"[a-z]{2,3}(-[a-z0-9]+)*")
#: English names, own names and codes of three letters, where there is one of two.
_NAMES = {
    "en": "english eng simple",
    "zh": "chinese mandarin 中文 汉语 漢語 zho chi cmn",
    "de": "german deutsch deu ger",
    "fr": "french français fra fre",
    "es": "spanish español spa",
    "it": "italian italiano ita",
    "pt": "portuguese português por",
    "nl": "dutch nederlands nld dut",
    "pl": "polish polski pol",
    "ru": "russian русский rus",
    "uk": "ukrainian українська ukr",
    "cs": "czech čeština ces cze",
    "sv": "swedish svenska swe",
    "da": "danish dansk dan",
    "no": "norwegian norsk nor",
    "fi": "finnish suomi fin",
    "el": "greek ελληνικά ell gre",
    "tr": "turkish türkçe tur",
    "ar": "arabic العربية ara",
    "he": "hebrew עברית heb",
    "fa": "persian farsi فارسی fas per",
    "hi": "hindi हिन्दी hin",
    "id": "indonesian ind",
    "ja": "japanese 日本語 jpn",
    "ko": "korean 한국어 kor",
    "th": "thai ไทย tha",
    "vi": "vietnamese vie",
}
_CODES = {name: code for code, names in _NAMES.items() for name in names.split()}
_ENOUGH_ALIKE = 75


def likely_code(written: str) -> str | None:
    """The code that a language's name, or a longer code of it, stands for; None for what is a code, or like no name."""
    name = written.strip().lower()
    if name in _CODES:
        return _CODES[name]
    if is_code(name):
        return None
    from rapidfuzz import fuzz, process

    nearest = process.extractOne(name, list(_CODES), scorer=fuzz.ratio, score_cutoff=_ENOUGH_ALIKE)
    return _CODES[nearest[0]] if nearest else None


def is_code(written: str) -> bool:
    """Whether it is written as codes are: zh, zh-hant, yue."""
    return _CODE.fullmatch(written) is not None


def check_wiki(written: str) -> None:
    """See that it is a Wikipedia's code, before mirrors are asked for it again and again where there is no network.

    Raises:
        UserError: It is not; the likely one is named.
    """
    code = written.strip().lower().replace("_", "-").removesuffix("wiki")
    likely = likely_code(code)
    if code != "simple" and (likely or not is_code(code)):
        asked = (
            f"did you mean: cofee download {likely}" if likely else "give the code in its address: en, de, zh, simple"
        )
        raise UserError(f"{written!r} is no code of a Wikipedia", fix=asked)


def language_code(written: Any) -> Any:
    """``ZH`` is ``zh``, ``zh_CN`` is ``zh-cn``; raises ValueError for what is no code, naming the likely one."""
    # YAML reads Norwegian so.
    code = "no" if written is False else written
    if not isinstance(code, str):
        return written
    code = code.strip().lower().replace("_", "-")
    likely = likely_code(code)
    if likely is None and is_code(code):
        return code
    advice = f"did you mean {likely!r}?" if likely else "such as en, de, zh or zh-hant"
    raise ValueError(f"a language is given by its code (ISO 639-1), {advice}")


Language = Annotated[str, BeforeValidator(language_code)]
