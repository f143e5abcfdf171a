/* A connection rests while the one-shot boot that it asks for is claimed: whichever comes first,
 * the outcome or the end of the server, lets it go on. The claim belongs to its request and to
 * whoever is to report the outcome, perhaps after the server is gone. */
#include "node/http/http_impl.h"

#include <assert.h>
#include <stdlib.h>

struct http_claim {
	pthread_mutex_t lock;              /* of the next two */
	struct MHD_Connection *connection; /* rests; NULL: it goes on */
	unsigned users;
	struct http_claim *next, **back; /* in the server's list, under its lock */
};

static void release(struct http_claim *claim)
{
	bool is_last;

	pthread_mutex_lock(&claim->lock);
	is_last = --claim->users == 0;
	pthread_mutex_unlock(&claim->lock);
	if (is_last) {
		pthread_mutex_destroy(&claim->lock);
		free(claim);
	}
}

static void go_on(struct http_claim *claim)
{
	pthread_mutex_lock(&claim->lock);
	if (claim->connection != NULL) {
		MHD_resume_connection(claim->connection);
		claim->connection = NULL;
	}
	pthread_mutex_unlock(&claim->lock);
}

/* Any thread. */
static void on_done(void *ctx)
{
	go_on(ctx);
	release(ctx);
}

struct http_claim *http_claim_begin(struct http_server *server, struct MHD_Connection *connection,
	const struct content_claim *what)
{
	struct http_claim *claim;

	assert(server->claim != NULL);
	claim = calloc(1, sizeof *claim);
	if (claim == NULL || pthread_mutex_init(&claim->lock, NULL) != 0) {
		abort();
	}
	claim->connection = connection;
	claim->users = 2;
	pthread_mutex_lock(&server->claims_lock);
	if (server->closing) {
		pthread_mutex_unlock(&server->claims_lock);
		pthread_mutex_destroy(&claim->lock);
		free(claim);
		return NULL;
	}
	/* Before the server can let it go on. */
	MHD_suspend_connection(connection);
	claim->next = server->claims;
	claim->back = &server->claims;
	if (claim->next != NULL) {
		claim->next->back = &claim->next;
	}
	server->claims = claim;
	pthread_mutex_unlock(&server->claims_lock);
	server->claim(server->claim_ctx, what, on_done, claim);
	return claim;
}

void http_claim_end(struct http_server *server, struct http_claim *claim)
{
	pthread_mutex_lock(&server->claims_lock);
	*claim->back = claim->next;
	if (claim->next != NULL) {
		claim->next->back = claim->back;
	}
	pthread_mutex_unlock(&server->claims_lock);
	release(claim);
}

void http_claim_close(struct http_server *server)
{
	pthread_mutex_lock(&server->claims_lock);
	server->closing = true;
	for (struct http_claim *claim = server->claims; claim != NULL; claim = claim->next) {
		go_on(claim);
	}
	pthread_mutex_unlock(&server->claims_lock);
}
