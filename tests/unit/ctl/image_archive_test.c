/* Archives as trees: good ones come out as they went in, hostile ones are refused whole with the
 * entry named. All are made here. */
#include "ctl/image_archive.h"
#include "ctl/temp_tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
	struct ctl ctl;
	struct temp_tree tree;
	char archive[300], out[300];
	char *text;
	size_t text_bytes;
	struct archive *writer;
};

static void begin(struct rig *rig, const char *name, int (*format)(struct archive *),
	int (*filter)(struct archive *))
{
	memset(rig, 0, sizeof *rig);
	rig->ctl.err = open_memstream(&rig->text, &rig->text_bytes);
	rig->ctl.quiet = false;
	rig->ctl.out = rig->ctl.err;
	/* progress asks whether err is a terminal: a memory stream has no descriptor, and is none
	 */
	assert_int_equal(temp_tree_open(&rig->ctl, &rig->tree), CTL_OK);
	snprintf(rig->archive, sizeof rig->archive, "%s/%s", rig->tree.path, name);
	snprintf(rig->out, sizeof rig->out, "%s/out", rig->tree.path);
	assert_int_equal(mkdir(rig->out, 0700), 0);
	rig->writer = archive_write_new();
	assert_int_equal(format(rig->writer), ARCHIVE_OK);
	assert_int_equal(filter(rig->writer), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(rig->writer, rig->archive), ARCHIVE_OK);
}

static void put(struct rig *rig, const char *path, unsigned type, const char *data,
	const char *symbolic, const char *hard)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, type == AE_IFDIR ? 0755 : 0644);
	archive_entry_set_size(entry, data == NULL ? 0 : (int64_t)strlen(data));
	if (symbolic != NULL) {
		archive_entry_set_symlink(entry, symbolic);
	}
	if (hard != NULL) {
		archive_entry_set_hardlink(entry, hard);
	}
	assert_int_equal(archive_write_header(rig->writer, entry), ARCHIVE_OK);
	if (data != NULL) {
		archive_write_data(rig->writer, data, strlen(data));
	}
	archive_entry_free(entry);
}

static void put_file(struct rig *rig, const char *path, const char *data)
{
	put(rig, path, AE_IFREG, data, NULL, NULL);
}

static int unpack(struct rig *rig, uint64_t room_bytes)
{
	int result;

	if (rig->writer != NULL) {
		assert_int_equal(archive_write_close(rig->writer), ARCHIVE_OK);
		archive_write_free(rig->writer);
		rig->writer = NULL;
	}
	result = image_archive_unpack(&rig->ctl, rig->archive, rig->out, room_bytes);
	fflush(rig->ctl.err);
	return result;
}

static void end(struct rig *rig)
{
	fclose(rig->ctl.err);
	free(rig->text);
	temp_tree_close(&rig->tree);
}

static void assert_holds(const struct rig *rig, const char *path, const char *data)
{
	char name[600], text[256] = "";
	int fd;

	snprintf(name, sizeof name, "%s/%s", rig->out, path);
	fd = open(name, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof text - 1), strlen(data));
	close(fd);
	assert_string_equal(text, data);
}

static bool is_there(const struct rig *rig, const char *path)
{
	char name[600];
	struct stat st;

	snprintf(name, sizeof name, "%s/%s", rig->out, path);
	return lstat(name, &st) == 0;
}

/* ---- good ones */

static void check_good(const char *name, int (*format)(struct archive *),
	int (*filter)(struct archive *), const char *file)
{
	struct rig rig;

	begin(&rig, name, format, filter);
	put(&rig, "images", AE_IFDIR, NULL, NULL, NULL);
	put_file(&rig, file, "the kernel");
	put_file(&rig, "images/empty.img", NULL);
	assert_int_equal(unpack(&rig, UINT64_MAX), CTL_OK);
	assert_holds(&rig, file, "the kernel");
	assert_holds(&rig, "images/empty.img", "");
	end(&rig);
}

static void test_tar_zip_and_iso_come_out_as_they_went_in(void **state)
{
	(void)state;
	check_good("a.tar", archive_write_set_format_pax_restricted, archive_write_add_filter_none,
		"images/vmlinuz");
	check_good("a.tar.gz", archive_write_set_format_ustar, archive_write_add_filter_gzip,
		"images/vmlinuz");
	check_good("a.tar.xz", archive_write_set_format_gnutar, archive_write_add_filter_xz,
		"images/vmlinuz");
	check_good("a.tar.zst", archive_write_set_format_pax, archive_write_add_filter_zstd,
		"images/Ünïcode Name");
	check_good("a.zip", archive_write_set_format_zip, archive_write_add_filter_none,
		"images/vmlinuz");
	check_good("a.iso", archive_write_set_format_iso9660, archive_write_add_filter_none,
		"images/A long Name, mixed.tar.gz");
}

static void test_links_inside_lead_to_what_they_name(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, "a.tar", archive_write_set_format_pax_restricted,
		archive_write_add_filter_none);
	put(&rig, "latest", AE_IFLNK, NULL, "v2/linux", NULL); /* before what it leads to */
	put_file(&rig, "./v2/linux", "two");
	put(&rig, "v2/again", AE_IFREG, NULL, NULL, "v2/linux");
	put(&rig, "v2/up", AE_IFLNK, NULL, "../v2/./linux", NULL);
	put(&rig, "debian", AE_IFLNK, NULL, ".", NULL);
	put(&rig, "nothing", AE_IFLNK, NULL, "v3/linux", NULL);
	assert_int_equal(unpack(&rig, UINT64_MAX), CTL_OK);
	assert_holds(&rig, "latest", "two");
	assert_holds(&rig, "v2/again", "two");
	assert_holds(&rig, "v2/up", "two");
	assert_holds(&rig, "debian/v2/linux", "two");
	assert_false(is_there(&rig, "nothing"));
	assert_non_null(strstr(rig.text, "left out: nothing"));
	end(&rig);
}

static void test_devices_are_left_out_with_a_note(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, "a.tar", archive_write_set_format_ustar, archive_write_add_filter_none);
	put(&rig, "dev/null", AE_IFCHR, NULL, NULL, NULL);
	put_file(&rig, "file", "x");
	assert_int_equal(unpack(&rig, UINT64_MAX), CTL_OK);
	assert_non_null(strstr(rig.text, "left out: dev/null"));
	assert_false(is_there(&rig, "dev/null"));
	assert_true(is_there(&rig, "file"));
	end(&rig);
}

/* ---- hostile ones */

static void test_names_that_are_none_are_refused_with_the_entry(void **state)
{
	static const char *const names[] = {"../etc/passwd", "/etc/passwd", "a/../../b", "a/./b",
		"a\\b", "a\nb", "a/..", "..",
		"x/"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
		"2345678901234567890123456789012345678901234567890123456789012345678901234567890123"
		"4567890123456789012345678901234567890123456789012345678901234567890123456789012345"
		"6"
		"789012345678901234567890"};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		begin(&rig, "a.tar", archive_write_set_format_pax, archive_write_add_filter_none);
		put_file(&rig, "good", "x");
		put_file(&rig, names[i], "x");
		assert_int_equal(unpack(&rig, UINT64_MAX), CTL_USAGE);
		assert_non_null(strstr(rig.text, "entry '"));
		assert_non_null(strstr(rig.text, "nothing was pushed"));
		end(&rig);
	}
}

static void check_link(const char *path, const char *symbolic, const char *hard)
{
	struct rig rig;

	begin(&rig, "a.tar", archive_write_set_format_pax_restricted,
		archive_write_add_filter_none);
	put_file(&rig, "x", "x");
	put(&rig, path, symbolic != NULL ? AE_IFLNK : AE_IFREG, NULL, symbolic, hard);
	assert_int_equal(unpack(&rig, UINT64_MAX), CTL_USAGE);
	assert_non_null(strstr(rig.text, path));
	assert_non_null(strstr(rig.text, "link"));
	end(&rig);
}

static void test_links_that_lead_out_are_refused(void **state)
{
	struct rig rig;

	(void)state;
	check_link("l", "/etc/passwd", NULL);
	check_link("l", "..", NULL);
	check_link("a/b/l", "../../../x", NULL);
	check_link("l", NULL, "../../etc/passwd");
	check_link("l", NULL, "/etc/passwd");
	check_link("l", NULL, "not there");
	/* By way of another link, which stays inside. */
	begin(&rig, "a.tar", archive_write_set_format_pax_restricted,
		archive_write_add_filter_none);
	put(&rig, "a/b/c/top", AE_IFLNK, NULL, "../../..", NULL);
	put(&rig, "a/b/c/out", AE_IFLNK, NULL, "top/..", NULL);
	assert_int_equal(unpack(&rig, UINT64_MAX), CTL_USAGE);
	assert_non_null(strstr(rig.text, "a/b/c/out"));
	end(&rig);
}

static void test_nothing_is_written_through_a_link(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, "a.tar", archive_write_set_format_pax_restricted,
		archive_write_add_filter_none);
	put(&rig, "d", AE_IFLNK, NULL, "..", NULL);
	put_file(&rig, "d/planted", "x");
	assert_int_equal(unpack(&rig, UINT64_MAX), CTL_USAGE);
	char planted[400];
	snprintf(planted, sizeof planted, "%s/planted", rig.tree.path);
	assert_int_not_equal(access(planted, F_OK), 0);
	end(&rig);
}

static void test_a_name_that_is_there_twice_is_refused(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig, "a.tar", archive_write_set_format_ustar, archive_write_add_filter_none);
	put_file(&rig, "a", "x");
	put_file(&rig, "a", "y");
	assert_int_equal(unpack(&rig, UINT64_MAX), CTL_USAGE);
	assert_non_null(strstr(rig.text, "entry 'a' is there twice"));
	end(&rig);
}

static void test_an_archive_that_is_cut_is_refused(void **state)
{
	static const struct {
		const char *name;
		int (*format)(struct archive *), (*filter)(struct archive *);
	} kinds[] = {{"a.tar", archive_write_set_format_ustar, archive_write_add_filter_none},
		{"a.tgz", archive_write_set_format_ustar, archive_write_add_filter_gzip},
		{"a.iso", archive_write_set_format_iso9660, archive_write_add_filter_none},
		{"a.zip", archive_write_set_format_zip, archive_write_add_filter_none}};
	char *noise = malloc(200001);
	struct rig rig;
	struct stat st;

	(void)state;
	for (size_t i = 0; i < 200000; i++) {
		noise[i] = (char)('0' + (i * i / 7 + i % 13) % 60);
	}
	noise[200000] = '\0';
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		begin(&rig, kinds[i].name, kinds[i].format, kinds[i].filter);
		put_file(&rig, "noise", noise);
		archive_write_close(rig.writer);
		archive_write_free(rig.writer);
		rig.writer = NULL;
		assert_int_equal(stat(rig.archive, &st), 0);
		assert_int_equal(truncate(rig.archive, st.st_size / 4), 0);
		assert_int_equal(unpack(&rig, UINT64_MAX), CTL_USAGE);
		assert_non_null(strstr(rig.text, "nothing was pushed"));
		end(&rig);
	}
	free(noise);
}

static void test_an_iso_that_is_none_is_refused_with_what_to_do(void **state)
{
	struct rig rig;
	FILE *file;

	(void)state;
	begin(&rig, "a.iso", archive_write_set_format_iso9660, archive_write_add_filter_none);
	put_file(&rig, "x", "x");
	archive_write_close(rig.writer);
	archive_write_free(rig.writer);
	rig.writer = NULL;
	file = fopen(rig.archive, "w");
	for (int i = 0; i < 5000; i++) {
		fputs("<html>404 not found</html>\n", file);
	}
	fclose(file);
	assert_int_equal(unpack(&rig, UINT64_MAX), CTL_USAGE);
	assert_non_null(strstr(rig.text, "a.iso is not a whole archive"));
	assert_non_null(strstr(rig.text, "--as-file"));
	end(&rig);
}

/* A sparse file of a tebibyte takes a few hundred bytes of archive. */
static void test_a_bomb_is_refused_before_it_is_written(void **state)
{
	struct archive_entry *entry = archive_entry_new();
	struct rig rig;

	(void)state;
	begin(&rig, "a.tar.gz", archive_write_set_format_pax, archive_write_add_filter_gzip);
	archive_entry_set_pathname(entry, "bomb");
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, INT64_C(1) << 40);
	archive_entry_sparse_add_entry(entry, 0, 1);
	archive_entry_sparse_add_entry(entry, INT64_C(1) << 40, 0);
	assert_int_equal(archive_write_header(rig.writer, entry), ARCHIVE_OK);
	archive_write_data(rig.writer, "x", 1);
	archive_entry_free(entry);
	archive_write_close(rig.writer);
	archive_write_free(rig.writer);
	rig.writer = NULL;
	assert_int_equal(unpack(&rig, UINT64_C(1) << 30), CTL_REFUSED);
	assert_non_null(strstr(rig.text, "does not fit"));
	assert_non_null(strstr(rig.text, "1 TB"));
	assert_non_null(strstr(rig.text, "room for 1 GB"));
	assert_non_null(strstr(rig.text, "entry 'bomb'"));
	assert_non_null(strstr(rig.text, "TMPDIR"));
	end(&rig);
}

static void test_only_names_of_archives_are_archives(void **state)
{
	(void)state;
	assert_true(image_archive_is("/x/Debian.ISO"));
	assert_true(image_archive_is("netboot.tar.gz"));
	assert_true(image_archive_is("a.tar.zst"));
	assert_false(image_archive_is("initrd.gz"));
	assert_false(image_archive_is("disk.img.xz"));
	assert_false(image_archive_is("vmlinuz"));
}

/* ---- the tree goes with its process */

static void test_the_tree_is_removed_when_its_process_is_killed(void **state)
{
	char path[300] = "";
	int ends[2], status;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		struct ctl ctl = {.err = stderr, .out = stdout};
		struct temp_tree tree;
		char file[400];
		if (temp_tree_open(&ctl, &tree) != CTL_OK) {
			_exit(1);
		}
		snprintf(file, sizeof file, "%s/a", tree.path);
		mkdir(file, 0700);
		snprintf(file, sizeof file, "%s/a/b", tree.path);
		close(open(file, O_WRONLY | O_CREAT, 0600));
		if (write(ends[1], tree.path, sizeof tree.path) < 0) {
			_exit(1);
		}
		for (;;) {
			pause();
		}
	}
	assert_true(read(ends[0], path, sizeof path) > 0);
	assert_int_equal(access(path, F_OK), 0);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	for (int i = 0; i < 1000 && access(path, F_OK) == 0; i++) {
		usleep(10000);
	}
	assert_int_not_equal(access(path, F_OK), 0);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tar_zip_and_iso_come_out_as_they_went_in),
		cmocka_unit_test(test_links_inside_lead_to_what_they_name),
		cmocka_unit_test(test_devices_are_left_out_with_a_note),
		cmocka_unit_test(test_names_that_are_none_are_refused_with_the_entry),
		cmocka_unit_test(test_links_that_lead_out_are_refused),
		cmocka_unit_test(test_nothing_is_written_through_a_link),
		cmocka_unit_test(test_a_name_that_is_there_twice_is_refused),
		cmocka_unit_test(test_an_archive_that_is_cut_is_refused),
		cmocka_unit_test(test_an_iso_that_is_none_is_refused_with_what_to_do),
		cmocka_unit_test(test_a_bomb_is_refused_before_it_is_written),
		cmocka_unit_test(test_only_names_of_archives_are_archives),
		cmocka_unit_test(test_the_tree_is_removed_when_its_process_is_killed),
	};

	setlocale(LC_CTYPE, "C.UTF-8"); /* libarchive writes names by it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
