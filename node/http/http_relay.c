/* Answers whose bytes are still on their way from another node: a reader that is asked for bytes
 * which are not there puts its connection to sleep, and the relay wakes it. */
#include "node/http/http_impl.h"

#include <assert.h>
#include <stdlib.h>

#define RELAY_BLOCK_BYTES (64u << 10)

struct http_relay {
	struct relay *relay;
	struct MHD_Connection *connection;
	struct relay_waiter waiter;
	uint64_t offset; /* of the answer's first byte in the file */
};

static void on_ready(void *ctx)
{
	struct http_relay *reader = ctx;

	MHD_resume_connection(reader->connection);
}

static ssize_t on_read(void *ctx, uint64_t position, char *buffer, size_t max)
{
	struct http_relay *reader = ctx;
	ssize_t got = relay_read(reader->relay, reader->offset + position, buffer, max);

	if (got > 0) {
		return got;
	}
	if (got < 0) {
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	/* Asleep first: whoever wakes us may be at it already. */
	MHD_suspend_connection(reader->connection);
	reader->waiter.offset = reader->offset + position;
	if (!relay_wait(reader->relay, &reader->waiter)) {
		MHD_resume_connection(reader->connection);
	}
	return 0;
}

static void on_free(void *ctx)
{
	struct http_relay *reader = ctx;

	relay_withdraw(reader->relay, &reader->waiter);
	relay_close(reader->relay);
	free(reader);
}

struct MHD_Response *http_relay_response(
	struct MHD_Connection *connection, struct relay *relay, uint64_t offset, uint64_t length)
{
	struct http_relay *reader = calloc(1, sizeof *reader);
	struct MHD_Response *response;

	assert(relay != NULL && offset + length <= relay_bytes(relay));
	if (reader == NULL) {
		return NULL;
	}
	reader->relay = relay_share(relay);
	reader->connection = connection;
	reader->offset = offset;
	reader->waiter.on_ready = on_ready;
	reader->waiter.ctx = reader;
	response = MHD_create_response_from_callback(
		length, RELAY_BLOCK_BYTES, on_read, reader, on_free);
	if (response == NULL) {
		on_free(reader);
	}
	return response;
}
