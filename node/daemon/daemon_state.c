#include "node/daemon/daemon_impl.h"
#include "node/log/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_durable(void *ctx, uint64_t ticket)
{
	struct daemon *daemon = ctx;

	if (daemon->replica != NULL) {
		replica_on_durable(daemon->replica, ticket);
	}
}

/* The disk failed under the writer thread: nothing may be acknowledged any more, so the process
 * ends at once and the service manager starts it again from what is durable. */
static void on_fatal(void *ctx, const char *text)
{
	(void)ctx;
	log_error(
		"%s; stopping at once: what was acknowledged is on the disks of a majority", text);
	_exit(EXIT_FAILURE);
}

static void on_record(void *ctx, const uint8_t *key, size_t key_bytes)
{
	struct daemon *daemon = ctx;

	if (daemon->puller != NULL) {
		image_puller_on_record(daemon->puller, key, key_bytes);
	}
}

static void on_journal(void *ctx, uint64_t number)
{
	struct daemon *daemon = ctx;

	if (daemon->dhcp4 != NULL) {
		dhcp4_server_on_journal(daemon->dhcp4, number);
	}
}

static void on_event(void *ctx, const Pxe__Event *event)
{
	struct daemon *daemon = ctx;

	if (daemon->events != NULL) {
		events_deliver_foreign(daemon->events, event);
	}
}

static int load_keys(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	char path[NODE_CONF_PATH_BYTES + 32];
	int rc;

	snprintf(path, sizeof path, "%s/node.key", daemon->conf.keys_dir);
	rc = keyfile_load_secret(path, &daemon->node_key, ret_error, error_bytes);
	if (rc < 0) {
		return rc;
	}
	snprintf(path, sizeof path, "%s/api.key", daemon->conf.keys_dir);
	return keyfile_load_secret(path, &daemon->api_key, ret_error, error_bytes);
}

static int open_disk(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	char path[NODE_CONF_PATH_BYTES + 32];
	struct kv_config config = {.loop = &daemon->loop,
		.directory = path,
		.ctx = daemon,
		.on_durable = on_durable,
		.on_fatal = on_fatal};
	int rc;

	snprintf(path, sizeof path, "%s/state.mdb", daemon->conf.data_dir);
	rc = kv_open(&config, &daemon->kv, ret_error, error_bytes);
	if (rc < 0) {
		return rc;
	}
	snprintf(path, sizeof path, "%s/blobs", daemon->conf.data_dir);
	return blob_store_open(path, &daemon->blobs, ret_error, error_bytes);
}

static int open_replica(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	struct replica_config config = {.loop = &daemon->loop,
		.kv = daemon->kv,
		.self = daemon->conf.id,
		.ctx = daemon,
		.on_record = on_record,
		.on_view = daemon_news_on_view,
		.on_event = on_event,
		.on_journal = on_journal,
		.on_alarm = daemon_news_on_alarm};
	struct replica_bootstrap bootstrap = {.settings = daemon->start.kind == NODE_START_BOOTSTRAP
								  ? daemon->start.settings
								  : NULL,
		.self = daemon->start.self,
		.seed = daemon->start.members,
		.seed_count = daemon->start.member_count,
		.epoch = daemon->start.settings != NULL ? daemon->start.settings->epoch : 0};
	const struct replica_bootstrap *first =
		daemon->start.kind == NODE_START_NONE ? NULL : &bootstrap;
	int rc = replica_open(&config, first, &daemon->replica, ret_error, error_bytes);

	if (rc == -EBADMSG) {
		char what[256];

		snprintf(what, sizeof what, "%s", ret_error);
		snprintf(ret_error, error_bytes,
			"%s/state.mdb: %s. On another node run 'pxectl node remove %s --force' and "
			"'pxectl "
			"cluster token create', then "
			"here move %s/state.mdb away and run 'pxectl cluster join TOKEN'",
			daemon->conf.data_dir, what, daemon->conf.name, daemon->conf.data_dir);
	}
	if (rc == -ENOENT) {
		snprintf(ret_error, error_bytes,
			"%s holds no state of cluster node '%s'. Its disk was lost or emptied: on "
			"another node run "
			"'pxectl node remove %s --force' and 'pxectl cluster token create', then "
			"here "
			"'pxectl cluster join TOKEN' "
			"(a new cluster is never made by itself)",
			daemon->conf.data_dir, daemon->conf.name, daemon->conf.name);
	}
	return rc;
}

static int open_peers(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	struct transport_config config = {.loop = &daemon->loop,
		.zmq_context = daemon->zmq_context,
		.zap = daemon->zap,
		.self = daemon->conf.id,
		.bind_address = daemon->conf.peer_address,
		.epoch = replica_epoch(daemon->replica),
		.ctx = daemon->replica,
		.on_message = replica_on_message,
		.on_other_epoch = replica_on_other_epoch};
	int rc;

	memcpy(config.cluster_id, daemon->conf.cluster_id, sizeof config.cluster_id);
	memcpy(config.public_key, daemon->node_key.public_key, sizeof config.public_key);
	memcpy(config.secret_key, daemon->node_key.secret_key, sizeof config.secret_key);
	rc = transport_open(&config, &daemon->transport, ret_error, error_bytes);
	explicit_bzero(config.secret_key, sizeof config.secret_key);
	if (rc == 0) {
		replica_connect(daemon->replica, daemon->transport);
	}
	return rc;
}

int daemon_state_open(struct daemon *daemon, char *ret_error, size_t error_bytes)
{
	int rc = load_keys(daemon, ret_error, error_bytes);

	if (rc == 0) {
		rc = open_disk(daemon, ret_error, error_bytes);
	}
	if (rc == 0) {
		rc = open_replica(daemon, ret_error, error_bytes);
	}
	if (rc == 0) {
		rc = zap_open(&daemon->loop, daemon->zmq_context, &daemon->zap);
		if (rc < 0) {
			snprintf(ret_error, error_bytes,
				"cannot set up the key check of ZeroMQ: %s", strerror(-rc));
		}
	}
	if (rc == 0) {
		rc = open_peers(daemon, ret_error, error_bytes);
	}
	return rc;
}

void daemon_state_close(struct daemon *daemon)
{
	if (daemon->replica != NULL) {
		replica_close(daemon->replica);
		daemon->replica = NULL;
	}
	if (daemon->transport != NULL) {
		transport_close(daemon->transport);
	}
	if (daemon->zap != NULL) {
		zap_close(daemon->zap);
	}
	if (daemon->kv != NULL) {
		kv_close(daemon->kv);
	}
	if (daemon->blobs != NULL) {
		blob_store_close(daemon->blobs);
	}
	keyfile_wipe(&daemon->node_key);
	keyfile_wipe(&daemon->api_key);
}
