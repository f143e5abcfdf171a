#include "node/tftp/tftp_job.h"

#include "node/tftp/tftp_name.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IP_UDP_TFTP_BYTES 32u /* headers of a DATA packet */
#define BATCH_BLOCKS      64u
#define BATCH_BYTES       65000u /* of one segmented send: below the longest UDP datagram */
#define READS_PER_TURN    16
#define PROGRESS_MS       500u
#define PROGRESS_BLOCKS   16384u     /* half of what a taken-over client may be ahead */
#define WINDOW_BYTES      (1u << 20) /* granted at most, whatever the blocks' size */

struct tftp_job {
	struct tftp_transfer transfer;
	struct tftp_job_table *table;
	struct tftp_job *next;          /* in its bucket */
	struct tftp_job *older, *newer; /* while `queued` */
	struct tftp_file *file;
	uint32_t client_ip, local_ip;
	uint16_t client_port;
	uint64_t digest;
	int fd;
	unsigned open_handles;
	bool ended;
	bool queued;     /* among the unanswered ones */
	bool announced;  /* EVENT_TFTP_START was posted */
	bool segmenting; /* the kernel cuts windows into packets (UDP_SEGMENT) */
	uv_poll_t poll;
	uv_timer_t timer;
	uint64_t timer_due_ms;
	uint64_t started_ms;
	struct tftp_handover handover; /* as told last, if `told` */
	uint64_t told_ms;
	bool told;
	uint8_t mac[16];
	uint8_t mac_bytes;
	char path[200]; /* printable, for events */
	char host[64], profile[64];
	Pxe__BootStage stage;
};

/* The clock of uv_now(), finer, and not that of the turn's begin: round trips on a LAN are shorter
 * than a turn. */
static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

static struct tftp_job **bucket_of(struct tftp_job_table *table, uint32_t client_ip)
{
	return &table->bucket[(client_ip * 2654435761u) >> 22];
}

static void post(struct tftp_job *job, Pxe__EventKind kind, const char *what)
{
	struct tftp_job_table *table = job->table;
	if (table->on_event == NULL)
		return;
	struct event event = {
		.kind = kind,
		.mac_bytes = job->mac_bytes,
		.ip = job->client_ip,
		.bytes = job->file->bytes,
		.took_ms = (uint32_t)(uv_now(table->loop) - job->started_ms),
		.stage = job->stage,
	};
	snprintf(event.host, sizeof event.host, "%s", job->host);
	snprintf(event.profile, sizeof event.profile, "%s", job->profile);
	memcpy(event.mac, job->mac, sizeof event.mac);
	if (what == NULL)
		snprintf(event.text, sizeof event.text, "%s", job->path);
	else
		snprintf(event.text, sizeof event.text, "%s: %s", job->path, what);
	table->on_event(table->ctx, &event);
}

/* Some firmware counts blocks in 16 bits and stops, or starts over, without a word (FIELD 51: a
 * Raspberry Pi's cuts the file). NULL: nothing to say. */
static const char *remark_on(const struct tftp_job *job, char *buffer, size_t bytes)
{
	const struct tftp_transfer *transfer = &job->transfer;
	if (transfer->block_count <= UINT16_MAX)
		return NULL;
	snprintf(buffer, bytes,
		"%llu blocks of %u bytes; some firmware cannot count above 65535: use HTTP, or a "
		"larger block size",
		(unsigned long long)transfer->block_count, transfer->blksize);
	return buffer;
}

/* Tell the other nodes where this transfer is: at its start, now and then, and at its end. */
static void tell_progress(struct tftp_job *job)
{
	struct tftp_job_table *table = job->table;
	const struct tftp_transfer *transfer = &job->transfer;
	uint64_t now_ms = uv_now(table->loop);
	bool due = !job->told || now_ms - job->told_ms >= PROGRESS_MS ||
		   transfer->acked - job->handover.acked >= PROGRESS_BLOCKS;
	if (table->on_progress == NULL || !job->file->mapped || !job->announced ||
		(!due && !job->ended))
		return;
	if (!job->told) {
		struct sockaddr_in local = {0};
		socklen_t local_bytes = sizeof local;
		if (getsockname(job->fd, (struct sockaddr *)&local, &local_bytes) != 0)
			return;
		job->handover = (struct tftp_handover){.client_ip = job->client_ip,
			.client_port = job->client_port,
			.local_ip = ntohl(local.sin_addr.s_addr),
			.local_port = ntohs(local.sin_port),
			.file_bytes = job->file->bytes,
			.blksize = transfer->blksize,
			.windowsize = transfer->windowsize};
		memcpy(job->handover.sha256, job->file->sha256, sizeof job->handover.sha256);
	}
	job->told = true;
	job->told_ms = now_ms;
	job->handover.acked = transfer->acked;
	job->handover.ended = job->ended;
	table->on_progress(table->ctx, &job->handover);
}

static void on_closed(uv_handle_t *handle)
{
	struct tftp_job *job = handle->data;
	assert(job->open_handles > 0);
	if (--job->open_handles > 0)
		return;
	close(job->fd);
	free(job);
}

static void queue_add(struct tftp_job_table *table, struct tftp_job *job)
{
	job->queued = true;
	job->older = table->last_unanswered;
	if (job->older != NULL)
		job->older->newer = job;
	else
		table->first_unanswered = job;
	table->last_unanswered = job;
}

static void queue_remove(struct tftp_job_table *table, struct tftp_job *job)
{
	assert(job->queued);
	if (job->older != NULL)
		job->older->newer = job->newer;
	else
		table->first_unanswered = job->newer;
	if (job->newer != NULL)
		job->newer->older = job->older;
	else
		table->last_unanswered = job->older;
	job->queued = false;
	job->older = job->newer = NULL;
}

/* Out of the table at once; the memory follows when the loop has let go of the handles. */
static void job_close(struct tftp_job *job)
{
	struct tftp_job_table *table = job->table;
	assert(!job->ended);
	job->ended = true;
	struct tftp_job **at = bucket_of(table, job->client_ip);
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	if (job->queued)
		queue_remove(table, job);
	table->active--;
	atomic_store_explicit(
		&table->counts->value[TFTP_COUNT_ACTIVE], table->active, memory_order_relaxed);
	tftp_count_add(table->counts, TFTP_COUNT_RESENT_BLOCKS, job->transfer.resent_blocks);
	if (job->told && job->transfer.state == TFTP_TRANSFER_ENDED)
		tell_progress(job);
	tftp_file_release(&table->files, job->file);
	uv_poll_stop(&job->poll);
	uv_close((uv_handle_t *)&job->poll, on_closed);
	uv_close((uv_handle_t *)&job->timer, on_closed);
}

static void job_fail(struct tftp_job *job, const char *why)
{
	tftp_count_add(job->table->counts, TFTP_COUNT_FAILED, 1);
	post(job, PXE__EVENT_KIND__EVENT_TFTP_FAILED, why);
	job_close(job);
}

static void job_finish(struct tftp_job *job, enum tftp_transfer_end end)
{
	struct tftp_counts *counts = job->table->counts;
	char remark[160];
	switch (end) {
	case TFTP_TRANSFER_DONE:
	case TFTP_TRANSFER_UNCONFIRMED:
		tftp_count_add(counts, TFTP_COUNT_DONE, 1);
		post(job, PXE__EVENT_KIND__EVENT_TFTP_DONE, remark_on(job, remark, sizeof remark));
		job_close(job);
		break;
	case TFTP_TRANSFER_PROBED:
		tftp_count_add(counts, TFTP_COUNT_PROBED, 1);
		job_close(job);
		break;
	case TFTP_TRANSFER_CLIENT_ERROR:
	case TFTP_TRANSFER_GONE:
	case TFTP_TRANSFER_SILENT: job_fail(job, tftp_transfer_end_name(end)); break;
	case TFTP_TRANSFER_RUNNING:
	default: assert(false);
	}
}

/* One window's packets: headers made here, payload where the file lies. */
struct tftp_batch {
	size_t count;
	size_t bytes;
	uint8_t header[BATCH_BLOCKS][TFTP_HEADER_BYTES];
	struct iovec iov[2 * BATCH_BLOCKS];
};

static void batch_fill(
	const struct tftp_job *job, uint64_t first, uint64_t last, struct tftp_batch *batch)
{
	const struct tftp_transfer *transfer = &job->transfer;
	batch->count = 0;
	batch->bytes = 0;
	for (uint64_t block = first; block <= last && batch->count < BATCH_BLOCKS; block++) {
		size_t i = batch->count++;
		uint32_t bytes = tftp_transfer_block_bytes(transfer, block);
		tftp_encode_data_header((uint16_t)block, batch->header[i]);
		batch->iov[2 * i] = (struct iovec){batch->header[i], TFTP_HEADER_BYTES};
		/* An empty last block may have no mapping behind it. */
		uint8_t *data =
			bytes > 0 ? job->file->data + tftp_transfer_block_offset(transfer, block)
				  : NULL;
		batch->iov[2 * i + 1] = (struct iovec){data, bytes};
		batch->bytes += bytes;
	}
}

/* All packets by one call, cut apart by the kernel. All but the last are of one size. Returns
 * packets sent. */
static int send_segmented(const struct tftp_job *job, const struct tftp_batch *batch, size_t from)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
	uint16_t packet_bytes = (uint16_t)(job->transfer.blksize + TFTP_HEADER_BYTES);
	size_t count = BATCH_BYTES / packet_bytes;
	if (count > batch->count - from)
		count = batch->count - from;
	struct msghdr message = {
		.msg_iov = (struct iovec *)&batch->iov[2 * from],
		.msg_iovlen = 2 * count,
		.msg_control = control,
		.msg_controllen = sizeof control,
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
	cmsg->cmsg_level = SOL_UDP;
	cmsg->cmsg_type = UDP_SEGMENT;
	cmsg->cmsg_len = CMSG_LEN(sizeof packet_bytes);
	memcpy(CMSG_DATA(cmsg), &packet_bytes, sizeof packet_bytes);
	return sendmsg(job->fd, &message, 0) >= 0 ? (int)count : -errno;
}

static int send_each(const struct tftp_job *job, struct tftp_batch *batch, size_t from)
{
	struct mmsghdr messages[BATCH_BLOCKS];
	size_t count = batch->count - from;
	memset(messages, 0, count * sizeof messages[0]);
	for (size_t i = 0; i < count; i++) {
		messages[i].msg_hdr.msg_iov = &batch->iov[2 * (from + i)];
		messages[i].msg_hdr.msg_iovlen = 2;
	}
	int sent = count == 1 ? (sendmsg(job->fd, &messages[0].msg_hdr, 0) >= 0 ? 1 : -1)
			      : sendmmsg(job->fd, messages, (unsigned)count, 0);
	return sent >= 0 ? sent : -errno;
}

/* 0, or the error that stopped it; -EAGAIN and its like count as packets lost on the way. */
static int batch_send(struct tftp_job *job, struct tftp_batch *batch)
{
	for (size_t from = 0; from < batch->count;) {
		/* One datagram at least of two packets, or there is nothing to cut. */
		bool segmented = job->segmenting && batch->count - from > 1 &&
				 2 * (job->transfer.blksize + TFTP_HEADER_BYTES) <= BATCH_BYTES;
		int sent =
			segmented ? send_segmented(job, batch, from) : send_each(job, batch, from);
		if (sent == -EINTR)
			continue;
		if (segmented && (sent == -EINVAL || sent == -EIO || sent == -EOPNOTSUPP ||
					 sent == -EMSGSIZE)) {
			job->segmenting = false; /* no checksum offload here, or an old kernel */
			continue;
		}
		if (sent < 0)
			return sent;
		assert(sent > 0);
		from += (size_t)sent;
	}
	return 0;
}

static int send_blocks(struct tftp_job *job, uint64_t first, uint64_t last)
{
	struct tftp_batch batch;
	uint64_t bytes = 0;
	int status = 0;
	for (uint64_t block = first; block <= last && status == 0; block += batch.count) {
		batch_fill(job, block, last, &batch);
		status = batch_send(job, &batch);
		bytes += batch.bytes;
	}
	tftp_count_add(job->table->counts, TFTP_COUNT_SENT_BYTES, bytes);
	tftp_count_add(job->table->counts, TFTP_COUNT_SENT_BLOCKS, last - first + 1);
	return status;
}

static int send_packet(struct tftp_job *job, const uint8_t *packet, size_t bytes)
{
	return send(job->fd, packet, bytes, 0) >= 0 ? 0 : -errno;
}

static int send_error(struct tftp_job *job, const char *text)
{
	uint8_t packet[TFTP_CONTROL_MAX_BYTES];
	return send_packet(
		job, packet, tftp_encode_error(TFTP_EUNDEF, text, packet, sizeof packet));
}

static void on_timer(uv_timer_t *timer);

/* The timer is left alone while it goes off early enough, and set again when it does: progress
 * costs no timer work. */
static void job_arm(struct tftp_job *job)
{
	uint64_t now_ms = uv_now(job->table->loop);
	uint64_t deadline_ms = job->transfer.deadline_us / 1000 + 1;
	if (job->timer_due_ms > now_ms && job->timer_due_ms <= deadline_ms)
		return;
	job->timer_due_ms = deadline_ms > now_ms ? deadline_ms : now_ms + 1;
	uv_timer_start(&job->timer, on_timer, job->timer_due_ms - now_ms, 0);
}

static int job_send(struct tftp_job *job, const struct tftp_transfer_effects *effects)
{
	uint8_t packet[TFTP_CONTROL_MAX_BYTES];
	if (effects->send_oack)
		return send_packet(job, packet,
			tftp_encode_oack(&job->transfer.agreed, packet, sizeof packet));
	if (effects->first_block > 0)
		return send_blocks(job, effects->first_block, effects->last_block);
	if (effects->send_error)
		return send_error(job, "no answer");
	return 0;
}

/* Carry out what a step asked for. The job may be closed afterwards. */
static void job_apply(struct tftp_job *job, struct tftp_transfer_effects effects)
{
	/* With the first block, not with the OACK: many clients only ask the size first. */
	if (effects.first_block > 0 && !job->announced) {
		char remark[160];
		job->announced = true;
		post(job, PXE__EVENT_KIND__EVENT_TFTP_START, remark_on(job, remark, sizeof remark));
	}
	int status = job_send(job, &effects);
	if (effects.end == TFTP_TRANSFER_RUNNING && status == -ECONNREFUSED)
		effects = tftp_transfer_on_gone(&job->transfer);
	if (effects.end != TFTP_TRANSFER_RUNNING) {
		job_finish(job, effects.end);
	} else if (status == -EFAULT) { /* a page of the file could not be read */
		if (job->file->mapped && job->table->suspect != NULL)
			job->table->suspect(job->table->source, job->file->sha256);
		send_error(job, "the server cannot read the file");
		job_fail(job, "cannot read the file");
	} else {
		job_arm(job); /* other errors are losses, and repaired as such */
		tell_progress(job);
	}
}

/* Of a file that is still arriving, what is there by now goes out. The job may be closed
 * afterwards. */
static void job_refresh(struct tftp_job *job)
{
	uint64_t ready;
	if (job->file->relay == NULL)
		return;
	int status = tftp_file_ready(job->file, &ready);
	if (status != 0) {
		send_error(job, "another server was to send the file and cannot");
		job_fail(job, "it did not come from another node");
		return;
	}
	struct tftp_transfer_effects effects =
		tftp_transfer_on_ready(&job->transfer, ready, now_us());
	if (effects.first_block > 0)
		job_apply(job, effects);
}

static void on_timer(uv_timer_t *timer)
{
	struct tftp_job *job = timer->data;
	job_refresh(job);
	if (job->ended)
		return;
	uint64_t now = now_us();
	if (now < job->transfer.deadline_us)
		job_arm(job);
	else
		job_apply(job, tftp_transfer_on_timer(&job->transfer, now));
}

/* Its client asks anew, and the kernel gave the packet to the socket that is its by now. */
static void pass_request(const struct tftp_job *job, const uint8_t *bytes, size_t size)
{
	struct tftp_job_request from = {.client_ip = job->client_ip,
		.client_port = job->client_port,
		.local_ip = job->local_ip};
	job->table->on_request(job->table->server, &from, bytes, size);
}

static void on_packet(struct tftp_job *job, const uint8_t *bytes, size_t size)
{
	struct tftp_counts *counts = job->table->counts;
	struct tftp_packet packet;
	enum tftp_reason reason = tftp_decode(bytes, size, &packet);
	job_refresh(job);
	if (job->ended)
		return;
	if (reason != TFTP_OK)
		tftp_count_add(counts, TFTP_COUNT_MALFORMED + (unsigned)reason, 1);
	else if (packet.opcode == TFTP_ACK)
		job_apply(job, tftp_transfer_on_ack(&job->transfer, packet.block, now_us()));
	else if (packet.opcode == TFTP_ERROR)
		job_apply(job, tftp_transfer_on_error(&job->transfer));
	else if (packet.opcode == TFTP_RRQ && job->table->single_port != 0)
		pass_request(job, bytes, size);
	else
		tftp_count_add(counts, TFTP_COUNT_STRAYS, 1);
}

/* Without windows one packet is all that can be there, so the read that would find nothing is
 * spared. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct tftp_job *job = poll->data;
	uint8_t bytes[TFTP_REQUEST_MAX_BYTES];
	(void)status; /* a closed port shows as an error of recv() */
	(void)events;
	int reads = job->transfer.windowsize > 1 ? READS_PER_TURN : 1;
	while (reads-- > 0 && !job->ended) {
		ssize_t size = recv(job->fd, bytes, sizeof bytes, 0);
		if (size >= 0)
			on_packet(job, bytes, (size_t)size);
		else if (errno == ECONNREFUSED)
			job_apply(job, tftp_transfer_on_gone(&job->transfer));
		else if (errno != EINTR)
			return;
	}
}

/* A port that others have, too: the kernel gives a packet to the socket that is connected to its
 * sender, if there is one. Until it is, this one could take what is for the server, so it is deaf.
 */
static int share_port(int fd)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {.len = 1, .filter = &none};
	int on = 1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
		return -errno;
	return 0;
}

static int connect_to(int fd, const struct sockaddr_in *client, bool shared)
{
	int unused = 0;
	if (connect(fd, (const struct sockaddr *)client, sizeof *client) != 0 ||
		(shared &&
			setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) != 0))
		return -errno;
	return 0;
}

/* A socket from our address to the client, and the longest block that its route carries
 * unfragmented. `shared`: at the server's port. */
static int open_socket(const struct sockaddr_in *local, const struct sockaddr_in *client,
	bool shared, uint32_t *ret_blksize_max)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Don't-fragment off (FIELD 49): better a fragment than nothing, if a router on the way has
	 * a smaller MTU. */
	int no_discovery = IP_PMTUDISC_DONT;
	int mtu = 0;
	socklen_t mtu_bytes = sizeof mtu;
	int status = shared ? share_port(fd) : 0;
	if (status == 0 && (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &no_discovery,
				    sizeof no_discovery) != 0 ||
				   bind(fd, (const struct sockaddr *)local, sizeof *local) != 0))
		status = -errno;
	if (status == 0)
		status = connect_to(fd, client, shared);
	if (status == 0 && getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &mtu_bytes) != 0)
		status = -errno;
	if (status != 0) {
		close(fd);
		return status;
	}
	if (mtu < 576)
		mtu = 576;
	uint32_t max = (uint32_t)mtu - IP_UDP_TFTP_BYTES;
	*ret_blksize_max = max < TFTP_BLKSIZE_MAX ? max : TFTP_BLKSIZE_MAX;
	return fd;
}

static struct tftp_transfer_limits limits_for(
	const struct tftp_options *asked, uint32_t blksize_max)
{
	uint32_t blksize =
		asked->present & TFTP_HAS_BLKSIZE ? asked->blksize : TFTP_BLKSIZE_DEFAULT;
	if (blksize > blksize_max)
		blksize = blksize_max;
	uint32_t window = WINDOW_BYTES / blksize;
	if (window > TFTP_SERVER_WINDOW_MAX)
		window = TFTP_SERVER_WINDOW_MAX;
	return (struct tftp_transfer_limits){.blksize_max = blksize_max, .windowsize_max = window};
}

static void job_insert(struct tftp_job_table *table, struct tftp_job *job)
{
	struct tftp_job **bucket = bucket_of(table, job->client_ip);
	job->next = *bucket;
	*bucket = job;
	queue_add(table, job);
	table->active++;
	atomic_store_explicit(
		&table->counts->value[TFTP_COUNT_ACTIVE], table->active, memory_order_relaxed);
	tftp_count_add(table->counts, TFTP_COUNT_STARTED, 1);
}

static struct sockaddr_in socket_address(uint32_t ip, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip), .sin_port = htons(port)};
}

/* A job with its socket (local port 0: any), in the table. NULL: *ret_status says why, and `file`
 * was released. */
static struct tftp_job *job_new(struct tftp_job_table *table,
	const struct tftp_job_request *request, uint16_t local_port, uint32_t *ret_blksize_max,
	int *ret_status)
{
	struct sockaddr_in local = socket_address(request->local_ip, local_port);
	struct sockaddr_in client = socket_address(request->client_ip, request->client_port);
	struct tftp_job *job = calloc(1, sizeof *job);
	bool shared = local_port != 0 && local_port == table->single_port;
	int fd = job != NULL ? open_socket(&local, &client, shared, ret_blksize_max) : -ENOMEM;
	int status = fd < 0 ? fd : uv_poll_init(table->loop, &job->poll, fd);
	if (status < 0) {
		if (fd >= 0)
			close(fd);
		free(job);
		tftp_file_release(&table->files, request->file);
		*ret_status = status;
		return NULL;
	}
	uv_timer_init(table->loop, &job->timer);
	job->poll.data = job->timer.data = job;
	job->open_handles = 2;
	job->table = table;
	job->fd = fd;
	job->file = request->file;
	job->client_ip = request->client_ip;
	job->local_ip = request->local_ip;
	job->client_port = request->client_port;
	job->digest = request->digest;
	job->segmenting = true;
	job->started_ms = uv_now(table->loop);
	job->mac_bytes = request->mac_bytes;
	memcpy(job->mac, request->mac, sizeof job->mac);
	tftp_name_printable(request->path, job->path, sizeof job->path);
	snprintf(job->host, sizeof job->host, "%s", request->host != NULL ? request->host : "");
	snprintf(job->profile, sizeof job->profile, "%s",
		request->profile != NULL ? request->profile : "");
	job->stage = request->stage;
	job_insert(table, job);
	uv_poll_start(&job->poll, UV_READABLE, on_readable);
	return job;
}

int tftp_job_start(struct tftp_job_table *table, const struct tftp_job_request *request)
{
	uint32_t blksize_max = TFTP_BLKSIZE_DEFAULT;
	int status = 0;
	struct tftp_job *job = job_new(table, request, table->single_port, &blksize_max, &status);
	if (job == NULL)
		return status;
	struct tftp_transfer_limits limits = limits_for(&request->asked, blksize_max);
	tftp_transfer_init(&job->transfer, &request->asked, request->file->bytes, &limits);
	uint64_t ready = 0;
	(void)tftp_file_ready(request->file, &ready); /* what failed ends at the first timer */
	tftp_transfer_set_ready(&job->transfer, ready);
	job_apply(job, tftp_transfer_start(&job->transfer, now_us()));
	return 0;
}

int tftp_job_adopt(
	struct tftp_job_table *table, const struct tftp_handover *handover, struct tftp_file *file)
{
	struct tftp_job_request request = {
		.client_ip = handover->client_ip,
		.client_port = handover->client_port,
		.local_ip = handover->local_ip,
		.path = "(taken over)",
		.file = file,
	};
	struct tftp_options agreed = {
		.present = TFTP_HAS_BLKSIZE | TFTP_HAS_WINDOWSIZE,
		.blksize = handover->blksize,
		.windowsize = handover->windowsize,
	};
	uint32_t blksize_max;
	int status = 0;
	struct tftp_job *job =
		job_new(table, &request, handover->local_port, &blksize_max, &status);
	if (job == NULL)
		return status;
	tftp_transfer_resume(&job->transfer, &agreed, file->bytes, handover->acked);
	tftp_count_add(table->counts, TFTP_COUNT_ADOPTED, 1);
	job_apply(job, tftp_transfer_start(&job->transfer, now_us()));
	return 0;
}

static bool has_progress(const struct tftp_job *job)
{
	const struct tftp_transfer *transfer = &job->transfer;
	return transfer->acked > 0 ||
	       (transfer->state == TFTP_TRANSFER_SENDING && transfer->agreed.present != 0);
}

static bool is_unanswered(const struct tftp_job *job)
{
	return !has_progress(job) &&
	       uv_now(job->table->loop) - job->started_ms >= TFTP_JOB_UNANSWERED_MS;
}

/* End the transfer in favour of a new one. false: it is not there, or may yet be answered. */
static bool make_way(struct tftp_job *job)
{
	if (job == NULL || !is_unanswered(job))
		return false;
	tftp_count_add(job->table->counts, TFTP_COUNT_LIMITED, 1);
	job_close(job);
	return true;
}

static struct tftp_job *oldest_unanswered(struct tftp_job_table *table)
{
	while (table->first_unanswered != NULL && has_progress(table->first_unanswered))
		queue_remove(table, table->first_unanswered);
	return table->first_unanswered;
}

/* A request from the port of a transfer that runs, where a port has one transfer only. true: it is
 * a late copy. */
static bool single_meets_request(struct tftp_job *job, uint64_t digest)
{
	if (job->digest == digest &&
		uv_now(job->table->loop) - job->started_ms < TFTP_JOB_LATE_COPY_MS)
		return true;
	job_fail(job, "the client began anew");
	return false;
}

enum tftp_job_again tftp_job_meets_request(
	struct tftp_job_table *table, uint32_t client_ip, uint16_t client_port, uint64_t digest)
{
	unsigned count = 0;
	struct tftp_job *next, *oldest = NULL; /* of this client, without progress */
	for (struct tftp_job *job = *bucket_of(table, client_ip); job != NULL; job = next) {
		next = job->next;
		if (job->client_ip != client_ip)
			continue;
		count++;
		if (has_progress(job)) {
			if (table->single_port != 0 && job->client_port == client_port) {
				if (single_meets_request(job, digest))
					return TFTP_JOB_ANSWERED;
				count--;
			}
			continue;
		}
		if (job->client_port != client_port) {
			oldest = job;
			continue;
		}
		if (job->digest == digest) {
			job_apply(job, tftp_transfer_on_request(&job->transfer, now_us()));
			return TFTP_JOB_ANSWERED;
		}
		tftp_count_add(table->counts, TFTP_COUNT_PROBED, 1);
		job_close(job);
		count--;
	}
	if (count >= TFTP_SERVER_CLIENT_MAX && !make_way(oldest))
		return TFTP_JOB_LIMITED;
	if (table->active >= TFTP_SERVER_TRANSFERS_MAX && !make_way(oldest_unanswered(table)))
		return TFTP_JOB_LIMITED;
	return TFTP_JOB_NEW;
}

void tftp_job_end_all(struct tftp_job_table *table)
{
	for (unsigned i = 0; i < TFTP_JOB_BUCKETS; i++) {
		while (table->bucket[i] != NULL)
			job_close(table->bucket[i]);
	}
	assert(table->active == 0);
}
