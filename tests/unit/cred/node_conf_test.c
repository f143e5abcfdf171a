/* node.yaml and start.yaml: defaults, errors with their place, and what is written is read back.
 * Suggestions for mistyped words. */
#include "proto/cred/credfile.h"
#include "proto/cred/node_conf.h"
#include "proto/cred/suggest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD                                                                                       \
	"name: pxe1\nid: 1\ncluster_id: 00112233445566778899aabbccddeeff\ninterface: "             \
	"eth1\nserve_ip: 10.20.0.11\n"

static void test_what_is_left_out_has_its_default(void **state)
{
	(void)state;
	struct node_conf conf;
	char error[NODE_CONF_ERROR_BYTES];
	assert_int_equal(node_conf_parse(HEAD, "/etc/x/node.yaml", &conf, error, sizeof error), 0);
	assert_string_equal(conf.peer_address, "10.20.0.11:7440");
	assert_string_equal(conf.api_address, "10.20.0.11:7441");
	assert_string_equal(conf.join_address, "10.20.0.11:7442");
	assert_int_equal(conf.http_port, 80);
	assert_int_equal(conf.tftp_port, 69);
	assert_false(conf.tftp_single_port);
	assert_int_equal(conf.log_level, 6);
	assert_string_equal(conf.keys_dir, "/etc/x/keys");
	assert_string_equal(conf.data_dir, NODE_CONF_DATA);
	assert_string_equal(conf.socket_path, NODE_CONF_SOCKET);
	assert_int_equal(conf.serve_ip, 0x0a14000b);
	assert_int_equal(conf.cluster_id[15], 0xff);
}

static void test_what_is_written_is_read_back(void **state)
{
	(void)state;
	struct node_conf conf, read;
	char text[NODE_CONF_TEXT_MAX], error[NODE_CONF_ERROR_BYTES];
	assert_int_equal(
		node_conf_parse(HEAD
			"http_port: 8080\nlog_level: debug\ntftp_single_port: yes\ndata: \"/var/a "
			"b\"\npeer: 10.0.0.1:99\n",
			"/etc/x/node.yaml", &conf, error, sizeof error),
		0);
	assert_string_equal(conf.data_dir, "/var/a b");
	assert_true(conf.tftp_single_port);
	assert_true(node_conf_format(&conf, text, sizeof text) > 0);
	assert_int_equal(node_conf_parse(text, "/etc/y/node.yaml", &read, error, sizeof error), 0);
	assert_memory_equal(&conf, &read, sizeof conf);
}

static void fails_with(const char *text, const char *expected)
{
	struct node_conf conf, before;
	char error[NODE_CONF_ERROR_BYTES];
	memset(&conf, 0x77, sizeof conf);
	before = conf;
	assert_int_equal(node_conf_parse(text, "n.yaml", &conf, error, sizeof error), -EINVAL);
	if (strstr(error, expected) == NULL) {
		fail_msg("expected '%s' in '%s'", expected, error);
	}
	assert_memory_equal(&conf, &before, sizeof conf);
}

static void test_errors_name_line_column_and_what_to_write(void **state)
{
	(void)state;
	fails_with(HEAD "interfase: eth2\n",
		"n.yaml:6:1: error: unknown key 'interfase'; did you mean 'interface'?");
	fails_with(HEAD "tftp_single_port: maybe\n",
		"n.yaml:6:19: error: 'maybe' is not a value for 'tftp_single_port': write yes or "
		"no");
	fails_with(HEAD "http_port: 99999\n",
		"n.yaml:6:12: error: '99999' is not a value for 'http_port'");
	fails_with(HEAD "http_port: 99999\n", "    http_port: 99999\n               ^~~~~");
	fails_with(HEAD "peer: 10.0.0.1\n", "n.yaml:6:7: error");
	fails_with(HEAD "log_level: loud\n", "write error, warn, info or debug");
	fails_with(HEAD "data: relative\n", "absolute path");
	fails_with("name: pxe1\n", "'interface' is missing");
	fails_with("- a\n- b\n", "key: value");
	fails_with("", "n.yaml:1:1: error");
}

static void test_syntax_errors_have_a_place_too(void **state)
{
	(void)state;
	fails_with(HEAD "peer: [1\n", "n.yaml:");
	fails_with(HEAD "name: again\n", "n.yaml:6:");
	fails_with("name: &a x\nid: *a\n", "error");
	fails_with("%x\xff\n", "n.yaml:1:3: error: this is not UTF-8");
}

static void test_what_stands_behind_a_zero_byte_is_not_left_out_in_silence(void **state)
{
	(void)state;
	char path[] = "/tmp/pxe_zero.XXXXXX", error[256] = "", *text = NULL;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a: 1\n\0b: 2\n", 11), 11);
	close(fd);
	assert_int_equal(credfile_read(path, 100, &text, error, sizeof error), -EINVAL);
	assert_non_null(strstr(error, "zero byte at 5"));
	assert_null(text);
	unlink(path);
}

static Pxe__Member *member_of(Pxe__Member *member, uint64_t id, char *name)
{
	static uint8_t key[32];
	pxe__member__init(member);
	member->id = id;
	member->name = name;
	member->public_key = (ProtobufCBinaryData){32, key};
	return member;
}

static void test_start_instructions_are_read_back(void **state)
{
	(void)state;
	char a[] = "pxe1", b[] = "pxe2", cluster[] = "lab", error[NODE_CONF_ERROR_BYTES];
	Pxe__Member self, other, *members[2];
	Pxe__Settings settings = PXE__SETTINGS__INIT;
	struct node_start start = {.kind = NODE_START_JOIN,
				  .self = member_of(&self, 2, b),
				  .settings = &settings,
				  .members = members,
				  .member_count = 2},
			  read;
	members[0] = member_of(&other, 1, a);
	members[1] = &self;
	settings.cluster = cluster;
	char *text = node_start_format(&start);
	assert_non_null(text);
	assert_int_equal(node_start_parse(text, "start.yaml", &read, error, sizeof error), 0);
	free(text);
	assert_int_equal(read.kind, NODE_START_JOIN);
	assert_string_equal(read.self->name, "pxe2");
	assert_int_equal(read.self->public_key.len, 32);
	assert_int_equal(read.member_count, 2);
	assert_string_equal(read.members[0]->name, "pxe1");
	assert_string_equal(read.settings->cluster, "lab");
	node_start_fini(&read);
}

static void test_damaged_start_instructions_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"start: bootstrap\n", "start: what\nself: \"CAE=\"\n",
		"start: join\nself: \"CAE=\"\n",
		"start: bootstrap\nself: \"!!!\"\nsettings: \"\"\n",
		"start: bootstrap\nself: \"/////w==\"\nsettings: \"\"\n",
		"start: join\nself: \"CAE=\"\nmembers: 3\n", "self: [1]\n"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct node_start read;
		char error[NODE_CONF_ERROR_BYTES];
		assert_int_equal(
			node_start_parse(texts[i], "start.yaml", &read, error, sizeof error),
			-EINVAL);
		assert_non_null(strstr(error, "start.yaml:"));
	}
}

static void test_a_start_instruction_is_followed_once(void **state)
{
	(void)state;
	char directory[] = "/tmp/node-start-XXXXXX", name[] = "pxe1", path[80],
	     error[NODE_CONF_ERROR_BYTES];
	Pxe__Member self;
	Pxe__Settings settings = PXE__SETTINGS__INIT;
	struct node_start start = {.kind = NODE_START_BOOTSTRAP,
				  .self = member_of(&self, 1, name),
				  .settings = &settings},
			  read;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(node_start_load(directory, &read, error, sizeof error), 0);
	assert_int_equal(read.kind, NODE_START_NONE);
	assert_int_equal(node_start_save(directory, &start, error, sizeof error), 0);
	assert_int_equal(node_start_load(directory, &read, error, sizeof error), 0);
	assert_int_equal(read.kind, NODE_START_BOOTSTRAP);
	node_start_fini(&read);
	assert_int_equal(node_start_done(directory), 0);
	assert_int_equal(node_start_load(directory, &read, error, sizeof error), 0);
	assert_int_equal(read.kind, NODE_START_NONE);
	assert_int_equal(node_start_done(directory), 0);
	snprintf(path, sizeof path, "%s/start.yaml.done", directory);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
}

static void test_suggestions(void **state)
{
	(void)state;
	static const char *const words[] = {"list", "show", "add", "set", "remove", "token create"};
	assert_int_equal(suggest_distance("lsit", "list"), 1);
	assert_int_equal(suggest_distance("", "list"), 4);
	assert_int_equal(suggest_distance("kitten", "sitting"), 3);
	assert_string_equal(suggest_nearest("lsit", words, 6), "list");
	assert_string_equal(suggest_nearest("remov", words, 6), "remove");
	assert_string_equal(suggest_nearest("token", words, 6), "token create");
	assert_null(suggest_nearest("explode", words, 6));
	assert_null(suggest_nearest("x", words, 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_left_out_has_its_default),
		cmocka_unit_test(test_what_is_written_is_read_back),
		cmocka_unit_test(test_errors_name_line_column_and_what_to_write),
		cmocka_unit_test(test_syntax_errors_have_a_place_too),
		cmocka_unit_test(test_what_stands_behind_a_zero_byte_is_not_left_out_in_silence),
		cmocka_unit_test(test_start_instructions_are_read_back),
		cmocka_unit_test(test_damaged_start_instructions_are_refused),
		cmocka_unit_test(test_a_start_instruction_is_followed_once),
		cmocka_unit_test(test_suggestions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
