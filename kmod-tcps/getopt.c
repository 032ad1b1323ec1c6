// SPDX-License-Identifier: GPL-2.0
/*
 * Options of native sockets that hosts may read.
 *
 * Those that the host cannot know: what TCP finds out, what it chooses where nobody has set
 * anything, and what it makes of what was set. The kernel's own getsockopt() wants memory of a
 * program; so each is read here as it is there. Integers travel as 32 bits, little-endian, and
 * struct tcp_info as a little-endian machine has it.
 *
 * Runs in the channel's worker.
 */
#include <linux/inet_diag.h>
#include <net/dst.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "tcps.h"

static int put(u8 *to, int value)
{
	__le32 wire = cpu_to_le32(value);

	memcpy(to, &wire, sizeof(wire));
	return sizeof(wire);
}

static int read_info(const struct tcps_endpoint *ep, u8 *to)
{
	struct tcp_info info;

	BUILD_BUG_ON(sizeof(info) > WIRE_OPT_READ);
	if (IS_ENABLED(CONFIG_CPU_BIG_ENDIAN))
		return -ENOPROTOOPT;
	tcp_get_info(ep->sock->sk, &info);
	/* What TCP has is what is left of it. */
	if (ep->state == TCPS_LISTENING)
		info.tcpi_sacked = ep->listen.backlog;
	memcpy(to, &info, sizeof(info));
	return sizeof(info);
}

static int read_congestion(const struct sock *sk, u8 *to)
{
	memset(to, 0, TCP_CA_NAME_MAX);
	rcu_read_lock();
	strscpy(to, READ_ONCE(inet_csk(sk)->icsk_ca_ops)->name, TCP_CA_NAME_MAX);
	rcu_read_unlock();
	return TCP_CA_NAME_MAX;
}

static int read_cc_info(struct sock *sk, u8 *to)
{
	const struct tcp_congestion_ops *ops;
	union tcp_cc_info info;
	size_t len = 0;
	int attr;

	if (IS_ENABLED(CONFIG_CPU_BIG_ENDIAN))
		return -ENOPROTOOPT;
	rcu_read_lock();
	ops = READ_ONCE(inet_csk(sk)->icsk_ca_ops);
	if (ops->get_info)
		len = ops->get_info(sk, ~0U, &attr, &info);
	rcu_read_unlock();
	memcpy(to, &info, len);
	return len;
}

static int read_maxseg(const struct sock *sk, u8 *to)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	if (tp->rx_opt.user_mss && (1 << READ_ONCE(sk->sk_state)) & (TCPF_CLOSE | TCPF_LISTEN))
		return put(to, tp->rx_opt.user_mss);
	return put(to, READ_ONCE(tp->mss_cache));
}

static int read_linger2(const struct sock *sk, u8 *to)
{
	int value = READ_ONCE(tcp_sk(sk)->linger2);

	if (!value)
		value = READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_fin_timeout);
	return put(to, value < 0 ? value : value / HZ);
}

static int read_timestamp(const struct tcp_sock *tp, u8 *to)
{
#ifdef MEMNET_HAVE_tcp_usec_ts
	u32 now = tcp_clock_ts(tp->tcp_usec_ts) + READ_ONCE(tp->tsoffset);

	return put(to, tp->tcp_usec_ts ? now | 1 : now & ~1U);
#else
	return put(to, tcp_time_stamp_raw() + tp->tsoffset);
#endif
}

/* Given once, and whole or not at all. */
static int read_saved_syn(struct sock *sk, u8 *to, u32 *room)
{
	struct tcp_sock *tp = tcp_sk(sk);
	int ret = 0;
	u32 len;

	lock_sock(sk);
	len = tp->saved_syn ? tcp_saved_syn_len(tp->saved_syn) : 0;
	if (len > *room || len > WIRE_OPT_READ) {
		ret = -EINVAL;
		*room = len;
	} else if (len) {
		memcpy(to, tp->saved_syn->data, len);
		tcp_saved_syn_free(tp);
		ret = len;
	}
	release_sock(sk);
	return ret;
}

static int read_tcp(const struct tcps_endpoint *ep, u32 name, u8 *to, u32 *room)
{
	struct sock *sk = ep->sock->sk;
	const struct inet_connection_sock *icsk = inet_csk(sk);
	const struct tcp_sock *tp = tcp_sk(sk);

	switch (name) {
	case TCP_INFO:
		return read_info(ep, to);
	case TCP_CONGESTION:
		return read_congestion(sk, to);
	case TCP_CC_INFO:
		return read_cc_info(sk, to);
	case TCP_SAVED_SYN:
		return read_saved_syn(sk, to, room);
	case TCP_FASTOPEN:
		return put(to, READ_ONCE(icsk->icsk_accept_queue.fastopenq.max_qlen));
	case TCP_FASTOPEN_NO_COOKIE:
		return put(to, tp->fastopen_no_cookie);
	case TCP_MAXSEG:
		return read_maxseg(sk, to);
	case TCP_KEEPIDLE:
		return put(to, keepalive_time_when(tp) / HZ);
	case TCP_KEEPINTVL:
		return put(to, keepalive_intvl_when(tp) / HZ);
	case TCP_KEEPCNT:
		return put(to, keepalive_probes(tp));
	case TCP_SYNCNT:
		return put(to, READ_ONCE(icsk->icsk_syn_retries) ?:
				       READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_syn_retries));
	case TCP_LINGER2:
		return read_linger2(sk, to);
	case TCP_QUICKACK:
		return put(to, !inet_csk_in_pingpong_mode(sk));
	case TCP_TIMESTAMP:
		return read_timestamp(tp, to);
	case TCP_WINDOW_CLAMP:
		return put(to, READ_ONCE(tp->window_clamp));
	default:
		return -ENOPROTOOPT;
	}
}

static int read_mtu(struct sock *sk, u8 *to)
{
	struct dst_entry *dst = sk_dst_get(sk);
	u32 mtu = 0;

	if (dst) {
		mtu = dst_mtu(dst);
		dst_release(dst);
	}
	return mtu ? put(to, mtu) : -ENOTCONN;
}

static int read_ip(struct sock *sk, u32 name, u8 *to)
{
	int ttl = READ_ONCE(inet_sk(sk)->uc_ttl);

	switch (name) {
	case IP_TTL:
		return put(to, ttl >= 0 ? ttl :
					  READ_ONCE(sock_net(sk)->ipv4.sysctl_ip_default_ttl));
	case IP_MTU:
		return read_mtu(sk, to);
	case IP_MTU_DISCOVER:
		return put(to, READ_ONCE(inet_sk(sk)->pmtudisc));
	default:
		return -ENOPROTOOPT;
	}
}

static int read_hops(struct sock *sk, u8 *to)
{
	int hops = inet6_sk(sk)->hop_limit;	/* a bit field once */
	struct dst_entry *dst;

	if (hops < 0) {
		dst = sk_dst_get(sk);
		if (dst)
			hops = ip6_dst_hoplimit(dst);
		dst_release(dst);
	}
	return put(to, hops >= 0 ? hops : READ_ONCE(sock_net(sk)->ipv6.devconf_all->hop_limit));
}

static int read_ipv6(struct sock *sk, u32 name, u8 *to)
{
	switch (name) {
	case IPV6_UNICAST_HOPS:
		return read_hops(sk, to);
	case IPV6_MTU:
		return read_mtu(sk, to);
	default:
		return -ENOPROTOOPT;
	}
}

/**
 * tcps_getopt() - read an option of the native socket
 * @ep: endpoint, with one
 * @level: level
 * @name: name
 * @value: WIRE_OPT_READ bytes
 * @room: bytes that will be sent of them; for what may not be cut, on -EINVAL, how many it has
 *
 * Return: its size, or -ENOPROTOOPT, -ENOTCONN, or -EINVAL.
 */
int tcps_getopt(struct tcps_endpoint *ep, u32 level, u32 name, u8 *value, u32 *room)
{
	struct sock *sk = ep->sock->sk;

	switch (level) {
	case SOL_TCP:
		return read_tcp(ep, name, value, room);
	case SOL_IP:
		return read_ip(sk, name, value);
	case SOL_IPV6:
		return sk->sk_family == AF_INET6 ? read_ipv6(sk, name, value) : -ENOPROTOOPT;
	default:
		return -ENOPROTOOPT;
	}
}
