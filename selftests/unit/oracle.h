/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the protocol allows, said a second time and independently of kmod-core/wire.c: the tests
 * compare the two.
 */
#ifndef UNIT_ORACLE_H
#define UNIT_ORACLE_H

#include "wire.h"

/**
 * struct rule - what may be said in a message
 * @opcode:	which
 * @name:	how it is called
 * @host:	the host may send it
 * @node:	the node may send it
 * @endpoint:	it is about an endpoint: index not 0
 * @payload:	it may have payload
 * @flags:	the flags it may have; 0x20 and 0x40 only from the host
 */
struct rule {
	enum wire_opcode opcode;
	const char *name;
	bool host, node, endpoint, payload;
	u8 flags;
};

extern const struct rule rules[];
extern const unsigned int nr_rules;

const struct rule *rule_of(u8 opcode);
bool oracle_message(const struct wire_msg *msg, u32 bytes, bool from_host);
bool oracle_addr(const struct wire_addr *addr);
int oracle_req(const u8 *data, size_t len);
int oracle_rep(const u8 *data, size_t len);
int oracle_rej(const u8 *data, size_t len);

/* A message that is right in every respect, from a side that may send it. */
void make_valid(struct wire_msg *msg, const struct rule *rule);
struct wire_cm_req valid_req(void);
struct wire_cm_rep valid_rep(void);

#define EACH_RULE(r) ((r) = rules; (r) < rules + nr_rules; (r)++)

#endif /* UNIT_ORACLE_H */
