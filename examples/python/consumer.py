"""A consumer in Python: takes signed CloudEvents by POST, and applies each of them once.

    WEBHOOK_SECRET=whsec_... python3 consumer.py store.db [port]

It prints where it listens; `Http::signed(url, secret)` of a relay sends to it.
"""
import base64
import hmac
import json
import os
import sqlite3
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
LONGEST_BODY = 2 * 1024 * 1024


def is_signed(fields, body):
    """Standard Webhooks: an HMAC of id, time and body, not older than five minutes."""
    message_id, timestamp = fields.get("webhook-id", ""), fields.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        return False
    content = f"{message_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(KEY, content, "sha256"))
    # There are several while secrets are changed. The comparison takes the same time for all.
    signatures = fields.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(expected, one) for one in signatures)


def apply(store, event):
    """The effect and the memory of it: one transaction, both or neither."""
    store.execute("BEGIN IMMEDIATE")
    name = (event["source"], event["id"])
    is_new = store.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", name).rowcount == 1
    if is_new:
        store.execute("INSERT INTO shipment VALUES (?)", (event["data"]["order_id"],))
    store.execute("COMMIT")
    return is_new


class Consumer(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(self.take())
        self.end_headers()

    def take(self):
        length = int(self.headers.get("content-length", 0))
        if not 0 <= length <= LONGEST_BODY:
            return 413
        body = self.rfile.read(length)
        if not is_signed(self.headers, body):
            return 401
        event = json.loads(body)
        # Whatever fails here ends the connection without an answer, and the event comes again.
        store = opened()
        try:
            is_new = apply(store, event)
        finally:
            store.close()  # and rolls back what was not committed
        print("applied" if is_new else "known", event["id"], flush=True)
        return 204  # only now: the effect is durable

    def log_message(self, *_):
        pass


def opened():
    store = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
    store.execute("PRAGMA synchronous = FULL")
    return store


def main():
    store = opened()
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("CREATE TABLE IF NOT EXISTS shipment (order_id INTEGER)")
    store.execute("CREATE TABLE IF NOT EXISTS seen (source, id, PRIMARY KEY (source, id))")
    store.close()
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), Consumer)
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


main()
