"""On PYTHONPATH this switches the network off: a Python that starts with it reaches this machine only."""

import ipaddress
import sys


def refuse(event: str, arguments: tuple) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # otherwise a path: a Unix socket
    else:
        return
    if not is_local(host):
        raise OSError(f"The network is off: this notebook asked for {host}.")


def is_local(host: str | bytes | None) -> bool:
    host = host.decode() if isinstance(host, bytes) else host
    if host in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name
        return False
    return address.is_loopback or address.is_unspecified


sys.addaudithook(refuse)  # cannot be taken off again, and sees every way to a socket
