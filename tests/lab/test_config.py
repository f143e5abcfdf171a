"""Groups, guarded pools, options and quirks as an operator gives them by pxectl, and what clients are told then."""

import json

import pytest
from conftest import ROOT
from rawclient import RawClient

from lab import wait_for

ASK = {"55": bytes([15, 17, 26, 42, 43, 125, 150]).hex()}  # besides what every raw client asks for


@pytest.fixture
def raw(client):
    raw = RawClient(client)
    yield raw
    raw.close()


def show(node, noun, name):
    return json.loads(node.pxectl("-o", "json", noun, "show", name).stdout)


def offer(lab, raw, **options):
    """An OFFER, of whichever node, once all of them know the configuration."""
    lab.wait_equal()
    answer = raw.discover(options={**ASK, **options})
    assert answer and answer["type"] == "offer", f"no OFFER but {answer}"
    return answer


def ack(lab, raw, **options):
    lab.wait_equal()
    answer = raw.lease(options={**ASK, **options})
    assert answer and answer["type"] == "ack", f"no ACK but {answer}"
    return answer


def address(*parts):
    return bytes(parts).hex()


def test_options_of_every_level_reach_the_client_and_later_ones_win(healthy, client, raw):
    """cluster < subnet < groups in order < host; an option that is set to none comes from the level before again."""
    node = healthy.nodes[0]
    node.pxectl("cluster", "set", "option.ntp-servers=10.77.0.5", "option.root-path=/cluster")
    node.pxectl("subnet", "set", "lab", "--option", "root-path=/subnet", "--option", "vendor.6=u8:8", "--domain", "lab.example")
    node.pxectl("group", "add", "late", "--match", f"mac={client.mac[:-2]}*", "--order", "20", "--option", "mtu=1400",
                "--option", "150=ip:10.77.0.9,10.77.0.10")
    node.pxectl("group", "add", "early", "--match", "mac=52:54:*", "--order", "10", "--option", "mtu=9000",
                "--option", "root-path=/early")
    options = ack(healthy, raw)["options"]
    assert options["42"] == address(10, 77, 0, 5)
    assert bytes.fromhex(options["17"]).rstrip(b"\0") == b"/early"
    assert options["26"] == (1400).to_bytes(2, "big").hex(), "the group of the higher order"
    assert options["150"] == address(10, 77, 0, 9, 10, 77, 0, 10)
    assert bytes.fromhex(options["15"]).rstrip(b"\0") == b"lab.example"
    assert options["43"] == "060108"
    node.pxectl("host", "add", "levels", "--mac", client.mac, "--option", "mtu=1300", "--option", "root-path=/host")
    options = ack(healthy, raw)["options"]
    assert options["26"] == (1300).to_bytes(2, "big").hex() and bytes.fromhex(options["17"]).rstrip(b"\0") == b"/host"
    node.pxectl("host", "set", "levels", "--option", "mtu=none", "--option", "root-path=none")
    node.pxectl("group", "set", "early", "--option", "root-path=none")
    options = ack(healthy, raw)["options"]
    assert options["26"] == (1400).to_bytes(2, "big").hex() and bytes.fromhex(options["17"]).rstrip(b"\0") == b"/subnet"
    node.pxectl("group", "remove", "early", "late", "--yes")
    node.pxectl("host", "remove", "levels", "--yes")
    node.pxectl("subnet", "set", "lab", "--option", "root-path=none", "--option", "vendor.6=none", "--domain", "none")
    options = ack(healthy, raw)["options"]
    assert "26" not in options and "43" not in options and bytes.fromhex(options["17"]).rstrip(b"\0") == b"/cluster"
    node.pxectl("cluster", "set", "option.ntp-servers=none", "option.root-path=none")
    assert "42" not in ack(healthy, raw)["options"]


def test_an_option_is_sent_unasked_only_if_it_says_so(healthy, client, raw):
    node = healthy.nodes[1]
    node.pxectl("group", "add", "unasked", "--match", f"mac={client.mac}", "--option", "!152=hex:aa", "--option", "153=hex:bb")
    options = ack(healthy, raw)["options"]
    assert options["152"] == "aa" and "153" not in options
    node.pxectl("group", "remove", "unasked", "--yes")


def test_lease_times_by_group_and_host(healthy, client, raw):
    node = healthy.nodes[0]
    node.pxectl("group", "add", "short", "--match", "vendor-class=Short*", "--lease", "90s")

    def granted(**options):
        """The time of a new lease: one that runs is told as what is left of it."""
        answer = ack(healthy, raw, **options)
        node.pxectl("lease", "release", answer["ip"], "--yes")
        return answer["lease"]
    assert granted() == 600
    assert granted(**{"60": b"shortlived".hex()}) == 90
    node.pxectl("host", "add", "short1", "--mac", client.mac, "--lease", "2m", "--lease-max", "3m")
    assert granted(**{"60": b"shortlived".hex()}) == 120
    assert granted(**{"60": b"shortlived".hex(), "51": (3600).to_bytes(4, "big").hex()}) == 180
    node.pxectl("host", "remove", "short1", "--yes")
    node.pxectl("group", "remove", "short", "--yes")


def test_an_ignored_group_hears_nothing(healthy, client, raw):
    node = healthy.nodes[2]
    node.pxectl("group", "add", "blocked", "--match", f"mac={client.mac}", "--ignore", "yes")
    healthy.wait_equal()
    assert raw.discover(tries=3) is None
    node.pxectl("group", "set", "blocked", "--ignore", "no")
    assert raw.discover()["type"] == "offer"
    node.pxectl("group", "remove", "blocked", "--yes")


def test_a_host_known_by_its_client_identifier_has_its_reservation_and_groups(healthy, client, raw):
    node = healthy.nodes[0]
    node.pxectl("group", "add", "named", "--option", "mtu=1234")
    node.pxectl("host", "add", "byid", "--client-id", "db-one", "--ip", "10.77.0.61", "--group", "named")
    answer = offer(healthy, raw, **{"61": b"db-one".hex()})
    assert answer["ip"] == "10.77.0.61" and answer["options"]["26"] == (1234).to_bytes(2, "big").hex()
    done = node.pxectl("group", "remove", "named", check=False)
    assert done.returncode == 2 and "byid" in done.stderr, done
    node.pxectl("host", "remove", "byid", "--yes")
    node.pxectl("group", "remove", "named", "--yes")


def test_pools_for_some_machines_and_addresses_that_are_kept_out(healthy, lab, client, raw):
    node = healthy.nodes[0]
    node.pxectl("group", "add", "few", "--match", "user-class=few")
    node.pxectl("pool", "add", "few", "--subnet", "lab", "--range", "10.77.0.50-10.77.0.99", "--only", "few",
                "--exclude", "10.77.0.50-10.77.0.69", "--exclude", "10.77.0.99", "--option", "mtu=1111")
    node.pxectl("pool", "set", "lab", "--except", "few")
    healthy.wait_equal()
    pool = show(node, "pool", "few")
    assert pool["only"] == ["few"] and [r["first_ip"] for r in pool["exclude"]] == ["10.77.0.50", "10.77.0.99"]
    assert "29 addresses" in node.pxectl("pool", "show", "few").stdout
    few = {"77": (bytes([3]) + b"few").hex()}
    answer = offer(healthy, raw, **few)
    assert 70 <= int(answer["ip"].split(".")[3]) <= 98 and answer["options"]["26"] == (1111).to_bytes(2, "big").hex()
    other = lab.client("cother", "52:54:00:79:01:01")
    others = RawClient(other)
    try:
        assert int(others.discover(options=ASK)["ip"].split(".")[3]) >= 100
    finally:
        others.close()
    node.pxectl("pool", "set", "lab", "--except", "none")
    node.pxectl("pool", "remove", "few", "--yes")
    node.pxectl("group", "remove", "few", "--yes")


def test_quirks_by_group(healthy, client, raw):
    """FIELD 12, FIELD 21: the client identifier is told back, and answers go to everybody, only where that is wanted."""
    node = healthy.nodes[0]
    told = {"61": "ff010203040506"}
    assert offer(healthy, raw, **told)["options"].get("61") == told["61"]
    node.pxectl("group", "add", "odd", "--match", f"mac={client.mac}", "--quirk", "echo-client-id=no", "--quirk", "broadcast=yes")
    assert "61" not in offer(healthy, raw, **told)["options"]
    node.pxectl("group", "set", "odd", "--quirk", "echo-client-id=default")
    assert offer(healthy, raw, **told)["options"].get("61") == told["61"]
    assert show(node, "group", "odd")["quirks"]["broadcast"] == "TOGGLE_YES"
    node.pxectl("group", "remove", "odd", "--yes")


def test_groups_are_listed_on_every_node_and_go_with_a_backup(healthy, client, tmp_path):
    node = healthy.nodes[0]
    node.pxectl("group", "add", "rack1", "--match", "circuit=eth0/1*", "--match", "arch=bios,uefi-x64", "--order", "5",
                "--quirk", "reply-delay=500ms", "--option", "routers=10.77.0.254")
    for other in healthy.nodes:
        wait_for(f"{other.name} to know the group", lambda n=other: "rack1" in n.pxectl("-o", "name", "group", "list").stdout.split(), 10)
    text = node.pxectl("group", "show", "rack1").stdout
    for line in ("circuit=eth0/1*", "arch=bios,uefi-x64", "routers=10.77.0.254", "reply-delay=500ms"):
        assert line in text, text
    group = node.json("group", "list", "rack*")["groups"][0]
    assert group["match"]["arch"] == ["bios", "uefi-x64"] and group["quirks"]["reply_delay_ms"] == 500
    backup = tmp_path / "lab.pxb"
    node.pxectl("backup", "create", backup)
    lines = dict(line.split(None, 1) for line in node.pxectl("backup", "inspect", backup).stdout.splitlines())
    assert lines["groups"] == str(len(node.json("group", "list")["groups"]))
    node.pxectl("group", "remove", "rack1", "--yes")
    assert node.pxectl("group", "show", "rack1", check=False).returncode == 6


def test_what_is_wrong_is_refused_with_a_reason(healthy):
    node = healthy.nodes[0]
    cases = [(("group", "add", "g", "--option", "ruoters=10.0.0.1"), "did you mean 'routers'"),
             (("group", "add", "g", "--option", "mtu=70000"), "65535"),
             (("group", "add", "g", "--option", "lease-time=60"), "set by the server itself"),
             (("group", "add", "g", "--match", "arch=uefi-x6"), "did you mean"),
             (("group", "add", "g", "--profile", "nothing"), "does not exist"),
             (("group", "add", "g", "--lease-min", "2h", "--lease-max", "1h"), "not in this order"),
             (("pool", "set", "lab", "--only", "nobody"), "group nobody"),
             (("pool", "set", "lab", "--exclude", "10.99.0.1"), "10.99.0.1"),
             (("host", "add", "h", "--mac", "52:54:00:55:01:01", "--group", "nobody"), "group nobody"),
             (("subnet", "set", "lab", "--option", "routers=10.0.0.1"), "--gateway"),
             (("profile", "add", "m", "--menu-item", "x=nothing"), "nothing"),
             (("cluster", "set", "option.mtu=x"), "mtu")]
    for words, told in cases:
        done = node.pxectl(*words, check=False)
        assert done.returncode == 2 and told in done.stderr, (words, done)


def test_a_menu_and_the_settings_of_the_cluster_are_kept_as_given(healthy, bootable):
    node = healthy.nodes[0]
    node.pxectl("profile", "add", "choose", "--menu-item", "Install=tiny", "--menu-item", "Local disk=local", "--menu-prompt", "Press F8",
                "--menu-timeout", "10s")
    menu = show(node, "profile", "choose")["menu"]
    assert [item["text"] for item in menu["items"]] == ["Install", "Local disk"] and menu["timeout_s"] == 10
    assert "Local disk=local" in node.pxectl("profile", "show", "choose").stdout
    done = node.pxectl("cluster", "set", "probe=no", "known-percent=20", "unknown-per-s=100", "lease-max=2h", "quirk.rapid-commit=yes")
    assert "default (yes) -> no" in done.stdout and "10 % -> 20 %" in done.stdout
    settings = node.json("cluster", "info")["settings"]
    assert settings["probe"] == "TOGGLE_NO" and settings["known_percent"] == 20 and settings["unknown_per_s"] == 100
    assert settings["quirks"]["rapid_commit"] == "TOGGLE_YES" and settings["lease_max_s"] == 7200
    node.pxectl("cluster", "set", "probe=default", "known-percent=default", "unknown-per-s=default", "lease-max=default",
                "quirk.rapid-commit=default")
    node.pxectl("profile", "remove", "choose", "--yes")


def test_the_example_of_groups_can_be_run_again_and_does_what_it_says(healthy, lab, raw, tmp_path):
    node = healthy.nodes[0]
    script = tmp_path / "groups.sh"
    script.write_text((ROOT / "deploy" / "examples" / "groups.sh").read_text().replace("10.20.3.", "10.77.0."))
    tool = tmp_path / "pxectl"
    tool.write_text(f'#!/bin/sh\nexec {node.lab.bin / "ctl" / "pxectl"} --dir {node.conf} "$@"\n')
    tool.chmod(0o755)
    for _ in range(2):
        done = node.exec("env", f"PATH={tmp_path}:/usr/bin:/bin", "sh", script)
        assert "phones" in done.stdout and "known=no" in done.stdout, done
    answer = offer(healthy, raw)
    assert 200 <= int(answer["ip"].split(".")[3]) <= 254 and answer["options"]["42"] == address(10, 20, 0, 2)
    assert offer(healthy, raw, **{"60": b"Cisco Systems".hex()})["options"]["150"] == address(10, 20, 0, 11)
    declared = lab.client("cdeclared", "52:54:00:79:01:02")
    node.pxectl("host", "add", "declared", "--mac", declared.mac)
    raw_declared = RawClient(declared)
    try:
        assert 100 <= int(offer(healthy, raw_declared)["ip"].split(".")[3]) <= 199, "a declared machine leases from the other pool"
    finally:
        raw_declared.close()
