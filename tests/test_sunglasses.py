"""The direction Sunglasses of the default space, on photographs of people it has never seen."""

import csv

import numpy as np
from PIL import Image
from sklearn.metrics import roc_auc_score

import facespace

# Deep-funneled LFW has its eyes at about (105, 112) and (145, 112) of 250 pixels: this box puts them where
# the crop center-148 of CelebA has them.
BOX = (47, 32, 203, 188)


def photographs(root, rows):
    return [Image.open(root / "lfw-deepfunneled" / row["file"]).crop(BOX).resize((64, 64)) for row in rows]


def test_sunglasses_of_the_default_space_match_the_labels_of_lfw(real):
    root = real / "lfw"
    with (root / "lfw_binary_attributes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    dark = [row for row in rows if row["Sunglasses"] == "1"]
    bare = [row for row in rows if row["No Eyewear"] == "1"][: len(dark)]
    clear = [row for row in rows if row["Eyeglasses"] == "1" and row["Sunglasses"] != "1"][: len(dark)]
    space = facespace.load()
    known = space.directions()
    scores = []
    for kind in (dark, bare, clear):
        faces = np.stack([np.asarray(photo) for photo in photographs(root, kind)])
        scores.append(known.scores(space.encode(faces))[:, known.index("Sunglasses")])
    worn = np.ones(len(scores[0]))
    for other, least in ((scores[1], 0.95), (scores[2], 0.9)):
        truth = np.concatenate([worn, np.zeros(len(other))])
        assert roc_auc_score(truth, np.concatenate([scores[0], other])) > least


def test_the_default_space_puts_sunglasses_on():
    from facespace.image import overlays

    space = facespace.load()
    z = space.encode(space.sample(8, seed=5))
    points = space.template.points
    lenses = {}
    for strength in ("0g", "1g"):
        faces = space.decode(space.edit(z, {"Sunglasses": strength}))
        lenses[strength] = np.array([overlays.lens_brightness(face, points) for face in faces])
    assert (lenses["1g"] < lenses["0g"]).all()
    assert np.median(lenses["1g"]) < 0.5 < np.median(lenses["0g"])
