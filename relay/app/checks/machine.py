"""Whether this machine lets relay work: its ledger's file and the addresses it listens on. Nothing is changed."""

import errno
import fcntl
import os
import socket
from pathlib import Path

from relay.app.checks import Finding, Verdict
from relay.config.addresses import ListenAddress
from relay.ledger.file import HEADER_BYTES, MAGIC
from relay.ledger.schema import APPLICATION_ID


def try_ledger(path: Path) -> Finding:
    verdict, detail, advice = _ledger(path)
    return Finding(what="ledger", name=str(path), verdict=verdict, detail=detail, advice=advice)


def _ledger(path: Path) -> tuple[Verdict, str, str]:
    folder = path.absolute().parent
    if not folder.is_dir():
        return Verdict.FAILED, f"there is no folder {folder}", "create it, or let ledger.path name another"
    if path.is_dir():
        return Verdict.FAILED, "is a folder", "let ledger.path name a file in it"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        return Verdict.FAILED, "cannot be written", "check permissions, and whether the file system is read-only"
    if _in_use(path):
        return Verdict.OK, "is in use by a relay that runs", ""
    if not path.exists() or not path.stat().st_size:
        return Verdict.OK, "is new: `relay serve` creates it", ""
    if not _is_ledger(path):
        return Verdict.FAILED, "is not a ledger of relay", "let ledger.path name another file"
    return Verdict.OK, f"can be read and written, {path.stat().st_size / 1e6:,.1f} MB", ""


def _in_use(path: Path) -> bool:
    """Whether somebody holds the lock. To ask means to hold it for an instant, so this is asked last and once."""
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_ledger(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    return header.startswith(MAGIC) and int.from_bytes(header[68:72], "big") == APPLICATION_ID


def try_listen(key: str, address: ListenAddress) -> Finding:
    """`key`: of the configuration, such as `server.listen`."""
    verdict, detail, advice = _listen(key, address)
    return Finding(what=key, name=str(address), verdict=verdict, detail=detail, advice=advice)


def _listen(key: str, address: ListenAddress) -> tuple[Verdict, str, str]:
    try:
        _bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return Verdict.WARNING, "is in use", f"nothing if relay runs already; else choose another {key}"
        return Verdict.FAILED, str(error.strerror or error), f"choose another {key}"
    return Verdict.OK, "is free", ""


def _bind(address: ListenAddress) -> None:
    """Raises OSError: relay could not listen there."""
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, place in found:
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
