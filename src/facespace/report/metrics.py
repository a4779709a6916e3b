"""The metrics that a table can have: what each is called, where an evaluation keeps it, in which direction it
improves, and what it means. Measures nothing."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from facespace.core.errors import UsageError, choose

HIGHER, LOWER = "higher", "lower"
INCEPTION, ATTRIBUTES = "Inception", "attribute classifier"  # short names of feature networks
BF16 = ", in bf16"  # the end of the description of a network in that format

Path = tuple[str, ...]  # the keys of a value in the JSON of an evaluation


class Metric(NamedTuple):
    """A metric: its label, the number format, the direction in which it improves, where its value lies, and
    one line that explains it. `spread` is where its uncertainty lies: a standard deviation, or the (low,
    high) of a 95 % interval."""

    label: str
    form: str
    better: str
    value: Path
    about: str
    spread: Path = ()
    needs: str = ""  # features, lpips or identity
    of_likelihood: bool = False  # values of different pixel likelihoods cannot be compared

    @property
    def part(self) -> str:
        """The part of an evaluation that measures it."""
        return self.value[0]


def _reconstruction(label: str, name: str, form: str, better: str, about: str, needs: str = "") -> Metric:
    spread = ("reconstruction", "intervals", name)
    return Metric(label, form, better, ("reconstruction", name), about, spread, needs)


METRICS: Mapping[str, Metric] = {
    "fid": Metric(
        "FID",
        ".1f",
        LOWER,
        ("generation", "fid"),
        "Fréchet distance between the features of samples and of real faces (Heusel et al., 2017)",
        needs="features",
    ),
    "kid": Metric(
        "KID",
        ".4f",
        LOWER,
        ("generation", "kid"),
        "kernel distance between the same features: the unbiased squared MMD with the kernel (x·y/D + 1)³, "
        "as its paper prints it, without a factor of 1,000 (Bińkowski et al., 2018)",
        ("generation", "kid_sd"),
        "features",
    ),
    "precision": Metric(
        "precision",
        ".3f",
        HIGHER,
        ("generation", "precision"),
        "share of samples within the manifold of the real faces (Kynkäänniemi et al., 2019)",
        needs="features",
    ),
    "recall": Metric(
        "recall",
        ".3f",
        HIGHER,
        ("generation", "recall"),
        "share of real faces within the manifold of the samples (Kynkäänniemi et al., 2019)",
        needs="features",
    ),
    "rfid": Metric(
        "rFID",
        ".1f",
        LOWER,
        ("reconstruction", "fid"),
        "FID between reconstructions and their originals",
        needs="features",
    ),
    "rkid": Metric(
        "rKID",
        ".4f",
        LOWER,
        ("reconstruction", "kid"),
        "KID between reconstructions and their originals",
        needs="features",
    ),
    "mse": _reconstruction(
        "MSE", "mse", ".5f", LOWER, "mean squared error of reconstructions, pixel values in [0, 1]"
    ),
    "psnr": _reconstruction(
        "PSNR, dB",
        "psnr",
        ".2f",
        HIGHER,
        "peak signal-to-noise ratio of each reconstruction, mean over faces",
    ),
    "ssim": _reconstruction(
        "SSIM", "ssim", ".3f", HIGHER, "structural similarity of reconstructions (Wang et al., 2004)"
    ),
    "ms-ssim": _reconstruction(
        "MS-SSIM", "ms_ssim", ".3f", HIGHER, "multi-scale SSIM of reconstructions (Wang et al., 2003)"
    ),
    "lpips": _reconstruction(
        "LPIPS (AlexNet)",
        "lpips",
        ".3f",
        LOWER,
        "learned perceptual distance of reconstructions (Zhang et al., 2018)",
        "lpips",
    ),
    "identity": _reconstruction(
        "identity (ArcFace)",
        "identity",
        ".3f",
        HIGHER,
        "cosine of the ArcFace embeddings of a face and its reconstruction (Deng et al., 2019)",
        "identity",
    ),
    "nats": Metric(
        "−ELBO, nats",
        ",.1f",
        LOWER,
        ("likelihood", "loss"),
        "negative evidence lower bound per image: reconstruction term + KL, all weights 1 (a nat is a unit "
        "of information, 1.44 bits; the value may be negative)",
        of_likelihood=True,
    ),
    "nats-per-dim": Metric(
        "−ELBO, nats per pixel value",
        ".4f",
        LOWER,
        ("likelihood", "loss_per_dim"),
        "the same, divided by the number of pixel values",
        of_likelihood=True,
    ),
    "kl": Metric(
        "KL, nats",
        ",.1f",
        "",
        ("latents", "kl"),
        "Kullback-Leibler divergence of the posteriors from N(0, I) per image: the information in a latent",
    ),
    "c2st": Metric(
        "C2ST, AUC",
        ".3f",
        LOWER,
        ("latents", "classifier_auc"),
        "two-sample test: area under the ROC curve of a classifier of encoded against sampled latents; 0.5 "
        "is chance and best",
    ),
    "copies": Metric(
        "copies",
        ".3f",
        LOWER,
        ("memorisation", "share"),
        "share of samples nearer to a training face than 99 % of unseen real faces are; about 0.01 is chance",
    ),
}
SYNONYMS = {"auc": "c2st", "elbo": "nats", "ms_ssim": "ms-ssim", "nats_per_dim": "nats-per-dim"}


def choose_metrics(names: Sequence[str]) -> list[str]:
    """The names of metrics, each once, in the order in which they are named. Raises UsageError for an unknown
    one, with the list, and for none."""
    if not names:
        raise UsageError(f"Name at least one metric. Known: {', '.join(METRICS)}.")
    chosen: dict[str, None] = {}
    for name in names:
        known = name.strip().lower()
        known = SYNONYMS.get(known, known)
        choose(METRICS, known, "metric")
        chosen[known] = None
    return list(chosen)


def network_label(about: str | None) -> str:
    """The short name of a feature network, from its description in a protocol: `Inception`, `Inception,
    bf16`, `attribute classifier`, or the name of its file."""
    if not about:
        return "network unknown"
    if "Inception" in about:
        return f"{INCEPTION}, bf16" if about.endswith(BF16) else INCEPTION
    if "attribute network" in about:
        return ATTRIBUTES
    return about.partition(" (")[0]


def with_network(label: str, about: str | None) -> str:
    """FID and KID with their feature network, as in `FID (Inception)` or `FID (Inception) of
    reconstructions`; other labels unchanged."""
    first, space, rest = label.partition(" ")
    if first not in ("FID", "KID", "rFID", "rKID"):
        return label
    return f"{first} ({network_label(about)}){space}{rest}"
