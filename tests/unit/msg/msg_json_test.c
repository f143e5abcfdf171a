/* Messages as JSON: golden texts, and jansson as a second reader. */
#include "proto/msg/admin.pb-c.h"
#include "proto/msg/event_text.h"
#include "proto/msg/msg_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static void test_bytes_follow_the_name_of_their_field(void **state)
{
	(void)state;
	uint8_t ip[4] = {10, 20, 0, 102}, mac[6] = {0x52, 0x54, 0, 0xaa, 0, 2},
		client[7] = {1, 0x52, 0x54, 0, 0xaa, 0, 2};
	char hostname[] = "n02";
	Pxe__Lease lease = PXE__LEASE__INIT;
	lease.ip = (ProtobufCBinaryData){4, ip};
	lease.mac = (ProtobufCBinaryData){6, mac};
	lease.client = (ProtobufCBinaryData){7, client};
	lease.hostname = hostname;
	lease.state = PXE__LEASE_STATE__LEASE_BOUND;
	lease.expires_ms = 1795371900086;
	char *text = msg_json(&lease.base, false);
	assert_string_equal(text,
		"{\"ip\": \"10.20.0.102\", \"state\": \"LEASE_BOUND\", \"client\": "
		"\"01525400aa0002\", "
		"\"mac\": \"52:54:00:aa:00:02\", \"expires_ms\": 1795371900086, \"promised_ms\": "
		"0, "
		"\"started_ms\": 0, \"since_ms\": 0, \"hostname\": \"n02\", \"subnet\": \"\", "
		"\"client_id\": \"\", \"uuid\": \"\", \"node\": 0, \"released_ms\": 0}");
	free(text);
}

static void test_lists_indentation_and_ipv6(void **state)
{
	(void)state;
	uint8_t a[4] = {10, 0, 0, 1}, b[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
	ProtobufCBinaryData dns[2] = {{4, a}, {16, b}};
	Pxe__Subnet subnet = PXE__SUBNET__INIT;
	subnet.n_dns_ip = 2;
	subnet.dns_ip = dns;
	char *text = msg_json(&subnet.base, true);
	assert_non_null(
		strstr(text, "\n  \"dns_ip\": [\n    \"10.0.0.1\",\n    \"2001:db8::1\"\n  ],\n"));
	assert_non_null(strstr(text, "\"options\": [],"));
	free(text);
}

static void test_numbers_are_whole(void **state)
{
	(void)state;
	Pxe__NodeStatus node = PXE__NODE_STATUS__INIT;
	node.silent_ms = UINT64_MAX;
	node.applied = UINT64_C(9223372036854775809);
	char *text = msg_json(&node.base, false);
	assert_non_null(strstr(text, "\"silent_ms\": 18446744073709551615"));
	assert_non_null(strstr(text, "\"applied\": 9223372036854775809"));
	free(text);
}

static void test_only_the_chosen_one_of_several_is_shown(void **state)
{
	(void)state;
	Pxe__AdminReply reply = PXE__ADMIN_REPLY__INIT;
	Pxe__ChangeDone done = PXE__CHANGE_DONE__INIT;
	done.revision = 7;
	reply.body_case = PXE__ADMIN_REPLY__BODY_DONE;
	reply.done = &done;
	char *text = msg_json(&reply.base, false);
	assert_string_equal(text,
		"{\"sequence\": 0, \"status\": \"ADMIN_OK\", \"message\": \"\", \"more\": false, "
		"\"members\": [], \"members_revision\": 0, "
		"\"done\": {\"revision\": 7, \"detail\": \"\", \"id\": 0}}");
	free(text);
}

static void test_unknown_enum_values_are_numbers(void **state)
{
	(void)state;
	Pxe__Member member = PXE__MEMBER__INIT;
	member.role = (Pxe__MemberRole)77;
	char *text = msg_json(&member.base, false);
	assert_non_null(strstr(text, "\"role\": 77"));
	free(text);
}

static void test_hostile_strings_stay_json(void **state)
{
	(void)state;
	static const char *const texts[] = {"a\"b\\c\n\t\x01\x7f", "\xff\xfe", "caf\xc3\xa9",
		"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xf0\x9f\x98\x80",
		"\xf5", "</script>"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		Pxe__Event event = PXE__EVENT__INIT;
		char copy[64];
		strcpy(copy, texts[i]);
		event.text = copy;
		char *text = msg_json(&event.base, i % 2 == 0);
		json_error_t error;
		json_t *json = json_loads(text, 0, &error);
		if (json == NULL) {
			fail_msg("text %zu: %s: %s", i, error.text, text);
		}
		assert_true(json_is_string(json_object_get(json, "text")));
		json_decref(json);
		free(text);
	}
	char *quoted = msg_json_string("caf\xc3\xa9 \xff\"");
	assert_string_equal(quoted, "\"caf\xc3\xa9 \\ufffd\\\"\"");
	free(quoted);
}

static void test_lists_of_messages(void **state)
{
	(void)state;
	Pxe__Counter one = PXE__COUNTER__INIT, two = PXE__COUNTER__INIT;
	one.value = 1;
	const ProtobufCMessage *both[2] = {&one.base, &two.base};
	char *text = msg_json_list(both, 2, false), *none = msg_json_list(NULL, 0, true);
	assert_string_equal(
		text, "[{\"name\": \"\", \"value\": 1}, {\"name\": \"\", \"value\": 0}]");
	assert_string_equal(none, "[]");
	free(text);
	free(none);
}

static void test_event_lines(void **state)
{
	(void)state;
	uint8_t ip[4] = {10, 20, 0, 102}, mac[6] = {0x52, 0x54, 0, 0xaa, 0, 2};
	char host[] = "n02", what[] = "ipxe.efi", evil[] = "a\x1b[2Jb", line[EVENT_TEXT_BYTES];
	Pxe__Event event = PXE__EVENT__INIT;
	event.kind = PXE__EVENT_KIND__EVENT_TFTP_DONE;
	event.mac = (ProtobufCBinaryData){6, mac};
	event.ip = (ProtobufCBinaryData){4, ip};
	event.text = what;
	event.bytes = 1000000;
	event.took_ms = 810;
	assert_string_equal(event_text_line(&event, line),
		"52:54:00:aa:00:02  TFTP done 10.20.0.102  ipxe.efi  1 MB  0.8 s");
	event.host = host;
	event.text = evil;
	assert_string_equal(
		event_text_line(&event, line), "n02  TFTP done 10.20.0.102  a?[2Jb  1 MB  0.8 s");
	event.took_ms = 99; /* quick: not worth a word */
	assert_string_equal(
		event_text_line(&event, line), "n02  TFTP done 10.20.0.102  a?[2Jb  1 MB");
	event.kind = (Pxe__EventKind)999;
	assert_string_equal(event_text_word(event.kind), "event");
	assert_non_null(event_text_line(&event, line));
}

static void assert_cleaned(const char *text, const char *expected)
{
	char clean[64];
	strcpy(clean, text);
	assert_string_equal(event_text_clean(clean, clean, sizeof clean), expected);
}

static void test_nothing_in_a_text_drives_a_terminal(void **state)
{
	(void)state;
	char *json = msg_json_string("a\xc2\x9b"
				     "31mb\x7f"),
	     cut[5];
	assert_cleaned("caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac");
	assert_cleaned("a\x1b[2Jb\x7f", "a?[2Jb?");
	/* CSI as one character, as terminals take it, and as a byte alone. */
	assert_cleaned("a\xc2\x9b"
		       "31mb",
		"a?31mb");
	assert_cleaned("a\x9b"
		       "31mb\xff",
		"a?31mb?");
	/* A torn character, overlong forms, a surrogate. */
	assert_cleaned("a\xe2\x82", "a??");
	assert_cleaned("\xc0\x9b\xe0\x82\x9b\xed\xa0\x80", "????????");
	assert_string_equal(event_text_clean("ab\xe2\x82\xac", cut, sizeof cut), "ab");
	assert_string_equal(event_text_clean("a\xe2\x82\xac", cut, sizeof cut), "a\xe2\x82\xac");
	assert_string_equal(json, "\"a\\u009b31mb\\u007f\"");
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_follow_the_name_of_their_field),
		cmocka_unit_test(test_lists_indentation_and_ipv6),
		cmocka_unit_test(test_numbers_are_whole),
		cmocka_unit_test(test_only_the_chosen_one_of_several_is_shown),
		cmocka_unit_test(test_unknown_enum_values_are_numbers),
		cmocka_unit_test(test_hostile_strings_stay_json),
		cmocka_unit_test(test_lists_of_messages),
		cmocka_unit_test(test_event_lines),
		cmocka_unit_test(test_nothing_in_a_text_drives_a_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
