/* What levels and profiles may say about booting, and what a machine then gets. */
#include "store/model/levels.h"
#include "tests/unit/model/model_kit.h"

#define ARCH_X64      7
#define ARCH_EBC      9
#define ARCH_X64_HTTP 16

static char *text(const char *t)
{
	return (char *)(uintptr_t)t;
}

static Pxe__Verdict put_profile(struct kit *kit, Pxe__Profile *profile)
{
	Pxe__Put put = PXE__PUT__INIT;
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = profile;
	return kit_put(kit, &put);
}

static Pxe__Profile a_profile(const char *name)
{
	Pxe__Profile profile = PXE__PROFILE__INIT;
	profile.name = text(name);
	profile.image = text("debian12");
	profile.kernel = text("vmlinuz");
	return profile;
}

static Pxe__ArchProfile by_arch(const char *arch, const char *name)
{
	Pxe__ArchProfile entry = PXE__ARCH_PROFILE__INIT;
	entry.arch = text(arch);
	entry.profile = text(name);
	return entry;
}

static Pxe__Variable var(const char *name, const char *value)
{
	Pxe__Variable variable = PXE__VARIABLE__INIT;
	variable.name = text(name);
	variable.value = text(value);
	return variable;
}

static int setup(void **state)
{
	struct kit *kit = calloc(1, sizeof(*kit));
	assert_non_null(kit);
	kit_init(kit);
	static const char *const names[] = {"a", "b", "c"};
	for (size_t i = 0; i < 3; i++) {
		Pxe__Profile profile = a_profile(names[i]);
		kit_expect(kit, put_profile(kit, &profile), V(OK), "");
	}
	*state = kit;
	return 0;
}

static int teardown(void **state)
{
	struct kit *kit = *state;
	kit_assert_disk_is(&kit->disk, kit->model);
	kit_fini(kit);
	free(kit);
	return 0;
}

/* ---- what each level may say ---- */

/* What all levels have in common, to put it into each of them. */
struct terms {
	Pxe__ArchProfile *profiles[40];
	size_t profile_count;
	Pxe__Variable *vars[70];
	size_t var_count;
	char *owner;
};

static Pxe__Verdict put_subnet_terms(struct kit *kit, struct terms *t)
{
	Pxe__Subnet subnet = *model_subnet(kit->model, "lab");
	subnet.profiles = t->profiles;
	subnet.n_profiles = t->profile_count;
	subnet.vars = t->vars;
	subnet.n_vars = t->var_count;
	subnet.owner = t->owner;
	return kit_put_subnet(kit, &subnet);
}

static Pxe__Verdict put_host_terms(struct kit *kit, struct terms *t)
{
	uint8_t mac[6];
	ProtobufCBinaryData macs[1];
	Pxe__Host host = PXE__HOST__INIT;
	kit_mac(1, mac);
	macs[0] = kit_bytes(mac, 6);
	host.name = text("n1");
	host.mac = macs;
	host.n_mac = 1;
	host.profiles = t->profiles;
	host.n_profiles = t->profile_count;
	host.vars = t->vars;
	host.n_vars = t->var_count;
	host.owner = t->owner;
	return kit_put_host(kit, &host);
}

static Pxe__Verdict put_group_terms(struct kit *kit, struct terms *t)
{
	Pxe__Group group = PXE__GROUP__INIT;
	Pxe__Match match = PXE__MATCH__INIT;
	Pxe__Put put = PXE__PUT__INIT;
	group.name = text("all");
	group.match = &match;
	group.profiles = t->profiles;
	group.n_profiles = t->profile_count;
	group.vars = t->vars;
	group.n_vars = t->var_count;
	group.owner = t->owner;
	put.object_case = PXE__PUT__OBJECT_GROUP;
	put.group = &group;
	return kit_put(kit, &put);
}

static Pxe__Verdict put_cluster_terms(struct kit *kit, struct terms *t)
{
	Pxe__Settings settings = *model_settings(kit->model);
	Pxe__Put put = PXE__PUT__INIT;
	settings.profiles = t->profiles;
	settings.n_profiles = t->profile_count;
	settings.vars = t->vars;
	settings.n_vars = t->var_count;
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	return kit_put(kit, &put);
}

typedef Pxe__Verdict put_terms(struct kit *kit, struct terms *t);

static put_terms *const levels_put[] = {
	put_subnet_terms, put_host_terms, put_group_terms, put_cluster_terms};
#define LEVELS (sizeof(levels_put) / sizeof(levels_put[0]))

static void test_profiles_by_architecture_are_judged_on_every_level(void **state)
{
	struct kit *kit = *state;
	static const struct {
		const char *arch[2], *profile, *detail;
		Pxe__Verdict verdict;
	} cases[] = {
		{{"bios", "uefi-x64"}, "a", "", V(OK)},
		{{"bios", "10"}, "local", "", V(OK)},
		{{"bios", "uefi-x64"}, "menu", "", V(OK)},
		{{"bios", "uefi-x65"}, "a", "uefi-x65 is not known", V(INVALID)},
		{{"bios", "70000"}, "a", "70000 is not known", V(INVALID)},
		{{"bios", ""}, "a", "is missing", V(INVALID)},
		{{"bios", "0"}, "a", "two profiles for architecture 0", V(INVALID)},
		{{"uefi-x64", "9"}, "a", "two profiles for architecture 9", V(INVALID)},
		{{"bios", "uefi-x64"}, "nope", "'nope'", V(INVALID)},
		{{"bios", "uefi-x64"}, "", "names no profile for bios", V(INVALID)},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Pxe__ArchProfile entries[2];
		struct terms t = {.profile_count = 2, .owner = text("")};
		for (size_t j = 0; j < 2; j++) {
			entries[j] = by_arch(cases[i].arch[j], cases[i].profile);
			t.profiles[j] = &entries[j];
		}
		for (size_t level = 0; level < LEVELS; level++)
			kit_expect(
				kit, levels_put[level](kit, &t), cases[i].verdict, cases[i].detail);
	}
}

static void test_too_many_profiles_by_architecture_are_refused(void **state)
{
	struct kit *kit = *state;
	Pxe__ArchProfile entries[33];
	char archs[33][8];
	struct terms t = {.profile_count = 33, .owner = text("")};
	for (unsigned i = 0; i < 33; i++) {
		snprintf(archs[i], sizeof(archs[i]), "%u", 1000 + i);
		entries[i] = by_arch(archs[i], "a");
		t.profiles[i] = &entries[i];
	}
	for (size_t level = 0; level < LEVELS; level++)
		kit_expect(kit, levels_put[level](kit, &t), V(INVALID), "at most 32");
	t.profile_count = 32;
	for (size_t level = 0; level < LEVELS; level++)
		kit_expect(kit, levels_put[level](kit, &t), V(OK), "");
}

static void test_variables_and_owner_are_judged_on_every_level(void **state)
{
	struct kit *kit = *state;
	char long_owner[65];
	memset(long_owner, 'x', 64);
	long_owner[64] = '\0';
	for (size_t level = 0; level < LEVELS; level++) {
		Pxe__Variable vars[65];
		char names[65][8];
		struct terms t = {.var_count = 64, .owner = text("site.yaml")};
		for (unsigned i = 0; i < 65; i++) {
			snprintf(names[i], sizeof(names[i]), "v%u", i);
			vars[i] = var(names[i], "value");
			t.vars[i] = &vars[i];
		}
		kit_expect(kit, levels_put[level](kit, &t), V(OK), "");
		t.var_count = 65;
		kit_expect(kit, levels_put[level](kit, &t), V(INVALID), "at most 64");
		t.var_count = 2;
		vars[1].name = text("v0");
		kit_expect(kit, levels_put[level](kit, &t), V(INVALID), "given twice");
		vars[1].name = text("a b");
		kit_expect(kit, levels_put[level](kit, &t), V(INVALID), "letters, digits");
		vars[1] = var("v1", "a\033b");
		kit_expect(kit, levels_put[level](kit, &t), V(INVALID), "control");
		if (levels_put[level] == put_cluster_terms)
			continue; /* nobody owns the cluster */
		t.var_count = 0;
		t.owner = long_owner;
		kit_expect(kit, levels_put[level](kit, &t), V(INVALID), "owner has 64 bytes");
		t.owner = text("a\nb");
		kit_expect(kit, levels_put[level](kit, &t), V(INVALID), "control");
	}
}

static void test_a_profile_of_one_architecture_is_not_deleted_while_it_is_used(void **state)
{
	struct kit *kit = *state;
	static const char *const users[] = {
		"subnet lab", "host n1", "group all", "the cluster's default"};
	for (size_t level = 0; level < LEVELS; level++) {
		Pxe__ArchProfile entry = by_arch("bios", "b");
		struct terms t = {.profiles = {&entry}, .profile_count = 1, .owner = text("")};
		kit_expect(kit, levels_put[level](kit, &t), V(OK), "");
		kit_expect(kit, kit_delete(kit, PXE__OBJECT_KIND__OBJECT_PROFILE, "b", false),
			V(CONFLICT), users[level]);
		t.profile_count = 0;
		kit_expect(kit, levels_put[level](kit, &t), V(OK), "");
	}
	kit_expect(kit, kit_delete(kit, PXE__OBJECT_KIND__OBJECT_PROFILE, "b", false), V(OK), "");
}

static Pxe__Verdict put_network(
	struct kit *kit, const char *ip_text, const char *domain, Pxe__Toggle syslog)
{
	Pxe__Settings settings = *model_settings(kit->model);
	Pxe__Put put = PXE__PUT__INIT;
	uint8_t ip[4];
	ProtobufCBinaryData ips[1] = {kit_bytes(ip, 4)};
	msg_ip4_put(kit_ip(ip_text), ip);
	put.object_case = PXE__PUT__OBJECT_SETTINGS;
	put.settings = &settings;
	settings.dns_ip = ips;
	settings.n_dns_ip = 1;
	settings.domain = text(domain);
	settings.syslog = syslog;
	return kit_put(kit, &put);
}

static void test_the_cluster_has_name_servers_and_a_domain(void **state)
{
	struct kit *kit = *state;
	const Pxe__Toggle no = PXE__TOGGLE__TOGGLE_NO;
	kit_expect(kit, put_network(kit, "10.0.0.53", "lab.example.org", no), V(OK), "");
	assert_string_equal(model_settings(kit->model)->domain, "lab.example.org");
	kit_expect(kit, put_network(kit, "10.0.0.53", "a b", no), V(INVALID),
		"the domain of the cluster");
	kit_expect(
		kit, put_network(kit, "127.0.0.53", "", no), V(INVALID), "DNS server 127.0.0.53");
	kit_expect(kit, put_network(kit, "10.0.0.53", "", (Pxe__Toggle)3), V(INVALID), "syslog");
}

/* ---- what a profile may say ---- */

static void test_templates_are_sound_before_they_are_kept(void **state)
{
	struct kit *kit = *state;
	static const struct {
		const char *text, *detail;
		Pxe__Verdict verdict;
	} cases[] = {
		{"d-i netcfg/get_hostname string {{name}}\n{{#vars.disk}}x{{/vars.disk}}\n", "",
			V(OK)},
		{"a\n{{nmae}}\n", "line 2: there is no {{nmae}}", V(INVALID)},
		{"a\n\n{{#vars.x}}", "line 3", V(INVALID)},
		{"{{name", "line 1", V(INVALID)},
		{"{{vars.}}", "there is no {{vars.}}", V(INVALID)},
		{"a\001", "0x01", V(INVALID)},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned field = 0; field < 5; field++) {
			Pxe__Template template = PXE__TEMPLATE__INIT, *templates[1] = {&template};
			Pxe__Profile profile = a_profile("p");
			profile.kernel = text(field == 1 ? "" : "vmlinuz");
			template.name = text("preseed.cfg");
			template.text = text("");
			profile.templates = templates;
			profile.n_templates = 1;
			char **const fields[] = {&template.text, &profile.script,
				&profile.grub_script, &profile.pxelinux_script, &profile.args};
			static const char *const names[] = {"template preseed.cfg", "script",
				"grub script", "pxelinux script", "kernel arguments"};
			*fields[field] = text(cases[i].text);
			if (field == 4 && strchr(cases[i].text, '\n') != NULL)
				continue; /* one line */
			kit_expect(
				kit, put_profile(kit, &profile), cases[i].verdict, cases[i].detail);
			if (cases[i].verdict != V(OK))
				assert_non_null(strstr(kit->result.detail, names[field]));
		}
	}
}

static void test_templates_are_named_as_files(void **state)
{
	struct kit *kit = *state;
	Pxe__Template a = PXE__TEMPLATE__INIT, b = PXE__TEMPLATE__INIT, *templates[65] = {&a, &b};
	Pxe__Profile profile = a_profile("p");
	profile.templates = templates;
	profile.n_templates = 2;
	a.name = text("user-data");
	b.name = text("meta-data");
	kit_expect(kit, put_profile(kit, &profile), V(OK), "");
	static const char *const bad[] = {"", "a/b", "..", ".", "a b", "a\033"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		b.name = text(bad[i]);
		kit_expect(kit, put_profile(kit, &profile), V(INVALID), "template 2 of profile p");
	}
	b.name = text("user-data");
	kit_expect(kit, put_profile(kit, &profile), V(INVALID), "given twice");
	for (size_t i = 0; i < 65; i++)
		templates[i] = &a;
	profile.n_templates = 65;
	kit_expect(kit, put_profile(kit, &profile), V(INVALID), "at most 64");
}

static void test_texts_of_a_profile_are_bounded_together(void **state)
{
	struct kit *kit = *state;
	Pxe__Template template[5], *templates[5];
	char names[5][8], *large = malloc(65538);
	Pxe__Profile profile = a_profile("p");
	assert_non_null(large);
	memset(large, 'x', 65537);
	large[65537] = '\0';
	for (unsigned i = 0; i < 5; i++) {
		snprintf(names[i], sizeof(names[i]), "t%u", i);
		pxe__template__init(&template[i]);
		template[i].name = names[i];
		template[i].text = large + 1;
		templates[i] = &template[i];
	}
	profile.templates = templates;
	profile.n_templates = 4;
	kit_expect(kit, put_profile(kit, &profile), V(OK), "");
	template[0].text = large;
	kit_expect(kit, put_profile(kit, &profile), V(INVALID), "use at most 65536");
	template[0].text = large + 1;
	template[4].text = text("y");
	profile.n_templates = 5;
	kit_expect(kit, put_profile(kit, &profile), V(INVALID), "together: use at most 262144");
	free(large);
}

static void test_chain_and_image_of_a_profile(void **state)
{
	struct kit *kit = *state;
	Pxe__Profile profile = a_profile("p");
	profile.chain = PXE__CHAIN__CHAIN_PXELINUX;
	kit_expect(kit, put_profile(kit, &profile), V(OK), "");
	profile.chain = (Pxe__Chain)5;
	kit_expect(kit, put_profile(kit, &profile), V(INVALID), "chain 5");
	profile.chain = PXE__CHAIN__CHAIN_DEFAULT;
	static const struct {
		const char *image;
		Pxe__Verdict verdict;
	} cases[] = {
		{"debian12@prev", V(OK)},
		{"debian12@0123456789ab", V(OK)},
		{"debian12@0123456789a", V(INVALID)},
		{"debian12@previous", V(INVALID)},
		{"debian12@", V(INVALID)},
		{"@prev", V(INVALID)},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		profile.image = text(cases[i].image);
		kit_expect(kit, put_profile(kit, &profile), cases[i].verdict, "");
	}
	/* A GRUB script alone boots something. */
	profile = a_profile("q");
	profile.kernel = text("");
	kit_expect(kit, put_profile(kit, &profile), V(INVALID), "boots nothing");
	profile.grub_script = text("menuentry x { true }\n");
	kit_expect(kit, put_profile(kit, &profile), V(OK), "");
}

static void test_builtin_profiles_are_there_and_nobodys_name(void **state)
{
	struct kit *kit = *state;
	static const char *const names[] = {"local", "none", "menu", "wait"};
	for (size_t i = 0; i < 4; i++) {
		Pxe__Profile profile = a_profile(names[i]);
		Pxe__Subnet subnet = *model_subnet(kit->model, "lab");
		kit_expect(kit, put_profile(kit, &profile), V(INVALID), "is built in");
		subnet.profile = text(names[i]);
		kit_expect(kit, kit_put_subnet(kit, &subnet), V(OK), "");
	}
}

/* ---- which one counts ---- */

static const char *profile_for(struct kit *kit, uint16_t arch, const char **ret_kind)
{
	struct model_levels levels;
	struct kit_who who;
	const struct model_level *level;
	model_levels_of(kit->model, model_subnet(kit->model, "lab"), kit_who(1, &who), 0, &levels);
	const char *profile = model_profile_of_levels(&levels, arch, &level);
	*ret_kind = level == NULL ? "" : level->kind;
	return profile;
}

static void test_the_last_level_that_says_anything_gives_the_profile(void **state)
{
	struct kit *kit = *state;
	const char *kind;
	Pxe__ArchProfile entries[2] = {by_arch("uefi-x64", "b"), by_arch("uefi-x64-http", "c")};
	struct terms t = {
		.profiles = {&entries[0], &entries[1]}, .profile_count = 1, .owner = text("")};
	assert_null(profile_for(kit, 0, &kind));
	Pxe__Subnet subnet = *model_subnet(kit->model, "lab");
	subnet.profile = text("a");
	kit_expect(kit, kit_put_subnet(kit, &subnet), V(OK), "");
	assert_string_equal(profile_for(kit, ARCH_X64, &kind), "a");
	assert_string_equal(kind, "subnet");
	/* A group that says nothing of the architecture leaves the subnet's. */
	kit_expect(kit, put_group_terms(kit, &t), V(OK), "");
	assert_string_equal(profile_for(kit, 0, &kind), "a");
	assert_string_equal(profile_for(kit, UINT16_MAX, &kind), "a");
	assert_string_equal(profile_for(kit, ARCH_X64, &kind), "b");
	assert_string_equal(kind, "group");
	assert_string_equal(profile_for(kit, ARCH_EBC, &kind), "b");
	assert_string_equal(profile_for(kit, ARCH_X64_HTTP, &kind), "b");
	t.profile_count = 2;
	kit_expect(kit, put_group_terms(kit, &t), V(OK), "");
	assert_string_equal(profile_for(kit, ARCH_X64_HTTP, &kind), "c");
	/* By number it is the same architecture. */
	entries[0] = by_arch("7", "b");
	t.profile_count = 1;
	kit_expect(kit, put_group_terms(kit, &t), V(OK), "");
	assert_string_equal(profile_for(kit, ARCH_X64_HTTP, &kind), "b");
	/* The host has the last word. */
	entries[0] = by_arch("bios", "c");
	kit_expect(kit, put_host_terms(kit, &t), V(OK), "");
	assert_string_equal(profile_for(kit, 0, &kind), "c");
	assert_string_equal(kind, "host");
}

static const char *var_for(struct kit *kit, const Pxe__Profile *profile, const char *name)
{
	struct model_levels levels;
	struct kit_who who;
	const struct model_level *level;
	model_levels_of(kit->model, model_subnet(kit->model, "lab"), kit_who(1, &who), 0, &levels);
	return model_var_of_levels(&levels, profile, name, &level);
}

static void test_variables_of_later_levels_count(void **state)
{
	struct kit *kit = *state;
	Pxe__Variable values[LEVELS + 1] = {
		var("x", "subnet"), var("x", "host"), var("x", "group"), var("x", "cluster")};
	Pxe__Variable of_profile = var("x", "profile"), *list[1] = {&of_profile};
	/* From the weakest: cluster, subnet, (profile,) group, host. */
	static const size_t order[] = {3, 0, 2, 1};
	Pxe__Profile profile = a_profile("p");
	profile.vars = list;
	profile.n_vars = 1;
	assert_null(var_for(kit, NULL, "x"));
	assert_string_equal(var_for(kit, &profile, "x"), "profile");
	for (size_t i = 0; i < LEVELS; i++) {
		struct terms t = {.vars = {&values[order[i]]}, .var_count = 1, .owner = text("")};
		kit_expect(kit, levels_put[order[i]](kit, &t), V(OK), "");
		assert_string_equal(var_for(kit, NULL, "x"), values[order[i]].value);
		assert_string_equal(
			var_for(kit, &profile, "x"), i < 2 ? "profile" : values[order[i]].value);
	}
	assert_null(var_for(kit, &profile, "y"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* A field whose number is 0, in a form that protobuf-c reads but does not read again when it is
 * packed anew. */
static void test_a_field_without_a_number_is_refused(void **state)
{
	struct kit *kit = *state;
	static const uint8_t bytes[] = {0x0a, 1, 'h', 0x80, 0, 0};
	Pxe__Host *host = pxe__host__unpack(NULL, sizeof(bytes), bytes);
	if (host == NULL)
		return; /* a library that refuses it right away */
	kit_expect(kit, kit_put_host(kit, host), V(INVALID), "a field of it has no number");
	pxe__host__free_unpacked(host, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_field_without_a_number_is_refused),
		TEST(test_profiles_by_architecture_are_judged_on_every_level),
		TEST(test_too_many_profiles_by_architecture_are_refused),
		TEST(test_variables_and_owner_are_judged_on_every_level),
		TEST(test_a_profile_of_one_architecture_is_not_deleted_while_it_is_used),
		TEST(test_the_cluster_has_name_servers_and_a_domain),
		TEST(test_templates_are_sound_before_they_are_kept),
		TEST(test_templates_are_named_as_files),
		TEST(test_texts_of_a_profile_are_bounded_together),
		TEST(test_chain_and_image_of_a_profile),
		TEST(test_builtin_profiles_are_there_and_nobodys_name),
		TEST(test_the_last_level_that_says_anything_gives_the_profile),
		TEST(test_variables_of_later_levels_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
