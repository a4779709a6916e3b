"""Training of the attribute network (attributes.py): the plan, the loop, and what follows it, calibration on validation
faces and the card's figures on test faces. The maths is in attribute_maths.py, the words in attribute_card.py."""

import shutil
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from facespace.core.attribute_names import check_names, mirror_attributes
from facespace.core.configs import override, to_dict
from facespace.core.console import note, progress, quiet
from facespace.core.errors import TrainingError, UsageError, check_seed
from facespace.core.files import build_folder, check_target, partial_folder
from facespace.data.faces import FaceSet, over
from facespace.image.photos import Template
from facespace.image.pixels import to_float
from facespace.models.bundle import CARD, WEIGHTS
from facespace.perception.attributes import AttributeNet, fit, load_net
from facespace.perception.classifier import Classifier, NetConfig
from facespace.perception.store import save_net
from facespace.recipes.config import DataConfig, TrainConfig
from facespace.training import augment, checkpoint
from facespace.training.attribute_card import measure, words
from facespace.training.calibration import (
    calibrate,
    masked_loss,
    mean_auc,
    round_weights,
    some_gray,
    yes_weights,
)
from facespace.training.loaders import Batch, Loader
from facespace.training.runtime import Machine
from facespace.training.schedule import learning_rate


@dataclass(frozen=True)
class AttributePlan:
    """How an attribute network is made and trained."""

    network: NetConfig = field(default_factory=NetConfig)
    epochs: int = 18
    patience: int = 6  # stop after this many epochs without a better mean AUC on the validation faces
    batch: int = 64
    learning_rate: float = 2e-3  # falls along half a cosine to 1 % of it
    warmup: int = 150  # steps over which it rises from 0
    weight_decay: float = 0.05  # of AdamW (Loshchilov and Hutter, 2019)
    ema: float = 0.995  # decay a step of the average of the weights that is judged and kept
    flip: bool = True  # mirror half of the faces; left/right attributes go along
    shift: float = 0.4  # turns, scales and shifts; 1 is 15°, ±15 % and ±10 % of a side
    jitter: float = 0.2  # brightness, contrast and saturation vary by this share
    gray: float = 0.1  # share of the faces that lose their colour, so that gray sets can be labelled
    smoothing: float = 0.05  # labels are 1 − half of this, and half of this (Szegedy et al., 2016)
    # A yes weighs (no ÷ yes)^balance: 0 leaves rare attributes rare, 1 makes yes and no weigh the same. The calibration
    # takes the bias out again that this brings.
    balance: float = 0.25

    def __post_init__(self) -> None:
        DataConfig(flip=self.flip, jitter=self.jitter, shift=self.shift)  # knows their limits
        if not all(0 <= value <= 1 for value in (self.gray, self.balance)) or not 0 <= self.smoothing < 1:
            raise UsageError(
                f"gray and balance must lie in [0, 1], smoothing in [0, 1); got {self.gray}, {self.balance}, {self.smoothing}."
            )
        self.schedule()

    def schedule(self) -> TrainConfig:
        """The same for the parts that all trainings share. Raises UsageError for what cannot be."""
        shared = ("epochs", "batch", "learning_rate", "warmup", "weight_decay", "ema", "patience")
        return TrainConfig(
            optimizer="adamw", final_rate=0.01, **{name: getattr(self, name) for name in shared}
        )


def train_attributes(
    data: FaceSet | Path | str,
    to: Path | str,
    *,
    attributes: Sequence[str] = (),
    settings: Sequence[str] = (),
    plan: AttributePlan | None = None,
    device: str = "auto",
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Trains a network to see a set's attributes, all or the named ones, and writes the folder `to` once it is finished:
    model.safetensors and card.json. Learns on train, chooses and calibrates on validation, measures on test; stops
    early, after `patience` epochs without a better mean AUC. `settings` change the plan, such as epochs=5.

    Interrupted, it goes on with `resume` from the end of its last epoch. Returns the card.

    Raises UsageError for a set without attributes, an unknown one, or a folder with other files, TrainingError."""
    check_seed(seed)
    faces, to = data if isinstance(data, FaceSet) else FaceSet(data), Path(to)
    check_target(to, "an attribute network", _holds_network, force)
    plan = override(plan or AttributePlan(), settings)
    names = _learnable(faces, attributes)
    training = _Training(plan, faces, names, Machine(device, plan.schedule()), seed)
    beside = partial_folder(to)
    if resume:
        training.restore(beside)
    else:
        shutil.rmtree(beside, ignore_errors=True)
    try:
        with build_folder(to, resumable=True) as folder:
            training.run(folder)
            training.finish(folder)
            for name in (checkpoint.CHECKPOINT, checkpoint.PREVIOUS):
                (folder / name).unlink(missing_ok=True)
    except KeyboardInterrupt:
        if (beside / checkpoint.CHECKPOINT).is_file():
            note(
                f"Stopped. The same command with --resume goes on from epoch {training.at.step // training.loader.steps}."
            )
        raise
    return load_net(to).card


class _Training:
    """One training: what it needs, and its loop."""

    def __init__(
        self, plan: AttributePlan, faces: FaceSet, names: Sequence[str], machine: Machine, seed: int
    ) -> None:
        self.plan, self.faces, self.names, self.machine, self.seed = plan, faces, tuple(names), machine, seed
        self.columns = [faces.attribute_names.index(name) for name in names]
        # Without the source's size, since prepared faces are cut already.
        self.template = Template(plan.network.size, plan.network.size, 3, faces.template.crop)
        torch.manual_seed(seed)
        self.model = cast(Classifier, machine.place(Classifier(plan.network, len(names))))
        average = get_ema_multi_avg_fn(plan.ema)  # Polyak and Juditsky (1992), with forgetting
        self.averaged = AveragedModel(self.model, multi_avg_fn=average, use_buffers=True)
        self.best = deepcopy(self.model)
        self.schedule = plan.schedule()
        rates = {"lr": plan.learning_rate, "weight_decay": plan.weight_decay}
        self.optimizer = torch.optim.AdamW([{"params": list(self.model.parameters()), **rates}])
        self.loader = Loader(faces, faces.rows("train"), plan.batch, machine.device)
        self.total = plan.epochs * self.loader.steps
        self.weight = yes_weights(faces.attributes[self.loader.rows][:, self.columns], plan.balance)
        self.weight = self.weight.to(machine.device)
        self.at = checkpoint.Progress()

    @property
    def parts(self) -> dict[str, Any]:
        """All that changes while training."""
        return {
            "model": self.model,
            "averaged": self.averaged,
            "best": self.best,
            "optimizer": self.optimizer,
        }

    @property
    def identity(self) -> dict[str, Any]:
        """What is trained, to be held against a resume."""
        whole = {"plan": to_dict(self.plan), "set": self.faces.fingerprint, "seed": self.seed}
        return {**whole, "list of attributes": list(self.names)}

    def restore(self, folder: Path) -> None:
        """Takes up the checkpoint of an interrupted training."""
        self.at = checkpoint.load(folder, self.parts, self.identity, self.machine.first)

    def run(self, folder: Path) -> None:
        """Epochs to the end, each with a look at the validation faces and a checkpoint."""
        with progress(
            (self.total - self.at.step) * self.loader.size, "Learning attributes", "faces"
        ) as advance:
            while self.at.step < self.total and self.at.since_best < self.plan.patience:
                epoch, start = self.at.step // self.loader.steps, time.monotonic()
                loss = self.epoch(epoch, advance)
                score = self.mean_auc()
                self.at.since_best += 1
                if 1 - score < self.at.best:
                    self.at.best, self.at.since_best = 1 - score, 0
                    self.best.load_state_dict(self.averaged.module.state_dict())
                self.at.training_seconds += time.monotonic() - start
                checkpoint.save(folder, self.at, self.parts, self.identity)
                note(
                    f"epoch {epoch + 1} of {self.plan.epochs}: loss {loss:.4f}, mean AUC on validation {score:.4f}"
                )

    def epoch(self, epoch: int, advance: Callable[[int], None]) -> float:
        """The steps of an epoch; the mean loss over known labels, nats. Raises TrainingError where it is not finite."""
        self.model.train()
        losses = []
        for batch in self.loader.training(self.seed, epoch):
            losses.append(self.step(batch))
            self.at.step += 1
            self.at.images += len(batch.image)
            advance(len(batch.image))
        loss = float(torch.stack(losses).mean())
        if not np.isfinite(loss):
            raise TrainingError(f"The loss of epoch {epoch + 1} is {loss}. Take a lower learning_rate.")
        return loss

    def step(self, batch: Batch) -> Tensor:
        """One optimiser step; its loss."""
        torch.manual_seed(
            int(np.random.SeedSequence((self.seed, self.at.step)).generate_state(1, np.uint64)[0])
        )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.schedule, self.at.step, self.total)
        image, attributes = self.vary(batch)
        with self.machine.autocast():
            logits = self.model(image)
        loss = masked_loss(logits.float(), attributes[:, self.columns], self.weight, self.plan.smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.averaged.update_parameters(self.model)
        return loss.detach()

    def vary(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Images as the network takes them and attributes (B, all), varied as the plan says."""
        plan, image, attributes = self.plan, batch.image, batch.attributes
        if image.shape[1:] != (3, self.template.height, self.template.width):
            stored = (image * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
            image = to_float(fit(stored, self.template), self.machine.device)
        if plan.flip:
            image, attributes = augment.mirror(image, attributes, self.faces.attribute_names)
        image = augment.shift(image, plan.shift) if plan.shift else image
        image = augment.jitter(image, plan.jitter) if plan.jitter else image
        return some_gray(image, plan.gray), attributes

    def net(self, model: Classifier) -> AttributeNet:
        """A network that can be asked; it has no card yet."""
        return AttributeNet(model, self.names, self.template, {})

    def labels(self, split: str) -> np.ndarray:
        """(N, A) attributes of a split."""
        return self.faces.attributes[self.faces.rows(split)][:, self.columns]

    def logits(self, model: Classifier, split: str, doing: str) -> np.ndarray:
        """Raw logits of a split, (N, A)."""
        net = self.net(model)
        return over(self.faces, self.faces.rows(split), net.logits, doing)

    def mean_auc(self) -> float:
        """Of the averaged weights on the validation faces, over the attributes that have both yes and no there."""
        with self.machine.autocast(), quiet():
            logits = self.logits(cast(Classifier, self.averaged.module), "validation", "Validating")
        return mean_auc(logits, self.labels("validation"))

    def finish(self, folder: Path) -> None:
        """Rounds the best weights as they are stored, calibrates them on the validation faces, measures them on the test
        faces and writes the network."""
        round_weights(self.best)
        slope, offset = calibrate(
            self.logits(self.best, "validation", "Calibrating"), self.labels("validation")
        )
        self.best.slope.copy_(torch.from_numpy(slope))
        self.best.offset.copy_(torch.from_numpy(offset))
        round_weights(self.best)
        split = "test" if len(self.faces.rows("test")) else "validation"
        rows = self.faces.rows(split)
        probability = over(self.faces, rows, self.net(self.best).predict, "Measuring")
        figures = measure(probability, self.labels(split), self.labels("train"), self.names)
        people = [
            {who for who in self.faces.identities[self.faces.rows(side)] if who} for side in (split, "train")
        ]
        held_out = {"split": split, "faces": len(rows), "identities": len(people[0])}
        held_out["identities_seen_in_training"] = len(people[0] & people[1])
        card = {
            "parameters": sum(weight.numel() for weight in self.best.parameters()),
            "features": self.best.head.in_features,
            "attributes": list(self.names),
            "output": "probabilities, calibrated on validation faces (Platt scaling); mean over a face and its mirror image",
            "data": {
                key: self.faces.card[key]
                for key in ("source", "crop", "size", "channels", "splits", "fingerprint")
            },
            "terms": self.faces.card["terms"],
            "training": self.told(),
            **words(self.faces.card, figures["attributes"]),
            "held_out": {**held_out, **figures},
        }
        save_net(folder, self.best, self.plan.network, self.template, card)

    def told(self) -> dict[str, Any]:
        """What the card says of the training."""
        return {
            "plan": to_dict(self.plan),
            "seed": self.seed,
            "steps": self.at.step,
            "seconds": round(self.at.training_seconds),
            "precision": self.machine.precision,
            "validation_mean_auc": round(1 - self.at.best, 4),
        }


def _holds_network(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} == {CARD, WEIGHTS} and bool(load_net(folder))


def _learnable(faces: FaceSet, asked: Sequence[str]) -> tuple[str, ...]:
    """The attributes to learn: those asked for, or all that have both yes and no among the training faces."""
    known = faces.attribute_names
    if not known:
        raise UsageError(
            f"{faces.root} has no attributes to learn. Prepare a set that has some, such as celeba."
        )
    for split in ("train", "validation"):
        if not len(faces.rows(split)):
            raise UsageError(
                f"{faces.root} has no {split} faces. Give it some: facespace split {faces.root} --to NEW"
            )
    names = check_names(asked, known, f"{faces.root} has no attribute") or known
    signs = np.sign(np.nan_to_num(faces.attributes[faces.rows("train")]))
    both = [name for name in names if {1, -1} <= set(signs[:, known.index(name)])]
    if len(both) < len(names):
        left = ", ".join(name for name in names if name not in both)
        note(f"Left out, since the training faces do not have both yes and no of it: {left}.")
    if not both:
        raise UsageError(f"{faces.root} has no attribute of which the training faces know both yes and no.")
    partners = dict(zip(known, (known[column] for column in mirror_attributes(known)[0])))
    for name in both:
        if partners[name] not in both:
            raise UsageError(f"{name} and {partners[name]} change places in a mirror; name both or neither.")
    return tuple(both)
