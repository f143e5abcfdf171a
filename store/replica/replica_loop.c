/* store/replica/replica_loop.c: a replica on a libuv loop: the only file that uses it. Edge file.
 *
 * A timer gives the ticks; a prepare handle ends the turn, after all callbacks and before the loop
 * sleeps. What is queued after that (by a later prepare handle, say) starts an idle handle, so that
 * the loop does not sleep on it.
 */
#include "store/replica/replica_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct replica_loop {
	struct replica *replica; /* NULL: closed */
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_prepare_t prepare;
	uv_idle_t idle;
	unsigned open_handles;
};

struct loop_work {
	uv_work_t request;
	void (*work)(void *ctx);
	void (*after)(void *ctx);
	void *ctx;
};

static void loop_on_timer(uv_timer_t *timer)
{
	struct replica_loop *loop = timer->data;
	replica_tick(loop->replica);
}

static void loop_on_prepare(uv_prepare_t *prepare)
{
	struct replica_loop *loop = prepare->data;
	uv_idle_stop(&loop->idle);
	replica_turn_end(loop->replica);
}

static void loop_on_idle(uv_idle_t *idle)
{
	(void)idle;
}

int replica_loop_open(struct replica *r, uv_loop_t *uv, struct replica_loop **ret_loop)
{
	struct replica_loop *loop = replica_alloc(sizeof *loop);
	loop->replica = r;
	loop->loop = uv;
	loop->open_handles = 3;
	/* None of these can fail (libuv 1.44: they only fill in the structure). */
	uv_timer_init(uv, &loop->timer);
	uv_prepare_init(uv, &loop->prepare);
	uv_idle_init(uv, &loop->idle);
	loop->timer.data = loop->prepare.data = loop->idle.data = loop;
	*ret_loop = loop;
	return 0;
}

void replica_loop_start(struct replica_loop *loop)
{
	if (loop == NULL)
		return;
	uv_timer_start(&loop->timer, loop_on_timer, REPLICA_TICK_MS, REPLICA_TICK_MS);
	uv_prepare_start(&loop->prepare, loop_on_prepare);
	replica_loop_wake(loop);
}

void replica_loop_wake(struct replica_loop *loop)
{
	if (loop != NULL && uv_is_active((uv_handle_t *)&loop->prepare) &&
		!uv_is_active((uv_handle_t *)&loop->idle))
		uv_idle_start(&loop->idle, loop_on_idle);
}

static void loop_on_closed(uv_handle_t *handle)
{
	struct replica_loop *loop = handle->data;
	if (--loop->open_handles == 0)
		free(loop);
}

void replica_loop_close(struct replica_loop *loop)
{
	if (loop == NULL)
		return;
	loop->replica = NULL;
	uv_close((uv_handle_t *)&loop->timer, loop_on_closed);
	uv_close((uv_handle_t *)&loop->prepare, loop_on_closed);
	uv_close((uv_handle_t *)&loop->idle, loop_on_closed);
}

static void loop_on_work(uv_work_t *request)
{
	struct loop_work *work = (struct loop_work *)request->data;
	work->work(work->ctx);
}

static void loop_on_worked(uv_work_t *request, int status)
{
	struct loop_work *work = (struct loop_work *)request->data;
	(void)status;
	work->after(work->ctx);
	free(work);
}

int replica_loop_work(
	struct replica_loop *loop, void (*work)(void *ctx), void (*after)(void *ctx), void *ctx)
{
	if (loop == NULL) {
		work(ctx);
		after(ctx);
		return 0;
	}
	struct loop_work *item = replica_alloc(sizeof *item);
	*item = (struct loop_work){.work = work, .after = after, .ctx = ctx};
	item->request.data = item;
	int status = uv_queue_work(loop->loop, &item->request, loop_on_work, loop_on_worked);
	if (status != 0)
		free(item);
	return status;
}
