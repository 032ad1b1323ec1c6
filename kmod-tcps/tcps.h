/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memnet_tcps.ko, the node: TCP sockets on behalf of hosts.
 *
 *   main.c       parameters, load and unload
 *   listener.c   rdma_cm listeners: admission of connection requests
 *   session.c    one host: its channels, their common life and death
 *   worker.c     a channel's worker: the endpoints that have something to do, in turns
 *   endpoint.c   endpoints: table, references, states
 *   receive.c    messages of the host: judged and queued, in softirq
 *   control.c    bind, listen, connect, options, queries
 *   getopt.c     options of native sockets, read
 *   ktls.c       native sockets that encrypt and decrypt
 *   native.c     native sockets: making, callbacks, releasing
 *   accept.c     accept pump: children of native listeners become endpoints
 *   tx_pump.c    bytes of the host to TCP, and the window the host gets for them
 *   rx_pump.c    bytes of TCP to the host
 *   recv_job.c   memory of the host that they are written to
 *   flush.c      messages an endpoint owes its host
 *   close.c      CLOSE: reset, background sending, linger
 *   policy.c     what hosts may do here
 *   cred.c       credentials that stand for (host, uid)
 *   netlink.c    answers to memnetctl
 *
 * Contexts. Messages come in softirq (receive.c) and native sockets call back in softirq
 * (native.c): both only note what happened and kick the endpoint. All else of an endpoint, every
 * use of its native socket included, happens in its channel's worker, one work item, so the
 * worker's fields need no lock. Nothing in it waits for the network. Sessions begin and end on
 * unbound work queues, one for each, since those that begin wait for others to end.
 *
 * Locks, outermost first: tcps_mutex (listeners and sessions), session.lock (mutex, its
 * channels), lock_sock of a native socket, sk_callback_lock, endpoint.lock (BH), the channel's
 * tx.lock.
 */
#ifndef MEMNET_TCPS_H
#define MEMNET_TCPS_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/llist.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <linux/tcp.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "core.h"
#include "netlink.h"

struct tcps_channel;
struct tcps_endpoint;
struct tcps_session;

/* ---- listeners ---- */

/**
 * struct tcps_listener - an address hosts connect to, and on which terms
 * @refs:	the list, each session
 * @node:	on tcps_listeners, under tcps_mutex
 * @net:	namespace of the address and of all native sockets; a reference is held
 * @tracker:	of that reference
 * @cfg:	terms; constant
 * @id:		rdma_cm id, NULL while the address or device is not there; of @setup
 * @setup:	sets the id up and, when its device went away, up again
 * @delay:	jiffies until the next try
 * @lock:	guards the following
 * @requests:	connection requests that wait for the worker
 * @waiting:	their number
 * @closing:	takes no more
 * @accept:	works on the requests
 * @refused:	connection requests turned away
 */
struct tcps_listener {
	refcount_t			refs;
	struct list_head		node;
	struct net			*net;
	netns_tracker			tracker;
	struct memnet_nl_tcps_cfg	cfg;

	struct rdma_cm_id		*id;
	struct delayed_work		setup;
	unsigned long			delay;

	spinlock_t			lock;	/* guards the following */
	struct list_head		requests;
	unsigned int			waiting;
	bool				closing;
	struct work_struct		accept;
	atomic_long_t			refused;
};

extern struct mutex tcps_mutex;
extern struct list_head tcps_listeners;

int tcps_listener_create(struct net *net, const struct memnet_nl_tcps_cfg *cfg, bool patient);
int tcps_listener_destroy(struct net *net, const struct sockaddr_storage *addr);
void tcps_listener_destroy_all(u32 reason);
void tcps_listener_put(struct tcps_listener *l);

/* ---- sessions ---- */

/**
 * enum tcps_session_state - life of a session; changed by session_change_state() only
 * @TCPS_SESSION_STARTING: channel 0 is being connected
 * @TCPS_SESSION_UP:	channel 0 is up, older sessions are gone: endpoints are served. One at a
 *			time of a host id and listener
 * @TCPS_SESSION_ENDING: being taken down
 * @TCPS_SESSION_DEAD:	nothing is left of it but its memory
 */
enum tcps_session_state {
	TCPS_SESSION_STARTING,
	TCPS_SESSION_UP,
	TCPS_SESSION_ENDING,
	TCPS_SESSION_DEAD,
};

/**
 * struct tcps_session - a host being served
 * @refs:	the list, and who looks at it
 * @node:	on tcps_sessions, under tcps_mutex; newer ones come later
 * @number:	counts sessions up
 * @listener:	who admitted it
 * @host_id:	identity of the host
 * @boot_id:	of the host
 * @nonce:	names the session on the wire
 * @addr:	the host's address
 * @lock:	guards @state, additions to @channels and @domain; @state becomes UP with
 *		tcps_mutex held as well
 * @state:	enum tcps_session_state
 * @reason:	why it ends: enum wire_reason, 0 while it does not
 * @nr_channels: as announced by the host
 * @domain:	protection domain of its channels
 * @channels:	its channels; set once, gone when the session is freed
 * @serving:	workers may run
 * @up:		work: channel 0 came up
 * @end:	work: takes the session down
 * @deadline:	work: channels that are not up by now never will be
 * @ended:	DEAD was reached
 * @endpoints:	their number
 * @pages:	received pages held for them
 * @messages:	messages of the host that wait, see receive.c
 * @extra:	bytes granted to the host beyond initial windows
 * @freed:	counts up when a child may find a place that was not there before; see
 *		tcps_endpoint_starve()
 * @starved_lock: guards @starved
 * @starved:	listening endpoints that wait for a free index
 */
struct tcps_session {
	refcount_t			refs;
	struct list_head		node;
	u32				number;
	struct tcps_listener		*listener;
	u64				host_id;
	u64				boot_id;
	u64				nonce;
	struct sockaddr_storage		addr;

	struct mutex			lock;	/* guards the following, to @serving */
	enum tcps_session_state		state;
	u32				reason;
	u8				nr_channels;
	struct memnet_domain		*domain;
	struct tcps_channel		*channels[WIRE_MAX_CHANNELS];
	bool				serving;

	struct work_struct		up;
	struct work_struct		end;
	struct delayed_work		deadline;
	struct completion		ended;

	atomic_t			endpoints;
	atomic_long_t			pages;
	atomic_t			messages;
	atomic_long_t			extra;

	atomic_t			freed;
	spinlock_t			starved_lock;	/* guards @starved */
	struct list_head		starved;
};

extern struct list_head tcps_sessions;

int tcps_session_request(struct tcps_listener *l, struct rdma_cm_id *id,
			 const struct wire_cm_req *req, u32 *reason);
void tcps_session_end(struct tcps_session *s, u32 reason);
void tcps_session_end_all(struct tcps_listener *l, u32 reason, bool wait);
void tcps_session_put(struct tcps_session *s);
bool tcps_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

/**
 * struct tcps_channel - a session's channel and the endpoints on it
 * @session:	the session
 * @ch:		the channel
 * @work:	the worker
 * @flags:	TCPS_CHANNEL_*
 * @ready:	endpoints that have something to do
 * @stalled:	worker: endpoints that could not send
 * @orphans:	worker: endpoints whose linger time is over and that still send
 * @dry:	worker: the last message was refused for lack of credits
 * @busy:	worker: endpoints are stalled for @unsent alone
 * @dead:	the worker does nothing any more
 * @waiter:	tells when sending may work again
 * @retry:	tells when there may be memory again
 * @endpoints:	by index; entries are freed by RCU
 * @gens:	generations of the node's half of the indices
 * @count:	entries of @endpoints
 * @unsent:	worker: bytes read from TCP that wait on rx.pending of all endpoints
 * @tx_bytes:	payload sent to the host
 * @tx_messages: messages sent to the host
 * @rx_bytes:	payload from the host
 * @rx_messages: messages from the host
 * @credit_stalls: sends that waited for credits
 * @window_stalls: times an endpoint ran out of window
 */
struct tcps_channel {
	struct tcps_session		*session;
	struct memnet_channel		*ch;

	struct work_struct		work;
	unsigned long			flags;
	struct llist_head		ready;
	struct list_head		stalled;
	struct list_head		orphans;
	bool				dry;
	bool				busy;
	bool				dead;
	struct memnet_waiter		waiter;
	struct timer_list		retry;

	struct memnet_table		endpoints;
	u16				*gens;
	atomic_t			count;

	u64				unsent;
	u64				tx_bytes;
	u64				tx_messages;
	u64				rx_bytes;
	u64				rx_messages;
	u64				credit_stalls;
	u64				window_stalls;
};

#define TCPS_CHANNEL_RESUMED	0	/* bit of flags: stalled endpoints may try again */
#define TCPS_MAX_UNSENT		262144	/* unsent bytes beyond which no more are read */

/* worker.c */
struct tcps_channel *tcps_channel_create(struct tcps_session *s,
					 const struct memnet_channel_config *cfg,
					 const struct memnet_channel_ops *ops);
void tcps_channel_free(struct tcps_channel *tc);
void tcps_channel_halt(struct tcps_channel *tc);
void tcps_channel_drain(struct tcps_channel *tc);
void tcps_channel_queue(struct tcps_channel *tc);
void tcps_kick(struct tcps_endpoint *ep, int events);
void tcps_stall(struct tcps_endpoint *ep, int err);

/* ---- endpoints ---- */

/**
 * enum tcps_endpoint_state - life of an endpoint; changed by tcps_endpoint_change_state() only
 * @TCPS_NEW:		OPEN came, the native socket is still to be made
 * @TCPS_IDLE:		neither listening nor connected; without a native socket where it could
 *			not be made
 * @TCPS_LISTENING:	listens
 * @TCPS_CONNECTING:	CONNECT is under way
 * @TCPS_CONNECTED:	has or had a connection; either half may be shut
 * @TCPS_DEAD:		the connection failed, RESET says so; waits for CLOSE
 * @TCPS_CLOSING:	CLOSE came, what is queued is being given to TCP
 * @TCPS_LINGERING:	all was given to TCP, which waits for the peer's acknowledgment
 * @TCPS_CLOSED:	no native socket any more, CLOSED is to be sent
 * @TCPS_GONE:		off the table
 */
enum tcps_endpoint_state {
	TCPS_NEW,
	TCPS_IDLE,
	TCPS_LISTENING,
	TCPS_CONNECTING,
	TCPS_CONNECTED,
	TCPS_DEAD,
	TCPS_CLOSING,
	TCPS_LINGERING,
	TCPS_CLOSED,
	TCPS_GONE,
};

/* what happened to an endpoint: bits of endpoint.events */
#define TCPS_EV_QUEUED	0x01	/* is on the ready list, or is not to get there yet */
#define TCPS_EV_HOST	0x02	/* the host sent something */
#define TCPS_EV_DATA	0x04	/* TCP has bytes or children */
#define TCPS_EV_SPACE	0x08	/* TCP takes bytes again */
#define TCPS_EV_STATE	0x10	/* TCP changed state or has an error */
#define TCPS_EV_TIMER	0x20	/* a linger or orphan time is over */
#define TCPS_EV_AGAIN	0x40	/* there was more to do in its turn, or no credit */

/* what an endpoint owes its host: bits of endpoint.owed, in the order in which they are sent */
#define TCPS_OWE_NEW_CONNECTION	0x01
#define TCPS_OWE_CONNECT_REPLY	0x02
#define TCPS_OWE_REPLY		0x04
#define TCPS_OWE_URGENT		0x08
#define TCPS_OWE_RESET		0x10
#define TCPS_OWE_FIN		0x20
#define TCPS_OWE_FINISHED	0x40
#define TCPS_OWE_WANT		0x80
#define TCPS_OWE_WINDOW		0x100
#define TCPS_OWE_PUBLISH	0x200
#define TCPS_OWE_COUNT		0x400
#define TCPS_OWE_CLOSED		0x800

/* beside them: the buffers on rx.pending, RECV_DONE for each on rx.over */

/**
 * struct tcps_answer - an answer to a request, until it is sent
 * @seq:	number of the request
 * @error:	errno, negative, or 0
 * @value:	of QUERY
 * @skb:	of GETOPT: the value, its payload
 */
struct tcps_answer {
	u16	seq;
	int	error;
	u64	value;
	struct sk_buff *skb;
};

/**
 * struct tcps_callbacks - what a native socket called before it was ours
 * @data_ready:	bytes or children came
 * @write_space: room was freed
 * @state_change: state changed
 * @error_report: an error came
 */
struct tcps_callbacks {
	void	(*data_ready)(struct sock *sk);
	void	(*write_space)(struct sock *sk);
	void	(*state_change)(struct sock *sk);
	void	(*error_report)(struct sock *sk);
};

/**
 * struct tcps_endpoint - a socket of a host and the native socket that does its work
 * @tc:		its channel
 * @index:	on the channel
 * @gen:	generation of @index
 * @v6:		the native socket is AF_INET6
 * @v6only:	and begins as one for IPv6 only
 * @events:	TCPS_EV_*; atomic
 * @ready:	on the channel's ready list
 * @refs:	table, ready list, stalled list, the session's starved list
 * @lock:	guards @in and @rx.limit
 * @in:		what the host sent: @in.queue holds payload and, in their place in the stream,
 *		options; @in.control the other requests; @in.jobs memory it receives to.
 *		@in.limit is what the host was promised
 * @sock:	worker: native socket or NULL
 * @ulp:	worker: it has TCP_ULP "tls"
 * @saved:	its callbacks
 * @from:	whose native socket it is to have, with a reference, until its first turn
 * @state:	worker: enum tcps_endpoint_state
 * @owed:	worker: TCPS_OWE_*
 * @stalled:	worker: on the channel's list
 * @orphan:	worker: on the channel's list, once CLOSED was sent before the end
 * @tx:		worker: host to TCP: @tx.sending was taken off @in.queue, @tx.taken is what TCP
 *		took
 * @rx:		worker: TCP to host: @rx.pending was read and not sent; @rx.read = @rx.pos + what
 *		is pending
 * @listen:	worker: a listener's backlog and quota; @listen.children, the pushed and
 *		uncollected, under @lock
 * @starved:	on the session's list
 * @conn:	a child's listener
 * @connect:	worker: answer to CONNECT
 * @answer:	worker: answer to any other request
 * @open_error:	worker: why there is no native socket
 * @reset_error: worker: what RESET will say
 * @closed_error: worker: what CLOSED will say
 * @hidden:	worker: its index is free again
 * @told:	worker: CLOSED was sent
 * @local:	worker: local address
 * @peer:	worker: remote address
 * @bound_dev:	worker: device it was tied to by BIND or an option, or 0, while it connects
 * @steered:	worker: classes of which an option is in force that chooses how packets go
 * @refused:	worker: classes of which an option was told that could not be set
 * @owner:	worker: whose credentials it acts under
 * @uid:	owner on the host
 * @timer:	bounds of closing
 * @rcu:	frees it
 */
struct tcps_endpoint {
	struct tcps_channel		*tc;
	u32				index;
	u16				gen;
	bool				v6;
	bool				v6only;
	atomic_t			events;
	struct llist_node		ready;
	refcount_t			refs;

	spinlock_t			lock;	/* guards @in and @rx.limit */
	struct {
		struct sk_buff_head	queue;
		struct sk_buff_head	control;
		struct sk_buff_head	jobs;		/* see recv_job.c */
		u64			pos;		/* bytes that came */
		u64			limit;		/* bytes that may come */
		u64			want;		/* limit the host knows, with @wanted */
		u64			tell;		/* tell when this is taken, 0 for nothing */
		u64			count;		/* write the counter until this is taken */
		u64			urgent;		/* position after the urgent byte */
		u64			record_at;	/* with @record: its bytes in the stream */
		u64			record_end;
		u64			counter_addr;	/* where it is */
		u32			counter_key;	/* 0: there is none */
		u64			consumed;	/* of CLOSE */
		u32			linger_ms;	/* of CLOSE */
		u32			pages;		/* held */
		u32			late_value[2];	/* of TCP_NODELAY, TCP_CORK */
		u16			markers;	/* options in @queue */
		u16			requests;	/* requests in @control */
		u8			late;		/* values to be set later */
		u8			close_flags;	/* of CLOSE */
		u8			record;		/* type of the record that came last */
		bool			grow;		/* has used all it was promised */
		bool			open;		/* may send DATA */
		bool			fin;		/* has sent FIN */
		bool			dead;		/* what comes is dropped */
		bool			wanted;		/* ran dry and asked */
		bool			closed;		/* CLOSE came */
	} in;

	struct tcps_endpoint		*from;
	struct socket			*sock;
	bool				ulp;
	struct tcps_callbacks		saved;
	enum tcps_endpoint_state	state;
	u32				owed;
	struct list_head		stalled;
	struct list_head		orphan;

	struct {
		struct sk_buff_head	sending;
		u64			taken;
		u64			grown;		/* @tx.taken when @tx.window last grew */
		u64			told;		/* of @tx.taken, to the host, or owed */
		u64			counted;	/* @tx.taken when it was last owed */
		u32			window;
		bool			shut;
	} tx;

	struct {
		struct sk_buff_head	pending;
		struct sk_buff_head	over;		/* jobs whose RECV_DONE is owed */
		u64			pos;		/* bytes sent, or written */
		u64			read;		/* bytes taken from TCP */
		u64			placed;		/* those for jobs */
		u64			job_end;	/* where the last job that is over ended */
		u64			limit;		/* bytes that may be sent as DATA */
		u64			consumed;	/* bytes the application has read */
		u64			want;		/* limit for which we asked */
		u64			end;		/* of RESET */
		u64			eaten;		/* with @kept: bytes TCP no longer has */
		u64			record_end;	/* of the last record, 0 once it was read */
		u64			urg_pos;	/* of URGENT */
		u16			urg;		/* tcp_sock.urg_data then */
		bool			fixed;		/* set by the application */
		bool			blocked;	/* the host's window is dry */
		bool			behind;		/* TCP has more than the host took */
		bool			eof;		/* TCP's end was reached */
		bool			ended;		/* before the error the peer had sent FIN */
		bool			fin;		/* and told */
		bool			finished;	/* FINISHED is or was owed */
		bool			kept;		/* TCP has what the host has not read */
		bool			tls;		/* what is read was decrypted */
	} rx;

	struct {
		u32			backlog;
		u32			quota;
		u32			children;
	} listen;
	struct list_head		starved;

	struct {
		u32			listener;
		u16			listener_gen;
		u8			listener_channel;
	} conn;

	struct tcps_answer		connect;
	struct tcps_answer		answer;
	int				open_error;
	int				reset_error;
	int				closed_error;
	bool				hidden;
	bool				told;
	struct wire_addr		local;
	struct wire_addr		peer;
	int				bound_dev;
	u32				steered;
	u32				refused;
	struct tcps_owner		*owner;
	u32				uid;
	struct timer_list		timer;
	struct rcu_head			rcu;
};

/**
 * struct tcps_cb - what a buffer's control block says
 * @offset:	in.queue: bytes given to TCP. rx.pending: where the payload starts
 * @len:	rx.pending: bytes of payload
 * @marker:	in.queue: not payload but a message
 * @more:	in.queue: the application announced more. rx.pending: the record goes on
 * @nodelay:	in.queue: TCP_NODELAY is to be set before TCP gets it
 * @copied:	rx.pending: small pieces are copied into it
 * @placed:	rx.pending: goes by RDMA write
 * @record:	rx.pending: type of the TLS record, 0 for application's data
 * @key:	rx.pending: where to
 * @addr:	rx.pending: where to. in.control: bytes that had come before QUERY
 */
struct tcps_cb {
	u32	offset;
	u32	len;
	u64	addr;
	u32	key;
	bool	marker;
	bool	more;
	bool	nodelay;
	bool	copied;
	bool	placed;
	u8	record;
};

#define TCPS_CB(skb)	((struct tcps_cb *)(skb)->cb)

/* endpoint.c */
int tcps_endpoint_init(void);
void tcps_endpoint_exit(void);
struct tcps_endpoint *tcps_endpoint_alloc(struct tcps_channel *tc, gfp_t gfp);
void tcps_endpoint_put(struct tcps_endpoint *ep);
int tcps_endpoint_open(struct tcps_channel *tc, const struct wire_msg *msg, gfp_t gfp);
struct tcps_endpoint *tcps_endpoint_reserve(struct tcps_session *s);
void tcps_endpoint_hide(struct tcps_endpoint *ep);
void tcps_endpoint_unlist(struct tcps_endpoint *ep);
void tcps_endpoint_change_state(struct tcps_endpoint *ep, enum tcps_endpoint_state next);
void tcps_endpoint_run(struct tcps_endpoint *ep, int events);
void tcps_endpoint_died(struct tcps_endpoint *ep, int error);
void tcps_endpoint_destroy(struct tcps_endpoint *ep);
void tcps_endpoint_purge(struct tcps_endpoint *ep);
void tcps_endpoint_starve(struct tcps_endpoint *ep, int freed);

/* receive.c */
#define TCPS_MESSAGES_PER_PAGE	4	/* of those that wait, as buffers */
int tcps_receive(struct memnet_channel *ch, struct memnet_rx *rx, gfp_t gfp);
void tcps_skb_free(struct tcps_endpoint *ep, struct sk_buff *skb);

static inline bool tcps_endpoint_is_hosts(const struct tcps_endpoint *ep)
{
	return ep->index < ep->tc->ch->cfg.slots / 2;
}

/* control.c */
void tcps_control_run(struct tcps_endpoint *ep);
int tcps_control_option(struct tcps_endpoint *ep, const struct wire_setopt *opt, bool answered);
bool tcps_control_ordered(struct tcps_endpoint *ep, const struct wire_msg *msg);
bool tcps_connect_progress(struct tcps_endpoint *ep);
void tcps_endpoint_grant(struct tcps_endpoint *ep);

/* getopt.c */
int tcps_getopt(struct tcps_endpoint *ep, u32 level, u32 name, u8 *value, u32 *room);

/* ktls.c */
int tcps_ktls_option(struct tcps_endpoint *ep, const struct wire_msg *msg);
void tcps_ktls_eat(struct tcps_endpoint *ep, u64 pos);
void tcps_ktls_peek(struct tcps_endpoint *ep, read_descriptor_t *desc, sk_read_actor_t actor);
void tcps_ktls_push(struct socket *sock);
int tcps_ktls_record(struct tcps_endpoint *ep, struct sk_buff *skb, u32 room);
void tcps_ktls_control(struct msghdr *msg, void *buffer, u8 record);
void tcps_ktls_restore(struct sock *sk, const struct tcps_callbacks *ours,
		       const struct tcps_callbacks *saved);

/* Options that have to do with it. */
static inline bool tcps_is_ktls(u32 level, u32 name)
{
	return level == SOL_TLS || (level == SOL_TCP && name == TCP_ULP);
}

/* native.c */
int tcps_native_create(struct tcps_endpoint *ep);
void tcps_native_adopt(struct tcps_endpoint *ep, struct socket *sock,
		       const struct tcps_callbacks *saved);
int tcps_native_inherit(struct tcps_endpoint *ep, struct tcps_endpoint *from);
void tcps_native_release(struct tcps_endpoint *ep, bool abort);
u32 tcps_native_unread(const struct sock *sk);
int tcps_native_name(struct socket *sock, struct wire_addr *addr, bool peer);
int tcps_addr_from_wire(const struct wire_addr *addr, struct sockaddr_storage *ss);

/* pumps */
void tcps_accept_pump(struct tcps_endpoint *ep);
void tcps_tx_pump(struct tcps_endpoint *ep);
bool tcps_tx_drained(struct tcps_endpoint *ep);
void tcps_tx_window(struct tcps_endpoint *ep);
void tcps_tx_window_release(struct tcps_endpoint *ep);
bool tcps_under_pressure(const struct tcps_session *s);
bool tcps_admits(const struct tcps_session *s);
u32 tcps_rx_unread(const struct tcps_endpoint *ep);
void tcps_rx_purge(struct tcps_endpoint *ep);
void tcps_rx_pump(struct tcps_endpoint *ep, int events);

/* recv_job.c */
int tcps_recv_job_add(struct tcps_endpoint *ep, struct sk_buff **marker);
void tcps_recv_job_cancel(struct tcps_endpoint *ep, __le32 id);
int tcps_recv_job_begin(struct tcps_endpoint *ep, struct sk_buff **job);
u32 tcps_recv_job_room(const struct tcps_endpoint *ep, struct sk_buff *job);
void tcps_recv_job_place(struct tcps_endpoint *ep, struct sk_buff *job, struct tcps_cb *cb);
bool tcps_recv_job_end(struct tcps_endpoint *ep, struct sk_buff *job, bool more);
void tcps_recv_job_done(struct tcps_endpoint *ep, struct sk_buff *skb, struct wire_msg *msg);
void tcps_recv_jobs_died(struct tcps_endpoint *ep);

/* flush.c, close.c */
void tcps_endpoint_flush(struct tcps_endpoint *ep);
void tcps_close_begin(struct tcps_endpoint *ep);
void tcps_close_finish(struct tcps_endpoint *ep, bool abort, int error);
void tcps_close_progress(struct tcps_endpoint *ep, int events);

/* ---- policy and credentials ---- */

bool tcps_policy_host(const struct memnet_nl_tcps_cfg *cfg, const struct sockaddr_storage *addr);
bool tcps_policy_privileged(const struct memnet_nl_tcps_cfg *cfg, __be16 port);
bool tcps_policy_class(const struct tcps_session *s, enum memnet_option_class class);
int tcps_policy_bind(const struct sockaddr_storage *addr);
int tcps_policy_connect(struct net *net, const struct sockaddr_storage *addr, bool steered);
bool tcps_policy_is_local_route(const struct sock *sk);
int tcps_policy_option(u32 level, u32 name, u32 len, bool *ordered);
u32 tcps_policy_class_of(u32 level, u32 name, int value, bool *capable);
int tcps_policy_listen_add(struct tcps_endpoint *ep);
void tcps_policy_listen_del(struct tcps_endpoint *ep);

/**
 * struct tcps_owner - a user of a host, as the node's kernel sees it
 * @node:	in the hash
 * @idle:	on the list of unused ones
 * @host_id:	the host
 * @addr:	its address; an id alone proves nothing
 * @uid:	its uid there
 * @users:	endpoints
 * @number:	the uid here is 0x40000000 + number
 * @cred:	no capabilities, and that uid
 */
struct tcps_owner {
	struct hlist_node	node;
	struct list_head	idle;
	u64			host_id;
	struct sockaddr_storage	addr;
	u32			uid;
	u32			users;
	u32			number;
	const struct cred	*cred;
};

struct tcps_owner *tcps_owner_get(const struct tcps_session *s, u32 uid);
void tcps_owner_put(struct tcps_owner *owner);
const struct cred *tcps_owner_capable(const struct tcps_owner *owner, int cap);
void tcps_cred_init(void);
void tcps_cred_exit(void);

/* ---- main.c, netlink.c ---- */

extern struct workqueue_struct *tcps_wq;
extern struct workqueue_struct *tcps_session_wq, *tcps_end_wq;
extern unsigned int tcps_heartbeat_ms;
extern unsigned int tcps_max_sessions;
extern unsigned int tcps_max_endpoints;
extern unsigned long tcps_max_pages;
extern unsigned int tcps_max_window;
extern unsigned int tcps_copybreak;
extern unsigned int tcps_orphan_s;
extern bool tcps_allow_local;
extern atomic_long_t tcps_pages;
extern atomic_long_t tcps_messages;
extern atomic_long_t tcps_extra;
extern const struct memnet_nl_tcps_ops tcps_nl_ops;

#endif /* MEMNET_TCPS_H */
