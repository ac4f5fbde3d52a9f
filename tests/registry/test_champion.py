import pytest
from mlflow.exceptions import MlflowException

from pipeline.errors import RegistryError
from pipeline.registry.champion import champion_version, promote, rollback, settled


@pytest.fixture
def client(store):
    """A registry with a model of four versions that hold nothing."""
    client = store.client()
    client.create_registered_model("model")
    for _ in range(4):
        client.create_model_version("model", source=(store.root / "nothing").as_uri())
    return client


def test_no_model_and_no_champion(client):
    assert champion_version(client, "other") is None
    assert champion_version(client, "model") is None


def test_the_last_promotion_holds(client):
    for version in (1, 3, 3):
        promote(client, "model", version)
        assert champion_version(client, "model") == version


def test_rollback_goes_back_one_version_a_time_until_the_first(client):
    for version in (1, 2, 4):
        promote(client, "model", version)
    assert [rollback(client, "model").version for _ in range(2)] == [2, 1]
    with pytest.raises(
        RegistryError, match=r"'model' has no champion before version 1 \(its versions: \[1, 2, 3, 4\]\)"
    ):
        rollback(client, "model")
    assert champion_version(client, "model") == 1


def test_after_a_rollback_the_next_champion_follows_the_one_that_was_restored(client):
    promote(client, "model", 1)
    promote(client, "model", 2)
    rollback(client, "model")
    promote(client, "model", 3)
    assert rollback(client, "model").version == 1


def test_a_version_that_was_champion_twice_is_in_the_history_twice(client):
    for version in (1, 2, 1):
        promote(client, "model", version)
    assert [rollback(client, "model").version for _ in range(2)] == [2, 1]


def test_a_champion_set_by_hand_counts(client):
    promote(client, "model", 1)
    client.set_registered_model_alias("model", "champion", "3")
    assert rollback(client, "model").version == 1
    client.set_registered_model_alias("model", "champion", "3")
    promote(client, "model", 4)
    assert rollback(client, "model").version == 3


def test_versions_that_were_deleted_are_passed_over(client):
    for version in (1, 2, 3):
        promote(client, "model", version)
    client.delete_model_version("model", "2")
    assert rollback(client, "model").version == 1


def test_without_a_champion_there_is_nothing_to_roll_back(client):
    with pytest.raises(RegistryError, match=r"'model' has no champion to roll back \(its versions: \[1, 2, 3, 4\]\)"):
        rollback(client, "model")
    with pytest.raises(RegistryError, match=r"'other' has no champion to roll back \(its versions: none\)"):
        rollback(client, "other")


@pytest.mark.parametrize("failures", [0, 1])
def test_a_write_that_collides_with_another_process_is_repeated(failures):
    calls: list[None] = []

    def write():
        calls.append(None)
        if len(calls) <= failures:
            raise MlflowException("UNIQUE constraint failed: model_version_tags")

    settled(write)
    assert len(calls) == failures + 1


def test_a_write_that_fails_twice_raises():
    def write():
        raise MlflowException("the store is closed")

    with pytest.raises(MlflowException, match="the store is closed"):
        settled(write)
