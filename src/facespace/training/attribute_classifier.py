"""Training of an attribute classifier (perception/attributes.py): the loop, then calibration on validation
faces and the card's figures on test faces. The settings are in attribute_plan.py, the maths is in
calibration.py, the card's text in attribute_card.py."""

import shutil
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from facespace.core.cards import CARD, WEIGHTS, Card
from facespace.core.configs import override, to_dict
from facespace.core.console import Advance, note, progress, quiet
from facespace.core.errors import TrainingError, check_seed
from facespace.core.files import build_folder, check_target, unfinished_folder
from facespace.core.locks import writing
from facespace.data.faces import FaceSet, map_images
from facespace.image.photos import Template
from facespace.image.pixels import to_float
from facespace.models.optimization import Stepper, learning_rate, moving_average, seed_step
from facespace.perception.attributes import AttributeClassifier, load_classifier, to_input
from facespace.perception.classifier import ClassifierNetwork
from facespace.perception.store import save_classifier
from facespace.training import checkpoint
from facespace.training.attribute_card import measure, words
from facespace.training.attribute_plan import AttributePlan, learnable
from facespace.training.augment import augment_batch
from facespace.training.calibration import (
    calibrate,
    masked_loss,
    mean_auc,
    random_gray,
    round_weights,
    yes_weights,
)
from facespace.training.checkpoint import Identity, Parts
from facespace.training.loaders import Batch, Loader
from facespace.training.runtime import Runtime


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
) -> Card:
    """Trains a classifier of a set's attributes, all or the named ones, and writes the folder `to` at the
    end.

    The folder holds model.safetensors and card.json. Trains on train, selects the epoch and calibrates on
    validation, measures on test; stops early, after `patience` epochs without a better mean AUC. `settings`
    change the plan, such as epochs=5. After an interruption, `resume` continues from the end of the last
    epoch. Returns the card.

    Raises UsageError for a set without attributes, an unknown one, or a folder with other files, and
    TrainingError where the loss is not finite or there is nothing to resume."""
    check_seed(seed)
    faces, to = data if isinstance(data, FaceSet) else FaceSet(data), Path(to)
    with writing(to):
        check_target(to, "an attribute network", _holds_network, force)
        return _train(
            faces, to, attributes, override(plan or AttributePlan(), settings), device, seed, resume
        )


def _train(
    faces: FaceSet,
    to: Path,
    attributes: Sequence[str],
    plan: AttributePlan,
    device: str,
    seed: int,
    resume: bool,
) -> Card:
    names = learnable(faces, attributes)
    training = _Training(plan, faces, names, Runtime(device, plan.schedule()), seed)
    beside = unfinished_folder(to)
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
            epoch = training.at.step // training.loader.steps
            note(f"Stopped. The same command with --resume continues from epoch {epoch}.")
        raise
    return load_classifier(to).card


class _Training:
    """One training: its parts and its loop."""

    def __init__(
        self, plan: AttributePlan, faces: FaceSet, names: Sequence[str], runtime: Runtime, seed: int
    ) -> None:
        self.plan, self.faces, self.names, self.runtime, self.seed = plan, faces, tuple(names), runtime, seed
        self.columns = [faces.attribute_names.index(name) for name in names]
        # Without the source's size, since prepared faces are cropped already.
        self.template = Template(plan.network.size, plan.network.size, 3, faces.template.crop)
        torch.manual_seed(seed)
        self.model = cast(ClassifierNetwork, runtime.to_device(ClassifierNetwork(plan.network, len(names))))
        self.averaged = moving_average(self.model, plan.ema, use_buffers=True)
        self.best = deepcopy(self.model)
        self.schedule = plan.schedule()
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
        )
        self.stepper = Stepper(self.model, optimizer, averaged=self.averaged)
        self.loader = Loader(faces, faces.rows("train"), plan.batch, runtime.device)
        self.total = plan.epochs * self.loader.steps
        known = faces.attributes[self.loader.rows][:, self.columns]
        self.weight = yes_weights(known, plan.balance).to(runtime.device)
        self.at = checkpoint.Progress()

    @property
    def parts(self) -> Parts:
        """All parts whose state is in a checkpoint."""
        return {
            "model": self.model,
            "averaged": self.averaged,
            "best": self.best,
            "optimizer": self.stepper.optimizer,
        }

    @property
    def identity(self) -> Identity:
        """What a resumed training must have in common with the interrupted one."""
        return {
            "plan": to_dict(self.plan),
            "set": self.faces.fingerprint,
            "seed": self.seed,
            "list of attributes": list(self.names),
        }

    def restore(self, folder: Path) -> None:
        """Reads the checkpoint of an interrupted training."""
        self.at = checkpoint.load(folder, self.parts, self.identity, self.runtime.on_main_process)

    def run(self, folder: Path) -> None:
        """Epochs to the end, each with a validation and a checkpoint."""
        left = (self.total - self.at.step) * self.loader.size
        with progress(left, "Learning attributes", "faces") as advance:
            while self.at.step < self.total and not self.at.exhausted(self.plan.patience):
                epoch, start = self.at.step // self.loader.steps, time.monotonic()
                loss = self.epoch(epoch, advance)
                score = self.mean_auc()
                if self.at.record(1 - score):
                    self.best.load_state_dict(self.averaged.module.state_dict())
                self.at.training_seconds += time.monotonic() - start
                checkpoint.save(folder, self.at, self.parts, self.identity)
                note(
                    f"epoch {epoch + 1} of {self.plan.epochs}: loss {loss:.4f}, "
                    f"mean AUC on validation {score:.4f}"
                )

    def epoch(self, epoch: int, advance: Advance) -> float:
        """The steps of an epoch; the mean loss over known labels, nats.

        Raises TrainingError where it is not finite."""
        self.model.train()
        losses = []
        for batch in self.loader.shuffled(self.seed, epoch):
            losses.append(self.step(batch))
            self.at.step += 1
            self.at.images += len(batch.image)
            advance(len(batch.image))
        loss = float(torch.stack(losses).mean())
        if not np.isfinite(loss):
            raise TrainingError(f"The loss of epoch {epoch + 1} is {loss}. Take a lower learning_rate.")
        return loss

    def step(self, batch: Batch) -> Tensor:
        """One optimizer step; its loss."""
        seed_step(self.seed, self.at.step)
        image, attributes = self.augmented(batch)
        with self.runtime.autocast():
            logits = self.model(image)
        loss = masked_loss(logits.float(), attributes[:, self.columns], self.weight, self.plan.smoothing)
        self.stepper.backward(loss)
        self.stepper.update(learning_rate(self.schedule, self.at.step, self.total))
        return loss.detach()

    def augmented(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Images in the network's size and attributes (B, all), augmented as in the plan."""
        image, attributes = augment_batch(
            batch._replace(image=self._fitted(batch.image)), self.plan, self.faces.attribute_names
        )
        return random_gray(image, self.plan.gray), attributes

    def _fitted(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] as the network takes them, (B, 3, size, size)."""
        if image.shape[1:] == (3, self.template.height, self.template.width):
            return image
        stored = (image * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        return to_float(to_input(stored, self.template), self.runtime.device)

    def net(self, model: ClassifierNetwork) -> AttributeClassifier:
        """The weights as a classifier, without a card."""
        return AttributeClassifier(model, self.names, self.template, {})

    def labels(self, split: str) -> np.ndarray:
        """(N, A) attributes of a split."""
        return self.faces.attributes[self.faces.rows(split)][:, self.columns]

    def logits(self, model: ClassifierNetwork, split: str, doing: str) -> np.ndarray:
        """Raw logits of a split, (N, A)."""
        net = self.net(model)
        return map_images(self.faces, self.faces.rows(split), net.logits, doing)

    def mean_auc(self) -> float:
        """The mean AUC of the averaged weights on validation, over attributes with both yes and no there."""
        with self.runtime.autocast(), quiet():
            logits = self.logits(cast(ClassifierNetwork, self.averaged.module), "validation", "Validating")
        return mean_auc(logits, self.labels("validation"))

    def finish(self, folder: Path) -> None:
        """Rounds the best weights to the saved precision, calibrates and measures them, and writes the
        network."""
        round_weights(self.best)
        logits = self.logits(self.best, "validation", "Calibrating")
        slope, offset = calibrate(logits, self.labels("validation"))
        self.best.slope.copy_(torch.from_numpy(slope))
        self.best.offset.copy_(torch.from_numpy(offset))
        round_weights(self.best)
        save_classifier(folder, self.best, self.plan.network, self.template, self._card())

    def _card(self) -> Card:
        """The card of the best weights, which are measured on test faces, or validation faces where there are
        none."""
        split = "test" if len(self.faces.rows("test")) else "validation"
        rows = self.faces.rows(split)
        probability = map_images(self.faces, rows, self.net(self.best).probabilities, "Measuring")
        figures = measure(probability, self.labels(split), self.labels("train"), self.names)
        people, training_people = self._identities(split), self._identities("train")
        set_facts = ("source", "crop", "size", "channels", "splits", "fingerprint")
        return {
            "parameters": sum(weight.numel() for weight in self.best.parameters()),
            "features": self.best.head.in_features,
            "attributes": list(self.names),
            "output": "probabilities, calibrated on validation faces (Platt scaling); "
            "mean over a face and its mirror image",
            "data": {key: self.faces.card[key] for key in set_facts},
            "terms": self.faces.card["terms"],
            "training": {
                "plan": to_dict(self.plan),
                "seed": self.seed,
                "steps": self.at.step,
                "seconds": round(self.at.training_seconds),
                "precision": self.runtime.precision,
                "validation_mean_auc": round(1 - self.at.best, 4),
            },
            **asdict(words(self.faces.card, figures.attributes)),
            "held_out": {
                "split": split,
                "faces": len(rows),
                "identities": len(people),
                "identities_seen_in_training": len(people & training_people),
                **asdict(figures),
            },
        }

    def _identities(self, split: str) -> set[str]:
        """The known identities of a split."""
        return set(self.faces.identities[self.faces.rows(split)]) - {""}


def _holds_network(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} == {CARD, WEIGHTS} and bool(load_classifier(folder))
