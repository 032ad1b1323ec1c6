// SPDX-License-Identifier: GPL-2.0
/*
 * Requests and answers.
 *
 * One socket for the life of the program. An error of the kernel comes as an
 * acknowledgement, or at the end of a dump, with an errno and mostly a message
 * (extended acknowledgement): both are printed, and the program ends. The
 * attribute an error refers to is not looked at, the messages name it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netlink.h>

#include "ctl.h"

/* A dump fills such a buffer at a time. */
#define RECEIVE_SIZE 32768

static struct nl_sock *sock;
static int family;

/* What came of the request under way. */
struct outcome {
	decode_fn *decode;
	json_t *answers;
	int error;	/* positive errno */
	bool done;
	char message[256];
};

/**
 * fail() - say what failed and end
 * @fmt: as of printf
 */
void fail(const char *fmt, ...)
{
	va_list args;

	fputs("memnetctl: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILED);
}

static void set_option(int option)
{
	int one = 1;

	/* kernels without them just say less */
	setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, option, &one, sizeof(one));
}

static void connect_kernel(void)
{
	int err;

	sock = nl_socket_alloc();
	if (!sock)
		fail("out of memory");
	nl_socket_disable_seq_check(sock);
	err = genl_connect(sock);
	if (err)
		fail("generic netlink: %s", nl_geterror(err));
	nl_socket_set_msg_buf_size(sock, RECEIVE_SIZE);
	family = genl_ctrl_resolve(sock, MEMNET_FAMILY_NAME);
	if (family < 0)
		fail("MemNet is not loaded: modprobe memnet on a host, memnet_tcps on a node");
	/* only now, for libnl reads acknowledgements of its own as they were */
	set_option(NETLINK_EXT_ACK);
	set_option(NETLINK_CAP_ACK);
}

/**
 * request_new() - begin a request
 * @cmd: MEMNET_CMD_*
 * @flags: NLM_F_* beside the usual
 *
 * Return: the message, to be filled with attributes.
 */
struct nl_msg *request_new(uint8_t cmd, int flags)
{
	struct nl_msg *msg;

	if (!sock)
		connect_kernel();
	msg = nlmsg_alloc();
	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0,
				 NLM_F_REQUEST | flags, cmd, MEMNET_FAMILY_VERSION))
		fail("out of memory");
	return msg;
}

/* The text among the attributes that follow an errno. */
static void read_message(struct outcome *o, const void *attrs, int len)
{
	struct nlattr *tb[NLMSGERR_ATTR_MSG + 1] = {};
	struct nlattr *attr;

	if (len <= 0 || nla_parse(tb, NLMSGERR_ATTR_MSG, (struct nlattr *)attrs, len, NULL))
		return;
	attr = tb[NLMSGERR_ATTR_MSG];
	if (attr)
		snprintf(o->message, sizeof(o->message), "%.*s", nla_len(attr),
			 (const char *)nla_data(attr));
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *err, void *arg)
{
	const struct nlmsghdr *hdr = (const void *)((const char *)err - NLMSG_HDRLEN);
	struct outcome *o = arg;
	int used = NLMSG_HDRLEN + (int)NLMSG_ALIGN(sizeof(*err));

	(void)from;
	o->error = -err->error;
	o->done = true;
	if (!(hdr->nlmsg_flags & NLM_F_CAPPED))
		used += (int)NLMSG_ALIGN(err->msg.nlmsg_len - NLMSG_HDRLEN);
	if (hdr->nlmsg_flags & NLM_F_ACK_TLVS)
		read_message(o, (const char *)hdr + used, (int)hdr->nlmsg_len - used);
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct outcome *o = arg;

	(void)msg;
	o->done = true;
	return NL_STOP;
}

static int on_finish(struct nl_msg *msg, void *arg)
{
	const struct nlmsghdr *hdr = nlmsg_hdr(msg);
	struct outcome *o = arg;
	int used = NLMSG_HDRLEN + (int)NLMSG_ALIGN(sizeof(int));
	int error = 0;

	if (nlmsg_datalen(hdr) >= (int)sizeof(error))
		memcpy(&error, nlmsg_data(hdr), sizeof(error));
	if (error < 0)
		o->error = -error;
	o->done = true;
	if (hdr->nlmsg_flags & NLM_F_ACK_TLVS)
		read_message(o, (const char *)hdr + used, (int)hdr->nlmsg_len - used);
	return NL_STOP;
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	const struct nlmsghdr *hdr = nlmsg_hdr(msg);
	struct outcome *o = arg;
	json_t *answer;

	answer = genlmsg_valid_hdr((struct nlmsghdr *)hdr, 0) ? o->decode(hdr) : NULL;
	if (!answer)
		fail("an answer of the kernel could not be read");
	if (json_array_append_new(o->answers, answer))
		fail("out of memory");
	return NL_OK;
}

static void exchange(struct nl_msg *msg, const char *what, struct outcome *o)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int err;

	if (!cb)
		fail("out of memory");
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, o);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, o);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, o);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, o);

	err = nl_send_auto(sock, msg);
	nlmsg_free(msg);
	if (err < 0)
		fail("%s: %s", what, nl_geterror(err));
	while (!o->done) {
		err = nl_recvmsgs(sock, cb);
		if (err < 0 && !o->done)
			fail("%s: %s", what, nl_geterror(err));
	}
	nl_cb_put(cb);
}

static __attribute__((noreturn)) void fail_outcome(const char *what, const struct outcome *o)
{
	if (o->message[0])
		fail("%s: %s (%s)", what, o->message, strerror(o->error));
	if (o->error == EPERM)
		fail("%s: this needs CAP_NET_ADMIN", what);
	fail("%s: %s", what, strerror(o->error));
}

/**
 * request_change() - send a request that changes something
 * @msg: the request; freed
 * @what: names it in errors
 */
void request_change(struct nl_msg *msg, const char *what)
{
	struct outcome o = {};

	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
	exchange(msg, what, &o);
	if (o.error)
		fail_outcome(what, &o);
}

static json_t *collect(struct nl_msg *msg, const char *what, decode_fn *decode)
{
	struct outcome o = { .decode = decode, .answers = json_array() };

	if (!o.answers)
		fail("out of memory");
	exchange(msg, what, &o);
	if (o.error)
		fail_outcome(what, &o);
	return o.answers;
}

/**
 * request_one() - ask for one thing
 * @msg: the request; freed
 * @what: names it in errors
 * @decode: turns an answer into JSON
 *
 * Return: an array with the answer.
 */
json_t *request_one(struct nl_msg *msg, const char *what, decode_fn *decode)
{
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
	return collect(msg, what, decode);
}

/**
 * request_all() - ask for all of a kind
 * @cmd: MEMNET_CMD_*
 * @what: names it in errors
 * @decode: turns an answer into JSON
 *
 * Return: an array of the answers.
 */
json_t *request_all(uint8_t cmd, const char *what, decode_fn *decode)
{
	return collect(request_new(cmd, NLM_F_DUMP), what, decode);
}
