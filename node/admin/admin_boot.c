/* Boots as they went: `pxectl boot history` from the timelines, `pxectl boot log` from the files
 * that a worker reads. */
#include "node/admin/admin_impl.h"

#include "node/timeline/timeline_service.h"
#include "proto/msg/msg_ip4.h"
#include "proto/wire/text.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOTS_DEFAULT  100
#define BOOTS_MAX      TIMELINE_BOOTS
#define BOOTS_PER_PART 16
#define LINES_DEFAULT  1000

/* A boot as a message; borrows from the timeline. */
struct boot_message {
	Pxe__Boot boot;
	Pxe__BootStep step[TIMELINE_STEPS];
	Pxe__BootStep *steps[TIMELINE_STEPS];
	char *nodes[TIMELINE_NODES];
	uint8_t ip[4];
};

struct boot_part {
	struct admin *admin;
	const struct admin_client *client;
	const struct timeline *timeline;
	const Pxe__BootHistoryQuery *query;
	size_t left;
	size_t count;
	bool failed;
	struct boot_message message[BOOTS_PER_PART];
	Pxe__Boot *boots[BOOTS_PER_PART];
};

static char *borrowed(const char *text)
{
	return (char *)(uintptr_t)text; /* only read while packing */
}

static void fill_steps(const struct timeline *timeline, const struct timeline_boot *boot,
	struct boot_message *message)
{
	const struct timeline_step *from = timeline_first(timeline, boot);

	for (size_t i = 0; from != NULL && i < TIMELINE_STEPS;
		i++, from = timeline_next(timeline, from)) {
		Pxe__BootStep *step = &message->step[i];
		pxe__boot_step__init(step);
		step->at_ms = from->at_ms;
		step->node = borrowed(timeline_node_name(timeline, from->node));
		step->kind = from->kind;
		step->stage = from->stage;
		step->text = borrowed(from->text);
		step->bytes = from->bytes;
		step->took_ms = from->took_ms;
		step->number = from->number;
		message->steps[message->boot.n_steps++] = step;
	}
	message->boot.steps = message->steps;
}

static void fill(struct boot_part *part, const struct timeline_boot *boot)
{
	struct boot_message *message = &part->message[part->count];
	const Pxe__Host *host =
		model_host_of_mac(admin_model(part->admin), boot->mac, boot->mac_bytes);

	pxe__boot__init(&message->boot);
	message->boot.mac = (ProtobufCBinaryData){boot->mac_bytes, (uint8_t *)(uintptr_t)boot->mac};
	message->boot.host = borrowed(host != NULL ? host->name : "");
	message->boot.started_ms = boot->started_ms;
	message->boot.newest_ms = boot->newest_ms;
	message->boot.state = boot->state;
	message->boot.profile = borrowed(boot->profile);
	message->boot.text = borrowed(boot->text);
	message->boot.arch = boot->arch;
	if (boot->ip != 0) {
		msg_ip4_put(boot->ip, message->ip);
		message->boot.ip = (ProtobufCBinaryData){4, message->ip};
	}
	for (unsigned i = 0; i < TIMELINE_NODES; i++) {
		if ((boot->nodes & 1u << i) != 0) {
			message->nodes[message->boot.n_nodes++] =
				borrowed(timeline_node_name(part->timeline, i));
		}
	}
	message->boot.nodes = message->nodes;
	fill_steps(part->timeline, boot, message);
	part->boots[part->count++] = &message->boot;
}

static void send_part(struct boot_part *part, bool more)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__BootHistory history = PXE__BOOT_HISTORY__INIT;

	history.n_boots = part->count;
	history.boots = part->boots;
	reply.body_case = PXE__ADMIN_REPLY__BODY_BOOT_HISTORY;
	reply.boot_history = &history;
	reply.more = more;
	part->failed = admin_reply(part->admin, part->client, &reply) != 0;
	part->count = 0;
}

static bool matches(const struct boot_part *part, const struct timeline_boot *boot)
{
	const char *filter = part->query->filter;
	char text[TEXT_HWADDR_BYTES];
	const Pxe__Host *host;
	uint8_t mac[16];
	size_t mac_bytes;

	if (filter[0] == '\0') {
		return true;
	}
	if (text_hwaddr_parse(filter, mac, &mac_bytes) == 0 && mac_bytes == boot->mac_bytes &&
		memcmp(mac, boot->mac, mac_bytes) == 0) {
		return true;
	}
	host = model_host_of_mac(admin_model(part->admin), boot->mac, boot->mac_bytes);
	return fnmatch(filter, text_hwaddr_format(boot->mac, boot->mac_bytes, text), 0) == 0 ||
	       (host != NULL && fnmatch(filter, host->name, 0) == 0);
}

static bool on_boot(void *ctx, const struct timeline_boot *boot)
{
	struct boot_part *part = ctx;

	if (boot->newest_ms < part->query->since_ms || !matches(part, boot)) {
		return true;
	}
	fill(part, boot);
	if (part->count == BOOTS_PER_PART) {
		send_part(part, true);
	}
	return --part->left > 0 && !part->failed;
}

static bool has_timelines(struct admin *admin, const struct admin_client *client)
{
	if (admin->config.timelines == NULL) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_REFUSED,
			"this node serves no machines and keeps no history of boots; ask another: "
			"pxectl --node NAME boot history");
		return false;
	}
	return true;
}

void admin_on_boot_history(
	struct admin *admin, const struct admin_client *client, const Pxe__BootHistoryQuery *query)
{
	struct boot_part *part;

	if (!has_timelines(admin, client)) {
		return;
	}
	part = calloc(1, sizeof *part);
	if (part == NULL) {
		admin_reply_text(
			admin, client, PXE__ADMIN_STATUS__ADMIN_REFUSED, "this node has no memory");
		return;
	}
	part->admin = admin;
	part->client = client;
	part->timeline = timeline_service_timeline(admin->config.timelines);
	part->query = query;
	part->left = query->limit == 0          ? BOOTS_DEFAULT
		     : query->limit > BOOTS_MAX ? BOOTS_MAX
						: query->limit;
	timeline_each(part->timeline, on_boot, part);
	if (!part->failed) {
		send_part(part, false);
	}
	free(part);
}

/* ---- log lines */

/* A hardware address, or a pattern of host names: of all their hardware addresses, too. */
struct filter_search {
	struct timeline_filter *filter;
};

static bool add_host(void *ctx, const void *object)
{
	struct filter_search *search = ctx;
	struct timeline_filter *filter = search->filter;
	const Pxe__Host *host = object;

	if (fnmatch(filter->pattern, host->name, 0) != 0) {
		return true;
	}
	for (size_t i = 0; i < host->n_mac && filter->mac_count < TIMELINE_FILTER_MACS; i++) {
		if (host->mac[i].len <= sizeof filter->mac[0]) {
			memcpy(filter->mac[filter->mac_count], host->mac[i].data, host->mac[i].len);
			filter->mac_bytes[filter->mac_count++] = host->mac[i].len;
		}
	}
	return filter->mac_count < TIMELINE_FILTER_MACS;
}

static void make_filter(
	const struct admin *admin, const char *text, struct timeline_filter *ret_filter)
{
	struct filter_search search = {ret_filter};
	const Pxe__Host *host;

	memset(ret_filter, 0, sizeof *ret_filter);
	if (text[0] == '\0') {
		return;
	}
	if (text_hwaddr_parse(text, ret_filter->mac[0], &ret_filter->mac_bytes[0]) == 0) {
		ret_filter->mac_count = 1;
		return;
	}
	snprintf(ret_filter->pattern, sizeof ret_filter->pattern, "%s", text);
	host = model_host(admin_model(admin), text);
	if (host != NULL) {
		(void)add_host(&search, host);
	} else {
		model_each(admin_model(admin), PXE__OBJECT_KIND__OBJECT_HOST, add_host, &search);
	}
}

static void on_log(void *ctx, Pxe__Event *const *events, size_t count)
{
	struct admin_pending *pending = ctx;
	struct admin *admin = pending->admin;
	Pxe__WatchQuery watch = PXE__WATCH_QUERY__INIT;

	for (size_t i = 0; admin != NULL && i < count; i++) {
		Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
		reply.body_case = PXE__ADMIN_REPLY__BODY_EVENT;
		reply.event = events[i];
		reply.more = true;
		if (admin_reply(admin, &pending->client, &reply) != 0) {
			break;
		}
	}
	if (admin != NULL && pending->number != 0) {
		watch.filter = pending->text;
		admin_on_watch(admin, &pending->client, &watch);
	} else if (admin != NULL) {
		Pxe__AdminReply end = PXE__ADMIN_REPLY__INIT;
		admin_reply(admin, &pending->client, &end);
	}
	admin_pending_free(pending);
}

void admin_on_boot_log(
	struct admin *admin, const struct admin_client *client, const Pxe__BootLogQuery *query)
{
	struct admin_pending *pending;
	struct timeline_filter filter;
	size_t limit = query->limit == 0 ? LINES_DEFAULT : query->limit;

	if (!has_timelines(admin, client)) {
		return;
	}
	if (limit > ADMIN_LOG_LINES_MAX) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_INVALID,
			"at most %d lines are given", ADMIN_LOG_LINES_MAX);
		return;
	}
	pending = admin_pending_new(admin, client, ADMIN_PENDING_LOG);
	if (pending == NULL) {
		return;
	}
	make_filter(admin, query->filter, &filter);
	snprintf(pending->text, sizeof pending->text, "%.63s", query->filter);
	pending->number = query->follow ? 1 : 0;
	if (timeline_service_log(admin->config.timelines, &filter, limit, on_log, pending) != 0) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_REFUSED,
			"this node is busy with other searches; run it again in a moment");
		admin_pending_free(pending);
	}
}
