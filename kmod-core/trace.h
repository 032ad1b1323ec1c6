/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, /sys/kernel/tracing/events/memnet: messages as they are queued and as they come, and
 * states as they change. Both sides have channels and messages, the host links and endpoints.
 * Numbers are those of enum wire_opcode, enum memnet_channel_state, TCP_* (an endpoint's) and enum
 * memnet_link_state.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM memnet

#if !defined(MEMNET_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MEMNET_TRACE_H

#include <linux/memnet_netlink.h>
#include <linux/tracepoint.h>

#include "core.h"

DECLARE_EVENT_CLASS(memnet_message,
		    TP_PROTO(const struct memnet_channel *ch, const struct wire_msg *msg, u32 len),
		    TP_ARGS(ch, msg, len),
		    TP_STRUCT__entry(__field(u32, channel)
				     __field(u32, index)
				     __field(u16, gen)
				     __field(u8, opcode)
				     __field(u8, flags)
				     __field(u32, len)
				     __field(u64, pos)),
		    TP_fast_assign(__entry->channel = ch->number;
				   __entry->index = le32_to_cpu(msg->hdr.index);
				   __entry->gen = le16_to_cpu(msg->hdr.gen);
				   __entry->opcode = msg->hdr.opcode;
				   __entry->flags = msg->hdr.flags;
				   __entry->len = len;
				   __entry->pos = le64_to_cpu(msg->hdr.pos);),
		    TP_printk("channel=%u id=%u generation=%u opcode=%u flags=%#x pos=%llu len=%u",
			      __entry->channel,
			      __entry->index,
			      __entry->gen,
			      __entry->opcode,
			      __entry->flags,
			      __entry->pos,
			      __entry->len)
);

DEFINE_EVENT(memnet_message, memnet_message_sent,
	     TP_PROTO(const struct memnet_channel *ch, const struct wire_msg *msg, u32 len),
	     TP_ARGS(ch, msg, len)
);

DEFINE_EVENT(memnet_message, memnet_message_received,
	     TP_PROTO(const struct memnet_channel *ch, const struct wire_msg *msg, u32 len),
	     TP_ARGS(ch, msg, len)
);

TRACE_EVENT(memnet_channel_state,
	    TP_PROTO(const struct memnet_channel *ch, u8 next),
	    TP_ARGS(ch, next),
	    TP_STRUCT__entry(__field(u32, channel)
			     __field(u32, reason)
			     __field(u8, was)
			     __field(u8, next)),
	    TP_fast_assign(__entry->channel = ch->number;
			   __entry->reason = ch->life.reason;
			   __entry->was = ch->life.state;
			   __entry->next = next;),
	    TP_printk("channel=%u state=%u->%u reason=%u",
		      __entry->channel,
		      __entry->was,
		      __entry->next,
		      __entry->reason)
);

TRACE_EVENT(memnet_endpoint_state,
	    TP_PROTO(const struct memnet_channel *ch, u32 index, u16 gen, u8 was, u8 next),
	    TP_ARGS(ch, index, gen, was, next),
	    TP_STRUCT__entry(__field(int, channel)
			     __field(u32, index)
			     __field(u16, gen)
			     __field(u8, was)
			     __field(u8, next)),
	    TP_fast_assign(__entry->channel = ch ? ch->number : -1;
			   __entry->index = index;
			   __entry->gen = gen;
			   __entry->was = was;
			   __entry->next = next;),
	    TP_printk("channel=%d id=%u generation=%u state=%u->%u",
		      __entry->channel,
		      __entry->index,
		      __entry->gen,
		      __entry->was,
		      __entry->next)
);

TRACE_EVENT(memnet_link_state,
	    TP_PROTO(const char *name, u8 was, u8 next),
	    TP_ARGS(name, was, next),
	    TP_STRUCT__entry(__array(char, name, MEMNET_LINK_NAME_MAX + 1)
			     __field(u8, was)
			     __field(u8, next)),
	    TP_fast_assign(strscpy(__entry->name, name, sizeof(__entry->name));
			   __entry->was = was;
			   __entry->next = next;),
	    TP_printk("link=%s state=%u->%u",
		      __entry->name,
		      __entry->was,
		      __entry->next)
);

#endif /* MEMNET_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
