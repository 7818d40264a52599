"""From predicted spans to precision, recall and F1; from clusters to purity."""
