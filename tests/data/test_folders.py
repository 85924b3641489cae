"""Folders of pictures: which sub-folders are classes, and which files are pictures of the user's."""

import os
import shutil
import sys
import zipfile
from pathlib import Path, PurePath

import pytest
from PIL import Image

from minnet.data import load_images
from tests.data.made import gallery


def test_hidden_files_are_passed_over_and_broken_ones_listed_in_one_warning(tmp_path):
    folder = gallery(tmp_path / "pets")
    for name in (".DS_Store", "._0.png", "Thumbs.db", "desktop.ini"):
        (folder / "cat" / name).write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / "__MACOSX").mkdir()
    for name in ("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information"):
        shutil.copytree(folder / "dog", folder / name)
    for inner in (".thumbnails", "__MACOSX", "@eaDir"):
        (folder / "cat" / inner).mkdir()
        (folder / "cat" / inner / "0.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    (folder / "readme.txt").write_text("not in a class")
    dataset = load_images(folder, size=32)
    said = "each picture's middle, resized to 32 x 32 pixels; more than half of 10 pictures cut away by that"
    assert dataset.source == f"{folder} ({said})"
    assert sum(len(split) for split in dataset.splits().values()) == 20
    (folder / "dog" / "notes.txt").write_text("hello")
    (folder / "dog" / "cut.png").write_bytes((folder / "dog" / "0.png").read_bytes()[:60])
    (folder / "dog" / "empty.jpg").write_bytes(b"")
    with pytest.warns(UserWarning, match="3 of 23 files are left out") as caught:
        again = load_images(folder)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert all(name in message for name in ("notes.txt", "cut.png", "empty.jpg")) and "\n" not in message
    assert again.fingerprint == dataset.fingerprint
    assert again.source == dataset.source.removesuffix(")") + "; 3 of 23 files left out)"


def test_pictures_beside_the_classes_are_named(tmp_path):
    folder = gallery(tmp_path / "pets")
    Image.new("RGB", (5, 5)).save(folder / "loose.PNG")
    (folder / "notes.txt").write_text("mine")
    with pytest.warns(UserWarning, match=r"beside the classes' folders have no class and are left out: loose\.PNG$"):
        assert len(load_images(folder).classes) == 2


def test_pictures_in_folders_inside_a_class_count(tmp_path):
    folder = gallery(tmp_path / "pets", count=3)
    (folder / "cat" / "more").mkdir()
    Image.new("RGB", (9, 9)).save(folder / "cat" / "more" / "late.jpg")
    assert sum(len(split) for split in load_images(folder).splits().values()) == 7


def test_a_folder_one_too_high_is_spoken_of(tmp_path):
    for kind in ("pets", "birds"):
        gallery(tmp_path / kind, kinds=("one", "two"), count=3)
        for index, path in enumerate(sorted((tmp_path / kind).rglob("*.png"))):  # no two alike
            Image.new("L", (9, 9), index + (50 if kind == "pets" else 100)).save(path)
    with pytest.warns(UserWarning, match=r"2 of the 2 classes in .* but in folders below them, such as .*birds.one:"):
        load_images(tmp_path)
    for kind in ("birds", "cars"):
        (tmp_path / kind).mkdir(exist_ok=True)
        for index in range(3):
            Image.new("L", (9, 9), index + (150 if kind == "birds" else 200)).save(tmp_path / kind / f"{index}.png")
    assert load_images(tmp_path).classes == ("birds", "cars", "pets"), "some have folders below them, and no warning"


def test_the_splits_are_the_same_where_paths_are_sorted_whatever_their_case(tmp_path, monkeypatch):
    folder = gallery(tmp_path / "pets", kinds=("a", "B"))
    names = ("a", "C", "a b", "a-b", "a/d", "a.b/c", "B", "d")
    for index, name in enumerate(names):
        (folder / "a" / f"{name}.png").parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 9), (index, 0, 0)).save(folder / "a" / f"{name}.png")
    first = load_images(folder)
    monkeypatch.setattr(PurePath, "__lt__", lambda one, other: str(one).lower() < str(other).lower())  # as on Windows
    assert sorted([Path("B"), Path("a")]) == [Path("a"), Path("B")]
    again = load_images(folder)
    assert again.classes == first.classes == ("B", "a") and again.fingerprint == first.fingerprint
    assert again.train.files.tolist() == first.train.files.tolist()


def test_folders_that_are_no_classes(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        load_images(tmp_path / "none")
    with pytest.raises(ValueError, match="has no sub-folders: it needs one for each class"):
        load_images(tmp_path)
    with pytest.raises(ValueError, match="too few examples of 'dog' \\(2\\)"):
        load_images(gallery(tmp_path / "a", count=2, kinds=("dog",)) and gallery(tmp_path / "a", kinds=("cat",)))
    with pytest.raises(ValueError, match="has only the class 'cat'"):
        load_images(gallery(tmp_path / "b", kinds=("cat",)))
    with pytest.raises(ValueError, match=r"test, train, which look like splits.* evaluate RUN images FOLDER`$"):
        load_images(gallery(tmp_path / "c", kinds=("train", "test")))
    (tmp_path / "d" / "cat").mkdir(parents=True)
    zipfile.ZipFile(tmp_path / "c.zip", "w").close()
    with pytest.raises(ValueError, match=r"c\.zip is an archive: unpack it"):
        load_images(tmp_path / "c.zip")
    with pytest.raises(ValueError, match=r"has no picture that can be read in its sub-folders$"):
        load_images(tmp_path / "d")
    (tmp_path / "d" / "cat" / "IMG_1.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(
        ValueError,
        match=r"sub-folders: .*IMG_1.heic cannot be read as a picture: HEIC, as phones write it, .*: export it as JPEG",
    ):
        load_images(tmp_path / "d")


def test_what_a_run_has_written_is_no_class_and_no_picture(tmp_path):
    """`cd pets; python train.py images .` twice: the page of the first run has pictures too."""
    folder = gallery(tmp_path / "pets")
    first = load_images(folder)
    for kind in ("runs", "cat"):
        figures = folder / kind / "pets-cnn6" / "figures"
        figures.mkdir(parents=True)
        (figures.parent / "last.ckpt").touch()
        Image.new("RGB", (9, 9)).save(figures / "curves.png")
    for made, by in (("predictions.npz", "evaluate"), ("comparison.json", "compare")):
        (folder / "cat" / by).mkdir()
        (folder / "cat" / by / made).touch()
        Image.new("RGB", (9, 9)).save(folder / "cat" / by / "comparison.png")
    (folder / "dog" / "last.ckpt").touch()  # a stray file takes no pictures away
    (folder / "figures").mkdir()  # and a run in the very folder is no class
    (folder / "predictions.npz").touch()
    Image.new("RGB", (9, 9)).save(folder / "figures" / "curves.png")
    with pytest.warns(UserWarning, match="(runs|figures) holds runs of train.py and is not taken for a cl") as caught:
        again = load_images(folder)
    assert len(caught) == 2 and again.fingerprint == first.fingerprint
    shutil.rmtree(folder / "figures")
    Image.new("RGB", (9, 9)).save(folder / "runs" / "1.png")  # people who run
    with pytest.raises(ValueError, match=r"too few examples of 'runs' \(1\)"):
        load_images(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are not text")
def test_a_folder_whose_name_is_no_text_is_named(tmp_path):
    gallery(tmp_path / "pets")
    os.rename(tmp_path / "pets" / "cat", os.fsencode(tmp_path / "pets") + b"/caf\xe9")
    with pytest.raises(ValueError, match=r"the folder 'caf\\udce9' in .*pets cannot name a class.*: rename it"):
        load_images(tmp_path / "pets")
    (tmp_path / "pets" / "dog").rename(tmp_path / "pets" / "\U0001f468\u200d\U0001f466 café")
    os.rename(os.fsencode(tmp_path / "pets") + b"/caf\xe9", tmp_path / "pets" / "cat")
    assert load_images(tmp_path / "pets").classes[1].endswith("café")


def test_links_to_folders_are_told_of(tmp_path, recwarn):
    folder = gallery(tmp_path / "pets")
    (folder / "cat" / "more").symlink_to(gallery(tmp_path / "others") / "cat")
    (folder / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "dog" / "good.png").symlink_to(tmp_path / "others" / "dog" / "3.png")
    dataset = load_images(folder)
    assert sum(map(len, dataset.splits().values())) == 21
    (said,) = [str(w.message) for w in recwarn if "link" in str(w.message)]
    assert said.startswith("2 links to folders or to nothing passed over, such as")


def test_files_that_the_system_lists_but_does_not_open_are_told_of(tmp_path, monkeypatch):
    """As Windows does with a path of more than 260 characters."""
    folder = gallery(tmp_path / "pets")
    monkeypatch.setattr(Path, "is_file", lambda path: path.name not in ("5.png", "7.png") and os.path.isfile(path))
    with pytest.warns(UserWarning, match=r"4 files cannot be opened, such as .*cat.5\.png: where its path is longer"):
        assert sum(map(len, load_images(folder).splits().values())) == 16
