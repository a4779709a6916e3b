"""Mathematics in a latent space: (D,) and (N, D) numpy arrays in and out. No models, no images, no torch."""
