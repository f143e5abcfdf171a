/* Why a machine boots what it boots: what is filled in, what was armed, what is missing. */
#include "tests/unit/model/model_kit.h"

#include "node/boot/boot.h"

static const char *const nodes[] = {"http://10.0.0.2:80", "http://10.0.0.3:8080"};

static char *text(const char *t)
{
	return (char *)(uintptr_t)t;
}

struct site {
	struct kit kit;
	struct boot_source source;
	struct boot_client client;
	Pxe__Profile profile;
	char *initrd[2];
};

static void put_profile(struct site *site)
{
	Pxe__Put put = PXE__PUT__INIT;
	put.object_case = PXE__PUT__OBJECT_PROFILE;
	put.profile = &site->profile;
	kit_expect(&site->kit, kit_put(&site->kit, &put), V(OK), "");
}

/* Image "tiny" with vmlinuz, initrd.img and more.img; its version is 1111... */
static void push(struct kit *kit)
{
	static const char *const paths[] = {"initrd.img", "more.img", "vmlinuz"};
	uint8_t digest[32];
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__ImageStage stage = PXE__IMAGE_STAGE__INIT;
	Pxe__ImageHeld held = PXE__IMAGE_HELD__INIT;
	Pxe__ImageVersion version = PXE__IMAGE_VERSION__INIT;
	Pxe__ImageFile file[3], *files[3];
	memset(digest, 0x11, 32);
	for (size_t i = 0; i < 3; i++) {
		pxe__image_file__init(&file[i]);
		file[i].path = text(paths[i]);
		file[i].sha256 = kit_bytes(digest, 32);
		file[i].bytes = 1;
		files[i] = &file[i];
	}
	version.image = text("tiny");
	version.digest = kit_bytes(digest, 32);
	version.files = files;
	version.n_files = 3;
	stage.version = &version;
	command.op_case = PXE__COMMAND__OP_IMAGE_STAGE;
	command.image_stage = &stage;
	kit_expect(kit, kit_apply(kit, &command), V(OK), "");
	held.image = text("tiny");
	held.digest = kit_bytes(digest, 32);
	held.member = 1;
	command.op_case = PXE__COMMAND__OP_IMAGE_HELD;
	command.image_held = &held;
	kit_expect(kit, kit_apply(kit, &command), V(OK), "");
}

static int setup(void **state)
{
	struct site *site = calloc(1, sizeof(*site));
	uint8_t mac[6];
	Pxe__Host host = PXE__HOST__INIT;
	ProtobufCBinaryData macs[1];
	assert_non_null(site);
	kit_init(&site->kit);
	push(&site->kit);
	pxe__profile__init(&site->profile);
	site->profile.name = text("install");
	site->profile.image = text("tiny");
	site->profile.kernel = text("vmlinuz");
	site->initrd[0] = text("initrd.img");
	site->initrd[1] = text("more.img");
	site->profile.initrd = site->initrd;
	site->profile.n_initrd = 1;
	site->profile.args = text("host={{name}} url={{base_url}}/x");
	put_profile(site);
	kit_mac(1, mac);
	macs[0] = kit_bytes(mac, 6);
	host.name = text("n1");
	host.mac = macs;
	host.n_mac = 1;
	host.profile = text("install");
	kit_expect(&site->kit, kit_put_host(&site->kit, &host), V(OK), "");
	boot_source_of_model(site->kit.model, &site->source);
	site->source.self = 1;
	memcpy(site->client.mac, mac, 6);
	site->client.mac_bytes = 6;
	site->client.arch = UINT16_MAX;
	site->client.is_pxe = true;
	*state = site;
	return 0;
}

static int teardown(void **state)
{
	struct site *site = *state;
	kit_fini(&site->kit);
	free(site);
	return 0;
}

static bool explained(const Pxe__BootExplanation *e, const char *value, const char *result)
{
	for (size_t i = 0; i < e->n_lines; i++) {
		if (strcmp(e->lines[i]->value, value) == 0 &&
			strstr(e->lines[i]->result, result) != NULL)
			return true;
	}
	return false;
}

static void test_explanation_tells_variables_templates_and_the_next_boot(void **state)
{
	struct site *site = *state;
	Pxe__Template file = PXE__TEMPLATE__INIT, *files[1] = {&file};
	Pxe__Variable disk = PXE__VARIABLE__INIT, *vars[1] = {&disk};
	Pxe__BootOnce once = PXE__BOOT_ONCE__INIT;
	Pxe__Command command = PXE__COMMAND__INIT;
	Pxe__BootExplanation *e;
	char *rendered;
	file.name = text("preseed.cfg");
	file.text = text("{{name}} {{vars.disk}}\n{{#vars.extra}}x{{/vars.extra}}");
	disk.name = text("disk");
	disk.value = text("/dev/sda");
	site->profile.templates = files;
	site->profile.n_templates = 1;
	site->profile.vars = vars;
	site->profile.n_vars = 1;
	site->profile.args = text("{{vars.gone}}");
	site->profile.chain = PXE__CHAIN__CHAIN_SHIM;
	put_profile(site);
	once.host = text("n1");
	once.profile = text("local");
	command.op_case = PXE__COMMAND__OP_BOOT_ONCE;
	command.boot_once = &once;
	e = boot_explain(&site->source, &site->client, 0x0a000002, 80, nodes, 2);
	assert_true(explained(e, "chain", "shim, GRUB"));
	assert_true(explained(e, "template", "/t/02-00-00-00-00-01/preseed.cfg"));
	assert_true(explained(e, "{{vars.disk}}", "/dev/sda"));
	assert_true(explained(e, "{{vars.extra}}", "not set"));
	assert_true(explained(e, "problem", "{{vars.gone}} is not defined"));
	assert_false(explained(e, "next boot", ""));
	pxe__boot_explanation__free_unpacked(e, NULL);
	rendered = boot_explain_render(&site->source, &site->client, "preseed.cfg", nodes, 2);
	assert_string_equal(rendered, "n1 /dev/sda\n");
	free(rendered);
	rendered = boot_explain_render(&site->source, &site->client, "boot.ipxe", nodes, 2);
	assert_non_null(strstr(rendered, "#!ipxe\n"));
	free(rendered);
	assert_null(boot_explain_render(&site->source, &site->client, "other", nodes, 2));

	kit_expect(&site->kit, kit_apply(&site->kit, &command), V(OK), "");
	e = boot_explain(&site->source, &site->client, 0x0a000002, 80, nodes, 2);
	assert_true(explained(e, "next boot", "local: armed, try 0 of 1"));
	assert_true(explained(e, "profile", "local"));
	assert_true(explained(e, "profile", "install")); /* not used */
	pxe__boot_explanation__free_unpacked(e, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_explanation_tells_variables_templates_and_the_next_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
