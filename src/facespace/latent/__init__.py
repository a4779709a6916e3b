"""Mathematics in a latent space: (D,) and (N, D) tensors in and out, no models and no images."""
