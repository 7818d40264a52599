"""From batches to logits, losses and decoded spans. Pure torch and transformers."""
