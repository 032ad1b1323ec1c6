# SPDX-License-Identifier: GPL-2.0
# Lists of ports
. ./lib.sh

P=$OBJ/tests/ports
many=$(seq -s, 1 32)

check "a port" 0 '^1: 22-22$' "$P" 22
check "several, and a range" 0 '^3: 22-22 5432-5432 8000-8010$' "$P" 22,5432,8000-8010
check "blanks" 0 '^2: 1-2 65535-65535$' "$P" ' 1 - 2 , 65535 '
check "nothing" 0 '^0:$' "$P" ''
check "as many as the kernel takes" 0 '^32: ' "$P" "$many"
check "one more" 1 'too many' "$P" "$many,33"
check "port 0" 1 '^0: a port is' "$P" 0
check "port 65536" 1 '^3: a port is' "$P" 22,65536
check "a huge number" 1 '^0: a port is' "$P" 99999999999999999999
check "a name" 1 '^3: a port is' "$P" 22,ssh
check "a comma at the end" 1 '^3: a port is' "$P" 22,
check "two commas" 1 '^3: a port is' "$P" 22,,23
check "no comma" 1 '^3: a comma' "$P" '22 23'
check "a range without end" 1 '^3: a port is' "$P" 22-
check "a range backwards" 1 '^3: the range ends' "$P" 22-21
check "a negative port" 1 '^0: a port is' "$P" -1

finish
