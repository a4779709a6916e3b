"""The codec without torch: the ONNX graphs of a packed bundle in onnxruntime, and its priors in numpy
(array_priors.py). Faces are those of the torch engine within 1 level."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from facespace.core.aliases import current_argument
from facespace.core.cards import RESTORE_HINT, SCALE, prior_file
from facespace.core.errors import BundleError, UsageError, suggest
from facespace.core.extras import install_command
from facespace.core.tensor_files import Stored, read_arrays, widened
from facespace.models import array_bundle, bundle, bundle_card, graphs
from facespace.models.bundle_card import MODEL_PRIOR, PriorEntry
from facespace.models.prior_facts import FITTED_NORMAL, STANDARD_NORMAL, STORED_KINDS
from facespace.space import onnx_batches
from facespace.space.array_priors import (
    FLOWS,
    ArrayGaussian,
    ArrayMixture,
    ArrayPrior,
    Condition,
    Run,
)
from facespace.space.inputs import condition_values

# Endings of tensors that are no parameters: scales of 8-bit weights, and the buffers of layers.
NOT_LEARNED = (SCALE, ".running_mean", ".running_var", ".num_batches_tracked", ".codes", ".uses", ".sums")


class OnnxCodec:
    """A `Codec` of a bundle that array_bundle.py opened. Graphs are opened when they are used first."""

    def __init__(self, loaded: bundle.Bundle) -> None:
        self.bundle = loaded
        self._sessions: dict[str, Any] = {}
        self.bundle = array_bundle.with_latents(loaded, self.latent_dim)
        self._opened: dict[str, tuple[bundle.Written | None, ArrayPrior]] = {}

    @property
    def latent_dim(self) -> int:
        """D: the number of values of a latent."""
        return int(self._session(graphs.DECODER).get_inputs()[0].shape[1])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the decoded faces."""
        return self._image_shape

    @cached_property
    def _image_shape(self) -> tuple[int, int, int]:
        unknown = np.full(len(self.conditions), np.nan, np.float32)
        channels, height, width = self._decoded(np.zeros((1, self.latent_dim), np.float32), unknown).shape[1:]
        return channels, height, width

    @property
    def conditions(self) -> tuple[str, ...]:
        """The attributes of model.conditions."""
        return self.bundle.model.config.conditions

    @property
    def parameter_count(self) -> int:
        """The number of the model's parameters: of its tensors without buffers, which no layer learns."""
        counted = 0
        for name, tensor in self._tensors.items():
            if not name.endswith(NOT_LEARNED) and not name.startswith("prior."):
                counted += tensor.array.size
        return counted

    @property
    def default_prior(self) -> str:
        """As of the torch engine."""
        return bundle_card.default_prior(self.bundle.card)

    def encode(self, faces: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Faces uint8 (N, H, W, C) to posterior means, float32 (N, D)."""
        return onnx_batches.encode(self._encoded, faces, attributes, self.latent_dim)

    def decode(self, z: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Latents (N, D) to faces uint8 (N, H, W, C)."""
        return onnx_batches.decode(self._decoded, z, attributes, self.image_shape)

    def images(self, z: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Latents (N, D) to images float32 (N, C, H, W) in [0, 1], not rounded."""
        return onnx_batches.images(self._decoded, z, attributes, self.image_shape)

    def _encoded(self, faces: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Images float32 (N, C, H, W) in [0, 1] to latents float32 (N, D)."""
        return self._run(graphs.ENCODER, faces=faces, **_given(attributes, len(faces)))

    def _decoded(self, z: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Latents (N, D) to images float32 (N, C, H, W) in [0, 1]."""
        return self._run(graphs.DECODER, latents=z, **_given(attributes, len(z)))

    def sample(
        self,
        n: int,
        seed: int,
        temperature: float,
        prior: str | None,
        given: Mapping[str, float],
        guidance: float,
    ) -> np.ndarray:
        """Latents of a prior, float32 (n, D); under attributes by classifier-free `guidance`."""
        chosen = self.prior(prior)
        condition = None
        if given:
            condition = Condition(condition_values(chosen.origin, chosen.conditions, given), guidance)
        z = chosen.sample(n, seed, temperature, condition).astype(np.float32)
        if self.bundle.model.config.bottleneck != "vq":
            return z
        return self._run(graphs.QUANTIZER, latents=z)

    def sample_many(self, n: int, seed: int, temperature: float, prior: str | None) -> np.ndarray:
        """The same."""
        return self.sample(n, seed, temperature, prior, {}, 1.0)

    def prior_mean(self, prior: str | None) -> np.ndarray:
        """Float32 (D,)."""
        return self.prior(prior).mean

    def prior_conditions(self, prior: str | None) -> tuple[str, ...]:
        """The attributes that a prior was fitted with."""
        return self.prior(prior).conditions

    def prior_origin(self, prior: str | None) -> str:
        """One sentence on where a prior comes from."""
        return self.prior(prior).origin

    def is_fitted(self, prior: str | None) -> bool:
        """Whether a prior was fitted to latents of faces."""
        return type(self.prior(prior)) is not ArrayPrior

    def truncate(self, z: np.ndarray, strength: float, prior: str | None) -> np.ndarray:
        """Latents (N, D) moved by a `strength` in [0, 1] towards the centre of a prior, float32 (N, D)."""
        return self.prior(prior).truncate(z, strength).astype(np.float32)

    def prior(self, kind: str | None = None) -> ArrayPrior:
        """The prior of a kind; fitted ones are read again only after the bundle has been written. Raises
        UsageError for an unknown kind and one that draws code after code, BundleError for one that was not
        fitted, is damaged, or has no graph."""
        name: str = current_argument("prior", kind) or self.default_prior
        written = bundle.written_at(self.bundle.folder)
        known = self._opened.get(name)
        if known is None or (name != MODEL_PRIOR and known[0] != written):
            made = self._model_prior() if name == MODEL_PRIOR else self._fitted_prior(name)
            known = self._opened[name] = written, made
        return known[1]

    def _model_prior(self) -> ArrayPrior:
        center = self._tensors.get("prior.center")
        if center is None:
            return ArrayPrior(STANDARD_NORMAL, self.latent_dim)
        return ArrayGaussian(
            FITTED_NORMAL, widened(center.array), self._runner(graphs.prior_graph(MODEL_PRIOR))
        )

    def _fitted_prior(self, kind: str) -> ArrayPrior:
        if kind not in STORED_KINDS:
            raise UsageError(f"Unknown prior {kind!r}. {suggest(kind, STORED_KINDS)}")
        if kind == "autoregressive":
            raise UsageError(
                f"The prior {kind!r} draws one code after another, and that needs PyTorch: "
                f"{install_command('train')}"
            )
        folder = self.bundle.folder
        card = bundle.card_of(folder)
        entry = card.get("priors", {}).get(kind)
        if entry is None or entry["weights"] != self.bundle.card["fingerprint"]:
            raise BundleError(
                f"{folder} has no fitted prior {kind!r} of these weights. facespace card lists them."
            )
        arrays = read_arrays(folder / prior_file(kind), entry["fingerprint"], RESTORE_HINT)
        try:
            return self._made(kind, entry, arrays)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise BundleError(
                f"{folder} does not describe its prior {kind!r} rightly. {RESTORE_HINT}"
            ) from error

    def _made(self, kind: str, entry: PriorEntry, arrays: Mapping[str, np.ndarray]) -> ArrayPrior:
        """A fitted prior. Raises KeyError, TypeError or ValueError for an entry or arrays of other shapes."""
        origin, name = str(entry["origin"]), graphs.prior_graph(kind)
        if kind == "mixture":
            prior: ArrayPrior = ArrayMixture(origin, arrays)
            _check_shape(prior.dim == self.latent_dim and len(arrays["weights"]) == len(arrays["factors"]))
            return prior
        if kind == "normal":
            _check_shape(arrays["center"].shape == (self.latent_dim,))
            return ArrayGaussian(origin, arrays["center"], self._runner(name))
        options = entry["options"]
        seen, conditions = int(options["seen"]), tuple(map(str, options.get("conditions", ())))
        dim = self.latent_dim
        _check_shape(0 <= seen <= dim and arrays["axes"].shape == (dim, dim))
        _check_shape(arrays["center"].shape == arrays["spread"].shape == (dim,))
        return FLOWS[kind](origin, arrays, self._runner(name), seen, conditions)

    @cached_property
    def _tensors(self) -> dict[str, Stored]:
        """The tensors of the model."""
        return graphs.read_graph_tensors(self.bundle.folder, self.bundle.card, graphs.DECODER)

    def graph(self, name: str) -> bytes:
        """A graph with its tensors inside, as an ONNX model. Raises BundleError for one that is missing or
        damaged."""
        return graphs.checked_graph(self.bundle.folder, name, self._tensors_of(name))

    def _session(self, name: str) -> Any:
        if name not in self._sessions:
            self._sessions[name] = graphs.open_graph(self.bundle.folder, name, self._tensors_of(name))
        return self._sessions[name]

    def _tensors_of(self, name: str) -> dict[str, Stored]:
        """The tensors of the file of a graph. Raises BundleError where there is no such graph."""
        folder, card = self.bundle.folder, self.bundle.card
        if graphs.tensors_file(name) == graphs.tensors_file(graphs.DECODER):
            tensors = self._tensors
        else:
            card = bundle.card_of(folder)  # a prior may have been fitted since
            tensors = graphs.read_graph_tensors(folder, card, name)
        if name not in graphs.graphs_of(card):
            raise BundleError(
                f"{folder} has no graph {name} of its tensors, so that this takes PyTorch: "
                f"{install_command('train')}"
            )
        return tensors

    def _run(self, name: str, **inputs: np.ndarray) -> np.ndarray:
        return self._session(name).run(None, inputs)[0]

    def _runner(self, name: str) -> Run:
        """The function of the graph of a prior as it is now, which a later fit does not change."""
        self._sessions.pop(name, None)
        session = self._session(name)
        return lambda **inputs: session.run(None, inputs)[0]


def _check_shape(holds: bool) -> None:
    if not holds:
        raise ValueError("shapes")


def _given(attributes: np.ndarray, rows: int) -> dict[str, np.ndarray]:
    """The input of the attributes (A,) of some faces; none of a model without conditions."""
    if not len(attributes):
        return {}
    return {"attributes": onnx_batches.rows_of(attributes, rows)}
