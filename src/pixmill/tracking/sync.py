"""Send what earlier processes left in their spools."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pixmill.tracking.delivery import deliver, is_for_ever, words_of
from pixmill.tracking.probe import silence_of
from pixmill.tracking.spool import Spool, waiting
from pixmill.tracking.store import shown

__all__ = ["Synced", "sync"]


@dataclass
class Synced:
    """Say what became of the records that waited.

    Args:
        uri: Where they went, without a password.
        runs: Runs that MLflow has whole now.
        records: Records that it took.
        left: Runs that still wait for it.
        elsewhere: Runs that wait for another place, by that place.
        refused: What it will not take, in its own words, by run.
        kept_back: Why a run could not be sent, or not all of it, for now: what the disk or MLflow says, by run.
        silence: Why it does not answer; ``None`` where it does.
    """

    uri: str
    runs: int = 0
    records: int = 0
    left: int = 0
    elsewhere: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    kept_back: dict[str, str] = field(default_factory=dict)
    silence: str | None = None

    def line(self) -> str:
        """Return all of it in one line."""
        parts = []
        if self.silence is not None:
            parts.append(f"MLflow at {self.uri} does not answer ({self.silence}); {_waits(self.left)}")
        elif self.records or self.runs:
            parts.append(f"{_runs(self.runs)} ({self.records:,} records) sent to {self.uri}")
            if self.left:
                parts.append(f"{_waits(self.left, 'still ')}")
        elif self.left:
            parts.append(f"{_waits(self.left, 'still ')} for {self.uri}")
        parts += [f"MLflow refuses part of {key}: {why}" for key, why in self.refused.items()]
        parts += [f"not all of {key} could be sent: {why}" for key, why in self.kept_back.items()]
        parts += [f"{_waits(count)} for {place} (pixmill sync --all)" for place, count in self.elsewhere.items()]
        return "; ".join(parts) or "nothing waits to be sent"


def sync(
    place: Path,
    uri: str,
    *,
    home: Path,
    everything: bool = False,
    insist: bool = False,
    forget: bool = False,
) -> Synced:
    """Send what waits in all spools that no living process holds, the oldest first.

    A run whose process died before it could say how the run ended is ended as ``KILLED``.

    Args:
        place: ``.pixmill/tracking``.
        uri: Where runs are kept.
        home: The repository's own root.
        everything: Send also what was meant for another place.
        insist: Offer again what MLflow refused.
        forget: Delete what MLflow refuses still.
    """
    done = Synced(shown(uri))
    folders = waiting(place)
    if not folders:
        return done
    done.silence = silence_of(uri)
    for folder in folders:
        try:
            _sync_one(folder, uri, home, done, everything=everything, insist=insist, forget=forget)
        except OSError as error:
            done.kept_back[folder.name] = str(error) or type(error).__name__
    return done


def _sync_one(
    folder: Path, uri: str, home: Path, done: Synced, *, everything: bool, insist: bool, forget: bool
) -> None:
    spool = Spool.take(folder)
    if spool is None:
        return
    kept = True
    try:
        records = spool.records
        if not records:
            return
        meant = records[0].get("to", done.uri)
        if meant != done.uri:
            if not everything:
                done.elsewhere[meant] = done.elsewhere.get(meant, 0) + 1
                return
            spool.begin_anew(done.uri)
        if done.silence is not None:
            done.left += 1
            return
        if insist:
            spool.reconsider()
        elif spool.refused and not spool.pending():
            return
        found = deliver(spool, uri, home=home)
        done.records += found.sent
        done.silence = found.silence
        if spool.pending() and not (spool.refused and not found.trouble and found.silence is None):
            done.left += 1
            if found.trouble is not None:
                done.kept_back[spool.key] = found.trouble
            return
        if (trouble := _end(spool, uri)) is not None:
            done.left += 1
            done.kept_back[spool.key] = trouble
            return
        if spool.refused:
            done.refused[spool.key] = next(iter(spool.refused.values()))
        if forget or not spool.refused:
            done.runs += not spool.refused
            spool.forget()
            kept = False
    finally:
        if kept:
            spool.release()


def _end(spool: Spool, uri: str) -> str | None:
    """End the runs that a killed process left open, and return what hinders it."""
    from mlflow import MlflowClient

    ended = {record["run"] for record in spool.records if record["kind"] == "end"}
    client = MlflowClient(uri)
    for run, (run_id, own) in spool.runs.items():
        if own and run not in ended:
            try:
                client.set_terminated(run_id, status="KILLED")
            except Exception as error:  # noqa: BLE001 (backends raise what they like)
                # A run that somebody deleted has no end.
                if not is_for_ever(error):
                    return words_of(error)
    return None


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _waits(count: int, still: str = "") -> str:
    return f"{_runs(count)} {still}{'waits' if count == 1 else 'wait'}"
