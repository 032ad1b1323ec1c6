/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mnsock's tests are made of: connections, listeners, helpers for
 * signals and threads. Everything here fails the test itself when it cannot
 * do its part, so tests stay about what they test.
 */
#ifndef MN_FIXTURE_H
#define MN_FIXTURE_H

#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

#include "net.h"
#include "pattern.h"
#include "peer.h"
#include "tap.h"
#include "tested.h"

#define LONG_MS 10000	/* for what must happen */
#define SHORT_MS 150	/* for what must not */

/* Sockets of the family under test. */
int fresh(void);
int fresh_nonblock(void);
/* A connection whose other end does what is said, as mnpuppet's language. */
int meet(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Always by connect(), and always accepted. */
int dial(const char *format, ...) __attribute__((format(printf, 1, 2)));
int receive(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A listener on any address; its port. */
int listener(unsigned int *port);
unsigned int port_of(int fd);
/* Has mnpuppet connect to us. */
void call(unsigned int port, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void call_many(unsigned int port, unsigned int count, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int accept_one(int fd);
/* mnpuppet's address, and ours, with this port. */
const union addr *peer_at(unsigned int port);
const union addr *local_at(unsigned int port);
/* A port of mnpuppet's that swallows SYNs, or refuses them, until *hold closes. */
unsigned int full_port(int *hold, const char *tag);
unsigned int closed_port(int *hold);

struct result stat_of(const char *tag);
void go(const char *tag, const char *words);
/* Reads the line that sink and its like answer, after our FIN. */
struct result answer_of(int fd);
/* Ends what goes to a sink with check=1, which got so many bytes of the pattern and no others. */
void expect_sunk(int fd, size_t len);

/* Blocking, whole: pattern bytes of @seed from position @pos. */
void send_pattern(int fd, unsigned int seed, size_t pos, size_t len);
void recv_pattern(int fd, unsigned int seed, size_t pos, size_t len);
void expect_eof(int fd);
/* Sends pattern bytes of seed 1 until the socket takes no more; how many. */
size_t fill(int fd);
/* The socket has this error now, after waiting for POLLERR. */
void await_error(int fd);
void await_bytes(int fd, int count);

int get_int(int fd, int level, int name);
void set_int(int fd, int level, int name, int value);
/* SO_RCVTIMEO and SO_SNDTIMEO. */
void set_timeout(int fd, int name, long ms);

/* SIGUSR1 every @ms from now on, counted. */
extern volatile int ticks;
void tick_start(long ms, int sa_flags);
void tick_stop(void);
/* SIGPIPEs are counted instead of killing. */
extern volatile int pipes;
void count_sigpipe(void);

/* A child process running @run; wait_for() fails if it did. */
pid_t child(void (*run)(void *), void *arg);
void wait_for(pid_t pid);
/* Until the thread or process sleeps, which it will do in its system call. */
void await_sleep(pid_t pid, pid_t tid);

/* A family cannot refuse what the kernel has at SOL_SOCKET before 6.7. */
bool family_sees_socket_options(void);

/* By SCM_RIGHTS, over a Unix socket. */
void send_descriptor(int over, int fd);
int receive_descriptor(int over);

void *bad_memory(void);
void become_nobody(void);	/* loses every capability */

#endif
