"""Fits a prior to the latents of a prepared set and measures it, in torch. The space keeps the result in its
bundle."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from facespace.core.attribute_names import mirror_attributes
from facespace.core.cards import Card
from facespace.core.errors import UsageError, check_seed, choose
from facespace.data.faces import FaceSet
from facespace.latent.directions import MIN_FACES
from facespace.models import prior_fit
from facespace.models.priors import CONDITIONAL, FittedPrior, Options, default_kinds, fitted_prior
from facespace.space.base import BaseSpace


def fit(
    space: BaseSpace,
    faces: FaceSet,
    kind: str | None,
    split: str,
    seed: int,
    mirror: bool,
    conditions: Sequence[str] | None,
    options: Options,
) -> tuple[FittedPrior, Card]:
    """A prior fitted to posterior means as `FaceSpace.fit_prior` says, and the facts for its card entry.
    Raises UsageError for an unknown kind, option or attribute, a set of another crop, and fewer than 2
    faces."""
    check_seed(seed)
    model = space.model
    if kind is None:
        kind = "mixture" if "components" in options else default_kinds(model.code_grids)[0]
    count = len(faces.rows(split))
    names = _conditions(faces, split, kind, conditions)
    if names:
        options = {**options, "conditions": names}
    prior = fitted_prior(kind, space.latent_dim, options, model.code_grids)
    if count < 2:
        raise UsageError(
            f"A prior is fitted to at least 2 faces; {faces.place} has {count} in the split {split!r}."
        )
    z = _means(space, faces, split)
    views = [z[split]]
    if mirror:
        views.append(torch.from_numpy(space.posterior_means(faces, split, mirrored=True)))
    learned = torch.stack(views, 1)  # (N, V, D)
    prior.fit(learned, seed, attribute_signs(faces, split, names, mirror) if names else None)
    facts = prior_fit.PriorFacts(kind, faces.fingerprint, split, count, mirror, seed)
    figures = prior_fit.measure_fit(prior, model.prior, learned.flatten(0, 1), z, split, model.quantize)
    return prior, {**asdict(facts), **figures}


def _means(space: BaseSpace, faces: FaceSet, split: str) -> dict[str, Tensor]:
    """Posterior means (N, D) of the split, and of the validation faces where these are others and there are
    any."""
    splits = [split]
    if split not in ("validation", "all") and len(faces.rows("validation")):
        splits.append("validation")
    return {name: torch.from_numpy(space.posterior_means(faces, name)) for name in splits}


def _conditions(faces: FaceSet, split: str, kind: str, names: Sequence[str] | None) -> list[str]:
    """The attributes that a prior of this kind is conditioned on: the named ones, else all that enough faces
    have and lack."""
    known = faces.attribute_names
    if names is not None:
        for name in names:
            choose(dict.fromkeys(known), name, "attribute")
        return list(dict.fromkeys(names))
    if kind not in CONDITIONAL:
        return []
    signs = faces.attribute_signs(split)
    fewest = np.minimum((signs > 0).sum(0), (signs < 0).sum(0))
    return [name for name, count in zip(known, fewest) if count >= MIN_FACES]


def attribute_signs(faces: FaceSet, split: str, names: Sequence[str], mirror: bool) -> Tensor:
    """The signs of attributes of a split, (N, V, A), in the picture and, with `mirror`, in its mirror
    image."""
    signs = torch.from_numpy(faces.attribute_signs(split)).float()
    views = [signs]
    if mirror:
        columns, turns = mirror_attributes(faces.attribute_names)
        views.append(signs[:, columns] * torch.tensor(turns))
    places = [faces.attribute_names.index(name) for name in names]
    return torch.stack(views, 1)[:, :, places]
