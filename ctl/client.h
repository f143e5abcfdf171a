/* ctl/client.h: requests to the cluster, whichever node answers.
 *
 * Dials the candidates in order, 150 ms apart, and takes the first that is up: the unix socket of
 * this node, then the TCP doors of the members. A request that stays unanswered for idle_ms goes,
 * with the same request id, to the next node too; the first answer wins. The state machine applies
 * a change once, whatever number of nodes it was sent to.
 *
 * Answers carry the list of members; on a node it is kept in DIRECTORY/endpoints, so the others are
 * known when our own daemon is dead.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "ctl/ctl.h"
#include "ctl/link.h"

struct client;

struct client_call {
	unsigned idle_ms;  /* 0: 2 s. Silence after which the next node is asked */
	unsigned total_ms; /* 0: --timeout, or 10 s. UINT_MAX: for ever, as long as answers come */
	bool sticky; /* only the node that is asked first: the request belongs to what it holds
			(image push) */
	bool ends_in_time; /* when the time is up after a first answer: that is success (watch) */
	/* Each reply; the last has more == false. False: that is enough. */
	bool (*on_reply)(void *ctx, const Pxe__AdminReply *reply);
	/* The answer is a refusal, which says more than its text. May be NULL. */
	void (*on_refused)(void *ctx, const Pxe__AdminReply *reply);
	/* The node whose parts came is gone, all begins anew elsewhere. May be NULL. */
	void (*on_restart)(void *ctx);
	void *ctx;
};

/* Reads the node's configuration and keys as the options say. Does not connect yet. On failure the
 * exit code, and it has been told. */
int client_open(struct ctl *ctl, struct client **ret_client);
void client_close(struct client *client);

/* Ask, and give each reply to call->on_reply. Fills request->sequence, and request->request_id if
 * it is empty. Returns the exit code of the last reply's status, or CTL_UNREACHABLE / CTL_UNKNOWN;
 * in every case but CTL_OK it has been told on err. */
int client_ask(struct ctl *ctl, Pxe__AdminRequest *request, const struct client_call *call);
/* As client_ask(), but says nothing on err: the text of what went wrong is in ret_text. */
int client_try_ask(struct ctl *ctl, Pxe__AdminRequest *request, const struct client_call *call,
	char *ret_text, size_t text_bytes);
/* The usual: one reply, kept. *ret_reply is freed with pxe__admin_reply__free_unpacked(); NULL
 * unless CTL_OK. */
int client_get(struct ctl *ctl, Pxe__AdminRequest *request, Pxe__AdminReply **ret_reply);
/* As client_get; says nothing on err, the text of what went wrong is in ret_text. */
int client_try(struct ctl *ctl, Pxe__AdminRequest *request, Pxe__AdminReply **ret_reply,
	char *ret_text, size_t text_bytes);
/* All parts of a list as one. Warns on err when it is a copy without the quorum. */
int client_list(
	struct ctl *ctl, Pxe__ObjectKind kind, const char *name, Pxe__ObjectList **ret_list);
/* Propose one change. On CTL_OK the outcome is in *ret_done (by value; detail is cut to fit). */
struct client_done {
	uint64_t revision, id;
	char detail[256];
};
int client_change(struct ctl *ctl, Pxe__Command *command, struct client_done *ret_done);
/* client_change without a word on err: the text is in ret_text. */
int client_try_change(struct ctl *ctl, Pxe__Command *command, struct client_done *ret_done,
	char *ret_text, size_t text_bytes);

/* Many requests under way to the node that answered last, and to it alone (image push): what it was
 * sent is there and nowhere else. Replies come in any order, told apart by their sequence.
 * client_post fills request->sequence; client_take waits for the next reply (NULL: none came in
 * time; freed by the caller). CTL_OK, or CTL_UNREACHABLE after telling: that node is gone. */
int client_post(struct ctl *ctl, Pxe__AdminRequest *request);
int client_take(struct ctl *ctl, unsigned timeout_ms, Pxe__AdminReply **ret_reply);

/* Against which the times of a list are told: cluster time when it was made, also where what it
 * tells is older. */
uint64_t client_list_now_ms(const Pxe__ObjectList *list);

/* Name of the node that answered last; "" unknown. */
const char *client_answered(const struct ctl *ctl);

#endif
