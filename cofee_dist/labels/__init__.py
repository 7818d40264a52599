"""From sentences to typed entity spans (D_s): anchors, gazetteers, picking."""
