/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memnet_core.ko as memnet.ko and memnet_tcps.ko see it: channels, and what is sent and
 * received on them.
 *
 *   main.c      parameters, load and unload
 *   channel.c   life of a channel: set-up, start, failure, stop; heartbeat and worker
 *   connect.c   rdma_cm: connecting (host) and accepting (node), handshake data
 *   retire.c    ids of dead channels that may not be ended yet
 *   tx.c        the send queue: ring of work requests, credits, batches, completions
 *   tx_gather.c what a request sends of a buffer
 *   tx_write.c  requests that are no messages: RDMA writes, registrations
 *   rx.c        the receive queue: pages, dispatch, deferral when memory is short, grants
 *   pages.c     pages that are used again
 *   buffers.c   empty buffers that are used again
 *   table.c     endpoints by their index
 *   window.c    the window table, written by the peer, and our writes into the peer's
 *   auth.c      proof of the shared secret
 *   wire.c      checking of messages; wire.h is the format
 *   stats.c     counters of all three modules
 *   trace.c     tracepoints; trace.h has them
 *   netlink.c   the generic netlink family; netlink_parse.c and netlink_put.c read and write
 */
#ifndef MEMNET_CORE_H
#define MEMNET_CORE_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/skbuff.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>

#include "wire.h"
#include "stats.h"

/* pages are used whole where they are small; a page larger than a payload counts once */
#if PAGE_SHIFT < 14
#define MEMNET_RX_CHUNK		((u32)PAGE_SIZE)
#define MEMNET_RX_PAGES		(WIRE_MAX_PAYLOAD / PAGE_SIZE)
#else
#define MEMNET_RX_CHUNK		WIRE_MAX_PAYLOAD
#define MEMNET_RX_PAGES		1
#endif
#define MEMNET_TX_ORDER		get_order(32768)	/* of pages sent from: sk_page_frag()'s */
#define MEMNET_TX_SGE		20	/* header, linear part, MAX_SKB_FRAGS and one to spare */
#define MEMNET_MAX_SECRET	64
#define MEMNET_BEATS		6	/* heartbeats in the time after which a peer is dead */

struct memnet_channel;

/**
 * struct memnet_rx - one receive work request and, between completion and re-post, the message
 * in it
 * @cqe:	completion
 * @ch:		its channel
 * @node:	on the channel's list of deferred or of starving requests
 * @msg:	private, checked copy of the header slot
 * @len:	bytes of payload
 * @pages:	where the payload lies; NULL once taken
 * @dma:	their mappings
 * @slot:	the header slot as the device writes it
 * @slot_dma:	its mapping
 * @sge:	scatter list: header slot, pages
 */
struct memnet_rx {
	struct ib_cqe		cqe;
	struct memnet_channel	*ch;
	struct list_head	node;
	struct wire_msg		msg;
	u32			len;
	struct page		*pages[MEMNET_RX_PAGES];
	u64			dma[MEMNET_RX_PAGES];
	struct wire_msg		*slot;
	u64			slot_dma;
	struct ib_sge		sge[1 + MEMNET_RX_PAGES];
};

/**
 * struct memnet_hold - memory mapped by its owner, which posted work requests use
 * @refs:	the owner's references and one for each work request
 * @next:	the one whose bytes follow in the message that ends with this one's last
 * @release:	called when the last one is gone; may be under tx.lock, so it takes no lock of an
 *		endpoint and does not sleep
 */
struct memnet_hold {
	refcount_t refs;
	struct memnet_hold *next;
	void (*release)(struct memnet_hold *hold);
};

static inline void memnet_hold_put(struct memnet_hold *hold)
{
	if (refcount_dec_and_test(&hold->refs))
		hold->release(hold);
}

/**
 * struct memnet_tx - one entry of the send ring, in posting order
 * @cqe:	completion; only signalled entries get one, it stands for all before it
 * @wr:		the work request
 * @sge:	gather list; entry 0 is the header slot
 * @msg:	header slot
 * @msg_dma:	its mapping
 * @skb:	reference to the buffer the payload is sent from, or NULL
 * @hold:	owner of memory that is sent from as it is mapped
 * @frag_map:	bit i: @sge[i] was mapped as a page, else as a single buffer
 * @nr_sge:	entries used; entries from 1 on are mapped for this request alone
 * @nr_hold:	references, to @hold and those behind it
 * @secret:	the header slot is wiped when the request is complete
 */
struct memnet_tx {
	struct ib_cqe		cqe;
	union {
		struct ib_send_wr send;
		struct ib_rdma_wr rdma;
		struct ib_reg_wr reg;
	} wr;
	struct ib_sge		sge[MEMNET_TX_SGE];
	struct wire_msg		*msg;
	u64			msg_dma;
	struct sk_buff		*skb;
	struct memnet_hold	*hold;
	unsigned long		frag_map;
	u8			nr_sge;
	u8			nr_hold;
	bool			secret;
};

/**
 * struct memnet_waiter - somebody who could not send for lack of credits or of room in the send
 * ring
 * @node:	on the channel's list, under its tx.lock
 * @resume:	called once, in softirq or process context, without locks, after taking the
 *		waiter off the list
 */
struct memnet_waiter {
	struct list_head node;
	void (*resume)(struct memnet_waiter *w);
};

/**
 * struct memnet_channel_ops - what the owner of a channel does
 * @receive:	a checked message about an endpoint; softirq with GFP_ATOMIC or process context
 *		with GFP_KERNEL, never two at a time. Returns 0; -ENOMEM without having done
 *		anything, to be called again when there is memory; another error to end the
 *		session (WIRE_REASON_PROTOCOL).
 * @up:		HELLO has come and gone; any context
 * @failed:	the channel died; any context, once, must only schedule the owner's worker
 * @sent:	optional: frees a buffer that was sent, nobody else's, as __kfree_skb(); no locks
 */
struct memnet_channel_ops {
	int (*receive)(struct memnet_channel *ch, struct memnet_rx *rx, gfp_t gfp);
	void (*up)(struct memnet_channel *ch);
	void (*failed)(struct memnet_channel *ch);
	void (*sent)(struct memnet_channel *ch, struct sk_buff *skb);
};

/**
 * struct memnet_domain - protection domain of one link; its channels share it
 * @refs:	the link and each channel
 * @pd:		the domain; keys are valid on every queue pair of it, hence never shared between
 *		links
 */
struct memnet_domain {
	refcount_t	refs;
	struct ib_pd	*pd;
};

/**
 * struct memnet_identity - who talks to whom on a channel; what a proof is computed over
 * @host_id:	identity of the host
 * @boot_id:	of the host
 * @nonce:	names the session
 * @host_challenge: the host's
 * @node_challenge: the node's, one for each channel
 * @channel:	number of the channel
 * @channels:	channels of the session
 */
struct memnet_identity {
	u64	host_id;
	u64	boot_id;
	u64	nonce;
	u64	host_challenge;
	u64	node_challenge;
	u8	channel;
	u8	channels;
};

/**
 * struct memnet_channel_config - how a channel is to be
 * @host_side:	this is the host's end
 * @cpu:	its worker's and its completion vector's CPU
 * @slots:	entries of the window table: endpoints, both halves together
 * @heartbeat_ms: silence after which the peer is dead
 * @who:	identity; the node's challenge is filled in while connecting
 * @id_salt:	makes the host id that is derived from the adapter another for each link
 * @secret:	shared secret
 * @secret_len:	its length, 0 for none
 */
struct memnet_channel_config {
	bool			host_side;
	int			cpu;
	u32			slots;
	u32			heartbeat_ms;
	struct memnet_identity	who;
	u64			id_salt;
	u8			secret[MEMNET_MAX_SECRET];
	u8			secret_len;
};

/**
 * enum memnet_channel_state - life of a channel; changed by change_state() of channel.c only
 * @MEMNET_CH_NEW:	allocated
 * @MEMNET_CH_SETUP:	has queue pair and buffers, receives are posted
 * @MEMNET_CH_HELLO:	connected, HELLO sent
 * @MEMNET_CH_UP:	HELLO received: in use
 * @MEMNET_CH_FAILED:	nothing is posted any more
 * @MEMNET_CH_STOPPED:	drained, RDMA resources returned
 */
enum memnet_channel_state {
	MEMNET_CH_NEW,
	MEMNET_CH_SETUP,
	MEMNET_CH_HELLO,
	MEMNET_CH_UP,
	MEMNET_CH_FAILED,
	MEMNET_CH_STOPPED,
};

/**
 * struct memnet_pages - pages that are used again, see pages.c
 * @lock:	all of it (BH), inside every other lock
 * @page:	@size of them, from @tail on those that are there; NULL while it holds none
 * @size:	a power of two
 * @head:	free running
 * @tail:	free running
 * @order:	of each page
 */
struct memnet_pages {
	spinlock_t	lock;		/* all of it */
	struct page	**page;
	u32		size;
	u32		head;
	u32		tail;
	unsigned int	order;
};

/**
 * struct memnet_table - endpoints of a channel by their index, see table.c
 * @lock:	(BH) changes; inside every other lock
 * @taken:	a bit for each index that is in use
 * @entry:	what it leads to, NULL while it is only reserved; read under RCU
 * @size:	number of indices
 * @from:	first of our half
 * @to:		end of our half
 * @next:	where the search for a free one goes on
 */
struct memnet_table {
	spinlock_t	lock;		/* changes */
	unsigned long	*taken;
	void __rcu	**entry;
	u32		size;
	u32		from;
	u32		to;
	u32		next;
};

int memnet_table_init(struct memnet_table *table, u32 size, u32 from, u32 to);
void memnet_table_destroy(struct memnet_table *table);
bool memnet_table_is_empty(const struct memnet_table *table);
int memnet_table_reserve(struct memnet_table *table, u32 *index);
void memnet_table_store(struct memnet_table *table, u32 index, void *entry);
int memnet_table_insert(struct memnet_table *table, u32 index, void *entry);
void memnet_table_erase(struct memnet_table *table, u32 index);
void *memnet_table_next(const struct memnet_table *table, u32 *index);

/**
 * memnet_table_load() - what an index leads to
 * @table: table
 * @index: of a message, whatever it is
 *
 * Return: that, as long as the caller is in RCU's read side, or NULL.
 */
static inline void *memnet_table_load(const struct memnet_table *table, u32 index)
{
	return index < table->size ? rcu_dereference(table->entry[index]) : NULL;
}

/**
 * struct memnet_channel - one connected RC queue pair with its buffers and credits, bound to a CPU
 * @tx:		send queue. All under tx.lock (BH): nothing is posted once tx.stopped is set
 * @rx:		receive queue. The completion handler and, while rx.deferring, the worker own it
 *		in turn; rx.lock (BH) guards the lists, the reserve and the hand-over
 * @win:	window tables: @win.table is written by the peer, @win.shadow holds what we
 *		write to the peer's
 * @rdma:	verbs objects, made by memnet_channel_setup() and returned by memnet_channel_stop(),
 *		the id by memnet_channel_detach()
 * @cm:		progress of connecting, told by the rdma_cm handler
 * @life:	state, under life.lock (BH), which nests inside every other lock
 * @buffers:	empty ones that are used again, see buffers.c
 * @refs:	references; the last frees the memory
 * @ops:	the owner's calls
 * @owner:	the owner's pointer
 * @cfg:	how it was to be
 * @number:	cfg.who.channel, for short
 * @rcu:	frees it
 *
 * Lock order: an owner's endpoint lock, then tx.lock, then life.lock. rx.lock is never held
 * around calls of the owner.
 */
struct memnet_channel {
	struct {
		spinlock_t		lock;		/* the whole group */
		struct memnet_tx	*ring;
		struct ib_send_wr	*chain;		/* first request not yet posted */
		struct ib_send_wr	*chain_last;
		u32			depth;
		u32			head;		/* next to fill; free running */
		u32			tail;	/* oldest not known to be complete; free running */
		u32			unsignalled;	/* entries since the last signalled one */
		u32			signals;	/* signalled and not known to be complete */
		int			credits;	/* messages the peer is ready to receive */
		bool			stopped;
		bool			notify;	/* arm the completion queue at the next commit */
		u32			notify_to;	/* and again until the tail is here */
		u8			max_sge;
		struct list_head	waiters;
		struct sk_buff_head	done;		/* sent, to be freed outside of all locks */
		struct work_struct	work;	/* completions after an interrupt; runs waiters */
		struct memnet_pages	pages;	/* of MEMNET_TX_ORDER, that were sent from */
	} tx;

	struct {
		spinlock_t		lock;		/* lists, reserve, deferring */
		struct memnet_rx	*ring;
		u32			depth;
		struct sk_buff		*spare;		/* for the next payload */
		atomic_t		owed;		/* posted and not yet granted */
		unsigned long		heard;		/* jiffies of the last message */
		bool			deferring;	/* by handler; cleared by worker */
		struct list_head	deferred;	/* messages that wait for memory */
		struct list_head	starving;	/* requests that wait for pages */
		struct page		**reserve;
		u32			reserve_len;
		struct memnet_pages	pages;		/* that were received to */
		struct work_struct	work;
	} rx;

	struct {
		struct wire_window	*table;
		struct wire_window	*shadow;
		struct sg_table		sgt;  /* pages of the table, mapped as one memory region */
		u64			*shadow_dma;	/* mapping of each page of the shadow */
		u32			npages;		/* of each */
		u64			peer_addr;
		u32			peer_key;
		struct ib_mr		*mr;
	} win;

	struct {
		struct rdma_cm_id	*id;
		struct memnet_domain	*domain;
		struct ib_device	*dev;
		struct ib_qp		*qp;
		struct ib_cq		*send_cq;
		struct ib_cq		*recv_cq;
	} rdma;

	struct {
		struct completion	done;
		int			status;
		bool			talked;		/* the peer may know of the id */
		bool			removed;  /* the device goes; under the handler lock */
		struct work_struct	start;		/* node: connection established */
	} cm;

	struct {
		spinlock_t		lock;		/* state, reason, hello_seen */
		enum memnet_channel_state state;
		u32			reason;	/* enum wire_reason: the first cause of death */
		bool			hello_seen;
		struct completion	up;
		u64			beat_sent;
		u64			beat_seen;
		unsigned long		beat_at;	/* jiffies when beat_seen last changed */
		unsigned int		silent;		/* looks since then */
		struct delayed_work	beat;
		struct work_struct	broke;		/* the device said so */
		u8			proof[WIRE_MAC];  /* what the peer's HELLO must carry */
		bool			leaving;	/* GOODBYE was posted, to be there by: */
		unsigned long		leave_by;
	} life;

	struct {
		struct sk_buff_head	queue;	/* its lock guards all of it */
		u32			room;	/* linear, of each */
		bool			open;
	} buffers;

	refcount_t			refs;
	const struct memnet_channel_ops	*ops;
	void				*owner;
	struct memnet_channel_config	cfg;
	u8				number;
	struct rcu_head			rcu;
};

extern struct workqueue_struct *memnet_wq;

/* domain */
struct memnet_domain *memnet_domain_create(struct ib_device *dev);
void memnet_domain_put(struct memnet_domain *domain);

/* channel.c */
struct memnet_channel *memnet_channel_alloc(const struct memnet_channel_ops *ops, void *owner,
					    const struct memnet_channel_config *cfg);
void memnet_channel_put(struct memnet_channel *ch);
int memnet_channel_setup(struct memnet_channel *ch, struct rdma_cm_id *id,
			 struct memnet_domain *domain);
int memnet_channel_start(struct memnet_channel *ch);
void memnet_channel_hello(struct memnet_channel *ch, const struct wire_msg *msg);
bool memnet_channel_come_up(struct memnet_channel *ch);
void memnet_channel_fail(struct memnet_channel *ch, u32 reason);
void memnet_channel_wc_error(const struct memnet_channel *ch, const char *queue,
			     const struct ib_wc *wc);
void memnet_channel_leave(struct memnet_channel *ch, u32 reason);
void memnet_channel_broke(struct memnet_channel *ch);
void memnet_channel_stop(struct memnet_channel *ch, u32 reason);
void memnet_channel_detach(struct memnet_channel *ch);

static inline struct memnet_channel *memnet_channel_get(struct memnet_channel *ch)
{
	refcount_inc(&ch->refs);
	return ch;
}

static inline bool memnet_channel_is_up(const struct memnet_channel *ch)
{
	return READ_ONCE(ch->life.state) == MEMNET_CH_UP;
}

/* Carries keys, of which no copy is to stay behind in memory. */
static inline bool memnet_is_secret(const struct wire_msg *msg)
{
	return unlikely(msg->hdr.opcode == WIRE_SETOPT) &&
	       le32_to_cpu(msg->setopt.level) == SOL_TLS;
}

/* The driver needs help at times; what with is told where it is given. */
static inline bool memnet_is_soft_roce(const struct ib_device *dev)
{
	return dev->ops.driver_id == RDMA_DRIVER_RXE;
}

/* connect.c */
int memnet_channel_connect(struct memnet_channel *ch, struct net *net, struct sockaddr *dst,
			   struct memnet_domain **domain);
int memnet_channel_accept(struct memnet_channel *ch, struct rdma_cm_id *id,
			  const struct wire_cm_req *req, struct memnet_domain **domain);
void memnet_cm_reject(struct rdma_cm_id *id, u32 reason);

/* retire.c */
bool memnet_cm_is_mute(const struct rdma_cm_id *id);
void memnet_cm_retire(struct memnet_channel *ch);
void memnet_cm_retire_exit(void);

/* tx.c */
#define MEMNET_TX_NOTIFY	0x1	/* tell waiters as soon as this is complete */
#define MEMNET_TX_RESERVE	0x2	/* may use the entries kept for grants and heartbeats */
#define MEMNET_TX_SOON		0x4	/* with a few before it, found complete by who polls next */

void memnet_tx_init(struct memnet_channel *ch);
int memnet_tx_setup(struct memnet_channel *ch);
void memnet_tx_teardown(struct memnet_channel *ch);
void memnet_tx_begin(struct memnet_channel *ch);
int memnet_tx_queue(struct memnet_channel *ch, struct wire_msg *msg, struct sk_buff *skb,
		    u32 offset, u32 len, unsigned int flags);
struct ib_sge *memnet_tx_gather(struct memnet_channel *ch, const struct wire_msg *msg);
void memnet_tx_queue_gathered(struct memnet_channel *ch, struct wire_msg *msg, u32 nr, u32 len,
			      struct memnet_hold *hold, u8 nr_hold);
void memnet_tx_commit(struct memnet_channel *ch);
void memnet_tx_begin_bh(struct memnet_channel *ch);
void memnet_tx_commit_bh(struct memnet_channel *ch);
int memnet_tx_send(struct memnet_channel *ch, struct wire_msg *msg);
bool memnet_tx_wait(struct memnet_channel *ch, struct memnet_waiter *w);
bool memnet_tx_unwait(struct memnet_channel *ch, struct memnet_waiter *w);
void memnet_tx_flush(struct memnet_channel *ch);
void memnet_tx_settle(struct memnet_channel *ch);
void memnet_tx_reap(struct memnet_channel *ch);
void memnet_tx_granted(struct memnet_channel *ch, u32 credits);
void memnet_tx_stop(struct memnet_channel *ch);
void memnet_tx_drain(struct memnet_channel *ch);

/* tx_gather.c */
u32 memnet_tx_fit(struct memnet_channel *ch, struct sk_buff *skb, u32 offset, u32 len);

/* tx_write.c */
int memnet_tx_queue_write(struct memnet_channel *ch, u64 dma, u32 len, u64 addr, u32 key,
			  unsigned int flags);
int memnet_tx_queue_place(struct memnet_channel *ch, struct sk_buff *skb, u32 offset, u32 len,
			  u64 addr, u32 key);
int memnet_tx_queue_reg(struct memnet_channel *ch, struct ib_mr *mr, int access,
			struct memnet_hold *hold, unsigned int flags);
int memnet_tx_register(struct memnet_channel *ch, struct ib_mr *mr, int access);

/* rx.c */
void memnet_rx_init(struct memnet_channel *ch);
int memnet_rx_setup(struct memnet_channel *ch);
int memnet_rx_post_all(struct memnet_channel *ch);
void memnet_rx_teardown(struct memnet_channel *ch);
void memnet_pages_init(struct memnet_pages *pages, unsigned int order);
int memnet_pages_setup(struct memnet_pages *pages, u32 size);
void memnet_pages_teardown(struct memnet_pages *pages);
void memnet_pages_put(struct memnet_pages *pages, struct page *page);
u32 memnet_pages_get(struct memnet_pages *pages, struct page **page, u32 want);
void memnet_buffers_open(struct memnet_channel *ch);
void memnet_buffers_close(struct memnet_channel *ch);
struct sk_buff *memnet_buffer_get(struct memnet_channel *ch, gfp_t gfp);
void memnet_buffer_put(struct memnet_channel *ch, struct sk_buff *skb);
void memnet_pages_recycle(struct memnet_channel *ch, struct sk_buff *skb);
unsigned int memnet_rx_enqueue(struct memnet_rx *rx, struct sk_buff_head *queue,
			       unsigned int *tail_copied);
void memnet_rx_copy(struct memnet_rx *rx, void *to);
void memnet_rx_grant(struct memnet_channel *ch);
u32 memnet_rx_take_owed(struct memnet_channel *ch);

/* window.c */
int memnet_window_setup(struct memnet_channel *ch);
int memnet_window_register(struct memnet_channel *ch);
void memnet_window_teardown(struct memnet_channel *ch);
void memnet_window_forget(struct memnet_channel *ch, u32 index);
void memnet_window_read(struct memnet_channel *ch, u32 index, u16 gen, u64 *limit, u64 *consumed);
int memnet_window_publish(struct memnet_channel *ch, u32 index, u16 gen, u64 limit, u64 consumed);
int memnet_window_count(struct memnet_channel *ch, u32 index, u16 gen, u64 consumed, u64 addr,
			u32 key);

/* auth.c */
int memnet_auth_proof(const struct memnet_channel_config *cfg, bool host, u8 proof[WIRE_MAC]);

/* module parameters, main.c */
extern unsigned int memnet_rx_depth;
extern unsigned int memnet_tx_depth;
extern unsigned int memnet_rnr_retry;

#endif /* MEMNET_CORE_H */
