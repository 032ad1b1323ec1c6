// SPDX-License-Identifier: GPL-2.0
/*
 * AF_MEMNET: creation, shutdown, close, registration.
 *
 * The family's number is only a door: inside, sockets are AF_INET or AF_INET6 with protocol
 * IPPROTO_MEMNET, so that core code (SO_REUSEPORT, cgroup hooks, SO_DOMAIN) treats them as what
 * they are. sk_state is the endpoint's (endpoint.c). All calls hold lock_sock(), which waits
 * for the node release.
 */
#include <linux/bpf-cgroup.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "memory.h"
#include "transmit.h"

unsigned int memnet_family_number = AF_MEMNET;

static struct lock_class_key slock_key, lock_key;

/*
 * Wakes writers when there is room; called under the endpoint's lock, or by whoever freed
 * something.
 */
static void memnet_write_space(struct sock *sk)
{
	struct memnet_endpoint *ep = memnet_sk(sk)->ep;
	struct socket_wq *wq;

	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (wq &&
	    (test_bit(SOCKWQ_ASYNC_NOSPACE, &wq->flags) ||
	     test_bit(SOCK_NOSPACE, &sk->sk_socket->flags)) &&
	    (!ep || ep->state == TCP_CLOSE || memnet_sndbuf_writable(ep, sk))) {
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		if (skwq_has_sleeper(wq))
			wake_up_interruptible_poll(&wq->wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
		if (wq->fasync_list && !(sk->sk_shutdown & SEND_SHUTDOWN))
			sock_wake_async(wq, SOCK_WAKE_SPACE, POLL_OUT);
	}
	rcu_read_unlock();
}

static void memnet_destruct(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);

	__skb_queue_purge(&sk->sk_error_queue);
	kfree(mn->native_ports);
	memnet_judged_free(mn);
	memnet_memory_destruct(sk);
	memnet_stat_dec(MEMNET_STAT_HOST_SOCKETS);
}

/* A cgroup's program for connect() may call bpf_bind(), which ends here, under lock_sock(). */
static int refuse_port(struct sock *sk, unsigned short port)
{
	return -EOPNOTSUPP;
}

/*
 * What sk_alloc() clears is not cleared before in a slab of this kind (init_on_alloc), and nobody
 * looks at a socket that may be gone. KASAN would not see who does.
 */
#define SLAB_FLAGS	(IS_ENABLED(CONFIG_KASAN) ? 0 : SLAB_TYPESAFE_BY_RCU)

struct proto memnet_prot = {
	.name		= "MEMNET",
	.owner		= THIS_MODULE,
	.obj_size	= sizeof(struct memnet_sock),
	.slab_flags	= SLAB_FLAGS,
	.keepalive	= memnet_keepalive,
#ifdef MEMNET_HAVE_proto_ioctl_value
	.ioctl		= memnet_proto_ioctl,
#endif
	.get_port	= refuse_port,
	.diag_destroy	= memnet_diag_destroy,
};

struct proto memnet6_prot = {
	.name		= "MEMNETv6",
	.owner		= THIS_MODULE,
	.obj_size	= sizeof(struct memnet6_sock),
	.slab_flags	= SLAB_FLAGS,
#ifdef MEMNET_HAVE_ipv6_pinfo_offset
	.ipv6_pinfo_offset = offsetof(struct memnet6_sock, inet6),
#endif
	.keepalive	= memnet_keepalive,
#ifdef MEMNET_HAVE_proto_ioctl_value
	.ioctl		= memnet_proto_ioctl,
#endif
	.get_port	= refuse_port,
	.diag_destroy	= memnet_diag_destroy,
};

/**
 * memnet_sock_alloc() - make an unconnected socket
 * @net: its namespace
 * @sock: what user space holds
 * @family: AF_INET or AF_INET6
 * @gfp: how to allocate
 * @kern: made for the kernel
 *
 * Return: the socket or NULL.
 */
struct sock *memnet_sock_alloc(struct net *net, struct socket *sock, int family, gfp_t gfp,
			       int kern)
{
	struct proto *prot = family == AF_INET6 ? &memnet6_prot : &memnet_prot;
	struct sock *sk = sk_alloc(net, family, gfp, prot, kern);
	struct memnet_sock *mn = memnet_sk(sk);

	if (!sk)
		return NULL;
	sock_init_data(sock, sk);
	sock_lock_init_class_and_name(sk, "slock-AF_MEMNET", &slock_key, "sk_lock-AF_MEMNET",
				      &lock_key);
	sk->sk_type = SOCK_STREAM;
	sk->sk_protocol = IPPROTO_MEMNET;
	sk->sk_destruct = memnet_destruct;
	sk->sk_write_space = memnet_write_space;
	if (family == AF_INET6)
		inet_sk(sk)->pinet6 = &((struct memnet6_sock *)sk)->inet6;
	memnet_init_options(sk);
	INIT_LIST_HEAD(&mn->link_node);
	memnet_stat_inc(MEMNET_STAT_HOST_SOCKETS);
	return sk;
}

static int memnet_create(struct net *net, struct socket *sock, int protocol, int kern)
{
	struct sock *sk;
	int ret;

	if (sock->type != SOCK_STREAM)
		return -ESOCKTNOSUPPORT;
	if (protocol != MEMNET_PROTO_IPV4 && protocol != MEMNET_PROTO_IPV6)
		return -EPROTONOSUPPORT;
	if (!kern && !memnet_group_may(net))
		return -EACCES;
	sock->ops = &memnet_stream_ops;
	sock->state = SS_UNCONNECTED;
	memnet_custom_sockopt(sock);
	set_bit(SOCK_SUPPORT_ZC, &sock->flags);
	sk = memnet_sock_alloc(net, sock, protocol == MEMNET_PROTO_IPV6 ? AF_INET6 : AF_INET,
			       GFP_KERNEL, kern);
	if (!sk)
		return -ENOMEM;
	ret = kern ? 0 : BPF_CGROUP_RUN_PROG_INET_SOCK(sk);
	if (ret) {
		sock_orphan(sk);
		sock->sk = NULL;
		sock_put(sk);
		return ret;
	}
	memnet_socket_list(sk);
	return 0;
}

static int memnet_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep;
	int ret = 0;
	u8 next;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	how++;	/* RCV_SHUTDOWN, SEND_SHUTDOWN, both */
	if (memnet_delegated(mn))
		return mn->native->ops->shutdown(mn->native, how - 1);
	lock_sock(sk);
	ep = mn->ep;
	/* As inet_shutdown(): what the next connect() finds. */
	if (sock->state == SS_CONNECTING)
		sock->state = sk->sk_state == TCP_SYN_SENT || sk->sk_state == TCP_CLOSE ?
			      SS_DISCONNECTING : SS_CONNECTED;
	switch (sk->sk_state) {
	case TCP_CLOSE:
		ret = -ENOTCONN;
		WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | how);
		break;
	case TCP_LISTEN:
		if (how & RCV_SHUTDOWN)
			memnet_disconnect(sock);
		else
			WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | how);
		break;
	case TCP_SYN_SENT:
		memnet_disconnect(sock);
		break;
	default:
		spin_lock_bh(&ep->lock);
		WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | how);
		if (how & RCV_SHUTDOWN)
			memnet_recv_jobs_cancel(ep);
		if (how & SEND_SHUTDOWN && !ep->tx.fin) {
			ep->tx.fin = true;
			next = ep->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT1;
			memnet_endpoint_change_state(ep, next);
			memnet_transmit(ep);
		}
		spin_unlock_bh(&ep->lock);
		if (how & SEND_SHUTDOWN)
			memnet_send_jobs_shut(ep);
	}
	sk->sk_state_change(sk);
	release_sock(sk);
	return ret;
}

/* Lingering close: waits until the node says CLOSED or the time is over. */
static void wait_closed(struct sock *sk, struct memnet_endpoint *ep, long timeo)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);

	add_wait_queue(sk_sleep(sk), &wait);
	while (!READ_ONCE(ep->gone) && timeo && !signal_pending(current)) {
		release_sock(sk);
		timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, timeo);
		lock_sock(sk);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
}

static void close_endpoint(struct sock *sk)
{
	struct memnet_sock *mn = memnet_sk(sk);
	struct memnet_endpoint *ep = mn->ep;
	long linger = sk->sk_lingertime;
	u32 flags = 0, ms = 0;

	if (!ep)
		return;
	memnet_listener_leave(mn);
	if (ep->connected && ep->state != TCP_CLOSE) {
		if (!skb_queue_empty_lockless(&ep->rx.queue) ||
		    (sock_flag(sk, SOCK_LINGER) && !linger)) {
			flags = WIRE_F_ABORT;
		} else if (sock_flag(sk, SOCK_LINGER) && !(current->flags & PF_EXITING)) {
			flags = WIRE_F_LINGER;
			ms = min_t(long, linger, MEMNET_ORPHAN_MS / 1000 * HZ) * (1000 / HZ);
		}
	}
	memnet_endpoint_close(ep, flags, ms);
	if (flags == WIRE_F_LINGER)
		wait_closed(sk, ep, linger);
	spin_lock_bh(&ep->lock);
	ep->sk = NULL;
	spin_unlock_bh(&ep->lock);
	WRITE_ONCE(mn->ep, NULL);
	memnet_transmit_reap(ep);
	memnet_endpoint_put(ep);
}

static int memnet_release(struct socket *sock)
{
	struct sock *sk = sock->sk;

	if (!sk)
		return 0;
	if (!sk->sk_kern_sock)
		BPF_CGROUP_RUN_PROG_INET_SOCK_RELEASE(sk);
	sock_hold(sk);
	lock_sock(sk);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	close_endpoint(sk);
	memnet_socket_unlist(sk);
	memnet_native_release(memnet_sk(sk));
	/* Pairs with memnet_poll(): what the state tells is in place. */
	smp_store_release(&sk->sk_state, TCP_CLOSE);
	sock_orphan(sk);
	sock->sk = NULL;
	release_sock(sk);
	sock_put(sk);
	sock_put(sk);
	return 0;
}

const struct proto_ops memnet_stream_ops = {
	.family		= PF_INET,
	.owner		= THIS_MODULE,
	.release	= memnet_release,
	.bind		= memnet_bind,
	.connect	= memnet_connect,
	.socketpair	= sock_no_socketpair,
	.accept		= memnet_accept,
	.getname	= memnet_getname,
	.poll		= memnet_poll,
	.ioctl		= memnet_ioctl,
	.listen		= memnet_listen,
	.shutdown	= memnet_shutdown,
	.setsockopt	= memnet_setsockopt,
	.getsockopt	= memnet_getsockopt,
	.sendmsg	= memnet_sendmsg,
	.recvmsg	= memnet_recvmsg,
	.mmap		= sock_no_mmap,
	.gettstamp	= sock_gettstamp,
	.set_rcvlowat	= memnet_set_rcvlowat,
	.set_peek_off	= memnet_set_peek_off,
#ifdef MEMNET_HAVE_splice_eof
	.splice_eof	= memnet_splice_eof,
#endif
#ifndef MEMNET_HAVE_splice_pages
	.sendpage	= memnet_sendpage,
#endif
};

static struct net_proto_family family = {
	.create	= memnet_create,
	.owner	= THIS_MODULE,
};

/**
 * memnet_family_init() - open the door
 *
 * Return: 0 or a negative errno, -EEXIST if the number is taken.
 */
int memnet_family_init(void)
{
	int ret;

	memnet_memory_init(&memnet_prot);
	memnet_memory_init(&memnet6_prot);
	ret = proto_register(&memnet_prot, 1);
	if (ret)
		return ret;
	ret = proto_register(&memnet6_prot, 1);
	if (ret)
		goto prot;
	family.family = memnet_family_number;
	ret = sock_register(&family);
	if (ret)
		goto prot6;
	return 0;
prot6:
	proto_unregister(&memnet6_prot);
prot:
	proto_unregister(&memnet_prot);
	return ret;
}

/**
 * memnet_family_exit() - close the door
 */
void memnet_family_exit(void)
{
	sock_unregister(memnet_family_number);
	proto_unregister(&memnet6_prot);
	proto_unregister(&memnet_prot);
}
