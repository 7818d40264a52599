"""Simplified and traditional Chinese, character by character."""

from __future__ import annotations

import unicodedata
from functools import cache

from cofee_dist.config import Chinese

_CONFIGS = {"simplified": "t2s", "traditional": "s2t"}
# The blocks and planes of Han characters that NFKC leaves alone.
_HAN = (*range(0x3400, 0xA000), *range(0x20000, 0x32400))


def convert(text: str, chinese: Chinese) -> str:
    """The text in a variant of Chinese, as long as it was; other scripts are left alone. Idempotent.

    OpenCC's characters are used without its phrases. Phrases change lengths, which would move offsets, and look at
    what stands around a character, so that a name would be spelled in one way alone and in another in a sentence.

    ``simplified`` is the better variant to compare in: several traditional characters have one simplified form, so
    whatever two writers meant as the same name is the same. ``traditional`` cannot know which of them a simplified
    character stands for and takes the commonest (发 is 發, so a list's 头发 does not meet a text's 頭髮); it keeps
    apart what traditional text keeps apart.
    """
    if chinese == "none" or text.isascii():
        return text
    return text.translate(_characters(chinese))


@cache
def _characters(chinese: Chinese) -> dict[int, str]:
    """Code points that the variant spells otherwise."""
    from opencc import OpenCC

    # Line ends keep phrases apart; one call takes a fraction of a second, one for each character would not.
    characters = [chr(code) for code in _HAN]
    converted = OpenCC(_CONFIGS[chinese]).convert("\n".join(characters)).split("\n")
    assert len(converted) == len(characters)
    found = {
        character: spelled
        for character, spelled in zip(characters, converted, strict=True)
        if spelled != character and len(spelled) == 1 and unicodedata.is_normalized("NFKC", spelled)
    }
    return {ord(character): _last(character, found) for character in found}


def _last(character: str, steps: dict[str, str]) -> str:
    """Where a chain of conversions ends (薴 is 苧, and 苧 is 苎), so that converting again changes nothing."""
    seen = {character}
    while character in steps and steps[character] not in seen:
        character = steps[character]
        seen.add(character)
    return character
