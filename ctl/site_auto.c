#include "ctl/site_auto.h"

#include "ctl/edit_field.h"
#include "ctl/objects.h"
#include "ctl/site_impl.h"
#include "proto/msg/msg_ip4.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void site_auto_keep(const Pxe__Host *before, Pxe__Host *after)
{
	edit_set_bytes(&after->ip, before->ip.data, before->ip.len);
	edit_clear_bytes(&after->more_ip, &after->n_more_ip);
	for (size_t i = 0; i < before->n_more_ip; i++) {
		edit_append_bytes(&after->more_ip, &after->n_more_ip, before->more_ip[i].data,
			before->more_ip[i].len);
	}
}

static Pxe__Host *host_of(const struct site_step *step)
{
	return step->kind == SITE_HOST && (step->step == SITE_ADD || step->step == SITE_CHANGE)
		       ? (Pxe__Host *)(void *)step->after
		       : NULL;
}

/* ---- addresses */

struct taken {
	uint32_t *ips;
	size_t count, capacity;
};

static void take(struct taken *taken, uint32_t ip)
{
	if (taken->count == taken->capacity) {
		taken->capacity = taken->capacity == 0 ? 1024 : taken->capacity * 2;
		taken->ips = realloc(taken->ips, taken->capacity * sizeof *taken->ips);
		assert(taken->ips != NULL);
	}
	taken->ips[taken->count++] = ip;
}

static void take_host(struct taken *taken, const Pxe__Host *host)
{
	if (host->ip.len == 4) {
		take(taken, msg_ip4_get(host->ip));
	}
	for (size_t i = 0; i < host->n_more_ip; i++) {
		take(taken, msg_ip4_get(host->more_ip[i]));
	}
}

static int compare_ips(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool is_taken(const struct taken *taken, uint32_t ip)
{
	return taken->count > 0 &&
	       bsearch(&ip, taken->ips, taken->count, sizeof ip, compare_ips) != NULL;
}

/* All that no host may be given, sorted. */
static void collect(const struct site *site, const struct site_have *have, struct taken *taken)
{
	take(taken, msg_ip4_get(have->list[SITE_CLUSTER]->settings->server_ip));
	for (size_t i = 0; i < have->leases->n_leases; i++) {
		take(taken, msg_ip4_get(have->leases->leases[i]->ip));
	}
	for (size_t i = 0; i < have->members->n_members; i++) {
		take(taken, msg_ip4_get(have->members->members[i]->serve_ip));
	}
	for (size_t i = 0; i < have->list[SITE_HOST]->n_hosts; i++) {
		take_host(taken, have->list[SITE_HOST]->hosts[i]);
	}
	for (size_t i = 0; i < have->list[SITE_SUBNET]->n_subnets; i++) {
		take(taken, msg_ip4_get(have->list[SITE_SUBNET]->subnets[i]->gateway_ip));
	}
	for (size_t i = 0; i < site_count(site); i++) {
		const struct site_object *object = site_at(site, i);
		if (object->kind == SITE_HOST) {
			take_host(taken, (const Pxe__Host *)(const void *)object->message);
		} else if (object->kind == SITE_SUBNET) {
			take(taken, msg_ip4_get(((const Pxe__Subnet *)(const void *)object->message)
							->gateway_ip));
		}
	}
	qsort(taken->ips, taken->count, sizeof *taken->ips, compare_ips);
}

/* Where the search for the next free address goes on: pools as they will be, from their ends. */
struct cursor {
	const Pxe__Pool **pools;
	size_t count, at;
	uint32_t next; /* of pools[at]; 0: begin at its end */
};

static void collect_pools(
	const struct site *site, const struct site_have *have, struct cursor *cursor)
{
	size_t have_count = have->list[SITE_POOL]->n_pools;

	cursor->pools = calloc(have_count + site_count(site) + 1, sizeof *cursor->pools);
	assert(cursor->pools != NULL);
	for (size_t i = 0; i < site_count(site); i++) {
		if (site_at(site, i)->kind == SITE_POOL) {
			cursor->pools[cursor->count++] =
				(const Pxe__Pool *)(const void *)site_at(site, i)->message;
		}
	}
	for (size_t i = 0; i < have_count; i++) {
		const Pxe__Pool *pool = have->list[SITE_POOL]->pools[i];
		if (site_find(site, SITE_POOL, pool->name) == NULL) {
			cursor->pools[cursor->count++] = pool;
		}
	}
}

/* 0: all pools are full. */
static uint32_t next_free(struct cursor *cursor, const struct taken *taken)
{
	for (; cursor->at < cursor->count; cursor->at++, cursor->next = 0) {
		const Pxe__Pool *pool = cursor->pools[cursor->at];
		uint32_t first = msg_ip4_get(pool->first_ip);

		cursor->next = cursor->next == 0 ? msg_ip4_get(pool->last_ip) : cursor->next;
		for (; cursor->next >= first && cursor->next != 0; cursor->next--) {
			if (!is_taken(taken, cursor->next) &&
				!objects_is_excluded(pool, cursor->next)) {
				return cursor->next--;
			}
		}
	}
	return 0;
}

/* What the machine has now, unless it is reserved for another one. */
static uint32_t lease_of(
	const struct site *site, const struct site_have *have, const Pxe__Host *host)
{
	for (size_t i = 0; i < have->leases->n_leases; i++) {
		const Pxe__Lease *lease = have->leases->leases[i];
		for (size_t j = 0; j < host->n_mac; j++) {
			if (host->mac[j].len != lease->mac.len ||
				memcmp(host->mac[j].data, lease->mac.data, lease->mac.len) != 0) {
				continue;
			}
			for (size_t k = 0; k < site_count(site); k++) {
				const struct site_object *other = site_at(site, k);
				const Pxe__Host *message =
					(const Pxe__Host *)(const void *)other->message;
				if (other->kind == SITE_HOST && message->ip.len == 4 &&
					msg_ip4_get(message->ip) == msg_ip4_get(lease->ip)) {
					return 0;
				}
			}
			return msg_ip4_get(lease->ip);
		}
	}
	return 0;
}

void site_auto_choose(struct site *site, const struct site_have *have, struct site_plan *plan)
{
	struct taken taken = {NULL, 0, 0};
	struct cursor cursor = {NULL, 0, 0, 0};

	if (have->leases == NULL || have->members == NULL) {
		return; /* none is to be chosen */
	}
	collect(site, have, &taken);
	collect_pools(site, have, &cursor);
	for (size_t i = 0; i < plan->count; i++) {
		Pxe__Host *host = host_of(&plan->steps[i]);
		uint32_t ip;
		if (host == NULL || !plan->steps[i].object->ip_auto || host->ip.len > 0) {
			continue;
		}
		ip = lease_of(site, have, host);
		ip = ip != 0 ? ip : next_free(&cursor, &taken);
		if (ip == 0) {
			site_error(site, site_key_node(plan->steps[i].object, "ip"),
				"no pool has a free address for host %s; see: pxectl status",
				host->name);
			break;
		}
		edit_set_ip(&host->ip, ip);
	}
	free(cursor.pools);
	free(taken.ips);
}

/* ---- making way */

/* Something that one host only has. */
struct held {
	char kind; /* which field */
	const ProtobufCBinaryData *data;
	size_t step;
};

struct helds {
	struct held *list;
	size_t count, capacity;
};

static int compare_held(const void *a, const void *b)
{
	const struct held *one = a, *other = b;

	if (one->kind != other->kind) {
		return one->kind < other->kind ? -1 : 1;
	}
	if (one->data->len != other->data->len) {
		return one->data->len < other->data->len ? -1 : 1;
	}
	return memcmp(one->data->data, other->data->data, one->data->len);
}

static void hold(
	struct helds *helds, char kind, const ProtobufCBinaryData *list, size_t count, size_t step)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].len == 0) {
			continue;
		}
		if (helds->count == helds->capacity) {
			helds->capacity = helds->capacity == 0 ? 256 : helds->capacity * 2;
			helds->list = realloc(helds->list, helds->capacity * sizeof *helds->list);
			assert(helds->list != NULL);
		}
		helds->list[helds->count++] = (struct held){kind, &list[i], step};
	}
}

static void hold_all(struct helds *helds, const Pxe__Host *host, size_t step)
{
	hold(helds, 'i', &host->ip, 1, step);
	hold(helds, 'i', host->more_ip, host->n_more_ip, step);
	hold(helds, 'm', host->mac, host->n_mac, step);
	hold(helds, 'u', &host->uuid, 1, step);
	hold(helds, 'c', host->client_id, host->n_client_id, step);
	hold(helds, 'p', host->circuit_id, host->n_circuit_id, step);
}

static bool has(const ProtobufCBinaryData *list, size_t count, const ProtobufCBinaryData *data)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].len == data->len &&
			(data->len == 0 || memcmp(list[i].data, data->data, data->len) == 0)) {
			return true;
		}
	}
	return false;
}

/* Of a list, what the other has, too. */
static void intersect(ProtobufCBinaryData *list, size_t *count, const ProtobufCBinaryData *other,
	size_t other_count)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		if (has(other, other_count, &list[i])) {
			list[kept++] = list[i];
		} else {
			free(list[i].data);
		}
	}
	*count = kept;
}

/* `host` without what `after` has no more. False: nothing is left that tells which machine it is.
 */
static bool give_up(Pxe__Host *host, const Pxe__Host *after)
{
	if (!has(&after->ip, 1, &host->ip)) {
		edit_set_bytes(&host->ip, NULL, 0);
		/* The first address stands in a field of its own: further ones go, too. */
		edit_clear_bytes(&host->more_ip, &host->n_more_ip);
	}
	if (!has(&after->uuid, 1, &host->uuid)) {
		edit_set_bytes(&host->uuid, NULL, 0);
	}
	intersect(host->more_ip, &host->n_more_ip, after->more_ip, after->n_more_ip);
	intersect(host->mac, &host->n_mac, after->mac, after->n_mac);
	intersect(host->client_id, &host->n_client_id, after->client_id, after->n_client_id);
	intersect(host->circuit_id, &host->n_circuit_id, after->circuit_id, after->n_circuit_id);
	return host->n_mac + host->uuid.len + host->n_client_id + host->n_circuit_id > 0;
}

static ProtobufCMessage *way_of_host(const struct site_step *step)
{
	const Pxe__Host *before = (const Pxe__Host *)(const void *)step->before;
	size_t bytes = pxe__host__get_packed_size(before);
	uint8_t *data = malloc(bytes + 1);
	Pxe__Host *host;

	assert(data != NULL);
	pxe__host__pack(before, data);
	host = pxe__host__unpack(NULL, bytes, data);
	free(data);
	assert(host != NULL);
	if (!give_up(host, (const Pxe__Host *)(const void *)step->after)) {
		pxe__host__free_unpacked(host, NULL);
		return NULL;
	}
	return &host->base;
}

static void mark_hosts(const struct site_plan *plan, bool *in_the_way)
{
	struct helds held = {NULL, 0, 0}, wanted = {NULL, 0, 0};

	for (size_t i = 0; i < plan->count; i++) {
		if (host_of(&plan->steps[i]) != NULL && plan->steps[i].before != NULL) {
			hold_all(&held, (const Pxe__Host *)(const void *)plan->steps[i].before, i);
		}
		if (host_of(&plan->steps[i]) != NULL) {
			hold_all(&wanted, host_of(&plan->steps[i]), i);
		}
	}
	if (held.count > 0) {
		qsort(held.list, held.count, sizeof *held.list, compare_held);
	}
	for (size_t i = 0; i < wanted.count && held.count > 0; i++) {
		const struct held *found = bsearch(
			&wanted.list[i], held.list, held.count, sizeof *held.list, compare_held);
		if (found != NULL && found->step != wanted.list[i].step) {
			in_the_way[found->step] = true;
		}
	}
	free(held.list);
	free(wanted.list);
}

static void mark_pools(const struct site_plan *plan, bool *in_the_way)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct site_step *step = &plan->steps[i];
		const Pxe__Pool *before = (const Pxe__Pool *)(const void *)step->before;
		if (step->kind != SITE_POOL || step->step != SITE_CHANGE) {
			continue;
		}
		for (size_t j = 0; j < plan->count; j++) {
			const Pxe__Pool *after =
				(const Pxe__Pool *)(const void *)plan->steps[j].after;
			if (j != i && plan->steps[j].kind == SITE_POOL && after != NULL &&
				msg_ip4_get(after->first_ip) <= msg_ip4_get(before->last_ip) &&
				msg_ip4_get(before->first_ip) <= msg_ip4_get(after->last_ip)) {
				in_the_way[i] = true;
			}
		}
	}
}

void site_auto_make_way(const struct site_have *have, struct site_plan *plan)
{
	bool *in_the_way = calloc(plan->count + 1, sizeof *in_the_way);
	struct site_step *steps = calloc(2 * plan->count + 1, sizeof *steps);
	size_t count = 0;

	(void)have;
	assert(in_the_way != NULL && steps != NULL);
	mark_hosts(plan, in_the_way);
	mark_pools(plan, in_the_way);
	for (size_t i = 0; i < plan->count; i++) {
		if (in_the_way[i]) {
			steps[count] = plan->steps[i];
			steps[count].step = SITE_MAKE_WAY;
			steps[count].after = plan->steps[i].kind == SITE_HOST
						     ? way_of_host(&plan->steps[i])
						     : NULL; /* the pool goes, and comes again */
			count++;
		}
	}
	if (plan->count > 0) {
		memcpy(steps + count, plan->steps, plan->count * sizeof *steps);
	}
	plan->count += count;
	plan->capacity = plan->count;
	free(plan->steps);
	plan->steps = steps;
	free(in_the_way);
}
