/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One bulk stream of mnstream: what it is to do, and how far it got.
 */
#ifndef MN_STREAM_H
#define MN_STREAM_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "memnet.h"
#include "net.h"
#include "pattern.h"
#include "peer.h"
#include "tested.h"

#define STREAM_BUFFERS 8

struct stream_options {
	uint64_t send, recv;	/* per stream */
	unsigned int streams;
	bool block;
	bool sendfile;
	unsigned int direct;	/* of 4 sends, this many are direct */
	unsigned int async;	/* and this many asynchronous jobs */
	unsigned int recv_direct;	/* of 4 receives */
	unsigned int recv_async;
	size_t size;		/* of every call; 0: random up to max */
	size_t max;
	uint64_t seed;
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
	struct sum sum;		/* of what was sent */
	bool ended;
	char *out;
	char *registered;	/* STREAM_BUFFERS to send from */
	memnet_region region;
	memnet_job jobs[STREAM_BUFFERS];
	size_t job_len[STREAM_BUFFERS];
	unsigned int next_job;

	/* the receiver's */
	uint64_t received;
	uint64_t reads;
	uint64_t recv_random;
	char *in;
	char *landing;		/* STREAM_BUFFERS to receive to */
	memnet_region landing_region;
	struct landing {
		memnet_job job;
		size_t offset, len;
		bool whole;
	} landings[STREAM_BUFFERS];
	unsigned int first_landing, n_landings;
	char line[256];		/* the peer's account, after the bytes */
	size_t line_len;
	bool eof;

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
/* Everything arrived on both sides, or s->why says what is wrong. */
bool stream_verify(struct stream *s);

void stream_run_epoll(struct stream *streams, unsigned int count);
void stream_run_threads(struct stream *streams, unsigned int count);

#endif
