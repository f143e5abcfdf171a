"""Leases of another server are taken over: from its own files, into a real cluster, whose machines then go on with them."""

import time

from rawclient import RawClient

PREFIX = "10.77.0.2"  # and two digits: in the subnet, in no pool


def mac(number):
    return f"52:54:00:1e:00:{number:02x}"


def dnsmasq_file(path, now):
    # time 0: for ever
    path.write_text(f"0 {mac(4)} {PREFIX}04 endless *\n{now + 3600} {mac(1)} {PREFIX}01 one *\n"
                    f"{now - 5} {mac(2)} {PREFIX}02 gone *\n"
                    f"{now + 7200} {mac(3)} {PREFIX}03 * 01:{mac(3)}\n")


def dhcpd_file(path, now):
    def lease(ip, number, end, state):
        stamp = time.strftime("%w %Y/%m/%d %H:%M:%S", time.gmtime(end))
        return (f"lease {ip} {{\n  starts {stamp};\n  ends {stamp};\n  binding state {state};\n"
                f"  hardware ethernet {mac(number)};\n}}\n")
    # a journal: what is said last of an address counts
    path.write_text(lease(f"{PREFIX}11", 11, now + 100, "active") + lease(f"{PREFIX}12", 12, now + 3600, "free") +
                    lease(f"{PREFIX}11", 11, now + 3600, "active"))


def kea_file(path, now):
    head = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
    rows = [f"{PREFIX}21,{mac(21)},,3600,{now + 3600},1,0,0,host21,0,,0",
            f"{PREFIX}21,{mac(22)},,3600,{now + 3600},1,0,0,,0,,0",  # moved to another machine since
            f"{PREFIX}01,{mac(23)},,3600,{now + 3600},1,0,0,,0,,0"]  # which dnsmasq's file says is another's
    path.write_text(head + "\n".join(rows) + "\n")


def known(node):
    return {lease["ip"]: lease["mac"] for lease in node.json("lease", "list")["leases"] if lease["ip"].startswith(PREFIX)}


def test_leases_of_dnsmasq_dhcpd_and_kea_are_taken_over(healthy, client, tmp_path):
    node, now = healthy.nodes[0], int(time.time())
    node.pxectl("subnet", "set", "lab", "--lease", "1h")
    files = {"dnsmasq": dnsmasq_file, "dhcpd": dhcpd_file, "kea": kea_file}
    for server, write in files.items():
        write(tmp_path / server, now)
    done = node.pxectl("lease", "import", "--from", "dnsmasq", "--dry-run", tmp_path / "dnsmasq")
    assert not known(node), done.stdout
    for server in ("dnsmasq", "dhcpd"):
        done = node.pxectl("lease", "import", "--from", server, tmp_path / server)
        assert done.returncode == 0, done
    # a refusal names the line and the reason, and the rest is taken over
    done = node.pxectl("lease", "import", "--from", "kea", tmp_path / "kea", check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 1 and "another client" in told and "kea:4" in told, done
    healthy.wait_equal()
    expected = {f"{PREFIX}01": mac(1), f"{PREFIX}04": mac(4), f"{PREFIX}03": mac(3), f"{PREFIX}11": mac(11), f"{PREFIX}21": mac(22)}
    for each in healthy.nodes:
        assert known(each) == expected
    endless = next(lease for lease in node.json("lease", "list")["leases"] if lease["mac"] == mac(4))
    assert int(endless["expires_ms"]) > (now + 99 * 365 * 86400) * 1000
    # again: the same, nothing is shortened
    node.pxectl("lease", "import", "--from", "dnsmasq", tmp_path / "dnsmasq")
    assert known(node) == expected
    # the machine goes on with it, at whichever node; a stranger does not get it
    raw = RawClient(client)
    try:
        answer = raw.request(mac=mac(1), requested=f"{PREFIX}01")
        assert answer and answer["type"] == "ack" and answer["ip"] == f"{PREFIX}01", answer
        answer = raw.discover(mac=mac(99), requested=f"{PREFIX}03")
        assert answer and answer["ip"] not in expected, answer
    finally:
        raw.close()
