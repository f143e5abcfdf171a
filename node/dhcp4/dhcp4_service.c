#include "node/dhcp4/dhcp4_service.h"

#include "node/dhcp4/dhcp4_engine.h"
#include "node/reserve/reserve.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROPOSALS_MAX 4096 /* told to the replica and not yet decided */
#define UNASKED_MS    1000 /* what nobody waits for is not tried for longer: it grows stale */
#define ISOLATED_MS   200 /* without a quorum that this process had; its loss took some time, too */
#define STARTED_MS    2000 /* without one since the start of the process */

/* A proposal on its way through the log. */
struct dhcp4_errand {
	struct dhcp4_service *service;
	uint64_t ticket;
	struct dhcp4_errand *next_free;
};

/* An entry on its way into the journal, for which a client waits. */
struct dhcp4_writing {
	uint64_t number;
	uint64_t ticket;
};

struct dhcp4_service {
	struct dhcp4_service_config config;
	struct dhcp4_engine *engine;
	struct reserve *reserve;
	bool closing;
	bool removed;    /* dhcp4_service_set_removed() */
	bool had_quorum; /* in this process */
	bool view_is_current;
	bool task_out; /* a merge or a return is proposed */
	size_t errands_out;
	struct dhcp4_errand *free_errand;
	unsigned journal_count; /* as last told to the replica */
	uint64_t journal_oldest_ms;
	size_t writing_first, writing_count;
	struct dhcp4_writing writing[DHCP4_PENDING_MAX]; /* a ring, by number */
	struct dhcp4_view view;
	struct replica_view replica_view;
	struct dhcp4_effects effects;
	struct dhcp4_errand errand[PROPOSALS_MAX];
};

/* ---- the world as it stands */

static uint64_t boot_ms(const struct dhcp4_service *service)
{
	const struct replica_env *env = service->config.env;
	return env->now_boot_ms(env->ctx);
}

static const struct replica_member_view *member_view(
	const struct replica_view *view, uint64_t member)
{
	for (unsigned i = 0; i < view->member_count; i++)
		if (view->member[i].id == member)
			return &view->member[i];
	return NULL;
}

/* Only who has a state can know that it has no quorum. */
static bool is_isolated(const struct dhcp4_service *service, const struct replica_view *view)
{
	const struct model *model = replica_model(service->config.replica);
	return !view->has_quorum && !service->removed && model_settings(model) != NULL &&
	       view->no_quorum_ms >= (service->had_quorum ? ISOLATED_MS : STARTED_MS);
}

/* Does the member answer DHCP now, as it told us itself? Who has the quorum does not count on those
 * without. */
static bool is_live(const struct dhcp4_service *service, const Pxe__Member *member)
{
	const struct replica_member_view *seen = member_view(&service->replica_view, member->id);
	if (member->role != PXE__MEMBER_ROLE__MEMBER_FULL || member->removing)
		return false;
	if (member->id == service->config.self)
		return true;
	return seen != NULL && seen->live && seen->status.serving && !seen->status.stopping &&
	       !member->draining && !(service->replica_view.has_quorum && seen->status.isolated);
}

/* Of a live member: if we drain, all others come before us; if we have no quorum, who may have it
 * does. */
static bool makes_us_last(const struct dhcp4_service *service, const struct dhcp4_view *view,
	const Pxe__Member *member)
{
	if (member->id == service->config.self)
		return member->draining;
	return view->isolated && !member_view(&service->replica_view, member->id)->status.isolated;
}

static void find_live(const struct dhcp4_service *service, struct dhcp4_view *view)
{
	const Pxe__Member *members[MODEL_MEMBERS_MAX];
	size_t count = model_members(view->model, members, MODEL_MEMBERS_MAX);
	view->live_count = 0;
	for (size_t i = 0; i < count && i < MODEL_MEMBERS_MAX; i++) {
		if (!is_live(service, members[i]))
			continue;
		view->live[view->live_count++] = members[i]->id;
		if (makes_us_last(service, view, members[i]))
			view->last = true;
	}
}

static void fill_reserve_view(const struct dhcp4_service *service,
	const struct replica_view *replica_view, struct reserve_view *ret_view)
{
	struct replica *replica = service->config.replica;
	*ret_view = (struct reserve_view){
		.model = replica_model(replica),
		.self = service->config.self,
		.incarnation = replica_incarnation(replica),
		.now_ms = replica_now_ms(replica),
		.time_known = replica_view->time_known,
		.time_error_ms = replica_view->time_error_ms,
		.boot_ms = boot_ms(service),
	};
}

static const struct dhcp4_view *refresh_view(struct dhcp4_service *service)
{
	struct dhcp4_view *view = &service->view;
	const struct replica_view *seen = &service->replica_view;
	replica_get_view(service->config.replica, &service->replica_view);
	service->had_quorum = service->had_quorum || seen->has_quorum;
	*view = (struct dhcp4_view){
		.has_quorum = seen->has_quorum,
		.fresh = seen->fresh,
		.isolated = is_isolated(service, seen),
		.diverged = seen->diverged,
		.removed = service->removed && !seen->has_quorum,
		.self = service->config.self,
		.serve_ip = service->config.serve_ip,
		.http_port = service->config.http_port,
		.reserve = service->reserve,
	};
	fill_reserve_view(service, seen, &view->reserve_view);
	view->model = view->reserve_view.model;
	view->now_ms = view->reserve_view.now_ms;
	view->boot_ms = view->reserve_view.boot_ms;
	view->waiting = !view->has_quorum && !view->isolated && !view->removed &&
			model_settings(view->model) != NULL;
	find_live(service, view);
	service->view_is_current = true;
	return view;
}

/* The outcomes of one batch come one after the other. */
static const struct dhcp4_view *current_view(struct dhcp4_service *service)
{
	if (service->view_is_current && service->view.boot_ms == boot_ms(service))
		return &service->view;
	return refresh_view(service);
}

/* ---- the journal */

static void tell_journal_state(struct dhcp4_service *service)
{
	unsigned count;
	uint64_t oldest_ms;
	reserve_state(service->reserve, &count, &oldest_ms);
	uint64_t acked_ms = dhcp4_engine_oldest_state_ms(service->engine);
	if (acked_ms < oldest_ms)
		oldest_ms = acked_ms;
	if (count == service->journal_count && oldest_ms == service->journal_oldest_ms)
		return;
	service->journal_count = count;
	service->journal_oldest_ms = oldest_ms;
	replica_journal_state(service->config.replica, count, oldest_ms);
}

static uint64_t write_entry(struct dhcp4_service *service, const struct reserve_write *write)
{
	uint64_t number = replica_journal_put(service->config.replica, write->key,
		sizeof write->key, write->value, write->value_bytes);
	reserve_on_written(service->reserve, number);
	tell_journal_state(service);
	return number;
}

/* ---- effects */

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

static void free_when_done(struct dhcp4_service *service)
{
	if (!service->closing || service->errands_out > 0 || service->task_out)
		return;
	dhcp4_engine_free(service->engine);
	reserve_free(service->reserve);
	free(service);
}

static void return_errand(struct dhcp4_errand *errand)
{
	struct dhcp4_service *service = errand->service;
	assert(service->errands_out > 0);
	errand->next_free = service->free_errand;
	service->free_errand = errand;
	service->errands_out--;
}

static void run_effects(struct dhcp4_service *service);

static void on_decided(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct dhcp4_errand *errand = ctx;
	struct dhcp4_service *service = errand->service;
	uint64_t ticket = errand->ticket;
	return_errand(errand);
	if (service->closing) {
		free_when_done(service);
		return;
	}
	if (ticket == 0)
		return;
	dhcp4_engine_on_outcome(service->engine, current_view(service), ticket, outcome_of(outcome),
		result, &service->effects);
	run_effects(service);
	tell_journal_state(service);
}

/* The command is packed inside replica_propose(), so what it borrows may go afterwards. */
static void propose(struct dhcp4_service *service)
{
	struct dhcp4_proposal *proposal = &service->effects.proposal;
	uint64_t ticket = proposal->ticket;
	enum replica_outcome outcome = REPLICA_BUSY;
	struct dhcp4_errand *errand = service->free_errand;
	if (errand != NULL) {
		service->free_errand = errand->next_free;
		service->errands_out++;
		errand->ticket = ticket;
		outcome = replica_propose(service->config.replica, &proposal->command,
			ticket == 0 ? UNASKED_MS : 0, on_decided, errand);
		if (outcome != REPLICA_APPLIED)
			return_errand(errand);
	}
	if (outcome == REPLICA_APPLIED || ticket == 0)
		return;
	dhcp4_engine_on_outcome(service->engine, current_view(service), ticket, outcome_of(outcome),
		NULL, &service->effects);
	assert(!service->effects.has_proposal);
	run_effects(service); /* an answer from the reserve, perhaps */
}

static void write_journal(struct dhcp4_service *service)
{
	const struct dhcp4_journal *journal = &service->effects.journal;
	uint64_t number = write_entry(service, &journal->write);
	if (journal->ticket == 0)
		return;
	assert(service->writing_count < DHCP4_PENDING_MAX); /* each has its place in the engine */
	size_t at = (service->writing_first + service->writing_count++) % DHCP4_PENDING_MAX;
	service->writing[at] = (struct dhcp4_writing){number, journal->ticket};
}

/* What cannot be asked counts as free, at once. */
static void ask(struct dhcp4_service *service)
{
	const struct dhcp4_service_config *config = &service->config;
	uint64_t ticket = service->effects.probe_ticket;
	if (config->probe != NULL && config->probe(config->ctx, service->effects.probe_ip, ticket))
		return;
	dhcp4_engine_on_probe(
		service->engine, current_view(service), ticket, false, &service->effects);
	/* The log may have offered another address by now, which is asked for once more. */
	run_effects(service);
}

static void run_effects(struct dhcp4_service *service)
{
	struct dhcp4_effects *effects = &service->effects;
	for (size_t i = 0; i < effects->event_count; i++)
		service->config.event(service->config.ctx, &effects->event[i]);
	if (effects->has_reply)
		service->config.send(service->config.ctx, &effects->reply);
	if (effects->has_journal)
		write_journal(service);
	if (effects->has_proposal)
		propose(service);
	else if (effects->has_probe)
		ask(service);
}

/* ---- what the cluster is to know of the journal */

static void do_duties(struct dhcp4_service *service);

static void on_task_decided(
	void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct dhcp4_service *service = ctx;
	service->task_out = false;
	if (service->closing) {
		free_when_done(service);
		return;
	}
	if (outcome == REPLICA_APPLIED)
		reserve_on_applied(service->reserve, &current_view(service)->reserve_view, result);
	else if (outcome != REPLICA_UNKNOWN) /* if nobody knows it may still be applied */
		reserve_on_refused(service->reserve);
	do_duties(service);
}

static void propose_task(struct dhcp4_service *service, Pxe__Command *command)
{
	enum replica_outcome outcome = replica_propose(
		service->config.replica, command, REPLICA_FOREVER, on_task_decided, service);
	service->task_out = outcome == REPLICA_APPLIED;
	if (outcome != REPLICA_APPLIED)
		reserve_on_refused(service->reserve);
}

/* With the quorum and on fresh state; else it is a later tick's. */
static void do_duties(struct dhcp4_service *service)
{
	struct reserve_task task;
	const struct dhcp4_view *view = current_view(service);
	if (!view->has_quorum || !view->fresh || view->diverged || service->task_out)
		return;
	do {
		reserve_next_task(service->reserve, &view->reserve_view, &task);
		if (task.duty == RESERVE_DUTY_WRITE)
			write_entry(service, &task.write);
	} while (task.duty == RESERVE_DUTY_WRITE);
	if (task.duty == RESERVE_DUTY_PROPOSE)
		propose_task(service, task.command);
	tell_journal_state(service);
}

/* ---- what happens */

void dhcp4_service_on_packets(
	struct dhcp4_service *service, const struct dhcp4_input *input, size_t count)
{
	assert(!service->closing);
	const struct dhcp4_view *view = refresh_view(service);
	for (size_t i = 0; i < count; i++) {
		dhcp4_engine_on_packet(service->engine, view, &input[i], &service->effects);
		run_effects(service);
	}
	tell_journal_state(service);
}

void dhcp4_service_on_journal(struct dhcp4_service *service, uint64_t number)
{
	if (service->closing)
		return;
	reserve_on_durable(service->reserve, number);
	while (service->writing_count > 0 &&
		service->writing[service->writing_first].number <= number) {
		uint64_t ticket = service->writing[service->writing_first].ticket;
		service->writing_first = (service->writing_first + 1) % DHCP4_PENDING_MAX;
		service->writing_count--;
		dhcp4_engine_on_durable(
			service->engine, current_view(service), ticket, &service->effects);
		run_effects(service);
	}
	do_duties(service);
	tell_journal_state(service);
}

void dhcp4_service_on_probe(struct dhcp4_service *service, uint64_t ticket, bool in_use)
{
	if (service->closing)
		return;
	dhcp4_engine_on_probe(
		service->engine, current_view(service), ticket, in_use, &service->effects);
	run_effects(service);
	tell_journal_state(service);
}

void dhcp4_service_tick(struct dhcp4_service *service)
{
	assert(!service->closing);
	const struct dhcp4_view *view = refresh_view(service);
	while (dhcp4_engine_tick(service->engine, view, &service->effects))
		run_effects(service);
	do_duties(service);
	tell_journal_state(service);
}

void dhcp4_service_turn_end(struct dhcp4_service *service)
{
	service->view_is_current = false;
}

/* ---- open and close */

struct loading {
	struct reserve *reserve;
	int result;
};

static bool load_entry(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct loading *loading = ctx;
	(void)key;
	(void)key_bytes;
	loading->result = reserve_load(loading->reserve, value, value_bytes);
	return loading->result == 0;
}

/* Whatever stands in the journal may be leased to somebody: a node that cannot read it must not
 * lease anything by itself. */
static int load_journal(struct dhcp4_service *service, char *ret_error, size_t error_bytes)
{
	struct loading loading = {.reserve = service->reserve};
	int result = replica_journal_each(service->config.replica, load_entry, &loading);
	if (result == 0)
		result = loading.result;
	if (result < 0)
		snprintf(ret_error, error_bytes,
			"cannot read the journal of leases given without the quorum: %s. Take this "
			"node out of the cluster and join it again",
			strerror(-result));
	return result;
}

static void link_errands(struct dhcp4_service *service)
{
	for (size_t i = PROPOSALS_MAX; i > 0; i--) {
		struct dhcp4_errand *errand = &service->errand[i - 1];
		errand->service = service;
		errand->next_free = service->free_errand;
		service->free_errand = errand;
	}
}

int dhcp4_service_open(const struct dhcp4_service_config *config,
	struct dhcp4_service **ret_service, char *ret_error, size_t error_bytes)
{
	assert(config->replica != NULL && config->send != NULL && config->event != NULL);
	assert(error_bytes > 0);
	int result = -ENOMEM;
	struct dhcp4_service *service = calloc(1, sizeof *service);
	if (service != NULL) {
		service->config = *config;
		if (service->config.env == NULL)
			service->config.env = replica_env_system();
		service->engine = dhcp4_engine_new();
		service->reserve = reserve_new(boot_ms(service));
	}
	if (service == NULL || service->engine == NULL || service->reserve == NULL)
		snprintf(ret_error, error_bytes, "out of memory");
	else
		result = load_journal(service, ret_error, error_bytes);
	if (result < 0) {
		if (service != NULL) {
			dhcp4_engine_free(service->engine);
			reserve_free(service->reserve);
		}
		free(service);
		return result;
	}
	link_errands(service);
	reserve_state(service->reserve, &service->journal_count, &service->journal_oldest_ms);
	replica_journal_state(config->replica, service->journal_count, service->journal_oldest_ms);
	*ret_service = service;
	return 0;
}

void dhcp4_service_close(struct dhcp4_service *service)
{
	if (service == NULL)
		return;
	assert(!service->closing);
	service->closing = true;
	free_when_done(service);
}

void dhcp4_service_set_removed(struct dhcp4_service *service, bool removed)
{
	service->view_is_current = service->view_is_current && service->removed == removed;
	service->removed = removed;
}

/* ---- what it tells */

bool dhcp4_service_serving(const struct dhcp4_service *service)
{
	struct replica_view view;
	const struct model *model = replica_model(service->config.replica);
	const Pxe__Settings *settings = model_settings(model);
	const Pxe__Member *self = model_member(model, service->config.self);
	if (service->closing || settings == NULL || settings->dhcp == PXE__DHCP_MODE__DHCP_OFF ||
		self == NULL || self->role != PXE__MEMBER_ROLE__MEMBER_FULL || self->removing)
		return false;
	replica_get_view(service->config.replica, &view);
	return !view.diverged && (view.has_quorum || is_isolated(service, &view));
}

void dhcp4_service_get_isolation(
	const struct dhcp4_service *service, struct dhcp4_isolation *ret_isolation)
{
	struct replica_view view;
	struct reserve_view reserve_view;
	uint64_t oldest_ms;
	unsigned journal;
	replica_get_view(service->config.replica, &view);
	fill_reserve_view(service, &view, &reserve_view);
	*ret_isolation = (struct dhcp4_isolation){
		.isolated = is_isolated(service, &view),
		.since_ms = view.has_quorum ? 0 : view.no_quorum_ms,
		.extends_bindings = view.time_known,
	};
	reserve_usage(service->reserve, &reserve_view, &ret_isolation->reserve_total,
		&ret_isolation->reserve_free, &ret_isolation->leased);
	reserve_state(service->reserve, &journal, &oldest_ms);
	ret_isolation->journal = journal;
}

uint64_t dhcp4_service_counter(const struct dhcp4_service *service, enum dhcp4_count count)
{
	return dhcp4_engine_counter(service->engine, count);
}
