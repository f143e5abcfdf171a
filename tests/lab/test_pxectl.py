"""pxectl against a living cluster: exit codes, fail-over, retries, clear errors."""

import json
import shutil
import signal

from lab import Node, wait_for


def test_status_names_every_node(healthy):
    status = healthy.nodes[1].json("status")
    assert {n["name"] for n in status["nodes"]} == {"pxe1", "pxe2", "pxe3"}
    assert status["health"] == "healthy" and status["voters"] == 3


def test_a_change_prints_its_revision_and_a_repeat_is_refused(healthy):
    node = healthy.nodes[0]
    done = node.pxectl("host", "add", "one", "--mac", "52:54:00:55:00:01")
    assert "revision" in done.stdout
    done = node.pxectl("host", "add", "one", "--mac", "52:54:00:55:00:01", check=False)
    assert done.returncode == 7 and "exists" in done.stderr


def test_exit_codes(healthy):
    node = healthy.nodes[0]
    assert node.pxectl("host", "show", "nobody", check=False).returncode == 6
    assert node.pxectl("host", "lsit", check=False).returncode == 2
    assert "did you mean" in node.pxectl("host", "lsit", check=False).stderr
    assert node.pxectl("subnet", "add", "bad", "10.77.0.0/33", check=False).returncode == 2
    done = node.pxectl("pool", "add", "bad", "--subnet", "lab", "--range", "10.88.0.1-10.88.0.9", check=False)
    assert done.returncode == 2 and "10.77.0.0/24" in done.stderr
    assert node.pxectl("host", "remove", "nobody", "--yes", check=False).returncode == 6


def test_a_mac_belongs_to_one_host(healthy):
    node = healthy.nodes[0]
    node.pxectl("host", "add", "first", "--mac", "52:54:00:55:00:10")
    done = node.pxectl("host", "add", "second", "--mac", "52:54:00:55:00:10", check=False)
    assert done.returncode == 7 and "first" in done.stderr


def test_a_mistyped_mac_is_refused(healthy):
    done = healthy.nodes[0].pxectl("host", "add", "typo", "--mac", "52:54:00:55:00", check=False)
    assert done.returncode == 2 and "52:54:00:55:00" in done.stderr, done


def test_reserving_an_address_that_another_machine_holds_says_so(healthy, client):
    bound = client.udhcpc()
    done = healthy.nodes[1].pxectl("host", "add", "heir", "--mac", "52:54:00:55:00:50", "--ip", bound["ip"])
    assert client.mac in done.stderr and "heir" in done.stderr, done
    done = healthy.nodes[1].pxectl("host", "set", "heir", "--ip", "10.77.0.90")
    assert "note" not in done.stderr, done


def test_a_token_survives_a_join_that_was_refused(healthy):
    """A wrong name, then the right one: what was refused once is not refused for ever."""
    fourth = Node(healthy, 4)
    fourth.setup()
    node = healthy.nodes[0]
    token = node.pxectl("cluster", "token", "create", "--for", "pxe4").stdout.split()[0]
    words = ["cluster", "join", token, "--interface", "eth0", "--data", fourth.dir / "data", "--socket", fourth.dir / "api.sock", "--no-start"]
    done = fourth.pxectl(*words, "--name", "pxe5", check=False)
    assert done.returncode == 5 and "pxe4" in done.stderr and "pxe5" in done.stderr, done
    assert "joined" in fourth.pxectl(*words, "--name", "pxe4").stdout
    # it never started: a learner that cannot be promoted, which may be taken out again
    assert "pxe4" in [n["name"] for n in node.json("node", "list")["nodes"]]
    assert node.pxectl("cluster", "join", token, check=False).returncode == 7, "a member joins nothing"
    assert node.pxectl("node", "remove", "pxe4", "--yes", check=False).returncode == 9, "it cannot be asked"
    node.pxectl("node", "remove", "pxe4", "--force", "--yes")
    wait_for("the removal", lambda: "pxe4" not in [n["name"] for n in node.json("node", "list")["nodes"]], 30)
    # the token was used
    shutil.rmtree(fourth.dir / "etc")
    done = fourth.pxectl(*words, check=False)
    assert done.returncode == 5 and "used" in done.stderr, done


def test_set_changes_only_what_is_named(healthy):
    node = healthy.nodes[2]
    node.pxectl("host", "add", "keep", "--mac", "52:54:00:55:00:20", "--ip", "10.77.0.70", "--hostname", "kept")
    node.pxectl("host", "set", "keep", "--ip", "10.77.0.71")
    host = json.loads(node.pxectl("-o", "json", "host", "show", "keep").stdout)
    assert host["ip"] == "10.77.0.71" and host["hostname"] == "kept"


def test_pxectl_goes_to_another_node_when_its_own_is_dead(healthy):
    node = healthy.nodes[0]
    node.pxectl("status")
    node.kill(signal.SIGKILL)
    done = node.pxectl("host", "add", "elsewhere", "--mac", "52:54:00:55:00:30")
    assert "revision" in done.stdout
    node.start()


def test_changes_during_a_change_of_leader_apply_once(healthy):
    """Each add either succeeds once or is refused; none is applied twice (a second application would be exit 7)."""
    import threading
    leader = healthy.leader()
    asked = next(n for n in healthy.nodes if n is not leader)
    timer = threading.Timer(0.3, lambda: leader.kill(signal.SIGKILL))
    timer.start()
    for number in range(30):
        done = asked.pxectl("host", "add", f"once{number}", "--mac", f"52:54:00:56:00:{number:02x}", timeout=60, check=False)
        assert done.returncode == 0, (number, done)
    timer.join()
    names = [h["name"] for h in asked.json("host", "list")["hosts"]]
    assert all(f"once{number}" in names for number in range(30))


def test_dangerous_verbs_need_yes_without_a_terminal(healthy):
    done = healthy.nodes[0].pxectl("node", "remove", "pxe3", check=False)
    assert done.returncode == 2 and "--yes" in done.stderr


def test_boot_explain_says_where_each_value_comes_from(healthy, bootable):
    node = healthy.nodes[0]
    node.pxectl("profile", "add", "expl", "--image", "tiny", "--kernel", "vmlinuz")
    node.pxectl("host", "add", "expl", "--mac", "52:54:00:55:00:40", "--profile", "expl", "--ip", "10.77.0.80")
    text = node.pxectl("boot", "explain", "52:54:00:55:00:40", "--arch", "bios").stdout
    assert "10.77.0.80" in text and "host expl" in text and "undionly.kpxe" in text


def test_a_stranger_key_is_told_so(healthy, client):
    """A key that the cluster does not know gets a clear refusal, from a machine that is no node."""
    node = healthy.nodes[0]
    client.udhcpc()
    work = client.dir / "stranger"
    pxectl = str(healthy.bin / "ctl" / "pxectl")
    # a cluster of its own gives the stranger a key that is in order, but not known here
    client.run(pxectl, "--dir", work, "cluster", "init", "--name", "other", "--interface", "eth0", "--data", work / "data", "--no-start")
    server_key = next(line.split(None, 2)[2] for line in node.pxectl("cluster", "info").stdout.splitlines()
                      if line.startswith("API key"))
    words = [pxectl, "--dir", client.dir / "nothing", "--endpoint", f"{node.ip}:7441"]
    done = client.run(*words, "--key", work / "keys" / "node.key_secret", "--server-key", server_key, "status", check=False)
    assert done.returncode == 5 and "key" in done.stderr, done
    # a server that cannot prove that it is of the cluster is not believed
    done = client.run(*words, "--key", work / "keys" / "node.key_secret", "--server-key", "x" * 40, "status", check=False)
    assert done.returncode in (3, 5) and not done.stdout, done
