"""From entity embeddings to clusters."""
