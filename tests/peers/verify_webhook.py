"""Checks webhook requests with the Standard Webhooks project's own library.

Reads JSON lines {"headers": {...}, "body": "...", "secret": "whsec_..."} on stdin; prints "ok N", or the first
failure and exits 1. The library also refuses timestamps more than five minutes off.
"""
import json
import sys

from standardwebhooks import Webhook


def main():
    count = 0
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            request = json.loads(line)
            headers = {name.lower(): value for name, value in request["headers"].items()}
            Webhook(request["secret"]).verify(request["body"].encode("utf-8"), headers)
        except Exception as failure:  # whatever it is, this request did not verify
            print(f"line {number}: {type(failure).__name__}: {failure}")
            return 1
        count += 1
    print(f"ok {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
