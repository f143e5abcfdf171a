/* Backups: all records of the model, in one turn of the loop, so as of one applied entry; they
 * leave in parts as they are visited. What a backup does not hold: the bytes of images, secret keys
 * (the state has none), and this node's own files. */
#include "node/admin/admin_impl.h"

#include "node/log/log.h"
#include "proto/msg/backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKUP_PART_BYTES (256u * 1024)

struct backup {
	struct admin *admin;
	const struct admin_client *client;
	struct backup_writer writer;
	uint8_t *data; /* BACKUP_PART_BYTES */
	size_t used;
	uint64_t bytes;
	bool failed; /* the client is gone, or too slow */
};

static void send_part(struct backup *backup, bool more)
{
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__BackupPart part = PXE__BACKUP_PART__INIT;

	if (backup->failed) {
		return;
	}
	part.data = (ProtobufCBinaryData){backup->used, backup->data};
	reply.more = more;
	reply.body_case = PXE__ADMIN_REPLY__BODY_BACKUP_PART;
	reply.backup_part = &part;
	backup->failed = admin_reply(backup->admin, backup->client, &reply) != 0;
	backup->bytes += backup->used;
	backup->used = 0;
}

static void on_bytes(void *ctx, const uint8_t *data, size_t bytes)
{
	struct backup *backup = ctx;

	while (bytes > 0) {
		size_t room = BACKUP_PART_BYTES - backup->used;
		size_t step = bytes < room ? bytes : room;
		memcpy(backup->data + backup->used, data, step);
		backup->used += step;
		data += step;
		bytes -= step;
		if (backup->used == BACKUP_PART_BYTES) {
			send_part(backup, true);
		}
	}
}

static void on_record(
	void *ctx, const uint8_t *key, size_t key_bytes, const uint8_t *value, size_t value_bytes)
{
	struct backup *backup = ctx;

	backup_write_record(&backup->writer, key, key_bytes, value, value_bytes);
}

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void write_all(struct backup *backup, const Pxe__Settings *settings)
{
	const struct model *model = admin_model(backup->admin);
	const Pxe__Member *self = model_member(model, backup->admin->config.self);
	const struct model_sink visitor = {.ctx = backup, .put = on_record};
	Pxe__BackupHeader header = PXE__BACKUP_HEADER__INIT;
	static char program[] = PXE_VERSION;
	struct replica_view view;

	replica_get_view(backup->admin->config.replica, &view);
	header.cluster = settings->cluster;
	header.cluster_id = settings->cluster_id;
	header.epoch = model_epoch(model);
	header.revision = model_revision(model);
	header.index = view.applied;
	header.stamp_ms = model_stamp_ms(model);
	header.created_ms = wall_ms();
	header.program = program;
	if (self != NULL) {
		header.node = self->name;
	}
	backup_write_header(&backup->writer, backup, on_bytes, &header);
	model_each_record(model, &visitor);
	backup_write_trailer(&backup->writer);
}

void admin_on_backup(struct admin *admin, const struct admin_client *client)
{
	const Pxe__Settings *settings = model_settings(admin_model(admin));
	struct backup backup = {.admin = admin, .client = client};

	if (settings == NULL || admin_is_removed(admin)) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_REFUSED,
			"this node does not hold the cluster's state; ask another: pxectl --node "
			"NAME "
			"backup create");
		return;
	}
	backup.data = malloc(BACKUP_PART_BYTES);
	if (backup.data != NULL) {
		write_all(&backup, settings);
	}
	if (backup.data == NULL || backup.writer.failed) {
		admin_reply_text(admin, client, PXE__ADMIN_STATUS__ADMIN_REFUSED,
			"this node has no memory left");
	} else {
		send_part(&backup, false);
		log_info("a backup was taken, %" PRIu64 " records, %" PRIu64 " bytes, for %s",
			backup.writer.records, backup.bytes, client->user);
	}
	free(backup.data);
}
