import errno
import io
import json
import os
import pathlib
import random
import shutil
import signal
import stat
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from minnet import checkpoint, files
from minnet.checkpoint import load, load_model, model_from, model_to, save
from minnet.layers import BatchNorm, Conv2d, Dropout, Embedding, Flatten, Layer, Linear, ReLU, Residual, Sequential

ARRAYS = {
    "model/0.W": np.arange(12, dtype=np.float32).reshape(3, 4),
    "optimizer/0.W/steps": np.array(7),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "empty": np.zeros((0, 5), np.int8),
    "mask": np.array([True, False]),
    "bytes": np.arange(5, dtype=np.uint8),
    "words": np.array(["na\u00efve", "\u8f6f\u4ef6", ""]),
    "strided": np.arange(10)[::2],
    "a name with spaces": np.float64([1, np.nan, np.inf]),
    "file": np.ones(1),
}
HEADER = {"epoch": 3, "best": float("inf"), "classes": ["cat", "\u72d7"], "nested": {"a": [1, None, True]}}


def same(loaded, expected):
    assert loaded.keys() == expected.keys()
    for name, array in expected.items():
        assert loaded[name].dtype == array.dtype, name
        assert loaded[name].shape == array.shape, name
        assert np.array_equal(loaded[name], array, equal_nan=array.dtype.kind == "f"), name
        assert loaded[name].flags.writeable, name
    return True


def test_what_goes_in_comes_out(tmp_path):
    path = tmp_path / "last.ckpt"
    save(path, ARRAYS, HEADER)
    arrays, header = load(path)
    assert same(arrays, ARRAYS)
    assert header == HEADER
    assert os.listdir(tmp_path) == ["last.ckpt"]
    with np.load(path) as opened:
        assert np.array_equal(opened["model/0.W"], ARRAYS["model/0.W"])
    save(str(path), {}, {})
    assert load(str(path)) == ({}, {})


@pytest.mark.parametrize("value", [np.ones(2), {1, 2}, np.tanh])
def test_a_header_that_json_cannot_hold_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match=rf"no checkpoint can hold this header, .*{type(value).__name__} .*tolist\(\)"):
        save(tmp_path / "x.ckpt", {}, {"model": {"layer": "Mine", "argument": value}})
    assert not list(tmp_path.iterdir())


def test_equal_content_gives_equal_bytes_and_usual_permissions(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    save(one, ARRAYS, HEADER)
    save(two, ARRAYS, HEADER)
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive:  # a date steps by two seconds, so two files of one moment say nothing of it
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert stat.S_IMODE(one.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_other_byte_orders_become_ours(tmp_path):
    path = tmp_path / "x"
    save(path, {"a": np.arange(3, dtype=">f4"), "t": np.array(["ab"], dtype=">U3")}, {})
    arrays = load(path)[0]
    assert arrays["a"].dtype == np.float32
    assert np.array_equal(arrays["a"], [0, 1, 2])
    assert arrays["t"].tolist() == ["ab"]


@pytest.mark.parametrize(
    "name",
    ["", "/etc/x", "../x", "a/../b", "a//b", "a/", "./a", "a\\b", "c:x", "a\nb", "a\0b", "a*", "a?", 'a"', "a|b"],
)
def test_names_that_could_leave_a_folder(tmp_path, name):
    with pytest.raises(ValueError, match="cannot name an array"):
        save(tmp_path / "x", {name: np.ones(1)}, {})
    assert os.listdir(tmp_path) == []
    write_zip(tmp_path / "x", {f"{name}.npy": npy(np.ones(1))})
    with pytest.raises(ValueError, match="not a sound checkpoint"):
        load(tmp_path / "x")


def test_first_guesses_are_answered(tmp_path):
    for array in ([1, 2], 3.0, None):
        with pytest.raises(ValueError, match=r"'a' is of the type \w+, no array: np\.asarray makes one"):
            save(tmp_path / "x", {"a": array}, {})
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    with pytest.raises(ValueError, match="'a' is of the type MaskedArray, no array"):
        save(tmp_path / "x", {"a": masked}, {})
    with pytest.raises(ValueError, match=r"takes arrays by name, save\(path, \*model_to\(model\)\); got Sequential$"):
        save(tmp_path / "x", network(), {})
    with pytest.raises(ValueError, match="'7' cannot name an array"):
        save(tmp_path / "x", {7: np.ones(1)}, {})
    assert os.listdir(tmp_path) == []
    model = network()
    save(tmp_path / "x", *model_to(model))
    for guess in (tmp_path / "x", load(tmp_path / "x")):
        with pytest.raises(ValueError, match=r"takes the arrays by name, load\(path\)\[0\]; got \w+$"):
            load_model(model, guess)
    with pytest.raises(ValueError, match=r"named as '0\.W', where load_model expects 'model/0\.W', as of model_to"):
        load_model(model, model.named_parameters())
    save(tmp_path / "x", {"a": np.float32(3)}, {})
    assert load(tmp_path / "x")[0]["a"] == 3


def test_weights_that_were_not_copied_are_none_to_go_back_to():
    model = network()
    best = model_to(model)[0]
    kept = {name: array.copy() for name, array in best.items()}
    model[4].W += 1
    with pytest.raises(
        ValueError, match=r"the model's own, which hold what it holds now: keep copies, \{name: array\.co"
    ):
        load_model(model, best)
    load_model(model, kept)
    assert np.array_equal(model[4].W, network()[4].W)
    load_model(Sequential(ReLU()), model_to(Sequential(ReLU()))[0])


@pytest.mark.parametrize("array", [np.array([object()]), np.array([b"x"]), np.zeros(2, "i4,i4"), np.array([1j])])
def test_arrays_that_are_not_kept(tmp_path, array):
    with pytest.raises(ValueError, match="holds numbers, booleans and text"):
        save(tmp_path / "x", {"a": array}, {})
    assert os.listdir(tmp_path) == []


# -- hostile and broken files ------------------------------------------------------------------------------------

GOOD_HEADER = json.dumps(
    {"format": checkpoint.FORMAT, "version": checkpoint.VERSION, "arrays": ["a"], "header": {}}
).encode()


def npy(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def claimed(description, content=b"", version=(1, 0)):
    text = description.encode() + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + content


def write_zip(path, members, header=GOOD_HEADER, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        if header is not None:
            archive.writestr(checkpoint.HEADER, header)
        for name, content in members.items():
            archive.writestr(name, content)


class Shout:
    def __reduce__(self):
        return (os.mkdir, (os.environ["MINNET_TEST_TRAP"],))


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"a.txt": b"x"}, "'a.txt' cannot name an array"),
        ({"a.npy": b""}, "not a sound checkpoint"),
        ({"a.npy": b"\x93NUMPY\x01\x00"}, "not a sound checkpoint"),
        ({"a.npy": b"GARBAGE" * 20}, "magic string"),
        ({"a.npy": npy(np.ones(100))[:-8]}, r"claims float64 \(100,\) but has 792 bytes"),
        ({"a.npy": npy(np.ones(100)) + b"12345678"}, "but has 808 bytes"),
        ({"a.npy": claimed("{'descr': '<f8', 'fortran_order': False, 'shape': (10**9, 10**9)}")}, "not a sound"),
        (
            {"a.npy": claimed("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 8)}")},
            "but has 0 bytes",
        ),
        (
            {"a.npy": claimed("{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 4)}")},
            "but has 0",
        ),
        ({"a.npy": claimed("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}", b"8" * 8)}, "not numbers"),
        (
            {"a.npy": claimed("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 99999999999999999999)}")},
            "not a sound",
        ),
        ({"a.npy": claimed("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"8" * 8)}, "not numbers"),
        ({"a.npy": claimed("{'descr': '<U0', 'fortran_order': False, 'shape': (9,)}")}, "not numbers"),
        ({"a.npy": claimed("{'descr': '|V8', 'fortran_order': False, 'shape': (1,)}", b"8" * 8)}, "not numbers"),
        ({"a.npy": claimed("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}", b"8" * 8)}, "not numbers"),
        ({"a.npy": claimed("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", b"\xff" * 4)}, "what is no <U1"),
        ({"a.npy": claimed("{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", b"\1\2")}, "what is no bool"),
        ({"a.npy": claimed("__import__('os').getcwd()")}, "not a sound checkpoint"),
        ({"a.npy": claimed("{" * 5000)}, "not a sound checkpoint"),
        ({"a.npy": claimed("-" * 9000 + "1")}, "not a sound checkpoint"),
        (
            {"a.npy": claimed("{'descr': '<f8', 'fortran_order': False, 'shape': ()}" + " " * 20000, b"8" * 8)},
            "not a sound",
        ),
        (
            {"a.npy": claimed("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", b"8" * 8, (9, 0))},
            "not a sound",
        ),
    ],
)
def test_hostile_members(tmp_path, members, said):
    write_zip(tmp_path / "x", members)
    with pytest.raises(ValueError, match=said) as caught:
        load(tmp_path / "x")
    assert str(tmp_path / "x") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_version_two_of_the_array_format_is_read(tmp_path):
    content = claimed("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", np.ones(1).tobytes(), (2, 0))
    write_zip(tmp_path / "x", {"a.npy": content})
    assert load(tmp_path / "x")[0]["a"] == 1


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, "it has no header.json"),
        (b"", "not a sound"),
        (b"{", "not a sound"),
        (b"\xff\xfe", "not a sound"),
        (b"[" * 100_000, "not a sound"),
        (b"[]", "not that of a minnet checkpoint"),
        (b"{}", "not that of a minnet checkpoint"),
        (GOOD_HEADER.replace(b": 1", b": 2"), "its version is 2, this minnet reads 1"),
        (GOOD_HEADER.replace(b"{}", b"[]"), "not a JSON object"),
        (GOOD_HEADER, "does not hold the arrays that its header lists"),
    ],
)
def test_hostile_headers(tmp_path, header, said):
    write_zip(tmp_path / "x", {}, header)
    with pytest.raises(ValueError, match=said) as caught:
        load(tmp_path / "x")
    assert len(str(caught.value)) < 500


def test_bombs_and_doubles(tmp_path):
    write_zip(tmp_path / "x", {"a.npy": npy(np.zeros(10**6))}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="is compressed"):
        load(tmp_path / "x")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr(checkpoint.HEADER, GOOD_HEADER)
        for _ in range(2):
            archive.writestr("a.npy", npy(np.ones(1)))
    with pytest.raises(ValueError, match="two members have one name"):
        load(tmp_path / "x")
    # One member's 80 kB listed a hundred times under other names: 8 MB claimed by a file of 90 kB.
    write_zip(tmp_path / "x", {"a.npy": npy(np.zeros(10**4))})
    with zipfile.ZipFile(tmp_path / "x", "a") as archive:
        original = archive.getinfo("a.npy")
        for index in range(100):
            twin = zipfile.ZipInfo(f"{index:05d}.npy")
            for field in ("CRC", "compress_size", "file_size", "header_offset"):
                setattr(twin, field, getattr(original, field))
            archive.filelist.append(twin)
        archive._didModify = True
    with pytest.raises(ValueError, match="claim more bytes than the file's"):
        load(tmp_path / "x")


def test_a_pickle_inside_is_never_opened(tmp_path, monkeypatch):
    trap = tmp_path / "trap"
    monkeypatch.setenv("MINNET_TEST_TRAP", str(trap))
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([Shout()], object), allow_pickle=True)
    write_zip(tmp_path / "x", {"a.npy": buffer.getvalue()})
    with pytest.raises(ValueError, match="not numbers"):
        load(tmp_path / "x")
    assert not trap.exists()
    with np.load(tmp_path / "x", allow_pickle=True) as opened:  # the trap works
        opened["a"]
    assert trap.exists()


def test_cut_off_anywhere_or_with_any_byte_changed(tmp_path):
    path = tmp_path / "x"
    save(path, {"a": np.arange(50), "b": np.array(["x", "yz"])}, {"k": 1})
    good = path.read_bytes()
    expected = load(path)
    for length in range(0, len(good), 7):
        path.write_bytes(good[:length])
        with pytest.raises(ValueError, match="not a sound checkpoint"):
            load(path)
    rng = random.Random(0)
    refused = 0
    for place in range(len(good)):
        changed = bytearray(good)
        changed[place] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            arrays, header = load(path)  # a flag or a date that means nothing to us may change
            assert same(arrays, expected[0])
            assert header == expected[1]
        except ValueError:
            refused += 1
    assert refused > 0.7 * len(good)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="not a sound checkpoint"):
        load(path)
    path.write_bytes(os.urandom(1000))
    with pytest.raises(ValueError, match="not a sound checkpoint"):
        load(path)


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^cannot read .*absent: No such file or directory$"):
        load(tmp_path / "absent")
    with pytest.raises(OSError, match=r"^cannot read .*: Is a directory$"):
        load(tmp_path)
    with pytest.raises(OSError, match=r"^cannot write .*/no/x: No such file or directory$"):
        save(tmp_path / "no" / "x", {}, {})
    (tmp_path / "folder").mkdir()
    for folder in (tmp_path / "folder", "", ".", "/"):
        with pytest.raises(IsADirectoryError, match=rf"^cannot write {folder}: a folder has that name$"):
            save(folder, {}, {})
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders, and links for administrators only")
def test_a_link_is_followed_and_a_pipe_stays(tmp_path):
    (tmp_path / "large").mkdir()
    (tmp_path / "latest").symlink_to(tmp_path / "large" / "x")
    for epoch in (1, 2):
        save(tmp_path / "latest", {}, {"epoch": epoch})
        assert load(tmp_path / "large" / "x")[1] == {"epoch": epoch}
    assert (tmp_path / "latest").is_symlink() and os.listdir(tmp_path / "large") == ["x"]
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to pipe").symlink_to("pipe")
    for name in ("pipe", "to pipe"):
        with pytest.raises(OSError, match=rf"^cannot write .*/{name}: it is no ordinary file$"):
            save(tmp_path / name, {}, {})
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


# -- interruptions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, failing, exists):
    path = tmp_path / "last.ckpt"
    if exists:
        save(path, {"a": np.zeros(3)}, {"epoch": 1})

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if failing == "write":
        monkeypatch.setattr(np.lib.format, "write_array", full)
    else:
        monkeypatch.setattr(os, failing, full)
    with pytest.raises(OSError, match=r"^cannot write .*last.ckpt: No space left on device") as caught:
        save(path, {"a": np.ones(3)}, {"epoch": 2})
    assert caught.value.errno == errno.ENOSPC
    assert ("what it held before is untouched" in str(caught.value)) is exists
    monkeypatch.undo()
    assert os.listdir(tmp_path) == (["last.ckpt"] if exists else [])
    if exists:
        assert load(path)[1] == {"epoch": 1}


FILL = """
import resource, sys
import numpy as np
from minnet.checkpoint import load, save
path, limit = sys.argv[1], int(sys.argv[2])
save(path, {"a": np.zeros(10)}, {"epoch": 1})
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
for size in (10_000, 100_000, 1_000_000):
    try:
        save(path, {"a": np.zeros(size), "b": np.ones(size)}, {"epoch": 2})
    except OSError as error:
        print(error)
print(load(path)[1]["epoch"], load(path)[0]["a"].size)
"""


def test_a_disk_that_really_fills(tmp_path):
    """On a small file system of its own where the system lets us mount one, else under a limit on the file size."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(small)]
    mounted = shutil.which("mount") is not None and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        command = [sys.executable, "-c", FILL, str(small / "x"), "0" if mounted else "524288"]
        done = subprocess.run(command, capture_output=True, text=True)
        left = os.listdir(small)
    finally:
        if mounted:
            subprocess.run(["umount", str(small)], check=True)
    assert done.stderr == ""
    *errors, last = done.stdout.splitlines()
    reason = "No space left on device" if mounted else "File too large"
    assert errors == [f"cannot write {small / 'x'}: {reason}; what it held before is untouched"] * 2
    assert last == "2 10000"
    assert left == ["x"]


ENDLESS = """
import sys
import numpy as np
from minnet.checkpoint import save
number = 0
while True:
    number += 1
    save(sys.argv[1], {"a": np.full(50_000, number), "b": np.full(7, number)}, {"number": number})
    print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_in_the_middle_of_saving(tmp_path):
    path = tmp_path / "x"
    rng = random.Random(1)
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            time.sleep(rng.random() * 0.05)
            os.kill(process.pid, signal.SIGKILL)
            finished = [int(line) for line in process.stdout.read().split()]
        arrays, header = load(path)
        assert header["number"] in ((finished or [1])[-1], (finished or [1])[-1] + 1)
        assert (arrays["a"] == header["number"]).all()
        assert (arrays["b"] == header["number"]).all()


def test_leftovers_of_killed_runs_are_removed_in_time(tmp_path):
    young, old, foreign = (tmp_path / name for name in (".x.12.partial", ".x.34.partial", ".y.56.partial"))
    for file in (young, old, foreign):
        file.write_bytes(b"")
    for file in (old, foreign):
        os.utime(file, (time.time() - 4000,) * 2)
    save(tmp_path / "x", {}, {})
    assert {file.name for file in tmp_path.iterdir()} == {"x", ".x.12.partial", ".y.56.partial"}
    bracketed = tmp_path / ".[y].34.partial"
    bracketed.write_bytes(b"")
    os.utime(bracketed, (time.time() - 4000,) * 2)
    save(tmp_path / "[y]", {}, {})  # a name, and no pattern
    assert {file.name for file in tmp_path.iterdir()} == {"x", "[y]", ".x.12.partial", ".y.56.partial"}


@pytest.mark.parametrize("held", [0, 1, 5, 6])
def test_a_file_that_windows_holds_for_a_moment_is_waited_for(tmp_path, monkeypatch, held):
    replace, pauses = os.replace, []

    def refusing(source, target):
        if len(pauses) < held:
            raise PermissionError(13, "held by a virus scanner")
        replace(source, target)

    partial, path = tmp_path / "partial", tmp_path / "x"
    partial.touch()
    monkeypatch.setattr(files, "os", SimpleNamespace(name="nt", replace=refusing))
    monkeypatch.setattr(files, "time", SimpleNamespace(sleep=pauses.append))
    if held > 5:
        with pytest.raises(PermissionError, match="held by a virus scanner"):
            files._take_name(partial, path)
    else:
        files._take_name(partial, path)
    assert path.exists() == (held <= 5)
    assert len(pauses) == min(held, 5) and sum(pauses) <= 3


def test_a_leftover_that_cannot_be_removed_is_left(tmp_path, monkeypatch):
    (tmp_path / ".x.34.partial").touch()
    os.utime(tmp_path / ".x.34.partial", (0, 0))
    with monkeypatch.context() as patched:
        patched.setattr(pathlib.Path, "unlink", mock.Mock(side_effect=PermissionError))
        save(tmp_path / "x", ARRAYS, {})
    assert {file.name for file in tmp_path.iterdir()} == {"x", ".x.34.partial"}


def test_a_file_that_another_writer_has_just_finished_is_no_leftover(tmp_path, monkeypatch):
    (tmp_path / ".x.12.partial").write_bytes(b"")
    found = pathlib.Path.glob

    def late(folder, pattern):
        for path in list(found(folder, pattern)):
            path.unlink()
            yield path

    monkeypatch.setattr(pathlib.Path, "glob", late)
    save(tmp_path / "x", {}, {"epoch": 1})
    assert load(tmp_path / "x")[1] == {"epoch": 1}


def test_reading_takes_the_memory_of_the_arrays_and_little_more(tmp_path):
    array = np.arange(2_000_003.0).reshape(1, -1)  # 16 MB, in pieces with a rest
    save(tmp_path / "x", {"a": array}, {})
    load(tmp_path / "x")  # what is imported at first counts elsewhere
    tracemalloc.start()
    loaded = load(tmp_path / "x")[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(loaded["a"], array) and peak < 1.7 * array.nbytes


def test_want_of_memory_does_not_say_that_a_checkpoint_is_broken(tmp_path, monkeypatch):
    save(tmp_path / "x", {"a": np.zeros(3)}, {})
    arrays, header = model_to(Sequential(Linear(2, 1)))
    monkeypatch.setattr(np, "empty", mock.Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError):
        load(tmp_path / "x")
    monkeypatch.setattr(checkpoint, "rebuild", mock.Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError):
        model_from(arrays, header)


@pytest.mark.skipif(os.name == "nt", reason="a folder cannot be opened there")
def test_a_file_and_then_its_name_are_on_the_disk(tmp_path, monkeypatch):
    synced, sync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle)) or sync(handle))
    with files.written_whole(tmp_path / "x") as file:
        file.write(b"hello")
    whole, folder = synced
    assert whole.st_size == 5 and whole.st_ino == (tmp_path / "x").stat().st_ino
    assert folder.st_ino == tmp_path.stat().st_ino


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="lists open files")
def test_nothing_stays_open(tmp_path):
    save(tmp_path / "x", ARRAYS, HEADER)
    before = os.listdir("/proc/self/fd")
    for _ in range(5):
        save(tmp_path / "x", ARRAYS, HEADER)
    assert len(os.listdir("/proc/self/fd")) <= len(before)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_stopped_by_hand(tmp_path, monkeypatch, stop):
    path = tmp_path / "x"
    save(path, {"a": np.zeros(3)}, {"epoch": 1})

    def interrupted(*args):
        raise stop

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(stop):
        save(path, {"a": np.ones(3)}, {"epoch": 2})
    assert os.listdir(tmp_path) == ["x"]
    assert load(path)[1] == {"epoch": 1}


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # as on Windows
    monkeypatch.setattr(pathlib.Path, "glob", lambda *args: [])
    save(tmp_path / "x", {}, {"epoch": 1})
    monkeypatch.undo()
    assert load(tmp_path / "x")[1] == {"epoch": 1}


# -- models ------------------------------------------------------------------------------------------------------


def network(seed=0):
    body = Sequential(Conv2d(4, 4, 3, padding=1, bias=False, rng=seed), BatchNorm(4), ReLU())
    return Sequential(
        Conv2d(3, 4, 3, stride=2, rng=seed + 1), Residual(body), Flatten(), Dropout(0.5), Linear(36, 5, rng=seed + 2)
    )


def test_a_model_comes_back_with_its_weights_statistics_and_frozen_parts(tmp_path):
    model = network()
    x = np.random.default_rng(0).standard_normal((6, 8, 8, 3)).astype(np.float32)
    for _ in range(3):
        model.forward(x)  # moves the running statistics
    model[0].freeze("W")
    model.eval()
    expected = model.forward(x)
    arrays, header = model_to(model)
    save(tmp_path / "x", arrays, header)
    again = model_from(*load(tmp_path / "x"))
    assert repr(again) == repr(model)
    assert again[0].frozen == ("W",)
    assert np.array_equal(again.eval().forward(x), expected)
    arrays["model/4.W"][...] = 0
    assert again[4].W.any(), "loading copies"


def test_the_dtype_is_kept(tmp_path):
    model = network().astype(np.float64)
    again = model_from(*model_to(model))
    assert again[4].W.dtype == np.float64
    assert np.array_equal(again[4].W, model[4].W)
    assert checkpoint.model_dtype(Sequential(ReLU())) == np.float32


def test_weights_that_do_not_fit_change_nothing():
    model = network()
    before = {place: array.copy() for place, array in model.named_parameters().items()}
    arrays, _ = model_to(network(seed=7))
    weights = arrays["model/4.W"]
    for change, said in (
        ({"model/4.W": weights.T}, r"'4.W' is float32 \(5, 36\), the model's float32 \(36, 5\)"),
        ({"model/4.W": weights.astype(np.float64)}, r"'4.W' is float64 \(36, 5\), the model's float32"),
        ({"model/9.W": weights}, "'9.W' is unexpected"),
    ):
        with pytest.raises(ValueError, match=said):
            load_model(model, arrays | change)
    without = {name: array for name, array in arrays.items() if name not in ("model/4.W", "model/1.body.1.running_var")}
    with pytest.raises(ValueError, match=r"'1.body.1.running_var' is missing, '4.W' is missing"):
        load_model(model, without)
    with pytest.raises(ValueError, match=r"and \d+ more$"):
        load_model(model, {})
    for place, array in model.named_parameters().items():
        assert np.array_equal(array, before[place])
    load_model(model, arrays | {"optimizer/0.W/momentum": weights})
    assert np.array_equal(model[4].W, weights)


class Own(Layer):
    parameters = ("W",)

    def __init__(self, size):
        if size > 99:
            raise OverflowError("too large for me")
        self.size = size
        self.W = np.zeros(size, np.float32)


def test_only_known_classes_are_built():
    arrays, header = model_to(Sequential(Own(3)))
    with pytest.raises(ValueError, match=r"Own is not .* of its own: pass it in classes=\{'Own': Own\}"):
        model_from(arrays, header)
    assert isinstance(model_from(arrays, header, classes={"Own": Own})[0], Own)
    for name in ("Layer", "RowGradient", "rebuild", "os"):
        with pytest.raises(ValueError, match=r"unknown layer|no model can be built|cannot rebuild|weights do not fit"):
            model_from(arrays, {"model": {"layer": name}, "dtype": "float32"})
    with pytest.raises(ValueError, match=r"no model can be built.*too large for me"):
        model_from(arrays, {"model": {"layer": "Own", "size": 100}, "dtype": "float32"}, classes={"Own": Own})


def test_ones_own_layer_is_not_taken_for_the_librarys_of_that_name():
    leaky = type("ReLU", (Own,), {"__module__": "mine"})
    arrays, header = model_to(Sequential(leaky(3)))
    with pytest.raises(ValueError, match=r"ReLU is not the library's but a class of its own: pass it in classes="):
        model_from(arrays, header)
    assert type(model_from(arrays, header, classes={"ReLU": leaky})[0]) is leaky


def nested(depth):
    described = {"layer": "ReLU"}
    for _ in range(depth):
        described = {"layer": "Sequential", "layers": [described]}
    return described


@pytest.mark.parametrize(
    "described",
    [
        {"layer": "Linear", "in_features": 10**9, "out_features": 10**9, "bias": True},
        {"layer": "Linear", "in_features": 60_000, "out_features": 60_000, "bias": True},
        {"layer": "Sequential", "layers": [{"layer": "Embedding", "num_embeddings": 10**10, "embedding_dim": 1}]},
        {"layer": "Conv2d", "in_channels": 3, "out_channels": 4, "kernel_size": [50_000, 50_000]},
        {"layer": "Conv2d", "in_channels": 3, "out_channels": 4, "kernel_size": 50_000},
        {"layer": "Conv2d", "in_channels": 900, "out_channels": 900, "kernel_size": 900},
        {"layer": "Sequential", "layers": [{"layer": "Linear", "in_features": 999, "out_features": 999}] * 10_000},
        {"layer": "Conv2d", "in_channels": 3, "out_channels": 4, "kernel_size": 3, "groups": 0},
        {"layer": "Linear", "in_features": "x", "out_features": 3},
        {"layer": "Linear", "in_features": -1, "out_features": 3},
        {"layer": "Linear", "in_features": 10**30, "out_features": 10**30},
        {"layer": "Linear"},
        {"layer": ["Linear"]},
        {},
        None,
        [],
        5,
        "Linear",
        nested(5000),
    ],
)
def test_hostile_descriptions(described):
    start = time.perf_counter()
    with pytest.raises(ValueError) as caught:  # any one line will do
        model_from({"model/W": np.zeros((2, 2), np.float32)}, {"model": described, "dtype": "float32"})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert time.perf_counter() - start < 10
    for header in ({"model": {"layer": "ReLU"}, "dtype": "object"}, {"model": {"layer": "ReLU"}}, {}):
        with pytest.raises(ValueError, match=r"no model can be built|weights do not fit|not in object"):
            model_from({"model/W": np.zeros(2)}, header)


def test_what_a_description_asks_for_is_compared_with_what_is_stored():
    inner = {"layer": "Embedding", "num_embeddings": 10**10, "embedding_dim": 1}
    for described in (inner, {"layer": "Sequential", "layers": [inner]}, {"layer": "Residual", "body": inner}):
        with pytest.raises(ValueError, match=r"the description asks for .* but only 4 numbers are stored"):
            model_from({"model/W": np.zeros((2, 2), np.float32)}, {"model": described, "dtype": "float32"})


def test_large_but_honest_models_are_built():
    depthwise = Conv2d(64, 64, 3, padding=1, groups=64), Conv2d(2048, 2048, 3, groups=2048)
    for model in (Embedding(200_000, 2), *depthwise, Linear(5000, 2, bias=False)):
        assert repr(model_from(*model_to(model))) == repr(model)


class Fourier(Layer):
    buffers = ("B",)

    def __init__(self, features, seed, inside=None):
        self.features, self.seed, self.inside = features, seed, inside
        self.B = np.random.default_rng(seed).standard_normal(features).astype(np.float32)


def test_a_large_number_in_ones_own_layer_is_no_size():
    model = Sequential(Fourier(4, seed=20240607), Linear(4, 2))
    arrays, header = model_to(model)
    assert repr(model_from(arrays, header, classes={"Fourier": Fourier})) == repr(model)
    huge = {"layer": "Linear", "in_features": 60_000, "out_features": 60_000}
    hidden = {"layer": "Fourier", "own": True, "features": 4, "seed": 1, "inside": huge}
    for described in (huge | {"own": True}, huge | {"own": 0}, hidden):
        with pytest.raises(ValueError, match=r"pass it in classes|asks for .* build the model yourself .* load_model"):
            model_from(arrays, header | {"model": described}, classes={"Fourier": Fourier})
