/* watch, boot explain, version, help. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/edit.h"
#include "ctl/show.h"

#include "proto/msg/event_text.h"
#include "proto/msg/msg_json.h"
#include "proto/wire/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WATCH_IDLE_MS 7000 /* nodes send a sign of life every 2 s */

static bool print_event(void *ctx, const Pxe__AdminReply *reply)
{
	const struct ctl *ctl = ctx;
	const Pxe__Event *event = reply->event;
	char line[EVENT_TEXT_BYTES], when[32] = "", node[64], *json;
	time_t seconds;
	struct tm tm;

	if (reply->message[0] != '\0') {
		ctl_note(ctl, "%s", reply->message);
	}
	if (reply->body_case != PXE__ADMIN_REPLY__BODY_EVENT) {
		return true;
	}
	if (ctl->format == CTL_JSON) {
		json = msg_json(&event->base, false);
		fprintf(ctl->out, "%s\n", json != NULL ? json : "{}");
		free(json);
	} else {
		seconds = (time_t)(event->at_ms / 1000);
		if (localtime_r(&seconds, &tm) != NULL) {
			strftime(when, sizeof when, "%H:%M:%S", &tm);
		}
		fprintf(ctl->out, "%s %-8s %s\n", when,
			event_text_clean(event->node, node, sizeof node),
			event_text_line(event, line));
	}
	fflush(ctl->out);
	return !ferror(ctl->out);
}

static void say_restart(void *ctx)
{
	const struct ctl *ctl = ctx;

	ctl_note(ctl,
		"%s no longer answers; going on with another node, some events may be missing",
		client_answered(ctl)[0] != '\0' ? client_answered(ctl) : "the node");
}

/* A node that dies is replaced by another; Ctrl-C ends it. --timeout ends it, too, with success:
 * that is how scripts look for a while. */
int cmd_watch(struct ctl *ctl, const struct invocation *in)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__WatchQuery query = PXE__WATCH_QUERY__INIT;
	struct client_call call = {.idle_ms = WATCH_IDLE_MS,
		.total_ms = ctl->timeout_ms != 0 ? ctl->timeout_ms : UINT_MAX,
		.ends_in_time = true,
		.on_reply = print_event,
		.on_restart = say_restart,
		.ctx = ctl};
	char filter[64];

	if (in->arg_count > 0) {
		if (strlen(in->args[0]) >= sizeof filter) {
			return ctl_fail(ctl, CTL_USAGE, "'%s' is too long for a name", in->args[0]);
		}
		snprintf(filter, sizeof filter, "%s", in->args[0]);
		query.filter = filter;
	}
	request.body_case = PXE__ADMIN_REQUEST__BODY_WATCH;
	request.watch = &query;
	return client_ask(ctl, &request, &call);
}

static const struct table_column explain_columns[] = {
	{"VALUE", false, false}, {"RESULT", false, false}, {"FROM", false, false}};

static int print_explanation(
	struct ctl *ctl, const struct invocation *in, const Pxe__BootExplanation *explanation)
{
	struct table *table;

	if (ctl->format == CTL_JSON) {
		return ctl_print_json(ctl, &explanation->base);
	}
	if (command_text(in, "render") != NULL) {
		fputs(explanation->rendered, ctl->out);
		return CTL_OK;
	}
	table = table_new(explain_columns, sizeof explain_columns / sizeof explain_columns[0]);
	for (size_t i = 0; i < explanation->n_lines; i++) {
		table_cell(table, explanation->lines[i]->value);
		table_cell(table, explanation->lines[i]->result);
		table_cell(table, explanation->lines[i]->from);
	}
	show_table(ctl, table);
	if (command_flag(in, "script") && explanation->script[0] != '\0') {
		fprintf(ctl->out, "\n%s", explanation->script);
	}
	return CTL_OK;
}

/* An option as a field of a message. */
static void explain_text(
	const struct invocation *in, const char *option, char room[256], char **field)
{
	if (command_text(in, option) != NULL) {
		snprintf(room, 256, "%s", command_text(in, option));
		*field = room;
	}
}

int cmd_boot_explain(struct ctl *ctl, const struct invocation *in)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__BootExplainQuery query = PXE__BOOT_EXPLAIN_QUERY__INIT;
	Pxe__AdminReply *reply;
	uint8_t mac[16], uuid[16];
	char arch[64], text[3][256];
	int result;

	query.mac.data = mac;
	if (text_mac_parse(in->args[0], mac) == 0) {
		query.mac.len = 6;
	} else if (text_hwaddr_parse(in->args[0], mac, &query.mac.len) != 0) {
		return ctl_fail(ctl, CTL_USAGE,
			"'%s': write a hardware address, such as 52:54:00:aa:00:01", in->args[0]);
	}
	if (command_text(in, "uuid") != NULL) {
		if (text_uuid_parse(command_text(in, "uuid"), uuid) != 0) {
			return ctl_fail(
				ctl, CTL_USAGE, "--uuid '%s' is no UUID", command_text(in, "uuid"));
		}
		query.uuid = (ProtobufCBinaryData){sizeof uuid, uuid};
	}
	if (command_text(in, "arch") != NULL) {
		if (edit_check_arch(ctl, "--arch ", command_text(in, "arch")) != CTL_OK) {
			return CTL_USAGE;
		}
		snprintf(arch, sizeof arch, "%s", command_text(in, "arch"));
		query.arch = arch;
	}
	explain_text(in, "class", text[0], &query.vendor_class);
	explain_text(in, "user-class", text[1], &query.user_class);
	explain_text(in, "render", text[2], &query.render);
	request.body_case = PXE__ADMIN_REQUEST__BODY_BOOT_EXPLAIN;
	request.boot_explain = &query;
	result = client_get(ctl, &request, &reply);
	if (result != CTL_OK) {
		return result;
	}
	result = reply->body_case == PXE__ADMIN_REPLY__BODY_EXPLANATION
			 ? print_explanation(ctl, in, reply->explanation)
			 : ctl_fail(ctl, CTL_REFUSED, "the node's answer is malformed");
	pxe__admin_reply__free_unpacked(reply, NULL);
	return result;
}

int cmd_version(struct ctl *ctl, const struct invocation *in)
{
	(void)in;
	if (ctl->format == CTL_JSON) {
		fprintf(ctl->out, "{\"version\": \"%s\"}\n", PXE_VERSION);
	} else {
		fprintf(ctl->out, "pxectl %s\n", PXE_VERSION);
	}
	return CTL_OK;
}

int cmd_help(struct ctl *ctl, const struct invocation *in)
{
	return command_help(ctl, in->arg_count > 0 ? in->args[0] : NULL, NULL);
}
