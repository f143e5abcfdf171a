/* What a path means, hostile paths included, and what of the state may be seen [P7]. */
#include "content_fixture.h"
#include "node/content/content_cache.h"
#include "node/content/content_path.h"

#include "proto/wire/text.h"
#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HASH64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* FIELD 56 */
static void test_paths(void **state)
{
	static const struct {
		const char *path, *meaning;
	} table[] = {
		{"debian12/vmlinuz", "file debian12 '' vmlinuz"},
		{"/debian12/vmlinuz", "file debian12 '' vmlinuz"},
		{"//debian12///vmlinuz", "file debian12 '' vmlinuz"},
		{"\\debian12\\boot\\vmlinuz", "file debian12 '' boot/vmlinuz"},
		{"./debian12/./a/.b/...", "file debian12 '' a/.b/..."},
		{"debian12/a b", "file debian12 '' a b"},
		{"debian12@0123456789ab/x", "file debian12 '0123456789ab' x"},
		{"debian12@sha256:0123456789abcdef/x", "file debian12 '0123456789abcdef' x"},
		{"debian12@" HASH64 "/x", "file debian12 '" HASH64 "' x"},
		{"boot/vmlinuz", "file boot '' vmlinuz"},
		{"blob/short", "file blob '' short"},
		{"boot.ipxe", "script "},
		{"BOOT.IPXE", "script "},
		{"/autoexec.ipxe", "script "},
		{"boot/52-54-00-aa-00-02.ipxe", "script 525400aa0002"},
		{"boot/52:54:00:aa:00:02.ipxe", "script 525400aa0002"},
		{"phone-home/52:54:00:AA:00:02", "home 525400aa0002"},
		{"blob/" HASH64, "blob 01 ''"},
		{"blob/" HASH64 "/linux.efi", "blob 01 'linux.efi'"},
		/* nothing */
		{"", "-2"},
		{"/", "-2"},
		{".", "-2"},
		{"vmlinuz", "-2"},
		{"debian12/", "-2"},
		{"@0123456789ab/x", "-2"},
		{"debian12@/x", "-2"},
		{"debian12@0123/x", "-2"},
		{"debian12@0123456789AB/x", "-2"},
		{"debian12@0123456789ab@0123456789ab/x", "-2"},
		{"debian12@" HASH64 "0/x", "-2"},
		{"a-name-of-sixty-four-bytes-is-one-byte-too-long-for-a-place-here/x", "-2"},
		/* attempts */
		{"..", "-22"},
		{"../etc/passwd", "-22"},
		{"debian12/../../etc/passwd", "-22"},
		{"debian12\\..\\..\\etc", "-22"},
		{"debian12/..", "-22"},
		{"/..//debian12/x", "-22"},
		{"debian12/a\nb", "-22"},
		{"debian12/\x01", "-22"},
		{"debian12/\x7f", "-22"},
		{"boot/../boot.ipxe", "-22"},
	};
	static const char *const kinds[] = {"file", "script", "blob", "home"};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct content_path p;
		char got[700];
		int err = content_path_parse(table[i].path, &p), used;
		if (err != 0) {
			snprintf(got, sizeof got, "%d", err);
		} else if (p.kind == CONTENT_NAME_FILE) {
			snprintf(got, sizeof got, "file %s '%s' %s", p.image, p.pin, p.file);
		} else if (p.kind == CONTENT_NAME_BLOB) {
			snprintf(got, sizeof got, "blob %02x '%s'", p.sha256[0], p.file);
		} else {
			used = snprintf(got, sizeof got, "%s ", kinds[p.kind]);
			for (size_t k = 0; k < p.mac_bytes; k++) {
				used += snprintf(
					got + used, sizeof got - (size_t)used, "%02x", p.mac[k]);
			}
		}
		assert_string_equal(got, table[i].meaning);
	}
}

static void test_a_long_path_is_refused(void **state)
{
	char path[3000], out[CONTENT_PATH_MAX];

	(void)state;
	memset(path, 'a', sizeof path);
	path[sizeof path - 1] = '\0';
	assert_int_equal(content_path_normalise(path, out), -EINVAL);
	path[CONTENT_PATH_MAX] = '\0';
	assert_int_equal(content_path_normalise(path, out), -EINVAL);
	path[CONTENT_PATH_MAX - 2] = '\0';
	assert_int_equal(content_path_normalise(path, out), 0);
	assert_string_equal(out, path);
	/* slashes alone are nothing, even many */
	memset(path, '/', 900);
	path[900] = '\0';
	assert_int_equal(content_path_normalise(path, out), 0);
	assert_string_equal(out, "");
}

static void test_decoding(void **state)
{
	char out[16];

	(void)state;
	assert_int_equal(content_decode("a%20b%2F", 8, out, sizeof out), 0);
	assert_string_equal(out, "a b/");
	assert_int_equal(content_decode("%00", 3, out, sizeof out), -EINVAL);
	assert_int_equal(content_decode("%4", 2, out, sizeof out), -EINVAL);
	assert_int_equal(content_decode("%", 1, out, sizeof out), -EINVAL);
	assert_int_equal(content_decode("%zz", 3, out, sizeof out), -EINVAL);
	assert_int_equal(content_decode("0123456789abcdef", 16, out, sizeof out), -EINVAL);
	assert_int_equal(content_query("a=1&mac=52%3a54&b", "mac", out, sizeof out), 0);
	assert_string_equal(out, "52:54");
	assert_int_equal(content_query("xmac=1&ma=2&b", "mac", out, sizeof out), -ENOENT);
	assert_int_equal(content_query(NULL, "mac", out, sizeof out), -ENOENT);
	assert_int_equal(content_query("mac=ab%zz", "mac", out, sizeof out), -EINVAL);
	assert_string_equal(out, "");
	assert_int_equal(content_query("mac=", "mac", out, sizeof out), 0);
	assert_string_equal(out, "");
}

/* ---- with a state */

static const uint8_t ip_self[4] = {10, 0, 0, 1}, ip_other[4] = {10, 0, 0, 2};

static int setup(void **state)
{
	struct fixture *f = fixture_open(1);

	fixture_member(f, 1, "n1", ip_self, 8080);
	fixture_member(f, 2, "n2", ip_other, 80);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

static int ask(struct fixture *f, const char *path, struct content *content)
{
	const struct content_request request = {
		.path = path, .client_ip = 0x0a000032, .local_ip = 0x0a000005, .local_port = 8080};

	return content_open(f->content, &request, content);
}

static void expect_bytes(struct fixture *f, const char *path, const char *bytes)
{
	struct content content;
	char got[64] = "";

	assert_int_equal(ask(f, path, &content), 0);
	assert_int_equal(content.kind, CONTENT_FILE);
	assert_int_equal(content.bytes, strlen(bytes));
	assert_int_equal(read(content.fd, got, sizeof got), (ssize_t)strlen(bytes));
	assert_string_equal(got, bytes);
	content_fini(&content);
}

static void test_only_published_versions_are_seen(void **state)
{
	struct fixture *f = *state;
	uint8_t sha_old[32], sha_new[32], sha_staged[32], old[32], new[32], staged[32];
	struct content content;

	fixture_blob(f->blobs, "old", 3, sha_old);
	fixture_blob(f->blobs, "new", 3, sha_new);
	fixture_blob(f->blobs, "staged", 6, sha_staged);
	fixture_version(f, "img", 0x11, "k", sha_old, 3, true, 1, old);
	fixture_version(f, "img", 0x22, "k", sha_new, 3, true, 1, new);
	fixture_version(f, "img", 0x33, "k", sha_staged, 6, false, 1, staged);
	fixture_image(f, "img", new);
	fixture_version(f, "fresh", 0x44, "k", sha_staged, 6, false, 1, staged);
	fixture_image(f, "fresh", NULL);
	fixture_sync(f);
	expect_bytes(f, "img/k", "new");
	expect_bytes(f, "img@111111111111/k", "old");
	expect_bytes(f,
		"img@sha256:2222222222222222222222222222222222222222222222222222222222222222/k",
		"new");
	assert_int_equal(ask(f, "img@333333333333/k", &content), -ENOENT);
	assert_int_equal(ask(f, "img@555555555555/k", &content), -ENOENT);
	assert_int_equal(ask(f, "img/other", &content), -ENOENT);
	assert_int_equal(ask(f, "fresh/k", &content), -ENOENT);
	assert_int_equal(ask(f, "nobody/k", &content), -ENOENT);
	assert_int_equal(ask(f, "img/../img/k", &content), -EINVAL);
	/* publishing the next version changes what the name means at once */
	fixture_version(f, "img", 0x33, "k", sha_staged, 6, true, 1, staged);
	fixture_image(f, "img", staged);
	fixture_sync(f);
	expect_bytes(f, "img/k", "staged");
	expect_bytes(f, "img@222222222222/k", "new");
}

static void test_a_missing_blob_is_elsewhere(void **state)
{
	struct fixture *f = *state;
	uint8_t sha256[32], digest[32];
	struct content content;

	fixture_sha("far", 3, sha256);
	fixture_version(f, "img", 0x11, "boot/k.efi", sha256, 3, true, 2, digest);
	fixture_image(f, "img", digest);
	fixture_sync(f);
	assert_int_equal(ask(f, "img/boot/k.efi", &content), 0);
	assert_int_equal(content.kind, CONTENT_ELSEWHERE);
	assert_int_equal(strncmp(content.redirect_url, "http://10.0.0.2:80/blob/", 24), 0);
	assert_string_equal(content.redirect_url + 24 + 64, "/k.efi");
	content_fini(&content);
	/* only we are said to hold it: nobody can give it now */
	fixture_version(f, "img", 0x11, "boot/k.efi", sha256, 3, true, 1, digest);
	fixture_sync(f);
	assert_int_equal(ask(f, "img/boot/k.efi", &content), -EIO);
}

static void test_blobs_by_hash(void **state)
{
	struct fixture *f = *state;
	char path[96] = "blob/", bad[96];
	struct content content;
	uint8_t sha256[32];

	fixture_blob(f->blobs, "bytes", 5, sha256);
	for (size_t i = 0; i < 32; i++) {
		snprintf(path + 5 + 2 * i, 3, "%02x", sha256[i]);
	}
	expect_bytes(f, path, "bytes");
	strcpy(bad, path);
	bad[5] = bad[5] == '0' ? '1' : '0';
	assert_int_equal(ask(f, bad, &content), -ENOENT);
	strcat(path, "/x.efi");
	assert_int_equal(ask(f, path, &content), 0);
	assert_true(content.blob);
	assert_string_equal(content.media_type, "application/efi");
	assert_memory_equal(content.sha256, sha256, 32);
	content_fini(&content);
}

static void put_host(struct fixture *f, const char *profile)
{
	static uint8_t mac[6] = {0x52, 0x54, 0, 0xaa, 0, 2}, ip[4] = {10, 0, 0, 50};
	ProtobufCBinaryData macs = {6, mac};
	Pxe__Host host = PXE__HOST__INIT;
	uint8_t key[RECORD_KEY_MAX];

	host.name = fixture_text("n02");
	host.mac = &macs;
	host.n_mac = 1;
	host.ip.data = ip;
	host.ip.len = 4;
	host.profile = fixture_text(profile);
	fixture_put(f, RECORD_HOST, "n02", 3, &host.base);
	kv_state_put(
		f->kv, key, record_key(RECORD_HOST_MAC, mac, 6, key), (const uint8_t *)"n02", 3);
	kv_state_put(f->kv, key, record_key(RECORD_HOST_IP, ip, 4, key), (const uint8_t *)"n02", 3);
}

static void expect_script(
	struct fixture *f, const char *path, const char *query, uint32_t ip, const char *part)
{
	const struct content_request request = {.path = path,
		.query = query,
		.client_ip = ip,
		.local_ip = 0x0a000005,
		.local_port = 8080};
	struct content content;

	assert_int_equal(content_open(f->content, &request, &content), 0);
	assert_int_equal(content.kind, CONTENT_TEXT);
	assert_true(content.script);
	assert_int_equal(content.bytes, strlen(content.text));
	if (strstr(content.text, part) == NULL) {
		print_error("%s\n", content.text);
	}
	assert_non_null(strstr(content.text, part));
	content_fini(&content);
}

static void test_scripts_know_their_machine(void **state)
{
	struct fixture *f = *state;
	Pxe__Profile profile = PXE__PROFILE__INIT;
	Pxe__Subnet subnet = PXE__SUBNET__INIT;
	uint8_t sha256[32], digest[32], network[4] = {10, 0, 0, 0};

	fixture_blob(f->blobs, "kernel", 6, sha256);
	fixture_version(f, "img", 0x11, "k", sha256, 6, true, 1, digest);
	fixture_image(f, "img", digest);
	profile.name = fixture_text("p");
	profile.image = fixture_text("img");
	profile.kernel = fixture_text("k");
	fixture_put(f, RECORD_PROFILE, "p", 1, &profile.base);
	profile.name = fixture_text("disk");
	profile.local = true;
	fixture_put(f, RECORD_PROFILE, "disk", 4, &profile.base);
	subnet.name = fixture_text("lab");
	subnet.network_ip.data = network;
	subnet.network_ip.len = 4;
	subnet.prefix_len = 24;
	subnet.profile = fixture_text("disk");
	fixture_put(f, RECORD_SUBNET, "lab", 3, &subnet.base);
	put_host(f, "p");
	fixture_sync(f);
	expect_script(
		f, "boot/52-54-00-aa-00-02.ipxe", NULL, 0, "# host n02, profile p from host n02");
	expect_script(f, "boot.ipxe", "arch=0&mac=52:54:00:aa:00:02", 0, "# host n02");
	expect_script(f, "boot.ipxe", NULL, 0x0a000032, "# host n02");
	expect_script(
		f, "autoexec.ipxe", NULL, 0x0a000032, "kernel ${base}/img@1111111111111111/k");
	/* as reached, then our own address, then the other node */
	expect_script(f, "boot.ipxe", NULL, 0x0a000032,
		"set node0 http://10.0.0.5:8080\nset node1 http://10.0.0.1:8080\nset node2 "
		"http://10.0.0.2:80\n:start");
	expect_script(f, "boot.ipxe", NULL, 0x0a000063, "profile disk from subnet lab");
	expect_script(f, "boot/00-00-00-00-00-01.ipxe", NULL, 0x0b000001,
		"Network boot: unknown machine");
	expect_script(f, "boot.ipxe", "mac=%%%&uuid=junk&arch=x", 0x0b000001,
		"Network boot: unknown machine");
}

static int cache_find(struct content_cache *cache, const char *path, uint64_t *ret_bytes)
{
	static const uint8_t digest[32] = {7};
	uint8_t sha256[32];

	return content_cache_find(cache, digest, path, sha256, ret_bytes);
}

/* FIELD 56: the name as it is, else the only one that differs in case. */
static void test_case_is_forgiven_where_it_is_clear(void **state)
{
	static const uint8_t digest[32] = {7};
	const char *names[] = {"Boot/BCD", "a/Readme", "a/README"};
	uint8_t sha256[32] = {1};
	Pxe__ImageFile file[3];
	Pxe__ImageFile *files[3];
	Pxe__ImageVersion version = PXE__IMAGE_VERSION__INIT;
	struct content_cache *cache = content_cache_new();
	uint64_t bytes = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		file[i] = (Pxe__ImageFile)PXE__IMAGE_FILE__INIT;
		file[i].path = fixture_text(names[i]);
		file[i].bytes = i + 1;
		file[i].sha256 = (ProtobufCBinaryData){32, sha256};
		files[i] = &file[i];
	}
	version.files = files;
	version.n_files = 3;
	assert_int_equal(cache_find(cache, "Boot/BCD", &bytes), -1);
	content_cache_add(cache, digest, &version);
	assert_int_equal(cache_find(cache, "boot/bcd", &bytes), 1);
	assert_int_equal(bytes, 1);
	assert_int_equal(cache_find(cache, "a/README", &bytes), 1);
	assert_int_equal(bytes, 3);
	assert_int_equal(cache_find(cache, "a/readme", &bytes), 0);
	assert_int_equal(cache_find(cache, "a/read", &bytes), 0);
	content_cache_free(cache);
}

/* FIELD 58, FIELD 59: a boot program's questions by bare names are about what its machine boots. */
static void test_bare_names_are_of_the_machines_image(void **state)
{
	const uint32_t machine = 0x0a000032;
	struct fixture *f = *state;
	struct content_request request = {.path = "start4.elf",
		.client_ip = machine,
		.local_ip = 0x0a000005,
		.local_port = 8080};
	struct content content;
	Pxe__Profile profile = PXE__PROFILE__INIT;
	uint8_t sha256[32], digest[32];
	char pin[17], below[64];
	const char *const found[] = {
		"start4.elf", "/start4.elf", "1a2b3c4d/start4.elf", "START4.ELF"};
	const char *const missing[] = {"start.elf", "1a2b3c4d/start.elf", "pxelinux.cfg/0A0000",
		"img2/start4.elf", "1a2b3c/start4.elf", "1a2b3c4d", ""};

	fixture_blob(f->blobs, "firmware", 8, sha256);
	fixture_version(f, "rpi", 0x11, "start4.elf", sha256, 8, true, 1, digest);
	fixture_image(f, "rpi", digest);
	profile.name = fixture_text("pi");
	profile.image = fixture_text("rpi");
	profile.kernel = fixture_text("start4.elf");
	fixture_put(f, RECORD_PROFILE, "pi", 2, &profile.base);
	put_host(f, "pi");
	fixture_sync(f);
	for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
		request.path = found[i];
		assert_int_equal(content_open(f->content, &request, &content), 0);
		assert_int_equal(content.bytes, 8);
		assert_string_equal(content.host, "n02");
		content_fini(&content);
	}
	for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
		request.path = missing[i];
		assert_int_equal(content_open(f->content, &request, &content), -ENOENT);
	}
	request.path = "boot/pxelinux.cfg/0A000032"; /* no file: made */
	assert_int_equal(content_open(f->content, &request, &content), 0);
	assert_int_equal(content.kind, CONTENT_TEXT);
	assert_string_equal(content.host, "n02");
	content_fini(&content);
	/* U-Boot's own folder in front of a pinned path. */
	text_hex_format(digest, 8, pin, sizeof pin);
	snprintf(below, sizeof below, "ipxe//rpi@%s/start4.elf", pin);
	request.path = below;
	assert_int_equal(content_open(f->content, &request, &content), 0);
	assert_int_equal(content.bytes, 8);
	content_fini(&content);
	snprintf(below, sizeof below, "ipxe/rpi@%s/other", pin);
	assert_int_equal(content_open(f->content, &request, &content), -ENOENT);
	request.path = "start4.elf";
	request.client_ip = machine + 1; /* nobody that we know */
	assert_int_equal(content_open(f->content, &request, &content), -ENOENT);
	request.path = "../start4.elf";
	assert_int_equal(content_open(f->content, &request, &content), -EINVAL);
	request.path = "autoexec.ipxe";
	assert_int_equal(content_open(f->content, &request, &content), 0);
	assert_true(content.script);
	content_fini(&content);
}

static void test_phone_home_names_the_machine(void **state)
{
	struct fixture *f = *state;
	struct content content;

	put_host(f, "p");
	fixture_sync(f);
	assert_int_equal(ask(f, "phone-home/52:54:00:aa:00:02", &content), 0);
	assert_true(content.phone_home);
	assert_string_equal(content.text, "ok\n");
	assert_string_equal(content.host, "n02");
	assert_int_equal(content.mac_bytes, 6);
	content_fini(&content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_a_long_path_is_refused),
		cmocka_unit_test(test_decoding),
		cmocka_unit_test_setup_teardown(
			test_only_published_versions_are_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_missing_blob_is_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blobs_by_hash, setup, teardown),
		cmocka_unit_test(test_case_is_forgiven_where_it_is_clear),
		cmocka_unit_test_setup_teardown(
			test_bare_names_are_of_the_machines_image, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scripts_know_their_machine, setup, teardown),
		cmocka_unit_test_setup_teardown(test_phone_home_names_the_machine, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
