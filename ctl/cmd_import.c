/* import: another server's configuration as a site file on stdout; nothing is changed. */
#include "ctl/cmd.h"
#include "ctl/import_from.h"

#include <string.h>

static int run_import(struct ctl *ctl, const struct invocation *in,
	int (*run)(struct import *im, const struct import_source *sources, size_t count))
{
	struct import_source sources[COMMAND_ARGS_MAX];
	struct import *im = import_new();
	int result = CTL_OK;

	memset(sources, 0, sizeof sources);
	for (size_t i = 0; i < in->arg_count; i++) {
		sources[i].path = in->args[i];
	}
	if (run(im, sources, in->arg_count) != 0) {
		import_report(im, ctl->err);
		result = ctl_fail(ctl, CTL_USAGE, "not imported: see above");
	} else if (import_write(im, in->command->verb, ctl->out) != 0) {
		result = ctl_fail(ctl, CTL_REFUSED, "cannot write the site file");
	} else {
		import_report(im, ctl->err);
		result = import_count(im, IMPORT_LEFT_OUT) + import_count(im, IMPORT_TODO) > 0
				 ? CTL_NO
				 : CTL_OK;
	}
	import_free(im);
	return result;
}

int cmd_import_dnsmasq(struct ctl *ctl, const struct invocation *in)
{
	return run_import(ctl, in, import_dnsmasq);
}

int cmd_import_dhcpd(struct ctl *ctl, const struct invocation *in)
{
	return run_import(ctl, in, import_dhcpd);
}

int cmd_import_kea(struct ctl *ctl, const struct invocation *in)
{
	return run_import(ctl, in, import_kea);
}
