#include "node/dhcp4/dhcp4_probe.h"

#include "node/dhcp4/dhcp4_packet.h"
#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROBE_BODY_MAX  128
#define PROBE_TURN_MAX  256 /* frames read in one turn of the loop */
#define PROBE_STALE_MAX 4096

static const uint8_t everybody[ARP_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* ---- the table */

void dhcp4_probe_table_init(struct dhcp4_probe_table *table)
{
	memset(table, 0, sizeof *table);
}

bool dhcp4_probe_table_add(
	struct dhcp4_probe_table *table, uint32_t ip, uint64_t ticket, uint64_t now_ms)
{
	if (table->count == DHCP4_PROBE_SLOTS)
		return false;
	for (size_t i = 0; i < DHCP4_PROBE_SLOTS; i++) {
		if (table->slot[i].used)
			continue;
		table->slot[i] = (struct dhcp4_probe_slot){
			.used = true, .ip = ip, .ticket = ticket, .since_ms = now_ms};
		table->count++;
		return true;
	}
	assert(false); /* count says that there is one */
	return false;
}

static void end(struct dhcp4_probe_table *table, struct dhcp4_probe_slot *slot, bool in_use,
	struct dhcp4_probe_verdict *ret_verdict)
{
	assert(slot->used && table->count > 0);
	*ret_verdict = (struct dhcp4_probe_verdict){
		.ticket = slot->ticket, .ip = slot->ip, .in_use = in_use};
	slot->used = false;
	table->count--;
}

bool dhcp4_probe_table_on_arp(struct dhcp4_probe_table *table, const struct arp_packet *packet,
	const uint8_t mac[ARP_MAC_BYTES], struct dhcp4_probe_verdict *ret_verdict)
{
	for (size_t i = 0; table->count > 0 && i < DHCP4_PROBE_SLOTS; i++) {
		struct dhcp4_probe_slot *slot = &table->slot[i];
		/* Who only probes the address does not have it: it is another node with the same
		 * question, or the client itself before it takes what it was given. */
		if (!slot->used || packet->sender_ip != slot->ip ||
			!arp_shows_conflict(packet, slot->ip, mac))
			continue;
		end(table, slot, true, ret_verdict);
		return true;
	}
	return false;
}

enum dhcp4_probe_due dhcp4_probe_table_step(struct dhcp4_probe_table *table, uint64_t now_ms,
	uint32_t *ret_ip, struct dhcp4_probe_verdict *ret_verdict)
{
	for (size_t i = 0; table->count > 0 && i < DHCP4_PROBE_SLOTS; i++) {
		struct dhcp4_probe_slot *slot = &table->slot[i];
		uint64_t waited_ms = now_ms - slot->since_ms;
		if (!slot->used)
			continue;
		if (waited_ms >= DHCP4_PROBE_SILENCE_MS) {
			end(table, slot, false, ret_verdict);
			return DHCP4_PROBE_OVER;
		}
		if (waited_ms >= DHCP4_PROBE_AGAIN_MS && !slot->sent_twice) {
			slot->sent_twice = true;
			*ret_ip = slot->ip;
			return DHCP4_PROBE_SEND;
		}
	}
	return DHCP4_PROBE_REST;
}

/* ---- the edge */

struct dhcp4_probe {
	struct dhcp4_probe_config config;
	int fd, interface_index;
	uint8_t mac[ARP_MAC_BYTES];
	unsigned handles_open;
	uv_poll_t poll;
	uv_timer_t timer;
	struct dhcp4_probe_stats stats;
	struct dhcp4_probe_table table;
};

static bool send_probe(struct dhcp4_probe *probe, uint32_t ip)
{
	uint8_t body[ARP_BYTES];
	struct arp_packet packet = arp_probe(probe->mac, ip);
	arp_encode(&packet, body);
	if (dhcp4_packet_send(probe->fd, probe->interface_index, ARP_ETHERTYPE, everybody, body,
		    sizeof body) == 0)
		return true;
	probe->stats.failed++;
	return false;
}

/* Nobody's ARP wakes the loop while nothing is asked. */
static void rest_if_done(struct dhcp4_probe *probe)
{
	if (probe->table.count > 0)
		return;
	uv_poll_stop(&probe->poll);
	uv_timer_stop(&probe->timer);
}

static void on_tick(uv_timer_t *timer)
{
	struct dhcp4_probe *probe = timer->data;
	struct dhcp4_probe_verdict verdict;
	uint64_t now_ms = uv_now(probe->config.loop);
	uint32_t ip;
	enum dhcp4_probe_due due;
	while ((due = dhcp4_probe_table_step(&probe->table, now_ms, &ip, &verdict)) !=
		DHCP4_PROBE_REST) {
		if (due == DHCP4_PROBE_SEND)
			(void)send_probe(probe, ip);
		else
			probe->config.on_verdict(
				probe->config.ctx, verdict.ticket, verdict.ip, NULL);
	}
	rest_if_done(probe);
}

static void on_arp(struct dhcp4_probe *probe, const struct arp_packet *packet)
{
	struct dhcp4_probe_verdict verdict;
	while (dhcp4_probe_table_on_arp(&probe->table, packet, probe->mac, &verdict)) {
		probe->stats.in_use++;
		probe->config.on_verdict(
			probe->config.ctx, verdict.ticket, verdict.ip, packet->sender_mac);
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct dhcp4_probe *probe = poll->data;
	uint8_t body[PROBE_BODY_MAX];
	struct dhcp4_frame frame;
	struct arp_packet packet;
	bool more = status >= 0;
	(void)events;
	for (unsigned i = 0; i < PROBE_TURN_MAX && more; i++) {
		int result = dhcp4_packet_receive(probe->fd, body, sizeof body, &frame, &more);
		if (result > 0 && arp_decode(body, frame.bytes, &packet) == ARP_OK)
			on_arp(probe, &packet);
	}
	rest_if_done(probe);
}

/* What came while nothing was asked is of no use. */
static void forget_stale(struct dhcp4_probe *probe)
{
	uint8_t body[PROBE_BODY_MAX];
	struct dhcp4_frame frame;
	bool more = true;
	for (unsigned i = 0; i < PROBE_STALE_MAX && more; i++)
		(void)dhcp4_packet_receive(probe->fd, body, sizeof body, &frame, &more);
}

bool dhcp4_probe_ask(struct dhcp4_probe *probe, uint32_t ip, uint64_t ticket)
{
	if (probe->table.count == 0)
		forget_stale(probe);
	if (probe->table.count == DHCP4_PROBE_SLOTS) {
		probe->stats.full++;
		return false;
	}
	if (!send_probe(probe, ip))
		return false;
	uv_update_time(probe->config.loop);
	(void)dhcp4_probe_table_add(&probe->table, ip, ticket, uv_now(probe->config.loop));
	probe->stats.asked++;
	if (!uv_is_active((uv_handle_t *)&probe->timer)) {
		uv_poll_start(&probe->poll, UV_READABLE, on_readable);
		uv_timer_start(&probe->timer, on_tick, DHCP4_PROBE_TICK_MS, DHCP4_PROBE_TICK_MS);
	}
	return true;
}

void dhcp4_probe_get_stats(const struct dhcp4_probe *probe, struct dhcp4_probe_stats *ret_stats)
{
	*ret_stats = probe->stats;
}

static int open_socket(struct dhcp4_probe *probe)
{
	const struct dhcp4_packet_filter all = {.count = 0};
	unsigned index = if_nametoindex(probe->config.interface);
	if (index == 0)
		return -ENODEV;
	int result = dhcp4_packet_mac(probe->config.interface, probe->mac);
	if (result < 0)
		return result;
	probe->interface_index = (int)index;
	probe->fd = dhcp4_packet_open(probe->interface_index, ARP_ETHERTYPE, &all);
	return probe->fd < 0 ? probe->fd : 0;
}

int dhcp4_probe_open(const struct dhcp4_probe_config *config, struct dhcp4_probe **ret_probe)
{
	assert(config->loop != NULL && config->interface != NULL && config->on_verdict != NULL);
	struct dhcp4_probe *probe = calloc(1, sizeof *probe);
	if (probe == NULL)
		return -ENOMEM;
	probe->config = *config;
	dhcp4_probe_table_init(&probe->table);
	int result = open_socket(probe);
	if (result == 0) {
		result = uv_poll_init(config->loop, &probe->poll, probe->fd);
		if (result < 0)
			close(probe->fd);
	}
	if (result < 0) {
		free(probe);
		return result;
	}
	probe->config.interface = NULL; /* not ours, and not needed any more */
	uv_timer_init(config->loop, &probe->timer);
	probe->poll.data = probe->timer.data = probe;
	probe->handles_open = 2;
	*ret_probe = probe;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct dhcp4_probe *probe = handle->data;
	if (--probe->handles_open == 0)
		free(probe);
}

void dhcp4_probe_close(struct dhcp4_probe *probe)
{
	if (probe == NULL)
		return;
	uv_poll_stop(&probe->poll);
	uv_close((uv_handle_t *)&probe->poll, on_handle_closed);
	uv_close((uv_handle_t *)&probe->timer, on_handle_closed);
	close(probe->fd);
}
