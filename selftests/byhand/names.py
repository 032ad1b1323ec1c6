# SPDX-License-Identifier: GPL-2.0
"""The counters that tests and these programs look at, by the names that `memnetctl stats` has for them."""

# bytes that the host has sent from regions, and copied from programs
SENT, COPIED_IN = "host.direct_bytes", "host.copied_from_user_bytes"
# bytes that came: placed in regions, copied to regions, and to programs; and copied once more, as tails of pages
PLACED, COPIED, READ = "host.direct_received_bytes", "host.copied_to_region_bytes", "host.copied_to_user_bytes"
TAIL = "core.tail_copied_bytes"
