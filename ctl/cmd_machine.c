/* machine list, show, remove; host adopt. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/objects.h"
#include "ctl/show.h"

#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <limits.h>
#include <string.h>

#define ADOPT_IDLE_MS 7000

static const Pxe__Host *host_of(const Pxe__ObjectList *hosts, const ProtobufCBinaryData *mac)
{
	for (size_t i = 0; i < hosts->n_hosts; i++) {
		for (size_t j = 0; j < hosts->hosts[i]->n_mac; j++) {
			const ProtobufCBinaryData *own = &hosts->hosts[i]->mac[j];
			if (own->len == mac->len && memcmp(own->data, mac->data, mac->len) == 0) {
				return hosts->hosts[i];
			}
		}
	}
	return NULL;
}

static const char *arch_of(const Pxe__Machine *machine, char text[SHOW_BYTES])
{
	const char *name = machine->has_arch ? dhcp4_arch_name((uint16_t)machine->arch) : NULL;

	text[0] = '\0';
	if (machine->has_arch && name == NULL) {
		snprintf(text, SHOW_BYTES, "%u", (unsigned)machine->arch);
		return text;
	}
	return name != NULL ? name : text;
}

static const struct table_column machine_columns[] = {{"MAC", false, false}, {"HOST", false, false},
	{"ARCH", false, false}, {"IP", false, false}, {"SUBNET", false, false},
	{"SEEN", false, false}, {"BOOTED", false, false}, {"PROFILE", false, false},
	{"NAME", false, true}, {"CLASS", false, true}, {"UUID", false, true}};

static void machine_row(
	struct table *table, const Pxe__Machine *machine, const Pxe__Host *host, uint64_t now_ms)
{
	char text[SHOW_BYTES];

	table_cell(table, show_mac(&machine->mac, text));
	table_cell(table, host != NULL ? host->name : "");
	table_cell(table, arch_of(machine, text));
	table_cell(table, show_ip(&machine->ip, text));
	table_cell(table, machine->subnet);
	table_cell(table, show_when(machine->last_ms, now_ms, text));
	table_cell(table, machine->boot_ms == 0 ? "" : show_when(machine->boot_ms, now_ms, text));
	table_cell(table, machine->profile);
	table_cell(table, machine->hostname);
	table_cell(table, machine->vendor_class);
	table_cell(table, show_uuid(&machine->uuid, text));
}

/* Leaves only machines that no host declares. */
static void keep_unknown(Pxe__ObjectList *machines, const Pxe__ObjectList *hosts)
{
	size_t kept = 0;

	for (size_t i = 0; i < machines->n_machines; i++) {
		if (host_of(hosts, &machines->machines[i]->mac) == NULL) {
			Pxe__Machine *machine = machines->machines[kept];
			machines->machines[kept++] = machines->machines[i];
			machines->machines[i] = machine;
		}
	}
	for (size_t i = kept; i < machines->n_machines; i++) {
		pxe__machine__free_unpacked(machines->machines[i], NULL);
	}
	machines->n_machines = kept;
}

static int print_machines(
	struct ctl *ctl, const Pxe__ObjectList *machines, const Pxe__ObjectList *hosts)
{
	struct table *table;
	char text[SHOW_BYTES];
	int result;

	if (ctl->format == CTL_JSON) {
		return objects_print_json(ctl, machines, PXE__OBJECT_KIND__OBJECT_MACHINE);
	}
	if (ctl->format == CTL_NAME) {
		for (size_t i = 0; i < machines->n_machines; i++) {
			fprintf(ctl->out, "%s\n", show_mac(&machines->machines[i]->mac, text));
		}
		return CTL_OK;
	}
	table = table_new(machine_columns, sizeof machine_columns / sizeof machine_columns[0]);
	for (size_t i = 0; i < machines->n_machines; i++) {
		machine_row(table, machines->machines[i],
			host_of(hosts, &machines->machines[i]->mac), client_list_now_ms(machines));
	}
	result = show_table(ctl, table);
	if (machines->n_machines == 0) {
		ctl_note(ctl, "no such machine was seen");
	}
	return result;
}

int cmd_machine_list(struct ctl *ctl, const struct invocation *in)
{
	Pxe__ObjectList *machines = NULL, *hosts = NULL;
	int result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_MACHINE,
		in->arg_count > 0 ? in->args[0] : "", &machines);

	if (result == CTL_OK) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_HOST, "", &hosts);
	}
	if (result == CTL_OK) {
		if (command_flag(in, "unknown")) {
			keep_unknown(machines, hosts);
		}
		result = print_machines(ctl, machines, hosts);
	}
	if (machines != NULL) {
		pxe__object_list__free_unpacked(machines, NULL);
	}
	if (hosts != NULL) {
		pxe__object_list__free_unpacked(hosts, NULL);
	}
	return result;
}

static void show_machine(const struct ctl *ctl, const Pxe__Machine *machine, uint64_t now_ms)
{
	char text[SHOW_BYTES];

	show_pair(ctl, "machine", show_mac(&machine->mac, text));
	show_pair(ctl, "uuid", show_uuid(&machine->uuid, text));
	show_pair(ctl, "arch", arch_of(machine, text));
	show_pair(ctl, "vendor class", machine->vendor_class);
	show_pair(ctl, "calls itself", machine->hostname);
	show_pair(ctl, "ip", show_ip(&machine->ip, text));
	show_pair(ctl, "subnet", machine->subnet);
	show_pair(ctl, "first seen", show_when(machine->first_ms, now_ms, text));
	show_pair(ctl, "last seen", show_when(machine->last_ms, now_ms, text));
	if (machine->boot_ms != 0) {
		show_pair(ctl, "booted", show_when(machine->boot_ms, now_ms, text));
		show_pair(ctl, "profile", machine->profile);
		show_pair(ctl, "from", machine->node);
	}
}

int cmd_machine_show(struct ctl *ctl, const struct invocation *in)
{
	Pxe__ObjectList *list;
	int result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_MACHINE, in->args[0], &list);

	if (result != CTL_OK) {
		return result;
	}
	if (list->n_machines == 0) {
		result = ctl_fail(ctl, CTL_NOT_FOUND, "no machine '%s' was seen", in->args[0]);
	}
	for (size_t i = 0; i < list->n_machines && result == CTL_OK; i++) {
		if (ctl->format == CTL_JSON) {
			result = ctl_print_json(ctl, &list->machines[i]->base);
		} else {
			show_machine(ctl, list->machines[i], client_list_now_ms(list));
		}
	}
	pxe__object_list__free_unpacked(list, NULL);
	return result;
}

int cmd_machine_remove(struct ctl *ctl, const struct invocation *in)
{
	int result = CTL_OK;

	for (size_t i = 0; i < in->arg_count && result == CTL_OK; i++) {
		result = objects_delete(ctl, PXE__OBJECT_KIND__OBJECT_MACHINE, "machine",
			in->args[i], command_flag(in, "force"));
	}
	return result;
}

/* ---- adopt */

struct adoption {
	const struct ctl *ctl;
	const Pxe__ObjectList *hosts;
	char mac[TEXT_HWADDR_BYTES]; /* "": none has asked yet */
};

/* A machine that wants to boot, or is waiting for somebody to approve it. */
static bool asks(const Pxe__Event *event)
{
	return event->stage != PXE__BOOT_STAGE__STAGE_SYSTEM && event->mac.len > 0 &&
	       event->mac.len <= 16 &&
	       (event->kind == PXE__EVENT_KIND__EVENT_MACHINE_NEW ||
		       event->kind == PXE__EVENT_KIND__EVENT_DHCP_DISCOVER ||
		       event->kind == PXE__EVENT_KIND__EVENT_DHCP_OFFER ||
		       event->kind == PXE__EVENT_KIND__EVENT_DHCP_REFUSED ||
		       event->kind == PXE__EVENT_KIND__EVENT_DHCP_PROXY ||
		       event->kind == PXE__EVENT_KIND__EVENT_SCRIPT);
}

static bool take_next(void *ctx, const Pxe__AdminReply *reply)
{
	struct adoption *adoption = ctx;

	if (reply->body_case != PXE__ADMIN_REPLY__BODY_EVENT || !asks(reply->event) ||
		host_of(adoption->hosts, &reply->event->mac) != NULL) {
		return true;
	}
	text_hwaddr_format(reply->event->mac.data, reply->event->mac.len, adoption->mac);
	return false;
}

static int wait_for_next(struct ctl *ctl, struct adoption *adoption)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__WatchQuery query = PXE__WATCH_QUERY__INIT;
	struct client_call call = {.idle_ms = ADOPT_IDLE_MS,
		.total_ms = ctl->timeout_ms != 0 ? ctl->timeout_ms : UINT_MAX,
		.ends_in_time = true,
		.on_reply = take_next,
		.ctx = adoption};
	int result;

	ctl_note(ctl, "waiting for an unknown machine to ask ...");
	request.body_case = PXE__ADMIN_REQUEST__BODY_WATCH;
	request.watch = &query;
	result = client_ask(ctl, &request, &call);
	if (result == CTL_OK && adoption->mac[0] == '\0') {
		return ctl_fail(ctl, CTL_NO, "no unknown machine has asked in this time");
	}
	ctl_note(ctl, "%s", adoption->mac);
	return result;
}

static bool is_declared(const Pxe__ObjectList *hosts, const char *name)
{
	for (size_t i = 0; i < hosts->n_hosts; i++) {
		if (strcmp(hosts->hosts[i]->name, name) == 0) {
			return true;
		}
	}
	return false;
}

/* As `host add`, or `host set` if there is such a host, with that hardware address. */
static int declare(
	struct ctl *ctl, const struct invocation *in, const Pxe__ObjectList *hosts, const char *mac)
{
	static const struct command_option mac_option = {"mac", "MAC", true, ""};
	struct invocation host = *in;

	host.given_count = 0;
	for (size_t i = 0; i < in->given_count; i++) {
		if (strcmp(in->given[i].option->name, "next") != 0 &&
			strcmp(in->given[i].option->name, "mac") != 0) {
			host.given[host.given_count++] = in->given[i];
		}
	}
	host.given[host.given_count].option = &mac_option;
	host.given[host.given_count++].value = mac;
	return is_declared(hosts, in->args[0]) ? objects_set(ctl, &host) : objects_add(ctl, &host);
}

int cmd_host_adopt(struct ctl *ctl, const struct invocation *in)
{
	struct adoption adoption = {.ctl = ctl};
	const char *mac = command_text(in, "mac");
	Pxe__ObjectList *hosts;
	int result = edit_check_name(ctl, "host", in->args[0]);

	if (result == CTL_OK && (mac != NULL) == command_flag(in, "next")) {
		return ctl_fail(ctl, CTL_USAGE,
			"write either --next, for the next unknown machine that asks, or --mac "
			"MAC; seen were: pxectl machine list --unknown");
	}
	if (result == CTL_OK) {
		result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_HOST, "", &hosts);
	}
	if (result != CTL_OK) {
		return result;
	}
	adoption.hosts = hosts;
	if (mac == NULL) {
		result = wait_for_next(ctl, &adoption);
	} else {
		snprintf(adoption.mac, sizeof adoption.mac, "%s", mac);
	}
	if (result == CTL_OK) {
		result = declare(ctl, in, hosts, adoption.mac);
	}
	pxe__object_list__free_unpacked(hosts, NULL);
	return result;
}
