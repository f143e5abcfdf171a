/* node/dhcp4/dhcp4_watch.h: which other DHCP servers answer on our segment.
 *
 * Heard in two ways: their answers to clients (UDP 67 to 68) as far as the switch shows them to us,
 * and the REQUESTs of clients that chose one of them (option 54), which go to everybody.
 *
 * The table is pure; the edge (dhcp4_watch_open) hears for it, on the loop.
 */
#ifndef NODE_DHCP4_DHCP4_WATCH_H
#define NODE_DHCP4_DHCP4_WATCH_H

#include "node/dhcp4/dhcp4_view.h"
#include "proto/wire/udp4.h"
#include <uv.h>

#define DHCP4_WATCH_SERVERS 16 /* of more, the one that was silent longest gives way */
#define DHCP4_WATCH_AGE_MS  (10 * 60 * 1000) /* silent for so long: gone */
#define DHCP4_WATCH_TELL_MS (10 * 60 * 1000) /* one server is told of once in this time */

struct dhcp4_foreign {
	uint32_t ip; /* its server identifier, else where the answer came from */
	bool has_mac;
	uint8_t mac[6];
	uint32_t offered_ip; /* the newest; 0: none (a proxy, a NAK) */
	uint64_t heard_ms;   /* CLOCK_BOOTTIME */
	uint64_t told_ms;
	uint64_t answers; /* OFFERs, ACKs, NAKs, and REQUESTs that chose it */
};

struct dhcp4_watch_table {
	size_t count;
	struct dhcp4_foreign server[DHCP4_WATCH_SERVERS];
};

/* Is it the cluster's server identifier or the address of a member? */
bool dhcp4_watch_is_ours(const struct model *model, uint32_t ip);

/* What an answer to a client says of who sent it. false: no DHCP answer. */
bool dhcp4_watch_read_answer(const struct udp4_datagram *datagram, const uint8_t mac[6],
	struct dhcp4_foreign *ret_heard);
/* What a client's REQUEST says of the server that it chose. false: it chose none, or came through a
 * relay (from another segment). */
bool dhcp4_watch_read_request(const uint8_t *packet, size_t bytes, struct dhcp4_foreign *ret_heard);

/* Enter what was heard. Its record, if it is time to tell of it, to be read before the next call;
 * else NULL. */
const struct dhcp4_foreign *dhcp4_watch_table_heard(
	struct dhcp4_watch_table *table, const struct dhcp4_foreign *heard, uint64_t boot_ms);
/* Forget those that were silent for DHCP4_WATCH_AGE_MS. */
void dhcp4_watch_table_age(struct dhcp4_watch_table *table, uint64_t boot_ms);

/* ---- the edge */

struct dhcp4_watch;

struct dhcp4_watch_config {
	uv_loop_t *loop; /* borrowed until closed */
	const char *interface;
	void *ctx;
	uint64_t (*now_boot_ms)(void *ctx);
	bool (*is_ours)(void *ctx, uint32_t ip);
	/* Another server, at first sight and later at most every DHCP4_WATCH_TELL_MS. */
	void (*on_foreign)(void *ctx, const struct dhcp4_foreign *server);
};

/* 0 or negative errno. */
__attribute__((warn_unused_result)) int dhcp4_watch_open(
	const struct dhcp4_watch_config *config, struct dhcp4_watch **ret_watch);
/* One of the requests that came to our own port. */
void dhcp4_watch_on_request(struct dhcp4_watch *watch, const struct dhcp4_input *input);
/* Those heard lately; returns how many of at most `capacity` were stored. */
size_t dhcp4_watch_list(
	struct dhcp4_watch *watch, struct dhcp4_foreign *ret_servers, size_t capacity);
/* Memory goes when the loop has run once more. NULL is allowed. */
void dhcp4_watch_close(struct dhcp4_watch *watch);

#endif
