"""Learning a face space: the loop, the run's folder, and the checkpoints that a killed run goes on from."""
