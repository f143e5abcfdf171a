/* ctl/show_terms.h: how what every level of the configuration says looks: lease times, DHCP options
 * by name and text, quirks, groups and what they match by. Pure but for ctl->out. */
#ifndef CTL_SHOW_TERMS_H
#define CTL_SHOW_TERMS_H

#include "ctl/show.h"

#define SHOW_LONG_BYTES 8192 /* room for any value of an option, as text */

/* "routers=10.20.0.1", "!vendor.6=hex:08"; cut to the buffer. */
char *show_option(const Pxe__Option *option, char *ret_text, size_t bytes);
/* "known=no arch=bios,uefi-x64"; "" if nobody is matched. Cut to the buffer. */
char *show_match(const Pxe__Match *match, char *ret_text, size_t bytes);
/* "broadcast=yes reply-delay=500ms" of quirks, which may be NULL. */
char *show_quirks(const Pxe__Quirks *quirks, char ret_text[SHOW_BYTES]);
/* "a,b". */
char *show_names(char *const *names, size_t count, char *ret_text, size_t bytes);
/* "10.20.2.0-10.20.2.9", or one address. */
char *show_range(const ProtobufCBinaryData *first, const ProtobufCBinaryData *last,
	char ret_text[SHOW_BYTES]);
/* "text" as it reads back, else "01:52:54:00:aa:00:01". */
char *show_identity(const ProtobufCBinaryData *identity, char ret_text[SHOW_BYTES]);

/* Lines of key and value; what is as by default is left out. */
void show_lease_terms(const struct ctl *ctl, uint32_t lease_s, uint32_t min_s, uint32_t max_s);
void show_option_lines(const struct ctl *ctl, Pxe__Option *const *options, size_t count);
void show_quirk_lines(const struct ctl *ctl, const Pxe__Quirks *quirks);
/* "boot  bios=memtest"; "var  disk=/dev/sda". */
void show_boot_lines(const struct ctl *ctl, Pxe__ArchProfile *const *profiles, size_t count);
void show_var_lines(const struct ctl *ctl, Pxe__Variable *const *vars, size_t count);
/* The site file that made an object; nothing if an operator did. */
void show_owner(const struct ctl *ctl, const char *owner);
void show_match_lines(const struct ctl *ctl, const Pxe__Match *match);

#endif
