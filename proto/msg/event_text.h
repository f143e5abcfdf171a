/* proto/msg/event_text.h: events as words and lines, for the log and for `pxectl watch`. Pure. */
#ifndef PROTO_MSG_EVENT_TEXT_H
#define PROTO_MSG_EVENT_TEXT_H

#include "proto/msg/event.pb-c.h"
#include <stddef.h>

#define EVENT_TEXT_BYTES 768

/* "DISCOVER", "TFTP done", "leader"; kinds of a newer version are "event". Static. */
const char *event_text_word(Pxe__EventKind kind);
/* "loader", "kernel"; "" for none. Static. */
const char *event_text_stage(Pxe__BootStage stage);
/* Who (host name, else hardware address), what, address, text, bytes and time, without control
 * bytes; cut to fit. Returns ret_text. */
char *event_text_line(const Pxe__Event *event, char ret_text[EVENT_TEXT_BYTES]);
/* Copy with every control (of 8 bits too) and every byte that is not UTF-8 as '?', cut to fit
 * between characters: names come from the wire and must not drive a terminal. ret_text may be
 * text. */
char *event_text_clean(const char *text, char *ret_text, size_t text_bytes);

#endif
