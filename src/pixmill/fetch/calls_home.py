"""The hosts that browsers report to and ask for updates, which no page of ours needs."""

from __future__ import annotations

__all__ = ["CALLS_HOME", "is_call_home"]

CALLS_HOME = frozenset(
    {
        # Chromium and Chrome, seen at a proxy in spite of every switch that quiets them.
        "accounts.google.com",
        "android.clients.google.com",
        "chromewebstore.googleapis.com",
        "clients1.google.com",
        "clients2.google.com",
        "clients2.googleusercontent.com",
        "clients4.google.com",
        "clientservices.googleapis.com",
        "content-autofill.googleapis.com",
        "gvt1.com",
        "mtalk.google.com",
        "optimizationguide-pa.googleapis.com",
        "passwordsleakcheck-pa.googleapis.com",
        "safebrowsing.google.com",
        "safebrowsing.googleapis.com",
        "start.duckduckgo.com",  # Debian's Chromium connects to the start page of its search engine in advance.
        "tools.google.com",
        "update.googleapis.com",
        # Edge (https://learn.microsoft.com/deployedge/microsoft-edge-security-endpoints).
        "config.edge.skype.com",
        "data.microsoft.com",
        "edge.microsoft.com",
        "events.data.msn.com",
        "msedge.api.cdp.microsoft.com",
        "smartscreen.microsoft.com",
        # Firefox (https://support.mozilla.org/kb/how-stop-firefox-making-automatic-connections).
        "ads.mozilla.org",
        "aus5.mozilla.org",
        "cdn.mozilla.net",
        "detectportal.firefox.com",
        "mozilla-backup.org",
        "services.mozilla.com",
        "telemetry.mozilla.org",
    }
)
"""Each stands for the hosts below it too."""


def is_call_home(host: str) -> bool:
    """Tell whether a host is one of ``CALLS_HOME`` or lies below one."""
    labels = host.lower().rstrip(".").split(".")
    return any(".".join(labels[start:]) in CALLS_HOME for start in range(len(labels)))
