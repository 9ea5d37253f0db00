"""Multipart forms."""

import pytest

from tests.api import assert_fault

B = "b0undary"
HEAD = b'\r\nContent-Disposition: form-data; name="'


def form(*fields):
    return b"".join(
        b"--b0undary" + HEAD + name + b'"\r\n\r\n' + text + b"\r\n" for name, text in fields
    ) + (b"--b0undary--\r\n")


@pytest.mark.parametrize(
    "content_type",
    [
        f"Multipart/Form-Data; boundary={B}",
        f"multipart/form-data; x=\xe9; boundary={B}",
        f"multipart/form-data; boundary={'b' * 202}",
        "multipart/form-data; boundary=b\x7f",
    ],
)
def test_invalid_content_type_is_refused(client, content_type):
    boundary = content_type.rpartition("=")[2]
    body = form((b"prompt", b"A sunset")).replace(B.encode(), boundary.encode("latin-1"))
    assert_fault(client.send(body, content_type), code="malformed")
