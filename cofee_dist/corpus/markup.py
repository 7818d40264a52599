"""Passes that take a page's markup away, but for its links and lines; each in time linear in the text."""

from __future__ import annotations

import re

from cofee_dist.corpus.literals import BARRIER, HOLE, shield

_DROPPED_TAGS = (
    "ref|references|math|chem|ce|gallery|timeline|score|syntaxhighlight|source|hiero|imagemap|templatedata|graph"
    "|inputbox|mapframe|maplink|categorytree|section|indicator|includeonly|style|script|templatestyles|charinsert"
    "|rss|dynamicpagelist|ruby-text|rt|rp"
)
_EXTENSION = re.compile(rf"<(?:(!--)|(?i:(nowiki|pre|{_DROPPED_TAGS})\b[^<>]*>))")
#: ``code`` is none of them: to MediaWiki it is plain HTML, whose links count.
_LITERAL = frozenset({"nowiki", "pre"})
_CLOSINGS = {tag: re.compile(rf"</{tag}\s*+>", re.IGNORECASE) for tag in (*_DROPPED_TAGS.split("|"), *sorted(_LITERAL))}
_BREAK_TAG = re.compile(r"<br\b[^<>]*>", re.IGNORECASE)
_BLOCK_TAG = re.compile(
    r"</?(?:p|div|blockquote|center|li|ul|ol|dl|dt|dd|hr|h[1-6]|tr|td|th|caption|tbody|thead|poem|section|pre)\b[^<>]*>",
    re.IGNORECASE,
)
_INLINE_TAG = re.compile(
    r"</?(?:span|small|big|sup|sub|b|i|u|s|em|strong|strike|del|ins|font|tt|kbd|samp|var|code|cite|q|abbr|dfn|bdi|bdo"
    r"|mark|time|data|ruby|rb|wbr|a|img|nowiki|onlyinclude|noinclude|includeonly|ref|references|math|gallery|table"
    r"|source|syntaxhighlight|langconvert|translate|tvar|languages|noexternallanglinks|!--)\b[^<>]*>",
    re.IGNORECASE,
)

_QUOTES = re.compile(r"''+")
_MAGIC = re.compile(r"__[^\W\d_]{2,32}(?:_[^\W\d_]{1,32}){0,3}__")
#: Switches of which the case does not matter. Of others, in all languages, those in capitals count.
_SWITCHES = frozenset(
    ("toc", "notoc", "forcetoc", "noeditsection", "nogallery", "notitleconvert", "notc", "nocontentconvert", "nocc")
)
#: In capitals too, but of C, PHP, Perl and Ruby.
_CONSTANTS = frozenset(
    ("LINE", "FILE", "DATE", "TIME", "COUNTER", "FUNCTION", "FUNC", "CLASS", "DIR", "METHOD", "NAMESPACE", "TRAIT",
     "DATA", "END", "PACKAGE", "SUB", "STDC", "VERSION", "ENCODING")
)  # fmt: skip
#: A label may hold links. The bounds on both keep the time linear where none is closed.
_EXTERNAL = re.compile(
    r"\[(?=[a-z/])(?:(?:https?|ftps?|sftp|ircs?|gopher|news|nntp|mailto|tel|magnet|svn|git|geo|sip|sms|urn|xmpp|bitcoin):"
    r"|//)[^\s\]\[]*+ *+((?:[^\[\]\n]{1,500}+|\[\[[^\[\]\n]{1,500}+\]\]|\[){0,100}+)\]",
    re.IGNORECASE,
)
_VARIANT = re.compile(r"-\{([^{}]*+)\}-")
_VARIANT_LANGUAGES = frozenset(
    ("zh", "zh-yue", "yue", "gan", "wuu", "sr", "sh", "kk", "ku", "uz", "iu", "shi", "tg", "crh", "ban")
)
_VARIANT_NAME = re.compile(rf"(?:{'|'.join(sorted(_VARIANT_LANGUAGES))})(?:-[a-z]{{2,8}})?")
#: A semicolon ends a rule where another one follows, or none (``ConverterRule``); one of an entity does not.
_RULE_END = re.compile(rf";\s*(?=(?i:{_VARIANT_NAME.pattern})\s*:|[^;]*?=>\s*(?i:{_VARIANT_NAME.pattern})\s*:|\s*\Z)")
_ENTITY_END = re.compile(r"(&[#a-zA-Z0-9]{1,32});")
_PREFERRED_VARIANTS = ("zh-hans", "zh-cn", "zh", "sr-ec", "sr-cyrl", "kk-cyrl", "ku-latn", "uz-latn", "tg-cyrl")

_LOOSE = " ,;:、，；"
#: Most of them, where nothing has to be joined: neither brackets nor spaces or commas on both sides.
_PLAIN_HOLE = re.compile(
    rf"{HOLE}(?:(?:(?<=[^{_LOOSE}{HOLE}(（\]]{HOLE})|(?<=[^{_LOOSE}{HOLE}(（][,;:]{HOLE}))(?= *+[^{_LOOSE}{HOLE})）])"
    rf"|(?<=[^{_LOOSE}{HOLE}(（] {HOLE})(?=\n))"
)
_HOLES = re.compile(rf"{HOLE}(?:[ ,;:、，；]*+{HOLE})++")
_AFTER_WORD = frozenset(" ,.;:")


def drop_extensions(text: str) -> str:
    """Without comments, references, formulas, galleries and their like; ``nowiki`` and ``pre`` become literal text."""
    parts: list[str] = []
    at = 0
    unclosed: set[str] = set()
    while opening := _EXTENSION.search(text, at):
        start, end = opening.span()
        if opening[1]:
            close = text.find("-->", end)
            # MediaWiki takes an unclosed comment to the page's end.
            after = close + 3 if close >= 0 else len(text)
            start, after = _whole_line(text, at, start, after)
            parts.append(text[at:start])
            at = after
            continue
        tag = opening[2].lower()
        parts.append(text[at:start])
        at = end
        if opening[0].endswith("/>"):
            parts.append(HOLE)
            continue
        closing = None if tag in unclosed else _CLOSINGS[tag].search(text, end)
        if closing is None:
            unclosed.add(tag)
            continue
        parts.append(shield(text[end : closing.start()]) if tag in _LITERAL else HOLE)
        at = closing.end()
    parts.append(text[at:])
    return "".join(parts)


def _whole_line(text: str, least: int, start: int, end: int) -> tuple[int, int]:
    """A comment alone on its line goes with the line."""
    line_start = start
    while line_start > least and text[line_start - 1] == " ":
        line_start -= 1
    line_end = end
    while line_end < len(text) and text[line_end] == " ":
        line_end += 1
    begins = line_start == 0 or (line_start > least and text[line_start - 1] == "\n")
    if begins and line_end < len(text) and text[line_end] == "\n":
        return line_start, line_end + 1
    return start, end


def choose_variants(text: str, language: str) -> str:
    """``-{zh-hans:计算机;zh-hant:電腦}-`` as one of its variants; only some languages have this markup."""
    if language not in _VARIANT_LANGUAGES or "-{" not in text:
        return text
    return _VARIANT.sub(_variant, _VARIANT.sub(_variant, text))


def _variant(markup: re.Match[str]) -> str:
    flags, pipe, body = markup[1].partition("|")
    if not pipe:
        flags, body = "", flags
    if {flag.strip() for flag in flags.split(";")} & {"H", "T", "-", "N"}:
        return ""
    variants: dict[str, str] = {}
    for rule in _RULE_END.split(_ENTITY_END.sub("\\1\x01", body)):
        name, colon, value = rule.replace("\x01", ";").partition(":")
        if not colon:
            continue
        name = name.rpartition("=>")[2].strip().lower()
        if not _VARIANT_NAME.fullmatch(name):
            return body
        variants[name] = value.strip()
    chosen = next((variants[name] for name in _PREFERRED_VARIANTS if variants.get(name)), None)
    return chosen or next(filter(None, variants.values()), body)


def drop_tags(text: str) -> str:
    """Without HTML: block elements end paragraphs, ``br`` is a space, inline elements leave their text."""
    if "<" not in text:
        return text
    return _INLINE_TAG.sub("", _BLOCK_TAG.sub("\n\n", _BREAK_TAG.sub(" ", text)))


def drop_switches(text: str) -> str:
    """Without behaviour switches such as ``__NOTOC__``."""
    return _MAGIC.sub(_switch, text) if "__" in text else text


def _switch(word: re.Match[str]) -> str:
    name = word[0].strip("_")
    is_switch = name.lower() in _SWITCHES or (name == name.upper() and name not in _CONSTANTS)
    return "" if is_switch else word[0]


def drop_addresses(text: str) -> str:
    """Without the addresses of external links, whose labels stay."""
    return _EXTERNAL.sub(r"\1", text)


def drop_quotes(text: str) -> str:
    """Without bold and italics."""
    return _QUOTES.sub(_literal_quotes, text) if "''" in text else text


def _literal_quotes(run: re.Match[str]) -> str:
    """Two, three or five apostrophes are markup; of other runs the surplus is shown."""
    length = len(run[0])
    shown = "'" * (1 if length == 4 else max(0, length - 5))
    start, end = run.span()
    parts_letter = start and run.string[start - 1] == "]" and run.string[end : end + 1].isalpha()
    return BARRIER + shown if parts_letter else shown


def close_holes(text: str) -> str:
    """Without what dropped markup leaves behind: empty brackets, dangling commas in them, runs of spaces."""
    if HOLE in text:
        first, *rest = _PLAIN_HOLE.sub("", _HOLES.sub(HOLE, text)).split(HOLE)
        parts = [first]
        for right in rest:
            parts[-1], right = _join(parts[-1], right)
            parts.append(right)
        text = "".join(parts)
    while "  " in text:
        text = text.replace("  ", " ")
    return text


def _join(left: str, right: str) -> tuple[str, str]:
    """The two sides of a hole, so that they read on."""
    core = left.rstrip(_LOOSE)
    after = right.lstrip(_LOOSE)
    opens, closes = core.endswith(("(", "（")), after.startswith((")", "）"))
    if opens and closes:
        return core[:-1].rstrip(" "), after[1:]
    if opens or closes:
        return core, after
    if left.endswith(" ") and right[:1] in _AFTER_WORD:
        return left.rstrip(" "), right
    return (left + BARRIER if left.endswith("]]") else left), right
