"""Augmentation against crops made one by one, statistics against NumPy's, picture files of many kinds."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from minnet.data import Augment, channel_statistics, read_image
from minnet.data import test_views as views_of
from minnet.data.images import shapes_of
from minnet.layers import Flatten, Linear, Normalize, Sequential
from minnet.losses import SoftmaxCrossEntropy
from minnet.optimizers import SGD
from minnet.training import Trainer
from tests.drawing import steady


def pictures(count, height=8, width=6, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def crops(image, shift, mode):
    """Every shifted version of one image, by (down, right): plain padding and slicing."""
    height, width, _ = image.shape
    padded = np.pad(image, ((shift, shift), (shift, shift), (0, 0)), mode=mode)
    return {
        (row, column): padded[row : row + height, column : column + width]
        for row in range(2 * shift + 1)
        for column in range(2 * shift + 1)
    }


@pytest.mark.parametrize(("padding", "mode"), [("reflect", "reflect"), ("zeros", "constant")])
def test_every_result_is_a_crop_of_the_padded_image_and_all_of_them_occur(padding, mode):
    image = pictures(1)[0]
    batch = np.repeat(image[None], 3000, axis=0)
    changed = Augment(flip=True, shift=2, padding=padding)(batch, np.random.default_rng(0))
    known = {}
    for flipped, start in ((False, image), (True, image[:, ::-1])):
        for place, crop in crops(start, 2, mode).items():
            known[crop.tobytes()] = (flipped, *place)
    seen = [known[one.tobytes()] for one in changed]  # a KeyError would be a picture that is no crop
    counts = np.unique(np.array(seen), axis=0, return_counts=True)[1]
    assert len(counts) == 50
    assert counts.min() > 30 and counts.max() < 100  # 60 expected of each
    assert 1400 < sum(flipped for flipped, _, _ in seen) < 1600


def test_flip_alone_shift_alone_and_nothing():
    x = pictures(200)
    flipped = Augment(shift=0)(x, np.random.default_rng(1))
    mirrored = np.array([np.array_equal(new, old[:, ::-1]) for new, old in zip(flipped, x, strict=True)])
    same = np.array([np.array_equal(new, old) for new, old in zip(flipped, x, strict=True)])
    assert np.all(mirrored ^ same) and 70 < mirrored.sum() < 130
    np.testing.assert_array_equal(Augment(flip=False, shift=0)(x, np.random.default_rng(1)), x)


ALTERNATING = Augment(flip="alternating", shift=0)


def test_alternating_flips_show_the_other_side_in_the_next_epoch_whatever_the_batch():
    """The rule is a side by index, and the other one a step later; the generator has no say in it."""
    x, indices = pictures(64), np.arange(64)
    epochs = [ALTERNATING(x, np.random.default_rng(epoch), epoch, indices) for epoch in range(4)]
    np.testing.assert_array_equal(epochs[1], epochs[0][:, :, ::-1])
    np.testing.assert_array_equal(epochs[2], epochs[0])
    np.testing.assert_array_equal(epochs[3], epochs[1])
    mirrored = np.array([np.array_equal(new, old[:, ::-1]) for new, old in zip(epochs[0], x, strict=True)])
    assert 20 < mirrored.sum() < 44, "half of the images begin with either side"
    np.testing.assert_array_equal(epochs[0][~mirrored], x[~mirrored])
    some = np.random.default_rng(5).permutation(64)[:10]
    np.testing.assert_array_equal(ALTERNATING(x[some], np.random.default_rng(6), 3, some), epochs[3][some])


def test_training_shows_both_sides_of_every_image_in_two_epochs():
    """Batches are shuffled and cut into pieces; an image's number stands in its middle, its right side is lit."""
    x = np.zeros((40, 1, 3, 1), np.uint8)
    x[:, 0, 1, 0], x[:, 0, 2, 0] = np.arange(40), 255
    sides = {}  # (epoch, image): is its right side on the left?

    def noted(images, rng, epoch, indices):
        changed = ALTERNATING(images, rng, epoch, indices)
        sides.update({(epoch, int(image[0, 1, 0])): image[0, 0, 0] == 255 for image in changed})
        return changed

    model = Sequential(Normalize([0.0], [255.0]), Flatten(), Linear(3, 2, rng=0))
    trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(model, 1e-9), workers=1, augment=noted)
    trainer.fit((x, np.arange(40) % 2), epochs=3, batch_size=7, progress=False)
    seen = np.array([[sides[epoch, image] for image in range(40)] for epoch in sorted({epoch for epoch, _ in sides})])
    assert seen.shape == (3, 40) and 0 < seen[0].sum() < 40
    np.testing.assert_array_equal(seen[1], ~seen[0])
    np.testing.assert_array_equal(seen[2], seen[0])


def test_alternating_flips_need_indices():
    with pytest.raises(ValueError, match="alternating flips need the images' indices"):
        ALTERNATING(pictures(2), np.random.default_rng(0), 1)


def test_six_views_by_hand():
    """One picture of 1 to 12 in three rows; beyond its border it is mirrored, without its border line again."""
    x = np.arange(1, 13, dtype=np.uint8).reshape(1, 3, 4, 1)
    expected = [
        (0.25, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]),
        (0.25, [[4, 3, 2, 1], [8, 7, 6, 5], [12, 11, 10, 9]]),
        (0.125, [[6, 5, 6, 7], [2, 1, 2, 3], [6, 5, 6, 7]]),
        (0.125, [[7, 6, 5, 6], [3, 2, 1, 2], [7, 6, 5, 6]]),
        (0.125, [[6, 7, 8, 7], [10, 11, 12, 11], [6, 7, 8, 7]]),
        (0.125, [[7, 8, 7, 6], [11, 12, 11, 10], [7, 8, 7, 6]]),
    ]
    found = [(weight, view[0, :, :, 0].tolist()) for weight, view in views_of(x)]
    assert sorted(found) == sorted(expected)


def test_cutout_covers_one_square_that_may_hang_over_the_border():
    x = np.zeros((4000, 9, 7, 1), np.uint8)
    changed = Augment(flip=False, shift=0, cutout=4)(x, np.random.default_rng(0))
    areas = set()
    for image in changed[..., 0]:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert np.all(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 128)
        areas.add((len(rows), len(columns)))
        assert np.count_nonzero(image) == len(rows) * len(columns)
    assert areas == {(height, width) for height in (2, 3, 4) for width in (2, 3, 4)}
    assert np.all(changed.any(axis=0))  # every pixel can be covered


@steady(30)
@given(st.integers(0, 5), st.integers(3, 9), st.integers(3, 9), st.integers(1, 4), st.integers(0, 2), st.booleans())
def test_any_shape_keeps_its_shape_and_its_argument(count, height, width, channels, shift, zeros):
    x = pictures(count, height, width, channels)
    before = x.copy()
    augment = Augment(shift=shift, cutout=2, padding="zeros" if zeros else "reflect")
    first, again = (augment(x, np.random.default_rng(5)) for _ in range(2))
    assert first.shape == x.shape and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(x, before)


def test_strided_input_is_read_right():
    x = pictures(20)
    view = np.asfortranarray(x)
    first, second = (Augment()(array, np.random.default_rng(2)) for array in (x, view))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Augment(padding="wrap"), "padding must be 'reflect' or 'zeros', got 'wrap'"),
        (lambda: Augment(shift=-1), "shift must be 0 pixels or more"),
        (lambda: Augment(shift=6)(pictures(1), np.random.default_rng(0)), "shift=6 leaves nothing of images of 8 x 6"),
        (lambda: Augment()(pictures(1)[0], np.random.default_rng(0)), r"got uint8 \(8, 6, 3\)"),
        (lambda: Augment()(pictures(1) / 255, np.random.default_rng(0)), "got float64"),
        (lambda: channel_statistics(pictures(0)), "at least one image"),
        (lambda: channel_statistics([1]), "got list"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_statistics_are_numpys():
    x = pictures(3000, 32, 32)
    x[..., 1] //= 3
    x[..., 2] = 77
    mean, deviation = channel_statistics(x)
    np.testing.assert_allclose(mean, x.mean(axis=(0, 1, 2), dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(deviation[:2], x[..., :2].std(axis=(0, 1, 2), dtype=np.float64), rtol=1e-10)
    assert deviation[2] == 1  # a channel without variation


def saved(image, suffix, folder, **settings):
    path = folder / f"picture.{suffix}"
    image.save(path, **settings)
    return path


def test_a_picture_of_the_right_size_comes_back_exactly(tmp_path):
    pixels = pictures(1, 32, 32)[0]
    path = saved(Image.fromarray(pixels), "png", tmp_path)
    np.testing.assert_array_equal(read_image(path, (32, 32)), pixels)
    np.testing.assert_array_equal(read_image(str(path)), pixels)
    np.testing.assert_array_equal(read_image(Image.open(path)), pixels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK", "YCbCr", "HSV", "LAB"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_mode_gives_bytes_of_the_asked_shape(mode, channels):
    grey = Image.fromarray(np.tile(np.linspace(0, 255, 40).astype(np.uint8), (30, 1)))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif mode == "LAB":
        from PIL import ImageCms

        change = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        image = ImageCms.applyTransform(grey.convert("RGB"), change)
    elif mode == "HSV":
        image = grey.convert("RGB").convert("HSV")
    else:
        image = grey.convert(mode)
    out = read_image(image, (15, 20), channels)
    assert out.shape == (15, 20, channels) and out.dtype == np.uint8
    assert out[:, 0].mean() < 40 and out[:, -1].mean() > 215  # dark left, light right, in every mode


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    values = np.array([[0, 257, 129 * 257, 65535]], np.uint16)
    path = saved(Image.fromarray(values), "png", tmp_path)
    assert read_image(path, channels=1)[0, :, 0].tolist() == [0, 1, 129, 255]


def test_transparency_is_put_on_white():
    clear = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    assert np.all(read_image(clear) == 255)
    palette = Image.new("P", (4, 4), 3)
    palette.info["transparency"] = 3
    assert np.all(read_image(palette, channels=1) == 255)


def test_a_camera_that_was_turned(tmp_path):
    upright = Image.new("RGB", (20, 40), "black")
    upright.paste("white", (0, 0, 20, 20))  # white above, black below
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees clockwise to view"
    path = saved(upright.transpose(Image.Transpose.ROTATE_90), "png", tmp_path, exif=exif)
    image = read_image(path, channels=1)
    assert image.shape == (40, 20, 1) and image[:20].min() == 255 and image[20:].max() == 0


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff"])
def test_a_shape_is_told_by_the_files_head(tmp_path, monkeypatch, kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (20, 40))
    (tmp_path / "turned").mkdir()
    upright, turned = saved(image, kind, tmp_path), saved(image, kind, tmp_path / "turned", exif=exif)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("the pixels were decoded"))
    assert shapes_of([upright, turned]) == ({upright: (40, 20, True), turned: (20, 40, True)}, {})


def test_the_middle_is_cut_out_with_its_proportions():
    wide = Image.new("L", (300, 100), 0)
    wide.paste(255, (100, 0, 200, 100))
    middle = read_image(wide, 10, channels=1)  # all of the white middle; its edge is blended with its neighbours
    assert middle.min() > 220 and np.all(middle[:, 1:-1] == 255)
    assert read_image(Image.new("L", (1, 1), 7), (5, 9), channels=1).tolist() == [[[7]] * 9] * 5


def test_a_photograph_is_decoded_no_finer_than_is_needed(tmp_path, monkeypatch):
    y, x = np.mgrid[:900, :1200]
    pixels = np.stack([127 + 100 * np.sin(x / 37 + y / 91), 127 + 100 * np.sin(x / 11), x * y % 251], -1)
    photograph = Image.fromarray(pixels.astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    path = saved(photograph, "jpg", tmp_path, quality=95, exif=exif)
    whole = read_image(path)
    decoded, turn = [], ImageOps.exif_transpose
    monkeypatch.setattr(ImageOps, "exif_transpose", lambda image: decoded.append(image.size) or turn(image))
    small = read_image(path, (24, 12))
    assert whole.shape == (1200, 900, 3) and decoded == [(300, 225)]
    assert np.abs(small - read_image(Image.fromarray(whole), (24, 12)).astype(int)).max() <= 2
    assert read_image(path, (600, 400)).shape == (600, 400, 3) and decoded[-1] == (1200, 900)


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_what_is_no_picture_is_one_clear_line(tmp_path, damage):
    stream = io.BytesIO()
    Image.fromarray(pictures(1, 200, 200)[0]).save(stream, "png")
    content = {"truncated": stream.getvalue()[:5000], "text": b"hello there", "empty": b""}[damage]
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"broken.png cannot be read as a picture: ") as caught:
        read_image(tmp_path / "broken.png", 32)
    assert "\n" not in str(caught.value) and ("it is empty" in str(caught.value)) == (damage == "empty")


def test_a_missing_file_a_folder_and_a_bomb(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no picture at"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ValueError, match="is a folder"):
        read_image(tmp_path)
    path = saved(Image.new("L", (50, 50)), "png", tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    with pytest.raises(ValueError, match=r"it has more than [0-9,]+ pixels: scale it down first"):
        read_image(path)
    with pytest.raises(ValueError, match="1 channel or 3"):
        read_image(path, channels=4)


@pytest.mark.parametrize("value", [100, 200, 40_000])
def test_dark_pictures_of_16_bits_stay_dark(tmp_path, value):
    Image.fromarray(np.full((4, 4), value, np.uint16)).save(tmp_path / "dark.png")
    assert abs(int(read_image(tmp_path / "dark.png", channels=1).max()) - value / 257) <= 1
