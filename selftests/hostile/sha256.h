/* SPDX-License-Identifier: GPL-2.0 */
/* HMAC-SHA-256, for the proof of the shared secret. */
#ifndef HOSTILE_SHA256_H
#define HOSTILE_SHA256_H

#include <stddef.h>
#include <stdint.h>

void hmac_sha256(const void *key, size_t key_len, const void *text, size_t len, uint8_t mac[32]);

#endif /* HOSTILE_SHA256_H */
