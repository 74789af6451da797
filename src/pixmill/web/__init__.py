"""The web: fetching, the browser, the bundled shop, and local servers.

- ``fetch``: fetcher with SSRF guard
- ``browser``: sandboxed browser
- ``shop``: bundled shop
- ``loopback``: HTTP server on 127.0.0.1
- ``private_server``: local pages behind a secret address
- ``bounded_request``, ``problems``: limits and errors, shared with ``pixmill.serve.http``
"""
