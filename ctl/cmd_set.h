/* ctl/cmd_set.h: the settings that operators change, by name. Pure but for messages. */
#ifndef CTL_CMD_SET_H
#define CTL_CMD_SET_H

#include "ctl/ctl.h"

/* Put each "KEY=VALUE" into the settings (as protobuf-c unpacks them); a line for each to
 * `changes`: "mclt  10m -> 5m". CTL_OK, or CTL_USAGE after telling what is wrong. */
int cmd_set_apply(const struct ctl *ctl, const char *const *words, size_t count,
	Pxe__Settings *settings, FILE *changes);

#endif
