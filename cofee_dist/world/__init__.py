"""A small made-up world with known truth: its wiki, gazetteers and labelled sentences."""
