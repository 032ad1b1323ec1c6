// SPDX-License-Identifier: GPL-2.0
/* Private data of connection requests, acceptances and refusals: every field at its bounds. */
#include <stdlib.h>

#include "oracle.h"
#include "test.h"

static void judge_req(const struct wire_cm_req *data, int want)
{
	struct wire_cm_req req;

	memset(&req, 0xaa, sizeof(req));
	EQ(wire_check_req(data, sizeof(*data), &req), want);
	if (want != -EPROTO)
		CHECK(!memcmp(&req, data, sizeof(req)));
}

static void judge_rep(const struct wire_cm_rep *data, int want)
{
	struct wire_cm_rep rep;

	memset(&rep, 0xaa, sizeof(rep));
	EQ(wire_check_rep(data, sizeof(*data), &rep), want);
	if (want != -EPROTO)
		CHECK(!memcmp(&rep, data, sizeof(rep)));
}

TEST(request_length)
{
	struct wire_cm_req valid = valid_req(), req;
	size_t len;

	EQ(wire_check_req(NULL, 0, &req), -EPROTO);
	EQ(wire_check_req(NULL, sizeof(req), &req), -EPROTO);
	for (len = 0; len < 300; len++) {
		u8 *data = calloc(1, len ?: 1);	/* to the byte, for the sanitizer to see */

		note("%zu bytes", len);
		memcpy(data, &valid, len < sizeof(valid) ? len : sizeof(valid));
		EQ(wire_check_req(data, len, &req), len < sizeof(valid) ? -EPROTO : 0);
		free(data);
	}
}

TEST(request_magic_and_version)
{
	struct wire_cm_req req;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		note("magic, bit %d", bit);
		req = valid_req();
		req.magic ^= cpu_to_le32(1U << bit);
		judge_req(&req, -EPROTO);
	}
	for (bit = 0; bit < 16; bit++) {
		note("version, bit %d", bit);
		req = valid_req();
		req.version ^= cpu_to_le16(1U << bit);
		judge_req(&req, -EPROTONOSUPPORT);
		/* Another version may have other bounds. */
		req.channels = 0;
		judge_req(&req, -EPROTONOSUPPORT);
	}
}

TEST(request_channels)
{
	struct wire_cm_req req = valid_req();
	int channel, channels;

	for (channels = 0; channels < 256; channels++) {
		for (channel = 0; channel < 256; channel++) {
			note("channel %d of %d", channel, channels);
			req.channel = channel;
			req.channels = channels;
			judge_req(&req, channels && channels <= WIRE_MAX_CHANNELS &&
					channel < channels ? 0 : -EPROTO);
		}
	}
}

TEST(request_depth)
{
	struct wire_cm_req req = valid_req();
	u32 depth;

	for (depth = 0; depth < 0x10000; depth++) {
		note("depth %u", depth);
		req.depth = cpu_to_le16(depth);
		judge_req(&req, depth >= WIRE_MIN_DEPTH && depth <= WIRE_MAX_DEPTH ? 0 : -EPROTO);
	}
}

TEST(request_slots)
{
	struct wire_cm_req req = valid_req();
	u32 slots;
	int bit;

	for (slots = 0; slots <= 2 * WIRE_MAX_SLOTS + 1; slots++) {
		note("%u slots", slots);
		req.slots = cpu_to_le32(slots);
		judge_req(&req, slots >= WIRE_MIN_SLOTS && slots <= WIRE_MAX_SLOTS &&
				__builtin_popcount(slots) == 1 ? 0 : -EPROTO);
	}
	for (bit = 17; bit < 32; bit++) {
		note("%u slots", 1U << bit);
		req.slots = cpu_to_le32(1U << bit);
		judge_req(&req, -EPROTO);
	}
	req.slots = cpu_to_le32(0xffffffff);
	judge_req(&req, -EPROTO);
	/* All channels together have no more than one may have. */
	for (req.channels = 1; req.channels <= WIRE_MAX_CHANNELS; req.channels++) {
		for (bit = 6; bit <= 16; bit++) {
			note("%u slots, %u channels", 1U << bit, req.channels);
			req.slots = cpu_to_le32(1U << bit);
			judge_req(&req, req.channels << bit <= WIRE_MAX_SLOTS ? 0 : -EPROTO);
		}
	}
}

TEST(request_identity)
{
	struct wire_cm_req req = valid_req();

	req.host_id = 0;
	judge_req(&req, -EPROTO);
	req.host_id = cpu_to_le64(1ULL << 63);
	judge_req(&req, 0);
	req.nonce = 0;
	judge_req(&req, -EPROTO);
	req.nonce = cpu_to_le64(1ULL << 63);
	judge_req(&req, 0);
	/* These may be anything. */
	req.boot_id = ~0ULL;
	req.challenge = ~0ULL;
	req.features = ~0U;
	judge_req(&req, 0);
}

TEST(reply_length)
{
	struct wire_cm_rep valid = valid_rep(), rep;
	size_t len;

	EQ(wire_check_rep(NULL, 0, &rep), -EPROTO);
	EQ(wire_check_rep(NULL, sizeof(rep), &rep), -EPROTO);
	for (len = 0; len < 300; len++) {
		u8 *data = calloc(1, len ?: 1);

		note("%zu bytes", len);
		memcpy(data, &valid, len < sizeof(valid) ? len : sizeof(valid));
		EQ(wire_check_rep(data, len, &rep), len < sizeof(valid) ? -EPROTO : 0);
		free(data);
	}
}

TEST(reply_magic_and_version)
{
	struct wire_cm_rep rep;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		note("magic, bit %d", bit);
		rep = valid_rep();
		rep.magic ^= cpu_to_le32(1U << bit);
		judge_rep(&rep, -EPROTO);
	}
	for (bit = 0; bit < 16; bit++) {
		note("version, bit %d", bit);
		rep = valid_rep();
		rep.version ^= cpu_to_le16(1U << bit);
		rep.depth = 0;
		judge_rep(&rep, -EPROTONOSUPPORT);
	}
}

TEST(reply_bounds)
{
	static const u32 heartbeat[] = { 0, 1, 99, 600001, 0x7fffffff, 0x80000000, 0xffffffff };
	struct wire_cm_rep rep = valid_rep();
	u32 i;

	for (i = 0; i < 0x10000; i++) {
		note("depth %u", i);
		rep.depth = cpu_to_le16(i);
		judge_rep(&rep, i >= WIRE_MIN_DEPTH && i <= WIRE_MAX_DEPTH ? 0 : -EPROTO);
	}
	rep = valid_rep();
	for (i = 0; i < sizeof(heartbeat) / sizeof(heartbeat[0]); i++) {
		note("heartbeat %u", heartbeat[i]);
		rep.heartbeat_ms = cpu_to_le32(heartbeat[i]);
		judge_rep(&rep, -EPROTO);
	}
	rep.heartbeat_ms = cpu_to_le32(100);
	judge_rep(&rep, 0);
	rep.heartbeat_ms = cpu_to_le32(600000);
	judge_rep(&rep, 0);
	rep.features = ~0U;
	rep.challenge = ~0ULL;
	judge_rep(&rep, 0);
}

TEST(refusal)
{
	struct wire_cm_rej rej = { .magic = cpu_to_le32(WIRE_MAGIC),
				   .version = cpu_to_le16(WIRE_VERSION) };
	u32 reason;
	size_t len;

	EQ(wire_check_rej(NULL, 0), WIRE_REASON_DISCONNECTED);
	EQ(wire_check_rej(NULL, sizeof(rej)), WIRE_REASON_DISCONNECTED);
	for (reason = 0; reason < 0x10000; reason++) {
		note("reason %u", reason);
		rej.reason = cpu_to_le16(reason);
		EQ(wire_check_rej(&rej, sizeof(rej)),
		   reason && reason < WIRE_REASON_WIRE_END ? reason : WIRE_REASON_DISCONNECTED);
	}
	rej.reason = cpu_to_le16(WIRE_REASON_DENIED);
	for (len = 0; len < 200; len++) {
		u8 *data = calloc(1, len ?: 1);

		note("%zu bytes", len);
		memcpy(data, &rej, len < sizeof(rej) ? len : sizeof(rej));
		EQ(wire_check_rej(data, len),
		   len < sizeof(rej) ? WIRE_REASON_DISCONNECTED : WIRE_REASON_DENIED);
		free(data);
	}
	note("another version");
	rej.version = cpu_to_le16(WIRE_VERSION + 1);
	EQ(wire_check_rej(&rej, sizeof(rej)), WIRE_REASON_VERSION);
	note("not ours");
	rej.magic = 0;
	EQ(wire_check_rej(&rej, sizeof(rej)), WIRE_REASON_DISCONNECTED);
}
