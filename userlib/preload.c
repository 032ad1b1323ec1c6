// SPDX-License-Identifier: LGPL-2.1
/*
 * libmemnet-preload.so: unmodified programs use MemNet sockets.
 *
 * Two calls are interposed. socket() makes a MemNet socket where a TCP socket
 * is asked for; everything that happens to the descriptor later is the kernel's
 * business, loopback included. getsockopt() translates one answer, SO_PROTOCOL,
 * because programs compare it with IPPROTO_TCP. All other calls, families,
 * types and protocols are untouched, and libc's own sockets (the resolver's)
 * do not come by here.
 *
 * If the kernel refuses a MemNet socket, so does socket(): nobody is to believe
 * that a program is offloaded when it is not. MEMNET_FALLBACK=native says
 * otherwise. The environment is read once, before main() or, where another
 * library's constructor wants a socket, before that; memnet-run fills it from
 * its options and files:
 *
 *	MEMNET_OFF=1			stay out of the way
 *	MEMNET_NATIVE_PROGRAMS=a,b	... in programs of these names
 *	MEMNET_NATIVE_PORTS=22,8000-8010 handed to the kernel for each socket
 *	MEMNET_FALLBACK=native		a native socket where MemNet is missing
 *
 * A setting that makes no sense is said on stderr and makes socket() fail with
 * EINVAL, for to ignore it would offload what was to be left alone.
 *
 * Threads and signal handlers: what was read from the environment is only read
 * later, save @family, an int that any thread may refresh with the same value.
 * What runs after that allocates nothing, takes no lock, and keeps errno on
 * success.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memnet.h"
#include "ports.h"

#define TYPE_MASK 0xf	/* SOCK_TYPE_MASK of the kernel: below it the flags begin */

typedef int socket_fn(int domain, int type, int protocol);
typedef int getsockopt_fn(int fd, int level, int name, void *value, socklen_t *len);

static _Atomic(socket_fn *) next_socket;
static _Atomic(getsockopt_fn *) next_getsockopt;
static atomic_int family;

static struct {
	bool off;
	bool wrong;	/* a setting could not be understood */
	bool fallback;
	int n_ports;
	struct memnet_port_range ports[MEMNET_NATIVE_PORTS_MAX];
} settings;

/* Others' getsockopt() may be before our constructor, hence on demand. */
static socket_fn *find_socket(void)
{
	socket_fn *fn = atomic_load(&next_socket);

	if (!fn) {
		fn = (socket_fn *)dlsym(RTLD_NEXT, "socket");
		atomic_store(&next_socket, fn);
	}
	return fn;
}

static getsockopt_fn *find_getsockopt(void)
{
	getsockopt_fn *fn = atomic_load(&next_getsockopt);

	if (!fn) {
		fn = (getsockopt_fn *)dlsym(RTLD_NEXT, "getsockopt");
		atomic_store(&next_getsockopt, fn);
	}
	return fn;
}

/* ---- settings ---- */

static void complain(const char *setting, const char *value, const char *why)
{
	const char *parts[] = { "libmemnet-preload: ", setting, "=", value, ": ", why, "\n" };
	char line[512];
	size_t i, n, len = 0;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		n = strlen(parts[i]);
		if (n > sizeof(line) - len)
			n = sizeof(line) - len;
		memcpy(line + len, parts[i], n);
		len += n;
	}
	if (write(STDERR_FILENO, line, len) < 0)
		return;	/* nobody to tell */
}

static bool name_is_listed(const char *list, const char *name)
{
	size_t len;

	while (*list) {
		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len && !strncmp(list, name, len) && !name[len])
			return true;
		list += len;
	}
	return false;
}

static bool read_off(void)
{
	const char *value = getenv("MEMNET_OFF");

	if (!value || !*value || !strcmp(value, "0"))
		return false;
	if (!strcmp(value, "1"))
		return true;
	complain("MEMNET_OFF", value, "neither 0 nor 1");
	settings.wrong = true;
	return false;
}

static bool read_fallback(void)
{
	const char *value = getenv("MEMNET_FALLBACK");

	if (!value || !*value || !strcmp(value, "none"))
		return false;
	if (!strcmp(value, "native"))
		return true;
	complain("MEMNET_FALLBACK", value, "neither native nor none");
	settings.wrong = true;
	return false;
}

static void read_ports(void)
{
	const char *value = getenv("MEMNET_NATIVE_PORTS");
	const char *where, *why;
	int n;

	if (!value)
		return;
	n = ports_parse(value, settings.ports, MEMNET_NATIVE_PORTS_MAX, &where, &why);
	if (n < 0) {
		complain("MEMNET_NATIVE_PORTS", value, why);
		settings.wrong = true;
		return;
	}
	settings.n_ports = n;
}

static void read_settings(void)
{
	const char *programs = getenv("MEMNET_NATIVE_PROGRAMS");
	int err = errno;

	find_socket();
	find_getsockopt();
	settings.off = read_off() ||
		       (programs && name_is_listed(programs, program_invocation_short_name));
	if (!settings.off) {
		settings.fallback = read_fallback();
		read_ports();
		/* now, as a program may be in a chroot without /sys when it needs it */
		atomic_store(&family, memnet_family());
	}
	errno = err;
}

/* The constructors of other libraries may be before ours. */
__attribute__((constructor)) static void settle(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, read_settings);
}

/* ---- the calls ---- */

static int memnet_socket(int type, int protocol)
{
	int known = atomic_load(&family);
	int fd, now;

	fd = find_socket()(known > 0 ? known : AF_MEMNET, type, protocol);
	if (fd >= 0 || errno != EAFNOSUPPORT)
		return fd;

	/* not loaded, or loaded since with another number */
	now = memnet_family();
	if (now > 0 && now != known) {
		atomic_store(&family, now);
		return find_socket()(now, type, protocol);
	}
	errno = EAFNOSUPPORT;
	return -1;
}

/* Not there, or not for us; not a lack of descriptors or memory. */
static bool error_is_refusal(int err)
{
	return err == EAFNOSUPPORT || err == EPROTONOSUPPORT || err == EACCES || err == EPERM;
}

int socket(int domain, int type, int protocol)
{
	int err = errno;
	int fd;

	settle();
	if (settings.off || (domain != AF_INET && domain != AF_INET6) ||
	    (type & TYPE_MASK) != SOCK_STREAM ||
	    (protocol != IPPROTO_IP && protocol != IPPROTO_TCP))
		return find_socket()(domain, type, protocol);
	if (settings.wrong) {
		errno = EINVAL;
		return -1;
	}

	fd = memnet_socket(type, domain == AF_INET ? MEMNET_PROTO_IPV4 : MEMNET_PROTO_IPV6);
	if (fd < 0) {
		if (!settings.fallback || !error_is_refusal(errno))
			return -1;
		fd = find_socket()(domain, type, protocol);
		if (fd >= 0)
			errno = err;
		return fd;
	}
	if (settings.n_ports &&
	    setsockopt(fd, SOL_MEMNET, MEMNET_NATIVE_PORTS, settings.ports,
		       (socklen_t)settings.n_ports * sizeof(settings.ports[0]))) {
		err = errno;
		close(fd);
		errno = err;
		return -1;
	}
	errno = err;
	return fd;
}

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
	static const int tcp = IPPROTO_TCP, memnet = IPPROTO_MEMNET;
	int ret = find_getsockopt()(fd, level, name, value, len);

	/* a caller with less room than an int gets as much of one as fits */
	if (!ret && level == SOL_SOCKET && name == SO_PROTOCOL && *len > 0 &&
	    *len <= sizeof(int) && !memcmp(value, &memnet, *len))
		memcpy(value, &tcp, *len);
	return ret;
}
