/* node remove: in order, or by force.
 *
 * In order: the node gives its own addresses and leases back first, so it must run; we wait until
 * it is gone. By force: it cannot be asked any more; the operator's word that it is off stands for
 * it, and its addresses are free once the longest lease that it could have given has run out [R7].
 */
#include "ctl/client.h"
#include "ctl/cmd.h"
#include "ctl/objects.h"
#include "ctl/show.h"

#include "proto/wire/text.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define REMOVE_STEP_MS    300u
#define REMOVE_WAIT_MS    120000u
#define REMOVE_MARGIN_MS  3000u /* clocks may differ by 2 s, and a rest */
#define REMOVE_QUERY_MS   2000u
#define REMOVE_LINE_BYTES 160

static bool is_down(const Pxe__NodeStatus *node)
{
	return strcmp(node->state, "down") == 0;
}

/* MCLT of the cluster in ms, 0 when it cannot be asked. */
static uint64_t ask_mclt_ms(struct ctl *ctl)
{
	Pxe__ObjectList *list;
	uint64_t ms = 0;

	if (client_list(ctl, PXE__OBJECT_KIND__OBJECT_SETTINGS, "", &list) != CTL_OK) {
		return 0;
	}
	if (list->settings != NULL) {
		ms = (uint64_t)list->settings->mclt_s * 1000;
	}
	pxe__object_list__free_unpacked(list, NULL);
	return ms;
}

static void count_voters(
	const Pxe__Status *status, const char *but, unsigned *ret_voters, unsigned *ret_up)
{
	*ret_voters = *ret_up = 0;
	for (size_t i = 0; i < status->n_nodes; i++) {
		const Pxe__NodeStatus *node = status->nodes[i];
		if (strcmp(node->name, but) != 0 && strcmp(node->raft_role, "learner") != 0) {
			++*ret_voters;
			*ret_up += !is_down(node);
		}
	}
}

static void describe(const Pxe__Status *status, const Pxe__NodeStatus *node, bool force,
	uint64_t mclt_ms, char *ret_text, size_t bytes)
{
	char state[SHOW_BYTES], wait[TEXT_DURATION_BYTES];
	unsigned voters, up;
	size_t used;

	count_voters(status, node->name, &voters, &up);
	snprintf(ret_text, bytes,
		"node %s (%s, %.80s) leaves the cluster; %u voters remain, %u of them answer%s.\n",
		node->name, node->raft_role, cmd_status_state(node, state, sizeof state), voters,
		up, voters == 2 ? "; 2 voters cannot lose one" : "");
	used = strlen(ret_text);
	if (force) {
		snprintf(ret_text + used, bytes - used,
			"%s"
			"  --force asserts that %s is off, and never comes back with its data: its "
			"%" PRIu32 " own addresses are free for others in %s.\n"
			"  If it still runs somewhere, two machines may get one address.",
			is_down(node) ? ""
				      : "  It answers, so it is not off: without --force it leaves "
					"in order.\n",
			node->name, node->reserve_held,
			text_duration_short(mclt_ms + REMOVE_MARGIN_MS, wait));
	} else {
		snprintf(ret_text + used, bytes - used,
			"  It hands back its %" PRIu32
			" own addresses first. Afterwards stop its pxed; to come back it joins "
			"again with a token.",
			node->reserve_held);
	}
}

static int refuse_down(const struct ctl *ctl, const Pxe__NodeStatus *node)
{
	char state[SHOW_BYTES];

	return ctl_fail(ctl, CTL_REFUSED,
		"%s does not answer (%s): it cannot hand back its %" PRIu32
		" own addresses and the leases that it may have given alone.\n"
		"  Start it and run this again. If it is off for good:  pxectl node remove %s "
		"--force",
		node->name, cmd_status_state(node, state, sizeof state), node->reserve_held,
		node->name);
}

/* ---- waiting */

/* One look: true when it is gone. */
static bool look(struct ctl *ctl, const char *name, char ret_line[REMOVE_LINE_BYTES])
{
	Pxe__AdminReply *reply = cmd_status_try(ctl, NULL, REMOVE_QUERY_MS);
	const Pxe__NodeStatus *node;
	bool gone;

	snprintf(ret_line, REMOVE_LINE_BYTES, "no node answers at the moment");
	if (reply == NULL) {
		return false;
	}
	node = cmd_node_find(reply->state, name);
	gone = node == NULL || strcmp(reply->state->health, "removed") == 0;
	if (node != NULL && node->forced) {
		snprintf(ret_line, REMOVE_LINE_BYTES, "%.40s is being taken out of the voters",
			name);
	} else if (node != NULL) {
		snprintf(ret_line, REMOVE_LINE_BYTES,
			"%.40s hands back: %" PRIu32 " addresses, %" PRIu32 " leases to go", name,
			node->reserve_held, node->journal);
	}
	pxe__admin_reply__free_unpacked(reply, NULL);
	return gone;
}

static int wait_gone(struct ctl *ctl, const char *name)
{
	unsigned limit_ms = ctl->timeout_ms != 0 ? ctl->timeout_ms : REMOVE_WAIT_MS;
	uint64_t start_ms = ctl_now_ms();
	char line[REMOVE_LINE_BYTES] = "", told[REMOVE_LINE_BYTES] = "";
	bool tty = isatty(fileno(ctl->err)), gone = false;

	while (!(gone = look(ctl, name, line)) && ctl_now_ms() - start_ms < limit_ms) {
		if (!ctl->quiet && tty) {
			fprintf(ctl->err, "\r  %-76s", line);
			fflush(ctl->err);
		} else if (strcmp(line, told) != 0) {
			ctl_note(ctl, "  %s", line);
			snprintf(told, sizeof told, "%s", line);
		}
		ctl_pause(REMOVE_STEP_MS);
	}
	if (!ctl->quiet && tty) {
		fprintf(ctl->err, "\r%-78s\r", "");
	}
	return gone ? CTL_OK
		    : ctl_fail(ctl, CTL_NO,
			      "%s has not left yet (%s); it goes on by itself, see: pxectl status\n"
			      "  If it is off for good:  pxectl node remove %s --force",
			      name, line, name);
}

/* ---- the command */

static int propose(struct ctl *ctl, char *name, bool force, struct client_done *ret_done)
{
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__MemberRemove removal = PXE__MEMBER_REMOVE__INIT;

	removal.name = name;
	removal.force = force;
	command.op_case = PXE__COMMAND__OP_MEMBER_REMOVE;
	command.member_remove = &removal;
	return client_change(ctl, &command, ret_done);
}

static int ask(struct ctl *ctl, const char *name, bool force)
{
	uint64_t mclt_ms = force ? ask_mclt_ms(ctl) : 0;
	char question[1024];
	Pxe__AdminReply *reply;
	int result = cmd_status_get(ctl, &reply);

	if (result != CTL_OK) {
		return result;
	}
	result = cmd_node_check(ctl, reply->state, name);
	if (result == CTL_OK) {
		const Pxe__NodeStatus *node = cmd_node_find(reply->state, name);
		if (!force && is_down(node)) {
			result = refuse_down(ctl, node);
		} else {
			describe(reply->state, node, force, mclt_ms, question, sizeof question);
			result = (int)ctl_confirm(ctl, question);
		}
	}
	pxe__admin_reply__free_unpacked(reply, NULL);
	return result;
}

int cmd_node_remove(struct ctl *ctl, const struct invocation *in)
{
	bool force = command_flag(in, "force");
	struct client_done done;
	char name[256];
	int result;

	snprintf(name, sizeof name, "%s", in->args[0]);
	result = ask(ctl, name, force);
	if (result == CTL_OK) {
		result = propose(ctl, name, force, &done);
	}
	if (result == CTL_OK) {
		result = wait_gone(ctl, name);
	}
	return result != CTL_OK ? result
				: objects_print_done(
					  ctl, "node", name, "removed", done.revision, done.detail);
}
