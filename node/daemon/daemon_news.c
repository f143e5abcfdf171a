#include "node/daemon/daemon_impl.h"
#include "node/log/log.h"
#include "proto/wire/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void post(struct daemon *daemon, Pxe__EventKind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void post(struct daemon *daemon, Pxe__EventKind kind, const char *format, ...)
{
	struct event event = {.kind = kind};
	va_list args;

	if (daemon->events == NULL) {
		return;
	}
	va_start(args, format);
	vsnprintf(event.text, sizeof event.text, format, args);
	va_end(args);
	events_post(daemon->events, &event);
}

/* A member's name; before the state has arrived, the one that the join reply gave. */
static const char *name_of(const struct daemon *daemon, uint64_t id)
{
	const Pxe__Member *member = model_member(replica_model(daemon->replica), id);

	for (size_t i = 0; member == NULL && i < daemon->start.member_count; i++) {
		if (daemon->start.members[i]->id == id) {
			member = daemon->start.members[i];
		}
	}
	return member != NULL ? member->name : "a member that this node does not know yet";
}

static const struct replica_member_view *member_in(const struct replica_view *view, uint64_t id)
{
	for (unsigned i = 0; i < view->member_count; i++) {
		if (view->member[i].id == id) {
			return &view->member[i];
		}
	}
	return NULL;
}

/* Somebody whose record is gone, or going: that it is not heard is no news. */
static bool is_leaving(const struct daemon *daemon, uint64_t id)
{
	const struct model *model = replica_model(daemon->replica);
	const Pxe__Member *member = model_member(model, id);

	return member != NULL ? member->removing : model_settings(model) != NULL;
}

static void tell_members(struct daemon *daemon, const struct replica_view *now)
{
	for (unsigned i = 0; i < now->member_count; i++) {
		const struct replica_member_view *member = &now->member[i];
		const struct replica_member_view *before = member_in(&daemon->seen, member->id);

		if (member->id == now->self || is_leaving(daemon, member->id)) {
			continue;
		}
		if (member->live && (before == NULL || !before->live)) {
			post(daemon, PXE__EVENT_KIND__EVENT_NODE_UP, "%s is up, as seen by %s",
				name_of(daemon, member->id), daemon->conf.name);
		} else if (!member->live && before != NULL && before->live) {
			post(daemon, PXE__EVENT_KIND__EVENT_NODE_DOWN,
				"%s is down: %s hears nothing from it", name_of(daemon, member->id),
				daemon->conf.name);
		}
	}
}

void daemon_news_on_view(void *ctx)
{
	struct daemon *daemon = ctx;
	struct replica_view now;

	if (daemon->replica == NULL) {
		return;
	}
	replica_get_view(daemon->replica, &now);
	if (now.is_leader && (!daemon->seen_valid || !daemon->seen.is_leader)) {
		post(daemon, PXE__EVENT_KIND__EVENT_NODE_LEADER, "%s leads (term %llu)",
			daemon->conf.name, (unsigned long long)now.term);
	}
	if (now.leader != 0 && !now.is_leader && now.has_quorum &&
		(!daemon->seen_valid || daemon->seen.leader != now.leader ||
			!daemon->seen.has_quorum)) {
		log_info("follows %s (term %llu)", name_of(daemon, now.leader),
			(unsigned long long)now.term);
	}
	if (now.has_quorum && daemon->seen_valid && !daemon->seen.has_quorum &&
		(daemon->quorum_lost_told || !daemon->had_quorum)) {
		post(daemon, PXE__EVENT_KIND__EVENT_QUORUM_BACK, "%s is with the majority",
			daemon->conf.name);
		daemon->quorum_lost_told = false;
	}
	daemon->had_quorum = daemon->had_quorum || now.has_quorum;
	if (!daemon->seen_valid || daemon->seen.has_quorum != now.has_quorum ||
		daemon->seen.diverged != now.diverged) {
		daemon_tick_tell_peers(daemon, &now);
	}
	tell_members(daemon, &now);
	/* Also when the quorum is back: what is to be merged is still there. */
	daemon_news_on_isolation(daemon, &now);
	daemon->seen = now;
	daemon->seen_valid = true;
}

/* A removed node may have heard of it (its record says so), or have been away: then the others
 * refuse its key. */
static bool is_removed(struct daemon *daemon, const struct replica_view *now, bool *ret_refused)
{
	const struct model *model = replica_model(daemon->replica);
	const Pxe__Member *self = model_member(model, daemon->conf.id);
	struct transport_stats peers = {0};

	transport_get_stats(daemon->transport, &peers);
	*ret_refused = !now->has_quorum && peers.dials_refused > daemon->refused_before;
	if (now->has_quorum) {
		daemon->refused_before = peers.dials_refused;
		return false;
	}
	if (self != NULL ? self->removing : model_settings(model) != NULL) {
		return now->no_quorum_ms >= DAEMON_NO_QUORUM_MS;
	}
	return now->no_quorum_ms >= DAEMON_REFUSED_MS && *ret_refused;
}

/* A connection of before our removal stands, and leads nowhere: a new one tells. */
static void dial_the_silent(struct daemon *daemon, const struct replica_view *now)
{
	if (now->has_quorum || now->no_quorum_ms / 1000 % DAEMON_DIAL_S != DAEMON_DIAL_AT_S) {
		return;
	}
	for (unsigned i = 0; i < now->member_count; i++) {
		if (now->member[i].id != now->self && !now->member[i].live) {
			transport_dial_anew(daemon->transport, now->member[i].id);
		}
	}
}

void daemon_news_on_tick(struct daemon *daemon, const struct replica_view *now)
{
	bool refused = false, removed = is_removed(daemon, now, &refused);

	dial_the_silent(daemon, now);
	if (daemon->dhcp4 != NULL) {
		/* From the first refusal on: its own addresses may be others' by now [R7]. */
		dhcp4_server_set_removed(daemon->dhcp4, removed || refused);
	}
	if (removed && !daemon->removed) {
		post(daemon, PXE__EVENT_KIND__EVENT_ALARM,
			"%.63s was removed from the cluster and answers no DHCP. Stop its pxed. To "
			"take it "
			"back, remove %.48s and %.48s and join it again with a token",
			daemon->conf.name, daemon->directory, daemon->conf.data_dir);
	}
	daemon->removed = removed;
	if (removed || now->has_quorum || now->no_quorum_ms < DAEMON_NO_QUORUM_MS ||
		daemon->quorum_lost_told) {
		return;
	}
	post(daemon, PXE__EVENT_KIND__EVENT_QUORUM_LOST,
		"%s has no contact with a majority: changes wait until one is back. Look at the "
		"other nodes: pxectl status",
		daemon->conf.name);
	daemon->quorum_lost_told = true;
}

/* Voters that we miss: "pxe1 or pxe2". */
static void missing_voters(
	const struct daemon *daemon, const struct replica_view *now, char *ret_text, size_t bytes)
{
	ret_text[0] = '\0';
	for (unsigned i = 0; i < now->member_count; i++) {
		size_t used = strlen(ret_text);
		if (now->member[i].voter && !now->member[i].live) {
			snprintf(ret_text + used, bytes - used, "%s%.40s", used == 0 ? "" : " or ",
				name_of(daemon, now->member[i].id));
		}
	}
	if (ret_text[0] == '\0') {
		snprintf(ret_text, bytes, "the network between the nodes");
	}
}

static void tell_alone(struct daemon *daemon, const struct replica_view *now,
	const struct dhcp4_isolation *isolation)
{
	char when[16] = "", most[TEXT_DURATION_BYTES], missing[96];
	time_t since = time(NULL) - (time_t)(isolation->since_ms / 1000);
	struct tm tm;

	if (localtime_r(&since, &tm) != NULL) {
		strftime(when, sizeof when, "%H:%M:%S", &tm);
	}
	missing_voters(daemon, now, missing, sizeof missing);
	post(daemon, PXE__EVENT_KIND__EVENT_ISOLATED,
		"%.40s has no quorum since %s: it goes on alone: %s, new machines get one of %u "
		"own "
		"addresses for at most %s; bring back %s",
		daemon->conf.name, when,
		isolation->extends_bindings ? "extends known leases"
					    : "does not know the time, extends no lease",
		isolation->reserve_free,
		text_duration_short(model_mclt_ms(replica_model(daemon->replica)), most), missing);
}

void daemon_news_on_isolation(struct daemon *daemon, const struct replica_view *now)
{
	struct dhcp4_isolation isolation;

	daemon_tick_get_isolation(daemon, &isolation);
	if (isolation.isolated && !daemon->alone.isolated && !daemon->removed &&
		!is_leaving(daemon, now->self)) {
		tell_alone(daemon, now, &isolation);
		daemon->was_alone = true;
	}
	if (isolation.journal > daemon->to_merge) {
		daemon->to_merge = isolation.journal;
	}
	if (!now->has_quorum || isolation.journal > 0) {
		daemon->alone = isolation;
		return;
	}
	if (daemon->was_alone && daemon->to_merge > 0) {
		post(daemon, PXE__EVENT_KIND__EVENT_MERGED, "%s is back: %u lease%s merged",
			daemon->conf.name, daemon->to_merge, daemon->to_merge == 1 ? "" : "s");
	}
	daemon->to_merge = 0;
	daemon->was_alone = false;
	daemon->alone = isolation;
}

void daemon_news_on_alarm(void *ctx, const char *text)
{
	struct daemon *daemon = ctx;

	if (daemon->events != NULL) {
		post(daemon, PXE__EVENT_KIND__EVENT_ALARM, "%s", text);
	} else {
		log_error("%s", text);
	}
}
