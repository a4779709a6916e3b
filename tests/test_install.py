"""What is said about optional parts: the command that installs one here, what doctor lists, and which ffmpeg writes
films."""

import importlib.metadata
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from facespace.cli import doctor
from facespace.core import extras
from facespace.core.errors import FacespaceError
from facespace.core.extras import EXTRAS, install_command
from facespace.image import animation

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def installed_from(monkeypatch, tmp_path):
    """Lets facespace lie in site-packages, installed from the given address."""

    def place(url: str | None) -> None:
        text = json.dumps({"url": url}) if url else None

        class Distribution:
            def read_text(self, name):
                return text if name == "direct_url.json" else None

        monkeypatch.setattr(extras, "__file__", str(tmp_path / "lib/site-packages/facespace/core/extras.py"))
        monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Distribution())

    return place


def test_a_clone_is_named_as_a_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.chdir(ROOT)
    assert install_command("video") == "pip install '.[video]'"
    monkeypatch.chdir(tmp_path)
    assert install_command("video") == f"pip install '{ROOT}[video]'"


def test_an_index_is_named_by_the_package(monkeypatch, installed_from):
    installed_from(None)
    assert install_command("align") == "pip install 'facespace[align]'"
    monkeypatch.setattr(sys, "platform", "win32")
    assert install_command("align") == 'pip install "facespace[align]"'  # cmd knows no other quotes


def test_an_install_from_a_folder_or_a_wheel_names_it(installed_from, tmp_path):
    clone = tmp_path / "my clone"
    clone.mkdir()
    (clone / "pyproject.toml").touch()
    installed_from(clone.as_uri())
    assert install_command("align") == f"pip install '{clone}[align]'"
    shutil.rmtree(clone)
    assert install_command("align") == "pip install opencv-python-headless"
    wheel = tmp_path / "facespace-1.0.0-py3-none-any.whl"
    wheel.touch()
    installed_from(wheel.as_uri())
    assert install_command("train") == f"pip install '{wheel}[train]'"
    wheel.unlink()
    assert install_command("align") == "pip install opencv-python-headless"
    installed_from("git+https://example.org/facespace.git")
    assert install_command("video") == "pip install imageio-ffmpeg"
    assert install_command("onnx") == "pip install onnx onnxruntime"


def test_every_optional_part_is_an_extra_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for name, row in EXTRAS.items():
        assert any(line.startswith(row.package) for line in project[name])
    assert set(project) - set(EXTRAS) == {"all", "dev", "docs", "notebooks"}
    assert project["all"] == ["facespace[train,align,video,kaggle,onnx]"]
    assert project["dev"][0].startswith("facespace[train,")


def test_playing_requires_nothing_of_what_trains():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {re.split(r"[<>=]", line)[0] for line in project["dependencies"]}
    assert not required & {"torch", *extras.TRAINING} and "onnxruntime" in required
    train = {re.split(r"[<>=]", line)[0] for line in project["optional-dependencies"]["train"]}
    assert train == {"torch", *extras.TRAINING}


def absent(monkeypatch, *packages: str) -> None:
    """Lets these distributions be missing, and all others be there."""

    def version(name):
        if name in packages:
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_doctor_never_says_that_nothing_is_missing_below_what_is(monkeypatch, cli, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor, "local_yunet", lambda: tmp_path / "yunet.onnx")
    absent(monkeypatch)
    assert doctor.examine()["text"].endswith("Everything is installed, the optional parts too.")
    required = doctor.examine()["packages"]
    for extra, row in EXTRAS.items():
        if row.package in required:
            continue
        absent(monkeypatch, row.package)
        facts = doctor.examine()
        assert facts["missing"] == [] and facts["optional"] == {extra: install_command(extra)}
        assert f"{row.purpose}: {install_command(extra)}" in facts["text"]
        assert facts["text"].endswith(f"Optional parts that are not here: {extra}.")
    absent(monkeypatch)
    monkeypatch.setattr(doctor, "local_yunet", lambda: None)
    assert doctor.examine()["text"].endswith("Optional parts that are not here: YuNet.")
    absent(monkeypatch, "numpy")
    facts = doctor.examine()
    assert facts["missing"] == ["numpy"] and "Missing: numpy. Install again" in facts["text"]


def test_doctor_says_what_to_install_for_training(monkeypatch):
    absent(monkeypatch, "torch", "accelerate")
    monkeypatch.setattr(doctor, "is_installed", lambda package: False)
    facts = doctor.examine()
    assert facts["device"] is None and facts["missing"] == []
    assert f"to train, adapt and measure them takes PyTorch: {install_command('train')}" in facts["text"]


def test_a_system_ffmpeg_stands_in_for_the_package(monkeypatch):
    absent(monkeypatch, "imageio-ffmpeg")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/ffmpeg")
    facts = doctor.examine()
    assert facts["optional"] == {} and "not installed; /usr/bin/ffmpeg is used" in facts["text"]


def program(folder: Path, script: str) -> Path:
    """An executable file ffmpeg."""
    folder.mkdir(exist_ok=True)
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


FRAMES = np.random.default_rng(0).integers(0, 256, (4, 33, 32, 3), np.uint8)


@pytest.mark.skipif(sys.platform == "win32", reason="the ffmpeg of this test is a shell script")
def test_a_film_is_written_by_the_systems_ffmpeg(no_package, monkeypatch, tmp_path):
    """One that passes on to the real one, where there is one, or copies what it is given."""
    real = ffmpeg_of_the_package()
    run = (
        f'exec {real} "$@"'
        if real
        else 'for last; do :; done; [ "$1" = -hide_banner ] && echo libx264 || cat > "$last"'
    )
    program(tmp_path / "bin", f"echo called >> {tmp_path}/calls\n{run}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    animation.save_animation(FRAMES, tmp_path / "film.mp4", fps=4, scale=1)
    assert (tmp_path / "calls").read_text().count("called") == 2 and (
        tmp_path / "film.mp4"
    ).stat().st_size > 500
    if real:
        shown = subprocess.run(
            [real, "-i", str(tmp_path / "film.mp4")], capture_output=True, text=True
        ).stderr
        assert "h264" in shown and "32x34" in shown and "4 fps" in shown


def ffmpeg_of_the_package() -> str | None:
    """The real ffmpeg, found without an import statement."""
    try:
        found = next(
            Path(
                str(importlib.metadata.distribution("imageio-ffmpeg").locate_file("imageio_ffmpeg/binaries"))
            ).glob("ffmpeg*")
        )
    except (importlib.metadata.PackageNotFoundError, StopIteration):
        return None
    return str(found)


@pytest.mark.skipif(sys.platform == "win32", reason="the ffmpeg of this test is a shell script")
def test_an_ffmpeg_without_h264_says_what_to_install(no_package, monkeypatch, tmp_path):
    found = program(tmp_path / "bin", "echo libvpx")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(FacespaceError, match=rf"{found} has no libx264.*\[video\]"):
        animation.find_ffmpeg()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FacespaceError, match=r"not installed.*\[video\].*\.gif"):
        animation.find_ffmpeg()
