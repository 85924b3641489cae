"""For each lesson NN a file lesson_NN.py with PLANTED: (claim, old, new), a change that turns that claim red."""
