// SPDX-License-Identifier: GPL-2.0
/*
 * Attributes to JSON, by tables.
 *
 * A table says for each attribute of a set its key and its kind. An attribute
 * that is missing leaves its key out, a flag is then false and a list empty. An
 * attribute that is not in the table is of a newer kernel and skipped.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"

enum kind {
	END,
	TEXT,
	NUMBER,		/* of any width */
	HEX,		/* a number too large for JSON, or one of bits */
	ADDRESS,	/* IPv4 or IPv6 */
	SCOPE,		/* completes the address before it */
	FLAG,
	NAME,		/* a number with names */
	BITS,		/* a number whose bits have names */
	OBJECT,		/* a nest */
	LIST,		/* of nests: an attribute that repeats */
};

struct field {
	int attr;
	const char *key;
	enum kind kind;
	union {
		const struct field *fields;
		const char *const *names;
	};
};

#define ATTRS_MAX 32

static const char *const link_states[] = {
	[MEMNET_LINK_STATE_DOWN] = "down",
	[MEMNET_LINK_STATE_CONNECTING] = "connecting",
	[MEMNET_LINK_STATE_UP] = "up",
	[MEMNET_LINK_STATE_FAILED] = "failed",
	NULL
};

static const char *const session_states[] = {
	[MEMNET_SESSION_STATE_CONNECTING] = "connecting",
	[MEMNET_SESSION_STATE_UP] = "up",
	[MEMNET_SESSION_STATE_DEAD] = "dead",
	NULL
};

static const char *const roles[] = {
	[MEMNET_ROLE_HOST] = "host",
	[MEMNET_ROLE_NODE] = "node",
	NULL
};

static const char *const served[] = {
	[MEMNET_SERVED_UNDECIDED] = "undecided",
	[MEMNET_SERVED_OFFLOADED] = "offloaded",
	[MEMNET_SERVED_NATIVE] = "native",
	NULL
};

/* as ss(8) names the states of include/net/tcp_states.h */
static const char *const tcp_states[] = {
	"UNKNOWN", "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT",
	"UNCONN", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "NEW-SYN-RECV", NULL
};

/* In the order of enum memnet_option_class. */
const char *const option_classes[] = {
	"prio", "mark", "route", "device", "freebind", "transparent", "tls", NULL
};

static const struct field counter_fields[] = {
	{ MEMNET_A_COUNTERS_TX_BYTES, "tx_bytes", NUMBER },
	{ MEMNET_A_COUNTERS_RX_BYTES, "rx_bytes", NUMBER },
	{ MEMNET_A_COUNTERS_TX_MESSAGES, "tx_messages", NUMBER },
	{ MEMNET_A_COUNTERS_RX_MESSAGES, "rx_messages", NUMBER },
	{ MEMNET_A_COUNTERS_CREDIT_STALLS, "credit_stalls", NUMBER },
	{ MEMNET_A_COUNTERS_WINDOW_STALLS, "window_stalls", NUMBER },
	{ MEMNET_A_COUNTERS_RECONNECTS, "reconnects", NUMBER },
	{}
};

static const struct field link_fields[] = {
	{ MEMNET_A_LINK_NAME, "name", TEXT },
	{ MEMNET_A_LINK_ADDR4, "address", ADDRESS },
	{ MEMNET_A_LINK_ADDR6, "address", ADDRESS },
	{ MEMNET_A_LINK_SCOPE_ID, "address", SCOPE },
	{ MEMNET_A_LINK_PORT, "port", NUMBER },
	{ MEMNET_A_LINK_STATE, "state", NAME, .names = link_states },
	{ MEMNET_A_LINK_LAST_REASON, "last_reason", TEXT },
	{ MEMNET_A_LINK_CHANNELS, "channels", NUMBER },
	{ MEMNET_A_LINK_CHANNELS_UP, "channels_up", NUMBER },
	{ MEMNET_A_LINK_SOCKETS, "sockets", NUMBER },
	{ MEMNET_A_LINK_HOST_ID, "host_id", HEX },
	{ MEMNET_A_LINK_HEARTBEAT_MS, "heartbeat_ms", NUMBER },
	{ MEMNET_A_LINK_HAS_SECRET, "secret", FLAG },
	{ MEMNET_A_LINK_VERSION, "version", NUMBER },
	{ MEMNET_A_LINK_FEATURES, "features", HEX },
	{ MEMNET_A_LINK_TRANSPORT_NETNS, "transport_netns", NUMBER },
	{ MEMNET_A_LINK_SERVED_NETNS, "served_netns", NUMBER },
	{ MEMNET_A_LINK_COUNTERS, "counters", OBJECT, .fields = counter_fields },
	{}
};

static const struct field prefix_fields[] = {
	{ MEMNET_A_PREFIX_ADDR4, "address", ADDRESS },
	{ MEMNET_A_PREFIX_ADDR6, "address", ADDRESS },
	{ MEMNET_A_PREFIX_LENGTH, "length", NUMBER },
	{}
};

static const struct field port_range_fields[] = {
	{ MEMNET_A_PORT_RANGE_FIRST, "first", NUMBER },
	{ MEMNET_A_PORT_RANGE_LAST, "last", NUMBER },
	{}
};

static const struct field listener_fields[] = {
	{ MEMNET_A_TCPS_ADDR4, "address", ADDRESS },
	{ MEMNET_A_TCPS_ADDR6, "address", ADDRESS },
	{ MEMNET_A_TCPS_SCOPE_ID, "address", SCOPE },
	{ MEMNET_A_TCPS_PORT, "port", NUMBER },
	{ MEMNET_A_TCPS_ALLOW, "allow", LIST, .fields = prefix_fields },
	{ MEMNET_A_TCPS_HAS_SECRET, "secret", FLAG },
	{ MEMNET_A_TCPS_PRIVILEGED_PORTS, "privileged_ports", LIST, .fields = port_range_fields },
	{ MEMNET_A_TCPS_MAX_SESSIONS, "max_sessions", NUMBER },
	{ MEMNET_A_TCPS_MAX_CHANNELS, "max_channels", NUMBER },
	{ MEMNET_A_TCPS_MAX_ENDPOINTS, "max_endpoints", NUMBER },
	{ MEMNET_A_TCPS_MAX_PAGES, "max_pages", NUMBER },
	{ MEMNET_A_TCPS_OPTIONS, "options", BITS, .names = option_classes },
	{ MEMNET_A_TCPS_SESSIONS, "sessions", NUMBER },
	{ MEMNET_A_TCPS_REFUSED, "refused", NUMBER },
	{}
};

static const struct field session_fields[] = {
	{ MEMNET_A_SESSION_ID, "id", NUMBER },
	{ MEMNET_A_SESSION_ADDR4, "address", ADDRESS },
	{ MEMNET_A_SESSION_ADDR6, "address", ADDRESS },
	{ MEMNET_A_SESSION_SCOPE_ID, "address", SCOPE },
	{ MEMNET_A_SESSION_PORT, "port", NUMBER },
	{ MEMNET_A_SESSION_HOST_ID, "host_id", HEX },
	{ MEMNET_A_SESSION_STATE, "state", NAME, .names = session_states },
	{ MEMNET_A_SESSION_AUTHENTICATED, "authenticated", FLAG },
	{ MEMNET_A_SESSION_CHANNELS, "channels", NUMBER },
	{ MEMNET_A_SESSION_ENDPOINTS, "endpoints", NUMBER },
	{ MEMNET_A_SESSION_PAGES, "pages", NUMBER },
	{ MEMNET_A_SESSION_VERSION, "version", NUMBER },
	{ MEMNET_A_SESSION_FEATURES, "features", HEX },
	{ MEMNET_A_SESSION_COUNTERS, "counters", OBJECT, .fields = counter_fields },
	{}
};

static const struct field socket_fields[] = {
	{ MEMNET_A_SOCKET_ROLE, "role", NAME, .names = roles },
	{ MEMNET_A_SOCKET_SERVED, "served", NAME, .names = served },
	{ MEMNET_A_SOCKET_LINK, "link", TEXT },
	{ MEMNET_A_SOCKET_SESSION, "session", NUMBER },
	{ MEMNET_A_SOCKET_CHANNEL, "channel", NUMBER },
	{ MEMNET_A_SOCKET_ID, "id", NUMBER },
	{ MEMNET_A_SOCKET_GENERATION, "generation", NUMBER },
	{ MEMNET_A_SOCKET_STATE, "state", NAME, .names = tcp_states },
	{ MEMNET_A_SOCKET_LOCAL_ADDR4, "local_address", ADDRESS },
	{ MEMNET_A_SOCKET_LOCAL_ADDR6, "local_address", ADDRESS },
	{ MEMNET_A_SOCKET_LOCAL_PORT, "local_port", NUMBER },
	{ MEMNET_A_SOCKET_REMOTE_ADDR4, "remote_address", ADDRESS },
	{ MEMNET_A_SOCKET_REMOTE_ADDR6, "remote_address", ADDRESS },
	{ MEMNET_A_SOCKET_REMOTE_PORT, "remote_port", NUMBER },
	{ MEMNET_A_SOCKET_RX_QUEUE, "rx_queue", NUMBER },
	{ MEMNET_A_SOCKET_TX_QUEUE, "tx_queue", NUMBER },
	{ MEMNET_A_SOCKET_PAGES, "pages", NUMBER },
	{ MEMNET_A_SOCKET_RX_BYTES, "rx_bytes", NUMBER },
	{ MEMNET_A_SOCKET_TX_BYTES, "tx_bytes", NUMBER },
	{ MEMNET_A_SOCKET_JOBS, "jobs", NUMBER },
	{ MEMNET_A_SOCKET_UID, "uid", NUMBER },
	{ MEMNET_A_SOCKET_INODE, "inode", NUMBER },
	{ MEMNET_A_SOCKET_COOKIE, "cookie", NUMBER },
	{ MEMNET_A_SOCKET_ERROR, "error", NUMBER },
	{}
};

static const struct field stat_fields[] = {
	{ MEMNET_A_STAT_MODULE, "module", TEXT },
	{ MEMNET_A_STAT_NAME, "name", TEXT },
	{ MEMNET_A_STAT_VALUE, "value", NUMBER },
	{}
};

static uint64_t number(const struct nlattr *attr)
{
	switch (nla_len(attr)) {
	case 1:
		return nla_get_u8(attr);
	case 2:
		return nla_get_u16(attr);
	case 4:
		return nla_get_u32(attr);
	case 8:
		return nla_get_u64((struct nlattr *)attr);
	default:
		return 0;
	}
}

static json_t *decode_text(const struct nlattr *attr)
{
	const char *text = nla_data(attr);

	return json_stringn_nocheck(text, strnlen(text, (size_t)nla_len(attr)));
}

static json_t *decode_hex(const struct nlattr *attr)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)number(attr));
	return json_string(text);
}

static json_t *decode_address(const struct nlattr *attr)
{
	int af = nla_len(attr) == sizeof(struct in6_addr) ? AF_INET6 : AF_INET;
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop(af, nla_data(attr), text, sizeof(text)))
		return NULL;
	return json_string(text);
}

static json_t *decode_scope(const json_t *address, const struct nlattr *attr)
{
	char name[IF_NAMESIZE], text[INET6_ADDRSTRLEN + IF_NAMESIZE + 16];
	unsigned int index = (unsigned int)number(attr);

	if (!if_indextoname(index, name))
		snprintf(name, sizeof(name), "%u", index);
	snprintf(text, sizeof(text), "%s%%%s", json_string_value(address), name);
	return json_string(text);
}

static json_t *decode_name(const struct nlattr *attr, const char *const *names)
{
	uint64_t value = number(attr), i;
	char text[32];

	for (i = 0; names[i]; i++)
		if (i == value)
			return json_string(names[i]);
	/* of a newer kernel */
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return json_string(text);
}

static json_t *decode_bits(const struct nlattr *attr, const char *const *names)
{
	uint64_t value = number(attr);
	json_t *list = json_array();
	char text[32];
	int i;

	for (i = 0; names[i]; i++, value >>= 1)
		if (value & 1)
			json_array_append_new(list, json_string(names[i]));
	/* of a newer kernel */
	if (value) {
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value << i);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *decode_attrs(struct nlattr *head, int len, const struct field *fields);

static json_t *decode_list(struct nlattr *head, int len, const struct field *field)
{
	json_t *list = json_array();
	struct nlattr *attr;
	int rem;

	nla_for_each_attr(attr, head, len, rem) {
		if (nla_type(attr) != field->attr)
			continue;
		if (json_array_append_new(list, decode_attrs(nla_data(attr), nla_len(attr),
							     field->fields)))
			break;
	}
	return list;
}

static json_t *decode_field(const struct field *field, const struct nlattr *attr,
			    const json_t *object)
{
	switch (field->kind) {
	case TEXT:
		return decode_text(attr);
	case NUMBER:
		return json_integer((json_int_t)number(attr));
	case HEX:
		return decode_hex(attr);
	case ADDRESS:
		return decode_address(attr);
	case SCOPE:
		return decode_scope(json_object_get(object, field->key), attr);
	case NAME:
		return decode_name(attr, field->names);
	case BITS:
		return decode_bits(attr, field->names);
	case OBJECT:
		return decode_attrs(nla_data(attr), nla_len(attr), field->fields);
	default:
		return NULL;
	}
}

static json_t *decode_attrs(struct nlattr *head, int len, const struct field *fields)
{
	struct nlattr *tb[ATTRS_MAX] = {};
	const struct field *field;
	json_t *object, *value;

	/* attributes above ATTRS_MAX are unknown ones and left out */
	if (nla_parse(tb, ATTRS_MAX - 1, head, len, NULL))
		return NULL;
	object = json_object();
	for (field = fields; field->kind != END; field++) {
		const struct nlattr *attr = tb[field->attr];

		if (field->kind == FLAG)
			value = json_boolean(attr);
		else if (field->kind == LIST)
			value = decode_list(head, len, field);
		else if (attr)
			value = decode_field(field, attr, object);
		else
			continue;
		if (json_object_set_new(object, field->key, value)) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *decode(const struct nlmsghdr *hdr, const struct field *fields)
{
	const struct genlmsghdr *genl = genlmsg_hdr((struct nlmsghdr *)hdr);

	return decode_attrs(genlmsg_attrdata(genl, 0), genlmsg_attrlen(genl, 0), fields);
}

/* "10.0.0.0/24" says a prefix better than an object, and "1-1023" a range of ports. */
static void flatten(json_t *object, const char *key,
		    void (*write)(const json_t *from, char *to, size_t size))
{
	json_t *list = json_object_get(object, key), *entry;
	char text[128];
	size_t i;

	json_array_foreach(list, i, entry) {
		write(entry, text, sizeof(text));
		json_array_set_new(list, i, json_string(text));
	}
}

static json_int_t member(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void write_prefix(const json_t *from, char *to, size_t size)
{
	snprintf(to, size, "%s/%d", json_string_value(json_object_get(from, "address")),
		 (int)member(from, "length"));
}

static void write_port_range(const json_t *from, char *to, size_t size)
{
	int first = (int)member(from, "first"), last = (int)member(from, "last");

	if (first == last)
		snprintf(to, size, "%d", first);
	else
		snprintf(to, size, "%d-%d", first, last);
}

/**
 * decode_link() - a link
 * @hdr: an answer to MEMNET_CMD_LINK_GET
 *
 * Return: an object, or NULL if it makes no sense.
 */
json_t *decode_link(const struct nlmsghdr *hdr)
{
	return decode(hdr, link_fields);
}

/**
 * decode_listener() - an address being served
 * @hdr: an answer to MEMNET_CMD_TCPS_GET
 *
 * Return: an object, or NULL if it makes no sense.
 */
json_t *decode_listener(const struct nlmsghdr *hdr)
{
	json_t *object = decode(hdr, listener_fields);

	flatten(object, "allow", write_prefix);
	flatten(object, "privileged_ports", write_port_range);
	return object;
}

/**
 * decode_session() - a host being served
 * @hdr: an answer to MEMNET_CMD_SESSION_GET
 *
 * Return: an object, or NULL if it makes no sense.
 */
json_t *decode_session(const struct nlmsghdr *hdr)
{
	return decode(hdr, session_fields);
}

/**
 * decode_socket() - a socket
 * @hdr: an answer to MEMNET_CMD_SOCKET_GET
 *
 * Return: an object, or NULL if it makes no sense.
 */
json_t *decode_socket(const struct nlmsghdr *hdr)
{
	return decode(hdr, socket_fields);
}

/**
 * decode_stat() - a counter
 * @hdr: an answer to MEMNET_CMD_STATS_GET
 *
 * Return: an object, or NULL if it makes no sense.
 */
json_t *decode_stat(const struct nlmsghdr *hdr)
{
	return decode(hdr, stat_fields);
}
