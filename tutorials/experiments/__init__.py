"""Long experiments, one module each: `python -m tutorials.experiments.NAME`, results in tutorials/results/."""
