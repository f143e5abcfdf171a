/* proto/host/port_holder.h: who holds the port that we want: for the message of a failed bind().
 *
 * Edge file; reads /proc of this network namespace. Any thread, may block for some milliseconds.
 */
#ifndef PROTO_HOST_PORT_HOLDER_H
#define PROTO_HOST_PORT_HOLDER_H

#include <stddef.h>
#include <stdint.h>

/* protocol: IPPROTO_TCP or IPPROTO_UDP. Writes "dnsmasq (pid 812)", or "another process" when /proc
 * does not tell (no permission to look), and returns 0; -ENOENT with "" when nothing is bound
 * there. IPv4 and IPv6 sockets count. */
int port_holder(int protocol, uint16_t port, char *ret_text, size_t text_bytes);

#endif
