"""What is built once answers as what Django builds each time."""

import pytest
from django.db import connections, models, transaction
from django.db.models import F

from accounts.models import User
from accounts.prepared import Param, Select, Update, insert, key

NAME = User._meta.get_field("first_name")
FIELDS = [field.attname for field in User._meta.concrete_fields]


@pytest.fixture
def anna(db):
    return User.objects.create_user("anna", "anna@example.com", first_name="Anna")


@pytest.fixture
def ben(db):
    return User.objects.create_user("ben", "ben@example.com", first_name="Ben")


class TestSelect:
    by_id = Select(lambda: User.objects.filter(pk=key("id")).values_list(*FIELDS))

    def test_finds_what_django_finds(self, anna, ben):
        for each in (anna, ben, anna):
            found = [tuple(row) for row in self.by_id.rows(id=each.pk)]
            assert found == list(User.objects.filter(pk=each.pk).values_list(*FIELDS))

    def test_takes_a_key_as_text(self, anna):
        assert list(self.by_id.rows(id=str(anna.pk))) == list(self.by_id.rows(id=anna.pk))

    def test_mixes_what_is_told_with_what_is_fixed(self, anna, ben):
        active = Select(
            lambda: User.objects.filter(
                first_name=Param("name", NAME), is_active=True, pk__in=[anna.pk, ben.pk]
            ).values_list("username")
        )
        assert list(active.rows(name="Ben")) == [("ben",)]
        assert list(active.rows(name="%s' OR 1=1")) == []

    @pytest.mark.only_on("postgresql")
    def test_locks_in_a_transaction_only(self, anna, monkeypatch):
        locked = Select(lambda: User.objects.select_for_update().filter(pk=key("id")).values_list())
        assert len(list(locked.rows(id=anna.pk))) == 1
        with monkeypatch.context() as outside:
            outside.setattr(connections["default"], "in_atomic_block", False)
            with pytest.raises(transaction.TransactionManagementError):
                locked.rows(id=anna.pk)

    def test_needs_every_value(self, anna):
        with pytest.raises(KeyError):
            self.by_id.rows(pk=anna.pk)


class TestUpdate:
    def test_changes_what_it_finds_and_counts_it(self, anna, ben):
        rename = Update(
            lambda: User.objects.filter(pk=key("id"), first_name=Param("seen", NAME)),
            first_name=Param("name", NAME),
            last_name=F("username"),
        )
        assert rename.rows(id=anna.pk, seen="Anna", name="Annette") == 1
        assert rename.rows(id=ben.pk, seen="Anna", name="Annette") == 0
        assert set(User.objects.values_list("first_name", "last_name")) == {
            ("Annette", "anna"),
            ("Ben", ""),
        }


class TestInsert:
    def test_writes_what_save_writes(self, anna):
        twin = User(**{name: getattr(anna, name) for name in FIELDS if name != "id"})
        twin.username, twin.email = "twin", "twin@example.com"
        insert(twin)
        assert not twin._state.adding
        read = User.objects.get(pk=twin.pk)
        assert [getattr(read, name) for name in FIELDS] == [getattr(twin, name) for name in FIELDS]
        read.first_name = "Berta"
        read.save()  # which updates
        assert User.objects.count() == 2

    def test_learns_the_key_that_the_database_made(self, db):
        from django.contrib.auth.models import Group

        groups = [Group(name=name) for name in ("one", "two")]
        for group in groups:
            insert(group)
        assert [Group.objects.get(pk=group.pk).name for group in groups] == ["one", "two"]

    def test_covers_all_that_is_written_so(self):
        """`insert` calls no `pre_save`: no field of these may compute its value there."""
        from jobs.models import JobEvent, VideoJob
        from tokens_ledger.models import Entry

        for model in (JobEvent, VideoJob, Entry):
            for field in model._meta.concrete_fields:
                assert not getattr(field, "auto_now", False)
                assert not getattr(field, "auto_now_add", False)
                assert field.db_default is models.NOT_PROVIDED
