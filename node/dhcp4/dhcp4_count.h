/* node/dhcp4/dhcp4_count.h: everything that the DHCPv4 server counts, by name.
 *
 * Pure. A packet that is not answered is counted under exactly one reason.
 */
#ifndef NODE_DHCP4_DHCP4_COUNT_H
#define NODE_DHCP4_DHCP4_COUNT_H

#include "proto/wire/dhcp4.h"
#include <stdint.h>

enum dhcp4_count {
	DHCP4_COUNT_NONE = 0, /* nothing to count; as a verdict: go on */

	DHCP4_COUNT_DISCOVER, /* received, by type */
	DHCP4_COUNT_REQUEST,
	DHCP4_COUNT_RELEASE,
	DHCP4_COUNT_DECLINE,
	DHCP4_COUNT_INFORM,
	DHCP4_COUNT_OFFER_SENT,
	DHCP4_COUNT_ACK_SENT,
	DHCP4_COUNT_NAK_SENT,
	DHCP4_COUNT_ISOLATED_OFFER, /* of those above, the ones without the quorum */
	DHCP4_COUNT_ISOLATED_ACK,
	DHCP4_COUNT_MALFORMED, /* all reasons together */

	DHCP4_COUNT_MALFORMED_FIRST, /* + enum dhcp4_reason; see dhcp4_count_of_reason() */
	DHCP4_COUNT_MALFORMED_LAST = DHCP4_COUNT_MALFORMED_FIRST + DHCP4_REASON_COUNT - 1,
	DHCP4_COUNT_MALFORMED_IDENTITY, /* no hardware address and no usable client identifier */
	DHCP4_COUNT_MALFORMED_ADDRESS,  /* RELEASE, DECLINE of no address; giaddr of no host */
	DHCP4_COUNT_MALFORMED_SIZE,     /* longer than DHCP4_INPUT_MAX */

	DHCP4_COUNT_DROP_REPLY,            /* a BOOTREPLY on the server's port */
	DHCP4_COUNT_DROP_BOOTP,            /* BOOTP, and no address is reserved for the machine */
	DHCP4_COUNT_DROP_TYPE,             /* a type that servers do not take */
	DHCP4_COUNT_DROP_OFF,              /* DHCP is switched off for the cluster */
	DHCP4_COUNT_DROP_DIVERGED,         /* our state is not the others' */
	DHCP4_COUNT_DROP_NO_SERVER_IP,     /* the cluster has no server identifier yet */
	DHCP4_COUNT_DROP_NO_QUORUM,        /* needs the log */
	DHCP4_COUNT_DROP_ISOLATED,         /* without the quorum there is nothing for the client */
	DHCP4_COUNT_DROP_ISOLATED_RELEASE, /* the address stays its client's: only the log can tell
					      all */
	DHCP4_COUNT_DROP_NOT_SERVING,      /* a witness, or being removed */
	DHCP4_COUNT_DROP_NO_SUBNET,
	DHCP4_COUNT_DROP_IGNORED,      /* the host is set to be ignored */
	DHCP4_COUNT_DROP_OTHER_SERVER, /* the client chose another server */
	DHCP4_COUNT_DROP_UNKNOWN,  /* nothing is known against its address, and nothing for it */
	DHCP4_COUNT_DROP_NOT_OURS, /* another node's turn, and that node lives */
	DHCP4_COUNT_DROP_PENDING_FULL,
	DHCP4_COUNT_DROP_CLIENT_BUSY,   /* the client has another proposal under way */
	DHCP4_COUNT_DROP_DEFERRED_FULL, /* the oldest deferred request gave way */
	DHCP4_COUNT_DROP_REFUSED,       /* verdict of the log: silence */
	DHCP4_COUNT_DROP_BUSY,          /* the replica has too many proposals outstanding */
	DHCP4_COUNT_DROP_OUTCOME,       /* the outcome of the proposal stayed unknown */
	DHCP4_COUNT_DROP_LATE,          /* the outcome came when nobody waited any more */
	DHCP4_COUNT_DROP_REPLY_LONG,    /* the answer did not fit the client's limit */
	DHCP4_COUNT_DROP_SEND,          /* the kernel did not take the answer */
	DHCP4_COUNT_DROP_UNKNOWN_RATE,  /* too many machines at once that nobody declared */
	DHCP4_COUNT_DROP_NOT_PXE,       /* proxy mode, port 4011: no machine that boots */
	DHCP4_COUNT_DROP_NO_BOOT,       /* proxy mode, port 4011: nothing to boot for it */
	DHCP4_COUNT_DROP_TAKEN, /* one address after the other was found in use by a probe */

	DHCP4_COUNT_DEFERRED,
	DHCP4_COUNT_TAKEN_OVER, /* deferred, and answered because the other node is gone */
	DHCP4_COUNT_REPEATED,   /* answered out of turn because the client asked again */
	DHCP4_COUNT_MERGED,     /* repeats of a request whose proposal is under way */
	DHCP4_COUNT_PROPOSED,
	DHCP4_COUNT_WAITED,       /* held until it is clear whether there is a quorum */
	DHCP4_COUNT_FROM_RESERVE, /* OFFER or REQUEST met from the node's own reserve */
	DHCP4_COUNT_FROM_STATE,   /* OFFER or ACK without a log entry [R9] */
	DHCP4_COUNT_DELAYED,      /* answered later because the machine is to wait */
	DHCP4_COUNT_ODD_OPTION,   /* an option of the request was not as its standard says */
	DHCP4_COUNT_BOOTP,        /* received */
	DHCP4_COUNT_BOOTP_SENT,
	DHCP4_COUNT_PROXY,       /* answers about booting alone */
	DHCP4_COUNT_PROBED,      /* addresses that were asked for before their first OFFER */
	DHCP4_COUNT_PROBE_TAKEN, /* of those, the ones that a stranger answered for */
	DHCP4_COUNT_PROBE_LATE,  /* verdicts that nobody waited for any more */
	DHCP4_COUNT_COUNT,
};

enum dhcp4_count dhcp4_count_of_reason(enum dhcp4_reason reason);
enum dhcp4_count dhcp4_count_of_type(enum dhcp4_type type);

/* "dhcp_discover", "dhcp_dropped_no_quorum"; a constant text. NULL for DHCP4_COUNT_NONE. */
const char *dhcp4_count_name(enum dhcp4_count count);

/* Is it shown even while it is 0? */
bool dhcp4_count_is_main(enum dhcp4_count count);

#endif
