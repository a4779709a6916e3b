"""The command line: parse, make one library call, print where the result lies. Nothing here is out of a notebook's
reach, and nothing large is imported before a verb needs it."""

from facespace.cli.app import app, main, run

# Each registers its verbs, in the order of the help.
from facespace.cli import data, sets, downloads, learn, runs, priors, evaluate, analyze, diagram, card  # isort: skip
from facespace.cli import attributes, spaces, morphs, edits, explore  # isort: skip

__all__ = [
    "analyze",
    "app",
    "attributes",
    "card",
    "data",
    "diagram",
    "downloads",
    "edits",
    "evaluate",
    "explore",
    "learn",
    "main",
    "morphs",
    "priors",
    "run",
    "runs",
    "sets",
    "spaces",
]
