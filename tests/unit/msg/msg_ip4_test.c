/* Addresses as fields of messages: four bytes in network order. */
#include "proto/msg/msg_ip4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void an_address_is_four_bytes_in_network_order(void **state)
{
	(void)state;
	const uint8_t expected[4] = {10, 20, 0, 129};
	uint8_t bytes[4];
	msg_ip4_put(0x0a140081, bytes);
	assert_memory_equal(bytes, expected, 4);
	assert_int_equal(msg_ip4_get((ProtobufCBinaryData){4, bytes}), 0x0a140081);
}

static void what_is_not_four_bytes_is_no_address(void **state)
{
	(void)state;
	uint8_t bytes[16] = {10, 20, 0, 1, 5};
	const size_t lengths[] = {0, 1, 3, 5, 16};
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
		assert_int_equal(msg_ip4_get((ProtobufCBinaryData){lengths[i], bytes}), 0);
	assert_int_equal(msg_ip4_get((ProtobufCBinaryData){0, NULL}), 0);
	assert_int_equal(msg_ip4_get((ProtobufCBinaryData){4, NULL}), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_four_bytes_in_network_order),
		cmocka_unit_test(what_is_not_four_bytes_is_no_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
