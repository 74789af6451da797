"""The web: fetching, the browser, the bundled shop, and servers.

- ``fetch``: fetches from the internet, guarded
- ``browser``: a browser that a network confines
- ``shop``: the bundled shop
- ``loopback``: HTTP on this machine alone, for anybody on it
- ``private_server``: pages for one browser, which are in ``page_files``; ``address_file`` tells a second start of the
  command of the first
- ``bounded_request``, ``problems``: what the private server and ``pixmill.serve.http`` share
"""
