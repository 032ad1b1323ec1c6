// SPDX-License-Identifier: GPL-2.0
/*
 * memnetctl: links and services of MemNet, and what is on them.
 *
 * A command is two words (an object and a verb; "stats" is one) and what its
 * function reads after them. What shows something collects JSON and either
 * prints it as it is (-j) or hands it to a table. Exit codes: 0, 1 for what
 * failed, 2 for what was not understood.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

#ifndef VERSION
#define VERSION "0"
#endif

static bool json;

/* ---- cells ---- */

static void cell_text(const json_t *row, const char *key, char *text, size_t size)
{
	const json_t *value = json_object_get(row, key);

	if (json_is_string(value))
		snprintf(text, size, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		snprintf(text, size, "-");
}

static void cell_flag(const json_t *row, const char *key, char *text, size_t size)
{
	snprintf(text, size, json_is_true(json_object_get(row, key)) ? "yes" : "no");
}

static void cell_address(const json_t *row, const char *addr_key, const char *port_key, char *text,
			 size_t size)
{
	const char *addr = json_string_value(json_object_get(row, addr_key));
	const json_t *port = json_object_get(row, port_key);

	if (!addr)
		snprintf(text, size, "-");
	else
		snprintf(text, size, strchr(addr, ':') ? "[%s]:%d" : "%s:%d", addr,
			 (int)json_integer_value(port));
}

static void cell_list(const json_t *row, const char *key, char *text, size_t size)
{
	const json_t *list = json_object_get(row, key), *entry;
	size_t i, len = 0;

	snprintf(text, size, "-");
	for (i = 0; i < json_array_size(list); i++) {
		entry = json_array_get(list, i);
		len += (size_t)snprintf(text + len, size - len, "%s%s", i ? "," : "",
					json_string_value(entry));
		if (len >= size) {
			memcpy(text + size - 4, "...", 4);
			return;
		}
	}
}

static json_int_t counter(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(row, "counters"), key));
}

#define CELL(name, body)						\
static void name(const json_t *row, char *text, size_t size)		\
{									\
	body;								\
}

CELL(cell_name, cell_text(row, "name", text, size))
CELL(cell_id, cell_text(row, "id", text, size))
CELL(cell_where, cell_address(row, "address", "port", text, size))
CELL(cell_host, cell_text(row, "address", text, size))
CELL(cell_host_id, cell_text(row, "host_id", text, size))
CELL(cell_state, cell_text(row, "state", text, size))
CELL(cell_reason, cell_text(row, "last_reason", text, size))
CELL(cell_sockets, cell_text(row, "sockets", text, size))
CELL(cell_endpoints, cell_text(row, "endpoints", text, size))
CELL(cell_channels, cell_text(row, "channels", text, size))
CELL(cell_channels_up, snprintf(text, size, "%d/%d",
				(int)json_integer_value(json_object_get(row, "channels_up")),
				(int)json_integer_value(json_object_get(row, "channels"))))
CELL(cell_tx, snprintf(text, size, "%" JSON_INTEGER_FORMAT, counter(row, "tx_bytes")))
CELL(cell_rx, snprintf(text, size, "%" JSON_INTEGER_FORMAT, counter(row, "rx_bytes")))
CELL(cell_pages, cell_text(row, "pages", text, size))
CELL(cell_allow, cell_list(row, "allow", text, size))
CELL(cell_privileged, cell_list(row, "privileged_ports", text, size))
CELL(cell_options, cell_list(row, "options", text, size))
CELL(cell_secret, cell_flag(row, "secret", text, size))
CELL(cell_authenticated, cell_flag(row, "authenticated", text, size))
CELL(cell_sessions, cell_text(row, "sessions", text, size))
CELL(cell_refused, cell_text(row, "refused", text, size))
CELL(cell_role, cell_text(row, "role", text, size))
CELL(cell_link, cell_text(row, json_object_get(row, "session") ? "session" : "link", text, size))
CELL(cell_rx_queue, cell_text(row, "rx_queue", text, size))
CELL(cell_tx_queue, cell_text(row, "tx_queue", text, size))
CELL(cell_jobs, cell_text(row, "jobs", text, size))
CELL(cell_local, cell_address(row, "local_address", "local_port", text, size))
CELL(cell_remote, cell_address(row, "remote_address", "remote_port", text, size))
CELL(cell_uid, cell_text(row, "uid", text, size))
CELL(cell_inode, cell_text(row, "inode", text, size))
CELL(cell_served, cell_text(row, "served", text, size))
CELL(cell_rx_bytes, cell_text(row, "rx_bytes", text, size))
CELL(cell_tx_bytes, cell_text(row, "tx_bytes", text, size))
CELL(cell_cookie, cell_text(row, "cookie", text, size))
CELL(cell_module, cell_text(row, "module", text, size))
CELL(cell_value, cell_text(row, "value", text, size))

/* name(pid,fd) of each */
static void cell_processes(const json_t *row, char *text, size_t size)
{
	const json_t *list = json_object_get(row, "processes"), *p;
	size_t i, len = 0;

	snprintf(text, size, "-");
	for (i = 0; i < json_array_size(list); i++) {
		p = json_array_get(list, i);
		len += (size_t)snprintf(text + len, size - len, "%s%s(%d,%d)", i ? "," : "",
					json_string_value(json_object_get(p, "name")),
					(int)json_integer_value(json_object_get(p, "pid")),
					(int)json_integer_value(json_object_get(p, "fd")));
		if (len >= size) {
			memcpy(text + size - 4, "...", 4);
			return;
		}
	}
}

/* channel.index.generation */
static void cell_endpoint(const json_t *row, char *text, size_t size)
{
	if (!json_object_get(row, "channel")) {
		snprintf(text, size, "-");
		return;
	}
	snprintf(text, size, "%d.%d.%d",
		 (int)json_integer_value(json_object_get(row, "channel")),
		 (int)json_integer_value(json_object_get(row, "id")),
		 (int)json_integer_value(json_object_get(row, "generation")));
}

static const struct column link_columns[] = {
	{ "NAME", false, cell_name },
	{ "NODE", false, cell_where },
	{ "STATE", false, cell_state },
	{ "CHANNELS", true, cell_channels_up },
	{ "SOCKETS", true, cell_sockets },
	{ "SENT", true, cell_tx },
	{ "RECEIVED", true, cell_rx },
	{ "LAST REASON", false, cell_reason },
};

static const struct column listener_columns[] = {
	{ "LISTENING ON", false, cell_where },
	{ "SECRET", false, cell_secret },
	{ "HOSTS", true, cell_sessions },
	{ "REFUSED", true, cell_refused },
	{ "PRIVILEGED PORTS", false, cell_privileged },
	{ "OPTIONS", false, cell_options },
	{ "ALLOWED", false, cell_allow },
};

static const struct column session_columns[] = {
	{ "SESSION", true, cell_id },
	{ "HOST", false, cell_host },
	{ "HOST ID", false, cell_host_id },
	{ "STATE", false, cell_state },
	{ "PROVED", false, cell_authenticated },
	{ "CHANNELS", true, cell_channels },
	{ "SOCKETS", true, cell_endpoints },
	{ "PAGES", true, cell_pages },
	{ "SENT", true, cell_tx },
	{ "RECEIVED", true, cell_rx },
};

static const struct column socket_columns[] = {
	{ "SIDE", false, cell_role },
	{ "LINK", false, cell_link },
	{ "ENDPOINT", false, cell_endpoint },
	{ "STATE", false, cell_state },
	{ "RECV-Q", true, cell_rx_queue },
	{ "SEND-Q", true, cell_tx_queue },
	{ "PAGES", true, cell_pages },
	{ "JOBS", true, cell_jobs },
	{ "LOCAL", false, cell_local },
	{ "REMOTE", false, cell_remote },
	{ "UID", true, cell_uid },
	{ "INODE", true, cell_inode },
	{ "SERVED", false, cell_served },
};

static const struct column byte_columns[] = {
	{ "RECEIVED", true, cell_rx_bytes },
	{ "SENT", true, cell_tx_bytes },
	{ "COOKIE", true, cell_cookie },
};

static const struct column process_column = { "PROCESSES", false, cell_processes };

static const struct column stat_columns[] = {
	{ "MODULE", false, cell_module },
	{ "COUNTER", false, cell_name },
	{ "VALUE", true, cell_value },
};

#define TABLE(rows, columns) table_print(rows, columns, sizeof(columns) / sizeof((columns)[0]))

/* ---- commands that show something ---- */

static void print_json(json_t *value)
{
	if (json_dumpf(value, stdout, JSON_INDENT(2)))
		fail("cannot write JSON");
	putchar('\n');
	json_decref(value);
}

static void print_rows(json_t *rows, const char *none, const struct column *columns, size_t n)
{
	if (json) {
		print_json(rows);
		return;
	}
	if (json_array_size(rows))
		table_print(rows, columns, n);
	else
		puts(none);
	json_decref(rows);
}

static void link_show(struct words *w)
{
	const char *name = word_peek(w);
	struct nl_msg *msg;
	json_t *rows;

	if (!name) {
		rows = request_all(MEMNET_CMD_LINK_GET, "link show", decode_link);
		print_rows(rows, "no links", link_columns,
			   sizeof(link_columns) / sizeof(link_columns[0]));
		return;
	}
	word_take(w, "the name of a link");
	if (!*name || strlen(name) > MEMNET_LINK_NAME_MAX)
		word_wrong(w, "a link's name has 1 to 31 characters");
	word_end(w);
	msg = request_new(MEMNET_CMD_LINK_GET, 0);
	if (nla_put_string(msg, MEMNET_A_LINK_NAME, name))
		fail("the request is too large");
	rows = request_one(msg, "link show", decode_link);
	if (!json_array_size(rows))
		fail("link show: the kernel did not answer");
	if (json) {
		print_json(rows);
		return;
	}
	list_print(json_array_get(rows, 0), 0);
	json_decref(rows);
}

static void tcps_show(struct words *w)
{
	json_t *listeners, *sessions;

	word_end(w);
	listeners = request_all(MEMNET_CMD_TCPS_GET, "tcps show", decode_listener);
	sessions = request_all(MEMNET_CMD_SESSION_GET, "tcps show", decode_session);
	if (json) {
		print_json(json_pack("{s:o, s:o}", "listeners", listeners, "sessions", sessions));
		return;
	}
	if (json_array_size(listeners))
		TABLE(listeners, listener_columns);
	else
		puts("not listening");
	putchar('\n');
	if (json_array_size(sessions))
		TABLE(sessions, session_columns);
	else
		puts("no hosts");
	json_decref(listeners);
	json_decref(sessions);
}

/* How sockets are to be shown. */
struct looks {
	bool bytes;
	bool processes;
};

static void print_sockets(json_t *rows, const struct looks *looks)
{
	struct column columns[sizeof(socket_columns) / sizeof(socket_columns[0]) +
			      sizeof(byte_columns) / sizeof(byte_columns[0]) + 1];
	size_t n = sizeof(socket_columns) / sizeof(socket_columns[0]);

	memcpy(columns, socket_columns, sizeof(socket_columns));
	if (looks->bytes) {
		memcpy(columns + n, byte_columns, sizeof(byte_columns));
		n += sizeof(byte_columns) / sizeof(byte_columns[0]);
	}
	if (looks->processes) {
		processes_add(rows);
		columns[n++] = process_column;
	}
	print_rows(rows, "no sockets", columns, n);
}

/* -p, -e, both in one word, or their long forms */
static void read_looks(struct words *w, struct looks *looks)
{
	while (word_peek(w) && word_peek(w)[0] == '-') {
		const char *word = word_take(w, "an option"), *c = word + 1;

		if (!strcmp(word, "--processes"))
			c = "p";
		else if (!strcmp(word, "--extended"))
			c = "e";
		do {
			if (*c == 'p')
				looks->processes = true;
			else if (*c == 'e')
				looks->bytes = true;
			else
				word_wrong(w, "no such option; there are -e, -p");
		} while (*++c);
	}
}

static json_t *matching(const struct filter *f, const char *what)
{
	json_t *rows = request_all(MEMNET_CMD_SOCKET_GET, what, decode_socket);
	size_t i = 0;

	while (i < json_array_size(rows)) {
		if (filter_match(f, json_array_get(rows, i)))
			i++;
		else
			json_array_remove(rows, i);
	}
	return rows;
}

static void socket_show(struct words *w)
{
	struct looks looks = {};
	struct filter f;

	read_looks(w, &looks);
	filter_read(w, &f);
	print_sockets(matching(&f, "socket show"), &looks);
}

/* Shows those that were reset. */
static void socket_kill(struct words *w)
{
	const struct looks looks = {};
	struct filter f;
	uint64_t cookie;
	json_t *rows;
	size_t i = 0;

	if (!filter_read(w, &f))
		word_take(w, "a filter");	/* not all of them */
	rows = matching(&f, "socket kill");
	while (i < json_array_size(rows)) {
		cookie = (uint64_t)json_integer_value(json_object_get(json_array_get(rows, i),
								      "cookie"));
		if (cookie && socket_destroy(cookie))
			i++;
		else
			json_array_remove(rows, i);
	}
	print_sockets(rows, &looks);
}

/* For programs as {module: {name: value}}. */
static json_t *stats_by_module(const json_t *rows)
{
	json_t *modules = json_object(), *module, *row;
	const char *name;
	size_t i;

	json_array_foreach(rows, i, row) {
		name = json_string_value(json_object_get(row, "module"));
		module = json_object_get(modules, name);
		if (!module) {
			module = json_object();
			json_object_set_new(modules, name, module);
		}
		json_object_set(module, json_string_value(json_object_get(row, "name")),
				json_object_get(row, "value"));
	}
	return modules;
}

static void stats(struct words *w)
{
	json_t *rows;

	word_end(w);
	rows = request_all(MEMNET_CMD_STATS_GET, "stats", decode_stat);
	if (json)
		print_json(stats_by_module(rows));
	else
		TABLE(rows, stat_columns);
	json_decref(rows);
}

/* ---- the grammar ---- */

static const struct command {
	const char *object;
	const char *verb;	/* NULL: the object is a command by itself */
	void (*run)(struct words *w);
	const char *usage;
} commands[] = {
	{ "link", "add", link_add,
	  "link add NAME tcps ADDR [port P] [channels N]\n"
	  "                           [secret-file F] [host-id ID]" },
	{ "link", "del", link_del, "link del NAME" },
	{ "link", "set", link_set, "link set NAME netns NS" },
	{ "link", "show", link_show, "link show [NAME]" },
	{ "tcps", "listen", tcps_listen,
	  "tcps listen ADDR [port P] allow CIDR[,CIDR...] [secret-file F]\n"
	  "                           [privileged-ports LIST] [max-hosts N] [max-channels N]\n"
	  "                           [max-sockets N] [max-pages N] [options CLASS[,CLASS...]]" },
	{ "tcps", "unlisten", tcps_unlisten, "tcps unlisten ADDR [port P]" },
	{ "tcps", "show", tcps_show, "tcps show" },
	{ "socket", "show", socket_show, "socket show [-e] [-p] [FILTER...]" },
	{ "socket", "kill", socket_kill, "socket kill FILTER..." },
	{ "stats", NULL, stats, "stats" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *to)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++)
		fprintf(to, "%s memnetctl [-j] %s\n", i ? "      " : "usage:", commands[i].usage);
	fputs("\n  -j, --json     show in JSON; what shows nothing prints nothing\n"
	      "  -h, --help     show this\n"
	      "  -V, --version  show the version\n"
	      "\nFILTER is state STATE, listening, src ADDR[:PORT|/LEN], dst ADDR[:PORT|/LEN],\n"
	      "sport PORT, dport PORT, link NAME, uid UID or inode INODE; -e shows bytes and\n"
	      "cookies, -p processes.\n"
	      "\nADDR is IPv4 or IPv6 in numbers, on the RDMA network; see memnetctl(8).\n", to);
}

/* The verbs of an object, or the objects, for a message. */
static void list_choices(const char *object, char *text, size_t size)
{
	const char *word, *last = "";
	size_t i, len;

	len = (size_t)snprintf(text, size, object ? "no such command; there are" :
						    "no such object; there are");
	for (i = 0; i < N_COMMANDS && len < size; i++) {
		if (object && strcmp(commands[i].object, object))
			continue;
		word = object ? commands[i].verb : commands[i].object;
		if (!strcmp(word, last))
			continue;
		len += (size_t)snprintf(text + len, size - len, "%s %s", *last ? "," : "", word);
		last = word;
	}
}

static const struct command *find_command(struct words *w)
{
	const char *object = word_take(w, "an object");
	const char *verb = NULL;
	bool known = false;
	char why[256];
	size_t i;

	for (i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].object, object))
			continue;
		if (!commands[i].verb)
			return &commands[i];
		known = true;
		if (!verb)
			verb = word_take(w, "a command");
		if (!strcmp(commands[i].verb, verb))
			return &commands[i];
	}
	list_choices(known ? object : NULL, why, sizeof(why));
	word_wrong(w, why);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{}
	};
	const struct command *command;
	struct words w = {};
	int c;

	while ((c = getopt_long(argc, argv, "+jhV", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'h':
			print_usage(stdout);
			return 0;
		case 'V':
			puts("memnetctl " VERSION);
			return 0;
		default:
			print_usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc) {
		fputs("memnetctl: no command is given\n", stderr);
		print_usage(stderr);
		return EXIT_USAGE;
	}
	w.word = argv + optind;
	if (!strcmp(w.word[0], "help")) {
		print_usage(stdout);
		return 0;
	}
	command = find_command(&w);
	w.usage = command->usage;
	command->run(&w);
	if (fflush(stdout) || ferror(stdout))
		fail("cannot write");
	return 0;
}
