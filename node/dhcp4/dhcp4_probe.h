/* node/dhcp4/dhcp4_probe.h: does anybody on the link use this address already (RFC 5227)?
 *
 * Two ARP probes 80 ms apart; an answer ends it at once, 200 ms of silence say that the address is
 * free. Many addresses are asked for together; nothing blocks.
 *
 *   ask -> probe --80 ms--> probe --120 ms--> free
 *            `------ an answer ------------> in use
 *
 * The table is pure; the edge (dhcp4_probe_open) sends and receives for it, on the loop.
 */
#ifndef NODE_DHCP4_DHCP4_PROBE_H
#define NODE_DHCP4_DHCP4_PROBE_H

#include "proto/wire/arp.h"
#include <uv.h>

#define DHCP4_PROBE_SLOTS      1024 /* addresses asked for at a time */
#define DHCP4_PROBE_AGAIN_MS   80
#define DHCP4_PROBE_SILENCE_MS 200
#define DHCP4_PROBE_TICK_MS    20

/* ---- the table */

struct dhcp4_probe_slot {
	bool used;
	bool sent_twice;
	uint32_t ip;
	uint64_t ticket;
	uint64_t since_ms;
};

struct dhcp4_probe_table {
	size_t count;
	struct dhcp4_probe_slot slot[DHCP4_PROBE_SLOTS];
};

struct dhcp4_probe_verdict {
	uint64_t ticket;
	uint32_t ip;
	bool in_use;
};

void dhcp4_probe_table_init(struct dhcp4_probe_table *table);
/* false: the table is full. */
bool dhcp4_probe_table_add(
	struct dhcp4_probe_table *table, uint32_t ip, uint64_t ticket, uint64_t now_ms);
/* An ARP packet that came: true: it ends a probe, which is told; call again with the same packet
 * until false. */
bool dhcp4_probe_table_on_arp(struct dhcp4_probe_table *table, const struct arp_packet *packet,
	const uint8_t mac[ARP_MAC_BYTES], struct dhcp4_probe_verdict *ret_verdict);
/* What is due: the second probe of *ret_ip is to be sent (DHCP4_PROBE_SEND), or a probe is over
 * (DHCP4_PROBE_OVER). Call until DHCP4_PROBE_REST. */
enum dhcp4_probe_due { DHCP4_PROBE_REST, DHCP4_PROBE_SEND, DHCP4_PROBE_OVER };
enum dhcp4_probe_due dhcp4_probe_table_step(struct dhcp4_probe_table *table, uint64_t now_ms,
	uint32_t *ret_ip, struct dhcp4_probe_verdict *ret_verdict);

/* ---- the edge */

struct dhcp4_probe;

struct dhcp4_probe_config {
	uv_loop_t *loop; /* borrowed until closed */
	const char *interface;
	void *ctx;
	/* Never from inside dhcp4_probe_ask(). `mac`: who uses it; NULL: nobody. */
	void (*on_verdict)(void *ctx, uint64_t ticket, uint32_t ip, const uint8_t *mac);
};

struct dhcp4_probe_stats {
	uint64_t asked, in_use;
	uint64_t full;   /* not asked: too many at a time */
	uint64_t failed; /* the kernel did not take the frame */
};

/* 0, or negative errno: then nothing can be asked on this interface. */
__attribute__((warn_unused_result)) int dhcp4_probe_open(
	const struct dhcp4_probe_config *config, struct dhcp4_probe **ret_probe);
/* false: it cannot be asked now, and no verdict will come: the address counts as free. */
bool dhcp4_probe_ask(struct dhcp4_probe *probe, uint32_t ip, uint64_t ticket);
void dhcp4_probe_get_stats(const struct dhcp4_probe *probe, struct dhcp4_probe_stats *ret_stats);
/* No verdict comes any more. Memory goes when the loop has run once more. NULL is allowed. */
void dhcp4_probe_close(struct dhcp4_probe *probe);

#endif
