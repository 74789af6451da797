"""Serve the model: a page to try it, and an API.

Prints its URL when it is ready. Ctrl-C or SIGTERM stops it after it has answered
the accepted requests.

API keys can also be given in PIXMILL_API_KEYS, separated by commas.
"""

import argparse
import contextlib
import ipaddress
import os
import secrets
from pathlib import Path

from pixmill.cli.parser import add_log_options, inbox, number, open_log, port
from pixmill.core.errors import PixmillError
from pixmill.core.process.progress import announce
from pixmill.project.api import find_project

EXTRAS = ("serve", "registry")

EXAMPLES = (
    ("pixmill serve --open", "try the model in your browser"),
    ("pixmill serve --model artifacts/train", "serve what was trained last"),
    ("pixmill serve --share", "let a phone in your network use it, by a link and QR code"),
    ("pixmill serve --host 0.0.0.0 --api-keys keys.txt", "serve other machines"),
    ("curl -F file=@photo.jpg http://127.0.0.1:8000/v1/predict", ""),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "--model",
        help="a folder, a .tflite file or a model in MLflow (default: the one in production, else "
        "the one that was trained last)",
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    share = "serve your local network, only by a link with a random key; shows its QR code"
    parser.add_argument("--share", action="store_true", help=share)
    parser.add_argument(
        "--port", type=port, default=8000, help="port; 0 for a free one (default: 8000)"
    )
    whole = number("a whole number, 0 or above", int, 0)
    some = number("a whole number above 0", int, 1)
    parser.add_argument(
        "--workers", type=some, metavar="N", help="worker processes (default: one per processor)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    limit = "URLs fetched per client and minute; 0 disables URLs (default: 10)"
    parser.add_argument("--url-rate", type=whole, default=10, metavar="N", help=limit)
    parser.add_argument(
        "--no-feedback", dest="feedback", action="store_false", help="accept no corrections"
    )
    parser.add_argument(
        "--inbox",
        type=inbox,
        metavar="DIR",
        help="folder for corrections (default: the project's inbox/)",
    )
    parser.add_argument(
        "--api-keys", type=Path, metavar="FILE", help="file of accepted API keys, one per line"
    )
    proxy = (
        "address or network of a trusted proxy, which checks host names and sets X-Forwarded-For"
    )
    parser.add_argument("--proxy", action="append", type=_network, metavar="ADDRESS", help=proxy)
    poll = "seconds between checks for a newer model; 0 disables them (default: 30)"
    parser.add_argument("--poll", type=float, default=30, metavar="S", help=poll)
    add_log_options(parser)
    shadow = "with --log: a second model, whose answers to the same images are only logged"
    parser.add_argument("--shadow", metavar="MODEL", help=shadow)


def run(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    from pixmill.images.compute import default_workers
    from pixmill.local.private_server import opened
    from pixmill.serve.http.server import LOOPBACK, Settings
    from pixmill.serve.http.server import run as serve
    from pixmill.serve.http.sharing import SHARED, print_code

    root = find_project(Path.cwd())  # not needed with --model
    host, token, keys = _access(arguments)
    place = arguments.inbox or (root / "inbox" if root else None)
    settings = Settings(
        model=arguments.model,
        root=root,
        workers=arguments.workers or default_workers(),
        url_rate=arguments.url_rate,
        inbox=place if arguments.feedback else None,
        keys=keys,
        shared=arguments.share,
        proxies=tuple(arguments.proxy or ()),
        hosts=LOOPBACK if _is_local(host) and not arguments.proxy else None,
        poll=arguments.poll,
        log=open_log(arguments, root),
        shadow=arguments.shadow,
    )

    def ready(url: str) -> None:
        # Browsers keep what follows the # to themselves: the key is in no request line or log.
        address = f"{url}#key={token}" if token else url
        print(address, flush=True)
        if token:
            print_code(address)
            announce(SHARED)
        if arguments.open:
            ended.enter_context(opened(address))

    with contextlib.ExitStack() as ended:
        serve(settings, host=host, port=arguments.port, ready=ready)


def _access(arguments: argparse.Namespace) -> tuple[str, str, tuple[str, ...]]:
    """Return the address to listen on, the key of a shared link if any, and all keys."""
    from pixmill.serve.http.sharing import lan_address

    keys = _keys(arguments.api_keys)
    if arguments.share:
        token = secrets.token_urlsafe(24)
        return arguments.host or lan_address(), token, (token, *keys)
    host = arguments.host or "127.0.0.1"
    if not _is_local(host) and not keys:
        announce(
            f"warning: anyone who can reach {host} can use this server. Require a key with "
            "--api-keys FILE, or let a proxy do so."
        )
    return host, "", keys


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _keys(path: Path | None) -> tuple[str, ...]:
    given = os.environ.get("PIXMILL_API_KEYS", "").split(",")
    if path is not None:
        try:
            given += path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise PixmillError(
                f"{path}: {error.strerror}", next="write one key per line into it"
            ) from error
    keys = tuple(key.strip() for key in given if key.strip())
    if path is not None and not keys:
        raise PixmillError(f"{path} has no key", next="write one key per line into it")
    return keys


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected an address or a network, received '{text}': {error}"
        ) from error
    return text
