# SPDX-License-Identifier: GPL-2.0
# The web server's asynchronous responses, over a kernel that is none
. ./lib.sh

mkdir "$tmp/www"
echo hello >"$tmp/www/f"
check "a connection closed by the end of its jobs is not served again" 0 '^0 mistakes$' \
	timeout 60 "$OBJ/tests/webserver" "$tmp/www"

finish
