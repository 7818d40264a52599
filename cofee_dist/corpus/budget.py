"""How much work a page may cost: counted, not timed, so that the same dump gives the same corpus on any machine.

Each pass of the renderer, and of splitting what it gives into sentences, is linear in the text that it reads and in
the pieces of markup in it. What it will cost is known before it runs, by counting those, and is paid then: so a page
that is too much is given up before it takes the time, or the memory.
"""

from __future__ import annotations

from cofee_dist.config import Corpus

#: A page of the 2 MiB that MediaWiki saves costs less than half of it, however dense its markup; articles take about 15
#: steps a character.
MAX_PAGE_STEPS: int = Corpus.model_fields["max_page_steps"].default
#: A link, a template or a sentence costs as much as reading so many characters.
_STEPS_FOR_MARKUP = 128
#: What the densest markup costs for a character, in all passes: a page so small that even this is within its budget is
#: not counted at all.
_MOST_STEPS = 1500


class TooMuchWork(Exception):
    """A page is not worth what it would still cost."""


class Budget:
    """The steps that a page of so many characters may still take."""

    def __init__(self, steps: int, characters: int) -> None:
        self.steps, self.left = steps, steps
        self._ample = characters * _MOST_STEPS <= steps

    @property
    def is_ample(self) -> bool:
        """Whether even the densest page of so many characters would be within it."""
        return self._ample

    def pay(self, text: str, markup: str = "") -> None:
        """For a pass over a text that does something at each place where ``markup`` stands.

        Raises:
            TooMuchWork: where that is more than is left.
        """
        if not self._ample:
            self.pay_for(len(text), text.count(markup) if markup else 0)

    def pay_for(self, characters: int, pieces: int = 0) -> None:
        """For reading so many characters, and for so many things that are made of them; raises as ``pay`` does."""
        if self._ample:
            return
        self.left -= characters + _STEPS_FOR_MARKUP * pieces
        if self.left < 0:
            raise TooMuchWork(f"the page takes more than {self.steps:,} steps")
