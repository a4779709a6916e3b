"""The explorer's server: what it answers, and that whatever it should refuse is refused while it goes on
serving. No browser; see test_explorer_page.py."""

import io
import json
import os
import signal
import socket
import struct
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from explorer_help import running, serving, with_directions
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import facespace
from facespace.core.console import quiet
from facespace.core.errors import FacespaceError, UsageError
from facespace.explorer import messages, security, statistics
from facespace.explorer import photos as photos_module
from facespace.explorer.engine import Engine, source_names
from facespace.explorer.photos import Photos
from facespace.explorer.service import PORT, TRIED, Spaces, bind
from facespace.models import bundle, export, locations
from facespace.space.face_space import load

pytestmark = pytest.mark.usefixtures("few_samples")
TOKEN = "a-key-for-the-tests-only"
DIM = 5


def pack(payload=b"", **fields) -> bytes:
    header = json.dumps(fields).encode()
    return struct.pack("<I", len(header)) + header + bytes(payload)


def unpack(reply: bytes) -> tuple[dict, bytes]:
    (length,) = struct.unpack_from("<I", reply)
    return json.loads(reply[4 : 4 + length]), reply[4 + length :]


class Page:
    """A page, as far as the server sees it."""

    def __init__(self, port: int, token: str = TOKEN, **options) -> None:
        options = {
            "origin": f"http://127.0.0.1:{port}",
            "subprotocols": [security.PROTOCOL, token],
            **options,
        }
        self.socket = connect(f"ws://127.0.0.1:{port}/ws", max_size=None, **options).__enter__()

    def ask(self, request, payload=b"", **fields) -> tuple[dict, bytes]:
        self.socket.send(pack(payload, id=1, request=request, **fields))
        return unpack(self.socket.recv(timeout=120))  # a busy machine takes its time


@pytest.fixture(scope="module")
def service(trained, told, few_samples):
    """A server with two spaces, the first of them with made-up directions, in a thread."""
    with running(Spaces([with_directions(load(trained)), told]), TOKEN) as made:
        yield made


@pytest.fixture(scope="module")
def port(service) -> int:
    return service.listening.getsockname()[1]


@pytest.fixture
def page(port):
    made = Page(port)
    yield made
    made.socket.close()


def get(port, path="/", **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def raw(port, text: str) -> bytes:
    """The first bytes that the server answers to a request that no library would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(text.encode("latin-1"))
        return connection.recv(4096)


def test_the_page_is_served_with_a_strict_policy(port):
    status, headers, body = get(port)
    policy = headers["content-security-policy"]
    assert status == 200 and b'<script type="module" src="main.js">' in body
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert "access-control-allow-origin" not in headers and headers["x-content-type-options"] == "nosniff"
    assert TOKEN.encode() not in body
    assert b"style=" not in body and b"onclick=" not in body


@pytest.mark.parametrize("name", ["main.js", "style.css", "panels/draw.js", "icons.svg"])
def test_the_page_s_files_are_there(port, name):
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    status, headers, body = get(port, f"/{name}")
    assert (status, len(body) > 100) == (200, True)
    assert headers["content-type"].startswith(kinds[name.rsplit(".", 1)[1]])


@pytest.mark.parametrize(
    "path",
    [
        "/../service.py",
        "/..%2fservice.py",
        "/panels/..%2f..%2fengine.py",
        "//etc/passwd",
        "/%2e%2e/engine.py",
        "/x",
    ],
)
def test_no_path_leaves_the_page_s_files(port, path):
    assert raw(port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").startswith(b"HTTP/1.1 404")


def test_a_forged_host_or_origin_is_refused(port):
    assert get(port, Host="evil.example")[0] == 403
    assert get(port, Host=f"evil.example:{port}")[0] == 403
    assert get(port, Origin="http://evil.example")[0] == 403
    assert get(port, Origin=f"http://localhost:{port}")[0] == 200
    assert raw(port, "GET / HTTP/1.1\r\n\r\n").startswith((b"HTTP/1.1 400", b"HTTP/1.1 403"))
    two = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n"
    assert raw(port, two).startswith((b"HTTP/1.1 400", b"HTTP/1.1 403"))
    assert raw(port, f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n").startswith(
        b"HTTP/1.1 405"
    )


@pytest.mark.parametrize(
    "options",
    [
        {"origin": "http://evil.example"},
        {"origin": None},
        {"origin": "null"},
        {"token": "another-key-that-is-wrong"},
        {"subprotocols": [security.PROTOCOL]},
        {"subprotocols": None},
        {"additional_headers": {"Host": "evil.example"}},
    ],
)
def test_a_talk_without_key_or_from_elsewhere_is_refused(port, options):
    with pytest.raises(InvalidStatus) as refused:
        Page(port, **options)
    assert refused.value.response.status_code in (400, 403)
    assert Page(port).ask("facts")[0]["ok"]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xff\xff\xff",
        struct.pack("<I", 9) + b"{}",
        struct.pack("<I", 2) + b"[]",
        struct.pack("<I", 1) + b"x",
        pack(request="facts"),
        pack(id=1),
        pack(id=True, request="facts"),
        pack(id=1, request="facts", filler="x" * messages.LARGEST_HEADER),
        struct.pack("<I", 9000) + b"[" * 9000,
        "a text",
        b"x" * (messages.LARGEST + 1),
    ],
    ids=range(12),
)
def test_a_malformed_message_ends_its_talk_alone(port, page, message):
    bad = Page(port)
    with pytest.raises(ConnectionClosed):
        bad.socket.send(message)
        bad.socket.recv(timeout=10)
    assert page.ask("facts")[0]["latents"] == DIM


def floats(*numbers) -> bytes:
    return np.array(numbers, "<f4").tobytes()


@pytest.mark.parametrize(
    ("what", "payload", "fields", "words"),
    [
        ("decode", floats(*[np.nan] * DIM), {}, "not finite"),
        ("decode", floats(*[np.inf] * DIM), {}, "not finite"),
        ("decode", b"", {}, "rows of 5"),
        ("decode", floats(1, 2), {}, "rows of 5"),
        ("decode", bytes(4 * DIM * 65), {}, "1 to 64 rows"),
        ("encode", bytes(16), {"width": 16, "height": 16}, "1,024 bytes"),
        ("encode", bytes(4 * 8 * 8), {"width": 8, "height": 8}, "encodes 16×16"),
        ("encode", b"", {"width": 10**6, "height": 16}, "width is a whole number from 8 to 512"),
        (
            "encode",
            bytes(4 * 16 * 16),
            {"width": 16, "height": 16, "mean_blend": 2},
            "mean_blend is a number",
        ),
        ("random", b"", {"count": 1e9}, "count is a whole number"),
        ("random", b"", {"prior": "../secret"}, "Unknown prior"),
        ("random", b"", {"seed": -1}, "seed is a whole number"),
        ("random", b"", {"space": 7}, "space is a whole number from 0 to 1"),
        ("align", b"", {"points": [[0, 0]]}, "five pairs"),
        ("align", b"", {"points": [["a", 0]] * 5}, "points is a number"),
        ("align", b"", {"points": [None] * 5}, "fewer than two"),
        ("add_direction", bytes(4 * DIM * 8), {"name": "x", "positive": 5}, "5 faces or more"),
        ("path", floats(*[0] * DIM), {"frames": 9}, "at least two faces"),
        ("path", bytes(4 * DIM * 13), {"frames": 9}, "1 to 12 rows"),
        ("export_animation", bytes(4 * DIM * 2), {"frames": 9, "format": "exe"}, "Unknown animation format"),
        ("export_animation", bytes(4 * DIM * 2), {"frames": 10**9}, "frames is a whole number"),
        ("map", b"", {"method": "umap"}, "pca or tsne"),
        ("open", b"", {"path": "/etc/passwd"}, "Unknown request 'open'"),
    ],
)
def test_what_cannot_be_is_answered_with_a_sentence(page, what, payload, fields, words):
    if what == "map":
        settle(page)
    if what == "align":
        assert page.ask("detect", bytes(4 * 64), width=8, height=8)[0]["ok"]
    header, rest = page.ask(what, payload, **fields)
    assert header["ok"] is False and words in header["error"] and not rest
    assert page.ask("facts")[0]["ok"]


def settle(page, space=0) -> dict:
    """Waits for the figures of a space, which the server measures once a page has asked for its facts."""
    page.ask("facts", space=space)
    for _ in range(600):
        header, _ = page.ask("statistics", space=space)
        if header["stage"] == 2:
            return header
        assert not header["failed"]
        time.sleep(0.05)
    raise AssertionError("the figures did not come")


def test_facts_say_what_the_space_is(page, trained):
    facts, _ = page.ask("facts")
    assert facts["picture"] == {"width": 16, "height": 16, "channels": 3}
    assert facts["spaces"] == ["tiny", "told"]
    assert "/" not in facts["name"] and str(trained) not in json.dumps(facts)
    assert facts["prior"] == "model" and "N(0, I)" in facts["priors"]["model"]
    assert page.ask("facts", space=1)[0]["name"] == "told"


def test_decode_gives_the_space_s_own_pixels(page, trained):
    z = np.random.default_rng(1).normal(size=(3, DIM)).astype("<f4")
    header, pixels = page.ask("decode", z.tobytes())
    faces = np.frombuffer(pixels, np.uint8).reshape(3, 16, 16, 4)
    assert (header["count"], header["width"], header["height"]) == (3, 16, 16)
    assert np.array_equal(faces[..., :3], load(trained).decode(z)) and (faces[..., 3] == 255).all()


def test_encode_gives_the_space_s_own_latent_and_blends_it_with_the_mean(page, trained):
    picture = np.random.default_rng(2).integers(0, 256, (16, 16, 4), np.uint8)
    size = {"width": 16, "height": 16}
    z = []
    for blend in (1, 0.5, 0):
        z.append(np.frombuffer(page.ask("encode", picture, mean_blend=blend, **size)[1][: 4 * DIM], "<f4"))
    np.testing.assert_allclose(z[2], load(trained).encode(picture[..., :3])[0], rtol=1e-5)
    np.testing.assert_allclose(z[1], (z[0] + z[2]) / 2, rtol=1e-4, atol=1e-5)


def test_random_faces_are_those_of_sample(page, trained):
    header, body = page.ask("random", count=4, seed=7, truncation=0.5)
    z = np.frombuffer(body[: header["latent_bytes"]], "<f4").reshape(4, DIM)
    assert np.array_equal(z, load(trained).sample_latents(4, seed=7, temperature=0.5))


def test_statistics_describe_the_latents(page, service):
    header = settle(page)
    found = service._spaces.open(0).found
    k = header["components"]
    numbers = np.frombuffer(page.ask("statistics")[1], "<f4")
    assert len(numbers) == 4 * DIM + 3 * k + 101 + k * DIM and np.isfinite(numbers).all()
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(k), atol=1e-5)
    assert (np.diff(found.explained) <= 1e-6).all() and (np.diff(found.distances) >= 0).all()
    assert found.explained.sum() == pytest.approx(1, abs=1e-5)
    assert "encoded again" in header["origin"]


def test_a_latent_in_which_no_face_differs_has_a_step_that_changes_the_picture():
    z = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32) * [1, 2, 3, 0]
    found = statistics.measure(
        statistics.FaceLatents(z.astype(np.float32), None, "made up"), variational=False
    )
    assert found.std[3] == np.median(found.std[:3]) > 0 and not found.active[3]
    assert (statistics.units(np.zeros(3)) == 1).all()


def test_percentiles_hold_for_faces_that_were_not_measured(trained):
    space = load(trained)
    with quiet():
        known = statistics.FaceLatents(space.sample_latents(3000), None, "draws")
        found = statistics.measure(known, True)
    new = space.sample_latents(1000, seed=99)
    apart = np.linalg.norm((new - found.mean) @ found.components.T / found.component_std, axis=1)
    assert (apart < found.distances[50]).mean() == pytest.approx(0.5, abs=0.06)
    assert (apart < found.distances[90]).mean() == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize("named", [False, True])
def test_random_faces_of_a_vae_are_usual_though_it_hardly_uses_some_latents(trained, drawn, named):
    space = load(trained)
    encode = space.encode
    space.encode = lambda faces: encode(faces) * [1, 1, 1, 1, 0.05]  # as if the last one were hardly used
    faces = facespace.FaceSet(drawn) if named else None
    with quiet():
        known = statistics.known_latents(space, faces, True, lambda: None)
        found = statistics.measure(known, True)
    assert known.z.std(0)[4] < 0.1
    np.testing.assert_allclose(found.std, 1, atol=0.1)
    new = space.sample_latents(1000, seed=99)
    apart = np.linalg.norm((new - found.mean) @ found.components.T / found.component_std, axis=1)
    assert (apart < found.distances[50]).mean() == pytest.approx(0.5, abs=0.06)
    variances = known.z.astype(float).var(0, ddof=1)
    largest = variances[:4].max() / variances.sum()
    assert (np.diff(found.explained) <= 0).all() and found.explained[-1] < 0.2 * largest


def test_a_flow_is_drawn_from_in_parts_between_which_a_user_is_served(flowing, monkeypatch):
    monkeypatch.setattr(statistics, "DRAWS", 70)
    monkeypatch.setattr(statistics, "DRAWN_AT_ONCE", 30)
    calls = []
    known = statistics.known_latents(load(flowing), None, True, lambda: calls.append(1))
    assert len(calls) == 3 and len(np.unique(known.z, axis=0)) == 70
    assert known.origin.startswith("70 draws from ")


def test_a_set_gives_the_figures_and_the_map_of_its_faces(trained, drawn):
    faces = facespace.FaceSet(drawn)
    engine = Engine(load(trained), "tiny", faces)
    engine.start()
    engine._worker.join(60)
    np.testing.assert_allclose(engine.known.z, load(trained).encode(faces.images), rtol=1e-4, atol=1e-5)
    places, z, thumbs = engine.map("pca")
    assert places.shape == (60, 2) and places.min() >= 0 and places.max() <= 1
    assert np.array_equal(z, engine.known.z) and thumbs.shape[0] == 60 and thumbs.shape[-1] == 3
    labels = engine.labels()
    assert list(labels) == list(faces.attribute_names) and set(np.concatenate(list(labels.values()))) <= {
        -1,
        0,
        1,
    }
    assert "60 encoded faces of the set drawn" in engine.found.origin


def test_faces_that_came_with_a_space_are_its_map(trained, drawn, tmp_path):
    z = load(trained).encode(facespace.FaceSet(drawn).images[:20])
    export.pack(bundle.load(trained), tmp_path / "p", encoded=z)
    engine = Engine(load(tmp_path / "p"), "packed")
    places, shown, thumbs = engine.map("pca")  # at once: nothing has to be measured first
    np.testing.assert_allclose(shown, z, atol=1e-2)
    assert len(places) == len(thumbs) == 20 and engine.labels() == {} and "encoded" in engine.on_map.origin


def test_a_map_is_drawn_by_the_space(page):
    settle(page)
    header, body = page.ask("map", method="pca")
    count, names = header["count"], header["names"]
    numbers = count * (2 + DIM + len(names)) * 4
    assert (
        len(body) == numbers + count * header["width"] * header["height"] * 4 and header["encoded"] is False
    )
    assert names[:3] == ["Smiling", "Eyeglasses", "Male"]


def table(body: bytes) -> np.ndarray:
    """What the page gets of each direction: offset, row, step and lock."""
    return np.frombuffer(body, "<f4").reshape(-1, 1 + 3 * DIM)


def test_the_page_gets_what_reading_and_moving_an_attribute_takes(page):
    header, body = page.ask("directions")
    found = table(body)
    assert header["names"][:3] == ["Smiling", "Eyeglasses", "Male"] and len(found) == len(header["names"])
    row, step, lock = (found[:3, 1 + part * DIM : 1 + (part + 1) * DIM] for part in range(3))
    assert np.allclose(row @ step.T, np.eye(3), atol=1e-5)  # one step is one standard deviation of the score
    assert np.allclose(row @ lock.T, np.eye(3), atol=1e-5)  # cosines of the probes
    assert np.allclose(np.linalg.norm(step, axis=1), 2, atol=1e-5)


def test_a_direction_of_one_s_own_is_fitted_for_the_page_or_kept(page):
    examples = np.random.default_rng(0).normal(size=(10, DIM)).astype("<f4")
    examples[:5, 0] += 3
    before = page.ask("directions")[0]["names"]
    header, body = page.ask("fit_direction", examples.tobytes(), name="Mine", positive=5)
    scores = examples @ table(body)[0, 1 : 1 + DIM]
    assert scores[:5].mean() > scores[5:].mean() and 0.5 < header["facts"]["auc"] <= 1
    assert page.ask("directions")[0]["names"] == before
    assert page.ask("add_direction", examples.tobytes(), name="Mine", positive=5)[0]["ok"]
    assert "Mine" in page.ask("directions")[0]["names"]


def test_a_space_without_directions_says_how_to_get_them(page):
    header, _ = page.ask("directions", space=1)
    assert header["ok"] and header["names"] == [] and "facespace directions" in header["reason"]


@pytest.mark.parametrize("loop_mode", ["once", "loop", "pingpong"])
@pytest.mark.parametrize("interpolation", ["linear", "spherical", "geodesic"])
def test_a_path_starts_at_its_first_face(page, loop_mode, interpolation):
    keys = np.random.default_rng(0).normal(size=(3, DIM)).astype("<f4")
    _, body = page.ask("path", keys.tobytes(), frames=13, loop_mode=loop_mode, interpolation=interpolation)
    path = np.frombuffer(body, "<f4").reshape(-1, DIM)
    assert len(path) == 13
    np.testing.assert_allclose(path[0], keys[0], atol=1e-5)
    if loop_mode == "once":
        np.testing.assert_allclose(path[-1], keys[-1], atol=1e-5)
    else:  # the last frame is on its way to the first again
        away = np.linalg.norm(path[-1] - keys, axis=1)
        assert away[0] == away.min() > 0


@pytest.mark.parametrize("file_format", ["gif", "webp"])
def test_a_morph_is_an_animation_of_that_format(page, file_format):
    options = {"frames": 8, "loop_mode": "loop", "format": file_format, "fps": 20}
    _, body = page.ask("export_animation", floats(*range(2 * DIM)), **options)
    made = Image.open(io.BytesIO(body))
    assert made.format.lower() == file_format and made.n_frames == 8


def test_a_photograph_waits_for_one_drawn_face_and_the_detector_has_one_user(trained):
    photos, inside, most, order = Photos(load(trained)), [], [], []

    def slow(image, upright=False):
        inside.append(image)
        most.append(len(inside))
        time.sleep(0.05)
        inside.pop()
        order.append(image.size)
        return []

    slow.name, photos._detector = "slow", slow
    begun = threading.Event()

    def pause():
        begun.set()
        time.sleep(0.05)

    ahead = threading.Thread(target=photos.detect_in_samples, args=[pause])
    ahead.start()
    begun.wait()
    photos.detect(np.zeros((40, 30, 3), np.uint8))
    waited = order.index((30, 40))
    assert photos.template.points.shape == (5, 2)
    ahead.join()
    most_samples = photos_module.SAMPLES
    assert max(most) == 1 and len(order) == most_samples + 1 and waited < most_samples


def test_aligning_lays_the_points_where_the_space_s_faces_lie(trained):
    engine = Engine(load(trained), "tiny")
    template = engine.photos.template
    photo = np.full((120, 100, 3), 90, np.uint8)
    points = template.points / template.points.max() * 60 + 15
    for x, y in points[:2]:
        photo[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4] = 255
    cut = engine.photos.align(photo, points)
    assert cut.shape == (16, 16, 3)
    scale = 16 / template.width
    for x, y in template.points[:2] * scale:
        assert cut[int(y), int(x)].mean() > 110


def test_a_photo_is_sent_once_and_landmarks_alone_after_it(page, port, trained):
    """`align` gives what a page that sends the aligned face to `encode` would get; another page has no
    photo."""
    photo = np.random.default_rng(5).integers(0, 256, (90, 80, 4), np.uint8)
    landmarks = [[30, 35], [50, 36], None, [33, 60], [48, 61]]
    header, body = page.ask("align", points=landmarks)
    assert not header["ok"] and "No photograph is open" in header["error"] and not body
    assert page.ask("detect", photo, width=80, height=90)[0]["ok"]
    engine = Engine(load(trained), "tiny")
    for shift in (0, 3):
        moved = [pair and [pair[0] + shift, pair[1]] for pair in landmarks]
        header, body = page.ask("align", points=moved)
        points = np.array([pair or [np.nan] * 2 for pair in moved], float)
        aligned = engine.photos.align(photo[..., :3], points)
        at, end = header["latent_bytes"], header["latent_bytes"] + 4 * 16 * 16
        assert header["aligned"] == {"count": 1, "width": 16, "height": 16} and len(body) == end + 4 * 16 * 16
        z = engine.encode(aligned)
        # The server's engine may be onnxruntime by now, which rounds otherwise.
        np.testing.assert_allclose(np.frombuffer(body[:at], "<f4"), z[0], atol=1e-5)
        shown = np.frombuffer(body[at:], np.uint8).reshape(2, 16, 16, 4)[..., :3].astype(int)
        assert np.abs(shown[0] - engine.decode(z)[0]).max() <= 1 and np.array_equal(shown[1], aligned)
    other = Page(port)
    assert "No photograph is open" in other.ask("align", points=landmarks)[0]["error"]
    assert page.ask("align", points=landmarks)[0]["ok"] and page.ask("forget")[0]["ok"]
    assert "No photograph is open" in page.ask("align", points=landmarks)[0]["error"]


def test_answers_come_while_a_long_one_is_worked_on(page):
    settle(page)
    page.socket.send(pack(id=1, request="map", method="tsne"))
    page.socket.send(pack(floats(*range(DIM)), id=2, request="decode"))
    assert unpack(page.socket.recv(timeout=30))[0]["id"] == 2
    assert unpack(page.socket.recv(timeout=60))[0]["id"] == 1


def test_headers_never_hold_nan():
    with pytest.raises(ValueError):
        messages.write({"x": float("nan")})


def test_other_machines_need_a_key(cli, trained):
    code, _, err = cli("explore", trained, "--host", "0.0.0.0")
    assert code == 2 and "--token" in err
    with pytest.raises(UsageError, match="--token"):
        security.check_token("0.0.0.0", None)
    with pytest.raises(UsageError, match="16 to 128"):
        security.check_token("127.0.0.1", "short")
    assert len(security.check_token("127.0.0.1", None)) >= 24
    assert f"{socket.gethostname()}:1".lower() in security.allowed_hosts("0.0.0.0", 1)
    assert security.allowed_hosts("127.0.0.1", 1) == {"127.0.0.1:1", "localhost:1", "[::1]:1"}


@pytest.mark.parametrize("port", [-1, 65_536, 10**20])
def test_a_port_that_cannot_be_is_a_sentence(port):
    with pytest.raises(UsageError, match=f"--port is a number from 0 .* to 65535; got {port}"):
        bind("127.0.0.1", port)


@pytest.mark.parametrize("host", ["a..b", "x" * 300, "nul\0", "256.1.1.1", "no such name"])
def test_a_host_that_cannot_be_is_a_sentence(host):
    with pytest.raises(UsageError, match="is not an address of this machine"):
        bind(host, 0)


def test_a_port_in_use_is_told_and_the_usual_one_has_neighbours():
    with bind("127.0.0.1", 0) as taken, pytest.raises(FacespaceError, match="in use"):
        bind("127.0.0.1", taken.getsockname()[1])
    with bind("127.0.0.1", None) as first, bind("127.0.0.1", None) as second:
        numbers = [one.getsockname()[1] for one in (first, second)]
        assert PORT <= numbers[0] < numbers[1] < PORT + TRIED


def test_the_verb_prints_one_address_and_stops_cleanly(trained):
    with serving(trained, "--token", TOKEN) as (process, address):
        assert address.endswith(f"/#token={TOKEN}")
        port = int(address.split(":")[2].split("/")[0])
        assert Page(port).ask("facts")[0]["ok"]  # starts the work in the background, which must end too
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=15)
        # On a busy machine, where the work in the background ends late, the deadline's thread says it on stderr.
        assert (process.returncode, out + err) == (0, "Stopped.\n")


def test_without_a_space_that_which_comes_along_and_the_newest_runs_are_taken(cli, tmp_path, monkeypatch):
    from facespace.cli.explore import at_hand

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locations, "DEFAULT_SPACE", tmp_path / "coming")
    code, _, err = cli("explore")
    assert code == 1 and "facespace demo" in err
    for place, age in (("runs/old", 30), ("demo/run", 10), ("runs/new", 20)):
        card = tmp_path / place / "best" / "card.json"
        card.parent.mkdir(parents=True)
        card.write_text("{}")
        os.utime(card, (1e9 - age, 1e9 - age))
    found = at_hand(tmp_path / "runs", tmp_path / "demo")
    assert [path.name for path in found] == ["run", "new", "old"]
    (tmp_path / "coming").mkdir()
    (tmp_path / "coming/card.json").write_text("{}")
    assert at_hand(tmp_path / "runs")[0] == tmp_path / "coming"


def test_a_missing_space_is_told_before_anything_listens(cli, tmp_path):
    code, _, err = cli("explore", tmp_path / "none")
    assert code == 1 and "does not exist" in err


def test_a_notebook_shows_the_page(trained):
    shown = facespace.explore(trained)
    try:
        port = int(shown.address.split(":")[2].split("/")[0])
        assert f'src="{shown.address}"' in shown._repr_html_()
        assert "frame-ancestors http://localhost:*" in get(port)[1]["content-security-policy"]
    finally:
        shown.stop()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2).close()


def test_a_merged_set_is_named_by_what_was_merged():
    parts = [{"source": "celeba"}, {"source": "celeba"}, {"source": "folder"}]
    assert source_names({"source": "merge", "parts": parts}) == "celeba, folder"
    assert source_names({"source": "lfw"}) == "lfw"
    assert source_names({}) == ""
    facts = Engine(load(locations.require_default_space()), "faces64").facts
    assert facts["data"] == "celeba"


def test_the_key_of_a_port_is_kept_for_its_user_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path))
    first = security.kept_token(8420, "a" * 20)
    assert first == "a" * 20 == security.kept_token(8420, "b" * 20)
    assert security.kept_token(8421, "c" * 20) == "c" * 20
    assert security.kept_token(8420, "d" * 20, new=True) == "d" * 20 == security.kept_token(8420, "e" * 20)
    file = tmp_path / "explorer" / "8420.token"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)  # others could have read it
    assert security.kept_token(8420, "f" * 20) == "f" * 20 and file.stat().st_mode & 0o777 == 0o600
    file.write_text("not a key")
    assert security.kept_token(8420, "g" * 20) == "g" * 20
    file.unlink()
    file.symlink_to(tmp_path / "explorer" / "8421.token")
    assert security.kept_token(8420, "h" * 20) == "h" * 20 and not file.is_symlink()
