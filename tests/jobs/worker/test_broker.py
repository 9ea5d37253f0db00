import pytest
from django_q.conf import Conf
from django_q.core_signing import BadSignature
from django_q.signing import SignedPackage

from jobs.worker.broker import under_present_key

OTHER = "a former secret key, known to everybody"


def test_task_of_a_fallback_key_is_read(settings, monkeypatch):
    present = SignedPackage.dumps({"func": "jobs.tasks.tick"})
    with monkeypatch.context() as former:
        former.setattr(Conf, "SECRET_KEY", OTHER)
        queued = SignedPackage.dumps({"func": "jobs.tasks.tick"})
    with pytest.raises(BadSignature):
        SignedPackage.loads(under_present_key(queued))
    settings.SECRET_KEY_FALLBACKS = ["x" * 32, OTHER]
    assert SignedPackage.loads(under_present_key(queued)) == {"func": "jobs.tasks.tick"}
    assert under_present_key(present) == present
