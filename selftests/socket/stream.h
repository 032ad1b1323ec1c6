/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One bulk stream of mnstream: what it is to do, and how far it got.
 */
#ifndef MN_STREAM_H
#define MN_STREAM_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "memnet.h"
#include "net.h"
#include "pattern.h"
#include "peer.h"
#include "tested.h"

struct stream_options {
	uint64_t send, recv;	/* per stream */
	unsigned int streams;
	bool block;
	unsigned int threads;	/* of a stream that blocks, half of them each way */
	bool records;		/* they do not take turns, see stream_run.c */
	bool sendfile;
	unsigned int direct;	/* of 4 sends, this many are direct */
	unsigned int async;	/* and this many asynchronous jobs */
	unsigned int recv_direct;	/* of 4 receives */
	unsigned int recv_async;
	unsigned int buffers;	/* registered each way, and so jobs at a time, at most */
	size_t size;		/* of every call; 0: random up to max */
	size_t max;
	uint64_t seed;
};

enum kind { ORDINARY, DIRECT, JOB, KINDS };

/* A buffer of registered memory: what a job moves, or what lies there until it is its turn. */
struct buffer {
	memnet_job job;
	pthread_t by;		/* who submitted it */
	size_t offset, len;
	bool whole;
};

/* The registered memory of one direction, a ring of buffers. */
struct area {
	char *mem;
	memnet_region region;
	struct buffer *buffers;
	unsigned int count;
	unsigned int first;	/* the next to be sent from; the oldest that is received to */
	unsigned int used;	/* so many are received to */
	uint64_t handed;	/* jobs that another thread saw the end of */
	uint64_t full;		/* times a loop was told that there are as many as may be */
};

struct stream {
	int fd;
	const struct stream_options *options;
	uint64_t seed;		/* of what arrives; seed + 1 of what is sent */
	uint64_t send, recv;

	/* the sender's */
	uint64_t sent;
	uint64_t writes;
	uint64_t send_random;
	uint64_t sent_most[KINDS];
	struct sum sum;		/* of what was sent */
	bool ended;
	char *out;
	size_t filled;		/* of it, with what comes next in the stream */
	struct area leaving;

	/* the receiver's */
	uint64_t received;
	uint64_t reads;
	uint64_t recv_random;
	uint64_t received_most[KINDS];
	char *in;
	struct area landing;
	char line[256];		/* the peer's account, after the bytes */
	size_t line_len;
	bool eof;

	uint64_t overlaps[2];	/* calls of records that began during another: sends, receives */

	bool waits;		/* a loop is to come back when a job has ended */
	uint64_t least;		/* calls of the thread that made the fewest */

	const char *why;	/* it failed, and how */
	int err;
};

bool stream_prepare(const struct stream_options *options);
void stream_init(struct stream *s, const struct stream_options *options,
		 unsigned int index);
void stream_exit(struct stream *s);
/* One call each way; false: it would block, or there is no more to do. */
bool stream_send(struct stream *s);
bool stream_recv(struct stream *s);
bool stream_over(const struct stream *s);
/* It goes no further; always false. The first reason counts. */
bool stream_failed(struct stream *s, const char *why);
/* Everything arrived on both sides, or s->why says what is wrong. */
bool stream_verify(struct stream *s);
/* Readable when jobs of a loop have ended; -1 if there are none. */
int stream_jobs_fd(void);
/* Of direct calls and jobs; NULL if there are none. */
struct memnet_context *stream_context(void);

/* stream_run.c */
void stream_run_epoll(struct stream *streams, unsigned int count);
void stream_run_threads(struct stream *streams, unsigned int count);
void stream_run_records(struct stream *streams, unsigned int count);

#endif
