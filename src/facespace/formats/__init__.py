"""A recipe as one file of plain PyTorch, and a space in the formats of other programs."""
