/* proto/msg/msg_ip4.h: IPv4 addresses in messages and records: four bytes in network order there,
 * a number in host order everywhere else. Pure. */
#ifndef PROTO_MSG_MSG_IP4_H
#define PROTO_MSG_MSG_IP4_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

/* 0 if the field does not hold four bytes. */
static inline uint32_t msg_ip4_get(ProtobufCBinaryData field)
{
	if (field.len != 4 || field.data == NULL)
		return 0;
	return (uint32_t)field.data[0] << 24 | (uint32_t)field.data[1] << 16 |
	       (uint32_t)field.data[2] << 8 | field.data[3];
}

static inline void msg_ip4_put(uint32_t ip, uint8_t ret_bytes[4])
{
	ret_bytes[0] = (uint8_t)(ip >> 24);
	ret_bytes[1] = (uint8_t)(ip >> 16);
	ret_bytes[2] = (uint8_t)(ip >> 8);
	ret_bytes[3] = (uint8_t)ip;
}

#endif
