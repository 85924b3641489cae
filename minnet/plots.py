"""Every figure, each a function of arrays that returns a matplotlib Figure; `figure.get_label()` is its caption.

A notebook shows the figure where the call is the last line of a cell, and with `display(figure)` anywhere else.
`figure.savefig("curves.png")` writes a file.
"""

from minnet.plots_compare import compare
from minnet.plots_confusion import confusion_matrix
from minnet.plots_examples import examples, text_examples
from minnet.plots_probabilities import coverage, entropy_histogram, reliability
from minnet.plots_training import curves, learning_rate_finder, schedule
from minnet.plots_weights import filters, telling_words

__all__ = [
    "compare", "confusion_matrix", "coverage", "curves", "entropy_histogram", "examples", "filters",
    "learning_rate_finder", "reliability", "schedule", "telling_words", "text_examples",
]  # fmt: skip
