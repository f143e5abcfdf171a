/* tests/sim/cluster/sim_client.c: DHCP clients, after RFC 2131 §4.4, with packets as they are on
 * the wire.
 *
 *   OFF -> DISCOVER -> REQUEST -> BOUND -> RENEW -> REBIND -> (its lease has run out) DISCOVER
 *            REBOOT ----------^     ^------'---------'
 *
 * A client counts its lease from when it sent the request (RFC 2131 §4.4.1), on an exact clock.
 * What it sends again has the same transaction id, or a new one each time: then only the answer to
 * the newest counts.
 */
#include "proto/wire/dhcp4_build.h"
#include "tests/sim/cluster/sim.h"

#include <stdio.h>
#include <string.h>

#define FIRST_RETRY_MS 300u
#define RETRY_MAX_MS   2000 /* two of them within what a client may wait, see sim_check.c */
#define REQUEST_TRIES  4
#define REBOOT_TRIES   3
#define BOOTS_MAX      2
#define RENEW_MIN_US   (300 * SIM_MS)

struct sim_client *sim_client_new(struct sim *sim, unsigned subnet)
{
	unsigned at = sim->client_count++;
	struct sim_client *client = &sim->client[at];

	*client = (struct sim_client){.at = at, .subnet = subnet, .machine = at};
	client->mac[0] = 2;
	client->mac[4] = (uint8_t)(at >> 8);
	client->mac[5] = (uint8_t)at;
	client->side = sim_random(sim, SIM_SIDES);
	client->relayed = subnet > 0; /* the nodes are on the first link */
	client->fresh_xid = sim_chance(sim, 300);
	client->strays = sim_chance(sim, 200);
	return client;
}

static void set_timer(struct sim *sim, struct sim_client *client, uint64_t after_us)
{
	sim_post(sim, after_us,
		&(struct sim_event){.kind = SIM_EVENT_CLIENT,
			.client = (uint16_t)client->at,
			.life = ++client->timer});
}

/* ---- packets */

void sim_client_say(struct sim *sim, struct sim_client *client, const struct sim_saying *packet)
{
	struct dhcp4_builder builder;
	struct dhcp4_header header = {.op = DHCP4_BOOTREQUEST,
		.htype = 1,
		.hlen = 6,
		.xid = client->xid,
		.ciaddr = packet->ciaddr};
	uint8_t bytes[DHCP4_MIN_BYTES + 100], id[SIM_CLIENT_IDENTITY_BYTES];

	if (client->began_us != 0)
		header.secs = (uint16_t)((sim->now_us - client->began_us) / SIM_S);
	if (client->relayed && packet->only < 0) {
		header.giaddr = sim_ip(sim, client->subnet, 1);
		header.hops = 1;
	}
	memcpy(header.chaddr, client->mac, sizeof client->mac);
	dhcp4_build_init(&builder, bytes, sizeof bytes, sizeof bytes);
	dhcp4_build_header(&builder, &header);
	dhcp4_build_u8(&builder, DHCP4_MESSAGE_TYPE, (uint8_t)packet->type);
	/* Each stage of a boot has another identifier of its own; the machine is known by its
	 * address (FIELD 17). */
	id[0] = (uint8_t)client->boots;
	memcpy(id + 1, client->mac, sizeof client->mac);
	dhcp4_build_option(&builder, DHCP4_CLIENT_ID, id, sizeof id);
	if (packet->server != 0)
		dhcp4_build_ip4(&builder, DHCP4_SERVER_ID, packet->server);
	if (packet->requested != 0)
		dhcp4_build_ip4(&builder, DHCP4_REQUESTED_ADDRESS, packet->requested);
	size_t count = dhcp4_build_finish(&builder);
	uint32_t ip = packet->requested != 0 ? packet->requested : packet->ciaddr;
	char text[40];
	snprintf(text, sizeof text, "type %d xid %08x", (int)packet->type, client->xid);
	sim_trace(sim, SIM_TRACE_ASK, packet->only, (int)client->at, ip, client->state, text);
	sim_net_broadcast(
		sim, client, bytes, count, packet->only, packet->only >= 0 ? packet->ciaddr : 0);
}

/* A unicast goes to whichever node has the server's address: one that the client reaches. */
static int pick_node(struct sim *sim, const struct sim_client *client)
{
	unsigned first = sim_random(sim, sim->node_count);

	for (unsigned i = 0; i < sim->node_count; i++) {
		unsigned at = (first + i) % sim->node_count;

		if (sim_net_hears(sim, client, &sim->node[at]))
			return (int)at;
	}
	return -1;
}

static void send_state(struct sim *sim, struct sim_client *client)
{
	struct sim_saying packet = {.type = DHCP4_REQUEST, .only = -1};

	if (client->fresh_xid || client->tries == 0) {
		client->xid = (uint32_t)sim_random64(sim) | 1;
		client->asked_us = sim->now_us;
	}
	switch (client->state) {
	case SIM_CLIENT_DISCOVER:
		packet.type = DHCP4_DISCOVER;
		packet.requested = sim_chance(sim, 500) ? client->ip : 0;
		break;
	case SIM_CLIENT_REQUEST:
		packet.requested = client->offered_ip;
		packet.server = sim_ip(sim, 0, 1);
		break;
	case SIM_CLIENT_REBOOT: packet.requested = client->ip; break;
	case SIM_CLIENT_RENEW:
		packet.only = pick_node(sim, client);
		packet.ciaddr = client->ip;
		break;
	case SIM_CLIENT_REBIND: packet.ciaddr = client->ip; break;
	case SIM_CLIENT_OFF:
	case SIM_CLIENT_WAIT:
	case SIM_CLIENT_BOUND: return;
	}
	client->tries++;
	if (client->state == SIM_CLIENT_RENEW && packet.only < 0)
		return; /* nobody answers ARP for the server */
	sim_client_say(sim, client, &packet);
}

/* ---- states */

static void enter(struct sim *sim, struct sim_client *client, enum sim_client_state state)
{
	client->state = state;
	client->tries = 0;
	if (client->began_us == 0)
		client->began_us = sim->now_us;
	send_state(sim, client);
	uint64_t wait_us = FIRST_RETRY_MS * SIM_MS;
	if (state == SIM_CLIENT_RENEW || state == SIM_CLIENT_REBIND)
		wait_us += (client->expires_us - sim->now_us) / 8;
	set_timer(sim, client, wait_us + sim_random(sim, 200 * SIM_MS));
}

/* Begins anew. */
static void discover(struct sim *sim, struct sim_client *client)
{
	client->state = SIM_CLIENT_DISCOVER;
	client->offered_ip = 0;
	enter(sim, client, SIM_CLIENT_DISCOVER);
}

static bool lease_runs(const struct sim *sim, const struct sim_client *client)
{
	return client->ip != 0 && client->expires_us > sim->now_us;
}

void sim_client_on(struct sim *sim, struct sim_client *client, uint64_t after_us)
{
	if (after_us > 0) {
		sim_post(sim, after_us,
			&(struct sim_event){
				.kind = SIM_EVENT_CROWD, .client = (uint16_t)client->at});
		return;
	}
	if (client->state != SIM_CLIENT_OFF)
		return;
	client->began_us = 0;
	if (client->ip != 0 && sim_chance(sim, 500))
		enter(sim, client, SIM_CLIENT_REBOOT);
	else
		discover(sim, client);
}

void sim_client_off(struct sim *sim, struct sim_client *client)
{
	if (client->state == SIM_CLIENT_OFF)
		return;
	sim_trace(sim, SIM_TRACE_CLIENT, -1, (int)client->at, client->ip, 0, "off");
	client->state = SIM_CLIENT_OFF;
	client->began_us = client->heard_us = 0;
	client->timer++;
	if (sim_chance(sim, 300))
		client->ip = 0;
}

static void give_up(struct sim *sim, struct sim_client *client, enum dhcp4_type type)
{
	struct sim_saying packet = {.type = type, .only = -1, .server = sim_ip(sim, 0, 1)};

	sim_check_given_up(sim, client, client->ip);
	client->xid = (uint32_t)sim_random64(sim) | 1;
	if (type == DHCP4_RELEASE) {
		packet.ciaddr = client->ip;
		packet.only = sim_chance(sim, 500) ? pick_node(sim, client) : -1;
	} else {
		packet.requested = client->ip;
		sim_address(sim, client->ip)->touched = true;
	}
	/* Many ask again at once. What they send next does not overtake this on the segment, where
	 * no server could tell; but it may still wait at a node, or be under way to the log. */
	client->prompt = sim_chance(sim, 500);
	sim_client_say(sim, client, &packet);
	uint64_t rest_us = sim_net_segment_max_us(sim, client->prompt);
	rest_us += sim_random(sim, 50 * SIM_MS);
	client->prompt = false;
	client->state = SIM_CLIENT_WAIT;
	client->ip = client->offered_ip = 0;
	client->expires_us = 0;
	client->began_us = client->heard_us = 0;
	set_timer(sim, client, rest_us);
}

void sim_client_release(struct sim *sim, struct sim_client *client)
{
	if (client->state == SIM_CLIENT_BOUND && lease_runs(sim, client))
		give_up(sim, client, DHCP4_RELEASE);
}

void sim_client_move(struct sim *sim, struct sim_client *client, unsigned side)
{
	sim_trace(sim, SIM_TRACE_CLIENT, -1, (int)client->at, client->ip, side, "moves");
	client->side = side;
	client->heard_us = 0;
}

bool sim_client_is_bound(const struct sim *sim, const struct sim_client *client)
{
	return client->state >= SIM_CLIENT_BOUND && lease_runs(sim, client);
}

static void back_off(struct sim *sim, struct sim_client *client)
{
	unsigned wait_ms = FIRST_RETRY_MS << (client->tries < 4 ? client->tries : 4);

	wait_ms = wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS;
	send_state(sim, client);
	set_timer(sim, client, (wait_ms + sim_random(sim, wait_ms / 2)) * (uint64_t)SIM_MS);
}

/* Half of what is left, as RFC 2131 §4.4.5 wants it, but not for minutes. */
static void ask_again(struct sim *sim, struct sim_client *client)
{
	uint64_t end_us = client->state == SIM_CLIENT_RENEW ? client->t2_us : client->expires_us;
	uint64_t wait_us = (end_us - sim->now_us) / 2;

	send_state(sim, client);
	wait_us = wait_us < RENEW_MIN_US ? RENEW_MIN_US : wait_us;
	if (sim->now_us + wait_us > end_us)
		wait_us = end_us > sim->now_us ? end_us - sim->now_us : 1;
	set_timer(sim, client, wait_us);
}

static void on_lease_timer(struct sim *sim, struct sim_client *client)
{
	if (client->expires_us <= sim->now_us) {
		sim_trace(sim, SIM_TRACE_CLIENT, -1, (int)client->at, client->ip, 0, "ran out");
		discover(sim, client);
	} else if (client->state == SIM_CLIENT_BOUND) {
		enter(sim, client, SIM_CLIENT_RENEW);
	} else if (client->state == SIM_CLIENT_RENEW && client->t2_us <= sim->now_us) {
		enter(sim, client, SIM_CLIENT_REBIND);
	} else {
		ask_again(sim, client);
	}
}

void sim_client_on_timer(struct sim *sim, struct sim_client *client, uint32_t timer)
{
	if (timer != client->timer)
		return;
	if (client->scripted) {
		scenario_on_timer(sim, client);
		return;
	}
	switch (client->state) {
	case SIM_CLIENT_OFF: break;
	case SIM_CLIENT_WAIT:
		client->began_us = 0;
		discover(sim, client);
		break;
	case SIM_CLIENT_DISCOVER: back_off(sim, client); break;
	case SIM_CLIENT_REQUEST:
	case SIM_CLIENT_REBOOT:
		if (client->tries <
			(client->state == SIM_CLIENT_REQUEST ? REQUEST_TRIES : REBOOT_TRIES))
			back_off(sim, client);
		else
			discover(sim, client);
		break;
	case SIM_CLIENT_BOUND:
	case SIM_CLIENT_RENEW:
	case SIM_CLIENT_REBIND: on_lease_timer(sim, client); break;
	}
}

/* ---- answers */

static void on_offer(
	struct sim *sim, struct sim_client *client, const struct dhcp4_message *message)
{
	if (client->state != SIM_CLIENT_DISCOVER || message->header.yiaddr == 0)
		return;
	if (client->strays && sim_chance(sim, 50))
		return; /* it liked another server better, and comes back */
	sim->counts.offers++;
	client->offered_ip = message->header.yiaddr;
	enter(sim, client, SIM_CLIENT_REQUEST);
}

static void note_wait(struct sim *sim, struct sim_client *client)
{
	uint64_t waited_us = sim->now_us - client->began_us;

	if (client->began_us == 0)
		return;
	sim->counts.waits++;
	sim->counts.wait_us_sum += waited_us;
	if (waited_us > sim->counts.wait_us_max)
		sim->counts.wait_us_max = waited_us;
	client->began_us = client->heard_us = 0;
}

static void on_ack(struct sim *sim, struct sim_client *client, const struct dhcp4_message *message)
{
	uint32_t lease_s = 0, ip = message->header.yiaddr;
	bool asks = client->state == SIM_CLIENT_REQUEST || client->state == SIM_CLIENT_REBOOT ||
		    client->state == SIM_CLIENT_RENEW || client->state == SIM_CLIENT_REBIND;
	uint32_t wanted = client->state == SIM_CLIENT_REQUEST ? client->offered_ip : client->ip;

	if (!asks)
		return;
	if (ip != wanted || !dhcp4_u32(message, DHCP4_LEASE_SECONDS, &lease_s) || lease_s == 0)
		sim_fail(sim, SIM_CONTRACT, "client %u asked for %08x and is told %08x for %u s",
			client->at, wanted, ip, lease_s);
	note_wait(sim, client);
	client->ip = ip;
	client->expires_us = client->asked_us + lease_s * (uint64_t)SIM_S;
	client->t1_us = client->asked_us + lease_s * (uint64_t)SIM_S / 2;
	client->t2_us = client->asked_us + lease_s * (uint64_t)SIM_S / 8 * 7;
	bool is_new = client->state == SIM_CLIENT_REQUEST;
	client->state = SIM_CLIENT_BOUND;
	sim_check_held(sim, client, ip, client->expires_us);
	if (is_new && client->boots < BOOTS_MAX && sim_chance(sim, 400)) {
		/* The next stage of the boot asks for itself. */
		client->boots++;
		client->state = SIM_CLIENT_WAIT;
		set_timer(sim, client, sim_random(sim, 500 * SIM_MS));
		return;
	}
	if (is_new && client->strays && sim_chance(sim, sim->chaos.decline)) {
		give_up(sim, client, DHCP4_DECLINE);
		return;
	}
	uint64_t t1_us = client->t1_us > sim->now_us ? client->t1_us - sim->now_us : 1;
	set_timer(sim, client, t1_us);
}

static void on_nak(struct sim *sim, struct sim_client *client)
{
	if (client->state == SIM_CLIENT_OFF || client->state == SIM_CLIENT_WAIT ||
		client->state == SIM_CLIENT_DISCOVER || client->state == SIM_CLIENT_BOUND)
		return;
	if (client->state != SIM_CLIENT_REQUEST)
		sim_check_given_up(sim, client, client->ip);
	client->ip = 0;
	client->expires_us = 0;
	client->state = SIM_CLIENT_WAIT;
	set_timer(sim, client, 100 * SIM_MS);
}

void sim_client_on_reply(struct sim *sim, struct sim_client *client, struct sim_node *node,
	const struct sim_bytes *bytes)
{
	struct dhcp4_message message;

	if (sim->down_cut[client->side][node->at] || client->state == SIM_CLIENT_OFF)
		return;
	if (dhcp4_decode(bytes->byte, bytes->count, &message) != DHCP4_OK)
		sim_fail(sim, SIM_CONTRACT, "node %u's answer cannot be read", node->at + 1);
	if (message.header.xid != client->xid)
		return;
	if (client->scripted)
		scenario_on_reply(sim, client, node, &message);
	else if (message.type == DHCP4_OFFER)
		on_offer(sim, client, &message);
	else if (message.type == DHCP4_ACK)
		on_ack(sim, client, &message);
	else if (message.type == DHCP4_NAK)
		on_nak(sim, client);
}

/* ---- what the nodes send, before the network has its say */

static uint32_t asked_ip(const struct sim_client *client)
{
	return client->state == SIM_CLIENT_REQUEST ? client->offered_ip : client->ip;
}

void sim_client_on_sent(struct sim *sim, struct sim_client *client, struct sim_node *node,
	const struct dhcp4_reply *reply)
{
	struct dhcp4_message message;
	uint32_t lease_s = 0;

	sim->counts.replies++;
	if (dhcp4_decode(reply->data, reply->size, &message) != DHCP4_OK)
		sim_fail(sim, SIM_CONTRACT, "node %u's answer cannot be read", node->at + 1);
	dhcp4_u32(&message, DHCP4_LEASE_SECONDS, &lease_s);
	if (message.type == DHCP4_OFFER) {
		sim_trace(sim, SIM_TRACE_OFFER, (int)node->at, (int)client->at,
			message.header.yiaddr, lease_s, "");
	} else if (message.type == DHCP4_ACK) {
		sim_check_told(sim, node, client, message.header.yiaddr, lease_s,
			message.header.xid == client->xid);
	} else if (message.type == DHCP4_NAK) {
		/* One that was switched off meanwhile has forgotten what it asked for. */
		bool current = message.header.xid == client->xid && client->state != SIM_CLIENT_OFF;

		sim_check_nak(sim, node, client, current ? asked_ip(client) : 0);
	}
}
