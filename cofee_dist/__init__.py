"""CoFEE-dist: a named-entity recogniser from a Wikipedia dump, word lists and one question for each type."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cofee_dist.model.span_extractor import SpanExtractor

__version__ = "0.1.0"
__all__ = ["SpanExtractor", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the model on first use: ``import cofee_dist`` stays fast."""
    if name == "SpanExtractor":
        from cofee_dist.model.span_extractor import SpanExtractor

        return SpanExtractor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
