"""What push sends to the hub, and what it refuses before anything is sent."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_desk import NO_HUB, bundle, desk, files_of, hub  # noqa: F401
from hub_server import TOKEN

import facespace
from facespace.adaptation.saving import LIKENESS
from facespace.hub.bundle_content import held, of_space

KEPT = ("PATH", "PYTHONPATH", "OMP_NUM_THREADS", "SYSTEMROOT")


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
    hub.fail, hub.fail_at = 412, "/commit/"
    assert "changed meanwhile" in desk.refused("push", bundle, "ada/faces")
    hub.fail = 507
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
    assert (
        "title: mine" in page
        and "license: other" in page
        and "- art\n- facespace" in page
        and "Mine." in page
    )


def test_what_is_no_site(hub, desk, bundle, tmp_path):
    assert "index.html" in desk.refused("push", bundle, "ada/page", "--site", tmp_path)
    folder = site(tmp_path / "site")
    (folder / "faces.npy").write_bytes(b"")
    assert "faces.npy" in desk.refused("push", bundle, "ada/page", "--site", folder)
    (folder / "faces.npy").unlink()
    (folder / "link.js").symlink_to(tmp_path / "elsewhere")
    assert "link" in desk.refused("push", bundle, "ada/page", "--site", folder)
    (folder / "link.js").unlink()
    hub.add("ada/page", {"README.md": b"---\nsdk: gradio\n---\n", "index.html": b"", "app.py": b""}, "spaces")
    assert "app.py" in desk.refused("push", bundle, "ada/page", "--site", folder, code=2)
    assert not hub.sent


def test_a_bundle_that_is_replaced_meanwhile_is_not_sent(bundle, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    content = of_space(facespace.load(copy), "ada/faces", "")
    with held(content) as files:
        for path in copy.iterdir():
            path.unlink()
        kept = {name: path.read_bytes() for name, path in files.items()}
    assert kept == files_of(bundle)
    shutil.copytree(bundle, copy, dirs_exist_ok=True)
    (copy / "card.json").write_text((bundle / "card.json").read_text() + " ")
    with pytest.raises(facespace.FacespaceError, match="replaced meanwhile"), held(content):
        pass


def test_a_space_in_memory_has_no_files(bundle):
    space = facespace.load(bundle)
    space.card["in_memory"] = True
    with pytest.raises(facespace.FacespaceError, match="in memory"):
        of_space(space, "ada/faces", "")


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
