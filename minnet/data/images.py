"""Pictures as arrays: reading a file of any kind, statistics of a training split, augmentation of batches."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from minnet.formatting import some

GREY = frozenset(["1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F"])  # PIL's modes without colour
DETAIL = 8  # pixels a side of which one pixel of a picture of another size is made; what is finer hardly counts


def check_images(x: Any) -> None:
    """Raises ValueError unless `x` is uint8 (N, H, W, C)."""
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or x.ndim != 4:
        got = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
        raise ValueError(f"expected images as uint8 (N, H, W, C), 0 to 255, got {got}")


def channel_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel of uint8 images (N, H, W, C), float64 (C,), in units of 0..255.

    Blocks of images are summed in float64, where sums of squares of bytes are exact, so nothing is copied whole.
    A channel that never varies gets the deviation 1: dividing by it is harmless.
    """
    check_images(x)
    if x.size == 0:
        raise ValueError(f"statistics need at least one image, got {x.shape}")
    pixels = x.shape[1] * x.shape[2] * x.shape[3]
    total, squares = np.zeros(pixels), np.zeros(pixels)
    step = max(1, 2_000_000 // pixels)
    for start in range(0, len(x), step):
        block = x[start : start + step].reshape(-1, pixels).astype(np.float64)
        total += block.sum(axis=0)
        squares += np.einsum("np,np->p", block, block)
    count = x.size // x.shape[3]
    mean = total.reshape(-1, x.shape[3]).sum(axis=0) / count
    variance = squares.reshape(-1, x.shape[3]).sum(axis=0) / count - mean**2
    deviation = np.sqrt(np.maximum(variance, 0))
    return mean, np.where(deviation > 1e-6, deviation, 1.0)


@dataclass(frozen=True)
class Augment:
    """Random changes that leave a picture's class alone: `augment(x, rng)` gives new uint8 images (N, H, W, C).

    `flip` mirrors images left to right: True tosses a coin for each, "alternating" mirrors each in every second
    epoch, so that two epochs show both sides of all (arXiv 2404.00498, section 3.6). `shift` moves each by up to
    that many pixels in both directions; what comes in from outside is the mirrored picture (`padding="reflect"`)
    or black ("zeros").
    `cutout` covers a square of that side, its centre anywhere in the picture, with mid grey.
    """

    flip: bool | str = True
    shift: int = 4
    cutout: int = 0
    padding: str = "reflect"

    def __post_init__(self) -> None:
        if self.padding not in ("reflect", "zeros"):
            raise ValueError(f"Augment: padding must be 'reflect' or 'zeros', got {self.padding!r}")
        if self.flip not in (True, False, "alternating"):
            raise ValueError(f"Augment: flip must be True, False or 'alternating', got {self.flip!r}")
        for name in ("shift", "cutout"):
            if getattr(self, name) < 0:
                raise ValueError(f"Augment: {name} must be 0 pixels or more, got {getattr(self, name)!r}")

    def __call__(
        self, x: np.ndarray, rng: np.random.Generator, epoch: int = 0, indices: np.ndarray | None = None
    ) -> np.ndarray:
        """New images for `x`; `epoch` and the images' places in the data set decide the alternating flips."""
        check_images(x)
        count, height, width, _ = x.shape
        if self.shift >= min(height, width):
            raise ValueError(f"Augment: shift={self.shift} leaves nothing of images of {height} x {width} pixels")
        # Row i of the new picture is row i + down of the old one; its columns are read backwards when it is flipped.
        rows = np.broadcast_to(np.arange(height), (count, height))
        columns = np.broadcast_to(np.arange(width), (count, width))
        if self.flip:
            columns = np.where(self._mirrored(count, rng, epoch, indices), columns[:, ::-1], columns)
        if self.shift:
            rows = rows + rng.integers(-self.shift, self.shift + 1, (count, 1))
            columns = columns + rng.integers(-self.shift, self.shift + 1, (count, 1))
        changed = self._gathered(x, rows, columns)
        if self.cutout:
            top = rng.integers(0, height, (count,)) - self.cutout // 2
            left = rng.integers(0, width, (count,)) - self.cutout // 2
            for image, (row, column) in enumerate(zip(top.tolist(), left.tolist(), strict=True)):
                changed[image, max(row, 0) : row + self.cutout, max(column, 0) : column + self.cutout] = 128
        return changed

    def _mirrored(self, count: int, rng: np.random.Generator, epoch: int, indices: np.ndarray | None) -> np.ndarray:
        """Which of the images are flipped, bool (N, 1)."""
        tossed = rng.random((count, 1)) < 0.5
        if self.flip != "alternating":
            return tossed
        if indices is None:
            raise ValueError("Augment: alternating flips need the images' indices in the data set")
        scattered = indices.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(63)  # a fixed coin
        return ((scattered + np.uint64(epoch)) % 2 == 1)[:, None]

    def _gathered(self, x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """The pixels of x, uint8 (N, H, W, C), in those rows (N, H) and columns (N, W), some of them outside."""
        count, height, width, channels = x.shape
        source = np.ascontiguousarray(x).reshape(-1, channels)
        if self.padding == "reflect":  # -1 is 1, and height is height - 2
            rows = height - 1 - np.abs(height - 1 - np.abs(rows))
            columns = width - 1 - np.abs(width - 1 - np.abs(columns))
        elif self.shift:  # one black pixel is appended, and all that lies outside points beyond it
            source = np.append(source, np.zeros((1, channels), np.uint8), axis=0)
            rows = np.where((rows < 0) | (rows >= height), count * height, rows)
            columns = np.where((columns < 0) | (columns >= width), source.size, columns)
        corners = np.arange(count)[:, None] * height + rows  # (N, H)
        pixels = corners[:, :, None] * width + columns[:, None, :]  # (N, H, W)
        return source.take(pixels, axis=0, mode="clip")  # (N, H, W, C)


def test_views(x: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """(weight, images) of six views of uint8 images: as they are, shifted one pixel up-left and down-right, and each
    mirrored. Averaging the scores over them is test-time augmentation (arXiv 2404.00498, section 3.5)."""
    _, height, width, _ = x.shape
    framed = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    for weight, corner in ((0.25, 1), (0.125, 0), (0.125, 2)):
        view = framed[:, corner : corner + height, corner : corner + width]
        yield weight, view
        yield weight, view[:, :, ::-1]


def over_views(ask: Callable[[Any], np.ndarray], x: Any, views: bool) -> np.ndarray:
    """ask(x), or with `views` the weighted mean of what it says of the six `test_views` of images x: (N, K)."""
    if not views:
        return ask(x)
    total: Any = sum(weight * ask(view) for weight, view in tqdm(test_views(x), "views", total=6, delay=1, leave=False))
    return total


def read_image(picture: Any, size: tuple[int, int] | int | None = None, channels: int = 3) -> np.ndarray:
    """A picture file (or an open PIL image) of any size and mode as uint8 (H, W, channels).

    The camera's rotation is applied, transparency is put on white, 16-bit greys are scaled. With `size` (H, W) the
    middle part of that shape is cut out and resized; of a JPEG file with far more pixels, details much finer than the
    wanted ones are not decoded. `channels` is 1 (grey) or 3 (red, green, blue).

    Raises ValueError when the file is no picture, or a damaged one; FileNotFoundError when there is none.
    """
    from PIL import Image, ImageOps

    if channels not in (1, 3):
        raise ValueError(f"read_image gives 1 channel or 3, not {channels!r}")
    named = isinstance(picture, (str, os.PathLike))
    if named and not os.path.exists(picture):
        raise FileNotFoundError(f"there is no picture at {picture}")
    if named and os.path.isdir(picture):
        raise ValueError(f"{picture} is a folder, not a picture")
    height, width = (size, size) if isinstance(size, int) else size or (0, 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(picture) if named else nullcontext(picture) as opened:
                if named and size is not None:  # 12 million pixels in a quarter of the time
                    opened.draft(None, (DETAIL * max(height, width),) * 2)
                image = flattened(ImageOps.exif_transpose(opened)).convert("L" if channels == 1 else "RGB")
    except Exception as error:  # decoders of damaged files raise nearly anything
        what = picture if named else "the picture"
        raise ValueError(f"{what} cannot be read as a picture: {why_unreadable(error, picture)}") from None
    if size is not None:
        image = ImageOps.fit(image, (width, height), method=Image.Resampling.BICUBIC)
    return np.asarray(image, np.uint8).reshape(image.height, image.width, channels)


class Shape(NamedTuple):
    """A picture file's height and width in pixels as `read_image` would give it, and whether there is colour."""

    height: int
    width: int
    colour: bool


def shapes_of(paths: Collection[Any]) -> tuple[dict[Any, Shape], dict[Any, str]]:
    """The shapes of the pictures among files, from each file's head; of each other file what is wrong with it."""
    from PIL import Image

    shapes, broken = {}, {}
    for path in tqdm(paths, desc="files", delay=1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(path) as image:
                    exif = Image.Image.getexif(image)  # a PNG's own looks behind the pixels, too: it decodes them
                    turned = exif.get(0x0112, 1) >= 5  # the camera lay on its side
                    turned &= image.format != "TIFF"  # whose size Pillow has turned already
                    height, width = image.size if turned else image.size[::-1]
                    shapes[path] = Shape(height, width, image.mode not in GREY)
        except Exception as error:  # decoders of damaged files raise nearly anything
            broken[path] = f"{path} cannot be read as a picture: {why_unreadable(error, path)}"
    return shapes, broken


def read_images(
    paths: Collection[Any], size: tuple[int, int], channels: int
) -> tuple[dict[Any, np.ndarray], dict[Any, str]]:
    """The pictures among files as `read_image` gives them; of each other file what is wrong with it."""
    pictures, broken = {}, {}
    for path in tqdm(paths, desc="pictures", delay=1):
        try:
            pictures[path] = read_image(path, size, channels)
        except ValueError as error:
            broken[path] = str(error)
    return pictures, broken


def warn_left_out(broken: Mapping[Path, str], files: int, folder: Path) -> None:
    """Warns of those of the files below a folder that are no pictures: how many of which kind lie where, as one class
    may have lost most of its own, and what is wrong with the first, see `shapes_of`."""
    if not broken:
        return
    below = {path: path.relative_to(folder).parts[:-1] for path in broken}
    kinds = Counter((path.suffix.lower() or "without a suffix", *parts[:1]) for path, parts in below.items())
    told = [f"{number:,} {' in '.join(kind)}" for kind, number in kinds.most_common()]
    warnings.warn(
        f"{len(broken)} of {files} files are left out ({some(told)}): {some(list(broken.values()), '; ')}", stacklevel=3
    )


def mostly_cut(shape: Shape, size: Sequence[int]) -> bool:
    """Whether `read_image` cuts away more than half of a picture of that shape for a size (H, W)."""
    areas = shape.height * size[1], shape.width * size[0]  # the same for a picture of the wanted proportions
    return 2 * min(areas) < max(areas)


def tiny(shape: Shape, size: Sequence[int]) -> bool:
    """Whether a picture of that shape has less than a quarter of the height or width of `size` (H, W)."""
    return 4 * shape.height < size[0] or 4 * shape.width < size[1]


def why_unreadable(error: Exception, path: Any) -> str:
    """What Pillow's error says of a file, in one line."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        if os.path.getsize(path) == 0:
            return "it is empty"
        if Path(path).suffix.lower() in (".heic", ".heif"):
            return "HEIC, as phones write it, is not read here: export it as JPEG"
        return "it is of no kind that is known here (JPEG, PNG, GIF, BMP, TIFF and more are)"
    if isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError)):
        return f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels: scale it down first"
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def flattened(image: Any) -> Any:
    """The image without transparency and with 8 bits a channel."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        if image.mode.startswith("I;16") or (image.mode == "I" and values.max(initial=0) > 255):
            values = values / 257  # 65535 / 257 = 255
        elif image.mode == "F" and values.max(initial=0) <= 1:
            values = values * 255
        return Image.fromarray(np.clip(np.nan_to_num(values), 0, 255).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB") if image.mode == "LAB" else image
