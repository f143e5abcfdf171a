"""Records the DHCP traffic of every port of a segment in a pcap file that tshark reads, with the kernel's time stamps.

As a program, in the namespace of the bridge: capture.py FILE NAMES. NAMES gets the interface numbers and names. It ends at the end of
its standard input and then says on standard output how many packets it wrote and how many the kernel dropped.
As a module: Reader gives what was recorded so far as history.Seen.
"""

import ctypes
import json
import os
import select
import socket
import struct
import sys
from pathlib import Path

import history

ETH_P_ALL, SOL_PACKET, PACKET_STATISTICS, SO_ATTACH_FILTER, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 3, 263, 6, 26, 35, 33
OUTGOING = 4
LINK_SLL2 = 276
FILE_HEAD = struct.Struct("<IHHiIII")
RECORD_HEAD = struct.Struct("<IIII")
SLL2 = struct.Struct("!HHIHBB8s")

# Classic BPF on a packet that begins with its network header: IPv4, UDP, to port 67 or 68.
FILTER = [(0x28, 0, 0, 0xfffff000),   # ldh protocol
          (0x15, 0, 7, 0x0800),
          (0x30, 0, 0, 9),            # ldb IP protocol
          (0x15, 0, 5, 17),
          (0xb1, 0, 0, 0),            # ldxb 4 * header length
          (0x48, 0, 0, 2),            # ldh destination port
          (0x15, 1, 0, 67),
          (0x15, 0, 1, 68),
          (0x06, 0, 0, 0x40000),
          (0x06, 0, 0, 0)]


def open_socket():
    program = b"".join(struct.pack("HBBI", *line) for line in FILTER)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))  # of all interfaces
    memory = ctypes.create_string_buffer(program)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(FILTER), ctypes.addressof(memory)))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return sock


def record(path, names_path):
    sock = open_socket()
    names = {number: name for number, name in socket.if_nameindex()}
    Path(names_path).write_text(json.dumps(names))
    count = 0
    with open(path, "wb") as out:
        out.write(FILE_HEAD.pack(0xa1b23c4d, 2, 4, 0, 0, 65535, LINK_SLL2))
        out.flush()
        print("ready", flush=True)
        while True:
            ready = select.select([sock, sys.stdin], [], [])[0]
            if sock in ready:
                data, ancillary, _, address = sock.recvmsg(65535, 256)
                name, protocol, kind, hardware, source = address
                number = next((n for n, known in names.items() if known == name), 0)
                seconds, nanoseconds = next(struct.unpack("qq", bytes(value)) for level, what, value in ancillary
                                            if level == socket.SOL_SOCKET and what == SO_TIMESTAMPNS)
                head = SLL2.pack(protocol, 0, number, hardware, kind, len(source), source[:8].ljust(8, b"\0"))
                out.write(RECORD_HEAD.pack(seconds, nanoseconds, len(head) + len(data), len(head) + len(data)) + head + data)
                out.flush()
                count += 1
            elif sys.stdin in ready and not os.read(0, 4096):
                break
    _, dropped = struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    print(json.dumps({"packets": count, "dropped": dropped}), flush=True)


class Reader:
    """What has been recorded so far, in the order of time. `nodes` and `hosts` are ports; what passes at others is left out."""

    def __init__(self, path, names_path, nodes, hosts):
        self.path = path
        self.ports = {int(number): name for number, name in json.loads(Path(names_path).read_text()).items()}
        self.nodes, self.hosts = set(nodes), set(hosts)
        self.at = FILE_HEAD.size
        self.history = []

    def read(self):
        with open(self.path, "rb") as file:
            file.seek(self.at)
            data = file.read()
        place = 0
        while place + RECORD_HEAD.size <= len(data):
            seconds, nanoseconds, length, _ = RECORD_HEAD.unpack_from(data, place)
            end = place + RECORD_HEAD.size + length
            if end > len(data):
                break
            self.take(seconds + nanoseconds / 1e9, data[place + RECORD_HEAD.size:end])
            place = end
        self.at += place
        self.history.sort(key=lambda seen: seen.at)
        return self.history

    def take(self, at, data):
        _, _, number, _, kind, _, _ = SLL2.unpack_from(data)
        port, sent = self.ports.get(number), kind != OUTGOING
        if port in self.hosts or (port in self.nodes and sent):
            seen = history.parse_ip(data[SLL2.size:], at, port, sent)
            if seen and (sent or seen.kind in ("offer", "ack", "nak")):
                self.history.append(seen)


if __name__ == "__main__":
    record(sys.argv[1], sys.argv[2])
