/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * MemNet: sockets whose TCP/IP runs on an offload node.
 *
 * What programs need: the socket family and the options that are its own.
 * A MemNet socket is made by
 *
 *	socket(AF_MEMNET, SOCK_STREAM, MEMNET_PROTO_IPV4 or MEMNET_PROTO_IPV6)
 *
 * and is a TCP socket from there on: its addresses are sockaddr_in and
 * sockaddr_in6, SO_DOMAIN answers AF_INET or AF_INET6, SO_PROTOCOL answers
 * IPPROTO_MEMNET. Links and services are set up by generic netlink, see
 * linux/memnet_netlink.h.
 */
#ifndef _UAPI_LINUX_MEMNET_H
#define _UAPI_LINUX_MEMNET_H

#include <linux/types.h>

/*
 * Linux has no number to give: 25 was PF_WANPIPE's, and nothing registers it
 * any more. Where memnet.ko was loaded with another one, it is to be read in
 * /sys/module/memnet/parameters/family; memnet_family() of libmemnet does.
 */
#define AF_MEMNET	25
#define PF_MEMNET	AF_MEMNET

/* The protocol of the sockets inside; 253 is for experiments (RFC 3692). */
#define IPPROTO_MEMNET	253

/* Third argument of socket() */
#define MEMNET_PROTO_IPV4	0
#define MEMNET_PROTO_IPV6	1

/* Level of the options below; the kernel's own levels end below 300. */
#define SOL_MEMNET	325

#define MEMNET_NATIVE_PORTS	1	/* set: struct memnet_port_range[] */
#define MEMNET_INFO		2	/* get: struct memnet_info */

#define MEMNET_NATIVE_PORTS_MAX	32

/**
 * struct memnet_port_range - a range of TCP ports, in the machine's byte order
 * @first: lowest port, at least 1
 * @last: highest port, not below @first
 *
 * MEMNET_NATIVE_PORTS takes an array of up to MEMNET_NATIVE_PORTS_MAX of
 * these, which replaces the one set before; an empty one removes it. A socket
 * that is bound to such a local port, or connected to such a port, stays
 * native. To be set before bind() and connect().
 */
struct memnet_port_range {
	__u16 first;
	__u16 last;
};

#define MEMNET_INFO_VERSION	1

/*
 * memnet_info.flags: neither is set until bind(), listen() or connect() decides,
 * nor while a socket that is not connected has lost its link
 */
#define MEMNET_INFO_OFFLOADED	0x1	/* served by a node */
#define MEMNET_INFO_NATIVE	0x2	/* delegated to a native socket */

#define MEMNET_INFO_LINK_LEN	32

/**
 * struct memnet_info - where a socket is served, and how far it has come
 * @version: MEMNET_INFO_VERSION of the kernel; later ones only append
 * @size: bytes the kernel knows of this structure; fewer are copied to a
 *	caller with less room
 * @flags: MEMNET_INFO_OFFLOADED or MEMNET_INFO_NATIVE
 * @channel: channel of the link; the endpoint's ids are valid with OFFLOADED
 * @id: index of the endpoint on its channel
 * @generation: generation of that index
 * @state: state as in struct tcp_info
 * @reserved: zero
 * @link: name of the link, NUL-terminated, empty while there is none
 * @bytes_sent: bytes taken from the application
 * @bytes_received: bytes given to the application
 */
struct memnet_info {
	__u16 version;
	__u16 size;
	__u32 flags;
	__u32 channel;
	__u32 id;
	__u32 generation;
	__u8  state;
	__u8  reserved[3];
	char  link[MEMNET_INFO_LINK_LEN];
	__u64 bytes_sent;
	__u64 bytes_received;
};

/* ---- /dev/memnet: registered memory and direct transfers ---- */

/*
 * Each open file is a context with regions of its own. All structures begin
 * with their size as the caller knows it: a kernel that knows less of one
 * refuses (E2BIG) what it does not know unless it is zero. What is reserved
 * must be zero.
 */
#define MEMNET_IOC_REGISTER	_IO('M', 0xE0)	/* struct memnet_register */
#define MEMNET_IOC_DEREGISTER	_IO('M', 0xE1)	/* struct memnet_deregister */
#define MEMNET_IOC_SEND_DIRECT	_IO('M', 0xE2)	/* struct memnet_direct */
#define MEMNET_IOC_SUBMIT	_IO('M', 0xE3)	/* struct memnet_submit */
#define MEMNET_IOC_WAIT		_IO('M', 0xE4)	/* struct memnet_wait */
#define MEMNET_IOC_RECV_DIRECT	_IO('M', 0xE5)	/* struct memnet_direct */
#define MEMNET_IOC_CANCEL	_IO('M', 0xE6)	/* struct memnet_cancel */
#define MEMNET_IOC_EVENTFD	_IO('M', 0xE7)	/* struct memnet_eventfd */

#define MEMNET_REGIONS_MAX	65536	/* of a context */

#define MEMNET_REGION_RECV	0x1	/* may be received to */

/**
 * struct memnet_register - register memory to be sent from
 * @size: of this structure
 * @flags: MEMNET_REGION_*
 * @addr: its first byte, in the calling process
 * @len: bytes
 * @region: result: the region's number in this context, not 0
 * @reserved: 0
 *
 * The memory is pinned and charged to RLIMIT_MEMLOCK (ENOMEM) of the process.
 */
struct memnet_register {
	__u32 size;
	__u32 flags;
	__u64 addr;
	__u64 len;
	__u32 region;
	__u32 reserved;
};

/**
 * struct memnet_deregister - give a region back
 * @size: of this structure
 * @region: its number
 *
 * What is being sent from it, or received to it, goes on; it stays pinned until then. Where
 * nothing is the node can not write to it any more when this returns.
 */
struct memnet_deregister {
	__u32 size;
	__u32 region;
};

#define MEMNET_DIRECT_NOSIGNAL	0x1	/* as MSG_NOSIGNAL */
#define MEMNET_DIRECT_MORE	0x2	/* as MSG_MORE */
#define MEMNET_DIRECT_COPY	0x4	/* copy, where the socket is not offloaded */
#define MEMNET_DIRECT_WAITALL	0x8	/* receiving: as MSG_WAITALL */
#define MEMNET_DIRECT_DONTWAIT	0x10	/* receiving: as MSG_DONTWAIT */

/**
 * struct memnet_direct - send registered memory in place, or receive into it
 * @size: of this structure
 * @flags: MEMNET_DIRECT_*
 * @fd: connected socket
 * @region: number of the region
 * @offset: first byte in the region
 * @len: bytes
 * @done: result: bytes sent or received
 *
 * Sending returns when the node's TCP has taken all bytes, also on a non-blocking
 * socket; a signal, SO_SNDTIMEO or an error ends it with fewer. The memory may
 * be used again then. A socket that is not offloaded is EOPNOTSUPP, without
 * MEMNET_DIRECT_COPY.
 *
 * Receiving is recv(): it waits for bytes, unless the socket is non-blocking,
 * and returns those there are, 0 at the end of the stream. Without
 * MEMNET_DIRECT_WAITALL they may be fewer than there are. A region that may
 * not be received to is EACCES.
 */
struct memnet_direct {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 region;
	__u64 offset;
	__u64 len;
	__u64 done;
};

/* ---- asynchronous jobs ---- */

/*
 * A job is submitted with a result word of the caller's choice, and is over
 * when that word says so or when the counter of its socket has passed its end,
 * whichever is seen first. Both lie in memory that the context maps for
 * reading:
 *
 *	offset MEMNET_MAP_RESULTS	__u64 results[MEMNET_JOBS_MAX]
 *	offset MEMNET_MAP_COUNTERS	__le64 counters[MEMNET_COUNTERS_MAX]
 *
 * Read the counter first, then the result word, each once. The result counts
 * if MEMNET_RESULT_OVER is set. Else the job has sent all its bytes if the
 * upper 16 bits of the counter are those of @end, and the lower 48 have reached
 * those of @end (their difference, modulo 2^48, is below 2^47). The word is the
 * caller's again, for another job, when the job is over.
 *
 * What passed a counter needs no system call and no wake-up. Page by page,
 * counters can only be read when a job was given one there.
 */
#define MEMNET_JOBS_MAX		65536
#define MEMNET_COUNTERS_MAX	4096
#define MEMNET_MAP_RESULTS	0
#define MEMNET_MAP_COUNTERS	(MEMNET_JOBS_MAX * 8)
#define MEMNET_MAP_SIZE		(MEMNET_MAP_COUNTERS + MEMNET_COUNTERS_MAX * 8)

/* A result word: over, an errno (0 if all went well), the bytes that were sent. */
#define MEMNET_RESULT_OVER	0x8000000000000000ULL
#define MEMNET_RESULT_ERROR(r)	((unsigned int)((r) >> 48) & 0x7fff)
#define MEMNET_RESULT_BYTES(r)	((r) & ((1ULL << 48) - 1))

#define MEMNET_OP_SEND		1
#define MEMNET_OP_RECV		2

#define MEMNET_OP_MORE		0x1	/* as MSG_MORE */
#define MEMNET_OP_NOTIFY	0x2	/* its end is told by the context and its eventfd */
#define MEMNET_OP_WAITALL	0x4	/* receiving: as MSG_WAITALL */
#define MEMNET_OP_COPY		0x8	/* copy at once, where the socket is not offloaded */

#define MEMNET_NO_COUNTER	0xffffffffU

/**
 * struct memnet_op - a job
 * @opcode: MEMNET_OP_SEND or MEMNET_OP_RECV
 * @flags: MEMNET_OP_*
 * @fd: connected socket
 * @region: number of the region
 * @result: which result word is the job's
 * @offset: first byte in the region
 * @len: bytes
 * @end: result: what the counter is compared with
 * @counter: result: which counter; MEMNET_NO_COUNTER for a job that only its result
 *	word ends, such as all that receive
 * @error: result: 0, or the errno for which it was refused
 */
struct memnet_op {
	__u16 opcode;
	__u16 flags;
	__s32 fd;
	__u32 region;
	__u32 result;
	__u64 offset;
	__u64 len;
	__u64 end;
	__u32 counter;
	__u32 error;
};

/**
 * struct memnet_submit - submit jobs
 * @size: of this structure
 * @count: how many
 * @ops: struct memnet_op[]
 * @done: result: how many were taken, from the first on
 * @reserved: 0; for the size of an op, should one ever be larger
 *
 * Jobs of one socket and direction are done in the order in which they were
 * submitted, among the bytes of other calls. It ends at the first that is refused, whose @error
 * tells why, and fails with that if it was the first of all: EAGAIN where a
 * socket has as many jobs under way as it may (256 in each direction), and is
 * non-blocking or stays so for its SO_SNDTIMEO or SO_RCVTIMEO; EINTR where a
 * signal came before it was taken; EBUSY for a socket whose sends belong to another
 * context; ENOSPC where the context has no counter left; EOPNOTSUPP for a socket
 * that is not offloaded, without MEMNET_OP_COPY; EACCES, ENOENT and EINVAL for the
 * region and what is not within it, EINVAL also for an opcode, flags or result word there
 * are not; ENOMEM; and those of send() and recv(), without a signal (SIGPIPE).
 */
struct memnet_submit {
	__u32 size;
	__u32 count;
	__u64 ops;
	__u32 done;
	__u32 reserved;
};

/*
 * The command of io_uring (IORING_OP_URING_CMD on the context, cmd_op) that does
 * what MEMNET_IOC_SUBMIT does.
 */
#define MEMNET_URING_SUBMIT	_IO('M', 0xE8)

/**
 * struct memnet_uring_submit - its argument, in the entry's cmd
 * @ops: struct memnet_op[]
 * @count: how many
 * @reserved: 0
 *
 * Its result is how many were taken, or a negative errno. They may be fewer than
 * the socket would take in time: it waits for room only when none was taken.
 */
struct memnet_uring_submit {
	__u64 ops;
	__u32 count;
	__u32 reserved;
};

/* A job as MEMNET_IOC_WAIT knows it: from its struct memnet_op. */
struct memnet_job_ref {
	__u32 result;
	__u32 counter;
	__u64 end;
};

#define MEMNET_WAIT_ALL		0x1	/* for all of them, not for any */
#define MEMNET_WAIT_MAX		1024	/* jobs of one call */

/**
 * struct memnet_wait - wait for jobs
 * @size: of this structure
 * @flags: MEMNET_WAIT_*
 * @jobs: struct memnet_job_ref[]
 * @count: how many, at least 1
 * @done: result: how many of them are over; set when the call succeeds
 * @timeout: CLOCK_MONOTONIC in nanoseconds, absolute; negative: for ever
 *
 * Succeeds when one is over, or with MEMNET_WAIT_ALL all are. ETIME when the time is over, EINTR
 * after a signal.
 */
struct memnet_wait {
	__u32 size;
	__u32 flags;
	__u64 jobs;
	__u32 count;
	__u32 done;
	__s64 timeout;
};

/**
 * struct memnet_cancel - a job is to be over
 * @size: of this structure
 * @fd: its socket
 * @result: its result word
 * @reserved: 0
 *
 * A request: the job may still have all its bytes. It is over when its result
 * says so, which without any bytes is ECANCELED. ENOENT where no such job is
 * under way, EBUSY for one that sends and can not be stopped any more.
 */
struct memnet_cancel {
	__u32 size;
	__s32 fd;
	__u32 result;
	__u32 reserved;
};

/**
 * struct memnet_eventfd - an eventfd for the ends of jobs
 * @size: of this structure
 * @fd: eventfd, or -1 for none any more
 *
 * It is added one to for each job with MEMNET_OP_NOTIFY that ends, and replaces
 * one that was set before. The context stays readable as well.
 */
struct memnet_eventfd {
	__u32 size;
	__s32 fd;
};

#endif /* _UAPI_LINUX_MEMNET_H */
