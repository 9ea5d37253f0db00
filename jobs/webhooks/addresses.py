"""Which URLs and which IP addresses a webhook may have: nothing inside the operator's network.

A URL is checked when it is set and before each try, without resolving its host. So `sending` also
checks the address that it connects to.
"""

import re
import socket
import unicodedata
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from jobs.models.webhooks import MAX_URL_LENGTH

PORTS = (443, 8443)
PRIVATE_NAMES = ("localhost", "local", "internal", "home.arpa", "localdomain")
PUBLIC_IPV6 = ip_network("2000::/3")  # global unicast (RFC 4291); other addresses are special
# Inside it, addresses that carry an IPv4 address or have no route: Teredo and other protocols of
# 2001::/23, documentation, 6to4.
SPECIAL_IPV6 = [
    ip_network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
]
# Python's is_global differs between its versions here: IETF protocols, 6to4 relays.
SPECIAL_IPV4 = [ip_network(each) for each in ("192.0.0.0/24", "192.88.99.0/24")]
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")  # between the dots of a name
MAX_NAME_LENGTH = 253  # with its dots (RFC 1035)
NOT_PUBLIC = "must be a public address"


class RefusedUrl(ValueError):
    """The first argument says why, after the name of the field: "must begin with https://"."""


def check(url: str) -> Url:
    """The parts of `url`, as the HTTP client will see them. Raises RefusedUrl."""
    if len(url) > MAX_URL_LENGTH:
        raise RefusedUrl(f"must be at most {MAX_URL_LENGTH:,} characters")
    if not url.isprintable() or " " in url or "\\" in url:
        raise RefusedUrl("must not contain spaces, control characters or backslashes")
    try:
        parts = parse_url(url)
    except LocationParseError as error:
        raise RefusedUrl("must be a URL, such as https://example.com/hook") from error
    host = host_of(parts)
    if not host:
        raise RefusedUrl("must be a URL, such as https://example.com/hook")
    if not _is_host(host):
        raise RefusedUrl("must have a valid host name, such as example.com")
    if "@" in re.split(r"[/?#]", url.partition("://")[2])[0]:
        raise RefusedUrl("must not contain a user name or password")
    if is_allowed(host):
        if parts.scheme not in ("http", "https"):
            raise RefusedUrl("must begin with http:// or https://")
        return parts
    if parts.scheme != "https":
        raise RefusedUrl("must begin with https://")
    if parts.port not in (None, *PORTS):
        raise RefusedUrl("must use port 443 or 8443")
    if not _may_be_public(host):
        raise RefusedUrl(NOT_PUBLIC)
    return parts


def host_of(parts: Url) -> str:
    """The host's name in lower case, an IPv6 address without brackets."""
    name = unicodedata.normalize("NFKC", parts.host or "").lower()
    return name.removeprefix("[").removesuffix("]").removesuffix(".")


def is_allowed(host: str) -> bool:
    """Whether the operator has allowed this private host (WEBHOOK_ALLOWED_HOSTS)."""
    return host in settings.WEBHOOK_ALLOWED_HOSTS


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether `address` is a host on the Internet, in any notation."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        return address in PUBLIC_IPV6 and not any(address in net for net in SPECIAL_IPV6)
    special = address.is_multicast or any(address in net for net in SPECIAL_IPV4)
    return address.is_global and not special


def _may_be_public(host: str) -> bool:
    """False for a private address, and for a name that only a private network resolves."""
    if address := _literal(host):
        return is_public(address)
    return "." in host and not any(
        host == name or host.endswith(f".{name}") for name in PRIVATE_NAMES
    )


def _is_host(host: str) -> bool:
    """Whether it is an IP address, or a name that DNS can contain."""
    labels = host.split(".")
    is_name = all(LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    return _literal(host) is not None or (is_name and len(host) <= MAX_NAME_LENGTH)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that the resolver makes of `host` without a look-up; None for a name."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:  # 127.1, 0x7f.1, 0177.0.0.1 and 2130706433 too
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None
