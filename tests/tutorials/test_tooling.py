"""The converter, the runner and the helper of the lessons, on small lessons of our own."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from tutorials import lesson as helper
from tutorials import notebook, run
from tutorials.cells import claims, lessons, read

SMALL = """# %% [markdown]
# # 1. Small
#
# Prose with $x$.
# %%
from lesson import check, panels, show

x = 2
print("x is", x)
# %%
figure, (axes,) = panels(title="One bar")
axes.bar([0], [x])
show(figure, "One bar of height 2.")
print("after")
check("x is 2", x == 2)
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "01_small.py"
    path.write_text(SMALL, encoding="utf-8")
    return path


def test_every_beginning_names_a_lesson():
    assert [path.stem[:2] for path in lessons(["03", "05"])] == ["03", "05"]
    with pytest.raises(ValueError, match="no lesson starts with 99: there are 00_first_run, 01_"):
        lessons(["03", "99"])


def test_cells_are_read(small):
    cells = read(small)
    assert [cell.kind for cell in cells] == ["markdown", "code", "code"]
    assert cells[0].source == "# 1. Small\n\nProse with $x$."
    assert cells[1].source.startswith("from lesson") and cells[1].line == 6
    assert claims(cells) == ["x is 2"]


def test_prose_without_its_marker_is_refused(small):
    small.write_text(SMALL.replace("# Prose", "Prose"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"01_small.py:4: prose lines start with"):
        read(small)


def test_claims_have_to_be_readable(small):
    small.write_text(SMALL.replace('"x is 2"', 'f"x is {x}"'), encoding="utf-8")
    with pytest.raises(ValueError, match="plain string"):
        claims(read(small))


def test_a_notebook_keeps_what_is_printed_and_shown_in_order(small, monkeypatch):
    monkeypatch.setattr("sys.path", list(sys.path))
    cells = notebook.executed(small)["cells"]
    assert [cell["id"] for cell in cells] == ["setup", "cell-01", "cell-02", "cell-03"]
    assert cells[2]["outputs"] == [{"output_type": "stream", "name": "stdout", "text": ["x is 2\n"]}]
    picture, text = cells[3]["outputs"]
    assert picture["data"]["image/png"].startswith("iVBOR")
    assert text["text"] == ["Figure: One bar of height 2.\n", "after\n", "checked: x is 2\n"]


@pytest.mark.parametrize("folder", ["notebooks", ".", ".."])
def test_a_notebook_finds_lesson_py_from_the_folders_of_the_repository(folder, monkeypatch):
    monkeypatch.setattr("sys.path", [])
    monkeypatch.chdir(notebook.FOLDER / folder)
    exec(notebook.SETUP, {})
    assert sys.path == [str(notebook.FOLDER)]


def test_a_notebook_alone_says_what_it_lacks(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"lesson\.py is not here: clone .* and open its tutorials/notebooks$"):
        exec(notebook.SETUP, {})


def test_prose_is_refreshed_without_a_run(small, monkeypatch):
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.setattr(notebook, "path_of", lambda lesson: small.with_suffix(".ipynb"))
    made = notebook.executed(small)
    notebook.write(small, made)
    small.write_text(SMALL.replace("Prose", "More prose"), encoding="utf-8")
    again = notebook.refreshed(small)
    assert again["cells"][1]["source"][-1] == "More prose with $x$."
    assert again["cells"][2:] == made["cells"][2:]
    small.write_text(SMALL.replace("x = 2", "x = 3"), encoding="utf-8")
    with pytest.raises(ValueError, match="without --prose"):
        notebook.refreshed(small)


def test_a_false_claim_and_a_warning_stop_the_run(small, monkeypatch, capsys):
    monkeypatch.setattr(run, "lessons", lambda wanted: [small])
    monkeypatch.setattr("sys.argv", ["run"])
    monkeypatch.setenv("PYTHONPATH", str(notebook.FOLDER))
    run.main()
    assert "01_small" in capsys.readouterr().out
    for change in ('check("x is 2", x == 3)', "import numpy as np; np.log(np.zeros(1))"):
        small.write_text(SMALL.replace('check("x is 2", x == 2)', change), encoding="utf-8")
        with pytest.raises(SystemExit):
            run.main()
        assert capsys.readouterr().err.endswith("error: failed: 01_small\n")


def test_a_figure_in_jupyter_is_shown_as_a_picture(monkeypatch, capsys):
    seen = []
    fake = types.SimpleNamespace(display=lambda data, **about: seen.append((data, about)))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=fake))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    monkeypatch.setattr(helper, "_display", helper._in_notebook)
    figure, axes = helper.panels(2, width=5, title="Two")
    assert len(axes) == 2
    helper.show(figure, "Nothing yet.")
    ((data, about),) = seen
    assert data["image/png"].startswith("iVBOR") and capsys.readouterr().out == "Figure: Nothing yet.\n"
    assert about == {"metadata": {"image/png": {"width": 480, "alt": "Nothing yet."}}, "raw": True}


def test_a_script_says_once_where_its_figures_are(monkeypatch, capsys):
    monkeypatch.setattr(helper, "_display", helper._nowhere)
    figure, _ = helper.panels()
    for script, said in (
        (
            "03_cross_entropy.py",
            "The figures are in tutorials/notebooks/03_cross_entropy.ipynb; here are their captions.\n",
        ),
        ("mine.py", ""),  # no lesson
    ):
        helper._say_where.cache_clear()
        monkeypatch.setattr("sys.argv", [f"somewhere/{script}"])
        helper.show(figure, "One.")
        helper.show(figure, "Two.")
        assert capsys.readouterr().out == f"{said}Figure: One.\nFigure: Two.\n"


def test_check_wants_one_true_or_false(capsys):
    helper.check("two is two", np.bool_(True))
    assert capsys.readouterr().out == "checked: two is two\n"
    with pytest.raises(helper.ClaimError, match=r"two is three: .* does not hold .*ran a cell twice") as raised:
        helper.check("two is three", np.bool_(False))
    assert raised.value._render_traceback_() == [f"ClaimError: {raised.value}"]  # what Jupyter shows
    with pytest.raises(ValueError, match="shape"):
        helper.check("many", np.array([True, True]))
