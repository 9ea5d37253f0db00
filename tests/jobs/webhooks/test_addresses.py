"""No connection is made to the operator's own network, however an address is written."""

import socket
import ssl
from ipaddress import ip_address

import pytest

from jobs.webhooks import addresses, connections, sending
from tests import receiver as receivers
from tests.certificates import self_signed

pytestmark = pytest.mark.once

PRIVATE_HOSTS = [
    *("127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "0x7f.1", "2130706433"),
    *("127.1", "0177.0.0.1", "0", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1"),
    *("[64:ff9b::a00:1]", "[64:ff9b:1::a00:1]", "[::10.0.0.1]", "[::]", "[fe80::1%25eth0]"),
    *("[fd00::1]", "[fec0::1]", "[2002:a00:1::]", "[2001::1]", "[2001:db8::1]", "[ff02::1]"),
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1", "198.18.0.1", "192.0.0.1"),
    *("192.0.0.8", "192.0.0.10", "192.0.0.170", "[3fff::1]", "127.0.0.1."),
    *("localhost", "LOCALHOST", "localhost.", "a.localhost", "db.internal", "printer.local"),
    *("intranet", "１２７.０.０.１", "ⓛocalhost"),
]


class TestCheck:
    @pytest.mark.parametrize("host", PRIVATE_HOSTS)
    def test_private_host_is_refused(self, host):
        for port in ("", ":8443"):
            with pytest.raises(addresses.RefusedUrl):
                addresses.check(f"https://{host}{port}/hook")

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("http://example.com/", "must begin with https://"),
            ("ftp://example.com/", "must begin with https://"),
            ("https://example.com:80/", "must use port 443 or 8443"),
            ("https://example.com:22/", "must use port 443 or 8443"),
            ("https://example.com:0/", "must use port 443 or 8443"),
            ("https://user@example.com/", "must not contain a user name or password"),
            ("https://user:pass@example.com/", "must not contain a user name or password"),
            ("https://@example.com/", "must not contain a user name or password"),
            ("https://example.com\\@127.0.0.1/", "must not contain spaces, "),
            ("https://example.com/\n", "must not contain spaces, "),
            ("https://exam ple.com/", "must not contain spaces, "),
            ("https://", "must be a URL, "),
            ("nonsense", "must begin with https://"),
            ("https:///path", "must be a URL, "),
            ("https://[::1", "must be a URL, "),
            ("https://a..b/", "must have a valid host name"),
            ("https://.example.com/", "must have a valid host name"),
            ("https://example.com../", "must have a valid host name"),
            ("https://-a.example.com/", "must have a valid host name"),
            (f"https://{'a' * 64}.example.com/", "must have a valid host name"),
            (f"https://{'a.' * 127}example.com/", "must have a valid host name"),
            ("https://1.2.3.4.5/", "must have a valid host name"),
            ("https://a%20b.example.com/", "must have a valid host name"),
            ("https://example.com:port/", "must be a URL, "),
            ("https://example.com/" + "x" * 2_000, "must be at most 2,000 characters"),
        ],
    )
    def test_refusal_is_a_sentence(self, url, why):
        with pytest.raises(addresses.RefusedUrl, match=why):
            addresses.check(url)

    @pytest.mark.parametrize(
        "url",
        [
            "https://example.com",
            "https://example.com:443/a?b=c",
            "https://EXAMPLE.com:8443/",
            "https://münchen.example/",
            "https://example.com./",
            "https://a_b.example.com/",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
        ],
    )
    def test_public_url_is_accepted(self, url):
        addresses.check(url)

    def test_allowed_host_may_use_any_port_and_http(self, settings):
        settings.WEBHOOK_ALLOWED_HOSTS = ["localhost", "::1"]
        for url in ("http://localhost:9/", "https://LocalHost:8000/x", "http://[::1]:80/"):
            addresses.check(url)
        for url in ("http://127.0.0.1/", "http://user@localhost/", "ftp://localhost/"):
            with pytest.raises(addresses.RefusedUrl):
                addresses.check(url)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        *(("8.8.8.8", True), ("2606:4700::1111", True), ("::ffff:8.8.8.8", True)),
        *(("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("64:ff9b::808:808", False)),
        *(("100.64.0.1", False), ("fec0::1", False), ("::8.8.8.8", False)),
    ],
)
def test_public_address(text, public):
    assert addresses.is_public(ip_address(text)) is public


def post(url):
    return sending.post(url=url, body=b"{}", headers={})


@pytest.fixture
def listener():
    """A listener on this machine, whose connections are counted. It speaks no TLS."""
    with receivers.receiver() as listener:
        yield listener


@pytest.fixture
def resolves(monkeypatch):
    """`resolves("a.example", ["10.0.0.1"])`: each look-up takes the next address."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host not in known:
            return real(host, port, *args, **kwargs)
        queue = known[host]
        return real(queue.pop(0) if len(queue) > 1 else queue[0], port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known.__setitem__


class TestNoConnection:
    """The listener's port is 8443 for these tests, so that only the address is at fault."""

    @pytest.fixture(autouse=True)
    def port(self, listener, monkeypatch):
        port = int(listener.url.split(":")[2].split("/")[0])
        monkeypatch.setattr(addresses, "PORTS", (port,))
        return port

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "0"]
    )
    def test_private_address_is_not_connected_to(self, listener, port, host):
        outcome = post(f"https://{host}:{port}/")
        assert outcome.status is None
        assert outcome.error == "The URL must be a public address."
        assert listener.connections == 0

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
    def test_address_of_a_name_is_checked_without_the_url_check(
        self, listener, port, host, resolves
    ):
        resolves("hooks.example.com", [host])
        outcome = post(f"https://hooks.example.com:{port}/")
        assert outcome.error == "The URL's host has no public address."
        assert listener.connections == 0

    def test_name_that_turns_private_between_look_ups(self, listener, port, resolves):
        # The look-up that is checked is the one that is used: there is no second.
        resolves("hooks.example.com", ["127.0.0.1", "8.8.8.8"])
        assert "no public address" in post(f"https://hooks.example.com:{port}/").error
        assert listener.connections == 0

    def test_each_try_resolves_again(self, listener, port, resolves, monkeypatch):
        resolves("hooks.example.com", ["127.0.0.1"])
        asked = []
        real = socket.getaddrinfo

        def getaddrinfo(host, *more, **options):
            asked.append(host)
            return real(host, *more, **options)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        for tries in (1, 2):
            post(f"https://hooks.example.com:{port}/")
            assert asked == ["hooks.example.com"] * tries
        assert listener.connections == 0

    def test_redirect_is_not_followed(self, listener, settings):
        settings.WEBHOOK_ALLOWED_HOSTS = ["localhost"]
        with receivers.receiver() as first:
            first.answer = lambda handler: receivers.reply(handler, 302, {"Location": listener.url})
            outcome = post(first.url.replace("127.0.0.1", "localhost"))
        assert outcome.status == 302
        assert "Redirects are not followed" in outcome.error
        assert listener.connections == 0

    def test_proxy_of_the_environment_is_not_used(self, listener, settings, monkeypatch):
        settings.WEBHOOK_ALLOWED_HOSTS = ["localhost"]
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, listener.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with receivers.receiver() as other:
            assert post(other.url.replace("127.0.0.1", "localhost")).status == 204
        assert listener.connections == 0


class TestCertificate:
    def test_unknown_authority_is_refused(self, settings, tls):
        settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
        with receivers.receiver(wrap=tls) as secure:
            outcome = post(secure.url)
            assert secure.received == []
        assert outcome.error == "The receiver's certificate is not valid."

    def test_name_of_the_certificate_is_checked(self, settings, tls, trusted):
        settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
        with receivers.receiver(wrap=tls) as secure:
            assert post(secure.url.replace("127.0.0.1", "localhost")).status == 204
            assert post(secure.url).error == "The receiver's certificate is not valid."
            assert len(secure.received) == 1

    def test_public_host_is_checked_by_its_name(self, tls, trusted, resolves, monkeypatch):
        """As for a public host: the connection is to the address, the certificate is the name's."""
        monkeypatch.setattr(addresses, "is_public", lambda address: True)
        monkeypatch.setattr("requests_hardened.ip_filter_adapter.filter_host", first_address)
        with receivers.receiver(wrap=tls) as secure:
            port = int(secure.url.split(":")[2].split("/")[0])
            monkeypatch.setattr(addresses, "PORTS", (port,))
            for name, works in [("hooks.example.com", True), ("other.example.com", False)]:
                resolves(name, ["127.0.0.1"])
                outcome = post(f"https://{name}:{port}/")
                assert (outcome.status == 204) is works, outcome
            assert secure.received[0].headers["host"] == f"hooks.example.com:{port}"


def first_address(host, port, *, allow_loopback):
    return socket.getaddrinfo(host, port)[0][4][0]


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return lambda plain: context.wrap_socket(plain, server_side=True)


@pytest.fixture
def trusted(certificate, monkeypatch):
    """The test's certificate is one of the known authorities."""
    monkeypatch.setattr(connections.certifi, "where", lambda: str(certificate[0]))
    connections._certificates.cache_clear()
    yield
    connections._certificates.cache_clear()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost", "hooks.example.com")
