"""What is built once answers as what Django builds each time."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connections, models, transaction
from django.db.models import F

from accounts.models import User
from accounts.prepared import Param, Select, Update, insert, key, together
from tests.queries import counted

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
        rows: list[int] = []
        rename.then(rows.append, id=anna.pk, seen="Anna", name="Annette")
        rename.then(rows.append, id=ben.pk, seen="Anna", name="Annette")
        assert rows == [1, 0]
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


class TestTogether:
    """Several statements at once do what they do one by one."""

    rename = Update(lambda: User.objects.filter(pk=key("id")), first_name=Param("name", NAME))
    named = Select(lambda: User.objects.filter(first_name=Param("name", NAME)).values_list("pk"))

    def test_are_done_in_order_and_answer_each_for_itself(self, anna, ben):
        found: dict = {}
        line = Group(name="a; b -- %s 'c'")
        with transaction.atomic(), together():
            self.named.then(lambda rows: found.update(before=[*map(tuple, rows)]), name="Bo")
            self.rename.then(lambda rows: found.update(renamed=rows), id=ben.pk, name="Bo")
            self.rename.then(lambda rows: found.update(missed=rows), id=uuid4(), name="Bo")
            insert(line)
            self.named.then(lambda rows: found.update(after=[*map(tuple, rows)]), name="Bo")
            assert (found, line.pk) == ({}, None)
        assert found == {"before": [], "renamed": 1, "missed": 0, "after": [(ben.pk,)]}
        assert Group.objects.get(pk=line.pk).name == line.name

    def test_may_ask_more_for_what_they_found(self, anna, ben):
        names: list[str] = []

        def look(rows):
            names.extend(User.objects.values_list("first_name", flat=True).order_by("username"))

        with transaction.atomic(), together():
            self.rename.then(look, id=anna.pk, name="Annette")
            self.rename.then(look, id=ben.pk, name="Benedict")
        assert names[-2:] == ["Annette", "Benedict"]

    def test_are_all_gone_where_one_fails(self, anna, ben):
        twin = User(username="anna", email="twin@example.com", password="!")

        def both():
            with transaction.atomic(), together():
                self.rename.then(print, id=ben.pk, name="Bo")
                insert(twin)

        with pytest.raises(IntegrityError):
            both()
        assert kept_name(ben) == "Ben"

    def test_are_never_sent_where_the_block_fails(self, anna):
        def broken():
            with transaction.atomic(), together():
                self.rename.then(print, id=anna.pk, name="Annette")
                raise LookupError

        with counted() as statements, pytest.raises(LookupError):
            broken()
        assert statements == []
        self.rename.then(print, id=anna.pk, name="Annette")  # which waits for no block
        assert kept_name(anna) == "Annette"

    def test_need_a_transaction(self, anna, monkeypatch):
        with monkeypatch.context() as outside:
            outside.setattr(connections["default"], "in_atomic_block", False)
            with pytest.raises(transaction.TransactionManagementError), together():
                raise AssertionError

    def test_are_not_nested(self, db):
        def nested():
            with transaction.atomic(), together(), together():
                pass

        with pytest.raises(transaction.TransactionManagementError):
            nested()

    def test_may_be_none(self, db):
        with transaction.atomic(), together():
            pass

    @pytest.mark.only_on("postgresql")
    def test_go_by_one_round_trip(self, anna, ben):
        sent = []

        def count(execute, sql, params, many, context):
            sent.append(sql)
            return execute(sql, params, many, context)

        wrapper = connections["default"].execute_wrapper(count)
        with wrapper, transaction.atomic(), together():
            self.rename.then(print, id=anna.pk, name="Annette")
            insert(Group(name="one"))
        assert len([sql for sql in sent if "SAVEPOINT" not in sql]) == 1


def kept_name(user):
    return User.objects.get(pk=user.pk).first_name
