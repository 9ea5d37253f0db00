"""Forms: plain texts are read at once as Django's parser reads them in pieces."""

import random
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from jobs.api import order_form
from jobs.api.parsers import texts_alone
from tests.client import MOCK_JOB
from tests.jobs.conftest import assert_fault

B = "b0undary"
HEAD = b'\r\nContent-Disposition: form-data; name="'
PIECES = (
    *(b"--b0undary", b"--b0undary--", b"--", b"b0undary", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" "),
    *(HEAD + b'prompt"\r\n\r\n', HEAD + b'model"\r\n\r\n', HEAD + b'a"; filename="f"\r\n\r\n'),
    *(b"a text", "Sonnenuntergang über \N{MOUNTAIN}".encode(), b"\xff\xfe", b"\0", b'"', b"%s; --"),
    *(b"Content-Type: text/plain\r\n", b"Content-Transfer-Encoding: base64\r\n", b"YWJj"),
)


def djangos(body):
    """What Django reads: the fields in order; None where it refuses, or there are files."""
    meta = {"CONTENT_TYPE": f"multipart/form-data; boundary={B}", "CONTENT_LENGTH": len(body)}
    try:
        texts, files = MultiPartParser(meta, BytesIO(body), [], "utf-8").parse()
    except MultiPartParserError:
        return None
    return None if files else list(texts.lists())


def ours(body):
    texts = texts_alone(body, B.encode())
    return None if texts is None else list(texts.lists())


def form(*fields):
    return b"".join(
        b"--b0undary" + HEAD + name + b'"\r\n\r\n' + text + b"\r\n" for name, text in fields
    ) + (b"--b0undary--\r\n")


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"prompt", b"A sunset")],
        [(b"prompt", b""), (b"mockMode", b"true"), (b"aspectRatio", b"16:9")],
        [(b"prompt", b"one"), (b"prompt", b"two")],
        [(b"prompt", b" \r\n\r\ntwo lines\n\r\n ")],
        [(b"prompt", "Sonnenuntergang über \N{MOUNTAIN}".encode())],
        [(b"prompt", b"\xff\xfe no UTF-8 \0")],
        [(b"prompt", b"--b0undar -- b0undary-- ;%s")],
        [(b"prompt", b"long " * 15_000)],
    ],
)
def test_a_form_of_texts_is_read_at_once(fields):
    body = form(*fields)
    assert ours(body) == djangos(body) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        form((b"prompt", b"A sunset"))[:-8],
        b"before" + form((b"prompt", b"A sunset")),
        form((b"prompt", b"A sunset")) + b"after",
        form((b'prompt"; filename="a.png', b"A sunset")),
        form((b'prompt"\r\nContent-Type: text/plain; a="', b"A sunset")),
        form((b"prompt", b"--b0undary")),
        form((b"pr\xc3\xbcf", b"A sunset")),
        form(*[(b"prompt", b"A sunset")] * 101),
    ],
)
def test_all_else_is_left_to_django(body):
    assert ours(body) is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_read_at_once_is_what_django_reads(seed):
    chance = random.Random(seed)
    read = 0
    for _ in range(500):
        fields = [
            (b"prompt", b"".join(chance.choices(PIECES, k=chance.randrange(4))))
            for _ in range(chance.randrange(1, 4))
        ]
        body = form(*fields)
        if chance.random() < 0.3:
            at = chance.randrange(len(body))
            body = body[:at] + chance.choice(PIECES) + body[at:]
        if (found := ours(body)) is not None:
            read += 1
            assert djangos(body) == found, body
    assert read > 50


def test_one_form_reads_many_orders_at_once():
    def read(n):
        wish = order_form.read(MOCK_JOB | {"prompt": f"{n}", "durationSeconds": 4 + n % 2 * 4})
        return wish.order.prompt, wish.order.duration_seconds

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(200))) == [(f"{n}", 4 + n % 2 * 4) for n in range(200)]


@pytest.mark.parametrize(
    "content_type",
    [
        f"Multipart/Form-Data; boundary={B}",
        f"multipart/form-data; x=\xe9; boundary={B}",
        f"multipart/form-data; boundary={'b' * 202}",
        "multipart/form-data; boundary=b\x7f",
    ],
)
def test_a_content_type_that_django_refuses_is_refused_for_texts_too(client, content_type):
    boundary = content_type.rpartition("=")[2]
    body = form((b"prompt", b"A sunset")).replace(B.encode(), boundary.encode("latin-1"))
    assert_fault(client.send(body, content_type), code="malformed")
