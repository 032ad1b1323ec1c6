/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memnet.ko: the host's side, mapped.
 *
 *   main.c        parameters, load and unload
 *   link.c        links: connecting, reconnecting, death; choice of a channel
 *   listener.c    listeners, and what becomes of them when their link goes
 *   endpoint.c    endpoints: ids, state, death, closing and orphans
 *   receive.c     messages from the node
 *   rcv_window.c  how far the node may send
 *   transmit.c    its outgoing queue: what is sent when
 *   sndbuf.c      the buffers of that queue, and how many there may be
 *   memory.c      memory, charged to the group of who made the socket
 *   job.c         jobs: bytes of registered memory on their way out
 *   send_job.c    asynchronous sends: batches of jobs
 *   direct.c      a send from registered memory that waits for its end
 *   recv_job.c    bytes that land in registered memory
 *   region.c      registered memory: pinned, charged, mapped for a link
 *   context.c     /dev/memnet
 *   submit.c      jobs as programs submit them
 *   uring.c       the same by io_uring
 *   copy.c        registered memory and sockets that are not offloaded
 *   result.c      results of jobs, and who waits for them
 *   area.c        counters that the node writes and programs read
 *   request.c     requests that wait for the node's answer
 *   family.c      AF_MEMNET: create, shutdown, release
 *   group.c       who may make sockets: net.memnet.group_range
 *   address.c     addresses and names
 *   bind.c        opening the endpoint, bind, listen
 *   accept.c      accept
 *   connect.c     connect
 *   send.c        sending calls
 *   cork.c        what waits a moment for more to come with it
 *   zerocopy.c    sending without a copy
 *   recv.c        receiving calls, poll, ioctls
 *   urgent.c      urgent data
 *   sockopt.c     setsockopt and getsockopt
 *   sock_level.c  options of SOL_SOCKET
 *   option.c      options that are integers, and their copies on the node
 *   inherit.c     what accepted sockets have of their listeners
 *   judged.c      options that TCP may refuse
 *   ktls.c        sockets whose bytes the node encrypts and decrypts
 *   native.c      sockets that stay in the host's own stack: loopback and excluded ports
 *   sockets.c     all sockets of a namespace, for who looks from outside
 *   netlink.c     links and sockets for memnetctl
 *   proc.c        /proc/net/memnet
 *   diag.c        sock_diag: sockets shown, and destroyed
 *
 * What is of options is in option.h, of sending in transmit.h, of memory's groups in memory.h, of
 * kTLS in ktls.h, of registered memory and its jobs in region.h, context.h, job.h and submit.h.
 *
 * Lock order: lock_sock(sk), then endpoint.lock (BH), then the channel's tx.lock. Messages
 * arrive in softirq and take endpoint.lock only, so they never wait for a process that sleeps
 * in a call.
 */
#ifndef MEMNET_HOST_H
#define MEMNET_HOST_H

#include <linux/ipv6.h>
#include <linux/llist.h>
#include <linux/memnet.h>
#include <linux/net.h>
#include <linux/tls.h>
#include <linux/wait.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "core.h"
#include "netlink.h"
#include "option.h"

#define MEMNET_ORPHAN_MS	60000	/* for a closed socket's bytes to leave the host */
#define MEMNET_MAX_WINDOW	(256 * 1024)

struct memnet_link;
struct memnet_area;
struct memnet_inherited;

/**
 * struct link_channel - a channel of a link and the endpoints on it
 * @link:	its link, held
 * @ch:		the channel, held
 * @endpoints:	by index: the host's half by memnet_endpoint_open(), the node's half by
 *		NEW_CONNECTION
 * @gens:	last generation of each index of the host's half; who reserved the index
 * @opened:	endpoints of the host's half
 * @moved:	what has gone through it: tx_* and stalls under the channel's tx.lock, rx_* by its
 *		receiver
 * @lost:	endpoints of the dead channel with jobs under way; of the link's work alone
 * @refs:	the link and every endpoint
 */
struct link_channel {
	struct memnet_link	*link;
	struct memnet_channel	*ch;
	struct memnet_table	endpoints;
	u16			*gens;
	atomic_t		opened;
	struct memnet_nl_counters moved;
	struct list_head	lost;
	refcount_t		refs;
};

/**
 * struct memnet_answer - what came of a request
 * @done:	it is here
 * @sent:	stream position when the request left
 * @error:	result, negative errno
 * @value:	of QUERY
 * @buffer:	of GETOPT: where the value goes; the asker's
 * @len:	its size
 * @local:	local address
 * @peer:	peer's address
 */
struct memnet_answer {
	bool			done;
	u64			sent;
	int			error;
	u64			value;
	void			*buffer;
	u32			len;
	struct wire_addr	local;
	struct wire_addr	peer;
};

/**
 * struct memnet_request - CONNECT, and the one other request of an endpoint, that wait for answers
 * @skb:	the message while it is not sent and not in the stream's order
 * @last:	number of the last request
 * @seq:	number of the last one that was not CONNECT
 * @connect_seq: number of the last CONNECT
 * @late_seq:	number of one that failed with the connection, before its answer
 * @room:	bytes the answer may have as payload
 * @busy:	sent or about to be, not answered
 * @connecting:	so is CONNECT
 * @late:	the answer to @late_seq may come yet, for nobody
 * @ktls:	what it sets of enum memnet_ktls, or 0
 * @answer:	of who waits for it, NULL where nobody does
 * @wait:	woken with the answer
 */
struct memnet_request {
	struct sk_buff		*skb;
	u16			last;
	u16			seq;
	u16			connect_seq;
	u16			late_seq;
	u16			room;
	bool			busy;
	bool			connecting;
	bool			late;
	u8			ktls;
	struct memnet_answer	*answer;
	wait_queue_head_t	wait;
};

/**
 * struct memnet_endpoint - one socket's presence on the node
 * @lock:	all fields but @refs, @wmem, and those that never change
 * @state:	TCP_*; changed by memnet_endpoint_change_state() only; copied to the socket
 * @lc:		its channel; NULL when it never had one or lost it
 * @index:	its id there
 * @gen:	generation of @index
 * @sk:		its socket; NULL before accept() and after close()
 * @payer:	socket that is charged for its memory, held; NULL for none; set once, see memory.c
 * @net_cookie:	of the namespace of its socket, 0 before it had one
 * @error:	errno of a death that no socket has seen yet
 * @connected:	was established once: DATA may come
 * @gone:	off the table for good
 * @aborted:	reset by an administrator: what comes of the stream is passed over
 * @ktls:	enum memnet_ktls, what the node has said yes to
 * @crypto:	version and cipher of TLS_TX and TLS_RX; under lock_sock()
 * @dying:	its channel is dead, and somebody sees to what that means for it
 * @lost:	its channel is dead, and the device perhaps not done with the memory of its jobs:
 *		they end when it is
 * @lost_node:	on lc->lost then
 * @tx:		outgoing queue, see transmit.c; positions count from the stream's start
 * @rx:		incoming queue; positions count bytes of DATA
 * @request:	see request.c
 * @listener:	of a listening endpoint: the children nobody has accepted
 * @inherited:	child: what its listener handed down, until accept(); not under the lock, since
 *		who has the child off the queue has it alone
 * @area:	where its counter is; set under lock_sock() by its first asynchronous job
 * @slot:	of @area
 * @local:	local address, once the node has told it
 * @peer:	peer's address
 * @node:	child: on the listener's queue
 * @wmem:	bytes of memory in outgoing buffers, posted ones included
 * @waiter:	to be resumed when the channel can send again; holds a reference while @tx.waiting
 * @orphan:	ends a closed endpoint that does not drain
 * @patience:	sends what has waited for more; holds a reference while @tx.patient
 * @refs:	table, socket, listener's queue, waiter, timers, each outgoing buffer
 * @rcu:	frees it
 */
struct memnet_endpoint {
	spinlock_t		lock;		/* everything but what says otherwise */
	u8			state;
	u16			gen;
	u32			index;
	struct link_channel	*lc;
	struct sock		*sk;
	struct sock		*payer;
	u64			net_cookie;
	int			error;
	bool			connected;
	bool			gone;
	bool			aborted;
	u8			ktls;
	struct tls_crypto_info	crypto[2];
	bool			dying;
	bool			lost;
	struct list_head	lost_node;

	struct {
		struct list_head	queue;		/* struct memnet_entry */
		struct list_head	jobs;		/* not taken yet, in the stream's order */
		u64			offset;		/* bytes of the first entry already sent */
		u64			end;		/* position after the last queued byte */
		u64			sent;
		u64			limit;		/* the node's window */
		u64			consumed;	/* taken by the node's TCP */
		u64			asked;	/* limit + 1 of WANT_WINDOW, 0 if answered */
		u64			tell;	/* position the node is to tell of, 0 for none */
		u64			urgent;	/* position after an urgent byte, 0 for none */
		u64			record_end;	/* of a TLS record TCP is to take first */
		u32			n_jobs;		/* of @jobs */
		u32			n_waited;	/* of them: somebody waits for it */
		u32			n_controls;	/* messages in @queue */
		u64			options;	/* bits of values the node is to have */
		bool			fin;		/* end of stream follows the queue */
		bool			fin_sent;
		bool			want;		/* wait for window with nothing queued */
		bool			held;		/* the last DATA announced more */
		bool			patient;	/* @patience runs */
		bool			cork_due;	/* TCP_CORK, see cork.c */
		bool			counter_due;	/* the node is to know of @area's counter */
		bool			waiting;	/* registered with the channel */
		bool			close;		/* CLOSE follows everything */
		bool			close_sent;
		u8			close_flags;
		u32			linger_ms;
	} tx;

	struct {
		struct sk_buff_head	queue;
		u32			offset;		/* bytes of the first buffer already read */
		u64			received;
		u64			copied;		/* read by the application */
		u64			limit;		/* granted to the node */
		u64			end;		/* after a reset: where the stream ends */
		u32			window;
		u32			max_window;
		u64			grown;		/* @copied when @window last grew */
		u32			pages;		/* held in @queue */
		u32			memory;		/* bytes of it */
		bool			fin;
		bool			ended;		/* in order: by @fin, or before the reset */
		bool			peer_wants;	/* WANT_WINDOW is to be answered */
		bool			publish;	/* the window word is to be written */
		bool			tell;		/* WINDOW is to be sent */

		struct list_head	jobs;		/* see recv_job.c */
		u32			n_jobs;
		u32			in_flight;	/* those the node knows of */
		u32			next_id;	/* of jobs */
		bool			jobs_due;	/* the node is to be told of some */
		int			error;		/* of the connection's death */
		u64			placed;		/* bytes written by the node */

		u8			record;		/* type of the last record, see ktls.c */
		bool			record_open;	/* the rest is to come */
		bool			held;		/* what is unread may be TLS's */
		bool			telling;	/* the node is to know what has been read */
		bool			tell_due;
		u64			record_at;	/* where @record begins */

		u16			urg;		/* see urgent.c */
		u8			urg_byte;
		bool			urg_due;
		u64			urg_pos;
		u64			urg_old;
	} rx;

	struct memnet_request	request;

	struct {
		struct list_head	queue;
		u32			queued;
		u32			backlog;
		u32			collected;	/* not yet told by ACCEPTED */
		struct memnet_inherited	*inherited;	/* by children that come, see inherit.c */
	} listener;

	struct memnet_inherited	*inherited;

	struct memnet_area	*area;
	u16			slot;
	struct wire_addr	local;
	struct wire_addr	peer;
	struct list_head	node;
	atomic_t		wmem;
	struct memnet_waiter	waiter;
	struct timer_list	orphan;
	struct timer_list	patience;
	refcount_t		refs;
	struct rcu_head		rcu;
};

/**
 * enum memnet_entry_kind - what may stand in an endpoint's outgoing queue
 * @MEMNET_ENTRY_DATA:	a buffer of bytes
 * @MEMNET_ENTRY_CONTROL: a buffer whose linear part is a whole message, struct wire_msg
 * @MEMNET_ENTRY_JOB:	bytes of a region, struct memnet_job
 */
enum memnet_entry_kind {
	MEMNET_ENTRY_DATA,
	MEMNET_ENTRY_CONTROL,
	MEMNET_ENTRY_JOB,
};

/**
 * struct memnet_entry - an entry of an endpoint's outgoing queue
 * @node:	on the queue
 * @kind:	enum memnet_entry_kind
 * @more:	the application announced more
 * @record:	data: type of the TLS record, 0 for application's data
 */
struct memnet_entry {
	struct list_head	node;
	u8			kind;
	bool			more;
	u8			record;
};

/**
 * struct memnet_cb - control block of an outgoing buffer
 * @entry:	its place in the queue
 * @ep:		charged endpoint, held
 * @charged:	bytes charged to @ep->wmem
 */
struct memnet_cb {
	struct memnet_entry	entry;
	struct memnet_endpoint	*ep;
	u32			charged;
};

static inline struct memnet_cb *memnet_cb(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct memnet_cb) > sizeof(skb->cb));
	return (struct memnet_cb *)skb->cb;
}

/*
 * The end of a connection is written under the lock, state first: who has seen the state and looks
 * for the error passes through here.
 */
static inline void memnet_endpoint_settle(struct memnet_endpoint *ep)
{
	spin_lock_bh(&ep->lock);
	spin_unlock_bh(&ep->lock);
}

/* An errno from the node: what kernels say among themselves is not for programs, nor the VFS. */
static inline int memnet_errno(__le32 error)
{
	return le32_to_cpu(error) < 512 ? le32_to_cpu(error) : EIO;
}

/* The buffer of an entry that is not a job. */
static inline struct sk_buff *memnet_entry_skb(struct memnet_entry *entry)
{
	return container_of((void *)container_of(entry, struct memnet_cb, entry), struct sk_buff,
			    cb);
}

struct memnet_kept;

/**
 * struct memnet_sock - an AF_MEMNET socket
 * @inet:	first, so that core code finds an inet socket
 * @ep:		the endpoint, from bind, listen, connect or accept on; under lock_sock(), read
 *		by pollers
 * @native:	native socket all calls are delegated to, or of an offloaded listener the one on
 *		loopback; changed under lock_sock(). A delegated socket keeps it until close, so
 *		who has seen @delegated may use it. A listener's is taken off here when it stops
 *		listening, and released a grace period later: who does not hold lock_sock()
 *		(poll) loads it once, under RCU
 * @reserved:	of a socket bound to a wildcard address on the node, not listening yet: the native
 *		socket that has the port on loopback; under lock_sock()
 * @native_error: error of @native that was copied to sk_err and that nobody has been told yet;
 *		under sk_callback_lock of @native
 * @delegated:	every call goes to @native
 * @bound:	address of a bind(), as the node made it; family 0 for none; under lock_sock()
 * @privileged:	it may have a port below 1024; under lock_sock()
 * @unready:	@ep is being opened, or the node has not taken all it is to know of it: options
 *		and address; under lock_sock()
 * @in_use:	a listener whose port the node had for somebody else when it was to be set up again:
 *		how often that was tried; under lock_sock()
 * @refused:	a listener that the node would not have again: sk_err says why; under lock_sock()
 * @opt:	option values, of SOL_SOCKET as the node was told; under lock_sock()
 * @opt_set:	bit i: @opt[i] was set and is to be copied to the node; under lock_sock()
 * @changed:	of a listener: what was told since it listens; of a new child: what it is to be
 *		told; under lock_sock()
 * @kept:	values that TCP has accepted, NULL for what was not set; under lock_sock()
 * @native_ports: ports that stay native
 * @n_native_ports: how many
 * @disconnects: how often connect(AF_UNSPEC) was called; who slept meanwhile has no business with
 *		what the socket is now; under lock_sock()
 * @link:	listening through a node: the link, held; NULL while there is none; see listener.c
 * @link_node:	on its list, to be set up again; the list holds the socket
 * @held:	bytes of memory of the endpoints it pays for
 * @unsettled:	on the list of those to be settled, which holds the socket
 * @settling:	it is there; by cmpxchg()
 * @out_of_memory: its group had no room for what was to be sent last; under lock_sock(), read by
 *		pollers
 * @born:	its number among the sockets of its namespace, 0 for one not listed; see sockets.c
 * @listed:	by its cookie; under the list's lock, as @born
 */
struct memnet_sock {
	struct inet_sock	inet;
	struct memnet_endpoint	*ep;
	struct socket		*native;
	struct socket		*reserved;
	int			native_error;
	bool			delegated;
	struct wire_addr	bound;
	bool			privileged;
	bool			unready;
	u8			in_use;
	bool			refused;
	int			opt[MEMNET_OPT_END];
	u64			opt_set;
	u64			changed;
	struct memnet_kept	*kept[MEMNET_JUDGED_END];
	struct memnet_port_range *native_ports;
	u32			n_native_ports;
	unsigned int		disconnects;
	struct memnet_link	*link;
	struct list_head	link_node;
	atomic_t		held;
	struct llist_node	unsettled;
	int			settling;
	bool			out_of_memory;
	u64			born;
	struct hlist_node	listed;
};

/**
 * struct memnet6_sock - an IPv6 AF_MEMNET socket
 * @mn:		first
 * @inet6:	last, where 6.1 looks for it
 */
struct memnet6_sock {
	struct memnet_sock	mn;
	struct ipv6_pinfo	inet6;
};

static inline struct memnet_sock *memnet_sk(const struct sock *sk)
{
	return (struct memnet_sock *)sk;
}

/**
 * struct memnet_link - one host-node association
 * @list:	all links; changed under a mutex, walked under RCU
 * @cfg:	as the administrator wants it; never changes
 * @transport:	namespace of the rdma_cm ids, held
 * @served:	namespace whose sockets use the link; its end hands them back to @transport;
 *		under @lock
 * @lock:	(BH) @served, @state, @reason, @deleted and @lc[]
 * @state:	changed by link_change_state() only
 * @reason:	why it last went down
 * @attempts:	since it was last up
 * @reconnects:	times it came up, the first included
 * @n_channels:	channels to connect
 * @lc:		channels while up; entries are replaced, never reused
 * @listeners:	listening sockets, see listener.c
 * @domain:	protection domain while connected; the worker's
 * @failed:	a channel died: the worker is to take the link down
 * @deleted:	to be taken down for good
 * @next_try:	jiffies before which not to connect again
 * @work:	the only one that connects and takes down
 * @restore:	sets listeners up again after a reconnect
 * @who:	identity
 * @endpoints:	endpoints alive on it
 * @closed:	endpoints of it that are gone, counted
 * @moved:	by former sessions; under @lock
 * @refs:	list, each link_channel, each listening socket
 * @rcu:	frees it
 */
struct memnet_link {
	struct list_head	list;
	struct memnet_nl_link_cfg cfg;
	struct net		*transport;
	struct net		*served;
	spinlock_t		lock;		/* served, state, reason, deleted, lc */
	enum memnet_link_state	state;
	u32			reason;
	u32			attempts;
	u64			reconnects;
	u32			n_channels;
	struct link_channel	*lc[WIRE_MAX_CHANNELS];
	struct list_head	listeners;
	struct memnet_domain	*domain;
	bool			failed;
	bool			deleted;
	unsigned long		next_try;
	struct delayed_work	work;
	struct delayed_work	restore;
	struct memnet_identity	who;
	atomic_t		endpoints;
	atomic_t		closed;
	struct memnet_nl_counters moved;
	refcount_t		refs;
	struct rcu_head		rcu;
};

/* link.c */
extern struct list_head memnet_links;
int memnet_links_init(void);
void memnet_links_exit(void);
int memnet_link_add(struct net *net, const struct memnet_nl_link_cfg *cfg,
		    struct netlink_ext_ack *extack);
int memnet_link_del(struct net *net, const char *name, struct netlink_ext_ack *extack);
int memnet_link_set_netns(struct net *net, const char *name, struct net *target,
			  struct netlink_ext_ack *extack);
struct link_channel *memnet_link_pick(struct memnet_link *link, struct net *net);
struct link_channel *memnet_link_choose(struct net *net);
bool memnet_link_serves(struct net *net);
void memnet_links_offer(void);
void memnet_lc_put(struct link_channel *lc);
void memnet_link_count(struct memnet_nl_counters *sum, const struct link_channel *lc);
struct link_channel *memnet_link_channel(struct memnet_link *link, unsigned int number);
void memnet_link_put(struct memnet_link *link);

/* listener.c */
void memnet_listener_enlist(struct memnet_sock *mn, struct memnet_link *link);
void memnet_listener_leave(struct memnet_sock *mn);
struct memnet_link *memnet_listener_link(struct memnet_sock *mn);
bool memnet_listeners_restore(struct memnet_link *link);
void memnet_listeners_evict(struct memnet_link *link);

/* endpoint.c */
extern unsigned long memnet_max_pages;
int memnet_endpoints_init(void);
void memnet_endpoints_exit(void);
struct memnet_endpoint *memnet_endpoint_create(gfp_t gfp);
int memnet_endpoint_open(struct memnet_endpoint *ep, struct link_channel *lc);
void memnet_endpoint_put(struct memnet_endpoint *ep);
bool memnet_endpoint_change_state(struct memnet_endpoint *ep, u8 next);
void memnet_endpoint_wake(struct memnet_endpoint *ep, unsigned int why);
void memnet_endpoint_attach(struct memnet_endpoint *ep, struct sock *sk);
void memnet_endpoint_close(struct memnet_endpoint *ep, u32 flags, u32 linger_ms);
int memnet_endpoint_abort(struct memnet_endpoint *ep, int error);
void memnet_endpoint_kill(struct memnet_endpoint *ep, struct link_channel *lc, int error);
struct memnet_endpoint *memnet_endpoint_closing(struct memnet_link *link, __be16 port);
void memnet_endpoint_lost(struct link_channel *lc);
void memnet_endpoint_stopped(struct link_channel *lc);
struct memnet_endpoint *memnet_endpoint_next_child(struct memnet_endpoint *ep);
void memnet_endpoint_dead(struct memnet_endpoint *ep, int error, struct list_head *drop);
void memnet_endpoint_gone(struct memnet_endpoint *ep);

static inline struct memnet_endpoint *memnet_endpoint_get(struct memnet_endpoint *ep)
{
	refcount_inc(&ep->refs);
	return ep;
}

#define MEMNET_WAKE_READ	0x1
#define MEMNET_WAKE_WRITE	0x2
#define MEMNET_WAKE_STATE	0x4
#define MEMNET_WAKE_ERROR	0x8

/* receive.c */
extern const struct memnet_channel_ops memnet_host_channel_ops;

/* rcv_window.c */
void memnet_rcv_window_init(struct memnet_endpoint *ep);
void memnet_rcv_window_end(struct memnet_endpoint *ep);
void memnet_rcv_window_bound(struct memnet_endpoint *ep, int rcvbuf);
void memnet_rcv_window_take(struct memnet_endpoint *ep, u32 bytes, struct sk_buff_head *done);
void memnet_rcv_window_free(struct memnet_endpoint *ep, struct sk_buff_head *done);
void memnet_rcv_window_open(struct memnet_endpoint *ep);
void memnet_rcv_window_consumed(struct memnet_endpoint *ep, u32 bytes, struct sk_buff_head *done);
bool memnet_rcv_window_need(struct memnet_endpoint *ep, u32 bytes);
bool memnet_rcv_window_enough(struct memnet_endpoint *ep, struct sock *sk);
int memnet_rcv_window_wanted(struct memnet_endpoint *ep, u64 seen);

/* job.c */
int memnet_jobs_init(void);
void memnet_jobs_exit(void);
void memnet_jobs_taken(struct memnet_endpoint *ep);
void memnet_jobs_fail(struct memnet_endpoint *ep, int error);

/* send_job.c */
void memnet_send_jobs_shut(struct memnet_endpoint *ep);

/* recv_job.c */
int memnet_recv_jobs_init(void);
void memnet_recv_jobs_exit(void);
void memnet_recv_jobs_run(struct memnet_endpoint *ep);
void memnet_recv_jobs_forgotten(struct memnet_endpoint *ep);
void memnet_recv_jobs_end(struct memnet_endpoint *ep, int error);
void memnet_recv_jobs_cancel(struct memnet_endpoint *ep);
int memnet_recv_jobs_transmit(struct memnet_endpoint *ep);
int memnet_recv_job_done(struct memnet_endpoint *ep, const struct wire_msg *msg);

/* context.c */
int memnet_context_init(void);
void memnet_context_exit(void);

/* request.c */
void memnet_post_control(struct memnet_endpoint *ep, struct sk_buff *skb);
int memnet_post(struct memnet_endpoint *ep, struct wire_msg *msg, gfp_t gfp);
int memnet_request_start(struct memnet_endpoint *ep, struct wire_msg *msg, bool ordered,
			 struct memnet_answer *answer);
int memnet_request(struct sock *sk, struct memnet_endpoint *ep, struct wire_msg *msg, bool ordered,
		   struct memnet_answer *answer);
int memnet_request_reply(struct memnet_endpoint *ep, struct memnet_rx *rx);
void memnet_request_fail(struct memnet_endpoint *ep, int error);

/* family.c */
extern unsigned int memnet_family_number;
extern struct proto memnet_prot, memnet6_prot;
extern const struct proto_ops memnet_stream_ops;
int memnet_family_init(void);
void memnet_family_exit(void);
struct sock *memnet_sock_alloc(struct net *net, struct socket *sock, int family, gfp_t gfp,
			       int kern);

/* group.c */
int memnet_group_init(void);
void memnet_group_exit(void);
bool memnet_group_may(struct net *net);

/* address.c */
int memnet_sockaddr_to_wire(const struct sockaddr *addr, int len, struct wire_addr *wire);
void memnet_wire_to_sockaddr(const struct wire_addr *wire, struct sockaddr_storage *ss);
void memnet_set_names(struct sock *sk, const struct wire_addr *local,
		      const struct wire_addr *peer);
int memnet_check_address(struct sock *sk, const struct sockaddr *addr, int len);
int memnet_getname(struct socket *sock, struct sockaddr *addr, int peer);

/* bind.c */
bool memnet_bound_elsewhere(struct sock *sk);
int memnet_open(struct sock *sk);
void memnet_renew_endpoint(struct sock *sk);
void memnet_drop_endpoint(struct sock *sk, u32 flags);
int memnet_bind(struct socket *sock, memnet_sockaddr *uaddr, int len);
int memnet_listen(struct socket *sock, int backlog);
int memnet_listener_restore(struct memnet_sock *mn, struct memnet_link *link);

/* accept.c */
#ifdef MEMNET_HAVE_proto_accept_arg
int memnet_accept(struct socket *sock, struct socket *newsock, struct proto_accept_arg *arg);
#else
int memnet_accept(struct socket *sock, struct socket *newsock, int flags, bool kern);
#endif

/* connect.c */
int memnet_disconnect(struct socket *sock);
void memnet_unconnect(struct socket *sock);
int memnet_connect_to_send(struct socket *sock, struct msghdr *msg);
int memnet_connect(struct socket *sock, memnet_sockaddr *uaddr, int len, int flags);

/* urgent.c */
int memnet_urgent_come(struct memnet_endpoint *ep, const struct wire_msg *msg);
void __memnet_urgent_arrive(struct memnet_endpoint *ep);
void __memnet_urgent_pass(struct memnet_endpoint *ep);
u32 memnet_urgent_ahead(const struct memnet_endpoint *ep, u32 from);
bool memnet_urgent_skips(struct sock *sk, struct memnet_endpoint *ep, u32 from);
bool memnet_urgent_at_mark(const struct memnet_endpoint *ep);
int memnet_urgent_recv(struct sock *sk, struct msghdr *msg, size_t len, int flags);

/* Called whenever rx.received or rx.placed has grown. */
static inline void memnet_urgent_arrive(struct memnet_endpoint *ep)
{
	if (unlikely(ep->rx.urg_due))
		__memnet_urgent_arrive(ep);
}

/* Called whenever rx.copied or rx.placed has grown. */
static inline void memnet_urgent_pass(struct memnet_endpoint *ep)
{
	if (unlikely(ep->rx.urg || ep->rx.urg_old))
		__memnet_urgent_pass(ep);
}

/* send.c */
int memnet_wait_connected(struct sock *sk, long *timeo);
int memnet_sendmsg(struct socket *sock, struct msghdr *msg, size_t len);
void memnet_splice_eof(struct socket *sock);
ssize_t memnet_sendpage(struct socket *sock, struct page *page, int offset, size_t size, int flags);

/* zerocopy.c */
int memnet_zerocopy_begin(struct sock *sk, const struct msghdr *msg, size_t len,
			  struct ubuf_info **told);
void memnet_zerocopy_end(const struct msghdr *msg, struct ubuf_info *told, int sent);
int memnet_zerocopy_fill(struct sk_buff *skb, struct msghdr *msg, size_t len,
			 struct ubuf_info *told);
int memnet_recv_error(struct socket *sock, struct msghdr *msg, size_t len, int flags);

/* recv.c */
int memnet_set_peek_off(struct sock *sk, int offset);
int memnet_set_rcvlowat(struct sock *sk, int bytes);
int memnet_recvmsg(struct socket *sock, struct msghdr *msg, size_t len, int flags);
int memnet_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);
int memnet_proto_ioctl(struct sock *sk, int cmd, int *value);
__poll_t memnet_poll(struct file *file, struct socket *sock, poll_table *wait);

/* sockopt.c */
int memnet_setsockopt(struct socket *sock, int level, int name, sockptr_t value, unsigned int len);
int memnet_getsockopt(struct socket *sock, int level, int name, char __user *value,
		      int __user *len);

/* inherit.c */
void memnet_copy_flags(struct sock *to, const struct sock *from);
void memnet_bequeath(struct sock *sk);
void memnet_inherit(struct memnet_endpoint *child, struct memnet_endpoint *listener);
void memnet_inherit_options(struct sock *sk, const struct sock *listener,
			    struct memnet_endpoint *child);
void memnet_inherited_put(struct memnet_inherited *in);

/* native.c */

/* For who does not hold lock_sock(): who sees the flag sees the native socket. */
static inline bool memnet_delegated(const struct memnet_sock *mn)
{
	return smp_load_acquire(&mn->delegated);	/* pairs with memnet_native_delegate() */
}

bool memnet_native_address(const struct sockaddr *addr, int family);
bool memnet_native_port(const struct memnet_sock *mn, __be16 port);
int memnet_native_create(struct sock *sk, struct socket **native);
int memnet_native_delegate(struct sock *sk);
int memnet_native_reserve(struct sock *sk, bool whole);
void memnet_native_unreserve(struct memnet_sock *mn);
int memnet_native_listen_loopback(struct sock *sk, int backlog);
void memnet_native_begin(struct memnet_sock *mn);
void memnet_native_end(struct memnet_sock *mn);
__poll_t memnet_native_poll(struct file *file, struct socket *native);
void memnet_native_adopt(struct sock *sk, struct socket *native);
void memnet_native_unlisten(struct memnet_sock *mn);
void memnet_native_release(struct memnet_sock *mn);
void memnet_native_setopt(struct memnet_sock *mn, int level, int name, int value);
int memnet_native_getsockopt(struct sock *sk, int level, int name, char __user *value,
			     int __user *len);

/* sockets.c */
int memnet_sockets_init(void);
void memnet_sockets_exit(void);
void memnet_socket_list(struct sock *sk);
void memnet_socket_unlist(struct sock *sk);
bool memnet_sockets_next(struct net *net, u64 *cursor, struct memnet_nl_socket_info *out);
struct sock *memnet_sockets_find(struct net *net, u64 cookie, struct memnet_nl_socket_info *out);

/* netlink.c */
int memnet_host_netlink_init(void);
void memnet_host_netlink_exit(void);

/* proc.c */
int memnet_proc_init(void);
void memnet_proc_exit(void);

/* diag.c */
int memnet_diag_destroy(struct sock *sk, int error);
int memnet_diag_init(void);
void memnet_diag_exit(void);

#endif /* MEMNET_HOST_H */
