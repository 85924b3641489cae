"""python -m minnet: everything that is not training."""

from __future__ import annotations

from minnet import compare, doctor, evaluation, prediction, worksheet
from minnet.commands import Parser, one_line_errors
from minnet.data import commands as data


@one_line_errors
def main() -> None:
    parser = Parser(prog="python -m minnet", description="Everything but training.")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (prediction, evaluation, data, compare, doctor, worksheet):
        module.add_arguments(subparsers)
    args, rest = parser.parse_known_args()
    if rest and not (hasattr(args, "listed") and all(not word.startswith("-") or " " in word for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # argparse ends the list of what to predict or compare at the first flag: what follows belongs to it, too
        getattr(args, args.listed).extend(rest)
    raise SystemExit(args.run(args))


if __name__ == "__main__":
    main()
