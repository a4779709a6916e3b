"""How many examples hypothesis tries. The suite tries the same ones each time; FACESPACE_FUZZ=20 tries twenty times as
many, others at each run."""

import os

from hypothesis import HealthCheck, settings

FUZZ = int(os.environ.get("FACESPACE_FUZZ", "1"))


def examples(count):
    """The settings of a test with so many examples."""
    return settings(
        max_examples=count * FUZZ,
        derandomize=FUZZ == 1,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
