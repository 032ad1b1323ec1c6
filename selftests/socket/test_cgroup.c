// SPDX-License-Identifier: GPL-2.0
/*
 * The programs of a cgroup for sockets, bind() and connect() are asked, may
 * refuse, and may change the address.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup.h"
#include "fixture.h"

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int load(enum bpf_prog_type type, enum bpf_attach_type attach, const struct bpf_insn *insns,
		int count)
{
	union bpf_attr attr = {
		.prog_type = type,
		.expected_attach_type = attach,
		.insns = (uintptr_t)insns,
		.insn_cnt = count,
		.license = (uintptr_t)"GPL",
	};

	return OK(bpf(BPF_PROG_LOAD, &attr));
}

static int load_answer(enum bpf_prog_type type, enum bpf_attach_type attach, int answer)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = answer },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return load(type, attach, insns, 2);
}

static int load_port(enum bpf_attach_type attach, unsigned int port)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = htons(port) },
		{ .code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_2,
		  .off = offsetof(struct bpf_sock_addr, user_port) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, attach, insns, 4);
}

static void attached(int cmd, enum bpf_attach_type attach, int prog)
{
	union bpf_attr attr = {
		.target_fd = cgroup_directory(),
		.attach_bpf_fd = prog,
		.attach_type = attach,
	};

	OK(bpf(cmd, &attr));
}

static void attach(enum bpf_attach_type type, int prog)
{
	attached(BPF_PROG_ATTACH, type, prog);
}

static void detach(enum bpf_attach_type type, int prog)
{
	attached(BPF_PROG_DETACH, type, prog);
}

static void refuse_socket(void)
{
	int prog = load_answer(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE, 0);

	attach(BPF_CGROUP_INET_SOCK_CREATE, prog);
	FAILS(tested_socket(0), EPERM);
	detach(BPF_CGROUP_INET_SOCK_CREATE, prog);
	fresh();
}

TEST_FOR(cgroup_socket, LOCAL, 0, "process.cgroup.socket")
{
	in_cgroup(NULL, refuse_socket);
}

static int bind_any(int fd, unsigned int port)
{
	union addr addr;

	addr_any(&addr, tested.v6, port);
	return bind(fd, &addr.sa, addr_len(&addr));
}

static void refuse_bind(void)
{
	enum bpf_attach_type type = tested.v6 ? BPF_CGROUP_INET6_BIND : BPF_CGROUP_INET4_BIND;
	int prog = load_answer(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, type, 0);
	int fd = fresh();

	attach(type, prog);
	FAILS(bind_any(fd, 0), EPERM);
	EQ(port_of(fd), 0);
	detach(type, prog);
	OK(bind_any(fd, 0));
	CHECK(port_of(fd));
}

TEST(cgroup_bind, "process.cgroup.bind")
{
	in_cgroup(NULL, refuse_bind);
}

static void change_bind(void)
{
	enum bpf_attach_type type = tested.v6 ? BPF_CGROUP_INET6_BIND : BPF_CGROUP_INET4_BIND;
	int first = fresh(), fd = fresh();
	unsigned int port;

	OK(bind_any(first, 0));
	port = port_of(first);
	OK(close(first));
	attach(type, load_port(type, port));
	OK(bind_any(fd, port ^ 1));
	EQ(port_of(fd), port);
	OK(listen(fd, 1));
	EQ(port_of(fd), port);
}

TEST(cgroup_bind_elsewhere, "process.cgroup.bind")
{
	in_cgroup(NULL, change_bind);
}

static void refuse_bound(void)
{
	enum bpf_attach_type type = tested.v6 ? BPF_CGROUP_INET6_POST_BIND : BPF_CGROUP_INET4_POST_BIND;
	int prog = load_answer(BPF_PROG_TYPE_CGROUP_SOCK, type, 0);
	int fd = fresh();

	attach(type, prog);
	FAILS(bind_any(fd, 0), EPERM);
	EQ(port_of(fd), 0);
	detach(type, prog);
	OK(bind_any(fd, 0));
	OK(listen(fd, 1));
	call(port_of(fd), "echo");
	fd = accept_one(fd);
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

TEST(cgroup_bound, "process.cgroup.bind")
{
	in_cgroup(NULL, refuse_bound);
}

static void refuse_connect(void)
{
	enum bpf_attach_type type = tested.v6 ? BPF_CGROUP_INET6_CONNECT : BPF_CGROUP_INET4_CONNECT;
	int prog = load_answer(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, type, 0);
	int fd = fresh();

	attach(type, prog);
	FAILS(connect(fd, &peer_at(1)->sa, addr_len(peer_at(1))), EPERM);
	EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	detach(type, prog);
	OK(peer_open_on(fd, "echo"));
	send_pattern(fd, 1, 0, 10);
	recv_pattern(fd, 1, 0, 10);
}

TEST(cgroup_connect, "process.cgroup.connect")
{
	in_cgroup(NULL, refuse_connect);
}

static void change_connect(void)
{
	enum bpf_attach_type type = tested.v6 ? BPF_CGROUP_INET6_CONNECT : BPF_CGROUP_INET4_CONNECT;
	unsigned int port = addr_port(&tested.peer[tested.v6]);
	socklen_t len = sizeof(union addr);
	union addr addr;
	int fd = fresh();

	attach(type, load_port(type, port));
	OK(connect(fd, &peer_at(1)->sa, addr_len(peer_at(1))));
	OK(getpeername(fd, &addr.sa, &len));
	CHECK(addr_same_host(&addr, peer_at(1)));
	EQ(addr_port(&addr), port);
}

TEST(cgroup_connect_elsewhere, "process.cgroup.connect")
{
	in_cgroup(NULL, change_connect);
}
