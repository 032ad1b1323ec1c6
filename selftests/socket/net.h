/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses, clocks and whole-buffer transfers, for every program here.
 * Nothing in this file knows which family is under test.
 */
#ifndef MN_NET_H
#define MN_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

#define ADDR_TEXT 64

/* "1.2.3.4" or "2001:db8::1"; false if it is neither. */
bool addr_parse(union addr *addr, const char *text, unsigned int port);
void addr_any(union addr *addr, bool v6, unsigned int port);
/* ::ffff:a.b.c.d of a v4 address. */
void addr_map(union addr *addr, const union addr *v4);
socklen_t addr_len(const union addr *addr);
unsigned int addr_port(const union addr *addr);
void addr_set_port(union addr *addr, unsigned int port);
bool addr_is_any(const union addr *addr);
bool addr_same_host(const union addr *a, const union addr *b);
/* The address without its port, in a buffer of ADDR_TEXT bytes. */
const char *addr_text(const union addr *addr, char *text);

long now_ms(void);
void nap_ms(long ms);

/* poll() one descriptor; the events that are there, 0 when the time is up. */
int wait_fd(int fd, short events, long ms);

/* All of it, or -1 with errno. Works on blocking and non-blocking sockets. */
int write_all(int fd, const void *buf, size_t len);
/* Up to @len bytes, fewer only at the end of the stream; -1 with errno. */
ssize_t read_all(int fd, void *buf, size_t len);
/* One line, without its newline; -1 with errno (EPIPE: ended before one). */
int read_line(int fd, char *line, size_t size, long ms);

void set_nonblock(int fd, bool on);
void raise_fd_limit(void);
/* "ECONNRESET" for a known errno, its number otherwise. */
const char *errno_name(int err);

#endif
