/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the netlink files: netlink.c acts, netlink_parse.c reads, netlink_put.c writes. */
#ifndef MEMNET_NETLINK_MSG_H
#define MEMNET_NETLINK_MSG_H

#include "netlink.h"
#include "stats.h"

struct genl_info;
struct nla_policy;
struct nlattr;
struct sk_buff;

/* last attribute of each request */
#define NL_LINK_NAME_ATTRS	MEMNET_A_LINK_NAME
#define NL_LINK_ADD_ATTRS	MEMNET_A_LINK_SECRET
#define NL_LINK_SET_ATTRS	MEMNET_A_LINK_NETNS_PID
#define NL_TCPS_LISTEN_ATTRS	MEMNET_A_TCPS_OPTIONS
#define NL_TCPS_UNLISTEN_ATTRS	MEMNET_A_TCPS_PORT

extern const struct nla_policy memnet_nl_link_name_policy[NL_LINK_NAME_ATTRS + 1];
extern const struct nla_policy memnet_nl_link_add_policy[NL_LINK_ADD_ATTRS + 1];
extern const struct nla_policy memnet_nl_link_set_policy[NL_LINK_SET_ATTRS + 1];
extern const struct nla_policy memnet_nl_tcps_listen_policy[NL_TCPS_LISTEN_ATTRS + 1];
extern const struct nla_policy memnet_nl_tcps_unlisten_policy[NL_TCPS_UNLISTEN_ATTRS + 1];

int memnet_nl_parse_link_name(const struct nlattr *attr, char *out,
			      struct netlink_ext_ack *extack);
int memnet_nl_parse_link(struct nlattr **attrs, struct memnet_nl_link_cfg *cfg,
			 struct netlink_ext_ack *extack);
int memnet_nl_parse_tcps_addr(struct nlattr **attrs, struct sockaddr_storage *out,
			      struct netlink_ext_ack *extack);
int memnet_nl_parse_tcps(const struct genl_info *info, struct memnet_nl_tcps_cfg *cfg);

bool memnet_nl_put_link(struct sk_buff *skb, const struct memnet_nl_link_info *l);
bool memnet_nl_put_listener(struct sk_buff *skb, const struct memnet_nl_listener_info *l);
bool memnet_nl_put_session(struct sk_buff *skb, const struct memnet_nl_session_info *s);
bool memnet_nl_put_socket(struct sk_buff *skb, const struct memnet_nl_socket_info *s,
			  enum memnet_role role);
bool memnet_nl_put_stat(struct sk_buff *skb, enum memnet_stat which);

#endif /* MEMNET_NETLINK_MSG_H */
