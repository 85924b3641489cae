"""Improve digits within five epochs and ten thousand multiply-adds an image."""

from tutorials.exercises.specs.improving import improve

EXERCISE = improve("e29_improve_digits", "digits on a small budget", 40, 5, 10_000, (0.94, 0.955, 0.97), None)
