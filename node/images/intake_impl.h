/* node/images/intake_impl.h: the intake's parts: intake.c on the loop, intake_work.c on workers. */
#ifndef NODE_IMAGES_INTAKE_IMPL_H
#define NODE_IMAGES_INTAKE_IMPL_H

#include "node/images/intake.h"

#include <stdbool.h>

#define INTAKE_PIN_MS    (60 * 60 * 1000)
#define INTAKE_QUEUE_MAX 64 /* chunks of one blob that wait */

enum intake_kind { INTAKE_BEGIN, INTAKE_DATA, INTAKE_FILES, INTAKE_COMMIT };

struct intake_op {
	uv_work_t work;
	struct image_intake *intake;
	enum intake_kind kind;
	struct intake_op *next; /* in its blob's queue */
	void *ctx;
	union {
		image_intake_begin_cb *begin;
		image_intake_data_cb *data;
		image_intake_files_cb *files;
		image_intake_commit_cb *commit;
	} done;
	Pxe__ImageVersion *version; /* BEGIN, COMMIT: own copy */
	uint8_t request_id[16];
	bool has_request_id, last;
	uint8_t sha256[32];       /* DATA */
	struct intake_blob *blob; /* NULL: not declared */
	uint64_t offset;
	uint8_t *data;
	size_t data_bytes;
	struct blob_small *files; /* FILES: data points into `data`; error of those that are not
				     to be written is set before */
	struct intake_blob **file_blobs; /* of each; NULL: not declared, or busy */
	size_t file_count;
	/* out */
	uint8_t (*missing)[32];
	uint64_t *missing_bytes;
	size_t missing_count;
	uint64_t received, revision;
	int error;
	char message[256];
};

/* A blob that is being pushed. While `working`, an op of it is at a worker, and writer, have and
 * complete are that worker's. */
struct intake_blob {
	uint8_t sha256[32];
	uint64_t bytes, have, heard_ms;
	struct blob_writer *writer;
	bool working, complete;
	struct intake_op *head, *tail;
	unsigned queued;
};

struct image_intake {
	struct image_intake_config config;
	uv_timer_t sweep;
	unsigned references; /* ops and the timer */
	bool closing;
	struct intake_blob **blobs;
	size_t blob_count, blob_room;
};

uint64_t intake_now_ms(void);
void intake_work_run(uv_work_t *request);

#endif
