/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Attacks: each is tried on a session that works, and then the session must have died for the
 * reason it should, or must still work.
 */
#ifndef HOSTILE_ATTACK_H
#define HOSTILE_ATTACK_H

#include "peer.h"

/* what becomes of the session */
#define LIVES		(-1)
#define DIES		(-2)	/* for whatever reason */
#define EITHER		(-3)
#define REFUSED		(-4)	/* dies of a request that the other side's device refuses */
/* or an enum wire_reason it dies for, as far as the peer tells */

#define WRONG		(-2)	/* of run(): it went otherwise, whatever becomes of the session */

/**
 * struct attack - one thing no correct peer does
 * @name:	what
 * @run:	does it; 0, -1 when it could not, or WRONG
 * @want:	LIVES, DIES, EITHER, REFUSED, or an enum wire_reason
 */
struct attack {
	const char *name;
	int (*run)(struct peer *p);
	int want;
};

/* An attack of one expression. */
#define ATTACK(id, expression)		\
	static int id(struct peer *p)	\
	{				\
		return expression;	\
	}

#define ATTACKS(list) (sizeof(list) / sizeof((list)[0]))

extern struct terms terms;
extern struct wire_addr target;		/* something on the node's network that accepts */
extern const char *only;		/* run attacks whose name contains this */

/* report.c: TAP */
void report(bool ok, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void remark(const char *format, ...) __attribute__((format(printf, 1, 2)));
int report_end(void);
bool wanted(const char *name);

/* framing.c: attacks that are the same on either side */
extern const struct attack framing_attacks[];
extern const unsigned int nr_framing_attacks;

/* requests.c */
void attack_requests(void);
void attack_answers(struct rdma_cm_id *listener);

/* host.c: a host that keeps the rules */
#define HOST_MS		5000		/* an answer comes within */

struct session {
	struct peer *main, *witness;	/* channels 0 and 1; the witness hears the reason */
};

int session_open(struct session *s, unsigned int channels);
void session_close(struct session *s);
u32 host_next_index(void);
void host_pump(int ms);
void host_children(unsigned int wanted, int ms, unsigned int got[2]);

#define ASKS	1	/* it wants an answer */
#define VOUCHES	2	/* it says that the caller may */
#define BOTH	(ASKS | VOUCHES)

int host_option(struct peer *p, u32 index, u32 level, u32 name, u32 value, u32 len, int how);
u32 host_open(struct peer *p, u32 index);
int host_close(struct peer *p, u32 index);
/* An attack of as_host.c that wants a listener which allows all classes of options. */
int host_classes_allowed(struct peer *p);
int host_ask(struct peer *p, struct wire_msg *msg, u32 index, struct inbound *reply);
int host_request(struct peer *p, enum wire_opcode op, u32 index, struct inbound *reply);
u32 host_connected(struct peer *p);
u32 host_listening(struct peer *p);
int host_say(struct peer *p, enum wire_opcode op, u32 index);
int host_data(struct peer *p, u32 index, u64 pos, u32 len, u8 flags);
bool host_works(struct peer *p);

/* hoard.c: done only by name */
extern const struct attack hoard_attacks[];
extern const unsigned int nr_hoard_attacks;

/* as_host_*.c */
extern const struct attack endpoint_attacks[], request_attacks[], option_attacks[];
extern const struct attack stream_attacks[], direct_attacks[];
extern const unsigned int nr_endpoint_attacks, nr_request_attacks, nr_option_attacks;
extern const unsigned int nr_stream_attacks, nr_direct_attacks;

/* as_host.c */
void attack_node(void);

/* node.c: a node that keeps the rules */
#define NODE_MAX	512
#define NODE_MS		10000		/* what it waits for the host does within */

enum guest_state { FREE, OPENED, CONNECTING, CONNECTED, LISTENING, CHILD, CLOSED };

/**
 * struct guest - an endpoint of the host, as its node sees it
 * @seq:	of the request that waits for its answer
 * @asked:	its opcode, 0 for none
 * @in:		position of the host's stream
 * @in_limit:	granted
 * @out:	position of ours
 * @out_limit:	granted
 * @backlog:	of a listener: how many of @children there may be
 * @children:	pushed, and not collected
 */
struct guest {
	u32 index;
	u16 gen, seq;
	u8 asked;
	bool fin_in, fin_out, reset;
	enum guest_state state;
	u64 in, in_limit, out, out_limit;
	u32 backlog, children;
	bool has_job;			/* the last one, told to be over or not */
	struct wire_recv_job job;
	bool has_counter;		/* named by this DATA */
	struct wire_data counter;
	unsigned int landing;		/* what the victim said last, see landing.c; 0 for nothing */
};

struct node {
	struct guest guests[NODE_MAX];
	bool hold_connect, hold_close, hold_jobs;	/* do not answer these */
	u8 hold_option;			/* nor this, WIRE_GETOPT or WIRE_SETOPT */
	bool hold_taken;			/* do not tell what was taken of what the host sends */
	u32 next_child;
	u16 child_gen;
	int (*say)(struct peer *p, struct wire_msg *msg, u32 len);
	struct rdma_cm_id *listener;
};

int node_open(struct peer *p, int ms);
void node_close(struct peer *p);
void node_handle(struct peer *p, const struct inbound *in);
void node_serve(struct peer *p, int ms);
struct guest *node_guest(struct peer *p, enum guest_state state, int ms);
int node_push_child(struct peer *p, u32 listener, u16 gen);
void node_start(struct peer *p, struct rdma_cm_id *listener);
struct node *node_of(struct peer *p);
struct wire_addr node_address(u8 last, u16 port);
int node_answer(struct peer *p, struct guest *g, u32 error);
int node_job_done(struct peer *p, struct guest *g, u32 len);
int node_landing(const struct wire_msg *msg);
bool node_works(struct peer *p);

/* as_node.c */
void attack_host(struct rdma_cm_id *listener);

/* as_node_memory.c; kept_attacks are done only by name */
extern const struct attack memory_attacks[], kept_attacks[];
extern const unsigned int nr_memory_attacks, nr_kept_attacks;

/* random.c */
int random_host(unsigned long count, u64 seed, unsigned int wild);
int random_node(struct rdma_cm_id *listener, unsigned long count, u64 seed, unsigned int wild);

/*
 * landing.c: how far it is with its region a victim tells the node by the value of TCP_KEEPIDLE,
 * which is LANDING and these bits, and by LANDING_MESSAGES more that mean nothing.
 */
#define LANDING		1000
#define LANDING_SENDS	0x01	/* it sends from the region */
#define LANDING_SENT	0x02	/* and has seen the end of that */
#define LANDING_OWN	0x04	/* in a context of its own, which it closes */
#define LANDING_RECV	0x08	/* the job that receives comes next */
#define LANDING_GONE	0x10	/* the region is deregistered */
#define LANDING_OVER	0x20	/* and the job was over before */
#define LANDING_ALL	0x3f
#define LANDING_MESSAGES 5

bool landing_start(void);
const char *landing_try(int fd);

/* victim.c */
int victim(int family, unsigned int seconds, const char *until);

#endif /* HOSTILE_ATTACK_H */
