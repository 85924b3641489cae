"""What the fast routines copy, keep and reuse: as little as they say, since results alone would not show it."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from minnet import kernels, memory, process_memory, winograd
from minnet.memory import Geometry, Workspace, images, positions
from tests.drawing import normal


def buffers(space):
    """{name: how many numbers} of a workspace."""
    return {name: buffer.size for (name, _), buffer in space._buffers.items()}


def laid(*shape, seed=0):
    """Images (N, H, W, C) in the memory order (H, W, N, C) of these routines."""
    n, height, width, channels = shape
    return images(normal(height, width, n, channels, seed=seed))


# -- pooling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "out", "extent"),
    [
        ((2, 3), (2, 3), (0, 0), (1, 1), (2, 2), (4, 6)),  # a row and a column are left unseen
        ((3, 3), (2, 2), (0, 0), (1, 1), (2, 3), (5, 7)),  # an exact fit
        ((3, 1), (1, 2), (0, 0), (1, 1), (3, 4), (5, 7)),
        ((2, 2), (1, 1), (0, 0), (3, 4), (2, 3), (5, 7)),
        ((3, 3), (2, 2), (0, 0), (1, 1), (3, 3), (7, 7)),  # juts out below
        ((3, 3), (2, 2), (0, 0), (1, 1), (2, 4), (5, 9)),  # juts out to the right
        ((2, 2), (2, 2), (1, 0), (1, 1), (3, 3), (6, 6)),
        ((2, 2), (2, 2), (0, 1), (1, 1), (2, 4), (4, 8)),
        ((3, 3), (3, 3), (1, 1), (1, 1), (1, 2), (3, 6)),  # padding above and left; below and right a rest unseen
    ],
)
def test_pooling_copies_only_where_windows_reach_over_the_border(kernel, stride, padding, dilation, out, extent):
    geometry, x, space = Geometry(kernel, stride, padding, dilation), normal(1, 5, 7, 2), Workspace()
    assert geometry.extent(*out) == extent
    xp = kernels._pool_input(x, geometry, out, -7.0, space)
    (top, left), (bottom, right) = padding, extent
    if padding == (0, 0) and bottom <= 5 and right <= 7:
        assert np.shares_memory(xp, x) and not buffers(space)
        np.testing.assert_array_equal(xp, positions(x))
    else:
        assert not np.shares_memory(xp, x)
        expected = np.full((20, 20, 1, 2), -7.0)
        expected[top : top + 5, left : left + 7] = positions(x)
        np.testing.assert_array_equal(xp, expected[:bottom, :right])

    padded = laid(1, bottom, right, 2, seed=1)
    dx = kernels._unpad(positions(padded), x, geometry)
    whole = np.zeros((1, 20, 20, 2))
    whole[:, :bottom, :right] = padded
    np.testing.assert_array_equal(dx, whole[:, top : top + 5, left : left + 7])
    assert np.shares_memory(dx, padded) == (top + 5 <= bottom and left + 7 <= right)


def test_pooling_with_dilation_by_hand():
    x, space = np.arange(15.0).reshape(1, 3, 5, 1), Workspace()
    geometry, out = Geometry((2, 2), dilation=(2, 3)), (1, 2)
    y = kernels.max_pool(x, geometry, out, space)
    assert y[0, :, :, 0].tolist() == [[13, 14]]
    assert kernels.sum_pool(x, geometry, out, space)[0, :, :, 0].tolist() == [[0 + 3 + 10 + 13, 1 + 4 + 11 + 14]]
    dy = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    dx = kernels.max_pool_backward(dy, x, y, geometry, space)
    assert dx[0, :, :, 0].tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 2]]
    dx = kernels.sum_pool_backward(dy, x, geometry)
    assert dx[0, :, :, 0].tolist() == [[1, 2, 0, 1, 2], [0, 0, 0, 0, 0], [1, 2, 0, 1, 2]]


# -- convolution by columns ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 7, 8])
@pytest.mark.parametrize(
    ("geometry", "sides", "span"),
    [
        (Geometry((3, 3), padding=(1, 1)), (4, 6), (6, 8)),
        (Geometry((2, 3), (2, 3), (0, 0), (1, 1)), (5, 8), (4, 6)),  # a rest unseen: 2 rows of 2, 2 of 3
        (Geometry((3, 2), (1, 2), (3, 1), (2, 3)), (4, 7), (10, 8)),  # 6 rows of windows 5 high, 3 of windows 4 wide
    ],
    ids=str,
)
def test_convolution_by_columns_copies_what_windows_see(geometry, sides, span, channels):
    (kh, kw), (ph, pw), n, K = geometry.kernel, geometry.padding, 2, 4
    x, W, space = normal(n, *sides, channels), normal(kh, kw, channels, K, seed=1), Workspace()
    out_h, out_w = geometry.output(*sides)
    y = kernels.convolve(x, W, geometry, space, Workspace())
    expected = {"padded": span[0] * span[1] * n * channels, "columns": out_h * out_w * n * kh * kw * channels}
    if channels < 8:
        expected["planes"] = expected["padded"]
    assert buffers(space) == expected
    dx, _ = kernels.convolve_backward(normal(*y.shape, seed=2), x, W, geometry, space, Workspace())
    assert buffers(space) == expected
    assert dx.base.shape == (sides[0] + 2 * ph, sides[1] + 2 * pw, n, channels)  # padded, and no more


def test_columns_come_in_blocks_that_fit_the_cache():
    geometry, x = Geometry((3, 2), padding=(1, 0)), normal(2, 5, 4, 3)
    row = 3 * 2 * 3 * 3 * 2 * 8  # bytes: kernel, channels, width of the output, images, float64
    for budget, sizes in ((2 * row, [2, 2, 1]), (3 * row - 1, [2, 2, 1]), (3 * row, [3, 2]), (1, [1] * 5)):
        with mock.patch.object(kernels, "BLOCK_BYTES", budget):
            blocks = [rows for rows, _ in kernels._window_blocks(x, geometry, Workspace())]
        assert [rows.stop - rows.start for rows in blocks] == sizes


@pytest.mark.parametrize("channels", [3, 7, 8])
def test_columns_are_copied_in_the_longest_runs(channels):
    """Of few channels, whole rows of images a place in the window; of many, all channels a place."""
    geometry, x = Geometry((3, 2), padding=(1, 0)), normal(2, 5, 4, channels)
    ((_, columns),) = kernels._window_blocks(x, geometry, Workspace())
    assert columns.shape == (3 * 2 * channels, 5 * 3 * 2)
    assert (columns if channels < 8 else columns.T).flags.c_contiguous


@pytest.mark.parametrize("channels", [3, 8])
def test_an_empty_batch_gives_empty_results(channels):
    geometry, x, W = Geometry((3, 2)), np.zeros((0, 5, 4, channels)), normal(3, 2, channels, 4)
    y = kernels.convolve(x, W, geometry, Workspace(), Workspace())
    assert y.shape == (0, 3, 3, 4)
    dx, dW = kernels.convolve_backward(y, x, W, geometry, Workspace(), Workspace())
    assert dx.shape == x.shape and dW.shape == W.shape and not dW.any()
    assert winograd._tiles(x, 4, Geometry((3, 3), padding=(1, 1))) == ((5, 4), 2, 1, 2)


def test_winograd_is_taken_unless_exact_is_asked_for():
    x, W, dy = normal(1, 6, 6, 16), normal(3, 3, 16, 16, seed=1), normal(1, 4, 4, 16, seed=2)
    geometry, kept = Geometry((3, 3)), Workspace()
    kernels.convolve(x, W, geometry, Workspace(), Workspace(), exact=True)
    kernels.convolve(x, W, geometry, Workspace(), kept)
    assert set(buffers(kept)) == {"U", "V"}
    dx, dW = kernels.convolve_backward(dy, x, W, geometry, Workspace(), kept)
    right = kernels.convolve_backward(dy, x, W, geometry, Workspace(), Workspace(), exact=True)
    for fast, plain in zip((dx, dW), right, strict=True):
        np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-12)
        assert not np.array_equal(fast, plain)  # other sums, other rounding


# -- Winograd ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "th", "tw"), [((12, 8), 3, 2), ((4, 12), 1, 3), ((9, 8), 3, 2), ((12, 5), 3, 2), ((1, 3), 1, 1)], ids=str
)
@pytest.mark.parametrize("budget", [1, 1 << 22])
def test_winograd_copies_and_keeps_no_more_than_its_tiles(out, th, tw, budget):
    """With whole tiles, neither the output nor dy is copied; with a rest, both pass through whole tiles."""
    n, C, K = 2, 3, 5
    geometry, x, W = Geometry((3, 3)), laid(n, out[0] + 2, out[1] + 2, C), normal(3, 3, C, K, seed=1)
    whole, rows, width = out == (4 * th, 4 * tw), 1 if budget == 1 else th, 4 * tw + 2
    space, kept = Workspace(), Workspace()
    with mock.patch.object(winograd, "_BLOCK_BYTES", budget):
        y = winograd.forward(x, W, geometry, space, kept)
    y_right = kernels.convolve(x, W, geometry, Workspace(), Workspace(), exact=True)
    np.testing.assert_allclose(y, y_right, rtol=0, atol=1e-12)
    assert buffers(kept) == {"U": 36 * C * K, "V": th * tw * 36 * n * C}
    assert buffers(space) == {
        "half": max(6 * 3 * C * K, rows * 6 * width * n * C, rows * 4 * 6 * tw * n * K),
        "M": 36 * rows * tw * n * K,
    } | ({} if whole else {"y": 16 * th * tw * n * K})

    dy, space = laid(n, *out, K, seed=2), Workspace()
    with mock.patch.object(winograd, "_BLOCK_BYTES", budget):
        found = winograd.backward(dy, x, W, geometry, space, kept, True, True)
    right = kernels.convolve_backward(dy, x, W, geometry, Workspace(), Workspace(), exact=True)
    for actual, expected in zip(found, right, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-11)
    alone = Workspace()
    with mock.patch.object(winograd, "_BLOCK_BYTES", budget):
        np.testing.assert_array_equal(winograd.forward(x, W, geometry, alone, None), y)
    assert buffers(alone)["U"] == 36 * C * K  # without a backward pass only one block's V is ever there
    assert buffers(alone)["V"] == rows * tw * 36 * n * C
    assert found[0].base.size == (4 * th + 2) * (out[1] + 2) * n * C  # no more columns than the image has
    sizes = buffers(space)
    assert sizes.get("padded") == (None if whole else 16 * th * tw * n * K)
    assert (sizes["dU"], sizes["M"]) == (36 * C * K, 36 * rows * tw * n * K)
    assert sizes["dV"] == 36 * rows * tw * n * C
    assert ("dU part" in sizes) == (rows < th)


def test_winograd_reads_the_image_where_it_lies():
    """Only another memory order is copied; the result is the same."""
    x, W, geometry = laid(2, 6, 7, 3), normal(3, 3, 3, 5, seed=1), Geometry((3, 3), padding=(1, 1))
    ready, copied = Workspace(), Workspace()
    y = winograd.forward(x, W, geometry, ready, None)
    np.testing.assert_array_equal(winograd.forward(np.ascontiguousarray(x), W, geometry, copied, None), y)
    assert "padded" not in buffers(ready) and buffers(copied)["padded"] == x.size


@pytest.mark.parametrize(
    ("rows", "unpacked", "anew", "runs"),
    [
        (12, 12, 1, 1),
        (12, 11, 2, 2),
        (12, 11, 1, 1),  # the second reading would cost too much
        (12, 5, 9, 3),
        (12, 3, 4, 4),
        (12, 3, 3, 1),
        (12, 1, 12, 12),
        (12, 0, 99, 1),  # no run is short enough
        (13, 12, 99, 13),
    ],
)
def test_winograds_products_in_runs(rows, unpacked, anew, runs):
    """What the BLAS takes as it lies, and what may be read anew, both in products of one row."""
    a, b, out = normal(36, rows, 5), normal(36, 5, 7, seed=1), np.empty((36, rows, 7))
    for given in (a, np.ascontiguousarray(a.swapaxes(1, 2)).swapaxes(1, 2)):
        out[...] = np.nan
        with (
            mock.patch.multiple(winograd, _UNPACKED=35 * unpacked, _READ_ANEW=35 * anew),
            mock.patch.object(np, "matmul", wraps=np.matmul) as product,
        ):
            winograd._products(given, b, out)
        assert product.call_args.args[0].shape[1:-1] == ((rows,) if runs == 1 else (runs, rows // runs))
        np.testing.assert_allclose(out, a @ b, rtol=0, atol=1e-13)


def test_winograds_points_round_less_than_the_customary_ones():
    x, W = normal(8, 8, 8, 64).astype(np.float32), normal(3, 3, 64, 64, seed=1).astype(np.float32)
    geometry = Geometry((3, 3))
    exact = kernels.convolve(x.astype(float), W.astype(float), geometry, Workspace(), None, exact=True)

    def error(points):
        with mock.patch.object(winograd, "_POINTS", points):
            A, B, _ = transforms = winograd._transforms()
        single = [{np.dtype("f4"): matrix.astype("f4")} for matrix in transforms]
        with mock.patch.multiple(winograd, _A=single[0], _B=single[1], _G=single[2]):
            y = winograd.forward(x, W, geometry, Workspace(), None)
        assert np.array_equal(A, A.astype("f4")) and np.array_equal(B, B.astype("f4"))  # short binary fractions
        return np.sqrt(np.square(y - exact).mean() / np.square(exact).mean())

    assert error(winograd._POINTS) < 8e-7 < 1.1e-6 < error((0.0, 1.0, -1.0, 2.0, -2.0))


@pytest.mark.parametrize(("channels", "K"), [(3, 5), (7, 2)])
def test_winograd_takes_as_many_rows_of_tiles_as_fit_in_blocks_of_one_size(channels, K):
    x, geometry = normal(2, 14, 11, channels), Geometry((3, 3), padding=(1, 0))  # 14x9 outputs: 4x3 tiles
    row = 36 * 3 * 2 * max(channels, K) * 8  # bytes: products, tiles, images, channels, float64
    for budget, rows in ((1, 1), (2 * row - 1, 1), (2 * row, 2), (3 * row, 2), (4 * row, 4), (100 * row, 4)):
        with mock.patch.object(winograd, "_BLOCK_BYTES", budget):
            t = winograd._tiles(x, K, geometry)
        assert t == ((14, 9), 4, 3, rows)
        assert [start for start, _ in t.blocks()] == list(range(0, 4, rows))
        assert sum(count for _, count in t.blocks()) == 4


# -- the system's memory -------------------------------------------------------------------------------------------


@pytest.fixture
def mallopt_unasked():
    process_memory.keep_freed_memory.cache_clear()
    yield
    process_memory.keep_freed_memory.cache_clear()


def test_what_glibc_is_told(mallopt_unasked):
    """malloc.h: M_TRIM_THRESHOLD is -1, M_MMAP_THRESHOLD -3 (at most 32 MiB), M_ARENA_MAX -8."""
    with mock.patch("platform.libc_ver", return_value=("glibc", "2.36")), mock.patch("ctypes.CDLL") as library:
        for _ in range(2):  # the second time it is done
            process_memory.keep_freed_memory()
        assert library.mock_calls == [
            mock.call(None),
            mock.call().mallopt(-8, 1),
            mock.call().mallopt(-3, 32 * 1024**2),
            mock.call().mallopt(-1, 1024**3),
        ]
        library.reset_mock()
        process_memory.release_freed_memory()
        assert library.mock_calls == [mock.call(None), mock.call().malloc_trim(0)]


@pytest.mark.parametrize("other", [("", ""), ("musl", "1.2.4"), ("libc", "6")], ids=str)
def test_another_c_library_is_left_alone(other, mallopt_unasked):
    """A Mac's has neither function."""
    with mock.patch("platform.libc_ver", return_value=other), mock.patch("ctypes.CDLL") as library:
        process_memory.keep_freed_memory()
        process_memory.release_freed_memory()
    assert not library.mock_calls


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells of memory there")
def test_the_peak_of_memory_is_the_systems():
    def told():
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

    before, found, after = told(), process_memory.peak_memory(), told()
    assert before <= found <= after < before + 1


@pytest.mark.parametrize(("system", "mib"), [("linux", 2.0), ("darwin", 2 / 1024), ("freebsd", 2.0), ("zos", 2.0)])
def test_the_peak_of_memory_where_no_file_tells(system, mib, monkeypatch):
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: SimpleNamespace(ru_maxrss=2048 + who))
    monkeypatch.setitem(sys.modules, "resource", usage)
    monkeypatch.setattr(process_memory.sys, "platform", system)
    for text in ("Name: python", None):
        with mock.patch.object(Path, "read_text", return_value=text, side_effect=None if text else OSError):
            assert process_memory.peak_memory() == mib
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    with mock.patch.object(Path, "read_text", side_effect=OSError):
        assert process_memory.peak_memory() == 0


@pytest.mark.parametrize("sides", [(4, 4), (4, 1), (1, 4)])
def test_padding_of_which_only_the_border_is_seen(sides):
    """One window that lies in the padding above and left: of the image itself nothing is copied."""
    x = laid(2, *sides, 3)
    assert memory.pad(x, (1, 1), (2, 2), Workspace(), 7.0).tolist() == np.full((1, 1, 2, 3), 7.0).tolist()


def test_who_asks_keeps_the_data_as_they_are():
    x = np.zeros(3)
    seen = memory.spared(lambda given: given, x)
    with pytest.raises(ValueError, match="read-only"):
        seen[0] = 1
    x[0] = 2
    assert seen[0] == 2 and memory.spared(sum, [1, 2]) == 3
    with pytest.raises(ValueError, match="another cause"):
        memory.spared(mock.Mock(side_effect=ValueError("another cause")), x)
    with pytest.raises(ValueError, match="another cause"):
        memory.spared(mock.Mock(side_effect=ValueError("another cause")), x, (7, 2))
    for given, told in ((None, x.shape), ((7, 2), (7, 2))):
        with pytest.raises(ValueError, match=re.escape(f"expected (3, 4), got {told}")):
            memory.spared(mock.Mock(side_effect=ValueError(f"expected (3, 4), got {x.shape}")), x, given)


def test_who_works_in_place_is_named():
    class Centred:
        def forward(self, x):
            x -= 1

    class Chain:
        def forward(self, x):
            Centred().forward(x)

    for forward in (Chain().forward, Centred().forward):
        with pytest.raises(ValueError, match=r"^Centred: forward changes its input: write x = x - "):
            memory.spared(forward, np.zeros(3))
    with pytest.raises(ValueError, match=r"^the model: forward changes its input"):
        memory.spared(lambda x: x.sort(), np.zeros(3))
