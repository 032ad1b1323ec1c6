/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generic netlink of MemNet, as the modules see it.
 *
 * memnet_core.ko speaks netlink; memnet.ko and memnet_tcps.ko register what they can do and are
 * asked in plain C structures. (Counters the core reads by itself, see stats.h.) Rules for the
 * operation structures below:
 *
 * - All members are set. All are called in process context and may sleep.
 * - Nothing may wait for the network or for a peer: generic netlink as a whole waits meanwhile.
 * - Unregistering waits for calls that are under way and is followed by none. So it comes first in
 *   a module's exit, and holds no lock that an operation takes.
 * - Configurations come checked (lengths, ranges, addresses, defaults filled in where said so) and
 *   are the caller's: copy what is to stay.
 * - @extack may be NULL and goes to NL_SET_ERR_MSG(); set it wherever the errno alone does not tell
 *   an administrator what was wrong.
 *
 * Iterators, int next(net, cursor, out): a cursor is MEMNET_NL_CURSOR numbers, of which an iterator
 * uses as many as it needs. A walk begins with zeroes; the iterator fills
 * *@out, which comes zeroed, and moves the cursor past that entry. It keeps no state besides: the
 * walk may stop anywhere, and an old cursor may come back and then gives the entry of that time or,
 * if it is gone, the next one. No reference outlives the call. Entries that do not concern the
 * namespace @net are skipped.
 * Return: 1 for an entry, 0 at the end, or a negative errno.
 */
#ifndef MEMNET_NETLINK_H
#define MEMNET_NETLINK_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/socket.h>
#include <linux/types.h>
#include <linux/memnet.h>
#include <linux/memnet_netlink.h>

struct net;
struct netlink_ext_ack;

#define MEMNET_NL_CURSOR 3

/**
 * struct memnet_nl_secret - a shared secret
 * @len: bytes of @key, 0 for no secret, else MEMNET_SECRET_MIN..MEMNET_SECRET_MAX
 * @key: the secret; in an answer it may stay zero, only @len is looked at
 */
struct memnet_nl_secret {
	u32	len;
	u8	key[MEMNET_SECRET_MAX];
};

/**
 * struct memnet_nl_counters - what a link or a session has moved
 * @tx_bytes: payload bytes sent to the peer
 * @rx_bytes: payload bytes received from the peer
 * @tx_messages: messages sent
 * @rx_messages: messages received
 * @credit_stalls: times a message had to wait for a credit
 * @window_stalls: times an endpoint's sender ran out of window
 * @reconnects: times the link came up again
 */
struct memnet_nl_counters {
	u64	tx_bytes;
	u64	rx_bytes;
	u64	tx_messages;
	u64	rx_messages;
	u64	credit_stalls;
	u64	window_stalls;
	u64	reconnects;
};

/**
 * struct memnet_nl_link_cfg - what an administrator says of a link
 * @name: name, never empty
 * @addr: the node, sockaddr_in or sockaddr_in6 with the port filled in
 * @channels: channels to connect, 0 for the module's default
 * @heartbeat_ms: in answers: time of silence after which the link is dead, as the node has said; 0
 *	while not connected
 * @host_id: identity of this host, 0 for the module's default
 * @secret: shared secret
 */
struct memnet_nl_link_cfg {
	char	name[MEMNET_LINK_NAME_MAX + 1];
	struct sockaddr_storage addr;
	u32	channels;
	u32	heartbeat_ms;
	u64	host_id;
	struct memnet_nl_secret secret;
};

/**
 * struct memnet_nl_link_info - a link and how it fares
 * @cfg: its configuration, with the values in force instead of zeroes
 * @state: state
 * @reason: why it last went down or was refused, empty if never
 * @channels_up: channels that are connected
 * @version: protocol version agreed on, 0 while not connected
 * @features: feature bits it is configured for; those of both sides while it is up
 * @transport_netns: cookie (net->net_cookie) of the namespace of its connections
 * @served_netns: cookie of the namespace whose sockets it serves
 * @sockets: sockets on it, orphans included
 * @counters: what it has moved
 */
struct memnet_nl_link_info {
	struct memnet_nl_link_cfg cfg;
	enum memnet_link_state state;
	char	reason[MEMNET_REASON_MAX + 1];
	u32	channels_up;
	u32	version;
	u64	features;
	u64	transport_netns;
	u64	served_netns;
	u32	sockets;
	struct memnet_nl_counters counters;
};

/**
 * struct memnet_nl_prefix - a set of addresses
 * @family: AF_INET or AF_INET6
 * @length: bits that count; the others are zero
 * @in: the address, if @family is AF_INET
 * @in6: the address, if @family is AF_INET6
 */
struct memnet_nl_prefix {
	u16	family;
	u8	length;
	union {
		struct in_addr in;
		struct in6_addr in6;
	};
};

/**
 * struct memnet_nl_tcps_cfg - an address to serve hosts on, and on which terms
 * @addr: local address, sockaddr_in or sockaddr_in6 with the port filled in
 * @secret: what a host has to prove it knows
 * @max_sessions: hosts at a time, 0 for the module's default
 * @max_channels: channels of a host, 0 for the module's default
 * @max_endpoints: sockets of a host, 0 for the module's default
 * @max_pages: pages held for a host, 0 for the module's default
 * @options: enum memnet_option_class, what programs of a host may set
 * @n_allow: entries of @allow, at least one
 * @n_privileged: entries of @privileged
 * @allow: where a host may connect from
 * @privileged: privileged ports a host may bind when it vouches for its caller
 */
struct memnet_nl_tcps_cfg {
	struct sockaddr_storage addr;
	struct memnet_nl_secret secret;
	u32	max_sessions;
	u32	max_channels;
	u32	max_endpoints;
	u64	max_pages;
	u32	options;
	u32	n_allow;
	u32	n_privileged;
	struct memnet_nl_prefix allow[MEMNET_PREFIXES_MAX];
	struct memnet_port_range privileged[MEMNET_PORT_RANGES_MAX];
};

/**
 * struct memnet_nl_listener_info - a served address
 * @cfg: its configuration, with the values in force instead of zeroes
 * @sessions: sessions it admitted that live now
 * @refused: connection requests turned away
 */
struct memnet_nl_listener_info {
	struct memnet_nl_tcps_cfg cfg;
	u32	sessions;
	u64	refused;
};

/**
 * struct memnet_nl_session_info - a host being served
 * @id: number of the session
 * @addr: the host's address; its port is left out
 * @listen_port: port of the listener, in the machine's byte order
 * @host_id: identity of the host
 * @state: state
 * @authenticated: the host has proved that it knows the secret
 * @channels: channels connected
 * @endpoints: sockets of it
 * @version: protocol version agreed on
 * @pages: pages held for it
 * @features: feature bits agreed on
 * @counters: what it has moved
 */
struct memnet_nl_session_info {
	u32	id;
	struct sockaddr_storage addr;
	u16	listen_port;
	u64	host_id;
	enum memnet_session_state state;
	bool	authenticated;
	u32	channels;
	u32	endpoints;
	u32	version;
	u64	pages;
	u64	features;
	struct memnet_nl_counters counters;
};

/**
 * struct memnet_nl_socket_info - a socket of the host, or an endpoint of the node
 * @served: host: where it is served
 * @link: host: name of the link, empty where there is none
 * @session: node: number of the session
 * @channel: channel of the link or session; with @id and @generation of offloaded ones only
 * @id: index of the endpoint on the channel
 * @generation: generation of the index
 * @state: TCP_ESTABLISHED and so on
 * @local: local address and port, sockaddr_in or sockaddr_in6; never of family 0
 * @remote: remote address and port, of family 0 if there is none
 * @uid: owner in the initial user namespace; on the node, as the host vouches
 * @inode: inode number on the host, 0 if there is none
 * @cookie: host: the socket's cookie, 0 where there is no socket
 * @error: host: the errno that SO_ERROR would tell, 0 for none
 * @rx_queue: bytes on their way to the application; of a listener of the host, connections
 * @tx_queue: bytes on their way to the network; of a listener of the host, its backlog
 * @pages: pages held
 * @rx_bytes: bytes received since connected
 * @tx_bytes: bytes sent since connected
 * @jobs: host: transfers of registered memory that are not over
 */
struct memnet_nl_socket_info {
	enum memnet_served served;
	char	link[MEMNET_LINK_NAME_MAX + 1];
	u32	session;
	u32	channel;
	u32	id;
	u32	generation;
	u8	state;
	struct sockaddr_storage local;
	struct sockaddr_storage remote;
	u32	uid;
	u64	inode;
	u64	cookie;
	u32	error;
	u64	rx_queue;
	u64	tx_queue;
	u64	pages;
	u64	rx_bytes;
	u64	tx_bytes;
	u32	jobs;
};

/**
 * struct memnet_nl_host_ops - what memnet.ko does
 * @link_add: make a link whose transport and served namespace are @net and begin to connect it;
 *	-EEXIST if @net has a link of that name
 * @link_del: take down the link of that name and transport namespace; -ENOENT
 * @link_set_netns: let the link of that name and transport namespace serve @target, over which
 *	the caller's authority has been checked; takes its own reference; -ENOENT
 * @link_next: iterate over the links whose transport or served namespace is @net
 * @socket_next: iterate over the sockets of @net, orphans and connections nobody has accepted
 *	included
 */
struct memnet_nl_host_ops {
	int (*link_add)(struct net *net, const struct memnet_nl_link_cfg *cfg,
			struct netlink_ext_ack *extack);
	int (*link_del)(struct net *net, const char *name, struct netlink_ext_ack *extack);
	int (*link_set_netns)(struct net *net, const char *name, struct net *target,
			      struct netlink_ext_ack *extack);
	int (*link_next)(struct net *net, u64 *cursor, struct memnet_nl_link_info *out);
	int (*socket_next)(struct net *net, u64 *cursor, struct memnet_nl_socket_info *out);
};

/**
 * struct memnet_nl_tcps_ops - what memnet_tcps.ko does
 * @listen: begin to serve hosts on an address of @net; -EADDRINUSE if it is being served
 * @unlisten: stop serving on that address and port and begin to end the sessions it admitted;
 *	-ENOENT
 * @listener_next: iterate over the addresses of @net being served
 * @session_next: iterate over the sessions of @net
 * @socket_next: iterate over the endpoints whose native socket is in @net
 */
struct memnet_nl_tcps_ops {
	int (*listen)(struct net *net, const struct memnet_nl_tcps_cfg *cfg,
		      struct netlink_ext_ack *extack);
	int (*unlisten)(struct net *net, const struct sockaddr_storage *addr,
			struct netlink_ext_ack *extack);
	int (*listener_next)(struct net *net, u64 *cursor, struct memnet_nl_listener_info *out);
	int (*session_next)(struct net *net, u64 *cursor, struct memnet_nl_session_info *out);
	int (*socket_next)(struct net *net, u64 *cursor, struct memnet_nl_socket_info *out);
};

int memnet_netlink_init(void);
void memnet_netlink_exit(void);

int memnet_nl_register_host(const struct memnet_nl_host_ops *ops);
void memnet_nl_unregister_host(void);
int memnet_nl_register_tcps(const struct memnet_nl_tcps_ops *ops);
void memnet_nl_unregister_tcps(void);

int memnet_nl_parse_addr_text(const char *text, bool any, struct sockaddr_storage *out,
			      struct netlink_ext_ack *extack);
int memnet_nl_check_prefix(const struct memnet_nl_prefix *p, struct netlink_ext_ack *extack);

#endif /* MEMNET_NETLINK_H */
