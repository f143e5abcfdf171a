/* node promote, demote, step-down, drain, undrain. */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/objects.h"
#include "ctl/show.h"

#include <inttypes.h>
#include <string.h>

#define NODE_STEP_MS  250u
#define NODE_QUERY_MS 2000u
#define NODE_LEAD_MS  10000u /* how long another leader is waited for */
#define NODE_DRAIN_MS 3600000u
#define NODE_REST_MS  2000u /* a machine's next file may follow the one that ended */

const Pxe__NodeStatus *cmd_node_find(const Pxe__Status *status, const char *name)
{
	for (size_t i = 0; i < status->n_nodes; i++) {
		if (strcmp(status->nodes[i]->name, name) == 0) {
			return status->nodes[i];
		}
	}
	return NULL;
}

int cmd_node_check(const struct ctl *ctl, const Pxe__Status *status, const char *name)
{
	return cmd_node_find(status, name) != NULL
		       ? CTL_OK
		       : ctl_fail(ctl, CTL_NOT_FOUND,
				 "there is no node '%s'; see: pxectl node list", name);
}

/* ---- modes */

static int set_mode(
	struct ctl *ctl, const char *name, Pxe__MemberMode mode, struct client_done *ret_done)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberSet set = PXE__MEMBER_SET__INIT;
	char copy[256];

	snprintf(copy, sizeof copy, "%s", name);
	set.name = copy;
	set.mode = mode;
	command.op_case = PXE__COMMAND__OP_MEMBER_SET;
	command.member_set = &set;
	return client_change(ctl, &command, ret_done);
}

/* Nothing to do? In words; NULL: there is. */
static const char *is_so(const Pxe__NodeStatus *node, Pxe__MemberMode mode)
{
	if (mode == PXE__MEMBER_MODE__MEMBER_MODE_UNDRAIN && !node->draining) {
		return "does not drain";
	}
	if (mode == PXE__MEMBER_MODE__MEMBER_MODE_PROMOTE && !node->standby) {
		return node->witness ? "is a witness, it votes" : "was not demoted";
	}
	return mode == PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE && node->standby ? "is demoted already"
									     : NULL;
}

static int set_and_tell(
	struct ctl *ctl, const struct invocation *in, Pxe__MemberMode mode, const char *words)
{
	struct client_done done;
	const char *so = NULL;
	Pxe__AdminReply *reply;
	int result = cmd_status_get(ctl, &reply);

	if (result != CTL_OK) {
		return result;
	}
	result = cmd_node_check(ctl, reply->state, in->args[0]);
	if (result == CTL_OK && strcmp(reply->state->health, "no quorum") != 0) {
		so = is_so(cmd_node_find(reply->state, in->args[0]), mode);
	}
	if (so != NULL) {
		result = objects_print_done(
			ctl, "node", in->args[0], so, reply->state->revision, "nothing to do");
	}
	pxe__admin_reply__free_unpacked(reply, NULL);
	if (result != CTL_OK || so != NULL) {
		return result;
	}
	result = set_mode(ctl, in->args[0], mode, &done);

	return result != CTL_OK ? result
				: objects_print_done(ctl, "node", in->args[0], words, done.revision,
					  done.detail);
}

int cmd_node_promote(struct ctl *ctl, const struct invocation *in)
{
	return set_and_tell(ctl, in, PXE__MEMBER_MODE__MEMBER_MODE_PROMOTE,
		"promoted: it votes as soon as it has caught up");
}

int cmd_node_demote(struct ctl *ctl, const struct invocation *in)
{
	return set_and_tell(ctl, in, PXE__MEMBER_MODE__MEMBER_MODE_DEMOTE,
		"demoted: it serves on, and votes no more");
}

int cmd_node_undrain(struct ctl *ctl, const struct invocation *in)
{
	return set_and_tell(ctl, in, PXE__MEMBER_MODE__MEMBER_MODE_UNDRAIN, "takes clients again");
}

/* ---- leadership */

/* Until another one leads: its name; false: nobody does. */
static bool wait_other_leader(struct ctl *ctl, const char *name, char ret_leader[64])
{
	uint64_t start_ms = ctl_now_ms();
	bool found = false;

	while (!found && ctl_now_ms() - start_ms < NODE_LEAD_MS) {
		Pxe__AdminReply *reply = cmd_status_try(ctl, NULL, NODE_QUERY_MS);
		if (reply != NULL) {
			const char *leader = reply->state->leader;
			found = leader[0] != '\0' && strcmp(leader, name) != 0;
			snprintf(ret_leader, 64, "%s", leader);
			pxe__admin_reply__free_unpacked(reply, NULL);
		}
		if (!found) {
			ctl_pause(NODE_STEP_MS);
		}
	}
	return found;
}

static int ask_step_down(struct ctl *ctl, const char *name)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__StepDown step_down = PXE__STEP_DOWN__INIT;
	const char *saved = ctl->node;
	Pxe__AdminReply *reply = NULL;
	int result;

	request.body_case = PXE__ADMIN_REQUEST__BODY_STEP_DOWN;
	request.step_down = &step_down;
	ctl->node = name;
	result = client_get(ctl, &request, &reply);
	ctl->node = saved;
	if (reply != NULL) {
		pxe__admin_reply__free_unpacked(reply, NULL);
	}
	return result;
}

int cmd_node_step_down(struct ctl *ctl, const struct invocation *in)
{
	const char *name = in->args[0];
	char leader[64];
	int result = ask_step_down(ctl, name);

	if (result != CTL_OK) {
		return result;
	}
	if (!wait_other_leader(ctl, name, leader)) {
		return ctl_fail(ctl, CTL_NO,
			"%s was asked to hand over, but no other node leads yet; see: pxectl "
			"status",
			name);
	}
	fprintf(ctl->out, "%s leads now, %s has stepped down\n", leader, name);
	return CTL_OK;
}

/* ---- draining */

/* Who is missing already, so that nobody stops the last node that serves; is there a quorum without
 * it? */
static int check_others(
	struct ctl *ctl, const Pxe__Status *status, const char *name, bool *ret_breaks)
{
	unsigned serving = 0, voters = 0, up = 0;
	char down[256] = "";

	*ret_breaks = false;
	for (size_t i = 0; i < status->n_nodes; i++) {
		const Pxe__NodeStatus *node = status->nodes[i];
		size_t used = strlen(down);
		bool votes = strcmp(node->raft_role, "learner") != 0;
		voters += votes;
		up += votes && strcmp(node->name, name) != 0 && strcmp(node->state, "down") != 0;
		if (strcmp(node->name, name) == 0 || strcmp(node->state, "removing") == 0) {
			continue;
		}
		if (strcmp(node->state, "down") == 0) {
			snprintf(down + used, sizeof down - used, "%s%s", used == 0 ? "" : ", ",
				node->name);
		} else {
			serving += !node->witness && !node->draining;
		}
	}
	if (serving == 0) {
		return (int)ctl_confirm(ctl,
			"no other node serves machines now: once this one stops, "
			"nobody answers them.");
	}
	if (up < voters / 2 + 1) {
		ctl_note(ctl,
			"note: %s%s%sonce %s stops, %u of %u voters are left, and that is no "
			"quorum: "
			"until it is back,\n  nothing can be changed and each node leases from its "
			"own addresses",
			down,
			down[0] == '\0'             ? ""
			: strchr(down, ',') != NULL ? " are"
						    : " is",
			down[0] == '\0' ? "" : " down already; ", name, up, voters);
		*ret_breaks = true;
		return CTL_OK;
	}
	if (down[0] != '\0') {
		ctl_note(ctl, "note: %s %s down already", down,
			strchr(down, ',') != NULL ? "are" : "is");
	}
	return CTL_OK;
}

static uint64_t counter(const Pxe__Status *status, const char *name)
{
	for (size_t i = 0; i < status->n_counters; i++) {
		if (strcmp(status->counters[i]->name, name) == 0) {
			return status->counters[i]->value;
		}
	}
	return 0;
}

/* Transfers that run on the node; false: it does not answer. */
static bool count_transfers(struct ctl *ctl, const char *name, uint64_t *ret_count, bool *ret_leads)
{
	Pxe__AdminReply *reply = cmd_status_try(ctl, name, NODE_QUERY_MS);

	if (reply == NULL) {
		return false;
	}
	*ret_count = counter(reply->state, "tftp_active") + counter(reply->state, "http_active");
	*ret_leads = strcmp(reply->state->leader, name) == 0;
	pxe__admin_reply__free_unpacked(reply, NULL);
	return true;
}

static int wait_idle(struct ctl *ctl, const char *name)
{
	unsigned limit_ms = ctl->timeout_ms != 0 ? ctl->timeout_ms : NODE_DRAIN_MS;
	uint64_t start_ms = ctl_now_ms(), idle_since_ms = 0, count = 0, told = UINT64_MAX;
	bool leads = true;

	while (ctl_now_ms() - start_ms < limit_ms) {
		if (!count_transfers(ctl, name, &count, &leads)) {
			return ctl_fail(ctl, CTL_UNREACHABLE,
				"%s does not answer any more; it is marked as draining", name);
		}
		if (count != told && count > 0) {
			ctl_note(ctl, "  %" PRIu64 " transfer%s of %s %s still running", count,
				count == 1 ? "" : "s", name, count == 1 ? "is" : "are");
			told = count;
		}
		if (count > 0 || leads) {
			idle_since_ms = 0;
		} else if (idle_since_ms == 0) {
			idle_since_ms = ctl_now_ms();
		} else if (ctl_now_ms() - idle_since_ms >= NODE_REST_MS) {
			return CTL_OK;
		}
		ctl_pause(NODE_STEP_MS);
	}
	return ctl_fail(ctl, CTL_NO,
		"%s is not idle yet (%" PRIu64
		" transfers%s); it stays draining. Wait on with the same "
		"command, or end it: pxectl node undrain %s",
		name, count, leads ? ", and it leads" : "", name);
}

static int begin_drain(struct ctl *ctl, const char *name, bool *ret_led, bool *ret_breaks)
{
	struct client_done done;
	Pxe__AdminReply *reply;
	int result = cmd_status_get(ctl, &reply);

	if (result != CTL_OK) {
		return result;
	}
	result = cmd_node_check(ctl, reply->state, name);
	if (result == CTL_OK) {
		result = check_others(ctl, reply->state, name, ret_breaks);
		*ret_led = strcmp(reply->state->leader, name) == 0;
	}
	pxe__admin_reply__free_unpacked(reply, NULL);
	return result == CTL_OK ? set_mode(ctl, name, PXE__MEMBER_MODE__MEMBER_MODE_DRAIN, &done)
				: result;
}

int cmd_node_drain(struct ctl *ctl, const struct invocation *in)
{
	const char *name = in->args[0];
	char leader[64];
	bool led = false, breaks = false;
	int result = begin_drain(ctl, name, &led, &breaks);

	if (result != CTL_OK) {
		return result;
	}
	if (led && wait_other_leader(ctl, name, leader)) {
		ctl_note(ctl, "  leader: %s", leader);
	}
	result = wait_idle(ctl, name);
	if (result == CTL_OK) {
		fprintf(ctl->out, "%s is drained: %s. Afterwards:  pxectl node undrain %s\n", name,
			breaks ? "it may be stopped, the cluster has no quorum then"
			       : "it is safe to stop it",
			name);
	}
	return result;
}
