"""A small web shop on loopback, made of whatever images ``data/`` holds, to practise scraping on.

Nothing is for sale. The shop behaves as shops on the web do, and misbehaves as they do, and all of it follows from the
hashes of the images' paths: the same ``data/`` gives the same shop. In this package:

- ``catalogue``: which cards a class shows, which image each stands for, its wording, and what is odd about it
- ``rendering``: the pages as HTML, from ``templates/``
- ``server``: HTTP on loopback

What a scraper may rely on:

========================================  ============================================================================
``/search?q=<class>``                     the results of a class; the first batch is in the page
``/search/more?q=<class>&page=<n>``       a further batch, as JSON: ``html``, ``next`` (null at the end), ``pause``
``/product/<id>``, ``/media/<name>``      a product's page; an image, byte for byte as it lies in ``data/``
``article.card[data-product-id]``         one card; ``.card-title``, ``.card-price[data-price]``, ``a.card-link`` in it
``img.card-image``                      its image: in ``data-src`` until it nears the viewport, then in ``src``
``#consent``, ``#consent-accept``         the banner that covers the page; nothing loads before it is answered
``#show-more``                            the button that must be clicked after some batches, ``hidden`` otherwise
``[data-end-of-results]``                 appears when nothing more will come
``[data-no-results]``                     stands on the page of a query that finds nothing
``[data-results]``                        holds the cards; ``data-total`` is their number
========================================  ============================================================================

What is odd, on purpose: images inlined as ``data:`` URIs; the same image again on another card; wrong content
types; sold-out cards whose image is gone (404); cards whose image ``robots.txt`` asks to leave alone; one image
that takes two seconds. Gone and private images are on extra cards only: each file in ``data/`` has its own card.
"""

from pixmill.web.shop.server import ORIGIN, Shop, serve

__all__ = ["ORIGIN", "Shop", "serve"]
