#include "ctl/doctor.h"

#include "ctl/cmd.h"
#include "ctl/show.h"
#include "proto/wire/text.h"

#include <inttypes.h>
#include <string.h>

#define CLUSTER_DISK_LOW  (512ull * 1000 * 1000)
#define CLUSTER_BEHIND    1000u
#define CLUSTER_POOL_FULL 90u /* per cent */

static void check_quorum(struct doctor *doctor)
{
	const Pxe__Status *status = doctor->status;

	if (strcmp(status->health, "no quorum") == 0) {
		doctor_tell(doctor, DOCTOR_BAD, "quorum",
			"none: %" PRIu32 " of %" PRIu32 " voters answer; bring nodes back, or on "
			"the last survivor: pxectl cluster recover",
			status->voters_up, status->voters);
	} else if (strcmp(status->health, "removed") == 0) {
		doctor_tell(doctor, DOCTOR_BAD, "quorum",
			"%s was removed from the cluster: stop its pxed, or join it again",
			status->node);
	} else if (status->voters == 1) {
		doctor_tell(doctor, DOCTOR_WARN, "quorum",
			"one voter: its loss is the loss of all; add nodes: pxectl cluster token "
			"create");
	} else if (status->voters % 2 == 0) {
		doctor_tell(doctor, DOCTOR_WARN, "quorum",
			"%" PRIu32 " voters bear no more failures than %" PRIu32
			"; a witness is enough: pxectl cluster token create --witness",
			status->voters, status->voters - 1);
	} else {
		doctor_tell(doctor, DOCTOR_OK, "quorum", "%" PRIu32 " of %" PRIu32 " voters",
			status->voters_up, status->voters);
	}
	if (status->merge_conflicts > 0) {
		doctor_tell(doctor, DOCTOR_BAD, "merge",
			"%" PRIu64 " addresses were leased twice while nodes were apart: keep the "
			"logs of all nodes and report it",
			status->merge_conflicts);
	}
}

static void check_node(struct doctor *doctor, const Pxe__NodeStatus *node)
{
	char text[SHOW_BYTES], size[SHOW_BYTES], what[48];
	const char *state = node->state;

	snprintf(what, sizeof what, "node %.40s", node->name);
	cmd_status_state(node, text, sizeof text);
	if (strcmp(state, "down") == 0) {
		doctor_tell(doctor, DOCTOR_BAD, what,
			"%s: start it, or for good: pxectl node remove %s --force", text,
			node->name);
	} else if (strcmp(state, "isolated") == 0 || strcmp(state, "removed") == 0) {
		doctor_tell(doctor, DOCTOR_BAD, what, "%s: look at its network", text);
	} else if (strcmp(state, "not serving") == 0) {
		doctor_tell(doctor, DOCTOR_BAD, what,
			"not serving: see its log (journalctl -u pxecluster)");
	} else if (node->behind > CLUSTER_BEHIND) {
		doctor_tell(doctor, DOCTOR_WARN, what,
			"%" PRIu64 " entries behind: look at its "
			"disk and network",
			node->behind);
	} else if (node->free_bytes > 0 && node->free_bytes < CLUSTER_DISK_LOW) {
		doctor_tell(doctor, DOCTOR_WARN, what, "%s of disk left: make room there",
			show_size(node->free_bytes, size));
	} else if (node->images_held < node->images) {
		doctor_tell(doctor, DOCTOR_WARN, what,
			"%" PRIu32 " of %" PRIu32 " images are there: others serve the rest",
			node->images_held, node->images);
	} else if (strcmp(state, "ok") != 0) {
		doctor_tell(doctor, DOCTOR_WARN, what, "%s", text);
	} else {
		doctor_tell(doctor, DOCTOR_OK, what, "%s, %s", text, node->raft_role);
	}
}

/* While nodes are replaced one by one they differ; not for long. */
static void check_versions(struct doctor *doctor)
{
	const Pxe__Status *status = doctor->status;
	const char *first = NULL;

	for (size_t i = 0; i < status->n_nodes; i++) {
		const char *version = status->nodes[i]->version;
		if (version[0] == '\0' || strcmp(status->nodes[i]->state, "down") == 0) {
			continue;
		}
		if (first != NULL && strcmp(first, version) != 0) {
			doctor_tell(doctor, DOCTOR_WARN, "versions",
				"nodes run %s and %s: bring all to one", first, version);
			return;
		}
		first = version;
	}
}

static void check_pools(struct doctor *doctor)
{
	const Pxe__Status *status = doctor->status;

	if (status->n_pools == 0 && strcmp(status->dhcp, "on") == 0) {
		doctor_tell(doctor, DOCTOR_WARN, "pools",
			"none: unknown machines get no address; pxectl subnet add, pxectl pool "
			"add");
	}
	for (size_t i = 0; i < status->n_pools; i++) {
		const Pxe__PoolStatus *pool = status->pools[i];
		char what[48];
		bool full = pool->used >= pool->size;
		snprintf(what, sizeof what, "pool %.40s", pool->name);
		if (full || pool->used * 100 >= pool->size * CLUSTER_POOL_FULL) {
			doctor_tell(doctor, full ? DOCTOR_BAD : DOCTOR_WARN, what,
				"%s, %" PRIu64 " of %" PRIu64
				" used: pxectl pool add, or shorter leases",
				full ? "full" : "nearly full", pool->used, pool->size);
		} else {
			doctor_tell(doctor, DOCTOR_OK, what, "%" PRIu64 " of %" PRIu64 " used",
				pool->used, pool->size);
		}
	}
}

static void check_dhcp(struct doctor *doctor)
{
	const Pxe__Status *status = doctor->status;
	char ip[SHOW_BYTES], age[TEXT_DURATION_BYTES];

	if (strcmp(status->dhcp, "off") == 0) {
		doctor_tell(doctor, DOCTOR_WARN, "DHCP",
			"off, no machine is answered: pxectl cluster set dhcp=on, or dhcp=proxy "
			"beside another server");
	} else {
		doctor_tell(doctor, DOCTOR_OK, "DHCP", "%s", status->dhcp);
	}
	for (size_t i = 0; i < status->n_foreign; i++) {
		const Pxe__ForeignServer *server = status->foreign[i];
		show_ip(&server->ip, ip);
		text_duration_short(server->heard_ms / 1000 * 1000, age);
		if (server->expected) {
			doctor_tell(doctor, DOCTOR_OK, "DHCP servers",
				"%s gives the addresses, as it should in proxy mode", ip);
		} else {
			doctor_tell(doctor,
				strcmp(status->dhcp, "on") == 0 ? DOCTOR_BAD : DOCTOR_WARN,
				"DHCP servers",
				"%s answers on this segment, too (heard %s ago): stop it, or: "
				"pxectl cluster set dhcp=proxy",
				ip, age);
		}
	}
}

void doctor_cluster(struct doctor *doctor)
{
	if (doctor->status == NULL) {
		doctor_tell(doctor, DOCTOR_BAD, "cluster",
			doctor->conf != NULL
				? "no node answers; here: systemctl status pxecluster"
				: "no node answers, and this machine is none: name one by "
				  "--endpoint, or run doctor on a node");
		return;
	}
	check_quorum(doctor);
	for (size_t i = 0; i < doctor->status->n_nodes; i++) {
		check_node(doctor, doctor->status->nodes[i]);
	}
	check_versions(doctor);
	check_dhcp(doctor);
	check_pools(doctor);
}
