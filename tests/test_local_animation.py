"""Animations of the static page: GIF files read back by Pillow and held to those of image/animation.py, and videos that
the browser records and plays."""

import io

import numpy as np
import pytest
from browser_modules import HOST, browser, modules, received, sent  # noqa: F401 (fixtures)
from PIL import Image, ImageSequence
from test_local_photo import layout_of

from facespace.explorer.engine import Engine, PathSpec
from facespace.explorer.export_handlers import ASPECTS, FileSpec, picture_size
from facespace.explorer.messages import rgba
from facespace.image import animation, gif
from facespace.image.photos import Template
from facespace.image.provenance import PROVENANCE_TAG, is_own
from facespace.image.sheets import enlarged
from facespace.space.face_space import load

# A latent of these tests is the number of its picture.
PICTURES = """
const all = rowsOf(new Uint8ClampedArray(arrayOf(a.pixels).buffer), 4 * a.width * a.height).map(
  (pixels) => ({ pixels, width: a.width, height: a.height }));
const decode = async (rows) => rows.map(([place]) => all[place]);
"""
EXPORT = f"""{PICTURES}
const latents = all.map((_, place) => Float32Array.of(place));
return textOf(await m.exportAnimation(latents, a.fields, decode));
"""
PLAY = f"""{PICTURES}
const blob = await m.recordVideo(all, a.fps, a.format);
const video = document.createElement('video');
video.muted = true;
const happens = (name) => new Promise((resolve, reject) => {{
  video.addEventListener(name, resolve, {{ once: true }});
  video.addEventListener('error', () => reject(new Error(video.error.message)), {{ once: true }});
}});
const loaded = happens('loadeddata');
video.src = URL.createObjectURL(blob);
await loaded;
const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
const seen = [];
for (const time of a.times) {{
  const sought = happens('seeked');
  video.currentTime = time;
  await sought;
  canvas.getContext('2d').drawImage(video, 0, 0);
  const {{ data }} = canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 2, 1, 1);
  seen.push([...data]);
}}
const end = happens('seeked');
video.currentTime = 1e6;
await end;
return {{ type: blob.type, width: canvas.width, height: canvas.height, seen, seconds: video.currentTime }};
"""


def argument_of(faces, **fields):
    _, height, width, _ = faces.shape
    return {"pixels": sent(rgba(faces)), "width": width, "height": height, **fields}


def exported(modules, faces, fps=30, file_format="gif"):  # noqa: F811
    argument = argument_of(faces, fields={"fps": fps, "format": file_format})
    return received(modules.run("animation.js", EXPORT, argument)).tobytes()


def read_back(file):
    """The frames uint8 (N, H, W, 3) of a GIF, their milliseconds, and the image."""
    image = Image.open(io.BytesIO(file))
    frames, times = [], []
    for frame in ImageSequence.Iterator(image):
        times.append(frame.info["duration"])
        frames.append(np.asarray(frame.convert("RGB")))
    return np.stack(frames), times, image


def shown(faces):
    height, width = animation.shown_size(*faces.shape[1:3])
    return np.stack([np.asarray(enlarged(face, (height, width)).convert("RGB")) for face in faces])


@pytest.fixture(scope="module")
def morph(lively) -> np.ndarray:
    engine = Engine(load(lively), "lively")
    return engine.decode(engine.path(engine.random(3, 0, 1.0, "model"), PathSpec(12, "linear", "loop")))


def noise(count, height=40, width=60):
    """Every colour at once, which is hardest for a palette; blocks as large as faces have them."""
    random = np.random.default_rng(1)
    blocks = random.integers(0, 256, (count, height // 10, width // 10, 3), np.uint8)
    return blocks.repeat(10, 1).repeat(10, 2)


@pytest.mark.parametrize("fps", [7, 30, 60])
def test_a_gif_has_the_frames_and_times_of_the_python(modules, morph, fps):  # noqa: F811
    frames, times, image = read_back(exported(modules, morph, fps))
    timed = animation.timing(len(morph), fps, ".gif")
    assert times == timed.delays
    assert frames.shape == (len(timed.shown), 256, 256, 3)
    assert np.abs(frames - shown(morph)[timed.shown].astype(int)).mean() <= 4
    assert image.info["loop"] == 0
    assert image.info["comment"].decode() == PROVENANCE_TAG
    assert is_own(image, sheet=True)


def test_a_gif_is_as_near_to_the_frames_as_that_of_the_python(modules, morph, tmp_path):  # noqa: F811
    for faces in (morph, noise(3)):
        animation.save_animation(faces, tmp_path / "morph.gif", fps=10)
        file = exported(modules, faces, 10)
        here, there = (read_back(one)[0] for one in (file, (tmp_path / "morph.gif").read_bytes()))
        errors = [np.abs(frames - shown(faces).astype(int)).mean() for frames in (here, there)]
        assert errors[0] <= max(8, 1.2 * errors[1])
        assert errors[0] <= 1.5 * errors[1] + 0.5
        assert len(file) < 1.5 * (tmp_path / "morph.gif").stat().st_size


def test_faces_of_few_colors_and_of_one_keep_them(modules):  # noqa: F811
    faces = np.full((2, 16, 16, 3), 77, np.uint8)
    faces[1, :8] = (255, 0, 9)
    frames, _, _ = read_back(exported(modules, faces))
    assert np.abs(frames - shown(faces).astype(int)).mean() <= 2


def test_large_frames_stay_as_they_are(modules):  # noqa: F811
    """Noise without any repetition fills the table of codes several times."""
    faces = np.random.default_rng(2).integers(0, 256, (2, 300, 270, 1), np.uint8).repeat(3, 3)
    frames, _, _ = read_back(exported(modules, faces))
    assert frames.shape == (2, 300, 270, 3)
    assert np.abs(frames - faces.astype(int)).mean() <= 4


@pytest.mark.parametrize("length", [1, 2, 254, 255, 256, 257, 511, 512, 767, 768, 3838, 3839, 3840, 5000])
def test_compressed_indices_of_any_length_are_read_back(modules, length):  # noqa: F811
    """Where codes grow by a bit, and where their table is full."""
    indices = np.random.default_rng(length).integers(0, 255, length, np.uint8)
    body = """
    const indices = arrayOf(a.indices);
    const palette = Uint8Array.from({ length: 765 }, (_, at) => Math.floor(at / 3));
    const file = m.gifFile(indices.length, 1, palette, '');
    file.add(indices, 5);
    return textOf(file.finish());
    """
    file = received(modules.run("../gif.js", body, {"indices": sent(indices)})).tobytes()
    image = Image.open(io.BytesIO(file))
    assert (np.asarray(image.convert("L"))[0] == indices).all()


@pytest.mark.parametrize(("count", "fps"), [(12, 30), (1, 1), (90, 25), (300, 60), (7, 59.9), (2, 60)])
def test_the_times_are_those_of_the_python(modules, count, fps):  # noqa: F811
    found = modules.run("animation.js", "return m.gifTiming(a.count, a.fps);", {"count": count, "fps": fps})
    timed = animation.timing(count, fps, ".gif")
    assert (found["shown"], found["delays"]) == (timed.shown, timed.delays)


def test_the_dither_and_the_provenance_are_those_of_the_python(modules):  # noqa: F811
    pattern = received(modules.run("../palettes.js", "return textOf(m.dither());")).reshape(8, 8)
    np.testing.assert_allclose(pattern, gif.BAYER * gif.STRENGTH, atol=1e-6)
    assert modules.run("animation.js", "return m.PROVENANCE;") == PROVENANCE_TAG


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"format": "webp"}, "Unknown animation format 'webp'. Known here: gif."),
        ({"fps": 61}, "fps is a number from 1 to 60; got 61."),
    ],
)
def test_impossible_animations_get_a_sentence(modules, morph, fields, sentence):  # noqa: F811
    argument = argument_of(morph, fields={"fps": 30, "format": "gif", **fields})
    assert modules.error("animation.js", EXPORT, argument) == sentence


def test_a_video_is_recorded_and_plays(modules):  # noqa: F811
    colors = np.array([(200, 30, 30), (30, 200, 30), (30, 30, 200)], np.uint8).repeat(4, 0)
    faces = np.broadcast_to(colors[:, None, None], (12, 20, 31, 3)).copy()
    formats = modules.run("record_video.js", "return m.videoFormats();")
    assert "webm" in formats
    argument = argument_of(faces, fps=8, format="webm", times=[0.2, 0.75, 1.25])
    played = modules.run("record_video.js", PLAY, argument)
    assert (played["type"], played["width"], played["height"]) == ("video/webm", 396, 256)
    for color, expected in zip(played["seen"], colors[::4].astype(int)):
        assert np.abs(np.array(color[:3]) - expected).max() <= 25
    assert 1.2 <= played["seconds"] <= 2.5


def test_a_video_of_an_unknown_format_gets_a_sentence(modules, morph):  # noqa: F811
    argument = argument_of(morph, fps=8, format="avi", times=[])
    message = modules.error("record_video.js", PLAY, argument)
    assert message.startswith("This browser records no avi files. It can save: gif")


WORKER = """
const source = `
  const names = ${JSON.stringify(a.names)};
  Promise.all(names.map((name) => import('${a.host}/web/local/' + name))).then(
    async (modules) => {
      const { align } = modules[names.indexOf('photo.js')];
      const { exportAnimation } = modules[names.indexOf('animation.js')];
      const photo = { pixels: new Uint8ClampedArray(40000).fill(90), width: 100, height: 100 };
      const points = [[40, 40], [60, 40], null, null, null];
      const face = align(photo, points, ${JSON.stringify(a.layout)});
      const file = await exportAnimation(
        [Float32Array.of(0)], { fps: 10, format: 'gif' }, async () => [face]);
      postMessage({ names, level: face.pixels[0], start: String.fromCharCode(...file.subarray(0, 6)) });
    }).catch((error) => postMessage({ error: String(error) }));
`;
const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
const answer = await new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); });
worker.terminate();
return answer;
"""


def test_the_modules_run_in_a_worker(modules):  # noqa: F811
    """Where there is no document; what records videos is for the page."""
    names = ["paths.js", "custom_direction.js", "photo.js", "animation.js", "random.js"]
    layout = layout_of(Template(64, 64, 3, "center-148", (218, 178)))
    argument = {"names": names, "host": HOST, "layout": layout}
    answer = modules.run("photo.js", WORKER, argument)
    assert answer == {"names": names, "level": 90, "start": "GIF89a"}


@pytest.mark.parametrize("size", [None, 256, 512])
@pytest.mark.parametrize("aspect", list(ASPECTS))
def test_sizes_and_aspects_are_those_of_the_python(modules, size, aspect):  # noqa: F811
    faces = noise(2)
    spec = FileSpec(10, "gif", size, aspect)
    fields = {"fps": 10, "format": "gif", "aspect": aspect, **({"size": size} if size else {})}
    file = received(modules.run("animation.js", EXPORT, argument_of(faces, fields=fields))).tobytes()
    frames = read_back(file)[0]
    asked = None if size is None and aspect == "face" else picture_size(*faces.shape[1:3], spec)
    placed = animation._Shown.of(faces.shape, None, asked)
    expected = np.stack([np.asarray(placed.picture_of(face)) for face in faces])
    assert frames.shape == expected.shape
    assert np.abs(frames - expected.astype(int)).mean() <= 8


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"size": 300}, "size is one of 256, 512, 1024 px; got 300"),
        ({"aspect": "2:1"}, "Unknown aspect '2:1'"),
    ],
)
def test_other_sizes_and_aspects_are_sentences(modules, fields, says):  # noqa: F811
    with pytest.raises(Exception, match=says):
        modules.run(
            "animation.js", EXPORT, argument_of(noise(2), fields={"fps": 9, "format": "gif", **fields})
        )


def test_a_cancelled_file_is_none(modules):  # noqa: F811
    run = f"""{PICTURES}
const latents = all.map((_, place) => Float32Array.of(place));
const watch = m.newExport();
watch.cancelled = true;
const file = await m.exportAnimation(latents, a.fields, decode, watch);
return [file, watch.done, m.exportProgress(watch).share];
"""
    argument = argument_of(noise(2), fields={"fps": 9, "format": "gif"})
    assert modules.run("animation.js", run, argument) == [None, 0, 0]
