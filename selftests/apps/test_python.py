# SPDX-License-Identifier: GPL-2.0
"""Servers in Python: http.server, a thread for each connection, and streams of asyncio by epoll."""
from selftests.apps import app

LAB = app.LAB


def setup(lab):
    app.setup(lab)


def test_http_server(lab):
    def test(side):
        with app.Running(side, f"python3 -m http.server -d {app.WWW} 8002", 8002):
            got = app.load(lab.client, "http", 8002, threads=4, count=12)
            return app.latency(lab.client, "http", 8002), f"{got['good']} requests"
    return app.each(lab, test, accepts=4 * 12)


def test_asyncio(lab):
    def test(side):
        with app.Running(side, f"python3 {app.HERE}/echo.py 8003", 8003):
            got = app.load(lab.client, "echo", 8003, threads=8, count=40)
            return app.latency(lab.client, "echo", 8003), f"{got['good']} frames"
    return app.each(lab, test, accepts=8 * 2)


app.bounds(globals(), 300)
