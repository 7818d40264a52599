"""From a dump to pages, to plain text with anchors, to sentences (D_g)."""
