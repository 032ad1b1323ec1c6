# SPDX-License-Identifier: GPL-2.0
"""serve.py PORT FOLDER: a web server that keeps connections and knows what time lies between two requests.

GET /median-gap answers "gap median=MICROSECONDS count=N" for the requests since it was last asked: what one request
takes a client that makes them one after the other.
"""
import functools
import http.server
import statistics
import sys
import time

times = []


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path != "/median-gap":
            times.append(time.monotonic())
            super().do_GET()
            return
        gaps = [b - a for a, b in zip(times, times[1:])]
        text = f"gap median={statistics.median(gaps) * 1e6 if gaps else 0:.0f} count={len(gaps)}\n".encode()
        times.clear()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64
    address_family = http.server.socket.AF_INET6


Server(("::", int(sys.argv[1])), functools.partial(Handler, directory=sys.argv[2])).serve_forever()
