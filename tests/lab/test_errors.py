"""What is wrong is said in one clear line with what to do, and the exit code is not zero."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import BUILD, finish

from lab import Lab, remove, run, wait_for


@pytest.fixture(scope="module")
def lab(request):
    """One formed node, a second namespace without a node."""
    name = f"pxe{os.getpid() % 10000}"
    try:
        lab = Lab(name, nodes=2, build=BUILD)
        lab.up()
        first = lab.nodes[0]
        first.pxectl("cluster", "init", "--name", "lab", "--interface", "eth0", "--node-name", first.name,
                     "--data", first.dir / "data", "--socket", first.dir / "run" / "api.sock", "--no-start")
        first.start()
        yield lab
        finish(lab)
    finally:
        remove(name)


def pxed(node, *args):
    return node.exec(node.lab.bin / "node" / "pxed", "--dir", node.conf, *args, check=False, timeout=30)


def one_line(done, *words):
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode != 0, done
    assert len(lines) <= 3, done.stderr
    for word in words:
        assert re.search(word, done.stderr, re.I), f"no {word!r} in {done.stderr!r}"


def edit(node, key, value):
    path = node.conf / "node.yaml"
    text = path.read_text()
    changed = re.sub(rf"(?m)^{key}:.*$", f"{key}: {value}", text)
    assert changed != text
    path.write_text(changed)
    return text


@pytest.fixture
def stopped(lab):
    """The node is down and its node.yaml may be edited; it runs again, with the old file, after the test."""
    node = lab.nodes[0]
    before = (node.conf / "node.yaml").read_text()
    node.kill(15)
    yield node
    (node.conf / "node.yaml").write_text(before)
    node.start()


def test_missing_configuration_says_how_to_begin(lab):
    one_line(pxed(lab.nodes[1]), "node.yaml", "cluster init|cluster join")


def test_missing_interface(stopped):
    edit(stopped, "interface", "eth9")
    one_line(pxed(stopped), "eth9")


def test_unknown_key_in_node_yaml(stopped):
    path = stopped.conf / "node.yaml"
    path.write_text(path.read_text() + "intreface: eth0\n")
    one_line(pxed(stopped), r"node.yaml:\d+", "interface")


def test_busy_port_names_its_holder(stopped):
    holder = subprocess.Popen(["ip", "netns", "exec", stopped.ns, "/usr/bin/python3", "-m", "http.server", "80"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("the other server", lambda: ":80 " in stopped.exec("ss", "-ltn").stdout, 10)
        one_line(pxed(stopped), "80", "python3")
    finally:
        holder.kill()
        holder.wait()


def test_second_daemon_on_the_same_data(lab):
    one_line(pxed(lab.nodes[0]), "in use")


def test_damaged_key_file(stopped):
    path = stopped.conf / "keys" / "node.key_secret"
    before = path.read_text()
    path.write_text("nonsense")
    try:
        one_line(pxed(stopped), "node.key")
    finally:
        path.write_text(before)


def test_state_that_is_gone_is_not_made_anew(lab, stopped):
    """An empty data directory never becomes a second cluster of the same name."""
    data = stopped.dir / "data"
    kept = stopped.dir / "data.kept"
    data.rename(kept)
    data.mkdir()
    try:
        one_line(pxed(stopped), "join|rejoin|backup")
    finally:
        shutil.rmtree(data)
        kept.rename(data)


def test_unwritable_data_directory(stopped):
    edit(stopped, "data", "/proc/nowhere")
    one_line(pxed(stopped), "/proc/nowhere")


def test_full_disk_stops_the_node_and_loses_nothing(lab, stopped):
    """On a small disk that fills up, the daemon stops with a clear line; with room again, all acknowledged changes are there."""
    small = stopped.dir / "small"
    small.mkdir()
    kept = stopped.dir / "data"
    image = stopped.dir / "disk.img"
    run("truncate", "-s", "24M", image)
    run("mkfs.ext4", "-q", "-m", "0", image)
    run("mount", "-o", "loop", image, small)
    try:
        run("cp", "-a", f"{kept}/.", small)
        edit(stopped, "data", small)
        stopped.start()
        run("sh", "-c", f"head -c 100M /dev/zero > {small}/ballast", check=False)
        acknowledged = []
        for number in range(400):
            done = stopped.pxectl("host", "add", f"h{number}", "--mac", f"52:54:00:66:{number // 256:02x}:{number % 256:02x}",
                                  check=False, timeout=30)
            if done.returncode != 0:
                break
            acknowledged.append(f"h{number}")
        (small / "ballast").unlink()
        if stopped.alive():
            stopped.kill(15)
        else:
            assert re.search("no space|full|disk", stopped.tail(40), re.I), stopped.tail(40)
            stopped.process = None
        stopped.start()
        names = {host["name"] for host in stopped.json("host", "list").get("hosts", [])}
        assert set(acknowledged) <= names
        stopped.kill(15)
    finally:
        if stopped.alive():
            stopped.kill(9)
        run("umount", "-l", small, check=False)
