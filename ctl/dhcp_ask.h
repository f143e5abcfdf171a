/* ctl/dhcp_ask.h: does another DHCP server answer on this segment? Asked before a new cluster
 * begins to.
 *
 * Edge: sends a DISCOVER of a machine that does not exist (the interface's hardware address, marked
 * as locally made) and listens for OFFERs. Blocks; needs CAP_NET_RAW.
 */
#ifndef CTL_DHCP_ASK_H
#define CTL_DHCP_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHCP_ASK_MAX     8    /* servers told of */
#define DHCP_ASK_WAIT_MS 5000 /* dnsmasq pings for 3 s what it has not offered before */

struct dhcp_answer {
	uint32_t server_ip; /* its identifier; host order, as below */
	uint32_t offered_ip;
	uint8_t mac[6]; /* who sent it */
};

/* An IP packet that came in answer to `xid`: is it an OFFER? Pure. */
bool dhcp_ask_read(
	const uint8_t *packet, size_t bytes, uint32_t xid, struct dhcp_answer *ret_answer);

/* Ask, and listen for wait_ms, or for a second from the first answer on. Returns how many servers
 * answered (each once), or negative errno: it could not be asked. */
int dhcp_ask(const char *interface, unsigned wait_ms, struct dhcp_answer ret_answers[DHCP_ASK_MAX]);

#endif
