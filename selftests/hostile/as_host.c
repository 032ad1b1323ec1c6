// SPDX-License-Identifier: GPL-2.0
/* Attacks of a host on a node, on what messages mean (as_host_*.c): tries them one by one. */
#include "attack.h"

static void judge(struct session *s, const struct attack *a, int ret)
{
	struct peer *p = s->main, *w = s->witness;
	bool refused;

	if (ret == WRONG) {
		report(false, a->name, "went otherwise");
		return;
	}
	if (a->want == LIVES) {
		bool ok = !ret && !p->dead && host_works(p);

		report(ok, a->name, "%s", ok ? "lives" : ret ? "could not do it" : "died");
		return;
	}
	if (a->want == EITHER) {
		peer_pump(p, 200);
		report(p->dead || host_works(p) || p->dead, a->name, p->dead ? "died" : "lives");
		return;
	}
	if (ret && !p->dead) {
		report(false, a->name, "could not do it");
		return;
	}
	if (!peer_dies(p, PEER_PATIENCE) || !peer_dies(w, PEER_PATIENCE)) {
		report(false, a->name, "the session lives");
		return;
	}
	refused = a->want == REFUSED && peer_refused(p);
	report(a->want == REFUSED ? refused : a->want == DIES || w->goodbye == a->want, a->name,
	       "died: %s, %s", ibv_wc_status_str(p->failure),
	       w->goodbye < 0 ? "disconnected" : wire_reason_name(w->goodbye));
}

static void run(const struct attack *list, unsigned int n)
{
	struct session s = { NULL, NULL };
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!wanted(list[i].name))
			continue;
		if (!s.main && session_open(&s, 2)) {
			report(false, list[i].name, "the node takes no session");
			return;
		}
		judge(&s, &list[i], list[i].run(s.main));
		if (s.main->dead || list[i].want != LIVES) {
			session_close(&s);
			s.main = NULL;
		}
	}
	if (s.main)
		session_close(&s);
}

void attack_node(void)
{
	run(framing_attacks, nr_framing_attacks);
	run(endpoint_attacks, nr_endpoint_attacks);
	run(request_attacks, nr_request_attacks);
	run(option_attacks, nr_option_attacks);
	run(stream_attacks, nr_stream_attacks);
	run(direct_attacks, nr_direct_attacks);
	if (only)
		run(hoard_attacks, nr_hoard_attacks);
}
