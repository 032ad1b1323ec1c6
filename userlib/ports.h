/* SPDX-License-Identifier: LGPL-2.1 */
/* Lists of ports as people write them: "22,5432,8000-8010". */
#ifndef MEMNET_PORTS_H
#define MEMNET_PORTS_H

#include <linux/memnet.h>

int ports_parse(const char *text, struct memnet_port_range *out, int max,
		const char **where, const char **why);

#endif /* MEMNET_PORTS_H */
