"""The command line: parse, make one library call, print where the result lies. Nothing here is out of a notebook's
reach, and nothing large is imported before a verb needs it."""

from facespace.cli.app import app, main, run

from facespace.cli import data, sets, downloads, learn, runs, priors, evaluate, analyze, attributes, spaces, explore  # isort: skip  (each registers its verbs)

__all__ = [
    "analyze",
    "app",
    "attributes",
    "data",
    "downloads",
    "evaluate",
    "explore",
    "learn",
    "main",
    "priors",
    "run",
    "runs",
    "sets",
    "spaces",
]
