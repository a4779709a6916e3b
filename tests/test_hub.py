"""A space goes to the hub and comes back: against a stand-in on loopback that speaks huggingface_hub's calls."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hub_server import TOKEN, Hub, serving
from huggingface_hub import constants

import facespace
from facespace.cli import run as run_cli
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.core.hub_address import Address, address_of, origin_of
from facespace.models import fitted, hub_download, locations

KEPT = ("PATH", "PYTHONPATH", "OMP_NUM_THREADS", "SYSTEMROOT")
NO_HUB = "http://127.0.0.1:9"  # nothing listens there


class Result(NamedTuple):
    """What a verb left behind."""

    code: int
    out: str
    err: str


class Desk:
    """A user's machine: a home of its own, a token or none, and the hub. Verbs run in this process, with what
    huggingface_hub read of the environment when it was imported set anew."""

    def __init__(self, hub: Hub, home: Path, capsys, token: str | None = TOKEN) -> None:
        self.hub, self.home, self.capsys, self.token = hub, home, capsys, token
        home.mkdir(exist_ok=True)

    def other(self, token: str | None) -> "Desk":
        """The machine of somebody else."""
        return Desk(self.hub, self.home / "other", self.capsys, token)

    @property
    def snapshots(self) -> Path:
        return self.home / "hub/models--ada--faces/snapshots"

    def __call__(self, *words: object, endpoint: str | None = None, offline: bool = False) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.home)
            patch.setenv("HF_TOKEN", self.token or "")
            patch.setenv("HF_ENDPOINT", endpoint or self.hub.url)
            patch.setattr(constants, "HF_HUB_CACHE", str(self.home / "hub"))
            patch.setattr(constants, "HF_TOKEN_PATH", str(self.home / "token"))
            patch.setattr(constants, "HF_HUB_OFFLINE", offline)
            patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
            hub_download._found.clear()
            self.capsys.readouterr()
            code = run_cli([str(word) for word in words])
            found = Result(code, *self.capsys.readouterr())
        assert TOKEN not in found.out + found.err and not self.hub.leaks
        return found

    def works(self, *words: object, **more) -> Result:
        done = self(*words, **more)
        assert done.code == 0, done.err
        return done

    def refused(self, *words: object, code: int = 1, **more) -> str:
        """The sentence with which a verb ends."""
        done = self(*words, **more)
        assert done.code == code, done.err
        last = done.err.strip().splitlines()[-1]
        assert last.startswith("facespace: ") and len(last) < 500
        return last


@pytest.fixture
def hub():
    with serving() as started:
        yield started


@pytest.fixture
def desk(hub, tmp_path, capsys) -> Desk:
    return Desk(hub, tmp_path / "home", capsys)


@pytest.fixture(scope="module")
def bundle(trained, drawn, tmp_path_factory) -> Path:
    """A bundle with a prior, beside files that are none of its."""
    to = tmp_path_factory.mktemp("space") / "mine"
    with quiet():
        assert run_cli(["pack", str(trained), "--to", str(to), "--data", str(drawn)]) == 0
        facespace.load(to).fit_prior(drawn, "normal")
    (to / "diary.txt").write_text("private")
    (to / "photo.png").write_bytes(b"private")
    return to


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a bundle as a repository's."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name in fitted.BUNDLE_FILES}


def test_there_and_back(hub, desk, bundle):
    facts = json.loads(desk.works("push", bundle, "ada/faces", "--json").out)
    repository = hub.repositories["models/ada/faces"]
    assert facts["page"] == f"{hub.url}/ada/faces" and facts["commit"] == repository.branches["main"]
    held = set(repository.head()) - {".gitattributes"}
    own = {path.name for path in bundle.iterdir()} & fitted.BUNDLE_FILES
    assert {"prior-normal.safetensors", "encoded.safetensors"} <= own
    assert held == own | {"README.md", "samples.png", "LICENSE.md"}

    other = desk.other(token=None)
    for space in ("hf://ada/faces", facts["address"]):
        done = other.works("sample", space, "-n", 4, "--to", "faces.npy", "--json")
        assert json.loads(done.out)["origin"] == f"hf://ada/faces@{facts['commit']}"
        faces = np.load(other.home / "faces.npy", allow_pickle=False)
        np.testing.assert_array_equal(faces, facespace.load(bundle).sample(4))


def test_the_page_of_a_space(hub, desk, bundle):
    yaml = pytest.importorskip("yaml")
    card = json.loads((bundle / "card.json").read_text())
    card["figures"] = {"FID (Inception) of new faces": "31.8 (other real faces: 20.1)", "SSIM": "0.751"}
    card["figures"]["measured on"] = "60 faces of the split test"
    card["data"] |= {"source": "celeba", "terms": "non-commercial research only <script>"}
    hub.add("ada/other", {**files_of(bundle), "card.json": json.dumps(card).encode()})
    desk.works("push", "hf://ada/other", "ada/faces")
    files = hub.repositories["models/ada/faces"].head()
    _, front, page = files["README.md"].decode().split("---\n", 2)
    facts = yaml.safe_load(front)
    assert (facts["library_name"], facts["license"]) == ("facespace", "other")
    assert (facts["license_name"], facts["license_link"]) == ("non-commercial-research", "LICENSE.md")
    assert facts["datasets"] == ["celeba"] and "facespace" in facts["tags"]
    assert facts["base_model"] == "ada/other"
    metrics = facts["model-index"][0]["results"][0]["metrics"]
    assert [(found["type"], found["value"]) for found in metrics] == [("fid", 31.8), ("ssim", 0.751)]
    assert facts["thumbnail"].endswith("/ada/faces/resolve/main/samples.png")
    assert "hf://ada/faces" in page and "samples.png" in page and "<script>" not in page
    assert b"non-commercial" in files["LICENSE.md"]


def test_a_commit_opens_without_a_network(hub, desk, bundle):
    repository = hub.add("ada/faces", files_of(bundle))
    commit = repository.branches["main"]
    desk.works("card", "hf://ada/faces")
    asked = len(hub.requests)
    desk.works("card", f"hf://ada/faces@{commit}")
    assert len(hub.requests) == asked
    hub.fail = 503
    note = f"taken from the cache: commit {commit[:12]}"
    assert note in desk.works("card", "hf://ada/faces").err
    assert "could not be reached" in desk.works("card", "hf://ada/faces", endpoint=NO_HUB).err
    assert note in desk.works("card", "hf://ada/faces", offline=True).err
    assert "cache" in desk.refused("card", "hf://ada/unknown", offline=True)


def test_a_branch_moves_and_a_tag_stays(hub, desk, bundle, tmp_path):
    repository = hub.add("ada/faces", files_of(bundle))
    first = repository.branches["v1"] = repository.branches["main"]
    desk.works("card", "hf://ada/faces@v1")
    card = json.loads((bundle / "card.json").read_text())
    card["recipe"]["summary"] = "the second one"
    second = repository.commit({**files_of(bundle), "card.json": json.dumps(card).encode()})
    assert "the second one" in desk.works("card", "hf://ada/faces").out
    assert "the second one" not in desk.works("card", "hf://ada/faces@v1").out
    made = tmp_path / "packed"
    for revision, commit in (("main", second), ("v1", first)):
        desk.works("pack", f"hf://ada/faces@{revision}", "--to", made)
        assert json.loads((made / "card.json").read_text())["origin"] == f"hf://ada/faces@{commit}"


def test_what_is_not_opened(hub, desk, bundle):
    files = files_of(bundle)
    hub.add("ada/pickle", {**files, "optimizer/state.pt": b"cos\nsystem\n"})
    hub.add("ada/huge", files).sizes["model.safetensors"] = 30 * 10**9
    hub.add("ada/longer", files).sizes["model.safetensors"] = 5
    hub.add("ada/text", {"README.md": b"hello"})
    hub.add("ada/private", files, private=True)
    assert "optimizer/state.pt" in desk.refused("card", "hf://ada/pickle")
    assert "30.0 GB" in desk.refused("card", "hf://ada/huge")
    assert "card.json" in desk.refused("card", "hf://ada/text")
    fetched = [path for _, path in hub.requests if "/resolve/" in path]
    assert not fetched  # listed, and nothing more
    assert "not as long" in desk.refused("card", "hf://ada/longer")
    assert "is no repository of" in desk.refused("card", "hf://ada/nothing")
    assert "no revision" in desk.refused("card", "hf://ada/text@v7")
    desk.works("card", "hf://ada/private")
    assert "HF_TOKEN" in desk.other(None).refused("card", "hf://ada/private")
    said = desk.other("hf_someOtherSecret").refused("card", "hf://ada/private")
    assert "not valid" in said and "someOtherSecret" not in said
    hub.fail = 500
    assert "500" in desk.refused("card", "hf://ada/unseen")
    for endpoint in ("hub", "ftp://hub.example.org", "http://127.0.0.1:x"):
        assert "HF_ENDPOINT" in desk.refused("card", "hf://ada/unseen", code=2, endpoint=endpoint)
    assert "could not be reached" in desk.refused("card", "hf://ada/x", endpoint=NO_HUB)


def test_other_files_stay_where_they_are(hub, desk, bundle):
    hub.add(
        "ada/faces", {**files_of(bundle), "notes.md": b"", "README.md": b"", "setup.py": b"raise SystemExit"}
    )
    assert "notes.md, setup.py" in desk.works("card", "hf://ada/faces").err
    (kept,) = desk.snapshots.iterdir()
    assert {path.name for path in kept.iterdir()} == set(files_of(bundle))


def test_the_cache_is_not_written(hub, desk, bundle, drawn):
    hub.add("ada/faces", files_of(bundle))
    assert "facespace pack" in desk.refused(
        "fit-prior", "hf://ada/faces", "--data", drawn, "--kind", "mixture"
    )
    (kept,) = desk.snapshots.iterdir()
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == files_of(bundle)


def test_what_is_not_sent(hub, desk, bundle, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for name, content in files_of(bundle).items():
        (broken / name).write_bytes(content[:-1] if name == "prior-normal.safetensors" else content)
    hub.add("ada/else", {"README.md": b"", "config.json": b"{}"})
    hub.add("ada/fake", {"card.json": b'{"kind": "recipe"}', "model.safetensors": b""})
    hub.add("ada/public", files_of(bundle))
    for name in ("faces", "ada/b/c", "ada/..", "ada/a b", "ada/-x", "ada/x.git"):
        assert "no repository" in desk.refused("push", bundle, name, code=2)
    assert "no revision" in desk.refused("push", bundle, "ada/faces", "--revision", "a..b", code=2)
    assert "damaged" in desk.refused("push", broken, "ada/faces")
    assert "does not exist" in desk.refused("push", tmp_path / "none", "ada/faces")
    assert "config.json" in desk.refused("push", bundle, "ada/else", code=2)
    assert "card.json" in desk.refused("push", bundle, "ada/fake", code=2)
    assert "public" in desk.refused("push", bundle, "ada/public", "--private", code=2)
    assert "HF_TOKEN" in desk.other(None).refused("push", bundle, "ada/faces")
    assert "not valid" in desk.other("hf_someOtherSecret").refused("push", bundle, "ada/faces")
    assert "could not be reached" in desk.refused("push", bundle, "ada/faces", endpoint=NO_HUB)
    assert not hub.sent
    assert "no rights" in desk.refused("push", bundle, "bob/faces")
    assert set(hub.sent) == {"/api/repos/create"}


def test_a_failure_in_the_middle_leaves_the_older_one(hub, desk, bundle):
    repository = hub.add("ada/faces", {**files_of(bundle), "directions.safetensors": b"old"})
    before = dict(repository.commits)
    hub.fail, hub.fail_at = 507, "/commit/"
    assert "507" in desk.refused("push", bundle, "ada/faces")
    assert repository.commits == before
    hub.fail = 0
    desk.works("push", bundle, "ada/faces", "--revision", "next")
    assert repository.head() == next(iter(before.values()))
    assert "directions.safetensors" not in repository.head("next")  # of the older bundle alone


def test_force_keeps_the_files_of_others(hub, desk, bundle):
    repository = hub.add("ada/else", {"README.md": b"old", "config.json": b"{}"})
    desk.works("push", bundle, "ada/else", "--force")
    assert repository.head()["config.json"] == b"{}" and "card.json" in repository.head()


def test_the_likeness_of_people_is_private(hub, desk, bundle, tmp_path):
    from facespace.adaptation.saving import LIKENESS

    adapted = tmp_path / "adapted"
    adapted.mkdir()
    for name, content in files_of(bundle).items():
        (adapted / name).write_bytes(content)
    card = json.loads((bundle / "card.json").read_text())
    (adapted / "card.json").write_text(json.dumps({**card, "adapted": {"likeness": list(LIKENESS)}}))
    assert "is private" in desk.works("push", adapted, "ada/me").err
    repository = hub.repositories["models/ada/me"]
    assert repository.private and "samples.png" not in repository.head()
    assert "likeness" in repository.head()["README.md"].decode()
    repository.private = False
    assert "is public" in desk.refused("push", adapted, "ada/me", code=2)


def site(folder: Path) -> Path:
    (folder / "panels").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>faces</title>")
    (folder / "panels/face.js").write_text("export {}")
    (folder / ".env").write_text("SECRET")
    return folder


def test_a_site_becomes_a_static_space(hub, desk, bundle, tmp_path):
    folder = site(tmp_path / "site")
    done = desk.works("push", bundle, "ada/page", "--site", folder)
    repository = hub.repositories["spaces/ada/page"]
    assert f"{hub.url}/spaces/ada/page" in done.out and repository.sdk == "static"
    assert set(repository.head()) == {".gitattributes", "README.md", "index.html", "panels/face.js"}
    assert "sdk: static" in repository.head()["README.md"].decode()

    (folder / "panels/face.js").unlink()
    (folder / "README.md").write_text("---\ntitle: mine\nsdk: static\ntags:\n- art\n---\nMine.\n")
    desk.works("push", bundle, "ada/page", "--site", folder)
    assert set(repository.head()) == {".gitattributes", "README.md", "index.html"}
    page = repository.head()["README.md"].decode()
    assert "title: mine" in page and "- art\n- facespace" in page and "Mine." in page


def test_what_is_no_site(hub, desk, bundle, tmp_path):
    assert "index.html" in desk.refused("push", bundle, "ada/page", "--site", tmp_path, code=2)
    folder = site(tmp_path / "site")
    (folder / "faces.npy").write_bytes(b"")
    assert "faces.npy" in desk.refused("push", bundle, "ada/page", "--site", folder, code=2)
    (folder / "faces.npy").unlink()
    (folder / "link.js").symlink_to(tmp_path / "elsewhere")
    assert "link" in desk.refused("push", bundle, "ada/page", "--site", folder, code=2)
    (folder / "link.js").unlink()
    hub.add("ada/page", {"README.md": b"---\nsdk: gradio\n---\n", "index.html": b"", "app.py": b""}, "spaces")
    assert "app.py" in desk.refused("push", bundle, "ada/page", "--site", folder, code=2)
    assert not hub.sent


def test_a_space_in_memory_has_no_files(bundle):
    space = facespace.load(bundle)
    space.card["in_memory"] = True
    from facespace.hub.bundle_content import of_space

    with pytest.raises(facespace.FacespaceError, match="in memory"):
        of_space(space, "ada/faces", "")


def test_addresses():
    assert address_of("hf://ada/faces") == address_of(Path("hf://ada/faces")) == Address("ada/faces")
    assert address_of("hf://ada/faces@refs/pr/1") == Address("ada/faces", "refs/pr/1")
    for path in ("runs/celeba", "hf", ".", "/hf:/ada/faces", "C:/faces", "me@home.jpg"):
        assert address_of(path) is None
    for text in ("hf://", "hf://ada", "hf://ada/", "hf://ada/faces/best", "hf://../faces", "hf://ada/a--b"):
        with pytest.raises(UsageError, match="no repository"):
            address_of(text)
    for revision in ("", "../main", "a b", "-x", "x" * 200):
        with pytest.raises(UsageError):
            address_of(f"hf://ada/faces@{revision}")
    commit = "0" * 40
    kept = Path("/cache/models--ada--faces/snapshots", commit)
    assert origin_of(kept) == Address("ada/faces", commit)
    assert locations.title_of(kept) == "ada/faces@00000000"
    assert origin_of(Path("runs/models--ada--faces/snapshots/best")) is None


def test_every_file_of_a_bundle_is_fetched():
    for name in fitted.BUNDLE_FILES:
        assert hub_download.KNOWN.fullmatch(name)
    for name in (
        "model.bin",
        "../card.json",
        "x/card.json",
        "prior-.safetensors",
        "config.json",
        "card.json\n",
    ):
        assert not hub_download.KNOWN.fullmatch(name)


@pytest.mark.parametrize("words", ["--help", "card --help", "card", "recipes"])
def test_nothing_of_the_hub_is_imported_for_local_names(words):
    code = (
        "import sys; from facespace.cli import run; "
        f"assert run({words.split()!r}) == 0; assert 'huggingface_hub' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_verb_in_a_process_of_its_own(hub, bundle, tmp_path):
    """With what the environment alone says; neither the output nor a process's arguments hold the token."""
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
    (tmp_path / "token").write_text(TOKEN)
    words = [sys.executable, "-m", "facespace", "push", str(bundle), "ada/faces"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "card.json" in hub.repositories["models/ada/faces"].head()
    assert TOKEN not in done.stdout + done.stderr and "%" not in done.stderr  # no bar of progress
    for path in tmp_path.rglob("*"):
        assert path.name == "token" or not path.is_file() or TOKEN.encode() not in path.read_bytes()
