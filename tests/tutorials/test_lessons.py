"""The form of the lessons, their notebooks and the glossary. Running them all is `python -m tutorials.run`."""

from __future__ import annotations

import csv
import json
import re

import pytest

from tutorials.cells import FOLDER, calls, claims, code, lessons, prose, read
from tutorials.notebook import path_of, skeleton

LESSONS = lessons()
NUMBERED = [lesson for lesson in LESSONS if lesson.stem[0].isdigit()]


def glossary():
    with open(FOLDER / "GLOSSARY.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(lesson):
    """A lesson's place in the course; appendices come after all lessons."""
    return int(lesson.stem[:2]) if lesson.stem[0].isdigit() else 99


def used(term, text):
    """Whether `text` uses the term as a word of its own, in the singular or the plural."""
    return re.search(rf"(?<![\w-]){re.escape(term)}(s|es)?(?![\w-])", text, re.IGNORECASE) is not None


def too_early(term, first, text):
    """The paragraphs that use a term of lesson `first` without pointing to a lesson that comes as late."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        pointed = [int(n) for n in re.findall(r"[Ll]esson (\d+)", paragraph)]
        if used(term, paragraph) and not any(n >= first for n in pointed):
            found.append(paragraph)
    return found


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_lesson_keeps_its_limits(lesson):
    cells = read(lesson)
    lines = [line for line in code(cells).splitlines() if line.strip() and not line.strip().startswith("#")]
    assert cells[0].kind == "markdown" and re.match(r"# (\d+\. |Appendix)", cells[0].source)
    assert len(prose(cells).split()) <= 2000
    assert len(lines) <= 150
    assert len(calls(cells, "show")) <= 8


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_lesson_asserts_and_asks(lesson):
    cells = read(lesson)
    found = claims(cells)
    assert len(found) >= 3 and len(set(found)) == len(found)
    text = prose(cells)
    assert text.count("<details>") == text.count("</details>") >= (10 if number(lesson) == 0 else 5)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_the_notebook_has_the_cells_of_the_lesson(lesson):
    notebook = json.loads(path_of(lesson).read_text(encoding="utf-8"))
    stripped = [cell | ({"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else {})
                for cell in notebook["cells"]]  # fmt: skip
    assert stripped == skeleton(lesson)["cells"], f"run python -m tutorials.notebook {lesson.stem}"
    ran = [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert ran == list(range(1, len(ran) + 1))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    pictures = [output for output in outputs if output["output_type"] == "display_data"]
    assert len(pictures) >= len(calls(read(lesson), "show")) or not pictures


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_no_term_before_its_lesson(lesson):
    text = re.sub(r"`[^`]*`", " ", prose(read(lesson)))  # names in code are no terms
    for row in glossary():
        first = int(row["first lesson"])
        if number(lesson) < first:
            early = too_early(row["term"], first, text)
            assert not early, f"{row['term']!r} is introduced in lesson {first}, but stands here: {early[0][:200]}"


def test_every_exercise_belongs_to_a_lesson():
    text = "\n".join(prose(read(lesson)) for lesson in LESSONS)
    stubs = sorted((FOLDER / "exercises").glob("e[0-9][0-9]_*.py"))
    assert stubs and [stub.name for stub in stubs if f"{stub.name}`" not in text] == []


def test_a_lesson_defines_its_terms():
    written = {number(lesson): prose(read(lesson)) for lesson in NUMBERED}
    for row in glossary():
        text = written.get(int(row["first lesson"]))
        if text is not None:
            bold = " ".join(re.findall(r"\*\*([^*]+)\*\*", text.replace("\n", " ")))
            assert used(row["term"], bold), f"lesson {row['first lesson']} should define **{row['term']}** in bold"


def test_the_glossary_is_complete_and_in_order_of_terms():
    rows = glossary()
    terms = [row["term"].lower() for row in rows]
    assert len(set(terms)) == len(terms)
    for row in rows:
        assert row["term"] and row["plain English"] and re.search("[\u4e00-\u9fff]", row["中文"]), row
        assert row["first lesson"].isdigit(), row


def test_the_search_for_terms_finds_what_it_should():
    assert used("logit", "The logits are") and not used("logit", "logistic") and not used("loss", "lossless")
    assert too_early("momentum", 6, "With momentum it goes faster.")
    assert not too_early("momentum", 6, "With momentum (lesson 6) it goes faster.")
    assert too_early("momentum", 6, "With momentum it goes faster.\n\nAs lesson 6 shows.")


def test_the_map_leads_to_every_lesson_and_nowhere_else():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert all((FOLDER / link).exists() for link in links), links
    missing = [lesson.name for lesson in LESSONS if lesson.name not in links]
    assert not missing, f"tutorials/README.md has no row for {', '.join(missing)}"
