/* The upload against a node that is played here: one that obeys, an old one, one that is busy, one
 * that holds a part. */
#include "ctl/image_upload.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES_MAX 400
#define QUEUE_MAX 64

struct rig {
	struct ctl ctl;
	char directory[64], *text;
	size_t text_bytes;
	struct image_files files;
	Pxe__PushMissing *missing;
	/* the node */
	bool old, gone;
	unsigned busy; /* answers that say so before it obeys */
	uint8_t *got[FILES_MAX];
	uint64_t received[FILES_MAX];
	unsigned requests, batches, under_way, under_way_max;
	uint64_t sequence;
	Pxe__AdminReply *queue[QUEUE_MAX];
	size_t queued;
	const char *write_when_asked; /* this file changes at the first request */
};

static void write_file(const struct rig *rig, const char *name, size_t bytes, unsigned seed)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", rig->directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	for (size_t i = 0; i < bytes; i++) {
		fputc((int)((i * 31 + seed * 7 + i / 251) & 0xff), file);
	}
	fclose(file);
}

static void open_rig(struct rig *rig)
{
	memset(rig, 0, sizeof *rig);
	rig->ctl.err = open_memstream(&rig->text, &rig->text_bytes);
	rig->ctl.out = rig->ctl.err;
	strcpy(rig->directory, "/tmp/upload-test-XXXXXX");
	assert_non_null(mkdtemp(rig->directory));
}

static void read_files(struct rig *rig)
{
	assert_int_equal(
		image_files_read(&rig->ctl, "tiny", rig->directory, NULL, 0, &rig->files), CTL_OK);
	rig->missing = calloc(1, sizeof *rig->missing);
	pxe__push_missing__init(rig->missing);
	rig->missing->n_sha256 = rig->files.version->n_files;
	rig->missing->sha256 = calloc(rig->missing->n_sha256, sizeof *rig->missing->sha256);
	for (size_t i = 0; i < rig->missing->n_sha256; i++) {
		rig->missing->sha256[i] = rig->files.version->files[i]->sha256;
		rig->got[i] = calloc(1, rig->files.version->files[i]->bytes + 1);
	}
}

static void close_rig(struct rig *rig)
{
	char command[128];

	for (size_t i = 0; i < rig->queued; i++) {
		pxe__admin_reply__free_unpacked(rig->queue[i], NULL);
	}
	for (size_t i = 0; i < FILES_MAX; i++) {
		free(rig->got[i]);
	}
	free(rig->missing->sha256);
	free(rig->missing);
	image_files_fini(&rig->files);
	fclose(rig->ctl.err);
	free(rig->text);
	snprintf(command, sizeof command, "rm -rf %s", rig->directory);
	assert_int_equal(system(command), 0);
}

static void test_links_may_not_lead_out_of_the_directory(void **state)
{
	struct rig rig;
	char link[160], target[160];

	(void)state;
	open_rig(&rig);
	write_file(&rig, "vmlinuz", 100, 1);
	snprintf(link, sizeof link, "%s/kernel", rig.directory);
	assert_int_equal(symlink("vmlinuz", link), 0);
	assert_int_equal(
		image_files_read(&rig.ctl, "tiny", rig.directory, NULL, 0, &rig.files), CTL_OK);
	assert_int_equal(rig.files.version->n_files, 2);
	image_files_fini(&rig.files);
	snprintf(target, sizeof target, "%s-beside", rig.directory);
	assert_int_equal(symlink("/etc/hostname", target), 0);
	snprintf(link, sizeof link, "%s/secret", rig.directory);
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(
		image_files_read(&rig.ctl, "tiny", rig.directory, NULL, 0, &rig.files), CTL_USAGE);
	fflush(rig.ctl.err);
	assert_non_null(strstr(rig.text, "/secret leads to /etc/hostname, out of the directory"));
	unlink(target);
	rig.missing = calloc(1, sizeof *rig.missing);
	close_rig(&rig);
}

static size_t index_of(const struct rig *rig, const ProtobufCBinaryData *sha256)
{
	size_t i = 0;

	while (memcmp(rig->files.version->files[i]->sha256.data, sha256->data, 32) != 0) {
		i++;
	}
	return i;
}

static void reply(struct rig *rig, uint64_t sequence, Pxe__AdminStatus status, uint64_t received)
{
	Pxe__AdminReply out = PXE__ADMIN_REPLY__INIT;
	Pxe__PushProgress progress = PXE__PUSH_PROGRESS__INIT;
	uint8_t data[256];
	char text[] = "because";

	out.sequence = sequence;
	out.status = status;
	out.message = text;
	progress.received = received;
	if (status == PXE__ADMIN_STATUS__ADMIN_OK) {
		out.body_case = PXE__ADMIN_REPLY__BODY_PROGRESS;
		out.progress = &progress;
	}
	assert_true(rig->queued < QUEUE_MAX);
	rig->queue[rig->queued++] =
		pxe__admin_reply__unpack(NULL, pxe__admin_reply__pack(&out, data), data);
}

static void store(struct rig *rig, const Pxe__PushData *data)
{
	size_t i = index_of(rig, &data->sha256);

	assert_true(data->data.len <= IMAGE_UPLOAD_CHUNK_BYTES);
	if (data->offset <= rig->received[i]) {
		memcpy(rig->got[i] + data->offset, data->data.data, data->data.len);
		if (data->offset + data->data.len > rig->received[i]) {
			rig->received[i] = data->offset + data->data.len;
		}
	}
}

static int post(void *ctx, Pxe__AdminRequest *request)
{
	struct rig *rig = ctx;

	request->sequence = ++rig->sequence;
	rig->requests++;
	if (++rig->under_way > rig->under_way_max) {
		rig->under_way_max = rig->under_way;
	}
	if (rig->write_when_asked != NULL) {
		write_file(rig, rig->write_when_asked, 700000, 99);
		rig->write_when_asked = NULL;
	}
	if (rig->busy > 0) {
		rig->busy--;
		reply(rig, request->sequence, PXE__ADMIN_STATUS__ADMIN_CONFLICT, 0);
	} else if (request->body_case == PXE__ADMIN_REQUEST__BODY_PUSH_FILES && rig->old) {
		reply(rig, request->sequence, PXE__ADMIN_STATUS__ADMIN_INVALID, 0);
	} else if (request->body_case == PXE__ADMIN_REQUEST__BODY_PUSH_FILES) {
		size_t bytes = 0;
		rig->batches++;
		for (size_t i = 0; i < request->push_files->n_files; i++) {
			store(rig, request->push_files->files[i]);
			bytes += request->push_files->files[i]->data.len;
		}
		assert_true(bytes <= IMAGE_UPLOAD_CHUNK_BYTES);
		reply(rig, request->sequence, PXE__ADMIN_STATUS__ADMIN_OK, 0);
	} else {
		store(rig, request->push_data);
		reply(rig, request->sequence, PXE__ADMIN_STATUS__ADMIN_OK,
			rig->received[index_of(rig, &request->push_data->sha256)]);
	}
	return CTL_OK;
}

static int take(void *ctx, unsigned timeout_ms, Pxe__AdminReply **ret_reply)
{
	struct rig *rig = ctx;

	*ret_reply = NULL;
	if (rig->gone) {
		return CTL_UNREACHABLE;
	}
	if (rig->queued == 0) {
		usleep(timeout_ms * 100);
		return CTL_OK;
	}
	*ret_reply = rig->queue[0];
	memmove(rig->queue, rig->queue + 1, --rig->queued * sizeof *rig->queue);
	rig->under_way--;
	return CTL_OK;
}

static int upload(struct rig *rig)
{
	const struct image_upload_io io = {.ctx = rig, .post = post, .take = take};
	int result = image_upload(&rig->ctl, &rig->files, rig->missing, &io);

	fflush(rig->ctl.err);
	return result;
}

static void assert_all_there(const struct rig *rig)
{
	for (size_t i = 0; i < rig->files.version->n_files; i++) {
		const Pxe__ImageFile *file = rig->files.version->files[i];
		uint8_t *bytes = malloc(file->bytes + 1);
		int fd = open(rig->files.sources[i], O_RDONLY);
		assert_int_equal(rig->received[i], file->bytes);
		assert_int_equal(read(fd, bytes, file->bytes), file->bytes);
		assert_memory_equal(bytes, rig->got[i], file->bytes);
		close(fd);
		free(bytes);
	}
}

static void make_many(struct rig *rig)
{
	open_rig(rig);
	for (unsigned i = 0; i < 300; i++) {
		char name[32];
		snprintf(name, sizeof name, "small%u", i);
		write_file(rig, name, i == 0 ? 0 : 100 + i, i);
	}
	write_file(rig, "large", 3000000, 1000);
	read_files(rig);
}

static void test_small_files_go_together_and_large_ones_several_chunks_at_a_time(void **state)
{
	struct rig rig;

	(void)state;
	make_many(&rig);
	assert_int_equal(upload(&rig), CTL_OK);
	assert_all_there(&rig);
	assert_true(rig.batches > 0 && rig.batches <= 6);
	assert_true(rig.requests <= 20);
	assert_true(rig.under_way_max > 4);
	close_rig(&rig);
}

static void test_an_old_node_gets_one_file_at_a_time(void **state)
{
	struct rig rig;

	(void)state;
	make_many(&rig);
	rig.old = true;
	assert_int_equal(upload(&rig), CTL_OK);
	assert_all_there(&rig);
	assert_int_equal(rig.batches, 0);
	close_rig(&rig);
}

static void test_what_the_node_holds_of_a_file_is_not_sent_again(void **state)
{
	struct rig rig;
	size_t large;

	(void)state;
	open_rig(&rig);
	write_file(&rig, "large", 3000000, 1000);
	read_files(&rig);
	for (large = 0; rig.files.version->files[large]->bytes != 3000000; large++) {
	}
	rig.received[large] = 2900000;
	int fd = open(rig.files.sources[large], O_RDONLY);
	assert_int_equal(read(fd, rig.got[large], 2900000), 2900000);
	close(fd);
	assert_int_equal(upload(&rig), CTL_OK);
	assert_all_there(&rig);
	assert_int_equal(rig.requests, 2);
	close_rig(&rig);
}

static void test_a_busy_file_is_waited_for_and_said_once(void **state)
{
	struct rig rig;
	const char *first;

	(void)state;
	open_rig(&rig);
	write_file(&rig, "large", 700000, 1);
	read_files(&rig);
	rig.busy = 3;
	assert_int_equal(upload(&rig), CTL_OK);
	assert_all_there(&rig);
	first = strstr(rig.text, "waiting");
	assert_non_null(first);
	assert_null(strstr(first + 1, "waiting"));
	close_rig(&rig);
}

static void test_a_file_that_changes_while_it_is_pushed_is_refused(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig);
	write_file(&rig, "large", 700000, 1);
	read_files(&rig);
	rig.write_when_asked = "large"; /* as many bytes, other ones */
	assert_int_equal(upload(&rig), CTL_CONFLICT);
	assert_non_null(strstr(rig.text, "was changed while it was pushed"));
	close_rig(&rig);
}

static void test_a_node_that_goes_away_ends_it_so_that_another_is_tried(void **state)
{
	struct rig rig;

	(void)state;
	make_many(&rig);
	rig.gone = true;
	assert_int_equal(upload(&rig), CTL_UNREACHABLE);
	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links_may_not_lead_out_of_the_directory),
		cmocka_unit_test(
			test_small_files_go_together_and_large_ones_several_chunks_at_a_time),
		cmocka_unit_test(test_an_old_node_gets_one_file_at_a_time),
		cmocka_unit_test(test_what_the_node_holds_of_a_file_is_not_sent_again),
		cmocka_unit_test(test_a_busy_file_is_waited_for_and_said_once),
		cmocka_unit_test(test_a_file_that_changes_while_it_is_pushed_is_refused),
		cmocka_unit_test(test_a_node_that_goes_away_ends_it_so_that_another_is_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
