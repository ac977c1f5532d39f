"""What Kafka's failures mean, and that every one of them can be told to a person."""

import socket
import ssl

import pytest
from aiokafka import errors

from relay.errors import Reason
from relay.kafka.failures import (
    ADVICE,
    AWAY,
    KafkaFailure,
    TlsFileError,
    TokenUnreadableError,
    describe,
    reason_of,
    told,
)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), Reason.TIMEOUT),
        (errors.KafkaTimeoutError(), Reason.TIMEOUT),
        (errors.RequestTimedOutError(), Reason.TIMEOUT),
        (socket.gaierror(-2, "Name or service not known"), Reason.DNS),
        (ssl.SSLError(1, "wrong version number"), Reason.TLS),
        (TlsFileError("ssl_cafile: x cannot be used"), Reason.TLS),
        (ConnectionRefusedError(111, "Connection refused"), Reason.CONNECT),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed"), Reason.CONNECT),
        (ConnectionResetError(104, "Connection reset by peer"), Reason.RESET),
        (errors.KafkaConnectionError("closed"), Reason.RESET),
        (errors.SaslAuthenticationFailed("invalid credentials"), Reason.UNAUTHORIZED),
        (errors.UnsupportedSaslMechanismError(), Reason.UNAUTHORIZED),
        (TokenUnreadableError("token is empty"), Reason.UNAUTHORIZED),
        (errors.TopicAuthorizationFailedError("events"), Reason.FORBIDDEN),
        (errors.ClusterAuthorizationFailedError(), Reason.FORBIDDEN),
        (errors.UnknownTopicOrPartitionError("events"), Reason.NOT_FOUND),
        (errors.MessageSizeTooLargeError(), Reason.REFUSED),
        (errors.NotEnoughReplicasError(), Reason.UNAVAILABLE),
        (errors.OutOfOrderSequenceNumber(), Reason.UNAVAILABLE),
        (ValueError("Server sent wrong signature!"), Reason.UNAVAILABLE),
    ],
)
def test_every_failure_has_its_reason(error, reason):
    assert reason_of(error) is reason


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (TimeoutError(), "no answer in time"),
        (FileNotFoundError(2, "No such file or directory", "/a/token"), "/a/token: No such file or directory"),
        (errors.UnknownTopicOrPartitionError("events"), "unknown topic or partition: events"),
        (errors.NotEnoughReplicasError(), "not enough replicas"),
        (errors.ClusterAuthorizationFailedError(), "may not write to any topic"),
        (errors.KafkaTimeoutError(), "kafka timeout"),
        (errors.KafkaConnectionError("no broker answers"), "kafka connection: no broker answers"),
        (ValueError("Server sent wrong signature!"), "Server sent wrong signature!"),
    ],
)
def test_every_failure_can_be_told(error, words):
    assert describe(error) == words


def test_whoever_only_has_to_bring_the_broker_back_is_told_nothing_else():
    """For what is not just away there is always something to do."""
    assert {Reason.TLS, Reason.UNAUTHORIZED, Reason.FORBIDDEN, Reason.NOT_FOUND, Reason.REFUSED} <= ADVICE.keys() - AWAY


def test_what_the_library_raises_comes_out_as_one_kind():
    with pytest.raises(KafkaFailure, match="not_found: unknown topic or partition: events") as raised, told():
        raise errors.UnknownTopicOrPartitionError("events")
    assert isinstance(raised.value.__cause__, errors.UnknownTopicOrPartitionError)


def test_a_mistake_of_our_own_is_not_taken_for_kafkas():
    with pytest.raises(AttributeError), told():
        raise AttributeError("a bug")
