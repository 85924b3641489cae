"""Names the mistake in an answer from its numbers alone, or abstains: a wrong diagnosis is worse than none."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from tutorials.exercises.comparison import difference, same
from tutorials.exercises.sheet import SLACK, Result, Sheet, problem_of
from tutorials.exercises.worker import play

FACTS = {
    "in-place": "It writes into its arguments: whoever called it finds them changed. Work on new arrays.",
    "loop": "Python walks over the batch one by one: use operations on whole arrays.",
    "over-epochs": "The training takes more epochs than the budget has.",
    "over-multiply-adds": "The network costs more multiply-adds an image than the budget has: `train` prints how many.",
    "no-checkpoint": "The checkpoint that `train` writes beside the file was not handed in.",
    "another-network": "The checkpoint belongs to another network than config() describes: train again, then hand in.",
    "not-reproduced": "Training with this config() does not lead to this checkpoint.",
}


def explain(sheet: Sheet, result: Result) -> Result:
    """`result` with the ids and sentences of the mistakes that its outcomes show, if any are sure."""
    if result.earned == result.points or result.ended:
        return result
    found = {**_by_numbers(sheet, result.outcomes), **dict.fromkeys(_facts(sheet, result.outcomes), "")}
    result.mistakes = [*found]
    sentences = {**FACTS, **sheet.sentences}
    result.diagnosis = " ".join(f"{of}: {sentences[id]}" if of else sentences[id] for id, of in found.items())
    return result


def _facts(sheet: Sheet, outcomes: list[dict[str, Any]]) -> list[str]:
    """What was measured rather than compared: arguments changed, lines that grow."""
    found = [*dict.fromkeys(fact for outcome in outcomes for fact in outcome.get("facts", []))]
    kinds = {p.kind: i for i, p in enumerate(sheet.properties)}
    if "untouched" in kinds and any(outcome["changed"] for outcome in outcomes):
        found.append("in-place")
    if "lines" in kinds:
        mine = [i for i, case in enumerate(sheet.cases) if case.property == kinds["lines"]]
        grows = outcomes[mine[-1]]["lines"] > outcomes[mine[0]]["lines"] + SLACK
        if grows and not any(outcomes[i]["error"] for i in mine):
            found.append("loop")
    return found


def _by_numbers(sheet: Sheet, outcomes: list[dict[str, Any]]) -> dict[str, str]:
    """The known mistakes, one or two, whose results are those of the answer in every case.

    With each stands what it is a mistake of, where something else of the answer may be wrong, too.
    """
    came = any(outcome["results"] for outcome in outcomes)
    if not came or not any(problem_of(c, o) for c, o in zip(sheet.cases, outcomes, strict=True)):
        return {}
    matching = [r for r in sheet.records if _agrees(sheet, r.outcomes, outcomes, several=len(r.ids) > 1)]
    singles = {record.ids[0] for record in matching if len(record.ids) == 1}
    if singles:
        return dict.fromkeys(singles, "") if len(singles) == 1 else {}
    pairs = [set(record.ids) for record in matching] or list(_pairs(sheet, outcomes))
    if pairs:
        common = set.intersection(*pairs)
        return dict.fromkeys(sorted(common), "")
    return _by_channel(sheet, outcomes)


def _pairs(sheet: Sheet, outcomes: list[dict[str, Any]]) -> Iterator[set[str]]:
    """The pairs of mistakes that together explain the answer; each is played until the first case that disagrees."""
    wrong = sheet.wrong
    if wrong is None or any(len(record.ids) > 1 for record in sheet.records):
        return
    for one, other in combinations(sheet.records, 2):
        if one.ids == other.ids:
            continue
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = wrong(frozenset(one.words + other.words))
            if _agrees(sheet, (play(case.calls, names) for case in sheet.cases), outcomes, several=True):
                yield {*one.ids, *other.ids}


def _agrees(
    sheet: Sheet, outcomes_known: Iterable[dict[str, Any]], outcomes: list[dict[str, Any]], several: bool = False
) -> bool:
    """Every case agrees, and at least one wrong number is among what agrees.

    several: of more than one mistake. Then there is one of each function that raises: the numbers of one mistake are no
    evidence for another.
    """
    shown, raised = set[str](), set[str]()
    for case, known, outcome in zip(sheet.cases, outcomes_known, outcomes, strict=True):
        if case.expected is None:
            continue
        if known["error"] or outcome["error"]:
            # One slip with a shape raises in one style and broadcasts in another: then both must be wrong here.
            if not problem_of(case, known) or not problem_of(case, outcome):
                return False
            raised |= {call.name for call in case.calls if call.how == "call"}
        elif len(known["results"]) != len(outcome["results"]):
            return False
        both = [*zip(outcome["results"], known["results"], case.expected, strict=False)]
        if not all(same(mine, theirs) for mine, theirs, _ in both):
            return False
        if any(difference(theirs, expected) for _, theirs, expected in both):
            shown |= {call.name for call in case.calls}
    return bool(shown) and not (several and raised - shown)


def _by_channel(sheet: Sheet, outcomes: list[dict[str, Any]]) -> dict[str, str]:
    """Where the whole is not explained: mistakes that alone explain one channel (one result of one call) throughout.

    With each stands the name of that call, if others give results as well.

    A mistake counts only if it explains every wrong entry of that channel, no other known mistake does, and no other
    channel speaks against it by being right where that mistake would show.
    """
    truth = _channels(sheet, [{"results": case.expected or [], "error": None} for case in sheet.cases])
    answer = _channels(sheet, outcomes)
    singles = [(r.ids[0], _channels(sheet, r.outcomes)) for r in sheet.records if len(r.ids) == 1]
    found: dict[str, str] = {}
    several = len({name for name, _ in truth}) > 1
    correct = {channel for channel, right in truth.items() if _right(answer.get(channel, {}), right)}
    for channel, right in truth.items():
        mine = answer.get(channel, {})
        if mine.keys() != right.keys() or channel in correct:
            continue
        named = {
            id
            for id, known in singles
            if known.get(channel, {}).keys() == right.keys()
            and all(same(mine[i], known[channel][i]) for i in right)
            and all(_right(known.get(other, {}), truth[other]) for other in correct)
        }
        if len(named) == 1:
            found.setdefault(*named, channel[0] if several else "")
    return found if len(found) <= 2 else {}


def _right(results: dict[tuple[int, int], Any], expected: dict[tuple[int, int], Any]) -> bool:
    """Whether a channel is there in every case, with the numbers that are expected."""
    return results.keys() == expected.keys() and all(not difference(results[i], expected[i]) for i in expected)


def _channels(sheet: Sheet, outcomes: list[dict[str, Any]]) -> dict[tuple[str, int], dict[tuple[int, int], Any]]:
    """Results by (name of the call, place in its tuple), then by (case, call)."""
    found: dict[tuple[str, int], dict[tuple[int, int], Any]] = {}
    for i, (case, outcome) in enumerate(zip(sheet.cases, outcomes, strict=True)):
        giving = [call for call in case.calls if call.how in ("call", "method", "get")]
        for j, (call, result, wanted) in enumerate(zip(giving, outcome["results"], case.expected or [], strict=False)):
            split = isinstance(wanted, tuple) and isinstance(result, (list, tuple)) and len(result) == len(wanted)
            for k, part in enumerate(result if split else [result]):
                found.setdefault((call.name, k), {})[i, j] = part
    return found
