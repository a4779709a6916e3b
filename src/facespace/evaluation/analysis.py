"""The quantities of an analysis, each computed once, at its first use. Writes nothing and draws nothing."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facespace.core.console import note
from facespace.data.faces import evenly_spaced
from facespace.evaluation.analysis_results import CorrelationResults
from facespace.evaluation.latents import health_of
from facespace.evaluation.session import Encoded, EvaluationSession
from facespace.latent import structure
from facespace.latent.components import PrincipalComponents, principal_components
from facespace.latent.health import LatentHealth
from facespace.latent.maps import Map, draw_maps
from facespace.models.priors import FittedNormal, Prior
from facespace.report.table_export import LatentTable
from facespace.space.traversal import influence

MAPPED = 3_000  # faces on a map; more would overlap, and the time of t-SNE grows faster than their number
MOVED = 8  # faces in which the influence of a latent is measured
COLOURED = 12  # attributes that colour the maps by default
TABLED = 20  # latents, or else components, in the table of correlations


@dataclass
class Analysis:
    """The analysis of one evaluation session. `chosen` names the attributes that colour the maps; if it is
    empty, those with the highest AUC do."""

    session: EvaluationSession
    chosen: list[str]
    seed: int

    @property
    def encoded(self) -> Encoded:
        """The posteriors of the faces."""
        return self.session.encoded

    @property
    def variational(self) -> bool:
        """Whether the posteriors have variances."""
        return self.encoded.variance is not None

    @property
    def model_prior(self) -> Prior:
        """The model's own prior."""
        return self.session.space.model.prior

    @cached_property
    def table(self) -> LatentTable:
        """The posterior means of the faces and their attributes, ids, splits and identities."""
        faces, rows = self.session.faces, self.session.rows
        return LatentTable(
            self.encoded.mean,
            faces.attributes[rows],
            faces.attribute_names,
            faces.ids[rows],
            faces.splits[rows],
            faces.identities[rows],
        )

    @cached_property
    def deviation(self) -> np.ndarray:
        """Standard deviation of each latent's posterior means, (D,)."""
        return self.table.z.std(0, ddof=1, dtype=np.float64)

    @cached_property
    def components(self) -> PrincipalComponents:
        """The principal components of the posterior means."""
        return principal_components(self.table.z)

    @cached_property
    def latents(self) -> list[structure.LatentRow]:
        """A row for each latent, the most influential first."""
        z, table = self.table.z, self.table
        faces = z[evenly_spaced(np.arange(len(z)), MOVED)]
        change = influence(self.session.space, faces, np.diag(self.deviation))
        return structure.latent_table(
            z, self.encoded.kl, change, table.names, table.all_signs, self.threshold
        )

    @cached_property
    def threshold(self) -> float:
        """The variance above which a latent counts as active."""
        return structure.active_above(self.table.z, self.variational)

    @cached_property
    def attributes(self) -> dict[str, structure.Separability]:
        """The counts and the AUC of each attribute, by name."""
        table = self.table
        return dict(zip(table.names, structure.separability(table.z, table.all_signs, table.groups)))

    @cached_property
    def coloured(self) -> list[str]:
        """The attributes that colour the maps."""
        return self.chosen or self.best_separated(COLOURED)

    def best_separated(self, count: int) -> list[str]:
        """At most `count` attributes, those with the highest AUC first."""
        return structure.best_separated(self.table.names, list(self.attributes.values()), count)

    @cached_property
    def mapped(self) -> np.ndarray:
        """The row numbers of the table's faces that are on the maps."""
        return evenly_spaced(np.arange(len(self.table.z)), MAPPED)

    @cached_property
    def maps(self) -> tuple[list[Map], list[str]]:
        """The maps, and a sentence for each that could not be made."""
        note("Drawing maps; t-SNE takes longest.")
        return draw_maps(self.table.z[self.mapped], self.seed)

    @cached_property
    def samples(self) -> np.ndarray:
        """One sample of each face's posterior, (N, D): together they are samples of the aggregate
        posterior."""
        mean, variance, _ = self.encoded
        if variance is None:
            return mean.astype(np.float64)
        noise = np.random.default_rng(self.seed).standard_normal(mean.shape)
        return mean + np.sqrt(variance) * noise

    @cached_property
    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (D,) and covariance (D, D) of the model's Gaussian prior."""
        prior, size = self.model_prior, self.samples.shape[1]
        if isinstance(prior, FittedNormal):
            return prior.center.double().cpu().numpy(), prior.covariance.double().cpu().numpy()
        return np.zeros(size), np.eye(size)

    @cached_property
    def health(self) -> LatentHealth:
        """The state of the latent space as an evaluation measures it, against the prior that new faces are
        drawn from by default."""
        return health_of(self.session, self.session.space.default_prior, self.seed)

    @cached_property
    def whitened(self) -> np.ndarray:
        """The samples in standard deviations of the prior, along its K axes that vary, (N, K)."""
        return structure.whiten(self.samples, *self.prior)

    @cached_property
    def correlations(self) -> CorrelationResults:
        """Of latents, or of the first components where there are more than TABLED latents, with attributes,
        and of attributes with each other."""
        z, signs = self.table.z, self.table.all_signs
        if z.shape[1] <= TABLED:
            axes = z
            rows = [f"z {place}" for place in range(z.shape[1])]
        else:
            axes = self.components.transform(z.astype(np.float64))[:, :TABLED]
            rows = [f"component {place + 1}" for place in range(axes.shape[1])]
        r, n = structure.correlate(axes, signs)
        among, both = structure.correlate(signs, signs)
        chance = structure.chance_correlation(len(z), r.size)
        return CorrelationResults(rows, list(self.table.names), r, n, among, both, chance)
