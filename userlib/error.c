// SPDX-License-Identifier: LGPL-2.1
/* Errors in words, where libmemnet means more by them than libc. */
#include <errno.h>
#include <string.h>

#include "memnet.h"

const char *memnet_strerror(int error)
{
	static __thread char text[64];

	switch (error) {
	case EACCES:
		return "The region was not registered to be received to";
	case EBUSY:
		return "The socket's jobs belong to another context, or the job can not be stopped any more";
	case ECANCELED:
		return "The job was cancelled";
	case ENOENT:
		return "No such region or job, or memnet.ko is not loaded";
	case ENOSPC:
		return "Too many regions in the context, or sockets with jobs";
	case EOPNOTSUPP:
		return "The socket is not offloaded";
	case ETIME:
		return "The time is over";
	default:
		return strerror_r(error, text, sizeof(text));
	}
}
