/* Which version of an image is meant, how two differ, where an installer keeps its kernel. */
#include "ctl/edit_field.h"
#include "ctl/image_diff.h"
#include "ctl/image_ref.h"
#include "ctl/loaders.h"
#include "ctl/os_layout.h"
#include "proto/template/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Pxe__ImageVersion *version_of(const char *image, uint8_t digest)
{
	Pxe__ImageVersion *version = edit_new(&pxe__image_version__descriptor);
	uint8_t bytes[32];

	memset(bytes, digest, sizeof bytes);
	edit_set_text(&version->image, image);
	edit_set_bytes(&version->digest, bytes, sizeof bytes);
	return version;
}

static void add_file(Pxe__ImageVersion *version, const char *path, uint64_t bytes, uint8_t hash)
{
	Pxe__ImageFile *file = edit_new(&pxe__image_file__descriptor);
	uint8_t sha256[32];

	memset(sha256, hash, sizeof sha256);
	edit_set_text(&file->path, path);
	edit_set_bytes(&file->sha256, sha256, sizeof sha256);
	file->bytes = bytes;
	edit_append_message(&version->files, &version->n_files, file);
}

/* ---- references */

static void test_references_are_read(void **state)
{
	struct image_ref ref;
	char error[400];

	(void)state;
	assert_int_equal(image_ref_parse("debian12", &ref, error, sizeof error), 0);
	assert_string_equal(ref.name, "debian12");
	assert_string_equal(ref.digits, "");
	assert_false(ref.previous);
	assert_int_equal(image_ref_parse("debian12@prev", &ref, error, sizeof error), 0);
	assert_true(ref.previous);
	assert_int_equal(image_ref_parse("a@sha256:ABCDEF12", &ref, error, sizeof error), 0);
	assert_string_equal(ref.digits, "abcdef12");
}

static void test_references_that_are_none_are_refused(void **state)
{
	static const char *const texts[] = {"", "@prev", "a@", "a@12345", "a@xyzxyz", "a@prev@prev",
		"a@00000000000000000000000000000000000000000000000000000000000000001",
		"a23456789012345678901234567890123456789012345678901234567890abcd"};
	struct image_ref ref;
	char error[400];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_true(image_ref_parse(texts[i], &ref, error, sizeof error) < 0);
		assert_true(strlen(error) > 20);
	}
}

static void set_digest(ProtobufCBinaryData *field, uint8_t digest)
{
	uint8_t bytes[32];

	memset(bytes, digest, sizeof bytes);
	edit_set_bytes(field, bytes, sizeof bytes);
}

static struct image_lists lists_of(void)
{
	struct image_lists lists = {edit_new(&pxe__object_list__descriptor),
		edit_new(&pxe__object_list__descriptor), edit_new(&pxe__object_list__descriptor)};
	Pxe__Image *image = edit_new(&pxe__image__descriptor);

	edit_set_text(&image->name, "os");
	set_digest(&image->current_digest, 0x33);
	set_digest(&image->previous_digest, 0x22);
	edit_append_message(&lists.images->images, &lists.images->n_images, image);
	for (uint8_t digest = 0x11; digest <= 0x33; digest = (uint8_t)(digest + 0x11)) {
		edit_append_message(&lists.versions->image_versions,
			&lists.versions->n_image_versions, version_of("os", digest));
	}
	edit_append_message(&lists.versions->image_versions, &lists.versions->n_image_versions,
		version_of("other", 0x11));
	return lists;
}

static uint8_t found(const struct image_lists *lists, const char *text, char error[400])
{
	const Pxe__ImageVersion *version;
	struct image_ref ref;

	assert_int_equal(image_ref_parse(text, &ref, error, 400), 0);
	version = image_lists_find(lists, &ref, error, 400);
	return version == NULL ? 0 : version->digest.data[0];
}

static void test_a_reference_finds_its_version(void **state)
{
	struct image_lists lists = lists_of();
	char error[400];

	(void)state;
	assert_int_equal(found(&lists, "os", error), 0x33);
	assert_int_equal(found(&lists, "os@prev", error), 0x22);
	assert_int_equal(found(&lists, "os@111111111111", error), 0x11);
	assert_int_equal(found(&lists, "os@444444", error), 0);
	assert_non_null(strstr(error, "no version 444444"));
	assert_int_equal(found(&lists, "nobody", error), 0);
	assert_non_null(strstr(error, "no image 'nobody'"));
	assert_string_equal(image_lists_role(&lists, lists.versions->image_versions[0]), "");
	assert_string_equal(
		image_lists_role(&lists, lists.versions->image_versions[1]), "previous");
	assert_string_equal(image_lists_role(&lists, lists.versions->image_versions[2]), "current");
	lists.images->images[0]->previous_digest.len = 0;
	assert_int_equal(found(&lists, "os@prev", error), 0);
	assert_non_null(strstr(error, "no previous version"));
	image_lists_fini(&lists);
}

/* ---- differences */

static void test_differences_are_told_in_order_of_path(void **state)
{
	Pxe__ImageVersion *before = version_of("a", 1), *after = version_of("a", 2);
	struct image_diff_line *lines;
	size_t count;

	(void)state;
	add_file(before, "z/gone", 5, 1);
	add_file(before, "same", 6, 2);
	add_file(before, "changed", 7, 3);
	add_file(after, "new", 8, 4);
	add_file(after, "changed", 7, 5);
	add_file(after, "same", 6, 2);
	lines = image_diff(before, after, &count);
	assert_int_equal(count, 3);
	assert_int_equal(lines[0].kind, IMAGE_DIFF_CHANGED);
	assert_string_equal(lines[0].after->path, "changed");
	assert_int_equal(lines[1].kind, IMAGE_DIFF_ADDED);
	assert_string_equal(lines[1].after->path, "new");
	assert_int_equal(lines[2].kind, IMAGE_DIFF_REMOVED);
	assert_string_equal(lines[2].before->path, "z/gone");
	free(lines);
	lines = image_diff(before, before, &count);
	assert_int_equal(count, 0);
	free(lines);
	pxe__image_version__free_unpacked(before, NULL);
	pxe__image_version__free_unpacked(after, NULL);
}

/* ---- installers */

static void test_an_installer_is_found_where_it_lies(void **state)
{
	Pxe__ImageVersion *version = version_of("a", 1);
	const struct os_layout *layout;
	char folder[256];

	(void)state;
	add_file(version, "x/debian-installer/amd64/linux", 1, 1);
	assert_null(os_layout_find("debian-12", version, folder, sizeof folder)); /* no initrd */
	add_file(version, "x/debian-installer/amd64/initrd.gz", 1, 1);
	add_file(version, "gtk/y/debian-installer/amd64/linux", 1, 1);
	add_file(version, "gtk/y/debian-installer/amd64/initrd.gz", 1, 1);
	layout = os_layout_find("debian-12", version, folder, sizeof folder);
	assert_non_null(layout);
	assert_string_equal(layout->os, "debian-12");
	assert_string_equal(folder, "x/");
	assert_null(os_layout_find("fedora", version, folder, sizeof folder));
	assert_false(os_layout_known("plan9"));
	pxe__image_version__free_unpacked(version, NULL);
}

static void test_a_name_that_only_ends_like_a_kernel_is_none(void **state)
{
	Pxe__ImageVersion *version = version_of("a", 1);
	char folder[256];

	(void)state;
	add_file(version, "notmemtest.bin", 1, 1);
	add_file(version, "memtest.efi", 1, 1);
	assert_null(os_layout_find("memtest", version, folder, sizeof folder));
	add_file(version, "memtest.bin", 1, 1);
	assert_non_null(os_layout_find("memtest", version, folder, sizeof folder));
	assert_string_equal(folder, "");
	pxe__image_version__free_unpacked(version, NULL);
}

static void test_the_image_is_filled_into_arguments(void **state)
{
	char *text = os_layout_fill("repo={{base_url}}/%I/ x", "fed", "a/b/");

	(void)state;
	assert_string_equal(text, "repo={{base_url}}/fed/a/b/ x");
	free(text);
	text = os_layout_fill("%I", "fed", "");
	assert_string_equal(text, "fed");
	free(text);
}

/* Values of every name that is built in, and none of those that are up to the operator. */
static const char *value_of(void *ctx, const char *name)
{
	const struct os_layout *layout = ctx;

	for (size_t i = 0; strncmp(name, "vars.", 5) == 0 && i < OS_LAYOUT_VARS; i++) {
		if (layout->vars[i].name != NULL && strcmp(layout->vars[i].name, name + 5) == 0) {
			return layout->vars[i].value;
		}
	}
	return strcmp(name, "vars.iso_url") == 0 ? "http://x/y.iso"
	       : strncmp(name, "vars.", 5) == 0  ? NULL
						 : "VALUE";
}

static void test_every_layout_can_be_filled_in_with_its_defaults(void **state)
{
	(void)state;
	for (size_t i = 0; os_layout_at(i) != NULL; i++) {
		const struct os_layout *layout = os_layout_at(i);
		const struct template_values values = {
			.ctx = (void *)(uintptr_t)layout, .value = value_of};
		const char *texts[] = {
			layout->args, layout->templates[0].text, layout->templates[1].text};
		for (size_t k = 0; k < 3; k++) {
			struct template_place place;
			char error[400], *text = NULL;
			size_t bytes;
			if (texts[k] != NULL) {
				assert_int_equal(template_render(texts[k], &values, &text, &bytes,
							 &place, error, sizeof error),
					0);
				assert_null(strstr(text, "{{"));
				free(text);
			}
		}
	}
}

static void test_loaders_have_the_names_that_nodes_look_for(void **state)
{
	static const char *const paths[][2] = {{"ipxe", "undionly.kpxe"}, {"ipxe", "snponly.efi"},
		{"grub", "grubx64.efi"}, {"shim", "shimx64.efi"}, {"shim", "grubx64.efi"},
		{"pxelinux", "lpxelinux.0"}, {"pxelinux", "ldlinux.c32"},
		{"memtest", "memtest.bin"}};

	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		const struct loader_image *image = loader_image_find(paths[i][0]);
		bool there = false;
		assert_non_null(image);
		for (size_t k = 0; k < image->file_count; k++) {
			there = there || strcmp(image->files[k].path, paths[i][1]) == 0;
		}
		assert_true(there);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references_are_read),
		cmocka_unit_test(test_references_that_are_none_are_refused),
		cmocka_unit_test(test_a_reference_finds_its_version),
		cmocka_unit_test(test_differences_are_told_in_order_of_path),
		cmocka_unit_test(test_an_installer_is_found_where_it_lies),
		cmocka_unit_test(test_a_name_that_only_ends_like_a_kernel_is_none),
		cmocka_unit_test(test_the_image_is_filled_into_arguments),
		cmocka_unit_test(test_every_layout_can_be_filled_in_with_its_defaults),
		cmocka_unit_test(test_loaders_have_the_names_that_nodes_look_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
