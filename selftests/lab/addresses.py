# SPDX-License-Identifier: GPL-2.0
"""Who is where in the lab: constants alone, for programs in a guest to import as well."""

# (address, prefix) of each side; the host has no leg on the external network
HOST_SAN, NODE_SAN, SAN_CIDR = "10.9.0.1", "10.9.0.2", "10.9.0.0/24"
HOST_SAN6, NODE_SAN6, SAN_CIDR6 = "fd09::1", "fd09::2", "fd09::/64"
NODE_EXT, CLIENT_EXT, EXT_CIDR = "192.168.77.1", "192.168.77.2", "192.168.77.0/24"
NODE_EXT6, CLIENT_EXT6, EXT_CIDR6 = "fd77::1", "fd77::2", "fd77::/64"
