// SPDX-License-Identifier: GPL-2.0
/* A TLS socket is read by read_sock() as any other (6.6; what is looked for came in 6.7). */
#include <net/tls.h>

static_assert(sizeof_field(struct cipher_context, iv) == TLS_MAX_IV_SIZE + TLS_MAX_SALT_SIZE);
