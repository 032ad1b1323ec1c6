/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What older kernels lack, given by the names of the newest. Included before every source file.
 * Each MEMNET_HAVE_<probe> says that compat/probes/<probe>.c compiles on this kernel; nothing
 * here asks for a version.
 */
#ifndef MEMNET_COMPAT_H
#define MEMNET_COMPAT_H

#include <linux/workqueue.h>

#ifndef MEMNET_HAVE_wq_percpu
#define WQ_PERCPU 0	/* the default before it had a name */
#endif

/* options that came later; an older kernel refuses them */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

/* a local variable that is filled in before it is read, not cleared where all others are */
#ifndef __uninitialized
#if __has_attribute(uninitialized)
#define __uninitialized __attribute__((uninitialized))
#else
#define __uninitialized
#endif
#endif

/* the address of bind and connect */
#ifdef MEMNET_HAVE_sockaddr_unsized
#define memnet_sockaddr struct sockaddr_unsized
#else
#define memnet_sockaddr struct sockaddr
#endif

/* macros, so that only their users need net/sock.h and linux/skbuff.h */
#ifndef MEMNET_HAVE_sk_net_refcnt_upgrade
#define sk_net_refcnt_upgrade memnet_net_refcnt_upgrade
#define memnet_net_refcnt_upgrade(socket)						\
	({										\
		struct sock *__sk = (socket);						\
											\
		__sk->sk_net_refcnt = 1;						\
		get_net_track(sock_net(__sk), &__sk->ns_tracker, GFP_KERNEL);		\
		sock_inuse_add(sock_net(__sk), 1);					\
	})
#endif

#ifndef MEMNET_HAVE_skb_frags_readable
#define skb_frags_readable(skb) ((void)(skb), true)
#endif

#ifndef MEMNET_HAVE_vm_flags_mod
#define vm_flags_mod(area, set, clear)						\
	({									\
		struct vm_area_struct *__vma = (area);				\
										\
		__vma->vm_flags = (__vma->vm_flags | (set)) & ~(clear);		\
	})
#endif

/* the file of a struct fd; a macro, so that only its users need linux/file.h */
#ifndef MEMNET_HAVE_fd_file
#define fd_file(f) ((f).file)
#endif

#ifdef MEMNET_HAVE_eventfd_signal_alone
#define memnet_eventfd_signal(ctx) eventfd_signal(ctx)
#else
#define memnet_eventfd_signal(ctx) eventfd_signal(ctx, 1)
#endif

/* what a command of io_uring has to say */
#ifdef MEMNET_HAVE_uring_cmd_sqe
#define memnet_uring_argument(command) io_uring_sqe_cmd((command)->sqe)
#else
#define memnet_uring_argument(command) ((command)->cmd)
#endif

/* to be able to read memory for long, beside FOLL_LONGTERM */
#ifdef MEMNET_HAVE_gup_must_unshare
#define MEMNET_PIN_READ (FOLL_WRITE | FOLL_FORCE)
#else
#define MEMNET_PIN_READ 0
#endif

/*
 * ask the cgroup's programs of this type (INET4_BIND, ...) about an address; the socket is locked;
 * macros, so that only their users need linux/bpf-cgroup.h
 */
#ifndef CONFIG_CGROUP_BPF
#define memnet_cgroup_address(sk, addr, len, type, flags)					\
	((void)(sk), (void)(addr), (void)(len), (void)(flags), 0)
#else
#ifdef MEMNET_HAVE_cgroup_addrlen
#define memnet_cgroup_run(sk, addr, len, type, flags)						\
	__cgroup_bpf_run_filter_sock_addr(sk, addr, len, type, NULL, flags)
#else
#define memnet_cgroup_run(sk, addr, len, type, flags)						\
	((void)(len), __cgroup_bpf_run_filter_sock_addr(sk, addr, type, NULL, flags))
#endif
#define memnet_cgroup_address(sk, addr, len, type, flags)					\
	(cgroup_bpf_enabled(CGROUP_##type) ?							\
	 memnet_cgroup_run(sk, addr, len, CGROUP_##type, flags) : 0)
#endif

/* have SOL_SOCKET options come to proto_ops.setsockopt, where a family may ask for that */
#ifdef MEMNET_HAVE_custom_sockopt
#define memnet_custom_sockopt(sock) set_bit(SOCK_CUSTOM_SOCKOPT, &(sock)->flags)
#else
#define memnet_custom_sockopt(sock) ((void)(sock))
#endif

/* sysctls of a namespace; their table has an empty entry at its end, as it had to before */
#ifndef MEMNET_HAVE_net_sysctl_sz
#define register_net_sysctl_sz(net, path, table, size)					\
	((void)(size), register_net_sysctl(net, path, table))
#endif

#ifdef MEMNET_HAVE_ctl_table_const
#define memnet_ctl_table const struct ctl_table
#else
#define memnet_ctl_table struct ctl_table
#endif

#endif /* MEMNET_COMPAT_H */
