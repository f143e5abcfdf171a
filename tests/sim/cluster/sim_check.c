/* tests/sim/cluster/sim_check.c: what must never happen, told in true time.
 *
 * Two records for each address: who holds it, by the ACKs that clients received and counted from
 * their requests; and what was told about it last, by the ACKs that left a node.
 */
#include "tests/sim/cluster/sim.h"

#include "proto/msg/msg_ip4.h"
#include "store/model/levels.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CHECK_US   (500 * SIM_MS)
#define SLACK_MS   (MODEL_MAX_SKEW_MS + 1000) /* cluster time is not true time */
#define ROUNDED_MS 500                        /* leases are told in seconds */
#define REFUSED_MS 500
#define FRESH_US   (1200 * SIM_MS) /* fresh state may be older by a second [R9] */
#define ANSWER_US  (7 * (uint64_t)SIM_S)
#define ADDRESSES  (SIM_SUBNETS_MAX * SIM_SUBNET_IPS)

void sim_check_reset(struct sim *sim)
{
	memset(sim->address, 0, ADDRESSES * sizeof *sim->address);
}

__attribute__((format(printf, 5, 6))) _Noreturn static void fail(struct sim *sim,
	enum sim_failure failure, const struct sim_client *client, uint32_t ip, const char *format,
	...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	sim->failed_ip = ip;
	sim->failed_client = client == NULL ? -1 : (int)client->at;
	sim_fail(sim, failure, "10.%u.%u.%u: %s", ip >> 16 & 255, ip >> 8 & 255, ip & 255, text);
}

/* ---- who holds it [P1] */

static bool same_machine(const struct sim *sim, const struct sim_client *client, unsigned other)
{
	return sim->client[other].machine == client->machine;
}

void sim_check_held(struct sim *sim, struct sim_client *client, uint32_t ip, uint64_t until_us)
{
	struct sim_address *address = sim_address(sim, ip);
	struct sim_holding *mine = NULL;

	sim_trace(sim, SIM_TRACE_BOUND, -1, (int)client->at, ip,
		until_us > sim->now_us ? (until_us - sim->now_us) / SIM_MS : 0, "ms");
	if (until_us <= sim->now_us)
		return;
	for (unsigned i = 0; i < SIM_HOLDERS; i++) {
		struct sim_holding *holding = &address->holding[i];

		if (holding->client == client->at + 1)
			mine = holding;
	}
	for (unsigned i = 0; i < SIM_HOLDERS; i++) {
		struct sim_holding *holding = &address->holding[i];

		if (holding->client == 0 || holding->until_us <= sim->now_us) {
			if (mine == NULL)
				mine = holding;
		} else if (holding->client != client->at + 1 &&
			   !same_machine(sim, client, holding->client - 1u)) {
			fail(sim, SIM_DUPLICATE, client, ip,
				"client %u holds it for %" PRIu64 " ms, and client %u for %" PRIu64
				" ms more",
				client->at, (until_us - sim->now_us) / SIM_MS, holding->client - 1u,
				(holding->until_us - sim->now_us) / SIM_MS);
		}
	}
	if (mine != NULL)
		*mine = (struct sim_holding){
			.client = (uint16_t)(client->at + 1), .until_us = until_us};
}

void sim_check_given_up(struct sim *sim, struct sim_client *client, uint32_t ip)
{
	struct sim_address *address = sim_address(sim, ip);

	if (address == NULL)
		return;
	for (unsigned i = 0; i < SIM_HOLDERS; i++)
		if (address->holding[i].client == client->at + 1)
			address->holding[i].client = 0;
	if (address->told.client != 0 && same_machine(sim, client, address->told.client - 1u))
		address->told.client = 0;
}

bool sim_check_holds(const struct sim *sim, const struct sim_client *client, uint32_t ip)
{
	const struct sim_address *address = sim_address((struct sim *)(uintptr_t)sim, ip);

	for (unsigned i = 0; address != NULL && i < SIM_HOLDERS; i++)
		if (address->holding[i].client == client->at + 1 &&
			address->holding[i].until_us > sim->now_us)
			return true;
	return false;
}

/* ---- what was told */

static bool is_of_client(const struct lease *lease, const struct sim_client *client)
{
	return lease->client_len == SIM_CLIENT_IDENTITY_BYTES &&
	       memcmp(lease->client + 1, client->mac, sizeof client->mac) == 0;
}

/* Does the lease of this or another port of the client's machine hold the address? */
static bool is_of_machine(
	const struct sim *sim, const struct lease *lease, const struct sim_client *client)
{
	for (unsigned i = 0; i < sim->client_count; i++)
		if (sim->client[i].machine == client->machine &&
			is_of_client(lease, &sim->client[i]))
			return true;
	return false;
}

static bool is_isolated(const struct sim_node *node)
{
	struct replica_view view;

	replica_get_view(node->replica, &view);
	return !view.has_quorum;
}

/* Addresses pass on by the leader's stamps. A node that ran ahead of them, after a restart without
 * clocks that agree, waits for them; without a leader the newest one is all that is known. */
static uint64_t log_time_ms(const struct sim *sim, const struct sim_node *node)
{
	uint64_t now_ms = replica_now_ms(node->replica);
	struct replica_view view;

	replica_get_view(node->replica, &view);
	for (unsigned i = 0; i < sim->node_count; i++) {
		const struct sim_node *leader = &sim->node[i];

		if (leader->id != view.leader || !leader->up)
			continue;
		uint64_t leader_ms = replica_now_ms(leader->replica);
		return leader_ms < now_ms ? leader_ms : now_ms;
	}
	return model_stamp_ms(replica_model(node->replica));
}

/* As far as the state of this node goes, is the lease still promised for so long? */
static bool state_promises(const struct sim *sim, const struct sim_node *node,
	const struct sim_client *client, uint32_t ip, uint64_t left_ms, struct lease *ret_lease)
{
	const struct model *model = replica_model(node->replica);

	if (!model_lease_of_ip(model, ip, ret_lease) || !is_of_machine(sim, ret_lease, client))
		return false;
	/* After a recovery cluster time may have jumped past what the process did not see; nobody
	 * else gets an address then before all that may be unknown is over. */
	uint64_t until_ms = ret_lease->promised_ms;
	if (until_ms < model_unknown_until_ms(model))
		until_ms = model_unknown_until_ms(model);
	return until_ms + SLACK_MS >= log_time_ms(sim, node) + left_ms;
}

/* Is what the node tells the lease that its state has, or one that goes into its journal? */
static bool state_holds(const struct sim *sim, const struct sim_node *node,
	const struct sim_client *client, uint32_t ip, uint64_t left_ms)
{
	bool alone = is_isolated(node);
	uint64_t slack_ms = alone ? ROUNDED_MS : SLACK_MS;
	uint64_t now_ms = alone ? replica_now_ms(node->replica) : log_time_ms(sim, node);
	struct replica_view view;
	struct lease lease;

	/* A node that does not know the time extends no binding. */
	replica_get_view(node->replica, &view);
	if ((alone && !view.time_known) ||
		!model_lease_of_ip(replica_model(node->replica), ip, &lease) ||
		lease.state != PXE__LEASE_STATE__LEASE_BOUND || !is_of_machine(sim, &lease, client))
		return false;
	return lease.expires_ms + slack_ms >= now_ms + left_ms;
}

void sim_check_told(struct sim *sim, struct sim_node *node, struct sim_client *client, uint32_t ip,
	uint32_t lease_s, bool awaited)
{
	struct sim_address *address = sim_address(sim, ip);
	struct replica_view view;

	replica_get_view(node->replica, &view);
	if (address == NULL)
		fail(sim, SIM_CONTRACT, client, ip, "no such address was configured");
	bool known = state_holds(sim, node, client, ip, lease_s * (uint64_t)1000);
	sim_trace(sim, SIM_TRACE_ACK, (int)node->at, (int)client->at, ip, lease_s,
		known ? (view.has_quorum ? "quorum" : "known, no quorum") : "isolated");
	sim->counts.acks++;
	sim->counts.isolated_acks += !known;
	if (!awaited)
		return;
	uint64_t until_us = client->asked_us + lease_s * (uint64_t)SIM_S;
	if (address->told.client == client->at + 1 && address->told.until_us >= until_us &&
		address->told.quorum)
		return;
	address->told = (struct sim_told){.client = (uint16_t)(client->at + 1),
		.node = (uint8_t)node->at,
		.quorum = known,
		.at_us = sim->now_us,
		.until_us = until_us};
}

/* A reservation moves its machine: it is refused what it had before. */
static bool has_another_fixed(
	const struct sim_node *node, const struct sim_client *client, uint32_t ip)
{
	const struct model *model = replica_model(node->replica);
	Pxe__ClientInfo who = PXE__CLIENT_INFO__INIT;
	uint8_t mac[sizeof client->mac], id[SIM_CLIENT_IDENTITY_BYTES];

	memcpy(mac, client->mac, sizeof mac);
	memcpy(id + 1, client->mac, sizeof client->mac);
	id[0] = (uint8_t)client->boots;
	who.mac = (ProtobufCBinaryData){.data = mac, .len = sizeof mac};
	who.client_id = (ProtobufCBinaryData){.data = id, .len = sizeof id};
	const Pxe__Host *host = model_machine_of(model, &who);
	if (host == NULL || (host->ip.len != 4 && host->n_more_ip == 0) ||
		msg_ip4_get(host->ip) == ip)
		return false;
	for (size_t i = 0; i < host->n_more_ip; i++)
		if (msg_ip4_get(host->more_ip[i]) == ip)
			return false;
	return true;
}

void sim_check_nak(struct sim *sim, struct sim_node *node, struct sim_client *client, uint32_t ip)
{
	const struct sim_address *address = sim_address(sim, ip);
	struct replica_view view;

	sim_trace(sim, SIM_TRACE_NAK, (int)node->at, (int)client->at, ip, 0, "");
	sim->counts.naks++;
	replica_get_view(node->replica, &view);
	/* What the log refused is told when it is applied, though the quorum may be gone by then; a
	 * process that stood still applies late what came meanwhile. */
	bool awoke = sim->now_us - node->paused_until_us < REFUSED_MS * (uint64_t)1000;
	if (!view.has_quorum && view.no_quorum_ms > REFUSED_MS && !awoke)
		fail(sim, SIM_BAD_NAK, client, ip, "node %u refuses client %u without the quorum",
			node->at + 1, client->at);
	if (address != NULL && !address->touched && sim_check_holds(sim, client, ip) &&
		!has_another_fixed(node, client, ip))
		fail(sim, SIM_BAD_NAK, client, ip, "node %u refuses client %u what it holds",
			node->at + 1, client->at);
}

/* ---- alarms */

void sim_check_alarm(struct sim *sim, struct sim_node *node, const char *text)
{
	static const char *const bad[] = {"state differs", "diverged", "conflict"};

	sim_trace(sim, SIM_TRACE_ALARM, (int)node->at, -1, 0, 0, text);
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (strstr(text, bad[i]) != NULL)
			sim_fail(sim, SIM_ALARM, "node %u: %s", node->at + 1, text);
}

/* ---- now and then */

/* [P2] what was acknowledged with the quorum is known wherever the state is as new as the leader's.
 */
static void check_told_at(struct sim *sim, const struct sim_node *node, bool isolated_too)
{
	for (unsigned i = 0; i < sim->client_count; i++) {
		const struct sim_client *client = &sim->client[i];
		const struct sim_address *address = sim_address(sim, client->ip);
		struct lease lease = {.ip = 0};

		if (address == NULL || address->told.client != i + 1 || address->touched ||
			address->told.until_us <= sim->now_us ||
			has_another_fixed(node, client, client->ip) ||
			sim->now_us - address->told.at_us < FRESH_US ||
			(!address->told.quorum && !isolated_too) ||
			(!address->told.quorum && sim->node[address->told.node].gone))
			continue;
		uint64_t left_ms = (address->told.until_us - sim->now_us) / SIM_MS;
		if (state_promises(sim, node, client, client->ip, left_ms, &lease))
			continue;
		if (lease.ip == 0 || !is_of_machine(sim, &lease, client))
			fail(sim, SIM_LOST_LEASE, client, client->ip,
				"node %u does not know the lease of client %u (%s), which has "
				"%" PRIu64
				" ms left; its state: %d, of ..%02x%02x, promised for %" PRId64
				" ms",
				node->at + 1, i, address->told.quorum ? "quorum" : "isolated",
				left_ms, lease.ip == 0 ? 0 : (int)lease.state, lease.client[5],
				lease.client[6],
				(int64_t)(lease.promised_ms - log_time_ms(sim, node)));
		fail(sim, SIM_SHORTENED, client, client->ip,
			"at node %u the promise to client %u ends %" PRId64
			" ms from now, and it was told %" PRIu64 " ms",
			node->at + 1, i, (int64_t)(lease.promised_ms - log_time_ms(sim, node)),
			left_ms);
	}
}

static bool is_fresh(const struct sim_node *node)
{
	struct replica_view view;

	if (!sim_node_runs(node))
		return false;
	replica_get_view(node->replica, &view);
	return view.has_quorum && view.fresh;
}

/* [P3] could this node answer a new client of the subnet by itself, or with the quorum? */
static bool can_answer(const struct sim_node *node)
{
	struct dhcp4_isolation isolation;
	struct replica_view view;

	if (!sim_node_runs(node) || node->service == NULL || node->leaving || node->disk_short)
		return false;
	replica_get_view(node->replica, &view);
	if (view.has_quorum)
		return true;
	dhcp4_service_get_isolation(node->service, &isolation);
	return isolation.isolated && isolation.reserve_free > node->sim->options.clients;
}

static void note_answerable(struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct sim_node *node = &sim->node[i];

		if (!can_answer(node))
			node->answerable_us = 0;
		else if (node->answerable_us == 0)
			node->answerable_us = sim->now_us;
	}
}

/* An isolated node renews only the port that the lease names: the other one has to ask anew. */
static bool may_be_silence(const struct sim *sim, const struct sim_client *client)
{
	if (client->state != SIM_CLIENT_RENEW && client->state != SIM_CLIENT_REBIND &&
		client->state != SIM_CLIENT_REBOOT)
		return false;
	for (unsigned i = 0; i < sim->client_count; i++)
		if (i != client->at && sim->client[i].machine == client->machine)
			return true;
	return false;
}

/* A lease that a cut-off node never learned of is nothing that it could renew, and no reason for a
 * NAK [P4]: the client asks anew when it has run out. So with an address that the cluster offered:
 * an OFFER is no binding, and the client asks anew soon [R3]. */
static bool can_serve(
	const struct sim *sim, const struct sim_node *node, const struct sim_client *client)
{
	const struct model *model = replica_model(node->replica);
	bool selects = client->state == SIM_CLIENT_REQUEST;
	uint32_t ip = selects ? client->offered_ip : client->ip;
	struct replica_view view;
	struct lease lease;

	if (!selects && client->state != SIM_CLIENT_RENEW && client->state != SIM_CLIENT_REBIND &&
		client->state != SIM_CLIENT_REBOOT)
		return true;
	replica_get_view(node->replica, &view);
	if (view.has_quorum)
		return true;
	if (!model_lease_of_ip(model, ip, &lease))
		return selects && model_block_of(model, ip) != NULL;
	return lease.state == PXE__LEASE_STATE__LEASE_BOUND && is_of_machine(sim, &lease, client);
}

/* A client that asks is answered, if the same nodes could have answered it all the time. */
static void check_answers(struct sim *sim)
{
	for (unsigned c = 0; c < sim->client_count; c++) {
		struct sim_client *client = &sim->client[c];
		bool heard = false;

		for (unsigned i = 0; i < sim->node_count; i++)
			heard = heard || (sim->node[i].answerable_us != 0 &&
						 sim_net_hears(sim, client, &sim->node[i]) &&
						 can_serve(sim, &sim->node[i], client));
		if (client->began_us == 0 || !heard || may_be_silence(sim, client))
			client->heard_us = 0;
		else if (client->heard_us == 0)
			client->heard_us = sim->now_us;
		else if (sim->now_us - client->heard_us > ANSWER_US)
			fail(sim, SIM_NO_ANSWER, client, client->ip,
				"client %u has asked for %" PRIu64 " ms", c,
				(sim->now_us - client->began_us) / SIM_MS);
	}
}

void sim_check_now(struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct sim_node *node = &sim->node[i];

		if (!node->up)
			continue;
		if (model_merge_conflicts(replica_model(node->replica)) > 0)
			sim_fail(sim, SIM_CONFLICT, "node %u counts %" PRIu64 " merge conflicts",
				i + 1, model_merge_conflicts(replica_model(node->replica)));
		if (is_fresh(node))
			check_told_at(sim, node, false);
	}
	if (sim->options.check_answers) {
		note_answerable(sim);
		check_answers(sim);
	}
	sim_post(sim, CHECK_US, &(struct sim_event){.kind = SIM_EVENT_CHECK});
}

/* ---- after the chaos */

/* What is still to be waited for; NULL: all is well. */
static const char *missing(struct sim *sim, char *text, size_t text_bytes)
{
	struct sim_node *leader = sim_node_leader(sim);
	struct replica_view first, view;
	uint8_t digest[32], other[32];

	if (leader == NULL)
		return "there is no leader";
	replica_get_view(leader->replica, &first);
	model_digest(replica_model(leader->replica), digest);
	if (first.applied != first.last)
		return "the leader has not applied all";
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct sim_node *node = &sim->node[i];
		struct dhcp4_isolation isolation = {.journal = 0};

		if (node->gone || model_member(replica_model(leader->replica), node->id) == NULL)
			continue;
		snprintf(text, text_bytes, "node %u is down", i + 1);
		if (!node->up)
			return text;
		replica_get_view(node->replica, &view);
		snprintf(text, text_bytes, "node %u has applied %" PRIu64 " of %" PRIu64, i + 1,
			view.applied, first.last);
		if (view.applied != first.applied)
			return text;
		model_digest(replica_model(node->replica), other);
		if (memcmp(digest, other, sizeof digest) != 0)
			sim_fail(sim, SIM_DIFFERENCE,
				"node %u's state is not node %u's at %" PRIu64, i + 1,
				leader->at + 1, view.applied);
		if (node->service != NULL)
			dhcp4_service_get_isolation(node->service, &isolation);
		snprintf(text, text_bytes, "node %u still has a journal of %u entries", i + 1,
			isolation.journal);
		if (isolation.journal > 0)
			return text;
	}
	return NULL;
}

/* Clients that wait although their subnet has room for all. */
static unsigned count_waiting(struct sim *sim)
{
	unsigned waiting = 0;

	for (unsigned i = 0; i < sim->client_count; i++)
		waiting += sim->client[i].state != SIM_CLIENT_OFF &&
			   !sim_client_is_bound(sim, &sim->client[i]);
	return waiting;
}

static bool room_for_all(const struct sim *sim)
{
	return !sim->pools_changed &&
	       sim->options.pool_size >= 2 * sim->client_count / sim->options.subnets + 10;
}

struct healing {
	char text[100];
	const char *missing;
	unsigned waiting;
};

static bool is_healing(struct sim *sim, void *ctx)
{
	struct healing *healing = ctx;

	healing->missing = missing(sim, healing->text, sizeof healing->text);
	if (healing->missing != NULL)
		return true;
	healing->waiting = room_for_all(sim) ? count_waiting(sim) : 0;
	return healing->waiting > 0;
}

static bool count_block(void *ctx, const Pxe__Block *block)
{
	unsigned *count = ctx;

	*count += (unsigned)__builtin_popcountll(block->mask);
	return true;
}

/* What the leader knows of the others, for who reads the failure. */
static void trace_members(struct sim *sim)
{
	struct sim_node *leader = sim_node_leader(sim);
	struct replica_view view;
	char text[120];

	if (leader == NULL)
		return;
	const struct model *model = replica_model(leader->replica);
	replica_get_view(leader->replica, &view);
	for (unsigned i = 0; i < view.member_count; i++) {
		const struct replica_member_view *seen = &view.member[i];
		const Pxe__Member *member = model_member(model, seen->id);
		unsigned held = 0;

		model_each_block(model, seen->id, count_block, &held);
		snprintf(text, sizeof text,
			"leader n%u: member %u%s%s%s%s%s, %u addresses, journal %u, match %u",
			leader->at + 1, (unsigned)seen->id, seen->voter ? " voter" : "",
			seen->learner ? " learner" : "", seen->live ? " live" : "",
			member == NULL     ? " no record"
			: member->removing ? " removing"
					   : "",
			member != NULL && member->standby ? " standby" : "", held,
			seen->status.journal, (unsigned)seen->match);
		sim_trace(sim, SIM_TRACE_PHASE, -1, -1, 0, view.last, text);
	}
}

void sim_check_healed(struct sim *sim)
{
	struct healing healing = {.missing = NULL};

	if (!sim_run_while(sim, sim->healed_us + sim->options.heal_us, is_healing, &healing)) {
		trace_members(sim);
		if (healing.missing != NULL)
			sim_fail(sim, SIM_STUCK, "%" PRIu64 " ms after the chaos: %s",
				(sim->now_us - sim->healed_us) / SIM_MS, healing.missing);
		sim_fail(sim, SIM_NO_ANSWER, "%" PRIu64 " ms after the chaos %u clients wait",
			(sim->now_us - sim->healed_us) / SIM_MS, healing.waiting);
	}
	uint64_t took_us = sim->now_us - sim->healed_us;
	sim->counts.heal_us_sum += took_us;
	if (took_us > sim->counts.heal_us_max)
		sim->counts.heal_us_max = took_us;
	/* What the leader knows all members know: their digests are equal. */
	struct sim_node *leader = sim_node_leader(sim);
	if (leader != NULL && is_fresh(leader))
		check_told_at(sim, leader, true);
	/* And after that, what was promised is still kept. */
	sim_run_until(sim, sim->now_us + 3 * (uint64_t)SIM_S);
}
