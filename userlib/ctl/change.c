// SPDX-License-Identifier: GPL-2.0
/*
 * Commands that change something: words become attributes.
 *
 * A command is read to its end before anything is sent, and most mistakes are
 * found here, where the word can be shown; the kernel checks all of it again.
 * Addresses are numbers, never names: a configuration that needs the network to
 * be read is of no use to set the network up, and the static tool could not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"
#include "ports.h"

#define LINK_OPTIONS "port, channels, secret-file, host-id"
#define LISTEN_OPTIONS "port, allow, secret-file, privileged-ports, max-hosts, max-channels, " \
		       "max-sockets, max-pages, options"
#define NETNS_DIR "/run/netns"

struct address {
	int family;
	struct in_addr in;
	struct in6_addr in6;
	uint32_t scope;		/* 0: none */
	uint16_t port;		/* 0: not given */
};

struct prefix {
	int family;
	struct in_addr in;
	struct in6_addr in6;
	uint8_t length;
};

struct secret {
	size_t len;
	char key[MEMNET_SECRET_MAX];
};

/* Attribute types of an address, which differ between requests. */
struct address_attrs {
	int addr4, addr6, scope, port;
};

/* libnl's puts fail only for lack of room, and a request is small. */
static void must(int err)
{
	if (err)
		fail("the request is too large");
}

/* ---- reading ---- */

static bool is_option(const struct words *w, const char *name)
{
	return !strcmp(w->word[w->next - 1], name);
}

/* An option that has a value may come once. */
static void once(const struct words *w, bool seen)
{
	if (seen)
		word_wrong(w, "this was said before");
}

static void read_scope(const struct words *w, struct address *out, const char *name, size_t offset)
{
	char *end;

	if (!IN6_IS_ADDR_LINKLOCAL(&out->in6))
		word_wrong_at(w, offset, "only a link-local address (fe80::) has an interface");
	out->scope = if_nametoindex(name);
	if (!out->scope && *name >= '0' && *name <= '9') {
		out->scope = (uint32_t)strtoul(name, &end, 10);
		if (*end)
			out->scope = 0;
	}
	if (!out->scope)
		word_wrong_at(w, offset, "no such interface");
}

/* 10.0.0.1, fd00::1 or fe80::1%eth0 */
static void read_address(struct words *w, struct address *out)
{
	const char *word = word_take(w, "an address");
	char text[INET6_ADDRSTRLEN];
	const char *percent;
	size_t len;

	if (inet_pton(AF_INET, word, &out->in) == 1) {
		out->family = AF_INET;
		return;
	}
	percent = strchr(word, '%');
	len = percent ? (size_t)(percent - word) : strlen(word);
	if (len < sizeof(text)) {
		memcpy(text, word, len);
		text[len] = 0;
		if (inet_pton(AF_INET6, text, &out->in6) == 1) {
			out->family = AF_INET6;
			if (percent)
				read_scope(w, out, percent + 1, len + 1);
			else if (IN6_IS_ADDR_LINKLOCAL(&out->in6))
				word_wrong(w, "a link-local address needs an interface: fe80::1%eth0");
			return;
		}
	}
	word_wrong(w, "an address is IPv4 or IPv6 in numbers, as in 10.0.0.1 or fd00::1");
}

static void read_prefix(const struct words *w, const char *text, size_t offset, struct prefix *out)
{
	char *slash = strchr(text, '/');
	unsigned long length;
	int bits;
	char *end;

	if (slash)
		*slash = 0;
	if (inet_pton(AF_INET, text, &out->in) == 1) {
		out->family = AF_INET;
		bits = 32;
	} else if (inet_pton(AF_INET6, text, &out->in6) == 1) {
		out->family = AF_INET6;
		bits = 128;
	} else {
		word_wrong_at(w, offset, "a prefix is an address in numbers, as in 10.0.0.0/24");
	}
	out->length = (uint8_t)bits;
	if (!slash)
		return;
	offset += (size_t)(slash + 1 - text);
	length = strtoul(slash + 1, &end, 10);
	if (slash[1] < '0' || slash[1] > '9' || *end || length > (unsigned long)bits)
		word_wrong_at(w, offset, bits == 32 ? "the length is 0 to 32" :
						      "the length is 0 to 128");
	out->length = (uint8_t)length;
}

/* Comma-separated, appended to those read before. */
static void read_prefixes(struct words *w, struct prefix *out, size_t *n)
{
	const char *word = word_take(w, "a list of prefixes");
	size_t offset = 0, len;
	char text[64];

	do {
		len = strcspn(word + offset, ",");
		if (*n == MEMNET_PREFIXES_MAX)
			word_wrong_at(w, offset, "there are too many prefixes");
		if (!len || len >= sizeof(text))
			word_wrong_at(w, offset, "a prefix is missing, as in 10.0.0.0/24");
		memcpy(text, word + offset, len);
		text[len] = 0;
		read_prefix(w, text, offset, &out[(*n)++]);
		offset += len;
	} while (word[offset++] == ',');
}

static int read_ports(struct words *w, struct memnet_port_range *out)
{
	const char *word = word_take(w, "a list of ports");
	const char *where, *why;
	int n;

	n = ports_parse(word, out, MEMNET_PORT_RANGES_MAX, &where, &why);
	if (n < 0)
		word_wrong_at(w, (size_t)(where - word), why);
	return n;
}

static void wrong_class(const struct words *w, size_t offset) __attribute__((noreturn));

static void wrong_class(const struct words *w, size_t offset)
{
	char why[256] = "no such class of options; there are";
	size_t len;
	int i;

	for (i = 0; option_classes[i]; i++) {
		len = strlen(why);
		snprintf(why + len, sizeof(why) - len, "%s %s", i ? "," : "", option_classes[i]);
	}
	word_wrong_at(w, offset, why);
}

/* Comma-separated names of bits. */
static uint32_t read_classes(struct words *w)
{
	const char *word = word_take(w, "a list of classes of options");
	size_t offset = 0, len;
	uint32_t classes = 0;
	int i;

	do {
		len = strcspn(word + offset, ",");
		for (i = 0; option_classes[i]; i++)
			if (strlen(option_classes[i]) == len &&
			    !memcmp(option_classes[i], word + offset, len))
				break;
		if (!option_classes[i])
			wrong_class(w, offset);
		classes |= 1U << i;
		offset += len;
	} while (word[offset++] == ',');
	return classes;
}

static uint16_t read_port(struct words *w)
{
	return (uint16_t)word_number(w, "a port", 1, 65535);
}

/* The bytes of a file, less a newline at its end. */
static void read_secret(struct words *w, struct secret *out)
{
	const char *path = word_take(w, "a file");
	char text[MEMNET_SECRET_MAX + 2];
	struct stat st;
	size_t len = 0;
	ssize_t got;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("%s: %s", path, strerror(errno));
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_mode & 077)
		fprintf(stderr, "memnetctl: warning: %s can be read by others than its owner\n",
			path);
	do {
		got = read(fd, text + len, sizeof(text) - len);
		if (got > 0)
			len += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0)
		fail("%s: %s", path, strerror(errno));
	close(fd);

	if (len && text[len - 1] == '\n')
		len--;
	if (len < MEMNET_SECRET_MIN || len > MEMNET_SECRET_MAX)
		fail("%s: a secret has %d to %d bytes", path, MEMNET_SECRET_MIN, MEMNET_SECRET_MAX);
	memcpy(out->key, text, len);
	out->len = len;
	explicit_bzero(text, sizeof(text));
}

static const char *read_name(struct words *w)
{
	const char *name = word_take(w, "the name of a link");
	const char *p;

	if (!*name || strlen(name) > MEMNET_LINK_NAME_MAX)
		word_wrong(w, "a link's name has 1 to 31 characters");
	for (p = name; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '/')
			word_wrong_at(w, (size_t)(p - name), "a character no link's name has");
	return name;
}

static void expect(struct words *w, const char *word)
{
	char why[64];

	snprintf(why, sizeof(why), "the word \"%s\"", word);
	if (strcmp(word_take(w, why), word)) {
		snprintf(why, sizeof(why), "here belongs the word \"%s\"", word);
		word_wrong(w, why);
	}
}

/* ---- writing ---- */

static void put_address(struct nl_msg *msg, const struct address *a,
			const struct address_attrs *attrs)
{
	if (a->family == AF_INET)
		must(nla_put(msg, attrs->addr4, sizeof(a->in), &a->in));
	else
		must(nla_put(msg, attrs->addr6, sizeof(a->in6), &a->in6));
	if (a->scope)
		must(nla_put_u32(msg, attrs->scope, a->scope));
	if (a->port)
		must(nla_put_u16(msg, attrs->port, a->port));
}

static const struct address_attrs link_address = {
	.addr4 = MEMNET_A_LINK_ADDR4,
	.addr6 = MEMNET_A_LINK_ADDR6,
	.scope = MEMNET_A_LINK_SCOPE_ID,
	.port = MEMNET_A_LINK_PORT,
};

static const struct address_attrs tcps_address = {
	.addr4 = MEMNET_A_TCPS_ADDR4,
	.addr6 = MEMNET_A_TCPS_ADDR6,
	.scope = MEMNET_A_TCPS_SCOPE_ID,
	.port = MEMNET_A_TCPS_PORT,
};

/* ---- links ---- */

/**
 * link_add() - link add NAME tcps ADDR ...
 * @w: the words after "link add"
 */
void link_add(struct words *w)
{
	uint32_t channels = 0;
	struct address addr = {};
	struct secret secret = {};
	uint64_t host_id = 0;
	struct nl_msg *msg;
	const char *name;

	name = read_name(w);
	expect(w, "tcps");
	read_address(w, &addr);
	while (word_peek(w)) {
		word_take(w, "");
		if (is_option(w, "port")) {
			once(w, addr.port);
			addr.port = read_port(w);
		} else if (is_option(w, "channels")) {
			once(w, channels);
			channels = (uint32_t)word_number(w, "the number of channels", 1,
							 MEMNET_CHANNELS_MAX);
		} else if (is_option(w, "host-id")) {
			once(w, host_id);
			host_id = word_number(w, "a host id", 1, UINT64_MAX);
		} else if (is_option(w, "secret-file")) {
			once(w, secret.len);
			read_secret(w, &secret);
		} else {
			word_wrong(w, "no such option; there are " LINK_OPTIONS);
		}
	}

	msg = request_new(MEMNET_CMD_LINK_ADD, 0);
	must(nla_put_string(msg, MEMNET_A_LINK_NAME, name));
	put_address(msg, &addr, &link_address);
	if (channels)
		must(nla_put_u32(msg, MEMNET_A_LINK_CHANNELS, channels));
	if (host_id)
		must(nla_put_u64(msg, MEMNET_A_LINK_HOST_ID, host_id));
	if (secret.len)
		must(nla_put(msg, MEMNET_A_LINK_SECRET, (int)secret.len, secret.key));
	explicit_bzero(&secret, sizeof(secret));
	request_change(msg, "link add");
}

/**
 * link_del() - link del NAME
 * @w: the words after "link del"
 */
void link_del(struct words *w)
{
	const char *name = read_name(w);
	struct nl_msg *msg;

	word_end(w);
	msg = request_new(MEMNET_CMD_LINK_DEL, 0);
	must(nla_put_string(msg, MEMNET_A_LINK_NAME, name));
	request_change(msg, "link del");
}

/* A name as of ip-netns(8), a path, or the number of a process. */
static void put_netns(struct words *w, struct nl_msg *msg)
{
	const char *word = word_take(w, "a network namespace");
	char path[4096];
	unsigned long pid;
	char *end;
	int fd;

	pid = strtoul(word, &end, 10);
	if (*word >= '0' && *word <= '9' && !*end) {
		if (!pid || pid > INT32_MAX)
			word_wrong(w, "no such process");
		must(nla_put_u32(msg, MEMNET_A_LINK_NETNS_PID, (uint32_t)pid));
		return;
	}
	if (snprintf(path, sizeof(path), "%s%s", strchr(word, '/') ? "" : NETNS_DIR "/", word) >=
	    (int)sizeof(path))
		word_wrong(w, "the path is too long");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("link set: %s: %s", path, strerror(errno));
	/* stays open until the request has been answered */
	must(nla_put_u32(msg, MEMNET_A_LINK_NETNS_FD, (uint32_t)fd));
}

/**
 * link_set() - link set NAME netns NS
 * @w: the words after "link set"
 */
void link_set(struct words *w)
{
	const char *name = read_name(w);
	struct words rest;
	struct nl_msg *msg;

	expect(w, "netns");
	rest = *w;
	word_take(&rest, "a network namespace");
	word_end(&rest);

	msg = request_new(MEMNET_CMD_LINK_SET, 0);
	must(nla_put_string(msg, MEMNET_A_LINK_NAME, name));
	put_netns(w, msg);
	request_change(msg, "link set");
}

/* ---- service ---- */

struct listen_request {
	struct address addr;
	struct secret secret;
	struct prefix allow[MEMNET_PREFIXES_MAX];
	size_t n_allow;
	struct memnet_port_range ports[MEMNET_PORT_RANGES_MAX];
	int n_ports;
	uint32_t max_sessions, max_channels, max_endpoints;
	uint64_t max_pages;
	uint32_t options;
};

static void read_listen_option(struct words *w, struct listen_request *r)
{
	word_take(w, "");
	if (is_option(w, "port")) {
		once(w, r->addr.port);
		r->addr.port = read_port(w);
	} else if (is_option(w, "allow")) {
		read_prefixes(w, r->allow, &r->n_allow);
	} else if (is_option(w, "secret-file")) {
		once(w, r->secret.len);
		read_secret(w, &r->secret);
	} else if (is_option(w, "privileged-ports")) {
		once(w, r->n_ports);
		r->n_ports = read_ports(w, r->ports);
	} else if (is_option(w, "max-hosts")) {
		once(w, r->max_sessions);
		r->max_sessions = (uint32_t)word_number(w, "the number of hosts", 1, UINT32_MAX);
	} else if (is_option(w, "max-channels")) {
		once(w, r->max_channels);
		r->max_channels = (uint32_t)word_number(w, "the number of channels", 1,
							UINT32_MAX);
	} else if (is_option(w, "max-sockets")) {
		once(w, r->max_endpoints);
		r->max_endpoints = (uint32_t)word_number(w, "the number of sockets", 1,
							 UINT32_MAX);
	} else if (is_option(w, "max-pages")) {
		once(w, r->max_pages);
		r->max_pages = word_number(w, "the number of pages", 1, INT64_MAX);
	} else if (is_option(w, "options")) {
		once(w, r->options);
		r->options = read_classes(w);
	} else {
		word_wrong(w, "no such option; there are " LISTEN_OPTIONS);
	}
}

static void put_allow(struct nl_msg *msg, const struct prefix *p)
{
	struct nlattr *nest = nla_nest_start(msg, NLA_F_NESTED | MEMNET_A_TCPS_ALLOW);

	if (!nest)
		fail("the request is too large");
	if (p->family == AF_INET)
		must(nla_put(msg, MEMNET_A_PREFIX_ADDR4, sizeof(p->in), &p->in));
	else
		must(nla_put(msg, MEMNET_A_PREFIX_ADDR6, sizeof(p->in6), &p->in6));
	must(nla_put_u8(msg, MEMNET_A_PREFIX_LENGTH, p->length));
	nla_nest_end(msg, nest);
}

static void put_ports(struct nl_msg *msg, const struct memnet_port_range *r)
{
	struct nlattr *nest = nla_nest_start(msg, NLA_F_NESTED | MEMNET_A_TCPS_PRIVILEGED_PORTS);

	if (!nest)
		fail("the request is too large");
	must(nla_put_u16(msg, MEMNET_A_PORT_RANGE_FIRST, r->first));
	must(nla_put_u16(msg, MEMNET_A_PORT_RANGE_LAST, r->last));
	nla_nest_end(msg, nest);
}

/**
 * tcps_listen() - tcps listen ADDR allow CIDR ...
 * @w: the words after "tcps listen"
 */
void tcps_listen(struct words *w)
{
	struct listen_request r = {};
	struct nl_msg *msg;
	size_t i;

	read_address(w, &r.addr);
	while (word_peek(w))
		read_listen_option(w, &r);
	if (!r.n_allow)
		word_take(w, "\"allow\", without which no host could connect,");

	msg = request_new(MEMNET_CMD_TCPS_LISTEN, 0);
	put_address(msg, &r.addr, &tcps_address);
	for (i = 0; i < r.n_allow; i++)
		put_allow(msg, &r.allow[i]);
	for (i = 0; i < (size_t)r.n_ports; i++)
		put_ports(msg, &r.ports[i]);
	if (r.secret.len)
		must(nla_put(msg, MEMNET_A_TCPS_SECRET, (int)r.secret.len, r.secret.key));
	explicit_bzero(&r.secret, sizeof(r.secret));
	if (r.max_sessions)
		must(nla_put_u32(msg, MEMNET_A_TCPS_MAX_SESSIONS, r.max_sessions));
	if (r.max_channels)
		must(nla_put_u32(msg, MEMNET_A_TCPS_MAX_CHANNELS, r.max_channels));
	if (r.max_endpoints)
		must(nla_put_u32(msg, MEMNET_A_TCPS_MAX_ENDPOINTS, r.max_endpoints));
	if (r.max_pages)
		must(nla_put_u64(msg, MEMNET_A_TCPS_MAX_PAGES, r.max_pages));
	if (r.options)
		must(nla_put_u32(msg, MEMNET_A_TCPS_OPTIONS, r.options));
	request_change(msg, "tcps listen");
}

/**
 * tcps_unlisten() - tcps unlisten ADDR [port P]
 * @w: the words after "tcps unlisten"
 */
void tcps_unlisten(struct words *w)
{
	struct address addr = {};
	struct nl_msg *msg;

	read_address(w, &addr);
	if (word_peek(w)) {
		expect(w, "port");
		addr.port = read_port(w);
	}
	word_end(w);

	msg = request_new(MEMNET_CMD_TCPS_UNLISTEN, 0);
	put_address(msg, &addr, &tcps_address);
	request_change(msg, "tcps unlisten");
}
