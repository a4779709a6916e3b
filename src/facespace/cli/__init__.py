"""The command line: parse, make one library call, print where the result lies. Nothing here is out of a
notebook's reach, and nothing large is imported before a verb needs it."""

from facespace.cli.app import app, main, run

# Each registers its verbs, in the order of the help.
from facespace.cli import data, sets, attributes, learn, adapt, priors, evaluate, compare, card  # isort: skip
from facespace.cli import spaces, reconstruct, morphs, mixes, directions, edits  # isort: skip
from facespace.cli import explore, publish, hub  # isort: skip

__all__ = [
    "adapt",
    "app",
    "attributes",
    "card",
    "compare",
    "data",
    "directions",
    "edits",
    "evaluate",
    "explore",
    "hub",
    "learn",
    "main",
    "mixes",
    "morphs",
    "priors",
    "publish",
    "reconstruct",
    "run",
    "sets",
    "spaces",
]
