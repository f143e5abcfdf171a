/* boot once, cancel, show, history, log. */
#include "ctl/boot_merge.h"
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/objects.h"
#include "ctl/select.h"
#include "ctl/show.h"

#include "proto/msg/event_text.h"
#include "proto/msg/msg_json.h"
#include "proto/wire/dhcp4_names.h"
#include "proto/wire/text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASK_NODE_MS   3000
#define LOG_IDLE_MS   7000 /* nodes send a sign of life every 2 s */
#define HISTORY_LIMIT 100
#define LOG_LIMIT     1000
#define LOG_LIMIT_MAX 1900

/* ---- arming */

static int arm(struct ctl *ctl, char *host, char *profile, uint32_t tries)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootOnce once = PXE__BOOT_ONCE__INIT;
	struct client_done done;
	char what[160];
	int result;

	once.host = host;
	once.profile = profile;
	once.tries = tries;
	command.op_case = PXE__COMMAND__OP_BOOT_ONCE;
	command.boot_once = &once;
	result = client_change(ctl, &command, &done);
	if (result != CTL_OK) {
		return result;
	}
	snprintf(what, sizeof what, "boots %.63s once, at its next boot", profile);
	return objects_print_done(ctl, "host", host, what, done.revision, done.detail);
}

static int cancel(struct ctl *ctl, char *host)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootCancel message = PXE__BOOT_CANCEL__INIT;
	struct client_done done;
	int result;

	message.host = host;
	command.op_case = PXE__COMMAND__OP_BOOT_CANCEL;
	command.boot_cancel = &message;
	result = client_change(ctl, &command, &done);
	return result != CTL_OK ? result
				: objects_print_done(ctl, "host", host, "boots as it always does",
					  done.revision, done.detail);
}

static int select_of(
	struct ctl *ctl, const struct invocation *in, size_t words, struct select_names *ret_names)
{
	Pxe__ObjectList *hosts;
	int result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_HOST, "", &hosts);

	if (result == CTL_OK) {
		result = select_hosts(ctl, hosts, in->args, words, ret_names);
		pxe__object_list__free_unpacked(hosts, NULL);
	}
	return result;
}

int cmd_boot_once(struct ctl *ctl, const struct invocation *in)
{
	struct select_names names;
	char profile[128];
	uint64_t tries = 0;
	int result;

	snprintf(profile, sizeof profile, "%s", in->args[in->arg_count - 1]);
	if (command_text(in, "tries") != NULL &&
		(text_u64_parse(command_text(in, "tries"), 20, &tries) != 0 || tries == 0)) {
		return ctl_fail(ctl, CTL_USAGE, "--tries %s: write a number from 1 to 20",
			command_text(in, "tries"));
	}
	result = select_of(ctl, in, in->arg_count - 1, &names);
	if (result != CTL_OK) {
		return result;
	}
	for (size_t i = 0; i < names.count && result == CTL_OK; i++) {
		result = arm(ctl, names.name[i], profile, (uint32_t)tries);
	}
	select_names_fini(&names);
	return result;
}

int cmd_boot_cancel(struct ctl *ctl, const struct invocation *in)
{
	struct select_names names;
	int result = select_of(ctl, in, in->arg_count, &names);

	if (result != CTL_OK) {
		return result;
	}
	for (size_t i = 0; i < names.count && result == CTL_OK; i++) {
		result = cancel(ctl, names.name[i]);
	}
	select_names_fini(&names);
	return result;
}

static const char *once_state(Pxe__OnceState state)
{
	switch (state) {
	case PXE__ONCE_STATE__ONCE_ARMED: return "armed";
	case PXE__ONCE_STATE__ONCE_CLAIMED: return "under way";
	case PXE__ONCE_STATE__ONCE_DONE: return "done";
	case PXE__ONCE_STATE__ONCE_FAILED: return "failed";
	case PXE__ONCE_STATE__ONCE_NONE:
	case _PXE__ONCE_STATE_IS_INT_SIZE: break;
	}
	return "none";
}

static void show_once(const struct ctl *ctl, const Pxe__Once *once, uint64_t now_ms)
{
	char text[SHOW_BYTES];

	show_pair(ctl, "host", once->host);
	show_pair(ctl, "profile", once->profile);
	show_pair(ctl, "state", once_state(once->state));
	show_pair(ctl, "why", once->text);
	snprintf(text, sizeof text, "%" PRIu32 " of %" PRIu32, once->tries, once->tries_max);
	show_pair(ctl, "tries", text);
	show_pair(ctl, "image", once->image);
	show_pair(ctl, "armed", once->armed_ms == 0 ? "" : show_when(once->armed_ms, now_ms, text));
	show_pair(ctl, "begun",
		once->claimed_ms == 0 ? "" : show_when(once->claimed_ms, now_ms, text));
	show_pair(ctl, "ended", once->ended_ms == 0 ? "" : show_when(once->ended_ms, now_ms, text));
}

int cmd_boot_show(struct ctl *ctl, const struct invocation *in)
{
	Pxe__ObjectList *list;
	int result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_ONCE, in->args[0], &list);

	if (result != CTL_OK) {
		return result;
	}
	for (size_t i = 0; i < list->n_once && result == CTL_OK; i++) {
		if (ctl->format == CTL_JSON) {
			result = ctl_print_json(ctl, &list->once[i]->base);
		} else {
			show_once(ctl, list->once[i], client_list_now_ms(list));
		}
	}
	pxe__object_list__free_unpacked(list, NULL);
	return result;
}

/* ---- asking all nodes */

/* Ask each node that serves machines; at least one has to answer. `ask` returns an exit code. */
static int ask_all(struct ctl *ctl, Pxe__AdminRequest *request, const struct client_call *call)
{
	Pxe__ObjectList *members;
	char text[512] = "", missing[256] = "";
	size_t answered = 0;
	int result = client_list(ctl, PXE__OBJECT_KIND__OBJECT_MEMBER, "", &members);

	if (result != CTL_OK) {
		return result;
	}
	for (size_t i = 0; ctl->node == NULL && i < members->n_members; i++) {
		struct ctl one = *ctl;
		if (members->members[i]->role == PXE__MEMBER_ROLE__MEMBER_WITNESS) {
			continue;
		}
		one.node = members->members[i]->name;
		one.client = NULL;
		one.timeout_ms = ctl->timeout_ms != 0 ? ctl->timeout_ms : ASK_NODE_MS;
		request->request_id = (ProtobufCBinaryData){0, NULL};
		if (client_try_ask(&one, request, call, text, sizeof text) == CTL_OK) {
			answered++;
		} else {
			size_t used = strlen(missing);
			snprintf(missing + used, sizeof missing - used, "%s%.40s",
				used > 0 ? ", " : "", one.node);
		}
		if (one.client != NULL) {
			client_close(one.client);
		}
	}
	pxe__object_list__free_unpacked(members, NULL);
	if (answered == 0) { /* only one can be asked */
		request->request_id = (ProtobufCBinaryData){0, NULL};
		return client_ask(ctl, request, call);
	}
	if (missing[0] != '\0') {
		ctl_note(ctl, "%s did not answer: what only they heard is not in this", missing);
	}
	return CTL_OK;
}

/* ---- history */

static bool take_boots(void *ctx, const Pxe__AdminReply *reply)
{
	Pxe__BootHistory *all = ctx;

	if (reply->body_case == PXE__ADMIN_REPLY__BODY_BOOT_HISTORY) {
		boot_merge(all, reply->boot_history);
	}
	return true;
}

static const char *boot_state(Pxe__BootState state)
{
	switch (state) {
	case PXE__BOOT_STATE__BOOT_RUNNING: return "running";
	case PXE__BOOT_STATE__BOOT_STALLED: return "STALLED";
	case PXE__BOOT_STATE__BOOT_UP: return "up";
	case PXE__BOOT_STATE__BOOT_REPORTED: return "reported";
	case PXE__BOOT_STATE__BOOT_FAILED: return "FAILED";
	case PXE__BOOT_STATE__BOOT_REPLACED: return "began again";
	case PXE__BOOT_STATE__BOOT_STATE_NONE:
	case _PXE__BOOT_STATE_IS_INT_SIZE: break;
	}
	return "?";
}

static char *clock_of(uint64_t at_ms, char ret_text[SHOW_BYTES])
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm tm;

	ret_text[0] = '\0';
	if (localtime_r(&seconds, &tm) != NULL) {
		strftime(ret_text, SHOW_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
	}
	return ret_text;
}

static char *nodes_of(const Pxe__Boot *boot, char ret_text[SHOW_BYTES])
{
	size_t used = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < boot->n_nodes && used < SHOW_BYTES; i++) {
		used += (size_t)snprintf(ret_text + used, SHOW_BYTES - used, "%s%s",
			i > 0 ? "," : "", boot->nodes[i]);
	}
	return ret_text;
}

static const struct table_column history_columns[] = {{"WHEN", false, false},
	{"HOST", false, false}, {"PROFILE", false, false}, {"STATE", false, false},
	{"TOOK", true, false}, {"NODES", false, false}, {"IP", false, true}, {"MAC", false, true},
	{"WHERE", false, false}};

static void history_row(struct table *table, const Pxe__Boot *boot)
{
	char text[SHOW_BYTES];

	table_cell(table, clock_of(boot->started_ms, text));
	table_cell(table, boot->host[0] != '\0' ? boot->host : show_mac(&boot->mac, text));
	table_cell(table, boot->profile);
	table_cell(table, boot_state(boot->state));
	table_cellf(table, "%" PRIu64 ".%" PRIu64 " s", (boot->newest_ms - boot->started_ms) / 1000,
		(boot->newest_ms - boot->started_ms) % 1000 / 100);
	table_cell(table, nodes_of(boot, text));
	table_cell(table, show_ip(&boot->ip, text));
	table_cell(table, show_mac(&boot->mac, text));
	table_cell(table, boot->text);
}

static int limit_of(const struct ctl *ctl, const struct invocation *in, uint64_t usual,
	uint64_t most, uint32_t *ret_limit)
{
	uint64_t limit = usual;

	if (command_text(in, "limit") != NULL &&
		(text_u64_parse(command_text(in, "limit"), most, &limit) != 0 || limit == 0)) {
		return ctl_fail(ctl, CTL_USAGE, "--limit %s: write a number from 1 to %" PRIu64,
			command_text(in, "limit"), most);
	}
	*ret_limit = (uint32_t)limit;
	return CTL_OK;
}

int cmd_boot_history(struct ctl *ctl, const struct invocation *in)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__BootHistoryQuery query = PXE__BOOT_HISTORY_QUERY__INIT;
	Pxe__BootHistory *all = calloc(1, sizeof *all);
	struct client_call call = {.on_reply = take_boots, .ctx = all};
	struct table *table;
	char filter[64];
	int result = limit_of(ctl, in, HISTORY_LIMIT, 4096, &query.limit);

	if (all == NULL || result != CTL_OK) {
		free(all);
		return all == NULL ? ctl_fail(ctl, CTL_REFUSED, "no memory") : result;
	}
	pxe__boot_history__init(all);
	snprintf(filter, sizeof filter, "%s", in->arg_count > 0 ? in->args[0] : "");
	query.filter = filter;
	request.body_case = PXE__ADMIN_REQUEST__BODY_BOOT_HISTORY;
	request.boot_history = &query;
	result = ask_all(ctl, &request, &call);
	if (result == CTL_OK && ctl->format == CTL_JSON) {
		result = ctl_print_json(ctl, &all->base);
	} else if (result == CTL_OK) {
		table = table_new(
			history_columns, sizeof history_columns / sizeof history_columns[0]);
		for (size_t i = 0; i < all->n_boots && i < query.limit; i++) {
			history_row(table, all->boots[i]);
		}
		result = show_table(ctl, table);
		if (all->n_boots == 0) {
			ctl_note(ctl, "no boot was seen");
		}
	}
	pxe__boot_history__free_unpacked(all, NULL);
	return result;
}

/* ---- log */

static void print_line(const struct ctl *ctl, const Pxe__Event *event)
{
	char line[EVENT_TEXT_BYTES], when[SHOW_BYTES], node[64], *json;

	if (ctl->format == CTL_JSON) {
		json = msg_json(&event->base, false);
		fprintf(ctl->out, "%s\n", json != NULL ? json : "{}");
		free(json);
		return;
	}
	fprintf(ctl->out, "%s.%03u %-8s %s\n", clock_of(event->at_ms, when),
		(unsigned)(event->at_ms % 1000), event_text_clean(event->node, node, sizeof node),
		event_text_line(event, line));
}

static bool take_event(void *ctx, const Pxe__AdminReply *reply)
{
	struct boot_merge_events *all = ctx;
	size_t size;
	uint8_t *data;
	Pxe__Event *copy;

	if (reply->body_case != PXE__ADMIN_REPLY__BODY_EVENT) {
		return true;
	}
	size = pxe__event__get_packed_size(reply->event);
	data = malloc(size + 1);
	if (data == NULL) {
		return false;
	}
	pxe__event__pack(reply->event, data);
	copy = pxe__event__unpack(NULL, size, data);
	free(data);
	if (copy != NULL) {
		boot_merge_add(all, copy);
	}
	return copy != NULL;
}

static bool follow_event(void *ctx, const Pxe__AdminReply *reply)
{
	const struct ctl *ctl = ctx;

	if (reply->message[0] != '\0') {
		ctl_note(ctl, "%s", reply->message);
	}
	if (reply->body_case == PXE__ADMIN_REPLY__BODY_EVENT) {
		print_line(ctl, reply->event);
		fflush(ctl->out);
	}
	return !ferror(ctl->out);
}

int cmd_boot_log(struct ctl *ctl, const struct invocation *in)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__BootLogQuery query = PXE__BOOT_LOG_QUERY__INIT;
	struct boot_merge_events all = {0};
	struct client_call call = {.on_reply = take_event, .ctx = &all};
	char filter[64];
	size_t first;
	int result = limit_of(ctl, in, LOG_LIMIT, LOG_LIMIT_MAX, &query.limit);

	if (result != CTL_OK) {
		return result;
	}
	snprintf(filter, sizeof filter, "%s", in->args[0]);
	query.filter = filter;
	request.body_case = PXE__ADMIN_REQUEST__BODY_BOOT_LOG;
	request.boot_log = &query;
	if (command_flag(in, "follow")) {
		query.follow = true;
		call = (struct client_call){.idle_ms = LOG_IDLE_MS,
			.total_ms = ctl->timeout_ms != 0 ? ctl->timeout_ms : UINT_MAX,
			.ends_in_time = true,
			.on_reply = follow_event,
			.ctx = ctl};
		return client_ask(ctl, &request, &call);
	}
	result = ask_all(ctl, &request, &call);
	boot_merge_sort(&all);
	first = all.count > query.limit ? all.count - query.limit : 0;
	for (size_t i = first; i < all.count && result == CTL_OK; i++) {
		print_line(ctl, all.event[i]);
	}
	if (result == CTL_OK && all.count == 0) {
		ctl_note(ctl, "nothing was heard of %s", filter);
	}
	boot_merge_events_fini(&all);
	return result;
}
