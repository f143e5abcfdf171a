/* A stream of packets, outcomes and time for the DHCPv4 engine over a small cluster.
 *
 * Input: steps of one byte each. 0x80 set: the lower bits are a time that passes. Else the length
 * of a packet in units of 8 bytes (0: the last proposal is lost), and the packet follows. An ACK
 * must stand for what the model holds: the address bound to that very client [P1] [P2]. */
#include "tests/unit/node/dhcp4_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_bound(const struct rig *rig)
{
	const struct dhcp4_header *header = &rig->reply.header;
	struct lease lease;

	if (rig->reply.type != DHCP4_ACK || header->yiaddr == 0) {
		return;
	}
	assert_true(model_lease_of_ip(rig->model, header->yiaddr, &lease));
	assert_int_equal(lease_state_at(&lease, rig->view.now_ms), PXE__LEASE_STATE__LEASE_BOUND);
	assert_int_equal(lease.client[0], header->htype);
	if (header->hlen > 0) {
		assert_int_equal(lease.client_len, header->hlen + 1);
		assert_memory_equal(lease.client + 1, header->chaddr, header->hlen);
	}
}

static void take(struct rig *rig, const uint8_t *packet, size_t size)
{
	const struct ask from = {
		.unicast = size > 300 && (packet[299] & 1), .to = RIG_SERVER_IP, .from = 0};

	rig_send_bytes(rig, &from, packet, size);
	assert_false(rig->effects.has_reply && rig->effects.has_proposal);
	if (rig->effects.has_reply) {
		expect_bound(rig);
	}
	if (rig->effects.has_proposal && (packet[size - 1] & 7) != 7) {
		rig_commit(rig);
		if (rig->effects.has_reply) {
			expect_bound(rig);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig rig;

	rig_init(&rig);
	rig_host(&rig, "n07", 7, IP(10, 0, 0, 150), false);
	rig_host(&rig, "shunned", 8, 0, true);
	while (size > 0) {
		uint8_t step = *data++;
		size--;
		if (step & 0x80) {
			rig_pass(&rig, (uint64_t)(step & 0x7f) * (step & 0x7f) * 997);
			while (dhcp4_engine_tick(rig.engine, &rig.view, &rig.effects)) {
				rig_note_effects(&rig);
			}
		} else if (step == 0 && rig.ticket != 0) {
			dhcp4_engine_on_outcome(rig.engine, NULL, rig.ticket, DHCP4_OUTCOME_UNKNOWN,
				NULL, &rig.effects);
			rig.ticket = 0;
		} else {
			size_t bytes = (size_t)step * 8 < size ? (size_t)step * 8 : size;
			if (bytes > 0) {
				take(&rig, data, bytes);
			}
			data += bytes;
			size -= bytes;
		}
	}
	assert_true(dhcp4_engine_pending(rig.engine) <= DHCP4_PENDING_MAX);
	rig_fini(&rig);
	return 0;
}
