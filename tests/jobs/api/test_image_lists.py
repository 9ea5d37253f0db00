"""Reference images in a form, under the list names of axios, PHP and others."""

import json
from typing import Any

import pytest

from jobs.api.parsers import ImageJSONParser
from jobs.models import JobImage
from tests.api import assert_fault
from tests.uploads import picture


class TestListOfFiles:
    @pytest.mark.parametrize(
        "names",
        [
            ["referenceImages[]"] * 3,
            ["referenceImages[0]", "referenceImages[1]", "referenceImages[2]"],
            ["referenceImages", "referenceImages[]", "referenceImages[1]"],
        ],
    )
    def test_reference_images_keep_their_order(self, client, names):
        files: dict[str, list[Any]] = {}
        for name, size in zip(names, (10, 20, 30), strict=True):
            files.setdefault(name, []).append(picture(size=(size, 2)))
        answer = client.create(**files)
        assert answer.status_code == 202, answer.content
        assert answer.json()["inputs"]["referenceImages"] == 3
        widths = JobImage.objects.order_by("position").values_list("width", flat=True)
        assert list(widths) == [10, 20, 30]

    def test_each_spelling_is_the_same_idempotent_order(self, client):
        ids = set()
        for name in ("referenceImages", "referenceImages[]", "referenceImages[0]"):
            answer = client.create(**{name: [picture()]}, headers={"idempotency-key": "one"})
            assert answer.status_code == 202, answer.content
            ids.add(answer.json()["id"])
        assert len(ids) == 1

    @pytest.mark.usefixtures("nothing_happens")
    def test_more_than_three_images_are_refused(self, client):
        files = {"referenceImages": [picture(), picture()], "referenceImages[]": [picture()] * 2}
        body = assert_fault(client.create(**files), field="referenceImages")
        assert body["detail"] == "At most 3 reference images are allowed"


class TestLongListInJson:
    """A body of 20 MB could hold 700,000 images, whose files took seconds to make."""

    def test_no_file_is_made_of_too_many_images(self, client):
        images = ["data:image/png;base64,AA"] * 4
        sent = {"referenceImages": images}
        assert ImageJSONParser().parsed(bytearray(json.dumps(sent).encode())) == sent
        body = assert_fault(client.create_json(referenceImages=images), field="referenceImages")
        assert body["detail"] == "At most 3 reference images are allowed"
