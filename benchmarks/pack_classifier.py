"""Stores a bundled attribute classifier with 8-bit weights and says what that changes on the test faces of a set:
`python benchmarks/pack_classifier.py attributes|scorer SET`. Weights that already have 8 bits give the same 8."""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

import facespace
from facespace.core.cards import fingerprint
from facespace.core.files import write_json
from facespace.data.faces import FaceSet
from facespace.models.weight_quantization import restored, stored
from facespace.perception.attributes import AttributeClassifier, load_classifier
from facespace.perception.store import BUNDLED, read_classifier

WEIGHTS = Path(facespace.__file__).parent / "weights"


def main(name: str, data: str) -> None:
    """Packs the classifier in place."""
    path = None if name == BUNDLED else name
    before, (model, names, template, card) = load_classifier(path), read_classifier(path)
    tensors = stored(model, 8)
    model.load_state_dict(restored(model, tensors))
    after = AttributeClassifier(model, names, template, card)
    print(compared(before, after, FaceSet(data)))
    facts = json.loads((WEIGHTS / f"{name}.json").read_text())
    save_file(tensors, WEIGHTS / f"{name}.safetensors")
    write_json(WEIGHTS / f"{name}.json", {**facts, "fingerprint": fingerprint(tensors), "bits": 8})


def compared(before: AttributeClassifier, after: AttributeClassifier, faces: FaceSet) -> str:
    """What the weights change, on the test faces."""
    rows = faces.rows("test")
    pixels, known = faces.images[rows], [faces.attribute_names.index(name) for name in before.names]
    truth = faces.attributes[rows][:, known] > 0
    old, new = before.logits(pixels), after.logits(pixels)
    error, size = np.sqrt(((old - new) ** 2).mean()), np.sqrt((old**2).mean())
    right = [((logits > 0) == truth).mean() for logits in (old, new)]
    return (
        f"{len(rows):,} faces: logits change by {error:.4f} (root mean square; theirs is {size:.2f}), "
        f"{((old > 0) != (new > 0)).mean():.2%} of the answers change, accuracy {right[0]:.4f} to {right[1]:.4f}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:3])
