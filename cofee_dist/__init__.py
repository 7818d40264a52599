"""CoFEE-dist: a named-entity recogniser from a Wikipedia dump, word lists and one question for each type."""

__version__ = "0.1.0"
