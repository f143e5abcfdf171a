/* ctl/show.h: how values look in tables: addresses, times, sizes, lists. Pure; each fills and
 * returns the buffer that it is given. */
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include "ctl/ctl.h"
#include "ctl/table.h"

#define SHOW_BYTES 256

char *show_ip(const ProtobufCBinaryData *ip, char ret_text[SHOW_BYTES]);
char *show_mac(const ProtobufCBinaryData *mac, char ret_text[SHOW_BYTES]);
char *show_macs(const ProtobufCBinaryData *macs, size_t count, char ret_text[SHOW_BYTES]);
char *show_ips(const ProtobufCBinaryData *ips, size_t count, char ret_text[SHOW_BYTES]);
char *show_uuid(const ProtobufCBinaryData *uuid, char ret_text[SHOW_BYTES]);
/* The first 12 digits. */
char *show_digest(const ProtobufCBinaryData *digest, char ret_text[SHOW_BYTES]);
/* "in 41m", "3d 4h ago", "now". */
char *show_when(uint64_t at_ms, uint64_t now_ms, char ret_text[SHOW_BYTES]);
char *show_duration_s(uint64_t seconds, char ret_text[SHOW_BYTES]);
char *show_size(uint64_t bytes, char ret_text[SHOW_BYTES]);

/* Print a table as the options say, to the terminal's width, and free it. Always CTL_OK. */
int show_table(const struct ctl *ctl, struct table *table);
/* A pair of "KEY  value" lines; value "" is left out. */
void show_pair(const struct ctl *ctl, const char *key, const char *value);

/* "on", "proxy", "off"; and back: false for any other text. */
const char *show_dhcp_mode(Pxe__DhcpMode mode);
bool show_dhcp_mode_parse(const char *text, Pxe__DhcpMode *ret_mode);

#endif
