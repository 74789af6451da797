"""Check what a run talks to: the browser, a cluster and MLflow."""

from collections.abc import Iterator
from pathlib import Path

from pixmill.core.files.workspace import Workspace
from pixmill.images.compute import default_workers
from pixmill.images.compute.cluster import cluster_address, processors
from pixmill.project.doctor.finding import Finding, Status, check


@check("browser")
def check_browser(_: Path) -> Iterator[Finding]:
    """Tell which browser and driver a run would start, or whether the remote driver answers."""
    from pixmill.web.browser import RemoteDriver, check_remote, choose_browser

    browser = choose_browser()
    if not isinstance(browser, RemoteDriver):
        yield Finding("browser", Status.OK, f"{browser.binary} {browser.version}")
        yield Finding("driver", Status.OK, f"{browser.driver} {browser.driver_version}")
        return
    check_remote(browser)
    yield Finding("browser", Status.OK, f"{browser.kind.title} by the remote driver {browser.url}")


@check("compute")
def check_compute(_: Path) -> Iterator[Finding]:
    """Tell which processors passes over images use."""
    address = cluster_address()
    where = "processors of this machine" if address is None else f"processors of {address}"
    yield Finding("compute", Status.OK, f"{processors(address) if address else default_workers()} {where}")


@check("MLflow")
def check_mlflow(root: Path) -> Iterator[Finding]:
    """Tell whether runs can be recorded where they are meant to be.

    Args:
        root: The project's folder, which holds the database where no other place is named.
    """
    from pixmill.tracking.store import StoreError, check_store, tracking_uri, without_password

    uri = tracking_uri(Workspace(root, root))
    try:
        check_store(uri)
    except StoreError as error:
        status = Status.BAD if uri.startswith("sqlite") else Status.WARNING
        yield Finding("MLflow", status, f"{without_password(uri)} {error.message}: runs stay pending", next=error.next)
    else:
        yield Finding("MLflow", Status.OK, without_password(uri))
