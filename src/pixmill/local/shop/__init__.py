"""A web shop on loopback that shows the images of ``data/``, for practising scraping.

Nothing is for sale. The shop imitates the behaviour and the faults of real shops. All of them
depend on hashes of the images' paths, so the same ``data/`` gives the same shop.

- ``catalogue``: the cards of each class, with their images, texts and faults
- ``server``: HTTP server on loopback, which renders ``templates/``

Interface for scrapers:

- ``/search?q=<class>``: results of a class, with the first batch of cards
- ``/search/more?q=<class>&page=<n>``: a further batch, as JSON: ``html``, ``next`` (null at the
  end), ``pause``
- ``/product/<id>``, ``/media/<name>``: a product's page; an image, byte for byte as in ``data/``
- ``article.card[data-product-id]``: a card with ``.card-title``, ``.card-price[data-price]`` and
  ``a.card-link``
- ``img.card-image``: its image: in ``data-src`` until it nears the viewport, then in ``src``
- ``#consent``, ``#consent-accept``: banner that covers the page; nothing loads until it is answered
- ``#show-more``: button to click after some batches, otherwise ``hidden``
- ``[data-end-of-results]``: appears after the last batch
- ``[data-no-results]``: on the page of a query without results
- ``[data-results]``: container of the cards; ``data-total`` is their number

Deliberate faults: images inlined as ``data:`` URIs; the same image on another card; wrong content
types; sold-out cards whose image is missing (404); cards whose image ``robots.txt`` disallows; one
image that takes two seconds. Missing and disallowed images are on extra cards only: each file in
``data/`` also has a card with its image.
"""
