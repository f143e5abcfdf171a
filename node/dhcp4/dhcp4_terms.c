#include "node/dhcp4/dhcp4_terms.h"

#define REPLY_DELAY_MAX_MS 10000 /* clients give up after little more */

static void apply(Pxe__Toggle toggle, bool *value)
{
	if (toggle != PXE__TOGGLE__TOGGLE_UNSET)
		*value = toggle == PXE__TOGGLE__TOGGLE_YES;
}

void dhcp4_terms_of(const struct model_levels *levels, struct dhcp4_terms *ret_terms)
{
	struct dhcp4_terms terms = {.echo_client_id = true};
	for (size_t i = 0; i < levels->count; i++) {
		const Pxe__Quirks *quirks = levels->level[i].quirks;
		if (quirks == NULL)
			continue;
		apply(quirks->overload, &terms.overload);
		apply(quirks->broadcast, &terms.broadcast);
		apply(quirks->echo_client_id, &terms.echo_client_id);
		apply(quirks->rapid_commit, &terms.rapid_commit);
		if (quirks->reply_delay_ms != 0)
			terms.reply_delay_ms = quirks->reply_delay_ms;
	}
	if (terms.reply_delay_ms > REPLY_DELAY_MAX_MS)
		terms.reply_delay_ms = REPLY_DELAY_MAX_MS;
	*ret_terms = terms;
}
