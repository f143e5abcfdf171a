#include "node/admin/admin_metrics.h"

#include "node/admin/admin_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value between quotes: backslash, quote and newline are escaped. */
static void put_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"') {
			fprintf(out, "\\%c", *text);
		} else if (*text == '\n') {
			fputs("\\n", out);
		} else {
			fputc(*text, out);
		}
	}
	fputc('"', out);
}

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP pxecluster_%s %s\n# TYPE pxecluster_%s %s\n", name, help, name, type);
}

static void put_gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
	put_head(out, name, "gauge", help);
	fprintf(out, "pxecluster_%s %" PRIu64 "\n", name, value);
}

static void put_info(FILE *out, const Pxe__Status *status)
{
	put_head(out, "info", "gauge", "Always 1; what answers.");
	fputs("pxecluster_info{cluster=", out);
	put_quoted(out, status->cluster);
	fputs(",node=", out);
	put_quoted(out, status->node);
	fputs(",leader=", out);
	put_quoted(out, status->leader);
	fputs(",dhcp=", out);
	put_quoted(out, status->dhcp);
	fputs(",version=\"" PXE_VERSION "\"} 1\n", out);
}

static const Pxe__NodeStatus *self_of(const Pxe__Status *status)
{
	for (size_t i = 0; i < status->n_nodes; i++) {
		if (strcmp(status->nodes[i]->name, status->node) == 0) {
			return status->nodes[i];
		}
	}
	return NULL;
}

static void put_cluster(FILE *out, const Pxe__Status *status)
{
	size_t unexpected = 0;

	for (size_t i = 0; i < status->n_foreign; i++) {
		unexpected += !status->foreign[i]->expected;
	}
	put_gauge(out, "quorum", "1: a majority of the voters is in contact.",
		strcmp(status->health, "healthy") == 0 || strcmp(status->health, "degraded") == 0);
	put_gauge(out, "voters", "Nodes that vote.", status->voters);
	put_gauge(out, "voters_up", "Of those, the ones that are heard.", status->voters_up);
	put_gauge(out, "raft_term", "Term of the log.", status->term);
	put_gauge(
		out, "raft_applied", "Last log entry that this node has applied.", status->applied);
	put_gauge(out, "revision", "Number of the last change.", status->revision);
	put_gauge(out, "leases", "Addresses that are not free.", status->leases);
	put_gauge(out, "merge_conflicts", "Addresses that were leased twice; never other than 0.",
		status->merge_conflicts);
	put_gauge(out, "foreign_dhcp_servers",
		"Other DHCP servers on the segment that should not be there.", unexpected);
	put_head(out, "as_of_seconds", "gauge", "Cluster time of these values, since 1970.");
	fprintf(out, "pxecluster_as_of_seconds %" PRIu64 ".%03u\n", status->cluster_ms / 1000,
		(unsigned)(status->cluster_ms % 1000));
}

static void put_self(FILE *out, const Pxe__Status *status)
{
	static const char *const roles[] = {"leader", "voter", "learner", "witness"};
	const Pxe__NodeStatus *self = self_of(status);

	if (self == NULL) {
		return;
	}
	put_head(out, "raft_role", "gauge", "1 for the role of this node.");
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
		fprintf(out, "pxecluster_raft_role{role=\"%s\"} %d\n", roles[i],
			strcmp(roles[i], self->raft_role) == 0);
	}
	put_gauge(out, "isolated", "1: no quorum, the node serves by itself.",
		self->isolated ? 1 : 0);
	put_gauge(out, "reserve_addresses", "Addresses of its own for times without the quorum.",
		self->reserve_held);
	put_gauge(out, "reserve_free_addresses", "Of those, the ones that it could lease now.",
		self->reserve_free);
	put_gauge(out, "journal_entries", "Leases given alone that are not merged yet.",
		self->journal);
	put_gauge(out, "dhcp_answers_per_second", "In the last full second.", self->dhcp_per_s);
	put_gauge(out, "disk_free_bytes", "Where the state is kept.", self->free_bytes);
}

/* One value of each node. */
static void put_nodes(FILE *out, const Pxe__Status *status, const char *name, const char *help,
	uint64_t (*value_of)(const Pxe__NodeStatus *node))
{
	put_head(out, name, "gauge", help);
	for (size_t i = 0; i < status->n_nodes; i++) {
		fprintf(out, "pxecluster_%s{node=", name);
		put_quoted(out, status->nodes[i]->name);
		fprintf(out, "} %" PRIu64 "\n", value_of(status->nodes[i]));
	}
}

static uint64_t is_up(const Pxe__NodeStatus *node)
{
	return strcmp(node->state, "down") != 0;
}

static uint64_t behind_of(const Pxe__NodeStatus *node)
{
	return node->behind;
}

static uint64_t missing_of(const Pxe__NodeStatus *node)
{
	return node->images > node->images_held ? node->images - node->images_held : 0;
}

static void put_pools(FILE *out, const Pxe__Status *status, const char *name, const char *help,
	uint64_t (*value_of)(const Pxe__PoolStatus *pool))
{
	put_head(out, name, "gauge", help);
	for (size_t i = 0; i < status->n_pools; i++) {
		fprintf(out, "pxecluster_%s{pool=", name);
		put_quoted(out, status->pools[i]->name);
		fputs(",subnet=", out);
		put_quoted(out, status->pools[i]->subnet);
		fprintf(out, "} %" PRIu64 "\n", value_of(status->pools[i]));
	}
}

static uint64_t size_of(const Pxe__PoolStatus *pool)
{
	return pool->size;
}

static uint64_t used_of(const Pxe__PoolStatus *pool)
{
	return pool->used;
}

static uint64_t reserve_of(const Pxe__PoolStatus *pool)
{
	return pool->reserve;
}

/* What counts events only grows; what runs now goes up and down. */
static void put_counter(FILE *out, const Pxe__Counter *counter)
{
	const char *ending = strrchr(counter->name, '_');
	bool now = ending != NULL && strcmp(ending, "_active") == 0;

	fprintf(out, "# TYPE pxecluster_%s%s %s\npxecluster_%s%s %" PRIu64 "\n", counter->name,
		now ? "" : "_total", now ? "gauge" : "counter", counter->name, now ? "" : "_total",
		counter->value);
}

char *admin_metrics_format(const Pxe__Status *status)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	if (out == NULL) {
		return NULL;
	}
	put_info(out, status);
	put_cluster(out, status);
	put_self(out, status);
	put_nodes(out, status, "node_up", "1: the node is heard.", is_up);
	put_nodes(out, status, "node_behind", "Log entries that it has not applied.", behind_of);
	put_nodes(out, status, "node_images_missing", "Images that it does not hold yet.",
		missing_of);
	put_pools(out, status, "pool_addresses", "Size of the pool.", size_of);
	put_pools(out, status, "pool_used_addresses", "Leased, offered or resting.", used_of);
	put_pools(out, status, "pool_reserve_addresses", "In the nodes' reserves.", reserve_of);
	for (size_t i = 0; i < status->n_counters; i++) {
		put_counter(out, status->counters[i]);
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

char *admin_metrics(struct admin *admin)
{
	const Pxe__Status *status = admin_status_new(admin);
	char *text = status == NULL ? NULL : admin_metrics_format(status);

	admin_status_free(status);
	return text;
}
