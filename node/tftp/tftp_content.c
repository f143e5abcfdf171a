#include "node/tftp/tftp_content.h"

static int open_content(
	void *source, const struct content_request *request, struct content *ret_content)
{
	return content_open(source, request, ret_content);
}

static void suspect(void *source, const uint8_t sha256[32])
{
	content_suspect(source, sha256);
}

struct tftp_content tftp_content_of(struct content_source *source)
{
	return (struct tftp_content){
		.source = source, .open = open_content, .fini = content_fini, .suspect = suspect};
}
