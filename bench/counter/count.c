// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU TCG plug-in that counts the instructions a guest executes.
 *
 *	-plugin file=libcount.so,out=FILE
 *
 * Counts are kept for each virtual CPU and each 16 bytes of the kernel's part of the address space
 * where text lies (functions of an x86-64 kernel begin at multiples of 16), all of user space in
 * one number. They are in FILE, shared and sparse, which may be read while the guest runs; its
 * layout is struct file_head below, read by counts.py. A block of code is counted when it is
 * entered, by the address where it begins.
 *
 * What a CPU executes from one block on to another one is put aside, if the reader names the two:
 * so timer ticks are told from what they interrupt, whose functions they share.
 *
 * It speaks version 1 of the plug-in interface (docs/devel/tcg-plugins.rst in QEMU), whose
 * declarations are repeated here because no package has them for QEMU 7.2.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* ---- the part of the interface that is used ---- */

typedef uint64_t plugin_id;

struct plugin_info {
	const char *target_name;
	struct {
		int min, cur;
	} version;
	bool system_emulation;
	struct {
		int smp_vcpus, max_vcpus;
	} system;
};

struct qemu_plugin_tb;

enum { CB_NO_REGS };

typedef void (*translated_fn)(plugin_id id, struct qemu_plugin_tb *tb);
typedef void (*executed_fn)(unsigned int cpu, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, translated_fn fn);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, executed_fn fn, int flags,
					  void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

EXPORT int qemu_plugin_version = 1;

/* ---- the file ---- */

#define HEAD		4096
#define TEXT		0xffffffff80000000ULL	/* kernel and modules, nokaslr */
#define SHIFT		4
#define BUCKETS		((uint64_t)1 << (31 - SHIFT))

struct file_head {
	char magic[8];
	uint64_t cpus;
	uint64_t head;		/* bytes before the first CPU's counts */
	uint64_t text;		/* address of bucket 0 */
	uint64_t shift;
	uint64_t buckets;
	uint64_t from, to;	/* words of blocks, see below; written by the reader; ~0: none */
};

/* One CPU's counts, written by its thread alone. */
struct cpu_counts {
	uint64_t user;
	uint64_t other;		/* kernel addresses outside of the buckets */
	uint64_t aside;		/* from head->from on, until head->to */
	uint64_t is_aside;	/* now */
	uint64_t bucket[BUCKETS];
};

enum { USER, OTHER, ASIDE, FIRST = 4 };	/* words of it */

static struct file_head *head;
static struct cpu_counts *counts;

/* ---- counting ---- */

/* What a block's callback is told: the word to add to, from the CPU's first, and how many. */
#define DATA(word, n)	((void *)((uint64_t)(word) << 16 | (n)))

static void executed(unsigned int cpu, void *data)
{
	struct cpu_counts *c = &counts[cpu];
	uint64_t word = (uint64_t)data >> 16;

	if (word == head->from)
		c->is_aside = 1;
	else if (word == head->to)
		c->is_aside = 0;
	(&c->user)[c->is_aside ? ASIDE : word] += (uint64_t)data & 0xffff;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb), word = FIRST + ((address - TEXT) >> SHIFT);

	(void)id;
	if (!(address >> 63))
		word = USER;
	else if (address < TEXT)
		word = OTHER;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, CB_NO_REGS,
					     DATA(word, qemu_plugin_tb_n_insns(tb)));
}

EXPORT int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int argc, char **argv)
{
	size_t size = HEAD + (size_t)info->system.max_vcpus * sizeof(struct cpu_counts);
	int fd;

	if (argc != 1 || strncmp(argv[0], "out=", 4) || !info->system_emulation)
		return -1;
	fd = open(argv[0] + 4, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)size)) {
		close(fd);
		return -1;
	}
	head = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (head == MAP_FAILED)
		return -1;
	*head = (struct file_head){ .magic = "mncount", .cpus = (uint64_t)info->system.max_vcpus,
				    .head = HEAD, .text = TEXT, .shift = SHIFT,
				    .buckets = BUCKETS, .from = ~0ULL, .to = ~0ULL };
	counts = (struct cpu_counts *)((char *)head + HEAD);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
