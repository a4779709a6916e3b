"""Face photographs as training data: sources, the prepared set on disk, and batches from it."""
