/* Messages that grow when they are unpacked: refused within the budget, honest ones are not. */
#include "proto/msg/admin.pb-c.h"
#include "proto/msg/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILES 4096u

/* The bytes of a push of FILES files, the largest honest request. Caller frees. */
static uint8_t *large_request(size_t *ret_bytes)
{
	static Pxe__ImageFile files[FILES];
	static Pxe__ImageFile *pointers[FILES];
	static uint8_t hash[32] = {7};
	static char path[] = "pool/main/l/linux/linux-image.deb";
	Pxe__AdminRequest request = PXE__ADMIN_REQUEST__INIT;
	Pxe__PushBegin push = PXE__PUSH_BEGIN__INIT;
	Pxe__ImageVersion version = PXE__IMAGE_VERSION__INIT;

	for (size_t i = 0; i < FILES; i++) {
		pxe__image_file__init(&files[i]);
		files[i].path = path;
		files[i].bytes = i;
		files[i].sha256 = (ProtobufCBinaryData){sizeof hash, hash};
		pointers[i] = &files[i];
	}
	version.n_files = FILES;
	version.files = pointers;
	push.version = &version;
	request.body_case = PXE__ADMIN_REQUEST__BODY_PUSH_BEGIN;
	request.push_begin = &push;
	*ret_bytes = pxe__admin_request__get_packed_size(&request);
	uint8_t *bytes = malloc(*ret_bytes);
	pxe__admin_request__pack(&request, bytes);
	return bytes;
}

static void the_largest_honest_request_fits(void **state)
{
	struct msg_budget budget;
	size_t size;
	uint8_t *bytes = large_request(&size);
	(void)state;

	msg_budget_init(&budget, 32768, 8u << 20);
	Pxe__AdminRequest *request = pxe__admin_request__unpack(&budget.allocator, size, bytes);
	assert_non_null(request);
	assert_int_equal(request->push_begin->version->n_files, FILES);
	pxe__admin_request__free_unpacked(request, NULL);
	free(bytes);
}

static void bombs_are_refused(void **state)
{
	enum { COUNT = 600000 };
	static const uint8_t unknown[3] = {0xf8, 0x07, 0x01};
	uint8_t *bytes = malloc(COUNT * sizeof unknown);
	struct msg_budget budget;
	(void)state;

	for (size_t i = 0; i < COUNT; i++) {
		memcpy(bytes + i * sizeof unknown, unknown, sizeof unknown);
	}
	msg_budget_init(&budget, 32768, 8u << 20);
	assert_null(pxe__admin_request__unpack(&budget.allocator, COUNT * sizeof unknown, bytes));
	/* it is well formed: nothing but the budget refuses it */
	Pxe__AdminRequest *request =
		pxe__admin_request__unpack(NULL, COUNT * sizeof unknown, bytes);
	assert_non_null(request);
	pxe__admin_request__free_unpacked(request, NULL);
	free(bytes);
}

/* Every block may be the one that is refused: nothing leaks, nothing half-made comes out. */
static void any_block_may_be_refused(void **state)
{
	size_t size, refused = 0;
	uint8_t *bytes = large_request(&size);
	(void)state;

	for (size_t blocks = 0;; blocks += blocks < 200 ? 1 : 997) {
		struct msg_budget budget;
		msg_budget_init(&budget, blocks, SIZE_MAX);
		Pxe__AdminRequest *request =
			pxe__admin_request__unpack(&budget.allocator, size, bytes);
		if (request != NULL) {
			assert_int_equal(request->push_begin->version->n_files, FILES);
			pxe__admin_request__free_unpacked(request, NULL);
			break;
		}
		refused++;
	}
	assert_true(refused > 200);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_honest_request_fits),
		cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(any_block_may_be_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
