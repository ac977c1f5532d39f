"""What a failure of the producer means. The producer itself is tested on a real broker."""

import pytest
from aiokafka import errors

from relay.errors import Reason
from relay.ledger.kafka.producer import Expired, Fenced, NotCommitted, OutcomeUnknown, classified


@pytest.mark.parametrize("error", [errors.ProducerFenced(), errors.InvalidProducerEpoch()])
@pytest.mark.parametrize("otherwise", [NotCommitted, OutcomeUnknown])
def test_an_old_epoch_means_that_somebody_else_has_the_partition(error, otherwise):
    with pytest.raises(Fenced), classified(otherwise):
        raise error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), Reason.TIMEOUT),
        (errors.KafkaConnectionError("gone"), Reason.RESET),
        (errors.MessageSizeTooLargeError(), Reason.REFUSED),
        (errors.InvalidTxnState(), Reason.UNAVAILABLE),
        (AssertionError("Invalid state transition"), Reason.UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("otherwise", [NotCommitted, OutcomeUnknown])
def test_any_other_failure_means_what_its_time_says(error, reason, otherwise):
    with pytest.raises(otherwise) as told, classified(otherwise):
        raise error
    assert told.value.reason is reason


def test_a_bug_comes_out_as_it_is():
    with pytest.raises(KeyError), classified(NotCommitted):
        raise KeyError


@pytest.mark.parametrize("error", [errors.InvalidProducerIdMapping(), errors.UnknownProducerId()])
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_a_broker_has_forgotten_another_producer_may_do(error, wrapped):
    """After a week without a transaction. What has been sent to be committed may have been committed, all the same."""
    raised = error
    if wrapped:  # as by aiokafka's part that sends
        raised = errors.KafkaError("Unexpected error during batch delivery")
        raised.__cause__ = error
    with pytest.raises(Expired), classified(NotCommitted):
        raise raised
    with pytest.raises(OutcomeUnknown), classified(OutcomeUnknown):
        raise raised
