#include "node/tftp/tftp_claim.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct tftp_claim {
	struct content_claim what;
	atomic_bool is_done;
	atomic_uint users; /* the table, and whoever is to report the outcome */
};

static void release(struct tftp_claim *claim)
{
	if (atomic_fetch_sub(&claim->users, 1) == 1) {
		free(claim);
	}
}

/* Any thread. */
static void on_done(void *ctx)
{
	struct tftp_claim *claim = ctx;

	atomic_store(&claim->is_done, true);
	release(claim);
}

static bool is_same(const struct content_claim *a, const struct content_claim *b)
{
	return strcmp(a->host, b->host) == 0 && strcmp(a->boot, b->boot) == 0;
}

/* A place for a new one: an empty one, else one whose client did not ask again. NULL: none. */
static struct tftp_claim **find_place(struct tftp_claims *claims)
{
	struct tftp_claim **done = NULL;

	for (unsigned i = 0; i < TFTP_CLAIMS_MAX; i++) {
		struct tftp_claim **place = &claims->entry[i];
		if (*place == NULL) {
			return place;
		}
		if (atomic_load(&(*place)->is_done)) {
			done = place;
		}
	}
	if (done != NULL) {
		release(*done);
		*done = NULL;
	}
	return done;
}

enum tftp_claim_state tftp_claim_ask(struct tftp_claims *claims, const struct content_claim *what)
{
	struct tftp_claim **place, *claim;

	assert(claims != NULL && what != NULL);
	if (claims->claim == NULL) {
		return TFTP_CLAIM_TRIED;
	}
	for (unsigned i = 0; i < TFTP_CLAIMS_MAX; i++) {
		claim = claims->entry[i];
		if (claim != NULL && is_same(&claim->what, what)) {
			if (!atomic_load(&claim->is_done)) {
				return TFTP_CLAIM_WAITS;
			}
			claims->entry[i] = NULL;
			release(claim);
			return TFTP_CLAIM_TRIED;
		}
	}
	place = find_place(claims);
	claim = place != NULL ? calloc(1, sizeof *claim) : NULL;
	if (claim == NULL) {
		return TFTP_CLAIM_WAITS;
	}
	claim->what = *what;
	atomic_init(&claim->is_done, false);
	atomic_init(&claim->users, 2);
	*place = claim;
	claims->claim(claims->ctx, what, on_done, claim);
	return TFTP_CLAIM_WAITS;
}

void tftp_claims_fini(struct tftp_claims *claims)
{
	for (unsigned i = 0; i < TFTP_CLAIMS_MAX; i++) {
		if (claims->entry[i] != NULL) {
			release(claims->entry[i]);
			claims->entry[i] = NULL;
		}
	}
}
