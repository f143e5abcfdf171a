/* node/tftp/tftp_claim.h: claims that requests wait for. Private to node/tftp.
 *
 * All but the outcome belongs to the server's thread. TFTP clients ask again, so a request whose
 * claim is under way is dropped, and its repetition finds the outcome.
 */
#ifndef NODE_TFTP_TFTP_CLAIM_H
#define NODE_TFTP_TFTP_CLAIM_H

#include "node/content/content_claim.h"

#include <stdbool.h>

#define TFTP_CLAIMS_MAX 256

struct tftp_claim;

/* Zero-initialise; callbacks set once. */
struct tftp_claims {
	void *ctx;
	content_claim_cb *claim; /* NULL: nothing can be claimed */
	struct tftp_claim *entry[TFTP_CLAIMS_MAX];
};

enum tftp_claim_state {
	TFTP_CLAIM_WAITS, /* under way, or no room to begin it now: drop the request */
	TFTP_CLAIM_TRIED, /* there is an outcome, told once; or nothing can be claimed */
};

enum tftp_claim_state tftp_claim_ask(struct tftp_claims *claims, const struct content_claim *what);
/* Outcomes that come later find nobody. */
void tftp_claims_fini(struct tftp_claims *claims);

#endif
