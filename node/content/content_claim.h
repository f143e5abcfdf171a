/* node/content/content_claim.h: a one-shot boot that a machine is about to begin: what
 * content_open() found out, and how the edge that serves the machine has it claimed through the
 * log.
 *
 * Any thread. A claim is made once for a boot: whoever asks again with the same boot number has it
 * already.
 */
#ifndef NODE_CONTENT_CONTENT_CLAIM_H
#define NODE_CONTENT_CONTENT_CLAIM_H

#define CONTENT_CLAIM_WAIT_MS 5000 /* the longest that an edge lets a machine wait for it */

struct content_claim {
	char host[64];
	char boot[24];   /* number of the boot, as BootClaim.boot; "": not known */
	char image[144]; /* as BootClaim.image: NAME@DIGITS; "": the profile has none */
};

/* Have it claimed. Any thread; does not block; copies the claim. done() is called exactly once, on
 * any thread, perhaps before this returns: when this node's durable state shows the outcome, when
 * the claim was refused, or when there is no quorum or no answer in time. The caller then opens the
 * content again, which tells these cases apart. */
typedef void content_claim_cb(
	void *ctx, const struct content_claim *claim, void (*done)(void *done_ctx), void *done_ctx);

#endif
