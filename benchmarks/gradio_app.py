"""The smallest Gradio page of a space, to be measured beside the explorer: one slider, that moves a latent along its first
principal component, and the decoded face. Needs gradio.

python benchmarks/gradio_app.py RUN [--packages FOLDER]   # FOLDER: pip install --target FOLDER gradio"""

import argparse
import importlib
import sys

import numpy as np
from PIL import Image

from facespace.explorer.onnx_engine import accelerated
from facespace.space.face_space import load


def main() -> None:
    """Prints the address, and serves until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--packages")
    asked = parser.parse_args()
    if asked.packages:
        sys.path.append(asked.packages)  # after ours, whose versions stay
    gradio = importlib.import_module("gradio")
    space = load(asked.run)
    space = space.on_engine(accelerated(space.torch_engine))  # the networks of the explorer
    mean, root = space.whitening()
    deviations, axes = np.linalg.eigh(root)

    def face(value: float) -> Image.Image:
        z = (mean + value * deviations[-1] * axes[:, -1])[None].astype(np.float32)
        return Image.fromarray(space.decode(z)[0].squeeze())

    slider = gradio.Slider(-3, 3, value=0, step=0.01, label="Component 1")
    page = gradio.Interface(face, slider, gradio.Image(), live=True, analytics_enabled=False)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True)
    print(address, flush=True)
    page.block_thread()


if __name__ == "__main__":
    main()
