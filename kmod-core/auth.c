// SPDX-License-Identifier: GPL-2.0
/*
 * Proof of the shared secret: HMAC-SHA-256 over a label of the direction and the whole identity
 * of the channel, both challenges included, so a proof can be neither replayed on another
 * channel nor reflected to its sender.
 */
#include <crypto/hash.h>
#include <linux/err.h>

#include "core.h"

/**
 * memnet_auth_proof() - what one side sends to prove that it knows the secret
 * @cfg: channel configuration with identity, both challenges and secret
 * @host: the host's proof, else the node's
 * @proof: result; zero where no secret is set
 *
 * Process context. Return: 0 or a negative errno.
 */
int memnet_auth_proof(const struct memnet_channel_config *cfg, bool host, u8 proof[WIRE_MAC])
{
	struct {
		char label[16];
		__le64 host_id, boot_id, nonce, host_challenge, node_challenge;
		u8 channel, channels, zero[6];
	} text = {
		.host_id	= cpu_to_le64(cfg->who.host_id),
		.boot_id	= cpu_to_le64(cfg->who.boot_id),
		.nonce		= cpu_to_le64(cfg->who.nonce),
		.host_challenge	= cpu_to_le64(cfg->who.host_challenge),
		.node_challenge	= cpu_to_le64(cfg->who.node_challenge),
		.channel	= cfg->who.channel,
		.channels	= cfg->who.channels,
	};
	struct crypto_shash *tfm;
	int ret;

	memset(proof, 0, WIRE_MAC);
	if (!cfg->secret_len)
		return 0;
	strscpy(text.label, host ? "memnet host" : "memnet node", sizeof(text.label));
	tfm = crypto_alloc_shash("hmac(sha256)", 0, 0);
	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	ret = crypto_shash_setkey(tfm, cfg->secret, cfg->secret_len) ?:
	      crypto_shash_tfm_digest(tfm, (u8 *)&text, sizeof(text), proof);
	crypto_free_shash(tfm);
	return ret;
}
