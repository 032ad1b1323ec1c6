# SPDX-License-Identifier: GPL-2.0
"""ueid.py NAME: the name of a group of machines that speak SMC with one another, told to the kernel, as `smcr ueid add` does."""
import socket
import struct
import sys

NETLINK_GENERIC = 16
GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 16, 3, 1, 2
SMC_NETLINK_ADD_UEID, SMC_NLA_EID_TABLE_ENTRY, SMC_MAX_EID_LEN = 10, 1, 32
NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR = 1, 4, 2


def attributes(data):
    while len(data) >= 4:
        size, kind = struct.unpack_from("HH", data)
        yield kind, data[4:size]
        data = data[size + 3 & ~3:]


def ask(s, family, command, kind, value, flags=0):
    """Send a command with an attribute; (type, payload) of what comes back."""
    attribute = struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
    body = struct.pack("BBH", command, 1, 0) + attribute
    s.send(struct.pack("IHHII", 16 + len(body), family, NLM_F_REQUEST | flags, 1, 0) + body)
    answer = s.recv(65536)
    return struct.unpack_from("IH", answer)[1], answer[16:]


def main(name):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as s:
        kind, answer = ask(s, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, b"SMC_GEN_NETLINK\0")
        if kind == NLMSG_ERROR:
            return "the kernel speaks no SMC"
        family, = struct.unpack("H", dict(attributes(answer[4:]))[CTRL_ATTR_FAMILY_ID])
        name = name.ljust(SMC_MAX_EID_LEN).encode() + b"\0"
        kind, answer = ask(s, family, SMC_NETLINK_ADD_UEID, SMC_NLA_EID_TABLE_ENTRY, name, NLM_F_ACK)
        error, = struct.unpack_from("i", answer)
        return f"refused: {error}" if error else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
