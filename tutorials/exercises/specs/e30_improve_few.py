"""Improve digits from two hundred examples: what keeps a network from learning them by heart."""

from tutorials.exercises.specs.improving import improve

EXERCISE = improve("e30_improve_few", "digits from 200 examples", 40, 40, 100_000, (0.92, 0.94, 0.95), 200)
