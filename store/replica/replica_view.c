/* store/replica/replica_view.c: what our user may know of the cluster, and how fresh our own state
 * is.
 *
 * [R9] Fresh: everything that the leader had committed less than 1 s ago is applied here. A leader
 * knows by its echoed stamps until when a majority would elect nobody else. A follower stamps its
 * statuses with its own clock, the leader echoes the newest stamp in each APPEND: so "C was
 * committed" was said after that time on our own clock. Once C is applied our state is as of then.
 * A message that lay in a queue while we slept carries an old stamp and proves nothing new, and
 * nobody's clock but ours is asked.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <string.h>

/* A new leader learns what was committed before it with the first entry of its own term: until that
 * is applied, its `commit` proves nothing. */
static bool view_has_applied(const struct replica *r, uint64_t commit, uint64_t term)
{
	return r->applied.index >= commit && r->applied.term >= term && r->install.ticket == 0 &&
	       !r->raft.installing;
}

uint64_t replica_view_stamp_ms(const struct replica *r)
{
	return r->stamp_base + (r->now_ms - r->opened_ms);
}

uint64_t replica_view_heard_leader(struct replica *r, uint64_t commit, uint64_t echo_ms)
{
	/* None, of an earlier life of this node, or made up. */
	if (echo_ms < r->stamp_base || echo_ms > replica_view_stamp_ms(r))
		return 0;
	uint64_t since_ms = r->opened_ms + (echo_ms - r->stamp_base);
	if (since_ms > r->contact_ms)
		r->contact_ms = since_ms;
	if (view_has_applied(r, commit, r->raft.term)) {
		if (since_ms > r->fresh_ms)
			r->fresh_ms = since_ms;
	} else if (r->promise_count < REPLICA_PROMISES) {
		r->promise[r->promise_count++] = (struct replica_promise){
			.commit = commit, .term = r->raft.term, .since_ms = since_ms};
	}
	return since_ms;
}

void replica_view_applied(struct replica *r)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < r->promise_count; i++) {
		if (!view_has_applied(r, r->promise[i].commit, r->promise[i].term))
			r->promise[kept++] = r->promise[i];
		else if (r->promise[i].since_ms > r->fresh_ms)
			r->fresh_ms = r->promise[i].since_ms;
	}
	r->promise_count = kept;
}

/* Leader: milliseconds since which a majority is known to follow us; UINT64_MAX: not known. */
static uint64_t view_lease_age_ms(const struct replica *r)
{
	uint64_t until_ms = raft_lease_until_ms(&r->raft, REPLICA_DRIFT_MS);
	uint64_t span_ms = r->raft.config.election_ms - REPLICA_DRIFT_MS;
	uint64_t now_ms = r->config.env->now_boot_ms(r->config.env->ctx);
	if (until_ms == 0)
		return UINT64_MAX;
	return now_ms + span_ms > until_ms ? now_ms + span_ms - until_ms : 0;
}

/* Of a time on our clock; UINT64_MAX: never. */
static uint64_t view_age_ms(const struct replica *r, uint64_t since_ms)
{
	uint64_t now_ms = r->config.env->now_boot_ms(r->config.env->ctx);
	return since_ms == 0 ? UINT64_MAX : now_ms > since_ms ? now_ms - since_ms : 0;
}

/* Leader: has a majority been heard within the election time? (The lease says more, but is void
 * after a hand-over that failed.) */
bool replica_view_hears_majority(const struct replica *r)
{
	const struct raft_conf *conf = raft_conf_in_force(&r->raft, NULL);
	uint64_t now_ms = r->config.env->now_boot_ms(r->config.env->ctx);
	unsigned voters = 0, heard = 0;
	for (unsigned i = 0; i < conf->count; i++) {
		const struct raft_peer *peer = raft_peer(&r->raft, conf->member[i].id);
		bool recent =
			conf->member[i].id == r->config.self ||
			(peer != NULL && now_ms < peer->heard_at_ms + r->raft.config.election_ms);
		voters += conf->member[i].voter;
		heard += conf->member[i].voter && recent;
	}
	return heard > voters / 2;
}

static bool view_has_quorum(const struct replica *r)
{
	if (r->raft.leader == 0)
		return false;
	if (r->raft.role == RAFT_LEADER)
		return replica_raft_leads(r) && replica_view_hears_majority(r);
	return view_age_ms(r, r->contact_ms) < 2 * (uint64_t)r->raft.config.election_ms;
}

/* Who does not know the time yet cannot tell how long a lease still runs. */
bool replica_view_is_fresh(const struct replica *r)
{
	if (!r->time.known)
		return false;
	if (r->raft.role == RAFT_LEADER)
		return view_lease_age_ms(r) < REPLICA_FRESH_MS &&
		       view_has_applied(r, r->raft.commit, r->raft.term);
	return view_age_ms(r, r->fresh_ms) < REPLICA_FRESH_MS;
}

bool replica_is_live(const struct replica *r, uint64_t id)
{
	const struct replica_member *member = replica_member_find(r, id);
	return id == r->config.self || (member != NULL && member->live);
}

static void view_fill_conf(const struct replica *r, struct replica_member_view *view)
{
	const struct raft_conf *conf = raft_conf_in_force(&r->raft, NULL);
	for (unsigned i = 0; i < conf->count; i++) {
		if (conf->member[i].id != view->id)
			continue;
		view->voter = conf->member[i].voter;
		view->learner = !conf->member[i].voter;
	}
}

static void view_fill_self(const struct replica *r, struct replica_member_view *view)
{
	const struct replica_digest *digest = replica_apply_digest(r);
	view->id = r->config.self;
	view->live = true;
	view->status = r->status;
	view->status.version = (char *)r->version;
	view->status.applied = r->applied.index;
	view->status.stored = view->match = r->raft.stored;
	view->status.incarnation = r->proposals.incarnation;
	view->status.settled_ms = replica_journal_settled_ms(r);
	view->status.journal = r->journal.count;
	view->status.wall_ms = r->config.env->now_wall_ms(r->config.env->ctx);
	view->status.wall_synchronised = r->status.wall_synchronised;
	view->status.short_of_room = kv_is_short(r->kv);
	view_fill_conf(r, view);
	if (digest != NULL) {
		view->digest_index = digest->index;
		memcpy(view->digest, digest->digest, sizeof view->digest);
	}
}

static void view_fill_member(const struct replica *r, const struct replica_member *member,
	struct replica_member_view *view)
{
	const struct raft_peer *peer = raft_peer(&r->raft, member->id);
	view->id = member->id;
	view->live = member->live;
	view->heard_ms_ago = member->heard ? r->now_ms - member->heard_ms : UINT64_MAX;
	view->match = peer == NULL ? 0 : peer->match;
	if (member->has_status)
		view->status = member->status;
	else
		pxe__peer_status__init(&view->status);
	view_fill_conf(r, view);
	view->digest_index = member->has_status ? member->status.digest_index : 0;
	memcpy(view->digest, member->digest, sizeof view->digest);
}

void replica_get_view(const struct replica *r, struct replica_view *ret_view)
{
	assert(r != NULL && ret_view != NULL);
	uint64_t now_ms = r->config.env->now_boot_ms(r->config.env->ctx);
	*ret_view = (struct replica_view){
		.self = r->config.self,
		.leader = r->raft.leader,
		.term = r->raft.term,
		.commit = r->raft.commit,
		.applied = r->applied.index,
		.last = r->raft.last,
		.is_leader = replica_raft_leads(r),
		.has_quorum = view_has_quorum(r),
		.fresh = replica_view_is_fresh(r),
		.diverged = r->diverged,
		.refusing = replica_room_is_refused(r),
		.dropped = r->dropped,
	};
	ret_view->time_known = replica_clock_known(r, &ret_view->time_error_ms);
	/* The tick notes when it was lost; a process that was stopped may not have ticked yet. */
	if (!ret_view->has_quorum)
		ret_view->no_quorum_ms =
			r->no_quorum_since_ms == 0 ? 1 : now_ms - r->no_quorum_since_ms + 1;
	view_fill_self(r, &ret_view->member[ret_view->member_count++]);
	for (unsigned i = 0; i < REPLICA_MEMBERS && ret_view->member_count < MODEL_MEMBERS_MAX;
		i++) {
		if (r->member[i].id != 0)
			view_fill_member(
				r, &r->member[i], &ret_view->member[ret_view->member_count++]);
	}
}

void replica_view_tick(struct replica *r)
{
	bool quorum = view_has_quorum(r);
	if (quorum)
		r->no_quorum_since_ms = 0;
	else if (r->no_quorum_since_ms == 0)
		r->no_quorum_since_ms = r->now_ms;
}

bool replica_view_changed(struct replica *r)
{
	uint32_t live = 0;
	for (unsigned i = 0; i < REPLICA_MEMBERS; i++)
		live |= (uint32_t)(r->member[i].live ? 1u << i : 0u);
	bool is_leader = replica_raft_leads(r), quorum = view_has_quorum(r);
	bool changed = r->seen.leader != r->raft.leader || r->seen.term != r->raft.term ||
		       r->seen.live != live || r->seen.is_leader != is_leader ||
		       r->seen.quorum != quorum || r->seen.diverged != r->diverged ||
		       r->applied.members_changed;
	r->seen.leader = r->raft.leader;
	r->seen.term = r->raft.term;
	r->seen.live = live;
	r->seen.is_leader = is_leader;
	r->seen.quorum = quorum;
	r->seen.diverged = r->diverged;
	return changed;
}
