"""Downloads from a server on this machine that is slow, breaks off, lies, or is not there."""

import errno
import hashlib
import http.server
import io
import os
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from minnet.data import archives, download
from minnet.data import fetch as fetching
from minnet.data.download import WrongBytes, digest, fetch_bytes, fetch_file, locked
from minnet.data.fetch import fetch
from minnet.data.sources import SOURCES, Source

CONTENT = os.urandom(300_000)
pytestmark = pytest.mark.usefixtures("this_machine_without_proxy")


class Behaviour:
    """What the server does for one path: what it sends, how much of it, and how."""

    def __init__(self, content=CONTENT, cuts=(), ranges=True, status=None, delay=0.0, length=True):
        self.content, self.cuts, self.ranges, self.status = content, list(cuts), ranges, status
        self.delay, self.length = delay, length


@pytest.fixture
def web():
    """A server on 127.0.0.1: `web.serve(path, ...)` gives an address, `web.asked` lists (path, Range) of requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            web.asked.append((self.path, asked))
            does = web.paths.get(self.path)
            if does is None or does.status:
                self.send_error(404 if does is None else does.status)
                return
            start = int(asked[6:-1]) if asked and does.ranges else 0
            if asked and does.ranges and start >= len(does.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(does.content)}")
                self.end_headers()
                return
            self.send_response(206 if asked and does.ranges else 200)
            if asked and does.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(does.content) - 1}/{len(does.content)}")
            if does.length:
                self.send_header("Content-Length", str(len(does.content) - start))
            self.end_headers()
            end = does.cuts.pop(0) if does.cuts else len(does.content)
            for place in range(start, end, 20_000):
                try:
                    self.wfile.write(does.content[place : min(place + 20_000, end)])
                except OSError:
                    return
                time.sleep(does.delay)

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def serve(self, path, content=CONTENT, **behaviour):
            self.paths[path] = Behaviour(content, **behaviour)
            return f"http://127.0.0.1:{self.server_address[1]}{path}"

    web = Server(("127.0.0.1", 0), Handler)
    web.paths, web.asked = {}, []
    thread = threading.Thread(target=web.serve_forever, args=(0.01,))
    thread.start()
    yield web
    web.shutdown()
    thread.join()
    web.server_close()


def sha(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def get(addresses, folder):
    fetch_file(addresses, folder / "file.bin", sha(CONTENT), folder / "file.part", "file.bin")
    assert not (folder / "file.part").exists()
    return (folder / "file.bin").read_bytes()


def test_checksums_of_every_kind(tmp_path):
    (tmp_path / "a").write_bytes(b"hello\n")
    assert digest(tmp_path / "a", "md5") == "md5:b1946ac92492d2347c6235b4d2611184"
    assert digest(tmp_path / "a", "blob") == "blob:ce013625030ba8dba906f756967f9e9ca394464a"
    assert digest(tmp_path / "a", "sha256").endswith("be03")


def test_a_whole_file(web, tmp_path):
    assert get([web.serve("/file")], tmp_path) == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_a_line_that_breaks_is_taken_up_where_it_broke(web, tmp_path, ranges):
    address = web.serve("/file", cuts=[70_000, 200_000], ranges=ranges)
    assert get([address], tmp_path) == CONTENT
    assert [asked for _, asked in web.asked] == [None, "bytes=70000-", "bytes=200000-"]


def test_a_later_run_goes_on_with_what_an_earlier_one_left(web, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:123_456])
    assert get([web.serve("/file")], tmp_path) == CONTENT
    assert web.asked == [("/file", "bytes=123456-")]


def test_a_part_that_was_complete_already(web, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert get([web.serve("/file")], tmp_path) == CONTENT


def test_a_server_that_says_no_length(web, tmp_path):
    assert get([web.serve("/file", length=False)], tmp_path) == CONTENT


def test_the_next_mirror_continues_what_the_first_one_began(web, tmp_path):
    first = web.serve("/first", cuts=[100_000, 100_000])
    assert get([first, web.serve("/second")], tmp_path) == CONTENT
    assert web.asked == [("/first", None), ("/first", "bytes=100000-"), ("/second", "bytes=100000-")]


def test_missing_and_failing_addresses_are_passed_over(web, tmp_path):
    gone, broken = f"{web.serve('/x')}-gone", web.serve("/broken", status=503)
    assert get(["http://127.0.0.1:9/closed", gone, broken, web.serve("/file")], tmp_path) == CONTENT


def test_a_python_without_certificates_is_told_how_it_gets_them(monkeypatch):
    error = urllib.error.URLError(ssl.SSLCertVerificationError(1, "certificate verify failed: " + "long " * 30))
    for system, told in (("linux", False), ("darwin", True)):
        monkeypatch.setattr(download, "sys", SimpleNamespace(platform=system, version_info=sys.version_info))
        said = download.reason(error)
        assert said.startswith("certificate verify failed: long") and said.endswith(".command)") == told


def test_when_all_fail_the_line_says_each_reason(web, tmp_path):
    addresses = [f"{web.serve('/x')}-gone", "http://127.0.0.1:9/closed"]
    with pytest.raises(
        OSError, match=r"could not be fetched \(.*HTTP 404.*127.0.0.1:9: Connection refused\)"
    ) as caught:
        get(addresses, tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_arrived_before_all_failed_is_kept(web, tmp_path):
    with pytest.raises(OSError, match="broke off after 90,000 of 300,000 bytes"):
        get([web.serve("/file", cuts=[90_000, 90_000])], tmp_path)
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:90_000]
    assert get([web.serve("/file")], tmp_path) == CONTENT


def test_wrong_bytes_are_thrown_away_and_the_next_mirror_asked_from_the_start(web, tmp_path):
    wrong = web.serve("/wrong", os.urandom(300_000))
    assert get([wrong, web.serve("/right")], tmp_path) == CONTENT
    assert web.asked == [("/wrong", None), ("/right", None)]
    with pytest.raises(OSError, match=r"is not the official file: it has sha256:.*, expected sha256:"):
        get([wrong], tmp_path)
    assert not (tmp_path / "file.part").exists()


def test_a_wrong_part_of_an_earlier_run_does_not_spoil_the_mirror(web, tmp_path):
    (tmp_path / "file.part").write_bytes(os.urandom(1000))
    address = web.serve("/file")
    assert get([address], tmp_path) == CONTENT
    assert web.asked == [("/file", "bytes=1000-"), ("/file", None)]
    (tmp_path / "file.part").write_bytes(os.urandom(400_000))
    assert get([address], tmp_path) == CONTENT


def test_a_stalled_line_is_given_up(web, tmp_path, monkeypatch):
    """Long before its next byte; the mirror may take its time, on a busy machine it does."""
    ask, started = urllib.request.urlopen, time.monotonic()

    def asked(request, timeout):
        return ask(request, timeout=timeout / 75 if "/stalls" in request.full_url else timeout)  # 0.2 s or 15 s

    monkeypatch.setattr("urllib.request.urlopen", asked)
    assert get([web.serve("/stalls", delay=30, cuts=[20_000, 20_000]), web.serve("/file")], tmp_path) == CONTENT
    assert time.monotonic() - started < 12


def test_a_slow_line_is_left_for_a_faster_one(web, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.1)
    monkeypatch.setattr(download, "SLOW", 10_000_000)
    slow = web.serve("/slow", delay=0.06)
    assert get([slow, web.serve("/file")], tmp_path) == CONTENT
    assert [path for path, _ in web.asked] == ["/slow", "/file"]


def test_the_fastest_of_slow_lines_is_taken_again(web, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.1)
    monkeypatch.setattr(download, "SLOW", 100_000_000)
    slow, slower = web.serve("/slow", delay=0.03), web.serve("/slower", delay=0.12)
    assert get([slow, slower], tmp_path) == CONTENT
    assert [path for path, _ in web.asked] == ["/slow", "/slower", "/slow"]


def test_a_full_disk_is_said_and_not_taken_for_a_bad_line(web, tmp_path, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")

    def accept(blocks):
        for _ in blocks:
            pass

    (tmp_path / "file.part").symlink_to("/dev/full")
    monkeypatch.setattr(Path, "exists", lambda path: False)
    with pytest.raises(OSError, match="No space left on device") as caught:
        fetch_bytes([web.serve("/file")], tmp_path / "file.part", accept, "file")
    assert "could not be fetched" not in str(caught.value)


def test_a_local_file_is_an_address_too(tmp_path):
    (tmp_path / "here.bin").write_bytes(CONTENT)
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    assert get([str(tmp_path / "here.bin")], tmp_path) == CONTENT


def test_a_lock_is_respected_by_other_processes_and_ends_with_its_owner(tmp_path):
    (tmp_path / "downloads").mkdir()
    path = tmp_path / "downloads" / "x.lock"
    hold = "import sys, time; from pathlib import Path; from minnet.data.download import locked\n"
    hold += f"with locked(Path({str(path)!r})):\n    print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        entered = threading.Event()

        def enter():
            with locked(path):
                entered.set()

        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.5)
        holder.kill()  # as hard as it gets: nothing is cleaned up
        assert entered.wait(10)
        thread.join()


# -- archives --------------------------------------------------------------------------------------------------


def packed(*members, compress=True):
    """A tar archive of members given as (name, content) or TarInfo."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz" if compress else "w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return stream.getvalue()


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


A, B = b"a" * 5000, b"b" * 7000
WANTED = {"a.bin": sha(A), "b.bin": sha(B)}


def unpack(content, folder, wanted=WANTED, limit=1_000_000, inner=""):
    folder.mkdir(exist_ok=True)
    blocks = (content[start : start + 777] for start in range(0, len(content), 777))
    archives.unpack(archives.Blocks(blocks), folder, wanted, limit, inner)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_wanted_members_are_unpacked_and_others_are_not(tmp_path):
    content = packed(special("d", tarfile.DIRTYPE), ("d/a.bin", A), ("d/readme.html", b"x"), ("d/b.bin", B))
    assert unpack(content, tmp_path / "out") == {"a.bin": A, "b.bin": B}


def test_an_archive_inside_an_archive(tmp_path):
    inner = packed(("in/a.bin", A), ("in/b.bin", B))
    content = packed(("p/setup.py", b"print()"), ("p/inner.tar.gz", inner))
    assert unpack(content, tmp_path / "out", inner="inner.tar.gz") == {"a.bin": A, "b.bin": B}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed(("../a.bin", A), ("b.bin", B)), "points outside it"),
        (packed(("/tmp/a.bin", A)), "points outside it"),
        (packed(("d\\..\\..\\a.bin", A)), "points outside it"),
        (packed(("C:\\a.bin", A)), "points outside it"),
        (packed(special("a.bin", tarfile.SYMTYPE, "/etc/passwd")), "a link or device"),
        (packed(special("a.bin", tarfile.LNKTYPE, "../../secret")), "a link or device"),
        (packed(special("a.bin", tarfile.CHRTYPE)), "a link or device"),
        (packed(special("a.bin", tarfile.FIFOTYPE)), "a link or device"),
        (packed(("a.bin", A), ("c.bin", B)), "holds no b.bin"),
        (packed(("a.bin", B), ("b.bin", B)), "a.bin is not the official file"),
        (packed(("a.bin", A[:-1]), ("b.bin", B)), "a.bin is not the official file"),
        (packed(("zeros", bytes(3_000_000)), ("a.bin", A)), "unpacks to far more"),
        (packed(("x" * 1_500_000, b"")), "unpacks to far more"),  # a name that must be held in memory
        (packed(*((f"{index}", b"") for index in range(1500))), "more than 1000 files"),
        (packed(("a.bin", A), ("b.bin", B), compress=False), "no whole .tar.gz"),
        (packed(("a.bin", os.urandom(5000)))[:3000], "no whole .tar.gz"),
        (b"<html>please log in</html>", "no whole .tar.gz"),
        (b"", "no whole .tar.gz"),
        (packed(), "holds no a.bin"),
    ],
)
def test_hostile_and_broken_archives(tmp_path, content, message):
    with pytest.raises(WrongBytes, match=message) as caught:
        unpack(content, tmp_path / "out", limit=1_000_000)
    assert "\n" not in str(caught.value)
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert set(left) <= {"a.bin"}  # a good file may have been kept, and nothing else


# -- datasets --------------------------------------------------------------------------------------------------


def cifar_like(web, batches=3, size=40_000):
    """A source like CIFAR-10's with its archive on the server."""
    files = {f"data_batch_{index}.bin": os.urandom(size) for index in range(1, batches + 1)}
    archive = packed(*((f"cifar-10-batches-bin/{name}", content) for name, content in files.items()))
    source = Source(
        "cifar10",
        "images",
        "toy",
        "none",
        folder="cifar-10-batches-bin",
        files={name: sha(content) for name, content in files.items()},
        archives=(web.serve("/official.tar.gz", archive),),
        size=batches * size,
    )
    return source, files, archive


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_fetch_unpacks_an_archive_and_leaves_no_traces(web, tmp_path):
    source, files, _ = cifar_like(web)
    assert contents(fetch(source, tmp_path)) == files
    assert [path.name for path in (tmp_path / ".downloads").iterdir()] == ["cifar10.lock"]
    web.asked.clear()
    fetch(source, tmp_path)
    assert web.asked == []


def test_batches_that_have_arrived_stay_and_the_rest_follows(web, tmp_path):
    source, files, archive = cifar_like(web)
    web.serve("/official.tar.gz", archive, cuts=[90_000, 90_000])
    with pytest.raises(OSError, match=r"2 of 3 files are in .*cifar-10-batches-bin, checked; a --limit"):
        fetch(source, tmp_path)
    assert sorted(contents(tmp_path / source.folder)) == ["data_batch_1.bin", "data_batch_2.bin"]
    assert contents(fetch(source, tmp_path)) == files
    assert web.asked[-1] == ("/official.tar.gz", "bytes=90000-")


def test_batches_are_there_while_the_rest_is_still_coming(web, tmp_path):
    source, files, archive = cifar_like(web)
    web.serve("/official.tar.gz", archive, delay=0.15)
    thread = threading.Thread(target=fetch, args=(source, tmp_path))
    thread.start()
    first = tmp_path / source.folder / "data_batch_1.bin"
    while not first.exists() and thread.is_alive():
        time.sleep(0.01)
    assert thread.is_alive() and first.read_bytes() == files["data_batch_1.bin"]
    thread.join()


def test_ctrl_c_keeps_what_is_there_and_says_so(web, tmp_path, monkeypatch, capsys):
    source, files, _ = cifar_like(web)
    real = archives.keep

    def interrupted(content, target, checksum):
        if target.name == "data_batch_2.bin":
            raise KeyboardInterrupt
        real(content, target, checksum)

    monkeypatch.setattr(archives, "keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(source, tmp_path)
    assert "1 of 3 files are in" in capsys.readouterr().err
    monkeypatch.setattr(archives, "keep", real)
    assert contents(fetch(source, tmp_path)) == files


def test_a_damaged_mirror_is_passed_over(web, tmp_path):
    source, files, archive = cifar_like(web)
    damaged = archive[:60_000] + os.urandom(100) + archive[60_100:]
    from dataclasses import replace

    source = replace(source, archives=(web.serve("/damaged.tar.gz", damaged), *source.archives))
    assert contents(fetch(source, tmp_path)) == files


def test_two_processes_fetch_once(web, tmp_path):
    source, files, archive = cifar_like(web)
    web.serve("/official.tar.gz", archive, delay=0.05)
    threads = [threading.Thread(target=fetch, args=(source, tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents(tmp_path / source.folder) == files and len(web.asked) == 1


def test_from_another_archive_or_folder(web, tmp_path):
    source, files, archive = cifar_like(web)
    repacked = packed(*reversed([(f"mine/{name}", content) for name, content in files.items()]))
    other = web.serve("/other.tgz", repacked)
    assert contents(fetch(source, tmp_path / "a", other)) == files
    (tmp_path / "local.tar.gz").write_bytes(archive)
    assert contents(fetch(source, tmp_path / "b", str(tmp_path / "local.tar.gz"))) == files
    assert contents(fetch(source, tmp_path / "c", str(tmp_path / "a"))) == files
    assert contents(fetch(source, tmp_path / "d", str(tmp_path / "a" / source.folder))) == files
    base = web.serve("/data")
    for name, content in files.items():
        web.serve(f"/data/{source.folder}/{name}", content)
    assert contents(fetch(source, tmp_path / "e", base)) == files


def test_from_refuses_other_bytes_and_other_addresses(web, tmp_path):
    source, files, _ = cifar_like(web)
    wrong = packed(*((name, content[::-1]) for name, content in files.items()))
    with pytest.raises(OSError, match=r"data_batch_1.bin is not the official file"):
        fetch(source, tmp_path, web.serve("/wrong.tar.gz", wrong))
    for address in ("ftp://example.org/x.tar.gz", "file:///etc/passwd", "/no/such/folder"):
        with pytest.raises(OSError, match="neither an http"):
            fetch(source, tmp_path, address)
    assert not (tmp_path / source.folder).exists()


def test_no_network_is_one_line_with_the_remedy(tmp_path, monkeypatch):
    from minnet.data import load

    def unreachable(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    for name, offline in (("cifar10", "digits"), ("tweeteval", "comments")):
        with pytest.raises(OSError) as caught:
            load(name, folder=tmp_path)
        message = str(caught.value)
        for part in (
            "could not be fetched",
            "not known",
            str(tmp_path),
            "MINNET_DATA",
            f"fetch {name} --from",
            offline,
        ):
            assert part in message
        assert "\n" not in message


def test_a_file_system_without_locks_is_written_to_all_the_same(tmp_path, monkeypatch):
    def refuse(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with locked(tmp_path / "x.lock"):
        assert (tmp_path / "x.lock").exists()


def test_a_lock_that_cannot_be_made(web, tmp_path, monkeypatch):
    source, _, _ = cifar_like(web)
    (tmp_path / ".downloads" / f"{source.name}.lock").mkdir(parents=True)
    with pytest.raises(OSError, match="name a data folder that is yours"):
        fetch(source, tmp_path)


def test_a_folder_that_cannot_be_written(web, tmp_path):
    source, _, _ = cifar_like(web)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write to .*file.*: name a data folder that is yours"):
        fetch(source, tmp_path / "file")


def vader_like(tmp_path):
    content = b"1\t0.5\tfine\r\n"
    inner = packed(("hutto/tweets_GroundTruth.txt", content))
    archive = packed(("vaderSentiment-3.3.2/setup.py", b"#"), ("vaderSentiment-3.3.2/more/hutto.tar.gz", inner))
    (tmp_path / "vaderSentiment-3.3.2.tar.gz").write_bytes(archive)
    return content, Source(
        "vader",
        "text",
        "toy",
        "MIT",
        folder="vader",
        files={"tweets_GroundTruth.txt": sha(content)},
        package=("vaderSentiment==3.3.2", sha(archive)),
        inner_archive="hutto.tar.gz",
    )


def test_pip_is_asked_for_the_pinned_hash(tmp_path, monkeypatch):
    content, source = vader_like(tmp_path)
    asked = []

    def run(command, **settings):
        asked.append((command, Path(command[command.index("-r") + 1]).read_text()))
        target = Path(command[command.index("-d") + 1])
        (target / "vaderSentiment-3.3.2.tar.gz").write_bytes((tmp_path / "vaderSentiment-3.3.2.tar.gz").read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert contents(fetch(source, tmp_path / "data")) == {"tweets_GroundTruth.txt": content}
    (command, requirement), *others = asked
    assert not others and command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--require-hashes"} <= set(command)
    assert requirement == f"vaderSentiment==3.3.2 --hash={source.package[1]}\n"
    assert [path.name for path in (tmp_path / "data" / ".downloads").iterdir()] == ["vader.lock"]
    with (tmp_path / "vaderSentiment-3.3.2.tar.gz").open("ab") as stream:
        stream.write(b"\0")  # pip would have refused it
    with pytest.raises(OSError, match=r"vaderSentiment-3.3.2.tar.gz is not the official file"):
        fetch(source, tmp_path / "again")


def test_a_scratch_folder_that_cannot_be_removed_costs_nothing(tmp_path, monkeypatch):
    """On Windows a virus scanner may still hold the archive."""
    content, source = vader_like(tmp_path)
    monkeypatch.setattr(fetching, "pip_download", lambda *_: tmp_path / "vaderSentiment-3.3.2.tar.gz")
    monkeypatch.setattr(os, "rmdir", mock.Mock(side_effect=OSError(errno.EBUSY, "in use")))
    assert contents(fetch(source, tmp_path / "data")) == {"tweets_GroundTruth.txt": content}


def test_without_pip_or_when_it_fails_one_line_says_what_to_do(tmp_path, monkeypatch):
    _, source = vader_like(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        OSError, match=r"this Python has no pip: run `python -m ensurepip` \(with uv: `uv pip install pip`"
    ):
        fetch(source, tmp_path / "data")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: no matching distribution\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **settings: failed)
    with pytest.raises(OSError, match=r"pip could not fetch .* \(ERROR: no matching distribution\)"):
        fetch(source, tmp_path / "data")
    assert contents(fetch(source, tmp_path / "data", str(tmp_path / "vaderSentiment-3.3.2.tar.gz")))


def test_every_file_to_be_fetched_has_a_checksum():
    for source in SOURCES.values():
        if source.archives or source.bases or source.package[0]:
            for checksum in source.files.values():
                kind, _, value = checksum.partition(":")
                assert len(value) == {"sha256": 64, "blob": 40}[kind] and set(value) <= set("0123456789abcdef")
