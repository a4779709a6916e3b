"""Every SPACE may be hf://USER/NAME@REVISION: fetched, kept, pinned, and refused where it should be."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from hub_desk import NO_HUB, bundle, desk, files_of, hub  # noqa: F401

import facespace
from facespace.core.errors import UsageError
from facespace.core.hub_address import Address, address_of, origin_of
from facespace.models import hub_download, locations
from facespace.models.additions import BUNDLE_FILES


def test_there_and_back(hub, desk, bundle):
    facts = json.loads(desk.works("push", bundle, "ada/faces", "--json").out)
    repository = hub.repositories["models/ada/faces"]
    assert facts["page"] == f"{hub.url}/ada/faces" and facts["commit"] == repository.branches["main"]
    held = set(repository.head()) - {".gitattributes"}
    own = {path.name for path in bundle.iterdir()} & BUNDLE_FILES
    assert {"prior-normal.safetensors", "encoded.safetensors"} <= own
    assert held == own | {"README.md", "samples.png", "LICENSE.md"}

    other = desk.other(token=None)
    for space in ("hf://ada/faces", facts["address"]):
        done = other.works("sample", space, "-n", 4, "--to", "faces.npy", "--json")
        assert json.loads(done.out)["origin"] == f"hf://ada/faces@{facts['commit']}"
        faces = np.load(other.home / "faces.npy", allow_pickle=False)
        np.testing.assert_array_equal(faces, facespace.load(bundle).sample(4))


@pytest.mark.slow
def test_what_is_made_from_a_space_names_its_commit(hub, desk, bundle, drawn):
    commit = hub.add("ada/faces", files_of(bundle)).branches["main"]
    place = f"hf://ada/faces@{commit}"
    settings = [word for setting in TINY for word in ("--set", setting)]
    settings += ["--set", "train.epochs=1", "--tracker", "none"]
    desk.works("train", "demo", "--from", "hf://ada/faces", "--data", drawn, "--to", "run", *settings)
    card = json.loads((desk.home / "run/best/card.json").read_text())
    assert (
        card["origin"] == place
        and card["started_from"] == json.loads(desk.works("card", place, "--json").out)["fingerprint"]
    )
    desk.works("pack", "run", "--to", "small")
    assert json.loads((desk.home / "small/card.json").read_text())["origin"] == place
    desk.works("evaluate", "hf://ada/faces", "--data", drawn, "--split", "all", "--to", "evaluation")
    measured = json.loads((desk.home / "evaluation/metrics.json").read_text())
    assert measured["protocol"]["space"]["folder"] == place
    found = json.loads(
        desk.works("compare", "hf://ada/faces", "run", "--data", drawn, "--split", "all", "--json").out
    )
    assert found["runs"][0]["path"] == place and found["runs"][0]["bundle"] == f"ada/faces@{commit[:8]}"


def test_every_verb_takes_an_address(hub, desk, bundle, photos):
    hub.add("ada/faces", files_of(bundle))
    space, photo, other = "hf://ada/faces", *photos[:2]
    desk.works("encode", space, photo, "--to", "z.npy")
    desk.works("decode", space, "z.npy")
    desk.works("reconstruct", space, photo)
    desk.works("morph", space, photo, other, "--frames", 4)
    desk.works("mix", space, "--plus", photo, "--minus", other)
    desk.works("export", space, "--to", "exported")
    assert "ada/faces@" in desk.works("diagram", space, "--to", "layers.svg").out
    assert "no directions" in desk.refused("edit", space, photo, "--set", "Smiling=1")
    assert len([path for _, path in hub.requests if path.endswith(".safetensors")]) < 8  # fetched once


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
    assert "not the file" in desk.refused("card", "hf://ada/longer")
    assert "is no repository of" in desk.refused("card", "hf://ada/nothing")
    assert "no revision" in desk.refused("card", "hf://ada/text@v7")
    desk.works("card", "hf://ada/private")
    assert "HF_TOKEN" in desk.other(None).refused("card", "hf://ada/private")
    said = desk.other("hf_someOtherSecret").refused("card", "hf://ada/private")
    assert "not valid" in said and "someOtherSecret" not in said
    said = desk.other("hf_some\u2603OtherSecret").refused("card", "hf://ada/private")
    assert "no token has" in said and "OtherSecret" not in said
    hub.fail, hub.fail_code = 403, "GatedRepo"
    assert "Accept them" in desk.refused("card", "hf://ada/unseen")
    hub.fail, hub.fail_code = 500, ""
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
    for name in BUNDLE_FILES:
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


@pytest.mark.parametrize("words", ["--help", "push --help", "card", "recipes"])
def test_nothing_of_the_hub_is_imported_for_local_names(words):
    code = (
        "import sys; from facespace.cli import run; "
        f"assert run({words.split()!r}) == 0; assert 'huggingface_hub' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
