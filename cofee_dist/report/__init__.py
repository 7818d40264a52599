"""From what a run gave to tables, figures, a page to look at and a model card."""
