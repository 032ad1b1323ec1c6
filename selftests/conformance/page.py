# SPDX-License-Identifier: GPL-2.0
"""The text of Documentation/conformance.rst.  Nothing in it depends on when or where it is made."""
import re

from .tree import KERNELS, SECTIONS

HEAD = """.. SPDX-License-Identifier: GPL-2.0
.. Made by make conformance from selftests/socket/rows, selftests/socket/differences.c and selftests/conformance/*.tsv

==================================
What is as in TCP, and what is not
==================================

A row for each call, flag, option and event a program may depend on. Nobody wrote "yes" by hand: ``make conformance``
makes this page from what the tests have shown.

A test of mnsock is run twice in the same guest, first over native TCP, then over AF_MEMNET: natively it proves itself,
over AF_MEMNET the module. A row says "yes" twice when each of its tests has passed both times, over IPv4 and over IPv6,
and its sockets were seen to be served by a node (``MEMNET_INFO``). Two kinds of tests are marked, and seen to be such:
calls that end before a node is asked, and connections of loopback, which stays on the host by design. A row
says "differs" when over AF_MEMNET one of its tests expects something else; the note says what, and `Differences from
TCP`_ why. Unmodified programs run natively on the node, then over AF_MEMNET on the host. What TCP has no counterpart of
has a dash for it. Rows are of Linux {main}; the note says where {others} is not the same.

``mnsock --rows`` tells which tests prove a row, by the ids of ``selftests/socket/rows``. ``make check`` fails when a run
shows something else than this page says, ``make lint`` when the page is not what it would be made from.
"""

CELLS = {"same": ("yes", "yes"), "differs": ("yes", "differs"), "skip": ("–", "–"), "memnet": ("–", "yes")}


def escape(text):
    """Plain text as reStructuredText that shows the same."""
    text = re.sub(r"([\\*`|])", r"\\\1", text)
    return re.sub(r"_(?=\W|$)", r"\\_", text)


def sentence(text):
    """It begins with a capital, unless that is the name of a call."""
    first = text[0] if re.match(r"\w+\(", text) else text[0].upper()
    return first + text[1:] + ("" if text.endswith(".") else ".")


def explained(result, differences):
    """What a result has to say beside its two words."""
    what, detail = result
    if what == "differs":
        return "; ".join(f"{escape(differences[k].memnet)} ({escape(k)})" if k in differences else escape(k)
                         for k in detail.split())
    return escape(detail)


def cells(row, kept, differences):
    """Native TCP, AF_MEMNET and note of a row: of the first kernel, with what others have to add."""
    main, *others = KERNELS
    result = kept[main].get(row.id)
    native, memnet = CELLS[result[0]] if result else ("–", "–")
    notes = [explained(result, differences)] if result else [f"not on {main}"]
    for kernel in others:
        other = kept[kernel].get(row.id)
        if other and other != result:
            words = CELLS[other[0]]
            notes.append(f"On {kernel}: {words[0]}, {words[1]}"
                         + (f": {explained(other, differences)}" if explained(other, differences) else ""))
    return native, memnet, ". ".join(n for n in notes if n)


def table(rows, kept, differences):
    out = [".. list-table::", "   :header-rows: 1", "   :widths: 50 8 10 32", "",
           "   * - what", "     - native TCP", "     - AF_MEMNET", "     - note"]
    for row in rows:
        native, memnet, note = cells(row, kept, differences)
        out += [f"   * - {escape(row.text)}", f"     - {native}", f"     - {memnet}", f"     -{' ' + note if note else ''}"]
    return out


def difference(d):
    where = f" (only on {', '.join(d.kernels)})" if d.kernels else ""
    out = [f"{escape(d.key)}{where}", f"    {escape(sentence(d.memnet))}", f"    {escape(sentence('why: ' + d.reason))}"]
    if d.stands:
        file, text = d.stands.split(": ", 1)
        out.append(f"    ``{file}`` has ``{text}``.")
    return [*out, ""]


def titled(text, line):
    return ["", text, line * len(text), ""]


def page(rows, kept, differences):
    """The whole page: kept is {kernel: {row: (result, detail)}}."""
    out = [HEAD.format(main=KERNELS[0], others=" and ".join(KERNELS[1:])).rstrip("\n")]
    for section in SECTIONS:
        out += titled(section, "=") + table([r for r in rows if r.section == section], kept, differences)
    out += titled("Differences from TCP", "=")
    out += ["Each begins with the key that it has in the rows and in ``selftests/socket/differences.c``."]
    for title, text, chosen in (
            ("What the kernel does not allow",
             "No module can do it otherwise: the text in the kernel's own file is what stands in the way.", False),
            ("What is our choice", "It could be otherwise, at a price or with work that has not been done.", True)):
        out += titled(title, "-") + [text, ""]
        for d in differences.values():
            if chosen == (not d.stands):
                out += difference(d)
        while not out[-1]:
            out.pop()
    return "\n".join(out) + "\n"
