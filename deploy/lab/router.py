"""The segment's router, as far as boot firmware cares: it answers IPv6 router solicitations with an advertisement that offers nothing
(RFC 4861, lifetime 0, no prefix), and pings on IPv4. Without one, an iPXE waits 16 s for IPv6 before it goes on.

Runs in a namespace of the lab, on eth0, until it is ended.
"""

import socket
import struct


def main():
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    sock.setsockopt(socket.SOL_SOCKET, 25, b"eth0\0")  # SO_BINDTODEVICE
    index = socket.if_nametoindex("eth0")
    group = socket.inet_pton(socket.AF_INET6, "ff02::2") + struct.pack("@I", index)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    # type 134, code 0, checksum (the kernel's), hop limit 64, flags 0, lifetime 0, reachable 0, retransmit 0
    advertisement = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 0, 0, 0)
    while True:
        data, _ = sock.recvfrom(2048)
        if data and data[0] == 133:
            sock.sendto(advertisement, ("ff02::1", 0, 0, index))


if __name__ == "__main__":
    main()
