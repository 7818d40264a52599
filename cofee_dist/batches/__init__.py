"""From labelled sentences to token ids and targets, to batches."""
