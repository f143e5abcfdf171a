/* node/dhcp4/dhcp4_terms.h: on which terms a client is served: what the levels of the configuration
 * (cluster, subnet, pool, groups, host) say together about how it is answered.
 *
 * Pure. Of several levels that say something the last one counts (model_levels). What they say
 * about options stands in dhcp4_options.h.
 */
#ifndef NODE_DHCP4_DHCP4_TERMS_H
#define NODE_DHCP4_DHCP4_TERMS_H

#include "store/model/levels.h"

struct dhcp4_terms {
	bool overload;           /* option 52 may be used (FIELD 7) */
	bool broadcast;          /* answers go to everybody (FIELD 21) */
	bool echo_client_id;     /* RFC 6842 (FIELD 12) */
	bool rapid_commit;       /* RFC 4039 */
	uint32_t reply_delay_ms; /* before a DISCOVER is answered (FIELD 26); 0: none */
};

/* A machine's terms. No level says anything: the defaults of Pxe__Quirks. */
void dhcp4_terms_of(const struct model_levels *levels, struct dhcp4_terms *ret_terms);

#endif
