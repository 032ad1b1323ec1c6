// SPDX-License-Identifier: GPL-2.0
/*
 * memnet-run: run a program with its TCP sockets offloaded.
 *
 * Collects the settings (files, then the environment, then options; the later
 * one wins), checks them, finds the program, and executes it with
 * libmemnet-preload.so in front of LD_PRELOAD. The settings travel in the
 * environment, so that children of the program have them too; the preload
 * itself reads no file.
 *
 * A preload does nothing in a static program, in one of another word size, or
 * in one that gains privileges when executed. That is warned of here, because
 * nobody would notice otherwise. What fails before the program runs ends with
 * 125, or 126 and 127 as in a shell: found but not to be executed, not found.
 */
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "memnet.h"
#include "ports.h"

/* where libraries are installed, as it is and below the prefix */
#ifndef LIBDIR
#define LIBDIR "/usr/lib"
#define LIBSUB "lib"
#endif
#ifndef VERSION
#define VERSION "0"
#endif

#define PRELOAD "libmemnet-preload.so"
#define SGID_EXEC (S_ISGID | 0010)	/* without the x it means something else */
#define SYSTEM_CONFIG "/etc/memnet/run.conf"

enum {
	EXIT_OURS = 125,
	EXIT_CANNOT_EXEC = 126,
	EXIT_NOT_FOUND = 127,
};

static const char usage_text[] =
	"usage: memnet-run [OPTION...] PROGRAM [ARGUMENT...]\n"
	"Run PROGRAM with its TCP sockets served by a MemNet offload node.\n"
	"\n"
	"  -p, --native-ports=LIST     leave sockets on these ports alone, as in\n"
	"                              22,5432,8000-8010\n"
	"  -x, --native-programs=LIST  leave programs of these names alone, where\n"
	"                              PROGRAM starts others\n"
	"  -f, --fallback              use native sockets where MemNet is missing,\n"
	"                              instead of failing\n"
	"  -h, --help                  show this\n"
	"  -V, --version               show the version\n"
	"\n"
	"Settings also come from " SYSTEM_CONFIG ", from memnet/run.conf in\n"
	"$XDG_CONFIG_HOME or ~/.config, and from the environment: see memnet-run(1).\n";

static __attribute__((format(printf, 1, 2))) void say(const char *fmt, ...)
{
	va_list args;

	fputs("memnet-run: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static __attribute__((format(printf, 2, 3), noreturn)) void die(int code, const char *fmt, ...)
{
	va_list args;

	fputs("memnet-run: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(code);
}

/* ---- settings ---- */

/* A setting, by its name in files and in the environment. */
struct setting {
	const char *key;
	const char *variable;
	void (*check)(const char *value, const char *source);
};

static void check_ports(const char *value, const char *source)
{
	struct memnet_port_range ports[MEMNET_NATIVE_PORTS_MAX];
	const char *where, *why;

	if (ports_parse(value, ports, MEMNET_NATIVE_PORTS_MAX, &where, &why) < 0)
		die(EXIT_OURS, "%s: \"%s\": %s%s%s%s", source, value, why,
		    *where ? " (at \"" : " (at its end", where, *where ? "\")" : ")");
}

static void check_programs(const char *value, const char *source)
{
	if (strchr(value, '/'))
		die(EXIT_OURS, "%s: \"%s\": names of programs, without folders", source, value);
}

static void check_fallback(const char *value, const char *source)
{
	if (*value && strcmp(value, "native") && strcmp(value, "none"))
		die(EXIT_OURS, "%s: \"%s\": neither native nor none", source, value);
}

static void check_off(const char *value, const char *source)
{
	if (*value && strcmp(value, "0") && strcmp(value, "1"))
		die(EXIT_OURS, "%s: \"%s\": neither 0 nor 1", source, value);
}

static const struct setting settings[] = {
	{ "native-ports", "MEMNET_NATIVE_PORTS", check_ports },
	{ "native-programs", "MEMNET_NATIVE_PROGRAMS", check_programs },
	{ "fallback", "MEMNET_FALLBACK", check_fallback },
	{ "off", "MEMNET_OFF", check_off },
};

#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* What files and options gave; the environment is where it is. */
static char *from_file[N_SETTINGS];
static const char *from_option[N_SETTINGS];

static char *strip(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = 0;
	return text;
}

static void read_line(char *line, const char *source)
{
	char *key = strip(line), *value;
	size_t i;

	if (!*key || *key == '#')
		return;
	value = strchr(key, '=');
	if (!value)
		die(EXIT_OURS, "%s: \"%s\": expected \"setting = value\"", source, key);
	*value++ = 0;
	key = strip(key);
	value = strip(value);

	for (i = 0; i < N_SETTINGS; i++) {
		if (strcmp(key, settings[i].key))
			continue;
		settings[i].check(value, source);
		free(from_file[i]);
		from_file[i] = strdup(value);
		if (!from_file[i])
			die(EXIT_OURS, "out of memory");
		return;
	}
	die(EXIT_OURS, "%s: \"%s\" is none of native-ports, native-programs, fallback, off",
	    source, key);
}

static void read_config(const char *path)
{
	char source[PATH_MAX + 16];
	char *line = NULL;
	size_t room = 0;
	int number = 0;
	FILE *file;

	file = fopen(path, "re");
	if (!file) {
		if (errno == ENOENT || errno == ENOTDIR)
			return;
		die(EXIT_OURS, "%s: %s", path, strerror(errno));
	}
	while (getline(&line, &room, file) >= 0) {
		snprintf(source, sizeof(source), "%s:%d", path, ++number);
		read_line(line, source);
	}
	if (ferror(file))
		die(EXIT_OURS, "%s: %s", path, strerror(errno));
	free(line);
	fclose(file);
}

/* Somebody else's home, as after su and sudo, is not asked for settings. */
static bool may_look(const char *path)
{
	struct stat st;

	return !stat(path, &st) || errno != EACCES;
}

static void read_configs(void)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char path[PATH_MAX];
	int len;

	read_config(SYSTEM_CONFIG);
	if (base && *base)
		len = snprintf(path, sizeof(path), "%s/memnet/run.conf", base);
	else if (home && *home)
		len = snprintf(path, sizeof(path), "%s/.config/memnet/run.conf", home);
	else
		return;
	if (len < (int)sizeof(path) && may_look(path))
		read_config(path);
}

static void set_variable(const char *name, const char *value)
{
	if (setenv(name, value, 1))
		die(EXIT_OURS, "%s: %s", name, strerror(errno));
}

static void apply_settings(void)
{
	const char *old;
	size_t i;

	for (i = 0; i < N_SETTINGS; i++) {
		old = getenv(settings[i].variable);
		if (from_option[i])
			set_variable(settings[i].variable, from_option[i]);
		else if (old)
			settings[i].check(old, settings[i].variable);
		else if (from_file[i])
			set_variable(settings[i].variable, from_file[i]);
	}
}

static bool setting_is(const char *variable, const char *value)
{
	const char *now = getenv(variable);

	return now && !strcmp(now, value);
}

/* ---- the preload ---- */

static bool file_is_there(const char *path)
{
	return !access(path, R_OK);
}

/* Beside this program, as in the build folder, or where it is installed with it. */
static bool find_near(char *path, size_t size)
{
	static const char *const folders[] = { "", "../" LIBSUB "/" };
	char self[PATH_MAX], near[2 * PATH_MAX];
	ssize_t len;
	char *slash;
	size_t i;

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len <= 0)
		return false;
	self[len] = 0;
	slash = strrchr(self, '/');
	if (!slash)
		return false;
	slash[1] = 0;
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(near, sizeof(near), "%s%s" PRELOAD, self, folders[i]);
		if (file_is_there(near) && realpath(near, self)) {
			snprintf(path, size, "%s", self);
			return true;
		}
	}
	return false;
}

static void find_preload(char *path, size_t size)
{
	const char *given = getenv("MEMNET_PRELOAD");

	if (given && *given) {
		char whole[PATH_MAX];	/* the program, and those it starts, may be elsewhere */

		if (!realpath(given, whole) || !file_is_there(whole))
			die(EXIT_OURS, "MEMNET_PRELOAD: %s: %s", given, strerror(errno));
		snprintf(path, size, "%s", whole);
		return;
	}
	if (find_near(path, size))
		return;
	snprintf(path, size, "%s/" PRELOAD, LIBDIR);
	if (!file_is_there(path))
		die(EXIT_OURS, "%s: %s; is MemNet's user side installed?", path, strerror(errno));
}

static bool is_listed(const char *list, const char *path)
{
	size_t len, want = strlen(path);

	while (*list) {
		list += strspn(list, ": ");
		len = strcspn(list, ": ");
		if (len == want && !strncmp(list, path, len))
			return true;
		list += len;
	}
	return false;
}

static void set_preload(void)
{
	const char *old = getenv("LD_PRELOAD");
	char path[PATH_MAX];
	char *list;

	find_preload(path, sizeof(path));
	if (strpbrk(path, ": "))
		die(EXIT_OURS, "%s: LD_PRELOAD takes no path with a space or colon", path);
	if (!old || !*old) {
		set_variable("LD_PRELOAD", path);
	} else if (!is_listed(old, path)) {
		if (asprintf(&list, "%s:%s", path, old) < 0)
			die(EXIT_OURS, "out of memory");
		set_variable("LD_PRELOAD", list);
		free(list);
	}
}

/*
 * A socket is the test: it makes the kernel load the module if it may. Not with
 * a fallback, where anything goes.
 */
static void check_module(void)
{
	int family = memnet_family();
	int fd;

	fd = socket(family > 0 ? family : AF_MEMNET, SOCK_STREAM | SOCK_CLOEXEC,
		    MEMNET_PROTO_IPV4);
	if (fd >= 0) {
		close(fd);
		return;
	}
	if (errno == EAFNOSUPPORT) {
		/* it may just have been loaded, with a number of its own */
		if (family < 0 && memnet_family() > 0)
			return;
		die(EXIT_OURS,
		    "the kernel module memnet is not loaded: modprobe memnet, or see --fallback");
	}
	die(EXIT_OURS, "no MemNet socket to be had: %s", strerror(errno));
}

/* ---- the program ---- */

/* As execvp() searches; exits if there is none. */
static void find_program(const char *name, char *path, size_t size)
{
	const char *dirs = getenv("PATH");
	bool denied = false;
	struct stat st;
	size_t len;

	if (strchr(name, '/')) {
		if (snprintf(path, size, "%s", name) >= (int)size)
			die(EXIT_CANNOT_EXEC, "%s: %s", name, strerror(ENAMETOOLONG));
		if (access(path, F_OK))
			die(errno == ENOENT || errno == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC,
			    "%s: %s", name, strerror(errno));
		return;
	}
	if (!dirs)
		dirs = "/usr/bin:/bin";
	for (;;) {
		len = strcspn(dirs, ":");
		if (snprintf(path, size, "%.*s%s%s", (int)len, dirs, len ? "/" : "", name) <
		    (int)size && !stat(path, &st) && S_ISREG(st.st_mode)) {
			if (!access(path, X_OK))
				return;
			denied = true;
		}
		if (!dirs[len])
			break;
		dirs += len + 1;
	}
	if (denied)
		die(EXIT_CANNOT_EXEC, "%s: %s", name, strerror(EACCES));
	die(EXIT_NOT_FOUND, "%s: no such program in PATH", name);
}

/* Has a 64-bit ELF file a dynamic loader? True where that cannot be told. */
static bool elf_is_dynamic(int fd, const Elf64_Ehdr *ehdr)
{
	Elf64_Phdr phdr;
	int i;

	if (ehdr->e_phentsize != sizeof(phdr))
		return true;
	for (i = 0; i < ehdr->e_phnum; i++) {
		if (pread(fd, &phdr, sizeof(phdr),
			  (off_t)(ehdr->e_phoff + (Elf64_Off)i * sizeof(phdr))) != sizeof(phdr))
			return true;
		if (phdr.p_type == PT_INTERP)
			return true;
	}
	return false;
}

static void warn_if_immune(const char *path, bool follow)
{
	union {
		Elf64_Ehdr ehdr;
		char text[PATH_MAX];
	} head = {};
	struct stat st;
	char *program;
	ssize_t len;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;	/* may be executable all the same */
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		goto out;
	len = read(fd, &head, sizeof(head) - 1);

	if (len > 2 && head.text[0] == '#' && head.text[1] == '!' && follow) {
		head.text[strcspn(head.text, "\n")] = 0;
		program = head.text + 2 + strspn(head.text + 2, " \t");
		program[strcspn(program, " \t")] = 0;
		warn_if_immune(program, false);
		goto out;
	}
	if (len < (ssize_t)sizeof(head.ehdr) || memcmp(head.ehdr.e_ident, ELFMAG, SELFMAG))
		goto out;

	if (((st.st_mode & S_ISUID) && st.st_uid != geteuid()) ||
	    ((st.st_mode & SGID_EXEC) == SGID_EXEC && st.st_gid != getegid()) ||
	    (getuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0))
		say("warning: %s gains privileges when executed; its sockets stay native", path);
	else if (head.ehdr.e_ident[EI_CLASS] != (sizeof(long) == 8 ? ELFCLASS64 : ELFCLASS32))
		say("warning: %s is of another word size; its sockets stay native", path);
	else if (head.ehdr.e_ident[EI_CLASS] == ELFCLASS64 && !elf_is_dynamic(fd, &head.ehdr))
		say("warning: %s is statically linked; its sockets stay native", path);
out:
	close(fd);
}

/* A script that does not name its interpreter is the shell's, as for execvp(). */
static void execute(char *path, int argc, char **argv)
{
	char **args;

	execv(path, argv);
	if (errno != ENOEXEC)
		return;
	args = calloc((size_t)argc + 2, sizeof(*args));
	if (!args)
		return;
	args[0] = argv[0];
	args[1] = path;
	memcpy(args + 2, argv + 1, (size_t)argc * sizeof(*args));	/* with the NULL */
	execv("/bin/sh", args);
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "native-ports", required_argument, NULL, 'p' },
		{ "native-programs", required_argument, NULL, 'x' },
		{ "fallback", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{}
	};
	int c;

	while ((c = getopt_long(argc, argv, "+p:x:fhV", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			check_ports(optarg, "--native-ports");
			from_option[0] = optarg;
			break;
		case 'x':
			check_programs(optarg, "--native-programs");
			from_option[1] = optarg;
			break;
		case 'f':
			from_option[2] = "native";
			break;
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		case 'V':
			puts("memnet-run " VERSION);
			exit(0);
		default:
			fputs("Try memnet-run --help.\n", stderr);
			exit(EXIT_OURS);
		}
	}
	if (optind == argc) {
		say("no program is named");
		fputs("Try memnet-run --help.\n", stderr);
		exit(EXIT_OURS);
	}
}

int main(int argc, char **argv)
{
	char path[PATH_MAX];

	parse_options(argc, argv);
	argv += optind;
	read_configs();
	apply_settings();
	find_program(argv[0], path, sizeof(path));

	if (!setting_is("MEMNET_OFF", "1")) {
		if (!setting_is("MEMNET_FALLBACK", "native"))
			check_module();
		set_preload();
		warn_if_immune(path, true);
	}
	execute(path, argc - optind, argv);
	die(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC, "%s: %s", path, strerror(errno));
}
