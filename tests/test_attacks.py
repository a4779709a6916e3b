"""A short version of benchmarks/attacks.py kills: verbs that are killed at random file events."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import attacks


@pytest.mark.parametrize("verb", ["prepare", "pack"])
def test_a_verb_that_is_killed_at_a_random_file_event_leaves_what_was_there_and_goes_on(
    verb, drawn, trained, tmp_path
):
    victim = attacks.victims(drawn, trained)[verb]
    assert attacks.kill_verb(verb, victim, tmp_path.resolve() / verb, 4, random.Random(verb)) == []
