"""What a published space stores so that its page can take photographs without a server: the layout of aligned
faces, and the face detector with an input of any size. web/local/photo.js reads both."""

import importlib
from pathlib import Path
from typing import TypedDict

from facespace.explorer.photos import Photos


class TemplateFacts(TypedDict):
    """The landmarks of an aligned picture, in its pixels."""

    width: int
    height: int
    points: list[list[float]]


class InputFacts(TypedDict):
    """The size of the encoder's input."""

    width: int
    height: int
    channels: int


class PhotoLayout(TypedDict):
    """How a space takes photographs: `box` (left, top, right, bottom) is the part of the aligned picture that
    becomes the encoder's input."""

    template: TemplateFacts
    box: list[float]
    input: InputFacts


def photo_layout(photos: Photos) -> PhotoLayout:
    """The layout of the space of these photographs. For one that was not trained on CelebA's crop landmarks
    are detected in a few of its samples, as at the explorer's first photograph."""
    template, fit = photos.template, photos.space.template
    return {
        "template": {
            "width": template.width,
            "height": template.height,
            "points": template.points.tolist(),
        },
        "box": list(fit.fit_box(template.width, template.height)),
        "input": {"width": fit.width, "height": fit.height, "channels": fit.channels},
    }


def yunet_of_any_size(weights: Path) -> bytes:
    """YuNet's ONNX file with an input of any height and width that are multiples of 32. The published file
    states 640 × 640, which OpenCV ignores and onnxruntime does not; the network itself is convolutional."""
    onnx = importlib.import_module("onnx")
    model = onnx.load(weights)
    _, _, height, width = model.graph.input[0].type.tensor_type.shape.dim
    height.dim_param, width.dim_param = "height", "width"
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = output.name
    del model.graph.value_info[:]  # shapes in between, which followed from the size
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)
