/* The life of a lease, to the millisecond. Kit: lease 100 s, MCLT 20 s, offer 10 s, quarantine 60
 * s. */
#include "tests/unit/model/model_kit.h"

#define IP(last) (0x0a000000u + (last))

static void test_lease_states_follow_from_time(void **state)
{
	(void)state;
	static const struct {
		Pxe__LeaseState stored;
		uint64_t expires, promised, since, now;
		Pxe__LeaseState expected;
	} rows[] = {
		{S(FREE), 100, 200, 1, 50, S(FREE)},
		{S(OFFERED), 100, 100, 0, 99, S(OFFERED)},
		{S(OFFERED), 100, 100, 0, 100, S(FREE)},
		{S(OFFERED), 100, 500, 1, 99, S(OFFERED)},
		{S(OFFERED), 100, 500, 1, 100, S(GRACE)},
		{S(OFFERED), 100, 500, 1, 2499, S(GRACE)},
		{S(OFFERED), 100, 500, 1, 2500, S(FREE)},
		{S(BOUND), 100, 300, 1, 99, S(BOUND)},
		{S(BOUND), 100, 300, 1, 100, S(GRACE)},
		{S(BOUND), 100, 300, 1, 2299, S(GRACE)},
		{S(BOUND), 100, 300, 1, 2300, S(FREE)},
		{S(DECLINED), 100, 100, 0, 99, S(DECLINED)},
		{S(DECLINED), 100, 100, 0, 100, S(FREE)},
		{S(BOUND), UINT64_MAX, UINT64_MAX, 1, UINT64_MAX - 1, S(BOUND)},
		{S(BOUND), 5, UINT64_MAX, 1, UINT64_MAX - 1, S(GRACE)},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lease lease = {.state = rows[i].stored,
			.expires_ms = rows[i].expires,
			.promised_ms = rows[i].promised,
			.since_ms = rows[i].since};
		assert_int_equal(lease_state_at(&lease, rows[i].now), rows[i].expected);
	}
}

static void test_offer_then_bind(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	uint32_t ip = kit.result.lease.ip;
	assert_in_range(ip, IP(10), IP(19));
	assert_int_equal(kit.result.lease.state, S(OFFERED));
	assert_int_equal(kit.result.lease.expires_ms, KIT_START_MS + 10000);
	assert_int_equal(kit.result.lease.since_ms, 0);
	assert_string_equal(kit.result.lease.subnet, "lab");
	assert_int_equal(kit.result.lease.client_len, 7);
	kit_at(&kit, 500);
	assert_int_equal(kit_bind(&kit, 1, ip, 0, false), V(OK));
	assert_int_equal(kit.result.lease.state, S(BOUND));
	assert_int_equal(kit.result.lease.expires_ms, KIT_START_MS + 500 + 100000);
	assert_int_equal(kit.result.lease.promised_ms, KIT_START_MS + 500 + 120000);
	assert_int_equal(kit.result.lease.since_ms, KIT_START_MS + 500);
	assert_string_equal(kit.result.detail, "");
	kit_fini(&kit);
}

static void test_offer_of_a_bound_client_changes_nothing(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	uint32_t ip = kit.result.lease.ip;
	assert_int_equal(kit_bind(&kit, 1, ip, 0, false), V(OK));
	uint8_t before[32], after[32];
	kit_at(&kit, 99999); /* the last millisecond of the lease */
	model_digest(kit.model, before);
	assert_int_equal(kit_offer(&kit, 1, ip == IP(10) ? IP(11) : IP(10)), V(OK));
	model_digest(kit.model, after);
	assert_int_equal(kit.result.lease.ip, ip);
	assert_int_equal(kit.result.lease.state, S(BOUND));
	assert_memory_equal(before, after, 32);
	kit_fini(&kit);
}

/* One client in turn asks for an address that another holds, at each edge of its life. */
static void test_another_client_gets_the_address_only_after_its_rest(void **state)
{
	(void)state;
	static const struct {
		uint64_t at_ms;
		Pxe__Verdict expected;
	} rows[] = {
		{0, V(IN_USE)}, {99999, V(IN_USE)}, {100000, V(IN_USE)}, /* expired: grace */
		{119999, V(IN_USE)}, {120000, V(IN_USE)},                /* promised until here */
		{121999, V(IN_USE)}, {122000, V(IN_USE)},                /* and the skew */
		{122999, V(IN_USE)}, {123000, V(OK)},                    /* and the rest */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kit kit;
		kit_init(&kit);
		assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
		kit_at(&kit, rows[i].at_ms);
		assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), rows[i].expected);
		assert_int_equal(model_lease_count(kit.model), 1);
		kit_fini(&kit);
	}
}

static void test_the_same_client_returns_in_grace(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	uint64_t promised = kit.result.lease.promised_ms;
	kit_at(&kit, 115000);
	assert_int_equal(kit_state(&kit, IP(12)), S(GRACE));
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(12));
	assert_int_equal(kit.result.lease.state, S(OFFERED));
	assert_true(kit.result.lease.promised_ms >= promised);
	/* The offer runs out: what was promised before still holds. */
	kit_at(&kit, 125000);
	assert_int_equal(kit_state(&kit, IP(12)), S(GRACE));
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(IN_USE));
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, false), V(OK));
	assert_int_equal(kit.result.lease.since_ms, KIT_START_MS);
	kit_fini(&kit);
}

/* With an offer time shorter than the rest, an offer in grace must not cut the rest short. */
static void test_an_offer_does_not_shorten_the_rest(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	Pxe__Put put = PXE__PUT__INIT;
	Pxe__Settings settings = *model_settings(kit.model);
	settings.offer_s = 1;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	assert_int_equal(kit_put(&kit, &put), V(OK));
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	kit_at(&kit, 119000);
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	kit_at(&kit, 120001); /* the offer ran out */
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(IN_USE));
	kit_at(&kit, 122999);
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(IN_USE));
	kit_at(&kit, 123000);
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(OK));
	kit_fini(&kit);
}

static void test_an_offer_that_ran_out_frees_the_address(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_offer(&kit, 1, IP(15)), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(15));
	kit_at(&kit, 9999);
	assert_int_equal(kit_bind(&kit, 2, IP(15), 0, true), V(IN_USE));
	kit_at(&kit, 10000);
	assert_int_equal(kit_bind(&kit, 2, IP(15), 0, true), V(OK));
	assert_int_equal(kit_bind(&kit, 1, IP(15), 0, false), V(IN_USE));
	kit_fini(&kit);
}

static void test_a_repeated_offer_is_the_same_address_for_longer(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	uint32_t ip = kit.result.lease.ip;
	kit_at(&kit, 4000);
	assert_int_equal(kit_offer(&kit, 1, ip == IP(10) ? IP(11) : IP(10)), V(OK));
	assert_int_equal(kit.result.lease.ip, ip);
	assert_int_equal(kit.result.lease.expires_ms, KIT_START_MS + 14000);
	assert_int_equal(model_lease_count(kit.model), 1);
	kit_fini(&kit);
}

static void test_renewal_never_lowers_the_promise(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 100, true), V(OK));
	kit_at(&kit, 1000);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 60, false), V(OK));
	assert_int_equal(kit.result.lease.expires_ms, KIT_START_MS + 61000);
	assert_int_equal(kit.result.lease.promised_ms, KIT_START_MS + 120000);
	kit_fini(&kit);
}

static void test_release_rests_then_is_free(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	kit_at(&kit, 1000);
	assert_int_equal(kit_release(&kit, 2, IP(12), false), V(IN_USE));
	assert_int_equal(kit_release(&kit, 1, IP(12), false), V(OK));
	assert_int_equal(kit_state(&kit, IP(12)), S(GRACE));
	/* Until every member knows, only the old promise counts. */
	assert_int_equal(model_unsettled_ms(kit.model), KIT_START_MS + 1000);
	kit_at(&kit, 3900);
	assert_int_equal(kit_settle(&kit, 1000), V(OK));
	assert_int_equal(model_unsettled_ms(kit.model), KIT_START_MS + 1000);
	assert_int_equal(kit_settle(&kit, 1001), V(OK));
	assert_int_equal(model_unsettled_ms(kit.model), 0);
	kit_at(&kit, 3999);
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(IN_USE));
	assert_false(model_sweep_due(kit.model, kit.now_ms));
	kit_at(&kit, 4000);
	assert_true(model_sweep_due(kit.model, kit.now_ms));
	/* Nobody took it: the same client has it again, as before. */
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(12));
	assert_int_equal(kit_release(&kit, 1, IP(12), false), V(OK));
	kit_at(&kit, 7000);
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(OK));
	assert_int_equal(kit_release(&kit, 1, IP(12), false), V(IN_USE));
	assert_int_equal(kit_release(&kit, 1, IP(13), false), V(NOT_FOUND));
	assert_int_equal(kit_release(&kit, 9, IP(12), true), V(OK)); /* operator */
	kit_fini(&kit);
}

/* A node without the quorum may extend the lease up to its promise (120 s) while it does not know.
 */
static void test_r3_release_is_free_at_its_promise_or_when_all_know(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	assert_int_equal(kit_bind(&kit, 2, IP(13), 0, true), V(OK));
	kit_at(&kit, 1000);
	assert_int_equal(kit_release(&kit, 1, IP(12), false), V(OK));
	assert_int_equal(kit.result.lease.released_ms, KIT_START_MS + 1000);
	assert_int_equal(kit_release(&kit, 0, IP(13), true), V(OK));
	kit_at(&kit, 122999);
	assert_int_equal(kit_bind(&kit, 3, IP(12), 0, true), V(IN_USE));
	assert_int_equal(kit_bind(&kit, 3, IP(13), 0, true), V(IN_USE));
	/* Its own client gets it again, and it is as if nothing had been given up. */
	assert_int_equal(kit_bind(&kit, 2, IP(13), 0, true), V(OK));
	assert_int_equal(kit.result.lease.released_ms, 0);
	kit_at(&kit, 123000);
	assert_int_equal(kit_bind(&kit, 3, IP(12), 0, true), V(OK));
	assert_int_equal(kit_settle(&kit, 122000), V(OK));
	assert_int_equal(kit_bind(&kit, 4, IP(13), 0, true), V(IN_USE));
	assert_int_equal(model_unsettled_ms(kit.model), 0);
	kit_fini(&kit);
}

static void test_late_release_leaves_the_newer_lease(void **state)
{
	(void)state;
	struct kit kit;
	struct kit_who who;
	uint8_t ip[4];
	Pxe__Release release = PXE__RELEASE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	kit_init(&kit);
	msg_ip4_put(IP(12), ip);
	release.client = kit_who(1, &who)->client;
	release.ip = kit_bytes(ip, 4);
	command.op_case = PXE__COMMAND__OP_RELEASE;
	command.release = &release;
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	/* Sent now, held up; the client meanwhile gets the address again. */
	release.as_of_ms = model_stamp_ms(kit.model);
	kit_at(&kit, 2000);
	assert_int_equal(kit_release(&kit, 1, IP(12), false), V(OK));
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	kit_at(&kit, 3000);
	assert_int_equal(kit_apply(&kit, &command), V(CONFLICT));
	assert_int_equal(kit_state(&kit, IP(12)), S(BOUND));
	/* Nor does one that lay in a stopped process until that knew of the newer lease. */
	release.as_of_ms = KIT_START_MS + 2000;
	release.arrived_ms = KIT_START_MS + 2000;
	assert_int_equal(kit_apply(&kit, &command), V(CONFLICT));
	assert_int_equal(kit_state(&kit, IP(12)), S(BOUND));
	/* One that came since is meant for it. */
	release.arrived_ms = KIT_START_MS + 2001;
	assert_int_equal(kit_apply(&kit, &command), V(OK));
	assert_int_equal(kit_state(&kit, IP(12)), S(GRACE));
	kit_fini(&kit);
}

static void test_release_of_an_offer_frees_at_once(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_offer(&kit, 1, IP(15)), V(OK));
	assert_int_equal(kit_release(&kit, 1, IP(15), false), V(OK));
	assert_int_equal(model_lease_count(kit.model), 0);
	kit_fini(&kit);
}

static void test_decline_quarantines(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	/* Promised for 80 s: the quarantine is longer. */
	assert_int_equal(kit_bind(&kit, 1, IP(12), 60, true), V(OK));
	kit_at(&kit, 50000);
	assert_int_equal(kit_decline(&kit, 2, IP(12), false), V(IN_USE));
	assert_int_equal(
		kit_decline(&kit, 2, IP(12), true), V(IN_USE)); /* who answers is its holder */
	assert_int_equal(kit_decline(&kit, 1, IP(12), false), V(OK));
	assert_int_equal(kit_state(&kit, IP(12)), S(DECLINED));
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(NOT_AVAILABLE));
	assert_int_equal(kit_offer(&kit, 1, IP(12)), V(OK));
	assert_int_not_equal(kit.result.lease.ip, IP(12));
	kit_at(&kit, 109999);
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(NOT_AVAILABLE));
	kit_at(&kit, 110000);
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(OK));
	kit_fini(&kit);
}

/* The operator ends the quarantine, but not what was promised. */
static void test_r3_quarantine_ends_by_hand_but_the_promise_stands(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 60, true), V(OK));
	kit_at(&kit, 50000);
	assert_int_equal(kit_decline(&kit, 1, IP(12), false), V(OK));
	assert_int_equal(kit_release(&kit, 0, IP(12), true), V(OK));
	assert_int_equal(kit_state(&kit, IP(12)), S(DECLINED));
	kit_at(&kit, 82999);
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(NOT_AVAILABLE));
	kit_at(&kit, 83000);
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(OK));
	kit_fini(&kit);
}

static void test_r3_a_declined_lease_keeps_its_promise(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	assert_int_equal(kit_decline(&kit, 1, IP(12), false), V(OK));
	kit_at(&kit, 60000);
	assert_int_equal(kit_state(&kit, IP(12)), S(DECLINED));
	/* Not even the operator shortens what a node may have told the client. */
	assert_int_equal(kit_release(&kit, 0, IP(12), true), V(OK));
	kit_at(&kit, 122999);
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(NOT_AVAILABLE));
	kit_at(&kit, 123000);
	assert_int_equal(kit_bind(&kit, 2, IP(12), 0, true), V(OK));
	kit_fini(&kit);
}

static void test_decline_by_probe(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_decline(&kit, 1, IP(14), true), V(OK)); /* free */
	assert_int_equal(kit_offer(&kit, 1, IP(15)), V(OK));
	assert_int_equal(kit_decline(&kit, 1, IP(15), true), V(OK)); /* only offered */
	assert_int_equal(kit_bind(&kit, 1, IP(15), 0, true), V(NOT_AVAILABLE));
	assert_int_equal(kit_decline(&kit, 1, IP(1), true), V(NOT_AVAILABLE)); /* the gateway */
	assert_int_equal(kit_decline(&kit, 1, 0xc0000201, true), V(NO_SUBNET));
	assert_int_equal(kit_release(&kit, 0, IP(14), true), V(OK)); /* the operator knows better */
	assert_int_equal(kit_state(&kit, IP(14)), S(FREE));
	kit_fini(&kit);
}

static void test_bind_is_refused_for_a_reason(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.14"), V(OK));
	static const struct {
		unsigned client;
		uint32_t ip;
		bool create;
		Pxe__Verdict expected;
		const char *detail;
	} rows[] = {
		{1, IP(12), false, V(NOT_FOUND), "no lease of 10.0.0.12"},
		{1, IP(9), true, V(NOT_AVAILABLE), "in no pool of subnet lab"},
		{1, IP(1), true, V(NOT_AVAILABLE), "in no pool"},
		{1, IP(14), true, V(NOT_AVAILABLE), "reserved for host n07"},
		{1, 0xc0a80001, true, V(NOT_AVAILABLE), "192.168.0.1 is in no pool"},
		{7, IP(12), true, V(NOT_AVAILABLE), "host n07 has the reserved address 10.0.0.14"},
		{7, IP(14), false, V(OK), ""},
		{1, IP(12), true, V(OK), ""},
		{2, IP(12), true, V(IN_USE), "kept for client 02:00:00:00:00:01"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(kit_bind(&kit, rows[i].client, rows[i].ip, 0, rows[i].create),
			rows[i].expected);
		assert_non_null(strstr(kit.result.detail, rows[i].detail));
	}
	kit_fini(&kit);
}

static void test_reservation_comes_first(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	/* Outside of the pools. */
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.77"), V(OK));
	assert_int_equal(kit_offer(&kit, 7, IP(12)), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(77));
	assert_int_equal(kit_bind(&kit, 7, IP(77), 0, false), V(OK));
	/* A client that was here before its reservation moves at its next DISCOVER; its old lease
	 * runs out. */
	assert_int_equal(kit_bind(&kit, 8, IP(12), 0, true), V(OK));
	assert_int_equal(kit_host(&kit, "n08", 8, 0, "10.0.0.78"), V(OK));
	kit_at(&kit, 1000);
	assert_int_equal(kit_offer(&kit, 8, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(78));
	assert_int_equal(kit_bind(&kit, 8, IP(78), 0, false), V(OK));
	assert_int_equal(kit_state(&kit, IP(12)), S(BOUND));
	assert_int_equal(kit_bind(&kit, 9, IP(12), 0, true), V(IN_USE));
	struct lease lease;
	struct kit_who who;
	kit_who(8, &who);
	assert_true(model_lease_of_client(kit.model, "lab", who.client, 7, &lease));
	assert_int_equal(lease.ip, IP(78));
	kit_fini(&kit);
}

static void test_reserved_address_of_another_clients_lease_waits(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, true), V(OK));
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.12"), V(OK));
	assert_int_equal(kit_offer(&kit, 7, 0), V(OK));
	assert_int_not_equal(kit.result.lease.ip, IP(12));
	assert_non_null(strstr(kit.result.detail, "reserved address 10.0.0.12 of host n07"));
	/* The holder is not renewed, but keeps what it was told. */
	kit_at(&kit, 50000);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, false), V(OK));
	assert_int_equal(kit.result.lease.expires_ms, KIT_START_MS + 100000);
	assert_non_null(strstr(kit.result.detail, "reserved for host n07 (not renewed"));
	/* Told in whole seconds, it may think that it has the address for a moment longer. */
	kit_at(&kit, 100999);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, false), V(RESERVE));
	kit_at(&kit, 101000);
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, false), V(NOT_AVAILABLE));
	assert_int_equal(kit_offer(&kit, 1, IP(12)), V(OK));
	assert_int_not_equal(kit.result.lease.ip, IP(12));
	kit_at(&kit, 122999);
	assert_int_equal(kit_offer(&kit, 7, 0), V(OK));
	assert_int_not_equal(kit.result.lease.ip, IP(12));
	kit_at(&kit, 123000);
	assert_int_equal(kit_offer(&kit, 7, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, IP(12));
	kit_fini(&kit);
}

static void test_an_offer_made_before_a_reservation_is_kept(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_offer(&kit, 1, IP(12)), V(OK));
	assert_int_equal(kit_host(&kit, "n07", 7, 0, "10.0.0.12"), V(OK));
	assert_int_equal(kit_offer(&kit, 7, 0), V(OK));
	assert_int_not_equal(kit.result.lease.ip, IP(12));
	assert_int_equal(kit_bind(&kit, 1, IP(12), 0, false), V(OK));
	kit_fini(&kit);
}

static void test_a_lease_outside_a_shrunk_pool_runs_out(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_bind(&kit, 1, IP(19), 0, true), V(OK));
	assert_int_equal(kit_pool(&kit, "lab-1", "lab", "10.0.0.10", "10.0.0.15"), V(OK));
	kit_at(&kit, 60000);
	assert_int_equal(kit_bind(&kit, 1, IP(19), 0, false), V(OK));
	assert_int_equal(kit.result.lease.expires_ms, KIT_START_MS + 100000);
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	assert_in_range(kit.result.lease.ip, IP(10), IP(15));
	kit_fini(&kit);
}

static void test_two_ports_of_one_machine_share_its_address(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	assert_int_equal(kit_host(&kit, "n07", 7, 70, NULL), V(OK));
	assert_int_equal(kit_offer(&kit, 7, 0), V(OK));
	uint32_t ip = kit.result.lease.ip;
	assert_int_equal(kit_bind(&kit, 7, ip, 0, false), V(OK));
	uint64_t promised = kit.result.lease.promised_ms;
	kit_at(&kit, 1000);
	assert_int_equal(kit_offer(&kit, 70, 0), V(OK));
	assert_int_equal(kit.result.lease.ip, ip);
	assert_int_equal(kit_bind(&kit, 70, ip, 60, false), V(OK));
	assert_true(kit.result.lease.promised_ms >= promised);
	assert_int_equal(kit.result.lease.client[6], 70);
	assert_int_equal(kit_bind(&kit, 7, ip, 0, false), V(OK));
	assert_int_equal(kit_bind(&kit, 8, ip, 0, true), V(IN_USE));
	assert_int_equal(model_lease_count(kit.model), 1);
	kit_fini(&kit);
}

static void test_ignored_and_unknown(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	uint8_t mac[6];
	kit_mac(7, mac);
	ProtobufCBinaryData macs[1] = {kit_bytes(mac, 6)};
	Pxe__Host host = PXE__HOST__INIT;
	host.name = (char *)(uintptr_t) "n07";
	host.mac = macs;
	host.n_mac = 1;
	host.ignore = true;
	assert_int_equal(kit_put_host(&kit, &host), V(OK));
	assert_int_equal(kit_offer(&kit, 7, 0), V(IGNORED));
	assert_int_equal(kit_bind(&kit, 7, IP(12), 0, true), V(IGNORED));
	assert_int_equal(kit_offer_in(&kit, "nowhere", 1, 0), V(NO_SUBNET));
	assert_int_equal(kit_offer_in(&kit, "", 1, 0), V(NO_SUBNET));
	kit_fini(&kit);
}

static void test_lease_time_is_bounded(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	static const struct {
		uint32_t usual, min, max, asked, expected;
	} rows[] = {
		{0, 0, 0, 0, 100},
		{0, 0, 0, 70, 70},
		{0, 0, 0, 10, 60},
		{0, 0, 0, 5000, 100},
		{600, 0, 0, 0, 600},
		{600, 300, 7200, 10, 300},
		{600, 300, 7200, 99999, 7200},
		{600, 300, 7200, UINT32_MAX, 7200},
		{30, 0, 0, 10, 30},
	};
	struct kit_who who;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		Pxe__Subnet subnet = PXE__SUBNET__INIT;
		subnet.lease_s = rows[i].usual;
		subnet.lease_min_s = rows[i].min;
		subnet.lease_max_s = rows[i].max;
		assert_int_equal(
			model_lease_time_s(kit.model, &subnet, kit_who(1, &who), 0, rows[i].asked),
			rows[i].expected);
	}
	kit_fini(&kit);
}

static void test_time_never_goes_back(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	kit_at(&kit, 5000);
	model_begin(kit.model, KIT_START_MS, &kit.sink);
	assert_int_equal(model_stamp_ms(kit.model), KIT_START_MS + 5000);
	kit_fini(&kit);
}

static void test_times_at_the_end_of_the_world(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	model_begin(kit.model, UINT64_MAX - 1, &kit.sink);
	assert_int_equal(kit_offer(&kit, 1, 0), V(OK));
	assert_int_equal(kit_bind(&kit, 1, kit.result.lease.ip, 0, false), V(OK));
	assert_true(kit.result.lease.expires_ms == UINT64_MAX);
	assert_true(kit.result.lease.promised_ms == UINT64_MAX);
	kit_fini(&kit);
}

static void test_hostnames_from_the_wire_are_kept_only_if_plain(void **state)
{
	(void)state;
	struct kit kit;
	kit_init(&kit);
	static const struct {
		const char *given, *kept;
	} rows[] = {{"web1", "web1"}, {"", "web1"}, {"a\nb", "web1"}, {"<script>", "web1"},
		{"w_2", "w_2"}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kit_who who;
		Pxe__Offer offer = PXE__OFFER__INIT;
		Pxe__Command command = PXE__COMMAND__INIT;
		offer.who = kit_who(1, &who);
		offer.who->hostname = (char *)(uintptr_t)rows[i].given;
		offer.subnet = (char *)(uintptr_t) "lab";
		command.op_case = PXE__COMMAND__OP_OFFER;
		command.offer = &offer;
		assert_int_equal(kit_apply(&kit, &command), V(OK));
		assert_string_equal(kit.result.lease.hostname, rows[i].kept);
	}
	kit_fini(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lease_states_follow_from_time),
		cmocka_unit_test(test_offer_then_bind),
		cmocka_unit_test(test_offer_of_a_bound_client_changes_nothing),
		cmocka_unit_test(test_another_client_gets_the_address_only_after_its_rest),
		cmocka_unit_test(test_the_same_client_returns_in_grace),
		cmocka_unit_test(test_an_offer_does_not_shorten_the_rest),
		cmocka_unit_test(test_an_offer_that_ran_out_frees_the_address),
		cmocka_unit_test(test_a_repeated_offer_is_the_same_address_for_longer),
		cmocka_unit_test(test_renewal_never_lowers_the_promise),
		cmocka_unit_test(test_release_rests_then_is_free),
		cmocka_unit_test(test_late_release_leaves_the_newer_lease),
		cmocka_unit_test(test_release_of_an_offer_frees_at_once),
		cmocka_unit_test(test_decline_quarantines),
		cmocka_unit_test(test_r3_a_declined_lease_keeps_its_promise),
		cmocka_unit_test(test_r3_quarantine_ends_by_hand_but_the_promise_stands),
		cmocka_unit_test(test_r3_release_is_free_at_its_promise_or_when_all_know),
		cmocka_unit_test(test_decline_by_probe),
		cmocka_unit_test(test_bind_is_refused_for_a_reason),
		cmocka_unit_test(test_reservation_comes_first),
		cmocka_unit_test(test_reserved_address_of_another_clients_lease_waits),
		cmocka_unit_test(test_an_offer_made_before_a_reservation_is_kept),
		cmocka_unit_test(test_a_lease_outside_a_shrunk_pool_runs_out),
		cmocka_unit_test(test_two_ports_of_one_machine_share_its_address),
		cmocka_unit_test(test_ignored_and_unknown),
		cmocka_unit_test(test_lease_time_is_bounded),
		cmocka_unit_test(test_time_never_goes_back),
		cmocka_unit_test(test_times_at_the_end_of_the_world),
		cmocka_unit_test(test_hostnames_from_the_wire_are_kept_only_if_plain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
