// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink, the incoming half: attributes become configurations.
 *
 * Owned here: the policies, which genl applies before an operation is called, and what they cannot
 * say: which attributes belong together and which values cannot be meant. A failure leaves in
 * extack a message and, where there is one, the attribute in question. Module parameters are held
 * against the same rules. No state, no locks.
 */
#include <linux/ctype.h>
#include <linux/inet.h>
#include <linux/inetdevice.h>
#include <linux/netlink.h>
#include <net/genetlink.h>
#include <net/ipv6.h>
#include <net/netlink.h>

#include "netlink_msg.h"
#include "wire.h"

static_assert(MEMNET_DEFAULT_PORT == WIRE_DEFAULT_PORT);
static_assert(MEMNET_CHANNELS_MAX == WIRE_MAX_CHANNELS);

/* ---- policies ---- */

static const struct nla_policy prefix_policy[MEMNET_A_PREFIX_MAX + 1] = {
	[MEMNET_A_PREFIX_ADDR4]		= { .type = NLA_U32 },
	[MEMNET_A_PREFIX_ADDR6]		= NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[MEMNET_A_PREFIX_LENGTH]	= NLA_POLICY_MAX(NLA_U8, 128),
};

static const struct nla_policy port_range_policy[MEMNET_A_PORT_RANGE_MAX + 1] = {
	[MEMNET_A_PORT_RANGE_FIRST]	= NLA_POLICY_MIN(NLA_U16, 1),
	[MEMNET_A_PORT_RANGE_LAST]	= NLA_POLICY_MIN(NLA_U16, 1),
};

#define LINK_NAME_POLICY { .type = NLA_NUL_STRING, .len = MEMNET_LINK_NAME_MAX }
#define SECRET_POLICY NLA_POLICY_RANGE(NLA_BINARY, MEMNET_SECRET_MIN, MEMNET_SECRET_MAX)

const struct nla_policy memnet_nl_link_name_policy[NL_LINK_NAME_ATTRS + 1] = {
	[MEMNET_A_LINK_NAME]		= LINK_NAME_POLICY,
};

const struct nla_policy memnet_nl_link_add_policy[NL_LINK_ADD_ATTRS + 1] = {
	[MEMNET_A_LINK_NAME]		= LINK_NAME_POLICY,
	[MEMNET_A_LINK_ADDR4]		= { .type = NLA_U32 },
	[MEMNET_A_LINK_ADDR6]		= NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[MEMNET_A_LINK_SCOPE_ID]	= { .type = NLA_U32 },
	[MEMNET_A_LINK_PORT]		= NLA_POLICY_MIN(NLA_U16, 1),
	[MEMNET_A_LINK_CHANNELS]	= NLA_POLICY_RANGE(NLA_U32, 1, MEMNET_CHANNELS_MAX),
	[MEMNET_A_LINK_HOST_ID]		= { .type = NLA_U64 },
	[MEMNET_A_LINK_SECRET]		= SECRET_POLICY,
};

const struct nla_policy memnet_nl_link_set_policy[NL_LINK_SET_ATTRS + 1] = {
	[MEMNET_A_LINK_NAME]		= LINK_NAME_POLICY,
	[MEMNET_A_LINK_NETNS_FD]	= { .type = NLA_U32 },
	[MEMNET_A_LINK_NETNS_PID]	= { .type = NLA_U32 },
};

const struct nla_policy memnet_nl_tcps_listen_policy[NL_TCPS_LISTEN_ATTRS + 1] = {
	[MEMNET_A_TCPS_ADDR4]		= { .type = NLA_U32 },
	[MEMNET_A_TCPS_ADDR6]		= NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[MEMNET_A_TCPS_SCOPE_ID]	= { .type = NLA_U32 },
	[MEMNET_A_TCPS_PORT]		= NLA_POLICY_MIN(NLA_U16, 1),
	[MEMNET_A_TCPS_ALLOW]		= NLA_POLICY_NESTED(prefix_policy),
	[MEMNET_A_TCPS_SECRET]		= SECRET_POLICY,
	[MEMNET_A_TCPS_PRIVILEGED_PORTS] = NLA_POLICY_NESTED(port_range_policy),
	[MEMNET_A_TCPS_MAX_SESSIONS]	= { .type = NLA_U32 },
	[MEMNET_A_TCPS_MAX_CHANNELS]	= { .type = NLA_U32 },
	[MEMNET_A_TCPS_MAX_ENDPOINTS]	= { .type = NLA_U32 },
	[MEMNET_A_TCPS_MAX_PAGES]	= { .type = NLA_U64 },
	[MEMNET_A_TCPS_OPTIONS]		= NLA_POLICY_MASK(NLA_U32, MEMNET_OPTION_CLASS_MASK),
};

const struct nla_policy memnet_nl_tcps_unlisten_policy[NL_TCPS_UNLISTEN_ATTRS + 1] = {
	[MEMNET_A_TCPS_ADDR4]		= { .type = NLA_U32 },
	[MEMNET_A_TCPS_ADDR6]		= NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[MEMNET_A_TCPS_SCOPE_ID]	= { .type = NLA_U32 },
	[MEMNET_A_TCPS_PORT]		= NLA_POLICY_MIN(NLA_U16, 1),
};

/* ---- parts ---- */

/* The attributes of an address and its port, any of which may be missing. */
struct addr_attrs {
	const struct nlattr *addr4;
	const struct nlattr *addr6;
	const struct nlattr *scope;
	const struct nlattr *port;
};

static int check_addr4(__be32 addr, bool any, struct netlink_ext_ack *extack)
{
	if ((!addr && !any) || ipv4_is_multicast(addr) || ipv4_is_lbcast(addr)) {
		NL_SET_ERR_MSG(extack, "the address is not a host's");
		return -EINVAL;
	}
	return 0;
}

static int check_addr6(const struct sockaddr_in6 *sin6, bool any, struct netlink_ext_ack *extack)
{
	int type = ipv6_addr_type(&sin6->sin6_addr);

	if ((type == IPV6_ADDR_ANY && !any) || type & IPV6_ADDR_MULTICAST) {
		NL_SET_ERR_MSG(extack, "the address is not a host's");
		return -EINVAL;
	}
	if (type & IPV6_ADDR_MAPPED) {
		NL_SET_ERR_MSG(extack, "an IPv4-mapped address: give the IPv4 address");
		return -EINVAL;
	}
	if (type & IPV6_ADDR_LINKLOCAL && !sin6->sin6_scope_id) {
		NL_SET_ERR_MSG(extack, "a link-local address needs an interface");
		return -EINVAL;
	}
	if (!(type & IPV6_ADDR_LINKLOCAL) && sin6->sin6_scope_id) {
		NL_SET_ERR_MSG(extack, "only a link-local address has an interface");
		return -EINVAL;
	}
	return 0;
}

/* Can it be meant? @any: also as "all addresses". */
static int check_addr(const struct sockaddr_storage *ss, bool any, struct netlink_ext_ack *extack)
{
	if (ss->ss_family == AF_INET)
		return check_addr4(((const struct sockaddr_in *)ss)->sin_addr.s_addr, any, extack);
	return check_addr6((const struct sockaddr_in6 *)ss, any, extack);
}

static void parse_addr4(const struct nlattr *attr, u16 port, struct sockaddr_storage *out)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)out;

	sin->sin_family = AF_INET;
	sin->sin_port = htons(port);
	sin->sin_addr.s_addr = nla_get_in_addr(attr);
}

static void parse_addr6(const struct nlattr *attr, const struct nlattr *scope, u16 port,
			struct sockaddr_storage *out)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)out;

	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	sin6->sin6_addr = nla_get_in6_addr(attr);
	if (scope)
		sin6->sin6_scope_id = nla_get_u32(scope);
}

static int parse_addr(const struct addr_attrs *a, bool any, struct sockaddr_storage *out,
		      struct netlink_ext_ack *extack)
{
	u16 port = a->port ? nla_get_u16(a->port) : MEMNET_DEFAULT_PORT;
	int err;

	if (!a->addr4 == !a->addr6) {
		NL_SET_ERR_MSG(extack, "one address is needed, IPv4 or IPv6");
		return -EINVAL;
	}
	if (a->addr4 && a->scope) {
		NL_SET_ERR_MSG_ATTR(extack, a->scope, "an IPv4 address has no interface");
		return -EINVAL;
	}
	if (a->addr4)
		parse_addr4(a->addr4, port, out);
	else
		parse_addr6(a->addr6, a->scope, port, out);
	err = check_addr(out, any, extack);
	if (err)
		NL_SET_BAD_ATTR(extack, a->addr4 ?: a->addr6);
	return err;
}

/**
 * memnet_nl_parse_addr_text() - an address in a module parameter
 * @text: ADDR, ADDR:PORT or [ADDR]:PORT; an IPv6 address without brackets has no port
 * @any: it may be the one that means all addresses
 * @out: the address, the port filled in
 * @extack: for the message
 *
 * Return: 0 or -EINVAL.
 */
int memnet_nl_parse_addr_text(const char *text, bool any, struct sockaddr_storage *out,
			      struct netlink_ext_ack *extack)
{
	char copy[64], *host = copy, *port = NULL, *end;

	if (strscpy(copy, text, sizeof(copy)) < 0)
		goto malformed;
	if (*host == '[') {
		end = strchr(++host, ']');
		if (!end || (end[1] && end[1] != ':'))
			goto malformed;
		if (end[1])
			port = end + 2;
		*end = 0;
	} else {
		end = strchr(host, ':');
		if (end && end == strrchr(host, ':')) {
			*end = 0;
			port = end + 1;
		}
	}
	memset(out, 0, sizeof(*out));
	if (inet_pton_with_scope(&init_net, AF_UNSPEC, host,
				 port ?: __stringify(WIRE_DEFAULT_PORT), out))
		goto malformed;
	/* the port lies at the same place in both families */
	if (!((struct sockaddr_in *)out)->sin_port) {
		NL_SET_ERR_MSG(extack, "no port is 0");
		return -EINVAL;
	}
	/* which inet_pton_with_scope() reads over */
	if (strchr(host, '%') && !((struct sockaddr_in6 *)out)->sin6_scope_id) {
		NL_SET_ERR_MSG(extack, "only a link-local address has an interface");
		return -EINVAL;
	}
	return check_addr(out, any, extack);

malformed:
	NL_SET_ERR_MSG(extack, "not an address with an optional port");
	return -EINVAL;
}
EXPORT_SYMBOL_GPL(memnet_nl_parse_addr_text);

/**
 * memnet_nl_parse_link_name() - check the name of a link
 * @attr: the attribute, or NULL
 * @out: MEMNET_LINK_NAME_MAX + 1 bytes
 * @extack: for the message
 *
 * Return: 0 or -EINVAL.
 */
int memnet_nl_parse_link_name(const struct nlattr *attr, char *out,
			      struct netlink_ext_ack *extack)
{
	const char *p;

	if (!attr) {
		NL_SET_ERR_MSG(extack, "the link's name is missing");
		return -EINVAL;
	}
	nla_strscpy(out, attr, MEMNET_LINK_NAME_MAX + 1);
	if (!*out) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "the link's name is empty");
		return -EINVAL;
	}
	for (p = out; *p; p++) {
		if (!isascii(*p) || !isgraph(*p) || *p == '/') {
			NL_SET_ERR_MSG_ATTR(extack, attr, "a character no link's name has");
			return -EINVAL;
		}
	}
	return 0;
}

static void parse_secret(const struct nlattr *attr, struct memnet_nl_secret *out)
{
	if (attr)
		out->len = nla_memcpy(out->key, attr, sizeof(out->key));
}

/**
 * memnet_nl_parse_link() - what LINK_ADD asks for
 * @attrs: checked against memnet_nl_link_add_policy
 * @cfg: comes zeroed
 * @extack: for the message
 *
 * Return: 0 or a negative errno.
 */
int memnet_nl_parse_link(struct nlattr **attrs, struct memnet_nl_link_cfg *cfg,
			 struct netlink_ext_ack *extack)
{
	const struct addr_attrs addr = {
		.addr4 = attrs[MEMNET_A_LINK_ADDR4],
		.addr6 = attrs[MEMNET_A_LINK_ADDR6],
		.scope = attrs[MEMNET_A_LINK_SCOPE_ID],
		.port = attrs[MEMNET_A_LINK_PORT],
	};
	const struct nlattr *attr;
	int err;

	err = memnet_nl_parse_link_name(attrs[MEMNET_A_LINK_NAME], cfg->name, extack);
	if (err)
		return err;
	err = parse_addr(&addr, false, &cfg->addr, extack);
	if (err)
		return err;

	attr = attrs[MEMNET_A_LINK_CHANNELS];
	if (attr)
		cfg->channels = nla_get_u32(attr);

	attr = attrs[MEMNET_A_LINK_HOST_ID];
	if (attr) {
		cfg->host_id = nla_get_u64(attr);
		if (!cfg->host_id) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "0 is nobody's host id");
			return -EINVAL;
		}
	}

	parse_secret(attrs[MEMNET_A_LINK_SECRET], &cfg->secret);
	return 0;
}

/**
 * memnet_nl_check_prefix() - can a prefix of an allow-list be meant?
 * @p: the prefix
 * @extack: for the message
 *
 * Return: 0 or -EINVAL.
 */
int memnet_nl_check_prefix(const struct memnet_nl_prefix *p, struct netlink_ext_ack *extack)
{
	struct in6_addr cut;
	bool same;

	if (p->length > (p->family == AF_INET ? 32 : 128)) {
		NL_SET_ERR_MSG(extack, "the prefix is longer than its address");
		return -EINVAL;
	}
	if (p->family == AF_INET) {
		same = !(p->in.s_addr & ~inet_make_mask(p->length));
	} else {
		ipv6_addr_prefix(&cut, &p->in6, p->length);
		same = ipv6_addr_equal(&cut, &p->in6);
	}
	if (!same) {
		NL_SET_ERR_MSG(extack, "an allowed prefix has bits set past its length");
		return -EINVAL;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(memnet_nl_check_prefix);

static int parse_prefix(const struct nlattr *nest, struct memnet_nl_prefix *out,
			struct netlink_ext_ack *extack)
{
	struct nlattr *attrs[MEMNET_A_PREFIX_MAX + 1];
	const struct nlattr *length;
	int err, bits;

	err = nla_parse_nested(attrs, MEMNET_A_PREFIX_MAX, nest, prefix_policy, extack);
	if (err)
		return err;
	if (!attrs[MEMNET_A_PREFIX_ADDR4] == !attrs[MEMNET_A_PREFIX_ADDR6]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "an allowed prefix needs one address");
		return -EINVAL;
	}

	if (attrs[MEMNET_A_PREFIX_ADDR4]) {
		out->family = AF_INET;
		out->in.s_addr = nla_get_in_addr(attrs[MEMNET_A_PREFIX_ADDR4]);
		bits = 32;
	} else {
		out->family = AF_INET6;
		out->in6 = nla_get_in6_addr(attrs[MEMNET_A_PREFIX_ADDR6]);
		bits = 128;
	}

	length = attrs[MEMNET_A_PREFIX_LENGTH];
	out->length = length ? nla_get_u8(length) : bits;
	err = memnet_nl_check_prefix(out, extack);
	if (err)
		NL_SET_BAD_ATTR(extack, nest);
	return err;
}

static int parse_port_range(const struct nlattr *nest, struct memnet_port_range *out,
			    struct netlink_ext_ack *extack)
{
	struct nlattr *attrs[MEMNET_A_PORT_RANGE_MAX + 1];
	const struct nlattr *first, *last;
	int err;

	err = nla_parse_nested(attrs, MEMNET_A_PORT_RANGE_MAX, nest, port_range_policy, extack);
	if (err)
		return err;
	first = attrs[MEMNET_A_PORT_RANGE_FIRST];
	last = attrs[MEMNET_A_PORT_RANGE_LAST];
	if (!first) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a port range needs a first port");
		return -EINVAL;
	}
	out->first = nla_get_u16(first);
	out->last = last ? nla_get_u16(last) : out->first;
	if (out->last < out->first) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a port range ends before it begins");
		return -EINVAL;
	}
	return 0;
}

/**
 * memnet_nl_parse_tcps_addr() - the address and port of a TCPS_* request
 * @attrs: checked against memnet_nl_tcps_listen_policy or memnet_nl_tcps_unlisten_policy
 * @out: comes zeroed
 * @extack: for the message
 *
 * Return: 0 or -EINVAL.
 */
int memnet_nl_parse_tcps_addr(struct nlattr **attrs, struct sockaddr_storage *out,
			      struct netlink_ext_ack *extack)
{
	const struct addr_attrs addr = {
		.addr4 = attrs[MEMNET_A_TCPS_ADDR4],
		.addr6 = attrs[MEMNET_A_TCPS_ADDR6],
		.scope = attrs[MEMNET_A_TCPS_SCOPE_ID],
		.port = attrs[MEMNET_A_TCPS_PORT],
	};

	return parse_addr(&addr, true, out, extack);
}

/* The attributes that may come more than once, of which genl keeps the last only. */
static int parse_tcps_lists(const struct genl_info *info, struct memnet_nl_tcps_cfg *cfg)
{
	struct netlink_ext_ack *extack = info->extack;
	const struct nlattr *attr;
	int rem, err;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		switch (nla_type(attr)) {
		case MEMNET_A_TCPS_ALLOW:
			if (cfg->n_allow == MEMNET_PREFIXES_MAX) {
				NL_SET_ERR_MSG_ATTR(extack, attr, "too many allowed prefixes");
				return -E2BIG;
			}
			err = parse_prefix(attr, &cfg->allow[cfg->n_allow++], extack);
			break;
		case MEMNET_A_TCPS_PRIVILEGED_PORTS:
			if (cfg->n_privileged == MEMNET_PORT_RANGES_MAX) {
				NL_SET_ERR_MSG_ATTR(extack, attr, "too many port ranges");
				return -E2BIG;
			}
			err = parse_port_range(attr, &cfg->privileged[cfg->n_privileged++],
					       extack);
			break;
		default:
			err = 0;
		}
		if (err)
			return err;
	}
	if (!cfg->n_allow) {
		NL_SET_ERR_MSG(extack, "the allow-list is missing: no host could connect");
		return -EINVAL;
	}
	return 0;
}

/**
 * memnet_nl_parse_tcps() - what TCPS_LISTEN asks for
 * @info: its attributes are checked against memnet_nl_tcps_listen_policy
 * @cfg: comes zeroed
 *
 * Return: 0 or a negative errno.
 */
int memnet_nl_parse_tcps(const struct genl_info *info, struct memnet_nl_tcps_cfg *cfg)
{
	struct nlattr **attrs = info->attrs;
	int err;

	err = memnet_nl_parse_tcps_addr(attrs, &cfg->addr, info->extack);
	if (err)
		return err;
	err = parse_tcps_lists(info, cfg);
	if (err)
		return err;

	parse_secret(attrs[MEMNET_A_TCPS_SECRET], &cfg->secret);
	if (attrs[MEMNET_A_TCPS_MAX_SESSIONS])
		cfg->max_sessions = nla_get_u32(attrs[MEMNET_A_TCPS_MAX_SESSIONS]);
	if (attrs[MEMNET_A_TCPS_MAX_CHANNELS])
		cfg->max_channels = nla_get_u32(attrs[MEMNET_A_TCPS_MAX_CHANNELS]);
	if (attrs[MEMNET_A_TCPS_MAX_ENDPOINTS])
		cfg->max_endpoints = nla_get_u32(attrs[MEMNET_A_TCPS_MAX_ENDPOINTS]);
	if (attrs[MEMNET_A_TCPS_MAX_PAGES])
		cfg->max_pages = nla_get_u64(attrs[MEMNET_A_TCPS_MAX_PAGES]);
	if (attrs[MEMNET_A_TCPS_OPTIONS])
		cfg->options = nla_get_u32(attrs[MEMNET_A_TCPS_OPTIONS]);
	return 0;
}
