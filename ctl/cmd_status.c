/* status, node list: the cluster as one node sees it. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/show.h"

#include "proto/wire/text.h"

#include <inttypes.h>
#include <string.h>

/* Status may be asked of one node only; it never needs the quorum. */
int cmd_status_get(struct ctl *ctl, Pxe__AdminReply **ret_reply)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__StatusQuery query = PXE__STATUS_QUERY__INIT;
	int result;

	request.body_case = PXE__ADMIN_REQUEST__BODY_STATUS;
	request.status = &query;
	result = client_get(ctl, &request, ret_reply);
	if (result == CTL_OK && (*ret_reply)->body_case != PXE__ADMIN_REPLY__BODY_STATE) {
		pxe__admin_reply__free_unpacked(*ret_reply, NULL);
		return ctl_fail(ctl, CTL_REFUSED, "the node's answer is malformed");
	}
	return result;
}

Pxe__AdminReply *cmd_status_try(struct ctl *ctl, const char *node, unsigned timeout_ms)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__StatusQuery query = PXE__STATUS_QUERY__INIT;
	const char *saved_node = ctl->node;
	unsigned saved_ms = ctl->timeout_ms;
	Pxe__AdminReply *reply = NULL;
	char text[512];

	request.body_case = PXE__ADMIN_REQUEST__BODY_STATUS;
	request.status = &query;
	ctl->timeout_ms = timeout_ms;
	ctl->node = node != NULL ? node : saved_node;
	if (client_try(ctl, &request, &reply, text, sizeof text) != CTL_OK) {
		reply = NULL;
	}
	ctl->node = saved_node;
	ctl->timeout_ms = saved_ms;
	if (reply != NULL && reply->body_case != PXE__ADMIN_REPLY__BODY_STATE) {
		pxe__admin_reply__free_unpacked(reply, NULL);
		reply = NULL;
	}
	return reply;
}

static const struct table_column node_columns[] = {{"NODE", false, false}, {"ROLE", false, false},
	{"ADDRESS", false, false}, {"STATE", false, false}, {"BEHIND", true, false},
	{"DHCP/s", true, false}, {"BOOTS", true, false}, {"IMAGES", true, false},
	{"RESERVE", true, false}, {"UNMERGED", true, true}, {"ID", true, true},
	{"APPLIED", true, true}, {"FREE", true, true}, {"VERSION", false, true}};

char *cmd_status_state(const Pxe__NodeStatus *node, char *ret_text, size_t bytes)
{
	char age[TEXT_DURATION_BYTES];

	if (strcmp(node->state, "down") == 0 && node->silent_ms != UINT64_MAX) {
		uint64_t silent_ms = node->silent_ms < 1000 ? 1000 : node->silent_ms;
		snprintf(ret_text, bytes, "down for %s", text_duration_short(silent_ms, age));
	} else if (node->isolated_ms > 0 && strcmp(node->state, "isolated") == 0) {
		uint64_t alone_ms = node->isolated_ms < 1000 ? 1000 : node->isolated_ms;
		snprintf(ret_text, bytes, "isolated for %s", text_duration_short(alone_ms, age));
	} else {
		snprintf(ret_text, bytes, "%s", node->state);
	}
	return ret_text;
}

static int print_nodes(const struct ctl *ctl, const Pxe__Status *status)
{
	struct table *table = table_new(node_columns, sizeof node_columns / sizeof node_columns[0]);
	char text[SHOW_BYTES];

	for (size_t i = 0; i < status->n_nodes; i++) {
		const Pxe__NodeStatus *node = status->nodes[i];
		table_cell(table, node->name);
		table_cell(table, node->raft_role);
		table_cell(table, node->address);
		table_cell(table, cmd_status_state(node, text, sizeof text));
		table_cellf(table, "%" PRIu64, node->behind);
		table_cellf(table, "%" PRIu32, node->dhcp_per_s);
		table_cellf(table, "%" PRIu32, node->boots);
		table_cellf(table, "%" PRIu32 "/%" PRIu32, node->images_held, node->images);
		if (strcmp(node->state, "isolated") == 0) {
			table_cellf(table, "%" PRIu32 "/%" PRIu32, node->reserve_free,
				node->reserve_held);
		} else {
			table_cellf(table, "%" PRIu32, node->reserve_held);
		}
		table_cellf(table, "%" PRIu32, node->journal);
		table_cellf(table, "%" PRIu64, node->id);
		table_cellf(table, "%" PRIu64, node->applied);
		table_cell(table, node->free_bytes == 0 ? "" : show_size(node->free_bytes, text));
		table_cell(table, node->version);
	}
	return show_table(ctl, table);
}

static void print_head(const struct ctl *ctl, const Pxe__Status *status)
{
	const char *color = !ctl->color                               ? ""
			    : strcmp(status->health, "healthy") == 0  ? "\033[32m"
			    : strcmp(status->health, "degraded") == 0 ? "\033[33m"
								      : "\033[31m";
	char ip[SHOW_BYTES], epoch[40] = "";

	if (status->epoch > 1) {
		snprintf(epoch, sizeof epoch, "  epoch %" PRIu64, status->epoch);
	}
	fprintf(ctl->out,
		"%s  %s%s%s  %" PRIu32 " of %" PRIu32
		" voters  leader %s  server %s  DHCP %s  revision %" PRIu64 "%s\n",
		status->cluster, color, status->health, ctl->color ? "\033[0m" : "",
		status->voters_up, status->voters,
		status->leader[0] == '\0' ? "none" : status->leader,
		status->server_ip.len == 0 ? "-" : show_ip(&status->server_ip, ip),
		status->dhcp[0] == '\0' ? "-" : status->dhcp, status->revision, epoch);
}

static void print_pools(const struct ctl *ctl, const Pxe__Status *status)
{
	for (size_t i = 0; i < status->n_pools; i++) {
		const Pxe__PoolStatus *pool = status->pools[i];
		uint64_t taken = pool->used + pool->reserve;
		fprintf(ctl->out,
			"POOL %s %" PRIu64 " of %" PRIu64 " used (%" PRIu64 " %%), %" PRIu64
			" free, %" PRIu64 " in the nodes' reserves\n",
			pool->name, pool->used, pool->size,
			pool->size == 0 ? 100 : pool->used * 100 / pool->size,
			taken < pool->size ? pool->size - taken : 0, pool->reserve);
	}
}

int cmd_status(struct ctl *ctl, const struct invocation *in)
{
	Pxe__AdminReply *reply;
	int result = cmd_status_get(ctl, &reply);

	(void)in;
	if (result != CTL_OK) {
		return result;
	}
	if (ctl->format == CTL_JSON) {
		result = ctl_print_json(ctl, &reply->state->base);
	} else if (ctl->format == CTL_NAME) {
		fprintf(ctl->out, "%s\n", reply->state->cluster);
	} else {
		print_head(ctl, reply->state);
		print_nodes(ctl, reply->state);
		print_pools(ctl, reply->state);
		for (size_t i = 0; i < reply->state->n_warnings; i++) {
			fprintf(ctl->out, "!  %s\n", reply->state->warnings[i]);
		}
		for (size_t i = 0; ctl->format == CTL_WIDE && i < reply->state->n_counters; i++) {
			fprintf(ctl->out, "%-28s %" PRIu64 "\n", reply->state->counters[i]->name,
				reply->state->counters[i]->value);
		}
	}
	pxe__admin_reply__free_unpacked(reply, NULL);
	return result;
}

int cmd_node_list(struct ctl *ctl, const struct invocation *in)
{
	Pxe__AdminReply *reply;
	int result = cmd_status_get(ctl, &reply);

	(void)in;
	if (result != CTL_OK) {
		return result;
	}
	if (ctl->format == CTL_JSON) {
		Pxe__Status nodes = PXE__STATUS__INIT;
		nodes = *reply->state;
		nodes.n_pools = nodes.n_warnings = nodes.n_counters = 0;
		result = ctl_print_json(ctl, &nodes.base);
	} else if (ctl->format == CTL_NAME) {
		for (size_t i = 0; i < reply->state->n_nodes; i++) {
			fprintf(ctl->out, "%s\n", reply->state->nodes[i]->name);
		}
	} else {
		result = print_nodes(ctl, reply->state);
	}
	pxe__admin_reply__free_unpacked(reply, NULL);
	return result;
}
