#include "ctl/image_upload.h"

#include "ctl/progress.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UPLOAD_WINDOW      8u           /* requests under way */
#define UPLOAD_SMALL_BYTES (64u * 1024) /* such files go together */
#define UPLOAD_BATCH_FILES 128u
#define UPLOAD_IDLE_MS     60000u  /* syncing a large file at the other end takes its time */
#define UPLOAD_BUSY_MS     120000u /* a file that somebody else writes there is waited for */
#define UPLOAD_PAUSE_MS    200u

struct item {
	size_t file; /* of the version */
	uint64_t next, have;
	uint64_t busy_since_ms, retry_ms; /* 0: not busy */
	unsigned flying;
	bool begun, heard, done, single, rewound;
	int fd;
};

struct flight {
	uint64_t sequence;
	size_t items[UPLOAD_BATCH_FILES], item_count;
	bool batch;
};

struct upload {
	struct ctl *ctl;
	const struct image_files *files;
	const struct image_upload_io *io;
	struct item *items;
	size_t item_count, done_count, low; /* all below `low` are done */
	struct flight flights[UPLOAD_WINDOW];
	size_t flight_count;
	bool batching, batched;
	uint8_t *buffer;
	uint64_t heard_ms;
	struct progress progress;
};

static const Pxe__ImageFile *file_of(const struct upload *upload, const struct item *item)
{
	return upload->files->version->files[item->file];
}

static const char *source_of(const struct upload *upload, const struct item *item)
{
	return upload->files->sources[item->file];
}

/* ---- reading */

static int refuse_changed(const struct upload *upload, const struct item *item)
{
	return ctl_fail(upload->ctl, CTL_CONFLICT,
		"%s was changed while it was pushed; push it again when nobody writes it",
		source_of(upload, item));
}

/* As it was when it was hashed? */
static int check_stamp(const struct upload *upload, const struct item *item)
{
	struct image_stamp now;
	struct stat st;

	if (fstat(item->fd, &st) != 0) {
		return ctl_fail(upload->ctl, CTL_REFUSED, "cannot read %s: %s",
			source_of(upload, item), strerror(errno));
	}
	now = image_stamp_of(&st);
	return image_stamp_same(&now, &upload->files->stamps[item->file])
		       ? CTL_OK
		       : refuse_changed(upload, item);
}

static void close_item(struct item *item)
{
	if (item->fd >= 0) {
		close(item->fd);
	}
	item->fd = -1;
}

static int read_part(
	const struct upload *upload, struct item *item, uint64_t offset, uint8_t *to, size_t bytes)
{
	size_t done = 0;

	if (item->fd < 0) {
		item->fd = open(source_of(upload, item), O_RDONLY | O_CLOEXEC);
	}
	while (item->fd >= 0 && done < bytes) {
		ssize_t got = pread(item->fd, to + done, bytes - done, (off_t)(offset + done));
		if (got == 0) {
			return refuse_changed(upload, item);
		}
		if (got < 0) {
			break;
		}
		done += (size_t)got;
	}
	if (item->fd < 0 || done < bytes) {
		return ctl_fail(upload->ctl, CTL_USAGE, "cannot read %s: %s",
			source_of(upload, item), strerror(errno));
	}
	return offset + bytes == file_of(upload, item)->bytes || offset == 0
		       ? check_stamp(upload, item)
		       : CTL_OK;
}

/* ---- sending */

static bool is_small(const struct upload *upload, const struct item *item)
{
	return upload->batching && !item->single && !item->begun &&
	       file_of(upload, item)->bytes <= UPLOAD_SMALL_BYTES;
}

/* Something of it may be sent now. The first chunk of a file goes alone: the node may hold more of
 * it. */
static bool may_send(const struct upload *upload, const struct item *item, uint64_t now_ms)
{
	if (item->done || item->retry_ms > now_ms || (item->flying > 0 && !item->heard)) {
		return false;
	}
	return !item->begun || item->next < file_of(upload, item)->bytes;
}

static int post(struct upload *upload, Pxe__AdminRequest *request, const struct flight *flight)
{
	int result = upload->io->post(upload->io->ctx, request);

	if (result == CTL_OK) {
		upload->flights[upload->flight_count] = *flight;
		upload->flights[upload->flight_count++].sequence = request->sequence;
		for (size_t i = 0; i < flight->item_count; i++) {
			upload->items[flight->items[i]].flying++;
			upload->items[flight->items[i]].begun = true;
		}
	}
	return result;
}

static int send_chunk(struct upload *upload, size_t index)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__PushData body = PXE__PUSH_DATA__INIT;
	struct item *item = &upload->items[index];
	const Pxe__ImageFile *file = file_of(upload, item);
	struct flight flight = {.items = {index}, .item_count = 1};
	uint64_t left = file->bytes - item->next;
	size_t bytes = left < IMAGE_UPLOAD_CHUNK_BYTES ? (size_t)left : IMAGE_UPLOAD_CHUNK_BYTES;
	int result = read_part(upload, item, item->next, upload->buffer, bytes);

	if (result != CTL_OK) {
		return result;
	}
	body.sha256 = file->sha256;
	body.offset = item->next;
	body.data = (ProtobufCBinaryData){bytes, upload->buffer};
	body.last = item->next + bytes == file->bytes;
	request.body_case = PXE__ADMIN_REQUEST__BODY_PUSH_DATA;
	request.push_data = &body;
	item->next += bytes;
	return post(upload, &request, &flight);
}

static int send_batch(struct upload *upload, size_t from, uint64_t now_ms)
{
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__PushFiles body = PXE__PUSH_FILES__INIT;
	Pxe__PushData files[UPLOAD_BATCH_FILES], *list[UPLOAD_BATCH_FILES];
	struct flight flight = {.batch = true};
	size_t used = 0;

	for (size_t i = from; i < upload->item_count && flight.item_count < UPLOAD_BATCH_FILES;
		i++) {
		struct item *item = &upload->items[i];
		const Pxe__ImageFile *file = file_of(upload, item);
		int result;
		if (!is_small(upload, item) || !may_send(upload, item, now_ms) ||
			used + file->bytes > IMAGE_UPLOAD_CHUNK_BYTES) {
			continue;
		}
		result = read_part(upload, item, 0, upload->buffer + used, (size_t)file->bytes);
		close_item(item);
		if (result != CTL_OK) {
			return result;
		}
		pxe__push_data__init(&files[body.n_files]);
		files[body.n_files].sha256 = file->sha256;
		files[body.n_files].data =
			(ProtobufCBinaryData){(size_t)file->bytes, upload->buffer + used};
		files[body.n_files].last = true;
		list[body.n_files] = &files[body.n_files];
		body.n_files++;
		used += (size_t)file->bytes;
		flight.items[flight.item_count++] = i;
	}
	body.files = list;
	request.body_case = PXE__ADMIN_REQUEST__BODY_PUSH_FILES;
	request.push_files = &body;
	return post(upload, &request, &flight);
}

/* Fill the window. */
static int send_more(struct upload *upload)
{
	uint64_t now_ms = ctl_now_ms();
	int result = CTL_OK;

	while (upload->low < upload->item_count && upload->items[upload->low].done) {
		upload->low++;
	}
	for (size_t i = upload->low; i < upload->item_count && result == CTL_OK &&
				     upload->flight_count < UPLOAD_WINDOW;) {
		struct item *item = &upload->items[i];
		if (!may_send(upload, item, now_ms)) {
			i++;
		} else if (is_small(upload, item)) {
			result = send_batch(upload, i, now_ms);
		} else {
			result = send_chunk(upload, i);
		}
	}
	return result;
}

/* ---- answers */

static void set_done(struct upload *upload, struct item *item)
{
	uint64_t bytes = file_of(upload, item)->bytes;

	progress_add(&upload->progress, bytes > item->have ? bytes - item->have : 0);
	item->have = bytes;
	item->done = true;
	upload->done_count++;
	close_item(item);
}

/* The node may be copying that very file from another node, which a push before this one went to:
 * it has it soon, or gives it up and takes ours. */
static int wait_busy(struct upload *upload, struct item *item, const char *message)
{
	uint64_t now_ms = ctl_now_ms();

	if (item->busy_since_ms == 0) {
		item->busy_since_ms = now_ms;
		ctl_note(upload->ctl, "%s is being written there by another push or copy; waiting",
			file_of(upload, item)->path);
	}
	if (now_ms - item->busy_since_ms >= UPLOAD_BUSY_MS) {
		return ctl_fail(upload->ctl, CTL_CONFLICT, "%s", message);
	}
	item->retry_ms = now_ms + UPLOAD_PAUSE_MS;
	if (item->flying == 0) {
		item->next = item->have;
		item->begun = item->heard = false;
	}
	return CTL_OK;
}

static int on_chunk(struct upload *upload, struct item *item, const Pxe__AdminReply *reply)
{
	const Pxe__ImageFile *file = file_of(upload, item);
	uint64_t received;

	if (reply->status == PXE__ADMIN_STATUS__ADMIN_CONFLICT) {
		return wait_busy(upload, item, reply->message);
	}
	if (reply->status != PXE__ADMIN_STATUS__ADMIN_OK) {
		if (reply->status == PXE__ADMIN_STATUS__ADMIN_INVALID) {
			ctl_note(upload->ctl, "  the node does not take %s: was it changed?",
				source_of(upload, item));
		}
		return ctl_fail(upload->ctl, ctl_exit_of(reply->status), "%s", reply->message);
	}
	if (reply->body_case != PXE__ADMIN_REPLY__BODY_PROGRESS ||
		reply->progress->received > file->bytes) {
		return ctl_fail(upload->ctl, CTL_REFUSED, "the node's answer is malformed");
	}
	received = reply->progress->received;
	item->heard = true;
	item->busy_since_ms = 0;
	if (received == file->bytes) {
		set_done(upload, item);
		return CTL_OK;
	}
	if (received > item->have) {
		progress_add(&upload->progress, received - item->have);
		item->have = received;
		item->rewound = false;
	}
	item->next = received > item->next ? received : item->next;
	if (item->flying > 0 || received == item->next) {
		return CTL_OK;
	}
	if (item->rewound) {
		return ctl_fail(upload->ctl, CTL_CONFLICT,
			"the node does not take %s: is another push of it in progress? Try again "
			"in a moment",
			file->path);
	}
	item->rewound = true; /* what lies beyond was not taken: from there again */
	item->next = item->have = received;
	return CTL_OK;
}

/* What is wrong with one of them is told when they are sent one by one. */
static int on_batch(
	struct upload *upload, const struct flight *flight, const Pxe__AdminReply *reply)
{
	bool taken = reply->status == PXE__ADMIN_STATUS__ADMIN_OK;

	if (!taken && reply->status != PXE__ADMIN_STATUS__ADMIN_INVALID &&
		reply->status != PXE__ADMIN_STATUS__ADMIN_CONFLICT) {
		return ctl_fail(upload->ctl, ctl_exit_of(reply->status), "%s", reply->message);
	}
	for (size_t i = 0; i < flight->item_count; i++) {
		struct item *item = &upload->items[flight->items[i]];
		if (taken) {
			set_done(upload, item);
		} else {
			item->single = true;
			item->begun = item->heard = false;
		}
	}
	upload->batched = upload->batched || taken;
	if (!taken && reply->status == PXE__ADMIN_STATUS__ADMIN_INVALID && !upload->batched) {
		upload->batching = false; /* it does not know that request */
	}
	return CTL_OK;
}

static int on_reply(struct upload *upload, const Pxe__AdminReply *reply)
{
	for (size_t i = 0; i < upload->flight_count; i++) {
		struct flight flight = upload->flights[i];
		if (flight.sequence != reply->sequence) {
			continue;
		}
		upload->flights[i] = upload->flights[--upload->flight_count];
		upload->heard_ms = ctl_now_ms();
		for (size_t k = 0; k < flight.item_count; k++) {
			upload->items[flight.items[k]].flying--;
		}
		if (flight.batch) {
			return on_batch(upload, &flight, reply);
		}
		return upload->items[flight.items[0]].done
			       ? CTL_OK
			       : on_chunk(upload, &upload->items[flight.items[0]], reply);
	}
	return CTL_OK; /* of a request before these */
}

static int run(struct upload *upload)
{
	int result = CTL_OK;

	upload->heard_ms = ctl_now_ms();
	while (result == CTL_OK && upload->done_count < upload->item_count) {
		Pxe__AdminReply *reply = NULL;
		result = send_more(upload);
		if (result == CTL_OK) {
			result = upload->io->take(upload->io->ctx, UPLOAD_PAUSE_MS, &reply);
		}
		if (result == CTL_OK && reply != NULL) {
			result = on_reply(upload, reply);
		} else if (result == CTL_OK && upload->flight_count > 0 &&
			   ctl_now_ms() - upload->heard_ms >= UPLOAD_IDLE_MS) {
			result = ctl_fail(upload->ctl, CTL_UNREACHABLE,
				"the node has not answered for %u s", UPLOAD_IDLE_MS / 1000);
		}
		if (reply != NULL) {
			pxe__admin_reply__free_unpacked(reply, NULL);
		}
	}
	return result;
}

/* ---- what is to be sent */

bool image_upload_is_missing(const Pxe__PushMissing *missing, const ProtobufCBinaryData *sha256)
{
	for (size_t i = 0; i < missing->n_sha256; i++) {
		if (missing->sha256[i].len == 32 &&
			memcmp(missing->sha256[i].data, sha256->data, 32) == 0) {
			return true;
		}
	}
	return false;
}

/* Files of one content are sent once. */
static bool is_item(const struct upload *upload, const ProtobufCBinaryData *sha256)
{
	for (size_t i = 0; i < upload->item_count; i++) {
		if (memcmp(file_of(upload, &upload->items[i])->sha256.data, sha256->data, 32) ==
			0) {
			return true;
		}
	}
	return false;
}

static uint64_t choose_items(struct upload *upload, const Pxe__PushMissing *missing)
{
	const Pxe__ImageVersion *version = upload->files->version;
	uint64_t total = 0;

	for (size_t i = 0; i < version->n_files; i++) {
		const Pxe__ImageFile *file = version->files[i];
		if (image_upload_is_missing(missing, &file->sha256) &&
			!is_item(upload, &file->sha256)) {
			upload->items[upload->item_count++] = (struct item){.file = i, .fd = -1};
			total += file->bytes;
		}
	}
	return total;
}

int image_upload(struct ctl *ctl, const struct image_files *files, const Pxe__PushMissing *missing,
	const struct image_upload_io *io)
{
	struct upload upload = {.ctl = ctl, .files = files, .io = io, .batching = true};
	uint64_t total;
	int result;

	assert(files != NULL && files->version != NULL && missing != NULL && io != NULL);
	upload.items = calloc(files->version->n_files + 1, sizeof *upload.items);
	upload.buffer = malloc(IMAGE_UPLOAD_CHUNK_BYTES);
	assert(upload.items != NULL && upload.buffer != NULL);
	total = choose_items(&upload, missing);
	progress_start(&upload.progress, ctl, "upload", total);
	result = run(&upload);
	if (result == CTL_OK) {
		progress_end(&upload.progress);
	}
	for (size_t i = 0; i < upload.item_count; i++) {
		close_item(&upload.items[i]);
	}
	free(upload.items);
	free(upload.buffer);
	return result;
}
