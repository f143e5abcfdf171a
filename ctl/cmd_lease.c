/* lease list, show, release. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/objects.h"
#include "ctl/show.h"

#include "proto/wire/text.h"

#include <inttypes.h>
#include <string.h>

static const struct table_column lease_columns[] = {{"IP", false, false}, {"STATE", false, false},
	{"MAC", false, false}, {"EXPIRES", false, false}, {"HOSTNAME", false, false},
	{"SUBNET", false, false}, {"SINCE", false, true}, {"UUID", false, true}};

static const char *state_name(Pxe__LeaseState state)
{
	switch (state) {
	case PXE__LEASE_STATE__LEASE_FREE: return "free";
	case PXE__LEASE_STATE__LEASE_OFFERED: return "offered";
	case PXE__LEASE_STATE__LEASE_BOUND: return "bound";
	case PXE__LEASE_STATE__LEASE_GRACE: return "grace";
	case PXE__LEASE_STATE__LEASE_DECLINED: return "declined";
	case _PXE__LEASE_STATE_IS_INT_SIZE: break;
	}
	return "?";
}

static void lease_row(struct table *table, const Pxe__Lease *lease, uint64_t now_ms)
{
	char text[SHOW_BYTES];

	table_cell(table, show_ip(&lease->ip, text));
	table_cell(table, state_name(lease->state));
	table_cell(table, show_mac(&lease->mac, text));
	table_cell(table, show_when(lease->expires_ms, now_ms, text));
	table_cell(table, lease->hostname);
	table_cell(table, lease->subnet);
	table_cell(table, show_when(lease->since_ms, now_ms, text));
	table_cell(table, show_uuid(&lease->uuid, text));
}

int cmd_lease_list(struct ctl *ctl, const struct invocation *in)
{
	Pxe__ObjectList *list;
	struct table *table;
	char text[SHOW_BYTES];
	int result = client_list(
		ctl, PXE__OBJECT_KIND__OBJECT_LEASE, in->arg_count > 0 ? in->args[0] : "", &list);

	if (result != CTL_OK) {
		return result;
	}
	if (ctl->format == CTL_JSON) {
		result = objects_print_json(ctl, list, PXE__OBJECT_KIND__OBJECT_LEASE);
	} else if (ctl->format == CTL_NAME) {
		for (size_t i = 0; i < list->n_leases; i++) {
			fprintf(ctl->out, "%s\n", show_ip(&list->leases[i]->ip, text));
		}
	} else {
		table = table_new(lease_columns, sizeof lease_columns / sizeof lease_columns[0]);
		for (size_t i = 0; i < list->n_leases; i++) {
			lease_row(table, list->leases[i], client_list_now_ms(list));
		}
		result = show_table(ctl, table);
	}
	if (list->unmerged > 0) {
		ctl_note(ctl,
			"%" PRIu32 " of them given by %s alone; the cluster learns of them when it "
			"has the quorum again",
			list->unmerged,
			client_answered(ctl)[0] != '\0' ? client_answered(ctl) : "the node");
	}
	pxe__object_list__free_unpacked(list, NULL);
	return result;
}

static void show_lease(struct ctl *ctl, const Pxe__Lease *lease, uint64_t now_ms)
{
	char text[SHOW_BYTES];

	show_pair(ctl, "lease", show_ip(&lease->ip, text));
	show_pair(ctl, "state", state_name(lease->state));
	show_pair(ctl, "mac", show_mac(&lease->mac, text));
	show_pair(ctl, "uuid", show_uuid(&lease->uuid, text));
	show_pair(ctl, "hostname", lease->hostname);
	show_pair(ctl, "subnet", lease->subnet);
	show_pair(ctl, "expires", show_when(lease->expires_ms, now_ms, text));
	show_pair(ctl, "kept until", show_when(lease->promised_ms, now_ms, text));
	show_pair(ctl, "granted", show_when(lease->started_ms, now_ms, text));
	show_pair(ctl, "since", show_when(lease->since_ms, now_ms, text));
}

int cmd_lease_show(struct ctl *ctl, const struct invocation *in)
{
	Pxe__ObjectList *list;
	int result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_LEASE, in->args[0], &list);

	if (result != CTL_OK) {
		return result;
	}
	if (list->n_leases == 0) {
		result = ctl_fail(ctl, CTL_NOT_FOUND, "there is no lease of '%s'", in->args[0]);
	}
	for (size_t i = 0; i < list->n_leases && result == CTL_OK; i++) {
		if (ctl->format == CTL_JSON) {
			result = ctl_print_json(ctl, &list->leases[i]->base);
		} else {
			show_lease(ctl, list->leases[i], client_list_now_ms(list));
		}
	}
	pxe__object_list__free_unpacked(list, NULL);
	return result;
}

/* A live lease is another machine's address: ask. */
static int confirm_release(struct ctl *ctl, const Pxe__Lease *lease, uint64_t now_ms)
{
	char question[400], ip[SHOW_BYTES], mac[SHOW_BYTES], when[SHOW_BYTES];

	if (lease->state != PXE__LEASE_STATE__LEASE_BOUND) {
		return CTL_OK;
	}
	snprintf(question, sizeof question,
		"%.40s is leased to %.48s%s%.63s and runs out %.40s. The machine is not told: "
		"another one may get "
		"the address while it still uses it.",
		show_ip(&lease->ip, ip), show_mac(&lease->mac, mac),
		lease->hostname[0] == '\0' ? "" : " ", lease->hostname,
		show_when(lease->expires_ms, now_ms, when));
	return (int)ctl_confirm(ctl, question);
}

int cmd_lease_release(struct ctl *ctl, const struct invocation *in)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Release release = PXE__RELEASE__INIT;
	struct client_done done;
	Pxe__ObjectList *list;
	uint32_t ip;
	int result;

	if (text_ip4_parse(in->args[0], &ip) != 0) {
		return ctl_fail(ctl, CTL_USAGE, "'%s': write the address, such as 10.20.0.102",
			in->args[0]);
	}
	result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_LEASE, in->args[0], &list);
	if (result != CTL_OK) {
		return result;
	}
	if (list->n_leases != 1) {
		result = ctl_fail(ctl, CTL_NOT_FOUND, "there is no lease of '%s'", in->args[0]);
	} else {
		result = confirm_release(ctl, list->leases[0], client_list_now_ms(list));
	}
	if (result == CTL_OK) {
		release.ip = list->leases[0]->ip;
		release.client = list->leases[0]->client;
		release.by_operator = true;
		/* The lease that was shown, and none that is granted meanwhile. */
		release.as_of_ms = list->leases[0]->started_ms;
		command.op_case = PXE__COMMAND__OP_RELEASE;
		command.release = &release;
		result = client_change(ctl, &command, &done);
	}
	pxe__object_list__free_unpacked(list, NULL);
	return result != CTL_OK ? result
				: objects_print_done(ctl, "lease", in->args[0], "released",
					  done.revision, done.detail);
}
