# SPDX-License-Identifier: GPL-2.0
"""What kind of work a function of the kernel does: where the instructions go, in parts that people can think about.

    kind("kernel", "__tcp_transmit_skb") -> "TCP/IP"

Modules, ours and drivers', are kinds by themselves.  The kernel's own functions are told by how their names begin, underscores
apart; the first kind that fits has them, and what fits none is "other".
"""
import functools

KINDS = (
    ("copies", """rep_movs rep_stos copy_ copyin copyout pi_copy memcpy memmove pi_mem skb_copy_datagram skb_datagram_iter
        simple_copy_to_iter check_object_size check_heap_object virt_addr_valid check_stack_object"""),
    ("interrupts", """asm_ sysvec_ common_interrupt handle_edge handle_fasteoi handle_irq irq_enter irq_exit irq_chip irq_move irqentry irq_
        error_entry error_return restore_regs paranoid_ x2apic apic_ native_apic ack_ do_softirq handle_softirqs raise_softirq
        flush_smp generic_exec_single generic_smp_call smp_call_function call_function llist_ vring_interrupt vp_ note_interrupt
        msi_ pci_msi tasklet ksoftirqd native_send_call common_interrupt_return exc_ invoke_softirq add_interrupt_randomness
        fast_mix native_irq sysvec"""),
    ("sleeping, waking, time", """schedule sched switch_ psi_ enqueue_task enqueue_entity enqueue_hrtimer dequeue_ update_ pick_ set_next_
        put_prev try_to_wake ttwu_ wake default_wake autoremove_wake pollwake ep_poll_callback woken_wake prepare_to_wait finish_wait
        add_wait remove_wait wait_woken init_wait sk_wait_data sock_def_readable place_entity reweight_ select_task select_idle
        available_idle resched finish_task activate_task deactivate_task prepare_task cpuacct cgroup_account record_times cpu_util
        sugov cpufreq rb_ vruntime avg_ calc_ migrate_ newidle perf_event wakeup_ check_preempt entity_ nohz tick_ get_next_timer
        next_ timerqueue hrtimer clockevents lapic lowres run_local run_timer timer_
        mod_timer del_timer try_to_del_timer
        detach_timer detach_if tmigr ktime_ timekeeping read_tsc cpuidle menu_ default_idle do_idle cpu_idle cpu_startup arch_cpu_idle
        ct_ account_ task_tick task_rq set_task is_cpu_allowed dl_ rt_rq min_vruntime hung_ trigger_load internal_add_timer
        lock_timer_base raw_spin_rq native_sched_clock cfs_ yield_ balance_ pelt_ assign_timer"""),
    ("work queues", """queue_work queue_delayed kick_pool insert_work get_work get_pwq wq_ worker_ process_one_work process_scheduled
        pwq_ find_worker set_work mod_delayed kthread move_linked delayed_work"""),
    ("TCP/IP", """tcp bictcp cubictcp bbr ip_ ip6 ip4 ipv4 ipv6 inet skb pskb kfree_skb consume_skb alloc_skb build_skb napi dev_ net_
        netif gro_ nf_ dst_ neigh fib_ rt_ sk_ sock_rfree sock_wfree sock_efree sock_def eth_ qdisc pfifo sch_direct validate_xmit
        virtio virtqueue vring detach_buf more_used xdp_ rps_ enqueue_to_backlog process_backlog csum do_csum fq_ slab_build_skb
        page_pool xmit_ secure_ flow_ siphash bpf_ msg_zerocopy ptype_ packet_ deliver_ loopback harmonize"""),
    ("memory", """clear_page kmem kmalloc kfree slab free_ alloc_ get_page put_page page_ rmqueue folio memcg mem_cgroup obj_cgroup memset
        zone_ mod_ gup try_grab unpin pin_ refill_ try_charge drain_ prep_ post_alloc get_any_partial allocate_slab init_on frag_ cache_from
        find_vma get_user_pages follow_page shmem filemap put_cpu_partial dma_ lru_ vm_ handle_mm uncharge pcp_ kernel_init_pages
        lock_page kmap kunmap mm_ vmf_ percpu_ref get_partial deactivate_slab new_slab"""),
    ("system call and socket", """entry_ do_syscall syscall_ x64_sys sys_ do_sys se_sys ksys_ vfs_ aa_ apparmor security_ fdget fput fget
        rw_verify fsnotify sockfd sock_ import_ iov_iter new_sync file_ f_pos do_epoll ep_ move_addr audit_ call_read call_write
        splice do_splice direct_splice do_sendfile generic_splice pipe_ lsm_ profile_ uring_ io_ poll_ do_poll ioctl seccomp
        ret_from task_work exit_to_user fpregs restore_fpregs do_recvmmsg"""),
    ("locks, RCU, lists", """raw_ rcu_ call_rcu queued_ lock_sock release_sock mutex down_ up_ local_bh rwsem list_ refcount percpu_
        osq_ preempt_ idr_ xa_ xas_ radix_ atomic"""),
)
# Why a cost has such a part, for who asks what is left of it.
REASONS = {
    "user space": "the program itself, which no offload makes cheaper",
    "system call and socket": "the way into the kernel and out of it, descriptors, epoll, hooks of security modules: the program's calls, as many as natively",
    "copies": "each byte between the program's memory and the kernel's, once, as natively; for direct and asynchronous calls only what they do "
              "not carry, such as requests",
    "memory": "what a socket, its file, inode and name, its entry in the epoll and the pages for copied bytes take: allocated, cleared, freed and "
              "counted per group, as natively; TCP's buffers are not here any more",
    "sleeping, waking, time": "a program that waits is put to sleep and woken, and told by epoll: once for each sleep, less often for a busy one",
    "locks, RCU, lists": "of all other parts; the kernel's checks of lists among them",
    "interrupts": "completion events of the adapter, and the soft interrupts that work on them",
    "work queues": "what cannot be done where it is noticed",
    "memnet": "the socket of AF_MEMNET: its calls, stream, windows, jobs, and what comes for it; natively that is part of TCP/IP",
    "memnet_core": "messages: made, checked, posted in chains, credited, completed; natively that is part of TCP/IP and of the driver",
    "memnet_tcps": "the node's provider: from messages to calls of its TCP, and back",
    "rdma_rxe": "the adapter's driver, on the application's processor: requests posted, completions polled",
    "ib_core": "the completion queues, polled",
    "TCP/IP": "on the host: what all sockets and buffers share (sk_, skb_), no protocol; on the node: its native TCP",
    "other": "mostly the virtual file system: a socket is a file, with an inode and a name",
}
RULES = tuple((name, tuple(begins.split())) for name, begins in KINDS)


@functools.cache
def kind(module, function):
    if module != "kernel":
        return module
    function = function.lstrip("_")
    return next((name for name, begins in RULES if function.startswith(begins)), "other")
