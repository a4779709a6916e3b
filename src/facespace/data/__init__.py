"""Face photographs as training data: sources, their preparation, and prepared sets on disk."""
