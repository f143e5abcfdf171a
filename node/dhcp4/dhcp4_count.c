#include "node/dhcp4/dhcp4_count.h"

#include <assert.h>
#include <stddef.h>

#define AT_REASON(reason) (DHCP4_COUNT_MALFORMED_FIRST + (reason))

static const char *const count_names[DHCP4_COUNT_COUNT] = {
	[DHCP4_COUNT_DISCOVER] = "dhcp_discover",
	[DHCP4_COUNT_REQUEST] = "dhcp_request",
	[DHCP4_COUNT_RELEASE] = "dhcp_release",
	[DHCP4_COUNT_DECLINE] = "dhcp_decline",
	[DHCP4_COUNT_INFORM] = "dhcp_inform",
	[DHCP4_COUNT_OFFER_SENT] = "dhcp_offer_sent",
	[DHCP4_COUNT_ACK_SENT] = "dhcp_ack_sent",
	[DHCP4_COUNT_NAK_SENT] = "dhcp_nak_sent",
	[DHCP4_COUNT_ISOLATED_OFFER] = "dhcp_isolated_offer",
	[DHCP4_COUNT_ISOLATED_ACK] = "dhcp_isolated_ack",
	[DHCP4_COUNT_MALFORMED] = "dhcp_malformed",
	[AT_REASON(DHCP4_OK)] = "dhcp_malformed_none",
	[AT_REASON(DHCP4_SHORT)] = "dhcp_malformed_short",
	[AT_REASON(DHCP4_LONG)] = "dhcp_malformed_long",
	[AT_REASON(DHCP4_BAD_OP)] = "dhcp_malformed_op",
	[AT_REASON(DHCP4_BAD_HLEN)] = "dhcp_malformed_hlen",
	[AT_REASON(DHCP4_NO_COOKIE)] = "dhcp_malformed_cookie",
	[AT_REASON(DHCP4_OPTION_TRUNCATED)] = "dhcp_malformed_option",
	[AT_REASON(DHCP4_BAD_OVERLOAD)] = "dhcp_malformed_overload",
	[AT_REASON(DHCP4_BAD_TYPE)] = "dhcp_malformed_type",
	[AT_REASON(DHCP4_JOINED_LONG)] = "dhcp_malformed_joined",
	[DHCP4_COUNT_MALFORMED_IDENTITY] = "dhcp_malformed_identity",
	[DHCP4_COUNT_MALFORMED_ADDRESS] = "dhcp_malformed_address",
	[DHCP4_COUNT_MALFORMED_SIZE] = "dhcp_malformed_size",
	[DHCP4_COUNT_DROP_REPLY] = "dhcp_dropped_reply",
	[DHCP4_COUNT_DROP_BOOTP] = "dhcp_dropped_bootp",
	[DHCP4_COUNT_DROP_TYPE] = "dhcp_dropped_type",
	[DHCP4_COUNT_DROP_OFF] = "dhcp_dropped_off",
	[DHCP4_COUNT_DROP_DIVERGED] = "dhcp_dropped_diverged",
	[DHCP4_COUNT_DROP_NO_SERVER_IP] = "dhcp_dropped_no_server_ip",
	[DHCP4_COUNT_DROP_NO_QUORUM] = "dhcp_dropped_no_quorum",
	[DHCP4_COUNT_DROP_ISOLATED] = "dhcp_dropped_isolated",
	[DHCP4_COUNT_DROP_ISOLATED_RELEASE] = "dhcp_dropped_isolated_release",
	[DHCP4_COUNT_DROP_NOT_SERVING] = "dhcp_dropped_not_serving",
	[DHCP4_COUNT_DROP_NO_SUBNET] = "dhcp_dropped_no_subnet",
	[DHCP4_COUNT_DROP_IGNORED] = "dhcp_dropped_ignored",
	[DHCP4_COUNT_DROP_OTHER_SERVER] = "dhcp_dropped_other_server",
	[DHCP4_COUNT_DROP_UNKNOWN] = "dhcp_dropped_unknown",
	[DHCP4_COUNT_DROP_NOT_OURS] = "dhcp_dropped_not_ours",
	[DHCP4_COUNT_DROP_PENDING_FULL] = "dhcp_dropped_pending_full",
	[DHCP4_COUNT_DROP_CLIENT_BUSY] = "dhcp_dropped_client_busy",
	[DHCP4_COUNT_DROP_DEFERRED_FULL] = "dhcp_dropped_deferred_full",
	[DHCP4_COUNT_DROP_REFUSED] = "dhcp_dropped_refused",
	[DHCP4_COUNT_DROP_BUSY] = "dhcp_dropped_busy",
	[DHCP4_COUNT_DROP_OUTCOME] = "dhcp_dropped_outcome",
	[DHCP4_COUNT_DROP_LATE] = "dhcp_dropped_late",
	[DHCP4_COUNT_DROP_REPLY_LONG] = "dhcp_dropped_reply_long",
	[DHCP4_COUNT_DROP_SEND] = "dhcp_dropped_send",
	[DHCP4_COUNT_DROP_UNKNOWN_RATE] = "dhcp_dropped_unknown_rate",
	[DHCP4_COUNT_DROP_NOT_PXE] = "dhcp_dropped_not_pxe",
	[DHCP4_COUNT_DROP_NO_BOOT] = "dhcp_dropped_no_boot",
	[DHCP4_COUNT_DROP_TAKEN] = "dhcp_dropped_taken",
	[DHCP4_COUNT_DEFERRED] = "dhcp_deferred",
	[DHCP4_COUNT_TAKEN_OVER] = "dhcp_taken_over",
	[DHCP4_COUNT_REPEATED] = "dhcp_repeated",
	[DHCP4_COUNT_MERGED] = "dhcp_merged",
	[DHCP4_COUNT_PROPOSED] = "dhcp_proposed",
	[DHCP4_COUNT_WAITED] = "dhcp_waited",
	[DHCP4_COUNT_FROM_RESERVE] = "dhcp_from_reserve",
	[DHCP4_COUNT_FROM_STATE] = "dhcp_from_state",
	[DHCP4_COUNT_DELAYED] = "dhcp_delayed",
	[DHCP4_COUNT_ODD_OPTION] = "dhcp_odd_option",
	[DHCP4_COUNT_BOOTP] = "dhcp_bootp",
	[DHCP4_COUNT_BOOTP_SENT] = "dhcp_bootp_sent",
	[DHCP4_COUNT_PROXY] = "dhcp_proxy_sent",
	[DHCP4_COUNT_PROBED] = "dhcp_probed",
	[DHCP4_COUNT_PROBE_TAKEN] = "dhcp_probe_taken",
	[DHCP4_COUNT_PROBE_LATE] = "dhcp_probe_late",
};

enum dhcp4_count dhcp4_count_of_reason(enum dhcp4_reason reason)
{
	assert((unsigned)reason < DHCP4_REASON_COUNT);
	return (enum dhcp4_count)(DHCP4_COUNT_MALFORMED_FIRST + (unsigned)reason);
}

enum dhcp4_count dhcp4_count_of_type(enum dhcp4_type type)
{
	switch ((unsigned)type) {
	case DHCP4_DISCOVER: return DHCP4_COUNT_DISCOVER;
	case DHCP4_REQUEST: return DHCP4_COUNT_REQUEST;
	case DHCP4_RELEASE: return DHCP4_COUNT_RELEASE;
	case DHCP4_DECLINE: return DHCP4_COUNT_DECLINE;
	case DHCP4_INFORM: return DHCP4_COUNT_INFORM;
	case DHCP4_OFFER: return DHCP4_COUNT_OFFER_SENT;
	case DHCP4_ACK: return DHCP4_COUNT_ACK_SENT;
	case DHCP4_NAK: return DHCP4_COUNT_NAK_SENT;
	default: return DHCP4_COUNT_NONE;
	}
}

const char *dhcp4_count_name(enum dhcp4_count count)
{
	assert((unsigned)count < DHCP4_COUNT_COUNT);
	return count_names[count];
}

bool dhcp4_count_is_main(enum dhcp4_count count)
{
	return count >= DHCP4_COUNT_DISCOVER && count <= DHCP4_COUNT_MALFORMED;
}
