"""The renderer of drawn faces: factors in, pictures out. Knows nothing of sets."""
