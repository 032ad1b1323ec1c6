// SPDX-License-Identifier: GPL-2.0
/*
 * What kTLS's tests are made of; see ktls_fixture.h.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"
#include "ktls_fixture.h"

crypto key(unsigned int version, unsigned char seed)
{
	crypto info = { .info = { version, TLS_CIPHER_AES_GCM_128 } };

	memset(info.key, seed, sizeof(info.key));
	memset(info.iv, seed + 1, sizeof(info.iv));
	memset(info.salt, seed + 2, sizeof(info.salt));
	return info;
}

int set_ulp(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls"));
}

void set_tls(int fd, int name, unsigned int version, unsigned char seed)
{
	crypto info = key(version, seed);

	OK(setsockopt(fd, SOL_TLS, name, &info, sizeof(info)));
}

int room;

void connect_pair(int fd[2])
{
	unsigned int port;
	int at = listener(&port);

	if (room)
		set_int(at, SOL_SOCKET, SO_RCVBUF, room);
	fd[0] = fresh();
	OK(connect(fd[0], &local_at(port)->sa, addr_len(local_at(port))));
	fd[1] = accept_one(at);
	OK(close(at));
}

static bool kernel_has_tls(void)
{
	int fd = OK(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
	bool has = set_ulp(fd) && errno == ENOTCONN;

	OK(close(fd));
	return has;
}

void ulp_pair(int fd[2])
{
	if (!kernel_has_tls())
		SKIP("this kernel has no tls");
	connect_pair(fd);
	if (!family_sees_socket_options()) {
		if (differs("tls-kernel"))
			FAILS(set_ulp(fd[0]), ENOENT);
		SKIP("not on this kernel");
	}
	OK(set_ulp(fd[0]));
	OK(set_ulp(fd[1]));
}

void tls_pair(int fd[2], unsigned int version)
{
	ulp_pair(fd);
	set_tls(fd[0], TLS_TX, version, 1);
	set_tls(fd[1], TLS_RX, version, 1);
	set_tls(fd[1], TLS_TX, version, 2);
	set_tls(fd[0], TLS_RX, version, 2);
}

void send_record(int fd, unsigned char type, const void *data, size_t len)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(1)];
	} control = { .head = { CMSG_LEN(1), SOL_TLS, TLS_SET_RECORD_TYPE } };
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control, .msg_controllen = sizeof(control) };

	*CMSG_DATA(&control.head) = type;
	EQ(sendmsg(fd, &msg, 0), len);
}

ssize_t recv_record(int fd, void *data, size_t len, int flags, unsigned char *type, int *told)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(1)];
	} control = { 0 };
	struct iovec iov = { data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t ret = recvmsg(fd, &msg, flags);

	*type = 0;
	*told = msg.msg_flags;
	if (ret > 0) {
		EQ(control.head.cmsg_level, SOL_TLS);
		EQ(control.head.cmsg_type, TLS_GET_RECORD_TYPE);
		*type = *CMSG_DATA(&control.head);
	}
	return ret;
}
