#include "node/dhcp4/dhcp4_server.h"

#include "node/dhcp4/dhcp4_engine.h"
#include "node/dhcp4/dhcp4_socket.h"
#include "node/log/log.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS        50
#define LOG_EVERY_MS   10000
#define PROPOSALS_MAX  4096 /* told to the replica and not yet decided */
#define SERVER_HANDLES 3

/* A proposal on its way through the log. */
struct dhcp4_errand {
	struct dhcp4_server *server;
	uint64_t ticket;
	struct dhcp4_errand *next_free;
};

/* A condition that is logged at most once in LOG_EVERY_MS. */
struct dhcp4_complaint {
	uint64_t seen; /* the counter's value when last looked at */
	uint64_t logged_ms;
};

struct dhcp4_server {
	uv_loop_t *loop;
	struct replica *replica;
	struct events *events;
	struct dhcp4_socket *socket;
	struct dhcp4_engine *engine;
	char interface[32];
	uint64_t self;
	uint32_t serve_ip;
	uint16_t http_port;
	uv_poll_t poll;
	uv_timer_t timer;
	uv_idle_t turn_end;
	bool closing;
	unsigned handles_open;
	size_t errands_out;
	struct dhcp4_errand *free_errand;
	bool view_is_current; /* for this turn of the loop */
	struct dhcp4_view view;
	uint64_t rate_since_ms, rate_base;
	uint32_t rate;
	struct dhcp4_complaint no_quorum, no_send;
	struct replica_view replica_view;
	struct dhcp4_effects effects;
	struct dhcp4_input input[DHCP4_SOCKET_BATCH];
	struct dhcp4_errand errand[PROPOSALS_MAX];
};

static uint64_t boot_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const struct replica_member_view *member_view(
	const struct replica_view *view, uint64_t member)
{
	for (unsigned i = 0; i < view->member_count; i++)
		if (view->member[i].id == member)
			return &view->member[i];
	return NULL;
}

/* Full members that answer DHCP now, as they told us themselves. */
static void find_live(const struct dhcp4_server *server, struct dhcp4_view *view)
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	size_t count = model_members(view->model, members, MODEL_MEMBERS_MAX);
	view->live_count = 0;
	for (size_t i = 0; i < count && i < MODEL_MEMBERS_MAX; i++) {
		const struct replica_member_view *seen =
			member_view(&server->replica_view, members[i]->id);
		bool serves = members[i]->id == server->self ||
			      (seen != NULL && seen->live && seen->status.serving &&
				      !seen->status.stopping);
		if (serves && members[i]->role == PXE__MEMBER_ROLE__MEMBER_FULL &&
			!members[i]->removing)
			view->live[view->live_count++] = members[i]->id;
	}
}

static const struct dhcp4_view *refresh_view(struct dhcp4_server *server)
{
	struct dhcp4_view *view = &server->view;
	replica_get_view(server->replica, &server->replica_view);
	*view = (struct dhcp4_view){
		.model = replica_model(server->replica),
		.now_ms = replica_now_ms(server->replica),
		.boot_ms = boot_ms(),
		.has_quorum = server->replica_view.has_quorum,
		.fresh = server->replica_view.fresh,
		.diverged = server->replica_view.diverged,
		.self = server->self,
		.serve_ip = server->serve_ip,
		.http_port = server->http_port,
	};
	find_live(server, view);
	server->view_is_current = true;
	return view;
}

static void on_turn_end(uv_idle_t *handle)
{
	struct dhcp4_server *server = handle->data;
	server->view_is_current = false;
	dhcp4_socket_flush(server->socket);
	uv_idle_stop(handle);
}

/* The replica tells outcomes at the end of its turn, from a prepare handle, when only an idle
 * handle still keeps the loop from waiting; its callback comes first thing in the next turn. */
static void want_turn_end(struct dhcp4_server *server)
{
	if (!uv_is_active((uv_handle_t *)&server->turn_end))
		uv_idle_start(&server->turn_end, on_turn_end);
}

static enum dhcp4_outcome outcome_of(enum replica_outcome outcome)
{
	switch (outcome) {
	case REPLICA_APPLIED: return DHCP4_OUTCOME_APPLIED;
	case REPLICA_NO_QUORUM: return DHCP4_OUTCOME_NO_QUORUM;
	case REPLICA_NO_SPACE:
	case REPLICA_BUSY: return DHCP4_OUTCOME_BUSY;
	case REPLICA_UNKNOWN: return DHCP4_OUTCOME_UNKNOWN;
	}
	return DHCP4_OUTCOME_UNKNOWN;
}

static void free_when_done(struct dhcp4_server *server)
{
	if (!server->closing || server->handles_open > 0 || server->errands_out > 0)
		return;
	dhcp4_engine_free(server->engine);
	free(server);
}

static void return_errand(struct dhcp4_errand *errand)
{
	struct dhcp4_server *server = errand->server;
	assert(server->errands_out > 0);
	errand->next_free = server->free_errand;
	server->free_errand = errand;
	server->errands_out--;
}

static void run_effects(struct dhcp4_server *server);

static void on_decided(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct dhcp4_errand *errand = ctx;
	struct dhcp4_server *server = errand->server;
	uint64_t ticket = errand->ticket;
	return_errand(errand);
	if (server->closing) {
		free_when_done(server);
		return;
	}
	if (ticket == 0)
		return;
	const struct dhcp4_view *view = NULL;
	if (outcome == REPLICA_APPLIED)
		view = server->view_is_current ? &server->view : refresh_view(server);
	dhcp4_engine_on_outcome(
		server->engine, view, ticket, outcome_of(outcome), result, &server->effects);
	run_effects(server);
	want_turn_end(server);
}

/* The command is packed inside replica_propose(), so what it borrows may go afterwards. */
static void propose(struct dhcp4_server *server)
{
	struct dhcp4_proposal *proposal = &server->effects.proposal;
	uint64_t ticket = proposal->ticket;
	enum replica_outcome outcome = REPLICA_BUSY;
	struct dhcp4_errand *errand = server->free_errand;
	if (errand != NULL) {
		server->free_errand = errand->next_free;
		server->errands_out++;
		errand->ticket = ticket;
		outcome =
			replica_propose(server->replica, &proposal->command, 0, on_decided, errand);
		if (outcome != REPLICA_APPLIED)
			return_errand(errand);
	}
	if (outcome == REPLICA_APPLIED || ticket == 0)
		return;
	dhcp4_engine_on_outcome(
		server->engine, NULL, ticket, outcome_of(outcome), NULL, &server->effects);
	assert(!server->effects.has_reply && !server->effects.has_proposal);
}

static void run_effects(struct dhcp4_server *server)
{
	struct dhcp4_effects *effects = &server->effects;
	for (size_t i = 0; i < effects->event_count; i++)
		events_post(server->events, &effects->event[i]);
	if (effects->has_reply)
		dhcp4_socket_queue(server->socket, &effects->reply);
	if (effects->has_proposal)
		propose(server);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct dhcp4_server *server = handle->data;
	(void)events;
	if (status < 0)
		return;
	int count = dhcp4_socket_receive(server->socket, server->serve_ip, server->input);
	if (count <= 0)
		return; /* an error such as ENETDOWN is told by the next read, or goes */
	const struct dhcp4_view *view = refresh_view(server);
	for (int i = 0; i < count; i++) {
		dhcp4_engine_on_packet(server->engine, view, &server->input[i], &server->effects);
		run_effects(server);
	}
	want_turn_end(server);
}

/* true: the counter moved, and it is time for another line about it. */
static bool complain(struct dhcp4_complaint *complaint, uint64_t value, uint64_t now_ms,
	uint64_t *ret_since_last)
{
	bool due = complaint->logged_ms == 0 || now_ms - complaint->logged_ms >= LOG_EVERY_MS;
	if (value == complaint->seen || !due)
		return false;
	*ret_since_last = value - complaint->seen;
	complaint->seen = value;
	complaint->logged_ms = now_ms;
	return true;
}

static void log_complaints(struct dhcp4_server *server, uint64_t now_ms)
{
	uint64_t count;
	uint64_t refused = dhcp4_engine_counter(server->engine, DHCP4_COUNT_DROP_NO_QUORUM);
	if (complain(&server->no_quorum, refused, now_ms, &count))
		log_warn("no quorum: %" PRIu64 " DHCP requests on %s were not answered; bring back"
			 " nodes until a majority is up, see `pxectl status`",
			count, server->interface);
	int error;
	uint64_t failed = dhcp4_socket_failed(server->socket, &error);
	if (complain(&server->no_send, failed, now_ms, &count))
		log_warn("%" PRIu64 " DHCP answers could not be sent on %s: %s", count,
			server->interface, strerror(error));
}

static uint64_t sent_total(const struct dhcp4_server *server)
{
	return dhcp4_engine_counter(server->engine, DHCP4_COUNT_OFFER_SENT) +
	       dhcp4_engine_counter(server->engine, DHCP4_COUNT_ACK_SENT) +
	       dhcp4_engine_counter(server->engine, DHCP4_COUNT_NAK_SENT);
}

static void measure_rate(struct dhcp4_server *server, uint64_t now_ms)
{
	uint64_t took_ms = now_ms - server->rate_since_ms;
	if (took_ms < 1000)
		return;
	uint64_t sent = sent_total(server);
	server->rate = (uint32_t)((sent - server->rate_base) * 1000 / took_ms);
	server->rate_base = sent;
	server->rate_since_ms = now_ms;
}

static void on_tick(uv_timer_t *handle)
{
	struct dhcp4_server *server = handle->data;
	uint64_t now_ms = boot_ms();
	measure_rate(server, now_ms);
	log_complaints(server, now_ms);
	if (dhcp4_engine_deferred(server->engine) == 0)
		return;
	const struct dhcp4_view *view = refresh_view(server);
	while (dhcp4_engine_tick(server->engine, view, &server->effects))
		run_effects(server);
	want_turn_end(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct dhcp4_server *server = handle->data;
	server->handles_open--;
	free_when_done(server);
}

static int start_handles(struct dhcp4_server *server, char *ret_error, size_t error_bytes)
{
	int result = uv_poll_init(server->loop, &server->poll, dhcp4_socket_fd(server->socket));
	if (result < 0) {
		snprintf(ret_error, error_bytes, "cannot watch port 67 on %s: %s",
			server->interface, uv_strerror(result));
		return result;
	}
	uv_timer_init(server->loop, &server->timer);
	uv_idle_init(server->loop, &server->turn_end);
	server->handles_open = SERVER_HANDLES;
	server->poll.data = server;
	server->timer.data = server;
	server->turn_end.data = server;
	uv_poll_start(&server->poll, UV_READABLE, on_readable);
	uv_timer_start(&server->timer, on_tick, TICK_MS, TICK_MS);
	return 0;
}

static void link_errands(struct dhcp4_server *server)
{
	for (size_t i = PROPOSALS_MAX; i > 0; i--) {
		struct dhcp4_errand *errand = &server->errand[i - 1];
		errand->server = server;
		errand->next_free = server->free_errand;
		server->free_errand = errand;
	}
}

int dhcp4_server_open(const struct dhcp4_server_config *config, struct dhcp4_server **ret_server,
	char *ret_error, size_t error_bytes)
{
	assert(config->loop != NULL && config->replica != NULL && config->events != NULL);
	assert(config->interface != NULL && error_bytes > 0);
	struct dhcp4_server *server = calloc(1, sizeof *server);
	if (server != NULL)
		server->engine = dhcp4_engine_new();
	if (server == NULL || server->engine == NULL) {
		free(server);
		snprintf(ret_error, error_bytes, "out of memory");
		return -ENOMEM;
	}
	server->loop = config->loop;
	server->replica = config->replica;
	server->events = config->events;
	server->self = config->self;
	server->serve_ip = config->serve_ip;
	server->http_port = config->http_port;
	server->rate_since_ms = boot_ms();
	snprintf(server->interface, sizeof server->interface, "%s", config->interface);
	link_errands(server);
	int result = dhcp4_socket_open(config->interface, &server->socket, ret_error, error_bytes);
	if (result == 0)
		result = start_handles(server, ret_error, error_bytes);
	if (result < 0) {
		dhcp4_socket_close(server->socket);
		dhcp4_engine_free(server->engine);
		free(server);
		return result;
	}
	*ret_server = server;
	return 0;
}

bool dhcp4_server_serving(const struct dhcp4_server *server)
{
	struct replica_view view;
	if (server->closing)
		return false;
	replica_get_view(server->replica, &view);
	const Pxe__Settings *settings = model_settings(replica_model(server->replica));
	return settings != NULL && settings->dhcp == PXE__DHCP_MODE__DHCP_ON && view.has_quorum &&
	       !view.diverged;
}

uint32_t dhcp4_server_rate(const struct dhcp4_server *server)
{
	return server->rate;
}

void dhcp4_server_each_counter(const struct dhcp4_server *server,
	void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx)
{
	for (unsigned i = DHCP4_COUNT_NONE + 1; i < DHCP4_COUNT_COUNT; i++) {
		enum dhcp4_count count = (enum dhcp4_count)i;
		uint64_t value = count == DHCP4_COUNT_DROP_SEND
					 ? dhcp4_socket_failed(server->socket, NULL)
					 : dhcp4_engine_counter(server->engine, count);
		if (value > 0 || dhcp4_count_is_main(count))
			visit(ctx, dhcp4_count_name(count), value);
	}
}

void dhcp4_server_close(struct dhcp4_server *server)
{
	if (server == NULL)
		return;
	assert(!server->closing);
	dhcp4_socket_flush(server->socket);
	server->closing = true;
	uv_poll_stop(&server->poll);
	uv_close((uv_handle_t *)&server->poll, on_handle_closed);
	uv_close((uv_handle_t *)&server->timer, on_handle_closed);
	uv_close((uv_handle_t *)&server->turn_end, on_handle_closed);
	dhcp4_socket_close(server->socket);
	server->socket = NULL;
}
