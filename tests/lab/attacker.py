"""A hostile machine: runs in a client's namespace and sends what no honest machine would. One JSON object on stdout at the end.

  attacker.py discover-flood COUNT RATE   DISCOVERs of random hardware addresses
  attacker.py garbage SECONDS RATE        random and mutated DHCP packets, made of real ones
  attacker.py forged SECONDS              replies in the server's name, spoofed RELEASE and DECLINE for the addresses in argv
  attacker.py tftp-half-open SERVER PATH COUNT RATE   requests of spoofed addresses that nobody goes on with
  attacker.py tftp-garbage SERVER COUNT   malformed requests; then whether the server still answers
  attacker.py http-idle SERVER COUNT SECONDS          connections that send half a request and wait
  attacker.py http-drip SERVER COUNT SECONDS          bodies that come a byte a second
  attacker.py http-garbage SERVER COUNT   absurd requests, each on a connection of its own
  attacker.py tcp-garbage SERVER PORT COUNT SECONDS   connections that send random bytes, or greet in ZMTP without CURVE
"""

import json
import os
import random
import select
import socket
import struct
import sys
import time

import rawclient


def link_socket():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind(("eth0", 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    return sock


def paced(count, rate):
    """Yields 0 to count-1 at `rate` a second."""
    start = time.monotonic()
    for i in range(count):
        ahead = start + i / rate - time.monotonic()
        if ahead > 0.002:
            time.sleep(ahead)
        yield i


def random_mac(rng):
    return "02:" + ":".join(f"{rng.getrandbits(8):02x}" for _ in range(5))


def udp_frame(source_mac, source, sport, target, dport, payload, target_mac=b"\xff" * 6):
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), random.getrandbits(16), 0, 64, 17, 0,
                       socket.inet_aton(source), socket.inet_aton(target))
    head = head[:10] + struct.pack("!H", rawclient.checksum(head)) + head[12:]
    return target_mac + source_mac + b"\x08\x00" + head + udp


def discover_flood(count, rate):
    rng, sock, sent = random.Random(1), link_socket(), 0
    for i in paced(int(count), float(rate)):
        mac = random_mac(rng)
        sock.send(rawclient.frame({"op": "discover", "mac": mac, "xid": rng.getrandbits(32)}))
        sent += 1
    return {"sent": sent}


def seeds():
    """Well-formed messages of each kind, as real firmware sends them."""
    mac = "52:54:00:7a:00:01"
    pxe = {"60": b"PXEClient:Arch:00007:UNDI:003016".hex(), "93": "0007", "94": "010310", "97": "00" + "ab" * 16,
           "61": "01525400" + "7a0001", "77": b"iPXE".hex(), "175": "b105018086100e", "82": "0104aabbccdd0506aabb", "57": "05c0"}
    out = []
    for kind in rawclient.TYPES:
        for options in ({}, pxe):
            out.append(rawclient.dhcp({"op": kind, "mac": mac, "xid": 7, "requested": "10.77.0.120", "options": options}))
            out.append(rawclient.dhcp({"op": kind, "mac": mac, "xid": 7, "ciaddr": "10.77.0.120", "server": "10.77.0.11",
                                       "options": options}))
    return out


def bomb(rng):
    """Option lists that are all length, all the same code, or never end."""
    head = rawclient.dhcp({"op": "discover", "mac": "52:54:00:7a:00:02", "xid": 9})[:240]
    kind = rng.randrange(5)
    if kind == 0:
        return head + bytes([rng.randrange(256), 255]) * 500
    if kind == 1:
        return head + b"\x3d\x00" * 600
    if kind == 2:
        return head + b"\x35\x01\x01" + b"\x34\x01\x03" + b"\x3d\xff" + bytes(255) * 3
    if kind == 3:
        return head + bytes(1200)
    return head + b"\x35\x01\x01" + b"".join(b"\x0c\xfa" + os.urandom(250) for _ in range(4)) + b"\xff"


def mutate(rng, packet):
    data = bytearray(packet)
    for _ in range(rng.randrange(1, 12)):
        data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7f, 0x80, 0xff, rng.getrandbits(8)))
    what = rng.randrange(8)
    if what == 0:
        del data[rng.randrange(len(data)):]
    elif what == 1:
        data[2] = 255  # hlen
    elif what == 2:
        data[24:28] = bytes(rng.choice(((0xff,) * 4, (127, 0, 0, 1), (224, 0, 0, 1), (10, 77, 0, 11), (10, 77, 0, 255))))  # giaddr
    elif what == 3:
        data[28:44] = rng.choice((bytes(16), b"\xff" * 16, b"\x01\x00\x5e" + bytes(13)))
    elif what == 4:
        data[240:] = os.urandom(rng.randrange(1, 300))
    return bytes(data)


def garbage(seconds, rate):
    rng, sock, known = random.Random(2), link_socket(), seeds()
    end, sent = time.monotonic() + float(seconds), 0
    for _ in paced(1 << 30, float(rate)):
        if time.monotonic() > end:
            break
        pick = rng.randrange(10)
        payload = (os.urandom(rng.randrange(0, 1400)) if pick == 0 else bomb(rng) if pick == 1
                   else mutate(rng, rng.choice(known)))
        source = rng.choice(("0.0.0.0", "10.77.0.120", "10.77.0.11", "127.0.0.1", "255.255.255.255"))
        target = rng.choice(("255.255.255.255", "10.77.0.255", "10.77.0.11", "10.77.0.12"))
        sock.send(udp_frame(os.urandom(1)[:0] + b"\x02" + os.urandom(5), source, rng.choice((67, 68, 1, 65535)), target,
                            67, payload))
        sent += 1
    return {"sent": sent}


def forged(victim_ip, victim_mac):
    """Replies as a server would send them, RELEASE and DECLINE of somebody else's address under our own hardware address."""
    sock, sent = link_socket(), 0
    for kind in ("offer", "ack", "nak"):
        reply = bytearray(rawclient.dhcp({"op": kind, "mac": victim_mac, "xid": 1, "server": "10.77.0.11"}))
        reply[0] = 2
        for sport in (67, 68):
            sock.send(udp_frame(b"\x02\x66\x66\x66\x66\x66", "10.77.0.11", sport, "255.255.255.255", 67, bytes(reply)))
            sent += 1
    for kind in ("release", "decline"):
        for server in (None, "10.77.0.11"):
            for target in ("255.255.255.255", "10.77.0.11", "10.77.0.12", "10.77.0.13"):
                message = rawclient.dhcp({"op": kind, "mac": "02:66:66:66:66:66", "xid": 2, "ciaddr": victim_ip,
                                          "requested": victim_ip, "server": server,
                                          "options": {"61": "01" + victim_mac.replace(":", "")}})
                sock.send(udp_frame(b"\x02\x66\x66\x66\x66\x66", victim_ip, 68, target, 67, message))
                sent += 1
    return {"sent": sent}


def server_mac(server):
    """Learn the server's hardware address by asking it something."""
    with socket.create_connection((server, 80), timeout=5):
        pass
    for line in open("/proc/net/arp", encoding="ascii"):
        words = line.split()
        if words[0] == server:
            return bytes.fromhex(words[3].replace(":", ""))
    raise SystemExit(f"no neighbour {server}")


def tftp_half_open(server, path, count, rate):
    rng, sock, sent = random.Random(3), link_socket(), 0
    target = server_mac(server)
    own = bytes.fromhex(open("/sys/class/net/eth0/address", encoding="ascii").read().strip().replace(":", ""))
    request = b"\0\1" + path.encode() + b"\0octet\0blksize\0001428\0windowsize\00064\0"
    for i in paced(int(count), float(rate)):
        source = f"10.77.0.{200 + rng.randrange(54)}"
        sock.send(udp_frame(own, source, 1024 + i % 60000, server, 69, request, target))
        sent += 1
    return {"sent": sent}


def tftp_garbage(server, count):
    rng = random.Random(4)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(2)
    names = [b"..", b"../../etc/passwd", b"..\\..\\etc\\passwd", b"/etc/passwd", b"a\xff", b"a" * 600, b"%2e%2e/x", b"\x1b[2J",
             b"blob/" + b"0" * 64, b"tiny/\x00x", b"", b"boot/\xc2\x9b.ipxe", b"C:\\boot.ini", b"x/" * 200]
    options = [b"blksize\0", b"blksize\0" + b"9" * 300 + b"\0", b"blksize\0007\0", b"windowsize\0000\0", b"windowsize\00065535\0",
               b"timeout\000255\0", b"tsize\0-1\0", b"x\0y\0" * 100, b"\0\0\0\0"]
    for i in range(int(count)):
        opcode = rng.choice((1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 0, 65535))
        packet = (struct.pack("!H", opcode) + rng.choice(names) + b"\0" + rng.choice((b"octet", b"netascii", b"mail", b"O", b""))
                  + rng.choice((b"\0", b"")) + rng.choice(options))
        if i % 7 == 0:
            packet = os.urandom(rng.randrange(0, 1400))
        sock.sendto(packet[:rng.choice((2, 3, 40, 1400))], (server, 69))
        if i % 50 == 0:
            time.sleep(0.005)
    answers = {}
    wrq = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wrq.settimeout(3)
    for name, packet in (("wrq", b"\0\2x\0octet\0"), ("dots", b"\0\1../../etc/passwd\0octet\0"), ("missing", b"\0\1no/such\0octet\0")):
        for _ in range(3):
            wrq.sendto(packet, (server, 69))
            try:
                answers[name] = struct.unpack("!HH", wrq.recv(600)[:4])
                break
            except TimeoutError:
                answers[name] = None
    return {"sent": int(count), "answers": answers}


def http_idle(server, count, seconds):
    socks = []
    for i in range(int(count)):
        sock = socket.socket()
        sock.settimeout(2)
        try:
            sock.connect((server, 80))
            sock.send(b"GET /boot.ipxe HTTP/1.1\r\nHost: x\r\nX-" + b"a" * (i % 90))
            socks.append(sock)
        except OSError:
            pass
    print(json.dumps({"open": len(socks)}), flush=True)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        time.sleep(1)
        for sock in socks:
            try:
                sock.send(b"b")
            except OSError:
                pass
    return {"open": len(socks)}


HTTP_REQUESTS = [
    b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /..%5c..%5cetc HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /" + b"a" * 14000 + b" HTTP/1.1\r\n\r\n",
    b"GET /" + b"%41" * 60000, b"GET /words/file.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=18446744073709551615-\r\n\r\n",
    b"GET /words/file.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=" + b"0-0," * 2000 + b"1-1\r\n\r\n",
    b"GET /words/file.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=-0\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"".join(b"H%d: %s\r\n" % (i, b"v" * 200) for i in range(2000)) + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nxx",
    b"GET http://evil/../../x HTTP/1.1\r\nHost: x\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/9.9\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET /phone-home/52:54:00:00:00:01?marker=%1b%5b2J%07%c2%9b31m%ff%0d%0aX HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /boot/52:54:00:00:00:01.ipxe?uuid=%00&arch=%ff HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200,
]


def http_drip(server, count, seconds):
    """Requests of three methods whose bodies come a byte at a time. How many connections the server has closed in that time."""
    words = ("POST /phone-home/52-54-00-00-00-01", "GET /", "PUT /")
    open_ones = []
    for i in range(int(count)):
        sock = socket.create_connection((server, 80), timeout=5)
        sock.sendall(f"{words[i % 3]} HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n".encode())
        sock.settimeout(0.01)
        open_ones.append(sock)
    end, closed = time.monotonic() + float(seconds), 0
    while open_ones and time.monotonic() < end:
        for sock in list(open_ones):
            try:
                sock.sendall(b"x")
                ended = sock.recv(4096) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
            if ended:
                open_ones.remove(sock)
                closed += 1
        time.sleep(1)
    return {"closed": closed}


def http_garbage(server, count):
    rng = random.Random(5)
    codes = {}
    for i in range(int(count)):
        data = HTTP_REQUESTS[i % len(HTTP_REQUESTS)] if i % 5 else os.urandom(rng.randrange(1, 4000))
        with socket.socket() as sock:
            sock.settimeout(0.25)  # half a request has no answer
            try:
                sock.connect((server, 80))
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                answer = sock.recv(4096)
            except OSError:
                answer = b""
        code = answer.split(b" ")[1].decode(errors="replace") if answer.startswith(b"HTTP/1.") else "closed"
        codes[code] = codes.get(code, 0) + 1
    return {"codes": codes}


GREETINGS = [b"", b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\0" + bytes(31) + b"\x04\x19\x05READY\x0bSocket-Type" +
             b"\0\0\0\6DEALER", b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(15) + b"\0" + bytes(31), b"\x01\x00",
             b"\xff" + bytes(8) + b"\x7f\x03\x00PLAIN" + bytes(15) + b"\0" + bytes(31) + b"\x04\x0f\x05HELLO\x04user\x04pass"]


def tcp_garbage(server, port, count, seconds):
    rng, socks, opened, closed = random.Random(6), [], 0, 0
    for i in range(int(count)):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((server, int(port)))
        socks.append(sock)
    time.sleep(0.5)
    for i, sock in enumerate(socks):
        kind = i % 4
        data = (GREETINGS[i % len(GREETINGS)] if kind < 2 else
                GREETINGS[2] + b"\x06\xff" + struct.pack("!Q", 1 << 62) if kind == 2 else b"") + os.urandom(rng.randrange(0, 3000))
        try:
            sock.send(data if kind != 3 else b"")
            opened += 1
        except OSError:
            pass
    end = time.monotonic() + float(seconds)
    live = set(socks)
    while time.monotonic() < end and live:
        for sock in select.select(list(live)[:900], [], [], 0.2)[0]:
            try:
                if not sock.recv(65536):
                    live.discard(sock)
                    closed += 1
            except BlockingIOError:
                pass
            except OSError:
                live.discard(sock)
                closed += 1
    return {"opened": opened, "closed_by_server": closed}


MODES = {"discover-flood": discover_flood, "garbage": garbage, "forged": forged, "tftp-half-open": tftp_half_open,
         "tftp-garbage": tftp_garbage, "http-idle": http_idle, "http-drip": http_drip, "http-garbage": http_garbage,
         "tcp-garbage": tcp_garbage}

if __name__ == "__main__":
    print(json.dumps(MODES[sys.argv[1]](*sys.argv[2:])), flush=True)
