"""A run from end to end: the stages in their order, what each is made from, and what is told of it."""
