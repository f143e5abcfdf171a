/* TFTP packets, bytes in and bytes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/tftp.h"

/* Decode from a heap copy of exactly `size` bytes, so that a read past the end is caught; keep the
 * copy. */
static enum tftp_reason decode_copy(
	const void *bytes, size_t size, struct tftp_packet *packet, void **ret_copy)
{
	*ret_copy = malloc(size > 0 ? size : 1);
	assert_non_null(*ret_copy);
	memcpy(*ret_copy, bytes, size);
	return tftp_decode(*ret_copy, size, packet);
}
#define BYTES(text) (text), (sizeof(text) - 1)

static void decodes_the_request_of_edk2(void **state)
{
	(void)state;
	struct tftp_packet p;
	void *copy;
	assert_int_equal(decode_copy(BYTES("\0\1boot/x.efi\0octet\0tsize\0"
					   "0\0blksize\0"
					   "1468\0windowsize\0"
					   "4\0"),
				 &p, &copy),
		TFTP_OK);
	assert_int_equal(p.opcode, TFTP_RRQ);
	assert_string_equal(p.filename, "boot/x.efi");
	assert_int_equal(p.filename_bytes, 10);
	assert_int_equal(p.mode, TFTP_OCTET);
	assert_int_equal(
		p.options.present, TFTP_HAS_TSIZE | TFTP_HAS_BLKSIZE | TFTP_HAS_WINDOWSIZE);
	assert_int_equal(p.options.blksize, 1468);
	assert_int_equal(p.options.windowsize, 4);
	assert_true(p.options.tsize == 0);
	free(copy);
}

static void names_are_compared_without_case(void **state)
{
	(void)state;
	struct tftp_packet p;
	assert_int_equal(tftp_decode(BYTES("\0\2f\0NetASCII\0BlkSize\0"
					   "8\0TIMEOUT\0"
					   "255\0"),
				 &p),
		TFTP_OK);
	assert_int_equal(p.opcode, TFTP_WRQ);
	assert_int_equal(p.mode, TFTP_NETASCII);
	assert_int_equal(p.options.blksize, 8);
	assert_int_equal(p.options.timeout, 255);
}

/* RFC 2347: what the server does not accept is left out, never an error (FIELD 62: "multicast"). */
static void odd_options_are_left_out(void **state)
{
	(void)state;
	struct tftp_packet p;
	assert_int_equal(tftp_decode(BYTES("\0\1f\0octet\0multicast\0\0blksize\0"
					   "7\0timeout\0"
					   "0\0windowsize\0"
					   "65536\0tsize\0"
					   "-1\0"),
				 &p),
		TFTP_OK);
	assert_int_equal(p.options.present, 0);
	assert_int_equal(tftp_decode(BYTES("\0\1f\0octet\0blksize\0"
					   "65465\0tsize\0"
					   "99999999999999999999\0windowsize\0"
					   "4x\0timeout\0 3\0"),
				 &p),
		TFTP_OK);
	assert_int_equal(p.options.present, 0);
	assert_int_equal(tftp_decode(BYTES("\0\1f\0octet\0blksize\0"
					   "512\0blksize\0"
					   "1024\0"),
				 &p),
		TFTP_OK);
	assert_int_equal(p.options.blksize, 512);
}

static void a_cut_option_of_a_rom_is_forgiven(void **state)
{
	(void)state;
	struct tftp_packet p;
	assert_int_equal(tftp_decode(BYTES("\0\1f\0octet\0blksize\0"
					   "512\0tsize\0"
					   "0"),
				 &p),
		TFTP_OK);
	assert_int_equal(p.options.present, TFTP_HAS_BLKSIZE);
	assert_int_equal(tftp_decode(BYTES("\0\1f\0octet\0\0\0\0\0\0"), &p), TFTP_OK);
	assert_int_equal(p.options.present, 0);
}

static void malformed_packets_have_reasons(void **state)
{
	(void)state;
	struct tftp_packet p = {.block = 4711};
	assert_int_equal(tftp_decode(NULL, 0, &p), TFTP_SHORT);
	assert_int_equal(tftp_decode(BYTES("\0"), &p), TFTP_SHORT);
	assert_int_equal(tftp_decode(BYTES("\0\0"), &p), TFTP_BAD_OPCODE);
	assert_int_equal(tftp_decode(BYTES("\0\7"), &p), TFTP_BAD_OPCODE);
	assert_int_equal(tftp_decode(BYTES("\1\1f\0octet\0"), &p), TFTP_BAD_OPCODE);
	assert_int_equal(tftp_decode(BYTES("\0\1file"), &p), TFTP_NO_NUL);
	assert_int_equal(tftp_decode(BYTES("\0\1file\0octet"), &p), TFTP_NO_NUL);
	assert_int_equal(tftp_decode(BYTES("\0\1\0octet\0"), &p), TFTP_EMPTY_NAME);
	assert_int_equal(tftp_decode(BYTES("\0\1f\0mail\0"), &p), TFTP_BAD_MODE);
	assert_int_equal(tftp_decode(BYTES("\0\1f\0octet\0tsize\0"), &p), TFTP_NO_VALUE);
	assert_int_equal(tftp_decode(BYTES("\0\3\0"), &p), TFTP_SHORT);
	assert_int_equal(tftp_decode(BYTES("\0\4\0"), &p), TFTP_SHORT);
	assert_int_equal(tftp_decode(BYTES("\0\5\0"), &p), TFTP_SHORT);
	assert_int_equal(tftp_decode(BYTES("\0\5\0\1text"), &p), TFTP_NO_NUL);
	assert_int_equal(tftp_decode(BYTES("\0\6tsize\0"), &p), TFTP_NO_VALUE);
	assert_int_equal(tftp_decode(BYTES("\0\6tsize\0"
					   "1"),
				 &p),
		TFTP_NO_NUL);
	assert_int_equal(p.block, 4711); /* untouched all the while */
}

static void decodes_the_rest(void **state)
{
	(void)state;
	struct tftp_packet p;
	assert_int_equal(tftp_decode(BYTES("\0\4\xff\xfe"), &p), TFTP_OK);
	assert_int_equal(p.opcode, TFTP_ACK);
	assert_int_equal(p.block, 0xfffe);
	assert_int_equal(tftp_decode(BYTES("\0\3\0\1hello"), &p), TFTP_OK);
	assert_int_equal(p.data_bytes, 5);
	assert_memory_equal(p.data, "hello", 5);
	assert_int_equal(tftp_decode(BYTES("\0\3\0\2"), &p), TFTP_OK);
	assert_int_equal(p.data_bytes, 0);
	assert_int_equal(tftp_decode(BYTES("\0\5\0\10User aborted\0"), &p), TFTP_OK);
	assert_int_equal(p.error_code, TFTP_EOPTION);
	assert_string_equal(p.error_text, "User aborted");
	assert_int_equal(tftp_decode(BYTES("\0\5\0\0"), &p), TFTP_OK);
	assert_string_equal(p.error_text, "");
	assert_int_equal(tftp_decode(BYTES("\0\6tsize\0"
					   "123456\0"),
				 &p),
		TFTP_OK);
	assert_true(p.options.tsize == 123456);
}

static void truncation_at_every_byte_is_safe(void **state)
{
	(void)state;
	static const char request[] = "\0\1boot/x.efi\0octet\0tsize\0"
				      "0\0blksize\0"
				      "1468";
	for (size_t size = 0; size < sizeof request; size++) {
		struct tftp_packet p;
		void *copy;
		enum tftp_reason reason = decode_copy(request, size, &p, &copy);
		assert_int_equal(reason == TFTP_OK, size >= 19 && size != 25 && size != 35);
		free(copy);
	}
}

static void encodes_exact_bytes(void **state)
{
	(void)state;
	uint8_t buffer[TFTP_CONTROL_MAX_BYTES];
	assert_int_equal(tftp_encode_data_header(0x1234, buffer), 4);
	assert_memory_equal(buffer, "\0\3\x12\x34", 4);
	assert_int_equal(tftp_encode_ack(65535, buffer, sizeof buffer), 4);
	assert_memory_equal(buffer, "\0\4\xff\xff", 4);
	assert_int_equal(tftp_encode_ack(1, buffer, 3), 0);
	assert_int_equal(tftp_encode_error(1, NULL, buffer, sizeof buffer), 19);
	assert_memory_equal(buffer, "\0\5\0\1File not found\0", 19);
	assert_int_equal(tftp_encode_error(0, "too long a text", buffer, 8), 8);
	assert_memory_equal(buffer, "\0\5\0\0too\0", 8);
	assert_int_equal(tftp_encode_error(0, "", buffer, 4), 0);
	struct tftp_options options = {.present = TFTP_HAS_BLKSIZE | TFTP_HAS_TSIZE,
		.blksize = 1024,
		.tsize = 1ull << 40,
		.timeout = 9};
	static const char oack[] = "\0\6blksize\0"
				   "1024\0tsize\0"
				   "1099511627776";
	assert_int_equal(tftp_encode_oack(&options, buffer, sizeof buffer), sizeof oack);
	assert_memory_equal(buffer, oack, sizeof oack);
	assert_int_equal(tftp_encode_oack(&options, buffer, sizeof oack - 1), 0);
	static const char rrq[] = "\0\1a/b\0octet\0timeout\0"
				  "9";
	options.present = TFTP_HAS_TIMEOUT;
	assert_int_equal(
		tftp_encode_request(TFTP_RRQ, "a/b", TFTP_OCTET, &options, buffer, sizeof buffer),
		sizeof rrq);
	assert_memory_equal(buffer, rrq, sizeof rrq);
}

static void error_texts_exist_for_every_code(void **state)
{
	(void)state;
	assert_string_equal(tftp_error_text(TFTP_EBADID), "Unknown transfer ID");
	assert_string_equal(tftp_error_text(9), "Error");
	for (int reason = 0; reason < TFTP_REASON_COUNT; reason++)
		assert_non_null(tftp_reason_name((enum tftp_reason)reason));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_the_request_of_edk2),
		cmocka_unit_test(names_are_compared_without_case),
		cmocka_unit_test(odd_options_are_left_out),
		cmocka_unit_test(a_cut_option_of_a_rom_is_forgiven),
		cmocka_unit_test(malformed_packets_have_reasons),
		cmocka_unit_test(decodes_the_rest),
		cmocka_unit_test(truncation_at_every_byte_is_safe),
		cmocka_unit_test(encodes_exact_bytes),
		cmocka_unit_test(error_texts_exist_for_every_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
