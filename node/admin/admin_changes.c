/* Many changes in one request: proposed in their order, a window of them at a time, so that a
 * thousand share the log entries that one would take.
 *
 *   commands: done ... done | under way (at most WINDOW) | not yet proposed
 *
 * Those under way are of one kind: the first of another kind waits until they are applied, for it
 * may name them. The first refusal ends it: what is under way by then is still awaited and told,
 * nothing more is proposed. Each command has a request id of its own, so the same request, sent
 * again to any node, makes nothing twice.
 */
#include "node/admin/admin_impl.h"

#include "node/log/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANGES_WINDOW 64

enum change_state { CHANGE_WAITS, CHANGE_UNDER_WAY, CHANGE_DONE, CHANGE_REFUSED };

struct change {
	struct admin_changes *all;
	enum change_state state;
	uint64_t revision, id;
	char detail[256];
};

struct admin_changes {
	struct admin_pending *pending; /* ours */
	Pxe__Changes *request;         /* ours */
	struct change *change;         /* one for each command */
	size_t next, under_way;
	size_t refused; /* 1 + index of the first; 0: none */
	Pxe__AdminStatus status;
	char message[ADMIN_TEXT_BYTES];
	bool stopped;
};

static void free_changes(struct admin_changes *all)
{
	admin_pending_free(all->pending);
	pxe__changes__free_unpacked(all->request, NULL);
	free(all->change);
	free(all);
}

/* ---- the outcome of one */

static void stop(struct admin_changes *all, size_t index, Pxe__AdminStatus status, const char *text)
{
	if (all->refused != 0 && all->refused <= index + 1) {
		return; /* one before it is to be told */
	}
	all->stopped = true;
	all->refused = index + 1;
	all->status = status;
	snprintf(all->message, sizeof all->message, "%s", text);
}

static void settle(struct admin_changes *all, size_t index, Pxe__Verdict verdict,
	const char *detail, uint64_t revision, uint64_t id)
{
	struct change *change = &all->change[index];
	Pxe__AdminStatus status = admin_status_of_verdict(verdict);

	change->state = status == PXE__ADMIN_STATUS__ADMIN_OK ? CHANGE_DONE : CHANGE_REFUSED;
	change->revision = revision;
	change->id = id;
	snprintf(change->detail, sizeof change->detail, "%s", detail);
	if (change->state == CHANGE_REFUSED) {
		stop(all, index, status, detail[0] != '\0' ? detail : admin_verdict_words(verdict));
	}
}

static void settle_known(struct admin_changes *all, size_t index, const Pxe__RequestOutcome *known)
{
	settle(all, index, (Pxe__Verdict)known->verdict, known->detail, known->revision, known->id);
}

static void go_on(struct admin_changes *all);

static void on_applied(void *ctx, enum replica_outcome outcome, const struct model_result *result)
{
	struct change *change = ctx;
	struct admin_changes *all = change->all;
	size_t index = (size_t)(change - all->change);
	struct admin *admin = all->pending->admin;
	const Pxe__RequestOutcome *known = NULL;

	all->under_way--;
	if (admin != NULL && outcome == REPLICA_APPLIED) {
		if (result->verdict == PXE__VERDICT__VERDICT_DUPLICATE) {
			known = model_request(
				admin_model(admin), all->request->commands[index]->request_id.data);
		}
		if (known != NULL) {
			settle_known(all, index, known);
		} else {
			settle(all, index, result->verdict, result->detail, result->revision,
				result->id);
		}
	} else {
		change->state = CHANGE_REFUSED;
		stop(all, index, PXE__ADMIN_STATUS__ADMIN_UNKNOWN_OUTCOME,
			"no answer from a majority in time: whether the change was made is not "
			"known.\n  Run it again, it is safe: a change that was made is not made "
			"twice");
	}
	go_on(all);
}

/* ---- proposing */

static bool is_same_kind(const Pxe__Command *a, const Pxe__Command *b)
{
	if (a->op_case != b->op_case) {
		return false;
	}
	if (a->op_case == PXE__COMMAND__OP_PUT) {
		return a->put->object_case == b->put->object_case &&
		       (a->put->object_case != PXE__PUT__OBJECT_PROFILE ||
			       b->put->profile->menu == NULL);
	}
	return a->op_case != PXE__COMMAND__OP_REMOVE || a->remove->kind == b->remove->kind;
}

/* False: it is to be tried again when another one is applied, or all is over. */
static bool propose(struct admin_changes *all, size_t index)
{
	struct admin *admin = all->pending->admin;
	Pxe__Command *command = all->request->commands[index];
	const Pxe__RequestOutcome *known =
		model_request(admin_model(admin), command->request_id.data);
	struct replica_view view;
	char text[ADMIN_TEXT_BYTES];
	enum replica_outcome outcome;

	if (known != NULL) {
		settle_known(all, index, known);
		return true;
	}
	outcome = replica_propose(
		admin->config.replica, command, ADMIN_PROPOSE_MS, on_applied, &all->change[index]);
	if (outcome == REPLICA_APPLIED) {
		all->change[index].state = CHANGE_UNDER_WAY;
		all->under_way++;
		return true;
	}
	if (outcome == REPLICA_BUSY && all->under_way > 0) {
		return false;
	}
	if (outcome == REPLICA_NO_QUORUM) {
		replica_get_view(admin->config.replica, &view);
		stop(all, index, PXE__ADMIN_STATUS__ADMIN_NO_QUORUM,
			admin_quorum_text(&view, admin_model(admin), text, sizeof text));
	} else if (outcome == REPLICA_NO_SPACE) {
		stop(all, index, PXE__ADMIN_STATUS__ADMIN_REFUSED,
			"no space: the disks of a majority are nearly full; free space there "
			"('pxectl status' names them), then run it again");
	} else if (outcome == REPLICA_BUSY) {
		stop(all, index, PXE__ADMIN_STATUS__ADMIN_REFUSED,
			"this node is busy with other changes; run it again in a moment");
	} else {
		stop(all, index, PXE__ADMIN_STATUS__ADMIN_UNKNOWN_OUTCOME,
			"whether the change was made is not known. Run it again, it is safe");
	}
	return false;
}

/* ---- the answer */

static void tell(struct admin_changes *all, size_t done, uint64_t revision)
{
	struct event event = {.kind = PXE__EVENT_KIND__EVENT_CONFIG_CHANGED};
	struct admin *admin = all->pending->admin;
	char who[ADMIN_USER_BYTES + 8];

	admin_asker(admin, &all->pending->client, who, sizeof who);
	if (all->refused != 0) {
		log_info("refused: %s, %s: %.300s", all->pending->text, who, all->message);
	}
	if (done > 0) {
		snprintf(event.text, sizeof event.text,
			"%zu changes of a site file, %s (revision %" PRIu64 ")", done, who,
			revision);
		events_post(admin->config.events, &event);
	}
}

static void answer(struct admin_changes *all)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__ChangesDone body = PXE__CHANGES_DONE__INIT;
	size_t count = all->request->n_commands;
	Pxe__ChangeDone *done = calloc(count, sizeof *done);
	Pxe__ChangeDone **list = calloc(count, sizeof *list);
	uint64_t revision = 0;

	assert(done != NULL && list != NULL);
	for (size_t i = 0; i < count; i++) {
		struct change *change = &all->change[i];
		if (change->state != CHANGE_DONE) {
			continue;
		}
		pxe__change_done__init(&done[i]);
		done[i].revision = change->revision;
		done[i].id = change->id;
		done[i].detail = change->detail;
		list[body.n_done++] = &done[i];
		revision = change->revision > revision ? change->revision : revision;
	}
	body.done = list;
	body.refused = (uint32_t)all->refused;
	reply.status = all->status;
	reply.message = all->message;
	reply.body_case = PXE__ADMIN_REPLY__BODY_CHANGES_DONE;
	reply.changes_done = &body;
	tell(all, body.n_done, revision);
	admin_reply(all->pending->admin, &all->pending->client, &reply);
	free(list);
	free(done);
}

/* Propose what may be proposed now; answer when all is over. Frees `all` then. */
static void go_on(struct admin_changes *all)
{
	Pxe__Command **commands = all->request->commands;

	if (all->pending->admin == NULL) {
		all->stopped = true; /* the server is closed: nobody is to be answered */
	}
	while (!all->stopped && all->next < all->request->n_commands &&
		all->under_way < CHANGES_WINDOW) {
		if (all->under_way > 0 &&
			!is_same_kind(commands[all->next - 1], commands[all->next])) {
			break;
		}
		if (!propose(all, all->next)) {
			break;
		}
		all->next++;
	}
	if (all->under_way == 0) {
		if (all->pending->admin != NULL) {
			answer(all);
		}
		free_changes(all);
	}
}

/* ---- the request */

/* NULL, or what is wrong with the n-th (from 0). */
static const char *refuse(const struct admin *admin, const Pxe__Changes *changes, size_t *ret_index)
{
	*ret_index = 0;
	if (changes->n_commands == 0 || changes->n_commands > ADMIN_CHANGES_MAX) {
		return "a request makes 1 to 512 changes";
	}
	for (size_t i = 0; i < changes->n_commands; i++) {
		const char *refusal = admin_refuse_change(admin, changes->commands[i]);
		*ret_index = i;
		if (refusal == NULL && changes->commands[i]->request_id.len != 16) {
			refusal = "a change without an id of 16 bytes";
		}
		if (refusal != NULL) {
			return refusal;
		}
	}
	return NULL;
}

/* The request's memory goes with it: a copy. NULL: no memory. */
static Pxe__Changes *copy_of(const Pxe__Changes *changes)
{
	size_t bytes = pxe__changes__get_packed_size(changes);
	uint8_t *data = malloc(bytes + 1);
	Pxe__Changes *copy = NULL;

	if (data != NULL) {
		pxe__changes__pack(changes, data);
		copy = pxe__changes__unpack(NULL, bytes, data);
		free(data);
	}
	return copy;
}

static bool is_retry(const struct admin *admin, const Pxe__Changes *changes)
{
	return model_request(admin_model(admin), changes->commands[0]->request_id.data) != NULL;
}

void admin_on_changes(
	struct admin *admin, const struct admin_client *client, const Pxe__Changes *changes)
{
	uint64_t revision = model_revision(admin_model(admin));
	struct admin_changes *all;
	size_t index;
	const char *refusal = refuse(admin, changes, &index);

	if (refusal != NULL) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_INVALID,
			"change %zu of %zu: %s", index + 1, changes->n_commands, refusal);
		return;
	}
	/* What was begun before is gone on with: its own changes moved the revision. */
	if (changes->if_revision != 0 && changes->if_revision != revision &&
		!is_retry(admin, changes)) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_CONFLICT,
			"the configuration is at revision %" PRIu64 ", not %" PRIu64
			": look at it again, then retry",
			revision, changes->if_revision);
		return;
	}
	all = calloc(1, sizeof *all);
	if (all == NULL) {
		return; /* unanswered: it is asked again */
	}
	all->request = copy_of(changes);
	all->change = calloc(changes->n_commands, sizeof *all->change);
	all->pending = all->request == NULL || all->change == NULL
			       ? NULL
			       : admin_pending_new(admin, client, ADMIN_PENDING_CHANGE);
	if (all->pending == NULL) {
		if (all->request != NULL) {
			pxe__changes__free_unpacked(all->request, NULL);
		}
		free(all->change);
		free(all);
		return;
	}
	for (size_t i = 0; i < changes->n_commands; i++) {
		all->change[i].all = all;
	}
	snprintf(all->pending->text, sizeof all->pending->text, "%zu changes of a site file",
		changes->n_commands);
	go_on(all);
}
