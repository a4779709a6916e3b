"""The terms of the field that results use, each explained in one sentence. Loads nothing."""

from collections.abc import Mapping

# Term -> what it means, and the words by which it is recognised where these are not the term itself.
TERMS: Mapping[str, str] = {
    "active latent": (
        "A latent dimension that changes from face to face; a dead one is the same for all faces."
    ),
    "aggregate posterior": "The distribution of the latents of all encoded faces together.",
    "AUC": (
        "Area under the ROC curve: how well a classifier separates two groups; 0.5 is chance, 1 is perfect."
    ),
    "95 % interval": "The range in which a mean would lie for 95 of 100 other choices of faces (bootstrap).",
    "bundle": "The folder of one trained model: its weights and its card.",
    "C2ST": (
        "Classifier two-sample test: the AUC with which a classifier separates encoded from sampled latents."
    ),
    "closed loop": "An edit that is optimized through the decoder until a classifier sees the attribute.",
    "cosine": "Similarity of two vectors: 1 is the same direction, 0 none.",
    "crop": "The part of a photograph that is used: center-148 is its middle square of 148×148 pixels.",
    "DCI": (
        "Disentanglement, completeness, informativeness: whether each latent dimension encodes one factor."
    ),
    "direction": "A vector in latent space along which one attribute changes.",
    "ELBO": "Evidence lower bound: what a VAE maximises, a lower bound of the log-likelihood of a face.",
    "FID": (
        "Fréchet inception distance: how far the features of generated faces are from those of real faces; "
        "lower is better. Only values of one feature network and one count can be compared."
    ),
    "flow": "A learned, invertible map from normal noise to latents: a prior that fits encoded faces.",
    "KID": (
        "Kernel inception distance: like FID, without its dependence on the number of faces; lower is better."
    ),
    "KL": "Kullback-Leibler divergence: by how many nats the latents of a face differ from the prior.",
    "latent": "The vector of numbers that represents a face; also one of these numbers (a latent dimension).",
    "leakage": "The change of other attributes by an edit that all faces share.",
    "LPIPS": "Learned perceptual distance of two pictures; 0 is equal, lower is better.",
    "MIG": "Mutual information gap: whether one latent dimension alone encodes each factor; 1 is best.",
    "MSE": "Mean squared error of pixel values in [0, 1]; 0 is equal.",
    "mutual information": "How many nats of information about the face its latent carries.",
    "nats": "A unit of information, 1.44 bits. As a loss, lower is better, and the value may be negative.",
    "posterior mean": "The latent that the encoder gives for a face, without noise.",
    "precision": "The share of generated faces that look like real ones; 1 is best.",
    "principal component": "A direction in which faces differ most; the first explains the largest share.",
    "prior": (
        "The distribution that latents of new faces are drawn from; N(0, I) is the normal distribution "
        "with mean 0 and variance 1 in every dimension."
    ),
    "PSNR": "Peak signal-to-noise ratio of a reconstruction in decibel; higher is better, 25 dB is close.",
    "recall": "How much of the variety of real faces the generated ones cover; 1 is best.",
    "SAP": "Separated attribute predictability: whether one latent dimension alone predicts each factor.",
    "SSIM": "Structural similarity of two pictures; 1 is equal.",
    "t-SNE": "A map that keeps neighbours together; distances between groups mean nothing.",
    "temperature": (
        "The scale of the randomness of samples: 1 is the prior itself, less gives more typical faces."
    ),
    "traversal": "A row of faces along which one latent dimension or component changes.",
    "UMAP": "A map that keeps neighbours together, as t-SNE does.",
}
WORDS: Mapping[str, str] = {
    "active latent": r"(?:active|dead|unused) latents?|latents in use|latents are (?:active|dead|in use)",
    "95 % interval": "95 % (?:bootstrap )?interval",
    "C2ST": "C2ST|two-sample test|AUC of a classifier",
    "direction": "directions?",
    "ELBO": "ELBO|evidence lower bound",
    "latent": "latents?",
    "prior": "prior|priors|N[(]0, I[)]",
    "principal component": "(?:principal )?components?",
    "posterior mean": "posterior means?",
    "traversal": "traversals?",
}

# A word in the description of a prior -> what that prior is.
PRIORS: Mapping[str, str] = {
    "flow": "a flow is a distribution of latents that a network has learned from encoded faces",
    "diffusion": (
        "a diffusion prior is a distribution of latents that a network has learned from encoded faces"
    ),
    "autoregressive": "a distribution of codes, each given those before it, learned from encoded faces",
    "mixture": (
        "a mixture is a sum of several normal distributions with the means and covariances of encoded faces"
    ),
    "Gaussian": "a normal distribution with the mean and covariance of encoded faces",
    "N(0, I)": (
        "the normal distribution with mean 0 and variance 1 in each latent dimension, which training aims at"
    ),
}


def prior_gloss(origin: str) -> str:
    """What the prior with this description is, in a few words; empty for an unknown kind."""
    for word, meaning in PRIORS.items():
        if word in origin:
            return meaning
    return ""
