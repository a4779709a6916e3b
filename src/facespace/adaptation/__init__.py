"""A space adapted to a few photographs: inversion, pivotal tuning, a prior for the set, and checks of what
was carried over."""
