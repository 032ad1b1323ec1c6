// SPDX-License-Identifier: GPL-2.0
/*
 * kTLS: its options, and what is sent and received by it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "differences.h"
#include "fixture.h"
#include "ktls_fixture.h"

TEST(ktls_ulp, "ktls.ulp")
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	socklen_t len = 16;
	char name[16];
	unsigned int port;
	int fd[2];

	ulp_pair(fd);
	FAILS(set_ulp(fd[0]), EEXIST);
	OK(getsockopt(fd[0], IPPROTO_TCP, TCP_ULP, name, &len));
	EQ(len, 16);
	EQ(strcmp(name, "tls"), 0);
	len = 2;
	OK(getsockopt(fd[0], IPPROTO_TCP, TCP_ULP, name, &len));
	EQ(len, 2);
	FAILS(connect(fd[0], &none, sizeof(none)), EOPNOTSUPP);
	/* it does nothing by itself */
	send_pattern(fd[0], 1, 0, 50000);
	recv_pattern(fd[1], 1, 0, 50000);
	OK(shutdown(fd[0], SHUT_WR));
	expect_eof(fd[1]);

	connect_pair(fd);
	len = 16;
	OK(getsockopt(fd[0], IPPROTO_TCP, TCP_ULP, name, &len));
	EQ(len, 0);
	FAILS(setsockopt(fd[0], IPPROTO_TCP, TCP_ULP, "none such", 9), ENOENT);
	FAILS(setsockopt(fd[0], IPPROTO_TCP, TCP_ULP, "tls", 0), EINVAL);
	FAILS(setsockopt(fd[0], IPPROTO_TCP, TCP_ULP, bad_memory(), 4), EFAULT);
	FAILS(set_ulp(fresh()), ENOTCONN);
	FAILS(set_ulp(listener(&port)), ENOTCONN);
	/* as it says, and as long as it likes */
	OK(setsockopt(fd[0], IPPROTO_TCP, TCP_ULP, "tls\0and more", 12));
	OK(setsockopt(fd[1], IPPROTO_TCP, TCP_ULP, "tls", 3));
}

TEST(ktls_errors, "ktls.errors")
{
	crypto info = key(TLS_1_2_VERSION, 1), other = key(TLS_1_3_VERSION, 1);
	struct tls_crypto_info read;
	socklen_t len = sizeof(read);
	int fd[2];

	connect_pair(fd);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX, &info, sizeof(info)), ENOPROTOOPT);
	ulp_pair(fd);
	FAILS(setsockopt(fd[0], SOL_TLS, 99, &info, sizeof(info)), ENOPROTOOPT);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX, &info, 3), EINVAL);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX, &info, 4), EINVAL);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX, &info, sizeof(info) - 1), EINVAL);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_RX, &info, sizeof(info) + 1), EINVAL);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX, NULL, sizeof(info)), EINVAL);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX, bad_memory(), sizeof(info)), EFAULT);
	FAILS(getsockopt(fd[0], SOL_TLS, TLS_TX, &read, &len), EBUSY);
	info.info.version = 0x0302;
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX, &info, sizeof(info)), EINVAL);
	info = key(TLS_1_2_VERSION, 1);
	info.info.cipher_type = 99;
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_RX, &info, sizeof(info)), EINVAL);
	info = key(TLS_1_2_VERSION, 1);
	OK(setsockopt(fd[0], SOL_TLS, TLS_TX, &info, sizeof(info)));
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX, &info, sizeof(info)), EBUSY);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_RX, &other, sizeof(other)), EINVAL);
	OK(setsockopt(fd[0], SOL_TLS, TLS_RX, &info, sizeof(info)));
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_RX, &info, sizeof(info)), EBUSY);

	OK(getsockopt(fd[0], SOL_TLS, TLS_TX, &read, &len));
	EQ(read.version, TLS_1_2_VERSION);
	EQ(read.cipher_type, TLS_CIPHER_AES_GCM_128);
	len = 3;
	FAILS(getsockopt(fd[0], SOL_TLS, TLS_RX, &read, &len), EINVAL);
	len = sizeof(other);
	if (differs("tls-keys"))
		FAILS(getsockopt(fd[0], SOL_TLS, TLS_TX, &other, &len), EOPNOTSUPP);
	else
		EQ(getsockopt(fd[0], SOL_TLS, TLS_TX, &other, &len), 0);
}

static void recv_all(int fd, unsigned char *buf, size_t len)
{
	EQ(recv(fd, buf, len, MSG_WAITALL), len);
}

/* What the other end sees without keys. */
static void see_record(int fd, unsigned char type, size_t len)
{
	unsigned char buf[20000];

	recv_all(fd, buf, HEADER);
	EQ(buf[0], type);
	EQ(buf[1], 3);
	EQ(buf[2], 3);
	EQ(buf[3] << 8 | buf[4], len);
	recv_all(fd, buf, len);
}

/* So many bytes in records, however many these are; each has @more. */
static void see_records(int fd, size_t more, ssize_t bytes)
{
	unsigned char buf[20000];
	size_t len;

	while (bytes) {
		recv_all(fd, buf, HEADER);
		EQ(buf[0], DATA);
		len = buf[3] << 8 | buf[4];
		CHECK(len > more && len <= sizeof(buf));
		recv_all(fd, buf, len);
		bytes -= len - more;
	}
}

static void send_encrypted(unsigned int version, size_t more)
{
	unsigned char buf[2000], plain[1000];
	size_t len;
	int fd[2];

	ulp_pair(fd);
	send_pattern(fd[0], 1, 0, 30000);
	set_tls(fd[0], TLS_TX, version, 1);
	pattern_fill(2, 0, plain, sizeof(plain));
	EQ(send(fd[0], plain, sizeof(plain), 0), sizeof(plain));
	EQ(send(fd[0], plain, 100, MSG_MORE), 100);
	EQ(send(fd[0], plain, 100, 0), 100);
	EQ(send(fd[0], plain, 1, 0), 1);
	recv_pattern(fd[1], 1, 0, 30000);
	recv_all(fd[1], buf, HEADER);
	EQ(buf[0], DATA);
	len = buf[3] << 8 | buf[4];
	CHECK(len == sizeof(plain) + more || differs("tls-records"));
	CHECK(len > more && len <= sizeof(buf));
	recv_all(fd[1], buf, len);
	CHECK(!memmem(buf, len, plain, 16));
	if (differs("tls-records")) {
		see_records(fd[1], more, 201 - (len - more - sizeof(plain)));
	} else {
		see_record(fd[1], DATA, 200 + more);
		see_record(fd[1], DATA, 1 + more);
	}
	/* the other way nothing has changed */
	send_pattern(fd[1], 1, 0, 30000);
	recv_pattern(fd[0], 1, 0, 30000);
	OK(close(fd[0]));
	expect_eof(fd[1]);
}

TEST(ktls_send_12, "ktls.send")
{
	send_encrypted(TLS_1_2_VERSION, 8 + TAG);
}

TEST(ktls_send_13, "ktls.send")
{
	send_encrypted(TLS_1_3_VERSION, 1 + TAG);
}

TEST(ktls_send_errors, "ktls.send.errors")
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(1)];
	} control = { .head = { CMSG_LEN(1), SOL_TLS, TLS_SET_RECORD_TYPE } };
	struct iovec iov = { "abc", 3 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control, .msg_controllen = sizeof(control) };
	int fd[2];

	tls_pair(fd, TLS_1_2_VERSION);
	*CMSG_DATA(&control.head) = ALERT;
	FAILS(send(fd[0], "!", 1, MSG_OOB), EOPNOTSUPP);
	FAILS(send(fd[0], "!", 1, MSG_EOR | MSG_MORE), EINVAL);
	FAILS(sendmsg(fd[0], &msg, MSG_MORE), EINVAL);
	control.head.cmsg_type = 99;
	FAILS(sendmsg(fd[0], &msg, 0), EINVAL);
	control.head.cmsg_type = TLS_SET_RECORD_TYPE;
	control.head.cmsg_len = CMSG_LEN(0);
	FAILS(sendmsg(fd[0], &msg, 0), EINVAL);
	/* one of another level only */
	control.head.cmsg_len = CMSG_LEN(1);
	control.head.cmsg_level = IPPROTO_IP;
	FAILS(sendmsg(fd[0], &msg, 0), EINVAL);
	/* nothing of it was sent, and it goes on */
	EQ(send(fd[0], "", 0, 0), 0);
	send_pattern(fd[0], 1, 0, 10);
	recv_pattern(fd[1], 1, 0, 10);
}

struct way {
	int fd;
	unsigned int seed;
};

static void *send_sizes(void *arg)
{
	static const size_t sizes[] = { 1, 100, 16383, 16384, 16385, 40000, 2, 300000 };
	const struct way *way = arg;
	size_t pos = 0;
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		send_pattern(way->fd, way->seed, pos, sizes[i]);
		pos += sizes[i];
	}
	return NULL;
}

#define SIZES (1 + 100 + 16383 + 16384 + 16385 + 40000 + 2 + 300000)

static void both_ways(unsigned int version)
{
	struct way way[2];
	pthread_t thread[2];
	int fd[2], i;

	tls_pair(fd, version);
	for (i = 0; i < 2; i++) {
		way[i] = (struct way){ fd[i], i + 1 };
		OK(-pthread_create(&thread[i], NULL, send_sizes, &way[i]));
	}
	recv_pattern(fd[1], 1, 0, SIZES);
	recv_pattern(fd[0], 2, 0, SIZES);
	for (i = 0; i < 2; i++)
		OK(-pthread_join(thread[i], NULL));
	for (i = 0; i < 2; i++)
		OK(shutdown(fd[i], SHUT_WR));
	for (i = 0; i < 2; i++)
		expect_eof(fd[i]);
}

TEST(ktls_stream_12, "ktls.stream")
{
	both_ways(TLS_1_2_VERSION);
}

TEST(ktls_stream_13, "ktls.stream")
{
	both_ways(TLS_1_3_VERSION);
}

static void *send_file(void *arg)
{
	const struct way *way = arg;
	static unsigned char buf[200000];
	off_t at = 0;
	int file;

	pattern_fill(way->seed, 0, buf, sizeof(buf));
	file = OK(memfd_create("ktls", 0));
	EQ(write(file, buf, sizeof(buf)), sizeof(buf));
	while (at < (off_t)sizeof(buf))
		OK(sendfile(way->fd, file, &at, sizeof(buf) - at));
	OK(close(file));
	return NULL;
}

TEST(ktls_sendfile, "ktls.stream")
{
	struct way way;
	pthread_t thread;
	int fd[2];

	tls_pair(fd, TLS_1_2_VERSION);
	way = (struct way){ fd[0], 3 };
	OK(-pthread_create(&thread, NULL, send_file, &way));
	recv_pattern(fd[1], 3, 0, 200000);
	OK(-pthread_join(thread, NULL));
}

/* The records are there before anybody wants them decrypted, and more than fit. */
TEST(ktls_receive_late, "ktls.receive.late")
{
	struct way way;
	pthread_t thread;
	int fd[2];

	ulp_pair(fd);
	send_pattern(fd[0], 1, 0, 20000);
	set_tls(fd[0], TLS_TX, TLS_1_3_VERSION, 1);
	way = (struct way){ fd[0], 2 };
	OK(-pthread_create(&thread, NULL, send_sizes, &way));
	recv_pattern(fd[1], 1, 0, 5);
	nap_ms(SHORT_MS);
	recv_pattern(fd[1], 1, 5, 19995);
	await_bytes(fd[1], 1000);
	set_tls(fd[1], TLS_RX, TLS_1_3_VERSION, 1);
	recv_pattern(fd[1], 2, 0, SIZES);
	OK(-pthread_join(thread, NULL));
}

/* And with the end behind them. */
TEST(ktls_receive_late_end, "ktls.receive.late")
{
	crypto info = key(TLS_1_2_VERSION, 1);
	int fd[2];

	ulp_pair(fd);
	set_tls(fd[0], TLS_TX, TLS_1_2_VERSION, 1);
	send_pattern(fd[0], 1, 0, 3000);
	OK(shutdown(fd[0], SHUT_WR));
	await_bytes(fd[1], 3000);
	nap_ms(SHORT_MS);
	/* one that fails changes nothing */
	FAILS(setsockopt(fd[1], SOL_TLS, TLS_RX, &info, sizeof(info) - 1), EINVAL);
	set_tls(fd[1], TLS_RX, TLS_1_2_VERSION, 1);
	recv_pattern(fd[1], 1, 0, 3000);
	expect_eof(fd[1]);
}

/* Without TLS_RX all is read as it came, after one that failed as well. */
TEST(ktls_receive_never, "ktls.receive.late")
{
	crypto info = key(TLS_1_2_VERSION, 1);
	unsigned char buf[4000];
	int fd[2];

	ulp_pair(fd);
	send_pattern(fd[0], 1, 0, 3000);
	OK(shutdown(fd[0], SHUT_WR));
	recv_pattern(fd[1], 1, 0, 1000);
	info.info.version = 1;
	FAILS(setsockopt(fd[1], SOL_TLS, TLS_RX, &info, sizeof(info)), EINVAL);
	EQ(recv(fd[1], buf, 500, MSG_PEEK | MSG_WAITALL), 500);
	recv_pattern(fd[1], 1, 1000, 2000);
	expect_eof(fd[1]);
}

TEST(ktls_receive_wait, "ktls.receive.wait")
{
	unsigned char record[HEADER + 8 + 100 + TAG];
	int fd[2], from[2];

	/* a record as it is sent */
	ulp_pair(from);
	set_tls(from[0], TLS_TX, TLS_1_2_VERSION, 1);
	send_pattern(from[0], 1, 0, 100);
	recv_all(from[1], record, sizeof(record));

	ulp_pair(fd);
	set_tls(fd[1], TLS_RX, TLS_1_2_VERSION, 1);
	EQ(send(fd[0], record, 3, 0), 3);
	CHECK(!wait_fd(fd[1], POLLIN, SHORT_MS));
	EQ(send(fd[0], record + 3, 100, 0), 100);
	CHECK(!wait_fd(fd[1], POLLIN, SHORT_MS));
	FAILS(recv(fd[1], record, 1, MSG_DONTWAIT), EAGAIN);
	EQ(send(fd[0], record + 103, sizeof(record) - 103, 0), sizeof(record) - 103);
	CHECK(wait_fd(fd[1], POLLIN, LONG_MS) & POLLIN);
	recv_pattern(fd[1], 1, 0, 100);
	CHECK(!wait_fd(fd[1], POLLIN, SHORT_MS));
	/* a part of one is nothing */
	EQ(send(fd[0], record, 50, 0), 50);
	OK(shutdown(fd[0], SHUT_WR));
	expect_eof(fd[1]);
}

TEST(ktls_receive_bad, "ktls.receive.bad")
{
	unsigned char buf[100];
	int fd[2];

	ulp_pair(fd);
	set_tls(fd[0], TLS_TX, TLS_1_2_VERSION, 1);
	set_tls(fd[1], TLS_RX, TLS_1_2_VERSION, 7);
	send_pattern(fd[0], 1, 0, 100);
	FAILS(recv(fd[1], buf, sizeof(buf), 0), EBADMSG);
}

static void records(unsigned int version)
{
	unsigned char buf[20000], sent[16384], type;
	int fd[2], told;

	tls_pair(fd, version);
	pattern_fill(5, 0, sent, sizeof(sent));
	send_record(fd[0], HANDSHAKE, sent, sizeof(sent));
	send_pattern(fd[0], 1, 0, 1000);
	send_record(fd[0], ALERT, "\1\0", 2);
	send_pattern(fd[0], 1, 1000, 10);
	send_record(fd[0], HANDSHAKE, sent, 4096);
	send_record(fd[0], HANDSHAKE, sent, 300);
	send_record(fd[0], DATA, sent, 7);

	EQ(recv_record(fd[1], buf, 100, 0, &type, &told), 100);
	EQ(type, HANDSHAKE);
	CHECK(!(told & MSG_EOR));
	EQ(recv_record(fd[1], buf + 100, sizeof(buf) - 100, MSG_PEEK, &type, &told), 16284);
	EQ(recv_record(fd[1], buf + 100, sizeof(buf) - 100, 0, &type, &told), 16284);
	EQ(type, HANDSHAKE);
	CHECK(told & MSG_EOR);
	CHECK(!memcmp(buf, sent, sizeof(sent)));

	EQ(recv_record(fd[1], buf, 500, 0, &type, &told), 500);
	EQ(type, DATA);
	CHECK(wait_fd(fd[1], POLLIN, LONG_MS) & POLLIN);
	EQ(recv_record(fd[1], buf, sizeof(buf), 0, &type, &told), 500);
	EQ(type, DATA);
	CHECK(wait_fd(fd[1], POLLIN, LONG_MS) & POLLIN);
	/* there is no data without it */
	FAILS(recv(fd[1], buf, sizeof(buf), 0), EIO);
	FAILS(recv(fd[1], buf, sizeof(buf), MSG_DONTWAIT), EIO);
	EQ(recv_record(fd[1], buf, sizeof(buf), 0, &type, &told), 2);
	EQ(type, ALERT);
	CHECK(told & MSG_EOR);
	CHECK(!memcmp(buf, "\1\0", 2));
	recv_pattern(fd[1], 1, 1000, 10);

	EQ(recv_record(fd[1], buf, sizeof(buf), 0, &type, &told), 4096);
	EQ(type, HANDSHAKE);
	CHECK(!memcmp(buf, sent, 4096));
	EQ(recv_record(fd[1], buf, sizeof(buf), 0, &type, &told), 300);
	EQ(type, HANDSHAKE);
	CHECK(!memcmp(buf, sent, 300));
	EQ(recv_record(fd[1], buf, sizeof(buf), 0, &type, &told), 7);
	EQ(type, DATA);
	FAILS(recv(fd[1], buf, 1, MSG_DONTWAIT), EAGAIN);
}

TEST(ktls_records_12, "ktls.record")
{
	records(TLS_1_2_VERSION);
}

TEST(ktls_records_13, "ktls.record")
{
	records(TLS_1_3_VERSION);
}

TEST(ktls_end, "ktls.end")
{
	unsigned char buf[100], type;
	int fd[2], told;

	tls_pair(fd, TLS_1_3_VERSION);
	send_pattern(fd[0], 1, 0, 50);
	send_record(fd[0], ALERT, "\1\0", 2);
	OK(shutdown(fd[0], SHUT_WR));
	nap_ms(SHORT_MS);
	recv_pattern(fd[1], 1, 0, 50);
	EQ(recv_record(fd[1], buf, sizeof(buf), 0, &type, &told), 2);
	EQ(type, ALERT);
	expect_eof(fd[1]);
	send_record(fd[1], ALERT, "\1\0", 2);
	OK(close(fd[1]));
	EQ(recv_record(fd[0], buf, sizeof(buf), 0, &type, &told), 2);
	EQ(type, ALERT);
	expect_eof(fd[0]);
}

static int set_flag(int fd, int name, int value)
{
	return setsockopt(fd, SOL_TLS, name, &value, sizeof(value));
}

TEST(ktls_flags, "ktls.flags")
{
	int longer[2] = { 1, 0 }, shorter = 1, read = 7;
	socklen_t len = sizeof(read);
	int fd[2];

	ulp_pair(fd);
	OK(getsockopt(fd[0], SOL_TLS, TLS_TX_ZEROCOPY_RO, &read, &len));
	EQ(read, 0);
	OK(set_flag(fd[0], TLS_TX_ZEROCOPY_RO, 1));
	OK(getsockopt(fd[0], SOL_TLS, TLS_TX_ZEROCOPY_RO, &read, &len));
	EQ(read, 1);
	OK(set_flag(fd[0], TLS_TX_ZEROCOPY_RO, 0));
	OK(getsockopt(fd[0], SOL_TLS, TLS_TX_ZEROCOPY_RO, &read, &len));
	EQ(read, 0);
	FAILS(set_flag(fd[0], TLS_TX_ZEROCOPY_RO, 2), EINVAL);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX_ZEROCOPY_RO, longer, 8), EINVAL);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX_ZEROCOPY_RO, &shorter, 3), EINVAL);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX_ZEROCOPY_RO, NULL, 4), EINVAL);
	FAILS(setsockopt(fd[0], SOL_TLS, TLS_TX_ZEROCOPY_RO, bad_memory(), 4), EFAULT);
	FAILS(getsockopt(fd[0], SOL_TLS, TLS_TX_ZEROCOPY_RO, bad_memory(), &len), EFAULT);
	len = 8;
	FAILS(getsockopt(fd[0], SOL_TLS, TLS_TX_ZEROCOPY_RO, longer, &len), EINVAL);

	len = sizeof(read);
	FAILS(set_flag(fd[0], TLS_RX_EXPECT_NO_PAD, 1), EINVAL);
	FAILS(getsockopt(fd[0], SOL_TLS, TLS_RX_EXPECT_NO_PAD, &read, &len), EINVAL);
	set_tls(fd[0], TLS_TX, TLS_1_3_VERSION, 1);
	set_tls(fd[1], TLS_RX, TLS_1_3_VERSION, 1);
	FAILS(set_flag(fd[0], TLS_RX_EXPECT_NO_PAD, 1), EINVAL);
	FAILS(getsockopt(fd[0], SOL_TLS, TLS_RX_EXPECT_NO_PAD, &read, &len), EINVAL);
	OK(getsockopt(fd[1], SOL_TLS, TLS_RX_EXPECT_NO_PAD, &read, &len));
	EQ(read, 0);
	FAILS(set_flag(fd[1], TLS_RX_EXPECT_NO_PAD, 2), EINVAL);
	FAILS(setsockopt(fd[1], SOL_TLS, TLS_RX_EXPECT_NO_PAD, &shorter, 3), EINVAL);
	FAILS(setsockopt(fd[1], SOL_TLS, TLS_RX_EXPECT_NO_PAD, NULL, 4), EINVAL);
	FAILS(setsockopt(fd[1], SOL_TLS, TLS_RX_EXPECT_NO_PAD, bad_memory(), 4), EFAULT);
	OK(setsockopt(fd[1], SOL_TLS, TLS_RX_EXPECT_NO_PAD, longer, 8));
	longer[1] = 1;
	FAILS(setsockopt(fd[1], SOL_TLS, TLS_RX_EXPECT_NO_PAD, longer, 8), EINVAL);
	len = 8;
	OK(getsockopt(fd[1], SOL_TLS, TLS_RX_EXPECT_NO_PAD, longer, &len));
	EQ(len, 4);
	EQ(longer[0], 1);
	len = 3;
	FAILS(getsockopt(fd[1], SOL_TLS, TLS_RX_EXPECT_NO_PAD, &read, &len), EINVAL);
	send_pattern(fd[0], 1, 0, 50000);
	recv_pattern(fd[1], 1, 0, 50000);

	/* TLS 1.2 may not be padded */
	tls_pair(fd, TLS_1_2_VERSION);
	FAILS(set_flag(fd[1], TLS_RX_EXPECT_NO_PAD, 1), EINVAL);
}
