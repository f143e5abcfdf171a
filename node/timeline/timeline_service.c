#include "node/timeline/timeline_service.h"

#include "node/log/log.h"
#include "node/machines/machines_who.h"
#include "node/timeline/timeline_history.h"
#include "proto/msg/event_text.h"
#include "proto/msg/msg_ip4.h"
#include "store/model/check.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS      1000
#define UNSAVED_MAX  (1024u * 1024)
#define SEARCHES_MAX 32
#define TELL_MS      120000 /* a stall that is older is no news */

struct search {
	struct search *next;
	struct timeline_filter filter;
	size_t limit;
	timeline_log_cb *done;
	void *ctx;
	Pxe__Event **found; /* a ring of `limit` once it is full */
	size_t count, at;
};

struct timeline_service {
	struct timeline_service_config config;
	char node[64];
	struct timeline *timeline;
	struct timeline_history *history; /* NULL: cannot be used */
	uint64_t watch;
	uv_timer_t tick;
	uv_work_t work;
	bool busy, closing, timer_open;
	struct timeline_bytes unsaved, writing;
	int write_result;
	bool write_failed; /* and it was told */
	struct search *searches, *running;
	size_t search_count;
	uint64_t lost;
};

/* ---- what is kept, and what becomes of it */

bool timeline_filter_takes(const struct timeline_filter *filter, const Pxe__Event *event)
{
	for (size_t i = 0; i < filter->mac_count; i++) {
		if (event->mac.len == filter->mac_bytes[i] &&
			memcmp(event->mac.data, filter->mac[i], event->mac.len) == 0) {
			return true;
		}
	}
	if (filter->pattern[0] == '\0') {
		return filter->mac_count == 0;
	}
	return event->host[0] != '\0' && fnmatch(filter->pattern, event->host, 0) == 0;
}

/* Of a machine that is known, besides the steps of its boots. */
static bool is_kept(const Pxe__Event *event)
{
	return event->kind == PXE__EVENT_KIND__EVENT_SYSLOG ||
	       event->kind == PXE__EVENT_KIND__EVENT_MACHINE_NEW ||
	       event->kind == PXE__EVENT_KIND__EVENT_BOOT_ONCE ||
	       event->kind == PXE__EVENT_KIND__EVENT_BOOT_STALLED ||
	       event->kind == PXE__EVENT_KIND__EVENT_PHONE_HOME ||
	       event->kind == PXE__EVENT_KIND__EVENT_SYSTEM_UP;
}

/* Has the machine nothing to fetch by what it was told? */
static bool is_settled(const struct timeline_service *service, const Pxe__Event *event)
{
	bool answer = event->kind == PXE__EVENT_KIND__EVENT_DHCP_OFFER ||
		      event->kind == PXE__EVENT_KIND__EVENT_DHCP_ACK ||
		      event->kind == PXE__EVENT_KIND__EVENT_DHCP_PROXY ||
		      event->kind == PXE__EVENT_KIND__EVENT_DHCP_REFUSED;
	const Pxe__Profile *profile;

	if (event->profile[0] == '\0') {
		return answer;
	}
	if (check_is_builtin_profile(event->profile)) {
		return true;
	}
	profile = model_profile(replica_model(service->config.replica), event->profile);
	return profile != NULL && (profile->local || profile->menu != NULL);
}

static void keep(struct timeline_service *service, const Pxe__Event *event)
{
	if (service->history == NULL) {
		return;
	}
	if (service->unsaved.bytes > UNSAVED_MAX || !timeline_bytes_add(&service->unsaved, event)) {
		service->lost++;
	}
}

static void on_event(void *ctx, const Pxe__Event *event)
{
	struct timeline_service *service = ctx;
	const struct timeline_boot *boot;
	Pxe__Event known = *event;
	uint8_t mac[16], mac_bytes;
	uint32_t ip = msg_ip4_get(event->ip);

	if (known.mac.len == 0 && ip != 0) {
		boot = timeline_boot_of_ip(service->timeline, ip);
		if (boot != NULL) {
			memcpy(mac, boot->mac, sizeof mac);
			known.mac = (ProtobufCBinaryData){boot->mac_bytes, mac};
		} else if (machines_mac_of_ip(replica_model(service->config.replica), ip,
				   event->at_ms, mac, &mac_bytes)) {
			known.mac = (ProtobufCBinaryData){mac_bytes, mac};
		}
	}
	boot = timeline_step(service->timeline, &known, is_settled(service, &known));
	if (boot != NULL || (known.mac.len > 0 && is_kept(&known))) {
		keep(service, &known);
	}
}

/* At start; what was settled then is not known any more, and tells nobody. */
static bool on_kept(void *ctx, const Pxe__Event *event)
{
	struct timeline_service *service = ctx;

	(void)timeline_step(service->timeline, event, is_settled(service, event));
	return true;
}

static void on_stalled(void *ctx, const struct timeline_boot *boot, const char *node)
{
	struct timeline_service *service = ctx;
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_BOOT_STALLED};
	uint64_t now_ms = replica_now_ms(service->config.replica);

	/* One node tells it: the one that served the last step. */
	if (strcmp(node, service->node) != 0 ||
		now_ms > boot->newest_ms + TIMELINE_LATE_MS + TELL_MS) {
		return;
	}
	event.mac_bytes = boot->mac_bytes;
	memcpy(event.mac, boot->mac, sizeof event.mac);
	event.ip = boot->ip;
	snprintf(event.host, sizeof event.host, "%s", boot->host);
	snprintf(event.text, sizeof event.text, "%s", boot->text);
	snprintf(event.profile, sizeof event.profile, "%s", boot->profile);
	events_post(service->config.events, &event);
}

/* ---- the worker */

static void kick(struct timeline_service *service);

static void free_search(struct search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		pxe__event__free_unpacked(search->found[i], NULL);
	}
	free(search->found);
	free(search);
}

static void free_service(struct timeline_service *service)
{
	timeline_history_close(service->history);
	timeline_bytes_fini(&service->unsaved);
	timeline_bytes_fini(&service->writing);
	timeline_free(service->timeline);
	free(service);
}

static bool on_found(void *ctx, const Pxe__Event *event)
{
	struct search *search = ctx;
	Pxe__Event *copy;
	uint8_t packed[HISTORY_EVENT_MAX];
	size_t size = pxe__event__get_packed_size(event);

	if (!timeline_filter_takes(&search->filter, event) || size > sizeof packed) {
		return true;
	}
	pxe__event__pack(event, packed);
	copy = pxe__event__unpack(NULL, size, packed);
	if (copy == NULL) {
		return false;
	}
	if (search->count < search->limit) {
		search->found[search->count++] = copy;
	} else {
		pxe__event__free_unpacked(search->found[search->at], NULL);
		search->found[search->at] = copy;
		search->at = (search->at + 1) % search->limit;
	}
	return true;
}

static void do_work(uv_work_t *work)
{
	struct timeline_service *service = work->data;

	if (service->running != NULL) {
		(void)timeline_history_each(service->history, on_found, service->running);
	} else {
		service->write_result = timeline_history_write(
			service->history, service->writing.data, service->writing.bytes);
	}
}

/* The ring as a row. */
static void end_search(struct timeline_service *service, struct search *search)
{
	Pxe__Event **row;

	/* What came while the worker searched. */
	(void)timeline_bytes_each(service->unsaved.data, service->unsaved.bytes, on_found, search);
	row = calloc(search->count + 1, sizeof *row);
	for (size_t i = 0; row != NULL && i < search->count; i++) {
		row[i] = search->found[(search->at + i) % search->count];
	}
	search->done(search->ctx, row, row != NULL ? search->count : 0);
	free(row);
	free_search(search);
	service->search_count--;
}

static void note_write(struct timeline_service *service)
{
	if (service->write_result < 0 && !service->write_failed) {
		log_warn("cannot write the history of boots: %s; it goes on without",
			strerror(-service->write_result));
	}
	service->write_failed = service->write_result < 0;
	service->lost += service->write_failed;
	service->writing.bytes = 0;
}

/* The last second; the process is about to end, so it may wait for the page cache. */
static void write_rest(struct timeline_service *service)
{
	if (service->history != NULL && service->unsaved.bytes > 0) {
		(void)timeline_history_write(
			service->history, service->unsaved.data, service->unsaved.bytes);
		service->unsaved.bytes = 0;
	}
}

static void after_work(uv_work_t *work, int status)
{
	struct timeline_service *service = work->data;
	struct search *search = service->running;
	(void)status;

	service->busy = false;
	service->running = NULL;
	if (search == NULL) {
		note_write(service);
	} else if (service->closing) {
		free_search(search);
	} else {
		end_search(service, search);
	}
	if (!service->closing) {
		kick(service);
		return;
	}
	write_rest(service);
	if (!service->timer_open) {
		free_service(service);
	}
}

static void start_work(struct timeline_service *service)
{
	service->busy = true;
	service->work.data = service;
	(void)uv_queue_work(service->config.loop, &service->work, do_work, after_work);
}

static void begin_write(struct timeline_service *service)
{
	struct timeline_bytes empty = service->writing;

	service->writing = service->unsaved;
	service->unsaved = empty;
	service->unsaved.bytes = 0;
	start_work(service);
}

/* Searches find what was written, so that goes first. */
static void kick(struct timeline_service *service)
{
	if (service->busy || service->searches == NULL) {
		return;
	}
	if (service->history != NULL && service->unsaved.bytes > 0) {
		begin_write(service);
		return;
	}
	service->running = service->searches;
	service->searches = service->running->next;
	if (service->history == NULL) {
		struct search *search = service->running;
		service->running = NULL;
		end_search(service, search);
		return;
	}
	start_work(service);
}

static void on_tick(uv_timer_t *timer)
{
	struct timeline_service *service = timer->data;

	timeline_tick(
		service->timeline, replica_now_ms(service->config.replica), on_stalled, service);
	if (!service->busy && service->history != NULL && service->unsaved.bytes > 0) {
		begin_write(service);
	}
	kick(service);
}

int timeline_service_log(struct timeline_service *service, const struct timeline_filter *filter,
	size_t limit, timeline_log_cb *done, void *ctx)
{
	struct search *search, **link = &service->searches;

	assert(filter != NULL && done != NULL && limit > 0 && limit <= TIMELINE_LOG_MAX);
	if (service->search_count >= SEARCHES_MAX) {
		return -EBUSY;
	}
	search = calloc(1, sizeof *search);
	if (search == NULL || (search->found = calloc(limit, sizeof *search->found)) == NULL) {
		free(search);
		return -ENOMEM;
	}
	search->filter = *filter;
	search->limit = limit;
	search->done = done;
	search->ctx = ctx;
	while (*link != NULL) {
		link = &(*link)->next;
	}
	*link = search;
	service->search_count++;
	uv_timer_start(&service->tick, on_tick, 0, TICK_MS); /* at once, but not from in here */
	return 0;
}

/* ---- open and close */

static void nobody(void *ctx, const struct timeline_boot *boot, const char *node)
{
	(void)ctx;
	(void)boot;
	(void)node;
}

int timeline_service_open(
	const struct timeline_service_config *config, struct timeline_service **ret_service)
{
	struct timeline_service *service = calloc(1, sizeof *service);
	char text[512];

	assert(config != NULL && config->loop != NULL && config->replica != NULL &&
		config->events != NULL && config->node != NULL && config->directory != NULL);
	if (service == NULL || (service->timeline = timeline_new()) == NULL) {
		free(service);
		return -ENOMEM;
	}
	service->config = *config;
	snprintf(service->node, sizeof service->node, "%s", config->node);
	if (timeline_history_open(config->directory, &service->history, text, sizeof text) == 0) {
		(void)timeline_history_each(service->history, on_kept, service);
		timeline_tick(service->timeline, replica_now_ms(config->replica), nobody, NULL);
	} else {
		log_warn("%s; boots of before this start are not known", text);
	}
	uv_timer_init(config->loop, &service->tick);
	service->tick.data = service;
	service->timer_open = true;
	uv_timer_start(&service->tick, on_tick, TICK_MS, TICK_MS);
	service->watch = events_watch(config->events, on_event, service);
	*ret_service = service;
	return 0;
}

const struct timeline *timeline_service_timeline(const struct timeline_service *service)
{
	return service->timeline;
}

uint64_t timeline_service_lost(const struct timeline_service *service)
{
	return service->lost;
}

static void on_closed(uv_handle_t *handle)
{
	struct timeline_service *service = handle->data;

	service->timer_open = false;
	if (!service->busy) {
		free_service(service);
	}
}

void timeline_service_close(struct timeline_service *service)
{
	struct search *next;

	if (service == NULL) {
		return;
	}
	service->closing = true;
	events_unwatch(service->config.events, service->watch);
	for (struct search *search = service->searches; search != NULL; search = next) {
		next = search->next;
		free_search(search);
	}
	if (!service->busy) {
		write_rest(service);
	}
	uv_close((uv_handle_t *)&service->tick, on_closed);
}
