/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kTLS's tests are made of: connections whose both ends are here, with keys that nobody has
 * agreed on, and records with their types.
 */
#ifndef MN_KTLS_FIXTURE_H
#define MN_KTLS_FIXTURE_H

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/types.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#ifndef TLS_TX_ZEROCOPY_RO
#define TLS_TX_ZEROCOPY_RO 3
#endif
#ifndef TLS_RX_EXPECT_NO_PAD
#define TLS_RX_EXPECT_NO_PAD 4
#endif

#define DATA		23	/* types of records */
#define ALERT		21
#define HANDSHAKE	22
#define HEADER		5
#define TAG		16

#define crypto struct tls12_crypto_info_aes_gcm_128

crypto key(unsigned int version, unsigned char seed);
int set_ulp(int fd);
void set_tls(int fd, int name, unsigned int version, unsigned char seed);

/* Bytes that may come before they are read, if not as usual. */
extern int room;

/* @fd[0] was made by connect(), @fd[1] is the other end of it. */
void connect_pair(int fd[2]);
/* The same with TCP_ULP, of which there has to be one. */
void ulp_pair(int fd[2]);
/* And with keys, both ways. */
void tls_pair(int fd[2], unsigned int version);

void send_record(int fd, unsigned char type, const void *data, size_t len);
/* How much, and of what type; @told: msg_flags. */
ssize_t recv_record(int fd, void *data, size_t len, int flags, unsigned char *type, int *told);

#endif
