"""The exercises: check, train, list for learners; grade, gradescope, bundle, viva, paper for teachers."""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

from tutorials.exercises import learner, shelf
from tutorials.exercises.runner import HERE, SECONDS


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; a user's error is one line on stderr and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m tutorials.exercises", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    check = commands.add_parser("check", help="check your own answers, in seconds")
    check.add_argument("number", nargs="?", type=_number, help="one exercise; all of them without it")
    check.add_argument("--folder", type=Path, default=HERE, help="where the answers are (default: beside the stubs)")
    check.add_argument("--example", action="store_true", help="the smallest failing case with its numbers")
    check.add_argument("--why", action="store_true", help="what probably went wrong, after one more attempt")
    train = commands.add_parser("train", help="train the network of an exercise that asks for one")
    train.add_argument("number", type=_number)
    train.add_argument("--folder", type=Path, default=HERE, help="where the answers are")
    commands.add_parser("list", help="the exercises with their minutes and difficulty")
    if shelf.has_descriptions():
        _teacher(commands)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed when we were started
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="replace")  # a character that the terminal lacks is no error
    args = parser.parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
            status = _run(args)
        sys.stdout.flush()  # here, where a reader that left is no error
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing to tell
        return 1
    except (ValueError, OSError, ArithmeticError, MemoryError) as problem:
        print(" ".join(str(problem).split()) or type(problem).__name__, file=sys.stderr)
        return 2
    except RuntimeError as problem:
        if "start new thread" not in str(problem):  # a mistake of ours
            raise
        print("this process may start no more threads: raise the limit (ulimit -u)", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _number(text: str, expected: str = "a number is expected, as `list` shows them") -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{expected}, got {text!r}") from None


def _one_of_several(text: str) -> int:
    return _number(text, "numbers are expected, separated by spaces")


def _teacher(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    grade = commands.add_parser("grade", help="grade a class from Canvas' or Moodle's zip or a folder of repositories")
    grade.add_argument("place", type=Path, metavar="FOLDER", help="a folder or a zip")
    grade.add_argument("--out", type=Path, default=Path("graded"), help="where results go (default: graded)")
    grade.add_argument(
        "--roster",
        type=Path,
        help="a CSV of the class: maps names, and shows who is missing (default: that of an earlier run into OUT)",
    )
    grade.add_argument(
        "--seed", type=int, help="of the hidden cases (default: that of an earlier run into OUT, else drawn)"
    )
    grade.add_argument("--only", metavar="KEY", help="regrade one student; all others stay as they are")
    grade.add_argument(
        "--exercises",
        type=lambda text: text if text == "all" else _one_of_several(text),
        nargs="+",
        metavar="NUMBER",
        help='numbers, or "all" (default: those of an earlier run into OUT, else all)',
    )
    grade.add_argument("--jobs", type=int, help="students at a time (default: one a core, at most 4)")
    grade.add_argument("--seconds", type=float, default=SECONDS, help="for one exercise of one student")
    grade.add_argument(
        "--assignment", help="its name in Canvas (default: that of an earlier run into OUT, else Exercises)"
    )
    grade.add_argument(
        "--harvest", action="store_true", help="also print frequent wrong answers that no known mistake explains"
    )
    scope = commands.add_parser("gradescope", help="build autograder.zip")
    scope.add_argument("--out", type=Path, default=Path("autograder.zip"))
    scope.add_argument("--seed", type=int, required=True)
    scope.add_argument("--exercises", type=_one_of_several, nargs="+", help="numbers (default: all)")
    bundle = commands.add_parser("bundle", help="build the students' archive: stubs and public cases, no solution")
    bundle.add_argument("--out", type=Path, help="the archive (exercises.zip), with --roster a folder (exercises)")
    bundle.add_argument("--roster", type=Path, help="a CSV of the class: everybody gets an archive of their own")
    viva = commands.add_parser("viva", help="a page of questions about each student's own code, and the key")
    viva.add_argument("place", type=Path, metavar="FOLDER")
    viva.add_argument("--out", type=Path, default=Path("viva"))
    viva.add_argument("--seed", type=int, default=0)
    paper = commands.add_parser("paper", help="a printable sheet a student with personal numbers, and the keys")
    paper.add_argument("--roster", type=Path, required=True)
    paper.add_argument("--seed", type=int, required=True)
    paper.add_argument("--out", type=Path, default=Path("paper"))


def _run(args: argparse.Namespace) -> int:
    if (getattr(args, "seed", None) or 0) < 0:
        raise ValueError(f"a seed is 0 or more, got {args.seed}")
    if args.command == "check":
        return int(learner.check_folder(args.folder, args.number, args.example, args.why) > 0)
    if args.command == "train":
        print(learner.train(args.folder, args.number))
        return 0
    if args.command == "list":
        for s in shelf.public_sheets():
            print(f"{s.number:2} {s.title:40} {s.minutes:3} minutes, {s.difficulty}{', core' if s.core else ''}")
        return 0
    if args.command == "grade":
        return _grade(args)
    if args.command == "gradescope":
        from tutorials.exercises.archives import gradescope

        print(f"wrote {gradescope(args.out, args.seed, args.exercises)} with the hidden cases of seed {args.seed}")
    if args.command == "bundle":
        from tutorials.exercises.archives import bundle, bundles

        if args.roster:
            out = args.out or Path("exercises")
            print(f"wrote {bundles(args.roster, out)} archives in {out}, one a student")
        else:
            print(f"wrote {bundle(args.out or Path('exercises.zip'))}, the same for the whole class")
    if args.command == "viva":
        from tutorials.exercises.viva import write_viva

        print(f"wrote {write_viva(args.place, args.out, args.seed)}")
    if args.command == "paper":
        from tutorials.exercises.paper import write_papers

        print(f"wrote {write_papers(args.roster, args.out, args.seed)}")
    return 0


def _grade(args: argparse.Namespace) -> int:
    from tutorials.exercises.classroom import grade_class
    from tutorials.exercises.pages import is_unwritten, stopped

    start = time.perf_counter()
    found = grade_class(
        args.place,
        args.out,
        args.roster,
        args.seed,
        args.only,
        [] if "all" in (args.exercises or ()) else args.exercises,
        args.jobs,
        args.seconds,
        args.assignment,
    )
    records = [*found["records"].values()]
    for record in records:
        print(f"{record['key']:30} {record['earned']:6g} of {record['points']:g}")
        for note in [*record["notes"], *stopped(record)]:
            print(f"      {note}")
    for name in found["missing"]:
        print(f"{name:30} nothing handed in")
    if found["unread"]:
        print(f"nothing was read of {', '.join(found['unread'])}: .py files, or folders or zips of them, are expected")
    seconds = time.perf_counter() - start
    print(
        f"seed {found['seed']}; {found['graded']} of {found['students']} graded in {seconds:.0f} s; "
        f"see {args.out / 'class.html'}"
    )
    columns = zip(*(record["exercises"] for record in records), strict=True)
    if unwritten := [column[0]["number"] for column in columns if all(map(is_unwritten, column))]:
        numbers = ", ".join(map(str, unwritten))
        print(f"nobody has written anything for {numbers}: to count only the others, name them with --exercises")
    if found["exercises"] and args.exercises is None:
        numbers = ", ".join(map(str, sorted(found["exercises"])))
        print(f"only {numbers} graded, as in the run before: --exercises all grades every one")
    if found["left out"]:
        names = ", ".join(found["left out"])
        print(f"graded before, and not in {args.place}, so no longer in the tables (--only KEY keeps them): {names}")
    if found["roster"] and args.roster is None:
        print(f"names are from {found['roster']}, as in the run before")
    if args.harvest:
        from tutorials.exercises.harvest import harvest

        print(harvest(args.place, found["seed"], found["exercises"], args.seconds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
