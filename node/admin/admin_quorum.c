/* What to say when there is no quorum: how many answer, who is silent since when, and what to do.
 */
#include "node/admin/admin_impl.h"

#include "proto/wire/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add(char *text, size_t bytes, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void add(char *text, size_t bytes, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, bytes - used, format, args);
	va_end(args);
}

static const char *name_of(const struct model *model, uint64_t id, char buffer[32])
{
	const Pxe__Member *member = model_member(model, id);

	if (member != NULL) {
		return member->name;
	}
	snprintf(buffer, 32, "member %" PRIu64, id);
	return buffer;
}

static void add_silent(
	char *text, size_t bytes, const struct replica_view *view, const struct model *model)
{
	char buffer[32], age[TEXT_DURATION_BYTES];
	bool first = true;

	for (unsigned i = 0; i < view->member_count; i++) {
		const struct replica_member_view *member = &view->member[i];
		if (!member->voter || member->live) {
			continue;
		}
		add(text, bytes, "%s%s", first ? "; " : ", ", name_of(model, member->id, buffer));
		if (member->heard_ms_ago == UINT64_MAX) {
			add(text, bytes, " not heard since this node started");
		} else {
			add(text, bytes, " silent for %s",
				text_duration_short(
					admin_whole_seconds(member->heard_ms_ago), age));
		}
		first = false;
	}
}

/* Voters, and those of them that answer. */
static unsigned count_voters(const struct replica_view *view, unsigned *ret_live)
{
	unsigned voters = 0;

	*ret_live = 0;
	for (unsigned i = 0; i < view->member_count; i++) {
		voters += view->member[i].voter;
		*ret_live += view->member[i].voter && view->member[i].live;
	}
	return voters;
}

char *admin_quorum_line(const struct replica_view *view, const struct model *model, char *ret_text,
	size_t text_bytes)
{
	char buffer[32];
	unsigned live, voters = count_voters(view, &live);
	bool first = true;

	ret_text[0] = '\0';
	add(ret_text, text_bytes, "no quorum: %u of %u voters answer%s", live, voters,
		live == 1 ? "s" : "");
	for (unsigned i = 0; i < view->member_count; i++) {
		if (view->member[i].voter && view->member[i].live) {
			add(ret_text, text_bytes, "%s%s", first ? " (" : ", ",
				name_of(model, view->member[i].id, buffer));
			first = false;
		}
	}
	add(ret_text, text_bytes, "%s", first ? "" : ")");
	add_silent(ret_text, text_bytes, view, model);
	return ret_text;
}

char *admin_quorum_advice(const struct replica_view *view, const struct model *model,
	char *ret_text, size_t text_bytes)
{
	char buffer[32];
	unsigned live, voters = count_voters(view, &live), missing;
	bool first = true;

	ret_text[0] = '\0';
	if (live > voters / 2) {
		add(ret_text, text_bytes, "they are choosing a leader; look again in a moment");
		return ret_text;
	}
	missing = voters / 2 + 1 - live;
	add(ret_text, text_bytes, "bring back ");
	if (missing < voters - live) {
		add(ret_text, text_bytes, "%u of ", missing);
	}
	for (unsigned i = 0; i < view->member_count; i++) {
		if (view->member[i].voter && !view->member[i].live) {
			add(ret_text, text_bytes, "%s%s", first ? "" : ", ",
				name_of(model, view->member[i].id, buffer));
			first = false;
		}
	}
	add(ret_text, text_bytes,
		"; if that can never be: stop pxed on the one survivor and run there: "
		"pxectl cluster recover");
	return ret_text;
}

char *admin_quorum_text(const struct replica_view *view, const struct model *model, char *ret_text,
	size_t text_bytes)
{
	char advice[ADMIN_TEXT_BYTES];
	unsigned live, voters = count_voters(view, &live);

	admin_quorum_line(view, model, ret_text, text_bytes);
	admin_quorum_advice(view, model, advice, sizeof advice);
	add(ret_text, text_bytes, ".\n  Nothing was changed%s\n  To do: %s",
		live > voters / 2 ? "." : "; leases that are granted go on.", advice);
	return ret_text;
}

bool admin_is_removed(const struct admin *admin)
{
	return admin->config.removed != NULL && admin->config.removed(admin->config.ctx);
}

void admin_reply_no_quorum(struct admin *admin, const struct admin_client *client)
{
	struct replica_view view;
	struct dhcp4_isolation own;
	char text[ADMIN_TEXT_BYTES];

	if (admin_is_removed(admin)) {
		admin_reply_text(
			admin, client, PXE__ADMIN_STATUS__ADMIN_NO_QUORUM, "%s", ADMIN_REMOVED);
		return;
	}
	replica_get_view(admin->config.replica, &view);
	admin_quorum_text(&view, admin_model(admin), text, sizeof text);
	admin_isolation(admin, &own);
	if (own.isolated) {
		add(text, sizeof text,
			"\n  This node goes on alone meanwhile, with %" PRIu32
			" own addresses left for new machines",
			own.reserve_free);
	}
	admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_NO_QUORUM, "%s", text);
}
