"""Runs every lesson as a reader would, fails on an error or a warning, and prints how long each took.

python -m tutorials.run            all of them
python -m tutorials.run 03 04      some
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from minnet.commands import one_line_errors
from tutorials.cells import lessons


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tutorials.run", description="Runs the lessons; fails on any error or warning."
    )
    parser.add_argument("lessons", nargs="*", help="beginnings of names, such as 03; nothing for all")
    parser.add_argument("--show", action="store_true", help="print what the lessons print")
    args = parser.parse_args()
    failed, total = [], 0.0
    for lesson in lessons(args.lessons):
        started = time.perf_counter()
        result = subprocess.run([sys.executable, "-W", "error", str(lesson)], capture_output=True, text=True)
        seconds = time.perf_counter() - started
        total += seconds
        verdict = "" if result.returncode == 0 else "   FAILED"
        print(f"{lesson.stem:<40} {seconds / 60:5.2f} minutes{verdict}", flush=True)
        if args.show:
            print(result.stdout)
        if result.returncode:
            failed.append(lesson.stem)
            print(result.stdout[-1000:] + result.stderr[-3000:], file=sys.stderr)
    print(f"{'all':<40} {total / 60:5.2f} minutes")
    if failed:
        raise ValueError(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
