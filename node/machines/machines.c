#include "node/machines/machines.h"

#include "node/log/log.h"
#include "node/machines/machines_end.h"
#include "node/machines/machines_inventory.h"
#include "node/machines/machines_who.h"
#include "proto/msg/msg_ip4.h"
#include "store/model/record.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS      4      /* between two looks at the durable state */
#define ENDS_MAX       1024   /* that wait for a quorum */
#define END_KEEP_MS    600000 /* for so long they do */
#define PROPOSE_END_MS 5000

enum task_kind { TASK_CLAIM, TASK_END, TASK_SEEN };

enum task_state {
	TASK_QUEUED,   /* CLAIM: not seen by the loop yet. END: to be proposed (again) */
	TASK_PROPOSED, /* its outcome will come */
	TASK_SETTLING, /* CLAIM: decided, but not in the durable state yet */
};

/* A proposal. Those that are PROPOSED are freed by their outcome, if need be after the service. */
struct task {
	struct machines *machines; /* NULL: the service is closed */
	struct task *next;
	enum task_kind kind;
	enum task_state state;
	char host[64], text[256];
	struct content_claim claim;
	Pxe__BootEndKind end;
	uint64_t arrived_ms;  /* END: cluster time */
	uint64_t deadline_ms; /* of the loop's clock */
	Pxe__Once before;     /* `profile` is in before_profile */
	bool had_before;
	char before_profile[64];
	void (*done)(void *ctx);
	void *ctx;
};

struct machines {
	struct machines_config config;
	struct machines_inventory inventory;
	struct machines_entry batch[MACHINES_BATCH];
	Pxe__Machine message[MACHINES_BATCH];
	Pxe__Machine *messages[MACHINES_BATCH];
	uint8_t ip[MACHINES_BATCH][4];
	uv_mutex_t lock; /* incoming, claims */
	struct task *incoming;
	size_t claims;      /* under way */
	struct task *tasks; /* the loop's */
	size_t ends;
	bool seen_proposed;
	uv_async_t wake;
	uv_timer_t pace, settle;
	unsigned open_handles;
};

/* ---- tasks */

static void unlink_task(struct machines *machines, struct task *task)
{
	for (struct task **link = &machines->tasks; *link != NULL; link = &(*link)->next) {
		if (*link == task) {
			*link = task->next;
			return;
		}
	}
}

static struct task *new_task(struct machines *machines, enum task_kind kind)
{
	struct task *task = calloc(1, sizeof *task);

	if (task != NULL) {
		task->machines = machines;
		task->kind = kind;
		pxe__once__init(&task->before);
	}
	return task;
}

static const struct model *model_of(const struct machines *machines)
{
	return replica_model(machines->config.replica);
}

static void end_claim(struct task *task)
{
	struct machines *machines = task->machines;

	unlink_task(machines, task);
	uv_mutex_lock(&machines->lock);
	machines->claims--;
	uv_mutex_unlock(&machines->lock);
	task->done(task->ctx);
	free(task);
}

static void note_before(struct task *task)
{
	const Pxe__Once *once = model_once(model_of(task->machines), task->host);

	task->had_before = once != NULL;
	if (once != NULL) {
		snprintf(task->before_profile, sizeof task->before_profile, "%s", once->profile);
		task->before.profile = task->before_profile;
		task->before.state = once->state;
		task->before.tries = once->tries;
		task->before.armed_ms = once->armed_ms;
	}
}

/* What the proposal has changed is an event, on this node alone. */
static void tell(struct task *task)
{
	struct machines *machines = task->machines;
	const Pxe__Once *after = model_once(model_of(machines), task->host);
	const Pxe__Host *host = model_host(model_of(machines), task->host);
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_BOOT_ONCE};

	if (after == NULL || !machines_end_text(task->had_before ? &task->before : NULL, after,
				     event.text, sizeof event.text)) {
		return;
	}
	snprintf(event.host, sizeof event.host, "%s", task->host);
	snprintf(event.profile, sizeof event.profile, "%s", after->profile);
	if (host != NULL && host->n_mac > 0 && host->mac[0].len <= sizeof event.mac) {
		event.mac_bytes = (uint8_t)host->mac[0].len;
		memcpy(event.mac, host->mac[0].data, host->mac[0].len);
	}
	events_post(machines->config.events, &event);
}

/* ---- claims */

/* Does the disk hold the record as the model does? That is what other threads read. */
static bool is_durable(const struct machines *machines, const char *host)
{
	const Pxe__Once *once = model_once(model_of(machines), host);
	uint8_t key[RECORD_KEY_MAX], *value = NULL, *wanted;
	size_t key_bytes = record_key(RECORD_ONCE, host, strlen(host), key), value_bytes = 0, size;
	int rc = kv_state_get(machines->config.kv, key, key_bytes, &value, &value_bytes);
	bool same;

	if (once == NULL || rc != 0) {
		return once == NULL && rc == -ENOENT;
	}
	size = pxe__once__get_packed_size(once);
	wanted = size == value_bytes ? malloc(size) : NULL;
	same = wanted != NULL && pxe__once__pack(once, wanted) == size &&
	       memcmp(wanted, value, size) == 0;
	free(wanted);
	free(value);
	return same;
}

static void on_settle(uv_timer_t *timer)
{
	struct machines *machines = timer->data;
	struct task *next;
	bool more = false;

	for (struct task *task = machines->tasks; task != NULL; task = next) {
		next = task->next;
		if (task->kind != TASK_CLAIM || task->state != TASK_SETTLING) {
			continue;
		}
		if (is_durable(machines, task->host) ||
			uv_now(machines->config.loop) >= task->deadline_ms) {
			end_claim(task);
		} else {
			more = true;
		}
	}
	if (!more) {
		uv_timer_stop(timer);
	}
}

/* A client that repeats itself has its boot claimed twice; that is one piece of news. */
static bool is_told(const struct task *task)
{
	for (const struct task *other = task->machines->tasks; other != NULL; other = other->next) {
		if (other != task && other->kind == TASK_CLAIM && other->state == TASK_SETTLING &&
			strcmp(other->host, task->host) == 0 &&
			strcmp(other->claim.boot, task->claim.boot) == 0) {
			return true;
		}
	}
	return false;
}

static void on_claimed(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct task *task = ctx;
	(void)result; /* whatever it is, content reads the record */

	if (task->machines == NULL) {
		free(task);
	} else if (outcome != REPLICA_APPLIED) {
		end_claim(task);
	} else {
		task->state = TASK_SETTLING;
		if (!is_told(task)) {
			tell(task);
		}
		uv_timer_start(&task->machines->settle, on_settle, 0, SETTLE_MS);
	}
}

static void propose_claim(struct task *task)
{
	struct machines *machines = task->machines;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootClaim claim = PXE__BOOT_CLAIM__INIT;

	claim.host = task->host;
	claim.boot = task->claim.boot;
	claim.image = task->claim.image;
	command.op_case = PXE__COMMAND__OP_BOOT_CLAIM;
	command.boot_claim = &claim;
	note_before(task);
	task->next = machines->tasks;
	machines->tasks = task;
	task->state = TASK_PROPOSED;
	task->deadline_ms = uv_now(machines->config.loop) + MACHINES_CLAIM_MS;
	if (replica_propose(machines->config.replica, &command, MACHINES_CLAIM_MS, on_claimed,
		    task) != REPLICA_APPLIED) {
		end_claim(task);
	}
}

static void on_wake(uv_async_t *handle)
{
	struct machines *machines = handle->data;
	struct task *task, *next, *first = NULL;

	uv_mutex_lock(&machines->lock);
	task = machines->incoming;
	machines->incoming = NULL;
	uv_mutex_unlock(&machines->lock);
	for (; task != NULL; task = next) { /* newest first: turn them round */
		next = task->next;
		task->next = first;
		first = task;
	}
	for (task = first; task != NULL; task = next) {
		next = task->next;
		propose_claim(task);
	}
}

void machines_claim(
	void *ctx, const struct content_claim *claim, void (*done)(void *done_ctx), void *done_ctx)
{
	struct machines *machines = ctx;
	struct task *task = NULL;

	assert(machines != NULL && claim != NULL && done != NULL);
	uv_mutex_lock(&machines->lock);
	if (machines->claims < MACHINES_CLAIMS_MAX) {
		task = new_task(machines, TASK_CLAIM);
	}
	if (task != NULL) {
		task->claim = *claim;
		snprintf(task->host, sizeof task->host, "%s", claim->host);
		task->done = done;
		task->ctx = done_ctx;
		machines->claims++;
		task->next = machines->incoming;
		machines->incoming = task;
	}
	uv_mutex_unlock(&machines->lock);
	if (task == NULL) {
		done(done_ctx);
	} else {
		uv_async_send(&machines->wake);
	}
}

/* ---- ends */

static void propose_end(struct task *task);

static void on_ended(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct task *task = ctx;
	struct machines *machines = task->machines;

	if (machines == NULL) {
		free(task);
		return;
	}
	if (outcome == REPLICA_APPLIED) {
		if (result->verdict == PXE__VERDICT__VERDICT_OK) {
			tell(task);
		}
		unlink_task(machines, task);
		machines->ends--;
		free(task);
	} else {
		task->state = TASK_QUEUED; /* what was done meanwhile is told by the verdict */
	}
}

static void propose_end(struct task *task)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootEnd end = PXE__BOOT_END__INIT;

	end.host = task->host;
	end.kind = task->end;
	end.text = task->text;
	end.arrived_ms = task->arrived_ms;
	command.op_case = PXE__COMMAND__OP_BOOT_END;
	command.boot_end = &end;
	note_before(task);
	task->state = TASK_PROPOSED;
	if (replica_propose(task->machines->config.replica, &command, PROPOSE_END_MS, on_ended,
		    task) != REPLICA_APPLIED) {
		task->state = TASK_QUEUED; /* tried again by the pace timer */
	}
}

static void end_boot(struct machines *machines, const struct event *event, const Pxe__Host *host)
{
	char text[256];
	Pxe__BootEndKind kind = machines_end_of(model_once(model_of(machines), host->name), event,
		replica_now_ms(machines->config.replica), text, sizeof text);
	struct task *task;

	if (kind == PXE__BOOT_END_KIND__BOOT_END_NONE || machines->ends >= ENDS_MAX) {
		return;
	}
	task = new_task(machines, TASK_END);
	if (task == NULL) {
		return;
	}
	snprintf(task->host, sizeof task->host, "%s", host->name);
	snprintf(task->text, sizeof task->text, "%s", text);
	task->end = kind;
	task->arrived_ms = replica_now_ms(machines->config.replica);
	task->deadline_ms = uv_now(machines->config.loop) + END_KEEP_MS;
	task->next = machines->tasks;
	machines->tasks = task;
	machines->ends++;
	propose_end(task);
}

static void retry_ends(struct machines *machines)
{
	struct task *next;

	for (struct task *task = machines->tasks; task != NULL; task = next) {
		next = task->next;
		if (task->kind != TASK_END || task->state != TASK_QUEUED) {
			continue;
		}
		if (uv_now(machines->config.loop) < task->deadline_ms) {
			propose_end(task);
			continue;
		}
		log_warn("the end of the boot of %s was not told to the cluster: no quorum",
			task->host);
		unlink_task(machines, task);
		machines->ends--;
		free(task);
	}
}

/* ---- what was seen */

static void on_seen(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct task *task = ctx;
	(void)outcome; /* what was not taken comes again with the machine's next message */
	(void)result;

	if (task->machines != NULL) {
		task->machines->seen_proposed = false;
		unlink_task(task->machines, task);
	}
	free(task);
}

static void fill(struct machines *machines, size_t i, char *node)
{
	struct machines_entry *entry = &machines->batch[i];
	Pxe__Machine *machine = &machines->message[i];

	pxe__machine__init(machine);
	machine->mac = (ProtobufCBinaryData){entry->mac_bytes, entry->mac};
	if (entry->has_uuid) {
		machine->uuid = (ProtobufCBinaryData){sizeof entry->uuid, entry->uuid};
	}
	machine->has_arch = entry->has_arch;
	machine->arch = entry->arch;
	machine->vendor_class = entry->vendor_class;
	machine->hostname = entry->hostname;
	machine->subnet = entry->subnet;
	if (entry->ip != 0) {
		msg_ip4_put(entry->ip, machines->ip[i]);
		machine->ip = (ProtobufCBinaryData){4, machines->ip[i]};
	}
	machine->last_ms = entry->seen_ms;
	machine->boot_ms = entry->boot_ms;
	if (entry->boot_ms != 0) {
		machine->profile = entry->profile;
		machine->node = node;
	}
	machines->messages[i] = machine;
}

static void propose_seen(struct machines *machines)
{
	const Pxe__Member *self = model_member(model_of(machines), machines->config.self);
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__Seen seen = PXE__SEEN__INIT;
	struct replica_view view;
	struct task *task;
	char node[64];

	replica_get_view(machines->config.replica, &view);
	if (machines->inventory.count == 0 || machines->seen_proposed || !view.has_quorum ||
		view.refusing || (task = new_task(machines, TASK_SEEN)) == NULL) {
		return;
	}
	snprintf(node, sizeof node, "%s", self != NULL ? self->name : "");
	seen.n_machines =
		machines_inventory_take(&machines->inventory, machines->batch, MACHINES_BATCH);
	for (size_t i = 0; i < seen.n_machines; i++) {
		fill(machines, i, node);
	}
	seen.machines = machines->messages;
	command.op_case = PXE__COMMAND__OP_SEEN;
	command.seen = &seen;
	task->state = TASK_PROPOSED;
	task->next = machines->tasks;
	machines->tasks = task;
	machines->seen_proposed = true;
	if (replica_propose(machines->config.replica, &command, 0, on_seen, task) !=
		REPLICA_APPLIED) {
		on_seen(task, REPLICA_UNKNOWN, NULL);
	}
}

static void on_pace(uv_timer_t *timer)
{
	struct machines *machines = timer->data;

	retry_ends(machines);
	propose_seen(machines);
}

static void tell_new(struct machines *machines, const struct event *from)
{
	struct event event = *from;

	event.kind = PXE__EVENT_KIND__EVENT_MACHINE_NEW;
	event.bytes = 0;
	event.took_ms = 0;
	event.profile[0] = '\0';
	snprintf(event.text, sizeof event.text, "%s", event.vendor_class);
	events_post(machines->config.events, &event);
}

void machines_on_event(struct machines *machines, const struct event *event)
{
	const struct model *model = model_of(machines);
	uint64_t now_ms = replica_now_ms(machines->config.replica);
	struct event known = *event;
	const Pxe__Subnet *subnet;
	const Pxe__Host *host;

	if (known.mac_bytes == 0 &&
		!machines_mac_of_ip(model, known.ip, now_ms, known.mac, &known.mac_bytes)) {
		return;
	}
	subnet = known.ip != 0 ? model_subnet_of(model, known.ip) : NULL;
	if (machines_inventory_step(&machines->inventory, &known,
		    model_machine_seen(model, known.mac, known.mac_bytes),
		    subnet != NULL ? subnet->name : "", now_ms) == MACHINES_NEW) {
		tell_new(machines, &known);
	}
	host = model_host_of_mac(model, known.mac, known.mac_bytes);
	if (host != NULL) {
		end_boot(machines, &known, host);
	}
}

uint64_t machines_left_out(const struct machines *machines)
{
	return machines->inventory.left_out;
}

/* ---- open and close */

int machines_open(const struct machines_config *config, struct machines **ret_machines)
{
	struct machines *machines;
	int rc;

	assert(config != NULL && config->loop != NULL && config->replica != NULL &&
		config->kv != NULL && config->events != NULL && ret_machines != NULL);
	machines = calloc(1, sizeof *machines);
	if (machines == NULL) {
		return -ENOMEM;
	}
	machines->config = *config;
	rc = uv_mutex_init(&machines->lock);
	if (rc == 0) {
		rc = uv_async_init(config->loop, &machines->wake, on_wake);
		if (rc != 0) {
			uv_mutex_destroy(&machines->lock);
		}
	}
	if (rc != 0) {
		free(machines);
		return rc;
	}
	machines->wake.data = machines->pace.data = machines->settle.data = machines;
	uv_timer_init(config->loop, &machines->pace);
	uv_timer_init(config->loop, &machines->settle);
	machines->open_handles = 3;
	uv_timer_start(&machines->pace, on_pace, MACHINES_PACE_MS, MACHINES_PACE_MS);
	*ret_machines = machines;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct machines *machines = handle->data;

	if (--machines->open_handles == 0) {
		uv_mutex_destroy(&machines->lock);
		free(machines);
	}
}

void machines_close(struct machines *machines)
{
	struct task *next;

	if (machines == NULL) {
		return;
	}
	on_wake(&machines->wake); /* what no turn has seen yet */
	for (struct task *task = machines->tasks; task != NULL; task = next) {
		next = task->next;
		if (task->kind == TASK_CLAIM) {
			task->done(task->ctx);
		}
		if (task->state == TASK_PROPOSED) {
			task->machines = NULL;
		} else {
			free(task);
		}
	}
	machines->tasks = NULL;
	uv_close((uv_handle_t *)&machines->wake, on_closed);
	uv_close((uv_handle_t *)&machines->pace, on_closed);
	uv_close((uv_handle_t *)&machines->settle, on_closed);
}
