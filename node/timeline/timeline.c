#include "node/timeline/timeline.h"

#include "proto/msg/event_text.h"
#include "proto/msg/msg_ip4.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASHES     4096
#define STEPS_KEPT 8 /* of a boot's steps, for how it ends */

/* How far a boot came. */
enum rank {
	RANK_ADDRESS,
	RANK_LOADER,
	RANK_SCRIPT,
	RANK_KERNEL,
	RANK_INITRD,
	RANK_SYSTEM,
	RANK_REPORT,
};

struct timeline {
	struct timeline_boot boot[TIMELINE_BOOTS]; /* a ring: `newest` was begun last */
	struct timeline_step step[TIMELINE_POOL];
	uint32_t free_step;  /* 1 + index of the first free one */
	uint32_t used_steps; /* from the start of the pool, that were ever used */
	size_t newest, oldest, count;
	uint32_t by_mac[HASHES], by_ip[HASHES]; /* 1 + index */
	char node[TIMELINE_NODES][64];
	unsigned node_count;
};

struct timeline *timeline_new(void)
{
	return calloc(1, sizeof(struct timeline));
}

void timeline_free(struct timeline *timeline)
{
	free(timeline);
}

/* ---- finding boots */

static size_t hash_mac(const uint8_t *mac, size_t bytes)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < bytes; i++) {
		hash = (hash ^ mac[i]) * 16777619u;
	}
	return (hash ^ hash >> 15) % HASHES;
}

static size_t hash_ip(uint32_t ip)
{
	return (ip * 2654435761u >> 16) % HASHES;
}

static struct timeline_boot *boot_of_mac(
	struct timeline *timeline, const uint8_t *mac, size_t bytes)
{
	uint32_t at = timeline->by_mac[hash_mac(mac, bytes)];

	for (; at != 0; at = timeline->boot[at - 1].mac_next) {
		struct timeline_boot *boot = &timeline->boot[at - 1];
		if (boot->mac_bytes == bytes && memcmp(boot->mac, mac, bytes) == 0) {
			return boot;
		}
	}
	return NULL;
}

static struct timeline_boot *boot_of_ip(const struct timeline *timeline, uint32_t ip)
{
	uint32_t at = timeline->by_ip[hash_ip(ip)];

	for (; at != 0 && ip != 0; at = timeline->boot[at - 1].ip_next) {
		if (timeline->boot[at - 1].ip == ip) {
			return (struct timeline_boot *)(uintptr_t)&timeline->boot[at - 1];
		}
	}
	return NULL;
}

const struct timeline_boot *timeline_boot_of_ip(const struct timeline *timeline, uint32_t ip)
{
	return boot_of_ip(timeline, ip);
}

static uint32_t index_of(const struct timeline *timeline, const struct timeline_boot *boot)
{
	return (uint32_t)(boot - timeline->boot) + 1;
}

static void forget_ip(struct timeline *timeline, struct timeline_boot *boot)
{
	uint32_t *link = &timeline->by_ip[hash_ip(boot->ip)];

	for (; boot->ip != 0 && *link != 0; link = &timeline->boot[*link - 1].ip_next) {
		if (*link == index_of(timeline, boot)) {
			*link = boot->ip_next;
			break;
		}
	}
	boot->ip = 0;
}

static void learn_ip(struct timeline *timeline, struct timeline_boot *boot, uint32_t ip)
{
	uint32_t *head = &timeline->by_ip[hash_ip(ip)];

	if (ip == 0 || boot->ip == ip) {
		return;
	}
	forget_ip(timeline, boot);
	boot->ip = ip;
	boot->ip_next = *head;
	*head = index_of(timeline, boot);
}

static void forget_mac(struct timeline *timeline, const struct timeline_boot *boot)
{
	uint32_t *link = &timeline->by_mac[hash_mac(boot->mac, boot->mac_bytes)];

	for (; *link != 0; link = &timeline->boot[*link - 1].mac_next) {
		if (*link == index_of(timeline, boot)) {
			*link = boot->mac_next;
			return;
		}
	}
}

/* ---- room */

static void drop_oldest(struct timeline *timeline)
{
	struct timeline_boot *boot = &timeline->boot[timeline->oldest];
	uint32_t next;

	assert(timeline->count > 0);
	for (uint32_t at = boot->first; at != 0; at = next) {
		next = timeline->step[at - 1].next;
		timeline->step[at - 1].next = timeline->free_step;
		timeline->free_step = at;
	}
	forget_mac(timeline, boot);
	forget_ip(timeline, boot);
	memset(boot, 0, sizeof *boot);
	timeline->oldest = (timeline->oldest + 1) % TIMELINE_BOOTS;
	timeline->count--;
}

/* 0: there is none but by dropping `boot` itself. */
static uint32_t take_step(struct timeline *timeline, const struct timeline_boot *boot)
{
	uint32_t at;

	while (timeline->free_step == 0 && timeline->used_steps == TIMELINE_POOL) {
		if (&timeline->boot[timeline->oldest] == boot) {
			return 0;
		}
		drop_oldest(timeline);
	}
	if (timeline->free_step == 0) {
		return ++timeline->used_steps;
	}
	at = timeline->free_step;
	timeline->free_step = timeline->step[at - 1].next;
	return at;
}

static struct timeline_boot *begin(struct timeline *timeline, const Pxe__Event *event)
{
	struct timeline_boot *boot;
	uint32_t *head = &timeline->by_mac[hash_mac(event->mac.data, event->mac.len)];

	if (timeline->count == TIMELINE_BOOTS) {
		drop_oldest(timeline);
	}
	timeline->newest = (timeline->oldest + timeline->count) % TIMELINE_BOOTS;
	timeline->count++;
	boot = &timeline->boot[timeline->newest];
	memset(boot, 0, sizeof *boot);
	boot->mac_bytes = (uint8_t)event->mac.len;
	memcpy(boot->mac, event->mac.data, event->mac.len);
	boot->started_ms = boot->newest_ms = event->at_ms;
	boot->state = PXE__BOOT_STATE__BOOT_RUNNING;
	boot->mac_next = *head;
	*head = index_of(timeline, boot);
	return boot;
}

/* ---- steps */

static unsigned node_of(struct timeline *timeline, const char *name)
{
	unsigned i;

	for (i = 0; i < timeline->node_count; i++) {
		if (strncmp(timeline->node[i], name, sizeof timeline->node[i] - 1) == 0) {
			return i;
		}
	}
	if (i < TIMELINE_NODES) {
		snprintf(timeline->node[i], sizeof timeline->node[i], "%s", name);
		timeline->node_count++;
	}
	return i;
}

const char *timeline_node_name(const struct timeline *timeline, unsigned node)
{
	return node < timeline->node_count ? timeline->node[node] : "";
}

static bool is_end(Pxe__EventKind kind)
{
	return kind == PXE__EVENT_KIND__EVENT_SYSTEM_UP ||
	       kind == PXE__EVENT_KIND__EVENT_PHONE_HOME;
}

/* Where in order of time it goes: 1 + index of the step before it; 0: it comes first. */
static uint32_t place_of(
	const struct timeline *timeline, const struct timeline_boot *boot, uint64_t at_ms)
{
	uint32_t before = 0;

	if (boot->last != 0 && timeline->step[boot->last - 1].at_ms <= at_ms) {
		return boot->last;
	}
	for (uint32_t at = boot->first; at != 0 && timeline->step[at - 1].at_ms <= at_ms;
		at = timeline->step[at - 1].next) {
		before = at;
	}
	return before;
}

static void add_step(struct timeline *timeline, struct timeline_boot *boot, const Pxe__Event *event)
{
	unsigned most = is_end(event->kind) ? TIMELINE_STEPS : TIMELINE_STEPS - STEPS_KEPT;
	uint32_t at = boot->step_count < most ? take_step(timeline, boot) : 0, before;
	struct timeline_step *step;

	if (at == 0) {
		return;
	}
	step = &timeline->step[at - 1];
	*step = (struct timeline_step){.at_ms = event->at_ms,
		.bytes = event->bytes,
		.took_ms = event->took_ms,
		.kind = event->kind,
		.stage = event->stage,
		.number = event->number};
	step->node = (uint8_t)node_of(timeline, event->node);
	event_text_clean(event->text, step->text, sizeof step->text);
	if (step->node < TIMELINE_NODES) {
		boot->nodes |= 1u << step->node;
	}
	before = place_of(timeline, boot, event->at_ms);
	step->next = before == 0 ? boot->first : timeline->step[before - 1].next;
	*(before == 0 ? &boot->first : &timeline->step[before - 1].next) = at;
	if (step->next == 0) {
		boot->last = at;
	}
	boot->step_count++;
}

const struct timeline_step *timeline_first(
	const struct timeline *timeline, const struct timeline_boot *boot)
{
	return boot->first == 0 ? NULL : &timeline->step[boot->first - 1];
}

const struct timeline_step *timeline_next(
	const struct timeline *timeline, const struct timeline_step *step)
{
	return step->next == 0 ? NULL : &timeline->step[step->next - 1];
}

/* ---- what a boot makes of an event */

static bool is_transfer(Pxe__EventKind kind)
{
	return kind == PXE__EVENT_KIND__EVENT_TFTP_START ||
	       kind == PXE__EVENT_KIND__EVENT_TFTP_DONE ||
	       kind == PXE__EVENT_KIND__EVENT_HTTP_START ||
	       kind == PXE__EVENT_KIND__EVENT_HTTP_DONE;
}

static bool is_failure(Pxe__EventKind kind)
{
	return kind == PXE__EVENT_KIND__EVENT_TFTP_FAILED ||
	       kind == PXE__EVENT_KIND__EVENT_HTTP_FAILED ||
	       kind == PXE__EVENT_KIND__EVENT_TEMPLATE_FAILED;
}

static bool is_dhcp(Pxe__EventKind kind)
{
	return (kind >= PXE__EVENT_KIND__EVENT_DHCP_DISCOVER &&
		       kind <= PXE__EVENT_KIND__EVENT_DHCP_REFUSED) ||
	       kind == PXE__EVENT_KIND__EVENT_DHCP_PROXY;
}

/* Part of a boot at all, if the machine has one under way. A system that renews its lease is not.
 */
static bool concerns_boots(const Pxe__Event *event)
{
	if (is_dhcp(event->kind)) {
		return event->stage != PXE__BOOT_STAGE__STAGE_SYSTEM;
	}
	return is_transfer(event->kind) || is_failure(event->kind) || is_end(event->kind) ||
	       event->kind == PXE__EVENT_KIND__EVENT_SCRIPT ||
	       event->kind == PXE__EVENT_KIND__EVENT_BOOT_ONCE;
}

static enum rank rank_of_stage(const Pxe__Event *event)
{
	switch (event->stage) {
	case PXE__BOOT_STAGE__STAGE_SCRIPT: return RANK_SCRIPT;
	case PXE__BOOT_STAGE__STAGE_KERNEL: return RANK_KERNEL;
	case PXE__BOOT_STAGE__STAGE_INITRD: return RANK_INITRD;
	case PXE__BOOT_STAGE__STAGE_NONE:
	case PXE__BOOT_STAGE__STAGE_LOADER:
	case PXE__BOOT_STAGE__STAGE_TEMPLATE:
	case PXE__BOOT_STAGE__STAGE_FILE:
	case PXE__BOOT_STAGE__STAGE_SYSTEM:
	case _PXE__BOOT_STAGE_IS_INT_SIZE: break;
	}
	return is_transfer(event->kind) ? RANK_LOADER : RANK_ADDRESS;
}

static enum rank rank_of(const Pxe__Event *event)
{
	if (event->kind == PXE__EVENT_KIND__EVENT_PHONE_HOME) {
		return RANK_REPORT;
	}
	if (event->kind == PXE__EVENT_KIND__EVENT_SYSTEM_UP) {
		return RANK_SYSTEM;
	}
	if (event->kind == PXE__EVENT_KIND__EVENT_SCRIPT) {
		return RANK_SCRIPT;
	}
	return is_failure(event->kind) ? RANK_ADDRESS : rank_of_stage(event);
}

/* Does firmware, or an iPXE that it has loaded, begin here? */
static bool begins(const struct timeline_boot *boot, const Pxe__Event *event)
{
	bool is_ipxe = strcmp(event->text, "iPXE") == 0;

	if (event->kind != PXE__EVENT_KIND__EVENT_DHCP_DISCOVER) {
		/* Of a machine whose beginning nobody has told us. */
		return boot == NULL && !is_end(event->kind) && !is_failure(event->kind) &&
		       event->kind != PXE__EVENT_KIND__EVENT_BOOT_ONCE;
	}
	if (boot == NULL || event->at_ms > boot->newest_ms + TIMELINE_AGAIN_MS) {
		return true;
	}
	return event->at_ms >= boot->newest_ms &&
	       boot->rank > (is_ipxe ? (unsigned)RANK_LOADER : (unsigned)RANK_ADDRESS);
}

/* A transfer's path without the reason behind it. */
static void describe(const Pxe__Event *event, char text[160])
{
	const char *stage = event_text_stage(event->stage);

	if (is_failure(event->kind)) {
		snprintf(text, 160, "%s %.120s", event_text_word(event->kind), event->text);
	} else if (is_transfer(event->kind)) {
		snprintf(text, 160, "after %s%s%.120s", stage, stage[0] != '\0' ? " " : "",
			event->text);
	} else {
		snprintf(text, 160, "after %s", event_text_word(event->kind));
	}
	event_text_clean(text, text, 160);
}

static void follow_transfers(struct timeline_boot *boot, Pxe__EventKind kind)
{
	if (kind == PXE__EVENT_KIND__EVENT_TFTP_START ||
		kind == PXE__EVENT_KIND__EVENT_HTTP_START) {
		boot->transfers++;
	} else if ((is_transfer(kind) || is_failure(kind)) && boot->transfers > 0) {
		boot->transfers--;
	}
}

static void follow_state(struct timeline_boot *boot, const Pxe__Event *event)
{
	if (event->kind == PXE__EVENT_KIND__EVENT_PHONE_HOME) {
		boot->state = event->failed ? PXE__BOOT_STATE__BOOT_FAILED
					    : PXE__BOOT_STATE__BOOT_REPORTED;
		event_text_clean(event->text, boot->text, sizeof boot->text);
	} else if (event->kind == PXE__EVENT_KIND__EVENT_SYSTEM_UP) {
		if (boot->state != PXE__BOOT_STATE__BOOT_REPORTED) {
			boot->state = PXE__BOOT_STATE__BOOT_UP;
			boot->text[0] = '\0';
		}
	} else if (boot->rank < RANK_SYSTEM) {
		boot->state = PXE__BOOT_STATE__BOOT_RUNNING;
		describe(event, boot->text);
	}
}

/* What a system fetches and reports is told with the profile that its next boot would get: a
 * one-shot boot may be over by then. */
static bool names_profile(const struct timeline_boot *boot, const Pxe__Event *event)
{
	if (event->profile[0] == '\0' || event->kind == PXE__EVENT_KIND__EVENT_BOOT_ONCE ||
		event->stage == PXE__BOOT_STAGE__STAGE_SYSTEM) {
		return false;
	}
	return boot->profile[0] == '\0' || event->kind == PXE__EVENT_KIND__EVENT_SCRIPT ||
	       event->kind == PXE__EVENT_KIND__EVENT_DHCP_ACK ||
	       event->stage == PXE__BOOT_STAGE__STAGE_LOADER ||
	       event->stage == PXE__BOOT_STAGE__STAGE_KERNEL;
}

static void follow(struct timeline *timeline, struct timeline_boot *boot, const Pxe__Event *event,
	bool settled)
{
	bool late = event->at_ms < boot->newest_ms;

	follow_transfers(boot, event->kind);
	if (rank_of(event) > boot->rank) {
		boot->rank = rank_of(event);
	}
	if (!late || is_end(event->kind)) {
		follow_state(boot, event);
		boot->settled = settled;
	}
	boot->newest_ms = late ? boot->newest_ms : event->at_ms;
	boot->started_ms = event->at_ms < boot->started_ms ? event->at_ms : boot->started_ms;
	if (event->host[0] != '\0') {
		event_text_clean(event->host, boot->host, sizeof boot->host);
	}
	if (names_profile(boot, event)) {
		event_text_clean(event->profile, boot->profile, sizeof boot->profile);
	}
	if (event->arch != 0 && (boot->arch == 0 || strcmp(event->text, "iPXE") != 0)) {
		boot->arch = event->arch;
	}
	/* What a DISCOVER or REQUEST asks for is a wish. */
	if (event->kind == PXE__EVENT_KIND__EVENT_DHCP_OFFER ||
		event->kind == PXE__EVENT_KIND__EVENT_DHCP_ACK || !is_dhcp(event->kind)) {
		learn_ip(timeline, boot, msg_ip4_get(event->ip));
	}
}

static void replace(struct timeline_boot *boot)
{
	if (boot->state == PXE__BOOT_STATE__BOOT_RUNNING ||
		boot->state == PXE__BOOT_STATE__BOOT_STALLED) {
		boot->state = PXE__BOOT_STATE__BOOT_REPLACED;
	}
}

/* Told before: by another node's history, or twice. */
static bool is_known(
	const struct timeline *timeline, const struct timeline_boot *boot, const Pxe__Event *event)
{
	const struct timeline_step *step = timeline_first(timeline, boot);

	for (; step != NULL && event->number != 0; step = timeline_next(timeline, step)) {
		if (step->number == event->number && step->at_ms == event->at_ms &&
			strcmp(timeline_node_name(timeline, step->node), event->node) == 0) {
			return true;
		}
	}
	return false;
}

const struct timeline_boot *timeline_step(
	struct timeline *timeline, const Pxe__Event *event, bool settled)
{
	struct timeline_boot *boot = NULL;

	assert(timeline != NULL && event != NULL);
	if (!concerns_boots(event) || event->mac.len > sizeof boot->mac) {
		return NULL;
	}
	boot = event->mac.len > 0 ? boot_of_mac(timeline, event->mac.data, event->mac.len)
				  : boot_of_ip(timeline, msg_ip4_get(event->ip));
	if (event->mac.len > 0 && begins(boot, event)) {
		if (boot != NULL) {
			replace(boot);
		}
		boot = begin(timeline, event);
	}
	if (boot == NULL || is_known(timeline, boot, event)) {
		return NULL;
	}
	/* Later DHCP of a system that is up for long is not of its boot. */
	if (event->kind == PXE__EVENT_KIND__EVENT_SYSTEM_UP && boot->rank >= RANK_SYSTEM) {
		return NULL;
	}
	follow(timeline, boot, event, settled);
	add_step(timeline, boot, event);
	return boot;
}

/* ---- silence */

static const char *expected_after(unsigned rank)
{
	switch ((enum rank)rank) {
	case RANK_ADDRESS: return "no boot file was asked for";
	case RANK_LOADER: return "script or configuration not asked for";
	case RANK_SCRIPT: return "kernel not asked for";
	case RANK_KERNEL:
	case RANK_INITRD: return "the system has not asked for an address";
	case RANK_SYSTEM:
	case RANK_REPORT: break;
	}
	return "nothing followed";
}

static void stall(struct timeline *timeline, struct timeline_boot *boot,
	void (*told)(void *ctx, const struct timeline_boot *boot, const char *node), void *ctx)
{
	const struct timeline_step *last = boot->last == 0 ? NULL : &timeline->step[boot->last - 1];
	size_t used = strlen(boot->text);

	if (last != NULL && is_failure(last->kind)) {
		boot->state = PXE__BOOT_STATE__BOOT_FAILED;
	} else {
		boot->state = PXE__BOOT_STATE__BOOT_STALLED;
		snprintf(boot->text + used, sizeof boot->text - used, ": %s",
			boot->transfers > 0 ? "the transfer has not ended"
					    : expected_after(boot->rank));
	}
	told(ctx, boot, last != NULL ? timeline_node_name(timeline, last->node) : "");
}

void timeline_tick(struct timeline *timeline, uint64_t now_ms,
	void (*told)(void *ctx, const struct timeline_boot *boot, const char *node), void *ctx)
{
	assert(timeline != NULL && told != NULL);
	for (size_t i = 0; i < timeline->count; i++) {
		struct timeline_boot *boot =
			&timeline->boot[(timeline->oldest + i) % TIMELINE_BOOTS];
		uint64_t patience = boot->rank >= RANK_KERNEL || boot->transfers > 0
					    ? TIMELINE_LATE_MS
					    : TIMELINE_EARLY_MS;
		if (boot->state == PXE__BOOT_STATE__BOOT_RUNNING && !boot->settled &&
			now_ms > boot->newest_ms + patience) {
			stall(timeline, boot, told, ctx);
		}
	}
}

void timeline_each(const struct timeline *timeline,
	bool (*visit)(void *ctx, const struct timeline_boot *boot), void *ctx)
{
	assert(timeline != NULL && visit != NULL);
	for (size_t i = 0; i < timeline->count; i++) {
		if (!visit(ctx, &timeline->boot[(timeline->newest + TIMELINE_BOOTS - i) %
						TIMELINE_BOOTS])) {
			return;
		}
	}
}
