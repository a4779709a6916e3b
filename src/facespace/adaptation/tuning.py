"""Pivotal tuning (Roich et al., 2021): the decoder learns to show given faces at their latents, while faces
of the base's prior must decode as before, so that the rest of the space stays. For a set that the base's
encoder does not know, as drawings, the encoder learns along, from augmented photographs. Of a set the step
that serves tuned and held-out faces best together is kept."""

import copy
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from facespace.adaptation.inversion import SHOWN, decode, encode, images
from facespace.adaptation.plan import AdaptPlan
from facespace.adaptation.progress import TUNING, AdaptProgress, OnStep, Stop, ignore, never
from facespace.image.pixels import to_float, to_uint8
from facespace.models import LatentModel
from facespace.models.optimization import EarlyStopping, cosine_decay, linear_warmup, seed_step
from facespace.models.precision import autocast
from facespace.space.base import BaseSpace
from facespace.space.face_loss import FaceLoss
from facespace.training.augment import affine, jitter, mirror

WARMUP, LAST_RATE, CLIP = 10, 0.02, 1.0
# Mean squared error of the base's reconstructions from which on the encoder learns along. Below it, what it
# learns of a few dozen faces by heart costs other faces more than it gives them.
FAR = 0.01
AFFINE, JITTER = 0.4, 0.1  # of augmented photographs, see training/augment.py
ENCODER = ("encoder", "heads")  # the parts of a model with an encoder of its own weights


class TunerState(TypedDict):
    """All that a later process needs to go on."""

    step: int
    history: list[dict[str, float]]
    stopping: list[float]  # the best validation, and the count since
    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[str, object]


class Tuner:
    """One tuning of a copy of a space's model. `faces` are uint8 (N, H, W, C) as the encoder takes them,
    `pivots` (N, D) their latents, `held_out` further faces."""

    def __init__(
        self,
        space: BaseSpace,
        faces: np.ndarray,
        pivots: Tensor,
        loss: FaceLoss,
        plan: AdaptPlan,
        seed: int,
        held_out: np.ndarray | None = None,
    ) -> None:
        self.loss, self.plan, self.seed, self.pivots = loss, plan, seed, pivots
        self.model: LatentModel = copy.deepcopy(space.model).eval()
        self.x = to_float(faces, space.device)
        self.held_out = None if held_out is None or not len(held_out) else to_float(held_out, space.device)
        z = torch.from_numpy(space.sample_latents_batched(plan.prior_faces, seed)).to(space.device)
        # Of the base, which must stay: latents of its prior, their faces and the encodings of these.
        self.prior_z, self.prior_x = z, images(space.model, z)
        self.encodes = plan.tune_encoder and self._is_far(space.model)
        self.prior_encoded = encode(space.model, self.prior_x, 1) if self.encodes else z
        self.spread = z.std(0).clamp(min=1e-3)
        self.optimizer = self._optimizer()
        self.step, self.stopping = 0, EarlyStopping()
        self.best: dict[str, Tensor] = _copied(self.model)
        self.history: list[dict[str, float]] = []  # a row for each validation

    def _is_far(self, base: LatentModel) -> bool:
        """Whether the base's encoder does not know such faces, as it does not know drawings."""
        if self.prior_x.shape[1:] != self.x.shape[1:]:
            return False
        some = self.x[: 4 * SHOWN]
        with torch.no_grad():
            errors = images(base, encode(base, some)) - base.target(some)
        return float(errors.square().mean()) > FAR

    def _optimizer(self) -> torch.optim.Optimizer:
        self.model.requires_grad_(False)
        groups = [{"params": list(self.model.decoder.parameters()), "lr": self.plan.decoder_rate}]
        if self.encodes:
            parts = [getattr(self.model, name) for name in ENCODER if hasattr(self.model, name)]
            inner = [parameter for part in parts for parameter in part.parameters()]
            groups.append({"params": inner, "lr": self.plan.encoder_rate})
        for group in groups:
            for parameter in group["params"]:
                parameter.requires_grad_(True)
        return torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0.0)

    def run(self, on_step: OnStep = ignore, stop: Stop = never) -> None:
        """Steps to the plan's end, until held-out faces no longer improve, or until `stop`; then the model
        has its best weights. The random numbers of a step are a function of (seed, step)."""
        steps = self.plan.tuning_steps
        if not self.history:
            self._validate()
        with torch.random.fork_rng(devices=[]):
            while self.step < steps and not self._exhausted():
                seed_step(self.seed, self.step)
                self._train_step()
                self.step += 1
                if self.step % self.plan.validate_every == 0 or self.step == steps:
                    self._validate()
                on_step(AdaptProgress(TUNING, self.step, steps, self.shown))
                if stop():
                    break
        if self.held_out is None:
            self.best = _copied(self.model)
        self.model.load_state_dict(self.best)
        self.model.requires_grad_(False)

    def shown(self) -> np.ndarray:
        """The first photographs as the model shows them now, uint8 (N, H, W, C)."""
        return to_uint8(images(self.model, self.pivots[:SHOWN]))

    @property
    def stopped_early(self) -> bool:
        """Whether held-out faces ended the tuning before the plan's last step."""
        return self._exhausted() and self.step < self.plan.tuning_steps

    def state(self) -> TunerState:
        """Tensors and numbers to go on from, for `restore`."""
        return {
            "step": self.step,
            "history": self.history,
            "stopping": [self.stopping.best, self.stopping.since_best],
            "model": self.model.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: TunerState) -> None:
        """Goes on from such a state."""
        self.step, self.history = int(state["step"]), list(state["history"])
        best, since_best = state["stopping"]
        self.stopping = EarlyStopping(best, int(since_best))
        self.model.load_state_dict(state["model"])
        self.best = dict(state["best"])
        self.optimizer.load_state_dict(state["optimizer"])

    def _exhausted(self) -> bool:
        return self.held_out is not None and self.stopping.exhausted(self.plan.patience)

    def _rows(self) -> Sequence[int]:
        """The photographs of this step: every one once in a pass, in an order that depends on (seed,
        pass)."""
        count, rows = len(self.x), []
        for place in range(self.step * self.plan.batch, (self.step + 1) * self.plan.batch):
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + place // count) % 2**63)
            rows.append(int(torch.randperm(count, generator=generator)[place % count]))
        return rows

    def _train_step(self) -> None:
        plan, rows = self.plan, self._rows()
        faces, pivots = self.x[rows], self.pivots[rows]
        chosen = torch.randint(len(self.prior_z), (plan.prior_batch,))
        before = self.prior_x[chosen]
        latents, goals = [pivots, self.prior_z[chosen]], [self.model.target(faces), before]
        weights = [1 / len(rows), plan.locality / len(chosen)]
        extra = torch.zeros((), device=faces.device)
        with torch.enable_grad():
            if self.encodes:
                changed = _augmented(faces)
                with autocast(faces.device):
                    encoded = self.model.encode(torch.cat([changed, before])).mean.flatten(1).float()
                moved = (encoded[len(rows) :] - self.prior_encoded[chosen]) / self.spread
                extra = plan.latent * moved.square().mean()
                latents.append(encoded[: len(rows)])
                goals.append(self.model.target(changed))
                weights.append(plan.encoding / len(rows))
            with autocast(faces.device):
                shown = decode(self.model, torch.cat(latents))
            distances = self.loss(shown, torch.cat(goals), random_phase=True)
            total = extra
            for part, weight in zip(distances.split([len(goal) for goal in goals]), weights):
                total = total + weight * part.sum()
            self.optimizer.zero_grad()
            total.backward()
        self._update()

    def _update(self) -> None:
        """The optimizer's step: both rates warm up and decay together."""
        factor = linear_warmup(self.step, WARMUP) * cosine_decay(self.step, self.plan.tuning_steps, LAST_RATE)
        rates = [self.plan.decoder_rate, self.plan.encoder_rate]
        torch.nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.grad is not None], CLIP)
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = rate * factor
        self.optimizer.step()

    @torch.no_grad()
    def _validate(self) -> None:
        """The distances of pivots, prior faces and held-out faces; the weights that serve both best
        are kept."""
        row = {"step": float(self.step), "pivots": self._distance(self.pivots, self.x)}
        row["prior"] = float(self.loss(images(self.model, self.prior_z[:SHOWN]), self.prior_x[:SHOWN]).mean())
        if self.held_out is not None:
            row["held_out"] = self._distance(encode(self.model, self.held_out), self.held_out)
            # Both count: photographs learned by heart at the cost of others are no gain, nor is the reverse.
            if self.stopping.record(row["held_out"] + row["pivots"]):
                self.best = _copied(self.model)
        self.history.append(row)

    def _distance(self, z: Tensor, x: Tensor) -> float:
        some = slice(0, 4 * SHOWN)
        return float(self.loss(images(self.model, z[some]), self.model.target(x[some])).mean())


def _augmented(x: Tensor) -> Tensor:
    """Faces (B, C, H, W), mirrored at random, slightly turned, scaled, moved and coloured."""
    mirrored, _ = mirror(x, x.new_zeros(len(x), 0), ())
    return jitter(affine(mirrored, AFFINE), JITTER)


def _copied(model: LatentModel) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
