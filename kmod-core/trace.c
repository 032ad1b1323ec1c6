// SPDX-License-Identifier: GPL-2.0
/* The tracepoints of trace.h, those that memnet.ko uses included. */
#define CREATE_TRACE_POINTS
#include "trace.h"

EXPORT_TRACEPOINT_SYMBOL_GPL(memnet_endpoint_state);
EXPORT_TRACEPOINT_SYMBOL_GPL(memnet_link_state);
