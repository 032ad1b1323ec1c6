/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mnmodel's insides: sockets, what TCP would answer for each, and the calls.
 *
 * A slot is a socket that is used, closed and made again, by one process at a
 * time, its owner. Slots are in memory all processes share, so that another
 * one goes on with a socket that was handed to it; descriptors are not: each
 * process has its own, in socket_of[].
 *
 * A slot has its own random numbers, and so does with one seed the same calls
 * in the same order whatever the other slots do.
 */
#ifndef MN_MODEL_H
#define MN_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net.h"
#include "peer.h"

#define MODEL_PROCESSES	8
#define MODEL_SOCKETS	200
#define MODEL_OPTIONS	8
#define MODEL_QUEUE	4	/* connections that wait for accept() */
#define MODEL_UNREAD	12000	/* what a peer is told to send ahead of us */
#define MODEL_ROOM	8000	/* what always fits into a send buffer */
#define MODEL_LOG	40	/* the last calls of a slot */
#define MODEL_BOUND	60	/* seconds for any one step */

/* A connection in FIN_GOT that we close too is over, as soon as the peer knows. */
enum tcp { CLOSED, LISTENING, SYN_SENT, ESTABLISHED, FIN_SENT, FIN_GOT };

/* What connect() goes by besides. */
enum asked { UNCONNECTED, CONNECTING, CONNECTED, DISCONNECTING };

#define SHUT_READ	1
#define SHUT_WRITE	2
#define SHUT_BOTH	3

/*
 * The model of a socket: what decides the answers. What a peer was told to do
 * is "told"; what is known to have arrived, or must have, is applied. Rules
 * (mnmodel_rules.c) change the state they are given as the call would.
 */
struct state {
	enum tcp tcp;
	enum asked asked;
	unsigned int shut;
	int err;		/* not yet reported */
	bool done;		/* the peer's FIN was here: recv() is 0 for good */
	unsigned int port;	/* ours, 0: none, or not known */
	uint64_t tx;		/* sent */
	uint64_t rx, sure, told; /* read, arrived, on its way */
	bool fin_told, rst_told;
};

/* The other end, as far as we know. */
struct other {
	bool is;		/* it has, or had, our last connection */
	bool over;		/* it has ended */
	bool stopped;		/* it does not read */
	bool reset;		/* it ended by a reset */
	char tag[PEER_TAG];
	uint64_t rx_seed, tx_seed;
	uint64_t seen;		/* of tx, read there */
};

/* A connection before accept(): its options are the listener's when it was made. */
struct waiting {
	struct other other;
	unsigned int port;
	int options[MODEL_OPTIONS];
	int linger;
};

struct slot {
	unsigned int number;
	unsigned int life;	/* sockets before this one */
	int owner;		/* the process, -1: handed over */
	bool open;
	uint64_t random;
	struct state s;
	struct other other;
	int options[MODEL_OPTIONS];
	int linger;		/* -1: off */
	unsigned int queued;
	struct waiting queue[MODEL_QUEUE];
	uint64_t steps;
	char log[MODEL_LOG][120];
};

/* What all processes see. */
struct shared {
	uint64_t seed;
	long until;		/* ms */
	volatile bool failed;	/* it is enough */
	unsigned int differences, most;	/* found, and looked for */
	unsigned int ending;	/* processes that hand nothing over any more */
	uint64_t calls[64];	/* of each operation */
	uint64_t connections, accepted, sent, received;
	struct slot slots[MODEL_SOCKETS];
};

extern struct shared *shared;
extern unsigned int process;		/* which one we are */
extern int socket_of[MODEL_SOCKETS];	/* -1: another's, or none */
extern int inbox[MODEL_PROCESSES][2];	/* [0]: read there, [1]: to it */
extern volatile int pipes;		/* SIGPIPEs, never reset */
extern bool is_child;			/* for one turn */

/* No more of this socket; goes back to where the next one is chosen. */
void abandon(void) __attribute__((noreturn));

uint64_t pick(struct slot *slot, uint64_t low, uint64_t high);
bool chance(struct slot *slot, unsigned int one_in);

/* mnmodel_log.c */
void slot_log(struct slot *slot, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints what is known of the slot, and does not return. */
void differ(struct slot *slot, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
/* "12" or "-EAGAIN", in one of a few buffers. */
const char *answer_text(long answer);

/* mnmodel_rules.c: answers are values, or an errno below 0 */
void rule_arrive(struct state *s);
bool rule_unsure(const struct state *s);
long rule_recv(struct state *s, size_t len, bool peek);
long rule_send(struct state *s, size_t len);
long rule_poll(struct state *s, int low_water, bool child);
long rule_error(struct state *s);
long rule_inq(struct state *s);
long rule_connect(struct state *s);
long rule_disconnect(struct state *s);
long rule_shutdown(struct state *s, int how);
long rule_bind(struct state *s);
long rule_listen(struct state *s);
long rule_peer_name(struct state *s);

/* mnmodel_check.c: an answer and its rule */
typedef long (*rule_run)(struct state *s, const void *arg);

/* One of the two that the state allows, before and after what is under way. */
void check(struct slot *slot, const char *what, long got, rule_run rule,
	   const void *arg);
/* The same for what may have arrived in part. */
void check_recv(struct slot *slot, const char *what, long got, size_t len,
		bool peek, bool part);
void check_send(struct slot *slot, const char *what, long got, size_t len);
void check_poll(struct slot *slot, const char *what, long got);
/* The only one. */
void check_is(struct slot *slot, const char *what, long got, long want);

/* mnmodel_peer.c */
void peer_begin(void);
void peer_finish(void);
unsigned int peer_full(void);
unsigned int peer_closed(void);
/* The line that says what the peer of this slot's connection does. */
int peer_line(struct slot *slot, struct other *other, char *line, size_t size);
/* One more in the queue of this listener. */
void peer_call(struct slot *slot);
void peer_tell(struct slot *slot, const char *words);
/* Until it has read so much, seen our end, is there, is over: "in=N", "eof", "here", "over". */
struct result peer_until(struct slot *slot, struct other *other,
			 const char *what);
/* It reads, and has read all we sent. */
void peer_drained(struct slot *slot);
/* Nothing is under way any more. */
void settle(struct slot *slot);
/* Our end is gone, by RST or by FIN: so is the peer's, and it has what we sent. */
void peer_over(struct slot *slot, struct other *other, uint64_t tx, int err);
void queue_over(struct slot *slot);

/* mnmodel_life.c, mnmodel_data.c: the operations */
struct op {
	const char *name;
	unsigned int weight;
	bool (*may)(struct slot *slot);
	void (*run)(struct slot *slot);
	bool opens;	/* changes the process' descriptors */
};

extern const struct op life_ops[], data_ops[];	/* the last has no name */

/* Without more operations: closed, and the peer has everything. */
void slot_close(struct slot *slot);
/* mnmodel_turn.c: one operation, anyone the state allows, and a child can do for us. */
void turn(struct slot *slot, bool in_child);
unsigned int op_count(void);
const char *op_name(unsigned int i);
bool is_stream(const struct slot *slot);

#endif
