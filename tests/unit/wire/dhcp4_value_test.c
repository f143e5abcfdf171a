/* Option values as people write them: every format both ways, and what is said of a wrong one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/dhcp4_value.h"
#include "proto/wire/text.h"

/* `text` for option `code` becomes the bytes of `hex`, and these become `again`; code 0: no format.
 */
struct sample {
	uint8_t code;
	const char *text;
	const char *hex;
	const char *again; /* NULL: the text itself */
};

static void check_sample(const struct sample *sample)
{
	const struct dhcp4_option_info *info = dhcp4_option_info(sample->code);
	uint8_t data[DHCP4_VALUE_MAX], expected[DHCP4_VALUE_MAX];
	size_t size, expected_size;
	char error[DHCP4_VALUE_ERROR_BYTES] = "", text[2048];
	assert_int_equal(text_hex_parse(sample->hex, expected, sizeof expected, &expected_size), 0);
	if (dhcp4_value_parse(info, sample->text, data, sizeof data, &size, error, sizeof error))
		fail_msg("%u '%s': %s", sample->code, sample->text, error);
	if (size != expected_size || memcmp(data, expected, size) != 0)
		fail_msg("%u '%s': other bytes", sample->code, sample->text);
	size_t length = dhcp4_value_format(info, data, size, text, sizeof text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text, sample->again != NULL ? sample->again : sample->text);
}

static void check_samples(const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_sample(&samples[i]);
}

static void numbers_flags_and_times(void **state)
{
	(void)state;
	static const struct sample samples[] = {
		{46, "8", "08", NULL},
		{26, "9000", "2328", NULL},
		{26, "0x5dc", "05dc", "1500"},
		{152, "4294967295", "ffffffff", NULL},
		{208, "0xF100747E", "f100747e", "4043338878"},
		{2, "-3600", "fffff1f0", NULL},
		{2, "-2147483648", "80000000", NULL},
		{2, "2147483647", "7fffffff", NULL},
		{51, "3600", "00000e10", "1h"},
		{51, "1h30m", "00001518", NULL},
		{51, "infinite", "ffffffff", NULL},
		{108, "300", "0000012c", "5m"},
		{211, "30s", "0000001e", NULL},
		{19, "yes", "01", NULL},
		{19, "Off", "00", "no"},
		{116, "1", "01", "yes"},
		{80, "", "", NULL},
		{25, "68, 1492 9000", "004405d42328", "68, 1492, 9000"},
		{55, "1,3,6", "010306", "1, 3, 6"},
		{93, "7", "0007", NULL},
	};
	check_samples(samples, sizeof samples / sizeof samples[0]);
}

static void addresses_masks_and_routes(void **state)
{
	(void)state;
	static const struct sample samples[] = {
		{1, "255.255.252.0", "fffffc00", NULL},
		{1, "0.0.0.0", "00000000", NULL},
		{28, "10.0.0.255", "0a0000ff", NULL},
		{3, "10.0.0.1", "0a000001", NULL},
		{6, "10.0.0.1,10.0.0.2", "0a0000010a000002", "10.0.0.1, 10.0.0.2"},
		{6, " 10.0.0.1  ,  10.0.0.2 ", "0a0000010a000002", "10.0.0.1, 10.0.0.2"},
		{150, "10.0.0.1 10.0.0.2", "0a0000010a000002", "10.0.0.1, 10.0.0.2"},
		{33, "10.1.0.0 10.0.0.1, 10.2.0.0 10.0.0.2", "0a0100000a0000010a0200000a000002",
			NULL},
		{21, "10.1.0.0,255.255.0.0", "0a010000ffff0000", "10.1.0.0 255.255.0.0"},
		/* The examples of RFC 3442. */
		{121, "default via 10.0.0.1", "000a000001", NULL},
		{121, "10.0.0.0/8 via 10.0.0.1", "080a0a000001", NULL},
		{121, "10.0.0.0/24 via 10.0.0.1", "180a00000a000001", NULL},
		{121, "10.17.0.0/16 via 10.0.0.1", "100a110a000001", NULL},
		{121, "10.27.129.0/24 via 10.0.0.1", "180a1b810a000001", NULL},
		{121, "10.229.0.128/25 via 10.0.0.1", "190ae500800a000001", NULL},
		{121, "10.198.122.47/32 via 10.0.0.1", "200ac67a2f0a000001", NULL},
		{249, "10.0.0.0/8 10.1.1.1,0.0.0.0/0,10.0.0.1", "080a0a010101000a000001",
			"10.0.0.0/8 via 10.1.1.1, default via 10.0.0.1"},
		{121, "10.0.0.5 via 10.0.0.1", "200a0000050a000001", "10.0.0.5/32 via 10.0.0.1"},
	};
	check_samples(samples, sizeof samples / sizeof samples[0]);
}

static void texts_and_names(void **state)
{
	(void)state;
	static const struct sample samples[] = {
		{12, "node1", "6e6f646531", NULL},
		{17, "10.0.0.1:/srv/root,v4", "31302e302e302e313a2f7372762f726f6f742c7634", NULL},
		{14, "gr\xc3\xbc\xc3\x9f", "6772c3bcc39f", NULL},
		{67, "text:none", "6e6f6e65", NULL},
		{67, "text:text:a", "746578743a61", NULL},
		{67, "text:plain", "706c61696e", "plain"},
		{114, "https://portal.example/api",
			"68747470733a2f2f706f7274616c2e6578616d706c652f617069", NULL},
		{209, "pxelinux.cfg/a", "7078656c696e75782e6366672f61", NULL},
		{210, "http://10.0.0.1/", "687474703a2f2f31302e302e302e312f", NULL},
		{137, "lost.example", "046c6f7374076578616d706c6500", NULL},
		{141, "a.example b.example.", "0161076578616d706c65000162076578616d706c6500",
			"a.example, b.example"},
		/* RFC 3397 §2: the second name points into the first. */
		{119, "eng.apple.com. marketing.apple.com.",
			"03656e67056170706c6503636f6d00"
			"096d61726b6574696e67c004",
			"eng.apple.com, marketing.apple.com"},
		{119, "example, a.example, a.example", "076578616d706c65000161c000c009", NULL},
		{120, "10.0.0.1, 10.0.0.2", "010a0000010a000002", NULL},
		/* RFC 3361 §3.2 */
		{120, "example.com, example.net",
			"00076578616d706c6503636f6d00076578616d706c65036e657400", NULL},
		{77, "iPXE, lab rack",
			"04695058450"
			"86c6162207261636b",
			NULL},
	};
	check_samples(samples, sizeof samples / sizeof samples[0]);
}

static void bytes_prefixes_and_enterprises(void **state)
{
	(void)state;
	static const struct sample samples[] = {
		{43, "aa:bb", "aabb", NULL},
		{43, "0xAABB", "aabb", "aa:bb"},
		{43, "aabb", "aabb", "aa:bb"},
		{43, "1-2-ff", "0102ff", "01:02:ff"},
		{43, "text:abc", "616263", "61:62:63"},
		{0, "hex:", "", NULL},
		{0, "hex:0a0b", "0a0b", "hex:0a:0b"},
		{0, "text:abc", "616263", NULL},
		{0, "ip:10.0.0.1,10.0.0.2", "0a0000010a000002", "hex:0a:00:00:01:0a:00:00:02"},
		{0, "u8:8", "08", "hex:08"},
		{0, "u16:1, 2", "00010002", "hex:00:01:00:02"},
		{0, "u32:0x10", "00000010", "hex:00:00:00:10"},
		{0, "flag:yes", "01", "hex:01"},
		{3, "ip:10.0.0.1", "0a000001", "10.0.0.1"},
		{26, "u8:5", "05", "hex:05"},
		{26, "u16:5", "0005", "hex:00:05"}, /* below the least MTU */
		{19, "hex:02", "02", "hex:02"},
		{124, "4491=text:abc, 9=hex:01",
			"0000118b0361626300000009"
			"0101",
			NULL},
		{125, "4491.1=text:abc, 4491.2=u8:7, 9.1=ip:10.0.0.1 10.0.0.2",
			"0000118b080103616263020107000000090a01080a0000010a000002",
			"4491.1=text:abc, 4491.2=hex:07, 9.1=hex:0a:00:00:01:0a:00:00:02"},
	};
	check_samples(samples, sizeof samples / sizeof samples[0]);
}

static void expect_error(uint8_t code, const char *text, const char *expected)
{
	uint8_t data[DHCP4_VALUE_MAX];
	size_t size = 77;
	char error[DHCP4_VALUE_ERROR_BYTES] = "";
	if (dhcp4_value_parse(dhcp4_option_info(code), text, data, sizeof data, &size, error,
		    sizeof error) == 0)
		fail_msg("%u '%s' was taken", code, text);
	if (strstr(error, expected) == NULL)
		fail_msg("%u '%s': '%s' lacks '%s'", code, text, error, expected);
	assert_int_equal(size, 77);
}

static void errors_say_what_is_wrong(void **state)
{
	(void)state;
	expect_error(26, "70000", "interface-mtu: 70000 is above 65535");
	expect_error(26, "67", "67 is below 68");
	expect_error(26, "abc", "'abc' is not a number from 68 to 65535");
	expect_error(26, "", "'' is not a number");
	expect_error(26, "0x", "not a number");
	expect_error(26, "0x100000000", "above 65535");
	expect_error(57, "300", "below 576");
	expect_error(46, "256", "above 255");
	expect_error(46, "99999999999999999999999", "above 255");
	expect_error(2, "2147483648", "above 2147483647");
	expect_error(2, "-2147483649", "below -2147483648");
	expect_error(2, "--1", "not a number");
	expect_error(51, "1 hour", "not a time");
	expect_error(51, "500ms", "whole seconds");
	expect_error(51, "4294967295", "write infinite");
	expect_error(19, "maybe", "neither yes nor no");
	expect_error(80, "x", "has no value");
	expect_error(3, "10.0.0.256", "'10.0.0.256' is not an address");
	expect_error(3, "10.0.0.1,,10.0.0.2", "a comma");
	expect_error(3, "10.0.0.1,", "a comma");
	expect_error(3, ",10.0.0.1", "a comma");
	expect_error(3, "  ", "is empty");
	expect_error(28, "10.0.0.1,10.0.0.2", "is not an address");
	expect_error(1, "255.0.255.0", "is not a mask");
	expect_error(33, "10.1.0.0 10.0.0.1, 10.2.0.0", "pairs");
	expect_error(121, "10.0.0.1/8 via 10.0.0.1", "is it 10.0.0.0/8?");
	expect_error(121, "10.0.0.0/33 via 10.0.0.1", "not a network");
	expect_error(121, "10.0.0.0/8", "via");
	expect_error(121, "10.0.0.0/8 via", "via");
	expect_error(121, "", "routes are written");
	expect_error(119, "a..b", "not a domain name");
	expect_error(119, ".", "not a domain name");
	expect_error(119, "a b c!", "'c!'");
	expect_error(137, "a, b", "not a domain name");
	expect_error(120, "10.0.0.1, a.example", "not an address");
	expect_error(12, "", "is empty");
	expect_error(12, "a\tb", "byte 2 is a control character");
	expect_error(43, "hello", "not hexadecimal");
	expect_error(43, "abc", "not hexadecimal");
	expect_error(43, "aa::bb", "not hexadecimal");
	expect_error(43, "", "is empty");
	expect_error(124, "abc=text:a", "ENTERPRISE=VALUE");
	expect_error(124, "9=a", "hex:");
	expect_error(125, "9=text:a", "ENTERPRISE.CODE=VALUE");
	expect_error(125, "9.256=text:a", "ENTERPRISE.CODE=VALUE");
	expect_error(0, "10.0.0.1", "say what it is by hex:");
	expect_error(0, "u8:256", "above 255");
	expect_error(12, "\x1b[2J\n", "control character");
	expect_error(3, "\x1b[2J", "'?[2J'"); /* no terminal sees it */
}

static void values_have_a_greatest_length(void **state)
{
	(void)state;
	char text[1200], error[DHCP4_VALUE_ERROR_BYTES];
	uint8_t data[DHCP4_VALUE_MAX];
	size_t size;
	memset(text, 'a', sizeof text);
	text[DHCP4_VALUE_MAX] = '\0';
	assert_int_equal(dhcp4_value_parse(dhcp4_option_info(12), text, data, sizeof data, &size,
				 error, sizeof error),
		0);
	assert_int_equal(size, DHCP4_VALUE_MAX);
	assert_int_not_equal(
		dhcp4_value_parse(dhcp4_option_info(12), text, data, 255, &size, NULL, 0), 0);
	assert_int_not_equal(dhcp4_value_parse(dhcp4_option_info(12), text, data, 255, &size, error,
				     sizeof error),
		0);
	assert_string_equal(error, "host-name: the value is longer than 255 bytes");
	text[63] = '\0';
	assert_int_equal(dhcp4_value_parse(dhcp4_option_info(119), text, data, sizeof data, &size,
				 error, sizeof error),
		0);
	assert_int_equal(size, 65);
	text[63] = 'a';
	text[64] = '\0';
	expect_error(119, text, "not a domain name");
}

static void a_text_without_room_is_cut(void **state)
{
	(void)state;
	static const uint8_t data[] = {10, 0, 0, 1, 10, 0, 0, 2};
	const struct dhcp4_option_info *info = dhcp4_option_info(6);
	char text[9] = "xxxxxxxx";
	assert_int_equal(dhcp4_value_format(info, data, 8, text, 7), 18);
	assert_string_equal(text, "10.0.0");
	assert_int_equal(text[7], 'x');
	assert_int_equal(dhcp4_value_format(info, data, 8, NULL, 0), 18);
	/* What the bytes are does not depend on the room. */
	assert_int_equal(
		dhcp4_value_format(dhcp4_option_info(12), (const uint8_t *)"none", 4, NULL, 0), 9);
}

/* What does not have the option's form is still written exactly. */
static void foreign_bytes_are_written_as_they_are(void **state)
{
	(void)state;
	static const struct {
		uint8_t code;
		const char *hex;
		const char *text;
	} samples[] = {
		{3, "0a0000", "hex:0a:00:00"},
		{3, "", "hex:"},
		{12, "", "hex:"},
		{12, "6100", "hex:61:00"},
		{12, "610a62", "hex:61:0a:62"},
		{12, "c3", "hex:c3"},
		{12, "c080", "hex:c0:80"},
		{12, "eda080", "hex:ed:a0:80"},
		{121, "210a0000010a000001", "hex:21:0a:00:00:01:0a:00:00:01"},
		{121, "080a0a0000", "hex:08:0a:0a:00:00"},
		{121, "090aff0a000001", "hex:09:0a:ff:0a:00:00:01"}, /* bits past the prefix */
		{119, "c000", "hex:c0:00"},                          /* points to itself */
		{119, "0161c000", "hex:01:61:c0:00"},                /* a loop */
		{119, "0161c005", "hex:01:61:c0:05"},                /* points ahead */
		{119, "00", "hex:00"},
		{119, "0561", "hex:05:61"},
		{119, "012000", "hex:01:20:00"},
		{119, "4061", "hex:40:61"},
		{120, "020a000001", "hex:02:0a:00:00:01"},
		{120, "01", "hex:01"},
		{77, "69505845", "text:iPXE"}, /* FIELD 11: the raw string */
		{77, "00", "hex:00"},
		{124, "0000118b04616263", "hex:00:00:11:8b:04:61:62:63"},
		{125, "0000118b00", "hex:00:00:11:8b:00"},
		{1, "ff00ff00", "hex:ff:00:ff:00"},
	};
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		uint8_t data[64], again[64];
		size_t size, again_size;
		char text[256];
		const struct dhcp4_option_info *info = dhcp4_option_info(samples[i].code);
		assert_int_equal(text_hex_parse(samples[i].hex, data, sizeof data, &size), 0);
		dhcp4_value_format(info, data, size, text, sizeof text);
		assert_string_equal(text, samples[i].text);
		assert_int_equal(
			dhcp4_value_parse(info, text, again, sizeof again, &again_size, NULL, 0),
			0);
		assert_int_equal(size, again_size);
		assert_memory_equal(data, again, size);
	}
}

static void options_are_named_in_many_ways(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum dhcp4_value_space space;
		uint32_t enterprise;
		uint8_t code;
		bool always;
		const char *hex;
		const char *again;
	} samples[] = {
		{"router=10.0.0.1", DHCP4_VALUE_DHCP, 0, 3, false, "0a000001", "routers=10.0.0.1"},
		{"Domain-Name-Servers=10.0.0.1", DHCP4_VALUE_DHCP, 0, 6, false, "0a000001",
			"dns-servers=10.0.0.1"},
		{"150=ip:10.0.0.1", DHCP4_VALUE_DHCP, 0, 150, false, "0a000001",
			"tftp-server-address=10.0.0.1"},
		{"!mtu=9000", DHCP4_VALUE_DHCP, 0, 26, true, "2328", "!interface-mtu=9000"},
		{"43.6=u8:8", DHCP4_VALUE_VENDOR, 0, 6, false, "08", "vendor.6=hex:08"},
		{"!vendor.6=text:abc", DHCP4_VALUE_VENDOR, 0, 6, true, "616263",
			"!vendor.6=text:abc"},
		{"vendor-info.254=hex:01", DHCP4_VALUE_VENDOR, 0, 254, false, "01",
			"vendor.254=hex:01"},
		{"125.3561.1=hex:0102", DHCP4_VALUE_VIVSO, 3561, 1, false, "0102",
			"125.3561.1=hex:01:02"},
		{"vivso.4294967295.255=hex:", DHCP4_VALUE_VIVSO, UINT32_MAX, 255, false, "",
			"125.4294967295.255=hex:"},
		{"224=text:a=b", DHCP4_VALUE_DHCP, 0, 224, false, "613d62", "224=text:a=b"},
		{"rapid-commit=", DHCP4_VALUE_DHCP, 0, 80, false, "", "rapid-commit="},
		{"host-name=text:none", DHCP4_VALUE_DHCP, 0, 12, false, "6e6f6e65",
			"host-name=text:none"},
	};
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		struct dhcp4_value_option option;
		char error[DHCP4_VALUE_ERROR_BYTES] = "", text[128];
		uint8_t data[64];
		size_t size;
		if (dhcp4_value_parse_option(samples[i].text, &option, error, sizeof error) != 0)
			fail_msg("%s: %s", samples[i].text, error);
		assert_int_equal(option.space, samples[i].space);
		assert_int_equal(option.enterprise, samples[i].enterprise);
		assert_int_equal(option.code, samples[i].code);
		assert_int_equal(option.always, samples[i].always);
		assert_false(option.none);
		assert_int_equal(text_hex_parse(samples[i].hex, data, sizeof data, &size), 0);
		assert_int_equal(option.size, size);
		assert_memory_equal(option.data, data, size);
		assert_int_equal(dhcp4_value_format_option(&option, text, sizeof text),
			strlen(samples[i].again));
		assert_string_equal(text, samples[i].again);
	}
}

static void none_removes_an_option(void **state)
{
	(void)state;
	struct dhcp4_value_option option;
	char text[64];
	assert_int_equal(dhcp4_value_parse_option("!vendor.6=none", &option, NULL, 0), 0);
	assert_true(option.none);
	assert_int_equal(option.size, 0);
	assert_int_equal(dhcp4_value_format_option(&option, text, sizeof text), 14);
	assert_string_equal(text, "!vendor.6=none");
	assert_int_equal(dhcp4_value_format_option(&option, text, 8), 14);
	assert_string_equal(text, "!vendor");
	assert_int_equal(dhcp4_value_format_option(&option, text, 11), 14);
	assert_string_equal(text, "!vendor.6=");
	assert_int_equal(dhcp4_value_format_option(&option, NULL, 0), 14);
}

static void wrong_names_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *error;
	} samples[] = {
		{"router", "router: write NAME=VALUE"},
		{"=10.0.0.1", "not an option"},
		{"0=hex:01", "not an option"},
		{"255=hex:01", "not an option"},
		{"!!3=10.0.0.1", "not an option"},
		{"routre=10.0.0.1", "routre: not an option"},
		{"vendor.=hex:01", "vendor.6"},
		{"vendor.0=hex:01", "vendor.6"},
		{"vendor.255=hex:01", "vendor.6"},
		{"43.6.1=hex:01", "vendor.6"},
		{"125.1=hex:01", "125.ENTERPRISE.CODE"},
		{"125.4294967296.1=hex:01", "125.ENTERPRISE.CODE"},
		{"125.99999999999999999999.1=hex:01", "125.ENTERPRISE.CODE"},
		{"82.1=hex:01", "only 43 and 125"},
		{"mtu=70000", "mtu: 70000 is above 65535"}, /* the name as it was written */
		{"vendor.6=8", "vendor.6: '8': say what it is by hex:"},
	};
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		struct dhcp4_value_option option = {.code = 99};
		char error[DHCP4_VALUE_ERROR_BYTES] = "";
		assert_int_not_equal(
			dhcp4_value_parse_option(samples[i].text, &option, error, sizeof error), 0);
		if (strstr(error, samples[i].error) == NULL)
			fail_msg("'%s': '%s'", samples[i].text, error);
		assert_int_equal(option.code, 99);
	}
	char long_name[400];
	memset(long_name, 'a', sizeof long_name);
	long_name[300] = '=';
	long_name[399] = '\0';
	struct dhcp4_value_option option;
	char error[20];
	assert_int_not_equal(dhcp4_value_parse_option(long_name, &option, error, sizeof error), 0);
	assert_int_equal(strlen(error), 19);
}

/* A sub-option has one length byte; the outer option may be longer. */
static void sub_options_are_short(void **state)
{
	(void)state;
	char text[600] = "vendor.6=text:";
	struct dhcp4_value_option option;
	size_t at = strlen(text);
	memset(text + at, 'a', 256);
	assert_int_not_equal(dhcp4_value_parse_option(text, &option, NULL, 0), 0);
	text[at + 255] = '\0';
	assert_int_equal(dhcp4_value_parse_option(text, &option, NULL, 0), 0);
	assert_int_equal(option.size, 255);
	char long_text[600] = "root-path=";
	at = strlen(long_text);
	memset(long_text + at, 'a', 500);
	assert_int_equal(dhcp4_value_parse_option(long_text, &option, NULL, 0), 0);
	assert_int_equal(option.size, 500);
}

/* The example that help shows is one that is understood. */
static void every_option_takes_its_example(void **state)
{
	(void)state;
	const struct dhcp4_option_info *info;
	for (size_t i = 0; (info = dhcp4_option_at(i)) != NULL; i++) {
		uint8_t data[DHCP4_VALUE_MAX];
		size_t size;
		char text[256], error[DHCP4_VALUE_ERROR_BYTES] = "";
		const char *example = dhcp4_format_example(info->format);
		assert_non_null(dhcp4_format_name(info->format));
		if (dhcp4_value_parse(
			    info, example, data, sizeof data, &size, error, sizeof error) != 0)
			fail_msg("%s '%s': %s", info->name, example, error);
		dhcp4_value_format(info, data, size, text, sizeof text);
		assert_string_equal(text, example);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_flags_and_times),
		cmocka_unit_test(addresses_masks_and_routes),
		cmocka_unit_test(texts_and_names),
		cmocka_unit_test(bytes_prefixes_and_enterprises),
		cmocka_unit_test(errors_say_what_is_wrong),
		cmocka_unit_test(values_have_a_greatest_length),
		cmocka_unit_test(a_text_without_room_is_cut),
		cmocka_unit_test(foreign_bytes_are_written_as_they_are),
		cmocka_unit_test(options_are_named_in_many_ways),
		cmocka_unit_test(none_removes_an_option),
		cmocka_unit_test(wrong_names_are_refused),
		cmocka_unit_test(sub_options_are_short),
		cmocka_unit_test(every_option_takes_its_example),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
