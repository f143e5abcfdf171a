#include "proto/template/template_names.h"

#include <assert.h>
#include <string.h>

#define NAMES_VARIABLE_MAX 63

static const struct template_name names[] = {
	{"mac", "hardware address, aa:bb:cc:dd:ee:ff"},
	{"mac_dash", "hardware address, aa-bb-cc-dd-ee-ff"},
	{"ip", "its address"},
	{"name", "the host's name, or mac-aabbccddeeff"},
	{"hostname", "the host name that it is told"},
	{"uuid", "its SMBIOS UUID, if it is known"},
	{"arch", "architecture: bios, uefi-x64, ..."},
	{"base_url", "http://IP of the node that serves it"},
	{"base_urls", "the same of all nodes, with blanks between"},
	{"node", "name of the node that serves it"},
	{"server", "address of the node that serves it"},
	{"profile", "name of its profile"},
	{"subnet", "name of its subnet"},
	{"gateway", "router"},
	{"netmask", "255.255.255.0"},
	{"dns", "name servers, with blanks between"},
	{"domain", "domain name"},
	{"phone_home", "URL by which the booted system reports"},
	{"syslog", "address that takes log lines"},
};

const struct template_name *template_name_at(size_t index)
{
	return index < sizeof names / sizeof names[0] ? &names[index] : NULL;
}

const char *template_name_variable(const char *name)
{
	size_t bytes;

	assert(name != NULL);
	if (strncmp(name, "vars.", 5) != 0) {
		return NULL;
	}
	name += 5;
	bytes = strlen(name);
	if (bytes == 0 || bytes > NAMES_VARIABLE_MAX ||
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") !=
			bytes) {
		return NULL;
	}
	return name;
}

bool template_name_is_known(const char *name)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(names[i].name, name) == 0) {
			return true;
		}
	}
	return template_name_variable(name) != NULL;
}
