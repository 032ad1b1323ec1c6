// SPDX-License-Identifier: GPL-2.0
/*
 * The operations that make and end sockets and connections, and those that
 * ask or tell something of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mnmodel.h"
#include "tested.h"

static const struct {
	const char *name;
	int level, option;
	int first, low, high;
} options[MODEL_OPTIONS] = {
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 1, 1, 2000 },
	{ "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 0, 0, 1 },
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 0, 0, 1 },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 7200, 100, 10000 },
	{ "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 75, 10, 1000 },
	{ "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 9, 5, 100 },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 200000, 400000 },
	{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 0, 0, 1 },
};

bool is_stream(const struct slot *slot)
{
	return slot->s.tcp >= ESTABLISHED;
}

static int fd_of(const struct slot *slot)
{
	return socket_of[slot->number];
}

static long answer_of(long ret)
{
	return ret < 0 ? -errno : ret;
}

static bool always(struct slot *slot)
{
	return slot->open;
}

/* --- made --- */

static void reset_slot(struct slot *slot, int fd)
{
	unsigned int i;

	socket_of[slot->number] = fd;
	slot->open = true;
	slot->life++;
	memset(&slot->s, 0, sizeof(slot->s));
	memset(&slot->other, 0, sizeof(slot->other));
	slot->queued = 0;
	slot->linger = -1;
	for (i = 0; i < MODEL_OPTIONS; i++)
		slot->options[i] = options[i].first;
}

static bool may_make(struct slot *slot)
{
	return !slot->open;
}

static void make(struct slot *slot)
{
	int fd = tested_socket(SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		differ(slot, "socket() = %s", answer_text(-errno));
	reset_slot(slot, fd);
	slot_log(slot, "socket()");
}

static long bind_rule(struct state *s, const void *arg)
{
	(void)arg;
	return rule_bind(s);
}

/* The port it has now; the same as before, if that is known. */
static void learn_port(struct slot *slot)
{
	union addr addr;
	socklen_t len = sizeof(addr);
	unsigned int port;

	check_is(slot, "getsockname()",
		 answer_of(getsockname(fd_of(slot), &addr.sa, &len)), 0);
	port = addr_port(&addr);
	if (!port || (slot->s.port && slot->s.port != port))
		differ(slot, "getsockname() tells port %u, not %u", port,
		       slot->s.port);
	slot->s.port = port;
}

static void bind_any(struct slot *slot)
{
	union addr addr;
	long got;

	settle(slot);
	addr_any(&addr, tested.v6, 0);
	got = answer_of(bind(fd_of(slot), &addr.sa, addr_len(&addr)));
	check(slot, "bind()", got, bind_rule, NULL);
	if (!got)
		learn_port(slot);
}

static long listen_rule(struct state *s, const void *arg)
{
	(void)arg;
	return rule_listen(s);
}

/* What was shut before is not tried as a listener: its children are as it is. */
static bool may_listen(struct slot *slot)
{
	return slot->open && (!slot->s.shut || slot->s.tcp != CLOSED ||
			      slot->s.asked != UNCONNECTED);
}

static void listen_some(struct slot *slot)
{
	long got;

	settle(slot);
	got = answer_of(listen(fd_of(slot), 16));
	check(slot, "listen()", got, listen_rule, NULL);
	if (!got)
		learn_port(slot);
}

/* --- accept --- */

static bool may_call(struct slot *slot)
{
	return slot->open && slot->s.tcp == LISTENING &&
	       slot->queued < MODEL_QUEUE;
}

static struct slot *free_slot(void)
{
	unsigned int i;

	for (i = 0; i < MODEL_SOCKETS; i++)
		if (shared->slots[i].owner == (int)process &&
		    !shared->slots[i].open)
			return &shared->slots[i];
	return NULL;
}

static void take_child(struct slot *to, int fd, const struct waiting *w)
{
	reset_slot(to, fd);
	to->s.tcp = ESTABLISHED;
	to->s.asked = CONNECTED;
	to->other = w->other;
	memcpy(to->options, w->options, sizeof(to->options));
	to->linger = w->linger;
	slot_log(to, "was accepted");
	peer_until(to, &to->other, "here");
	__atomic_fetch_add(&shared->accepted, 1, __ATOMIC_RELAXED);
}

static void accept_one(struct slot *slot)
{
	bool blocking = slot->queued && chance(slot, 4);
	struct slot *to = slot->queued ? free_slot() : NULL;
	union addr addr;
	socklen_t len = sizeof(addr);
	struct waiting w;
	unsigned int port;
	int fd;

	if (blocking)
		set_nonblock(fd_of(slot), false);
	fd = accept4(fd_of(slot), &addr.sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		check_is(slot, "accept()", -errno, slot->s.tcp == LISTENING &&
			 !slot->queued ? -EAGAIN : -EINVAL);
		return;
	}
	if (blocking)
		set_nonblock(fd_of(slot), true);
	slot_log(slot, "accept()%s = port %u", blocking ? " blocking" : "",
		 addr_port(&addr));
	w = slot->queue[0];
	if (!slot->queued || addr_port(&addr) != w.port)
		differ(slot, "accept() = port %u, in the queue were %u, of port %u first",
		       addr_port(&addr), slot->queued, w.port);
	slot->queued--;
	memmove(slot->queue, slot->queue + 1, slot->queued * sizeof(w));
	port = slot->s.port;
	/* no place for it: the listener's */
	if (!to) {
		slot_close(slot);
		to = slot;
	}
	take_child(to, fd, &w);
	to->s.port = port;
}

/* --- connect --- */

static long connect_to(struct slot *slot, unsigned int port)
{
	union addr addr = tested.peer[tested.v6];

	addr_set_port(&addr, port);
	return answer_of(connect(fd_of(slot), &addr.sa, addr_len(&addr)));
}

static unsigned int puppet_port(void)
{
	return addr_port(&tested.peer[tested.v6]);
}

static long connect_rule(struct state *s, const void *arg)
{
	(void)arg;
	return rule_connect(s);
}

/* The last connection's peer is over, or will be. */
static void forget_other(struct slot *slot, int err)
{
	if (slot->other.is)
		peer_over(slot, &slot->other, slot->s.tx, err);
	slot->other.is = false;
}

static int errno_when_over(const struct slot *slot)
{
	return slot->other.reset ? -1 : 0;
}

/* Not one that cannot send: the peer would wait for its line. */
static bool may_connect(struct slot *slot)
{
	return slot->open && slot->s.tcp == CLOSED &&
	       slot->s.asked == UNCONNECTED && !(slot->s.shut & SHUT_WRITE);
}

static void begin(struct slot *slot)
{
	forget_other(slot, errno_when_over(slot));
	slot->s.tx = 0;
	slot->s.rx = 0;
	slot->s.sure = 0;
	slot->s.told = 0;
}

/* While the SYN is under way, or is no more. */
static void look_while_connecting(struct slot *slot)
{
	struct pollfd p = { .fd = fd_of(slot), .events = POLLIN | POLLOUT };
	long got = connect_to(slot, puppet_port());

	slot_log(slot, "connect() again = %s", answer_text(got));
	if (!got)
		slot->s.asked = CONNECTED;
	else if (got != -EALREADY && (got != -EISCONN || slot->s.asked != CONNECTED))
		differ(slot, "connect() while connecting = %s", answer_text(got));
	got = poll(&p, 1, 0);
	if (got && p.revents & (POLLERR | (slot->s.shut ? 0 : POLLIN | POLLHUP)))
		differ(slot, "poll() while connecting: %#x", p.revents);
}

static void connect_good(struct slot *slot)
{
	bool blocking = chance(slot, 3);
	unsigned int looks = pick(slot, 0, 2);
	struct state *s = &slot->s;
	char line[200];
	long got;
	int n;

	begin(slot);
	if (blocking) {
		set_nonblock(fd_of(slot), false);
		got = connect_to(slot, puppet_port());
		set_nonblock(fd_of(slot), true);
		check_is(slot, "connect() blocking", got, 0);
		rule_connect(s);
		s->asked = CONNECTED;
	} else {
		check(slot, "connect()", connect_to(slot, puppet_port()),
		      connect_rule, NULL);
		while (looks--)
			look_while_connecting(slot);
		if (!(wait_fd(fd_of(slot), POLLOUT, MODEL_BOUND * 1000) & POLLOUT))
			differ(slot, "poll() does not tell of the connection");
	}
	s->tcp = ESTABLISHED;
	learn_port(slot);
	n = peer_line(slot, &slot->other, line, sizeof(line));
	if (write_all(fd_of(slot), line, n))
		differ(slot, "the first send() = %s", answer_text(-errno));
	peer_until(slot, &slot->other, "here");
	__atomic_fetch_add(&shared->connections, 1, __ATOMIC_RELAXED);
}

static void connect_refused(struct slot *slot)
{
	struct state *s = &slot->s;
	long got;

	begin(slot);
	if (chance(slot, 3)) {
		set_nonblock(fd_of(slot), false);
		got = connect_to(slot, peer_closed());
		set_nonblock(fd_of(slot), true);
		check_is(slot, "connect() refused, blocking", got, -ECONNREFUSED);
		rule_connect(s);
		rule_disconnect(s);
		s->err = 0;
		return;
	}
	check(slot, "connect() to be refused", connect_to(slot, peer_closed()),
	      connect_rule, NULL);
	if (!(wait_fd(fd_of(slot), POLLOUT, MODEL_BOUND * 1000) & POLLERR))
		differ(slot, "poll() does not tell of the refusal");
	s->tcp = CLOSED;
	s->err = ECONNREFUSED;
	s->shut = SHUT_BOTH;
	s->port = 0;
}

static void connect_unanswered(struct slot *slot)
{
	begin(slot);
	check(slot, "connect() unanswered", connect_to(slot, peer_full()),
	      connect_rule, NULL);
	/* the kernel may have chosen a port, or not yet */
	slot->s.port = 0;
}

static bool may_connect_again(struct slot *slot)
{
	return slot->open && (slot->s.tcp != CLOSED || slot->s.asked != UNCONNECTED);
}

static void connect_again(struct slot *slot)
{
	settle(slot);
	check(slot, "connect() again", connect_to(slot, puppet_port()),
	      connect_rule, NULL);
}

static long disconnect_rule(struct state *s, const void *arg)
{
	(void)arg;
	return rule_disconnect(s);
}

static void disconnect(struct slot *slot)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int err = errno_when_over(slot);

	settle(slot);
	if (is_stream(slot))
		err = slot->s.tcp == FIN_SENT ? EPIPE : ECONNRESET;
	check(slot, "connect(AF_UNSPEC)",
	      answer_of(connect(fd_of(slot), &none, sizeof(none))),
	      disconnect_rule, NULL);
	queue_over(slot);
	forget_other(slot, err);
}

/* --- the end --- */

static long shutdown_rule(struct state *s, const void *arg)
{
	return rule_shutdown(s, *(const int *)arg);
}

static void shutdown_some(struct slot *slot)
{
	static const char * const names[] = { "RD", "WR", "RDWR" };
	bool crossing = slot->s.fin_told && slot->s.sure == slot->s.told &&
			chance(slot, 2);
	int how = pick(slot, 0, 2);
	char what[32];

	snprintf(what, sizeof(what), "shutdown(%s)", names[how]);
	if (how != SHUT_RD)
		peer_drained(slot);
	if (!crossing)
		settle(slot);
	check(slot, what, answer_of(shutdown(fd_of(slot), how)),
	      shutdown_rule, &how);
	if (slot->s.tcp != LISTENING)
		queue_over(slot);
	if (slot->s.tcp == FIN_SENT)
		peer_until(slot, &slot->other, "eof");
	settle(slot);
}

/* A child process is the last that has it open. */
static void close_in_child(struct slot *slot)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		nap_ms(1);
		_exit(close(fd_of(slot)) ? 1 : 0);
	}
	close(fd_of(slot));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		differ(slot, "close() in a child failed");
}

static void close_with(struct slot *slot, bool in_child)
{
	bool crossing = slot->s.told != slot->s.sure && chance(slot, 2);
	int err = errno_when_over(slot);

	if (!crossing)
		settle(slot);
	if (is_stream(slot)) {
		if (crossing)
			err = -1;
		else if (!slot->linger || slot->s.sure != slot->s.rx)
			err = slot->s.tcp == FIN_SENT ? EPIPE : ECONNRESET;
		else
			err = 0;
	}
	slot_log(slot, "close()%s", in_child ? " in a child" : "");
	if (in_child)
		close_in_child(slot);
	else if (close(fd_of(slot)))
		differ(slot, "close() = %s", answer_text(-errno));
	socket_of[slot->number] = -1;
	slot->open = false;
	queue_over(slot);
	forget_other(slot, err);
}

void slot_close(struct slot *slot)
{
	close_with(slot, false);
}

static void close_some(struct slot *slot)
{
	close_with(slot, chance(slot, 8));
}

/* --- asked and told --- */

static void look(struct slot *slot)
{
	struct pollfd p = {
		.fd = fd_of(slot),
		.events = POLLIN | POLLRDNORM | POLLRDHUP | POLLPRI | POLLOUT |
			  POLLWRNORM,
	};
	long got = answer_of(poll(&p, 1, 0));

	check_poll(slot, "poll()", got < 0 ? got : p.revents);
}

static void look_by_epoll(struct slot *slot)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLPRI |
			  EPOLLOUT | EPOLLWRNORM,
	};
	int set = epoll_create1(EPOLL_CLOEXEC);
	long got;

	if (chance(slot, 2))
		event.events |= EPOLLET;
	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd_of(slot), &event))
		differ(slot, "epoll: %s", answer_text(-errno));
	event.events = 0;
	got = answer_of(epoll_wait(set, &event, 1, 0));
	close(set);
	check_poll(slot, "epoll_wait()", got <= 0 ? got : event.events);
}

static long error_rule(struct state *s, const void *arg)
{
	(void)arg;
	return rule_error(s);
}

static void ask_error(struct slot *slot)
{
	int value = -1;
	socklen_t len = sizeof(value);
	long got = answer_of(getsockopt(fd_of(slot), SOL_SOCKET, SO_ERROR,
					&value, &len));

	check(slot, "SO_ERROR", got < 0 ? got : value, error_rule, NULL);
}

static void name(struct slot *slot)
{
	union addr addr;
	socklen_t len = sizeof(addr);
	long got = answer_of(getsockname(fd_of(slot), &addr.sa, &len));

	check_is(slot, "getsockname()", got, 0);
	/* what is left of a port that was given up is nobody's business */
	if (slot->s.port && addr_port(&addr) != slot->s.port && slot->s.tcp != CLOSED)
		differ(slot, "getsockname() tells port %u, not %u",
		       addr_port(&addr), slot->s.port);
}

static long peer_name_rule(struct state *s, const void *arg)
{
	(void)arg;
	return rule_peer_name(s);
}

static void peer_name(struct slot *slot)
{
	union addr addr;
	socklen_t len = sizeof(addr);

	check(slot, "getpeername()",
	      answer_of(getpeername(fd_of(slot), &addr.sa, &len)),
	      peer_name_rule, NULL);
}

static void set_option(struct slot *slot)
{
	unsigned int i = pick(slot, 0, MODEL_OPTIONS - 1);
	int value = pick(slot, options[i].low, options[i].high);
	char what[64];

	snprintf(what, sizeof(what), "setsockopt(%s, %d)", options[i].name, value);
	check_is(slot, what, answer_of(setsockopt(fd_of(slot), options[i].level,
						  options[i].option, &value,
						  sizeof(value))), 0);
	slot->options[i] = value;
}

static void get_option(struct slot *slot)
{
	unsigned int i = pick(slot, 0, MODEL_OPTIONS - 1);
	int value = -1;
	socklen_t len = sizeof(value);
	char what[64];

	snprintf(what, sizeof(what), "getsockopt(%s)", options[i].name);
	check_is(slot, what, answer_of(getsockopt(fd_of(slot), options[i].level,
						  options[i].option, &value, &len)), 0);
	if (value != slot->options[i])
		differ(slot, "%s: %d, not %d", what, value, slot->options[i]);
}

static void set_linger(struct slot *slot)
{
	struct linger linger = { .l_onoff = chance(slot, 2), .l_linger = pick(slot, 0, 1) };

	check_is(slot, "setsockopt(SO_LINGER)",
		 answer_of(setsockopt(fd_of(slot), SOL_SOCKET, SO_LINGER,
				      &linger, sizeof(linger))), 0);
	slot->linger = linger.l_onoff ? linger.l_linger : -1;
}

static void get_linger(struct slot *slot)
{
	struct linger linger;
	socklen_t len = sizeof(linger);

	check_is(slot, "getsockopt(SO_LINGER)",
		 answer_of(getsockopt(fd_of(slot), SOL_SOCKET, SO_LINGER,
				      &linger, &len)), 0);
	if (linger.l_onoff != (slot->linger >= 0) ||
	    (linger.l_onoff && linger.l_linger != slot->linger))
		differ(slot, "SO_LINGER: %d %d, not %d", linger.l_onoff,
		       linger.l_linger, slot->linger);
}

static void unread_rule_check(struct slot *slot, long got)
{
	struct state s = slot->s;
	long first = rule_inq(&s), second;

	rule_arrive(&s);
	second = rule_inq(&s);
	slot_log(slot, "SIOCINQ = %s", answer_text(got));
	if (got < first || got > second)
		differ(slot, "SIOCINQ = %s, allowed %s to %s", answer_text(got),
		       answer_text(first), answer_text(second));
	if (got > first)
		slot->s.sure = slot->s.rx + got;
}

static void unread(struct slot *slot)
{
	int value = -1;
	long got = answer_of(ioctl(fd_of(slot), SIOCINQ, &value));

	unread_rule_check(slot, got < 0 ? got : value);
}

/* What is not acknowledged is less than what may not have been read; the FIN is one. */
static void unsent(struct slot *slot)
{
	int value = -1;
	long got = answer_of(ioctl(fd_of(slot), SIOCOUTQ, &value));

	if (slot->s.tcp == LISTENING) {
		check_is(slot, "SIOCOUTQ", got, -EINVAL);
		return;
	}
	check_is(slot, "SIOCOUTQ", got, 0);
	if (value < 0 || (slot->s.tcp != CLOSED && value > (long)slot->s.tx + 200))
		differ(slot, "SIOCOUTQ: %d of %llu", value,
		       (unsigned long long)slot->s.tx);
}

static void duplicate(struct slot *slot)
{
	int fd = dup(fd_of(slot));

	if (fd < 0 || close(fd_of(slot)))
		differ(slot, "dup() and close(): %s", answer_text(-errno));
	socket_of[slot->number] = fd;
	slot_log(slot, "dup(), close()");
}

const struct op life_ops[] = {
	{ "socket", 1000, may_make, make, true },
	{ "bind", 6, always, bind_any },
	{ "listen", 25, may_listen, listen_some },
	{ "peer-connects", 30, may_call, peer_call },
	{ "accept", 15, always, accept_one, true },
	{ "connect", 60, may_connect, connect_good },
	{ "connect-refused", 5, may_connect, connect_refused },
	{ "connect-unanswered", 3, may_connect, connect_unanswered },
	{ "connect-again", 5, may_connect_again, connect_again },
	{ "disconnect", 3, always, disconnect },
	{ "shutdown", 10, always, shutdown_some },
	{ "close", 10, always, close_some, true },
	{ "poll", 20, always, look },
	{ "epoll", 15, always, look_by_epoll },
	{ "SO_ERROR", 10, always, ask_error },
	{ "getsockname", 5, always, name },
	{ "getpeername", 8, always, peer_name },
	{ "setsockopt", 10, always, set_option },
	{ "getsockopt", 10, always, get_option },
	{ "set-linger", 4, always, set_linger },
	{ "get-linger", 3, always, get_linger },
	{ "SIOCINQ", 10, always, unread },
	{ "SIOCOUTQ", 5, always, unsent },
	{ "dup", 4, always, duplicate, true },
	{ NULL }
};
