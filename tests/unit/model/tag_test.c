/* Which versions of an image there are: tags, and what is kept. */
#include "tests/unit/model/model_kit.h"

static char *text(const char *t)
{
	return (char *)(uintptr_t)t;
}

static void digest_of(uint8_t n, uint8_t ret_digest[32])
{
	memset(ret_digest, 0x10 + n, 32);
}

static Pxe__Verdict stage(struct kit *kit, const char *image, uint8_t n)
{
	uint8_t digest[32];
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageStage message = PXE__IMAGE_STAGE__INIT;
	Pxe__ImageVersion version = PXE__IMAGE_VERSION__INIT;
	Pxe__ImageFile file = PXE__IMAGE_FILE__INIT, *files[1] = {&file};
	digest_of(n, digest);
	file.path = text("vmlinuz");
	file.sha256 = kit_bytes(digest, 32);
	file.bytes = n;
	version.image = text(image);
	version.digest = kit_bytes(digest, 32);
	version.files = files;
	version.n_files = 1;
	message.version = &version;
	command.op_case = PXE__COMMAND__OP_IMAGE_STAGE;
	command.image_stage = &message;
	return kit_apply(kit, &command);
}

static Pxe__Verdict held(struct kit *kit, const char *image, uint8_t n)
{
	uint8_t digest[32];
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageHeld message = PXE__IMAGE_HELD__INIT;
	digest_of(n, digest);
	message.image = text(image);
	message.digest = kit_bytes(digest, 32);
	message.member = 1;
	command.op_case = PXE__COMMAND__OP_IMAGE_HELD;
	command.image_held = &message;
	return kit_apply(kit, &command);
}

static void push(struct kit *kit, const char *image, uint8_t n)
{
	kit_expect(kit, stage(kit, image, n), V(OK), "");
	kit_expect(kit, held(kit, image, n), V(OK), "");
}

static Pxe__Verdict tag(struct kit *kit, const char *name, const char *image, uint8_t n)
{
	uint8_t digest[32];
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageTag message = PXE__IMAGE_TAG__INIT;
	digest_of(n, digest);
	message.name = text(name);
	message.image = text(image);
	message.digest = kit_bytes(digest, 32);
	command.op_case = PXE__COMMAND__OP_IMAGE_TAG;
	command.image_tag = &message;
	return kit_apply(kit, &command);
}

static void expect_image(struct kit *kit, const char *name, uint8_t current, uint8_t previous)
{
	uint8_t digest[32];
	const Pxe__Image *image = model_image(kit->model, name);
	assert_non_null(image);
	digest_of(current, digest);
	assert_int_equal(image->current_digest.len, 32);
	assert_memory_equal(image->current_digest.data, digest, 32);
	digest_of(previous, digest);
	assert_int_equal(image->previous_digest.len, previous == 0 ? 0 : 32);
	if (previous != 0)
		assert_memory_equal(image->previous_digest.data, digest, 32);
}

static bool has_version(struct kit *kit, const char *image, uint8_t n)
{
	uint8_t digest[32];
	digest_of(n, digest);
	return model_image_version(kit->model, image, digest) != NULL;
}

static void put_profile(struct kit *kit, const char *image)
{
	Pxe__Profile profile = PXE__PROFILE__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	profile.name = text("p");
	profile.image = text(image);
	profile.kernel = text("vmlinuz");
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = &profile;
	kit_expect(kit, kit_put(kit, &put), V(OK), "");
}

static int setup(void **state)
{
	struct kit *kit = calloc(1, sizeof(*kit));
	assert_non_null(kit);
	kit_init(kit);
	push(kit, "img", 1);
	push(kit, "img", 2);
	*state = kit;
	return 0;
}

static int teardown(void **state)
{
	struct kit *kit = *state;
	kit_assert_disk_is(&kit->disk, kit->model);
	kit_fini(kit);
	free(kit);
	return 0;
}

static void test_a_tag_goes_back_to_the_previous_version(void **state)
{
	struct kit *kit = *state;
	uint64_t revision = model_revision(kit->model);
	expect_image(kit, "img", 2, 1);
	kit_at(kit, 5000);
	kit_expect(kit, tag(kit, "img", "img", 1), V(OK), "");
	expect_image(kit, "img", 1, 2);
	assert_int_equal(model_image(kit->model, "img")->published_ms, kit->now_ms);
	assert_int_equal(model_revision(kit->model), revision + 1);
	/* Once more changes nothing. */
	kit_expect(kit, tag(kit, "img", "img", 1), V(OK), "");
	expect_image(kit, "img", 1, 2);
	assert_int_equal(model_revision(kit->model), revision + 1);
}

static void test_a_tag_makes_another_name_for_a_version(void **state)
{
	struct kit *kit = *state;
	uint8_t digest[32];
	digest_of(1, digest);
	kit_expect(kit, tag(kit, "stable", "img", 1), V(OK), "");
	expect_image(kit, "stable", 1, 0);
	expect_image(kit, "img", 2, 1);
	const Pxe__ImageVersion *version = model_image_version(kit->model, "stable", digest);
	assert_non_null(version);
	assert_true(version->published);
	assert_int_equal(version->n_holders, 1);
	/* It stands by itself. */
	kit_expect(kit, kit_delete(kit, PXE__OBJECT_KIND__OBJECT_IMAGE, "img", false), V(OK), "");
	assert_true(has_version(kit, "stable", 1));
}

static void test_only_a_published_version_is_tagged(void **state)
{
	struct kit *kit = *state;
	uint64_t revision;
	kit_expect(kit, stage(kit, "img", 3), V(OK), "");
	revision = model_revision(kit->model);
	kit_expect(kit, tag(kit, "img", "img", 3), V(CONFLICT), "not published yet");
	kit_expect(kit, tag(kit, "img", "img", 9), V(NOT_FOUND), "no such version");
	kit_expect(kit, tag(kit, "img", "nope", 1), V(NOT_FOUND), "no such version");
	kit_expect(kit, tag(kit, "a/b", "img", 1), V(INVALID), "image name");
	kit_expect(kit, tag(kit, "blob", "img", 1), V(INVALID), "meaning of its own");
	kit_expect(kit, tag(kit, "img", "a\033", 1), V(INVALID), "image name");
	assert_int_equal(model_revision(kit->model), revision);
	/* What is staged is published when it is held, whatever was tagged meanwhile. */
	kit_expect(kit, tag(kit, "img", "img", 1), V(OK), "");
	kit_expect(kit, held(kit, "img", 3), V(OK), "");
	expect_image(kit, "img", 3, 1);
}

static void test_versions_that_nobody_names_go(void **state)
{
	struct kit *kit = *state;
	push(kit, "img", 3);
	expect_image(kit, "img", 3, 2);
	assert_false(has_version(kit, "img", 1));
	assert_true(has_version(kit, "img", 2));
}

static void test_a_version_that_a_profile_names_stays(void **state)
{
	struct kit *kit = *state;
	put_profile(kit, "img@111111111111");
	push(kit, "img", 3);
	push(kit, "img", 4);
	assert_true(has_version(kit, "img", 1));
	assert_false(has_version(kit, "img", 2));
	kit_expect(kit,
		kit_delete(kit, PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, "img@111111111111", true),
		V(CONFLICT), "named by profile p");
	/* It goes with the next change of the image, not before: a mistake can be undone. */
	put_profile(kit, "img");
	assert_true(has_version(kit, "img", 1));
	push(kit, "img", 5);
	assert_false(has_version(kit, "img", 1));
}

static void test_the_previous_version_is_not_removed_under_a_profile(void **state)
{
	struct kit *kit = *state;
	put_profile(kit, "img@prev");
	kit_expect(kit,
		kit_delete(kit, PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, "img@111111111111", true),
		V(CONFLICT), "named by profile p");
	put_profile(kit, "img");
	kit_expect(kit,
		kit_delete(kit, PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, "img@111111111111", true),
		V(OK), "");
	expect_image(kit, "img", 2, 0);
}

static void test_the_version_of_a_boot_stays_to_its_end(void **state)
{
	struct kit *kit = *state;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootOnce once = PXE__BOOT_ONCE__INIT;
	Pxe__BootClaim claim = PXE__BOOT_CLAIM__INIT;
	Pxe__BootEnd end = PXE__BOOT_END__INIT;
	put_profile(kit, "img");
	kit_expect(kit, kit_host(kit, "n1", 1, 0, NULL), V(OK), "");
	once.host = claim.host = end.host = text("n1");
	once.profile = text("p");
	claim.image = text("img@1212121212121212");
	end.kind = PXE__BOOT_END_KIND__BOOT_END_OK;
	command.op_case = PXE__COMMAND__OP_BOOT_ONCE;
	command.boot_once = &once;
	kit_expect(kit, kit_apply(kit, &command), V(OK), "");
	command.op_case = PXE__COMMAND__OP_BOOT_CLAIM;
	command.boot_claim = &claim;
	kit_expect(kit, kit_apply(kit, &command), V(OK), "");
	push(kit, "img", 3);
	push(kit, "img", 4);
	assert_true(has_version(kit, "img", 2));
	kit_expect(kit,
		kit_delete(kit, PXE__OBJECT_KIND__OBJECT_IMAGE_VERSION, "img@121212121212", true),
		V(CONFLICT), "named by the boot of host n1");
	command.op_case = PXE__COMMAND__OP_BOOT_END;
	command.boot_end = &end;
	kit_expect(kit, kit_apply(kit, &command), V(OK), "");
	push(kit, "img", 5);
	assert_false(has_version(kit, "img", 2));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_tag_goes_back_to_the_previous_version),
		TEST(test_a_tag_makes_another_name_for_a_version),
		TEST(test_only_a_published_version_is_tagged),
		TEST(test_versions_that_nobody_names_go),
		TEST(test_a_version_that_a_profile_names_stays),
		TEST(test_the_previous_version_is_not_removed_under_a_profile),
		TEST(test_the_version_of_a_boot_stays_to_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
