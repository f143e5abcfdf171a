/* tests/sim/cluster/scenario_do.c: what the lines of a scenario do to clients, nodes and links, and
 * what operators do. */
#include "store/replica/replica_offline.h"
#include "tests/sim/cluster/scenario.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define REPEAT_US  (1 * (uint64_t)SIM_S)
#define TIMEOUT_MS 4000

/* ---- clients */

static uint32_t deaf_nodes(struct scenario *scenario, const struct scenario_line *line)
{
	uint32_t deaf = UINT32_MAX;

	if (line->hearer_count == 0)
		return 0;
	for (unsigned i = 0; i < line->hearer_count; i++)
		deaf &= ~(UINT32_C(1) << scenario_node(scenario, line, &line->hearer[i])->at);
	return deaf;
}

static void say(struct scenario *scenario, unsigned at)
{
	struct sim *sim = scenario->sim;
	struct scenario_client *own = &scenario->client[at];
	struct sim_client *client = &sim->client[at];

	sim_client_say(sim, client, &own->saying);
	if (own->line->once || sim->now_us + REPEAT_US >= own->until_us)
		return;
	sim_post(sim, REPEAT_US,
		&(struct sim_event){
			.kind = SIM_EVENT_CLIENT, .client = (uint16_t)at, .life = client->timer});
}

void scenario_on_timer(struct sim *sim, struct sim_client *client)
{
	if (!sim->scenario->client[client->at].answered)
		say(sim->scenario, client->at);
}

static enum dhcp4_type type_of(enum scenario_message message)
{
	switch (message) {
	case SCENARIO_DISCOVER:
	case SCENARIO_LEASE: return DHCP4_DISCOVER;
	case SCENARIO_CLIENT_RELEASE: return DHCP4_RELEASE;
	case SCENARIO_DECLINE: return DHCP4_DECLINE;
	case SCENARIO_REQUEST:
	case SCENARIO_REBOOT:
	case SCENARIO_RENEW:
	case SCENARIO_REBIND: return DHCP4_REQUEST;
	}
	return DHCP4_REQUEST;
}

/* What RFC 2131 table 5 puts where. */
static void fill(struct scenario *scenario, const struct scenario_line *line, unsigned at,
	enum scenario_message message)
{
	struct sim *sim = scenario->sim;
	struct sim_client *client = &sim->client[at];
	struct sim_saying *saying = &scenario->client[at].saying;
	uint32_t named = scenario_ip(scenario, &line->ip);
	uint32_t server = sim_ip(sim, 0, 1);

	*saying = (struct sim_saying){.type = type_of(message), .only = -1};
	switch (message) {
	case SCENARIO_DISCOVER:
	case SCENARIO_LEASE:
		client->state = SIM_CLIENT_DISCOVER;
		saying->requested = named;
		break;
	case SCENARIO_REQUEST:
		client->state = SIM_CLIENT_REQUEST;
		if (named != 0)
			client->offered_ip = named;
		saying->requested = client->offered_ip;
		saying->server = server;
		break;
	case SCENARIO_REBOOT:
		client->state = SIM_CLIENT_REBOOT;
		if (named != 0)
			client->ip = named;
		saying->requested = client->ip;
		break;
	case SCENARIO_RENEW:
	case SCENARIO_REBIND:
		client->state = message == SCENARIO_RENEW ? SIM_CLIENT_RENEW : SIM_CLIENT_REBIND;
		saying->ciaddr = client->ip;
		if (message == SCENARIO_RENEW && line->hearer_count == 1)
			saying->only = (int)scenario_node(scenario, line, &line->hearer[0])->at;
		break;
	case SCENARIO_CLIENT_RELEASE:
		saying->ciaddr = client->ip;
		saying->server = server;
		break;
	case SCENARIO_DECLINE:
		saying->requested = client->ip;
		saying->server = server;
		break;
	}
}

static void begin_to_say(struct scenario *scenario, const struct scenario_line *line, unsigned at,
	enum scenario_message message)
{
	struct sim *sim = scenario->sim;
	struct sim_client *client = &sim->client[at];
	struct scenario_client *own = &scenario->client[at];
	bool gives_up = message == SCENARIO_CLIENT_RELEASE || message == SCENARIO_DECLINE;

	own->line = line;
	own->answered = gives_up;
	own->until_us = line->expect.kind == SCENARIO_EXPECT_NOTHING
				? sim->now_us
				: sim->now_us + line->expect.within_us;
	fill(scenario, line, at, message);
	if ((own->saying.requested | own->saying.ciaddr) == 0 && message != SCENARIO_DISCOVER &&
		message != SCENARIO_LEASE)
		scenario_fail(scenario, line, "c%u has no address to ask for", at + 1);
	if (gives_up)
		sim_check_given_up(sim, client, client->ip);
	client->timer++;
	client->xid = (uint32_t)sim_random64(sim) | 1;
	client->asked_us = sim->now_us;
	client->began_us = sim->now_us;
	client->deaf_nodes = deaf_nodes(scenario, line);
	say(scenario, at);
	if (gives_up) {
		client->state = SIM_CLIENT_WAIT;
		client->ip = client->offered_ip = 0;
		client->expires_us = 0;
	}
}

static void on_ack(struct scenario *scenario, struct sim_client *client,
	const struct sim_node *node, uint32_t ip, uint32_t lease_s)
{
	struct sim *sim = scenario->sim;
	uint32_t wanted = client->state == SIM_CLIENT_REQUEST ? client->offered_ip : client->ip;

	if (ip != wanted || lease_s == 0)
		sim_fail(sim, SIM_CONTRACT, "client %u asked for %08x and is told %08x for %u s",
			client->at, wanted, ip, lease_s);
	client->ip = ip;
	client->expires_us = client->asked_us + lease_s * (uint64_t)SIM_S;
	client->state = SIM_CLIENT_BOUND;
	sim_check_held(sim, client, ip, client->expires_us);
	(void)node;
}

void scenario_on_reply(struct sim *sim, struct sim_client *client, struct sim_node *node,
	const struct dhcp4_message *message)
{
	struct scenario *scenario = sim->scenario;
	struct scenario_client *own = &scenario->client[client->at];
	uint32_t ip = message->header.yiaddr, lease_s = 0;

	/* A second answer says the same; and what was said meanwhile counts. */
	if (own->answered || own->line == NULL)
		return;
	dhcp4_u32(message, DHCP4_LEASE_SECONDS, &lease_s);
	own->node = (int)node->at;
	own->reply_ip = ip;
	own->lease_s = lease_s;
	if (message->type == DHCP4_OFFER && client->state == SIM_CLIENT_DISCOVER) {
		client->offered_ip = ip;
		if (own->line->message == SCENARIO_LEASE) {
			fill(scenario, own->line, client->at, SCENARIO_REQUEST);
			own->saying.requested = client->offered_ip = ip;
			client->asked_us = sim->now_us;
			client->timer++;
			client->xid++;
			say(scenario, client->at);
			return;
		}
	} else if (message->type == DHCP4_ACK && client->state != SIM_CLIENT_DISCOVER) {
		on_ack(scenario, client, node, ip, lease_s);
	} else if (message->type == DHCP4_NAK && client->state != SIM_CLIENT_DISCOVER) {
		if (client->state != SIM_CLIENT_REQUEST)
			sim_check_given_up(sim, client, client->ip);
		client->ip = 0;
		client->expires_us = 0;
		client->state = SIM_CLIENT_WAIT;
	} else {
		return;
	}
	own->answered = true;
	client->began_us = 0;
	scenario_expect_reply(scenario, client->at, message->type, node);
	if (ip != 0)
		own->ip = ip;
}

static void do_say(struct scenario *scenario, const struct scenario_line *line)
{
	for (unsigned i = line->client; i <= line->client_last; i++) {
		begin_to_say(scenario, line, i, line->message);
		scenario_expect(scenario, line, i, NULL);
	}
}

/* ---- nodes and links */

static void do_partition(struct scenario *scenario, const struct scenario_line *line)
{
	struct sim *sim = scenario->sim;
	unsigned node[SIM_NODES_MAX];

	sim_heal_links(sim);
	for (unsigned i = 0; i < line->grouped_count; i++)
		node[i] = scenario_node(scenario, line, &line->grouped[i])->at;
	for (unsigned i = 0; i < line->grouped_count; i++)
		for (unsigned k = 0; k < line->grouped_count; k++)
			if (line->group[i] != line->group[k])
				sim_link_cut(sim, node[i], node[k], true);
	sim_trace(sim, SIM_TRACE_CUT, -1, -1, 0, line->number, "by the scenario");
}

static void do_down(
	struct scenario *scenario, const struct scenario_line *line, struct sim_node *node)
{
	if (!node->up)
		scenario_fail(scenario, line, "%s is down already", node->name);
	if (line->verb == SCENARIO_STOP)
		sim_node_stop(node, 0);
	else
		sim_node_crash(node, line->verb == SCENARIO_POWER, 0,
			line->verb == SCENARIO_POWER ? "power" : "kill -9");
}

/* At once, so that whatever is expected is expected of a node that runs. */
static void do_start(struct scenario *scenario, struct sim_node *node)
{
	if (node->up || node->gone)
		return;
	sim_post(scenario->sim, 0,
		&(struct sim_event){
			.kind = SIM_EVENT_START, .node = (uint16_t)node->at, .life = node->life});
	sim_run_until(scenario->sim, scenario->sim->now_us);
}

static void do_up_or_down(struct scenario *scenario, const struct scenario_line *line)
{
	struct sim *sim = scenario->sim;
	struct sim_node *only = line->all ? NULL : scenario_node(scenario, line, &line->node);

	for (unsigned i = 0; i < sim->node_count; i++) {
		struct sim_node *node = &sim->node[i];

		if (only != NULL && only != node)
			continue;
		if (line->verb == SCENARIO_START)
			do_start(scenario, node);
		else if (only != NULL || node->up)
			do_down(scenario, line, node);
	}
}

static void do_join(struct scenario *scenario, const struct scenario_line *line)
{
	struct sim_node *sponsor = scenario_node(scenario, line, &line->node);

	if (sim_join(scenario->sim, sponsor, line->witness) == NULL)
		scenario_fail(scenario, line, "nobody can join through %s", sponsor->name);
}

static void nothing_durable(void *ctx, uint64_t ticket)
{
	(void)ctx;
	(void)ticket;
}

/* As `pxed recover` on a stopped node. */
static void do_recover(struct scenario *scenario, const struct scenario_line *line)
{
	struct sim_node *node = scenario_node(scenario, line, &line->node);
	struct kv_config config = {.ctx = node, .on_durable = nothing_durable};
	struct kv *kv;
	char error[200] = "";

	if (node->up)
		scenario_fail(scenario, line, "%s must be stopped first", node->name);
	if (kv_open(&config, &kv, error, sizeof error) != 0)
		scenario_fail(scenario, line, "%s", error);
	if (replica_offline_recover(kv, node->env.now_wall_ms(node->env.ctx),
		    (uint32_t)(line->amount_ms / 1000), error, sizeof error) != 0)
		scenario_fail(scenario, line, "recover: %s", error);
	kv_close(kv);
}

/* From here on; what the clock shows does not jump. */
static void do_drift(struct sim_node *node, int64_t ppm)
{
	int64_t passed_us = (int64_t)node->sim->now_us - node->boot_zero_us;
	int64_t shown_us = passed_us + passed_us * node->drift_ppm / 1000000;

	node->drift_ppm = ppm;
	node->boot_zero_us =
		(int64_t)node->sim->now_us - (shown_us * 1000000 + 1999999) / (1000000 + ppm);
}

static void do_node(
	struct scenario *scenario, const struct scenario_line *line, struct sim_node *node)
{
	switch ((unsigned)line->verb) {
	case SCENARIO_DESTROY: sim_node_destroy(node); break;
	case SCENARIO_PAUSE: sim_node_pause(node, (uint64_t)line->amount_ms * SIM_MS); break;
	case SCENARIO_CLOCK:
		sim_node_set_wall(
			node, node->wall_offset_ms + line->amount_ms, !line->unsynchronised);
		break;
	case SCENARIO_DRIFT: do_drift(node, line->amount_ms); break;
	case SCENARIO_DISK: node->disk_us = (unsigned)line->amount_ms * SIM_MS; break;
	case SCENARIO_CALL: scenario->alias_node[line->target.at] = (int)node->at; break;
	case SCENARIO_STEP_DOWN:
		replica_step_down(node->replica);
		sim_node_turn(node);
		break;
	default: assert(false);
	}
}

static void do_mark_log(struct scenario *scenario, const struct scenario_line *line)
{
	const struct sim_node *leader = sim_node_leader(scenario->sim);
	struct replica_view view;

	if (leader == NULL)
		scenario_fail(scenario, line, "there is no leader, and so no log");
	replica_get_view(leader->replica, &view);
	scenario->log_mark = view.last;
}

/* ---- operators */

static void on_done(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct scenario_operation *operation = ctx;

	operation->sent = false;
	if (outcome != REPLICA_APPLIED)
		return; /* it is tried again, as the same request */
	operation->done = true;
	operation->result = *result;
	sim_trace(operation->scenario->sim, SIM_TRACE_OUTCOME, (int)operation->node, -1, 0,
		result->verdict, result->detail);
}

static void fill_ip(uint32_t ip, uint8_t bytes[4], ProtobufCBinaryData *ret_data)
{
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(ip >> (24 - 8 * i));
	*ret_data = (ProtobufCBinaryData){.len = 4, .data = bytes};
}

/* What a command is made of; all of it lives as long as the command. */
struct parts {
	Pxe__Command command;
	struct sim_host host;
	Pxe__Delete remove_object;
	Pxe__MemberRemove remove;
	Pxe__MemberSet set;
	Pxe__Release release;
	uint8_t ip[4];
	char name[16];
};

static void make_host(
	struct scenario *scenario, const struct scenario_line *line, struct parts *parts)
{
	struct sim *sim = scenario->sim;
	uint32_t ip = scenario_ip(scenario, &line->ip);

	sim_host_fill(sim, line->target.at, line->owner, line->owner_count, ip, &parts->host);
	for (unsigned i = 1; i < line->owner_count; i++)
		sim->client[line->owner[i]].machine = sim->client[line->owner[0]].machine;
	struct sim_address *address = sim_address(sim, ip);
	if (address != NULL)
		address->touched = true;
	parts->command.op_case = PXE__COMMAND__OP_PUT;
	parts->command.put = &parts->host.put;
}

static void make_command(
	struct scenario *scenario, const struct scenario_line *line, struct parts *parts)
{
	const char *target = "";

	if (line->command == SCENARIO_REMOVE || line->command == SCENARIO_MODE)
		target = scenario_node(scenario, line, &line->target)->name;
	pxe__command__init(&parts->command);
	pxe__delete__init(&parts->remove_object);
	pxe__member_remove__init(&parts->remove);
	pxe__member_set__init(&parts->set);
	pxe__release__init(&parts->release);
	snprintf(parts->name, sizeof parts->name, "%s", *target != '\0' ? target : line->name);
	switch (line->command) {
	case SCENARIO_PUT_HOST: make_host(scenario, line, parts); break;
	case SCENARIO_DELETE_HOST:
		parts->remove_object.kind = PXE__OBJECT_KIND__OBJECT_HOST;
		parts->remove_object.name = parts->name;
		parts->remove_object.even_if_used = true;
		parts->command.op_case = PXE__COMMAND__OP_REMOVE;
		parts->command.remove = &parts->remove_object;
		break;
	case SCENARIO_REMOVE:
		parts->remove.name = parts->name;
		parts->remove.force = line->force;
		parts->command.op_case = PXE__COMMAND__OP_MEMBER_REMOVE;
		parts->command.member_remove = &parts->remove;
		break;
	case SCENARIO_MODE:
		parts->set.name = parts->name;
		parts->set.mode = line->mode;
		parts->command.op_case = PXE__COMMAND__OP_MEMBER_SET;
		parts->command.member_set = &parts->set;
		break;
	case SCENARIO_RELEASE:
		fill_ip(scenario_ip(scenario, &line->ip), parts->ip, &parts->release.ip);
		parts->release.by_operator = true;
		parts->command.op_case = PXE__COMMAND__OP_RELEASE;
		parts->command.release = &parts->release;
		break;
	}
}

static void propose(struct scenario *scenario, struct scenario_operation *operation)
{
	struct sim_node *node = &scenario->sim->node[operation->node];
	struct parts parts;

	if (!node->up)
		return;
	make_command(scenario, operation->line, &parts);
	parts.command.request_id = (ProtobufCBinaryData){
		.data = operation->request_id, .len = sizeof operation->request_id};
	operation->sent = replica_propose(node->replica, &parts.command, TIMEOUT_MS, on_done,
				  operation) == REPLICA_APPLIED;
	sim_node_turn(node);
}

void scenario_retry(struct scenario *scenario)
{
	for (unsigned i = 0; i < SCENARIO_OPERATIONS_MAX; i++) {
		struct scenario_operation *operation = &scenario->operation[i];

		if (operation->used && !operation->sent && !operation->done)
			propose(scenario, operation);
	}
}

static void do_propose(struct scenario *scenario, const struct scenario_line *line)
{
	struct scenario_operation *operation = NULL;

	for (unsigned i = 0; i < SCENARIO_OPERATIONS_MAX && operation == NULL; i++)
		if (!scenario->operation[i].used)
			operation = &scenario->operation[i];
	if (operation == NULL)
		scenario_fail(scenario, line, "too many commands");
	*operation = (struct scenario_operation){.used = true, .line = line, .scenario = scenario};
	operation->node = scenario_node(scenario, line, &line->node)->at;
	for (unsigned i = 0; i < sizeof operation->request_id; i++)
		operation->request_id[i] = (uint8_t)sim_random(scenario->sim, 256);
	if (line->command == SCENARIO_REMOVE)
		scenario_node(scenario, line, &line->target)->leaving = true;
	propose(scenario, operation);
	scenario_expect(scenario, line, 0, operation);
}

/* ---- a line */

void scenario_do(struct scenario *scenario, const struct scenario_line *line)
{
	switch (line->verb) {
	case SCENARIO_NOTHING: break;
	case SCENARIO_SAY: do_say(scenario, line); return;
	case SCENARIO_PROPOSE: do_propose(scenario, line); return;
	case SCENARIO_PARTITION: do_partition(scenario, line); break;
	case SCENARIO_HEAL: sim_heal_links(scenario->sim); break;
	case SCENARIO_KILL:
	case SCENARIO_POWER:
	case SCENARIO_STOP:
	case SCENARIO_START: do_up_or_down(scenario, line); break;
	case SCENARIO_JOIN: do_join(scenario, line); break;
	case SCENARIO_RECOVER: do_recover(scenario, line); break;
	case SCENARIO_MARK_LOG: do_mark_log(scenario, line); break;
	case SCENARIO_DESTROY:
	case SCENARIO_PAUSE:
	case SCENARIO_CLOCK:
	case SCENARIO_DISK:
	case SCENARIO_DRIFT:
	case SCENARIO_CALL:
	case SCENARIO_STEP_DOWN:
		do_node(scenario, line, scenario_node(scenario, line, &line->node));
		break;
	}
	scenario_expect(scenario, line, 0, NULL);
}
