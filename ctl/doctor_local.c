#include "ctl/doctor.h"

#include "ctl/dhcp_ask.h"
#include "proto/host/port_holder.h"
#include "proto/wire/dhcp4.h"
#include "proto/wire/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#define LOCAL_MTU_LEAST 1500
#define LOCAL_DISK_BAD  (128ull * 1000 * 1000)
#define LOCAL_DISK_LOW  (1000ull * 1000 * 1000)

/* ---- interface */

/* A number of the interface from /sys; -1: not told (no carrier, or a virtual card). */
static long read_sys(const char *interface, const char *name)
{
	char path[128];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof path, "/sys/class/net/%s/%s", interface, name);
	file = fopen(path, "re");
	if (file == NULL) {
		return -1;
	}
	if (fscanf(file, "%ld", &value) != 1) {
		value = -1;
	}
	fclose(file);
	return value;
}

static bool has_address(const char *interface, uint32_t ip)
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) != 0) {
		return false;
	}
	for (const struct ifaddrs *entry = all; entry != NULL; entry = entry->ifa_next) {
		struct sockaddr_in address;
		if (entry->ifa_addr == NULL || entry->ifa_addr->sa_family != AF_INET ||
			strcmp(entry->ifa_name, interface) != 0) {
			continue;
		}
		memcpy(&address, entry->ifa_addr, sizeof address);
		found = found || ntohl(address.sin_addr.s_addr) == ip;
	}
	freeifaddrs(all);
	return found;
}

static unsigned flags_of(const char *interface)
{
	struct ifreq request = {0};
	unsigned flags = 0;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
	if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
		flags = (unsigned short)request.ifr_flags;
	}
	if (fd >= 0) {
		close(fd);
	}
	return flags;
}

static void check_interface(struct doctor *doctor)
{
	const char *name = doctor->conf->interface;
	char ip[TEXT_IP4_BYTES], speed[40] = "";
	long mtu = read_sys(name, "mtu"), megabits = read_sys(name, "speed");
	unsigned flags;

	text_ip4_format(doctor->conf->serve_ip, ip);
	if (if_nametoindex(name) == 0) {
		doctor_tell(doctor, DOCTOR_BAD, "interface",
			"%s does not exist: see `ip link`, and `interface` in node.yaml", name);
		return;
	}
	flags = flags_of(name);
	if ((flags & IFF_UP) == 0) {
		doctor_tell(doctor, DOCTOR_BAD, "interface", "%s is down: ip link set %s up", name,
			name);
	} else if ((flags & IFF_RUNNING) == 0) {
		doctor_tell(doctor, DOCTOR_BAD, "interface",
			"%s has no carrier: look at its cable and the switch's port", name);
	} else if (!has_address(name, doctor->conf->serve_ip)) {
		doctor_tell(doctor, DOCTOR_BAD, "interface",
			"%s has not the address %s of node.yaml: ip addr add %s/... dev %s", name,
			ip, ip, name);
	} else if (mtu > 0 && mtu < LOCAL_MTU_LEAST) {
		doctor_tell(doctor, DOCTOR_WARN, "interface",
			"MTU of %s is %ld: boot programs expect 1500; ip link set %s mtu 1500",
			name, mtu, name);
	} else {
		if (megabits > 0) {
			snprintf(speed, sizeof speed, ", %ld Mb/s", megabits);
		}
		doctor_tell(doctor, DOCTOR_OK, "interface", "%s is up%s, %s, MTU %ld", name, speed,
			ip, mtu);
	}
}

/* ---- ports */

/* `shared`: in proxy mode another server may have it. */
static void check_port(
	struct doctor *doctor, int protocol, uint16_t port, const char *what, bool shared)
{
	char holder[128], name[48];
	bool running = doctor->status != NULL;

	snprintf(name, sizeof name, "port %u", (unsigned)port);
	if (port_holder(protocol, port, holder, sizeof holder) < 0) {
		bool missing = running && !shared;
		doctor_tell(doctor, missing ? DOCTOR_BAD : DOCTOR_OK, name,
			missing   ? "%s: nobody listens, though a node answers; is pxed running "
				    "here? systemctl status pxecluster"
			: running ? "%s: left to another server"
				  : "%s: free",
			what);
	} else if (strncmp(holder, "pxed ", 5) == 0) {
		doctor_tell(doctor, DOCTOR_OK, name, "%s: %s", what, holder);
	} else if (strcmp(holder, "another process") == 0) {
		doctor_tell(doctor, DOCTOR_WARN, name,
			"%s: in use; run doctor as root to learn by whom", what);
	} else if (shared) {
		doctor_tell(doctor, DOCTOR_OK, name, "%s: %s, which this node works beside", what,
			holder);
	} else {
		doctor_tell(doctor, DOCTOR_BAD, name, "%s: in use by %s: stop it", what, holder);
	}
}

static void check_ports(struct doctor *doctor)
{
	const struct node_conf *conf = doctor->conf;
	bool beside = doctor->status != NULL && strcmp(doctor->status->dhcp, "on") != 0;

	check_port(doctor, IPPROTO_UDP, DHCP4_SERVER_PORT, "DHCP", beside);
	check_port(doctor, IPPROTO_UDP, DHCP4_PXE_PORT, "PXE", beside);
	check_port(doctor, IPPROTO_UDP, conf->tftp_port, "TFTP", false);
	check_port(doctor, IPPROTO_TCP, conf->http_port, "HTTP", false);
	check_port(doctor, IPPROTO_TCP, NODE_CONF_PEER_PORT, "other nodes", false);
	check_port(doctor, IPPROTO_TCP, NODE_CONF_API_PORT, "pxectl from afar", false);
	check_port(doctor, IPPROTO_TCP, NODE_CONF_JOIN_PORT, "nodes that join", false);
}

/* ---- disk, clock */

static void check_disk(struct doctor *doctor)
{
	struct statvfs fs;
	const char *directory = doctor->conf->data_dir;
	char size[TEXT_SIZE_BYTES];
	uint64_t room;

	if (statvfs(directory, &fs) != 0) {
		doctor_tell(doctor, DOCTOR_BAD, "disk", "%s: %s", directory, strerror(errno));
		return;
	}
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	text_size_format(room, size);
	if (room < LOCAL_DISK_LOW) {
		doctor_tell(doctor, room < LOCAL_DISK_BAD ? DOCTOR_BAD : DOCTOR_WARN, "disk",
			"%s free in %s: make room, pxed ends when there is none", size, directory);
	} else {
		doctor_tell(doctor, DOCTOR_OK, "disk", "%s free in %s", size, directory);
	}
}

static void check_clock(struct doctor *doctor)
{
	struct timex clock = {.modes = 0};
	int state = adjtimex(&clock);

	if (state == TIME_ERROR || (clock.status & STA_UNSYNC) != 0) {
		doctor_tell(doctor, DOCTOR_WARN, "clock",
			"not synchronised: after a restart without the quorum this node extends no "
			"leases; run chrony or systemd-timesyncd");
	} else {
		doctor_tell(doctor, DOCTOR_OK, "clock", "synchronised, within %ld ms",
			clock.maxerror / 1000);
	}
}

/* Asked only while the cluster itself is silent: else its own nodes would answer, and hold an
 * address for nobody. */
static void check_segment(struct doctor *doctor)
{
	struct dhcp_answer answers[DHCP_ASK_MAX];
	char ip[TEXT_IP4_BYTES], mac[TEXT_MAC_BYTES];
	bool proxy = doctor->status != NULL && strcmp(doctor->status->dhcp, "proxy") == 0;
	int count;

	if (doctor->status != NULL && strcmp(doctor->status->dhcp, "on") == 0) {
		return;
	}
	count = dhcp_ask(doctor->conf->interface, DHCP_ASK_WAIT_MS, answers);
	if (count < 0) {
		doctor_tell(
			doctor, DOCTOR_WARN, "DHCP servers", "could not ask: %s", strerror(-count));
	} else if (count == 0 && proxy) {
		doctor_tell(doctor, DOCTOR_WARN, "DHCP servers",
			"nobody gives addresses on %s: start the server that shall, or: pxectl "
			"cluster set dhcp=on",
			doctor->conf->interface);
	} else if (count == 0) {
		doctor_tell(doctor, DOCTOR_OK, "DHCP servers", "nobody else answers on %s",
			doctor->conf->interface);
	}
	for (int i = 0; i < count; i++) {
		doctor_tell(doctor, proxy ? DOCTOR_OK : DOCTOR_WARN, "DHCP servers",
			"%s (%s) answers%s", text_ip4_format(answers[i].server_ip, ip),
			text_mac_format(answers[i].mac, mac),
			proxy ? ", as it should in proxy mode"
			      : ": stop it before dhcp=on, or: pxectl cluster set dhcp=proxy");
	}
}

void doctor_local(struct doctor *doctor)
{
	if (doctor->conf == NULL) {
		return;
	}
	check_interface(doctor);
	check_ports(doctor);
	check_disk(doctor);
	check_clock(doctor);
	check_segment(doctor);
}
