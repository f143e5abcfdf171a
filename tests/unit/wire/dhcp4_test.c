/* DHCPv4 messages as firmware sends them, and as nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/dhcp4.h"

#define IP(a, b, c, d)                                                                             \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* A packet under construction, byte by byte: independent of the code that builds messages. */
struct raw {
	uint8_t data[4096];
	size_t size;
};

static void raw_begin(struct raw *raw)
{
	static const uint8_t head[44] = {
		1, 1, 6, 0,                   /* op htype hlen hops */
		0xde, 0xad, 0xbe, 0xef,       /* xid */
		0, 7, 0x80, 0,                /* secs flags */
		10, 0, 0, 1, 10, 0, 0, 2,     /* ciaddr yiaddr */
		10, 0, 0, 3, 10, 0, 0, 4,     /* siaddr giaddr */
		0x52, 0x54, 0, 0xaa, 0, 0x01, /* chaddr */
	};
	static const uint8_t cookie[4] = {0x63, 0x82, 0x53, 0x63};
	memset(raw, 0, sizeof *raw);
	memcpy(raw->data, head, sizeof head);
	memcpy(raw->data + 236, cookie, 4);
	raw->size = 240;
}

static void raw_add(struct raw *raw, const void *bytes, size_t size)
{
	assert_true(size <= sizeof raw->data - raw->size);
	memcpy(raw->data + raw->size, bytes, size);
	raw->size += size;
}
#define ADD(raw, ...)                                                                              \
	raw_add((raw), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Decode from a heap copy of exactly the right size, so that a read past the end is caught by the
 * sanitizer. */
static enum dhcp4_reason decode(
	const struct raw *raw, struct dhcp4_message *message, void **ret_copy)
{
	*ret_copy = malloc(raw->size);
	assert_non_null(*ret_copy);
	memcpy(*ret_copy, raw->data, raw->size);
	return dhcp4_decode(*ret_copy, raw->size, message);
}

static void decodes_fixed_fields(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	void *copy;
	raw_begin(&raw);
	memcpy(raw.data + 44, "server", 6);
	memset(raw.data + 108, 'f', 128); /* full, without NUL */
	ADD(&raw, 53, 1, 1, 255);
	assert_int_equal(decode(&raw, &m, &copy), DHCP4_OK);
	assert_int_equal(m.type, DHCP4_DISCOVER);
	assert_int_equal(m.header.op, DHCP4_BOOTREQUEST);
	assert_int_equal(m.header.htype, 1);
	assert_int_equal(m.header.hlen, 6);
	assert_int_equal(m.header.xid, 0xdeadbeef);
	assert_int_equal(m.header.secs, 7);
	assert_int_equal(m.header.flags, DHCP4_FLAG_BROADCAST);
	assert_int_equal(m.header.ciaddr, IP(10, 0, 0, 1));
	assert_int_equal(m.header.yiaddr, IP(10, 0, 0, 2));
	assert_int_equal(m.header.siaddr, IP(10, 0, 0, 3));
	assert_int_equal(m.header.giaddr, IP(10, 0, 0, 4));
	assert_memory_equal(m.header.chaddr, "\x52\x54\x00\xaa\x00\x01", 6);
	assert_string_equal(m.header.sname, "server");
	assert_int_equal(strlen(m.header.file), 128);
	free(copy);
}

static void bootp_has_no_type(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	void *copy;
	raw_begin(&raw);
	ADD(&raw, 1, 4, 255, 255, 255, 0, 255);
	assert_int_equal(decode(&raw, &m, &copy), DHCP4_OK);
	assert_int_equal(m.type, DHCP4_BOOTP);
	free(copy);
}

static void typed_accessors_want_the_right_length(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	void *copy;
	raw_begin(&raw);
	ADD(&raw, 53, 1, 3, 50, 4, 192, 168, 1, 9, 57, 2, 0x05, 0xc0, 51, 4, 0, 0, 14, 16);
	ADD(&raw, 54, 3, 1, 2, 3, 58, 5, 0, 0, 0, 0, 0, 80, 0, 255);
	assert_int_equal(decode(&raw, &m, &copy), DHCP4_OK);
	uint8_t u8 = 77;
	uint16_t u16 = 0;
	uint32_t u32 = 0;
	assert_true(dhcp4_u8(&m, DHCP4_MESSAGE_TYPE, &u8));
	assert_int_equal(u8, 3);
	assert_true(dhcp4_ip4(&m, DHCP4_REQUESTED_ADDRESS, &u32));
	assert_int_equal(u32, IP(192, 168, 1, 9));
	assert_true(dhcp4_u16(&m, DHCP4_MAX_MESSAGE_BYTES, &u16));
	assert_int_equal(u16, 1472);
	assert_true(dhcp4_u32(&m, DHCP4_LEASE_SECONDS, &u32));
	assert_int_equal(u32, 3600);
	assert_false(dhcp4_ip4(&m, DHCP4_SERVER_ID, &u32));
	assert_false(dhcp4_u32(&m, DHCP4_RENEWAL_SECONDS, &u32));
	assert_false(dhcp4_u32(&m, DHCP4_REBINDING_SECONDS, &u32));
	assert_int_equal(u32, 3600); /* untouched */
	size_t size = 5;
	const uint8_t *data = NULL;
	assert_true(dhcp4_has(&m, DHCP4_RAPID_COMMIT));
	assert_true(dhcp4_option(&m, DHCP4_RAPID_COMMIT, &data, &size));
	assert_int_equal(size, 0);
	free(copy);
}

static void lists_must_be_whole(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	void *copy;
	raw_begin(&raw);
	ADD(&raw, 3, 8, 10, 0, 0, 1, 10, 0, 0, 2, 6, 5, 1, 1, 1, 1, 1, 93, 4, 0, 7, 0, 16, 42, 0,
		255);
	assert_int_equal(decode(&raw, &m, &copy), DHCP4_OK);
	uint32_t ip[4];
	uint16_t arch[4];
	assert_int_equal(dhcp4_ip4_list(&m, DHCP4_ROUTERS, ip, 4), 2);
	assert_int_equal(ip[1], IP(10, 0, 0, 2));
	assert_int_equal(dhcp4_ip4_list(&m, DHCP4_ROUTERS, ip, 1), 1);
	assert_int_equal(dhcp4_ip4_list(&m, DHCP4_DNS_SERVERS, ip, 4), 0);
	assert_int_equal(dhcp4_ip4_list(&m, DHCP4_NTP_SERVERS, ip, 4), 0);
	assert_int_equal(dhcp4_archs(&m, arch, 4), 2);
	assert_int_equal(arch[0], 7);
	assert_int_equal(arch[1], 16);
	free(copy);
}

static void strings_lose_trailing_nuls_only(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	void *copy;
	raw_begin(&raw);
	ADD(&raw, 12, 4, 'h', 'o', 0, 0, 15, 3, 'a', 0, 'b', 60, 3, 'P', 'X', 'E', 17, 0, 255);
	assert_int_equal(decode(&raw, &m, &copy), DHCP4_OK);
	char text[4] = "zzz";
	assert_true(dhcp4_string(&m, DHCP4_HOST_NAME, text, sizeof text));
	assert_string_equal(text, "ho");
	assert_true(dhcp4_string_has_nul(&m, DHCP4_HOST_NAME));
	assert_false(dhcp4_string(&m, DHCP4_DOMAIN_NAME, text, sizeof text));
	assert_false(dhcp4_string(&m, DHCP4_VENDOR_CLASS, text, 3)); /* no room for the NUL */
	assert_string_equal(text, "ho");
	assert_true(dhcp4_string(&m, DHCP4_VENDOR_CLASS, text, 4));
	assert_string_equal(text, "PXE");
	assert_false(dhcp4_string_has_nul(&m, DHCP4_VENDOR_CLASS));
	assert_true(dhcp4_string(&m, DHCP4_ROOT_PATH, text, 4));
	assert_string_equal(text, "");
	assert_true(dhcp4_vendor_class_begins(&m, "PX"));
	assert_false(dhcp4_vendor_class_begins(&m, "PXEClient"));
	free(copy);
}

/* RFC 3396 §7: an option in pieces is one option; the aggregate order is options, file, sname. */
static void pieces_join_over_all_fields(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	void *copy;
	raw_begin(&raw);
	static const uint8_t file[] = {67, 2, 'c', 'd', 12, 1, 'h', 255};
	static const uint8_t sname[] = {
		0, 67, 2, 'e', 'f'}; /* no END: the field's end is the end */
	memcpy(raw.data + 108, file, sizeof file);
	memcpy(raw.data + 44, sname, sizeof sname);
	ADD(&raw, 67, 1, 'a', 52, 1, 3, 53, 1, 1, 67, 1, 'b', 255, 67, 9);
	assert_int_equal(decode(&raw, &m, &copy), DHCP4_OK);
	char text[16];
	assert_true(dhcp4_string(&m, DHCP4_BOOT_FILE, text, sizeof text));
	assert_string_equal(text, "abcdef");
	assert_true(dhcp4_string(&m, DHCP4_HOST_NAME, text, sizeof text));
	assert_string_equal(text, "h");
	assert_string_equal(m.header.file, "");
	assert_string_equal(m.header.sname, "");

	struct dhcp4_message moved = m; /* a message may be copied */
	memset(&m, 0xaa, sizeof m);
	assert_true(dhcp4_string(&moved, DHCP4_BOOT_FILE, text, sizeof text));
	assert_string_equal(text, "abcdef");
	free(copy);
}

static void overload_of_one_field_leaves_the_other(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	void *copy;
	raw_begin(&raw);
	memcpy(raw.data + 44, "tftp1", 6);
	memcpy(raw.data + 108, "\x0c\x01z\xff", 4);
	ADD(&raw, 52, 1, 1, 53, 1, 1, 255);
	assert_int_equal(decode(&raw, &m, &copy), DHCP4_OK);
	assert_string_equal(m.header.sname, "tftp1");
	assert_string_equal(m.header.file, "");
	assert_true(dhcp4_has(&m, DHCP4_HOST_NAME));
	free(copy);
}

/* An overload said inside an overloaded field counts for nothing: sname here holds no options. */
static void overload_does_not_nest(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	void *copy;
	raw_begin(&raw);
	memcpy(raw.data + 108, "\x34\x01\x03\xff", 4);
	memcpy(raw.data + 44, "\x0c\x01z\xff", 4);
	ADD(&raw, 52, 1, 1, 255);
	assert_int_equal(decode(&raw, &m, &copy), DHCP4_OK);
	assert_false(dhcp4_has(&m, DHCP4_HOST_NAME));
	assert_memory_equal(m.header.sname, "\x0c\x01z\xff", 4);
	free(copy);
}

static void expect_reason(const uint8_t *tail, size_t size, enum dhcp4_reason expected)
{
	struct raw raw;
	struct dhcp4_message m;
	void *copy;
	raw_begin(&raw);
	raw_add(&raw, tail, size);
	assert_string_equal(
		dhcp4_reason_name(decode(&raw, &m, &copy)), dhcp4_reason_name(expected));
	free(copy);
}
#define EXPECT(reason, ...)                                                                        \
	expect_reason(                                                                             \
		(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), reason)

static void malformed_options_have_reasons(void **state)
{
	(void)state;
	EXPECT(DHCP4_OPTION_TRUNCATED, 53);
	EXPECT(DHCP4_OPTION_TRUNCATED, 53, 1);
	EXPECT(DHCP4_OPTION_TRUNCATED, 53, 1, 1, 61, 255, 1, 2);
	EXPECT(DHCP4_OPTION_TRUNCATED, 0, 0, 0, 12);
	EXPECT(DHCP4_OK, 53, 1, 1);
	EXPECT(DHCP4_OK, 53, 1, 1, 0, 0, 0);
	EXPECT(DHCP4_OK, 53, 1, 1, 255, 12, 200);
	EXPECT(DHCP4_BAD_TYPE, 53, 0, 255);
	EXPECT(DHCP4_BAD_TYPE, 53, 1, 0, 255);
	EXPECT(DHCP4_BAD_TYPE, 53, 2, 1, 1, 255);
	EXPECT(DHCP4_BAD_TYPE, 53, 1, 1, 53, 1, 3, 255); /* joined to two bytes */
	EXPECT(DHCP4_BAD_OVERLOAD, 52, 1, 0, 255);
	EXPECT(DHCP4_BAD_OVERLOAD, 52, 1, 4, 255);
	EXPECT(DHCP4_BAD_OVERLOAD, 52, 0, 255);
	EXPECT(DHCP4_BAD_OVERLOAD, 52, 2, 1, 1, 255);
	EXPECT(DHCP4_OK, 53, 1, 1, 52, 1, 3, 52, 1, 9, 255); /* only the first is read */
	EXPECT(DHCP4_OK, 53, 1, 200, 255);
}

static void malformed_headers_have_reasons(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	raw_begin(&raw);
	ADD(&raw, 53, 1, 1, 255);
	assert_int_equal(dhcp4_decode(NULL, 0, &m), DHCP4_SHORT);
	raw.data[0] = 3;
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_BAD_OP);
	raw.data[0] = 2;
	raw.data[2] = 17;
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_BAD_HLEN);
	raw.data[2] = 16;
	raw.data[239] ^= 1;
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_NO_COOKIE);
	raw.data[239] ^= 1;
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
	uint8_t *large = calloc(1, DHCP4_PACKET_MAX + 1);
	assert_non_null(large);
	memcpy(large, raw.data, 240);
	assert_int_equal(dhcp4_decode(large, DHCP4_PACKET_MAX, &m), DHCP4_OK);
	assert_int_equal(dhcp4_decode(large, DHCP4_PACKET_MAX + 1, &m), DHCP4_LONG);
	free(large);
}

/* Cut a full DISCOVER at every byte: each prefix gets a verdict and no read leaves it. */
static void truncation_at_every_byte_is_safe(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	raw_begin(&raw);
	memcpy(raw.data + 108, "\x42\x03one\xff", 6);
	ADD(&raw, 53, 1, 1, 52, 1, 1, 55, 4, 1, 3, 6, 67, 61, 7, 1, 0x52, 0x54, 0, 0xaa, 0, 1);
	ADD(&raw, 93, 2, 0, 7, 77, 4, 'i', 'P', 'X', 'E', 255);
	for (size_t size = 0; size <= raw.size; size++) {
		struct raw cut = raw;
		void *copy;
		cut.size = size;
		enum dhcp4_reason reason = decode(&cut, &m, &copy);
		if (size < 240)
			assert_int_equal(reason, DHCP4_SHORT);
		else if (size >= raw.size - 1 || size == 240)
			assert_int_equal(reason, DHCP4_OK);
		else
			assert_true(reason == DHCP4_OK || reason == DHCP4_OPTION_TRUNCATED);
		if (reason == DHCP4_OK)
			assert_true(dhcp4_wants(&m, 67));
		free(copy);
	}
}

static void joined_options_have_a_bound(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	raw_begin(&raw);
	uint8_t piece[257] = {43, 255};
	for (int i = 0; i < 8; i++)
		raw_add(&raw, piece, sizeof piece);
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK); /* 2040 bytes */
	size_t size;
	assert_true(dhcp4_option(&m, 43, NULL, &size));
	assert_int_equal(size, 8 * 255);
	ADD(&raw, 43, 8, 1, 2, 3, 4, 5, 6, 7, 8);
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK); /* 2048: exactly full */
	ADD(&raw, 43, 1, 1);
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_JOINED_LONG);
}

/* FIELD 11: iPXE sends the raw string, RFC 3004 a list. */
static void user_class_has_two_encodings(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	struct dhcp4_bytes classes[4];
	raw_begin(&raw);
	ADD(&raw, 77, 4, 'i', 'P', 'X', 'E', 255);
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
	assert_int_equal(dhcp4_user_classes(&m, classes, 4), 1);
	assert_true(dhcp4_has_user_class(&m, "iPXE"));
	assert_false(dhcp4_has_user_class(&m, "iPX"));

	raw_begin(&raw);
	ADD(&raw, 77, 10, 4, 'i', 'P', 'X', 'E', 4, 'l', 'a', 'b', 0, 255);
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
	assert_int_equal(dhcp4_user_classes(&m, classes, 4), 2);
	assert_int_equal(dhcp4_user_classes(&m, classes, 1), 1);
	assert_true(dhcp4_has_user_class(&m, "iPXE"));
	assert_true(dhcp4_has_user_class(&m, "lab"));
	assert_false(dhcp4_has_user_class(&m, "other"));

	raw_begin(&raw);
	ADD(&raw, 77, 3, 3, 'a', 'b', 255); /* a list whose last string is cut: one raw string */
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
	assert_int_equal(dhcp4_user_classes(&m, classes, 4), 1);
	assert_int_equal(classes[0].size, 3);

	raw_begin(&raw);
	ADD(&raw, 77, 0, 255);
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
	assert_int_equal(dhcp4_user_classes(&m, classes, 4), 0);
}

static void uuid_comes_from_option_97_or_chaddr(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	uint8_t uuid[16] = {0};
	raw_begin(&raw);
	ADD(&raw, 97, 17, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 255);
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
	assert_true(dhcp4_uuid(&m, uuid));
	assert_int_equal(uuid[0], 1);
	assert_int_equal(uuid[15], 16);

	raw.data[242] = 1; /* another type: not a UUID */
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
	assert_false(dhcp4_uuid(&m, uuid));

	raw.data[2] = 16; /* FIELD 22: SendGUID */
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
	assert_true(dhcp4_uuid(&m, uuid));
	assert_memory_equal(uuid, raw.data + 28, 16);
}

static void no_parameter_list_means_everything(void **state)
{
	(void)state;
	struct raw raw;
	struct dhcp4_message m;
	raw_begin(&raw);
	ADD(&raw, 53, 1, 1, 255);
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
	assert_true(dhcp4_wants(&m, 66));
	raw.size--;
	ADD(&raw, 55, 2, 1, 3, 255);
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
	assert_true(dhcp4_wants(&m, 3));
	assert_false(dhcp4_wants(&m, 66));
}

/* FIELD 7: option 57 counts the IP and UDP headers; EDK2 sends 0xff00. */
static void reply_limit_follows_option_57(void **state)
{
	(void)state;
	static const struct {
		uint16_t asked;
		size_t capacity, limit;
	} cases[] = {{1472, 1472, 1444}, {0xff00, 1472, 1472}, {576, 1472, 548}, {100, 1472, 548},
		{577, 1472, 549}, {0, 1472, 548}, {1500, 300, 300}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct raw raw;
		struct dhcp4_message m;
		raw_begin(&raw);
		ADD(&raw, 57, 2, (uint8_t)(cases[i].asked >> 8), (uint8_t)cases[i].asked, 255);
		assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
		assert_int_equal(dhcp4_reply_limit(&m, cases[i].capacity), cases[i].limit);
	}
	struct raw raw;
	struct dhcp4_message m;
	raw_begin(&raw);
	assert_int_equal(dhcp4_decode(raw.data, raw.size, &m), DHCP4_OK);
	assert_int_equal(dhcp4_reply_limit(&m, 1472), 548);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_fixed_fields),
		cmocka_unit_test(bootp_has_no_type),
		cmocka_unit_test(typed_accessors_want_the_right_length),
		cmocka_unit_test(lists_must_be_whole),
		cmocka_unit_test(strings_lose_trailing_nuls_only),
		cmocka_unit_test(pieces_join_over_all_fields),
		cmocka_unit_test(overload_of_one_field_leaves_the_other),
		cmocka_unit_test(overload_does_not_nest),
		cmocka_unit_test(malformed_options_have_reasons),
		cmocka_unit_test(malformed_headers_have_reasons),
		cmocka_unit_test(truncation_at_every_byte_is_safe),
		cmocka_unit_test(joined_options_have_a_bound),
		cmocka_unit_test(user_class_has_two_encodings),
		cmocka_unit_test(uuid_comes_from_option_97_or_chaddr),
		cmocka_unit_test(no_parameter_list_means_everything),
		cmocka_unit_test(reply_limit_follows_option_57),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
