"""Configs as JSON and by --set, their old names, and the cards that carry them: held against a small dataclass."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest
import torch

import facespace
from facespace.core import aliases, cards
from facespace.core.aliases import Alias, rename_arguments, rename_old_keys
from facespace.core.configs import from_dict, override, to_dict
from facespace.core.console import quiet
from facespace.core.errors import BundleError, FaceSetError, UsageError
from facespace.data.faces import FaceSet
from facespace.recipes import recipe


@dataclass(frozen=True)
class Inner:
    freeze: Literal["none", "encoder"] = "none"
    rate: float = 0.1
    limit: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise UsageError(f"inner.rate must be at or above 0; got {self.rate}.")


@dataclass(frozen=True)
class Outer:
    name: str
    steps: int = 5
    on: bool = False
    sizes: tuple[int, ...] = (1, 2)
    image: tuple[int, int, int] = (3, 8, 8)
    words: tuple[str, ...] = ()
    inner: Inner = field(default_factory=Inner)


OUTER = Outer("a")


def test_a_config_survives_json():
    config = Outer("a", 7, True, (4,), (1, 2, 3), ("x",), Inner("encoder", 2.0, 3.0, {"Hat": 0.5}))
    values = json.loads(json.dumps(to_dict(config)))
    assert values["sizes"] == [4] and from_dict(Outer, values) == config
    assert from_dict(Outer, {"name": "b"}) == Outer("b")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("sizes=8", Outer("a", sizes=(8,))),
        ("sizes=8,9", Outer("a", sizes=(8, 9))),
        ("sizes=[]", Outer("a", sizes=())),
        ("words=x,y", Outer("a", words=("x", "y"))),
        ("words=x", Outer("a", words=("x",))),
        ("inner.rate=2", Outer("a", inner=Inner(rate=2.0))),
        ("inner.limit=null", OUTER),
        ("inner.limit=3", Outer("a", inner=Inner(limit=3.0))),
        ("inner.shares.Hat=1", Outer("a", inner=Inner(shares={"Hat": 1.0}))),
        ('inner.shares={"a.b": 0.5}', Outer("a", inner=Inner(shares={"a.b": 0.5}))),
        ('inner={"rate": 3}', Outer("a", inner=Inner(rate=3.0))),
        ("on=true", Outer("a", on=True)),
        ("on=True", Outer("a", on=True)),
        ("inner.limit=None", OUTER),
        ("inner.rate=.25", Outer("a", inner=Inner(rate=0.25))),
        ("inner.rate=2.", Outer("a", inner=Inner(rate=2.0))),
        ("inner.rate=+1", Outer("a", inner=Inner(rate=1.0))),
        ("inner.rate=.5e-3", Outer("a", inner=Inner(rate=0.0005))),
        ("steps=+007", Outer("a", steps=7)),
        ("sizes=08,9", Outer("a", sizes=(8, 9))),
    ],
)
def test_a_setting_gets_the_type_of_its_field(setting, expected):
    changed = override(OUTER, [setting])
    assert changed == expected and type(changed.inner.rate) is float


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("steps", r"--set takes FIELD=VALUE, for example train.steps=500; got 'steps'"),
        ("step=3", r"Unknown field 'step'. Did you mean 'steps'\? Known: name, steps, "),
        ("inner.rates=3", r"Unknown field 'inner.rates'. Did you mean 'rate'\?"),
        ("steps=five", 'steps takes a whole number; got "five"'),
        ("steps=5.0", r"steps takes a whole number; got 5.0"),
        ("steps=5.", "steps takes a whole number; got 5.0"),
        ("steps=True", "steps takes a whole number; got true"),
        ("steps=true", "steps takes a whole number; got true"),
        ("steps=null", "steps takes a whole number; got null"),
        ("on=1", "on takes true or false; got 1"),
        ("name=3", "name takes a word; got 3"),
        ("inner.rate=NaN", "inner.rate takes a finite number; got NaN"),
        ("inner.rate=1e999", "inner.rate takes a finite number; got Infinity"),
        (f"inner.rate={10**400}", "inner.rate takes a finite number; got 1000"),
        ("inner.limit=x", 'inner.limit takes a finite number or null; got "x"'),
        ("inner.freeze=all", 'inner.freeze takes one of none, encoder; got "all"'),
        ("inner.shares.Hat=much", 'inner.shares.Hat takes a finite number; got "much"'),
        ("sizes=1,x", r'sizes takes a list of whole numbers; got \[1, "x"\]'),
        ("image=3,8", r"image takes 3 whole numbers; got \[3, 8\]"),
        ("inner=3", "'inner' is a group of fields; set one of them: freeze, rate, limit, shares"),
        ("inner.shares=3", "'inner.shares' is a group of fields; set one of them: inner.shares.NAME=VALUE"),
        ("steps.x=3", "'steps' is a value and has no field 'x'"),
        ("inner.rate=-1", "inner.rate must be at or above 0; got -1.0"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_type_and_value(setting, sentence):
    with pytest.raises(UsageError, match=sentence):
        override(OUTER, [setting])


def test_a_missing_field_and_a_value_in_place_of_a_group_are_refused():
    with pytest.raises(UsageError, match="missing 1 required positional argument: 'name'"):
        from_dict(Outer, {})
    with pytest.raises(UsageError, match="inner takes a table of names and values; got 3"):
        from_dict(Outer, {"name": "a", "inner": 3})


@pytest.fixture
def old_names(monkeypatch):
    """A table with one renamed field, renamed values, a renamed verb and a renamed option."""
    table = {
        "Inner": {
            "only": Alias("freeze", {"decoder": "encoder", "all": "none"}),
            "shares": Alias("shares", {"Cap": "Hat"}),
        },
        aliases.VERB: {"scorecard": Alias("benchmark-edits")},
        "facespace benchmark-edits": {"--keep": Alias("--lock", {"cap": "hat"})},
    }
    monkeypatch.setattr(aliases, "ALIASES", table)
    monkeypatch.setattr(aliases, "_reported", set())


def notes(capsys) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_an_old_name_in_set_works_and_is_noted_once(old_names, capsys):
    for _ in range(2):
        assert override(OUTER, ["inner.only=decoder"]).inner == Inner("encoder")
    assert notes(capsys) == ["inner.only=decoder is now inner.freeze=encoder."]
    assert override(OUTER, ['inner={"only": "all", "rate": 2}']).inner == Inner(rate=2.0)
    assert notes(capsys) == ["inner.only=all is now inner.freeze=none."]
    assert override(OUTER, ["inner.shares.Cap=1", "inner.shares.Wig=0"]).inner.shares == {
        "Hat": 1.0,
        "Wig": 0.0,
    }
    assert notes(capsys) == ["inner.shares.Cap is now inner.shares.Hat."]
    assert override(OUTER, ["inner.only=encoder"]).inner == Inner("encoder")
    assert notes(capsys) == ["inner.only is now inner.freeze."]


def test_an_old_card_opens_without_a_note(old_names, capsys):
    values = {"name": "a", "inner": {"only": "decoder", "shares": {"Cap": 1}}}
    assert from_dict(Outer, values).inner == Inner("encoder", shares={"Hat": 1.0})
    assert values["inner"]["only"] == "decoder"
    assert from_dict(Outer, {"name": "a", "inner": {"only": "decoder", "freeze": "none"}}).inner == Inner()
    assert notes(capsys) == []


def test_an_old_name_that_is_not_in_the_table_stays_unknown(old_names):
    with pytest.raises(UsageError, match="Unknown field 'only'"):
        override(OUTER, ["only=decoder"])
    assert rename_old_keys("Nothing", {"only": 1}) == {"only": 1}


def test_old_verbs_and_options_become_current(old_names, capsys):
    given = ["scorecard", "run", "--keep", "cap", "--keep=cap", "--other", "cap"]
    assert rename_arguments(given) == [
        *("benchmark-edits", "run", "--lock", "hat", "--lock=hat", "--other", "cap"),
    ]
    assert notes(capsys) == [
        "scorecard is now benchmark-edits.",
        "--keep cap is now --lock hat.",
        "--keep=cap is now --lock=hat.",
    ]
    assert rename_arguments([]) == [] and rename_arguments(["morph", "--keep", "cap"]) == [
        "morph",
        "--keep",
        "cap",
    ]


def test_the_former_name_of_the_synthetic_source_works(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(aliases, "_reported", set())
    new = facespace.prepare("synthetic", to=tmp_path / "new", size=16, limit=4, workers=1)
    capsys.readouterr()
    old = facespace.prepare("procedural", to=tmp_path / "old", size=16, limit=4, workers=1)
    assert "source=procedural is now source=synthetic." in notes(capsys)
    assert old.fingerprint == new.fingerprint and old.card["source"] == new.card["source"] == "synthetic"
    assert override(recipe("demo"), ["data.source=procedural"]).data.source == "synthetic"

    card = json.loads((tmp_path / "old/card.json").read_text())
    (tmp_path / "old/card.json").write_text(json.dumps(card | {"source": "procedural"}))
    assert FaceSet(tmp_path / "old").card == new.card


CARD = cards.CardKind("thing", "a thing", (1, 2), BundleError, "Copy it.", "Name another.", "Update.")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", r"card\.json cannot be read \(.*\)\. Copy it\."),
        (b"[]", r"card\.json cannot be read \(.*\)\. Copy it\."),
        (b'{"kind": "thing"}', r"card\.json cannot be read \('format'\)\. Copy it\."),
        (b'{"kind": "set", "format": 1}', r"holds a set, not a thing\. Name another\."),
        (b'{"kind": "thing", "format": 3}', r"has thing format 3; .* reads the formats 1 and 2\. Update\."),
    ],
)
def test_a_card_that_cannot_be_used_is_refused_with_the_next_step(tmp_path, content, sentence):
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(BundleError, match=sentence):
        cards.read_card(tmp_path / "card.json", CARD)


def test_a_card_keeps_bytes_that_are_no_text_and_a_missing_one_has_its_sentence(tmp_path):
    (tmp_path / "card.json").write_bytes(b'{"kind": "thing", "format": 2, "name": "\xff"}')
    assert cards.read_card(tmp_path / "card.json", CARD)["name"] == "\udcff"
    with pytest.raises(BundleError, match=r"none\.json cannot be read"):
        cards.read_card(tmp_path / "none.json", CARD)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FaceSetError, match="holds no prepared faces"):
        FaceSet(tmp_path / "empty")


def test_a_fingerprint_names_types_without_numpy_types():
    values = torch.arange(6).reshape(2, 3)
    prints = {cards.fingerprint({"w": values.to(kind)}) for kind in (torch.bfloat16, torch.half, torch.float)}
    assert len(prints) == 3


def test_core_data_and_image_import_neither_torch_nor_matplotlib():
    code = (
        "import sys, pkgutil, importlib, facespace.core, facespace.data, facespace.image\n"
        "for package in (facespace.core, facespace.data, facespace.image):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "print([name for name in ('torch', 'matplotlib', 'sklearn', 'scipy') if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_quiet_hides_the_note_on_an_old_name(old_names, capsys):
    with quiet():
        override(OUTER, ["inner.only=decoder"])
    assert notes(capsys) == []
    assert np.isfinite(override(OUTER, ["inner.only=decoder"]).inner.rate)
