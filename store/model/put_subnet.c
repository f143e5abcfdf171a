/* store/model/put_subnet.c: subnets and their pools. Pure. */
#include "proto/wire/text.h"
#include "store/model/put.h"
#include <stdio.h>
#include <string.h>

#define OK       PXE__VERDICT__VERDICT_OK
#define INVALID  PXE__VERDICT__VERDICT_INVALID
#define CONFLICT PXE__VERDICT__VERDICT_CONFLICT

/* What has a field of its own in a subnet: router, name servers, domain, MTU, time servers. */
static const uint8_t put_own_options[] = {3, 6, 12, 15, 26, 42};

static bool put_check_subnet_terms(struct apply *a, const Pxe__Subnet *subnet)
{
	char what[MODEL_NAME_MAX + 8];
	snprintf(what, sizeof(what), "subnet %s", subnet->name);
	for (size_t i = 0; i < subnet->n_options; i++) {
		const Pxe__Option *option = subnet->options[i];
		if (option->space != PXE__OPTION_SPACE__OPTION_DHCP || option->code > 255 ||
			memchr(put_own_options, (int)option->code, sizeof(put_own_options)) == NULL)
			continue;
		internal_refuse(a, INVALID,
			"option %u of subnet %s is set by the server itself, from the subnet's own "
			"field or the host's name: leave it out",
			option->code, subnet->name);
		return false;
	}
	return check_options(a, what, subnet->options, subnet->n_options) &&
	       check_domain(a, what, subnet->domain) &&
	       check_arch_profiles(a, what, subnet->profiles, subnet->n_profiles) &&
	       check_vars(a, what, subnet->vars, subnet->n_vars) && check_owner(a, subnet->owner) &&
	       check_quirks(a, what, subnet->quirks) &&
	       check_lease_times(
		       a, what, subnet->lease_s, subnet->lease_min_s, subnet->lease_max_s);
}

static bool put_check_link(struct apply *a, const Pxe__Subnet *subnet)
{
	if (subnet->dhcp < PXE__SUBNET_DHCP__SUBNET_DHCP_AS_CLUSTER ||
		subnet->dhcp > PXE__SUBNET_DHCP__SUBNET_DHCP_OFF) {
		internal_refuse(a, INVALID,
			"dhcp mode %d of subnet %s is not known: use on, proxy, off or default",
			(int)subnet->dhcp, subnet->name);
		return false;
	}
	return subnet->shared_network[0] == '\0' ||
	       check_name(a, "shared network", subnet->shared_network);
}

static bool put_check_network(struct apply *a, const Pxe__Subnet *subnet)
{
	char text[TEXT_CIDR4_BYTES], better[TEXT_CIDR4_BYTES];
	if (!check_ip(a, "network", subnet->network_ip))
		return false;
	uint32_t network = msg_ip4_get(subnet->network_ip);
	if (subnet->prefix_len < 8 || subnet->prefix_len > 30) {
		internal_refuse(a, INVALID, "subnet %s has the prefix length %u: use 8 to 30",
			subnet->name, subnet->prefix_len);
		return false;
	}
	uint32_t mask = text_ip4_mask(subnet->prefix_len);
	if ((network & ~mask) == 0)
		return true;
	internal_refuse(a, INVALID, "network %s of subnet %s has host bits set: %s is meant",
		text_cidr4_format(network, subnet->prefix_len, text), subnet->name,
		text_cidr4_format(network & mask, subnet->prefix_len, better));
	return false;
}

static bool put_check_gateway(struct apply *a, const Pxe__Subnet *subnet)
{
	char ip_text[TEXT_IP4_BYTES], text[TEXT_CIDR4_BYTES];
	if (subnet->gateway_ip.len == 0)
		return true;
	if (!check_ip(a, "gateway", subnet->gateway_ip))
		return false;
	uint32_t first, last, ip = msg_ip4_get(subnet->gateway_ip);
	internal_subnet_range(subnet, &first, &last);
	if (ip > first && ip < last)
		return true;
	internal_refuse(a, INVALID, "gateway %s is not a host address of %s: correct one of them",
		text_ip4_format(ip, ip_text), text_cidr4_format(first, subnet->prefix_len, text));
	return false;
}

static bool put_check_subnet(struct apply *a, const Pxe__Subnet *subnet)
{
	if (!put_check_network(a, subnet) || !put_check_gateway(a, subnet) ||
		!check_ips(a, "DNS server", subnet->dns_ip, subnet->n_dns_ip, 8) ||
		!check_ips(a, "NTP server", subnet->ntp_ip, subnet->n_ntp_ip, 8) ||
		!put_check_link(a, subnet) ||
		!check_profile_ref(a, "profile of the subnet", subnet->profile) ||
		!put_check_subnet_terms(a, subnet))
		return false;
	if (subnet->mtu != 0 && (subnet->mtu < 576 || subnet->mtu > 65535)) {
		internal_refuse(a, INVALID, "mtu %u of subnet %s: use 576 to 65535", subnet->mtu,
			subnet->name);
		return false;
	}
	return true;
}

static Pxe__Verdict put_check_overlap(
	struct apply *a, const Pxe__Subnet *subnet, uint32_t first, uint32_t last)
{
	char text[TEXT_CIDR4_BYTES], other_text[TEXT_CIDR4_BYTES];
	const struct shelf *subnets = &a->model->shelf[RECORD_SUBNET];
	for (size_t i = 0; i < subnets->count; i++) {
		const Pxe__Subnet *other = (const Pxe__Subnet *)subnets->records[i]->message;
		uint32_t other_first, other_last;
		internal_subnet_range(other, &other_first, &other_last);
		if (strcmp(other->name, subnet->name) == 0 || other_last < first ||
			other_first > last)
			continue;
		return internal_refuse(a, CONFLICT, "subnet %s (%s) overlaps subnet %s (%s)",
			subnet->name, text_cidr4_format(first, subnet->prefix_len, text),
			other->name, text_cidr4_format(other_first, other->prefix_len, other_text));
	}
	return OK;
}

static Pxe__Verdict put_check_pools_stay(
	struct apply *a, const Pxe__Subnet *subnet, uint32_t first, uint32_t last)
{
	const struct shelf *pools = &a->model->shelf[RECORD_POOL];
	for (size_t i = 0; i < pools->count; i++) {
		const Pxe__Pool *pool = (const Pxe__Pool *)pools->records[i]->message;
		if (strcmp(pool->subnet, subnet->name) != 0 ||
			(msg_ip4_get(pool->first_ip) >= first &&
				msg_ip4_get(pool->last_ip) <= last))
			continue;
		return internal_refuse(a, CONFLICT,
			"pool %s would lie outside of subnet %s: change the pool first", pool->name,
			subnet->name);
	}
	return OK;
}

static Pxe__Verdict put_check_hosts_stay(struct apply *a, const Pxe__Subnet *old,
	const Pxe__Subnet *subnet, uint32_t first, uint32_t last)
{
	char text[TEXT_IP4_BYTES];
	uint32_t old_first, old_last;
	internal_subnet_range(old, &old_first, &old_last);
	const struct shelf *hosts = &a->model->shelf[RECORD_HOST];
	for (size_t i = 0; i < hosts->count; i++) {
		const Pxe__Host *host = (const Pxe__Host *)hosts->records[i]->message;
		uint32_t ip = internal_host_ip_in(host, old_first, old_last);
		if (ip == 0 || (ip >= first && ip <= last))
			continue;
		return internal_refuse(a, CONFLICT,
			"the reserved address %s of host %s would lie outside of subnet %s: change "
			"it "
			"first",
			text_ip4_format(ip, text), host->name, subnet->name);
	}
	return OK;
}

static Pxe__Verdict put_check_leases_stay(
	struct apply *a, const Pxe__Subnet *subnet, uint32_t first, uint32_t last)
{
	char text[TEXT_IP4_BYTES];
	size_t count = 0;
	uint32_t lowest = UINT32_MAX;
	for (size_t i = 0; i < a->model->leases.count; i++) {
		const struct lease_record *record = lease_table_at(&a->model->leases, i);
		if (strcmp(lease_record_subnet(record), subnet->name) != 0 ||
			(record->ip >= first && record->ip <= last) ||
			record->free_at_ms <= a->now_ms)
			continue;
		count++;
		lowest = record->ip < lowest ? record->ip : lowest;
	}
	if (count == 0)
		return OK;
	return internal_refuse(a, CONFLICT,
		"%zu leases of subnet %s would lie outside of it (%s is one): take the addresses "
		"out "
		"of its pools and wait until they ran out, or release them",
		count, subnet->name, text_ip4_format(lowest, text));
}

static Pxe__Verdict put_check_cidr_change(
	struct apply *a, const Pxe__Subnet *old, const Pxe__Subnet *subnet)
{
	uint32_t first, last, old_first, old_last;
	internal_subnet_range(subnet, &first, &last);
	internal_subnet_range(old, &old_first, &old_last);
	if (first == old_first && last == old_last)
		return OK;
	Pxe__Verdict verdict = put_check_pools_stay(a, subnet, first, last);
	if (verdict == OK)
		verdict = put_check_hosts_stay(a, old, subnet, first, last);
	return verdict == OK ? put_check_leases_stay(a, subnet, first, last) : verdict;
}

Pxe__Verdict put_subnet(struct apply *a, const Pxe__Put *put, const Pxe__Subnet *subnet)
{
	if (!check_name(a, "subnet name", subnet->name))
		return INVALID;
	const Pxe__Subnet *old = model_subnet(a->model, subnet->name);
	Pxe__Verdict verdict = put_admit(
		a, put, old != NULL, RECORD_SUBNET, MODEL_SUBNETS_MAX, "subnet", subnet->name);
	if (verdict != OK)
		return verdict;
	if (!put_check_subnet(a, subnet))
		return INVALID;
	uint32_t first, last;
	internal_subnet_range(subnet, &first, &last);
	verdict = put_check_overlap(a, subnet, first, last);
	if (verdict == OK && old != NULL)
		verdict = put_check_cidr_change(a, old, subnet);
	if (verdict != OK)
		return verdict;
	const Pxe__Host *host = model_host_of_ip(a->model, msg_ip4_get(subnet->gateway_ip));
	if (subnet->gateway_ip.len != 0 && host != NULL)
		return internal_refuse(a, CONFLICT,
			"the gateway of subnet %s is reserved for host %s: pxectl host show %s",
			subnet->name, host->name, host->name);
	keep_message(a->model, a->sink, RECORD_SUBNET, keep_copy(&subnet->base));
	return OK;
}

/* ---- pools ---- */

static Pxe__Verdict put_check_pool_range(struct apply *a, const Pxe__Pool *pool)
{
	char first_text[TEXT_IP4_BYTES], last_text[TEXT_IP4_BYTES], text[TEXT_CIDR4_BYTES];
	if (!check_ip(a, "first address", pool->first_ip) ||
		!check_ip(a, "last address", pool->last_ip))
		return INVALID;
	uint32_t first = msg_ip4_get(pool->first_ip), last = msg_ip4_get(pool->last_ip);
	text_ip4_format(first, first_text);
	text_ip4_format(last, last_text);
	if (first > last)
		return internal_refuse(a, INVALID,
			"pool %s begins with %s, after its end %s: swap them", pool->name,
			first_text, last_text);
	const Pxe__Subnet *subnet = model_subnet(a->model, pool->subnet);
	uint32_t subnet_first, subnet_last;
	internal_subnet_range(subnet, &subnet_first, &subnet_last);
	if (first < subnet_first || last > subnet_last)
		return internal_refuse(a, INVALID, "pool %s (%s-%s) is not inside subnet %s (%s)",
			pool->name, first_text, last_text, subnet->name,
			text_cidr4_format(subnet_first, subnet->prefix_len, text));
	if (last - first >= MODEL_POOL_ADDRESSES_MAX)
		return internal_refuse(a, PXE__VERDICT__VERDICT_LIMIT,
			"pool %s has %llu addresses: use at most %u", pool->name,
			(unsigned long long)last - first + 1, MODEL_POOL_ADDRESSES_MAX);
	return OK;
}

static Pxe__Verdict put_check_pool_fits(
	struct apply *a, const Pxe__Pool *pool, const Pxe__Pool *old)
{
	char text[TEXT_IP4_BYTES], last_text[TEXT_IP4_BYTES];
	const struct pool_map *map = &a->model->pools;
	uint32_t first = msg_ip4_get(pool->first_ip), last = msg_ip4_get(pool->last_ip);
	uint64_t total = map->address_count + (last - first) + 1;
	for (size_t i = 0; i < map->span_count; i++) {
		const struct pool_span *span = &map->spans[i];
		if (span->pool == old) {
			total -= (uint64_t)(span->last - span->first) + 1;
			continue;
		}
		if (span->last < first || span->first > last)
			continue;
		return internal_refuse(a, CONFLICT, "pool %s overlaps pool %s (%s-%s) of subnet %s",
			pool->name, span->pool->name, text_ip4_format(span->first, text),
			text_ip4_format(span->last, last_text), span->pool->subnet);
	}
	if (total > MODEL_POOLS_ADDRESSES_MAX)
		return internal_refuse(a, PXE__VERDICT__VERDICT_LIMIT,
			"all pools together would have %llu addresses: use at most %u",
			(unsigned long long)total, MODEL_POOLS_ADDRESSES_MAX);
	return OK;
}

static bool put_check_exclude(struct apply *a, const Pxe__Pool *pool)
{
	uint32_t first = msg_ip4_get(pool->first_ip), last = msg_ip4_get(pool->last_ip);
	char from[TEXT_IP4_BYTES], to[TEXT_IP4_BYTES];
	if (pool->n_exclude > 256) {
		internal_refuse(a, INVALID, "pool %s excludes %zu ranges: use at most 256",
			pool->name, pool->n_exclude);
		return false;
	}
	for (size_t i = 0; i < pool->n_exclude; i++) {
		const Pxe__AddressRange *range = pool->exclude[i];
		if (!check_ip(a, "first excluded address", range->first_ip) ||
			!check_ip(a, "last excluded address", range->last_ip))
			return false;
		uint32_t begin = msg_ip4_get(range->first_ip), end = msg_ip4_get(range->last_ip);
		if (begin <= end && begin >= first && end <= last)
			continue;
		internal_refuse(a, INVALID, "%s-%s is no range inside pool %s: it excludes nothing",
			text_ip4_format(begin, from), text_ip4_format(end, to), pool->name);
		return false;
	}
	return true;
}

static bool put_check_pool_terms(struct apply *a, const Pxe__Pool *pool)
{
	char what[MODEL_NAME_MAX + 8];
	snprintf(what, sizeof(what), "pool %s", pool->name);
	return put_check_exclude(a, pool) && check_owner(a, pool->owner) &&
	       check_groups(a, what, pool->only, pool->n_only) &&
	       check_groups(a, what, pool->except, pool->n_except) &&
	       check_lease_times(a, what, pool->lease_s, pool->lease_min_s, pool->lease_max_s) &&
	       check_options(a, what, pool->options, pool->n_options);
}

Pxe__Verdict put_pool(struct apply *a, const Pxe__Put *put, const Pxe__Pool *pool)
{
	if (!check_name(a, "pool name", pool->name) ||
		!check_name(a, "subnet of the pool", pool->subnet))
		return INVALID;
	const Pxe__Pool *old = model_pool(a->model, pool->name);
	Pxe__Verdict verdict =
		put_admit(a, put, old != NULL, RECORD_POOL, MODEL_POOLS_MAX, "pool", pool->name);
	if (verdict != OK)
		return verdict;
	if (model_subnet(a->model, pool->subnet) == NULL)
		return internal_refuse(a, INVALID,
			"pool %s: subnet %s does not exist: add it first, or see: pxectl subnet "
			"list",
			pool->name, pool->subnet);
	verdict = put_check_pool_range(a, pool);
	if (verdict == OK)
		verdict = put_check_pool_fits(a, pool, old);
	if (verdict == OK && !put_check_pool_terms(a, pool))
		verdict = INVALID;
	if (verdict != OK)
		return verdict;
	keep_message(a->model, a->sink, RECORD_POOL, keep_copy(&pool->base));
	return OK;
}
