/* node/tftp/tftp_content.h: a content source as the TFTP server takes it. */
#ifndef NODE_TFTP_TFTP_CONTENT_H
#define NODE_TFTP_TFTP_CONTENT_H

#include "node/tftp/tftp_server.h"

/* `source` must outlive the server that gets the result. */
struct tftp_content tftp_content_of(struct content_source *source);

#endif
