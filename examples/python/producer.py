"""A producer in Python: sends signed webhooks, or CloudEvents, to a receiver.

    WEBHOOK_SECRET=whsec_... python3 producer.py URL webhook|event

Reads one order a line: its id, its time and its number. They come from where they are durable, for
id and body have to be the same at every attempt, after a crash too. Prints the id of what is taken.
"""
import base64
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
COME_AGAIN = (401, 408, 409, 425, 429)


def webhook(message_id, at, order):
    """The payload that Standard Webhooks suggests; the id is in a header field."""
    document = {"type": "order.placed", "timestamp": at, "data": {"order_id": order}}
    return "application/json", json.dumps(document).encode()


def event(message_id, at, order):
    """A structured CloudEvent."""
    document = {
        "specversion": "1.0",
        "id": message_id,
        "source": "https://shop.example/orders",
        "type": "order.placed",
        "time": at,
        "datacontenttype": "application/json",
        "data": {"order_id": order},
    }
    return "application/cloudevents+json", json.dumps(document).encode()


def signed(url, message_id, content_type, body):
    """A request of now: the time is that of the attempt."""
    timestamp = str(int(time.time()))
    content = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(KEY, content, "sha256")).decode()
    fields = {
        "content-type": content_type,
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
    return urllib.request.Request(url, body, fields)


def send(url, message_id, content_type, body):
    """Until somebody says that it is durable there."""
    wait = 0.1
    while True:
        try:
            request = signed(url, message_id, content_type, body)
            return urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as refusal:
            if refusal.code < 500 and refusal.code not in COME_AGAIN:
                raise  # it would be refused again: a person has to look at it
            why = refusal
        except OSError as error:
            why = error  # whether it was taken nobody knows
        print(f"trying {message_id} again: {why}", file=sys.stderr, flush=True)
        time.sleep(wait)
        wait = min(2 * wait, 60)


def main():
    write = {"webhook": webhook, "event": event}[sys.argv[2]]
    for line in sys.stdin:
        message_id, at, order = line.split()
        send(sys.argv[1], message_id, *write(message_id, at, int(order)))
        print(message_id, flush=True)


main()
