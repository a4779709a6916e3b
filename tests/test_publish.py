"""`facespace publish`: what it writes, what it refuses, and the texts that the page is made of. Its page is in
test_published_page.py."""

import asyncio
import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import onnxruntime
import pytest
from explorer_help import with_directions
from PIL import Image

from facespace.core.console import quiet
from facespace.core.errors import FacespaceError, UsageError
from facespace.core.fetch import FetchError
from facespace.explorer import statistics
from facespace.explorer.publishing import page, runtime
from facespace.explorer.publishing.bundling import bundle, library
from facespace.explorer.publishing.page import About, Policy
from facespace.explorer.publishing.publish import is_site, publish
from facespace.explorer.publishing.serving import application
from facespace.explorer.publishing.spaces import folder_names
from facespace.explorer.service import page_files
from facespace.space.face_space import load

MODULE_TEXT = b"var n=1;export{n as InferenceSession,n as default};\n//# sourceMappingURL=x.map"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder like the npm package, with other content, whose checksums are expected in this module."""
    folder = tmp_path_factory.mktemp("npm")
    contents = {runtime.MODULE: MODULE_TEXT, runtime.WASM: b"\0asm" + bytes(99)}
    sums = {}
    for name, content in contents.items():
        path = folder / "node_modules/onnxruntime-web/dist" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        sums[name] = hashlib.sha256(content).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "CHECKSUMS", sums)
        yield folder


@pytest.fixture(scope="module")
def published(lively, told, few_samples, package, tmp_path_factory) -> Path:
    to = tmp_path_factory.mktemp("web") / "site"
    with pytest.MonkeyPatch.context() as patch, quiet():
        patch.setattr(statistics, "MAPPED", (40, 40))
        patch.setattr(statistics, "REENCODED", (120, 120))
        patch.setenv("FACESPACE_YUNET", "")
        patch.setenv("FACESPACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        publish([with_directions(load(lively)), told], to, package, address="https://faces.example/x")
    return to


def test_a_site_is_whole_and_its_list_is_true(published):
    site = json.loads((published / "site.json").read_text())
    assert len(site["spaces"]) == 2
    for path, size in site["bytes"].items():
        assert (published / path).stat().st_size == size
    for space in site["spaces"]:
        assert set(space["files"]) <= set(site["bytes"])
        decoder = gzip.decompress((published / space["folder"] / "decoder.onnx.gz").read_bytes())
        names = [row.name for row in onnxruntime.InferenceSession(decoder).get_inputs()]
        assert names == ["latents", "attributes"][: 1 + bool(space["conditions"])]
        with Image.open(published / space["folder"] / "mean.png") as mean:
            assert mean.size == (16, 16) and "AI-generated" in str(dict(mean.getexif()))
    assert site["detector"] is None and is_site(published)


def test_the_page_allows_nothing_beyond_itself(published):
    text = (published / "index.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1].replace("&#x27;", "'")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'" and rules["connect-src"] == "'self'"
    assert rules["default-src"] == "'none'" == rules["base-uri"] == rules["form-action"]
    # Blocks of data run nothing.
    assert "<style" not in text
    assert re.findall(r"<script(?![^>]*\b(?:src=|type=\"application/json\"))", text) == []
    assert len(re.findall(r'<script type="application/json" data-lesson="[\w-]+">', text)) == 4
    for address in re.findall(r'(?:src|href)="([^"]+)"', text):
        assert address.startswith(("page/", "spaces/", "#", "data:image/")), address
        assert not address.startswith(("page/", "spaces/")) or (published / address).is_file()


def test_a_link_shows_a_card_and_the_readme_says_the_terms(published):
    text = (published / "index.html").read_text()
    assert '<meta property="og:image" content="https://faces.example/x/card.jpg">' in text
    assert '<meta property="og:title"' in text and '<meta name="description"' in text
    with Image.open(published / "card.jpg") as card:
        assert card.size == (1200, 630)
    readme = (published / "README.md").read_text()
    assert readme.startswith("---\ntitle:") and "sdk: static" in readme.split("---")[1]
    assert "Terms of use of the training data" in readme and "| runtime |" in readme


def test_stored_facts_are_those_of_a_page_that_only_plays(published):
    site = json.loads((published / "site.json").read_text())
    stored = gzip.decompress((published / site["spaces"][0]["folder"] / "facts.bin.gz").read_bytes())
    facts = json.loads(stored[4 : 4 + int.from_bytes(stored[:4], "little")])
    assert not facts["writable"] and not facts["tunable"] and set(facts["unavailable"]) == {"edit", "tune"}
    assert list(facts["priors"]) == list(site["spaces"][0]["priors"])
    assert facts["fingerprints"] == [space["fingerprint"] for space in site["spaces"]]


@pytest.mark.slow
def test_publishing_again_gives_the_same_bytes(published, told, few_samples, package, monkeypatch, tmp_path):
    monkeypatch.setattr(statistics, "MAPPED", (40, 40))
    monkeypatch.setattr(statistics, "REENCODED", (120, 120))
    with quiet():
        publish([told], tmp_path / "one", package)
        publish([told], tmp_path / "two", package)
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_nothing_of_the_user_s_is_replaced(published, told, package, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        publish([told], tmp_path / "mine", package, force=True)
    with pytest.raises(UsageError, match="Add --force"):
        publish([told], published, package)
    (tmp_path / "page.html").write_text("<p>mine</p>")
    for place, words in (
        (tmp_path / "page.html", "is no page of facespace"),
        (tmp_path / "mine", "ends|name it"),
    ):
        with pytest.raises(UsageError, match=words):
            publish([told], place, package, single=True, force=True)
    with pytest.raises(UsageError, match="Unknown precision 'int4'"):
        publish([told], tmp_path / "new", package, precision="int4")
    with pytest.raises(UsageError, match="whole address"):
        publish([told], tmp_path / "new", package, address="faces.example")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "page.html"]


@pytest.mark.slow
def test_a_site_that_cannot_be_made_leaves_nothing(told, package, tmp_path, monkeypatch):
    def fail(*_):
        raise FacespaceError("The disk is full.")

    monkeypatch.setattr("facespace.explorer.publishing.site.draw_card", fail)
    monkeypatch.setattr(statistics, "REENCODED", (60, 60))
    with quiet(), pytest.raises(FacespaceError, match="disk is full"):
        publish([told], tmp_path / "site", package)
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_of_another_version_is_refused_with_a_sentence(package, tmp_path):
    assert runtime.read_runtime(package).module == MODULE_TEXT
    assert runtime.read_runtime(package / "node_modules/onnxruntime-web").module == MODULE_TEXT
    with pytest.raises(FacespaceError, match=r"is no folder.*npm install"):
        runtime.read_runtime(tmp_path / "none")
    with pytest.raises(FacespaceError, match="holds no ort"):
        runtime.read_runtime(tmp_path)
    dist = tmp_path / "dist"
    dist.mkdir()
    for name in runtime.CHECKSUMS:
        (dist / name).write_bytes(b"another")
    with pytest.raises(FacespaceError, match="SHA-256"):
        runtime.read_runtime(tmp_path)
    (tmp_path / "package.json").write_text('{"version": "1.29.0"}')
    with pytest.raises(
        FacespaceError, match=rf"is onnxruntime-web 1.29.0; a site is made with {runtime.VERSION}"
    ):
        runtime.read_runtime(tmp_path)


def test_the_runtime_is_fetched_once_and_checked(package, tmp_path, monkeypatch):
    fetched = []

    def fetch(url, to, *, sha256):
        fetched.append(url)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes((package / "node_modules/onnxruntime-web/dist" / to.name).read_bytes())
        assert hashlib.sha256(to.read_bytes()).hexdigest() == sha256
        return to

    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path))
    monkeypatch.setattr(runtime, "fetch", fetch)
    assert runtime.read_runtime().module == MODULE_TEXT
    assert all(url.startswith("https://") and f"@{runtime.VERSION}/" in url for url in fetched)

    def down(*_, **__):
        raise FetchError("It could not be fetched.")

    monkeypatch.setattr(runtime, "fetch", down)
    with pytest.raises(FetchError, match=r"npm install onnxruntime-web@.*--runtime"):
        runtime.read_runtime()


def test_modules_become_one_text_and_other_forms_are_refused():
    sources = {
        "a.js": b"import { $, two as deux } from './in/b.js';\nexport { two } from './in/b.js';\nexport const all = $(deux);\n",
        "in/b.js": b"import * as c from '../c.js';\nexport function $(n) { return n + c.one; }\nexport const two = 2;\n",
        "c.js": b"export const one = 1;\nexport {};\n",
    }
    text = bundle(sources, "a.js")
    assert not re.search(r"^(import|export)\b", text, re.MULTILINE)
    order = [text.index(f"facespaceModules['{name}'] =") for name in ("c.js", "in/b.js", "a.js")]
    assert order == sorted(order)
    assert "const { $, two: deux } = facespaceModules['in/b.js'];" in text and "return { all, two };" in text
    with pytest.raises(AssertionError, match="another form"):
        bundle({"a.js": b"export default 3;\n"}, "a.js")
    with pytest.raises(AssertionError, match="import each other"):
        bundle({"a.js": b"import { b } from './b.js';\n", "b.js": b"import { a } from './a.js';\n"}, "a.js")
    assert library(MODULE_TEXT.decode(), "it").endswith(
        "return { 'InferenceSession': n, 'default': n };\n})();"
    )


def test_the_page_s_own_modules_can_be_bundled():
    web = page_files()
    assert "</script" not in bundle(web, "main.js")
    assert "import.meta" not in bundle(web, "local/worker.js")  # which becomes a script, not a module


def test_texts_of_users_are_escaped():
    about = About(['<b>"x"'], ["free & <open>"], "v", "mean.png")
    text = page.index(page_files(), about, Policy())
    assert "<b>" not in text and "&lt;b&gt;" in text
    assert '"<b>\\"x\\""' in page.readme(about, "")


def test_folders_of_spaces_are_plain_and_differ():
    assert folder_names(["Faces 64", "faces/64", "é", "../.."]) == [
        "spaces/faces-64",
        "spaces/faces-64-2",
        "spaces/space",
        "spaces/space-2",
    ]


@pytest.mark.slow
def test_one_file_holds_every_file_and_the_hashes_of_its_texts(
    published, lively, few_samples, package, monkeypatch, tmp_path
):
    monkeypatch.setattr(statistics, "MAPPED", (40, 40))
    monkeypatch.setattr(statistics, "REENCODED", (120, 120))
    to = tmp_path / "faces.html"
    with quiet():
        sizes = publish([lively], to, package, single=True)
        publish([lively], to, package, single=True, force=True)
    text = to.read_text(encoding="utf-8")
    assert sizes == {"faces.html": len(text.encode())}
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1].replace("&#x27;", "'")
    for tag, rule in (('script type="module"', "script-src"), ("style", "style-src")):
        content = re.search(rf"<{tag}>(.*?)</{tag.split()[0]}>", text, re.DOTALL)[1]
        checksum = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{checksum}'" in policy.split(rule)[1].split(";")[0]
    carried = dict(re.findall(r'data-file="([^"]+)">([^<]*)<', text))
    site = json.loads(base64.b64decode(carried["site.json"]))
    assert set(carried) == {"worker.js", "site.json", *site["bytes"]}
    assert not re.search(r'(src|href)="(?!#|data:)', text)


@pytest.mark.slow
def test_the_verb_says_sizes_and_what_does_not_fit(cli, told, package, few_samples, monkeypatch, tmp_path):
    monkeypatch.setattr(statistics, "MAPPED", (40, 40))
    monkeypatch.setattr(statistics, "REENCODED", (60, 60))
    code, out, _ = cli("publish", told, "--to", tmp_path / "s", "--runtime", package, "--precision", "fp16")
    assert code == 0 and re.search(r"MB \(.*runtime.*spaces/told", out)
    code, _, err = cli("publish", told, "--to", tmp_path / "x.html", "--single", "--serve")
    assert code == 2 and "double click" in err
    code, _, err = cli("publish", told, "--to", told, "--runtime", package, "--force")
    assert (code == 2 and "which is read" in err) or "is what is read" in err


def answered(app, path: str, method: str = "GET") -> tuple[int, str]:
    """Status and media type of the application's response."""
    sent = []

    async def receive():
        await asyncio.Event().wait()  # the client stays

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [],
        "query_string": b"",
        "root_path": "",
    }
    asyncio.run(app(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers["content-type"]


def test_the_server_of_a_site_shows_its_files_alone(published, tmp_path):
    app = application(published)
    assert answered(app, "/") == (200, "text/html; charset=utf-8")
    assert answered(app, "/page/main.js") == (200, "text/javascript; charset=utf-8")
    assert answered(app, f"/runtime/{runtime.MODULE}") == (200, "text/javascript; charset=utf-8")
    assert answered(app, "/card.jpg") == (200, "image/jpeg")
    for path in ("/../site.json", "/page/none.js", "/page", "//etc/passwd"):
        assert answered(app, path)[0] == 404
    assert answered(app, "/", "POST")[0] == 405
