/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memnetctl.
 *
 *   main.c     the commands, and what is printed of each
 *   words.c    the command line, word by word; says what is wrong and where
 *   change.c   commands that change something
 *   filter.c   which sockets are meant
 *   process.c  whose they are
 *   destroy.c  resetting one
 *   request.c  sending a request, receiving answers and errors
 *   decode.c   attributes of an answer to JSON
 *   table.c    JSON to aligned columns
 *   noresolve.c keeps the resolver out of a static build
 *
 * Every answer becomes JSON first, whichever way it is printed, so that both
 * outputs say the same.
 */
#ifndef MEMNET_CTL_H
#define MEMNET_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <netlink/netlink.h>
#include <netlink/genl/genl.h>
#include <netlink/genl/ctrl.h>

#include <linux/memnet.h>
#include <linux/memnet_netlink.h>

/* Exit codes */
enum {
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/**
 * struct words - the command line
 * @word: all of it, NULL at the end
 * @next: the word to be read next
 * @usage: usage of the command being read
 */
struct words {
	char **word;
	int next;
	const char *usage;
};

/* words.c: what cannot be read ends the program with EXIT_USAGE */
const char *word_peek(const struct words *w);
const char *word_take(struct words *w, const char *what);
void word_end(const struct words *w);
void word_wrong(const struct words *w, const char *why) __attribute__((noreturn));
void word_wrong_at(const struct words *w, size_t offset, const char *why)
	__attribute__((noreturn));
uint64_t word_number(struct words *w, const char *what, uint64_t min, uint64_t max);

typedef json_t *decode_fn(const struct nlmsghdr *hdr);

/* request.c: what fails ends the program with EXIT_FAILED */
struct nl_msg *request_new(uint8_t cmd, int flags);
void request_change(struct nl_msg *msg, const char *what);
json_t *request_one(struct nl_msg *msg, const char *what, decode_fn *decode);
json_t *request_all(uint8_t cmd, const char *what, decode_fn *decode);
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* change.c */
void link_add(struct words *w);
void link_del(struct words *w);
void link_set(struct words *w);
void tcps_listen(struct words *w);
void tcps_unlisten(struct words *w);

#define FILTER_STATES 16

/**
 * struct filter_address - addresses that are meant
 * @family: AF_INET or AF_INET6, 0 for any
 * @addr: the address
 * @length: bits of it that count
 * @port: -1 for any
 */
struct filter_address {
	int family;
	unsigned char addr[16];
	unsigned int length;
	int port;
};

/**
 * struct filter - sockets that are meant; numbers are -1 for any
 * @state: one of these, unless there are none
 * @n_states: how many
 * @src: local address
 * @dst: remote address
 * @sport: local port
 * @dport: remote port
 * @uid: owner
 * @inode: inode
 * @link: name of the link, NULL for any
 */
struct filter {
	const char *state[FILTER_STATES];
	size_t n_states;
	struct filter_address src;
	struct filter_address dst;
	int64_t sport;
	int64_t dport;
	int64_t uid;
	int64_t inode;
	const char *link;
};

/* filter.c */
bool filter_read(struct words *w, struct filter *f);
bool filter_match(const struct filter *f, const json_t *row);

/* process.c */
void processes_add(json_t *rows);

/* destroy.c */
bool socket_destroy(uint64_t cookie);

/* decode.c */
json_t *decode_link(const struct nlmsghdr *hdr);
extern const char *const option_classes[];
json_t *decode_listener(const struct nlmsghdr *hdr);
json_t *decode_session(const struct nlmsghdr *hdr);
json_t *decode_socket(const struct nlmsghdr *hdr);
json_t *decode_stat(const struct nlmsghdr *hdr);

/**
 * struct column - a column of a table
 * @title: its head
 * @right: numbers, aligned to the right
 * @cell: writes the text of a row's cell
 */
struct column {
	const char *title;
	bool right;
	void (*cell)(const json_t *row, char *text, size_t size);
};

#define CELL_SIZE 256

/* table.c */
void table_print(const json_t *rows, const struct column *columns, size_t n);
void list_print(const json_t *object, int indent);

#endif /* MEMNET_CTL_H */
