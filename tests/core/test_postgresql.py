import pytest
from django.db import OperationalError, connection, transaction

from accounts.models import User


@pytest.mark.only_on("postgresql")
def test_write_to_a_read_only_database_is_an_operational_error(db):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        with pytest.raises(OperationalError):
            User.objects.create(username="alice")
        transaction.set_rollback(True)
    assert connection.close_at == 0
