/* node/admin/admin_impl.h: what the files of the admin server share.
 *
 * A request is answered to its *client*: door, ZeroMQ identity, and the sequence number that the
 * client gave it. What waits (a proposal, a push, a watcher) keeps a copy of it in a *pending*
 * record; records outlive admin_close() until their callback has come, then with admin == NULL.
 */
#ifndef NODE_ADMIN_ADMIN_IMPL_H
#define NODE_ADMIN_ADMIN_IMPL_H

#include "node/admin/admin.h"
#include "proto/msg/admin.pb-c.h"
#include "store/transport/zmq_uv.h"
#include <stdbool.h>

#define ADMIN_IDENTITY_MAX 255 /* ZeroMQ's limit */
#define ADMIN_DOORS        3
#define ADMIN_CHANGES_MAX  512  /* in one request */
#define ADMIN_PROPOSE_MS   8000 /* how long a change waits for its outcome */
#define ADMIN_TEXT_BYTES   640
#define ADMIN_REMOVED                                                                              \
	"this node was removed from the cluster: stop its pxed. To take it back, remove its "      \
	"configuration and data, and join it again with a token"
#define ADMIN_USER_BYTES 80
#define ADMIN_KEY_UNKNOWN                                                                          \
	"this cluster does not know the key (any more): the node was removed, or the operator's "  \
	"key was"

enum admin_door_kind { ADMIN_DOOR_IPC, ADMIN_DOOR_API, ADMIN_DOOR_JOIN };

struct admin_door {
	struct admin *admin;
	enum admin_door_kind kind;
	struct zmq_uv *socket; /* NULL: shut */
};

/* Whom to answer. */
struct admin_client {
	struct admin_door *door;
	uint8_t identity[ADMIN_IDENTITY_MAX];
	size_t identity_bytes;
	uint64_t sequence;
	char key[64];                /* of the connection, in Z85; "" on the unix socket */
	char user[ADMIN_USER_BYTES]; /* "local", "operator:alice", "node:pxe2" */
};

enum admin_pending_kind {
	ADMIN_PENDING_CHANGE,
	ADMIN_PENDING_TOKEN,
	ADMIN_PENDING_JOIN,
	ADMIN_PENDING_PUSH,   /* waits for the intake */
	ADMIN_PENDING_LOG,    /* waits for the worker that reads the history */
	ADMIN_PENDING_VERIFY, /* waits for the puller's reading */
	ADMIN_PENDING_COMMIT, /* is told how far a pushed image is, by the timer */
};

struct admin_pending {
	struct admin *admin; /* NULL: the server is closed, only free this */
	struct admin_pending *next, **link;
	struct admin_client client;
	enum admin_pending_kind kind;
	uint8_t request_id[16];
	bool has_request_id;
	char boot_of[64];    /* CHANGE: it arms or cancels the next boot of this host; "": no */
	bool member_removed; /* CHANGE: it takes a node out */
	char text[256];      /* CHANGE: what is done; TOKEN: the token; COMMIT: the image */
	uint8_t key[32];     /* JOIN: the joiner's public key; PUSH, COMMIT: SHA-256 */
	uint64_t number;     /* TOKEN: expiry in ms; COMMIT: revision */
	size_t holders;      /* COMMIT: as last told */
	bool published;
	uint64_t told_ms;
};

struct admin_watcher {
	bool used;
	struct admin_client client;
	char filter[64];
	uint8_t mac[16];
	size_t mac_bytes;
	uint64_t dropped, told_ms;
};

struct admin {
	struct admin_config config;
	struct admin_door doors[ADMIN_DOORS];
	char socket_path[108];
	uv_timer_t timer; /* 200 ms: progress of pushes; keep-alive of watchers */
	struct admin_pending *pending;
	size_t pending_count;
	struct admin_watcher watchers[ADMIN_WATCHERS_MAX];
	uint64_t watch_handle;
	struct admin_stats stats;
	uint64_t join_told_ms, joins_untold; /* refused joins in the log */
	uint64_t join_second; /* of the loop's time; joins with unknown tokens in it */
	unsigned joins_in_second;
};

/* admin_server.c */
/* Send to a client. -EHOSTUNREACH: it is gone; -EAGAIN: its queue is full, the reply was dropped
 * and counted. */
int admin_send(
	struct admin *admin, const struct admin_client *client, const void *data, size_t bytes);
/* Set sequence (and, on the last reply, the members) and send. The reply's own fields are borrowed.
 */
int admin_reply(struct admin *admin, const struct admin_client *client, Pxe__AdminReply *reply);
/* A last reply that is only a status and a line. */
void admin_reply_text(struct admin *admin, const struct admin_client *client,
	Pxe__AdminStatus status, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* NULL and an answer to the client when too many wait. */
struct admin_pending *admin_pending_new(
	struct admin *admin, const struct admin_client *client, enum admin_pending_kind kind);
void admin_pending_free(struct admin_pending *pending);
const struct model *admin_model(const struct admin *admin);
void admin_members_of(
	const struct admin *admin, const Pxe__Member **ret_members, size_t *ret_count);

/* Keys are taken away while connections stand: asked for each request, and of who watches. Names
 * the client. */
bool admin_may_ask(const struct admin *admin, struct admin_client *client);

/* admin_change.c */
void admin_on_change(
	struct admin *admin, const struct admin_client *client, const Pxe__AdminRequest *request);
void admin_on_token_create(
	struct admin *admin, const struct admin_client *client, const Pxe__AdminRequest *request);
Pxe__AdminStatus admin_status_of_verdict(Pxe__Verdict verdict);
/* Its name, for refusals without a text. */
const char *admin_verdict_words(Pxe__Verdict verdict);
/* "from pxe1" (the unix socket), "from pxe2" (its pxectl came here), "by alice". */
const char *admin_asker(const struct admin *admin, const struct admin_client *client,
	char *ret_text, size_t text_bytes);
/* What an operator may not do: NULL, or why. command may be NULL. */
const char *admin_refuse_change(const struct admin *admin, const Pxe__Command *command);
/* admin_changes.c */
void admin_on_changes(
	struct admin *admin, const struct admin_client *client, const Pxe__Changes *changes);
/* admin_quorum.c: "no quorum: 1 of 3 voters answers (pxe3); pxe1 silent for 4m 12s ..." */
char *admin_quorum_line(const struct replica_view *view, const struct model *model, char *ret_text,
	size_t text_bytes);
/* "bring back 1 of pxe1, pxe2; ..." */
char *admin_quorum_advice(const struct replica_view *view, const struct model *model,
	char *ret_text, size_t text_bytes);
/* Both, for who asked for a change. */
char *admin_quorum_text(const struct replica_view *view, const struct model *model, char *ret_text,
	size_t text_bytes);
bool admin_is_removed(const struct admin *admin);
void admin_reply_no_quorum(struct admin *admin, const struct admin_client *client);

/* admin_list.c */
void admin_on_list(
	struct admin *admin, const struct admin_client *client, const Pxe__ListQuery *query);
void admin_on_info(struct admin *admin, const struct admin_client *client);
void admin_on_boot_explain(
	struct admin *admin, const struct admin_client *client, const Pxe__BootExplainQuery *query);
/* admin_alone.c: leases that this node gave without the quorum, that run, and that the cluster does
 * not know: as they would be in the state. NULL: none, or no memory. */
struct admin_alone *admin_alone_new(const struct admin *admin, uint64_t now_ms);
void admin_alone_free(struct admin_alone *alone);
size_t admin_alone_count(const struct admin_alone *alone);
const Pxe__Lease *admin_alone_at(const struct admin_alone *alone, size_t i);
bool admin_alone_has(const struct admin_alone *alone, uint32_t ip);
/* admin_status.c */
/* What admin_on_status() answers; to be freed by admin_status_free(). NULL: no memory. */
const Pxe__Status *admin_status_new(struct admin *admin);
void admin_status_free(const Pxe__Status *status);
void admin_on_status(struct admin *admin, const struct admin_client *client);
/* admin_reserve.c */
/* Addresses of a member's blocks (0: of all members'), in a pool or (NULL) in all. */
uint64_t admin_reserve_of(const struct admin *admin, uint64_t member, const Pxe__Pool *pool);
/* Of this node; all 0 where nobody tells. */
void admin_isolation(const struct admin *admin, struct dhcp4_isolation *ret_isolation);
/* What a member may do alone, and how it stands to the others. */
void admin_reserve_fill(const struct admin *admin, const struct replica_member_view *view,
	const Pxe__Member *member, Pxe__NodeStatus *node);
/* "pxe3 has no quorum for 4m 12s and goes on alone: ..." */
char *admin_reserve_text(
	const struct admin *admin, const Pxe__NodeStatus *node, char *ret_text, size_t text_bytes);
/* admin_backup.c */
void admin_on_backup(struct admin *admin, const struct admin_client *client);
/* admin_node.c */
void admin_on_step_down(struct admin *admin, const struct admin_client *client);
/* admin_watch.c */
void admin_on_watch(
	struct admin *admin, const struct admin_client *client, const Pxe__WatchQuery *query);
void admin_watch_event(void *admin, const Pxe__Event *event);
void admin_watch_tick(struct admin *admin, uint64_t now_ms);
/* admin_boot.c */
#define ADMIN_LOG_LINES_MAX 1900 /* fewer than replies that may wait for a client */
void admin_on_boot_history(
	struct admin *admin, const struct admin_client *client, const Pxe__BootHistoryQuery *query);
void admin_on_boot_log(
	struct admin *admin, const struct admin_client *client, const Pxe__BootLogQuery *query);
/* admin_push.c */
void admin_on_push_begin(
	struct admin *admin, const struct admin_client *client, const Pxe__PushBegin *push);
void admin_on_push_files(
	struct admin *admin, const struct admin_client *client, const Pxe__PushFiles *push);
/* admin_verify.c */
void admin_on_image_verify(
	struct admin *admin, const struct admin_client *client, const Pxe__ImageVerifyQuery *query);
void admin_on_push_data(
	struct admin *admin, const struct admin_client *client, const Pxe__PushData *push);
void admin_on_push_commit(
	struct admin *admin, const struct admin_client *client, const Pxe__AdminRequest *request);
void admin_push_tick(struct admin *admin, uint64_t now_ms);
/* admin_join.c */
void admin_on_join(
	struct admin *admin, const struct admin_client *client, const uint8_t *data, size_t bytes);

/* "963ms" tells nobody more than "1s". */
static inline uint64_t admin_whole_seconds(uint64_t ms)
{
	return ms < 1000 ? 1000 : ms;
}

#endif
