"""Servers on loopback: local pages, the bundled shop.

- ``shop``: bundled shop
- ``loopback``: HTTP server on 127.0.0.1
- ``private_server``: local pages behind a secret address
- ``bounded_request``, ``problems``: limits and errors, shared with ``pixmill.serve.http``
"""
