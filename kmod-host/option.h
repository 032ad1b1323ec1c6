/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Socket options: those of which the node has a copy, those that only have to be kept, and what
 * option.c, sockopt.c and sock_level.c have of each other.
 */
#ifndef MEMNET_OPTION_H
#define MEMNET_OPTION_H

#include "memnet.h"

#define MEMNET_OPT_BIT(i)	BIT_ULL(i)

/* option.c */
int memnet_option_find(const struct sock *sk, int level, int name);
int memnet_option_set(struct sock *sk, int i, int value);
bool memnet_option_fits(int i, unsigned int len);
bool memnet_option_get(struct sock *sk, int i, int *value);
void memnet_option_advise(struct sock *sk);
void memnet_tell_changes(struct sock *sk);
u64 memnet_options_alone(void);

/* sock_level.c */
int memnet_set_socket(struct socket *sock, int name, sockptr_t value, unsigned int len);

#endif /* MEMNET_OPTION_H */
