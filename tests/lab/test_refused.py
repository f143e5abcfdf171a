"""What is wrong is refused whole, says where and what to do, and what was in service before still is."""

import hashlib
import io
import os
import signal
import subprocess
import tarfile

import pytest

from lab import wait_for


@pytest.fixture
def served(healthy, client, tmp_path_factory):
    """An image `kept` in service on all nodes; afterwards it is still what every node serves."""
    directory = tmp_path_factory.mktemp("kept")
    (directory / "file").write_bytes(os.urandom(100_000))
    wanted = hashlib.sha256((directory / "file").read_bytes()).hexdigest()
    healthy.nodes[0].pxectl("image", "push", "kept", directory, timeout=60)
    versions = healthy.nodes[0].json("image", "show", "kept")["images"]
    client.udhcpc()
    yield healthy
    assert healthy.nodes[1].json("image", "show", "kept")["images"] == versions
    for node in healthy.nodes:
        out = client.dir / "kept"
        client.run("curl", "-sS", "-f", "-o", out, f"http://{node.ip}/kept/file")
        assert hashlib.sha256(out.read_bytes()).hexdigest() == wanted, node.name


def tar_of(path, name, link=None):
    """A tar archive with a sound file, then one of this name, or a symbolic link."""
    with tarfile.open(path, "w") as tar:
        for each in ("file", name):
            member = tarfile.TarInfo(each)
            if each == name and link is not None:
                member.type, member.linkname = tarfile.SYMTYPE, link
                tar.addfile(member)
            else:
                member.size = 5
                tar.addfile(member, io.BytesIO(b"wrong"))
    return path


@pytest.mark.parametrize("name, link", [("../outside", None), ("/etc/outside", None), ("deep/../../outside", None),
                                        ("link", "../../etc/passwd"), ("link", "/etc/passwd")])
def test_an_archive_that_leads_out_of_its_tree_is_refused(served, tmp_path, name, link):
    archive = tar_of(tmp_path / "bad.tar", name, link)
    done = served.nodes[0].pxectl("image", "push", "kept", archive, check=False)
    assert done.returncode == 2, done
    assert name in done.stderr, done.stderr


def test_a_push_that_is_cut_leaves_the_version_before_in_service(served, tmp_path):
    directory = tmp_path / "next"
    directory.mkdir()
    (directory / "file").write_bytes(os.urandom(64 << 20))
    node = served.nodes[0]
    before = held(node)
    pushing = subprocess.Popen(["ip", "netns", "exec", node.ns, str(served.bin / "ctl" / "pxectl"), "--dir", str(node.conf),
                                "image", "push", "kept", str(directory)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for("a part of it to arrive", lambda: held(node) > before + (4 << 20) or pushing.poll() is not None, 60, every=0.002)
    pushing.send_signal(signal.SIGKILL)
    pushing.communicate()
    assert pushing.returncode == -signal.SIGKILL, "it had ended before it was killed"


def held(node):
    """Bytes of all blobs that the node has, whole or in part."""
    total = 0
    for path in (node.dir / "data" / "blobs").rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            pass  # it was just renamed
    return total


@pytest.fixture
def profile(healthy, bootable, tmp_path):
    """A profile with a sound template; whatever was refused, it is as it was."""
    node = healthy.nodes[0]
    good = tmp_path / "good.cfg"
    good.write_text("host {{name}} on {{vars.disk}}\n")
    node.pxectl("profile", "add", "sound", "--image", "tiny", "--kernel", "vmlinuz", "--template", f"a.cfg={good}", "--var", "disk=sda")
    before = node.json("profile", "show", "sound")
    yield node
    assert healthy.nodes[2].json("profile", "show", "sound") == before
    assert node.pxectl("profile", "show", "sound", "--template", "a.cfg").stdout == good.read_text()
    node.pxectl("profile", "remove", "sound", "--yes")


@pytest.mark.parametrize("text, said", [("one\ntwo {{mac}\n", ":2:5:"), ("{{#vars.x}}\nnever closed\n", ":1:1:"),
                                        ("{{mac}}\n  {{hostnam}}\n", "did you mean 'hostname'"), ("{{#a}}{{/b}}", ":1:")])
def test_a_template_that_is_wrong_is_refused_with_its_line_and_column(profile, tmp_path, text, said):
    bad = tmp_path / "bad.cfg"
    bad.write_text(text)
    done = profile.pxectl("profile", "set", "sound", "--kernel", "initrd.img", "--template", f"a.cfg={bad}", "--var", "disk=sdb", check=False)
    assert done.returncode == 2, done
    assert str(bad) in done.stderr and said in done.stderr, done.stderr


@pytest.mark.parametrize("words, said", [
    (("--boot", "bios=nothere"), "nothere"), (("--boot", "toaster=local"), "toaster"), (("--boot", "bios"), "ARCH=PROFILE"),
    (("--var", "no-dash=1"), "no-dash"), (("--var", "x"), "NAME=VALUE"), (("--profile", "nothere"), "nothere")])
def test_a_host_that_names_what_is_not_there_is_refused_whole(healthy, bootable, words, said):
    node = healthy.nodes[1]
    done = node.pxectl("host", "add", "wrong", "--mac", "52:54:00:74:00:01", *words, check=False)
    assert done.returncode in (2, 6), done
    assert said in done.stderr, done.stderr
    assert node.pxectl("host", "show", "wrong", check=False).returncode == 6


def test_a_file_of_a_template_is_refused_by_name_and_size(profile, tmp_path):
    huge = tmp_path / "huge.cfg"
    huge.write_bytes(b"x" * (1 << 20))
    for name, path, said in (("a/b.cfg", huge, "a/b.cfg"), ("a.cfg", huge, str(huge)), ("a.cfg", tmp_path / "none.cfg", "none.cfg")):
        done = profile.pxectl("profile", "set", "sound", "--template", f"{name}={path}", check=False)
        assert done.returncode == 2 and said in done.stderr, done
