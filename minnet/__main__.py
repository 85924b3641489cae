"""python -m minnet: everything that is not training."""

from __future__ import annotations

import argparse

from minnet import compare, doctor, prediction
from minnet.commands import one_line_errors
from minnet.data import commands as data


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m minnet", description="What a trained network says, and on what.")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (prediction, data, compare, doctor):
        module.add_arguments(subparsers)
    args = parser.parse_args()
    raise SystemExit(args.run(args))


if __name__ == "__main__":
    main()
