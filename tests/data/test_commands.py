"""python -m minnet data, as functions of parsed arguments."""

import argparse
import errno
import os
import threading
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest

from minnet.data import share
from minnet.data.commands import add_arguments
from minnet.data.share import local_address, server
from minnet.data.sources import SOURCES, Source
from tests.data.test_download import sha

pytestmark = pytest.mark.usefixtures("this_machine_without_proxy")


@pytest.fixture
def run(capsys):
    """`run("verify", "vader")` gives the exit code, what was printed, and what was complained of."""

    def call(*words):
        parser = argparse.ArgumentParser()
        add_arguments(parser.add_subparsers())
        args = parser.parse_args(["data", *words])
        code = args.run(args)
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A dataset called toy, on the disk and official."""
    source = Source("toy", "text", "two words", "MIT", folder="toy", files={"a.txt": sha(b"hello")}, size=5)
    monkeypatch.setitem(SOURCES, "toy", source)
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "a.txt").write_bytes(b"hello")
    return tmp_path


def test_the_list_says_where_everything_is(run, cifar_folder, monkeypatch):
    monkeypatch.setenv("MINNET_DATA", str(cifar_folder))
    code, printed, _ = run()
    assert code == 0 and (code, printed, "") == run("list")
    for source in SOURCES.values():
        assert source.name in printed and source.licence in printed
    assert str(cifar_folder / "cifar-10-batches-bin") in printed
    assert "not here: python -m minnet data fetch tweeteval" in printed and "184 MB on the disk" in printed


def test_a_folder_that_nobody_may_look_into_hides_nothing_else(run, toy, monkeypatch):
    look = os.stat

    def refused(path, *args, **settings):
        if os.fspath(path).startswith(str(toy / "toy")):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return look(path, *args, **settings)

    monkeypatch.setattr(os, "stat", refused)
    code, printed, _ = run("list", "--folder", str(toy))
    assert code == 0 and "not here: python -m minnet data fetch toy" in printed
    assert all(source.title in printed for source in SOURCES.values())
    with pytest.raises(FileNotFoundError, match=r"toy is not at .*toy: a\.txt missing"):
        run("fetch", "toy", "--folder", str(toy))


def test_verify_tells_official_bytes_from_others(run, toy, cifar_folder):
    assert run("verify", "toy", "--folder", str(toy)) == (0, f"{toy / 'toy' / 'a.txt'}: official\n", "")
    code, printed, complaint = run("verify", "cifar10", "--folder", str(cifar_folder))
    assert code == 1 and printed.count("not the official bytes") == 6 and "6 of 6 files" in complaint
    assert run("verify", "digits")[:2] == (0, "digits: nothing to verify, it comes with scikit-learn\n")
    with pytest.raises(FileNotFoundError, match="vader is not at"):
        run("verify", "vader", "--folder", str(toy))


def test_verify_the_real_vader(run, real_data):
    assert run("verify", "vader", "--folder", str(real_data("vader")))[0] == 0


def test_fetch_says_where_it_is(run, cifar_folder):
    place = cifar_folder / "cifar-10-batches-bin"
    assert run("fetch", "cifar10", "--folder", str(cifar_folder)) == (0, f"cifar10: {place}\n", "")
    assert run("fetch", "digits")[1] == "digits: ships with scikit-learn\n"


def test_count_prints_the_table_of_a_card(run, tweet_folder):
    code, printed, _ = run("count", "tweeteval", "--folder", str(tweet_folder))
    assert code == 0
    assert "| class | train | validation | test |" in printed
    assert "| negative | 10 | 4 | 7 |" in printed and "| all | 30 | 10 | 20 |" in printed and "fingerprint " in printed


def test_unknown_names_are_refused(run, capsys):
    with pytest.raises(SystemExit):
        run("fetch", "mnist")
    assert "invalid choice: 'mnist'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="unknown dataset 'mnist'"):
        run("share", "mnist")
    for name, giver in (("comments", "minnet"), ("digits", "scikit-learn")):
        with pytest.raises(ValueError, match=f"{name} comes with {giver}: there is nothing to share"):
            run("share", name)


def test_only_verified_datasets_are_shared(run, toy, capsys):
    (toy / "toy" / "a.txt").write_bytes(b"other")
    with pytest.raises(FileNotFoundError, match="no verified dataset to share"):
        run("share", "--folder", str(toy))
    assert "is not the official one and is not shared" in capsys.readouterr().err


def test_a_share_feeds_another_machines_fetch(run, toy, tmp_path_factory, capsys):
    files = {"/toy/a.txt": toy / "toy" / "a.txt"}
    serving = server(files, "127.0.0.1", 0)
    thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
    thread.start()
    try:
        base = f"http://127.0.0.1:{serving.server_address[1]}"
        student = tmp_path_factory.mktemp("student")
        code, _, _ = run("fetch", "toy", "--from", base, "--folder", str(student))
        assert code == 0 and (student / "toy" / "a.txt").read_bytes() == b"hello"
        ranged = urllib.request.Request(f"{base}/toy/a.txt", headers={"Range": "bytes=3-"})
        with urllib.request.urlopen(ranged) as response:
            assert (response.status, response.read()) == (206, b"lo")
            assert response.headers["Content-Range"] == "bytes 3-4/5"
        for hidden in ("/", "/toy/", "/toy/../toy/b.txt", "/etc/passwd", "/toy/%2e%2e/secret"):
            with pytest.raises(urllib.error.HTTPError, match="404") as caught:
                urllib.request.urlopen(base + hidden)
            caught.value.close()
        with pytest.raises(urllib.error.HTTPError, match="416") as caught:
            urllib.request.urlopen(urllib.request.Request(f"{base}/toy/a.txt", headers={"Range": "bytes=5-"}))
        caught.value.close()
    finally:
        serving.shutdown()
        thread.join()
        serving.server_close()


def test_the_share_command_tells_the_class_what_to_type(run, toy, monkeypatch, capsys):
    def interrupted(self, poll_interval=0.5):
        raise KeyboardInterrupt

    monkeypatch.setattr("socketserver.BaseServer.serve_forever", interrupted)
    code, printed, _ = run("share", "--folder", str(toy), "--host", "127.0.0.1", "--port", "0")
    assert code == 0 and "sharing toy" in printed
    assert "python -m minnet data fetch NAME --from http://127.0.0.1:" in printed and "stopped sharing" in printed


def test_a_port_that_is_taken():
    with server({}, "127.0.0.1", 0) as first, pytest.raises(OSError, match="choose another --port"):
        server({}, "127.0.0.1", first.server_address[1])
    with pytest.raises(OSError, match="choose another --port"):
        server({}, "127.0.0.1", 99_999)
    for nowhere in ("192.0.2.1", "no name of a machine"):
        with pytest.raises(OSError, match="choose another --host"):
            server({}, nowhere, 0)
    assert local_address().count(".") == 3


@pytest.mark.parametrize(("system", "at_once"), [("nt", False), ("posix", True)])
def test_a_port_is_free_again_at_once_where_that_lets_nobody_else_in(monkeypatch, system, at_once):
    monkeypatch.setattr(share, "os", SimpleNamespace(name=system))
    with server({}, "127.0.0.1", 0) as serving:
        assert serving.allow_reuse_address == at_once
