"""The operator's bad days: nodes that were removed, tokens that are used twice, pushes that are broken off, a watch whose node dies."""

import os
import signal
import subprocess
import time

from lab import wait_for


def pxectl_process(node, *words):
    """A pxectl that runs beside the test; its output is read at the end."""
    return subprocess.Popen(["ip", "netns", "exec", node.ns, str(node.lab.bin / "ctl" / "pxectl"), "--dir", str(node.conf), *words],
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def try_join(node, token, *more):
    """Join as a node that is not there yet, with directories of its own; only the files are written."""
    base = node.dir / "joiner"
    return node.exec(node.lab.bin / "ctl" / "pxectl", "--dir", base / "etc", "cluster", "join", token, "--interface", "eth0",
                     "--data", base / "data", "--socket", base / "s.sock", "--no-start", *more, check=False)


def new_token(node, *words):
    return node.pxectl("cluster", "token", "create", *words).stdout.split()[0]


def test_every_node_logs_who_changed_what(healthy):
    first, second = healthy.nodes[0], healthy.nodes[1]
    done = first.pxectl("host", "add", "audit", "--mac", "52:54:00:57:00:01", "--ip", "10.77.0.90")
    assert done.stderr == "", "nothing to complain of"
    line = "host audit added, from pxe1"
    wait_for("the change in the log of pxe2", lambda: line in second.log.read_text() and line in first.log.read_text())


def test_a_watch_moves_to_another_node_and_ends_in_time(healthy):
    node = healthy.nodes[0]
    watch = pxectl_process(node, "--timeout", "8s", "watch")
    time.sleep(1)
    node.kill(signal.SIGKILL)
    healthy.nodes[1].pxectl("host", "add", "seen", "--mac", "52:54:00:57:00:02")
    out, err = watch.communicate(timeout=30)
    assert watch.returncode == 0, (out, err)
    assert "pxe1 no longer answers" in err and "pxe1 is down" in out
    node.start()


def test_status_names_who_is_missing_and_changes_are_refused_without_the_quorum(healthy):
    alone = healthy.nodes[2]
    for node in healthy.nodes[:2]:
        node.kill(signal.SIGKILL)
    wait_for("pxe3 to miss the quorum", lambda: alone.json("status")["health"] == "no quorum")

    def told():
        text = alone.pxectl("status").stdout
        return text if "pxe1 silent" in text and "pxe2 silent" in text else None
    assert "ms" not in wait_for("pxe3 to name both", told)
    assert alone.pxectl("host", "add", "none", "--mac", "52:54:00:57:00:03", check=False).returncode == 4
    done = alone.pxectl("host", "list")
    assert "no quorum: pxe3's copy" in done.stderr


def test_a_broken_off_push_goes_on_where_it_was(healthy):
    node = healthy.nodes[0]
    file = node.dir / "big.bin"
    file.write_bytes(os.urandom(1 << 20) * 200)
    push = pxectl_process(node, "image", "push", "big", str(file))
    incoming = [node.dir / "data" / "blobs" / "tmp", node.dir / "data" / "blobs"]
    wait_for("a part of the file to arrive", lambda: any(
        entry.is_file() and entry.stat().st_size > (1 << 22) for top in incoming if top.exists() for entry in top.rglob("*")), every=0.01)
    push.send_signal(signal.SIGINT)
    push.communicate(timeout=30)
    node.pxectl("image", "push", "big", file, timeout=120)
    assert "big" in healthy.nodes[1].pxectl("image", "list").stdout
    node.pxectl("image", "remove", "big", "--yes")


def test_a_push_goes_round_no_circles(healthy):
    node = healthy.nodes[0]
    top = node.dir / "circle"
    top.mkdir()
    (top / "file").write_text("x")
    (top / "self").symlink_to(top)
    (top / "nothing").symlink_to("/nonexistent")
    done = node.pxectl("image", "push", "circle", top)
    assert "leads back" in done.stderr and "nothing" in done.stderr
    assert node.json("image", "list")["images"]
    assert "self/" not in node.pxectl("image", "show", "circle").stdout
    assert node.pxectl("image", "push", "null", "/dev/null", check=False).returncode == 2


def test_a_token_works_once_for_its_name_and_runs_out(healthy):
    node = healthy.nodes[1]
    token = new_token(node, "--for", "pxe9")
    done = try_join(node, token, "--name", "other", "--address", node.ip)
    assert done.returncode == 5 and "for node pxe9" in done.stderr
    short = new_token(node, "--valid", "1s")
    time.sleep(2.5)
    done = try_join(node, short)
    assert done.returncode == 5 and "run out" in done.stderr
    assert try_join(node, token[:-4] + "AAAA").returncode == 2


def test_a_removed_node_says_so_and_its_key_opens_nothing(healthy):
    """Last: the cluster has two nodes afterwards, then three again."""
    first, gone = healthy.nodes[0], healthy.nodes[2]
    first.pxectl("node", "remove", gone.name, "--yes")
    wait_for("pxe3 to know that it was removed", lambda: gone.json("status")["health"] == "removed")
    wait_for("its log to say so", lambda: "was removed from the cluster" in gone.log.read_text())
    assert gone.log.read_text().count("was removed from the cluster") == 1
    done = gone.pxectl("--node", first.name, "status", check=False)
    assert done.returncode == 5 and "refuses this key" in done.stderr
    done = gone.pxectl("host", "add", "ghost", "--mac", "52:54:00:57:00:09", check=False)
    assert done.returncode == 4 and "removed from the cluster" in done.stderr
    gone.kill(signal.SIGTERM)
    gone.wipe()
    healthy.join(gone)
