import pytest

from accounts.models import User
from tokens_ledger import ledger


@pytest.fixture
def alice(db):
    return User.objects.create_user("alice")


@pytest.fixture
def bob(db):
    return User.objects.create_user("bob")


@pytest.fixture
def charged():
    """Charges `user` the 50 tokens of a video, for a reference."""

    def charge(user, reference):
        account = ledger.lock(user=user)
        return ledger.charge(
            account=account, operation="video_generation", tokens=50, reference=reference
        )

    return charge
