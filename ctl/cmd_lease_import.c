/* lease import: another server's leases, one command each. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/lease_import.h"

#include "proto/wire/text.h"

#include <string.h>
#include <time.h>

/* A lease without end has one here, a hundred years, less a day. */
#define ENDLESS_S (UINT64_C(36499) * 86400)

struct take_over {
	size_t taken, refused, expired, inactive;
	size_t left; /* not asked for, since nobody would have answered */
};

static const struct {
	const char *name;
	void (*read)(
		struct import *im, const char *path, const char *text, struct lease_list *ret_list);
} servers[] = {{"dnsmasq", lease_import_dnsmasq}, {"dhcpd", lease_import_dhcpd},
	{"kea", lease_import_kea}};

static int send_lease(struct ctl *ctl, const struct lease_entry *entry, uint64_t now_s,
	char *ret_text, size_t text_bytes)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__LeaseImport import = PXE__LEASE_IMPORT__INIT;
	Pxe__Lease lease = PXE__LEASE__INIT;
	struct lease_entry own = *entry;
	uint8_t ip[4];
	char hostname[64], client_id[256];
	struct client_done done;

	for (size_t i = 0; i < 4; i++) {
		ip[i] = (uint8_t)(entry->ip >> (24 - 8 * i));
	}
	snprintf(hostname, sizeof hostname, "%s", entry->hostname);
	lease.ip = (ProtobufCBinaryData){sizeof ip, ip};
	lease.mac = (ProtobufCBinaryData){own.mac_size, own.mac};
	lease.expires_ms = 1000 * (entry->expires_s == LEASE_IMPORT_ENDLESS ? now_s + ENDLESS_S
									    : entry->expires_s);
	lease.hostname = hostname;
	if (entry->client_id_size > 0 && entry->client_id_size <= sizeof client_id) {
		memcpy(client_id, entry->client_id, entry->client_id_size);
		lease.client_id =
			(ProtobufCBinaryData){entry->client_id_size, (uint8_t *)client_id};
	}
	import.lease = &lease;
	command.op_case = PXE__COMMAND__OP_LEASE_IMPORT;
	command.lease_import = &import;
	return client_try_change(ctl, &command, &done, ret_text, text_bytes);
}

/* Is it no use to go on with the next lease? */
static bool is_fatal(int result)
{
	return result == CTL_UNREACHABLE || result == CTL_NO_QUORUM || result == CTL_NOT_ALLOWED ||
	       result == CTL_UNKNOWN;
}

static int take(
	struct ctl *ctl, const struct lease_list *list, bool dry_run, struct take_over *count)
{
	uint64_t now_s = (uint64_t)time(NULL);

	for (size_t i = 0; i < list->count; i++) {
		const struct lease_entry *entry = &list->entry[i];
		char text[512] = "", ip[TEXT_IP4_BYTES];
		int result;

		if (entry->superseded) {
			continue;
		}
		if (!entry->active) {
			count->inactive++;
			continue;
		}
		if (entry->expires_s <= now_s) {
			count->expired++;
			continue;
		}
		result = dry_run ? CTL_OK : send_lease(ctl, entry, now_s, text, sizeof text);
		count->taken += result == CTL_OK ? 1 : 0;
		count->refused += result != CTL_OK ? 1 : 0;
		if (result != CTL_OK) {
			fprintf(ctl->err, "%s:%u: %s: %s\n", entry->at.file, entry->at.line,
				text_ip4_format(entry->ip, ip), text);
		}
		if (is_fatal(result)) {
			count->left = list->count - i - 1;
			return result;
		}
	}
	return CTL_OK;
}

static void report(const struct ctl *ctl, const struct take_over *count, bool dry_run, size_t bad)
{
	fprintf(ctl->out, "%zu %s %s, %zu refused, %zu had expired, %zu not in use", count->taken,
		count->taken == 1 ? "lease" : "leases",
		dry_run ? "would be taken over" : "taken over", count->refused, count->expired,
		count->inactive);
	if (bad > 0) {
		fprintf(ctl->out, ", %zu not understood", bad);
	}
	fputc('\n', ctl->out);
	if (count->left > 0) {
		fprintf(ctl->err,
			"stopped there, with %zu entries left: run it again, it is safe\n",
			count->left);
	}
}

static int import_file(struct ctl *ctl, const struct invocation *in, size_t server)
{
	struct import *im = import_new();
	struct lease_list list;
	struct take_over count = {0};
	const struct import_at nowhere = {NULL, 0};
	size_t bytes;
	bool dry_run = command_flag(in, "dry-run");
	const char *text = import_open(im, in->args[0], nowhere, &bytes);
	int result = CTL_OK;

	if (text == NULL) {
		result = ctl_fail(ctl, CTL_USAGE, "%s", import_remark_at(im, 0)->text);
		import_free(im);
		return result;
	}
	servers[server].read(im, in->args[0], text, &list);
	for (size_t i = 0; i < import_remark_count(im); i++) {
		const struct import_remark *remark = import_remark_at(im, i);

		fprintf(ctl->err, "%s:%u: %s\n", remark->at.file, remark->at.line, remark->text);
	}
	result = take(ctl, &list, dry_run, &count);
	report(ctl, &count, dry_run, import_remark_count(im));
	if (result == CTL_OK && count.refused + import_remark_count(im) > 0) {
		result = CTL_NO;
	}
	import_free(im);
	return result;
}

int cmd_lease_import(struct ctl *ctl, const struct invocation *in)
{
	const char *from = command_text(in, "from");

	for (size_t i = 0; from != NULL && i < sizeof servers / sizeof servers[0]; i++) {
		if (strcmp(servers[i].name, from) == 0) {
			return import_file(ctl, in, i);
		}
	}
	return ctl_fail(ctl, CTL_USAGE, "--from: write dnsmasq, dhcpd or kea");
}
