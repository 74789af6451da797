"""A shop of django-oscar as it comes, with its hashed thumbnails: ``python oscar_shop.py FOLDER PORT PRODUCTS``.

It runs in an environment of its own, which has django-oscar and sorl-thumbnail.
"""

import io
import random
import sys
from pathlib import Path

APPS = """
django.contrib.admin django.contrib.auth django.contrib.contenttypes django.contrib.flatpages django.contrib.messages
django.contrib.sessions django.contrib.sites django.contrib.staticfiles oscar.config.Shop
oscar.apps.address.apps.AddressConfig oscar.apps.analytics.apps.AnalyticsConfig oscar.apps.basket.apps.BasketConfig
oscar.apps.catalogue.apps.CatalogueConfig oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig
oscar.apps.checkout.apps.CheckoutConfig oscar.apps.communication.apps.CommunicationConfig
oscar.apps.customer.apps.CustomerConfig oscar.apps.dashboard.apps.DashboardConfig
oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig
oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig
oscar.apps.dashboard.offers.apps.OffersDashboardConfig oscar.apps.dashboard.orders.apps.OrdersDashboardConfig
oscar.apps.dashboard.pages.apps.PagesDashboardConfig oscar.apps.dashboard.partners.apps.PartnersDashboardConfig
oscar.apps.dashboard.ranges.apps.RangesDashboardConfig oscar.apps.dashboard.reports.apps.ReportsDashboardConfig
oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig
oscar.apps.dashboard.users.apps.UsersDashboardConfig oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig
oscar.apps.offer.apps.OfferConfig oscar.apps.order.apps.OrderConfig oscar.apps.partner.apps.PartnerConfig
oscar.apps.payment.apps.PaymentConfig oscar.apps.search.apps.SearchConfig oscar.apps.shipping.apps.ShippingConfig
oscar.apps.voucher.apps.VoucherConfig oscar.apps.wishlists.apps.WishlistsConfig django_tables2 haystack sorl.thumbnail
treebeard widget_tweaks
"""
MIDDLEWARE = """
django.contrib.sessions.middleware.SessionMiddleware django.middleware.common.CommonMiddleware
django.contrib.auth.middleware.AuthenticationMiddleware django.contrib.messages.middleware.MessageMiddleware
oscar.apps.basket.middleware.BasketMiddleware
"""
CONTEXT = """
django.contrib.auth.context_processors.auth django.contrib.messages.context_processors.messages
django.template.context_processors.request oscar.apps.checkout.context_processors.checkout
oscar.apps.communication.notifications.context_processors.notifications
oscar.apps.search.context_processors.search_form oscar.core.context_processors.metadata
"""

urlpatterns = []
"""Django looks for them here; they are known once it is set up."""


def set_up(folder):
    import django
    from django.apps import apps
    from django.conf import settings
    from django.conf.urls.static import static
    from django.urls import include, path
    from oscar import defaults

    settings.configure(
        **{name: value for name, value in vars(defaults).items() if name.startswith("OSCAR_")},
        SECRET_KEY="of no use",
        DEBUG=True,
        SITE_ID=1,
        ROOT_URLCONF=__name__,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "shop.sqlite3"}},
        INSTALLED_APPS=APPS.split(),
        MIDDLEWARE=MIDDLEWARE.split(),
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": CONTEXT.split()},
            }
        ],
        HAYSTACK_CONNECTIONS={"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}},
        STATIC_URL="/static/",
        MEDIA_URL="/media/",
        MEDIA_ROOT=folder / "media",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )
    django.setup()
    urlpatterns.extend(
        [
            path("i18n/", include("django.conf.urls.i18n")),
            path("", include(apps.get_app_config("oscar").urls[0])),
            *static("/media/", document_root=folder / "media"),
        ]
    )


def fill(count):
    """Sell straw hats, each with a photograph of 720 x 900 pixels."""
    from django.core.files.base import ContentFile
    from oscar.core.loading import get_model
    from PIL import Image

    kind = get_model("catalogue", "ProductClass").objects.create(name="Hats", requires_shipping=False)
    for number in range(count):
        noise = Image.frombytes("RGB", (24, 30), random.Random(number).randbytes(24 * 30 * 3))
        photograph = io.BytesIO()
        noise.resize((720, 900)).save(photograph, "JPEG")
        product = get_model("catalogue", "Product").objects.create(title=f"Straw hat {number}", product_class=kind)
        get_model("catalogue", "ProductImage").objects.create(
            product=product, original=ContentFile(photograph.getvalue(), name=f"{number}.jpg")
        )


if __name__ == "__main__":
    set_up(Path(sys.argv[1]))
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    fill(int(sys.argv[3]))
    call_command("runserver", f"127.0.0.1:{sys.argv[2]}", use_reloader=False)
