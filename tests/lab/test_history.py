"""The checker finds each kind of broken promise in a history made by hand, and nothing in one that is right. No network."""

import socket
import struct

import history
from history import Seen

A, B = "52:54:00:00:00:0a", "52:54:00:00:00:0b"
X, Y = "10.0.0.5", "10.0.0.6"


class Tape:
    """A history in the making; messages of client and node at given times."""

    def __init__(self):
        self.seen = []

    def client(self, at, kind, mac, xid=1, port="ca", **more):
        self.seen.append(Seen(at, port, True, kind, mac, xid, **more))
        return self

    def node(self, at, kind, mac, xid=1, port="n1", to="ca", server="10.0.0.1", lost=False, **more):
        self.seen.append(Seen(at, port, True, kind, mac, xid, server=server, **more))
        if not lost:
            self.seen.append(Seen(at + 0.001, to, False, kind, mac, xid, server=server, **more))
        return self

    def lease(self, at, mac, ip, lease=30, xid=1, port="n1"):
        return self.client(at, "request", mac, xid, requested=ip).node(at + 0.01, "ack", mac, xid, port, ip=ip, lease=lease)

    def duplicates(self):
        return history.duplicates(history.holdings(self.seen))

    def naks(self):
        return history.wrong_naks(self.seen, history.holdings(self.seen))


def test_one_after_the_other_is_right():
    tape = Tape().lease(0, A, X).lease(30.5, B, X, port="n2")
    assert history.check(tape.seen) == []


def test_an_address_with_two_holders_is_found_and_both_acks_are_named():
    wrong = Tape().lease(0, A, X).lease(20, B, X, port="n2").duplicates()
    assert len(wrong) == 1
    assert X in wrong[0] and A in wrong[0] and B in wrong[0] and "n1" in wrong[0] and "n2" in wrong[0]


def test_one_hundredth_of_a_second_is_enough():
    assert Tape().lease(0, A, X, 30).lease(29.98, B, X).duplicates()
    assert not Tape().lease(0, A, X, 30).lease(29.995, B, X).duplicates()


def test_the_lease_counts_from_the_request_and_not_from_the_ack():
    tape = Tape().client(0, "request", A, requested=X).node(5, "ack", A, ip=X, lease=30).lease(31, B, X)
    assert tape.duplicates() == []


def test_the_lease_counts_from_the_last_repetition_of_the_request():
    tape = Tape().client(0, "request", A, requested=X).client(4, "request", A, requested=X).node(5, "ack", A, ip=X, lease=30)
    assert tape.lease(31, B, X).duplicates()


def test_a_renewal_extends():
    assert Tape().lease(0, A, X).lease(15, A, X, xid=2).lease(40, B, X).duplicates()
    assert not Tape().lease(0, A, X).lease(15, A, X, xid=2).lease(45.5, B, X).duplicates()


def test_a_shorter_ack_does_not_take_back_a_longer_one():
    assert Tape().lease(0, A, X, 60).lease(10, A, X, 5, xid=2).lease(30, B, X).duplicates()


def test_an_ack_that_was_lost_is_a_promise_all_the_same():
    tape = Tape().client(0, "request", A, requested=X).node(0.1, "ack", A, ip=X, lease=30, lost=True)
    assert tape.lease(10, B, X).duplicates()


def test_a_release_ends_the_lease():
    tape = Tape().lease(0, A, X).client(10, "release", A, 7, ciaddr=X).lease(12, B, X)
    assert tape.duplicates() == []


def test_a_release_of_another_address_or_by_another_client_ends_nothing():
    assert Tape().lease(0, A, X).client(10, "release", A, 7, ciaddr=Y).lease(12, B, X).duplicates()
    assert Tape().lease(0, A, X).client(10, "release", B, 7, ciaddr=X).lease(12, B, X).duplicates()


def test_a_release_does_not_end_the_next_lease():
    tape = Tape().lease(0, A, X).client(10, "release", A, 7, ciaddr=X).lease(12, A, X, xid=8).lease(20, B, X)
    assert tape.duplicates()


def test_an_ack_that_comes_after_the_release_revives_nothing():
    tape = Tape().client(0, "request", A, requested=X).node(0.1, "ack", A, ip=X, lease=30)
    tape.client(5, "release", A, 7, ciaddr=X).node(6, "ack", A, port="n2", ip=X, lease=30)
    assert tape.lease(8, B, X).duplicates() == []


def test_a_decline_ends_the_lease():
    assert Tape().lease(0, A, X).client(1, "decline", A, 7, requested=X).lease(5, B, X).duplicates() == []


def test_the_same_client_may_be_acknowledged_by_two_nodes():
    tape = Tape().lease(0, A, X).node(0.02, "ack", A, 1, "n2", ip=X, lease=30)
    assert history.check(tape.seen) == []


def test_three_holders_are_told_pair_by_pair():
    third = "52:54:00:00:00:0c"
    assert len(Tape().lease(0, A, X).lease(1, B, X).lease(2, third, X).duplicates()) == 3


def test_a_nak_for_a_held_address_is_found():
    tape = Tape().lease(0, A, X).client(10, "request", A, 2, ciaddr=X).node(10.1, "nak", A, 2, "n3")
    assert len(tape.naks()) == 1 and "n3" in tape.naks()[0]


def test_a_nak_for_another_address_or_after_the_end_is_right():
    assert not Tape().lease(0, A, X).client(10, "request", A, 2, requested=Y).node(10.1, "nak", A, 2).naks()
    assert not Tape().lease(0, A, X).client(31, "request", A, 2, requested=X).node(31.1, "nak", A, 2).naks()
    assert not Tape().lease(0, A, X).client(9, "release", A, 7, ciaddr=X).client(10, "request", A, 2, requested=X).node(
        10.1, "nak", A, 2).naks()


def test_a_nak_to_an_older_request_is_right():
    tape = Tape().client(0, "request", A, 1, requested=X).lease(1, A, X, xid=2).node(2, "nak", A, 1)
    assert tape.naks() == []


def test_a_nak_after_an_operator_moved_the_address_or_the_machine_is_right():
    tape = Tape().lease(0, A, X).client(10, "request", A, 2, ciaddr=X).node(10.1, "nak", A, 2)
    held = history.holdings(tape.seen)
    assert history.wrong_naks(tape.seen, held, {A}) == history.wrong_naks(tape.seen, held, {X}) == []
    assert history.wrong_naks(tape.seen, held, {B, Y})


def test_a_nak_soon_after_the_client_declined_the_address_is_right():
    tape = Tape().lease(0, A, X).client(1, "decline", A, 7, requested=X).lease(3, A, X, xid=8)
    tape.client(10, "request", A, 2, ciaddr=X).node(10.1, "nak", A, 2)
    held = history.holdings(tape.seen)
    assert history.wrong_naks(tape.seen, held, (), 20) == []
    assert history.wrong_naks(tape.seen, held, (), 5)


def test_a_node_without_the_quorum_that_promises_too_much_is_found():
    held = history.holdings(Tape().lease(5, A, X, lease=30).seen)
    assert len(history.too_long(held, {"n1": [(4, 6)]}, 12)) == 1
    assert history.too_long(held, {"n1": [(4, 5)], "n2": [(4, 6)]}, 12) == []
    assert history.too_long(held, {"n1": [(4, 6)]}, 30) == []


def test_a_node_without_the_quorum_may_extend_by_one_mclt():
    with_quorum = Tape().lease(0, A, X, lease=30)
    assert history.too_long(history.holdings(with_quorum.lease(20, A, X, 22, xid=2).seen), {"n1": [(19, 30)]}, 12) == []
    assert history.too_long(history.holdings(with_quorum.lease(25, A, X, 30, xid=3).seen), {"n1": [(19, 30)]}, 12) == []
    assert history.too_long(history.holdings(with_quorum.lease(26, A, X, 60, xid=4).seen), {"n1": [(19, 30)]}, 12)
    assert history.too_long(history.holdings(Tape().lease(0, B, X, 30).lease(20, A, X, 22).seen), {"n1": [(19, 30)]}, 12)


def test_a_second_server_identifier_is_found():
    tape = Tape().lease(0, A, X)
    assert history.server_identifiers(tape.seen) == []
    tape.node(1, "offer", B, ip=Y, server="10.0.0.2", port="n2")
    assert len(history.server_identifiers(tape.seen)) == 1


def test_who_waits_too_long_after_healing_is_found():
    tape = Tape().client(0, "discover", A).client(8, "discover", A).client(20, "discover", A)
    assert len(history.unserved(history.waits(tape.seen), 5, 40, 30)) == 1
    assert history.unserved(history.waits(tape.seen), 5, 30, 30) == []


def test_an_ack_at_the_clients_own_port_ends_the_wait():
    served = Tape().client(0, "discover", A).client(1, "request", A, requested=X).node(36, "ack", A, ip=X, lease=9)
    assert len(history.unserved(history.waits(served.seen), 5, 60, 30)) == 1
    assert history.unserved(history.waits(served.seen), 10, 60, 30) == []
    astray = Tape().client(0, "discover", A).node(2, "ack", A, to="cb", ip=X, lease=9)
    assert len(history.unserved(history.waits(astray.seen), 0, 60, 30)) == 1
    lost = Tape().client(0, "discover", A).node(2, "ack", A, ip=X, lease=9, lost=True)
    assert len(history.unserved(history.waits(lost.seen), 0, 60, 30)) == 1


def test_a_nak_does_not_end_the_wait():
    tape = Tape().client(0, "request", A, requested=X).node(1, "nak", A)
    assert len(history.unserved(history.waits(tape.seen), 0, 60, 30)) == 1


def test_a_late_copy_of_an_old_message_is_no_question():
    tape = Tape().lease(0, A, X).client(5, "request", A, requested=X)
    assert history.unserved(history.waits(tape.seen), 0, 60, 30) == []
    tape.client(6, "request", A, 2, ciaddr=X)
    assert history.unserved(history.waits(tape.seen), 0, 60, 30)


def test_a_wait_may_be_counted_from_the_first_discover():
    tape = Tape().client(0, "request", A, ciaddr=X).client(20, "discover", A, 2)
    assert history.unserved(history.waits(tape.seen), 0, 40, 30)
    assert history.unserved(history.waits(tape.seen, ("discover",)), 0, 40, 30) == []
    assert history.unserved(history.waits(tape.seen, ("discover",)), 0, 60, 30)


def test_only_the_ports_asked_for_are_looked_at():
    tape = Tape().client(0, "discover", A, port="cb")
    assert history.unserved(history.waits(tape.seen), 0, 60, 30, ports={"ca"}) == []
    assert history.unserved(history.waits(tape.seen), 0, 60, 30, ports={"cb"})


def test_a_lease_that_a_node_does_not_list_is_found():
    held = history.holdings(Tape().lease(0, A, X).lease(1, B, Y).seen)
    assert history.forgotten(held, {(X, A), (Y, B)}, 10, 10, "n1") == []
    wrong = history.forgotten(held, {(X, A), (Y, A)}, 10, 10, "n1")
    assert len(wrong) == 1 and Y in wrong[0] and B in wrong[0]
    assert history.forgotten(held, set(), 10, 40, "n1") == [], "they have ended"
    assert history.forgotten(held, set(), 0.005, 10, "n1") == [], "they were not acknowledged yet"


def message(kind=5, options=b""):
    """An IPv4 packet with a reply, as it is on the wire."""
    bootp = struct.pack("!BBBBIHH4s4s4s4s", 2, 1, 6, 0, 77, 0, 0, bytes(4), socket.inet_aton(X), bytes(4), bytes(4))
    bootp += bytes.fromhex(A.replace(":", "")).ljust(16, b"\0") + bytes(192) + history.COOKIE
    bootp += bytes([53, 1, kind]) + options + b"\xff"
    udp = struct.pack("!HHHH", 67, 68, 8 + len(bootp), 0) + bootp
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton("10.0.0.1"), bytes(4)) + udp


def test_a_packet_is_read():
    seen = history.parse_ip(message(options=b"\x33\x04\x00\x00\x00\x1e\x36\x04\x0a\x00\x00\x01"), 3.0, "n1", True)
    assert seen == Seen(3.0, "n1", True, "ack", A, 77, X, lease=30, server="10.0.0.1", source="10.0.0.1")


def test_what_is_no_dhcp_message_or_is_cut_off_is_none():
    whole = message()
    for length in range(len(whole) - 4):
        assert history.parse_ip(whole[:length], 0, "n1", True) is None
    assert history.parse_ip(whole[:9] + b"\x06" + whole[10:], 0, "n1", True) is None
    assert history.parse_ip(message(kind=99), 0, "n1", True) is None
