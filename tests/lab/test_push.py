"""An image is pushed while nodes die: it ends complete and right on every node, or the previous version stays in service."""

import hashlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab import wait_for

SIZE = 192 << 20


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def versions(lab, tmp_path_factory):
    """Two versions of an image, each a large file and some small ones; the first is in service."""
    top = tmp_path_factory.mktemp("versions")
    made = []
    for name in ("v1", "v2"):
        directory = top / name
        directory.mkdir()
        (directory / "large").write_bytes(os.urandom(SIZE if name == "v2" else 1 << 20))
        for number in range(50):
            (directory / f"small{number}").write_bytes(os.urandom(5000))
        made.append(directory)
    lab.nodes[0].pxectl("image", "push", "big", made[0], timeout=120)
    return made


def held(node):
    """Bytes of all blobs that the node has, whole or in part."""
    total = 0
    for path in (node.dir / "data" / "blobs").rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            pass  # it was just renamed
    return total


def fetched(client, node, path):
    out = client.dir / "got"
    client.run("curl", "-sS", "-f", "-o", out, f"http://{node.ip}/{path}", timeout=120)
    return digest(out)


def push(lab, node, directory):
    return subprocess.Popen(["ip", "netns", "exec", node.ns, str(lab.bin / "ctl" / "pxectl"), "--dir", str(node.conf), "--timeout", "60s",
                             "image", "push", "big", str(directory)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_an_image_pushed_on_one_node_is_served_by_every_other(healthy, versions, client):
    client.udhcpc()
    for node in healthy.nodes:
        for path in ("large", "small7"):
            assert fetched(client, node, f"big/{path}") == digest(versions[0] / path)


def test_the_node_pushed_to_dies_in_the_middle(healthy, versions, client):
    client.udhcpc()
    node = healthy.nodes[1]
    before = held(node)
    pushing = push(healthy, node, versions[1])
    wait_for("a part of the image to arrive", lambda: held(node) > before + (SIZE >> 3) or pushing.poll() is not None, 60, every=0.005)
    node.kill(signal.SIGKILL)
    said = pushing.communicate(timeout=180)[0]
    others = [other for other in healthy.nodes if other is not node]
    # whatever pxectl says, what machines get is whole
    current = digest(versions[1] / "large") if pushing.returncode == 0 else digest(versions[0] / "large")
    for other in others:
        assert fetched(client, other, "big/large") == current, said
    if pushing.returncode != 0:
        assert "again" in said, said  # what to do is told
        healthy.nodes[0].pxectl("image", "push", "big", versions[1], timeout=180)
    node.start()
    wait_for("the node to serve it, too", lambda: fetched_or_none(client, node) == digest(versions[1] / "large"), 120, every=0.5)


def fetched_or_none(client, node):
    out = client.dir / "maybe"
    done = client.run("curl", "-sS", "-f", "-o", out, f"http://{node.ip}/big/large", timeout=120, check=False)
    return digest(out) if done.returncode == 0 else None


def test_a_node_dies_while_it_fetches(healthy, versions, client, tmp_path):
    client.udhcpc()
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "large").write_bytes(os.urandom(SIZE))
    target, source = healthy.nodes[2], healthy.nodes[0]
    before = held(target)
    pushing = push(healthy, source, fresh)
    wait_for("the other node to fetch", lambda: held(target) > before + (1 << 20) or pushing.poll() is not None, 60, every=0.002)
    target.kill(signal.SIGKILL)
    partly = held(target) - before
    said = pushing.communicate(timeout=180)[0]
    assert pushing.returncode == 0, said  # two of three hold it
    target.start()
    wait_for("the node to serve it, too", lambda: fetched_or_none(client, target) == digest(fresh / "large"), 120, every=0.5)
    assert partly > 0
